/* Leaky integrate-and-fire with a spike-triggered current and an adaptive threshold, as vector code: see adaptive.pxi and kernel.h
 *
 *     u' = -a u + k (I_ex + I_in + I_e - I_stc),   threshold c + h,   I_stc' = -b_stc I_stc,   h' = -b_sfa h
 *
 * What arrives does what it does in lif.h, so each formula is the one there, and what adaptation adds. `c` is a threshold that is not
 * above the true one from now on (`base`: c itself).
 */
#ifndef EVENTSIM_ADAPTIVE_H
#define EVENTSIM_ADAPTIVE_H
#include "lif.h"

typedef struct { double a, b_ex, b_in, b_stc, b_sfa, k, c, r, t_ref, q_stc, q_sfa; } AdaptiveRow;   /* begins as LIFRow: for its effects */
typedef struct { double epoch, offset, free_epoch, free_offset, u, I_ex, I_in, I_e, I_stc, h; } AdaptiveNeuron;

INLINE void adaptive_load(Lanes *x, int l, const AdaptiveNeuron *s)
{
    x->u[l] = s->u;
    x->ex[l] = s->I_ex;
    x->in[l] = s->I_in;
    x->I_e[l] = s->I_e;
    x->stc[l] = s->I_stc;
    x->h[l] = s->h;
}

INLINE void adaptive_store(const Lanes *x, int l, AdaptiveNeuron *s)
{
    s->u = x->u[l];
    s->I_ex = x->ex[l];
    s->I_in = x->in[l];
    s->I_stc = x->stc[l];
    s->h = x->h[l];
}

INLINE int adaptive_fading(Lanes *x, double **of)
{
    of[0] = x->ex;
    of[1] = x->in;
    of[2] = x->stc;
    of[3] = x->h;
    return 4;
}

INLINE void adaptive_rates(Lanes *x, int l, const AdaptiveRow *q)
{
    x->a[l] = q->a;
    x->b_ex[l] = q->b_ex;
    x->b_in[l] = q->b_in;
    x->b_stc[l] = q->b_stc;
    x->b_sfa[l] = q->b_sfa;
    x->k[l] = q->k;
    x->base[l] = q->c;
}

INLINE void adaptive_factors(int lanes, const Lanes *x, int same, const double *t, Propagators *f)
{
    lif_factors(lanes, x, same, t, f);
}

INLINE void adaptive_rest(int lanes, Lanes *x)
{
    int l;
    lif_rest(lanes, x);
    EACH_LANE(l) {
        x->stc[l] *= lane_exp(-x->b_stc[l] * x->resting[l]);
        x->h[l] *= lane_exp(-x->b_sfa[l] * x->resting[l]);
    }
}

/* I_stc and h a time later, and what I_stc takes from the membrane in the meantime, unless it stands still (`moves` is 0) */
INLINE void adapt(int lanes, Lanes *x, const double *t, const double *moves)
{
    int l;
    EACH_LANE(l) {
        const Response r = response(x->a[l], x->b_stc[l], t[l]);
        x->u[l] -= moves[l] * (x->k[l] * (x->stc[l] * r.k));
        x->stc[l] *= r.e;
        x->h[l] *= lane_exp(-x->b_sfa[l] * t[l]);
    }
}

INLINE void adaptive_late(int lanes, Lanes *x, int same)
{
    Lane moves;
    int l;
    EACH_LANE(l)
        moves[l] = 1.0;
    lif_late(lanes, x, same);
    adapt(lanes, x, x->late, moves);
}

/* A spike-triggered current that excites fades as others do. */
INLINE void adaptive_drive(int lanes, Lanes *x)
{
    int l;
    lif_drive(lanes, x);
    EACH_LANE(l) {
        const double excites = larger(-x->stc[l], 0.0), slowest = x->b_stc[l] < x->rate[l] ? x->b_stc[l] : x->rate[l];
        x->fading[l] += x->k[l] * excites;
        x->rate[l] = excites > 0.0 ? slowest : x->rate[l];
        x->c[l] = x->base[l] + (x->h[l] < 0.0 ? x->h[l] : 0.0);
    }
}

INLINE void adaptive_take(int lanes, Lanes *x, const double *w)
{
    int l;
    EACH_LANE(l)
        x->c[l] = x->base[l] + x->h[l];
    lif_take(lanes, x, w);
}

/* The threshold is lowest at one of the ends; a spike-triggered current that excites adds no more than if it did not fade. */
INLINE void adaptive_through(int lanes, Lanes *x, int same, const double *t, const Propagators *f)
{
    Lane moves;
    int l;
    EACH_LANE(l) {
        const double h = x->h[l] * lane_exp(-x->b_sfa[l] * t[l]), least = h < x->h[l] ? h : x->h[l];
        const double excited = x->k[l] * (larger(-x->stc[l], 0.0) * f->k_0[l]);
        x->c[l] = x->base[l] + least - excited - ROUNDING * (fabs(x->base[l]) + fabs(x->h[l]) + excited);
    }
    lif_through(lanes, x, same, t, f);
    EACH_LANE(l)
        moves[l] = x->safe[l] == 2.0 ? 0.0 : 1.0;
    adapt(lanes, x, t, moves);
    adaptive_drive(lanes, x);
}

/* as `wait` of adaptive.pxi: it is u - h that reaches c */
INLINE void adaptive_push(int lanes, const Lanes *x, int same, const double *t, Push *p)
{
    int l;
    lif_push(lanes, x, same, t, p);
    EACH_LANE(l) {
        const Response r = response(x->a[l], x->b_stc[l], t[l]);
        const double h = x->h[l] * lane_exp(-x->b_sfa[l] * t[l]), taken = x->k[l] * (x->stc[l] * r.k);
        const double K = -x->k[l] * x->stc[l] * r.e, H = (x->b_sfa[l] - x->a[l]) * h;
        const double fall_K = K < 0.0 ? K : 0.0, fall_H = H < 0.0 ? H : 0.0;
        p->gap[l] += (h - (x->c[l] - x->base[l])) + taken;
        p->slope[l] += x->a[l] * (taken + h) + (K + H);
        p->rise[l] -= fall_K + fall_H;
        p->rate[l] -= x->b_stc[l] * fall_K + x->b_sfa[l] * fall_H;
    }
}

STEP(adaptive, AdaptiveNeuron, AdaptiveRow)
ALONE(adaptive, AdaptiveNeuron, AdaptiveRow)
LIVE(adaptive, AdaptiveNeuron, AdaptiveRow)

static const Kernel eventsim_adaptive_kernel = {
    eventsim_lif_effects,   eventsim_adaptive_step, eventsim_adaptive_alone,  NULL, NULL, NULL, NULL,
    eventsim_adaptive_join, eventsim_adaptive_part, eventsim_adaptive_onward, eventsim_adaptive_search, 3, 7, 0};

#endif
