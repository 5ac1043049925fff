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
    void eventsim_receive(int64_t n, Rates q, const double *w, const double *k, double *e, double *i)
    int64_t eventsim_gap(int64_t n, double t0, double t1, Rates q, Factors f, int64_t g, const double *u, const double *e,
                         const double *i, const double *d, const double *c, const double *free, double *U, double *E, double *I,
                         int32_t *list)
    void eventsim_crossings(int64_t n, double dt, double m, Rates q, double resolution, const double *origin, const double *u,
                            const double *e, const double *i, const double *d, const double *c, const double *E,
                            const double *I, double *U, double *spike, double *slope, double *start)
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
    while 3 * step + 1 < n:
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
    ROOMS = 11
    LANE_ARRAYS = 32

cdef struct Work:
    Room rooms[ROOMS]
    Arrival *arrivals
    Py_ssize_t n
    double *dt
    Factors f
    double *lane[LANE_ARRAYS]
    int32_t *list
    int32_t *item
    int64_t *last
    int32_t *head
    int32_t *mine               # spikes of the sample that are the lanes'
    Own *own
    double *pull                # dL/dt of the release of each spike

cdef int room_for_lanes(Work *w, Py_ssize_t padded, Py_ssize_t sources) noexcept nogil:
    cdef Py_ssize_t x
    cdef double *data = <double *> take(&w.rooms[0], LANE_ARRAYS * padded * sizeof(double))
    w.list = <int32_t *> take(&w.rooms[1], 2 * padded * sizeof(int32_t))
    w.last = <int64_t *> take(&w.rooms[2], 2 * padded * sizeof(int64_t))
    w.head = <int32_t *> take(&w.rooms[3], (sources + 1) * sizeof(int32_t))
    if data == NULL or w.list == NULL or w.last == NULL or w.head == NULL:
        return -1
    for x in range(LANE_ARRAYS):
        w.lane[x] = data + x * padded
    w.item = w.list + padded
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
    """The arrivals of one sample before T at a whole stage (neuron < 0) or at one neuron, in order."""
    cdef Py_ssize_t q, x, n = n_looks
    cdef int64_t z
    cdef const Cable *cable
    cdef const Tape *tape
    cdef const Fired *spike
    w.n = 0
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
    sort_by_time(w.arrivals, w.n)
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

cdef int prepare_gaps(Work *w, Rates q, double T, Py_ssize_t extra) noexcept nogil:
    """Gap g lies between arrivals g - 1 and g: their lengths, with room for `extra` more intervals."""
    cdef Py_ssize_t g
    cdef double t0 = 0.0, t1
    if room_for_gaps(w, w.n + 1 + extra):
        return -1
    for g in range(w.n + 1):
        t1 = w.arrivals[g].time if g < w.n else T
        w.dt[g] = t1 - t0
        t0 = t1
    return 0

cdef inline void begin(const Lanes *l, double *u, double *e, double *i) noexcept nogil:
    """The states at the start; see lanes.h on one current."""
    cdef bint one = l.rates.b_e == l.rates.b_i
    cdef Py_ssize_t j
    for j in range(l.padded):
        u[j], e[j], i[j] = l.u[j], l.e[j] + l.i[j] if one else l.e[j], 0.0 if one else l.i[j]

cdef int walk(Work *w, const Lanes *l, const Cable *cables, double T, Tape *tape) noexcept nogil:
    """From arrival to arrival: append the spikes of the lanes. Cost: O(lanes) per arrival, one solver call per spike."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *U = w.lane[3]
    cdef double *E = w.lane[4]
    cdef double *I = w.lane[5]
    cdef double *free_at = w.lane[6]
    cdef double *streak = w.lane[20]
    cdef Py_ssize_t g, j, listed
    cdef double t0 = 0.0, t1
    cdef int code
    if prepare_gaps(w, l.rates, T, 0):
        return NO_MEMORY
    eventsim_factors(w.n + 1, w.dt, l.rates, w.f)
    begin(l, u, e, i)
    for j in range(l.padded):
        free_at[j], I[j], streak[j] = -INFINITY, 0.0, 0.0
    for g in range(w.n + 1):
        t1 = w.arrivals[g].time if g < w.n else T
        if w.dt[g] > 0.0:
            listed = eventsim_gap(l.padded, t0, t1, l.rates, w.f, g, u, e, i, l.d, l.c, free_at, U, E, I, w.list)
            if listed:
                code = spikes_of_gap(w, l, t0, t1, w.f.m[g], listed, u, e, i, U, E, I, free_at, tape)
                if code:
                    return code
            u, U = U, u
            e, E = E, e
            i, I = I, i
            if listed and silenced(l.n, free_at, T):
                break
        if g < w.n:
            eventsim_receive(l.n, l.rates, cables[w.arrivals[g].cable].w + w.arrivals[g].synapse, l.k, e, i)
        t0 = t1
    for j in range(l.n):
        if not isfinite(u[j] + (e[j] + i[j])):
            return NOT_FINITE
    return 0

cdef inline bint silenced(Py_ssize_t n, const double *free_at, double T) noexcept nogil:
    """Are all lanes refractory until the end? Then nothing is left to find: outputs that answer once are done early."""
    cdef Py_ssize_t j
    for j in range(n):
        if free_at[j] < T:
            return False
    return True

cdef int spikes_of_gap(Work *w, const Lanes *l, double t0, double t1, double m, Py_ssize_t n, const double *u, const double *e,
                       const double *i, double *U, const double *E, const double *I, double *free_at,
                       Tape *tape) noexcept nogil:
    """The listed lanes may spike between t0 and t1, or are released: again and again until none does."""
    cdef double *origin = w.lane[8]
    cdef double *u0 = w.lane[9]
    cdef double *e0 = w.lane[10]
    cdef double *i0 = w.lane[11]
    cdef double *d = w.lane[12]
    cdef double *c = w.lane[13]
    cdef double *spike = w.lane[14]
    cdef double *slope = w.lane[15]
    cdef double *start = w.lane[16]
    cdef double *u1 = w.lane[17]
    cdef double *e1 = w.lane[18]
    cdef double *i1 = w.lane[19]
    cdef double *streak = w.lane[20]
    cdef double dt = t1 - t0
    cdef Py_ssize_t x, j, more
    cdef Fired *s
    for x in range(n):
        j = w.item[x] = w.list[x]
        origin[x] = max(free_at[j] - t0, 0.0)
        u0[x] = u[j]
    while n:
        for x in range(n):
            j = w.item[x]
            e0[x], i0[x], d[x], c[x] = e[j], i[j], l.d[j], l.c[j]
            u1[x], e1[x], i1[x] = U[j], E[j], I[j]
        for x in range(n, (n + BLOCK - 1) // BLOCK * BLOCK):
            origin[x], u0[x], e0[x], i0[x], d[x], c[x], u1[x], e1[x], i1[x] = 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0
        eventsim_crossings(n, dt, m, l.rates, CLOSE, origin, u0, e0, i0, d, c, e1, i1, u1, spike, slope, start)
        if room_for_spikes(tape, n):
            return NO_MEMORY
        more = 0
        for x in range(n):
            j = w.item[x]
            if free_at[j] > -INFINITY:
                tape.spikes[w.last[j]].release = start[x]
                free_at[j] = -INFINITY
            U[j] = u1[x]
            if spike[x] < INFINITY:
                s = &tape.spikes[tape.n]
                s.time, s.rank, s.slope, s.release = t0 + (origin[x] + spike[x]), l.first + j, slope[x], 0.0
                if s.time == 0.0:       # above threshold from the start: nothing moves this spike
                    s.slope = INFINITY
                streak[j] = streak[j] + 1.0 if spike[x] < RUNAWAY_ISI and l.t_ref[j] < RUNAWAY_ISI else 0.0
                if streak[j] > RUNAWAY:
                    return RAN_AWAY
                w.last[j] = tape.n
                tape.n += 1
                free_at[j], U[j] = s.time + l.t_ref[j], l.r[j]
                if free_at[j] < t1:
                    w.item[more], origin[more], u0[more] = <int32_t> j, free_at[j] - t0, l.r[j]
                    more += 1
        n = more
    return 0

cdef int stage_forward(Work *w, const Stage *s, Tape *tapes, Py_ssize_t sample, double T) noexcept nogil:
    """The spikes of one stage in one sample, sorted."""
    cdef Tape *tape = &tapes[s.population]
    cdef int64_t first = tape.n
    cdef double block[CONSTANTS * BLOCK]
    cdef Py_ssize_t j
    cdef Lanes l
    cdef int code
    for j in range(1 if s.rows else s.n):
        l = lanes_of(s) if s.rows else lane_of(s, j, block)
        code = gather(w, s, tapes, sample, -1 if s.rows else j, T, NULL, 0)
        if code == 0:
            code = walk(w, &l, s.cables, T, tape)
        if code:
            return code
    sort_by_time(tape.spikes + first, tape.n - first)
    return 0
