"""Draws each delegate's own answer from the shares of its country. Pure."""

from __future__ import annotations

import hashlib

from culturepark.domain import Option, Stance, SurveyItem


def unit(*parts: object) -> float:
    """Return a number in [0, 1) hashed from the parts; the same on every machine and in every version."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def shuffled(count: int, *parts: object) -> list[int]:
    """Return 0 ... count-1 in an order hashed from the parts."""
    return sorted(range(count), key=lambda i: unit(*parts, i))


def draw_codes(shares: dict[int, float], count: int, *parts: object) -> list[int]:
    """Draw codes by systematic sampling (Madow & Madow 1944), each as often as its share asks for, within one.

    The points are (u + i) / count on the cumulated shares, with a start u in [0, 1). Start and order are hashed from
    `parts`, so that draws of different items are independent.

    Args:
        shares: code -> share of valid answers; need not sum to exactly 1.
        count: number of draws.
        parts: run seed, item, country.
    """
    codes = sorted(code for code, share in shares.items() if share > 0)
    total = sum(shares[code] for code in codes)
    start = unit("start", *parts)
    drawn: list[int] = []
    reached, index = shares[codes[0]] / total, 0
    for i in range(count):
        point = (start + i) / count
        while point >= reached and index < len(codes) - 1:
            index += 1
            reached += shares[codes[index]] / total
        drawn.append(codes[index])
    order = shuffled(count, "order", *parts)
    return [drawn[i] for i in order]


def stance(item: SurveyItem, code: int) -> Stance:
    return Stance(code=code, text=next(o.label for o in item.options if o.code == code))


def side_taken(item: SurveyItem | None, code: int | None, relation: str | None) -> int:
    """Return the side of the scale that an answer takes: +1 or -1; 0 for the middle, or where it is not known.

    Args:
        code: of its speaker's stance.
        relation: of the answer to that stance.
    """
    own = next((o.side for o in item.options if o.code == code), 0) if item else 0
    return {"entail": own, "contradict": -own}.get(relation or "", 0)


def option_reached(item: SurveyItem, code: int, relation: str | None) -> Option | None:
    """Return the option that a reasoning ends with: the stance's, or for a contradiction the one across the scale.

    That is the one as far from its end as the stance's is from the other, or where it is not on the other side the last
    one there. None for a contradiction of the middle, or where the other side is empty.
    """
    own = next(option for option in item.options if option.code == code)
    if relation != "contradict":
        return own
    if own.side == 0:
        return None
    mirrored = item.options[len(item.options) - 1 - item.options.index(own)]
    across = [option for option in item.options if option.side == -own.side]
    return mirrored if mirrored in across else across[-1] if across else None
