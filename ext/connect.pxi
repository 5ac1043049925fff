# From connection rules to CSR rows. Topology is counter-based for each source (each target where in-degrees are fixed).
#
# Rules draw among the positions 0 ... n - 1 of those they may connect. Where autapses are excluded, `skipped` holds for each
# row the position of the neuron itself (n: none); one draws among n - 1 and steps over it, which keeps the order.

cdef inline int32_t over(int64_t position, int32_t skipped) noexcept nogil:
    return <int32_t> (position + (position >= skipped))

cdef inline int64_t available(int64_t n, int32_t skipped) noexcept nogil:
    return n - (skipped < n)


# ---- one row

cdef int64_t skip_along(Stream *s, double log_q, int64_t n, int32_t *row) noexcept nogil:
    """Choose each of 0 ... n - 1 with probability 1 - exp(log_q), by geometric gaps; row may be NULL, to count."""
    cdef int64_t count = 0, position = 0
    cdef double gap
    while True:
        gap = log(unit(next_word(s))) / log_q
        if gap >= n - position:
            return count
        position += <int64_t> gap + 1
        if row != NULL:
            row[count] = <int32_t> (position - 1)
        count += 1


cdef bint choose(Stream *s, int64_t n, int64_t k, bint repeats, uint8_t *taken, int32_t *row) noexcept nogil:
    """Choose k of 0 ... n - 1, with repeats or without, at cost O(k) or, for more than half of them, O(n).

    `taken` (n,) is zero before and after; not used with repeats. Returns whether the row is in order.
    """
    cdef int64_t i, t, count = 0
    cdef bint dense = not repeats and 2 * k > n
    if repeats:
        for i in range(k):
            row[i] = <int32_t> below(next_word(s), n)
        return False
    for i in range(n - k if dense else k):      # of a dense row draw those left out
        t = below(next_word(s), n)
        while taken[t]:
            t = below(next_word(s), n)
        taken[t] = 1
        if not dense:
            row[i] = <int32_t> t
    if dense:
        for t in range(n):
            if not taken[t]:
                row[count] = <int32_t> t
                count += 1
        memset(taken, 0, n)
        return True
    for i in range(k):
        taken[row[i]] = 0
    return False


# ---- all rows of a rule

def probability_rows(double p, int64_t n_post, const int32_t[::1] skipped, uint64_t seed, uint64_t purpose,
                     int64_t[::1] indptr, int32_t[::1] indices):
    """Each pair with probability p, 0 < p < 1: fill `indices`, or put the counts into indptr[1:] if it is None."""
    cdef int64_t i, count, work = 0
    cdef double log_q = log1p(-p)
    cdef bint counting = indices is None
    cdef int32_t *row = NULL
    cdef Stream s
    with nogil:
        for i in range(indptr.shape[0] - 1):
            open_stream(&s, seed, purpose, <uint64_t> i)
            if not counting:
                if indptr[i] == indptr[i + 1]:
                    continue
                row = &indices[indptr[i]]
            count = skip_along(&s, log_q, available(n_post, skipped[i]), row)
            if counting:
                indptr[i + 1] = count
            else:
                step_over(row, count, skipped[i])
            if is_due(&work, count + 1):
                with gil:
                    PyErr_CheckSignals()


cdef void step_over(int32_t *row, int64_t n, int32_t skipped) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        row[i] = over(row[i], skipped)


def chosen_rows(int64_t n_post, const int32_t[::1] skipped, bint repeats, uint64_t seed, uint64_t purpose,
                const int64_t[::1] indptr, int32_t[::1] indices):
    """As many targets for each source as `indptr` says, chosen at random, in order."""
    cdef int64_t i, k, work = 0
    cdef int64_t longest = longest_row(indptr)
    cdef uint8_t[::1] taken = np.zeros(0 if repeats else n_post, np.uint8)
    cdef Item[:, ::1] items = new_items(longest)
    cdef int32_t *row
    cdef Stream s
    with nogil:
        for i in range(indptr.shape[0] - 1):
            k = indptr[i + 1] - indptr[i]
            if k:
                row = &indices[indptr[i]]
                open_stream(&s, seed, purpose, <uint64_t> i)
                if not choose(&s, available(n_post, skipped[i]), k, repeats, NULL if repeats else &taken[0], row):
                    order_targets(row, k, &items[0, 0], &items[1, 0])
                step_over(row, k, skipped[i])
            if is_due(&work, k + 1):
                with gil:
                    PyErr_CheckSignals()


def chosen_columns(int64_t k, int64_t n_pre, const int32_t[::1] skipped, bint repeats, uint64_t seed, uint64_t purpose,
                   int64_t[::1] ends, int32_t[::1] indices):
    """k sources for each target, chosen at random: count them in `ends` (n_pre,) or, if `indices` is not None, file each
    target under its sources, whose rows end at ends so far.
    """
    cdef int64_t i, j, work = 0
    cdef bint counting = indices is None
    cdef uint8_t[::1] taken
    cdef int32_t[::1] column
    cdef int32_t source
    cdef Stream s
    if k == 0 or skipped.shape[0] == 0:
        return
    taken = np.zeros(0 if repeats else n_pre, np.uint8)
    column = np.empty(k, np.int32)
    with nogil:
        for j in range(skipped.shape[0]):
            open_stream(&s, seed, purpose, <uint64_t> j)
            choose(&s, available(n_pre, skipped[j]), k, repeats, NULL if repeats else &taken[0], &column[0])
            for i in range(k):
                source = over(column[i], skipped[j])
                if not counting:
                    indices[ends[source]] = <int32_t> j
                ends[source] += 1
            if is_due(&work, k):
                with gil:
                    PyErr_CheckSignals()


def shared_out(int64_t total, int64_t n_post, const int32_t[::1] skipped, bint repeats, uint64_t seed, uint64_t purpose,
               int64_t[::1] counts):
    """Into `counts`: how many of `total` pairs, drawn with repeats or without, each row gets.

    Pairs are drawn one after the other from the square of all pairs; one that is excluded, or without repeats drawn already,
    is drawn anew. Of a row's pairs it matters only how many are still free, so no pair need be remembered.
    """
    cdef int64_t i, drawn = 0, work = 0, n_pre = counts.shape[0]
    cdef Stream s
    open_stream(&s, seed, purpose, <uint64_t> n_pre)        # the one after those of the rows
    with nogil:
        while drawn < total:
            i = below(next_word(&s), n_pre)
            if below(next_word(&s), n_post) < available(n_post, skipped[i]) - (0 if repeats else counts[i]):
                counts[i] += 1
                drawn += 1
            if is_due(&work, 1):
                with gil:
                    PyErr_CheckSignals()


def rows_of_pairs(const int32_t[::1] pre, int64_t[::1] ends, int64_t[::1] order):
    """Counting sort: into `order` the pairs by source, pairs of one source in the order given.

    `ends` (n_pre,) holds where each row starts, and afterwards where it ends.
    """
    cdef int64_t i, work = 0
    with nogil:
        for i in range(pre.shape[0]):
            order[ends[pre[i]]] = i
            ends[pre[i]] += 1
            if is_due(&work, 1):
                with gil:
                    PyErr_CheckSignals()


# ---- sorting rows

cdef struct Item:
    uint64_t key
    int64_t position

cdef struct Column:
    char *data
    int width                   # bytes of an entry, 4 or 8

ctypedef fused Word:
    uint32_t
    uint64_t


cdef Item[:, ::1] new_items(int64_t n):
    """Room for sorting n items."""
    return np.empty((2, max(n, 1)), np.dtype([("key", np.uint64), ("position", np.int64)]))


cdef int64_t longest_row(const int64_t[::1] indptr):
    cdef int64_t i, longest = 0
    for i in range(indptr.shape[0] - 1):
        longest = max(longest, indptr[i + 1] - indptr[i])
    return longest


cdef void sort_items(Item *items, Item *spare, int64_t n) noexcept nogil:
    """Sort by key, stably: a byte at a time from the lowest, leaving out bytes in which all keys agree."""
    cdef int64_t counts[257]
    cdef int64_t i, j
    cdef uint64_t varying = 0
    cdef Item item
    cdef Item *here = items
    cdef Item *there = spare
    cdef int shift
    if n <= 32:
        for i in range(1, n):
            item = items[i]
            j = i
            while j > 0 and items[j - 1].key > item.key:
                items[j] = items[j - 1]
                j -= 1
            items[j] = item
        return
    for i in range(1, n):
        varying |= items[i].key ^ items[0].key
    for shift in range(0, 64, 8):
        if (varying >> shift) & 255 == 0:
            continue
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            counts[((here[i].key >> shift) & 255) + 1] += 1
        for i in range(1, 256):
            counts[i] += counts[i - 1]
        for i in range(n):
            j = (here[i].key >> shift) & 255
            there[counts[j]] = here[i]
            counts[j] += 1
        here, there = there, here
    if here != items:
        memcpy(items, here, n * sizeof(Item))


cdef void order_targets(int32_t *row, int64_t n, Item *items, Item *spare) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        items[i].key = <uint64_t> row[i]
    sort_items(items, spare, n)
    for i in range(n):
        row[i] = <int32_t> items[i].key


cdef bint read_keys(const Word *keys, int64_t n, Item *items) noexcept nogil:
    """The keys of a row as items; whether they are in order already."""
    cdef int64_t i
    cdef bint in_order = True
    for i in range(n):
        items[i].key, items[i].position = keys[i], i
        in_order &= i == 0 or keys[i - 1] <= keys[i]
    return in_order


cdef void permute(Word *values, int64_t n, const Item *items, Word *spare) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        spare[i] = values[items[i].position]
    memcpy(values, spare, n * sizeof(Word))


def sort_rows(const int64_t[::1] indptr, *arrays):
    """Sort each row by the first of `arrays`, stably and in place, the others along with it.

    arrays : at most three, (m,) of items of 4 or 8 bytes; the first not negative, so that its bits order as its values do
    """
    cdef Column[3] columns
    cdef int n_columns = len(arrays), c
    cdef int64_t i, n, start, work = 0
    cdef Item[:, ::1] items = new_items(longest_row(indptr))
    cdef Item *first = &items[0, 0]
    cdef Item *spare = &items[1, 0]
    cdef uint8_t[::1] raw
    cdef bint in_order
    if indptr[indptr.shape[0] - 1] == 0:
        return
    for c in range(n_columns):
        raw = arrays[c].view(np.uint8)
        columns[c].data, columns[c].width = <char *> &raw[0], arrays[c].itemsize
    with nogil:
        for i in range(indptr.shape[0] - 1):
            start, n = indptr[i], indptr[i + 1] - indptr[i]
            if columns[0].width == 4:
                in_order = read_keys(<uint32_t *> columns[0].data + start, n, first)
            else:
                in_order = read_keys(<uint64_t *> columns[0].data + start, n, first)
            if not in_order:
                sort_items(first, spare, n)
                for c in range(n_columns):
                    if columns[c].width == 4:
                        permute(<uint32_t *> columns[c].data + start, n, first, <uint32_t *> spare)
                    else:
                        permute(<uint64_t *> columns[c].data + start, n, first, <uint64_t *> spare)
            if is_due(&work, n + 1):
                with gil:
                    PyErr_CheckSignals()
