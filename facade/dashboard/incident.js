// A verdict: what happened, on which numbers, by which rule; to print and to hand over.

import { ask, Problem, wordsOf } from "./api.js";
import { notFound } from "./account.js";
import { el, fill } from "./dom.js";
import { broken } from "./events.js";
import { table } from "./tables.js";
import { toast } from "./speech.js";
import { age, clock, money, number, plainWords, price, volume } from "./words.js";

/** The sentence. @param {any} record @param {string} currency @param {boolean} named */
function story(record, currency, named) {
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

/** @param {string} id @param {{ back: () => void }} hooks */
export function makeIncident(id, hooks) {
  const box = el("article", { class: "incident", "aria-busy": "true" });

  async function start() {
    try {
      build(await ask(`/verdicts/${encodeURIComponent(id)}`));
    } catch (error) {
      fill(box, error instanceof Problem && error.status === 404 ? notFound(hooks.back)
        : el("p", { class: "quiet" }, wordsOf(error)));
    }
    box.setAttribute("aria-busy", "false");
  }

  function build(verdict, named = true) {
    const { record } = verdict;
    const currency = verdict.currency ?? "";
    const cost = [...new Set((verdict.timings ?? []).flatMap(one => one.sacrificed ?? []))];
    const wait = [...new Set((verdict.timings ?? []).flatMap(one => one.yields_to ?? []))];
    const text = story(record, currency, named)
      + (cost.length ? ` The close went at once${broken(cost)}.` : "")
      + (wait.length ? ` A close waited for ${wait.map(plainWords).join(", ")}.` : "");
    const redact = el("input", { type: "checkbox", checked: !named,
      onchange: () => build(verdict, !redact.checked) });
    const quotes = Object.entries(verdict.quotes ?? {}).map(([symbol, quote]) =>
      [symbol, price(quote.bid), price(quote.ask), age(quote.age_ms)]);
    const positions = (verdict.positions ?? []).map(one => [named ? String(one.position_id) : "·",
      one.symbol, one.side, volume(one.volume_lots), price(one.open_price),
      price(one.stop_loss ?? null)]);
    const rule = (verdict.rules ?? []).find(one => one.name === record.guard);
    fill(box, el("h1", { tabindex: -1 }, `${plainWords(record.type)}: ${record.guard ?? ""}`),
      el("p", { class: "dim" }, named ? `${record.server}/${record.login} · ` : "",
        el("span", { class: "id" }, id)), el("p", { class: "story" }, text),
      el("div", { class: "acts" }, el("button", { onclick: () => {
        navigator.clipboard?.writeText(text);
        toast("The sentence is copied");
      } }, "Copy sentence"), el("button", { onclick: () => print() }, "Print"),
      el("button", { onclick: () => download(named ? verdict : redacted(verdict), id) },
        "Download JSON"), el("label", null, redact, "Leave out names and ids")),
      table("Prices used", ["Symbol", "Bid#", "Ask#", "Age#"], quotes, "None: no quote decided."),
      table("Positions then", ["Id", "Symbol", "Side", "Lots#", "Open#", "Stop#"], positions,
        "Flat: no position was open."),
      table("Money then", ["What", "Amount#"], [["Balance", money(verdict.balance, currency)],
        ["Credit", money(verdict.credit, currency)],
        ["Equity", money(record.equity ?? null, currency)]], ""),
      table("Rule", ["What", "Value"], Object.entries(rule ?? {}).map(([name, value]) =>
        [plainWords(name), typeof value === "object" ? JSON.stringify(value) : String(value)]),
      "The rule is in the journal only."),
      el("section", { class: "block" }, el("h2", null, "Evidence"), el("p", { class: "dim" },
        `Event ${record.seq}, rule set ${verdict.ruleset || "—"}, state digest `,
        el("span", { class: "id" }, verdict.digest ?? "—"), verdict.agrees === false
          ? el("b", { class: "wrong" }, " The stored digest does not agree.")
          : " Stepped again from the journal just now: the same digest.")));
  }

  start();
  return { box, stop() {} };
}

function redacted(verdict) {
  const text = JSON.stringify(verdict, (name, value) => (["login", "server", "by", "comment",
    "position_id", "ticket", "magic"].includes(name) ? undefined : value));
  return JSON.parse(text);
}

function download(verdict, id) {
  const blob = new Blob([JSON.stringify(verdict, null, 1)], { type: "application/json" });
  const link = el("a", { href: URL.createObjectURL(blob), download: `${id}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}
