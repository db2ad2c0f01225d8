// Where we are is in the address: #RUN.d3.t5 is a turn, and can be sent to somebody. Keys, theme, and the beginning.

const THEMES = ["auto", "light", "dark"];
let seen = 0;

function show(what) {
  const overview = document.getElementById("overview");
  const root = document.getElementById("reader");
  if (what === "reader" && !overview.hidden) seen = scrollY;
  overview.hidden = what === "reader";
  root.hidden = what !== "reader";
}

/** Goes to an id of this page; `instead` leaves no step in the history. */
function go(id, instead) {
  if (instead) {
    history.replaceState(null, "", `#${id}`);
    route();
  } else location.hash = id;
}

function fragment() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

function route() {
  const id = fragment();
  const inside = place(id);
  if (inside) return openDialogue(inside);
  const back = !document.getElementById("reader").hidden;
  reader.load++;
  show("overview");
  document.title = titled;
  const section = id && document.getElementById(id);
  if (back && (!id || id === "dialogues")) {
    scrollTo({ top: seen, behavior: "instant" });
    const line = reader.line && [...document.querySelectorAll("a.to-dialogue")].find((one) => one.getAttribute("href") === `#${reader.line.id}`);
    if (line) line.focus();
  } else if (section) section.scrollIntoView({ behavior: back ? "instant" : "auto" });
  return undefined;
}

const titled = document.title;

function keyed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("help").open) return;
  const typing = event.target.closest("input, select, textarea");
  if (event.key === "Escape") return escaped(typing);
  if (typing) return;
  const reading = !document.getElementById("reader").hidden;
  const actions = {
    "/": () => { if (reading) go("dialogues"); setTimeout(() => { list.field.focus(); list.field.scrollIntoView({ block: "center" }); }); },
    "?": help,
    t: nextTheme,
    ...(reading ? {
      ArrowRight: () => stepTurn(1), ArrowLeft: () => stepTurn(-1), j: () => stepTurn(1), k: () => stepTurn(-1),
      "]": () => stepDialogue(1), "[": () => stepDialogue(-1),
    } : {}),
  };
  if (!Object.hasOwn(actions, event.key)) return;
  event.preventDefault();
  actions[event.key]();
}

function escaped(typing) {
  const reading = !document.getElementById("reader").hidden;
  if (typing === list.field) {
    list.field.value = wanted.words = "";
    list.field.blur();
    refresh();
  } else if (typing) typing.blur();
  else if (reading && reader.turn) go(reader.line.id, true);
  else if (reading) go("dialogues");
}

function stepDialogue(step) {
  const line = index.dialogues[reader.line.at + step];
  if (line) go(line.id);
}

function help() {
  const keys = [
    ["/", tr("search all that was said")], ["↓ ↑", tr("walk through the list")], ["Enter", tr("open")], ["→ ←", tr("next turn, turn before")],
    ["] [", tr("next dialogue, dialogue before")], ["Tab", tr("to what is behind the turn")], ["Esc", tr("close, then back to the list")], ["t", tr("light, dark, or as the system has it")],
  ];
  const dialog = document.getElementById("help");
  dialog.replaceChildren(make("h2", { id: "help-h" }, tr("Keys")),
    make("dl", { class: "keys" }, keys.map(([key, what]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, what)))),
    make("form", { method: "dialog" }, make("button", { type: "submit", click: (event) => { event.preventDefault(); dialog.close(); } }, tr("Close"))));
  dialog.showModal();
}

/** The theme that was chosen, if the browser keeps such things for a file. */
function remembered(value) {
  try {
    if (value) localStorage.setItem("culturepark-theme", value);
    return localStorage.getItem("culturepark-theme");
  } catch {
    return null;
  }
}

function setTheme(name) {
  document.documentElement.dataset.theme = THEMES.includes(name) ? name : "auto";
  const button = document.getElementById("theme");
  button.textContent = { auto: tr("◐ Auto"), light: tr("○ Light"), dark: tr("● Dark") }[document.documentElement.dataset.theme];
  button.setAttribute("aria-label", tr("Theme: {name}", { name: { auto: tr("auto"), light: tr("light"), dark: tr("dark") }[document.documentElement.dataset.theme] }));
}

function nextTheme() {
  const name = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
  remembered(name);
  setTheme(name);
}

async function begin() {
  setTheme(remembered());
  for (const [id, action] of [["theme", nextTheme], ["keys", help]]) {
    const button = document.getElementById(id);
    button.addEventListener("click", action);
    button.hidden = false;
  }
  const trouble = document.getElementById("trouble");
  if (typeof DecompressionStream === "undefined") {
    trouble.textContent = tr("This browser is too old to unpack the dialogues (it needs DecompressionStream: Chrome 80, Firefox 113, Safari 16.4 or newer). The figures on this page are all there.");
    trouble.hidden = false;
    return;
  }
  try {
    await readIndex();
    buildBrowser();
  } catch {
    trouble.textContent = tr("The dialogues could not be unpacked: this file is damaged or not whole. The figures on this page are all there.");
    trouble.hidden = false;
    return;
  }
  addEventListener("hashchange", route);
  addEventListener("keydown", keyed);
  WIDE.addEventListener("change", placeBehind);
  await route();
  document.documentElement.dataset.ready = "yes";
}

begin();
