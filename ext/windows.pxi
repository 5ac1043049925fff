# The windowed executor: the events of the ordered one, neuron by neuron.
#
# Where the shortest delay of a network is D > 0, a spike of the window [T, T + D) arrives at T + D or later. Within the
# window no neuron can influence another, so each may go through its own arrivals and spikes alone: in any order, in any
# thread, its state row in the cache once. What happens to one neuron is what the ordered executor would do to it, by the
# same calls in the same order; hence the same bits, wherever windows begin or are cut (docs/windows.md).
#
# A spike is sent at once: its row is read from end to end, and each arrival written to the list of its window and of the
# thread that owns the target. For each window, each thread does
#   emit      its sources spike;                                         -- barrier, if they may do so with less delay than D --
#   sweep     its neurons with arrivals, or an alarm that rings, live through the window: each takes its arrivals in order,
#             and spikes; then the spikes are sent;                                                          -- barrier --
#   exchange  (one thread) spikes are recorded, and taped, in the order of time; the next window in which anything is due is found.
#                                                                                                          -- barrier --

cdef extern from *:
    """
    #include <sched.h>
    typedef struct { int parties, arrived, round; } eventsim_barrier;
    /* Spin a little, for a window takes microseconds; then yield, for there may be more threads than processors. */
    static void eventsim_meet(eventsim_barrier *b) {
        int spins = 0, round = __atomic_load_n(&b->round, __ATOMIC_ACQUIRE);
        if (b->parties == 1)
            return;
        if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == b->parties) {
            __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
            __atomic_store_n(&b->round, round + 1, __ATOMIC_RELEASE);
            return;
        }
        while (__atomic_load_n(&b->round, __ATOMIC_ACQUIRE) == round)
            if (++spins > 1000)
                sched_yield();
    }
    """
    ctypedef struct Barrier "eventsim_barrier":
        int parties, arrived, round
    void meet "eventsim_meet" (Barrier *) noexcept nogil

cdef extern from "<stdlib.h>" nogil:
    void qsort(void *, size_t, size_t, int (*)(const void *, const void *) noexcept nogil)

cdef enum:
    BLOCK_BITS = 9              # neurons are dealt out to threads in blocks of 2**9, so that no two threads share a cache line
    SLOTS = 1024                # windows a wheel reaches ahead; what is due later is filed near its end, and again from there
    SPARES = 64                 # emptied lists whose memory is kept for others
    AHEAD = 8                   # neurons ahead for which memory is fetched
    MANY = 8                    # arrivals at a neuron in a window
    RENUMBER = 1 << 30          # windows after which they are counted from 0 again
    FINEST = 20                 # a window is no shorter than 2**-20 ms

cdef enum:                      # what to do with a row of a spike that is sent
    FETCH_POINTERS
    FETCH_ROWS
    SEND

cdef uint32_t UNDELAYED = <uint32_t> 1 << 31

cdef struct Incoming:            # one on its way
    double offset               # [ms], of its time; windows do not cross whole milliseconds
    double w
    Incoming *next               # of those at the same neuron in the present window
    uint32_t source             # global id, plus UNDELAYED if it arrives as it is sent: after all other arrivals of its time
    int32_t projection
    int32_t cursor              # in the row; for undelayed ones, a number that grows with the order of their spikes
    int32_t target              # local id

cdef struct Touch:              # a neuron with arrivals in the present window
    Touched who
    Incoming *first

cdef struct Departure:
    Time time
    Touched who

cdef struct Seat:               # of each neuron
    int32_t look                # the window in which to look whether it spikes: see `Worker.watch_out`
    int32_t place               # among those with arrivals in the present window, from 1 on

cdef struct Bag:                # a growing array
    char *data
    Py_ssize_t n, capacity      # entries

cdef struct Spares:             # memory of lists that have been emptied, for the next to be begun; capacities in bytes
    Bag bag[SPARES]
    int n

cdef struct Slot:               # what is due in one window
    Bag *mail                   # for each worker, the arrivals at its neurons (Incoming)
    Bag flights                 # Flight: spikes of which the rest is sent then, for its arrivals are far away
    Bag sources, neurons        # Touched: those to look at because they may spike

cdef struct Plan:               # what the threads share; written while they wait
    int n_workers
    double epoch                # [ms] where window 0 begins
    double per_ms               # windows in a millisecond, a power of two
    int64_t window              # the present one,
    Time start, limit           # where it begins, and where it ends or is cut
    bint over                   # nothing is left before the end of the run
    bint prompt                 # a source may reach a neuron in the window in which it spikes
    Seat *seats                 # of all neurons
    uint8_t *owner              # worker of each block of neurons
    uint8_t *is_lif             # for each population
    void **workers
    Barrier barrier


cdef inline void prefetch_value(Values v, int64_t k) noexcept nogil:
    if v.f32 != NULL:
        prefetch(v.f32 + k * v.stride)
    else:
        prefetch(v.f64 + k * v.stride)

cdef inline void *put(Bag *bag, size_t width) noexcept nogil:
    """Room for one more entry; NULL if there is no memory."""
    cdef Py_ssize_t capacity
    cdef char *data
    if bag.n == bag.capacity:
        capacity = max(2 * bag.capacity, 16)
        data = <char *> realloc(bag.data, capacity * width)
        if data == NULL:
            return NULL
        bag.data, bag.capacity = data, capacity
    bag.n += 1
    return bag.data + (bag.n - 1) * width

cdef inline bint arrives_first(const Incoming *a, const Incoming *b) noexcept nogil:
    """The order of arrivals in docs/semantics.md."""
    if a.offset != b.offset:
        return a.offset < b.offset
    if a.source != b.source:
        return a.source < b.source
    if a.projection != b.projection and not a.source & UNDELAYED:
        return a.projection < b.projection
    return a.cursor < b.cursor

cdef Incoming *merged(Incoming *a, Incoming *b) noexcept nogil:
    """Two lists in order as one."""
    cdef Incoming *head = NULL
    cdef Incoming **end = &head
    while a != NULL and b != NULL:
        if arrives_first(a, b):
            end[0] = a
            a = a.next
        else:
            end[0] = b
            b = b.next
        end = &end[0].next
    end[0] = a if a != NULL else b
    return head

cdef Incoming *in_order(Incoming *events) noexcept nogil:
    """A list of arrivals, sorted: runs of 1, 2, 4 ... entries are merged as they fill up."""
    cdef Incoming *run[48]
    cdef Incoming *one
    cdef int k, n = 0
    if events.next == NULL:
        return events
    while events != NULL:
        one, events = events, events.next
        one.next = NULL
        k = 0
        while k < n and run[k] != NULL:
            one = merged(run[k], one)
            run[k] = NULL
            k += 1
        if k == n:
            n += 1
        run[k] = one
    for k in range(n):
        if run[k] != NULL:
            events = merged(run[k], events)
    return events

cdef int take_over(Log log, Log part) noexcept nogil:
    """Move the rows of one log to the end of another; -1 if there is no memory."""
    if part.n == 0:         # and perhaps no memory at either
        return 0
    if log.reserve(part.n):
        return -1
    memcpy(log.data + log.n * log.width, part.data, part.n * log.width * sizeof(double))
    log.n += part.n
    part.n = 0
    return 0

cdef int line_up(Bag *order, Log part) noexcept nogil:
    """Append pointers to the rows of a log, which are then free to be overwritten; -1 if there is no memory."""
    cdef Py_ssize_t k
    cdef void **entry
    for k in range(part.n):
        entry = <void **> put(order, sizeof(void *))
        if entry == NULL:
            return -1
        entry[0] = part.data + k * part.width
    part.n = 0
    return 0

cdef int splice(Log tape, Bag *order) noexcept nogil:
    """Write the spikes that have been lined up to the end of a tape, in the order of time; -1 if there is no memory."""
    cdef Py_ssize_t k
    if tape.reserve(order.n):
        return -1
    qsort(order.data, order.n, sizeof(void *), by_time_on_tape)
    for k in range(order.n):
        memcpy(tape.append(), (<void **> order.data)[k], tape.width * sizeof(double))
    order.n = 0
    return 0

cdef inline int64_t earlier(int64_t a, int64_t b) noexcept nogil:
    """The smaller of two windows; -1 is none."""
    return b if a < 0 or 0 <= b < a else a

cdef int by_time(const void *a, const void *b) noexcept nogil:
    """Order of recorded spikes: time, then id."""
    cdef const double *x = <const double *> a
    cdef const double *y = <const double *> b
    cdef int k
    for k in range(3):
        if x[k] != y[k]:
            return -1 if x[k] < y[k] else 1
    return 0

cdef int by_time_on_tape(const void *a, const void *b) noexcept nogil:
    """Order of pointers to taped spikes: time, then id; of one neuron at one instant as they came."""
    cdef const Spike *x = (<const Spike **> a)[0]
    cdef const Spike *y = (<const Spike **> b)[0]
    if x.epoch != y.epoch:
        return -1 if x.epoch < y.epoch else 1
    if x.offset != y.offset:
        return -1 if x.offset < y.offset else 1
    if spiking(x) != spiking(y):
        return -1 if spiking(x) < spiking(y) else 1
    return -1 if x < y else 1


@cython.final
cdef class Worker:
    """One thread's share of a network: the neurons of some blocks, and the spikes these have in flight."""
    cdef Engine engine
    cdef Plan *plan
    cdef int index, n_workers
    cdef Slot *wheel                            # of the next SLOTS windows
    cdef Bag *mail                              # of all slots
    cdef Spares spares[2]                       # of mail, which is long, and of other lists
    cdef Bag flights                            # Flight: the spikes of own neurons, those that have arrived included until the
    cdef Py_ssize_t settled                     # next clearance, and how many were in flight after the last
    cdef Bag touched                            # Touch: own neurons with arrivals in this window
    cdef Bag departures                         # Departure: spikes of own neurons to be sent
    cdef Bag held                               # Incoming: those after a cut
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
        self.trace = <void **> malloc(max(len(engine.populations), 1) * sizeof(void *))
        if self.wheel == NULL or self.mail == NULL or self.trace == NULL:
            raise MemoryError("Worker: no memory for its wheel")
        for k in range(SLOTS):
            self.wheel[k].mail = self.mail + k * n_workers
        self.spikes, self.watch = Log(3), engine.watch
        self.traces = [Log(log.width) for log in engine.traces]
        for i, log in enumerate(self.traces):
            self.trace[i] = <void *> log
        self.failed, self.window, self.next = NEVER, -1, -1

    def __dealloc__(self):
        cdef int k, kind
        if self.wheel != NULL and self.mail != NULL:
            for k in range(SLOTS):
                free(self.wheel[k].flights.data)
                free(self.wheel[k].sources.data)
                free(self.wheel[k].neurons.data)
            for k in range(SLOTS * self.n_workers):
                free(self.mail[k].data)
        for kind in range(2):
            for k in range(self.spares[kind].n):
                free(self.spares[kind].bag[k].data)
        free(self.flights.data)
        free(self.touched.data)
        free(self.departures.data)
        free(self.held.data)
        free(self.wheel)
        free(self.mail)
        free(self.trace)

    # ---- the steps of a window

    cdef void emit(self) noexcept nogil:
        """The sources whose alarms ring in this window spike; what is left to send of earlier spikes is sent."""
        cdef Slot *slot = self.slot(self.plan.window)
        cdef Py_ssize_t k, n = slot.flights.n
        cdef Flight f
        self.clear()
        self.window, self.limit = self.plan.window, self.plan.limit
        self.ring_all(&slot.sources)
        self.depart()
        for k in range(n):
            f = (<Flight *> slot.flights.data)[k]
            self.send(<Rows> self.engine.projection[f.projection], &f)
        self.empty(&slot.flights, n, sizeof(Flight))

    cdef void sweep(self) noexcept nogil:
        """Every neuron with arrivals, or an alarm that rings, lives through the window."""
        cdef Plan *plan = self.plan
        cdef Touch *touched
        cdef Py_ssize_t k
        self.touched.n = 0
        for k in range(plan.n_workers):
            self.receive(&(<Worker> plan.workers[k]).slot(plan.window).mail[self.index])
        self.touches += self.touched.n
        touched = <Touch *> self.touched.data
        for k in range(self.touched.n):
            if k + AHEAD < self.touched.n:
                self.fetch(<Population> self.engine.population[touched[k + AHEAD].who.population], &touched[k + AHEAD])
            if plan.is_lif[touched[k].who.population]:
                live(self, <LIFPopulation> self.engine.population[touched[k].who.population], &touched[k])
            else:
                live(self, <Population> self.engine.population[touched[k].who.population], &touched[k])
        self.ring_all(&self.slot(plan.window).neurons)
        self.depart()
        self.next = self.next_window()

    cdef void clear(self) noexcept nogil:
        """When everybody has read the mail of a window: what arrives after a cut is mail once more; memory is recycled."""
        cdef Slot *slot = self.slot(self.window)
        cdef Py_ssize_t k
        if self.window < 0:
            return
        for k in range(self.n_workers):
            self.empty(&slot.mail[k], slot.mail[k].n, sizeof(Incoming))
        if self.held.n:
            slot.mail[self.index], self.held = self.held, slot.mail[self.index]
        if self.flights.n > 2 * self.settled + 1024:
            self.settled = 0
            for k in range(self.flights.n):         # `arrival` is the last one
                if not before((<Flight *> self.flights.data)[k].arrival, self.limit):
                    (<Flight *> self.flights.data)[self.settled] = (<Flight *> self.flights.data)[k]
                    self.settled += 1
            self.flights.n = self.settled
        self.window = -1

    # ---- emit

    cdef void depart(self) noexcept nogil:
        """Send the spikes of own neurons, several rows being fetched ahead."""
        cdef Departure *spike = <Departure *> self.departures.data
        cdef Py_ssize_t i
        for i in range(-AHEAD, self.departures.n):
            if i + AHEAD < self.departures.n:
                self.each_row(&spike[i + AHEAD], FETCH_POINTERS)
            if 0 <= i + AHEAD // 2 < self.departures.n:
                self.each_row(&spike[i + AHEAD // 2], FETCH_ROWS)
            if i >= 0:
                self.each_row(&spike[i], SEND)
        self.departures.n = 0

    cdef void each_row(self, const Departure *spike, int what) noexcept nogil:
        cdef int32_t k
        for k in range(self.engine.out_ptr[spike.who.population], self.engine.out_ptr[spike.who.population + 1]):
            self.one_row(<Rows> self.engine.projection[self.engine.out_index[k]], self.engine.out_index[k], spike, what)

    cdef inline void one_row(self, Rows rows, int32_t projection, const Departure *spike, int what) noexcept nogil:
        cdef int64_t k, source = rows.first + spike.who.neuron
        cdef Flight f
        if what == FETCH_POINTERS:
            prefetch(&rows.ptr[spike.who.neuron])
            return
        f.cursor, f.stop = rows.start(source), rows.stop(source)
        if f.cursor == f.stop:
            return
        if what == FETCH_ROWS:
            for k in range(f.cursor, min(f.stop, f.cursor + 64), 16):
                prefetch(&rows.target[k])
                prefetch_value(rows.delays, k)
            return
        f.departure, f.source, f.projection = spike.time, <int32_t> source, projection
        self.send_off(rows, &f)

    cdef void send_off(self, Rows rows, Flight *f) noexcept nogil:
        """Send a spike, and note when it will have arrived everywhere."""
        f.arrival = later(f.departure, value(rows.delays, f.stop - 1))
        self.file(&self.flights, f)
        f.arrival = later(f.departure, value(rows.delays, f.cursor))
        self.send(rows, f)

    cdef void send(self, Rows rows, Flight *f) noexcept nogil:
        """Write the arrivals of a spike, from its cursor on, to the mail of their windows."""
        cdef Plan *plan = self.plan
        cdef Values weights = rows.weights, delays = rows.delays
        cdef const int32_t *target = rows.targets()
        cdef const uint8_t *owner = plan.owner
        cdef Bag *mail = NULL
        cdef Incoming *arrival
        cdef int64_t k, window, start = rows.start(f.source), first = rows.post.first
        cdef Time t = f.arrival, until = t              # where the window ends that `mail` is of
        cdef uint32_t undelayed = UNDELAYED if same(t, f.departure) else 0
        self.undelayed += undelayed != 0
        for k in range(f.cursor, f.stop):
            if k > f.cursor and delays.stride:
                t = later(f.departure, value(delays, k))
                if undelayed and not same(t, f.departure):
                    undelayed = 0
            if not before(t, until):
                window = self.window_of(t)
                if window == plan.window + SLOTS - 1:           # or later: the rest is sent a window before that one
                    f.cursor, f.arrival = k, t
                    self.file(&self.slot(window - 1).flights, f)
                    return
                mail, until = self.slot(window).mail, self.start_of(window + 1)
            arrival = <Incoming *> self.add(mail + owner[(first + target[k]) >> BLOCK_BITS], sizeof(Incoming))
            if arrival == NULL:
                return
            arrival.offset, arrival.w = t.offset, value(weights, k)
            arrival.source, arrival.projection, arrival.target = <uint32_t> f.source | undelayed, f.projection, target[k]
            arrival.cursor = self.undelayed if undelayed else <int32_t> (k - start)

    cdef void file(self, Bag *bag, const Flight *f) noexcept nogil:
        cdef Flight *entry = <Flight *> self.add(bag, sizeof(Flight))
        if entry != NULL:
            entry[0] = f[0]

    cdef Py_ssize_t in_flight(self, Time now, Flight *out) noexcept nogil:
        """Write the spikes that still arrive somewhere at or after `now` to `out`, which may be where they are."""
        cdef Py_ssize_t k, n = 0
        for k in range(self.flights.n):
            out[n] = (<Flight *> self.flights.data)[k]
            n += move_on(<Rows> self.engine.projection[out[n].projection], out + n, now)
        return n

    # ---- sweep

    cdef void receive(self, Bag *mail) noexcept nogil:
        """Hang arrivals on their targets."""
        cdef Incoming *arrival = <Incoming *> mail.data
        cdef Seat *seat
        cdef Touch *touch
        cdef Py_ssize_t k
        cdef bint cut = before(self.plan.limit, self.start_of(self.plan.window + 1))
        for k in range(mail.n):
            if k + 2 * AHEAD < mail.n:
                prefetch(self.seat(&arrival[k + 2 * AHEAD]))
            if cut and not before(at_time(self.plan.start.epoch, arrival[k].offset), self.plan.limit):
                self.hold(&arrival[k])
                continue
            self.synaptic_events += 1
            if arrival[k].w == 0.0 and not (<Rows> self.engine.projection[arrival[k].projection]).post.replaying:
                continue                # as in `Population.receive_row`
            seat = self.seat(&arrival[k])
            if seat.place == 0:
                touch = <Touch *> self.add(&self.touched, sizeof(Touch))
                if touch == NULL:
                    return
                touch.who.population = (<Rows> self.engine.projection[arrival[k].projection]).post.index
                touch.who.neuron, touch.first = arrival[k].target, NULL
                seat.place = <int32_t> self.touched.n
            touch = <Touch *> self.touched.data + (seat.place - 1)
            arrival[k].next = touch.first
            touch.first = &arrival[k]

    cdef inline void fetch(self, Population p, const Touch *touch) noexcept nogil:
        """A neuron's turn comes soon."""
        prefetch(p.row(touch.who.neuron))
        prefetch(&self.plan.seats[p.first + touch.who.neuron])
        prefetch(touch.first)

    cdef void hold(self, const Incoming *arrival) noexcept nogil:
        cdef Incoming *entry = <Incoming *> self.add(&self.held, sizeof(Incoming))
        if entry != NULL:
            entry[0] = arrival[0]

    cdef inline Seat *seat(self, const Incoming *arrival) noexcept nogil:
        return &self.plan.seats[(<Rows> self.engine.projection[arrival.projection]).post.first + arrival.target]

    cdef Time ring(self, Population p, Py_ssize_t j, Time until) noexcept nogil:
        """Let a neuron spike, if nothing else arrives, wherever it does before `until`; returns its alarm then.

        As in `Engine.threshold`, the bound is refined until it stands still: that is a spike."""
        cdef Time t = p.alarm(j), next
        self.predictions += 1
        while before(t, until):
            self.solver_steps += 1
            next = p.next_alarm(j, t)
            if before(t, next):
                t = next
                continue
            self.spike(p, j, t)
            if self.code != REACHED:
                return t
            t = p.alarm(j)
            self.predictions += 1
        return t

    cdef void ring_all(self, Bag *bag) noexcept nogil:
        """Ring the alarms filed in a slot, except where they have been moved away."""
        cdef Py_ssize_t k, n = bag.n
        cdef Touched look
        for k in range(n):
            look = (<Touched *> bag.data)[k]
            self.look_at(<Population> self.engine.population[look.population], look.neuron)
        self.empty(bag, n, sizeof(Touched))

    cdef inline void look_at(self, Population p, Py_ssize_t j) noexcept nogil:
        if self.plan.seats[p.first + j].look == self.plan.window:
            self.plan.seats[p.first + j].look = -1
            self.watch_out(p, j, self.ring(p, j, self.plan.limit))

    cdef void watch_out(self, Population p, Py_ssize_t j, Time alarm) noexcept nogil:
        """File a neuron in the window of its alarm, unless it is filed in an earlier one, where it will be filed again.

        Invariant: if a neuron has an alarm, `look` is the window of it or an earlier one, not past, in whose slot the neuron
        is filed. To look too often changes nothing."""
        cdef int32_t *look = &self.plan.seats[p.first + j].look
        cdef int64_t window
        cdef Touched *entry
        if alarm.epoch == INFINITY:
            return
        if isnan(alarm.epoch):
            self.fail(NOT_FINITE, p.first + j, p.row(j).at)
            return
        window = self.window_of(alarm)
        if self.plan.window <= look[0] <= window:
            return
        look[0] = <int32_t> window
        entry = <Touched *> self.add(&self.slot(window).sources if p.is_source else &self.slot(window).neurons, sizeof(Touched))
        if entry != NULL:
            entry.population, entry.neuron = p.index, <int32_t> j

    cdef void spike(self, Population p, Py_ssize_t j, Time t) noexcept nogil:
        """A neuron has reached its threshold: see `Engine.threshold` and `Engine.spike`."""
        cdef int64_t gid = p.first + j
        cdef double *record
        cdef Departure *departure
        if self.spikes.reserve(1) or (self.engine.taping and self.tape.reserve(1)):
            self.fail(NO_MEMORY, -1, t)
        elif p.fire(j, t):
            self.n_spikes += 1
            self.engine.counts_view[gid] += 1
            if self.watch[gid] & WATCH_SPIKES:
                record = self.spikes.append()
                record[0], record[1], record[2] = t.epoch, t.offset, gid
            if self.engine.taping:
                p.tape_spike(j, t, self.tape)
            departure = <Departure *> self.add(&self.departures, sizeof(Departure))
            if departure != NULL:
                departure.time, departure.who.population, departure.who.neuron = t, p.index, <int32_t> j
            if p.streak[j] > RUNAWAY:
                self.fail(RAN_AWAY, gid, t)
        self.observe(p, j)

    cdef inline void observe(self, Population p, Py_ssize_t j) noexcept nogil:
        """Record a watched neuron's state."""
        if self.engine.traced[p.index] and self.watch[p.first + j] & WATCH_STATE:
            if (<Log> self.trace[p.index]).reserve(1):
                self.fail(NO_MEMORY, -1, p.row(j).at)
            else:
                self.engine.trace_state(<Log> self.trace[p.index], p, j)

    # ---- small things

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

    cdef int64_t next_window(self) noexcept nogil:
        """The first window from the present one on in which anything is due; -1: none."""
        cdef int64_t k
        cdef int to
        cdef Slot *slot
        for k in range(self.plan.window, self.plan.window + SLOTS):
            slot = self.slot(k)
            if slot.flights.n or slot.sources.n or slot.neurons.n or (k == self.window and self.held.n):
                return k
            for to in range(self.n_workers):
                if k != self.window and slot.mail[to].n:            # that of the window itself has been read
                    return k
        return -1

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
        elif bag.data != NULL and spares.n < SPARES:
            spares.bag[spares.n] = bag[0]
            spares.bag[spares.n].capacity *= width
            spares.n += 1
            bag.data, bag.capacity = NULL, 0

    cdef void fail(self, int code, int64_t gid, Time t) noexcept nogil:
        """Note what went wrong first."""
        if before(t, self.failed):
            self.code, self.culprit, self.failed = code, gid, t


ctypedef fused Life:            # one copy of the loop below that calls a final class directly, one for all other models
    LIFPopulation
    Population

cdef void live(Worker w, Life p, const Touch *touch) noexcept nogil:
    """Take a neuron through its arrivals and spikes, in the order of time, to the end of the window."""
    cdef Plan *plan = w.plan
    cdef Py_ssize_t j = touch.who.neuron
    cdef Neuron *s = p.row(j)
    cdef const double *q = p.q(j)
    cdef Incoming *arrival = in_order(touch.first)
    cdef Seat *seat = &plan.seats[p.first + j]
    cdef bint alarmed = seat.look == plan.window        # else it does not spike before it receives something
    cdef Time t = plan.start, alarm
    seat.place = 0
    while arrival != NULL:
        t.offset = arrival.offset
        if alarmed and before(respited(p, s, q), t):
            w.ring(p, j, t)
        alarmed = True
        if clamped(s):
            p.advance(s, q, t)
        elif before(s.at, t):
            p.flow(s, q, elapsed(s.at, t))
            s.at = t
        while arrival != NULL and arrival.offset == t.offset:
            p.receive(s, q, (<Rows> w.engine.projection[arrival.projection]).port, arrival.w, clamped(s))
            arrival = arrival.next
        w.observe(p, j)
    alarm = respited(p, s, q)
    w.watch_out(p, j, w.ring(p, j, plan.limit) if before(alarm, plan.limit) else alarm)

cdef inline Time respited(Life p, const Neuron *s, const double *q) noexcept nogil:
    """A time before which the neuron does not spike, if nothing arrives."""
    return later(s.free if clamped(s) else s.at, p.respite(s, q))


cdef bint move_on(Rows rows, Flight *f, Time now) noexcept nogil:
    """Move the cursor of a spike to its first arrival at or after `now`; False: there is none."""
    cdef int64_t lo = f.cursor, hi = f.stop, mid
    while lo < hi:
        mid = (lo + hi) // 2
        if before(later(f.departure, value(rows.delays, mid)), now):
            lo = mid + 1
        else:
            hi = mid
    f.cursor = lo
    if lo == f.stop:
        return False
    f.arrival = later(f.departure, value(rows.delays, lo))
    return True


@cython.final
cdef class Windows:
    """The windowed executor of an engine. Between `open` and `close` alarms and flights are here, else in the engine."""
    cdef readonly Engine engine
    cdef readonly list workers
    cdef void **worker
    cdef Plan plan
    cdef readonly double longest                # window [ms]
    cdef Bag taped                              # void *: spikes on their way from the workers' tapes to the engine's
    cdef int64_t arrivals, touches              # since the length was last chosen; a neuron is touched once in a window
    cdef Time end                               # of the run
    cdef int64_t quota                          # events left until it pauses
    cdef int code

    def __cinit__(self, Engine engine, double length, int threads):
        cdef int64_t k
        cdef Worker worker
        self.engine = engine
        self.plan.n_workers = self.plan.barrier.parties = threads
        self.longest, self.plan.per_ms = length, 1.0 / length
        self.plan.seats = <Seat *> calloc(engine.n + 1, sizeof(Seat))
        self.plan.is_lif = <uint8_t *> malloc(len(engine.populations) + 1)
        self.plan.owner = <uint8_t *> malloc((engine.n >> BLOCK_BITS) + 1)
        self.worker = self.plan.workers = <void **> malloc(threads * sizeof(void *))
        if self.plan.seats == NULL or self.plan.is_lif == NULL or self.plan.owner == NULL or self.worker == NULL:
            raise MemoryError(f"Windows: no memory for {engine.n} neurons")
        for k, population in enumerate(engine.populations):
            self.plan.is_lif[k] = isinstance(population, LIFPopulation)
        for k in range((engine.n >> BLOCK_BITS) + 1):
            self.plan.owner[k] = k % threads
        self.workers = []
        for k in range(threads):
            worker = Worker(engine, k, threads)
            worker.plan = &self.plan
            self.workers.append(worker)
            self.worker[k] = <void *> worker

    def __dealloc__(self):
        free(self.plan.seats)
        free(self.plan.is_lif)
        free(self.plan.owner)
        free(self.worker)
        free(self.taped.data)

    @property
    def length(self):
        """Length of a window now [ms]."""
        return 1.0 / self.plan.per_ms

    # ---- the loop

    def run(self, double epoch, double offset, int64_t quota):
        """Handle all events before the given time, or about `quota` of them; the codes are those of `Engine.run`."""
        cdef Worker worker
        self.end, self.quota, self.code = at_time(epoch, offset), quota, REACHED
        for worker in self.workers:
            if worker.code == NO_MEMORY:        # arrivals have been lost
                return NO_MEMORY
            worker.code, worker.failed = REACHED, NEVER
            worker.clear()
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
        while not self.plan.over:
            (<Worker> self.worker[k]).emit()
            if self.plan.prompt:
                meet(&self.plan.barrier)
            (<Worker> self.worker[k]).sweep()
            meet(&self.plan.barrier)
            if k == 0:
                self.exchange()
            meet(&self.plan.barrier)

    cdef void exchange(self) noexcept nogil:
        """Record what happened in the window, and plan the next."""
        cdef Py_ssize_t recorded = self.engine.spikes.n
        cdef int k
        for k in range(self.plan.n_workers):
            self.collect(<Worker> self.worker[k])
        if self.engine.spikes.n > recorded + 1:
            qsort(self.engine.spikes.data + 3 * recorded, self.engine.spikes.n - recorded, 3 * sizeof(double), by_time)
        if self.taped.n and splice(self.engine.tape, &self.taped):
            (<Worker> self.worker[0]).fail(NO_MEMORY, -1, self.plan.limit)
        self.engine.now = self.plan.limit
        self.judge_all()
        if self.code == REACHED and (self.quota <= 0 or self.plan.window > RENUMBER):
            self.code = PAUSED
        if self.code == REACHED:
            self.plan_next()
        else:
            self.plan.over = True

    cdef void collect(self, Worker w) noexcept nogil:
        """Take over what a worker has recorded and counted in the window."""
        cdef Py_ssize_t i
        if take_over(self.engine.spikes, w.spikes) or (self.engine.taping and line_up(&self.taped, w.tape)):
            w.fail(NO_MEMORY, -1, self.plan.limit)
        for i in range(self.engine.traced.shape[0]):
            if self.engine.traced[i] and take_over(<Log> self.engine.trace[i], <Log> w.trace[i]):
                w.fail(NO_MEMORY, -1, self.plan.limit)
        self.arrivals += w.synaptic_events
        self.touches += w.touches
        self.quota -= w.synaptic_events + w.solver_steps
        self.engine.synaptic_events += w.synaptic_events
        self.engine.solver_steps += w.solver_steps
        self.engine.predictions += w.predictions
        self.engine.n_spikes += w.n_spikes
        w.synaptic_events = w.solver_steps = w.predictions = w.n_spikes = w.touches = 0

    cdef void judge_all(self) noexcept nogil:
        """Of what went wrong, report what did so first."""
        cdef int k
        cdef Time failed = NEVER
        for k in range(self.plan.n_workers):
            self.judge(<Worker> self.worker[k], &failed)

    cdef void judge(self, Worker w, Time *failed) noexcept nogil:
        if w.code != REACHED and before(w.failed, failed[0]):
            failed[0] = self.engine.now = w.failed
            self.code = w.code
            if w.code == NOT_FINITE:
                self.engine.overflowed = w.culprit

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
                plan.window = window
                plan.limit = (<Worker> self.worker[0]).start_of(window + 1)
                if before(bound, plan.limit):
                    plan.limit = bound
                return
            plan.window = <int64_t> min((bound.epoch - plan.epoch) * plan.per_ms + floor(bound.offset * plan.per_ms), 2.0 ** 62)
            self.engine.now = bound
            if not before(step, self.end):
                return
            if plan.window > RENUMBER:
                plan.over, self.code = True, PAUSED
                return
            for k in range(plan.n_workers):
                (<Worker> self.worker[k]).clear()
            self.inject(step)
            self.look_ahead()
            if self.code != REACHED:
                plan.over = True
                return

    cdef void inject(self, Time t) noexcept nogil:
        """The steps of injected currents that are due at t; no alarm rings before."""
        cdef Py_ssize_t k
        while self.code == REACHED and self.engine.flights.n and not before(t, self.engine.flights.heap[0].arrival):
            self.code = self.engine.step(<Population> self.engine.population[self.engine.flights.heap[0].projection],
                                         self.engine.flights.heap[0], t)
        for k in range(self.engine.n_touched):
            self.settle(<Population> self.engine.population[self.engine.touched[k].population], self.engine.touched[k].neuron)
        self.engine.n_touched = 0
        self.engine.now = t
        self.judge_all()

    cdef void settle(self, Population p, Py_ssize_t j) noexcept nogil:
        """After a step of neuron j's injected current."""
        p.mark[j] = 0
        (<Worker> self.worker[self.plan.owner[(p.first + j) >> BLOCK_BITS]]).watch_out(p, j, p.alarm(j))
        self.engine.predictions += 1
        if self.engine.watch_view[p.first + j] & WATCH_STATE:
            self.engine.trace_state(<Log> self.engine.trace[p.index], p, j)

    cdef void look_ahead(self) noexcept nogil:
        cdef int k
        for k in range(self.plan.n_workers):
            (<Worker> self.worker[k]).next = (<Worker> self.worker[k]).next_window()

    # ---- taking over from the engine, and handing back

    def open(self, double epoch, double offset):
        """Take over the spikes in flight and the alarms, at a given time."""
        cdef Flights flights = self.engine.flights
        cdef Alarms alarms = self.engine.alarms
        cdef Py_ssize_t k, n = flights.n
        cdef Flight f
        cdef Alarm alarm
        cdef Population p
        cdef Plan *plan = &self.plan
        cdef Worker worker
        rows = [self.engine.projections[i] for indices in self.engine.outgoing for i in indices]
        plan.prompt = any((<Population> self.engine.populations[r.pre]).is_source and r.shortest < self.longest for r in rows)
        plan.epoch, plan.window = epoch, <int64_t> (offset * plan.per_ms)
        for worker in self.workers if self.engine.taping else ():
            worker.tape = worker.tape or Log(self.engine.tape.width)
        for k in range(self.engine.n):
            plan.seats[k].look = -1
        for k in range(n):
            f = flights.heap[k]
            if f.source >= 0:
                (<Worker> self.worker[plan.owner[f.source >> BLOCK_BITS]]).send_off(<Rows> self.engine.projection[f.projection], &f)
        entries = flights.dump()
        flights.load(entries[entries["source"] < 0])
        for k in range(alarms.n):
            alarm = alarms.heap[k]
            alarms.place[alarm.neuron] = -1
            p = self.engine.populations[self.engine.owner[alarm.neuron]]
            (<Worker> self.worker[plan.owner[alarm.neuron >> BLOCK_BITS]]).watch_out(p, alarm.neuron - p.first, alarm.time)
        alarms.n = 0
        self.look_ahead()

    def close(self):
        """Hand spikes in flight and alarms back."""
        cdef Worker w
        cdef int64_t window, moves = self.engine.alarms.moves, pushes = self.engine.flights.pushes
        cdef Py_ssize_t k, n
        cdef int to
        cdef Slot *slot
        for w in self.workers:
            for window in range(self.plan.window, self.plan.window + SLOTS):
                slot = w.slot(window)
                slot.flights.n = 0
                for to in range(self.plan.n_workers):
                    slot.mail[to].n = 0
                self.hand_back(window, &slot.sources)
                self.hand_back(window, &slot.neurons)
            n = w.in_flight(self.engine.now, <Flight *> w.flights.data)
            if self.engine.flights.reserve(n):
                raise MemoryError("Windows: no memory for the spikes in flight")
            for k in range(n):
                self.engine.flights.push(<Flight *> w.flights.data + k)
            w.flights.n = w.settled = w.held.n = 0
            w.window = -1
        self.engine.flights.pushes, self.engine.alarms.moves = pushes, moves

    cdef void hand_back(self, int64_t window, Bag *bag) noexcept:
        cdef Py_ssize_t k
        cdef Touched look
        cdef Population p
        for k in range(bag.n):
            look = (<Touched *> bag.data)[k]
            p = self.engine.populations[look.population]
            if self.plan.seats[p.first + look.neuron].look == window:
                self.plan.seats[p.first + look.neuron].look = -1
                self.engine.alarms.set(p.first + look.neuron, alarm_after(p, look.neuron, self.engine.now))
        bag.n = 0


cdef Time alarm_after(Population p, Py_ssize_t j, Time now) noexcept nogil:
    """The alarm, not before now, of a neuron that does not spike before now."""
    cdef Time t = p.alarm(j), next
    while before(t, now):
        next = p.next_alarm(j, t)
        if not before(t, next):
            break
        t = next
    return t


def window_length(Engine engine):
    """The length of windows [ms], a power of two; or a projection with a delay [ms] too short for them: (index, delay)."""
    cdef Rows rows
    cdef Population pre
    shortest, tiny = 1.0, 2.0 ** -FINEST
    for k in [k for indices in engine.outgoing for k in indices]:
        rows = engine.projections[k]
        pre = engine.populations[rows.pre]
        delay = rows.shortest
        # Nothing reaches a source: it spikes before the window's arrivals are looked at, and after thresholds of smaller ids.
        if delay < tiny and not (pre.is_source and pre.first < rows.post.first):
            return k, delay
        if not pre.is_source:
            shortest = min(shortest, delay)
    return 2.0 ** floor(np.log2(shortest))
