// An incident as a file to hand over: JSON, or a page that stands alone.

import { el } from "./dom.js";

const PRIVATE = new Set(["login", "server", "by", "comment", "position_id", "position_by", "ticket",
  "magic", "intent_id", "identifier", "order", "input"]);

/** Without names and ids, at any depth. @param {any} value */
export function redacted(value) {
  return JSON.parse(JSON.stringify(value, (name, one) => (PRIVATE.has(name) ? undefined : one)));
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
