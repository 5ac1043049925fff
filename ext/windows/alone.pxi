# In a quiet network nearly every arrival is the only one at its neuron in a window. It needs no sum: when all arrivals are there, but
# none has been added up, it is known who gets more than one. All others take theirs as their letters are read, at its time. They
# cost a letter and a state, and neither a place nor a sum.

cdef void announce(Worker w, const Bag *mail, int32_t rank) noexcept nogil:
    """Note which neurons get an arrival, and which get more."""
    cdef const Incoming *arrival = <Incoming *> mail.data
    cdef const Route *route
    cdef Py_ssize_t k
    cdef uint64_t *marks
    cdef uint64_t bit
    for k in range(mail.n):
        route = &w.plan.routes[arrival[k].projection]
        if route.marks == NULL or route.rank != rank or arrival[k].w == 0.0 or is_after_cut(w, &arrival[k]):
            continue
        marks, bit = route.marks + 2 * (arrival[k].target >> 6), <uint64_t> 1 << (arrival[k].target & 63)
        marks[1] |= marks[0] & bit
        marks[0] |= bit

cdef inline bint is_alone(const uint64_t *marks, Py_ssize_t j) noexcept nogil:
    return not marks[2 * (j >> 6) + 1] >> (j & 63) & 1

cdef inline void add_alone(Worker w, Sums s, Population p, Incoming *arrival) noexcept nogil:
    """File an arrival among those of its kind: when a lot is full its neurons are fetched, and the lot before is taken on."""
    cdef Loners *loners = &s.loners[w.index]
    cdef Lone *lone = &loners.lot[loners.filling]
    cdef Py_ssize_t j = arrival.target, n = lone.n
    fetch_state(p, j)
    s.looks[j >> 6] &= ~(<uint64_t> 1 << (j & 63))
    lone.ids[n], lone.offset[n], lone.weight[n], lone.arrival[n] = arrival.target, arrival.offset, arrival.w, arrival
    lone.n += 1
    if lone.n == CHUNK:
        loners.filling = 1 - loners.filling
        step_alone(w, s, p, &loners.lot[loners.filling])

cdef void step_lonely(Worker w) noexcept nogil:
    """Take those on that are left."""
    cdef Py_ssize_t k
    for k in range(w.engine.traced.shape[0]):
        if w.plan.sums[k] != NULL:
            step_both(w, <Sums> w.plan.sums[k], <Population> w.engine.population[k])

cdef inline void step_both(Worker w, Sums s, Population p) noexcept nogil:
    cdef Loners *loners = &s.loners[w.index]
    step_alone(w, s, p, &loners.lot[1 - loners.filling])
    step_alone(w, s, p, &loners.lot[loners.filling])

cdef void step_alone(Worker w, Sums s, Population p, Lone *lone) noexcept nogil:
    """Let neurons take the one arrival each has in the window, but for those that may spike in it."""
    cdef Window window
    cdef uint8_t fails[CHUNK]
    cdef uint8_t commit[CHUNK]
    cdef double respite[CHUNK]
    cdef Py_ssize_t k, first = w.shadows.n
    cdef bint watching = w.engine.traced[p.index] or w.plan.proving
    if lone.n == 0:
        return
    window = window_of(w, s)
    if watching:
        memset(commit, 1, CHUNK)
        keep_rows(w, p, lone.n, lone.ids, commit)
    p.kernel().alone(lone.n, lone.ids, lone.offset, lone.weight, p.rows, p.coefs, s.stride, s.same, &window, fails, respite)
    for k in range(lone.n):
        if fails[k]:
            w.hang(lone.arrival[k])
            w.exact += 1
        else:
            look_after(w, p, lone.ids[k], respite[k])
            s.note_released(lone.ids[k], w.plan.limit)
    if watching:
        shadow(w, s, p, lone.n, lone.ids, commit, lone.arrival, first, fails)
    lone.n = 0
