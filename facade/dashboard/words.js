// Numbers and times as people read them. What is not known is a dash, never a zero.

export const NONE = "—";
const THIN = "\u202f";
const MINUS = "\u2212";
const DIGITS = { JPY: 0, KRW: 0, CLP: 0, VND: 0, ISK: 0, HUF: 2, BTC: 8, KWD: 3, BHD: 3, JOD: 3 };

/** @param {string} currency */
export function digitsOf(currency) {
  return DIGITS[currency] ?? 2;
}

/**
 * @param {number | null | undefined} value
 * @param {number} digits
 * @param {boolean} [plus] a sign also where it is above zero
 */
export function number(value, digits, plus = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const [whole, part] = Math.abs(value).toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN) + (part ? `.${part}` : "");
  const isZero = !/[1-9]/.test(grouped);
  return (value < 0 && !isZero ? MINUS : plus && !isZero ? "+" : "") + grouped;
}

/** @param {number | null | undefined} value @param {string} currency @param {boolean} [plus] */
export function money(value, currency, plus = false) {
  return number(value, digitsOf(currency), plus);
}

/**
 * 1 digit, 2 under 1 %; never rounded up to 100 before it is there.
 * @param {number | null | undefined} value
 */
export function percent(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const digits = Math.abs(value) < 1 && value !== 0 ? 2 : 1;
  const shown = value < 100 && value > 99 ? Math.floor(value * 10) / 10 : value;
  return `${number(shown, digits)}${THIN}%`;
}

/** @param {number | null | undefined} lots */
export function volume(lots) {
  if (lots === null || lots === undefined) return NONE;
  const fine = Math.round(lots * 1000) % 10 !== 0;
  return number(lots, fine ? 3 : 2);
}

/**
 * A price with the digits it came with, at least as many as its like has.
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function price(value, digits) {
  if (value === null || value === undefined) return NONE;
  return value.toFixed(digits ?? priceDigits([value])).replace("-", MINUS);
}

/** @param {(number | null | undefined)[]} prices of one symbol */
export function priceDigits(prices) {
  const parts = prices.filter(p => p !== null && p !== undefined)
    .map(p => (String(Math.round(Number(p) * 1e6) / 1e6).split(".")[1] ?? "").length);
  return Math.min(6, Math.max(2, ...parts));
}

/** @param {number | null | undefined} ms */
export function age(ms) {
  if (ms === null || ms === undefined) return NONE;
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return `${s.toFixed(1)}${THIN}s`;
  if (s < 120) return `${Math.floor(s)}${THIN}s`;
  if (s < 7200) return `${Math.floor(s / 60)}${THIN}min`;
  return s < 172_800 ? `${Math.floor(s / 3600)}${THIN}h` : `${Math.floor(s / 86_400)}${THIN}d`;
}

/** @param {number | null} ms until something */
export function countdown(ms) {
  if (ms === null) return NONE;
  const minutes = Math.max(0, Math.floor(ms / 60_000));
  const hours = Math.floor(minutes / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)}${THIN}d ${hours % 24}${THIN}h`;
  if (!hours) return `${minutes}${THIN}min`;
  return `${hours}${THIN}h\u00a0${String(minutes % 60).padStart(2, "0")}`;
}

let zone = "UTC";

/** Goes on to the other zone; what is said of it. */
export function turnZone() {
  zone = zone === "UTC" ? "local" : "UTC";
  return zone;
}

/** `2026-05-01T12:30:01.690Z` as a clock of the chosen zone shows it. @param {number} msc */
export function wall(msc) {
  const offset = zone === "UTC" ? 0 : new Date(msc).getTimezoneOffset() * -60_000;
  return new Date(msc + offset).toISOString();
}

/**
 * `12:30:01.690Z`, with the date when it is not today.
 * @param {number | null | undefined} msc
 * @param {{ ms?: boolean, now?: number }} [how]
 */
export function clock(msc, how = {}) {
  if (msc === null || msc === undefined) return NONE;
  const text = wall(msc);
  const today = wall(how.now ?? Date.now()).slice(0, 10);
  const time = text.slice(11, how.ms === false ? 19 : 23) + (zone === "UTC" ? "Z" : "");
  return text.slice(0, 10) === today ? time : `${text.slice(0, 10)} ${time}`;
}

/** UTC and local, for a tooltip. @param {number | null | undefined} msc */
export function clockTip(msc) {
  if (msc === null || msc === undefined) return "";
  return `${new Date(msc).toISOString()} · local ${new Date(msc).toLocaleString()}`;
}

/** @param {string} text */
export function plainWords(text) {
  return text.replaceAll("_", " ");
}

/** Why something was closed; a guard keeps the name its rule set gives it. @param {string} text */
export function reasonWords(text) {
  return text.startsWith("guard:") ? `guard ${text.slice(6)}` : plainWords(text);
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many) {
  return `${number(count, 0)} ${count === 1 ? one : (many ?? `${one}s`)}`;
}
