# Quadratic integrate-and-fire with an exponential current at tau_syn = tau_m/2, where everything is elementary.

cdef struct QIFState:
    Neuron head
    double V, I                         # dimensionless; V may be -inf just after a spike

cdef struct QIFCoef:
    double a, r, t_ref                  # 1/tau_m [1/ms], V_reset, [ms]

@cython.final
cdef class QIFPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], p["V_reset"], p["t_ref"]]

    # V' = a (V^2 - V + I),   I' = -2 a I.   With y = 1 - exp(-a t) the solution is a Moebius map of V:
    #     V(t) = (1 - y) (V C + I S)/(C - V S),   C = cos(sqrt(I) y),  S = sin(sqrt(I) y)/sqrt(I)
    # (cosh, sinh with sqrt(-I) for I < 0; V/(1 - V y) for I = 0), from V = X cot(X + phi), X = sqrt(I) exp(-a t).
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef QIFState *s = <QIFState *> n
        cdef const QIFCoef *p = <const QIFCoef *> q
        cdef double y = -expm1(-p.a * t), x = sqrt(fabs(s.I)), C, S
        if s.I > 0.0:
            C, S = cos(x * y), sin(x * y) / x
        elif s.I < 0.0:
            C, S = 1.0, tanh(x * y) / x         # both divided by cosh, which may overflow
        else:
            C, S = 1.0, y
        if s.V == -INFINITY:
            s.V = -exp(-p.a * t) * C / S
        else:
            s.V = exp(-p.a * t) * (s.V * C + s.I * S) / (C - s.V * S)
        self.rest(n, q, t)

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        (<QIFState *> n).I *= exp(-2.0 * (<const QIFCoef *> q).a * t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        (<QIFState *> n).I += w

    # V reaches infinity where V S = C, that is at y = arccot(V/x)/x (I > 0), artanh(x/V)/x (I < 0, V > x), 1/V (I = 0, V > 1)
    cdef double wait(self, const Neuron *n, const double *q, double t, double sign) noexcept nogil:
        cdef const QIFState *s = <const QIFState *> n
        cdef const QIFCoef *p = <const QIFCoef *> q
        cdef double x = sqrt(fabs(s.I)), y
        if isnan(s.V) or isnan(s.I):
            return NAN                      # an overflow, for the engine to report
        if s.I > 0.0:
            y = atan2(x, s.V) / x
        elif s.V <= x:
            return INFINITY
        elif s.I < 0.0:
            y = atanh(x / s.V) / x
        else:
            y = 1.0 / s.V
        return max(-log1p(-y) / p.a - t, 0.0) if y < 1.0 else INFINITY

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        (<QIFState *> n).V = (<const QIFCoef *> q).r

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const QIFCoef *> q).t_ref


class QIF(Model):
    """Quadratic integrate-and-fire neuron with an exponential current at ``tau_syn = tau_m/2``, dimensionless.

    .. math:: \\tau_m\\, dV_m/dt = V_m^2 - V_m + I, \\qquad (\\tau_m/2)\\, dI/dt = -I

    An arrival adds its weight to ``I``. The neuron spikes when ``V_m`` diverges to infinity; it is then set to ``V_reset``
    and clamped for ``t_ref``. Its spike times are smooth in all parameters: a spike only disappears at t = infinity.

    Parameters
    ----------
    tau_m : time constant [ms]
    V_reset : reset, -infinity by default
    t_ref : absolute refractory time [ms]

    References
    ----------
    Klos & Memmesheimer (2025), Smooth exact gradient descent learning in spiking neural networks, Phys. Rev. Lett. 134.
    """

    parameters = {"tau_m": Parameter(10.0, "ms", "positive"), "V_reset": Parameter(-np.inf, "", "any"),
                  "t_ref": Parameter(0.0, "ms", "nonnegative")}
    states = {"V_m": State(0.0, "", kind="any"), "I": State(0.0, "")}
    receptors = ("I",)
    population = QIFPopulation

    def validate(self, p):
        if "V_reset" in p and np.any(p["V_reset"] == np.inf):
            raise ValueError("QIF: V_reset = inf is where the neuron spikes; choose a finite value or -inf")
