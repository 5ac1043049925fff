# The leaky integrate-and-fire of the whole-brain fly model: one current, cleared at the spike, frozen while refractory.

cdef struct FlyState:
    Neuron head
    double u, g                         # V_m - E_L, synaptic drive [mV]

cdef struct FlyCoef:
    double a, b                         # 1/tau_m, 1/tau_syn [1/ms]
    double c, r                         # V_th - E_L, V_reset - E_L [mV]
    double t_ref                        # [ms]

@cython.final
cdef class FlyPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["tau_syn"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"]]

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

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef FlyState *s = <FlyState *> n
        if port == 0:
            s.g += w
        else:
            s.u += w

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

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        (<FlyState *> n).u = (<const FlyCoef *> q).r
        (<FlyState *> n).g = 0.0

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
