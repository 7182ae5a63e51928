// The link of an account and the terminal at its other end.

import { el } from "./dom.js";
import { age, clock, clockTip, counted, money, NONE, number, plainWords } from "./words.js";

const ms = value => (value === null || value === undefined ? NONE
  : `${number(value, value < 10 ? 1 : 0)}\u202fms`);

/** `UTC+2`, `UTC+5:30`. @param {number} seconds */
export function zoneWords(seconds) {
  const minutes = Math.round(Math.abs(seconds) / 60);
  const rest = minutes % 60 ? `:${String(minutes % 60).padStart(2, "0")}` : "";
  return `UTC${seconds < 0 ? "\u2212" : "+"}${Math.floor(minutes / 60)}${rest}`;
}

/** How a terminal's clock stands to the engine's. @param {number | null} offsetMs */
export function clockWords(offsetMs) {
  if (offsetMs === null) return NONE;
  if (Math.abs(offsetMs) < 100) return "as the engine's";
  return `${age(Math.abs(offsetMs))} ${offsetMs < 0 ? "behind" : "ahead of"} the engine's`;
}

/** @param {any} row @param {number} now */
export function linkFacts(row, now) {
  const { live } = row.snap;
  if (!live) return el("p", { class: "empty" }, "This account has no link to a terminal.");
  const { link, reconciliation, terminal } = live;
  const ago = msc => (msc ? `${age(now - msc)} ago` : NONE);
  const facts = [["Link", plainWords(link.state)], ["Since", clock(link.since_msc),
    clockTip(link.since_msc)],
  ["Heartbeat", ago(terminal?.heartbeat_msc), clockTip(terminal?.heartbeat_msc)],
  ["Round trip when it linked", ms(terminal?.handshake_ms)],
  ["Round trip of a full report", ms(terminal?.report_ms)],
  ["Reconnects", terminal ? number(terminal.reconnects, 0) : NONE],
  ["Last lost", terminal?.lost_msc ? `${clock(terminal.lost_msc, { ms: false })}, `
    + plainWords(terminal.lost_cause) : terminal ? "not yet" : NONE],
  ["Frames missed", terminal?.gap_msc ? `${counted(terminal.gaps, "time")}, last `
    + clock(terminal.gap_msc, { ms: false }) : terminal ? "none" : NONE],
  ["Terminal's clock", clockWords(terminal?.clock_offset_ms ?? null)],
  ["Server's clock", terminal ? zoneWords(terminal.gmt_offset_s) : NONE],
  ["Build", terminal ? String(terminal.build) : NONE],
  ["Broker", terminal?.company || NONE],
  ["Session", link.session ? el("span", { class: "id" }, link.session.slice(0, 16)) : NONE],
  ["Autotrading", link.trade_allowed === null ? NONE : link.trade_allowed ? "on" : "off"],
  ["Broker's equity", money(link.equity, row.snap.currency)],
  ["Reconciliation", plainWords(reconciliation.status)],
  ["Full reports", number(reconciliation.total_syncs, 0)],
  ["Last report", clock(reconciliation.last_sync_msc)]];
  return el("div", null, el("dl", { class: "facts" }, facts.map(([name, value, tip]) =>
    el("div", { title: tip || null }, el("dt", null, name), el("dd", null, value)))),
  el("p", { class: "foot" }, terminal ? "A round trip holds the terminal's own work: a proof of its "
    + "key when it links, gathering all it holds for a report. Its clock is compared at every "
    + "heartbeat of the last minutes, by the one that came quickest. Counted since the engine "
    + "started." : "No terminal has linked since the engine started."));
}
