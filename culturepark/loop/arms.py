"""The rows that adapters are trained on: talk, controls of the same size, single shapes. Pure but for the folders.

An arm is one way to choose rows for a culture. All arms of a loop hold the same number of rows of each culture.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from culturepark.catalog.loops import LoopFile
from culturepark.dialogue.stance import draw_codes, unit
from culturepark.distill.wordings import Wordings, form_of, survey_answer
from culturepark.domain import DEFAULT_LANGUAGE, JsonObject, Seed
from culturepark.errors import UsageError
from culturepark.export.files import MANIFEST, index_of
from culturepark.export.formats import line
from culturepark.export.metadata import COLUMN
from culturepark.files import clipped, exists
from culturepark.languages import load_language
from culturepark.languages.countries import country_name
from culturepark.models.chat import canonical, digest
from culturepark.train.examples import SHAPES, ids_of, manifest_of, rows_of

TALK, OTHER, SEEDS, SHUFFLED = "talk", "other-culture", "seeds-alone", "shuffled"
MIXED = "all-shapes"
"""The arm beside those of single shapes: rows of all of them, at the same size."""
FEWEST_ROWS = 4
"""Rows of a culture below which a shape gets no arm."""
MADE = "made.json"
"""In the folder of the rows: what they were made from."""
OF_PEOPLE = ("personas", "people_from", "warranties", "rows_by_provenance", "answers", "reviews", "by_hand")
"""Keys of a manifest that speak of all rows of the export; an arm of other rows does without them."""


@dataclass(frozen=True)
class Row:
    """One row of the export, with what is behind it."""

    id: str
    """Of the sample; empty for a row that is none."""
    culture: str
    seed: str
    """Key of the question."""
    data: JsonObject
    """The columns that are trained on, and no others."""
    shape: str | None = None
    country: str | None = None
    """ISO 3166 alpha-3, of the speaker."""
    language: str = DEFAULT_LANGUAGE
    provenance: str | None = None
    of: Mapping[str, Any] = field(default_factory=dict)
    """What else its index says: where a control has its parts from."""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(line(self.data).encode()).hexdigest()


@dataclass(frozen=True)
class Arm:
    """The rows of one arm."""

    name: str
    rows: Mapping[str, Sequence[Row]]
    """By culture."""
    notes: Sequence[str] = ()

    @property
    def is_control(self) -> bool:
        return self.name in (OTHER, SEEDS, SHUFFLED)


@dataclass(frozen=True)
class Arms:
    """All arms of a loop."""

    arms: Mapping[str, Arm]
    size: int
    """Rows of each culture in every arm, but for those of single shapes."""
    shape_size: int | None
    """Rows of each culture in the arms of single shapes; None without them."""
    had: Mapping[str, int]
    """Culture -> rows of the export."""
    seeds: frozenset[str]
    """Keys of the questions behind any row of the export."""
    notes: Sequence[str] = ()


# --- reading -----------------------------------------------------------------------------------------


def read_rows(folder: Path, cultures: Sequence[str]) -> list[Row]:
    """Read an export that was made with `--metadata` and a file for each culture.

    Raises:
        UsageError: if it is none.
    """
    rows: list[Row] = []
    for culture in cultures:
        path = folder / f"{culture}.jsonl"
        if not exists(path):
            continue
        ids = ids_of(path) or {}
        for number, (shape, example) in enumerate(rows_of(path), start=1):
            known = example.row.get(COLUMN)
            if not isinstance(known, dict) or not isinstance(known.get("seed"), str):
                raise UsageError(f"{clipped(path, 400)}:{number}: says nothing of its question; export with --metadata")
            if number not in ids or ids[number][1] != example.sha256:
                raise UsageError(f"{clipped(path, 400)}:{number} was changed since it was exported; name another --out")
            rows.append(
                Row(
                    id=ids[number][0],
                    culture=culture,
                    seed=known["seed"],
                    data={name: example.row[name] for name in SHAPES[shape]},
                    shape=known.get("shape"),
                    country=known.get("country"),
                    language=str(known.get("language") or DEFAULT_LANGUAGE),
                    provenance=known.get("provenance"),
                )
            )
    return rows


# --- arms --------------------------------------------------------------------------------------------


def arms_of(file: LoopFile, cultures: Sequence[str], rows: Sequence[Row], seeds: Mapping[str, Seed]) -> Arms:
    """Return the arms of a loop.

    Args:
        seeds: the questions of the runs, by key.
    Raises:
        UsageError: if a culture has no rows, or a control cannot be made of them.
    """
    own = {culture: [row for row in rows if row.culture == culture] for culture in cultures}
    if without := [culture for culture, there in own.items() if not there]:
        raise UsageError(
            f"no rows of {', '.join(without)} to train on; leave it out of `cultures`, or add runs with it"
        )
    had = {culture: len(there) for culture, there in own.items()}
    size = min(had.values())
    notes = []
    if max(had.values()) > size:
        told = ", ".join(f"{culture} {count}" for culture, count in had.items())
        notes.append(f"every arm has {size} rows of each culture, as many as the one with the fewest has ({told})")
    talk = {culture: drawn(there, size, TALK) for culture, there in own.items()}
    arms = {TALK: Arm(TALK, talk)}
    for control in file.controls:
        made = {OTHER: of_others, SEEDS: seeds_alone, SHUFFLED: shuffled_answers}[control](talk, seeds)
        arms[control] = Arm(control, made, list(control_notes(control, talk, made)))
    shape_size = None
    if file.shapes:
        counts = {shape: min(sum(r.shape == shape for r in there) for there in own.values()) for shape in file.shapes}
        if few := [f"{shape} ({count})" for shape, count in counts.items() if count < FEWEST_ROWS]:
            notes.append(f"no arm of the shapes {', '.join(few)}: a culture has fewer than {FEWEST_ROWS} rows of them")
        fit = {shape: count for shape, count in counts.items() if count >= FEWEST_ROWS}
        if fit:
            shape_size = min(fit.values())
            arms[MIXED] = Arm(MIXED, {c: drawn(there, shape_size, MIXED) for c, there in own.items()})
            for shape in fit:
                of_it = {c: [row for row in there if row.shape == shape] for c, there in own.items()}
                arms[shape_arm(shape)] = Arm(
                    shape_arm(shape), {c: drawn(there, shape_size, shape) for c, there in of_it.items()}
                )
    return Arms(arms, size, shape_size, had, frozenset(row.seed for row in rows), notes)


def shape_arm(shape: str) -> str:
    return f"shape-{shape}"


def drawn(rows: Sequence[Row], size: int, *parts: object) -> list[Row]:
    """Return so many rows in their order, drawn by a hash of each."""
    order = sorted(range(len(rows)), key=lambda place: (unit("arm", *parts, rows[place].id, rows[place].sha256), place))
    kept = set(order[:size])
    return [row for place, row in enumerate(rows) if place in kept]


Talk = Mapping[str, Sequence[Row]]


def of_others(talk: Talk, _: Mapping[str, Seed]) -> dict[str, list[Row]]:
    """Return as many rows of the other cultures, from each of them in turn."""
    made: dict[str, list[Row]] = {}
    for culture, own in talk.items():
        others = [iter(by_hash(rows, OTHER, culture)) for other, rows in talk.items() if other != culture]
        taken: list[Row] = []
        while len(taken) < len(own):
            taken += [row for rows in others if (row := next(rows, None))]
        made[culture] = taken[: len(own)]
    return made


def by_hash(rows: Sequence[Row], *parts: object) -> list[Row]:
    return sorted(rows, key=lambda row: unit("order", *parts, row.id, row.sha256))


def seeds_alone(talk: Talk, seeds: Mapping[str, Seed]) -> dict[str, list[Row]]:
    """Return as many rows of the survey questions alone, each with an answer drawn from the country's shares.

    A question has as many rows as the talk has on it, where it is a survey's and was asked in the country; the others
    are spread over those. Rows are worded as survey answers without a reason are in an export.

    Raises:
        UsageError: if a culture has no survey question.
    """
    made: dict[str, list[Row]] = {}
    for culture, rows in talk.items():
        cells: Counter[tuple[str, str, str]] = Counter()
        for row in rows:
            known = seeds.get(row.seed)
            if known and known.item and row.country and row.country in known.item.shares:
                cells[row.seed, row.country, row.language] += 1
        if not cells:
            raise UsageError(
                f"the control {SEEDS} needs rows on survey questions that were asked in their country, and {culture} "
                "has none; leave it out of `controls`"
            )
        whole = sorted(cells)
        for turn in range(len(rows) - cells.total()):
            cells[whole[turn % len(whole)]] += 1
        made[culture] = [
            survey_row(culture, cell, code, place, seeds[cell[0]])
            for cell, count in sorted(cells.items())
            for place, code in enumerate(draw_codes(shares_in(seeds[cell[0]], cell[1]), count, SEEDS, *cell))
        ]
    return made


def shares_in(seed: Seed, country: str) -> dict[int, float]:
    assert seed.item is not None
    return seed.item.shares[country]


def survey_row(culture: str, cell: tuple[str, str, str], code: int, place: int, seed: Seed) -> Row:
    key, country, language = cell
    wordings, told = Wordings(load_language(language)), seed.in_language(language)
    assert told.item is not None
    drawn_by = f"{SEEDS} {culture} {key} {country} {place}"
    form = form_of(drawn_by, told.item)
    label = next(option.label for option in told.item.options if option.code == code)
    name = country_name(country, language)
    system = wordings.say("country/text", drawn_by, country=name)
    user = wordings.say(
        "survey/only",
        drawn_by,
        question=told.question,
        options=form.listing(told.item),
        mark=wordings.part(f"survey/mark-{form.style}"),
    )
    said = survey_answer(None, form, told.item, label, "")
    messages = [
        {"role": role, "content": text} for role, text in (("system", system), ("user", user), ("assistant", said))
    ]
    return Row(
        "", culture, key, {"messages": messages}, "survey", country, language, of={"seed": key, "country": country,
                                                                                  "code": code},
    )  # fmt: skip


def shuffled_answers(talk: Talk, _: Mapping[str, Seed]) -> dict[str, list[Row]]:
    """Return the same rows with their answers dealt anew within a culture; none keeps its own as far as that goes."""
    made: dict[str, list[Row]] = {}
    for culture, rows in talk.items():
        told = [canonical(answer_in(row.data)) for row in rows]
        dealt = dealt_anew(told, SHUFFLED, culture)
        made[culture] = [
            Row(
                "", culture, rows[place].seed, asked_in(rows[place].data) | put(rows[place].data, rows[giver].data),
                rows[place].shape, rows[place].country, rows[place].language,
                of={"prompt_of": rows[place].id, "answer_of": rows[giver].id},
            )
            for place, giver in enumerate(dealt)
        ]  # fmt: skip
    return made


def dealt_anew(told: Sequence[str], *parts: object) -> list[int]:
    """Return for each place the place whose answer it gets, a permutation by which as few as can be keep their words.

    Answers of the same words are kept together and all are moved on by the size of the largest group: then a place gets
    its own words only if more than half of all answers are the same.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place in sorted(range(len(told)), key=lambda place: unit("deal", *parts, place)):
        groups[told[place]].append(place)
    order = [place for group in sorted(groups.values(), key=len, reverse=True) for place in group]
    step = max((len(group) for group in groups.values()), default=0)
    got = [0] * len(told)
    for at, place in enumerate(order):
        got[place] = order[(at + step) % len(order)]
    return got


def asked_in(data: JsonObject) -> JsonObject:
    """Return what a row asks."""
    return {"messages": data["messages"][:-1]} if "messages" in data else {"prompt": data["prompt"]}


def answer_in(data: JsonObject) -> JsonObject:
    """Return what a row answers: its last message, or its pair, or its answer with the label."""
    if "messages" in data:
        return {"messages": data["messages"][-1:]}
    return {name: value for name, value in data.items() if name != "prompt"}


def put(asked: JsonObject, giver: JsonObject) -> JsonObject:
    """Return the columns of a row that get the answer of another one."""
    if "messages" in asked:
        return {"messages": [*asked["messages"][:-1], *giver["messages"][-1:]]}
    return answer_in(giver)


def control_notes(control: str, talk: Talk, made: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield what a control is not quite what it should be."""
    if control == SHUFFLED:
        same = sum(
            canonical(answer_in(one.data)) == canonical(answer_in(other.data))
            for culture, rows in talk.items()
            for one, other in zip(rows, made[culture], strict=True)
        )
        if same:
            yield f"{same} rows of {SHUFFLED} keep words of their own: too many answers are the same"
    if control == SEEDS:
        lengths = [mean_length(rows) for of in (talk, made) for rows in [[r for own in of.values() for r in own]]]
        yield (
            f"rows of {SEEDS} are as many and not as long: {lengths[1]:.0f} characters of answer each, where those of "
            f"the talk have {lengths[0]:.0f}"
        )


def mean_length(rows: Sequence[Row]) -> float:
    """Return the mean number of characters of answers."""
    return sum(len(str(row.data["messages"][-1]["content"])) for row in rows) / max(1, len(rows))


# --- folders -----------------------------------------------------------------------------------------


def write_arms(arms: Arms, export: Path, out: Path) -> None:
    """Write each arm as a folder that `train` takes: rows and index of each culture, and a manifest."""
    source, sha256 = manifest_of(export)
    for arm in arms.arms.values():
        folder = out / arm.name
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for culture, rows in arm.rows.items():
            name = f"{culture}.jsonl"
            body = "".join(line(row.data) + "\n" for row in rows)
            index = "".join(
                line({"line": number, "id": row.id, **row.of, "sha256": row.sha256}) + "\n"
                for number, row in enumerate(rows, start=1)
            )
            (folder / name).write_text(body, "utf-8")
            (folder / index_of(name)).write_text(index, "utf-8")
            files.append(
                {"name": name, "rows": len(rows), "sha256": sha256_of(body), "index": index_of(name),
                 "index_sha256": sha256_of(index)}
            )  # fmt: skip
        manifest = arm_manifest(arm, source, sha256, files)
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", "utf-8")


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


WHAT: Mapping[str, str] = {
    OTHER: "these are rows of the other cultures of the loop",
    SEEDS: "these are survey questions alone, with answers drawn from the shares of the country; nobody said them",
    SHUFFLED: "each answer stands under the prompt of another row",
}
"""Control -> what its rows are, for its manifest and the cards of adapters."""


def arm_manifest(arm: Arm, source: JsonObject, sha256: str | None, files: Sequence[Mapping[str, object]]) -> JsonObject:
    """Return the manifest of an arm: that of the export, without what is true of the export alone."""
    left = {*OF_PEOPLE} if arm.is_control else {"reviews", "by_hand", "answers"}
    manifest = {name: value for name, value in source.items() if name not in left}
    if arm.name == SEEDS:
        manifest["runs"] = []  # nobody said these
    if not arm.is_control:
        origins = Counter(row.provenance or "unknown" for rows in arm.rows.values() for row in rows)
        manifest["rows_by_provenance"] = {name: origins[name] for name in ("card", "episode", "model", "unknown")}
    notes = [f"control: {arm.name}: {WHAT[arm.name]}"] if arm.is_control else [f"arm: {arm.name}"]
    return manifest | {
        "control": arm.name if arm.is_control else None,
        "arm": arm.name,
        "drawn_from": sha256,
        "files": [dict(one) for one in files],
        "beside": [],
        "settings": [],
        "card": None,
        "duplicates": None,
        "metadata": False,
        "rows_by_culture": {culture: len(rows) for culture, rows in arm.rows.items()},
        "notes": [*notes, *arm.notes],
    }


def made_from(parts: object) -> str:
    """Return the digest of what rows were made from."""
    return digest(canonical(parts))
