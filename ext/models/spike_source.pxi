# Sources that spike at given times.

cdef struct SpikeSourceState:
    Neuron head
    double cursor                       # next entry of the neuron's list

@cython.final
cdef class SpikeSourcePopulation(Population):
    cdef double[:, ::1] times           # (number of spikes, 2), sorted within each neuron
    cdef int64_t[::1] starts            # (n + 1,)

    def coefficients(self, dict p):
        return [np.zeros(1)]

    def set_spikes(self, times, ids):
        """Replace what is to come: times (m, 2) as epoch and offset [ms], neurons ids (m,), in any order."""
        order = np.lexsort((times[:, 1], times[:, 0], ids))
        self.times = np.ascontiguousarray(times[order])
        self.starts = np.searchsorted(ids[order], np.arange(self.n + 1)).astype(np.int64)
        self.state[:, HEAD] = self.starts[:self.n]

    def inputs(self):
        return super().inputs() | {"times": np.asarray(self.times), "starts": np.asarray(self.starts)}

    def set_inputs(self, inputs):
        super().set_inputs(inputs)
        self.times, self.starts = inputs["times"], inputs["starts"]

    def pending(self):
        """What is to come, as times (m, 2) and ids (m,)."""
        done = self.state[:, HEAD].astype(np.int64)
        ids = np.repeat(np.arange(self.n), np.diff(self.starts))
        keep = np.arange(len(ids)) >= done[ids]
        return np.asarray(self.times)[keep], ids[keep]

    cdef Time alarm(self, Py_ssize_t j) noexcept nogil:
        cdef int64_t k = <int64_t> (<SpikeSourceState *> self.row(j)).cursor
        return at_time(self.times[k, 0], self.times[k, 1]) if k < self.starts[j + 1] else NEVER

    cdef Time next_alarm(self, Py_ssize_t j, Time t) noexcept nogil:
        return t

    cdef bint fire(self, Py_ssize_t j, Time t) noexcept nogil:
        cdef SpikeSourceState *s = <SpikeSourceState *> self.row(j)
        s.head.at = t
        s.cursor += 1
        return True


class SpikeSource(Model):
    """Sources that spike at given times.

    Parameters
    ----------
    times : (m,) array_like, spike times [ms], in any order
    ids : (m,) array_like of int, or one int, which source spikes when; default 0

    Raises
    ------
    ValueError
        For times that are not finite or negative, or arrays of different lengths.
    """

    states = {"_cursor": State(0.0, "", user=False)}
    population = SpikeSourcePopulation

    def __init__(self, times=(), ids=0):
        super().__init__()
        self.times, self.ids = check.spikes("SpikeSource", times, ids)

    def __repr__(self):
        return f"SpikeSource({len(self.times)} spikes)"

    def __eq__(self, other):
        return (isinstance(other, SpikeSource) and np.array_equal(self.times, other.times)
                and np.array_equal(self.ids, other.ids))

    def setup(self, population, seed, start):
        check.below("SpikeSource", "ids", self.ids, population.n, "the number of sources")
        check.not_before("SpikeSource", "times", self.times, start)
        population.set_spikes(split_array(self.times), self.ids)

    @classmethod
    def restored(cls, parameters, inputs, options):
        times, starts = inputs["times"], inputs["starts"]
        return cls(times[:, 0] + times[:, 1], np.repeat(np.arange(len(starts) - 1), np.diff(starts)))
