"""Tries a model with a few questions like those of a run, and reports its abilities."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from culturepark.dialogue.agents import SPEECH_TOKENS
from culturepark.distill.judge_json import TOKENS_AN_ITEM, VerdictsAnswer
from culturepark.domain import DEFAULT_LANGUAGE
from culturepark.errors import CultureparkError, ModelError, Overloaded, PromptCut, TooLong, UsageError
from culturepark.languages import load_language
from culturepark.models import prices
from culturepark.models.abilities import LIMITS, REFUSED, Learnt
from culturepark.models.budget import Budget
from culturepark.models.chat import ChatModel, Reply, Request, Schema, Usage
from culturepark.models.context import Context, context_of
from culturepark.models.json_answers import content_of, parse, strict
from culturepark.models.ledger import Answered, Call, CallLog, Ledger, Outcome
from culturepark.models.thoughts import ADVICE
from culturepark.run.batching import check_model

CARD = "You are Ada Lovelace, and you live in London, England. Answer in one or two short sentences, in plain words."
FIRST = {"role": "user", "content": "Good morning! Who are you, and where do you live?"}
SECOND = {"role": "user", "content": "And what do you do when a guest stays longer than you thought?"}
MATERIAL = {
    "question": "What do you do when a guest comes unannounced?",
    "turns": [{"turn": 1, "speaker": "Ada", "text": "When a guest comes unannounced, we always put on the kettle."}],
    "items": [
        {
            "id": 1,
            "turn": 1,
            "quote": "we always put on the kettle",
            "statement": "Ada's family puts on the kettle when a guest comes unannounced.",
            "first_person": "When a guest comes unannounced, we put on the kettle.",
        }
    ],
}
RIVALS = 5
ENOUGH = 8192
"""Tokens of context that a dialogue and its extraction need with room to spare; the embedded model has half of it."""
SIGN = "marigold"
"""Stands at the beginning of the long prompt, whose end asks for it."""
LONG_TOKENS = 7_000
"""Tokens of the long prompt, about: with the answer, and as other models count, it fits into `ENOUGH`."""
LONG_SECONDS = 120.0
"""For the answer to the long prompt; a slow machine would need minutes."""
UNSEEN = "not seen, since a filter refused the question"


@dataclass(frozen=True)
class Finding:
    what: str
    state: Literal["ok", "note", "bad"]
    detail: str
    exit_code: int = 0


@dataclass
class Memory:
    """A log of the trial's calls. What is learnt of the endpoint goes to a store as well, if there is one."""

    store: CallLog | None = None
    known: dict[str, Any] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def answered(self, subject_id: str, request_digest: str) -> Answered | None:  # noqa: ARG002 - all is asked anew
        return None

    def lately(self, endpoint: str) -> list[tuple[float, int]]:  # noqa: ARG002
        return []

    async def begin(self, call: Call) -> str:
        self.calls.append(call)
        return str(len(self.calls))

    async def finish(self, call_id: str, outcome: Outcome) -> None:
        self.outcomes[call_id] = outcome

    async def refuse(self, call_id: str, guard: str) -> None:
        pass

    def abilities(self, endpoint: str, model: str) -> Mapping[str, Any]:
        if self.store and not self.known:
            self.known.update(self.store.abilities(endpoint, model))
        return self.known

    def learn(self, endpoint: str, model: str, name: str, value: Any, said: str) -> None:
        self.known = self.known | {name: value}
        if self.store:
            self.store.learn(endpoint, model, name, value, said)


@dataclass
class Trial:
    """The answers to the questions, and the failures."""

    model: ChatModel
    memory: Memory
    speech: Reply | None = None
    judged: Reply | None = None
    readable: bool = False
    """The JSON could be read and has the wanted shape."""
    second: Reply | None = None
    failures: dict[str, CultureparkError] = field(default_factory=dict)
    """By question: `speech`, `json`, `continuation`, `long`."""
    context: Context | None = None
    batches: str | None = None
    """Why it has no batches; empty if it has, None if that is unknown."""
    long: Reply | None = None
    """Asked only if the endpoint does not tell its context, and costs nothing."""

    @property
    def questions(self) -> dict[str, Reply | None]:
        return {"a speech": self.speech, "a verdict": self.judged, "a second speech": self.second}

    @property
    def replies(self) -> list[Reply]:
        """The answers that a filter let through."""
        return [reply for reply in self.questions.values() if reply and not reply.withheld]

    @property
    def filtered(self) -> list[str]:
        """The questions that a filter refused."""
        return [question for question, reply in self.questions.items() if reply and reply.withheld]


async def trial_of(model: ChatModel, store: CallLog | None, notice: Callable[[str], None]) -> Trial:
    """Ask a model as a run does: for a speech, a verdict as JSON with log-probabilities, a second speech.

    A server on this machine that does not tell its context gets a long prompt too, which shows whether prompts are cut.

    Args:
        store: keeps what is learnt of the endpoint for later runs.
        notice: called with remarks on long waits.
    """
    trial = Trial(model, Memory(store))
    ledger = Ledger("doctor", trial.memory, Budget(), 1, notice=notice)

    async def ask(what: str, request: Request, stage: str) -> Reply | None:
        try:
            return await ledger.ask(model, request, stage=stage, subject_id=f"doctor.{what}", prompt_digest="")
        except ModelError as error:
            trial.failures[what] = error
            return None

    system = {"role": "system", "content": CARD}
    trial.speech = await ask("speech", Request((system, FIRST), SPEECH_TOKENS, 0.8, 11), "dialogue")
    if trial.speech is None:
        return trial
    messages = (
        {"role": "system", "content": load_language(DEFAULT_LANGUAGE).prompt("verify").text},
        {"role": "user", "content": json.dumps(MATERIAL, ensure_ascii=False)},
    )
    schema = Schema("verdicts", strict(VerdictsAnswer))
    trial.judged = await ask(
        "json", Request(messages, 100 + TOKENS_AN_ITEM, 0.0, 1, schema=schema, top_logprobs=RIVALS), "verify"
    )
    trial.readable = bool(trial.judged and parse(content_of(trial.judged), VerdictsAnswer))
    spoken = {"role": "assistant", "content": trial.speech.text or "I am Ada."}
    again = (system, FIRST, spoken, SECOND)
    trial.second = await ask("continuation", Request(again, SPEECH_TOKENS, 0.8, 12), "dialogue")
    from culturepark.models.client import OpenAIModel

    if isinstance(model, OpenAIModel):
        trial.batches = await why_no_batches(model)
        trial.context = await context_of(model.connection.url, model.name, model.look)
        if trial.context is None and is_here(model.connection.url):
            notice(f"asking one long question, of about {LONG_TOKENS:,} tokens, to see whether it is read whole")
            try:
                async with asyncio.timeout(LONG_SECONDS):
                    question = {"role": "user", "content": long_question()}
                    trial.long = await ask("long", Request((question,), SPEECH_TOKENS, 0.0, 1), "dialogue")
            except TimeoutError:
                trial.failures["long"] = Overloaded(f"no answer within {LONG_SECONDS:.0f} s")
    return trial


async def why_no_batches(model: ChatModel) -> str | None:
    """Return why an endpoint takes no batches; empty if it takes them, None if it did not say."""
    try:
        await check_model(model)
    except UsageError as error:
        return str(error)
    except ModelError:
        return None
    return ""


def long_question() -> str:
    """Return a long text whose first sentence answers its last."""
    day = "On day {} of the journal nothing of note happened: it rained a little, and the kettle was put on at four."
    days = "\n".join(day.format(number) for number in range(1, LONG_TOKENS // 26))
    return f"The word to remember is {SIGN}.\n{days}\nWhich word was to be remembered? Answer with that word alone."


# --- the report --------------------------------------------------------------------------------------


def lines(trial: Trial) -> Iterator[Finding]:
    """Yield a line for each ability, and at the end the roles that the model can have."""
    known, model = trial.memory.known, trial.model
    yield from source_lines(model)
    if trial.speech is None:
        error = trial.failures["speech"]
        yield Finding("model", "bad", f"{model.spec}: {error}", 3 if error.exit_code == 1 else error.exit_code)
        return
    spoken = next((reply for reply in (trial.speech, trial.second) if reply in trial.replies), None)
    answer = f"answers: {spoken.text.strip()[:60]!r}" if spoken else "can be reached"
    yield Finding("model", "ok" if spoken else "note", f"{model.spec} {answer}")
    if filtered := trial.filtered:
        many = "one" if len(filtered) == 1 else str(len(filtered))
        asked = f"{many} of doctor's questions (that for {', '.join(filtered)})"
        yield Finding("filter", "note", f"the endpoint's filter refused {asked}; in a run that costs single turns")
    yield system_line(trial)
    for name in ("temperature", "seed"):
        yield part_line(name, REFUSED if known.get("bare") else known.get(name))
    yield json_line(trial)
    yield logprobs_line(trial)
    yield usage_line(trial)
    sent = json.loads(trial.memory.calls[-1].request)
    yield Finding("token limit", "ok", f"sent as {next((name for name in LIMITS if name in sent), 'nothing')}")
    if trial.batches is not None:
        taken = "taken; `--batch all` asks at half the price"
        yield Finding("batches", "note" if trial.batches else "ok", "none there" if trial.batches else taken)
    yield from thought_lines(trial)
    if not model.spec.scripted:
        yield context_line(trial)
        yield price_line(model)
    yield from verdict_lines(trial)


def source_lines(model: ChatModel) -> Iterator[Finding]:
    from culturepark.models.client import OpenAIModel

    if not model.spec.needs_key or not isinstance(model, OpenAIModel):
        return
    through = f", through the proxy {model.connection.proxy.shown}" if model.connection.proxy else ""
    yield Finding("endpoint", "ok", f"{model.endpoint}{' (Azure)' if model.connection.azure else ''}{through}")
    readable = bool(model.connection.key) and model.endpoint.startswith("http://") and not is_here(model.endpoint)
    open_to_all = "; it travels without encryption, since the URL begins with http://" if readable else ""
    yield Finding("key source", "note" if readable else "ok", f"{model.connection.key_from}{open_to_all}")


def is_here(url: str) -> bool:
    from culturepark.models.connections import host_of
    from culturepark.models.proxies import is_loopback

    return is_loopback(host_of(url))


def system_line(trial: Trial) -> Finding:
    assert trial.speech is not None
    if "system" in trial.memory.known:
        return Finding("system message", "note", "refused; it becomes the beginning of the first user message")
    if trial.speech.withheld:
        return Finding("system message", "note", UNSEEN)
    if "Ada" not in trial.speech.text and "Lovelace" not in trial.speech.text:
        return Finding("system message", "note", "taken, but the answer does not show that it was read")
    return Finding("system message", "ok", "taken")


def part_line(name: str, value: Any) -> Finding:
    if value is None:
        return Finding(name, "ok", "taken, as far as the endpoint says")
    if isinstance(value, dict):
        return Finding(name, "note", str(Learnt(name, value)))
    without = {"seed": "the same request may get another answer", "temperature": "the model's own is used"}
    return Finding(name, "note", f"refused; {without[name]}")


def json_line(trial: Trial) -> Finding:
    if error := trial.failures.get("json"):
        return Finding("json", "note", f"failed: {error}")
    if trial.judged and trial.judged.withheld:
        return Finding("json", "note", UNSEEN)
    known = trial.memory.known
    form = known.get("response_format", REFUSED if known.get("bare") else "schema")
    way = {"schema": "by schema", "json_object": "as any JSON object; the prompt says the shape"}.get(
        str(form), "by the prompt alone"
    )
    if not trial.readable:
        return Finding("json", "note", f"asked {way}; what came cannot be read")
    if form == "schema" and trial.judged and not keeps_to_schema(trial.judged.text):
        return Finding("json", "note", "asked by schema, answered in JSON, but not held to the schema; it can be read")
    return Finding("json", "ok" if form == "schema" else "note", f"readable, asked {way}")


def keeps_to_schema(text: str) -> bool:
    """Return whether a verdict is the JSON that was asked for, and nothing else."""
    try:
        VerdictsAnswer.model_validate_json(text)
        return set(json.loads(text)) == {"verdicts"}
    except ValueError:
        return False


def logprobs_line(trial: Trial) -> Finding:
    if trial.judged and trial.judged.tokens:
        return Finding("logprobs", "ok", "sent")
    if trial.judged and trial.judged.withheld:
        return Finding("logprobs", "note", UNSEEN)
    refused = trial.memory.known.get("logprobs") == REFUSED or trial.memory.known.get("bare")
    needed = trial.model.traits.labels
    why = "refused" if refused else "not sent"
    return Finding(
        "logprobs", "note", f"{why}; {'a model this small cannot judge without' if needed else 'not needed'}"
    )


def usage_line(trial: Trial) -> Finding:
    if not trial.replies:
        return Finding("usage", "note", UNSEEN)
    if trial.model.spec.scripted or {reply.usage.source for reply in trial.replies} == {"server"}:
        return Finding("usage", "ok", "reported")
    return Finding("usage", "note", "not reported by the endpoint; tokens are counted here, and costs with them")


def thought_lines(trial: Trial) -> Iterator[Finding]:
    if leaks := dict.fromkeys(reply.leak for reply in trial.replies if reply.leak):
        for leak in leaks:
            yield Finding(
                "thoughts",
                "note",
                f"leak into answers ({leak}), and are taken out; {ADVICE.get(leak, '')}".rstrip("; "),
            )
    elif unclear := next((reply.unclear for reply in trial.replies if reply.unclear), None):
        yield Finding("thoughts", "note", f"an answer cannot be told from them ({unclear})")
    else:
        yield Finding("thoughts", "ok", "do not leak into answers")
    spent = sum(reply.usage.reasoning_tokens or 0 for reply in trial.replies)
    room = {name: value for name, value in trial.memory.known.items() if name.startswith("room.")}
    thought = any(reply.thoughts for reply in trial.replies)
    if spent or room or thought:
        amount = (
            f"{spent:,} tokens in {len(trial.replies)} answers"
            if spent
            else "some, and the endpoint does not say how much"
        )
        more = [str(Learnt(name, value)).partition("; ")[2] for name, value in room.items()]
        yield Finding("reasoning", "note", "; ".join([amount, *more, "hidden reasoning is paid for as answers are"]))
    else:
        yield Finding("reasoning", "ok", "none that shows")


def context_line(trial: Trial) -> Finding:
    context = trial.context
    if context is None:
        return long_line(trial)
    size = f"{context.tokens:,} tokens (by {context.told_by})"
    if context.tokens >= ENOUGH:
        return Finding("context", "ok", size)
    raised = f"; raised by {context.raised_by}" if context.raised_by else ""
    return Finding("context", "note", f"{size}; long dialogues want {ENOUGH:,} or more{raised}")


def long_line(trial: Trial) -> Finding:
    """Report on a context that the endpoint does not tell, as far as the long question shows it."""
    untold, wants = "not told by the endpoint", f"a run wants {ENOUGH:,} tokens or more"
    error = trial.failures.get("long")
    if isinstance(error, PromptCut):
        return Finding("context", "note", f"{untold}, and long prompts are cut; {wants}: {error}")
    if isinstance(error, TooLong):
        return Finding("context", "note", f"{untold}, and too small for {LONG_TOKENS:,} tokens; {wants}: {error}")
    if error:
        return Finding("context", "note", f"{untold}; {wants}; one question of about {LONG_TOKENS:,} failed: {error}")
    if trial.long is None or trial.long.withheld:
        return Finding(
            "context", "note", f"{untold}; {wants}; that long prompts are cut does not show in short questions"
        )
    asked = f"a question of about {LONG_TOKENS:,} tokens"
    if SIGN in trial.long.text.lower():
        return Finding("context", "ok", f"{untold}; {asked} was read from its beginning")
    weak = f"the answer to {asked} does not show that its beginning was read: it was cut, or the model is too weak"
    return Finding("context", "note", f"{untold}; {weak}; {wants}")


def price_line(model: ChatModel) -> Finding:
    if not model.spec.paid:
        return Finding("price", "ok", "nothing: it runs here")
    price = prices.price(model.endpoint, model.spec.name)
    if price is None:
        unknown = "unknown: costs are not counted, and --max-cost cannot be watched; set CULTUREPARK_PRICES"
        return Finding("price", "note", unknown)
    # Of a thousand tokens, since some prices rise with the length of the prompt.
    each = [price.dollars(Usage(*counts)) for counts in ((1000, 0, 0), (0, 0, 1000))]
    prices_shown = " and ".join("unknown" if dollars is None else f"${dollars * 1000:g}" for dollars in each)
    return Finding("price", "ok", f"{prices_shown} for a million tokens in and out; {list_of(price)}")


def list_of(price: object) -> str:
    """Name the source of a price, and its age."""
    if isinstance(price, prices.Price):
        return "by CULTUREPARK_PRICES"
    days = (date.today() - date.fromisoformat(prices.as_of())).days
    return f"by {prices.source()}, whose newest price is {days:,} days old"


def verdict_lines(trial: Trial) -> Iterator[Finding]:
    small = trial.model.traits.labels
    withheld = bool(trial.judged and trial.judged.withheld)  # shows nothing for or against the model
    readable = trial.readable or withheld
    logprobs = bool(trial.judged and trial.judged.tokens)
    speaks = all(reply and (reply.withheld or is_speech(reply)) for reply in (trial.speech, trial.second))
    roles = ["speaker", "moderator"] * speaks
    if readable or (small and logprobs):
        roles += ["extractor", "verifier"]
    if readable and not small:
        roles.append("judge")
    if not speaks:
        error = trial.failures.get("continuation")
        yield Finding(
            "cannot", "note", f"hold a dialogue: {error or 'an answer held no speech that can be told from the rest'}"
        )
    if "verifier" not in roles:
        error = trial.failures.get("json")
        yield Finding("cannot", "note", f"extract or verify: {error or 'its JSON cannot be read'}")
    named = ", ".join(roles) or "none"
    yield Finding(
        "roles",
        "ok" if "verifier" in roles and speaks else "note",
        f"{named}; embedder: never, that wants a model for embeddings",
    )


def is_speech(reply: Reply) -> bool:
    return bool(reply.text.strip()) and not reply.unclear
