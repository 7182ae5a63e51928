// What waits for a second person.

import { ask, me, newKey, openSession, Problem, wordsOf } from "./api.js";
import { field } from "./dialog.js";
import { el, fill } from "./dom.js";
import { toast } from "./speech.js";
import { clock, countdown, plainWords } from "./words.js";

export function makeApprovals() {
  const list = el("div");
  const fresh = field("A token made within the last five minutes", { type: "password" });
  fresh.node.hidden = true;
  const box = el("section", { class: "approvals" }, el("h1", { tabindex: -1 }, "Approvals"),
    el("p", { class: "dim" }, "What loosens a rule or ends a breach is asked for by one person and "
      + "approved by another, within an hour."),
  el("form", { onsubmit: event => event.preventDefault() }, fresh.node), list);

  async function load() {
    try {
      const { approvals } = await ask("/approvals");
      fill(list, approvals.length ? approvals.map(card)
        : el("p", { class: "none big" }, "Nothing waits."));
    } catch (error) {
      fill(list, el("p", { class: "quiet" }, wordsOf(error)));
    }
  }

  async function decide(one, decision, wrong, key) {
    wrong.textContent = "";
    try {
      if (fresh.input.value) await openSession(fresh.input.value.trim());
      await ask("/approvals", { method: "POST", key,
        body: { approval_id: one.approval_id, decision } });
      toast(`${plainWords(one.action)} of ${one.account}: ${decision === "approve" ? "approved"
        : "rejected"}`);
      load();
    } catch (error) {
      wrong.textContent = wordsOf(error);
      if (error instanceof Problem && error.wantsFreshToken) {
        fresh.node.hidden = false;
        fresh.input.focus();
      }
    }
  }

  function card(one) {
    const waits = one.state === "waiting";
    const isMine = one.proposed_by === me()?.subject;
    const wrong = el("p", { class: "wrong", role: "alert" });
    const expires = one.expires_msc ?? Date.parse(one.expires_at);
    const key = newKey();
    return el("article", { class: "waiting" }, el("h2", null,
      `${plainWords(one.action)} of ${one.account}`), el("p", null,
        `Asked for by ${one.proposed_by}, `
      + `${clock(one.proposed_msc ?? Date.parse(one.proposed_at))}: “${one.reason}”`),
    one.payload ? el("pre", null, one.payload) : null,
    waits ? el("p", { class: "dim" }, `Expires in ${countdown(expires - Date.now())}`)
      : el("p", { class: "dim" },
        `${one.state} by ${one.decided_by ?? "nobody"}. ${one.outcome ?? ""}`),
    waits ? el("div", { class: "buttons" }, isMine ? el("span", { class: "dim" },
      "Your own: another person has to approve it.") : el("button", { class: "primary",
      onclick: () => decide(one, "approve", wrong, key) }, "Approve"), el("button", {
      onclick: () => decide(one, "reject", wrong, key) }, isMine ? "Withdraw" : "Reject")) : null,
        wrong);
  }

  load();
  const reloading = setInterval(load, 10_000);
  return { box, stop: () => clearInterval(reloading) };
}
