// Everything that is asked of the server goes through here.

const BASE = "/api/v1";

/** A refusal, in the server's own words. */
export class Problem extends Error {
  /** @param {number} status @param {any} body @param {Headers} headers */
  constructor(status, body, headers) {
    super(body?.detail || body?.title || `The server answered ${status}.`);
    this.status = status;
    this.body = body ?? {};
    this.retryAfterS = Number(headers.get("Retry-After")) || null;
    this.requestId = headers.get("X-Request-Id");
  }

  /** Whether a token made in the last minutes would be taken. */
  get wantsFreshToken() {
    return this.status === 403 && /fresh_token|last five minutes/.test(JSON.stringify(this.body));
  }
}

/** @type {{ subject: string, role: string } | null} */
let who = null;
let csrf = "";
/** @type {() => void} */
let onSignedOut = () => {};

/** @param {() => void} listener */
export function whenSignedOut(listener) {
  onSignedOut = listener;
}

export function me() {
  return who;
}

/** Whether this person's role may act. */
export function mayAct() {
  return who?.role === "operator" || who?.role === "admin";
}

/** The page may only read its own CSRF cookie, never the session's. */
function csrfOfCookie() {
  const found = /(?:^|;\s*)(?:__Host-)?tidegate_csrf=([^;]+)/.exec(document.cookie);
  return found ? found[1] : "";
}

/**
 * @param {string} path below `/api/v1`
 * @param {{ method?: string, body?: any, key?: string, token?: string, quiet?: boolean }} [how]
 * @returns {Promise<any>}
 */
export async function ask(path, how = {}) {
  const headers = { Accept: "application/json" };
  const method = how.method ?? "GET";
  if (how.token) headers.Authorization = `Bearer ${how.token}`;
  else if (method !== "GET") headers["X-CSRF-Token"] = csrf || csrfOfCookie();
  if (how.key) headers["Idempotency-Key"] = how.key;
  if (how.body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(BASE + path, { method, headers, credentials: "same-origin",
    body: how.body === undefined ? undefined : JSON.stringify(how.body) });
  const text = await answer.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = { detail: text.slice(0, 200) };
  }
  if (answer.ok) return body;
  if (answer.status === 401 && !how.quiet) onSignedOut();
  throw new Problem(answer.status, body, answer.headers);
}

/**
 * Opens a session with a token, or renews the one of the cookie.
 * @param {string} [token]
 */
export async function openSession(token) {
  const session = await ask("/session", { method: "POST", token, quiet: true });
  csrf = session.csrf_token ?? session.csrf ?? "";
  who = { subject: session.name ?? session.subject, role: session.role };
  return session;
}

/** Whether there may be a session to renew. */
export function mayHaveSession() {
  return csrfOfCookie() !== "";
}

export async function closeSession() {
  await ask("/session", { method: "DELETE", quiet: true });
  who = null;
  csrf = "";
}

/** A key for one intention: every retry of it carries the same. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {{ server: string, login: number | string }} account */
export function accountPath(account) {
  return `/accounts/${encodeURIComponent(account.server)}/${encodeURIComponent(account.login)}`;
}

/** What went wrong, for a person. @param {any} error */
export function wordsOf(error) {
  if (!(error instanceof Problem)) return "The server cannot be reached.";
  const wait = error.retryAfterS ? ` Try again in ${error.retryAfterS} s.` : "";
  return error.message + wait;
}
