/* Leaky integrate-and-fire with two exponential currents, as vector code: see lif.pxi and kernel.h
 *
 *     u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x;   while refractory u stands still
 */
#ifndef EVENTSIM_LIF_H
#define EVENTSIM_LIF_H
#include "kernel.h"

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

INLINE int lif_fading(Lanes *x, double **of)
{
    of[0] = x->ex;
    of[1] = x->in;
    return 2;
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
        f->lost[l] = r.lost;
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

INLINE void lif_rest(int lanes, Lanes *x)
{
    int l;
    EACH_LANE(l) {
        x->ex[l] *= lane_exp(-x->b_ex[l] * x->resting[l]);
        x->in[l] *= lane_exp(-x->b_in[l] * x->resting[l]);
    }
}

INLINE void lif_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    int l;
    lif_factors(lanes, x, same, x->late, &g);
    EACH_LANE(l) {
        x->u[l] = x->u[l] * g.m[l] + x->k[l] * (x->ex[l] * g.k_ex[l] + x->in[l] * g.k_in[l] + x->I_e[l] * g.k_0[l]);
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
    EACH_LANE(l) {
        x->fading[l] = x->k[l] * lif_drive_of(x, l, x->ex[l], x->in[l]);
        x->rate[l] = x->b_in[l] < x->b_ex[l] ? x->b_in[l] : x->b_ex[l];
        x->steady[l] = x->k[l] * x->I_e[l];
    }
}

/* An arrival. Is the membrane below threshold then? (It may be released whenever it is.) */
INLINE void lif_take(int lanes, Lanes *x, const double *w)
{
    int l;
    EACH_LANE(l) {
        const double noise = ROUNDING * (fabs(x->u[l]) + fabs(x->c[l]));
        x->ex[l] += larger(w[l], 0.0);
        x->in[l] += w[l] < 0.0 ? w[l] : 0.0;
        x->safe[l] = x->u[l] + noise < x->c[l] ? 1.0 : 0.0;
    }
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

/* as `wait` of lif.pxi */
INLINE void lif_push(int lanes, const Lanes *x, int same, const double *t, Push *p)
{
    Propagators f;
    int l;
    lif_factors(lanes, x, same, t, &f);
    EACH_LANE(l) {
        const double k = x->k[l], a = x->a[l], u = x->u[l], steady = k * x->I_e[l];
        const double gained = k * (x->ex[l] * f.k_ex[l] + x->in[l] * f.k_in[l]) + steady * f.k_0[l] - u * f.lost[l];
        const double ex = k * x->ex[l] * f.ex[l], in = k * x->in[l] * f.in[l], g = (x->c[l] - u) - gained;
        const double J = ex < in ? in : ex, b = ex < in ? x->b_in[l] : x->b_ex[l], K = ex < in ? ex : in, c = ex < in ? x->b_ex[l] : x->b_in[l];
        const double growth = larger(-c * K - b * J, 0.0), fall_J = J < 0.0 ? J : 0.0, fall_K = K < 0.0 ? K : 0.0;
        const int joint = (J > 0.0) & (K < 0.0) & (b <= c);
        p->gap[l] = g;
        p->slope[l] = (J + K) + steady - a * (u + gained);
        p->rise[l] = joint ? growth / c : -(fall_J + fall_K);
        p->rate[l] = joint ? growth : -(b * fall_J + c * fall_K);
    }
}

STEP(lif, LIFNeuron, LIFRow)
ALONE(lif, LIFNeuron, LIFRow)
SETTLE(lif, LIFNeuron, LIFRow)
PANEL(lif, LIFNeuron, LIFRow)
LIVE(lif, LIFNeuron, LIFRow)

static const Kernel eventsim_lif_kernel = {
    eventsim_lif_effects, eventsim_lif_step,  eventsim_lif_alone, eventsim_lif_settle,
    eventsim_lif_panel,   eventsim_lif_enter, eventsim_lif_leave,
    eventsim_lif_join,    eventsim_lif_part,  eventsim_lif_onward, eventsim_lif_search, 3, 5, 0};

#endif
