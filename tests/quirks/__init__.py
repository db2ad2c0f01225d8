"""How OpenAI-compatible servers differ from OpenAI's own, one short function for each behaviour that was reported.

    python -m tests.quirks list                    every behaviour, what it imitates and where that was reported
    python -m tests.quirks serve --case NAME       an endpoint that behaves so; prints the model spec to use
    python -m tests.quirks check [--case NAME]     runs culturepark against each, and says what was not as expected

A behaviour is given a request and returns an `Answer`; what it would say sensibly is the scripted model's. Its
docstring says what it imitates and, after "Source:", where that is documented or was reported.
"""

from tests.quirks import chats, embeddings, limits, refusals, shapes, streams, thoughts, waits
from tests.quirks.kinds import QUIRKS, Expect, Quirk

__all__ = [
    "QUIRKS",
    "Expect",
    "Quirk",
    "chats",
    "embeddings",
    "limits",
    "refusals",
    "shapes",
    "streams",
    "thoughts",
    "waits",
]
