# The tape read backward. One reverse sweep over spikes, observations and steps visits the rows that the run delivered and,
# at each spike, asks the targets' costates how much the loss would change if it arrived a little later or stronger.
#
# A target's costates change their course only at its breakpoints: its own spikes, observations of its membrane, steps of
# its injected current, the end. Arrivals read them and change nothing. So they are kept as one row for each breakpoint,
# valid just before it, and any moment in between is one closed form away, like a state in the forward run.

cdef enum:
    OBSERVATION = -1                # the kinds of marks: a membrane is observed, after what else happens then;
    DEADLINE = -2                   # the loss depends on the time of an arrival;
    TOUCHED = -3                    # arrivals at a neuron whose costates change there (`Population.replays`);
                                    # k >= 0: step k of the injected current

cdef struct Event:
    Time at
    int32_t id                      # global
    int64_t spike                   # place on the tape, or -1:
    int64_t mark                    #   place among the marks
    int64_t record                  # of the neuron's state then or before, or -1

@cython.final
cdef class Sweep:
    """Gradients of one run.

    Invariant: when an event is handled, every breakpoint later than it holds its costates. A spike asks for costates at
    its arrivals, never earlier than itself, so one sweep suffices. Cost: O(synaptic events x log(breakpoints of the target
    within the delay)); memory: a costate row for each breakpoint.
    """
    cdef readonly list coefficients, states         # per population: gradients (n, coefficients), (n, states)
    cdef readonly list steps                        # per population: gradients (K, n) by the values of the injected current
    cdef readonly list weights, delays              # per projection: gradients (m,), in row order
    cdef readonly object times                      # dL/dt of each spike on the tape, with all its consequences
    cdef bint rates                                 # are derivatives by rates (time constants) wanted?

    cdef Engine engine
    cdef Time start, end
    cdef list costates                              # per population: costate rows (breakpoints, width)
    cdef double **costate
    cdef double **coefficient
    cdef double **step
    cdef double **weight
    cdef double **delay
    cdef double[::1] times_view
    cdef const double[::1] pulls
    cdef const double[:, ::1] marks
    cdef Event *events                              # in forward order
    cdef Py_ssize_t n_events
    cdef int64_t[::1] first, cursor, last           # per neuron: breakpoints, the earliest that is filled in between
    cdef list records                               # per population: state rows (m, width) after every event, or None
    cdef double **record
    cdef list spiked                                # per population: each neuron's Spike whose turn is next, with its release
    cdef double **spike
    cdef double **start_row                         # per population: the state rows at the start

    def __init__(self, Engine engine, start, end, list initial, pulls, marks, records,
                 bint rates=True):
        """
        Parameters
        ----------
        engine : after a run from `start` to `end`, times (epoch, offset), that wrote a tape
        initial : per population, the state rows (n, width) at the start
        pulls : (spikes on the tape,) explicit dL/dt of each spike
        marks : (m, 5) epoch, offset, global id, kind, value, in time order, observations last at one instant: observations
            (-1) of a membrane with their dL/dV, arrivals on whose time the loss depends (-2) with dL/dt, arrivals at neurons
            that replay (-3), and steps (kind: which) of an injected current with the new value
        records : per population None or, if its model replays, all its states: rows (m, width) by neuron and time, and where
            each neuron's begin, (n + 1,)
        rates : compute the derivatives by time constants, too
        """
        self.rates = rates
        self.engine, self.start, self.end = engine, at_time(start[0], start[1]), at_time(end[0], end[1])
        self.pulls, self.marks = np.ascontiguousarray(pulls, np.float64), np.ascontiguousarray(marks, np.float64)
        if self.pulls.shape[0] != engine.tape.n:
            raise ValueError(f"Sweep: {self.pulls.shape[0]} derivatives by spike times for {engine.tape.n} spikes")
        self.spiked = []
        for p in engine.populations:
            p.finish_tape()
            self.spiked.append(p.spiked.copy())
            (<Population> p).telling = p.asks([rows for rows in engine.projections if (<Rows> rows).post is p])
        self.spike = pointers(self.spiked)
        self.merge()
        self.allocate()
        self.look_up(records)
        self.start_row = pointers(initial)
        cdef Py_ssize_t i
        with nogil:
            for i in range(self.n_events):
                self.mark(<Population> self.engine.population[self.engine.owner[self.events[i].id]], &self.events[i])
        self.tell_arrivals()
        with nogil:
            for i in range(self.n_events - 1, -1, -1):
                self.back(<Population> self.engine.population[self.engine.owner[self.events[i].id]], &self.events[i])
        for p, rows, states in zip(engine.populations, initial, self.states):
            self.begin(p, rows, states)

    def __dealloc__(self):
        free(self.events)
        free(self.costate)
        free(self.coefficient)
        free(self.step)
        free(self.weight)
        free(self.delay)
        free(self.record)
        free(self.spike)
        free(self.start_row)

    # ---- before the sweep

    cdef merge(self):
        """All events in forward order; at one instant steps before spikes before observations."""
        cdef Py_ssize_t n = self.engine.tape.n, m = self.marks.shape[0], i = 0, k = 0
        cdef Event *e
        cdef Time t, at
        self.n_events = n + m
        self.events = <Event *> malloc(max(n + m, 1) * sizeof(Event))
        if self.events == NULL:
            raise MemoryError(f"Sweep: no memory for {n + m} events")
        while i + k < n + m:
            e = &self.events[i + k]
            t = at_time(self.marks[k, 0], self.marks[k, 1]) if k < m else NEVER
            at = spike_time(self.taped(i), self.start) if i < n else NEVER
            if i < n and (before(at, t) or (same(at, t) and self.marks[k, 3] == OBSERVATION)):
                e.at, e.spike, e.mark, e.id = at, i, -1, spiking(self.taped(i))
                i += 1
            else:
                e.at, e.spike, e.mark, e.id = t, -1, k, <int32_t> self.marks[k, 2]
                k += 1

    cdef allocate(self):
        cdef Population p
        cdef Engine engine = self.engine
        cdef Py_ssize_t i
        counts = np.ones(engine.n, np.int64)                            # the end
        cdef int64_t[::1] count = counts
        for i in range(self.n_events):
            count[self.events[i].id] += 1
        self.first = np.empty(engine.n, np.int64)
        self.costates = []
        for p in engine.populations:
            mine = counts[p.first:p.first + p.n]
            np.asarray(self.first)[p.first:p.first + p.n] = np.cumsum(mine) - mine
            rows = np.zeros((mine.sum() if p.costates else 0, p.costates))
            if p.costates:                                              # free since the start, until the end
                rows[:, :TIMES] = self.end.epoch, self.end.offset, self.start.epoch, self.start.offset, np.nan
            self.costates.append(rows)
        self.cursor, self.last = np.array(self.first), np.asarray(self.first) + counts - 1
        self.coefficients = [np.zeros((p.n, p.coef.shape[1])) for p in engine.populations]
        self.states = [np.zeros((p.n, p.state.shape[1] - HEAD)) for p in engine.populations]
        self.steps = [np.zeros((len(p.inputs()["step_times"]), p.n)) for p in engine.populations]
        self.weights = [np.zeros(len(rows.indices)) for rows in engine.projections]
        self.delays = [np.zeros(len(rows.indices)) for rows in engine.projections]
        self.times = self.times_view = np.zeros(engine.tape.n)
        self.costate, self.coefficient = pointers(self.costates), pointers(self.coefficients)
        self.step, self.weight, self.delay = pointers(self.steps), pointers(self.weights), pointers(self.delays)

    cdef look_up(self, records):
        """For every event of a neuron that replays, its last record until then."""
        cdef Population p
        cdef int64_t[::1] at, starts
        cdef const double[:, ::1] rows
        cdef Event *e
        cdef Py_ssize_t i
        cdef int64_t j
        self.records = [None if r is None else r[0] for r in records]
        self.record = pointers([np.empty(0) if r is None else r for r in self.records])
        for i in range(self.n_events):
            self.events[i].record = -1
        for p, given in zip(self.engine.populations, records):
            if given is None:
                continue
            rows, starts = given
            at = np.array(starts)
            for i in range(self.n_events):
                e = &self.events[i]
                j = e.id - p.first
                if 0 <= j < p.n:
                    while at[j] + 1 < starts[j + 1] and not before(e.at, at_time(rows[at[j] + 1, 0], rows[at[j] + 1, 1])):
                        at[j] += 1
                    e.record = at[j]

    cdef inline void replay(self, Population p, const Event *e, double *copy) noexcept nogil:
        """The state of a neuron just after an event, for `recede`."""
        memcpy(copy, self.record[p.index] + e.record * p.width, p.width * sizeof(double))
        p.advance(<Neuron *> copy, p.q(e.id - p.first), e.at)
        p.past = <const Neuron *> copy

    cdef inline const Spike *taped(self, int64_t i) noexcept nogil:
        return <const Spike *> (self.engine.tape.data + i * self.engine.tape.width)

    cdef inline Spike take(self, Population p, const Event *e) noexcept nogil:
        """A spike with its release, of which the line of the neuron's next spike told; its own line tells of the one before."""
        cdef Spike *last = <Spike *> (self.spike[p.index] + (e.id - p.first) * (sizeof(Spike) // sizeof(double)))
        cdef Spike s
        cdef double after = last.after
        memcpy(last, self.taped(e.spike), sizeof(Spike))
        s = last[0]
        s.after = after
        return s

    cdef inline Costate *row(self, Population p, int64_t k) noexcept nogil:
        return <Costate *> (self.costate[p.index] + k * p.costates)

    cdef inline double *gradient(self, Population p, Py_ssize_t j) noexcept nogil:
        return self.coefficient[p.index] + j * p.coef_width

    cdef void mark(self, Population p, const Event *e) noexcept nogil:
        """Forward: the time of a breakpoint, and until when the neuron is refractory after it."""
        cdef int64_t k = self.cursor[e.id]
        cdef Py_ssize_t j = e.id - p.first
        cdef Costate *n = self.row(p, k)
        cdef Costate *next = self.row(p, k + 1)
        if p.costates == 0:
            return
        n.at = e.at
        next.free, next.told = n.free, n.told
        if e.spike >= 0:
            next.free = later(e.at, p.refractory(p.q(j)))
            next.told = p.tell(n, p.q(j), <const Neuron *> (self.start_row[p.index] + j * p.width))
        self.cursor[e.id] = k + 1

    cdef tell_arrivals(self):
        """Forward once more, where refractory neurons need to know of arrivals."""
        cdef Py_ssize_t i
        cdef int64_t k
        cdef Event *e
        cdef Rows rows
        np.asarray(self.cursor)[:] = self.first             # `next_breakpoint` looks from there on
        for projection in self.engine.projections:
            rows = projection
            for i in range(self.n_events if rows.post.telling else 0):
                e = &self.events[i]
                if e.spike >= 0 and self.engine.owner[e.id] == rows.pre:
                    for k in range(rows.start(e.id), rows.stop(e.id)):
                        self.tell_arrival(rows.post, rows.target[k], later(e.at, value(rows.delays, k)),
                                          rows.post.tell_arrival(rows.port, value(rows.weights, k)))
        np.asarray(self.cursor)[:] = self.last

    cdef void tell_arrival(self, Population post, int32_t j, Time t, double what) noexcept nogil:
        cdef Costate *first = self.row(post, self.first[post.first + j])
        cdef Costate *n
        cdef Costate *earlier
        if what == 0.0 or not before(t, self.end):
            return
        n = self.next_breakpoint(post, post.first + j, t)
        if before(t, n.free):
            while n != first:                               # the one after the neuron's spike
                earlier = <Costate *> (<double *> n - post.costates)
                if not same(earlier.free, n.free):
                    break
                n = earlier
            n.told += what

    # ---- the sweep

    cdef void back(self, Population p, const Event *e) noexcept nogil:
        """Backward: from the costates just before the neuron's next breakpoint to those just before this one."""
        cdef double n[WIDEST_COSTATE]
        cdef double past[WIDEST]
        cdef Py_ssize_t j = e.id - p.first
        cdef const double *q = p.q(j)
        cdef double *g = self.gradient(p, j)
        cdef double G = 0.0
        cdef int64_t kind
        cdef Spike spike
        if e.spike >= 0:
            G = self.pulls[e.spike] + self.consequences(p, e)
        if p.costates:
            memcpy(n, self.row(p, self.cursor[e.id]), p.costates * sizeof(double))
            p.g = g
            if e.record >= 0:
                self.replay(p, e, past)
            if e.spike >= 0:
                spike = self.take(p, e)
                G = p.fire_back(<Costate *> n, q, g, &spike, e.at, G, self.rates)
            else:
                kind = <int64_t> self.marks[e.mark, 3]
                p.recede(<Costate *> n, q, e.at, self.rates)
                if kind == OBSERVATION:
                    (<Costate *> n).u += self.marks[e.mark, 4]
                elif kind == DEADLINE:
                    (<Costate *> n).pull += self.marks[e.mark, 4]
                elif kind >= 0:
                    self.step[p.index][kind * p.n + j] = p.step_back(<Costate *> n, q, g, self.marks[e.mark, 4])
            self.cursor[e.id] -= 1
            memcpy(<double *> self.row(p, self.cursor[e.id]) + TIMES, n + TIMES, (p.costates - TIMES) * sizeof(double))
        if e.spike >= 0:
            self.times_view[e.spike] = G

    cdef double consequences(self, Population p, const Event *e) noexcept nogil:
        """dL/dt of all arrivals of a spike, in the order of projections and synapses; gradients of their synapses."""
        cdef double pull = 0.0
        cdef int32_t k, i
        for k in range(self.engine.out_ptr[p.index], self.engine.out_ptr[p.index + 1]):
            i = self.engine.out_index[k]
            pull += self.row_back(<Rows> self.engine.projection[i], i, e.id, e.at)
        return pull

    cdef double row_back(self, Rows rows, int32_t projection, int64_t gid, Time departure) noexcept nogil:
        """The transpose of delivering one row. Cost: O(row)."""
        cdef double *d_weight = self.weight[projection]
        cdef double *d_delay = self.delay[projection]
        cdef double pull = 0.0
        cdef int64_t k
        cdef Pull one
        cdef Time t
        for k in range(rows.start(gid), rows.stop(gid)):
            t = later(departure, value(rows.delays, k))
            if not before(t, self.end):
                break                       # and so do those behind it: the row is sorted by delay
            one = self.arrival(rows.post, rows.target[k], t, rows.port, value(rows.weights, k))
            d_weight[k] += one.weight
            d_delay[k] += one.time
            pull += one.time
        return pull

    cdef inline Pull arrival(self, Population post, int32_t j, Time t, int port, double w) noexcept nogil:
        cdef Costate *n = self.next_breakpoint(post, post.first + j, t)
        cdef bint refractory = before(t, n.free)    # then first back to its release
        cdef double resting = 0.0
        cdef Stretch d
        cdef Pull pull
        d.rates = self.rates
        if refractory:
            d.t = max(elapsed(n.free, n.at), 0.0)
            resting = min(elapsed(t, n.free), elapsed(t, n.at))
        else:
            d.t = elapsed(t, n.at)
        pull = post.receive_back(n, post.q(j), self.gradient(post, j), port, w, d, resting, refractory)
        if n.pull != 0.0 and w != 0.0 and same(n.at, t):    # one arrival makes the spike there, whichever comes to ask first
            pull.time += n.pull
            n.pull = 0.0
        return pull

    cdef inline Costate *next_breakpoint(self, Population p, int64_t gid, Time t) noexcept nogil:
        """The first breakpoint at or after t: near the cursor, if delays are short, so steps double from there."""
        cdef int64_t lo = self.cursor[gid], hi = lo, last = self.last[gid], step = 1, middle
        while hi < last and before(self.row(p, hi).at, t):
            lo = hi + 1
            hi = min(hi + step, last)
            step *= 2
        while lo < hi:
            middle = (lo + hi) // 2
            if before(self.row(p, middle).at, t):
                lo = middle + 1
            else:
                hi = middle
        return self.row(p, hi)

    # ---- after it

    cdef begin(self, Population p, const double[:, ::1] initial, double[:, ::1] states):
        """From the first breakpoints to the start: the gradients by the initial states, and their part in the others."""
        cdef double n[WIDEST_COSTATE]
        cdef Py_ssize_t j
        for j in range(p.n if p.costates else 0):
            memcpy(n, self.row(p, self.first[p.first + j]), p.costates * sizeof(double))
            p.past, p.g = <const Neuron *> &initial[j, 0], self.gradient(p, j)
            p.recede(<Costate *> n, p.q(j), self.start, self.rates)
            p.start_back(<Costate *> n, p.q(j), self.gradient(p, j), <const Neuron *> &initial[j, 0], &states[j, 0])


cdef double **pointers(list tables) except NULL:
    """The data of a list of float64 arrays that the caller keeps alive."""
    cdef double **out = <double **> malloc(max(len(tables), 1) * sizeof(void *))
    cdef double[::1] flat
    if out == NULL:
        raise MemoryError("Sweep: no memory for its tables")
    for i, table in enumerate(tables):
        flat = table.reshape(-1)
        out[i] = &flat[0] if table.size else NULL
    return out
