# Leaky integrate-and-fire whose excitatory synapses open a fast and a slow current.

cdef struct AmpaNmdaState:
    Neuron head
    double u, I_ampa, I_nmda, I_in, I_e         # u = V_m - E_L [mV], currents [pA]

cdef struct AmpaNmdaCoef:
    double a, b_ampa, b_nmda, b_in              # 1/tau_m, 1/tau_ampa, 1/tau_nmda, 1/tau_in [1/ms]
    double k, ratio                             # 1/C_m [1/pF], nmda_ratio
    double c, r                                 # V_th - E_L, V_reset - E_L [mV]
    double t_ref                                # [ms]

cdef struct AmpaNmdaCostate:
    Costate head
    Current ampa, nmda, i, e                    # of I_ampa, I_nmda, I_in, I_e

@cython.final
cdef class AmpaNmdaPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["tau_ampa"], 1.0 / p["tau_nmda"], 1.0 / p["tau_in"], 1.0 / p["C_m"],
                p["nmda_ratio"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"]]

    def gradients(self, dict p, double[:, ::1] g):
        a, b_ampa, b_nmda, b_in, k, ratio, c, r, t_ref = np.asarray(g).T
        rates = {"tau_m": a, "tau_ampa": b_ampa, "tau_nmda": b_nmda, "tau_in": b_in, "C_m": k}
        return {name: -b / p[name] ** 2 for name, b in rates.items()} | {
            "nmda_ratio": ratio, "V_th": c, "V_reset": r, "E_L": -c - r, "t_ref": t_ref}

    # u' = -a u + k (I_ampa + I_nmda + I_in + I_e),   I_x' = -b_x I_x
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef AmpaNmdaState *s = <AmpaNmdaState *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        s.u = s.u * exp(-p.a * t) + p.k * ampa_nmda_psp(s, p, t)
        self.rest(n, q, t)

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef AmpaNmdaCostate *s = <AmpaNmdaCostate *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        current_back(&s.ampa, n, p.a, p.b_ampa, p.k, d)
        current_back(&s.nmda, n, p.a, p.b_nmda, p.k, d)
        current_back(&s.i, n, p.a, p.b_in, p.k, d)
        current_back(&s.e, n, p.a, 0.0, p.k, d)
        membrane_back(n, p.a, d)

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const AmpaNmdaState *s = <const AmpaNmdaState *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        return p.k * (s.I_ampa + s.I_nmda + s.I_in + s.I_e) - p.a * s.u

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef AmpaNmdaState *s = <AmpaNmdaState *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        s.I_ampa *= exp(-p.b_ampa * t)
        s.I_nmda *= exp(-p.b_nmda * t)
        s.I_in *= exp(-p.b_in * t)

    cdef void rest_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef AmpaNmdaCostate *s = <AmpaNmdaCostate *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        decay_back(&s.ampa, p.b_ampa, d.t)
        decay_back(&s.nmda, p.b_nmda, d.t)
        decay_back(&s.i, p.b_in, d.t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef AmpaNmdaState *s = <AmpaNmdaState *> n
        if w >= 0.0:
            s.I_ampa += w
            s.I_nmda += w * (<const AmpaNmdaCoef *> q).ratio
        else:
            s.I_in += w

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef const AmpaNmdaCostate *s = <const AmpaNmdaCostate *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        cdef AmpaNmdaCoef *G = <AmpaNmdaCoef *> g
        cdef Pull fast, slow
        if w < 0.0:
            return current_pull(s.i, n, p.a, p.b_in, p.k, d, resting, w, &G.a, &G.b_in, &G.k)
        fast = current_pull(s.ampa, n, p.a, p.b_ampa, p.k, d, resting, w, &G.a, &G.b_ampa, &G.k)
        slow = current_pull(s.nmda, n, p.a, p.b_nmda, p.k, d, resting, w * p.ratio, &G.a, &G.b_nmda, &G.k)
        G.ratio += w * slow.weight
        fast.weight += p.ratio * slow.weight
        fast.time += slow.time
        return fast

    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const AmpaNmdaState *s = <const AmpaNmdaState *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        cdef double gained = s.u * expm1(-p.a * t) + p.k * ampa_nmda_psp(s, p, t)       # u(t) - u(0)
        cdef Drive drive
        drive.slope, drive.rise, drive.rate = -p.a * (s.u + gained), 0.0, 0.0
        add_current(&drive, p.k * s.I_ampa * exp(-p.b_ampa * t), p.b_ampa)
        add_current(&drive, p.k * s.I_nmda * exp(-p.b_nmda * t), p.b_nmda)
        add_current(&drive, p.k * s.I_in * exp(-p.b_in * t), p.b_in)
        add_current(&drive, p.k * s.I_e, 0.0)
        return approach((p.c - s.u) - gained, p.a, drive, TO_VALUE, 0.0)

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        (<AmpaNmdaState *> n).u = (<const AmpaNmdaCoef *> q).r

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        cdef AmpaNmdaCoef *gradient = <AmpaNmdaCoef *> g
        gradient.t_ref += O
        reset_membrane_back(n, &gradient.c, &gradient.r, &gradient.a, p.c, p.r, TO_VALUE, s, G)
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *start, double *states) noexcept nogil:
        cdef const AmpaNmdaCostate *s = <const AmpaNmdaCostate *> n
        cdef const AmpaNmdaState *x = <const AmpaNmdaState *> start
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        cdef AmpaNmdaCoef *G = <AmpaNmdaCoef *> g
        G.a -= x.u * n.a
        put_in(&s.ampa, x.I_ampa, p.k, &G.a, &G.b_ampa, &G.k)
        put_in(&s.nmda, x.I_nmda, p.k, &G.a, &G.b_nmda, &G.k)
        put_in(&s.i, x.I_in, p.k, &G.a, &G.b_in, &G.k)
        put_in(&s.e, x.I_e, p.k, &G.a, NULL, &G.k)
        states[0], states[1], states[2], states[3], states[4] = n.u, s.ampa.p, s.nmda.p, s.i.p, s.e.p

    def costate_width(self):
        return sizeof(AmpaNmdaCostate) // sizeof(double)

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const AmpaNmdaCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<AmpaNmdaState *> self.row(j)).I_e = current

    cdef double step_back(self, Costate *n, const double *q, double *g, double value) noexcept nogil:
        cdef AmpaNmdaCoef *gradient = <AmpaNmdaCoef *> g
        return current_step_back(&(<AmpaNmdaCostate *> n).e, value, (<const AmpaNmdaCoef *> q).k, &gradient.a, &gradient.k)


cdef inline double ampa_nmda_psp(const AmpaNmdaState *s, const AmpaNmdaCoef *p, double t) noexcept nogil:
    """What the currents add to u within t, times C_m."""
    return (s.I_ampa * kappa(p.a, p.b_ampa, t) + s.I_nmda * kappa(p.a, p.b_nmda, t) + s.I_in * kappa(p.a, p.b_in, t)
            + s.I_e * kappa(p.a, 0.0, t))


class AmpaNmdaLIF(SpikingMembrane):
    """Leaky integrate-and-fire neuron whose excitatory synapses open a fast and a slow current.

    .. math::
        dV_m/dt = -(V_m - E_L)/\\tau_m + (I_{ampa} + I_{nmda} + I_{in} + I_e)/C_m, \\qquad dI_x/dt = -I_x/\\tau_x

    An arrival of weight w >= 0 adds w to ``I_ampa`` and ``nmda_ratio w`` to ``I_nmda``; one of w < 0 adds w to ``I_in``.

    Parameters
    ----------
    tau_ampa, tau_nmda, tau_in : time constants of the synaptic currents [ms]
    nmda_ratio : amplitude of the slow current relative to the fast one
    C_m [pF], tau_m [ms], E_L, V_th, V_reset [mV], t_ref [ms], I_e [pA] : as in `LIF`
    """

    parameters = MEMBRANE | {
        "tau_ampa": Parameter(2.0, "ms", "positive"), "tau_nmda": Parameter(100.0, "ms", "positive"),
        "tau_in": Parameter(5.0, "ms", "positive"), "nmda_ratio": Parameter(0.1, "", "nonnegative")}
    states = {"V_m": V_M, "I_ampa": CURRENT, "I_nmda": CURRENT, "I_in": CURRENT, "I_e": INJECTED}
    receptors = ("I",)
    population = AmpaNmdaPopulation
