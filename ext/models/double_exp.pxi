# Leaky integrate-and-fire whose synaptic currents rise and decay; with equal constants they are alpha functions.

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

@cython.final
cdef class DoubleExpPopulation(Population):

    def coefficients(self, dict p):
        return [1.0 / p["tau_m"],
                1.0 / p["tau_decay_ex"], 1.0 / p["tau_rise_ex"], 1.0 / p["tau_decay_in"], 1.0 / p["tau_rise_in"],
                1.0 / p["C_m"], p["V_th"] - p["E_L"], p["V_reset"] - p["E_L"], p["t_ref"],
                unit_peak(p["tau_decay_ex"], p["tau_rise_ex"]), unit_peak(p["tau_decay_in"], p["tau_rise_in"])]

    # u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x + g_x,   g_x' = -f_x g_x
    cdef void flow(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef DoubleExpState *s = <DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        s.u = s.u * exp(-p.a * t) + p.k * double_exp_psp(s, p, t)
        self.rest(n, q, t)

    cdef void rest(self, Neuron *n, const double *q, double t) noexcept nogil:
        cdef DoubleExpState *s = <DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        s.I_ex = s.I_ex * exp(-p.b_ex * t) + s.g_ex * kappa(p.b_ex, p.f_ex, t)
        s.I_in = s.I_in * exp(-p.b_in * t) + s.g_in * kappa(p.b_in, p.f_in, t)
        s.g_ex *= exp(-p.f_ex * t)
        s.g_in *= exp(-p.f_in * t)

    cdef void receive(self, Neuron *n, const double *q, int port, double w, bint refractory) noexcept nogil:
        cdef DoubleExpState *s = <DoubleExpState *> n
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        if w >= 0.0:
            s.g_ex += w * p.n_ex
        else:
            s.g_in += w * p.n_in

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

    cdef void reset(self, Neuron *n, const double *q, bint falls) noexcept nogil:
        cdef const DoubleExpCoef *p = <const DoubleExpCoef *> q
        reset_membrane(&(<DoubleExpState *> n).u, p.c, p.r, self.mode, falls)

    cdef double refractory(self, const double *q) noexcept nogil:
        return (<const DoubleExpCoef *> q).t_ref

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        (<DoubleExpState *> self.row(j)).I_e = current


cdef inline void add_rising_current(Drive *drive, double J, double b, double g, double f) noexcept nogil:
    """A component with J' = -b J + g, g' = -f g: a source g > 0 may still raise it, by g/max(b, f) at most."""
    add_current(drive, J, b)
    if g > 0.0:
        drive.rise += g / max(b, f)
        drive.rate += g

cdef inline double double_exp_psp(const DoubleExpState *s, const DoubleExpCoef *p, double t) noexcept nogil:
    """What the currents add to u within t, times C_m."""
    return (s.I_ex * kappa(p.a, p.b_ex, t) + s.g_ex * kappa3(p.a, p.b_ex, p.f_ex, t)
            + s.I_in * kappa(p.a, p.b_in, t) + s.g_in * kappa3(p.a, p.b_in, p.f_in, t) + s.I_e * kappa(p.a, 0.0, t))

def unit_peak(decay, rise):
    """1/max_t kappa(1/decay, 1/rise, t) [1/ms], for arrays of time constants [ms]."""
    decay, rise = np.broadcast_arrays(np.asarray(decay, float), np.asarray(rise, float))
    out = np.empty(decay.shape)
    cdef double b, f, peak
    for i in range(decay.size):
        b, f = 1.0 / decay.flat[i], 1.0 / rise.flat[i]
        # t_peak = ln(f/b)/(f - b), written so that f = b is no special case
        peak = (1.0 if f == b else log1p((f - b) / b) / ((f - b) / b)) / b
        out.flat[i] = 1.0 / kappa(b, f, peak)
    return out


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
