"""Describes an export in Croissant 1.1, for programs that search and load data sets: its files, columns and origin.

The vocabulary is at https://docs.mlcommons.org/croissant; `rai` is its extension for responsible AI, `prov` is PROV-O.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from culturepark.domain import JsonObject
from culturepark.export import card, licences
from culturepark.export.files import File, RowsFile
from culturepark.export.formats import Column, format_named
from culturepark.export.manifest import EvaluationEntry, Manifest, RunEntry
from culturepark.export.metadata import COLUMN, kinds
from culturepark.stats.text import share

OWN = (
    "arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject",
    "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5",
    "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator",
    "source", "subField", "transform",
)  # fmt: skip
"""The terms of Croissant itself."""
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in OWN},
}
ENCODINGS = {"jsonl": "application/jsonlines", "parquet": "application/x-parquet", "json": "application/json"}
TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float"}
JUDGES = ("verifier", "judge")
"""Roles whose models label what is said, by the part of their name before a number."""
CARDS = "The cards of the simulated people, most of them written by a language model and read by nobody from there"


def croissant(manifest: Manifest) -> str:
    """Return the text of `croissant.json`."""
    what = "conversations of simulated people" if manifest.runs else "answers of language models"
    described = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": card.title(manifest),
        "description": (
            f"{manifest.rows} rows out of {what}, made with culturepark. Nobody in them exists. README.md says how "
            "they were made and what they are not, manifest.json has the figures."
        ),
        "citeAs": f"{card.CITATION}, arXiv:2405.15145",
        "datePublished": manifest.created_at[:10],
        "version": ".".join(str(int(part)) for part in manifest.created_at[:10].split("-")),
        "inLanguage": manifest.languages_of_rows,
        "keywords": card.tags(manifest),
        **licence(manifest),
        **place(manifest),
        **provenance(manifest),
        **responsibly(manifest),
        "distribution": [resource for file in manifest.files for resource in resources(file)],
        "recordSet": [records(manifest, file) for file in manifest.files if isinstance(file, RowsFile)],
    }
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def licence(manifest: Manifest) -> JsonObject:
    """Return the licence, as an address where SPDX has one of that name; empty if none was chosen."""
    if manifest.licence is None:
        return {}
    url = licences.spdx_url(manifest.licence)
    return {"license": url or manifest.licence}


def place(manifest: Manifest) -> JsonObject:
    """Return where the data set is found, and who publishes it; empty if it was made for no hub."""
    if manifest.made_for is None:
        return {}
    owner = manifest.made_for.partition("/")[0]
    return {
        "url": f"https://huggingface.co/datasets/{manifest.made_for}",
        "publisher": {"@type": "sc:Organization", "name": owner, "url": f"https://huggingface.co/{owner}"},
    }


# --- files and columns -----------------------------------------------------------------------------


def resources(file: File) -> Iterator[JsonObject]:
    """Yield a file of rows, and the index beside it."""
    yield {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": file.name,
        "description": f"{file.rows} rows",
        "contentUrl": file.name,
        "encodingFormat": ENCODINGS.get(file.name.rpartition(".")[2], "application/octet-stream"),
        "sha256": file.sha256,
    }
    if isinstance(file, RowsFile):
        yield {
            "@type": "cr:FileObject",
            "@id": file.index,
            "name": file.index,
            "description": f"What each line of {file.name} comes from: an id for `culturepark trace`, and its sha256",
            "contentUrl": file.index,
            "encodingFormat": "application/jsonlines",
            "sha256": file.index_sha256,
        }


def records(manifest: Manifest, file: RowsFile) -> JsonObject:
    name = file.name.rpartition(".")[0]
    columns = format_named(manifest.format).columns.items()
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"The {'validation' if '.validation' in file.name else 'training'} rows of {file.name}",
        "field": [
            *(column(file.name, f"{name}/{title}", title, kind) for title, kind in columns),
            *([behind(file.name, name, manifest)] if manifest.metadata else []),
        ],
    }


def column(file: str, node: str, title: str, kind: Column) -> JsonObject:
    taken = {"fileObject": {"@id": file}, "extract": {"column": title}}
    field = {"@type": "cr:Field", "@id": node, "name": title}
    if isinstance(kind, type) or not kind:
        return {**field, "dataType": "sc:Text" if kind == () else "sc:Boolean", "source": taken}
    inner = [
        {
            "@type": "cr:Field",
            "@id": f"{node}/{key}",
            "name": key,
            "dataType": "sc:Text",
            "source": {**taken, "transform": {"jsonPath": key}},
        }
        for key in kind
    ]
    return {**field, "isArray": True, "arrayShape": "-1", "subField": inner}


def behind(file: str, name: str, manifest: Manifest) -> JsonObject:
    """Return the column `metadata`, an object in each row."""

    def inner(node: str, path: str, of: Mapping[str, Any]) -> list[JsonObject]:
        return [field(f"{node}/{key}", f"{path}{key}", key, kind) for key, kind in of.items()]

    def field(node: str, path: str, key: str, kind: Any) -> JsonObject:
        named = {"@type": "cr:Field", "@id": node, "name": key}
        if isinstance(kind, dict):
            return {**named, "subField": inner(node, f"{path}.", kind)}
        taken = {"fileObject": {"@id": file}, "extract": {"column": COLUMN}, "transform": {"jsonPath": path}}
        return {**named, "dataType": TYPES[kind], "source": taken}

    node = f"{name}/{COLUMN}"
    columns = kinds(format_named(manifest.format).pairs)
    return {"@type": "cr:Field", "@id": node, "name": COLUMN, "subField": inner(node, "", columns)}


# --- where it comes from ---------------------------------------------------------------------------


def provenance(manifest: Manifest) -> JsonObject:
    """Return the runs that made the rows, the models that wrote and judged them, and what they rest on."""
    sources = {source for run in manifest.runs for source in run.sources}
    suites = {f"{one.title} ({one.licence})" for one in manifest.evaluations}
    tables = {f"{origin.name} ({origin.licence})" for origin in manifest.people_from if origin.licence}
    return {
        "prov:wasGeneratedBy": [activity(run) for run in manifest.runs] + list(map(asked, manifest.evaluations)),
        "prov:wasDerivedFrom": [
            {"@type": "prov:Entity", "prov:label": label}
            for label in [*[CARDS] * bool(manifest.personas), *sorted(sources | tables | suites)]
        ],
        "prov:wasAttributedTo": [
            agent(f"culturepark {manifest.culturepark}"),
            *(agent(spec) for spec in sorted(card.writers(manifest))),
        ],
    }


def activity(run: RunEntry) -> JsonObject:
    models = sorted(set(run.models.values()) | run.copied_models)
    return {
        "@type": "prov:Activity",
        "@id": f"urn:culturepark:run:{run.run}",
        "prov:label": f"culturepark {run.culturepark}, run {run.run} of the scenario {run.scenario}",
        "prov:startedAtTime": run.created_at,
        "prov:wasAssociatedWith": [agent(spec) for spec in models],
    }


def asked(one: EvaluationEntry) -> JsonObject:
    return {
        "@type": "prov:Activity",
        "@id": f"urn:culturepark:evaluation:{one.evaluation}",
        "prov:label": f"culturepark {one.culturepark}, evaluation {one.evaluation} on the suite {one.suite}",
        "prov:startedAtTime": one.created_at,
        "prov:wasAssociatedWith": [agent(one.model)],
    }


def agent(label: str) -> JsonObject:
    return {"@type": "prov:SoftwareAgent", "prov:label": label}


def collected(manifest: Manifest) -> str:
    """Return how the rows came about, in words."""
    told = "Language models were told whom to play, with a card for each person, and talked with each other"
    user = " or with a user" if any(run.is_talk for run in manifest.runs) else ""
    return f"{told}{user}" if manifest.runs else "Language models were asked questions"


def responsibly(manifest: Manifest) -> JsonObject:
    """Return how the rows were collected and labelled, and what they are not good for."""
    typed, edited = manifest.by_hand.typed.rows, manifest.by_hand.edited.rows
    reviews = manifest.reviews
    made_up = manifest.rows_by_provenance
    started = sorted([run.created_at for run in manifest.runs] + [one.created_at for one in manifest.evaluations])
    labels = manifest.labels
    judges = {*(labels.judges if labels else ())} | {
        spec for run in manifest.runs for role, spec in run.models.items() if role.partition("-")[0] in JUDGES
    }
    by_hand = [
        f"{rows} rows hold words that {who} wrote"
        for rows, who in (
            (typed, "a real person, the user of a talk,"),
            (edited, "an editor"),
            (reviews.corrected, "a reviewer"),
        )
        if rows
    ]
    return {
        "rai:dataCollection": f"Synthetic. {collected(manifest)}. No population was asked anything. "
        f"{'; '.join(by_hand)}".strip(),
        "rai:dataCollectionType": ["Others: conversations generated by language models"],
        "rai:dataCollectionTimeframe": [started[0], started[-1]],
        "rai:dataPreprocessingProtocol": [
            "Whole dialogues, each as one participant had it"
            if manifest.of_dialogues
            else "Answers as they were given, without a model's thoughts"
            if not manifest.runs
            else "A model took statements out of the talk, each with the exact quote that it rests on; those that say "
            "the same are kept once",
            *(f"Left out: {count} rows, {why}" for why, count in manifest.left_out.items()),
            *(["What system messages say stands in front of the first user message"] if manifest.no_system else []),
        ],
        "rai:dataAnnotationProtocol": [
            "Nothing was judged sentence by sentence"
            if manifest.of_dialogues or not manifest.runs
            else "A model judged of each statement whether its quote carries it and, where its speaker was given an "
            "answer to a survey question, whether it is in line with it",
            *(
                [f"{reviews.reviews} judgements by {len(reviews.reviewers)} people count; what they rejected is out"]
                if reviews.reviews
                else []
            ),
            *card.label_lines(manifest),
        ],
        "rai:machineAnnotationTools": sorted(judges),
        "rai:annotatorDemographics": [
            "Not recorded" if reviews.reviews or (labels and labels.people) else "No person has judged these rows"
        ],
        "rai:dataLimitations": [
            "No evidence of what people of any culture think, do or want",
            "Each culture is grounded in one country and speaks for no other",
            *card.warnings(manifest),
            *([f"Made up by a model, on no card: {share(made_up.shares['model'])} of the rows"] if made_up else []),
        ],
        "rai:dataBiases": [
            "What the models that wrote it take for typical of a place; stereotypes of their training data among it"
        ],
        "rai:dataUseCases": [
            "Training and testing models that answer as somebody from a place; not measuring what people there think"
        ],
        "rai:personalSensitiveInformation": [
            f"{typed} rows hold what a real person typed, word for word" if typed else "The people are made up",
        ],
    }
