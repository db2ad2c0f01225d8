"""Opens the models of a run when they are first needed, one for each spec, and closes them all.

Specs that differ by their adapters alone are opened together, and share one server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from culturepark.domain import ModelRole
from culturepark.errors import CultureparkError
from culturepark.models.chat import ChatModel
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.models.weights import Progress


class Models:
    """The models behind the roles."""

    def __init__(
        self, specs: Mapping[ModelRole, ModelSpec], most_in_flight: int, progress: Progress, trust: Trust
    ) -> None:
        """
        Args:
            trust: decides which specs may be asked; without it a store could say where a key goes.
        """
        self._trust = trust
        self.specs = dict(specs)
        self._most_in_flight = most_in_flight
        self._progress = progress
        self._open: dict[tuple[bool, ModelSpec], ChatModel] = {}
        self._lock = asyncio.Lock()

    async def get(self, role: ModelRole) -> ChatModel:
        """
        Raises:
            CultureparkError: if the model cannot be had, or is one that only a store names.
        """
        key = (role == "embedder", self.specs[role])
        async with self._lock:
            if key not in self._open:
                embeds, spec = key
                self._trust.check(spec)
                if embeds:
                    self._open[key] = await spec.of.open_embeddings(spec)
                else:
                    together = await spec.of.open_together(self._beside(spec), self._most_in_flight, self._progress)
                    self._open |= {(False, opened): model for opened, model in together.items()}
            return self._open[key]

    def _beside(self, spec: ModelSpec) -> list[ModelSpec]:
        """Return a spec, and the others over the same base that may be opened with it."""
        beside = [spec]
        for other in dict.fromkeys(self.specs.values()):
            if spec.of.adapts and other.base == spec.base and other != spec and (False, other) not in self._open:
                with suppress(CultureparkError):  # of a role that may never be asked; else it fails when it is
                    self._trust.check(other)
                    other.of.check(other)
                    beside.append(other)
        order = list(self.specs.values())  # so that each has the same number whoever is asked first
        return sorted(beside, key=order.index)

    async def close(self) -> None:
        await asyncio.gather(*(model.close() for model in self._open.values()), return_exceptions=True)


def check_specs(specs: Mapping[ModelRole, ModelSpec], roles: Iterable[ModelRole], trust: Trust) -> None:
    """Check before anything is begun that the specs of some roles may be asked, and can be.

    Raises:
        UsageError: with what to do.
        Unreachable: if weights could not be kept.
    """
    roles = list(roles)
    trust.admit({role: specs[role] for role in roles})
    check_here(specs[role] for role in roles)


def check_here(specs: Iterable[ModelSpec]) -> None:
    """Check that no package, key, file or folder is missing here for specs, whoever named them. Nothing is sent.

    Raises:
        UsageError: with what to do.
        Unreachable: if weights could not be kept.
    """
    for spec in dict.fromkeys(specs):
        spec.of.check(spec)
