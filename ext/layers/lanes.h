/* The inner loops of the layers: neurons of one layer side by side, one per SIMD lane.
 *
 * Plain loops that the compiler turns into vector code, compiled for several instruction sets of which the loader
 * picks one (elementary.h): every width computes the same bits.
 *
 * Loops over the state run in blocks of BLOCK lanes; state arrays are padded to whole blocks. Rows of weights are not.
 *
 *     u' = -a u + e + i + d,    e' = -b_e e,    i' = -b_i i          u = V - E_L, currents e, i, d by 1/C_m [mV/ms]
 *
 * Where b_e = b_i there is one current, e, and i is left alone; where not, e >= 0 >= i.
 */
#ifndef EVENTSIM_LANES_H
#define EVENTSIM_LANES_H
#include "solver.h"

enum { BLOCK = 8 };

typedef struct {
    double a, b_e, b_i;         /* [1/ms] */
    double t_peak, k_peak;      /* kappa(a, b_e, t) is largest, k_peak, at t_peak */
    int64_t driven;             /* is any d not 0? */
} Rates;
/* per interval dt: exp(-a dt), exp(-b_e dt), exp(-b_i dt), kappa(a, b_e, dt), kappa(a, b_i, dt), kappa(a, 0, dt) */
typedef struct { double *m, *e, *i, *ke, *ki, *k0; } Factors;

/* ---- propagators */

/* kappa(a, b, t) = int_0^t exp(-a (t-s)) exp(-b s) ds, from the larger of the two exponentials */
INLINE double lane_kappa(double slower, double difference, double t)
{
    const double inverse = 1.0 / difference;
    return difference == 0.0 ? slower * t : slower * (-lane_expm1(-difference * t) * inverse);
}

/* expm1(-a t), exp(-b_e t) and kappa(a, b_e, t) from two exponentials */
typedef struct { double z, e, k; } Pair;
INLINE Pair lane_pair(Rates q, double t)
{
    const double difference = fabs(q.b_e - q.a), inverse = 1.0 / difference;
    double z = lane_expm1(-(q.b_e < q.a ? q.b_e : q.a) * t), w = lane_expm1(-difference * t);
    double slower = 1.0 + z, faster = slower + slower * w;
    Pair x = {q.b_e < q.a ? z + slower * w : z, q.b_e < q.a ? slower : faster, slower * (difference == 0.0 ? t : -w * inverse)};
    return x;
}

LANES void eventsim_factors(int64_t n, const double *restrict dt, Rates q, Factors f)
{
    const double tau = 1.0 / q.a;
    double *restrict m = f.m, *restrict e = f.e, *restrict i = f.i;
    double *restrict ke = f.ke, *restrict ki = f.ki, *restrict k0 = f.k0;
    int64_t j;
    for (j = 0; j < n; j++) {
        Pair x = lane_pair(q, dt[j]);
        m[j] = 1.0 + x.z;
        k0[j] = -x.z * tau;
        e[j] = x.e;
        ke[j] = x.k;
    }
    if (q.b_e == q.b_i)
        for (j = 0; j < n; j++) {
            i[j] = e[j];
            ki[j] = ke[j];
        }
    else
        for (j = 0; j < n; j++) {
            i[j] = lane_exp(-q.b_i * dt[j]);
            ki[j] = lane_kappa(q.b_i < q.a ? i[j] : m[j], fabs(q.b_i - q.a), dt[j]);
        }
}

/* ---- forward */

/* An arrival: w >= 0 adds to e, w < 0 to i; k = 1/C_m. */
INLINE void lane_receive(int64_t n, Rates q, const double *restrict w, const double *restrict k, double *restrict e,
                         double *restrict i)
{
    int64_t j;
    if (q.b_e == q.b_i)
        for (j = 0; j < n; j++)
            e[j] += k[j] * w[j];
    else
        for (j = 0; j < n; j++) {
            double x = k[j] * w[j];
            e[j] += x >= 0.0 ? x : 0.0;
            i[j] += x >= 0.0 ? 0.0 : x;
        }
}

LANES void eventsim_receive(int64_t n, Rates q, const double *w, const double *k, double *e, double *i)
{
    lane_receive(n, q, w, k, e, i);
}

/* A gap between two arrivals of one sample: interval `interval` of the factors, from t0 to t1; it starts with an arrival
 * through the weights w. */
typedef struct {
    double t0, t1;
    int64_t interval;           /* -1: the sample is over */
    const double *w;            /* NULL: no arrival */
} Gap;

/* Lanes in search of the time at which u reaches c, from `origin` after the start of a gap to its end. */
typedef struct {
    int32_t *sample, *neuron;
    int64_t *open;              /* 0: the lane is clamped up to its origin, and will be released; 1: u may reach c */
    double *dt, *e0, *i0;       /* length of the gap, currents at its start */
    double *d, *c;
    double *origin, *u, *e, *i; /* where the search starts, the state there */
    double *U, *E, *I;          /* the state at the end of the gap, if there is no spike */
    double *spike, *slope;      /* found: time since the origin, infinity if there is none, and u' then */
} Search;

/* Take lane y for lane x <= y. */
INLINE void search_move(Search s, int64_t x, int64_t y)
{
    s.sample[x] = s.sample[y];
    s.neuron[x] = s.neuron[y];
    s.dt[x] = s.dt[y];
    s.e0[x] = s.e0[y];
    s.i0[x] = s.i0[y];
    s.d[x] = s.d[y];
    s.c[x] = s.c[y];
    s.origin[x] = s.origin[y];
    s.u[x] = s.u[y];
    s.e[x] = s.e[y];
    s.i[x] = s.i[y];
    s.U[x] = s.U[y];
    s.E[x] = s.E[y];
    s.I[x] = s.I[y];
}

/* Can u reach c between (u, e, i) and (U, E, I)? As a function of x = exp(-a t), u is concave where J = e + i + d falls, convex
 * where it rises, and J' has one zero at most. So, if J' has one sign at both ends:
 *     u >= c at the end: there is exactly one crossing;
 *     else, J rises:     there is none;
 *     else, J falls:     u reaches c only at a peak in between, which lies below the tangents at both ends.
 * m = exp(-a T), k0 = (1 - m)/a. Bounds are a little wider than rounding; c may be infinite. */
static const double TINY = 1e-12;
INLINE int64_t lane_may_reach(Rates q, double u, double e, double i, double d, double c, double U, double E, double I,
                              double m, double k0)
{
    double before = (e + i + d) - q.a * u, after = (E + I + d) - q.a * U;
    double fall0 = q.b_e * e + q.b_i * i, fall1 = q.b_e * E + q.b_i * I;
    double low = c - TINY * (fabs(c) + fabs(u) + k0 * (fabs(e) - i + fabs(d)));
    int64_t falls = (fall0 >= 0.0) & (fall1 >= 0.0), rises = (fall0 <= 0.0) & (fall1 <= 0.0);
    int64_t peak = (before > 0.0) & (after < 0.0) & ((low - u) * (m * before - after) <= before * (m * (U - u) - after * k0));
    return (U >= low) | (u >= c) | (!falls & !rises) | (falls & peak);
}

/* One gap of one sample: u, e, i to its end. Added to the search: lanes that may reach c, and those that are clamped until
 * free < t1. In any case u <= max(u, u exp(-a T)) + k (e + i exp(-(b_i - b_e) T)) + k0 d, k the largest kappa(a, b_e, t) of
 * the gap. */
INLINE int64_t lane_gap(int64_t n, const Gap *gap, int64_t sample, Rates q, Factors f, const double *restrict d,
                        const double *restrict c, const double *restrict free, double *restrict u, double *restrict e,
                        double *restrict i, Search s, int64_t listed, int one, int driven)
{
    const int64_t g = gap->interval;
    const double m = f.m[g], me = f.e[g], mi = f.i[g], ke = f.ke[g], ki = f.ki[g], k0 = f.k0[g];
    const double t0 = gap->t0, t1 = gap->t1, dt = t1 - t0;
    const double more = 1.0 + TINY, rho = (mi < me ? mi / me : 1.0) - TINY, most = more * (dt < q.t_peak ? ke : q.k_peak);
    for (int64_t b = 0; b < n; b += BLOCK) {
        double U[BLOCK], E[BLOCK], I[BLOCK];
        int64_t flag[BLOCK], any = 0;
#pragma GCC unroll 1                                            /* one vector, not eight copies */
        for (int64_t x = 0; x < BLOCK; x++) {
            int64_t j = b + x, held = free[j] >= t0;
            double fallen = u[j] * m, drive = one ? e[j] : e[j] * more + i[j] * rho;
            double highest = (fallen > u[j] ? fallen : u[j]) + most * (drive > 0.0 ? drive : 0.0);
            double end = fallen + (one ? e[j] * ke : e[j] * ke + i[j] * ki);
            if (driven) {
                highest += k0 * (d[j] > 0.0 ? d[j] : 0.0);
                end += d[j] * k0;
            }
            flag[x] = (held & (free[j] < t1)) | (!held & (highest >= c[j] - TINY * fabs(c[j])));
            U[x] = held ? u[j] : end;
            E[x] = e[j] * me;
            I[x] = one ? 0.0 : i[j] * mi;
            any |= flag[x];
        }
        if (any) {
            any = 0;
            for (int64_t x = 0; x < BLOCK; x++) {
                int64_t j = b + x, held = free[j] >= t0;
                flag[x] &= held | lane_may_reach(q, u[j], e[j], one ? 0.0 : i[j], d[j], c[j], U[x], E[x], I[x], m, k0);
                any |= flag[x];
            }
        }
        for (int64_t x = 0; any && x < BLOCK; x++)
            if (flag[x]) {
                int64_t j = b + x, held = free[j] >= t0;
                s.sample[listed] = (int32_t) sample;
                s.neuron[listed] = (int32_t) j;
                s.open[listed] = !held;
                s.dt[listed] = dt;
                s.e0[listed] = s.e[listed] = e[j];
                s.i0[listed] = s.i[listed] = one ? 0.0 : i[j];
                s.d[listed] = d[j];
                s.c[listed] = c[j];
                s.origin[listed] = held ? free[j] - t0 : 0.0;
                s.u[listed] = u[j];
                s.U[listed] = U[x];
                s.E[listed] = E[x];
                s.I[listed] = I[x];
                listed++;
            }
        for (int64_t x = 0; x < BLOCK; x++) {
            u[b + x] = U[x];
            e[b + x] = E[x];
            if (!one)
                i[b + x] = I[x];
        }
    }
    return listed;
}

/* The next gap of every sample, `stride` lanes each, n of them neurons; returns how many lanes there are to search. */
LANES int64_t eventsim_gaps(int64_t samples, int64_t n, int64_t stride, const Gap *gaps, Rates q, Factors f, const double *k,
                            const double *d, const double *c, const double *free, double *u, double *e, double *i, Search s)
{
    const int one = q.b_e == q.b_i;
    int64_t listed = 0;
    for (int64_t x = 0; x < samples; x++, free += stride, u += stride, e += stride, i += stride) {
        const Gap *gap = &gaps[x];
        if (gap->interval < 0)
            continue;
        if (gap->w)
            lane_receive(n, q, gap->w, k, e, i);
        if (gap->t0 == gap->t1)
            continue;
        if (one && !q.driven)
            listed = lane_gap(stride, gap, x, q, f, d, c, free, u, e, i, s, listed, 1, 0);
        else if (one)
            listed = lane_gap(stride, gap, x, q, f, d, c, free, u, e, i, s, listed, 1, 1);
        else if (!q.driven)
            listed = lane_gap(stride, gap, x, q, f, d, c, free, u, e, i, s, listed, 0, 0);
        else
            listed = lane_gap(stride, gap, x, q, f, d, c, free, u, e, i, s, listed, 0, 1);
    }
    return listed;
}

/* What a membrane gains within t, the currents then, and exp(-a t) - 1. */
typedef struct { double gained, e, i, z; } Flow;
INLINE Flow lane_flow(Rates q, double u, double e, double i, double d, double t, int one)
{
    const double tau = 1.0 / q.a;
    Pair x = lane_pair(q, t);
    double fi = one ? 0.0 : lane_exp(-q.b_i * t);
    double ki = one ? 0.0 : lane_kappa(q.b_i < q.a ? fi : 1.0 + x.z, fabs(q.b_i - q.a), t);
    Flow flow = {u * x.z + ((one ? e * x.k : e * x.k + i * ki) - d * (x.z * tau)), e * x.e, i * fi, x.z};
    return flow;
}

INLINE void lane_release(int64_t n, Rates q, Search s, int one)
{
    const double tau = 1.0 / q.a;
    for (int64_t b = 0; b < n; b += BLOCK) {
        double e[BLOCK], i[BLOCK], U[BLOCK], E[BLOCK], I[BLOCK], slope[BLOCK];
        int64_t open[BLOCK], x;
        for (x = 0; x < BLOCK; x++) {
            int64_t j = b + x, free = s.open[j];
            double u = s.u[j], d = s.d[j], c = s.c[j], t = s.origin[j], U0 = s.U[j], E0 = s.E[j], I0 = s.I[j];
            Flow end;
            e[x] = s.e0[j] * lane_exp(-q.b_e * t);
            i[x] = one ? 0.0 : s.i0[j] * lane_exp(-q.b_i * t);
            slope[x] = (e[x] + i[x] + d) - q.a * u;
            end = lane_flow(q, u, e[x], i[x], d, s.dt[j] - t, one);
            U[x] = free ? U0 : u + end.gained;
            E[x] = free ? E0 : end.e;
            I[x] = free ? I0 : end.i;
            open[x] = free | lane_may_reach(q, u, e[x], i[x], d, c, U[x], E[x], I[x], 1.0 + end.z, -end.z * tau);
        }
        for (x = 0; x < BLOCK; x++) {
            s.e[b + x] = e[x];
            s.i[b + x] = i[x];
            s.U[b + x] = U[x];
            s.E[b + x] = E[x];
            s.I[b + x] = I[x];
            s.slope[b + x] = slope[x];
            s.open[b + x] = open[x];
        }
    }
}

/* The clamped ones of the first n lanes start at their origins with membrane u: where they are at the end of the gap, the slope
 * at the origin, and whether they may reach c. Arrays have room for whole blocks. */
LANES void eventsim_release(int64_t n, Rates q, Search s)
{
    if (q.b_e == q.b_i)
        lane_release(n, q, s, 1);
    else
        lane_release(n, q, s, 0);
}

/* Lanes in search of their first crossing, from 0 to T, a few blocks at a time. */
enum { WIDE = 4 * BLOCK };
typedef struct {
    double u[WIDE], e[WIDE], i[WIDE], d[WIDE], c[WIDE], T[WIDE];
    double t[WIDE], lo[WIDE], hi[WIDE], spike[WIDE], slope[WIDE];
    int64_t on[WIDE], sure[WIDE], hard[WIDE];
} Wide;

/* Where to begin: where the parabola at 0 reaches c, as a function of s = (1 - exp(-b_e t))/b_e, of which u is nearly a linear
 * one; else at the peak, near the zero of the line through the slopes at both ends. */
INLINE void lane_begin(Wide *restrict x, int j, Rates q, double U, double E, double I)
{
    double u = x->u[j], T = x->T[j], g = x->c[j] - u;
    double before = (x->e[j] + x->i[j] + x->d[j]) - q.a * u, after = (E + I + x->d[j]) - q.a * U;
    double fall0 = q.b_e * x->e[j] + q.b_i * x->i[j], fall1 = q.b_e * E + q.b_i * I;
    double root = sqrt(before * before + 2.0 * ((q.b_e - q.a) * before - fall0) * g), z = -q.b_e * 2.0 * g / (before + root);
    double parabola = -lane_log1p(z > -1.0 ? z : 0.0) / q.b_e, peak = T * before / (before - after);
    double t = (parabola > 0.0) & (parabola < T) ? parabola : peak;
    int64_t falls = (fall0 >= 0.0) & (fall1 >= 0.0), rises = (fall0 <= 0.0) & (fall1 <= 0.0), on = x->on[j];
    int64_t there = g <= 0.0, above = U >= x->c[j];
    x->t[j] = (t > 0.0) & (t < T) ? t : 0.5 * T;
    x->lo[j] = 0.0;
    x->hi[j] = T;
    x->sure[j] = above;
    x->spike[j] = on & there ? 0.0 : INFINITY;
    x->slope[j] = before;
    x->hard[j] = on & !there & !falls & !rises;
    x->on[j] = on & !there & ((above & (falls | rises)) | (falls & (before > 0.0) & (after < 0.0)));
}

/* One step of a lane whose J' has one sign, and which, if it is sure, crosses c between lo and hi: to where the parabola at t
 * does, corrected for the next two derivatives; that is the crossing if the one after them is lost in rounding. Else, or if the
 * parabola does not reach c, to the peak, a zero of u' exp(a t), which is monotone: Newton's step. There is no crossing if the
 * tangent does not reach c (see above), or the peak. */
INLINE void lane_step(Wide *restrict x, int j, Rates q, int one)
{
    double t = x->t[j], lo = x->lo[j], hi = x->hi[j];
    Flow now = lane_flow(q, x->u[j], x->e[j], x->i[j], x->d[j], t, one);
    double e1 = q.b_e * now.e, e2 = q.b_e * e1, e3 = q.b_e * e2, e4 = q.b_e * e3;
    double i1 = q.b_i * now.i, i2 = q.b_i * i1, i3 = q.b_i * i2, i4 = q.b_i * i3;
    double g = (x->c[j] - x->u[j]) - now.gained, d1 = (now.e + now.i + x->d[j]) - q.a * (x->u[j] + now.gained);
    double d2 = -(e1 + i1) - q.a * d1, d3 = (e2 + i2) - q.a * d2, d4 = -(e3 + i3) - q.a * d3, d5 = (e4 + i4) - q.a * d4;
    double square = d1 * d1 + 2.0 * d2 * g, root = sqrt(square);
    int64_t on = x->on[j], above = !(g > 0.0), sure = x->sure[j] | above, ahead = (!above) & (sure | (d1 > 0.0)), parabola = square >= 0.0;
    double h = (parabola ? 2.0 * g : d1) / (parabola ? d1 + root : e1 + i1), h2 = h * h;
    double slope = root + h2 * (0.5 * d3 + h * ((1.0 / 6.0) * d4 + h * (1.0 / 24.0) * d5));
    double more = h * h2 * ((1.0 / 6.0) * d3 + h * (1.0 / 24.0) * d4) / slope;
    double lost = fabs(h * h2 * h2 * (1.0 / 120.0) * d5) + fabs(more * more * d2), next = t + (parabola ? h - more : h);
    int64_t close = parabola & (lost <= 0x1p-54 * t * slope);
    int64_t none = (!sure) & (((!parabola) & (fabs(h) <= 0x1p-26 * t)) | ((d1 > 0.0) & (g > d1 * (hi - t)))
                            | ((d1 <= 0.0) & (q.a * g * (1.0 + now.z) > d1 * now.z)));
    int64_t found = on & close & !none;
    lo = ahead ? t : lo;
    hi = ahead ? hi : t;
    x->spike[j] = found & (next < x->T[j]) ? next : x->spike[j];
    x->slope[j] = found ? slope - more * (d2 + h * d3) : x->slope[j];
    x->on[j] = on & !none & !found;
    x->sure[j] = sure;
    x->lo[j] = lo;
    x->hi[j] = hi;
    x->t[j] = (next > lo) & (next < hi) ? next : 0.5 * (lo + hi);
}

/* The hard ones: certified steps, as in the event loop. */
INLINE void lane_certified(Wide *restrict x, int n, Rates q, double resolution, int one)
{
    double t[WIDE] = {0.0}, wait[WIDE], slope[WIDE];
    int64_t going;
    int j;
    do {
        going = 0;
        for (j = 0; j < n; j++) {
            Flow now = lane_flow(q, x->u[j], x->e[j], x->i[j], x->d[j], t[j], one);
            double du = (now.e + now.i + x->d[j]) - q.a * (x->u[j] + now.gained), g = (x->c[j] - x->u[j]) - now.gained, w;
            double e = now.e < 0.0 ? now.e : 0.0;
            int64_t on;
            w = lane_wait(g, q.a, du, -(e + now.i), -(q.b_e * e + q.b_i * now.i), 1);
            wait[j] = w = g > 0.0 ? w : 0.0;
            /* the last step is at hand, and quadratic: slope after it */
            slope[j] = du + (w <= resolution * t[j] ? w : 0.0) * (-q.b_e * now.e - q.b_i * now.i - q.a * du);
            on = x->hard[j] & (w > resolution * t[j]) & (t[j] + w < x->T[j]);
            t[j] = on ? t[j] + w : t[j];
            going |= on;
        }
    } while (going);
    for (j = 0; j < n; j++)
        if (x->hard[j]) {
            x->spike[j] = (wait[j] <= resolution * t[j]) & (t[j] + wait[j] < x->T[j]) ? t[j] + wait[j] : INFINITY;
            x->slope[j] = slope[j];
        }
}

INLINE void lane_search(int64_t n, Rates q, double resolution, Search s, int one)
{
    for (int64_t b = 0; b < n; b += WIDE) {
        Wide x;
        int64_t going[WIDE / BLOCK], any = 0, hard = 0;
        const int last = n - b < WIDE ? (int) (n - b) : WIDE, wide = (last + BLOCK - 1) / BLOCK * BLOCK;
        int j, v, rounds;
        for (j = 0; j < wide; j++) {
            x.u[j] = s.u[b + j];
            x.e[j] = s.e[b + j];
            x.i[j] = s.i[b + j];
            x.d[j] = s.d[b + j];
            x.c[j] = s.c[b + j];
            x.T[j] = s.dt[b + j] - s.origin[b + j];
            x.on[j] = j < last;
            lane_begin(&x, j, q, s.U[b + j], s.E[b + j], s.I[b + j]);
        }
        for (rounds = 0; rounds < 60; rounds++) {
            any = 0;
            for (v = 0; v < wide; v += BLOCK) {
                if (rounds && !going[v / BLOCK])
                    continue;
                going[v / BLOCK] = 0;
                for (j = 0; j < BLOCK; j++) {
                    lane_step(&x, v + j, q, one);
                    going[v / BLOCK] |= x.on[v + j];
                }
                any |= going[v / BLOCK];
            }
            if (!any)
                break;
        }
        for (j = 0; j < wide; j++)
            hard |= x.hard[j] |= x.on[j];
        if (hard)
            lane_certified(&x, wide, q, resolution, one);
        for (j = 0; j < last; j++) {
            s.spike[b + j] = x.spike[j];
            s.slope[b + j] = x.slope[j];
        }
    }
}

/* The first crossings of the first n lanes. */
LANES void eventsim_crossings(int64_t n, Rates q, double resolution, Search s)
{
    if (q.b_e == q.b_i)
        lane_search(n, q, resolution, s, 1);
    else
        lane_search(n, q, resolution, s, 0);
}

/* ---- backward: costates p = dL/du, dL/de, dL/di of the lanes */

/* the transpose of eventsim_gap; pi stays where there is one current */
LANES void eventsim_gap_back(int64_t n, Rates q, Factors f, int64_t g, double *restrict pu, double *restrict pe,
                             double *restrict pi)
{
    const double m = f.m[g], me = f.e[g], mi = f.i[g], ke = f.ke[g], ki = f.ki[g];
    int64_t j;
    if (q.b_e == q.b_i)
        for (j = 0; j < n; j++) {
            pe[j] = pe[j] * me + pu[j] * ke;
            pu[j] *= m;
        }
    else
        for (j = 0; j < n; j++) {
            pe[j] = pe[j] * me + pu[j] * ke;
            pi[j] = pi[j] * mi + pu[j] * ki;
            pu[j] *= m;
        }
}

/* the transpose of eventsim_receive: dL/dw */
LANES void eventsim_receive_back(int64_t n, Rates q, const double *restrict w, const double *restrict k, const double *pe,
                                 const double *pi, double *restrict dw)
{
    int64_t j;
    if (q.b_e == q.b_i)
        for (j = 0; j < n; j++)
            dw[j] += k[j] * pe[j];
    else
        for (j = 0; j < n; j++)
            dw[j] += k[j] * (w[j] >= 0.0 ? pe[j] : pi[j]);
}

/* dL/d(time of the arrival): a later arrival changes the current by +b w and the membrane by -w. By target, and their sum. */
LANES double eventsim_arrival_back(int64_t n, Rates q, const double *restrict w, const double *restrict k,
                                   const double *restrict pu, const double *pe, const double *pi, double *restrict dt)
{
    double part[BLOCK] = {0.0};
    int64_t j, x;
    for (j = 0; j < n; j++)
        dt[j] = k[j] * w[j] * ((w[j] >= 0.0 ? q.b_e * pe[j] : q.b_i * pi[j]) - pu[j]);
    for (j = 0; j + BLOCK <= n; j += BLOCK)
        for (x = 0; x < BLOCK; x++)
            part[x] += dt[j + x];
    for (; j < n; j++)
        part[0] += dt[j];
    return ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
}

#endif
