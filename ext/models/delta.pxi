# Leaky integrate-and-fire whose membrane jumps at arrivals.

cdef extern from "models/delta.h" nogil:
    const Kernel delta_kernel "eventsim_delta_kernel"

cdef struct DeltaState:
    Neuron head
    double u, I_e                       # u = V_m - E_L [mV], injected current [pA]

cdef struct DeltaCoef:
    double a, k                         # 1/tau_m [1/ms], 1/C_m [1/pF]
    double c, r                         # V_th - E_L, V_reset - E_L [mV]
    double t_ref                        # [ms]

cdef struct DeltaCostate:
    Costate head
    Current e                           # of I_e

@cython.final
cdef class DeltaPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["C_m"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"]]

    def gradients(self, dict p, double[:, ::1] g):
        a, k, c, r, t_ref = np.asarray(g).T
        return {"tau_m": -a / p["tau_m"] ** 2, "C_m": -k / p["C_m"] ** 2, "V_th": c, "V_reset": r, "E_L": -c - r, "t_ref": t_ref}

    # u' = -a u + k I_e
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef DeltaState *s = <DeltaState *> n
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        s.u *= exp(-p.a * t)
        if s.I_e != 0.0:
            s.u += p.k * s.I_e * kappa(p.a, 0.0, t)

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        current_back(&(<DeltaCostate *> n).e, n, p.a, 0.0, p.k, d)
        membrane_back(n, p.a, d)

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const DeltaState *s = <const DeltaState *> n
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        return p.k * s.I_e - p.a * s.u

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        if not refractory:
            (<DeltaState *> n).u += w

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef Pull lost
        lost.weight = lost.time = 0.0
        return lost if refractory else jump_pull(n, (<const DeltaCoef *> q).a, d, w, &(<DeltaCoef *> g).a)

    # A jump must exceed the threshold; between jumps u can only drift through it, for which the step is exact.
    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const DeltaState *s = <const DeltaState *> n
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        cdef double gained = s.u * expm1(-p.a * t) + p.k * s.I_e * kappa(p.a, 0.0, t)
        cdef Drive drive
        drive.slope, drive.rise, drive.rate = sign * (p.k * s.I_e - p.a * (s.u + gained)), 0.0, 0.0
        return approach(sign * ((p.c - s.u) - gained), p.a, drive, EDGE, 0.0)

    cdef bint aim(self, Neuron *n, double *q, double level) noexcept nogil:
        (<DeltaCoef *> q).c = level
        return True

    cdef double respite(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const DeltaState *s = <const DeltaState *> n
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        return 0.0 if self.mode == EDGE else certain_respite(0.0, 0.0, p.k * s.I_e, s.u, p.a, p.c)

    cdef const Kernel *kernel(self) noexcept nogil:
        return &delta_kernel if self.mode != EDGE else NULL

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        reset_membrane(&(<DeltaState *> n).u, p.c, p.r, self.mode, falls)

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        cdef const DeltaCoef *p = <const DeltaCoef *> q
        cdef DeltaCoef *gradient = <DeltaCoef *> g
        gradient.t_ref += O
        reset_membrane_back(n, &gradient.c, &gradient.r, &gradient.a, p.c, p.r, self.mode, s, G)
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *start, double *states) noexcept nogil:
        cdef const Current *e = &(<const DeltaCostate *> n).e
        cdef const DeltaState *x = <const DeltaState *> start
        cdef DeltaCoef *gradient = <DeltaCoef *> g
        gradient.a -= x.u * n.a
        put_in(e, x.I_e, (<const DeltaCoef *> q).k, &gradient.a, NULL, &gradient.k)
        states[0], states[1] = n.u, e.p

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const DeltaCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<DeltaState *> self.row(j)).I_e = current

    cdef double step_back(self, Costate *n, const double *q, double *g, double value) noexcept nogil:
        cdef DeltaCoef *gradient = <DeltaCoef *> g
        return current_step_back(&(<DeltaCostate *> n).e, value, (<const DeltaCoef *> q).k, &gradient.a, &gradient.k)

    def costate_width(self):
        return sizeof(DeltaCostate) // sizeof(double)


class DeltaLIF(SpikingMembrane):
    """Leaky integrate-and-fire neuron whose membrane jumps by the weight [mV] at an arrival (NEST: ``iaf_psc_delta``).

    .. math:: dV_m/dt = -(V_m - E_L)/\\tau_m + I_e/C_m

    The arrivals of one instant are summed, then the neuron spikes if ``V_m > V_th``, strictly; it also spikes where ``V_m``
    drifts through ``V_th``. Arrivals while refractory are lost; at its very end they count.

    Parameters
    ----------
    C_m [pF], tau_m [ms], E_L, V_th, V_reset [mV], t_ref [ms], I_e [pA], reset : as in `LIF`

    References
    ----------
    Eshraghian et al. (2023), Proc. IEEE 111(9), II: the ``Leaky`` neuron of snnTorch with tau_m = -1/ln(beta) steps.
    """

    parameters = MEMBRANE
    options = RESET
    states = {"V_m": V_M, "I_e": INJECTED}
    receptors = ("V",)
    population = DeltaPopulation
