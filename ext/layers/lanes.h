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
#include "elementary.h"

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
LANES void eventsim_receive(int64_t n, Rates q, const double *restrict w, const double *restrict k,
                            double *restrict e, double *restrict i)
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

/* Where can u reach c within a gap? As a function of x = exp(-a t), u is concave where J = e + i + d falls, convex where it
 * rises, and J' has one zero at most. So, if J' has one sign at both ends of the gap:
 *     u >= c at the end: there is exactly one crossing;
 *     else, J rises:     there is none;
 *     else, J falls:     there is none if the tangent of u at the start does not reach c before the end.
 * In any case u <= max(u, u exp(-a T)) + k (e + i exp(-(b_i - b_e) T)) + k0 d, k the largest kappa(a, b_e, t) of the gap.
 *
 * One gap from t0 to t1, interval g of f, to the states U, E, I. Lanes whose membrane may reach c, and those that are clamped
 * until free < t1, are listed; returns how many. */
INLINE int64_t lane_gap(int64_t n, double t0, double t1, Rates q, Factors f, int64_t g,
                        const double *restrict u, const double *restrict e, const double *restrict i,
                        const double *restrict d, const double *restrict c, const double *restrict free,
                        double *restrict U, double *restrict E, double *restrict I, int32_t *restrict list, int one, int driven)
{
    const double m = f.m[g], me = f.e[g], mi = f.i[g], ke = f.ke[g], ki = f.ki[g], k0 = f.k0[g];
    const double tiny = 1e-12, more = 1.0 + tiny;           /* every bound is a little wider than rounding */
    const double rho = (mi < me ? mi / me : 1.0) - tiny, most = more * (t1 - t0 < q.t_peak ? ke : q.k_peak);
    int64_t listed = 0;
    for (int64_t b = 0; b < n; b += BLOCK) {
        int64_t flag[BLOCK], any = 0;
        for (int64_t x = 0; x < BLOCK; x++) {
            int64_t j = b + x, held = free[j] >= t0;
            double fallen = u[j] * m, drive = one ? e[j] : e[j] * more + i[j] * rho;
            double highest = (fallen > u[j] ? fallen : u[j]) + most * (drive > 0.0 ? drive : 0.0);
            double end = fallen + (one ? e[j] * ke : e[j] * ke + i[j] * ki);
            if (driven) {
                highest += k0 * (d[j] > 0.0 ? d[j] : 0.0);
                end += d[j] * k0;
            }
            flag[x] = (held & (free[j] < t1)) | (!held & (highest >= c[j] - tiny * fabs(c[j])));      /* no: c infinite */
            U[j] = held ? u[j] : end;
            E[j] = e[j] * me;
            if (!one)
                I[j] = i[j] * mi;
            any |= flag[x];
        }
        if (!any)
            continue;
        for (int64_t x = 0; x < BLOCK; x++) {
            int64_t j = b + x, held = free[j] >= t0;
            double J = e[j] + i[j] + d[j], du = J - q.a * u[j];
            double wide = tiny * (fabs(c[j]) + k0 * (fabs(e[j]) - i[j] + fabs(d[j])));
            double before = q.b_e * e[j] + q.b_i * i[j], after = q.b_e * E[j] + q.b_i * I[j];
            int64_t falls = (before >= 0.0) & (after >= 0.0), rises = (before <= 0.0) & (after <= 0.0);
            int64_t reached = (U[j] + wide >= c[j]) | (u[j] >= c[j]);
            flag[x] &= held | reached | (!falls & !rises) | (falls & (du > 0.0) & ((J - q.a * c[j]) + q.a * wide > m * du));
        }
        for (int64_t x = 0; x < BLOCK; x++)
            if (flag[x])
                list[listed++] = (int32_t) (b + x);
    }
    return listed;
}

LANES int64_t eventsim_gap(int64_t n, double t0, double t1, Rates q, Factors f, int64_t g, const double *u, const double *e,
                           const double *i, const double *d, const double *c, const double *free,
                           double *U, double *E, double *I, int32_t *list)
{
    const int one = q.b_e == q.b_i;
    if (one && !q.driven)
        return lane_gap(n, t0, t1, q, f, g, u, e, i, d, c, free, U, E, I, list, 1, 0);
    if (one)
        return lane_gap(n, t0, t1, q, f, g, u, e, i, d, c, free, U, E, I, list, 1, 1);
    if (!q.driven)
        return lane_gap(n, t0, t1, q, f, g, u, e, i, d, c, free, U, E, I, list, 0, 0);
    return lane_gap(n, t0, t1, q, f, g, u, e, i, d, c, free, U, E, I, list, 0, 1);
}

/* `crossing` of solver.pxi without branches, for a > 0. */
INLINE double lane_crossing(double g, double d, double a)
{
    const double tau = 1.0 / a;
    double q = a * g, ratio = -q / d;
    ratio = -lane_log1p(q < d ? ratio : 0.0) * tau;
    return q < d ? ratio : INFINITY;
}

/* `certified_wait` of solver.pxi without branches, for a > 0. */
INLINE double lane_wait(double g, double a, double slope, double rise, double rate)
{
    double growth = rate - a * (slope < 0.0 ? slope : 0.0), root = sqrt(slope * slope + 2.0 * growth * g);
    double up = 4.0 * g / (slope + root), down = 2.0 * (root - slope) / growth;
    double h = rise > 0.0 ? (slope > 0.0 ? up : down) : INFINITY;
    double gain = rate * h < rise ? rate * h : rise, wait = lane_crossing(g, slope + gain, a), late = -a * slope / rate;
    late = lane_log1p((rise > 0.0) & (slope < 0.0) ? late : 0.0) / a;
    wait = h < wait ? h : wait;
    wait = late > wait ? late : wait;
    return a * g >= slope + rise ? INFINITY : wait;
}

/* What a membrane gains within t, the currents then, and exp(-a t). */
typedef struct { double gained, e, i, left; } Flow;
INLINE Flow lane_flow(Rates q, double u, double e, double i, double d, double t, int one)
{
    const double tau = 1.0 / q.a;
    Pair x = lane_pair(q, t);
    double fi = one ? 0.0 : lane_exp(-q.b_i * t);
    double ki = one ? 0.0 : lane_kappa(q.b_i < q.a ? fi : 1.0 + x.z, fabs(q.b_i - q.a), t);
    Flow flow = {u * x.z + ((one ? e * x.k : e * x.k + i * ki) - d * (x.z * tau)), e * x.e, i * fi, 1.0 + x.z};
    return flow;
}

/* A block of lanes in search of their first crossing, from 0 to T. */
typedef struct {
    double u[BLOCK], e[BLOCK], i[BLOCK], d[BLOCK], c[BLOCK], T[BLOCK], m[BLOCK];    /* m = exp(-a T) */
    double t[BLOCK], lo[BLOCK], hi[BLOCK], spike[BLOCK], slope[BLOCK];
    int64_t on[BLOCK], sure[BLOCK], hard[BLOCK];
} Block;

/* One step of a lane whose J' has one sign: Halley's, kept between lo, before the crossing, and hi. Where u is below c and
 * rises, the crossing is yet to come, if there is one; there is none if the tangent (see above) does not reach c before T. */
INLINE void lane_step(Block *restrict x, int j, Rates q, Flow now)
{
    double t = x->t[j], J = now.e + now.i + x->d[j], du = J - q.a * (x->u[j] + now.gained);
    double g = (x->c[j] - x->u[j]) - now.gained;
    double d2 = -(q.b_e * now.e + q.b_i * now.i) - q.a * du, d3 = q.b_e * q.b_e * now.e + q.b_i * q.b_i * now.i - q.a * d2;
    double step = 2.0 * g * du / (2.0 * du * du + g * d2), next = t + step, middle;
    int64_t on = x->on[j], above = !(g > 0.0), start = t == 0.0, open, none, lost, close;
    x->sure[j] |= above;
    open = on & !x->sure[j];
    none = open & ((start & (du <= 0.0)) | ((du > 0.0) & ((du - q.a * g) * now.left <= x->m[j] * du)));
    lost = open & !start & (du <= 0.0);
    x->lo[j] = on & !above ? t : x->lo[j];
    x->hi[j] = on & above ? t : x->hi[j];
    close = fabs(step) <= 0x1p-20 * t;          /* the error of the next step is about its cube */
    middle = 0.5 * (x->lo[j] + x->hi[j]);
    next = close | ((next > x->lo[j]) & (next < x->hi[j])) ? next : middle;
    next = start & above ? 0.0 : next;
    close = on & !none & !lost & (close | (start & above));
    step = next - t;
    x->spike[j] = close & (next < x->T[j]) ? next : x->spike[j];
    x->slope[j] = close ? du + step * (d2 + 0.5 * step * d3) : x->slope[j];
    x->hard[j] |= lost;
    x->on[j] = on & !none & !lost & !close;
    x->t[j] = next;
}

/* With one current, which falls, the membrane has one peak, at t = log(1 + (b - a) u'/(b e))/(b - a): above c there or not? */
INLINE void lane_peak(Block *restrict x, int j, Rates q)
{
    const double delta = q.b_e - q.a, inverse = 1.0 / delta;
    double y = ((x->e[j] + x->d[j]) - q.a * x->u[j]) / (q.b_e * x->e[j]), z = -delta * y, peak, gained;
    int64_t open = x->on[j] & !x->sure[j], above;
    peak = delta == 0.0 ? y : -lane_log1p(z > -1.0 ? z : 0.0) * inverse;
    open &= z > -1.0;
    peak = open & (peak < x->T[j]) ? peak : 0.0;
    gained = lane_flow(q, x->u[j], x->e[j], 0.0, x->d[j], peak, 1).gained;
    above = x->sure[j] | (open & ((x->c[j] - x->u[j]) - gained <= 0.0));
    x->hi[j] = open & above ? peak : x->hi[j];
    x->on[j] &= above;
    x->sure[j] = above;
}

INLINE void lane_search(Block *restrict x, Rates q, int one)
{
    int64_t going = 0, unsure = 0;
    int j, rounds;
    for (j = 0; j < BLOCK; j++) {
        Flow now = {0.0, x->e[j], x->i[j], 1.0};
        lane_step(x, j, q, now);
        going |= x->on[j];
        unsure |= x->on[j] & !x->sure[j];
    }
    if (one && unsure) {
        going = 0;
        for (j = 0; j < BLOCK; j++) {
            lane_peak(x, j, q);
            x->t[j] = x->t[j] < x->hi[j] ? x->t[j] : 0.5 * x->hi[j];
            going |= x->on[j];
        }
    }
    for (rounds = 0; going && rounds < 40; rounds++) {
        going = 0;
        for (j = 0; j < BLOCK; j++) {
            Flow now = lane_flow(q, x->u[j], x->e[j], x->i[j], x->d[j], x->t[j], one);
            lane_step(x, j, q, now);
            going |= x->on[j];
        }
    }
    for (j = 0; j < BLOCK; j++)
        x->hard[j] |= x->on[j];
}

/* The hard ones: certified steps, as in the event loop. */
INLINE void lane_certified(Block *restrict x, Rates q, double resolution, int one)
{
    double t[BLOCK] = {0.0}, wait[BLOCK], slope[BLOCK];
    int64_t going;
    int j;
    do {
        going = 0;
        for (j = 0; j < BLOCK; j++) {
            Flow now = lane_flow(q, x->u[j], x->e[j], x->i[j], x->d[j], t[j], one);
            double du = (now.e + now.i + x->d[j]) - q.a * (x->u[j] + now.gained), g = (x->c[j] - x->u[j]) - now.gained, w;
            double e = now.e < 0.0 ? now.e : 0.0;
            int64_t on;
            w = lane_wait(g, q.a, du, -(e + now.i), -(q.b_e * e + q.b_i * now.i));
            wait[j] = w = g > 0.0 ? w : 0.0;
            /* the last step is at hand, and quadratic: slope after it */
            slope[j] = du + (w <= resolution * t[j] ? w : 0.0) * (-q.b_e * now.e - q.b_i * now.i - q.a * du);
            on = x->hard[j] & (w > resolution * t[j]) & (t[j] + w < x->T[j]);
            t[j] = on ? t[j] + w : t[j];
            going |= on;
        }
    } while (going);
    for (j = 0; j < BLOCK; j++)
        if (x->hard[j]) {
            x->spike[j] = (wait[j] <= resolution * t[j]) & (t[j] + wait[j] < x->T[j]) ? t[j] + wait[j] : INFINITY;
            x->slope[j] = slope[j];
        }
}

/* Lanes that start within the gap: their currents then, their membrane at the end. */
INLINE void lane_late(Block *restrict x, Rates q, const double *restrict origin, double *restrict U, int one)
{
    for (int j = 0; j < BLOCK; j++) {
        Flow end;
        x->e[j] *= lane_exp(-q.b_e * origin[j]);
        x->i[j] *= one ? 0.0 : lane_exp(-q.b_i * origin[j]);
        end = lane_flow(q, x->u[j], x->e[j], x->i[j], x->d[j], x->T[j], one);
        U[j] = origin[j] > 0.0 ? x->u[j] + end.gained : U[j];
        x->m[j] = end.left;
    }
}

/* First crossings of listed lanes. Lane j starts at `origin` after the start of a gap of length dt (m = exp(-a dt)), with membrane u and the
 * currents e, i of the start of the gap; E, I are those of its end, U the membrane there unless origin > 0: then it is found.
 * Found: time of the spike since the origin (infinity: none before the end of the gap) and slope there; slope at the origin.
 * Arrays padded to blocks. */
LANES void eventsim_crossings(int64_t n, double dt, double m, Rates q, double resolution, const double *restrict origin,
                              const double *restrict u, const double *restrict e, const double *restrict i,
                              const double *restrict d, const double *restrict c,
                              const double *restrict E, const double *restrict I, double *restrict U,
                              double *restrict spike, double *restrict slope, double *restrict start)
{
    const int one = q.b_e == q.b_i;
    for (int64_t b = 0; b < n; b += BLOCK) {
        Block x;
        int64_t late = 0, hard = 0;
        int j;
        for (j = 0; j < BLOCK; j++) {
            late |= origin[b + j] > 0.0;
            x.u[j] = u[b + j];
            x.e[j] = e[b + j];
            x.i[j] = i[b + j];
            x.d[j] = d[b + j];
            x.c[j] = c[b + j];
            x.T[j] = dt - origin[b + j];
            x.m[j] = m;
        }
        if (late && one)
            lane_late(&x, q, origin + b, U + b, 1);
        else if (late)
            lane_late(&x, q, origin + b, U + b, 0);
        for (j = 0; j < BLOCK; j++) {
            double before = q.b_e * x.e[j] + q.b_i * x.i[j], after = q.b_e * E[b + j] + q.b_i * I[b + j];
            int64_t falls = (before >= 0.0) & (after >= 0.0), rises = (before <= 0.0) & (after <= 0.0);
            int64_t above = (U[b + j] >= x.c[j]) | (x.u[j] >= x.c[j]);
            start[b + j] = (x.e[j] + x.i[j] + x.d[j]) - q.a * x.u[j];
            x.sure[j] = above;
            x.hard[j] = !falls & !rises;
            x.on[j] = falls | (rises & above);
            x.t[j] = x.lo[j] = x.slope[j] = 0.0;
            x.hi[j] = x.T[j];
            x.spike[j] = INFINITY;
        }
        if (one)
            lane_search(&x, q, 1);
        else
            lane_search(&x, q, 0);
        for (j = 0; j < BLOCK; j++)
            hard |= x.hard[j];
        if (hard && one)
            lane_certified(&x, q, resolution, 1);
        else if (hard)
            lane_certified(&x, q, resolution, 0);
        for (j = 0; j < BLOCK; j++) {
            spike[b + j] = x.spike[j];
            slope[b + j] = x.slope[j];
        }
    }
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
