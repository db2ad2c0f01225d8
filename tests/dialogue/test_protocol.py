"""The schedule of a dialogue, for every number of people and every limit on turns."""

from itertools import groupby, pairwise

import pytest

from culturepark.dialogue.protocol import PROTOCOLS, Slot, protocol_of, rounds, schedule
from culturepark.errors import StoreError

SCHEDULED = [protocol.name for protocol in PROTOCOLS.values() if protocol.has_schedule]
TABLES = [(protocol, people) for protocol in SCHEDULED for people in range(2, 9)]


def schedules(protocol: str, people: int) -> list[tuple[int, tuple[Slot, ...]]]:
    """Every limit that a scenario with so many people may set, and what comes of it."""
    return [(most, schedule(protocol, people, most)) for most in (*range(max(4, 2 * people), 70), 137, 200)]


def by_phase(slots: tuple[Slot, ...]) -> list[tuple[str, list[Slot]]]:
    return [(phase, list(group)) for phase, group in groupby(slots, key=lambda slot: slot.phase)]


def speakers(slots: list[Slot] | tuple[Slot, ...]) -> list[int]:
    return [slot.person for slot in slots if slot.act == "speech"]


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_personas_never_speak_more_often_than_max_turns(protocol: str, people: int) -> None:
    for most, slots in schedules(protocol, people):
        assert len(speakers(slots)) <= most


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_turns_are_used_up_but_for_less_than_a_round(protocol: str, people: int) -> None:
    for most, slots in schedules(protocol, people):
        if len(by_phase(slots)) > 2:
            assert most - len(speakers(slots)) < people


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_a_dialogue_opens_and_closes_and_its_phases_stand_in_their_order(protocol: str, people: int) -> None:
    for _, slots in schedules(protocol, people):
        phases = [phase for phase, _ in by_phase(slots)]
        assert phases[0] == "opening"
        assert phases[-1] == "closing"
        assert phases == [phase for phase in protocol_of(protocol).phases if phase in phases]


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_everybody_speaks_equally_often_in_every_phase(protocol: str, people: int) -> None:
    for _, slots in schedules(protocol, people):
        for _, group in by_phase(slots):
            said = speakers(group)
            assert {said.count(person) for person in range(people)} == {len(said) // people}


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_nobody_speaks_twice_before_everybody_has_spoken_once_in_a_phase(protocol: str, people: int) -> None:
    for _, slots in schedules(protocol, people):
        for _, group in by_phase(slots):
            said = speakers(group)
            for begin in range(0, len(said), people):
                assert sorted(said[begin : begin + people]) == list(range(people))


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_a_phase_begins_with_its_one_cue(protocol: str, people: int) -> None:
    for _, slots in schedules(protocol, people):
        for _, group in by_phase(slots):
            assert [slot.act for slot in group].count("cue") == 1
            assert group[0].act == "cue"


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_a_phase_has_one_follow_up_and_it_goes_to_the_last_speaker_of_the_first_round(
    protocol: str, people: int
) -> None:
    for _, slots in schedules(protocol, people):
        for _, group in by_phase(slots):
            assert [slot.act for slot in group].count("follow-up") == 1
            place = next(i for i, slot in enumerate(group) if slot.act == "follow-up")
            assert len(speakers(group[:place])) == people - 1
            assert group[place + 1].act == "speech"
            assert group[place + 1].person == group[place].person


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_slots_are_numbered_from_one_on(protocol: str, people: int) -> None:
    for _, slots in schedules(protocol, people):
        assert [slot.number for slot in slots] == list(range(1, len(slots) + 1))
        assert all(0 <= slot.person < people for slot in slots)


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_more_turns_never_mean_fewer_phases_or_fewer_rounds(protocol: str, people: int) -> None:
    before: dict[str, int] = {}
    for most, _ in schedules(protocol, people):
        now = rounds(protocol, people, most)
        assert all(now.get(phase, 0) >= times for phase, times in before.items()), most
        before = now


@pytest.mark.parametrize(("protocol", "people"), TABLES)
def test_phases_are_not_all_begun_by_the_same_person(protocol: str, people: int) -> None:
    for _, slots in schedules(protocol, people):
        first = [speakers(group)[0] for _, group in by_phase(slots)]
        assert all(one != other for one, other in pairwise(first))


@pytest.mark.parametrize(
    ("max_turns", "phases"),
    [
        (12, ["opening", "opinion", "response", "culture", "introduce", "closing"]),
        (11, ["opening", "opinion", "response", "culture", "closing"]),
        (10, ["opening", "opinion", "response", "culture", "closing"]),
        (9, ["opening", "opinion", "culture", "closing"]),
        (8, ["opening", "opinion", "culture", "closing"]),
        (7, ["opening", "opinion", "closing"]),
        (6, ["opening", "opinion", "closing"]),
        (5, ["opening", "closing"]),
        (4, ["opening", "closing"]),
    ],
)
def test_a_smaller_limit_drops_phases_from_the_middle(max_turns: int, phases: list[str]) -> None:
    assert [phase for phase, _ in by_phase(schedule("self-guidance", 2, max_turns))] == phases
    assert set(rounds("self-guidance", 2, max_turns).values()) == {1}


def test_the_same_phases_go_first_whatever_the_number_of_people() -> None:
    for people in range(2, 9):
        for most in range(2, 13):
            assert list(rounds("self-guidance", people, most * people)) == list(rounds("self-guidance", 2, most * 2))


def test_turns_to_spare_make_another_round_in_the_middle_and_never_at_the_ends() -> None:
    assert rounds("self-guidance", 2, 14)["response"] == 2
    assert rounds("self-guidance", 2, 16) == {
        "opening": 1, "opinion": 2, "response": 2, "culture": 1, "introduce": 1, "closing": 1,
    }  # fmt: skip
    assert rounds("free-chat", 2, 14) == {"opening": 1, "chat": 5, "closing": 1}
    assert rounds("free-chat", 2, 5) == {"opening": 1, "closing": 1}
    for protocol, people in TABLES:
        for most in (40, 200):
            count = rounds(protocol, people, most)
            assert (count["opening"], count["closing"]) == (1, 1)


def test_the_schedule_of_a_talk_of_two_reads_like_one() -> None:
    slots = schedule("self-guidance", 2, 4)
    assert [(slot.phase, slot.act, slot.person) for slot in slots if slot.act != "cue"] == [
        ("opening", "speech", 0), ("opening", "follow-up", 1), ("opening", "speech", 1),
        ("closing", "speech", 1), ("closing", "follow-up", 0), ("closing", "speech", 0),
    ]  # fmt: skip


def test_what_runs_without_dialogues_did_is_told_apart() -> None:
    without = [protocol for protocol in PROTOCOLS.values() if not protocol.holds_dialogues]
    assert {protocol.name for protocol in without if protocol.evaluates} == {"evaluation"}
    assert len({protocol.did for protocol in without}) == len(without) == 3
    assert all("`culturepark " in protocol.did for protocol in PROTOCOLS.values())


def test_a_protocol_with_a_user_has_no_schedule_and_one_that_is_unknown_is_damage() -> None:
    for protocol in PROTOCOLS.values():
        scheduled = protocol.holds_dialogues and not protocol.user_sits and not protocol.mines
        assert protocol.has_schedule == bool(schedule(protocol.name, 2, 14)) == scheduled
    with pytest.raises(StoreError, match="no protocol 'chat'"):
        protocol_of("chat")
