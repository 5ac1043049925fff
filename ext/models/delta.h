/* Leaky integrate-and-fire whose membrane jumps, as vector code: see delta.pxi and kernel.h
 *
 *     u' = -a u + k I_e
 */
#ifndef EVENTSIM_DELTA_H
#define EVENTSIM_DELTA_H
#include "kernel.h"

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

INLINE int delta_fading(Lanes *x, double **of)
{
    (void)x;
    (void)of;
    return 0;
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
        f->lost[l] = -z;
        f->k_0[l] = x->a[l] == 0.0 ? t[l] : -z / x->a[l];
    }
}

INLINE void delta_rest(int lanes, Lanes *x)
{
    (void)lanes;
    (void)x;
}

INLINE void delta_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    int l;
    delta_factors(lanes, x, same, x->late, &g);
    EACH_LANE(l) {
        x->u[l] = x->u[l] * g.m[l] + x->k[l] * x->I_e[l] * g.k_0[l];
    }
}

INLINE void delta_drive(int lanes, Lanes *x)
{
    int l;
    EACH_LANE(l) {
        x->fading[l] = x->rate[l] = 0.0;
        x->steady[l] = x->k[l] * x->I_e[l];
    }
}

/* An arrival, which is lost while the neuron rests. Is the membrane below threshold then? */
INLINE void delta_take(int lanes, Lanes *x, const double *w)
{
    int l;
    EACH_LANE(l) {
        const double u = x->u[l] + (x->after[l] > 0.0 ? 0.0 : w[l]), noise = ROUNDING * (fabs(x->u[l]) + fabs(x->c[l]) + fabs(w[l]));
        x->u[l] = u;
        x->safe[l] = u + noise < x->c[l] ? 1.0 : 0.0;
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
    }
    delta_drive(lanes, x);
}

/* as `wait` of delta.pxi: a jump onto the threshold is no spike, if the membrane does not rise from there */
INLINE void delta_push(int lanes, const Lanes *x, int same, const double *t, Push *p)
{
    Propagators f;
    int l;
    delta_factors(lanes, x, same, t, &f);
    EACH_LANE(l) {
        const double u = x->u[l], steady = x->k[l] * x->I_e[l], gained = steady * f.k_0[l] - u * f.lost[l];
        const double gap = (x->c[l] - u) - gained, slope = steady - x->a[l] * (u + gained);
        p->gap[l] = (gap == 0.0) & (slope <= 0.0) ? 0x1p-1000 : gap;
        p->slope[l] = slope;
        p->rise[l] = p->rate[l] = 0.0;
    }
}

STEP(delta, DeltaNeuron, DeltaRow)
ALONE(delta, DeltaNeuron, DeltaRow)
PANEL(delta, DeltaNeuron, DeltaRow)
LIVE(delta, DeltaNeuron, DeltaRow)

static const Kernel eventsim_delta_kernel = {
    eventsim_delta_effects, eventsim_delta_step,  eventsim_delta_alone, NULL,
    eventsim_delta_panel,   eventsim_delta_enter, eventsim_delta_leave,
    eventsim_delta_join,    eventsim_delta_part,  eventsim_delta_onward, eventsim_delta_search, 1, 3, 0};

#endif
