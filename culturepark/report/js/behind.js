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
  parts.push(...(turn.renderings || []).filter((one) => one !== readable(turn.renderings)).map((one) =>
    make("p", { class: "small" }, tr("Heard in {language}: ", { language: named(one.language) }), make("span", { class: "rendering", dir: "auto", lang: lang(one.language) }, one.text))));
  parts.push(...turn.slips.map((slip) => make("p", { class: "slip", dir: "auto" }, sign(false), slip.words)));
  parts.push(...reviewsPart(turn.reviews));
  if (turn.why) parts.push(make("p", { class: "small", dir: "auto" }, turn.why));
  return [...parts, ...turn.statements.map((one) => statementCard(one, one.id === chosen))];
}

function statementCard(one, chosen) {
  return make("article", { class: chosen ? "statement chosen" : "statement", "data-id": one.id, tabindex: -1, "aria-label": tr("Statement, {kind}", { kind: meaning("kinds", one.kind) }) },
    make("p", { class: "kind" }, meaning("kinds", one.kind)),
    make("p", { class: "said", dir: "auto", lang: spokenIn(one) }, one.text),
    one.first_person === one.text ? null : make("p", { class: "first", dir: "auto" }, tr("In the first person: "), make("q", { lang: spokenIn(one) }, one.first_person)),
    renderingPart(readable(one.renderings)),
    make("dl", { class: "card" }, one.facts.map(factItem)),
    one.before ? make("p", { class: "small", dir: "auto" }, pieces("Reworded from {id}: {words}", { id: linked(one.before.id), words: make("q", {}, one.before.text) })) : null,
    one.after ? make("p", { class: "small" }, pieces("Reworded as {id}", { id: linked(one.after) })) : null,
    reviewsPart(one.reviews),
    make("h4", {}, tr("Verdicts")),
    one.verdicts.length ? make("ul", { class: "verdicts" }, one.verdicts.map(verdictItem)) : make("p", { class: "small" }, tr("Not verified.")),
    one.cluster ? clusterPart(one) : null,
    make("h4", {}, tr("Samples")),
    one.samples.length ? make("ul", { class: "samples" }, one.samples.map(sampleItem)) : make("p", { class: "small" }, tr("No sample: {why}.", { why: one.why })),
    make("p", { class: "small" }, identity(one.id)));
}

/** A statement in the reader's language, and what a second reading found different in it. */
function renderingPart(one) {
  if (!one) return null;
  return [rendering(one), one.agrees === false ? make("p", { class: "small" }, sign(false), tr("it does not say the same: "), make("q", { dir: "auto" }, one.difference || "")) : null];
}

/** One thing that is known of a statement; it may lead to another one. */
function factItem(fact) {
  return make("div", {}, make("dt", {}, capital(fact.label)), make("dd", { dir: "auto" }, fact.text, fact.id ? [" ", linked(fact.id, "→")] : null));
}

const sign = (good) => make("span", { class: good ? "sign good" : "sign bad", "aria-hidden": "true" }, good ? "✓" : "✗");

function verdictItem(verdict) {
  const good = verdict.decision === "keep";
  const answer = verdict.score !== null ? tr("{score} of 5", { score: Number(verdict.score).toFixed(1) })
    : verdict.answer ? verdict.answer : verdict.words;
  const sure = verdict.confidence;
  return make("li", { class: verdict.counts ? null : "superseded" }, sign(good),
    make("div", {},
      make("p", {}, `${meaning("criteria", verdict.criterion)}? `, make("b", {}, answer), ` – ${good ? tr("kept") : tr("dropped")}`,
        verdict.counts ? "" : tr(", of an earlier round, which no longer counts")),
      sure === null ? null : make("div", { class: "sure" }, bar(sure), make("span", { class: "small" }, tr("{share} sure", { share: percent(sure) }))),
      verdict.reason ? make("p", { class: "small", dir: "auto" }, make("q", {}, verdict.reason)) : null,
      make("p", { class: "small" }, verdict.judge ? [pieces("by {judge}", { judge: bdi(verdict.judge) }), " "] : "",
        verdict.call_id ? pieces("call {id}", { id: bdi(verdict.call_id) }) : verdict.criterion === "faithful" ? tr("word by word the speaker’s own; nobody was asked") : tr("nobody was asked"))));
}

function clusterPart(one) {
  const cluster = one.cluster;
  const itself = cluster.representative === one.id;
  const others = cluster.members.filter(([id]) => id !== one.id);
  return [
    make("h4", {}, tr("Duplicates")),
    itself
      ? make("p", {}, tr("Stands for {others} the same.", { others: plural(cluster.size - 1, "other that says", "others that say") }))
      : make("p", { dir: "auto" }, pieces("Says the same as (similarity {similarity}, {method}) {id}: {words}", {
        similarity: Number(cluster.similarity).toFixed(2), method: meaning("methods", cluster.method), id: linked(cluster.representative), words: make("q", {}, cluster.text) })),
    others.length ? make("details", {}, make("summary", {}, itself ? plural(cluster.size - 1, "statement") : tr("{others} in the group", { others: plural(others.length, "other") })),
      make("ul", {}, others.map(([id, text, similarity]) => make("li", { dir: "auto" }, linked(id), ` ${Number(similarity).toFixed(2)}: `, text))),
      cluster.size - 1 > cluster.members.length ? make("p", { class: "small" }, tr("and {count} more", { count: cluster.size - 1 - cluster.members.length })) : null) : null,
  ];
}

function sampleItem(sample) {
  const good = sample.status === "kept";
  const why = sample.reason ? `: ${meaning("dropped", sample.reason)}` : "";
  return make("li", {}, sign(good), make("div", {},
    make("p", {}, capital(meaning("shapes", sample.kind)), ": ", make("b", {}, tr(sample.status)), why,
      sample.split ? tr(", for {split}", { split: sample.split }) : "", sample.content ? tr("; content: {content}", { content: sample.content }) : "", sample.flags ? ` (${sample.flags.split(" ").map((flag) => `${flag}: ${meaning("flags", flag)}`).join("; ")})` : ""),
    sample.beside ? make("p", { class: "small" }, pieces("Made of {id} too", { id: linked(sample.beside) })) : null,
    reviewsPart(sample.reviews),
    make("details", {}, make("summary", {}, tr("Its words")), sample.messages.map((message) => messagePart(message, spokenIn(sample))), make("p", { class: "small" }, identity(sample.id)))));
}

function messagePart(message, language) {
  const content = typeof message.content === "string" ? message.content : JSON.stringify(message.content, null, 1);
  return make("div", { class: "message" }, make("p", { class: "role" }, String(message.role)), verbatim(content, null, language));
}

function reviewsPart(reviews) {
  return reviews.map((one) => make("div", { class: "review" },
    make("p", {}, pieces("{decision} by {reviewer}", { decision: meaning("decisions", one.decision), reviewer: make("b", {}, bdi(one.reviewer)) }),
      one.rating ? tr(", {rating} of 5", { rating: one.rating }) : "", one.note ? ": " : "", one.note ? make("q", { dir: "auto" }, one.note) : ""),
    one.wording ? make("p", { dir: "auto" }, tr("Should say: "), make("q", {}, one.wording)) : null));
}
