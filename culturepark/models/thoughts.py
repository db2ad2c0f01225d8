"""Separates a model's speech from its thoughts and from the control tokens of its chat template. Pure.

Servers take thoughts and control tokens out of an answer only if they are told the right format, and many are not.
Forms known from public reports: `<think>` without its beginning (vllm-project/vllm#17144) or in square brackets
(ggml-org/llama.cpp#16158), gpt-oss channels (NVIDIA/TensorRT-LLM#9256) also without their tokens
(Augustas11/macprovider#743), Gemma's channels (Blaizzy/mlx-vlm#899, ollama/ollama#15754), end-of-turn tokens as text
(BerriAI/litellm#3757, unslothai/unsloth#6804). All are recognised by shape, a bracket with a telling word in it,
because each family of models has names of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

Unclear = Literal["leaked-thoughts", "control-token", "garbled"]


@dataclass(frozen=True)
class Heard:
    """An answer, separated into speech and thoughts."""

    text: str
    """The speech: one contiguous piece of the content but for citations, without white space around it."""
    thoughts: str
    leak: str | None
    """The form of thoughts or tokens in the content, a key of `ADVICE`; None if there were none."""
    unclear: Unclear | None
    """Reason why `text` may not be speech; None if it can be trusted."""


PARSER = "start the server with the reasoning parser of this model, or with thinking off"
ADVICE = {
    "think-unclosed": f"thoughts begin in the answer and never end: raise the limit on tokens, or {PARSER}",
    "think-unopened": "the chat template opens the thoughts, so that the answer holds only their end: "
    f"{PARSER} (vLLM and SGLang: --reasoning-parser deepseek_r1 or the model's own)",
    "channels": "the endpoint sends the model's channels as text: update the server, and "
    f"{PARSER} (vLLM: --reasoning-parser openai_gptoss; SGLang: --reasoning-parser gpt-oss; llama-server: --jinja)",
    "think-tags": f"the endpoint sends thoughts in front of the answer: {PARSER} "
    "(vLLM and SGLang: --reasoning-parser; llama-server: --jinja --reasoning-format auto; Ollama: think=false)",
    "thought-headings": f"the model writes its thoughts under a heading in the answer: {PARSER}",
    "thoughts-twice": "the endpoint sends thoughts in a field of their own, and once more in front of the answer: "
    "update the server or gateway, or start it with thinking off",
    "citations": "the answer cites pages or files: turn search and retrieval off for this model",
    "answer-tags": "the model wraps its answer in tags: the server's chat template or system prompt asks for them",
    "end-token": "end-of-turn tokens come as text: start the server with the chat template and the end-of-turn token "
    "of this model, and with special tokens skipped",
    "control-tokens": "control tokens come as text: start the server with the chat template of this model, and with "
    "special tokens skipped",
    "role-header": "the header of a turn comes as text: start the server with the chat template of this model",
    "garbled": "characters arrive broken: update the server; it cuts characters of several bytes between two tokens",
}
"""Form of a leak -> how to start a server so that it ends. The order is that in which one of several is named."""


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
"""Names in angle brackets without bars that can only be control tokens."""
SQUARE = among(
    "inst sys gmask smask mask cls sep pad unk eos bos eot eod eom end img prefix middle suffix args tool_calls "
    "system_prompt transcribe"
)
"""Names in square brackets, in capitals, that can only be control tokens."""
NUMBERED = re.compile(r"(?:unused|extra_id|reserved|special|control|ctrl|token|placeholder)[a-z_]*\d+|0x[0-9a-f]{2}")
SNAKE = re.compile(r"[a-z]+(?:_[a-z0-9]+)+")

# --- marks --------------------------------------------------------------------------------------------------

Kind = Literal["open", "close", "speak", "spoken", "start", "end", "other"]


@dataclass(frozen=True)
class Mark:
    """A sign in an answer that is no speech, and tells where speech or thoughts begin or end."""

    start: int
    stop: int
    kind: Kind
    form: str
    """The form of leak that it belongs to."""
    role: str = ""
    """The speaker whose turn it begins, if it names one."""
    ends_with_turn: bool = False
    """Whether the thoughts that it opens end with the token that ends a message."""


SAME = str.maketrans("｜│◁▷＜＞⟨⟩‹›【】［］▁／", "||<><><><>[][]_/")
"""Characters that some tokenizers use for bars and brackets. Each becomes one character, so places stay the same."""
BLANK = r"[\s\u200b-\u200d\u2060\ufeff]"
LESS = r"(?i:<|&(?:amp;)?(?:lt|#0*60|#x0*3c);|\\{1,2}(?:u003c|x3c))"
MORE = r"(?i:>|&(?:amp;)?(?:gt|#0*62|#x0*3e);|\\{1,2}(?:u003e|x3e)(?:\\{1,2}[nrt]|\s)*)"
"""Angle brackets, also escaped for HTML or JSON; with them, ends of lines are escaped too."""
ANGLE = re.compile(rf"\\{{0,2}}{LESS}<?{BLANK}{{0,2}}(?P<body>[^<>\n&]{{1,160}}?){BLANK}{{0,2}}{MORE}>?")
SQUARE_BARS = re.compile(rf"\[{BLANK}?\|(?P<body>/?[^\[\]|\n]{{1,60}})\|{BLANK}?\]")
BRACKET = re.compile(rf"\[{BLANK}{{0,2}}(?P<body>/?{BLANK}{{0,2}}[^\W\d][\w ]{{0,40}}?){BLANK}{{0,2}}\]")
BODY = re.compile(r"(?P<pre>[|/\\ ]*)(?P<name>[^\s|/\\=]+)(?P<rest>[^|]*?)(?P<post>[|/\\ ]*)")
LEFT, RIGHT = rf"{LESS}{BLANK}?", rf"{BLANK}?{MORE}"
CHANNEL = re.compile(
    rf"{LEFT}(?P<left>\|?)channel(?P<right>\|?){RIGHT}"
    r"(?:\s*(?P<name>analysis|commentary|comment|thoughts?|thinking|reasoning|final|answer|response)\b(?! [a-z]))?"
    rf"(?:\s*to=[\w.]{{1,60}})?(?:\s*{LEFT}\|constrain\|{RIGHT}\s*\w{{1,20}})?(?:\s*{LEFT}\|message\|{RIGHT})?"
    rf"|(?:\A\s*|(?<=\n))(?P<bare>analysis|commentary|final)\s*{LEFT}\|message\|{RIGHT}"
)
PARTS = re.compile(rf"{LEFT}\|(?P<way>open|close)\|{RIGHT}\s*(?P<name>\w{{1,20}})\s*{LEFT}\|sep\|{RIGHT}")
"""The parts of an answer of Kimi's, each between tokens with its name."""
ROLE_AFTER = re.compile(rf"\s*(?P<role>{ROLES})\b[ \t]*", re.IGNORECASE)
GLUED = re.compile(
    r"\A\s*(?P<first>analysis|commentary|final)(?=[A-Z\"“]|[ \t]*\n)"
    r"|assistant(?P<later>final|analysis|commentary)(?![a-z])"
    r"|assistant(?P<glued>final)(?=[a-z])"
)
"""gpt-oss channels whose special tokens were skipped: `analysisWe need to ...assistantfinalIn my village`."""
APART = re.compile(r"\bassistant\s+(?P<later>final|analysis|commentary)\s+")
"""The same with spaces; it counts only after thoughts that began with a channel."""
UNMARKED = re.compile(r"\A\s*thought(?:\s*(?:\[\]|\(\))|[ \t]*\n|(?=[A-Z]))")
"""The marker of Gemini and Gemma without its tokens; nothing says where these thoughts end."""
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
PRINTED = re.compile(
    r"\A\s*Thinking(?:\.{3}|…)[ \t]*\n"
    r"|\A\s*[*_]{0,3}(?i:thinking) ?(?:\.{3}|…)[*_]{0,3}(?=.*(?:\.{3}|…) ?[*_]{0,3}(?i:done thinking))",
    re.S,
)
PRINTED_END = re.compile(r"[*_]{0,3}(?:\.{3}|…) ?[*_]{0,3}done thinking[.!…]{0,3}[*_]{0,3}", re.I)
PRINTED_ALONE = re.compile(rf"^[ \t]*{PRINTED_END.pattern}[ \t]*$", re.I | re.M)
"""Thoughts as Ollama prints them on a terminal."""
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
"""The header of a turn without its tokens: on a line of its own, or directly behind the end of a sentence."""
MOST_MARKS = 500
"""With more of them, a model has lost itself in control tokens; reading on would take long."""
RUN_ON = re.compile(r"(?<=\S)\s*\n\s*(?:#{1,4}[ \t]*(?i:human|user|instruction|input)|Human|HUMAN)[ \t]*:")
"""The label of the next turn, in templates that have no tokens."""
BROKEN = re.compile(r"(?:<\|[\w ]{0,40}\|?|</[a-z_]{0,20})\Z", re.I)
"""The beginning of a token that a server cut at the end of an answer."""
ODD = re.compile(r"(?P<start>\]~!?b[\[\]])|(?P<end>\[e~\[)")
"""The tokens of MiniMax."""
NUMBERS = r"\[\^?\d{1,3}(?:[ ]?[,–-][ ]?\d{1,3})*\]"
CITATION = re.compile(
    r"(?<![ \t])(?P<space>[ \t]*)(?:"
    r"\ue200(?:[^\ue200\ue201\n]{0,400}\ue201|\w*(?:\ue202[\w-]*)+|\w*\Z)|[\ue200-\ue206]"
    r"|\\ue200(?:(?!\\ue20[01])[^\n]){0,400}\\ue201"
    r"|(?:file)?cite(?:turn\d+[a-z]+\d+)+"
    r"|[【\[]\d+(?::\d+)?†[^【】\[\]\n]{0,200}[】\]]"
    r"|:{0,2}contentReference\[oaicite:\d+\](?:\{index=\d+\})?"
    rf"|(?:(?<=[\w.!?…\"”)])|(?<=[.!?…][ ])){NUMBERS}(?:[ ]?{NUMBERS})*"
    r")+"
)
"""Marks of sources as OpenAI's search and assistants write them, the first also without its private characters, and
numbers in brackets (Perplexity) where they stand directly behind a word or a sentence."""
CITES = re.compile(r"\[\^?\d|[\ue200-\ue206【]")
"""A text without these, `cite` and an escaped private character holds no mark of a source."""
SUMMARY = re.compile(r"\*\*[A-Z]\w+ing [^*\n]{2,80}\*\*[ \t]*\n")
"""The title of a summary of thoughts, as OpenAI and Gemini write it; nothing says where the thoughts end."""
FOLLOWS = re.compile(r"[^\s.,;:!?)»”…。，、！？]")
"""The beginning of a word, which keeps the space in front of a citation."""
LOST = "\ufffd\0\ud800-\udfff"
"""What is left of a character that was cut, for a class in a pattern; a store has the first for all of them."""
LOSS = re.compile(f"[{LOST}]")
EDGE = re.compile(rf"(?:{BLANK}|[{LOST}])+")
RAW_PIECES = re.compile(r"[ĠĊ▁]")
"""Spaces and line ends as byte-level and sentence-piece vocabularies spell them."""
SIGNS = re.compile(
    rf"[<\[｜◁＜⟨‹【［{LOST}ĠĊ▁]|\]~|&(?:amp;)?(?:lt|#)|\\(?:u003|x3)c|```|~~~|\A\s*>|assistant"
    r"|(?:user|model|system)[ \t]*\n|(?:human|user|instruction|input)[ \t]*:|done thinking"
    r"|\A\W{0,6}(?:analysis|commentary|final|model|user|system|here|think|thought|reason|internal|inner|my|reflect|plan)"
    r"|(?:answer|response|reply|speech|version|output)[*:\s]",
    re.I,
)
"""A text without any of these signs holds no mark, as most speeches."""
SIGNS_AT_ONCE = re.compile(
    rf"[<\[｜◁＜⟨‹【［{LOST}ĠġĊċ▁]|\A\s*>"
    r"|\A\W{0,6}(?i:analysis|commentary|final|model|user|system|here|think|thought|reason|internal|inner|my|reflect|plan)"
)
WORDS_OF_SIGNS = (
    "]~", "&lt", "&#", "&amp;", "\\u003", "\\x3c", "```", "~~~", "assistant", "user", "model", "system", "human",
    "instruction", "input", "done thinking", "answer", "response", "reply", "speech", "version", "output",
)  # fmt: skip
BRACKETS = re.compile(rf"[<\[◁＜⟨‹【［\]]|{LESS}")
GLUED_TOGETHER = re.compile(r"assistant(?:final|analysis|commentary)(?![a-z])")


def may_hold_marks(text: str) -> bool:
    """Return whether a text has one of the `SIGNS`. What is looked for first takes a tenth of the time."""
    folded = text.casefold()
    if not text.isascii() and ("\u0130" in text or "\u0131" in text):  # both are an `i` to a pattern without case
        folded = folded.replace("i\u0307", "i").replace("\u0131", "i")
    maybe = SIGNS_AT_ONCE.search(text) or any(words in folded for words in WORDS_OF_SIGNS)
    return bool(maybe and SIGNS.search(text))


@lru_cache(maxsize=64)
def marks_in(text: str) -> Sequence[Mark]:
    """Return all marks in their order, without overlap. They are kept: JSON is looked at as a reply, and as JSON."""
    folded = text.translate(SAME)
    candidates = [*channels(folded), *fences(folded), *headings(folded), *tokens(folded)]
    marks: list[Mark] = []
    for mark in sorted(candidates, key=lambda mark: (mark.start, -mark.stop)):
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
            half = bool(match["left"]) and not match["right"]  # Gemma opens so, and closes with `<channel|>`
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
    printed = PRINTED.match(folded)
    if printed:
        yield Mark(*printed.span(), "open", "thought-headings")
    for match in (PRINTED_END if printed else PRINTED_ALONE).finditer(folded):
        yield Mark(*match.span(), "close", "thought-headings")


def headings(folded: str) -> Iterator[Mark]:
    """Yield headings of turns, of thoughts, and of the speech that follows them."""
    for match in HEADER.finditer(folded):
        yield Mark(*match.span(), "start", "role-header", match["role"])
    for match in RUN_ON.finditer(folded):
        yield Mark(*match.span(), "start", "role-header", "human")
    if broken := BROKEN.search(folded):
        yield Mark(*broken.span(), "end", "end-token")
    opening = HEADING.match(folded)
    speeches = [m for m in SPEECH_HEADING.finditer(folded) if opening or (is_loud(m[0]) and not m["short"])]
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
    """Return whether a heading cannot be part of a spoken sentence: it is bold, or alone on its line."""
    return "**" in heading or heading.lstrip().startswith("#") or heading.rstrip(" \t").endswith("\n")


def tokens(folded: str) -> Iterator[Mark]:
    """Yield tags and tokens in brackets."""
    in_details = False
    for match in ANGLE.finditer(folded):
        if body := BODY.fullmatch(match["body"]):
            mark = in_angles(match, body, in_details=in_details)
            in_details = in_details or (body["name"].casefold() == "details" and mark is not None)
            if mark:
                yield mark
    for match in SQUARE_BARS.finditer(folded):
        words, closes = words_of(match["body"]), "/" in match["body"]
        yield of_words(match, words, closes=closes, bars=True) or control(match, words, closes=closes)
    for match in ODD.finditer(folded):
        start = bool(match["start"])
        yield Mark(*match.span(), "start" if start else "end", "control-tokens" if start else "end-token")
    closed = {match["body"].strip("/ ").casefold() for match in BRACKET.finditer(folded) if match["body"][0] == "/"}
    for match in BRACKET.finditer(folded):
        if mark := in_square(match, closed):
            yield mark


def in_angles(match: re.Match[str], body: re.Match[str], *, in_details: bool) -> Mark | None:
    """Return the mark of a tag in angle brackets; None if people may write the tag.

    Args:
        in_details: whether thoughts have begun with `<details>`.
    """
    bars = "|" in body["pre"] + body["post"]
    closes = "/" in body["pre"] + body["post"]
    name, rest = body["name"].strip("|/"), body["rest"]
    words = words_of(name)
    if name.casefold() == "details":
        if closes and in_details:
            return Mark(*match.span(), "close", "think-tags")
        return Mark(*match.span(), "open", "think-tags") if set(words_of(rest)) & THINKING else None
    all_words = words + words_of(rest)
    attributes = not rest.strip() or "=" in rest
    known = attributes or set(all_words) <= THINKING | ANSWERING | FILLERS
    if known and (mark := of_words(match, words if attributes else all_words, closes=closes, bars=bars)):
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
    """Return the mark of a tag in square brackets; None for a stage direction."""
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
    """Return the words of `antThinking`, `START_THINKING` or `seed:think`, in lower case."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[\W_]+", parted.casefold()) if word]


def of_words(match: re.Match[str], words: Sequence[str], *, closes: bool, bars: bool) -> Mark | None:
    """Return the mark of a tag of thoughts or of the answer; None if it is neither."""
    own = set(words)
    if own & THINKING:
        if own & OFF:
            return Mark(*match.span(), "other", "control-tokens")
        ends = closes or (bool(own & CLOSING) and not own & OPENING)
        form = "think-tags"
        return Mark(*match.span(), "close" if ends else "open", form, ends_with_turn=bars and not own & OPENING)
    if own & ANSWERING or (bars and own in ({"content"}, {"start", "text"}, {"end", "text"})):
        return Mark(*match.span(), "spoken" if closes or own & CLOSING else "speak", "answer-tags")
    return None


def control(match: re.Match[str], words: Sequence[str], *, closes: bool) -> Mark:
    """Return the mark of a control token, which ends a turn, begins one, or does neither."""
    own, span = set(words), match.span()
    if (own & {"header", "role"} and own & {"end"}) or own & {"middle", "message"}:
        return Mark(*span, "other", "control-tokens")
    if own & {"unused", "reserved", "special", "extra", "fim", "tool", "tools", "action", "image", "vision", "audio"}:
        return Mark(*span, "other", "control-tokens")
    half_closed = match["body"].endswith("|") and not match["body"].startswith("|")  # as <turn|>
    if own & ENDS or closes or (half_closed and "turn" in own):
        return Mark(*span, "end", "end-token")
    role = next((word for word in words if re.fullmatch(ROLES, word)), "")
    if role or own & STARTS:
        return Mark(*span, "start", "control-tokens", role)
    return Mark(*span, "other", "control-tokens")


def with_roles(marks: Sequence[Mark], folded: str) -> list[Mark]:
    """Extend each mark that begins a turn over the role that stands behind it."""
    extended = []
    for number, mark in enumerate(marks):
        if mark.kind == "start" and (match := ROLE_AFTER.match(folded, mark.stop)):
            following = marks[number + 1].start if number + 1 < len(marks) else len(folded)
            alone = folded[match.end() : match.end() + 1] in ("\n", "") or match.end() == following
            hard = mark.stop == match.start("role") and not mark.role
            if match.end() <= following and (alone or hard):
                mark = replace(mark, stop=match.end(), role=mark.role or match["role"].casefold())
        extended.append(mark)
    return extended


# --- speech -------------------------------------------------------------------------------------------------


@dataclass
class Course:
    """State of reading an answer from left to right, mark by mark."""

    content: str
    speech: list[tuple[int, int]]
    """Stretches that may be speech."""
    thoughts: list[tuple[int, int]]
    depth: int = 0
    """Thoughts that are open, one in the other."""
    ends_with_turn: bool = False
    wrapped: bool = False
    """Whether a mark has announced the speech."""
    parted: bool = False
    """Whether thoughts, or a second answer, stand beside speech."""
    foreign: bool = False
    """Whether the answer begins with somebody else's turn."""

    def take(self, start: int, stop: int) -> None:
        start, stop = trimmed(self.content, start, stop)
        if start < stop:
            (self.thoughts if self.depth else self.speech).append((start, stop))

    def all_was_thought(self) -> None:
        self.thoughts += self.speech
        self.speech = []


def heard(content: str) -> Heard:
    """Return the speech in an answer.

    Thoughts come before speech: everything up to the last end of thoughts is thought, and so is everything after a
    beginning without an end. Text behind the end of the turn belongs to another turn, and is left out. If no single
    piece of text is left without a control token or a broken character in it, the answer is `unclear`.
    """
    cleaned = without_citations(content)
    found = of_marks(cleaned, marks_in(cleaned) if may_hold_marks(cleaned) else [])
    if found.unclear is None and SUMMARY.match(found.text):
        found = replace(found, leak="thought-headings", unclear="leaked-thoughts")
    return replace(found, leak="citations") if cleaned != content and not found.leak else found


def answer_in(content: str) -> str:
    """Return an answer without the thoughts in front of it, but with the control tokens in it.

    This is for JSON, which tells by itself where it ends, and may have such a token in a string.
    """
    content = without_citations(content)
    kinds = ("open", "close", "speak", "spoken")
    return of_marks(content, [mark for mark in marks_in(content) if mark.kind in kinds]).text


def without_citations(text: str) -> str:
    """Return a text without marks of sources, and without the spaces that would be left in front of each."""
    if not ("cite" in text or "\\ue20" in text or CITES.search(text)):
        return text
    return CITATION.sub(lambda mark: mark["space"] if FOLLOWS.match(text, mark.end()) else "", text)


SHORTEST = 12
"""Characters; a shorter thought may begin an answer by chance."""


def after_thoughts(content: str, thoughts: Sequence[object]) -> str:
    """Return an answer without the thoughts that it begins with, word for word, and that came in a field as well.

    If nothing else is left, the answer stays as it is: servers write answers into such a field too.
    """
    for thought in thoughts:
        if isinstance(thought, str) and len(thought := thought.strip()) >= SHORTEST:
            rest = content.lstrip().removeprefix(thought)
            if len(rest) < len(content.lstrip()) and re.search(r"\w", rest):
                return rest
    return content


def of_marks(content: str, marks: Sequence[Mark]) -> Heard:
    """Return the speech that these marks leave."""
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
            pass  # thoughts about the form of the answer
        elif mark.kind == "speak":
            course.parted = course.parted or (course.wrapped and bool(course.speech))
            course.all_was_thought()
            course.depth, course.wrapped = 0, True
        elif course.depth:
            if mark.kind == "end" and course.ends_with_turn:
                course.depth = 0
        elif mark.kind == "start" and not course.speech:
            course.foreign = course.foreign or bool(mark.role and mark.role not in OURS)
        elif (
            course.speech
            and (mark.kind in ("end", "spoken") or (mark.kind == "start" and mark.role))
            and not was_thought(rest, wrapped=course.wrapped)
        ):
            course.parted = course.parted or (mark.kind == "spoken" and any(m.kind == "speak" for m in rest))
            at = len(content)
            break
    course.take(at, len(content))
    if course.depth:
        leaks.append("think-unclosed" if any(form.startswith("think-") for form in leaks) else "channels")
    return judged(course, marks, leaks)


def judged(course: Course, marks: Sequence[Mark], leaks: list[str]) -> Heard:
    """Return the speech of an answer that was read to its end, and whether it can be trusted."""
    content = course.content
    thoughts = "\n".join(content[start:stop] for start, stop in sorted(course.thoughts))
    unclear: Unclear | None = None
    start, stop = (course.speech[0][0], course.speech[-1][1]) if course.speech else (0, 0)
    inside = [mark for mark in marks if start < mark.stop and mark.start < stop]
    if course.depth or course.parted or any(mark.kind in ("open", "close", "speak", "spoken") for mark in inside):
        start, stop = (0, 0) if course.depth or not course.speech else course.speech[-1]
        unclear = "leaked-thoughts"
    elif inside or (course.foreign and course.speech):
        unclear = "control-token"
    text = content[start:stop]
    if LOSS.search(content) and not LOSS.search(thoughts):
        leaks.append("garbled")
    if unclear is None and (LOSS.search(text) or is_garbled(text)):
        leaks.append("garbled")
        unclear = "garbled"
    leak = next((form for form in ADVICE if form in leaks), None)
    return Heard(text, thoughts, leak, unclear)


def was_thought(rest: Sequence[Mark], *, wrapped: bool) -> bool:
    """Return whether a later mark of this turn says that everything before it was thought."""
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
    """Return a stretch without white space and broken characters around it."""
    if match := EDGE.match(content, start, stop):
        start = match.end()
    while stop > start and EDGE.fullmatch(content[stop - 1]):
        stop -= 1
    return start, stop


def is_garbled(text: str) -> bool:
    """Return whether characters were lost, UTF-8 was read as another code, or pieces of a vocabulary never joined."""
    if text.isascii() and "\0" not in text:
        return False
    misread = "â€" in text or len(MISREAD.findall(text)) > 1
    lost = any(char != "\0" for char in LOSS.findall(text))  # exports escape NUL
    return lost or misread or len(RAW_PIECES.findall(text)) > max(2, text.count(" "))


def misread_bytes(first: int, last: int) -> str:
    """Return the characters that bytes become in Windows-1252, and in Latin-1 where it has none, for a pattern."""
    letters = (bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(first, last + 1))
    return re.escape("".join(letters))


FOLLOWING = rf"(?![\s«»“”‘’‚„…–—•])[{misread_bytes(0x80, 0xBF)}]"
"""A byte after the first of a character. Punctuation stands behind a capital with an accent in ordinary text too."""
MISREAD = re.compile(rf"[{misread_bytes(0xC2, 0xDF)}]{FOLLOWING}|[{misread_bytes(0xE0, 0xEF)}]{FOLLOWING}{{2}}")
"""A character of two or three bytes, read byte by byte. Typographic punctuation becomes `â€` and a third sign."""


def unfit(text: str) -> Unclear | None:
    """Return the reason why words can be neither a statement nor training data; None if they can."""
    if is_garbled(text):
        return "garbled"
    kinds = {mark.kind for mark in bracketed(text)}
    if kinds & {"open", "close", "speak", "spoken"} or GLUED_TOGETHER.search(text) or PRINTED_ALONE.search(text):
        return "leaked-thoughts"
    return "control-token" if kinds or CITATION.search(text) else None


def bracketed(text: str) -> list[Mark]:
    """Return the marks that are marks wherever they stand: tags and tokens in brackets."""
    marks = tokens(text.translate(SAME)) if BRACKETS.search(text) else ()
    return sorted(marks, key=lambda mark: mark.start)
