# Poisson sources: exact real-valued times, counter-based, so that a train depends on the seed and its neuron alone.

cdef extern from "poisson.h" nogil:
    ctypedef struct RateSteps:
        const double *time
        const double *value
        int64_t n, columns
    ctypedef struct PoissonSources:
        uint64_t seed, id
        int64_t n
        const double *coefficients
        int64_t stride
        bint on_grid
        RateSteps steps
        int64_t column
        bint more
        void *trains
    double eventsim_poisson_variate(uint64_t seed, uint64_t id, uint64_t k)
    void eventsim_poisson_next(double *epoch, double *offset, double e, double interval, RateSteps steps, int64_t column)
    int eventsim_poisson_open(PoissonSources *p, const double *rows, int64_t width, int64_t count)
    void eventsim_poisson_save(const PoissonSources *p, double *rows, int64_t width, int64_t count)
    void eventsim_poisson_close(PoissonSources *p, double *rows, int64_t width, int64_t count)
    int64_t eventsim_poisson_fill(PoissonSources *p, double epoch, double offset, double *time, int32_t *source, int64_t room)
    double lane_multiple(double t, double grid)
    void lane_put_off(double *epoch, double *offset, double grid)
    double lane_log(double x)
    void threefry(const uint64_t *key, const uint64_t *counter, uint64_t *out)
    enum:
        POISSON_ROOM "(WORDS * GROUP)"

cdef struct PoissonState:
    Neuron head                         # head.at: time of the last event (on a grid, its own), where the next interval begins
    double count                        # intervals drawn so far: the random counter

@cython.final
cdef class PoissonPopulation(Population):
    cdef double[:, ::1] rate_times, rate_values         # piecewise constant rate: from time k on, value k [Hz]
    cdef RateSteps steps                                # the same
    cdef readonly uint64_t seed
    cdef bint on_grid                                   # has any source a grid?

    def coefficients(self, dict p):
        self.on_grid = np.any(p["grid"] > 0)
        with np.errstate(divide="ignore", over="ignore"):
            return [np.divide(1e3, p["rate"]), p["grid"]]       # mean interval, and grid [ms]

    def set_rates(self, uint64_t seed, times, values):
        """Rates values (K, 1 or n) [Hz], each from its time (K, 2) on; before the first the parameter `rate` holds."""
        self.seed, self.rate_times, self.rate_values = seed, times, values
        self.steps.n, self.steps.columns = len(times), values.shape[1]
        self.steps.time = &self.rate_times[0, 0] if len(times) else NULL
        self.steps.value = &self.rate_values[0, 0] if values.size else NULL

    def inputs(self):
        return super().inputs() | {"rate_times": np.asarray(self.rate_times), "rate_values": np.asarray(self.rate_values),
                                   "seed": np.uint64(self.seed)}

    def set_inputs(self, inputs):
        super().set_inputs(inputs)
        self.set_rates(int(inputs["seed"]), inputs["rate_times"], inputs["rate_values"])

    def restart(self, double epoch, double offset):
        """Count the next interval of every neuron from this time: after a change of rate (the process has no memory). On a
        grid, from the beginning of the cell that ends then or later: none of its events has happened yet."""
        cdef Py_ssize_t j
        cdef double grid, begin
        cdef PoissonState *s
        for j in range(self.n):
            s, grid = <PoissonState *> self.row(j), self.q(j)[1]
            s.head.at = at_time(epoch, offset)
            if grid > 0.0:
                begin = max(lane_multiple(epoch + offset, grid) - 1.0, 0.0) * grid
                s.head.at = at_time(floor(begin), begin - floor(begin))
            s.count += 1

    cdef Time own_time(self, Py_ssize_t j) noexcept nogil:
        """Of the next event: where the integral of the rate since the last one reaches a standard exponential variate."""
        cdef PoissonState *s = <PoissonState *> self.row(j)
        cdef Time t = s.head.at
        eventsim_poisson_next(&t.epoch, &t.offset, eventsim_poisson_variate(self.seed, self.first + j, <uint64_t> s.count),
                              self.q(j)[0], self.steps, j if self.steps.columns > 1 else 0)
        return t

    cdef Time alarm(self, Py_ssize_t j) noexcept nogil:
        cdef Time t = self.own_time(j)
        if self.on_grid:
            lane_put_off(&t.epoch, &t.offset, self.q(j)[1])
        return t

    cdef Time next_alarm(self, Py_ssize_t j, Time t) noexcept nogil:
        return t

    cdef bint fire(self, Py_ssize_t j, Time t) noexcept nogil:
        cdef PoissonState *s = <PoissonState *> self.row(j)
        s.head.at = self.own_time(j) if self.on_grid else t
        s.count += 1
        return True

    cdef PoissonSources sources(self, Py_ssize_t begin, Py_ssize_t n) noexcept nogil:
        """Sources begin ... begin + n - 1, for the functions of poisson.h that deal with many at once."""
        cdef PoissonSources p
        memset(&p, 0, sizeof(p))
        if self.n == 0:
            return p
        p.seed, p.id, p.n = self.seed, self.first + begin, n
        p.coefficients, p.stride, p.on_grid = self.q(begin), self.coef_stride, self.on_grid
        p.steps, p.column = self.steps, begin
        return p

    def trains(self, ends, Py_ssize_t room=0, bint only_count=False):
        """Advance all sources to each of the times `ends` (m, 2) in turn, many sources at once. For tests and benchmarks.

        Returns
        -------
        list of (times (k,) [ms] from the epoch of the end on, sources (k,)), one for each end; or of k
        """
        cdef PoissonSources p = self.sources(0, self.n)
        cdef int64_t k, total
        room = max(room, POISSON_ROOM)
        cdef double[::1] time = np.empty(room)
        cdef int32_t[::1] source = np.empty(room, np.int32)
        out = []
        if eventsim_poisson_open(&p, <const double *> self.rows, self.width, HEAD):
            raise MemoryError("Poisson: no memory for the trains")
        for epoch, offset in ends:
            parts, total, p.more = [], 0, True
            while p.more:
                k = eventsim_poisson_fill(&p, epoch, offset, &time[0], &source[0], room)
                total += k
                if not only_count:
                    parts.append((np.array(time[:k]), np.array(source[:k])))
            out.append(total if only_count else tuple(map(np.concatenate, zip(*parts))))
        eventsim_poisson_close(&p, <double *> self.rows, self.width, HEAD)
        return out


FINEST_GRID = 1e-6      # [ms]


# ---- for tests

def threefry_block(const uint64_t[::1] key, const uint64_t[::1] counter):
    """Threefry4x64-20, (4,) uint64."""
    cdef uint64_t[::1] words = np.empty(4, np.uint64)
    threefry(&key[0], &counter[0], &words[0])
    return np.asarray(words)

def poisson_variates(uint64_t seed, uint64_t id, uint64_t first, Py_ssize_t n):
    """Variates first ... first + n - 1 of a source: its intervals by their means."""
    return np.array([eventsim_poisson_variate(seed, id, first + k) for k in range(n)])

def plain_log(const double[::1] x):
    """The logarithm of elementary.h."""
    return np.array([lane_log(x[k]) for k in range(len(x))])


class Poisson(Model):
    """Independent Poisson sources with exact, real-valued spike times.

    Parameters
    ----------
    rate : rate [Hz], a number, an array with one value per source, a distribution, or `Steps` (piecewise constant in time,
        0 before the first step)
    grid : an approximation, [ms]: events happen at the next multiple of this number, as in simulators with a time step;
        0: at their own times

    Notes
    -----
    The k-th interval of a source ends where the integral of its rate reaches an exponential variate that depends on the
    seed, the source's id and k alone (Threefry4x64-20): the same trains whatever else is in the network.

    With `grid` they are the same trains too, every event put off to the end of its cell ((k - 1) * grid, k * grid]. So the
    number of events in a cell is a Poisson number with the integral of the rate over the cell as its mean, and a source may
    spike several times at once; each spike is delivered. A rate that is set between runs holds for the whole of a cell whose
    end is still to come.
    """

    parameters = {"rate": Parameter(0.0, "Hz", "nonnegative", steps=True), "grid": Parameter(0.0, "ms", "nonnegative")}
    states = {"_count": State(0.0, "", user=False)}
    population = PoissonPopulation

    def validate(self, p):
        grid = p.get("grid", np.zeros(1))
        if np.any((grid > 0.0) & (grid < FINEST_GRID)):
            raise ValueError(f"Poisson: grid = {grid[grid > 0.0].min():g} ms is finer than {FINEST_GRID:g} ms; choose 0 for exact times")

    def setup(self, population, seed, start):
        changes = np.empty((0, 2)), np.empty((0, 1))
        if isinstance(self.rate, Steps):
            changes = still_to_come(self.rate.times, self.rate.values, start)
        population.set_rates(seed, *changes)
