// The chart as tables, for whoever cannot see it or wants its numbers.

import { markWords } from "./chart_marks.js";
import { el } from "./dom.js";
import { clock, money, percent } from "./words.js";

const ROWS = 60;
const EACH_MS = 10_000;

/** @param {string} currency @param {(verdict: string) => void} openVerdict */
export function chartTwin(currency, openVerdict) {
  const box = el("details", { class: "twin" }, el("summary", null, "Show as table"));
  /** @type {any[]} */
  let told = [];
  let drawnMs = 0;
  box.addEventListener("toggle", draw);

  function draw() {
    drawnMs = Date.now();
    for (const node of [...box.children].slice(1)) node.remove();
    if (!box.open || !told.length) return;
    const [times, highs, lows, closes, used, marks] = told;
    const cash = value => money(value, currency);
    const lines = times.map((at, place) => [at, cash(highs[place]), cash(lows[place]),
      cash(closes[place]), percent(used[place])]).filter((line, place) => closes[place] !== null);
    const scroll = (label, heads, body) => el("div", { class: "scroll", tabindex: 0,
      role: "region", "aria-label": label }, el("table", { "aria-label": label }, el("thead", null,
      el("tr", null, heads.map((head, at) => el("th", { scope: "col",
        class: at && heads.length > 2 ? "num" : "" }, head)))), el("tbody", null, body)));
    box.append(scroll("Equity as a table", ["From", "Highest", "Lowest", "Last", "Most used"],
      lines.slice(-ROWS).reverse().map(line => el("tr", null, el("th", { scope: "row" },
        clock(line[0] * 1e3, { ms: false })), line.slice(1).map(value =>
        el("td", { class: "num" }, value))))));
    if (!marks.length) return;
    box.append(scroll("What happened", ["At", "What"], marks.slice(-ROWS).reverse().map(mark =>
      el("tr", null, el("th", { scope: "row" }, clock(mark.at * 1e3)), el("td", null,
        markWords(mark, currency), mark.record.verdict_id ? [" ", el("a", {
          href: `/v/${mark.record.verdict_id}`, onclick: event => {
            event.preventDefault();
            openVerdict(mark.record.verdict_id);
          } }, "why")] : null)))));
  }

  return { box, take(...given) {
    const isOld = !told.length || Date.now() - drawnMs > EACH_MS;
    told = given;
    if (box.open && isOld && !box.contains(document.activeElement)) draw();
  } };
}
