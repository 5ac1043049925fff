/* Leaky integrate-and-fire whose currents rise and decay, as vector code: see double_exp.pxi and kernel.h
 *
 *     u' = -a u + k (I_ex + I_in + I_e),   I_x' = -b_x I_x + g_x,   g_x' = -f_x g_x;   while refractory u stands still
 *
 * Arrivals add to g_x: that is their third effect (sums.h).
 */
#ifndef EVENTSIM_DOUBLE_EXP_H
#define EVENTSIM_DOUBLE_EXP_H
#include "kernel.h"

typedef struct { double a, b_ex, f_ex, b_in, f_in, k, c, r, t_ref, n_ex, n_in; } DoubleExpRow;
typedef struct { double epoch, offset, free_epoch, free_offset, u, I_ex, I_in, g_ex, g_in, I_e; } DoubleExpNeuron;

/* what a time makes of a current and its source: exp(-b t), exp(-f t), kappa(a, b, t), kappa(b, f, t), kappa3(a, b, f, t) */
typedef struct { Lane e_b, e_f, k_b, k_f, k_3; } Rise;

/* kappa3 of solver.pxi: both ways, the divided difference and the series, and the better of them */
INLINE double lane_kappa3(double a, double b, double c, double t)
{
    const double low = a < b ? a : b, high = a < b ? b : a, lo = low < c ? low : c, hi = high < c ? c : high;
    const double middle = c < low ? low : c, mid = middle < high ? middle : high;
    const double p = -(mid - lo) * t, q = -(hi - lo) * t;
    double power = 1.0, h = 1.0, inverse = 0.5, total = 0.5, apart;
    int k;
    _Pragma("GCC unroll 20") for (k = 1; k < 20; k++) {
        power *= p;
        h = q * h + power;
        inverse *= 1.0 / (k + 2);
        total += h * inverse;
    }
    apart = (response(lo, mid, t).k - response(mid, hi, t).k) / (hi - lo);
    return q < -1.0 ? apart : t * t * lane_exp(-lo * t) * total;
}

INLINE void rise(int lanes, const double *restrict a, const double *restrict b, const double *restrict f, const double *restrict t,
                 Rise *restrict r)
{
    int l;
    EACH_LANE(l) {
        const Response current = response(a[l], b[l], t[l]), source = response(b[l], f[l], t[l]);
        r->e_b[l] = current.e;
        r->e_f[l] = source.e;
        r->k_b[l] = current.k;
        r->k_f[l] = source.k;
    }
    EACH_LANE(l)
        r->k_3[l] = lane_kappa3(a[l], b[l], f[l], t[l]);
}

/* of excitation, and of inhibition if it is not the `same`; returns the latter */
INLINE const Rise *rise_both(int lanes, const Lanes *x, int same, const double *t, Rise *r)
{
    rise(lanes, x->a, x->b_ex, x->f_ex, t, r);
    if (same)
        return r;
    rise(lanes, x->a, x->b_in, x->f_in, t, r + 1);
    return r + 1;
}

LANES void eventsim_double_exp_effects(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride,
                                       const double *quantum, int same, Effects *restrict e)
{
    double t[CHUNK], a[CHUNK], b[2][CHUNK], f[2][CHUNK], peak[2][CHUNK];
    const double per_0 = 1.0 / quantum[0], per_1 = 1.0 / quantum[1], per_2 = 1.0 / quantum[2];
    const int64_t whole = WHOLE(n);
    Rise r;
    int64_t i;
    int s;
    for (i = 0; i < whole; i++) {
        const int64_t k = i < n ? i : 0;
        const DoubleExpRow *q = (const DoubleExpRow *)(rows + stride * (stride ? target[k] : 0));
        t[i] = x[k];
        a[i] = q->a;
        b[0][i] = q->b_ex;
        b[1][i] = q->b_in;
        f[0][i] = q->f_ex;
        f[1][i] = q->f_in;
        peak[0][i] = q->n_ex;
        peak[1][i] = q->n_in;
    }
    for (s = 0; s < (same ? 1 : 2); s++) {
        rise((int)whole, a, b[s], f[s], t, &r);
        for (i = 0; i < whole; i++) {
            e->f[2 * s][i] = peak[s][i] * r.k_3[i] * per_0;
            e->f[2 * s + 1][i] = peak[s][i] * r.k_f[i] * per_1;
            e->f[4 + s][i] = peak[s][i] * r.e_f[i] * per_2;
        }
    }
    for (i = 0; same && i < whole; i++) {
        e->f[2][i] = e->f[0][i];
        e->f[3][i] = e->f[1][i];
        e->f[5][i] = e->f[4][i];
    }
}

INLINE void double_exp_load(Lanes *x, int l, const DoubleExpNeuron *s)
{
    x->u[l] = s->u;
    x->ex[l] = s->I_ex;
    x->in[l] = s->I_in;
    x->g_ex[l] = s->g_ex;
    x->g_in[l] = s->g_in;
    x->I_e[l] = s->I_e;
}

INLINE void double_exp_store(const Lanes *x, int l, DoubleExpNeuron *s)
{
    s->u = x->u[l];
    s->I_ex = x->ex[l];
    s->I_in = x->in[l];
    s->g_ex = x->g_ex[l];
    s->g_in = x->g_in[l];
}

INLINE void double_exp_rates(Lanes *x, int l, const DoubleExpRow *q)
{
    x->a[l] = q->a;
    x->b_ex[l] = q->b_ex;
    x->b_in[l] = q->b_in;
    x->f_ex[l] = q->f_ex;
    x->f_in[l] = q->f_in;
    x->n_ex[l] = q->n_ex;
    x->n_in[l] = q->n_in;
    x->k[l] = q->k;
    x->c[l] = q->c;
}

INLINE int double_exp_fading(Lanes *x, double **of)
{
    of[0] = x->ex;
    of[1] = x->in;
    of[2] = x->g_ex;
    of[3] = x->g_in;
    return 4;
}

INLINE void double_exp_factors(int lanes, const Lanes *x, int same, const double *t, Propagators *f)
{
    int l;
    (void)same;
    EACH_LANE(l) {
        const Response r = response(x->a[l], 0.0, t[l]);
        f->m[l] = 1.0 - r.lost;
        f->lost[l] = r.lost;
        f->k_0[l] = r.k;
    }
}

/* A time later: what the currents have added to u/k in the meantime, and what becomes of them. */
INLINE void move_currents(int lanes, Lanes *x, int same, const double *t, double *gained)
{
    Rise r[2];
    const Rise *ex = r, *in = rise_both(lanes, x, same, t, r);
    int l;
    EACH_LANE(l) {
        gained[l] = (x->ex[l] * ex->k_b[l] + x->g_ex[l] * ex->k_3[l]) + (x->in[l] * in->k_b[l] + x->g_in[l] * in->k_3[l]);
        x->ex[l] = x->ex[l] * ex->e_b[l] + x->g_ex[l] * ex->k_f[l];
        x->in[l] = x->in[l] * in->e_b[l] + x->g_in[l] * in->k_f[l];
        x->g_ex[l] *= ex->e_f[l];
        x->g_in[l] *= in->e_f[l];
    }
}

INLINE void double_exp_rest(int lanes, Lanes *x)
{
    Lane gained;
    move_currents(lanes, x, 0, x->resting, gained);
}

INLINE void double_exp_late(int lanes, Lanes *x, int same)
{
    Propagators g;
    Lane gained;
    int l;
    double_exp_factors(lanes, x, same, x->late, &g);
    move_currents(lanes, x, same, x->late, gained);
    EACH_LANE(l)
        x->u[l] = x->u[l] * g.m[l] + x->k[l] * (gained[l] + x->I_e[l] * g.k_0[l]);
}

/* `rising_most` of double_exp.pxi */
INLINE double lane_rising_most(double J, double g, double b, double f)
{
    const double m = b < f ? b : f, difference = fabs(f - b), height = 0.736 / m;
    return larger(J, 0.0) + larger(g, 0.0) * (difference * height > 1.0 ? 1.0 / difference : height);
}

INLINE void double_exp_drive(int lanes, Lanes *x)
{
    int l;
    EACH_LANE(l) {
        const double ex = x->ex[l], in = x->in[l], b_ex = x->b_ex[l], b_in = x->b_in[l], f_ex = x->f_ex[l], f_in = x->f_in[l];
        const double apart = lane_rising_most(ex, x->g_ex[l], b_ex, f_ex) + lane_rising_most(in, x->g_in[l], b_in, f_in);
        const double joint = lane_rising_most(ex + in, x->g_ex[l] + x->g_in[l], b_ex, f_ex);
        const double slow_b = b_ex < b_in ? b_ex : b_in, slow_f = f_ex < f_in ? f_ex : f_in;
        x->fading[l] = x->k[l] * ((b_ex == b_in) & (f_ex == f_in) ? joint : apart);
        x->rate[l] = 0.5 * (slow_b < slow_f ? slow_b : slow_f);
        x->steady[l] = x->k[l] * x->I_e[l];
    }
}

INLINE void double_exp_take(int lanes, Lanes *x, const double *w)
{
    int l;
    EACH_LANE(l) {
        const double noise = ROUNDING * (fabs(x->u[l]) + fabs(x->c[l]));
        x->g_ex[l] += larger(w[l], 0.0) * x->n_ex[l];
        x->g_in[l] += (w[l] < 0.0 ? w[l] : 0.0) * x->n_in[l];
        x->safe[l] = x->u[l] + noise < x->c[l] ? 1.0 : 0.0;
    }
}

/* What a current with a source is at most until t: it is largest at one of the ends, but for what its source, if that is positive, may
 * have raised it by: kappa(b, f, s) is below s and below 1/b and 1/f. */
INLINE double most_until(double J, double g, double b, double f, double e_b, double t)
{
    const double M = b < f ? f : b, height = M * t < 1.0 ? t : 1.0 / M;
    return larger(J, J * e_b) + larger(g, 0.0) * height;
}

/* As in lif.h; arrivals of excitation add most at the end, as the window is not longer than their current takes to rise. */
INLINE void double_exp_through(int lanes, Lanes *x, int same, const double *t, const Propagators *f)
{
    Lane most, gained, terms;
    int l;
    EACH_LANE(l) {
        const double e_ex = lane_exp(-x->b_ex[l] * t[l]), e_in = lane_exp(-x->b_in[l] * t[l]);
        const double apart = most_until(x->ex[l], x->g_ex[l], x->b_ex[l], x->f_ex[l], e_ex, t[l])
                             + most_until(x->in[l], x->g_in[l], x->b_in[l], x->f_in[l], e_in, t[l]);
        const double joint = most_until(x->ex[l] + x->in[l], x->g_ex[l] + x->g_in[l], x->b_ex[l], x->f_ex[l], e_ex, t[l]);
        most[l] = (x->b_ex[l] == x->b_in[l]) & (x->f_ex[l] == x->f_in[l]) ? joint : apart;
        terms[l] = x->k[l] * (fabs(x->ex[l]) + fabs(x->in[l]) + (fabs(x->g_ex[l]) + fabs(x->g_in[l])) * t[l] + fabs(x->I_e[l]));
    }
    move_currents(lanes, x, same, t, gained);
    EACH_LANE(l) {
        const double u = x->u[l], k = x->k[l], more = k * x->M_ex[l], J = k * (most[l] + x->I_e[l]);
        const double top = larger(u, u * f->m[l] + J * f->k_0[l]) + more;
        const double noise = ROUNDING * (fabs(u) + fabs(x->c[l]) + terms[l] * f->k_0[l] + more);
        const double v = u * f->m[l] + k * ((gained[l] + x->M_ex[l]) + x->M_in[l] + x->I_e[l] * f->k_0[l]);
        const double held = x->after[l] >= 0.0 ? 2.0 : 0.0;         /* resting to the end, or only for a part */
        x->safe[l] = x->rest[l] > 0.0 ? held : top + noise < x->c[l] ? 1.0 : 0.0;
        x->u[l] = x->safe[l] == 2.0 ? u : v;
        x->ex[l] += x->S_ex[l];
        x->in[l] += x->S_in[l];
        x->g_ex[l] += x->G_ex[l];
        x->g_in[l] += x->G_in[l];
    }
    double_exp_drive(lanes, x);
}

/* `add_rising_current` of double_exp.pxi */
INLINE void push_rising(Push *p, int l, double J, double b, double g, double f)
{
    const double fall = J < 0.0 ? J : 0.0, lift = larger(g, 0.0);
    p->slope[l] += J;
    p->rise[l] += lift / (b < f ? f : b) - fall;
    p->rate[l] += lift - b * fall;
}

/* as `wait` of double_exp.pxi */
INLINE void double_exp_push(int lanes, const Lanes *x, int same, const double *t, Push *p)
{
    Rise r[2];
    const Rise *ex = r, *in = rise_both(lanes, x, same, t, r);
    int l;
    EACH_LANE(l) {
        const Response m = response(x->a[l], 0.0, t[l]);
        const double k = x->k[l], u = x->u[l], steady = k * x->I_e[l];
        const double currents = (x->ex[l] * ex->k_b[l] + x->g_ex[l] * ex->k_3[l]) + (x->in[l] * in->k_b[l] + x->g_in[l] * in->k_3[l]);
        const double gained = k * currents + steady * m.k - u * m.lost;
        p->gap[l] = (x->c[l] - u) - gained;
        p->slope[l] = steady - x->a[l] * (u + gained);
        p->rise[l] = p->rate[l] = 0.0;
        push_rising(p, l, k * (x->ex[l] * ex->e_b[l] + x->g_ex[l] * ex->k_f[l]), x->b_ex[l], k * x->g_ex[l] * ex->e_f[l], x->f_ex[l]);
        push_rising(p, l, k * (x->in[l] * in->e_b[l] + x->g_in[l] * in->k_f[l]), x->b_in[l], k * x->g_in[l] * in->e_f[l], x->f_in[l]);
    }
}

STEP(double_exp, DoubleExpNeuron, DoubleExpRow)
ALONE(double_exp, DoubleExpNeuron, DoubleExpRow)
LIVE(double_exp, DoubleExpNeuron, DoubleExpRow)

static const Kernel eventsim_double_exp_kernel = {
    eventsim_double_exp_effects, eventsim_double_exp_step, eventsim_double_exp_alone,  NULL, NULL, NULL, NULL,
    eventsim_double_exp_join,    eventsim_double_exp_part, eventsim_double_exp_onward, eventsim_double_exp_search, 5, 7, 0, 1};

#endif
