# Leaky integrate-and-fire whose synaptic currents rise and decay; with equal constants they are alpha functions.

cdef extern from "models/double_exp.h" nogil:
    const Kernel double_exp_kernel "eventsim_double_exp_kernel"

cdef struct DoubleExpState:
    Neuron head
    double u, I_ex, I_in                # V_m - E_L [mV], currents [pA]
    double g_ex, g_in                   # sources of the currents [pA/ms]
    double I_e                          # [pA]

cdef struct DoubleExpCoef:
    double a, b_ex, f_ex, b_in, f_in    # 1/tau_m; 1/tau_decay and 1/tau_rise of each current [1/ms]
    double k                            # 1/C_m [1/pF]
    double c, r                         # V_th - E_L, V_reset - E_L [mV]
    double t_ref                        # [ms]
    double n_ex, n_in                   # jump of g for a current of peak 1 pA [1/ms]

cdef struct DoubleExpCostate:
    Costate head
    RisingCurrent ex, i
    Current e                           # of I_e

@cython.final
cdef class DoubleExpPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"],
                1.0 / p["tau_decay_ex"], 1.0 / p["tau_rise_ex"], 1.0 / p["tau_decay_in"], 1.0 / p["tau_rise_in"],
                1.0 / p["C_m"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"],
                unit_peak(p["tau_decay_ex"], p["tau_rise_ex"])[0], unit_peak(p["tau_decay_in"], p["tau_rise_in"])[0]]

    def gradients(self, dict p, double[:, ::1] g):
        a, b_ex, f_ex, b_in, f_in, k, c, r, t_ref, n_ex, n_in = np.asarray(g).T
        out = {"tau_m": -a / p["tau_m"] ** 2, "C_m": -k / p["C_m"] ** 2,
               "V_th": c, "V_reset": r, "E_L": -c - r, "t_ref": t_ref}
        for x, b, f, n in (("ex", b_ex, f_ex, n_ex), ("in", b_in, f_in, n_in)):
            _, by_decay, by_rise = unit_peak(p[f"tau_decay_{x}"], p[f"tau_rise_{x}"])
            out[f"tau_decay_{x}"] = n * by_decay - b / p[f"tau_decay_{x}"] ** 2
            out[f"tau_rise_{x}"] = n * by_rise - f / p[f"tau_rise_{x}"] ** 2
        return out

    # u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x + g_x,   g_x' = -f_x g_x
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef DoubleExpState *s = <DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        s.u = s.u * exp(-p.a * t) + p.k * double_exp_psp(s, p, t)
        self.rest(n, q, t)

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef DoubleExpCostate *s = <DoubleExpCostate *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        rising_back(&s.ex, n, p.a, p.b_ex, p.f_ex, p.k, d)
        rising_back(&s.i, n, p.a, p.b_in, p.f_in, p.k, d)
        current_back(&s.e, n, p.a, 0.0, p.k, d)
        membrane_back(n, p.a, d)

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const DoubleExpState *s = <const DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        return p.k * (s.I_ex + s.I_in + s.I_e) - p.a * s.u

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef DoubleExpState *s = <DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        s.I_ex = s.I_ex * exp(-p.b_ex * t) + s.g_ex * kappa(p.b_ex, p.f_ex, t)
        s.I_in = s.I_in * exp(-p.b_in * t) + s.g_in * kappa(p.b_in, p.f_in, t)
        s.g_ex *= exp(-p.f_ex * t)
        s.g_in *= exp(-p.f_in * t)

    cdef void rest_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef DoubleExpCostate *s = <DoubleExpCostate *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        rising_decay_back(&s.ex, p.b_ex, p.f_ex, d)
        decay_back(&s.ex.I, p.b_ex, d.t)
        rising_decay_back(&s.i, p.b_in, p.f_in, d)
        decay_back(&s.i.I, p.b_in, d.t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef DoubleExpState *s = <DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        if w >= 0.0:
            s.g_ex += w * p.n_ex
        else:
            s.g_in += w * p.n_in

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef const DoubleExpCostate *s = <const DoubleExpCostate *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        cdef DoubleExpCoef *G = <DoubleExpCoef *> g
        if w >= 0.0:
            return rising_pull(s.ex, n, p.a, p.b_ex, p.f_ex, p.k, d, resting, w, p.n_ex, &G.a, &G.b_ex, &G.f_ex, &G.k, &G.n_ex)
        return rising_pull(s.i, n, p.a, p.b_in, p.f_in, p.k, d, resting, w, p.n_in, &G.a, &G.b_in, &G.f_in, &G.k, &G.n_in)

    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const DoubleExpState *s = <const DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        cdef double k = sign * p.k
        cdef double gained = s.u * expm1(-p.a * t) + p.k * double_exp_psp(s, p, t)
        cdef Drive drive
        drive.slope, drive.rise, drive.rate = -sign * p.a * (s.u + gained), 0.0, 0.0
        add_rising_current(&drive, k * (s.I_ex * exp(-p.b_ex * t) + s.g_ex * kappa(p.b_ex, p.f_ex, t)), p.b_ex,
                           k * s.g_ex * exp(-p.f_ex * t), p.f_ex)
        add_rising_current(&drive, k * (s.I_in * exp(-p.b_in * t) + s.g_in * kappa(p.b_in, p.f_in, t)), p.b_in,
                           k * s.g_in * exp(-p.f_in * t), p.f_in)
        add_current(&drive, k * s.I_e, 0.0)
        return approach(sign * ((p.c - s.u) - gained), p.a, drive, self.mode,
                        ON_THRESHOLD * (fabs(p.c) + fabs(s.u)))

    cdef double respite(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const DoubleExpState *s = <const DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        cdef double slowest = min(min(p.b_ex, p.f_ex), min(p.b_in, p.f_in)), most
        if self.mode == EDGE or not isfinite(s.I_ex + s.I_in + s.g_ex + s.g_in):
            return 0.0
        if p.b_ex == p.b_in and p.f_ex == p.f_in:       # they are one current
            most = rising_most(s.I_ex + s.I_in, s.g_ex + s.g_in, p.b_ex, p.f_ex)
        else:
            most = rising_most(s.I_ex, s.g_ex, p.b_ex, p.f_ex) + rising_most(s.I_in, s.g_in, p.b_in, p.f_in)
        return certain_respite(p.k * most, 0.5 * slowest, p.k * s.I_e, s.u, p.a, p.c)

    cdef const Kernel *kernel(self) noexcept nogil:
        return &double_exp_kernel if self.mode != EDGE else NULL

    def longest_window(self):
        return peak_time(self.coef[:, 1], self.coef[:, 2])

    def effects(self, double length):
        a, b_ex, f_ex, b_in, f_in = np.asarray(self.coef)[:, :5].T
        same = bool(np.all((b_ex == b_in) & (f_ex == f_in)))
        return length, 1.0, float(np.asarray(self.coef)[:, 9:11].max(initial=1e-300)), same

    cdef bint aim(self, Neuron *n, double *q, double level) noexcept nogil:
        (<DoubleExpCoef *> q).c = level
        return True

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        reset_membrane(&(<DoubleExpState *> n).u, p.c, p.r, self.mode, falls)

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        cdef DoubleExpCoef *gradient = <DoubleExpCoef *> g
        gradient.t_ref += O
        reset_membrane_back(n, &gradient.c, &gradient.r, &gradient.a, p.c, p.r, self.mode, s, G)
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *start, double *states) noexcept nogil:
        cdef const DoubleExpCostate *s = <const DoubleExpCostate *> n
        cdef const DoubleExpState *x = <const DoubleExpState *> start
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        cdef DoubleExpCoef *G = <DoubleExpCoef *> g
        G.a -= x.u * n.a
        put_in(&s.ex.I, x.I_ex, p.k, &G.a, &G.b_ex, &G.k)
        put_in(&s.i.I, x.I_in, p.k, &G.a, &G.b_in, &G.k)
        rising_put_in(&s.ex, x.g_ex, p.k, &G.a, &G.b_ex, &G.f_ex, &G.k)
        rising_put_in(&s.i, x.g_in, p.k, &G.a, &G.b_in, &G.f_in, &G.k)
        put_in(&s.e, x.I_e, p.k, &G.a, NULL, &G.k)
        states[0], states[1], states[2] = n.u, s.ex.I.p, s.i.I.p
        states[3], states[4], states[5] = s.ex.p, s.i.p, s.e.p

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const DoubleExpCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<DoubleExpState *> self.row(j)).I_e = current

    cdef double step_back(self, Costate *n, const double *q, double *g, double value) noexcept nogil:
        cdef DoubleExpCoef *gradient = <DoubleExpCoef *> g
        return current_step_back(&(<DoubleExpCostate *> n).e, value, (<const DoubleExpCoef *> q).k, &gradient.a, &gradient.k)

    def costate_width(self):
        return sizeof(DoubleExpCostate) // sizeof(double)


cdef inline void add_rising_current(Drive *drive, double J, double b, double g, double f) noexcept nogil:
    """A component with J' = -b J + g, g' = -f g: a source g > 0 may still raise it, by g/max(b, f) at most."""
    add_current(drive, J, b)
    if g > 0.0:
        drive.rise += g / max(b, f)
        drive.rate += g

cdef inline double rising_most(double J, double g, double b, double f) noexcept nogil:
    """A component with J' = -b J + g, g' = -f g never exceeds so much times exp(-m t/2), where m = min(b, f): kappa(b, f, t) is at
    most t exp(-m t) <= 2/(e m) exp(-m t/2), and at most exp(-m t)/|f - b|."""
    cdef double m = min(b, f), difference = fabs(f - b), height = 0.736 / m     # 2/e, rounded up
    if difference * height > 1.0:
        height = 1.0 / difference
    return max(J, 0.0) + max(g, 0.0) * height

cdef inline double double_exp_psp(const DoubleExpState *s, const DoubleExpCoef *p, double t) noexcept nogil:
    """What the currents add to u within t, times C_m."""
    return (s.I_ex * kappa(p.a, p.b_ex, t) + s.g_ex * kappa3(p.a, p.b_ex, p.f_ex, t)
            + s.I_in * kappa(p.a, p.b_in, t) + s.g_in * kappa3(p.a, p.b_in, p.f_in, t) + s.I_e * kappa(p.a, 0.0, t))

def unit_peak(decay, rise):
    """1/max_t kappa(1/decay, 1/rise, t) [1/ms], for arrays of time constants [ms], and its derivatives by the two [1/ms^2]."""
    decay, rise = np.broadcast_arrays(np.asarray(decay, float), np.asarray(rise, float))
    out, by_decay, by_rise = (np.empty(decay.shape) for _ in range(3))
    cdef double b, f, peak, height
    for i in range(decay.size):
        b, f = 1.0 / decay.flat[i], 1.0 / rise.flat[i]
        # t_peak = ln(f/b)/(f - b), written so that f = b is no special case
        peak = (1.0 if f == b else log1p((f - b) / b) / ((f - b) / b)) / b
        height = kappa(b, f, peak)
        out.flat[i] = 1.0 / height
        # at the peak the time does not matter, and -d kappa(b, f)/db = kappa3(b, b, f)
        by_decay.flat[i] = -kappa3(b, b, f, peak) * (b / height) ** 2
        by_rise.flat[i] = -kappa3(b, f, f, peak) * (f / height) ** 2
    return out, by_decay, by_rise


class DoubleExpLIF(SpikingMembrane):
    """Leaky integrate-and-fire neuron with synaptic currents that rise and decay exponentially.

    .. math::
        dV_m/dt = -(V_m - E_L)/\\tau_m + (I_{ex} + I_{in} + I_e)/C_m, \\qquad
        I_x(t) \\propto w (e^{-t/\\tau_{decay,x}} - e^{-t/\\tau_{rise,x}})

    scaled so that a single arrival of weight w [pA] gives a current of peak w. The two constants may be equal (`AlphaLIF`)
    and in any ratio to ``tau_m``.

    Parameters
    ----------
    tau_rise_ex, tau_decay_ex, tau_rise_in, tau_decay_in : time constants of the currents [ms]
    C_m [pF], tau_m [ms], E_L, V_th, V_reset [mV], t_ref [ms], I_e [pA], reset : as in `LIF`

    Notes
    -----
    States: ``I_x' = -I_x/tau_decay + g_x``, ``g_x' = -g_x/tau_rise``; an arrival is a jump of ``g_x`` [pA/ms].
    """

    parameters = MEMBRANE | {
        "tau_rise_ex": Parameter(0.5, "ms", "positive"), "tau_decay_ex": Parameter(2.0, "ms", "positive"),
        "tau_rise_in": Parameter(0.5, "ms", "positive"), "tau_decay_in": Parameter(2.0, "ms", "positive")}
    options = RESET
    states = {"V_m": V_M, "I_ex": CURRENT, "I_in": CURRENT, "g_ex": State(0.0, "pA/ms"), "g_in": State(0.0, "pA/ms"),
              "I_e": INJECTED}
    receptors = ("I",)
    population = DoubleExpPopulation


class AlphaLIF(SpikingMembrane):
    """Leaky integrate-and-fire neuron with alpha-function currents (NEST: ``iaf_psc_alpha``): `DoubleExpLIF` with equal
    rise and decay.

    .. math:: I_x(t) = w\\, (t/\\tau_{syn,x})\\, e^{1 - t/\\tau_{syn,x}}

    Parameters
    ----------
    tau_syn_ex, tau_syn_in : time to the peak of the currents [ms]; the peak is the weight [pA]
    C_m [pF], tau_m [ms], E_L, V_th, V_reset [mV], t_ref [ms], I_e [pA], reset : as in `LIF`
    """

    parameters = MEMBRANE | SYNAPSES
    options = RESET
    states = DoubleExpLIF.states
    receptors = ("I",)
    population = DoubleExpPopulation

    def core_parameters(self, p):
        return p | {f"tau_{part}_{x}": p[f"tau_syn_{x}"] for part in ("rise", "decay") for x in ("ex", "in")}

    def core_gradients(self, g):
        return super().core_gradients(g | {f"tau_syn_{x}": g[f"tau_rise_{x}"] + g[f"tau_decay_{x}"] for x in ("ex", "in")})
