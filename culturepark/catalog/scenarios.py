"""Scenario files, resolved into an edition: the scenario with its questions and people."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from culturepark import languages
from culturepark.catalog import cultures as catalog
from culturepark.catalog.codebook import FEWEST
from culturepark.catalog.files import (
    Loc,
    begins_with,
    concerns_suites,
    load,
    package_dir,
    placed,
    read_mapping,
    read_text,
    shown,
)
from culturepark.catalog.personas import LINES, card_notes, load_all, load_people, load_persona, shipped_keys
from culturepark.catalog.surveys import Survey, SurveyFile, load_items, load_survey, load_surveys
from culturepark.catalog.words import check_words, is_words, question_words, seed_in, worded_path, words_beside
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    LEAST_SITUATIONS,
    NATIVE,
    SHAPE_SHARES,
    SPOKEN_AT_A_TABLE,
    STEERED,
    Across,
    Country,
    Culture,
    CultureKey,
    DistillPolicy,
    Edition,
    Key,
    LanguageCode,
    Limits,
    Measure,
    Memory,
    Mined,
    Moderation,
    Noun,
    Persona,
    QuestionWords,
    Respondents,
    Scenario,
    Seed,
    Setting,
    Shapes,
    Situations,
    Spoken,
    StancesFrom,
    Text,
    Tongue,
    shipped_cultures,
)
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.files import clipped, exists, some_of


def seatable(name: str) -> str:
    """Refuse a word that is neither a path nor the key of a shipped culture of delegates."""
    if name == catalog.ALL or catalog.is_path(name) or name in catalog.delegates():
        return name
    known = shipped_cultures().get(name)
    what = f"{name!r} is of main contacts, who come by themselves to cross-cultural dialogues; " if known else ""
    raise ValueError(what + catalog.no_culture(name, catalog.delegates()))


CultureName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400), AfterValidator(seatable)
]
"""A key, a path, or `all`."""


class SeedFile(Noun):
    survey: str | None = None
    """A survey item, as `wvs7/Q33`: each delegate's stance is drawn from its country's answers."""
    key: Key | None = None
    """Name of a question without a survey behind it: nobody has a stance."""
    topic: Text | None = None
    """The question in a few words; the key in words if it is not given."""
    question: Text | None = None
    """The words of the moderator."""
    situations: Situations = ()
    """Cases that are put to people, in place of those that a survey item has; dialogues take them in turn."""

    def own(self) -> Seed:
        """Return the seed of a question without a survey behind it."""
        assert self.key is not None and self.question is not None  # noqa: PT018 - validated below
        topic = self.topic or self.key.replace("-", " ")
        return Seed(key=self.key, topic=topic, question=self.question, situations=self.situations)

    @model_validator(mode="after")
    def one_of_two(self) -> SeedFile:
        if self.survey is None and (self.key is None or self.question is None):
            raise ValueError("a seed is either `survey: NAME/ITEM`, or `key` and `question`")
        if self.survey is not None and (self.key or self.question or self.topic):
            raise ValueError("a seed with `survey` takes its key, topic and question from there")
        return self


def not_a_talk(protocol: Any) -> Any:
    if protocol == "talk":
        raise ValueError("must be self-guidance or free-chat; `talk` needs somebody at the keyboard: culturepark talk")
    return protocol


def installed(language: Any) -> Any:
    if isinstance(language, str) and language != NATIVE and language not in languages.PACKAGES:
        known, near = languages.known_languages(NATIVE), languages.perhaps(language)
        raise ValueError(f"must be one of {known}, not {clipped(language)!r}{near}")
    return language


class ScenarioFile(Noun):
    """The keys of a scenario file."""

    name: Key
    """Begins the ids of its runs."""
    title: Text
    setting: Setting
    """The people: two of one culture, a delegate and a main contact, or a panel of delegates."""
    cultures: Annotated[tuple[CultureName, ...], Field(min_length=1, max_length=200)]
    """Keys of shipped cultures, and culture files or folders of them, relative to this file. `all` stands for all
    shipped cultures of delegates. A file of main contacts puts them in place of the shipped ones."""
    countries: Annotated[
        dict[CultureKey, Annotated[tuple[Country, ...], Field(min_length=1)]], Field(max_length=200)
    ] = {}  # noqa: RUF012 - frozen
    """Culture -> the countries that ground it here: only people from these may sit. Without it, people from all of the
    culture's countries."""
    protocol: Annotated[Literal["self-guidance", "free-chat"], BeforeValidator(not_a_talk)] = "self-guidance"
    """`self-guidance`: in phases, each with a question of the moderator's; `free-chat`: opening, talk, closing."""
    moderation: Moderation | None = None
    """The moderator's policy. `balanced`, the default of self-guidance: rules choose what to ask, and of whom, from
    the talk so far; `led`: the moderator's model chooses among what the rules allow; `scripted`: fixed phases."""
    memory: Memory = "window"
    """What a speaker is shown of the talk. `window`, the default: the last turns word by word and a line of each one
    before them, so that a talk's cost grows with its turns and not with their square; `whole`: every turn."""
    measure: tuple[Measure, ...] = ()
    """What models are asked after each talk to measure it, beside what is counted: `stance` (can a judge tell each
    person's answer from what was said alone?) and `understanding` (does a reader of the talk know better what each
    person would do in a new situation? For seeds with two situations with `choices`)."""
    language: Annotated[Spoken, BeforeValidator(installed)] = DEFAULT_LANGUAGE
    """The one in which all talk (BCP 47, as `tr`); it has a folder of prompts. `native`: everybody in the own one."""
    across: Across | None = None
    """How people without a common mother tongue talk, where the language is `native`. `interpreter`, the default: each
    in the own language, and the others hear a rendering by a model; `lingua-franca`: in a language that the cards of
    all at the table allow, and with an interpreter where there is none."""
    seeds: Annotated[tuple[SeedFile, ...], Field(min_length=1)]
    """The questions; each is talked about in dialogues of its own."""
    dialogues_per_seed: Annotated[int, Field(ge=1, le=10_000)] = 1
    """For each culture; in a panel, for each seed. `--dialogues` overrides it."""
    people: Annotated[int, Field(ge=2, le=8)] | None = None
    """Number of personas, in a panel alone. Without it one for each culture, from 3 to 8."""
    max_turns: Annotated[int, Field(ge=4, le=200)] | None = None
    """Turns of personas in a dialogue. Without it 14, or six for each person if that is more. A smaller number drops
    phases from the middle, never the opening or the closing."""
    stances: StancesFrom = "shares"
    """`shares`: each answer is dealt from the country's shares. `joint`: each person is given one respondent of the
    survey, and holds that respondent's answers in the whole run. `none`: the same people sit at the same tables as with
    `shares`, and nobody is told what to think; opinions then follow no survey."""
    limits: Limits = Limits()
    distill: DistillPolicy = DistillPolicy()
    samples: Shapes = SHAPE_SHARES
    """Shapes of rows (`docs/samples.md`). A list: every row of these shapes that fits; a map to numbers: the shares of
    the shapes among the rows, of which each statement gets one or two."""
    mine: Annotated[tuple[Mined, ...], Field(min_length=1)] = ("delegate",)
    """Whose words become samples: cultural delegates', and main contacts' only if `main` is named."""
    personas: tuple[str, ...] = ()
    """Files or folders of persona cards, relative to this file. A file `.jsonl` holds one card a line."""
    cast: Literal["own", "all"] | None = None
    """`own`: the people of `personas` alone, with the shipped main contacts if there are none among them; `all`: these
    and the shipped ones, which is the default. Where some of `personas` come from a table, it must be given."""
    surveys: tuple[str, ...] = ()
    """Survey files beside the shipped one, relative to this file."""

    @model_validator(mode="before")
    @classmethod
    def spell_out_all(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("cultures") == catalog.ALL:
            return {**data, "cultures": (catalog.ALL,)}
        return data


def find(name: str) -> Path:
    """Return the path of a scenario file, given as a path or as the name of a shipped one.

    Raises:
        UsageError: if it is neither.
    """
    shipped = package_dir("scenarios") / f"{name}.yaml"
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or exists(path) or not name.replace("-", "").isalnum():
        return path
    if exists(shipped):
        return shipped
    names = ", ".join(p.stem for p in shipped_files())
    raise UsageError(f"no scenario {clipped(name)!r}: neither a file nor one of the shipped ones ({names})")


def shipped_files() -> list[Path]:
    files = (path for path in sorted(package_dir("scenarios").glob("*.yaml")) if not is_words(path))
    return [path for path in files if not begins_with(path, "loop")]


def load_edition(path: Path, dialogues_per_seed: int | None = None) -> Edition:
    """Read a scenario file and everything that it names.

    Raises:
        CatalogError: with all problems found.
    """
    file = load(path, ScenarioFile)
    if absent := absent_files(path, file):
        raise CatalogError(placed(path, absent))
    seated = cultures_of(path, file)
    known = {**shipped_cultures(), **seated}
    surveys = load_surveys([beside(path, name) for name in file.surveys], seated)
    items = {key: item for survey in surveys for key, item in survey.items.items()}
    situations = {key: cases for survey in surveys for key, cases in survey.situations.items()}
    cultures = tuple(key for key, culture in seated.items() if culture.role == "delegate")
    mains = catalog.main_cultures(known) if file.setting == "cross-cultural" else {}
    wanted = {*cultures, *mains}
    own = [beside(path, name) for name in file.personas]
    everybody = load_all(own, wanted, known, partial(spoken_by, file, wanted))
    if unclear := unclear_cast(file, everybody):
        raise CatalogError(placed(path, [unclear]))
    people = tuple(p for p in cast_of(file, everybody) if p.culture in wanted and grounds(file, p))
    problems: list[tuple[Loc, str]] = list(unheld(file, people))
    if file.language == NATIVE and not problems:
        people = tuple(person for person in people if in_own_words(person))
    codes = spoken_by(file, wanted, people)
    if file.language == NATIVE and file.across != "lingua-franca":
        codes = tuple(code for code in codes if any(person.own_language == code for person in people))
    told = {survey.file.survey: words_of_survey(survey, codes) for survey in surveys} if codes else {}
    told[""] = words_of_seeds(path, file, codes)
    size = file.people or (min(8, max(3, len(cultures))) if file.setting == "panel" else 2)
    turns = file.max_turns or max(14, 6 * size)
    seeds: dict[str, Seed] = {}
    for index, seed_file in enumerate(file.seeds):
        if seed_file.survey is not None:
            item = items.get(seed_file.survey)
            if item is None:
                what = f"no such survey item {clipped(seed_file.survey)!r}; surveys: " + ", ".join(
                    sorted({key.split("/")[0] for key in items})
                )
                problems.append((("seeds", index, "survey"), what))
                continue
            countries = {p.country for p in people}
            by = {country: groups for country, groups in item.by.items() if country in countries}
            seed = Seed.of(item.model_copy(update={"by": by}), seed_file.situations or situations[item.key])
            survey_name, _, key = item.key.partition("/")
            seed = seed_in(seed, told.get(survey_name, {}), key)
        else:
            seed = seed_file.own()
            seed = seed_in(seed, told[""], seed.key)
        if seed.key in seeds:
            problems.append((("seeds", index), f"the seed {clipped(seed.key)} stands here twice"))
        seeds[seed.key] = seed
    respondents: tuple[Respondents, ...] = ()
    if file.stances == "joint":
        problems += without_respondents(file, surveys)
        respondents = drawn_respondents(surveys, list(seeds), people)
    problems += contradictions(file, cultures, people, size, turns)
    problems += unspoken(file, seeds.values(), codes)
    if problems:
        raise CatalogError(placed(path, problems))
    scenario = Scenario(
        **{name: getattr(file, name) for name in ("name", "title", "setting", "protocol", "language", "stances")},
        **{name: getattr(file, name) for name in ("limits", "distill", "samples", "mine", "measure", "memory")},
        across=file.across or "interpreter",
        moderation=file.moderation or ("balanced" if file.protocol in STEERED else "scripted"),
        cultures=cultures,
        seeds=tuple(seeds.values()),
        dialogues_per_seed=dialogues_per_seed or file.dialogues_per_seed,
        people=size,
        max_turns=turns,
    )
    return Edition(
        scenario=scenario,
        personas=people,
        respondents=respondents,
        cultures=tuple(known[key] for key in dict.fromkeys([*cultures, *(p.culture for p in people)])),
    )


def cultures_of(path: Path, file: ScenarioFile) -> dict[str, Culture]:
    """Return the cultures that a scenario names, by their keys and in its order.

    Raises:
        CatalogError: with all problems of the names and of the files.
    """
    found: dict[str, Culture] = {}
    wrong: list[tuple[Loc, str]] = []
    inside: list[Problem] = []
    for index, name in enumerate(file.cultures):
        loc: Loc = ("cultures", index)
        if name == catalog.ALL:
            found = catalog.delegates() | found
        elif not catalog.is_path(name):
            found.setdefault(name, shipped_cultures()[name])
        elif exists(beside(path, name)):
            files = catalog.files_at(beside(path, name))
            if not files:
                wrong.append((loc, f"no culture file in the folder {clipped(name)}"))
            for culture_file in files:
                try:
                    culture = catalog.load_culture(culture_file)
                except CatalogError as error:
                    inside += error.problems
                    continue
                if found.get(culture.culture, culture) != culture:
                    wrong.append((loc, f"the culture {culture.culture} stands here twice"))
                found[culture.culture] = culture
    if inside:
        raise CatalogError(inside)
    if not wrong and all(culture.role == "main" for culture in found.values()):
        wrong.append((("cultures",), "names no culture of delegates"))
    for key, countries in file.countries.items() if not wrong else ():
        seated = found.get(key) or catalog.main_cultures(shipped_cultures()).get(key)
        if seated is None:
            wrong.append((("countries", key), f"is none of the cultures here: {', '.join(found)}"))
            continue
        wrong += [
            (("countries", key, index), f"{key} has no country {country}, only {', '.join(seated.countries)}")
            for index, country in enumerate(countries)
            if country not in seated.countries
        ]
    if wrong:
        raise CatalogError(placed(path, wrong))
    return found


def grounds(file: ScenarioFile, person: Persona) -> bool:
    """Whether a person's country is one of those that ground the culture in a scenario."""
    return person.home in file.countries.get(person.culture, (person.home,))


def spoken_by(file: ScenarioFile, cultures: Collection[str], people: Iterable[Persona]) -> tuple[LanguageCode, ...]:
    """Return the languages other than English that are spoken in a scenario."""
    if file.language != NATIVE:
        return () if file.language == DEFAULT_LANGUAGE else (file.language,)
    known = [p.speaks or (Tongue(language=DEFAULT_LANGUAGE),) for p in people if p.culture in cultures]
    own = {tongue.language for tongues in known for tongue in tongues if tongue.level in SPOKEN_AT_A_TABLE}
    return tuple(sorted(code for code in own if code != DEFAULT_LANGUAGE and code in languages.PACKAGES))


def words_of_survey(survey: Survey, codes: Iterable[LanguageCode]) -> dict[LanguageCode, dict[str, QuestionWords]]:
    return {code: question_words(survey.path, survey.file.survey, code, survey_scales(survey)) for code in codes}


def survey_scales(survey: Survey) -> dict[str, tuple[str, Collection[int]]]:
    """Return each item's scale, with its codes."""
    return {
        key: (item.scale, [option.code for option in survey.file.scales[item.scale]])
        for key, item in survey.file.items.items()
    }


def words_of_seeds(
    path: Path, file: ScenarioFile, codes: Iterable[LanguageCode]
) -> dict[LanguageCode, dict[str, QuestionWords]]:
    own = own_scales(file)
    return {code: question_words(path, file.name, code, own) for code in codes} if own else {}


def own_scales(file: ScenarioFile) -> dict[str, tuple[str, Collection[int]]]:
    """Return the keys of the scenario's own questions, which have no scale."""
    return {seed.key: ("", ()) for seed in file.seeds if seed.key}


def unspoken(file: ScenarioFile, seeds: Iterable[Seed], codes: Sequence[LanguageCode]) -> Iterator[tuple[Loc, str]]:
    """Yield a problem for each language of a scenario that lacks a folder or the words of a question."""
    for code in codes:
        if code not in languages.PACKAGES:
            yield (
                ("language",),
                f"people talk {code}, and there is no folder of it; a scenario in one language has none",
            )
            continue
        lacking = [seed.key for seed in seeds if code not in seed.words]
        # In one language a question without words of it is put as it stands, which may well be in that language.
        if lacking and file.language == NATIVE:
            yield (
                ("seeds",),
                f"no words of {in_short(lacking)} in {code}; they stand in NAME.{code}.yaml beside the file with the "
                "question",
            )


def in_short(keys: Sequence[str]) -> str:
    return some_of([*map(clipped, keys)], 3)


def unheld(file: ScenarioFile, people: Sequence[Persona]) -> Iterator[tuple[Loc, str]]:
    """Yield a problem for each culture that has nobody who can be held in the own language, where that is wanted."""
    for culture in dict.fromkeys(person.culture for person in people) if file.language == NATIVE else ():
        if not any(p.culture == culture and in_own_words(p) for p in people):
            own = {p.own_language for p in people if p.culture == culture}
            if unknown := sorted(code for code in own if code not in languages.PACKAGES):
                what = "; ".join(map(languages.no_language, unknown))
                yield ("language",), f"nobody of {culture} can be held in the own language: {what}"
            if own - {*unknown}:
                what = f"nobody of {culture} has a card in the own language (KEY.LANGUAGE.yaml beside KEY.yaml)"
                yield ("language",), what


def in_own_words(person: Persona) -> bool:
    """Whether a person can be held in the own language: the card carries it."""
    return person.is_written_in(person.own_language)


def without_respondents(file: ScenarioFile, surveys: Sequence[Survey]) -> list[tuple[Loc, str]]:
    """Return a problem for each survey item of which no respondent's answer is known."""
    joint = {f"{s.file.survey}/{key}" for s in surveys for key, item in s.file.items.items() if item.column}
    surveyed = {index: seed.survey for index, seed in enumerate(file.seeds) if seed.survey}
    if not surveyed:
        return [(("stances",), "`joint` needs a seed with a survey item, from whose respondents answers are taken")]
    return [
        (("seeds", index, "survey"), f"{clipped(key)} has no `column` of respondents, which `stances: joint` needs")
        for index, key in surveyed.items()
        if key not in joint
    ]


def drawn_respondents(
    surveys: Sequence[Survey], seeds: Sequence[str], people: Sequence[Persona]
) -> tuple[Respondents, ...]:
    """Draw respondents of the surveys that the seeds name, from the countries of people."""
    from culturepark.catalog.respondents import sample  # numpy

    drawn = []
    for survey in surveys:
        name = survey.file.survey
        keys = [key for key in survey.figures if f"{name}/{key}" in seeds]
        if survey.table and keys:
            countries = sorted({p.country for p in people if p.country})
            drawn += [sample(survey.table, name, country, keys) for country in countries]
    return tuple(respondents for respondents in drawn if respondents)


def unclear_cast(file: ScenarioFile, everybody: tuple[Persona, ...]) -> tuple[Loc, str] | None:
    """Return what is wrong with `cast`: people from a table never sit beside those by hand unless it is said."""
    if file.cast and not file.personas:
        return ("cast",), "goes with `personas`; without them all people are the shipped ones"
    made = [p.source.name for p in everybody if p.source]
    if file.cast or not made:
        return None
    tables = ", ".join(clipped(name) for name in sorted(set(made))[:3])
    return ("personas",), (
        f"{len(made):,} of these people come from {tables}: say `cast: own` (they alone) or `cast: all` (they and the "
        "shipped people)"
    )


def cast_of(file: ScenarioFile, everybody: tuple[Persona, ...]) -> tuple[Persona, ...]:
    """Return the people who may sit in the scenario."""
    if file.cast != "own":
        return everybody
    shipped = shipped_keys()
    own = tuple(p for p in everybody if p.key not in shipped)
    has_mains = any(p.role == "main" for p in own)
    return own if has_mains else (*own, *(p for p in everybody if p.key in shipped and p.role == "main"))


def contradictions(
    file: ScenarioFile, cultures: tuple[CultureKey, ...], people: tuple[Persona, ...], size: int, turns: int
) -> list[tuple[Loc, str]]:
    """Return problems with the numbers of turns and people, each with its place in the file."""
    problems: list[tuple[Loc, str]] = []
    held = " who have a card in their own language" if file.language == NATIVE else ""
    if file.moderation not in (None, "scripted") and file.protocol not in STEERED:
        problems.append((("moderation",), f"must be scripted where the protocol is {file.protocol}"))
    if file.people and file.setting != "panel":
        problems.append((("people",), "only a panel has a number of people"))
    if turns < 2 * size:
        problems.append((("max_turns",), f"{size} people need at least {2 * size} turns to open and to close"))
    if file.cast == "own":
        absent = [c for c in cultures if all(p.culture != c for p in people)]
        problems += [(("cast",), f"`own`, and nobody of `personas` is {c}") for c in absent]
    else:
        # A shipped culture always has people; one from a file has those of `personas`.
        absent = [c for c in cultures if all(p.culture != c for p in people)]
        problems += [
            (("countries", c), f"nobody of {c} is from {', '.join(file.countries[c])}")
            for c in absent
            if c in file.countries
        ]
        problems += [
            (("cultures",), f"nobody of {c} may sit; `personas` names cards") for c in absent if c not in file.countries
        ]
    if file.setting == "in-cultural":
        lonely = [c for c in cultures if sum(p.culture == c for p in people) < size]
        problems += [(("cultures",), f"an in-cultural dialogue needs two personas of {c}{held}") for c in lonely]
    # Two people who are called the same never sit at one table.
    seats = len({p.called for p in people})
    if file.setting == "panel" and seats < size:
        what = f"{size} people are wanted, but there are only {seats} personas of {', '.join(cultures)}{held}"
        problems.append((("people" if file.people else "cultures",), what))
    return problems


def absent_files(path: Path, file: ScenarioFile) -> list[tuple[Loc, str]]:
    """Return a problem for each file or folder that the scenario names and that is not there."""
    return [
        ((key, index), f"no such file: {clipped(name)}")
        for key, names in (("personas", file.personas), ("surveys", file.surveys), ("cultures", file.cultures))
        for index, name in enumerate(names)
        if not exists(beside(path, name)) and (key != "cultures" or catalog.is_path(name))
    ]


def beside(scenario: Path, name: str) -> Path:
    """Return a path in a scenario file, which is relative to that file."""
    path = Path(name)
    # A home that does not exist is left as it is, and becomes a file that is not there.
    with suppress(RuntimeError, ValueError, OSError):
        path = path.expanduser()
    return scenario.parent / path


KINDS: dict[str, type[Noun]] = {"persona": Persona, "scenario": ScenarioFile, "survey": SurveyFile, "culture": Culture}
FIRST_KEYS = {"culture": "culture", "survey": "survey"}
"""A file's first key that tells its kind, whatever stands below."""


def kind_of_file(path: Path) -> tuple[str, bool]:
    """Return the kind of a file by its keys, and whether it may be another kind. Keys of one kind alone decide where
    the first key does not.

    Raises:
        CatalogError: if the file is no mapping.
    """
    keys = read_mapping(path)
    owners = {key: [name for name, kind in KINDS.items() if key in kind.model_fields] for key in keys}
    own = {name: sum(names == [name] for names in owners.values()) for name in KINDS}
    told = FIRST_KEYS.get(next(iter(keys), ""))
    # A card may begin with its culture.
    if told and own[told] >= max(own.values()):
        return told, False
    likeness = {name: (own[name], sum(name in names for names in owners.values())) for name in KINDS}
    kind = max(likeness, key=lambda name: likeness[name])
    return kind, own[kind] == 0 or sum(count > 0 for count in own.values()) > 1


def check(path: Path, known: catalog.Known = catalog.NONE) -> str:
    """Validate a file of any kind, and return its kind, with notes on likely slips.

    Args:
        known: cultures beside the shipped ones, of which cards may be.
    Raises:
        CatalogError: with all problems found.
    """
    if path.suffix == LINES:
        return f"{sum(1 for _ in load_people(path, known)):,} personas"
    if concerns_suites(path):
        from culturepark.catalog import suite_checks  # which read scenarios

        if kind_of_suites := suite_checks.kind_of(path):
            notes = [suite_checks.check(path, kind_of_suites).removesuffix(")"), *stand_ins(path)]
            return "; ".join(notes) + ")"
    if begins_with(path, "loop"):
        return check_loop(path)
    if says_words(path):
        return check_words(path, known)
    if need := unsaid_words(path):
        raise CatalogError([Problem(shown(path), None, "", f"by its name, these are {need}")])
    kind, unclear = kind_of_file(path)
    try:
        notes = [*CHECKS[kind](path, known), *stand_ins(path)]
    except CatalogError as error:
        if not unclear:
            raise
        hint = f"was read as a {kind}; {needed_keys('scenario')}; {needed_keys('survey')}"
        raise CatalogError([*error.problems, Problem(shown(path), None, "", hint)]) from None
    check_beside(path, known)
    return f"{kind} ({'; '.join(notes)})" if notes else kind


def check_loop(path: Path) -> str:
    """Validate a loop file, and return its kind with what it will train.

    Raises:
        CatalogError: with all problems found.
    """
    from culturepark.catalog.loops import load_loop  # which read scenarios

    file = load_loop(path)
    arms = 1 + len(file.controls)
    trained = f"{arms} arms of {len(file.cultures)} cultures, {len(file.seeds)} seeds"
    return f"loop ({'; '.join([trained, *stand_ins(path)])})"


def check_beside(path: Path, known: catalog.Known) -> None:
    """Validate the words that stand beside a file.

    Raises:
        CatalogError: with all problems found.
    """
    problems: list[Problem] = []
    for file in words_beside(path):
        try:
            if says_words(file) or unsaid_words(file):
                check(file, known)
        except CatalogError as error:
            problems += error.problems
    if problems:
        raise CatalogError(problems)


def says_words(path: Path) -> bool:
    """Whether a file says by a key that it holds the words of another one."""
    return not {"words_of", "wordings_of"}.isdisjoint(read_mapping(path))


def unsaid_words(path: Path) -> str | None:
    """Return what a file needs that by its name is one of words, and does not say of what; None if it is no such file.

    The file beside it tells its kind, or else its keys. A whole survey, scenario or culture may have a dot in its name.
    """
    if not is_words(path):
        return None
    keys = set(read_mapping(path))
    if keys & {*FIRST_KEYS} or required("scenario") <= keys:
        return None
    of = worded_path(path)
    kind = kind_of_file(of if exists(of) else path)[0]
    if not exists(of) and "items" in keys:
        kind = "survey"
    elif not exists(of) and kind != "persona":
        return None
    if kind == "persona":
        return f"words of a card, which need `words_of` (the key of the card, {clipped(of.stem)}) and `language`"
    name = {"survey": "the survey's key", "scenario": "the scenario's `name`"}.get(kind)
    return name and f"words of questions, which need `wordings_of` ({name}), `language`, `origin` and `items`"


def stand_ins(path: Path) -> Iterator[str]:
    """Yield how many lines of a file still hold what `culturepark new` put there."""
    lines = [
        str(number)
        for number, line in enumerate(read_text(path).splitlines(), 1)
        if "TODO" in line and not line.lstrip().startswith("#")
    ]
    if lines:
        yield f"TODO in line{'s' * (len(lines) > 1)} {some_of(lines, 5)}"


def scenario_notes(edition: Edition) -> Iterator[str]:
    yield from unmeasured(edition.scenario)
    yield from unworded(edition)
    yield from unknown_groups(edition)


CHECKS: dict[str, Callable[[Path, catalog.Known], Iterable[str]]] = {
    "persona": lambda path, known: card_notes(load_persona(path, known), load_items([])),
    "survey": lambda path, known: survey_notes(load_survey(path, known)),
    "culture": lambda path, _: catalog.notes(catalog.load_culture(path)),
    "scenario": lambda path, _: scenario_notes(load_edition(path)),
}
"""Kind -> what reads a file of it, and yields notes."""


def required(kind: str) -> set[str]:
    return {name for name, field in KINDS[kind].model_fields.items() if field.is_required()}


def needed_keys(kind: str) -> str:
    keys = (f"`{name}`" for name in KINDS[kind].model_fields if name in required(kind))
    return f"a {kind} needs {', '.join(keys)}"


def survey_notes(survey: Survey) -> list[str]:
    """Return what is known of respondents, and notes on likely slips that are no errors."""
    notes = list(respondent_notes(survey)) if survey.table else []
    if bare := sum(item.poles is None for item in survey.items.values()):
        notes.append(f"{bare} without `poles`: small models hardly tell their sides apart")
    countries = {country for item in survey.items.values() for country in item.shares}
    homes = dict.fromkeys(country for culture in shipped_cultures().values() for country in culture.countries[:1])
    if unknown := sorted(countries - set(homes)):
        known = ", ".join(homes)
        notes.append(
            f"shares of {', '.join(unknown[:10])}, from where no shipped persona comes: they come from {known}"
        )
    return notes


def respondent_notes(survey: Survey) -> Iterator[str]:
    """Yield the number of respondents, their countries and groups, missing answers, and groups that are too small."""
    table = survey.table
    assert table is not None
    numbers = table.respondents
    countries = ", ".join(f"{country} {n:,}" for country, n in sorted(numbers.items())[:20])
    more = f" and {len(numbers) - 20} more countries" if len(numbers) > 20 else ""
    yield f"{len(table.country):,} respondents: {countries}{more}"
    if table.elsewhere:
        yield f"{table.elsewhere:,} without one of these countries left out"
    if table.weightless:
        yield f"{table.weightless:,} without a weight left out"
    if table.groups:
        yield "groups: " + "; ".join(f"{name} ({', '.join(groups)})" for name, groups in table.groups.items())
    worst = max(survey.figures, key=lambda key: survey.figures[key].missing)
    yield f"no answer at worst {survey.figures[worst].missing:.0%} ({worst})"
    if small := sum(own.small for own in survey.figures.values()):
        yield f"{small:,} shares of groups left out, since fewer than {FEWEST} people gave an answer"


def unworded(edition: Edition) -> Iterator[str]:
    """Yield for a scenario in one language the questions of which there are no words in it."""
    code = edition.scenario.language
    lacking = [seed.key for seed in edition.scenario.seeds if code not in seed.words]
    if lacking and code not in (DEFAULT_LANGUAGE, NATIVE):
        yield f"no words of {in_short(lacking)} in {code}: put as they stand in the file"


def unmeasured(scenario: Scenario) -> Iterator[str]:
    """Yield for each measure of a scenario the questions about which it cannot be asked."""
    lacking: dict[Measure, tuple[str, list[str]]] = {
        "stance": ("no survey item", [seed.key for seed in scenario.seeds if seed.item is None])
        if scenario.stances != "none"
        else ("nobody is dealt an answer", [seed.key for seed in scenario.seeds]),
        "understanding": (
            f"fewer than {LEAST_SITUATIONS} situations with choices",
            [s.key for s in scenario.seeds if sum(case.is_open for case in s.situations) < LEAST_SITUATIONS],
        ),
    }
    for measure, (why, keys) in lacking.items():
        if keys and measure in scenario.measure:
            yield f"{measure} is not measured for {some_of([*map(clipped, keys)], 5)}: {why}"


def unknown_groups(edition: Edition) -> Iterator[str]:
    """Yield for each group on a card that no survey of the scenario knows a note with the groups that are known."""
    known: dict[str, dict[str, set[str]]] = {}
    """Country -> grouping -> groups."""
    for seed in edition.scenario.seeds:
        for country, groupings in seed.item.by.items() if seed.item else ():
            for grouping, groups in groupings.items():
                known.setdefault(country, {}).setdefault(grouping, set()).update(groups)
    for respondents in edition.respondents:
        for place, grouping in enumerate(respondents.groupings):
            own = known.setdefault(respondents.country, {}).setdefault(grouping, set())
            own.update(group for groups in respondents.groups if (group := groups[place]))
    for person in edition.personas:
        here = known.get(person.country or "", {})
        for grouping, group in person.groups.items():
            if group in here.get(grouping, ()):
                continue
            names = {name: sorted(groups) for name, groups in here.items() if name not in ("sex", "age")}
            there = "; ".join(f"{name}: {', '.join(groups[:12])}" for name, groups in sorted(names.items()))
            where = f"in {person.country_name}"
            yield (
                f"{person.key}: no survey of this scenario knows {clipped(grouping)}: {clipped(group)} {where}; "
                + (f"it knows {there}" if there else "it knows no groups there but of sex and age")
            )
