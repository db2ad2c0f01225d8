// The exact prompts and replies, with what they took.

async function callsPart(line, subject, own) {
  const calls = ((await callsOf(line))[subject] || []);
  if (!calls.length) return [make("p", { class: "small" }, tr("No model was asked for this."))];
  return calls.map((call) => callCard(call, call.id === own, calls.length === 1));
}

function callCard(call, own, open) {
  const request = parsed(call.request) || {};
  const response = parsed(call.response);
  const { messages = [], ...rest } = request;
  const figures = [
    [tr("Tokens"), `${tr("{count} sent", { count: grouped(call.prompt_tokens) })}${call.cached_tokens ? tr(" ({count} from cache)", { count: grouped(call.cached_tokens) }) : ""}, ${tr("{count} answered", { count: grouped(call.completion_tokens) })}${call.tokens_from ? tr(", by {whom}", { whom: call.tokens_from }) : ""}`],
    [tr("Cost"), call.cost_usd === null ? tr("no known price") : `$${Number(call.cost_usd).toFixed(6)}`],
    [tr("Time"), call.duration_ms === null ? "–" : `${(call.duration_ms / 1000).toFixed(2)} s`],
    [tr("Attempt"), String(call.attempt)], [tr("Model"), call.model], [tr("Endpoint"), call.endpoint], [tr("Ended"), call.finish_reason || "–"],
    [tr("Seed"), call.seed === null ? "–" : String(call.seed)], [tr("Sent"), call.started_at],
  ];
  const fate = call.error ? tr("✗ failed: {error}", { error: call.error }) : call.refused ? tr("✗ turned down: {why}", { why: meaning("refused", call.refused) }) : own ? tr("✓ what was said") : "";
  return make("details", { class: "call", open: open || own },
    make("summary", {}, tr("{stage}, attempt {attempt}", { stage: capital(meaning("stages", call.stage)), attempt: call.attempt }), fate ? make("span", { class: call.error || call.refused ? "bad" : "good" }, ` ${fate}`) : null),
    make("dl", { class: "card" }, figures.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, value)))),
    make("h4", {}, tr("Prompt")), messages.map((message) => messagePart(message)),
    make("h4", {}, tr("Reply")), verbatim(replied(response) ?? call.response ?? tr("none"), "reply"),
    make("details", {}, make("summary", {}, tr("Everything else that was sent")), verbatim(JSON.stringify(rest, null, 1))),
    make("details", {}, make("summary", {}, tr("The exact body, and the raw reply")),
      make("p", { class: "role" }, tr("request")), verbatim(call.request), make("p", { class: "role" }, tr("response")), verbatim(call.response ?? tr("none"))),
    make("p", { class: "small" }, identity(call.id)));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** What a reply says; null where it is of another form. */
function replied(response) {
  const content = response?.choices?.[0]?.message?.content;
  return typeof content === "string" ? content : null;
}
