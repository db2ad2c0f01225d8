"""What a person has in mind at a turn: what was said before the last turns, and a remembered scene. Pure.

A speaker is shown the last turns word by word and a line of each speech before them, so that the length of a prompt has
a limit however long the talk is. The line is the speech's own beginning, where people answer what they were asked.

A scene may be told once in a run. So each dialogue of a person has scenes of its own, those that are nearest to its
question; in the dialogue they come to mind by what was just said, until they are told.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from sys import intern

import numpy as np
import regex

from culturepark.dialogue.assignment import assigned
from culturepark.dialogue.stance import unit
from culturepark.domain import Casting, Persona, Scene, Seed
from culturepark.languages import Language

STEM = 5
"""Characters by which two forms of a word are taken for one."""
TOPIC = 3.0
"""Weight of a word among the topics of a scene, beside one in its text."""
TOLD = 0.3
"""Share of a scene's own words in one turn from which on it counts as told. In recorded talks of a large model, turns
that told a scene held .34 to .66 of them, or .11 to .22 where they told it in other words; turns that did not, up to
.19."""
SOLID = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}]")
"""Scripts in which a word is not what stands between two spaces."""
ARABIC_ARTICLE = regex.compile(r"^[وف]?[بكل]?(?:ال|لل)(?=\p{Arabic}{3})")
"""The article, with what is written in front of it."""
ARABIC_MARKS = regex.compile(r"[\u064b-\u0652\u0640]")
"""Marks that hardly anybody writes."""
LATEST, STEP = 4, 4
"""Turns that are shown word by word at least, and how many leave at a time. Between two steps a prompt only grows, and
a server's prompt cache holds."""
LINES_OF_OWN, LINES_OF_OTHERS = 8, 8
"""The most earlier speeches of which a line is shown."""
LEAST_OF_OWN, LEAST_OF_OTHERS = 100, 60
"""Characters from which on the first sentences of a speech are enough. A person has to know its own words best."""
MOST_OF_LINE = 200
"""Characters of a line."""
SHORTER = 0.4
"""Length of a text in a script without spaces, as a share of the same text in another."""
WORD = re.compile(r"\w+")
Words = frozenset[str]
Scenes = Mapping[tuple[int, str], tuple[int, ...]]
"""(Number of a dialogue, persona's key) -> the scenes, by their place on the card, that may be told there."""


KEPT = 2048
"""Texts of which words and lines are kept: the turns of a hundred dialogues, each of which is looked at at every turn
that follows it."""


@lru_cache(maxsize=KEPT)
def words(text: str) -> Words:
    """Return the stems of the longer words; in Korean and in scripts without spaces, pairs of characters."""
    if text.isascii():
        return frozenset(intern(word[:STEM]) for word in WORD.findall(text.lower()) if len(word) > 3)
    stems: set[str] = set()
    text = ARABIC_MARKS.sub("", unicodedata.normalize("NFC", text).replace("İ", "i").casefold())
    for word in regex.findall(r"[\w\p{M}]+", text):
        if SOLID.search(word):
            stems |= {word[i : i + 2] for i in range(len(word) - 1)}
        elif len(bare := ARABIC_ARTICLE.sub("", word)) > 3 or (bare != word and len(bare) > 2):
            stems.add(bare[:STEM])
    return frozenset(map(intern, stems))


def first_shown(count: int) -> int:
    """Return the number of turns, of so many, that are not shown word by word any more."""
    return max(0, (count - LATEST) // STEP * STEP)


def lines_kept(own: Sequence[bool]) -> list[int]:
    """Return the places of the earlier speeches of which a line is shown, in their order.

    The first and the last ones stay: at the beginning people say who they are and what they would do.

    Args:
        own: for each earlier speech, whether it is the person's own.
    """
    kept: list[int] = []
    for mine, most in ((True, LINES_OF_OWN), (False, LINES_OF_OTHERS)):
        places = [place for place, is_own in enumerate(own) if is_own is mine]
        kept += places if len(places) <= most else [*places[: most // 4], *places[most // 4 - most :]]
    return sorted(kept)


@lru_cache(maxsize=KEPT)
def line_of(text: str, language: Language, *, own: bool) -> str:
    """Return the beginning of a speech: as many whole sentences as say something, on one line."""
    share = SHORTER if SOLID.search(text) else 1.0
    least, most = share * (LEAST_OF_OWN if own else LEAST_OF_OTHERS), round(share * MOST_OF_LINE)
    text = " ".join(text.split())
    end = next((end for _, end in language.sentences(text) if end >= least), len(text))
    if end <= most:
        return text[:end]
    cut = text[:most]
    return (cut.rpartition(" ")[0] or cut).rstrip(",;:-–— ") + " …"


@lru_cache(maxsize=4096)
def scene_words(scene: Scene) -> tuple[Words, Words]:
    """Return the words of a scene's topics, and those of its text."""
    return words(" ".join(scene.topics)), words(f"{scene.when} {scene.where} {scene.who} {scene.text}")


def scenes_of(persona: Persona) -> tuple[Scene, ...]:
    return persona.episodes.scenes if persona.episodes else ()


def nearness(scenes: Sequence[Scene], about: Words) -> list[float]:
    """Return how near each scene is to some words: shared words, the rarer among the scenes the heavier."""
    of_scenes = [topics | text for topics, text in map(scene_words, scenes)]
    spread = Counter(word for own in of_scenes for word in own & about)
    near = []
    for scene in scenes:
        topics, text = scene_words(scene)
        rare = {word: math.log(1 + len(scenes) / spread[word]) for word in (topics | text) & about}
        near.append(sum(weight * (TOPIC if word in topics else 1.0) for word, weight in rare.items()))
    return near


def allotted(castings: Sequence[Casting], run_seed: int) -> Scenes:
    """Give each dialogue of a person scenes of its own, as near as can be to its question.

    It is the linear assignment problem for each person. Where there are more dialogues than scenes, some have none.
    """
    dialogues: dict[str, list[Casting]] = defaultdict(list)
    people: dict[str, Persona] = {}
    for casting in castings:
        for participant in casting.participants:
            dialogues[participant.persona.key].append(casting)
            people[participant.persona.key] = participant.persona
    allotment: dict[tuple[int, str], tuple[int, ...]] = {}
    for key, own in dialogues.items():
        scenes = scenes_of(people[key])
        if not scenes:
            continue
        own = spread_out(own, len(scenes), run_seed, key)
        near = np.array([nearness(scenes, about(casting.seed)) for casting in own])
        columns = np.repeat(near, math.ceil(len(scenes) / len(own)), axis=0)
        taken, places = assigned(columns.T, maximize=True)
        of_dialogue: dict[int, list[int]] = defaultdict(list)
        for scene, place in zip(taken.tolist(), places.tolist(), strict=True):
            of_dialogue[own[place * len(own) // len(columns)].number].append(scene)
        allotment |= {(number, key): tuple(sorted(told)) for number, told in of_dialogue.items()}
    return allotment


def spread_out(castings: Sequence[Casting], most: int, run_seed: int, key: str) -> list[Casting]:
    """Return as many dialogues as there are scenes, drawn by a hash; all, where there are no more."""
    if len(castings) <= most:
        return list(castings)
    drawn = sorted(castings, key=lambda casting: unit("scenes", run_seed, key, casting.number))
    return sorted(drawn[:most], key=lambda casting: casting.number)


def about(seed: Seed) -> Words:
    return words(f"{seed.topic} {seed.question}")


Round = tuple[Sequence[str], str]
"""What a person heard before a turn, and the turn."""


def called_to_mind(scenes: Sequence[Scene], seed: Seed, rounds: Sequence[Round], heard: Sequence[str]) -> Scene | None:
    """Return the scene that comes to mind at a turn: the nearest one that was not told and has not come before.

    Args:
        scenes: those of this dialogue.
        rounds: the person's own turns so far, each with what came before it. The first is the introduction.
        heard: what was said since the last of them; it counts twice as much as the question.
    """
    left = list(scenes)
    own = dict(zip(map(id, scenes), words_apart(tuple(scenes)), strict=True)) if len(rounds) > 1 else {}
    for before, turn in rounds[1:]:
        came = nearest(left, seed, before)
        left = [scene for scene in left if scene is not came and not is_told(own[id(scene)], turn)]
    return nearest(left, seed, heard)


def nearest(scenes: Sequence[Scene], seed: Seed, heard: Sequence[str]) -> Scene | None:
    """Return the scene that is nearest to the talk and the question; None if the talk has nothing to do with any."""
    by_question, by_talk = nearness(scenes, about(seed)), nearness(scenes, words(" ".join(heard)))
    near = [(q + 2 * t, -i) for i, (q, t) in enumerate(zip(by_question, by_talk, strict=True)) if t > 0]
    return scenes[-max(near)[1]] if near else None


def own_words(scene: Scene, scenes: Sequence[Scene]) -> Words:
    """Return the words of a scene that none of the others has."""
    others = frozenset[str]().union(*(scene_words(other)[1] for other in scenes if other is not scene))
    return scene_words(scene)[1] - others


@lru_cache(maxsize=1024)
def words_apart(scenes: tuple[Scene, ...]) -> tuple[Words, ...]:
    """Return the `own_words` of each scene."""
    return tuple(own_words(scene, scenes) for scene in scenes)


def is_told(own: Words, turn: str) -> bool:
    """Whether a turn tells the scene that has these words of its own."""
    return bool(own) and len(own & words(turn)) >= TOLD * len(own)
