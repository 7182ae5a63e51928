// What scripts that poll would have seen of a breach, in words.

import { seconds } from "./incident_story.js";
import { money, percent } from "./words.js";

/** `10s` as `10 s`. @param {string} period */
function spaced(period) {
  return period.replace(/(\d+)s$/, "$1\u202fs");
}

/** How long polls were followed after the verdict. @param {any} tape */
export function followed(tape) {
  return `${Math.round((tape.polled_until_msc - tape.time_msc) / 1e3)}\u202fs`;
}

/** The heading: the periods that were asked about. @param {any} tape */
export function pollTitle(tape) {
  const periods = tape.polls.map(one => one.period.replace(/s$/, ""));
  return `What a ${periods.join(" / ")} s poll would have seen`;
}

/**
 * One period, in a sentence or two.
 * @param {any} one @param {any} tape @param {string} currency
 */
export function pollWords(one, tape, currency) {
  const each = `A poll every ${spaced(one.period)}`;
  const limit = tape.is_final ? `in the ${followed(tape)} after it`
    : `in the ${followed(tape)} so far`;
  if (one.late_max_ms === null) return `${each}: whenever it asks, it sees nothing of it ${limit}.`;
  const sooner = `in half of the cases within ${seconds(one.late_median_ms)} of the engine, in `
    + `95\u202f% within ${seconds(one.late_p95_ms)}, at the latest after ${seconds(one.late_max_ms)}`;
  const cash = value => money(value, currency);
  const worst = one.cost_worst > 0 ? `, ${cash(one.cost_worst)} lower than when the engine saw it`
    : "";
  const equity = `At worst it is then at ${cash(one.equity_worst)} ${currency}${worst}.`;
  const seen = one.missed_percent > 0
    ? `at ${percent(one.missed_percent)} of the moments it may ask at it sees nothing of it ${limit}; `
      + `at the others it does, ${sooner}.`
    : `whenever it asks, it sees it: ${sooner}.`;
  return `${each}: ${seen} ${equity}`;
}
