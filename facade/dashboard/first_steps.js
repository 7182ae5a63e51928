// The empty desk: what to do so that the first account comes.

import { el, fill } from "./dom.js";

/** What a terminal needs; where it listens is asked of the server itself. */
export function firstSteps() {
  const facts = el("dl");
  const copy = el("button", { onclick: () => navigator.clipboard?.writeText(
    [...facts.querySelectorAll("div")].map(pair => pair.textContent).join("\n")) }, "Copy");
  const told = el("p", { class: "dim" });
  fetch("/readyz").then(answer => answer.json()).then(ready => {
    const reasons = (ready.reasons ?? []).join("; ");
    const refused = Object.entries(ready.refused ?? {}).map(([why, count]) => `${why} ${count}`);
    told.textContent = `${ready.listening ? `Listening on ${ready.listening}. ` : ""}`
      + `${refused.length ? `Refused: ${refused.join(", ")}.` : "0 refused."} ${reasons}`;
    if (ready.listening) {
      const [host, port] = [ready.listening.replace(/:\d+$/, ""), ready.listening.split(":").pop()];
      fill(facts, pair("Host", host), pair("Port", port), pair("Thumbprint",
        ready.thumbprint ?? ""),
        pair("Key", "what `tidegate keys add SERVER/LOGIN` printed"));
    }
  }).catch(() => {
    told.textContent = "";
  });
  fill(facts, pair("Host, port", "of [link] in the settings"),
    pair("Thumbprint", "what `tidegate keys authority` prints"),
    pair("Key", "what `tidegate keys add SERVER/LOGIN` printed"));
  return el("div", { class: "first-steps" }, el("p", { class: "big" },
    "No terminal has connected yet"),
    el("p", { class: "dim" }, "Put the expert advisor on a chart of each terminal, "
      + "with these inputs:"),
    facts, copy, told, el("p", { class: "dim" }, "Or see it at work first: ",
      el("code", null, "tidegate demo")));
}

function pair(name, value) {
  return el("div", null, el("dt", null, name), el("dd", null, el("code", null, value)));
}
