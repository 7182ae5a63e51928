// A period in figures, as the engine computed them: all time beside the month that is shown.

import { accountPath, ask, wordsOf } from "./api.js";
import { el } from "./dom.js";
import { table } from "./tables.js";
import { age, clock, money, NONE, number, percent, volume } from "./words.js";

/**
 * Every line: what it is, how it is said, how it is computed.
 * @param {any} snap
 * @returns {[string, (period: any) => string, string][]}
 */
function linesOf(snap) {
  const cash = (value, plus = true) => money(value, snap.currency, plus);
  const fall = period => (period.max_drawdown === null ? NONE
    : `${period.is_exact ? "" : "at most "}${cash(-period.max_drawdown)}`);
  return [
    ["Result", period => cash(period.profit), "profits of closed positions, without swap and fees"],
    ["Paid in and out", period => cash(period.moved), "deposits and credits less withdrawals"],
    ["Largest drawdown", fall, "fall of equity from an earlier high, by the finest history that "
      + "reaches back so far; at most so deep where high and low fell into one span, or part of "
      + "the period was not seen"],
    ["In percent", period => percent(period.max_drawdown_percent), "of that high"],
    ["When", period => clock(period.max_drawdown_msc, { ms: false }), "the span of the low began"],
    ["Days traded", period => number(period.trade_days, 0),
      "UTC days with a position opened or closed"],
    ["Closes", period => number(period.closed_positions, 0),
      "deals that closed a position, in part too"],
    ["Profit factor", ({ trades }) => number(trades.profit_factor, 2),
      "gains divided by losses; none without a loss"],
    ["Won", ({ trades }) => percent(trades.win_percent), "closes with a profit above zero"],
    ["Average win", ({ trades }) => cash(trades.average_win),
      "gains divided by how many there were"],
    ["Average loss", ({ trades }) => cash(trades.average_loss),
      "losses divided by how many there were"],
    ["Best", ({ trades }) => cash(trades.best), "the highest profit of one close"],
    ["Worst", ({ trades }) => cash(trades.worst), "the lowest profit of one close"],
    ["Losses in a row", ({ trades }) => number(trades.longest_losing_run, 0),
      "one after the other, at most"],
    ["Lots", ({ trades }) => volume(trades.volume_lots), "closed, all symbols"],
    ["Average hold", ({ trades }) => age(trades.average_hold_ms),
      "from opening to close, where both are in the period"],
    ["By a guard", ({ trades }) => number(trades.by_guards, 0), "closes that a guard asked for"],
  ];
}

/**
 * The fold; what it shows is read when it is opened, and again when it is told to.
 * @param {any} row @param {() => any} latest
 * @param {() => { from: number, to: number, name: string }} month that is shown
 */
export function makeStatistics(row, latest, month) {
  const stage = el("div");
  const box = el("details", { class: "twin figures" }, el("summary", null,
    "Statistics of closed positions"), stage);
  let asked = 0;

  async function load() {
    if (!box.open) return;
    const mine = ++asked;
    const { from, to, name } = month();
    const path = `${accountPath(row.snap)}/statistics`;
    try {
      const [all, some] = await Promise.all([ask(path),
        ask(`${path}?from_msc=${from}&to_msc=${to}`)]);
      if (mine === asked) stage.replaceChildren(...shown(all.period, some.period, name));
    } catch (error) {
      if (mine === asked) {
        stage.replaceChildren(el("p", { class: "empty" }, `They cannot be read: ${wordsOf(error)}`));
      }
    }
  }

  function shown(all, some, name) {
    const { snap } = latest();
    const titled = (what, how) => [what, el("span", { class: "dim how" }, how)];
    const said = linesOf(snap).map(([what, value, how]) => [titled(what, how), value(all),
      value(some)]);
    const deepest = [titled("Below the high-water mark", "the deepest of every tick since the "
      + `account was opened here${snap.max_drawdown_time_msc ? `: ${clock(
        snap.max_drawdown_time_msc, { ms: false })}` : ""}`), money(snap.max_drawdown
      ? -snap.max_drawdown : null, snap.currency, true), NONE];
    return [table("In figures", ["Figure, and how it is computed", "All#", `${name}#`],
      [...said, deepest], "", false), all.is_complete ? null : el("p", { class: "foot" },
      "There are more records than are looked through: the figures of closes are of the latest.")]
      .filter(part => part !== null);
  }

  box.addEventListener("toggle", load);
  return { box, load };
}
