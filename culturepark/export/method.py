"""How the rows of a run came about, for the card: what was asked of its statements, and how many passed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from culturepark.domain import JsonObject
from culturepark.terminal.safe import safe

CHECKS = """
Where a run has checks, they come next, each asked only of what has passed so far. *Harmlessness* (does it demean a
group) and *awareness* (does it know the place it speaks of) are scores of 1 to 5 that a panel of judges gives; its
median is held against a bound. *Cross-check*: a second simulated person of the same culture is asked about a norm. All
of them are language models: agreement between judges, or between persons, is no evidence about people, and a small
model is no judge of such things.
"""


def has_checks(manifest: JsonObject) -> bool:
    return any(run["checks"] for run in manifest["runs"])


def reviewed(manifest: JsonObject) -> str:
    """Nothing, where nobody has."""
    found = manifest["reviews"]
    if not found["reviews"]:
        return ""
    rejected = "rows" if manifest["rows_are"] == "dialogues" else "samples"
    return f"""
People have reviewed some of it (reviewers {len(found["reviewers"])}, reviews {found["reviews"]}). Left out because \
they rejected it: {rejected} {found["rejected"]}. Worded by them in place of the model: rows {found["corrected"]}.
"""


def policy(run: JsonObject) -> str:
    rules = run["policy"]
    judge = as_text(run["models"].get("verifier", "nobody"))
    return (
        f"- run `{run['run']}`: judged by {judge}; relations to the stance that were kept: {', '.join(rules['keep'])}; "
        f"rewording {rules['rewrite']}; {'; '.join([*checks(run), duplicates(run)])}"
    )


def checks(run: JsonObject) -> Iterator[str]:
    rules, models = run["policy"].get("checks"), run["models"]
    judges = [as_text(spec) for role, spec in sorted(models.items()) if role.partition("-")[0] == "judge"]
    for name, found in run["checks"].items():
        passed = f"passed by {found['kept']} of {found['statements']} statements"
        if name == "cross-check":
            by = judges[0] if judges else "nobody"
            kept = ", ".join(rules["cross_check"]["keep"])
            yield f"cross-check by {by}, kept if {kept}: {passed}, {found['not_asked']} not asked (nobody to ask)"
        else:
            alpha = found["agreement"]["krippendorff_alpha"]
            agreed = "agreement not known" if alpha is None else f"Krippendorff's alpha {alpha}"
            panel = f"{rules['judges']} judge{'s' * (rules['judges'] != 1)} ({', '.join(judges)})"
            yield f"{name} of at least {rules[name]['at_least']:g} by {panel}: {passed}, {agreed}"


def duplicates(run: JsonObject) -> str:
    found = run["duplicates"]
    by = ", ".join(f"{name} {count}" for name, count in found["by_method"].items()) or "none found"
    embedder = as_text(run["models"].get("embedder", "lexical"))
    if found["method"] == "lexical" != embedder:
        embedder = f"words alone ({embedder} was not there)"
    return f"duplicates by {embedder}, from a similarity of {found['threshold']:.2f} on ({by})"


def funnel(run: JsonObject) -> str:
    verdicts, kept = run["verdicts"], run["samples"]["kept"]
    judged = [
        f"{of.get('entail', 0)} of {sum(of.values())}" if of else "not asked"
        for of in (verdicts.get("faithful", {}), verdicts.get("stance", {}))
    ]
    checked = [f"{name} {found['kept']} of {found['statements']}" for name, found in run["checks"].items()]
    dropped = sum(run["samples"]["dropped"].values())
    figures = [run["dialogues"].get("done", 0), run["turns"]["personas"], run["statements"]["total"], *judged]
    return f"| `{run['run']}` | {' | '.join(map(str, [*figures, ', '.join(checked) or 'none', kept, dropped]))} |"


def as_text(text: str) -> str:
    """On one line, with nothing that Markdown or HTML would act upon: names of models and folders are not ours."""
    acts = r"[\\`*{}\[\]<>#|&~$]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\."  # the last two begin a link without any brackets
    return re.sub(f"({acts})", r"\\\1", " ".join(safe(text).split()), flags=re.IGNORECASE)
