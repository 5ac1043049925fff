/* The inner loops of layers.pxi: neurons of one layer side by side, one per SIMD lane.
 *
 * Plain loops that the compiler turns into vector code, compiled for several instruction sets of which the loader
 * picks one. No fast-math, no contraction: every width computes the same bits. libm has no vector exp that is the same
 * on all machines, so exp, expm1 and log1p are polynomials of our own, good to 2 ulp.
 *
 * Loops over the state run in blocks of BLOCK lanes; state arrays are padded to whole blocks. Rows of weights are not.
 *
 *     u' = -a u + e + i + d,    e' = -b_e e,    i' = -b_i i          u = V - E_L, currents e, i, d by 1/C_m [mV/ms]
 *
 * Where b_e = b_i there is one current, e, and i is left alone; where not, e >= 0 >= i.
 */
#ifndef EVENTSIM_LANES_H
#define EVENTSIM_LANES_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define LANES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LANES
#endif
#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = 8 };

typedef struct { double a, b_e, b_i; } Rates;                   /* [1/ms] */
typedef struct { double *m, *e, *i, *ke, *ki, *k0; } Factors;   /* per interval dt: exp(-a dt), exp(-b dt), kappa(a, b, dt), kappa(a, 0, dt) */

/* ---- exp, expm1, log1p */

/* x <= 0: scale * (1 + p) = exp(x) */
INLINE double exp_parts(double x, double *scale)
{
    const double magic = 6755399441055744.0;                    /* 1.5 * 2^52: adding it rounds to whole numbers */
    double n, r, r2, r4, p;
    int64_t bits;
    x = x > -700.0 ? x : -700.0;
    n = x * 1.4426950408889634 + magic;
    memcpy(&bits, &n, 8);
    bits = (bits + 1023) << 52;
    memcpy(scale, &bits, 8);
    n -= magic;
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    r2 = r * r;
    r4 = r2 * r2;
    p = ((0.5 + r * (1.0 / 6.0)) + (1.0 / 24.0 + r * (1.0 / 120.0)) * r2)
        + ((1.0 / 720.0 + r * (1.0 / 5040.0)) + (1.0 / 40320.0 + r * (1.0 / 362880.0)) * r2) * r4
        + ((1.0 / 3628800.0 + r * (1.0 / 39916800.0)) + (1.0 / 479001600.0 + r * (1.0 / 6227020800.0)) * r2) * (r4 * r4);
    return r + r2 * p;
}

INLINE double lane_exp(double x)        /* x <= 0 */
{
    double scale, p = exp_parts(x, &scale);
    return scale + scale * p;
}

INLINE double lane_expm1(double x)      /* x <= 0 */
{
    double scale, p = exp_parts(x, &scale);
    return scale * p + (scale - 1.0);
}

INLINE double lane_log1p(double x)      /* x > -1 */
{
    double u = 1.0 + x, lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x), k, m, f, s, z, w, r;
    int64_t bits, exponent;
    memcpy(&bits, &u, 8);
    bits += 0x3ff0000000000000 - 0x3fe6a09e00000000;            /* mantissa from sqrt(1/2) to sqrt(2) */
    exponent = (bits >> 52) + (0x4338000000000000 - 1023);
    memcpy(&k, &exponent, 8);
    k -= 6755399441055744.0;
    bits = (bits & 0x000fffffffffffff) + 0x3fe6a09e00000000;
    memcpy(&m, &bits, 8);
    f = m - 1.0;
    s = f / (2.0 + f);
    z = s * s;
    w = z * z;
    r = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)))
        + w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    r = f - (0.5 * f * f - s * (0.5 * f * f + r));
    return k * 6.93147180369123816490e-01 + (r + (k * 1.90821492927058770002e-10 + lost / u));
}

/* ---- propagators */

/* kappa(a, b, t) = int_0^t exp(-a (t-s)) exp(-b s) ds, from the larger of the two exponentials */
INLINE double lane_kappa(double slower, double difference, double t)
{
    const double inverse = 1.0 / difference;
    return difference == 0.0 ? slower * t : slower * (-lane_expm1(-difference * t) * inverse);
}

LANES void eventsim_factors(int64_t n, const double *dt, Rates q, Factors f)
{
    const double de = fabs(q.b_e - q.a), di = fabs(q.b_i - q.a);
    const int one_current = q.b_e == q.b_i;
    int64_t j;
    for (j = 0; j < n; j++) {
        double z = lane_expm1(-q.a * dt[j]);
        f.m[j] = 1.0 + z;
        f.k0[j] = -z / q.a;
        f.e[j] = lane_exp(-q.b_e * dt[j]);
    }
    for (j = 0; j < n; j++) {
        double slower = q.b_e < q.a ? f.e[j] : f.m[j];
        f.ke[j] = de == 0.0 ? slower * dt[j] : slower * (-lane_expm1(-de * dt[j]) / de);
    }
    if (one_current) {
        memcpy(f.i, f.e, n * sizeof(double));
        memcpy(f.ki, f.ke, n * sizeof(double));
        return;
    }
    for (j = 0; j < n; j++) {
        double slower;
        f.i[j] = lane_exp(-q.b_i * dt[j]);
        slower = q.b_i < q.a ? f.i[j] : f.m[j];
        f.ki[j] = di == 0.0 ? slower * dt[j] : slower * (-lane_expm1(-di * dt[j]) / di);
    }
}

/* ---- forward */

/* An arrival: w >= 0 adds to e, w < 0 to i; k = 1/C_m. */
LANES void eventsim_receive(int64_t n, Rates q, const double *restrict w, const double *restrict k, double *restrict e, double *restrict i)
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

/* One gap between arrivals, from t0 to t1, interval g of f, to the states U, E, I. A lane whose membrane might reach c
 * (docs/numerics.md: the drive of the gap is at most that of its start) or which is clamped until free < t1 is listed;
 * returns how many. */
LANES int64_t eventsim_gap(int64_t n, double t0, double t1, Rates q, Factors f, int64_t g,
                           const double *restrict u, const double *restrict e, const double *restrict i,
                           const double *restrict d, const double *restrict c, const double *restrict free,
                           double *restrict U, double *restrict E, double *restrict I, int32_t *restrict list)
{
    const double m = f.m[g], me = f.e[g], mi = f.i[g], ke = f.ke[g], ki = f.ki[g], k0 = f.k0[g];
    const double rho = mi < me ? mi / me : 1.0;                 /* how much faster inhibition fades */
    int64_t listed = 0;
    for (int64_t b = 0; b < n; b += BLOCK) {
        int64_t flag[BLOCK], any = 0;
        for (int64_t x = 0; x < BLOCK; x++) {
            int64_t j = b + x;
            double fallen = u[j] * m, drive = e[j] + i[j] * rho, size = 1e-13 * (fabs(c[j]) + fabs(u[j]) + k0 * (fabs(e[j]) - i[j] + fabs(d[j])));
            double bound, flow = fallen + ((e[j] * ke + i[j] * ki) + d[j] * k0);
            int64_t held = free[j] >= t0, may;
            drive = (drive > 0.0 ? drive : 0.0) + d[j];
            bound = (fallen > u[j] ? fallen : u[j]) + k0 * (drive > 0.0 ? drive : 0.0);
            may = (held & (free[j] < t1)) | (!held & (bound + size >= c[j]));
            U[j] = held ? u[j] : flow;
            E[j] = e[j] * me;
            I[j] = i[j] * mi;
            flag[x] = may;
            any |= may;
        }
        if (any)
            for (int64_t x = 0; x < BLOCK; x++)
                if (flag[x])
                    list[listed++] = (int32_t) (b + x);
    }
    return listed;
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

/* What a membrane gains within t, and the currents then. */
typedef struct { double gained, e, i; } Flow;
INLINE Flow lane_flow(Rates q, double u, double e, double i, double d, double t, int one)
{
    const double tau = 1.0 / q.a;
    double z = lane_expm1(-q.a * t), fe = lane_exp(-q.b_e * t), fi = one ? 0.0 : lane_exp(-q.b_i * t);
    double ke = lane_kappa(q.b_e < q.a ? fe : 1.0 + z, fabs(q.b_e - q.a), t);
    double ki = one ? 0.0 : lane_kappa(q.b_i < q.a ? fi : 1.0 + z, fabs(q.b_i - q.a), t);
    Flow flow = {u * z + ((one ? e * ke : e * ke + i * ki) - d * (z * tau)), e * fe, i * fi};
    return flow;
}

typedef struct { double u[BLOCK], e[BLOCK], i[BLOCK], d[BLOCK], c[BLOCK], end[BLOCK], spike[BLOCK], slope[BLOCK]; } Block;

/* First crossing of each lane before `end`; one: there is one current; falls: no current can rise. */
INLINE void lane_block(Block *restrict x, Rates q, double resolution, int one, int falls)
{
    double t[BLOCK] = {0.0}, wait[BLOCK];
    int64_t going;
    int j;
    do {
        going = 0;
        for (j = 0; j < BLOCK; j++) {
            Flow now = lane_flow(q, x->u[j], x->e[j], x->i[j], x->d[j], t[j], one);
            double du = (now.e + now.i + x->d[j]) - q.a * (x->u[j] + now.gained), g = (x->c[j] - x->u[j]) - now.gained, w;
            int64_t on;
            if (falls)
                w = lane_crossing(g, du, q.a);
            else {
                double e = now.e < 0.0 ? now.e : 0.0;
                w = lane_wait(g, q.a, du, -(e + now.i), -(q.b_e * e + q.b_i * now.i));
            }
            wait[j] = w = g > 0.0 ? w : 0.0;
            /* the last step is at hand, and quadratic: slope after it */
            x->slope[j] = du + (w <= resolution * t[j] ? w : 0.0) * (-q.b_e * now.e - q.b_i * now.i - q.a * du);
            on = (w > resolution * t[j]) & (t[j] + w < x->end[j]);
            t[j] = on ? t[j] + w : t[j];
            going |= on;
        }
    } while (going);
    for (j = 0; j < BLOCK; j++)
        x->spike[j] = (wait[j] <= resolution * t[j]) & (t[j] + wait[j] < x->end[j]) ? t[j] + wait[j] : INFINITY;
}

/* First crossings of listed lanes. Lane j starts at `origin` after the start of a gap of length dt, with membrane u and the
 * currents e, i of the start of the gap. Found: time of the spike since the origin (infinity: none before the end of the gap)
 * and slope there; slope at the origin; membrane at the end of the gap if there is no spike. Arrays padded to blocks. */
LANES void eventsim_crossings(int64_t n, double dt, Rates q, double resolution, const double *restrict origin,
                              const double *restrict u, const double *restrict e, const double *restrict i,
                              const double *restrict d, const double *restrict c,
                              double *restrict spike, double *restrict slope, double *restrict start, double *restrict end)
{
    const int one = q.b_e == q.b_i;
    for (int64_t b = 0; b < n; b += BLOCK) {
        Block x;
        int64_t rises = 0, late = 0;
        int j;
        for (j = 0; j < BLOCK; j++) {
            late |= origin[b + j] > 0.0;
            rises |= (e[b + j] < 0.0) | (i[b + j] < 0.0);
            x.u[j] = u[b + j];
            x.e[j] = e[b + j];
            x.i[j] = i[b + j];
            x.d[j] = d[b + j];
            x.c[j] = c[b + j];
            x.end[j] = dt - origin[b + j];
        }
        if (late)
            for (j = 0; j < BLOCK; j++) {
                x.e[j] *= lane_exp(-q.b_e * origin[b + j]);
                x.i[j] *= lane_exp(-q.b_i * origin[b + j]);
            }
        if (one && rises)
            lane_block(&x, q, resolution, 1, 0);
        else if (one)
            lane_block(&x, q, resolution, 1, 1);
        else if (rises)
            lane_block(&x, q, resolution, 0, 0);
        else
            lane_block(&x, q, resolution, 0, 1);
        for (j = 0; j < BLOCK; j++) {
            spike[b + j] = x.spike[j];
            slope[b + j] = x.slope[j];
            start[b + j] = (x.e[j] + x.i[j] + x.d[j]) - q.a * x.u[j];
        }
        if (late)
            for (j = 0; j < BLOCK; j++)
                end[b + j] = x.u[j] + lane_flow(q, x.u[j], x.e[j], x.i[j], x.d[j], x.end[j], 0).gained;
    }
}

/* ---- backward: costates p = dL/du, dL/de, dL/di of the lanes */

/* the transpose of eventsim_gap; pi stays where there is one current */
LANES void eventsim_gap_back(int64_t n, Rates q, Factors f, int64_t g, double *restrict pu, double *restrict pe, double *restrict pi)
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
LANES double eventsim_arrival_back(int64_t n, Rates q, const double *restrict w, const double *restrict k, const double *restrict pu,
                                   const double *pe, const double *pi, double *restrict dt)
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
