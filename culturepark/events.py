"""What a run tells while it is held: the events of `simulate_async`. All are frozen.

    async for event in culturepark.simulate_async("quickstart", model="scripted"):
        match event:
            case culturepark.events.TurnSpoken(name=name, turn=turn):
                print(f"{name}: {turn.text}")

Dialogues are held side by side, so their events are mixed; those of one dialogue come in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from culturepark.domain import Stage, Statement, Status, Turn


@dataclass(frozen=True)
class RunBegun:
    """A run begins, or goes on."""

    run_id: str
    title: str
    """The scenario's."""
    dialogues: int
    done: int
    """Number of dialogues that are finished already."""


@dataclass(frozen=True)
class Fetched:
    """A part of a model's weights has arrived."""

    name: str
    done: int
    """Bytes."""
    total: int


@dataclass(frozen=True)
class DialogueBegun:
    """A dialogue begins, or goes on."""

    dialogue_id: str
    question: str
    people: tuple[str, ...]
    """Their names."""


@dataclass(frozen=True)
class TurnSpoken:
    """A turn was said, and is stored."""

    dialogue_id: str
    name: str
    """The speaker's name; `Moderator` for the moderator."""
    turn: Turn


@dataclass(frozen=True)
class DialogueEnded:
    """A talk is over. It comes a second time, as failed, if the dialogue fails as it is distilled."""

    dialogue_id: str
    status: Status
    reason: str


@dataclass(frozen=True)
class StatementJudged:
    """The verifier and all checks are done with a statement."""

    dialogue_id: str
    statement: Statement
    drop_reason: str | None
    """Why it is turned down, in the words of `sample.drop_reason`. None: it may become samples, unless it turns out at
    the end of the run that another one says the same."""


@dataclass(frozen=True)
class StageDone:
    """A dialogue, or the whole run, went through a stage."""

    stage: Stage
    dialogue_id: str | None
    """None for a stage of the whole run."""


@dataclass(frozen=True)
class Spent:
    """What the run has used and brought so far, those parts included that were held earlier."""

    tokens: int
    """Sent and received."""
    cost_usd: float | None
    """None where no price is known."""
    candidates: int
    """Samples of the statements that were kept in this go, duplicates among them included."""


@dataclass(frozen=True)
class Remarked:
    """A line for whoever watches."""

    text: str


@dataclass(frozen=True)
class RunEnded:
    """The run went through all its stages. A run that is stopped ends in an exception and has no such event."""

    run_id: str
    status: Status
    """`failed` if a dialogue failed."""
    stop_reason: str | None
    samples: int
    """Number of kept samples."""
    tokens: int
    """Sent and received."""
    cost_usd: float | None
    """None where no price is known."""


Event = (
    RunBegun
    | Fetched
    | DialogueBegun
    | TurnSpoken
    | DialogueEnded
    | StatementJudged
    | StageDone
    | Spent
    | Remarked
    | RunEnded
)
