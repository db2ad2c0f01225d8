"""Map files: the examples of the documentation, and cells of all kinds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from culturepark.catalog.files import load
from culturepark.people.mapping import PeopleMap, Rule
from culturepark.people.quotas import load_quotas

PAGE = (Path(__file__).parents[2] / "docs/howto/people.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_maps_and_quotas_of_the_documentation_are_right(tmp_path: Path) -> None:
    kinds = []
    for number, block in enumerate(BLOCKS):
        path = tmp_path / f"b{number}.yaml"
        path.write_text(block, encoding="utf-8")
        if "\ncard:" in block:
            kinds.append("map")
            load(path, PeopleMap)
        elif "\nmargins:" in block:
            kinds.append("quotas")
            load_quotas(path)
    assert kinds == ["map", "quotas", "map", "map", "map", "map"]


@pytest.mark.parametrize(
    ("rule", "cells", "value"),
    [
        ("in {a}", {"a": "x"}, "in x"),
        ("in {a}", {"a": ""}, None),
        ("in {a}", {}, None),
        ("{{a}} {a}", {"a": 3.0}, "{a} 3"),
        (7, {}, "7"),
        ({"column": "a"}, {"a": float("nan")}, None),
        ({"column": "a"}, {"a": 41.0}, 41.0),
        ({"column": "a", "values": {1: "man"}}, {"a": 1.0}, "man"),
        ({"column": "a", "split": ";"}, {"a": "x; y;;"}, ["x", "y"]),
        ({"column": "a", "split": ",", "values": {"en": "English"}}, {"a": "en,en"}, ["English", "English"]),
        ({"column": "a"}, {"a": ["x  y", "z"]}, ["x y", "z"]),
        (["x", "y"], {}, ["x", "y"]),
        ({"constant": {"directness": "direct"}}, {}, {"directness": "direct"}),
    ],
)
def test_a_rule_makes_a_value_of_a_row(rule: Any, cells: dict[str, Any], value: Any) -> None:
    assert Rule.model_validate(rule).value(cells) == value
