// The exact prompts and replies, with what they took.

async function callsPart(line, subject, own) {
  const calls = ((await callsOf(line))[subject] || []);
  if (!calls.length) return [make("p", { class: "small" }, "No model was asked for this.")];
  return calls.map((call) => callCard(call, call.id === own, calls.length === 1));
}

function callCard(call, own, open) {
  const request = parsed(call.request) || {};
  const response = parsed(call.response);
  const { messages = [], ...rest } = request;
  const figures = [
    ["Tokens", `${grouped(call.prompt_tokens)} sent${call.cached_tokens ? ` (${grouped(call.cached_tokens)} from cache)` : ""}, ${grouped(call.completion_tokens)} answered${call.tokens_from ? `, by ${call.tokens_from}` : ""}`],
    ["Cost", call.cost_usd === null ? "no known price" : `$${Number(call.cost_usd).toFixed(6)}`],
    ["Time", call.duration_ms === null ? "–" : `${(call.duration_ms / 1000).toFixed(2)} s`],
    ["Attempt", String(call.attempt)], ["Model", call.model], ["Endpoint", call.endpoint], ["Ended", call.finish_reason || "–"],
    ["Seed", call.seed === null ? "–" : String(call.seed)], ["Sent", call.started_at],
  ];
  const fate = call.error ? `✗ failed: ${call.error}` : call.refused ? `✗ turned down: ${meaning("refused", call.refused)}` : own ? "✓ what was said" : "";
  return make("details", { class: "call", open: open || own },
    make("summary", {}, `${capital(meaning("stages", call.stage))}, attempt ${call.attempt}`, fate ? make("span", { class: call.error || call.refused ? "bad" : "good" }, ` ${fate}`) : null),
    make("dl", { class: "card" }, figures.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", { dir: "auto" }, value)))),
    make("h4", {}, "Prompt"), messages.map(messagePart),
    make("h4", {}, "Reply"), verbatim(replied(response) ?? call.response ?? "none", "reply"),
    make("details", {}, make("summary", {}, "Everything else that was sent"), verbatim(JSON.stringify(rest, null, 1))),
    make("details", {}, make("summary", {}, "The exact body, and the raw reply"),
      make("p", { class: "role" }, "request"), verbatim(call.request), make("p", { class: "role" }, "response"), verbatim(call.response ?? "none")),
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
