"""The words around a row: how its prompt is put, and who is said to answer it. Pure.

All wordings are files of the language (`samples/`). A hash of a statement's words and place chooses among them, so that
a row keeps its wording whatever else a run holds. What a hole takes is put in whole; no word inside a sentence is ever
replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from culturepark.dialogue.stance import unit
from culturepark.domain import Persona, Shape, Statement, SurveyItem
from culturepark.languages import Language, Prompt

ASKED: dict[Shape, tuple[str, ...]] = {
    "survey": ("survey/ask", "survey/only"),
    "reasoned": ("survey/ask",),
    "open": ("open/user",),
    "norm": ("norm/norm", "norm/norm-topic", "norm/custom", "norm/custom-topic", "norm/personal"),
    "own": ("own/user",),
    "situation": ("situation/user",),
    "limit": ("limit/user",),
    "contrast": ("contrast/user",),
    "decline": ("decline/user",),
}
"""The prompts of each shape: file and heading."""
FILES = (*(shape for shape in ASKED if shape != "reasoned"), "country", "person", "dialogue")
"""The files of `samples/`."""


@dataclass(frozen=True)
class Wordings:
    """The wordings that a run chooses from."""

    language: Language
    more: Mapping[str, tuple[Prompt, ...]] = field(default_factory=dict)
    """A model's, by file and heading."""

    def of(self, group: str) -> tuple[Prompt, ...]:
        """
        Args:
            group: file and heading, as `open/user`.
        """
        file, _, heading = group.partition("/")
        return (*self.language.wordings(file)[heading], *self.more.get(group, ()))

    def say(self, group: str, key: str, **values: object) -> str:
        """Render the wording that a row's key chooses."""
        wordings = self.of(group)
        return wordings[int(unit("wording", group, key) * len(wordings))].render(**values)

    def part(self, group: str, **values: object) -> str:
        """Render the one wording of a part."""
        (wording,) = self.of(group)
        return wording.render(**values)


# --- who answers -------------------------------------------------------------------------------------


def who_answers(wordings: Wordings, statement: Statement, persona: Persona, key: str, *, in_person: bool) -> str:
    """Return the system message: in half of the rows the person, as far as the answer hangs on it; else the country.

    Args:
        in_person: the person in any case, and sex and age with it; not where there is none.
    """
    if not persona.nobody and (in_person or unit("person", key) < 0.5):
        if in_person:
            hangs_on = tuple(dict.fromkeys((*statement.hangs_on, "sex", "age")))
            statement = statement.model_copy(update={"hangs_on": hangs_on})
        who = person_of(wordings, statement, persona)
        return wordings.say("person/text", key, who=who, country=persona.country_name)
    return wordings.say("country/text", key, country=persona.country_name)


def person_of(wordings: Wordings, statement: Statement, persona: Persona) -> str:
    """Return the person in a few words: the place, and what else the answer hangs on. The name is never said."""
    wanted = set(statement.hangs_on)
    noun = wordings.part(f"person/{persona.gender}" if "sex" in wanted else "person/nobody")
    if "age" in wanted:
        noun = wordings.part("person/age", noun=noun, age=persona.age)
    who = wordings.part("person/place", noun=noun, place=persona.place, country=persona.country_name)
    known = {
        "faith": persona.faith,
        "work": persona.work,
        "schooling": persona.schooling,
        "household": persona.household,
    }
    parts = [wordings.part(f"person/{persona.settlement}")] if "settlement" in wanted else []
    parts += [
        wordings.part(f"person/{name}", **{name: text})
        for name, text in known.items()
        if name in wanted and text and persona.called not in text and persona.name not in text
    ]
    for part in parts:
        who = wordings.part("person/more", so_far=who, next=part)
    return who


# --- survey answers ----------------------------------------------------------------------------------

Style = Literal["label", "letter", "number"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Form:
    """How the options of a survey item are listed."""

    style: Style
    backwards: bool

    def entries(self, item: SurveyItem) -> dict[str, tuple[str, str]]:
        """Return label -> mark and entry, in the order of the list."""
        labels = [option.label for option in item.options]
        labels = labels[::-1] if self.backwards else labels
        if self.style == "label":
            return {label: (label, label) for label in labels}
        marks = LETTERS if self.style == "letter" else [str(number) for number in range(1, len(labels) + 1)]
        return {label: (mark, f"{mark}) {label}") for mark, label in zip(marks, labels, strict=False)}

    def listing(self, item: SurveyItem) -> str:
        return (" / " if self.style == "label" else "\n").join(entry for _, entry in self.entries(item).values())


def styles(item: SurveyItem) -> list[Style]:
    """Return the styles in which an item's options can be listed: labels with numbers in them get no other numbers."""
    found: list[Style] = ["label"]
    if len(item.options) <= len(LETTERS):
        found.append("letter")
    if not any(character.isdigit() for option in item.options for character in option.label):
        found.append("number")
    return found


def form_of(key: str, item: SurveyItem) -> Form:
    """Return the form that a row's key chooses."""
    possible = styles(item)
    return Form(possible[int(unit("style", key) * len(possible))], unit("order", key) < 0.5)


def form_in(prompt: str, item: SurveyItem) -> Form | None:
    """Return the form in which a prompt lists the options; None if it does not."""
    forms = (Form(style, backwards) for style in styles(item) for backwards in (False, True))
    # `agree / disagree` stands in `agree / disagree / neither` too: the longest list is meant.
    found = [form for form in forms if form.listing(item) in prompt]
    return max(found, key=lambda form: len(form.listing(item)), default=None)


def survey_answer(wording: Prompt | None, form: Form, item: SurveyItem, label: str, first_person: str) -> str:
    """
    Args:
        wording: holds choice and reason; None for the choice without a reason.
    """
    mark, entry = form.entries(item)[label]
    return wording.render(choice=entry, first_person=first_person) if wording else mark


def reasoned_answer(form: Form, item: SurveyItem, label: str, first_person: str) -> str:
    """Return an answer that gives its reason first, and its choice on a line of its own."""
    return f"{first_person}\n\n{form.entries(item)[label][1]}"


def parts_of_reasoned(answer: str) -> tuple[str, str]:
    """Return the reason and the choice of what `reasoned_answer` made; no reason where there is one line."""
    reason, _, choice = answer.rpartition("\n\n")
    return reason, choice


def under_the_same_prompt(
    wordings: Wordings, item: SurveyItem, asked: str, answer: tuple[str, str, str], other: tuple[str, str]
) -> str | None:
    """Return somebody else's survey answer in the form of an answer to a prompt; None if that form is not known.

    Args:
        asked: the prompt.
        answer: the whole answer to it, its label and its reason.
        other: the other one's label and reason.
    """
    said, label, first_person = answer
    form = form_in(asked, item)
    if form is None or not {label, other[0]} <= set(form.entries(item)):
        return None
    if reasoned_answer(form, item, label, first_person) == said:
        return reasoned_answer(form, item, *other)
    for wording in (None, *wordings.of("survey/answer")):
        if survey_answer(wording, form, item, label, first_person) == said:
            return survey_answer(wording, form, item, *other)
    return None
