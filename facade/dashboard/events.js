// The events of one account: newest first, by pages, filtered by type, copied as JSON.

import { el, fill } from "./dom.js";
import { toast } from "./speech.js";
import { clock, money, percent, plainWords, reasonWords, volume } from "./words.js";

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
        + `${money(one.profit, currency, true)} (${reasonWords(one.reason)})`;
    case "position_opened":
      return `${one.symbol} ${one.side} ${volume(one.volume_lots)} opened at ${one.open_price}`;
    case "close_intended":
      return `to close ${one.position_id}: ${reasonWords(one.reason)}${broken(one.sacrificed)}`;
    case "close_waits":
      return `close of ${one.position_id} (${reasonWords(one.reason)}) waits for `
        + `${one.yields_to.map(plainWords).join(", ")}`
        + (one.until_msc === null ? ", nobody knows how long" : `, until ${clock(one.until_msc)}`);
    case "close_settled":
      return `close of ${one.position_id} settled in ${one.took_ms} ms (${plainWords(one.kind)})`;
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
    case "link_changed": return `link ${one.state}${one.cause ? `: ${one.cause}` : ""}`;
    case "feed_changed":
      return `${one.feed === "own" ? "on quotes of its own" : "on its server's quotes"}: ${one.cause}`;
    case "account_opened":
      return `watched from here: balance ${cash(one.balance)}, equity ${cash(one.equity)} `
        + one.currency;
    default:
      return Object.entries(one).filter(([name, value]) => !QUIET.has(name) && value !== null
        && typeof value !== "object").map(([name,
          value]) => `${plainWords(name)} ${value}`).join(", ");
  }
}

/**
 * @param {any} row @param {import("./records.js").Records} records
 * @param {(verdict: string) => void} openVerdict
 */
export function makeEvents(row, records, openVerdict) {
  let type = "", shown = PAGE;
  const select = el("select", { "aria-label": "Type of event", onchange: () => {
    type = select.value;
    draw();
  } });
  const list = el("ol", { class: "events" });
  const more = el("button", { onclick: loadOlder }, "Older");
  const copy = el("button", { class: "plain", onclick: () =>
    navigator.clipboard?.writeText(JSON.stringify(records.newestFirst().slice(0, shown), null, 1))
      .then(() => toast("The events are copied")) }, "Copy as JSON");
  const box = el("section", { class: "block" }, el("h2", null, "Events"),
    el("div", { class: "bar-events" }, select, copy), list, more);

  async function loadOlder() {
    if (records.newestFirst().length < shown + PAGE) await records.older();
    shown += PAGE;
    draw();
  }

  function draw() {
    const known = records.newestFirst();
    const failed = records.failure();
    const types = [...new Set(known.map(one => one.type))].sort();
    if (types.join() !== [...select.options].slice(1).map(one => one.value).join()) {
      fill(select, el("option", { value: "" }, "All types"), types.map(one =>
        el("option", { value: one, selected: one === type }, plainWords(one))));
    }
    const kept = known.filter(one => !type || one.type === type);
    fill(list, kept.slice(0, shown).map(line));
    if (failed) list.prepend(el("li", { class: "wrong" }, failed));
    if (!kept.length && !failed) list.append(el("li", { class: "empty" }, "Nothing happened yet."));
    more.hidden = records.isWhole() && kept.length <= shown;
  }

  function line(one) {
    return el("li", { class: `e-${one.type}` }, el("span", { class: "dim" }, clock(one.time_msc)),
      el("span", { class: "kind" }, plainWords(one.type)),
      el("span", null, eventWords(one, row.snap.currency), one.verdict_id ? [" ", el("a", {
        href: `/v/${one.verdict_id}`, onclick: event => {
          event.preventDefault();
          openVerdict(one.verdict_id);
        } }, "why")] : null), el("span", { class: "dim id" }, `#${one.seq}`));
  }

  const forget = records.onChange(draw);
  if (!records.newestFirst().length) records.older();
  draw();
  return { box, stop: forget };
}
