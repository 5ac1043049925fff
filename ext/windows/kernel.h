/* What a model has to offer for its arrivals to be summed in windows: functions that the macros of these headers make of its formulas. */
#ifndef EVENTSIM_KERNEL_H
#define EVENTSIM_KERNEL_H
#include "live.h"
#include "panels.h"
#include "settle.h"
#include "steps.h"

typedef struct {
    void (*effects)(int64_t n, const double *x, const int32_t *target, const double *rows, int64_t stride, const double *quantum,
                    int same, Effects *e);
    void (*step)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                 int same, const Sum *const *sums, const int64_t *const *sources, const Window *window, uint8_t *fails,
                 double *respite);
    void (*alone)(int64_t n, const int32_t *ids, const double *offset, const double *weight, double *neurons, const double *rows,
                  int64_t stride, int same, const Window *window, uint8_t *fails, double *respite);
    int64_t (*settle)(int64_t n, const int32_t *ids, const uint8_t *commit, double *neurons, const double *rows, int64_t stride,
                      int same, const Accounts *own, const Window *window, Outlook *outlook, int32_t *at, double *respite);
                                                /* NULL: its sums are those of a window */
    void (*panel)(int64_t n, Panel *panels, const double *rows, int64_t stride, int same, Sum *sums, int64_t apart,
                  const Window *window, uint64_t *fails);   /* and what belongs to it; NULL: its neurons live in rows */
    void (*enter)(Panel *panel, int l, const double *row);
    void (*leave)(const Panel *panel, int l, double *row);
    void (*join)(Course *c, int l, const double *row, const double *rates);
    void (*part)(const Course *c, int l, double *row);
    void (*onward)(Course *c, int same);
    void (*search)(Course *c, int same, double resolution);
    int rates, coefficients;                    /* of a row, the first so many matter to effects, and to steps */
    int freezes;                                /* do arrivals while refractory count from the release? */
    int rises;                                  /* have currents sources, which arrivals add to? Then no `settle` or `panel` */
} Kernel;

#endif
