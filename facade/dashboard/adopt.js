// Positions that nobody here opened: adopted, they are meant from then on. Nothing is traded.

import { accountPath, ask } from "./api.js";
import { confirm } from "./confirming.js";
import { el } from "./dom.js";
import { counted, money, volume } from "./words.js";

/** What no intent means, of a live account. @param {any} snap */
export function unmeant(snap) {
  return snap.live ? snap.positions.filter(one => !one.intent_id) : [];
}

/**
 * A button of one position's discrepancy; null where that cannot be adopted.
 * @param {any} one discrepancy
 */
export function adoptButton(one) {
  return one.kind === "unexpected" && one.position_id !== null ? el("button",
    { "data-adopt": one.position_id, "aria-label": `Adopt ${one.position_id}…` }, "Adopt…") : null;
}

/** @param {any} row @param {number} [position] the one that is meant; else any of them */
export function openAdopt(row, position) {
  const { snap } = row;
  const offered = unmeant(snap).filter(one => position === undefined
    || one.position_id === position);
  if (!offered.length) return null;
  const boxes = offered.map(one => el("input", { type: "checkbox", value: one.position_id,
    checked: true, "aria-label": `Adopt ${one.symbol} ${one.position_id}` }));
  const picked = () => boxes.filter(box => box.checked).map(box => Number(box.value));
  const isOne = offered.length === 1;
  const lines = offered.map((one, at) => el("tr", null, isOne ? null : el("td", null, boxes[at]),
    el("td", { class: "id" }, String(one.position_id)), el("td", null, one.symbol),
    el("td", null, one.side), el("td", { class: "num" }, volume(one.volume_lots)),
    el("td", { class: "num" }, money(one.profit, snap.currency, true))));
  const heads = ["Position", "Symbol", "Side", "Lots#", `Floating, ${snap.currency}#`];
  const verb = isOne ? `Adopt ${volume(offered[0].volume_lots)} lots of ${offered[0].symbol}`
    : "Adopt those picked";
  const title = isOne ? `Adopt ${offered[0].position_id} of ${snap.login}`
    : `Adopt positions of ${snap.login}`;
  return confirm(title, verb, "primary", true, [
    el("table", { "aria-label": "What is adopted" }, el("thead", null, el("tr", null, isOne ? null : el("th", { scope: "col" },
      el("span", { class: "hidden" }, "Adopt")), heads.map(head => el("th", { scope: "col",
      class: head.endsWith("#") ? "num" : "" }, head.replace("#", ""))))), el("tbody", null,
    lines)),
    el("p", null, `From then on ${isOne ? "it is" : "they are"} meant as held: its volume, stop and `
      + "target. Nothing is traded, and every guard goes on counting it."),
    el("p", null, "What a policy would do about an unexpected position is not done any more. No "
      + "strategy knows of it: it stays until a person or a guard closes it."),
    el("p", { class: "dim" }, `The discrepancy ends with the next full report. ${counted(
      snap.positions.length - offered.length, "other position")} of the account `
      + `${snap.positions.length - offered.length === 1 ? "stays" : "stay"} as before.`)],
  async (reason, key) => {
    const position_ids = picked();
    const answer = await ask(`${accountPath(snap)}/adopt`, { method: "POST",
      body: { position_ids, reason }, key });
    return { ...answer, position_ids };
  }, [row], "adopt");
}
