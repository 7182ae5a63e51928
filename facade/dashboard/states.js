// An account's state in one word and the order people must see them in: as engine/domain/severity.

import { age, countdown, money, percent } from "./words.js";

export const SEVERITIES = ["closing", "breached", "unknown", "warning", "stale", "discrepancy",
  "halted", "known"];
const RANK = Object.fromEntries(SEVERITIES.map((name, rank) => [name, rank]));

export const TABS = [
  { name: "breached", words: "Breached", of: ["closing", "breached"] },
  { name: "unknown", words: "Unknown", of: ["unknown"] },
  { name: "warning", words: "Warning", of: ["warning", "discrepancy"] },
  { name: "stale", words: "Stale", of: ["stale"] },
  { name: "halted", words: "Halted", of: ["halted"] },
  { name: "known", words: "Known", of: ["known"] },
];
const TAB = Object.fromEntries(TABS.flatMap(tab => tab.of.map(name => [name, tab.name])));

/** @param {string} severity */
export function rankOf(severity) {
  return RANK[severity];
}

/** @param {string} severity */
export function tabOf(severity) {
  return TAB[severity];
}

/** The worst that is so. @param {any} snap */
export function severityOf(snap) {
  if (snap.live?.closes?.length) return "closing";
  if (snap.guards.some(guard => guard.breached)) return "breached";
  if (snap.quality === "unknown") return "unknown";
  if (snap.guards.some(guard => guard.warned)) return "warning";
  if (snap.quality === "stale") return "stale";
  if (snap.live?.discrepancies?.length) return "discrepancy";
  return snap.halts.length ? "halted" : "known";
}

/** The words on screen. @param {any} row @param {number} now */
export function stateWords(row, now) {
  const { snap, severity } = row;
  switch (severity) {
    case "closing": {
      const closes = snap.live.closes.length;
      const total = Math.max(closes, snap.positions.length, row.closingOf);
      return `Closing ${total - closes} of ${total}`;
    }
    case "breached": return "Breached";
    case "unknown": return "Unknown";
    case "warning": return "Warning";
    case "stale": return row.ageMs(now) === null ? "Stale" : `Stale ${age(row.ageMs(now))}`;
    case "discrepancy": return `Discrepancy ${snap.live.discrepancies.length}`;
    case "halted": return `Halted by ${snap.halts[0].split(":").pop()?.trim()}`;
    default: return snap.mode === "observe" ? "Observe" : "Known";
  }
}

/** The guard a row speaks of: breached first, else the nearest. @param {any} snap */
export function spokenGuard(snap) {
  const breached = snap.guards.filter(guard => guard.breached);
  if (breached.length) {
    return breached.reduce((a, b) => ((b.used_percent ?? 0) > (a.used_percent ?? 0) ? b : a));
  }
  return snap.guards.find(guard => guard.name === snap.nearest_guard) ?? null;
}

/** "Warning: daily_loss 88 % used; ...", the first thing an account's view says. */
export function sentence(row, now) {
  const { snap, severity, guard } = row;
  const parts = [];
  if (severity === "closing") parts.push(`${snap.live.closes.length} not flat yet`);
  if (severity === "unknown" || severity === "stale") parts.push(snap.reason ?? "not valued");
  if (guard?.breached) parts.push(`${guard.name} breached`);
  else if (guard && guard.used_percent !== null) {
    parts.push(`${guard.name} ${percent(guard.used_percent)} used`);
  }
  if (guard && guard.distance !== null) {
    const room = `${money(Math.abs(guard.distance), snap.currency)} ${snap.currency}`;
    const where = guard.distance < 0 ? "below the floor" : "left";
    parts.push(guard.breached && guard.distance >= 0 ? `${room} above the floor now`
      : `${room} ${where}`);
  }
  if (guard?.next_reset_msc) {
    const zone = guard.reset_zone ? ` (${guard.reset_zone})` : "";
    parts.push(`resets in ${countdown(guard.next_reset_msc - now)}${zone}`);
  }
  if (!snap.guards.length) parts.push("no guard watches this account");
  const words = severity === "stale" ? "Stale" : stateWords(row, now);
  return parts.length ? `${words}: ${parts.join("; ")}.` : `${words}.`;
}
