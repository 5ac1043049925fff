/* What Poisson sources with one synapse each bring to their targets in a window, as sums (sums.h): the events of SIDE sources
 * are drawn and added up side by side, and written down nowhere. See drives.pxi. */
#ifndef EVENTSIM_DRIVES_H
#define EVENTSIM_DRIVES_H
#include "poisson.h"
#include "sums.h"

/* What the events of a window do per weight, in the order of Effects, is a smooth function of x: a polynomial of few terms,
 * in powers of x - middle, has its values to a fraction of a quantum. */
enum { TERMS = 12 };
typedef struct {
    double middle, f[4][TERMS];
    int terms;                          /* 6, 8 or TERMS; 0: none will do */
} Series;

typedef struct {                        /* the targets of SIDE sources, one each */
    const double *weight;
    const double *longest;              /* how long before the end of the window arrivals count at most [ms]; NULL: all do */
    const double *rows;                 /* coefficients */
    int64_t stride;
    const double *quantum;
    int same;
    const Series *series;               /* NULL: not to be used, as weights have both signs */
    Sum *sums;                          /* each has its own */
} Driven;

/* add up, for each source, one event if it is due */
INLINE void add_due(int64_t n, const double *weight, const double *due, const Effects *e, int64_t *restrict membrane,
                    int64_t *restrict current, int64_t *restrict counts)
{
    int64_t j;
    for (j = 0; j < WHOLE(n); j++) {
        const double w = due[j] * weight[j], f = w < 0.0 ? e->f[2][j] : e->f[0][j], g = w < 0.0 ? e->f[3][j] : e->f[1][j];
        membrane[j] += lane_whole(w * f);
        current[j] += lane_whole(w * g);
        counts[j] += lane_whole(due[j]);
    }
}

/* of an even number of terms; even and odd powers apart, for the sake of shorter chains */
INLINE double polynomial(const double *f, int terms, double y)
{
    const double z = y * y;
    double even = f[terms - 2], odd = f[terms - 1];
    int k;
    _Pragma("GCC unroll 8") for (k = terms - 4; k >= 0; k -= 2) {
        even = even * z + f[k];
        odd = odd * z + f[k + 1];
    }
    return even + odd * y;
}

/* The same with effects by series. */
INLINE void series_of_due(int64_t n, const double *weight, const double *due, const double *x, double middle, const double *f,
                          const double *g, int terms, int64_t *restrict membrane, int64_t *restrict current,
                          int64_t *restrict counts)
{
    int64_t j;
    for (j = 0; j < WHOLE(n); j++) {
        const double w = due[j] * weight[j], y = x[j] - middle;
        membrane[j] += lane_whole(w * polynomial(f, terms, y));
        current[j] += lane_whole(w * polynomial(g, terms, y));
        counts[j] += lane_whole(due[j]);
    }
}

INLINE void add_series(int64_t n, const double *weight, const double *due, const double *x, const Series *s,
                       int64_t *restrict membrane, int64_t *restrict current, int64_t *restrict counts)
{
    const double *f = s->f[weight[0] < 0.0 ? 2 : 0], *g = s->f[weight[0] < 0.0 ? 3 : 1];
    if (s->terms == 6)
        series_of_due(n, weight, due, x, s->middle, f, g, 6, membrane, current, counts);
    else if (s->terms == 8)
        series_of_due(n, weight, due, x, s->middle, f, g, 8, membrane, current, counts);
    else
        series_of_due(n, weight, due, x, s->middle, f, g, TERMS, membrane, current, counts);
}

typedef struct { int64_t membrane[SIDE], current[SIDE], counts[SIDE]; } DrivenSums;

/* The effects of n events of the given sources. */
INLINE void effects_of_events(int64_t n, const int32_t *source, double *x, const Kernel *kernel, const Driven *d, Effects *e)
{
    for (int64_t j = 0; d->longest && j < n; j++)
        x[j] = x[j] < d->longest[source[j]] ? x[j] : d->longest[source[j]];
    kernel->effects(n, x, source, d->rows, d->stride, d->quantum, d->same, e);
}

/* The effects of one event by series: as a visit of its row must have them, too. */
static void eventsim_series(double x, const Series *s, Effects *e, int64_t k)
{
    for (int i = 0; i < 4; i++)
        e->f[i][k] = polynomial(s->f[i], s->terms, x - s->middle);
}

INLINE void add_event(int32_t source, int64_t k, const Driven *d, const Effects *e, DrivenSums *s)
{
    const double w = d->weight[source];
    const int inhibits = w < 0.0;
    s->membrane[source] += lane_whole(w * e->f[2 * inhibits][k]);
    s->current[source] += lane_whole(w * e->f[2 * inhibits + 1][k]);
    s->counts[source]++;
}

/* the events of block 1 of some sources, added up first apart */
INLINE void add_second(const PoissonBlock *b, const Driven *d, DrivenSums *s)
{
    double weight[SIDE];
    DrivenSums more = {{0}, {0}, {0}};
    int64_t i, j;
    for (j = 0; j < WHOLE(b->n); j++)
        weight[j] = d->weight[b->source[j]];
    for (i = 0; i < WORDS; i++)
        add_series(b->n, weight, b->due[i], b->x[i], d->series, more.membrane, more.current, more.counts);
    for (j = 0; j < b->n; j++) {
        s->membrane[b->source[j]] += more.membrane[j];
        s->current[b->source[j]] += more.current[j];
        s->counts[b->source[j]] += more.counts[j];
    }
}

/* Draw the events of n sources, SIDE at most, from source `first` on, and add up what they do; count them for each source, and
 * return how many they are. */
LANES int64_t eventsim_drive(const PoissonSources *p, const PoissonStretch *t, int64_t first, int64_t n, const Kernel *kernel,
                             const Driven *d, int64_t *restrict counts)
{
    PoissonBlock block, second;
    DrivenSums s = {{0}, {0}, {0}};
    Effects e;
    double x[MOST];
    int64_t cells = poisson_first(p, t, first, n, &block), total = 0, i, j, k, m;
    for (; cells > 0; cells--) {
        poisson_block(p, t, first, &block);
        for (i = 1; i < WORDS; i++)
            if (d->series)
                add_series(n, d->weight, block.due[i], block.x[i], d->series, s.membrane, s.current, s.counts);
            else {
                effects_of_events(n, block.source, block.x[i], kernel, d, &e);
                add_due(n, d->weight, block.due[i], &e, s.membrane, s.current, s.counts);
            }
        poisson_second(p, t, first, &block, &second);
        if (second.n && d->series)
            add_second(&second, d, &s);
        for (i = 0; second.n && !d->series && i < WORDS; i++) {
            effects_of_events(second.n, second.source, second.x[i], kernel, d, &e);
            for (j = 0; j < second.n; j++)
                if (second.due[i][j] != 0.0)
                    add_event(second.source[j], j, d, &e, &s);
        }
        for (j = 0; j < second.n; j++) {
            m = second.number[j] == 2 * WORDS ? eventsim_poisson_rest(p, t, first, j, &second, x) : 0;
            for (k = 0; k < m; k++) {
                if (d->series)
                    eventsim_series(x[k], d->series, &e, 0);
                else
                    effects_of_events(1, &second.source[j], &x[k], kernel, d, &e);
                add_event(second.source[j], 0, d, &e, &s);
            }
        }
        for (j = 0; j < SIDE; j++)
            block.cell[j] += 1.0;
    }
    for (j = 0; j < n; j++) {
        counts[j] += s.counts[j];
        total += s.counts[j];
    }
    if (d->series && d->weight[0] >= 0.0)
        for (j = 0; j < n; j++) {
            d->sums[j].excitation[0] += s.membrane[j];
            d->sums[j].excitation[1] += s.current[j];
        }
    else
        for (j = 0; j < n; j++) {
            int64_t *v = d->weight[j] < 0.0 ? d->sums[j].inhibition : d->sums[j].excitation;
            v[0] += s.membrane[j];
            v[1] += s.current[j];
        }
    return total;
}

#endif
