"""Makes an adapter whole: trains it, converts it, keeps it in the store and writes its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from culturepark.store.store import Store
from culturepark.train import artefact
from culturepark.train.adapter import Outcome, Settings, Watch, train
from culturepark.train.base import Base
from culturepark.train.card import write_card
from culturepark.train.examples import Examples


def make(
    store: Store, base: Base, examples: Examples, settings: Settings, out: Path, watch: Watch, *, merge: bool = False
) -> tuple[str, Outcome]:
    """Train an adapter into a folder, or find it done there; return its id and what came of it.

    Raises:
        Interrupted: at Ctrl-C; the same call goes on.
        UsageError: if another training is in the folder, or nothing is left to train on.
    """
    outcome = train(base, examples, settings, out, watch)
    wanted = [artefact.GGUF, *([artefact.MERGED] if merge else [])]
    # A training that was killed after its last step is done, and lacks its files.
    if not outcome.again or not all((out / name).is_file() for name in wanted):
        outcome = replace(outcome, notes=[*outcome.notes, *artefact.convert(base, out, merge=merge)])
    artefact_id = artefact.keep(store, base, examples, outcome, out)
    write_card(base, examples, settings, outcome, artefact_id, out)
    return artefact_id, outcome


def is_whole(store: Store, out: Path) -> bool:
    """Return whether an adapter was finished in a folder: trained, kept in the store, and with its card."""
    from culturepark.errors import UsageError
    from culturepark.store.artefacts import artefact as kept
    from culturepark.train.artefact import CARD, id_in

    try:
        kept(store, id_in(out))
    except UsageError:
        return False
    return (out / CARD).is_file()
