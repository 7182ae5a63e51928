// The dialog of a command: what it asks for, sends once, and shows of what became of it.

import { newKey, openSession, Problem, wordsOf } from "./api.js";
import { field, openDialog } from "./dialog.js";
import { el, fill } from "./dom.js";
import { toast } from "./speech.js";
import { onRows, rows } from "./store.js";

/**
 * Asks, sends, and becomes the progress.
 * @param {string} title @param {string} verb @param {string} look
 * @param {boolean} needsReason @param {any[]} words
 * @param {(reason: string, key: string) => Promise<any>} send
 * @param {any[]} meant @param {string} what @param {string} [typedWord] to be typed
 */
export function confirm(title, verb, look, needsReason, words, send, meant, what, typedWord) {
  const key = newKey();
  let wanted = typedWord ?? "", isSending = false;
  const reason = field(needsReason ? "Reason" : "Reason (optional)", { name: "reason",
    maxlength: 300 });
  const typed = field("", { name: "typed", "aria-describedby": "typed-hint" });
  const hint = el("span", { id: "typed-hint" }, `Type ${wanted} to go on`);
  typed.node.replaceChildren(hint, typed.input);
  const wrong = el("p", { class: "wrong", role: "alert" });
  const go = el("button", { class: look, type: "submit" }, verb);
  const cancel = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const fresh = field("A token made within the last five minutes", { type: "password" });
  fresh.node.hidden = true;
  const form = el("form", { onsubmit: event => {
    event.preventDefault();
    submit();
  } }, ...words, reason.node, wanted ? typed.node : null, fresh.node, wrong,
  el("div", { class: "buttons" }, cancel, go));
  const dialog = openDialog(title, form);
  const told = [...form.querySelectorAll(":scope > p:not(.wrong)")];
  told.forEach((line, at) => line.setAttribute("id", `dialog-words-${at}`));
  if (told.length) {
    // With the focus on Cancel nobody would hear what it says.
    dialog.box.setAttribute("aria-describedby", told.map(line => line.id).join(" "));
  }
  const check = () => {
    go.disabled = isSending || (needsReason && !reason.input.value.trim())
      || (Boolean(wanted) && typed.input.value.trim() !== wanted);
  };
  form.addEventListener("input", check);
  check();
  cancel.focus();

  async function submit() {
    check();
    if (go.disabled) return;
    isSending = true;
    go.disabled = true;
    wrong.textContent = "";
    try {
      if (fresh.input.value) await openSession(fresh.input.value.trim());
      const answer = await send(reason.input.value.trim(), key);
      progress(dialog, title, meant, what, answer);
    } catch (error) {
      isSending = false;
      check();
      wrong.textContent = wordsOf(error);
      if (error instanceof Problem && error.wantsFreshToken) {
        fresh.node.hidden = false;
        fresh.input.focus();
      }
    }
  }
  return { ...dialog, setWanted: text => {
    wanted = text;
    hint.textContent = `Type ${wanted} to go on`;
    check();
  } };
}

/** The dialog after sending: durable, sent, flat. It can be left; the result is a toast too. */
function progress(dialog, title, meant, what, answer) {
  const keys = new Set(meant.map(row => row.key));
  const before = meant.reduce((sum, row) => sum + row.snap.positions.length, 0);
  const steps = el("ul", { class: "steps", "aria-live": "polite" });
  const leave = el("button", { type: "button", class: "primary", onclick: dialog.close }, "Leave");
  const closing = what === "flatten" || (what === "stop" && /flatten/i.test(answer?.action ?? ""));
  fill(dialog.body, steps, el("div", { class: "buttons" }, leave));
  leave.focus();
  let isDone = false;

  function draw() {
    const now = [...keys].map(key => rows.get(key)).filter(Boolean);
    const left = now.reduce((sum, row) => sum + row.snap.positions.length, 0);
    const closes = now.flatMap(row => row.snap.live?.closes ?? []);
    const waits = answer?.approval_id;
    const lines = [step("done", waits ? `Waits for a second person: ${waits}`
      : "Taken; the decision is durable")];
    if (what === "close" && !waits) {
      const [row] = now;
      const held = row?.snap.positions.find(one => one.position_id === answer.position_id);
      const under = closes.find(one => one.position_id === answer.position_id);
      lines.push(step(under?.sent_at_msc || !held ? "done" : "", "Sent to the terminal"));
      lines.push(step(held ? "" : "done", held ? "Not flat yet" : "It is flat"));
      if (under?.answer) lines.push(step("bad", `${under.answer}, try ${under.attempts}`));
    } else if (closing && !waits) {
      const sent = closes.every(one => one.sent_at_msc) || left === 0;
      lines.push(step(sent ? "done" : "", "Sent to the terminal"));
      lines.push(step(left === 0 ? "done" : "", `${before - left} of ${before} flat`));
      for (const one of closes.filter(other => other.answer)) {
        lines.push(step("bad",
          `${one.symbol} ${one.position_id}: ${one.answer}, try ${one.attempts}`));
      }
    } else if (what === "adopt") {
      const [row] = now;
      const meantNow = answer.position_ids.filter(id => row?.snap.positions.some(one =>
        one.position_id === id && one.intent_id));
      const open = (row?.snap.live?.discrepancies ?? []).filter(one => one.kind === "unexpected"
        && answer.position_ids.includes(one.position_id));
      lines.push(step(meantNow.length === answer.position_ids.length ? "done" : "",
        `${meantNow.length} of ${answer.position_ids.length} meant`));
      lines.push(step(open.length ? "" : "done", open.length ? "Waits for the next full report"
        : "No discrepancy of it is open"));
      for (const one of answer.failed ?? []) {
        lines.push(step("bad", `${one.position_id}: ${one.reason}`));
      }
    } else if (what === "halt") {
      const halted = now.filter(row => row.snap.halts.length).length;
      lines.push(step(halted === keys.size ? "done" : "", `${halted} of ${keys.size} halted`));
    }
    fill(steps, lines);
    if (!isDone && lines.every(line => line.className === "done")) {
      isDone = true;
      toast(`${title}: ${waits ? "waits for a second person" : "done"}`);
    }
  }
  const stop = onRows(draw);
  dialog.closed.then(stop);
  draw();
  if (!isDone) dialog.closed.then(() => isDone || toast(`${title}: sent`));
}

function step(state, words) {
  return el("li", { class: state }, words);
}
