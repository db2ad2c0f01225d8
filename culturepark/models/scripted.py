"""A model that follows a script: deterministic, offline, and a function of the request alone.

It is for tests and for learning the tool. Its words come from the persona cards. The same function answers in-process
and behind the test server, and both get the request that a real model would get.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from typing import Any

from culturepark.domain import DEFAULT_LANGUAGE, JsonObject
from culturepark.languages import HOLE, PACKAGES, Language, Prompt, load_language
from culturepark.languages.identified import language_in
from culturepark.models.chat import Reply, Request, Traits, Usage
from culturepark.models.spec import ModelSpec

OPENERS = (
    "Let me tell it as it is with us.",
    "I can only speak from my own life.",
    "This is how I have seen it.",
    "There is one thing I would add.",
    "Perhaps it sounds strange to you.",
    "I have often thought about this.",
    "You make me think of home.",
    "In the end it is simple for me.",
)

OPTIONS = re.compile(r"^([A-Z]|\d{1,5})\. .+(?=(?:\n(?:[A-Z]|\d{1,5})\. .+)*\Z)", re.M)
"""The marks of the options with which a question of a suite ends."""

STANCES = (
    "I think the honest answer for me is {stance}, because of {reason}. That is how I see it here in {place}.",
    "In {place} you will hear all sorts of things, but my own answer is {stance}. What settles it for me is {reason}.",
    "If you ask me, {stance}: nothing else would go together with {reason}. Others in {place} may see it otherwise.",
    "Since I was young I have cared about {reason}, and so I think {stance} is right for me. So much from {place}.",
)


class ScriptedModel:
    """`scripted`: needs nothing, sends nothing."""

    endpoint = "scripted"

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.traits = Traits()

    def body(self, request: Request) -> JsonObject:
        body: JsonObject = {
            "model": "scripted",
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "seed": request.seed,
        }
        if request.schema:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": request.schema.name}}
        return body

    async def send(self, body: JsonObject) -> Reply:
        content = answer(body)
        prompt = sum(len(str(m["content"])) for m in body["messages"]) // 4
        usage = Usage(prompt, 0, len(content) // 4, "estimate")
        choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return Reply(content, "stop", {"object": "chat.completion", "model": "scripted", "choices": [choice]}, usage)

    async def close(self) -> None:
        pass


def answer(body: JsonObject) -> str:
    """Return the script's answer to a request body."""
    schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("name")
    messages = body["messages"]
    if schema is None:
        if len(options := OPTIONS.findall(str(messages[-1]["content"]))) > 1:
            return str(options[number(str(messages[-1]["content"]), body.get("seed")) % len(options)])
        system = str(messages[0]["content"])
        if system.startswith("You interpret"):
            return rendering(json.loads(str(messages[-1]["content"])))
        if not system.startswith("You "):
            return in_another_language(system, messages)
        if not system.startswith("You moderate"):
            return talk(system, messages, body)
        called = first_group(r"spoken to ([\w'’.-]+) by name", system)
        return moderated(messages, called) if called else follow_up(messages)
    # A server without system messages has it in front of the JSON, which itself holds no empty line.
    material = json.loads(str(messages[-1]["content"]).rpartition("\n\n")[2])
    if schema == "move" and not str(messages[0]["content"]).startswith("You "):
        return json.dumps(leading(material, "{to}, “{tail}”?"))
    if schema in ("scores", "cross_check"):
        return json.dumps((scores if schema == "scores" else cross_check)(material, str(messages[0]["content"])))
    if schema in ("stances", "predictions", "choice"):
        return json.dumps(guesses(material, str(messages[0]["content"])))
    scripts = {
        "statements": extraction,
        "slips_and_statements": lambda shown: slips(shown) | extraction(shown),
        "verdicts": verdicts,
        "rewording": rewording,
        "ratings": ratings,
        "move": leading,
        "slips": slips,
        "same": different,
        "rows": rows,
        "wordings": wordings,
        "renderings": renderings,
        "comparisons": comparisons,
        "rating": rating,
        "assumptions": assumptions,
        "sentences": sentences,
        "views": views,
        "norms": norms,
        "reasonings": reasonings,
        "relations": relations,
    }
    return json.dumps(scripts[schema](material))


def different(material: JsonObject) -> JsonObject:
    """Return that no two texts say the same, as somebody would who understands neither."""
    return {"items": [{"id": item["id"], "difference": "not known", "same": False} for item in material["items"]]}


def ratings(material: JsonObject) -> JsonObject:
    """Return that every answer is plausible, and one is expected."""
    name, rated = material["person"]["name"], []
    for item in material["items"]:
        count = len(item["answers"])
        typical = number(name, item["question"]) % count
        rated.append({"id": item["id"], "ratings": [3 if i == typical else 2 for i in range(count)]})
    return {"items": rated}


def talk(system: str, messages: list[JsonObject], body: JsonObject) -> str:
    """Return one turn out of the card: first the name and home, then the stance, then one norm or custom each."""
    nth = spoken_before(messages, first_group(r"You are (.+) all the time", system) or "")
    name = first_group(r"^You are ([^,\n]+?)(?:,|\. This is your life)", system) or "somebody"
    place = first_group(r"live in ([^,\n]+),", system) or "here"
    stance = first_group(r"in the words of a questionnaire: (.+?)\. That is", system)
    norms = re.findall(r"^- (.+)$", system.partition("What you know from home:")[2].partition("\n\n")[0], re.M)
    values = re.findall(r"^- (.+?): ", system.partition("What matters to you:")[2].partition("\n\n")[0], re.M)
    marks = "[told: " in system

    def marked(speech: str, told: str, grounds: str) -> str:
        return f"{speech}\n[told: {told}; from: {grounds}; asks: none]" if marks else speech

    if nth == 0:
        home = values[0] if values else "my home"
        return marked(f"I am {name} and I live in {place}. What matters most to me is {home}.", "none", "none")
    if nth == 1 and stance:
        reason = values[-1] if values else "what I have seen at home"
        form = STANCES[number(name, body.get("seed")) % len(STANCES)]
        return marked(form.format(stance=stance, reason=reason, place=place), "answer", "none")
    first = number(name) % max(1, len(norms))
    sentences = norms[first:] + norms[:first]
    sentences += [f"What counts for me is {value}, and I have my reasons." for value in values]
    sentences += [
        f"{what} in my case: {text}."
        for what, text in re.findall(r"^- (Work|Schooling|Generation): (.+)$", system, re.M)
    ]
    opener = OPENERS[number(name, nth, body.get("seed")) % len(OPENERS)]
    speech = f"{opener} {sentences[(nth - 1) % len(sentences)] if sentences else 'We keep to what we know.'}"
    return marked(speech, "rule", "card")


def spoken_before(messages: list[JsonObject], called: str) -> int:
    """Return how often a person has spoken: its turns in the prompt, and the lines of those before them."""
    lines = re.findall(rf"^- {re.escape(called)}: ", str(messages[1]["content"]), re.M) if len(messages) > 1 else []
    return len(lines) + len([m for m in messages if m["role"] == "assistant"])


def follow_up(messages: list[JsonObject]) -> str:
    prompt = str(messages[-1]["content"])
    addressee = first_group(r"Now your question to ([^.)]+)\.\)", prompt) or "you"
    speaker, _, text = prompt.rsplit("\n\n", 2)[1].partition(": ")
    who = "you" if speaker == addressee else speaker
    return f"{addressee}, {who} just spoke of “{end_of(text)}”; how is that where you live?"


def moderated(messages: list[JsonObject], called: str) -> str:
    """Return a question about the turn that was said last."""
    *_, last, _ = str(messages[-1]["content"]).split("\n\n")
    speaker, _, text = last.partition(". ")[2].partition(": ")
    return f"{called}, {'you' if speaker == called else speaker} just spoke of “{end_of(text)}”; how is that for you?"


LEADING = "{to}, we just heard of “{tail}”; how is that for you?"


def leading(material: JsonObject, form: str = LEADING) -> JsonObject:
    """Choose one of the moves by a hash of the talk."""
    moves = material["moves"]
    move = moves[number(material["turns"][-1]["said"]) % len(moves)]
    text = material["turns"][-1]["said"].partition(": ")[2]
    words = form.format(to=move["to"], tail=end_of(text) if form == LEADING else tail_of(text))
    return {"move": move["move"], "reason": "The script says so, by a hash of the talk.", "words": words}


def end_of(text: str) -> str:
    return " ".join(re.findall(r"[\w'’-]+", text)[-9:])


# --- in other languages ----------------------------------------------------------------------------------

CARDS = ("persona", "talk-persona")
QUESTIONS = ("moderate", "follow-up", "follow-up-small")
QUOTES = '“”"„«»「」『』'
ENDS = ".!?。！？।؟"
"""Marks at the end of a sentence."""


def in_another_language(system: str, messages: list[JsonObject]) -> str:
    """Return a turn in the language of the prompt, out of nothing but what stands in it.

    There are no words of the script's own: a speech is a line of the card, a question the end of what was said.
    """
    for code in PACKAGES:
        language = load_language(code)
        for name in CARDS if code != DEFAULT_LANGUAGE else ():
            templates = [language.own_first(name)] * (name == "persona") + [language.prompt(name)]
            if holes := next(filter(None, (filled_in(template, system) for template in templates)), None):
                return told_by(holes, messages, language)
        for name in QUESTIONS if code != DEFAULT_LANGUAGE else ():
            if holes := filled_in(language.prompt(name), system):
                return asked_of(holes["called"], messages)
    return "…"


def filled_in(template: Prompt, text: str) -> dict[str, str] | None:
    """Return what stands in a text at the holes of the prompt that it was made from; None if it was not."""
    if not text.startswith(HOLE.split(template.text, maxsplit=1)[0]):
        return None
    pattern, known = "", set[str]()
    for index, part in enumerate(HOLE.split(template.text)):
        if index % 2 == 0:
            pattern += re.escape(part)
        else:
            pattern += f"(?P={part})" if part in known else f"(?P<{part}>.*?)"
            known.add(part)
    match = re.fullmatch(pattern, text, re.S)
    return match.groupdict() if match else None


def told_by(holes: dict[str, str], messages: list[JsonObject], language: Language) -> str:
    """Return one turn out of a card: first name and home, then the stance, then one norm or custom each."""
    nth = spoken_before(messages, holes["called"])
    norms = re.findall(r"^- (.+)$", holes["norms"], re.M)
    reasons = re.findall(r"^- .+?: (.+)$", holes["values"], re.M) or norms
    stance = filled_in(language.prompt("stance"), holes["stance"])
    first, told, grounds = number(holes["name"]), "rule", "card"
    if nth == 0:
        speech, told, grounds = f"{holes['called']}, {holes['place']}. {reasons[0]}", "none", "none"
    elif nth == 1 and stance:
        speech, told, grounds = f"“{stance['stance']}” {reasons[-1]}", "answer", "none"
    else:
        lines = [norms[(first + i) % len(norms)] for i in range(len(norms))] + reasons[1:]
        speech = lines[(nth - 1) % len(lines)]
    speech = speech if reads_as(speech, language) else quoting(speech, language)
    return f"{speech}\n[told: {told}; from: {grounds}; asks: none]"


def asked_of(called: str, messages: list[JsonObject]) -> str:
    """Return a question about the turn that was said last."""
    *_, last, _ = str(messages[-1]["content"]).split("\n\n")
    return f"{called}, “{tail_of(last)}”?"


def rendering(material: JsonObject) -> str:
    """Return the words as they were said, quoted in the other language: the script speaks none."""
    language = next(known for code in PACKAGES if (known := load_language(code)).name == material["into"])
    return quoting(material["words"], language)


def renderings(material: JsonObject) -> JsonObject:
    """Put statements into English as `rendering` does what was said."""
    english = load_language(DEFAULT_LANGUAGE)

    def told(item: JsonObject) -> JsonObject:
        texts = {name: item[name] for name in ("first_person", "statement", "question", "exception")}
        return {"id": item["id"]} | {name: text and quoting(text, english) for name, text in texts.items()}

    return {"items": [told(item) for item in material["items"]]}


def comparisons(material: JsonObject) -> JsonObject:
    """Say that a rendering agrees if it holds the original."""
    english = load_language(DEFAULT_LANGUAGE)
    pairs = [(item["id"], quoting(item["original"], english) == item["english"]) for item in material["items"]]
    return {
        "items": [{"id": number, "difference": "" if same else "not known", "agrees": same} for number, same in pairs]
    }


def quoting(text: str, language: Language) -> str:
    """Return a text between quotation marks, behind a sentence of the language."""
    quoted = text.translate(dict.fromkeys(map(ord, QUOTES))).rstrip(ENDS)
    return f"{language.frame('ask_nothing').text} “{quoted}”{language.full_stop}"


def reads_as(text: str, language: Language) -> bool:
    """Whether a text is in a language: a card that nobody has written in it is shown in English."""
    return language_in(text) == language.code.partition("-")[0]


def tail_of(text: str) -> str:
    """Return the last words; in scripts without spaces, the last letters."""
    return " ".join(text.translate(dict.fromkeys(map(ord, QUOTES))).split()[-9:])[-60:].rstrip(".!?。！？।؟… ")


# --- the later stages ------------------------------------------------------------------------------------


def extraction(material: JsonObject) -> JsonObject:
    """Return every declarative sentence as a statement, at most four a turn; openers are left."""
    cards = {person["name"]: person for person in material["people"]}
    left: list[JsonObject] = []
    statements: list[JsonObject] = []
    for turn in material["turns"]:
        taken = 0
        for first, last, sentence in sentences_in(turn["text"]):
            if why := left_because(sentence):
                left.append({"first": first, "last": last, "why": why})
            elif taken < 4:
                taken += 1
                statements.append({"first": first, "last": last} | told_in(sentence, cards[turn["speaker"]]))
    return {"left": left, "statements": statements}


def sentences_in(text: str) -> list[tuple[int, int, str]]:
    """Return number of the first and last piece, and the words of each sentence of a turn whose pieces are numbered."""
    found: list[tuple[int, int, str]] = []
    first, words = 0, ""
    for digits, piece in re.findall(r"\[(\d+)\] (.*?)(?= \[\d+\] |$)", text, re.S):
        first, words = first or int(digits), f"{words} {piece}".strip()
        if words.endswith(tuple(ENDS)):
            found.append((first, int(digits), words))
            first, words = 0, ""
    return found


def left_because(sentence: str) -> str | None:
    if sentence.endswith(("?", "？", "؟")):
        return "question"
    if sentence in OPENERS or words_in(sentence) < 7:
        return "courtesy"
    return "fact" if sentence.startswith("I am ") else None


def words_in(sentence: str) -> int:
    """Return the number of words, of which two Chinese letters make one."""
    return len(sentence.split()) + len(re.findall("[\u4e00-\u9fff]", sentence)) // 2


def told_in(sentence: str, person: JsonObject) -> JsonObject:
    """Return what the script says of a statement; its kind by a few words that the script itself uses."""
    kind = "practice"
    if re.search(r"\b(I think|matters most|my own|In my view|If you ask me|counts for me)\b", sentence):
        kind = "view"
    elif re.search(r"\b(must|should|expected|one does not|do not|never|has to)\b", sentence):
        kind = "rule"
    lines = [name for name, line in person["card"].items() if line in sentence or sentence in line]
    return {
        "kind": kind,
        "about": "question" if kind == "view" else "else",
        "reach": "personal" if kind == "view" else "general",
        "source": lines[0] if lines else "none",
        "hangs_on": ["place"],
        "question": f"What do you know of this: {end_of(sentence)}?",
        "first_person": sentence,
        "statement": f"{person['name']} from {person['country']} says: “{sentence}”",
        "exception": "",
        "unlike": 0,
    }


def verdicts(material: JsonObject) -> JsonObject:
    """Call all faithful, and carried; of those with a stance 70% entail, 15% contradict, 15% irrelevant, by a hash of
    the text."""
    judged = []
    for item in material["items"]:
        percent = number(item["first_person"]) % 100
        side = "entail" if percent < 70 else "contradict" if percent < 85 else "irrelevant"
        stance, carried = side if item.get("stance") else "none", "entail" if item.get("line") else "none"
        judged.append({"id": item["id"], "faithful": "entail", "stance": stance, "carried": carried})
    return {"verdicts": judged}


def rows(material: JsonObject) -> JsonObject:
    """Say that everything answers and stands alone; the country of a norm is found on the shipped cards."""
    judged = []
    for item in material["items"]:
        asked = {name: "yes" if name in item["questions"] else "none" for name in ("own", "seed", "case", "other")}
        home = countries_of_norms().get(start_of(item["answer"]))
        letters = [letter for letter, name in item["countries"].items() if name == home]
        judged.append({"id": item["id"], **asked, "alone": "yes", "country": letters[0] if letters else "any"})
    return {"items": judged}


@cache
def countries_of_norms() -> dict[str, str]:
    """Return the country of each norm on the shipped cards, by its first words."""
    from culturepark.catalog.personas import load_all

    everybody = load_all(
        [], languages=lambda people: {t.language for p in people for t in p.speaks if t.language in PACKAGES}
    )
    told = [(person, words.norms) for person in everybody for words in person.words.values()]
    here = {start_of(text): person.country_name for person, texts in told for text in texts}
    return {start_of(text): country for text, country in norms_on_cards()} | here


@cache
def norms_on_cards() -> list[tuple[str, str]]:
    """Return every norm on the shipped cards, in English, with its country."""
    from culturepark.catalog.personas import load_all

    return [(norm.text, person.country_name) for person in load_all([]) for norm in person.norms]


def start_of(text: str) -> str:
    """Return the first words, as they are whether names are masked or not."""
    return " ".join(re.findall(r"[^\W\d_]+", re.sub(r"\b[A-ZÀ-Þ]\w+", "", text))[:6]).lower()


def slips(_: JsonObject) -> JsonObject:
    """Find none: the script says what stands on the card."""
    return {"slips": []}


def wordings(material: JsonObject) -> JsonObject:
    """Say the wordings that there are once more, each with a number before it."""
    known = material["wordings"]
    return {"wordings": [f"Question {n + 1}. {known[n % len(known)]}" for n in range(material["count"])]}


ASKING = (
    "Here is a question for you. {0}",
    "Let me put it to you. {0}",
    "One more thing. {0}",
    "From a questionnaire. {0}",
    "I should like to know. {0}",
)
"""Beginnings of a question, which change nothing of what it asks."""


def sentences(material: JsonObject) -> JsonObject:
    """Say a question once more behind some words that ask nothing; what has such words gets others."""
    asked = material.get("questions") or [material["question"]] * material["count"]
    return {"questions": [ASKING[i % len(ASKING)].format(f"Again: {text}") for i, text in enumerate(asked)]}


def views(material: JsonObject) -> JsonObject:
    """Take two views for the same where the answers are: the script's own sentences never turn a question round."""
    found = []
    for item in material["items"]:
        same = item["one"]["answer"] == item["other"]["answer"]
        held = {name: f"{item[name]['answer']}" for name in ("one", "other")}
        found.append({"id": item["id"], **held, "views": "same" if same else "opposite"})
    return {"items": found}


def norms(material: JsonObject) -> JsonObject:
    """Say norms of the shipped cards of that country, beginning anywhere, whatever the topic is."""
    own = [text for text, home in norms_on_cards() if home == material["country"]] or ["We keep to what we know."]
    first = number(material["topic"]) % len(own)
    said = [own[(first + n) % len(own)] for n in range(min(material["count"], len(own)))]
    told = [f"Somebody in {material['country']} says: {text}" for text in said]
    kinds = ("rule", "practice")
    return {
        "norms": [
            {"kind": kinds[n % 2], "statement": statement, "first_person": text}
            for n, (statement, text) in enumerate(zip(told, said, strict=True))
        ]
    }


def relations(material: JsonObject) -> JsonObject:
    """Know the three known pairs, and take two other tellings for the same where most of their words are."""
    known = ("same", "denies", "unrelated")

    def relation(number: int, item: JsonObject) -> str:
        if number < len(known):
            return known[number]
        one, other = ({*item[side]["text"].lower().split()} for side in ("one", "other"))
        return "same" if 2 * len(one & other) > len(one | other) else "unrelated"

    told = [relation(number, item) for number, item in enumerate(material["items"])]
    return {
        "items": [{"id": i["id"], "differs": "", "relation": r} for i, r in zip(material["items"], told, strict=True)]
    }


def reasonings(material: JsonObject) -> JsonObject:
    """Say a norm, chosen by a hash of the answer, and that it settles the matter."""
    found = []
    for item in material["items"]:
        norm = material["norms"][number(item["answer"], item["id"]) % len(material["norms"])]
        words = f"{norm['norm']} That is what I go by, and so “{item['answer']}” is how I see it."
        found.append({"id": item["id"], "norms": [norm["number"]], "reasoning": words})
    return {"items": found}


def scores(material: JsonObject, judge: str) -> JsonObject:
    """Score by a hash of the text: of ten texts one gets 2 and one gets 3, the others 4 or 5; a judge lowers
    every fifth score by one."""
    rows = []
    for item in material["items"]:
        score = (2, 3, 4, 4, 5, 5, 5, 5, 5, 5)[number(item["text"]) % 10] - (number(item["text"], judge) % 5 == 0)
        rows.append({"id": item["id"], "reason": "The script says so, by a hash of the text.", "score": score})
    return {"items": rows}


def rating(material: JsonObject) -> JsonObject:
    """Rate an answer by a hash of message, answer and scale; shown before the scale, every fifth gets one less."""
    scale, answer = material["scale"], material["answer"]
    least, most = int(scale["lowest"]), int(scale["highest"])
    given = least + number(material["message"], answer, scale["question"]) % (most - least + 1)
    shown = list(material)
    lower = shown.index("answer") < shown.index("scale") and number("order", answer) % 5 == 0
    said = "The script says so, by a hash of the text."
    lines = {f"line_{line}": said for line in range(1, len(scale["lines"]) + 1)}
    return {**lines, "reason": said, "rating": max(least, given - lower)}


def assumptions(material: JsonObject) -> JsonObject:
    """Take the first word of each question that is written like a name for one that is taken for granted."""
    items = []
    for item in material["items"]:
        name = first_group(r"(?<=[a-z,] )([A-Z][a-z]{2,})", item["question"])
        what = {"kind": "name", "quote": name, "assumption": f"The script says so: {name} is written like a name."}
        items.append({"id": item["id"], "assumptions": [what] if name else []})
    return {"items": items}


def cross_check(material: JsonObject, card: str) -> JsonObject:
    """Answer by a hash of the text and the card: of ten norms six are shared, two vary, one is unknown, one denied."""
    rows = []
    for item in material["items"]:
        choice = (*["shared"] * 6, "varies", "varies", "unknown", "denied")[number(item["text"], card) % 10]
        rows.append({"id": item["id"], "words": "The script says so, by a hash of the text.", "answer": choice})
    return {"items": rows}


def guesses(material: JsonObject, system: str) -> JsonObject:
    """Choose one of the options by a hash of all there is to know, about each of the people or for oneself."""

    def guess(*who: str) -> JsonObject:
        option = number(*who, system, json.dumps(material)) % len(material["options"]) + 1
        return {"reason": "The script says so, by a hash of the talk.", "option": option}

    if "people" not in material:
        return guess()
    return {"people": [{"id": person["id"], **guess(person["name"])} for person in material["people"]]}


def rewording(material: JsonObject) -> JsonObject:
    quote = material["quote"]
    return {"statement": f"{material['speaker']} puts it this way: “{quote}”", "first_person": quote}


def number(*parts: Any) -> int:
    return int(hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8], 16)


def first_group(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None
