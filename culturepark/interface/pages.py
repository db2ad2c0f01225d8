"""The words of pages for a browser: in templates, and in the scripts of a page."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from markupsafe import Markup

from culturepark.interface import tr, words_of

SCRIPT = Path(__file__).parent / "words.js"


def tr_html(message: str, **holes: object) -> Markup:
    """Return a message in the language that is shown, as HTML. Messages are ours, and what fills a hole is escaped."""
    told = Markup(tr(message))  # noqa: S704 - our own words
    return told.format(**holes) if holes else told


def words_for(place: str) -> Markup:
    """Return the messages of the scripts under a folder as a block for `words.js`; nothing in English."""
    found = words_of(place)
    if not (found["texts"] or found["forms"]):
        return Markup("")
    data = json.dumps(found, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(f'<script type="application/json" id="words">{data}</script>\n')  # noqa: S704


@cache
def words_script() -> str:
    return SCRIPT.read_text("utf-8").strip()
