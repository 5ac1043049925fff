# Poisson trains: what poisson.h does for models/poisson.pxi, one source at a time, and for windows/drives.pxi, many at once.

cdef extern from "poisson.h" nogil:
    ctypedef struct RateSteps:
        const double *time
        const double *value
        int64_t n, columns
    ctypedef struct PoissonLaws:
        pass
    ctypedef struct PoissonSources:
        uint64_t seed, id, law
        int64_t n
        const double *intervals
        int64_t stride
        double grid
        RateSteps steps
        int64_t column
        PoissonLaws *laws
        bint alike
        int64_t step
    ctypedef struct PoissonStretch:
        double begin, begin_offset, end, end_offset, until, until_offset
        double since "from"
        double since_offset "from_offset"
    ctypedef struct PoissonBlock:
        int64_t n
        int32_t source[64]
        double cell[64]
        double number[64]
        double x[4][64]
        double due[4][64]
    ctypedef struct Cells:
        double length, mean, steps
    Cells eventsim_poisson_cells(double interval, double grid)
    void eventsim_poisson_next(uint64_t seed, uint64_t id, uint64_t law, double since, double since_offset, double *epoch,
                               double *offset, double passed, double interval, double grid, RateSteps steps, int64_t column)
    int eventsim_poisson_stretch(PoissonSources *p, PoissonStretch *t)
    int64_t eventsim_poisson_first(const PoissonSources *p, const PoissonStretch *t, int64_t first, int64_t n, PoissonBlock *b)
    void eventsim_poisson_blocks(const PoissonSources *p, const PoissonStretch *t, int64_t first, PoissonBlock *b,
                                 PoissonBlock *second)
    int eventsim_poisson_rest(const PoissonSources *p, const PoissonStretch *t, int64_t j, const PoissonBlock *b, double *x)
    void eventsim_poisson_range(const PoissonSources *p, const PoissonStretch *t, int64_t s, double *first, double *stop)
    int eventsim_poisson_list(const PoissonSources *p, const PoissonStretch *t, int64_t s, double cell, double (*time)[2])
    void lane_point(double k, double grid, double *epoch, double *offset)
    double lane_point_from(double time, double fraction, double grid)
    void threefry(const uint64_t *key, const uint64_t *counter, uint64_t *out)
    enum:
        SIDE
        WORDS
        MOST
