# The two priority queues. Flights: spikes on their way, one entry per spike and projection, whatever the number of
# synapses. Alarms: for each neuron a certified lower bound of its next spike. Both are 4-ary heaps (half the cache
# misses of a binary heap). Total order: time first, arrivals before alarms, then source and synapse (docs/semantics.md).

cdef struct Flight:
    Time arrival            # when the synapse under the cursor is due
    Time departure          # when the source spiked
    int32_t source          # global id; -1: a step of an injected current
    int32_t projection      # index in the engine; for a step, the population
    int64_t cursor, stop    # position in the delay-sorted row, and its end

FLIGHT = np.dtype([("arrival", "f8", 2), ("departure", "f8", 2), ("source", "i4"), ("projection", "i4"), ("cursor", "i8"), ("stop", "i8")])

cdef inline bint sooner(const Flight *a, const Flight *b) noexcept nogil:
    if not same(a.arrival, b.arrival):
        return before(a.arrival, b.arrival)
    if a.source != b.source:
        return a.source < b.source
    if a.projection != b.projection:
        return a.projection < b.projection
    # Two spikes of one source can meet when they left by different synapses, or at one instant.
    if a.cursor != b.cursor:
        return a.cursor < b.cursor
    return before(a.departure, b.departure)

@cython.final
cdef class Flights:
    """Min-heap of spikes in flight."""
    cdef Flight *heap
    cdef Py_ssize_t n, capacity
    cdef readonly int64_t pushes, pops

    def __dealloc__(self):
        free(self.heap)

    cdef int reserve(self, Py_ssize_t extra) noexcept nogil:
        """Make room for `extra` more entries; -1 if there is no memory (nothing has changed then)."""
        cdef Py_ssize_t capacity = max(2 * self.capacity, self.n + extra, 64)
        cdef Flight *heap
        if self.n + extra <= self.capacity:
            return 0
        heap = <Flight *> realloc(self.heap, capacity * sizeof(Flight))
        if heap == NULL:
            return -1
        self.heap, self.capacity = heap, capacity
        return 0

    cdef void push(self, const Flight *f) noexcept nogil:
        """Add an entry; the caller has reserved room."""
        cdef Py_ssize_t i = self.n, parent
        self.n += 1
        self.pushes += 1
        while i > 0:
            parent = (i - 1) >> 2
            if not sooner(f, &self.heap[parent]):
                break
            self.heap[i] = self.heap[parent]
            i = parent
        self.heap[i] = f[0]

    cdef void pop(self) noexcept nogil:
        self.pops += 1
        self.n -= 1
        if self.n > 0:
            self.replace_top(&self.heap[self.n])

    cdef void replace_top(self, const Flight *f) noexcept nogil:
        """Put `f` where the earliest entry is and restore the heap: one sift instead of a pop and a push."""
        cdef Flight moved = f[0]
        cdef Py_ssize_t i = 0, child, best, last
        while True:
            child = 4 * i + 1
            if child >= self.n:
                break
            best, last = child, min(child + 4, self.n)
            for child in range(child + 1, last):
                if sooner(&self.heap[child], &self.heap[best]):
                    best = child
            if not sooner(&self.heap[best], &moved):
                break
            self.heap[i] = self.heap[best]
            i = best
        self.heap[i] = moved

    def dump(self):
        """Copy of the heap, in heap order."""
        out = np.empty(self.n, FLIGHT)
        cdef const uint8_t[::1] view = out.view(np.uint8)
        if self.n:
            memcpy(<void *> &view[0], self.heap, self.n * sizeof(Flight))
        return out

    def drain(self, Py_ssize_t n):
        """Remove and return the n earliest entries, in order."""
        out = np.empty(n, FLIGHT)
        cdef uint8_t[::1] view = out.view(np.uint8)
        cdef Py_ssize_t k
        for k in range(n):
            memcpy(&view[k * sizeof(Flight)], self.heap, sizeof(Flight))
            self.pop()
        return out

    def load(self, entries):
        """Replace the contents; `entries` may come in any order."""
        cdef const uint8_t[::1] view = np.ascontiguousarray(entries, FLIGHT).view(np.uint8)
        cdef Py_ssize_t k, n = len(entries)
        cdef Flight f
        self.n = 0
        if self.reserve(n):
            raise MemoryError(f"Flights: no memory for {n} spikes in flight")
        for k in range(n):
            memcpy(&f, &view[k * sizeof(Flight)], sizeof(Flight))
            self.push(&f)
        self.pushes -= n

    cdef int drop_spikes(self) noexcept nogil:
        """Keep the steps of injected currents only, and no more memory than they need; -1 if there is none."""
        cdef Flight *heap = self.heap
        cdef Py_ssize_t k, n = self.n
        cdef int64_t pushes = self.pushes
        self.heap, self.n, self.capacity = NULL, 0, 0
        for k in range(n):
            if heap[k].source < 0:
                if self.reserve(1):
                    free(heap)
                    return -1
                self.push(&heap[k])
        self.pushes = pushes
        free(heap)
        return 0

    def check(self):
        """Verify the heap order."""
        cdef Py_ssize_t i
        for i in range(1, self.n):
            if sooner(&self.heap[i], &self.heap[(i - 1) >> 2]):
                raise AssertionError(f"Flights: entry {i} is earlier than its parent")


cdef struct Alarm:
    Time time
    int64_t neuron

cdef inline bint rings_first(const Alarm *a, const Alarm *b) noexcept nogil:
    return a.neuron < b.neuron if same(a.time, b.time) else before(a.time, b.time)

@cython.final
cdef class Alarms:
    """Min-heap of at most one alarm per neuron, with the place of each, so that an alarm can be moved or removed."""
    cdef Alarm *heap
    cdef int32_t *place       # of each neuron in the heap, -1: no alarm
    cdef readonly Py_ssize_t n, size
    cdef readonly int64_t moves

    def __cinit__(self, Py_ssize_t size):
        self.size = size
        self.heap = <Alarm *> malloc(max(size, 1) * sizeof(Alarm))
        self.place = <int32_t *> malloc(max(size, 1) * sizeof(int32_t))
        if self.heap == NULL or self.place == NULL:
            raise MemoryError(f"Alarms: no memory for {size} neurons")
        memset(self.place, 0xff, size * sizeof(int32_t))

    def __dealloc__(self):
        free(self.heap)
        free(self.place)

    cdef void set(self, int64_t neuron, Time time) noexcept nogil:
        """Set, move or (time = NEVER) remove the alarm of a neuron."""
        cdef Alarm alarm
        cdef Py_ssize_t i = self.place[neuron]
        alarm.time, alarm.neuron = time, neuron
        if time.epoch == INFINITY:
            if i < 0:
                return
            self.place[neuron] = -1
            self.n -= 1
            alarm = self.heap[self.n]       # the last entry fills the gap
        elif i < 0:
            i = self.n
            self.n += 1
        self.moves += 1
        if i < self.n:
            self.settle(i, &alarm)

    cdef void settle(self, Py_ssize_t i, const Alarm *alarm) noexcept nogil:
        """Put `alarm` at the gap `i` and move it up or down to where it belongs."""
        cdef Py_ssize_t parent, child, best, last
        while i > 0:
            parent = (i - 1) >> 2
            if not rings_first(alarm, &self.heap[parent]):
                break
            self.put(i, &self.heap[parent])
            i = parent
        while True:
            child = 4 * i + 1
            if child >= self.n:
                break
            best, last = child, min(child + 4, self.n)
            for child in range(child + 1, last):
                if rings_first(&self.heap[child], &self.heap[best]):
                    best = child
            if not rings_first(&self.heap[best], alarm):
                break
            self.put(i, &self.heap[best])
            i = best
        self.put(i, alarm)

    cdef inline void put(self, Py_ssize_t i, const Alarm *alarm) noexcept nogil:
        self.heap[i] = alarm[0]
        self.place[alarm.neuron] = <int32_t> i

    def dump(self):
        """The time of each neuron's alarm, float64 (size, 2): epoch and offset [ms]; inf for none."""
        out = np.empty((self.size, 2))
        cdef double[:, ::1] view = out
        cdef Py_ssize_t i
        for i in range(self.size):
            view[i, 0] = INFINITY if self.place[i] < 0 else self.heap[self.place[i]].time.epoch
            view[i, 1] = 0.0 if self.place[i] < 0 else self.heap[self.place[i]].time.offset
        return out

    def move(self, int64_t neuron, double epoch, double offset):
        """Set one neuron's alarm; epoch = inf removes it."""
        self.set(neuron, at_time(epoch, offset))

    def first(self):
        """The neuron whose alarm rings first; -1 if none is set."""
        return self.heap[0].neuron if self.n else -1

    def load(self, times):
        """Set every neuron's alarm from an array as given by `dump`."""
        cdef const double[:, ::1] view = np.ascontiguousarray(times, np.float64)
        cdef Py_ssize_t i
        for i in range(self.size):
            self.set(i, at_time(view[i, 0], view[i, 1]))

    def check(self):
        """Verify the heap order and the places."""
        cdef Py_ssize_t i
        for i in range(self.n):
            if i and rings_first(&self.heap[i], &self.heap[(i - 1) >> 2]):
                raise AssertionError(f"Alarms: entry {i} rings before its parent")
            if self.place[self.heap[i].neuron] != i:
                raise AssertionError(f"Alarms: neuron {self.heap[i].neuron} is not at its place {i}")
        if sum(1 for i in range(self.size) if self.place[i] >= 0) != self.n:
            raise AssertionError("Alarms: a neuron without an alarm has a place")
