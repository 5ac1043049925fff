# What the threads of the windowed executor share: wheels of lists, one slot for each window (see window.pxi).

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
    TOGETHER = 16               # synapses of a row for which memory is fetched
    BLOCK = 16                  # words of neurons that are taken through a window together
    SEGMENTS = 16               # segments of rows whose effects are computed together
    LONG_SEGMENT = 6            # a spike with so many arrivals in a window is not sent, but visited in each;
    SHORT_SEGMENT = 2           # or with so many, at neurons that are looked at in each anyway
    MANY = 8                    # arrivals at a neuron in a window
    RENUMBER = 1 << 30          # windows after which they are counted from 0 again
    FINEST = 20                 # a window is no shorter than 2**-20 ms

cdef enum:                      # what to do with a row of a spike that is sent
    FETCH_POINTERS
    FETCH_ROWS
    SEND

cdef enum:                      # what a neuron that goes through a window side by side with others has to do
    GONE                        # nothing: it has come to the end, or there is none;
    TO_GO                       # take its next arrival, if it certainly does not spike before;
    TO_SEARCH                   # be looked at for a spike before that;
    TO_SPIKE                    # spike

cdef enum:
    IS_LIF = 1
    IS_DELTA = 2
    IS_FLY = 3

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

cdef double LONGEST_FRAME = 8.0     # [ms], of several windows

cdef double DENSE = 0.5         # arrivals from Poisson sources at a neuron in a window, from which on all neurons are visited; one
cdef double SINGLE = 16.0       # of a source that has no other synapse counts for so many: to find its next event alone costs that

cdef uint32_t UNDELAYED = <uint32_t> 1 << 31

cdef struct Incoming:            # one on its way; two of them in a cache line
    double offset               # [ms], of its time; windows do not cross whole milliseconds
    double w
    uint32_t source             # global id, plus UNDELAYED if it arrives as it is sent: after all other arrivals of its time
    int32_t projection
    int32_t cursor              # in the row; for undelayed ones, a number that grows with the order of their spikes
    int32_t target              # local id; of one that has been hung on its target: the next there, from 1 on in `Worker.hung`

cdef struct Route:              # what becomes of the arrivals of a projection
    uint64_t *marks             # those of `Sums` if they are lonely, else NULL
    void *sums                  # Sums of the targets, or NULL
    int32_t population, rank    # of the targets
    bint summed, replaying

cdef struct Touch:              # a neuron with arrivals in the present window
    Touched who
    int32_t first               # of its arrivals, from 1 on in `Worker.hung`
    Py_ssize_t shadow           # it is only watched what it goes through: its place, from 1 on, in `Worker.shadows`

cdef struct Arrivals:           # at neurons of one population, to be summed
    Py_ssize_t n
    double x[CHUNK]             # how long before the end of the window [ms]
    double weight[CHUNK]
    int32_t target[CHUNK]

cdef struct Segment:            # of a row: synapses that are reached at one time
    double x                    # how long before the end of the window [ms]
    int64_t k                   # the first,
    int32_t n                   # and how many
    int32_t projection

cdef struct Lone:               # neurons of one population with one arrival each
    Py_ssize_t n
    int32_t ids[CHUNK]
    double offset[CHUNK]        # [ms], of its time
    double weight[CHUNK]
    Incoming *arrival[CHUNK]

cdef struct Loners:             # as Lots
    Lone lot[2]
    int filling

cdef struct Shadow:             # what a neuron that is watched was like before the window,
    double row[16]              # (WIDEST)
    Sum sums[2]                 # if sums last for frames: and its arrivals until the end of the window
    int64_t credit
    int32_t neuron

cdef struct Departure:
    Time time
    Touched who

cdef struct Seat:               # of each neuron
    int32_t look                # the window in which to look whether it spikes: see `Worker.watch_out`
    int32_t place               # among those with arrivals in the present window, from 1 on

cdef struct Background:         # Poisson sources that have one synapse each, onto neurons that follow each other: see drives.pxi
    PoissonSources sources
    void *population            # PoissonPopulation
    void *rows                  # Rows
    int32_t projection
    Py_ssize_t source, target   # the first, and its target,
    int64_t synapse             # and its synapse
    double delay                # [ms]
    Time since                  # what they do before is in flight, or has arrived
    int64_t *counts             # of their spikes that have been drawn
    int64_t done                # sources that have been dealt with in this window
    int parts                   # so many windows are drawn at once; those from window `ready` on are still to be drawn,
    int64_t ready
    bint fresh                  # and this is the first of some that have been
    bint inhibits               # have all weights this sign? If there are parts
    int64_t *ahead              # see drives.h

cdef struct Lot:                # of neurons
    Py_ssize_t n
    int32_t ids[CHUNK]
    uint8_t commit[CHUNK]       # is there anything to commit, or is it only a look?
    Sum sums[2 * CHUNK]         # of excitation and of inhibition, where these stand apart,
    int64_t sources[2 * CHUNK]  # and what stands beside them

cdef struct Lots:               # one is filled and fetched while the other waits
    Lot lot[2]
    int filling

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
    double per_ms               # windows in a millisecond
    int64_t window              # the present one,
    Time start, limit           # where it begins, and where it ends or is cut
    Time reached                # where the last one ended
    bint over                   # nothing is left before the end of the run
    bint restless               # something is due in every window
    bint prompt                 # a source may reach a neuron in the window in which it spikes
    Seat *seats                 # of all neurons
    uint8_t *owner              # worker of each word (64 neurons) of each population
    uint8_t *kind               # of each population: see `Life`
    int32_t *rank               # of each population, below `ranks`: see window.pxi
    int32_t ranks
    bint summing                # is there any?
    bint lonely                 # and any that is lonely?
    bint proving                # see `Windows.proving`
    Route *routes               # of all projections
    void **sums                 # Sums of each population; NULL: all arrivals are mail
    void **workers
    Barrier barrier
