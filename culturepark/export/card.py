"""The README of an export: what it is, how it came about, and what it is not. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from culturepark.distill.verify import SURE_ENOUGH
from culturepark.domain import COUNTRY_NAMES, CULTURES, JsonObject
from culturepark.export import licences, method, whose
from culturepark.export.formats import FORMATS
from culturepark.export.method import as_text

CITATION = "Li et al., CulturePark: Boosting Cross-cultural Understanding in Large Language Models, NeurIPS 2024"
SURVEY = "Haerpfer et al., World Values Survey: Round Seven, doi:10.14281/18241"

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

REJECTED = """
**Rejected does not mean wrong.** Both answers of a pair were given to the same question by simulated people. The
rejected one is either from the same culture and goes against its own speaker's stance, or was kept for another culture.
Where the question has a scale, the two stand on opposite sides of it. What a pair says is: a person from *this* culture
with *this* answer would rather say the one than the other; nothing about which is true, better, or more common.
"""
TAKEN_APART = """; an extractor took what the simulated people said apart into opinions, norms and customs; each was
checked against the words it rests on."""
WHOLE_RUNS = """
These rows are of some cultures alone. The figures here, and those of what was dropped and turned down, are of whole
runs, with everybody in them.
"""


def render(manifest: JsonObject) -> str:
    """Markdown with the metadata that the Hugging Face hub reads."""
    scripted = any("scripted" in {*run["models"].values(), *copied(run)} for run in manifest["runs"])
    warning = "**These rows come from a scripted model: they show the tool and are not worth training on.**\n\n"
    rows, known = sum(manifest["rows_by_culture"].values()), FORMATS[manifest["format"]]
    what = {"dialogues": "rows, each a whole dialogue"}.get(manifest["rows_are"], "rows")
    kind = REJECTED if FORMATS[manifest["format"]].pairs else ""
    if manifest["rows_are"] == "dialogues":
        kind = whose.whole(manifest)
    taken_apart = "." if manifest["rows_are"] == "dialogues" else TAKEN_APART
    return f"""---
{metadata(manifest)}---

# {pretty_name(manifest)}

{warning if scripted else ""}{rows} {what} ({counted(manifest["rows_by_culture"])}), made with culturepark \
{manifest["culturepark"]} on {manifest["created_at"][:10]}. {whose.who_talked(manifest)}{taken_apart}
Columns: {known.describes}, for {known.read_by}.
{kind}
## Where it comes from

{lines(map(origin, manifest["runs"]))}
Survey sources: {"; ".join(map(as_text, sources(manifest))) or "none; nobody's stance was drawn"}.
Where a question has a survey item, each delegate's stance is drawn from the shares of its country's answers; the
reasons are the model's.

## Who speaks

Nobody here exists. Each card says whom its person does not speak for.

| person | culture | place | rows | scope |
|---|---|---|---:|---|
{lines(map(person, manifest["personas"]))}
## Models and their licences

Whether these rows may be passed on, and what may be trained on them, is for the licences of the models that wrote them
to say. What is known of those (no legal advice; by the name a model goes by, which proves nothing):

{lines(model_lines(manifest))}
{chosen_licence(manifest["licence"])}

## Method

The method follows {CITATION}:
personas with cards of their own, {whose.by_protocol(manifest, *whose.LED)},
statements taken out of them with an exact quote, and two
criteria{", with more checks after them in some runs" if method.has_checks(manifest) else ""}. *Faithful*: the quote, in
its turn, carries the statement as the speaker's own view or practice; asked of every statement. *Stance*: whether an
opinion is in line with the answer its speaker was given; asked where there is one. What the judge is less than \
{SURE_ENOUGH:.0%} sure of is dropped. Then duplicates are left out inside each block of question, culture and side \
taken.
{method.CHECKS if method.has_checks(manifest) else ""}{method.reviewed(manifest)}
{lines(map(method.policy, manifest["runs"]))}
## From turns to samples

| run | dialogues done | turns | statements | faithful | in line with the stance | checks passed | kept | dropped |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
{lines(map(method.funnel, manifest["runs"]))}{WHOLE_RUNS if manifest["cultures"] else ""}
Dropped: {counted(merged(manifest, "samples", "dropped"))}. Turned down at extraction: \
{counted(merged(manifest, "statements", "rejected"))}. Left out of this export: {counted(manifest["left_out"])}.

## Limits, and what it is not

- {whose.who_exists(manifest)} What the personas say is written by a language model that was told whom to play;
  it is **no evidence of what people of a culture think, do or want**, and a culture's rows do not speak for its people.
{lines(f"- {text}" for text in whose.by_hand(manifest))}- {countries(manifest)}
- The judge is a language model too, and often the same one. Verified means that it agreed, not that a person did.
- Survey shares are unweighted, and what was drawn from them is as old as the survey.
- The persona cards have not been read by native readers yet.
{lines(f"- {as_text(note)}" for note in manifest["notes"])}
## How to go back

`culturepark trace FILE:LINE` leads a line back to the sample, its verdicts, the turn, the call and the persona. Beside
each file stands `NAME.index.jsonl` with the ids and the sha256 of every line; `manifest.json` has the digests of all
files, of scenarios and of prompts, the versions, and the command.

## Citation

{CITATION}.
{f"{SURVEY}." if sources(manifest) else ""}
"""


def pretty_name(manifest: JsonObject) -> str:
    whole = "Talks with simulated people"
    if whose.by_protocol(manifest, "", whole, ""):
        return f"{whole}{'' if manifest['rows_are'] == 'dialogues' else ', distilled'}"
    if manifest["rows_are"] == "dialogues":
        return "Simulated cross-cultural conversations"
    if FORMATS[manifest["format"]].pairs:
        return "Simulated cross-cultural conversations, as preferences"
    return "Simulated cross-cultural conversations, distilled"


def metadata(manifest: JsonObject) -> str:
    """YAML. Every value in it is ours, or has a form that YAML takes as it is."""
    rows = sum(manifest["rows_by_culture"].values())
    size = next((name for limit, name in SIZES if rows < limit), "n>1T" if rows >= 10**12 else "10M<n<100M")
    written = "".join(
        f'{name}: "{value}"\n' for name, value in licences.metadata(manifest["licence"]).items()
    )  # `licences.is_name` has looked at it; in quotes, because `no` and `1.0` would be none
    languages = sorted({run["language"] for run in manifest["runs"]})
    tags = ["synthetic", "culture", "culturepark", *(["dpo"] if FORMATS[manifest["format"]].pairs else [])]
    return f"""pretty_name: {pretty_name(manifest)}
{written}language: [{", ".join(languages)}]
language_creators: [machine-generated{", other" if any(whose.by_hand(manifest)) else ""}]
annotations_creators: [machine-generated]
multilinguality: [{"monolingual" if len(languages) == 1 else "multilingual"}]
size_categories: ["{size}"]
source_datasets: [original]
task_categories: [text-generation]
tags: [{", ".join(tags)}]
configs:
{"".join(configs([file["name"] for file in manifest["files"]]))}"""


def configs(names: Sequence[str]) -> Iterator[str]:
    """One configuration with all files, and one for each culture if there are several; Parquet, where it is there."""
    tables = [name for name in names if name.endswith(".parquet")]
    by_culture: dict[str, list[str]] = defaultdict(list)
    for name in tables or names:
        by_culture["default"].append(name)
        by_culture[name.partition(".")[0]].append(name)
    several = len(by_culture) > 2
    for config, files in by_culture.items():
        if config != "default" and not several:
            continue
        halves: dict[str, list[str]] = {"train": [], "validation": []}
        for name in files:
            halves["validation" if ".validation." in name else "train"].append(name)
        yield f"  - config_name: {config}\n    data_files:\n"
        for half, paths in halves.items():
            if paths:
                yield f"      - split: {half}\n        path: [{', '.join(paths)}]\n"


def origin(run: JsonObject) -> str:
    models = ", ".join(f"{role} {as_text(spec)}" for role, spec in sorted(run["models"].items()))
    asked = "1 question" if run["questions"] == 1 else f"{run['questions']} questions"
    branched = "".join(
        f"; `{one['dialogue']}` branched off `{one['parent']}` after {one['branched_at']} turns, which are its own too "
        f"({wrote(one['models'])})"
        for one in run["branched"]
    )
    return (
        f"- run `{run['run']}`: scenario `{run['scenario']}` (“{as_text(run['title'])}”, {run['setting']}, "
        f"{run['protocol']}, sha256 {run['scenario_digest'][:12]}), {asked}, seed {run['seed']}, "
        f"culturepark {as_text(run['culturepark'])}, {run['created_at'][:10]}; {models}{branched}"
    )


def wrote(models: Mapping[str, Sequence[str]]) -> str:
    """Of the turns that a branch has copied."""
    told = [f"{role} {as_text(spec)}" for role, specs in models.items() for spec in specs]
    return ", ".join(told) or "by no model whose calls are in the store"


def sources(manifest: JsonObject) -> list[str]:
    return sorted({source for run in manifest["runs"] for source in run["sources"]})


def person(one: JsonObject) -> str:
    name, place, scope = (as_text(one[part]) for part in ("name", "place", "scope"))
    return f"| {name} | {one['culture']} | {place} | {one['rows']} | {scope} |"


def model_lines(manifest: JsonObject) -> Iterator[str]:
    known: dict[str, str] = {}
    for run in manifest["runs"]:
        known |= licences.of_models(run["models"])
        known |= {spec: licences.of_model(spec) for spec in copied(run)}
    for spec, licence in sorted(known.items()):
        yield f"- {as_text(spec)}: {licence}"


def copied(run: JsonObject) -> set[str]:
    """The models of turns that a branch has from another run."""
    return {spec for one in run["branched"] for specs in one["models"].values() for spec in specs}


def chosen_licence(licence: str | None) -> str:
    if licence is None:
        return (
            "**No licence has been chosen for this data set.** Whoever publishes it has to choose one, and write it "
            "into the metadata above (`license:`); `culturepark export --license ID` does."
        )
    return f"Whoever made this export chose the licence `{licence.lower()}` for it."


def merged(manifest: JsonObject, stage: str, what: str) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in manifest["runs"]:
        total.update(run[stage][what])
    return dict(total.most_common())


def countries(manifest: JsonObject) -> str:
    grounded = [f"{c} in {COUNTRY_NAMES[CULTURES[c]]}" for c in manifest["rows_by_culture"] if c in CULTURES]
    each = (
        f"Each culture is grounded in one country ({', '.join(grounded)}) and speaks for no other." if grounded else ""
    )
    american = "American main contacts have no survey stance." if "american" in manifest["rows_by_culture"] else ""
    return f"{each} {american}".strip()


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{as_text(name)} {count}" for name, count in counts.items()) or "none"


def lines(found: Iterator[str] | map[str]) -> str:
    return "".join(f"{line}\n" for line in found)
