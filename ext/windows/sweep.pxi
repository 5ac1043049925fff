# Neurons with sums come to the end of the window, but for those that may spike in it: these get their arrivals back.

cdef void mark_looks(Worker w, Bag *bag, int32_t rank) noexcept nogil:
    """Of the neurons filed in a slot, mark those whose thresholds must be looked at."""
    cdef Touched *who = <Touched *> bag.data
    cdef Py_ssize_t k
    for k in range(w.looks):
        if w.plan.sums[who[k].population] != NULL and w.plan.rank[who[k].population] == rank:
            mark_look(w, <Sums> w.plan.sums[who[k].population], <Population> w.engine.population[who[k].population],
                      who[k].neuron)

cdef inline void mark_look(Worker w, Sums s, Population p, Py_ssize_t j) noexcept nogil:
    cdef int32_t *look = &w.plan.seats[p.first + j].look
    if look[0] == w.plan.window:
        look[0] = -1
        s.looks[j >> 6] |= <uint64_t> 1 << (j & 63)

cdef Window window_of(Worker w, Sums s) noexcept nogil:
    cdef Plan *plan = w.plan
    cdef Window window
    window.epoch, window.offset, window.length = plan.start.epoch, plan.start.offset, elapsed(plan.start, plan.limit)
    window.end_epoch, window.end_offset = plan.limit.epoch, plan.limit.offset
    window.quantum[0], window.quantum[1], window.quantum[2] = s.quanta[0], s.quanta[1], s.quanta[2]
    return window

cdef void step_all(Worker w, Sums s, Population p) noexcept nogil:
    """Take own neurons of a population to the end of the window, but for those that may spike in it."""
    cdef Window window = window_of(w, s)
    cdef Lots lots
    cdef Py_ssize_t word
    cdef Py_ssize_t begin = s.first_word(w.index), end = s.first_word(w.index + 1)
    cdef uint64_t touched, bits
    lots.lot[0].n = lots.lot[1].n = lots.filling = 0
    if s.dense:
        for word from begin <= word < end by BLOCK:
            step_block(w, s, p, word, min(word + BLOCK, end), &lots, &window)
    elif reserve(&s.pools[w.index], 1):
        w.fail(NO_MEMORY, -1, w.plan.start)
        return
    else:
        for word in range(begin, end):
            if s.lonely:
                s.marks[2 * word] = s.marks[2 * word + 1] = 0
            touched = s.touched[word]
            bits = touched | s.looks[word]
            if bits == 0:
                continue
            s.touched[word] = s.looks[word] = 0
            put_in_lots(w, s, p, word, drop_exact(w, s, word, bits), touched, &lots, &window)
    take_both(w, s, p, &lots, &window)
    if not s.dense:
        clear_sums(&s.pools[w.index], s.pools[w.index].sums, 2 * s.pools[w.index].n)
        s.pools[w.index].n = 1

cdef inline uint64_t drop_exact(Worker w, Sums s, Py_ssize_t word, uint64_t bits) noexcept nogil:
    """Of some neurons, those that have no arrivals which are not summed; what the others have among the sums is dropped."""
    cdef uint64_t held = bits & s.exact[word]
    bits ^= held
    while held:
        s.place[64 * word + lowest(held)] = 0
        held &= held - 1
    return bits

cdef inline void put_in_lots(Worker w, Sums s, Population p, Py_ssize_t word, uint64_t bits, uint64_t commit, Lots *lots,
                             const Window *window) noexcept nogil:
    """Fetch neurons that live in rows; when a lot is full the one before is taken on."""
    cdef Lot *lot = &lots.lot[lots.filling]
    cdef int32_t j
    while bits:
        j = <int32_t> (64 * word + lowest(bits))
        bits &= bits - 1
        fetch_state(p, j)
        prefetch(&w.plan.seats[p.first + j])
        if s.dense:
            take_sums(&s.pools[w.index], own_sums(&s.pools[w.index]) + j, lot)
        lot.ids[lot.n], lot.commit[lot.n] = j, commit >> (j & 63) & 1
        lot.n += 1
        if lot.n == CHUNK:
            lots.filling = 1 - lots.filling
            lot = &lots.lot[lots.filling]
            take_lot(w, s, p, lot, window)

cdef inline void take_sums(const Pool *pool, const Sum *sum, Lot *lot) noexcept nogil:
    lot.sums[2 * lot.n], lot.sums[2 * lot.n + 1] = sum[0], sum[pool.apart]
    if pool.rises:
        lot.sources[2 * lot.n], lot.sources[2 * lot.n + 1] = own_sources(pool, sum)[0], own_sources(pool, sum)[pool.apart]

cdef inline void take_lot(Worker w, Sums s, Population p, Lot *lot, const Window *window) noexcept nogil:
    if s.frame > 0.0:
        settle_lot(w, s, p, lot, window)
    else:
        step_lot(w, s, p, lot, window)

cdef inline void take_both(Worker w, Sums s, Population p, Lots *lots, const Window *window) noexcept nogil:
    """Take those on that are left."""
    take_lot(w, s, p, &lots.lot[1 - lots.filling], window)
    take_lot(w, s, p, &lots.lot[lots.filling], window)

# Where all neurons are taken through every window their states stand side by side in panels, and nothing is looked up. A neuron
# leaves its panel for its row when it may spike, and comes back when it does not rest any more.

cdef void step_block(Worker w, Sums s, Population p, Py_ssize_t begin, Py_ssize_t end, Lots *lots, const Window *window) noexcept nogil:
    """Words of neurons, few enough for their sums and states to stay in the cache."""
    cdef uint64_t fails[BLOCK]
    cdef uint64_t own, bits
    cdef Py_ssize_t word, j
    cdef Sum *sums = own_sums(&s.pools[w.index])
    cdef int64_t apart = s.pools[w.index].apart
    cdef bint panels = p.kernel().panel != NULL and not w.engine.traced[p.index] and not w.plan.proving
    drive_all(w, s, p.index, min(64 * end, p.n))
    for word in range(begin, end):
        if s.outside[word]:
            come_back(w, s, p, word, panels)
        own = neurons_of(p, word)
        put_in_lots(w, s, p, word, s.outside[word] & own & ~s.exact[word], own, lots, window)
        s.looks[word] = 0
    if not panels:
        clear_sums(&s.pools[w.index], &sums[64 * begin], 64 * (end - begin))
        clear_sums(&s.pools[w.index], &sums[64 * begin + apart], 64 * (end - begin))
        return
    p.kernel().panel(min(64 * end, p.n) - 64 * begin, s.panels + begin, p.coefs + s.stride * 64 * begin, s.stride, s.same,
                     sums + 64 * begin, apart, window, fails)
    for word in range(begin, end):
        bits = (fails[word - begin] | s.exact[word]) & neurons_of(p, word) & ~s.outside[word]
        while bits:
            j = 64 * word + lowest(bits)
            bits &= bits - 1
            s.leave(j, w.plan.start)
            w.touch(p, j)
            take_exactly(w, s, j)

cdef inline void clear_sums(Pool *pool, Sum *sums, Py_ssize_t n) noexcept nogil:
    memset(sums, 0, n * sizeof(Sum))
    if pool.rises:
        memset(own_sources(pool, sums), 0, n * sizeof(int64_t))

cdef inline uint64_t neurons_of(Population p, Py_ssize_t word) noexcept nogil:
    """The bits of a word that neurons have."""
    return ~<uint64_t> 0 >> (64 - min(p.n - 64 * word, 64))

cdef void come_back(Worker w, Sums s, Population p, Py_ssize_t word, bint panels) noexcept nogil:
    """Neurons that do not rest go back to their panel; their rows come to the beginning of the window in any case."""
    cdef uint64_t bits = s.outside[word] & neurons_of(p, word)
    cdef Py_ssize_t j
    while bits:
        j = 64 * word + lowest(bits)
        bits &= bits - 1
        if before(w.plan.start, p.row(j).free):
            continue
        if before(p.row(j).at, w.plan.start):
            p.advance(p.row(j), p.q(j), w.plan.start)
        if panels:
            p.kernel().enter(&s.panels[word], j & 63, <const double *> p.row(j))
            s.outside[word] &= ~(<uint64_t> 1 << (j & 63))

cdef void step_lot(Worker w, Sums s, Population p, Lot *lot, const Window *window) noexcept nogil:
    cdef const Sum *sums[CHUNK]
    cdef const int64_t *sources[CHUNK]
    cdef const Pool *pool = &s.pools[w.index]
    cdef uint8_t fails[CHUNK]
    cdef double respite[CHUNK]
    cdef Py_ssize_t k, first = w.shadows.n
    cdef bint watching = w.engine.traced[p.index] or w.plan.proving
    if lot.n == 0:
        return
    if watching:
        keep_rows(w, p, lot.n, lot.ids, lot.commit)
    for k in range(lot.n):
        sums[k] = &lot.sums[2 * k] if s.dense else &pool.sums[2 * s.place[lot.ids[k]]]
    for k in range(lot.n if pool.rises else 0):
        sources[k] = &lot.sources[2 * k] if s.dense else own_sources(pool, sums[k])
    p.kernel().step(lot.n, lot.ids, lot.commit, p.rows, p.coefs, s.stride, s.same, sums, sources if pool.rises else NULL, window, fails,
                    respite)
    for k in range(lot.n):
        if not s.dense:
            s.place[lot.ids[k]] = 0
        if fails[k]:
            live_later(w, s, p, lot.ids[k], lot.commit[k])
        else:
            if not s.dense:                     # else it is looked at in every window
                look_after(w, p, lot.ids[k], respite[k])
            s.note_released(lot.ids[k], w.plan.limit)
    if watching:
        shadow(w, s, p, lot.n, lot.ids, lot.commit, NULL, first, fails)
    lot.n = 0

# A neuron whose states are recorded goes through its arrivals one by one, in its old row; then it gets the new one. So do
# all, to see that none spikes of those that the bound lets pass, while windows are `proving`.

cdef inline bint is_watched(Worker w, Population p, Py_ssize_t j, bint commit) noexcept nogil:
    return w.plan.proving or (commit and w.watch[p.first + j] & WATCH_STATE)

cdef void keep_rows(Worker w, Population p, Py_ssize_t n, const int32_t *ids, const uint8_t *commit) noexcept nogil:
    cdef Py_ssize_t k
    cdef Shadow *copy
    for k in range(n):
        if is_watched(w, p, ids[k], commit[k]):
            copy = <Shadow *> w.add(&w.shadows, sizeof(Shadow))
            if copy != NULL:
                memcpy(copy.row, p.row(ids[k]), p.width * sizeof(double))

cdef void shadow(Worker w, Sums s, Population p, Py_ssize_t n, const int32_t *ids, const uint8_t *commit, Incoming **alone,
                 Py_ssize_t row, const uint8_t *fails) noexcept nogil:
    """alone: the only arrival of each; NULL: these are found among all others."""
    cdef Py_ssize_t k
    cdef Touch *touch
    for k in range(n):
        if is_watched(w, p, ids[k], commit[k]) and w.code == REACHED:
            row += 1
            touch = NULL if fails[k] else w.touch(p, ids[k])
            if touch != NULL:
                touch.shadow = row
                w.shadowed += 1
            if touch != NULL and alone != NULL:
                w.hang(alone[k])
            elif touch != NULL:
                recollect(w, s, ids[k])

cdef inline void look_after(Worker w, Population p, Py_ssize_t j, double respite) noexcept nogil:
    """As `watch_out`, of a neuron that will certainly not spike for so long after the end of the window."""
    cdef int32_t *look = &w.plan.seats[p.first + j].look
    cdef double ahead = respite * w.plan.per_ms * (1.0 - MARGIN)
    cdef int64_t window = w.plan.window + w.whole + (<int64_t> ahead if ahead < SLOTS - 2 else SLOTS - 2)
    if respite == INFINITY or w.plan.window < look[0] <= window:
        return
    look[0] = <int32_t> window
    w.file_look(&w.slot(window).neurons, p, j)

cdef inline void live_later(Worker w, Sums s, Population p, Py_ssize_t j, bint arrivals) noexcept nogil:
    """Let a neuron live through the window; what has arrived must be found again."""
    w.touch(p, j)
    if arrivals:
        take_exactly(w, s, j)
    else:
        w.exact += 1

cdef inline void take_exactly(Worker w, Sums s, Py_ssize_t j) noexcept nogil:
    w.exact += not s.exact[j >> 6] >> (j & 63) & 1
    recollect(w, s, j)

cdef inline void recollect(Worker w, Sums s, Py_ssize_t j) noexcept nogil:
    """Let the arrivals of a neuron be found again."""
    s.exact[j >> 6] |= <uint64_t> 1 << (j & 63)
    w.recollecting = w.recollected[s.p.index] = True

# ---- arrivals that have been added up, at neurons that may spike: they are found once more, and hung on them

cdef void recollect_all(Worker w, int32_t rank) noexcept nogil:
    cdef Plan *plan = w.plan
    cdef Background *drives = <Background *> w.drives.data
    cdef Touch *touch
    cdef Py_ssize_t k
    w.separate.n = 0
    for k in range(plan.n_workers):
        recollect_visits(w, &(<Worker> plan.workers[k]).slot(plan.window).spikes[w.index], rank)
    for k in range(w.drives.n):
        if has_rank(plan, <Rows> drives[k].rows, rank):
            recollect_drive(w, &drives[k], <Rows> drives[k].rows)
    for k in range(w.separate.n):
        w.hang(<Incoming *> w.separate.data + k)
    for k in range(plan.n_workers):
        recollect_mail(w, &(<Worker> plan.workers[k]).slot(plan.window).mail[w.index], rank)
    for k in range(w.touched.n):
        touch = <Touch *> w.touched.data + k
        if plan.sums[touch.who.population] != NULL and plan.rank[touch.who.population] == rank:
            (<Sums> plan.sums[touch.who.population]).exact[touch.who.neuron >> 6] = 0
            w.recollected[touch.who.population] = False

cdef void recollect_visits(Worker w, const Bag *spikes, int32_t rank) noexcept nogil:
    cdef const Flight *f = <Flight *> spikes.data
    cdef Py_ssize_t k
    for k in range(spikes.n):
        if k + AHEAD < spikes.n:
            fetch_visit(w, <Rows> w.engine.projection[f[k + AHEAD].projection], &f[k + AHEAD])
        if w.recollected[w.plan.routes[f[k].projection].population] and w.plan.routes[f[k].projection].rank == rank:
            recollect_row(w, <Rows> w.engine.projection[f[k].projection], &f[k])

cdef void recollect_mail(Worker w, const Bag *mail, int32_t rank) noexcept nogil:
    """What has been summed, though its target goes through its arrivals one by one."""
    cdef const Incoming *arrival = <Incoming *> mail.data
    cdef const Route *route
    cdef Py_ssize_t k, j
    for k in range(mail.n):
        route, j = &w.plan.routes[arrival[k].projection], arrival[k].target
        if route.summed and route.rank == rank and (<Sums> route.sums).exact[j >> 6] >> (j & 63) & 1 and arrival[k].w != 0.0:
            w.hang(&arrival[k])

cdef inline void fetch_visit(Worker w, Rows rows, const Flight *f) noexcept nogil:
    cdef int64_t k
    if w.recollected[w.plan.routes[f.projection].population]:
        for k from f.cursor <= k < min(f.stop, f.cursor + 4 * TOGETHER) by TOGETHER:
            prefetch(&rows.target[k])

cdef void recollect_row(Worker w, Rows rows, const Flight *f) noexcept nogil:
    """The arrivals of a visit at neurons whose arrivals are taken one by one."""
    cdef const uint64_t *exact = (<Sums> w.plan.sums[rows.post.index]).exact
    cdef const int32_t *target = rows.targets()
    cdef int64_t i, k
    cdef int32_t at[CHUNK]
    for k from f.cursor <= k < f.stop by CHUNK:
        for i in range(find(min(f.stop - k, CHUNK), &target[k], exact, at)):
            if w.plan.owner[rows.post.word + (target[k + at[i]] >> 6)] == w.index:
                recollect_one(w, rows, f, k + at[i], rows.start(f.source))

cdef void recollect_one(Worker w, Rows rows, const Flight *f, int64_t k, int64_t start) noexcept nogil:
    cdef Time t, until
    cdef double offset
    if rows.delays.stride:
        t = later(f.departure, value(rows.delays, k))
        offset = elapsed(at_time(w.plan.start.epoch, 0.0), t)
    else:                                       # as in `recollect_drive`, with its roundings
        until = earlier_by(w.plan.limit, value(rows.delays, k))
        offset = (f.departure.epoch - until.epoch) + f.departure.offset + (w.end_offset - until.offset)
    cdef Incoming *arrival = <Incoming *> w.add(&w.separate, sizeof(Incoming))
    if arrival != NULL and value(rows.weights, k) == 0.0:
        w.separate.n -= 1
    elif arrival != NULL:
        arrival.offset = min(max(offset, w.plan.start.offset), 1.0 - 2.0 ** -53)
        arrival.w = value(rows.weights, k)
        arrival.source, arrival.projection, arrival.target = <uint32_t> f.source, f.projection, rows.target[k]
        arrival.cursor = <int32_t> (k - start)
