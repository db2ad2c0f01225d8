"""What the screens of the terminal app look like. `pytest --snapshot-update` takes them anew, to be looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.support.fakes import Held
from tests.support.replaying import app_on, press, settled, small_run

RUN = "20261121-everyday-norms-7f3a"
Compare = Callable[..., bool]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return small_run(tmp_path_factory.mktemp("screens"))


def pressing(*keys: str) -> Callable[[Pilot[Any]], Any]:
    async def before(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        await press(pilot, *keys)

    return before


SCREENS: dict[str, tuple[str | None, tuple[int, int], tuple[str, ...]]] = {
    "dialogues": ("last", (130, 24), ("down",)),
    "stage": (f"{RUN}.d1", (160, 50), ("right",) * 5),
    "stage_narrow_behind": (f"{RUN}.d1", (60, 20), (*("right",) * 5, "tab")),
    "help_narrow": (None, (60, 20), ("question_mark",)),
}


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_did(held: Held, snap_compare: Compare, name: str) -> None:
    target, size, keys = SCREENS[name]
    app = app_on(held.store, target)
    assert snap_compare(app, terminal_size=size, run_before=pressing(*keys))


def test_without_colours_every_sign_is_still_there(
    held: Held, snap_compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_on(held.store, f"{RUN}.d1")
    assert snap_compare(app, terminal_size=(110, 30), run_before=pressing(*["right"] * 5))
