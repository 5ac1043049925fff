# Poisson sources: exact real-valued times, which depend on the seed and the neuron alone (poisson.h).

cdef struct PoissonState:
    Neuron head                         # head.at: what holds now holds from here on, by the events' own times
    Time next                           # when the next event happens,
    double before                       # and how many earlier ones do at the same time
    double law                          # how often the rate has been set

@cython.final
cdef class PoissonPopulation(Population):
    cdef double[:, ::1] rate_times, rate_values         # piecewise constant rate: from time k on, value k [Hz]
    cdef RateSteps steps                                # the same
    cdef readonly uint64_t seed
    cdef double grid                                    # of all sources [ms]; 0: none

    def coefficients(self, dict p):
        self.grid = p["grid"][0]
        with np.errstate(divide="ignore", over="ignore"):
            return [np.divide(1e3, p["rate"])]              # mean interval [ms]

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

    def begin(self):
        """Find the first event of every source."""
        cdef Py_ssize_t j
        for j in range(self.n):
            self.find_next(j, self.row(j).at, 0.0)

    def restart(self, now, start):
        """Let a new law hold from a time on: after a change of rate. On a grid, from the beginning of the step that ends then or
        later, none of whose events has happened yet; but not before the start of the simulation."""
        cdef Py_ssize_t j
        cdef Time here = at_time(now[0], now[1]), since = here
        if self.grid > 0.0:
            lane_point(lane_point_from(here.epoch, here.offset, self.grid) - 1.0, self.grid, &since.epoch, &since.offset)
        for j in range(self.n):
            self.row(j).at = last_of(since, at_time(start[0], start[1]))
            (<PoissonState *> self.row(j)).law += 1.0
            self.find_next(j, here, 0.0)

    cdef void find_next(self, Py_ssize_t j, Time t, double passed) noexcept nogil:
        """The next event is the first from a time on, but for so many at this very time."""
        cdef PoissonState *s = <PoissonState *> self.row(j)
        cdef Time own = self.first_own(j, t)
        s.next = t
        eventsim_poisson_next(self.seed, self.first + j, <uint64_t> s.law << 32, own.epoch, own.offset, &s.next.epoch, &s.next.offset,
                              passed, self.q(j)[0], self.grid, self.steps, j if self.steps.columns > 1 else 0)
        s.before = passed if same(s.next, t) else 0.0

    cdef Time alarm(self, Py_ssize_t j) noexcept nogil:
        return (<PoissonState *> self.row(j)).next

    cdef Time next_alarm(self, Py_ssize_t j, Time t) noexcept nogil:
        return t

    cdef bint fire(self, Py_ssize_t j, Time t) noexcept nogil:
        cdef PoissonState *s = <PoissonState *> self.row(j)
        self.find_next(j, s.next, s.before + 1.0)
        return True

    cdef Time first_own(self, Py_ssize_t j, Time t) noexcept nogil:
        """A time not after the own time of any event that happens from t on."""
        return last_of(earlier_by(t, 2.0 * self.grid) if self.grid > 0.0 else t, self.row(j).at)

    cdef void go_to(self, Py_ssize_t j, Time t) noexcept nogil:
        """The next event is the first that happens at a time or later."""
        self.find_next(j, last_of(t, self.row(j).at), 0.0)

    cdef PoissonSources sources(self, Py_ssize_t begin, Py_ssize_t n) noexcept nogil:
        """Sources begin ... begin + n - 1, for the functions of poisson.h that deal with many at once."""
        cdef PoissonSources p
        memset(&p, 0, sizeof(p))
        if n == 0:
            return p
        p.seed, p.id, p.n, p.law = self.seed, self.first + begin, n, <uint64_t> (<PoissonState *> self.row(begin)).law << 32
        p.intervals, p.stride, p.grid = self.q(begin), self.coef_stride, self.grid
        p.steps, p.column, p.step = self.steps, begin, -1
        p.alike = self.coef_stride == 0 and self.steps.columns <= 1
        p.laws = <PoissonLaws *> calloc(1 if p.alike else (n + SIDE - 1) // SIDE, sizeof(PoissonLaws))
        return p

    def drawn(self, begin, end):
        """What many sources at once do from a time (epoch, offset) to another [ms]. For tests and benchmarks.

        Returns
        -------
        (how long before `end` [ms] (k,), sources (k,)), in no order
        """
        cdef PoissonSources p = self.sources(0, self.n)
        cdef PoissonStretch t = self.stretch(at_time(begin[0], begin[1]), at_time(end[0], end[1]))
        cdef PoissonBlock block, second
        cdef double[::1] x = np.empty(MOST)
        cdef int64_t first, j, k
        found = []
        while eventsim_poisson_stretch(&p, &t):
            for first in range(0, self.n, SIDE):
                for _ in range(eventsim_poisson_first(&p, &t, first, min(self.n - first, SIDE), &block)):
                    eventsim_poisson_blocks(&p, &t, first, &block, &second)
                    found += [(block.x[k][j], block.source[j]) for k in range(1, WORDS) for j in range(block.n) if block.due[k][j]]
                    found += [(second.x[k][j], second.source[j])
                              for k in range(WORDS) for j in range(second.n) if second.due[k][j]]
                    for j in range(second.n):
                        if second.number[j] == 2 * WORDS:
                            found += [(x[k], second.source[j])
                                      for k in range(eventsim_poisson_rest(&p, &t, j, &second, &x[0]))]
                    for j in range(SIDE):
                        block.cell[j] += 1.0
        free(p.laws)
        times, ids = zip(*found) if found else ((), ())
        return np.array(times), np.array(ids, np.int64)

    cdef PoissonStretch stretch(self, Time since, Time until) noexcept nogil:
        """Before the first of `eventsim_poisson_stretch`."""
        cdef PoissonStretch t
        cdef Time own = self.first_own(0, since)
        t.since, t.since_offset, t.until, t.until_offset = since.epoch, since.offset, until.epoch, until.offset
        t.begin, t.begin_offset = own.epoch, own.offset
        t.end, t.end_offset = own.epoch, own.offset
        return t


FINEST_GRID = 1e-6      # [ms]
HIGHEST_RATE = 1e9      # [Hz]
LATEST = 2.0 ** 59      # [ms Hz]: two thirds of where cells could not be counted any more (poisson.h)


# ---- for tests

def threefry_block(const uint64_t[::1] key, const uint64_t[::1] counter):
    """Threefry4x64-20, (4,) uint64."""
    cdef uint64_t[::1] words = np.empty(4, np.uint64)
    threefry(&key[0], &counter[0], &words[0])
    return np.asarray(words)


class Poisson(Model):
    """Independent Poisson sources with exact, real-valued spike times.

    Parameters
    ----------
    rate : rate [Hz], a number, an array with one value per source, a distribution, or `Steps` (piecewise constant in time,
        0 before the first step)
    grid : an approximation, one number for all sources [ms]: events happen at multiples of it, as in simulators with a time step;
        0: at their own times

    Notes
    -----
    Time is divided into cells so long that 3/2 to 3 events are expected in each. The number of events in a cell, and their
    places in it, are independent random numbers which depend on the seed, the source's id and the cell alone (Threefry4x64-20):
    the same trains whatever else is in the network, and every stretch of them can be drawn without those before.

    With `grid` the events of a step ((k - 1) * grid, k * grid] all happen at its end: their number is a Poisson number with the
    integral of the rate over the step as its mean. A source may spike several times at once; each spike is delivered. A rate that
    is set between runs holds for the whole of a step whose end is still to come. Cells are then a step long if 1/8 to 3 events are
    expected in one, else halves or doubles of it, so that trains are others than without a grid.
    """

    parameters = {"rate": Parameter(0.0, "Hz", "nonnegative", steps=True), "grid": Parameter(0.0, "ms", "nonnegative")}
    states = {name: State(0.0, "", user=False) for name in ("_epoch", "_offset", "_before", "_law")}
    population = PoissonPopulation

    def validate(self, p):
        grid = p.get("grid", np.zeros(1))
        if len(grid) and np.ptp(grid):
            raise ValueError(f"Poisson: grid = {grid} has several values; all sources of a population have one grid, "
                             "so add one population for each")
        if np.any((grid > 0.0) & (grid < FINEST_GRID)):
            raise ValueError(f"Poisson: grid = {grid[grid > 0.0].min():g} ms is finer than {FINEST_GRID:g} ms; choose 0 for exact times")
        self.limit(p.get("rate", np.zeros(1)))

    def limit(self, rate):
        if np.max(rate, initial=0.0) > HIGHEST_RATE:
            raise ValueError(f"Poisson: rate = {np.max(rate):g} Hz is higher than {HIGHEST_RATE:g} Hz; add up the weights of several "
                             "events instead")

    def setup(self, population, seed, start):
        changes, rates = (np.empty((0, 2)), np.empty((0, 1))), population.parameters["rate"]
        if isinstance(self.rate, Steps):
            rates = self.rate.values
            self.limit(rates)
            changes = still_to_come(self.rate.times, self.rate.values, start)
        if abs(start[0]) * np.max(rates, initial=0.0) >= LATEST:
            raise ValueError(f"Poisson: rate = {np.max(rates):g} Hz is too high at t_start = {start[0]:g} ms, where so many events cannot "
                             "be counted; start nearer to 0")
        population.set_rates(seed, *changes)
        population.begin()
