@cython.final
cdef class Worker:
    """One thread's share of a network: the neurons of some blocks, and the spikes these have in flight."""
    cdef Engine engine
    cdef Plan *plan
    cdef int index, n_workers
    cdef Slot *wheel                            # of the next SLOTS windows
    cdef Bag *mail                              # of all slots
    cdef Bag *summed                            # the spikes of all slots
    cdef Spares spares[2]                       # of mail, which is long, and of other lists
    cdef Bag flights                            # Flight: the spikes of own neurons, those that have arrived included until the
    cdef Py_ssize_t settled                     # next clearance, and how many were in flight after the last
    cdef Bag hung                               # Incoming: at neurons that take them one by one
    cdef Bag touched                            # Touch: own neurons with arrivals in this window
    cdef Bag departures                         # Departure: spikes of own neurons to be sent
    cdef Bag held                               # Incoming: those after a cut
    cdef Bag held_spikes                        # Flight: likewise
    cdef Bag drives                             # Background: sources of own neurons
    cdef Bag separate                           # Incoming: of visits, at neurons whose arrivals must be taken one by one
    cdef Bag shadows                            # Shadow
    cdef Course *course                         # neurons that go through the window side by side,
    cdef void *together                         # their population
    cdef bint in_shadow                         # the present neuron does not spike
    cdef int64_t shadowed
    cdef int64_t exact                          # neurons of this kind
    cdef bint recollecting                      # there are some whose arrivals have been summed,
    cdef bint *recollected                      # in which populations
    cdef Py_ssize_t looks                       # neurons filed in the slot of the window when it began
    cdef int whole                              # the window is not cut
    cdef double end_offset                      # where it ends [ms], from the beginning of its millisecond
    cdef double *left                           # of each population: how long its frame lasts after the window [ms]
    cdef Arrivals *arrivals                     # of each population
    cdef Bag *segments                          # Segment: what is to be added up in this window, of each population, in two lists:
                                                # rows that inhibit stand in the second
    cdef readonly Log spikes                    # of this window: epoch, offset, global id
    cdef readonly Log tape                      # of this window, if the engine has one
    cdef readonly list traces                   # as in the engine, of this window
    cdef void **trace
    cdef uint8_t[::1] watch
    cdef int64_t window, next                   # the present one, and the next in which something is due here; -1: none
    cdef Time limit
    cdef int32_t undelayed                      # spikes sent without delay
    cdef int64_t synaptic_events, solver_steps, predictions, n_spikes, touches
    cdef int code                               # REACHED, or what went wrong,
    cdef Time failed                            # when,
    cdef int64_t culprit                        # and in which neuron

    def __cinit__(self, Engine engine, int index, int n_workers):
        cdef int k
        self.engine, self.index, self.n_workers = engine, index, n_workers
        self.wheel = <Slot *> calloc(SLOTS, sizeof(Slot))
        self.mail = <Bag *> calloc(SLOTS * n_workers, sizeof(Bag))
        self.summed = <Bag *> calloc(SLOTS * n_workers, sizeof(Bag))
        self.trace = <void **> malloc(max(len(engine.populations), 1) * sizeof(void *))
        self.left = <double *> calloc(max(len(engine.populations), 1), sizeof(double))
        self.recollected = <bint *> calloc(max(len(engine.populations), 1), sizeof(bint))
        self.arrivals = <Arrivals *> calloc(max(len(engine.populations), 1), sizeof(Arrivals))
        self.segments = <Bag *> calloc(2 * max(len(engine.populations), 1), sizeof(Bag))
        self.course = <Course *> calloc(1, sizeof(Course))
        if (self.course == NULL or self.wheel == NULL or self.mail == NULL or self.summed == NULL or self.trace == NULL or self.left == NULL
                or self.recollected == NULL or self.arrivals == NULL or self.segments == NULL):
            raise MemoryError("Worker: no memory for its wheel")
        for k in range(SLOTS):
            self.wheel[k].mail = self.mail + k * n_workers
            self.wheel[k].spikes = self.summed + k * n_workers
        self.spikes, self.watch = Log(3), engine.watch
        self.traces = [Log(log.width) for log in engine.traces]
        for i, log in enumerate(self.traces):
            self.trace[i] = <void *> log
        self.failed, self.window, self.next = NEVER, -1, -1

    def __dealloc__(self):
        cdef int k, kind
        if self.wheel != NULL and self.mail != NULL and self.summed != NULL:
            for k in range(SLOTS):
                free(self.wheel[k].flights.data)
                free(self.wheel[k].sources.data)
                free(self.wheel[k].neurons.data)
            for k in range(SLOTS * self.n_workers):
                free(self.mail[k].data)
                free(self.summed[k].data)
        for kind in range(2):
            for k in range(self.spares[kind].n):
                free(self.spares[kind].bag[k].data)
        free(self.flights.data)
        free(self.hung.data)
        free(self.touched.data)
        free(self.departures.data)
        free(self.held.data)
        free(self.held_spikes.data)
        end_drives(self)
        free(self.drives.data)
        free(self.separate.data)
        free(self.shadows.data)
        free(self.course)
        for k in range(2 * len(self.traces) if self.segments != NULL else 0):
            free(self.segments[k].data)
        free(self.wheel)
        free(self.mail)
        free(self.summed)
        free(self.trace)
        free(self.left)
        free(self.recollected)
        free(self.arrivals)
        free(self.segments)

    cdef void file(self, Bag *bag, const Flight *f) noexcept nogil:
        cdef Flight *entry = <Flight *> self.add(bag, sizeof(Flight))
        if entry != NULL:
            entry[0] = f[0]

    cdef inline void hang(self, const Incoming *arrival) noexcept nogil:
        cdef Touch *touch = self.touch((<Rows> self.engine.projection[arrival.projection]).post, arrival.target)
        cdef Incoming *copy = <Incoming *> self.add(&self.hung, sizeof(Incoming))
        if touch != NULL and copy != NULL:
            copy[0] = arrival[0]
            copy.target, touch.first = touch.first, <int32_t> self.hung.n

    cdef inline Touch *touch(self, Population p, Py_ssize_t j) noexcept nogil:
        """The entry of a neuron whose arrivals are taken one by one; NULL if there is no memory."""
        cdef Seat *seat = &self.plan.seats[p.first + j]
        cdef Touch *touch
        if seat.place == 0:
            touch = <Touch *> self.add(&self.touched, sizeof(Touch))
            if touch == NULL:
                return NULL
            touch.who.population, touch.who.neuron, touch.first, touch.shadow = p.index, <int32_t> j, 0, 0
            seat.place = <int32_t> self.touched.n
        return <Touch *> self.touched.data + (seat.place - 1)

    cdef void hold(self, const Incoming *arrival) noexcept nogil:
        cdef Incoming *entry = <Incoming *> self.add(&self.held, sizeof(Incoming))
        if entry != NULL:
            entry[0] = arrival[0]

    cdef inline Seat *seat(self, const Incoming *arrival) noexcept nogil:
        return &self.plan.seats[(<Rows> self.engine.projection[arrival.projection]).post.first + arrival.target]

    cdef void file_look(self, Bag *bag, Population p, Py_ssize_t j) noexcept nogil:
        cdef Touched *entry = <Touched *> self.add(bag, sizeof(Touched))
        if entry != NULL:
            entry.population, entry.neuron = p.index, <int32_t> j

    cdef inline Slot *slot(self, int64_t window) noexcept nogil:
        return &self.wheel[window & (SLOTS - 1)]

    cdef inline Time start_of(self, int64_t window) noexcept nogil:
        cdef double ms = floor(window / self.plan.per_ms)
        return at_time(self.plan.epoch + ms, (window - ms * self.plan.per_ms) / self.plan.per_ms)

    cdef inline int64_t window_of(self, Time t) noexcept nogil:
        """The window a time lies in, among those the wheel has slots for."""
        cdef Plan *plan = self.plan
        cdef double ahead = (t.epoch - plan.epoch) * plan.per_ms - plan.window + <double> <int64_t> (t.offset * plan.per_ms)
        return plan.window + (0 if ahead < 0.0 else SLOTS - 1 if ahead > SLOTS - 1 else <int64_t> ahead)

    cdef inline int64_t window_to_visit(self, Rows rows, const Flight *f) noexcept nogil:
        """The window of the next arrivals of a spike, f.arrival. Of a row with one delay they are due in the window that contains the
        departure if it is moved back by the delay; where the two roundings differ, it is the next one."""
        cdef int64_t window = self.window_of(f.arrival)
        cdef double place = f.arrival.offset * self.plan.per_ms
        if rows.delays.stride or fabs(place - floor(place + 0.5)) > 2.0 ** -30:
            return window
        if not before(f.departure, earlier_by(self.start_of(window + 1), value(rows.delays, 0))):
            return min(window + 1, self.plan.window + SLOTS - 1)
        if window > self.plan.window and before(f.departure, earlier_by(self.start_of(window), value(rows.delays, 0))):
            return window - 1
        return window

    cdef int64_t next_window(self) noexcept nogil:
        """The first window from the present one on in which anything is due; -1: none."""
        cdef int64_t k, frames = end_of_frames(self), last = self.plan.window + SLOTS
        cdef int to
        cdef Slot *slot
        if self.plan.restless:
            return self.plan.window + (1 if self.window == self.plan.window and self.whole else 0)
        for k in range(self.plan.window, last if frames < 0 else min(frames, last)):
            slot = self.slot(k)
            if slot.flights.n or slot.sources.n or slot.neurons.n or (k == self.window and self.held.n + self.held_spikes.n):
                return k
            for to in range(self.n_workers):
                if k != self.window and slot.mail[to].n + slot.spikes[to].n:        # that of the window itself has been read
                    return k
        return frames

    cdef inline void *add(self, Bag *bag, size_t width) noexcept nogil:
        """Room for one more entry in a list; NULL if there is no memory."""
        cdef void *entry
        cdef Spares *spares = &self.spares[width != sizeof(Incoming)]
        if bag.data == NULL and spares.n:
            spares.n -= 1
            bag[0] = spares.bag[spares.n]
            bag.capacity //= width
        entry = put(bag, width)
        if entry == NULL:
            self.fail(NO_MEMORY, -1, self.plan.start)
        return entry

    cdef void empty(self, Bag *bag, Py_ssize_t n, size_t width) noexcept nogil:
        """Remove the first n entries of a list; those that follow were filed in the meantime, the window being cut."""
        cdef Spares *spares = &self.spares[width != sizeof(Incoming)]
        bag.n -= n
        if bag.n:
            memmove(bag.data, bag.data + n * width, bag.n * width)
        elif bag.data != NULL:
            if spares.n < SPARES:
                spares.bag[spares.n] = bag[0]
                spares.bag[spares.n].capacity *= width
                spares.n += 1
            else:
                free(bag.data)
            bag.data, bag.capacity = NULL, 0

    cdef void fail(self, int code, int64_t gid, Time t) noexcept nogil:
        """Note what went wrong first."""
        if before(t, self.failed):
            self.code, self.culprit, self.failed = code, gid, t
