// Halt, flatten, release: what each dialog must say, and what becomes of it once it is sent.

import { accountPath, ask, newKey, openSession, Problem, wordsOf } from "./api.js";
import { field, openDialog, plainTable } from "./dialog.js";
import { el, fill } from "./dom.js";
import { toast } from "./speech.js";
import { onRows, rows } from "./store.js";
import { counted, money, number, volume } from "./words.js";

const BULK_AT_ONCE = 8;

/** The dialog of one action on one account. @param {string} what @param {any} given */
export function openAction(what, given) {
  const row = rows.get(given.key) ?? given;
  if (what === "halt") return haltOne(row);
  return what === "flatten" ? flattenOne(row) : releaseOne(row);
}

function haltOne(row) {
  const { snap } = row;
  const orders = snap.live?.orders.length ?? 0;
  return confirm(`Halt ${snap.login}`, "Halt", "primary", false, [el("p", null,
    `No new positions. ${counted(snap.positions.length, "open position")} `
    + `${snap.positions.length === 1 ? "stays" : "stay"}. `
    + `Pending orders: ${orders} will be kept.`)],
  (reason, key) => ask(`${accountPath(snap)}/halt`, { method: "POST", body: { reason }, key }),
  [row], "halt");
}

function flattenOne(row) {
  const { snap } = row;
  const lots = volume(row.lots);
  const orders = snap.live?.orders.length ?? 0;
  const lines = snap.positions.map(one => [one.symbol, one.side, volume(one.volume_lots),
    money(one.profit, snap.currency, true)]);
  const button = `Flatten ${counted(snap.positions.length, "position")} (${lots} lots)`;
  return confirm(`Flatten ${snap.login}`, button, "danger", true, [
    lines.length ? plainTable(["Symbol", "Side", "Lots#", `Floating, ${snap.currency}#`], lines)
      : el("p", null, "It holds no position. Pending orders will still be cancelled."),
    el("p", null, `Total realised about ${money(snap.profit, snap.currency, true)} `
      + `${snap.currency}. `
      + `Pending orders: ${orders} will be cancelled. `
      + "A position whose market is closed now cannot be closed: its close waits, and you are "
      + "told."),
    el("p", null, el("b", null, "This cannot be undone."))],
  (reason, key) => ask(`${accountPath(snap)}/flatten`, { method: "POST", body: { reason }, key }),
  [row], "flatten");
}

function releaseOne(row) {
  const { snap } = row;
  const breached = snap.guards.filter(guard => guard.breached);
  const again = breached.filter(guard => guard.distance !== null && guard.distance <= 0);
  const causes = snap.halts.length ? snap.halts : breached.map(guard => guard.name);
  const select = el("select", { "aria-label": "What is released" },
    causes.map(cause => el("option", { value: cause }, cause)));
  const words = breached.map(guard => el("p", null,
    `Ends the latch of ${guard.name}. From the next `
    + `tick its floor is ${money(guard.floor, snap.currency)} ${snap.currency}.`));
  return confirm(`Release ${snap.login}`, "Ask for the release", "primary", true, [
    el("label", { class: "field" }, "What is released", select), ...words,
    again.length ? el("p", { class: "wrong" }, "It will breach again at once.") : null,
    el("p", null, "The release of a breach waits for a second person.")],
  (reason, key) => ask(`${accountPath(snap)}/release`,
    { method: "POST", body: { cause: select.value, reason }, key }), [row], "release");
}

/**
 * Halt or flatten of a selection: the count is typed.
 * @param {string} what @param {any[]} picked
 */
export function openBulk(what, picked) {
  const skipped = what === "flatten" ? picked.filter(row => row.snap.mode === "observe") : [];
  const meant = picked.filter(row => !skipped.includes(row));
  const sums = new Map();
  for (const { snap } of meant) {
    sums.set(snap.currency, (sums.get(snap.currency) ?? 0) + (snap.profit ?? 0));
  }
  const positions = meant.reduce((sum, row) => sum + row.snap.positions.length, 0);
  const verb = what === "halt" ? "Halt" : "Flatten";
  const count = String(meant.length);
  const body = [el("p", null, `${counted(meant.length, "account")}, `
    + `${counted(positions, "open position")}${what === "halt" ? ", which stay" : ""}.`),
  plainTable(["Currency", "Floating#"], [...sums].map(([currency, sum]) =>
    [currency, money(sum, currency, true)])),
  skipped.length ? el("p", null, `Skipped, observe only: ${skipped.slice(0, 8).map(row =>
    row.snap.login).join(", ")}${skipped.length > 8 ? "…" : ""}.`) : null,
  what === "flatten" ? el("p", null, el("b", null, "This cannot be undone.")) : null];
  return confirm(`${verb} ${counted(meant.length, "account")}`, `${verb} ${count}`,
    what === "flatten" ? "danger" : "primary", true, body, async (reason, key) => {
      const failed = [];
      const queue = [...meant];
      await Promise.all(Array.from({ length: BULK_AT_ONCE }, async () => {
        for (let row = queue.shift(); row; row = queue.shift()) {
          await ask(`${accountPath(row.snap)}/${what}`, { method: "POST", body: { reason },
            key: `${key}-${row.snap.login}` }).catch(error => failed.push([row, error]));
        }
      }));
      if (failed.length) throw failed.find(([,
        error]) => error instanceof Problem)?.[1] ?? failed[0][1];
    }, meant, what, count);
}

/** The kill switch. */
export function openStop() {
  const all = [...rows.values()];
  const positions = all.reduce((sum, row) => sum + row.snap.positions.length, 0);
  const what = () => /** @type {any} */ (document.querySelector("input[name=stop]:checked")).value;
  const pick = (value, words, isOn) => el("p", null, el("label", null, el("input", { type: "radio",
    name: "stop", value, checked: isOn,
    onchange: () => typed.setWanted(`${value.toUpperCase()} ALL`) }),
  ` ${words}`));
  const typed = { setWanted: /** @type {(text: string) => void} */ (() => {}) };
  const made = confirm("Stop everything", "Stop everything", "danger", true, [
    el("p", null, `Scope: all ${number(all.length, 0)} of your accounts, `
      + `${counted(positions, "open position")}. Sent at once; an open market is usually flat `
      + "within 5 seconds. It stays until each account is released."),
    pick("halt", "Halt: no new positions, open ones stay", true),
    pick("flatten", "Flatten: close every position, cancel every order")],
  (reason, key) => ask(`/${what()}?scope=all`, { method: "POST", body: { reason }, key }),
  all, "stop", "HALT ALL");
  typed.setWanted = made.setWanted;
  return made;
}

/**
 * Asks, sends, and becomes the progress.
 * @param {string} title @param {string} verb @param {string} look
 * @param {boolean} needsReason @param {any[]} words
 * @param {(reason: string, key: string) => Promise<any>} send
 * @param {any[]} meant @param {string} what @param {string} [typedWord] to be typed
 */
function confirm(title, verb, look, needsReason, words, send, meant, what, typedWord) {
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
    if (closing && !waits) {
      const sent = closes.every(one => one.sent_at_msc) || left === 0;
      lines.push(step(sent ? "done" : "", "Sent to the terminal"));
      lines.push(step(left === 0 ? "done" : "", `${before - left} of ${before} flat`));
      for (const one of closes.filter(other => other.answer)) {
        lines.push(step("bad",
          `${one.symbol} ${one.position_id}: ${one.answer}, try ${one.attempts}`));
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
