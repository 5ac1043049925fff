# Growing lists, lists of arrivals in order, and logs.

cdef extern from "lists.h" nogil:
    enum:
        PART
    void ranks "eventsim_ranks" (int n, double *number, int64_t *less)
    void order_spikes "eventsim_order_all" (double *spikes, int64_t n)      # rows of time and id

cdef inline void prefetch_value(Values v, int64_t k) noexcept nogil:
    if v.f64 != NULL:
        prefetch(v.f64 + k * v.stride)
    elif v.f32 != NULL:
        prefetch(v.f32 + k * v.stride)
    elif v.u8 != NULL:
        prefetch(v.u8 + k)
    else:
        prefetch(v.u16 + k)

cdef inline void fetch_state(Population p, Py_ssize_t j) noexcept nogil:
    prefetch(p.row(j))
    prefetch(<double *> p.row(j) + p.width - 1)

cdef inline void *put(Bag *bag, size_t width) noexcept nogil:
    """Room for one more entry; NULL if there is no memory."""
    cdef Py_ssize_t capacity
    cdef char *data
    if bag.n == bag.capacity:
        capacity = max(2 * bag.capacity, 16)
        data = <char *> realloc(bag.data, capacity * width)
        if data == NULL:
            return NULL
        bag.data, bag.capacity = data, capacity
    bag.n += 1
    return bag.data + (bag.n - 1) * width

cdef inline bint arrives_first(const Incoming *a, const Incoming *b) noexcept nogil:
    """The order of arrivals in docs/semantics.md."""
    if a.offset != b.offset:
        return a.offset < b.offset
    if a.source != b.source:
        return a.source < b.source
    if a.projection != b.projection and not a.source & UNDELAYED:
        return a.projection < b.projection
    return a.cursor < b.cursor

cdef int32_t merged(Incoming *hung, int32_t a, int32_t b) noexcept nogil:
    """Two lists in order as one; lists are linked by `target` and end with 0."""
    cdef int32_t head = 0
    cdef int32_t *end = &head
    while a and b:
        if arrives_first(&hung[a - 1], &hung[b - 1]):
            end[0] = a
            end = &hung[a - 1].target
            a = end[0]
        else:
            end[0] = b
            end = &hung[b - 1].target
            b = end[0]
    end[0] = a or b
    return head

cdef int32_t part_in_order(Incoming *hung, int32_t *first) noexcept nogil:
    """Take as many as PART from the beginning of a list, and sort them."""
    cdef int32_t part[PART]
    cdef int32_t order[PART]
    cdef double offset[PART]
    cdef int64_t place[PART]
    cdef int32_t one
    cdef int i, n = 0
    while first[0] and n < PART:
        part[n], offset[n], order[n] = first[0], hung[first[0] - 1].offset, 0
        first[0] = hung[first[0] - 1].target
        n += 1
    ranks(n, offset, place)
    for i in range(n):
        one = part[i]
        while order[place[i]]:              # those of one instant have one rank
            if not arrives_first(&hung[order[place[i]] - 1], &hung[one - 1]):
                one, order[place[i]] = order[place[i]], one
            place[i] += 1
        order[place[i]] = one
    one = 0
    for i in range(n - 1, -1, -1):
        hung[order[i] - 1].target, one = one, order[i]
    return one

cdef int32_t in_order(Incoming *hung, int32_t first) noexcept nogil:
    """A list of arrivals, sorted: parts of it at once, which are merged as 1, 2, 4 ... have come together. Of equal ones the
    last of the list is first: it was hung first."""
    cdef int32_t run[48]
    cdef int32_t one
    cdef int i, k, n = 0
    if first == 0 or hung[first - 1].target == 0:
        return first
    while first:
        one = part_in_order(hung, &first)
        i = 0
        while i < n and run[i]:
            one = merged(hung, run[i], one)
            run[i] = 0
            i += 1
        if i == n:
            n += 1
        run[i] = one
    for k in range(n):
        if run[k]:
            first = merged(hung, run[k], first)
    return first

cdef int take_over(Log log, Log part) noexcept nogil:
    """Move the rows of one log to the end of another; -1 if there is no memory."""
    if part.n == 0:         # and perhaps no memory at either
        return 0
    if log.reserve(part.n):
        return -1
    memcpy(log.data + log.n * log.width, part.data, part.n * log.width * sizeof(double))
    log.n += part.n
    part.n = 0
    return 0

cdef int line_up(Bag *order, Log part) noexcept nogil:
    """Append pointers to the rows of a log, which are then free to be overwritten; -1 if there is no memory."""
    cdef Py_ssize_t k
    cdef void **entry
    for k in range(part.n):
        entry = <void **> put(order, sizeof(void *))
        if entry == NULL:
            return -1
        entry[0] = part.data + k * part.width
    part.n = 0
    return 0

cdef int splice(Log tape, Bag *order) noexcept nogil:
    """Write the spikes that have been lined up to the end of a tape, in the order of time; -1 if there is no memory."""
    cdef Py_ssize_t k
    if tape.reserve(order.n):
        return -1
    qsort(order.data, order.n, sizeof(void *), by_time_on_tape)
    for k in range(order.n):
        memcpy(tape.append(), (<void **> order.data)[k], tape.width * sizeof(double))
    order.n = 0
    return 0

cdef inline int64_t earlier(int64_t a, int64_t b) noexcept nogil:
    """The smaller of two windows; -1 is none."""
    return b if a < 0 or 0 <= b < a else a

cdef int by_time_on_tape(const void *a, const void *b) noexcept nogil:
    """Order of pointers to taped spikes: time, then id; of one neuron at one instant as they came."""
    cdef const Spike *x = (<const Spike **> a)[0]
    cdef const Spike *y = (<const Spike **> b)[0]
    if x.epoch != y.epoch:
        return -1 if x.epoch < y.epoch else 1
    if x.offset != y.offset:
        return -1 if x.offset < y.offset else 1
    if spiking(x) != spiking(y):
        return -1 if spiking(x) < spiking(y) else 1
    return -1 if x < y else 1
