// What differs from what should be, in all accounts: open rows as they are now, and the log of past
// ones.

import { adoptButton } from "./adopt.js";
import { ask, mayAct, wordsOf } from "./api.js";
import { el, fill, stateBadge } from "./dom.js";
import { link } from "./incidents.js";
import { onRows, rows } from "./store.js";
import { table } from "./tables.js";
import { clock, counted, NONE, number, plainWords } from "./words.js";

const SHOWN = 500;
const EACH_MS = 15_000;
const DRAW_MS = 1_000;
const TONES = { confirmed: "warning", resolved: "known" };

/**
 * @param {{ open: (key: string) => void,
 *   act: (what: string, row: any, position?: number) => void }} hooks
 */
export function makeDiscrepancies(hooks) {
  const open = el("div"), log = el("div", null, el("p", { class: "quiet" }, "Reading…"));
  const box = el("section", { class: "wide" }, el("h1", { tabindex: -1 }, "Discrepancies"), open,
    log);
  let isStopped = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  const account = key => link(`/a/${key}`, key, () => hooks.open(key));
  const state = one => (TONES[one.state]
    ? stateBadge(TONES[one.state], plainWords(one.state)) : plainWords(one.state));

  function adopts(key, one) {
    const button = adoptButton(one);
    button?.addEventListener("click", () => hooks.act("adopt", rows.get(key), one.position_id));
    return button ?? "";
  }

  function drawOpen() {
    soon = undefined;
    const found = [...rows.values()].flatMap(row => (row.snap.live?.discrepancies ?? [])
      .map(one => [row.key, one])).sort((a, b) => b[1].first_seen_msc - a[1].first_seen_msc);
    const lines = found.slice(0, SHOWN).map(([key, one]) => [account(key), plainWords(one.kind),
      one.subject || String(one.position_id ?? ""), one.expected ?? NONE, one.actual ?? NONE,
      clock(one.first_seen_msc, { ms: false }), clock(one.last_seen_msc, { ms: false }),
      String(one.count), state(one), plainWords(one.policy), ...(mayAct() ? [adopts(key, one)]
        : [])]);
    if (open.contains(document.activeElement) && document.activeElement?.matches("a, button")) {
      return;
    }
    const left = open.querySelector(".scroll")?.scrollLeft ?? 0;
    fill(open, table("Open", ["Account", "Kind", "Of", "Expected", "Actual", "First seen#",
      "Last seen#", "Times#", "State", "Policy", ...(mayAct() ? ["Adopt"] : [])], lines, rows.size
      ? `None open in ${counted(rows.size, "account")}: what is held is what should be.`
      : "Reading…"), found.length > SHOWN ? el("p",
      { class: "foot" }, `The newest ${SHOWN} of ${number(found.length, 0)}.`) : null);
    const scroll = open.querySelector(".scroll");
    if (scroll) scroll.scrollLeft = left;
  }

  async function load() {
    try {
      const page = await ask("/reconciliation/logs?limit=200");
      if (isStopped || log.contains(document.activeElement)) return;
      fill(log, table("Log", ["At", "Account", "Kind", "Of", "State", "Expected", "Actual"],
        page.log.map(one => [clock(one.time_msc), account(`${one.server}/${one.login}`),
          plainWords(one.kind), one.subject || String(one.position_id ?? ""), state(one),
          one.expected ?? NONE, one.actual ?? NONE]),
        "Nothing differed in the records looked through."),
      page.is_complete ? null : el("p", { class: "foot" },
        "Older records, or other accounts, were not looked through."));
    } catch (error) {
      if (!isStopped) fill(log, el("p", { class: "quiet" }, wordsOf(error)));
    }
  }

  const lines = () => open.querySelector("table");
  drawOpen();
  load();
  const forget = onRows(() => {
    soon ??= setTimeout(drawOpen, lines() ? DRAW_MS : 0); // at once where nothing stands yet
  });
  const reloading = setInterval(load, EACH_MS);
  return { box, stop() {
    isStopped = true;
    forget();
    clearTimeout(soon);
    clearInterval(reloading);
  } };
}
