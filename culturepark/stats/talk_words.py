"""Words of a talk in any script: tokens, stems, and the longest run of words that two texts share. Pure.

There are no lists of words. What is too frequent in the talks and cards at hand to say anything (`common`) is found by
counting, so that it holds in any language.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from sys import intern

from culturepark.domain import Casting, Participant, Persona, Scene
from culturepark.stats.diversity import UNSPACED, words

Stems = frozenset[str]
STEM = 5
"""Letters by which two forms of a word are taken for one."""
HANGUL = re.compile("[\uac00-\ud7a3]{2,}")
"""A word of the Korean script; its first two syllables are mostly the noun or verb before particles and endings."""
ABJAD = re.compile("[\u0590-\u06ff\u0750-\u077f]{3,}")
"""A word of the Arabic or Hebrew script, which leaves out vowels: three letters are a word of content there."""
ABJAD_STEM = 4
ARTICLE = re.compile("^(?:[\u0648\u0641\u0628\u0643]?\u0627\u0644|\u0644\u0644)(?=...)")
"""The article of the Arabic script, with a particle of one letter; it is written as part of the word."""
COMMON_SHARE, COMMON_LEAST = 0.05, 4
"""Share of passages, and their number, from which on a stem says nothing about what a passage is about. In recorded
talks of a large model this leaves half of a turn's stems."""
APART = " | "
"""Between passages of a card, so that no run of words goes from one to the next; no token looks like it."""


@lru_cache(maxsize=8192)
def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text, each kept once for all texts; in scripts without spaces each character is one."""
    return tuple(map(intern, words(text)))


@lru_cache(maxsize=8192)
def stem_list(text: str) -> tuple[str, ...]:
    """Return the stems of a text's longer words, in their order and as often as they stand there."""
    return tuple(map(intern, stem_iterator(tokens(text))))


def stems(text: str) -> Stems:
    return frozenset(stem_list(text))


def stem_iterator(found: Sequence[str]) -> Iterator[str]:
    before = ""
    for word in found:
        unspaced = len(word) == 1 and UNSPACED.match(word) is not None
        if unspaced and before:
            yield before + word
        before = word if unspaced else ""
        if unspaced:
            continue
        if HANGUL.fullmatch(word):
            yield word[:2]
        elif ABJAD.fullmatch(word):
            bare = ARTICLE.sub("", word)
            yield bare[:ABJAD_STEM]
        elif len(word) > 3:
            yield word[:STEM]


def length(run: Sequence[str]) -> int:
    """Return the length of a run in words; two characters of a script without spaces count as one."""
    characters = sum(len(word) == 1 and UNSPACED.match(word) is not None for word in run)
    return len(run) - characters + characters // 2


# --- what says nothing, and what everybody was given ----------------------------------------------


def common(passages: Iterable[str]) -> Stems:
    """Return the stems that stand in so many of the passages that sharing one says nothing."""
    spread = Counter[str]()
    count = 0
    for passage in passages:
        spread.update(stems(passage))
        count += 1
    least = max(COMMON_LEAST, COMMON_SHARE * count)
    return frozenset(stem for stem, times in spread.items() if times >= least)


def given(casting: Casting) -> Stems:
    """Return the stems of what everybody at the table was given: question, answers, case and names."""
    seed, situation = casting.seed, casting.situation
    texts = [seed.topic, seed.question, *(option.label for option in (seed.item.options if seed.item else ()))]
    if situation:
        texts += [situation.place, situation.relation, situation.stake, situation.unsaid, situation.told]
        texts += [choice.text for choice in situation.choices]
    texts += [f"{person.persona.name} {person.persona.called}" for person in casting.participants]
    return frozenset[str]().union(*map(stems, texts))


# --- cards ---------------------------------------------------------------------------------------


def told_on(persona: Persona) -> list[str]:
    """Return the passages of a card that somebody can tell: norms, values, scenes and scope. Sayings are meant to be
    said as they stand."""
    passages = [norm.text for norm in persona.norms]
    passages += [text for value in persona.values for text in (value.value, value.why)]
    passages += [f"{scene.when} {scene.where} {scene.text}" for scene in scenes_of(persona)]
    return [*passages, persona.scope]


def scenes_of(persona: Persona) -> Sequence[Scene]:
    return persona.episodes.scenes if persona.episodes else ()


def echoed(persona: Persona, stance: str) -> str:
    """Return the words of a card, in which runs are looked for."""
    return f" {APART.join(' '.join(tokens(passage)) for passage in (*told_on(persona), stance))} "


def on_card(persona: Persona) -> Stems:
    """Return all stems of a card."""
    facts = (
        persona.region, persona.place, persona.household or "", persona.work, persona.schooling, persona.faith,
        persona.observance, persona.generation, *persona.languages, persona.speech.manner,
        *(norm.topic for norm in persona.norms),
        *(text for saying in persona.sayings for text in (saying.text, saying.english)),
        *(text for scene in scenes_of(persona) for text in (scene.who, *scene.topics)),
    )  # fmt: skip
    return frozenset[str]().union(*map(stems, (*told_on(persona), *facts)))


@lru_cache(maxsize=32)  # a card of many scenes takes 150 KB
def pairs_of(card: str) -> frozenset[tuple[str, str]]:
    """Return the adjacent words of a card's words."""
    found = [*map(intern, card.split())]
    return frozenset(pairwise(found))


def longest_run(said: Sequence[str], card: str) -> int:
    """Return the length of the longest run of consecutive words that stands in a card, in words.

    Args:
        card: as `echoed` returns it.
    """
    pairs, best, start = pairs_of(card), said[:0], 0
    while start < len(said):
        end = start + 1  # of words whose pairs all stand on the card
        while end < len(said) and (said[end - 1], said[end]) in pairs:
            end += 1
        for first in range(start, end):
            last = first + len(best) + 1
            while last <= end and f" {' '.join(said[first:last])} " in card:
                best = said[first:last]
                last += 1
        start = end
    return length(best)


def own_answer(person: Participant) -> str:
    """Return the label of the dealt answer; empty where there is none, or where it is a mere number."""
    label = person.stance.text if person.stance else ""
    return label if any(char.isalpha() for char in label) else ""


def holds(said: Sequence[str], label: str) -> bool:
    """Whether words hold a label verbatim, as whole words."""
    wanted = tokens(label)
    return bool(wanted) and f" {' '.join(wanted)} " in f" {' '.join(said)} "
