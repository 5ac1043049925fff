# Quadratic integrate-and-fire with an exponential current at tau_syn = tau_m/2, where everything is elementary.

cdef struct QIFState:
    Neuron head
    double V, I                         # dimensionless; V may be -inf just after a spike

cdef struct QIFCoef:
    double a, r, t_ref                  # 1/tau_m [1/ms], V_reset, [ms]

cdef struct QIFCostate:
    Costate head                        # u is dL/dV
    double I                            # dL/dI
    double G                            # dL/d(time of the spike that ends this stretch), or 0
    double late                         # dL/d(beginning of the stretch), if it is a release

@cython.final
cdef class QIFPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"], p["V_reset"], p["t_ref"]]

    def gradients(self, dict p, double[:, ::1] g):
        a, r, t_ref = np.asarray(g).T
        return {"tau_m": -a / p["tau_m"] ** 2, "V_reset": r, "t_ref": t_ref}

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

    # The transpose, where e = 1 - y: dV(t)/dV = e (C^2 + I S^2)/D^2 with D = C - V S, and dC/dI = -y S/2. A stretch that ends
    # with the spike, D = 0, hands its time back instead: dy/dV = -1/(V^2 + I), dy/dI = (dC/dI - V dS/dI)/(V C + I S).
    # Scaling a scales time, so that -dL/da is found from the slopes at the end.
    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef QIFCostate *s = <QIFCostate *> n
        cdef const QIFCoef *p = <const QIFCoef *> q
        cdef double V = (<const QIFState *> self.past).V, I, e = exp(-p.a * d.t), y = -expm1(-p.a * d.t)
        cdef double C, S, dC, dS, D, N, V_end, V_slope, by_V, by_I
        if d.t == 0.0:
            return
        # while refractory V stands still and I decays
        I = (<const QIFState *> self.past).I * exp(-2.0 * p.a * (elapsed(self.past.at, n.at) - d.t))
        qif_functions(I, y, &C, &S, &dC, &dS)
        (<QIFCoef *> self.g).a -= 2.0 * d.t * I * e * e * s.I
        if s.G != 0.0:
            by_V = 0.0 if V == -INFINITY else -s.G / (p.a * e * (V * V + I))
            by_I = -s.G * y / (2.0 * I * p.a * e) if V == -INFINITY else s.G * (dC - V * dS) / (p.a * e * (V * C + I * S))
            s.late = s.G / e if V == -INFINITY else -by_V * p.a * (V * V - V + I)
            (<QIFCoef *> self.g).a -= s.G * d.t / p.a
        elif n.u == 0.0:                        # nor does anything depend on V at the end, where it may be infinite
            by_V = by_I = s.late = 0.0
        elif V == -INFINITY:
            V_end = -e * C / S
            by_V, by_I = 0.0, n.u * e * (C * dS - dC * S) / (S * S)
            s.late = -n.u * p.a * e / (S * S)
            (<QIFCoef *> self.g).a += n.u * d.t * (V_end * V_end - V_end + I * e * e)
        else:
            D, N = C - V * S, V * C + I * S
            V_end = e * N / D
            by_V = n.u * e * (C * C + I * S * S) / (D * D)
            by_I = n.u * e * ((V * dC + S + I * dS) * D - N * (dC - V * dS)) / (D * D)
            s.late = -by_V * p.a * (V * V - V + I)
            (<QIFCoef *> self.g).a += n.u * d.t * (V_end * V_end - V_end + I * e * e)
        n.u, s.I, s.G = by_V, by_I + e * e * s.I, 0.0

    cdef double slope(self, const Neuron *n, const double *q) noexcept nogil:
        cdef const QIFState *s = <const QIFState *> n
        return (<const QIFCoef *> q).a * (s.V * s.V - s.V + s.I)

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        (<QIFState *> n).I *= exp(-2.0 * (<const QIFCoef *> q).a * t)

    cdef void rest_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        cdef QIFCostate *s = <QIFCostate *> n
        cdef double e = exp(-2.0 * (<const QIFCoef *> q).a * d.t)
        (<QIFCoef *> self.g).a -= 2.0 * d.t * (<const QIFState *> self.past).I * e * s.I
        s.I *= e

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        (<QIFState *> n).I += w

    # V' changes by a w, I' by -2 a w
    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        cdef const QIFCostate *s = <const QIFCostate *> n
        cdef double a = (<const QIFCoef *> q).a
        cdef Pull pull
        pull.weight = s.I
        pull.time = w * a * (2.0 * s.I - (0.0 if refractory else n.u))
        return pull

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

    # V'' = a I' = -2 a^2 I wherever V' = 0: one maximum if I > 0, else none
    cdef double passes(self, const Neuron *n, double *q, double length, double level) noexcept nogil:
        cdef double copy[WIDEST]
        self.at_wait(<Neuron *> copy, n, q, length)
        return 0.0 if self.slope(n, q) > 0.0 > self.slope(<Neuron *> copy, q) else -1.0

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        (<QIFState *> n).V = (<const QIFCoef *> q).r

    cdef double release_back(self, const Costate *n, const double *q, const Spike *s) noexcept nogil:
        return (<const QIFCostate *> n).late

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        (<QIFCoef *> g).t_ref += O
        (<QIFCoef *> g).r += n.u
        n.u, (<QIFCostate *> n).late, (<QIFCostate *> n).G = 0.0, 0.0, G
        return G

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *s, double *states) noexcept nogil:
        states[0], states[1] = n.u, (<const QIFCostate *> n).I

    def costate_width(self):
        return sizeof(QIFCostate) // sizeof(double)

    def replays(self):
        return True

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const QIFCoef *> q).t_ref


cdef inline void qif_functions(double I, double y, double *C, double *S, double *dC, double *dS) noexcept nogil:
    """C, S and their derivatives by I: even functions of sqrt(I), entire in I."""
    cdef double x = sqrt(fabs(I)), z = I * y * y, term = y ** 3 / 6.0
    cdef int k
    if I >= 0.0:
        C[0], S[0] = cos(x * y), sin(x * y) / x if x > 0.0 else y
    else:
        C[0], S[0] = cosh(x * y), sinh(x * y) / x
    dC[0] = -0.5 * y * S[0]
    if fabs(z) > 0.5:
        dS[0] = (y * C[0] - S[0]) / (2.0 * I)
    else:                               # sum_k k (-I)^(k-1) y^(2k+1)/(2k+1)!, with the sign in front
        dS[0] = 0.0
        for k in range(1, 12):
            dS[0] -= k * term
            term *= -z / ((2 * k + 2) * (2 * k + 3))


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
