// An incident in words and figures, from the verdict and the records that followed.

import { broken } from "./events.js";
import { digitsOf, clock, money, number, plainWords, price, volume } from "./words.js";

/**
 * @typedef {{ at: number, after: number, what: string, seq: number | null }} Step
 * @typedef {{ position: number, symbol: string, side: string, lots: number, quote: number | null,
 *   price: number, better: number | null, money: number | null, after: number,
 *   reason: string }} Fill
 */

/** The sentence. @param {any} record @param {string} currency @param {boolean} named */
export function story(record, currency, named) {
  const cash = value => money(value, currency);
  const whose = named ? ` of ${record.login}` : "";
  const tick = record.tick ? `tick ${number(record.tick.index, 0)} of ${record.tick.symbol} `
    + `(${price(record.tick.bid)} / ${price(record.tick.ask)}) ` : "what came ";
  if (record.floor !== undefined && record.equity !== undefined) {
    const beyond = Math.abs(record.floor - record.equity);
    const where = record.equity < record.floor ? `${cash(beyond)} below` : `${cash(beyond)} above`;
    return `At ${clock(record.time_msc)} ${tick}took equity${whose} to ${cash(record.equity)} `
      + `${currency}, ${where} the floor ${cash(record.floor)} of ${record.guard}.`;
  }
  return `At ${clock(record.time_msc)} ${tick}led to ${plainWords(record.type)}${whose} by `
    + `${record.guard ?? "a rule"}${record.subject ? ` (${record.subject})` : ""}.`;
}

/**
 * What came of a verdict: the records of its own guard, and the closes they led to.
 * @param {any} record of the verdict @param {any[]} later the account's records, in order
 */
export function cameOf(record, later) {
  const mine = new Set();
  const reason = `guard:${record.guard}`;
  return later.filter(one => {
    if (one.seq <= record.seq) return false;
    if (one.type === "account_halted") return one.cause === record.guard;
    if (one.type === "account_released") return one.cause === record.guard;
    if (one.type === "close_settled" || one.type === "close_alert") return mine.has(one.intent_id);
    if (one.reason !== reason) return false;
    if (one.type === "close_intended") mine.add(one.intent_id);
    return ["close_intended", "close_waits", "position_closed", "order_cancelled"]
      .includes(one.type);
  });
}

/** Closes held back by a stronger rule, or by a closed market: the position has not gone. */
function waiting(came) {
  const held = new Map();
  for (const one of came) {
    if (one.type === "close_waits") held.set(one.position_id, one);
    if (["close_intended", "position_closed", "close_settled"].includes(one.type)) {
      held.delete(one.position_id);
    }
  }
  return [...held.values()];
}

/**
 * How the closes stand: asked for, settled, and when the last was; null where none was asked for.
 * @param {any} record @param {any[]} came
 */
export function flatness(record, came) {
  const asked = came.filter(one => one.type === "close_intended").map(one => one.intent_id);
  const settled = came.filter(one => one.type === "close_settled");
  const waits = waiting(came).length;
  if (!asked.length && !waits) return null;
  const isFlat = !waits && asked.every(name => settled.some(one => one.intent_id === name));
  const last = settled.reduce((most, one) => Math.max(most, one.time_msc), record.time_msc);
  return { asked: asked.length, settled: settled.length, waits, isFlat, at: last,
    after: last - record.time_msc };
}

/**
 * What became of it, in a sentence.
 * @param {any} record @param {any[]} came @param {string} currency @param {number} noticeS
 */
export function outcome(record, came, currency, noticeS) {
  const fills = came.filter(one => one.type === "position_closed");
  const lots = fills.reduce((sum, one) => sum + one.volume_lots, 0);
  const gained = fills.reduce((sum, one) => sum + one.profit, 0);
  const flat = flatness(record, came);
  const parts = [];
  if (fills.length) {
    parts.push(`${volume(lots)} lots were closed, realised ${money(gained, currency, true)} `
      + currency);
  }
  const notice = noticeS ? `, ${noticeS} s of which were the notice` : "";
  if (flat?.isFlat) parts.push(`flat after ${seconds(flat.after)}${notice}`);
  else if (flat?.asked) parts.push(`${flat.settled} of ${flat.asked} closes are settled`);
  const named = key => [...new Set(came.flatMap(one => one[key] ?? []))].map(plainWords).join(", ");
  if (flat?.waits) parts.push(`${flat.waits} not closed yet, waiting for ${named("yields_to")}`);
  else if (named("yields_to")) parts.push(`a close waited for ${named("yields_to")}`);
  if (named("sacrificed")) parts.push(`closing broke ${named("sacrificed")}`);
  if (came.some(one => one.type === "account_halted")) parts.push("no new risk from then on");
  const text = parts.join("; ");
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

/** Milliseconds as seconds with three digits: `0.412 s`. @param {number} ms */
export function seconds(ms) {
  return `${number(ms / 1_000, 3)}\u202fs`;
}

/**
 * The timeline, first the tick and the decision.
 * @param {any} record @param {any[]} came @param {string} currency @param {number} noticeS
 * @returns {Step[]}
 */
export function timeline(record, came, currency, noticeS) {
  const at = record.time_msc;
  const tick = record.tick ? [{ at, after: 0, seq: null,
    what: `tick ${number(record.tick.index, 0)} of ${record.tick.symbol}, `
      + `${price(record.tick.bid)} / ${price(record.tick.ask)}` }] : [];
  const steps = [...tick, { at, after: 0, seq: record.seq,
    what: `decided: ${plainWords(record.type)} of ${record.guard}` + (noticeS
      && record.type.endsWith("breach") ? `; a notice of ${noticeS} s runs` : "") }];
  for (const one of came) {
    steps.push({ at: one.time_msc, after: one.time_msc - at, seq: one.seq,
      what: stepWords(one, currency) });
  }
  const flat = flatness(record, came);
  if (flat?.isFlat) {
    steps.push({ at: flat.at, after: flat.after, seq: null,
      what: `flat: ${flat.settled} of ${flat.asked} closes settled` });
  }
  return steps;
}

function stepWords(one, currency) {
  switch (one.type) {
    case "account_halted": return "halted: no new risk";
    case "account_released": return `released by ${one.by}: ${one.reason}`;
    case "close_intended":
      return `close of ${one.position_id} durable, to be sent${broken(one.sacrificed)}`;
    case "close_waits": return `close of ${one.position_id} waits for `
      + one.yields_to.map(plainWords).join(", ")
      + (one.until_msc === null ? ", nobody knows how long" : `, until ${clock(one.until_msc)}`);
    case "position_closed": return `${one.position_id}: ${volume(one.volume_lots)} lots of `
      + `${one.symbol} filled at ${price(one.close_price)}, ${money(one.profit, currency, true)}`;
    case "close_settled": return `close of ${one.position_id} settled in ${one.took_ms} ms, `
      + (one.attempts === 1 ? "first try" : `${one.attempts} tries`);
    case "close_alert": return `close of ${one.position_id}: ${plainWords(one.kind)}`;
    default: return `${plainWords(one.type)} ${one.order ?? ""}`;
  }
}

/**
 * Each fill against the quote that decided: `better` in price, above zero where the fill was the
 * better one; `money` is that in the account's currency, worked out from the fill's own profit.
 * @param {any} verdict @param {any[]} came
 * @returns {Fill[]}
 */
export function fillsOf(verdict, came) {
  const { record } = verdict;
  const first = record.time_msc;
  return came.filter(one => one.type === "position_closed").map(one => {
    const quote = quoteOf(verdict, one);
    const sign = one.side === "buy" ? 1 : -1;
    const better = quote === null ? null : sign * (one.close_price - quote);
    const moved = one.close_price - one.open_price;
    const worth = better === null ? null : better === 0 ? 0
      : Math.abs(moved) < 1e-9 ? null : one.profit / moved * sign * better;
    return { position: one.position_id, symbol: one.symbol, side: one.side,
      lots: one.volume_lots, quote, price: one.close_price, better,
      money: worth === null ? null : rounded(worth, verdict.currency),
      after: one.time_msc - first, reason: one.reason };
  });
}

function rounded(value, currency) {
  const unit = 10 ** digitsOf(currency ?? "");
  return Math.round(value * unit) / unit;
}

/** A buy is closed at the bid, a sell at the ask. */
function quoteOf(verdict, fill) {
  const { tick } = verdict.record;
  const quote = verdict.quotes?.[fill.symbol] ?? (tick?.symbol === fill.symbol ? tick : null);
  return quote ? (fill.side === "buy" ? quote.bid : quote.ask) : null;
}

/**
 * One key of a rule and its value, in words; minor units as money.
 * @param {string} name @param {any} value @param {string} currency @returns {[string, string]}
 */
export function ruleLine(name, value, currency) {
  if (name.endsWith("_minor") && typeof value === "number") {
    return [plainWords(name.slice(0, -6)), money(value / 10 ** digitsOf(currency), currency)];
  }
  if (value === null || value === undefined) return [plainWords(name), "—"];
  if (Array.isArray(value)) {
    return [plainWords(name), value.map(one => ruleLine("", one, currency)[1]).join(", ") || "—"];
  }
  if (typeof value === "boolean") return [plainWords(name), value ? "yes" : "no"];
  if (typeof value !== "object") {
    return [plainWords(name), name === "name" ? String(value) : plainWords(String(value))];
  }
  const parts = Object.entries(value).filter(([key]) => key !== "type").map(([key, one]) => {
    const [what, said] = ruleLine(key, one, currency);
    return key === "amount_minor" ? said : `${what} ${said}`;
  });
  return [plainWords(name), parts.join(", ") || "—"];
}
