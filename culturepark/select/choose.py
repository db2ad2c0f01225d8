"""Chooses a selection: candidates, gates in their order, a draw for each cell, and the funnel of all that."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from culturepark.dialogue.stance import unit
from culturepark.domain import Duplicate, JsonObject
from culturepark.errors import UsageError
from culturepark.export.formats import format_named
from culturepark.export.repeats import repeats_across
from culturepark.export.rows import REJECTED, TWIN, UNFIT, Source
from culturepark.ids import run_of, statement_of
from culturepark.select import gates as gating
from culturepark.select.candidates import Candidate, candidates
from culturepark.select.gates import Gate
from culturepark.select.quotas import Cell, Quota, allot, cell_of, cells_of, check, quotas_of
from culturepark.store import exports, selections
from culturepark.store.selections import add_selection, sample_ids
from culturepark.store.store import Store
from culturepark.store.tables import RunRow, SelectionRow

MOST = 2**31


@dataclass(frozen=True)
class Wanted:
    """What a selection should be."""

    size: int | None = None
    """Number of rows; None for all that pass, or where a quota says it."""
    quotas: Sequence[Quota] = ()
    gates: Sequence[Gate] = ()
    """In the order in which rows pass them."""
    seed: int = 0

    def check(self) -> None:
        check(self.quotas, self.size)

    def as_json(self) -> JsonObject:
        return {
            "size": self.size,
            "quotas": [str(quota) for quota in self.quotas],
            "gates": [str(gate) for gate in self.gates],
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Drawn:
    """The outcome of a draw."""

    picked: list[tuple[Candidate, Mapping[str, str]]]
    """With the cell of each, axis -> value."""
    funnel: list[JsonObject]
    unfilled: list[JsonObject]


def choose(
    store: Store,
    run_ids: Sequence[str],
    wanted: Wanted,
    *,
    name: str | None = None,
    extends: SelectionRow | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> SelectionRow:
    """Draw a selection out of runs, and store it.

    Args:
        name: checked already.
        extends: the selection whose samples it holds too.
        tell: called with remarks.
    Raises:
        UsageError: if what is wanted contradicts itself or cannot be known of these runs, or if nothing is left.
    """
    wanted.check()
    with store.database.reading() as look:
        held = sample_ids(look, extends.id) if extends else []
    old = [run_id for run_id in dict.fromkeys(map(run_of, held)) if store.find_run(run_id)]
    runs = [store.run(run_id) for run_id in sorted({*run_ids, *old})]
    of_others = repeats_across(store, [run.id for run in runs], tell) if len(runs) > 1 else []
    repeats = {repeat.statement_id: repeat for repeat in keeping(of_others, set(map(statement_of, held)))}
    with store.database.reading() as look:
        for run in runs:
            if behind := exports.half_distilled(look, run):
                raise UsageError(
                    f"{run.id} was being distilled again: {behind} dialogues still have the samples of the round "
                    f"before; `culturepark resume {run.id}` finishes it"
                )
        source = Source(look, runs, (), format_named("trl"), repeats)
        named, there = set(run_ids), set(held)
        found = [c for c in candidates(source) if run_of(c.id) in named or c.id in there]
        before = funnel_of(look, source, runs)
    drawn = draw(found, wanted, held) if found else Drawn([], [], [])
    if not drawn.picked:
        raise UsageError("nothing is left: " + ", ".join(f"{s['step']} {s['left']}" for s in [*before, *drawn.funnel]))
    return add_selection(
        store,
        [run.id for run in runs],
        [(candidate.id, cell) for candidate, cell in drawn.picked],
        wanted=wanted.as_json(),
        funnel=[*before, *drawn.funnel],
        unfilled=drawn.unfilled,
        name=name,
        extends=extends.id if extends else None,
    )


def keeping(repeats: Sequence[Duplicate], held: set[str]) -> Iterator[Duplicate]:
    """Yield the statements that repeat another one, with those that a selection holds standing for their clusters."""
    clusters: dict[str, list[Duplicate]] = defaultdict(list)
    for repeat in repeats:
        clusters[repeat.cluster_id].append(repeat)
    for cluster in clusters.values():
        first = cluster[0].representative_id
        kept = next((name for name in (first, *(one.statement_id for one in cluster)) if name in held), first)
        if kept != first:
            cluster.append(cluster[0].model_copy(update={"statement_id": first}))
        for repeat in cluster:
            if repeat.statement_id not in held:
                yield repeat.model_copy(update={"representative_id": kept})


def funnel_of(look: exports.Look, source: Source, runs: Sequence[RunRow]) -> list[JsonObject]:
    """Return the steps before the first gate: what the runs kept, what reviewers did, what an export leaves out."""
    made = sum((selections.fallen(look, run.id) for run in runs), Counter[str]())
    without = source.left_without
    left = made.total()
    steps = [{"step": "samples of the runs", "left": left}]
    for step, fell in (
        ("kept by the runs", made["dropped"]),
        ("not rejected by reviewers", made["rejected"] + without[REJECTED]),
        ("no repetition of another run", without["duplicate"]),
        ("fit to train on", sum(without[reason] for reason in UNFIT.values())),
        ("no twin in reviewers' wording", without[TWIN]),
    ):
        left -= fell
        if fell:
            steps.append({"step": step, "left": left})
    return steps


def draw(found: Sequence[Candidate], wanted: Wanted, held: Sequence[str] = ()) -> Drawn:
    """Let candidates pass the gates, and draw for each cell.

    The draw is by a hash of the seed and the id, so it does not depend on the order of runs, nor on other rows.

    Args:
        held: ids that are selected already; they pass every gate.
    """
    place = {sample_id: number for number, sample_id in enumerate(held)}
    order = {c.id: (place.get(c.id, len(place)), unit("select", wanted.seed, c.id), c.id) for c in found}
    left = sorted(found, key=lambda candidate: order[candidate.id])
    for quota in wanted.quotas:
        if quota.shares:
            gating.check_named(f"--quota {quota}", quota.axis, quota.shares, found)
    cells = cells_of(wanted.quotas, left)
    funnel: list[JsonObject] = []
    if held:
        there = sum(candidate.id in place for candidate in left)
        funnel.append({"step": f"held already: {there}; candidates with them", "left": len(left)})
    for gate in wanted.gates:
        gating.check_values(gate, found)
        if gate.test is None:  # of one answer's rows that of the rarest cell, so that it is not missing there
            sizes = Counter(cell_of(candidate, wanted.quotas) for candidate in left)
            left.sort(key=lambda c: (c.id not in place, sizes[cell_of(c, wanted.quotas)], order[c.id]))
        own = [candidate for candidate in left if candidate.id in place]
        kept, unknown = passing_with(gate, left, own)
        left = kept
        funnel.append({"step": str(gate), "left": len(left)} | ({"unknown": unknown} if unknown else {}))
    left.sort(key=lambda candidate: order[candidate.id])
    by_cell: dict[Cell | None, list[Candidate]] = {cell: [] for cell in cells}
    for candidate in left:
        by_cell.setdefault(cell_of(candidate, wanted.quotas), []).append(candidate)
    outside = by_cell.pop(None, [])
    extra = [candidate for candidate in outside if candidate.id in place]
    if len(outside) > len(extra):
        funnel.append({"step": "in a cell of the quotas", "left": len(left) - len(outside) + len(extra)})
    most = {cell: len(there) for cell, there in by_cell.items() if cell is not None}
    least = {cell: sum(c.id in place for c in by_cell[cell]) for cell in most}
    size = None if wanted.size is None else max(0, wanted.size - len(extra))
    taken = allot(wanted.quotas, size, least, most, wanted.seed)
    picked = [c for cell, count in taken.items() for c in by_cell[cell][:count]] + extra
    picked.sort(key=lambda candidate: order[candidate.id])
    funnel.append({"step": "drawn" if wanted.size or wanted.quotas else "selected", "left": len(picked)})
    axes = [quota.axis for quota in wanted.quotas]
    in_words = {cell: dict(zip(axes, cell, strict=True)) for cell in most}
    fair: Mapping[Cell, int] = {}
    if wanted.size is not None or wanted.quotas:
        fair = allot(wanted.quotas, size, dict.fromkeys(most, 0), dict.fromkeys(most, MOST), wanted.seed)
    unfilled: list[JsonObject] = [
        {"cell": in_words[cell], "wanted": count, "found": taken[cell]}
        for cell, count in sorted(fair.items())
        if taken[cell] < count
    ]
    nowhere: dict[str, str] = {}  # held, and in no cell of these quotas
    return Drawn([(c, in_words.get(cell_of(c, wanted.quotas) or (), nowhere)) for c in picked], funnel, unfilled)


def passing_with(gate: Gate, left: Sequence[Candidate], own: Sequence[Candidate]) -> tuple[list[Candidate], int]:
    """Return what passes a gate, with the rows that are held already."""
    ids = {candidate.id for candidate in own}
    if gate.test is None:
        kept, _ = gating.passing(gate, left)
        answers = {candidate.id for candidate in kept}
        return [candidate for candidate in left if candidate.id in answers or candidate.id in ids], 0
    kept, unknown = gating.passing(gate, [candidate for candidate in left if candidate.id not in ids])
    return [*own, *kept], unknown


def as_wanted(data: Mapping[str, Any]) -> Wanted:
    """Return what an older selection wanted, as it stands in the store."""
    return Wanted(
        data.get("size"), quotas_of(data.get("quotas", ())), gating.gates_of(data.get("gates", ())), data.get("seed", 0)
    )
