"""Cross-cultural conversations between simulated people, distilled into traceable fine-tuning samples.

    import culturepark

    run = culturepark.simulate("quickstart", model="scripted")
    run.export("trl", "runs/mine")

All that is meant for use from Python is in `__all__`, and imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from culturepark import events
    from culturepark.api import (
        Dialogue,
        RunStore,
        Simulation,
        StoredEvaluation,
        StoredRun,
        demo,
        dialogues,
        evaluate_model,
        evaluate_model_async,
        export_runs,
        load_scenario,
        open_store,
        samples,
        simulate,
        simulate_async,
        statements,
    )
    from culturepark.domain import Edition, Limits, Persona, Sample, Scenario, Seed, Turn
    from culturepark.errors import (
        BudgetReached,
        CatalogError,
        CultureparkError,
        Interrupted,
        ModelError,
        StoreError,
        Unreachable,
        UsageError,
    )

__version__ = "0.1.0"
__all__ = [
    "BudgetReached",
    "CatalogError",
    "CultureparkError",
    "Dialogue",
    "Edition",
    "Interrupted",
    "Limits",
    "ModelError",
    "Persona",
    "RunStore",
    "Sample",
    "Scenario",
    "Seed",
    "Simulation",
    "StoreError",
    "StoredEvaluation",
    "StoredRun",
    "Turn",
    "Unreachable",
    "UsageError",
    "demo",
    "dialogues",
    "evaluate_model",
    "evaluate_model_async",
    "events",
    "export_runs",
    "load_scenario",
    "open_store",
    "samples",
    "simulate",
    "simulate_async",
    "statements",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in ("errors", "domain", "api"):
            if (thing := vars(import_module(f"culturepark.{module}")).get(name)) is not None:
                globals()[name] = thing  # the next time it is simply there
                return thing
    raise AttributeError(f"module 'culturepark' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
