# Many Poisson sources have one synapse each: the background of one neuron. Where they drive all neurons of a population their
# spikes are neither filed nor written down: those that arrive in a window are those of the same time, less the delay, and what
# they do is added up as they are drawn (drives.h). The sources lag behind by the delay; `Engine.catch_up` makes up.
#
# Nothing need be remembered of a source, as its trains are functions of time (poisson.h): if a neuron may spike, the spikes that
# it gets are simply drawn once more.

cdef inline Time drawn_from(const Background *d, Time start) noexcept nogil:
    """From when on sources are to be drawn, for what arrives from `start` on."""
    return last_of(earlier_by(start, d.delay), d.since)

cdef void begin_drives(Worker w) noexcept nogil:
    cdef Background *d = <Background *> w.drives.data
    cdef Py_ssize_t k
    for k in range(w.drives.n):
        d[k].done = 0
        d[k].fresh = d[k].parts == 1 or w.plan.window >= d[k].ready
        if d[k].fresh:
            d[k].ready = w.plan.window - w.plan.window % d[k].parts + d[k].parts

cdef void drive_all(Worker w, Sums s, int population, Py_ssize_t target) noexcept nogil:
    """Sum what sources bring to own neurons of a population within the window, up to a target at least."""
    cdef Background *drives = <Background *> w.drives.data
    cdef Py_ssize_t k
    for k in range(w.drives.n):
        if (<Rows> drives[k].rows).post.index == population and drives[k].target + drives[k].done < target:
            drive(w, &drives[k], <Rows> drives[k].rows, s, target - drives[k].target)

cdef void drive(Worker w, Background *d, Rows rows, Sums s, int64_t sources) noexcept nogil:
    """Go on with sources up to so many at least."""
    cdef int64_t first = d.done, whole = first + (sources - first + SIDE - 1) // SIDE * SIDE, k = d.ready - w.plan.window - 1
    cdef Sum *sums = own_sums(&s.pools[w.index]) + d.target
    cdef Time end = w.plan.limit if d.parts == 1 else w.start_of(d.ready)
    d.done = min(whole, d.sources.n)
    if d.sources.steps.n and not d.sources.alike:       # laws that change are made ready for all sources
        d.done = d.sources.n
    if d.fresh:
        w.synaptic_events += draw_and_sum(d, s, sums, own_sources(&s.pools[w.index], sums), s.pools[w.index].apart, drawn_from(d, w.plan.start), earlier_by(end, d.delay),
                                          end, d.parts, k, first, d.done)
    else:
        eventsim_drive_ahead(d.done - first, d.ahead + 2 * d.sources.n * k + first,
                             d.ahead + 2 * d.sources.n * k + d.sources.n + first,
                             sums + first + (s.pools[w.index].apart if d.inhibits else 0))

cdef int64_t draw_and_sum(Background *d, Sums s, Sum *sums, int64_t *sources, int64_t apart, Time since, Time until, Time limit, int parts, int64_t now,
                          int64_t begin, int64_t end) noexcept nogil:
    """Draw what sources from `begin` to `end` do from one time to another, which arrives before `limit`, where the last of some
    windows ends. The first is `now`, whose sums are given."""
    cdef PoissonStretch t = (<PoissonPopulation> d.population).stretch(since, until)
    cdef Driven targets
    cdef int64_t first, n, k
    cdef Py_ssize_t j
    targets.kernel, targets.quantum, targets.same, targets.limited = s.p.kernel(), s.quanta, s.same, s.resting != NULL
    targets.rows, targets.stride = s.p.coefs + s.rates_stride * d.target, s.rates_stride
    targets.series = &s.series if (<Rows> d.rows).by_series else NULL
    targets.sums, targets.apart, targets.counts, targets.total, targets.more.n = sums, apart, d.counts, 0, 0
    targets.sources = sources
    targets.parts, targets.now, targets.part, targets.per_ms = parts, <int> now, s.length, 1.0 / s.length
    targets.ahead, targets.n, targets.left = d.ahead, d.sources.n, NAN
    for k in range(2 * now):
        memset(d.ahead + k * d.sources.n + begin, 0, (end - begin) * sizeof(int64_t))
    while eventsim_poisson_stretch(&d.sources, &t):
        for first from begin <= first < end by SIDE:
            n = min(end - first, SIDE)
            for j in range(n if first == begin or (<Rows> d.rows).weights.stride or s.resting != NULL else 0):
                targets.weight[j] = value((<Rows> d.rows).weights, d.synapse + first + j)
                if s.resting != NULL:
                    targets.longest[j] = counted(INFINITY, s.p.row(d.target + first + j), limit)
            for j in range(n, SIDE):
                targets.weight[j] = 0.0
            eventsim_drive(&d.sources, &t, first, n, &targets)
        eventsim_drive_more(&d.sources, &t, &targets)
    return targets.total

cdef void recollect_drive(Worker w, Background *d, Rows rows) noexcept nogil:
    """What sources bring to neurons whose arrivals are taken one by one."""
    cdef const uint64_t *exact = (<Sums> w.plan.sums[rows.post.index]).exact
    cdef Py_ssize_t j, word, begin = d.target >> 6, end = (d.target + d.sources.n + 63) >> 6
    cdef uint64_t bits
    for word in range(begin, end):
        bits = exact[word]
        while bits:
            j = 64 * word + lowest(bits) - d.target
            bits &= bits - 1
            if 0 <= j < d.sources.n:
                recollect_from(w, d, rows, <PoissonPopulation> d.population, j)

cdef void recollect_from(Worker w, Background *d, Rows rows, PoissonPopulation p, Py_ssize_t j) noexcept nogil:
    cdef PoissonStretch t = p.stretch(drawn_from(d, w.plan.start), earlier_by(w.plan.limit, d.delay))
    cdef double time[MOST][2]
    cdef double cell, stop
    cdef Py_ssize_t k
    cdef Flight f
    f.source, f.projection = <int32_t> (p.first + d.source + j), d.projection
    while eventsim_poisson_stretch(&d.sources, &t):
        eventsim_poisson_range(&d.sources, &t, j, &cell, &stop)
        while cell < stop:
            for k in range(eventsim_poisson_list(&d.sources, &t, j, cell, time)):
                f.departure = at_time(time[k][0], time[k][1])
                recollect_one(w, rows, &f, d.synapse + j, d.synapse + j)
            cell += 1.0

cdef void end_drives(Worker w) noexcept nogil:
    cdef Background *d = <Background *> w.drives.data
    cdef Py_ssize_t k
    for k in range(w.drives.n):
        free(d[k].sources.laws)
        free(d[k].counts)
        free(d[k].ahead)
    w.drives.n = 0

def start_drives(Windows windows):
    """Find the Poisson sources that drive whole populations, and hand them to the workers of their targets.

    Each population goes on where it lags, or begins to: `lagging` has (delay, since when, numbers counted since)."""
    cdef Population p
    cdef Worker w
    cdef Engine engine = windows.engine
    cdef Sums s
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
        if all((<Sums> windows.plan.sums[(<Rows> r).post.index]).dense for r in rows) and (
                p.index in engine.lagging or not has_spiked(<PoissonPopulation> p, engine.now)):
            drives[p.index] = rows[0].shortest, ranges
    if not set(engine.lagging) <= set(drives):
        engine.catch_up()
    windows.lagging = {}
    windows.parts = {}
    for index, (delay, ranges) in drives.items():
        epoch, offset, counted = engine.lagging.get(index, (*engine.time, np.zeros(engine.populations[index].n, np.int64)))
        windows.lagging[index] = delay, (epoch, offset), counted
        for (first, n), k in ranges:
            choose_effects(engine.projections[k], windows.plan.sums[(<Rows> engine.projections[k]).post.index])
            for w in windows.workers:
                start_drive(windows, w, engine.populations[index], engine.projections[k], k, first, at_time(epoch, offset))
    engine.lagging = {}

cdef choose_effects(Rows rows, void *sums):
    """Effects come from the series, if all weights are of one sign."""
    rows.by_series = (<Sums> sums).series.terms > 0 and (rows.weight.min() >= 0.0 or rows.weight.max() < 0.0)

cdef bint has_spiked(PoissonPopulation p, Time now) noexcept:
    """Has any source spiked at this very time, having been interrupted then?"""
    cdef Py_ssize_t j
    for j in range(p.n):
        if (<PoissonState *> p.row(j)).before > 0.0 and not before(now, p.alarm(j)):
            return True
    return False

cdef start_drive(Windows windows, Worker w, PoissonPopulation p, Rows rows, int32_t projection, int64_t first, Time since):
    cdef Sums s = <Sums> windows.plan.sums[rows.post.index]
    begin, end = np.searchsorted(rows.indices, [s.begin[w.index], s.begin[w.index + 1]])
    if begin == end:
        return
    cdef Background *d = <Background *> w.add(&w.drives, sizeof(Background))
    if d == NULL:
        raise MemoryError("Windows: no memory for the Poisson sources")
    memset(d, 0, sizeof(Background))
    rows.visited = True
    d.sources = p.sources(first + begin, end - begin)
    d.population, d.rows, d.projection, d.delay, d.since = <void *> p, <void *> rows, projection, rows.shortest, since
    d.source, d.synapse, d.target = first + begin, begin, rows.indices[begin]
    d.counts = <int64_t *> calloc(d.sources.n + SIDE, sizeof(int64_t))
    d.parts, d.inhibits = windows_at_once(windows, p, rows, s, begin + first, end + first), rows.weight.min() < 0.0
    windows.parts[p.index] = d.parts
    d.ahead = <int64_t *> calloc(2 * (d.parts - 1) * d.sources.n + 1, sizeof(int64_t))
    if d.sources.laws == NULL or d.counts == NULL or d.ahead == NULL:
        raise MemoryError("Windows: no memory for the Poisson sources")

cdef inline bint is_whole(double x) noexcept:
    return x == floor(x)

cdef bint has_steps(Flights flights):
    """Are there steps of injected currents to come? Windows are cut there."""
    cdef Py_ssize_t k
    for k in range(flights.n):
        if flights.heap[k].source < 0:
            return True
    return False

cdef int windows_at_once(Windows windows, PoissonPopulation p, Rows rows, Sums s, int64_t begin, int64_t end):
    """How many windows there are in a cell, if all sources have cells of one length, and no window is ever cut. The delay must be
    so many windows: else where a window begins, less the delay, would be rounded otherwise here than in `recollect_from`."""
    cdef Cells shortest, longest
    interval = np.asarray(p.coef)[begin:end, 0] if p.coef_stride else np.asarray(p.coef)[:1, 0]
    shortest, longest = eventsim_poisson_cells(interval.min(), 0.0), eventsim_poisson_cells(interval.max(), 0.0)
    if (shortest.length != longest.length or not 0.0 < longest.mean or p.steps.n or p.grid > 0.0 or not rows.by_series
            or s.series.terms == TERMS or not is_whole(rows.shortest * windows.plan.per_ms)
            or has_steps(windows.engine.flights)):
        return 1
    return <int> min(max(longest.length * windows.plan.per_ms, 1.0), PARTS, windows.plan.per_ms)

def stop_drives(Windows windows):
    """Leave Poisson sources to lag, their spikes until now counted. Those to be recorded are drawn again, and do not lag."""
    cdef Worker w
    cdef PoissonPopulation p
    cdef Engine engine = windows.engine
    cdef Time since, start
    cdef Py_ssize_t k
    cdef int code
    ahead = {}
    for w in windows.workers:
        for k in range(w.drives.n):
            count_drive(w, <Background *> w.drives.data + k, engine.now, ahead)
        end_drives(w)
    lagging = {}
    for index, (delay, opened, counted) in windows.lagging.items():
        p = engine.populations[index]
        start = at_time(opened[0], opened[1])
        since = last_of(earlier_by(engine.now, delay), start)
        if np.any(engine.watch[p.first:p.first + p.n]):
            engine.counts[p.first:p.first + p.n] -= counted
            engine.n_spikes -= int(counted.sum())
            with nogil:
                code = engine.recount(p, start, since) or engine.draw(p, since, since)
            if code:
                raise MemoryError("Windows: no memory for the spikes of Poisson sources")
        else:
            arrived, on_their_way = ahead[index]
            lagging[index] = since.epoch, since.offset, on_their_way
            more = arrived + on_their_way - counted
            engine.counts[p.first:p.first + p.n] += more
            engine.n_spikes += int(more.sum())
    engine.lagging = lagging
    if windows.lagging:
        order_spikes(engine.spikes.data + 3 * windows.opened, engine.spikes.n - windows.opened)
    windows.lagging = {}

cdef count_drive(Worker w, Background *d, Time now, dict ahead):
    """Note how many spikes of each source have arrived, and how many will, in ahead[index of the sources]."""
    cdef Sums s = <Sums> w.plan.sums[(<Rows> d.rows).post.index]
    cdef PoissonPopulation p = <PoissonPopulation> d.population
    cdef int64_t[::1] counts = <int64_t[:d.sources.n]> d.counts
    sums = np.zeros((d.sources.n + SIDE, sizeof(Sum) // 8), np.int64)      # of no use
    cdef int64_t[:, ::1] view = sums
    arrived, on_their_way = ahead.setdefault(p.index, (np.zeros(p.n, np.int64), np.zeros(p.n, np.int64)))
    here = slice(d.source, d.source + d.sources.n)
    arrived[here] = counts
    if d.parts > 1 and before(now, w.start_of(d.ready)):
        counts[:] = 0
        w.engine.synaptic_events -= draw_and_sum(d, s, <Sum *> &view[0, 0], NULL, 0, drawn_from(d, now),
                                                 earlier_by(w.start_of(d.ready), d.delay), w.start_of(d.ready), 1, 0, 0, d.sources.n)
        arrived[here] -= counts
    counts[:] = 0
    draw_and_sum(d, s, <Sum *> &view[0, 0], NULL, 0, drawn_from(d, now), now, later(now, d.delay), 1, 0, 0, d.sources.n)
    on_their_way[here] = counts
