# The event loop: arrivals and alarms in their total order, until a given time.

cdef enum:
    REACHED = 0             # no event is left before the given time
    PAUSED = 1              # the quota of events is used up
    NO_MEMORY = -1
    RAN_AWAY = -2           # a neuron fires for ever at one instant
    NOT_FINITE = -3         # a state has overflowed
    UNSOUND = -4            # a neuron spikes though its bound excludes it (see `Windows.proving`)

cdef enum:
    WATCH_SPIKES = 1
    WATCH_STATE = 2

@cython.final
cdef class Engine:
    """The state of a simulation between events; `run` continues it.

    Invariant: when an event at time t is handled no earlier event exists, every state row is valid at its own
    `at` <= t, and every neuron's alarm is no later than its next spike if nothing else arrives.
    """
    cdef readonly list populations, projections     # Population; Rows, also those replaced while spikes are in flight
    cdef void **population
    cdef void **projection
    cdef readonly object outgoing                   # per population: int32 array of indices of its current projections
    cdef int32_t[::1] out_ptr, out_index
    cdef int32_t[::1] owner                         # population of each neuron
    cdef Py_ssize_t n
    cdef readonly Flights flights
    cdef readonly Alarms alarms
    cdef readonly Log spikes                        # epoch, offset, global id
    cdef readonly Log tape                          # a Spike for each spike while gradients are wanted, else None
    cdef readonly bint taping
    cdef readonly list traces                       # per population: Log of local id, state row
    cdef void **trace
    cdef readonly object watch, counts              # per neuron: uint8 WATCH flags, int64 number of spikes
    cdef uint8_t[::1] watch_view
    cdef int64_t[::1] counts_view
    cdef uint8_t[::1] traced                        # per population: is any state watched?
    cdef Touched *touched                           # the neurons touched at this instant
    cdef Py_ssize_t n_touched, touched_capacity
    cdef Time now                                   # of the last event
    cdef readonly int64_t synaptic_events, solver_steps, predictions, n_spikes
    cdef object components                          # see `components_of`; None: not looked for yet
    cdef readonly dict lagging                      # see `catch_up`: {index of a population: (epoch, offset, numbers counted since)}
    cdef readonly int64_t overflowed                # a neuron whose state is not finite any more; -1: none

    def __init__(self, list populations, list projections, double epoch, double offset):
        self.populations = populations
        self.n = sum(p.n for p in populations)
        self.population = <void **> malloc(max(len(populations), 1) * sizeof(void *))
        self.trace = <void **> malloc(max(len(populations), 1) * sizeof(void *))
        if self.population == NULL or self.trace == NULL:
            raise MemoryError("Engine: no memory for the populations")
        self.traces = []
        cdef Population p
        cdef Log log
        for i, p in enumerate(populations):
            log = Log(1 + p.width)
            self.traces.append(log)
            self.population[i], self.trace[i] = <void *> p, <void *> log
        self.owner = np.repeat(np.arange(len(populations), dtype=np.int32), [p.n for p in populations])
        self.flights, self.alarms, self.spikes = Flights(), Alarms(self.n), Log(3)
        self.watch, self.counts = np.zeros(self.n, np.uint8), np.zeros(self.n, np.int64)
        self.watch_view, self.counts_view = self.watch, self.counts
        self.traced = np.zeros(len(populations), np.uint8)
        self.now, self.overflowed, self.lagging = at_time(epoch, offset), -1, {}
        self.set_projections(projections, list(range(len(projections))))

    def __dealloc__(self):
        free(self.population)
        free(self.projection)
        free(self.trace)
        free(self.touched)

    def set_projections(self, list projections, current):
        """All projections that spikes in flight may refer to, and the indices of those that new spikes take."""
        cdef void **pointers = <void **> realloc(self.projection, max(len(projections), 1) * sizeof(void *))
        if pointers == NULL:
            raise MemoryError("Engine: no memory for the projections")
        self.projection = pointers
        for i, rows in enumerate(projections):
            self.projection[i] = <void *> rows
        self.projections, self.components = projections, None
        lists = [[i for i in current if projections[i].pre == k] for k in range(len(self.populations))]
        self.outgoing = [np.array(indices, np.int32) for indices in lists]
        self.out_index = np.array(sum(lists, []), np.int32)
        self.out_ptr = np.cumsum([0] + [len(indices) for indices in lists], dtype=np.int32)

    @property
    def time(self):
        """Time of the last event handled (epoch, offset) [ms]."""
        return self.now.epoch, self.now.offset

    def set_watch(self, spikes, states):
        """Which neurons' spikes and which neurons' states to record: boolean arrays (n,)."""
        self.catch_up()
        self.watch[:] = WATCH_SPIKES * spikes + WATCH_STATE * states
        for i, p in enumerate(self.populations):
            self.traced[i] = bool(np.any(states[p.first:p.first + p.n]))

    def write_tape(self):
        """From now on, keep what gradients need of each spike."""
        self.taping, self.tape = True, Log(sizeof(Spike) // sizeof(double))
        for p in self.populations:
            p.write_tape(self.now.epoch)

    # ---- the loop

    def open(self, double epoch, double offset):
        """Before a run."""
        self.catch_up()

    def close(self):
        """After a run: there is nothing to do."""

    def run(self, double epoch, double offset, int64_t quota):
        """Handle all events before the given time, or about `quota` synaptic events; see the codes above."""
        cdef int code
        with nogil:
            code = self.loop(at_time(epoch, offset), self.synaptic_events + self.solver_steps + quota)
        return code

    # (In code that runs without the GIL a borrowed object may be an argument but not a local variable; hence the casts
    # where functions are called.)

    cdef int loop(self, Time end, int64_t limit) noexcept nogil:
        cdef int code = REACHED
        cdef bint arrival
        cdef Time next
        while code == REACHED and self.overflowed < 0:
            next = self.alarms.heap[0].time if self.alarms.n else NEVER
            arrival = self.flights.n > 0 and not before(next, self.flights.heap[0].arrival)
            if arrival:
                next = self.flights.heap[0].arrival
            if not before(next, end):
                break
            if self.synaptic_events + self.solver_steps >= limit:
                return PAUSED
            self.now = next
            code = self.arrivals(next) if arrival else self.threshold(
                <Population> self.population[self.owner[self.alarms.heap[0].neuron]], self.alarms.heap[0].neuron, next)
        return code if self.overflowed < 0 else NOT_FINITE

    cdef int arrivals(self, Time t) noexcept nogil:
        """Deliver everything that arrives at t, in the order of sources and synapses; then set the targets' alarms."""
        cdef int code = REACHED
        cdef Py_ssize_t k
        cdef Flight f
        while code == REACHED and self.flights.n > 0 and not before(t, self.flights.heap[0].arrival):
            f = self.flights.heap[0]
            if f.source >= 0:
                code = self.deliver(<Rows> self.projection[f.projection], f, t)
            else:
                code = self.step(<Population> self.population[f.projection], f, t)
        for k in range(self.n_touched):
            self.settle(<Population> self.population[self.touched[k].population], self.touched[k].neuron)
        self.predictions += self.n_touched
        self.n_touched = 0
        return code

    cdef int deliver(self, Rows rows, Flight f, Time t) noexcept nogil:
        """Deliver the synapses of the earliest flight that are due at t and move its cursor on."""
        cdef int64_t lo = f.cursor, hi = lo, stop = f.stop
        if rows.delays.stride == 0:
            hi = stop
        while hi < stop and not before(t, f.arrival):
            hi += 1
            if hi < stop:
                f.arrival = later(f.departure, value(rows.delays, hi))
        if self.make_room(rows.post, hi - lo):
            return NO_MEMORY
        self.synaptic_events += hi - lo
        self.n_touched = rows.post.receive_row(t, rows.port, rows.targets(), rows.weights, lo, hi, self.touched, self.n_touched)
        if hi < stop:
            f.cursor = hi
            self.expect(rows.post, rows.target[hi])
            self.flights.replace_top(&f)
        else:
            self.flights.pop()
        return REACHED

    cdef inline void expect(self, Population p, Py_ssize_t j) noexcept nogil:
        """Neuron j is the next target of a spike in flight; its turn comes after up to some thousand other arrivals. Fetch
        what will be needed: worth a third of the time of sparse networks (benchmarks/README.md)."""
        prefetch(p.row(j))
        prefetch(&p.mark[j])
        prefetch(&self.alarms.place[p.first + j])
        prefetch(&self.watch_view[p.first + j])

    cdef int threshold(self, Population p, int64_t gid, Time t) noexcept nogil:
        """The earliest alarm rings: refine it, or let the neuron spike."""
        cdef Py_ssize_t j = gid - p.first
        cdef Time next = p.next_alarm(j, t)
        cdef bint ran_away
        self.solver_steps += 1
        if before(t, next):
            self.alarms.set(gid, next)
            return REACHED
        if (self.flights.reserve(self.out_ptr[p.index + 1] - self.out_ptr[p.index]) or self.spikes.reserve(1)
                or self.make_room(p, 1) or (self.taping and self.tape.reserve(1))):
            return NO_MEMORY
        ran_away = False
        if p.fire(j, t):
            self.spike(p, gid, t)
            ran_away = p.streak[j] > RUNAWAY
        self.settle(p, j)
        return RAN_AWAY if ran_away else REACHED

    cdef void spike(self, Population p, int64_t gid, Time t) noexcept nogil:
        """Record a spike and send it off along every outgoing row."""
        self.note(p, gid, t)
        self.send_all(p, gid, t)

    cdef inline void note(self, Population p, int64_t gid, Time t) noexcept nogil:
        cdef double *record
        self.n_spikes += 1
        self.counts_view[gid] += 1
        if self.watch_view[gid] & WATCH_SPIKES:
            record = self.spikes.append()
            record[0], record[1], record[2] = t.epoch, t.offset, gid
        if self.taping:
            p.tape_spike(gid - p.first, t, self.tape)

    cdef inline void send_all(self, Population p, int64_t gid, Time t) noexcept nogil:
        cdef int32_t k
        for k in range(self.out_ptr[p.index], self.out_ptr[p.index + 1]):
            self.send(<Rows> self.projection[self.out_index[k]], self.out_index[k], gid, t)

    cdef void send(self, Rows rows, int32_t projection, int64_t gid, Time t) noexcept nogil:
        cdef Flight f
        f.cursor, f.stop = rows.start(gid), rows.stop(gid)
        if f.cursor < f.stop:
            f.departure, f.source, f.projection = t, <int32_t> gid, projection
            f.arrival = later(t, value(rows.delays, f.cursor))
            self.flights.push(&f)

    cdef void settle(self, Population p, Py_ssize_t j) noexcept nogil:
        """After any change of neuron j's state: set its alarm and, if it is watched, record the state."""
        cdef Time alarm = p.alarm(j)
        p.mark[j] = 0
        if isnan(alarm.epoch):
            self.overflowed = p.first + j
            alarm = NEVER
        self.alarms.set(p.first + j, alarm)
        if self.watch_view[p.first + j] & WATCH_STATE:
            self.trace_state(<Log> self.trace[p.index], p, j)

    cdef void trace_state(self, Log log, Population p, Py_ssize_t j) noexcept nogil:
        cdef double *record = log.append()
        record[0] = j
        memcpy(record + 1, p.row(j), p.width * sizeof(double))

    cdef int step(self, Population p, Flight f, Time t) noexcept nogil:
        """A step of the current injected into a population; the next one takes its place in the queue."""
        cdef Py_ssize_t j
        if self.make_room(p, p.n):
            return NO_MEMORY
        for j in range(p.n):
            p.advance(p.row(j), p.q(j), t)
            p.inject(j, p.step_values[f.cursor, j if p.step_values.shape[1] > 1 else 0])
            self.n_touched = p.touch(j, self.touched, self.n_touched)
        f.cursor += 1
        if f.cursor < p.step_times.shape[0]:
            f.arrival = at_time(p.step_times[f.cursor, 0], p.step_times[f.cursor, 1])
            self.flights.replace_top(&f)
        else:
            self.flights.pop()
        return REACHED

    cdef int make_room(self, Population p, Py_ssize_t extra) noexcept nogil:
        """Room for `extra` more touched neurons of a population, and for their records: before anything is changed."""
        cdef Py_ssize_t n = self.n_touched + extra
        cdef Touched *touched
        if n > self.touched_capacity:
            touched = <Touched *> realloc(self.touched, 2 * n * sizeof(Touched))
            if touched == NULL:
                return -1
            self.touched, self.touched_capacity = touched, 2 * n
        return (<Log> self.trace[p.index]).reserve(n) if self.traced[p.index] else 0

    # ---- between runs

    def catch_up(self):
        """Let sources that lag behind spike until now. Windows let Poisson sources lag by the delay of their synapses: what they
        do in that time arrives later. It has been counted, and is not recorded, but has not been sent. Whoever changes anything
        that matters to it, or wants to see all spikes in flight, calls this first."""
        cdef PoissonPopulation p
        cdef Time since
        cdef int code
        for index, (epoch, offset, counted) in self.lagging.items():
            p, since = self.populations[index], at_time(epoch, offset)
            self.counts[p.first:p.first + p.n] -= counted
            self.n_spikes -= int(counted.sum())
            with nogil:
                code = self.draw(p, since, since)
            if code:
                raise MemoryError("Simulation: no memory for the spikes of Poisson sources")
        self.lagging = {}

    cdef int draw(self, PoissonPopulation p, Time since, Time arrived) noexcept nogil:
        """Let sources spike from a time until now, and set their alarms. What they do before `arrived` is not sent."""
        cdef Py_ssize_t j
        cdef Time t
        for j in range(p.n):
            p.go_to(j, since)
            t = p.alarm(j)
            while before(t, self.now):
                if self.flights.reserve(self.out_ptr[p.index + 1] - self.out_ptr[p.index]) or self.spikes.reserve(1):
                    return NO_MEMORY
                p.fire(j, t)
                self.note(p, p.first + j, t)
                if not before(t, arrived):
                    self.send_all(p, p.first + j, t)
                t = p.alarm(j)
            self.alarms.set(p.first + j, t)
        return REACHED

    cdef int recount(self, PoissonPopulation p, Time since, Time until) noexcept nogil:
        """Count, and record, what sources did from one time to another, in no order; it has arrived."""
        cdef PoissonSources sources = p.sources(0, p.n)
        cdef PoissonStretch t = p.stretch(since, until)
        cdef double time[MOST][2]
        cdef double cell, stop
        cdef Py_ssize_t j
        cdef int k, code = REACHED
        if p.n and sources.laws == NULL:
            return NO_MEMORY
        while code == REACHED and eventsim_poisson_stretch(&sources, &t):
            for j in range(p.n):
                eventsim_poisson_range(&sources, &t, j, &cell, &stop)
                while cell < stop and code == REACHED:
                    if self.spikes.reserve(MOST):
                        code = NO_MEMORY
                        break
                    for k in range(eventsim_poisson_list(&sources, &t, j, cell, time)):
                        self.note(p, p.first + j, at_time(time[k][0], time[k][1]))
                    cell += 1.0
        free(sources.laws)
        return code

    def reset_alarms(self, int index):
        """Set the alarms of one population anew, after its states or parameters changed, and record watched states."""
        cdef Population p = self.populations[index]
        cdef Py_ssize_t j
        if self.overflowed >= 0 and self.owner[self.overflowed] == index:
            self.overflowed = -1            # `settle` will tell if it still is
        if self.make_room(p, p.n):
            raise MemoryError(f"Engine: no memory to record population {index}")
        for j in range(p.n):
            self.settle(p, j)

    def schedule_steps(self, int index):
        """Queue the first step of the current injected into a population."""
        cdef Population p = self.populations[index]
        cdef Flight f
        f.source, f.projection, f.cursor, f.stop = -1, index, 0, 0
        f.arrival = f.departure = at_time(p.step_times[0, 0], p.step_times[0, 1])
        if self.flights.reserve(1):
            raise MemoryError("Engine: no memory for the injected currents")
        self.flights.push(&f)

    def runaways(self):
        """Global ids of the neurons that fire for ever at this instant."""
        return [p.first + j for p in self.populations for j in np.flatnonzero(np.asarray((<Population> p).streak) > RUNAWAY // 2)]

    def moving(self):
        """What changes in a run, recordings apart, as a dict of arrays; `rewind` is its inverse."""
        self.catch_up()
        counters = [self.now.epoch, self.now.offset, self.synaptic_events, self.solver_steps, self.predictions, self.n_spikes,
                    self.flights.pushes, self.flights.pops, self.alarms.moves]
        state = {"counters": np.array(counters), "flights": self.flights.dump(), "alarms": self.alarms.dump(),
                 "counts": self.counts}
        for i, p in enumerate(self.populations):
            state[f"state{i}"], state[f"streak{i}"] = p.state, np.asarray((<Population> p).streak)
        return state

    def rewind(self, state):
        """Stand where an engine of the same network stood; what has been recorded stays."""
        (epoch, offset, self.synaptic_events, self.solver_steps, self.predictions, self.n_spikes,
         pushes, self.flights.pops, moves) = state["counters"]
        self.now, self.lagging = at_time(epoch, offset), {}
        self.counts[:] = state["counts"]
        cdef Population p
        for i, p in enumerate(self.populations):
            p.state[:] = state[f"state{i}"]
            np.asarray(p.streak)[:] = state[f"streak{i}"]
        self.flights.load(state["flights"])
        self.alarms.load(state["alarms"])
        self.flights.pushes, self.alarms.moves = pushes, moves

    def snapshot(self):
        """Everything that changes in a run, as a dict of arrays; `restore` is its inverse."""
        recorded = {"spikes": self.spikes.rows(), "watch": self.watch}
        return self.moving() | recorded | {f"trace{i}": log.rows() for i, log in enumerate(self.traces)}

    def restore(self, state):
        """Continue from a snapshot of an engine of the same network."""
        self.spikes.extend(state["spikes"])
        self.set_watch(state["watch"] & WATCH_SPIKES != 0, state["watch"] & WATCH_STATE != 0)
        for i, log in enumerate(self.traces):
            log.extend(state[f"trace{i}"])
        self.rewind(state)

    def check(self):
        """Verify the invariants of every structure."""
        self.flights.check()
        self.alarms.check()
        if np.any([np.any(np.asarray((<Population> p).mark)) for p in self.populations]):
            raise AssertionError("Engine: a neuron is still marked as touched between events")
