# A spike sets out: its row is read from end to end and each arrival written to the list of its window and of the thread that
# owns its target; or it is filed in the window of its next arrivals, which will be summed where they stand.

cdef void depart(Worker w) noexcept nogil:
    """Send the spikes of own neurons, several rows being fetched ahead."""
    cdef Departure *spike = <Departure *> w.departures.data
    cdef Py_ssize_t i
    for i in range(-AHEAD, w.departures.n):
        if i + AHEAD < w.departures.n:
            each_row(w, &spike[i + AHEAD], FETCH_POINTERS)
        if 0 <= i + AHEAD // 2 < w.departures.n:
            each_row(w, &spike[i + AHEAD // 2], FETCH_ROWS)
        if i >= 0:
            each_row(w, &spike[i], SEND)
    w.departures.n = 0

cdef void each_row(Worker w, const Departure *spike, int what) noexcept nogil:
    cdef int32_t k
    for k in range(w.engine.out_ptr[spike.who.population], w.engine.out_ptr[spike.who.population + 1]):
        one_row(w, <Rows> w.engine.projection[w.engine.out_index[k]], w.engine.out_index[k], spike, what)

cdef inline void one_row(Worker w, Rows rows, int32_t projection, const Departure *spike, int what) noexcept nogil:
    cdef int64_t k, source = rows.first + spike.who.neuron
    cdef Flight f
    if what == FETCH_POINTERS:
        prefetch(&rows.ptr[spike.who.neuron])
        return
    f.cursor, f.stop = rows.start(source), rows.stop(source)
    if f.cursor == f.stop:
        return
    if what == FETCH_ROWS:
        for k in range(f.cursor, min(f.stop, f.cursor + 64), 16):
            prefetch(&rows.target[k])
            prefetch_value(rows.delays, k)
        return
    f.departure, f.source, f.projection = spike.time, <int32_t> source, projection
    send_off(w, rows, &f)

cdef void send_off(Worker w, Rows rows, Flight *f) noexcept nogil:
    """Send a spike, and note when it will have arrived everywhere."""
    cdef int to
    cdef Flight part
    cdef int64_t share = (<Sums> w.plan.sums[rows.post.index]).share if rows.visited else 0
    f.arrival = later(f.departure, value(rows.delays, f.stop - 1))
    w.file(&w.flights, f)
    f.arrival = later(f.departure, value(rows.delays, f.cursor))
    if rows.visited:
        for to in range(w.n_workers):
            part = f[0]
            if rows.at_once and w.n_workers > 1:
                part.cursor = first_from(rows, f.cursor, f.stop, share * to)
                part.stop = first_from(rows, part.cursor, f.stop, share * (to + 1))
            if part.cursor < part.stop:
                w.file(&w.slot(w.window_of(f.arrival)).spikes[to], &part)
    else:
        send(w, rows, f)

cdef void send(Worker w, Rows rows, Flight *f) noexcept nogil:
    """Write the arrivals of a spike, from its cursor on, to the mail of their windows."""
    cdef Plan *plan = w.plan
    cdef Values weights = rows.weights, delays = rows.delays
    cdef const int32_t *target = rows.targets()
    cdef const uint8_t *owner = plan.owner + rows.post.word
    cdef Bag *mail = NULL
    cdef Incoming *arrival
    cdef int64_t k, window, start = rows.start(f.source)
    cdef Time t = f.arrival, until = t              # where the window ends that `mail` is of
    cdef uint32_t undelayed = UNDELAYED if same(t, f.departure) else 0
    w.undelayed += undelayed != 0
    for k in range(f.cursor, f.stop):
        if k > f.cursor and delays.stride:
            t = later(f.departure, value(delays, k))
            if undelayed and not same(t, f.departure):
                undelayed = 0
        if not before(t, until):
            window = w.window_of(t)
            if window == plan.window + SLOTS - 1:           # or later: the rest is sent a window before that one
                f.cursor, f.arrival = k, t
                w.file(&w.slot(window - 1).flights, f)
                return
            mail, until = w.slot(window).mail, w.start_of(window + 1)
        arrival = <Incoming *> w.add(mail + owner[target[k] >> 6], sizeof(Incoming))
        if arrival == NULL:
            return
        arrival.offset, arrival.w = t.offset, value(weights, k)
        arrival.source, arrival.projection, arrival.target = <uint32_t> f.source | undelayed, f.projection, target[k]
        arrival.cursor = w.undelayed if undelayed else <int32_t> (k - start)

cdef Py_ssize_t in_flight(Worker w, Time now, Flight *out) noexcept nogil:
    """Write the spikes that still arrive somewhere at or after `now` to `out`, which may be where they are."""
    cdef Py_ssize_t k, n = 0
    for k in range(w.flights.n):
        out[n] = (<Flight *> w.flights.data)[k]
        n += move_on(<Rows> w.engine.projection[out[n].projection], out + n, now)
    return n


cdef int64_t first_from(Rows rows, int64_t lo, int64_t hi, int64_t target) noexcept nogil:
    """Of synapses lo ... hi - 1, in the order of targets, the first whose target is not below `target`."""
    cdef int64_t mid
    while lo < hi:
        mid = (lo + hi) // 2
        if rows.target[mid] < target:
            lo = mid + 1
        else:
            hi = mid
    return lo


cdef bint move_on(Rows rows, Flight *f, Time now) noexcept nogil:
    """Move the cursor of a spike to its first arrival at or after `now`; False: there is none."""
    cdef int64_t lo = f.cursor, hi = f.stop, mid
    while lo < hi:
        mid = (lo + hi) // 2
        if before(later(f.departure, value(rows.delays, mid)), now):
            lo = mid + 1
        else:
            hi = mid
    f.cursor = lo
    if lo == f.stop:
        return False
    f.arrival = later(f.departure, value(rows.delays, lo))
    return True
