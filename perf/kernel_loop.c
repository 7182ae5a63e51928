/* The work of the marking kernel as a plain loop in C, for perf/bench_kernel.py to measure against.
 *
 * A batch of ticks over n accounts, tick by tick: the equity moves by what the symbol's buys and
 * sells are worth more, then high-water mark, largest drawdown and a floor are tested. Columns are
 * dense, a row of n a symbol, so that the inner loop vectorises.
 */
#include <stdint.h>

/* The number of (tick, account) pairs at or below the floor. */
int64_t kernel_loop(int64_t n, int64_t ticks, const int32_t *symbol, const double *bid_move,
                    const double *ask_move, const double *long_units, const double *short_units,
                    const double *restrict floor_equity, double *restrict equity,
                    double *restrict high_water, double *restrict max_drawdown)
{
    int64_t below = 0;
    for (int64_t t = 0; t < ticks; t++) {
        const double *restrict longs = long_units + symbol[t] * n;
        const double *restrict shorts = short_units + symbol[t] * n;
        const double bid = bid_move[t], ask = ask_move[t];
        int64_t found = 0;
        for (int64_t i = 0; i < n; i++) {
            const double worth = equity[i] + longs[i] * bid - shorts[i] * ask;
            const double high = worth > high_water[i] ? worth : high_water[i];
            const double down = high - worth;
            equity[i] = worth;
            high_water[i] = high;
            max_drawdown[i] = down > max_drawdown[i] ? down : max_drawdown[i];
            found += worth <= floor_equity[i];
        }
        below += found;
    }
    return below;
}
