/* How long a membrane certainly stays below its threshold: solver.pxi, where it is explained, without branches. */
#ifndef EVENTSIM_SOLVER_H
#define EVENTSIM_SOLVER_H
#include "elementary.h"

/* `crossing`, for a > 0 */
INLINE double lane_crossing(double g, double d, double a)
{
    const double tau = 1.0 / a;
    double q = a * g, ratio = -q / d;
    ratio = -lane_log1p(q < d ? ratio : 0.0) * tau;
    return q < d ? ratio : INFINITY;
}

/* `certified_wait`, for a > 0. falls: may the membrane fall, while currents rise? */
INLINE double lane_wait(double g, double a, double slope, double rise, double rate, int falls)
{
    double growth = rate - a * (slope < 0.0 ? slope : 0.0), root = sqrt(slope * slope + 2.0 * growth * g);
    double up = 4.0 * g / (slope + root), h = rise > 0.0 ? up : INFINITY, gain, wait;
    if (falls) {
        double down = 2.0 * (root - slope) / growth;
        h = rise > 0.0 ? (slope > 0.0 ? up : down) : INFINITY;
    }
    gain = rate * h < rise ? rate * h : rise;
    wait = lane_crossing(g, slope + gain, a);
    wait = h < wait ? h : wait;
    if (falls) {
        double late = -a * slope / rate;
        late = lane_log1p((rise > 0.0) & (slope < 0.0) ? late : 0.0) / a;
        wait = late > wait ? late : wait;
    }
    return a * g >= slope + rise ? INFINITY : wait;
}

#endif
