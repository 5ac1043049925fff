/* The inner loops of layers.pxi: neurons of one layer side by side, one per SIMD lane.
 *
 * Plain loops that the compiler turns into vector code, compiled for several instruction sets of which the loader
 * picks one. No fast-math, no contraction: every width computes the same bits. libm has no vector exp that is the same
 * on all machines, so exp, expm1 and log1p are polynomials of our own, good to 2 ulp.
 *
 * Loops over the state run in blocks of BLOCK lanes; state arrays are padded to whole blocks. Rows of weights are not.
 *
 *     u' = -a u + e + i + d,    e' = -b_e e,    i' = -b_i i          u = V - E_L, currents e >= 0 >= i, d by 1/C_m [mV/ms]
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
    double n, r, p;
    int64_t bits;
    x = x > -700.0 ? x : -700.0;
    n = x * 1.4426950408889634 + magic;
    memcpy(&bits, &n, 8);
    bits = (bits + 1023) << 52;
    memcpy(scale, &bits, 8);
    n -= magic;
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
    p = 1.0 / 6227020800.0;                                     /* 1/13! */
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    return r + r * r * p;
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
    return difference == 0.0 ? slower * t : slower * (-lane_expm1(-difference * t) / difference);
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
LANES void eventsim_receive(int64_t n, const double *restrict w, const double *restrict k, double *restrict e, double *restrict i)
{
    for (int64_t j = 0; j < n; j++) {
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
            double fallen = u[j] * m, drive = e[j] + i[j] * rho, size = 1e-13 * (fabs(c[j]) + fabs(u[j]) + k0 * (e[j] - i[j] + fabs(d[j])));
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

/* `certified_wait` of solver.pxi without branches, for a > 0. */
INLINE double lane_wait(double g, double a, double slope, double rise, double rate)
{
    double q = a * g, growth = rate - a * (slope < 0.0 ? slope : 0.0), root = sqrt(slope * slope + 2.0 * growth * g);
    double up = 4.0 * g / (slope + root), down = 2.0 * (root - slope) / growth;
    double h = rise > 0.0 ? (slope > 0.0 ? up : down) : INFINITY;
    double gain = rate * h < rise ? rate * h : rise, d = slope + gain;
    double ratio = -q / d, late = -a * slope / rate, cross, wait;
    cross = -lane_log1p(q < d ? ratio : 0.0) / a;
    late = lane_log1p((rise > 0.0) & (slope < 0.0) ? late : 0.0) / a;
    wait = q < d ? cross : INFINITY;
    wait = h < wait ? h : wait;
    wait = late > wait ? late : wait;
    wait = q >= slope + rise ? INFINITY : wait;
    return g > 0.0 ? wait : 0.0;
}

/* Membrane and currents of a lane t after (u, e, i), and what the membrane gained. */
typedef struct { double gained, e, i; } Flow;
INLINE Flow lane_flow(Rates q, double u, double e, double i, double d, double t)
{
    double z = lane_expm1(-q.a * t), fe = lane_exp(-q.b_e * t), fi = lane_exp(-q.b_i * t);
    double ke = lane_kappa(q.b_e < q.a ? fe : 1.0 + z, fabs(q.b_e - q.a), t), ki = lane_kappa(q.b_i < q.a ? fi : 1.0 + z, fabs(q.b_i - q.a), t);
    Flow flow = {u * z + ((e * ke + i * ki) + d * (-z / q.a)), e * fe, i * fi};
    return flow;
}

/* First crossings of listed lanes. Lane j starts at `origin` after the start of a gap of length dt, with membrane u and the
 * currents e, i of the start of the gap. Found: time of the spike since the origin (infinity: none before the end of the gap)
 * and slope there; slope at the origin; membrane at the end of the gap if there is no spike. Arrays padded to blocks. */
LANES void eventsim_crossings(int64_t n, double dt, Rates q, double resolution, const double *restrict origin,
                              const double *restrict u, const double *restrict e, const double *restrict i,
                              const double *restrict d, const double *restrict c,
                              double *restrict spike, double *restrict slope, double *restrict start, double *restrict end)
{
    for (int64_t b = 0; b < n; b += BLOCK) {
        double E[BLOCK], I[BLOCK], t[BLOCK], T[BLOCK], wait[BLOCK];
        int64_t going;
        for (int64_t x = 0; x < BLOCK; x++) {
            E[x] = e[b + x] * lane_exp(-q.b_e * origin[b + x]);
            I[x] = i[b + x] * lane_exp(-q.b_i * origin[b + x]);
            start[b + x] = (E[x] + I[x] + d[b + x]) - q.a * u[b + x];
            T[x] = dt - origin[b + x];
            t[x] = 0.0;
        }
        do {
            going = 0;
            for (int64_t x = 0; x < BLOCK; x++) {
                int64_t j = b + x, on;
                Flow now = lane_flow(q, u[j], E[x], I[x], d[j], t[x]);
                slope[j] = (now.e + now.i + d[j]) - q.a * (u[j] + now.gained);
                wait[x] = lane_wait((c[j] - u[j]) - now.gained, q.a, slope[j], -now.i, -q.b_i * now.i);
                on = (wait[x] > resolution * t[x]) & (t[x] + wait[x] < T[x]);
                t[x] = on ? t[x] + wait[x] : t[x];
                going |= on;
            }
        } while (going);
        for (int64_t x = 0; x < BLOCK; x++) {
            spike[b + x] = (wait[x] <= resolution * t[x]) & (t[x] < T[x]) ? t[x] : INFINITY;
            end[b + x] = u[b + x] + lane_flow(q, u[b + x], E[x], I[x], d[b + x], T[x]).gained;
        }
    }
}

/* ---- backward: costates p = dL/du, dL/de, dL/di of the lanes */

/* the transpose of eventsim_gap */
LANES void eventsim_gap_back(int64_t n, Factors f, int64_t g, double *restrict pu, double *restrict pe, double *restrict pi)
{
    const double m = f.m[g], me = f.e[g], mi = f.i[g], ke = f.ke[g], ki = f.ki[g];
    for (int64_t j = 0; j < n; j++) {
        pe[j] = pe[j] * me + pu[j] * ke;
        pi[j] = pi[j] * mi + pu[j] * ki;
        pu[j] *= m;
    }
}

/* the transpose of eventsim_receive: dL/dw */
LANES void eventsim_receive_back(int64_t n, const double *restrict w, const double *restrict k, const double *restrict pe,
                                 const double *restrict pi, double *restrict dw)
{
    for (int64_t j = 0; j < n; j++)
        dw[j] += k[j] * (w[j] >= 0.0 ? pe[j] : pi[j]);
}

/* dL/d(time of the arrival): a later arrival changes the current by +b w and the membrane by -w. By target, and their sum. */
LANES double eventsim_arrival_back(int64_t n, Rates q, const double *restrict w, const double *restrict k, const double *restrict pu,
                                   const double *restrict pe, const double *restrict pi, double *restrict dt)
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
