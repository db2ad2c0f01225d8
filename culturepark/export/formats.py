"""The formats of training files, in one registry: the command line, the docs and the card all read it.

A plugin adds one as an entry point of the group `culturepark.formats`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from culturepark.errors import UsageError
from culturepark.plugins import Registry

if TYPE_CHECKING:
    from culturepark.domain import Shape

Messages = Sequence[Mapping[str, str]]
Column = tuple[str, ...] | type[bool]
"""What a column holds: text where it is an empty tuple; with keys, a list of objects with these, each of them text; or
true and false."""
STANCE, RATINGS, REVIEWS, VERDICTS = "stance", "ratings", "reviews", "verdicts"
OF_PAIRS, OF_LABELS = (STANCE, RATINGS), (REVIEWS, RATINGS, VERDICTS)
"""What preferences and labels can come from; the first is taken if nothing is said."""
BASES = tuple(dict.fromkeys((*OF_PAIRS, *OF_LABELS)))
ROLES = ("system", "user", "assistant")
ENCODED = json.JSONEncoder(ensure_ascii=False).encode
"""One encoder for all rows; `json.dumps` would make one for each."""


def no_objection(_: Messages) -> str | None:
    return None


@dataclass(frozen=True)
class Bundle:
    """What a labelling tool reads: rows with what is behind them as one JSON array, and its settings beside it."""

    file: str
    """Name of the file of rows."""
    row: Callable[[dict[str, Any], Any], dict[str, Any]]
    """Make a row out of what `record` made, and of what is behind it (`store.evidence.Behind`)."""
    settings: Callable[[], Mapping[str, str]]
    """Return name -> text of the files beside it."""

    @property
    def files(self) -> tuple[str, ...]:
        return self.file, f"{self.file.rpartition('.')[0]}.index.jsonl", *self.settings()


@dataclass(frozen=True)
class Format:
    """A format of training files: the line for a sample, a dialogue or a pair of answers."""

    name: str
    """The value of `--format`."""
    describes: str
    """The columns in words, as Markdown."""
    read_by: str
    """The trainers that take it."""
    columns: Mapping[str, Column]
    """Columns in the order of a row."""
    record: Callable[..., dict[str, Any]]
    """Make a row out of its id and its messages; with `pairs` out of the id, the messages that end with the chosen
    answer, and those that end with the rejected one; with `labels` out of the id, the messages, and the label."""
    check: Callable[[Messages], str | None] = no_objection
    """Return why this format cannot hold some well-formed messages; None if it can."""
    multi_turn: bool = False
    """True if a row can hold more than one question and answer, as `--dialogues` needs."""
    pairs: bool = False
    """True if a row has two answers to one question, of which one is preferred."""
    labels: bool = False
    """True if a row has an answer that is labelled as good or bad."""
    metadata: bool = False
    """True if what reads it takes a column more, as `--metadata` adds."""
    bundle: Bundle | None = None
    """Set if people read it, in a labelling tool."""
    fewest: int = 0
    """Least number of rows that the trainer accepts in a file."""
    documented: str = ""
    """More about the trainers, for docs/export.md."""
    shapes: tuple[Shape, ...] = ()
    """The shapes of samples that it holds; none for all."""
    llama_factory: Mapping[str, Any] | None = None
    """How LLaMA-Factory's `dataset_info.json` describes a file, but for its name; None if it cannot read one."""

    @property
    def bases(self) -> tuple[str, ...]:
        """What its preferences or labels can come from; none for a format without them."""
        return OF_PAIRS if self.pairs else OF_LABELS if self.labels else ()

    def problem(self, messages: Messages) -> str | None:
        """Return why no row can be made of some messages; None if one can."""
        return problem(messages) or self.check(messages)


def problem(messages: Messages) -> str | None:
    """Check messages as OpenAI documents it, for every format; return the problem, or None."""
    if not messages or any(set(m) != {"role", "content"} for m in messages):
        return "a message without role and content"
    if any(m["role"] not in ROLES for m in messages):
        return "an unknown role"
    if any(not m["content"].strip() for m in messages):
        return "empty content"
    if messages[-1]["role"] != "assistant":
        return "no assistant message at the end"
    return None


def of_plugin(name: str, added: object) -> Format:
    if not isinstance(added, Format):
        raise TypeError(f"a Format is wanted, not {type(added).__name__}")
    if added.name != name:
        raise TypeError(f"its name is {added.name!r}")
    return added


FORMATS: Registry[Format] = Registry("culturepark.formats", of_plugin)
"""By name, in the order in which they are listed."""


def register(added: Format) -> None:
    """
    Raises:
        ValueError: if a format of that name is there already.
    """
    FORMATS.add(added.name, added)


LOGS = "inspect"
"""The value of `--format` for logs of whole dialogues (`inspect_logs`), which hold no rows."""


def format_named(name: str) -> Format:
    """
    Raises:
        UsageError: if there is no such format.
    """
    if name not in FORMATS:
        raise UsageError(f"--format {name[:60]!r}: must be one of {', '.join([*FORMATS.names(), LOGS])}")
    return FORMATS[name]


def multi_turn() -> list[str]:
    """Return the names of the formats that hold whole dialogues."""
    return [name for name, known in FORMATS.items() if known.multi_turn]


def with_room() -> list[str]:
    """Return the names of the formats that take a column of metadata."""
    return [name for name, known in FORMATS.items() if known.metadata]


def without_system(form: Format) -> Format:
    """Return a format whose rows have no system message, for chat templates that know none; no word is lost."""

    def record(row_id: str, *parts: Messages | bool) -> dict[str, Any]:
        return form.record(row_id, *(part if isinstance(part, bool) else told_by_user(part) for part in parts))

    return replace(form, record=record)


def told_by_user(messages: Messages) -> Messages:
    """Put what system messages say in front of the first user message, with an empty line between.

    If nobody asks anything, what they say is the user's message.
    """
    said = [message["content"] for message in messages if message["role"] == "system"]
    rest = [message for message in messages if message["role"] != "system"]
    if not said:
        return messages
    at = next((place for place, message in enumerate(rest) if message["role"] == "user"), None)
    if at is None:
        return [{"role": "user", "content": "\n\n".join(said)}, *rest]
    asked = {"role": "user", "content": "\n\n".join([*said, rest[at]["content"]])}
    return [*rest[:at], asked, *rest[at + 1 :]]


def line(row: Mapping[str, Any]) -> str:
    """Return a row as JSON on one line; U+2028 and U+2029 escaped, because some readers take them for line ends."""
    text = ENCODED(row)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\u0085", "\\u0085")


# --- the formats of this package -------------------------------------------------------------------

MESSAGE = ("role", "content")


def bundle(name: str, file: str) -> Bundle:
    """Return a bundle of `labelling`, which is loaded when it is used."""

    def row(made: dict[str, Any], behind: Any) -> dict[str, Any]:
        from culturepark.export import labelling

        return labelling.TOOLS[name].row(made, behind)

    def settings() -> Mapping[str, str]:
        from culturepark.export import labelling

        return labelling.TOOLS[name].settings()

    return Bundle(file, row, settings)


def openai(_: str, messages: Messages) -> dict[str, Any]:
    return {"messages": list(messages)}


def trl(row_id: str, messages: Messages) -> dict[str, Any]:
    return {"id": row_id, "messages": list(messages)}


def cot(row_id: str, messages: Messages) -> dict[str, Any]:
    """Return a question, the reasoning and the answer that it ends with, each in a column of its own."""
    from culturepark.distill.wordings import parts_of_reasoned

    reasoning, answer = parts_of_reasoned(messages[-1]["content"])
    return {"id": row_id, "prompt": list(messages[:-1]), "reasoning": reasoning, "answer": answer}


SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}


def sharegpt(row_id: str, messages: Messages) -> dict[str, Any]:
    turns = [{"from": SHAREGPT[message["role"]], "value": message["content"]} for message in messages]
    return {"id": row_id, "conversations": turns}


def alpaca(row_id: str, messages: Messages) -> dict[str, Any]:
    by_role = {message["role"]: message["content"] for message in messages}
    return {
        "id": row_id,
        "instruction": by_role.get("user", ""),
        "input": "",
        "output": by_role["assistant"],
        "system": by_role.get("system", ""),
    }


def one_answer(messages: Messages) -> str | None:
    several = len({message["role"] for message in messages}) != len(messages)
    return "more than one question and answer" if several else None


def preference(_: str, chosen: Messages, rejected: Messages) -> dict[str, Any]:
    """Return TRL's conversational preference with an explicit prompt, which is that of `chosen`."""
    return {"prompt": list(chosen[:-1]), "chosen": [chosen[-1]], "rejected": [rejected[-1]]}


def kto(_: str, messages: Messages, label: bool) -> dict[str, Any]:
    """Return TRL's conversational unpaired preference: a prompt, one answer to it, and whether it is a good one."""
    return {"prompt": list(messages[:-1]), "completion": [messages[-1]], "label": label}


def alpaca_preference(row_id: str, chosen: Messages, rejected: Messages) -> dict[str, Any]:
    row = alpaca(row_id, chosen)
    answer = row.pop("output")
    return {**row, "chosen": answer, "rejected": rejected[-1]["content"]}


def has_question(messages: Messages) -> str | None:
    return "an answer to nothing" if len(messages) < 2 else None


# LLaMA-Factory reads `columns` and `tags` as a whole: what they do not name is not there. See `DatasetAttr` in its
# data/parser.py.
BY_ROLE = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}
"""`messages` as OpenAI and TRL have them."""
PROMPT = {"prompt": "instruction", "query": "input", "system": "system"}


for known in (
    Format(
        "openai",
        "`messages` alone",
        "OpenAI's fine-tuning",
        {"messages": MESSAGE},
        openai,
        multi_turn=True,
        fewest=10,
        documented="it takes nothing else in a row, and ten rows at least",
        llama_factory=BY_ROLE,
    ),
    Format(
        "trl",
        "`id`, `messages`",
        "TRL's SFTTrainer",
        {"id": (), "messages": MESSAGE},
        trl,
        multi_turn=True,
        metadata=True,
        documented="axolotl (`chat_template`); LLaMA-Factory; Unsloth",
        llama_factory=BY_ROLE,
    ),
    Format(
        "sharegpt",
        "`id`, `conversations` of `from` (`system`, `human`, `gpt`) and `value`",
        "LLaMA-Factory's `sharegpt`",
        {"id": (), "conversations": ("from", "value")},
        sharegpt,
        multi_turn=True,
        metadata=True,
        documented="axolotl with its fields mapped",
        llama_factory={"formatting": "sharegpt", "columns": {"messages": "conversations"}},
    ),
    Format(
        "alpaca",
        "`id`, `instruction`, `input` (empty), `output`, `system`",
        "LLaMA-Factory's `alpaca`",
        dict.fromkeys(("id", "instruction", "input", "output", "system"), ()),
        alpaca,
        check=one_answer,
        metadata=True,
        documented="axolotl's `alpaca`",
        llama_factory={"formatting": "alpaca", "columns": {**PROMPT, "response": "output"}},
    ),
    Format(
        "cot",
        "`id`, `prompt` (a list of messages), `reasoning`, `answer`",
        "whatever trains on a reasoning before the answer, with the marks that its base model puts around thoughts",
        {"id": (), "prompt": MESSAGE, "reasoning": (), "answer": ()},
        cot,
        check=has_question,
        metadata=True,
        shapes=("reasoned",),
        documented="it holds survey answers after their reasons alone (`reasoned`, as `culturepark mine norms` makes "
        "them); `trl` has the same rows with the reasons in the answer",
    ),
    Format(
        "preference",
        "`prompt`, `chosen`, `rejected`, each a list of messages",
        "TRL's DPOTrainer",
        dict.fromkeys(("prompt", "chosen", "rejected"), MESSAGE),
        preference,
        check=has_question,
        pairs=True,
        metadata=True,
        documented="whatever else takes conversational preferences; not LLaMA-Factory, whose answers are no lists",
    ),
    Format(
        "alpaca-preference",
        "`id`, `instruction`, `input` (empty), `system`, `chosen`, `rejected`",
        "LLaMA-Factory's preference data (`ranking`)",
        dict.fromkeys(("id", "instruction", "input", "system", "chosen", "rejected"), ()),
        alpaca_preference,
        check=has_question,
        pairs=True,
        documented="for DPO, ORPO and SimPO",
        llama_factory={
            "formatting": "alpaca",
            "ranking": True,
            "columns": {**PROMPT, "chosen": "chosen", "rejected": "rejected"},
        },
    ),
    Format(
        "kto",
        "`prompt`, `completion`, each a list of messages, and `label`: true for a good answer, false for a bad one",
        "TRL's KTOTrainer",
        {"prompt": MESSAGE, "completion": MESSAGE, "label": bool},
        kto,
        check=has_question,
        labels=True,
        metadata=True,
        documented="answers need no counterpart",
    ),
    Format(
        "label-studio",
        "`data` with a task's texts, `sample`, `digest` and metadata, in `tasks.json`; `labels.xml` beside it",
        "Label Studio",
        {},
        trl,
        check=one_answer,
        bundle=bundle("label-studio", "tasks.json"),
        documented="people judge the rows there ([how](howto/label.md))",
    ),
    Format(
        "argilla",
        "`id`, `fields`, `metadata` ... of a record, in `records.json`; `.argilla/` beside it",
        "Argilla 2's `Dataset.from_disk`",
        {},
        trl,
        check=one_answer,
        bundle=bundle("argilla", "records.json"),
        documented="people judge the rows there ([how](howto/label.md))",
    ),
):
    register(known)
