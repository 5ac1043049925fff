# Arrivals of a window reach their targets: they are added up, or hung on those that take them one by one.

cdef void receive(Worker w, Bag *mail, int32_t rank) noexcept nogil:
    """Hang arrivals on their targets, or sum them."""
    cdef Incoming *arrival = <Incoming *> mail.data
    cdef const Route *route
    cdef Py_ssize_t k
    for k in range(mail.n):
        prefetch(&arrival[k + 3 * CHUNK])
        if k + 2 * CHUNK < mail.n:
            fetch_target(w, &arrival[k + 2 * CHUNK])
        route = &w.plan.routes[arrival[k].projection]
        if route.rank != rank:
            continue
        if is_after_cut(w, &arrival[k]):
            w.hold(&arrival[k])
            arrival[k].w = 0.0
            continue
        w.synaptic_events += 1
        if arrival[k].w == 0.0 and not route.replaying:
            continue                # as in `Population.receive_row`
        if not route.summed:
            hang_one(w, route, &arrival[k])
        elif route.marks != NULL and is_alone(route.marks, arrival[k].target):
            add_alone(w, <Sums> route.sums, <Population> w.engine.population[route.population], &arrival[k])
        else:
            add_one(w, <Sums> route.sums, <Population> w.engine.population[route.population], &arrival[k])

cdef inline void hang_one(Worker w, const Route *route, const Incoming *arrival) noexcept nogil:
    if route.sums != NULL:
        take_exactly(w, <Sums> route.sums, arrival.target)
    w.hang(arrival)

cdef inline void add_one(Worker w, Sums s, Population p, const Incoming *arrival) noexcept nogil:
    add_later(w, s, p, max(w.end_offset - arrival.offset, 0.0) + w.left[p.index], arrival.w, arrival.target)

cdef inline void add_later(Worker w, Sums s, Population p, double x, double weight, int32_t target) noexcept nogil:
    """Sum an arrival: many at a time."""
    cdef Arrivals *all = &w.arrivals[p.index]
    all.x[all.n], all.weight[all.n], all.target[all.n] = x, weight, target
    all.n += 1
    if s.resting != NULL:           # see `counted`
        prefetch(p.row(target))
    if all.n == CHUNK:
        add_arrivals(w, p, s, all)

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
    if all.n == 0:
        return
    nobody.bits = NULL
    effects_of(w, p, s, all, &e)
    if s.pools[w.index].kind == SHARED_PLACES and reserve(&s.pools[w.index], CHUNK + 1):
        w.fail(NO_MEMORY, -1, w.plan.start)
        return
    if s.frame > 0.0:
        s.frames[w.index].waited_for = True
    add_effects(all.n, all.target, NULL, all.weight, 1, &e, -1, 0, INT32_MAX, s.place, &s.pools[w.index], s.reached, &nobody)
    all.n = 0

cdef inline void fetch_target(Worker w, const Incoming *arrival) noexcept nogil:
    cdef const Route *route = &w.plan.routes[arrival.projection]
    if route.sums == NULL:
        prefetch(w.seat(arrival))
    elif route.marks == NULL or not is_alone(route.marks, arrival.target):
        prefetch(&(<Sums> route.sums).place[arrival.target])

cdef void visit_all(Worker w, Bag *spikes, int32_t rank) noexcept nogil:
    """Sum what the spikes in a list bring to own neurons."""
    cdef Flight *f = <Flight *> spikes.data
    cdef Py_ssize_t k
    for k in range(spikes.n):
        if k + 2 * AHEAD < spikes.n:
            prefetch_value((<Rows> w.engine.projection[f[k + 2 * AHEAD].projection]).delays, f[k + 2 * AHEAD].cursor)
        if has_rank(w.plan, <Rows> w.engine.projection[f[k].projection], rank):
            visit(w, <Rows> w.engine.projection[f[k].projection], &f[k])

cdef inline void visit(Worker w, Rows rows, Flight *f) noexcept nogil:
    """Sum what a spike brings to own neurons within the window, which is all that is left here; where the rest is due it will be
    visited again."""
    cdef Flight rest = f[0]
    cdef int64_t window
    if (<Sums> w.plan.sums[rows.post.index]).rates_stride or rows.delays.stride and rows.delays.table == NULL:
        f.stop = add_row(w, rows, rows.post, <Sums> w.plan.sums[rows.post.index], f)
    else:
        f.stop = cut_row(w, rows, rows.post, <Sums> w.plan.sums[rows.post.index], f)
    if f.stop < rest.stop:
        rest.cursor, rest.arrival = f.stop, later(f.departure, value(rows.delays, f.stop))
        window = w.window_to_visit(rows, &rest)
        w.file(&w.held_spikes if window == w.plan.window else &w.slot(window).spikes[w.index], &rest)

# Where many synapses of a row have one delay, and all neurons the same coefficients, effects are those of the segment. They are
# added up when all are known, population by population, so that its sums stay in the cache.

cdef inline int64_t cut_row(Worker w, Rows rows, Population p, Sums s, const Flight *f) noexcept nogil:
    """Cut what is due of a row into segments, and file them to be added up; returns where the rest begins."""
    cdef double left = elapsed(f.departure, w.plan.limit), x
    cdef int64_t k = f.cursor, n
    cdef Segment *segment
    while k < f.stop:
        if rows.delays.stride == 0:
            n, x = f.stop - k, remaining_at_once(w, f, value(rows.delays, k))
        else:
            n, x = run(rows.delays.u8, rows.delays.u16, k, f.stop), remaining(w, f, left, value(rows.delays, k))
        if x < 0.0:
            break
        if s.resting != NULL:
            n = min(n, CHUNK)
        segment = <Segment *> w.add(&w.segments[2 * p.index + rows.inhibits], sizeof(Segment))
        if segment != NULL:
            segment.x, segment.k, segment.n, segment.projection = x, k, <int32_t> n, f.projection
        k += n
    return k

cdef void add_segments(Worker w, Population p, Sums s, Bag *segments) noexcept nogil:
    """Add up what has been filed for a population; rows are fetched two lots ahead, and the sums one."""
    cdef Segment *segment = <Segment *> segments.data
    cdef Py_ssize_t n = segments.n, start, i
    cdef double x[SEGMENTS]
    cdef Effects e
    for start from -2 * SEGMENTS <= start < n by SEGMENTS:
        for i in range(start + 2 * SEGMENTS, min(start + 3 * SEGMENTS, n)):
            fetch_segment(<Rows> w.engine.projection[segment[i].projection], &segment[i])
        for i in range(max(start + SEGMENTS, 0), min(start + 2 * SEGMENTS, n)):
            fetch_sums(w, <Rows> w.engine.projection[segment[i].projection], s, &segment[i])
        if start < 0:
            continue
        for i in range(min(SEGMENTS, n - start)):
            x[i] = segment[start + i].x + w.left[p.index]
        p.kernel().effects(min(SEGMENTS, n - start), x, NULL, p.coefs, 0, s.quanta, s.same, &e)
        for i in range(min(SEGMENTS, n - start)):
            if (<Rows> w.engine.projection[segment[start + i].projection]).by_series:       # with the bits of `drive`
                eventsim_series(x[i], &s.series, &e, i)
            add_segment(w, <Rows> w.engine.projection[segment[start + i].projection], p, s, segment[start + i].k,
                        segment[start + i].n, &e, <int> i, &x[i])
    segments.n = 0

cdef inline void fetch_segment(Rows rows, const Segment *segment) noexcept nogil:
    cdef int64_t i
    for i from segment.k <= i < min(segment.k + segment.n, segment.k + 4 * TOGETHER) by TOGETHER:
        prefetch(rows.targets() + i)
        prefetch_value(rows.weights, i)
    prefetch(rows.targets() + segment.k + segment.n - 1)
    prefetch_value(rows.weights, segment.k + segment.n - 1)

cdef inline void fetch_sums(Worker w, Rows rows, Sums s, const Segment *segment) noexcept nogil:
    cdef const Pool *pool = &s.pools[w.index]
    cdef const Sum *own = own_sums(pool) + (pool.apart if rows.inhibits else 0)
    cdef int64_t i
    for i in range(segment.k, segment.k + min(segment.n, TOGETHER)):
        if pool.kind == SHARED_PLACES:
            prefetch(&s.place[rows.target[i]])
        else:
            prefetch(&own[rows.target[i] * (1 if pool.kind == OWN_PLACES else 2)])

cdef inline void add_segment(Worker w, Rows rows, Population p, Sums s, int64_t k, int64_t n, const Effects *e, int one,
                             const double *x) noexcept nogil:
    """Sum synapses from k on, all with effect `one` (-1: each with its own)."""
    cdef int32_t lo = <int32_t> s.begin[w.index], hi = <int32_t> s.begin[w.index + 1]
    if hi - lo == p.n or rows.at_once:          # all of them are own ones
        hi = INT32_MAX
    cdef Resting resting
    cdef const float *f32 = rows.weights.f32 + k * rows.weights.stride if rows.weights.f32 != NULL else NULL
    cdef const double *f64 = rows.weights.f64 + k * rows.weights.stride if rows.weights.f64 != NULL else NULL
    resting.bits = s.resting
    if s.pools[w.index].kind == SHARED_PLACES and reserve(&s.pools[w.index], n + 1):
        w.fail(NO_MEMORY, -1, w.plan.start)
        return
    if s.frame > 0.0:
        s.frames[w.index].waited_for = True
    w.synaptic_events += add_effects(n, rows.targets() + k, f32, f64, rows.weights.stride, e, one, lo, hi, s.place,
                                     &s.pools[w.index], s.reached, &resting)
    if resting.n:
        add_left_out(w, &resting, rows, p, s, k, x, one < 0)

cdef int64_t add_row(Worker w, Rows rows, Population p, Sums s, const Flight *f) noexcept nogil:
    """Sum what is due of a row where each synapse has effects of its own; returns where the rest begins."""
    cdef double left = elapsed(f.departure, w.plan.limit)
    cdef double x[CHUNK]
    cdef int64_t k = f.cursor, n
    cdef Effects e
    while k < f.stop:
        n = 0
        while n < CHUNK and k + n < f.stop:
            x[n] = remaining(w, f, left, value(rows.delays, k + n))
            if x[n] < 0.0:
                break
            x[n] += w.left[p.index]
            n += 1
        if n == 0:
            break
        p.kernel().effects(n, x, &rows.target[k], p.coefs, s.rates_stride, s.quanta, s.same, &e)
        add_segment(w, rows, p, s, k, n, &e, -1, x)
        k += n
    return k

cdef void add_left_out(Worker w, const Resting *resting, Rows rows, Population p, Sums s, int64_t k, const double *x,
                       bint each) noexcept nogil:
    """Of synapses from k on, sum those left out: their arrivals count from the release of their targets."""
    cdef int64_t i
    for i in range(resting.n):
        add_later(w, s, p, x[resting.at[i] if each else 0], value(rows.weights, k + resting.at[i]), rows.target[k + resting.at[i]])

cdef inline double remaining(Worker w, const Flight *f, double left, double delay) noexcept nogil:
    """How long before the end of the window a spike arrives; -1: not before the end."""
    cdef double x = left - delay
    if x > 2.0 ** -30:
        return x
    return max(x, 0.0) if before(later(f.departure, delay), w.plan.limit) else -1.0

cdef inline double remaining_at_once(Worker w, const Flight *f, double delay) noexcept nogil:
    """The same, with the roundings of `drive`: spikes of its sources may come this way, too."""
    cdef Time until = earlier_by(w.plan.limit, delay)
    if not before(f.departure, until):
        return -1.0
    return max(until.offset - ((f.departure.epoch - until.epoch) + f.departure.offset), 0.0)
