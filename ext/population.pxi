# What every model shares. A population keeps one row of doubles per neuron: a head that only the engine writes and the
# model's state behind it, so that an event touches one or two cache lines. Parameters stand in rows of their own,
# one for all neurons or one for each.

cdef extern from *:
    """
    #define eventsim_prefetch(address) __builtin_prefetch(address)
    #define eventsim_prefetch_to_write(address) __builtin_prefetch(address, 1)
    """
    void prefetch "eventsim_prefetch" (const void *) noexcept nogil
    void prefetch_to_write "eventsim_prefetch_to_write" (const void *) noexcept nogil

cdef struct Neuron:                 # head of every state row
    Time at                         # the state is valid at this time
    Time free                       # end of refractoriness; epoch = inf: above threshold, waiting to fall below (edge)

cdef struct Touched:
    int32_t population
    int32_t neuron

cdef enum:
    HEAD = 4                        # doubles of a Neuron, before the model's states
    WIDEST = 16                     # doubles of the widest row
    TO_VALUE = 0                    # at a spike: V = V_reset,
    SUBTRACT = 1                    # V -= V_th - E_L,
    EDGE = 2                        # nothing: the next spike needs a new upward crossing

RESETS = {"value": TO_VALUE, "subtract": SUBTRACT, "none": EDGE}

cdef double ON_THRESHOLD = 2.0 ** -40   # an edge neuron is on its threshold if it is this close, relative to the potentials

cdef double GRAZE = 2.0 ** -30          # [ms]

cdef double MARGIN = 2.0 ** -30         # by which cheap bounds stay clear of rounding

cdef double RUNAWAY_ISI = 2.0 ** -20    # [ms] shorter intervals than this,
cdef enum:
    RUNAWAY = 10000                     # this many in a row, are an error: the neuron would fire for ever


cdef struct Values:                 # one number per synapse, or one for all (stride 0)
    const double *f64               # one of these four is set: numbers,
    const float *f32
    const uint8_t *u8               # or codes, places in the table
    const uint16_t *u16
    const double *table             # ascending, without repeats; NULL: numbers
    int32_t entries                 # of the table
    Py_ssize_t stride

cdef inline double value(Values v, int64_t k) noexcept nogil:
    if v.f64 != NULL:
        return v.f64[k * v.stride]
    if v.f32 != NULL:
        return v.f32[k * v.stride]
    return v.table[v.u8[k] if v.u8 != NULL else v.u16[k]]

cdef Values values_of(array, table=NO_TABLE):
    """View of numbers (float32, float64) or of codes (uint8, uint16) and their table; the caller keeps the arrays alive."""
    cdef Values v
    cdef const uint8_t[::1] raw = array.view(np.uint8)
    cdef const double[::1] entries = table
    cdef const void *data = &raw[0] if len(raw) else NULL
    memset(&v, 0, sizeof(v))
    v.stride = 1 if len(array) != 1 else 0
    if array.dtype == np.float64:
        v.f64 = <const double *> data
    elif array.dtype == np.float32:
        v.f32 = <const float *> data
    elif array.dtype == np.uint8:
        v.u8 = <const uint8_t *> data
    elif array.dtype == np.uint16:
        v.u16 = <const uint16_t *> data
    else:
        raise TypeError(f"values_of: numbers are float32 or float64 and codes uint8 or uint16, not {array.dtype}")
    if len(table):
        v.table, v.entries = &entries[0], <int32_t> len(table)
    return v


def aligned_zeros(Py_ssize_t n, Py_ssize_t width):
    """Zeros (n, width) float64 that start at a cache line, so that a row of eight doubles is one line."""
    raw = np.zeros(n * width + 8)
    skip = -raw.ctypes.data % 64 // 8
    return raw[skip:skip + n * width].reshape(n, width)


cdef inline bint clamped(const Neuron *s) noexcept nogil:
    return before(s.at, s.free) and s.free.epoch != INFINITY


cdef class Population:
    """Neurons of one model.

    A model supplies the formulas `flow`, `rest`, `receive`, `wait`, `reset` (a spiking source: `alarm`, `fire`) and
    `coefficients`; everything that concerns order, refractoriness and events is written here, once.
    """
    cdef readonly Py_ssize_t n, first           # neurons, global id of the first
    cdef Py_ssize_t word                        # and of the words of 64 neurons, in all populations, the first
    cdef readonly int index                     # of the population in the engine
    cdef readonly object model, parameters      # description; {name: float64 (1,) or (n,)} as set
    cdef double[:, ::1] state_view, coef_view
    cdef readonly object state, coef            # (n, width), (1 or n, number of coefficients) float64
    cdef double *rows
    cdef double *coefs
    cdef Py_ssize_t width, coef_width, coef_stride
    cdef Py_ssize_t costates                    # doubles of a costate row; 0: the model has no adjoint formulas
    cdef uint8_t[::1] mark                      # 1: among the touched of this instant
    cdef uint16_t[::1] streak                   # spikes in a row with intervals below RUNAWAY_ISI
    cdef int mode                               # TO_VALUE, SUBTRACT or EDGE
    cdef bint is_source                         # nothing can reach it
    cdef double direction                       # +1: rising crossings are sought; -1: falling ones (see `wait`)
    cdef double[:, ::1] step_times, step_values # injected current: times (K, 2), values (K, 1 or n) [pA]
    cdef bint telling                           # see `asks`
    cdef bint taping                            # a tape is written,
    cdef bint replaying                         # and the model `replays`,
    cdef double tape_epoch                      # from here on [ms]
    cdef readonly object spiked                 # each neuron's last Spike, with its own release: (n, 5) float64
    cdef double[:, ::1] spiked_view
    cdef const Neuron *past                     # in the reverse sweep: the state at the beginning of the present stretch,
    cdef double *g                              # and the gradient by the neuron's coefficients

    def __init__(self, model, Py_ssize_t n, dict parameters, Py_ssize_t first, int index, double epoch, double offset):
        self.model, self.n, self.first, self.index = model, n, first, index
        if HEAD + len(model.states) > WIDEST:
            raise TypeError(f"{type(model).__name__}: {len(model.states)} states; a row has room for {WIDEST - HEAD}, raise WIDEST "
                            "in ext/population.pxi")
        self.state = aligned_zeros(n, HEAD + len(model.states))
        self.state[:, 0] = self.state[:, 2] = epoch
        self.state[:, 1] = self.state[:, 3] = offset
        self.state_view = self.state
        self.width = self.state.shape[1]
        self.rows = &self.state_view[0, 0] if n else NULL
        self.mark = np.zeros(n, np.uint8)
        self.streak = np.zeros(n, np.uint16)
        self.mode, self.is_source = RESETS[getattr(model, "reset", "value")], not model.receptors
        self.costates, self.replaying = self.costate_width(), False
        if self.costates > WIDEST_COSTATE:
            raise TypeError(f"{type(model).__name__}: {self.costates} doubles of costates; a row has room for {WIDEST_COSTATE}, raise "
                            "WIDEST_COSTATE in ext/costate.pxi")
        self.step_times, self.step_values = np.empty((0, 2)), np.empty((0, 1))
        self.configure(parameters)

    def configure(self, dict parameters):
        """(Re)compute the coefficients from parameters {name: float64 (1,) or (n,)}."""
        columns = self.coefficients(self.model.core_parameters(parameters))
        rows = max(len(column) for column in columns)
        self.coef = np.empty((rows, len(columns)))
        for k, column in enumerate(columns):
            self.coef[:, k] = column
        self.coef_view = self.coef
        self.coefs = &self.coef_view[0, 0]
        self.coef_width = len(columns)
        self.coef_stride = len(columns) if rows > 1 else 0
        self.parameters = parameters

    def coefficients(self, dict p):
        """The model's row of parameters as a list of columns, in the order of its struct."""
        raise TypeError(f"{type(self).__name__}: a model must define coefficients()")

    def set_steps(self, times, values):
        """Injected current: at `times` (K, 2) the state I_e takes `values` (K, 1 or n) [pA]."""
        self.step_times, self.step_values = times, values

    def inputs(self):
        """What the population was handed besides parameters, as a dict of arrays; `set_inputs` is the inverse."""
        return {"step_times": np.asarray(self.step_times), "step_values": np.asarray(self.step_values)}

    def set_inputs(self, inputs):
        self.set_steps(inputs["step_times"], inputs["step_values"])

    # ---- the model's formulas: s is a state row, q a row of parameters

    cdef void flow(self, Neuron *s, const double *q, double t) noexcept nogil:
        """Advance the free state by t >= 0 [ms]; exact."""

    cdef void rest(self, Neuron *s, const double *q, double t) noexcept nogil:
        """Advance the state by t [ms] while the neuron is refractory."""

    cdef void receive(self, Neuron *s, const double *q, int port, double w, bint refractory) noexcept nogil:
        """One arrival of weight w."""

    cdef double wait(self, const Neuron *s, const double *q, double t, double sign) noexcept nogil:
        """Certified wait from t after s.at to the crossing; 0: here; sign -1: the falling crossing of an edge neuron."""
        return INFINITY

    cdef double respite(self, const Neuron *s, const double *q) noexcept nogil:
        """A cheap bound: how long from s.at on, refractoriness apart, the neuron certainly does not spike (windows/)."""
        return 0.0

    cdef const Kernel *kernel(self) noexcept nogil:
        """What sums arrivals and takes their sums; NULL: they are taken one by one (windows/sums.pxi)."""
        return NULL

    def longest_window(self):
        """How long the response to excitation rises [ms]: within that time it is largest at the end."""
        return np.inf

    def effects(self, double length):
        """(largest effects of a unit weight in a window of that length, see sums.h; what the kernel wants to know besides)"""
        return 1.0, 1.0, 1.0, False

    cdef bint aim(self, Neuron *s, double *q, double level) noexcept nogil:
        """Make `level` the threshold of copies of a state row and its parameters; for maxima of membranes. False: cannot."""
        return False

    cdef void reset(self, Neuron *s, const double *q, bint falls) noexcept nogil:
        """The jump of the state at the neuron's own spike (falls: at the falling crossing of an edge neuron)."""

    cdef double refractory(self, const double *q) noexcept nogil:
        """t_ref [ms]."""
        return 0.0

    # ---- their transpose, for gradients (costate.pxi, docs/gradients.md): n is a costate row, q a row of parameters, g the
    # ---- gradient by the latter, in the same struct

    def costate_width(self):
        """Doubles of a costate row: the size of the model's struct."""
        return 0

    cdef double slope(self, const Neuron *s, const double *q) noexcept nogil:
        """u' of a free membrane."""
        return 0.0

    cdef double closing(self, const Neuron *s, const double *q) noexcept nogil:
        """How fast it approaches its threshold."""
        return self.slope(s, q)

    cdef void flow_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        """The transpose of `flow`."""

    cdef void rest_back(self, Costate *n, const double *q, Stretch d) noexcept nogil:
        """The transpose of `rest`; u stands for the value the membrane is clamped at."""

    cdef Pull receive_back(self, const Costate *n, const double *q, double *g, int port, double w, Stretch d, double resting,
                           bint refractory) noexcept nogil:
        """An arrival d.t of free time before n.at, and, if the neuron is refractory then, by `resting` earlier still."""

    cdef double release_back(self, const Costate *n, const double *q, const Spike *s) noexcept nogil:
        """dL/d(time of release)."""
        return release_membrane_back(n, s, self.mode)

    cdef double reset_back(self, Costate *n, const double *q, double *g, const Spike *s, double G, double O) noexcept nogil:
        """The transpose of `reset`: G is dL/d(time of the spike), of which O is dL/d(time of release). Returns dL/d(time)."""
        return G

    def replays(self):
        """Do the transposed formulas need the states, `past`, because the model is not linear? Then they are recorded."""
        return False

    def asks(self, list incoming):
        """Does the sweep have to find out what the tape does not say of a release, `Costate.told`? incoming: projections."""
        return False

    cdef double tell(self, const Costate *n, const double *q, const Neuron *start) noexcept nogil:
        """That of the release after a spike; n: just before it, with what was told of the release before, NAN if there was none;
        start: the initial state."""
        return 0.0

    cdef double tell_arrival(self, int port, double w) noexcept nogil:
        """What an arrival at the refractory neuron adds to it."""
        return 0.0

    cdef void start_back(self, const Costate *n, const double *q, double *g, const Neuron *s, double *states) noexcept nogil:
        """What the initial state s contributes to g; and dL/d(state) of each state."""

    cdef double step_back(self, Costate *n, const double *q, double *g, double value) noexcept nogil:
        """The injected current takes a new value: dL/d(value). What it was before no longer matters."""
        return 0.0

    def gradients(self, dict p, double[:, ::1] g):
        """{parameter: gradient (n,)} from the gradient by the coefficients (n, their number): chain rule of `coefficients`."""
        raise TypeError(f"{type(self).__name__}: a model with adjoint formulas must define gradients()")

    # ---- what the engine calls

    cdef inline Neuron *row(self, Py_ssize_t j) noexcept nogil:
        return <Neuron *> (self.rows + j * self.width)

    cdef inline const double *q(self, Py_ssize_t j) noexcept nogil:
        return self.coefs + j * self.coef_stride

    cdef void advance(self, Neuron *s, const double *q, Time t) noexcept nogil:
        """Bring a state row to t >= s.at."""
        if clamped(s):
            if before(t, s.free):
                self.rest(s, q, elapsed(s.at, t))
                s.at = t
                return
            self.rest(s, q, elapsed(s.at, s.free))
            s.at = s.free
            if self.taping:
                self.note_release(s, q)
        if before(s.at, t):
            self.flow(s, q, elapsed(s.at, t))
            s.at = t

    cdef Py_ssize_t receive_row(self, Time t, int port, const int32_t *target, Values weight, int64_t lo, int64_t hi,
                                Touched *touched, Py_ssize_t n_touched) noexcept nogil:
        """Deliver synapses lo..hi of a row; append the targets not yet touched at this instant. Cost: O(hi - lo)."""
        cdef int64_t k
        cdef double w
        cdef int32_t j
        cdef Neuron *s
        cdef const double *q
        for k in range(lo, hi):
            w = value(weight, k)
            if w == 0.0 and not self.replaying:
                continue
            j = target[k]
            s, q = self.row(j), self.q(j)
            self.advance(s, q, t)
            self.receive(s, q, port, w, clamped(s))
            n_touched = self.touch(j, touched, n_touched)
        return n_touched

    cdef inline Py_ssize_t touch(self, Py_ssize_t j, Touched *touched, Py_ssize_t n_touched) noexcept nogil:
        """Append neuron j to the touched of this instant, once."""
        if self.mark[j]:
            return n_touched
        self.mark[j] = 1
        touched[n_touched].population = self.index
        touched[n_touched].neuron = <int32_t> j
        return n_touched + 1

    cdef inline const Neuron *released(self, Py_ssize_t j, Neuron *copy) noexcept nogil:
        """Neuron j, or a copy of it as it will be at the end of refractoriness, if nothing arrives."""
        cdef const Neuron *s = self.row(j)
        if not clamped(s):
            return s
        memcpy(copy, s, self.width * sizeof(double))
        self.rest(copy, self.q(j), elapsed(s.at, s.free))
        copy.at = s.free
        return copy

    cdef Time alarm(self, Py_ssize_t j) noexcept nogil:
        """A time before which neuron j will certainly not spike."""
        return self.next_alarm(j, self.row(j).at)

    cdef Time next_alarm(self, Py_ssize_t j, Time t) noexcept nogil:
        """A later such time than t, or t itself if neuron j spikes then."""
        cdef double copy[WIDEST]
        cdef const Neuron *s = self.released(j, <Neuron *> copy)
        cdef const double *q = self.q(j)
        cdef double since, wait
        if before(t, s.at):
            t = s.at
        since = elapsed(s.at, t)
        wait = self.wait(s, q, since, -1.0 if s.free.epoch == INFINITY else 1.0)
        if wait <= RESOLUTION * since:
            return t
        return later(s.at, since + wait)

    cdef bint fire(self, Py_ssize_t j, Time t) noexcept nogil:
        """The neuron has reached its threshold at t: advance and reset it. False: it only fell back below (edge)."""
        cdef Neuron *s = self.row(j)
        cdef const double *q = self.q(j)
        cdef bint falls = s.free.epoch == INFINITY, driven = same(s.at, t) or same(s.free, t)
        self.advance(s, q, t)
        if self.taping:
            self.last(j).id = ~<int32_t> (self.first + j) if driven else <int32_t> (self.first + j)
            self.last(j).before = self.closing(s, q)
        if falls:
            self.reset(s, q, True)
            s.free = t
            return False
        self.streak[j] = self.streak[j] + 1 if elapsed(s.free, t) < RUNAWAY_ISI and self.refractory(q) < RUNAWAY_ISI else 0
        self.reset(s, q, False)
        s.free = NEVER if self.mode == EDGE else later(t, self.refractory(q))
        return True

    # ---- what the reverse sweep calls

    cdef void recede(self, Costate *n, const double *q, Time t, bint rates) noexcept nogil:
        """Bring a costate row back to t, after the neuron's previous spike: the transpose of `advance`."""
        cdef Stretch d
        d.rates = rates
        if before(t, n.at):
            if same(n.free, n.at):
                n.late = n.pull
            n.pull = 0.0
        if before(t, n.free):
            if not before(n.at, n.free):
                d.t = elapsed(n.free, n.at)
                self.flow_back(n, q, d)
                n.released = n.u
                n.at = n.free
            d.t = elapsed(t, n.at)
            self.rest_back(n, q, d)
        else:
            d.t = elapsed(t, n.at)
            self.flow_back(n, q, d)
        n.at = t

    cdef double fire_back(self, Costate *n, const double *q, double *g, const Spike *s, Time t, double G,
                          bint rates) noexcept nogil:
        """Bring a costate row back to just before the neuron's own spike, whose arrivals pull with G; dL/d(its time)."""
        cdef double O
        self.recede(n, q, t, rates)
        if same(n.free, n.at):
            n.released, n.late = n.u, n.pull
        O = n.late + self.release_back(n, q, s)
        n.released = n.late = n.pull = 0.0
        return self.reset_back(n, q, g, s, G + O, O)

    # ---- the tape

    def write_tape(self, double epoch):
        """From now on, know what gradients need of each neuron's last spike."""
        self.taping, self.replaying, self.tape_epoch = True, self.replays(), epoch
        self.spiked = self.spiked_view = np.zeros((self.n, sizeof(Spike) // sizeof(double)))
        self.spiked.view(np.int32)[:, 3] = ~(self.first + np.arange(self.n))

    cdef inline Spike *last(self, Py_ssize_t j) noexcept nogil:
        return <Spike *> &self.spiked_view[j, 0]

    cdef void tape_spike(self, Py_ssize_t j, Time t, Log tape) noexcept nogil:
        """Neuron j has just spiked: write that to a tape, with the release of its spike before; there is room."""
        self.last(j).epoch, self.last(j).offset = <int32_t> (t.epoch - self.tape_epoch), t.offset
        memcpy(tape.append(), self.last(j), tape.width * sizeof(double))
        self.foresee_release(j)

    cdef inline void keep_release(self, Py_ssize_t j, const Neuron *s, const double *q) noexcept nogil:
        """Neuron j at the end of refractoriness is s."""
        self.last(j).after = self.slope(s, q)

    cdef void note_release(self, const Neuron *s, const double *q) noexcept nogil:
        """s has come to the end of refractoriness: is it a neuron, and no copy of one?"""
        cdef size_t place = (<size_t> s - <size_t> self.rows) // (self.width * sizeof(double))      # huge for what lies before
        if place < <size_t> self.n:
            self.keep_release(place, s, q)

    cdef void foresee_release(self, Py_ssize_t j) noexcept nogil:
        """The same, should nothing arrive until then."""
        cdef double copy[WIDEST]
        cdef Neuron *s = <Neuron *> copy
        memcpy(copy, self.row(j), self.width * sizeof(double))
        if clamped(s):
            self.rest(s, self.q(j), elapsed(s.at, s.free))
        self.keep_release(j, s, self.q(j))

    def finish_tape(self):
        """Foresee the releases that have not come yet; changes no state."""
        cdef Py_ssize_t j
        for j in range(self.n):
            if clamped(self.row(j)):
                self.foresee_release(j)

    # ---- the border to Python: rows in and out, nothing committed

    def slopes(self, double[:, ::1] rows, const int64_t[::1] ids):
        """dV_m/dt of state rows (m, width) of neurons ids (m,) [mV/ms]; 0 while refractory."""
        out = np.zeros(rows.shape[0])
        cdef double[::1] view = out
        cdef Py_ssize_t k
        for k in range(rows.shape[0]):
            if not clamped(<Neuron *> &rows[k, 0]):
                view[k] = self.slope(<Neuron *> &rows[k, 0], self.q(ids[k]))
        return out

    cdef void inject(self, Py_ssize_t j, double current) noexcept nogil:
        """Set the injected current I_e of neuron j [pA]."""

    def evolve(self, double[:, ::1] rows, const int64_t[::1] ids, const double[:, ::1] times):
        """Advance copies of state rows (m, width) of neurons ids (m,) to times (m, 2), in place; closed form."""
        cdef Py_ssize_t k
        for k in range(rows.shape[0]):
            self.advance(<Neuron *> &rows[k, 0], self.q(ids[k]), at_time(times[k, 0], times[k, 1]))

    def peaks(self, const double[:, ::1] rows, const int64_t[::1] ids, const double[::1] lengths, double[::1] levels):
        """Interior maxima of free membranes above `levels` (n,), each neuron's highest value at the ends of its stretches.

        A stretch is a state row (m, width) of neuron ids (m,) and a length [ms]. Raises `levels` to the maxima; returns in which
        stretch each is (n,), -1: none, and how long after its beginning [ms]. No maximum is missed that exceeds the level by
        2**-40 of the potentials: the crossing solver tells that nothing reaches it."""
        stretch, waits = np.full(self.n, -1, np.int64), np.zeros(self.n)
        cdef int64_t[::1] where = stretch
        cdef double[::1] when = waits
        cdef double[:, ::1] aimed = self.coef.copy()
        cdef double copy[WIDEST]
        cdef double u, t
        cdef Py_ssize_t k
        cdef int64_t j
        for k in range(rows.shape[0]):
            j = ids[k]
            while True:
                t = self.passes(<const Neuron *> &rows[k, 0], &aimed[j if self.coef_stride else 0, 0], lengths[k], levels[j])
                if isnan(t):
                    raise TypeError(f"{type(self.model).__name__}: without aim() its membranes have no known maxima")
                if t < 0.0:
                    break
                t = self.top(<const Neuron *> &rows[k, 0], self.q(j), t, lengths[k])
                self.at_wait(<Neuron *> copy, <const Neuron *> &rows[k, 0], self.q(j), t)
                u = copy[HEAD]
                if not u > levels[j]:
                    break
                levels[j], where[j], when[j] = u, k, t
        return stretch, waits

    cdef inline void at_wait(self, Neuron *copy, const Neuron *s, const double *q, double t) noexcept nogil:
        memcpy(copy, s, self.width * sizeof(double))
        self.flow(copy, q, t)

    cdef double passes(self, const Neuron *s, double *q, double length, double level) noexcept nogil:
        """When, within `length`, the free membrane passes a level for the first time; -1: it does not; NAN: unknown. It starts
        and ends at or below the level; q is a copy."""
        cdef double copy[WIDEST]
        cdef double t = 0.0, wait
        memcpy(copy, s, self.width * sizeof(double))
        if not self.aim(<Neuron *> copy, q, level + ON_THRESHOLD * (fabs(level) + fabs(copy[HEAD]))):
            return NAN
        while t < length:
            wait = self.wait(<Neuron *> copy, q, t, 1.0)
            if wait <= RESOLUTION * t:
                return t
            t += wait
        return -1.0

    cdef double top(self, const Neuron *s, const double *q, double low, double high) noexcept nogil:
        """A maximum between `low`, where the membrane rises, and `high`, where it does not or is lower; no lower than at `low`."""
        cdef double copy[WIDEST]
        cdef double middle = 0.5 * (low + high), least
        self.at_wait(<Neuron *> copy, s, q, low)
        least = copy[HEAD] - ON_THRESHOLD * fabs(copy[HEAD])        # rounding must not decide where it is flat
        while low < middle < high:
            self.at_wait(<Neuron *> copy, s, q, middle)
            if copy[HEAD] >= least and self.slope(<Neuron *> copy, q) > 0.0:
                low = middle
            else:
                high = middle
            middle = 0.5 * (low + high)
        return low

    def certified_wait(self, double[::1] row, Py_ssize_t j, double t):
        """The solver step from a state row, t [ms] after its time: see solver.pxi. For tests."""
        return self.wait(<const Neuron *> &row[0], self.q(j), t, 1.0)

    def certain_respite(self, double[::1] row, Py_ssize_t j):
        """The cheap bound of a state row: see `respite`. For tests."""
        return self.respite(<const Neuron *> &row[0], self.q(j))


# ---- two steps that the membranes of several models share

cdef inline double approach(double g, double a, Drive drive, int mode, double rounding) noexcept nogil:
    """`wait` of a membrane that is g below its crossing. An edge neuron stands on its threshold, up to rounding, just after
    each crossing: then the slope decides whether it crosses again, and a return within GRAZE is not looked for."""
    if mode == EDGE and fabs(g) <= rounding and drive.slope <= 0.0:
        return max(certified_wait(0.0, a, drive), GRAZE)
    if g > 0.0:
        return certified_wait(g, a, drive)
    return 0.0 if g <= 0.0 else NAN         # an overflow, for the engine to report

cdef inline void reset_membrane(double *u, double c, double r, int mode, bint falls) noexcept nogil:
    if mode == TO_VALUE:
        u[0] = r
    elif mode == SUBTRACT:
        u[0] -= c
    else:                   # rounding must not leave it on the side it came from
        u[0] = min(u[0], c) if falls else max(u[0], c)

# ---- declarations that several models share

MEMBRANE = {
    "C_m": Parameter(250.0, "pF", "positive"),
    "tau_m": Parameter(10.0, "ms", "positive"),
    "E_L": Parameter(-70.0, "mV"),
    "V_th": Parameter(-55.0, "mV", "any"),
    "V_reset": Parameter(-70.0, "mV"),
    "t_ref": Parameter(2.0, "ms", "nonnegative"),
    "I_e": Parameter(0.0, "pA", steps=True),
}
SYNAPSES = {"tau_syn_ex": Parameter(2.0, "ms", "positive"), "tau_syn_in": Parameter(2.0, "ms", "positive")}
RESET = {"reset": ("value", "subtract", "none")}
V_M = State("E_L", "mV", relative_to="E_L")
CURRENT = State(0.0, "pA")
INJECTED = State("I_e", "pA")


class SpikingMembrane(Model):
    """A membrane with a fixed reset below its threshold."""

    def validate(self, p):
        require(self, p, "V_reset", "V_th", "a neuron reset at or above its threshold would spike for ever")
        if getattr(self, "reset", "value") == "subtract":
            require(self, p, "E_L", "V_th", "reset='subtract' lowers V_m by V_th - E_L, which must be positive")
        if getattr(self, "reset", "value") == "none" and np.any(p.get("t_ref", np.zeros(1)) != 0):
            raise ValueError(f"{type(self).__name__}: t_ref = {p['t_ref'].max():g} with reset='none'; an edge-triggered neuron "
                             "is not refractory, set t_ref=0")
