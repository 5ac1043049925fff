# A neuron lives through a window event by event: in the order of time it takes its arrivals, and spikes in between.
#
# Where arrivals are summed few neurons must, those that may spike, and they do it side by side, in vector code (live.h): all go on to
# their next arrivals at once. One that may spike before its next arrival waits until half of those on their way do, and these look
# for their spikes at once. Who has come to the end makes room for another. Nobody depends on who goes beside it, so the order in which
# neurons set out changes no bit. Neurons of all other models live one by one, as do those that are only watched.

cdef void live_all(Worker w, int32_t rank) noexcept nogil:
    """All neurons of a rank that must."""
    cdef Touch *touched = <Touch *> w.touched.data
    cdef Py_ssize_t k
    for k in range(w.touched.n):
        if k + AHEAD < w.touched.n:
            fetch(w, <Population> w.engine.population[touched[k + AHEAD].who.population], &touched[k + AHEAD])
        if w.plan.rank[touched[k].who.population] == rank:
            live_or_join(w, <Population> w.engine.population[touched[k].who.population], &touched[k])
    if w.course.n:
        finish(w, <Population> w.together, w.course)

cdef inline void live_or_join(Worker w, Population p, const Touch *touch) noexcept nogil:
    if w.plan.sums[p.index] != NULL and (<Sums> w.plan.sums[p.index]).frame > 0.0:
        leave_frame(w, <Sums> w.plan.sums[p.index], p, touch)
    if w.plan.sums[p.index] != NULL and not touch.shadow:
        join(w, p, touch)
    else:
        live_or_watch(w, p, touch)

# ---- side by side

cdef inline void join(Worker w, Population p, const Touch *touch) noexcept nogil:
    """A neuron sets out with others of its population, in the lane of one that has come to the end."""
    cdef Course *c = w.course
    cdef int l = 0
    if c.n and w.together != <void *> p:
        finish(w, <Population> w.together, c)
    w.together = <void *> p
    while c.n == ABREAST:
        take_turns(w, p, c)
    while c.turn[l] != GONE:
        l += 1
    c.ids[l], c.next[l], c.turn[l], c.gap[l] = touch.who.neuron, in_order(<Incoming *> w.hung.data, touch.first), TO_GO, 0.0
    p.kernel().join(c, l, <const double *> p.row(c.ids[l]), p.q(c.ids[l]))
    c.lanes, c.n = max(c.lanes, l + 1), c.n + 1
    w.plan.seats[p.first + c.ids[l]].place = 0

cdef void finish(Worker w, Population p, Course *c) noexcept nogil:
    """Take all who are on their way to the end of the window."""
    while c.n:
        take_turns(w, p, c)
    c.lanes = 0

cdef void give_up(Course *c) noexcept nogil:
    """Something went wrong: a neuron may spike for ever."""
    memset(c.turn, GONE, ABREAST)
    c.n = c.lanes = 0

cdef void take_turns(Worker w, Population p, Course *c) noexcept nogil:
    """Everybody goes on to its next arrival, or its spike; when half of them wait to be looked at for one, all these are."""
    cdef int l, waiting = 0
    p.kernel().onward(c, (<Sums> w.plan.sums[p.index]).same)
    for l in range(c.lanes):
        if c.turn[l] == TO_SPIKE:
            spike_one(w, p, c, l)
        elif c.turn[l] == TO_GO:
            observe_one(w, p, c, l)
            take_turn(w, p, c, l)
        waiting += c.turn[l] == TO_SEARCH
    if w.code != REACHED:
        give_up(c)
    elif 0 < c.n <= 2 * waiting:
        search_all(w, p, c)

cdef void search_all(Worker w, Population p, Course *c) noexcept nogil:
    """Those that wait are looked at for a spike before their next arrival."""
    cdef Time spike
    cdef int l
    p.kernel().search(c, (<Sums> w.plan.sums[p.index]).same, RESOLUTION)
    for l in range(c.lanes):
        if c.turn[l] != TO_SEARCH:
            continue
        w.predictions += 1
        w.solver_steps += <int64_t> c.steps[l]
        c.turn[l], c.gap[l] = TO_GO, 0.0
        spike = later(at_time(c.epoch[l], c.offset[l]), c.spike[l]) if c.spike[l] >= 0.0 else NEVER
        if before(spike, next_arrival(w, c, l)):            # (which a time may be rounded to)
            c.turn[l] = TO_SPIKE
            set_time(&c.next_epoch[l], &c.next_offset[l], spike)
        else:
            take_turn(w, p, c, l)

cdef inline void set_time(double *epoch, double *offset, Time t) noexcept nogil:
    epoch[0], offset[0] = t.epoch, t.offset

cdef void spike_one(Worker w, Population p, Course *c, int l) noexcept nogil:
    """A neuron has come to the time of its spike."""
    cdef Py_ssize_t j = c.ids[l]
    p.kernel().part(c, l, <double *> p.row(j))
    spike(w, p, j, p.row(j).at)
    p.kernel().join(c, l, <const double *> p.row(j), p.q(j))
    c.turn[l] = TO_GO

cdef inline Time next_arrival(Worker w, const Course *c, int l) noexcept nogil:
    """Or the end of the window."""
    return at_time(w.plan.start.epoch, (<Incoming *> w.hung.data + c.next[l] - 1).offset) if c.next[l] else w.plan.limit

cdef void take_turn(Worker w, Population p, Course *c, int l) noexcept nogil:
    """Let a neuron take its next arrival with the others, unless it may spike before; if there is none it has come to the end."""
    cdef Py_ssize_t j = c.ids[l]
    cdef const Incoming *arrival = <Incoming *> w.hung.data + c.next[l] - 1 if c.next[l] else NULL
    cdef Time at = at_time(c.epoch[l], c.offset[l])
    cdef Time until = next_arrival(w, c, l)
    cdef double gap = elapsed(at, until)
    if gap > 0.0 and c.respite[l] < gap:
        c.turn[l], c.gap[l], c.known[l] = TO_SEARCH, gap, elapsed(at, w.plan.start)
        return
    if arrival == NULL:
        p.kernel().part(c, l, <double *> p.row(j))
        watch_out(w, p, j, last_of(later(at, c.respite[l]), until))     # (rounding: never in the window that is over)
        c.turn[l] = GONE
        c.n -= 1
        return
    set_time(&c.next_epoch[l], &c.next_offset[l], until)
    c.weight[l], c.next[l] = arrival.w, arrival.target
    if not w.plan.routes[arrival.projection].summed:
        take_apart(w, p, c, l, until, arrival)

cdef void take_apart(Worker w, Population p, Course *c, int l, Time t, const Incoming *arrival) noexcept nogil:
    """An arrival that is not among those of the others, by another receptor."""
    cdef Neuron *s = p.row(c.ids[l])
    cdef const double *q = p.q(c.ids[l])
    p.kernel().part(c, l, <double *> s)
    p.advance(s, q, t)
    p.receive(s, q, (<Rows> w.engine.projection[arrival.projection]).port, arrival.w, clamped(s))
    p.kernel().join(c, l, <const double *> s, q)

cdef inline void observe_one(Worker w, Population p, Course *c, int l) noexcept nogil:
    if w.engine.traced[p.index] and w.watch[p.first + c.ids[l]] & WATCH_STATE:
        p.kernel().part(c, l, <double *> p.row(c.ids[l]))
        observe(w, p, c.ids[l])

# ---- one by one

ctypedef fused Life:            # copies of the loop below that call a final class directly, and one for all other models
    LIFPopulation
    DeltaPopulation
    FlyPopulation
    Population

cdef void live(Worker w, Life p, const Touch *touch) noexcept nogil:
    """Take a neuron through its arrivals and spikes, in the order of time, to the end of the window."""
    cdef Plan *plan = w.plan
    cdef Py_ssize_t j = touch.who.neuron
    cdef Neuron *s = p.row(j)
    cdef const double *q = p.q(j)
    cdef Incoming *hung = <Incoming *> w.hung.data
    cdef int32_t next = in_order(hung, touch.first)
    cdef Seat *seat = &plan.seats[p.first + j]
    cdef bint alarmed = seat.look == plan.window or plan.sums[p.index] != NULL  # else it receives something before it spikes
    cdef Time t = plan.start, alarm
    seat.place = 0
    while next:
        t.offset = hung[next - 1].offset
        if alarmed and before(respited(p, s, q), t):
            ring(w, p, j, t)
        alarmed = True
        if clamped(s):
            p.advance(s, q, t)
        elif before(s.at, t):
            p.flow(s, q, elapsed(s.at, t))
            s.at = t
        while next and hung[next - 1].offset == t.offset:
            p.receive(s, q, (<Rows> w.engine.projection[hung[next - 1].projection]).port, hung[next - 1].w, clamped(s))
            next = hung[next - 1].target
        observe(w, p, j)
    alarm = respited(p, s, q)
    watch_out(w, p, j, ring(w, p, j, plan.limit) if before(alarm, plan.limit) else alarm)

cdef inline Time respited(Life p, const Neuron *s, const double *q) noexcept nogil:
    """A time before which the neuron does not spike, if nothing arrives."""
    return later(s.free if clamped(s) else s.at, p.respite(s, q))

cdef Time ring(Worker w, Population p, Py_ssize_t j, Time until) noexcept nogil:
    """Let a neuron spike, if nothing else arrives, wherever it does before `until`; returns its alarm then.

    As in `Engine.threshold`, the bound is refined until it stands still: that is a spike. Where arrivals are summed it is known that
    there was none before this window."""
    cdef bint known = w.plan.sums[p.index] != NULL and before(p.row(j).at, w.plan.start)
    cdef Time t = p.next_alarm(j, w.plan.start) if known else p.alarm(j), next
    w.predictions += not w.in_shadow
    while before(t, until):
        w.solver_steps += not w.in_shadow
        next = p.next_alarm(j, t)
        if before(t, next):
            t = next
            continue
        spike(w, p, j, t)
        if w.code != REACHED:
            return t
        t = p.alarm(j)
        w.predictions += not w.in_shadow
    return t

cdef void ring_all(Worker w, const Bag *bag, Py_ssize_t n, int32_t rank) noexcept nogil:
    """Ring the first n alarms filed in a slot, except where they have been moved away."""
    cdef Py_ssize_t k
    cdef Touched look
    for k in range(n):
        look = (<const Touched *> bag.data)[k]
        if w.plan.rank[look.population] == rank:
            look_at(w, <Population> w.engine.population[look.population], look.neuron)

cdef inline void look_at(Worker w, Population p, Py_ssize_t j) noexcept nogil:
    if w.plan.seats[p.first + j].look == w.plan.window:
        w.plan.seats[p.first + j].look = -1
        watch_out(w, p, j, ring(w, p, j, w.plan.limit))

cdef void watch_out(Worker w, Population p, Py_ssize_t j, Time alarm) noexcept nogil:
    """File a neuron in the window of its alarm, unless it is filed in an earlier one, where it will be filed again.

    Invariant: if a neuron has an alarm, `look` is the window of it or an earlier one, not past, in whose slot the neuron
    is filed. To look too often changes nothing."""
    cdef int32_t *look = &w.plan.seats[p.first + j].look
    cdef int64_t window
    if alarm.epoch == INFINITY:
        return
    if isnan(alarm.epoch):
        w.fail(NOT_FINITE, p.first + j, p.row(j).at)
        return
    window = w.window_of(alarm)
    if w.plan.window <= look[0] <= window:
        return
    look[0] = <int32_t> window
    w.file_look(&w.slot(window).sources if p.is_source else &w.slot(window).neurons, p, j)

cdef void spike(Worker w, Population p, Py_ssize_t j, Time t) noexcept nogil:
    """A neuron has reached its threshold: see `Engine.threshold` and `Engine.spike`."""
    cdef int64_t gid = p.first + j
    cdef double *record
    cdef Departure *departure
    if w.in_shadow:
        w.fail(UNSOUND, gid, t)
    elif w.spikes.reserve(1) or (w.engine.taping and w.tape.reserve(1)):
        w.fail(NO_MEMORY, -1, t)
    elif p.fire(j, t):
        w.n_spikes += 1
        w.engine.counts_view[gid] += 1
        if w.plan.sums[p.index] != NULL:
            (<Sums> w.plan.sums[p.index]).note_rest(j, t)
        if w.watch[gid] & WATCH_SPIKES:
            record = w.spikes.append()
            record[0], record[1], record[2] = t.epoch, t.offset, gid
        if w.engine.taping:
            p.tape_spike(j, t, w.tape)
        departure = <Departure *> w.add(&w.departures, sizeof(Departure))
        if departure != NULL:
            departure.time, departure.who.population, departure.who.neuron = t, p.index, <int32_t> j
        if p.streak[j] > RUNAWAY:
            w.fail(RAN_AWAY, gid, t)
    observe(w, p, j)

cdef inline void observe(Worker w, Population p, Py_ssize_t j) noexcept nogil:
    """Record a watched neuron's state."""
    if w.engine.traced[p.index] and w.watch[p.first + j] & WATCH_STATE:
        if (<Log> w.trace[p.index]).reserve(1):
            w.fail(NO_MEMORY, -1, p.row(j).at)
        else:
            w.engine.trace_state(<Log> w.trace[p.index], p, j)

cdef inline void fetch(Worker w, Population p, const Touch *touch) noexcept nogil:
    """A neuron's turn comes soon."""
    fetch_state(p, touch.who.neuron)
    prefetch(p.q(touch.who.neuron))
    prefetch(&w.plan.seats[p.first + touch.who.neuron])
    if touch.first:
        prefetch(<Incoming *> w.hung.data + touch.first - 1)

cdef void live_or_watch(Worker w, Population p, const Touch *touch) noexcept nogil:
    w.in_shadow = touch.shadow > 0
    if w.in_shadow:
        swap_row(w, p, touch)
    if w.plan.kind[p.index] == IS_LIF:
        live(w, <LIFPopulation> p, touch)
    elif w.plan.kind[p.index] == IS_DELTA:
        live(w, <DeltaPopulation> p, touch)
    elif w.plan.kind[p.index] == IS_FLY:
        live(w, <FlyPopulation> p, touch)
    else:
        live(w, p, touch)
    if w.in_shadow:
        swap_row(w, p, touch)
    w.in_shadow = False

cdef void swap_row(Worker w, Population p, const Touch *touch) noexcept nogil:
    cdef double other[WIDEST]
    cdef double *row = (<Shadow *> w.shadows.data + touch.shadow - 1).row
    memcpy(other, p.row(touch.who.neuron), p.width * sizeof(double))
    memcpy(p.row(touch.who.neuron), row, p.width * sizeof(double))
    memcpy(row, other, p.width * sizeof(double))
