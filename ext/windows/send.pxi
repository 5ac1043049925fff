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
    if what == FETCH_ROWS and rows.visited and rows.at_once:
        for k in range(1, w.n_workers):
            prefetch(rows.targets() + expected_at(rows, f.cursor, f.stop, (<Sums> w.plan.sums[rows.post.index]).begin[k]))
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
    cdef int64_t window
    cdef Flight part                                # of a thread's neurons
    cdef const int64_t *begin
    f.arrival = later(f.departure, value(rows.delays, f.stop - 1))
    w.file(&w.flights, f)
    f.arrival = later(f.departure, value(rows.delays, f.cursor))
    if not rows.visited:
        send(w, rows, f)
        return
    window = w.window_to_visit(rows, f)
    part, begin = f[0], (<Sums> w.plan.sums[rows.post.index]).begin
    for to in range(w.n_workers):
        if rows.at_once:
            part.cursor = part.stop if to else f.cursor
            part.stop = first_from(rows, f.cursor, f.stop, begin[to + 1])
        if part.cursor < part.stop and begin[to] < begin[to + 1]:
            w.file(&w.slot(window).spikes[to], &part)

cdef void send(Worker w, Rows rows, Flight *f) noexcept nogil:
    """Write the arrivals of a spike, from its cursor on, to the mail of their windows."""
    cdef Plan *plan = w.plan
    cdef const uint8_t *owner = plan.owner + rows.post.word
    cdef double wait[CHUNK]
    cdef double offset[CHUNK]
    cdef int32_t ahead[CHUNK]
    cdef Bag *mail
    cdef Incoming *arrival
    cdef int64_t i, k, n, start = rows.start(f.source)
    cdef int32_t target
    cdef bint undelayed = same(f.arrival, f.departure)
    w.undelayed += undelayed
    for k from f.cursor <= k < f.stop by CHUNK:
        n = min(f.stop - k, CHUNK)
        for i in range(n):
            wait[i] = value(rows.delays, k + i)
        for i in range(n, WHOLE(n)):
            wait[i] = 0.0
        due(n, wait, f.departure.epoch, f.departure.offset, plan.epoch, plan.per_ms, plan.window, SLOTS - 1, offset, ahead)
        for i in range(n):
            if ahead[i] == SLOTS - 1:                   # or later: the rest is sent a window before that one
                f.cursor, f.arrival = k + i, later(f.departure, wait[i])
                w.file(&w.slot(plan.window + SLOTS - 2).flights, f)
                return
            target = rows.target[k + i]
            mail = &w.mail[((plan.window + ahead[i]) & (SLOTS - 1)) * w.n_workers + owner[target >> 6]]
            if mail.n < mail.capacity:
                arrival = <Incoming *> mail.data + mail.n
                mail.n += 1
            else:
                arrival = <Incoming *> w.add(mail, sizeof(Incoming))
            if arrival == NULL:
                return
            prefetch_to_write(arrival + 6)              # many lists grow side by side
            undelayed = undelayed and wait[i] < 0.5 and offset[i] == f.departure.offset
            arrival.offset, arrival.w, arrival.projection, arrival.target = offset[i], value(rows.weights, k + i), f.projection, target
            arrival.source = <uint32_t> f.source | (UNDELAYED if undelayed else 0)
            arrival.cursor = w.undelayed if undelayed else <int32_t> (k + i - start)

cdef Py_ssize_t in_flight(Worker w, Time now, Flight *out) noexcept nogil:
    """Write the spikes that still arrive somewhere at or after `now` to `out`, which may be where they are."""
    cdef Py_ssize_t k, n = 0
    for k in range(w.flights.n):
        out[n] = (<Flight *> w.flights.data)[k]
        n += move_on(<Rows> w.engine.projection[out[n].projection], out + n, now)
    return n


cdef inline int64_t expected_at(Rows rows, int64_t lo, int64_t hi, int64_t target) noexcept nogil:
    return lo + (hi - lo) * target // rows.post.n

cdef int64_t first_from(Rows rows, int64_t lo, int64_t hi, int64_t target) noexcept nogil:
    """Of synapses lo ... hi - 1, in the order of targets, the first whose target is not below `target`.

    Targets that are spread evenly are not far from where they are expected; halving alone would fetch a row from end to end."""
    cdef int64_t mid, step = TOGETHER
    if target <= 0 or target >= rows.post.n:
        return lo if target <= 0 else hi
    mid = expected_at(rows, lo, hi, target)
    while lo < hi:
        if rows.target[mid] < target:
            lo, mid = mid + 1, mid + step
        else:
            hi, mid = mid, mid - step
        step *= 2
        if not lo <= mid < hi:
            mid = (lo + hi) // 2
    return lo


cdef bint move_on(Rows rows, Flight *f, Time now) noexcept nogil:
    """Move the cursor of a spike to its first arrival at or after `now`; False: there is none."""
    cdef int64_t lo = f.cursor, hi = f.stop, mid
    if rows.visited and rows.delays.stride == 0:    # with the rounding of visits
        f.arrival = last_of(later(f.departure, value(rows.delays, 0)), now)
        return not before(f.departure, earlier_by(now, value(rows.delays, 0)))
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
