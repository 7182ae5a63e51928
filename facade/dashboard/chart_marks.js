// What happened, on the chart: one glyph a kind, drawn alike on the canvas and in the legend.

import { eventWords } from "./events.js";
import { el } from "./dom.js";
import { clock } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const REACH_PX = 8;

/** Paths in a box of 16, as the glyphs of states are. `line`: across the whole height. */
const KINDS = {
  breach: { words: "breach", tint: "--breach", stroke: 3.2, d: "M3 3 13 13M13 3 3 13" },
  warning: { words: "warning", tint: "--warning", d: "M8 2 15 14.4H1Z" },
  close: { words: "position closed", tint: "--ink", d: "M8 2.4 13.6 8 8 13.6 2.4 8Z" },
  money: { words: "money in or out", tint: "--ok", d: "M1.4 2.6H14.6L8 14Z" },
  halt: { words: "halted", tint: "--halted", d: "M3 3h10v10H3z" },
  lost: { words: "terminal lost", tint: "--unknown", stroke: 2,
    d: "M8 2.2A5.8 5.8 0 0 1 13.8 8M8 13.8A5.8 5.8 0 0 1 2.2 8" },
  reset: { words: "reset", tint: "--dim", stroke: 1.4, d: "M8 0V16", line: true },
};
const ORDER = Object.keys(KINDS);
const TYPES = { guard_breach: "breach", rule_breach: "breach", guard_warning: "warning",
  rule_warning: "warning", position_closed: "close", balance_changed: "money",
  day_reset: "reset" };
const LOST = new Set(["silent", "unlinked", "refused"]);

/** @param {any} record */
function kindOf(record) {
  if (record.type === "link_changed") return LOST.has(record.state) ? "lost" : "";
  if (record.type === "account_halted") return record.cause.includes(":") ? "halt" : "";
  return TYPES[record.type] ?? "";
}

/**
 * Marks of a span, oldest first.
 * @param {any[]} records oldest first @param {number} fromMsc @param {number} toMsc
 */
export function marksOf(records, fromMsc, toMsc) {
  return records.filter(one => one.time_msc >= fromMsc && one.time_msc <= toMsc)
    .map(record => ({ kind: kindOf(record), at: record.time_msc / 1e3, record }))
    .filter(mark => mark.kind);
}

/** What the glyphs mean, of those that are there. @param {any[]} marks @param {boolean} hasGaps */
export function legendOf(marks, hasGaps) {
  const there = new Set(marks.map(mark => mark.kind));
  const items = Object.entries(KINDS).filter(([kind]) => there.has(kind)).map(([, kind]) => {
    const box = document.createElementNS(SVG, "svg");
    box.setAttribute("viewBox", "0 0 16 16");
    box.setAttribute("aria-hidden", "true");
    box.setAttribute("class", `glyph i${kind.tint}`);
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", kind.d);
    path.setAttribute("fill", kind.stroke ? "none" : "currentColor");
    if (kind.stroke) path.setAttribute("stroke", "currentColor");
    if (kind.stroke) path.setAttribute("stroke-width", String(kind.stroke));
    box.append(path);
    return el("li", null, box, kind.words);
  });
  if (hasGaps) items.push(el("li", null, el("span", { class: "hatch" }), "not valued"));
  return items;
}

/**
 * Draws marks on a plot; gives back where each one is, in canvas pixels.
 * @param {any} u @param {any[]} marks @param {(at: number) => number | null} valueAt
 * @param {(name: string) => string} colour
 */
export function drawMarks(u, marks, valueAt, colour) {
  const { ctx } = u;
  const scale = devicePixelRatio, size = 11 * scale;
  const { left, top, width, height } = u.bbox;
  /** @type {Set<string>} */
  const taken = new Set();
  const drawn = [];
  ctx.save();
  // Lines first, what matters most last: nothing lies over a breach.
  const sorted = [...marks].sort((a, b) => ORDER.indexOf(b.kind) - ORDER.indexOf(a.kind));
  for (const mark of sorted) {
    const kind = KINDS[mark.kind];
    const x = u.valToPos(mark.at, "x", true);
    if (x < left - 1 || x > left + width + 1) continue;
    drawn.push({ x, mark });
    const place = `${mark.kind} ${Math.round(x / (5 * scale))}`;
    if (taken.has(place)) continue; // a flatten of forty is one glyph
    taken.add(place);
    ctx.strokeStyle = ctx.fillStyle = colour(kind.tint);
    if (kind.line) {
      ctx.lineWidth = scale;
      ctx.setLineDash([2 * scale, 3 * scale]);
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.setLineDash([]);
      continue;
    }
    const value = mark.record.equity ?? valueAt(mark.at);
    const isAbove = mark.kind === "money" || mark.kind === "halt" || value === null;
    const y = mark.kind === "lost" ? top + height - size * 0.8 : isAbove ? top + size * 0.8
      : Math.max(top + size / 2, Math.min(top + height - size / 2, u.valToPos(value, "y", true)));
    ctx.save();
    ctx.translate(x - size / 2, y - size / 2);
    ctx.scale(size / 16, size / 16);
    const path = new Path2D(kind.d);
    ctx.strokeStyle = colour("--panel"); // a rim, so that it stands off the line it is on
    ctx.lineWidth = (kind.stroke ?? 0) + 3.4;
    ctx.stroke(path);
    ctx.strokeStyle = colour(kind.tint);
    ctx.lineWidth = kind.stroke ?? 0;
    if (kind.stroke) ctx.stroke(path);
    else ctx.fill(path);
    ctx.restore();
  }
  ctx.restore();
  return drawn;
}

/** Marks near a place. @param {any[]} drawn @param {number} x canvas pixels */
export function marksNear(drawn, x) {
  return drawn.filter(one => Math.abs(one.x - x) <= REACH_PX * devicePixelRatio)
    .map(one => one.mark);
}

/** In words. @param {any} mark @param {string} currency */
export function markWords(mark, currency) {
  return `${KINDS[mark.kind].words} ${clock(mark.at * 1e3, { ms: false })}: `
    + eventWords(mark.record, currency);
}
