# The synapses of one projection: one delay-sorted row for each source neuron.

@cython.final
cdef class Rows:
    """CSR rows: targets int32; weights and delays float32, float64, or one float64 for all (no memory per synapse). Delays
    that take few values are codes, uint8 or uint16, of the entries of a table: `delays.table`, with `delays.entries` > 0.
    Codes order as the delays do, so that a row is sorted by either, and synapses of one delay stand side by side.
    """
    cdef readonly object indptr, indices, weight
    cdef readonly object delay_data, delay_table    # as stored: numbers and an empty table, or codes and what they stand for
    cdef const int64_t[::1] ptr
    cdef const int32_t[::1] target
    cdef Values weights, delays
    cdef readonly Population post
    cdef readonly int port
    cdef readonly Py_ssize_t first              # global id of the first source
    cdef readonly int pre                       # source population
    cdef object least, most, span, degree, ones # see `shortest`, `largest`, `segment`, `in_degree`, `one_each`
    cdef bint inhibits                          # are all weights negative?
    cdef bint at_once, known                    # see `look_at_order`
    cdef bint summed                            # by windows: what arrives is summed,
    cdef bint by_series                         # and effects come from `Sums.series`,
    cdef bint visited                           # and spikes are visited, not sent: see `Worker.visit`

    def __init__(self, Population pre, Population post, int port, indptr, indices, weight, delay, table=NO_TABLE):
        self.pre, self.first, self.post, self.port = pre.index, pre.first, post, port
        self.indptr = self.ptr = indptr
        self.indices = self.target = indices
        self.set_weight(weight)
        self.delay_data, self.delay_table = delay, table
        self.delays = values_of(delay, table)
        self.at_once = self.known = False

    @property
    def delay(self):
        """Delays [ms], (m,) in row order or (1,), as numbers."""
        return self.delay_table[self.delay_data] if self.delays.entries else self.delay_data

    @property
    def shortest(self):
        """The shortest delay [ms]; inf without synapses."""
        if self.least is None:
            self.least = float(self.delay_table[0] if self.delays.entries else self.delay_data.min(initial=np.inf))
        return self.least

    @property
    def largest(self):
        """The largest weight, whatever its sign; 0 without synapses."""
        if self.most is None:
            least, most = (float(self.weight.min()), float(self.weight.max())) if len(self.indices) else (0.0, 0.0)
            self.most, self.inhibits = max(abs(least), abs(most)), most < 0.0
        return self.most

    @property
    def in_degree(self):
        """The largest number of synapses onto one target."""
        if self.degree is None:
            count, part = np.zeros(self.post.n, np.int64), max(1 << 20, 4 * self.post.n)     # copies of part of them
            for start in range(0, len(self.indices), part):
                count += np.bincount(self.indices[start:start + part], minlength=self.post.n)
            self.degree = int(count.max(initial=0))
        return self.degree

    def segment(self, double length):
        """How many synapses of a row are due in a window of `length` [ms], on average."""
        if self.span is None:
            most = (self.delay_table if self.delays.entries else self.delay_data).max(initial=0.0)
            self.span = (float(most) - self.shortest if len(self.indices) else 0.0,
                         len(self.indices) / max(np.count_nonzero(np.diff(self.indptr)), 1))
        return self.span[1] / (1.0 + self.span[0] / length)

    cdef void look_at_order(self) noexcept:
        """Find out whether the synapses of a row have one delay and are in the order of targets: `at_once`."""
        cdef int64_t i, k
        if self.known:
            return
        self.known, self.at_once = True, self.delays.stride == 0
        for i in range(self.ptr.shape[0] - 1 if self.at_once else 0):
            for k in range(self.ptr[i] + 1, self.ptr[i + 1]):
                self.at_once &= self.target[k - 1] <= self.target[k]

    def one_each(self):
        """Sources from the first on that have one synapse each, with consecutive targets and one delay > 0 for all: how many, and
        the first; 0 if the synapses are not like that."""
        if self.ones is None:
            number = np.diff(self.indptr)
            sources = np.flatnonzero(number)
            n = len(sources)
            is_so = (n > 0 and not self.delays.stride and self.shortest > 0.0 and np.all(number <= 1)
                     and sources[n - 1] - sources[0] == n - 1 and np.all(np.diff(self.indices) == 1))
            self.ones = (n, int(sources[0])) if is_so else (0, 0)
        return self.ones

    def set_weight(self, weight):
        """Replace the weights, (m,) in row order or (1,)."""
        self.weight, self.most = weight, None
        self.weights = values_of(weight)

    cdef inline const int32_t *targets(self) noexcept nogil:
        return &self.target[0]

    cdef inline int64_t start(self, int64_t source) noexcept nogil:
        return self.ptr[source - self.first]

    cdef inline int64_t stop(self, int64_t source) noexcept nogil:
        return self.ptr[source - self.first + 1]
