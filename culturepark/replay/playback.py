"""How far a dialogue has been played: which turn, how much of it, how fast. Pure: told how much time went by."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
WORDS_PER_SECOND = 3.5
"""At 1x: a little slower than most people read, about as fast as people talk."""
PAUSE = 0.9
"""Seconds between turns at 1x."""

WORD = re.compile(r"[^\s\u0e00-\u0fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,24}\s*|\S\s*|\s+")
"""What appears at once. Where words are not set apart, a character; nothing longer than 24 of them."""


@dataclass(frozen=True)
class Part:
    """A turn, as it is played."""

    phase: str
    beats: tuple[int, ...]
    """How many code points have been said after each word."""

    @classmethod
    def of(cls, phase: str, text: str) -> Part:
        return cls(phase, tuple(match.end() for match in WORD.finditer(text)))

    @property
    def speech(self) -> float:
        """Seconds of talk at 1x."""
        return len(self.beats) / WORDS_PER_SECOND


@dataclass
class Playback:
    """Begins at rest, with the first turn said to its end."""

    parts: list[Part]
    position: int = 1
    """Of the present turn; 1 is the first, 0 stands for none where there are none yet."""
    playing: bool = False
    speed: float = 1.0
    live: bool = False
    """Goes with the newest turn, and waits for the next."""
    held: bool = False
    """Paused while it was live: played on, it is live again."""
    elapsed: float = field(default=float("inf"))
    """Seconds at 1x since the present turn began; infinite once it has been said."""

    def __post_init__(self) -> None:
        self.position = min(self.position, len(self.parts))

    @property
    def present(self) -> Part | None:
        return self.parts[self.position - 1] if self.position else None

    @property
    def whole(self) -> bool:
        """Whether the present turn has been said to its end."""
        return self.present is None or self.elapsed >= self.present.speech

    @property
    def at_end(self) -> bool:
        return self.position == len(self.parts) and self.whole

    @property
    def shown(self) -> int | None:
        """How many code points of the present turn have been said; None for all."""
        if self.present is None or self.whole:
            return None
        said = int(self.elapsed * WORDS_PER_SECOND)
        return self.present.beats[said - 1] if said else 0

    @property
    def phase(self) -> str:
        return self.present.phase if self.present else ""

    # --- time ------------------------------------------------------------------------------------

    def tick(self, seconds: float) -> bool:
        """Time goes by. Whether there is anything new to see."""
        before = (self.position, self.shown, self.playing)
        if self.playing and self.present:
            self.elapsed += seconds * self.speed
            while self.present and self.elapsed >= self.present.speech + PAUSE and self.position < len(self.parts):
                self.elapsed -= self.present.speech + PAUSE
                if self.elapsed == float("inf"):
                    self.elapsed = 0
                self.position += 1
            if self.at_end:
                self.playing = self.live
        return before != (self.position, self.shown, self.playing)

    def toggle(self) -> None:
        """Play or pause. From the end it begins anew."""
        if self.live or self.held:
            self.live, self.held = self.held, self.live
        elif self.at_end and not self.playing:
            self.seek(1)
            self.elapsed = 0
        self.playing = not self.playing and bool(self.parts)

    def faster(self, by: int = 1) -> None:
        """The next speed up; with -1, down."""
        index = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]

    # --- place -----------------------------------------------------------------------------------

    def seek(self, position: int) -> None:
        """To a turn: growing while it plays, whole at rest. Whoever moves away from the newest stops going with it."""
        self.position = max(min(1, len(self.parts)), min(position, len(self.parts)))
        self.elapsed = 0 if self.playing else float("inf")
        self.held = False
        if self.live and self.position < len(self.parts):
            self.live = self.playing = False
            self.elapsed = float("inf")

    def step(self, by: int) -> None:
        """To the next turn or the one before; one that is cut short at rest is first said to its end."""
        if by > 0 and (self.position == len(self.parts) or not (self.playing or self.whole)):
            self.elapsed = float("inf")
        else:
            self.seek(self.position + by)

    def starts(self) -> list[int]:
        """Positions at which a phase begins."""
        phases = [part.phase for part in self.parts]
        return [i for i, phase in enumerate(phases, start=1) if i == 1 or phases[i - 2] != phase]

    def step_phase(self, by: int) -> None:
        """To where the next phase begins; backwards, to where this one or the one before does."""
        starts = self.starts()
        if not starts:
            return
        if by > 0:
            following = bisect_right(starts, self.position)
            self.seek(starts[following] if following < len(starts) else len(self.parts))
        else:
            earlier = [start for start in starts if start < self.position]
            self.seek(earlier[-1] if earlier else 1)

    # --- a dialogue that goes on -------------------------------------------------------------------

    def grow(self, parts: Sequence[Part]) -> bool:
        """The dialogue as it is by now. Whether the present turn is another one."""
        fresh = len(parts) > len(self.parts)
        self.parts = list(parts)
        before = self.position
        if fresh and (self.live or not before):
            self.position = len(self.parts)
            self.elapsed = 0 if self.live else float("inf")
            self.playing = self.live
        self.position = min(self.position, len(self.parts))
        return before != self.position

    def go_live(self) -> None:
        """With the newest turn from now on."""
        self.live, self.held, self.playing = True, False, True
        self.position = len(self.parts)
        self.elapsed = float("inf")

    def leave_live(self) -> None:
        """Nothing more will come: what is being said is still said."""
        self.live = self.held = False
        self.playing = self.playing and not self.at_end
