// Signing in with a token; the same form stands over the page when a session has run out.

import { openSession, Problem, wordsOf } from "./api.js";
import { openDialog } from "./dialog.js";
import { el, fill, glyph } from "./dom.js";

/** @param {() => void} done */
function form(done) {
  const token = el("textarea", { id: "token", required: true, spellcheck: "false",
    autocomplete: "off", autocapitalize: "off" });
  const wrong = el("p", { class: "wrong", role: "alert" });
  const go = el("button", { class: "primary", type: "submit" }, "Sign in");
  return el("form", { onsubmit: async event => {
    event.preventDefault();
    go.disabled = true;
    wrong.textContent = "";
    try {
      await openSession(token.value.trim().replace(/^Bearer\s+/i, ""));
      token.value = "";
      done();
    } catch (error) {
      wrong.textContent = error instanceof Problem && error.status === 401
        ? `${error.message} Ask for another.` : wordsOf(error);
      token.select();
    } finally {
      go.disabled = false;
    }
  } }, el("label", { for: "token" }, "Token"), token, go, wrong,
  el("p", { class: "dim" }, "Whoever runs the desk makes one: ", el("code", null,
    "tidegate token")));
}

/** The whole page. @param {Element} main @param {() => void} done */
export function showSignIn(main, done) {
  fill(main, el("div", { class: "signin" }, glyph("gate"), el("h1", null, "Tidegate"),
    el("p", { class: "dim" }, "The desk: every account, how far each is from its floor."),
    form(done)));
  /** @type {HTMLElement | null} */ (main.querySelector("textarea"))?.focus();
}

/** Over the page, which keeps its numbers. @param {() => void} done */
export function signInAgain(done) {
  if (document.querySelector("dialog.again")) return;
  const dialog = openDialog("Your session has ended", el("p", null,
    "The page stays as it is. Numbers below are from before."));
  dialog.box.classList.add("again");
  dialog.body.append(form(() => {
    dialog.close();
    done();
  }));
}
