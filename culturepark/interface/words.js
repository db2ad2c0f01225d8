"use strict";
// The page's own words. They are English where they stand; a page in another language brings them along.
const words = JSON.parse((document.getElementById("words") || {}).textContent || "{}");
const known = (table, message) => (table && Object.hasOwn(table, message) ? table[message] : null);
const HOLE = /\{(\w+)\}/;

/** A message with its holes filled. */
function tr(message, holes = {}) {
  return (known(words.texts, message) || message).replace(new RegExp(HOLE, "g"), (hole, name) => (Object.hasOwn(holes, name) ? String(holes[name]) : hole));
}

/** A message whose holes are filled with elements, as its pieces. */
function pieces(message, holes) {
  return (known(words.texts, message) || message).split(HOLE).map((piece, at) => (at % 2 ? holes[piece] : piece));
}

/** The form of a word that goes with a number. */
function form(count, one, many) {
  const forms = known(words.forms, one);
  const all = words.form || [];
  return forms ? forms[all[count < all.length ? count : all.length / 2 + (count % (all.length / 2))]] : count === 1 ? one : many || `${one}s`;
}
