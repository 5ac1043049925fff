# Feed-forward networks of LIF layers, for training: no event loop. The spikes of all samples of one layer are known before
# the next layer is looked at, so a layer is walked from arrival to arrival, with exponentials per gap instead of per synapse
# and neurons side by side in SIMD lanes (lanes.h); backward, the same walk in reverse order with transposed formulas.
# Layers whose synapses have delays of their own are walked neuron by neuron with the same code: one lane.
#
#     u' = -a u + e + i + d,  e' = -b_e e,  i' = -b_i i,  an arrival adds k w        u = V_m - E_L, e = I_ex/C_m, i = I_in/C_m
#
# Costates p = dL/du, dL/de, dL/di between events, going back in time:
#
#     -p_u' = -a p_u + l,  -p_x' = -b_x p_x + p_u                          l: derivative of the integrand of the loss by u
#     arrival:  dL/dw = k p_x,   dL/dt = k w (b_x p_x - p_u)               the costates stay
#     release:  dL/dV_reset = p_u,  dL/dt_ref = O = -p_u u',  p_u = 0
#     spike:    G = dL/dt + (arrivals it causes) + O,   p_u = -G/u',  dL/dV_th = G/u'
#
# Time constants need the second-order costates -r_u' = -a r_u + p_u, -r_x' = -b_x r_x + r_u, -q_x' = -b_x q_x + p_x:
# dL/da = -sum of r times whatever enters the state, dL/db_x = -sum of q_x times whatever enters the current.

cdef extern from "lanes.h" nogil:
    enum: BLOCK
    ctypedef struct Rates:
        double a, b_e, b_i, t_peak, k_peak
        int64_t driven
    ctypedef struct Factors:
        double *m
        double *e
        double *i
        double *ke
        double *ki
        double *k0
    void eventsim_factors(int64_t n, const double *dt, Rates q, Factors f)
    ctypedef struct Gap:
        double t0, t1
        int64_t interval
        const double *w
    ctypedef struct Search:
        int32_t *sample
        int32_t *neuron
        int64_t *open
        double *dt
        double *e0
        double *i0
        double *d
        double *c
        double *origin
        double *u
        double *e
        double *i
        double *U
        double *E
        double *I
        double *spike
        double *slope
    void search_move(Search s, int64_t x, int64_t y)
    void eventsim_receive(int64_t n, Rates q, const double *w, const double *k, double *e, double *i)
    int64_t eventsim_gaps(int64_t samples, int64_t n, int64_t stride, const Gap *gaps, Rates q, Factors f, const double *k,
                          const double *d, const double *c, const double *free, double *u, double *e, double *i, Search s)
    void eventsim_release(int64_t n, Rates q, Search s)
    void eventsim_crossings(int64_t n, Rates q, double resolution, Search s)
    void eventsim_gap_back(int64_t n, Rates q, Factors f, int64_t g, double *pu, double *pe, double *pi)
    void eventsim_receive_back(int64_t n, Rates q, const double *w, const double *k, const double *pe, const double *pi,
                               double *dw)
    double eventsim_arrival_back(int64_t n, Rates q, const double *w, const double *k, const double *pu, const double *pe,
                                 const double *pi, double *dt)

cdef double CLOSE = 2.0 ** -30      # a certified wait this short, relative to the time since the last event, is the last Newton
                                    # step: its own error is the square of it

# ---- data

cdef struct Fired:              # a spike on the tape of a population
    double time
    int64_t rank                # neuron
    double slope                # u' just before it [mV/ms]; of an input: its place in the batch
    double release              # u' at the end of its refractoriness

cdef struct Shot:               # a spike of a sample that is walked together with others
    Fired fired
    int64_t sample

cdef struct Arrival:            # of one spike at the lanes
    double time
    int64_t rank
    int64_t synapse             # at the first lane
    int32_t cable               # projection, -1: not an arrival, the membranes are looked at
    int32_t spike               # its place on the tape of the sample

cdef struct Own:                # what happens to one lane by itself, for the way back
    double time
    int64_t rank                # 2 s: spike s of the sample, and its release, if t_ref = 0; else 2 s + 1: its release;
                                # < 0: the loss looks at the membrane
    int32_t lane, gap
    double value                # dL/du for a look

ctypedef fused Timed:
    Fired
    Arrival
    Own

cdef void sort_by_time(Timed *x, Py_ssize_t n) noexcept nogil:
    """Sort by (time, rank): Shell's method, in place and quick where little is out of order."""
    cdef Py_ssize_t step = 1, i, j
    cdef Timed item
    while 12 * step < n:                # what is sorted here is a row of short heaps, each later than the one before
        step = 3 * step + 1
    for i in range(1, n):
        if x[i].time < x[i - 1].time or (x[i].time == x[i - 1].time and x[i].rank < x[i - 1].rank):
            break
    else:
        return
    while step > 0:
        for i in range(step, n):
            item, j = x[i], i
            while j >= step and (x[j - step].time > item.time
                                 or (x[j - step].time == item.time and x[j - step].rank > item.rank)):
                x[j] = x[j - step]
                j -= step
            x[j] = item
        step //= 3

cdef struct Tape:               # the spikes of one population in the samples of one chunk
    Fired *spikes
    int64_t n, room
    int64_t *starts             # (samples + 1,)

cdef struct Cable:              # a projection
    int32_t pre
    bint rows                   # every source meets every target in order, with one delay: lanes side by side
    const double *w
    const double *delay
    Py_ssize_t delay_stride
    const int64_t *ptr          # rows: first synapse of each source
    const int64_t *column       # else: (n + 1,) where the synapses of each target start in the lists
    const int32_t *source       # of their sources
    const int64_t *synapse      # and of their places in the projection

cdef struct Stage:              # a population
    int32_t population, n
    bint spikes                 # has a threshold
    bint rows                   # all its cables are
    bint source                 # takes its spikes from outside
    Rates rates
    double *constants           # (CONSTANTS, stride) padded to whole blocks
    Py_ssize_t stride
    Cable *cables
    Py_ssize_t n_cables

cdef enum:
    CONSTANTS = 9               # k, d, c, r, t_ref, u, e, i, E_L

cdef struct Lanes:              # what is walked together: a whole stage or one of its neurons
    Py_ssize_t n, padded
    Rates rates
    const double *k             # 1/C_m
    const double *d             # I_e/C_m
    const double *c             # V_th - E_L
    const double *r             # V_reset - E_L
    const double *t_ref
    const double *u             # at the start
    const double *e
    const double *i
    const double *E_L
    int32_t first               # neuron

cdef inline Lanes lanes_of(const Stage *s) noexcept nogil:
    cdef Lanes l
    cdef const double *x = s.constants
    l.n, l.padded, l.rates, l.first = s.n, s.stride, s.rates, 0
    l.k, l.d, l.c, l.r, l.t_ref = x, x + s.stride, x + 2 * s.stride, x + 3 * s.stride, x + 4 * s.stride
    l.u, l.e, l.i, l.E_L = x + 5 * s.stride, x + 6 * s.stride, x + 7 * s.stride, x + 8 * s.stride
    return l

cdef inline Lanes lane_of(const Stage *s, Py_ssize_t j, double *block) noexcept nogil:
    """Neuron j alone; block: room for its constants."""
    cdef Py_ssize_t q, x
    cdef Stage one = s[0]
    cdef Lanes l
    for q in range(CONSTANTS):
        for x in range(BLOCK):
            block[q * BLOCK + x] = INFINITY if q == 2 else 0.0
        block[q * BLOCK] = s.constants[q * s.stride + j]
    one.constants, one.stride, one.n = block, BLOCK, 1
    l = lanes_of(&one)
    l.first = <int32_t> j
    return l

# ---- room to work in, one per thread

cdef struct Room:
    void *data
    size_t size

cdef void *take(Room *r, size_t size) noexcept nogil:
    """At least so many bytes; what was in there stays."""
    cdef void *data = r.data
    if size > r.size or data == NULL:
        data = realloc(r.data, 2 * size + 64)
        if data != NULL:
            r.data, r.size = data, 2 * size + 64
    return data

cdef enum:
    ROOMS = 15
    LANE_ARRAYS = 24
    SIDE_BY_SIDE = 1024         # so many lanes are walked together, if there are enough samples
    SLICES = 32                 # of time, into which spikes are dealt before they are sorted

cdef struct Work:
    Room rooms[ROOMS]
    Arrival *arrivals
    Py_ssize_t n
    double *dt
    Factors f
    double *lane[LANE_ARRAYS]
    int32_t *list
    int64_t *last
    int32_t *head
    int64_t *begins             # of samples that are walked together: where their arrivals start
    Gap *gaps                   # where they are
    Search search
    double *u                   # of all their lanes
    double *e
    double *i
    double *free_at             # infinity below zero: not clamped
    double *streak              # spikes in quick succession
    int64_t *shot               # the latest one
    Shot *shots
    Py_ssize_t n_shots
    Py_ssize_t failed           # sample that cannot be walked
    int32_t *mine               # spikes of the sample that are the lanes'
    Own *own
    double *pull                # dL/dt of the release of each spike

cdef int room_for_lanes(Work *w, Py_ssize_t padded, Py_ssize_t sources) noexcept nogil:
    cdef Py_ssize_t x
    cdef double *data = <double *> take(&w.rooms[0], LANE_ARRAYS * padded * sizeof(double))
    w.list = <int32_t *> take(&w.rooms[1], padded * sizeof(int32_t))
    w.last = <int64_t *> take(&w.rooms[2], 2 * padded * sizeof(int64_t))
    w.head = <int32_t *> take(&w.rooms[3], (sources + 1) * sizeof(int32_t))
    if data == NULL or w.list == NULL or w.last == NULL or w.head == NULL:
        return -1
    for x in range(LANE_ARRAYS):
        w.lane[x] = data + x * padded
    return 0

cdef int room_for_samples(Work *w, Py_ssize_t lanes, Py_ssize_t samples) noexcept nogil:
    """Samples that are walked together."""
    cdef Search *s = &w.search
    cdef double *data = <double *> take(&w.rooms[10], 21 * lanes * sizeof(double))
    cdef int32_t *ints = <int32_t *> take(&w.rooms[11], 2 * lanes * sizeof(int32_t))
    w.begins = <int64_t *> take(&w.rooms[12], (samples * SLICES + 1) * sizeof(int64_t))
    w.gaps = <Gap *> take(&w.rooms[13], samples * sizeof(Gap))
    if data == NULL or ints == NULL or w.begins == NULL or w.gaps == NULL:
        return -1
    w.u, w.e, w.i, w.free_at, w.streak = data, data + lanes, data + 2 * lanes, data + 3 * lanes, data + 4 * lanes
    data += 5 * lanes
    s.dt, s.e0, s.i0, s.d, s.c = data, data + lanes, data + 2 * lanes, data + 3 * lanes, data + 4 * lanes
    data += 5 * lanes
    s.origin, s.u, s.e, s.i = data, data + lanes, data + 2 * lanes, data + 3 * lanes
    data += 4 * lanes
    s.U, s.E, s.I, s.spike, s.slope = data, data + lanes, data + 2 * lanes, data + 3 * lanes, data + 4 * lanes
    data += 5 * lanes
    s.open, w.shot = <int64_t *> data, <int64_t *> data + lanes
    s.sample, s.neuron = ints, ints + lanes
    return 0

cdef int room_for_gaps(Work *w, Py_ssize_t n) noexcept nogil:
    cdef double *data = <double *> take(&w.rooms[4], 7 * n * sizeof(double))
    if data == NULL:
        return -1
    w.dt = data
    w.f.m, w.f.e, w.f.i, w.f.ke, w.f.ki, w.f.k0 = data + n, data + 2 * n, data + 3 * n, data + 4 * n, data + 5 * n, data + 6 * n
    return 0

cdef int room_for_spikes(Tape *tape, int64_t extra) noexcept nogil:
    cdef Fired *spikes
    if tape.n + extra > tape.room:
        spikes = <Fired *> realloc(tape.spikes, 2 * (tape.n + extra) * sizeof(Fired))
        if spikes == NULL:
            return -1
        tape.spikes, tape.room = spikes, 2 * (tape.n + extra)
    return 0

# ---- forward

cdef int gather(Work *w, const Stage *s, Tape *tapes, Py_ssize_t sample, Py_ssize_t neuron, double T,
                const double *looks, Py_ssize_t n_looks) noexcept nogil:
    """The arrivals of one sample before T at a whole stage (neuron < 0) or at one neuron, in order, behind those at hand."""
    cdef Py_ssize_t q, x, first = w.n, n = w.n + n_looks
    cdef int64_t z
    cdef const Cable *cable
    cdef const Tape *tape
    cdef const Fired *spike
    for q in range(s.n_cables):
        tape = &tapes[s.cables[q].pre]
        n += tape.starts[sample + 1] - tape.starts[sample]
    for q in range(s.n_cables):
        cable = &s.cables[q]
        tape = &tapes[cable.pre]
        if neuron >= 0:                                     # where the synapses of each source are in the neuron's list
            for x in range(tape.starts[sample], tape.starts[sample + 1]):
                w.head[tape.spikes[x].rank] = -1
            for z in range(cable.column[neuron + 1] - 1, cable.column[neuron] - 1, -1):
                w.head[cable.source[z]] = <int32_t> (z - cable.column[neuron])
        for x in range(tape.starts[sample], tape.starts[sample + 1]):
            spike = &tape.spikes[x]
            if neuron < 0:
                if append(w, n, spike.time + cable.delay[0], cable.ptr[spike.rank], q, x - tape.starts[sample], T):
                    return -1
                continue
            if w.head[spike.rank] < 0:
                continue
            z = cable.column[neuron] + w.head[spike.rank]
            while z < cable.column[neuron + 1] and cable.source[z] == spike.rank:
                if append(w, n, spike.time + cable.delay[cable.synapse[z] * cable.delay_stride], cable.synapse[z], q,
                          x - tape.starts[sample], T):
                    return -1
                z += 1
    for x in range(n_looks):
        if append(w, n, looks[x], x, -1, 0, T):
            return -1
    sort_by_time(w.arrivals + first, w.n - first)
    return 0

cdef inline int append(Work *w, Py_ssize_t expected, double time, int64_t synapse, Py_ssize_t cable, Py_ssize_t spike,
                       double T) noexcept nogil:
    cdef Arrival *a
    if time > T or (time == T and cable >= 0):      # a look at the very end is granted
        return 0
    w.arrivals = <Arrival *> take(&w.rooms[5], max(expected, w.n + 1) * sizeof(Arrival))
    if w.arrivals == NULL:
        return -1
    a = &w.arrivals[w.n]
    a.time, a.rank, a.synapse, a.cable, a.spike = time, w.n, synapse, <int32_t> cable, <int32_t> spike
    w.n += 1
    return 0

cdef void gaps_between(const Arrival *arrivals, Py_ssize_t n, double T, double *dt) noexcept nogil:
    """Gap g lies between arrivals g - 1 and g: the lengths of all n + 1."""
    cdef Py_ssize_t g
    cdef double t0 = 0.0, t1
    for g in range(n + 1):
        t1 = arrivals[g].time if g < n else T
        dt[g] = t1 - t0
        t0 = t1

cdef int prepare_gaps(Work *w, double T, Py_ssize_t extra) noexcept nogil:
    """The gaps of one sample, with room for `extra` more intervals."""
    if room_for_gaps(w, w.n + 1 + extra):
        return -1
    gaps_between(w.arrivals, w.n, T, w.dt)
    return 0

cdef inline void begin(const Lanes *l, double *u, double *e, double *i) noexcept nogil:
    """The states at the start; see lanes.h on one current."""
    cdef bint one = l.rates.b_e == l.rates.b_i
    cdef Py_ssize_t j
    for j in range(l.padded):
        u[j], e[j], i[j] = l.u[j], l.e[j] + l.i[j] if one else l.e[j], 0.0 if one else l.i[j]

cdef int walk(Work *w, const Lanes *l, const Cable *cables, Py_ssize_t samples, double T) noexcept nogil:
    """From arrival to arrival, several samples side by side: append the spikes of the lanes to w.shots. The arrivals of sample s
    are those from w.begins[s] to w.begins[s + 1], one gap more than arrivals. Cost: O(lanes) per arrival, one crossing per
    spike."""
    cdef Py_ssize_t lanes = samples * l.padded, g, x, steps = 0, listed
    cdef const Arrival *arrivals
    cdef Gap *gap
    cdef int64_t first, n
    cdef int code
    if room_for_gaps(w, w.n + samples):
        return NO_MEMORY
    for x in range(samples):
        begin(l, w.u + x * l.padded, w.e + x * l.padded, w.i + x * l.padded)
        first, n = w.begins[x], w.begins[x + 1] - w.begins[x]
        gaps_between(w.arrivals + first, n, T, w.dt + first + x)
        w.gaps[x].t1, w.gaps[x].w, w.gaps[x].interval = 0.0, NULL, first + x - 1
        steps = max(steps, n + 1)
    eventsim_factors(w.n + samples, w.dt, l.rates, w.f)
    for x in range(lanes):
        w.free_at[x], w.streak[x] = -INFINITY, 0.0
    for g in range(steps):
        for x in range(samples):
            gap, arrivals, n = &w.gaps[x], w.arrivals + w.begins[x], w.begins[x + 1] - w.begins[x]
            if gap.interval >= 0 or g == 0:
                gap.interval = gap.interval + 1 if g <= n else -1
                gap.t0, gap.t1 = gap.t1, arrivals[g].time if g < n else T
                gap.w = cables[arrivals[g - 1].cable].w + arrivals[g - 1].synapse if 0 < g <= n else NULL
        listed = eventsim_gaps(samples, l.n, l.padded, w.gaps, l.rates, w.f, l.k, l.d, l.c, w.free_at, w.u, w.e, w.i,
                               w.search)
        if listed:
            code = spikes_of_gaps(w, l, listed, T)
            if code:
                return code
    for x in range(lanes):
        if not isfinite(w.u[x] + (w.e[x] + w.i[x])):
            w.failed = x // l.padded
            return NOT_FINITE
    return 0

cdef inline bint silenced(Py_ssize_t n, const double *free_at, double T) noexcept nogil:
    """Are all lanes refractory until the end? Then nothing is left to find: outputs that answer once are done early."""
    cdef Py_ssize_t j
    for j in range(n):
        if free_at[j] < T:
            return False
    return True

cdef int spikes_of_gaps(Work *w, const Lanes *l, Py_ssize_t n, double T) noexcept nogil:
    """The first n lanes of w.search may spike in the gaps of their samples, or are released: again and again until none does."""
    cdef Search s = w.search
    cdef Py_ssize_t x, j, lane, open
    cdef bint clamped = False
    cdef Shot *shot
    cdef const Gap *gap
    for x in range(n):
        clamped |= not s.open[x]
    while n:
        if clamped:
            eventsim_release(n, l.rates, s)
            open = 0
            for x in range(n):
                lane = s.sample[x] * l.padded + s.neuron[x]
                if w.free_at[lane] > -INFINITY:
                    w.u[lane] = s.U[x]
                    w.shots[w.shot[lane]].fired.release, w.free_at[lane] = s.slope[x], -INFINITY
                if s.open[x]:
                    search_move(s, open, x)
                    open += 1
            n = open
        eventsim_crossings(n, l.rates, CLOSE, s)
        w.shots = <Shot *> take(&w.rooms[14], (w.n_shots + n) * sizeof(Shot))
        if w.shots == NULL:
            return NO_MEMORY
        open = 0
        for x in range(n):
            if s.spike[x] == INFINITY:
                continue
            j, lane, gap = s.neuron[x], s.sample[x] * l.padded + s.neuron[x], &w.gaps[s.sample[x]]
            shot = &w.shots[w.n_shots]
            shot.sample, shot.fired.time, shot.fired.rank = s.sample[x], gap.t0 + (s.origin[x] + s.spike[x]), l.first + j
            shot.fired.slope, shot.fired.release = s.slope[x], 0.0
            if shot.fired.time == 0.0:      # above threshold from the start: nothing moves this spike
                shot.fired.slope = INFINITY
            w.streak[lane] = w.streak[lane] + 1.0 if s.spike[x] < RUNAWAY_ISI and l.t_ref[j] < RUNAWAY_ISI else 0.0
            if w.streak[lane] > RUNAWAY:
                w.failed = s.sample[x]
                return RAN_AWAY
            w.shot[lane] = w.n_shots
            w.n_shots += 1
            w.free_at[lane], w.u[lane] = shot.fired.time + l.t_ref[j], l.r[j]
            if w.free_at[lane] < gap.t1:
                search_move(s, open, x)
                s.origin[open], s.u[open], s.open[open] = w.free_at[lane] - gap.t0, l.r[j], 0
                open += 1
            elif silenced(l.n, w.free_at + (lane - j), T):
                w.gaps[s.sample[x]].interval = -1
        n, clamped = open, True
    return 0

cdef inline Py_ssize_t slice_of(const Shot *shot, double T) noexcept nogil:
    return shot.sample * SLICES + min(SLICES - 1, <Py_ssize_t> (shot.fired.time * (SLICES / T)))

cdef int stage_forward(Work *w, const Stage *s, Tape *tapes, Py_ssize_t first, Py_ssize_t samples, double T) noexcept nogil:
    """The spikes of one stage in some samples, sorted."""
    cdef Tape *tape = &tapes[s.population]
    cdef double block[CONSTANTS * BLOCK]
    cdef Py_ssize_t j, x
    cdef int64_t *starts = tape.starts + first
    cdef int64_t n, cell
    cdef Lanes l
    cdef int code
    w.n_shots = 0
    for j in range(1 if s.rows else s.n):
        l = lanes_of(s) if s.rows else lane_of(s, j, block)
        w.n = 0
        for x in range(samples):
            w.begins[x] = w.n
            if gather(w, s, tapes, first + x, -1 if s.rows else j, T, NULL, 0):
                return NO_MEMORY
        w.begins[samples] = w.n
        code = walk(w, &l, s.cables, samples, T)
        if code:
            return code
    if room_for_spikes(tape, w.n_shots):
        return NO_MEMORY
    memset(w.begins, 0, samples * SLICES * sizeof(int64_t))     # how many spikes a slice of time of a sample has,
    for x in range(w.n_shots):
        w.begins[slice_of(&w.shots[x], T)] += 1
    for x in range(samples * SLICES):                           # then where its next one goes
        n = w.begins[x]
        w.begins[x] = tape.n
        tape.n += n
        starts[x // SLICES + 1] = tape.n
    for x in range(w.n_shots):
        cell = slice_of(&w.shots[x], T)
        tape.spikes[w.begins[cell]] = w.shots[x].fired
        w.begins[cell] += 1
    for x in range(samples):
        sort_by_time(tape.spikes + starts[x], starts[x + 1] - starts[x])
    return 0
