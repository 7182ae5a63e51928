// Incidents of all accounts: warnings and breaches, the newest first, and how they ended.

import { ask, wordsOf } from "./api.js";
import { el, fill, stateBadge } from "./dom.js";
import { seconds } from "./incident_story.js";
import { onRecord, onRows, rows } from "./store.js";
import { table } from "./tables.js";
import { clock, clockTip, counted, money, number, percent } from "./words.js";

const EACH_MS = 15_000;
const SOON_MS = 700;
const LIMIT = 300;
const KINDS = [["", "All"], ["breach", "Breaches"], ["warning", "Warnings"]];

/** @param {{ open: (key: string) => void, verdict: (id: string) => void }} hooks */
export function makeIncidents(hooks) {
  let kind = "", isStopped = false, wanted = 0;
  /** @type {any} the page as last answered */
  let last = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  const bar = el("div", { class: "ranges", role: "group", "aria-label": "Kind of incident" });
  const list = el("div", { "aria-busy": "true" }, el("p", { class: "quiet" }, "Reading…"));
  const box = el("section", { class: "wide" }, el("div", { class: "bar-days" },
    el("h1", { tabindex: -1 }, "Incidents"), bar), list);
  fill(bar, KINDS.map(([name, words]) => el("button", { "aria-pressed": String(name === kind),
    onclick: () => {
      kind = name;
      for (const [place, button] of [...bar.children].entries()) {
        button.setAttribute("aria-pressed", String(KINDS[place][0] === kind));
      }
      load();
    } }, words)));

  async function load() {
    const mine = wanted += 1;
    try {
      const page = await ask(`/incidents?limit=${LIMIT}${kind && `&kind=${kind}`}`);
      if (isStopped || mine !== wanted) return;
      last = page;
      draw(page);
    } catch (error) {
      if (!isStopped && !list.querySelector("table")) {
        fill(list, el("p", { class: "quiet" }, wordsOf(error)));
      }
    }
    list.setAttribute("aria-busy", "false");
  }

  function draw(page) {
    if (list.contains(document.activeElement) && list.querySelector("table")
      && document.activeElement?.matches("a")) return; // not away under the focus
    const many = `${counted(page.accounts, "account")} looked through, those in most trouble first`;
    if (!page.incidents.length) {
      const ticks = [...rows.values()].reduce((sum, row) => sum + row.snap.ticks, 0);
      fill(list, el("div", { class: "none" }, el("p", { class: "big" }, "No warning, no breach."),
        el("p", { class: "dim" }, `${many}. Guards were tested: the accounts were valued on `
          + `${number(ticks, 0)} ticks.`)));
      return;
    }
    const left = list.querySelector(".scroll")?.scrollLeft ?? 0;
    const block = table("Warnings and breaches", ["At", "State", "Account", "Guard", "Used#",
      "Equity#", "Floor#", "Closes"], page.incidents.map(line), "");
    fill(list, block, el("p", { class: "foot" }, page.is_complete ? `${many}.`
      : `${many}; older ones are in the journal.`));
    const scroll = block.querySelector(".scroll");
    if (scroll) scroll.scrollLeft = left;
  }

  function line(one) {
    const key = `${one.server}/${one.login}`;
    const isBreach = one.type.endsWith("breach");
    const waits = one.waits ? `, ${one.waits} waiting` : "";
    const closes = !isBreach ? "" : one.flat_after_ms !== null
      ? `${counted(one.closes, "close")}, flat in ${seconds(one.flat_after_ms)}`
      : one.closes || waits ? `${one.settled} of ${one.closes} settled${waits}` : "none asked for";
    const at = Date.parse(one.time);
    const when = link(`/v/${one.verdict_id}`, clock(at, { ms: false }),
      () => hooks.verdict(one.verdict_id));
    when.title = `Why: ${one.verdict_id}, ${clockTip(at)}`;
    return [when, stateBadge(isBreach ? "breached" : "warning", isBreach ? "Breach" : "Warning"),
      link(`/a/${key}`, key, () => hooks.open(key)),
      one.guard + (one.subject ? ` (${one.subject})` : ""), percent(one.used_percent),
      money(one.equity, one.currency), money(one.floor, one.currency), closes];
  }

  const forget = onRecord(record => {
    if (!/_(breach|warning)$|close_settled/.test(record.type) || soon) return;
    soon = setTimeout(() => {
      soon = undefined;
      load();
    }, SOON_MS);
  });
  // Silence is proved by ticks that go on being counted.
  const forgetRows = onRows(() => last && !last.incidents.length && draw(last));
  load();
  const reloading = setInterval(load, EACH_MS);
  return { box, stop() {
    isStopped = true;
    forget();
    forgetRows();
    clearTimeout(soon);
    clearInterval(reloading);
  } };
}

/** @param {string} href @param {string} words @param {() => void} go */
export function link(href, words, go) {
  return el("a", { href, onclick: event => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go();
  } }, words);
}
