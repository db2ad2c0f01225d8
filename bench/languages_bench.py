"""What can be done in each language without a large model, and what a turn costs in it; all beside English.

    python -m bench.languages_bench > languages.json

The rows are those in the languages' folders (`dev.jsonl`), on which nothing was fitted. Tokens are counted over the
recorded dialogues and the statements of their rows, which stand there in both languages. stdout: one JSON document;
stderr: the same as a table.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from typing import Any

import tiktoken

from culturepark.distill.language_rows import rows_of, trial
from culturepark.domain import DEFAULT_LANGUAGE, JsonObject
from culturepark.languages import PACKAGES, load_language
from culturepark.models.embedder import MultilingualE5
from culturepark.models.tokens import offer_tables
from culturepark.store.recorded import unpacked
from culturepark.store.store import Store
from culturepark.store.tables import StatementRenderingRow, StatementRow, TurnRow

TOKENIZERS = ("o200k_base", "cl100k_base")
"""GPT-4o's and newer, and GPT-4's."""


def shares() -> dict[str, JsonObject]:
    encoder = MultilingualE5(lambda *_: None)
    languages = [load_language(code) for code in sorted(PACKAGES.names())]
    return {
        language.code: asyncio.run(trial(language, rows_of(language), encoder.embed)).as_json()
        for language in languages
    }


def tokens() -> dict[str, JsonObject]:
    """Tokens of a speech by its speaker's language, and of a statement for one of the same in English."""
    offer_tables()
    store = Store(f"sqlite:///{unpacked('demo-')}", must_exist=True)
    dialogues = {d.id: d.language for run in store.database.rows(all_of("run")) for d in store.dialogues(run.id)}
    turns = [turn for turn in store.database.rows(all_of("turn")) if turn.role != "moderator"]
    statements = {row.id: row for row in store.database.rows(all_of("statement"))}
    pairs = [(statements[row.statement_id], row) for row in store.database.rows(all_of("statement_rendering"))]
    found: dict[str, JsonObject] = defaultdict(dict)
    for name in TOKENIZERS:
        encoding = tiktoken.get_encoding(name)

        def count(text: str, encoding: tiktoken.Encoding = encoding) -> int:
            return len(encoding.encode(text, disallowed_special=()))

        by_language: dict[str, list[int]] = defaultdict(list)
        for turn in turns:
            by_language[turn.language or dialogues[turn.dialogue_id]].append(count(turn.text))
        both: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for statement, rendering in pairs:
            both[statement.language or ""].append((count(statement.first_person), count(rendering.first_person)))
        for code, counts in sorted(by_language.items()):
            own, english = (sum(side) for side in zip(*both[code], strict=True))
            found[code] |= {
                "speeches": len(counts),
                "statements": len(both[code]),
                f"{name}_a_speech": round(sum(counts) / len(counts), 1),
                f"{name}_for_one_in_english": round(own / english, 2),
            }
    store.close()
    return dict(found)


def all_of(table: str) -> Any:
    from sqlmodel import select

    from culturepark.store.tables import RunRow

    rows: dict[str, Any] = {
        "run": RunRow, "turn": TurnRow, "statement": StatementRow, "statement_rendering": StatementRenderingRow
    }  # fmt: skip
    return select(rows[table])


def main() -> int:
    found: JsonObject = {"rows": shares(), "tokens": tokens()}
    print(json.dumps(found, indent=1))
    names = ("found", "wrong", "kinds", "paraphrases", "opposites", "unrelated", "refused", "accepted")
    print("| language | " + " | ".join(names) + " | tokens for one in English |", file=sys.stderr)
    for code, row in sorted(found["rows"].items(), key=lambda item: (item[0] != DEFAULT_LANGUAGE, item[0])):
        told = " | ".join("-" if row[name] is None else f"{row[name]:.2f}" for name in names)
        ratio = found["tokens"].get(code, {}).get(f"{TOKENIZERS[0]}_for_one_in_english", 1.0)
        print(f"| {code} | {told} | {ratio:.2f} |", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
