# Sums that last for a frame of several windows: neurons are taken on when they have used up their credit, and when it ends.
#
# Where windows are short, because delays are, a neuron gets an arrival in few of them. Then it is not taken to the end of each of
# these, but gets a credit once a frame: so much excitation it can take before it might come near its threshold (settle.h).

cdef inline double end_of_frame(Sums s, Time start) noexcept nogil:
    """Where the frame ends that a window belongs to [ms]; frames are whole milliseconds and begin with multiples of their length."""
    return (floor(start.epoch / s.frame) + 1.0) * s.frame

cdef void begin_frames(Worker w) noexcept nogil:
    """Where the frames of this window end, and how long after it."""
    cdef Py_ssize_t k
    cdef Frame *frame
    for k in range(w.engine.traced.shape[0]):
        if w.plan.sums[k] != NULL and (<Sums> w.plan.sums[k]).frame > 0.0:
            frame = &(<Sums> w.plan.sums[k]).frames[w.index]
            frame.end = end_of_frame(<Sums> w.plan.sums[k], w.plan.start)
            w.left[k] = (frame.end - w.plan.limit.epoch) - w.plan.limit.offset

cdef int64_t end_of_frames(Worker w) noexcept nogil:
    """The first window in which a frame ends that must be seen; -1: none."""
    cdef int64_t window = -1
    cdef Py_ssize_t k
    cdef Frame *frame
    for k in range(w.engine.traced.shape[0]):
        if w.plan.sums[k] != NULL and (<Sums> w.plan.sums[k]).frame > 0.0:
            frame = &(<Sums> w.plan.sums[k]).frames[w.index]
            if frame.waited_for:
                window = earlier(window, <int64_t> ((frame.end - w.plan.epoch) * w.plan.per_ms) - 1)
    return window

cdef void settle_all(Worker w, Sums s, Population p) noexcept nogil:
    """Take own neurons to the end of the window that have used up their credit; at the end of the frame all that got something."""
    cdef Window window = window_of(w, s)
    cdef Frame *frame = &s.frames[w.index]
    cdef Lots lots
    cdef Py_ssize_t word, first = w.shadows.n
    cdef bint over = w.left[p.index] == 0.0, watching = s.reached == s.touched
    window.left, window.frame = w.left[p.index], s.frame
    lots.lot[0].n = lots.lot[1].n = lots.filling = 0
    if over:
        frame.waited_for = False
    for word in range(s.first_word(w.index), s.first_word(w.index + 1)):
        if watching:
            watch_frame(w, s, p, word)
        if over:
            frame.waited_for |= s.pending[word] | s.credited[word] != 0
            s.due[word] |= s.pending[word]
            s.looks[word] |= s.credited[word]
        if s.due[word] | s.looks[word]:
            settle_word(w, s, p, word, over, &lots, &window)
    take_both(w, s, p, &lots, &window)
    if over:
        frame.end += s.frame
    if watching:
        shadow_frame(w, s, p, first)

cdef inline void settle_word(Worker w, Sums s, Population p, Py_ssize_t word, bint over, Lots *lots, const Window *window) noexcept nogil:
    """Those with arrivals whose turn it is; and those without that must be looked at, or have had credit until now."""
    cdef uint64_t due = s.due[word] & ~s.exact[word], looks = s.looks[word] & ~s.pending[word] & ~s.exact[word]
    s.due[word] = s.looks[word] = 0
    if over:
        s.expire(word, s.credited[word] & ~s.pending[word])
    put_in_lots(w, s, p, word, due | looks, due, lots, window)

cdef void settle_lot(Worker w, Sums s, Population p, Lot *lot, const Window *window) noexcept nogil:
    """Of some neurons, those that may spike live through the window, and those without credit are filed to be looked at."""
    cdef double respite[CHUNK]
    cdef int32_t at[CHUNK]
    cdef Accounts own
    cdef Py_ssize_t k
    cdef int32_t j
    if lot.n == 0:
        return
    own = s.accounts(w.index)
    for k in range(p.kernel().settle(lot.n, lot.ids, lot.commit, p.rows, p.coefs, s.stride, s.same, &own, window,
                                     &s.frames[w.index].outlook, at, respite)):
        j = lot.ids[at[k]]
        if respite[k] < 0.0:
            live_later(w, s, p, j, lot.commit[at[k]])
        else:
            look_after(w, p, j, respite[k])
    lot.n = 0

cdef void leave_frame(Worker w, Sums s, Population p, const Touch *touch) noexcept nogil:
    """A neuron, or what is watched of it, goes through this window event by event: it comes to its beginning, if it has got
    something in the frame. (Credit of which nothing has been used stays: to look too often changes nothing.)"""
    cdef Py_ssize_t j = touch.who.neuron
    cdef Shadow *copy
    if touch.shadow:
        copy = <Shadow *> w.shadows.data + touch.shadow - 1
        take_back(w, s, p, touch, copy.sums)
        settle_at(s, p, j, w.plan.start, end_of_frame(s, w.plan.start), <Neuron *> copy.row, copy.sums, copy.credit)
    elif touch.first or s.pending[j >> 6] >> (j & 63) & 1:
        take_back(w, s, p, touch, s.own(j))
        settle_at(s, p, j, w.plan.start, end_of_frame(s, w.plan.start), p.row(j), s.own(j), s.credit[j])
        s.expire(j >> 6, <uint64_t> 1 << (j & 63))

cdef void take_back(Worker w, Sums s, Population p, const Touch *touch, Sum *sums) noexcept nogil:
    """Take the arrivals of this window out of the sums again: those of earlier windows of the frame are left."""
    cdef Incoming *hung = <Incoming *> w.hung.data
    cdef int32_t next = touch.first
    cdef Arrivals all
    cdef Effects e
    while next:
        all.n = 0
        while next and all.n < CHUNK:
            if (<Rows> w.engine.projection[hung[next - 1].projection]).summed:
                all.x[all.n] = max(w.end_offset - hung[next - 1].offset, 0.0) + w.left[p.index]
                all.weight[all.n], all.target[all.n] = hung[next - 1].w, touch.who.neuron
                all.n += 1
            next = hung[next - 1].target
        p.kernel().effects(all.n, all.x, all.target, p.coefs, s.rates_stride, s.quanta, s.same, &e)
        subtract_effects(all.n, all.weight, &e, sums)

cdef Window window_at(Sums s, Time at, double end) noexcept nogil:
    """A window of no length, in a frame that ends at `end` [ms]."""
    cdef Window window
    window.epoch, window.offset, window.end_epoch, window.end_offset = at.epoch, at.offset, at.epoch, at.offset
    window.length, window.left, window.frame = 0.0, (end - at.epoch) - at.offset, s.frame
    window.quantum[0], window.quantum[1] = s.quanta[0], s.quanta[1]
    return window

cdef void settle_at(Sums s, Population p, Py_ssize_t j, Time at, double end, Neuron *row, const Sum *sums, int64_t credit) noexcept nogil:
    """Bring the row of a neuron to a time in a frame that ends at `end` [ms], from when on nothing is in its sum."""
    cdef Window window = window_at(s, at, end)
    cdef Outlook outlook
    cdef Accounts one
    cdef Sum own[2]
    cdef uint64_t bits[2]
    cdef int32_t here = 0
    cdef uint8_t commit = 1
    cdef double respite = 0.0
    if sums[0].membrane == -credit and not (sums[0].current or sums[1].membrane or sums[1].current):
        return
    own[0], own[1] = sums[0], sums[1]
    outlook.left = outlook.length = -1.0
    one.sums, one.credit, one.credited, one.pending = own, &credit, bits, bits + 1
    p.kernel().settle(1, &here, &commit, <double *> row, p.coefs + s.stride * j, s.stride, s.same, &one, &window, &outlook, &here,
                      &respite)

# A neuron that is watched goes through the arrivals of each window one by one, in a copy of what it was before the window.

cdef void watch_frame(Worker w, Sums s, Population p, Py_ssize_t word) noexcept nogil:
    """Copy those of a word that are watched, and have arrivals in this window, as they were before it, but for their sums."""
    cdef uint64_t bits = s.touched[word]
    cdef Py_ssize_t j
    cdef Shadow *copy
    s.touched[word] = 0
    s.pending[word] |= bits
    if w.plan.proving:
        bits |= s.looks[word] & ~s.pending[word]
    bits &= ~s.exact[word]
    while bits:
        j = 64 * word + lowest(bits)
        bits &= bits - 1
        if w.plan.proving or w.watch[p.first + j] & WATCH_STATE:
            copy = <Shadow *> w.add(&w.shadows, sizeof(Shadow))
            if copy == NULL:
                return
            memcpy(copy.row, p.row(j), p.width * sizeof(double))
            copy.neuron, copy.credit = <int32_t> j, s.credit[j]
            copy.sums[0], copy.sums[1] = s.own(j)[0], s.own(j)[1]

cdef void shadow_frame(Worker w, Sums s, Population p, Py_ssize_t first) noexcept nogil:
    """Of those copied, let all live in their copies that do not go through the window themselves."""
    cdef Py_ssize_t k, j
    cdef Touch *touch
    for k in range(first, w.shadows.n):
        j = (<Shadow *> w.shadows.data + k).neuron
        touch = NULL if w.plan.seats[p.first + j].place else w.touch(p, j)
        if touch != NULL:
            touch.shadow = k + 1
            w.shadowed += 1
            recollect(w, s, j)
