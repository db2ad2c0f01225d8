"""The commands that choose rows: select, selections."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, Json, StoreUrl, decodable, store_option

if TYPE_CHECKING:
    from culturepark.export.chosen import Chosen
    from culturepark.store.store import Store

app = typer.Typer()
MOST_CELLS = 20
"""Unfilled cells that a terminal shows."""


@app.command(
    epilog="""\b
200 rows, as even over cultures and shapes as it goes, of what is on somebody's card:
Example: culturepark select RUN1 RUN2 --size 200 --quota culture=even,shape=even --gate provenance=card,episode
\b
Three own questions for each survey answer, one row of each answer, 5 to 60 words:
Example: culturepark select last --size 100 --quota shape=own:3,survey:1 --gate distinct=answer --gate words=5..60
\b
20 rows of each culture, and later 400 in all, with those that it holds:
Example: culturepark select last --quota culture=20 --name first
Example: culturepark select RUN2 --extend first --size 400 --quota culture=even
\b
Quotas: AXIS=even, AXIS=20 (so many of each value) or AXIS=own:3,survey:1 (shares), with commas between.
Axes: culture, country, shape, kind, stance, topic, seed, persona, provenance, model.
Gates: each axis (culture=turkish,german), confidence=.9, flags=none, reviewed=accepted, words=5..60,
score=harmlessness:4, distinct=answer.
"""
)
def select(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Ids or names of runs, `last`, or `demo`.",
            autocompletion=completion.runs,
        ),
    ],
    size: Annotated[int | None, typer.Option(min=1, max=10**9, metavar="N", help="How many rows, in all.")] = None,
    quota: Annotated[
        list[str] | None,
        typer.Option(metavar="AXIS=...", help="How the rows divide, as culture=even,shape=own:3,survey:1. Repeatable."),
    ] = None,
    gate: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What each row must meet, in this order. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Seed of the draw. [default: 0]")] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What commands may call it.", callback=decodable)
    ] = None,
    extend: Annotated[
        str | None,
        typer.Option(
            metavar="SELECTION",
            help="Hold its samples too, and top them up; what is not said here is as it was there.",
            callback=decodable,
        ),
    ] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Choose a balanced set of rows out of runs, and keep it under an id that `export` takes."""
    from dataclasses import replace

    from culturepark.errors import UsageError
    from culturepark.select.choose import Wanted, as_wanted, choose
    from culturepark.select.gates import gates_of
    from culturepark.select.quotas import quotas_of
    from culturepark.store import selections
    from culturepark.store.evaluations import refuse_evaluation
    from culturepark.store.recorded import is_recorded, store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    names = [decodable(one) for one in run]
    given: dict[str, Any] = {
        "size": size,
        "quotas": quotas_of(map(decodable, quota)) if quota else None,
        "gates": gates_of(map(decodable, gate)) if gate else None,
        "seed": seed,
    }
    store = Store(store_with(store_url, *names), must_exist=True)
    for one in names:
        refuse_evaluation(store, one)
    old = selections.selection(store, extend) if extend else None
    base = as_wanted(json.loads(old.wanted)) if old else Wanted()
    if given["quotas"] and old:
        base = replace(base, size=None)  # the old size need not fit
    wanted = replace(base, **{key: value for key, value in given.items() if value is not None})
    run_ids, other = selections.runs_or_selection(store, names)
    if other:
        raise UsageError(f"runs are wanted here; `--extend {other.id}` goes on from a selection")
    if name and is_recorded(store.database.shown):
        raise UsageError("--name is for your own store; selections of the recorded run go by their ids")
    if name:
        name = selections.check_name(store, name)
    row = choose(store, run_ids, wanted, name=name, extends=old, tell=tell)
    chosen = shown(store, row.id)
    for line in lines_of(chosen):
        tell(line)
    command = f"culturepark export {row.id} --format trl --out DIR{store_option(store)}"
    tell(f"{row.id}: {chosen.samples} rows; `{command}` writes them")
    write(json.dumps(chosen.as_json() | {"rows_by": rows_by(store, row.id)}) if as_json else row.id)
    return 0


@app.command(
    epilog="""\b
Example: culturepark selections
Example: culturepark selections first
Example: culturepark selections first second --json
"""
)
def selections(
    selection: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECTION...]",
            help="Ids or names: one is shown whole, several beside each other.",
            autocompletion=completion.runs,
        ),
    ] = None,
    delete: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Delete a selection; asks first. Its samples stay.", callback=decodable),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """List the selections of the store, or show how one was chosen and what is in it."""
    from culturepark.cli.table import print_table
    from culturepark.errors import UsageError
    from culturepark.store import selections as stored
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    names = [decodable(one) for one in selection or []]
    if delete and names:
        raise UsageError("--delete names the selection itself; nothing else is shown beside it")
    named = [delete] if delete else names
    store = Store(store_with(store_url, *named) if named else store_url, must_exist=True)
    if delete:
        return delete_selection(store, delete, yes)
    if names:
        return show(store, [stored.selection(store, one).id for one in names], as_json)
    listed = [
        {
            "selection": row.id,
            "name": row.name,
            "samples": count,
            "runs": json.loads(row.runs),
            "extends": row.extends,
            "created_at": row.created_at,
        }
        for row, count in stored.selections(store)
    ]
    if as_json:
        write(json.dumps(listed))
    elif not listed:
        tell("no selections yet; `culturepark select RUN... --size 200 --quota culture=even` makes one")
    else:
        print_table(
            ("selection", "name", "samples", "runs", "extends"),
            [
                (one["selection"], one["name"] or "", one["samples"], ", ".join(one["runs"]), one["extends"] or "")
                for one in listed
            ],
        )
    return 0


def delete_selection(store: "Store", selection_id: str, yes: bool) -> int:
    """Delete a selection that is named in full, after a question."""
    from culturepark.cli.consent import ask, may_ask
    from culturepark.errors import UsageError
    from culturepark.glossary import counted
    from culturepark.store import selections as stored
    from culturepark.terminal.safe import tell

    row = stored.selection(store, selection_id)
    if selection_id not in (row.id, row.name):
        raise UsageError(f"--delete takes a selection's whole id or its name: {row.id}")
    draws, extending = stored.hanging_on(store, row.id)
    what = f"{row.id} of {counted(shown(store, row.id).samples, 'sample')}"
    if draws:
        what += f", with {counted(draws, 'draw')} of rows to judge"
    if extending:
        what += f" ({counted(extending, 'selection')} made from it will stay)"
    if not yes and not may_ask():
        raise UsageError(f"--delete asks on a terminal; without one, --yes deletes {what}")
    if not yes and not ask(f"Delete {what}, for good?"):
        tell("nothing was deleted")
        return 0
    stored.delete_selection(store, row.id)
    tell(f"deleted {what}")
    return 0


def shown(store: "Store", selection_id: str) -> "Chosen":
    from culturepark.export.chosen import chosen
    from culturepark.store.selections import selection

    row = selection(store, selection_id)
    with store.database.reading() as look:
        return chosen(look, row)


def rows_by(store: "Store", selection_id: str) -> dict[str, dict[str, int]]:
    """Return axis -> value -> number of kept samples of a selection."""
    from culturepark.select.candidates import counts_of
    from culturepark.store.selections import selection

    return counts_of(store, selection(store, selection_id))


def lines_of(chosen: "Chosen") -> list[str]:
    """Return the funnel, and what could not be filled, for people."""
    width = max(len(step.step) for step in chosen.funnel)
    lines = [
        f"{step.step:{width}}  {step.left:>7,}" + (f"  unknown: {step.unknown:,} fell" if step.unknown else "")
        for step in chosen.funnel
    ]
    for one in chosen.unfilled[:MOST_CELLS]:
        lines.append(f"too few: {', '.join(one.cell.values()) or 'in all'}: wanted {one.wanted}, found {one.found}")
    if (more := len(chosen.unfilled) - MOST_CELLS) > 0:
        lines.append(f"too few: {more} more cells; --json names them all")
    return lines


def show(store: "Store", ids: list[str], as_json: bool) -> int:
    """Show how selections were chosen and what is in them, several beside each other."""
    from culturepark.cli.table import print_table
    from culturepark.export.chosen import losses
    from culturepark.store.selections import in_common
    from culturepark.terminal.safe import tell, write

    all_shown = [shown(store, one) for one in ids]
    by = [rows_by(store, one) for one in ids]
    if as_json:
        documents = [one.as_json() | {"rows_by": counts} for one, counts in zip(all_shown, by, strict=True)]
        both = {"selections": documents, "in_common": in_common(store, ids)}
        write(json.dumps(documents[0] if len(ids) == 1 else both))
        return 0
    for one in all_shown:
        title = f"{one.selection} {one.name or ''}".strip()
        wanted = [f"--size {one.size}"] if one.size else []
        wanted += [f"--quota {quota}" for quota in one.quotas] + [f"--gate {gate}" for gate in one.gates]
        tell(f"{title}: {one.samples} samples of {', '.join(one.runs)}; {' '.join(wanted) or 'all rows'}")
        for line in [*lines_of(one), *losses(one)]:
            tell(f"  {line}")
    if len(ids) > 1:
        tell(f"samples that all of them hold: {in_common(store, ids)}")
    values = [(axis, value) for axis in by[0] for value in sorted({value for one in by for value in one[axis]})]
    print_table(
        ("axis", "value", *(one.name or one.selection for one in all_shown)),
        [(axis, value, *(one[axis].get(value, 0) for one in by)) for axis, value in values],
    )
    return 0
