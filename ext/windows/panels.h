/* Neurons come to the end of a window, as in steps.h, in populations of which all are taken through every window.
 *
 * The states of CHUNK neurons lie side by side in a panel, all at the beginning of the window. Those that may spike in it fail
 * and stay as they are; what becomes of neurons that live elsewhere is of no meaning. None of them rests. All sums are emptied.
 */
#ifndef EVENTSIM_PANELS_H
#define EVENTSIM_PANELS_H
#include "steps.h"

typedef struct { double u[CHUNK], ex[CHUNK], in[CHUNK], I_e[CHUNK]; } Panel;

/* as by (double)sum, which no vector unit has in the simplest set of instructions */
INLINE double in_doubles(int64_t sum)
{
    const uint64_t bits = (uint64_t)sum ^ 0x8000000000000000, low = (bits & 0xffffffff) | 0x4330000000000000,
                   high = bits >> 32 | 0x4530000000000000;
    double small, large;
    memcpy(&small, &low, 8);
    memcpy(&large, &high, 8);
    return (large - (0x1p84 + 0x1p63 + 0x1p52)) + small;
}

#define PANEL(MODEL, NEURON, ROW)                                                                                      \
    INLINE void MODEL##_panels(int64_t n, Panel *panels, const double *rows, int64_t stride, int same,                 \
                               Sum *sums, int64_t apart, const Window *window, uint64_t *fails)                        \
    {                                                                                                                  \
        const double q_0 = window->quantum[0], q_1 = window->quantum[1];                                               \
        Lane length;                                                                                                   \
        Lanes x;                                                                                                       \
        Propagators f;                                                                                                 \
        const int lanes = LANES_AT_ONCE;                                                                               \
        int64_t i;                                                                                                     \
        int l;                                                                                                         \
        EACH_LANE(l) {                                                                                                 \
            length[l] = window->length;                                                                                \
            x.rest[l] = x.after[l] = -INFINITY;                                                                        \
        }                                                                                                              \
        for (i = 0; i < n; i += LANES_AT_ONCE) {                                                                       \
            Panel *panel = panels + i / CHUNK;                                                                         \
            const int64_t k = i % CHUNK;                                                                               \
            EACH_LANE(l) {                                                                                             \
                x.M_ex[l] = q_0 * in_doubles(sums[i + l].membrane);                                                    \
                x.S_ex[l] = q_1 * in_doubles(sums[i + l].current);                                                     \
            }                                                                                                          \
            EACH_LANE(l) {                                                                                             \
                x.M_in[l] = q_0 * in_doubles(sums[apart + i + l].membrane);                                            \
                x.S_in[l] = q_1 * in_doubles(sums[apart + i + l].current);                                             \
            }                                                                                                          \
            memset(&sums[i], 0, LANES_AT_ONCE * sizeof(Sum));                                                          \
            memset(&sums[apart + i], 0, LANES_AT_ONCE * sizeof(Sum));                                                  \
            EACH_LANE(l) {                                                                                             \
                x.u[l] = panel->u[k + l];                                                                              \
                x.ex[l] = panel->ex[k + l];                                                                            \
                x.in[l] = panel->in[k + l];                                                                            \
                x.I_e[l] = panel->I_e[k + l];                                                                          \
            }                                                                                                          \
            if (stride || i == 0) {                                                                                    \
                for (l = 0; l < LANES_AT_ONCE; l++)                                                                    \
                    MODEL##_rates(&x, l, (const ROW *)(rows + stride * (i + l < n ? i + l : i)));                      \
                MODEL##_factors(lanes, &x, same, length, &f);                                                          \
            }                                                                                                          \
            MODEL##_through(lanes, &x, same, length, &f);                                                              \
            EACH_LANE(l) {                                                                                             \
                const double finite = (x.fading[l] - x.fading[l]) + (x.u[l] - x.u[l]);                                 \
                x.safe[l] = finite == 0.0 ? x.safe[l] : 0.0;                                                           \
                panel->u[k + l] = x.safe[l] != 0.0 ? x.u[l] : panel->u[k + l];                                         \
                panel->ex[k + l] = x.safe[l] != 0.0 ? x.ex[l] : panel->ex[k + l];                                      \
                panel->in[k + l] = x.safe[l] != 0.0 ? x.in[l] : panel->in[k + l];                                      \
            }                                                                                                          \
            fails[i / CHUNK] = k == 0 ? 0 : fails[i / CHUNK];                                                          \
            for (l = 0; l < LANES_AT_ONCE; l++)                                                                        \
                fails[i / CHUNK] |= (uint64_t)(x.safe[l] == 0.0) << (k + l);                                           \
        }                                                                                                              \
    }                                                                                                                  \
    LANES void eventsim_##MODEL##_panel(int64_t n, Panel *panels, const double *rows, int64_t stride, int same,        \
                                        Sum *sums, int64_t apart, const Window *window, uint64_t *fails)               \
    {                                                                                                                  \
        if (same)                               /* spelt out, each a loop of its own */                                \
            MODEL##_panels(n, panels, rows, stride, 1, sums, apart, window, fails);                                    \
        else                                                                                                           \
            MODEL##_panels(n, panels, rows, stride, 0, sums, apart, window, fails);                                    \
    }                                                                                                                  \
    /* neuron l of a panel takes up the state in a row, or a row that of the neuron */                                 \
    static void eventsim_##MODEL##_enter(Panel *panel, int l, const double *row)                                       \
    {                                                                                                                  \
        Lanes x;                                                                                                       \
        x.ex[0] = x.in[0] = x.I_e[0] = 0.0;                                                                            \
        MODEL##_load(&x, 0, (const NEURON *)row);                                                                      \
        panel->u[l] = x.u[0];                                                                                          \
        panel->ex[l] = x.ex[0];                                                                                        \
        panel->in[l] = x.in[0];                                                                                        \
        panel->I_e[l] = x.I_e[0];                                                                                      \
    }                                                                                                                  \
    static void eventsim_##MODEL##_leave(const Panel *panel, int l, double *row)                                       \
    {                                                                                                                  \
        Lanes x;                                                                                                       \
        x.u[0] = panel->u[l];                                                                                          \
        x.ex[0] = panel->ex[l];                                                                                        \
        x.in[0] = panel->in[l];                                                                                        \
        MODEL##_store(&x, 0, (NEURON *)row);                                                                           \
    }

#endif
