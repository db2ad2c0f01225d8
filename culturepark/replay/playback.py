"""The state of a playback: turn, part of the turn, and speed. Pure: `tick` takes the time that has passed."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from culturepark.terminal.linebreak import whole

SPEEDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
WORDS_PER_SECOND = 3.5
"""At 1x: about as fast as people talk, and a little slower than most read."""
PAUSE = 0.9
"""Seconds between turns at 1x."""

WORD = re.compile(r"[^\s\u0e00-\u0fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{1,24}\s*|\S\s*|\s+")
"""A beat: a word of up to 24 characters, or a character in scripts without spaces."""


@dataclass(frozen=True)
class Part:
    """A turn as it is played."""

    phase: str
    beats: tuple[int, ...]
    """Code points spoken after each beat."""

    @classmethod
    def of(cls, phase: str, text: str) -> Part:
        return cls(phase, tuple(dict.fromkeys(whole(text, match.end()) for match in WORD.finditer(text))))

    @property
    def speech(self) -> float:
        """Seconds of talk at 1x."""
        return len(self.beats) / WORDS_PER_SECOND


@dataclass
class Playback:
    """A playback; it begins paused, with the whole first turn shown."""

    parts: list[Part]
    position: int = 1
    """Position of the present turn, from 1; 0 without turns."""
    playing: bool = False
    speed: float = 1.0
    live: bool = False
    """Follows the newest turn, and waits for the next one."""
    held: bool = False
    """Was paused while live; `toggle` makes it live again."""
    elapsed: float = field(default=float("inf"))
    """Seconds at 1x since the present turn began; infinite if the whole turn is shown."""

    def __post_init__(self) -> None:
        self.position = min(self.position, len(self.parts))

    @property
    def present(self) -> Part | None:
        return self.parts[self.position - 1] if self.position else None

    @property
    def whole(self) -> bool:
        """True if the whole present turn is shown."""
        return self.present is None or self.elapsed >= self.present.speech

    @property
    def at_end(self) -> bool:
        return self.position == len(self.parts) and self.whole

    @property
    def shown(self) -> int | None:
        """Number of code points of the present turn that are shown; None for all."""
        if self.present is None or self.whole:
            return None
        beats = int(self.elapsed * WORDS_PER_SECOND)
        return self.present.beats[beats - 1] if beats else 0

    @property
    def phase(self) -> str:
        return self.present.phase if self.present else ""

    # --- time ------------------------------------------------------------------------------------

    def tick(self, seconds: float) -> bool:
        """Let time pass; return True if anything has changed."""
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
        """Play or pause; at the end, play from the beginning."""
        if self.live or self.held:
            self.live, self.held = self.held, self.live
        elif self.at_end and not self.playing:
            self.seek(1)
            self.elapsed = 0
        self.playing = not self.playing and bool(self.parts)

    def faster(self, by: int = 1) -> None:
        """Take the next higher speed; with -1, the next lower."""
        index = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[max(0, min(index, len(SPEEDS) - 1))]

    # --- place -----------------------------------------------------------------------------------

    def seek(self, position: int) -> None:
        """Go to a turn, which begins if playing, and else is shown whole. Leaving the newest turn ends `live`."""
        self.position = max(min(1, len(self.parts)), min(position, len(self.parts)))
        self.elapsed = 0 if self.playing else float("inf")
        self.held = False
        if self.live and self.position < len(self.parts):
            self.live = self.playing = False
            self.elapsed = float("inf")

    def step(self, by: int) -> None:
        """Go to the next turn or the one before; a turn paused in the middle is shown whole first."""
        if by > 0 and (self.position == len(self.parts) or not (self.playing or self.whole)):
            self.elapsed = float("inf")
        else:
            self.seek(self.position + by)

    def starts(self) -> list[int]:
        """Return the positions at which a phase begins."""
        phases = [part.phase for part in self.parts]
        return [i for i, phase in enumerate(phases, start=1) if i == 1 or phases[i - 2] != phase]

    def step_phase(self, by: int) -> None:
        """Go to the beginning of the next phase; backwards, of this phase or the one before."""
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
        """Take the turns as they are now; return True if the present turn is another one."""
        has_new = len(parts) > len(self.parts)
        self.parts = list(parts)
        before = self.position
        if has_new and (self.live or not before):
            self.position = len(self.parts)
            self.elapsed = 0 if self.live else float("inf")
            self.playing = self.live
        self.position = min(self.position, len(self.parts))
        return before != self.position

    def go_live(self) -> None:
        self.live, self.held, self.playing = True, False, True
        self.position = len(self.parts)
        self.elapsed = float("inf")

    def leave_live(self) -> None:
        """Stop following a dialogue that has ended; the present turn is played to its end."""
        self.live = self.held = False
        self.playing = self.playing and not self.at_end
