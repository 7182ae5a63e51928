// Other rules for one account: tighter ones at once, looser ones when a second person agrees.

import { accountPath, ask } from "./api.js";
import { confirm } from "./confirming.js";
import { plainTable } from "./dialog.js";
import { el } from "./dom.js";
import { rows } from "./store.js";
import { counted, money, plainWords } from "./words.js";

/** Names of rule sets as the accounts of this page have them, the most used first. */
function namesInUse() {
  const uses = new Map();
  for (const { snap } of rows.values()) {
    if (snap.ruleset) uses.set(snap.ruleset, (uses.get(snap.ruleset) ?? 0) + 1);
  }
  return [...uses].sort((a, b) => b[1] - a[1]);
}

/** @param {any} row */
export function openRules(row) {
  const { snap } = row;
  const cash = value => money(value, snap.currency);
  const others = namesInUse().filter(([name]) => name !== snap.ruleset);
  const input = el("input", { name: "ruleset", autocomplete: "off", spellcheck: "false",
    list: "rulesets", maxlength: 128, required: true });
  const guards = snap.guards.map(guard => [guard.name, cash(guard.reference), cash(guard.floor),
    plainWords(guard.action)]);
  return confirm(`Rules of ${snap.login}`, "Change the rules", "primary", true, [
    el("p", null, `In force: ${snap.ruleset || "rules without a name"}.`),
    plainTable(["Guard", "Reference#", "Floor#", "On breach"], guards),
    el("label", { class: "field" }, "Rule set of the book", input,
      el("datalist", { id: "rulesets" }, others.map(([name, uses]) =>
        el("option", { value: name }, counted(uses, "account"))))),
    el("p", null, "A rule set that is surely no looser is in force at once. Any other waits for a "
      + "second person. Guards of the same name keep what they remember; the latches of guards "
      + "that are gone end.")],
  (reason, key) => ask(`${accountPath(snap)}/ruleset`, { method: "PUT",
    body: { ruleset: input.value.trim(), reason }, key }), [row], "rules");
}
