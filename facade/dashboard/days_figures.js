// Figures of days, from equity buckets and records alone.

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
