# Counter-based random numbers: Philox4x64-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as
# 1, 2, 3"). A number is a function of (seed, purpose, id, n) alone, so no network can depend on threads, on chunks or on
# what was drawn before. Blocks equal those of numpy.random.Philox.
# purpose = (kind << 32) | index; kinds: 1 topology, 2 weight, 3 delay, 4 parameter or state, 5 Poisson (poisson.h).

cdef extern from *:
    """
    #include <stdint.h>
    static inline uint64_t eventsim_mul_high(uint64_t a, uint64_t b) {
        return (uint64_t)(((unsigned __int128)a * b) >> 64);
    }
    """
    uint64_t mul_high "eventsim_mul_high" (uint64_t a, uint64_t b) noexcept nogil


cdef inline void philox(uint64_t seed, uint64_t purpose, uint64_t id, uint64_t n, uint64_t *out4) noexcept nogil:
    """Block n of the stream of `id`: key (seed, purpose), counter (n, id, 0, 0)."""
    cdef uint64_t c0 = n, c1 = id, c2 = 0, c3 = 0, k0 = seed, k1 = purpose, high0, high1
    cdef int i
    for i in range(10):
        high0 = mul_high(<uint64_t> 0xD2E7470EE14C6C93, c0)
        high1 = mul_high(<uint64_t> 0xCA5A826395121157, c2)
        c0, c1, c2, c3 = (high1 ^ c1 ^ k0, c2 * <uint64_t> 0xCA5A826395121157,
                          high0 ^ c3 ^ k1, c0 * <uint64_t> 0xD2E7470EE14C6C93)
        k0 += <uint64_t> 0x9E3779B97F4A7C15
        k1 += <uint64_t> 0xBB67AE8584CAA73B
    out4[0], out4[1], out4[2], out4[3] = c0, c1, c2, c3


cdef inline double unit(uint64_t x) noexcept nogil:
    """A uniform number in (0, 1] from 53 bits of x; never 0, so that its logarithm is finite."""
    return <double> ((x >> 11) + 1) * (1.0 / 9007199254740992.0)


cdef inline double inner(uint64_t x) noexcept nogil:
    """A uniform number in (0, 1) from 52 bits of x, symmetric about 1/2: neither quantile is infinite."""
    return (<double> (x >> 12) + 0.5) * (1.0 / 4503599627370496.0)


cdef inline int64_t below(uint64_t x, int64_t n) noexcept nogil:
    """x scaled to 0 ... n - 1; the probability of each value is 1/n to within 2**-64."""
    return <int64_t> mul_high(x, <uint64_t> n)


cdef struct Stream:             # the words of one id, one after the other
    uint64_t seed, purpose, id, n
    int lane
    uint64_t words[4]

cdef inline void open_stream(Stream *s, uint64_t seed, uint64_t purpose, uint64_t id) noexcept nogil:
    s.seed, s.purpose, s.id, s.n, s.lane = seed, purpose, id, 0, 4

cdef inline void skip_words(Stream *s, uint64_t n) noexcept nogil:
    """Leave out the first n words of a stream that was just opened."""
    s.n = n // 4
    if n % 4:
        next_word(s)
        s.lane = n % 4

cdef inline uint64_t next_word(Stream *s) noexcept nogil:
    if s.lane == 4:
        philox(s.seed, s.purpose, s.id, s.n, s.words)
        s.n += 1
        s.lane = 0
    s.lane += 1
    return s.words[s.lane - 1]


# ---- distributions: each is its quantile at a uniform number

cdef enum:
    UNIFORM, NORMAL, LOG_NORMAL, EXPONENTIAL
    ATTEMPTS = 100000           # redraws before a range is held to be unreachable

DISTRIBUTIONS = {"Uniform": UNIFORM, "Normal": NORMAL, "LogNormal": LOG_NORMAL, "Exponential": EXPONENTIAL}

ctypedef fused Real:
    float
    double

cdef inline double normal_quantile(double u) noexcept nogil:
    """Inverse of the standard normal distribution function, relative error 1e-16 (Wichura 1988, AS 241, PPND16)."""
    cdef double q = u - 0.5, r, p
    if fabs(q) <= 0.425:
        r = 0.180625 - q * q
        return q * ((((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
                         + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
                      + 133.14166789178437745) * r + 3.3871328727963666080)
                    / (((((((5226.4952788528545610 * r + 28729.085735721942674) * r + 39307.895800092710610) * r
                           + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.18700749205790830) * r
                        + 42.313330701600911252) * r + 1.0))
    r = sqrt(-log(u if q < 0.0 else 1.0 - u))
    if r <= 5.0:
        r -= 1.6
        p = ((((((((7.74545014278341407640e-4 * r + 0.0227238449892691845833) * r + 0.241780725177450611770) * r
                  + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.76949722146069140550) * r
               + 4.63033784615654529590) * r + 1.42343711074968357734)
             / (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
                    + 0.148103976427480074590) * r + 0.689767334985100004550) * r + 1.67638483018380384940) * r
                 + 2.05319162663775882187) * r + 1.0))
    else:
        r -= 5.0
        p = ((((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.00124266094738807843860) * r
                  + 0.0265321895265761230930) * r + 0.296560571828504891230) * r + 1.78482653991729133580) * r
               + 5.46378491116411436990) * r + 6.65790464350110377720)
             / (((((((2.04426310338993978564e-15 * r + 1.42151175831644588870e-7) * r + 1.84631831751005468180e-5) * r
                    + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r + 0.136929880922735805310) * r
                 + 0.599832206555887937690) * r + 1.0))
    return -p if q < 0.0 else p


cdef inline double quantile(int kind, double a, double b, double u) noexcept nogil:
    """The value of a distribution with parameters a, b below which it stays with probability u."""
    if kind == UNIFORM:
        return a + (b - a) * u
    if kind == NORMAL:
        return a + b * normal_quantile(u)
    if kind == LOG_NORMAL:
        return exp(a + b * normal_quantile(u))
    return -a * log(u)


def draw(int kind, double a, double b, double low, double high, bint clip, uint64_t seed, uint64_t purpose,
         uint64_t first_id, Real[::1] out):
    """Fill `out` with elements first_id, first_id + 1, ... of a distribution within [low, high].

    Element i is a function of (seed, purpose, i): attempt k uses word i % 4 of block k of stream i // 4.

    Returns
    -------
    int : how many were drawn; fewer than asked for if the range was not reached in ATTEMPTS attempts
    """
    cdef int64_t i, n = out.shape[0], work = 0
    cdef uint64_t id
    cdef uint64_t[4] words
    cdef int attempt
    cdef double x
    with nogil:
        for i in range(n):
            id = first_id + <uint64_t> i
            if i == 0 or id & 3 == 0:
                philox(seed, purpose, id >> 2, 0, words)
            x = quantile(kind, a, b, inner(words[id & 3]))
            if not low <= x <= high:
                if clip:
                    x = low if x < low else high
                else:
                    attempt = redraw(kind, a, b, low, high, seed, purpose, id, &x)
                    if attempt == ATTEMPTS:
                        break
                    work += attempt
            out[i] = <Real> x
            if is_due(&work, 1):
                with gil:
                    look_up()
        else:
            i = n
    return i


cdef int redraw(int kind, double a, double b, double low, double high, uint64_t seed, uint64_t purpose, uint64_t id,
               double *x) noexcept nogil:
    """Draw element `id` until it lies within [low, high]; returns the number of attempts, at most ATTEMPTS."""
    cdef uint64_t[4] words
    cdef int attempt
    for attempt in range(1, ATTEMPTS):
        philox(seed, purpose, id >> 2, <uint64_t> attempt, words)
        x[0] = quantile(kind, a, b, inner(words[id & 3]))
        if low <= x[0] <= high:
            return attempt
    return ATTEMPTS


cdef inline bint is_due(int64_t *work, int64_t more) noexcept nogil:
    """Add to the work done since the last look at the keyboard: time for another? Every 2**20 numbers is some 50 ms."""
    work[0] += more
    if work[0] < 1 << 20:
        return False
    work[0] = 0
    return True


cdef int look_up() except -1:
    """Raise KeyboardInterrupt if there was Ctrl-C: the main thread notices, and stops those that help it."""
    PyErr_CheckSignals()
    if getattr(threading.current_thread(), "stopped", False):
        raise KeyboardInterrupt
    return 0


# ---- for tests

def philox_blocks(uint64_t seed, uint64_t purpose, uint64_t id, Py_ssize_t n):
    """The first n blocks of one stream, (n, 4) uint64."""
    cdef uint64_t[:, ::1] blocks = np.empty((n, 4), np.uint64)
    cdef Py_ssize_t i
    for i in range(n):
        philox(seed, purpose, id, i, &blocks[i, 0])
    return np.asarray(blocks)


def quantiles(str name, double a, double b, const double[::1] u):
    """The quantiles of a distribution at u."""
    cdef double[::1] x = np.empty(len(u))
    cdef int kind = DISTRIBUTIONS[name]
    cdef Py_ssize_t i
    for i in range(len(u)):
        x[i] = quantile(kind, a, b, u[i])
    return np.asarray(x)
