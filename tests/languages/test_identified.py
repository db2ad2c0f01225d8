"""The language of a text: the library's own answers, with its tables left in a file."""

from __future__ import annotations

import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from py3langid import langid

from culturepark.languages import identified

TEXTS = (
    "At home we eat together on Sundays, and nobody leaves before grandmother does.",
    "Bei uns wird sonntags zusammen gegessen, und niemand steht vor der Großmutter auf.",
    "En casa comemos juntos los domingos y nadie se levanta antes que la abuela.",
    "日曜日には家族みんなで食事をします。",
    "Evde pazar günleri birlikte yemek yeriz.",
    "12",
    "",
    "UPPER CASE AS IT STANDS IN A HEADLINE",
)


def test_the_answers_are_those_of_the_library() -> None:
    assert isinstance(identified.identifier().tk_nextmove, memoryview)  # and not the library's own
    for text in TEXTS:
        assert identified.ranked(text) == langid.rank(text)
        assert identified.language_in(text) == langid.classify(text)[0]


def test_what_was_let_go_is_read_again() -> None:
    before = [identified.ranked(text) for text in TEXTS]
    identified.let_go()
    assert [identified.ranked(text) for text in TEXTS] == before


@pytest.mark.parametrize("kind", ["compressed", "by columns", "no archive", "lacking"])
def test_a_model_in_another_form_is_left_to_the_library(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"ptc": np.asfortranarray(np.ones((3, 2))), "nextmove": np.zeros(256, np.uint32)}
    path = tmp_path / "model.npz"
    match kind:
        case "compressed":
            np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
        case "by columns":
            np.savez(path, **arrays)  # type: ignore[arg-type]
        case "lacking":
            np.savez(path, nextmove=arrays["nextmove"])
        case _:
            path.write_bytes(b"no archive")
    (tmp_path / "model.npz.xz").write_bytes(lzma.compress(path.read_bytes()))
    monkeypatch.setattr(langid, "MODEL_FILE", str(tmp_path / "model.npz.xz"))
    monkeypatch.setattr(langid, "_get_identifier", lambda: "the library's own")
    assert identified.identifier.__wrapped__() == "the library's own"


def test_the_tables_are_not_read_into_memory() -> None:
    script = (
        "import tracemalloc; tracemalloc.start()\n"
        "from culturepark.languages.identified import ranked\n"
        "ranked('At home we eat together on Sundays.')\n"
        "print(tracemalloc.get_traced_memory()[1] < 40_000_000)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
