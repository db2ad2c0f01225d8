"""Ratings of answers in free text, by judges and by people, and what they come to together. Pure.

A rating is a score whose scorer is a scale, whose judge is a model's spec or `person:NAME`, and whose detail says on
which scale it was given. A judge may rate an answer twice, with the material in another order; its rating is the mean
of both. Ratings of answers that were put to another item's question have the scorer `SCALE@swapped`: they are what an
answer gets that cannot be right, and stand beside the others as their null.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from culturepark.domain import PERSON, SWAPPED, JsonObject
from culturepark.evaluate.answers import Answer, Sheet, group_key
from culturepark.evaluate.classification import leave_one_out
from culturepark.evaluate.figures import Figure, ItemValue, Score, rounded
from culturepark.evaluate.intervals import bootstrap
from culturepark.glossary import counted
from culturepark.stats.agreement import Judged, alpha

NULL = "swapped answers"
GIVEN_TO_OTHERS = "_swapped"
"""Ends the metric of what answers to other items get, with its own interval: there are few of them."""
AGREED = 0.667
"""Krippendorff's alpha below which he would draw no conclusions, not even tentative ones (Content Analysis, 2004)."""
FEWEST = 5
"""Answers from which on something is said of how a judge uses the scale."""
TOPIC, CULTURE = 5, 3
"""Items of a topic, and of a culture, from which on it has figures of its own."""
PANELS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "mean": fmean,
    "median": lambda values: middle(values),
    "minimum": min,
}
Pairs = Iterable[tuple[Answer, float]]


@dataclass(frozen=True)
class Rated:
    """All ratings on one scale."""

    scale: str
    least: int
    most: int
    panel: str
    """How the ratings of several judges become one; those of people always become their mean."""
    passes: Mapping[str, Mapping[str, Mapping[int, float]]]
    """Judge -> id of an answer -> number of the pass -> rating."""
    people: Mapping[str, Mapping[str, float]]
    """`person:NAME` -> id of an answer -> rating."""
    missing: Mapping[str, int]
    """Judge -> ratings that could not be read."""
    swapped: tuple[float, ...]
    """Ratings by the judges of answers to other items."""

    @property
    def judges(self) -> dict[str, dict[str, float]]:
        """Judge -> id of an answer -> mean of its passes."""
        return {
            judge: {answer: fmean(given.values()) for answer, given in by_answer.items()}
            for judge, by_answer in self.passes.items()
        }

    def by_judges(self) -> dict[str, float]:
        """Return the panel's rating of each answer."""
        return together(self.judges, PANELS[self.panel])

    def by_people(self) -> dict[str, float]:
        """Return the mean of people's ratings of each answer."""
        return together(self.people, fmean)

    @property
    def of_judges(self) -> list[Judged]:
        return [(judge, answer, value) for judge, own in self.judges.items() for answer, value in own.items()]

    @property
    def of_people(self) -> list[Judged]:
        return [(person, answer, value) for person, own in self.people.items() for answer, value in own.items()]


def middle(values: Sequence[float]) -> float:
    """Return the median; of an even number of values the mean of the two in the middle."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def together(raters: Mapping[str, Mapping[str, float]], panel: Callable[[Sequence[float]], float]) -> dict[str, float]:
    by_answer: dict[str, list[float]] = defaultdict(list)
    for own in raters.values():
        for answer, value in own.items():
            by_answer[answer].append(value)
    return {answer: panel(values) for answer, values in by_answer.items()}


# --- reading scores ----------------------------------------------------------------------------------


def scale_of(score: Score) -> str:
    """Return the name of the scale that a rating was given on."""
    return score.scorer.removesuffix(SWAPPED)


def is_rating(score: Score) -> bool:
    """Whether a score is a judge's or a person's, with the scale that it was given on."""
    of = (score.detail or {}).get("of")
    return score.judge is not None and isinstance(of, list) and len(of) == 2


def rated(scores: Iterable[Score]) -> list[Rated]:
    """Return the ratings among scores by scale, in the order of the scales' names."""
    by_scale: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if is_rating(score):
            by_scale[scale_of(score)].append(score)
    return [rated_on(name, own) for name, own in sorted(by_scale.items())]


def rated_on(name: str, scores: Sequence[Score]) -> Rated:
    passes: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    people: dict[str, dict[str, float]] = defaultdict(dict)
    missing: dict[str, int] = defaultdict(int)
    swapped = []
    first = scores[0].detail or {}
    for score in scores:
        judge, detail = str(score.judge), score.detail or {}
        if score.value is None:
            missing[judge] += 1
        elif score.scorer.endswith(SWAPPED):
            swapped.append(score.value)
        elif judge.startswith(PERSON):
            people[judge][score.answer_id] = score.value
        else:
            passes[judge][score.answer_id][int(detail.get("pass", 1))] = score.value
    least, most = (int(end) for end in first["of"])
    panel = str(first.get("panel", "mean"))
    return Rated(
        scale=name,
        least=least,
        most=most,
        panel=panel if panel in PANELS else "mean",
        passes={judge: {answer: dict(given) for answer, given in own.items()} for judge, own in passes.items()},
        people={person: dict(own) for person, own in people.items()},
        missing=dict(missing),
        swapped=tuple(swapped),
    )


# --- figures -----------------------------------------------------------------------------------------


def rating_figures(sheet: Sheet, scores: Sequence[Score]) -> Iterator[Figure]:
    """Yield all figures of the ratings: means, agreement, and how near judges are to people."""
    by_id = {answer.id: answer for answer in sheet.answers}
    every = rated(score for score in scores if score.answer_id in by_id)
    for ratings in every:
        yield from means(ratings, by_id, sheet)
    for ratings in every:
        yield from agreement(ratings)
        yield from near_people(ratings)


def means(ratings: Rated, by_id: Mapping[str, Answer], sheet: Sheet) -> Iterator[Figure]:
    """Yield the mean rating by condition, culture and topic, with an interval over items.

    The null is what the judges give to answers to other items; people were not asked for those, so their means have
    none. The ceiling is the highest step.
    """
    null = fmean(ratings.swapped) if ratings.swapped else None
    others = bootstrap(ratings.swapped, sheet.seed, ratings.scale + GIVEN_TO_OTHERS)
    if others is not None:
        ends = rounded(others.low), rounded(others.high)
        yield Figure(ratings.scale + GIVEN_TO_OTHERS, "all", rounded(others.value), others.n, *ends)
    for suffix, values, beside in (("", ratings.by_judges(), null), ("_by_people", ratings.by_people(), None)):
        pairs = [(by_id[answer], value) for answer, value in values.items()]
        for group, own in grouped(pairs, sheet):
            mean = bootstrap(
                [value for _, value in own],
                sheet.seed,
                ratings.scale + suffix,
                group,
                clusters=[answer.item for answer, _ in own],
            )
            if mean is None:
                continue
            figure = Figure(
                metric=ratings.scale + suffix,
                group=group,
                value=rounded(mean.value),
                n=mean.clusters,
                low=rounded(mean.low),
                high=rounded(mean.high),
                ceiling=float(ratings.most),
            )
            yield figure.beside(NULL, rounded(beside)) if beside is not None else figure


def grouped(pairs: Sequence[tuple[Answer, float]], sheet: Sheet) -> Iterator[tuple[str, list[tuple[Answer, float]]]]:
    """Yield the groups of figures with what is in them: each condition as a whole, by culture, and by topic."""
    for condition in dict.fromkeys(answer.condition for answer, _ in pairs):
        own = [(answer, value) for answer, value in pairs if answer.condition == condition]
        yield group_key(*condition), own
        of_cultures: dict[str, list[tuple[Answer, float]]] = defaultdict(list)
        of_topics: dict[str, list[tuple[Answer, float]]] = defaultdict(list)
        for answer, value in own:
            of_cultures[answer.culture or answer.group].append((answer, value))
            of_topics[sheet.items[answer.item].topic].append((answer, value))
        for name, parts in (("culture", of_cultures), ("topic", of_topics)):
            if len(parts) < 2:
                continue
            for value_of, inside in parts.items():
                enough = CULTURE if name == "culture" else TOPIC
                if value_of and len({answer.item for answer, _ in inside}) >= enough:
                    yield group_key((name, plain_name(value_of)), *condition), inside


def rating_values(sheet: Sheet, scores: Sequence[Score]) -> Iterator[ItemValue]:
    """Yield for each item what its answers are rated on each scale, by the panel and by people apart."""
    by_id = {answer.id: answer for answer in sheet.answers}
    for ratings in rated(score for score in scores if score.answer_id in by_id):
        for suffix, values in (("", ratings.by_judges()), ("_by_people", ratings.by_people())):
            by_item: dict[tuple[tuple[tuple[str, str], ...], str, str], list[float]] = defaultdict(list)
            for answer_id, value in values.items():
                answer = by_id[answer_id]
                by_item[answer.condition, answer.group, answer.item].append(value)
            for (condition, group, item), own in by_item.items():
                culture = sheet.culture_of.get(group) or group or "all"
                yield ItemValue(ratings.scale + suffix, condition, culture, group, item, fmean(own))


def plain_name(text: str) -> str:
    """Return a name as it can stand in the group of a figure."""
    return text.replace(",", ";").replace("=", ":")


def agreement(ratings: Rated) -> Iterator[Figure]:
    """Yield Krippendorff's alpha among judges, among people and among all of them, and of each judge with itself."""
    kinds = (
        ("judges", ratings.of_judges),
        ("people", ratings.of_people),
        ("everybody", together_as(ratings) if ratings.judges and ratings.people else []),
    )
    for who, judged in kinds:
        if len({rater for rater, _, _ in judged}) > 1:
            yield Figure(f"{ratings.scale}_alpha", f"raters={who}", alpha(judged, "interval"), shared_by(judged))
    for judge, by_answer in sorted(ratings.passes.items()):
        twice = {answer: given for answer, given in by_answer.items() if len(given) > 1}
        if not twice:
            continue
        as_judged: list[Judged] = [(str(n), answer, value) for answer, g in twice.items() for n, value in g.items()]
        group = f"judge={plain_name(judge)}"
        yield Figure(f"{ratings.scale}_self_alpha", group, alpha(as_judged, "interval"), len(twice))
        apart = [max(given.values()) - min(given.values()) for given in twice.values()]
        yield Figure(f"{ratings.scale}_self_difference", group, rounded(fmean(apart)), len(twice))


def together_as(ratings: Rated) -> list[Judged]:
    """Return the panel's rating as that of one rater, beside those of people."""
    return [("judges", answer, value) for answer, value in ratings.by_judges().items()] + ratings.of_people


def shared_by(judged: Sequence[Judged]) -> int:
    """Return the number of answers that two raters or more have rated."""
    raters: dict[str, set[str]] = defaultdict(set)
    for rater, answer, _ in judged:
        raters[answer].add(rater)
    return sum(len(own) > 1 for own in raters.values())


def near_people(ratings: Rated) -> Iterator[Figure]:
    """Yield how near each person, each judge and the panel are to the other people, all on the same targets."""
    if len(ratings.people) < 2:
        return
    panel = {**ratings.judges, **({"panel": ratings.by_judges()} if len(ratings.judges) > 1 else {})}
    for rater, near in leave_one_out(ratings.people, panel).items():
        group = f"rater={plain_name(rater)}"
        yield Figure(f"{ratings.scale}_as_people", group, rounded(near.correlation), near.n)
        yield Figure(f"{ratings.scale}_off_people", group, rounded(near.difference), near.n)


# --- notes -------------------------------------------------------------------------------------------


def rating_notes(scores: Iterable[Score]) -> Iterator[str]:
    """Yield what a reader has to know before any mean: judges that say nothing, do not agree, or cannot be read."""
    every = rated(scores)
    if alone := [ratings.scale for ratings in every if ratings.judges and not ratings.swapped]:
        yield (
            f"means on {', '.join(alone)} have no null: no answer to another item was rated there, since --null was 0, "
            "or each scale has a single item"
        )
    if any(ratings.people for ratings in every):
        yield "means by people have no null: their sheet holds no answers to other items"
    for ratings in every:
        for judge, own in sorted(ratings.judges.items()):
            values = set(own.values())
            if len(own) >= FEWEST and len(values) == 1:
                yield (
                    f"{judge} gives {next(iter(values)):g} on {ratings.scale} to all {len(own)} answers: "
                    "its ratings say nothing"
                )
        rated_by = [set(own) for own in ratings.judges.values()]
        if rated_by and (by_all := set.intersection(*rated_by)) != (by_any := set.union(*rated_by)):
            yield (
                f"{ratings.scale}: of {len(by_any)} answers {len(by_all)} are rated by all {len(rated_by)} judges; "
                "a strict one lowers only the means of what it has rated"
            )
        for judge, count in sorted(ratings.missing.items()):
            yield f"{counted(count, 'rating')} on {ratings.scale} by {judge} could not be read, and are missing"
        for figure in agreement(ratings):
            if figure.value is not None and figure.metric.endswith("alpha") and figure.value < AGREED:
                who = figure.group.partition("=")[2]
                what = "with itself, in another order" if figure.metric.endswith("self_alpha") else "with each other"
                yield (
                    f"{ratings.scale}: {who} {'agrees' if 'self' in figure.metric else 'agree'} badly {what} "
                    f"(alpha {figure.value:.2f}, {figure.n} answers; below {AGREED} nothing should rest on it)"
                )


def detail_of(least: int, most: int, panel: str, rubric: str, **more: object) -> JsonObject:
    """Return the detail of a rating: the scale that it was given on, and what was said with it."""
    return {"of": [least, most], "panel": panel, "rubric": rubric, **{n: v for n, v in more.items() if v is not None}}
