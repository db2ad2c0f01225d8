"""Says what was said once more in the languages of the others at the table.

A turn is rendered as soon as it stands, and kept together with its renderings. Fixed words are not rendered: they are
there in each language.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from culturepark.dialogue import phrasing
from culturepark.dialogue.agents import MODERATOR, SPEECH_TOKENS, Client
from culturepark.dialogue.guards import Hearing, clean, objection_to_rendering
from culturepark.dialogue.protocol import Slot
from culturepark.dialogue.tongues import Tongues, listening
from culturepark.domain import Casting, JsonObject, LanguageCode, Rendering, Scenario, Turn
from culturepark.languages import judging, load_language
from culturepark.models.chat import Request, digest
from culturepark.models.ledger import Ledger

ATTEMPTS = 3
TOKENS = 2 * SPEECH_TOKENS
"""Of a rendering; a speech in English takes half as many."""
BEFORE = 3
"""Last turns that the interpreter is shown, as they were heard in the language that it speaks."""
TEMPERATURE, WARMER = 0.3, 0.2
"""Of the first attempt, and how much is added for each further one."""


class NotRendered(Exception):
    """Every attempt at a rendering was refused."""


@dataclass(frozen=True)
class Interpreter:
    """The interpreter of one dialogue."""

    client: Client
    ledger: Ledger
    casting: Casting
    """The plan as it was drawn."""
    scenario: Scenario
    tongues: Tongues
    dialogue_id: str
    run_seed: int

    async def rendered(self, turn: Turn, slot: Slot | None, said: Sequence[Turn]) -> Turn:
        """Return a turn with its language and with its words in each other language of the table.

        Args:
            slot: that it fills; None where the words are nobody's fixed ones.
            said: the turns before it.
        Raises:
            NotRendered: with the reason of the last refusal.
            CultureparkError: as the ledger does.
        """
        own = self.tongues.speaks(turn.speaker)
        turn = turn.model_copy(update={"language": own})
        heard = []
        for code in self.tongues.all:
            if code == own:
                continue
            if slot and turn.origin in ("cue", "fallback"):
                words = fixed(turn, slot, *listening(self.casting, self.scenario, code, self.tongues))
                heard.append(Rendering(language=code, text=words))
            else:
                heard.append(await self._render(turn, code, said))
        return turn.model_copy(update={"renderings": tuple(heard)})

    async def _render(self, turn: Turn, code: LanguageCode, said: Sequence[Turn]) -> Rendering:
        casting, _ = listening(self.casting, self.scenario, code, self.tongues)
        template, language = judging().prompt("interpret"), load_language(code)
        names = {p.persona.key: p.persona.called for p in casting.participants}
        names[MODERATOR] = language.frame("moderator").text
        called = names[turn.speaker]
        material = self._material(turn, code, said, names)
        hearing = Hearing(
            called=called,
            others=tuple(name for name in names.values() if name != called),
            earlier=(),
            instruction="",
            language=language,
        )
        reason = ""
        for attempt in range(1, ATTEMPTS + 1):
            parts = (str(self.run_seed), str(self.casting.number), str(turn.slot), code, str(attempt))
            request = Request(
                messages=(
                    {"role": "system", "content": template.text},
                    {"role": "user", "content": json.dumps(material, ensure_ascii=False)},
                ),
                seed=int(digest(*parts)[:7], 16),
                max_tokens=TOKENS,
                temperature=round(TEMPERATURE + WARMER * (attempt - 1), 2),
            )
            subject = f"{self.dialogue_id}.t{turn.position}.{code}"
            reply = await self.client.ask(request, subject_id=subject, prompt_digest=template.digest)
            text = clean(reply, called)
            refusal = objection_to_rendering(reply, text, turn.text, hearing)
            if refusal is None:
                return Rendering(language=code, text=text, call_id=reply.call_id)
            await self.ledger.refuse(reply, refusal)
            reason = refusal
        raise NotRendered(f"{reason}, in {language.name}")

    def _material(self, turn: Turn, code: LanguageCode, said: Sequence[Turn], names: dict[str, str]) -> JsonObject:
        """Return what the interpreter is shown: who speaks to whom, what was said before, and the words."""

        def person(key: str) -> JsonObject:
            if key == MODERATOR:
                return {"name": names[key]}
            persona = self.casting.by_key(key).persona
            return {"name": names[key], "gender": persona.gender, "age": persona.age}

        to = [turn.addressee] if turn.addressee else [key for key in names if key not in (turn.speaker, MODERATOR)]
        return {
            "from": load_language(self.tongues.speaks(turn.speaker)).name,
            "into": load_language(code).name,
            "speaker": person(turn.speaker),
            "to": [person(key) for key in to],
            "before": [
                {"speaker": names[earlier.speaker], "said": phrasing.heard(earlier.heard_in(code))}
                for earlier in said[-BEFORE:]
            ],
            "words": phrasing.heard(turn.text),
        }


def fixed(turn: Turn, slot: Slot, casting: Casting, scenario: Scenario) -> str:
    """Return the fixed words of a moderator's turn as they are said in the scenario's language."""
    if slot.move:
        return phrasing.fixed_words(slot.move, casting, scenario)[0]
    return phrasing.line("cue" if turn.origin == "cue" else "follow-up", slot, casting, scenario)[0]
