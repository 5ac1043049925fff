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
    double quantum[2];                      /* [effect] */
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
 * coefficients (`rates`), the `factors` of a time, how a state comes to the beginning of the window (`late`), the bound and the
 * state at the end (`through`), the largest `drive` from then on, what an arrival does (`take`), and what to `store`.
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
    Lane safe;                                  /* 1: stays below threshold, 2: rests, 0: neither is certain */
    Lane fading, rate, steady;                  /* the largest drive from now on, of currents that fade at a rate or faster, and of others */
} Lanes;

typedef struct { Lane m, ex, in, k_ex, k_in, k_0; } Propagators;    /* exp(-a t), exp(-b t), kappa with each b and with 0 */

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
        MODEL##_drive(lanes, &x);                                                                                      \
        EACH_LANE(l)                                                                                                   \
            before[l] = calm(&x, l) ? 1.0 : 0.0;                                                                       \
        MODEL##_late(lanes, &x, same);                                                                                 \
        MODEL##_take(lanes, &x, w, left);                                                                              \
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
                const double finite = (x.fading[l] - x.fading[l]) + (x.u[l] - x.u[l]);                                 \
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

/* ---- what a model has to offer */

typedef struct {
    void (*effects)(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride, const double *quantum,
                    int same, Effects *e);
    void (*step)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                 int same, const Sum *const *sums, const Window *window, uint8_t *fails, double *respite);
    void (*alone)(int64_t n, const int32_t *ids, const double *offset, const double *weight, double *neurons, const double *rows,
                  int64_t stride, int same, const Window *window, uint8_t *fails, double *respite);
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

#endif
