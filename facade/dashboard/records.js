// The records of one account, read back as far as somebody needs them, and growing as they come.

import { accountPath, ask } from "./api.js";

const PAGE = 250;
const KEPT = 5_000;

/**
 * @typedef {{ newestFirst: () => any[], isWhole: () => boolean, failure: () => string,
 *   older: () => Promise<void>, back: (fromMsc: number) => Promise<void>,
 *   hear: (record: any) => void, onChange: (told: () => void) => () => void }} Records
 */

/** @param {any} snap as it is now @returns {Records} */
export function makeRecords(snap) {
  /** @type {any[]} newest first */
  let known = [];
  let oldest = snap.seq + 1, failed = "";
  /** @type {Promise<void> | null} */
  let reading = null;
  /** @type {Set<() => void>} */
  const listeners = new Set();
  const tell = () => {
    for (const one of listeners) one();
  };

  async function read() {
    const from = Math.max(0, oldest - 1 - PAGE);
    const limit = oldest - 1 - from;
    if (limit <= 0) return;
    try {
      const page = await ask(`${accountPath(snap)}/events?after=${from}&limit=${limit}`);
      known = [...known, ...page.events.filter(one => one.seq < oldest).reverse()];
      oldest = from + 1;
      failed = "";
    } catch (error) {
      failed = String(/** @type {any} */ (error).message);
    }
    tell();
  }

  /** One page more; whoever asks while one is read waits for that. */
  function older() {
    reading ??= read().finally(() => {
      reading = null;
    });
    return reading;
  }

  return {
    newestFirst: () => known,
    isWhole: () => oldest <= 1,
    failure: () => failed,
    older,
    /** Until the records reach back to a time, or as many are held as a page should. */
    async back(fromMsc) {
      while (oldest > 1 && known.length < KEPT
        && (!known.length || known[known.length - 1].time_msc > fromMsc)) {
        await older();
        if (failed) return;
      }
    },
    hear(record) {
      if (known.length && record.seq <= known[0].seq) return;
      known = [record, ...known];
      tell();
    },
    onChange(told) {
      listeners.add(told);
      return () => listeners.delete(told);
    },
  };
}
