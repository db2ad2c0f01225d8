"""The dataset card of an export: its README, with metadata for the Hugging Face hub.

The text is in `card.md.jinja`; this module computes the values for it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from culturepark.distill.verify import SURE_ENOUGH
from culturepark.domain import shipped_cultures
from culturepark.export import licences
from culturepark.export.formats import RATINGS, REVIEWS, VERDICTS, format_named
from culturepark.export.manifest import Manifest, RunEntry
from culturepark.export.metadata import COLUMN, kinds
from culturepark.glossary import ROW_QUESTIONS
from culturepark.languages.countries import country_name
from culturepark.models.kinds import is_scripted, is_tiny
from culturepark.stats.figures import CrossCheck, RenderingCounts, RowQuestion
from culturepark.stats.text import generic_in, in_figures, judged_twice_line, listed, share, told_beside_chance
from culturepark.terminal.safe import safe

CITATION = "Li et al., CulturePark: Boosting Cross-cultural Understanding in Large Language Models, NeurIPS 2024"
SURVEY = "Haerpfer et al., World Values Survey: Round Seven, doi:10.14281/18241"
REFERENCE = "reference"
"""The model of an evaluation of texts that are a suite's own references."""
MOST_CELLS = 50
"""Unfilled cells of a selection that the card names."""
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))

NO_MODEL = (
    "No language model wrote these rows: a script put them together out of sentences from the persona cards. They show "
    "how the tool works and are not worth training on."
)
PARTLY_NO_MODEL = (
    "In some places a script stood in for a language model; it uses sentences from the persona cards and judges by "
    "fixed rules. These rows show how the tool works and are not worth training on."
)
SMALL_MODEL = (
    "A model of only 135 million parameters (SmolLM2-135M-Instruct) picked these rows from the persona cards, word by "
    "word. They show how the tool works and are not worth training on."
)


def render(manifest: Manifest) -> str:
    """Return the card as Markdown, with the hub's metadata at its head."""
    runs = manifest.runs
    scripted_judges = {is_scripted(run.models["verifier"]) for run in runs if "verifier" in run.models}
    protocols = {run.is_talk for run in runs}
    return template().render(
        manifest=manifest,
        head=as_yaml(metadata(manifest)),
        title=title(manifest),
        format=format_named(manifest.format),
        single_rows=not (manifest.of_dialogues or format_named(manifest.format).bases),
        label_lines=list(label_lines(manifest)),
        mix=[f"{axis} {', '.join(f'{k} {v:g}' for k, v in mix.items())}" for axis, mix in manifest.shares.items()],
        warnings=list(warnings(manifest)),
        no_model=only_scripted(manifest),
        is_mined=all(run.is_mined for run in runs),
        has_mined=any(run.is_mined for run in runs),
        has_dialogues=False in protocols,
        has_talks=True in protocols,
        has_checks=any(run.checks for run in runs),
        asks_of_rows=any(run.row_questions for run in runs),
        row_questions=ROW_QUESTIONS,
        judged_by_rules=True in scripted_judges,
        judged_by_models=False in scripted_judges,
        sources=sorted({source for run in runs for source in run.sources}),
        licences=sorted(model_licences(manifest).items()),
        countries=[
            f"{c} in {' and '.join(names)}" for c in manifest.rows_by_culture if (names := grounds(manifest, c))
        ],
        several=any(len(grounds(manifest, c)) > 1 for c in manifest.rows_by_culture),
        mains=[
            adjective(c)
            for c in manifest.rows_by_culture
            if any(p.culture == c and p.role == "main" for p in manifest.personas)
        ],
        dropped=summed(run.samples.dropped for run in runs),
        turned_down=summed(run.statements.rejected for run in runs),
        sure_enough=f"{SURE_ENOUGH:.0%}",
        most_cells=MOST_CELLS,
        citation=CITATION,
        survey=SURVEY,
    )


def renderings_line(counts: RenderingCounts) -> str:
    compared = f"a second call compared {counts.compared} of {counts.made} with the original"
    return f"{compared} and found {counts.agreed} to agree"


def grounds(manifest: Manifest, culture: str) -> list[str]:
    """Return the names of the countries from which the delegates of a culture are."""
    people = [p for p in manifest.personas if p.culture == culture and p.role == "delegate"]
    return [country_name(country) for country in dict.fromkeys(person.country for person in people)]


def adjective(culture: str) -> str:
    shipped = shipped_cultures().get(culture)
    return shipped.adjective if shipped else culture.capitalize()


def markdown(folder: Path) -> Environment:
    """Return what renders Markdown from the templates of a folder. It escapes nothing: a template's filters do."""
    return Environment(
        loader=FileSystemLoader(folder),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def template() -> Template:
    environment = markdown(Path(__file__).parent)  # texts of users and models go through the filter `text`
    environment.filters |= {
        "text": as_text,
        "counted": lambda counts: as_text(listed(counts)),
        "by_role": by_role,
        "checks": lambda run: list(checks(run)),
        "passed": passed,
        "percent": share,
        "in_figures": in_figures,
        "judged_twice": judged_twice_line,
        "kept_of_asked": kept_of_asked,
        "told": told,
        "generic": generic,
        "duplicates": duplicates,
        "entailed": entailed,
        "renderings": renderings_line,
    }
    return environment.get_template("card.md.jinja")


# --- who wrote the words ---------------------------------------------------------------------------


def writers(manifest: Manifest) -> set[str]:
    """Return the specs of all models whose words can be in the rows."""
    specs = {run.models[role] for run in manifest.runs for role in licences.WRITERS if role in run.models}
    return specs.union(answerers(manifest), *(run.copied_models for run in manifest.runs))


def answerers(manifest: Manifest) -> set[str]:
    """Return the specs of the models whose answers to suites are in the rows."""
    return {one.model for one in manifest.evaluations if one.model != REFERENCE}


def only_scripted(manifest: Manifest) -> bool:
    specs = writers(manifest)
    return bool(specs) and all(map(is_scripted, specs))


def warnings(manifest: Manifest) -> Iterator[str]:
    """Yield warnings for rows that are not worth training on because of their models."""
    specs = writers(manifest)
    if only_scripted(manifest):
        yield NO_MODEL
    elif any(map(is_scripted, specs.union(*(run.models.values() for run in manifest.runs)))):
        yield PARTLY_NO_MODEL
    if any(map(is_tiny, specs)):
        yield SMALL_MODEL


def written_by_hand(manifest: Manifest) -> bool:
    """Tell whether people wrote some of the words: a user in a talk, the editor of a branch, or a reviewer."""
    return bool(manifest.by_hand.typed.rows or manifest.by_hand.edited.rows or manifest.reviews.corrected)


def model_licences(manifest: Manifest) -> dict[str, str]:
    """Return spec -> known licence, for all models whose words can be in the rows."""
    known: dict[str, str] = {spec: licences.of_model(spec) for spec in answerers(manifest)}
    for run in manifest.runs:
        specs = {run.models[role] for role in licences.WRITERS if role in run.models} | run.copied_models
        known |= {spec: licences.of_model(spec) for spec in specs}
    return known


# --- the head --------------------------------------------------------------------------------------


def title(manifest: Manifest) -> str:
    if not manifest.runs:
        return f"Answers of language models to questions about cultures{kind_of_rows(manifest)}"
    if all(run.is_talk for run in manifest.runs):
        return f"Talks with simulated people{'' if manifest.of_dialogues else ', distilled'}"
    return f"Simulated cross-cultural conversations{kind_of_rows(manifest)}"


def kind_of_rows(manifest: Manifest) -> str:
    form = format_named(manifest.format)
    if manifest.of_dialogues:
        return ""
    return ", as preferences" if form.pairs else ", as labelled answers" if form.labels else ", distilled"


def metadata(manifest: Manifest) -> dict[str, Any]:
    """Return the metadata of a data set on the hub."""
    size = next((name for limit, name in SIZES if manifest.rows < limit), "10M<n<100M")
    languages = manifest.languages_of_rows
    by_script = set(map(is_scripted, writers(manifest)))
    creators = ["machine-generated"] * (False in by_script)
    creators += ["other"] * (True in by_script or written_by_hand(manifest))
    annotators = ["machine-generated"] + ["other"] * bool(manifest.labels and manifest.labels.rows_by_people)
    # Quoted values may look like another type to YAML: a licence called `1.0`, or the language `no`.
    return {
        "pretty_name": title(manifest),
        **{name: Quoted(value) for name, value in licences.metadata(manifest.licence).items()},
        "language": [Quoted(language) for language in languages],
        "language_creators": creators or ["other"],
        "annotations_creators": annotators,
        "multilinguality": ["monolingual" if len(languages) == 1 else "multilingual"],
        "size_categories": [size],
        "source_datasets": ["original"],
        "task_categories": ["text-generation"],
        "tags": tags(manifest),
        **({} if format_named(manifest.format).bundle else {"configs": configs([f.name for f in manifest.files])}),
        **({"dataset_info": typed(manifest)} if manifest.metadata else {}),
    }


def tags(manifest: Manifest) -> list[str]:
    form = format_named(manifest.format)
    return ["synthetic", "culture", "culturepark", *["dpo"] * form.pairs, *["kto"] * form.labels]


def typed(manifest: Manifest) -> list[dict[str, Any]]:
    """Return the types of the columns for each configuration; a loader would guess them from the first rows, where all
    can be null."""
    form = format_named(manifest.format)
    names = {str: "string", int: "int64", float: "float64", bool: "bool"}

    def feature(name: str, kind: Any) -> dict[str, Any]:
        if isinstance(kind, dict):
            return {"name": name, "struct": [feature(key, of) for key, of in kind.items()]}
        if isinstance(kind, tuple) and kind:
            return {"name": name, "list": [{"name": key, "dtype": "string"} for key in kind]}
        return {"name": name, "dtype": names.get(kind, "string")}

    columns = {**form.columns, COLUMN: kinds(form.pairs)}
    features = [feature(name, kind) for name, kind in columns.items()]
    found = configs([file.name for file in manifest.files])
    return [{"config_name": one["config_name"], "features": features} for one in found]


def configs(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one configuration with all files, and one for each culture if there are several.

    They name Parquet files if there are any, else JSONL.
    """
    tables = [name for name in names if name.endswith(".parquet")]
    by_config: dict[str, list[str]] = defaultdict(list)
    for name in tables or names:
        by_config["default"].append(name)
        by_config[name.partition(".")[0]].append(name)
    if len(by_config) == 2:
        by_config = {"default": by_config["default"]}
    return [{"config_name": config, "data_files": halves(files)} for config, files in by_config.items()]


def halves(names: Sequence[str]) -> list[dict[str, Any]]:
    by_half: dict[str, list[str]] = {"train": [], "validation": []}
    for name in names:
        by_half["validation" if ".validation." in name else "train"].append(name)
    return [{"split": half, "path": paths} for half, paths in by_half.items() if paths]


def as_yaml(data: Mapping[str, Any]) -> str:
    yaml, text = YAML(), StringIO()
    yaml.width = 1000
    yaml.indent(sequence=4, offset=2)
    yaml.dump(dict(data), text)
    return text.getvalue()


# --- preferences and labels ------------------------------------------------------------------------


def label_lines(manifest: Manifest) -> Iterator[str]:
    """Yield sentences, as Markdown, that say by what answers are preferred or labelled; none for other rows."""
    one = manifest.labels
    if one is None:
        return
    form = format_named(manifest.format)
    by = f"rows by people: {one.rows_by_people}" + (f", by models: {one.rows_by_models}" if one.rows_by_models else "")
    if form.labels:
        yield f"Good answers: {one.good}; bad ones: {one.bad} ({by})."
    if one.basis == REVIEWS:
        yield (
            f"A good answer is one that reviewers accepted, in their wording; a bad one they rejected (people "
            f"{one.people}). Where they differ, the doubt is enough to reject."
        )
    elif one.basis == VERDICTS:
        yield (
            "**No person has given these labels.** A good answer is one that the models that verified it kept, a bad "
            "one they dropped for what it says."
        )
    elif form.labels:
        middle = "its raters' own middles (the median of all that each of them gave)"
        bound = middle if one.threshold is None else f"{one.threshold:g}"
        apart = f", by {one.margin:g} or more" if one.margin else ""
        yield (
            f"A good answer was rated above {bound}, a bad one below it{apart}, on the scale "
            f"`{as_text(str(one.scale))}` ({one.least:g} to {one.most:g}); distances are averaged over raters."
        )
    else:
        yield (
            f"Both answers of a pair were given to one prompt and rated on the scale `{as_text(str(one.scale))}` "
            f"({one.least:g} to {one.most:g}). The difference is taken within each rater and averaged; it is "
            f"{one.margin:g} or more ({by})."
        )
    if one.basis == RATINGS:
        judges = ", ".join(map(as_text, one.judges))
        yield (
            f"Raters: people {one.people}"
            + (f"; **models, where no person decides: {judges}**" if judges else "")
            + "."
        )
    if one.people:
        yield "What these people prefer is their own view, and no evidence of what others of any culture prefer."


# --- filters of the template -----------------------------------------------------------------------


def as_text(text: str) -> str:
    """Return a text on one line, with Markdown and HTML escaped."""
    markup = r"[\\`*{}\[\]<>#|&~$]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\."  # the last two begin a link without brackets
    return re.sub(f"({markup})", r"\\\1", " ".join(safe(text).split()), flags=re.IGNORECASE)


def summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of several runs' counts, the highest first."""
    return dict(sum(map(Counter, counts), Counter[str]()).most_common())


def by_role(models: Mapping[str, str | Sequence[str]]) -> str:
    pairs = [(role, spec) for role, specs in models.items() for spec in ([specs] if isinstance(specs, str) else specs)]
    return ", ".join(f"{role} {as_text(spec)}" for role, spec in sorted(pairs))


def entailed(relations: Mapping[str, int] | None) -> str:
    """Return the number of `entail` among the verdicts of one criterion."""
    return f"{relations.get('entail', 0)} of {sum(relations.values())}" if relations else "not asked"


def kept_of_asked(one: RowQuestion | None) -> str:
    """Say how many statements passed a question about the row, and of how many the answer could not be read."""
    if one is None:
        return "not asked"
    return f"{one.kept} of {one.asked}" + (f", {one.unread} unread" if one.unread else "")


def told(run: RunEntry) -> str:
    """Say how often a judge told the country of a run's statements, beside guessing; empty where none was read."""
    one = run.row_questions.get("distinctive")
    return told_beside_chance(one) if one else ""


def generic(run: RunEntry) -> str:
    """Say which share of each country's statements would pass for most others."""
    one = run.row_questions.get("distinctive")
    countries = one.by_country.items() if one else ()
    return "; ".join(generic_in(country, found) for country, found in countries if found.share is not None) or "none"


def passed(run: RunEntry) -> str:
    return ", ".join(f"{name} {check.kept} of {check.statements}" for name, check in run.checks.items()) or "none"


def checks(run: RunEntry) -> Iterator[str]:
    """Yield for each check of a run who judged, by which rule, and how many statements passed."""
    rules = run.policy.checks
    judges = [as_text(spec) for role, spec in sorted(run.models.items()) if role.partition("-")[0] == "judge"]
    for name, check in run.checks.items() if rules else ():
        result = f"passed by {check.kept} of {check.statements} statements"
        if isinstance(check, CrossCheck):
            asked = judges[0] if judges else "nobody"
            kept = ", ".join(rules.cross_check.keep) if rules and rules.cross_check else ""
            yield f"{name} by {asked}, kept if {kept}: {result}, {check.not_asked} not asked (nobody to ask)"
        elif rules:
            alpha = check.agreement.krippendorff_alpha
            agreed = "agreement not known" if alpha is None else f"Krippendorff's alpha {alpha}"
            panel = f"{rules.judges} judge{'s' * (rules.judges != 1)} ({', '.join(judges)})"
            yield f"{name} of at least {getattr(rules, name).at_least:g} by {panel}: {result}, {agreed}"


def duplicates(run: RunEntry) -> str:
    """Say by which embedder, threshold and methods the duplicates within a run were found."""
    rule, embedder = run.duplicates, as_text(run.models.get("embedder", "lexical"))
    if rule.method == "lexical" != embedder:
        embedder = f"words alone ({embedder} was not there)"
    methods = ", ".join(f"{name} {count}" for name, count in rule.by_method.items()) or "none found"
    return f"duplicates by {embedder}, from a similarity of {rule.threshold:.2f} on ({methods})"
