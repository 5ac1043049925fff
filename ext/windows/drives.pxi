# Many Poisson sources have one synapse each: the background of one neuron. Their spikes need not be filed: those that
# arrive in a window are those of the same time, less the delay. The sources lag behind by it; `Engine.catch_up` makes up.
#
# To draw them is to ask each source whether it spikes. Where windows are short it is asked once in a millisecond, and its spikes
# are dealt out to windows. A run may be interrupted before these are over: then they are drawn once more, from the state of the
# sources at the beginning, which has been kept.

cdef double OFTEN = 8.0         # windows in a millisecond for which sources are asked in each

cdef void drive(Worker w, Background *d) noexcept nogil:
    """Sum what sources bring to own neurons within the window."""
    cdef Time until = earlier_by(w.plan.limit, d.delay)
    if d.ahead == NULL:
        d.now, d.epoch = &d.drawn, until.epoch
        draw_until(w, d, until, False)
    else:
        if not before(w.plan.start, d.until):
            draw_ahead(w, d)
        d.now = &d.ahead[<int64_t> (w.plan.window - <int64_t> ((d.ms - w.plan.epoch) * w.plan.per_ms))]
    w.synaptic_events += d.now.n
    add_drive(w, d, <Rows> d.rows, (<Rows> d.rows).post, <Sums> w.plan.sums[(<Rows> d.rows).post.index],
              until.epoch - d.epoch + until.offset)

cdef void draw_ahead(Worker w, Background *d) noexcept nogil:
    """Draw what arrives in the rest of the present millisecond, or of the run."""
    cdef double per_ms = w.plan.per_ms
    cdef Time until
    cdef int64_t k
    eventsim_poisson_save(&d.sources, d.states, d.width, HEAD)
    d.ms = w.plan.start.epoch
    d.until = at_time(d.ms + 1.0, 0.0)
    if before(w.plan.end, d.until):             # windows after that are not computed
        d.until = at_time(d.ms, max(floor(w.plan.end.offset * per_ms) / per_ms, w.end_offset))
    until = earlier_by(d.until, d.delay)
    d.epoch = until.epoch
    for k in range(<int64_t> w.plan.per_ms):
        d.ahead[k].n = 0
    draw_until(w, d, until, True)

cdef void draw_until(Worker w, Background *d, Time until, bint deal) noexcept nogil:
    cdef Events *drawn = &d.drawn
    drawn.n = 0
    while True:
        if drawn.room < drawn.n + POISSON_ROOM and grow(&drawn[0], drawn.n + POISSON_ROOM):
            w.fail(NO_MEMORY, -1, w.plan.start)
            return
        drawn.n += eventsim_poisson_fill(&d.sources, until.epoch, until.offset, drawn.time + drawn.n, drawn.source + drawn.n,
                                         drawn.room - drawn.n)
        if deal and deal_out(w, d):
            w.fail(NO_MEMORY, -1, w.plan.start)
            return
        if not d.sources.more:
            break

cdef int deal_out(Worker w, Background *d) noexcept nogil:
    """Sort events that have been drawn into the windows of the millisecond; -1: no memory."""
    cdef double per_ms = w.plan.per_ms, begin, t
    cdef Time until
    cdef int64_t i, k, last = <int64_t> per_ms - 1, first = w.plan.window - <int64_t> ((d.ms - w.plan.epoch) * per_ms)
    cdef Events *e
    until = earlier_by(at_time(d.ms, 0.0), d.delay)
    begin = until.epoch - d.epoch + until.offset
    for i in range(d.drawn.n):
        t = d.drawn.time[i]
        k = min(max(<int64_t> ((t - begin) * per_ms), first), last)
        e = &d.ahead[k]
        if e.n == e.room and grow(e, e.n + CHUNK):
            return -1
        e.time[e.n], e.source[e.n] = t, d.drawn.source[i]
        e.n += 1
    d.drawn.n = 0
    return 0

cdef int grow(Events *e, int64_t room) noexcept nogil:
    cdef double *time = <double *> realloc(e.time, 2 * room * sizeof(double))
    cdef int32_t *source
    if time == NULL:
        return -1
    e.time = time
    source = <int32_t *> realloc(e.source, 2 * room * sizeof(int32_t))
    if source == NULL:
        return -1
    e.source, e.room = source, 2 * room
    return 0

cdef void add_drive(Worker w, const Background *d, Rows rows, Population p, Sums s, double until) noexcept nogil:
    cdef Arrivals *all = &w.arrivals[p.index]
    cdef const Events *e = d.now
    cdef int64_t start, i, k
    for start from 0 <= start < e.n by CHUNK:
        all.n = min(e.n - start, CHUNK)
        for i in range(all.n):
            k = d.synapse + e.source[start + i]
            all.x[i] = max(until - e.time[start + i], 0.0)
            all.target[i], all.weight[i] = rows.target[k], value(rows.weights, k)
        add_arrivals(w, p, s, all)

cdef void recollect_drive(Worker w, const Background *d, Rows rows) noexcept nogil:
    """What sources bring to neurons whose arrivals are taken one by one."""
    cdef const uint64_t *exact = (<Sums> w.plan.sums[rows.post.index]).exact
    cdef int32_t target[CHUNK]
    cdef int32_t at[CHUNK]
    cdef int64_t start, i, n
    for start from 0 <= start < d.now.n by CHUNK:
        n = min(d.now.n - start, CHUNK)
        for i in range(n):
            target[i] = rows.target[d.synapse + d.now.source[start + i]]
        for i in range(find(n, target, exact, at)):
            recollect_from(w, d, rows, start + at[i])

cdef void recollect_from(Worker w, const Background *d, Rows rows, int64_t k) noexcept nogil:
    cdef int64_t synapse = d.synapse + d.now.source[k]
    cdef Time until = earlier_by(w.plan.limit, d.delay)
    cdef double behind = w.end_offset - (until.epoch - d.epoch + until.offset)
    cdef Incoming *arrival = NULL
    if value(rows.weights, synapse) != 0.0:
        arrival = <Incoming *> w.add(&w.separate, sizeof(Incoming))
    if arrival != NULL:
        arrival.offset = min(max(d.now.time[k] + behind, w.plan.start.offset), min(w.end_offset, 1.0 - 2.0 ** -53))
        arrival.w = value(rows.weights, synapse)
        arrival.source, arrival.projection = <uint32_t> (d.first + d.now.source[k]), d.projection
        arrival.target, arrival.cursor = rows.target[synapse], 0

cdef void end_drives(Worker w) noexcept nogil:
    cdef Background *d = <Background *> w.drives.data
    cdef Py_ssize_t k, i
    for k in range(w.drives.n):
        free(d[k].sources.trains)
        free(d[k].drawn.time)
        free(d[k].drawn.source)
        for i in range(<int64_t> w.plan.per_ms if d[k].ahead != NULL else 0):
            free(d[k].ahead[i].time)
            free(d[k].ahead[i].source)
        free(d[k].ahead)
    w.drives.n = 0

def start_drives(Windows windows):
    """Find the Poisson sources that have one synapse each, and hand them to the workers of their targets.

    Each population goes on where it lags, or begins to: `lagging` has (delay, numbers of events counted, rows if recorded)."""
    cdef Population p
    cdef Worker w
    cdef Engine engine = windows.engine
    drives = {}
    for p in engine.populations:
        outgoing = engine.outgoing[p.index]
        if not isinstance(p, PoissonPopulation) or not p.n or not len(outgoing):
            continue
        rows = [engine.projections[k] for k in outgoing]
        ranges = sorted((r.one_each()[::-1], k) for k, r in zip(outgoing, rows, strict=True))
        ends = [0] + [first + n for (first, n), _ in ranges]
        if (ends[len(ranges)] != p.n or any(first != end or n == 0 for ((first, n), _), end in zip(ranges, ends))
                or len({r.shortest for r in rows}) > 1 or not all((<Rows> r).summed for r in rows)):
            continue
        drives[p.index] = rows[0].shortest, ranges
    if not set(engine.lagging) <= set(drives):
        engine.catch_up()
    windows.lagging = {}
    for index, (delay, ranges) in drives.items():
        p = engine.populations[index]
        recorded = p.state.copy() if np.any(engine.watch[p.first:p.first + p.n]) else None
        windows.lagging[index] = delay, engine.lagging.get(index, p.state[:, HEAD].astype(np.int64)), recorded
        for (first, n), k in ranges:
            for w in windows.workers:
                start_drive(windows, w, p, engine.projections[k], k, first)
    engine.lagging = {}

cdef start_drive(Windows windows, Worker w, PoissonPopulation p, Rows rows, int32_t projection, int64_t first):
    cdef Sums s = <Sums> windows.plan.sums[rows.post.index]
    begin, end = np.searchsorted(rows.indices, [s.share * w.index, s.share * (w.index + 1)])
    if begin == end:
        return
    cdef Background *d = <Background *> w.add(&w.drives, sizeof(Background))
    if d == NULL:
        raise MemoryError("Windows: no memory for the Poisson sources")
    memset(d, 0, sizeof(Background))
    rows.visited, s.lonely = True, False
    d.sources = p.sources(first + begin, end - begin)
    d.rows, d.projection, d.first, d.synapse, d.delay = <void *> rows, projection, p.first + first + begin, begin, rows.shortest
    d.states, d.width = <double *> p.row(first + begin), p.width
    if eventsim_poisson_open(&d.sources, d.states, d.width, HEAD):
        raise MemoryError("Windows: no memory for the Poisson sources")
    if w.plan.per_ms > OFTEN and not any((<Population> q).step_times.shape[0] for q in windows.engine.populations):
        d.ahead = <Events *> calloc(<size_t> w.plan.per_ms, sizeof(Events))
        d.until = windows.engine.now
        if d.ahead == NULL:
            raise MemoryError("Windows: no memory for the spikes of Poisson sources")

def stop_drives(Windows windows):
    """Leave Poisson sources to lag, their spikes until now counted. Those to be recorded are drawn again, for the sake of the
    last bit, and do not lag."""
    cdef Worker w
    cdef Background *d
    cdef PoissonPopulation p
    cdef Engine engine = windows.engine
    cdef Time until
    cdef Py_ssize_t k
    cdef int code
    for w in windows.workers:
        for k in range(w.drives.n):
            d = <Background *> w.drives.data + k
            p = engine.populations[(<Rows> d.rows).pre]
            if d.ahead != NULL and before(engine.now, d.until):
                go_back(d, earlier_by(engine.now, d.delay))
            eventsim_poisson_close(&d.sources, d.states, d.width, HEAD)
        end_drives(w)
    lagging = {}
    for index, (delay, counted, recorded) in windows.lagging.items():
        p = engine.populations[index]
        if recorded is None:
            lagging[index] = numbers_until(p, engine.now)
            more = lagging[index] - counted
            engine.counts[p.first:p.first + p.n] += more
            engine.n_spikes += int(more.sum())
        else:
            p.state[:] = recorded
            until = earlier_by(engine.now, delay)
            with nogil:
                code = engine.draw(p, until)
            if code:
                raise MemoryError("Windows: no memory for the spikes of Poisson sources")
    engine.lagging = lagging
    if windows.lagging and engine.spikes.n > windows.opened + 1:
        qsort(engine.spikes.data + 3 * windows.opened, engine.spikes.n - windows.opened, 3 * sizeof(double), by_time)
    windows.lagging = {}

cdef go_back(Background *d, Time now):
    """Bring sources that have been asked ahead back to a time."""
    free(d.sources.trains)
    if eventsim_poisson_open(&d.sources, d.states, d.width, HEAD):
        raise MemoryError("Windows: no memory for the Poisson sources")
    go_on(&d.sources, now)

cdef numbers_until(PoissonPopulation p, Time now):
    """How many events each source will have had by a time, int64 (n,)."""
    rows = p.state.copy()
    cdef double[:, ::1] row = rows
    cdef PoissonSources sources = p.sources(0, p.n)
    if eventsim_poisson_open(&sources, &row[0, 0], p.width, HEAD):
        raise MemoryError("Windows: no memory for the Poisson sources")
    go_on(&sources, now)
    eventsim_poisson_close(&sources, &row[0, 0], p.width, HEAD)
    return rows[:, HEAD].astype(np.int64)

cdef go_on(PoissonSources *sources, Time now):
    """Bring sources to a time, whatever they do until then."""
    cdef double[::1] time = np.empty(POISSON_ROOM)
    cdef int32_t[::1] source = np.empty(POISSON_ROOM, np.int32)
    with nogil:
        while True:
            eventsim_poisson_fill(sources, now.epoch, now.offset, &time[0], &source[0], POISSON_ROOM)
            if not sources.more:
                break
