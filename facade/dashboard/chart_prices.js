// The price of the symbol that moves an account most: of the last hour as the engine kept it, then
// as it is heard.

import { accountPath, ask } from "./api.js";
import { bySymbol } from "./history.js";

const KEPT = 8_000;

/** @param {() => any} latest the row as it is now */
export function makePrices(latest) {
  /** @type {Map<string, [number, number][]>} seconds and prices, oldest first */
  const heard = new Map();
  /** @type {Set<string>} of which the engine told what was before */
  const told = new Set();

  /** The side that closes a symbol's first position: a sell is closed at the ask. */
  function sideOf(symbol) {
    const first = latest().snap.positions.find(one => one.symbol === symbol);
    return first?.side === "sell" ? "ask" : "bid";
  }

  return {
    /** What is shown: the symbol, or none. */
    symbol() {
      const { snap } = latest();
      return snap.positions.length ? bySymbol(snap)[0].symbol : "";
    },
    /** @param {string} symbol */
    title(symbol) {
      return told.has(symbol) ? `${symbol}, ${sideOf(symbol)}, of the last hour at most`
        : `${symbol}, ${sideOf(symbol)}, as heard since this page was opened`;
    },
    hear() {
      const { snap } = latest();
      for (const one of snap.positions) {
        if (one.current_price === null) continue;
        const rows = heard.get(one.symbol) ?? [];
        const at = snap.time_msc / 1e3;
        if (rows.length && rows[rows.length - 1][0] >= at) continue;
        rows.push([at, one.current_price]);
        if (rows.length > KEPT) rows.splice(0, KEPT / 4);
        heard.set(one.symbol, rows);
      }
    },
    /** What the engine kept of the shown symbol; where it cannot be read, what was heard stays. */
    async load() {
      const symbol = this.symbol();
      if (!symbol || told.has(symbol)) return;
      try {
        const path = `${accountPath(latest().snap)}/prices?symbol=${encodeURIComponent(symbol)}`;
        const side = sideOf(symbol);
        const { prices } = await ask(path);
        const kept = prices.map(one => [one.start_msc / 1e3, one[side]]);
        const last = kept.length ? kept[kept.length - 1][0] : 0;
        heard.set(symbol, [...kept, ...(heard.get(symbol) ?? []).filter(([at]) => at > last)]);
        told.add(symbol);
      } catch {
        // Asked again at the next load.
      }
    },
    /** @param {string} symbol @param {number} from @returns {[number[], number[]] | null} */
    of(symbol, from) {
      const rows = (heard.get(symbol) ?? []).filter(([at]) => at >= from);
      return rows.length < 2 ? null : [rows.map(([at]) => at), rows.map(([, value]) => value)];
    },
  };
}
