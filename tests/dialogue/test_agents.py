"""The agents of a dialogue: what each is shown of the others, and what it never is."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from unittest.mock import create_autospec

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_core import CancellationToken
from autogen_core.models import ChatCompletionClient, CreateResult, RequestUsage
from sqlalchemy import text

import culturepark.languages
from culturepark.catalog import scenarios
from culturepark.catalog.personas import load_all
from culturepark.dialogue import phrasing
from culturepark.dialogue.agents import MODERATOR, Ask, LedgerClient, as_team, seat, speak_directly, voice
from culturepark.dialogue.autogen import LedgerChatClient, agent_name, client_of
from culturepark.dialogue.loop import Ending, converse
from culturepark.dialogue.protocol import schedule
from culturepark.domain import (
    Casting,
    JsonObject,
    Memory,
    Participant,
    Persona,
    Scenario,
    Seed,
    Setting,
    Stance,
    Status,
    Turn,
)
from culturepark.errors import CatalogError, UsageError
from culturepark.models.budget import Budget
from culturepark.models.chat import ChatModel, Reply, Request, Traits
from culturepark.models.client import OpenAIModel
from culturepark.models.ledger import Ledger
from culturepark.models.scripted import ScriptedModel
from culturepark.models.spec import SCRIPTED, parse, parse_roles
from culturepark.run.plan import Settings, new_run
from culturepark.store.store import Store
from tests.support.endpoint import Endpoint

SENTENCES = (
    "I keep bees behind the station and count my hives on the first warm Sunday.",
    "Nobody told us when to whistle, so my brothers whistled all winter long.",
    "Green paint is cheaper than blue, and that settled it for the whole stairwell.",
    "A slow train suits me better than a fast one because of the windows.",
    "My knees know about rain two days before the radio does.",
    "We played cards for matches until somebody lit the stove with them.",
    "Pumpkins travel badly; cabbages arrive as they left.",
    "The tall cupboard stayed where it was when they sold everything around it.",
    "Whoever mends the pump may also drink first, that was agreed without talk.",
    "Seven letters came back unopened and I still write the eighth.",
    "Ferries smell of diesel and oranges, whichever shore they leave.",
    "He sang so badly that even the dog went out, and yet they asked again.",
    "Snow makes liars of all distances, my teacher used to grumble.",
    "Umbrellas are borrowed for ever, books for a fortnight at the most.",
    "Out on the pier a boy sold knives that would not cut butter.",
    "If the lamp flickers twice, it is only the lift going up.",
    "Eleven chairs and no table: so began our first winter upstairs.",
    "Violets grow best where the gutter leaks onto gravel.",
    "Postmen know more recipes than cooks, since they smell every landing.",
    "Chess is a quarrel without noise, which is why my uncle gave it up.",
    "Copper pots hang by size, and whoever hangs them wrong hears about it.",
    "Fog comes up the valley like an aunt who has not been invited.",
    "Two plums are a snack, three plums are jam, ours used to be told.",
    "Motorcycles frighten geese far less than bicycles do.",
    "Buttons went into a biscuit tin and biscuits into a hatbox.",
    "Nothing dries in November, and still they hang out sheets.",
    "Under our bridge lives a heron that has outlasted four mayors.",
    "Telephones rang differently then, slower and somehow rounder.",
)
"""None of them shares more than everyday words with a card."""


@dataclass
class Recorder:
    """A model that keeps what it was sent. `say` makes the answer from the body and its number, from 0."""

    say: Callable[[JsonObject, int], str]
    traits: Traits = field(default_factory=Traits)
    sent: list[JsonObject] = field(default_factory=list)
    spec = parse("openai:recorder@http://127.0.0.1:9/v1")
    endpoint = "recorder"

    def body(self, request: Request) -> JsonObject:
        return {"messages": list(request.messages), "seed": request.seed, "grammar": request.grammar}

    async def send(self, body: JsonObject) -> Reply:
        text = self.say(body, len(self.sent))
        self.sent.append(body)
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return Reply(text, "stop", {"choices": [choice]})

    async def close(self) -> None:
        pass


QUESTIONS = (
    "{}, “{}”, would anybody put it that way in your street?",
    "{}, how old were you when “{}” first meant something?",
    "{}, do you laugh or nod when you hear “{}”?",
    "{}, suppose a child asks about “{}”, what then?",
    "{}, who in your family could have told us “{}” as well?",
    "{}, which of your neighbours would contradict “{}” at once?",
)


def speaks(body: JsonObject, number: int) -> str:
    return SENTENCES[number % len(SENTENCES)]


def asks(body: JsonObject, number: int) -> str:
    """A question that takes up the last words said."""
    said = str(body["messages"][-1]["content"])
    match = re.search(r"Now your question to (\S+)\.\)$", said)
    assert match
    taken = " ".join(re.findall(r"[\w'’-]+", said.split("\n\n")[1])[-6:])
    return QUESTIONS[number % len(QUESTIONS)].format(match[1], taken)


PEOPLE = {persona.key: persona for persona in load_all([])}
STANCES = (
    "wholly for the purple lantern",
    "rather against upholstered ladders",
    "torn over marmalade tariffs",
    "not at all for velvet trousers",
)


def talk(
    *keys: str, setting: Setting = "cross-cultural", max_turns: int = 14, stances: bool = True
) -> tuple[Casting, Scenario]:
    """A dialogue about nothing that stands on any card."""
    seed = Seed(key="stairs", topic="painted stairs", question="Who ought to paint the stairs of a shared building?")
    participants = []
    for number, key in enumerate(keys):
        persona = PEOPLE[key]
        has_stance = stances and persona.role == "delegate"
        stance = Stance(code=number, text=STANCES[number]) if has_stance else None
        participants.append(Participant(persona=persona, stance=stance))
    scenario = Scenario(
        name="stairs",
        title="Stairs",
        setting=setting,
        cultures=tuple(sorted({PEOPLE[key].culture for key in keys} - {"american"})),
        protocol="self-guidance",
        seeds=(seed,),
        people=len(keys),
        max_turns=max_turns,
    )
    return Casting(number=1, seed=seed, participants=tuple(participants)), scenario


TALKS = {
    "two of one culture": talk("turkish-elif", "turkish-huseyin", setting="in-cultural"),
    "a main contact and a delegate": talk("american-diane", "korean-byeongho"),
    "a panel of four": talk(
        "german-marion", "spanish-nestor", "arabic-suha", "bengali-bimal", setting="panel", max_turns=28
    ),
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real database in which a run exists."""
    path = tmp_path_factory.mktemp("agents") / "runs.db"
    store = Store(f"sqlite:///{path}")
    edition = scenarios.load_edition(scenarios.find("quickstart"))
    new_run(store, edition, seed=1, models=parse_roles("scripted", []), settings=Settings(), run_id="r")
    store.close()
    return path


@pytest.fixture
def ledger(database: Path, tmp_path: Path) -> Iterator[Ledger]:
    """A real ledger over a copy of it."""
    store = Store(f"sqlite:///{shutil.copy(database, tmp_path)}")
    yield Ledger("r", store.journal, Budget(), 4)
    store.close()


@dataclass
class Held:
    """A dialogue that was held, with all that its models were sent."""

    casting: Casting
    scenario: Scenario
    turns: list[Turn]
    speaker: Recorder
    moderator: Recorder

    def requests_of(self, persona: Persona) -> list[list[dict[str, str]]]:
        """The message lists that one persona's agent sent, in order."""
        begin = f"You are {persona.name},", f"You are {persona.name}. "
        return [body["messages"] for body in self.speaker.sent if body["messages"][0]["content"].startswith(begin)]


async def hold(
    casting: Casting, scenario: Scenario, ledger: Ledger, *, small: bool = False, memory: Memory = "window"
) -> Held:
    scenario = scenario.model_copy(update={"memory": memory})
    traits = Traits(small=small, grammar=small)
    speaker, moderator = Recorder(speaks, traits), Recorder(asks, traits)
    turns: list[Turn] = []
    async for event in converse(
        casting, scenario, "r.d1", [], run_seed=1, speaker=speaker, moderator=moderator, ledger=ledger
    ):
        if isinstance(event, Ending):
            assert (event.status, event.stop_reason) == (Status.DONE, "completed")
        else:
            turns.append(event)
    assert len(turns) == len(schedule(scenario.protocol, len(casting.participants), scenario.max_turns, small=small))
    return Held(casting, scenario, turns, speaker, moderator)


def word_set(text: str) -> set[str]:
    return set(re.findall(r"[^\W\d_]{4,}", text.casefold()))


def pieces_of(persona: Persona, stance: Stance | None) -> list[str]:
    """All that stands on a card and is nobody else's business, in whole pieces."""
    pieces = [persona.scope, persona.work, persona.schooling, persona.observance, persona.generation]
    pieces += [persona.speech.manner, *(norm.text for norm in persona.norms)]
    pieces += [piece for value in persona.values for piece in (value.value, value.why)]
    return pieces + ([stance.text] if stance else [])


def allowed_to(me: Participant, casting: Casting) -> str:
    """What may be known to one at the table: the own card, who else sits there, the question, and the templates."""
    names = " ".join(p.persona.called for p in casting.participants)
    templates = " ".join(path.read_text("utf-8") for path in Path(culturepark.languages.__file__).parent.glob("en/*.*"))
    own = me.persona.model_dump_json() + me.persona.country_name + (me.stance.text if me.stance else "")
    return " ".join([own, names, casting.seed.question, casting.seed.topic, templates])


# --- what a persona's agent is shown -----------------------------------------------------------------------


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("name", TALKS)
async def test_an_agent_is_shown_its_own_card_and_never_a_word_of_anothers(
    name: str, small: bool, ledger: Ledger
) -> None:
    held = await hold(*TALKS[name], ledger, small=small)
    public = word_set(" ".join(turn.text for turn in held.turns))
    for me in held.casting.participants:
        requests = held.requests_of(me.persona)
        assert requests
        own = requests[0][0]["content"]
        assert all(messages[0] == {"role": "system", "content": own} for messages in requests)
        wanted = [norm.text for norm in me.persona.norms] + [value.value for value in me.persona.values]
        assert all(piece in own for piece in [*wanted, *([me.stance.text] if me.stance else [])])
        allowed = allowed_to(me, held.casting)
        for other in held.casting.participants:
            if other is me:
                continue
            pieces = pieces_of(other.persona, other.stance)
            secret = word_set(" ".join([*pieces, other.persona.name])) - word_set(allowed) - public
            assert len(secret) > 50
            for messages in requests:
                text = "\n".join(message["content"] for message in messages)
                assert not [piece for piece in pieces if piece in text and piece not in allowed]
                assert not secret & word_set(text)
                assert other.persona.name not in text


@pytest.mark.parametrize("name", TALKS)
async def test_no_grammar_holds_a_word_of_another_card(name: str, ledger: Ledger) -> None:
    held = await hold(*TALKS[name], ledger, small=True)
    for body in held.speaker.sent:
        me = next(p for p in held.casting.participants if body["messages"] in held.requests_of(p.persona))
        others = [p for p in held.casting.participants if p is not me]
        assert body["grammar"].startswith("root ::= ")
        for other in others:
            pieces = [*(norm.text for norm in other.persona.norms), *(value.value for value in other.persona.values)]
            assert not any(piece in body["grammar"] for piece in [*pieces, other.stance.text if other.stance else "§"])


@pytest.mark.parametrize("name", TALKS)
async def test_own_turns_are_assistant_messages_and_those_of_others_user_messages(name: str, ledger: Ledger) -> None:
    held = await hold(*TALKS[name], ledger, memory="whole")
    called = {p.persona.key: p.persona.called for p in held.casting.participants} | {MODERATOR: "Moderator"}
    for me in held.casting.participants:
        key = me.persona.key
        mine = [turn for turn in held.turns if turn.speaker == key]
        requests = held.requests_of(me.persona)
        assert len(requests) == len(mine)
        for turn, messages in zip(mine, requests, strict=True):
            before = [t for t in held.turns if t.position < turn.position]
            roles = [message["role"] for message in messages]
            assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
            own = [message["content"] for message in messages if message["role"] == "assistant"]
            assert own == [t.text for t in before if t.speaker == key]
            heard = "\n\n".join(message["content"] for message in messages if message["role"] == "user")
            labelled = [f"{called[t.speaker]}: {t.text}" for t in before if t.speaker != key]
            assert re.findall(rf"(?m)^(?:{'|'.join(called.values())}): .*$", heard) == labelled
            assert not any(t.text in heard for t in before if t.speaker == key)


@pytest.mark.parametrize("name", TALKS)
async def test_the_prompt_only_grows_at_its_end_and_the_request_comes_last(name: str, ledger: Ledger) -> None:
    held = await hold(*TALKS[name], ledger, memory="whole")
    for me in held.casting.participants:
        requests = held.requests_of(me.persona)
        assert requests
        for earlier, later in pairwise(requests):
            assert later[: len(earlier) - 1] == earlier[:-1]
            heard, request = earlier[-1]["content"].rsplit("\n\n", 1)
            heard = heard.partition("\n\n(For you alone")[0]  # what comes to mind is gone at the next turn
            assert later[len(earlier) - 1]["content"] == heard
            assert request.startswith(f"({me.persona.called}, it is your turn.")
            assert request.endswith(")")
            assert not any("it is your turn" in message["content"] for message in later[:-1]), "it was asked once"


async def test_a_small_model_is_shown_the_last_words_of_the_others_alone(ledger: Ledger) -> None:
    held = await hold(*TALKS["a panel of four"], ledger, small=True)
    for me in held.casting.participants:
        mine = [turn for turn in held.turns if turn.speaker == me.persona.key]
        for turn, messages in zip(mine, held.requests_of(me.persona), strict=True):
            others = [t for t in held.turns if t.position < turn.position and t.speaker != me.persona.key]
            assert [message["role"] for message in messages] == ["system", "user"]
            said = [t.text for t in held.turns if t.text in messages[1]["content"]]
            assert said == [t.text for t in others[-2:]]


async def test_each_attempt_has_a_seed_of_its_own_and_every_request_its_row(ledger: Ledger) -> None:
    held = await hold(*TALKS["two of one culture"], ledger)
    seeds = [body["seed"] for body in [*held.speaker.sent, *held.moderator.sent]]
    assert len(set(seeds)) == len(seeds)
    by_model = [turn for turn in held.turns if turn.origin == "model"]
    assert len(by_model) == len(seeds)
    assert len({turn.call_id for turn in by_model}) == len(by_model)
    assert {turn.call_id.partition(".c")[0] for turn in by_model if turn.call_id} == {
        f"r.d1.t{turn.position}" for turn in by_model
    }


async def test_an_agent_is_rebuilt_from_stored_turns_alone(ledger: Ledger) -> None:
    casting, scenario = TALKS["two of one culture"]
    held = await hold(casting, scenario, ledger)
    slots = schedule("self-guidance", 2, scenario.max_turns)
    again = Recorder(speaks)
    client = LedgerClient(ledger, again)
    _, people = seat(casting, scenario, client, client)
    turn = next(t for t in held.turns if t.speaker == casting.participants[0].persona.key and t.position > 8)
    earlier = [t for t in held.turns if t.position < turn.position]
    for _ in range(2):  # the second time the agent has spoken already; that must leave no trace
        await speak_directly(people[0], Ask(slots[turn.slot - 1], "r.d1.t99", seed=len(again.sent)), earlier)
    sent = [body["messages"] for body in held.speaker.sent]
    assert again.sent[0]["messages"] == again.sent[1]["messages"]
    assert again.sent[0]["messages"] in sent


# --- the moderator ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TALKS)
async def test_the_moderator_sees_the_cue_and_what_was_just_said_and_nothing_else(name: str, ledger: Ledger) -> None:
    held = await hold(*TALKS[name], ledger)
    asked = [turn for turn in held.turns if turn.speaker == MODERATOR and turn.origin == "model"]
    phases = {turn.phase for turn in held.turns}
    assert sorted(turn.phase for turn in asked) == sorted(phases), "one follow-up in each phase"
    for turn, body in zip(asked, held.moderator.sent, strict=True):
        system, user = body["messages"]
        assert (system["role"], user["role"]) == ("system", "user")
        before = held.turns[: turn.position - 1]
        last = before[-1]
        cue = next(t for t in reversed(before) if t.speaker == MODERATOR)
        called = held.casting.by_key(last.speaker).persona.called
        assert user["content"].startswith(f"Moderator: {cue.text}\n\n{called}: {last.text}\n\n(Now your question to ")
        shown = "\n".join(message["content"] for message in body["messages"])
        assert not [t.text for t in before if t not in (cue, last) and t.text in shown]
        assert held.casting.seed.question in system["content"]
        for participant in held.casting.participants:
            assert not any(piece in shown for piece in pieces_of(participant.persona, participant.stance))
            assert participant.persona.place not in shown


async def test_a_cue_is_fixed_and_asks_no_model(ledger: Ledger) -> None:
    held = await hold(*TALKS["two of one culture"], ledger)
    cues = [turn for turn in held.turns if turn.origin == "cue"]
    assert len(cues) == len({turn.phase for turn in held.turns})
    assert all(turn.call_id is None and turn.speaker == MODERATOR for turn in cues)
    assert held.casting.seed.question in cues[1].text


# --- small models -------------------------------------------------------------------------------------------


async def test_only_a_small_model_gets_a_grammar(ledger: Ledger) -> None:
    casting, scenario = TALKS["two of one culture"]
    large = await hold(casting, scenario, ledger)
    assert [body["grammar"] for body in [*large.speaker.sent, *large.moderator.sent]] == [None] * len(
        [*large.speaker.sent, *large.moderator.sent]
    )


async def test_a_small_model_gets_a_grammar_for_every_speech_and_is_asked_nothing_about_others(ledger: Ledger) -> None:
    held = await hold(*TALKS["two of one culture"], ledger, small=True)
    assert not held.moderator.sent
    assert {turn.origin for turn in held.turns} == {"cue", "picked"}
    for body in held.speaker.sent:
        assert re.fullmatch(r'root ::= .+\nfree ::= .+ "\."\n', body["grammar"])
        assert "{{" not in body["grammar"]


async def test_a_small_models_grammar_lists_only_norms_not_yet_told(ledger: Ledger) -> None:
    casting, scenario = TALKS["two of one culture"]
    me = casting.participants[0]
    speaker = Recorder(speaks, Traits(small=True, grammar=True))
    client = LedgerClient(ledger, speaker)
    _, people = seat(casting, scenario, client, client)
    slots = schedule("self-guidance", 2, scenario.max_turns)
    slot = next(s for s in slots if s.phase == "culture" and s.act == "speech" and s.person == 0)
    norms = [norm.text for norm in me.persona.norms]
    heard: list[Turn] = []
    for number in range(len(norms) + 1):
        await speak_directly(people[0], Ask(slot, f"r.d1.t{number}", seed=number), heard)
        grammar = speaker.sent[-1]["grammar"]
        listed = [norm for norm in norms if phrasing.quoted(norm)[1:-1] in grammar]
        assert listed == norms[number:]
        if number < len(norms):
            text = f"Where I live it is like this. {norms[number]}"
            heard.append(
                Turn(
                    position=number + 1, slot=number + 1, speaker=me.persona.key, role="delegate", phase="culture",
                    text=text, origin="model",
                )
            )  # fmt: skip
    assert speaker.sent[-1]["grammar"].startswith("root ::= free\n"), "with nothing left to tell it speaks freely"


async def test_what_another_has_told_may_still_be_told(ledger: Ledger) -> None:
    casting, scenario = TALKS["two of one culture"]
    me, other = casting.participants
    speaker = Recorder(speaks, Traits(small=True, grammar=True))
    client = LedgerClient(ledger, speaker)
    _, people = seat(casting, scenario, client, client)
    slot = next(
        s for s in schedule("self-guidance", 2, 14) if s.phase == "culture" and s.act == "speech" and s.person == 0
    )
    told = Turn(
        position=1, slot=1, speaker=other.persona.key, role="delegate", phase="culture", origin="model",
        text=me.persona.norms[0].text,
    )  # fmt: skip
    await speak_directly(people[0], Ask(slot, "r.d1.t1", seed=1), [told])
    assert phrasing.quoted(me.persona.norms[0].text)[1:-1] in speaker.sent[-1]["grammar"]


async def test_a_small_model_states_its_stance_where_it_is_asked_for_it(ledger: Ledger) -> None:
    casting, scenario = TALKS["a main contact and a delegate"]
    held = await hold(casting, scenario, ledger, small=True)
    stance = casting.participants[1].stance
    assert stance is not None
    opinions = [t for t in held.turns if t.phase == "opinion" and t.role != "moderator"]
    speeches = [t for t in held.turns if t.role != "moderator"]
    for turn in opinions:
        grammar = held.speaker.sent[speeches.index(turn)]["grammar"]
        assert (stance.text in grammar) == (turn.role == "delegate")


# --- as an AgentChat team --------------------------------------------------------------------------------------


async def run_team(casting: Casting, scenario: Scenario, ledger: Ledger, **options: str) -> TaskResult:
    model = ScriptedModel(SCRIPTED)
    team = as_team(casting, scenario, LedgerChatClient(ledger, model), LedgerChatClient(ledger, model))
    return await team.run(**options)


@pytest.mark.parametrize("name", TALKS)
@pytest.mark.parametrize("options", [{}, {"task": "Please begin."}])
async def test_a_team_runs_the_whole_schedule_in_its_order(name: str, options: dict[str, str], ledger: Ledger) -> None:
    casting, scenario = TALKS[name]
    result = await run_team(casting, scenario, ledger, **options)
    said = [m for m in result.messages if isinstance(m, TextMessage) and m.source != "user"]
    slots = schedule(scenario.protocol, len(casting.participants), scenario.max_turns)
    names = [agent_name(p.persona.key) for p in casting.participants]
    assert [m.source for m in said] == [names[s.person] if s.act == "speech" else MODERATOR for s in slots]
    assert all(m.content.strip() for m in said)
    for slot, message in zip(slots, said, strict=True):
        if slot.act == "cue":
            assert message.content == phrasing.line("cue", slot, casting, scenario)[0]
        if slot.act == "follow-up":
            assert message.content.startswith(f"{casting.participants[slot.person].persona.called}, ")
            assert message.content.endswith("?")


async def test_a_team_with_the_same_models_says_what_the_loop_says(ledger: Ledger) -> None:
    casting, scenario = TALKS["a main contact and a delegate"]
    speaker, moderator = Recorder(speaks), Recorder(asks)
    team = as_team(casting, scenario, LedgerChatClient(ledger, speaker), LedgerChatClient(ledger, moderator))
    result = await team.run()
    held = await hold(casting, scenario, ledger)
    assert [m.content for m in result.messages if isinstance(m, TextMessage)] == [turn.text for turn in held.turns]
    assert [b["messages"] for b in speaker.sent] == [b["messages"] for b in held.speaker.sent]
    assert [b["messages"] for b in moderator.sent] == [b["messages"] for b in held.moderator.sent]


async def test_a_team_can_be_run_again_after_a_reset(ledger: Ledger) -> None:
    casting, scenario = TALKS["two of one culture"]
    model = ScriptedModel(SCRIPTED)
    team = as_team(casting, scenario, LedgerChatClient(ledger, model), LedgerChatClient(ledger, model))
    first = await team.run()
    await team.reset()
    second = await team.run()
    texts = [[m.content for m in result.messages if isinstance(m, TextMessage)] for result in (first, second)]
    assert texts[0] == texts[1]


async def test_a_client_of_autogen_gets_only_arguments_that_endpoints_have() -> None:
    client = create_autospec(ChatCompletionClient)
    usage = RequestUsage(prompt_tokens=1, completion_tokens=1)
    client.create.return_value = CreateResult(finish_reason="stop", content="Tea.", usage=usage, cached=False)
    request = Request(({"role": "user", "content": "Tea or coffee?"},), max_tokens=9, temperature=0.5, seed=1)
    reply = await client_of(client).ask(request, subject_id="r.d1.t1", prompt_digest="")
    assert reply.text == "Tea."
    assert client.create.await_args.kwargs["extra_create_args"] == {"seed": 1, "max_tokens": 9, "temperature": 0.5}


# --- names ---------------------------------------------------------------------------------------------------


def test_every_shipped_persona_can_be_an_agent_and_no_two_have_one_name() -> None:
    names = [agent_name(key) for key in PEOPLE]
    assert len(set(names)) == len(PEOPLE)
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize("key", ["2nd-generation", "1", "moderator"])
async def test_a_persona_whose_file_name_passes_check_can_be_seated(key: str, tmp_path: Path, ledger: Ledger) -> None:
    card = (Path(scenarios.package_dir("personas")) / "turkish-elif.yaml").read_text("utf-8")
    path = tmp_path / f"{key}.yaml"
    path.write_text(card.replace("called: Elif", "called: Ada").replace("Elif Yıldız", "Ada Yıldız"), "utf-8")
    try:
        scenarios.check(path)
    except CatalogError:
        return  # refusing the name is as good
    persona = scenarios.load_persona(path)
    casting, scenario = TALKS["two of one culture"]
    casting = casting.model_copy(update={"participants": (Participant(persona=persona), casting.participants[1])})
    held = await hold(casting, scenario, ledger)
    assert {turn.speaker for turn in held.turns} == {key, "turkish-huseyin", MODERATOR}
    spoken = [turn.text for turn in held.turns if turn.speaker == key and turn.role == "delegate"]
    own = [message["content"] for message in held.requests_of(persona)[-1] if message["role"] == "assistant"]
    assert own == spoken[:-1]


async def test_tools_are_refused(ledger: Ledger) -> None:
    client = LedgerChatClient(ledger, Recorder(speaks))
    with pytest.raises(NotImplementedError):
        await client.create([], tools=[object()], cancellation_token=CancellationToken())


# --- without AutoGen -----------------------------------------------------------------------------------------


async def transcript(
    casting: Casting, scenario: Scenario, folder: Path, database: Path, model: ChatModel, said: list[str]
) -> tuple[list[Turn | Ending], list[tuple[str, ...]]]:
    """The turns of a dialogue and its end, and the calls that it took, in a store of its own."""
    store = Store(f"sqlite:///{shutil.copy(database, folder)}")
    ledger = Ledger("r", store.journal, Budget(), 4, notice=said.append)
    events = [
        event
        async for event in converse(
            casting, scenario, "r.d1", [], run_seed=1, speaker=model, moderator=model, ledger=ledger
        )
    ]
    with store.database.reading() as session:
        columns = "id, subject_id, prompt_digest, request, response, seed"
        calls = [tuple(map(str, row)) for row in session.execute(text(f"SELECT {columns} FROM call ORDER BY id"))]
    store.close()
    return events, calls


@pytest.mark.parametrize("kind", ["scripted", "scripted, small", "endpoint"])
@pytest.mark.parametrize("name", ["a main contact and a delegate", "a panel of four"])
@pytest.mark.sampled
async def test_without_autogen_a_dialogue_is_the_same_to_the_byte(
    name: str, kind: str, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Endpoint() as endpoint:
        model: ChatModel = OpenAIModel(parse(f"openai:m@{endpoint.url}"))
        if kind != "endpoint":
            model = ScriptedModel(SCRIPTED)
            model.traits = Traits(small=kind.endswith("small"), grammar=kind.endswith("small"))
        said: list[str] = []
        with_it, without = tmp_path / "with", tmp_path / "without"
        with_it.mkdir()
        without.mkdir()
        expected = await transcript(*TALKS[name], with_it, database, model, said)
        assert voice(said.append) is not speak_directly
        assert said == []
        monkeypatch.setitem(sys.modules, "culturepark.dialogue.autogen", None)  # as if it could not be imported
        voice.cache_clear()
        assert await transcript(*TALKS[name], without, database, model, said) == expected
        assert len(said) == 1
        assert said[0].startswith("AutoGen cannot be imported, agents speak without it (ModuleNotFoundError")
        await model.close()
    voice.cache_clear()
    assert len(expected[0]) > 4
    assert len(expected[1]) > 4


def test_a_team_says_that_it_needs_autogen(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "culturepark.dialogue.autogen", None)
    monkeypatch.delattr("culturepark.dialogue.autogen", raising=False)
    with pytest.raises(UsageError, match="a team needs AutoGen: pip install autogen-agentchat"):
        as_team(*TALKS["two of one culture"], None, None)
