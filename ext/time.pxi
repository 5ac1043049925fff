# Time: whole milliseconds and a fraction, so that an hour-long run keeps the accuracy of its first millisecond
# (docs/numerics.md). Every operation is a pure function of its arguments: nothing is ever re-based, hence split
# runs and translated runs give the same bits.

cdef struct Time:
    double epoch            # [ms] integer-valued, exact up to 2**53
    double offset           # [ms] in [0, 1)

cdef Time NEVER
NEVER.epoch = INFINITY
NEVER.offset = 0.0

cdef inline Time at_time(double epoch, double offset) noexcept nogil:
    cdef Time t
    t.epoch = epoch
    t.offset = offset
    return t

cdef inline bint before(Time a, Time b) noexcept nogil:
    # without branches: in a heap their outcome cannot be predicted
    return (a.epoch < b.epoch) | ((a.epoch == b.epoch) & (a.offset < b.offset))

cdef inline bint same(Time a, Time b) noexcept nogil:
    return (a.epoch == b.epoch) & (a.offset == b.offset)

cdef inline Time last_of(Time a, Time b) noexcept nogil:
    return b if before(a, b) else a

cdef inline double elapsed(Time a, Time b) noexcept nogil:
    """b - a [ms]."""
    return (b.epoch - a.epoch) + (b.offset - a.offset)

cdef inline Time later(Time t, double wait) noexcept nogil:
    """t + wait, wait >= 0; the fraction is added apart so that it is rounded at 2**-53 ms."""
    cdef double whole
    if wait < 4503599627370496.0:                   # (a conversion is quicker than floor)
        whole = <double> <int64_t> wait
    elif wait == INFINITY:
        return NEVER
    else:
        whole = wait
    t.offset += wait - whole
    t.epoch += whole
    if t.offset >= 1.0:
        t.offset -= 1.0
        t.epoch += 1.0
    return t

cdef inline Time earlier_by(Time t, double wait) noexcept nogil:
    """t - wait, 0 <= wait < 2**52."""
    cdef double whole = <double> <int64_t> wait
    t.offset -= wait - whole
    t.epoch -= whole
    if t.offset < 0.0:
        t.offset += 1.0
        t.epoch -= 1.0
        if t.offset == 1.0:
            t.offset = 0.0
            t.epoch += 1.0
    return t
