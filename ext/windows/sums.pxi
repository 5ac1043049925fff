# The arrivals of a window as sums.
#
# Membranes are linear: what arrivals do to a neuron by the end of a window is the sum of what each does alone, so long as
# the neuron does not spike in between. Each is one load, two multiplications and two additions of integers, in any order.
# Then one bound says, for each neuron, whether it may reach its threshold within the window. If not - nearly always - the
# closed form and the sums give its state at the end, exactly. If it may, its arrivals are taken one by one.

cdef extern from *:
    """
    #include <math.h>
    """
    double ldexp(double x, int exponent) noexcept nogil
    double frexp(double x, int *exponent) noexcept nogil

cdef extern from "<stdlib.h>" nogil:
    void *aligned_alloc(size_t alignment, size_t size)

cdef enum:
    FINENESS = 44               # binary digits of the largest effect, at most
    FADES = 3                   # in a frame, at whose end a current may have faded by so many digits, so many more
    REPEATS = 6                 # a sum has room for 2**REPEATS of the largest effects by every synapse in a window

cdef double quantum(double largest, double synapses, int finer) noexcept nogil:
    """A power of two: the largest effect is 2**(FINENESS + finer) of it or less; a sum over so many synapses stays below 2**62."""
    cdef int exponent, room
    frexp(largest, &exponent)
    frexp(synapses, &room)
    return ldexp(1.0, max(exponent, -900) - min(FINENESS + finer, 62 - REPEATS - room))

cdef double peak_time(a, b):
    """When the responses of membranes of rate a to currents of rate b are largest [ms]: the earliest of them."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.min(np.where(a == b, 1.0 / a, np.log(b / a) / (b - a))))

cdef inline double counted(double before_end, const Neuron *s, Time end) noexcept nogil:
    """How long before the end of a window an arrival counts, where it waits for the release of the neuron."""
    return min(before_end, max(elapsed(s.free, end), 0.0))

cdef struct Frame:              # of a worker: for which credits are
    double end                  # [ms]
    bint waited_for             # has anybody credit, or arrivals among the sums? Then the window in which it ends is not left out
    Outlook outlook

@cython.final
cdef class Sums:
    """Those of a population."""
    cdef readonly Population p
    cdef Pool *pools                            # of each worker: the sums,
    cdef int32_t *place                         # and where in its worker's pool each neuron has its own
    cdef uint64_t *touched                      # one bit for each: has it arrivals of this window among the sums (if its sum lasts,
    cdef uint64_t *reached                      # only where somebody watches: what is noted is touched, or pending),
    cdef uint64_t *looks                        # must its threshold be looked at,
    cdef uint64_t *exact                        # are its arrivals taken one by one,
    cdef uint64_t *resting                      # may it be refractory? If arrivals wait for the release; else NULL
    cdef Panel *panels                          # if dense: states at the end of the last window,
    cdef uint64_t *outside                      # but for these neurons, which live in rows; and bits that no neuron has
    cdef uint64_t *marks                        # two words for each: has it an arrival, and another (see alone.pxi)?
    cdef Loners *loners                         # of each worker
    cdef readonly bint lonely                   # is nearly every arrival the only one at its neuron?
    cdef int workers
    cdef int64_t *begin                         # the first neuron of each worker, and where those of the last end
    cdef bint dealt                             # since the last `set_places`?
    cdef readonly bint dense                    # are all neurons looked at in every window?
    cdef readonly double frame                  # for how long sums last [ms]; 0: for a window. If so (frames.pxi):
    cdef int64_t *credit                        # how much excitation each neuron can take, -1: not looked up,
    cdef uint64_t *credited                     # which have any,
    cdef uint64_t *pending                      # which have arrivals among the sums,
    cdef uint64_t *due                          # and which have used up their credit;
    cdef Frame *frames                          # of each worker
    cdef bint same                              # see `Population.effects`
    cdef Py_ssize_t rates_stride, stride        # of the rows of coefficients; 0: what matters is the same for all neurons
    cdef double quanta[3]                       # see sums.h
    cdef double length                          # of a window [ms]
    cdef Series series                          # see drives.h
    cdef tuple fitted                           # and what it was made for

    def __cinit__(self, Population p, int workers):
        cdef Py_ssize_t n = p.n + 64
        cdef int k
        self.p, self.workers = p, workers
        self.place = <int32_t *> calloc(n, sizeof(int32_t))
        self.pools = <Pool *> calloc(workers, sizeof(Pool))
        self.touched = <uint64_t *> calloc(4 * (n >> 6), sizeof(uint64_t))
        self.marks = <uint64_t *> calloc(2 * (n >> 6), sizeof(uint64_t))
        self.loners = <Loners *> calloc(workers, sizeof(Loners))
        self.begin = <int64_t *> calloc(workers + 1, sizeof(int64_t))
        if self.begin == NULL or self.place == NULL or self.pools == NULL or self.touched == NULL or self.marks == NULL or self.loners == NULL:
            raise MemoryError(f"Windows: no memory for {p.n} neurons")
        for k in range(workers):
            self.pools[k].neurons, self.pools[k].width, self.pools[k].apart = p.rows, p.width, 1
            self.pools[k].rises = p.kernel().rises
        self.reached, self.looks = self.touched, self.touched + (n >> 6)
        self.exact = self.looks + (n >> 6)
        self.resting = self.exact + (n >> 6) if p.kernel().freezes else NULL
        self.deal_out([0] + workers * [p.n])

    def __dealloc__(self):
        cdef int k
        for k in range(self.workers if self.pools != NULL else 0):
            free(self.pools[k].sums)
            free(self.pools[k].sources)
        free(self.pools)
        free(self.place)
        free(self.touched)
        free(self.marks)
        free(self.panels)
        free(self.outside)
        free(self.loners)
        free(self.begin)
        free(self.credit)
        free(self.credited)
        free(self.frames)

    def set_quanta(self, double weight, double length, double synapses=1.0):
        """For weights up to `weight`, windows up to `length`, and at most so many synapses onto a neuron."""
        cdef int finer = FADES if self.frame else 0
        self.length = length
        first, second, third, self.same = self.p.effects(self.frame or length)
        self.rates_stride, self.stride = self.stride_of(self.p.kernel().rates), self.stride_of(self.p.kernel().coefficients)
        self.quanta[0], self.quanta[1] = quantum(weight * first, synapses, finer), quantum(weight * second, synapses, finer)
        self.quanta[2] = quantum(weight * third, synapses, finer)
        if self.dense:
            self.fit_series(length)

    cdef fit_series(self, double length):
        """Effects in quanta as polynomials, through their values at the zeros of Chebyshev's."""
        cdef double[::1] x = np.empty(CHUNK)
        cdef Effects e, fitted
        cdef int i, k
        cdef bint close
        if self.fitted is not None and self.fitted[0] is self.p.coef and self.fitted[1:] == (length, self.quanta[0], self.quanta[1]):
            return
        self.fitted = self.p.coef, length, self.quanta[0], self.quanta[1]
        self.series.terms, self.series.middle = 0, 0.5 * length
        for terms in (6, 8, TERMS) if self.rates_stride == 0 and self.resting == NULL and not self.p.kernel().rises else ():
            nodes = np.cos((np.arange(terms) + 0.5) * (np.pi / terms))
            for k in range(terms):
                x[k] = self.series.middle * (1.0 + nodes[k])
            self.p.kernel().effects(terms, &x[0], NULL, self.p.coefs, 0, self.quanta, self.same, &e)
            self.series.terms = terms
            for i in range(4):
                values = np.array([e.f[i][k] for k in range(terms)])
                powers = np.linalg.solve(np.vander(nodes, increasing=True), values) / self.series.middle ** np.arange(terms)
                for k in range(terms):
                    self.series.f[i][k] = powers[k]
            for k in range(CHUNK):
                x[k] = length * k / (CHUNK - 1)
                eventsim_series(x[k], &self.series, &fitted, k)
            self.p.kernel().effects(CHUNK, &x[0], NULL, self.p.coefs, 0, self.quanta, self.same, &e)
            close = True
            for i in range(4):
                for k in range(CHUNK):
                    close &= fabs(fitted.f[i][k] - e.f[i][k]) < 0.25
            if close:
                return
        self.series.terms = 0

    cdef void note_rest(self, Py_ssize_t j, Time now) noexcept nogil:
        cdef uint64_t bit = <uint64_t> 1 << (j & 63)
        if self.resting != NULL and before(now, self.p.row(j).free):
            self.resting[j >> 6] |= bit
        elif self.resting != NULL:
            self.resting[j >> 6] &= ~bit

    cdef inline void note_released(self, Py_ssize_t j, Time now) noexcept nogil:
        """The same of a neuron that has not spiked."""
        if self.resting != NULL and self.resting[j >> 6] >> (j & 63) & 1:
            self.note_rest(j, now)

    def deal_out(self, begin):
        """Where the neurons of each worker begin, and those of the last end, in whole words. Before `set_places`."""
        cdef int k
        for k in range(self.workers + 1):
            self.dealt |= self.begin[k] != <int64_t> begin[k]
            self.begin[k] = begin[k]

    @property
    def begins(self):
        """See `deal_out`."""
        return [self.begin[k] for k in range(self.workers + 1)]

    cdef inline int worker_of(self, Py_ssize_t j) noexcept nogil:
        cdef int k = 0
        while j >= self.begin[k + 1]:
            k += 1
        return k

    def set_places(self, bint dense, double frame=0.0):
        """Let each neuron have a place of its own, because all are looked at in each window or sums last for a frame [ms]; or let
        it have one only while it has arrivals."""
        cdef size_t words = (self.p.n + 63) >> 6
        cdef int k
        if dense == self.dense and frame == self.frame and not self.dealt:
            return
        self.dense, self.frame, self.dealt = dense, frame, False
        if dense and self.outside == NULL:
            self.panels = <Panel *> aligned_alloc(64, (words + 1) * sizeof(Panel))
            self.outside = <uint64_t *> malloc((words + 1) * sizeof(uint64_t))
            if self.panels == NULL or self.outside == NULL:
                raise MemoryError(f"Windows: no memory for the states of {self.p.n} neurons")
            memset(self.panels, 0, (words + 1) * sizeof(Panel))
            memset(self.outside, 0xff, (words + 1) * sizeof(uint64_t))
        if frame and self.credit == NULL:
            self.credit = <int64_t *> malloc((self.p.n + 1) * sizeof(int64_t))
            self.credited = <uint64_t *> malloc(3 * (words + 1) * sizeof(uint64_t))
            self.frames = <Frame *> calloc(self.workers, sizeof(Frame))
            if self.credit == NULL or self.credited == NULL or self.frames == NULL:
                raise MemoryError(f"Windows: no memory for the credits of {self.p.n} neurons")
            self.pending, self.due = self.credited + words + 1, self.credited + 2 * (words + 1)
        for k in range(self.workers):
            self.pools[k].first, self.pools[k].due = <int32_t> self.begin[k], self.due
            self.pools[k].kind = FRAMES if frame else OWN_PLACES if dense else SHARED_PLACES
            if (dense or frame) and reserve(&self.pools[k], max(self.begin[k + 1] - self.begin[k], 1)):
                raise MemoryError(f"Windows: no memory for sums of {self.p.n} neurons")
            self.pools[k].apart = self.pools[k].capacity if dense else 1
            if self.pools[k].sums != NULL:
                clear_sums(&self.pools[k], self.pools[k].sums, 2 * self.pools[k].capacity)

    cdef inline Sum *own(self, Py_ssize_t j) noexcept nogil:
        """The sums of a neuron that has a place of its own."""
        return own_sums(&self.pools[self.worker_of(j)]) + 2 * j

    cdef inline Accounts accounts(self, int worker) noexcept nogil:
        cdef Accounts own
        own.sums, own.credit, own.credited, own.pending = own_sums(&self.pools[worker]), self.credit, self.credited, self.pending
        return own

    cdef inline Py_ssize_t first_word(self, int worker) noexcept nogil:
        return (self.begin[worker] + 63) >> 6

    # ---- frames

    cdef void expire(self, Py_ssize_t word, uint64_t bits) noexcept nogil:
        """Some neurons of a word have no credit any more, and nothing in their sums."""
        cdef int32_t j
        cdef Accounts own = self.accounts(self.worker_of(64 * word))
        while bits:
            j = <int32_t> (64 * word + lowest(bits))
            bits &= bits - 1
            empty_sum(&own, j, -1)

    cdef void begin_anew(self) noexcept nogil:
        """Nobody has credit, or arrivals."""
        cdef Py_ssize_t word
        cdef int k
        memset(self.credited, 0, 3 * (((self.p.n + 63) >> 6) + 1) * sizeof(uint64_t))
        for word in range((self.p.n + 63) >> 6):
            self.expire(word, neurons_of(self.p, word))
        for k in range(self.workers):
            self.frames[k].end, self.frames[k].waited_for = -INFINITY, False
            self.frames[k].outlook.left = self.frames[k].outlook.length = -1.0

    def dump(self):
        """Sums, credits, and which neurons have arrivals, as arrays; and where the frame ends. `load` is the inverse."""
        cdef Py_ssize_t words = (self.p.n + 63) >> 6
        sums = [np.asarray(<int64_t[:4 * n]> <int64_t *> self.pools[k].sums).reshape(n, 4) for k in range(self.workers)
                if (n := self.begin[k + 1] - self.begin[k]) > 0]
        return {"sums": np.concatenate(sums), "credit": np.array(<int64_t[:self.p.n]> self.credit),
                "pending": np.array(<uint64_t[:words]> self.pending), "end": np.array([self.frame, self.frames[0].end])}

    def load(self, const int64_t[:, ::1] sums, const int64_t[::1] credit, const uint64_t[::1] pending, double end):
        cdef Py_ssize_t j
        cdef int k
        self.begin_anew()
        for j in range(self.p.n):
            memcpy(self.own(j), &sums[j, 0], 2 * sizeof(Sum))
            self.credit[j] = credit[j]
            self.credited[j >> 6] |= <uint64_t> (credit[j] >= 0) << (j & 63)
            self.pending[j >> 6] |= pending[j >> 6] & <uint64_t> 1 << (j & 63)
        for k in range(self.workers):
            self.frames[k].end, self.frames[k].waited_for = end, True

    @property
    def waiting(self):
        """Has any neuron arrivals among the sums, or a credit?"""
        cdef Py_ssize_t words = (self.p.n + 63) >> 6
        return self.frame > 0.0 and bool(np.any(np.asarray(<uint64_t[:2 * (words + 1)]> self.credited)))

    cdef void settle_rows(self, Time at) noexcept nogil:
        """Bring the rows of all neurons with arrivals among the sums to a time after the last window; sums are of no use then."""
        cdef Window window = window_at(self, at, self.frames[0].end)
        cdef Outlook outlook
        cdef Accounts own
        cdef int32_t ids[CHUNK]
        cdef int32_t others[CHUNK]
        cdef uint8_t commit[CHUNK]
        cdef double respite[CHUNK]
        cdef Py_ssize_t word, n
        cdef uint64_t bits, credited
        memset(commit, 1, CHUNK)
        outlook.left = outlook.length = -1.0
        for word in range((self.p.n + 63) >> 6):
            bits, credited, n = self.pending[word], self.credited[word], 0
            while bits:
                ids[n] = <int32_t> (64 * word + lowest(bits))
                bits &= bits - 1
                n += 1
            if n:
                own = self.accounts(self.worker_of(64 * word))
                self.p.kernel().settle(n, ids, commit, self.p.rows, self.p.coefs, self.stride, self.same, &own, &window, &outlook,
                                       others, respite)
                self.credited[word] = credited

    cdef void leave(self, Py_ssize_t j, Time at) noexcept nogil:
        """Let a neuron live in its row; its state is that of a time."""
        self.p.kernel().leave(&self.panels[j >> 6], j & 63, <double *> self.p.row(j))
        self.p.row(j).at = at
        self.outside[j >> 6] |= <uint64_t> 1 << (j & 63)

    cdef void leave_all(self, Time at) noexcept nogil:
        cdef Py_ssize_t word, j
        cdef uint64_t bits
        for word in range((self.p.n + 63) >> 6 if self.outside != NULL else 0):
            bits = ~self.outside[word]
            while bits:
                j = 64 * word + lowest(bits)
                bits &= bits - 1
                self.leave(j, at)
            self.outside[word] = ~<uint64_t> 0

    def stride_of(self, int m):
        coef = self.p.coef[:, :m]
        return self.p.coef_stride if np.any(coef != coef[:1]) else 0

    def take(self, double[::1] row, const double[::1] before_end, const double[::1] weight, double length):
        """What a window of `length` [ms] that begins at 0 makes of a neuron with parameters 0: for tests.

        Returns
        -------
        (may it spike?, how long after the window it will not; the row is changed in place if it does not spike)
        """
        cdef Py_ssize_t m = len(weight)
        cdef int32_t[::1] target = np.zeros(max(m, 1), np.int32)
        cdef int32_t j = 0
        cdef uint8_t commit = 1, fails = 0
        cdef double respite = 0.0, x
        cdef Window window
        cdef Effects e
        cdef Resting nobody
        cdef const Sum *sums
        cdef const int64_t *sources
        cdef Py_ssize_t i
        window.epoch, window.offset, window.length, window.end_epoch, window.end_offset = 0.0, 0.0, length, 0.0, length
        window.quantum[0], window.quantum[1], window.quantum[2] = self.quanta[0], self.quanta[1], self.quanta[2]
        if reserve(&self.pools[0], m + 1):
            raise MemoryError("Sums: no memory")
        nobody.bits = NULL
        for i in range(m):
            x = counted(before_end[i], <const Neuron *> &row[0], at_time(0.0, length)) if self.resting != NULL else before_end[i]
            self.p.kernel().effects(1, &x, &target[0], self.p.coefs, self.rates_stride, self.quanta, self.same, &e)
            add_effects(1, &target[0], NULL, &weight[i], 1, &e, -1, 0, 1, self.place, &self.pools[0], self.touched, &nobody)
        sums = &self.pools[0].sums[2 * self.place[0]]
        sources = own_sources(&self.pools[0], sums)
        self.p.kernel().step(1, &j, &commit, &row[0], self.p.coefs, self.stride, self.same, &sums, &sources if sources != NULL else NULL,
                             &window, &fails, &respite)
        clear_sums(&self.pools[0], self.pools[0].sums, 2 * self.pools[0].n)
        self.place[0], self.touched[0], self.pools[0].n = 0, 0, 1
        return bool(fails), respite

    def alone(self, double[::1] row, double epoch, double offset, double weight, double length):
        """What a window of `length` [ms] that begins at `epoch` makes of a neuron with parameters 0 and one arrival: for tests.

        Returns
        -------
        as `take`
        """
        cdef int32_t j = 0
        cdef uint8_t fails = 0
        cdef double respite = 0.0
        cdef Window window
        window.epoch, window.offset, window.length = epoch, 0.0, length
        window.end_epoch, window.end_offset = epoch + floor(length), length - floor(length)
        self.p.kernel().alone(1, &j, &offset, &weight, &row[0], self.p.coefs, self.stride, self.same, &window, &fails, &respite)
        return bool(fails), respite

    def settle(self, double[::1] row, const double[::1] before_end, const double[::1] weight, double length, double left):
        """What a window of `length` [ms] makes of a neuron with parameters 0, whose frame begins at 0 and lasts `left` longer than
        the window, if it has got arrivals `before_end` of the frame since: for tests.

        Returns
        -------
        (may it spike in the window?, the excitation it can take until the frame ends [effect], how long it will not without an
        arrival [ms]; the row is changed in place if it does not spike)
        """
        cdef Py_ssize_t i, m = len(weight)
        cdef int32_t j = 0, at
        cdef uint8_t commit = 1
        cdef double respite = INFINITY, end = self.frame - left, x
        cdef Window window
        cdef Outlook outlook
        cdef Effects e
        cdef Resting nobody
        cdef Accounts own = self.accounts(0)
        nobody.bits = NULL
        self.begin_anew()
        for i in range(m):
            x = before_end[i]
            self.p.kernel().effects(1, &x, &j, self.p.coefs, self.rates_stride, self.quanta, self.same, &e)
            add_effects(1, &j, NULL, &weight[i], 1, &e, -1, 0, 1, self.place, &self.pools[0], self.pending, &nobody)
        window.epoch, window.offset, window.length, window.end_epoch, window.end_offset = 0.0, end - length, length, 0.0, end
        window.quantum[0], window.quantum[1], window.left, window.frame = self.quanta[0], self.quanta[1], left, self.frame
        outlook.left = outlook.length = -1.0
        self.p.kernel().settle(1, &j, &commit, &row[0], self.p.coefs, self.stride, self.same, &own, &window, &outlook, &at, &respite)
        return respite < 0.0, max(self.credit[0], 0) * self.quanta[0], respite

    def search(self, double[::1] row, double gap):
        """When does a neuron with parameters 0 spike, if nothing arrives within a time [ms] after its state? For tests.

        Returns
        -------
        (how long after its state; -1: not before that time, how long it certainly does not spike [ms])
        """
        cdef Course *c = <Course *> calloc(1, sizeof(Course))
        if c == NULL:
            raise MemoryError("Sums: no memory")
        try:
            c.lanes, c.gap[0] = 1, gap
            self.p.kernel().join(c, 0, &row[0], self.p.coefs)
            self.p.kernel().search(c, self.same, RESOLUTION)
            return c.spike[0], c.respite[0]
        finally:
            free(c)
