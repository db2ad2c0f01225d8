"""What a dialogue and a run show of themselves in a notebook, whatever stands in them."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

import culturepark
from culturepark.domain import storable
from culturepark.report.notebook import run_html
from tests.support.hostile import MARKUP, TERMINAL

TAGS = {
    "div": {"style", "dir", "lang"},
    "p": set(),
    "b": {"dir"},
    "span": {"dir"},
    "small": {"style"},
    "bdi": set(),
    "br": set(),
}
HOSTILE = MARKUP | TERMINAL


class Read(HTMLParser):
    """Collects the texts, and refuses tags and attributes that are not meant to be there."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.open: list[str] = []
        json.dumps(html).encode("utf-8")  # as it is put into a file
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= TAGS[tag]
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


@pytest.fixture(scope="module")
def dialogue() -> culturepark.Dialogue:
    return culturepark.demo().dialogues()[0]


def test_a_dialogue_is_shown_with_its_speakers_and_the_words_of_all_turns(dialogue: culturepark.Dialogue) -> None:
    texts = Read(dialogue._repr_html_()).texts
    places = [texts.index(turn.text) for turn in dialogue.turns]
    assert places == sorted(places)
    names = [next(text for text in reversed(texts[:place]) if text.strip()) for place in places]
    called = {"moderator": "Moderator", "turkish-elif": "Elif Yıldız", "american-terrence": "Terrence Gaines"}
    assert names == [called[turn.speaker] for turn in dialogue.turns]
    html = dialogue._repr_html_()
    assert html.count("border-inline-start") == sum(turn.role == "moderator" for turn in dialogue.turns)
    assert html.count('dir="auto" lang="en"') == len(dialogue.turns)


@pytest.mark.parametrize(
    ("model", "role", "sentence"),
    [
        ("openai:large@http://127.0.0.1:1/v1", "main", "Nobody here exists: a language model was told whom to play."),
        ("scripted", "main", "Nobody here exists, and no language model spoke: a script read from persona cards."),
        ("embedded", "user", "Who asks here is a real person; who answers does not exist"),
    ],
)
def test_it_says_that_nobody_there_exists(dialogue: culturepark.Dialogue, model: str, role: str, sentence: str) -> None:
    turns = (dialogue.turns[1].model_copy(update={"role": role, "speaker": "user" if role == "user" else "elif"}),)
    said = Read(replace(dialogue, model=model, turns=turns)._repr_html_()).texts
    last = next(text for text in reversed(said) if text.strip())
    assert sentence in last
    assert "no evidence of what people of any culture think" in last


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_words_stay_words(dialogue: culturepark.Dialogue, kind: str) -> None:
    text = HOSTILE[kind]
    people = tuple(replace(person, name=text, country=text) for person in dialogue.people)
    turns = tuple(turn.model_copy(update={"text": text}) for turn in dialogue.turns)
    shown = replace(dialogue, id=text, question=text, people=people, turns=turns, language=text)
    texts = "".join(Read(shown._repr_html_()).texts)
    unknown = {"\r": "\n"}  # HTML has one line end
    said = "".join(unknown.get(char, char) for char in storable(text))
    times = len(turns) + sum(turn.speaker != "moderator" for turn in turns) + 2 * len(people) + 2
    assert texts.replace("\r", "\n").count(said) == times


def test_a_dialogue_without_turns_says_so(dialogue: culturepark.Dialogue) -> None:
    bare = culturepark.Dialogue(dialogue.id, dialogue.seed, dialogue.status, ())
    assert "Nothing has been said yet." in bare._repr_html_()


def test_a_run_shows_where_it_stands() -> None:
    run = culturepark.demo()
    words = " ".join("".join(Read(run._repr_html_()).texts).split())
    assert words.startswith("demo, done (completed) Who gets the job when jobs are scarce, recorded from a large")
    assert "2 dialogues done, 16 samples kept" in words
    row = run.store.database.run("demo")
    html = run_html(row.model_copy(update={"stop_reason": HOSTILE["html"]}), HOSTILE["html"], [], 1)
    assert HOSTILE["html"] in "".join(Read(html).texts)
    assert "no dialogues yet, 1 sample kept" in " ".join(html.split())
