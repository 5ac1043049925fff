/* What arrives at a neuron within one window, as sums: see sums.pxi for the idea.
 *
 * An arrival of weight w, a time x before the end of the window, has two effects on the state there, each w times a
 * factor of x alone. Effects are added up in whole quanta: sums of integers do not depend on the order of their terms.
 *
 * Loops run over LANES_AT_ONCE neurons side by side (elementary.h).
 */
#ifndef EVENTSIM_SUMS_H
#define EVENTSIM_SUMS_H
#include "elementary.h"
#include <stdlib.h>

enum { LANES_AT_ONCE = 8, CHUNK = 64 };

typedef struct {
    int64_t excitation[2], inhibition[2];   /* [quanta]; of each the effect on the membrane and on the current */
} Sum;

typedef struct { double f[4][CHUNK]; } Effects;     /* in the order of Sum, of a unit weight [quanta] */

typedef struct {                            /* a window, and the size of quanta */
    double epoch, offset, length;           /* where it begins, how long it is [ms] */
    double end_epoch, end_offset;
    double quantum[2];                      /* [effect] */
} Window;

/* ---- adding up */

INLINE int64_t in_quanta(double x)          /* to the nearest; |x| < 2^51 */
{
    const double magic = 6755399441055744.0;
    double y = x + magic;
    int64_t bits, origin;
    memcpy(&bits, &y, 8);
    memcpy(&origin, &magic, 8);
    return bits - origin;
}

/* The sums of those neurons that have any in this window, one behind the other, so that they stay in the cache: place[j] is
 * where, 0 if neuron j has none. sums[0] is of nobody, 0. */
typedef struct { Sum *sums; int64_t n, capacity; } Pool;

static int eventsim_reserve(Pool *pool, int64_t more)       /* -1: no memory */
{
    const int64_t capacity = pool->n + more > 2 * pool->capacity ? pool->n + more : 2 * pool->capacity;
    Sum *sums;
    if (pool->n + more <= pool->capacity)
        return 0;
    sums = (Sum *)realloc(pool->sums, (capacity + 64) * sizeof(Sum));
    if (!sums)
        return -1;
    if (!pool->sums) {
        memset(sums, 0, sizeof(Sum));
        pool->n = 1;
    }
    pool->sums = sums;
    pool->capacity = capacity + 64;
    return 0;
}

/* where effects on neuron j are added, of excitation or inhibition; `used` sums are in use */
INLINE int64_t *sum_of(int32_t j, int inhibits, int32_t *place, Sum *sums, int64_t *used, uint64_t *touched)
{
    if (place[j] == 0) {
        place[j] = (int32_t)*used;
        memset(&sums[(*used)++], 0, sizeof(Sum));
        touched[j >> 6] |= (uint64_t)1 << (j & 63);
    }
    return inhibits ? sums[place[j]].inhibition : sums[place[j]].excitation;
}

/* n synapses onto targets from lo to hi - 1 (others are skipped); those of no weight touch nobody. `each` is 0 if all arrive
 * at once: then the first effect is that of all. Returns how many there were; room has been reserved. */
#define ADD(NAME, WEIGHT)                                                                                              \
    INLINE int64_t NAME(int64_t n, const int32_t *target, const WEIGHT *weight, int64_t stride, const Effects *e,      \
                        int each, int32_t lo, int32_t hi, int32_t *place, Pool *pool, uint64_t *touched)               \
    {                                                                                                                  \
        int64_t i, count = 0, used = pool->n;                                                                          \
        Sum *sums = pool->sums;                                                                                        \
        for (i = 0; i < n; i++) {                                                                                      \
            const int32_t j = target[i];                                                                               \
            const double w = weight[stride * i];                                                                       \
            const int inhibits = w < 0.0;                                                                              \
            const int64_t k = each ? i : 0;                                                                            \
            int64_t *v;                                                                                                \
            if ((uint32_t)(j - lo) >= (uint32_t)(hi - lo))                                                             \
                continue;                                                                                              \
            count++;                                                                                                   \
            if (w == 0.0)                                                                                              \
                continue;                                                                                              \
            v = sum_of(j, inhibits, place, sums, &used, touched);                                                      \
            v[0] += in_quanta(w * e->f[2 * inhibits][k]);                                                              \
            v[1] += in_quanta(w * e->f[2 * inhibits + 1][k]);                                                          \
        }                                                                                                              \
        pool->n = used;                                                                                                \
        return count;                                                                                                  \
    }
ADD(add_floats, float)
ADD(add_doubles, double)

/* the same, all of one weight and arriving at once: then the effects are the same, too */
static int64_t add_alike(int64_t n, const int32_t *target, double w, const Effects *e, int32_t lo, int32_t hi, int32_t *place,
                         Pool *pool, uint64_t *touched)
{
    const int inhibits = w < 0.0;
    const int64_t membrane = in_quanta(w * e->f[2 * inhibits][0]), current = in_quanta(w * e->f[2 * inhibits + 1][0]);
    int64_t i, count = 0, used = pool->n;
    Sum *sums = pool->sums;
    for (i = 0; i < n; i++) {
        const int32_t j = target[i];
        int64_t *v;
        if ((uint32_t)(j - lo) >= (uint32_t)(hi - lo))
            continue;
        count++;
        v = sum_of(j, inhibits, place, sums, &used, touched);
        v[0] += membrane;
        v[1] += current;
    }
    pool->n = used;
    return count;
}

static int64_t eventsim_add(int64_t n, const int32_t *target, const float *f32, const double *f64, int64_t stride,
                            const Effects *e, int each, int32_t lo, int32_t hi, int32_t *place, Pool *pool, uint64_t *touched)
{
    const double first = f32 ? *f32 : *f64;
    if (stride == 0 && !each && first != 0.0)
        return add_alike(n, target, first, e, lo, hi, place, pool, touched);
    if (f32)
        return each ? add_floats(n, target, f32, stride, e, 1, lo, hi, place, pool, touched)
                    : add_floats(n, target, f32, stride, e, 0, lo, hi, place, pool, touched);
    return each ? add_doubles(n, target, f64, stride, e, 1, lo, hi, place, pool, touched)
                : add_doubles(n, target, f64, stride, e, 0, lo, hi, place, pool, touched);
}

INLINE double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- leaky integrate-and-fire with two exponential currents: models/lif.pxi
 *
 *     u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x
 */
typedef struct { double a, b_ex, b_in, k, c, r, t_ref; } LIFRow;
typedef struct { double epoch, offset, free_epoch, free_offset, u, I_ex, I_in, I_e; } LIFNeuron;

typedef struct {        /* exp(-b t) and kappa(a, b, t) = int_0^t exp(-a (t-s)) exp(-b s) ds, and 1 - exp(-a t) */
    double e, k, lost;
} Response;

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

LANES void eventsim_lif_effects(int64_t n, const double *restrict x, const int32_t *target, const double *rows, int64_t stride,
                                const double *quantum, int same, Effects *restrict e)
{
    double a[CHUNK], b_ex[CHUNK], b_in[CHUNK];
    const double per_0 = 1.0 / quantum[0], per_1 = 1.0 / quantum[1];
    int64_t i;
    for (i = 0; i < n; i++) {
        const LIFRow *q = (const LIFRow *)(rows + stride * (stride ? target[i] : 0));
        a[i] = q->a;
        b_ex[i] = q->b_ex;
        b_in[i] = q->b_in;
    }
    for (i = 0; i < n; i++) {
        Response r = response(a[i], b_ex[i], x[i]);
        e->f[0][i] = r.k * per_0;
        e->f[1][i] = r.e * per_1;
    }
    if (same)
        for (i = 0; i < n; i++) {
            e->f[2][i] = e->f[0][i];
            e->f[3][i] = e->f[1][i];
        }
    else
        for (i = 0; i < n; i++) {
            Response r = response(a[i], b_in[i], x[i]);
            e->f[2][i] = r.k * per_0;
            e->f[3][i] = r.e * per_1;
        }
}

typedef struct { double m[LANES_AT_ONCE], ex[LANES_AT_ONCE], in[LANES_AT_ONCE], k_ex[LANES_AT_ONCE], k_in[LANES_AT_ONCE],
                        k_0[LANES_AT_ONCE]; } Factors_;

/* exp(-a t), exp(-b t) and kappa for each lane's rates and time */
INLINE void lif_factors(const double *a, const double *b_ex, const double *b_in, int same, const double *t, Factors_ *f)
{
    int l;
    for (l = 0; l < LANES_AT_ONCE; l++) {
        Response r = response(a[l], b_ex[l], t[l]);
        f->m[l] = 1.0 - r.lost;
        f->ex[l] = r.e;
        f->k_ex[l] = r.k;
        f->k_0[l] = a[l] == 0.0 ? t[l] : r.lost / a[l];
    }
    if (same)
        for (l = 0; l < LANES_AT_ONCE; l++) {
            f->in[l] = f->ex[l];
            f->k_in[l] = f->k_ex[l];
        }
    else
        for (l = 0; l < LANES_AT_ONCE; l++) {
            Response r = response(a[l], b_in[l], t[l]);
            f->in[l] = r.e;
            f->k_in[l] = r.k;
        }
}

/* Take n neurons to the end of the window, where they certainly do not spike in it (fails = 0); the row is written if
 * there was anything to commit. `respite`: how long after the end of the window they will not, if nothing arrives. */
LANES void eventsim_lif_step(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows,
                             int64_t stride, int same, const int32_t *place, const Sum *sums, const Window *window, uint8_t *fails, double *respite)
{
    double a[LANES_AT_ONCE], b_ex[LANES_AT_ONCE], b_in[LANES_AT_ONCE], k[LANES_AT_ONCE], c[LANES_AT_ONCE];
    double u[LANES_AT_ONCE], I_ex[LANES_AT_ONCE], I_in[LANES_AT_ONCE], I_e[LANES_AT_ONCE], late[LANES_AT_ONCE];
    double rest[LANES_AT_ONCE], after[LANES_AT_ONCE], length[LANES_AT_ONCE], wait[LANES_AT_ONCE], safe[LANES_AT_ONCE];
    double M_ex[LANES_AT_ONCE], S_ex[LANES_AT_ONCE], M_in[LANES_AT_ONCE], S_in[LANES_AT_ONCE];
    Factors_ f, g;
    const double q_0 = window->quantum[0], q_1 = window->quantum[1], margin = 1.0 / (1 << 30), ulps = 0x1p-40;
    int64_t i;
    int l;
    for (l = 0; l < LANES_AT_ONCE; l++)
        length[l] = window->length;
    for (i = 0; i < n; i += LANES_AT_ONCE) {
        const int m = n - i < LANES_AT_ONCE ? (int)(n - i) : LANES_AT_ONCE;
        double latest = 0.0;
        for (l = 0; l < LANES_AT_ONCE; l++) {
            const int32_t j = ids[i + (l < m ? l : 0)];
            const LIFNeuron *s = (const LIFNeuron *)neurons + j;
            const Sum *sum = sums + place[j];
            late[l] = (window->epoch - s->epoch) + (window->offset - s->offset);
            rest[l] = (s->free_epoch - s->epoch) + (s->free_offset - s->offset);
            after[l] = (s->free_epoch - window->end_epoch) + (s->free_offset - window->end_offset);
            u[l] = s->u;
            I_ex[l] = s->I_ex;
            I_in[l] = s->I_in;
            I_e[l] = s->I_e;
            M_ex[l] = q_0 * (double)sum->excitation[0];
            S_ex[l] = q_1 * (double)sum->excitation[1];
            M_in[l] = q_0 * (double)sum->inhibition[0];
            S_in[l] = q_1 * (double)sum->inhibition[1];
            latest = late[l] > latest ? late[l] : latest;
        }
        if (stride || i == 0) {
            for (l = 0; l < LANES_AT_ONCE; l++) {
                const LIFRow *q = (const LIFRow *)(rows + stride * ids[i + (l < m ? l : 0)]);
                a[l] = q->a;
                b_ex[l] = q->b_ex;
                b_in[l] = q->b_in;
                k[l] = q->k;
                c[l] = q->c;
            }
            lif_factors(a, b_ex, b_in, same, length, &f);
        }
        if (latest > 0.0) {                     /* to the beginning of the window: nothing has happened since */
            lif_factors(a, b_ex, b_in, same, late, &g);
            for (l = 0; l < LANES_AT_ONCE; l++) {
                double v = u[l] * g.m[l] + k[l] * (I_ex[l] * g.k_ex[l] + I_in[l] * g.k_in[l] + I_e[l] * g.k_0[l]);
                u[l] = rest[l] > 0.0 ? u[l] : v;
                I_ex[l] *= g.ex[l];
                I_in[l] *= g.in[l];
            }
        }
        for (l = 0; l < LANES_AT_ONCE; l++) {
            /* Currents are largest where they begin, if positive, and where they end, if negative. Under the sum of those,
             * u moves one way, so it is largest at one of the ends; arrivals of excitation add what they add at the end,
             * as the window is not longer than their response takes to rise; those of inhibition add nothing. */
            const double x = I_ex[l] * f.ex[l], y = I_in[l] * f.in[l];
            const double J = k[l] * (larger(I_ex[l], x) + larger(I_in[l], y) + I_e[l]), more = k[l] * M_ex[l];
            const double top = larger(u[l], u[l] * f.m[l] + J * f.k_0[l]) + more;
            const double noise = ulps * (fabs(u[l]) + fabs(c[l]) + fabs(J) * f.k_0[l] + more);
            const double v = u[l] * f.m[l] + k[l] * ((I_ex[l] * f.k_ex[l] + M_ex[l]) + (I_in[l] * f.k_in[l] + M_in[l])
                                                     + I_e[l] * f.k_0[l]);
            const double held = after[l] >= 0.0 ? 2.0 : 0.0;        /* resting to the end, or only for a part */
            safe[l] = rest[l] > 0.0 ? held : top + noise < c[l] ? 1.0 : 0.0;
            u[l] = safe[l] == 2.0 ? u[l] : v;
            I_ex[l] = x + S_ex[l];
            I_in[l] = y + S_in[l];
        }
        for (l = 0; l < LANES_AT_ONCE; l++) {                       /* as in LIFPopulation.respite */
            const double sum = larger(I_ex[l] + I_in[l], 0.0), apart = larger(I_ex[l], 0.0) + larger(I_in[l], 0.0);
            const double J = k[l] * ((same ? sum : apart) + I_e[l]), leak = a[l] * u[l], least = a[l] * c[l];
            const double gap = (1.0 - margin) * (c[l] - u[l]), finite = (J - J) + (u[l] - u[l]);
            const double w = larger(gap / ((J - leak) + margin * (fabs(J) + fabs(leak))), 0.0) + larger(after[l], 0.0);
            safe[l] = finite == 0.0 ? safe[l] : 0.0;
            wait[l] = J < least - margin * (fabs(J) + fabs(least)) ? (double)INFINITY : w;
        }
        for (l = 0; l < m; l++) {
            fails[i + l] = safe[l] == 0.0;
            respite[i + l] = wait[l];
            if (safe[l] != 0.0 && commit[i + l]) {
                LIFNeuron *s = (LIFNeuron *)neurons + ids[i + l];
                s->epoch = window->end_epoch;
                s->offset = window->end_offset;
                s->u = u[l];
                s->I_ex = I_ex[l];
                s->I_in = I_in[l];
            }
        }
    }
}

/* ---- leaky integrate-and-fire whose membrane jumps: models/delta.pxi
 *
 *     u' = -a u + k I_e
 */
typedef struct { double a, k, c, r, t_ref; } DeltaRow;
typedef struct { double epoch, offset, free_epoch, free_offset, u, I_e; } DeltaNeuron;

/* of an arrival: the jump of the membrane, if it excites, and what is left of it at the end of the window */
LANES void eventsim_delta_effects(int64_t n, const double *restrict x, const int32_t *target, const double *rows, int64_t stride,
                                  const double *quantum, int same, Effects *restrict e)
{
    const double per_0 = 1.0 / quantum[0], per_1 = 1.0 / quantum[1];
    double a[CHUNK];
    int64_t i;
    (void)same;
    for (i = 0; i < n; i++)
        a[i] = ((const DeltaRow *)(rows + stride * (stride ? target[i] : 0)))->a;
    for (i = 0; i < n; i++) {
        e->f[0][i] = per_0;
        e->f[1][i] = e->f[3][i] = lane_exp(-a[i] * x[i]) * per_1;
        e->f[2][i] = 0.0;
    }
}

LANES void eventsim_delta_step(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows,
                               int64_t stride, int same, const int32_t *place, const Sum *sums, const Window *window,
                               uint8_t *fails, double *respite)
{
    double a[LANES_AT_ONCE], k[LANES_AT_ONCE], c[LANES_AT_ONCE], m[LANES_AT_ONCE], k_0[LANES_AT_ONCE];
    double u[LANES_AT_ONCE], I_e[LANES_AT_ONCE], late[LANES_AT_ONCE], rest[LANES_AT_ONCE], after[LANES_AT_ONCE];
    double jumps[LANES_AT_ONCE], left[LANES_AT_ONCE], wait[LANES_AT_ONCE], safe[LANES_AT_ONCE];
    const double q_0 = window->quantum[0], q_1 = window->quantum[1], margin = 1.0 / (1 << 30), ulps = 0x1p-40;
    int64_t i;
    int l;
    (void)same;
    for (i = 0; i < n; i += LANES_AT_ONCE) {
        const int lanes = n - i < LANES_AT_ONCE ? (int)(n - i) : LANES_AT_ONCE;
        double latest = 0.0;
        for (l = 0; l < LANES_AT_ONCE; l++) {
            const int32_t j = ids[i + (l < lanes ? l : 0)];
            const DeltaNeuron *s = (const DeltaNeuron *)neurons + j;
            const Sum *sum = sums + place[j];
            late[l] = (window->epoch - s->epoch) + (window->offset - s->offset);
            rest[l] = (s->free_epoch - s->epoch) + (s->free_offset - s->offset);
            after[l] = (s->free_epoch - window->end_epoch) + (s->free_offset - window->end_offset);
            u[l] = s->u;
            I_e[l] = s->I_e;
            jumps[l] = q_0 * (double)sum->excitation[0];
            left[l] = q_1 * (double)(sum->excitation[1] + sum->inhibition[1]);
            latest = late[l] > latest ? late[l] : latest;
        }
        if (stride || i == 0) {
            for (l = 0; l < LANES_AT_ONCE; l++) {
                const DeltaRow *q = (const DeltaRow *)(rows + stride * ids[i + (l < lanes ? l : 0)]);
                a[l] = q->a;
                k[l] = q->k;
                c[l] = q->c;
            }
            for (l = 0; l < LANES_AT_ONCE; l++) {
                const double z = lane_expm1(-a[l] * window->length);
                m[l] = 1.0 + z;
                k_0[l] = a[l] == 0.0 ? window->length : -z / a[l];
            }
        }
        if (latest > 0.0)                       /* to the beginning of the window: nothing has happened since */
            for (l = 0; l < LANES_AT_ONCE; l++) {
                const double z = lane_expm1(-a[l] * late[l]), k_late = a[l] == 0.0 ? late[l] : -z / a[l];
                const double v = u[l] + u[l] * z + k[l] * I_e[l] * k_late;
                u[l] = rest[l] > 0.0 ? u[l] : v;
            }
        for (l = 0; l < LANES_AT_ONCE; l++) {
            /* without arrivals u moves one way; jumps of excitation fade, those of inhibition only lower it */
            const double v = u[l] * m[l] + k[l] * I_e[l] * k_0[l], top = larger(u[l], v) + jumps[l];
            const double noise = ulps * (fabs(u[l]) + fabs(c[l]) + fabs(v) + jumps[l]);
            const double held = after[l] >= 0.0 ? 2.0 : 0.0;        /* resting to the end, or only for a part */
            safe[l] = rest[l] > 0.0 ? held : top + noise < c[l] ? 1.0 : 0.0;
            u[l] = safe[l] == 2.0 ? u[l] : v + left[l];
        }
        for (l = 0; l < LANES_AT_ONCE; l++) {
            const double J = k[l] * I_e[l], leak = a[l] * u[l], least = a[l] * c[l], gap = (1.0 - margin) * (c[l] - u[l]);
            const double w = larger(gap / ((J - leak) + margin * (fabs(J) + fabs(leak))), 0.0) + larger(after[l], 0.0);
            safe[l] = u[l] - u[l] == 0.0 ? safe[l] : 0.0;
            wait[l] = J < least - margin * (fabs(J) + fabs(least)) ? (double)INFINITY : w;
        }
        for (l = 0; l < lanes; l++) {
            fails[i + l] = safe[l] == 0.0;
            respite[i + l] = wait[l];
            if (safe[l] != 0.0 && commit[i + l]) {
                DeltaNeuron *s = (DeltaNeuron *)neurons + ids[i + l];
                s->epoch = window->end_epoch;
                s->offset = window->end_offset;
                s->u = u[l];
            }
        }
    }
}

typedef struct {
    void (*effects)(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride, const double *quantum,
                    int same, Effects *e);
    void (*step)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                 int same, const int32_t *place, const Sum *sums, const Window *window, uint8_t *fails, double *respite);
} Kernel;

static const Kernel eventsim_lif_kernel = {eventsim_lif_effects, eventsim_lif_step};
static const Kernel eventsim_delta_kernel = {eventsim_delta_effects, eventsim_delta_step};

#endif
