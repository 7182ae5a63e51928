// The desk: signs in, opens the stream, and shows the view that the address names.

import { makeAccount } from "./account.js";
import { openAction, openBulk, openStop } from "./actions.js";
import { closeSession, mayAct, mayHaveSession, me, openSession, whenSignedOut } from "./api.js";
import { makeApprovals } from "./approvals.js";
import { announce, favicon, fill, put } from "./dom.js";
import { firstSteps } from "./first_steps.js";
import { makeDiscrepancies } from "./discrepancies.js";
import { makeIncident } from "./incident.js";
import { makeIncidents } from "./incidents.js";
import { colourGains, listenKeys, openHelp } from "./keys.js";
import { makeList } from "./list.js";
import { showSignIn, signInAgain } from "./signin.js";
import { toast } from "./speech.js";
import { rankOf } from "./states.js";
import { loadAll, onRows, rows, take, takeAll, tellRecord } from "./store.js";
import { openStream } from "./stream.js";
import { age, clock, turnZone } from "./words.js";
import { makeStrip } from "./strip.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const alarm = /** @type {HTMLElement} */ (document.getElementById("alarm"));
/** @type {any} */
let view = null, list = null, stream = null, strip = null;
let isLoaded = false, isLoading = false, notReady = "";

/** @type {Record<string, () => any>} by `?view=` */
const VIEWS = { approvals: makeApprovals,
  incidents: () => makeIncidents({ open: key => openKey(key), verdict: openVerdict }),
  discrepancies: () => makeDiscrepancies({ open: key => openKey(key), act: openAction }) };

/** `/a/server/login`, `/v/verdict`, `/?view=...`, or the list. */
function place() {
  const parts = location.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (parts[0] === "a" && parts.length === 3) return { kind: "account", server: parts[1],
    login: parts[2] };
  if (parts[0] === "v" && parts.length === 2) return { kind: "incident", id: parts[1] };
  const named = new URLSearchParams(location.search).get("view");
  return { kind: named && VIEWS[named] ? named : "list" };
}

/** @param {string} path @param {boolean} [replace] */
function go(path, replace = false) {
  const query = new URLSearchParams(location.search);
  query.delete("view");
  const kept = query.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");
  const join = path.includes("?") ? "&" : "?";
  history[replace ? "replaceState" : "pushState"](null, "", path + (kept ? join + kept : ""));
  show();
}

const back = () => go("/");
const openKey = (key, replace = false) => {
  const [server, login] = [key.slice(0, key.lastIndexOf("/")), key.slice(key.lastIndexOf("/") + 1)];
  go(`/a/${encodeURIComponent(server)}/${login}`, replace);
};

const openVerdict = id => go(`/v/${encodeURIComponent(id)}`);

function show() {
  const at = place();
  const isWide = matchMedia("(min-width: 1400px)").matches;
  view?.stop();
  view?.box.remove();
  view = null;
  document.body.classList.toggle("split", at.kind === "account" && isWide);
  document.body.classList.toggle("away", at.kind !== "list" && !(at.kind === "account" && isWide));
  if (at.kind === "account") {
    view = makeAccount({ server: at.server, login: at.login },
      { act: openAction, verdict: openVerdict, back });
  } else if (at.kind === "incident") {
    view = makeIncident(at.id, { back, open: key => openKey(key) });
  } else if (VIEWS[at.kind]) view = VIEWS[at.kind]();
  if (view) {
    main.append(view.box);
    announce(view.box);
  }
  strip.draw(at.kind);
  list.drawHead();
  list.refresh(false);
  title();
  if (at.kind === "list") list.focusCurrent();
}

function title() {
  const counts = [...rows.values()].filter(row => rankOf(row.severity) < 5);
  const worst = counts.reduce((a, row) => (rankOf(row.severity) < rankOf(a) ? row.severity : a),
    "known");
  document.title = counts.length ? `(${counts.length}) Tidegate` : "Tidegate";
  favicon(worst);
}

function told(health) {
  strip.pulse(health, stream?.health().isPaused);
  document.body.classList.toggle("dim", health.isDim);
  const words = notReady || (health.isSilent
    ? `No data for ${age(health.silentMs)}. Numbers below are from `
      + `${clock(health.lastFrameMs, { ms: false })}. `
      + (health.isOpen ? "Waiting." : `Reconnecting (try ${health.tries}).`)
      + (health.isDim && mayAct() ? " Commands still work: each goes by a request of its own." : "")
    : "");
  alarm.hidden = !words;
  put(alarm, words);
}

/** What a stream begins with. @param {any[]} snaps */
function everything(snaps) {
  takeAll(snaps);
  loaded();
}

function loaded() {
  const isFirst = !isLoaded;
  isLoaded = true;
  notReady = "";
  list.refresh(isFirst);
}

async function load() {
  if (isLoading) return;
  isLoading = true;
  try {
    await loadAll();
    loaded();
  } catch (error) {
    const problem = /** @type {any} */ (error);
    if (problem.status === 503) {
      notReady = `Starting: ${problem.message} Guards are not evaluating yet.`;
      setTimeout(load, 1_000);
    } else if (problem.status === 429) setTimeout(load, (problem.retryAfterS ?? 5) * 1_000);
    else if (!problem.status) setTimeout(load, 2_000);
    else toast(problem.message, "bad");
  } finally {
    isLoading = false;
  }
}

function start() {
  fill(main);
  list = makeList({ open: key => openKey(key), bulk: openBulk, isReady: () => isLoaded,
    opened: () => view?.key ?? "", empty: firstSteps });
  main.append(list.box);
  strip = makeStrip(list.filterBox, { go, stop: openStop, help: openHelp, pause, signOut });
  stream = openStream({ everything, snapshots: take, record: tellRecord, told, refused: renew,
    failed: () => isLoaded || load() });
  whenSignedOut(() => signInAgain(() => isLoaded || load()));
  onRows(title);
  setInterval(renew, 300_000);
  show();
  document.documentElement.dataset.ready = "";
}

/** Keeps the session; when it has ended, asks to sign in again in place. */
async function renew() {
  try {
    await openSession();
  } catch (error) {
    if (/** @type {any} */ (error).status === 401) signInAgain(() => isLoaded || load());
  }
}

function pause() {
  toast(stream.pause() ? "Updates are paused" : "Updates go on");
}

async function signOut() {
  await closeSession().catch(() => null);
  location.href = "/";
}

/** The account a key acts on: the open one, else the one with the focus. */
function meant() {
  return (view?.key && rows.get(view.key)) || list.current();
}

function walk(by) {
  const row = list.move(by);
  if (row && document.body.classList.contains("split")) {
    openKey(row.key, true);
    list.focusCurrent();
  }
}

function act(what) {
  const row = meant();
  if (row && mayAct()) openAction(what, row);
}

listenKeys({
  "/": () => {
    if (document.body.classList.contains("away")) back();
    list?.filterBox.focus();
  }, "?": openHelp, ".": () => stream && pause(),
  j: () => walk(1), k: () => walk(-1), ArrowDown: () => walk(1), ArrowUp: () => walk(-1),
  Enter: () => list?.current() && openKey(list.current().key),
  Escape: () => (view ? back() : list?.deselect()),
  x: event => list?.pickCurrent(event.shiftKey), X: () => list?.pickCurrent(true),
  gl: back, gi: () => go("/?view=incidents"), gd: () => go("/?view=discrepancies"),
  ga: () => mayAct() && go("/?view=approvals"), h: () => act("halt"), f: () => act("flatten"),
  c: () => navigator.clipboard?.writeText(location.href).then(() => toast("The link is copied")),
  t: () => {
    toast(`Times are ${turnZone()}`);
    list?.refresh(false);
  },
});
addEventListener("popstate", () => me() && show());
matchMedia("(min-width: 1400px)").addEventListener("change", () => me() && show());
for (const kind of ["error", "unhandledrejection"]) {
  addEventListener(kind, () => {
    notReady = `Something in this page went wrong at ${clock(Date.now(), { ms: false })}; its `
      + "numbers stay as they are. Load it again.";
  });
}
colourGains();
if (mayHaveSession()) openSession().then(start, () => showSignIn(main, start));
else showSignIn(main, start);
document.documentElement.dataset.opened = "";
