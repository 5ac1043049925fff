# The windowed executor: the events of the ordered one, neuron by neuron (docs/windows.md).
#
# Where the shortest delay is D > 0, a spike of the window [T, T + D) arrives at T + D or later. Within the window no neuron
# can influence another, so each may go through its own arrivals and spikes alone: in any order, in any thread, its state row in
# the cache once. Populations that reach others sooner, but are not reached by them, have a lower rank, and come first.
#
# A model that can sums its arrivals (sums.pxi), and only neurons that may spike go through them one by one. All others always
# do: what happens to them is what the ordered executor would do, by the same calls in the same order; hence the same bits.
#
# A spike is sent at once: its row is read from end to end, and each arrival written to the list of its window and of the
# thread that owns the target (send.pxi). Or, if it has many arrivals in a window that are summed, it is visited in each
# (deliver.pxi). For each window, each thread does
#   emit       its sources spike;                                        -- barrier, if they may do so with less delay than D --
# and, for each rank,
#   deliver    arrivals at its neurons are added up, or hung on them; rows that are visited are cut to what is due;
#   sweep      that is added up, too, and neurons with sums come to the end of the window, if they cannot spike in it (sweep.pxi);
#              where sums last for several windows, only those that have used up their credit (frames.pxi);
#   fall_back  all others with arrivals, or an alarm that rings, live through the window;     -- barrier, if there are ranks --
#   dispatch   their spikes are sent;                                                                        -- barrier --
# and then
#   exchange   (one thread) spikes are recorded, and taped, in the order of time; the next window in which anything is due
#              is found.                                                                                     -- barrier --

cdef void emit(Worker w) noexcept nogil:
    """The sources whose alarms ring in this window spike; what is left to send of earlier spikes is sent."""
    cdef Slot *slot = w.slot(w.plan.window)
    cdef Py_ssize_t k, n = slot.flights.n, sources = slot.sources.n
    cdef Flight f
    clear(w)
    w.window, w.limit = w.plan.window, w.plan.limit
    w.looks = slot.neurons.n
    w.touched.n = w.hung.n = w.shadows.n = 0
    w.recollecting = False
    begin_drives(w)
    begin_frames(w)
    w.whole = same(w.limit, w.start_of(w.window + 1))
    w.end_offset = elapsed(at_time(w.plan.start.epoch, 0.0), w.limit)
    ring_all(w, &slot.sources, sources, 0)
    w.empty(&slot.sources, sources, sizeof(Touched))        # not those filed again, the window being cut
    depart(w)
    for k in range(n):
        f = (<Flight *> slot.flights.data)[k]
        send(w, <Rows> w.engine.projection[f.projection], &f)
    w.empty(&slot.flights, n, sizeof(Flight))

cdef void deliver(Worker w, int32_t rank) noexcept nogil:
    """Arrivals at own neurons are added up, or hung on neurons that take them one by one."""
    cdef Plan *plan = w.plan
    cdef int k
    mark_looks(w, &w.slot(plan.window).neurons, rank)
    for k in range(plan.n_workers if plan.lonely else 0):
        announce(w, &(<Worker> plan.workers[k]).slot(plan.window).mail[w.index], rank)
    for k in range(plan.n_workers):
        receive(w, &(<Worker> plan.workers[k]).slot(plan.window).mail[w.index], rank)
    if plan.lonely:
        step_lonely(w)
    for k in range(plan.n_workers):
        visit_all(w, &(<Worker> plan.workers[k]).slot(plan.window).spikes[w.index], rank)

cdef inline bint is_after_cut(Worker w, const Incoming *arrival) noexcept nogil:
    """Is an arrival of this window due only after a cut of it?"""
    return not w.whole and not before(at_time(w.plan.start.epoch, arrival.offset), w.plan.limit)

cdef inline bint has_rank(const Plan *plan, Rows rows, int32_t rank) noexcept nogil:
    return plan.ranks == 1 or plan.rank[rows.post.index] == rank

cdef void sweep(Worker w, int32_t rank) noexcept nogil:
    """Population by population, so that its sums stay in the cache: what is left is added up, and neurons with sums come to the
    end of the window, but for those that may spike in it: their arrivals are looked up."""
    cdef Plan *plan = w.plan
    cdef Py_ssize_t k
    for k in range(w.engine.traced.shape[0]):
        if plan.sums[k] != NULL and plan.rank[k] == rank:
            add_segments(w, <Population> w.engine.population[k], <Sums> plan.sums[k], &w.segments[2 * k])
            add_segments(w, <Population> w.engine.population[k], <Sums> plan.sums[k], &w.segments[2 * k + 1])
            add_arrivals(w, <Population> w.engine.population[k], <Sums> plan.sums[k], &w.arrivals[k])
            if (<Sums> plan.sums[k]).frame > 0.0:
                settle_all(w, <Sums> plan.sums[k], <Population> w.engine.population[k])
            else:
                step_all(w, <Sums> plan.sums[k], <Population> w.engine.population[k])
    if w.recollecting:
        recollect_all(w, rank)

cdef void fall_back(Worker w, int32_t rank) noexcept nogil:
    """All others live through the window: they take their arrivals one by one, and spike (live.pxi)."""
    live_all(w, rank)
    ring_all(w, &w.slot(w.plan.window).neurons, w.looks, rank)

cdef void dispatch(Worker w, int32_t rank) noexcept nogil:
    """Spikes are sent; where there are ranks, perhaps to lists of this very window, in which nobody must be reading."""
    depart(w)
    if rank == w.plan.ranks - 1:
        w.empty(&w.slot(w.plan.window).neurons, w.looks, sizeof(Touched))
        w.touches += w.touched.n
        w.next = w.next_window()

cdef void exchange_spikes(Windows windows) noexcept nogil:
    """Record what happened in the window, and plan the next."""
    cdef Py_ssize_t recorded = windows.engine.spikes.n
    cdef int k
    windows.seen += 1
    for k in range(windows.plan.n_workers):
        collect(windows, <Worker> windows.worker[k])
    order_spikes(windows.engine.spikes.data + 3 * recorded, windows.engine.spikes.n - recorded)
    if windows.taped.n and splice(windows.engine.tape, &windows.taped):
        (<Worker> windows.worker[0]).fail(NO_MEMORY, -1, windows.plan.limit)
    windows.engine.now = windows.plan.reached = windows.plan.limit
    judge_all(windows)
    if windows.code == REACHED and (windows.quota <= 0 or windows.plan.window > RENUMBER):
        windows.code = PAUSED
    if windows.code == REACHED:
        windows.plan_next()
    else:
        windows.plan.over = True

cdef void collect(Windows windows, Worker w) noexcept nogil:
    """Take over what a worker has recorded and counted in the window."""
    cdef Py_ssize_t i
    if take_over(windows.engine.spikes, w.spikes) or (windows.engine.taping and line_up(&windows.taped, w.tape)):
        w.fail(NO_MEMORY, -1, windows.plan.limit)
    for i in range(windows.engine.traced.shape[0]):
        if windows.engine.traced[i] and take_over(<Log> windows.engine.trace[i], <Log> w.trace[i]):
            w.fail(NO_MEMORY, -1, windows.plan.limit)
    windows.arrivals += w.synaptic_events
    windows.touches += w.touches
    windows.quota -= w.synaptic_events + w.solver_steps
    windows.exact += w.exact
    windows.shadowed += w.shadowed
    windows.engine.synaptic_events += w.synaptic_events
    windows.engine.solver_steps += w.solver_steps
    windows.engine.predictions += w.predictions
    windows.engine.n_spikes += w.n_spikes
    w.synaptic_events = w.solver_steps = w.predictions = w.n_spikes = w.touches = w.exact = w.shadowed = 0

cdef void judge_all(Windows windows) noexcept nogil:
    """Of what went wrong, report what did so first."""
    cdef int k
    cdef Time failed = NEVER
    for k in range(windows.plan.n_workers):
        judge(windows, <Worker> windows.worker[k], &failed)

cdef void judge(Windows windows, Worker w, Time *failed) noexcept nogil:
    if w.code != REACHED and before(w.failed, failed[0]):
        failed[0] = windows.engine.now = w.failed
        windows.code = w.code
        windows.culprit = w.culprit
        if w.code == NOT_FINITE:
            windows.engine.overflowed = w.culprit

cdef void clear(Worker w) noexcept nogil:
    """When everybody has read the mail of a window: what arrives after a cut is mail once more; memory is recycled."""
    cdef Slot *slot = w.slot(w.window)
    cdef Py_ssize_t k
    if w.window < 0:
        return
    for k in range(w.n_workers):
        w.empty(&slot.mail[k], slot.mail[k].n, sizeof(Incoming))
        w.empty(&slot.spikes[k], slot.spikes[k].n, sizeof(Flight))
    if w.held.n:
        slot.mail[w.index], w.held = w.held, slot.mail[w.index]
    if w.held_spikes.n:
        slot.spikes[w.index], w.held_spikes = w.held_spikes, slot.spikes[w.index]
    if w.flights.n > 2 * w.settled + 1024:
        w.settled = 0
        for k in range(w.flights.n):         # `arrival` is the last one
            if not before((<Flight *> w.flights.data)[k].arrival, w.limit):
                (<Flight *> w.flights.data)[w.settled] = (<Flight *> w.flights.data)[k]
                w.settled += 1
        w.flights.n = w.settled
    w.window = -1
