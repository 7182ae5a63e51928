// The keyboard. Letters act only outside fields, only open things, and can be switched off.

import { openDialog } from "./dialog.js";
import { el } from "./dom.js";

const WORDS = [["/", "filter"], ["j k ↓ ↑", "next and previous account"], ["Enter", "open"],
  ["Esc", "back, clear"], ["x", "select; with shift a range"], ["g l", "the list"],
  ["g i", "incidents"], ["g d", "discrepancies"], ["g a", "approvals"],
  ["h", "halt…"], ["f", "flatten…"], ["c", "copy the link"],
  ["t", "times in UTC or local"], [".", "pause updates"], ["?", "this help"]];

/** @param {Record<string, (event: KeyboardEvent) => void>} acts by key; two letters are a chord */
export function listenKeys(acts) {
  let chord = "", chordMs = 0;
  addEventListener("keydown", event => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isField = target.matches("input:not([type=checkbox]), textarea, select");
    if (document.querySelector("dialog[open]")) return;
    if (isField) {
      if (event.key === "Escape") target.blur();
      else if (event.key === "ArrowDown" && target.id === "filter") acts.ArrowDown?.(event);
      return;
    }
    const isLetter = event.key.length === 1;
    if (isLetter && !areKeysOn() && event.key !== "?") return;
    const two = performance.now() - chordMs < 1_200 ? chord + event.key : "";
    chord = event.key;
    chordMs = performance.now();
    const act = acts[two] ?? acts[event.key];
    if (!act || (event.key === "Enter" && target.matches("button, a, summary"))) return;
    event.preventDefault();
    act(event);
  });
}

function areKeysOn() {
  return localStorage.getItem("tidegate-keys") !== "off";
}

/** Help, and the settings of this browser. */
export function openHelp() {
  const toggle = el("input", { type: "checkbox", checked: areKeysOn(), onchange: () =>
    localStorage.setItem("tidegate-keys", toggle.checked ? "on" : "off") });
  const gains = el("select", { onchange: () => {
    localStorage.setItem("tidegate-gains", gains.value);
    colourGains();
  } }, [["", "off"], ["blue-orange", "blue and orange"], ["green-red", "green and red"],
    ["red-green", "red and green"]].map(([value, words]) => el("option", { value,
    selected: (localStorage.getItem("tidegate-gains") ?? "") === value }, words)));
  const dialog = openDialog("Keys and settings", el("div", { class: "keys" }, WORDS.flatMap(
    ([key, words]) => [el("span", null, el("kbd", null, key)), el("span", null, words)])),
  el("p", null, el("label", null, toggle, " Single letters act")),
  el("p", null, el("label", null, "Colour gains and losses: ", gains)),
  el("p", { class: "dim" }, "Filter: ", el("code", null,
    "1007 server:Demo-1 state:warning,unknown guard:daily_loss symbol:XAUUSD room<500 used>80")),
  el("div", { class: "buttons" }, el("button", { class: "primary", onclick: () => dialog.close() },
    "Close")));
}

export function colourGains() {
  document.documentElement.dataset.gains = localStorage.getItem("tidegate-gains") ?? "";
}
