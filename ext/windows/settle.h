/* Neurons come to the end of a window, as in steps.h, with sums that last for a frame of several windows.
 *
 * Effects are those at the end of the frame. A neuron with a credit certainly stays below threshold until then, as long as its
 * excitation does not exceed that credit: it need not be looked at. Excitation counts from -credit, so that it exceeds it if it
 * is positive; without a credit, from 1. The frame must not be longer than the response to excitation takes to rise.
 *
 * Taken to the end of a window are those whose credit is used up, and all at the end of the frame. If a neuron may have spiked in
 * this window all stays as it is. Else its row is written, its sum is emptied, and it has a new credit.
 *
 * Returns for how many neurons something is left to do, and where these stand among the n: respite is -1 if it may have spiked,
 * else how long after the end of the window it will not, without an arrival; the others have credit.
 */
#ifndef EVENTSIM_SETTLE_H
#define EVENTSIM_SETTLE_H
#include "steps.h"

typedef struct {
    double left, length;                        /* for which this has been reckoned [ms], */
    int lanes;                                  /* and for so many neurons, if all have the same coefficients */
    Propagators ahead;                          /* over what is left of the frame, or all of the next; */
    Propagators back, within;                   /* from the end of the frame back to that of the window, and from there to its beginning */
} Outlook;

/* the same back in time: m, ex and in are inverse, the responses are those forward; or no way at all */
INLINE void lead_back(int lanes, int away, const Propagators *f, Propagators *back)
{
    int l;
    EACH_LANE(l) {
        back->m[l] = away ? 1.0 / f->m[l] : 1.0;
        back->ex[l] = away ? 1.0 / f->ex[l] : 1.0;
        back->in[l] = away ? 1.0 / f->in[l] : 1.0;
        back->k_ex[l] = away ? f->k_ex[l] : 0.0;
        back->k_in[l] = away ? f->k_in[l] : 0.0;
        back->k_0[l] = 0.0;
    }
}

typedef struct {                                /* of neurons from 0 on */
    Sum *sums;                                  /* of excitation and, beside it, of inhibition */
    int64_t *credit;                            /* how much excitation each can take [quanta]; -1: none, its turn comes with an arrival */
    uint64_t *credited, *pending;               /* one bit for each: has it any, are there arrivals in its sum? */
} Accounts;

INLINE void empty_sum(const Accounts *own, int32_t j, int64_t credit)
{
    const uint64_t bit = (uint64_t)1 << (j & 63);
    Sum *sums = own->sums + 2 * (int64_t)j;
    memset(sums, 0, 2 * sizeof(Sum));
    sums->membrane = -credit;
    own->credit[j] = credit;
    own->pending[j >> 6] &= ~bit;
    own->credited[j >> 6] = credit < 0 ? own->credited[j >> 6] & ~bit : own->credited[j >> 6] | bit;
}

#define SETTLE(MODEL, NEURON, ROW)                                                                                     \
    LANES int64_t eventsim_##MODEL##_settle(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons,     \
                                            const double *rows, int64_t stride, int same, const Accounts *own,         \
                                            const Window *window, Outlook *outlook, int32_t *at, double *respite)      \
    {                                                                                                                  \
        const double q_0 = window->quantum[0], q_1 = window->quantum[1];                                               \
        const double left = window->left, span = left > 0.0 ? left : window->frame;                                    \
        const int lanes = (int)WHOLE(n), own_lanes = stride ? lanes : LANES_AT_ONCE;                                   \
        int64_t others = 0, released = 0;                                                                              \
        Lane flows, ahead, length, room, wait;                                                                         \
        Lanes x;                                                                                                       \
        Propagators f;                                                                                                 \
        int l;                                                                                                         \
        for (l = 0; l < lanes; l++) {                                                                                  \
            const int32_t j = ids[l < n ? l : 0];                                                                      \
            const NEURON *s = (const NEURON *)neurons + j;                                                             \
            const Sum *ex = own->sums + 2 * (int64_t)j, *in = ex + 1;                                                  \
            flows[l] = (window->end_epoch - s->epoch) + (window->end_offset - s->offset);                              \
            x.rest[l] = (s->free_epoch - s->epoch) + (s->free_offset - s->offset);                                     \
            x.after[l] = (s->free_epoch - window->end_epoch) + (s->free_offset - window->end_offset);                  \
            MODEL##_load(&x, l, s);                                                                                    \
            x.M_ex[l] = q_0 * (double)(ex->membrane + own->credit[j]);                                                 \
            x.S_ex[l] = q_1 * (double)ex->current;                                                                     \
            x.M_in[l] = q_0 * (double)in->membrane;                                                                    \
            x.S_in[l] = q_1 * (double)in->current;                                                                     \
            x.torn[l] = commit[l < n ? l : 0];                                                                         \
        }                                                                                                              \
        EACH_LANE(l) {                                                                                                 \
            x.resting[l] = (x.rest[l] > 0.0) & (x.after[l] < 0.0) ? x.rest[l] : 0.0;                                   \
            released |= x.resting[l] > 0.0;                                                                            \
            x.torn[l] = x.resting[l] > flows[l] - window->length ? x.torn[l] : 0.0;                                    \
            flows[l] -= x.resting[l];                                                                                  \
            ahead[l] = span;                                                                                           \
            length[l] = window->length;                                                                                \
        }                                                                                                              \
        COEFFICIENTS(MODEL, ROW)                                                                                       \
        if (stride || outlook->left != left || outlook->lanes < lanes) {                                               \
            MODEL##_factors(own_lanes, &x, same, ahead, &outlook->ahead);                                              \
            lead_back(own_lanes, left > 0.0, &outlook->ahead, &outlook->back);                                         \
            outlook->left = left;                                                                                      \
            if (!stride) {                                                                                             \
                spread(lanes, &outlook->ahead);                                                                        \
                spread(lanes, &outlook->back);                                                                         \
            }                                                                                                          \
        }                                                                                                              \
        if (stride || outlook->length != window->length || outlook->lanes < lanes) {                                   \
            MODEL##_factors(own_lanes, &x, same, length, &outlook->within);                                            \
            lead_back(own_lanes, 1, &outlook->within, &outlook->within);                                               \
            outlook->length = window->length;                                                                          \
            if (!stride)                                                                                               \
                spread(lanes, &outlook->within);                                                                       \
        }                                                                                                              \
        outlook->lanes = lanes;                                                                                        \
        if (released)                                                                                                  \
            MODEL##_rest(lanes, &x);                                                                                   \
        MODEL##_factors(lanes, &x, same, flows, &f);                                                                   \
        MODEL##_settle(lanes, &x, q_0, window->length, &f, outlook, room);                                             \
        MODEL##_drive(lanes, &x);                                                                                      \
        rest_assured(lanes, &x, wait);                                                                                 \
        EACH_LANE(l) {                                                                                                 \
            const double quanta = room[l] * (1.0 - MARGIN), most = quanta < 0x1p60 ? quanta : 0x1p60;                  \
            room[l] = quanta >= 1.0 ? most : -1.0;                                                                     \
            wait[l] = room[l] > 0.0 ? larger(wait[l], ahead[l]) : wait[l];                                             \
        }                                                                                                              \
        for (l = 0; l < n; l++) {                                                                                      \
            const int32_t j = ids[l];                                                                                  \
            const int safe = x.safe[l] != 0.0;                                                                         \
            at[others] = l;                                                                                            \
            respite[others] = safe ? wait[l] : -1.0;                                                                   \
            others += !(safe && commit[l] && room[l] > 0.0);                                                           \
            if (safe && commit[l]) {                                                                                   \
                NEURON *s = (NEURON *)neurons + j;                                                                     \
                s->epoch = window->end_epoch;                                                                          \
                s->offset = window->end_offset;                                                                        \
                MODEL##_store(&x, l, s);                                                                               \
                empty_sum(own, j, (int64_t)room[l]);                                                                   \
            }                                                                                                          \
        }                                                                                                              \
        return others;                                                                                                 \
    }

#endif
