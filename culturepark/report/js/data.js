// The packs of this page: base64 of JSON under zlib. Unpacked when they are wanted; a few are kept.

const KEPT = 8;
const unpacked = new Map();
let index = null;
let dialogues = new Map();

function unpack(name) {
  const kept = unpacked.get(name);
  unpacked.delete(name);
  const found = kept || inflated(document.getElementById(name).textContent);
  unpacked.set(name, found);
  if (unpacked.size > KEPT) unpacked.delete(unpacked.keys().next().value);
  return found;
}

async function inflated(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

async function readIndex() {
  index = await inflated(document.getElementById("index").textContent);
  index.dialogues.forEach((line, at) => {
    line.at = at;
    dialogues.set(line.id, line);
  });
}

async function talkOf(line) {
  return (await unpack(line.talk)).find((talk) => talk.id === line.id);
}

async function callsOf(line) {
  return line.calls ? unpack(line.calls) : {};
}

/** What a short word of the store means; a word that nobody has described stands for itself. */
function meaning(group, name) {
  const meanings = index.words[group] || {};
  const [head, rest] = String(name).split(": ");
  if (group === "stops" && rest) return `${meanings[head] || head} (${index.words.refused[rest] || rest})`;
  return Object.hasOwn(meanings, name) ? meanings[name] : String(name);
}

/** Where an id leads: {line, turn, statement}; null if not into this page. */
function place(id) {
  const found = /^(.+\.d\d+)(?:\.t(\d+)(?:\.s(\d+)(?:\.[vx]\d+)?)?(?:\.c\d+)?)?(?:\.c\d+)?$/.exec(id || "");
  const line = found && dialogues.get(found[1]);
  if (!line) return null;
  const turn = found[2] ? `${found[1]}.t${found[2]}` : null;
  return { line, turn, statement: found[3] ? `${turn}.s${found[3]}` : null };
}

const person = (key) => (Object.hasOwn(index.people, key) ? index.people[key] : null);
const questionOf = (line) => (Object.hasOwn(index.seeds, line.seed) ? index.seeds[line.seed].question : line.seed);
