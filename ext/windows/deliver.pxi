# Arrivals of a window reach their targets: they are added up, or hung on those that take them one by one.

cdef void receive(Worker w, Bag *mail, int32_t rank) noexcept nogil:
    """Hang arrivals on their targets, or sum them."""
    cdef Incoming *arrival = <Incoming *> mail.data
    cdef Py_ssize_t i, k
    cdef bint cut = before(w.plan.limit, w.start_of(w.plan.window + 1))
    for k in range(mail.n):
        prefetch(&arrival[k + 3 * CHUNK])
        if k + 2 * CHUNK < mail.n:
            fetch_seat(w, &arrival[k + 2 * CHUNK])
        if not has_rank(w.plan, <Rows> w.engine.projection[arrival[k].projection], rank):
            continue
        if cut and not before(at_time(w.plan.start.epoch, arrival[k].offset), w.plan.limit):
            w.hold(&arrival[k])
            arrival[k].w = 0.0
            continue
        w.synaptic_events += 1
        if arrival[k].w == 0.0 and not (<Rows> w.engine.projection[arrival[k].projection]).post.replaying:
            continue                # as in `Population.receive_row`
        if not w.plan.summing or not add_one(w, &arrival[k], <Rows> w.engine.projection[arrival[k].projection]):
            w.hang(&arrival[k])
    for i in range(w.engine.traced.shape[0]):
        if w.arrivals[i].n:
            add_arrivals(w, <Population> w.engine.population[i], <Sums> w.plan.sums[i], &w.arrivals[i])

cdef inline bint add_one(Worker w, Incoming *arrival, Rows rows) noexcept nogil:
    """Sum an arrival, if those of its projection are summed: many at a time."""
    cdef int32_t p = rows.post.index
    cdef Arrivals *all = &w.arrivals[p]
    if not rows.summed:
        if w.plan.sums[p] != NULL:
            take_exactly(w, <Sums> w.plan.sums[p], arrival.target)
        return False
    if (<Sums> w.plan.sums[p]).lonely and is_alone(<Sums> w.plan.sums[p], arrival.target):
        add_alone(w, <Sums> w.plan.sums[p], rows.post, arrival)
        return True
    all.x[all.n] = max(w.end_offset - arrival.offset, 0.0)
    all.weight[all.n], all.target[all.n] = arrival.w, arrival.target
    all.n += 1
    if all.n == CHUNK:
        add_arrivals(w, rows.post, <Sums> w.plan.sums[p], all)
    return True

cdef void effects_of(Worker w, Population p, Sums s, Arrivals *all, Effects *e) noexcept nogil:
    """What arrivals do to their targets, per weight."""
    cdef Py_ssize_t i
    for i in range(all.n if s.resting != NULL else 0):
        if s.resting[all.target[i] >> 6] >> (all.target[i] & 63) & 1:
            all.x[i] = counted(all.x[i], p.row(all.target[i]), w.plan.limit)
    p.kernel().effects(all.n, all.x, all.target, p.coefs, s.rates_stride, s.quanta, s.same, e)

cdef void add_arrivals(Worker w, Population p, Sums s, Arrivals *all) noexcept nogil:
    cdef Effects e
    cdef Resting nobody
    nobody.bits = NULL
    effects_of(w, p, s, all, &e)
    if not s.dense and reserve(&s.pools[w.index], CHUNK + 1):
        w.fail(NO_MEMORY, -1, w.plan.start)
        return
    add_effects(all.n, all.target, NULL, all.weight, 1, &e, True, 0, <int32_t> p.n, s.place, &s.pools[w.index], s.touched,
                &nobody)
    all.n = 0

cdef inline void fetch_seat(Worker w, const Incoming *arrival) noexcept nogil:
    cdef int32_t p = (<Rows> w.engine.projection[arrival.projection]).post.index
    if w.plan.sums[p] != NULL:
        fetch_place(<Sums> w.plan.sums[p], arrival.target)
    else:
        prefetch(w.seat(arrival))

cdef void visit_all(Worker w, Bag *spikes, int32_t rank) noexcept nogil:
    """Sum what the spikes in a list bring to own neurons."""
    cdef Flight *f = <Flight *> spikes.data
    cdef Py_ssize_t k
    for k in range(spikes.n):
        if k + 4 * AHEAD < spikes.n:
            fetch_row(w, <Rows> w.engine.projection[f[k + 4 * AHEAD].projection], f[k + 4 * AHEAD].cursor)
        if k + AHEAD // 2 < spikes.n:
            fetch_sums_of(w, <Rows> w.engine.projection[f[k + AHEAD // 2].projection], &f[k + AHEAD // 2])
        if has_rank(w.plan, <Rows> w.engine.projection[f[k].projection], rank):
            visit(w, <Rows> w.engine.projection[f[k].projection], &f[k])

cdef inline void fetch_sums(Worker w, Rows rows, Sums s, const Flight *f) noexcept nogil:
    cdef const Sum *own = s.pools[w.index].sums + 1 - s.pools[w.index].first
    cdef int64_t k
    for k in range(f.cursor, min(f.stop, f.cursor + TOGETHER)):
        if s.dense:
            prefetch(&own[rows.target[k]])
        else:
            prefetch(&s.place[rows.target[k]])

cdef inline void fetch_sums_of(Worker w, Rows rows, const Flight *f) noexcept nogil:
    fetch_sums(w, rows, <Sums> w.plan.sums[rows.post.index], f)

cdef inline void visit(Worker w, Rows rows, const Flight *f) noexcept nogil:
    add_row(w, rows, rows.post, <Sums> w.plan.sums[rows.post.index], f)

cdef inline void fetch_row(Worker w, Rows rows, int64_t k) noexcept nogil:
    prefetch(rows.targets() + k)
    prefetch(rows.targets() + k + TOGETHER - 1)
    prefetch_value(rows.delays, k)
    prefetch_value(rows.weights, k)
    prefetch_value(rows.weights, k + TOGETHER - 1)

cdef void add_row(Worker w, Rows rows, Population p, Sums s, const Flight *f) noexcept nogil:
    """Sum what a spike brings to own neurons within the window; where the rest is due it will be visited again."""
    cdef int32_t lo = <int32_t> min(s.share * w.index, p.n), hi = <int32_t> min(s.share * (w.index + 1), p.n)
    cdef double left = elapsed(f.departure, w.plan.limit)
    cdef double x[CHUNK]
    cdef int64_t k = f.cursor, n
    cdef const float *f32
    cdef const double *f64
    cdef Effects e
    cdef Resting resting
    cdef Flight rest
    cdef bint each
    resting.bits = s.resting
    while k < f.stop:
        n = 0
        if rows.delays.stride == 0 and s.rates_stride == 0:
            x[0] = remaining_at_once(w, f, value(rows.delays, k))
            n = 0 if x[0] < 0.0 else min(f.stop - k, CHUNK) if s.resting != NULL else f.stop - k
            each = False
        else:
            while n < CHUNK and k + n < f.stop:
                x[n] = remaining(w, f, left, value(rows.delays, k + n))
                if x[n] < 0.0:
                    break
                n += 1
            each = s.rates_stride != 0 or (n > 0 and x[0] != x[n - 1])
        if n == 0:
            break
        f32 = rows.weights.f32 + k * rows.weights.stride if rows.weights.f32 != NULL else NULL
        f64 = rows.weights.f64 + k * rows.weights.stride if rows.weights.f64 != NULL else NULL
        p.kernel().effects(n if each else 1, x, &rows.target[k], p.coefs, s.rates_stride, s.quanta, s.same, &e)
        if not s.dense and reserve(&s.pools[w.index], n + 1):
            w.fail(NO_MEMORY, -1, w.plan.start)
            return
        w.synaptic_events += add_effects(n, &rows.target[k], f32, f64, rows.weights.stride, &e, each, lo, hi, s.place,
                                         &s.pools[w.index], s.touched, &resting)
        if resting.n:
            add_left_out(w, &resting, rows, p, s, k, x, each)
        k += n
    rest = f[0]
    if k > f.cursor:
        rest.stop = k
        w.file(&w.visits, &rest)
        rest.stop = f.stop
    if k < f.stop:
        rest.cursor, rest.arrival = k, later(f.departure, value(rows.delays, k))
        n = w.window_of(rest.arrival)
        w.file(&w.held_spikes if n == w.plan.window else &w.slot(n).spikes[w.index], &rest)

cdef void add_left_out(Worker w, const Resting *resting, Rows rows, Population p, Sums s, int64_t k, const double *x,
                       bint each) noexcept nogil:
    """Of synapses from k on, sum those left out: their arrivals count from the release of their targets."""
    cdef Arrivals *late = &w.arrivals[p.index]
    cdef int64_t i
    late.n = resting.n
    for i in range(resting.n):
        late.x[i] = x[resting.at[i] if each else 0]
        late.target[i] = rows.target[k + resting.at[i]]
        late.weight[i] = value(rows.weights, k + resting.at[i])
    add_arrivals(w, p, s, late)

cdef inline double remaining(Worker w, const Flight *f, double left, double delay) noexcept nogil:
    """How long before the end of the window a spike arrives; -1: not before the end."""
    cdef double x = left - delay
    if x > 2.0 ** -30:
        return x
    return max(x, 0.0) if before(later(f.departure, delay), w.plan.limit) else -1.0

cdef inline double remaining_at_once(Worker w, const Flight *f, double delay) noexcept nogil:
    """The same, with the roundings of `drive`: spikes of its sources may come this way, too."""
    cdef Time until = earlier_by(w.plan.limit, delay)
    cdef double x = until.offset - ((f.departure.epoch - until.epoch) + f.departure.offset)
    if x > 2.0 ** -30:
        return x
    return max(x, 0.0) if before(later(f.departure, delay), w.plan.limit) else -1.0
