/* What arrives at a neuron within one window, as sums: see sums.pxi for the idea.
 *
 * An arrival of weight w, a time x before the end of the window, has two effects on the state there, each w times a
 * factor of x alone. Effects are added up in whole quanta: sums of integers do not depend on the order of their terms.
 */
#ifndef EVENTSIM_SUMS_H
#define EVENTSIM_SUMS_H
#include "solver.h"
#include <stdlib.h>

enum { LANES_AT_ONCE = 8, CHUNK = 64 };

typedef struct { int64_t membrane, current; } Sum;  /* [quanta]: the effects on both, of excitation or of inhibition */

/* of excitation on both, of inhibition on both, and of either on the source of its current; of a unit weight [quanta] */
typedef struct { double f[6][CHUNK]; } Effects;

/* The sums of those neurons that have any in this window, one behind the other, so that they stay in the cache: place[j] is
 * where, 0 if neuron j has none. Place 0 is of nobody; its sums are 0, and those of all places not in use. Where nearly all neurons have some, or sums last for several
 * windows, each has its own place for good, that of neuron `first` first, and nobody looks it up.
 *
 * A neuron's sum of inhibition stands `apart` from that of excitation: beside it; or, where those of all neurons are read in a
 * row, behind those of excitation of all, so that arrivals of one sign find half as much in their way. */
enum { SHARED_PLACES, OWN_PLACES, FRAMES };

typedef struct {
    Sum *sums;
    int64_t *sources;                       /* beside them, what the sources of currents that rise sum up to [quanta], */
    int32_t rises;                          /* if they do */
    int64_t n, capacity;                    /* places */
    int64_t apart;
    int32_t first, kind;
    uint64_t *due;                          /* FRAMES: one bit for each neuron that has used up its credit */
    const double *neurons;                  /* their states, which are fetched for the end of the window */
    int64_t width;                          /* of a state */
} Pool;

static int eventsim_reserve(Pool *pool, int64_t more)       /* -1: no memory */
{
    const int64_t least = pool->n + more > 2 * pool->capacity ? pool->n + more : 2 * pool->capacity;
    const int64_t capacity = (least + 2 * CHUNK) & -CHUNK;      /* for whole lots, and one more */
    Sum *sums;
    int64_t *sources;
    if (pool->n + more <= pool->capacity)
        return 0;
    sources = pool->rises ? (int64_t *)realloc(pool->sources, (size_t)(2 * capacity) * sizeof(int64_t)) : NULL;
    sums = (Sum *)aligned_alloc(64, (size_t)(2 * capacity) * sizeof(Sum));
    if (sources)
        pool->sources = sources;
    if (!sums || (pool->rises && !sources)) {
        free(sums);
        return -1;
    }
    if (pool->sums)
        memcpy(sums, pool->sums, (size_t)(2 * pool->n) * sizeof(Sum));
    else
        pool->n = 1;
    memset(sums + 2 * pool->n, 0, (size_t)(2 * (capacity - pool->n)) * sizeof(Sum));
    memset(sums, 0, 2 * sizeof(Sum));
    if (sources) {
        memset(sources + 2 * pool->n, 0, (size_t)(2 * (capacity - pool->n)) * sizeof(int64_t));
        memset(sources, 0, 2 * sizeof(int64_t));
    }
    free(pool->sums);
    pool->sums = sums;
    pool->capacity = capacity;
    return 0;
}

/* of neuron 0, if each has a place of its own */
INLINE Sum *own_sums(const Pool *pool)
{
    return pool->sums - (pool->kind == OWN_PLACES ? 1 : 2) * (int64_t)pool->first;
}

/* what stands beside a sum; NULL: nothing */
INLINE int64_t *own_sources(const Pool *pool, const Sum *sum)
{
    return pool->sources ? pool->sources + (sum - pool->sums) : NULL;
}

/* where effects on neuron j are added, of excitation or inhibition; `used` places are in use, and `own` is `own_sums` */
INLINE Sum *sum_of(int32_t j, int inhibits, int kind, Sum *own, int64_t apart, int32_t *place, Pool *pool, int64_t *used,
                   uint64_t *touched)
{
    Sum *sums = pool->sums;
    int32_t here, fresh;
    if (kind == FRAMES)
        touched[j >> 6] |= (uint64_t)1 << (j & 63);
    if (kind != SHARED_PLACES)
        return kind == OWN_PLACES ? own + j + (inhibits ? apart : 0) : own + 2 * (int64_t)j + inhibits;
    here = place[j];            /* nobody can foresee whether it has a place: no branch */
    fresh = here == 0;
    here = fresh ? (int32_t)*used : here;
    *used += fresh;
    place[j] = here;
    touched[j >> 6] |= (uint64_t)1 << (j & 63);
    __builtin_prefetch(pool->neurons + pool->width * j);
    return sums + 2 * (int64_t)here + inhibits;
}

INLINE void look_at_credit(int32_t j, const Sum *own, const Pool *pool)
{
    if (own[2 * (int64_t)j].membrane > 0)
        pool->due[j >> 6] |= (uint64_t)1 << (j & 63);
}

INLINE uint64_t bit_of(const uint64_t *bits, int32_t j)
{
    return bits[j >> 6] >> (j & 63) & 1;
}

/* Neurons that rest, one bit for each, and which synapses, of CHUNK at most, were left out because their targets do. */
typedef struct {
    const uint64_t *bits;                       /* NULL: nobody is left out */
    int64_t n;
    int32_t at[CHUNK];
} Resting;

/* 0 if synapse i is left out, else 1 */
INLINE int left_in(Resting *resting, int32_t j, int64_t i)
{
    int rests;
    if (!resting->bits)
        return 1;
    rests = (int)bit_of(resting->bits, j);
    resting->at[resting->n] = (int32_t)i;       /* overwritten by the next one if it is not so */
    resting->n += rests;
    return !rests;
}

/* n synapses onto targets from lo to hi - 1 (others are skipped: `some`); those of no weight touch nobody. Effect `one` is that of
 * all; -1: each has its own. Returns how many there were; room has been reserved. */
#define ADD(NAME, WEIGHT)                                                                                              \
    INLINE int64_t NAME(int64_t n, const int32_t *target, const WEIGHT *weight, int64_t stride, const Effects *e,      \
                        int64_t one, int kind, int rises, int some, int32_t lo, int32_t hi, int32_t *place, Pool *pool, \
                        uint64_t *touched, Resting *resting)                                                           \
    {                                                                                                                  \
        int64_t i, count = 0, used = pool->n;                                                                          \
        const int64_t apart = pool->apart;                                                                             \
        Sum *own = own_sums(pool);                                                                                     \
        for (i = 0; i < n; i++) {                                                                                      \
            const int32_t j = target[i];                                                                               \
            double w = weight[stride * i];                                                                             \
            const int inhibits = w < 0.0;                                                                              \
            const int64_t k = one < 0 ? i : one;                                                                       \
            Sum *v;                                                                                                    \
            if (some && (uint32_t)(j - lo) >= (uint32_t)(hi - lo))                                                     \
                continue;                                                                                              \
            count++;                                                                                                   \
            if (w == 0.0)                                                                                              \
                continue;                                                                                              \
            w *= left_in(resting, j, i);                                                                               \
            v = sum_of(j, inhibits, kind, own, apart, place, pool, &used, touched);                                    \
            v->membrane += lane_whole(w * e->f[2 * inhibits][k]);                                                      \
            v->current += lane_whole(w * e->f[2 * inhibits + 1][k]);                                                   \
            if (rises)                                                                                                 \
                *own_sources(pool, v) += lane_whole(w * e->f[4 + inhibits][k]);                                        \
            if (kind == FRAMES)                                                                                        \
                look_at_credit(j, own, pool);                                                                          \
        }                                                                                                              \
        pool->n = used;                                                                                                \
        return count;                                                                                                  \
    }
ADD(add_floats, float)
ADD(add_doubles, double)

/* the same, all of one weight and arriving at once: then the effects are the same, too */
INLINE int64_t add_alike(int64_t n, const int32_t *target, double w, const Effects *e, int64_t one, int kind, int rises, int some,
                         int32_t lo, int32_t hi, int32_t *place, Pool *pool, uint64_t *touched, Resting *resting)
{
    const int inhibits = w < 0.0;
    const int64_t membrane = lane_whole(w * e->f[2 * inhibits][one]), current = lane_whole(w * e->f[2 * inhibits + 1][one]);
    const int64_t source = rises ? lane_whole(w * e->f[4 + inhibits][one]) : 0, apart = pool->apart;
    int64_t i, count = 0, used = pool->n;
    Sum *own = own_sums(pool);
    for (i = 0; i < n; i++) {
        const int32_t j = target[i];
        Sum *v;
        if (some && (uint32_t)(j - lo) >= (uint32_t)(hi - lo))
            continue;
        count++;
        const int64_t all = -(int64_t)left_in(resting, j, i);
        v = sum_of(j, inhibits, kind, own, apart, place, pool, &used, touched);
        v->membrane += membrane & all;
        v->current += current & all;
        if (rises)
            *own_sources(pool, v) += source & all;
        if (kind == FRAMES)
            look_at_credit(j, own, pool);
    }
    pool->n = used;
    return count;
}

/* the same with what is known beforehand spelt out, each a loop of its own */
#define ADDED(KIND, RISES, SOME)                                                                                       \
    (stride == 0 && one >= 0 && first != 0.0                                                                           \
         ? add_alike(n, target, first, e, one, KIND, RISES, SOME, lo, hi, place, pool, touched, resting)              \
     : f32 && one < 0 ? add_floats(n, target, f32, stride, e, -1, KIND, RISES, SOME, lo, hi, place, pool, touched, resting) \
     : f32            ? add_floats(n, target, f32, stride, e, one, KIND, RISES, SOME, lo, hi, place, pool, touched, resting) \
     : one < 0        ? add_doubles(n, target, f64, stride, e, -1, KIND, RISES, SOME, lo, hi, place, pool, touched, resting) \
                      : add_doubles(n, target, f64, stride, e, one, KIND, RISES, SOME, lo, hi, place, pool, touched, resting))

static int64_t eventsim_add(int64_t n, const int32_t *target, const float *f32, const double *f64, int64_t stride,
                            const Effects *e, int64_t one, int32_t lo, int32_t hi, int32_t *place, Pool *pool,
                            uint64_t *touched, Resting *resting)
{
    const double first = stride ? 0.0 : f32 ? *f32 : *f64;
    resting->n = 0;
#define ADDED_ALL(KIND, RISES) (hi == INT32_MAX ? ADDED(KIND, RISES, 0) : ADDED(KIND, RISES, 1))
    if (pool->rises)
        return pool->kind == OWN_PLACES ? ADDED_ALL(OWN_PLACES, 1) : ADDED_ALL(SHARED_PLACES, 1);
    return pool->kind == OWN_PLACES ? ADDED_ALL(OWN_PLACES, 0) : pool->kind == FRAMES ? ADDED_ALL(FRAMES, 0) : ADDED_ALL(SHARED_PLACES, 0);
}

/* what n arrivals have added to the sums of a neuron, which stand side by side */
static void eventsim_subtract(int64_t n, const double *weight, const Effects *e, Sum *sums)
{
    int64_t i;
    for (i = 0; i < n; i++) {
        const int inhibits = weight[i] < 0.0;
        sums[inhibits].membrane -= lane_whole(weight[i] * e->f[2 * inhibits][i]);
        sums[inhibits].current -= lane_whole(weight[i] * e->f[2 * inhibits + 1][i]);
    }
}

/* Which of n synapses, CHUNK at most, have targets whose bits are set? Few, so eight are asked at once. */
static int64_t eventsim_find(int64_t n, const int32_t *target, const uint64_t *bits, int32_t *at)
{
    int64_t i, k, found = 0;
    for (i = 0; i < n; i += 8) {
        const int64_t end = n - i < 8 ? n : i + 8;
        uint64_t any = 1;
        if (end == i + 8)
            any = bit_of(bits, target[i]) | bit_of(bits, target[i + 1]) | bit_of(bits, target[i + 2]) | bit_of(bits, target[i + 3])
                  | bit_of(bits, target[i + 4]) | bit_of(bits, target[i + 5]) | bit_of(bits, target[i + 6])
                  | bit_of(bits, target[i + 7]);
        for (k = i; any && k < end; k++) {
            at[found] = (int32_t)k;             /* overwritten by the next one if it is not so */
            found += (int64_t)bit_of(bits, target[k]);
        }
    }
    return found;
}

#endif
