# What the adjoint keeps: a tape of spikes written forward, rows of costates computed backward, and the propagators of
# solver.pxi transposed. The story is told in docs/gradients.md.
#
# A costate is the derivative of the loss by a state at a fixed time, all later event times following. With
# u' = -a u + k I, I' = -b I the costates of a stretch of length t are the transpose of its forward map,
#
#     u(t) = e^{-at} u + k kappa(a, b, t) I          dL/du = e^{-at} dL/du(t)
#     I(t) = e^{-bt} I                               dL/dI = e^{-bt} dL/dI(t) + k kappa(a, b, t) dL/du(t)
#
# and since u and I are sums of what was put in at known times (initial values, arrivals, resets), the derivatives by the
# rates are sums over the same places: -dL/da = sum (put in) * (costate differentiated by -a), likewise for b. The
# differentiated costates travel with the costates themselves, by -d kappa(a, b, t)/da = kappa3(a, a, b, t).

cdef struct Spike:                  # the tape: 32 bytes for each spike
    double offset                   # [ms]
    int32_t epoch                   # [ms], counted from that of the start
    int32_t id                      # global; ~id (negative) if an arrival, a release or the start made the neuron spike, no drift
    double before                   # `closing` just before the spike [mV/ms]
    double after                    # `slope` just after release [mV/ms]. On the tape it is of the neuron's spike before this one:
                                    # its release was over when the line was written

cdef struct Costate:                # head of every costate row, as Neuron is of every state row
    Time at                         # valid just before the event of this time: the neuron's own spike, an observation, the end
    Time free                       # end of the refractoriness that precedes it,
    double told                     # and what the model asked to know of the spike that it follows (`Population.tell`)
    double u, a                     # dL/du [1/mV]; its derivative by -a; while refractory, by the value u is clamped at
    double released                 # dL/du just after the coming release; 0 if the neuron is free
    double late                     # dL/d(time of the coming release) of a spike that it sets off; 0 if the neuron is free
    double pull                     # dL/d(time of an arrival) at this very moment, besides what p tells

cdef struct Current:
    double p, a, b                  # dL/dI [1/pA]; its derivatives by -a, -b

cdef struct RisingCurrent:          # I' = -b I + g, g' = -f g
    Current I
    double p, a, b, f               # dL/dg; its derivatives by -a, -b, -f

cdef struct Pull:                   # on an arrival
    double weight, time             # dL/d(weight); dL/d(time of arrival)

cdef struct Stretch:                # of a neuron's life, without events
    double t                        # [ms] its length
    bint rates                      # are derivatives by rates wanted? They cost two thirds of the time

cdef enum:
    TIMES = 5                       # doubles of a Costate that are known before the sweep
    WIDEST_COSTATE = 32             # of the widest row

cdef inline Time spike_time(const Spike *s, Time start) noexcept nogil:
    return at_time(start.epoch + s.epoch, s.offset)

cdef inline int32_t spiking(const Spike *s) noexcept nogil:
    """The neuron's global id."""
    return s.id if drifted(s) else ~s.id

cdef inline bint drifted(const Spike *s) noexcept nogil:
    """The membrane itself reached its threshold, so that it decides when."""
    return s.id >= 0

# ---- a free stretch

cdef inline void membrane_back(Costate *n, double a, Stretch d) noexcept nogil:
    cdef double e = exp(-a * d.t)
    n.a = e * (n.a + d.t * n.u)
    n.u = e * n.u

cdef inline void current_back(Current *c, const Costate *n, double a, double b, double k, Stretch d) noexcept nogil:
    """Before `membrane_back`: n is still at the end of the stretch."""
    cdef double response = kappa(a, b, d.t)
    decay_back(c, b, d.t)
    if d.rates:
        c.b += k * n.u * kappa3(a, b, b, d.t)
        c.a += k * (n.a * response + n.u * kappa3(a, a, b, d.t))
    c.p += k * n.u * response

cdef inline void rising_back(RisingCurrent *c, const Costate *n, double a, double b, double f, double k, Stretch d) noexcept nogil:
    cdef double response = kappa3(a, b, f, d.t)
    rising_decay_back(c, b, f, d)           # reads I at the end of the stretch, so it comes first
    current_back(&c.I, n, a, b, k, d)
    if d.rates:
        c.f += k * n.u * kappa4(a, b, f, f, d.t)
        c.b += k * n.u * kappa4(a, b, b, f, d.t)
        c.a += k * (n.a * response + n.u * kappa4(a, a, b, f, d.t))
    c.p += k * n.u * response

# ---- a stretch in which the membrane is clamped

cdef inline void decay_back(Current *c, double b, double t) noexcept nogil:
    cdef double e = exp(-b * t)
    c.b = e * (c.b + t * c.p)
    c.a = e * c.a
    c.p = e * c.p

cdef inline void rising_decay_back(RisingCurrent *c, double b, double f, Stretch d) noexcept nogil:
    """The source g alone; the caller lets I decay."""
    cdef double e = exp(-f * d.t), response = kappa(b, f, d.t)
    c.f = e * (c.f + d.t * c.p)
    c.b = e * c.b + c.I.b * response
    c.a = e * c.a + c.I.a * response
    if d.rates:
        c.f += c.I.p * kappa3(b, f, f, d.t)
        c.b += c.I.p * kappa3(b, b, f, d.t)
    c.p = e * c.p + c.I.p * response

# ---- what is put in: an initial value or a jump x of a current, to which all that follows is proportional

cdef inline void put_in(const Current *c, double x, double k, double *g_a, double *g_b, double *g_k) noexcept nogil:
    """Its part in the gradients by the rates and by k, of which only the product k x matters."""
    g_a[0] -= x * c.a
    if g_b != NULL:
        g_b[0] -= x * c.b
    g_k[0] += x * c.p / k

cdef inline Pull current_pull(Current c, const Costate *n, double a, double b, double k, Stretch d, double resting, double w,
                              double *g_a, double *g_b, double *g_k) noexcept nogil:
    """An arrival I += w: see `receive_back`. Later by dt, it leaves I higher by b w dt, and u lower by k w dt."""
    cdef Pull pull
    cdef double u = n.u * exp(-a * d.t)
    current_back(&c, n, a, b, k, d)
    if resting > 0.0:
        decay_back(&c, b, resting)
        u = 0.0
    put_in(&c, w, k, g_a, g_b, g_k)
    pull.weight = c.p
    pull.time = w * (b * c.p - k * u)
    return pull

cdef inline double current_step_back(Current *c, double value, double k, double *g_a, double *g_k) noexcept nogil:
    """An injected current takes a value: see `step_back`."""
    cdef double pull = c.p
    put_in(c, value, k, g_a, NULL, g_k)
    c.p = c.a = 0.0
    return pull

cdef inline Pull jump_pull(const Costate *n, double a, Stretch d, double w, double *g_a) noexcept nogil:
    """An arrival u += w at a free membrane. Later by dt, it leaves u higher by a w dt."""
    cdef Costate m = n[0]
    cdef Pull pull
    membrane_back(&m, a, d)
    g_a[0] -= w * m.a
    pull.weight = m.u
    pull.time = w * a * m.u
    return pull

cdef inline Pull rising_pull(RisingCurrent c, const Costate *n, double a, double b, double f, double k, Stretch d, double resting,
                             double w, double scale, double *g_a, double *g_b, double *g_f, double *g_k,
                             double *g_scale) noexcept nogil:
    """An arrival g += w scale. Later by dt, it leaves g higher by f w scale dt, and I lower by w scale dt."""
    cdef Pull pull
    rising_back(&c, n, a, b, f, k, d)
    if resting > 0.0:
        d.t = resting
        rising_decay_back(&c, b, f, d)
        decay_back(&c.I, b, resting)
    rising_put_in(&c, w * scale, k, g_a, g_b, g_f, g_k)
    g_scale[0] += w * c.p
    pull.weight = scale * c.p
    pull.time = w * scale * (f * c.p - c.I.p)
    return pull

cdef inline void rising_put_in(const RisingCurrent *c, double x, double k, double *g_a, double *g_b, double *g_f,
                               double *g_k) noexcept nogil:
    g_a[0] -= x * c.a
    g_b[0] -= x * c.b
    g_f[0] -= x * c.f
    g_k[0] += x * c.p / k

# ---- the neuron's own spike

cdef inline double release_membrane_back(const Costate *n, const Spike *s, int mode) noexcept nogil:
    """dL/d(time of release): a later release at the same value is a membrane that lags by u' dt."""
    return 0.0 if mode == EDGE else -n.released * s.after

cdef inline void reset_membrane_back(Costate *n, double *g_c, double *g_r, double *g_a, double c, double r, int mode,
                                     const Spike *s, double G) noexcept nogil:
    """The transpose of `reset_membrane` at a spike whose time pulls with G = dL/dt; adds to the gradients by c, r, a."""
    if mode == TO_VALUE:                    # u = r: whatever was before is forgotten
        g_r[0] += n.u
        g_a[0] -= r * n.a
        n.u = n.a = 0.0
    elif mode == SUBTRACT and drifted(s):   # u = c - c
        n.u = n.a = 0.0
    elif mode == SUBTRACT:                  # u -= c
        g_c[0] -= n.u
        g_a[0] += c * n.a
    if drifted(s):                          # dt = (dc - du)/u'
        g_c[0] += G / s.before
        n.u -= G / s.before
    else:                                   # the arrival says when; from then on the membrane it left is clamped
        n.pull = G + (n.u * s.before if mode == SUBTRACT else 0.0)
