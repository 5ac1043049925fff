# The border of the layers to Python: a network, a chunk of a batch, the loss of a stage.

cdef class LayerNet:
    """The stages of a network as the loops above want them, with the weights, delays and parameters of now.

    Parameters
    ----------
    engine : Engine
    order : populations in topological order
    columns : {projection: None, if its rows are dense and of one delay, else (column (n + 1,), source (m,), synapse (m,)) of
        its synapses sorted by target}
    """
    cdef readonly list populations, keep, cables_of, order
    cdef readonly object engine
    cdef Stage *stages          # by population
    cdef Cable *cables          # all of them, those of one stage side by side
    cdef Py_ssize_t n_stages, n_sources

    def __init__(self, Engine engine, order, dict columns):
        cdef Py_ssize_t p = len(engine.populations), k = 0, stride, j
        cdef Stage *s
        cdef Cable *cable
        cdef Population core
        cdef LIFState *state
        cdef const LIFCoef *q
        cdef Rows rows
        cdef double[::1] view
        cdef const int64_t[::1] column, synapse
        cdef const int32_t[::1] source
        self.engine, self.order, self.populations, self.keep = engine, list(order), engine.populations, []
        self.cables_of = [[x for x in columns if engine.projections[x].post is core] for core in engine.populations]
        self.stages = <Stage *> malloc(max(p, 1) * sizeof(Stage))
        self.cables = <Cable *> malloc(max(len(columns), 1) * sizeof(Cable))
        if self.stages == NULL or self.cables == NULL:
            raise MemoryError("LayerNet: no memory for the layers")
        memset(self.stages, 0, max(p, 1) * sizeof(Stage))
        self.n_stages = p
        self.n_sources = max([1] + [x.n for x in engine.populations])
        for core in engine.populations:
            s = &self.stages[core.index]
            s.population, s.n, s.rows = core.index, <int32_t> core.n, True
            s.source = isinstance(core, SpikeSourcePopulation)
            s.spikes = "V_th" in core.model.parameters
            s.cables = self.cables + k
            for x in self.cables_of[core.index]:
                rows = engine.projections[x]
                cable = &self.cables[k]
                memset(cable, 0, sizeof(Cable))
                weight = np.ascontiguousarray(rows.weight, np.float64)
                if len(weight) == 1:
                    weight = np.full(len(rows.indices), weight[0])
                delay = np.ascontiguousarray(rows.delay, np.float64)
                self.keep += [rows, weight, delay]
                cable.pre, cable.rows = rows.pre, columns[x] is None
                cable.w, cable.delay, cable.delay_stride = values_of(weight).f64, values_of(delay).f64, len(delay) != 1
                cable.ptr = &rows.ptr[0]
                if columns[x] is not None:
                    column, source, synapse = columns[x]
                    self.keep.append(columns[x])
                    cable.column = &column[0]
                    if len(source):
                        cable.source, cable.synapse = &source[0], &synapse[0]
                    s.rows = False
                s.n_cables += 1
                k += 1
            if s.source or core.n == 0:
                continue
            stride = (core.n + BLOCK - 1) // BLOCK * BLOCK
            constants = np.zeros((CONSTANTS, stride))
            constants[8, :core.n] = core.parameters["E_L"]
            self.keep.append(constants)
            view = constants.reshape(-1)
            s.constants, s.stride = &view[0], stride
            q = <const LIFCoef *> core.q(0)
            s.rates.a, s.rates.b_e, s.rates.b_i = q.a, q.b_ex, q.b_in
            s.rates.t_peak = 1.0 / q.a if q.a == q.b_ex else log(q.b_ex / q.a) / (q.b_ex - q.a)
            s.rates.k_peak = kappa(q.a, q.b_ex, s.rates.t_peak)
            for j in range(stride):
                if j >= core.n:
                    view[2 * stride + j] = INFINITY
                    continue
                q, state = <const LIFCoef *> core.q(j), <LIFState *> core.row(j)
                view[j], view[stride + j], view[2 * stride + j] = q.k, q.k * state.I_e, q.c
                s.rates.driven |= state.I_e != 0.0
                view[3 * stride + j] = q.r if core.mode == TO_VALUE else 0.0
                view[4 * stride + j], view[5 * stride + j] = q.t_ref, state.u
                view[6 * stride + j], view[7 * stride + j] = q.k * state.I_ex, q.k * state.I_in

    def __dealloc__(self):
        free(self.stages)
        free(self.cables)


cdef class LayerChunk:
    """Some samples of a batch: their spikes and maxima."""
    cdef readonly LayerNet net
    cdef readonly Py_ssize_t first, n          # samples
    cdef readonly double duration
    cdef Tape *tapes
    cdef readonly dict found                    # {population: (when, kink, rise) of the maxima}

    def __init__(self, LayerNet net, Py_ssize_t first, Py_ssize_t n, double duration):
        cdef Py_ssize_t k, p = len(net.populations)
        self.net, self.first, self.n, self.duration, self.found = net, first, n, duration, {}
        self.tapes = <Tape *> malloc(max(p, 1) * sizeof(Tape))
        if self.tapes == NULL:
            raise MemoryError("LayerChunk: no memory")
        memset(self.tapes, 0, max(p, 1) * sizeof(Tape))
        for k in range(p):
            self.tapes[k].starts = <int64_t *> malloc((n + 1) * sizeof(int64_t))
            if self.tapes[k].starts == NULL:
                raise MemoryError("LayerChunk: no memory")
            memset(self.tapes[k].starts, 0, (n + 1) * sizeof(int64_t))

    def __dealloc__(self):
        if self.tapes != NULL:
            for k in range(len(self.net.populations)):
                free(self.tapes[k].spikes)
                free(self.tapes[k].starts)
            free(self.tapes)

    def give(self, int population, const double[::1] times, const int32_t[::1] ids, const int64_t[::1] starts):
        """The input spikes of a source: of the whole batch, the chunk takes its own."""
        cdef Tape *tape = &self.tapes[population]
        cdef Py_ssize_t sample, k
        cdef Fired *s
        cdef int64_t lo = starts[self.first], hi = starts[self.first + self.n]
        if room_for_spikes(tape, hi - lo):
            raise MemoryError("LayerChunk: no memory for the input spikes")
        with nogil:
            for sample in range(self.n):
                for k in range(starts[self.first + sample], starts[self.first + sample + 1]):
                    s = &tape.spikes[k - lo]
                    s.time, s.rank, s.slope, s.release = times[k], ids[k], k, 0.0
                tape.n = starts[self.first + sample + 1] - lo
                tape.starts[sample + 1] = tape.n
                sort_by_time(tape.spikes + tape.starts[sample], tape.n - tape.starts[sample])

    def forward(self):
        """All spikes of all stages."""
        cdef Work w
        cdef const int32_t[::1] order = np.array(self.net.order, np.int32)
        cdef Py_ssize_t sample, k, together, failed = 0, where = 0
        cdef Stage *s
        cdef Tape *tape
        cdef int code = 0
        memset(&w, 0, sizeof(Work))
        with nogil:
            code = self.room(&w)
            for k in range(order.shape[0]):
                s, tape = &self.net.stages[order[k]], &self.tapes[order[k]]
                if s.source or not s.spikes or s.n == 0:
                    continue
                together = max(1, SIDE_BY_SIDE // (s.stride if s.rows else BLOCK))
                sample = 0
                while sample < self.n and code == 0:
                    code = stage_forward(&w, s, self.tapes, sample, min(together, self.n - sample), self.duration)
                    failed, where = order[k], self.first + sample + w.failed
                    sample += together
            done(&w)
        if code == NOT_FINITE:
            raise RuntimeError(f"LayerRuns: a state of population {failed} is not finite any more in sample {where}; check its "
                               "weights, currents and parameters")
        if code == RAN_AWAY:
            raise RuntimeError(f"LayerRuns: a neuron of population {failed} fires for ever in sample {where}: give it a "
                               "refractory time t_ref, or reduce its weights and currents")
        if code:
            raise MemoryError("LayerRuns: no memory for the spikes; simulate fewer samples at once")

    cdef int room(self, Work *w) noexcept nogil:
        cdef Py_ssize_t k, widest = BLOCK
        for k in range(self.net.n_stages):
            widest = max(widest, self.net.stages[k].stride)
        # a block more, for arrays a multiple of 4 KiB apart share few places in the cache
        return (room_for_lanes(w, widest + BLOCK, self.net.n_sources)
                or room_for_samples(w, max(widest, SIDE_BY_SIDE) + BLOCK, SIDE_BY_SIDE // BLOCK))

    def spikes(self, int population):
        """sample, time, neuron, slope of the spikes of a population."""
        cdef Tape *tape = &self.tapes[population]
        cdef Py_ssize_t k, sample
        cdef int64_t[::1] samples = np.empty(tape.n, np.int64), neurons = np.empty(tape.n, np.int64)
        cdef double[::1] times = np.empty(tape.n), slopes = np.empty(tape.n)
        for sample in range(self.n):
            for k in range(tape.starts[sample], tape.starts[sample + 1]):
                samples[k], times[k], neurons[k], slopes[k] = (self.first + sample, tape.spikes[k].time, tape.spikes[k].rank,
                                                               tape.spikes[k].slope)
        return samples.base, times.base, neurons.base, slopes.base

    def count(self, int population):
        return self.tapes[population].n

    # ---- membranes

    cdef Py_ssize_t mine(self, Work *w, const Stage *s, Py_ssize_t sample, Py_ssize_t neuron) noexcept nogil:
        """Which spikes of a sample are those of a neuron, or all (neuron < 0); -1: no memory."""
        cdef Tape *tape = &self.tapes[s.population]
        cdef Py_ssize_t k, n = 0, m = tape.starts[sample + 1] - tape.starts[sample]
        w.mine = <int32_t *> take(&w.rooms[8], (m + 1) * sizeof(int32_t))
        if w.mine == NULL:
            return -1
        for k in range(m):
            if neuron < 0 or tape.spikes[tape.starts[sample] + k].rank == neuron:
                w.mine[n] = <int32_t> k
                n += 1
        return n

    def maxima(self, int population, double[:, ::1] best):
        """Largest membranes into best (samples of the batch, n); keeps where they are."""
        cdef Work w
        cdef Stage *s = &self.net.stages[population]
        cdef Py_ssize_t sample, k, j
        cdef Tape *tape = &self.tapes[population]
        cdef double[:, ::1] when = np.zeros((self.n, s.n)), rise = np.zeros((self.n, s.n))
        cdef int64_t[:, ::1] kink = np.zeros((self.n, s.n), np.int64)
        cdef double block[CONSTANTS * BLOCK]
        cdef Lanes l
        cdef int code = 0
        if s.n == 0:
            return
        memset(&w, 0, sizeof(Work))
        with nogil:
            code = self.room(&w)
            for sample in range(self.n):
                for k in range(tape.starts[sample], tape.starts[sample + 1]):
                    when[sample, tape.spikes[k].rank] = INFINITY
                for j in range(1 if s.rows else s.n):
                    l = lanes_of(s) if s.rows else lane_of(s, j, block)
                    w.n = 0
                    code = code or gather(&w, s, self.tapes, sample, -1 if s.rows else j, self.duration, NULL, 0)
                    code = code or maxima(&w, &l, s.cables, self.duration, &best[self.first + sample, j], &when[sample, j],
                                          &kink[sample, j], &rise[sample, j])
            done(&w)
        if code:
            raise MemoryError("LayerRuns.max_V: no memory")
        self.found[population] = when, kink, rise

    def watch(self, int population, const double[::1] looks, double[:, :, ::1] seen):
        """V at looks (K,) into seen (samples of the batch, n, K)."""
        cdef Watch v
        memset(&v, 0, sizeof(Watch))
        v.seen, v.n_looks = &seen[0, 0, 0] if seen.size else NULL, looks.shape[0]
        self.watched(population, v, &looks[0] if v.n_looks else NULL)

    def integrate(self, int population, double decay_rate, double target, bint squared, double[:, ::1] integral):
        """Integrals of exp(-decay_rate t) V, or of (V - target)^2, into integral (samples of the batch, n)."""
        cdef Watch v
        memset(&v, 0, sizeof(Watch))
        v.decay_rate, v.target = decay_rate, target
        if integral.size and squared:
            v.square = &integral[0, 0]
        elif integral.size:
            v.integral = &integral[0, 0]
        self.watched(population, v, NULL)

    cdef int watched(self, int population, Watch v, const double *looks) except -1:
        """Watch every neuron in every sample; v: the arrays of the whole batch."""
        cdef Work w
        cdef Watch one
        cdef Stage *s = &self.net.stages[population]
        cdef Tape *tape = &self.tapes[population]
        cdef Py_ssize_t sample, j, n, m
        cdef double block[CONSTANTS * BLOCK]
        cdef Lanes l
        cdef int code = 0
        if s.n == 0:
            return 0
        memset(&w, 0, sizeof(Work))
        with nogil:
            code = self.room(&w)
            for sample in range(self.n):
                for j in range(1 if s.rows else s.n):
                    l = lanes_of(s) if s.rows else lane_of(s, j, block)
                    n = self.mine(&w, s, sample, -1 if s.rows else j)
                    m = tape.starts[sample + 1] - tape.starts[sample]
                    w.n = 0
                    if code or n < 0 or gather(&w, s, self.tapes, sample, -1 if s.rows else j, self.duration, looks, v.n_looks):
                        code = -1
                        break
                    n = own_events(&w, &l, self.duration, tape.spikes + tape.starts[sample], n, m, 0)
                    if n >= 0:
                        sort_by_time(w.own, n)
                    if n < 0 or own_intervals(&w, &l, self.duration, n):
                        code = -1
                        break
                    one, m = v, (self.first + sample) * s.n + j
                    one.seen = v.seen + m * v.n_looks if v.seen != NULL else NULL
                    one.integral = v.integral + m if v.integral != NULL else NULL
                    one.square = v.square + m if v.square != NULL else NULL
                    watch(&w, &l, s.cables, n, &one)
            done(&w)
        if code:
            raise MemoryError("LayerRuns: no memory for the membranes")
        return 0

    # ---- backward

    def backward(self, dict losses, dict wanted, double[::1] grads, dict adjoints, dict times, bint rates, bint drive):
        """Add the gradients of the chunk's samples to grads.

        losses : {population: StageLoss}
        wanted : {projection: (place of dL/dweight in grads or -1, of dL/ddelay or -1)}
        adjoints : {population: place of its (ADJOINTS, n) gradients in grads}
        times : {source: (m,) array that takes dL/dt of each input spike of the chunk}
        """
        cdef Py_ssize_t p = len(self.net.populations), k, x, sample, j, n, c, most, n_sample
        cdef Work w
        cdef Stage *s
        cdef Tape *tape
        cdef Lanes l
        cdef Loss loss, one
        cdef CableBack *out
        cdef Adjoint grad
        cdef double block[CONSTANTS * BLOCK]
        cdef int code = 0
        cdef bint idle
        cdef const int32_t[::1] order = np.array(self.net.order[::-1], np.int32)
        cdef int64_t[::1] adjoint_at_ = np.array([adjoints.get(k, 0) for k in range(p)], np.int64)
        cdef uint8_t[::1] pulled = np.array([bool(self.net.stages[k].spikes) or k in times for k in range(p)], np.uint8)
        cdef int64_t[::1] start = np.zeros(p + 1, np.int64)
        cdef double[::1] pull, view
        cdef StageLoss given
        cdef void **given_of = <void **> malloc((p + 1) * sizeof(void *))
        cdef double **times_of = <double **> malloc((p + 1) * sizeof(double *))
        cdef CableBack *backs = <CableBack *> malloc((sum(map(len, self.net.cables_of)) + 1) * sizeof(CableBack))
        if given_of == NULL or times_of == NULL or backs == NULL:
            free(given_of)
            free(times_of)
            free(backs)
            raise MemoryError("LayerRuns.backward: no memory")
        c = 0
        for k in range(p):
            given = losses.get(k)
            given_of[k] = <void *> given if given is not None else NULL
            times_of[k] = NULL
            if k in times and len(times[k]):
                view = times[k]
                times_of[k] = &view[0]
            most = 0
            for sample in range(self.n):
                most = max(most, self.tapes[k].starts[sample + 1] - self.tapes[k].starts[sample])
            start[k + 1] = start[k] + most
            for x in self.net.cables_of[k]:
                weight_at, delay_at = wanted[x]
                backs[c].weight = &grads[weight_at] if weight_at >= 0 else NULL
                backs[c].delay = &grads[delay_at] if delay_at >= 0 else NULL
                c += 1
        pull = np.zeros(start[p] + 1)
        c = 0
        for k in range(p):
            for x in self.net.cables_of[k]:
                j = self.net.engine.projections[x].pre
                backs[c].pull = &pull[start[j]] if pulled[j] else NULL
                c += 1
        memset(&w, 0, sizeof(Work))
        with nogil:
            code = self.room(&w)
            for sample in range(self.n):
                memset(&pull[0], 0, pull.shape[0] * sizeof(double))
                for x in range(p):
                    k = order[x]
                    s, tape = &self.net.stages[k], &self.tapes[k]
                    n_sample = tape.starts[sample + 1] - tape.starts[sample]
                    if s.source:
                        if times_of[k] != NULL:
                            for j in range(n_sample):
                                times_of[k][<int64_t> tape.spikes[tape.starts[sample] + j].slope] = pull[start[k] + j]
                        continue
                    idle = given_of[k] == NULL
                    if idle:
                        for j in range(n_sample):
                            if pull[start[k] + j] != 0.0:
                                idle = False
                                break
                    if idle or s.n == 0 or code:
                        continue
                    memset(&loss, 0, sizeof(Loss))
                    if given_of[k] != NULL:
                        (<StageLoss> given_of[k]).of_sample(&loss, self.first + sample, sample, tape.starts[sample])
                    loss.pull = &pull[start[k]]
                    out = backs + (s.cables - self.net.cables)
                    for j in range(1 if s.rows else s.n):
                        l = lanes_of(s) if s.rows else lane_of(s, j, block)
                        n = self.mine(&w, s, sample, -1 if s.rows else j)
                        w.n = 0
                        if n < 0 or gather(&w, s, self.tapes, sample, -1 if s.rows else j, self.duration, loss.looks,
                                           loss.n_looks):
                            code = -1
                            break
                        one = loss
                        one.max_V = loss.max_V + j if loss.max_V != NULL else NULL
                        one.when, one.kink, one.rise = loss.when + j, loss.kink + j, loss.rise + j
                        one.squares = loss.squares + j
                        one.integrals, one.look = loss.integrals + j, loss.look + j * loss.n_looks
                        grad = adjoint_at(&grads[adjoint_at_[k]], s.n, j)
                        code = walk_back(&w, &l, s.cables, self.duration, tape.spikes + tape.starts[sample], n, n_sample,
                                         &one, out, &grad, rates, drive)
            done(&w)
        free(given_of)
        free(times_of)
        free(backs)
        if code:
            raise MemoryError("LayerRuns.backward: no memory")


cdef void done(Work *w) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(ROOMS):
        free(w.rooms[k].data)


cdef class StageLoss:
    """What the loss answered about one population in one chunk: the derivatives of `Sensitivity` as arrays, or None.

    times : (m,) by the spikes of the chunk; max_V : (B, n), found : what `LayerChunk.maxima` kept
    decay_rates (Q,), integrals (Q, B, n); targets (Q,), squares (Q, B, n); look_times (K,), looks (B, n, K)
    """
    cdef const double[::1] times, decay_rates, targets, look_times
    cdef const double[:, ::1] max_V, when, rise
    cdef const int64_t[:, ::1] kink
    cdef const double[:, :, ::1] integrals, squares, looks

    def __init__(self, times=None, max_V=None, found=None, decay_rates=None, integrals=None, targets=None, squares=None,
                 look_times=None, looks=None):
        self.times, self.max_V, self.decay_rates, self.integrals = times, max_V, decay_rates, integrals
        self.targets, self.squares, self.look_times, self.looks = targets, squares, look_times, looks
        if max_V is not None:
            self.when, self.kink, self.rise = found

    cdef void of_sample(self, Loss *loss, Py_ssize_t sample, Py_ssize_t in_chunk, int64_t spike) noexcept nogil:
        if self.times is not None and self.times.shape[0] > 0:
            loss.times = &self.times[0] + spike
        if self.max_V is not None:
            loss.max_V, loss.when = &self.max_V[sample, 0], &self.when[in_chunk, 0]
            loss.kink, loss.rise = &self.kink[in_chunk, 0], &self.rise[in_chunk, 0]
        if self.integrals is not None:
            loss.decays, loss.n_integrals = &self.decay_rates[0], self.decay_rates.shape[0]
            loss.integrals = &self.integrals[0, sample, 0]
            loss.integral_stride = self.integrals.shape[1] * self.integrals.shape[2]
        if self.squares is not None:
            loss.targets, loss.squares, loss.n_squares = &self.targets[0], &self.squares[0, sample, 0], self.targets.shape[0]
            loss.square_stride = self.squares.shape[1] * self.squares.shape[2]
        if self.looks is not None:
            loss.looks, loss.look, loss.n_looks = &self.look_times[0], &self.looks[sample, 0, 0], self.look_times.shape[0]
