"""Languages of dialogues. A language is a package: a folder of this one, or one that a plugin registers.

    language.toml   its name, its script, words that frame a transcript, names of countries where CLDR has others
    NAME.md         prompts, with `{{holes}}`
    samples/        what stands around the rows that come of a talk, each in many wordings
    phrases.toml    word lists of guards and deduplication

No other module holds words of a language. A missing list or file is an error; English never stands in for it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from functools import cache, cached_property
from importlib.resources import files
from types import ModuleType

from culturepark.errors import UsageError
from culturepark.plugins import Registry

HOLE = re.compile(r"\{\{(\w+)\}\}")


def of_plugin(_: str, package: object) -> str:
    if not isinstance(package, ModuleType):
        raise TypeError(f"a package is wanted, not {type(package).__name__}")
    return package.__name__


PACKAGES: Registry[str] = Registry("culturepark.languages", of_plugin)
"""Every language there is, by its code (BCP 47), and its package."""
PACKAGES["en"] = "culturepark.languages.en"


class Prompt:
    """A template. Its digest is stored with every call made from it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.holes = frozenset(HOLE.findall(text))
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def render(self, **values: object) -> str:
        """Fill every hole in one pass: a value that holds `{{x}}` stays as it is.

        Raises:
            KeyError: if a hole has no value. Values without a hole are ignored.
        """
        return HOLE.sub(lambda match: str(values[match[1]]), self.text)


class Lists(dict[str, list[str]]):
    """The word lists of one language; a missing one raises UsageError."""

    def __init__(self, language: str, lists: dict[str, list[str]]) -> None:
        super().__init__(lists)
        self.language = language

    def __missing__(self, name: str) -> list[str]:
        raise UsageError(f"the language {self.language!r} has no list {name!r} in its phrases.toml")


class Language:
    """One language: its prompts and word lists. `load_language` makes one object of each."""

    def __init__(self, code: str, package: str) -> None:
        self.code = code
        self.package = package
        self.folder = files(package)

    def __repr__(self) -> str:
        return f"Language({self.code!r})"

    @cached_property
    def name(self) -> str:
        """The name in prompts, in English."""
        return str(self._about["name"])

    @cached_property
    def script(self) -> str:
        """The beginning of Unicode's names of its letters, such as `LATIN`."""
        return str(self._about["script"])

    def country(self, alpha3: str) -> str | None:
        """Return its own name of a country in a sentence, which goes before CLDR's; None if it has none."""
        return self._about.get("countries", {}).get(alpha3)

    @cached_property
    def phrases(self) -> Lists:
        return Lists(self.code, tomllib.loads(self._read("phrases.toml")))

    @cache  # noqa: B019 - there is one object of each language, and it stays
    def prompt(self, name: str) -> Prompt:
        return Prompt(self._read(f"{name}.md").strip())

    @cache  # noqa: B019
    def section(self, name: str, heading: str, part: str) -> Prompt:
        """Return the text under `# heading` / `## part` of a file that holds several."""
        return Prompt(self.sections(name)[heading, part])

    @cache  # noqa: B019
    def sections(self, name: str) -> dict[tuple[str, str], str]:
        """Return all texts of a file that holds several, by heading and part."""
        lines_of: dict[tuple[str, str], list[str]] = {}
        heading = part = ""
        for line in self._read(f"{name}.md").splitlines():
            if line.startswith("## "):
                part = line[3:].strip()
            elif line.startswith("# "):
                heading, part = line[2:].strip(), ""
            elif part:
                lines_of.setdefault((heading, part), []).append(line)
        return {key: "\n".join(lines).strip("\n") for key, lines in lines_of.items()}

    @cache  # noqa: B019
    def wordings(self, name: str) -> dict[str, tuple[Prompt, ...]]:
        """Return the wordings in a file of `samples/`, by heading: its paragraphs. What stands above is a remark."""
        parts = re.split(r"^# (.+)$", self._read(f"samples/{name}.md"), flags=re.M)
        return {
            heading.strip(): tuple(Prompt(text.strip()) for text in re.split(r"\n[ \t]*\n", body) if text.strip())
            for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        }

    @cached_property
    def wordings_digest(self) -> str:
        """The sha256 of all files in `samples/` together."""
        files = sorted((file for file in self.folder.joinpath("samples").iterdir()), key=lambda file: file.name)
        return hashlib.sha256(
            "\0".join(f"{file.name}\0{file.read_text('utf-8')}" for file in files).encode()
        ).hexdigest()

    @cache  # noqa: B019
    def frame(self, name: str) -> Prompt:
        """Return one of the short texts that frame a transcript, such as `moderator` or `your_turn`.

        Raises:
            UsageError: if the language has none of that name.
        """
        frames = self._about["frames"]
        if name not in frames:
            raise UsageError(f"the language {self.code!r} has no {name!r} among the frames of its language.toml")
        return Prompt(str(frames[name]))

    def joined(self, names: Sequence[str]) -> str:
        """`A`, `A and B`, `A, B and C`."""
        return self.frame("and").text.join(part for part in (", ".join(names[:-1]), names[-1]) if part)

    def sentences(self, text: str) -> list[tuple[int, int]]:
        """Return start and end of each sentence, in code points, without the white space around it."""
        from sentencex import get_sentence_boundaries

        spans: list[tuple[int, int]] = []
        at = 0
        for boundary in get_sentence_boundaries(self.code, text):
            # The library gives the pieces; their places are found here, in code points.
            for piece in map(str.strip, self._no_abbreviation.split(boundary["text"])):
                start = text.find(piece, at)
                if piece and start >= 0:
                    spans.append((start, start + len(piece)))
                    at = start + len(piece)
        return spans

    @cached_property
    def _no_abbreviation(self) -> re.Pattern[str]:
        """Matches ends of sentences that sentencex misses: it takes `if you ask me.` for the state of Maine."""
        words = "|".join(self.phrases["no_abbreviation"])
        return re.compile(rf"(?<=[\s,](?:{words})\.)\s+(?=[A-ZÀ-Þ])" if words else r"(?!)")

    @cached_property
    def _about(self) -> dict[str, dict[str, str]]:
        return tomllib.loads(self._read("language.toml"))

    def _read(self, name: str) -> str:
        try:
            return self.folder.joinpath(name).read_text("utf-8")
        except FileNotFoundError:
            raise UsageError(f"the language {self.code!r} has no {name}") from None


def register(code: str, package: str) -> None:
    """Add a language from a package of its own, as a plugin does."""
    PACKAGES[code] = package


@cache
def load_language(code: str) -> Language:
    """
    Raises:
        UsageError: if there is no such language.
    """
    if code not in PACKAGES:
        raise UsageError(f"there is no language {code[:40]!r}, only: {', '.join(sorted(PACKAGES.names()))}")
    return Language(code, PACKAGES[code])
