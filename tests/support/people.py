"""Tables of people, and a model that writes cards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from culturepark.domain import JsonObject
from tests.support.fakes import material, shape_of

NAMES = [
    "Ayten", "Bora", "Cahit", "Derya", "Ekrem", "Feride", "Gonca", "Halil", "Isil", "Jale", "Kerim", "Leman", "Mucahit",
    "Nalan", "Okan", "Pelin", "Rauf", "Sevda", "Tarkan", "Ufuk", "Vildan", "Yavuz", "Zerrin",
]  # fmt: skip
MAP = """\
table: Made-up people of Izmir
licence: CC0-1.0
where: {age: {least: 16}}
about: [note]
card:
  culture: turkish
  gender: {column: sex, values: {Male: man, Female: woman}}
  age: "{age}"
  region: Aegean
  place: "{city}, {district}"
  settlement: city
  work: "{job}"
  faith: "{religion}"
  languages: {column: langs, split: ","}
"""
WHOLE = (
    MAP.replace("about: [note]\n", "")
    + """\
  name: "{city} {job}"
  called: Ayten
  schooling: primary school
  observance: seldom
  generation: grew up by the sea
  values: [{value: bread, why: It fed the family.}]
  speech: {constant: {directness: direct, formality: familiar, manner: Talks with floury hands.}}
  norms: {constant: [
    {kind: norm, topic: bread, text: Nobody throws bread away.}, {kind: norm, topic: tea, text: One more glass.},
    {kind: custom, topic: shoes, text: We leave our shoes at the door.}]}
  scope: speaks for nobody else
"""
)
"""A map with which a table says everything that a card needs."""
HEADER = "sex,age,city,district,job,religion,langs,note"
QUOTAS = """\
culture: turkish
source: Made-up shares, 2026
licence: CC0-1.0
margins:
  age: {16-34: 40, 35-59: 40, 60-85: 20}
  gender: {woman: 51, man: 49}
  settlement: {city: 70, town: 20, village: 10}
  faith: {Sunni Muslim: 85, none: 15}
joint:
  - {settlement: village, faith: none, share: 0}
"""


def rows(count: int) -> str:
    """A CSV of people, every tenth of whom is a child."""
    lines = []
    for i in range(count):
        sex, age = ("Male", "Female")[i % 2], 12 if i % 10 == 9 else 20 + i % 60
        lines.append(f'{sex},{age},İzmir,Bornova,baker,Sunni Muslim,"Turkish, Zaza",keeps {i} pigeons')
    return "\n".join([HEADER, *lines]) + "\n"


def person(asked: JsonObject, **changes: Any) -> JsonObject:
    """A whole answer for what a request asks: settled values come back, the rest is made up."""
    settled = asked["settled"]
    taken = asked["not_called"]
    called = next(name for name in (*NAMES, *(f"{n}{k}" for k in range(99) for n in NAMES)) if name not in taken)
    answer = {
        "name": f"{called} Deniz", "called": called, "region": "Aegean", "place": "Bornova", "household": "alone",
        "work": "bakes bread", "schooling": "primary school", "observance": "seldom",
        "generation": f"born in {asked['year'] - int(settled.get('age', 40))}, and grew up by the sea",
        "scope": "speaks for nobody from the east", "gender": "woman", "age": 40, "settlement": "city",
        "faith": "none", "languages": ["Turkish"],
        "values": [{"value": "bread", "schwartz": asked["bent"]["values"][0], "why": "It fed the family."}],
        "speech": {"directness": "direct", "formality": "familiar", "manner": "Talks with floury hands."},
        "sayings": [{"text": "Ekmek aslanın ağzında.", "english": "Bread is in the lion's mouth.", "language": "tr"}],
        "norms": [
            {"kind": "norm", "topic": topic, "text": f"In our street nobody throws {topic} away."}
            for topic in ("bread", "shoes", "tea", "letters")
        ],
        "scenes": [
            {"when": f"spring {asked['year'] - 2}", "where": "the oven", "who": "my aunt", "topics": ["bread"],
             "text": f"She said {word}, and I laughed."}
            for word in ("yes", "no", "perhaps")
        ],
    } | {key: settled[key] for key in ("gender", "age", "settlement", "faith") if key in settled}  # fmt: skip
    return answer | changes


def writes(body: JsonObject, number: int) -> str | None:
    return json.dumps(person(material(body))) if shape_of(body) == "person" else None


def table(folder: Path, count: int = 12, text: str = MAP) -> tuple[Path, Path]:
    """A table and its map."""
    (folder / "people.csv").write_text(rows(count), encoding="utf-8")
    (folder / "map.yaml").write_text(text, encoding="utf-8")
    return folder / "people.csv", folder / "map.yaml"
