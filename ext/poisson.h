/* Exact Poisson trains, as functions of time.
 *
 * Time is cut into cells, so long that 3/2 to 3 events of a source are expected in each. How many there are, and where, is in
 * words of the source's own stream of random numbers: word 0 of a cell is its number, by inversion, and every other a place. So
 * there is nothing to remember: any stretch of time may be drawn alone, once more, and on any thread. A Poisson process is just
 * that: in disjoint stretches it is independent, and its events, given their number, are independent and uniform.
 *
 * The generator is Threefry4x64-20 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"):
 * additions, rotations and exclusive ors of 64 bits, which every vector unit has, while Philox4x64 multiplies to 128 bits,
 * which none has. Many sources are drawn side by side, one per SIMD lane (elementary.h).
 *
 * When the rate changes a new law holds: its events are drawn anew, with other random numbers, and only those that lie in its
 * time count. (Steps change the law, and so does a rate that is set between runs.)
 *
 * On a grid, an approximation, an event happens at the end of the step its own time lies in. Cells are then steps, or halves or
 * doubles of them. Where a cell is a step, as it is unless few events or many are expected, its number is all that need be drawn;
 * it is in a word of a block that four sources share.
 */
#ifndef EVENTSIM_POISSON_H
#define EVENTSIM_POISSON_H
#include "elementary.h"

enum {
    WORDS = 4,                          /* of a block */
    MOST = 27,                          /* events in a cell: of 10^17 cells not one would have more */
    SIDE = 64                           /* sources side by side */
};
#define POISSON_PURPOSE ((uint64_t)5 << 32)     /* random.pxi */
#define SHARED_BLOCK ((uint64_t)1 << 32)        /* no cell has so many */
static const double LAST_CELL = 0x1p50;         /* up to there they can be counted */

/* ---- one cell */

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

/* words of a cell of a source under a law */
INLINE void poisson_words(uint64_t seed, uint64_t id, uint64_t law, int64_t cell, uint64_t block, uint64_t *out)
{
    const uint64_t key[4] = {seed, POISSON_PURPOSE, 0, 0}, counter[4] = {(uint64_t)cell, id, law, block};
    threefry(key, counter, out);
}

/* a uniform number in [0, 1): a multiple of 2^-52 */
INLINE double lane_unit(uint64_t word)
{
    double x;
    word = word >> 12 | 0x3ff0000000000000;
    memcpy(&x, &word, 8);
    return x - 1.0;
}

/* the uniform number for the number of events in a step */
INLINE double poisson_share(uint64_t seed, uint64_t id, uint64_t law, int64_t step)
{
    uint64_t word[WORDS];
    poisson_words(seed, id / WORDS, law, step, SHARED_BLOCK, word);
    return lane_unit(id & 2 ? (id & 1 ? word[3] : word[2]) : (id & 1 ? word[1] : word[0]));
}

/* those of SIDE sources at once, from source `id` on; returns that of the first, in `share` */
enum { SHARES = WHOLE(SIDE / WORDS + 1) * WORDS };
INLINE const double *poisson_shares(uint64_t seed, uint64_t id, uint64_t law, int64_t step, double *restrict share)
{
    for (int64_t k = 0; k < SHARES / WORDS; k++) {
        uint64_t word[WORDS];
        poisson_words(seed, id / WORDS + (uint64_t)k, law, step, SHARED_BLOCK, word);
        share[WORDS * k] = lane_unit(word[0]);
        share[WORDS * k + 1] = lane_unit(word[1]);
        share[WORDS * k + 2] = lane_unit(word[2]);
        share[WORDS * k + 3] = lane_unit(word[3]);
    }
    return share + id % WORDS;
}

typedef struct {
    double length, mean;                /* [ms], events expected */
    double steps;                       /* a power of two: how many milliseconds long it is, or steps of the grid */
} Cells;

/* from the mean interval [ms], inf: no events; and the grid [ms], 0: none. (Longer cells than these would overflow.) */
static inline Cells eventsim_poisson_cells(double interval, double grid)
{
    const double unit = grid > 0.0 ? grid : 1.0;
    Cells cells = {unit, 0.0, 1.0};
    int exponent;
    const double fraction = frexp(interval / unit, &exponent);
    if (interval < 1e250) {
        if (!(grid > 0.0 && grid >= 0.125 * interval && grid <= 3.0 * interval))
            cells.steps = ldexp(1.0, fraction < 2.0 / 3.0 ? exponent : exponent + 1);
        cells.length = unit * cells.steps;
        cells.mean = cells.length / interval;
    }
    return cells;
}

/* level[k] = P(number <= k) of a Poisson number, for k < n: a number is that of levels which a uniform number reaches */
static inline void eventsim_poisson_levels(double mean, int n, double *level)
{
    double p = lane_exp(-mean), sum = p;
    for (int k = 0; k < n; k++) {
        level[k] = sum;
        p *= mean / (k + 1);
        sum += p;
    }
}

/* a Poisson number by inversion */
static inline int eventsim_poisson_number(double u, double mean)
{
    double level[MOST];
    int n = 0;
    eventsim_poisson_levels(mean, WORDS, level);
    if (u >= level[WORDS - 1])
        eventsim_poisson_levels(mean, MOST, level);
    while (n < MOST && u >= level[n])
        n++;
    return n;
}

/* is a cell a step of the grid? */
INLINE int poisson_is_step(double grid, double steps)
{
    return grid > 0.0 && steps == 1.0;
}

/* the events of a cell, in the order of their words, as parts of its length; returns how many */
static inline int eventsim_poisson_cell(uint64_t seed, uint64_t id, uint64_t law, double mean, int is_step, double cell, double *place)
{
    uint64_t word[WORDS];
    int n = 0, i;
    if (is_step && (n = eventsim_poisson_number(poisson_share(seed, id, law, lane_whole(cell)), mean)) == 0)
        return 0;
    poisson_words(seed, id, law, lane_whole(cell), 0, word);
    if (!is_step)
        n = eventsim_poisson_number(lane_unit(word[0]), mean);
    for (i = 0; i < n; i++) {
        if ((i + 1) % WORDS == 0)
            poisson_words(seed, id, law, lane_whole(cell), (uint64_t)(i + 1) / WORDS, word);
        place[i] = lane_unit(word[(i + 1) % WORDS]);
    }
    return n;
}

/* Where a cell begins: the whole number of milliseconds, and how long after it */
INLINE double lane_cell(double cell, double length, double *epoch)
{
    const double begin = cell * length;
    *epoch = floor(begin);
    return begin - *epoch;
}

/* how long after the beginning of a cell a place is: rounded down to what times can tell, so that it lies in the cell */
INLINE double lane_place(double place, double length)
{
    return floor(place * (length * 0x1p53)) * 0x1p-53;
}

INLINE double lane_time(double begin, double place, double length, double *epoch)
{
    const double after = lane_place(place, length), whole = floor(after), sum = begin + (after - whole), carry = sum >= 1.0 ? 1.0 : 0.0;
    *epoch += whole + carry;
    return sum - carry;
}

static inline void eventsim_poisson_time(double cell, double place, double length, double *epoch, double *offset)
{
    const double begin = lane_cell(cell, length, epoch);
    *offset = lane_time(begin, place, length, epoch);
}

/* which cell a time lies in, */
INLINE double lane_cell_of(double epoch, double offset, double per_ms)
{
    return floor(epoch * per_ms) + floor(offset * per_ms);
}

/* and the first that begins then or later */
INLINE double lane_cell_from(double epoch, double offset, double per_ms)
{
    const double quotient = epoch * per_ms, whole = floor(quotient);
    return whole + ceil((quotient - whole) + offset * per_ms);
}

/* the smallest multiple k of grid that is not before a time t [ms] */
INLINE double lane_multiple(double t, double grid)
{
    double k = ceil(t / grid);          /* off by one where the quotient is rounded to a whole number, or away from one */
    k -= (k - 1.0) * grid >= t ? 1.0 : 0.0;
    return k + (k * grid < t ? 1.0 : 0.0);
}

/* Points of a grid: the time of the k-th; */
INLINE void lane_point(double k, double grid, double *epoch, double *offset)
{
    const double point = k * grid;
    *epoch = floor(point);
    *offset = point - *epoch;
}

/* which is the first that is not before a time; */
INLINE double lane_point_from(double time, double fraction, double grid)
{
    double k = lane_multiple(time + fraction, grid), epoch, offset;
    lane_point(k - 1.0, grid, &epoch, &offset);
    k -= epoch > time || (epoch == time && offset >= fraction) ? 1.0 : 0.0;
    lane_point(k, grid, &epoch, &offset);
    return k + (epoch < time || (epoch == time && offset < fraction) ? 1.0 : 0.0);
}

/* and which ends the step in which a place of a cell lies */
INLINE double lane_point_of(double cell, double place, double steps)
{
    return floor(cell * steps) + floor(place * steps) + 1.0;
}

/* Rates that change in steps: from time[2 k], time[2 k + 1] (epoch, offset) on value[k * columns + column] [Hz]. */
typedef struct {
    const double *time, *value;
    int64_t n, columns;
} RateSteps;

INLINE int earlier(double epoch, double offset, double other_epoch, double other_offset)
{
    return (epoch < other_epoch) | ((epoch == other_epoch) & (offset < other_offset));
}

/* how many steps have come by a time */
static inline int64_t eventsim_poisson_steps(RateSteps steps, double epoch, double offset)
{
    int64_t k = 0;
    while (k < steps.n && !earlier(epoch, offset, steps.time[2 * k], steps.time[2 * k + 1]))
        k++;
    return k;
}

/* Move a time on to the next event of a source, itself counting if there is one, but for the first `passed` events at that very time.
 * On a grid, 0: none, times are those of its points; the events' own times are not before `since`, which is not after the time.
 * The mean interval is `interval` [ms] until the first step; `law` is a number for what holds then. NaN: the time is so late that its
 * cells cannot be counted. */
static inline void eventsim_poisson_next(uint64_t seed, uint64_t id, uint64_t law, double since, double since_offset, double *epoch,
                                         double *offset, double passed, double interval, double grid, RateSteps steps, int64_t column)
{
    int64_t k = eventsim_poisson_steps(steps, since, since_offset);
    if (k > 0)
        interval = 1e3 / steps.value[(k - 1) * steps.columns + column];
    for (;; k++) {
        const double change = k < steps.n ? steps.time[2 * k] : INFINITY, fraction = k < steps.n ? steps.time[2 * k + 1] : 0.0;
        const Cells cells = eventsim_poisson_cells(interval, grid);
        const int later = earlier(*epoch, *offset, since, since_offset);
        const double from = later ? since : *epoch, from_offset = later ? since_offset : *offset;
        double cell = grid > 0.0 ? floor((lane_point_from(from, from_offset, grid) - 1.0) / cells.steps)
                                 : lane_cell_of(from, from_offset, 1.0 / cells.length);
        double begin, first = INFINITY, first_offset = 0.0, place[MOST], e, o;
        for (; cells.mean > 0.0 && first == INFINITY; cell += 1.0) {
            int i, n;
            o = lane_cell(cell, cells.length, &begin);
            if (!earlier(begin, o, change, fraction))
                break;
            if (fabs(cell) >= LAST_CELL) {
                *epoch = NAN;
                return;
            }
            n = eventsim_poisson_cell(seed, id, law + (uint64_t)k, cells.mean, poisson_is_step(grid, cells.steps), cell, place);
            for (i = 0; i < n; i++) {
                eventsim_poisson_time(cell, place[i], cells.length, &e, &o);
                if (earlier(e, o, since, since_offset) || !earlier(e, o, change, fraction))
                    continue;
                if (grid > 0.0)
                    lane_point(lane_point_of(cell, place[i], cells.steps), grid, &e, &o);
                if (earlier(e, o, *epoch, *offset) || (e == *epoch && o == *offset && passed-- > 0.0))
                    continue;
                if (earlier(e, o, first, first_offset)) {
                    first = e;
                    first_offset = o;
                }
            }
        }
        if (k == steps.n || first < INFINITY) {
            *epoch = first;
            *offset = first_offset;
            return;
        }
        since = change;
        since_offset = fraction;
        interval = 1e3 / steps.value[k * steps.columns + column];
    }
}

/* ---- many sources side by side */

typedef struct {                        /* of SIDE sources, what holds from one change of a rate to the next */
    double length[SIDE], per_ms[SIDE], steps[SIDE], mean[SIDE], level[2 * WORDS][SIDE];
} PoissonLaws;

typedef struct {                        /* n sources of one population with consecutive ids */
    uint64_t seed, id, law;             /* id of the first */
    int64_t n;
    const double *intervals;            /* mean, of the first, of the next `stride` doubles on [ms]; inf: never */
    int64_t stride;
    double grid;                        /* [ms]; 0: events happen at their own times */
    RateSteps steps;
    int64_t column;                     /* of the first source, in the values of steps */
    PoissonLaws *laws;                  /* one for all sources if these are alike, */
    int alike;
    int64_t step;                       /* and those after so many steps; -1: none */
} PoissonSources;

typedef struct {                        /* a stretch of time, in which no rate changes */
    double begin, begin_offset;         /* of the events' own times */
    double end, end_offset;
    double from, from_offset;           /* of when they happen: on a grid later, */
    double until, until_offset;         /* and where that ends; */
    double point, stop;                 /* on a grid, the first of its points in there, and the first after them */
} PoissonStretch;

typedef struct {                        /* cells of sources, one each, and the events of one block of words */
    int64_t n;
    int whole;                          /* do the cells fill the stretch? On a grid: are they steps, all in one law's time? */
    int32_t source[SIDE];               /* counted from the first of all */
    double cell[SIDE], length[SIDE], u[SIDE];
    double number[SIDE];                /* of events up to this block; if it is that of the next block's first, or more, so much */
    double x[WORDS][SIDE];              /* how long before the end of the stretch they happen [ms], else 0 */
    double due[WORDS][SIDE];            /* 1: they do happen in it; else 0 */
} PoissonBlock;

static inline double eventsim_poisson_interval(const PoissonSources *p, int64_t s, int64_t step)
{
    return step == 0 ? p->intervals[s * p->stride]
                     : 1e3 / p->steps.value[(step - 1) * p->steps.columns + (p->steps.columns > 1 ? p->column + s : 0)];
}

/* Make the laws ready that hold after `step` steps. */
static void eventsim_poisson_laws(PoissonSources *p, int64_t step)
{
    double level[2 * WORDS];
    if (step == p->step)
        return;
    for (int64_t s = 0; s < (p->alike ? SIDE : (p->n + SIDE - 1) / SIDE * SIDE); s++) {
        const Cells cells = eventsim_poisson_cells(eventsim_poisson_interval(p, p->alike || s >= p->n ? 0 : s, step), p->grid);
        PoissonLaws *laws = p->laws + s / SIDE;
        eventsim_poisson_levels(cells.mean, 2 * WORDS, level);
        laws->length[s % SIDE] = cells.length;
        laws->per_ms[s % SIDE] = 1.0 / cells.length;
        laws->steps[s % SIDE] = cells.steps;
        laws->mean[s % SIDE] = cells.mean;
        for (int k = 0; k < 2 * WORDS; k++)
            laws->level[k][s % SIDE] = level[k];
    }
    p->step = step;
}

/* The next stretch, from the end of the one before, with its laws; 0: there is none. */
static int eventsim_poisson_stretch(PoissonSources *p, PoissonStretch *t)
{
    int64_t k;
    t->begin = t->end;
    t->begin_offset = t->end_offset;
    if (!earlier(t->begin, t->begin_offset, t->until, t->until_offset))
        return 0;
    k = eventsim_poisson_steps(p->steps, t->begin, t->begin_offset);
    eventsim_poisson_laws(p, k);
    t->end = t->until;
    t->end_offset = t->until_offset;
    if (k < p->steps.n && earlier(p->steps.time[2 * k], p->steps.time[2 * k + 1], t->end, t->end_offset)) {
        t->end = p->steps.time[2 * k];
        t->end_offset = p->steps.time[2 * k + 1];
    }
    if (p->grid > 0.0) {
        t->point = lane_point_from(t->from, t->from_offset, p->grid);
        t->stop = lane_point_from(t->until, t->until_offset, p->grid);
    }
    return 1;
}

/* The cells of a stretch, from the first on, by the law in one lane; returns where they stop. */
INLINE double poisson_cells(const PoissonSources *p, const PoissonStretch *t, const PoissonLaws *laws, int64_t j, double *first)
{
    if (p->grid > 0.0) {
        *first = floor((t->point - 1.0) / laws->steps[j]);
        return t->point < t->stop ? ceil((t->stop - 1.0) / laws->steps[j]) : *first;
    }
    *first = lane_cell_of(t->begin, t->begin_offset, laws->per_ms[j]);
    return lane_cell_from(t->end, t->end_offset, laws->per_ms[j]);
}

/* Is a cell a step, with all its own times in the time of the law, roundings of these considered? */
INLINE int poisson_is_whole_step(const PoissonSources *p, const PoissonStretch *t, double cell, double steps)
{
    double begin, offset, end, end_offset;
    lane_point(cell - 0x1p-20, p->grid, &begin, &offset);
    lane_point(cell + 1.0 + 0x1p-20, p->grid, &end, &end_offset);
    return poisson_is_step(p->grid, steps) && !earlier(begin, offset, t->begin, t->begin_offset)
           && !earlier(t->end, t->end_offset, end, end_offset);
}

/* Begin with the first cells of a stretch, of n sources, SIDE at most; returns in how many it lies. */
INLINE int64_t poisson_first(const PoissonSources *p, const PoissonStretch *t, int64_t first, int64_t n, PoissonBlock *b)
{
    const PoissonLaws *laws = p->laws + (p->alike ? 0 : first / SIDE);
    const int64_t lanes = p->alike ? 1 : SIDE;
    double most = 0.0, whole = 1.0;
    int64_t j;
    b->n = n;
    for (j = 0; j < lanes; j++) {
        const double cells = poisson_cells(p, t, laws, j, &b->cell[j]) - b->cell[j];
        most = cells > most ? cells : most;
    }
    for (j = 0; j < lanes; j++) {
        const double cell = b->cell[j];
        if (p->grid > 0.0)
            whole = poisson_is_whole_step(p, t, cell, laws->steps[j])
                            && poisson_is_whole_step(p, t, cell + most - 1.0, laws->steps[j]) ? whole : 0.0;
        else
            whole = cell == lane_cell_from(t->begin, t->begin_offset, laws->per_ms[j])
                            && cell + most == lane_cell_of(t->end, t->end_offset, laws->per_ms[j]) ? whole : 0.0;
    }
    for (j = lanes; j < SIDE; j++)
        b->cell[j] = b->cell[0];
    for (j = 0; j < SIDE; j++) {
        b->source[j] = (int32_t)(first + (j < n ? j : 0));
        b->length[j] = laws->length[j];
    }
    b->whole = whole == 1.0;
    return (int64_t)most;
}

/* 1 if a time is not before `from` and before `until`, else 0 */
INLINE double lane_within(double epoch, double offset, double from, double from_offset, double until, double until_offset)
{
    const double after = (epoch > from ? 1.0 : 0.0) + (epoch == from ? 1.0 : 0.0) * (offset >= from_offset ? 1.0 : 0.0);
    return after * ((epoch < until ? 1.0 : 0.0) + (epoch == until ? 1.0 : 0.0) * (offset < until_offset ? 1.0 : 0.0));
}

/* how many of four levels a uniform number reaches */
INLINE double poisson_number(double u, const double level[WORDS][SIDE], int64_t j)
{
    return (u >= level[0][j] ? 1.0 : 0.0) + (u >= level[1][j] ? 1.0 : 0.0) + (u >= level[2][j] ? 1.0 : 0.0)
           + (u >= level[3][j] ? 1.0 : 0.0);
}

/* Draw the events of block 0 of each cell, or of block 1 of those that have more, and see which are due. */
INLINE void poisson_any_block(const PoissonSources *p, const PoissonStretch *t, PoissonBlock *restrict b, int later,
                              const double level[WORDS][SIDE], int whole, int on_grid)
{
    const uint64_t law = p->law + (uint64_t)p->step;
    double place[WORDS][SIDE], epoch[SIDE], begin[SIDE], steps[SIDE];
    int64_t i, j, n = WHOLE(b->n);
    for (j = 0; j < n; j++) {
        uint64_t word[WORDS];
        poisson_words(p->seed, p->id + (uint64_t)b->source[j], law, lane_whole(b->cell[j]), (uint64_t)later, word);
        place[0][j] = lane_unit(word[0]);
        place[1][j] = lane_unit(word[1]);
        place[2][j] = lane_unit(word[2]);
        place[3][j] = lane_unit(word[3]);
        begin[j] = lane_cell(b->cell[j], b->length[j], &epoch[j]);
    }
    for (j = 0; on_grid && j < n; j++)
        steps[j] = p->alike ? p->laws->steps[0] : p->laws[b->source[j] / SIDE].steps[b->source[j] % SIDE];
    for (j = 0; on_grid && !later && j < n; j++) {
        const double share = poisson_share(p->seed, p->id + (uint64_t)b->source[j], law, lane_whole(b->cell[j]));
        place[0][j] = steps[j] == 1.0 ? share : place[0][j];
    }
    for (j = 0; j < n; j++) {
        const double u = later ? b->u[j] : place[0][j];
        b->u[j] = u;
        b->number[j] = poisson_number(u, level, j) + (later ? WORDS : 0.0);
    }
    for (i = !later; i < WORDS; i++) {
        const double event = (double)(WORDS * later + i - 1);
        for (j = 0; j < n; j++) {
            double e = epoch[j], o = lane_time(begin[j], place[i][j], b->length[j], &e);
            double due = event < b->number[j] ? 1.0 : 0.0;
            if (!whole)
                due *= lane_within(e, o, t->begin, t->begin_offset, t->end, t->end_offset);
            if (on_grid) {
                lane_point(lane_point_of(b->cell[j], place[i][j], steps[j]), p->grid, &e, &o);
                due *= lane_within(e, o, t->from, t->from_offset, t->until, t->until_offset);
            }
            b->due[i][j] = due;
            b->x[i][j] = due * (t->until_offset - ((e - t->until) + o));
        }
    }
}

/* the same with what is known beforehand spelt out, each a loop of its own */
INLINE void poisson_draw(const PoissonSources *p, const PoissonStretch *t, PoissonBlock *b, int later, const double level[WORDS][SIDE])
{
    if (p->grid > 0.0)
        poisson_any_block(p, t, b, later, level, 0, 1);
    else if (b->whole)
        poisson_any_block(p, t, b, later, level, 1, 0);
    else
        poisson_any_block(p, t, b, later, level, 0, 0);
}

INLINE void poisson_block(const PoissonSources *p, const PoissonStretch *t, int64_t first, PoissonBlock *b)
{
    poisson_draw(p, t, b, 0, p->laws[p->alike ? 0 : first / SIDE].level);
}

/* Note that a cell has a block 1: b collects such, SIDE at most. */
INLINE void poisson_has_more(const PoissonBlock *all, int64_t j, PoissonBlock *b)
{
    b->whole = all->whole && (b->n == 0 || b->whole);
    b->source[b->n] = all->source[j];
    b->cell[b->n] = all->cell[j];
    b->length[b->n] = all->length[j];
    b->u[b->n++] = all->u[j];
}

/* Draw the events of block 1 of cells that have one; what they have beyond it is left to eventsim_poisson_rest. */
INLINE void poisson_second(const PoissonSources *p, const PoissonStretch *t, PoissonBlock *b)
{
    double level[WORDS][SIDE];
    int64_t i, j;
    if (b->n == 0)
        return;
    for (j = 0; j < WHOLE(b->n); j++) {
        const int64_t k = j < b->n ? j : 0, s = p->alike ? 0 : b->source[k];
        b->source[j] = b->source[k];
        b->cell[j] = b->cell[k];
        b->length[j] = b->length[k];
        b->u[j] = b->u[k];
        for (i = 0; i < WORDS; i++)
            level[i][j] = p->laws[s / SIDE].level[WORDS + i][s % SIDE];
    }
    poisson_draw(p, t, b, 1, level);
}

/* the same as eventsim_poisson_cell, of source s */
static inline int poisson_cell_of(const PoissonSources *p, int64_t s, double cell, double *place)
{
    const PoissonLaws *laws = p->laws + (p->alike ? 0 : s / SIDE);
    return eventsim_poisson_cell(p->seed, p->id + (uint64_t)s, p->law + (uint64_t)p->step, laws->mean[s % SIDE],
                                 poisson_is_step(p->grid, laws->steps[s % SIDE]), cell, place);
}

/* Does an event of source s happen in a stretch, and when? */
static inline int poisson_happens(const PoissonSources *p, const PoissonStretch *t, int64_t s, double cell, double place, double *e,
                                  double *o)
{
    const PoissonLaws *laws = p->laws + (p->alike ? 0 : s / SIDE);
    eventsim_poisson_time(cell, place, laws->length[p->alike ? 0 : s % SIDE], e, o);
    if (earlier(*e, *o, t->begin, t->begin_offset) || !earlier(*e, *o, t->end, t->end_offset))
        return 0;
    if (p->grid > 0.0)
        lane_point(lane_point_of(cell, place, laws->steps[p->alike ? 0 : s % SIDE]), p->grid, e, o);
    return p->grid == 0.0 || (!earlier(*e, *o, t->from, t->from_offset) && earlier(*e, *o, t->until, t->until_offset));
}

/* The events beyond block 1 of cell j: writes x, and returns how many. */
static int eventsim_poisson_rest(const PoissonSources *p, const PoissonStretch *t, int64_t j, const PoissonBlock *b, double *x)
{
    const int64_t s = b->source[j];
    double place[MOST], e, o;
    int i, found = 0, n = poisson_cell_of(p, s, b->cell[j], place);
    for (i = 2 * WORDS - 1; i < n; i++) {
        if (poisson_happens(p, t, s, b->cell[j], place[i], &e, &o))
            x[found++] = t->until_offset - ((e - t->until) + o);
    }
    return found;
}

LANES int64_t eventsim_poisson_first(const PoissonSources *p, const PoissonStretch *t, int64_t first, int64_t n, PoissonBlock *b)
{
    return poisson_first(p, t, first, n, b);
}

LANES void eventsim_poisson_blocks(const PoissonSources *p, const PoissonStretch *t, int64_t first, PoissonBlock *b,
                                   PoissonBlock *second)
{
    poisson_block(p, t, first, b);
    second->n = 0;
    for (int64_t j = 0; j < b->n; j++)
        if (b->number[j] >= WORDS)
            poisson_has_more(b, j, second);
    poisson_second(p, t, second);
}

/* The cells of source s in which a stretch lies: the first, and where they stop. */
static void eventsim_poisson_range(const PoissonSources *p, const PoissonStretch *t, int64_t s, double *first, double *stop)
{
    *stop = poisson_cells(p, t, p->laws + (p->alike ? 0 : s / SIDE), s % SIDE, first);
}

/* The times of the events in one of them, on a grid when they happen, in no order; returns how many. */
static int eventsim_poisson_list(const PoissonSources *p, const PoissonStretch *t, int64_t s, double cell, double (*time)[2])
{
    double place[MOST];
    int i, found = 0, n = poisson_cell_of(p, s, cell, place);
    for (i = 0; i < n; i++) {
        found += poisson_happens(p, t, s, cell, place[i], &time[found][0], &time[found][1]);    /* overwritten by the next one if not */
    }
    return found;
}

#endif
