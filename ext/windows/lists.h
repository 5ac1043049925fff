/* What is sorted in a window: see lists.pxi. */
#ifndef EVENTSIM_LISTS_H
#define EVENTSIM_LISTS_H
#include "elementary.h"
#include <stdlib.h>

enum { PART = 16 };

/* Of n numbers, PART at most, how many are less than each? Few numbers are sorted sooner without a branch that nobody can foresee.
 * What follows the n-th is overwritten. */
LANES void eventsim_ranks(int n, double *number, int64_t *less)
{
    int i, k;
    for (i = 0; i < PART; i++) {
        number[i] = i < n ? number[i] : 0.0;
        less[i] = 0;
    }
    for (k = 0; k < n; k++)
        for (i = 0; i < PART; i++)
            less[i] += number[k] < number[i];
}

/* ---- recorded spikes in the order of time, and of id */

typedef struct { double epoch, offset, id; } Spiked;    /* [ms] */

enum { FEW_SPIKES = 24, MANY_BUCKETS = 1024 };

static int eventsim_by_time(const void *a, const void *b)
{
    const Spiked *x = (const Spiked *)a, *y = (const Spiked *)b;
    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

/* Spikes are spread over time: n / 8 equal parts of it have a few each, which are sorted alone. `spare` has room for as many. */
static void eventsim_order(Spiked *s, Spiked *spare, int64_t n)
{
    const int64_t parts = n / 8 < MANY_BUCKETS ? n / 8 : MANY_BUCKETS;
    int64_t begin[MANY_BUCKETS + 1], i, k;
    double first = INFINITY, last = -INFINITY, per_ms, origin;
    if (n <= FEW_SPIKES) {
        for (i = 1; i < n; i++) {
            const Spiked x = s[i];
            for (k = i; k > 0 && eventsim_by_time(&x, &s[k - 1]) < 0; k--)
                s[k] = s[k - 1];
            s[k] = x;
        }
        return;
    }
    origin = s[0].epoch;
    for (i = 0; i < n; i++) {
        const double t = (s[i].epoch - origin) + s[i].offset;
        first = t < first ? t : first;
        last = t > last ? t : last;
    }
    per_ms = (double)parts * (1.0 - 0x1p-40) / (last - first);
    memset(begin, 0, (size_t)(parts + 1) * sizeof(int64_t));
    for (i = 0; last > first && i < n; i++)
        begin[(int64_t)((((s[i].epoch - origin) + s[i].offset) - first) * per_ms) + 1]++;
    for (k = 0; k < parts; k++)
        if (last == first || begin[k + 1] > n / 2) {    /* most of them nearly at once */
            qsort(s, (size_t)n, sizeof(Spiked), eventsim_by_time);
            return;
        }
    for (k = 0; k < parts; k++)
        begin[k + 1] += begin[k];
    for (i = 0; i < n; i++)
        spare[begin[(int64_t)((((s[i].epoch - origin) + s[i].offset) - first) * per_ms)]++] = s[i];
    memcpy(s, spare, (size_t)n * sizeof(Spiked));
    for (k = 0, i = 0; k < parts; k++) {                /* (each part begins where the one before it ended) */
        eventsim_order(s + i, spare, begin[k] - i);
        i = begin[k];
    }
}

/* the same, in place if there is no memory for a copy */
static void eventsim_order_all(double *spikes, int64_t n)
{
    Spiked *spare = n <= FEW_SPIKES ? NULL : (Spiked *)malloc((size_t)n * sizeof(Spiked));
    if (n <= FEW_SPIKES || spare)
        eventsim_order((Spiked *)spikes, spare, n);
    else
        qsort(spikes, (size_t)n, sizeof(Spiked), eventsim_by_time);
    free(spare);
}

#endif
