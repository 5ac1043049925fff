# Layers backward: the walk of forward.pxi in reverse order, with the formulas transposed.

cdef struct Loss:               # what the loss answered about one sample of one stage; NULL, 0: nothing
    const double *times         # by spike
    double *pull                # the same from the arrivals the spikes caused
    const double *max_V         # (n,) and where the maxima are:
    const double *when          # (n,) infinity: the neuron spiked
    const int64_t *kink         # (n,) the arrival at which V' turns, -1: none
    const double *rise          # (n,) V' before it
    const double *decays        # (n_integrals,) 1/decay
    const double *integrals     # (n_integrals, ..., n) at this sample,
    Py_ssize_t n_integrals, integral_stride
    const double *targets       # (n_squares,) and their squares, like the integrals
    const double *squares
    Py_ssize_t n_squares, square_stride
    double *states              # at the starts of all intervals, if there are squares
    const double *looks         # (n_looks,) times, values (n, n_looks)
    const double *look
    Py_ssize_t n_looks

cdef struct Adjoint:            # gradients of one stage, (n,) each
    double *c
    double *r
    double *t_ref
    double *u
    double *e
    double *i
    double *d
    double *a
    double *b_e
    double *b_i

cdef enum:
    ADJOINTS = 10

cdef struct CableBack:
    double *weight              # (m,) or NULL
    double *delay
    double *pull                # of the spikes of the sample, or NULL

cdef struct Back:               # costates of the lanes
    Py_ssize_t n, padded
    Py_ssize_t used             # of the first ten arrays, from pu on
    Rates q
    bint rates                  # are the gradients by the time constants asked for?
    bint drive                  # by the constant current?
    double *pu
    double *pe
    double *pi
    double *pd                  # of the constant current: int p_u
    double *ru
    double *re
    double *ri
    double *rd
    double *qe
    double *qi
    double *live                # 1: free, 0: clamped

cdef inline Adjoint adjoint_at(double *x, Py_ssize_t n, Py_ssize_t j) noexcept nogil:
    cdef Adjoint g
    x += j
    g.c, g.r, g.t_ref, g.u, g.e, g.i, g.d, g.a, g.b_e, g.b_i = (x, x + n, x + 2 * n, x + 3 * n, x + 4 * n, x + 5 * n, x + 6 * n,
                                                              x + 7 * n, x + 8 * n, x + 9 * n)
    return g

cdef void retreat(Back *b, const Work *w, const Lanes *l, Py_ssize_t interval, const Loss *loss, double t0, Py_ssize_t lo,
                  Py_ssize_t n, Adjoint *grad) noexcept nogil:
    """Lanes lo..lo+n, one or all, from the end to the start t0 of an interval: the transpose of the flow, and what the loss adds
    in it."""
    cdef Factors f = w.f
    if w.dt[interval] == 0.0:
        return
    if b.rates:
        retreat_rates(b, w.f, interval, w.dt[interval], lo, n)
    if b.drive:
        for j in range(lo, lo + n):
            b.pd[j] += b.pu[j] * w.f.k0[interval]
    if n > 1:
        eventsim_gap_back(b.padded, b.q, w.f, interval, b.pu, b.pe, b.pi)
    else:                       # the same without a call
        b.pe[lo] = b.pe[lo] * f.e[interval] + b.pu[lo] * f.ke[interval]
        if b.pi != b.pe:
            b.pi[lo] = b.pi[lo] * f.i[interval] + b.pu[lo] * f.ki[interval]
        b.pu[lo] *= f.m[interval]
    if loss.n_integrals:
        retreat_integrals(b, loss, t0, w.dt[interval], lo, n, grad)
    if loss.n_squares:
        retreat_squares(b, w, l, loss, interval, lo, n, grad)

cdef void retreat_rates(Back *b, Factors f, Py_ssize_t g, double t, Py_ssize_t lo, Py_ssize_t n) noexcept nogil:
    cdef double a = b.q.a, b_e = b.q.b_e, b_i = b.q.b_i
    cdef double aae = kappa3(a, a, b_e, t), aai = kappa3(a, a, b_i, t), aa0 = kappa3(a, a, 0.0, t)
    cdef double eea = kappa3(b_e, b_e, a, t), iia = kappa3(b_i, b_i, a, t)
    cdef bint one = b_e == b_i
    cdef double tm = t * f.m[g], te = t * f.e[g], ti = t * f.i[g]
    cdef Py_ssize_t j
    for j in range(lo, lo + n):
        b.qe[j] = b.qe[j] * f.e[g] + b.pe[j] * te + b.pu[j] * eea
        if not one:
            b.qi[j] = b.qi[j] * f.i[g] + b.pi[j] * ti + b.pu[j] * iia
        b.re[j] = b.re[j] * f.e[g] + b.ru[j] * f.ke[g] + b.pu[j] * aae
        if not one:
            b.ri[j] = b.ri[j] * f.i[g] + b.ru[j] * f.ki[g] + b.pu[j] * aai
        b.rd[j] += b.ru[j] * f.k0[g] + b.pu[j] * aa0
        b.ru[j] = b.ru[j] * f.m[g] + b.pu[j] * tm

cdef void retreat_integrals(Back *b, const Loss *loss, double t0, double t, Py_ssize_t lo, Py_ssize_t n,
                            Adjoint *grad) noexcept nogil:
    """The source l = S exp(-f t), and what it adds to all costates within an interval."""
    cdef double a, b_e, b_i, f, decayed, l, u, e, i, d, held, eu = 0.0, ee = 0.0, ei = 0.0, ed = 0.0, qe = 0.0, qi = 0.0
    cdef bint one = b.q.b_e == b.q.b_i
    cdef Py_ssize_t q, j
    for q in range(loss.n_integrals):
        f = loss.decays[q]
        a, b_e, b_i, decayed = b.q.a + f, b.q.b_e + f, b.q.b_i + f, exp(-f * t0)
        u, e, i, d = kappa(0.0, a, t), kappa3(0.0, a, b_e, t), kappa3(0.0, a, b_i, t), kappa3(0.0, a, f, t)
        held = kappa(0.0, f, t)
        if b.rates:
            eu, ee, ei, ed = kappa3(0.0, a, a, t), kappa4(0.0, a, a, b_e, t), kappa4(0.0, a, a, b_i, t), kappa4(0.0, a, a, f, t)
            qe, qi = kappa4(0.0, b_e, b_e, a, t), kappa4(0.0, b_i, b_i, a, t)
        for j in range(lo, lo + n):
            l = decayed * loss.integrals[q * loss.integral_stride + j]
            grad.r[j] += (1.0 - b.live[j]) * l * held
            l *= b.live[j]
            b.pu[j] += l * u
            b.pe[j] += l * e
            if not one:
                b.pi[j] += l * i
            b.pd[j] += l * d
            if b.rates:
                b.ru[j] += l * eu
                b.re[j] += l * ee
                if not one:
                    b.ri[j] += l * ei
                b.rd[j] += l * ed
                b.qe[j] += l * qe
                if not one:
                    b.qi[j] += l * qi

cdef Py_ssize_t own_events(Work *w, const Lanes *l, double T, const Fired *spikes, Py_ssize_t n_spikes, Py_ssize_t n_sample,
                           Py_ssize_t more) noexcept nogil:
    """Spikes and releases of the lanes before T, their number, in w.own with room for `more`."""
    cdef Py_ssize_t x, s, j, n = 0
    cdef double until
    cdef Own *own
    w.own = <Own *> take(&w.rooms[6], (2 * n_spikes + more + 1) * sizeof(Own))
    w.pull = <double *> take(&w.rooms[7], (n_sample + 1) * sizeof(double))
    if w.own == NULL or w.pull == NULL:
        return -1
    for x in range(n_spikes):
        s = w.mine[x]
        j = spikes[s].rank - l.first
        until = spikes[s].time + l.t_ref[j]
        own = &w.own[n]
        own.time, own.rank, own.lane = spikes[s].time, 2 * s, <int32_t> j
        n += 1
        w.pull[s] = 0.0
        if l.t_ref[j] > 0.0 and until < T:
            own[1].time, own[1].rank, own[1].lane = until, 2 * s + 1, <int32_t> j
            n += 1
    return n

cdef int own_intervals(Work *w, const Lanes *l, double T, Py_ssize_t n_own) noexcept nogil:
    """Factors of the gaps, then of the interval from each own event up to the next of its lane in its gap, or to the end
    of the gap, then of the interval down to the one before, or to the start of the gap. w.own is sorted."""
    cdef Py_ssize_t x, g, upper = w.n + 1, lower = w.n + 1 + n_own
    cdef int64_t *latest = w.last
    cdef Own *own
    if prepare_gaps(w, T, 2 * n_own):
        return -1
    for x in range(l.n):
        latest[x] = -1
    g = 0
    for x in range(n_own):
        own = &w.own[x]
        while g < w.n and w.arrivals[g].time <= own.time:
            g += 1
        own.gap = <int32_t> g
        w.dt[upper + x] = (w.arrivals[g].time if g < w.n else T) - own.time
        w.dt[lower + x] = own.time - (w.arrivals[g - 1].time if g > 0 else 0.0)
        if latest[own.lane] >= 0 and w.own[latest[own.lane]].gap == g:
            w.dt[lower + x] = w.dt[upper + latest[own.lane]] = own.time - w.own[latest[own.lane]].time
        latest[own.lane] = x
    eventsim_factors(w.n + 1 + 2 * n_own, w.dt, l.rates, w.f)
    return 0

cdef inline Py_ssize_t pulled(Work *w, Py_ssize_t n, const Loss *loss) noexcept nogil:
    """How many of the sorted events come up to the last one that the loss pulls at; later arrivals are dropped: all costates are
    0 there."""
    if loss.n_integrals or loss.n_squares or loss.n_looks:
        return n
    while n and w.own[n - 1].rank >= 0 and loss.pull[w.own[n - 1].rank >> 1] == 0.0 and (
            loss.times == NULL or loss.times[w.own[n - 1].rank >> 1] == 0.0):
        n -= 1
    if loss.max_V == NULL:                                  # kinks have arrivals of their own
        while w.n and (n == 0 or w.arrivals[w.n - 1].time > w.own[n - 1].time):
            w.n -= 1
    return n

cdef int walk_back(Work *w, const Lanes *l, const Cable *cables, double T, const Fired *spikes, Py_ssize_t n_spikes,
                   Py_ssize_t n_sample, Loss *loss, CableBack *out, Adjoint *grad, bint rates, bint drive) noexcept nogil:
    """`walk` in reverse order. spikes: of the sample, n_sample; w.mine: which n_spikes of them are the lanes'."""
    cdef Back b
    cdef Py_ssize_t x, j, g, s, n_own, touched, upper, lower
    cdef double t0, p
    cdef Watch squares
    cdef double *save = w.lane[12]
    cdef const Arrival *arrival
    cdef Own *own
    cdef int64_t *latest = w.last
    cdef int64_t *mark = w.last + l.padded
    b.n, b.padded, b.q, b.rates, b.drive, b.used = l.n, l.padded, l.rates, rates, drive, ADJOINTS if rates else 4
    b.pu, b.pe, b.pi, b.pd, b.live = w.lane[0], w.lane[1], w.lane[2], w.lane[3], w.lane[10]
    b.ru, b.re, b.ri, b.rd, b.qe, b.qi = w.lane[4], w.lane[5], w.lane[6], w.lane[7], w.lane[8], w.lane[9]
    if l.rates.b_e == l.rates.b_i:
        b.pi, b.ri, b.qi = b.pe, b.re, b.qe
    n_own = own_events(w, l, T, spikes, n_spikes, n_sample, l.n)
    if n_own < 0:
        return -1
    if loss.max_V != NULL:
        for j in range(l.n):
            if loss.when[j] == INFINITY:
                grad.c[j] += loss.max_V[j]
            elif loss.max_V[j] != 0.0:
                own = &w.own[n_own]
                own.time, own.rank, own.lane, own.value = loss.when[j], -1, <int32_t> j, loss.max_V[j]
                n_own += 1
    sort_by_time(w.own, n_own)
    n_own = pulled(w, n_own, loss)
    if own_intervals(w, l, T, n_own):
        return -1
    upper, lower = w.n + 1, w.n + 1 + n_own
    if loss.n_squares:
        memset(&squares, 0, sizeof(Watch))
        loss.states = squares.states = <double *> take(&w.rooms[9], 3 * ((w.n + 1) * l.n + 2 * n_own) * sizeof(double))
        if squares.states == NULL:
            return -1
        watch(w, l, cables, n_own, &squares)
    for x in range(ADJOINTS):
        memset(w.lane[x], 0, l.padded * sizeof(double))
    for j in range(l.n):
        b.live[j], mark[j] = 1.0, -1
    for x in range(n_own):                                  # the last of each lane: is it a spike?
        if w.own[x].rank >= 0:
            b.live[w.own[x].lane] = w.own[x].rank & 1 or l.t_ref[w.own[x].lane] == 0.0
    g = w.own[n_own - 1].gap if n_own else -1               # later than that all is 0, unless
    if loss.n_integrals or loss.n_squares or loss.n_looks:
        g = w.n
    x = n_own - 1
    while g >= 0:
        t0 = w.arrivals[g - 1].time if g > 0 else 0.0
        touched = 0
        while x >= 0 and w.own[x].gap == g and w.own[x].time >= 0.0:
            own = &w.own[x]
            j = own.lane
            retreat(&b, w, l, upper + x, loss, own.time, j, 1, grad)
            happen_back(w, &b, l, own, spikes, loss, grad)
            if mark[j] != g:
                mark[j] = g
                w.list[touched] = <int32_t> j
                touched += 1
            latest[j] = x
            x -= 1
        if w.dt[g] > 0.0:
            for s in range(touched):
                j = w.list[s]
                retreat(&b, w, l, lower + latest[j], loss, t0, j, 1, grad)
                exchange(w, &b, save + s * (ADJOINTS + 1), j, grad, True)
            retreat(&b, w, l, g, loss, t0, 0, l.n, grad)
            for s in range(touched):
                exchange(w, &b, save + s * (ADJOINTS + 1), w.list[s], grad, False)
        if g > 0:
            arrival = &w.arrivals[g - 1]
            if arrival.cable >= 0:
                arrive_back(w, &b, l, &cables[arrival.cable], arrival, &out[arrival.cable], grad)
            else:
                for j in range(l.n):
                    p = loss.look[j * loss.n_looks + arrival.synapse]
                    b.pu[j] += b.live[j] * p
                    grad.r[j] += (1.0 - b.live[j]) * p
        g -= 1
    while x >= 0:                                           # the maximum is the initial value
        b.pu[w.own[x].lane] += w.own[x].value
        x -= 1
    if loss.max_V != NULL:
        kinks_back(w, l, cables, loss, out)
    for j in range(l.n):
        grad.u[j] += b.pu[j]
        grad.e[j] += b.pe[j]
        grad.i[j] += b.pi[j]
        grad.d[j] += b.pd[j]
        if rates:
            grad.a[j] -= l.u[j] * b.ru[j] + l.e[j] * b.re[j] + l.i[j] * b.ri[j] + l.d[j] * b.rd[j]
            grad.b_e[j] -= l.e[j] * b.qe[j]
            grad.b_i[j] -= l.i[j] * b.qi[j]
    return 0

cdef inline void exchange(Work *w, const Back *b, double *save, Py_ssize_t j, Adjoint *grad, bint away) noexcept nogil:
    """Put the costates of a lane away, or back, and what it gathered while clamped."""
    cdef Py_ssize_t x
    if away:
        save[ADJOINTS] = grad.r[j]
    else:
        grad.r[j] = save[ADJOINTS]
    for x in range(b.used):
        if away:
            save[x] = w.lane[x][j]
        else:
            w.lane[x][j] = save[x]

cdef void happen_back(Work *w, Back *b, const Lanes *l, const Own *own, const Fired *spikes, const Loss *loss,
                      Adjoint *grad) noexcept nogil:
    """A spike, a release, or a look at the membrane, of one lane."""
    cdef Py_ssize_t j = own.lane, s = own.rank >> 1, q
    cdef double G
    if own.rank < 0:
        b.pu[j] += b.live[j] * own.value
        grad.r[j] += (1.0 - b.live[j]) * own.value
        return
    if own.rank & 1 or l.t_ref[j] == 0.0:
        w.pull[s] = -b.pu[j] * spikes[s].release
        grad.r[j] += b.pu[j]
        grad.t_ref[j] += w.pull[s]
        if b.rates:
            grad.a[j] -= l.r[j] * b.ru[j]
        b.pu[j] = b.ru[j] = b.live[j] = 0.0
    if not own.rank & 1:
        G = w.pull[s] + loss.pull[s]
        if loss.times != NULL:
            G += loss.times[s]
        for q in range(loss.n_integrals):
            G += loss.integrals[q * loss.integral_stride + j] * exp(-loss.decays[q] * own.time) * (l.c[j] - l.r[j])
        for q in range(loss.n_squares):
            G += loss.squares[q * loss.square_stride + j] * (square(l.c[j] + l.E_L[j] - loss.targets[q])
                                                             - square(l.r[j] + l.E_L[j] - loss.targets[q]))
        b.pu[j], b.ru[j], b.live[j] = -G / spikes[s].slope, 0.0, 1.0
        grad.c[j] -= b.pu[j]

cdef void arrive_back(Work *w, Back *b, const Lanes *l, const Cable *cable, const Arrival *arrival, CableBack *out,
                      Adjoint *grad) noexcept nogil:
    """An arrival leaves the costates as they are and reads them."""
    cdef const double *row = cable.w + arrival.synapse
    cdef double *x = w.lane[11]
    cdef double kw, total
    cdef Py_ssize_t j
    if out.weight != NULL:
        eventsim_receive_back(l.n, b.q, row, l.k, b.pe, b.pi, out.weight + arrival.synapse)
    if out.pull != NULL or out.delay != NULL:
        total = eventsim_arrival_back(l.n, b.q, row, l.k, b.pu, b.pe, b.pi, x)
        if out.pull != NULL:
            out.pull[arrival.spike] += total
        if out.delay != NULL:
            for j in range(l.n):
                out.delay[arrival.synapse + j] += x[j]
    if b.rates:
        for j in range(l.n):
            kw = l.k[j] * row[j]
            if kw >= 0.0:
                grad.a[j] -= kw * b.re[j]
                grad.b_e[j] -= kw * b.qe[j]
            else:
                grad.a[j] -= kw * b.ri[j]
                grad.b_i[j] -= kw * b.qi[j]

cdef void kinks_back(Work *w, const Lanes *l, const Cable *cables, const Loss *loss, CableBack *out) noexcept nogil:
    """A maximum at an arrival moves with it."""
    cdef Py_ssize_t j, x, real
    cdef const Arrival *arrival
    cdef double moved
    for j in range(l.n):
        if loss.when[j] == INFINITY or loss.kink[j] < 0 or loss.max_V[j] == 0.0:
            continue
        x = real = 0
        while w.arrivals[x].cable < 0 or real < loss.kink[j]:       # among the arrivals there may be looks
            real += w.arrivals[x].cable >= 0
            x += 1
        arrival = &w.arrivals[x]
        moved = loss.max_V[j] * loss.rise[j]
        if out[arrival.cable].pull != NULL:
            out[arrival.cable].pull[arrival.spike] += moved
        if out[arrival.cable].delay != NULL:
            out[arrival.cable].delay[arrival.synapse + j] += moved
