// One dialogue, and beside it (on a narrow screen below the turn) what is behind the turn that was chosen.

const WIDE = matchMedia("(min-width: 960px)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const TABS = [["statements", tr("Statements")], ["speaker", tr("Speaker")], ["calls", tr("Prompt and reply")]];
const reader = { line: null, talk: null, turn: null, statement: null, tab: "statements", load: 0 };

async function openDialogue({ line, turn, statement }) {
  const load = ++reader.load;
  const root = document.getElementById("reader");
  if (reader.line !== line) {
    const talk = await talkOf(line);
    if (load !== reader.load) return;
    Object.assign(reader, { line, talk, turn: null });
    root.replaceChildren(...readerParts(line, talk));
  }
  show("reader");
  document.title = `${line.id} · ${questionOf(line)}`;
  if (turn) chooseTurn(turn, statement);
  else {
    closeBehind();
    scrollTo({ top: 0, behavior: "instant" });
    root.querySelector("h2").focus({ preventScroll: true });
  }
}

function readerParts(line, talk) {
  const before = index.dialogues[line.at - 1], after = index.dialogues[line.at + 1];
  const seed = index.seeds[line.seed] || {};
  const seats = new Map(talk.people.map((one, at) => [one.key, at + 1]));
  const turns = make("ol", { class: "turns", "aria-label": tr("Turns") });
  let phase = "";
  for (const turn of talk.turns) {
    if (turn.phase !== phase) {
      phase = turn.phase;
      turns.append(make("li", { class: "phase" }, make("h3", {}, meaning("phases", phase))));
    }
    turns.append(turnItem(turn, seats.get(turn.speaker) || 0));
  }
  if (!talk.turns.length) turns.append(make("li", { class: "small" }, tr("Nothing has been said.")));
  reader.panel = make("aside", { class: "behind", "aria-label": tr("Behind the turn"), hidden: true });
  reader.side = make("div", { class: "side" }, reader.panel,
    make("p", { class: "hint" }, tr("Choose a turn to look behind it: what was found in it, how it was verified, who says it, and what the model was asked.")));
  return [
    make("nav", { class: "around", "aria-label": tr("Dialogues") },
      make("a", { href: "#dialogues", class: "back" }, tr("‹ All dialogues")),
      make("span", {},
        before ? make("a", { href: `#${before.id}`, "aria-label": tr("Dialogue before"), class: "step" }, tr("‹ before")) : null,
        after ? make("a", { href: `#${after.id}`, "aria-label": tr("Dialogue after"), class: "step" }, tr("after ›")) : null)),
    make("header", { class: "scene" },
      make("p", { class: "eyebrow" }, tr("Dialogue {number}", { number: line.number }), seed.item ? ` · ${seed.item}` : ""),
      make("h2", { tabindex: -1, dir: "auto", lang: lang("en") }, questionOf(line)),
      make("p", { class: "small" }, `${talk.setting}, ${talk.protocol}. `, tr("{turns}, {statements}, {samples} kept.", { turns: plural(line.turns, "turn"), statements: plural(line.statements, "statement"), samples: plural(line.kept, "sample") }), " ",
        bdi(capital(meaning("stops", talk.stop || line.status))), talk.error ? [" – ", bdi(talk.error)] : "", " ",
        line.parent ? [pieces("Branched off {id} after turn {turn}.", { id: linked(line.parent), turn: talk.branched_at }), " "] : "", identity(line.id)),
      make("ul", { class: "seats" }, talk.people.map((one, at) => seatItem(one, at + 1, talk)))),
    make("div", { class: "stage" }, make("div", { class: "script" }, turns, wholeCalls(line, talk)), reader.side),
  ];
}

function seatItem(seat, number, talk) {
  const card = person(seat.key) || { name: seat.key, culture: "", place: "", age: "" };
  return make("li", { class: `seat-${number}` }, make("details", {},
    make("summary", {}, face(card.name), make("span", {}, make("b", {}, bdi(card.name)), make("span", { class: "small", dir: "auto" }, `${card.age}, ${card.place} · ${card.culture}`),
      seat.stance ? make("span", { class: "small", dir: "auto" }, tr("stance drawn: "), make("q", {}, seat.stance)) : null)),
    personaPart(talk, seat.key)));
}

const face = (name) => make("span", { class: "face", "aria-hidden": "true" }, Array.from(name.trim())[0] || "·");

function turnItem(turn, seat) {
  const kept = turn.statements.filter((one) => one.samples.some((sample) => sample.status === "kept")).length;
  return make("li", { class: `turn seat-${seat} ${turn.role}`, "data-id": turn.id, click: (event) => {
    if (event.target.closest("a, button, summary, .behind") || String(getSelection())) return;
    const mark = event.target.closest("mark");
    go(mark ? mark.dataset.statements.split(" ")[0] : turn.id);
  } },
    make("p", { class: "who" }, face(turn.name),
      make("a", { class: "at", href: `#${turn.id}`, "aria-label": tr("{name}, turn {number}: look behind", { name: turn.name, number: turn.id.split(".t").pop() }) }, bdi(turn.name)),
      turn.culture ? make("span", { class: "small" }, turn.culture) : null,
      turn.origin === "model" ? null : make("span", { class: "small" }, `(${meaning("origins", turn.origin)})`),
      turn.statements.length ? make("span", { class: "tally" }, plural(turn.statements.length, "statement"), kept ? tr(", {count} kept", { count: kept }) : "") : null),
    make("p", { class: "speech", dir: "auto", lang: spokenIn(turn) }, quoted(turn.text, turn.statements)),
    rendering(readable(turn.renderings)),
    turn.slips.map((slip) => make("p", { class: "small slip", dir: "auto" }, sign(false), capital(meaning("slips", slip.kind)), slip.note ? `: ${slip.note}` : "")));
}

/** The language of a turn, or of something that was found in it. */
const spokenIn = (one) => lang(one.language || (reader.talk && reader.talk.language) || "en");

const rendering = (one) => (one ? make("p", { class: "rendering", dir: "auto", lang: lang(one.language) }, one.first_person || one.text) : null);

/** Calls of extraction and verification, which are made for a dialogue as a whole. */
function wholeCalls(line, talk) {
  const rejected = Object.entries(talk.rejected);
  const inside = make("div", {});
  return make("section", { class: "whole" },
    rejected.length ? make("details", {}, make("summary", {}, tr("Said, and not taken for a statement: {count}", { count: rejected.reduce((sum, [, count]) => sum + count, 0) })),
      make("ul", {}, rejected.map(([name, count]) => make("li", {}, `${count} × ${meaning("rejected", name)}`)))) : null,
    make("details", { toggle: async (event) => {
      if (event.target.open && !inside.firstChild) inside.append(...(await callsPart(line, line.id, null)));
    } }, make("summary", {}, tr("Calls for the whole dialogue: finding and verifying statements")), inside));
}

function turnElement(id) {
  return [...document.querySelectorAll("#reader .turn")].find((one) => one.dataset.id === id);
}

function chooseTurn(id, statement) {
  const turn = reader.talk.turns.find((one) => one.id === id);
  const element = turn && turnElement(id);
  const near = reader.turn && !CALM.matches;
  if (!element) return;
  if (reader.turn !== turn || statement) reader.tab = "statements";
  Object.assign(reader, { turn, statement });
  document.querySelectorAll("#reader .turn.chosen").forEach((one) => one.classList.remove("chosen"));
  element.classList.add("chosen");
  placeBehind();
  showBehind();
  markChosen();
  const link = element.querySelector(".at");
  if (!reader.panel.contains(document.activeElement)) link.focus({ preventScroll: true });
  element.scrollIntoView({ block: WIDE.matches ? "center" : "start", behavior: near ? "smooth" : "instant" });
  announce(tr("Turn {number} of {all}, {name}, {statements}", {
    number: reader.talk.turns.indexOf(turn) + 1, all: reader.talk.turns.length, name: turn.name, statements: plural(turn.statements.length, "statement") }));
}

function markChosen() {
  document.querySelectorAll("#reader mark").forEach((mark) =>
    mark.classList.toggle("chosen", Boolean(reader.statement) && mark.dataset.statements.split(" ").includes(reader.statement)));
}

function placeBehind() {
  if (!reader.panel) return;
  if (WIDE.matches || !reader.turn) reader.side.prepend(reader.panel);
  else turnElement(reader.turn.id).append(reader.panel);
}

function closeBehind() {
  reader.turn = reader.statement = null;
  document.querySelectorAll("#reader .turn.chosen").forEach((one) => one.classList.remove("chosen"));
  if (!reader.panel) return;
  placeBehind();
  reader.panel.hidden = true;
  markChosen();
}

function showBehind() {
  const { turn, talk, line, panel } = reader;
  const number = talk.turns.indexOf(turn) + 1;
  const body = make("div", { class: "tab-body", role: "tabpanel", id: "tab-body", tabindex: 0, "aria-labelledby": `tab-${reader.tab}` });
  const tabs = make("div", { class: "tabs", role: "tablist", "aria-label": tr("Behind the turn"), keydown: walkTabs }, TABS.map(([name, label]) =>
    make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "tab-body", "aria-selected": String(name === reader.tab), tabindex: name === reader.tab ? 0 : -1, "data-tab": name,
      click: () => { reader.tab = name; showBehind(); document.getElementById(`tab-${name}`).focus(); } },
    name === "statements" ? `${label} ${turn.statements.length}` : label)));
  panel.replaceChildren(
    make("header", {}, make("h2", {}, tr("Behind turn {number}", { number })), make("button", { type: "button", class: "close", "aria-label": tr("Close"), click: () => go(line.id) }, "✕")),
    make("p", { class: "small" }, bdi(turn.name), ", ", meaning("phases", turn.phase), " ", identity(turn.id)), tabs, body);
  panel.hidden = false;
  if (reader.tab === "statements") body.append(...statementsPart(turn, reader.statement));
  else if (reader.tab === "speaker") body.append(...personaPart(talk, turn.speaker).filter(Boolean));
  else callsPart(line, turn.id, turn.call).then((parts) => body.append(...parts));
  const chosen = panel.querySelector(".statement.chosen");
  if (chosen && WIDE.matches) panel.scrollTop = chosen.offsetTop - panel.offsetTop - 60;
  else panel.scrollTop = 0;
}

function walkTabs(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  event.stopPropagation();
  const names = TABS.map(([name]) => name);
  reader.tab = names[(names.indexOf(reader.tab) + step + names.length) % names.length];
  showBehind();
  document.getElementById(`tab-${reader.tab}`).focus();
}

function stepTurn(step) {
  const turns = reader.talk.turns;
  const at = reader.turn ? turns.indexOf(reader.turn) + step : step > 0 ? 0 : turns.length - 1;
  if (at >= 0 && at < turns.length) go(turns[at].id, true);
}
