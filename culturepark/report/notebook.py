"""Shows dialogues and runs in a notebook: HTML without scripts, and in the notebook's own colours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from culturepark.domain import Status, Turn, home_of, storable
from culturepark.languages.countries import country_name
from culturepark.models.kinds import is_scripted
from culturepark.redact import without_secrets
from culturepark.report.page import environment
from culturepark.store.runs import Speaker
from culturepark.store.tables import RunRow


def dialogue_html(
    dialogue_id: str,
    question: str,
    status: Status,
    people: Sequence[Speaker],
    turns: Sequence[Turn],
    *,
    language: str,
    model: str,
) -> str:
    """
    Args:
        language: of what is said, as BCP 47.
        model: the spec of the model that spoke for the people.
    """
    return rendered(
        "notebook.html",
        id=dialogue_id,
        question=question,
        status=status,
        people=[(person.name, country_name(home_of(person.country, person.culture))) for person in people],
        names={person.persona: person.name for person in people} | {"user": "You"},
        turns=turns,
        language=language,
        user_sits=any(turn.role == "user" for turn in turns),
        scripted=is_scripted(model),
    )


def run_html(run: RunRow, title: str, statuses: Sequence[str], kept: int) -> str:
    """
    Args:
        statuses: of all dialogues.
        kept: number of kept samples.
    """
    models = sorted(set(json.loads(run.models).values()))
    return rendered(
        "notebook_run.html", run=run, title=title, statuses=Counter(statuses).most_common(), kept=kept, models=models
    )


def rendered(template: str, **values: Any) -> str:
    html = environment().get_template(template).render(values)
    return str(without_secrets(storable(html)))
