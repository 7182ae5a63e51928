// The events of one account: newest first, by pages, filtered by type, copied as JSON.

import { accountPath, ask } from "./api.js";
import { el, fill } from "./dom.js";
import { clock, money, percent, plainWords, volume } from "./words.js";

const PAGE = 100;
const QUIET = new Set(["seq", "time_msc", "time", "login", "server", "type", "tick"]);

/** The rules that a close broke. @param {string[] | undefined} rules */
export function broken(rules) {
  return rules?.length ? `, breaking ${rules.map(plainWords).join(", ")}` : "";
}

/** One line that says what happened. @param {any} one @param {string} currency */
export function eventWords(one, currency) {
  const cash = value => money(value, currency);
  switch (one.type) {
    case "guard_breach":
      return `${one.guard} breached: equity ${cash(one.equity)}, floor ${cash(one.floor)}`;
    case "guard_warning":
      return `${one.guard}: ${percent(one.used_percent)} used, floor ${cash(one.floor)}`;
    case "position_closed":
      return `${one.symbol} ${one.side} ${volume(one.volume_lots)} closed at ${one.close_price}, `
        + `${money(one.profit, currency, true)} (${plainWords(one.reason)})`;
    case "position_opened":
      return `${one.symbol} ${one.side} ${volume(one.volume_lots)} opened at ${one.open_price}`;
    case "close_intended":
      return `to close ${one.position_id}: ${plainWords(one.reason)}${broken(one.sacrificed)}`;
    case "close_waits":
      return `close of ${one.position_id} (${plainWords(one.reason)}) waits for `
        + `${one.yields_to.map(plainWords).join(", ")}`
        + (one.until_msc === null ? ", nobody knows how long" : `, until ${clock(one.until_msc)}`);
    case "close_settled":
      return `${one.position_id} ${plainWords(one.kind)} settled in ${one.took_ms} ms`;
    case "day_reset":
      return `${one.guard} reset: reference ${cash(one.reference)}, floor ${cash(one.floor)}`;
    case "balance_changed":
      return `${one.kind} ${money(one.amount, currency, true)}, balance ${cash(one.balance)}`;
    case "account_halted": return `halted: ${one.cause}`;
    case "account_released": return `released by ${one.by}: ${one.reason}`;
    case "discrepancy":
      return `${plainWords(one.kind)}, ${one.state}: expected ${one.expected ?? "nothing"}, `
        + `actual ${one.actual ?? "nothing"}`;
    case "intent_registered":
      return `${one.symbol} ${one.side} ${volume(one.volume_lots)} is meant, by ${one.by}`;
    case "link_changed": return `link ${one.state}: ${one.cause}`;
    default:
      return Object.entries(one).filter(([name, value]) => !QUIET.has(name) && value !== null
        && typeof value !== "object").map(([name,
          value]) => `${plainWords(name)} ${value}`).join(", ");
  }
}

/** @param {any} row @param {(verdict: string) => void} openVerdict */
export function makeEvents(row, openVerdict) {
  /** @type {any[]} */
  let known = [];
  let type = "", oldest = row.snap.seq + 1, failed = "";
  const select = el("select", { "aria-label": "Type of event", onchange: () => {
    type = select.value;
    draw();
  } });
  const list = el("ol", { class: "events" });
  const more = el("button", { onclick: () => loadOlder() }, "Older");
  const copy = el("button", { class: "plain", onclick: () =>
    navigator.clipboard?.writeText(JSON.stringify(known, null, 1)) }, "Copy as JSON");
  const box = el("section", { class: "block" }, el("h2", null, "Events"),
    el("div", { class: "bar-events" }, select, copy), list, more);

  async function loadOlder() {
    const from = Math.max(0, oldest - 1 - PAGE);
    const limit = oldest - 1 - from;
    if (limit <= 0) return;
    try {
      const page = await ask(`${accountPath(row.snap)}/events?after=${from}&limit=${limit}`);
      known = [...known, ...page.events.filter(one => one.seq < oldest).reverse()];
      oldest = from + 1;
      failed = "";
    } catch (error) {
      failed = String(/** @type {any} */ (error).message);
    }
    draw();
  }

  function draw() {
    const types = [...new Set(known.map(one => one.type))].sort();
    fill(select, el("option", { value: "" }, "All types"), types.map(one =>
      el("option", { value: one, selected: one === type }, plainWords(one))));
    fill(list, known.filter(one => !type || one.type === type).map(one => el("li",
      { class: `e-${one.type}` }, el("span", { class: "dim" }, clock(one.time_msc)),
      el("span", { class: "kind" }, plainWords(one.type)),
      el("span", null, eventWords(one, row.snap.currency), one.verdict_id ? [" ", el("a", {
        href: `/v/${one.verdict_id}`, onclick: event => {
          event.preventDefault();
          openVerdict(one.verdict_id);
        } }, "why")] : null), el("span", { class: "dim id" }, `#${one.seq}`))));
    if (failed) list.prepend(el("li", { class: "wrong" }, failed));
    if (!known.length && !failed) list.append(el("li", { class: "empty" },
      "Nothing happened yet."));
    more.hidden = oldest <= 1;
  }

  loadOlder();
  return { box, hear(record) {
    if (known.length && record.seq <= known[0].seq) return;
    known = [record, ...known];
    draw();
  } };
}
