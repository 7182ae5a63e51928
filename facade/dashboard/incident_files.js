// An incident as a file to hand over: JSON as the server signed it, or a page that stands alone.

import { Problem } from "./api.js";
import { el } from "./dom.js";

/**
 * The document as the server made it, byte for byte, and the key that signed it, or why none did.
 * @param {string} id @param {boolean} isRedacted
 */
export async function exported(id, isRedacted) {
  const path = `/api/v1/verdicts/${encodeURIComponent(id)}/export?redact=${isRedacted}`;
  const answer = await fetch(path, { credentials: "same-origin" });
  const text = await answer.text();
  const body = JSON.parse(text);
  if (!answer.ok) throw new Problem(answer.status, body, answer.headers);
  return { text, kid: body.signature?.kid ?? null, unsigned: body.unsigned_because };
}

/** @param {string} text @param {string} name @param {string} type */
export function download(text, name, type) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1_000);
}

/** The article as a page of its own: its styles inside, its chart a picture, no script. */
export function pageOf(article, title) {
  const copy = article.cloneNode(true);
  const drawn = [...article.querySelectorAll("canvas")];
  for (const [place, canvas] of [...copy.querySelectorAll("canvas")].entries()) {
    const picture = el("img", { src: drawn[place].toDataURL("image/png"), alt: "Equity around it",
      width: drawn[place].clientWidth });
    canvas.closest(".uplot")?.replaceWith(picture);
  }
  for (const one of copy.querySelectorAll(".acts")) one.remove();
  for (const one of copy.querySelectorAll("a")) one.replaceWith(one.textContent ?? "");
  const styles = [...document.styleSheets].flatMap(sheet => [...sheet.cssRules])
    .map(rule => rule.cssText).join("\n");
  const head = el("head", null, el("title", null, title));
  const style = document.createElement("style");
  style.textContent = styles.replaceAll("</", "<\\/")
    + "\nhtml, body { height: auto; display: block; } .incident { overflow: visible; }";
  const charset = el("meta", { charset: "utf-8" });
  head.append(charset, style);
  const body = el("body", null, copy);
  return `<!doctype html>\n<html lang="en">${head.outerHTML}${body.outerHTML}</html>\n`;
}
