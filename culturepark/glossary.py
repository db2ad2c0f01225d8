"""Meanings of the store's short words, as screens, plain text and the report page show them."""

from __future__ import annotations

from collections.abc import Iterator

from culturepark.interface import grouped, plural, tr

DROPPED = {
    "unfaithful": "the words it rests on do not carry it",
    "unparsable": "the verifier gave no answer that could be read",
    "contradicts-stance": "it goes against the speaker's own answer",
    "irrelevant-to-stance": "it has nothing to do with the speaker's own answer",
    "entails-stance": "it supports the speaker's own answer, which this run does not keep",
    "unsure": "the verifier was not sure enough of itself",
    "not-verified": "it was never verified",
    "undecided": "a check came to no answer that could be read",
    "harmlessness": "judges found that it demeans a group of people",
    "awareness": "judges found that it does not know its place",
    "cross-check": "somebody else of the same culture does not know it, or denies it",
    "before-the-question": "it was said before the question had been put",
    "picked": "a model too small to speak freely picked this view from the card",
    "answers-nothing": "it answers none of the questions under which it could stand",
    "not-alone": "it cannot be understood by itself",
    "generic": "it would pass for most other countries",
    "shape-share": "the run has enough samples of this shape",
    "duplicate": "the run has another statement that says the same",
    "same-words": "the run has another sample with the very same words",
    "review": "reviewers rejected it",
    "superseded": "it belongs to an earlier extraction or verification",
    "no reason": "no reason was noted",
}
"""Reasons why a sample was not kept."""

REJECTED = {
    "across-turns": "pieces of more than one turn",
    "another-country": "about another country than the speaker's",
    "another-speaker": "about what somebody else thinks, says or does",
    "bygone": "about what is over",
    "control-token": "a control token of the model's chat template stood in it",
    "cut-off": "a model's list of them that was cut off",
    "garbled": "characters in it arrived broken",
    "hearsay": "what people are said to say",
    "labelled-twice": "said by the model to hold a statement, and to hold none",
    "leaked-thoughts": "a model's thoughts stood in it",
    "no-norm": "a reasoning that names no norm, or one that was not shown",
    "no-statement": "no sentence that could be read",
    "no-such-piece": "a piece that no turn has",
    "not-by-itself": "not to be understood by itself",
    "not-meant": "imagined, or not meant",
    "personal": "about one person's life alone",
    "question": "a question",
    "quote-not-in-turn": "its quote was never said",
    "repeated": "the same words a second time",
    "slip": "a turn with a slip in it",
    "small-talk": "small talk",
    "too-long": "too long, or its turn was too long for the model's context",
    "too-short": "too short to be understood",
    "unlike": "a question whose words are too far from those of the original",
    "undecided": "the speaker had not decided",
    "unparsable": "a model's list of them that could not be read",
    "withheld": "a turn that a filter would not let the model read",
}
"""Reasons why words were not taken for a statement."""

REFUSED = {
    "asks-too-late": "puts a question that nobody could answer any more",
    "content-filter": "stopped by the endpoint's content filter",
    "control-token": "a control token of the model's chat template stands in it",
    "cut-off": "cut off in the middle",
    "empty": "no words in it",
    "garbled": "characters in it arrived broken",
    "leaked-thoughts": "the model's thoughts stand in it",
    "not-a-question": "a follow-up that asks nothing",
    "out-of-role": "speaks as a machine, not as the person",
    "refusal": "refuses to speak",
    "repeat": "says again what was said",
    "spoken-for-another": "speaks for somebody else at the table",
    "takes-nothing-up": "a follow-up that takes nothing up",
    "unparsable": "not in the form that was asked for",
    "withheld": "kept back by a filter, or by the model itself",
    "wrong-language": "in another language",
}
"""Reasons why an answer was refused and asked for again."""

STOPS = {
    "completed": "came to its end",
    "repeating": "only repeated itself, and was closed",
    "refused-turns": "a turn was turned down too often",
    "bug": "a fault of the program",
    "context-overflow": "the talk grew longer than the model's context",
    "prompt-cut": "the endpoint cut the prompt without a word",
    "bad-answer": "the endpoint's answers could not be used",
    "overloaded": "the endpoint was too busy",
    "unreachable": "the endpoint could not be reached",
    "wrong-request": "the endpoint refused the request",
    "model-error": "the model could not be asked",
    "pending": "not begun",
    "running": "still going on",
    "done": "came to its end",
    "failed": "failed",
    "stopped": "stopped early",
}
"""Reasons why a dialogue ended, and states of one that did not end."""

STATUSES = {
    "pending": "not begun yet",
    "running": "still going on when this page was made",
    "done": "done",
    "failed": "failed",
    "stopped": "stopped before its end; it can be resumed",
}

STAGES = {
    "dialogue": "speaking",
    "mine": "asking without a talk",
    "examine": "looking for slips",
    "extract": "finding statements",
    "verify": "verifying them",
    "check": "checks by judges and second personas",
    "dedup": "comparing them",
    "measure": "measuring the talks",
    "shape": "wording the prompts anew",
}

STATUS_SIGNS = {
    "pending": ("·", "quiet"),
    "running": ("▸", "busy"),
    "done": ("✓", "good"),
    "failed": ("✗", "bad"),
    "stopped": ("■", "busy"),
}
"""Of a run or dialogue: the sign beside its word, and the ink of both. No sign and no colour stands alone."""

DECISION_SIGNS = {
    "accept": ("✓", "accepted", "good"),
    "reject": ("✗", "rejected", "bad"),
    "comment": ("✎", "noted", "quiet"),
}
"""Of a review: sign, word and ink."""

ROLES = {
    "speaker": "the people at the table",
    "moderator": "the moderator",
    "extractor": "who finds statements",
    "verifier": "who verifies them",
    "embedder": "what compares them",
    "judge": "a judge",
    "judge-2": "a second judge",
    "judge-3": "a third judge",
}

CRITERIA = {
    "faithful": "Carried by the quote",
    "stance": "In line with the speaker's own answer",
    "carried": "Carried by that line of the card",
    "answers": "Answers its own question",
    "answers-seed": "Answers the question of the dialogue",
    "answers-case": "Answers the case at the table",
    "answers-other": "Answers somebody who tells another country's custom",
    "stands-alone": "Can be understood without the talk",
    "distinctive": "Tells its country, with names masked",
    "harmlessness": "Harmless",
    "awareness": "Culturally aware",
    "cross-check": "Known to somebody else of the culture",
}

RELATIONS = {
    "entail": "yes",
    "contradict": "no, the opposite",
    "irrelevant": "no, it is about something else",
    "unparsable": "no answer that could be read",
}

ROW_QUESTIONS = {
    "answers": "answers its own question",
    "answers-seed": "answers the seed's question",
    "answers-case": "answers the case",
    "answers-other": "answers another country",
    "stands-alone": "stands alone",
    "distinctive": "tells its country",
}
"""Criteria that are asked of the row which a statement would make, without the talk; at most 27 columns."""

ROW_RELATIONS = {"entail": "yes", "contradict": "no", "irrelevant": "no", "unparsable": RELATIONS["unparsable"]}

VARIETY = {
    "kept": "statements with a kept sample",
    "again": "accepted ones that say what was said before",
    "heard": "people behind kept ones, of those cast",
    "words": "different words among 42 at random (HD-D, 0 to 1)",
    "sense": "mean cosine distance inside a question",
    "gain": "diversity gain over the questions, 0 to 4",
    "shared": "made by speakers of another culture too",
}
"""The columns of the table of voices. *Accepted* statements passed every question that was put about them."""

TALKS = {
    "uptake": "speeches that take up the one before",
    "answered": "questions that are answered",
    "in_words": "answers in the words of the question",
    "in_words_moderator": "the same, of the moderator",
    "in_words_people": "the same, of each other",
    "spoken_next": "whoever is asked speaks next",
    "asked": "questions to each other, a speech",
    "balance": "evenness of words by person",
    "smallest": "the least heard, of a fair share",
    "words": "words a speech",
    "echo": "card words in a row, the median",
    "echo_longest": "card words in a row, the longest",
    "echo_long": "speeches with 8 card words in a row",
    "labels": "say the label of their own answer",
    "novelty": "new words, neither on card nor said",
    "repetition": "said before by the same person",
    "drift": "come nearer, from first to last",
    "contradiction": "contradicts itself, a speech",
    "addressee": "takes one for another, a speech",
    "task": "speaks of the task, a speech",
    "unanswered": "leaves a question, a speech",
    "unfounded": "makes up a rule, a speech",
    "statements": "kept statements, a speech",
    "stance_found": "a judge finds the own answer",
    "foreseen_before": "choices foretold from the opening",
    "foreseen": "choices foretold from the talk",
    "prompt_tokens": "prompt tokens a turn",
    "completion_tokens": "completion tokens a turn",
    "calls": "calls of models a speech",
}
"""Measures of dialogues, from their turns alone (`stats.talks.Measures` says how), and what a turn cost; at most 37
columns."""

SHAPES = {
    "survey": "survey answer",
    "open": "open answer",
    "norm": "norm or custom",
    "own": "answer to its own question",
    "situation": "what one does in a case",
    "limit": "for whom it is not so",
    "contrast": "two countries told apart",
    "decline": "a custom of others declined",
    "reasoned": "survey answer after its reasons",
}

KINDS = {"opinion": "opinion", "norm": "norm", "custom": "custom"}

KINDS_TOGETHER = {"opinion": "opinions", "norm": "norms", "custom": "customs"}

SHAPES_TOGETHER = {
    "survey": "survey answers",
    "open": "open answers",
    "norm": "norms and customs",
    "own": "answers to own questions",
    "situation": "answers in a case",
    "limit": "limits",
    "contrast": "pairs of countries told apart",
    "decline": "declined customs",
    "reasoned": "survey answers after their reasons",
}

ORIGINS = {
    "picked": "picked from the card",
    "cue": "fixed cue",
    "fallback": "fixed follow-up",
    "typed": "typed by a person",
    "edited": "edited by a person",
}
"""Of turns that no model said by itself."""

FIXED = ("cue", "fallback")
"""Origins of turns whose words are the same in every dialogue."""

ACTS = {
    "welcome": "welcomes everybody",
    "ask": "puts the case, or the question",
    "bring-in": "brings in somebody who has said little",
    "pass-on": "lets somebody ask the others",
    "scene": "asks for a scene",
    "rule": "asks for a rule",
    "exception": "asks for an exception",
    "otherwise": "asks what happens otherwise",
    "contrast": "sets two turns beside each other",
    "say-back": "says back what it understood",
    "move-on": "moves on",
    "close": "closes the talk",
}
"""What a moderator does with a turn."""

TOLD = {
    "answer": "an own answer",
    "scene": "a scene",
    "rule": "a rule",
    "consequence": "what follows",
    "exception": "an exception",
    "reaction": "a reaction",
}
"""What a speech holds, by its speaker's mark."""

PROVENANCE = {"card": "the card", "episode": "a remembered scene", "model": "the model that speaks"}
"""Where rules and customs in a speech come from, by its speaker's mark."""

GROUNDS = {
    "card": "on the speaker's card",
    "episode": "in a scene on the card",
    "model": "made up by the model; no line of the card carries it",
    "unknown": "not known; nobody has looked whether the card carries it",
}
"""Where the content of a statement comes from, as somebody looked it up."""

GROUNDS_SHORT = {"card": "card", "episode": "scene", "model": "made up", "unknown": "not known"}

REACHES = {"general": "people around the speaker", "personal": "the speaker alone"}
"""Of whom a statement tells."""

SUBJECTS = {"seed": "the question of the dialogue", "case": "the case at the table", "else": "something else"}
"""What a statement is about."""

SLIPS = {
    "contradiction": "goes against the card, a scene or earlier words",
    "addressee": "takes somebody for somebody else",
    "task": "speaks of the task",
    "unanswered": "leaves a question unanswered",
    "unfounded": "tells a rule or custom as a fact that is on no card",
}
"""What a turn did wrong, as the verifier found after the talk."""

SLIP_OUTCOMES = {
    "not mined": "the turn is not mined",
    "flagged": "samples from the turn are flagged",
    "mined": "the turn is mined all the same",
}

FLAGS = {
    "as-published": "its rewording was kept unchecked",
    "unfounded": "its turn tells a rule or custom as a fact that is on no card",
    "generic": "it would pass for most other countries",
    "ungrounded": "an opinion of somebody to whom no survey answer was dealt",
}
"""Flags of samples."""

PHASES = {
    "opening": "Introductions",
    "opinion": "Own views",
    "response": "Responses",
    "culture": "From home",
    "introduce": "Something to know",
    "chat": "Free talk",
    "talk": "Talk",
    "closing": "Closing",
}

METHODS = {
    "exact": "the same words",
    "e5": "much the same meaning",
    "minilm": "much the same meaning",
    "endpoint": "much the same meaning",
    "lexical": "much the same words",
}

FOR_THE_PAGE = {
    "dropped": DROPPED,
    "rejected": REJECTED,
    "refused": REFUSED,
    "stops": STOPS,
    "stages": STAGES,
    "criteria": CRITERIA,
    "shapes": SHAPES,
    "phases": PHASES,
    "methods": METHODS,
    "origins": ORIGINS,
    "slips": SLIPS,
    "flags": FLAGS,
    "kinds": KINDS,
}
"""Words for the script of the report page."""


SHOWN_AS_THEY_ARE = (
    "accept", "reject", "comment", "none", "decision", "rating", "wording", "note", "text", "answer",
    "Turn", "Statement", "Sample", "Subject", "Moderator", "You", "kept", "dropped", "rejected",
    "main contact", "delegate", "a real person", "moderator",
)  # fmt: skip
"""Short words of the store and of forms that screens show."""


def messages() -> Iterator[str]:
    """Yield all words here that screens show."""
    for name, table in list(globals().items()):
        if name.isupper() and isinstance(table, dict):
            yield from (text for text in table.values() if isinstance(text, str))
    yield from (word for _, word, _ in DECISION_SIGNS.values())
    yield from (*STATUS_SIGNS, *VARIETY, *SHOWN_AS_THEY_ARE)


def for_the_page() -> dict[str, dict[str, str]]:
    """Return `FOR_THE_PAGE` in the language that is shown."""
    told = {group: {name: tr(words) for name, words in of.items()} for group, of in FOR_THE_PAGE.items()}
    return told | {"decisions": {name: f"{sign} {tr(word)}" for name, (sign, word, _) in DECISION_SIGNS.items()}}


def in_words(words: dict[str, str], name: str) -> str:
    """Return the meaning of a short word; an unknown word stays as it is. `refused-turns: REASON` has a second one."""
    head, _, rest = name.partition(": ")
    if words is STOPS and rest:
        return f"{in_words(words, head)} ({in_words(REFUSED, rest)})"
    return tr(words[name]) if name in words else name


def relation_in_words(criterion: str, relation: str) -> str:
    """Return the answer of a verdict; a question about a row has no opposite."""
    return in_words(ROW_RELATIONS if criterion in ROW_QUESTIONS else RELATIONS, relation)


def flags_in_words(flags: str) -> str:
    """Return the meaning of the flags of a sample, which are words with spaces between them."""
    return "; ".join(f"{flag}: {in_words(FLAGS, flag)}" for flag in flags.split())


def signed_status(status: str) -> tuple[str, str]:
    """Return a status with its sign, and their ink."""
    sign, ink = STATUS_SIGNS.get(status, ("?", "quiet"))
    return f"{sign} {tr(status)}", ink


def counted(number: int, one: str, many: str = "") -> str:
    """Return as `1 run` or `2,000 runs`."""
    return f"{grouped(number)} {plural(number, one, many or one + 's')}"
