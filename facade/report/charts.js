// Charts of the report: unpacks what packing.py packed and draws it with uPlot. No text of the book
// or of a tick file is ever made HTML here: everything goes through textContent or the canvas.
const Tide = (() => {
  "use strict";
  const GROUP = "\u202f", MINUS = "\u2212";
  const DAY = 86400000;

  // Numbers and times

  function unpack(text) {
    const bytes = atob(text);
    const values = [];
    let value = 0, folded = 0, scale = 1;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes.charCodeAt(i);
      folded += (byte & 127) * scale; // no bit shifts: a sum may need more than 32 bits
      scale *= 128;
      if (byte < 128) {
        value += folded % 2 ? -(folded + 1) / 2 : folded / 2;
        values.push(value);
        folded = 0;
        scale = 1;
      }
    }
    return values;
  }

  function money(amount, digits) {
    if (amount === null || amount === undefined || !isFinite(amount)) return "—";
    const [whole, part] = Math.abs(amount).toFixed(digits).split(".");
    const grouped = whole.replace(/\B(?=(\d{3})+$)/g, GROUP) + (part ? "." + part : "");
    return (amount < 0 && /[1-9]/.test(grouped) ? MINUS : "") + grouped;
  }

  function two(number) { return String(number).padStart(2, "0"); }

  function clock(msc, withMsc) {
    const at = new Date(msc);
    const text = two(at.getUTCHours()) + ":" + two(at.getUTCMinutes()) + ":" + two(at.getUTCSeconds());
    return text + (withMsc ? "." + String(at.getUTCMilliseconds()).padStart(3, "0") : "") + "Z";
  }

  function date(msc) { return new Date(msc).toISOString().slice(0, 10); }

  function since(msc, wide) {
    const size = Math.abs(msc), sign = msc < 0 ? MINUS : msc > 0 ? "+" : "";
    if (size === 0) return "0";
    if (size < 1000 && !wide) return sign + Math.round(size) + " ms";
    if (size < 120000) return sign + Number((size / 1000).toFixed(3)) + " s";
    return sign + Number((size / 60000).toFixed(1)) + " min";
  }

  const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

  // Axis labels in UTC and 24 hours; the day stands below the first label of each day.
  function timeLabels(u, splits, axis, space, step) {
    let shown = "";
    return splits.map((msc) => {
      const at = new Date(msc);
      const day = at.getUTCDate() + " " + MONTHS[at.getUTCMonth()];
      if (step >= DAY) return day;
      let text = two(at.getUTCHours()) + ":" + two(at.getUTCMinutes());
      if (step < 60000) text += ":" + two(at.getUTCSeconds());
      if (step < 1000) text += "." + String(at.getUTCMilliseconds()).padStart(3, "0");
      if (day !== shown) {
        shown = day;
        text += "\n" + day;
      }
      return text;
    });
  }

  function moneyLabels(digits) {
    return (u, splits, axis, space, step) => {
      const needed = step >= 1 ? 0 : Math.min(digits, Math.ceil(-Math.log10(step) - 1e-9));
      return splits.map((value) => money(value, needed));
    };
  }

  // Looks

  function colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue("--" + name).trim();
    return {
      ink: of("ink"), dim: of("dim"), line: of("line"), panel: of("panel"), band: of("band"),
      ok: of("ok"), warning: of("warning"), breach: of("breach"), unknown: of("unknown"),
      hatch: of("hatch"), halted: of("halted"),
    };
  }

  const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

  function axes(look, labels, values) {
    const shared = { stroke: () => look().dim, font: FONT, ticks: { show: false } };
    const grid = { stroke: () => look().line, width: 1 };
    return [
      { ...shared, values: labels, space: 60, size: 38, gap: 6, grid: { show: false },
        ticks: { show: true, stroke: () => look().line, width: 1, size: 4 } },
      { ...shared, values, space: 44, gap: 6, grid,
        size: (u, texts) => 14 + 6.4 * Math.max(4, ...(texts || []).map((t) => t.length)) },
    ];
  }

  // Shapes on the canvas; sizes in CSS pixels times the device's ratio.

  function triangle(ctx, x, y, r, down) {
    const s = down ? -1 : 1;
    ctx.beginPath();
    ctx.moveTo(x, y - s * r);
    ctx.lineTo(x + r, y + s * r * .8);
    ctx.lineTo(x - r, y + s * r * .8);
    ctx.closePath();
  }

  function glyph(ctx, kind, x, y, px, look) {
    const r = 5 * px;
    ctx.lineWidth = 2 * px;
    ctx.strokeStyle = look.panel;
    if (kind === "warning") {
      ctx.fillStyle = look.warning;
      triangle(ctx, x, y, r);
      ctx.stroke();
      ctx.fill();
    } else if (kind === "breach") {
      for (const [colour, width] of [[look.panel, 5.5], [look.breach, 2.6]]) {
        ctx.strokeStyle = colour;
        ctx.lineWidth = width * px;
        ctx.beginPath();
        ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r);
        ctx.moveTo(x + r, y - r); ctx.lineTo(x - r, y + r);
        ctx.stroke();
      }
    } else if (kind === "operation") {
      ctx.fillStyle = look.panel;
      ctx.strokeStyle = look.ink;
      ctx.lineWidth = 1.3 * px;
      triangle(ctx, x, y, r * .9, true);
      ctx.fill();
      ctx.stroke();
    } else {
      ctx.fillStyle = look.panel;
      ctx.strokeStyle = kind === "poll" ? look.unknown : look.ink;
      ctx.lineWidth = (kind === "poll" ? 2 : 1.5) * px;
      ctx.beginPath();
      ctx.arc(x, y, (kind === "poll" ? 4.5 : 3.2) * px, 0, 7);
      ctx.fill();
      ctx.stroke();
    }
  }

  function inside(u, x, y) {
    const b = u.bbox;
    return x >= b.left - 1 && x <= b.left + b.width + 1 && y >= b.top - 1 && y <= b.top + b.height + 1;
  }

  function clipped(u, draw) {
    const { ctx, bbox: b } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(b.left, b.top, b.width, b.height);
    ctx.clip();
    draw(ctx, b);
    ctx.restore();
  }

  function verticals(u, times, colour, dash) {
    const px = devicePixelRatio || 1;
    clipped(u, (ctx, b) => {
      ctx.strokeStyle = colour;
      ctx.lineWidth = px;
      ctx.setLineDash(dash.map((d) => d * px));
      for (const time of times) {
        const x = Math.round(u.valToPos(time, "x", true)) + .5;
        ctx.beginPath();
        ctx.moveTo(x, b.top);
        ctx.lineTo(x, b.top + b.height);
        ctx.stroke();
      }
    });
  }

  // Hatched from the left edge up to `until`: nothing was known there.
  function hatch(u, until, look) {
    const px = devicePixelRatio || 1;
    clipped(u, (ctx, b) => {
      const right = Math.min(u.valToPos(until, "x", true), b.left + b.width);
      if (right <= b.left + px) return;
      ctx.beginPath();
      ctx.rect(b.left, b.top, right - b.left, b.height);
      ctx.clip();
      ctx.strokeStyle = look.hatch;
      ctx.lineWidth = px;
      for (let x = b.left - b.height; x < right; x += 7 * px) {
        ctx.beginPath();
        ctx.moveTo(x, b.top + b.height);
        ctx.lineTo(x + b.height, b.top);
        ctx.stroke();
      }
    });
  }

  // Names at the right end of horizontal lines; one that finds no room above goes below its line.
  function names(u, lines, look, avoid) {
    const px = devicePixelRatio || 1, { ctx, bbox: b } = u;
    const taken = avoid.filter((value) => value !== null)
      .map((value) => u.valToPos(value, "y", true) + 4 * px);
    ctx.save();
    ctx.font = FONT.replace("11px", 11 * px + "px");
    ctx.textAlign = "right";
    ctx.textBaseline = "alphabetic";
    ctx.lineJoin = "round";
    for (const { text, value, colour } of lines) {
      if (value === null) continue;
      const y = u.valToPos(value, "y", true);
      if (y < b.top - 1 || y > b.top + b.height + 1) continue;
      const spots = [y - 5 * px, y + 14 * px, y - 19 * px, y + 28 * px];
      const spot = spots.find((at) => at > b.top + 10 * px && at < b.top + b.height - 2 * px
        && !taken.some((other) => Math.abs(other - at) < 13 * px));
      if (spot === undefined) continue;
      taken.push(spot);
      ctx.lineWidth = 3 * px;
      ctx.strokeStyle = look.panel;
      ctx.strokeText(text, b.left + b.width - 5 * px, spot);
      ctx.fillStyle = colour;
      ctx.fillText(text, b.left + b.width - 5 * px, spot);
    }
    ctx.restore();
  }

  function stepped(chart, [places, heights], scale) {
    const at = unpack(places), to = unpack(heights), out = new Array(chart.bins).fill(null);
    for (let i = 0; i < at.length; i++) {
      const stop = i + 1 < at.length ? at[i + 1] : chart.bins;
      for (let bin = at[i]; bin < stop; bin++) out[bin] = to[i] / scale;
    }
    return out;
  }

  // Decodes one account's envelope into columns by bin; null where nothing was known yet.
  function envelope(chart) {
    const scale = Math.pow(10, chart.digits) / chart.unit;
    const minor = Math.pow(10, chart.digits) / chart.grain;
    const head = new Array(chart.first).fill(null);
    const last = unpack(chart.last), low = unpack(chart.low), high = unpack(chart.high);
    const width = (chart.to - chart.from) / chart.bins;
    return {
      times: Array.from({ length: chart.bins }, (_, bin) => chart.from + (bin + .5) * width),
      last: head.concat(last.map((v) => v / scale)),
      low: head.concat(last.map((v, i) => (v - low[i]) / scale)),
      high: head.concat(last.map((v, i) => (v + high[i]) / scale)),
      balance: stepped(chart, chart.balance, minor),
      water: stepped(chart, chart.high_water, minor),
      floors: chart.floors.map((floor) => stepped(chart, floor.steps, minor)),
      width,
    };
  }

  function pane(chart) {
    const scale = Math.pow(10, chart.digits);
    return { times: unpack(chart.times), values: unpack(chart.values).map((v) => v / scale),
      floors: stepped({ bins: chart.count }, chart.floor, scale) };
  }

  function extremes(columns, from, to) {
    let low = Infinity, high = -Infinity;
    for (const column of columns) {
      for (let i = from; i <= to; i++) {
        const value = column[i];
        if (value === null || value === undefined) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    }
    return low <= high ? [low, high] : null;
  }

  function padded(low, high, digits) {
    const least = Math.pow(10, -digits) * 4;
    const room = Math.max((high - low) * .06, least, Math.abs(high) * 1e-5);
    return [low - room, high + room];
  }

  return { unpack, money, clock, date, since, timeLabels, moneyLabels, colours, axes, glyph, inside,
    verticals, hatch, names, envelope, pane, extremes, padded };
})();
