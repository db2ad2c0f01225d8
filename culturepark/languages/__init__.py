"""Languages of dialogues. A language is a folder of this package, or a package that a plugin registers.

    language.toml   its names, its script, its forms (yes, no, quotation marks ...), the words that frame a transcript
    NAME.md         what is said at the table, with `{{holes}}`
    samples/        what stands around the rows that come of a talk, each in many wordings
    questions/      the questions of surveys and scenarios in it, `NAME.yaml`
    dev.jsonl       rows by which `culturepark check` tries what the program can do in it
    phrases.toml    English alone: word lists of guards and deduplication

`judges/` is no language: it holds what models are asked about a talk. That is in English whatever the talk is in, since
whoever judges texts of many languages has to judge them by one and the same measure. A language that has a file of the
same name has its own. No other module holds words of a language. A missing file is an error; no language stands in
for another one.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import Any

import regex

from culturepark.errors import UsageError
from culturepark.languages.words import folded
from culturepark.plugins import Registry

HOLE = re.compile(r"\{\{(\w+)\}\}")
JUDGES = "culturepark.languages.judges"
FULL_STOPS = {"CJK": "。", "BENGALI": "।"}
"""Script -> the mark at the end of a sentence, where that is no full stop."""
MARKS = '.!?:"“”,。！？：，、।؟،؛「」『』«»„()'
"""What does not stand in the words of a small model's own, nor at their end."""


def of_plugin(_: str, package: object) -> str:
    if not isinstance(package, ModuleType):
        raise TypeError(f"a package is wanted, not {type(package).__name__}")
    return package.__name__


PACKAGES: Registry[str] = Registry("culturepark.languages", of_plugin)
"""Every language there is, by its code (BCP 47), and its package."""
for folder in files(__name__).iterdir():
    if folder.joinpath("persona.md").is_file():  # a language has people who speak it
        PACKAGES[folder.name] = f"{__name__}.{folder.name}"


def folder_of(package: str) -> Traversable:
    """Return the folder of a language's package."""
    own = package.removeprefix(f"{__name__}.")
    return files(__name__).joinpath(own) if own != package else files(package)


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
    """The word lists of one language that has some; a missing one raises UsageError."""

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
        self.folder = folder_of(package)

    def __repr__(self) -> str:
        return f"Language({self.code!r})"

    @cached_property
    def name(self) -> str:
        """The name in English, for judges."""
        return str(self._about["name"])

    @cached_property
    def own_name(self) -> str:
        """The name in the language itself, for those who speak it."""
        return str(self._about.get("own_name", self.name))

    @cached_property
    def script(self) -> str:
        """The beginning of Unicode's names of its letters, such as `LATIN`."""
        return str(self._about["script"])

    @cached_property
    def phrases(self) -> Mapping[str, list[str]]:
        """Word lists by name. A language without such a file has none, and rules that need one do not apply to it."""
        file = self.folder.joinpath("phrases.toml")
        if not file.is_file():
            return defaultdict(list)
        return Lists(self.code, tomllib.loads(file.read_text("utf-8")))

    @cached_property
    def negation(self) -> str:
        """A regular expression for what negates a clause, over lower-case text without punctuation; may be empty."""
        return str(self._about.get("negation", ""))

    @cached_property
    def joining(self) -> tuple[str, ...]:
        """Words with which a piece of a sentence begins that hangs on what went before."""
        return tuple(self._about.get("joining", ()))

    @property
    def full_stop(self) -> str:
        return FULL_STOPS.get(self.script, ".")

    @cached_property
    def own_words(self) -> str:
        """A GBNF expression for the words of its own with which a small model ends a sentence.

        Where the language names none, it is right for any script: in place of its letters stands what is no mark.
        """
        short = "{8,50}" if self.script == "CJK" else "{20,130}"
        any_script = rf'[^{MARKS}0-9\n]{short} [^{MARKS}0-9 \n] "{self.full_stop}"'
        return str(self._about.get("own_words", any_script))

    def quoted(self, text: str) -> str:
        """Return a text in the language's quotation marks."""
        opening, closing = self._about.get("quotes", ('"', '"'))
        return f"{opening}{text}{closing}"

    def country(self, alpha3: str) -> str | None:
        """Return its own name of a country in a sentence, which goes before CLDR's; None if it has none."""
        name = self._about.get("countries", {}).get(alpha3)
        return None if name is None else str(name)

    def yes_and_no(self, name: str) -> tuple[str, str]:
        """Return the words by which a prompt of that name is answered."""
        of = self if self.folder.joinpath(f"{name}.md").is_file() else judging()
        return str(of._about["yes"][0]), str(of._about["no"][0])

    def word(self, name: str) -> str:
        """Return a word of cards, such as `woman` or `direct`."""
        words = self._about.get("words", {})
        if name not in words:
            raise UsageError(f"the language {self.code!r} has no {name!r} among the words of its language.toml")
        return str(words[name])

    @cache  # noqa: B019 - there is one object of each language, and it stays
    def prompt(self, name: str) -> Prompt:
        return Prompt(self._read(f"{name}.md").strip())

    @cache  # noqa: B019
    def own_first(self, name: str) -> Prompt:
        """Return a card with what is the same in all dialogues of a person first, and the table and its subject last.

        So a provider's cache of beginnings holds from one dialogue of a person to the next.
        """
        _, *paragraphs = self.prompt(name).text.split("\n\n")
        subject = [text for text in paragraphs if "{{question}}" in text]
        others = [text for text in paragraphs if "{{question}}" not in text]
        table = "\n".join([self.frame("at_table").text, *subject])
        return Prompt("\n\n".join([self.frame("you_are").text, *others, table]))

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
        comma = str(self._about["frames"].get("comma", ", "))
        return self.frame("and").text.join(part for part in (comma.join(names[:-1]), names[-1]) if part)

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
    def _no_abbreviation(self) -> regex.Pattern[str]:
        """Matches ends of sentences that sentencex misses: it takes `if you ask me.` for the state of Maine."""
        words = "|".join(map(re.escape, self._about.get("no_abbreviation", ())))
        return regex.compile(rf"(?<=[\s,](?:{words})\.)\s+(?=\p{{Lu}})" if words else r"(?!)")

    @cached_property
    def _about(self) -> dict[str, Any]:
        return tomllib.loads(self._read("language.toml"))

    def _read(self, name: str) -> str:
        for folder in (self.folder, folder_of(JUDGES)):
            with suppress(FileNotFoundError):
                return folder.joinpath(name).read_text("utf-8")
        raise UsageError(f"the language {self.code!r} has no {name}")


def no_language(code: str) -> str:
    """Say that nobody can talk in a language, and what would have to be there."""
    return f"no language {code[:40]} is known; a language is a folder of prompts (docs/extending.md)"


def register(code: str, package: str) -> None:
    """Add a language from a package of its own, as a plugin does."""
    PACKAGES[code] = package


def name_or_code(code: str) -> str:
    """Return a language's name in English; the code where there is no folder of it."""
    return load_language(code).name if code in PACKAGES else code


@cache
def judging() -> Language:
    """Return the language in which models are asked about talks of any language."""
    return Language("en", JUDGES)


def for_judges(template: Prompt, codes: Sequence[str]) -> Prompt:
    """Return a prompt for a judge of texts in some languages; the same for English ones."""
    names = list(map(name_or_code, dict.fromkeys(codes)))
    if not names or names == [judging().name]:
        return template
    return Prompt(f"{template.text}\n\n{judging().frame('texts_in').render(languages=judging().joined(names))}")


@cache
def load_language(code: str) -> Language:
    """
    Raises:
        UsageError: if there is no such language.
    """
    if code not in PACKAGES:
        raise UsageError(f"there is no language {code[:40]!r}, only: {known_languages()}{perhaps(code)}")
    return Language(code, PACKAGES[code])


# --- what people call them -----------------------------------------------------------------------------


def code_meant(text: str) -> str:
    """Return the code of the language that somebody means by its code in any case, by its English name or its own.

    Returns:
        The text itself where no language is called so.
    """
    return text if text in PACKAGES else names_of_languages().get(folded(text), text)


def known_languages(*more: str) -> str:
    """Return the languages there are, as `tr (Turkish)`, after other words that will do."""
    return ", ".join([*more, *map(code_and_name, sorted(PACKAGES.names()))])


def perhaps(text: str) -> str:
    """Return the end of a message that refuses a language: which one may have been meant, if any."""
    names = names_of_languages()
    told = folded(text[:40].replace("_", "-"))
    near = [name for name in (told, told.partition("-")[0]) if name in names]
    near = near or get_close_matches(told, [name for name in names if len(name) > 3], n=1, cutoff=0.75)
    return f"; perhaps {code_and_name(names[near[0]])}?" if near else ""


def code_and_name(code: str) -> str:
    return f"{code} ({name})" if (name := english_name(code)) else code


def english_name(code: str) -> str:
    """Return a language's name in English; an empty text where its folder, which a plugin may bring, has none."""
    with suppress(UsageError, KeyError, ValueError):
        return load_language(code).name
    return ""


def names_of_languages() -> dict[str, str]:
    """Return the code of each language by each of its names and by the code itself, all `folded`."""
    from culturepark.languages.countries import language_name

    codes: dict[str, str] = {}
    for code in sorted(PACKAGES.names()):
        names = [language_name(code), language_name(code, code)]
        if name := english_name(code):
            names += [name, load_language(code).own_name]
        codes |= {folded(name): code for name in names}
    return codes | {folded(code): code for code in PACKAGES.names()}
