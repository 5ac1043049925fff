/* What Poisson sources with one synapse each bring to their targets in a window, as sums (sums.h): the events of SIDE sources
 * are drawn and added up side by side, and written down nowhere. See drives.pxi. */
#ifndef EVENTSIM_DRIVES_H
#define EVENTSIM_DRIVES_H
#include "poisson.h"
#include "kernel.h"

/* What the events of a window do per weight, in the order of Effects, is a smooth function of x: a polynomial of few terms,
 * in powers of x - middle, has its values to a fraction of a quantum. */
enum { TERMS = 12 };
typedef struct {
    double middle, f[4][TERMS];
    int terms;                          /* 6, 8 or TERMS; 0: none will do */
} Series;

/* Windows may be shorter than cells. Then what happens in a whole cell is drawn at once, each event in its window. */
enum { PARTS = 8 };

typedef struct {                        /* the targets of sources, one each */
    const Kernel *kernel;
    const double *rows;                 /* coefficients, of that of source 0, */
    int64_t stride;                     /* and of the next so much further on */
    const double *quantum;
    int same;
    const Series *series;               /* NULL: not to be used, as weights have both signs */
    Sum *sums;                          /* of the target of source 0, and those that follow; of inhibition so far */
    int64_t *sources;                   /* beside them, of currents that rise, else NULL */
    int64_t apart;                      /* from those of excitation; */
    int64_t *counts;                    /* and the numbers of their events */
    int64_t total;
    int parts, now;                     /* windows drawn at once, PARTS at most; the last is window 0, the first is `now` */
    double part, per_ms;                /* [ms], the length of one, a power of two, and how many are in a millisecond */
    int64_t *ahead, n;                  /* of n targets, sums of windows to come: membranes and currents of 0, of 1 ... */
    int limited;                        /* do arrivals count for a part of the window only? */
    double left;                        /* on a grid, how long before the end the step at hand ends [ms], NaN: there is none yet; */
    Effects step;                       /* and the effects of its events */
    double weight[SIDE], longest[SIDE]; /* of the sources at hand; how long before its end they count at most [ms] */
    PoissonBlock more;                  /* cells of which block 1 is still to be drawn, */
    double weight_more[SIDE], longest_more[SIDE];
} Driven;

/* Sums of one window; the numbers of events in all windows are with those of the last. */
typedef struct { int64_t membrane[SIDE], current[SIDE], source[SIDE], counts[SIDE]; } DrivenSums;

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

typedef struct {                        /* what an event of a unit weight does, as local variables: nothing written aliases them */
    double membrane[TERMS], current[TERMS], middle, part, per_ms;
} Shape;

INLINE Shape shape_of(const Driven *d, double weight)
{
    Shape e = {{0}, {0}, d->series->middle, d->part, d->per_ms};
    memcpy(e.membrane, d->series->f[weight < 0.0 ? 2 : 0], sizeof(e.membrane));
    memcpy(e.current, d->series->f[weight < 0.0 ? 3 : 1], sizeof(e.current));
    return e;
}

/* Add an event of source j, a time x before the end of the last window, to the sums of its own. */
INLINE void add_lane(int64_t j, double w, double x, const Shape *e, int terms, int parts, DrivenSums *restrict s)
{
    const double q = parts == 1 ? 0.0 : ceil(x * e->per_ms) - 1.0, y = (parts == 1 ? x : x - q * e->part) - e->middle;
    const int64_t membrane = lane_whole(w * polynomial(e->membrane, terms, y));
    const int64_t current = lane_whole(w * polynomial(e->current, terms, y));
    int k;
    _Pragma("GCC unroll 8") for (k = 0; k < parts; k++) {
        const int64_t mask = parts == 1 ? -1 : -(int64_t)(q == (double)k);
        s[k].membrane[j] += membrane & mask;
        s[k].current[j] += current & mask;
    }
}

/* Of each source an event, if it is due. */
INLINE void add_series(const PoissonBlock *b, int64_t i, const double *weight, const Driven *d, int terms, int parts,
                       DrivenSums *restrict s)
{
    const Shape e = shape_of(d, weight[0]);
    int64_t j, n = WHOLE(b->n);
    for (j = 0; j < n; j++) {
        add_lane(j, b->due[i][j] * weight[j], b->x[i][j], &e, terms, parts, s);
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
    for (j = 0; d->sources && j < WHOLE(b->n); j++) {
        const double w = b->due[i][j] * weight[j];
        s->source[j] += lane_whole(w * (w < 0.0 ? e.f[5][j] : e.f[4][j]));
    }
}

/* Block 0 of whole cells, from random words to sums at one go. */
INLINE void drive_whole(const PoissonSources *p, const PoissonStretch *t, int64_t first, PoissonBlock *restrict b, const Driven *d,
                        int terms, int parts, DrivenSums *restrict s)
{
    const uint64_t law = p->law + (uint64_t)p->step, id = p->id + (uint64_t)first;
    const double(*level)[SIDE] = p->laws[p->alike ? 0 : first / SIDE].level;
    const double until = t->until, until_offset = t->until_offset;
    const Shape e = shape_of(d, d->weight[0]);
    int64_t j, n = WHOLE(b->n);
    for (j = 0; j < n; j++) {
        uint64_t word[WORDS];
        double epoch, begin = lane_cell(b->cell[j], b->length[j], &epoch), number, weight;
        const double left = until_offset - ((epoch - until) + begin);               /* from the beginning of the cell on */
        poisson_words(p->seed, id + (uint64_t)j, law, lane_whole(b->cell[j]), 0, word);
        b->u[j] = lane_unit(word[0]);
        b->number[j] = number = poisson_number(b->u[j], level, j);
        weight = d->weight[j];
        add_lane(j, number > 0.0 ? weight : 0.0, left - lane_place(lane_unit(word[1]), b->length[j]), &e, terms, parts, s);
        add_lane(j, number > 1.0 ? weight : 0.0, left - lane_place(lane_unit(word[2]), b->length[j]), &e, terms, parts, s);
        add_lane(j, number > 2.0 ? weight : 0.0, left - lane_place(lane_unit(word[3]), b->length[j]), &e, terms, parts, s);
        s->counts[j] += lane_whole(number < WORDS - 1.0 ? number : WORDS - 1.0);
    }
}

/* The effects of the events of a step: if common to all targets, found once for all sources. */
INLINE void effects_of_step(const PoissonBlock *b, double left, Driven *d)
{
    const int common = d->stride == 0 && !d->limited;
    double x[SIDE];
    int64_t i, j;
    if (common && d->left == left)
        return;
    d->left = left;
    for (j = 0; j < SIDE; j++)
        x[j] = d->limited && d->longest[j] < left ? d->longest[j] : left;
    if (d->series)
        eventsim_series(left, d->series, &d->step, 0);
    else
        d->kernel->effects(common ? 1 : b->n, x, b->source, d->rows, d->stride, d->quantum, d->same, &d->step);
    for (i = 0; common && i < 6; i++) {
        const double f = d->step.f[i][0];
        for (j = 0; j < SIDE; j++)
            d->step.f[i][j] = f;
    }
}

/* On a grid, where a cell is a step: its events all happen at its end, so that their number is all there is to draw. */
INLINE void drive_step(const PoissonSources *p, const PoissonStretch *t, int64_t first, const PoissonBlock *b, Driven *d,
                       DrivenSums *restrict s)
{
    const PoissonLaws *laws = p->laws + (p->alike ? 0 : first / SIDE);
    double share[SHARES], number[SIDE], epoch, offset;
    const double *u = poisson_shares(p->seed, p->id + (uint64_t)first, p->law + (uint64_t)p->step, lane_whole(b->cell[0]), share);
    int64_t j, many = 0, n = WHOLE(b->n);
    int k;
    lane_point(b->cell[0] + 1.0, p->grid, &epoch, &offset);
    effects_of_step(b, t->until_offset - ((epoch - t->until) + offset), d);
    for (j = 0; j < n; j++) {
        double reached = 0.0;
        _Pragma("GCC unroll 8") for (k = 0; k < 2 * WORDS; k++)
            reached += u[j] >= laws->level[k][j] ? 1.0 : 0.0;
        number[j] = reached;
    }
    for (j = 0; j < n; j++)
        many |= lane_whole(number[j]) & 2 * WORDS;
    for (j = 0; many && j < b->n; j++)
        if (number[j] == 2 * WORDS)
            number[j] = eventsim_poisson_number(u[j], laws->mean[j]);
    for (j = 0; j < n; j++) {
        const double w = d->weight[j];
        s->membrane[j] += lane_whole(number[j] * lane_round(w * (w < 0.0 ? d->step.f[2][j] : d->step.f[0][j])));
        s->current[j] += lane_whole(number[j] * lane_round(w * (w < 0.0 ? d->step.f[3][j] : d->step.f[1][j])));
        s->counts[j] += lane_whole(number[j]);
    }
    for (j = 0; d->sources && j < n; j++) {
        const double w = d->weight[j];
        s->source[j] += lane_whole(number[j] * lane_round(w * (w < 0.0 ? d->step.f[5][j] : d->step.f[4][j])));
    }
}

/* a call of F with the numbers of terms and of windows spelt out, each a loop of its own */
#define SPELT(F, N, ...) \
    (d->parts == 1   ? F(__VA_ARGS__, N, 1, s)                                                                         \
     : d->parts == 2 ? F(__VA_ARGS__, N, 2, s)                                                                         \
     : d->parts == 4 ? F(__VA_ARGS__, N, 4, s)                                                                         \
                     : F(__VA_ARGS__, N, PARTS, s))

INLINE void add_block(PoissonBlock *b, int later, const double *weight, const double *longest, const Driven *d,
                      DrivenSums *restrict s)
{
    for (int64_t i = !later; i < WORDS; i++)
        if (!d->series)
            add_effects_of(b, i, weight, longest, d, s);
        else if (d->series->terms == 6)
            SPELT(add_series, 6, b, i, weight, d);
        else if (d->series->terms == 8)
            SPELT(add_series, 8, b, i, weight, d);
        else
            add_series(b, i, weight, d, TERMS, 1, s);
}

/* To the sums of the target of a source, of a weight that inhibits or not, in a window. */
INLINE void pass_on(int32_t source, int inhibits, int window, int64_t membrane, int64_t current, int64_t rise, Driven *d)
{
    Sum *v = d->sums + source + (inhibits ? d->apart : 0);
    int64_t *ahead = d->ahead + 2 * d->n * window + source;
    if (window == d->now) {
        v->membrane += membrane;
        v->current += current;
        if (d->sources)
            d->sources[v - d->sums] += rise;
    } else {
        ahead[0] += membrane;
        ahead[d->n] += current;
    }
}

/* the same for those of n targets in a row, all of one sign: to windows to come, or to this one */
INLINE void pass_ahead(int64_t n, const DrivenSums *restrict s, int64_t *restrict ahead, int64_t stride)
{
    for (int64_t j = 0; j < n; j++) {
        ahead[j] += s->membrane[j];
        ahead[stride + j] += s->current[j];
    }
}

INLINE void eventsim_drive_ahead(int64_t n, const int64_t *restrict membrane, const int64_t *restrict current, Sum *restrict sums)
{
    for (int64_t j = 0; j < n; j++) {
        sums[j].membrane += membrane[j];
        sums[j].current += current[j];
    }
}

/* Returns how many events that are. */
INLINE int64_t count_on(int64_t n, const int64_t *restrict fresh, int64_t *restrict counts)
{
    int64_t j, total = 0;
    for (j = 0; j < n; j++) {
        counts[j] += fresh[j];
        total += fresh[j];
    }
    return total;
}

INLINE void pass_on_one(int32_t source, double w, double x, double longest, Driven *d)
{
    const int inhibits = w < 0.0, window = d->parts == 1 ? 0 : (int)ceil(x * d->per_ms) - 1;
    Effects e;
    x -= window * d->part;
    x = d->limited && longest < x ? longest : x;
    if (d->series)
        eventsim_series(x, d->series, &e, 0);
    else
        d->kernel->effects(1, &x, &source, d->rows, d->stride, d->quantum, d->same, &e);
    pass_on(source, inhibits, window, lane_whole(w * e.f[2 * inhibits][0]), lane_whole(w * e.f[2 * inhibits + 1][0]),
            d->sources ? lane_whole(w * e.f[4 + inhibits][0]) : 0, d);
    d->counts[source]++;
    d->total++;
}

/* What is left to draw of cells with many events. */
LANES void eventsim_drive_more(const PoissonSources *p, const PoissonStretch *t, Driven *d)
{
    PoissonBlock *b = &d->more;
    DrivenSums s[PARTS];
    double x[MOST];
    int64_t j, k, m;
    if (b->n == 0)
        return;
    memset(s, 0, (size_t)d->parts * sizeof(DrivenSums));
    for (j = b->n; j < WHOLE(b->n); j++)
        d->weight_more[j] = 0.0;
    poisson_second(p, t, b);
    add_block(b, 1, d->weight_more, d->longest_more, d, s);
    for (j = 0; j < b->n; j++) {
        for (k = 0; k <= d->now; k++)
            pass_on(b->source[j], d->weight_more[j] < 0.0, (int)k, s[k].membrane[j], s[k].current[j], s[k].source[j],
                    d);
        d->counts[b->source[j]] += s->counts[j];
        d->total += s->counts[j];
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
    DrivenSums s[PARTS];
    int64_t cells = poisson_first(p, t, first, n, &block), j;
    const int by_step = p->grid > 0.0 && block.whole;       /* then there is nothing more */
    uint64_t more;
    int k;
    memset(s, 0, (size_t)d->parts * sizeof(DrivenSums));
    for (; cells > 0; cells--) {
        if (by_step)
            drive_step(p, t, first, &block, d, s);
        else if (block.whole && d->series && d->series->terms == 6)
            SPELT(drive_whole, 6, p, t, first, &block, d);
        else if (block.whole && d->series && d->series->terms == 8)
            SPELT(drive_whole, 8, p, t, first, &block, d);
        else {
            poisson_block(p, t, first, &block);
            add_block(&block, 0, d->weight, d->longest, d, s);
        }
        more = 0;
        for (j = 0; j < SIDE && !by_step; j++)
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
    if (d->series) {                        /* all have one sign */
        Sum *sums = d->sums + first + (d->weight[0] < 0.0 ? d->apart : 0);
        for (k = 0; k < d->now; k++)
            pass_ahead(n, &s[k], d->ahead + 2 * d->n * k + first, d->n);
        eventsim_drive_ahead(n, s[d->now].membrane, s[d->now].current, sums);
    } else
        for (j = 0; j < n; j++)
            pass_on((int32_t)(first + j), d->weight[j] < 0.0, 0, s->membrane[j], s->current[j], s->source[j], d);
    d->total += count_on(n, s->counts, d->counts + first);
}

#endif
