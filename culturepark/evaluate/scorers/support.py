"""Two prompts on the same messages: how each is rated, and by how much the second is rated higher."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from culturepark.evaluate.answers import Answer, Sheet, group_key
from culturepark.evaluate.arms import NULL, study_figures
from culturepark.evaluate.figures import Figure, Score, rounded
from culturepark.evaluate.intervals import paired_difference
from culturepark.evaluate.ratings import Rated, plain_name, rated
from culturepark.evaluate.scorers.judged import JudgedScorer


class SupportScorer(JudgedScorer):
    """Mean ratings as `judged` has them, and the difference of each further arm from the first over paired answers."""

    name = "support"

    def figures(self, sheet: Sheet, scores: Sequence[Score]) -> Iterable[Figure]:
        known = {answer.id for answer in sheet.answers}
        for ratings in rated(score for score in scores if score.answer_id in known):
            yield from gains(ratings, sheet)
        yield from study_figures(sheet, scores)
        yield from super().figures(sheet, scores)


def arms_of(sheet: Sheet) -> list[str]:
    """Return the arms in the order in which they were asked."""
    return list(dict.fromkeys(answer.arm for answer in sheet.answers))


def gains(ratings: Rated, sheet: Sheet) -> Iterator[Figure]:
    """Yield the mean difference of each arm from the first, over answers to the same item under the same condition."""
    by_id = {answer.id: answer for answer in sheet.answers}
    arms = arms_of(sheet)
    for suffix, values in (("_gain", ratings.by_judges()), ("_gain_by_people", ratings.by_people())):
        cells = in_cells(values, by_id)
        for arm in arms[1:]:
            pairs = [
                (given[arms[0]], given[arm], one) for one, given in cells.items() if {arms[0], arm} <= given.keys()
            ]
            cultures = {culture for *_, (_, culture, *_) in pairs}
            for culture in ["", *(sorted(cultures) if len(cultures) > 1 else [])]:
                own = [pair for pair in pairs if culture in ("", pair[2][1])]
                group = group_key(("culture", plain_name(culture)), ("arm", arm), ("over", arms[0]))
                metric = ratings.scale + suffix
                apart = paired_difference(
                    [second for _, second, _ in own],
                    [first for first, _, _ in own],
                    sheet.seed,
                    metric,
                    group,
                    clusters=[key[0] for *_, key in own],
                )
                if apart is not None:
                    yield Figure(
                        metric, group, rounded(apart.value), apart.clusters, rounded(apart.low), rounded(apart.high)
                    ).beside(NULL, 0.0)


def in_cells(
    values: Mapping[str, float], by_id: Mapping[str, Answer]
) -> dict[tuple[str, str, str, str], dict[str, float]]:
    """Return (item, culture, condition without the arm, respondent) -> arm -> mean rating."""
    lists: dict[tuple[str, str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for answer_id, value in values.items():
        answer = by_id[answer_id]
        rest = group_key(*(part for part in answer.condition if part[0] != "arm"))
        lists[answer.item, answer.culture or answer.group, rest, answer.respondent][answer.arm].append(value)
    return {key: {arm: fmean(given) for arm, given in arms.items()} for key, arms in lists.items()}
