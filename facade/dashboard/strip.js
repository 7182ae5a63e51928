// The strip at the head: where one is, how fresh the numbers are, who one is, and the kill switch.

import { mayAct, me } from "./api.js";
import { el, fill, glyph, put } from "./dom.js";
import { age } from "./words.js";

/**
 * @param {HTMLElement} filterBox
 * @param {{ go: (path: string) => void, stop: () => void, help: () => void, pause: () => void,
 *   signOut: () => void }} hooks
 */
export function makeStrip(filterBox, hooks) {
  const strip = /** @type {HTMLElement} */ (document.getElementById("strip"));
  const link = (path, words, kind) => el("a", { href: path, "data-kind": kind, onclick: event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    hooks.go(path);
  } }, words);
  const words = el("span", null, "opening"), turn = el("span", { class: "hidden" });
  const pulse = el("button", { class: "pulse plain", onclick: hooks.pause,
    title: "Pause or go on with updates (.)" }, words, turn);
  const clock = el("span", { class: "who zone" });
  const nav = el("nav", { "aria-label": "Views" }, link("/", "Accounts", "list"),
    link("/?view=incidents", "Incidents", "incidents"),
    link("/?view=discrepancies", "Discrepancies", "discrepancies"),
    mayAct() ? link("/?view=approvals", "Approvals", "approvals") : null);
  const mark = link("/", "", "");
  mark.className = "mark";
  mark.setAttribute("aria-label", "Tidegate, to the list");
  mark.append(glyph("gate"), "Tidegate");
  fill(strip, mark, nav, filterBox, pulse, clock,
    el("span", { class: "who" }, el("span", { class: "hidden" }, "Signed in as "), el("b", null, me()?.subject ?? ""), ` ${me()?.role ?? ""}`),
    el("button", { class: "plain", "aria-label": "Keys and settings", onclick: hooks.help }, "?"),
    el("button", { class: "plain out", onclick: hooks.signOut }, "Sign out"),
    mayAct() ? el("button", { class: "danger", onclick: hooks.stop }, el("span", null, "Stop",
      el("span", { class: "rest" }, " everything"), "…")) : null);
  return {
    /** @param {string} kind of the view */
    draw(kind) {
      for (const one of nav.querySelectorAll("a")) {
        if (one.dataset.kind === kind) one.setAttribute("aria-current", "page");
        else one.removeAttribute("aria-current");
      }
    },
    pulse(health, isPaused) {
      pulse.classList.toggle("late", health.isSilent);
      pulse.classList.toggle("paused", Boolean(isPaused));
      put(words, isPaused ? "paused" : health.isSilent ? `${age(health.silentMs)} old`
        : `live ${Math.round(health.perSecond)}/s`);
      put(turn, isPaused ? ", press to go on" : ", press to pause");
      put(clock, `UTC ${new Date().toISOString().slice(11, 19)}`);
    },
  };
}
