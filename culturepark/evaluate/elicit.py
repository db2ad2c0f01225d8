"""Puts one question to a model, and reads the answer: its words, the option they choose, and what all options weigh.

An answer that names no option, or several, chooses none: it is missing and never a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from culturepark.catalog import Marks
from culturepark.catalog.suites import Elicitation
from culturepark.dialogue.phrasing import about
from culturepark.dialogue.stance import unit
from culturepark.domain import Persona
from culturepark.evaluate.norms_arm import given
from culturepark.evaluate.plan import DECLINED, Ask
from culturepark.languages import HOLE, Language, Prompt, load_language
from culturepark.models.chat import Reply, Request, Token, spelled_out

RIVALS = 20
"""Alternatives that are asked for at each token; the most that OpenAI gives."""
SHORT = 16
"""Tokens of an answer that names an option: enough to tell one from a refusal."""
IN_WORDS = 100
"""Tokens of an answer that gives an option in its own words, in any script."""
PROMPT = "ask"
"""The file of a language with the words."""
LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""Letters before options. `I` is none of them: refusals begin with it, and would weigh for an option."""
AROUND = " \t\r\n\"'`*_()[]{}<>.:;,!-–—。，：；、（）【】「」『』«»“”‘’।؛،"
"""What stands around the mark of an option, also in marked-up answers such as `**B**` and `(B)`."""


@dataclass(frozen=True)
class Reading:
    """An answer as it was understood."""

    text: str
    choice: int | None
    """Code of the option; None if it chooses none."""
    abstained: bool
    """It declines, was withheld, or says something that is none of the options."""
    probabilities: Mapping[int, float] | None = None
    """Code -> probability at the answer's token, out of everything that the model could have said there."""
    outside: float | None = None
    """Probability of all that is no option."""


# --- the question ------------------------------------------------------------------------------------


def request_for(ask: Ask, how: Elicitation, person: Persona | None, *, seed: int, probabilities: bool) -> Request:
    """Return the request that puts a question.

    Args:
        person: the respondent, if there is one.
        seed: of the evaluation.
        probabilities: ask for those of the options too.
    """
    language = load_language(ask.condition.language)
    named = IN_WORDS if how.marks == "labels" else SHORT
    whole = how.max_tokens if ask.condition.reasoning or not ask.shown else named
    return Request(
        messages=(
            {"role": "system", "content": system_text(ask, how, person, language)},
            {"role": "user", "content": spelled_out(user_text(ask, how, language))},
        ),
        max_tokens=whole,
        temperature=1.0 if ask.sampled else 0.0,
        seed=int(unit("ask", seed, *ask.parts) * 2**31),
        top_logprobs=RIVALS if probabilities and ask.shown else 0,
    )


def system_text(ask: Ask, how: Elicitation, person: Persona | None, language: Language) -> str:
    """Return arm, framing, norms and the form of the answer; all but the norms are alike for many questions."""
    holes = {"country": ask.place.named(language.code), "culture": ask.place.culture or ask.place.group}
    parts = [filled(Prompt(ask.condition.arm.prompt), holes)] if ask.condition.arm.prompt else []
    if person:
        worded = person.in_language(language.code) if person.is_written_in(language.code) else person
        parts.append(part(language, "framing", "respondent").render(**about(worded, language, small=False)))
    else:
        parts.append(part(language, "framing", ask.condition.framing).render(**holes))
    if ask.condition.arm.norms and (told := given(ask)):
        parts.append(part(language, "norms", "given").render(norms="\n".join(f"- {text}" for text in told)))
    if ask.shown:
        if ask.condition.reasoning:
            parts.append(part(language, "answer", "reasoning").text)
        parts.append(part(language, "answer", how.marks).text)
    else:
        parts.append(part(language, "answer", "text").text)
    return "\n\n".join(parts)


def user_text(ask: Ask, how: Elicitation, language: Language) -> str:
    if not ask.shown:
        return ask.item.question
    labels = labels_of(ask, language)
    marks = marks_of(how.marks, ask.shown)
    lines = [f"{mark}. {labels[code]}" if mark else f"- {labels[code]}" for code, mark in marks.items()]
    return part(language, "question", "options").render(question=ask.item.question, options="\n".join(lines))


def filled(prompt: Prompt, holes: Mapping[str, object]) -> str:
    """Fill the holes of a user's prompt; those that it may not have stay as they stand."""
    return HOLE.sub(lambda match: str(holes.get(match[1], match[0])), prompt.text)


def part(language: Language, heading: str, name: str) -> Prompt:
    return language.section(PROMPT, heading, name)


def labels_of(ask: Ask, language: Language) -> dict[int, str]:
    labels = {option.code: option.label for option in ask.item.options}
    return labels | {DECLINED: part(language, "question", "decline").text}


def marks_of(marks: Marks, shown: Sequence[int]) -> dict[int, str]:
    """Return what stands before each option; empty where an option is named by its own words."""
    if marks == "letters":
        return dict(zip(shown, LETTERS, strict=False))
    if marks == "numbers":
        return {code: "0" if code == DECLINED else str(code) for code in shown}
    return dict.fromkeys(shown, "")


def prompt_digest(ask: Ask) -> str:
    """Return the digest of the file of words that a question is put with."""
    return load_language(ask.condition.language).prompt(PROMPT).digest


# --- the answer --------------------------------------------------------------------------------------


def read(reply: Reply, ask: Ask, how: Elicitation) -> Reading:
    """Return what an answer says."""
    text = reply.text.strip()
    if not ask.shown:
        return Reading(text, None, reply.withheld or not text)
    language = load_language(ask.condition.language)
    labels, marks = labels_of(ask, language), marks_of(how.marks, ask.shown)
    named = [] if reply.withheld else chosen(text, marks, labels, whole=not ask.condition.reasoning)
    choice = named[0] if len(named) == 1 and named[0] != DECLINED else None
    silent = not text and not reply.withheld
    abstained = choice is None and len(named) < 2 and not silent
    probabilities = outside = None
    said = spoken(reply.tokens, text)
    if how.marks != "labels" and (token := answer_token(said, marks.values(), reasoning=ask.condition.reasoning)):
        masses = masses_of(token, marks)
        probabilities = {code: p for code, p in masses.items() if code != DECLINED}
        outside = max(0.0, 1.0 - math.fsum(probabilities.values()))
    return Reading(text, choice, abstained, probabilities, outside)


def chosen(text: str, marks: Mapping[int, str], labels: Mapping[int, str], *, whole: bool) -> list[int]:
    """Return the codes of the options that an answer names: by the mark alone, by mark and label, or by the label.

    Args:
        whole: the answer is the whole text; else its last line is.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip(AROUND)]
    if not lines:
        return []
    said = lines[0] if whole else lines[-1]
    bare = said.strip(AROUND)
    if by_mark := [code for code, mark in marks.items() if mark and bare.casefold() == mark.casefold()]:
        return by_mark
    marked = lines if whole else [said]
    named = [c for c, mark in marks.items() if mark and any(begins_with_mark(line, mark, labels[c]) for line in marked)]
    if named:
        # `B. agree`, where B is another option: the letter and the words contradict each other.
        rest = alike(said.partition(marks[named[0]])[2])
        return named + [code for code, label in labels.items() if code not in named and rest == alike(label)]
    if by_label := by_labels(text if whole else said, labels):
        return by_label
    # `The answer is B.`, in any language: the line ends with a mark, and no other mark stands in it by itself.
    words = [word.strip(AROUND) for word in said.split()]
    last = [code for code, mark in marks.items() if mark and words and words[-1] == mark]
    others = [code for code, mark in marks.items() if mark and mark in words[:-1]]
    return last if last and not [code for code in others if code not in last] else []


def begins_with_mark(said: str, mark: str, label: str) -> bool:
    """Whether a text begins with a mark that is set off, as in `B) ...`, or is followed by the option's own words."""
    match = re.match(
        rf"[\s\"'`*_(\[【「（]*{re.escape(mark)}(?![^\W_])[\s\"'`*_]*([.):\]】」）、：।-]?)\s*(.*)", said, re.S
    )
    if match is None:
        return False
    return bool(match[1]) or alike(match[2]).startswith(alike(label))


def alike(text: str) -> str:
    return " ".join(text.casefold().strip(AROUND).split())


def by_labels(text: str, labels: Mapping[int, str]) -> list[int]:
    """Return the options whose words stand in a text. Those within the words of a longer one do not count there."""
    rest = f" {alike(text)} "
    found = []
    for code, label in sorted(labels.items(), key=lambda item: -len(item[1])):
        words = alike(label)
        pattern = rf"(?<![^\W_]){re.escape(words)}(?![^\W_])" if words[:1].isascii() else re.escape(words)
        rest, times = re.subn(pattern, " ", rest)
        if times:
            found.append(code)
    return found


def spoken(tokens: Sequence[Token], text: str) -> list[Token]:
    """Return the tokens of an answer's text; some servers send those of the thoughts before it too."""
    whole = "".join(token.text for token in tokens)
    start, end = max(0, whole.rfind(text)), 0
    found = []
    for token in tokens:
        end += len(token.text)
        if end > start:
            found.append(token)
    return found


def answer_token(tokens: Sequence[Token], marks: Iterable[str], *, reasoning: bool) -> Token | None:
    """Return the token at which the answer stands: the first that is no decoration; after reasoning the last mark."""
    wanted = set(marks)
    solid = [token for token in tokens if token.text.strip(AROUND)]
    if not reasoning:
        return solid[0] if solid else None
    return next((token for token in reversed(solid) if token.text.strip(AROUND) in wanted), None)


def masses_of(token: Token, marks: Mapping[int, str]) -> dict[int, float]:
    """Return each option's probability at a token: that of all spellings of its mark together."""
    rivals = dict(token.rivals)
    rivals[token.text] = token.logprob
    by_mark: dict[str, float] = {}
    for text, logprob in rivals.items():
        mark = text.strip(AROUND)
        by_mark[mark] = by_mark.get(mark, 0.0) + math.exp(logprob)
    masses = {code: by_mark.get(mark, 0.0) for code, mark in marks.items()}
    too_much = max(1.0, math.fsum(masses.values()))  # servers round, and some count a spelling twice
    return {code: mass / too_much for code, mass in masses.items()}
