// Equity against its floors: uPlot, fed by /equity and by the snapshots that come.

import { accountPath, ask } from "./api.js";
import { el, fill } from "./dom.js";
import { clock, money, number } from "./words.js";

const RANGES = [["15 min", "10s", 900], ["1 h", "10s", 3_600], ["Day", "1m", 28_800],
  ["Week", "15m", 259_200], ["All", "1h", 1_209_600]];

/** @param {string} name of a custom property */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** @param {any} row @param {() => any} latest the row as it is now */
export function makeChart(row, latest) {
  /** @type {any} */
  let plot = null;
  let chosen = 1;
  /** @type {any[]} */
  let buckets = [];
  const bar = el("div", { class: "ranges", role: "group", "aria-label": "Range of the chart" });
  const stage = el("div", { class: "stage" });
  const note = el("p", { class: "dim note" });
  const twin = el("details", { class: "twin" }, el("summary", null, "Show as table"));
  const box = el("figure", { class: "block chart" }, el("figcaption", null,
    el("h2", null, "Equity and floors"), bar), stage, note, twin);
  fill(bar, RANGES.map(([name], at) => el("button", { "aria-pressed": String(at === chosen),
    onclick: () => {
      chosen = at;
      for (const [place, button] of [...bar.children].entries()) {
        button.setAttribute("aria-pressed", String(place === at));
      }
      load();
    } }, name)));
  twin.addEventListener("toggle", () => drawTwin());

  async function load() {
    const [, bucket, spanS] = RANGES[chosen];
    try {
      const from = Date.now() - Number(spanS) * 1_000;
      const answer = await ask(`${accountPath(row.snap)}/equity?bucket=${bucket}&from_msc=${from}`);
      buckets = answer.buckets;
      note.textContent = "";
    } catch (error) {
      buckets = [];
      note.textContent = `The history cannot be read: ${/** @type {any} */ (error).message}`;
    }
    draw();
  }

  function columns() {
    const { snap } = latest();
    const shown = [...buckets];
    if (snap.equity !== null) {
      shown.push({ start_msc: snap.time_msc, high: snap.equity, low: snap.equity,
        close: snap.equity, balance_close: snap.balance });
    }
    return [shown.map(one => one.start_msc / 1_000), shown.map(one => one.high),
      shown.map(one => one.low), shown.map(one => one.close), shown.map(one => one.balance_close)];
  }

  function floors() {
    return latest().snap.guards.filter(guard => guard.floor !== null);
  }

  /** From the lowest floor less 5 % of the span: the room is visible to scale. */
  function reach(u, low, high) {
    const marks = [...floors().map(guard => guard.floor), latest().snap.equity_high_water];
    const bottom = Math.min(low ?? marks[0] ?? 0, ...marks);
    const top = Math.max(high ?? marks[0] ?? 1, ...marks);
    const spare = (top - bottom || 1) * 0.05;
    return [bottom - spare, top + spare];
  }

  function lines(u) {
    const { ctx } = u;
    const scale = devicePixelRatio;
    const { left, width } = u.bbox;
    ctx.save();
    ctx.font = `${11 * scale}px system-ui, sans-serif`;
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    const drawn = [];
    const across = (value, dash, tint, label) => {
      const y = u.valToPos(value, "y", true);
      ctx.strokeStyle = ctx.fillStyle = tint;
      ctx.lineWidth = 1.4 * scale;
      ctx.setLineDash(dash.map(part => part * scale));
      ctx.beginPath();
      ctx.moveTo(left, y);
      ctx.lineTo(left + width, y);
      ctx.stroke();
      const isTaken = drawn.some(at => Math.abs(at - y) < 14 * scale);
      ctx.textBaseline = isTaken ? "top" : "bottom";
      const wide = ctx.measureText(label).width + 8 * scale;
      ctx.fillStyle = colour("--panel");
      ctx.fillRect(left + width - wide - 2 * scale, y + (isTaken ? 2 : -16) * scale, wide,
        14 * scale);
      ctx.fillStyle = tint;
      ctx.fillText(label, left + width - 6 * scale, y + (isTaken ? 3 : -3) * scale);
      drawn.push(y);
    };
    const { snap } = latest();
    across(snap.equity_high_water, [2, 3], colour("--dim"), "high-water");
    for (const guard of floors()) across(guard.floor, [7, 4], colour("--breach"), guard.name);
    ctx.restore();
  }

  function draw() {
    const data = columns();
    plot?.destroy();
    plot = null;
    stage.replaceChildren();
    if (data[0].length < 2) {
      fill(stage, el("p", { class: "empty" }, "No history in this range yet: it is kept from the "
        + "engine's start, one point a bucket."));
      return;
    }
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 }, font: "11px system-ui, sans-serif" };
    const spanS = data[0][data[0].length - 1] - data[0][0];
    const options = {
      width: stage.clientWidth || 600, height: 280, ms: 1e-3, legend: { show: false },
      tzDate: at => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
      cursor: { y: false, points: { show: false } },
      scales: { x: { time: true }, y: { range: reach } },
      axes: [{ ...axis, size: 34, values: (u, splits) => splits.map(at => {
        const text = new Date(at * 1e3).toISOString();
        return spanS > 172_800 ? text.slice(5, 10) : text.slice(11, spanS < 300 ? 19 : 16);
      }) }, { ...axis, size: 84, values: (u, splits) => splits.map(value =>
        number(value, Math.abs(splits[1] - splits[0]) < 1 ? 2 : 0)) }],
      series: [{}, { stroke: "transparent", points: { show: false } },
        { stroke: "transparent", points: { show: false } },
        { stroke: colour("--ok"), width: 1.5, points: { show: false } },
        { stroke: colour("--halted"), width: 1, points: { show: false },
          paths: uPlot.paths.stepped({ align: 1 }) }],
      bands: [{ series: [1, 2], fill: colour("--band") }],
      hooks: { draw: [lines], setCursor: [u => {
        const at = u.cursor.idx;
        note.textContent = at === null || at === undefined ? "" : `${clock(data[0][at] * 1e3,
          { ms: false })}: equity ${money(data[3][at], row.snap.currency)}, lowest `
          + `${money(data[2][at], row.snap.currency)}, highest `
          + money(data[1][at], row.snap.currency);
      }] },
    };
    plot = new uPlot(options, data, stage);
    drawTwin();
  }

  function drawTwin() {
    const [times, high, low, close] = columns();
    const rest = [...twin.children].slice(1);
    for (const node of rest) node.remove();
    if (!twin.open) return;
    const cash = value => money(value, row.snap.currency);
    const lines_ = times.map((at, place) => [at, high[place], low[place], close[place]]).slice(-60);
    twin.append(el("div", { class: "scroll", tabindex: 0, role: "region",
      "aria-label": "Equity as a table" }, el("table", null, el("thead", null, el("tr", null,
      ["From", "Highest", "Lowest", "Last"].map((head, at) => el("th", { scope: "col",
        class: at ? "num" : "" }, head)))), el("tbody", null, lines_.reverse().map(line =>
      el("tr", null, el("th", { scope: "row" }, clock(line[0] * 1e3, { ms: false })),
        line.slice(1).map(value => el("td", { class: "num" }, cash(value)))))))));
  }

  const watching = new ResizeObserver(() => {
    if (plot && stage.clientWidth) plot.setSize({ width: stage.clientWidth, height: 280 });
  });
  watching.observe(stage);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", draw);
  load();
  const reloading = setInterval(load, 10_000);
  return {
    box,
    follow() {
      if (!plot) return;
      const data = columns();
      plot.setData(data);
    },
    stop() {
      clearInterval(reloading);
      watching.disconnect();
      dark.removeEventListener("change", draw);
      plot?.destroy();
    },
  };
}
