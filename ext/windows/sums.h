/* What arrives at a neuron within one window, as sums: see sums.pxi for the idea.
 *
 * An arrival of weight w, a time x before the end of the window, has two effects on the state there, each w times a
 * factor of x alone. Effects are added up in whole quanta: sums of integers do not depend on the order of their terms.
 *
 * Loops run over neurons side by side, in lots of CHUNK at most (elementary.h).
 */
#ifndef EVENTSIM_SUMS_H
#define EVENTSIM_SUMS_H
#include "elementary.h"
#include <stdlib.h>

enum { LANES_AT_ONCE = 8, CHUNK = 64 };

typedef struct { int64_t membrane, current; } Sum;  /* [quanta]: the effects on both, of excitation or of inhibition */

typedef struct { double f[4][CHUNK]; } Effects;     /* of excitation on both, of inhibition on both; of a unit weight [quanta] */

typedef struct {                            /* a window, and the size of quanta */
    double epoch, offset, length;           /* where it begins, how long it is [ms] */
    double end_epoch, end_offset;
    double quantum[2];                      /* [effect] */
    double left, frame;                     /* how long its frame lasts from its end on, and in all: see `SETTLE` */
} Window;

/* ---- adding up */

/* The sums of those neurons that have any in this window, one behind the other, so that they stay in the cache: place[j] is
 * where, 0 if neuron j has none. Place 0 is of nobody, its sums 0. Where nearly all neurons have some, or sums last for several
 * windows, each has its own place for good, that of neuron `first` first, and nobody looks it up.
 *
 * A neuron's sum of inhibition stands `apart` from that of excitation: beside it; or, where those of all neurons are read in a
 * row, behind those of excitation of all, so that arrivals of one sign find half as much in their way. */
enum { SHARED_PLACES, OWN_PLACES, FRAMES };

typedef struct {
    Sum *sums;
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
    if (pool->n + more <= pool->capacity)
        return 0;
    sums = (Sum *)aligned_alloc(64, (size_t)(2 * capacity) * sizeof(Sum));
    if (!sums)
        return -1;
    if (pool->sums)
        memcpy(sums, pool->sums, (size_t)(2 * pool->n) * sizeof(Sum));
    else {
        memset(sums, 0, 2 * sizeof(Sum));
        pool->n = 1;
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

/* where effects on neuron j are added, of excitation or inhibition; `used` places are in use, and `own` is `own_sums` */
INLINE Sum *sum_of(int32_t j, int inhibits, int kind, Sum *own, int64_t apart, int32_t *place, Pool *pool, int64_t *used,
                   uint64_t *touched)
{
    Sum *sums = pool->sums;
    if (kind == FRAMES)
        touched[j >> 6] |= (uint64_t)1 << (j & 63);
    if (kind != SHARED_PLACES)
        return kind == OWN_PLACES ? own + j + (inhibits ? apart : 0) : own + 2 * (int64_t)j + inhibits;
    if (place[j] == 0) {
        place[j] = (int32_t)*used;
        memset(&sums[2 * (*used)++], 0, 2 * sizeof(Sum));
        touched[j >> 6] |= (uint64_t)1 << (j & 63);
        __builtin_prefetch(pool->neurons + pool->width * j);
    }
    return sums + 2 * (int64_t)place[j] + inhibits;
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

INLINE int left_out(Resting *resting, int32_t j, int64_t i)
{
    if (!resting->bits || !bit_of(resting->bits, j))
        return 0;
    resting->at[resting->n++] = (int32_t)i;
    return 1;
}

/* n synapses onto targets from lo to hi - 1 (others are skipped: `some`); those of no weight touch nobody. Effect `one` is that of
 * all; -1: each has its own. Returns how many there were; room has been reserved. */
#define ADD(NAME, WEIGHT)                                                                                              \
    INLINE int64_t NAME(int64_t n, const int32_t *target, const WEIGHT *weight, int64_t stride, const Effects *e,      \
                        int64_t one, int kind, int some, int32_t lo, int32_t hi, int32_t *place, Pool *pool,         \
                        uint64_t *touched, Resting *resting)                                                                              \
    {                                                                                                                  \
        int64_t i, count = 0, used = pool->n;                                                                          \
        const int64_t apart = pool->apart;                                                                             \
        Sum *own = own_sums(pool);                                                                                     \
        for (i = 0; i < n; i++) {                                                                                      \
            const int32_t j = target[i];                                                                               \
            const double w = weight[stride * i];                                                                       \
            const int inhibits = w < 0.0;                                                                              \
            const int64_t k = one < 0 ? i : one;                                                                       \
            Sum *v;                                                                                                    \
            if (some && (uint32_t)(j - lo) >= (uint32_t)(hi - lo))                                                     \
                continue;                                                                                              \
            count++;                                                                                                   \
            if (w == 0.0 || left_out(resting, j, i))                                                                   \
                continue;                                                                                              \
            v = sum_of(j, inhibits, kind, own, apart, place, pool, &used, touched);                                    \
            v->membrane += lane_whole(w * e->f[2 * inhibits][k]);                                                      \
            v->current += lane_whole(w * e->f[2 * inhibits + 1][k]);                                                   \
            if (kind == FRAMES)                                                                                        \
                look_at_credit(j, own, pool);                                                                          \
        }                                                                                                              \
        pool->n = used;                                                                                                \
        return count;                                                                                                  \
    }
ADD(add_floats, float)
ADD(add_doubles, double)

/* the same, all of one weight and arriving at once: then the effects are the same, too */
INLINE int64_t add_alike(int64_t n, const int32_t *target, double w, const Effects *e, int64_t one, int kind, int some, int32_t lo,
                         int32_t hi, int32_t *place, Pool *pool, uint64_t *touched, Resting *resting)
{
    const int inhibits = w < 0.0;
    const int64_t membrane = lane_whole(w * e->f[2 * inhibits][one]), current = lane_whole(w * e->f[2 * inhibits + 1][one]);
    const int64_t apart = pool->apart;
    int64_t i, count = 0, used = pool->n;
    Sum *own = own_sums(pool);
    for (i = 0; i < n; i++) {
        const int32_t j = target[i];
        Sum *v;
        if (some && (uint32_t)(j - lo) >= (uint32_t)(hi - lo))
            continue;
        count++;
        if (left_out(resting, j, i))
            continue;
        v = sum_of(j, inhibits, kind, own, apart, place, pool, &used, touched);
        v->membrane += membrane;
        v->current += current;
        if (kind == FRAMES)
            look_at_credit(j, own, pool);
    }
    pool->n = used;
    return count;
}

/* the same with what is known beforehand spelt out, each a loop of its own */
#define ADDED(KIND, SOME)                                                                                              \
    (stride == 0 && one >= 0 && first != 0.0                                                                           \
         ? add_alike(n, target, first, e, one, KIND, SOME, lo, hi, place, pool, touched, resting)                     \
     : f32 && one < 0 ? add_floats(n, target, f32, stride, e, -1, KIND, SOME, lo, hi, place, pool, touched, resting)  \
     : f32            ? add_floats(n, target, f32, stride, e, one, KIND, SOME, lo, hi, place, pool, touched, resting) \
     : one < 0        ? add_doubles(n, target, f64, stride, e, -1, KIND, SOME, lo, hi, place, pool, touched, resting) \
                      : add_doubles(n, target, f64, stride, e, one, KIND, SOME, lo, hi, place, pool, touched, resting))

static int64_t eventsim_add(int64_t n, const int32_t *target, const float *f32, const double *f64, int64_t stride,
                            const Effects *e, int64_t one, int32_t lo, int32_t hi, int32_t *place, Pool *pool,
                            uint64_t *touched, Resting *resting)
{
    const double first = stride ? 0.0 : f32 ? *f32 : *f64;
    resting->n = 0;
#define ADDED_ALL(KIND) (hi == INT32_MAX ? ADDED(KIND, 0) : ADDED(KIND, 1))
    return pool->kind == OWN_PLACES ? ADDED_ALL(OWN_PLACES) : pool->kind == FRAMES ? ADDED_ALL(FRAMES) : ADDED_ALL(SHARED_PLACES);
}

/* the sums of n neurons with a single arrival each, two of each */
static void eventsim_alone(int64_t n, const double *weight, const Effects *e, Sum *sums)
{
    int64_t i;
    for (i = 0; i < n; i++) {
        const int inhibits = weight[i] < 0.0;
        Sum *v = sums + 2 * i + inhibits;
        memset(&sums[2 * i], 0, 2 * sizeof(Sum));
        v->membrane = lane_whole(weight[i] * e->f[2 * inhibits][i]);
        v->current = lane_whole(weight[i] * e->f[2 * inhibits + 1][i]);
    }
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

INLINE double larger(double a, double b)
{
    return a > b ? a : b;
}

/* exp(-b t) and kappa(a, b, t) = int_0^t exp(-a (t-s)) exp(-b s) ds, and 1 - exp(-a t) */
typedef struct { double e, k, lost; } Response;

INLINE Response response(double a, double b, double t)
{
    const double difference = fabs(b - a);
    const double z = lane_expm1(-(b < a ? b : a) * t), slower = 1.0 + z, w = lane_expm1(-difference * t);
    Response r;
    r.e = b < a ? slower : slower + slower * w;
    r.k = difference == 0.0 ? slower * t : -slower * w / difference;
    r.lost = b < a ? -z - slower * w : -z;
    return r;
}

/* ---- taking neurons to the end of the window, if they certainly do not spike in it
 *
 * What all models share; a model supplies the formulas, for neurons side by side: what to `load` of a neuron and of its
 * coefficients (`rates`), the `factors` of a time, how a state comes to the beginning of the window (`late`), the bound, the
 * state at the end, and the largest drive after it (`through`), and what to `store`.
 *
 * fails: may it spike? Then its row stays as it is. Else the row is written, if there was anything to commit. respite: how
 * long after the end of the window it will not spike, if nothing arrives.
 */
typedef double Lane[CHUNK];                     /* of which the first so many count: */

/* (a loop that is unrolled is no longer made vector code) */
#define EACH_LANE(l) _Pragma("GCC unroll 1") for (l = 0; l < lanes; l++)

typedef struct {
    Lane late, rest, after;                     /* beginning less state, release less state, release less end [ms] */
    Lane u, ex, in, I_e;                        /* state */
    Lane a, b_ex, b_in, k, c;                   /* coefficients */
    Lane M_ex, S_ex, M_in, S_in;                /* the sums */
    Lane torn;                                  /* has it arrivals, and is released within the window? */
    Lane safe, J;                               /* 1: stays below threshold, 2: rests, 0: neither is certain; drive after */
} Lanes;

typedef struct { Lane m, ex, in, k_ex, k_in, k_0; } Propagators;    /* exp(-a t), exp(-b t), kappa with each b and with 0 */

static const double MARGIN = 1.0 / (1 << 30);

/* how long neurons certainly stay below threshold: as in LIFPopulation.respite; nothing is safe that is not finite */
INLINE void rest_assured(int lanes, Lanes *x, double *wait)
{
    int l;
    EACH_LANE(l) {
        const double J = x->J[l], leak = x->a[l] * x->u[l], least = x->a[l] * x->c[l];
        const double gap = (1.0 - MARGIN) * (x->c[l] - x->u[l]), finite = (J - J) + (x->u[l] - x->u[l]);
        const double w = larger(gap / ((J - leak) + MARGIN * (fabs(J) + fabs(leak))), 0.0);
        x->safe[l] = finite == 0.0 ? x->safe[l] : 0.0;
        wait[l] = J < least - MARGIN * (fabs(J) + fabs(least)) ? (double)INFINITY : w + larger(x->after[l], 0.0);
    }
}

/* let all lanes have those of the first */
INLINE void spread(Propagators *f)
{
    const double m = f->m[0], ex = f->ex[0], in = f->in[0], k_ex = f->k_ex[0], k_in = f->k_in[0], k_0 = f->k_0[0];
    const int lanes = CHUNK;
    int l;
    EACH_LANE(l) {
        f->m[l] = m;
        f->ex[l] = ex;
        f->in[l] = in;
        f->k_ex[l] = k_ex;
        f->k_in[l] = k_in;
        f->k_0[l] = k_0;
    }
}

/* coefficients of each neuron, or those that all have */
#define COEFFICIENTS(MODEL, ROW)                                                                                       \
    for (l = 0; stride && l < lanes; l++)                                                                              \
        MODEL##_rates(&x, l, (const ROW *)(rows + stride * ids[l < n ? l : 0]));                                       \
    for (l = 0; !stride && l < lanes; l++)                                                                             \
        MODEL##_rates(&x, l, (const ROW *)rows);
#define STEP(MODEL, NEURON, ROW)                                                                                       \
    LANES void eventsim_##MODEL##_step(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons,          \
                                       const double *rows, int64_t stride, int same, const Sum *const *sums,           \
                                       const Window *window, uint8_t *fails, double *respite)                          \
    {                                                                                                                  \
        const double q_0 = window->quantum[0], q_1 = window->quantum[1];                                               \
        const int lanes = (int)WHOLE(n);                                                                               \
        double latest = 0.0;                                                                                           \
        Lane length, wait;                                                                                             \
        Lanes x;                                                                                                       \
        Propagators f;                                                                                                 \
        int l;                                                                                                         \
        for (l = 0; l < lanes; l++) {           /* (scattered loads are slower as vector code) */                      \
            const NEURON *s = (const NEURON *)neurons + ids[l < n ? l : 0];                                            \
            const Sum *ex = sums[l < n ? l : 0], *in = ex + 1;                                                         \
            x.late[l] = (window->epoch - s->epoch) + (window->offset - s->offset);                                     \
            x.rest[l] = (s->free_epoch - s->epoch) + (s->free_offset - s->offset);                                     \
            x.after[l] = (s->free_epoch - window->end_epoch) + (s->free_offset - window->end_offset);                  \
            MODEL##_load(&x, l, s);                                                                                    \
            x.M_ex[l] = q_0 * (double)ex->membrane;                                                                    \
            x.S_ex[l] = q_1 * (double)ex->current;                                                                     \
            x.M_in[l] = q_0 * (double)in->membrane;                                                                    \
            x.S_in[l] = q_1 * (double)in->current;                                                                     \
            latest = larger(x.late[l], latest);                                                                        \
        }                                                                                                              \
        EACH_LANE(l)                                                                                                   \
            length[l] = window->length;                                                                                \
        COEFFICIENTS(MODEL, ROW)                                                                                       \
        MODEL##_factors(stride ? lanes : LANES_AT_ONCE, &x, same, length, &f);                                         \
        if (!stride)                                                                                                   \
            spread(&f);                                                                                                \
        if (latest > 0.0)                       /* nothing has happened since */                                       \
            MODEL##_late(lanes, &x, same);                                                                             \
        MODEL##_through(lanes, &x, same, length, &f);                                                                  \
        rest_assured(lanes, &x, wait);                                                                                 \
        for (l = 0; l < n; l++) {                                                                                      \
            fails[l] = x.safe[l] == 0.0;                                                                               \
            respite[l] = wait[l];                                                                                      \
            if (x.safe[l] != 0.0 && commit[l]) {                                                                       \
                NEURON *s = (NEURON *)neurons + ids[l];                                                                \
                s->epoch = window->end_epoch;                                                                          \
                s->offset = window->end_offset;                                                                        \
                MODEL##_store(&x, l, s);                                                                               \
            }                                                                                                          \
        }                                                                                                              \
    }

/* ---- the same for sums that last for a frame of several windows
 *
 * Effects are those at the end of the frame. A neuron with a credit certainly stays below threshold until then, as long as its
 * excitation does not exceed that credit: it need not be looked at. Excitation counts from -credit, so that it exceeds it if it
 * is positive; without a credit, from 1. The frame must not be longer than the response to excitation takes to rise.
 *
 * Taken to the end of a window are those whose credit is used up, and all at the end of the frame. If a neuron may have spiked in
 * this window all stays as it is. Else its row is written, its sum is emptied, and it has a new credit.
 *
 * Returns for how many neurons something is left to do, and where these stand among the n: respite is -1 if it may have spiked,
 * else how long after the end of the window it will not, without an arrival; the others have credit.
 */
typedef struct {
    double left, length;                        /* for which this has been reckoned [ms] */
    Propagators ahead;                          /* over what is left of the frame, or all of the next; */
    Propagators back, within;                   /* from the end of the frame back to that of the window, and from there to its beginning */
} Outlook;

/* the same back in time: m, ex and in are inverse, the responses are those forward; or no way at all */
INLINE void lead_back(int lanes, int away, const Propagators *f, Propagators *back)
{
    int l;
    EACH_LANE(l) {
        back->m[l] = away ? 1.0 / f->m[l] : 1.0;
        back->ex[l] = away ? 1.0 / f->ex[l] : 1.0;
        back->in[l] = away ? 1.0 / f->in[l] : 1.0;
        back->k_ex[l] = away ? f->k_ex[l] : 0.0;
        back->k_in[l] = away ? f->k_in[l] : 0.0;
        back->k_0[l] = 0.0;
    }
}

typedef struct {                                /* of neurons from 0 on */
    Sum *sums;                                  /* of excitation and, beside it, of inhibition */
    int64_t *credit;                            /* how much excitation each can take [quanta]; -1: none, its turn comes with an arrival */
    uint64_t *credited, *pending;               /* one bit for each: has it any, are there arrivals in its sum? */
} Accounts;

INLINE void empty_sum(const Accounts *own, int32_t j, int64_t credit)
{
    const uint64_t bit = (uint64_t)1 << (j & 63);
    Sum *sums = own->sums + 2 * (int64_t)j;
    memset(sums, 0, 2 * sizeof(Sum));
    sums->membrane = -credit;
    own->credit[j] = credit;
    own->pending[j >> 6] &= ~bit;
    own->credited[j >> 6] = credit < 0 ? own->credited[j >> 6] & ~bit : own->credited[j >> 6] | bit;
}

#define SETTLE(MODEL, NEURON, ROW)                                                                                     \
    LANES int64_t eventsim_##MODEL##_settle(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons,     \
                                            const double *rows, int64_t stride, int same, const Accounts *own,         \
                                            const Window *window, Outlook *outlook, int32_t *at, double *respite)      \
    {                                                                                                                  \
        const double q_0 = window->quantum[0], q_1 = window->quantum[1];                                               \
        const double left = window->left, span = left > 0.0 ? left : window->frame;                                    \
        const int lanes = (int)WHOLE(n), own_lanes = stride ? lanes : LANES_AT_ONCE;                                   \
        int64_t others = 0, released = 0;                                                                              \
        Lane flows, ahead, length, room, wait;                                                                         \
        Lanes x;                                                                                                       \
        Propagators f;                                                                                                 \
        int l;                                                                                                         \
        for (l = 0; l < lanes; l++) {                                                                                  \
            const int32_t j = ids[l < n ? l : 0];                                                                      \
            const NEURON *s = (const NEURON *)neurons + j;                                                             \
            const Sum *ex = own->sums + 2 * (int64_t)j, *in = ex + 1;                                                  \
            flows[l] = (window->end_epoch - s->epoch) + (window->end_offset - s->offset);                              \
            x.rest[l] = (s->free_epoch - s->epoch) + (s->free_offset - s->offset);                                     \
            x.after[l] = (s->free_epoch - window->end_epoch) + (s->free_offset - window->end_offset);                  \
            MODEL##_load(&x, l, s);                                                                                    \
            x.M_ex[l] = q_0 * (double)(ex->membrane + own->credit[j]);                                                 \
            x.S_ex[l] = q_1 * (double)ex->current;                                                                     \
            x.M_in[l] = q_0 * (double)in->membrane;                                                                    \
            x.S_in[l] = q_1 * (double)in->current;                                                                     \
            x.torn[l] = commit[l < n ? l : 0];                                                                         \
        }                                                                                                              \
        EACH_LANE(l) {                                                                                                 \
            x.late[l] = (x.rest[l] > 0.0) & (x.after[l] < 0.0) ? x.rest[l] : 0.0;       /* it rests so long first */   \
            released |= x.late[l] > 0.0;                                                                               \
            x.torn[l] = x.late[l] > flows[l] - window->length ? x.torn[l] : 0.0;                                       \
            flows[l] -= x.late[l];                                                                                     \
            ahead[l] = span;                                                                                           \
            length[l] = window->length;                                                                                \
        }                                                                                                              \
        COEFFICIENTS(MODEL, ROW)                                                                                       \
        if (stride || outlook->left != left) {                                                                         \
            MODEL##_factors(own_lanes, &x, same, ahead, &outlook->ahead);                                              \
            lead_back(own_lanes, left > 0.0, &outlook->ahead, &outlook->back);                                         \
            outlook->left = left;                                                                                      \
            if (!stride) {                                                                                             \
                spread(&outlook->ahead);                                                                               \
                spread(&outlook->back);                                                                                \
            }                                                                                                          \
        }                                                                                                              \
        if (stride || outlook->length != window->length) {                                                             \
            MODEL##_factors(own_lanes, &x, same, length, &outlook->within);                                            \
            lead_back(own_lanes, 1, &outlook->within, &outlook->within);                                               \
            outlook->length = window->length;                                                                          \
            if (!stride)                                                                                               \
                spread(&outlook->within);                                                                              \
        }                                                                                                              \
        if (released)                                                                                                  \
            MODEL##_rest(lanes, &x);                                                                                   \
        MODEL##_factors(lanes, &x, same, flows, &f);                                                                   \
        MODEL##_settle(lanes, &x, q_0, window->length, &f, outlook, room);                                             \
        MODEL##_drive(lanes, &x);                                                                                      \
        rest_assured(lanes, &x, wait);                                                                                 \
        EACH_LANE(l) {                                                                                                 \
            const double quanta = room[l] * (1.0 - MARGIN), most = quanta < 0x1p60 ? quanta : 0x1p60;                  \
            room[l] = quanta >= 1.0 ? most : -1.0;                                                                     \
            wait[l] = room[l] > 0.0 ? larger(wait[l], ahead[l]) : wait[l];                                             \
        }                                                                                                              \
        for (l = 0; l < n; l++) {                                                                                      \
            const int32_t j = ids[l];                                                                                  \
            const int safe = x.safe[l] != 0.0;                                                                         \
            at[others] = l;                                                                                            \
            respite[others] = safe ? wait[l] : -1.0;                                                                   \
            others += !(safe && commit[l] && room[l] > 0.0);                                                           \
            if (safe && commit[l]) {                                                                                   \
                NEURON *s = (NEURON *)neurons + j;                                                                     \
                s->epoch = window->end_epoch;                                                                          \
                s->offset = window->end_offset;                                                                        \
                MODEL##_store(&x, l, s);                                                                               \
                empty_sum(own, j, (int64_t)room[l]);                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        return others;                                                                                                 \
    }

/* ---- the same for populations of which all neurons are taken through every window
 *
 * The states of CHUNK neurons lie side by side in a panel, all at the beginning of the window. Those that may spike in it fail
 * and stay as they are; what becomes of neurons that live elsewhere is of no meaning. None of them rests. All sums are emptied.
 */
typedef struct { double u[CHUNK], ex[CHUNK], in[CHUNK], I_e[CHUNK]; } Panel;

/* as by (double)sum, which no vector unit has in the simplest set of instructions */
INLINE double in_doubles(int64_t sum)
{
    const uint64_t bits = (uint64_t)sum ^ 0x8000000000000000, low = (bits & 0xffffffff) | 0x4330000000000000,
                   high = bits >> 32 | 0x4530000000000000;
    double small, large;
    memcpy(&small, &low, 8);
    memcpy(&large, &high, 8);
    return (large - (0x1p84 + 0x1p63 + 0x1p52)) + small;
}

#define PANEL(MODEL, NEURON, ROW)                                                                                      \
    INLINE void MODEL##_panels(int64_t n, Panel *panels, const double *rows, int64_t stride, int same,                 \
                               Sum *sums, int64_t apart, const Window *window, uint64_t *fails)                        \
    {                                                                                                                  \
        const double q_0 = window->quantum[0], q_1 = window->quantum[1];                                               \
        Lane length;                                                                                                   \
        Lanes x;                                                                                                       \
        Propagators f;                                                                                                 \
        const int lanes = LANES_AT_ONCE;                                                                               \
        int64_t i;                                                                                                     \
        int l;                                                                                                         \
        EACH_LANE(l) {                                                                                                 \
            length[l] = window->length;                                                                                \
            x.rest[l] = x.after[l] = -INFINITY;                                                                        \
        }                                                                                                              \
        for (i = 0; i < n; i += LANES_AT_ONCE) {                                                                       \
            Panel *panel = panels + i / CHUNK;                                                                         \
            const int64_t k = i % CHUNK;                                                                               \
            EACH_LANE(l) {                                                                                             \
                x.M_ex[l] = q_0 * in_doubles(sums[i + l].membrane);                                                    \
                x.S_ex[l] = q_1 * in_doubles(sums[i + l].current);                                                     \
            }                                                                                                          \
            EACH_LANE(l) {                                                                                             \
                x.M_in[l] = q_0 * in_doubles(sums[apart + i + l].membrane);                                            \
                x.S_in[l] = q_1 * in_doubles(sums[apart + i + l].current);                                             \
            }                                                                                                          \
            memset(&sums[i], 0, LANES_AT_ONCE * sizeof(Sum));                                                          \
            memset(&sums[apart + i], 0, LANES_AT_ONCE * sizeof(Sum));                                                  \
            EACH_LANE(l) {                                                                                             \
                x.u[l] = panel->u[k + l];                                                                              \
                x.ex[l] = panel->ex[k + l];                                                                            \
                x.in[l] = panel->in[k + l];                                                                            \
                x.I_e[l] = panel->I_e[k + l];                                                                          \
            }                                                                                                          \
            if (stride || i == 0) {                                                                                    \
                for (l = 0; l < LANES_AT_ONCE; l++)                                                                    \
                    MODEL##_rates(&x, l, (const ROW *)(rows + stride * (i + l < n ? i + l : i)));                      \
                MODEL##_factors(lanes, &x, same, length, &f);                                                          \
            }                                                                                                          \
            MODEL##_through(lanes, &x, same, length, &f);                                                              \
            EACH_LANE(l) {                                                                                             \
                const double finite = (x.J[l] - x.J[l]) + (x.u[l] - x.u[l]);                                           \
                x.safe[l] = finite == 0.0 ? x.safe[l] : 0.0;                                                           \
                panel->u[k + l] = x.safe[l] != 0.0 ? x.u[l] : panel->u[k + l];                                         \
                panel->ex[k + l] = x.safe[l] != 0.0 ? x.ex[l] : panel->ex[k + l];                                      \
                panel->in[k + l] = x.safe[l] != 0.0 ? x.in[l] : panel->in[k + l];                                      \
            }                                                                                                          \
            fails[i / CHUNK] = k == 0 ? 0 : fails[i / CHUNK];                                                          \
            for (l = 0; l < LANES_AT_ONCE; l++)                                                                        \
                fails[i / CHUNK] |= (uint64_t)(x.safe[l] == 0.0) << (k + l);                                           \
        }                                                                                                              \
    }                                                                                                                  \
    LANES void eventsim_##MODEL##_panel(int64_t n, Panel *panels, const double *rows, int64_t stride, int same,        \
                                        Sum *sums, int64_t apart, const Window *window, uint64_t *fails)               \
    {                                                                                                                  \
        if (same)                               /* spelt out, each a loop of its own */                                \
            MODEL##_panels(n, panels, rows, stride, 1, sums, apart, window, fails);                                    \
        else                                                                                                           \
            MODEL##_panels(n, panels, rows, stride, 0, sums, apart, window, fails);                                    \
    }                                                                                                                  \
    /* neuron l of a panel takes up the state in a row, or a row that of the neuron */                                 \
    static void eventsim_##MODEL##_enter(Panel *panel, int l, const double *row)                                       \
    {                                                                                                                  \
        Lanes x;                                                                                                       \
        x.ex[0] = x.in[0] = x.I_e[0] = 0.0;                                                                            \
        MODEL##_load(&x, 0, (const NEURON *)row);                                                                      \
        panel->u[l] = x.u[0];                                                                                          \
        panel->ex[l] = x.ex[0];                                                                                        \
        panel->in[l] = x.in[0];                                                                                        \
        panel->I_e[l] = x.I_e[0];                                                                                      \
    }                                                                                                                  \
    static void eventsim_##MODEL##_leave(const Panel *panel, int l, double *row)                                       \
    {                                                                                                                  \
        Lanes x;                                                                                                       \
        x.u[0] = panel->u[l];                                                                                          \
        x.ex[0] = panel->ex[l];                                                                                        \
        x.in[0] = panel->in[l];                                                                                        \
        MODEL##_store(&x, 0, (NEURON *)row);                                                                           \
    }

static const double ROUNDING = 0x1p-40;         /* of the bounds, relative: many times what it is */

/* ---- leaky integrate-and-fire with two exponential currents: models/lif.pxi
 *
 *     u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x;   while refractory u stands still
 */
typedef struct { double a, b_ex, b_in, k, c, r, t_ref; } LIFRow;
typedef struct { double epoch, offset, free_epoch, free_offset, u, I_ex, I_in, I_e; } LIFNeuron;

LANES void eventsim_lif_effects(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride,
                                const double *quantum, int same, Effects *restrict e)
{
    double t[CHUNK], a[CHUNK], b_ex[CHUNK], b_in[CHUNK];
    const double per_0 = 1.0 / quantum[0], per_1 = 1.0 / quantum[1];
    const int64_t whole = WHOLE(n);
    int64_t i;
    for (i = 0; i < whole; i++) {
        const int64_t k = i < n ? i : 0;
        const LIFRow *q = (const LIFRow *)(rows + stride * (stride ? target[k] : 0));
        t[i] = x[k];
        a[i] = q->a;
        b_ex[i] = q->b_ex;
        b_in[i] = q->b_in;
    }
    for (i = 0; i < whole; i++) {
        Response r = response(a[i], b_ex[i], t[i]);
        e->f[0][i] = r.k * per_0;
        e->f[1][i] = r.e * per_1;
    }
    if (same)
        for (i = 0; i < whole; i++) {
            e->f[2][i] = e->f[0][i];
            e->f[3][i] = e->f[1][i];
        }
    else
        for (i = 0; i < whole; i++) {
            Response r = response(a[i], b_in[i], t[i]);
            e->f[2][i] = r.k * per_0;
            e->f[3][i] = r.e * per_1;
        }
}

INLINE void lif_load(Lanes *x, int l, const LIFNeuron *s)
{
    x->u[l] = s->u;
    x->ex[l] = s->I_ex;
    x->in[l] = s->I_in;
    x->I_e[l] = s->I_e;
}

INLINE void lif_store(const Lanes *x, int l, LIFNeuron *s)
{
    s->u = x->u[l];
    s->I_ex = x->ex[l];
    s->I_in = x->in[l];
}

INLINE void lif_rates(Lanes *x, int l, const LIFRow *q)
{
    x->a[l] = q->a;
    x->b_ex[l] = q->b_ex;
    x->b_in[l] = q->b_in;
    x->k[l] = q->k;
    x->c[l] = q->c;
}

INLINE void lif_factors(int lanes, const Lanes *x, int same, const double *t, Propagators *f)
{
    int l;
    EACH_LANE(l) {
        Response r = response(x->a[l], x->b_ex[l], t[l]);
        f->m[l] = 1.0 - r.lost;
        f->ex[l] = r.e;
        f->k_ex[l] = r.k;
        f->k_0[l] = x->a[l] == 0.0 ? t[l] : r.lost / x->a[l];
    }
    if (same)
        EACH_LANE(l) {
            f->in[l] = f->ex[l];
            f->k_in[l] = f->k_ex[l];
        }
    else
        EACH_LANE(l) {
            Response r = response(x->a[l], x->b_in[l], t[l]);
            f->in[l] = r.e;
            f->k_in[l] = r.k;
        }
}

INLINE void lif_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    int l;
    lif_factors(lanes, x, same, x->late, &g);
    EACH_LANE(l) {
        const double v = x->u[l] * g.m[l] + x->k[l] * (x->ex[l] * g.k_ex[l] + x->in[l] * g.k_in[l] + x->I_e[l] * g.k_0[l]);
        x->u[l] = x->rest[l] > 0.0 ? x->u[l] : v;
        x->ex[l] *= g.ex[l];
        x->in[l] *= g.in[l];
    }
}

/* The largest drive from now on. Currents only fade. Where inhibition does not fade faster than excitation, their sum is not above
 * what it is now, or 0. */
INLINE double lif_drive_of(const Lanes *x, int l, double ex, double in)
{
    const double joint = larger(ex + in, 0.0), apart = larger(ex, 0.0) + larger(in, 0.0);
    return (x->b_in[l] <= x->b_ex[l]) & (ex >= 0.0) ? joint : apart;
}

INLINE void lif_drive(int lanes, Lanes *x)
{
    int l;
    EACH_LANE(l)
        x->J[l] = x->k[l] * (lif_drive_of(x, l, x->ex[l], x->in[l]) + x->I_e[l]);
}

/* Currents are largest where they begin, if positive, and where they end, if negative; the sum of excitation and of inhibition that
 * does not fade faster is largest at one of the ends, too. Under the largest, u moves one way, so it is largest at one of the ends;
 * arrivals of excitation add what they add at the end, as the window is not longer than their response takes to rise; those of
 * inhibition add nothing. */
INLINE void lif_through(int lanes, Lanes *x, int same, const double *t, const Propagators *f)
{
    int l;
    (void)same;
    (void)t;
    EACH_LANE(l) {
        const double ex = x->ex[l] * f->ex[l], in = x->in[l] * f->in[l], u = x->u[l], k = x->k[l];
        const double joint = larger(x->ex[l] + x->in[l], ex + in), apart = larger(x->ex[l], ex) + larger(x->in[l], in);
        const double most = (x->b_in[l] <= x->b_ex[l]) & (x->ex[l] >= 0.0) ? joint : apart;
        const double J = k * (most + x->I_e[l]), terms = k * (fabs(x->ex[l]) + fabs(x->in[l]) + fabs(x->I_e[l])), more = k * x->M_ex[l];
        const double top = larger(u, u * f->m[l] + J * f->k_0[l]) + more;
        const double noise = ROUNDING * (fabs(u) + fabs(x->c[l]) + terms * f->k_0[l] + more);
        const double v = u * f->m[l] + k * ((x->ex[l] * f->k_ex[l] + x->M_ex[l]) + (x->in[l] * f->k_in[l] + x->M_in[l])
                                            + x->I_e[l] * f->k_0[l]);
        const double held = x->after[l] >= 0.0 ? 2.0 : 0.0;         /* resting to the end, or only for a part */
        x->safe[l] = x->rest[l] > 0.0 ? held : top + noise < x->c[l] ? 1.0 : 0.0;
        x->u[l] = x->safe[l] == 2.0 ? u : v;
        x->ex[l] = ex + x->S_ex[l];
        x->in[l] = in + x->S_in[l];
    }
    lif_drive(lanes, x);
}
/* Currents come to the end of a rest within a stretch of time. */
INLINE void lif_rest(int lanes, Lanes *x)
{
    int l;
    EACH_LANE(l) {
        x->ex[l] *= lane_exp(-x->b_ex[l] * x->late[l]);
        x->in[l] *= lane_exp(-x->b_in[l] * x->late[l]);
    }
}

/* f leads from the state to the end of the window. Back from there u was higher by what leaked since, and by what currents took:
 * those of inhibition were not stronger than they are now, less their decay, those of excitation not below what they began with.
 * Ahead, what there is of excitation adds most at the end, and inhibition is left out; or both drive it as they do now. room: [quanta] */
INLINE void lif_settle(int lanes, Lanes *x, double quantum, double length, const Propagators *f, const Outlook *o, double *room)
{
    int l;
    EACH_LANE(l) {
        const double u = x->u[l], k = x->k[l], c = x->c[l], I_e = x->I_e[l];
        const double S_ex = x->S_ex[l] * o->back.ex[l], M_ex = (x->M_ex[l] - S_ex * o->back.k_ex[l]) * o->back.m[l];
        const double S_in = x->S_in[l] * o->back.in[l], M_in = (x->M_in[l] - S_in * o->back.k_in[l]) * o->back.m[l];
        const double terms = fabs(x->ex[l]) + fabs(x->in[l]) + fabs(I_e);
        const double v = u * f->m[l] + k * ((x->ex[l] * f->k_ex[l] + M_ex) + (x->in[l] * f->k_in[l] + M_in) + I_e * f->k_0[l]);
        const double ex = x->ex[l] * f->ex[l] + S_ex, in = x->in[l] * f->in[l] + S_in;
        const double taken = k * length * (larger(-in, 0.0) * o->within.in[l] + larger(-x->ex[l], 0.0) + larger(-I_e, 0.0));
        const double before = larger(v, v * o->within.m[l]) + taken * o->within.m[l];
        const double driven = k * larger(I_e, 0.0) * o->ahead.k_0[l], rest = v * o->ahead.m[l];
        const double alone = larger(v, rest) + k * (larger(ex, 0.0) * o->ahead.k_ex[l] + larger(in, 0.0) * o->ahead.k_0[l]) + driven;
        const double joint = larger(v, rest + k * lif_drive_of(x, l, ex, in) * o->ahead.k_0[l]) + driven;
        const double ahead = alone < joint ? alone : joint;
        const double noise = ROUNDING * (fabs(u) + fabs(c) + k * (terms * f->k_0[l] + fabs(M_ex) + fabs(M_in)) + taken + fabs(ahead));
        const double safe = x->torn[l] == 0.0 && (before + noise < c || length == 0.0) ? 1.0 : 0.0;
        x->safe[l] = x->rest[l] > 0.0 && x->after[l] >= 0.0 ? 2.0 : safe;
        room[l] = x->safe[l] == 1.0 ? (c - ahead - noise) / (k * quantum) : -1.0;
        x->u[l] = x->safe[l] == 2.0 ? u : v;
        x->ex[l] = ex;
        x->in[l] = in;
    }
}
STEP(lif, LIFNeuron, LIFRow)
SETTLE(lif, LIFNeuron, LIFRow)
PANEL(lif, LIFNeuron, LIFRow)

/* ---- leaky integrate-and-fire whose membrane jumps: models/delta.pxi
 *
 *     u' = -a u + k I_e
 */
typedef struct { double a, k, c, r, t_ref; } DeltaRow;
typedef struct { double epoch, offset, free_epoch, free_offset, u, I_e; } DeltaNeuron;

/* of an arrival: the jump of the membrane, if it excites, and what is left of it at the end of the window */
LANES void eventsim_delta_effects(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride,
                                  const double *quantum, int same, Effects *restrict e)
{
    const double per_0 = 1.0 / quantum[0], per_1 = 1.0 / quantum[1];
    double t[CHUNK], a[CHUNK];
    const int64_t whole = WHOLE(n);
    int64_t i;
    (void)same;
    for (i = 0; i < whole; i++) {
        const int64_t k = i < n ? i : 0;
        t[i] = x[k];
        a[i] = ((const DeltaRow *)(rows + stride * (stride ? target[k] : 0)))->a;
    }
    for (i = 0; i < whole; i++) {
        e->f[0][i] = per_0;
        e->f[1][i] = e->f[3][i] = lane_exp(-a[i] * t[i]) * per_1;
        e->f[2][i] = 0.0;
    }
}

INLINE void delta_load(Lanes *x, int l, const DeltaNeuron *s)
{
    x->u[l] = s->u;
    x->I_e[l] = s->I_e;
}

INLINE void delta_store(const Lanes *x, int l, DeltaNeuron *s)
{
    s->u = x->u[l];
}

INLINE void delta_rates(Lanes *x, int l, const DeltaRow *q)
{
    x->a[l] = q->a;
    x->k[l] = q->k;
    x->c[l] = q->c;
}

INLINE void delta_factors(int lanes, const Lanes *x, int same, const double *t, Propagators *f)
{
    int l;
    (void)same;
    EACH_LANE(l) {
        const double z = lane_expm1(-x->a[l] * t[l]);
        f->m[l] = 1.0 + z;
        f->k_0[l] = x->a[l] == 0.0 ? t[l] : -z / x->a[l];
    }
}

INLINE void delta_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    int l;
    delta_factors(lanes, x, same, x->late, &g);
    EACH_LANE(l) {
        const double v = x->u[l] * g.m[l] + x->k[l] * x->I_e[l] * g.k_0[l];
        x->u[l] = x->rest[l] > 0.0 ? x->u[l] : v;
    }
}

/* Without arrivals u moves one way; jumps of excitation fade, those of inhibition only lower it. */
INLINE void delta_through(int lanes, Lanes *x, int same, const double *t, const Propagators *f)
{
    int l;
    (void)same;
    (void)t;
    EACH_LANE(l) {
        const double u = x->u[l], v = u * f->m[l] + x->k[l] * x->I_e[l] * f->k_0[l], top = larger(u, v) + x->M_ex[l];
        const double noise = ROUNDING * (fabs(u) + fabs(x->c[l]) + fabs(v) + x->M_ex[l]);
        const double held = x->after[l] >= 0.0 ? 2.0 : 0.0;         /* resting to the end, or only for a part */
        x->safe[l] = x->rest[l] > 0.0 ? held : top + noise < x->c[l] ? 1.0 : 0.0;
        x->u[l] = x->safe[l] == 2.0 ? u : v + (x->S_ex[l] + x->S_in[l]);
        x->J[l] = x->k[l] * x->I_e[l];
    }
}
STEP(delta, DeltaNeuron, DeltaRow)
PANEL(delta, DeltaNeuron, DeltaRow)

/* ---- the leaky integrate-and-fire of the fly: models/fly.pxi
 *
 *     u' = a (g - u),   g' = -b g;   both stand still while refractory: arrivals count from the release (`freezes`)
 */
typedef struct { double a, b, c, r, t_ref; } FlyRow;
typedef struct { double epoch, offset, free_epoch, free_offset, u, g; } FlyNeuron;

LANES void eventsim_fly_effects(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride,
                                const double *quantum, int same, Effects *restrict e)
{
    double t[CHUNK], a[CHUNK], b[CHUNK];
    const double per_0 = 1.0 / quantum[0], per_1 = 1.0 / quantum[1];
    const int64_t whole = WHOLE(n);
    int64_t i;
    (void)same;
    for (i = 0; i < whole; i++) {
        const int64_t k = i < n ? i : 0;
        const FlyRow *q = (const FlyRow *)(rows + stride * (stride ? target[k] : 0));
        t[i] = x[k];
        a[i] = q->a;
        b[i] = q->b;
    }
    for (i = 0; i < whole; i++) {
        Response r = response(a[i], b[i], t[i]);
        e->f[0][i] = e->f[2][i] = a[i] * r.k * per_0;
        e->f[1][i] = e->f[3][i] = r.e * per_1;
    }
}

INLINE void fly_load(Lanes *x, int l, const FlyNeuron *s)
{
    x->u[l] = s->u;
    x->ex[l] = s->g;
}

INLINE void fly_store(const Lanes *x, int l, FlyNeuron *s)
{
    s->u = x->u[l];
    s->g = x->ex[l];
}

INLINE void fly_rates(Lanes *x, int l, const FlyRow *q)
{
    x->a[l] = q->a;
    x->b_ex[l] = q->b;
    x->c[l] = q->c;
}

INLINE void fly_factors(int lanes, const Lanes *x, int same, const double *t, Propagators *f)
{
    int l;
    (void)same;
    EACH_LANE(l) {
        Response r = response(x->a[l], x->b_ex[l], t[l]);
        f->m[l] = 1.0 - r.lost;
        f->ex[l] = r.e;
        f->k_ex[l] = x->a[l] * r.k;
        f->k_0[l] = r.lost;
    }
}

INLINE void fly_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    Lane t;
    int l;
    EACH_LANE(l)
        t[l] = larger(x->late[l] - larger(x->rest[l], 0.0), 0.0);
    fly_factors(lanes, x, same, t, &g);
    EACH_LANE(l) {
        x->u[l] = x->u[l] * g.m[l] + x->ex[l] * g.k_ex[l];
        x->ex[l] *= g.ex[l];
    }
}

/* As for LIF, from the release on. */
INLINE void fly_through(int lanes, Lanes *x, int same, const double *length, const Propagators *whole)
{
    Propagators f = *whole;
    Lane t;
    int l, resting = 0;
    EACH_LANE(l) {
        const double left = larger(-x->after[l], 0.0);
        t[l] = left < length[l] ? left : length[l];
        resting |= t[l] < length[l];
    }
    if (resting)
        fly_factors(lanes, x, same, t, &f);
    EACH_LANE(l) {
        const double u = x->u[l], g = x->ex[l] * f.ex[l], J = larger(x->ex[l], g);
        const double top = larger(u, u * f.m[l] + J * f.k_0[l]) + x->M_ex[l];
        const double noise = ROUNDING * (fabs(u) + fabs(x->c[l]) + fabs(J) * f.k_0[l] + x->M_ex[l]);
        const double v = u * f.m[l] + (x->ex[l] * f.k_ex[l] + (x->M_ex[l] + x->M_in[l]));
        x->safe[l] = top + noise < x->c[l] ? 1.0 : 0.0;
        x->u[l] = v;
        x->ex[l] = g + (x->S_ex[l] + x->S_in[l]);
        x->J[l] = x->a[l] * larger(x->ex[l], 0.0);
    }
}
STEP(fly, FlyNeuron, FlyRow)

typedef struct {
    void (*effects)(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride, const double *quantum,
                    int same, Effects *e);
    void (*step)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                 int same, const Sum *const *sums, const Window *window, uint8_t *fails, double *respite);
    int64_t (*settle)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                      int same, const Accounts *own, const Window *window, Outlook *outlook, int32_t *at, double *respite);
                                                /* NULL: its sums are those of a window */
    void (*panel)(int64_t n, Panel *panels, const double *rows, int64_t stride, int same, Sum *sums, int64_t apart,
                  const Window *window, uint64_t *fails);   /* and what belongs to it; NULL: its neurons live in rows */
    void (*enter)(Panel *panel, int l, const double *row);
    void (*leave)(const Panel *panel, int l, double *row);
    int rates, coefficients;                    /* of a row, the first so many matter to effects, and to steps */
    int freezes;                                /* do arrivals while refractory count from the release? */
} Kernel;

static const Kernel eventsim_lif_kernel = {
    eventsim_lif_effects, eventsim_lif_step, eventsim_lif_settle, eventsim_lif_panel, eventsim_lif_enter, eventsim_lif_leave, 3, 5, 0};
static const Kernel eventsim_delta_kernel = {
    eventsim_delta_effects, eventsim_delta_step, NULL, eventsim_delta_panel, eventsim_delta_enter, eventsim_delta_leave, 1, 3, 0};
static const Kernel eventsim_fly_kernel = {eventsim_fly_effects, eventsim_fly_step, NULL, NULL, NULL, NULL, 2, 3, 1};

#endif
