// The panes of the chart: options for uPlot, and what is drawn over its lines.

import { number, percent, price, wall } from "./words.js";

export const LEFT_PX = 84;
const FONT = "11px system-ui, sans-serif";

/** @param {string} name of a custom property */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** What all panes share. */
function frame(height, bounds, sync, hooks) {
  return {
    width: 600, height, ms: 1e-3, legend: { show: false }, padding: [8, 26, 0, 0],
    tzDate: at => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC"),
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false },
      sync: { key: sync, setSeries: false } },
    hooks,
    scales: { x: { time: true, range: bounds } },
  };
}

function axis() {
  return { stroke: colour("--dim"), grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 }, font: FONT };
}

/** Times under the lowest pane only. @param {boolean} isShown @param {() => number} spanS */
function timeAxis(isShown, spanS) {
  return { ...axis(), size: isShown ? 30 : 6, values: (u, splits) => splits.map(at => {
    if (!isShown) return "";
    const text = wall(at * 1e3);
    return spanS() > 172_800 ? text.slice(5, 10) : text.slice(11, spanS() < 300 ? 19 : 16);
  }) };
}

/** Equity, its envelope, balance, high-water mark and each floor. */
export function equityPane({ floors, bounds, sync, hooks, isLowest, spanS, reach }) {
  const dashed = (tint, dash) => ({ stroke: colour(tint), width: 1.4, dash, points: { show: false },
    paths: uPlot.paths.stepped({ align: 1 }) });
  return { ...frame(250, bounds, sync, hooks),
    scales: { x: { time: true, range: bounds }, y: { range: reach } },
    axes: [timeAxis(isLowest, spanS), { ...axis(), size: LEFT_PX, values: (u, splits) =>
      splits.map(value => number(value, Math.abs(splits[1] - splits[0]) < 1 ? 2 : 0)) }],
    series: [{}, { stroke: "transparent", points: { show: false } },
      { stroke: "transparent", points: { show: false } },
      { stroke: colour("--ok"), width: 1.5, points: { show: false } },
      { stroke: colour("--halted"), width: 1, points: { show: false },
        paths: uPlot.paths.stepped({ align: 1 }) },
      dashed("--dim", [2, 3]), ...floors.map(() => dashed("--breach", [7, 4]))],
    bands: [{ series: [1, 2], fill: colour("--band") }] };
}

/** How much of a guard's amount is used, with the lines of the warning and of the breach. */
export function usedPane({ warn, bounds, sync, hooks, isLowest, spanS }) {
  return { ...frame(110, bounds, sync, { ...hooks, draw: [u => {
    level(u, 100, "--breach", []);
    if (warn !== null) level(u, warn, "--warning", [4, 4]);
  }] }),
  scales: { x: { time: true, range: bounds },
    y: { range: (u, low, high) => [0, Math.max(108, (high ?? 0) * 1.06)] } },
  axes: [timeAxis(isLowest, spanS), { ...axis(), size: LEFT_PX,
    splits: (u, at, low, high) => (high > 220 ? [0, 100, Math.floor(high / 100) * 100]
      : [0, 50, 100]),
    values: (u, splits) => splits.map(value => percent(value).replace(".0", "")) }],
  series: [{}, { stroke: colour("--ok"), width: 1.5, fill: colour("--band"),
    points: { show: false } }] };
}

/** The price of one symbol. */
export function pricePane({ digits, bounds, sync, hooks, isLowest, spanS }) {
  return { ...frame(100, bounds, sync, hooks),
    scales: { x: { time: true, range: bounds }, y: { range: (u, low, high) => {
      const spare = (high - low || Math.abs(high) * 1e-4 || 1) * 0.15;
      return [low - spare, high + spare];
    } } },
    axes: [timeAxis(isLowest, spanS), { ...axis(), size: LEFT_PX, space: 32,
      values: (u, splits) => splits.map(value => price(value, digits)) }],
    series: [{}, { stroke: colour("--ink"), width: 1.2, points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }) }] };
}

function level(u, value, tint, dash) {
  const { ctx } = u;
  const scale = devicePixelRatio;
  const y = u.valToPos(value, "y", true);
  ctx.save();
  ctx.strokeStyle = colour(tint);
  ctx.lineWidth = scale;
  ctx.setLineDash(dash.map(part => part * scale));
  ctx.beginPath();
  ctx.moveTo(u.bbox.left, y);
  ctx.lineTo(u.bbox.left + u.bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/**
 * Names at the right edge of lines: above, below where that is taken, nowhere where both are.
 * @param {any} u @param {[number | null, string, string][]} names value, words, property
 * @param {number | null} [last] value of the line they must not cover
 */
export function nameLines(u, names, last = null) {
  const { ctx } = u;
  const scale = devicePixelRatio;
  const right = u.bbox.left + u.bbox.width;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  /** @type {[number, number][]} */
  const taken = last === null ? [] : [[-3, 3].map(by => u.valToPos(last, "y", true) + by * scale)];
  const isFree = (from, to) => taken.every(([top, end]) => to <= top || from >= end);
  for (const [value, words, tint] of names) {
    if (value === null || value === undefined) continue;
    const line = u.valToPos(value, "y", true);
    const y = [line - 16 * scale, line + 2 * scale].find(at => isFree(at, at + 14 * scale));
    if (y === undefined) continue;
    taken.push([y, y + 14 * scale]);
    const wide = ctx.measureText(words).width + 8 * scale;
    ctx.globalAlpha = 0.82;
    ctx.fillStyle = colour("--panel");
    ctx.fillRect(right - wide - 2 * scale, y, wide, 14 * scale);
    ctx.globalAlpha = 1;
    ctx.fillStyle = colour(tint);
    ctx.textBaseline = "middle";
    ctx.fillText(words, right - 6 * scale, y + 7 * scale);
  }
  ctx.restore();
}

/** Spans nobody valued. @param {any} u @param {[number, number][]} gaps */
export function hatch(u, gaps) {
  const { ctx } = u;
  const scale = devicePixelRatio;
  const { left, top, width, height } = u.bbox;
  ctx.save();
  ctx.strokeStyle = colour("--hatch");
  ctx.lineWidth = 1.5 * scale;
  for (const [from, to] of gaps) {
    const x = Math.max(left, u.valToPos(from, "x", true));
    const end = Math.min(left + width, u.valToPos(to, "x", true));
    if (end <= x) continue;
    ctx.save();
    ctx.beginPath();
    ctx.rect(x, top, end - x, height);
    ctx.clip();
    ctx.beginPath();
    for (let at = x - height; at < end; at += 8 * scale) {
      ctx.moveTo(at, top + height);
      ctx.lineTo(at + height, top);
    }
    ctx.stroke();
    ctx.restore();
  }
  ctx.restore();
}
