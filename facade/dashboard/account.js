// One account: the sentence first, then guards, equity, positions and the rest, as they matter.

import { unmeant } from "./adopt.js";
import { ask, accountPath, mayAct, me, newKey, Problem, wordsOf } from "./api.js";
import { makeChart } from "./chart.js";
import { announce, el, fill, stateBadge } from "./dom.js";
import { makeDays } from "./days.js";
import { makeEvents } from "./events.js";
import { makeRecords } from "./records.js";
import { shout, toast } from "./speech.js";
import { sentence, stateWords } from "./states.js";
import { onRecord, onRows, rows, take } from "./store.js";
import { closesTable, discrepanciesTable, guardsTable, ordersTable,
  positionsTable } from "./tables.js";
import { linkFacts } from "./terminal.js";
import { money, NONE, percent } from "./words.js";

/**
 * @param {{ server: string, login: string }} account
 * @param {{ act: (what: string, row: any, position?: number) => void,
 *   verdict: (id: string) => void, back: () => void }} hooks
 */
export function makeAccount(account, hooks) {
  const key = `${account.server}/${account.login}`;
  const box = el("article", { class: "account", "aria-busy": "true",
    "aria-label": `Account ${account.login} on ${account.server}` });
  /** @type {(() => void)[]} */
  const stops = [];
  /** @type {Set<string>} */
  const opened = new Set();
  let isStopped = false;

  async function start() {
    try {
      take([await ask(accountPath(account))]);
    } catch (error) {
      if (!rows.has(key)) {
        fill(box, error instanceof Problem && error.status === 404 ? notFound(hooks.back)
          : el("p", { class: "quiet" }, wordsOf(error)));
        return;
      }
    }
    if (isStopped) return;
    build();
  }

  function build() {
    const row = () => rows.get(key);
    const first = row();
    const head = el("header", { class: "head" });
    const parts = Object.fromEntries(["guards", "positions", "orders", "closes", "discrepancies",
      "link"].map(name => [name, el("div", { "data-part": name })]));
    const records = makeRecords(first.snap);
    const chart = makeChart(first, row, records, hooks.verdict);
    const events = makeEvents(first, records, hooks.verdict);
    const days = makeDays(first, row, records);
    stops.push(chart.stop, events.stop, days.stop);
    fill(box, head, parts.closes, parts.guards, chart.box, parts.positions, parts.orders,
      parts.discrepancies, events.box, days.box, el("section", { class: "block" },
        el("h2", { id: "t-link" }, "Link"), parts.link, mayAct() && first.snap.live ? askReport(key) : null));
    box.setAttribute("aria-busy", "false");
    const draw = () => {
      drawHead(head, row());
      drawParts(parts, row());
    };
    parts.guards.addEventListener("click", event => {
      const button = event.target.closest("[data-guard]");
      if (!button) return;
      const name = button.dataset.guard;
      if (!opened.delete(name)) opened.add(name);
      draw();
      parts.guards.querySelector(`[data-guard="${CSS.escape(name)}"]`)?.focus();
    });
    parts.discrepancies.addEventListener("click", event => {
      const button = event.target.closest("[data-adopt]");
      if (button) hooks.act("adopt", row(), Number(button.dataset.adopt));
    });
    parts.positions.addEventListener("click", event => {
      const button = event.target.closest("[data-close]");
      if (button) hooks.act("close", row(), Number(button.dataset.close));
    });
    draw();
    announce(box);
    let drawnMs = 0;
    stops.push(onRows((changed, worse) => {
      if (!changed.includes(row())) return;
      draw();
      if (Date.now() - drawnMs > 1_000) {
        chart.follow();
        drawnMs = Date.now();
      }
      for (const one of worse.filter(other => other.key === key)) {
        shout(`${one.snap.login} breached ${one.guard?.name ?? "a rule"}`);
      }
    }));
    stops.push(onRecord(record => {
      if (`${record.server}/${record.login}` === key) records.hear(record);
    }));
    const ageing = setInterval(draw, 1_000);
    stops.push(() => clearInterval(ageing));
  }

  function drawHead(head, row) {
    const { snap } = row;
    const now = Date.now();
    if (!head.children.length) fill(head, headFrame(row, hooks));
    const cash = (value, plus = false) => money(value, snap.currency, plus);
    const [title, line, facts] = head.querySelectorAll("[data-fill]");
    fill(title, stateBadge(row.severity, stateWords(row, now)));
    const said = sentence(row, now);
    if (line.textContent !== said) line.textContent = said;
    box.className = `account w-${row.severity}`;
    const unsure = snap.quality === "known" ? "" : "unsure";
    fill(facts, [["Equity", cash(snap.equity), `equity ${unsure}`], ["Balance", cash(snap.balance)],
      ["Floating", cash(snap.profit, true), unsure], ["Credit", cash(snap.credit)],
      ["High-water", cash(snap.equity_high_water)], ["Drawdown", percent(snap.drawdown_percent),
        unsure],
      ["Margin level", percent(snap.margin_level), unsure], ["Rule set", snap.ruleset || "—"],
      ...(snap.feed && snap.feed !== snap.server ? [["Quotes", "its own terminal's"]] : [])]
      .map(([name, value, cls]) => el("div", { class: value === NONE ? (cls ?? "").replace("unsure",
        "") : cls ?? "" }, el("dt", null, name),
        el("dd", null, value, name === "Equity" ? el("small", null, ` ${snap.currency}`) : null))));
    for (const button of head.querySelectorAll("button[data-act]")) {
      const isObserve = snap.mode === "observe";
      const can = { halt: true, rules: true, adopt: unmeant(snap).length > 0, flatten: !isObserve,
        release: snap.halts.length > 0 || snap.guards.some(guard => guard.breached) };
      button.disabled = !can[button.dataset.act];
      button.title = isObserve && button.dataset.act === "flatten"
        ? "Observe only: the guards watch this account and never trade on it" : "";
    }
  }

  function drawParts(parts, row) {
    const now = Date.now();
    const made = { guards: () => guardsTable(row, now, opened),
      positions: () => positionsTable(row.snap, mayAct() && row.snap.mode !== "observe"
        && Boolean(row.snap.live)),
      orders: () => ordersTable(row.snap), closes: () => (row.snap.live?.closes.length
        ? closesTable(row.snap, now) : el("span")),
      discrepancies: () => discrepanciesTable(row.snap, mayAct()), link: () => linkFacts(row, now) };
    for (const [name, make] of Object.entries(made)) {
      const part = parts[name];
      if (part.contains(document.activeElement) && document.activeElement?.matches("button")) {
        const [[name, value] = ["guard", ""]] = Object.entries(
          /** @type {HTMLElement} */ (document.activeElement).dataset);
        refill(part, make());
        /** @type {HTMLElement | null} */ (part.querySelector(
          `[data-${name}="${CSS.escape(value ?? "")}"]`))?.focus();
      } else refill(part, make());
    }
  }

  start();
  return { box, key, stop() {
    isStopped = true;
    for (const stop of stops) stop();
  } };
}

/** Replaces only where something differs; scrolled tables stay where they are. */
function refill(part, node) {
  const old = part.firstChild;
  if (old && old.isEqualNode(node)) return;
  const left = old?.querySelector?.(".scroll")?.scrollLeft ?? 0;
  const hadFocus = old?.querySelector?.(".scroll") === document.activeElement;
  part.replaceChildren(node);
  const scroll = node.querySelector?.(".scroll");
  if (scroll && left) scroll.scrollLeft = left;
  if (scroll && hadFocus) scroll.focus({ preventScroll: true });
}

function headFrame(row, hooks) {
  const { snap } = row;
  const acts = mayAct() ? [["halt", "Halt…", "h"], ["flatten", "Flatten…", "f"],
    ["release", "Release…", ""], ["adopt", "Adopt…", ""], ...(me()?.role === "admin" ? [["rules", "Rules…", ""]] : [])]
    : [];
  return [el("div", { class: "line" }, el("button", { class: "plain back", onclick: hooks.back,
    "aria-label": "Back to the list" }, "←"), el("h1", { tabindex: -1 }, el("span", { class: "hidden" },
    "Account "), String(snap.login),
    el("small", null, ` ${snap.server}`)), el("span", { "data-fill": "state" }),
  el("div", { class: "acts" }, acts.map(([what, words, key]) => el("button", {
    class: what === "flatten" ? "danger" : "", "data-act": what,
    "aria-keyshortcuts": key || null, onclick: () => hooks.act(what, row) }, words)))),
  el("p", { class: "sentence", "data-fill": "sentence" }),
  el("dl", { class: "tiles", "data-fill": "facts" })];
}

/** Asks the terminal for a full report. @param {string} key */
function askReport(key) {
  const button = el("button", { class: "ask", onclick: async () => {
    button.disabled = true;
    try {
      await ask("/reconciliation/sync", { method: "POST", body: { account: key }, key: newKey() });
      toast("The terminal was asked for a full report");
    } catch (error) {
      toast(wordsOf(error), "bad");
    } finally {
      button.disabled = false;
    }
  } }, "Ask for a full report");
  return button;
}

/** Not yours and not there look the same. @param {() => void} back */
export function notFound(back) {
  return el("div", { class: "none" }, el("p", { class: "big" }, "There is no such page."),
    el("p", { class: "dim" }, "It may never have been, or it is not among your accounts."),
    el("button", { onclick: back }, "To the list"));
}
