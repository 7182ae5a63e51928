// What the page does: charts drawn when they come into view, tables sorted, tables beside charts,
// other colours when the scheme changes, everything drawn before it is printed.
(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("tidegate-charts").textContent);
  const drawn = new Map();
  const PRINT_WIDTH = 656;
  let look = Tide.colours();
  let printing = false;

  // Charts

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.plot = figure.querySelector(".plot");
      this.readout = figure.querySelector(".readout");
      this.kind = figure.dataset.kind;
      this.chart = charts[this.kind][Number(figure.dataset.chart)];
      this.fit = false;
      this.resting = this.readout.textContent;
      this.u = Draw[this.kind].draw(this.plot, this.chart, this.size(), this);
      this.u.over.addEventListener("dblclick", () => this.press("all"));
      this.plot.addEventListener("keydown", (event) => this.key(event));
      this.plot.addEventListener("blur", () => this.say(""));
      this.tools();
    }

    tools() {
      const breach = (this.chart.marks || []).find((mark) => mark[1] === "breach");
      const ranges = [["all", "All"], ["in", "Zoom in"], ["out", "Zoom out"]];
      if (this.kind === "ticks") ranges.splice(1, 0, ["near", "At the breach"]);
      if (breach) ranges.splice(1, 0, ["at:" + breach[0], "Around the breach"]);
      if (this.kind === "equity" && this.chart.floors.length) ranges.push(["fit", "Fit equity"]);
      const group = document.createElement("div");
      group.className = "tools";
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", "Range");
      for (const [range, name] of ranges) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        button.addEventListener("click", () => this.press(range));
        if (range === "fit") {
          button.setAttribute("aria-pressed", "false");
          this.fitted = button;
        }
        group.append(button);
      }
      const bar = document.createElement("div");
      bar.className = "bar";
      this.figure.prepend(bar);
      bar.append(this.figure.querySelector("figcaption"), group);
    }

    get look() { return look; }

    size() {
      const style = getComputedStyle(this.plot);
      const width = printing ? PRINT_WIDTH : this.plot.clientWidth;
      return { width: Math.max(160, Math.floor(width)), height: Math.floor(parseFloat(style.height)) };
    }

    say(parts) {
      this.readout.textContent = parts ? "" : this.resting;
      for (const [name, value] of parts || []) {
        const bold = document.createElement("b");
        bold.textContent = value;
        this.readout.append(name, value ? "\u00a0" : "", bold, "  ");
      }
    }

    whole() {
      return this.kind === "ticks" ? this.chart.view : [this.chart.from, this.chart.to];
    }

    press(range) {
      const [from, to] = this.whole();
      const around = (at, width) => {
        const size = Math.min(width, to - from);
        const start = Math.min(Math.max(at - size / 2, from), to - size);
        return [start, start + size];
      };
      if (range === "fit") {
        this.fit = !this.fit;
        this.fitted.setAttribute("aria-pressed", this.fit);
        const { min, max } = this.u.scales.x;
        this.u.setScale("x", { min, max });
        return;
      }
      const { min, max } = this.u.scales.x;
      let next = [from, to];
      if (range === "in") next = around((min + max) / 2, (max - min) / 2);
      if (range === "out") next = around((min + max) / 2, (max - min) * 2);
      if (range === "near") next = this.chart.near;
      if (range.startsWith("at:")) {
        next = around(Number(range.slice(3)), Math.max((to - from) / 24, 60 * (to - from) / 1200));
      }
      this.u.setScale("x", { min: next[0], max: next[1] });
    }

    key(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[event.key];
      const times = this.u.data[0];
      if (step !== undefined) {
        const now = this.u.cursor.idx;
        const at = now === null || now === undefined ? (step > 0 ? 0 : times.length - 1) : now + step;
        const to = Math.max(0, Math.min(times.length - 1, at));
        this.u.setCursor({ left: this.u.valToPos(times[to], "x"), top: 10 });
      } else if (event.key === "+" || event.key === "-") {
        this.press(event.key === "+" ? "in" : "out");
      } else if (event.key === "0" || event.key === "Escape") {
        this.press("all");
      } else {
        return;
      }
      event.preventDefault();
    }
  }

  function draw(figure) {
    if (!drawn.has(figure)) drawn.set(figure, new Chart(figure));
  }

  function redraw() {
    look = Tide.colours();
    for (const chart of drawn.values()) {
      const size = chart.size();
      chart.u.setSize(size);
      chart.u.redraw(false, true);
    }
  }

  const figures = Array.from(document.querySelectorAll("figure[data-chart]"));
  if ("IntersectionObserver" in window) {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) {
          watcher.unobserve(entry.target);
          draw(entry.target);
        }
      }
    }, { rootMargin: "300px 0px" });
    figures.forEach((figure) => watcher.observe(figure));
  } else {
    figures.forEach(draw);
  }
  if ("ResizeObserver" in window) {
    const widths = new Map();
    const resized = new ResizeObserver((entries) => {
      if (printing) return;
      for (const { target } of entries) {
        const figure = target.closest("figure"), chart = drawn.get(figure);
        if (chart && widths.get(target) !== target.clientWidth) chart.u.setSize(chart.size());
        widths.set(target, target.clientWidth);
      }
    });
    figures.forEach((figure) => resized.observe(figure.querySelector(".plot")));
  }

  function print(on) {
    if (printing === on) return;
    printing = on;
    if (on) figures.forEach(draw);
    redraw();
  }
  matchMedia("print").addEventListener("change", (event) => print(event.matches));
  addEventListener("beforeprint", () => print(true));
  addEventListener("afterprint", () => print(false));
  for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
    matchMedia(query).addEventListener("change", redraw);
  }

  // The table beside a chart, made when it is first opened

  for (const twin of document.querySelectorAll("details.twin")) {
    twin.addEventListener("toggle", () => {
      if (!twin.open || twin.querySelector("table")) return;
      const figure = twin.closest("figure");
      const kind = figure.dataset.kind;
      const { head, rows } = Draw[kind].table(charts[kind][Number(figure.dataset.chart)]);
      const table = document.createElement("table");
      table.createCaption().textContent = figure.querySelector("figcaption").textContent;
      const line = table.createTHead().insertRow();
      for (const name of head) {
        const cell = document.createElement("th");
        cell.scope = "col";
        cell.className = "num";
        cell.textContent = name;
        line.append(cell);
      }
      const body = table.createTBody();
      for (const row of rows) {
        const line = body.insertRow();
        for (const text of row) {
          const cell = line.insertCell();
          cell.className = "num";
          cell.textContent = text;
        }
      }
      const scroll = document.createElement("div");
      scroll.className = "scroll";
      scroll.append(table);
      twin.append(scroll);
      reachable();
    });
  }

  // A box that scrolls is a stop for the keyboard, and then it needs a name.

  function reachable() {
    for (const box of document.querySelectorAll(".scroll, .polled")) {
      const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
      box.toggleAttribute("tabindex", scrolls);
      if (scrolls) {
        box.tabIndex = 0;
        box.setAttribute("role", "region");
        box.setAttribute("aria-label", box.querySelector("caption").textContent);
      } else {
        box.removeAttribute("role");
        box.removeAttribute("aria-label");
      }
    }
  }
  reachable();
  addEventListener("resize", reachable);

  // Sorting: by the number of a cell where it has one, else by its text; unknown goes last.

  function order(cell) {
    const value = cell.dataset.value;
    if (value === "") return null;
    return value === undefined ? cell.textContent.trim() : Number(value);
  }

  function sort(button) {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const down = head.getAttribute("aria-sort") === "ascending";
    const column = Array.from(head.parentNode.children).indexOf(head);
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = Array.from(body.rows, (row) => [order(row.cells[column]), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const ahead = typeof a === "number" && typeof b === "number" ? a - b
        : String(a).localeCompare(String(b), "en", { numeric: true });
      return down ? -ahead : ahead;
    });
    body.append(...rows.map(([, row]) => row));
  }

  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button));
  }
  document.documentElement.dataset.ready = "";
})();
