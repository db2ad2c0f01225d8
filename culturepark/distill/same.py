"""Asks a model whether two statements say the same, where their similarity alone does not tell.

Whatever a model says, it is asked only about pairs that passed the guards of form (`paraphrase`). A model is believed
if it tells two pairs apart of which everybody knows the answer: one that says yes to both, or no, is no judge.
"""

from __future__ import annotations

from collections.abc import Sequence

from culturepark.distill.ask import Item, SubjectAsker, each, side_by_side
from culturepark.distill.dedup import TextPair
from culturepark.distill.logprobs import as_data, log_odds, one_token

PAIRS_A_CALL = 20
TOKENS_A_PAIR = 50
TELLS_APART = 1.0
"""Log-odds by which a small model must tell the two known pairs apart."""


class Compared(Item):
    difference: str
    """What one says and the other does not; empty if there is nothing."""
    same: bool


async def same(asker: SubjectAsker, pairs: Sequence[TextPair]) -> dict[TextPair, bool]:
    """Return whether the texts of each pair say the same. A pair without a readable answer counts as different."""
    return await (by_letters if asker.model.traits.labels else in_batches)(asker, pairs)


def known_pairs(asker: SubjectAsker) -> tuple[TextPair, TextPair]:
    """Return a pair that says the same, and one that does not."""

    def pair(heading: str) -> TextPair:
        one, other = (asker.language.section("same-known", heading, part).text for part in ("one", "other"))
        return one, other

    return pair("same"), pair("different")


async def in_batches(asker: SubjectAsker, pairs: Sequence[TextPair]) -> dict[TextPair, bool]:
    """Ask for JSON, many pairs a call. Each call holds the known pairs; one that gets them wrong tells nothing."""
    known = known_pairs(asker)

    async def ask(batch: Sequence[TextPair]) -> dict[TextPair, bool]:
        answers = await each(
            asker,
            asker.language.prompt("same"),
            [{"one": one, "other": other} for one, other in (*known, *batch)],
            Compared,
            name="same",
            items_a_call=len(known) + PAIRS_A_CALL,
            tokens_an_item=TOKENS_A_PAIR,
        )
        yes = [answer is not None and answer.same for answer, _ in answers]
        able = yes[: len(known)] == [True, False]
        return {pair: able and found for pair, found in zip(batch, yes[len(known) :], strict=True)}

    batches = [pairs[start : start + PAIRS_A_CALL] for start in range(0, len(pairs), PAIRS_A_CALL)]
    return {pair: found for told in await side_by_side(batches, ask) for pair, found in told.items()}


async def by_letters(asker: SubjectAsker, pairs: Sequence[TextPair]) -> dict[TextPair, bool]:
    """Ask a model that is too small for JSON: yes or no, one pair at a time, in both orders.

    Its yes counts where it is as sure as of the known pair. Some models say no to nearly everything, or yes.
    """
    alike, different = [await least_odds(asker, pair) for pair in known_pairs(asker)]
    if alike is None or different is None or alike - different < TELLS_APART:
        return dict.fromkeys(pairs, False)
    odds = {pair: await least_odds(asker, pair) for pair in pairs}
    return {pair: found is not None and found >= alike for pair, found in odds.items()}


async def least_odds(asker: SubjectAsker, pair: TextPair) -> float | None:
    """Return the log-odds that one text speaks for the other, in the order in which they are lower; None if unknown.

    Two statements say the same if each follows from the other.
    """
    template, (yes, no) = asker.language.prompt("says-same"), asker.language.yes_and_no("says-same")
    odds = []
    for one, other in (pair, pair[::-1]):
        reply = await one_token(asker, template, template.render(one=as_data(one), other=as_data(other)))
        odds.append(log_odds(reply, yes, no))
    known = [found for found in odds if found is not None]
    return min(known) if len(known) == len(odds) else None
