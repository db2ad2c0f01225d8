"""A placeholder until the branch `thoughts` is merged."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heard:
    text: str
    thoughts: str
    leak: str | None
    unclear: str | None


ADVICE: dict[str, str] = {}


def heard(content: str) -> Heard:
    return Heard(content, "", None, None)
