/* exp, expm1 and log1p as plain arithmetic, good to 2 ulp.
 *
 * libm's differ between machines, and no vector version of them gives the bits of the scalar one. These are polynomials
 * without branches: a loop around them becomes vector code, and as there is no fast-math and no contraction every width
 * computes the same bits.
 *
 * A function marked LANES is compiled for several instruction sets, of which the loader picks one.
 */
#ifndef EVENTSIM_ELEMENTARY_H
#define EVENTSIM_ELEMENTARY_H
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) \
    && !defined(EVENTSIM_PORTABLE)
#define LANES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LANES
#endif
#define WHOLE(n) (((n) + 7) & ~7)       /* a whole vector costs less than what is left over, one by one */
#define INLINE static inline __attribute__((always_inline))

INLINE int64_t lane_whole(double x)     /* to the nearest whole number; |x| < 2^51 */
{
    const double magic = 6755399441055744.0;                    /* 1.5 * 2^52: adding it rounds to whole numbers */
    double y = x + magic;
    int64_t bits, origin;
    memcpy(&bits, &y, 8);
    memcpy(&origin, &magic, 8);
    return bits - origin;
}

INLINE double lane_round(double x)      /* the same as a number */
{
    const double magic = 6755399441055744.0;
    return (x + magic) - magic;
}

/* x <= 0: scale * (1 + p) = exp(x) */
INLINE double exp_parts(double x, double *scale)
{
    const double magic = 6755399441055744.0;                    /* as above */
    double n, r, r2, r4, p;
    uint64_t bits;
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

/* x > 0, not subnormal, finite: x = 2^k (1 + f) with 1 + f from sqrt(1/2) to sqrt(2), and log(1 + f) = f - less */
INLINE double log_parts(double x, double *k, double *less)
{
    double m, f, s, z, w, r;
    uint64_t bits, exponent;
    memcpy(&bits, &x, 8);
    bits += 0x3ff0000000000000 - 0x3fe6a09e00000000;
    exponent = (bits >> 52) + (0x4338000000000000 - 1023);
    memcpy(k, &exponent, 8);
    *k -= 6755399441055744.0;
    bits = (bits & 0x000fffffffffffff) + 0x3fe6a09e00000000;
    memcpy(&m, &bits, 8);
    f = m - 1.0;
    s = f / (2.0 + f);
    z = s * s;
    w = z * z;
    r = z * (6.666666666666735130e-01
             + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)))
        + w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    *less = 0.5 * f * f - s * (0.5 * f * f + r);
    return f;
}

INLINE double lane_log1p(double x)      /* x > -1 */
{
    double u = 1.0 + x, lost = x < 1.0 ? x - (u - 1.0) : 1.0 - (u - x), k, less, f = log_parts(u, &k, &less);
    return k * 6.93147180369123816490e-01 + ((f - less) + (k * 1.90821492927058770002e-10 + lost / u));
}

/* `later` of time.pxi, without branches */
INLINE void lane_later(double *epoch, double *offset, double wait)
{
    const double whole = floor(wait), sum = *offset + (wait - whole), carry = sum >= 1.0 ? 1.0 : 0.0, fraction = sum - carry;
    *epoch = *epoch + whole + carry;
    *offset = *epoch < INFINITY ? fraction : 0.0;
}

#endif
