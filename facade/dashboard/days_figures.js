// Figures of days and of closed positions, from equity buckets and records alone.

import { age, number, volume } from "./words.js";

const DAY_MS = 86_400_000;

/**
 * Every day of a span: its result and how far below its start it was; null where nobody valued it.
 * @param {any[]} buckets of a day each, oldest first; some before the span
 * @param {any[]} records in any order @param {number} fromMsc @param {number} toMsc
 */
export function dayRows(buckets, records, fromMsc, toMsc) {
  const byDay = new Map(buckets.map((bucket, place) => [bucket.start_msc, place]));
  const days = [];
  for (let at = fromMsc; at < toMsc; at += DAY_MS) {
    const within = records.filter(one => one.time_msc >= at && one.time_msc < at + DAY_MS);
    const count = types => within.filter(one => types.includes(one.type)).length;
    const moved = within.filter(one => one.type === "balance_changed")
      .reduce((sum, one) => sum + one.amount, 0);
    const place = byDay.get(at);
    const bucket = place === undefined ? null : buckets[place];
    const start = bucket ? buckets[place - 1]?.close ?? bucket.open : null;
    days.push({ at, moved, closed: count(["position_closed"]),
      breaches: count(["guard_breach", "rule_breach"]),
      warnings: count(["guard_warning", "rule_warning"]),
      result: bucket ? bucket.close - start - moved : null,
      worst: bucket ? Math.min(0, bucket.low - start - Math.min(0, moved)) : null });
  }
  return days;
}

/**
 * [what, value, how it is computed], or null where nothing was closed.
 * @param {any[]} records in any order @param {any} snap
 * @returns {[string, any, string][] | null}
 */
export function statisticsOf(records, snap) {
  const closed = records.filter(one => one.type === "position_closed");
  if (!closed.length) return null;
  const opened = new Map(records.filter(one => one.type === "position_opened")
    .map(one => [one.position_id, one.time_msc]));
  const profits = closed.map(one => one.profit);
  const wins = profits.filter(profit => profit > 0), losses = profits.filter(profit => profit < 0);
  const sum = list => list.reduce((total, value) => total + value, 0);
  const held = closed.filter(one => opened.has(one.position_id))
    .map(one => one.time_msc - opened.get(one.position_id));
  const none = { text: "—" };
  const cash = value => (value === null ? none : { money: value, plus: true });
  const mean = list => (list.length ? sum(list) / list.length : null);
  return [
    ["Closes", { text: number(closed.length, 0) }, "deals that closed a position, in part too"],
    ["Result", cash(sum(profits)), "their profits, without swap and commission"],
    ["Profit factor", losses.length ? { text: number(sum(wins) / -sum(losses), 2) } : none,
      "gains divided by losses; none without a loss"],
    ["Won", { percent: 100 * wins.length / closed.length }, "closes with a profit above zero"],
    ["Average win", cash(mean(wins)), "gains divided by how many there were"],
    ["Average loss", cash(mean(losses)), "losses divided by how many there were"],
    ["Best", cash(Math.max(...profits)), "the highest profit of one close"],
    ["Worst", cash(Math.min(...profits)), "the lowest profit of one close"],
    ["Lots", { text: volume(sum(closed.map(one => one.volume_lots))) }, "closed, all symbols"],
    ["Days traded", { text: String(new Set(closed.map(one => Math.floor(one.time_msc / DAY_MS)))
      .size) }, "UTC days with a close"],
    ["Average hold", held.length ? { text: age(mean(held)) } : none,
      `from opening to close, of the ${held.length} whose opening was seen`],
    ["By a guard", { text: number(closed.filter(one => one.reason.startsWith("guard:")).length,
      0) }, "closes that a guard asked for"],
    ["Largest drawdown", cash(snap.max_drawdown ? -snap.max_drawdown : null),
      snap.max_drawdown_time_msc ? "of every tick, below the high-water mark; deepest at "
        + new Date(snap.max_drawdown_time_msc).toISOString().slice(0, 19) + "Z"
        : "of every tick, below the high-water mark"],
  ];
}
