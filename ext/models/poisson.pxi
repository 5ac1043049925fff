# Poisson sources: exact real-valued times, counter-based, so that a train depends on the seed and its neuron alone.

cdef struct PoissonState:
    Neuron head                         # head.at: time of the last event, from which the next interval counts
    double count                        # intervals drawn so far: the random counter

@cython.final
cdef class PoissonPopulation(Population):
    cdef double[:, ::1] rate_times, rate_values         # piecewise constant rate: from time k on, value k [Hz]
    cdef readonly uint64_t seed

    def coefficients(self, dict p):
        return [p["rate"]]

    def set_rates(self, uint64_t seed, times, values):
        """Rates values (K, 1 or n) [Hz], each from its time (K, 2) on; before the first the parameter `rate` holds."""
        self.seed, self.rate_times, self.rate_values = seed, times, values

    def inputs(self):
        return super().inputs() | {"rate_times": np.asarray(self.rate_times), "rate_values": np.asarray(self.rate_values),
                                   "seed": np.uint64(self.seed)}

    def set_inputs(self, inputs):
        super().set_inputs(inputs)
        self.set_rates(int(inputs["seed"]), inputs["rate_times"], inputs["rate_values"])

    def restart(self, double epoch, double offset):
        """Count the next interval of every neuron from this time: after a change of rate (the process has no memory)."""
        self.state[:, 0], self.state[:, 1] = epoch, offset
        self.state[:, HEAD] += 1

    cdef Time alarm(self, Py_ssize_t j) noexcept nogil:
        """The next event: where the integral of the rate since the last one reaches a standard exponential variate."""
        cdef PoissonState *s = <PoissonState *> self.row(j)
        cdef uint64_t random[4]
        cdef double left, rate = self.q(j)[0]
        cdef Time t = s.head.at, change
        cdef Py_ssize_t k, K = self.rate_times.shape[0], column = j if K and self.rate_values.shape[1] > 1 else 0
        philox(self.seed, <uint64_t> 5 << 32, self.first + j, <uint64_t> s.count, random)
        left = -1e3 * log(unit(random[0]))               # [Hz ms]
        for k in range(K):
            change = at_time(self.rate_times[k, 0], self.rate_times[k, 1])
            if before(t, change):
                if rate > 0.0 and left <= rate * elapsed(t, change):
                    break
                left -= rate * elapsed(t, change)
                t = change
            rate = self.rate_values[k, column]
        return later(t, left / rate) if rate > 0.0 else NEVER

    cdef Time next_alarm(self, Py_ssize_t j, Time t) noexcept nogil:
        return t

    cdef bint fire(self, Py_ssize_t j, Time t) noexcept nogil:
        cdef PoissonState *s = <PoissonState *> self.row(j)
        s.head.at = t
        s.count += 1
        return True


class Poisson(Model):
    """Independent Poisson sources with exact, real-valued spike times.

    Parameters
    ----------
    rate : rate [Hz], a number, an array with one value per source, a distribution, or `Steps` (piecewise constant in time,
        0 before the first step)

    Notes
    -----
    The k-th interval of a source ends where the integral of its rate reaches an exponential variate that depends on the
    seed, the source's id and k alone (Philox4x64-10): the same trains whatever else is in the network.
    """

    parameters = {"rate": Parameter(0.0, "Hz", "nonnegative", steps=True)}
    states = {"_count": State(0.0, "", user=False)}
    population = PoissonPopulation

    def setup(self, population, seed, start):
        changes = np.empty((0, 2)), np.empty((0, 1))
        if isinstance(self.rate, Steps):
            changes = still_to_come(self.rate.times, self.rate.values, start)
        population.set_rates(seed, *changes)

