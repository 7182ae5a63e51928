// Equity around an incident, as fine as it is still kept, with the floor and the deciding instant.

import { accountPath, ask } from "./api.js";
import { colour, LEFT_PX, nameLines } from "./chart_panes.js";
import { el, fill } from "./dom.js";
import { money, number, wall } from "./words.js";

/** [bucket, how long it is kept, seconds before, seconds after] */
const LEVELS = [["1s", 300, 60, 60], ["10s", 3_600, 300, 180], ["1m", 28_800, 1_800, 900],
  ["15m", 259_200, 21_600, 10_800], ["1h", 1_209_600, 86_400, 43_200]];

/** @param {any} record of the verdict @param {string} currency @param {number | null} flatMsc */
export function incidentChart(record, currency, flatMsc) {
  const stage = el("div", { class: "stage" });
  const note = el("p", { class: "dim note" });
  const box = el("figure", { class: "block chart" }, el("figcaption", null,
    el("h2", null, "Equity around it")), stage, note);
  /** @type {any} */
  let plot = null, buckets = [], length = "";

  async function load() {
    const oldS = (Date.now() - record.time_msc) / 1e3;
    const level = LEVELS.find(([, kept, before]) => oldS + Number(before) < Number(kept))
      ?? LEVELS[LEVELS.length - 1];
    length = String(level[0]);
    const from = Math.max(0, record.time_msc - Number(level[2]) * 1e3);
    const to = record.time_msc + Number(level[3]) * 1e3;
    try {
      const answer = await ask(`${accountPath(record)}/equity?bucket=${length}&from_msc=${from}`
        + `&to_msc=${to}`);
      buckets = answer.buckets;
      draw();
    } catch (error) {
      fill(stage, el("p", { class: "empty" }, `It cannot be read: ${
        /** @type {any} */ (error).message}`));
    }
  }

  function draw() {
    plot?.destroy();
    plot = null;
    stage.replaceChildren();
    if (buckets.length < 2) {
      fill(stage, el("p", { class: "empty" }, "The equity of then is not kept any more: buckets "
        + "of a second for 5 minutes, of a minute for 8 hours, of an hour for 2 weeks. The journal "
        + "has what decided."));
      return;
    }
    const at = record.time_msc / 1e3;
    const data = [buckets.map(one => one.start_msc / 1e3), buckets.map(one => one.high),
      buckets.map(one => one.low), buckets.map(one => one.close)];
    const floor = record.floor ?? null;
    const line = { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 }, font: "11px system-ui, sans-serif" };
    plot = new uPlot({ width: Math.max(240, stage.clientWidth), height: 230, ms: 1e-3,
      legend: { show: false }, padding: [8, 26, 0, 0],
      tzDate: time => uPlot.tzDate(new Date(time * 1e3), "Etc/UTC"),
      cursor: { show: false },
      scales: { x: { time: true }, y: { range: (u, low, high) => {
        const ends = [low, high, ...(floor === null ? [] : [floor])];
        const spare = (Math.max(...ends) - Math.min(...ends) || 1) * 0.12;
        return [Math.min(...ends) - spare, Math.max(...ends) + spare];
      } } },
      axes: [{ ...line, size: 30, values: (u, splits) => splits.map(time =>
        wall(time * 1e3).slice(11, 19)) }, { ...line, size: LEFT_PX,
        values: (u, splits) => splits.map(value => number(value,
          Math.abs(splits[1] - splits[0]) < 1 ? 2 : 0)) }],
      series: [{}, { stroke: "transparent", points: { show: false } },
        { stroke: "transparent", points: { show: false } },
        { stroke: colour("--ok"), width: 1.5, points: { show: false },
          paths: uPlot.paths.stepped({ align: 1 }) }],
      bands: [{ series: [1, 2], fill: colour("--band") }],
      hooks: { draw: [u => {
        upright(u, at, "--breach", "decided");
        if (flatMsc !== null && flatMsc > record.time_msc) upright(u, flatMsc / 1e3, "--ok", "");
        if (floor === null) return;
        across(u, floor);
        nameLines(u, [[floor, `floor ${money(floor, currency)}`, "--breach"]]);
      }] } }, data, stage);
    note.textContent = `Buckets of ${length}; the band is from the lowest to the highest of each.`;
  }

  const watching = new ResizeObserver(() => {
    if (plot && stage.clientWidth) plot.setSize({ width: stage.clientWidth, height: 230 });
  });
  watching.observe(stage);
  const looks = [matchMedia("(prefers-color-scheme: dark)"), matchMedia("print")];
  for (const look of looks) look.addEventListener("change", draw);
  load();
  return { box, stop() {
    watching.disconnect();
    for (const look of looks) look.removeEventListener("change", draw);
    plot?.destroy();
  } };
}

function across(u, value) {
  stroke(u, "--breach", [7, 4], [u.bbox.left, u.valToPos(value, "y", true)],
    [u.bbox.left + u.bbox.width, u.valToPos(value, "y", true)]);
}

export function upright(u, at, tint, words) {
  const x = u.valToPos(at, "x", true), scale = devicePixelRatio;
  stroke(u, tint, [2, 3], [x, u.bbox.top], [x, u.bbox.top + u.bbox.height]);
  if (!words) return;
  u.ctx.save();
  u.ctx.font = `${11 * scale}px system-ui, sans-serif`;
  u.ctx.fillStyle = colour(tint);
  u.ctx.textAlign = "left";
  u.ctx.textBaseline = "top";
  u.ctx.fillText(words, x + 5 * scale, u.bbox.top + 2 * scale);
  u.ctx.restore();
}

export function stroke(u, tint, dash, from, to) {
  const scale = devicePixelRatio;
  u.ctx.save();
  u.ctx.strokeStyle = colour(tint);
  u.ctx.lineWidth = 1.4 * scale;
  u.ctx.setLineDash(dash.map(part => part * scale));
  u.ctx.beginPath();
  u.ctx.moveTo(...from);
  u.ctx.lineTo(...to);
  u.ctx.stroke();
  u.ctx.restore();
}
