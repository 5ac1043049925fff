/* The leaky integrate-and-fire of the fly, as vector code: see fly.pxi and kernel.h
 *
 *     u' = a (g - u),   g' = -b g;   both stand still while refractory: arrivals count from the release (`freezes`)
 */
#ifndef EVENTSIM_FLY_H
#define EVENTSIM_FLY_H
#include "kernel.h"

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

INLINE int fly_fading(Lanes *x, double **of)
{
    (void)x;
    (void)of;
    return 0;
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
        f->lost[l] = r.lost;
        f->ex[l] = r.e;
        f->k_ex[l] = x->a[l] * r.k;
        f->k_0[l] = r.lost;
    }
}

INLINE void fly_rest(int lanes, Lanes *x)
{
    (void)lanes;
    (void)x;
}

INLINE void fly_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    int l;
    fly_factors(lanes, x, same, x->late, &g);
    EACH_LANE(l) {
        x->u[l] = x->u[l] * g.m[l] + x->ex[l] * g.k_ex[l];
        x->ex[l] *= g.ex[l];
    }
}

INLINE void fly_drive(int lanes, Lanes *x)
{
    int l;
    EACH_LANE(l) {
        x->fading[l] = x->a[l] * larger(x->ex[l], 0.0);
        x->rate[l] = x->b_ex[l];
        x->steady[l] = 0.0;
    }
}

/* An arrival. Is the membrane below threshold then? (It may be released whenever it is.) */
INLINE void fly_take(int lanes, Lanes *x, const double *w)
{
    int l;
    EACH_LANE(l) {
        const double noise = ROUNDING * (fabs(x->u[l]) + fabs(x->c[l]));
        x->ex[l] += w[l];
        x->safe[l] = x->u[l] + noise < x->c[l] ? 1.0 : 0.0;
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
    }
    fly_drive(lanes, x);
}

/* as `wait` of fly.pxi */
INLINE void fly_push(int lanes, const Lanes *x, int same, const double *t, Push *p)
{
    Propagators f;
    int l;
    fly_factors(lanes, x, same, t, &f);
    EACH_LANE(l) {
        const double u = x->u[l], gained = x->ex[l] * f.k_ex[l] - u * f.lost[l], J = x->a[l] * x->ex[l] * f.ex[l], fall = J < 0.0 ? -J : 0.0;
        p->gap[l] = (x->c[l] - u) - gained;
        p->slope[l] = J - x->a[l] * (u + gained);
        p->rise[l] = fall;
        p->rate[l] = x->b_ex[l] * fall;
    }
}

STEP(fly, FlyNeuron, FlyRow)
ALONE(fly, FlyNeuron, FlyRow)
LIVE(fly, FlyNeuron, FlyRow)

static const Kernel eventsim_fly_kernel = {
    eventsim_fly_effects, eventsim_fly_step, eventsim_fly_alone, NULL, NULL, NULL, NULL,
    eventsim_fly_join,    eventsim_fly_part, eventsim_fly_onward, eventsim_fly_search, 2, 3, 1};

#endif
