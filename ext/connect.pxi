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


# ---- the rows of a rule: all of them, or those from `first` on for which `skipped` and indptr[:-1] have entries

def probability_rows(double p, int64_t n_post, const int32_t[::1] skipped, uint64_t seed, uint64_t purpose, uint64_t first,
                     int64_t[::1] indptr, int32_t[::1] indices):
    """Each pair with probability p, 0 < p < 1: fill `indices`, or put the counts into indptr[1:] if it is None."""
    cdef int64_t i, count, work = 0
    cdef double log_q = log1p(-p)
    cdef bint counting = indices is None
    cdef int32_t *row = NULL
    cdef Stream s
    with nogil:
        for i in range(indptr.shape[0] - 1):
            open_stream(&s, seed, purpose, first + <uint64_t> i)
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
                    look_up()


cdef void step_over(int32_t *row, int64_t n, int32_t skipped) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        row[i] = over(row[i], skipped)


def chosen_rows(int64_t n_post, const int32_t[::1] skipped, bint repeats, uint64_t seed, uint64_t purpose, uint64_t first,
                const int64_t[::1] indptr, int32_t[::1] indices):
    """As many targets for each source as `indptr` says, chosen at random, in order."""
    cdef int64_t i, k, work = 0
    cdef int64_t longest = longest_row(indptr)
    cdef uint8_t[::1] taken = np.zeros(0 if repeats else n_post, np.uint8)
    cdef uint32_t[::1] order = np.empty(longest, np.uint32)
    cdef uint64_t[::1] spare = np.empty(longest, np.uint64)
    cdef int32_t *row
    cdef Stream s
    with nogil:
        for i in range(indptr.shape[0] - 1):
            k = indptr[i + 1] - indptr[i]
            if k:
                row = &indices[indptr[i]]
                open_stream(&s, seed, purpose, first + <uint64_t> i)
                if not choose(&s, available(n_post, skipped[i]), k, repeats, NULL if repeats else &taken[0], row):
                    if find_order(<uint32_t *> row, k, &order[0], <uint32_t *> &spare[0]):
                        permute(<uint32_t *> row, k, &order[0], <uint32_t *> &spare[0])
                step_over(row, k, skipped[i])
            if is_due(&work, k + 1):
                with gil:
                    look_up()


def chosen_columns(int64_t k, int64_t n_pre, const int32_t[::1] skipped, bint repeats, uint64_t seed, uint64_t purpose,
                   uint64_t first, int64_t[::1] ends, int32_t[::1] indices):
    """k sources for each target from `first` on for which `skipped` has an entry, chosen at random: count them in `ends`
    (n_pre,) or, if `indices` is not None, file each target under its sources, whose rows end at ends so far.
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
            open_stream(&s, seed, purpose, first + <uint64_t> j)
            choose(&s, available(n_pre, skipped[j]), k, repeats, NULL if repeats else &taken[0], &column[0])
            for i in range(k):
                source = over(column[i], skipped[j])
                if not counting:
                    indices[ends[source]] = <int32_t> (first + <uint64_t> j)
                ends[source] += 1
            if is_due(&work, k):
                with gil:
                    look_up()


def shared_out(int64_t total, int64_t n_post, const int32_t[::1] skipped, bint repeats, uint64_t seed, uint64_t purpose,
               uint64_t first, int64_t attempts, int64_t[::1] counts):
    """Add to `counts` how many of `total` pairs, drawn with repeats or without, each row gets; how many have been drawn.

    Pairs are drawn one after the other from the square of all pairs; one that is excluded, or without repeats drawn already,
    is drawn anew. Of a row's pairs it matters only how many are still free, so no pair need be remembered; with repeats not
    even that, so that parts of the sequence, `attempts` from the `first` on, can be drawn by themselves.
    """
    cdef int64_t i, attempt, drawn = 0, work = 0, n_pre = counts.shape[0]
    cdef Stream s
    open_stream(&s, seed, purpose, <uint64_t> n_pre)        # the one after those of the rows
    skip_words(&s, 2 * first)
    with nogil:
        for attempt in range(attempts):
            if drawn == total:
                break
            i = below(next_word(&s), n_pre)
            if below(next_word(&s), n_post) < available(n_post, skipped[i]) - (0 if repeats else counts[i]):
                counts[i] += 1
                drawn += 1
            if is_due(&work, 1):
                with gil:
                    look_up()
    return drawn


ctypedef fused Place:
    uint32_t
    int64_t


def rows_of_pairs(const int32_t[::1] pre, int64_t[::1] ends, Place[::1] order):
    """Counting sort: into `order` the pairs by source, pairs of one source in the order given.

    `ends` (n_pre,) holds where each row starts, and afterwards where it ends.
    """
    cdef int64_t i, work = 0
    with nogil:
        for i in range(pre.shape[0]):
            order[ends[pre[i]]] = <Place> i
            ends[pre[i]] += 1
            if is_due(&work, 1):
                with gil:
                    look_up()


# ---- sorting rows

cdef struct Column:
    char *data
    int width                   # bytes of an entry

ctypedef fused Word:
    uint8_t
    uint16_t
    uint32_t
    uint64_t


cdef int64_t longest_row(const int64_t[::1] indptr) except -1:
    cdef int64_t i, longest = 1
    for i in range(indptr.shape[0] - 1):
        longest = max(longest, indptr[i + 1] - indptr[i])
    if longest > UINT32_MAX:
        raise MemoryError(f"{longest} synapses of one source")
    return longest


cdef bint find_order(const Word *keys, int64_t n, uint32_t *order, uint32_t *spare) noexcept nogil:
    """Into `order` (n,), the places of the keys from the least on, of equal ones as they stand. False: they are in order.

    A byte at a time is sorted by, from the lowest, leaving out bytes in which all keys agree.
    """
    cdef int64_t counts[257]
    cdef int64_t i, j
    cdef uint64_t varying = 0
    cdef bint in_order = True
    cdef uint32_t *here = order
    cdef uint32_t *there = spare
    cdef int shift
    for i in range(1, n):
        in_order &= keys[i - 1] <= keys[i]
        varying |= keys[i] ^ keys[0]
    if in_order:
        return False
    for i in range(n):
        order[i] = <uint32_t> i
    if n <= 32:
        for i in range(1, n):
            j = i
            while j > 0 and keys[order[j - 1]] > keys[i]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = <uint32_t> i
        return True
    for shift in range(0, 8 * sizeof(Word), 8):
        if (varying >> shift) & 255 == 0:
            continue
        memset(counts, 0, sizeof(counts))
        for i in range(n):
            counts[((keys[i] >> shift) & 255) + 1] += 1
        for i in range(1, 256):
            counts[i] += counts[i - 1]
        for i in range(n):
            j = (keys[here[i]] >> shift) & 255
            there[counts[j]] = here[i]
            counts[j] += 1
        here, there = there, here
    if here != order:
        memcpy(order, here, n * sizeof(uint32_t))
    return True


cdef void permute(Word *values, int64_t n, const uint32_t *order, Word *spare) noexcept nogil:
    cdef int64_t i
    for i in range(n):
        spare[i] = values[order[i]]
    memcpy(values, spare, n * sizeof(Word))


cdef bint find_order_of(Column c, int64_t start, int64_t n, uint32_t *order, void *spare) noexcept nogil:
    if c.width == 1:
        return find_order(<const uint8_t *> c.data + start, n, order, <uint32_t *> spare)
    if c.width == 2:
        return find_order(<const uint16_t *> c.data + start, n, order, <uint32_t *> spare)
    if c.width == 4:
        return find_order(<const uint32_t *> c.data + start, n, order, <uint32_t *> spare)
    return find_order(<const uint64_t *> c.data + start, n, order, <uint32_t *> spare)


cdef void permute_entries(Column c, int64_t start, int64_t n, const uint32_t *order, void *spare) noexcept nogil:
    if c.width == 1:
        permute(<uint8_t *> c.data + start, n, order, <uint8_t *> spare)
    elif c.width == 2:
        permute(<uint16_t *> c.data + start, n, order, <uint16_t *> spare)
    elif c.width == 4:
        permute(<uint32_t *> c.data + start, n, order, <uint32_t *> spare)
    else:
        permute(<uint64_t *> c.data + start, n, order, <uint64_t *> spare)


def sort_rows(const int64_t[::1] indptr, *arrays):
    """Sort each row by the first of `arrays`, stably and in place, the others along with it.

    arrays : at most three, (m,) of items of 1, 2, 4 or 8 bytes; the first not negative, so that its bits order as its values do
    """
    cdef Column[3] columns
    cdef int n_columns = len(arrays), c
    cdef int64_t i, n, start, work = 0
    cdef int64_t longest = longest_row(indptr)
    cdef uint32_t[::1] order = np.empty(longest, np.uint32)
    cdef uint64_t[::1] spare = np.empty(longest, np.uint64)
    cdef uint8_t[::1] raw
    if indptr[indptr.shape[0] - 1] == indptr[0]:
        return
    for c in range(n_columns):
        raw = arrays[c].view(np.uint8)
        columns[c].data, columns[c].width = <char *> &raw[0], arrays[c].itemsize
    with nogil:
        for i in range(indptr.shape[0] - 1):
            start, n = indptr[i], indptr[i + 1] - indptr[i]
            if find_order_of(columns[0], start, n, &order[0], &spare[0]):
                for c in range(n_columns):
                    permute_entries(columns[c], start, n, &order[0], &spare[0])
            if is_due(&work, n + 1):
                with gil:
                    look_up()


# ---- few values: codes

#: Instead of a table, where numbers are stored as they are.
NO_TABLE = np.empty(0)


@cython.final
cdef class Codebook:
    """Gives each of at most `most` <= 65,536 different numbers a code: how many had come before it.

    Open addressing, at most half full. Cost: O(1) for each number.
    """
    cdef double[::1] numbers        # by code
    cdef int32_t[::1] codes         # by place; -1: none
    cdef Py_ssize_t n, most
    cdef int shift

    def __init__(self, Py_ssize_t most):
        cdef int bits = max(most - 1, 1).bit_length() + 1
        self.most, self.shift = most, 64 - bits
        self.numbers, self.codes = np.empty(most), np.full(1 << bits, -1, np.int32)

    def encode(self, const double[::1] values, uint16_t[::1] out):
        """The codes of `values`, -0.0 as 0.0; False as soon as there are too many different ones."""
        cdef Py_ssize_t i
        cdef int32_t code = 0
        with nogil:
            for i in range(values.shape[0]):
                code = self.code(values[i] + 0.0)
                if code < 0:
                    break
                out[i] = <uint16_t> code
        return code >= 0

    cdef inline int32_t code(self, double x) noexcept nogil:
        cdef uint64_t bits
        cdef size_t place
        memcpy(&bits, &x, sizeof(x))
        place = (bits * <uint64_t> 0x9E3779B97F4A7C15) >> self.shift
        while self.codes[place] >= 0:
            if self.numbers[self.codes[place]] == x:
                return self.codes[place]
            place = (place + 1) & ((<size_t> 1 << (64 - self.shift)) - 1)
        if self.n == self.most:
            return -1
        self.numbers[self.n], self.codes[place] = x, <int32_t> self.n
        self.n += 1
        return <int32_t> (self.n - 1)

    def contents(self):
        """The numbers, by code."""
        return np.array(self.numbers[:self.n])
