// The filter language of the box: `1007 server:Demo-1 state:warn,unknown room<500 used>80`.

/** @typedef {{ text: string, problem: string | null, test: (row: any) => boolean }} Term */

const WORDS = {
  server: row => [row.snap.server],
  login: row => [String(row.snap.login)],
  state: row => [row.severity, row.tab],
  guard: row => row.snap.guards.map(guard => guard.name),
  symbol: row => row.snap.positions.map(position => position.symbol),
  currency: row => [row.snap.currency],
  ruleset: row => [row.snap.ruleset ?? ""],
  tag: row => row.snap.tags ?? [],
  link: row => [row.snap.live?.link?.state ?? "none"],
};
const NUMBERS = {
  room: row => row.room,
  used: row => row.used,
  equity: row => row.snap.equity,
  disc: row => row.disc,
  positions: row => row.snap.positions.length,
  age: row => (row.snap.age_ms === null ? null : row.snap.age_ms / 1000),
};

/** The terms of a filter; all must hold. @param {string} text @returns {Term[]} */
export function parse(text) {
  return text.split(/\s+/).filter(Boolean).map(term);
}

/** @param {string} text @returns {Term} */
function term(text) {
  const compared = /^([a-z]+)(<=|>=|<|>|=)(-?\d+(?:\.\d+)?)$/i.exec(text);
  if (compared) {
    const [, name, sign, limit] = compared;
    const read = NUMBERS[name.toLowerCase()];
    if (!read) return unknown(text, Object.keys(NUMBERS).join(", "));
    const wanted = Number(limit);
    return { text, problem: null, test: row => {
      const value = read(row);
      return value !== null && value !== undefined && holds(value, sign, wanted);
    } };
  }
  const named = /^([a-z]+):(.+)$/i.exec(text);
  if (named) {
    const read = WORDS[named[1].toLowerCase()];
    if (!read) return unknown(text, Object.keys(WORDS).join(", "));
    const wanted = named[2].toLowerCase().split(",").filter(Boolean);
    return { text, problem: null, test: row => read(row).some(
      value => wanted.some(one => value.toLowerCase().startsWith(one))) };
  }
  if (/[:<>=]/.test(text)) return unknown(text, "name:word, room<500, used>80, or a login");
  const bare = text.toLowerCase();
  return { text, problem: null, test: row => row.search.includes(bare) };
}

/** @returns {Term} */
function unknown(text, allowed) {
  return { text, problem: `not understood; allowed: ${allowed}`, test: () => true };
}

function holds(value, sign, wanted) {
  if (sign === "<") return value < wanted;
  if (sign === ">") return value > wanted;
  if (sign === "<=") return value <= wanted;
  return sign === ">=" ? value >= wanted : value === wanted;
}

/** Which term removed everything, for an empty list. @param {Term[]} terms @param {any[]} rows */
export function culprit(terms, rows) {
  let left = rows;
  for (const one of terms) {
    left = left.filter(one.test);
    if (!left.length) return one.text;
  }
  return null;
}
