"""Tells speech from what leaks into it: a model's thoughts, and the control tokens of its chat template. Pure.

Servers take thoughts and control tokens out of an answer only if they are told the right format, and many are not.
Forms known from public reports: `<think>` without its beginning (vllm-project/vllm#17144) or in square brackets
(ggml-org/llama.cpp#16158), gpt-oss channels (NVIDIA/TensorRT-LLM#9256) also without their tokens
(Augustas11/macprovider#743), Gemma's channels (Blaizzy/mlx-vlm#899, ollama/ollama#15754), end-of-turn tokens as text
(BerriAI/litellm#3757, unslothai/unsloth#6804). They are recognised by shape, a bracket with a telling word in it,
because each family of models has names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Unclear = Literal["leaked-thoughts", "control-token", "garbled"]


@dataclass(frozen=True)
class Heard:
    """The speech in an answer, and what else was in it."""

    text: str
    """One contiguous piece of the content, without white space around it."""
    thoughts: str
    leak: str | None
    """The form in which something leaked, a key of `ADVICE`; None if nothing did."""
    unclear: Unclear | None
    """Why `text` cannot be trusted as speech; None if it can."""


PARSER = "start the server with the reasoning parser of this model, or with thinking off"
ADVICE = {
    "think-tags": f"the endpoint sends thoughts in front of the answer: {PARSER} "
    "(vLLM and SGLang: --reasoning-parser; llama-server: --jinja --reasoning-format auto; Ollama: think=false)",
    "think-unopened": "the chat template opens the thoughts, so that the answer holds only their end: "
    f"{PARSER} (vLLM and SGLang: --reasoning-parser deepseek_r1 or the model's own)",
    "think-unclosed": f"thoughts begin in the answer and never end: raise the limit on tokens, or {PARSER}",
    "channels": "the endpoint sends the model's channels as text: update the server, and "
    f"{PARSER} (vLLM: --reasoning-parser openai_gptoss; SGLang: --reasoning-parser gpt-oss; llama-server: --jinja)",
    "thought-headings": f"the model writes its thoughts under a heading in the answer: {PARSER}",
    "answer-tags": "the model wraps its answer in tags: the server's chat template or system prompt asks for them",
    "end-token": "end-of-turn tokens come as text: start the server with the chat template and the end-of-turn token "
    "of this model, and with special tokens skipped",
    "control-tokens": "control tokens come as text: start the server with the chat template of this model, and with "
    "special tokens skipped",
    "role-header": "the header of a turn comes as text: start the server with the chat template of this model",
    "garbled": "characters arrive broken: update the server; it cuts characters of several bytes between two tokens",
}
"""How to start a server so that a leak ends."""


# --- words --------------------------------------------------------------------------------------------------


def among(words: str) -> frozenset[str]:
    return frozenset(words.split())


THINKING = among(
    "think thinking thinker thought thoughts reason reasoning reflection reflections reflect reflecting "
    "scratchpad scratch analysis analyze analyse analyzing cot rationale deliberation deliberate deliberating "
    "monologue ponder pondering musing musings contemplation contemplate contemplator introspection brainstorm "
    "brainstorming planning plan critique cogitation consideration considerations internal inner mind réflexion "
    "réflexions pensée pensées pensamiento pensamientos razonamiento denken gedanken überlegung überlegungen "
    "pensiero pensieri pensamento raciocínio düşünce düşünceler мысли размышление размышления рассуждение "
    "思考 思考过程 推理 推理过程 思维链 思維 生각"
)
ANSWERING = among(
    "answer answering response respond reply output solution conclusion final speech speak speaking say spoken "
    "box réponse respuesta antwort risposta resposta cevap ответ 回答 答案"
)
FILLERS = among("begin beginning start end stop finish of my the your process chain step steps block section")
OPENING, CLOSING = among("begin beginning start open prefix"), among("end stop close finish done suffix")
OFF = among("no not off without disable disabled non")

ROLES = "assistant|user|system|model|human|developer|tool|ipython|gpt|bot|ai|environment"
OURS = among("assistant model gpt bot ai")
ENDS = among("end eos eot eod eom eoa eoh eoc eou endoftext endofturn endofmessage stop return call sep separator")
STARTS = among("bos sop bot bom start begin startoftext startofturn inst sys im turn header role")
BARE = among(
    "eos bos pad unk mask eod eot eom eop sop sep cls eoa eoh eoc eou end stop endoftext startoftext inst sys "
    "gmask smask im_start im_end image audio video tool_call tool_calls tool_response function_call user "
    "assistant system human"
)
"""Names that stand in angle brackets without bars and are nothing but control tokens."""
SQUARE = among(
    "inst sys gmask smask mask cls sep pad unk eos bos eot eod eom end img prefix middle suffix args tool_calls "
    "system_prompt transcribe"
)
"""Names that stand in square brackets, in capitals."""
NUMBERED = re.compile(r"(?:unused|extra_id|reserved|special|control|ctrl|token|placeholder)[a-z_]*\d+|0x[0-9a-f]{2}")
SNAKE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")

# --- marks --------------------------------------------------------------------------------------------------

Kind = Literal["open", "close", "speak", "spoken", "start", "end", "other"]


@dataclass(frozen=True)
class Mark:
    """Something in an answer that is no speech but says where speech or thoughts begin or end."""

    start: int
    stop: int
    kind: Kind
    form: str
    """The leak that it is a sign of."""
    role: str = ""
    """Whose turn begins with it, where that is said."""
    ends_with_turn: bool = False
    """The thoughts that it opens end with the token that ends a message."""


SAME = str.maketrans("｜│◁▷＜＞⟨⟩‹›【】［］▁／", "||<><><><>[][]_/")
"""Characters that some tokenizers use for bars and brackets; one for one, so that places stay the same."""
BLANK = r"[\s\u200b-\u200d\u2060\ufeff]"
ANGLE = re.compile(rf"(?:<<?|&lt;){BLANK}{{0,2}}(?P<body>[^<>\n&]{{1,160}}?){BLANK}{{0,2}}(?:>>?|&gt;)")
SQUARE_BARS = re.compile(rf"\[{BLANK}?\|(?P<body>/?[^\[\]|\n]{{1,60}})\|{BLANK}?\]")
BRACKET = re.compile(rf"\[{BLANK}{{0,2}}(?P<body>/?{BLANK}{{0,2}}[^\W\d][\w ]{{0,40}}?){BLANK}{{0,2}}\]")
BODY = re.compile(r"(?P<pre>[|/\\ ]*)(?P<name>[^\s|/\\=]+)(?P<rest>[^|]*?)(?P<post>[|/\\ ]*)")
LEFT, RIGHT = rf"(?:<|&lt;){BLANK}?", rf"{BLANK}?(?:>|&gt;)"
CHANNEL = re.compile(
    rf"{LEFT}(?P<left>\|?)channel(?P<right>\|?){RIGHT}"
    r"(?:\s*(?P<name>analysis|commentary|comment|thoughts?|thinking|reasoning|final|answer|response)\b(?! [a-z]))?"
    rf"(?:\s*to=[\w.]{{1,60}})?(?:\s*{LEFT}\|constrain\|{RIGHT}\s*\w{{1,20}})?(?:\s*{LEFT}\|message\|{RIGHT})?"
    rf"|(?:\A\s*|(?<=\n))(?P<bare>analysis|commentary|final)\s*{LEFT}\|message\|{RIGHT}"
)
PARTS = re.compile(rf"{LEFT}\|(?P<way>open|close)\|{RIGHT}\s*(?P<name>\w{{1,20}})\s*{LEFT}\|sep\|{RIGHT}")
"""Kimi's parts of an answer, each between tokens with its name."""
ROLE_AFTER = re.compile(rf"\s*(?P<role>{ROLES})\b[ \t]*", re.IGNORECASE)
GLUED = re.compile(
    r"\A\s*(?P<first>analysis|commentary|final)(?=[A-Z\"“]|[ \t]*\n)"
    r"|assistant(?P<later>final|analysis|commentary)(?![a-z])"
    r"|assistant(?P<glued>final)(?=[a-z])"
)
"""gpt-oss channels of which the special tokens were skipped: `analysisWe need to ...assistantfinalIn my village`."""
APART = re.compile(r"\bassistant\s+(?P<later>final|analysis|commentary)\s+")
"""The same with spaces, which counts only after thoughts that began so."""
UNMARKED = re.compile(r"\A\s*thought(?:\s*(?:\[\]|\(\))|[ \t]*\n|(?=[A-Z]))")
"""Gemini's and Gemma's marker without its tokens; nothing says where these thoughts end."""
UNUSED = re.compile(r"<(?:unused|ctrl)\d+>\s*(?P<thought>thought\b)?|\[unused\d+\]")
FENCE = re.compile(
    r"^(?P<fence>```|~~~)[ \t]*(?:thinking|think|thoughts?|reasoning|analysis|scratchpad)\b[^\n]*\n"
    r"(?:.*?^(?P=fence)|.*\Z)",
    re.M | re.S | re.I,
)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
QUOTED = re.compile(
    r"\A\s*[^\w\n>]{0,6}(?:thinking|thoughts?|reasoning)\b[^\n]{0,40}\n\s*(?:>[^\n]*(?:\n\s*|\Z))+", re.I
)
"""Thoughts as a Markdown quotation under a heading, as gateways write them."""
TIMED = re.compile(r"\A\W{0,6}thought for [^\n]{1,24}?(?:s|sec|seconds?|minutes?|moment)\b\W{0,6}\n", re.I)
PROCESS = (
    r"(?:thought process|thinking process|thinking|reasoning(?: process| steps)?|chain of thought|internal monologue)"
)
HEADING = re.compile(
    rf"\A\W{{0,6}}(?P<sure>here(?:['’]s| is| are) (?:my|the|a) {PROCESS}\W{{0,4}}[:\n]"
    rf"|(?:thinking|thought|reasoning) process\W{{0,4}}:|(?:internal |inner )monologue\W{{0,4}}:)"
    r"|\A\W{0,6}(?:my )?(?:thinking|thoughts?|reasoning|analysis|reflection|plan)\W{0,4}:(?P<alone>\W{0,4}\n)?",
    re.I,
)
SPEECH_HEADING = re.compile(
    r"(?:^|(?<=[.!?:] ))\W{0,6}(?:here(?:['’]s| is) (?:my|the) (?:final )?(?:response|answer|reply|speech)"
    r"|(?:my |the )?final (?:answer|response|reply|speech|version|output)"
    r"|(?P<short>(?:my |the )?(?:answer|response|reply|speech|output)))(?P<end>\W{0,4}:\W{0,4}|[*_#]{1,4}\s*\n)",
    re.I | re.M,
)
HEADER = re.compile(
    r"(?:\A\s*|(?<=\n)|(?<=[.!?…\"”»)\]}*]))(?P<role>assistant|user|model|system)(?:[ \t]*\n|(?<=assistant)\s*\Z)"
)
"""The header of a turn without its tokens: on a line of its own, or hard at the end of a sentence."""
MOST_MARKS = 500
"""An answer with more is a model that has lost itself in control tokens; reading on would take long."""
RUN_ON = re.compile(r"(?<=\S)\s*\n\s*(?:#{1,4}[ \t]*(?i:human|user|instruction|input)|Human|HUMAN)[ \t]*:")
"""The label of the next turn, in templates that have no tokens."""
BROKEN = re.compile(r"(?:<\|[\w ]{0,40}\|?|</[a-z_]{0,20})\Z", re.I)
"""The beginning of a token at the end of an answer, where a server cut it in the middle."""
ODD = re.compile(r"(?P<start>\]~!?b[\[\]])|(?P<end>\[e~\[)")
"""MiniMax's tokens, which look like nobody else's."""
LOST = "\ufffd"
EDGE = re.compile(rf"(?:{BLANK}|{LOST})+")
RAW_PIECES = re.compile(r"[ĠĊ▁]")
"""How byte-level and sentence-piece vocabularies spell a space or a line end."""
SIGNS = re.compile(
    rf"[<\[｜◁＜⟨‹【［{LOST}ĠĊ▁]|\]~|&lt;|```|~~~|\A\s*>|assistant|(?:user|model|system)[ \t]*\n"
    r"|(?:human|user|instruction|input)[ \t]*:"
    r"|\A\W{0,6}(?:analysis|commentary|final|model|user|system|here|think|thought|reason|internal|inner|my|reflect|plan)"
    r"|(?:answer|response|reply|speech|version|output)[*:\s]",
    re.I,
)
"""Without one of these there is nothing to be found; most speeches are done here."""
BRACKETS = re.compile(r"[<\[◁＜⟨‹【［\]]|&lt;")
GLUED_TOGETHER = re.compile(r"assistant(?:final|analysis|commentary)(?![a-z])")


def marks_in(text: str) -> list[Mark]:
    """All marks, in their order and without overlap; the forms in words only where they can be meant."""
    folded = text.translate(SAME)
    found = [*channels(folded), *fences(folded), *headings(folded), *tokens(folded)]
    marks: list[Mark] = []
    for mark in sorted(found, key=lambda one: (one.start, -one.stop)):
        if not marks or mark.start >= marks[-1].stop:
            marks.append(mark)
    return with_roles(marks, folded)


def channels(folded: str) -> Iterator[Mark]:
    for match in PARTS.finditer(folded):
        own, opens = set(words_of(match["name"])), match["way"] == "open"
        if own & THINKING:
            yield Mark(*match.span(), "open" if opens else "close", "channels")
        elif own & ANSWERING:
            yield Mark(*match.span(), "speak" if opens else "spoken", "channels")
    for match in CHANNEL.finditer(folded):
        name = match["name"] or match["bare"] or ""
        if name in ("final", "answer", "response"):
            yield Mark(*match.span(), "speak", "channels")
        elif not name and not match["left"] and match["right"]:
            yield Mark(*match.span(), "close", "channels")
        else:
            half = bool(match["left"]) and not match["right"]  # Gemma's, which `<channel|>` ends
            yield Mark(*match.span(), "open", "channels", ends_with_turn=not half)
    glued = list(GLUED.finditer(folded))
    if glued and glued[0]["first"] in ("analysis", "commentary"):
        glued += APART.finditer(folded)
    for match in glued:
        named = match.groupdict()
        name = named.get("first") or named.get("later") or named.get("glued")
        yield Mark(*match.span(), "speak" if name == "final" else "open", "channels")
    if unmarked := UNMARKED.match(folded):
        yield Mark(*unmarked.span(), "open", "channels")
    unused = list(UNUSED.finditer(folded))
    if unused and (unused[0]["thought"] or (unused[0][0][0] == "[" and not folded[: unused[0].start()].strip())):
        yield Mark(*unused[0].span(), "open", "channels")
        for match in unused[1:2]:
            yield Mark(*match.span(), "close", "channels")


def fences(folded: str) -> Iterator[Mark]:
    for match in FENCE.finditer(folded):
        line_end = folded.index("\n", match.start()) + 1
        yield Mark(match.start(), line_end, "open", "thought-headings")
        if match[0].endswith(match["fence"]) and match.end() - 3 >= line_end:
            yield Mark(match.end() - 3, match.end(), "close", "thought-headings")
    for match in COMMENT.finditer(folded):
        yield Mark(match.start(), match.start() + 4, "open", "think-tags")
        if match[0].endswith("-->"):
            yield Mark(match.end() - 3, match.end(), "close", "think-tags")
    for pattern in (QUOTED, TIMED):
        if block := pattern.match(folded):
            yield Mark(block.start(), block.start(), "open", "thought-headings")
            yield Mark(block.end(), block.end(), "close", "thought-headings")
            break


def headings(folded: str) -> Iterator[Mark]:
    """Thoughts under a heading in words, and the heading of the speech that follows them."""
    for match in HEADER.finditer(folded):
        yield Mark(*match.span(), "start", "role-header", match["role"])
    for match in RUN_ON.finditer(folded):
        yield Mark(*match.span(), "start", "role-header", "human")
    if broken := BROKEN.search(folded):
        yield Mark(*broken.span(), "end", "end-token")
    opening = HEADING.match(folded)
    speeches = [one for one in SPEECH_HEADING.finditer(folded) if opening or (is_loud(one[0]) and not one["short"])]
    if opening and (opening["sure"] or opening["alone"] or speeches):
        yield Mark(*opening.span(), "open", "thought-headings")
        for match in speeches[-1:]:
            if match.start() >= opening.end():
                yield Mark(*match.span(), "speak", "thought-headings")
    elif not opening:
        for match in speeches[-1:]:
            if folded[: match.start()].strip():
                yield Mark(*match.span(), "speak", "thought-headings")


def is_loud(heading: str) -> bool:
    """Whether a heading cannot be part of a spoken sentence: it is bold, or alone on its line."""
    return "**" in heading or heading.lstrip().startswith("#") or heading.rstrip(" \t").endswith("\n")


def tokens(folded: str) -> Iterator[Mark]:
    """Tags and tokens in brackets."""
    reasons = False
    for match in ANGLE.finditer(folded):
        if said := BODY.fullmatch(match["body"]):
            mark = in_angles(match, said, reasons=reasons)
            reasons = reasons or (said["name"].casefold() == "details" and mark is not None)
            if mark:
                yield mark
    for match in SQUARE_BARS.finditer(folded):
        words, closes = words_of(match["body"]), "/" in match["body"]
        yield of_words(match, words, closes=closes, bars=True) or control(match, words, closes=closes)
    for match in ODD.finditer(folded):
        yield Mark(
            *match.span(), "start" if match["start"] else "end", "control-tokens" if match["start"] else "end-token"
        )
    closed = {match["body"].strip("/ ").casefold() for match in BRACKET.finditer(folded) if match["body"][0] == "/"}
    for match in BRACKET.finditer(folded):
        if mark := in_square(match, closed):
            yield mark


def in_angles(match: re.Match[str], said: re.Match[str], *, reasons: bool) -> Mark | None:
    """What a tag in angle brackets is; None if people may write it."""
    bars = "|" in said["pre"] + said["post"]
    closes = "/" in said["pre"] + said["post"]
    name, rest = said["name"].strip("|/"), said["rest"]
    words = words_of(name)
    if name.casefold() == "details":
        if closes and reasons:
            return Mark(*match.span(), "close", "think-tags")
        return Mark(*match.span(), "open", "think-tags") if set(words_of(rest)) & THINKING else None
    all_words = words + words_of(rest)
    attributes = not rest.strip() or "=" in rest
    known = attributes or set(all_words) <= THINKING | ANSWERING | FILLERS
    said_by = words if attributes else all_words
    if known and (mark := of_words(match, said_by, closes=closes, bars=bars)):
        return mark
    plain = name.casefold()
    if bars:
        return control(match, words_of(name + rest), closes=closes)
    if rest.strip():
        return None
    if plain == "s":
        if match[0].rstrip(">")[-1].isspace():  # in a formula
            return None
        return control(match, ["eos"] if closes else [], closes=closes)
    spaced = plain.partition(":")[2]  # as <seed:eos>
    if plain in BARE or spaced in BARE or NUMBERED.fullmatch(plain) or SNAKE.fullmatch(plain):
        return control(match, words, closes=closes)
    return None


def in_square(match: re.Match[str], closed: set[str]) -> Mark | None:
    """What a tag in square brackets is; stage directions are none."""
    body = match["body"]
    closes, name = body[0] == "/", body.strip("/ ")
    words = words_of(name)
    known = set(words) <= THINKING | ANSWERING | FILLERS
    loud = name == name.upper()
    framed = len(words) > 1 and words[0] in OPENING | CLOSING
    meant = known and (loud or closes or framed or name.casefold() in closed)
    if meant and (mark := of_words(match, words, closes=closes, bars=False)):
        return mark
    plain = name.casefold()
    if NUMBERED.fullmatch(plain) or plain == "gmask":
        return Mark(*match.span(), "other", "control-tokens")
    if not loud or " " in name:
        return None
    if plain == "inst" and closes:  # the answer follows it
        return Mark(*match.span(), "other", "control-tokens")
    return control(match, words, closes=closes) if plain in SQUARE or SNAKE.fullmatch(plain) else None


def words_of(name: str) -> list[str]:
    """`antThinking`, `START_THINKING` and `seed:think` in words, in lower case."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[\W_]+", parted.casefold()) if word]


def of_words(match: re.Match[str], words: Sequence[str], *, closes: bool, bars: bool) -> Mark | None:
    """A tag of thoughts or of the answer; None if it is neither."""
    own = set(words)
    if own & THINKING:
        if own & OFF:
            return Mark(*match.span(), "other", "control-tokens")
        ends = closes or (bool(own & CLOSING) and not own & OPENING)
        form = "think-tags"
        return Mark(*match.span(), "close" if ends else "open", form, ends_with_turn=bars and not own & OPENING)
    if own & ANSWERING or (bars and own == {"content"}):
        return Mark(*match.span(), "spoken" if closes or own & CLOSING else "speak", "answer-tags")
    return None


def control(match: re.Match[str], words: Sequence[str], *, closes: bool) -> Mark:
    """A control token: does it end a turn, begin one, or neither?"""
    own, span = set(words), match.span()
    if (own & {"header", "role"} and own & {"end"}) or own & {"middle", "message"}:
        return Mark(*span, "other", "control-tokens")
    if own & {"unused", "reserved", "special", "extra", "fim", "tool", "tools", "image", "vision", "audio"}:
        return Mark(*span, "other", "control-tokens")
    half_closed = match["body"].endswith("|") and not match["body"].startswith("|")  # as <turn|>
    if own & ENDS or closes or (half_closed and "turn" in own):
        return Mark(*span, "end", "end-token")
    role = next((word for word in words if re.fullmatch(ROLES, word)), "")
    if role or own & STARTS:
        return Mark(*span, "start", "control-tokens", role)
    return Mark(*span, "other", "control-tokens")


def with_roles(marks: Sequence[Mark], folded: str) -> list[Mark]:
    """The marks, of which those that begin a turn take in the role that stands behind them."""
    out = []
    for number, mark in enumerate(marks):
        if mark.kind == "start" and (match := ROLE_AFTER.match(folded, mark.stop)):
            following = marks[number + 1].start if number + 1 < len(marks) else len(folded)
            alone = folded[match.end() : match.end() + 1] in ("\n", "") or match.end() == following
            hard = mark.stop == match.start("role") and not mark.role
            if match.end() <= following and (alone or hard):
                out.append(replace(mark, stop=match.end(), role=mark.role or match["role"].casefold()))
                continue
        out.append(mark)
    return out


# --- what was said ------------------------------------------------------------------------------------------


@dataclass
class Course:
    """What is known of an answer, read from left to right up to some mark."""

    content: str
    spoken: list[tuple[int, int]]
    """Stretches that may be speech."""
    thought: list[tuple[int, int]]
    depth: int = 0
    ends_with_turn: bool = False
    wrapped: bool = False
    """A mark has said that the speech begins."""
    parted: bool = False
    """Thoughts, or a second answer, stand beside speech."""
    foreign: bool = False
    """It begins with somebody else's turn."""

    def take(self, start: int, stop: int) -> None:
        start, stop = trimmed(self.content, start, stop)
        if start < stop:
            (self.thought if self.depth else self.spoken).append((start, stop))

    def all_was_thought(self) -> None:
        self.thought += self.spoken
        self.spoken = []


def heard(content: str) -> Heard:
    """The speech in what a model answered.

    Thoughts come before speech: all up to the last end of thoughts is thought, and so is all after a beginning that has
    no end. What follows the end of the turn is another turn, and not heard. Where that leaves no single piece of text
    without a control token or a broken character in it, the answer is `unclear`.
    """
    return of_marks(content, marks_in(content) if SIGNS.search(content) else [])


def answer_in(content: str) -> str:
    """The answer without thoughts in front of it, and with the control tokens that stand in it.

    For JSON, which tells by itself where it ends, and in whose strings such a token may stand.
    """
    kinds = ("open", "close", "speak", "spoken")
    return of_marks(content, [mark for mark in marks_in(content) if mark.kind in kinds]).text


def of_marks(content: str, marks: Sequence[Mark]) -> Heard:
    """What was said, as far as these marks tell."""
    if len(marks) > MOST_MARKS:
        return Heard("", "", "control-tokens", "control-token")
    course, leaks, at = Course(content, [], []), [], 0
    last_close = max((number for number, mark in enumerate(marks) if mark.kind == "close"), default=-1)
    for number, mark in enumerate(marks):
        course.take(at, mark.start)
        at = mark.stop
        leaks.append(mark.form)
        rest = marks[number + 1 :]
        if mark.kind == "open":
            course.depth += 1
            course.ends_with_turn = mark.ends_with_turn
        elif mark.kind == "close":
            if not course.depth:
                leaks.append("think-unopened" if mark.form == "think-tags" else mark.form)
                course.all_was_thought()
            course.depth = 0 if number >= last_close else max(0, course.depth - 1)
        elif mark.kind == "speak" and course.depth and number < last_close and mark.form == "answer-tags":
            pass  # thoughts that speak of the form of the answer
        elif mark.kind == "speak":
            course.parted = course.parted or (course.wrapped and bool(course.spoken))
            course.all_was_thought()
            course.depth, course.wrapped = 0, True
        elif course.depth:
            if mark.kind == "end" and course.ends_with_turn:
                course.depth = 0
        elif mark.kind == "start" and not course.spoken:
            course.foreign = course.foreign or bool(mark.role and mark.role not in OURS)
        elif (
            course.spoken
            and (mark.kind in ("end", "spoken") or (mark.kind == "start" and mark.role))
            and not was_thought(rest, wrapped=course.wrapped)
        ):
            course.parted = course.parted or (mark.kind == "spoken" and any(m.kind == "speak" for m in rest))
            at = len(content)
            break
    course.take(at, len(content))
    if course.depth:
        leaks.append("think-unclosed" if any(form.startswith("think-") for form in leaks) else "channels")
    return told(content, marks, course, leaks)


def told(content: str, marks: Sequence[Mark], course: Course, leaks: list[str]) -> Heard:
    thoughts = "\n".join(content[start:stop] for start, stop in sorted(course.thought))
    unclear: Unclear | None = None
    start, stop = (course.spoken[0][0], course.spoken[-1][1]) if course.spoken else (0, 0)
    inside = [mark for mark in marks if start < mark.stop and mark.start < stop]
    if course.depth or course.parted or any(mark.kind in ("open", "close", "speak", "spoken") for mark in inside):
        start, stop = (0, 0) if course.depth or not course.spoken else course.spoken[-1]
        unclear = "leaked-thoughts"
    elif inside or (course.foreign and course.spoken):
        unclear = "control-token"
    text = content[start:stop]
    if LOST in content.strip() and LOST not in thoughts:
        leaks.append("garbled")
    if unclear is None and is_garbled(text):
        leaks.append("garbled")
        unclear = "garbled"
    leak = next((form for form in SEVERITY if form in leaks), None)
    return Heard(text, thoughts, leak, unclear)


SEVERITY = (
    "think-unclosed", "think-unopened", "channels", "think-tags", "thought-headings", "answer-tags", "end-token",
    "control-tokens", "role-header", "garbled",
)  # fmt: skip
"""Which leak is told of, where there are several."""


def was_thought(rest: Sequence[Mark], *, wrapped: bool) -> bool:
    """Whether something later in this turn says that all before it was thought."""
    depth = 0
    for mark in rest:
        if mark.kind == "start" and mark.role and mark.role not in OURS:
            return False
        if mark.kind == "open":
            depth += 1
        elif mark.kind == "close":
            if not depth:
                return True
            depth -= 1
        elif mark.kind == "speak" and not depth and not wrapped and mark.form == "channels":
            return True
    return False


def trimmed(content: str, start: int, stop: int) -> tuple[int, int]:
    """The stretch without white space and broken characters around it."""
    if match := EDGE.match(content, start, stop):
        start = match.end()
    while stop > start and (content[stop - 1] == LOST or EDGE.fullmatch(content[stop - 1])):
        stop -= 1
    return start, stop


def is_garbled(text: str) -> bool:
    """Whether characters were lost, or the words of a vocabulary were never put together to text."""
    return LOST in text or len(RAW_PIECES.findall(text)) > max(2, text.count(" "))


def control_tokens(text: str) -> list[str]:
    """All that looks like a control token or a tag of thoughts, as it stands in the text."""
    return [text[mark.start : mark.stop] for mark in bracketed(text)]


def unfit(text: str) -> Unclear | None:
    """Why some words can be neither a statement nor a line of training data; None if they can."""
    if is_garbled(text):
        return "garbled"
    kinds = {mark.kind for mark in bracketed(text)}
    if kinds & {"open", "close", "speak", "spoken"} or GLUED_TOGETHER.search(text):
        return "leaked-thoughts"
    return "control-token" if kinds else None


def bracketed(text: str) -> list[Mark]:
    """The marks that are marks wherever they stand."""
    found = tokens(text.translate(SAME)) if BRACKETS.search(text) else ()
    return sorted(found, key=lambda mark: mark.start)
