# The leaky integrate-and-fire of the whole-brain fly model: one current, cleared at the spike, frozen while refractory.

cdef extern from "models/fly.h" nogil:
    const Kernel fly_kernel "eventsim_fly_kernel"

cdef struct FlyState:
    Neuron head
    double u, g                         # V_m - E_L, synaptic drive [mV]

cdef struct FlyCoef:
    double a, b                         # 1/tau_m, 1/tau_syn [1/ms]
    double c, r                         # V_th - E_L, V_reset - E_L [mV]
    double t_ref                        # [ms]

cdef struct FlyCostate:
    Costate head
    Current g

@cython.final
cdef class FlyPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["tau_syn"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"]]

    def gradients(self, dict p, double[:, ::1] g):
        a, b, c, r, t_ref = np.asarray(g).T
        return {"tau_m": -a / p["tau_m"] ** 2, "tau_syn": -b / p["tau_syn"] ** 2,
                "V_th": c, "V_reset": r, "E_L": -c - r, "t_ref": t_ref}

    # u' = a (g - u),   g' = -b g;   both stand still while refractory
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef FlyState *s = <FlyState *> n
        cdef const FlyCoef *p = <const FlyCoef *> q
        cdef double e_m = exp(-p.a * t), e_g
        s.u *= e_m
        if s.g != 0.0:
            e_g = exp(-p.b * t)
            s.u += p.a * s.g * kappa_from(max(e_m, e_g), fabs(p.b - p.a), t)
            s.g *= e_g

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef const FlyCoef *p = <const FlyCoef *> q
        current_back(&(<FlyCostate *> n).g, n, p.a, p.b, p.a, d)
        membrane_back(n, p.a, d)

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const FlyState *s = <const FlyState *> n
        return (<const FlyCoef *> q).a * (s.g - s.u)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef FlyState *s = <FlyState *> n
        if port == 0:
            s.g += w
        else:
            s.u += w

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef const FlyCoef *p = <const FlyCoef *> q
        cdef FlyCoef *gradient = <FlyCoef *> g
        cdef Pull pull
        if port == 0:               # the rate a is the coefficient of g as well
            pull = current_pull((<const FlyCostate *> n).g, n, p.a, p.b, p.a, d, 0.0, w, &gradient.a, &gradient.b, &gradient.a)
        else:
            pull = jump_pull(n, p.a, d, w, &gradient.a)
        if refractory:
            pull.time = 0.0
        return pull

    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const FlyState *s = <const FlyState *> n
        cdef const FlyCoef *p = <const FlyCoef *> q
        cdef double gained = 0.0, g = s.g
        cdef Drive drive
        if t > 0.0:
            gained = s.u * expm1(-p.a * t) + p.a * s.g * kappa(p.a, p.b, t)
            g = s.g * exp(-p.b * t)
        drive.slope, drive.rise, drive.rate = -p.a * (s.u + gained), 0.0, 0.0
        add_current(&drive, p.a * g, p.b)
        return approach((p.c - s.u) - gained, p.a, drive, TO_VALUE, 0.0)

    # g only fades
    cdef double respite(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const FlyState *s = <const FlyState *> n
        cdef const FlyCoef *p = <const FlyCoef *> q
        return certain_respite(p.a * max(s.g, 0.0), p.b, 0.0, s.u, p.a, p.c) if isfinite(s.g) else 0.0

    cdef const Kernel *kernel(self) noexcept nogil:
        return &fly_kernel

    def longest_window(self):
        return peak_time(self.coef[:, 0], self.coef[:, 1])

    def effects(self, double length):
        return length * float(self.coef[:, 0].max()), 1.0, 1.0, True

    cdef bint aim(self, Neuron *n, double *q, double level) noexcept nogil:
        (<FlyCoef *> q).c = level
        return True

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        (<FlyState *> n).u = (<const FlyCoef *> q).r
        (<FlyState *> n).g = 0.0

    cdef double release_back(self, const Costate *n, const double *q, const Spike *s) noexcept nogil:
        cdef const FlyCoef *p = <const FlyCoef *> q
        cdef double g = s.after / p.a + p.r + n.told        # it has stood still as well
        return (<const FlyCostate *> n).g.p * p.b * g - n.released * s.after

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        cdef const FlyCoef *p = <const FlyCoef *> q
        cdef FlyCoef *gradient = <FlyCoef *> g
        gradient.t_ref += O
        reset_membrane_back(n, &gradient.c, &gradient.r, &gradient.a, p.c, p.r, TO_VALUE, s, G)
        memset(&(<FlyCostate *> n).g, 0, sizeof(Current))
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *start, double *states) noexcept nogil:
        cdef const Current *c = &(<const FlyCostate *> n).g
        cdef const FlyState *x = <const FlyState *> start
        cdef FlyCoef *gradient = <FlyCoef *> g
        gradient.a -= x.u * n.a
        put_in(c, x.g, (<const FlyCoef *> q).a, &gradient.a, &gradient.b, &gradient.a)
        states[0], states[1] = n.u, c.p

    def costate_width(self):
        return sizeof(FlyCostate) // sizeof(double)

    def asks(self, list incoming):
        cdef Rows rows
        t_ref = np.broadcast_to(self.coef[:, 4], self.n)
        return any(rows.port == 1 and np.any(t_ref[rows.indices] > 0.0) for rows in incoming)

    cdef double tell(self, const Costate *n, const double *q, const Neuron *start) noexcept nogil:
        """By how much jumps move the membrane while it is refractory."""
        return 0.0

    cdef double tell_arrival(self, int port, double w) noexcept nogil:
        return w if port == 1 else 0.0

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const FlyCoef *> q).t_ref


class FlyLIF(SpikingMembrane):
    """The neuron of the whole-brain model of *Drosophila*.

    .. math:: \\tau_m\\, dV_m/dt = E_L - V_m + g, \\qquad \\tau_{syn}\\, dg/dt = -g

    Both stand still while the neuron is refractory, though arrivals still add to them. (The Brian2 code of the reference
    drops arrivals at ``g`` then, which lowers the activity of a network whose neurons fire at 100 Hz and more by a third.) At a spike ``V_m`` is set to
    ``V_reset`` and ``g`` to 0. Receptor "g" (default) adds the weight [mV] to ``g``, receptor "V" to ``V_m``.

    Parameters
    ----------
    tau_m, tau_syn [ms], E_L, V_th, V_reset [mV], t_ref [ms] : as in `LIF`

    References
    ----------
    Shiu et al. (2024), A Drosophila computational brain model reveals sensorimotor processing, Nature 634, 210.
    """

    parameters = {
        "tau_m": Parameter(20.0, "ms", "positive"), "tau_syn": Parameter(5.0, "ms", "positive"),
        "E_L": Parameter(-52.0, "mV"), "V_th": Parameter(-45.0, "mV", "any"), "V_reset": Parameter(-52.0, "mV"),
        "t_ref": Parameter(2.2, "ms", "nonnegative")}
    states = {"V_m": V_M, "g": State(0.0, "mV")}
    receptors = ("g", "V")
    population = FlyPopulation
