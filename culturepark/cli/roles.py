"""The models of a command's roles."""

from __future__ import annotations

from collections.abc import Mapping

from culturepark.domain import JUDGES, ModelRole
from culturepark.errors import UsageError
from culturepark.models import prices
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.run.plan import UNNEEDED, models_of, models_with, settings_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import tell


def role_names(roles: list[str]) -> list[str]:
    """Return the roles that `--role` names, each once, `judge` for all judges."""
    return list(dict.fromkeys(text.partition("=")[0] for text in roles))


def named_models(roles: list[str], model: str | None = None) -> dict[ModelRole, ModelSpec]:
    """Return the models that a command line names, `judge` for all judges.

    Args:
        model: model for all chat roles that are not named.
    """
    names, specs = role_names(roles), parse_roles(model, roles)
    return {
        role: spec
        for role, spec in specs.items()
        if (JUDGES[0] if role in JUDGES else role) in names or (model and role != "embedder")
    }


def models_for(row: RunRow, roles: list[str], model: str | None = None) -> dict[ModelRole, ModelSpec]:
    """Return the run's models, with those of the command line in their place. One named judge replaces all judges.

    Args:
        model: model for all chat roles that are not named.
    Raises:
        UsageError: if an interpreter is named for a run that has none.
    """
    if "interpreter" in role_names(roles) and "interpreter" not in models_of(row):
        raise UsageError(f"--role interpreter: {UNNEEDED}")
    if model:
        kept = models_with(row, model)
    else:
        all_judges = JUDGES[0] in role_names(roles)
        kept = {role: spec for role, spec in models_of(row).items() if not (all_judges and role in JUDGES)}
    return kept | named_models(roles, model)


def threshold_for(row: RunRow, models: Mapping[ModelRole, ModelSpec]) -> float | None:
    """Return the run's threshold of similarity; None for another embedder, which has other similarities."""
    return settings_of(row).threshold if models["embedder"] == models_of(row)["embedder"] else None


def warn_of_unknown_prices(store: Store, row: RunRow) -> None:
    """
    Raises:
        UsageError: if prices were known when the run began, and are needed and unknown now.
    """
    limit = settings_of(row).max_cost_usd
    paid = [spec for spec in dict.fromkeys(models_of(row).values()) if spec.paid]
    unknown = [spec for spec in paid if prices.price(spec.endpoint, spec.name) is None]
    if limit is None or not unknown:
        return
    names = ", ".join(str(spec) for spec in unknown)
    if store.priced(row.id) & {spec.name for spec in unknown}:
        raise UsageError(
            f"{names} had a price before and has none now: the limit of ${limit:,.2f} cannot be watched; "
            "set CULTUREPARK_PRICES to the list that was used"
        )
    tell(
        f"no price is known for {names}: the limit of ${limit:,.2f} (--max-cost, or the scenario's) cannot be watched; "
        "set CULTUREPARK_PRICES or --max-tokens"
    )
