"""Which part of our request an endpoint refuses, and which values of it it would take.

Three kinds of evidence, the surer first: names that stand in a field of their own (`param`, `loc`, ...), names in
quotes or before a colon, plain words. Only what was sent can be the culprit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from culturepark.domain import JsonObject
from culturepark.models.abilities import LIMITS
from culturepark.models.error_bodies import ORDINARY, Remark, snake

FEATURES = (
    "temperature", "seed", "logprobs", "top_logprobs", "response_format", "stream_options", "stream", "stop", "system",
    "max_tokens", "max_completion_tokens", "grammar", "dry_multiplier", "dry_allowed_length", "messages", "model",
)  # fmt: skip
"""What may have been sent, where the request is not known."""

SHAPE = ("response_format", "grammar")
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
"""Other names of what we send, in snake case; meant is the first that was sent."""

COMPLAINT = re.compile(
    r"(?i)support|unknown|unrecogni[sz]ed|not recogni[sz]ed|unexpected|extra|invalid|not valid|\bmust\b|"
    r"should (?:not )?be|"
    r"\bcannot\b|can't|can not|could not|not allowed|not permitted|forbidden|prohibited|unavailable|not available|"
    r"not enabled|disabled|deprecated|exceed|range|too (?:large|high|small|low|long|many|big)|remove|not implemented|"
    r"unimplemented|incompatible|no longer|at most|at least|less than|greater than|[<>≤≥]|failed to|unable to|"
    r"not accept|"
    r"does(?:n't| not)|not found|missing|maximum|minimum|illegal|reject|refus|wrong|not a|unprocessable|expected|only|"
    r"\b(?:is|are|may) not\b|not in|positive|negative|limit|cannot find|no such|不支持|错误|非法|无效|范围"
)
"""Words without which the mention of a parameter is no complaint about it."""
PLAIN_REFUSAL = re.compile(
    r"(?i)(?:not|n't|no longer) (?:be )?(?:yet )?(?:currently )?(?:support|allow|permit|accept|implement|enabl|"
    r"available)|"
    r"unsupported|unimplemented|unknown (?:param|field|arg|key|name)|unrecogni[sz]ed|extra inputs|must alternate|"
    r"must be (?:<|>|≤|≥|between|less|greater|at|in|one|strictly|positive|non)|unexpected (?:role|keyword|field|param)|"
    r"invalid (?:grammar|json schema)|cannot be used|invalid (?:role|param|value)|only [^.]{0,60}(?:support|allow|"
    r"accept)|does not (?:take|have)"
)
"""Words that say so even with a status that otherwise means that something broke."""
SUGGESTION = re.compile(
    r"(?i)did you mean[^?]*\??|(?:please )?use [`'\"]?[\w.]+[`'\"]? instead|(?:instead|"
    r"rather),? use [`'\"]?[\w.]+[`'\"]?|"
    r"\b(?:supported|allowed|valid|permitted|accepted|available|known) (?:param|field|argument|option|propert|key)\w*"
    r"(?: are| is)?[: ][^;\n]*|one of the following[^;\n]*"
)
"""What a server advises is not what it refuses."""

QUOTED = re.compile(r"[`'\"“«‘]([A-Za-z_][\w.\[\]/-]{0,80})[`'\"”»’]")
LABELLED = re.compile(
    r"(?i)(?:param(?:eter)?s?|fields?|propert(?:y|ies)|arg(?:ument)?s?|options?|keys?|inputs?|values? for|setting)"
    r"(?: (?:is |are )?(?:not |un)?(?:supported|allowed|permitted|supplied|provided|recogni[sz]ed|name))?"
    r"(?: (?:on|by|with|for|to) (?:this |the )?model)?\s*[:=(]?\s*([A-Za-z_][\w.\[\]]*)|"
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
         "output)|"
                            r"structured[ _-]?(?:outputs?|generation)|guided[ _-]?(?:decoding|generation|json|grammar)|"
                            r"response[ _-]?(?:schema|mime[ _-]?type)|constrained (?:decoding|generation|output)|"
                            r"grammars?|"
                            r"schema|xgrammar|outlines)"),
        ("max_completion_tokens", r"max[ _-]?completion[ _-]?tokens"),
        ("max_tokens", r"(?:max(?:imum)?[ _-]?(?:number of )?(?:new|output|completion|response|generated)?[ _-]?tokens"
                       r"(?:_to_sample)?|(?:output|completion|response) tokens?(?: limit)?|maxtokens)"),
        ("system", rf"(?:{ROLE}[ -]?(?:roles?|messages?|prompts?|instructions?)|role[^.\n]{{0,30}}{ROLE}|"
                   rf"{ROLE}['\"`]?[^.\n]{{0,20}} roles?|roles? must alternate|"
                   rf"alternat\w+ (?:between )?(?:['\"`]?user|roles)|"
                   r"unexpected role|(?:invalid|unknown|unsupported) (?:message )?role|"
                   r"only (?:the )?['\"`]?user['\"`]?[^.\n]{0,40}roles?|"
                   r"(?:first|conversation)[^.\n]{0,30}must (?:be|start)[^.\n]{0,20}user|must alternate)"),
    )
)  # fmt: skip


def culprit(remarks: Sequence[Remark], sent: JsonObject | None) -> tuple[str, str] | None:
    """Return what is refused, and the words about it, those after its name first; None if nothing that was sent is "
    "named."""
    whole = False
    for remark in remarks:
        for name in remark.names:
            feature = resolved(name, sent)
            if feature not in (None, "messages", "model"):
                return str(feature), remark.text
            whole = whole or feature == "messages"
    complaints = [SUGGESTION.sub(" ", remark.text) for remark in remarks if COMPLAINT.search(remark.text)]
    for text in complaints:
        for name, place in mentioned(text):
            feature = resolved(name, sent)
            if feature is None or feature in ("messages", "model") or (feature == "system" and not is_role(text)):
                continue
            return feature, f"{text[place:]}\n{text}"
    for text in complaints:
        if found := in_words(text, sent):
            return found
    if whole or any(re.search(r"(?i)roles? must alternate|alternate between", text) for text in complaints):
        return "messages", "\n".join(complaints)
    return None


def resolved(name: str, sent: JsonObject | None) -> str | None:
    """What a name means of what we sent: `body.messages[0].role`, `generationConfig.responseSchema`, "
    "`max_new_tokens`."""
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


def is_systems(parts: list[str], sent: JsonObject | None) -> bool:
    """Whether the message of which the path speaks is the system's."""
    number = next((int(part) for part in parts if part.isdecimal() and len(part) < 6), 0)
    messages = (sent or {}).get("messages") or []
    return sent is None or (number < len(messages) and messages[number].get("role") in ("system", "developer"))


def was_sent(feature: str, sent: JsonObject | None) -> bool:
    if sent is None:
        return feature in FEATURES
    if feature == "system":
        messages = sent.get("messages")
        roles = [one.get("role") for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
        return "system" in roles or "developer" in roles
    return feature in sent


def is_role(text: str) -> bool:
    return bool(re.search(r"(?i)\brole|message|instruction|prompt", text))


def mentioned(text: str) -> Iterator[tuple[str, int]]:
    """Names in quotes or after a word for parameters, and where; in their order."""
    found = [(match.start(1), match[1]) for match in QUOTED.finditer(text)]
    found += [(match.start(match.lastindex or 0), match[1] or match[2]) for match in LABELLED.finditer(text)]
    for place, name in sorted(found):
        if name.lower() not in ("json", "format", "schema") or re.search(r"(?i)respon|output|param", text):
            yield name, place


def in_words(text: str, sent: JsonObject | None) -> tuple[str, str] | None:
    """The first that is spoken of without quotes."""
    found: list[tuple[int, str]] = []
    for feature, pattern in WORDS:
        meant = next((one for one in ALIASES.get(feature, (feature,)) if was_sent(one, sent)), None)
        match = pattern.search(text)
        if match and meant:
            found.append((match.start(), meant))
    for key in (sent or {}).keys() - ORDINARY:
        if "_" in key and (match := re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text)):
            found.append((match.start(), key))
    if not found:
        return None
    place, feature = min(found)
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


def bounds(feature: str, words: str, sent: JsonObject | None) -> tuple[str, float | None, float | None]:
    """Return the feature, and the least and the most that the endpoint says it takes.

    A number is a bound only if what we sent violates it: otherwise it means something else. With `logprobs` the number
    is that of `top_logprobs`.
    """
    sent_value = (sent or {}).get(feature)
    if feature == "logprobs" and (sent is None or "top_logprobs" in sent):
        least, most = told(words, 1.0, amount((sent or {}).get("top_logprobs")))
        return ("top_logprobs", least, most) if most is not None and most >= 1 else (feature, None, None)
    value = amount(sent_value)
    if value is None and (sent is not None or feature not in ("temperature", "top_logprobs", "stop", *LIMITS)):
        return feature, None, None
    step = 0.01 if feature == "temperature" or isinstance(sent_value, float) else 1.0
    return feature, *told(words, step, value)


def amount(value: Any) -> float | None:
    """The number that a bound is about; of a list, its length."""
    if isinstance(value, (list, tuple)):
        return float(len(value))
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def told(words: str, step: float, value: float | None) -> tuple[float | None, float | None]:
    """The least and the most that the words name, at least one of which the value violates if it is known.

    Args:
        step: how far inside an excluded bound the nearest value lies.
    """
    for low, high in ranges(words, step):
        if value is None or not low <= value <= high:
            return low, high
    leasts, mosts = list(lower(words, step)), list(upper(words, step))
    least = next((bound for bound in leasts if value is None or value < bound), None)
    most = next((bound for bound in mosts if value is None or value > bound), None)
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
            low, high = (read(group) for group in match.groups() if group and group[-1].isdigit())
            ends = match.groupdict()
            low += step * (ends.get("open") == "(" or bool(ends.get("low")))
            high -= step * (ends.get("close") == ")" or bool(ends.get("high")))
            if low <= high:
                yield low, high


def lower(words: str, step: float) -> Iterator[float]:
    """Numbers that are called the least, the plainest first."""
    yield from numbers(LEAST, words)
    if POSITIVE.search(words):
        yield step
    if NOT_NEGATIVE.search(words):
        yield 0.0
    for bound in numbers(ABOVE, words):
        yield bound + step


def upper(words: str, step: float) -> Iterator[float]:
    """Numbers that are called the most, the plainest first; more than so much may also be what we must not send."""
    yield from numbers(MOST, words)
    for bound in numbers(BELOW, words):
        yield bound - step
    yield from numbers(NOT_ABOVE, words)


def numbers(pattern: re.Pattern[str], words: str) -> Iterator[float]:
    for match in pattern.finditer(words):
        yield read([group for group in match.groups() if group][-1])


def read(digits: str) -> float:
    return float(digits.replace(",", ""))
