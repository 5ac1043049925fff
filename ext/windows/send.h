/* When, and in which windows, the arrivals of a spike are due: see send.pxi. */
#ifndef EVENTSIM_SEND_H
#define EVENTSIM_SEND_H
#include "elementary.h"

/* Of n arrivals after waits [ms], each less than 2^51: the offsets of their times, and how many windows, of which `per_ms`
 * make a millisecond, these are ahead of the present one, `window`, counted from that in which `origin` begins; `most` at most. */
LANES void eventsim_due(int64_t n, const double *restrict wait, double epoch, double offset, double origin, double per_ms,
                        double window, double most, double *restrict offsets, int32_t *restrict ahead)
{
    int64_t i;
    for (i = 0; i < WHOLE(n); i++) {
        double e = epoch, o = offset, windows;
        lane_later(&e, &o, wait[i]);
        windows = (e - origin) * per_ms - window + floor(o * per_ms);
        windows = windows > 0.0 ? windows : 0.0;
        ahead[i] = (int32_t)(windows < most ? windows : most);
        offsets[i] = o;
    }
}

/* Which is the first byte in memory that is not 0? */
INLINE int first_byte(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_clzll(word) / 8;
#else
    return __builtin_ctzll(word) / 8;
#endif
}

/* How many synapses from k on have the delay of synapse k, by the codes of delays, which ascend. */
static inline int64_t eventsim_run(const uint8_t *u8, const uint16_t *u16, int64_t k, int64_t end)
{
    int64_t i = k + 1;
    if (u8) {
        const uint64_t same = 0x0101010101010101 * u8[k];
        uint64_t eight;
        for (; i + 8 <= end; i += 8) {
            memcpy(&eight, u8 + i, 8);
            if (eight != same)
                return i + first_byte(eight ^ same) - k;
        }
        while (i < end && u8[i] == u8[k])
            i++;
    } else
        while (i < end && u16[i] == u16[k])
            i++;
    return i - k;
}

#endif
