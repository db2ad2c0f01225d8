"""Suites for other people's tools: tasks of lm-evaluation-harness and of Inspect, with their questions and their card.

One question is asked for each group of people that has a target of its own. Questions fall into four kinds, and each
kind becomes a task: `choice` (one right option), `shares` (what people chose), `pairs` (a near and a far filler) and
`text`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar

from culturepark import __version__
from culturepark.catalog.files import shown
from culturepark.catalog.suites import Item, Suite
from culturepark.domain import shipped_cultures
from culturepark.errors import UsageError
from culturepark.files import exists
from culturepark.glossary import counted
from culturepark.languages.countries import country_name
from culturepark.terminal.safe import tell

Tool = Literal["lm-eval", "inspect"]
Kind = Literal["choice", "shares", "pairs", "text"]
TOOLS: tuple[Tool, ...] = ("lm-eval", "inspect")
HERE = Path(__file__).parent
MASKS = ("[MASK]", "<mask>", "____")
METRICS: dict[Kind, tuple[str, ...]] = {
    "choice": ("acc", "right_option", "uniform_acc"),
    "shares": (
        "top_agreement",
        "js_similarity",
        "people_agreeing",
        "uniform_top_agreement",
        "uniform_js_similarity",
        "uniform_people_agreeing",
    ),
    "pairs": ("near_preferred", "uniform_near_preferred"),
    "text": ("answered", "word_overlap"),
}
"""What `lm_eval_utils.py.jinja` computes for each kind."""
INSPECT_SCORERS: dict[Kind, str] = {"choice": "choice", "shares": "people", "pairs": "near", "text": "overlap"}


@dataclass(frozen=True)
class Doc:
    """One question for one group."""

    id: str
    kind: Kind
    group: str
    """ISO 3166 alpha-3 or another name; empty if the question is about nobody."""
    item: Item
    target: int | None = None
    """Place of the right option, from 0."""
    shares: tuple[float, ...] = ()
    """Of each option, in their order."""

    @property
    def question(self) -> str:
        """The question as it is put, with the group that is meant where the item itself does not say it."""
        if self.kind == "pairs" or not self.group or self.group == self.item.group:
            return self.item.question
        return f"What do most people of this group answer: {group_in_words(self.group)}?\n\n{self.item.question}"

    @property
    def labels(self) -> list[str]:
        return [option.label for option in self.item.options]

    @property
    def sentences(self) -> list[str]:
        """The question with each filler in its gap."""
        mask = next((mask for mask in MASKS if mask in self.item.question), "")
        return [
            self.item.question.replace(mask, label) if mask else f"{self.item.question} {label}"
            for label in self.labels
        ]


def group_in_words(group: str) -> str:
    culture = shipped_cultures().get(group)
    return culture.name if culture else country_name(group)


@dataclass(frozen=True)
class Exported:
    paths: list[Path]
    questions: int
    left_out: int
    """Items with options and no target, which those tools cannot score."""
    notes: tuple[str, ...]
    """What the tool does not score, and what of the suite stays behind; the README has it too."""


def export_suite(suite: Suite, tool: Tool, out: Path) -> Exported:
    """Write a suite for a tool.

    Raises:
        UsageError: if no item can be scored, one of the files is there already, or the folder takes none.
    """
    docs = list(docs_of(suite))
    if not docs:
        raise UsageError(
            f"{suite.name} cannot be exported: its items have options and no target, so {tool} has nothing to score. "
            f"`culturepark evaluate {suite.name}` reads them all together"
        )
    kinds = [kind for kind in METRICS if any(doc.kind == kind for doc in docs)]
    files = lm_eval_files(suite, docs, kinds) if tool == "lm-eval" else inspect_files(suite, docs, kinds)
    notes = (*unscored(docs), *left_behind(suite))
    files[f"{names_base(suite)}.README.md"] = readme(suite, tool, notes)
    for name in files:
        if exists(out / name) and not (name == "utils.py" and (out / name).read_text("utf-8") == files[name]):
            raise UsageError(f"{shown(out / name)} is there already, and stays as it is; take another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (out / name).write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{shown(out)} cannot be written: {error.strerror}; name another folder with --out") from None
    left_out = len(suite.items) - len({doc.item.key for doc in docs})
    for note in notes:
        tell(f"note: {note}")
    return Exported([out / name for name in files], len(docs), left_out, notes)


def unscored(docs: Sequence[Doc]) -> Iterator[str]:
    """Yield a note on questions that the tool puts and cannot score."""
    texts = [doc for doc in docs if doc.kind == "text"]
    if without := sum(doc.item.reference is None for doc in texts):
        yield (
            f"{without:,} of {counted(len(texts), 'question')} in free text have no reference: their target is empty, "
            "the tool has no score for them but whether anything was said (`answered`), and `word_overlap` is 0 "
            "whatever was; have the answers rated"
        )


def left_behind(suite: Suite) -> Iterator[str]:
    """Yield a note on what a suite asks under conditions that the tool knows nothing of."""
    conditions = suite.conditions
    arms = [arm.name for arm in conditions.arms if arm.prompt is not None]
    kinds = [
        f"the {'arm' if len(arms) == 1 else 'arms'} {', '.join(arms)}, which put a prompt before each question"
        if arms
        else "",
        f"the framings {', '.join(conditions.framings)}" if conditions.framings != ("neutral",) else "",
        f"{conditions.respondents} respondents of each culture" if conditions.respondents else "",
        "thinking aloud" if any(conditions.reasoning) else "",
    ]
    if told := "; ".join(kind for kind in kinds if kind):
        yield f"left behind, since each question is put once and without a prompt: {told}"


def readme(suite: Suite, tool: Tool, notes: Sequence[str]) -> str:
    base = names_base(suite)
    run = (
        f"lm_eval --include_path . --tasks {base} --model hf --model_args pretrained=MODEL"
        if tool == "lm-eval"
        else f"inspect eval {base}.py --model MODEL"
    )
    card = "".join(f"- {name.replace('_', ' ')}: {text}\n" for name, text in suite.card.model_dump().items())
    told = "".join(f"- {note}\n" for note in notes) or "Every question has a score.\n"
    return (
        f"# {suite.title}\n\nThe suite `{suite.name}` as tasks of {tool}, written by culturepark {__version__}.\n\n"
        f"```sh\n{run}\n```\n\n## What is not in it\n\n{told}\n## Card\n\n{card}"
    )


def docs_of(suite: Suite) -> Iterator[Doc]:
    """Yield the questions of a suite, one for each group that has a target of its own."""
    is_bias = "bias" in suite.scorers
    for item in suite.items:
        places = {code: place for place, code in enumerate(item.codes)}
        if is_bias and len(item.options) == 2:
            yield Doc(item.key, "pairs", item.group, item)
        elif item.shares:
            for group, shares in item.shares.items():
                even = tuple(shares.get(code, 0.0) for code in item.codes)
                yield Doc(f"{item.key}.{group}", "shares", group, item, even.index(max(even)), even)
        elif item.answers:
            for group, code in item.answers.items():
                yield Doc(f"{item.key}.{group}", "choice", group, item, places[code])
        elif item.answer is not None:
            yield Doc(item.key, "choice", item.group, item, places[item.answer])
        elif not item.options:
            yield Doc(item.key, "text", item.group, item)


def lettered(doc: Doc) -> str:
    lines = [f"{chr(ord('A') + place)}. {label}" for place, label in enumerate(doc.labels)]
    return "\n".join([doc.question, "", *lines, "", "Answer:"])


def lm_eval_files(suite: Suite, docs: list[Doc], kinds: list[Kind]) -> dict[str, str]:
    """Return name -> text: a task for each kind, their group if there are several, the questions, and `utils.py`."""
    files: dict[str, str] = {}
    names = task_names(suite, kinds)
    for kind, name in names.items():
        own = [doc for doc in docs if doc.kind == kind]
        files[f"{name}.jsonl"] = lines(lm_eval_doc(doc) for doc in own)
        files[f"{name}.yaml"] = yaml_text(lm_eval_task(suite, kind, name))
    if len(names) > 1:
        together = {"group": names_base(suite), "task": list(names.values()), "metadata": metadata(suite)}
        files[f"{names_base(suite)}.yaml"] = yaml_text(together)
    files["utils.py"] = rendered("lm_eval_utils.py.jinja", name="suites of culturepark", version=__version__)
    return files


def lm_eval_doc(doc: Doc) -> dict[str, Any]:
    row: dict[str, Any] = {"id": doc.id, "group": doc.group, "topic": doc.item.topic, "language": doc.item.language}
    match doc.kind:
        case "text":
            return row | {"prompt": doc.question, "reference": doc.item.reference or ""}
        case "pairs":
            return row | {"prompt": "", "choices": doc.sentences, "target": 0}
        case _:
            letters = [chr(ord("A") + place) for place in range(len(doc.labels))]
            row |= {"prompt": lettered(doc), "choices": letters, "options": doc.labels, "target": doc.target}
            return row | ({"shares": list(doc.shares)} if doc.shares else {})


def lm_eval_task(suite: Suite, kind: Kind, name: str) -> dict[str, Any]:
    task: dict[str, Any] = {
        "task": name,
        "custom_dataset": function("load"),
        "dataset_kwargs": {"docs": f"{name}.jsonl"},
        "test_split": "test",
        "output_type": "generate_until" if kind == "text" else "multiple_choice",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{reference}}" if kind == "text" else "target",
        "process_results": function(kind),
        "num_fewshot": 0,
    }
    if kind == "text":
        task["generation_kwargs"] = {
            "until": ["\n\n\n"],
            "max_gen_toks": suite.elicitation.max_tokens,
            "do_sample": False,
        }
    else:
        task["doc_to_choice"] = "{{choices}}"
        task["target_delimiter"] = "" if kind == "pairs" else " "
    task["metric_list"] = [
        {"metric": metric, "aggregation": "mean", "higher_is_better": True} for metric in METRICS[kind]
    ]
    return task | {"metadata": metadata(suite)}


def metadata(suite: Suite) -> dict[str, Any]:
    return {"version": 1, "suite": suite.name, "sha256": suite.digest, "card": suite.card.model_dump(mode="json")}


def function(name: str) -> TaggedScalar:
    """Return what lm-eval reads as a function of `utils.py`."""
    return TaggedScalar(value=f"utils.{name}", tag="!function")


def yaml_text(value: dict[str, Any]) -> str:
    from io import StringIO

    yaml = YAML()
    yaml.width, yaml.allow_unicode = 110, True
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


def inspect_files(suite: Suite, docs: list[Doc], kinds: list[Kind]) -> dict[str, str]:
    """Return name -> text: one file of tasks, and the questions of each."""
    files: dict[str, str] = {}
    parts = []
    for kind, name in task_names(suite, kinds).items():
        own = [doc for doc in docs if doc.kind == kind]
        files[f"{name}.jsonl"] = lines(inspect_sample(doc) for doc in own)
        parts.append({"kind": kind, "function": name, "docs": f"{name}.jsonl", "scorer": INSPECT_SCORERS[kind]})
    file = f"{names_base(suite)}.py"
    card = "\n".join(f"{key}: {text}" for key, text in suite.card.model_dump().items())
    files[file] = rendered(
        "inspect_task.py.jinja", name=suite.name, file=file, version=__version__, card=docstring(card), parts=parts
    )
    return files


def inspect_sample(doc: Doc) -> dict[str, Any]:
    told: dict[str, Any] = {"group": doc.group, "topic": doc.item.topic, "language": doc.item.language}
    sample: dict[str, Any] = {"id": doc.id, "input": doc.question}
    if doc.kind == "text":
        return sample | {"target": doc.item.reference or "", "metadata": told}
    if doc.shares:
        told["shares"] = list(doc.shares)
    target = 0 if doc.target is None else doc.target
    return sample | {"choices": doc.labels, "target": chr(ord("A") + target), "metadata": told}


def docstring(text: str) -> str:
    """Return a text as it can stand in a docstring of Python."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def names_base(suite: Suite) -> str:
    """Return the suite's name as one of Python."""
    name = re.sub(r"\W", "_", suite.name)
    return name if name[0].isalpha() else f"suite_{name}"


def task_names(suite: Suite, kinds: list[Kind]) -> dict[Kind, str]:
    base = names_base(suite)
    return {kind: base if len(kinds) == 1 else f"{base}_{kind}" for kind in kinds}


def lines(rows: Iterator[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def rendered(template: str, **values: Any) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Python, and no page
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(**values)
