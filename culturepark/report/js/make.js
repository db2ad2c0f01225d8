// Elements. What models and files wrote only ever becomes text nodes and a few harmless attributes; nothing is parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (functions are listeners; null and false are left out) and children. */
function make(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** The attribute `lang` of words in a language, where it is not the page's own. */
const lang = (code) => (!code || code === "mul" || code === document.documentElement.lang ? null : code);

/** What a reader of the page's language can read: `pt-BR` and `pt` will do for each other. */
function readable(renderings) {
  const own = document.documentElement.lang, kin = (code) => code.split("-")[0];
  return (renderings || []).find((one) => one.language === own) || (renderings || []).find((one) => kin(one.language) === kin(own));
}

const named = (code) => {
  try {
    return new Intl.DisplayNames([document.documentElement.lang], { type: "language" }).of(code);
  } catch {
    return code;
  }
};

/** A foreign piece inside a line of ours: its direction is its own. */
const bdi = (text) => make("bdi", {}, text);

const bar = (share, kind) =>
  draw("svg", { class: `bar ${kind || ""}`, width: "100%", height: 8, "aria-hidden": "true" },
    draw("rect", { class: "rail", width: "100%", height: 8, rx: 4 }),
    draw("rect", { class: "fill", width: `${Math.max(0, Math.min(100, 100 * share)).toFixed(1)}%`, height: 8, rx: 4 }));

const grouped = (number) => (number === null || number === undefined ? "–" : Number(number).toLocaleString(document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang));
const plural = (count, one, many) => `${grouped(count)} ${form(count, one, many)}`;
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const percent = (share) => `${Math.round(100 * share)}%`;

/** An id, with a button that copies it. */
function identity(id) {
  const button = make("button", {
    type: "button", class: "copy", "aria-label": tr("Copy {id}", { id }),
    click: async (event) => {
      event.stopPropagation();
      announce((await copied(id)) ? tr("Copied {id}", { id }) : tr("Could not copy {id}", { id }));
      button.classList.add("done");
      setTimeout(() => button.classList.remove("done"), 1200);
    },
  }, tr("copy"));
  return make("span", { class: "identity" }, make("code", {}, id), button);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make("textarea", { class: "sr" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

const LONGEST = 20000;

/** A text as it is. Of one without measure first its beginning: to lay out a megabyte takes a browser long. */
function verbatim(text, kind, language) {
  const block = make("pre", { class: kind, dir: "auto", lang: language, tabindex: 0 }, text.slice(0, LONGEST));
  if (text.length <= LONGEST) return block;
  const all = make("button", { type: "button", click: () => { block.textContent = text; all.remove(); } }, tr("Show all {count} characters", { count: grouped(text.length) }));
  return [block, all];
}

/** Says something to those who listen, and nothing to those who look. */
function announce(text) {
  document.getElementById("live").textContent = text;
}

/** A link to an id, if this page has it; else the id alone. */
function linked(id, label) {
  const inside = place(id);
  return inside ? make("a", { href: `#${id}` }, bdi(label || id)) : make("span", {}, bdi(label || id));
}
