"""The family of models that a model is of, by its name. Judges of one family share what they do not see."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from culturepark.errors import UsageError
from culturepark.models.spec import ModelSpec, parse

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "OpenAI": ("gpt", "chatgpt", "o", "davinci"),
    "Claude": ("claude",),
    "Google": ("gemini", "gemma", "palm"),
    "Llama": ("llama", "meta"),
    "Mistral": ("mistral", "mixtral", "ministral", "magistral", "codestral"),
    "Qwen": ("qwen", "qwq"),
    "DeepSeek": ("deepseek",),
    "Cohere": ("command", "aya", "c"),
    "Phi": ("phi",),
    "Grok": ("grok",),
    "SmolLM": ("smollm",),
}
"""Family -> how the names of its models begin."""
EMBEDDED = "SmolLM"
"""The family of the model that comes with the program."""


def family_of(spec: ModelSpec) -> str:
    """Return the family of a model: its name's first letters, where that is none of the known ones.

    A fine-tuned model whose name hides its base counts as a family of its own.
    """
    if not spec.name:
        return EMBEDDED if spec.kind == "embedded" else spec.kind
    name = re.split(r"[/\\]", spec.name)[-1].casefold()
    match = re.match(r"[^\W\d_]+", name)
    begins = match[0] if match else name
    return next((family for family, names in FAMILIES.items() if begins in names), begins)


def panel_notes(judges: Sequence[ModelSpec], answering: str | None) -> Iterator[str]:
    """Yield what is wrong with a panel of judges.

    Args:
        answering: spec of the model whose answers are rated; None if it is not known.
    """
    families = {str(judge): family_of(judge) for judge in judges}
    if len(set(families.values())) == 1:
        family, number = next(iter(families.values())), len(families)
        whom = f"all {number} judges are" if number > 1 else "the only judge is"
        yield (
            f"{whom} of one family ({family}): what it overlooks or prefers nobody corrects; "
            "`--role judge=SPEC`, again, adds a judge of another"
        )
    for judge in judges:
        if judge.of.tiny:
            yield f"{judge} is far too small to judge: its ratings show how the command works, and nothing else"
        if judge.scripted:
            yield f"{judge} rates by a script: its ratings say nothing of the answers"

    if answering is None:
        return
    if answering in families:
        yield f"{answering} judges its own answers, and models tend to prefer their own"
    elif (own := family_named(answering)) and (related := [judge for judge, f in families.items() if f == own]):
        yield f"{', '.join(related)} is of the family of the model that answered ({own}), and may prefer its manner"


def family_named(text: str) -> str | None:
    """Return the family of a spec as it stands in the store; None for a text that is no spec."""
    try:
        return family_of(parse(text))
    except UsageError:
        return None
