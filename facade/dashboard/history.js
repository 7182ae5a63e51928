// What floors and references were over time: by what the records say of them, never by today's.

const CENT = 0.005;

/** @param {number[]} times s @param {number} at @returns {number} the last place not after it */
export function placeOf(times, at) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Money that came or went in (from, to], which moves references with it. */
function movedIn(moves, from, to) {
  let sum = 0;
  for (const [at, amount] of moves) if (at > from && at <= to) sum += amount;
  return sum;
}

/**
 * The high-water mark at each time: the mark of now where it is older than the times, else the
 * highest so far of what is shown.
 * @param {any} snap @param {(number | null)[]} highs
 * @returns {number[]}
 */
export function highWaterOver(snap, highs) {
  const mark = snap.equity_high_water;
  const isOld = !highs.some(high => high !== null && high >= mark - CENT);
  let so_far = snap.initial;
  return highs.map(high => {
    so_far = Math.max(so_far, high ?? so_far);
    return isOld ? mark : Math.min(mark, so_far);
  });
}

/**
 * Reference and floor of a guard at each time; null where no record says what they were.
 * @param {any} guard @param {any} snap @param {any[]} records oldest first
 * @param {number[]} times s, ascending @param {(number | null)[]} highs of the equity
 * @returns {{ reference: (number | null)[], floor: (number | null)[] }}
 */
export function courseOf(guard, snap, records, times, highs) {
  const amount = guard.reference - guard.floor;
  const moves = records.filter(one => one.type === "balance_changed")
    .map(one => [one.time_msc / 1e3, one.amount]);
  const points = records.filter(one => one.guard === guard.name && one.floor !== undefined
    && one.floor !== null && one.reference !== null).map(one => ({ at: one.time_msc / 1e3,
    reference: one.reference, floor: one.floor, isReset: one.type === "day_reset" }));
  const starts = points.map(point => point.at);
  const now = snap.time_msc / 1e3;
  const rises = isRising(guard, snap, points, moves, now);
  const mark = rises && !guard.next_reset_msc ? highWaterOver(snap, highs) : null;
  let day = -1, top = -Infinity;
  /** @type {(number | null)[]} */
  const reference = [], floor = [];
  for (const [place, at] of times.entries()) {
    const found = placeOf(starts, at);
    const point = points[found];
    let value = null, lost = amount;
    if (mark) value = mark[place];
    else if (point) {
      value = point.reference + movedIn(moves, point.at, at);
      lost = point.reference - point.floor;
    } else if (!points.length) value = guard.reference - movedIn(moves, at, now);
    else if (!points[0].isReset) {
      value = points[0].reference - movedIn(moves, at, starts[0]);
      lost = points[0].reference - points[0].floor;
    }
    if (rises && !mark && value !== null) {
      if (found !== day) top = -Infinity;
      day = found;
      top = Math.max(top, highs[place] ?? top);
      value = Math.max(value, Math.min(guard.reference, top));
    }
    reference.push(value);
    floor.push(value === null ? null : mark ? Math.min(value - lost, guard.floor) : value - lost);
  }
  return { reference, floor };
}

/** Whether its reference follows the highest equity, of all time or of the day. */
function isRising(guard, snap, points, moves, now) {
  if (!guard.next_reset_msc) {
    return Math.abs(guard.reference - snap.equity_high_water) < CENT
      && snap.equity_high_water > snap.initial + CENT;
  }
  const last = points[points.length - 1];
  return Boolean(last) && guard.reference > last.reference + movedIn(moves, last.at, now) + CENT;
}

/**
 * Percent of the amount used at each time, on the lowest equity of it.
 * @param {(number | null)[]} lows
 * @param {{ reference: (number | null)[], floor: (number | null)[] }} course
 * @returns {(number | null)[]}
 */
export function usedOver(lows, course) {
  return lows.map((low, place) => {
    const from = course.reference[place], floor = course.floor[place];
    if (low === null || from === null || floor === null || from === floor) return null;
    return Math.max(0, 100 * (from - low) / (from - floor));
  });
}

/**
 * Money an account gains when one symbol's price rises by one, worked out from what its positions
 * have gained so far; null where nothing can be worked out of them.
 * @param {any[]} positions of one symbol
 */
export function slopeOf(positions) {
  let slope = 0;
  for (const one of positions) {
    if (one.current_price === null || one.profit === null) return null;
    const moved = one.current_price - one.open_price;
    if (Math.abs(moved) < 1e-9 || one.profit === 0) return null;
    slope += one.profit / moved;
  }
  return slope;
}

/**
 * By symbol, the one that moves the account most first: its positions and what a whole price is
 * worth.
 * @param {any} snap
 */
export function bySymbol(snap) {
  /** @type {Map<string, any[]>} */
  const held = new Map();
  for (const one of snap.positions) held.set(one.symbol, [...(held.get(one.symbol) ?? []), one]);
  const weight = one => Math.abs((one.slope ?? 0) * (one.price ?? 0));
  return [...held].map(([symbol, positions]) => ({ symbol, positions,
    slope: slopeOf(positions), price: positions[0].current_price }))
    .sort((a, b) => weight(b) - weight(a));
}
