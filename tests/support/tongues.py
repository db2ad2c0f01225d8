"""Tiny languages of the tests' own, and people who speak them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import Any

import pytest

import culturepark.languages
from culturepark import languages
from culturepark.catalog.personas import load_all
from culturepark.domain import (
    Casting,
    Edition,
    JsonObject,
    LanguageCode,
    Participant,
    Persona,
    PersonaWords,
    QuestionWords,
    Scenario,
    Seed,
    Tongue,
    ValueWords,
)
from culturepark.languages import load_language, register

ENGLISH = Path(culturepark.languages.__file__).parent / "en"
ABOUT = {
    "de": ("German", "Deutsch", "LATIN", "Leitung", "Frag diesmal bitte niemanden etwas."),
    "ko": ("Korean", "한국어", "HANGUL", "진행자", "이번에는 아무에게도 묻지 마세요."),
    "tr": ("Turkish", "Türkçe", "LATIN", "Yönetici", "Bu sefer kimseye soru sorma lütfen."),
}
"""Code -> name, own name, script, what a moderator is called, and one sentence."""
SAID: dict[LanguageCode, tuple[str, ...]] = {
    "de": (
        "Bei uns im Haus wird die Treppe jeden Samstag von einer anderen Familie gewischt.",
        "Meine Großmutter hat nie einen Brief weggeworfen, auch keine Rechnung.",
        "Wer zu spät kommt, der isst eben kalt, so war das immer auf dem Hof.",
        "Im Winter steht das Fahrrad im Keller, und der Schlüssel hängt beim Nachbarn.",
        "Ich habe dreißig Jahre lang Glocken repariert und höre jede falsche sofort.",
        "Ein Schrank, der einmal schief steht, steht für immer schief, sagte mein Onkel.",
        "Am Bahnhof verkauft noch einer Kirschen aus dem eigenen Garten.",
        "Niemand hat uns gezeigt, wie man einen Ofen richtig anzündet.",
        "Unsere Straße war zwei Sommer lang gesperrt, und keiner hat sich beschwert.",
        "Zum Abschied bekam jeder ein Glas Honig und einen festen Händedruck.",
    ),
    "ko": (
        "우리 동네에서는 눈이 오면 먼저 일어난 사람이 골목을 쓸어요.",
        "할머니는 늦게 들어온 손님한테도 꼭 국을 데워 주셨어요.",
        "저는 버스를 이십 년 몰았는데 같은 길도 날마다 달라 보여요.",
        "아버지는 시장에서 값을 깎는 일을 한 번도 좋아하신 적이 없어요.",
        "김장하는 날에는 이웃집 아이들까지 와서 배추를 날랐어요.",
        "전화기가 처음 들어온 날 온 가족이 마루에 모여 앉았지요.",
        "비가 새는 지붕 밑에 대야를 놓고 그 소리를 들으며 잤어요.",
        "형이 군대에 가던 아침에 어머니는 아무 말씀도 안 하셨어요.",
        "감나무에 까치밥 몇 개는 꼭 남겨 두는 게 저희 집 버릇이에요.",
        "낡은 자전거를 고치는 데 사흘이 걸렸지만 버릴 생각은 없었어요.",
    ),
    "tr": (
        "Bizim apartmanda merdiveni her cumartesi başka bir aile yıkar.",
        "Dedem eline geçen hiçbir mektubu atmadı, faturaları bile sakladı.",
        "Otuz yıl boyunca aynı fırından ekmek aldım, adamın adını yeni öğrendim.",
        "Kışın bisiklet bodrumda durur, anahtar da komşuda asılıdır.",
        "Annem çayı demlemeden kimseye nasılsın diye sormazdı.",
        "İstasyonda hâlâ kendi bahçesinden kiraz satan biri var.",
        "Sobayı doğru dürüst yakmayı bize kimse göstermedi.",
        "Sokağımız iki yaz boyunca kapalı kaldı, kimse şikâyet etmedi.",
        "Ayrılırken herkesin eline birer kavanoz bal tutuşturdular.",
        "Eğri duran dolap bir daha düzelmez derdi benim amcam.",
    ),
}
"""Sentences of each language that no two speakers of a test would say alike."""
FOLK = {persona.key: persona for persona in load_all([], {"german", "korean", "turkish"})}


def laid_out(folder: Path, monkeypatch: pytest.MonkeyPatch, *codes: LanguageCode) -> Iterator[None]:
    """Languages that say what English says, each with marks of its own by which it is known, for as long as a test."""
    monkeypatch.setattr(languages, "PACKAGES", copy(languages.PACKAGES))
    monkeypatch.syspath_prepend(folder)
    load_language.cache_clear()
    for code in codes:
        name, own_name, script, moderator, sentence = ABOUT[code]
        package = folder / f"tiny_{code}"
        package.mkdir()
        (package / "__init__.py").write_text("", "utf-8")
        for path in ENGLISH.glob("*.md"):
            text = path.read_text("utf-8").replace("You are {{", f"[{code}] {{{{").replace("You moderate", f"[{code}]")
            (package / path.name).write_text(text.replace("Welcome", f"[{code}] Welcome"), "utf-8")
        about = (ENGLISH / "language.toml").read_text("utf-8").replace('name = "English"', f'name = "{name}"')
        lines = [line for line in about.splitlines() if not line.startswith(("script", "own_words"))]
        lines.insert(0, f'own_name = "{own_name}"\nscript = "{script}"')
        changed = {"moderator = ": moderator, "ask_nothing = ": sentence}
        for start, text in changed.items():
            lines = [f"{start}{json.dumps(text, ensure_ascii=False)}" if x.startswith(start) else x for x in lines]
        toml = "\n".join(lines).replace("You are {{", f"[{code}] {{{{")
        (package / "language.toml").write_text(toml, "utf-8")
        sys.modules.pop(package.name, None)
        register(code, package.name)
    yield
    load_language.cache_clear()
    for code in codes:
        sys.modules.pop(f"tiny_{code}", None)


def speaking(key: str, own: LanguageCode, addressed: str, *others: LanguageCode, **called: str) -> Persona:
    """A shipped card in the person's own language.

    Args:
        addressed: name at a table in that language.
        others: languages that this person can hold a talk in.
        called: in other languages.
    """
    persona = FOLK[key]
    said = SAID[own]
    words = PersonaWords(
        addressed=addressed,
        norms=said[: len(persona.norms)],
        values=tuple(ValueWords(value=one, why=one) for one in said[6 : 6 + len(persona.values)]),
    )
    told = {own: words} | {code: PersonaWords(addressed=name) for code, name in called.items()}
    tongues = (Tongue(language=own), *(Tongue(language=code, level="fluent") for code in others))
    return persona.model_copy(update={"speaks": tongues, "words": told})


MARION = speaking("german-marion", "de", "Frau Noack", ko="마리온 씨")
MINJAE = speaking("korean-minjae", "ko", "민재 씨", de="Herr Minjae")
MIGYEONG = speaking("korean-migyeong", "ko", "미경 씨", de="Frau Migyeong")
CEVDET = speaking("turkish-cevdet", "tr", "Cevdet Bey")
ELIF = speaking("turkish-elif", "tr", "Elif Hanım")
EMRE = FOLK["german-emre"].model_copy(update={"speaks": ()})
"""Whose card names no language."""
STAIRS = Seed(
    key="stairs",
    topic="painted stairs",
    question="Who ought to paint the stairs of a shared building?",
    words={
        "de": QuestionWords(topic="das Treppenhaus", question="Wer streicht das Treppenhaus?"),
        "ko": QuestionWords(topic="계단 칠하기", question="계단은 누가 칠해야 할까요?"),
        "tr": QuestionWords(topic="merdivenin boyası", question="Merdiveni kim boyasın?"),
    },
)


def table(*people: Persona, language: str = "native", max_turns: int = 8, **more: Any) -> tuple[Casting, Scenario]:
    """A dialogue about stairs."""
    scenario = Scenario(
        name="stairs",
        title="Stairs",
        setting="panel" if len(people) > 2 else "cross-cultural",
        cultures=tuple(dict.fromkeys(person.culture for person in people)),
        protocol="self-guidance",
        language=language,
        seeds=(STAIRS,),
        people=len(people),
        max_turns=max_turns,
        **more,
    )
    return Casting(number=1, seed=STAIRS, participants=tuple(Participant(persona=p) for p in people)), scenario


def panel(*people: Persona, **more: Any) -> Edition:
    return Edition(scenario=table(*people, **more)[1], personas=people)


def material(body: JsonObject) -> JsonObject:
    """What the interpreter is shown."""
    found: JsonObject = json.loads(body["messages"][-1]["content"])
    return found


def language_of(body: JsonObject) -> LanguageCode:
    """The tiny language of a request, by its system prompt."""
    return str(body["messages"][0]["content"]).partition("]")[0].removeprefix("[")


def own_sentence(body: JsonObject, number: int) -> str:
    """A speech in the language of its prompt."""
    said = SAID[language_of(body)]
    return said[number % len(said)]


def rendered(body: JsonObject, number: int) -> str:
    """A sentence in the language into which words are to be rendered, another one for other words."""
    into = next(code for code, about in ABOUT.items() if about[0] == material(body)["into"])
    return f"{SAID[into][number % len(SAID[into])][:-1]}, {number}."


Say = Callable[[JsonObject, int], str]
