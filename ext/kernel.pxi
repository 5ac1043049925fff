# What a model supplies to sum the arrivals of a window: see windows/sums.pxi; in C, because it is vector code.

cdef extern from "sums.h" nogil:
    enum:
        CHUNK
        SHARED_PLACES, OWN_PLACES, FRAMES
    ctypedef struct Sum:
        int64_t membrane, current
    ctypedef struct Pool:
        Sum *sums
        int64_t *sources
        int64_t n, capacity, apart
        int32_t first, kind, rises
        uint64_t *due
        const double *neurons
        int64_t width
    ctypedef struct Effects:
        double f[6][64]
    ctypedef struct Resting:
        const uint64_t *bits
        int64_t n
        int32_t at[64]
    int64_t add_effects "eventsim_add" (int64_t n, const int32_t *target, const float *f32, const double *f64, int64_t stride,
                                        const Effects *e, int64_t one, int32_t lo, int32_t hi, int32_t *place, Pool *pool,
                                        uint64_t *touched, Resting *resting)
    Sum *own_sums(const Pool *pool)
    int64_t *own_sources(const Pool *pool, const Sum *sum)
    void subtract_effects "eventsim_subtract" (int64_t n, const double *weight, const Effects *e, Sum *sums)
    int64_t find "eventsim_find" (int64_t n, const int32_t *target, const uint64_t *bits, int32_t *at)
    int reserve "eventsim_reserve" (Pool *pool, int64_t more)

cdef extern from "kernel.h" nogil:
    ctypedef struct Window:
        double epoch, offset, length, end_epoch, end_offset
        double quantum[3]
        double left, frame
    ctypedef struct Outlook:
        double left, length
    ctypedef struct Accounts:
        Sum *sums
        int64_t *credit
        uint64_t *credited
        uint64_t *pending
    ctypedef struct Panel:
        pass
    enum:
        ABREAST
    ctypedef struct Course:
        int n, lanes
        int32_t ids[ABREAST]
        int32_t next[ABREAST]
        uint8_t turn[ABREAST]
        double epoch[64]
        double offset[64]
        double next_epoch[64]
        double next_offset[64]
        double weight[64]
        double respite[64]
        double gap[64]
        double known[64]
        double spike[64]
        double steps[64]
    ctypedef struct Kernel:
        void (*effects)(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride,
                        const double *quantum, int same, Effects *e) noexcept nogil
        void (*step)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                     int same, const Sum *const *sums, const int64_t *const *sources, const Window *window, uint8_t *fails,
                     double *respite) noexcept nogil
        void (*alone)(int64_t n, const int32_t *ids, const double *offset, const double *weight, double *neurons, const double *rows,
                      int64_t stride, int same, const Window *window, uint8_t *fails, double *respite) noexcept nogil
        int64_t (*settle)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                          int same, const Accounts *own, const Window *window, Outlook *outlook, int32_t *at,
                          double *respite) noexcept nogil
        void (*panel)(int64_t n, Panel *panels, const double *rows, int64_t stride, int same, Sum *sums, int64_t apart,
                      const Window *window, uint64_t *fails) noexcept nogil
        void (*enter)(Panel *panel, int l, const double *row) noexcept nogil
        void (*leave)(const Panel *panel, int l, double *row) noexcept nogil
        void (*join)(Course *c, int l, const double *row, const double *rates) noexcept nogil
        void (*part)(const Course *c, int l, double *row) noexcept nogil
        void (*onward)(Course *c, int same) noexcept nogil
        void (*search)(Course *c, int same, double resolution) noexcept nogil
        int rates, coefficients, freezes, rises
    void empty_sum(const Accounts *own, int32_t j, int64_t credit)

cdef extern from "drives.h" nogil:
    enum:
        TERMS
        PARTS
    ctypedef struct Series:
        double middle
        double f[4][12]
        int terms
    ctypedef struct Driven:
        const Kernel *kernel
        const double *rows
        int64_t stride
        const double *quantum
        int same
        const Series *series
        Sum *sums
        int64_t *sources
        int64_t apart
        int64_t *counts
        int64_t total
        int parts, now
        double part, per_ms
        int64_t *ahead
        int64_t n
        int limited
        double left
        double weight[64]
        double longest[64]
        PoissonBlock more
    void eventsim_drive(const PoissonSources *p, const PoissonStretch *t, int64_t first, int64_t n, Driven *d)
    void eventsim_drive_more(const PoissonSources *p, const PoissonStretch *t, Driven *d)
    void eventsim_drive_ahead(int64_t n, const int64_t *membrane, const int64_t *current, Sum *sums)
    void eventsim_series(double x, const Series *series, Effects *e, int64_t k)

cdef extern from "send.h" nogil:
    int64_t WHOLE(int64_t)
    void due "eventsim_due" (int64_t n, const double *wait, double epoch, double offset, double origin, double per_ms, double window,
                             double most, double *offsets, int32_t *ahead)
    int64_t run "eventsim_run" (const uint8_t *u8, const uint16_t *u16, int64_t k, int64_t end)

cdef extern from *:
    """
    #define eventsim_lowest(word) __builtin_ctzll(word)
    """
    int lowest "eventsim_lowest" (uint64_t word) noexcept nogil
