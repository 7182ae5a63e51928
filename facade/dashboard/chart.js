// One account over time, in linked panes: equity against its floors, how much of the nearest
// guard's amount was used, and the price of the symbol that moves it most.

import { accountPath, ask } from "./api.js";
import { drawMarks, legendOf, marksNear, marksOf, markWords } from "./chart_marks.js";
import { colour, equityPane, hatch, nameLines, pricePane, usedPane } from "./chart_panes.js";
import { makePrices } from "./chart_prices.js";
import { chartTwin } from "./chart_twin.js";
import { el, fill, put } from "./dom.js";
import { courseOf, highWaterOver, placeOf, usedOver } from "./history.js";
import { clock, money, percent, priceDigits } from "./words.js";

const RANGES = [["15 min", "10s", 900], ["1 h", "10s", 3_600], ["Day", "1m", 28_800],
  ["Week", "15m", 259_200], ["All", "1h", 1_209_600]];
const FINER = ["1s", "10s", "1m", "15m", "1h"];
const ENOUGH = 20;
const QUIET_S = 90;
let charts = 0;

/**
 * @param {any} row @param {() => any} latest the row as it is now
 * @param {import("./records.js").Records} records
 * @param {(verdict: string) => void} openVerdict
 */
export function makeChart(row, latest, records, openVerdict) {
  /** @type {any[]} */
  let plots = [], buckets = [], marks = [], drawn = [], gaps = [];
  let chosen = 1, bucketS = 10, shape = "", bounds = [0, 1];
  /** @type {any} */
  let shown = null;
  const prices = makePrices(latest);
  const sync = `account ${charts += 1}`;
  const bar = el("div", { class: "ranges", role: "group", "aria-label": "Range of the chart" });
  const stage = el("div", { class: "stage" });
  const note = el("p", { class: "dim note" });
  const legend = el("ul", { class: "legend" });
  const twin = chartTwin(row.snap.currency, openVerdict);
  const box = el("figure", { class: "block chart" }, el("figcaption", null,
    el("h2", null, "Equity and floors"), bar), stage, legend, note, twin.box);
  fill(bar, RANGES.map(([name], at) => el("button", { "aria-pressed": String(at === chosen),
    onclick: () => {
      chosen = at;
      for (const [place, button] of [...bar.children].entries()) {
        button.setAttribute("aria-pressed", String(place === at));
      }
      load();
    } }, name)));
  const spanS = () => bounds[1] - bounds[0];

  async function load() {
    const [, bucket, span] = RANGES[chosen];
    const mine = chosen;
    const from = Date.now() - Number(span) * 1_000;
    records.back(from);
    try {
      const [found] = await Promise.all([finest(String(bucket), from), prices.load()]);
      if (mine !== chosen) return; // another range was chosen meanwhile
      buckets = found.buckets;
      bucketS = found.bucket_s;
      if (!buckets.length || /cannot be read/.test(note.textContent ?? "")) put(note, "");
    } catch (error) {
      buckets = [];
      put(note, `The history cannot be read: ${/** @type {any} */ (error).message}`);
    }
    draw();
  }

  /** Buckets of this length; finer ones where an engine is so young that these are a handful. */
  async function finest(bucket, from) {
    const path = `${accountPath(row.snap)}/equity?from_msc=${from}&bucket=`;
    for (let at = FINER.indexOf(bucket); ; at -= 1) {
      const found = await ask(path + FINER[at]);
      if (at === 0 || found.buckets.length >= ENOUGH) return found;
    }
  }

  /** Buckets and the moment now, with empty rows where nobody valued it. */
  function rowsOfTime() {
    const { snap } = latest();
    const found = [...buckets];
    if (snap.equity !== null) {
      found.push({ start_msc: snap.time_msc, high: snap.equity, low: snap.equity,
        close: snap.equity, balance_close: snap.balance });
    }
    gaps = [];
    const each = [];
    for (const one of found) {
      const at = one.start_msc / 1e3, before = each[each.length - 1];
      if (before && at <= before.at) continue;
      const quietS = Math.max(QUIET_S, 2.5 * bucketS);
      if (before && at - before.at > quietS) {
        gaps.push([before.at, at]);
        each.push({ at: before.at + 1e-3, high: null, low: null, close: null,
          balance_close: null });
      }
      each.push({ ...one, at });
    }
    return each;
  }

  /** Everything that is drawn, worked out anew. */
  function compute() {
    const now = latest();
    const { snap } = now;
    const each = rowsOfTime();
    const times = each.map(one => one.at);
    const highs = each.map(one => one.high), lows = each.map(one => one.low);
    const old = [...records.newestFirst()].reverse();
    const guards = snap.guards.filter(guard => guard.floor !== null && guard.reference !== null);
    const courses = guards.map(guard => courseOf(guard, snap, old, times, highs));
    const spoken = now.guard?.floor != null ? now.guard : guards[0];
    const at = guards.findIndex(guard => guard.name === spoken?.name);
    const end = Math.max(times[times.length - 1] ?? 1, (records.newestFirst()[0]?.time_msc ?? 0)
      / 1e3);
    bounds = [Math.max(times[0] ?? 0, end - Number(RANGES[chosen][2])), end];
    marks = marksOf(old, bounds[0] * 1e3, bounds[1] * 1e3);
    const symbol = prices.symbol();
    return { snap, times, guards, highs, lows, closes: each.map(one => one.close),
      equity: [times, highs, lows, each.map(one => one.close),
        each.map(one => one.balance_close ?? null), highWaterOver(snap, highs),
        ...courses.map(course => course.floor)],
      guard: at < 0 ? null : guards[at],
      used: at < 0 ? null : [times, usedOver(lows, courses[at])],
      symbol, price: prices.of(symbol, bounds[0]) };
  }

  /** From the lowest floor less 5 % of the span: the room is visible to scale. */
  function reach(u, low, high) {
    const { snap, guards } = shown;
    const ends = [...guards.map(guard => guard.floor), snap.equity_high_water,
      ...(low === null ? [] : [low, high])];
    const bottom = Math.min(...ends), top = Math.max(...ends);
    const spare = (top - bottom || 1) * 0.05;
    return [bottom - spare, top + spare];
  }

  function overEquity(u) {
    hatch(u, gaps);
    const { snap, guards, times, closes } = shown;
    nameLines(u, [[snap.equity_high_water, "high-water", "--dim"],
      ...guards.map(guard => [guard.floor, guard.name, "--breach"]),
      [snap.balance, "balance", "--dim"]], closes[closes.length - 1] ?? null);
    drawn = drawMarks(u, marks, at => closes[placeOf(times, at)] ?? null, colour);
  }

  function build() {
    for (const plot of plots) plot.destroy();
    plots = [];
    stage.replaceChildren();
    const { guards, guard, symbol, snap, used, price } = shown;
    const common = { bounds: () => bounds, sync, spanS };
    const add = (title, options, data) => {
      const pane = el("div", { class: "pane" }, title ? el("h3", null, title) : null);
      stage.append(pane);
      const plot = new uPlot({ ...options, width: Math.max(240, stage.clientWidth) }, data, pane);
      plots.push(plot);
    };
    add("", equityPane({ ...common, floors: guards, reach, isLowest: !used && !price,
      hooks: { draw: [overEquity], setCursor: [readOut] } }), shown.equity);
    plots[0].over.addEventListener("click", openMark);
    if (used) {
      add(`Used of ${guard.name}`, usedPane({ ...common, hooks: {}, isLowest: !price,
        warn: guard.warn_percent }), used);
    }
    if (price) {
      const held = snap.positions.filter(one => one.symbol === symbol);
      add(prices.title(symbol), pricePane({ ...common, hooks: {},
        isLowest: true, digits: priceDigits(held.flatMap(one =>
          [one.open_price, one.current_price])) }), price);
    }
  }

  function draw() {
    shown = compute();
    if (shown.times.length < 2) {
      for (const plot of plots) plot.destroy();
      plots = [];
      shape = "";
      fill(stage, el("p", { class: "empty" }, "No history in this range yet: it is kept from the "
        + "engine's start, one point a bucket."));
      fill(legend);
      return;
    }
    const now = [shown.guards.map(guard => guard.name).join(), shown.guard?.name,
      shown.price && prices.title(shown.symbol), looks.map(look => look.matches)].join("|");
    if (now === shape) {
      const data = [shown.equity, shown.used, shown.price].filter(Boolean);
      for (const [place, plot] of plots.entries()) plot.setData(data[place]);
    } else {
      shape = now;
      build();
    }
    const items = legendOf(marks, gaps.length > 0);
    if (items.map(item => item.textContent).join() !== [...legend.children].map(item =>
      item.textContent).join()) fill(legend, items);
    twin.take(shown.times, shown.highs, shown.lows, shown.closes, shown.used?.[1] ?? [], marks);
  }

  function readOut(u) {
    const at = u.cursor.idx;
    if (at === null || at === undefined || !shown.times.length) {
      put(note, "");
      return;
    }
    const cash = value => money(value, row.snap.currency);
    const used = shown.used?.[1][at];
    const near = marksNear(drawn, u.bbox.left + u.cursor.left * devicePixelRatio);
    const parts = [`${clock(shown.times[at] * 1e3, { ms: false })}: equity `
      + `${cash(shown.closes[at])}, lowest ${cash(shown.lows[at])}, highest `
      + cash(shown.highs[at]), used === null || used === undefined ? ""
      : `${percent(used)} of ${shown.guard.name} used`,
    ...near.slice(-2).map(mark => markWords(mark, row.snap.currency))];
    put(note, parts.filter(Boolean).join(" · "));
  }

  function openMark() {
    const u = plots[0];
    const near = marksNear(drawn, u.bbox.left + u.cursor.left * devicePixelRatio);
    const found = near.find(mark => mark.record.verdict_id);
    if (found) openVerdict(found.record.verdict_id);
  }

  const watching = new ResizeObserver(() => {
    if (!stage.clientWidth) return;
    for (const plot of plots) plot.setSize({ width: stage.clientWidth, height: plot.height });
  });
  watching.observe(stage);
  const looks = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
  let frame = 0;
  const redraw = () => { // a flatten of forty tells of a hundred records at once
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  for (const look of looks) look.addEventListener("change", draw);
  const forget = records.onChange(() => buckets.length && redraw());
  prices.hear();
  load();
  const reloading = setInterval(load, 10_000);
  return {
    box,
    follow() {
      prices.hear();
      if (plots.length) draw();
    },
    stop() {
      clearInterval(reloading);
      cancelAnimationFrame(frame);
      watching.disconnect();
      forget();
      for (const look of looks) look.removeEventListener("change", draw);
      for (const plot of plots) plot.destroy();
    },
  };
}
