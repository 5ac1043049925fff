# Leaky integrate-and-fire with two exponential synaptic currents; its limits without leak and without threshold.

cdef extern from "models/lif.h" nogil:
    const Kernel lif_kernel "eventsim_lif_kernel"

cdef struct LIFState:
    Neuron head
    double u, I_ex, I_in, I_e           # u = V_m - E_L [mV], currents [pA]

cdef struct LIFCoef:
    double a, b_ex, b_in                # 1/tau_m, 1/tau_syn_ex, 1/tau_syn_in [1/ms]
    double k                            # 1/C_m [1/pF]
    double c, r                         # V_th - E_L, V_reset - E_L [mV]
    double t_ref                        # [ms]

cdef struct LIFCostate:
    Costate head
    Current ex, i, e                    # of I_ex, I_in, I_e

@cython.final
cdef class LIFPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["tau_syn_ex"], 1.0 / p["tau_syn_in"], 1.0 / p["C_m"],
                p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"]]

    def gradients(self, dict p, double[:, ::1] g):
        a, b_ex, b_in, k, c, r, t_ref = np.asarray(g).T
        return {"tau_m": -a / p["tau_m"] ** 2, "tau_syn_ex": -b_ex / p["tau_syn_ex"] ** 2,
                "tau_syn_in": -b_in / p["tau_syn_in"] ** 2, "C_m": -k / p["C_m"] ** 2,
                "V_th": c, "V_reset": r, "E_L": -c - r, "t_ref": t_ref}

    # u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef LIFState *s = <LIFState *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        cdef LIFDecay e = lif_decay(s, p, t)
        s.u = s.u * e.m + lif_psp(s, p, &e, t)
        s.I_ex *= e.ex
        s.I_in *= e.i

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef LIFCostate *s = <LIFCostate *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        current_back(&s.e, n, p.a, 0.0, p.k, d)
        current_back(&s.i, n, p.a, p.b_in, p.k, d)
        current_back(&s.ex, n, p.a, p.b_ex, p.k, d)
        membrane_back(n, p.a, d)

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const LIFState *s = <const LIFState *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        return p.k * (s.I_ex + s.I_in + s.I_e) - p.a * s.u

    # V_m is clamped, the currents run on
    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef LIFState *s = <LIFState *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        cdef LIFDecay e = lif_decay(s, p, t)
        s.I_ex *= e.ex
        s.I_in *= e.i

    cdef void rest_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef LIFCostate *s = <LIFCostate *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        decay_back(&s.i, p.b_in, d.t)
        decay_back(&s.ex, p.b_ex, d.t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef LIFState *s = <LIFState *> n
        if w >= 0.0:
            s.I_ex += w
        else:
            s.I_in += w

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef const LIFCostate *s = <const LIFCostate *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        cdef LIFCoef *gradient = <LIFCoef *> g
        if w >= 0.0:
            return current_pull(s.ex, n, p.a, p.b_ex, p.k, d, resting, w, &gradient.a, &gradient.b_ex, &gradient.k)
        return current_pull(s.i, n, p.a, p.b_in, p.k, d, resting, w, &gradient.a, &gradient.b_in, &gradient.k)

    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const LIFState *s = <const LIFState *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        cdef double k = sign * p.k, gained = 0.0
        cdef LIFDecay e
        cdef Drive drive
        e.ex = e.i = 1.0
        if t > 0.0:
            e = lif_decay(s, p, t)
            # c - u(t) from differences: an early crossing keeps its relative accuracy
            gained = s.u * expm1(-p.a * t) + lif_psp(s, p, &e, t)
        drive.slope, drive.rise, drive.rate = -sign * p.a * (s.u + gained), 0.0, 0.0
        add_currents(&drive, k * s.I_ex * e.ex, p.b_ex, k * s.I_in * e.i, p.b_in)
        add_current(&drive, k * s.I_e, 0.0)
        return approach(sign * ((p.c - s.u) - gained), p.a, drive, self.mode, ON_THRESHOLD * (fabs(p.c) + fabs(s.u)))

    # currents only fade; the sum of excitation and of inhibition that does not fade faster is not above what it is now, or 0
    cdef double respite(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const LIFState *s = <const LIFState *> n
        cdef const LIFCoef *p = <const LIFCoef *> q
        if self.mode == EDGE or not isfinite(s.I_ex + s.I_in):
            return 0.0
        return certain_respite(p.k * most_of(s.I_ex, p.b_ex, s.I_in, p.b_in), min(p.b_ex, p.b_in), p.k * s.I_e, s.u, p.a, p.c)

    cdef const Kernel *kernel(self) noexcept nogil:
        return &lif_kernel if self.mode != EDGE else NULL

    def longest_window(self):
        return peak_time(self.coef[:, 0], self.coef[:, 1])

    def effects(self, double length):
        return length, 1.0, 1.0, bool(np.all(np.asarray(self.coef)[:, 1] == np.asarray(self.coef)[:, 2]))

    cdef bint aim(self, Neuron *n, double *q, double level) noexcept nogil:
        (<LIFCoef *> q).c = level
        return True

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        cdef const LIFCoef *p = <const LIFCoef *> q
        reset_membrane(&(<LIFState *> n).u, p.c, p.r, self.mode, falls)

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        cdef const LIFCoef *p = <const LIFCoef *> q
        cdef LIFCoef *gradient = <LIFCoef *> g
        gradient.t_ref += O
        reset_membrane_back(n, &gradient.c, &gradient.r, &gradient.a, p.c, p.r, self.mode, s, G)
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *start, double *states) noexcept nogil:
        cdef const LIFCostate *s = <const LIFCostate *> n
        cdef const LIFState *x = <const LIFState *> start
        cdef const LIFCoef *p = <const LIFCoef *> q
        cdef LIFCoef *gradient = <LIFCoef *> g
        gradient.a -= x.u * n.a
        put_in(&s.ex, x.I_ex, p.k, &gradient.a, &gradient.b_ex, &gradient.k)
        put_in(&s.i, x.I_in, p.k, &gradient.a, &gradient.b_in, &gradient.k)
        put_in(&s.e, x.I_e, p.k, &gradient.a, NULL, &gradient.k)
        states[0], states[1], states[2], states[3] = n.u, s.ex.p, s.i.p, s.e.p

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const LIFCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<LIFState *> self.row(j)).I_e = current

    cdef double step_back(self, Costate *n, const double *q, double *g, double value) noexcept nogil:
        cdef LIFCoef *gradient = <LIFCoef *> g
        return current_step_back(&(<LIFCostate *> n).e, value, (<const LIFCoef *> q).k, &gradient.a, &gradient.k)

    def costate_width(self):
        return sizeof(LIFCostate) // sizeof(double)


cdef struct LIFDecay:
    double m, ex, i                     # exp(-a t), exp(-b_ex t), exp(-b_in t); 1 for a current that is zero

cdef inline LIFDecay lif_decay(const LIFState *s, const LIFCoef *p, double t) noexcept nogil:
    cdef LIFDecay e
    e.m = exp(-p.a * t)
    e.ex = exp(-p.b_ex * t) if s.I_ex != 0.0 else 1.0
    e.i = 1.0 if s.I_in == 0.0 else e.ex if p.b_in == p.b_ex and s.I_ex != 0.0 else exp(-p.b_in * t)
    return e

cdef inline double lif_psp(const LIFState *s, const LIFCoef *p, const LIFDecay *e, double t) noexcept nogil:
    """What the currents add to u within t [mV]."""
    cdef double sum = 0.0, response = 0.0
    if s.I_ex != 0.0:
        response = kappa_from(max(e.m, e.ex), fabs(p.b_ex - p.a), t)
        sum += s.I_ex * response
    if s.I_in != 0.0:
        if p.b_in != p.b_ex or s.I_ex == 0.0:
            response = kappa_from(max(e.m, e.i), fabs(p.b_in - p.a), t)
        sum += s.I_in * response
    if s.I_e != 0.0:
        sum += s.I_e * kappa(p.a, 0.0, t)
    return p.k * sum


class LIF(SpikingMembrane):
    """Leaky integrate-and-fire neuron with exponential synaptic currents (NEST: ``iaf_psc_exp``).

    .. math::
        dV_m/dt = -(V_m - E_L)/\\tau_m + (I_{ex} + I_{in} + I_e)/C_m, \\qquad dI_x/dt = -I_x/\\tau_{syn,x}

    An arrival adds its weight [pA] to ``I_ex`` if it is >= 0, else to ``I_in``. When ``V_m`` reaches ``V_th`` from below
    the neuron spikes; ``V_m`` is set to ``V_reset`` and clamped for ``t_ref`` while the currents run on. Any ratio of the
    time constants is exact, equal ones included.

    Parameters
    ----------
    C_m : capacitance [pF]
    tau_m, tau_syn_ex, tau_syn_in : time constants of the membrane and of the synaptic currents [ms]
    E_L, V_th, V_reset : resting potential, threshold, reset [mV]
    t_ref : absolute refractory time [ms]
    I_e : injected current [pA], a number, an array or `Steps`
    reset : "value", "subtract" (``V_m -= V_th - E_L``) or "none" (edge-triggered: no reset, a new spike needs a new upward
        crossing; requires ``t_ref=0``)

    Each is a number, an array with one value per neuron, or a distribution. Dimensionless use: ``LIF(C_m=tau_m, ...)``
    makes a weight w the jump of ``dV_m/dt`` times ``tau_m``.

    Raises
    ------
    TypeError, ValueError
        For unknown parameters, values out of range, or ``V_reset >= V_th``.

    References
    ----------
    Rotter & Diesmann (1999), Biol. Cybern. 81, 381; Eshraghian et al. (2023), Proc. IEEE 111(9), II (current-based LIF).
    """

    parameters = MEMBRANE | SYNAPSES
    options = RESET
    states = {"V_m": V_M, "I_ex": CURRENT, "I_in": CURRENT, "I_e": INJECTED}
    receptors = ("I",)
    population = LIFPopulation


class PerfectIntegrator(SpikingMembrane):
    """Integrate-and-fire neuron without leak, with exponential synaptic currents: `LIF` for ``tau_m`` to infinity.

    .. math:: dV_m/dt = (I_{ex} + I_{in} + I_e)/C_m, \\qquad dI_x/dt = -I_x/\\tau_{syn,x}

    Parameters
    ----------
    C_m [pF], V_th, V_reset [mV], t_ref [ms], tau_syn_ex, tau_syn_in [ms], I_e [pA] : as in `LIF`
    """

    parameters = {k: MEMBRANE[k] for k in ("C_m", "t_ref", "I_e")} | SYNAPSES | {
        "V_th": Parameter(15.0, "mV"), "V_reset": Parameter(0.0, "mV")}
    states = {"V_m": State(0.0, "mV"), "I_ex": CURRENT, "I_in": CURRENT, "I_e": INJECTED}
    receptors = ("I",)
    population = LIFPopulation

    def core_parameters(self, p):
        return p | {"tau_m": np.array([np.inf]), "E_L": np.zeros(1)}


class LeakyIntegrator(Model):
    """Read-out without a threshold: the membrane of `LIF`, which never spikes.

    .. math:: dV_m/dt = -(V_m - E_L)/\\tau_m + (I_{ex} + I_{in} + I_e)/C_m, \\qquad dI_x/dt = -I_x/\\tau_{syn,x}

    Parameters
    ----------
    C_m [pF], tau_m [ms], E_L [mV], tau_syn_ex, tau_syn_in [ms], I_e [pA] : as in `LIF`
    """

    parameters = {k: MEMBRANE[k] for k in ("C_m", "tau_m", "E_L", "I_e")} | SYNAPSES
    states = {"V_m": V_M, "I_ex": CURRENT, "I_in": CURRENT, "I_e": INJECTED}
    receptors = ("I",)
    population = LIFPopulation

    def core_parameters(self, p):
        return p | {"V_th": np.array([np.inf]), "V_reset": p["E_L"], "t_ref": np.zeros(1)}
