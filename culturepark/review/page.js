// What models wrote gets into the page as text alone, never as HTML.
const at = (id) => document.getElementById(id);
const base = location.pathname.replace(/\/?$/, "/");
let who = null, shown = null, row = null, busy = false, asking = "";

function made(tag, text, kind, language) {
  const one = document.createElement(tag);
  one.textContent = text;
  if (kind) one.className = kind;
  one.dir = "auto";
  if (language) one.lang = language;
  return one;
}

function stored() {
  try { return JSON.parse(localStorage.getItem("reviewer")); } catch { return null; }
}

function store(value) {
  try { localStorage.setItem("reviewer", JSON.stringify(value)); } catch { /* it is asked again after a reload */ }
}

function say(words) {
  at("said").textContent = words;
  at("said").hidden = !words;
}

async function send(what, more = {}) {
  if (busy || !who) return;
  busy = true;
  for (const button of at("keys").children) button.disabled = true;
  try {
    const answer = await fetch(base + what, {
      method: "POST", headers: {"Content-Type": "application/json"}, cache: "no-store",
      body: JSON.stringify({reviewer: who.name, languages: who.languages, ...more}),
    });
    const got = await answer.json();
    if (!answer.ok) throw new Error(got.error);
    say(got.said);
    show(got);
  } catch (error) {
    say(error instanceof TypeError ? tr("The program that serves this page does not answer; what you said last may not be stored.") : tr("Not stored: {why}", {why: error.message}));
  } finally {
    busy = false;
    for (const button of at("keys").children) button.disabled = !row && !["undo"].includes(button.dataset.do);
  }
}

function show(got) {
  shown = got;
  row = got.row;
  at("line").textContent = got.line;
  const place = at("row");
  place.replaceChildren();
  if (!row) {
    place.append(made("p", tr("Nothing is left for you to judge here.")));
    if (got.progress.skipped) {
      const again = made("button", tr("Show again what you skipped ({count})", {count: got.progress.skipped}));
      again.type = "button";
      again.addEventListener("click", () => send("unskip"));
      place.append(again);
    }
  } else {
    place.append(made("p", row.about, "small"));
    for (const message of row.prompt) {
      place.append(made("h2", message.role), made("p", message.content, message.role === "system" ? "message muted" : "message", row.language));
    }
    place.append(made("h2", tr("answer")), made("p", row.answer, "answer", row.language));
    if (row.rendering) {
      const toggle = made("button", tr("In your language"));
      toggle.type = "button";
      toggle.id = "rendering";
      toggle.setAttribute("aria-pressed", String(Boolean(who.rendered)));
      toggle.addEventListener("click", keys.rendering);
      place.append(toggle);
      if (who.rendered) place.append(paragraph(row.rendering));
    }
    for (const section of row.behind) {
      place.append(made("h2", section.title));
      for (const para of section.paras) {
        place.append(paragraph(para));
      }
    }
    place.append(made("p", row.id, "small"));
  }
  scrollTo(0, 0);
  place.focus({preventScroll: true});
}

function paragraph(para) {
  const line = made("p", "", `para ${para.look}`, para.language);
  if (para.head) line.append(made("span", `${para.head} `, "head"));
  const [before, marked, after] = para.text;
  line.append(before);
  if (marked) line.append(made("mark", marked));
  line.append(after);
  return line;
}

function ask(what) {
  asking = what;
  at("asked").textContent = what === "why" ? tr("Why not?") : tr("What should the answer say?");
  at("words").value = what === "why" ? "" : row.answer;
  at("words").lang = what === "why" ? "" : row.language || "";
  at("more").hidden = false;
  at("words").focus();
}

const keys = {
  yes: () => send("judge", {id: row.id, decision: "accept"}),
  no: () => send("judge", {id: row.id, decision: "reject"}),
  why: () => ask("why"),
  reword: () => ask("reword"),
  skip: () => send("skip", {id: row.id}),
  undo: () => send("undo"),
  rendering: () => {
    who.rendered = !who.rendered;
    store(who);
    show(shown);
  },
};
const letters = {y: "yes", n: "no", N: "why", r: "reword", s: "skip", u: "undo", t: "rendering"};

function press(what) {
  if (!busy && at("more").hidden && (row || what === "undo")) keys[what]();
}

function close() {
  at("more").hidden = true;
  at("row").focus({preventScroll: true});
}

function begin() {
  at("who").hidden = Boolean(who);
  at("desk").hidden = !who;
  say("");
  if (who) send("next");
}

at("keys").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) press(button.dataset.do);
});
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || !who) return;
  if (event.key === "Escape" && !at("more").hidden) close();
  else if (at("more").hidden && letters[event.key]) { event.preventDefault(); press(letters[event.key]); }
});
at("more").addEventListener("submit", (event) => {
  event.preventDefault();
  const words = at("words").value.trim();
  if (asking === "reword" && !words) { say(tr("The wording is empty; what is to go altogether gets a no.")); return; }
  const given = asking === "why" ? {decision: "reject", note: words} : {decision: "accept", wording: words === row.answer.trim() ? "" : words};
  close();
  send("judge", {id: row.id, ...given});
});
at("cancel").addEventListener("click", close);
at("who").addEventListener("submit", (event) => {
  event.preventDefault();
  const boxes = [...document.querySelectorAll("[name=language]")];
  const read = boxes.filter((box) => box.checked).map((box) => box.value);
  who = {name: at("name").value.trim(), languages: read.length === boxes.length ? [] : read};
  store(who);
  begin();
});
at("leave").addEventListener("click", () => { who = null; row = null; store(null); begin(); });
who = stored();
begin();
document.documentElement.dataset.ready = "yes";
