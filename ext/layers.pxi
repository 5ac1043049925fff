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
    if not time < T:
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
        if g < w.n:
            eventsim_receive(l.n, l.rates, cables[w.arrivals[g].cable].w + w.arrivals[g].synapse, l.k, e, i)
        t0 = t1
    for j in range(l.n):
        if not isfinite(u[j] + (e[j] + i[j])):
            return NOT_FINITE
    return 0

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

# ---- backward

cdef struct Loss:               # what the loss answered about one sample of one stage; NULL, 0: nothing
    const double *times         # by spike
    double *pull                # the same from the arrivals the spikes caused
    const double *max_V         # (n,) and where the maxima are:
    const double *when          # (n,) infinity: the neuron spiked
    const int64_t *kink         # (n,) the arrival at which V' turns, -1: none
    const double *rise          # (n,) V' before it
    const double *decays        # (n_integrals,) 1/decay
    const double *integrals     # (n_integrals, ..., n) at this sample,
    Py_ssize_t n_integrals, integral_stride
    const double *targets       # (n_squares,) and their squares, like the integrals
    const double *squares
    Py_ssize_t n_squares, square_stride
    double *states              # at the starts of all intervals, if there are squares
    const double *looks         # (n_looks,) times, values (n, n_looks)
    const double *look
    Py_ssize_t n_looks

cdef struct Adjoint:            # gradients of one stage, (n,) each
    double *c
    double *r
    double *t_ref
    double *u
    double *e
    double *i
    double *d
    double *a
    double *b_e
    double *b_i

cdef enum:
    ADJOINTS = 10

cdef struct CableBack:
    double *weight              # (m,) or NULL
    double *delay
    double *pull                # of the spikes of the sample, or NULL

cdef struct Back:               # costates of the lanes
    Py_ssize_t n
    Rates q
    bint rates                  # are the gradients by the time constants asked for?
    bint drive                  # by the constant current?
    double *pu
    double *pe
    double *pi
    double *pd                  # of the constant current: int p_u
    double *ru
    double *re
    double *ri
    double *rd
    double *qe
    double *qi
    double *live                # 1: free, 0: clamped

cdef inline Adjoint adjoint_at(double *x, Py_ssize_t n, Py_ssize_t j) noexcept nogil:
    cdef Adjoint g
    x += j
    g.c, g.r, g.t_ref, g.u, g.e, g.i, g.d, g.a, g.b_e, g.b_i = (x, x + n, x + 2 * n, x + 3 * n, x + 4 * n, x + 5 * n, x + 6 * n,
                                                              x + 7 * n, x + 8 * n, x + 9 * n)
    return g

cdef void retreat(Back *b, const Work *w, const Lanes *l, Py_ssize_t interval, const Loss *loss, double t0, Py_ssize_t lo,
                  Py_ssize_t n, Adjoint *grad) noexcept nogil:
    """Lanes lo..lo+n from the end to the start t0 of an interval: the transpose of the flow, and what the loss adds in it."""
    cdef Factors f = w.f
    if w.dt[interval] == 0.0:
        return
    if b.rates:
        retreat_rates(b, w.f, interval, w.dt[interval], lo, n)
    if b.drive:
        for j in range(lo, lo + n):
            b.pd[j] += b.pu[j] * w.f.k0[interval]
    if n > 1:
        eventsim_gap_back(n, b.q, w.f, interval, b.pu + lo, b.pe + lo, b.pi + lo)
    else:                       # the same without a call
        b.pe[lo] = b.pe[lo] * f.e[interval] + b.pu[lo] * f.ke[interval]
        if b.pi != b.pe:
            b.pi[lo] = b.pi[lo] * f.i[interval] + b.pu[lo] * f.ki[interval]
        b.pu[lo] *= f.m[interval]
    if loss.n_integrals:
        retreat_integrals(b, loss, t0, w.dt[interval], lo, n, grad)
    if loss.n_squares:
        retreat_squares(b, w, l, loss, interval, lo, n, grad)

cdef void retreat_rates(Back *b, Factors f, Py_ssize_t g, double t, Py_ssize_t lo, Py_ssize_t n) noexcept nogil:
    cdef double a = b.q.a, b_e = b.q.b_e, b_i = b.q.b_i
    cdef double aae = kappa3(a, a, b_e, t), aai = kappa3(a, a, b_i, t), aa0 = kappa3(a, a, 0.0, t)
    cdef double eea = kappa3(b_e, b_e, a, t), iia = kappa3(b_i, b_i, a, t)
    cdef bint one = b_e == b_i
    cdef double tm = t * f.m[g], te = t * f.e[g], ti = t * f.i[g]
    cdef Py_ssize_t j
    for j in range(lo, lo + n):
        b.qe[j] = b.qe[j] * f.e[g] + b.pe[j] * te + b.pu[j] * eea
        if not one:
            b.qi[j] = b.qi[j] * f.i[g] + b.pi[j] * ti + b.pu[j] * iia
        b.re[j] = b.re[j] * f.e[g] + b.ru[j] * f.ke[g] + b.pu[j] * aae
        if not one:
            b.ri[j] = b.ri[j] * f.i[g] + b.ru[j] * f.ki[g] + b.pu[j] * aai
        b.rd[j] += b.ru[j] * f.k0[g] + b.pu[j] * aa0
        b.ru[j] = b.ru[j] * f.m[g] + b.pu[j] * tm

cdef void retreat_integrals(Back *b, const Loss *loss, double t0, double t, Py_ssize_t lo, Py_ssize_t n,
                            Adjoint *grad) noexcept nogil:
    """The source l = S exp(-f t), and what it adds to all costates within an interval."""
    cdef double a, b_e, b_i, f, decayed, l, u, e, i, d, held, eu = 0.0, ee = 0.0, ei = 0.0, ed = 0.0, qe = 0.0, qi = 0.0
    cdef bint one = b.q.b_e == b.q.b_i
    cdef Py_ssize_t q, j
    for q in range(loss.n_integrals):
        f = loss.decays[q]
        a, b_e, b_i, decayed = b.q.a + f, b.q.b_e + f, b.q.b_i + f, exp(-f * t0)
        u, e, i, d = kappa(0.0, a, t), kappa3(0.0, a, b_e, t), kappa3(0.0, a, b_i, t), kappa3(0.0, a, f, t)
        held = kappa(0.0, f, t)
        if b.rates:
            eu, ee, ei, ed = kappa3(0.0, a, a, t), kappa4(0.0, a, a, b_e, t), kappa4(0.0, a, a, b_i, t), kappa4(0.0, a, a, f, t)
            qe, qi = kappa4(0.0, b_e, b_e, a, t), kappa4(0.0, b_i, b_i, a, t)
        for j in range(lo, lo + n):
            l = decayed * loss.integrals[q * loss.integral_stride + j]
            grad.r[j] += (1.0 - b.live[j]) * l * held
            l *= b.live[j]
            b.pu[j] += l * u
            b.pe[j] += l * e
            if not one:
                b.pi[j] += l * i
            b.pd[j] += l * d
            if b.rates:
                b.ru[j] += l * eu
                b.re[j] += l * ee
                if not one:
                    b.ri[j] += l * ei
                b.rd[j] += l * ed
                b.qe[j] += l * qe
                if not one:
                    b.qi[j] += l * qi

cdef Py_ssize_t own_events(Work *w, const Lanes *l, double T, const Fired *spikes, Py_ssize_t n_spikes, Py_ssize_t n_sample,
                           Py_ssize_t more) noexcept nogil:
    """Spikes and releases of the lanes before T, their number, in w.own with room for `more`."""
    cdef Py_ssize_t x, s, j, n = 0
    cdef double until
    cdef Own *own
    w.own = <Own *> take(&w.rooms[6], (2 * n_spikes + more + 1) * sizeof(Own))
    w.pull = <double *> take(&w.rooms[7], (n_sample + 1) * sizeof(double))
    if w.own == NULL or w.pull == NULL:
        return -1
    for x in range(n_spikes):
        s = w.mine[x]
        j = spikes[s].rank - l.first
        until = spikes[s].time + l.t_ref[j]
        own = &w.own[n]
        own.time, own.rank, own.lane = spikes[s].time, 2 * s, <int32_t> j
        n += 1
        w.pull[s] = 0.0
        if l.t_ref[j] > 0.0 and until < T:
            own[1].time, own[1].rank, own[1].lane = until, 2 * s + 1, <int32_t> j
            n += 1
    return n

cdef int own_intervals(Work *w, const Lanes *l, double T, Py_ssize_t n_own) noexcept nogil:
    """Factors of the gaps, then of the interval from each own event up to the next of its lane in its gap, or to the end
    of the gap, then of the interval down to the one before, or to the start of the gap."""
    cdef Py_ssize_t x, g, upper = w.n + 1, lower = w.n + 1 + n_own
    cdef int64_t *latest = w.last
    cdef Own *own
    sort_by_time(w.own, n_own)
    if prepare_gaps(w, l.rates, T, 2 * n_own):
        return -1
    for x in range(l.n):
        latest[x] = -1
    g = 0
    for x in range(n_own):
        own = &w.own[x]
        while g < w.n and w.arrivals[g].time <= own.time:
            g += 1
        own.gap = <int32_t> g
        w.dt[upper + x] = (w.arrivals[g].time if g < w.n else T) - own.time
        w.dt[lower + x] = own.time - (w.arrivals[g - 1].time if g > 0 else 0.0)
        if latest[own.lane] >= 0 and w.own[latest[own.lane]].gap == g:
            w.dt[lower + x] = w.dt[upper + latest[own.lane]] = own.time - w.own[latest[own.lane]].time
        latest[own.lane] = x
    eventsim_factors(w.n + 1 + 2 * n_own, w.dt, l.rates, w.f)
    return 0

cdef int walk_back(Work *w, const Lanes *l, const Cable *cables, double T, const Fired *spikes, Py_ssize_t n_spikes,
                   Py_ssize_t n_sample, Loss *loss, CableBack *out, Adjoint *grad, bint rates, bint drive) noexcept nogil:
    """`walk` in reverse order. spikes: of the sample, n_sample; w.mine: which n_spikes of them are the lanes'."""
    cdef Back b
    cdef Py_ssize_t x, j, g, s, n_own, touched, upper, lower
    cdef double t0, p
    cdef Watch squares
    cdef double *save = w.lane[12]
    cdef const Arrival *arrival
    cdef Own *own
    cdef int64_t *latest = w.last
    cdef int64_t *mark = w.last + l.padded
    b.n, b.q, b.rates, b.drive = l.n, l.rates, rates, drive
    b.pu, b.pe, b.pi, b.pd, b.live = w.lane[0], w.lane[1], w.lane[2], w.lane[3], w.lane[10]
    b.ru, b.re, b.ri, b.rd, b.qe, b.qi = w.lane[4], w.lane[5], w.lane[6], w.lane[7], w.lane[8], w.lane[9]
    if l.rates.b_e == l.rates.b_i:
        b.pi, b.ri, b.qi = b.pe, b.re, b.qe
    n_own = own_events(w, l, T, spikes, n_spikes, n_sample, l.n)
    if n_own < 0:
        return -1
    if loss.max_V != NULL:
        for j in range(l.n):
            if loss.when[j] == INFINITY:
                grad.c[j] += loss.max_V[j]
            elif loss.max_V[j] != 0.0:
                own = &w.own[n_own]
                own.time, own.rank, own.lane, own.value = loss.when[j], -1, <int32_t> j, loss.max_V[j]
                n_own += 1
    if own_intervals(w, l, T, n_own):
        return -1
    upper, lower = w.n + 1, w.n + 1 + n_own
    if loss.n_squares:
        memset(&squares, 0, sizeof(Watch))
        loss.states = squares.states = <double *> take(&w.rooms[9], 3 * ((w.n + 1) * l.n + 2 * n_own) * sizeof(double))
        if squares.states == NULL:
            return -1
        watch(w, l, cables, n_own, &squares)
    for j in range(l.n):
        for x in range(ADJOINTS):
            w.lane[x][j] = 0.0
        b.live[j], mark[j] = 1.0, -1
    for x in range(n_own):                                  # the last of each lane: is it a spike?
        if w.own[x].rank >= 0:
            b.live[w.own[x].lane] = w.own[x].rank & 1 or l.t_ref[w.own[x].lane] == 0.0
    g = w.own[n_own - 1].gap if n_own else -1               # later than that all is 0, unless
    if loss.n_integrals or loss.n_squares or loss.n_looks:
        g = w.n
    x = n_own - 1
    while g >= 0:
        t0 = w.arrivals[g - 1].time if g > 0 else 0.0
        touched = 0
        while x >= 0 and w.own[x].gap == g and w.own[x].time >= 0.0:
            own = &w.own[x]
            j = own.lane
            retreat(&b, w, l, upper + x, loss, own.time, j, 1, grad)
            happen_back(w, &b, l, own, spikes, loss, grad)
            if mark[j] != g:
                mark[j] = g
                w.list[touched] = <int32_t> j
                touched += 1
            latest[j] = x
            x -= 1
        if w.dt[g] > 0.0:
            for s in range(touched):
                j = w.list[s]
                retreat(&b, w, l, lower + latest[j], loss, t0, j, 1, grad)
                exchange(w, save + s * (ADJOINTS + 1), j, grad, True)
            retreat(&b, w, l, g, loss, t0, 0, l.n, grad)
            for s in range(touched):
                exchange(w, save + s * (ADJOINTS + 1), w.list[s], grad, False)
        if g > 0:
            arrival = &w.arrivals[g - 1]
            if arrival.cable >= 0:
                arrive_back(w, &b, l, &cables[arrival.cable], arrival, &out[arrival.cable], grad)
            else:
                for j in range(l.n):
                    p = loss.look[j * loss.n_looks + arrival.synapse]
                    b.pu[j] += b.live[j] * p
                    grad.r[j] += (1.0 - b.live[j]) * p
        g -= 1
    while x >= 0:                                           # the maximum is the initial value
        b.pu[w.own[x].lane] += w.own[x].value
        x -= 1
    if loss.max_V != NULL:
        kinks_back(w, l, cables, loss, out)
    for j in range(l.n):
        grad.u[j] += b.pu[j]
        grad.e[j] += b.pe[j]
        grad.i[j] += b.pi[j]
        grad.d[j] += b.pd[j]
        if rates:
            grad.a[j] -= l.u[j] * b.ru[j] + l.e[j] * b.re[j] + l.i[j] * b.ri[j] + l.d[j] * b.rd[j]
            grad.b_e[j] -= l.e[j] * b.qe[j]
            grad.b_i[j] -= l.i[j] * b.qi[j]
    return 0

cdef inline void exchange(Work *w, double *save, Py_ssize_t j, Adjoint *grad, bint away) noexcept nogil:
    """Put the costates of a lane away, or back, and what it gathered while clamped."""
    cdef Py_ssize_t x
    if away:
        save[ADJOINTS] = grad.r[j]
    else:
        grad.r[j] = save[ADJOINTS]
    for x in range(ADJOINTS):
        if away:
            save[x] = w.lane[x][j]
        else:
            w.lane[x][j] = save[x]

cdef void happen_back(Work *w, Back *b, const Lanes *l, const Own *own, const Fired *spikes, const Loss *loss,
                      Adjoint *grad) noexcept nogil:
    """A spike, a release, or a look at the membrane, of one lane."""
    cdef Py_ssize_t j = own.lane, s = own.rank >> 1, q
    cdef double G
    if own.rank < 0:
        b.pu[j] += b.live[j] * own.value
        grad.r[j] += (1.0 - b.live[j]) * own.value
        return
    if own.rank & 1 or l.t_ref[j] == 0.0:
        w.pull[s] = -b.pu[j] * spikes[s].release
        grad.r[j] += b.pu[j]
        grad.t_ref[j] += w.pull[s]
        if b.rates:
            grad.a[j] -= l.r[j] * b.ru[j]
        b.pu[j] = b.ru[j] = b.live[j] = 0.0
    if not own.rank & 1:
        G = w.pull[s] + loss.pull[s]
        if loss.times != NULL:
            G += loss.times[s]
        for q in range(loss.n_integrals):
            G += loss.integrals[q * loss.integral_stride + j] * exp(-loss.decays[q] * own.time) * (l.c[j] - l.r[j])
        for q in range(loss.n_squares):
            G += loss.squares[q * loss.square_stride + j] * (square(l.c[j] + l.E_L[j] - loss.targets[q])
                                                             - square(l.r[j] + l.E_L[j] - loss.targets[q]))
        b.pu[j], b.ru[j], b.live[j] = -G / spikes[s].slope, 0.0, 1.0
        grad.c[j] -= b.pu[j]

cdef void arrive_back(Work *w, Back *b, const Lanes *l, const Cable *cable, const Arrival *arrival, CableBack *out,
                      Adjoint *grad) noexcept nogil:
    """An arrival leaves the costates as they are and reads them."""
    cdef const double *row = cable.w + arrival.synapse
    cdef double *x = w.lane[11]
    cdef double kw, total
    cdef Py_ssize_t j
    if out.weight != NULL:
        eventsim_receive_back(l.n, b.q, row, l.k, b.pe, b.pi, out.weight + arrival.synapse)
    if out.pull != NULL or out.delay != NULL:
        total = eventsim_arrival_back(l.n, b.q, row, l.k, b.pu, b.pe, b.pi, x)
        if out.pull != NULL:
            out.pull[arrival.spike] += total
        if out.delay != NULL:
            for j in range(l.n):
                out.delay[arrival.synapse + j] += x[j]
    if b.rates:
        for j in range(l.n):
            kw = l.k[j] * row[j]
            if kw >= 0.0:
                grad.a[j] -= kw * b.re[j]
                grad.b_e[j] -= kw * b.qe[j]
            else:
                grad.a[j] -= kw * b.ri[j]
                grad.b_i[j] -= kw * b.qi[j]

cdef void kinks_back(Work *w, const Lanes *l, const Cable *cables, const Loss *loss, CableBack *out) noexcept nogil:
    """A maximum at an arrival moves with it."""
    cdef Py_ssize_t j, x, real
    cdef const Arrival *arrival
    cdef double moved
    for j in range(l.n):
        if loss.when[j] == INFINITY or loss.kink[j] < 0 or loss.max_V[j] == 0.0:
            continue
        x = real = 0
        while w.arrivals[x].cable < 0 or real < loss.kink[j]:       # among the arrivals there may be looks
            real += w.arrivals[x].cable >= 0
            x += 1
        arrival = &w.arrivals[x]
        moved = loss.max_V[j] * loss.rise[j]
        if out[arrival.cable].pull != NULL:
            out[arrival.cable].pull[arrival.spike] += moved
        if out[arrival.cable].delay != NULL:
            out[arrival.cable].delay[arrival.synapse + j] += moved

# ---- what a loss may ask of the membranes

cdef struct Watch:              # what to watch; NULL: nothing
    double *seen                # (n, n_looks) V at the looks among the arrivals
    Py_ssize_t n_looks
    double *integral            # (n,) of exp(-decay_rate t) V
    double decay_rate
    double *square              # (n,) of (V - target)^2
    double target
    double *states              # (intervals, n, 3): u, e, i at the start of each interval; see `start_of`

cdef inline double *start_of(double *states, const Work *w, Py_ssize_t n, Py_ssize_t interval, Py_ssize_t j) noexcept nogil:
    """Of a gap, for each lane; of an interval between own events, for its lane."""
    return states + 3 * (interval * n + j if interval <= w.n else (w.n + 1) * n + interval - (w.n + 1))

cdef int watch(Work *w, const Lanes *l, const Cable *cables, Py_ssize_t n_own, const Watch *v) noexcept nogil:
    """Walk again, with the spikes known: own events and intervals are prepared."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *live = w.lane[10]
    cdef double *save = w.lane[12]
    cdef double t0 = 0.0
    cdef int64_t *latest = w.last
    cdef int64_t *mark = w.last + l.padded
    cdef Py_ssize_t g, x, s, j, touched, upper = w.n + 1, lower = w.n + 1 + n_own
    cdef Own *own
    begin(l, u, e, i)
    for j in range(l.n):
        live[j], mark[j] = 1.0, -1
    x = 0
    while x < n_own and w.own[x].time < 0.0:
        x += 1
    for g in range(w.n + 1):
        touched = 0
        while x < n_own and w.own[x].gap == g:
            own = &w.own[x]
            j = own.lane
            if mark[j] == g:
                advance_watched(w, l, v, upper + latest[j], w.own[latest[j]].time, j, 1)
            else:
                advance_watched(w, l, v, lower + x, t0, j, 1)
                mark[j] = g
                w.list[touched] = <int32_t> j
                touched += 1
            if own.rank >= 0:
                u[j], live[j] = l.r[j], own.rank & 1 or l.t_ref[j] == 0.0
            latest[j] = x
            x += 1
        if w.dt[g] > 0.0:
            for s in range(touched):
                j = w.list[s]
                advance_watched(w, l, v, upper + latest[j], w.own[latest[j]].time, j, 1)
                save_watched(w, v, save + 5 * s, j, True)
            advance_watched(w, l, v, g, t0, 0, l.n)
            for s in range(touched):
                save_watched(w, v, save + 5 * s, w.list[s], False)
        if g < w.n:
            t0 = w.arrivals[g].time
            if w.arrivals[g].cable >= 0:
                eventsim_receive(l.n, l.rates, cables[w.arrivals[g].cable].w + w.arrivals[g].synapse, l.k, e, i)
            elif v.seen != NULL:
                for j in range(l.n):
                    v.seen[j * v.n_looks + w.arrivals[g].synapse] = u[j] + l.E_L[j]
    return 0

cdef void save_watched(Work *w, const Watch *v, double *save, Py_ssize_t j, bint away) noexcept nogil:
    """Put a lane away, or back."""
    cdef Py_ssize_t x
    for x in range(3):
        if away:
            save[x] = w.lane[x][j]
        else:
            w.lane[x][j] = save[x]
    if away:
        save[3], save[4] = v.integral[j] if v.integral != NULL else 0.0, v.square[j] if v.square != NULL else 0.0
        return
    if v.integral != NULL:
        v.integral[j] = save[3]
    if v.square != NULL:
        v.square[j] = save[4]

cdef void advance_watched(Work *w, const Lanes *l, const Watch *v, Py_ssize_t g, double t0, Py_ssize_t lo,
                          Py_ssize_t n) noexcept nogil:
    """Lanes lo..lo+n over interval g, which starts at t0."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *live = w.lane[10]
    cdef double m = w.f.m[g], me = w.f.e[g], mi = w.f.i[g], ke = w.f.ke[g], ki = w.f.ki[g], k0 = w.f.k0[g], t = w.dt[g]
    cdef double f = v.decay_rate, a = l.rates.a + f, decayed, Ku, Ke, Ki, Kd, K
    cdef double *start
    cdef Py_ssize_t j, x
    cdef Node node
    if v.integral != NULL:
        decayed, Ku, Kd, K = exp(-f * t0), kappa(0.0, a, t), kappa3(0.0, a, f, t), kappa(0.0, f, t)
        Ke, Ki = kappa3(0.0, a, l.rates.b_e + f, t), kappa3(0.0, a, l.rates.b_i + f, t)
        for j in range(lo, lo + n):
            v.integral[j] += decayed * (l.E_L[j] * K + (
                u[j] * Ku + (e[j] * Ke + i[j] * Ki) + l.d[j] * Kd if live[j] != 0.0 else u[j] * K))
    if v.square != NULL:
        for x in range(nodes_of(l.rates, t)):
            node = node_of(l.rates, t, x)
            for j in range(lo, lo + n):
                v.square[j] += node.weight * square(l.E_L[j] - v.target + (
                    u[j] * node.m + (e[j] * node.ke + i[j] * node.ki) + l.d[j] * node.k0 if live[j] != 0.0 else u[j]))
    for j in range(lo, lo + n):
        if v.states != NULL:
            start = start_of(v.states, w, l.n, g, j)
            start[0], start[1], start[2] = u[j], e[j], i[j]
        if live[j] != 0.0:
            u[j] = u[j] * m + ((e[j] * ke + i[j] * ki) + l.d[j] * k0)
        e[j] *= me
        i[j] *= mi

# The integral of (V - target)^2 by Gauss's rule of 8 nodes on pieces no longer than the shortest time constant: exact to
# rounding.

cdef struct Node:
    double t, weight            # from the start of the interval
    double m, ke, ki, k0        # propagators from there, as in Factors

cdef double[4] GAUSS_NODE, GAUSS_WEIGHT
GAUSS_NODE[:] = [0.1834346424956498, 0.5255324099163290, 0.7966664774136267, 0.9602898564975363]
GAUSS_WEIGHT[:] = [0.3626837833783620, 0.3137066458778873, 0.2223810344533745, 0.1012285362903763]

cdef inline double square(double x) noexcept nogil:
    return x * x

cdef inline Py_ssize_t nodes_of(Rates q, double t) noexcept nogil:
    return 8 * <Py_ssize_t> (1.0 + t * max(q.a, max(q.b_e, q.b_i))) if t > 0.0 else 0

cdef Node node_of(Rates q, double t, Py_ssize_t x) noexcept nogil:
    cdef Node node
    cdef double half = 4.0 * t / nodes_of(q, t)
    node.t = half * (2 * (x // 8) + 1 + (GAUSS_NODE[x % 4] if x % 8 < 4 else -GAUSS_NODE[x % 4]))
    node.weight = half * GAUSS_WEIGHT[x % 4]
    node.m, node.k0 = exp(-q.a * node.t), kappa(q.a, 0.0, node.t)
    node.ke, node.ki = kappa(q.a, q.b_e, node.t), kappa(q.a, q.b_i, node.t)
    return node

cdef void retreat_squares(Back *b, const Work *w, const Lanes *l, const Loss *loss, Py_ssize_t interval, Py_ssize_t lo,
                          Py_ssize_t n, Adjoint *grad) noexcept nogil:
    """The source l = 2 S (V - target), node by node: what it adds at the start of the interval."""
    cdef double t = w.dt[interval], s, source, excess, aae = 0.0, aai = 0.0, aa0 = 0.0, eea = 0.0, iia = 0.0
    cdef double a = b.q.a, b_e = b.q.b_e, b_i = b.q.b_i
    cdef bint one = b_e == b_i
    cdef const double *start
    cdef Py_ssize_t q, j, x
    cdef Node node
    for x in range(nodes_of(b.q, t)):
        node = node_of(b.q, t, x)
        s = node.t
        if b.rates:
            aae, aai, aa0 = kappa3(a, a, b_e, s), kappa3(a, a, b_i, s), kappa3(a, a, 0.0, s)
            eea, iia = kappa3(b_e, b_e, a, s), kappa3(b_i, b_i, a, s)
        for j in range(lo, lo + n):
            start = start_of(loss.states, w, b.n, interval, j)
            source = 0.0
            excess = l.E_L[j] + (start[0] * node.m + (start[1] * node.ke + start[2] * node.ki) + l.d[j] * node.k0
                                 if b.live[j] != 0.0 else l.r[j])
            for q in range(loss.n_squares):
                source += 2.0 * node.weight * loss.squares[q * loss.square_stride + j] * (excess - loss.targets[q])
            if b.live[j] == 0.0:
                grad.r[j] += source
                continue
            b.pu[j] += source * node.m
            b.pe[j] += source * node.ke
            b.pd[j] += source * node.k0
            if not one:
                b.pi[j] += source * node.ki
            if b.rates:
                b.ru[j] += source * s * node.m
                b.re[j] += source * aae
                b.rd[j] += source * aa0
                b.qe[j] += source * eea
                if not one:
                    b.ri[j] += source * aai
                    b.qi[j] += source * iia

cdef int maxima(Work *w, const Lanes *l, const Cable *cables, double T, double *best, double *when, int64_t *kink,
                double *rise) noexcept nogil:
    """The largest membrane of each lane and where it is (see Loss); of lanes with when = infinity, which spiked: V_th. A
    lane is looked at where its membrane may exceed the best so far: the test of `walk` with a threshold that follows."""
    cdef double *u = w.lane[0]
    cdef double *e = w.lane[1]
    cdef double *i = w.lane[2]
    cdef double *U = w.lane[3]
    cdef double *E = w.lane[4]
    cdef double *I = w.lane[5]
    cdef double *never = w.lane[6]
    cdef double *top = w.lane[7]
    cdef double t0 = 0.0, t1, before, after, t
    cdef Py_ssize_t g, j, x, listed
    if prepare_gaps(w, l.rates, T, 0):
        return -1
    eventsim_factors(w.n + 1, w.dt, l.rates, w.f)
    begin(l, u, e, i)
    for j in range(l.padded):
        never[j], I[j], top[j] = -INFINITY, 0.0, l.u[j] if j < l.n else INFINITY
    for j in range(l.n):
        if when[j] == INFINITY:
            top[j] = INFINITY
        else:
            when[j] = -1.0                  # at the start, before all arrivals
        kink[j], rise[j] = -1, 0.0
    for g in range(w.n + 1):
        t1 = w.arrivals[g].time if g < w.n else T
        if w.dt[g] > 0.0:
            listed = eventsim_gap(l.padded, t0, t1, l.rates, w.f, g, u, e, i, l.d, top, never, U, E, I, w.list)
            for x in range(listed):
                j = w.list[x]
                before, after = e[j] + i[j] + l.d[j] - l.rates.a * u[j], E[j] + I[j] + l.d[j] - l.rates.a * U[j]
                t = turning_point(l.rates, u[j], e[j], i[j], l.d[j], w.dt[g], E[j], I[j], before, after)
                if t > 0.0:
                    before = u[j] * exp(-l.rates.a * t) + e[j] * kappa(l.rates.a, l.rates.b_e, t) + (
                        i[j] * kappa(l.rates.a, l.rates.b_i, t) + l.d[j] * kappa(l.rates.a, 0.0, t))
                    if before > top[j]:
                        top[j], when[j], kink[j] = before, t0 + t, -1
                if U[j] > top[j]:
                    top[j], when[j], kink[j], rise[j] = U[j], t1, -1, after
                    if g < w.n:                         # just before the arrival
                        when[j], kink[j] = t1 * (1.0 - 2.0 ** -53), g
            u, U = U, u
            e, E = E, e
            i, I = I, i
        if g < w.n:
            eventsim_receive(l.n, l.rates, cables[w.arrivals[g].cable].w + w.arrivals[g].synapse, l.k, e, i)
        t0 = t1
    for j in range(l.n):
        best[j] = l.E_L[j] + (l.c[j] if when[j] == INFINITY else top[j])
    return 0

cdef double turning_point(Rates q, double u, double e, double i, double d, double T, double e_T, double i_T, double before,
                          double after) noexcept nogil:
    """Where u' changes from + to - within (0, T), -1 if nowhere; before, after: u' at both ends. exp(a t) u' is monotone where
    J' = -b_e e(t) - b_i i(t) keeps its sign, and J' has one zero at most: so there is one such point at most."""
    cdef double lo = 0.0, hi = T, t, v, dv, J, middle
    cdef double E0 = q.b_e * e, I0 = -q.b_i * i, E1 = q.b_e * e_T, I1 = -q.b_i * i_T
    if (E0 > I0) != (E1 > I1) and E0 > 0.0 and I0 > 0.0 and q.b_e != q.b_i:
        middle = min(max(log(E0 / I0) / (q.b_e - q.b_i), 0.0), T)
        v = slope_at(q, u, e, i, d, middle, &dv)
        if before > 0.0 and v <= 0.0:
            hi = middle
        elif v > 0.0 and after <= 0.0:
            lo = middle
        else:
            return -1.0
    elif not (before > 0.0 and after <= 0.0):
        return -1.0
    t = 0.5 * (lo + hi)
    for _ in range(200):
        v = slope_at(q, u, e, i, d, t, &dv)
        if v > 0.0:
            lo = t
        else:
            hi = t
        middle = t - v / dv if dv < 0.0 else -1.0
        if not lo < middle < hi:
            middle = 0.5 * (lo + hi)
        if fabs(middle - t) <= 2.0 ** -50 * t or middle <= lo or middle >= hi:
            return middle
        t = middle
    return t

cdef double slope_at(Rates q, double u, double e, double i, double d, double t, double *curvature) noexcept nogil:
    cdef double E = e * exp(-q.b_e * t), I = i * exp(-q.b_i * t), v
    v = E + I + d - q.a * (u * exp(-q.a * t) + e * kappa(q.a, q.b_e, t) + i * kappa(q.a, q.b_i, t) + d * kappa(q.a, 0.0, t))
    curvature[0] = -q.b_e * E - q.b_i * I - q.a * v
    return v

# ---- the border to Python

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
        cdef Py_ssize_t sample, k, failed = 0, where = 0
        cdef Stage *s
        cdef int code = 0
        memset(&w, 0, sizeof(Work))
        with nogil:
            code = self.room(&w)
            for sample in range(self.n):
                for k in range(order.shape[0]):
                    s = &self.net.stages[order[k]]
                    if s.source:
                        continue
                    if s.spikes and s.n > 0 and code == 0:
                        code = stage_forward(&w, s, self.tapes, sample, self.duration)
                        if code:
                            failed, where = order[k], self.first + sample
                    self.tapes[s.population].starts[sample + 1] = self.tapes[s.population].n
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
        return room_for_lanes(w, widest, self.net.n_sources)

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
                    if code or n < 0 or gather(&w, s, self.tapes, sample, -1 if s.rows else j, self.duration, looks, v.n_looks):
                        code = -1
                        break
                    n = own_events(&w, &l, self.duration, tape.spikes + tape.starts[sample], n, m, 0)
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
