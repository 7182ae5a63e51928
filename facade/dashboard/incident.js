// A verdict: what happened, on which numbers, by which rule, and what came of it; to hand over.

import { accountPath, ask, Problem, wordsOf } from "./api.js";
import { notFound } from "./account.js";
import { announce, el, fill } from "./dom.js";
import { download, exported, pageOf } from "./incident_files.js";
import { incidentChart } from "./incident_chart.js";
import { incidentTape } from "./incident_tape.js";
import { cameOf, fillsOf, flatness, outcome, ruleLine, seconds, story,
  timeline } from "./incident_story.js";
import { toast } from "./speech.js";
import { onRecord } from "./store.js";
import { table } from "./tables.js";
import { age, clock, money, number, plainWords, price, priceDigits, volume } from "./words.js";

const FOLLOWING = 500;

/** @param {string} id @param {{ back: () => void, open: (key: string) => void }} hooks */
export function makeIncident(id, hooks) {
  const box = el("article", { class: "incident", "aria-busy": "true" });
  /** @type {any[]} */
  let later = [];
  let isNamed = true, isStopped = false, missing = "";
  /** @type {any} */
  let chart = null, verdict = null, tape = null;

  async function start() {
    try {
      verdict = await ask(`/verdicts/${encodeURIComponent(id)}`);
    } catch (error) {
      fill(box, error instanceof Problem && error.status === 404 ? notFound(hooks.back)
        : el("p", { class: "quiet" }, wordsOf(error)));
      box.setAttribute("aria-busy", "false");
      return;
    }
    const { record } = verdict;
    try {
      const path = `${accountPath(record)}/events?after=${record.seq}&limit=${FOLLOWING}`;
      later = (await ask(path)).events;
    } catch (error) {
      missing = wordsOf(error);
    }
    if (isStopped) return;
    tape = incidentTape(id, record, verdict.currency ?? "");
    build();
    box.setAttribute("aria-busy", "false");
    announce(box);
  }

  function build() {
    const { record } = verdict;
    const currency = verdict.currency ?? "";
    const came = cameOf(record, later);
    const text = `${story(record, currency, isNamed)} ${outcome(record, came, currency,
      noticeS())}`.trim();
    const flat = flatness(record, came);
    chart?.stop();
    chart = incidentChart(record, currency, flat?.isFlat ? flat.at : null);
    const key = `${record.server}/${record.login}`;
    fill(box, el("h1", { tabindex: -1 }, `${plainWords(record.type)}: ${record.guard ?? ""}`),
      el("p", { class: "dim" }, isNamed ? [el("a", { href: `/a/${key}`, onclick: event => {
        event.preventDefault();
        hooks.open(key);
      } }, key), " · "] : "", el("span", { class: "id" }, id)),
      el("p", { class: "story" }, text), buttons(text), tape.chart, chart.box,
      ...parts(currency, came));
  }

  function buttons(text) {
    const redact = el("input", { type: "checkbox", checked: !isNamed, onchange: () => {
      isNamed = !redact.checked;
      build();
      box.querySelector("input")?.focus();
    } });
    const hand = async () => {
      try {
        const { text: whole, kid, unsigned } = await exported(id, !isNamed);
        download(whole, `${id}.json`, "application/json");
        toast(kid ? `Signed by the key ${kid}` : `Not signed: ${unsigned}`);
      } catch (error) {
        toast(wordsOf(error), "bad");
      }
    };
    return el("div", { class: "acts" }, el("button", { onclick: () => {
      navigator.clipboard?.writeText(text);
      toast("The sentence is copied");
    } }, "Copy sentence"), el("button", { onclick: () => print() }, "Print"),
    el("button", { onclick: () => download(pageOf(box, id), `${id}.html`, "text/html") },
      "Download page"), el("button", { onclick: hand }, "Download JSON"),
    el("label", null, redact, "Leave out names and ids"));
  }

  function parts(currency, came) {
    const { record } = verdict;
    const name = number_ => (isNamed ? String(number_) : "·");
    const cash = value => money(value, currency);
    const steps = timeline(record, came, currency, noticeS()).map(step => [seconds(step.after),
      isNamed ? step.what : hidden(step.what, came), clock(step.at).split(" ").pop(),
      step.seq === null ? "" : `#${step.seq}`]);
    const positions = (verdict.positions ?? []).map(one => {
      const quote = verdict.quotes?.[one.symbol];
      return [name(one.position_id), one.symbol, one.side, volume(one.volume_lots),
        price(one.open_price), quote ? price(one.side === "buy" ? quote.bid : quote.ask) : "—",
        quote ? age(quote.age_ms) : "—", price(one.stop_loss ?? null)];
    });
    const rule = ruleOf();
    const quotes = Object.entries(verdict.quotes ?? {}).map(([symbol, quote]) =>
      [symbol, price(quote.bid), price(quote.ask), age(quote.age_ms)]);
    return [table("Timeline", ["After#", "What", "At#", "Event#"], steps, "", false),
      missing ? el("p", { class: "foot" }, `What followed cannot be read: ${missing}`) : null,
      costs(currency, came, name), tape.polls,
      table("Positions then", ["Id", "Symbol", "Side", "Lots#", "Open#", "Price used#", "Its age#",
        "Stop#"], positions, "Flat: no position was open."),
      table("Prices used", ["Symbol", "Bid#", "Ask#", "Age#"], quotes, "None: no quote decided."),
      table("Money then", ["What", "Amount#"], [["Balance", cash(verdict.balance)],
        ["Credit", cash(verdict.credit)], ["Floating, swap included", money(floating(verdict),
          currency, true)], ["Equity", cash(record.equity ?? null)],
        ["Floor", cash(record.floor ?? null)]], "", false),
      table("Rule", ["What", "Value"], Object.entries(rule ?? {}).map(([what, value]) =>
        ruleLine(what, value, currency)), "The rule is in the journal only.", false), evidence()];
  }

  function ruleOf() {
    return (verdict.rules ?? []).find(one => one.name === verdict.record.guard);
  }

  function noticeS() {
    return ruleOf()?.notice_s ?? 0;
  }

  /** Each fill against the quote that decided. */
  function costs(currency, came, name) {
    const fills = fillsOf(verdict, came);
    const sum = fills.reduce((total, one) => total + (one.money ?? 0), 0);
    const block = table("Cost of closing", ["Position", "Symbol", "Side", "Lots#",
      "Deciding quote#", "Filled at#", "Slippage#", `Slippage, ${currency}#`, "After#"],
    fills.map(one => {
      const digits = priceDigits([one.quote, one.price]);
      return [name(one.position), one.symbol, one.side, volume(one.lots), price(one.quote, digits),
        price(one.price, digits), number(one.better, digits, true), el("span", {
          class: "strong" }, money(one.money, currency, true)), seconds(one.after)];
    }), "Nothing was closed by it so far.");
    if (fills.length) {
      block.append(el("p", { class: "foot" }, `Together ${money(sum, currency, true)} ${currency}: `
        + "above zero the fill was better than the quote that decided."));
    }
    return block;
  }

  function evidence() {
    const { record } = verdict;
    const row = (what, ...value) => [what, el("span", null, ...value)];
    const code = value => el("span", { class: "id" }, value ?? "—");
    return el("div", null, table("Evidence", ["What", "Value"], [
      row("Formula", verdict.formula ?? "—"), row("Event", `#${record.seq}`),
      row("Rule set", verdict.ruleset || "—"), row("Rules, SHA-256", code(verdict.ruleset_hash)),
      row("State after it, digest", code(verdict.digest)),
      row("Stepped again from the journal just now", verdict.agrees === false
        ? el("b", { class: "wrong" }, "The stored digest does not agree.")
        : verdict.agrees ? "the same digest" : "its inputs are not in the journal any more"),
      row("Journal's chain, just now", code(verdict.journal_head))], "", false),
    el("p", { class: "foot" }, "To check it without this page: ",
      el("code", null, `tidegate journal replay FILE --verdict ${id}`), " makes the same digest; ",
      el("code", null, `tidegate journal verify FILE${verdict.journal_head
        ? ` --head ${verdict.journal_head}` : ""}`), " says whether any row up to now was changed. "
      + "The ticks are kept beside the journal, and are not in its chain."));
  }

  const forget = onRecord(one => {
    const record = verdict?.record;
    if (!record || one.server !== record.server || one.login !== record.login) return;
    const last = later[later.length - 1]?.seq ?? record.seq;
    if (one.seq <= last || later.length >= FOLLOWING) return;
    later = [...later, one];
    if (!cameOf(record, later).includes(one)) return;
    const held = box.contains(document.activeElement) ? document.activeElement?.textContent : null;
    const at = box.scrollTop;
    build();
    box.scrollTop = at;
    if (held) [...box.querySelectorAll("button")].find(one_ => one_.textContent === held)?.focus();
  });
  start();
  return { box, stop() {
    isStopped = true;
    forget();
    chart?.stop();
    tape?.stop();
  } };
}

function floating(verdict) {
  const { record } = verdict;
  if (record.equity === undefined || verdict.balance === null || verdict.balance === undefined) {
    return null;
  }
  return record.equity - verdict.balance - (verdict.credit ?? 0);
}

/** Without the numbers of positions and who released it. */
function hidden(words, came) {
  const ids = new Set(came.map(one => one.position_id).filter(Boolean).map(String));
  return words.replace(/released by .*/, "released").replace(/\d+/g, found =>
    (ids.has(found) ? "·" : found));
}
