/* Neurons that may spike, on their way through a window event by event: see live.pxi.
 *
 * All of them go on at once, each to its next arrival: then it is known how long each will certainly not spike, if nothing else arrives.
 * Those for whom that is not long enough are looked at for a spike. Besides the formulas of steps.h a model supplies what pushes a
 * membrane a time from now (`push`), and says which of its states change while it rests (`fading`).
 */
#ifndef EVENTSIM_LIVE_H
#define EVENTSIM_LIVE_H
#include "steps.h"

enum { ABREAST = 16, MOST_FADING = 4 };

typedef struct {
    int n, lanes;                               /* so many are on their way, in lanes up to this one */
    int32_t ids[ABREAST];
    int32_t next[ABREAST];                      /* see live.pxi: the next arrival of each, */
    uint8_t turn[ABREAST];                      /* and what it has to do before */
    Lane epoch, offset, free_epoch, free_offset;    /* when they are, and when they are released */
    Lane next_epoch, next_offset, weight;       /* their next arrivals */
    Lane respite;                               /* how long none certainly spikes; -1: unknown */
    Lane gap, known;                            /* to look for a spike in: so long from now; in so much of it there is none */
    Lane spike, steps;                          /* found: how long from now, -1: none; and with how much effort */
    Lanes x;
} Course;

typedef struct { Lane gap, slope, rise, rate; } Push;   /* from the membrane to its threshold, its slope, and see `Drive` in solver.pxi */

/* `approach` of population.pxi, of membranes that are reset: 0 on the threshold or above it, not a number after an overflow */
INLINE void waits(int lanes, const Lanes *x, const Push *p, double *wait)
{
    int l, falls = 0;
    EACH_LANE(l)
        falls |= (p->rise[l] > 0.0) & !(p->slope[l] > 0.0);
    if (falls)
        EACH_LANE(l)
            wait[l] = lane_wait(p->gap[l], larger(x->a[l], 0x1p-500), p->slope[l], p->rise[l], p->rate[l], 1);
    else
        EACH_LANE(l)
            wait[l] = lane_wait(p->gap[l], larger(x->a[l], 0x1p-500), p->slope[l], p->rise[l], p->rate[l], 0);
    EACH_LANE(l)
        wait[l] = p->gap[l] > 0.0 ? wait[l] : p->gap[l] <= 0.0 ? 0.0 : (double)NAN;
}

#define LIVE(MODEL, NEURON, ROW)                                                                                       \
    /* neuron l is as in a row, and waits; or a row as it is */                                                        \
    static void eventsim_##MODEL##_join(Course *c, int l, const double *row, const double *rates)                      \
    {                                                                                                                  \
        const NEURON *s = (const NEURON *)row;                                                                         \
        c->epoch[l] = c->next_epoch[l] = s->epoch;                                                                     \
        c->offset[l] = c->next_offset[l] = s->offset;                                                                  \
        c->free_epoch[l] = s->free_epoch;                                                                              \
        c->free_offset[l] = s->free_offset;                                                                            \
        c->weight[l] = 0.0;                                                                                            \
        MODEL##_load(&c->x, l, s);                                                                                     \
        MODEL##_rates(&c->x, l, (const ROW *)rates);                                                                   \
    }                                                                                                                  \
    static void eventsim_##MODEL##_part(const Course *c, int l, double *row)                                           \
    {                                                                                                                  \
        NEURON *s = (NEURON *)row;                                                                                     \
        s->epoch = c->epoch[l];                                                                                        \
        s->offset = c->offset[l];                                                                                      \
        MODEL##_store(&c->x, l, s);                                                                                    \
    }                                                                                                                  \
    LANES void eventsim_##MODEL##_onward(Course *c, int same)                                                          \
    {                                                                                                                  \
        const int lanes = (int)WHOLE(c->lanes);                                                                        \
        Lanes *x = &c->x;                                                                                              \
        int l;                                                                                                         \
        EACH_LANE(l) {                                                                                                 \
            x->late[l] = (c->next_epoch[l] - c->epoch[l]) + (c->next_offset[l] - c->offset[l]);                        \
            x->rest[l] = (c->free_epoch[l] - c->epoch[l]) + (c->free_offset[l] - c->offset[l]);                        \
            x->after[l] = (c->free_epoch[l] - c->next_epoch[l]) + (c->free_offset[l] - c->next_offset[l]);             \
            c->epoch[l] = c->next_epoch[l];                                                                            \
            c->offset[l] = c->next_offset[l];                                                                          \
        }                                                                                                              \
        if (rests_first(lanes, x))                                                                                     \
            MODEL##_rest(lanes, x);                                                                                    \
        MODEL##_late(lanes, x, same);                                                                                  \
        MODEL##_take(lanes, x, c->weight);                                                                             \
        MODEL##_drive(lanes, x);                                                                                       \
        rest_assured(lanes, x, c->respite);                                                                            \
        EACH_LANE(l) {                                                                                                 \
            c->respite[l] = x->safe[l] != 0.0 ? c->respite[l] : -1.0;                                                  \
            c->weight[l] = 0.0;                                                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    /* the first spike of all those with a gap; of the others what is found is of no meaning */                        \
    LANES void eventsim_##MODEL##_search(Course *c, int same, double resolution)                                       \
    {                                                                                                                  \
        const int lanes = (int)WHOLE(c->lanes);                                                                        \
        Lanes *x = &c->x;                                                                                              \
        Lane t, wait, kept[MOST_FADING];                                                                               \
        double *fading[MOST_FADING];                                                                                   \
        const int n_fading = MODEL##_fading(x, fading);                                                                \
        Push push;                                                                                                     \
        int i, l, going;                                                                                               \
        EACH_LANE(l) {                                                                                                 \
            x->late[l] = c->gap[l];                                                                                    \
            x->rest[l] = (c->free_epoch[l] - c->epoch[l]) + (c->free_offset[l] - c->offset[l]);                        \
            c->steps[l] = 1.0;                                                                                         \
        }                                                                                                              \
        for (i = 0; i < n_fading; i++)                                                                                 \
            EACH_LANE(l)                                                                                               \
                kept[i][l] = fading[i][l];                                                                             \
        if (rests_first(lanes, x))                                                                                     \
            MODEL##_rest(lanes, x);                                                                                    \
        EACH_LANE(l)                                                                                                   \
            t[l] = larger(c->known[l] - x->resting[l], 0.0);                                                           \
        do {                                                                                                           \
            going = 0;                                                                                                 \
            MODEL##_push(lanes, x, same, t, &push);                                                                    \
            waits(lanes, x, &push, wait);                                                                              \
            EACH_LANE(l) {                                                                                             \
                const double next = t[l] + wait[l];                                                                    \
                const int on = (wait[l] > resolution * t[l]) & (next < x->late[l]);                                    \
                t[l] = on ? next : t[l];                                                                               \
                c->steps[l] += on ? 1.0 : 0.0;                                                                         \
                going |= on;                                                                                           \
            }                                                                                                          \
        } while (going);                                                                                               \
        EACH_LANE(l) {                                                                                                 \
            c->spike[l] = (wait[l] <= resolution * t[l]) & (t[l] < x->late[l]) ? x->resting[l] + t[l] : -1.0;          \
            c->respite[l] = x->resting[l] + (t[l] + wait[l]);                                                          \
            c->respite[l] = c->respite[l] < c->gap[l] ? c->gap[l] : c->respite[l];      /* (rounding) */               \
        }                                                                                                              \
        for (i = 0; i < n_fading; i++)                                                                                 \
            EACH_LANE(l)                                                                                               \
                fading[i][l] = kept[i][l];                                                                             \
    }

#endif
