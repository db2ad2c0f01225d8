"""Ids spell the path to a row, and are read here alone: run `R`, dialogue `R.d3`, turn `R.d3.t5`, statement
`R.d3.t5.s2`, sample `R.d3.t5.s2.x1`; a participant's view of a dialogue is `R.d3.p2`. Pure.

An evaluation is a run and has its id, such as `e7f3a9`; its answers are `e7f3a9.a12`, their scores `e7f3a9.a12.s1`, its
figures `e7f3a9.f3`. A suite `NAME-1f3a9c02` belongs to no run; its items are `NAME-1f3a9c02.i12`.

No id of a run or a suite has a full stop in it, so the first part is always the run, or of an item the suite.
"""

from __future__ import annotations

import re

KINDS = {
    "d": "dialogue", "p": "participant", "t": "turn", "s": "statement", "x": "sample", "v": "verdict", "c": "call",
    "r": "review", "a": "answer", "f": "figure", "i": "item",
}  # fmt: skip
"""Letter of an id's last part -> the noun for the row; below an answer, `s` is a score."""
DEMO = "demo"
"""Id of the run that comes with the program, in a store of its own."""
IN_ENGLISH = "@en"
"""Ends the id of an exported row that is the English of the one with the id before it."""
RUN_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
"""The form of a run's id."""
EVALUATION_ID = r"e[0-9a-f]{6}"
"""The form of the id that an evaluation gets where its user names none."""
ARTEFACT_ID = r"(adapter|filter|hyper)-[0-9a-f]{4,8}"
"""The form of the id of what was trained, or of its beginning."""
SUITE_NAME = r"[a-z0-9][a-z0-9-]{0,79}"
"""The form of a suite's name."""


def is_run_id(text: str) -> bool:
    """Return whether a run can have this id; `last` stands for the newest."""
    return re.fullmatch(RUN_ID, text) is not None and text != "last"


def is_artefact_id(text: str) -> bool:
    """Return whether a text is the id of what was trained, or the beginning of one."""
    return re.fullmatch(ARTEFACT_ID, text) is not None


def original_of(row_id: str) -> str:
    """Return the id of the row that an exported one renders; of any other the id itself."""
    return row_id.removesuffix(IN_ENGLISH)


def run_of(row_id: str) -> str:
    return row_id.partition(".")[0]


def dialogue_of(row_id: str) -> str:
    """Return the id of the dialogue that a row is in; of a run's id the id itself."""
    return above(row_id, 2)


def turn_of(row_id: str) -> str:
    """Return the id of the turn that a row is or rests on; of a dialogue's id the id itself."""
    return above(row_id, 3)


def statement_of(row_id: str) -> str:
    """Return the id of the statement that a row is or rests on; of a turn's id the id itself."""
    return above(row_id, 4)


def above(row_id: str, parts: int) -> str:
    """Return the id of the first parts of an id."""
    return ".".join(row_id.split(".")[:parts])


def parent_of(row_id: str) -> str:
    """Return the id without its last part; empty for a run's."""
    return row_id.rpartition(".")[0]


def last_part(row_id: str) -> str:
    """Return `x1` of `R.d3.t5.s2.x1`."""
    return row_id.rpartition(".")[2]


def kind_of(row_id: str) -> str | None:
    """Return the noun for an id's row, by the letter of its last part; None for a run's."""
    above, dot, part = row_id.rpartition(".")
    if not dot or not re.fullmatch(r"[dptsxvcafi]\d+|r[0-9a-f]{8}", part):
        return None
    return "score" if part[0] == "s" and kind_of(above) == "answer" else KINDS[part[0]]


def suite_id_of(name: str, digest: str) -> str:
    """Return the id of a suite: its name, and the first eight digits of the sha256 of what it holds."""
    return f"{name}-{digest[:8]}"


def position_of(row_id: str) -> int | None:
    """Return the number of the turn that a row is or rests on, from 1; None where there is no turn in the id."""
    turn = re.match(r"[^.]*\.d\d+\.t(\d+)(?:\.|$)", row_id)
    return int(turn[1]) if turn else None


def place_of(row_id: str) -> tuple[str, int | None]:
    """Return the dialogue that a row is in, and the number of its turn."""
    return dialogue_of(row_id), position_of(row_id)


def hangs_on(row_id: str, other_id: str) -> bool:
    """Return whether a row is the other one, or below it."""
    return row_id == other_id or row_id.startswith(f"{other_id}.")


def within(row_id: str, other_id: str) -> str:
    """Return an id relative to one above it: `s2.x1` for `R.d3.t5.s2.x1` in its turn."""
    return row_id[len(other_id) + 1 :]


def short(row_id: str) -> str:
    """Return `t5.s2` of `R.d3.t5.s2`; of a run's and a dialogue's id the id itself."""
    return within(row_id, dialogue_of(row_id)) or row_id


def by_number(row_id: str) -> tuple[str, list[tuple[str, int]]]:
    """Return a key to sort ids by: the run first, and within a run `d2` before `d10`."""
    run, dot, path = row_id.partition(".")
    run, path = (run, path) if dot else ("", run)
    words_and_numbers = [*re.split(r"([0-9]+)", path), "0"]
    return run, [(word, int(n)) for word, n in zip(words_and_numbers[::2], words_and_numbers[1::2], strict=True)]
