"""What a speaker is shown of a long talk: the last turns word by word, and a line of each speech before them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest

from culturepark.catalog.personas import load_all
from culturepark.dialogue.agents import MODERATOR, Ask, Heard, PersonaAgent, seat
from culturepark.dialogue.memory import LATEST, STEP, first_shown, line_of, lines_kept
from culturepark.dialogue.protocol import Slot
from culturepark.domain import Casting, Memory, Participant, Scenario, Seed
from culturepark.languages import PACKAGES, load_language
from culturepark.models.chat import Reply, Request, Usage
from culturepark.models.tokens import encoding

FOLK = {persona.key: persona for persona in load_all([], {"german", "korean"})}
MARION, MINJAE = FOLK["german-marion"], FOLK["korean-minjae"]
SEED = Seed(key="stairs", topic="painted stairs", question="Who ought to paint the stairs of a shared building?")


class Asked:
    """Keeps the requests of an agent."""

    small = False

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def ask(self, request: Request, *, subject_id: str, prompt_digest: str) -> Reply:
        self.requests.append(request)
        return Reply.of({"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}, Usage())


def scenario(memory: Memory) -> Scenario:
    return Scenario(
        name="stairs",
        title="Stairs",
        setting="cross-cultural",
        cultures=("german", "korean"),
        protocol="self-guidance",
        seeds=(SEED,),
        memory=memory,
    )


def said(count: int) -> list[Heard]:
    """So many turns: the moderator asks, one answers, the other takes it up."""
    speakers = (MODERATOR, MARION.key, MINJAE.key)
    return [
        Heard(speakers[n % 3], f"This is turn {n}, and it has words enough. " + f"Step {n} of the stairs creaks. " * 9)
        for n in range(count)
    ]


async def asked(talk: Sequence[Heard], person: int, memory: Memory = "window") -> Request:
    """Return what a person is asked after a talk."""
    client = Asked()
    casting = Casting(number=1, seed=SEED, participants=(Participant(persona=MARION), Participant(persona=MINJAE)))
    _, people = seat(casting, scenario(memory), client, client, {})
    agent: PersonaAgent = people[person]
    await agent.speak(Ask(Slot(len(talk) + 1, "response", "speech", person), "r.d1.t1", 1), talk)
    return client.requests[0]


def tokens(request: Request) -> list[int]:
    o200k = encoding("gpt-4o")
    assert o200k is not None
    return o200k.encode_ordinary("\n".join(f"{m['role']}\n{m['content']}" for m in request.messages))


async def test_a_talk_grows_with_its_turns_and_not_with_their_square() -> None:
    spent = {
        memory: [
            sum([len(tokens(await asked(said(n), n % 2, memory))) for n in range(count)]) for count in (20, 40, 80)
        ]
        for memory in ("window", "whole")
    }
    window, whole = spent["window"], spent["whole"]
    assert window[2] - window[1] < 2.2 * (window[1] - window[0]), "the second forty cost as much as the first"
    assert whole[2] - whole[1] > 2.7 * (whole[1] - whole[0])
    assert window[2] < whole[2] / 2


async def test_a_prompt_has_a_limit_however_long_the_talk_is() -> None:
    lengths = [len(tokens(await asked(said(count), 0))) for count in (60, 120, 240)]
    assert max(lengths) - min(lengths) < STEP * 120


async def test_between_two_steps_a_prompt_only_grows_at_its_end() -> None:
    for count in range(40):
        earlier, later = await asked(said(count), 0), await asked(said(count + 1), 0)
        if first_shown(count) == first_shown(count + 1):
            whole = ["".join(m["content"] for m in request.messages) for request in (earlier, later)]
            heard = whole[0].rpartition("(")[0].rstrip()
            assert whole[1].startswith(heard), count


async def test_no_turn_is_shown_twice_and_no_speech_is_forgotten() -> None:
    talk = said(16)
    request = await asked(talk, 0)
    shown = "\n".join(message["content"] for message in request.messages)
    first = first_shown(len(talk))
    for number, turn in enumerate(talk):
        beginning = f"This is turn {number}, and it has words enough."
        recent = number >= first
        assert shown.count(beginning) == (recent or turn.speaker != MODERATOR), number
        assert (turn.text.strip() in shown) == recent, number
    assert "- Marion: This is turn 1, " in shown.replace(MARION.called, "Marion")


async def test_a_short_talk_is_shown_whole() -> None:
    talk = said(LATEST + STEP - 1)
    shown = "\n".join(message["content"] for message in (await asked(talk, 1)).messages)
    assert all(turn.text.strip() in shown for turn in talk)
    assert load_language("en").frame("said_before").text.partition("\n")[0] not in shown


async def test_what_is_the_same_in_all_talks_of_a_person_comes_first() -> None:
    other = Seed(key="bins", topic="bins", question="Who takes out the bins?")
    cards = []
    for seed, beside in ((SEED, MINJAE), (other, FOLK["korean-byeongho"])):
        client = Asked()
        casting = Casting(number=1, seed=seed, participants=(Participant(persona=MARION), Participant(persona=beside)))
        _, people = seat(casting, scenario("window"), client, client, {})
        cards.append(people[0].card)
    same = next(place for place, pair in enumerate(zip(*cards, strict=False)) if pair[0] != pair[1])
    assert same > 0.9 * min(map(len, cards))
    assert all(norm.text in cards[0][:same] for norm in MARION.norms)
    assert SEED.question not in cards[0][:same]


async def test_one_person_after_another_shares_the_talk_with_its_own_last_prompt() -> None:
    for person in (0, 1):
        prompts = [tokens(await asked(said(count), person)) for count in (9, 10)]
        shared = next(n for n, pair in enumerate(zip(*prompts, strict=False)) if pair[0] != pair[1])
        assert shared >= 1024
        assert shared > 0.8 * len(prompts[0])


@pytest.mark.parametrize("code", sorted(PACKAGES.names()))
def test_a_line_is_the_beginning_of_a_speech_in_every_language(code: str) -> None:
    language = load_language(code)
    speech = language.sections("moves")["ask", "fallback"] * 3
    line = line_of(speech, language, own=False)
    assert speech.replace("\n", " ").startswith(line.removesuffix(" …"))
    assert 0 < len(line) < len(speech)


def test_the_first_and_the_last_lines_stay() -> None:
    kept = lines_kept([True, False] * 20)
    assert kept == sorted(kept)
    assert {0, 1, 38, 39} <= set(kept)
    assert len(kept) == 16
    assert lines_kept([True, False, True]) == [0, 1, 2]
    assert all(earlier <= later for earlier, later in pairwise(map(first_shown, range(50))))
