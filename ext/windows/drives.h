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

typedef struct {                        /* the targets of sources, one each */
    const Kernel *kernel;
    const double *rows;                 /* coefficients, of that of source 0, */
    int64_t stride;                     /* and of the next so much further on */
    const double *quantum;
    int same;
    const Series *series;               /* NULL: not to be used, as weights have both signs */
    Sum *sums;                          /* of the target of source 0, and those that follow, */
    int64_t *counts;                    /* and the numbers of their events */
    int64_t total;
    int limited;                        /* do arrivals count for a part of the window only? */
    double weight[SIDE], longest[SIDE]; /* of the sources at hand; how long before its end they count at most [ms] */
    PoissonBlock more;                  /* cells of which block 1 is still to be drawn, */
    double weight_more[SIDE], longest_more[SIDE];
} Driven;

typedef struct { int64_t membrane[SIDE], current[SIDE], counts[SIDE]; } DrivenSums;

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

/* The effects of one event by series: as a visit of its row must have them, too. */
static void eventsim_series(double x, const Series *s, Effects *e, int64_t k)
{
    for (int i = 0; i < 4; i++)
        e->f[i][k] = polynomial(s->f[i], s->terms, x - s->middle);
}

/* Add up, for each source, one event if it is due. */
INLINE void add_series(const PoissonBlock *b, int64_t i, const double *weight, const Series *q, int terms, DrivenSums *restrict s)
{
    const double *f = q->f[weight[0] < 0.0 ? 2 : 0], *g = q->f[weight[0] < 0.0 ? 3 : 1], middle = q->middle;
    int64_t j, n = WHOLE(b->n);
    for (j = 0; j < n; j++) {
        const double w = b->due[i][j] * weight[j], y = b->x[i][j] - middle;
        s->membrane[j] += lane_whole(w * polynomial(f, terms, y));
        s->current[j] += lane_whole(w * polynomial(g, terms, y));
        s->counts[j] += lane_whole(b->due[i][j]);
    }
}

INLINE void add_effects_of(PoissonBlock *b, int64_t i, const double *weight, const double *longest, const Driven *d,
                           DrivenSums *restrict s)
{
    Effects e;
    int64_t j;
    for (j = 0; d->limited && j < b->n; j++)
        b->x[i][j] = b->x[i][j] < longest[j] ? b->x[i][j] : longest[j];
    d->kernel->effects(b->n, b->x[i], b->source, d->rows, d->stride, d->quantum, d->same, &e);
    for (j = 0; j < WHOLE(b->n); j++) {
        const double w = b->due[i][j] * weight[j];
        s->membrane[j] += lane_whole(w * (w < 0.0 ? e.f[2][j] : e.f[0][j]));
        s->current[j] += lane_whole(w * (w < 0.0 ? e.f[3][j] : e.f[1][j]));
        s->counts[j] += lane_whole(b->due[i][j]);
    }
}

INLINE void add_block(PoissonBlock *b, int later, const double *weight, const double *longest, const Driven *d,
                      DrivenSums *restrict s)
{
    for (int64_t i = !later; i < WORDS; i++)
        if (!d->series)
            add_effects_of(b, i, weight, longest, d, s);
        else if (d->series->terms == 6)
            add_series(b, i, weight, d->series, 6, s);
        else if (d->series->terms == 8)
            add_series(b, i, weight, d->series, 8, s);
        else
            add_series(b, i, weight, d->series, TERMS, s);
}

/* Block 0 of whole cells, from random words to sums at one go. */
INLINE void drive_whole(const PoissonSources *p, const PoissonStretch *t, int64_t first, PoissonBlock *restrict b, const Driven *d,
                        int terms, DrivenSums *restrict s)
{
    const uint64_t law = p->law + (uint64_t)p->step, id = p->id + (uint64_t)first;
    const double(*level)[SIDE] = p->laws[p->alike ? 0 : first / SIDE].level;
    const double *f = d->series->f[d->weight[0] < 0.0 ? 2 : 0], *g = d->series->f[d->weight[0] < 0.0 ? 3 : 1];
    const double middle = d->series->middle, until = t->until, until_offset = t->until_offset;
    int64_t i, j, n = WHOLE(b->n);
    for (j = 0; j < n; j++) {
        uint64_t word[WORDS];
        double epoch, begin = lane_cell(b->cell[j], b->length[j], &epoch), number;
        const double left = until_offset - ((epoch - until) + begin);               /* from the beginning of the cell on */
        poisson_words(p->seed, id + (uint64_t)j, law, lane_whole(b->cell[j]), 0, word);
        b->u[j] = lane_unit(word[0]);
        b->number[j] = number = poisson_number(b->u[j], level, j);
        _Pragma("GCC unroll 3") for (i = 1; i < WORDS; i++) {
            const double w = (double)(i - 1) < number ? d->weight[j] : 0.0;
            const double y = (left - lane_place(lane_unit(word[i]), b->length[j])) - middle;
            s->membrane[j] += lane_whole(w * polynomial(f, terms, y));
            s->current[j] += lane_whole(w * polynomial(g, terms, y));
        }
        s->counts[j] += lane_whole(number < WORDS - 1.0 ? number : WORDS - 1.0);
    }
}

/* To the sums of the target of a source, of weight w. */
INLINE void pass_on(int32_t source, double w, int64_t membrane, int64_t current, int64_t count, Driven *d)
{
    int64_t *v = w < 0.0 ? d->sums[source].inhibition : d->sums[source].excitation;
    v[0] += membrane;
    v[1] += current;
    d->counts[source] += count;
    d->total += count;
}

INLINE void pass_on_one(int32_t source, double w, double x, double longest, Driven *d)
{
    const int inhibits = w < 0.0;
    Effects e;
    x = d->limited && longest < x ? longest : x;
    if (d->series)
        eventsim_series(x, d->series, &e, 0);
    else
        d->kernel->effects(1, &x, &source, d->rows, d->stride, d->quantum, d->same, &e);
    pass_on(source, w, lane_whole(w * e.f[2 * inhibits][0]), lane_whole(w * e.f[2 * inhibits + 1][0]), 1, d);
}

/* What is left to draw of cells with many events. */
LANES void eventsim_drive_more(const PoissonSources *p, const PoissonStretch *t, Driven *d)
{
    PoissonBlock *b = &d->more;
    DrivenSums s = {{0}, {0}, {0}};
    double x[MOST];
    int64_t j, k, m;
    for (j = b->n; j < WHOLE(b->n); j++)
        d->weight_more[j] = 0.0;
    poisson_second(p, t, b);
    add_block(b, 1, d->weight_more, d->longest_more, d, &s);
    for (j = 0; j < b->n; j++) {
        pass_on(b->source[j], d->weight_more[j], s.membrane[j], s.current[j], s.counts[j], d);
        m = b->number[j] == 2 * WORDS ? eventsim_poisson_rest(p, t, j, b, x) : 0;
        for (k = 0; k < m; k++)
            pass_on_one(b->source[j], d->weight_more[j], x[k], d->longest_more[j], d);
    }
    b->n = 0;
}

/* Draw the events of n sources, SIDE at most, from source `first` on, and add up what they do, and how many they are; but for
 * what is left to eventsim_drive_more. */
LANES void eventsim_drive(const PoissonSources *p, const PoissonStretch *t, int64_t first, int64_t n, Driven *d)
{
    PoissonBlock block;
    DrivenSums s = {{0}, {0}, {0}};
    int64_t cells = poisson_first(p, t, first, n, &block), j;
    uint64_t more;
    for (; cells > 0; cells--) {
        if (block.whole && d->series && d->series->terms == 6)
            drive_whole(p, t, first, &block, d, 6, &s);
        else if (block.whole && d->series && d->series->terms == 8)
            drive_whole(p, t, first, &block, d, 8, &s);
        else {
            poisson_block(p, t, first, &block);
            add_block(&block, 0, d->weight, d->longest, d, &s);
        }
        more = 0;
        for (j = 0; j < SIDE; j++)
            more |= (uint64_t)(j < n && block.number[j] >= WORDS) << j;
        for (; more; more &= more - 1) {
            j = __builtin_ctzll(more);
            d->weight_more[d->more.n] = d->weight[j];
            d->longest_more[d->more.n] = d->longest[j];
            poisson_has_more(&block, j, &d->more);
            if (d->more.n == SIDE)
                eventsim_drive_more(p, t, d);
        }
        for (j = 0; j < SIDE; j++)
            block.cell[j] += 1.0;
    }
    for (j = 0; j < n; j++)
        pass_on((int32_t)(first + j), d->weight[j], s.membrane[j], s.current[j], s.counts[j], d);
}

#endif
