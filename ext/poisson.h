/* Exact Poisson trains, one interval or many trains at a time.
 *
 * The k-th interval of source `id`, in units of its mean, is -log of word k % 4 of block k / 4 of the source's own stream of
 * random numbers. The generator is Threefry4x64-20 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as
 * 1, 2, 3"): additions, rotations and exclusive ors of 64 bits, which every vector unit has, while Philox4x64 multiplies to
 * 128 bits, which none has (benchmarks/poisson.py).
 *
 * Many trains are drawn side by side, one source per SIMD lane (elementary.h), a block of four events at a time, and kept as
 * times until they are due: to find the events before some time is to count how many of the four are. Every addition is that
 * of `later` (time.pxi), so the times are those of one interval after the other, bit for bit.
 */
#ifndef EVENTSIM_POISSON_H
#define EVENTSIM_POISSON_H
#include <stdlib.h>
#include "elementary.h"

enum {
    WORDS = 4,                          /* of a block */
    SIDE = 64,                          /* sources side by side */
    GROUP = 1024                        /* sources that are dealt with together: enough for few blocks to be drawn alone, and few
                                           enough for the cache */
};
#define POISSON_PURPOSE ((uint64_t)5 << 32)     /* random.pxi */

/* ---- one interval */

#define ROTATE(x, r) ((x) << (r) | (x) >> (64 - (r)))
#define MIX(a, b, r) a += b, b = ROTATE(b, r), b ^= a
#define FOUR_ROUNDS(p, q, r, s, t, u, v, w) \
    MIX(x0, x1, p), MIX(x2, x3, q), MIX(x0, x3, r), MIX(x2, x1, s), MIX(x0, x1, t), MIX(x2, x3, u), MIX(x0, x3, v), MIX(x2, x1, w)
#define ADD_KEY(a, b, c, d, s) x0 += a, x1 += b, x2 += c, x3 += d + s

/* Threefry4x64-20 of counter c under key k */
INLINE void threefry(const uint64_t *k, const uint64_t *c, uint64_t *out)
{
    const uint64_t k4 = 0x1BD11BDAA9FC1A22 ^ k[0] ^ k[1] ^ k[2] ^ k[3];
    uint64_t x0 = c[0] + k[0], x1 = c[1] + k[1], x2 = c[2] + k[2], x3 = c[3] + k[3];
    FOUR_ROUNDS(14, 16, 52, 57, 23, 40, 5, 37), ADD_KEY(k[1], k[2], k[3], k4, 1);
    FOUR_ROUNDS(25, 33, 46, 12, 58, 22, 32, 32), ADD_KEY(k[2], k[3], k4, k[0], 2);
    FOUR_ROUNDS(14, 16, 52, 57, 23, 40, 5, 37), ADD_KEY(k[3], k4, k[0], k[1], 3);
    FOUR_ROUNDS(25, 33, 46, 12, 58, 22, 32, 32), ADD_KEY(k4, k[0], k[1], k[2], 4);
    FOUR_ROUNDS(14, 16, 52, 57, 23, 40, 5, 37), ADD_KEY(k[0], k[1], k[2], k[3], 5);
    out[0] = x0, out[1] = x1, out[2] = x2, out[3] = x3;
}

/* block n of the stream of a source */
INLINE void poisson_words(uint64_t seed, uint64_t id, uint64_t n, uint64_t *out)
{
    const uint64_t key[4] = {seed, POISSON_PURPOSE, 0, 0}, counter[4] = {n, id, 0, 0};
    threefry(key, counter, out);
}

/* a standard exponential variate, 0 < e < 37, from a uniform number in (0, 1): an odd multiple of 2^-52 */
INLINE double lane_exponential(uint64_t word)
{
    double x;
    word = word >> 12 | 0x3ff0000000000001;
    memcpy(&x, &word, 8);
    return -lane_log(2.0 - x);
}

static inline double eventsim_poisson_variate(uint64_t seed, uint64_t id, uint64_t k)
{
    uint64_t word[WORDS];
    poisson_words(seed, id, k / WORDS, word);
    return lane_exponential(word[k % WORDS]);
}

/* the smallest multiple k of grid that is not before a time t [ms] */
INLINE double lane_multiple(double t, double grid)
{
    double k = ceil(t / grid);          /* off by one where the quotient is rounded to a whole number, or away from one */
    k -= (k - 1.0) * grid >= t ? 1.0 : 0.0;
    return k + (k * grid < t ? 1.0 : 0.0);
}

/* Put a time off to the next multiple of grid; 0: leave it. */
INLINE void lane_put_off(double *epoch, double *offset, double grid)
{
    const double point = lane_multiple(*epoch + *offset, grid) * grid, whole = floor(point), fraction = point - whole;
    *epoch = grid > 0.0 ? whole : *epoch;
    *offset = grid > 0.0 ? (whole < INFINITY ? fraction : 0.0) : *offset;
}

/* Rates that change in steps: from time[2 k], time[2 k + 1] (epoch, offset) on value[k * columns + column] [Hz]. */
typedef struct {
    const double *time, *value;
    int64_t n, columns;
} RateSteps;

/* From a time on to the event after e mean intervals, which are `interval` [ms] until the first step that is to come. */
static inline void eventsim_poisson_next(double *epoch, double *offset, double e, double interval, RateSteps steps, int64_t column)
{
    for (int64_t k = 0; k < steps.n; k++) {
        const double change = steps.time[2 * k], fraction = steps.time[2 * k + 1];
        if (*epoch < change || (*epoch == change && *offset < fraction)) {
            const double stretch = (change - *epoch) + (fraction - *offset);
            if (e * interval <= stretch)
                break;
            e = fmax(e - stretch / interval, 0.0);
            *epoch = change;
            *offset = fraction;
        }
        interval = 1e3 / steps.value[k * steps.columns + column];
    }
    lane_later(epoch, offset, interval < INFINITY ? e * interval : INFINITY);
}

/* ---- many trains */

typedef struct {                        /* SIDE sources */
    double epoch[WORDS + 1][SIDE], offset[WORDS + 1][SIDE];     /* where the present block begins, and its events */
    int64_t block[SIDE];
    int64_t past[SIDE];                 /* events of the block that are past; WORDS + k: all, and k of the next block */
} Trains;

typedef struct {                        /* n sources of one population with consecutive ids */
    uint64_t seed, id;                  /* id of the first */
    int64_t n;
    const double *coefficients;         /* of the first, of the next `stride` doubles on: mean interval [ms], inf: never; and */
    int64_t stride;                     /* grid [ms]: events happen at the next multiple of it, 0: at their own times */
    int on_grid;                        /* is any grid not 0? */
    RateSteps steps;
    int64_t column;                     /* of the first source, in the values of steps */
    Trains *trains;
    int64_t next;                       /* where `fill` goes on */
    int more;                           /* it was short of room, call it again */
} PoissonSources;

typedef struct {                        /* what is asked for and what has been found */
    double epoch, offset;               /* events before this time */
    double *time;                       /* of an event [ms], from `epoch` on */
    int32_t *source;                    /* which of the n */
    int64_t n;
    int32_t spent[GROUP];               /* sources whose blocks are used up */
    int64_t n_spent;
} Found;

/* Which events of n sources are due, and when */
INLINE void poisson_due(const PoissonSources *p, const Found *f, int64_t n, const int32_t *source,
                        double epoch[WORDS + 1][SIDE], double offset[WORDS + 1][SIDE], int64_t *past,
                        double t[WORDS][SIDE], int64_t due[WORDS][SIDE], int on_grid)
{
    const double until = f->epoch, fraction = f->offset;
    double grid[SIDE];
    int64_t i, j;
    if (on_grid)
        for (j = 0; j < WHOLE(n); j++)
            grid[j] = p->coefficients[source[j < n ? j : 0] * p->stride + 1];
    for (j = 0; j < WHOLE(n); j++) {
        int64_t before = past[j], after = before;
        for (i = 0; i < WORDS; i++) {
            double e = epoch[i + 1][j], o = offset[i + 1][j];
            if (on_grid)
                lane_put_off(&e, &o, grid[j]);
            t[i][j] = (e - until) + o;
            due[i][j] = (i >= before) & ((e < until) | ((e == until) & (o < fraction)));
            after += due[i][j];
        }
        past[j] = after;
    }
}

/* Note the events of n sources that are due, and the sources that are spent. */
INLINE void poisson_take(const PoissonSources *p, Found *f, int64_t n, const int32_t *source, double epoch[WORDS + 1][SIDE],
                         double offset[WORDS + 1][SIDE], int64_t *past)
{
    double t[WORDS][SIDE], *restrict time = f->time;
    int64_t due[WORDS][SIDE], i, j, k;
    int32_t *restrict from = f->source;
    if (p->on_grid)
        poisson_due(p, f, n, source, epoch, offset, past, t, due, 1);
    else
        poisson_due(p, f, n, source, epoch, offset, past, t, due, 0);
    for (j = 0, k = f->n; j < n; j++)
        for (i = 0; i < WORDS; i++) {
            time[k] = t[i][j];          /* overwritten by the next one if it is not due */
            from[k] = source[j];
            k += due[i][j];
        }
    f->n = k;
    for (j = 0, k = f->n_spent; j < n; j++) {
        f->spent[k] = source[j];
        k += past[j] >= WORDS;
    }
    f->n_spent = k;
}

LANES void eventsim_poisson_take(const PoissonSources *p, Found *f, int64_t n, const int32_t *source, Trains *x)
{
    poisson_take(p, f, n, source, x->epoch, x->offset, x->past);
}

/* Draw the next blocks of n spent sources, and take from them. */
LANES void eventsim_poisson_draw(const PoissonSources *p, Found *f, int64_t n, const int32_t *spent)
{
    double interval[SIDE], epoch[WORDS + 1][SIDE], offset[WORDS + 1][SIDE];
    int64_t block[SIDE], past[SIDE], i, j, whole = WHOLE(n);
    uint64_t word[WORDS], id[SIDE];
    int32_t source[SIDE];
    for (j = 0; j < whole; j++) {
        const int64_t s = source[j] = spent[j < n ? j : 0], side = s % SIDE;
        const Trains *x = p->trains + s / SIDE;
        id[j] = p->id + (uint64_t)s;
        block[j] = x->block[side] + 1;
        past[j] = x->past[side] - WORDS;
        interval[j] = p->coefficients[s * p->stride];
        epoch[0][j] = x->epoch[WORDS][side];
        offset[0][j] = x->offset[WORDS][side];
    }
    if (p->steps.n == 0)
        for (j = 0; j < whole; j++) {
            double t = epoch[0][j], fraction = offset[0][j];
            uint64_t four[WORDS];
            poisson_words(p->seed, id[j], (uint64_t)block[j], four);
            for (i = 0; i < WORDS; i++) {
                double e = lane_exponential(four[i]);
                lane_later(&t, &fraction, i < past[j] ? 0.0 : e * interval[j]);
                epoch[i + 1][j] = t;
                offset[i + 1][j] = fraction;
            }
        }
    else
        for (j = 0; j < n; j++) {
            double t = epoch[0][j], fraction = offset[0][j];
            poisson_words(p->seed, id[j], (uint64_t)block[j], word);
            for (i = 0; i < WORDS; i++) {
                if (i >= past[j])
                    eventsim_poisson_next(&t, &fraction, lane_exponential(word[i]), interval[j], p->steps,
                                          p->steps.columns > 1 ? p->column + source[j] : 0);
                epoch[i + 1][j] = t;
                offset[i + 1][j] = fraction;
            }
        }
    poisson_take(p, f, n, source, epoch, offset, past);
    for (j = 0; j < n; j++) {
        const int64_t side = source[j] % SIDE;
        Trains *x = p->trains + source[j] / SIDE;
        x->block[side] = block[j];
        x->past[side] = past[j];
        for (i = 0; i <= WORDS; i++) {
            x->epoch[i][side] = epoch[i][j];
            x->offset[i][side] = offset[i][j];
        }
    }
}

/* Take over n sources: rows of `width` doubles that begin with the time of the last event (epoch, offset) and have the number
 * of events at `count`. -1 if there is no memory. */
static int eventsim_poisson_open(PoissonSources *p, const double *rows, int64_t width, int64_t count)
{
    const int64_t size = (p->n + SIDE - 1) / SIDE;
    p->next = p->more = 0;
    p->trains = (Trains *)calloc(size ? size : 1, sizeof(Trains));
    if (p->trains == NULL)
        return -1;
    for (int64_t s = 0; s < p->n; s++, rows += width) {         /* as if the block before were used up */
        Trains *x = p->trains + s / SIDE;
        const int64_t events = (int64_t)rows[count];
        x->epoch[WORDS][s % SIDE] = rows[0];
        x->offset[WORDS][s % SIDE] = rows[1];
        x->block[s % SIDE] = events / WORDS - 1;
        x->past[s % SIDE] = WORDS + events % WORDS;
    }
    return 0;
}

/* Write where they are to such rows. */
static void eventsim_poisson_save(const PoissonSources *p, double *rows, int64_t width, int64_t count)
{
    for (int64_t s = 0; s < p->n; s++, rows += width) {
        const Trains *x = p->trains + s / SIDE;
        const int64_t past = x->past[s % SIDE], last = past < WORDS ? past : WORDS;
        rows[0] = x->epoch[last][s % SIDE];
        rows[1] = x->offset[last][s % SIDE];
        rows[count] = (double)(WORDS * x->block[s % SIDE] + past);
    }
}

/* Hand them back. */
static void eventsim_poisson_close(PoissonSources *p, double *rows, int64_t width, int64_t count)
{
    eventsim_poisson_save(p, rows, width, count);
    free(p->trains);
    p->trains = NULL;
}

/* Write all events before a time, those of one source in order, and return their number. If there is `more`, call it again
 * for the rest: there was no room for another WORDS * GROUP events, the least there must be. */
static int64_t eventsim_poisson_fill(PoissonSources *p, double epoch, double offset, double *time, int32_t *source, int64_t room)
{
    Found f = {.epoch = epoch, .offset = offset, .time = time, .source = source};
    int32_t source_of[SIDE];
    p->more = 1;
    for (; p->next < p->n; p->next += GROUP) {
        const int64_t end = p->n - p->next < GROUP ? p->n : p->next + GROUP;
        if (f.n + WORDS * GROUP > room)
            return f.n;
        f.n_spent = 0;
        for (int64_t s = p->next; s < end; s += SIDE) {
            for (int64_t j = 0; j < SIDE; j++)
                source_of[j] = (int32_t)(s + j);
            eventsim_poisson_take(p, &f, end - s < SIDE ? end - s : SIDE, source_of, p->trains + s / SIDE);
        }
        while (f.n_spent) {
            const int64_t n = f.n_spent;
            if (f.n + WORDS * GROUP > room)
                return f.n;
            f.n_spent = 0;                      /* those spent again overwrite those that have been drawn */
            for (int64_t k = 0; k < n; k += SIDE)
                eventsim_poisson_draw(p, &f, n - k < SIDE ? n - k : SIDE, f.spent + k);
        }
    }
    p->next = p->more = 0;
    return f.n;
}

#endif
