"""Files become nouns; every mistake is named as file:line: key.

What stands here is imported for every command, so it imports nothing heavy.
"""

from __future__ import annotations

from typing import Literal

Framing = Literal["neutral", "persona", "observer"]
"""In whose name a model answers: its own, that of somebody from the place, or that of one who knows the place."""
Marks = Literal["letters", "numbers", "labels"]
"""How an option is named in an answer: by a letter, by its code, or by its own words."""
Reasoning = Literal["no", "yes", "both"]
"""Whether a model thinks aloud before it answers; `both` asks everything twice."""
REASONING: dict[Reasoning, tuple[bool, ...]] = {"no": (False,), "yes": (True,), "both": (False, True)}
Method = Literal["auto", "probabilities", "samples"]
"""How an option is got out of a model; `auto` takes probabilities, and samples where the endpoint has none."""
