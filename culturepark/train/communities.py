"""Rows and descriptions of communities, as joint training reads them: whose answer a row is, and who they are in words.

A community is whatever the rows say it is: a culture's key, or any other name. Descriptions come from files that users
write, since nobody but they can say who their community is.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from culturepark.catalog import item_files
from culturepark.catalog.countries import countries
from culturepark.catalog.files import read_mapping, shown
from culturepark.domain import Culture, shipped_cultures
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.files import clipped, some_of
from culturepark.languages.countries import country_name, language_name
from culturepark.train.examples import files_of, ids_of, rows_of

HELD_OUT = 5
"""One of so many statements, and one of so many sentences, is kept from training where nothing else divides them."""
FEWEST_SENTENCES = 5
"""With fewer sentences, none of a description's is kept from training."""
LONGEST = 4_000
"""Characters of a sentence that are still read; an encoder reads far fewer."""
EVERYBODY = "all"
"""Name of a file with the rows of all communities."""
LEAST_SHARE = 0.05
"""Faiths of fewer people are not named in a description."""
YAML_FILES = (".yaml", ".yml")


@dataclass(frozen=True)
class Row:
    """One question and answer, or several, of somebody of a community."""

    id: str
    community: str
    messages: tuple[Mapping[str, str], ...]
    """Each with `role` and `content`."""
    sample: str = ""
    """Id of the sample behind it, by which `trace` finds it; empty where no index names it."""
    sha256: str = ""
    """Of its line."""

    @property
    def cluster(self) -> str:
        """The statement behind the row. Rows of one statement say the same in other shapes, so they are no two
        observations, and none of them may be trained on while another one judges."""
        return re.sub(r"\.x\d+$", "", self.id)


@dataclass(frozen=True)
class Rows:
    train: tuple[Row, ...]
    held_out: tuple[Row, ...]
    divided: str
    """How the two were told apart, in words."""

    @property
    def communities(self) -> tuple[str, ...]:
        """Those with rows to train on, by name."""
        return tuple(sorted({row.community for row in self.train}))


# --- rows ----------------------------------------------------------------------------------------


def read_rows(path: Path) -> Rows:
    """Read an export, or one file of rows with `messages`, and hold out a part of each community.

    The community of a row is `culture` of its metadata (`export --metadata`), else its own `community` or `culture`,
    else the name of its file (`export --culture NAME`). Files of validation are what is held out; without any, a fifth
    of the statements of each community is.

    Raises:
        UsageError: if there is nothing to train on, or something that is no row.
    """
    files = files_of(path, None)
    train = [row for file in files if file.half == "train" for row in rows_in(file.path)]
    held_out = [row for file in files if file.half == "validation" for row in rows_in(file.path)]
    if not held_out:
        return divided(train)
    trained = {row.community for row in train}
    kept = [row for row in held_out if row.community in trained]
    return enough(Rows(tuple(train), tuple(kept), "the export's own validation files"))


def rows_in(path: Path) -> Iterator[Row]:
    ids = ids_of(path) or {}
    for number, (shape, example) in enumerate(rows_of(path), start=1):
        data = example.row
        if shape != "messages":
            raise UsageError(f"{shown(path)}:{number}: --method hyper wants an export of --format trl or openai")
        if data["messages"][-1]["role"] != "assistant":
            raise UsageError(f"{shown(path)}:{number}: does not end with an answer (role `assistant`)")
        sample, sha256 = ids.get(number, ("", ""))
        sample = sample if sha256 == example.sha256 else ""
        row_id = sample or str(data.get("id") or f"{path.name}:{number}")
        messages = tuple({"role": m["role"], "content": m["content"]} for m in data["messages"])
        yield Row(row_id, community_of(path, number, data), messages, sample, example.sha256)


def community_of(path: Path, number: int, data: Mapping[str, Any]) -> str:
    by_file = path.name.partition(".")[0]
    beside = data.get("metadata")
    said = (beside if isinstance(beside, dict) else {}).get("culture") or data.get("community") or data.get("culture")
    if not said and by_file != EVERYBODY:
        said = by_file
    if not isinstance(said, str) or not said.strip():
        raise UsageError(
            f"{shown(path)}:{number}: does not say whose answer it is: export with --metadata, or with --culture NAME "
            "for each, which makes a file of it"
        )
    return said


def divided(rows: Sequence[Row]) -> Rows:
    """Hold out a fifth of each community's statements, by the digest of their ids, so that more rows move few."""
    statements: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        statements[row.community].add(row.cluster)
    out = {
        (community, cluster)
        for community, clusters in statements.items()
        for cluster in sorted(clusters, key=digest)[: len(clusters) // HELD_OUT]
    }
    train = tuple(row for row in rows if (row.community, row.cluster) not in out)
    held_out = tuple(row for row in rows if (row.community, row.cluster) in out)
    return enough(Rows(train, held_out, f"one of {HELD_OUT} statements of each community, by the digest of its id"))


def enough(rows: Rows) -> Rows:
    if len(rows.communities) < 2:
        names = some_of(rows.communities, 3) or "none"
        raise UsageError(f"joint training wants rows of two communities or more; there are rows of {names}")
    if missing := set(rows.communities) - {row.community for row in rows.held_out}:
        counts = Counter(row.community for row in rows.train)
        few = ", ".join(f"{clipped(name)} ({counts[name]} rows)" for name in sorted(missing))
        raise UsageError(
            f"nothing of {few} is held out, so nothing could be said of it: give {HELD_OUT} statements or more of each"
        )
    return rows


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def wrong(path: Path, line: int | None, what: str) -> NoReturn:
    raise CatalogError([Problem(shown(path), line, "", what)])


# --- descriptions --------------------------------------------------------------------------------


def read_descriptions(path: Path) -> dict[str, tuple[str, ...]]:
    """Read the sentences that describe each community, by its name.

    Args:
        path: YAML of `name: text` or `name: [sentence, ...]`; or rows (JSON lines, CSV, Parquet) with the columns
            `community` and `text`, a sentence each.
    Raises:
        CatalogError: if a description is no text, empty, or too long.
    """
    found: dict[str, dict[str, None]] = defaultdict(dict)
    if path.suffix.lower() in YAML_FILES:
        for name, given in read_mapping(path).items():
            texts = given if isinstance(given, list) else [given]
            for text in texts:
                found[name][sentence(path, None, name, text)] = None
            if not texts:
                wrong(path, None, f"{clipped(name)}: has no sentence")
    else:
        for line, row in item_files.rows_of(path):
            whom = row.get("community")
            if not isinstance(whom, str) or not whom.strip():
                wrong(path, line, "has no `community`; columns `community` and `text` are wanted")
            found[whom][sentence(path, line, "text", row.get("text"))] = None
    if not found:
        wrong(path, None, "describes nobody")
    return {name: tuple(texts) for name, texts in found.items()}


def sentence(path: Path, line: int | None, key: str, text: object) -> str:
    if not isinstance(text, str) or not text.strip():
        wrong(path, line, f"{clipped(key)}: must be a text")
    if len(text) > LONGEST:
        wrong(path, line, f"{clipped(key)}: is longer than {LONGEST:,} characters; give several sentences")
    return " ".join(text.split())


def culture_sentences(culture: Culture) -> tuple[str, ...]:
    """Return a description of a culture out of its file, and of its first country's figures, a fact a sentence."""
    country = country_name(culture.countries[0])
    spoken = dict.fromkeys(language_name(tongue.language) for tongue in culture.languages)
    sentences = [
        f"{culture.adjective} people from {', '.join(map(country_name, culture.countries))}.",
        f"At home they speak {', '.join(spoken)}.",
    ]
    if figures := countries().figures.get(culture.countries[0]):
        faiths = ", ".join(f"{faith} {share:.0%}" for faith, share in figures.faith.items() if share >= LEAST_SHARE)
        sentences.append(f"Faith in {country}: {faiths}.")
        sentences.append(f"{figures.urban:.0%} of the people of {country} live in towns.")
    points = re.split(r"(?m)^- ", culture.address)
    return (*sentences, *(" ".join(point.split()) for point in points if point.strip()))


def descriptions_for(
    communities: Sequence[str], found: Mapping[str, Sequence[str]] | None, names: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return the description of each community.

    Args:
        found: name -> sentences, as a file has them; None for those of the shipped cultures.
        names: community of the rows -> name in the file, where the two differ.
    Raises:
        UsageError: if one is not described, or a name is used for nothing.
    """
    if found is None:
        found = {key: culture_sentences(culture) for key, culture in shipped_cultures().items()}
    if unknown := sorted(set(names) - set(communities)):
        raise UsageError(f"there are no rows of {some_of(unknown, 3)}; there are rows of {some_of(communities, 20)}")
    if missing := [name for name in communities if names.get(name, name) not in found]:
        wanted = some_of([clipped(names.get(name, name)) for name in missing], 5)
        there = some_of([clipped(name) for name in sorted(found)], 20)
        raise UsageError(f"no description of {wanted}; there are descriptions of {there}")
    return {name: tuple(found[names.get(name, name)]) for name in communities}


def held_out_sentences(sentences: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the sentences to train with and those to judge by: others, where there are enough, else the same."""
    if len(sentences) < FEWEST_SENTENCES:
        return tuple(sentences), tuple(sentences)
    out = set(sorted(sentences, key=digest)[: len(sentences) // HELD_OUT])
    return tuple(s for s in sentences if s not in out), tuple(s for s in sentences if s in out)
