# The windowed executor as Python sees it: its loop, what it takes over from the engine, and hands back.

@cython.final
cdef class Windows:
    """The windowed executor of an engine. Between `open` and `close` alarms and flights are here, else in the engine."""
    cdef readonly Engine engine
    cdef readonly list workers, sums
    cdef void **worker
    cdef Plan plan
    cdef readonly double longest                # window [ms]
    cdef Py_ssize_t opened                      # spikes recorded before
    cdef dict parts                             # {index of a population of driving sources: `Background.parts`}
    cdef public dict kept                       # arrays that go on frames need besides the engine's state: see `keep_frames`
    cdef dict lagging                           # {index of a population of driving sources: see `start_drives`}
    cdef readonly int64_t exact                 # times a neuron's window was lived through, its sums being too large a risk,
    cdef readonly int64_t shadowed              # or only to watch it
    cdef readonly int64_t seen                  # windows that were not left out
    cdef Bag taped                              # void *: spikes on their way from the workers' tapes to the engine's
    cdef int64_t arrivals, touches              # since the length was last chosen; a neuron is touched once in a window
    cdef Time end                               # of the run
    cdef int64_t quota                          # events left until it pauses
    cdef int code
    cdef readonly int64_t culprit               # which neuron stopped the last run, if one did

    def __cinit__(self, Engine engine, double length, int threads, bint summing=False):
        cdef int64_t k, words = 0
        cdef Worker worker
        cdef Population p
        self.engine = engine
        self.plan.n_workers = self.plan.barrier.parties = threads
        self.longest, self.plan.per_ms = length, floor(1.0 / length + 0.5)
        for p in engine.populations:
            p.word = words
            words += (p.n + 63) >> 6
        self.plan.seats = <Seat *> calloc(engine.n + 1, sizeof(Seat))
        self.plan.kind = <uint8_t *> calloc(len(engine.populations) + 1, 1)
        self.plan.rank = <int32_t *> calloc(len(engine.populations) + 1, sizeof(int32_t))
        self.plan.owner = <uint8_t *> malloc(words + 1)
        self.plan.sums = <void **> calloc(len(engine.populations) + 1, sizeof(void *))
        self.plan.routes = <Route *> calloc(len(engine.projections) + 1, sizeof(Route))
        self.worker = self.plan.workers = <void **> malloc(threads * sizeof(void *))
        if (self.plan.seats == NULL or self.plan.kind == NULL or self.plan.rank == NULL or self.plan.owner == NULL or self.plan.sums == NULL
                or self.plan.routes == NULL or self.worker == NULL):
            raise MemoryError(f"Windows: no memory for {engine.n} neurons")
        self.sums, self.lagging, self.parts, self.kept = [], {}, {}, {}
        for p in engine.populations:
            self.plan.kind[p.index] = {LIFPopulation: IS_LIF, DeltaPopulation: IS_DELTA, FlyPopulation: IS_FLY}.get(type(p), 0)
            if summing and p.kernel() != NULL:
                sums = Sums(p, threads)
                self.sums.append(sums)
                self.plan.sums[p.index] = <void *> sums
        self.plan.summing, self.plan.proving = len(self.sums) > 0, PROVING
        self.workers = []
        for k in range(threads):
            worker = Worker(engine, k, threads)
            worker.plan = &self.plan
            self.workers.append(worker)
            self.worker[k] = <void *> worker

    def __dealloc__(self):
        free(self.plan.seats)
        free(self.plan.kind)
        free(self.plan.rank)
        free(self.plan.owner)
        free(self.plan.sums)
        free(self.plan.routes)
        free(self.worker)
        free(self.taped.data)

    @property
    def length(self):
        """Length of a window now [ms]."""
        return 1.0 / self.plan.per_ms

    @property
    def summing(self):
        """Are arrivals summed anywhere?"""
        return self.plan.summing

    @property
    def at_once(self):
        """For how many windows the sources of a population that drives others are drawn at once: {its index: number}."""
        return dict(self.parts)

    @property
    def proving(self):
        """Is every neuron that a bound lets pass taken through its arrivals one by one all the same, to see that it does not spike?"""
        return self.plan.proving

    @proving.setter
    def proving(self, bint proving):
        self.plan.proving = proving

    def end_of_window(self, double epoch, double offset):
        """Where the window ends that a time lies in (epoch, offset) [ms]."""
        cdef double k = floor(offset * self.plan.per_ms) + 1.0
        return (epoch + 1.0, 0.0) if k >= self.plan.per_ms else (epoch, k / self.plan.per_ms)

    # ---- the loop

    def run(self, double epoch, double offset, int64_t quota):
        """Handle all events before the given time, or about `quota` of them; the codes are those of `Engine.run`."""
        cdef Worker worker
        self.end, self.quota, self.code = at_time(epoch, offset), quota, REACHED
        for worker in self.workers:
            if worker.code == NO_MEMORY:        # arrivals have been lost
                return NO_MEMORY
            worker.code, worker.failed = REACHED, NEVER
            clear(worker)
        if self.engine.overflowed >= 0:
            return NOT_FINITE
        self.adapt()
        self.plan_next()
        go = threading.Event()
        others = [threading.Thread(target=self.work, args=(k, go)) for k in range(1, self.plan.n_workers)]
        try:
            for thread in others:
                thread.start()
        except BaseException:
            self.plan.over = True
            raise
        finally:                                # all that have been started meet at the barrier
            go.set()
            with nogil:
                self.loop(0)
            for thread in others:
                if thread.ident is not None:
                    thread.join()
        return self.code

    def adapt(self):
        """Count windows anew before their number overflows, and change their length by what happened in the last ones: few
        arrivals at a neuron are quickly sorted and still in the cache; many windows cost something each. Bits stay."""
        cdef double length = self.length
        if self.arrivals > MANY * self.touches:
            length /= 2.0
        elif 2 * self.arrivals < 3 * self.touches:
            length *= 2.0
        if self.plan.summing:               # (sums are those of a window)
            length = self.length
        self.arrivals = self.touches = 0
        if self.plan.window > RENUMBER or 2.0 ** -FINEST <= length <= self.longest and length != self.length:
            self.close()
            self.plan.per_ms = 1.0 / length
            self.open(*self.engine.time)

    def work(self, int k, go):
        """What another thread does."""
        go.wait()
        with nogil:
            self.loop(k)

    cdef void loop(self, int k) noexcept nogil:
        cdef int32_t rank
        while not self.plan.over:
            emit(<Worker> self.worker[k])
            if self.plan.prompt:
                meet(&self.plan.barrier)
            for rank in range(self.plan.ranks):
                deliver(<Worker> self.worker[k], rank)
                sweep(<Worker> self.worker[k], rank)
                fall_back(<Worker> self.worker[k], rank)
                if self.plan.ranks > 1:
                    meet(&self.plan.barrier)
                dispatch(<Worker> self.worker[k], rank)
                meet(&self.plan.barrier)
            if k == 0:
                exchange_spikes(self)
            meet(&self.plan.barrier)

    cdef void plan_next(self) noexcept nogil:
        """The next window in which anything is due; cut at the end of the run and at the next step of an injected current."""
        cdef Plan *plan = &self.plan
        cdef int64_t window, k
        cdef Time step, bound
        while True:
            window = -1
            for k in range(plan.n_workers):
                window = earlier(window, (<Worker> self.worker[k]).next)
            step = self.engine.flights.heap[0].arrival if self.engine.flights.n else NEVER
            bound = step if before(step, self.end) else self.end
            plan.start = (<Worker> self.worker[0]).start_of(window) if window >= 0 else NEVER
            plan.over = not (before(plan.start, bound) and before(self.engine.now, bound))     # all before `now` is done
            if not plan.over:
                if before(plan.start, self.engine.now):
                    plan.start = self.engine.now
                plan.window = window
                plan.limit = (<Worker> self.worker[0]).start_of(window + 1)
                if before(bound, plan.limit):
                    plan.limit = bound
                    if plan.summing and not before(step, self.end):     # a window is summed as a whole, wherever a run ends
                        self.engine.now, plan.over = plan.start, True
                return
            plan.window = <int64_t> min((bound.epoch - plan.epoch) * plan.per_ms + floor(bound.offset * plan.per_ms), 2.0 ** 62)
            self.engine.now = bound
            if not before(step, self.end):
                return
            if plan.window > RENUMBER:
                plan.over, self.code = True, PAUSED
                return
            for k in range(plan.n_workers):
                clear(<Worker> self.worker[k])
            self.inject(step)
            self.look_ahead()
            if self.code != REACHED:
                plan.over = True
                return

    cdef void inject(self, Time t) noexcept nogil:
        """The steps of injected currents that are due at t; no alarm rings before."""
        cdef Py_ssize_t k
        self.leave_panels()
        while self.code == REACHED and self.engine.flights.n and not before(t, self.engine.flights.heap[0].arrival):
            self.code = self.engine.step(<Population> self.engine.population[self.engine.flights.heap[0].projection],
                                         self.engine.flights.heap[0], t)
        for k in range(self.engine.n_touched):
            self.settle(<Population> self.engine.population[self.engine.touched[k].population], self.engine.touched[k].neuron)
        self.engine.n_touched = 0
        self.engine.now = t
        judge_all(self)

    cdef void leave_panels(self) noexcept nogil:
        """Let all neurons live in their rows, as they are after the last window."""
        cdef Py_ssize_t k
        for k in range(self.engine.traced.shape[0]):
            if self.plan.sums[k] != NULL:
                (<Sums> self.plan.sums[k]).leave_all(self.plan.reached)

    cdef void settle(self, Population p, Py_ssize_t j) noexcept nogil:
        """After a step of neuron j's injected current."""
        p.mark[j] = 0
        watch_out(<Worker> self.worker[self.plan.owner[p.word + (j >> 6)]], p, j, p.alarm(j))
        self.engine.predictions += 1
        if self.engine.watch_view[p.first + j] & WATCH_STATE:
            self.engine.trace_state(<Log> self.engine.trace[p.index], p, j)

    cdef void look_ahead(self) noexcept nogil:
        cdef int k
        for k in range(self.plan.n_workers):
            (<Worker> self.worker[k]).next = (<Worker> self.worker[k]).next_window()

    # ---- taking over from the engine, and handing back

    def deal_out(self, driven):
        """Give each thread its neurons: a part of every population, as nobody knows which will be busy.

        But where all neurons are looked at in every window, all are busy. Then populations are dealt out one behind the other, so that
        few have neurons of two threads: each of these would go through all rows of synapses to find its own."""
        cdef Population p
        cdef Py_ssize_t k, word
        parts, passed = self.plan.n_workers, 0
        in_a_row = driven if len(driven) == len(self.sums) and not any(ranks_of(self.engine, self.longest)) else ()
        common = -(-sum((p.n + 63) >> 6 for p in in_a_row) // parts)
        for p in self.engine.populations:
            words = (p.n + 63) >> 6
            share, before = (common, passed) if p in in_a_row else (-(-words // parts), 0)
            begin = [min(max(k * share - before, 0), words) for k in range(parts)] + [words]
            passed += words if p in in_a_row else 0
            for k in range(parts):
                for word in range(begin[k], begin[k + 1]):
                    self.plan.owner[p.word + word] = k
            if self.plan.sums[p.index] != NULL:
                (<Sums> self.plan.sums[p.index]).deal_out([min(64 * first, p.n) for first in begin])

    def survey(self):
        """Find out how synapses are to be dealt with. The first time it looks at all of them."""
        driven = {sums.p for sums in self.sums if is_driven(self.engine, sums.p, self.longest)}
        self.deal_out(driven)
        for rows in self.engine.projections:
            (<Rows> rows).look_at_order()
            (<Rows> rows).by_series = False
            (<Rows> rows).summed = self.plan.sums[rows.post.index] != NULL and rows.port == 0
            (<Rows> rows).visited = ((<Rows> rows).summed and rows.shortest > 0.0
                                     and rows.segment(self.longest) >= (SHORT_SEGMENT if rows.post in driven else LONG_SEGMENT))
        for sums in self.sums:
            rows = [r for r in self.engine.projections if (<Rows> r).post is sums.p and (<Rows> r).summed]
            (<Sums> sums).lonely = sums.p not in driven and not any((<Rows> r).visited for r in rows)
            lasting = sums.p not in driven and not sums.lonely
            sums.set_places(sums.p in driven, frame_length(sums.p, self.longest) if lasting else 0.0)
            sums.set_quanta(max([r.largest for r in rows], default=0.0), self.longest, sum(r.in_degree for r in rows))

    cdef lay_routes(self):
        cdef Rows rows
        cdef Route *route = self.plan.routes
        for rows in self.engine.projections:
            route.population, route.rank = rows.post.index, self.plan.rank[rows.post.index]
            route.sums, route.summed, route.replaying = self.plan.sums[rows.post.index], rows.summed, rows.post.replaying
            route.marks = (<Sums> route.sums).marks if route.sums != NULL and (<Sums> route.sums).lonely else NULL
            route += 1

    def open(self, double epoch, double offset):
        """Take over the spikes in flight and the alarms, at a given time."""
        cdef Flights flights = self.engine.flights
        cdef Alarms alarms = self.engine.alarms
        cdef Py_ssize_t k
        cdef Flight f
        cdef Alarm alarm
        cdef Population p
        cdef Plan *plan = &self.plan
        cdef Worker worker
        self.survey()
        self.resume()
        self.opened, plan.reached = self.engine.spikes.n, at_time(epoch, offset)
        start_drives(self)
        plan.lonely = any((<Sums> sums).lonely for sums in self.sums)
        plan.restless = bool(self.lagging) or any((<Sums> sums).dense for sums in self.sums)
        rows = [self.engine.projections[i] for indices in self.engine.outgoing for i in indices]
        plan.prompt = any((<Population> self.engine.populations[r.pre]).is_source and r.shortest < self.longest for r in rows)
        plan.epoch, plan.window = epoch, <int64_t> (offset * plan.per_ms)
        ranks = ranks_of(self.engine, self.longest)
        plan.ranks = max(ranks, default=0) + 1
        for k in range(len(ranks)):
            plan.rank[k] = ranks[k]
        self.lay_routes()
        for worker in self.workers if self.engine.taping else ():
            worker.tape = worker.tape or Log(self.engine.tape.width)
        for k in range(self.engine.n):
            plan.seats[k].look = -1
        for sums in self.sums:
            for k in range((<Sums> sums).p.n):
                (<Sums> sums).note_rest(k, at_time(epoch, offset))
        for k in range(flights.n):
            f = flights.heap[k]
            if f.source >= 0:
                p = self.engine.populations[self.engine.owner[f.source]]
                send_off(<Worker> self.worker[plan.owner[p.word + ((f.source - p.first) >> 6)]],
                         <Rows> self.engine.projection[f.projection], &f)
        if flights.drop_spikes():
            raise MemoryError("Windows: no memory for the steps of injected currents")
        for k in range(alarms.n):
            alarm = alarms.heap[k]
            alarms.place[alarm.neuron] = -1
            p = self.engine.populations[self.engine.owner[alarm.neuron]]
            if p.index in self.lagging:
                continue
            watch_out(<Worker> self.worker[plan.owner[p.word + ((alarm.neuron - p.first) >> 6)]], p, alarm.neuron - p.first, alarm.time)
        alarms.n = 0
        self.look_ahead()

    def close(self):
        """Hand spikes in flight and alarms back; what frames need besides is `kept`."""
        cdef Worker w
        cdef int64_t window, moves = self.engine.alarms.moves, pushes = self.engine.flights.pushes
        cdef Py_ssize_t k, n
        cdef int to
        cdef Slot *slot
        self.keep_frames()
        for w in self.workers:
            for window in range(self.plan.window, self.plan.window + SLOTS):
                slot = w.slot(window)
                slot.flights.n = 0
                for to in range(self.plan.n_workers):
                    slot.mail[to].n = slot.spikes[to].n = 0
                self.hand_back(window, &slot.sources)
                self.hand_back(window, &slot.neurons)
            n = in_flight(w, self.engine.now, <Flight *> w.flights.data)
            if self.engine.flights.reserve(n):
                raise MemoryError("Windows: no memory for the spikes in flight")
            for k in range(n):
                self.engine.flights.push(<Flight *> w.flights.data + k)
            w.flights.n = w.settled = w.held.n = w.held_spikes.n = 0
            w.window = -1
        self.leave_panels()
        for sums in self.sums:
            if sums.dense:
                self.set_alarms((<Sums> sums).p, sums)
        stop_drives(self)
        self.engine.flights.pushes, self.engine.alarms.moves = pushes, moves

    def keep_frames(self):
        """Bring all neurons to the present; they go on as they were before if `kept` is there when windows open."""
        cdef Sums s
        self.kept = {}
        for s in self.sums:
            if s.waiting:
                self.kept |= {f"{name}{s.p.index}": array for name, array in s.dump().items()} | {f"row{s.p.index}": s.p.state.copy()}
                s.settle_rows(self.engine.now)
                self.set_alarms(s.p, s)

    def resume(self):
        """Go on with frames where they were kept."""
        cdef Sums s
        for s in self.sums:
            s.reached = s.touched if not s.frame or self.engine.traced[s.p.index] or self.plan.proving else s.pending
            if s.frame:
                s.begin_anew()
            if s.frame and f"row{s.p.index}" in self.kept:
                sums, credit, pending, (frame, end), rows = (
                    self.kept[f"{name}{s.p.index}"] for name in ("sums", "credit", "pending", "end", "row"))
                if frame == s.frame:
                    s.p.state[:] = rows
                    s.load(sums, credit, pending, end)
        self.kept = {}

    cdef set_alarms(self, Population p, Sums s):
        """Of neurons that are not filed, because they have credit, or all are looked at in every window."""
        cdef Py_ssize_t j
        for j in range(p.n):
            if s.dense or s.credited[j >> 6] >> (j & 63) & 1:
                self.plan.seats[p.first + j].look = -1
                self.engine.alarms.set(p.first + j, silent_until(p, j, self.engine.now))

    cdef void hand_back(self, int64_t window, Bag *bag) noexcept:
        cdef Py_ssize_t k
        cdef Touched look
        cdef Population p
        for k in range(bag.n):
            look = (<Touched *> bag.data)[k]
            p = self.engine.populations[look.population]
            if self.plan.seats[p.first + look.neuron].look == window:
                self.plan.seats[p.first + look.neuron].look = -1
                self.engine.alarms.set(p.first + look.neuron, silent_until(p, look.neuron, self.engine.now)
                                       if self.plan.sums[p.index] != NULL else alarm_after(p, look.neuron, self.engine.now))
        bag.n = 0


cdef Time silent_until(Population p, Py_ssize_t j, Time now) noexcept nogil:
    """A time, not before now, before which a neuron does not spike, if nothing arrives; as cheap as can be."""
    cdef double copy[WIDEST]
    cdef const Neuron *s = p.released(j, <Neuron *> copy)
    cdef Time t = later(s.at, p.respite(s, p.q(j)))
    return alarm_after(p, j, now) if before(t, now) else t

cdef Time alarm_after(Population p, Py_ssize_t j, Time now) noexcept nogil:
    """The alarm, not before now, of a neuron that does not spike before now."""
    cdef Time t = p.alarm(j), next
    while before(t, now):
        next = p.next_alarm(j, t)
        if not before(t, next):
            break
        t = next
    return t
