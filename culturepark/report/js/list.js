// The list of dialogues, with its search and filters.

const FIRST = 8; // before anything is searched for: the figures come after the list
const PAGE = 60;
const FILTERS = [
  ["culture", tr("Culture"), (line) => line.people.map(([, culture]) => culture), (value) => value],
  ["seed", tr("Question"), (line) => [line.seed], (value) => (index.seeds[value] || { topic: value }).topic],
  ["kind", tr("Kind"), (line) => line.kinds, (value) => meaning("kinds", value)],
  ["stop", tr("Ended"), (line) => [line.stop], (value) => meaning("stops", value)],
  ["verdict", tr("Verdict"), (line) => line.verdicts, (value) => value],
];
const wanted = { words: "" };
const list = { shown: PAGE, hits: null, turn: 0 };

function buildBrowser() {
  list.field = make("input", {
    type: "search", id: "search", placeholder: tr("Search all that was said"), autocomplete: "off", spellcheck: "false",
    "aria-describedby": "search-help", input: later(() => { wanted.words = list.field.value; refresh(); }, 180),
  });
  const selects = FILTERS.map(([name, label, values, words]) => {
    const counts = new Map();
    for (const line of index.dialogues) for (const value of new Set(values(line))) counts.set(value, (counts.get(value) || 0) + 1);
    if (counts.size < 2 && name === "seed") return null;
    const options = [...counts].sort((a, b) => (words(a[0]) < words(b[0]) ? -1 : 1));
    return make("label", { class: "filter" }, make("span", {}, label),
      make("select", { "data-filter": name, change: (event) => { wanted[name] = event.target.value; refresh(); } },
        make("option", { value: "" }, tr("all")),
        options.map(([value, count]) => make("option", { value }, `${words(value)} (${count})`))));
  });
  list.status = make("p", { class: "status", role: "status", "aria-live": "polite" });
  list.items = make("ol", { class: "dialogues", "aria-label": tr("Dialogues") });
  list.more = make("button", { type: "button", class: "more", hidden: true, click: () => { list.shown += PAGE; showList(); } });
  const browser = document.getElementById("browser");
  browser.append(
    make("search", { class: "toolbar" },
      make("label", { class: "searching" }, make("span", { class: "sr" }, tr("Search all that was said")), list.field),
      make("p", { id: "search-help", class: "sr" }, tr("All words; words in double quotes must stand together. The key / leads here.")),
      make("div", { class: "filters" }, selects,
        make("button", { type: "button", class: "clear", click: clearFilters }, tr("Clear")))),
    list.status, list.items, list.more);
  list.items.addEventListener("keydown", walkList);
  list.field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") { event.preventDefault(); focusLine(0); }
  });
  browser.hidden = false;
  refresh();
}

function clearFilters() {
  for (const [name] of FILTERS) delete wanted[name];
  wanted.words = list.field.value = "";
  document.querySelectorAll("[data-filter]").forEach((select) => { select.value = ""; });
  refresh();
}

/** Finds what is wanted now; a search that is overtaken by another one says nothing any more. */
async function refresh() {
  const turn = ++list.turn;
  const choosing = wanted.words || FILTERS.some(([name]) => wanted[name]);
  list.shown = choosing ? PAGE : FIRST;
  list.hits = null;
  if (terms(wanted.words).length) {
    const hits = await search(wanted.words, (done, of) => {
      if (turn === list.turn) list.status.textContent = tr("Reading {done} of {all} …", { done, all: of });
    });
    if (turn !== list.turn) return;
    list.hits = hits;
  }
  list.lines = index.dialogues.filter((line) =>
    FILTERS.every(([name, , values]) => !wanted[name] || values(line).includes(wanted[name])) &&
    (!list.hits || list.hits.has(line.id)));
  showList();
}

function showList() {
  const total = index.dialogues.length;
  const turns = list.hits ? list.lines.reduce((sum, line) => sum + list.hits.get(line.id).length, 0) : 0;
  list.status.textContent = list.hits
    ? tr("{turns} in {dialogues} of {all}", { turns: plural(turns, "turn"), dialogues: plural(list.lines.length, "dialogue"), all: grouped(total) })
    : list.lines.length === total ? plural(total, "dialogue") : tr("{count} of {dialogues}", { count: grouped(list.lines.length), dialogues: plural(total, "dialogue") });
  list.items.replaceChildren(...list.lines.slice(0, list.shown).map(lineItem));
  list.more.hidden = list.lines.length <= list.shown;
  list.more.textContent = tr("Show {count} more of {all}", { count: Math.min(PAGE, list.lines.length - list.shown), all: grouped(list.lines.length - list.shown) });
}

function lineItem(line) {
  const hits = list.hits ? list.hits.get(line.id) : [];
  const good = line.stop === "completed" || line.stop === "done";
  return make("li", { class: "line" },
    make("a", { class: "to-dialogue", href: `#${line.id}` },
      make("span", { class: "count" }, String(line.number)),
      make("span", { class: "what" },
        make("span", { class: "question", dir: "auto", lang: lang("en") }, questionOf(line)),
        make("span", { class: "people" }, line.people.map(([key, culture], at) => [
          at ? " · " : "", make("b", {}, bdi((person(key) || { name: key }).name)), " ", culture])),
        make("span", { class: "tallies" },
          make("span", {}, plural(line.turns, "turn")),
          make("span", {}, plural(line.statements, "statement")),
          make("span", {}, tr("{count} kept", { count: grouped(line.kept) })),
          good ? null : make("span", { class: "bad" }, `⚠ ${meaning("stops", line.stop)}`),
          line.parent ? make("span", {}, tr("a branch")) : null))),
    hits.length ? make("ul", { class: "hits" }, hits.slice(0, 3).map((hit) => make("li", {},
      make("a", { href: `#${hit.id}` }, make("b", {}, bdi(hit.name)), " ", make("span", { dir: "auto" }, excerpt(hit.text, wanted.words))))),
      hits.length > 3 ? make("li", { class: "small" }, tr("and {count} more", { count: hits.length - 3 })) : null) : null);
}

function focusLine(at) {
  const links = list.items.querySelectorAll("a.to-dialogue");
  if (links.length) links[Math.max(0, Math.min(links.length - 1, at))].focus();
}

function walkList(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const here = event.target.closest(".line");
  if (!step || !here) return;
  event.preventDefault();
  const at = [...list.items.children].indexOf(here);
  if (at + step < 0) list.field.focus();
  else focusLine(at + step);
}

function later(action, milliseconds) {
  let timer = 0;
  return () => { clearTimeout(timer); timer = setTimeout(action, milliseconds); };
}
