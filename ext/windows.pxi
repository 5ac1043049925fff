# The windowed executor: the events of the ordered one, neuron by neuron (docs/windows.md).
#
# Where the shortest delay of a network is D > 0, a spike of the window [T, T + D) arrives at T + D or later. Within the
# window no neuron can influence another, so each may go through its own arrivals and spikes alone: in any order, in any
# thread, its state row in the cache once.
#
# A model that can sums its arrivals (sums.pxi), and only neurons that may spike go through them one by one. All others always
# do: what happens to them is what the ordered executor would do, by the same calls in the same order; hence the same bits.
#
# A spike is sent at once: its row is read from end to end, and each arrival written to the list of its window and of the
# thread that owns the target. Or, if it has many arrivals in a window that are summed, it is visited in each (`visit`). For
# each window, each thread does
#   emit      its sources spike;                                         -- barrier, if they may do so with less delay than D --
#   sweep     sums are added up, and bounds asked (`add_up`); its neurons with other arrivals, or an alarm that rings, live
#             through the window: each takes its arrivals in order, and spikes; then the spikes are sent;    -- barrier --
#   exchange  (one thread) spikes are recorded, and taped, in the order of time; the next window in which anything is due
#             is found.                                                                                      -- barrier --

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
    SLOTS = 1024                # windows a wheel reaches ahead; what is due later is filed near its end, and again from there
    SPARES = 64                 # emptied lists whose memory is kept for others
    AHEAD = 8                   # neurons ahead for which memory is fetched
    LONG_SEGMENT = 8            # a spike with so many arrivals in a window is not sent, but visited in each
    MANY = 8                    # arrivals at a neuron in a window
    RENUMBER = 1 << 30          # windows after which they are counted from 0 again
    FINEST = 20                 # a window is no shorter than 2**-20 ms

cdef enum:                      # what to do with a row of a spike that is sent
    FETCH_POINTERS
    FETCH_ROWS
    SEND

cdef enum:
    IS_LIF = 1
    IS_FLY = 2

cdef double FEW = 2.0           # arrivals at a neuron in a window are few enough for the bound to be close, if neurons spike at
cdef double USUAL_RATE = 10.0   # [Hz]; but windows need not be shorter than
cdef double SHORTEST = 0.125    # [ms]

cdef extern from *:
    """
    #ifndef EVENTSIM_PROVING
    #define EVENTSIM_PROVING 0
    #endif
    """
    const bint PROVING "EVENTSIM_PROVING"       # by default: in a build with assertions

cdef double DENSE = 0.5         # arrivals from Poisson sources at a neuron in a window, from which on all neurons are visited

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
    Py_ssize_t shadow           # it is only watched what it goes through: its row, from 1 on, in `Worker.shadows`

cdef struct Departure:
    Time time
    Touched who

cdef struct Seat:               # of each neuron
    int32_t look                # the window in which to look whether it spikes: see `Worker.watch_out`
    int32_t place               # among those with arrivals in the present window, from 1 on

cdef struct Background:              # Poisson sources that have one synapse each, and nobody else's: see `Worker.drive`
    PoissonSources sources
    void *rows                  # Rows
    int32_t projection
    int64_t first, synapse      # id of the first, and its synapse; those of the others follow
    double delay
    double *time                # in this window: their spikes [ms], from the epoch of its end, less the delay, on
    int32_t *source             # and whose they are, counted from the first
    int64_t n, room

cdef struct Lot:                # of neurons
    Py_ssize_t n
    int32_t ids[CHUNK]
    uint8_t commit[CHUNK]       # is there anything to commit, or is it only a look?

cdef struct Bag:                # a growing array
    char *data
    Py_ssize_t n, capacity      # entries

cdef struct Spares:             # memory of lists that have been emptied, for the next to be begun; capacities in bytes
    Bag bag[SPARES]
    int n

cdef struct Slot:               # what is due in one window
    Bag *mail                   # for each worker, the arrivals at its neurons (Incoming)
    Bag *spikes                 # for each worker, Flight: those of which the next arrivals at its neurons are to be summed
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
    uint8_t *owner              # worker of each word (64 neurons) of each population
    uint8_t *kind               # of each population: see `Life`
    bint summing                # is there any?
    bint proving                # see `Windows.proving`
    void **sums                 # Sums of each population; NULL: all arrivals are mail
    void **workers
    Barrier barrier


cdef inline void prefetch_value(Values v, int64_t k) noexcept nogil:
    if v.f64 != NULL:
        prefetch(v.f64 + k * v.stride)
    elif v.f32 != NULL:
        prefetch(v.f32 + k * v.stride)
    elif v.u8 != NULL:
        prefetch(v.u8 + k)
    else:
        prefetch(v.u16 + k)

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
    if events == NULL or events.next == NULL:
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
    cdef Bag *summed                            # the spikes of all slots
    cdef Spares spares[2]                       # of mail, which is long, and of other lists
    cdef Bag flights                            # Flight: the spikes of own neurons, those that have arrived included until the
    cdef Py_ssize_t settled                     # next clearance, and how many were in flight after the last
    cdef Bag touched                            # Touch: own neurons with arrivals in this window
    cdef Bag departures                         # Departure: spikes of own neurons to be sent
    cdef Bag held                               # Incoming: those after a cut
    cdef Bag held_spikes                        # Flight: likewise
    cdef Bag drives                             # Background: sources of own neurons
    cdef Bag visits                             # Flight: what has been summed in this window, from `cursor` to `stop`
    cdef Bag separate                           # Incoming: the same, at neurons whose arrivals must be taken one by one
    cdef Bag shadows                            # rows of WIDEST doubles: see `Touch.shadow`
    cdef bint in_shadow                         # the present neuron does not spike
    cdef int64_t shadowed
    cdef int64_t exact                          # neurons of this kind
    cdef int whole                              # the window is not cut
    cdef double end_offset                      # where it ends [ms], from the beginning of its millisecond
    cdef double lot_x[CHUNK]                    # arrivals to be summed,
    cdef double lot_weight[CHUNK]
    cdef int32_t lot_target[CHUNK]
    cdef Py_ssize_t lot_n, lot_of               # their number, and the population of their targets
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
        if self.wheel == NULL or self.mail == NULL or self.summed == NULL or self.trace == NULL:
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
        free(self.touched.data)
        free(self.departures.data)
        free(self.held.data)
        free(self.held_spikes.data)
        self.end_drives()
        free(self.drives.data)
        free(self.visits.data)
        free(self.separate.data)
        free(self.shadows.data)
        free(self.wheel)
        free(self.mail)
        free(self.summed)
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
        self.end_offset = elapsed(at_time(plan.start.epoch, 0.0), plan.limit)
        for k in range(plan.n_workers):
            self.receive(&(<Worker> plan.workers[k]).slot(plan.window).mail[self.index])
        if plan.summing:
            self.add_up()
        self.touches += self.touched.n
        touched = <Touch *> self.touched.data
        for k in range(self.touched.n):
            if k + AHEAD < self.touched.n:
                self.fetch(<Population> self.engine.population[touched[k + AHEAD].who.population], &touched[k + AHEAD])
            self.in_shadow = touched[k].shadow > 0
            if self.in_shadow:
                self.swap_row(<Population> self.engine.population[touched[k].who.population], &touched[k])
            if plan.kind[touched[k].who.population] == IS_LIF:
                live(self, <LIFPopulation> self.engine.population[touched[k].who.population], &touched[k])
            elif plan.kind[touched[k].who.population] == IS_FLY:
                live(self, <FlyPopulation> self.engine.population[touched[k].who.population], &touched[k])
            else:
                live(self, <Population> self.engine.population[touched[k].who.population], &touched[k])
            if self.in_shadow:
                self.swap_row(<Population> self.engine.population[touched[k].who.population], &touched[k])
        self.in_shadow = False
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
            self.empty(&slot.spikes[k], slot.spikes[k].n, sizeof(Flight))
        if self.held.n:
            slot.mail[self.index], self.held = self.held, slot.mail[self.index]
        if self.held_spikes.n:
            slot.spikes[self.index], self.held_spikes = self.held_spikes, slot.spikes[self.index]
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
        cdef int to
        cdef Flight part
        cdef int64_t share = (<Sums> self.plan.sums[rows.post.index]).share if rows.visited else 0
        f.arrival = later(f.departure, value(rows.delays, f.stop - 1))
        self.file(&self.flights, f)
        f.arrival = later(f.departure, value(rows.delays, f.cursor))
        if rows.visited:
            for to in range(self.n_workers):
                part = f[0]
                if rows.at_once and self.n_workers > 1:
                    part.cursor = first_from(rows, f.cursor, f.stop, share * to)
                    part.stop = first_from(rows, part.cursor, f.stop, share * (to + 1))
                if part.cursor < part.stop:
                    self.file(&self.slot(self.window_of(f.arrival)).spikes[to], &part)
        else:
            self.send(rows, f)

    cdef void send(self, Rows rows, Flight *f) noexcept nogil:
        """Write the arrivals of a spike, from its cursor on, to the mail of their windows."""
        cdef Plan *plan = self.plan
        cdef Values weights = rows.weights, delays = rows.delays
        cdef const int32_t *target = rows.targets()
        cdef const uint8_t *owner = plan.owner + rows.post.word
        cdef Bag *mail = NULL
        cdef Incoming *arrival
        cdef int64_t k, window, start = rows.start(f.source)
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
            arrival = <Incoming *> self.add(mail + owner[target[k] >> 6], sizeof(Incoming))
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
        """Hang arrivals on their targets, or sum them."""
        cdef Incoming *arrival = <Incoming *> mail.data
        cdef Py_ssize_t k
        cdef bint cut = before(self.plan.limit, self.start_of(self.plan.window + 1))
        for k in range(mail.n):
            if k + 2 * CHUNK < mail.n:
                self.fetch_seat(&arrival[k + 2 * CHUNK])
            if cut and not before(at_time(self.plan.start.epoch, arrival[k].offset), self.plan.limit):
                self.hold(&arrival[k])
                arrival[k].w = 0.0
                continue
            self.synaptic_events += 1
            if arrival[k].w == 0.0 and not (<Rows> self.engine.projection[arrival[k].projection]).post.replaying:
                continue                # as in `Population.receive_row`
            if not self.plan.summing or not self.add_one(&arrival[k], <Rows> self.engine.projection[arrival[k].projection]):
                self.hang(&arrival[k])
        self.add_lot()

    cdef inline bint add_one(self, const Incoming *arrival, Rows rows) noexcept nogil:
        """Sum an arrival, if those of its projection are summed: a lot at a time."""
        cdef Py_ssize_t n = self.lot_n
        cdef int32_t p = rows.post.index
        if not rows.summed:
            if self.plan.sums[p] != NULL:
                self.take_exactly(<Sums> self.plan.sums[p], arrival.target)
            return False
        if n and (n == CHUNK or p != self.lot_of):
            self.add_lot()
            n = 0
        self.lot_of = p
        self.lot_x[n] = max(self.end_offset - arrival.offset, 0.0)
        self.lot_weight[n], self.lot_target[n] = arrival.w, arrival.target
        self.lot_n = n + 1
        return True

    cdef void add_lot(self) noexcept nogil:
        if self.lot_n:
            self.add_lot_to(<Population> self.engine.population[self.lot_of], <Sums> self.plan.sums[self.lot_of])
            self.lot_n = 0

    cdef void add_lot_to(self, Population p, Sums s) noexcept nogil:
        cdef Effects e
        cdef Resting nobody
        cdef Py_ssize_t i
        nobody.bits = NULL
        for i in range(self.lot_n if s.resting != NULL else 0):
            if s.resting[self.lot_target[i] >> 6] >> (self.lot_target[i] & 63) & 1:
                self.lot_x[i] = counted(self.lot_x[i], p.row(self.lot_target[i]), self.plan.limit)
        p.kernel().effects(self.lot_n, self.lot_x, self.lot_target, p.coefs, s.rates_stride, s.quanta, s.same, &e)
        if not s.dense and reserve(&s.pools[self.index], CHUNK + 1):
            self.fail(NO_MEMORY, -1, self.plan.start)
            return
        add_effects(self.lot_n, self.lot_target, NULL, self.lot_weight, 1, &e, True, 0, <int32_t> p.n, s.place,
                    &s.pools[self.index], s.touched, &nobody)

    cdef inline void fetch_seat(self, const Incoming *arrival) noexcept nogil:
        cdef int32_t p = (<Rows> self.engine.projection[arrival.projection]).post.index
        if self.plan.sums[p] != NULL:
            prefetch(&(<Sums> self.plan.sums[p]).place[arrival.target])
        else:
            prefetch(self.seat(arrival))

    cdef inline void hang(self, Incoming *arrival) noexcept nogil:
        cdef Touch *touch = self.touch((<Rows> self.engine.projection[arrival.projection]).post, arrival.target)
        if touch != NULL:
            arrival.next = touch.first
            touch.first = arrival

    cdef inline Touch *touch(self, Population p, Py_ssize_t j) noexcept nogil:
        """The entry of a neuron whose arrivals are taken one by one; NULL if there is no memory."""
        cdef Seat *seat = &self.plan.seats[p.first + j]
        cdef Touch *touch
        if seat.place == 0:
            touch = <Touch *> self.add(&self.touched, sizeof(Touch))
            if touch == NULL:
                return NULL
            touch.who.population, touch.who.neuron, touch.first, touch.shadow = p.index, <int32_t> j, NULL, 0
            seat.place = <int32_t> self.touched.n
        return <Touch *> self.touched.data + (seat.place - 1)

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
        if alarm.epoch == INFINITY:
            return
        if isnan(alarm.epoch):
            self.fail(NOT_FINITE, p.first + j, p.row(j).at)
            return
        window = self.window_of(alarm)
        if self.plan.window <= look[0] <= window:
            return
        look[0] = <int32_t> window
        self.file_look(&self.slot(window).sources if p.is_source else &self.slot(window).neurons, p, j)

    cdef void spike(self, Population p, Py_ssize_t j, Time t) noexcept nogil:
        """A neuron has reached its threshold: see `Engine.threshold` and `Engine.spike`."""
        cdef int64_t gid = p.first + j
        cdef double *record
        cdef Departure *departure
        if self.in_shadow:
            self.fail(UNSOUND, gid, t)
        elif self.spikes.reserve(1) or (self.engine.taping and self.tape.reserve(1)):
            self.fail(NO_MEMORY, -1, t)
        elif p.fire(j, t):
            self.n_spikes += 1
            self.engine.counts_view[gid] += 1
            if self.plan.sums[p.index] != NULL:
                (<Sums> self.plan.sums[p.index]).note_rest(j, t)
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

    # ---- sums: see sums.pxi

    cdef void add_up(self) noexcept nogil:
        """Sum the arrivals of the window; take neurons to its end by their sums, or prepare to take them one by one."""
        cdef Plan *plan = self.plan
        cdef Touch *touch
        cdef Py_ssize_t k
        self.visits.n = self.separate.n = self.shadows.n = 0
        self.whole = same(plan.limit, self.start_of(plan.window + 1))
        for k in range(plan.n_workers):
            self.visit_all(&(<Worker> plan.workers[k]).slot(plan.window).spikes[self.index])
        for k in range(self.drives.n):
            self.drive(<Background *> self.drives.data + k)
        self.mark_looks(&self.slot(plan.window).neurons)
        for k in range(self.engine.traced.shape[0]):
            if plan.sums[k] != NULL:
                self.step(<Sums> plan.sums[k], <Population> self.engine.population[k])
        if self.exact or self.shadows.n:
            for k in range(self.visits.n):
                self.recollect(<Flight *> self.visits.data + k)
            for k in range(self.drives.n):
                self.recollect_drive(<Background *> self.drives.data + k, <Rows> (<Background *> self.drives.data)[k].rows)
            for k in range(self.separate.n):
                self.hang(<Incoming *> self.separate.data + k)
            for k in range(plan.n_workers):
                self.recollect_mail(&(<Worker> plan.workers[k]).slot(plan.window).mail[self.index])
            for k in range(self.touched.n):
                touch = <Touch *> self.touched.data + k
                if plan.sums[touch.who.population] != NULL:
                    (<Sums> plan.sums[touch.who.population]).exact[touch.who.neuron >> 6] = 0

    cdef void recollect_mail(self, Bag *mail) noexcept nogil:
        cdef Incoming *arrival = <Incoming *> mail.data
        cdef Py_ssize_t k
        for k in range(mail.n):
            if arrival[k].w != 0.0 and self.is_exact(&arrival[k], <Rows> self.engine.projection[arrival[k].projection]):
                self.hang(&arrival[k])

    cdef inline bint is_exact(self, const Incoming *arrival, Rows rows) noexcept nogil:
        """Has it been summed, though its target goes through its arrivals one by one?"""
        cdef int32_t j = arrival.target
        return rows.summed and (<Sums> self.plan.sums[rows.post.index]).exact[j >> 6] >> (j & 63) & 1

    cdef void visit_all(self, Bag *spikes) noexcept nogil:
        """Sum what the spikes in a list bring to own neurons."""
        cdef Flight *f = <Flight *> spikes.data
        cdef Py_ssize_t k
        for k in range(spikes.n):
            if k + 2 * AHEAD < spikes.n:
                self.fetch_row(<Rows> self.engine.projection[f[k + 2 * AHEAD].projection], f[k + 2 * AHEAD].cursor)
            if k + AHEAD // 2 < spikes.n:
                self.fetch_sums(<Rows> self.engine.projection[f[k + AHEAD // 2].projection], &f[k + AHEAD // 2])
            self.visit(<Rows> self.engine.projection[f[k].projection], &f[k])

    cdef inline void fetch_sums(self, Rows rows, const Flight *f) noexcept nogil:
        cdef const int32_t *place = (<Sums> self.plan.sums[rows.post.index]).place
        cdef int64_t k
        for k in range(f.cursor, min(f.stop, f.cursor + AHEAD)):
            prefetch(&place[rows.target[k]])

    cdef inline void visit(self, Rows rows, const Flight *f) noexcept nogil:
        self.add_row(rows, rows.post, <Sums> self.plan.sums[rows.post.index], f)

    cdef inline void fetch_row(self, Rows rows, int64_t k) noexcept nogil:
        prefetch(&rows.target[k])
        prefetch_value(rows.delays, k)
        prefetch_value(rows.weights, k)

    cdef void add_row(self, Rows rows, Population p, Sums s, const Flight *f) noexcept nogil:
        """Sum what a spike brings to own neurons within the window; where the rest is due it will be visited again."""
        cdef int32_t lo = <int32_t> min(s.share * self.index, p.n), hi = <int32_t> min(s.share * (self.index + 1), p.n)
        cdef double left = elapsed(f.departure, self.plan.limit)
        cdef double x[CHUNK]
        cdef int64_t k = f.cursor, n
        cdef const float *f32
        cdef const double *f64
        cdef Effects e
        cdef Resting resting
        cdef Flight rest
        cdef bint each
        resting.bits = s.resting
        while k < f.stop:
            n = 0
            if rows.delays.stride == 0 and s.rates_stride == 0:
                x[0] = self.remaining_at_once(f, value(rows.delays, k))
                n = 0 if x[0] < 0.0 else min(f.stop - k, CHUNK) if s.resting != NULL else f.stop - k
                each = False
            else:
                while n < CHUNK and k + n < f.stop:
                    x[n] = self.remaining(f, left, value(rows.delays, k + n))
                    if x[n] < 0.0:
                        break
                    n += 1
                each = s.rates_stride != 0 or (n > 0 and x[0] != x[n - 1])
            if n == 0:
                break
            f32 = rows.weights.f32 + k * rows.weights.stride if rows.weights.f32 != NULL else NULL
            f64 = rows.weights.f64 + k * rows.weights.stride if rows.weights.f64 != NULL else NULL
            p.kernel().effects(n if each else 1, x, &rows.target[k], p.coefs, s.rates_stride, s.quanta, s.same, &e)
            if not s.dense and reserve(&s.pools[self.index], n + 1):
                self.fail(NO_MEMORY, -1, self.plan.start)
                return
            self.synaptic_events += add_effects(n, &rows.target[k], f32, f64, rows.weights.stride, &e, each, lo, hi, s.place,
                                                &s.pools[self.index], s.touched, &resting)
            if resting.n:
                self.add_left_out(&resting, rows, p, s, k, x, each)
            k += n
        rest = f[0]
        if k > f.cursor:
            rest.stop = k
            self.file(&self.visits, &rest)
            rest.stop = f.stop
        if k < f.stop:
            rest.cursor, rest.arrival = k, later(f.departure, value(rows.delays, k))
            n = self.window_of(rest.arrival)
            self.file(&self.held_spikes if n == self.plan.window else &self.slot(n).spikes[self.index], &rest)

    cdef void add_left_out(self, const Resting *resting, Rows rows, Population p, Sums s, int64_t k, const double *x,
                           bint each) noexcept nogil:
        """Of synapses from k on, sum those left out: their arrivals count from the release of their targets."""
        cdef int64_t i
        self.lot_n = resting.n
        for i in range(resting.n):
            self.lot_x[i] = x[resting.at[i] if each else 0]
            self.lot_target[i] = rows.target[k + resting.at[i]]
            self.lot_weight[i] = value(rows.weights, k + resting.at[i])
        self.add_lot_to(p, s)
        self.lot_n = 0

    cdef inline double remaining(self, const Flight *f, double left, double delay) noexcept nogil:
        """How long before the end of the window a spike arrives; -1: not before the end."""
        cdef double x = left - delay
        if x > 2.0 ** -30:
            return x
        return max(x, 0.0) if before(later(f.departure, delay), self.plan.limit) else -1.0

    cdef inline double remaining_at_once(self, const Flight *f, double delay) noexcept nogil:
        """The same, with the roundings of `drive`: spikes of its sources may come this way, too."""
        cdef Time until = earlier_by(self.plan.limit, delay)
        cdef double x = until.offset - ((f.departure.epoch - until.epoch) + f.departure.offset)
        if x > 2.0 ** -30:
            return x
        return max(x, 0.0) if before(later(f.departure, delay), self.plan.limit) else -1.0

    # Many Poisson sources have one synapse each: the background of one neuron. Their spikes need not be filed: those that
    # arrive in a window are those of the same time, less the delay. The sources lag behind by it; `Windows.close` makes up.

    cdef void drive(self, Background *d) noexcept nogil:
        """Sum what sources bring to own neurons within the window."""
        cdef Time until = earlier_by(self.plan.limit, d.delay)
        d.n = 0
        while True:
            if d.room < d.n + POISSON_ROOM and self.grow(d):
                self.fail(NO_MEMORY, -1, self.plan.start)
                return
            d.n += eventsim_poisson_fill(&d.sources, until.epoch, until.offset, d.time + d.n, d.source + d.n, d.room - d.n)
            if not d.sources.more:
                break
        self.synaptic_events += d.n
        self.add_drive(d, <Rows> d.rows, (<Rows> d.rows).post, <Sums> self.plan.sums[(<Rows> d.rows).post.index], until)

    cdef int grow(self, Background *d) noexcept nogil:
        cdef int64_t room = 2 * (d.room + POISSON_ROOM)
        cdef double *time = <double *> realloc(d.time, room * sizeof(double))
        cdef int32_t *source
        if time == NULL:
            return -1
        d.time = time
        source = <int32_t *> realloc(d.source, room * sizeof(int32_t))
        if source == NULL:
            return -1
        d.source, d.room = source, room
        return 0

    cdef void add_drive(self, const Background *d, Rows rows, Population p, Sums s, Time until) noexcept nogil:
        cdef int64_t start, i, k
        for start from 0 <= start < d.n by CHUNK:
            self.lot_n = min(d.n - start, CHUNK)
            for i in range(self.lot_n):
                k = d.synapse + d.source[start + i]
                self.lot_x[i] = max(until.offset - d.time[start + i], 0.0)
                self.lot_target[i], self.lot_weight[i] = rows.target[k], value(rows.weights, k)
            self.add_lot_to(p, s)
        self.lot_n = 0

    cdef void recollect_drive(self, const Background *d, Rows rows) noexcept nogil:
        cdef const uint64_t *exact = (<Sums> self.plan.sums[rows.post.index]).exact
        cdef const int32_t *target = rows.targets() + d.synapse
        cdef double behind = self.end_offset - earlier_by(self.plan.limit, d.delay).offset
        cdef Incoming *arrival
        cdef int64_t k
        cdef int32_t j
        for k in range(d.n):
            j = target[d.source[k]]
            if exact[j >> 6] >> (j & 63) & 1 and value(rows.weights, d.synapse + d.source[k]) != 0.0:
                arrival = <Incoming *> self.add(&self.separate, sizeof(Incoming))
                if arrival == NULL:
                    return
                arrival.offset = min(max(d.time[k] + behind, self.plan.start.offset), 1.0 - 2.0 ** -53)
                arrival.w = value(rows.weights, d.synapse + d.source[k])
                arrival.source, arrival.projection = <uint32_t> (d.first + d.source[k]), d.projection
                arrival.target, arrival.cursor = j, 0

    cdef void end_drives(self) noexcept nogil:
        cdef Background *d = <Background *> self.drives.data
        cdef Py_ssize_t k
        for k in range(self.drives.n):
            free(d[k].sources.trains)
            free(d[k].time)
            free(d[k].source)
        self.drives.n = 0

    cdef void mark_looks(self, Bag *bag) noexcept nogil:
        """Of the neurons filed in a slot, mark those whose thresholds must be looked at."""
        cdef Touched *who = <Touched *> bag.data
        cdef Py_ssize_t k
        for k in range(bag.n):
            if self.plan.sums[who[k].population] != NULL:
                self.mark_look(<Sums> self.plan.sums[who[k].population], <Population> self.engine.population[who[k].population],
                               who[k].neuron)

    cdef inline void mark_look(self, Sums s, Population p, Py_ssize_t j) noexcept nogil:
        cdef int32_t *look = &self.plan.seats[p.first + j].look
        if look[0] == self.plan.window:
            look[0] = -1
            s.looks[j >> 6] |= <uint64_t> 1 << (j & 63)

    cdef void step(self, Sums s, Population p) noexcept nogil:
        """Take own neurons of a population to the end of the window, but for those that may spike in it."""
        cdef Plan *plan = self.plan
        cdef Window window
        cdef Lot lots[2]                # one is filled and fetched while the other waits
        cdef Lot *lot = lots
        cdef Py_ssize_t word
        cdef Py_ssize_t begin = min(s.share * self.index, p.n + 63) >> 6, end = min(s.share * (self.index + 1), p.n + 63) >> 6
        cdef uint64_t bits, touched, held
        cdef int32_t j
        window.epoch, window.offset, window.length = plan.start.epoch, plan.start.offset, elapsed(plan.start, plan.limit)
        window.end_epoch, window.end_offset = plan.limit.epoch, plan.limit.offset
        window.quantum[0], window.quantum[1] = s.quanta[0], s.quanta[1]
        if not s.dense and reserve(&s.pools[self.index], 1):
            self.fail(NO_MEMORY, -1, plan.start)
            return
        lots[0].n = lots[1].n = 0
        for word in range(begin, end):
            touched = s.touched[word]
            if s.dense:
                touched = ~<uint64_t> 0 >> (64 - min(p.n - 64 * word, 64))
            bits = touched | s.looks[word]
            if bits == 0:
                continue
            s.touched[word] = s.looks[word] = 0
            held = bits & s.exact[word]         # by arrivals that are not summed
            bits ^= held
            while held:
                self.drop_sum(s, 64 * word + lowest(held))
                held &= held - 1
            while bits:
                j = <int32_t> (64 * word + lowest(bits))
                bits &= bits - 1
                prefetch(p.row(j))
                prefetch(<double *> p.row(j) + p.width - 1)
                prefetch(&plan.seats[p.first + j])
                lot.ids[lot.n], lot.commit[lot.n] = j, touched >> (j & 63) & 1
                lot.n += 1
                if lot.n == CHUNK:
                    lot = &lots[lot == lots]
                    self.step_lot(s, p, lot, &window)
        self.step_lot(s, p, &lots[lot == lots], &window)
        self.step_lot(s, p, lot, &window)
        if not s.dense:
            s.pools[self.index].n = 1

    cdef void step_lot(self, Sums s, Population p, Lot *lot, const Window *window) noexcept nogil:
        cdef uint8_t fails[CHUNK]
        cdef double respite[CHUNK]
        cdef Py_ssize_t k, first = self.shadows.n
        if lot.n == 0:
            return
        if self.engine.traced[p.index] or self.plan.proving:
            self.keep_rows(p, lot)
        p.kernel().step(lot.n, lot.ids, lot.commit, p.rows, p.coefs, s.stride, s.same, s.place,
                        s.pools[self.index].sums, window, fails, respite)
        for k in range(lot.n):
            self.drop_sum(s, lot.ids[k])
            if fails[k]:
                self.touch(p, lot.ids[k])
                self.take_exactly(s, lot.ids[k])
            else:
                self.look_after(p, lot.ids[k], respite[k])
                if s.resting != NULL:
                    s.note_rest(lot.ids[k], self.plan.limit)
        if self.engine.traced[p.index] or self.plan.proving:
            self.shadow(s, p, lot, first, fails)
        lot.n = 0

    cdef inline void drop_sum(self, Sums s, Py_ssize_t j) noexcept nogil:
        if s.dense:
            memset(&s.pools[self.index].sums[s.place[j]], 0, sizeof(Sum))
        else:
            s.place[j] = 0

    # A neuron whose states are recorded goes through its arrivals one by one, in its old row; then it gets the new one. So do
    # all, to see that none spikes of those that the bound lets pass, while windows are `proving`.

    cdef inline bint is_watched(self, Population p, const Lot *lot, Py_ssize_t k) noexcept nogil:
        return self.plan.proving or (lot.commit[k] and self.watch[p.first + lot.ids[k]] & WATCH_STATE)

    cdef void keep_rows(self, Population p, const Lot *lot) noexcept nogil:
        cdef Py_ssize_t k
        cdef void *row
        for k in range(lot.n):
            if self.is_watched(p, lot, k):
                row = self.add(&self.shadows, WIDEST * sizeof(double))
                if row != NULL:
                    memcpy(row, p.row(lot.ids[k]), p.width * sizeof(double))

    cdef void shadow(self, Sums s, Population p, const Lot *lot, Py_ssize_t row, const uint8_t *fails) noexcept nogil:
        cdef Py_ssize_t k
        cdef Touch *touch
        for k in range(lot.n):
            if self.is_watched(p, lot, k) and self.code == REACHED:
                row += 1
                touch = NULL if fails[k] else self.touch(p, lot.ids[k])
                if touch != NULL:
                    touch.shadow = row
                    self.shadowed += 1
                    s.exact[lot.ids[k] >> 6] |= <uint64_t> 1 << (lot.ids[k] & 63)

    cdef void swap_row(self, Population p, const Touch *touch) noexcept nogil:
        cdef double other[WIDEST]
        cdef double *row = <double *> self.shadows.data + WIDEST * (touch.shadow - 1)
        memcpy(other, p.row(touch.who.neuron), p.width * sizeof(double))
        memcpy(p.row(touch.who.neuron), row, p.width * sizeof(double))
        memcpy(row, other, p.width * sizeof(double))

    cdef inline void look_after(self, Population p, Py_ssize_t j, double respite) noexcept nogil:
        """As `watch_out`, of a neuron that will certainly not spike for so long after the end of the window."""
        cdef int32_t *look = &self.plan.seats[p.first + j].look
        cdef double ahead = respite * self.plan.per_ms * (1.0 - MARGIN)
        cdef int64_t window = self.plan.window + self.whole + (<int64_t> ahead if ahead < SLOTS - 2 else SLOTS - 2)
        if respite == INFINITY or self.plan.window < look[0] <= window:
            return
        look[0] = <int32_t> window
        self.file_look(&self.slot(window).neurons, p, j)

    cdef void file_look(self, Bag *bag, Population p, Py_ssize_t j) noexcept nogil:
        cdef Touched *entry = <Touched *> self.add(bag, sizeof(Touched))
        if entry != NULL:
            entry.population, entry.neuron = p.index, <int32_t> j

    cdef inline void take_exactly(self, Sums s, Py_ssize_t j) noexcept nogil:
        cdef uint64_t bit = <uint64_t> 1 << (j & 63)
        self.exact += s.exact[j >> 6] & bit == 0
        s.exact[j >> 6] |= bit

    cdef void recollect(self, const Flight *f) noexcept nogil:
        """The arrivals of a visit at neurons whose arrivals are taken one by one."""
        self.recollect_row(<Rows> self.engine.projection[f.projection], f)

    cdef void recollect_row(self, Rows rows, const Flight *f) noexcept nogil:
        cdef const uint64_t *exact = (<Sums> self.plan.sums[rows.post.index]).exact
        cdef const int32_t *target = rows.targets()
        cdef int64_t k, start = rows.start(f.source)
        for k in range(f.cursor, f.stop):
            if exact[target[k] >> 6] >> (target[k] & 63) & 1 and self.plan.owner[rows.post.word + (target[k] >> 6)] == self.index:
                self.recollect_one(rows, f, k, start)

    cdef void recollect_one(self, Rows rows, const Flight *f, int64_t k, int64_t start) noexcept nogil:
        cdef Time t, until
        cdef double offset
        if rows.delays.stride:
            t = later(f.departure, value(rows.delays, k))
            offset = elapsed(at_time(self.plan.start.epoch, 0.0), t)
        else:                                       # as in `recollect_drive`, with its roundings
            until = earlier_by(self.plan.limit, value(rows.delays, k))
            offset = (f.departure.epoch - until.epoch) + f.departure.offset + (self.end_offset - until.offset)
        cdef Incoming *arrival = <Incoming *> self.add(&self.separate, sizeof(Incoming))
        if arrival != NULL and value(rows.weights, k) == 0.0:
            self.separate.n -= 1
        elif arrival != NULL:
            arrival.offset = min(max(offset, self.plan.start.offset), 1.0 - 2.0 ** -53)
            arrival.w = value(rows.weights, k)
            arrival.source, arrival.projection, arrival.target = <uint32_t> f.source, f.projection, rows.target[k]
            arrival.cursor = <int32_t> (k - start)

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
        if self.drives.n:
            return self.plan.window + (1 if self.window == self.plan.window and self.whole else 0)
        for k in range(self.plan.window, self.plan.window + SLOTS):
            slot = self.slot(k)
            if slot.flights.n or slot.sources.n or slot.neurons.n or (k == self.window and self.held.n + self.held_spikes.n):
                return k
            for to in range(self.n_workers):
                if k != self.window and slot.mail[to].n + slot.spikes[to].n:        # that of the window itself has been read
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


ctypedef fused Life:            # copies of the loop below that call a final class directly, and one for all other models
    LIFPopulation
    FlyPopulation
    Population

cdef void live(Worker w, Life p, const Touch *touch) noexcept nogil:
    """Take a neuron through its arrivals and spikes, in the order of time, to the end of the window."""
    cdef Plan *plan = w.plan
    cdef Py_ssize_t j = touch.who.neuron
    cdef Neuron *s = p.row(j)
    cdef const double *q = p.q(j)
    cdef Incoming *arrival = in_order(touch.first)
    cdef Seat *seat = &plan.seats[p.first + j]
    cdef bint alarmed = seat.look == plan.window or plan.sums[p.index] != NULL  # else it receives something before it spikes
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


cdef int64_t first_from(Rows rows, int64_t lo, int64_t hi, int64_t target) noexcept nogil:
    """Of synapses lo ... hi - 1, in the order of targets, the first whose target is not below `target`."""
    cdef int64_t mid
    while lo < hi:
        mid = (lo + hi) // 2
        if rows.target[mid] < target:
            lo = mid + 1
        else:
            hi = mid
    return lo


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
    cdef readonly list workers, sums
    cdef void **worker
    cdef Plan plan
    cdef readonly double longest                # window [ms]
    cdef Py_ssize_t opened                      # spikes recorded before
    cdef dict lagging                           # {index of a population of driving sources: (delay, rows at the beginning)}
    cdef readonly int64_t exact                 # times a neuron's window was lived through, its sums being too large a risk,
    cdef readonly int64_t shadowed              # or only to watch it
    cdef Bag taped                              # void *: spikes on their way from the workers' tapes to the engine's
    cdef int64_t arrivals, touches              # since the length was last chosen; a neuron is touched once in a window
    cdef Time end                               # of the run
    cdef int64_t quota                          # events left until it pauses
    cdef int code
    cdef readonly int64_t culprit               # which neuron stopped the last run, if one did

    def __cinit__(self, Engine engine, double length, int threads, bint summing=False):
        cdef int64_t k, words = 0, share
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
        self.plan.owner = <uint8_t *> malloc(words + 1)
        self.plan.sums = <void **> calloc(len(engine.populations) + 1, sizeof(void *))
        self.worker = self.plan.workers = <void **> malloc(threads * sizeof(void *))
        if (self.plan.seats == NULL or self.plan.kind == NULL or self.plan.owner == NULL or self.plan.sums == NULL
                or self.worker == NULL):
            raise MemoryError(f"Windows: no memory for {engine.n} neurons")
        self.sums, self.lagging = [], {}
        for p in engine.populations:
            self.plan.kind[p.index] = IS_LIF if isinstance(p, LIFPopulation) else IS_FLY if isinstance(p, FlyPopulation) else 0
            share = max((((p.n + 63) >> 6) + threads - 1) // threads, 1)        # of a worker, in words
            for k in range((p.n + 63) >> 6):
                self.plan.owner[p.word + k] = k // share
            if summing and p.kernel() != NULL:
                sums = Sums(p, share, threads)
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
        free(self.plan.owner)
        free(self.plan.sums)
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
        self.exact += w.exact
        self.shadowed += w.shadowed
        self.engine.synaptic_events += w.synaptic_events
        self.engine.solver_steps += w.solver_steps
        self.engine.predictions += w.predictions
        self.engine.n_spikes += w.n_spikes
        w.synaptic_events = w.solver_steps = w.predictions = w.n_spikes = w.touches = w.exact = w.shadowed = 0

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
            self.culprit = w.culprit
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
        (<Worker> self.worker[self.plan.owner[p.word + (j >> 6)]]).watch_out(p, j, p.alarm(j))
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
        for rows in self.engine.projections:
            (<Rows> rows).look_at_order()
            (<Rows> rows).summed = plan.sums[rows.post.index] != NULL and rows.port == 0
            (<Rows> rows).visited = ((<Rows> rows).summed and rows.shortest > 0.0
                                     and rows.segment(self.longest) >= LONG_SEGMENT)
        self.opened, self.lagging = self.engine.spikes.n, {}
        if self.sums:
            self.start_drives()
        for sums in self.sums:
            rows = [r for r in self.engine.projections if (<Rows> r).post is sums.p and (<Rows> r).summed]
            sums.set_dense(poisson_arrivals(self.engine, sums.p) * self.longest > DENSE * sums.p.n)
            sums.set_quanta(max([r.largest for r in rows], default=0.0), self.longest, sum(r.in_degree for r in rows))
        rows = [self.engine.projections[i] for indices in self.engine.outgoing for i in indices]
        plan.prompt = any((<Population> self.engine.populations[r.pre]).is_source and r.shortest < self.longest for r in rows)
        plan.epoch, plan.window = epoch, <int64_t> (offset * plan.per_ms)
        for worker in self.workers if self.engine.taping else ():
            worker.tape = worker.tape or Log(self.engine.tape.width)
        for k in range(self.engine.n):
            plan.seats[k].look = -1
        for sums in self.sums:
            for k in range((<Sums> sums).p.n):
                (<Sums> sums).note_rest(k, at_time(epoch, offset))
        for k in range(n):
            f = flights.heap[k]
            if f.source >= 0:
                p = self.engine.populations[self.engine.owner[f.source]]
                (<Worker> self.worker[plan.owner[p.word + ((f.source - p.first) >> 6)]]).send_off(
                    <Rows> self.engine.projection[f.projection], &f)
        if flights.drop_spikes():
            raise MemoryError("Windows: no memory for the steps of injected currents")
        for k in range(alarms.n):
            alarm = alarms.heap[k]
            alarms.place[alarm.neuron] = -1
            p = self.engine.populations[self.engine.owner[alarm.neuron]]
            if p.index in self.lagging:
                continue
            (<Worker> self.worker[plan.owner[p.word + ((alarm.neuron - p.first) >> 6)]]).watch_out(p, alarm.neuron - p.first, alarm.time)
        alarms.n = 0
        self.look_ahead()

    def start_drives(self):
        """Find the Poisson sources that have one synapse each, and hand them to the workers of their targets."""
        cdef Population p
        cdef Worker w
        for p in self.engine.populations:
            outgoing = self.engine.outgoing[p.index]
            if not isinstance(p, PoissonPopulation) or not p.n or not len(outgoing):
                continue
            rows = [self.engine.projections[k] for k in outgoing]
            ranges = sorted((r.one_each()[::-1], k) for k, r in zip(outgoing, rows, strict=True))
            ends = [0] + [first + n for (first, n), _ in ranges]
            if (ends[len(ranges)] != p.n or any(first != end or n == 0 for ((first, n), _), end in zip(ranges, ends))
                    or len({r.shortest for r in rows}) > 1 or not all((<Rows> r).summed for r in rows)):
                continue
            self.lagging[p.index] = rows[0].shortest, p.state.copy()
            for (first, n), k in ranges:
                for w in self.workers:
                    self.start_drive(w, p, self.engine.projections[k], k, first)

    cdef start_drive(self, Worker w, PoissonPopulation p, Rows rows, int32_t projection, int64_t first):
        cdef Sums s = <Sums> self.plan.sums[rows.post.index]
        begin, end = np.searchsorted(rows.indices, [s.share * w.index, s.share * (w.index + 1)])
        if begin == end:
            return
        cdef Background *d = <Background *> w.add(&w.drives, sizeof(Background))
        if d == NULL:
            raise MemoryError("Windows: no memory for the Poisson sources")
        memset(d, 0, sizeof(Background))
        rows.visited = True
        d.sources = p.sources(first + begin, end - begin)
        d.rows, d.projection, d.first, d.synapse, d.delay = <void *> rows, projection, p.first + first + begin, begin, rows.shortest
        if eventsim_poisson_open(&d.sources, <double *> p.row(first + begin), p.width, HEAD):
            raise MemoryError("Windows: no memory for the Poisson sources")

    def stop_drives(self):
        """Let Poisson sources make up for their lag: their last spikes are still in flight. Those to be recorded are drawn again,
        for the sake of the last bit."""
        cdef Worker w
        cdef Background *d
        cdef PoissonPopulation p
        cdef Time now = self.engine.now, until
        cdef Py_ssize_t k
        cdef int code
        for w in self.workers:
            for k in range(w.drives.n):
                d = <Background *> w.drives.data + k
                p = self.engine.populations[(<Rows> d.rows).pre]
                eventsim_poisson_close(&d.sources, <double *> p.row(d.first - p.first), p.width, HEAD)
            w.end_drives()
        for index, (delay, rows) in self.lagging.items():
            p = self.engine.populations[index]
            until = earlier_by(now, delay)
            if np.any(self.engine.watch[p.first:p.first + p.n]):
                p.state[:] = rows
            else:
                number = (p.state[:, HEAD] - rows[:, HEAD]).astype(np.int64)
                self.engine.counts[p.first:p.first + p.n] += number
                self.engine.n_spikes += int(number.sum())
            with nogil:
                code = self.catch_up(p, until)
            if code:
                raise MemoryError("Windows: no memory for the spikes of Poisson sources")
        if self.lagging and self.engine.spikes.n > self.opened + 1:
            qsort(self.engine.spikes.data + 3 * self.opened, self.engine.spikes.n - self.opened, 3 * sizeof(double), by_time)
        self.lagging = {}

    cdef int catch_up(self, PoissonPopulation p, Time until) noexcept nogil:
        """Let sources spike until now; what they did before a time has arrived already."""
        cdef Py_ssize_t j
        cdef Time t
        cdef double *record
        for j in range(p.n):
            t = p.alarm(j)
            while before(t, self.engine.now):
                if self.engine.flights.reserve(1) or self.engine.spikes.reserve(1):
                    return -1
                p.fire(j, t)
                if not before(t, until):
                    self.engine.spike(p, p.first + j, t)
                else:
                    self.engine.n_spikes += 1
                    self.engine.counts_view[p.first + j] += 1
                    if self.engine.watch_view[p.first + j] & WATCH_SPIKES:
                        record = self.engine.spikes.append()
                        record[0], record[1], record[2] = t.epoch, t.offset, p.first + j
                t = p.alarm(j)
            self.engine.alarms.set(p.first + j, t)
        return 0

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
                    slot.mail[to].n = slot.spikes[to].n = 0
                self.hand_back(window, &slot.sources)
                self.hand_back(window, &slot.neurons)
            n = w.in_flight(self.engine.now, <Flight *> w.flights.data)
            if self.engine.flights.reserve(n):
                raise MemoryError("Windows: no memory for the spikes in flight")
            for k in range(n):
                self.engine.flights.push(<Flight *> w.flights.data + k)
            w.flights.n = w.settled = w.held.n = w.held_spikes.n = 0
            w.window = -1
        self.stop_drives()
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


def poisson_arrivals(Engine engine, Population p):
    """How many arrivals Poisson sources bring to a population [1/ms]."""
    arrivals = 0.0
    for pre, indices in zip(engine.populations, engine.outgoing, strict=True):
        if "rate" in pre.parameters:
            synapses = sum(len(engine.projections[k].indices) for k in indices if engine.projections[k].post is p)
            arrivals += 1e-3 * float(np.mean(pre.parameters["rate"])) * synapses
    return arrivals


def summing_length(Engine engine):
    """The length of windows in which arrivals are summed [ms], a fraction 1/n of a millisecond; 0: no model can sum."""
    cdef Rows rows
    cdef Population p
    summing = [p for p in engine.populations if (<Population> p).kernel() != NULL]
    if not summing:
        return 0.0
    longest = min(1.0, *(p.longest_window() for p in summing))
    arrivals = 0.0
    for k in [k for indices in engine.outgoing for k in indices]:
        rows = engine.projections[k]
        p = engine.populations[rows.pre]
        if not p.is_source:
            longest = min(longest, rows.shortest * (1.0 - 2.0 ** -40))       # a boundary is rounded as a time is
        if rows.post.kernel() != NULL:
            rate = np.mean(p.parameters["rate"]) if "rate" in p.parameters else USUAL_RATE
            arrivals += 1e-3 * rate * len(rows.indices)
    if arrivals:
        longest = min(longest, max(FEW * sum(p.n for p in summing) / arrivals, SHORTEST))
    return 1.0 / np.ceil(1.0 / longest)
