# In a quiet network nearly every arrival is the only one at its neuron in a window. It needs no sum that others can find: when
# all arrivals are there, but none has been added up, it is known who gets more than one; all others are taken to the end of the
# window as their letters are read. They cost a letter and a state, and neither a place nor a sum.
#
# What happens to them has the bits of a sum with one term.

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
    cdef Lone *lone = &s.lone[2 * w.index]
    cdef Py_ssize_t j = arrival.target, n = lone.all.n
    fetch_state(p, j)
    s.looks[j >> 6] &= ~(<uint64_t> 1 << (j & 63))
    lone.all.x[n] = max(w.end_offset - arrival.offset, 0.0)
    lone.all.weight[n], lone.all.target[n], lone.arrival[n] = arrival.w, arrival.target, arrival
    lone.all.n += 1
    if lone.all.n == CHUNK:
        step_alone(w, s, p, lone + 1)
        lone[1] = lone[0]
        lone.all.n = 0

cdef void step_lonely(Worker w) noexcept nogil:
    """Take those on that are left."""
    cdef Py_ssize_t k
    for k in range(w.engine.traced.shape[0]):
        if w.plan.sums[k] != NULL:
            step_both(w, <Sums> w.plan.sums[k], <Population> w.engine.population[k])

cdef inline void step_both(Worker w, Sums s, Population p) noexcept nogil:
    step_alone(w, s, p, &s.lone[2 * w.index + 1])
    step_alone(w, s, p, &s.lone[2 * w.index])

cdef void step_alone(Worker w, Sums s, Population p, Lone *lone) noexcept nogil:
    """Take neurons with one arrival each to the end of the window, but for those that may spike."""
    cdef Lot lot
    cdef Window window
    cdef Effects e
    cdef Py_ssize_t k
    if lone.all.n == 0:
        return
    window = window_of(w, s)
    effects_of(w, p, s, &lone.all, &e)
    alone(lone.all.n, lone.all.weight, &e, lot.sums)
    for k in range(lone.all.n):
        lot.ids[k], lot.commit[k] = lone.all.target[k], True
    lot.n, lot.alone, lone.all.n = lone.all.n, lone.arrival, 0
    step_lot(w, s, p, &lot, &window)
