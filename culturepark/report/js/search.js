// Full text: all words, and what stands in double quotes as one; case, width and accents do not count.

// The rule is that of `languages/words.folded`, letter for letter; a test holds one against the other.
const MARKS = /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08ca-\u08e1\u08e3-\u08ff\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe00-\ufe0f\ufeff]/g;
const SAME = { "ٱ": "ا", "ى": "ي", "ی": "ي", "ة": "ه", "ہ": "ه", "ک": "ك", "’": "'", "‘": "'", "ʼ": "'", "Ø": "O", "Ł": "L", "Đ": "D" };
const SAME_LETTERS = new RegExp(`[${Object.keys(SAME).join("")}]`, "g");
const HANGING = /[\p{M}\u200c\u200d]/u; // marks and joiners, which belong to the letter before
const VIRAMA = /[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0c4d\u0ccd\u0d4d\u200d]/; // after which the next letter belongs to this one
const SPACES = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;
let spoken = null;

const bare = (text) => text.normalize("NFKD").replace(MARKS, "").toLowerCase().toUpperCase();
const foldedLetters = (text) => bare(text).replace(SAME_LETTERS, (letter) => SAME[letter]);
const folded = (text) => trimmed(foldedLetters(text).replace(SPACES, " "));
const trimmed = (line) => line.replace(/^ | $/g, "");

function terms(words) {
  return folded(words).split('"').flatMap((part, at) => (at % 2 ? [trimmed(part)] : part.split(" "))).filter(Boolean);
}

/** All that was said, read once and kept. */
async function everythingSaid(told) {
  if (spoken) return spoken;
  const found = [];
  const packs = [...new Set(index.dialogues.map((line) => line.talk))];
  for (const [at, name] of packs.entries()) {
    for (const talk of await inflated(document.getElementById(name).textContent)) {
      for (const turn of talk.turns) {
        const versions = [turn.text, ...(turn.renderings || []).map((one) => one.text)].map((text) => ({ text, folded: folded(text) }));
        found.push({ dialogue: talk.id, id: turn.id, name: turn.name, versions });
      }
    }
    told(at + 1, packs.length);
  }
  spoken = found;
  return spoken;
}

/** Turns in which all words occur, by dialogue; each with the words in which they do: what was said, or a rendering. */
async function search(words, told) {
  const wanted = terms(words);
  const hits = new Map();
  for (const turn of await everythingSaid(told)) {
    const version = turn.versions.find((one) => wanted.every((term) => one.folded.includes(term)));
    if (!version) continue;
    if (!hits.has(turn.dialogue)) hits.set(turn.dialogue, []);
    hits.get(turn.dialogue).push({ ...turn, text: version.text });
  }
  return hits;
}

/** The words around the first find, with every find marked. */
function excerpt(text, words, around = 60) {
  const letters = Array.from(text.slice(0, 20000));
  const from = [];
  let plain = "";
  letters.forEach((letter, at) => {
    for (const one of foldedLetters(letter).replace(SPACES, " ")) {
      if (one === " " && plain.endsWith(" ")) continue;
      plain += one;
      for (let unit = 0; unit < one.length; unit++) from.push(at);
    }
  });
  const spans = terms(words)
    .flatMap((term) => {
      const found = [];
      for (let at = plain.indexOf(term); at >= 0 && found.length < 50; at = plain.indexOf(term, at + term.length)) {
        found.push([from[at], from[at + term.length - 1] + 1]);
      }
      return found;
    })
    .sort((a, b) => a[0] - b[0]);
  let start = spans.length ? Math.max(0, spans[0][0] - around) : 0;
  while (start && (HANGING.test(letters[start]) || VIRAMA.test(letters[start - 1]))) start--;
  let end = Math.min(letters.length, start + 3 * around);
  while (end < letters.length && (HANGING.test(letters[end]) || VIRAMA.test(letters[end - 1]))) end++;
  const pieces = start ? ["…"] : [];
  let at = start;
  for (const [a, b] of spans) {
    if (a < at || b > end) continue;
    pieces.push(letters.slice(at, a).join(""), make("mark", {}, letters.slice(a, b).join("")));
    at = b;
  }
  return [...pieces, letters.slice(at, end).join(""), end < letters.length ? "…" : ""];
}
