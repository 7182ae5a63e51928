// What the list can show, how each column is read, sorted and drawn.

import { el, meter, put, setMeter, stateBadge } from "./dom.js";
import { rankOf, stateWords } from "./states.js";
import { age, clockTip, countdown, money, NONE, percent, volume } from "./words.js";

/**
 * @typedef {{ id: string, head: string, said?: string, num?: boolean, width: string, sort: (row: any) => any,
 *   text?: (row: any, now: number) => string, tip?: (row: any) => string, ages?: boolean,
 *   make?: (row: any, now: number) => any, set?: (cell: any, row: any, now: number) => void,
 *   gain?: (row: any) => number | null }} Column
 */

/** @type {Column[]} */
export const COLUMNS = [
  { id: "state", head: "State", width: "11.5em", sort: row => rankOf(row.severity) * 1e6
      + Math.min(9e5, row.snap.room_percent ?? 9e5), ages: true,
    make: (row, now) => stateBadge(row.severity, stateWords(row, now)),
    set: (cell, row, now) => {
      const badge = cell.firstChild;
      if (badge.className !== `state s-${row.severity}`) {
        cell.replaceChildren(stateBadge(row.severity, stateWords(row, now)));
      } else put(badge.lastChild, stateWords(row, now));
    },
    tip: row => row.snap.reason ?? row.snap.halts.join("; ") },
  { id: "login", head: "Login", width: "6.5em", sort: row => row.snap.login,
    text: row => String(row.snap.login) },
  { id: "server", head: "Server", width: "9em", sort: row => row.snap.server,
    text: row => row.snap.server },
  { id: "guard", head: "Nearest guard", width: "9.5em", sort: row => row.guard?.name ?? "~",
    text: row => row.guard?.name ?? NONE },
  { id: "used", head: "Used", width: "8.5em", sort: row => -(row.used ?? -1),
    make: row => meter(row.used, row.warn, `${row.snap.login} used`),
    set: (cell, row) => setMeter(cell.firstChild, row.used, row.warn,
      `${row.snap.login}: ${row.guard?.name ?? "no guard"} used`) },
  { id: "percent", head: "%", said: "% used", num: true, width: "5em", sort: row => -(row.used ?? -1),
    text: row => percent(row.used).replace(/\u202f?%$/, "") },
  { id: "room", head: "Room to floor", num: true, width: "8em", sort: row => row.room ?? Infinity,
    text: row => (row.room === null ? NONE : money(row.room, row.snap.currency)) },
  { id: "equity", head: "Equity", num: true, width: "8.5em", sort: row => -(row.snap.equity ?? 0),
    text: row => money(row.snap.equity, row.snap.currency) },
  { id: "today", head: "Today", num: true, width: "7.5em", sort: row => row.today ?? Infinity,
    text: row => money(row.today, row.snap.currency, true), gain: row => row.today },
  { id: "disc", head: "Disc", said: "Disc, discrepancies", num: true, width: "3.6em", sort: row => -row.disc,
    text: row => (row.disc ? String(row.disc) : row.snap.live ? "0" : NONE) },
  { id: "reset", head: "Reset in", num: true, width: "6em", ages: true,
    sort: row => row.resetMsc ?? Infinity, tip: row => clockTip(row.resetMsc),
    text: (row, now) => countdown(row.resetMsc === null ? null : row.resetMsc - now) },
  { id: "age", head: "Age", num: true, width: "5em", ages: true,
    sort: row => -(row.snap.age_ms ?? -1), text: (row, now) => age(row.ageMs(now)) },
  { id: "high", head: "High-water", num: true, width: "8.5em",
    sort: row => -row.snap.equity_high_water,
    text: row => money(row.snap.equity_high_water, row.snap.currency) },
  { id: "drawdown", head: "Drawdown", num: true, width: "5.5em",
    sort: row => -(row.snap.drawdown_percent ?? -1),
      text: row => percent(row.snap.drawdown_percent) },
  { id: "floating", head: "Floating", num: true, width: "7.5em", sort: row => row.snap.profit ?? 0,
    text: row => money(row.snap.profit, row.snap.currency, true), gain: row => row.snap.profit },
  { id: "level", head: "Margin level", num: true, width: "7em",
    sort: row => row.snap.margin_level ?? Infinity, text: row => percent(row.snap.margin_level) },
  { id: "positions", head: "Positions", num: true, width: "5.5em",
    sort: row => -row.snap.positions.length, text: row => String(row.snap.positions.length) },
  { id: "lots", head: "Lots", num: true, width: "5em", sort: row => -row.lots,
    text: row => volume(row.lots) },
  { id: "ccy", head: "Currency", width: "5em", sort: row => row.snap.currency,
    text: row => row.snap.currency },
  { id: "ruleset", head: "Rule set", width: "8em", sort: row => row.snap.ruleset ?? "",
    text: row => row.snap.ruleset || NONE },
  { id: "link", head: "Link", width: "6em", sort: row => row.snap.live?.link?.state ?? "",
    text: row => row.snap.live?.link?.state ?? NONE },
];
export const USUAL = ["state", "login", "server", "guard", "used", "percent", "room", "equity",
  "today", "disc", "reset", "age"];
export const NARROW = ["state", "login", "used", "percent", "room"];
/** Where even a meter has no room: its number stands alone. */
export const TINY = ["state", "login", "percent", "room"];
const SLIM = { state: "9.3em", login: "5em", used: "auto", percent: "4.7em", room: "6.3em" };
const TINY_WIDTHS = { state: "8.6em", login: "4.5em", percent: "4.6em", room: "auto" };
const SPLIT = { state: "11em", login: "6.8em", used: "auto", percent: "4.6em", room: "7em" };

/** The smallest phones. */
export function isTiny() {
  return matchMedia("(max-width: 370px)").matches;
}

/** The width of a column where there is little room. @param {Column} column */
export function slimWidth(column) {
  const widths = document.body.classList.contains("split") ? SPLIT : isTiny() ? TINY_WIDTHS : SLIM;
  return widths[column.id] ?? column.width;
}

/** @param {string[]} ids @returns {Column[]} */
export function columnsOf(ids) {
  const found = ids.map(id => COLUMNS.find(column => column.id === id)).filter(Boolean);
  return /** @type {Column[]} */ (found.length ? found : columnsOf(USUAL));
}

/** A cell of the column. @param {Column} column @param {any} row @param {number} now */
export function cellOf(column, row, now) {
  const isHead = column.id === "login";
  const cell = el(isHead ? "th" : "td", { class: `c-${column.id}${column.num ? " num" : ""}`,
    scope: isHead ? "row" : null });
  if (column.make) cell.append(column.make(row, now));
  setCell(column, cell, row, now);
  return cell;
}

/** Brings a cell up to date. @param {Column} column @param {any} cell @param {any} row */
export function setCell(column, cell, row, now) {
  if (column.set) column.set(cell, row, now);
  else if (column.text) put(cell, column.text(row, now));
  if (column.gain) {
    const value = column.gain(row);
    const gain = value ? (value < 0 ? "loss" : "gain") : "";
    if (cell.dataset.gain !== gain) cell.dataset.gain = gain;
  }
  const tip = column.tip?.(row) ?? "";
  if (cell.title !== tip) cell.title = tip;
}
