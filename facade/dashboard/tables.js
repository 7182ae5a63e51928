// The tables of one account. Each is given the snapshot and makes itself anew: they are short.

import { adoptButton } from "./adopt.js";
import { el, glyph, meter } from "./dom.js";
import { bySymbol, slopeOf } from "./history.js";
import { age, clock, clockTip, countdown, money, NONE, number, percent, plainWords, price,
  priceDigits, reasonWords, volume } from "./words.js";

/**
 * @param {string} title
 * @param {string[]} heads a name that ends with `#` is of numbers
 * @param {any[][]} lines cells; a cell may be a node, a text or an object of `el`'s properties
 * @param {string} empty
 * @param {boolean} [counts] says how many lines there are
 */
export function table(title, heads, lines, empty, counts = true) {
  const id = `t-${title.toLowerCase().replace(/\W+/g, "-")}`;
  const nums = heads.map(head => head.endsWith("#"));
  const body = lines.length
    ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": id },
      el("table", { "aria-labelledby": id }, el("thead", null, el("tr", null, heads.map((head,
        at) =>
        el("th", { scope: "col", class: nums[at] ? "num" : "" }, head.replace("#", ""))))),
      el("tbody", null, lines.map(line => el("tr", null, line.map((cell, at) =>
        el(at ? "td" : "th", { scope: at ? null : "row", class: nums[at] ? "num" : "" }, cell)))))))
    : el("p", { class: "empty" }, empty);
  return el("section", { class: "block" }, el("h2", { id }, title,
    lines.length && counts ? el("span", { class: "dim" }, ` ${lines.length}`) : null), body);
}

/** In words, with the numbers put in. @param {any} guard @param {string} currency */
function formula(guard, currency) {
  const sign = guard.comparator === "below" ? "<" : "≤";
  const cash = value => money(value, currency);
  if (guard.floor === null || guard.reference === null) {
    return `${plainWords(guard.kind)}: no floor; the last evaluation says how far it is`;
  }
  const amount = guard.reference - guard.floor;
  return `floor = ${cash(guard.reference)} − ${cash(amount)} = ${cash(guard.floor)}; `
    + `breach when equity ${sign} ${cash(guard.floor)}`;
}

/** @param {any} row @param {number} now @param {Set<string>} opened names of guards unfolded */
export function guardsTable(row, now, opened) {
  const { snap } = row;
  const cash = value => money(value, snap.currency);
  const lines = snap.guards.flatMap(guard => {
    const state = guard.breached ? "breached" : guard.warned ? "warning" : "known";
    const line = el("tr", { class: `w-${state}` },
      el("th", { scope: "row" }, el("button", { class: "plain unfold",
        "aria-expanded": String(opened.has(guard.name)), "data-guard": guard.name },
      glyph(state), guard.name)),
      el("td", { class: "dim" }, plainWords(guard.kind)),
      el("td", { class: "num" }, cash(guard.reference)),
      el("td", { class: "num" }, cash(guard.floor)),
      el("td", { class: "num strong" }, guard.distance === null ? NONE : cash(guard.distance)),
      el("td", { class: "w-meter" }, meter(guard.used_percent, guard.warn_percent,
        `${guard.name} used`)),
      el("td", { class: "num" }, percent(guard.used_percent)),
      el("td", { class: "num dim" }, percent(guard.warn_percent)),
      el("td", { class: "num", title: clockTip(guard.next_reset_msc) },
        guard.next_reset_msc ? countdown(guard.next_reset_msc - now) : NONE),
      el("td", { class: "num" }, cash(guard.floor_after_reset)),
      el("td", { class: "num dim" }, age(guard.age_ms === null ? null
        : guard.age_ms + now - row.heardAt)));
    if (!opened.has(guard.name)) return [line];
    const facts = [formula(guard, snap.currency),
      guard.next_reset_msc ? `next reset ${clock(guard.next_reset_msc)} (${guard.reset_zone})` : "",
      guard.latch ? `once breached it stays until: ${plainWords(guard.latch)}` : "",
      `on breach: ${plainWords(guard.action)}`,
      guard.breached_at_msc ? `breached ${clock(guard.breached_at_msc)}` : "",
      guard.close_due_msc ? `closes at ${clock(guard.close_due_msc)}` : "",
      guard.is_estimated ? "the reference was put together afterwards: nobody was there" : "",
      guard.evaluated_at_msc ? `last evaluated ${clock(guard.evaluated_at_msc)}` : ""];
    return [line, el("tr", { class: "formula" }, el("td", { colspan: 11 },
      facts.filter(Boolean).map(fact => el("div", null, fact))))];
  });
  const heads = ["Guard", "What", "Reference#", "Floor#", "Room#", "Used", "%#", "Warn at#",
    "Reset in#", "Floor after#", "Age#"];
  return el("section", { class: "block" }, el("h2", { id: "t-guards" }, "Guards"), lines.length
    ? el("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": "t-guards" },
      el("table", { class: "guards", "aria-labelledby": "t-guards" }, el("thead", null, el("tr",
        null,
        heads.map(head => el("th", { scope: "col", class: head.endsWith("#") ? "num" : "" },
          head.replace("#", ""))))), el("tbody", null, lines)))
    : el("p", { class: "empty" }, "No guard watches this account: its rule set is empty."));
}

/** @param {any} snap @param {boolean} canClose */
export function positionsTable(snap, canClose) {
  const isLive = Boolean(snap.live);
  const closing = new Set((snap.live?.closes ?? []).map(one => one.position_id));
  const lines = snap.positions.map(one => {
    const digits = priceDigits([one.open_price, one.current_price, one.stop_loss, one.take_profit]);
    const matched = one.intent_id ? el("span", { class: "state s-known" }, glyph("known"),
      "matched")
      : el("span", { class: "state s-warning" }, glyph("warning"), "unexpected");
    const gain = one.profit ? (one.profit < 0 ? "loss" : "gain") : null;
    return [el("span", { class: "id" }, String(one.position_id)), one.symbol, one.side,
      volume(one.volume_lots), price(one.open_price, digits), price(one.current_price, digits),
      el("span", { "data-gain": gain, class: "strong" }, money(one.profit, snap.currency, true)),
      money(one.swap, snap.currency, true), price(one.stop_loss, digits),
      price(one.take_profit, digits), el("span", { title: clockTip(one.opened_at_msc) },
        clock(one.opened_at_msc, { ms: false })), isLive ? matched : NONE,
      ...(canClose ? [closing.has(one.position_id) ? el("span", { class: "dim" }, "closing")
        : el("button", { "data-close": one.position_id,
          "aria-label": `Close ${one.symbol} ${one.position_id}…` }, "Close…")] : [])];
  });
  const box = table("Positions", ["Id", "Symbol", "Side", "Lots#", "Open#", "Now#", "Floating#",
    "Swap#", "Stop#", "Target#", "Opened#", "Intent", ...(canClose ? ["Close"] : [])], lines,
  "Flat: no position is open.");
  if (lines.length) box.append(el("p", { class: "foot" }, footer(snap)));
  return box;
}

/** Net lots by symbol, what all stops would cost, and prices that would reach the floor alone. */
function footer(snap) {
  const symbols = bySymbol(snap);
  const net = symbols.map(({ symbol, positions }) => `${symbol} ${volume(positions.reduce(
    (sum, one) => sum + (one.side === "buy" ? one.volume_lots : -one.volume_lots), 0))}`);
  const unstopped = snap.positions.filter(one => one.stop_loss === null).length;
  const said = [`Net ${net.join(", ")} lots.`, unstopped
    ? `${unstopped} of ${snap.positions.length} without a stop.` : stopped(snap)];
  const guard = snap.guards.find(one => one.name === snap.nearest_guard);
  const reached = guard && guard.distance > 0 ? symbols.filter(one => one.slope)
    .map(one => [one, one.price - guard.distance / one.slope]).filter(([, at]) => at > 0)
    .slice(0, 3).map(([one, at]) => `${one.symbol} at ${price(at, priceDigits([one.price]))} (${
      number(100 * (at / one.price - 1), 2, true)}${"\u202f"}%)`) : [];
  if (reached.length) {
    said.push(`Alone would reach the floor of ${guard.name}, about: ${reached.join(", ")}.`);
  }
  return said.join(" ");
}

/** What it costs if every stop is filled at its price, against the room. */
function stopped(snap) {
  let change = 0;
  for (const one of snap.positions) {
    const slope = slopeOf([one]);
    if (slope === null) return "All have a stop.";
    change += slope * (one.stop_loss - one.current_price);
  }
  const room = snap.room === null ? "" : `, room ${money(snap.room, snap.currency)}`;
  return `All have a stop: if each is hit, equity changes by ${money(change, snap.currency, true)}`
    + `${room}.`;
}

/** @param {any} snap */
export function ordersTable(snap) {
  const lines = (snap.live?.orders ?? []).map(one => [el("span", { class: "id" },
    String(one.ticket)),
    one.symbol, plainWords(one.type), volume(one.volume_lots), price(one.price),
    price(one.stop_loss), price(one.take_profit)]);
  return table("Pending orders", ["Ticket", "Symbol", "Type", "Lots#", "Price#", "Stop#",
    "Target#"],
    lines, "None: nothing can refill this account after a flatten.");
}

/** @param {any} snap @param {number} now */
export function closesTable(snap, now) {
  const lines = (snap.live?.closes ?? []).map(one => [el("span", { class: "id" }, one.intent_id),
    `${one.symbol} ${one.position_id}`, plainWords(one.kind), plainWords(one.state),
    volume(one.volume_lots), volume(one.target_volume_lots), String(one.attempts),
    one.answer ?? NONE, el("span", { class: "strong" }, age(now - one.decided_at_msc)),
    reasonWords(one.reason)]);
  return table("Closes in flight", ["Intent", "Position", "Kind", "State", "Lots left#", "Target#",
    "Tries#",
    "Answer", "Not flat for#", "Why"], lines, "None.");
}

/** @param {any} snap @param {boolean} [canAdopt] */
export function discrepanciesTable(snap, canAdopt = false) {
  const lines = (snap.live?.discrepancies ?? []).map(one => [el("span",
    { class: "state s-warning" },
    glyph("warning"), plainWords(one.kind)), one.subject || String(one.position_id ?? ""),
  one.expected ?? NONE, one.actual ?? NONE, clock(one.first_seen_msc), clock(one.last_seen_msc),
  String(one.count), plainWords(one.state), plainWords(one.policy),
  ...(canAdopt ? [adoptButton(one) ?? ""] : [])]);
  return table("Discrepancies", ["Kind", "Of", "Expected", "Actual", "First seen", "Last seen",
    "Times#", "State", "Policy", ...(canAdopt ? ["Adopt"] : [])], lines, "None open: what is held is what should be.");
}
