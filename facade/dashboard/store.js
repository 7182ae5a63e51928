// Every account as last heard, its derived row, and who wants to know of changes.

import { ask } from "./api.js";
import { parse } from "./filter.js";
import { rankOf, severityOf, spokenGuard, tabOf } from "./states.js";

const PAGE = 1000;

/** One account of the list, with what the list shows of it worked out once a change. */
export class Row {
  /** @param {any} snap */
  constructor(snap) {
    this.key = keyOf(snap);
    this.closingOf = 0;
    this.version = 0;
    this.search = `${snap.login} ${snap.server} ${(snap.tags ?? []).join(" ")}`.toLowerCase();
    this.take(snap);
  }

  /** @param {any} snap */
  take(snap) {
    this.snap = snap;
    this.version += 1;
    this.heardAt = Date.now();
    this.severity = severityOf(snap);
    this.tab = tabOf(this.severity);
    const guard = spokenGuard(snap);
    this.guard = guard;
    this.used = guard?.used_percent ?? null;
    this.warn = guard?.warn_percent ?? null;
    this.room = guard ? guard.distance : null;
    this.disc = snap.live?.discrepancies?.length ?? 0;
    const daily = snap.guards.find(one => one.next_reset_msc && one.reference !== null);
    this.today = daily && snap.equity !== null ? snap.equity - daily.reference : null;
    this.resetMsc = daily?.next_reset_msc ?? guard?.next_reset_msc ?? null;
    this.lots = snap.positions.reduce((sum, one) => sum + one.volume_lots, 0);
    const closes = snap.live?.closes?.length ?? 0;
    this.closingOf = closes ? Math.max(this.closingOf, closes, snap.positions.length) : 0;
  }

  /** It goes on growing while nothing comes. @param {number} now */
  ageMs(now) {
    return this.snap.age_ms === null ? null : this.snap.age_ms + Math.max(0, now - this.heardAt);
  }
}

/** @param {{ server: string, login: number | string }} account */
export function keyOf(account) {
  return `${account.server}/${account.login}`;
}

/** @type {Map<string, Row>} */
export const rows = new Map();
/** @type {Set<(changed: Row[], worse: Row[]) => void>} */
const listeners = new Set();
/** @type {Set<(record: any) => void>} */
const hearers = new Set();

/** @param {(changed: Row[], worse: Row[]) => void} listener */
export function onRows(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** @param {(record: any) => void} hearer */
export function onRecord(hearer) {
  hearers.add(hearer);
  return () => hearers.delete(hearer);
}

/** @param {any} record */
export function tellRecord(record) {
  for (const hearer of hearers) hearer(record);
}

/**
 * Snapshots as they came; tells the listeners which rows changed and which came to a breach.
 * @param {any[]} snaps
 */
export function take(snaps) {
  const changed = [], worse = [];
  for (const snap of snaps) {
    const key = keyOf(snap);
    const known = rows.get(key);
    if (!known) {
      const row = new Row(snap);
      rows.set(key, row);
      changed.push(row);
      continue;
    }
    if (snap.time_msc < known.snap.time_msc) continue; // an answer that was overtaken
    const before = known.severity;
    known.take({ ...known.snap, ...snap });
    changed.push(known);
    if (rankOf(known.severity) <= 1 && rankOf(before) > 1) worse.push(known);
  }
  if (changed.length) for (const listener of listeners) listener(changed, worse);
}

/** All there is: whoever is not in it is gone. @param {any[]} snaps */
export function takeAll(snaps) {
  take(snaps);
  drop(new Set(snaps.map(keyOf)));
}

/** Reads every account, page by page, where the stream did not bring them. */
export async function loadAll() {
  const seen = new Set();
  let after = "";
  do {
    const cursor = after && `&cursor=${encodeURIComponent(after)}`;
    const page = await ask(`/accounts?limit=${PAGE}${cursor}`);
    for (const snap of page.accounts) seen.add(keyOf(snap));
    take(page.accounts);
    after = page.next_cursor ?? "";
  } while (after);
  drop(seen);
}

/** @param {Set<string>} seen */
function drop(seen) {
  let dropped = 0;
  for (const key of rows.keys()) {
    if (!seen.has(key)) dropped += Number(rows.delete(key));
  }
  if (dropped) for (const listener of listeners) listener([], []);
}

/**
 * The rows to show and the sums of them, before sorting.
 * @param {string} text the filter
 * @param {string} tab empty: all
 */
export function chosen(text, tab) {
  const terms = parse(text);
  const counts = {};
  const found = [];
  for (const row of rows.values()) {
    if (!terms.every(one => one.test(row))) continue;
    counts[row.tab] = (counts[row.tab] ?? 0) + 1;
    if (!tab || row.tab === tab) found.push(row);
  }
  return { terms, counts, found };
}

/** Sums of each currency. @param {Row[]} found */
export function totals(found) {
  const sums = new Map();
  for (const { snap, today } of found) {
    const sum = sums.get(snap.currency) ?? { accounts: 0, equity: 0, profit: 0, today: 0,
      unknown: 0, days: 0 };
    sum.accounts += 1;
    if (snap.equity === null) sum.unknown += 1;
    sum.equity += snap.equity ?? 0;
    sum.profit += snap.profit ?? 0;
    sum.today += today ?? 0;
    sum.days += Number(today !== null);
    sums.set(snap.currency, sum);
  }
  return [...sums].sort((a, b) => b[1].accounts - a[1].accounts);
}
