# Leaky integrate-and-fire with a spike-triggered current and an adaptive threshold, all exponential.

cdef extern from "models/adaptive.h" nogil:
    const Kernel adaptive_kernel "eventsim_adaptive_kernel"

cdef struct AdaptiveState:
    Neuron head
    double u, I_ex, I_in, I_e           # u = V_m - E_L [mV], currents [pA]
    double I_stc, h                     # spike-triggered current [pA], elevation of the threshold [mV]

cdef struct AdaptiveCoef:
    double a, b_ex, b_in, b_stc, b_sfa  # 1/tau_m, 1/tau_syn_ex, 1/tau_syn_in, 1/tau_stc, 1/tau_sfa [1/ms]
    double k                            # 1/C_m [1/pF]
    double c, r                         # V_th - E_L, V_reset - E_L [mV]
    double t_ref                        # [ms]
    double q_stc, q_sfa                 # jumps at a spike [pA], [mV]

cdef struct AdaptiveCostate:
    Costate head
    Current ex, i, e, stc               # of I_ex, I_in, I_e, I_stc
    Current h                           # the same without an effect on u

@cython.final
cdef class AdaptivePopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["tau_syn_ex"], 1.0 / p["tau_syn_in"], 1.0 / p["tau_stc"], 1.0 / p["tau_sfa"],
                1.0 / p["C_m"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"], p["q_stc"], p["q_sfa"]]

    def gradients(self, dict p, double[:, ::1] g):
        a, b_ex, b_in, b_stc, b_sfa, k, c, r, t_ref, q_stc, q_sfa = np.asarray(g).T
        rates = {"tau_m": a, "tau_syn_ex": b_ex, "tau_syn_in": b_in, "tau_stc": b_stc, "tau_sfa": b_sfa, "C_m": k}
        return {name: -b / p[name] ** 2 for name, b in rates.items()} | {
            "V_th": c, "V_reset": r, "E_L": -c - r, "t_ref": t_ref, "q_stc": q_stc, "q_sfa": q_sfa}

    # u' = -a u + k (I_ex + I_in + I_e - I_stc);   I_x, I_stc and h decay
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef AdaptiveState *s = <AdaptiveState *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        s.u = s.u * exp(-p.a * t) + p.k * adaptive_psp(s, p, t)
        self.rest(n, q, t)

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef AdaptiveCostate *s = <AdaptiveCostate *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        current_back(&s.ex, n, p.a, p.b_ex, p.k, d)
        current_back(&s.i, n, p.a, p.b_in, p.k, d)
        current_back(&s.stc, n, p.a, p.b_stc, -p.k, d)
        current_back(&s.e, n, p.a, 0.0, p.k, d)
        decay_back(&s.h, p.b_sfa, d.t)
        membrane_back(n, p.a, d)

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const AdaptiveState *s = <const AdaptiveState *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        return p.k * (s.I_ex + s.I_in + s.I_e - s.I_stc) - p.a * s.u

    cdef double closing(self, const Neuron *n, const double *q) noexcept nogil:
        return self.slope(n, q) + (<const AdaptiveCoef *> q).b_sfa * (<const AdaptiveState *> n).h

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef AdaptiveState *s = <AdaptiveState *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        s.I_ex *= exp(-p.b_ex * t)
        s.I_in *= exp(-p.b_in * t)
        s.I_stc *= exp(-p.b_stc * t)
        s.h *= exp(-p.b_sfa * t)

    cdef void rest_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef AdaptiveCostate *s = <AdaptiveCostate *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        decay_back(&s.ex, p.b_ex, d.t)
        decay_back(&s.i, p.b_in, d.t)
        decay_back(&s.stc, p.b_stc, d.t)
        decay_back(&s.h, p.b_sfa, d.t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef AdaptiveState *s = <AdaptiveState *> n
        if w >= 0.0:
            s.I_ex += w
        else:
            s.I_in += w

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef const AdaptiveCostate *s = <const AdaptiveCostate *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        cdef AdaptiveCoef *gradient = <AdaptiveCoef *> g
        if w >= 0.0:
            return current_pull(s.ex, n, p.a, p.b_ex, p.k, d, resting, w, &gradient.a, &gradient.b_ex, &gradient.k)
        return current_pull(s.i, n, p.a, p.b_in, p.k, d, resting, w, &gradient.a, &gradient.b_in, &gradient.k)

    # The spike is where y = u - h reaches c;  y' = -a y + (the currents) + (b_sfa - a) h: h acts as one more current.
    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const AdaptiveState *s = <const AdaptiveState *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        cdef double k = sign * p.k
        cdef double gained = s.u * expm1(-p.a * t) + p.k * adaptive_psp(s, p, t) - s.h * expm1(-p.b_sfa * t)
        cdef Drive drive
        drive.slope, drive.rise, drive.rate = -sign * p.a * (s.u - s.h + gained), 0.0, 0.0
        add_currents(&drive, k * s.I_ex * exp(-p.b_ex * t), p.b_ex, k * s.I_in * exp(-p.b_in * t), p.b_in)
        add_current(&drive, -k * s.I_stc * exp(-p.b_stc * t), p.b_stc)
        add_current(&drive, sign * (p.b_sfa - p.a) * s.h * exp(-p.b_sfa * t), p.b_sfa)
        add_current(&drive, k * s.I_e, 0.0)
        return approach(sign * ((p.c + s.h - s.u) - gained), p.a, drive, self.mode,
                        ON_THRESHOLD * (fabs(p.c + s.h) + fabs(s.u)))

    cdef double respite(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const AdaptiveState *s = <const AdaptiveState *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        cdef double most = most_of(s.I_ex, p.b_ex, s.I_in, p.b_in), slowest = min(p.b_ex, p.b_in)
        if self.mode == EDGE or not isfinite(s.I_ex + s.I_in + s.I_stc):
            return 0.0
        if s.I_stc < 0.0:
            most, slowest = most - s.I_stc, min(slowest, p.b_stc)
        return certain_respite(p.k * most, slowest, p.k * s.I_e, s.u, p.a, p.c + min(s.h, 0.0))

    cdef const Kernel *kernel(self) noexcept nogil:
        return &adaptive_kernel if self.mode != EDGE else NULL

    def longest_window(self):
        return peak_time(self.coef[:, 0], self.coef[:, 1])

    def effects(self, double length):
        return length, 1.0, 1.0, bool(np.all(np.asarray(self.coef)[:, 1] == np.asarray(self.coef)[:, 2]))

    cdef bint aim(self, Neuron *n, double *q, double level) noexcept nogil:
        (<AdaptiveCoef *> q).c, (<AdaptiveState *> n).h = level, 0.0
        return True

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        cdef AdaptiveState *s = <AdaptiveState *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        reset_membrane(&s.u, p.c + s.h if self.mode == EDGE else p.c, p.r, self.mode, falls)
        if not falls:
            s.I_stc += p.q_stc
            s.h += p.q_sfa

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *spike, double G, double O) noexcept nogil:
        cdef AdaptiveCostate *s = <AdaptiveCostate *> n
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        cdef AdaptiveCoef *gradient = <AdaptiveCoef *> g
        gradient.t_ref += O
        # the jumps: put in, and later if the spike is later
        put_in(&s.stc, p.q_stc, p.k, &gradient.a, &gradient.b_stc, &gradient.k)
        gradient.b_sfa -= p.q_sfa * s.h.b
        gradient.q_stc += s.stc.p
        gradient.q_sfa += s.h.p
        G += p.b_stc * p.q_stc * s.stc.p + p.b_sfa * p.q_sfa * s.h.p
        if self.mode == EDGE:
            G += p.k * p.q_stc * n.u
        elif self.mode == SUBTRACT and drifted(spike):      # u = c + h - c
            gradient.a -= n.told * n.a
            s.h.p += n.u
            G -= p.b_sfa * n.told * n.u
        reset_membrane_back(n, &gradient.c, &gradient.r, &gradient.a, p.c, p.r, self.mode, spike, G)
        if drifted(spike):                                  # dt = (dc + dh - du)/(u' - h')
            s.h.p += G / spike.before
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *start, double *states) noexcept nogil:
        cdef const AdaptiveCostate *s = <const AdaptiveCostate *> n
        cdef const AdaptiveState *x = <const AdaptiveState *> start
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        cdef AdaptiveCoef *gradient = <AdaptiveCoef *> g
        gradient.a -= x.u * n.a
        gradient.b_sfa -= x.h * s.h.b
        put_in(&s.ex, x.I_ex, p.k, &gradient.a, &gradient.b_ex, &gradient.k)
        put_in(&s.i, x.I_in, p.k, &gradient.a, &gradient.b_in, &gradient.k)
        put_in(&s.e, x.I_e, p.k, &gradient.a, NULL, &gradient.k)
        put_in(&s.stc, x.I_stc, p.k, &gradient.a, &gradient.b_stc, &gradient.k)
        states[0], states[1], states[2], states[3], states[4], states[5] = n.u, s.ex.p, s.i.p, s.e.p, s.stc.p, s.h.p

    def asks(self, list incoming):
        return self.mode == SUBTRACT

    cdef double tell(self, const Costate *n, const double *q, const Neuron *start) noexcept nogil:
        """h at the spike, before it jumps."""
        cdef const AdaptiveCoef *p = <const AdaptiveCoef *> q
        if isnan(n.told):
            return (<const AdaptiveState *> start).h * exp(-p.b_sfa * elapsed(start.at, n.at))
        return (n.told + p.q_sfa) * exp(-p.b_sfa * (p.t_ref + elapsed(n.free, n.at)))

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const AdaptiveCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<AdaptiveState *> self.row(j)).I_e = current

    cdef double step_back(self, Costate *n, const double *q, double *g, double value) noexcept nogil:
        cdef AdaptiveCoef *gradient = <AdaptiveCoef *> g
        return current_step_back(&(<AdaptiveCostate *> n).e, value, (<const AdaptiveCoef *> q).k, &gradient.a, &gradient.k)

    def costate_width(self):
        return sizeof(AdaptiveCostate) // sizeof(double)


cdef inline double adaptive_psp(const AdaptiveState *s, const AdaptiveCoef *p, double t) noexcept nogil:
    """What the currents add to u within t, times C_m."""
    return (s.I_ex * kappa(p.a, p.b_ex, t) + s.I_in * kappa(p.a, p.b_in, t)
            - s.I_stc * kappa(p.a, p.b_stc, t) + s.I_e * kappa(p.a, 0.0, t))


class AdaptiveLIF(SpikingMembrane):
    """Leaky integrate-and-fire neuron with a spike-triggered current and an adaptive threshold.

    .. math::
        dV_m/dt = -(V_m - E_L)/\\tau_m + (I_{ex} + I_{in} + I_e - I_{stc})/C_m, \\qquad
        dI_{stc}/dt = -I_{stc}/\\tau_{stc}, \\qquad dh/dt = -h/\\tau_{sfa}

    The neuron spikes when ``V_m`` reaches ``V_th + h``; then ``I_stc += q_stc`` and ``h += q_sfa``. Both run on while it is
    refractory. Names as in NEST's ``gif_psc_exp``.

    Parameters
    ----------
    q_stc [pA], tau_stc [ms] : jump and time constant of the spike-triggered current
    q_sfa [mV], tau_sfa [ms] : jump and time constant of the threshold
    C_m [pF], tau_m [ms], E_L, V_th, V_reset [mV], t_ref [ms], tau_syn_ex, tau_syn_in [ms], I_e [pA], reset : as in `LIF`

    References
    ----------
    Mensi et al. (2012), J. Neurophysiol. 107, 1756; Eshraghian et al. (2023), Proc. IEEE 111(9), App. C.2.
    """

    parameters = MEMBRANE | SYNAPSES | {
        "q_stc": Parameter(0.0, "pA"), "tau_stc": Parameter(100.0, "ms", "positive"),
        "q_sfa": Parameter(0.0, "mV", "nonnegative"), "tau_sfa": Parameter(100.0, "ms", "positive")}
    options = RESET
    states = {"V_m": V_M, "I_ex": CURRENT, "I_in": CURRENT, "I_e": INJECTED, "I_stc": CURRENT, "h": State(0.0, "mV")}
    receptors = ("I",)
    population = AdaptivePopulation
