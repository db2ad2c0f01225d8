// What is behind a turn: statements, verdicts, rewordings, clusters, samples, reviews.

/** Code points, as offsets in the store count them. */
function quoted(text, spans) {
  const letters = Array.from(text);
  const cuts = [...new Set([0, letters.length, ...spans.flatMap((span) => [span.start, span.end])])]
    .filter((at) => at >= 0 && at <= letters.length).sort((a, b) => a - b);
  return cuts.slice(1).map((end, at) => {
    const start = cuts[at];
    const piece = letters.slice(start, end).join("");
    const over = spans.filter((span) => span.start <= start && span.end >= end);
    return over.length ? make("mark", { "data-statements": over.map((span) => span.id).join(" ") }, piece) : piece;
  });
}

function statementsPart(turn, chosen) {
  const parts = turn.beside.map((line) => make("p", { class: "small", dir: "auto" }, line));
  parts.push(...turn.slips.map((slip) => make("p", { class: "slip", dir: "auto" }, sign(false), slip.words)));
  parts.push(...reviewsPart(turn.reviews));
  if (turn.why) parts.push(make("p", { class: "small", dir: "auto" }, turn.why));
  return [...parts, ...turn.statements.map((one) => statementCard(one, one.id === chosen))];
}

function statementCard(one, chosen) {
  return make("article", { class: chosen ? "statement chosen" : "statement", "data-id": one.id, tabindex: -1, "aria-label": `Statement, ${one.kind}` },
    make("p", { class: "kind" }, one.kind),
    make("p", { class: "said", dir: "auto" }, one.text),
    one.first_person === one.text ? null : make("p", { class: "first", dir: "auto" }, "In the first person: ", make("q", {}, one.first_person)),
    make("dl", { class: "card" }, one.facts.map(factItem)),
    one.before ? make("p", { class: "small", dir: "auto" }, "Reworded from ", linked(one.before.id), ": ", make("q", {}, one.before.text)) : null,
    one.after ? make("p", { class: "small" }, "Reworded as ", linked(one.after)) : null,
    reviewsPart(one.reviews),
    make("h4", {}, "Verdicts"),
    one.verdicts.length ? make("ul", { class: "verdicts" }, one.verdicts.map(verdictItem)) : make("p", { class: "small" }, "Not verified."),
    one.cluster ? clusterPart(one) : null,
    make("h4", {}, "Samples"),
    one.samples.length ? make("ul", { class: "samples" }, one.samples.map(sampleItem)) : make("p", { class: "small" }, `No sample: ${one.why}.`),
    make("p", { class: "small" }, identity(one.id)));
}

/** One thing that is known of a statement; it may lead to another one. */
function factItem(fact) {
  return make("div", {}, make("dt", {}, capital(fact.label)), make("dd", { dir: "auto" }, fact.text, fact.id ? [" ", linked(fact.id, "→")] : null));
}

const sign = (good) => make("span", { class: good ? "sign good" : "sign bad", "aria-hidden": "true" }, good ? "✓" : "✗");

function verdictItem(verdict) {
  const good = verdict.decision === "keep";
  const answer = verdict.score !== null ? `${Number(verdict.score).toFixed(1)} of 5`
    : verdict.answer ? verdict.answer : verdict.words;
  const sure = verdict.confidence;
  return make("li", { class: verdict.counts ? null : "superseded" }, sign(good),
    make("div", {},
      make("p", {}, `${meaning("criteria", verdict.criterion)}? `, make("b", {}, answer), ` – ${good ? "kept" : "dropped"}`,
        verdict.counts ? "" : ", of an earlier round, which no longer counts"),
      sure === null ? null : make("div", { class: "sure" }, bar(sure), make("span", { class: "small" }, `${percent(sure)} sure`)),
      verdict.reason ? make("p", { class: "small", dir: "auto" }, make("q", {}, verdict.reason)) : null,
      make("p", { class: "small" }, verdict.judge ? ["by ", bdi(verdict.judge), " "] : "",
        verdict.call_id ? ["call ", bdi(verdict.call_id)] : verdict.criterion === "faithful" ? "word by word the speaker’s own; nobody was asked" : "nobody was asked")));
}

function clusterPart(one) {
  const cluster = one.cluster;
  const itself = cluster.representative === one.id;
  const others = cluster.members.filter(([id]) => id !== one.id);
  return [
    make("h4", {}, "Duplicates"),
    itself
      ? make("p", {}, `Stands for ${plural(cluster.size - 1, "other")} that ${cluster.size > 2 ? "say" : "says"} the same.`)
      : make("p", { dir: "auto" }, `Says the same as (similarity ${Number(cluster.similarity).toFixed(2)}, ${meaning("methods", cluster.method)}) `,
        linked(cluster.representative), ": ", make("q", {}, cluster.text)),
    others.length ? make("details", {}, make("summary", {}, itself ? plural(cluster.size - 1, "statement") : `${plural(others.length, "other")} in the group`),
      make("ul", {}, others.map(([id, text, similarity]) => make("li", { dir: "auto" }, linked(id), ` ${Number(similarity).toFixed(2)}: `, text))),
      cluster.size - 1 > cluster.members.length ? make("p", { class: "small" }, `and ${cluster.size - 1 - cluster.members.length} more`) : null) : null,
  ];
}

function sampleItem(sample) {
  const good = sample.status === "kept";
  const why = sample.reason ? `: ${meaning("dropped", sample.reason)}` : "";
  return make("li", {}, sign(good), make("div", {},
    make("p", {}, capital(meaning("shapes", sample.kind)), ": ", make("b", {}, sample.status), why,
      sample.split ? `, for ${sample.split}` : "", sample.content ? `; content: ${sample.content}` : "", sample.flags ? ` (${sample.flags.split(" ").map((flag) => `${flag}: ${meaning("flags", flag)}`).join("; ")})` : ""),
    sample.beside ? make("p", { class: "small" }, "Made of ", linked(sample.beside), " too") : null,
    reviewsPart(sample.reviews),
    make("details", {}, make("summary", {}, "Its words"), sample.messages.map(messagePart), make("p", { class: "small" }, identity(sample.id)))));
}

function messagePart(message) {
  const content = typeof message.content === "string" ? message.content : JSON.stringify(message.content, null, 1);
  return make("div", { class: "message" }, make("p", { class: "role" }, String(message.role)), verbatim(content));
}

function reviewsPart(reviews) {
  return reviews.map((one) => make("div", { class: "review" },
    make("p", {}, `${meaning("decisions", one.decision)} by `, make("b", {}, bdi(one.reviewer)),
      one.rating ? `, ${one.rating} of 5` : "", one.note ? ": " : "", one.note ? make("q", { dir: "auto" }, one.note) : ""),
    one.wording ? make("p", { dir: "auto" }, "Should say: ", make("q", {}, one.wording)) : null));
}
