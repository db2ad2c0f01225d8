"""Whole dialogues as logs of Inspect (inspect.aisi.org.uk): one file a run, one sample a dialogue.

A log is a ZIP of JSON, of version 2 of Inspect's schema. It is written here, since the package of Inspect is much
larger than this one; a test reads it with that package.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from culturepark import __version__
from culturepark.domain import JsonObject, Status
from culturepark.errors import StoreError, UsageError
from culturepark.export.files import MANIFEST, File, create, files_of_an_export, put, put_in_place
from culturepark.files import is_folder
from culturepark.models.ledger import now
from culturepark.redact import redact, without_secrets
from culturepark.store.dialogue_view import Mined, Scene, Scenes, Seated, Spoken
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, ReviewRow, RunRow

SCHEMA = 2
"""Version of the logs."""
STATUSES = {Status.DONE: "success", Status.FAILED: "error"}
"""By a run's status; others were cancelled."""
NO_DATE = (1980, 1, 1, 0, 0, 0)
"""Equal stores give equal bytes."""


class Logs(NamedTuple):
    files: list[Path]
    rows: int
    """Number of dialogues."""


def export_logs(store: Store, run_ids: Sequence[str], out: Path, command: str) -> Logs:
    """
    Args:
        command: for the manifest.
    Raises:
        UsageError: if there is nothing to export, or the folder holds other files.
        StoreError: if the folder cannot be written.
    """
    runs = [store.run(run_id) for run_id in sorted({store.run(run_id).id for run_id in run_ids})]
    old = files_of_an_export(out)
    files: list[File] = []
    try:
        place = out.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place if is_folder(place) else place.parent
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{place.name}.") as scratch:
            aside = Path(scratch, "export")
            aside.mkdir(mode=0o750)
            for run in runs:
                if rows := write_log(store, run, path := aside / name_of(run)):
                    files.append(File(name=path.name, rows=rows, sha256=digest(path)))
                else:
                    path.unlink()
            if not files:
                raise UsageError(f"nobody has spoken yet in {', '.join(run.id for run in runs)}")
            manifest = {
                "culturepark": __version__,
                "command": redact(command),
                "created_at": now(),
                "format": "inspect",
                "rows_are": "dialogues",
                "runs": [run.id for run in runs],
                "files": [file.as_json() for file in files],
            }
            put(aside / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
            put_in_place(aside, place, [MANIFEST, *(file.name for file in files)], old)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from None
    held = sum(file.rows for file in files)
    return Logs([out / name for name in (*(file.name for file in files), MANIFEST)], held)


def name_of(run: RunRow) -> str:
    """Return a file's name of the form that Inspect lists: a time, a task and an id."""
    return f"{run.created_at[:19].replace(':', '-')}+00-00_{run.scenario_name}_{run.id}.eval"


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_log(store: Store, run: RunRow, path: Path) -> int:
    """Write the log of a run, one dialogue after the other; return how many have turns."""
    scenes = Scenes(store, run.id)
    summaries: list[JsonObject] = []
    usage: Counter[tuple[str, str]] = Counter()
    with create(path) as file, ZipFile(file, "w", ZIP_DEFLATED) as archive:

        def add(name: str, content: Any) -> None:
            archive.writestr(ZipInfo(name, NO_DATE), packed(content), ZIP_DEFLATED)

        for dialogue in store.dialogues(run.id):
            scene = scenes.scene(dialogue.id)
            if not scene.turns:
                continue
            calls = [call for of_row in scenes.all_calls(scene).values() for call in of_row]
            sample = sample_of(scene, calls)
            add(f"samples/{dialogue.id}_epoch_1.json", sample)
            summaries.append(summary_of(sample))
            usage.update(spent(calls))
        header = header_of(scenes, [summary["id"] for summary in summaries], usage)
        add("_journal/start.json", {name: header[name] for name in ("version", "eval", "plan")})
        add("summaries.json", summaries)
        add("header.json", header)
    return len(summaries)


def packed(content: Any) -> bytes:
    return json.dumps(without_secrets(content), ensure_ascii=True).encode()


def header_of(scenes: Scenes, dialogue_ids: list[str], usage: Counter[tuple[str, str]]) -> JsonObject:
    run, scenario = scenes.run, scenes.edition.scenario
    models = json.loads(run.models)
    held = len(dialogue_ids)
    return {
        "version": SCHEMA,
        "status": STATUSES.get(Status(run.status), "cancelled"),
        "eval": {
            "eval_id": run.id,
            "run_id": run.id,
            "created": run.created_at,
            "task": scenario.name,
            "task_id": run.id,
            "task_display_name": scenario.title,
            "task_args": {"seed": run.seed, "setting": scenario.setting, "protocol": scenario.protocol},
            "dataset": {"name": scenario.name, "samples": held, "sample_ids": dialogue_ids, "shuffled": False},
            "model": models.get("speaker", "none"),
            "model_roles": {role: {"model": spec} for role, spec in models.items()},
            "config": {"epochs": 1},
            "packages": {"culturepark": run.version},
            "metadata": {
                "run": run.id,
                "scenario_digest": run.scenario_digest,
                "stop_reason": run.stop_reason,
                "note": "Nobody in these dialogues exists; they are no evidence of what real people think.",
            },
        },
        "plan": {"name": "culturepark", "steps": [{"solver": scenario.protocol, "params": {}}]},
        "results": {"total_samples": held, "completed_samples": held, "scores": []},
        "stats": {
            "started_at": run.created_at,
            "completed_at": run.finished_at or "",
            "model_usage": by_model(usage),
        },
    }


def sample_of(scene: Scene, calls: Sequence[CallRow]) -> JsonObject:
    dialogue = scene.dialogue
    begun = [call.started_at for call in calls]
    failed = {"message": dialogue.error, "traceback": "", "traceback_ansi": ""} if dialogue.error else None
    return {
        "id": dialogue.id,
        "epoch": 1,
        "input": scene.seed.question,
        "target": "",
        "messages": [message_of(scene, spoken) for spoken in scene.turns],
        "output": {"model": "", "choices": []},
        "metadata": {
            "run": scene.run.id,
            "number": dialogue.number,
            "seed": scene.seed.model_dump(mode="json", exclude={"item"}),
            "survey_item": scene.seed.item.key if scene.seed.item else None,
            "setting": dialogue.setting,
            "protocol": dialogue.protocol,
            "language": dialogue.language,
            "status": dialogue.status,
            "stop_reason": dialogue.stop_reason,
            "branched_off": dialogue.parent_id,
            "cultures": list(dict.fromkeys(seated.persona.culture for seated in scene.people)),
            "people": [person_of(seated) for seated in scene.people],
            "statements": [statement_of(mined) for mined in scene.statements],
            "rows_kept": sum(mined.kept for mined in scene.statements),
        },
        "model_usage": by_model(spent(calls)),
        "started_at": min(begun, default=None),
        "completed_at": max(begun, default=None),
        "error": failed,
    }


SUMMARY = ("id", "epoch", "input", "target", "model_usage", "started_at", "completed_at")
"""What the list of samples shows."""


def summary_of(sample: JsonObject) -> JsonObject:
    metadata = sample["metadata"]
    brief = {name: metadata[name] for name in ("status", "stop_reason", "rows_kept")}
    return {name: sample[name] for name in SUMMARY} | {
        "metadata": brief | {"cultures": ", ".join(metadata["cultures"]), "seed": metadata["seed"]["key"]},
        "error": sample["error"] and sample["error"]["message"],
        "completed": True,
        "message_count": len(sample["messages"]),
    }


def message_of(scene: Scene, spoken: Spoken) -> JsonObject:
    """Return a turn as a message: a persona's is an assistant's, and one of the moderator or a visitor a user's."""
    turn = spoken.turn
    mine = bool(spoken.culture)
    text = f"{scene.called.get(turn.speaker, spoken.name)}: {turn.text}"
    told = turn.model_dump(mode="json", exclude={"text", "slot", "position"}, exclude_none=True)
    told |= {"name": spoken.name, "culture": spoken.culture or None}
    told["slips"] = [slip.model_dump(mode="json", exclude={"turn_id"}) for slip in spoken.slips]
    told["reviews"] = [review_of(review) for review in scene.reviews.get(spoken.id, ())]
    metadata = {name: value for name, value in told.items() if value}  # the viewer shows all of it below each message
    written = {"id": spoken.id, "role": "assistant" if mine else "user", "content": text, "metadata": metadata}
    return written | {"source": "generate" if mine else "input"}


def person_of(seated: Seated) -> JsonObject:
    persona = seated.persona
    return {
        **{name: getattr(persona, name) for name in ("key", "name", "called", "age", "place", "country", "culture")},
        "role": persona.role,
        "scope": persona.scope,
        "stance_code": seated.stance_code,
        "stance": seated.stance_text,
    }


def statement_of(mined: Mined) -> JsonObject:
    row = mined.row
    columns = ("id", "turn_id", "persona_key", "culture", "kind", "text", "first_person", "quote", "rewritten_from")
    return {
        **{name: getattr(row, name) for name in (*columns, "provenance", "source")},
        "verdicts": {verdict.criterion: verdict.decision for verdict in mined.verdicts},
        "samples": [
            {"id": one.id, "shape": one.kind, "status": one.status, "drop_reason": one.drop_reason}
            for one in mined.samples
        ],
    }


def review_of(review: ReviewRow) -> JsonObject:
    """Return a judgement without its reviewer, whose name is often a login."""
    return {name: getattr(review, name) for name in ("decision", "rating", "wording", "note")}


# --- usage -----------------------------------------------------------------------------------------

AMOUNTS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_cache_read": "cached_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "total_cost": "cost_usd",
}
"""Inspect's names of what a call took -> the columns."""


def spent(calls: Iterable[CallRow]) -> Counter[tuple[str, str]]:
    """Return sums by model and Inspect's name of the amount."""
    sums: Counter[tuple[str, str]] = Counter()
    for call in calls:
        for name, column in AMOUNTS.items():
            if (amount := getattr(call, column)) is not None:
                sums[call.model, name] += amount
    return sums


def by_model(sums: Counter[tuple[str, str]]) -> JsonObject:
    usage: dict[str, dict[str, Any]] = defaultdict(dict)
    for (model, name), amount in sorted(sums.items()):
        usage[model][name] = amount
    for amounts in usage.values():
        amounts["total_tokens"] = amounts.get("input_tokens", 0) + amounts.get("output_tokens", 0)
    return dict(usage)
