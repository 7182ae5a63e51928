// The order of the list. Rows never jump under the pointer or the focus: while somebody is at the
// list the order stands, what came later waits for the chip, and only a new breach goes on top.

import { columnsOf } from "./columns.js";

const RESORT_MS = 2_000;

/** @param {() => boolean} isHeld whether somebody is at the list */
export function makeOrder(isHeld) {
  /** @type {any[]} */
  let shown = [];
  let sortedMs = 0, moved = 0;
  let sort = { id: "state", down: false };

  function compare(a, b) {
    const [column] = columnsOf([sort.id]);
    const left = column.sort(a), right = column.sort(b);
    const sign = sort.down ? -1 : 1;
    if (left < right) return -sign;
    if (left > right) return sign;
    return a.key < b.key ? -1 : 1;
  }

  return {
    get rows() { return shown; },
    get moved() { return moved; },
    get sort() { return sort; },
    /** @param {{ id: string, down: boolean }} wanted */
    by(wanted) { sort = wanted; },
    /**
     * Takes the rows that are to be shown. @param {any[]} found @param {boolean} now at once
     * @param {any[]} [worse] rows that came to a breach: on top in any case
     * @returns {number} how many rows were put above the rest out of turn
     */
    take(found, now, worse = []) {
      const clock = performance.now();
      if (now || (!isHeld() && clock - sortedMs >= RESORT_MS)) {
        shown = [...found].sort(compare);
        sortedMs = clock;
        moved = 0;
        return 0;
      }
      const wanted = new Set(found);
      const stays = shown.filter(row => wanted.has(row));
      const here = new Set(stays);
      const above = sort.id === "state" && !sort.down
        ? worse.filter(row => wanted.has(row)) : [];
      const top = new Set(above);
      const fresh = found.filter(row => !here.has(row) && !top.has(row));
      shown = [...above.sort(compare), ...stays.filter(row => !top.has(row)), ...fresh];
      if (clock - sortedMs >= RESORT_MS) {
        const due = [...found].sort(compare);
        const after = new Map(shown.map((row, at) => [row, shown[at - 1]]));
        // Whoever follows somebody else than before: one row that climbs is not all below it.
        moved = due.reduce((sum, row, at) => sum + Number(after.get(row) !== due[at - 1]), 0);
        sortedMs = clock;
      }
      return above.length;
    },
  };
}
