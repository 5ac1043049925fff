# What a loss may ask of the membranes of a layer: maxima, integrals, values at given times.

cdef struct Watch:              # what to watch; NULL: nothing
    double *seen                # (n, n_looks) V at the looks among the arrivals
    Py_ssize_t n_looks
    double *integral            # (n,) of exp(-decay_rate t) V
    double decay_rate
    double *square              # (n,) of (V - target)^2
    double target
    double *states              # (intervals, n, 3): u, e, i at the start of each interval; see `start_of`

cdef inline double *start_of(double *states, const Work *w, Py_ssize_t n, Py_ssize_t interval, Py_ssize_t j) noexcept nogil:
    """Of a gap, for each lane; of an interval between own events, for its lane."""
    return states + 3 * (interval * n + j if interval <= w.n else (w.n + 1) * n + interval - (w.n + 1))

cdef int watch(Work *w, const Lanes *l, const Cable *cables, Py_ssize_t n_own, const Watch *v) noexcept nogil:
    """Walk again, with the spikes known: own events and intervals are prepared."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *live = w.lane[10]
    cdef double *save = w.lane[12]
    cdef double t0 = 0.0
    cdef int64_t *latest = w.last
    cdef int64_t *mark = w.last + l.padded
    cdef Py_ssize_t g, x, s, j, touched, upper = w.n + 1, lower = w.n + 1 + n_own
    cdef Own *own
    begin(l, u, e, i)
    for j in range(l.n):
        live[j], mark[j] = 1.0, -1
    x = 0
    while x < n_own and w.own[x].time < 0.0:
        x += 1
    for g in range(w.n + 1):
        touched = 0
        while x < n_own and w.own[x].gap == g:
            own = &w.own[x]
            j = own.lane
            if mark[j] == g:
                advance_watched(w, l, v, upper + latest[j], w.own[latest[j]].time, j, 1)
            else:
                advance_watched(w, l, v, lower + x, t0, j, 1)
                mark[j] = g
                w.list[touched] = <int32_t> j
                touched += 1
            if own.rank >= 0:
                u[j], live[j] = l.r[j], own.rank & 1 or l.t_ref[j] == 0.0
            latest[j] = x
            x += 1
        if w.dt[g] > 0.0:
            for s in range(touched):
                j = w.list[s]
                advance_watched(w, l, v, upper + latest[j], w.own[latest[j]].time, j, 1)
                save_watched(w, v, save + 5 * s, j, True)
            advance_watched(w, l, v, g, t0, 0, l.n)
            for s in range(touched):
                save_watched(w, v, save + 5 * s, w.list[s], False)
        if g < w.n:
            t0 = w.arrivals[g].time
            if w.arrivals[g].cable >= 0:
                eventsim_receive(l.n, l.rates, cables[w.arrivals[g].cable].w + w.arrivals[g].synapse, l.k, e, i)
            elif v.seen != NULL:
                for j in range(l.n):
                    v.seen[j * v.n_looks + w.arrivals[g].synapse] = u[j] + l.E_L[j]
    return 0

cdef void save_watched(Work *w, const Watch *v, double *save, Py_ssize_t j, bint away) noexcept nogil:
    """Put a lane away, or back."""
    cdef Py_ssize_t x
    for x in range(3):
        if away:
            save[x] = w.lane[x][j]
        else:
            w.lane[x][j] = save[x]
    if away:
        save[3], save[4] = v.integral[j] if v.integral != NULL else 0.0, v.square[j] if v.square != NULL else 0.0
        return
    if v.integral != NULL:
        v.integral[j] = save[3]
    if v.square != NULL:
        v.square[j] = save[4]

cdef void advance_watched(Work *w, const Lanes *l, const Watch *v, Py_ssize_t g, double t0, Py_ssize_t lo,
                          Py_ssize_t n) noexcept nogil:
    """Lanes lo..lo+n over interval g, which starts at t0."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *live = w.lane[10]
    cdef double m = w.f.m[g], me = w.f.e[g], mi = w.f.i[g], ke = w.f.ke[g], ki = w.f.ki[g], k0 = w.f.k0[g], t = w.dt[g]
    cdef double f = v.decay_rate, a = l.rates.a + f, decayed, Ku, Ke, Ki, Kd, K
    cdef double *start
    cdef Py_ssize_t j, x
    cdef Node node
    if v.integral != NULL:
        decayed, Ku, Kd, K = exp(-f * t0), kappa(0.0, a, t), kappa3(0.0, a, f, t), kappa(0.0, f, t)
        Ke, Ki = kappa3(0.0, a, l.rates.b_e + f, t), kappa3(0.0, a, l.rates.b_i + f, t)
        for j in range(lo, lo + n):
            v.integral[j] += decayed * (l.E_L[j] * K + (
                u[j] * Ku + (e[j] * Ke + i[j] * Ki) + l.d[j] * Kd if live[j] != 0.0 else u[j] * K))
    if v.square != NULL:
        for x in range(nodes_of(l.rates, t)):
            node = node_of(l.rates, t, x)
            for j in range(lo, lo + n):
                v.square[j] += node.weight * square(l.E_L[j] - v.target + (
                    u[j] * node.m + (e[j] * node.ke + i[j] * node.ki) + l.d[j] * node.k0 if live[j] != 0.0 else u[j]))
    for j in range(lo, lo + n):
        if v.states != NULL:
            start = start_of(v.states, w, l.n, g, j)
            start[0], start[1], start[2] = u[j], e[j], i[j]
        if live[j] != 0.0:
            u[j] = u[j] * m + ((e[j] * ke + i[j] * ki) + l.d[j] * k0)
        e[j] *= me
        i[j] *= mi

# The integral of (V - target)^2 by Gauss's rule of 8 nodes on pieces no longer than the shortest time constant: exact to
# rounding.

cdef struct Node:
    double t, weight            # from the start of the interval
    double m, ke, ki, k0        # propagators from there, as in Factors

cdef double[4] GAUSS_NODE, GAUSS_WEIGHT
GAUSS_NODE[:] = [0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363]
GAUSS_WEIGHT[:] = [0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763]

cdef inline double square(double x) noexcept nogil:
    return x * x

cdef inline Py_ssize_t nodes_of(Rates q, double t) noexcept nogil:
    return 8 * <Py_ssize_t> (1.0 + t * max(q.a, max(q.b_e, q.b_i))) if t > 0.0 else 0

cdef Node node_of(Rates q, double t, Py_ssize_t x) noexcept nogil:
    cdef Node node
    cdef double half = 4.0 * t / nodes_of(q, t)
    node.t = half * (2 * (x // 8) + 1 + (GAUSS_NODE[x % 4] if x % 8 < 4 else -GAUSS_NODE[x % 4]))
    node.weight = half * GAUSS_WEIGHT[x % 4]
    node.m, node.k0 = exp(-q.a * node.t), kappa(q.a, 0.0, node.t)
    node.ke, node.ki = kappa(q.a, q.b_e, node.t), kappa(q.a, q.b_i, node.t)
    return node

cdef void retreat_squares(Back *b, const Work *w, const Lanes *l, const Loss *loss, Py_ssize_t interval, Py_ssize_t lo,
                          Py_ssize_t n, Adjoint *grad) noexcept nogil:
    """The source l = 2 S (V - target), node by node: what it adds at the start of the interval."""
    cdef double t = w.dt[interval], s, source, excess, aae = 0.0, aai = 0.0, aa0 = 0.0, eea = 0.0, iia = 0.0
    cdef double a = b.q.a, b_e = b.q.b_e, b_i = b.q.b_i
    cdef bint one = b_e == b_i
    cdef const double *start
    cdef Py_ssize_t q, j, x
    cdef Node node
    for x in range(nodes_of(b.q, t)):
        node = node_of(b.q, t, x)
        s = node.t
        if b.rates:
            aae, aai, aa0 = kappa3(a, a, b_e, s), kappa3(a, a, b_i, s), kappa3(a, a, 0.0, s)
            eea, iia = kappa3(b_e, b_e, a, s), kappa3(b_i, b_i, a, s)
        for j in range(lo, lo + n):
            start = start_of(loss.states, w, b.n, interval, j)
            source = 0.0
            excess = l.E_L[j] + (start[0] * node.m + (start[1] * node.ke + start[2] * node.ki) + l.d[j] * node.k0
                                 if b.live[j] != 0.0 else l.r[j])
            for q in range(loss.n_squares):
                source += 2.0 * node.weight * loss.squares[q * loss.square_stride + j] * (excess - loss.targets[q])
            if b.live[j] == 0.0:
                grad.r[j] += source
                continue
            b.pu[j] += source * node.m
            b.pe[j] += source * node.ke
            b.pd[j] += source * node.k0
            if not one:
                b.pi[j] += source * node.ki
            if b.rates:
                b.ru[j] += source * s * node.m
                b.re[j] += source * aae
                b.rd[j] += source * aa0
                b.qe[j] += source * eea
                if not one:
                    b.ri[j] += source * aai
                    b.qi[j] += source * iia

cdef int maxima(Work *w, const Lanes *l, const Cable *cables, double T, double *best, double *when, int64_t *kink,
                double *rise) noexcept nogil:
    """The largest membrane of each lane and where it is (see Loss); of lanes with when = infinity, which spiked: V_th. A
    lane is looked at where its membrane may exceed the best so far: the search of `walk` with a threshold that follows."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *never = w.lane[3]
    cdef double *top = w.lane[4]
    cdef double before, after, t
    cdef Search s = w.search
    cdef Py_ssize_t g, j, x, listed
    cdef Gap gap
    if prepare_gaps(w, T, 0):
        return -1
    eventsim_factors(w.n + 1, w.dt, l.rates, w.f)
    begin(l, u, e, i)
    for j in range(l.padded):
        never[j], top[j] = -INFINITY, l.u[j] if j < l.n and when[j] != INFINITY else INFINITY
    for j in range(l.n):
        if when[j] != INFINITY:
            when[j] = -1.0                  # at the start, before all arrivals
        kink[j], rise[j] = -1, 0.0
    gap.t1 = 0.0
    for g in range(w.n + 1):
        gap.interval, gap.t0, gap.t1 = g, gap.t1, w.arrivals[g].time if g < w.n else T
        gap.w = cables[w.arrivals[g - 1].cable].w + w.arrivals[g - 1].synapse if g > 0 else NULL
        listed = eventsim_gaps(1, l.n, l.padded, &gap, l.rates, w.f, l.k, l.d, top, never, u, e, i, s)
        for x in range(listed):
            j = s.neuron[x]
            before, after = s.e[x] + s.i[x] + s.d[x] - l.rates.a * s.u[x], s.E[x] + s.I[x] + s.d[x] - l.rates.a * s.U[x]
            t = turning_point(l.rates, s.u[x], s.e[x], s.i[x], s.d[x], s.dt[x], s.E[x], s.I[x], before, after)
            if t > 0.0:
                before = s.u[x] * exp(-l.rates.a * t) + s.e[x] * kappa(l.rates.a, l.rates.b_e, t) + (
                    s.i[x] * kappa(l.rates.a, l.rates.b_i, t) + s.d[x] * kappa(l.rates.a, 0.0, t))
                if before > top[j]:
                    top[j], when[j], kink[j] = before, gap.t0 + t, -1
            if s.U[x] > top[j]:
                top[j], when[j], kink[j], rise[j] = s.U[x], gap.t1, -1, after
                if g < w.n:                             # just before the arrival
                    when[j], kink[j] = gap.t1 * (1.0 - 2.0 ** -53), g
    for j in range(l.n):
        best[j] = l.E_L[j] + (l.c[j] if when[j] == INFINITY else top[j])
    return 0

cdef double turning_point(Rates q, double u, double e, double i, double d, double T, double e_T, double i_T, double before,
                          double after) noexcept nogil:
    """Where u' changes from + to - within (0, T), -1 if nowhere; before, after: u' at both ends. exp(a t) u' is monotone where
    J' = -b_e e(t) - b_i i(t) keeps its sign, and J' has one zero at most: so there is one such point at most."""
    cdef double lo = 0.0, hi = T, t, v, dv, J, middle
    cdef double E0 = q.b_e * e, I0 = -q.b_i * i, E1 = q.b_e * e_T, I1 = -q.b_i * i_T
    if (E0 > I0) != (E1 > I1) and E0 > 0.0 and I0 > 0.0 and q.b_e != q.b_i:
        middle = min(max(log(E0 / I0) / (q.b_e - q.b_i), 0.0), T)
        v = slope_at(q, u, e, i, d, middle, &dv)
        if before > 0.0 and v <= 0.0:
            hi = middle
        elif v > 0.0 and after <= 0.0:
            lo = middle
        else:
            return -1.0
    elif not (before > 0.0 and after <= 0.0):
        return -1.0
    t = 0.5 * (lo + hi)
    for _ in range(200):
        v = slope_at(q, u, e, i, d, t, &dv)
        if v > 0.0:
            lo = t
        else:
            hi = t
        middle = t - v / dv if dv < 0.0 else -1.0
        if not lo < middle < hi:
            middle = 0.5 * (lo + hi)
        if fabs(middle - t) <= 2.0 ** -50 * t or middle <= lo or middle >= hi:
            return middle
        t = middle
    return t

cdef double slope_at(Rates q, double u, double e, double i, double d, double t, double *curvature) noexcept nogil:
    cdef double E = e * exp(-q.b_e * t), I = i * exp(-q.b_i * t), v
    v = E + I + d - q.a * (u * exp(-q.a * t) + e * kappa(q.a, q.b_e, t) + i * kappa(q.a, q.b_i, t) + d * kappa(q.a, 0.0, t))
    curvature[0] = -q.b_e * E - q.b_i * I - q.a * v
    return v
