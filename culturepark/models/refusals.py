"""Finds the part of our request that an endpoint refuses, and the values of it that it would take.

There are three kinds of evidence, the surer first: names in a field of their own (`param`, `loc`, ...), names in quotes
or before a colon, plain words. Only a part that was sent can be the culprit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from culturepark.domain import JsonObject
from culturepark.models.abilities import LIMITS
from culturepark.models.error_bodies import ORDINARY, Remark, snake

ALIASES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("max_new_tokens", "max_output_tokens", "max_tokens_to_sample", "max_gen_len"), LIMITS),
    "max_tokens": LIMITS,
    "max_completion_tokens": ("max_completion_tokens", "max_tokens"),
    "num_predict": LIMITS,
    "n_predict": LIMITS,
    **dict.fromkeys(
        ("json_schema", "json_object", "response_schema", "response_json_schema", "response_mime_type", "json_mode",
         "structured_output", "structured_outputs", "guided_json", "guided_decoding", "guided_grammar", "output_config",
         "output_format", "response_type", "text_format", "format", "json", "schema", "responseformat"),
        ("response_format",),
    ),
    "grammar": ("grammar", "response_format"),
    "response_format": ("response_format", "grammar"),
    "random_seed": ("seed",),
    "stop_sequences": ("stop",),
    "stop_sequence": ("stop",),
    "response_logprobs": ("logprobs",),
    "logprob": ("logprobs",),
    "log_probs": ("logprobs",),
    "top_logprobs": ("top_logprobs", "logprobs"),
    "top_n_tokens": ("top_logprobs",),
    "include_usage": ("stream_options",),
    "system_instruction": ("system",),
    "system_prompt": ("system",),
    "system_message": ("system",),
    "developer": ("system",),
}  # fmt: skip
"""Names in snake case that servers use -> the parts that may be meant; it is the first of them that was sent."""

COMPLAINT = re.compile(
    r"(?i)support|unknown|unrecogni[sz]ed|not recogni[sz]ed|unexpected|extra|invalid|not valid|\bmust\b|"
    r"should (?:not )?be|\bcannot\b|can't|can not|could not|not allowed|not permitted|forbidden|prohibited|"
    r"unavailable|not available|not enabled|disabled|deprecated|exceed|range|"
    r"too (?:large|high|small|low|long|many|big)|remove|not implemented|unimplemented|incompatible|no longer|at most|"
    r"at least|less than|greater than|[<>≤≥]|failed to|unable to|not accept|does(?:n't| not)|not found|missing|"
    r"maximum|minimum|illegal|reject|refus|wrong|not a|unprocessable|expected|only|\b(?:is|are|may) not\b|not in|"
    r"positive|negative|limit|cannot find|no such|不支持|错误|非法|无效|范围"
)
"""Words without which the mention of a parameter is no complaint about it."""
PLAIN_REFUSAL = re.compile(
    r"(?i)(?:not|n't|no longer) (?:be )?(?:yet )?(?:currently )?(?:support|allow|permit|accept|implement|enabl|"
    r"available)|unsupported|unimplemented|unknown (?:param|field|arg|key|name)|unrecogni[sz]ed|extra inputs|"
    r"must alternate|must be (?:<|>|≤|≥|between|less|greater|at|in|one|strictly|positive|non)|"
    r"unexpected (?:role|keyword|field|param)|invalid (?:grammar|json schema)|cannot be used|"
    r"invalid (?:role|param|value)|only [^.]{0,60}(?:support|allow|accept)|does not (?:take|have)"
)
"""Words of a refusal that count even with a status that otherwise means that the server broke."""
SUGGESTION = re.compile(
    r"(?i)did you mean[^?]*\??|(?:please )?use [`'\"]?[\w.]+[`'\"]? instead|"
    r"(?:instead|rather),? use [`'\"]?[\w.]+[`'\"]?|\b(?:supported|allowed|valid|permitted|accepted|available|"
    r"known) (?:param|field|argument|option|propert|key)\w*(?: are| is)?[: ][^;\n]*|one of the following[^;\n]*"
)
"""Advice of a server, which names other parts than the refused one."""

QUOTED = re.compile(r"[`'\"“«‘]([A-Za-z_][\w.\[\]/-]{0,80})[`'\"”»’]")
LABELLED = re.compile(
    r"(?i)(?:param(?:eter)?s?|fields?|propert(?:y|ies)|arg(?:ument)?s?|options?|keys?|inputs?|values? for|"
    r"setting)(?: (?:is |are )?(?:not |un)?(?:supported|allowed|permitted|supplied|provided|recogni[sz]ed|"
    r"name))?(?: (?:on|by|with|for|to) (?:this |the )?model)?\s*[:=(]?\s*([A-Za-z_][\w.\[\]]*)|"
    r"(?:^|[\n;]\s*|: )([A-Za-z_][\w.\[\]]*)(?:: |(?= (?:is|are|must|should|cannot|can't|not|does|doesn't)\b))"
)

ROLE = r"(?:system|developer)"
WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (feature, re.compile(rf"(?i)(?<![\w]){words}(?![\w])"))
    for feature, words in (
        ("top_logprobs", r"top[ _-]?log[ _-]?prob(?:s|abilities)?"),
        ("logprobs", r"log[ _-]?prob(?:s|abilit(?:y|ies))?"),
        ("temperature", r"(?:sampling )?temperature"),
        ("seed", r"(?:random[ _-]?)?seed"),
        ("stream_options", r"(?:stream[ _-]?options|include[ _-]?usage)"),
        ("stream", r"(?:streaming|streamed|stream (?:mode|parameter|this model|responses?)|stream)"),
        ("stop", r"stop[ _-]?(?:sequences?|words?|strings?|parameter|tokens?)"),
        ("response_format", r"(?:response[ _-]?formats?(?:[ _-]type)?|json[ _-]?schemas?|json[ _-]?(?:object|mode|"
         r"output)|structured[ _-]?(?:outputs?|generation)|guided[ _-]?(?:decoding|generation|"
         r"json|grammar)|response[ _-]?(?:schema|mime[ _-]?type)|constrained (?:decoding|"
         r"generation|output)|grammars?|schema|xgrammar|outlines)"),
        ("max_completion_tokens", r"max[ _-]?completion[ _-]?tokens"),
        ("max_tokens", r"(?:max(?:imum)?[ _-]?(?:number of )?(?:new|output|completion|response|"
                       r"generated)?[ _-]?tokens(?:_to_sample)?|(?:output|completion|response) tokens?(?: limit)?|"
                       r"maxtokens)"),
        ("system", rf"(?:{ROLE}[ -]?(?:roles?|messages?|prompts?|instructions?)|role[^.\n]{{0,30}}{ROLE}|"
                   rf"{ROLE}['\"`]?[^.\n]{{0,20}} roles?|roles? must alternate|"
                   rf"alternat\w+ (?:between )?(?:['\"`]?user|roles)|"
                   r"unexpected role|(?:invalid|unknown|unsupported) (?:message )?role|"
                   r"only (?:the )?['\"`]?user['\"`]?[^.\n]{0,40}roles?|"
                   r"(?:first|conversation)[^.\n]{0,30}must (?:be|start)[^.\n]{0,20}user|must alternate)"),
    )
)  # fmt: skip


def culprit(remarks: Sequence[Remark], sent: JsonObject) -> tuple[str, str] | None:
    """Return the refused part, and the words about it, those after its name first; None if no sent part is named."""
    of_messages = False
    for remark in remarks:
        for name in remark.names:
            feature = feature_of(name, sent)
            if feature not in (None, "messages", "model"):
                return str(feature), remark.text
            of_messages = of_messages or feature == "messages"
    complaints = [SUGGESTION.sub(" ", remark.text) for remark in remarks if COMPLAINT.search(remark.text)]
    for text in complaints:
        for place, name in names_in(text):
            feature = feature_of(name, sent)
            if feature is None or feature in ("messages", "model") or (feature == "system" and not is_role(text)):
                continue
            return feature, f"{text[place:]}\n{text}"
    for text in complaints:
        if feature_and_words := in_words(text, sent):
            return feature_and_words
    if of_messages or any(re.search(r"(?i)roles? must alternate|alternate between", text) for text in complaints):
        return "messages", "\n".join(complaints)
    return None


def feature_of(name: str, sent: JsonObject) -> str | None:
    """Return the part meant by `body.messages[0].role`, `generationConfig.responseSchema` or `max_new_tokens`."""
    parts = [part for part in re.split(r"[.\[\]/\s:'\"`$#()]+", snake(name)) if part]
    for part in parts:
        for feature in ALIASES.get(part, (part,)):
            if feature not in ("messages", "model") and was_sent(feature, sent):
                return feature
    if "messages" in parts or "role" in parts:
        if parts[-1] == "role" and was_sent("system", sent) and is_systems(parts, sent):
            return "system"
        return "messages"
    return "model" if parts == ["model"] or parts == ["body", "model"] else None


def is_systems(parts: list[str], sent: JsonObject) -> bool:
    """Return whether a path leads to the system message."""
    number = next((int(part) for part in parts if part.isdecimal() and len(part) < 6), 0)
    messages = sent.get("messages") or []
    return number < len(messages) and messages[number].get("role") in ("system", "developer")


def was_sent(feature: str, sent: JsonObject) -> bool:
    if feature == "system":
        return any(message["role"] in ("system", "developer") for message in sent.get("messages", ()))
    return feature in sent


def is_role(text: str) -> bool:
    return bool(re.search(r"(?i)\brole|message|instruction|prompt", text))


def names_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield names in quotes or after a word for parameters, with their places and in their order."""
    names = [(match.start(1), match[1]) for match in QUOTED.finditer(text)]
    names += [(match.start(match.lastindex or 0), match[1] or match[2]) for match in LABELLED.finditer(text)]
    for place, name in sorted(names):
        if name.lower() not in ("json", "format", "schema") or re.search(r"(?i)respon|output|param", text):
            yield place, name


def in_words(text: str, sent: JsonObject) -> tuple[str, str] | None:
    """Return the first part that a text speaks of without quotes, and the words about it."""
    places: list[tuple[int, str]] = []
    for feature, pattern in WORDS:
        meant = next((name for name in ALIASES.get(feature, (feature,)) if was_sent(name, sent)), None)
        match = pattern.search(text)
        if match and meant:
            places.append((match.start(), meant))
    for key in sent.keys() - ORDINARY:
        if "_" in key and (match := re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text)):
            places.append((match.start(), key))
    if not places:
        return None
    place, feature = min(places)
    return feature, f"{text[place:]}\n{text}"


# --- values that would be taken --------------------------------------------------------------------

N = r"(-?\d+(?:,\d{3})*(?:\.\d+)?)"
COUNT = r"[:=(`'\"]?\s*" + N
RANGES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?P<open>[\[(])\s*{N}\s*(?:,|\.\.\.?)\s*{N}\s*(?P<close>[\])])",
        rf"\(\s*{N}\s*(?:-|–|to)\s*{N}\s*\)",
        rf"{N}\s*\.\.\.?=?\s*{N}",
        rf"(?:between|from|within|range[^\d\n]{{0,40}}?|interval[^\d\n]{{0,20}}?|\bin)\s*:?\s*{N}\s*"
        rf"(?:\((?:inclusive|(?P<low>exclusive))\)\s*)?(?:to|and|-|–|—|~|through|,)\s*{N}(?:\s*\((?P<high>exclusive))?",
        rf"{N}\s*(?:<=?|≤)\s*[a-z_]+\s*(?:<=?|≤)\s*{N}",
    )
)
OVER = r"(?:more|greater|higher|larger|longer)"
UNDER = r"(?:less|lower|smaller|fewer|shorter)"
MOST = re.compile(
    rf"(?i)(?:<=|≤|=<|\ble\s*=\s*|max_length=|{UNDER} than or equal(?: to)?|no {OVER} than|not (?:be )?{OVER} than|"
    rf"at most|up to|"
    rf"(?:not|cannot|can't) exceed|exceed(?:s|ed|ing)?[^.\d\n]{{0,60}}|\bmax(?:imum)?\b[^.\d<>\n]{{0,50}}|"
    rf"limit(?:ed)? (?:of|is|to)|"
    rf"limit:|capped (?:at|to))\s*{COUNT}|{N}\s*(?:>|is (?:greater|larger|more) than)\s*{N}|"
    rf"{N},?\s*(?:which is )?(?:the )?max(?:imum)?\b"
)
BELOW = re.compile(rf"(?i)(?:(?<![<>=-])<(?![=>])|\blt\s*=|(?<!not ){UNDER} than|below)\s*{COUNT}")
LEAST = re.compile(
    rf"(?i)(?:>=|≥|=>|\bge\s*=\s*|min_length=|{OVER} than or equal(?: to)?|no {UNDER} than|(?:not|"
    rf"cannot) (?:be )?{UNDER} than|"
    rf"at least|\bmin(?:imum)?\b[^.\d<>\n]{{0,40}})\s*{COUNT}"
)
ABOVE = re.compile(rf"(?i)(?:(?<![<>=-])>(?![=<])|\bgt\s*=|(?<!not ){OVER} than|above)\s*{COUNT}")
NOT_ABOVE = re.compile(rf"(?i)(?:not|never|n't|cannot)\b[^.\n]{{0,60}}\babove\s*{COUNT}")
POSITIVE = re.compile(r"(?i)strictly positive|must be (?:a )?positive|(?:greater|more) than zero|be > 0")
NOT_NEGATIVE = re.compile(r"(?i)non-?negative|not be negative")


def bounds(feature: str, words: str, sent: JsonObject) -> tuple[str, float | None, float | None]:
    """Return the feature, and the least and the most that the endpoint says it takes.

    A number is a bound only if the sent value violates it: otherwise it means something else. With `logprobs` the
    number is that of `top_logprobs`.
    """
    if feature == "logprobs" and (rivals := amount(sent.get("top_logprobs"))) is not None:
        least, most = least_and_most(words, 1.0, rivals)
        return ("top_logprobs", least, most) if most is not None and most >= 1 else (feature, None, None)
    value = amount(sent.get(feature))
    if value is None:
        return feature, None, None
    step = 0.01 if feature == "temperature" or isinstance(sent[feature], float) else 1.0
    return feature, *least_and_most(words, step, value)


def amount(value: Any) -> float | None:
    """Return the number that a bound is about: the value, or the length of a list."""
    if isinstance(value, (list, tuple)):
        return float(len(value))
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def least_and_most(words: str, step: float, value: float) -> tuple[float | None, float | None]:
    """Return the least and the most that the words name; the value violates at least one of them.

    Args:
        step: how far inside an excluded bound the nearest value lies.
    """
    for low, high in ranges(words, step):
        if not low <= value <= high:
            return low, high
    leasts, mosts = list(lower_bounds(words, step)), list(upper_bounds(words, step))
    least = next((bound for bound in leasts if value < bound), None)
    most = next((bound for bound in mosts if value > bound), None)
    if least is None and most is not None:
        least = next((bound for bound in leasts if bound <= most), None)
    elif most is None and least is not None:
        most = next((bound for bound in mosts if bound >= least), None)
    if least is not None and most is not None and least > most:
        return None, most
    return least, most


def ranges(words: str, step: float) -> Iterator[tuple[float, float]]:
    for pattern in RANGES:
        for match in pattern.finditer(words):
            low, high = (as_number(group) for group in match.groups() if group and group[-1].isdigit())
            ends = match.groupdict()
            low += step * (ends.get("open") == "(" or bool(ends.get("low")))
            high -= step * (ends.get("close") == ")" or bool(ends.get("high")))
            if low <= high:
                yield low, high


def lower_bounds(words: str, step: float) -> Iterator[float]:
    """Yield the numbers that are called the least, the plainest first."""
    yield from numbers(LEAST, words)
    if POSITIVE.search(words):
        yield step
    if NOT_NEGATIVE.search(words):
        yield 0.0
    for bound in numbers(ABOVE, words):
        yield bound + step


def upper_bounds(words: str, step: float) -> Iterator[float]:
    """Yield the numbers that are called the most, the plainest first, also in "must not be above 2"."""
    yield from numbers(MOST, words)
    for bound in numbers(BELOW, words):
        yield bound - step
    yield from numbers(NOT_ABOVE, words)


def numbers(pattern: re.Pattern[str], words: str) -> Iterator[float]:
    for match in pattern.finditer(words):
        yield as_number([group for group in match.groups() if group][-1])


def as_number(digits: str) -> float:
    return float(digits.replace(",", ""))
