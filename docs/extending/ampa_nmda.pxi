# Leaky integrate-and-fire whose excitatory synapses open a fast and a slow current.

cdef struct AmpaNmdaState:
    Neuron head
    double u, I_ampa, I_nmda, I_in, I_e         # u = V_m - E_L [mV], currents [pA]

cdef struct AmpaNmdaCoef:
    double a, b_ampa, b_nmda, b_in              # 1/tau_m, 1/tau_ampa, 1/tau_nmda, 1/tau_in [1/ms]
    double k, ratio                             # 1/C_m [1/pF], nmda_ratio
    double c, r                                 # V_th - E_L, V_reset - E_L [mV]
    double t_ref                                # [ms]

@cython.final
cdef class AmpaNmdaPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], 1.0 / p["tau_ampa"], 1.0 / p["tau_nmda"], 1.0 / p["tau_in"], 1.0 / p["C_m"],
                p["nmda_ratio"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"]]

    # u' = -a u + k (I_ampa + I_nmda + I_in + I_e),   I_x' = -b_x I_x
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef AmpaNmdaState *s = <AmpaNmdaState *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        s.u = s.u * exp(-p.a * t) + p.k * ampa_nmda_psp(s, p, t)
        self.rest(n, q, t)

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef AmpaNmdaState *s = <AmpaNmdaState *> n
        cdef const AmpaNmdaCoef *p = <const AmpaNmdaCoef *> q
        s.I_ampa *= exp(-p.b_ampa * t)
        s.I_nmda *= exp(-p.b_nmda * t)
        s.I_in *= exp(-p.b_in * t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef AmpaNmdaState *s = <AmpaNmdaState *> n
        if w >= 0.0:
            s.I_ampa += w
            s.I_nmda += w * (<const AmpaNmdaCoef *> q).ratio
        else:
            s.I_in += w

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

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const AmpaNmdaCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<AmpaNmdaState *> self.row(j)).I_e = current


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
