// Days of an account as a calendar; the statistics stand below it.

import { accountPath, ask, wordsOf } from "./api.js";
import { dayRows } from "./days_figures.js";
import { el, fill, glyph } from "./dom.js";
import { makeStatistics } from "./statistics.js";
import { table } from "./tables.js";
import { counted, money } from "./words.js";

const DAY_MS = 86_400_000;
const WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const EACH_MS = 60_000;

/**
 * @param {any} row @param {() => any} latest
 * @param {import("./records.js").Records} records
 */
export function makeDays(row, latest, records) {
  const { currency } = row.snap;
  const today = new Date();
  let year = today.getUTCFullYear(), month = today.getUTCMonth();
  /** @type {any[]} */
  let buckets = [];
  let failed = "";
  const name = el("h2", { id: "t-days", "aria-live": "polite" });
  const stage = el("div");
  const note = el("p", { class: "foot" });
  const turn = by => {
    const there = new Date(Date.UTC(year, month + by, 1));
    [year, month] = [there.getUTCFullYear(), there.getUTCMonth()];
    load();
  };
  const next = el("button", { class: "plain", "aria-label": "Next month",
    onclick: () => turn(1) }, "→");
  const span = () => ({ from: Date.UTC(year, month, 1), to: Date.UTC(year, month + 1, 1),
    name: monthName() });
  const monthName = () => new Date(Date.UTC(year, month, 1)).toLocaleString("en-GB", {
    month: "long", year: "numeric", timeZone: "UTC" });
  const figures = makeStatistics(row, latest, span);
  const box = el("section", { class: "block days" }, el("div", { class: "bar-days" }, name,
    el("span", null, el("button", { class: "plain", "aria-label": "Month before",
      onclick: () => turn(-1) }, "←"), next)), stage, note, figures.box);
  const narrow = matchMedia("(max-width: 700px)");

  async function load() {
    const { from, to } = span();
    figures.load();
    next.disabled = to > Date.now();
    records.back(from);
    try {
      const answer = await ask(`${accountPath(row.snap)}/equity?bucket=1d`
        + `&from_msc=${from - 4 * DAY_MS}&to_msc=${to}`);
      buckets = answer.buckets;
      failed = "";
    } catch (error) {
      buckets = [];
      failed = wordsOf(error);
    }
    draw();
  }

  function draw() {
    const from = Date.UTC(year, month, 1);
    const days = dayRows(buckets, records.newestFirst(), from, Date.UTC(year, month + 1, 1));
    name.textContent = `Days of ${monthName()}`;
    const isSome = days.some(day => day.result !== null || day.breaches);
    if (failed) fill(stage, el("p", { class: "empty" }, `The days cannot be read: ${failed}`));
    else if (!isSome) fill(stage, el("p", { class: "empty" }, "No day of this month was valued."));
    else fill(stage, narrow.matches ? asList(days) : asMonth(days));
    const sum = days.reduce((total, day) => total + (day.result ?? 0), 0);
    const worst = days.reduce((low, day) => Math.min(low, day.worst ?? 0), 0);
    note.textContent = isSome && !failed ? `${counted(days.filter(day => day.result !== null)
      .length, "day")} valued, together ${money(sum, currency, true)} ${currency}; the deepest `
      + `below its start ${money(worst, currency, true)}. Days are UTC; a result is equity against `
      + "the day before, less money moved; the second figure is the lowest of the day against its "
      + "start." : "";
  }

  function asMonth(days) {
    const first = (new Date(Date.UTC(year, month, 1)).getUTCDay() + 6) % 7;
    const cells = [...Array(first).fill(null), ...days];
    while (cells.length % 7) cells.push(null);
    const weeks = Array.from({ length: cells.length / 7 }, (_, at) =>
      cells.slice(at * 7, at * 7 + 7));
    return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "t-days" },
      el("table", { class: "month", "aria-labelledby": "t-days" }, el("thead", null, el("tr", null,
        WEEK.map(day => el("th", { scope: "col" }, day)))), el("tbody", null, weeks.map(week =>
        el("tr", null, week.map(cell))))));
  }

  function cell(day) {
    if (!day) return el("td", { class: "out" });
    const isNow = day.at === Math.floor(Date.now() / DAY_MS) * DAY_MS;
    return el("td", { class: `${day.result === null ? "blank" : ""} ${isNow ? "now" : ""}`,
      "aria-current": isNow ? "date" : null }, el("span", { class: "day" },
      String(new Date(day.at).getUTCDate()), marks(day)), day.result === null ? null
      : [el("b", { "data-gain": tone(day.result) }, unseen("result "),
        money(day.result, currency, true)), el("span", { class: "dim" }, unseen(", lowest "),
        money(day.worst, currency, true))]);
  }

  /** @param {any} day @param {boolean} [isShort] the number alone is seen, the word is heard */
  function marks(day, isShort = false) {
    const said = (tone_, count, one, many) => el("span", { class: `state s-${tone_}` },
      glyph(tone_), isShort ? el("span", null, String(count), el("span", { class: "hidden" },
        ` ${count === 1 ? one : many}`)) : el("span", null, counted(count, one, many)));
    if (day.breaches) return said("breached", day.breaches, "breach", "breaches");
    return day.warnings ? said("warning", day.warnings, "warning", "warnings") : null;
  }

  function asList(days) {
    return table("Valued days", ["Day", "Result#", "Lowest#", "Guards"],
      days.filter(day => day.result !== null || day.breaches).reverse().map(day =>
        [new Date(day.at).toISOString().slice(5, 10), el("b", { "data-gain": tone(day.result) },
          money(day.result, currency, true)), money(day.worst, currency, true),
        el("span", null, marks(day, true))]), "None.");
  }

  narrow.addEventListener("change", draw);
  load();
  const reloading = setInterval(load, EACH_MS);
  return { box, stop() {
    clearInterval(reloading);
    narrow.removeEventListener("change", draw);
  } };
}

/** Heard, and not seen. @param {string} text */
function unseen(text) {
  return el("span", { class: "hidden" }, text);
}

function tone(value) {
  return value ? (value < 0 ? "loss" : "gain") : null;
}
