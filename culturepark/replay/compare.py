"""Two dialogues side by side, slot by slot: a branch and its parent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from culturepark.glossary import ORIGINS, PHASES, in_words
from culturepark.interface import plural, tr
from culturepark.replay.widgets.frame import FramedScreen, Keys
from culturepark.replay.widgets.sheet import Sheet
from culturepark.store.dialogue_view import Scene, Spoken
from culturepark.terminal.blocks import Block, Para, Stop, word_changes
from culturepark.terminal.layout import Mark
from culturepark.terminal.safe import clip, safe

SIDE_BY_SIDE = 90
"""Cells from which two speeches are side by side, else one above the other; a terminal of 100 columns has them."""
BETWEEN = " │ "


@dataclass(frozen=True)
class Pair:
    """The turns of two dialogues in one slot of the schedule; None for an empty slot."""

    left: Spoken | None
    right: Spoken | None

    @property
    def same(self) -> bool:
        if self.left is None or self.right is None:
            return False
        left, right = self.left.turn, self.right.turn
        return (left.speaker, left.text) == (right.speaker, right.text)

    @property
    def edited(self) -> bool:
        return any(side is not None and side.turn.origin == "edited" for side in (self.left, self.right))


def align(left: Sequence[Spoken], right: Sequence[Spoken]) -> list[Pair]:
    """Pair the turns of two dialogues by slot: a refused turn leaves a gap, and changes positions."""
    lefts, rights = ({spoken.turn.slot: spoken for spoken in side} for side in (left, right))
    return [Pair(lefts.get(slot), rights.get(slot)) for slot in sorted(lefts.keys() | rights.keys())]


def grouped(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Group adjacent pairs of equal turns; every other pair is a group of its own."""
    groups: list[list[Pair]] = []
    for pair in pairs:
        if groups and pair.same and groups[-1][-1].same:
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return groups


def same_turns(group: Sequence[Pair]) -> str:
    """Return a line in place of equal turns."""

    def turns(side: Sequence[Spoken | None]) -> str:
        numbers = [spoken.turn.position for spoken in side if spoken]
        if len(numbers) == 1:
            return tr("turn {number}", number=numbers[0])
        return tr("turns {first}-{last}", first=numbers[0], last=numbers[-1])

    here, there = turns([pair.left for pair in group]), turns([pair.right for pair in group])
    if here == there:
        return plural(len(group), "{turns} is the same", "{turns} are the same", turns=here)
    return tr("{here} here and {there} there are the same", here=here, there=there)


@dataclass(frozen=True)
class Beside:
    """Two columns; if there is no room for both, the left one above the right one."""

    left: tuple[Para, ...]
    right: tuple[Para, ...]
    names: tuple[str, str] = ("", "")
    """Names of the columns, shown if one is above the other."""

    def lines(self, width: int) -> list[Text]:
        if width < SIDE_BY_SIDE:
            return [*stacked(self.names[0], self.left, width), *stacked(self.names[1], self.right, width)]
        half = (width - len(BETWEEN) - 1) // 2  # one cell stays free before the scroll bar
        columns = ([line for para in side for line in para.lines(half)] for side in (self.left, self.right))
        lines = []
        for left, right in zip_longest(*columns, fillvalue=Text()):
            line = left.copy()
            line.pad_right(half - line.cell_len)
            lines.append(line.append(BETWEEN, "muted").append_text(right))
        return lines

    def pieces(self) -> Iterator[Beside]:
        yield self


def stacked(name: str, paras: Sequence[Para], width: int) -> Iterator[Text]:
    """Yield the lines of a column without room beside it: its name in front, and a stroke before the rest."""
    first, *others = paras
    head = f"{name}  " if name else ""
    for line in first.lines(width - len(head)):
        yield Text().append(head, "title").append_text(line)
        head = " " * len(head)
    for para in others:
        for line in para.lines(width - 2):
            yield Text().append("│ ", "muted").append_text(line)


def stops(left: Scene, right: Scene, *, unfolded: bool = False) -> list[Stop]:
    """Return the whole comparison.

    Args:
        unfolded: show equal turns too, once.
    """
    names = names_of(left, right)
    parts = []
    for group in grouped(align(left.turns, right.turns)):
        blocks: list[Block] = [Para(same_turns(group), "muted", "══ ")] if group[0].same else [beside(group[0], names)]
        if unfolded and group[0].same:
            blocks += [para for pair in group for para in speech(pair.left)]
        parts.append(Stop("", tuple(blocks)))
    return parts


def names_of(left: Scene, right: Scene) -> tuple[str, str]:
    if right.dialogue.parent_id == left.dialogue.id:
        return tr("Parent"), tr("Branch")
    if left.dialogue.parent_id == right.dialogue.id:
        return tr("Branch"), tr("Parent")
    return tr("Left"), tr("Right")


def beside(pair: Pair, names: tuple[str, str]) -> Beside:
    if not (pair.edited and pair.left and pair.right):
        return Beside(speech(pair.left), speech(pair.right), names)
    cut, put = word_changes(pair.left.turn.text, pair.right.turn.text)
    if [(start, end) for start, end, _ in cut] == [(0, len(pair.left.turn.text))]:
        cut = put = ()  # no word is the same
    return Beside(speech(pair.left, cut), speech(pair.right, put), names)


def speech(spoken: Spoken | None, marks: tuple[Mark, ...] = ()) -> tuple[Para, ...]:
    if spoken is None:
        return (Para(tr("nothing was said here"), "muted"),)
    turn = spoken.turn
    who = f"{turn.position}  {clip(spoken.name, 60)}"
    phase = f" · {safe(in_words(PHASES, turn.phase))}"
    origin = f" · {in_words(ORIGINS, turn.origin)}" if turn.origin in ORIGINS else ""
    looks = (
        (0, len(who), "label"),
        (len(who), len(who + phase), "muted"),
        (len(who + phase), len(who + phase + origin), "title" if turn.origin == "edited" else "muted"),
    )
    return Para(who + phase + origin, marks=looks, one_line=True), Para(turn.text, marks=marks, indent=2)


def headings(left: Scene, right: Scene) -> Beside:
    """Return the ids of both dialogues, and where the branch begins."""

    def side(name: str, scene: Scene, other: Scene) -> tuple[Para, ...]:
        row = scene.dialogue
        where = ""
        if row.parent_id == other.dialogue.id:
            where = tr(" · branched after turn {turn}", turn=row.branched_at)
        elif row.parent_id:
            where = tr(" · branched off {parent} after turn {turn}", parent=row.parent_id, turn=row.branched_at)
        return (Para(f"{row.id}{where}", head=f"{name}  ", head_look="title", one_line=True),)

    left_name, right_name = names_of(left, right)
    return Beside(side(left_name, left, right), side(right_name, right, left))


def ends(left: Scene, right: Scene) -> Beside:
    """Return the status of each dialogue, and the counts of its statements and samples."""

    def side(name: str, scene: Scene) -> tuple[Para, ...]:
        return (Para(end_of(scene), "muted", f"{name}  ", head_look="label", one_line=True),)

    left_name, right_name = names_of(left, right)
    return Beside(side(left_name, left), side(right_name, right))


def end_of(scene: Scene) -> str:
    if scene.dialogue.extracted < scene.run.extract_round:
        return tr("{status} · nothing mined yet", status=tr(scene.dialogue.status))
    kept = sum(mined.kept for mined in scene.statements)
    return tr(
        "{status} · {statements} statements · {kept} samples kept",
        status=tr(scene.dialogue.status),
        statements=len(scene.statements),
        kept=kept,
    )


class CompareScreen(FramedScreen[None]):
    """Both dialogues scroll together; turns that are the same are folded."""

    DEFAULT_CSS = """
    CompareScreen {
        & > #frame { max-width: 100%; margin: 0; }
        & #heading, & #outcome { height: 2; scrollbar-size-vertical: 0; }
        & #heading { border-bottom: solid $foreground 20%; height: 3; }
        & #outcome { border-top: solid $foreground 20%; height: 3; }
        &.-wide #heading, &.-wide #outcome { height: 2; }
    }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "fold", "unfold, or fold again")]

    def __init__(self, left: Scene, right: Scene) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.unfolded = False

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = tr("Compare")
            head = Sheet([Stop("", (headings(self.left, self.right),))], id="heading")
            foot = Sheet([Stop("", (ends(self.left, self.right),))], id="outcome")
            head.can_focus = foot.can_focus = False
            yield head
            yield Sheet(stops(self.left, self.right), id="both")
            yield foot
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#both").focus()

    def action_fold(self) -> None:
        self.unfolded = not self.unfolded
        self.query_one("#both", Sheet).fill(stops(self.left, self.right, unfolded=self.unfolded))
