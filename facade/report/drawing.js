// The two charts: one account's equity over the whole replay, and every tick around one breach.
const Draw = (() => {
  "use strict";

  const px = () => devicePixelRatio || 1;
  const hidden = { show: true, width: 0, points: { show: false } };

  function options(size, look, chart) {
    return {
      width: size.width, height: size.height, ms: 1, padding: [10, 14, 0, 0],
      tzDate: (msc) => uPlot.tzDate(new Date(msc), "Etc/UTC"),
      fmtDate: () => () => "",
      legend: { show: false },
      cursor: { drag: { x: true, y: false, setScale: true }, y: false,
        points: { size: 6, stroke: () => look().ink, fill: () => look().panel, width: 1.5 } },
      ...chart,
    };
  }

  function place(times, time) {
    let low = 0, high = times.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] < time) low = middle + 1; else high = middle;
    }
    return low;
  }

  // What the x scale shows: all of it at first. Kept here, for a y range is asked for before
  // uPlot has taken the x range over.
  function viewed(from, to) {
    const view = { now: [from, to], range: (u, min, max) => {
      if (view.begun) view.now = [min, max];
      view.begun = true;
      return view.now;
    } };
    return view;
  }

  // Equity of an account

  function equity(target, chart, size, state) {
    const seen = Tide.envelope(chart);
    const look = () => state.look;
    const line = (stroke, width, dash, steps) => ({
      stroke, width, dash, points: { show: false },
      paths: steps ? uPlot.paths.stepped({ align: 1 }) : undefined,
    });
    const series = [
      {}, hidden, hidden,
      line(() => look().halted, 1, undefined, true),
      line(() => look().dim, 1.2, [1, 3], true),
      ...chart.floors.map(() => line(() => look().breach, 1.3, [6, 4], true)),
      line(() => look().ok, 1.5),
    ];
    const columns = [seen.times, seen.low, seen.high, seen.balance, seen.water, ...seen.floors,
      seen.last];
    const view = viewed(chart.from, chart.to);
    const range = () => {
      const [min, max] = view.now;
      const from = place(seen.times, min), to = place(seen.times, max);
      const own = Tide.extremes([seen.low, seen.high], from, to)
        || Tide.extremes([seen.balance], from, to) || [0, 1];
      let [low, high] = own;
      if (!state.fit) {
        const more = Tide.extremes([seen.water, seen.balance], from, to);
        if (more) [low, high] = [Math.min(low, more[0]), Math.max(high, more[1])];
        // The highest floor is always in view; a lower one only while it leaves a shape to see.
        const floors = seen.floors.map((column) => Tide.extremes([column], from, to))
          .filter(Boolean).sort((a, b) => b[0] - a[0]);
        floors.forEach((floor, rank) => {
          if (rank === 0 || high - floor[0] < 2.5 * (high - low)) low = Math.min(low, floor[0]);
        });
      }
      return Tide.padded(low, high, chart.digits);
    };
    const below = (u) => {
      Tide.verticals(u, chart.resets, look().dim, [1, 4]);
      if (chart.known_from > chart.from) Tide.hatch(u, chart.known_from, look());
    };
    const marks = (u) => {
      Tide.names(u, chart.floors.map((floor, number) => ({
        text: floor.name, value: ending(u, seen, seen.floors[number]), colour: look().breach,
      })), look(), [ending(u, seen, seen.last)]);
      for (const [time, kind, value] of chart.marks) {
        const x = u.valToPos(time, "x", true), y = u.valToPos(value, "y", true);
        if (Tide.inside(u, x, y)) Tide.glyph(u.ctx, kind, x, y, px(), look());
      }
    };
    return new uPlot(options(size, look, {
      series,
      bands: [{ series: [2, 1], fill: () => look().band }],
      scales: { x: { time: true, range: view.range }, y: { range } },
      axes: Tide.axes(look, Tide.timeLabels, Tide.moneyLabels(chart.digits)),
      hooks: {
        drawAxes: [below],
        draw: [marks],
        setCursor: [(u) => state.say(u.cursor.idx === null || u.cursor.left < 0 ? ""
          : equitySays(chart, seen, u.cursor.idx))],
      },
    }), columns, target);
  }

  function ending(u, seen, column) {
    const at = Math.min(place(seen.times, u.scales.x.max), column.length - 1);
    return column[at];
  }

  function equitySays(chart, seen, bin) {
    const show = (value) => Tide.money(value, chart.digits);
    const at = seen.times[bin] - seen.width / 2;
    const when = Tide.date(at) + " " + Tide.clock(at);
    if (seen.last[bin] === null) return [[when, "unknown"]];
    const said = [[when, ""], ["equity", show(seen.last[bin])],
      ["lowest", show(seen.low[bin])], ["highest", show(seen.high[bin])],
      ["high-water", show(seen.water[bin])]];
    chart.floors.forEach((floor, number) => {
      if (seen.floors[number][bin] !== null) said.push([floor.name, show(seen.floors[number][bin])]);
    });
    return said;
  }

  function equityTable(chart) {
    const seen = Tide.envelope(chart), rows = [];
    const stride = Math.max(1, Math.ceil(chart.bins / 48));
    const show = (value) => Tide.money(value, chart.digits);
    for (let bin = chart.first - (chart.first % stride); bin < chart.bins; bin += stride) {
      const to = Math.min(bin + stride, chart.bins) - 1;
      const ends = Tide.extremes([seen.low, seen.high], bin, to);
      if (!ends) continue;
      const at = chart.from + bin * seen.width;
      rows.push([Tide.date(at) + " " + Tide.clock(at), show(seen.last[to]), show(ends[0]),
        show(ends[1]), show(seen.water[to]), ...seen.floors.map((floor) => show(floor[to]))]);
    }
    return { head: ["From", "Equity at its end", "Lowest", "Highest", "High-water",
      ...chart.floors.map((floor) => "Floor " + floor.name)], rows };
  }

  // Every tick around a breach

  function ticks(target, chart, size, state) {
    const seen = Tide.pane(chart);
    const look = () => state.look;
    const at = seen.times.map((time) => time);
    const wide = at[at.length - 1] - at[0] > 4000;
    const polls = chart.polls || [];
    const view = viewed(...chart.view);
    const range = () => {
      const [min, max] = view.now;
      const from = Math.max(0, place(at, min) - 1), to = Math.min(at.length - 1, place(at, max));
      let [low, high] = Tide.extremes([seen.values, seen.floors], from, to) || [0, 1];
      for (const [time, value] of [...polls.map((poll) => [poll[1], poll[2]]), [0, chart.decided]]) {
        if (time >= min && time <= max) [low, high] = [Math.min(low, value), Math.max(high, value)];
      }
      return Tide.padded(low, high, chart.digits);
    };
    const labels = (u, splits) => splits.map((time) => Tide.since(time, wide));
    const below = (u) => Tide.verticals(u, [0], look().breach, [1, 3]);
    const marks = (u) => {
      const floor = seen.floors[Math.min(place(at, u.scales.x.max), at.length - 1)];
      Tide.names(u, [{ text: chart.guard + " " + Tide.money(floor, chart.digits), value: floor,
        colour: look().breach }], look(), [seen.values[seen.values.length - 1]]);
      const shown = [["breach", 0, chart.decided]];
      for (const [time, value] of chart.warned) shown.unshift(["warning", time, value]);
      for (const [time, value] of chart.closed) shown.unshift(["close", time, value]);
      for (const poll of polls) shown.push(["poll", poll[1], poll[2], poll[0]]);
      for (const [kind, time, value, text] of shown) {
        const x = u.valToPos(time, "x", true), y = u.valToPos(value, "y", true);
        if (!Tide.inside(u, x, y)) continue;
        Tide.glyph(u.ctx, kind, x, y, px(), look());
        if (text) label(u, text, x, y, look());
      }
    };
    const dots = at.length < 160;
    return new uPlot(options(size, look, {
      series: [
        {},
        { stroke: () => look().breach, width: 1.3, dash: [6, 4], points: { show: false },
          paths: uPlot.paths.stepped({ align: 1 }) },
        { stroke: () => look().ok, width: 1.5, paths: uPlot.paths.stepped({ align: 1 }),
          points: { show: dots, size: 3.5, width: 0, fill: () => look().ok } },
      ],
      scales: { x: { time: false, range: view.range }, y: { range } },
      axes: Tide.axes(look, labels, Tide.moneyLabels(chart.digits)),
      hooks: {
        drawAxes: [below],
        draw: [marks],
        setCursor: [(u) => state.say(u.cursor.idx === null || u.cursor.left < 0 ? ""
          : ticksSay(chart, seen, u.cursor.idx))],
      },
    }), [at, seen.floors, seen.values], target);
  }

  // A name above its dot, moved in where it would stand out of the plot.
  function label(u, text, x, y, look) {
    const { ctx, bbox: b } = u;
    ctx.save();
    ctx.font = 11 * px() + "px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
    ctx.textAlign = "center";
    ctx.textBaseline = "alphabetic";
    ctx.lineJoin = "round";
    ctx.lineWidth = 3 * px();
    ctx.strokeStyle = look.panel;
    ctx.fillStyle = look.unknown;
    const half = ctx.measureText(text).width / 2;
    const at = Math.min(Math.max(x, b.left + half), b.left + b.width - half);
    const over = y - 9 * px() > b.top + 10 * px() ? y - 9 * px() : y + 18 * px();
    ctx.strokeText(text, at, over);
    ctx.fillText(text, at, over);
    ctx.restore();
  }

  function ticksSay(chart, seen, number) {
    const time = chart.at + seen.times[number];
    return [[Tide.clock(time, true), Tide.since(seen.times[number])],
      ["equity", Tide.money(seen.values[number], chart.digits)],
      ["room", Tide.money(seen.values[number] - seen.floors[number], chart.digits)]];
  }

  function ticksTable(chart) {
    const seen = Tide.pane(chart);
    const show = (value) => Tide.money(value, chart.digits);
    const rows = seen.times.map((time, number) => [
      Tide.date(chart.at + time) + " " + Tide.clock(chart.at + time, true), Tide.since(time),
      show(seen.values[number]), show(seen.floors[number]),
      show(seen.values[number] - seen.floors[number])]);
    return { head: ["Time", "From the breach", "Equity", "Floor", "Room"], rows };
  }

  return {
    equity: { draw: equity, table: equityTable },
    ticks: { draw: ticks, table: ticksTable },
  };
})();
