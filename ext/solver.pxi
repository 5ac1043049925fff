# When will a membrane reach its threshold? One idea serves every linear model, here and in the bounds of a window.
#
# Let u' = -a u + J(t), where J is the total current and u < c. Over the next h, replace J by a constant it does not
# exceed. By the comparison principle the true u stays below the majorised one, u + d_h (1 - exp(-a s))/a with
# d_h = u' + (what J may still gain within h), whose crossing time is a closed form. So
#
#     wait = min(h, crossing time of the majorised membrane)
#
# is never later than the spike, whatever h: no spike can be missed and, as a spike is only declared where the
# computed u has reached c or the wait has shrunk to rounding, none is invented. Repeating the step converges
# quadratically, because the majorant tightens with h. While J only falls (excitation alone), h may be infinite and
# the step is Newton's method in x = exp(-a t), where u is concave. No case distinction on the time constants is needed.
#
# A model supplies, at one time: g = c - u, d = u', and for every component of J its sign and rate (`drive`).

cdef double RESOLUTION = 2.0 ** -51     # waits shorter than this, relative to the time since the last event, are rounding

cdef struct Drive:
    double slope            # u' [mV/ms]
    double rise             # what J can gain at most, ever [mV/ms]
    double rate             # how fast it can gain at most [mV/ms^2]

cdef inline void add_current(Drive *drive, double J, double b) noexcept nogil:
    """A component J exp(-b s): inhibition (J < 0) fades, so the total may rise by -J, at the rate -b J at most."""
    drive.slope += J
    if J < 0.0 and b > 0.0:
        drive.rise -= J
        drive.rate -= b * J

cdef inline void add_currents(Drive *drive, double J, double b, double K, double c) noexcept nogil:
    """Two components. Where an inhibition K < 0 fades no slower than an excitation J > 0 does, b <= c, their sum gains less
    than the inhibition alone: (J + K)' = -b J e^(-b s) - c K e^(-c s) <= (-c K - b J) e^(-c s)."""
    cdef double growth
    if J < K:
        J, b, K, c = K, c, J, b
    if J > 0.0 and K < 0.0 and b <= c:
        growth = max(-c * K - b * J, 0.0)
        drive.slope += J + K
        drive.rise += growth / c
        drive.rate += growth
    else:
        add_current(drive, J, b)
        add_current(drive, K, c)

cdef inline double crossing(double g, double d, double a) noexcept nogil:
    """First s at which d (1 - exp(-a s))/a reaches g >= 0; infinity if it never does."""
    cdef double q = a * g
    if q >= d:
        return INFINITY
    return g / d if a == 0.0 else -log1p(-q / d) / a

cdef inline double certified_wait(double g, double a, Drive drive) noexcept nogil:
    """Lower bound of the time until u gains g >= 0; infinity only if it never will."""
    cdef double d = drive.slope, growth, h, wait
    if a * g >= d + drive.rise:                      # not even with all inhibition gone
        return INFINITY
    if drive.rise == 0.0:
        return crossing(g, d, a)
    # How far to look: twice the time in which d s + growth s^2/2 gains g; u'' <= growth as long as u does not turn back.
    growth = drive.rate - a * min(d, 0.0)
    h = 4.0 * g / (d + sqrt(d * d + 2.0 * growth * g)) if d > 0.0 else 2.0 * (sqrt(d * d + 2.0 * growth * g) - d) / growth
    wait = min(h, crossing(g, d + min(drive.rate * h, drive.rise), a))
    if d < 0.0:     # u falls at least until its majorised slope, d exp(-a s) + rate (1 - exp(-a s))/a, is 0
        wait = max(wait, -d / drive.rate if a == 0.0 else log1p(-a * d / drive.rate) / a)
    return wait

cdef inline double most_of(double J, double b, double K, double c) noexcept nogil:
    """What two currents together never exceed: J of rate b, and K of rate c, which counts against J if it does not fade faster."""
    return max(J + K, 0.0) if c <= b and J >= 0.0 else max(J, 0.0) + max(K, 0.0)

# u' = -a u + J(t), and J never exceeds a steady drive and one that fades at a rate or faster. Then u' is at most J(0) - a u(0) while
# u >= u(0), and u no higher than J(0)/a or u(0); and what fades adds no more to what there is without it than its integral, or what it
# would if it did not fade: no square roots or logarithms (proof in docs/windows.md). Margins are many times the rounding.
cdef inline double certain_respite(double fading, double rate, double steady, double u, double a, double c) noexcept nogil:
    """A lower bound of the time until u < c reaches c; 0: ask precisely."""
    cdef double wait, top, J = fading + steady
    if not u < c or not isfinite(J):
        return 0.0
    if c == INFINITY or J < a * c - MARGIN * (fabs(J) + a * fabs(c)):
        return INFINITY
    top = max(u, 0.0)
    if (fading < ((c - top) - MARGIN * (fabs(c) + top)) * max(a, rate) and (
            steady <= 0.0 or a * fading < ((a * c - steady) - MARGIN * (a * fabs(c) + steady)) * max(a, rate))):
        return INFINITY
    wait = (1.0 - MARGIN) * (c - u) / ((J - a * u) + MARGIN * (fabs(J) + a * fabs(u)))
    return wait if wait > 0.0 else 0.0

# ---- the propagators all linear models share

cdef inline double phi(double z) noexcept nogil:
    """(1 - exp(-z))/z, smooth at 0."""
    return 1.0 if z == 0.0 else -expm1(-z) / z

cdef inline double kappa(double a, double b, double t) noexcept nogil:
    """Membrane response int_0^t exp(-a (t-s)) exp(-b s) ds: positive, symmetric in a and b, smooth at a = b."""
    return kappa_from(exp(-min(a, b) * t), fabs(b - a), t)

cdef inline double kappa_from(double slower, double difference, double t) noexcept nogil:
    """kappa from exp(-a t) or exp(-b t), whichever is larger, and |b - a|: for when the exponentials are at hand."""
    return t * slower * phi(difference * t)

cdef inline double kappa3(double a, double b, double c, double t) noexcept nogil:
    """int_0^t exp(-a (t-s)) kappa(b, c, s) ds: t^2 times the second divided difference of exp, symmetric, smooth."""
    cdef double lo = min(a, min(b, c)), hi = max(a, max(b, c)), mid = max(min(a, b), min(max(a, b), c))
    cdef double p, q, p_k = 1.0, h = 1.0, inverse = 0.5, total = 0.5
    cdef int k
    if (hi - lo) * t > 1.0:
        return (kappa(lo, mid, t) - kappa(mid, hi, t)) / (hi - lo)
    # exp(-lo t) t^2 sum_k h_k(p, q)/(k+2)!, with h_k the complete homogeneous polynomials of p, q = -(mid, hi - lo) t
    p, q = -(mid - lo) * t, -(hi - lo) * t
    for k in range(1, 20):
        p_k *= p
        h = q * h + p_k
        inverse /= k + 2
        if total + h * inverse == total:        # all that follow are smaller
            break
        total += h * inverse
    return t * t * exp(-lo * t) * total

cdef inline double kappa4(double a, double b, double c, double d, double t) noexcept nogil:
    """int_0^t exp(-a (t-s)) kappa3(b, c, d, s) ds: one more stage of the same."""
    cdef double lo = min(min(a, b), min(c, d)), hi = max(max(a, b), max(c, d))
    cdef double x, y, z, x_k = 1.0, h_xy = 1.0, h = 1.0, inverse = 1.0 / 6.0, total = 1.0 / 6.0
    cdef int k
    # the two in between: sort the pairs, then take the larger of the small ones and the smaller of the large ones
    x, y = max(min(a, b), min(c, d)), min(max(a, b), max(c, d))
    if (hi - lo) * t > 1.0:
        return (kappa3(lo, x, y, t) - kappa3(x, y, hi, t)) / (hi - lo)
    x, y, z = -(x - lo) * t, -(y - lo) * t, -(hi - lo) * t
    for k in range(1, 20):
        x_k *= x
        h_xy = y * h_xy + x_k
        h = z * h + h_xy
        inverse /= k + 3
        if total + h * inverse == total:
            break
        total += h * inverse
    return t * t * t * exp(-lo * t) * total
