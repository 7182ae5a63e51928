// Other rules for one account: which there are, and what one would make of it before it is asked
// for. Floors and breaches are the engine's own; nothing is worked out here.

import { accountPath, ask, wordsOf } from "./api.js";
import { confirm } from "./confirming.js";
import { el, fill, glyph } from "./dom.js";
import { table } from "./tables.js";
import { counted, money, NONE, plainWords } from "./words.js";

/** @param {any} row */
export function openRules(row) {
  const { snap } = row;
  const select = el("select", { name: "ruleset", required: true, disabled: true },
    el("option", { value: "" }, "Reading…"));
  const stage = el("div", { class: "outlook", "aria-live": "polite" });
  let asked = 0;

  async function offer() {
    try {
      const { rulesets } = await ask("/rulesets");
      fill(select, el("option", { value: "" }, "Choose…"), rulesets
        .filter(one => one.name !== snap.ruleset).map(one => el("option", { value: one.name },
          `${one.name}, ${counted(one.accounts, "account")}`)));
      select.disabled = false;
    } catch (error) {
      fill(select, el("option", { value: "" }, "None could be read"));
      fill(stage, el("p", { class: "wrong" }, `The rule sets cannot be read: ${wordsOf(error)}`));
    }
  }

  async function show() {
    const mine = ++asked;
    if (!select.value) {
      fill(stage);
      return;
    }
    fill(stage, el("p", { class: "dim" }, "Asking the engine…"));
    try {
      const found = await ask(
        `${accountPath(snap)}/ruleset?ruleset=${encodeURIComponent(select.value)}`);
      if (mine === asked) fill(stage, outlook(found, snap));
    } catch (error) {
      if (mine === asked) {
        fill(stage, el("p", { class: "wrong" }, `What it would do is not known: ${wordsOf(error)}`));
      }
    }
  }

  select.addEventListener("change", show);
  offer();
  return confirm(`Rules of ${snap.login}`, "Change the rules", "primary", true, [
    el("p", null, `In force: ${snap.ruleset || "rules without a name"}.`),
    el("label", { class: "field" }, "Rule set of the book", select), stage],
  (reason, key) => ask(`${accountPath(snap)}/ruleset`, { method: "PUT",
    body: { ruleset: select.value, reason }, key }), [row], "rules");
}

/** What the engine says of it. @param {any} found @param {any} snap */
function outlook(found, snap) {
  const cash = value => money(value, found.currency);
  const floor = one => (one ? cash(one.floor) : NONE);
  const lines = found.guards.map(guard => [guard.name, floor(guard.before), floor(guard.after),
    guard.after ? cash(guard.after.room) : NONE]);
  const turned = found.guards.filter(({ before, after }) => before?.action !== after?.action)
    .map(({ name, before, after }) => (!after ? `${name} is gone` : `${name} ${before ? "will" : "is"
      + " new and will"} ${plainWords(after.action)}`));
  const breaches = found.guards.filter(guard => guard.breaches);
  const closes = breaches.some(guard => /close/.test(guard.after?.action ?? ""));
  const words = found.guards.filter(guard => guard.words);
  return [table("Now and then", ["Guard", "Floor now#", "Floor then#", "Room then#"], lines,
    "It has no guard.", false),
  turned.length ? el("p", null, `${turned.join("; ")}.`) : null,
  breaches.length ? el("p", { class: "wrong" }, glyph("breached"),
    ` ${breaches.map(guard => guard.name).join(" and ")} would breach at once`
    + `${closes && snap.positions.length ? `, and ${counted(snap.positions.length, "position")} `
      + "would be closed" : ""}.`) : null,
  found.equity === null ? el("p", null, "The account cannot be valued now: floors that follow "
    + "equity are not known, and neither is whether one is crossed.") : null,
  el("p", null, found.is_tighter ? "It is surely no looser: in force at once."
    : "It may be looser: it waits for a second person."),
  words.length ? el("details", null, el("summary", null, "In words"), el("dl", { class: "said" },
    words.map(guard => [el("dt", null, guard.name), el("dd", null, guard.words)]))) : null,
  el("p", { class: "foot" }, "Guards of the same name keep what they remember; the latches of "
    + "guards that are gone end.")];
}
