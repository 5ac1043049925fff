# The synapses of one projection: one delay-sorted row for each source neuron.

@cython.final
cdef class Rows:
    """CSR rows: targets int32, weights and delays float32, float64, or one float64 for all (no memory per synapse)."""
    cdef readonly object indptr, indices, weight, delay
    cdef const int64_t[::1] ptr
    cdef const int32_t[::1] target
    cdef Values weights, delays
    cdef readonly Population post
    cdef readonly int port
    cdef readonly Py_ssize_t first              # global id of the first source
    cdef readonly int pre                       # source population
    cdef object least, most, span               # see `shortest`, `largest`, `segment`
    cdef bint visited                           # by windows: see `Worker.visit`

    def __init__(self, Population pre, Population post, int port, indptr, indices, weight, delay):
        self.pre, self.first, self.post, self.port = pre.index, pre.first, post, port
        self.indptr = self.ptr = indptr
        self.indices = self.target = indices
        self.set_weight(weight)
        self.delay = delay
        self.delays = values_of(delay)

    @property
    def shortest(self):
        """The shortest delay [ms]; inf without synapses."""
        if self.least is None:
            self.least = float(self.delay.min()) if len(self.indices) else np.inf
        return self.least

    @property
    def largest(self):
        """The largest weight, whatever its sign; 0 without synapses."""
        if self.most is None:
            self.most = max(abs(float(self.weight.min())), abs(float(self.weight.max()))) if len(self.indices) else 0.0
        return self.most

    def segment(self, double length):
        """How many synapses of a row are due in a window of `length` [ms], on average."""
        if self.span is None:
            self.span = float(self.delay.max()) - self.shortest if len(self.indices) else 0.0
        return len(self.indices) / max(np.count_nonzero(np.diff(self.indptr)), 1) / (1.0 + self.span / length)

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
