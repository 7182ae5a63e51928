// Halt, flatten, release: what each dialog must say, and what becomes of it once it is sent.

import { openAdopt } from "./adopt.js";
import { accountPath, ask, Problem } from "./api.js";
import { confirm } from "./confirming.js";
import { plainTable } from "./dialog.js";
import { el } from "./dom.js";
import { openRules } from "./rules.js";
import { rows } from "./store.js";
import { counted, money, number, volume } from "./words.js";

const BULK_AT_ONCE = 8;

/**
 * The dialog of one action on one account.
 * @param {string} what @param {any} given @param {number} [position] closed or adopted
 */
export function openAction(what, given, position) {
  const row = rows.get(given.key) ?? given;
  switch (what) {
    case "halt": return haltOne(row);
    case "flatten": return flattenOne(row);
    case "close": return closeOne(row, position);
    case "rules": return openRules(row);
    case "adopt": return openAdopt(row, position);
    default: return releaseOne(row);
  }
}

function closeOne(row, position) {
  const { snap } = row;
  const held = snap.positions.find(one => one.position_id === position);
  if (!held) return null;
  const lots = volume(held.volume_lots);
  return confirm(`Close ${position} of ${snap.login}`, `Close ${lots} lots of ${held.symbol}`,
    "danger", true, [plainTable("The position", ["Symbol", "Side", "Lots#", `Floating, ${snap.currency}#`],
      [[held.symbol, held.side, lots, money(held.profit, snap.currency, true)]]),
    el("p", null, `${counted(snap.positions.length - 1, "other position")} and every pending order `
      + "stay. If its market is closed now, the close waits, and you are told."),
    held.intent_id ? el("p", null, `It is meant by ${held.intent_id}: the strategy may open it `
      + "again.") : null, el("p", null, el("b", null, "This cannot be undone."))],
    async (reason, key) => ({ ...await ask(`${accountPath(snap)}/flatten`, { method: "POST",
      body: { position_id: position, reason }, key }), position_id: position }), [row], "close");
}

function haltOne(row) {
  const { snap } = row;
  const orders = snap.live?.orders.length ?? 0;
  return confirm(`Halt ${snap.login}`, "Halt", "primary", false, [el("p", null,
    `No new positions. ${counted(snap.positions.length, "open position")} `
    + `${snap.positions.length === 1 ? "stays" : "stay"}. `
    + `Pending orders: ${orders} will be kept.`)],
  (reason, key) => ask(`${accountPath(snap)}/halt`, { method: "POST", body: { reason }, key }),
  [row], "halt");
}

function flattenOne(row) {
  const { snap } = row;
  const lots = volume(row.lots);
  const orders = snap.live?.orders.length ?? 0;
  const lines = snap.positions.map(one => [one.symbol, one.side, volume(one.volume_lots),
    money(one.profit, snap.currency, true)]);
  const button = `Flatten ${counted(snap.positions.length, "position")} (${lots} lots)`;
  return confirm(`Flatten ${snap.login}`, button, "danger", true, [
    lines.length ? plainTable("What is closed", ["Symbol", "Side", "Lots#",
      `Floating, ${snap.currency}#`], lines)
      : el("p", null, "It holds no position. Pending orders will still be cancelled."),
    el("p", null, `Total realised about ${money(snap.profit, snap.currency, true)} `
      + `${snap.currency}. `
      + `Pending orders: ${orders} will be cancelled. `
      + "A position whose market is closed now cannot be closed: its close waits, and you are "
      + "told."),
    el("p", null, el("b", null, "This cannot be undone."))],
  (reason, key) => ask(`${accountPath(snap)}/flatten`, { method: "POST", body: { reason }, key }),
  [row], "flatten");
}

function releaseOne(row) {
  const { snap } = row;
  const breached = snap.guards.filter(guard => guard.breached);
  const again = breached.filter(guard => guard.distance !== null && guard.distance <= 0);
  const causes = snap.halts.length ? snap.halts : breached.map(guard => guard.name);
  const select = el("select", { "aria-label": "What is released" },
    causes.map(cause => el("option", { value: cause }, cause)));
  const words = breached.map(guard => el("p", null,
    `Ends the latch of ${guard.name}. From the next `
    + `tick its floor is ${money(guard.floor, snap.currency)} ${snap.currency}.`));
  return confirm(`Release ${snap.login}`, "Ask for the release", "primary", true, [
    el("label", { class: "field" }, "What is released", select), ...words,
    again.length ? el("p", { class: "wrong" }, "It will breach again at once.") : null,
    el("p", null, "The release of a breach waits for a second person.")],
  (reason, key) => ask(`${accountPath(snap)}/release`,
    { method: "POST", body: { cause: select.value, reason }, key }), [row], "release");
}

/**
 * Halt or flatten of a selection: the count is typed.
 * @param {string} what @param {any[]} picked
 */
export function openBulk(what, picked) {
  const skipped = what === "flatten" ? picked.filter(row => row.snap.mode === "observe") : [];
  const meant = picked.filter(row => !skipped.includes(row));
  const sums = new Map();
  for (const { snap } of meant) {
    sums.set(snap.currency, (sums.get(snap.currency) ?? 0) + (snap.profit ?? 0));
  }
  const positions = meant.reduce((sum, row) => sum + row.snap.positions.length, 0);
  const verb = what === "halt" ? "Halt" : "Flatten";
  const count = String(meant.length);
  const body = [el("p", null, `${counted(meant.length, "account")}, `
    + `${counted(positions, "open position")}${what === "halt" ? ", which stay" : ""}.`),
  plainTable("Floating by currency", ["Currency", "Floating#"], [...sums].map(([currency, sum]) =>
    [currency, money(sum, currency, true)])),
  skipped.length ? el("p", null, `Skipped, observe only: ${skipped.slice(0, 8).map(row =>
    row.snap.login).join(", ")}${skipped.length > 8 ? "…" : ""}.`) : null,
  what === "flatten" ? el("p", null, el("b", null, "This cannot be undone.")) : null];
  return confirm(`${verb} ${counted(meant.length, "account")}`, `${verb} ${count}`,
    what === "flatten" ? "danger" : "primary", true, body, async (reason, key) => {
      const failed = [];
      const queue = [...meant];
      await Promise.all(Array.from({ length: BULK_AT_ONCE }, async () => {
        for (let row = queue.shift(); row; row = queue.shift()) {
          await ask(`${accountPath(row.snap)}/${what}`, { method: "POST", body: { reason },
            key: `${key}-${row.snap.login}` }).catch(error => failed.push([row, error]));
        }
      }));
      if (failed.length) throw failed.find(([,
        error]) => error instanceof Problem)?.[1] ?? failed[0][1];
    }, meant, what, count);
}

/** The kill switch. */
export function openStop() {
  const all = [...rows.values()];
  const positions = all.reduce((sum, row) => sum + row.snap.positions.length, 0);
  const what = () => /** @type {any} */ (document.querySelector("input[name=stop]:checked")).value;
  const pick = (value, words, isOn) => el("p", null, el("label", null, el("input", { type: "radio",
    name: "stop", value, checked: isOn,
    onchange: () => typed.setWanted(`${value.toUpperCase()} ALL`) }),
  ` ${words}`));
  const typed = { setWanted: /** @type {(text: string) => void} */ (() => {}) };
  const made = confirm("Stop everything", "Stop everything", "danger", true, [
    el("p", null, `Scope: all ${number(all.length, 0)} of your accounts, `
      + `${counted(positions, "open position")}. Sent at once; an open market is usually flat `
      + "within 5 seconds. It stays until each account is released."),
    pick("halt", "Halt: no new positions, open ones stay", true),
    pick("flatten", "Flatten: close every position, cancel every order")],
  (reason, key) => ask(`/${what()}?scope=all`, { method: "POST", body: { reason }, key }),
  all, "stop", "HALT ALL");
  typed.setWanted = made.setWanted;
  return made;
}
