// The stream: frames as they come, the age of the last one, and finding back after a break.

const SILENT_MS = 3_000;
const DIM_MS = 30_000;
const CURSOR_MAX = 4_000;
const WAITS_MS = [500, 1_000, 2_000, 4_000, 8_000];

/**
 * @typedef {{ everything: (list: any[]) => void, snapshots: (list: any[]) => void,
 *   record: (record: any) => void, told: (health: Health) => void, failed: () => void,
 *   refused: () => void }} Hooks
 * @typedef {{ isOpen: boolean, silentMs: number, lastFrameMs: number, tries: number,
 *   perSecond: number, isSilent: boolean, isDim: boolean, isPaused: boolean }} Health
 */

/** Opens the stream and keeps it open until `stop`. @param {Hooks} hooks */
export function openStream(hooks) {
  /** @type {EventSource | null} */
  let source = null;
  let lastFrameMs = Date.now();
  let tries = 0, isPaused = false, isStopped = false, isOpen = false, isFirst = true;
  /** Where the events are: what was missed meanwhile comes after a break. */
  let cursor = "";
  /** @type {number[]} */
  let frames = [];
  /** @type {Map<string, any>} */
  const held = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  function frame() {
    lastFrameMs = Date.now();
    frames.push(lastFrameMs);
  }

  function connect() {
    if (isStopped) return;
    source?.close();
    clearTimeout(waiting);
    const from = cursor && cursor.length < CURSOR_MAX
      ? `?last_event_id=${encodeURIComponent(cursor)}` : "";
    source = new EventSource("/api/v1/stream" + from);
    isFirst = true;
    const mine = source;
    source.addEventListener("open", () => {
      isOpen = true;
      tries = 0;
      frame();
    });
    source.addEventListener("snapshots", event => {
      frame();
      const list = JSON.parse(/** @type {MessageEvent} */ (event).data);
      cursor = /** @type {MessageEvent} */ (event).lastEventId || cursor;
      if (isFirst) hooks.everything(list); // a stream begins with all there is
      else if (!isPaused) hooks.snapshots(list);
      else for (const snap of list) held.set(`${snap.server}/${snap.login}`, snap);
      isFirst = false;
    });
    source.addEventListener("event", event => {
      frame();
      cursor = /** @type {MessageEvent} */ (event).lastEventId || cursor;
      hooks.record(JSON.parse(/** @type {MessageEvent} */ (event).data));
    });
    source.addEventListener("heartbeat", frame);
    source.addEventListener("resync", () => {
      cursor = "";
    });
    source.addEventListener("error", () => {
      if (mine !== source) return;
      mine.close();
      isOpen = false;
      const wait = WAITS_MS[Math.min(tries, WAITS_MS.length - 1)];
      tries += 1;
      hooks.failed();
      if (tries === 3) hooks.refused();
      waiting = setTimeout(connect, wait);
    });
  }

  function health() {
    const now = Date.now();
    frames = frames.filter(at => at > now - 2_000);
    const silentMs = now - lastFrameMs;
    // A connection that is open and says nothing is as good as none.
    if (isOpen && silentMs > 20_000) {
      isOpen = false;
      tries += 1;
      connect();
    }
    return { isOpen, silentMs, lastFrameMs, tries, perSecond: frames.length / 2, isPaused,
      isSilent: silentMs > SILENT_MS, isDim: silentMs > DIM_MS };
  }

  const ticking = setInterval(() => hooks.told(health()), 250);
  connect();
  return {
    pause() {
      isPaused = !isPaused;
      if (!isPaused) {
        hooks.snapshots([...held.values()]);
        held.clear();
      }
      return isPaused;
    },
    health,
    stop() {
      isStopped = true;
      clearInterval(ticking);
      clearTimeout(waiting);
      source?.close();
    },
  };
}
