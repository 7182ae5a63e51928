// A breach tick by tick: equity at each tick against the floor, the broker's own word beside it,
// and what slower polls would have seen.

import { ask, Problem, wordsOf } from "./api.js";
import { colour, LEFT_PX, nameLines } from "./chart_panes.js";
import { el, fill } from "./dom.js";
import { stroke, upright } from "./incident_chart.js";
import { followed, pollTitle, pollWords } from "./incident_polls.js";
import { seconds } from "./incident_story.js";
import { table } from "./tables.js";
import { money, number, price } from "./words.js";

const HEIGHT_PX = 260;
const AFTER_MSC = 8_000;
const AGAIN_MS = [9_000, 61_500];
/** After the verdict: when more of it is there. */
const TWIN_BEFORE = 40;
const TWIN_AFTER = 20;

/** @param {string} id @param {any} record of the verdict @param {string} currency */
export function incidentTape(id, record, currency) {
  const stage = el("div", { class: "stage" });
  const note = el("p", { class: "dim note" });
  const twin = el("details", { class: "twin" }, el("summary", null, "Show the ticks as a table"));
  const chart = el("figure", { class: "block chart", hidden: true }, el("figcaption", null,
    el("h2", null, "Every tick around it")), stage, note, twin);
  const polls = el("div");
  /** @type {any} */
  let plot = null, tape = null;
  /** @type {ReturnType<typeof setTimeout>[]} */
  const waiting = [];
  let isStopped = false;
  twin.addEventListener("toggle", drawTwin);

  async function load() {
    try {
      const found = await ask(`/verdicts/${encodeURIComponent(id)}/tape`);
      if (isStopped) return;
      tape = found;
    } catch (error) {
      if (isStopped) return;
      chart.hidden = false;
      fill(stage, el("p", { class: "empty" }, error instanceof Problem && error.status === 404
        ? "The ticks around it are not kept: they are of the newest 500 breaches of 30 days."
        : `The ticks around it cannot be read: ${wordsOf(error)}`));
      return;
    }
    chart.hidden = false;
    draw();
    drawTwin();
    drawPolls();
  }

  /** Ticks and the broker's word on one line of time; what one has not the others span. */
  function dataOf() {
    const rows = tape.ticks.map(one => [one.time_msc, one.equity, one.equity_held, one.floor,
      undefined]);
    for (const one of tape.broker) {
      rows.push([one.time_msc, undefined, undefined, undefined, one.equity]);
    }
    rows.sort((a, b) => a[0] - b[0]);
    const last = tape.ticks[tape.ticks.length - 1];
    rows.push([Math.max(tape.to_msc, rows[rows.length - 1][0]), last.equity, last.equity_held,
      last.floor, undefined]);
    return [0, 1, 2, 3, 4].map(at => rows.map(row => (at ? row[at] : row[0] / 1e3)));
  }

  function draw() {
    plot?.destroy();
    plot = null;
    stage.replaceChildren();
    if (tape.ticks.length < 2) {
      fill(stage, el("p", { class: "empty" }, "No tick moved the account around it."));
      return;
    }
    const at = record.time_msc / 1e3;
    const ends = [Math.max(tape.from_msc, record.time_msc - 20_000) / 1e3,
      Math.max(tape.to_msc, record.time_msc + 1_000) / 1e3];
    const data = dataOf();
    const values = [1, 2, 3, 4].flatMap(place => data[place]).filter(one => one !== null
      && one !== undefined);
    const low = Math.min(...values), high = Math.max(...values);
    const spare = (high - low || 1) * 0.1;
    const line = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 }, font: "11px system-ui, sans-serif" };
    const stepped = (tint, width, dash) => ({ stroke: colour(tint), width, dash,
      points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) });
    const ink = colour("--ink");
    plot = new uPlot({ width: Math.max(240, stage.clientWidth), height: HEIGHT_PX, ms: 1e-3,
      legend: { show: false }, padding: [8, 26, 0, 0], cursor: { show: false },
      scales: { x: { time: false, range: ends }, y: { range: [low - spare, high + spare] } },
      axes: [{ ...line, size: 30, values: (u, splits) => splits.map(time => {
        const gone = Math.round((time - at) * 10) / 10;
        return `${number(gone, Number.isInteger(gone) ? 0 : 1, true)}\u202fs`;
      }), splits: u => splitsOf(ends, at, u.width) }, { ...line, size: LEFT_PX, values: (u, splits) =>
        splits.map(value => number(value, Math.abs(splits[1] - splits[0]) < 1 ? 2 : 0)) }],
      series: [{}, stepped("--ok", 1.6, []), stepped("--dim", 1.2, [2, 3]),
        stepped("--breach", 1.4, [7, 4]),
        { stroke: "transparent", paths: () => null, points: { show: true, size: 7, width: 1.5,
          stroke: ink, fill: colour("--panel") } }],
      hooks: { draw: [over] } }, data, stage);
    const held = tape.ticks.some(one => one.equity !== one.equity_held);
    note.textContent = ["Each step is a tick.", held ? "Dotted: had nobody closed." : "",
      tape.broker.length ? "Rings: the broker's own equity, as its terminal told it." : "",
      tape.is_whole ? "" : tape.is_final || tape.to_msc >= record.time_msc + AFTER_MSC
        ? "The span is shorter than it should be: more was not there to keep."
        : "It goes on: the rest comes when it is there.",
      tape.agrees === false ? "Decided on later quotes than those of the tick that is marked." : ""]
      .filter(Boolean).join(" ");
  }

  function over(u) {
    upright(u, record.time_msc / 1e3, "--breach", "decided");
    const place = tape.ticks.findIndex(one => one.index === tape.decided_index);
    const decided = tape.ticks[place];
    if (decided && decided.equity_held !== null) {
      const x = u.valToPos(decided.time_msc / 1e3, "x", true);
      const y = u.valToPos(decided.equity_held, "y", true), arm = 5 * devicePixelRatio;
      stroke(u, "--breach", [], [x - arm, y - arm], [x + arm, y + arm]);
      stroke(u, "--breach", [], [x - arm, y + arm], [x + arm, y - arm]);
    }
    const floor = tape.ticks[tape.ticks.length - 1].floor ?? record.floor ?? null;
    if (floor !== null) nameLines(u, [[floor, `floor ${money(floor, currency)}`, "--breach"]]);
  }

  /** The ticks next to the verdict; all of them are in the download. */
  function drawTwin() {
    for (const node of [...twin.children].slice(1)) node.remove();
    if (!twin.open || !tape) return;
    const found = tape.ticks.findIndex(one => one.time_msc > record.time_msc);
    const middle = found < 0 ? tape.ticks.length : found;
    const rows = tape.ticks.slice(Math.max(0, middle - TWIN_BEFORE), middle + TWIN_AFTER);
    const cash = value => money(value, currency);
    twin.append(table("Ticks next to it", ["After#", "Symbol", "Bid#", "Ask#", "Equity#",
      "Had nobody closed#", "Floor#"], rows.map(one => [
      one.index === tape.decided_index ? el("b", null, "decided") : seconds(one.time_msc
        - record.time_msc), one.symbol, price(one.bid), price(one.ask), cash(one.equity),
      cash(one.equity_held), cash(one.floor)]), "", false));
  }

  function drawPolls() {
    if (!tape.polls.length) return;
    fill(polls, el("section", { class: "block" }, el("h2", null, pollTitle(tape)),
      el("ul", { class: "polls" }, tape.polls.map(one => el("li", null, pollWords(one, tape,
        currency)))),
      el("p", { class: "foot" }, "Worked out from every tick, for every moment a poll may fall on, a "
        + "millisecond apart, on the engine's own floor and as if nobody had closed. Polls were "
        + `followed for ${followed(tape)}${tape.is_final ? "" : " so far"}: what they would have `
        + "seen later is not known.")));
  }

  const watching = new ResizeObserver(() => {
    if (plot && stage.clientWidth) plot.setSize({ width: stage.clientWidth, height: HEIGHT_PX });
  });
  watching.observe(stage);
  const redraw = () => tape && draw();
  const looks = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
  for (const look of looks) look.addEventListener("change", redraw);
  if (record.type.endsWith("breach")) {
    load();
    for (const after of AGAIN_MS) {
      const waitMs = record.time_msc + after - Date.now();
      if (waitMs > 0) waiting.push(setTimeout(load, waitMs));
    }
  }
  return { chart, polls, stop() {
    isStopped = true;
    for (const one of waiting) clearTimeout(one);
    watching.disconnect();
    for (const look of looks) look.removeEventListener("change", redraw);
    plot?.destroy();
  } };
}

/** Whole multiples of some seconds from the verdict on, both ways. */
function splitsOf([from, to], at, width) {
  const each = (to - from > 14 ? 4 : to - from > 6 ? 2 : 1) * (width < 480 ? 2 : 1);
  const found = [];
  for (let n = Math.ceil((from - at) / each); at + n * each <= to; n += 1) found.push(at + n * each);
  return found;
}
