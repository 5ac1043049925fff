/* How neurons come to the end of a window with what has been summed, as vector code; models supply the formulas (models/lif.h).
 *
 * Loops run over neurons side by side, in lots of CHUNK at most (elementary.h).
 */
#ifndef EVENTSIM_STEPS_H
#define EVENTSIM_STEPS_H
#include "sums.h"

typedef struct {                            /* a window, and the size of quanta */
    double epoch, offset, length;           /* where it begins, how long it is [ms] */
    double end_epoch, end_offset;
    double quantum[3];                      /* [effect] */
    double left, frame;                     /* how long its frame lasts from its end on, and in all: see `SETTLE` */
} Window;

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
 * coefficients (`rates`), the `factors` of a time, how a state comes to the beginning of the window (`rest`, `late`), the bound and the
 * state at the end (`through`), the largest `drive` from then on, what an arrival does (`take`), and what to `store`.
 *
 * fails: may it spike? Then its row stays as it is. Else the row is written, if there was anything to commit. respite: how
 * long after the end of the window it will not spike, if nothing arrives.
 */
typedef double Lane[CHUNK];                     /* of which the first so many count: */

/* (a loop that is unrolled is no longer made vector code) */
#define EACH_LANE(l) _Pragma("GCC unroll 1") for (l = 0; l < lanes; l++)

typedef struct {
    Lane resting, late;                         /* from the state to the beginning, so long it rests first, and then not */
    Lane rest, after;                           /* release less state, or what is left of that then, and release less end [ms] */
    Lane u, ex, in, I_e;                        /* state */
    Lane a, b_ex, b_in, k, c;                   /* coefficients */
    Lane M_ex, S_ex, M_in, S_in;                /* the sums */
    Lane torn;                                  /* has it arrivals, and is released within the window? */
    Lane safe;                                  /* 1: stays below threshold, 2: rests, 0: neither is certain */
    Lane fading, rate, steady;                  /* the largest drive from now on, of currents that fade at a rate or faster, and of others */
    Lane stc, h, b_stc, b_sfa, base;            /* of adaptive.h */
    Lane g_ex, g_in, f_ex, f_in, n_ex, n_in;    /* of double_exp.h: the sources of currents, */
    Lane G_ex, G_in;                            /* and what arrivals add to them */
} Lanes;

typedef struct { Lane m, lost, ex, in, k_ex, k_in, k_0; } Propagators;  /* exp(-a t), 1 - exp(-a t), exp(-b t), kappa with each b and with 0 */

static const double MARGIN = 1.0 / (1 << 30);
static const double ROUNDING = 0x1p-40;         /* of the bounds, relative: many times what it is */

/* Will neuron l certainly not spike, if nothing arrives? What there is without currents that fade stays below the larger of u and
 * steady / a (or 0), and they add no more than fading / rate, or fading / a. */
INLINE int calm(const Lanes *x, int l)
{
    const double u = larger(x->u[l], 0.0), c = x->c[l], m = larger(x->a[l], x->rate[l]), push = x->steady[l], least = x->a[l] * c;
    return (x->fading[l] < ((c - u) - MARGIN * (fabs(c) + u)) * m)
           & ((push <= 0.0) | (x->a[l] * x->fading[l] < ((least - push) - MARGIN * (fabs(least) + push)) * m));
}

/* how long neurons certainly stay below threshold: as in LIFPopulation.respite; nothing is safe that is not finite */
INLINE void rest_assured(int lanes, Lanes *x, double *wait)
{
    int l;
    EACH_LANE(l) {
        const double J = x->fading[l] + x->steady[l], leak = x->a[l] * x->u[l], least = x->a[l] * x->c[l];
        const double gap = (1.0 - MARGIN) * (x->c[l] - x->u[l]), finite = (J - J) + (x->u[l] - x->u[l]);
        const double w = larger(gap / ((J - leak) + MARGIN * (fabs(J) + fabs(leak))), 0.0);
        x->safe[l] = finite == 0.0 ? x->safe[l] : 0.0;
        const int never = (J < least - MARGIN * (fabs(J) + fabs(least))) | calm(x, l);
        wait[l] = never ? (double)INFINITY : w + larger(x->after[l], 0.0);
    }
}

/* let so many lanes have those of the first */
INLINE void spread(int lanes, Propagators *f)
{
    const double m = f->m[0], ex = f->ex[0], in = f->in[0], k_ex = f->k_ex[0], k_in = f->k_in[0], k_0 = f->k_0[0];
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

/* Of the time from the state to the beginning, `late`, take what neurons rest of it. Does any? */
INLINE int rests_first(int lanes, Lanes *x)
{
    int l, any = 0;
    EACH_LANE(l) {
        const double least = x->rest[l] < x->late[l] ? x->rest[l] : x->late[l], resting = larger(least, 0.0);
        x->resting[l] = resting;
        x->late[l] -= resting;
        x->rest[l] -= resting;
        any |= resting > 0.0;
    }
    return any;
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
                                       const int64_t *const *sources, const Window *window, uint8_t *fails,            \
                                       double *respite)                                                                \
    {                                                                                                                  \
        const double q_0 = window->quantum[0], q_1 = window->quantum[1], q_2 = window->quantum[2];                     \
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
            if (sources) {                                                                                             \
                x.G_ex[l] = q_2 * (double)sources[l < n ? l : 0][0];                                                   \
                x.G_in[l] = q_2 * (double)sources[l < n ? l : 0][1];                                                   \
            }                                                                                                          \
            latest = larger(x.late[l], latest);                                                                        \
        }                                                                                                              \
        EACH_LANE(l)                                                                                                   \
            length[l] = window->length;                                                                                \
        COEFFICIENTS(MODEL, ROW)                                                                                       \
        MODEL##_factors(stride ? lanes : LANES_AT_ONCE, &x, same, length, &f);                                         \
        if (!stride)                                                                                                   \
            spread(lanes, &f);                                                                                                \
        if (latest > 0.0) {                     /* nothing has happened since */                                       \
            if (rests_first(lanes, &x))                                                                                \
                MODEL##_rest(lanes, &x);                                                                               \
            MODEL##_late(lanes, &x, same);                                                                             \
        }                                                                                                              \
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

/* ---- the same for neurons with a single arrival in the window, which need not be summed
 *
 * They come to the time of the arrival, if they certainly spike neither before nor between it and the end of the window. (That they
 * did not spike before is known, if nobody has asked to look at them. But to look more often must not change a bit.)
 */
#define ALONE(MODEL, NEURON, ROW)                                                                                      \
    LANES void eventsim_##MODEL##_alone(int64_t n, const int32_t *ids, const double *offset, const double *weight,     \
                                        double *neurons, const double *rows, int64_t stride, int same,                 \
                                        const Window *window, uint8_t *fails, double *respite)                         \
    {                                                                                                                  \
        const int lanes = (int)WHOLE(n);                                                                               \
        Lane w, left, before, wait;                                                                                    \
        Lanes x;                                                                                                       \
        int l;                                                                                                         \
        for (l = 0; l < lanes; l++) {                                                                                  \
            const int64_t i = l < n ? l : 0;                                                                           \
            const NEURON *s = (const NEURON *)neurons + ids[i];                                                        \
            x.late[l] = (window->epoch - s->epoch) + (offset[i] - s->offset);                                          \
            x.rest[l] = (s->free_epoch - s->epoch) + (s->free_offset - s->offset);                                     \
            x.after[l] = (s->free_epoch - window->epoch) + (s->free_offset - offset[i]);                               \
            left[l] = (window->end_epoch - window->epoch) + (window->end_offset - offset[i]);                          \
            w[l] = weight[i];                                                                                          \
            MODEL##_load(&x, l, s);                                                                                    \
        }                                                                                                              \
        COEFFICIENTS(MODEL, ROW)                                                                                       \
        if (rests_first(lanes, &x))                                                                                    \
            MODEL##_rest(lanes, &x);                                                                                   \
        MODEL##_drive(lanes, &x);                                                                                      \
        EACH_LANE(l)                                                                                                   \
            before[l] = calm(&x, l) ? 1.0 : 0.0;                                                                       \
        MODEL##_late(lanes, &x, same);                                                                                 \
        MODEL##_take(lanes, &x, w);                                                                                    \
        MODEL##_drive(lanes, &x);                                                                                      \
        rest_assured(lanes, &x, wait);                                                                                 \
        for (l = 0; l < n; l++) {                                                                                      \
            fails[l] = !(before[l] != 0.0 && x.safe[l] != 0.0 && wait[l] > left[l]);                                   \
            respite[l] = wait[l] - left[l];                                                                            \
            if (!fails[l]) {                                                                                           \
                NEURON *s = (NEURON *)neurons + ids[l];                                                                \
                s->epoch = window->epoch;                                                                              \
                s->offset = offset[l];                                                                                 \
                MODEL##_store(&x, l, s);                                                                               \
            }                                                                                                          \
        }                                                                                                              \
    }

#endif
