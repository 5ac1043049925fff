# Many Poisson sources have one synapse each: the background of one neuron. Their spikes need not be filed: those that
# arrive in a window are those of the same time, less the delay. The sources lag behind by it; `Engine.catch_up` makes up.

cdef void drive(Worker w, Background *d) noexcept nogil:
    """Sum what sources bring to own neurons within the window."""
    cdef Time until = earlier_by(w.plan.limit, d.delay)
    d.n = 0
    while True:
        if d.room < d.n + POISSON_ROOM and grow(w, d):
            w.fail(NO_MEMORY, -1, w.plan.start)
            return
        d.n += eventsim_poisson_fill(&d.sources, until.epoch, until.offset, d.time + d.n, d.source + d.n, d.room - d.n)
        if not d.sources.more:
            break
    w.synaptic_events += d.n
    add_drive(w, d, <Rows> d.rows, (<Rows> d.rows).post, <Sums> w.plan.sums[(<Rows> d.rows).post.index], until)

cdef int grow(Worker w, Background *d) noexcept nogil:
    cdef int64_t room = 2 * (d.room + POISSON_ROOM)
    cdef double *time = <double *> realloc(d.time, room * sizeof(double))
    cdef int32_t *source
    if time == NULL:
        return -1
    d.time = time
    source = <int32_t *> realloc(d.source, room * sizeof(int32_t))
    if source == NULL:
        return -1
    d.source, d.room = source, room
    return 0

cdef void add_drive(Worker w, const Background *d, Rows rows, Population p, Sums s, Time until) noexcept nogil:
    cdef Arrivals *all = &w.arrivals[p.index]
    cdef int64_t start, i, k
    for start from 0 <= start < d.n by CHUNK:
        all.n = min(d.n - start, CHUNK)
        for i in range(all.n):
            k = d.synapse + d.source[start + i]
            all.x[i] = max(until.offset - d.time[start + i], 0.0)
            all.target[i], all.weight[i] = rows.target[k], value(rows.weights, k)
        add_arrivals(w, p, s, all)

cdef void recollect_drive(Worker w, const Background *d, Rows rows) noexcept nogil:
    """What sources bring to neurons whose arrivals are taken one by one."""
    cdef const uint64_t *exact = (<Sums> w.plan.sums[rows.post.index]).exact
    cdef int32_t target[CHUNK]
    cdef int32_t at[CHUNK]
    cdef int64_t start, i, n
    for start from 0 <= start < d.n by CHUNK:
        n = min(d.n - start, CHUNK)
        for i in range(n):
            target[i] = rows.target[d.synapse + d.source[start + i]]
        for i in range(find(n, target, exact, at)):
            recollect_from(w, d, rows, start + at[i])

cdef void recollect_from(Worker w, const Background *d, Rows rows, int64_t k) noexcept nogil:
    cdef int64_t synapse = d.synapse + d.source[k]
    cdef double behind = w.end_offset - earlier_by(w.plan.limit, d.delay).offset
    cdef Incoming *arrival = NULL
    if value(rows.weights, synapse) != 0.0:
        arrival = <Incoming *> w.add(&w.separate, sizeof(Incoming))
    if arrival != NULL:
        arrival.offset = min(max(d.time[k] + behind, w.plan.start.offset), 1.0 - 2.0 ** -53)
        arrival.w = value(rows.weights, synapse)
        arrival.source, arrival.projection = <uint32_t> (d.first + d.source[k]), d.projection
        arrival.target, arrival.cursor = rows.target[synapse], 0

cdef void end_drives(Worker w) noexcept nogil:
    cdef Background *d = <Background *> w.drives.data
    cdef Py_ssize_t k
    for k in range(w.drives.n):
        free(d[k].sources.trains)
        free(d[k].time)
        free(d[k].source)
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
    d.target = rows.post.index
    d.rows, d.projection, d.first, d.synapse, d.delay = <void *> rows, projection, p.first + first + begin, begin, rows.shortest
    if eventsim_poisson_open(&d.sources, <double *> p.row(first + begin), p.width, HEAD):
        raise MemoryError("Windows: no memory for the Poisson sources")

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
            eventsim_poisson_close(&d.sources, <double *> p.row(d.first - p.first), p.width, HEAD)
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

cdef numbers_until(PoissonPopulation p, Time now):
    """How many events each source will have had by a time, int64 (n,)."""
    rows = p.state.copy()
    times, whose = np.empty(POISSON_ROOM), np.empty(POISSON_ROOM, np.int32)
    cdef double[:, ::1] row = rows
    cdef double[::1] time = times
    cdef int32_t[::1] source = whose
    cdef PoissonSources sources = p.sources(0, p.n)
    if eventsim_poisson_open(&sources, &row[0, 0], p.width, HEAD):
        raise MemoryError("Windows: no memory for the Poisson sources")
    with nogil:
        while True:
            eventsim_poisson_fill(&sources, now.epoch, now.offset, &time[0], &source[0], POISSON_ROOM)
            if not sources.more:
                break
    eventsim_poisson_close(&sources, &row[0, 0], p.width, HEAD)
    return rows[:, HEAD].astype(np.int64)
