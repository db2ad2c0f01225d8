"""One row as it would be trained on, and what is behind it, as paragraphs for the terminal and the browser.

What other people said of it is not shown: who judges should not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from culturepark.domain import SEVERAL_LANGUAGES
from culturepark.errors import UsageError
from culturepark.glossary import GROUNDS_SHORT, PHASES, SHAPES, flags_in_words, in_words
from culturepark.ids import dialogue_of
from culturepark.interface import language, tr
from culturepark.replay.evidence import fact_para, messages, verdicts
from culturepark.store.dialogue_view import Mined, Scene, Scenes, Spoken
from culturepark.store.tables import SampleRow
from culturepark.terminal.blocks import Para
from culturepark.terminal.linebreak import whole
from culturepark.terminal.safe import clip, safe

BEFORE = 600
"""Characters of the turn before that are shown."""


@dataclass(frozen=True)
class Section:
    title: str
    paras: tuple[Para, ...]


@dataclass(frozen=True)
class RowView:
    id: str
    culture: str
    shape: str
    """In words."""
    language: str
    prompt: tuple[tuple[str, str], ...]
    """Role and content of each message before the answer."""
    answer: str
    rendering: Para | None
    """What its statement says in the reader's language, where there is a rendering."""
    behind: tuple[Section, ...]

    @property
    def about(self) -> str:
        return f"{safe(self.culture)} · {safe(self.shape)} · {safe(self.language)}"


def row_view(scenes: Scenes, sample_id: str) -> RowView:
    """
    Raises:
        UsageError: if the row is gone.
    """
    scene = scenes.scene(dialogue_of(sample_id))
    for spoken in scene.turns:
        for mined in spoken.statements:
            for sample in mined.samples:
                if sample.id == sample_id:
                    return view(scene, spoken, mined, sample)
    raise UsageError(f"there is no row {sample_id[:120]!r} any more")


def view(scene: Scene, spoken: Spoken, mined: Mined, sample: SampleRow) -> RowView:
    *prompt, answer = messages(sample) or [("", "")]
    sections = (
        Section(tr("What was said"), tuple(said(scene, spoken, mined))),
        Section(tr("Where it comes from"), tuple(origin(scene, mined, sample))),
        Section(tr("What the speaker was to hold"), tuple(stance(scene, mined))),
        Section(tr("What was asked about it"), tuple(checked(scene, mined))),
        Section(tr("Other rows of the same statement"), tuple(others(mined, sample))),
    )
    return RowView(
        id=sample.id,
        culture=sample.culture,
        shape=in_words(SHAPES, sample.kind),
        language=scene.language_of(sample) or SEVERAL_LANGUAGES,
        prompt=tuple(prompt),
        answer=answer[1],
        rendering=rendered(mined),
        behind=tuple(section for section in sections if section.paras),
    )


def rendered(mined: Mined) -> Para | None:
    told = mined.read_in(language())
    if told is None:
        return None
    words = "\n".join(part for part in (told.question, told.first_person or told.text, told.exception) if part)
    return Para(words, "muted", f"{told.language}  ", language=told.language)


def said(scene: Scene, spoken: Spoken, mined: Mined) -> Iterator[Para]:
    """Show the turn with the quote marked, and below it the one that it followed."""
    turn = spoken.turn
    who = safe(spoken.name) + (f", {safe(spoken.culture)}" if spoken.culture else "")
    yield Para(
        f"{who} · {safe(in_words(PHASES, turn.phase))}", "muted", f"{tr('turn {number}', number=turn.position)}  "
    )
    quoted = ((mined.row.quote_start, mined.row.quote_end, "label"),)
    yield Para(turn.text, marks=quoted, language=scene.language_of(turn))
    if heard := spoken.read_in(language()):
        yield Para(heard.text, "muted", language=heard.language)
    before = next((one for one in scene.turns if one.turn.position == turn.position - 1), None)
    if before:
        text = before.turn.text
        start = whole(text, len(text) - BEFORE)
        shown = f"… {text[start:]}" if start else text
        head = f"{tr('after {name}', name=clip(before.name, 40))}  "
        yield Para(shown, "muted", head, language=scene.language_of(before.turn))
        if heard := before.read_in(language()):
            yield Para(clip(heard.text, BEFORE), "muted", language=heard.language)


def origin(scene: Scene, mined: Mined, sample: SampleRow) -> Iterator[Para]:
    if sample.provenance and sample.provenance != mined.row.provenance:  # a row of two statements
        yield Para(in_words(GROUNDS_SHORT, sample.provenance), head=f"{tr('this row')}  ", indent=3, head_look="muted")
    for fact in scene.facts(mined.row):
        yield fact_para(fact)
    if sample.flags:
        yield Para(flags_in_words(sample.flags), head=f"{tr('flags')}  ", indent=3, head_look="muted")
    beside = next((one for one in scene.statements if one.row.id == sample.beside), None)
    if beside:
        yield Para(beside.row.first_person, head=f"{tr('made of it and')}  ", indent=3, head_look="muted")


def stance(scene: Scene, mined: Mined) -> Iterator[Para]:
    seated = next((one for one in scene.people if one.persona.key == mined.row.persona_key), None)
    yield Para(scene.seed.question, head=f"{tr('question of the talk')}  ", indent=3, head_look="muted")
    if seated and seated.stance_text:
        yield Para(seated.stance_text, head=f"{tr('answer it was given')}  ", indent=3, head_look="muted")


def checked(scene: Scene, mined: Mined) -> Iterator[Para]:
    return verdicts([verdict for verdict in mined.verdicts if verdict.round == scene.run.verify_round])


def others(mined: Mined, sample: SampleRow) -> Iterator[Para]:
    for other in mined.samples:
        if other.id != sample.id and other.status != "dropped":
            *_, (_, answer) = messages(other) or [("", "")]
            yield Para(answer, head=f"{safe(in_words(SHAPES, other.kind))}  ", indent=3, head_look="muted")
