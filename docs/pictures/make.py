"""Make the pictures of the documentation from the program as it is: `python docs/pictures/make.py [FOLDER]`.

A scripted run with fixed ids and times is shown in the real app: still pictures and a moving one, all SVG. The report
page is a PNG and needs Chromium. Pictures use the fonts of their reader, so nothing is fetched.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from textual.pilot import Pilot

from culturepark.replay.app import Replay
from culturepark.replay.session import Session

RUN = "demo"
WHEN = "2026-11-21T09:30:00.000+00:00"
WIDE, NARROW = (104, 28), (60, 22)
STILLS: dict[str, tuple[tuple[int, int], str | None, Sequence[str]]] = {
    "dialogues": (WIDE, RUN, ("down",)),
    "stage": (WIDE, f"{RUN}.d1", (*["right"] * 19, "tab", "down")),
    "card": (WIDE, f"{RUN}.d1", (*["right"] * 3, "i")),
    "narrow": (NARROW, f"{RUN}.d1", ["right"] * 3),
}
FONTS = re.compile(r"@font-face\s*{.*?}", re.DOTALL)
SECONDS = 1.1
"""How long each frame of the moving picture stays."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def store_with_run(folder: Path) -> str:
    """Return the URL of a store with one run, in which nothing depends on the time of day."""
    url = f"sqlite:///{folder / 'demo.db'}"
    command = [sys.executable, "-m", "culturepark", "simulate", "quickstart", "--model", "scripted"]
    subprocess.run([*command, "--run-id", RUN, "--seed", "7", "--store", url], check=True, capture_output=True)
    with closing(sqlite3.connect(folder / "demo.db")) as db:
        db.execute("UPDATE run SET created_at = ?, finished_at = ?", (WHEN, WHEN))
        db.commit()
    return url


async def settle(pilot: Pilot[Any]) -> None:
    await pilot.pause()
    while any(worker.is_running for worker in pilot.app.workers):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


def screenshot(app: Replay) -> str:
    return FONTS.sub("", app.export_screenshot(title="culturepark replay", simplify=True))


async def still(url: str, size: tuple[int, int], target: str | None, keys: Sequence[str]) -> str:
    app = Replay(Session(url, "anna"), target)
    app.clock = Clock()
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)
        return screenshot(app)


async def frames_of_a_visit(url: str) -> list[str]:
    """Return the frames of the moving picture: two people speak, a sentence is judged, its speaker's card is opened."""
    app, clock = Replay(Session(url, "anna"), f"{RUN}.d1"), Clock()
    app.clock = clock
    frames: list[str] = []
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        for key in (*["right"] * 4, "space"):
            await pilot.press(key)
            await settle(pilot)
        for _ in range(5):
            clock.now += 3.1
            await pilot.pause(0.2)
            frames.append(screenshot(app))
        for key in ("space", "home", *["right"] * 5, "tab", "down", "a", "i"):
            await pilot.press(key)
            await settle(pilot)
            if key in ("down", "a", "i"):
                frames.append(screenshot(app))
    return frames


def animated(frames: Sequence[str]) -> str:
    """Return one SVG that shows the frames one after the other. Readers who want no motion see the last one."""
    head = re.match(r"<svg[^>]*>", frames[0])
    assert head
    share = 100 / len(frames)
    style = (
        f"@keyframes seen {{ 0% {{ visibility: visible }} {share:.3f}% {{ visibility: hidden }} }}"
        f" .frame {{ visibility: hidden; animation: seen {SECONDS * len(frames):.1f}s step-end infinite }}"
        " @media (prefers-reduced-motion: reduce) { .frame { animation: none } .last { visibility: visible } }"
    )
    parts = [head[0], f"<style>{style}</style>"]
    for number, frame in enumerate(frames):
        inside = frame[frame.index(">") + 1 : frame.rindex("</svg>")]
        last = " last" if number == len(frames) - 1 else ""
        parts.append(f'<g class="frame{last}" style="animation-delay: {SECONDS * number:.1f}s">{inside}</g>')
    return "\n".join([*parts, "</svg>\n"])


def report(url: str, folder: Path, path: Path) -> None:
    """Write a picture of the first screen of the report page."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    page = folder / "report.html"
    done = subprocess.run(
        [sys.executable, "-m", "culturepark", "report", RUN, "-o", str(page), "--store", url], capture_output=True
    )
    if not chromium or done.returncode:
        print("no picture of the report:", done.stderr.decode().strip() or "no Chromium", file=sys.stderr)
        return
    options = ["--headless", "--no-sandbox", "--hide-scrollbars", "--window-size=1200,900", f"--screenshot={path}"]
    subprocess.run([chromium, *options, page.as_uri()], check=True, capture_output=True, timeout=120)


def main() -> None:
    pictures = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        url = store_with_run(Path(folder))
        for name, (size, target, keys) in STILLS.items():
            (pictures / f"{name}.svg").write_text(asyncio.run(still(url, size, target, keys)), "utf-8")
        (pictures / "replay.svg").write_text(animated(asyncio.run(frames_of_a_visit(url))), "utf-8")
        report(url, Path(folder), pictures / "report.png")


if __name__ == "__main__":
    main()
