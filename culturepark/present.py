"""Figures and traces as lines for people. Pure: data in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text

from culturepark.domain import JsonObject
from culturepark.show import clip, plain, safe


def stats_lines(s: JsonObject) -> Iterator[str]:
    yield f"{s['run']}  {s['status']}" + (f": {s['stop_reason']}" if s["stop_reason"] else "")
    yield f"  scenario    {s['scenario']}, seed {s['seed']}"
    yield f"  models      {', '.join(f'{role} {spec}' for role, spec in s['models'].items())}"
    yield f"  dialogues   {listed(s['dialogues'])}"
    if s["skipped"]:
        cells = ", ".join(f"{skip['seed_key']} {skip['culture']}" for skip in s["skipped"])
        yield f"  skipped     {len(s['skipped'])} cells: {cells}"
    yield f"  ended by    {listed(s['dialogue_stop_reasons'])}"
    moderator = listed(s["turns"]["moderator"])
    yield f"  turns       {s['turns']['personas']} of personas; moderator: {moderator}"
    statements = s["statements"]
    yield f"  statements  {statements['total']} ({listed(statements['by_kind'])})"
    yield f"    rejected  {listed(statements['rejected'])}"
    yield f"    reworded  {statements['reworded']}"
    for criterion, relations in s["verdicts"].items():
        yield f"  {criterion:<11} {listed(relations)}"
    samples = s["samples"]
    yield f"  samples     {samples['kept']} kept ({listed(samples['kept_by_kind'])})"
    yield f"    cultures  {listed(samples['kept_by_culture'])}"
    yield f"    dropped   {listed(samples['dropped'])}"
    calls = s["calls"]
    unheard = f", of {calls['unheard']} no answer was heard" if calls["unheard"] else ""
    yield f"  calls       {calls['total']} ({listed(calls['by_stage'])}); {calls['failed']} failed{unheard}"
    yield f"    refused   {listed(calls['refused_by_guard'])}"
    tokens = s["tokens"]
    prompt = f"{tokens['prompt']:,} prompt ({tokens['cached']:,} cached)"
    yield f"  tokens      {prompt}, {tokens['completion']:,} completion"
    cost = s["cost_usd"]
    missing = f"at least ({s['unpriced_calls']} calls have no known price) " if s["unpriced_calls"] else ""
    yield f"  cost        {'no known price' if cost is None else f'{missing}${cost:.4f}'}"
    for cell in s["stances"]:
        answers = "; ".join(
            f"{a['label']} {a['drawn']} (share asks for {a['expected']:.1f})" for a in cell["answers"] if a["drawn"]
        )
        yield f"  stance      {cell['seed']} {cell['country']}: {answers}"


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def trace_lines(t: JsonObject) -> Iterator[Text]:
    """From the sample back to where it comes from, one thing after the other."""
    statement, turn, persona, run = t["statement"], t["turn"], t["persona"], t["run"]
    if sample := t["sample"]:
        yield heading("sample", sample["id"], f"{sample['kind']}, {sample['status']}{because(sample['drop_reason'])}")
        for message in sample["messages"]:
            yield plain(f"    {message['role']}: {message['content']}")
    yield heading("statement", statement["id"], statement["kind"])
    yield plain(f"    {statement['text']}")
    if t["rewritten_from"]:
        yield plain(f"    reworded from {t['rewritten_from']['id']}: {t['rewritten_from']['text']}")
    for verdict in t["verdicts"]:
        sure = f", confidence {verdict['confidence']:.2f}" if verdict["confidence"] is not None else ""
        by = f", call {verdict['call_id']}" if verdict["call_id"] else ", word by word the speaker's own"
        by += "" if verdict["round"] == run["verify_round"] else " (superseded)"
        yield heading("verdict", verdict["id"], f"{verdict['criterion']}: {verdict['relation']}{sure}{by}")
    if duplicate := t["duplicate"]:
        how = f"{duplicate['method']}, similarity {duplicate['similarity']:.2f}"
        yield heading("duplicate", f"of {duplicate['representative_id']}", how)
    yield heading("turn", turn["id"], f"{persona['called']}, {turn['phase']}")
    start, end = statement["quote_start"], statement["quote_end"]
    text = turn["text"]
    yield Text.assemble("    ", safe(text[:start]), (f"[{safe(text[start:end])}]", "bold underline"), safe(text[end:]))
    if call := t["calls"]["turn"]:
        tokens = f"{call['prompt_tokens']} + {call['completion_tokens']} tokens"
        yield heading("call", call["id"], f"{call['model']} at {call['endpoint']}, seed {call['seed']}, {tokens}")
    where = f"{persona['name']}, {persona['age']}, {persona['place']}; {persona['culture']} {persona['role']}"
    yield heading("persona", persona["key"], where)
    yield plain(f"    {persona['scope']}")
    yield heading("seed", t["seed"]["key"], t["seed"]["question"])
    if item := t["survey_item"]:
        stance = t["participant"]["stance_text"]
        yield heading(
            "survey",
            item["key"],
            f"stance drawn: {stance}" if stance else "no stance is drawn for a main contact",
        )
        if item["shares"]:
            shares = "; ".join(
                f"{option['label']} {share_of(item['shares'], option['code']):.0%}" for option in item["options"]
            )
            yield plain(f"    {persona['country']}: {shares}")
        yield plain(f"    {item['source']}")
    yield heading("run", run["id"], f"{run['scenario_name']}, seed {run['seed']}, culturepark {run['version']}")


def talk_lines(t: JsonObject) -> Iterator[Text]:
    """From a dialogue, or one person's view of it, back to who sat there, what was said, and where it comes from."""
    dialogue, run, item = t["dialogue"], t["run"], t["survey_item"]
    yield heading("dialogue", dialogue["id"], f"{dialogue['setting']}, {dialogue['protocol']}, {dialogue['status']}")
    for person in t["participants"]:
        persona = person["persona"]
        where = f"{persona['name']}, {persona['age']}, {persona['place']}; {persona['culture']} {persona['role']}"
        yield heading("persona", persona["key"], where)
        yield plain(f"    {persona['scope']}")
        if item:
            stance = person["stance_text"]
            drawn = f"stance drawn: {stance}" if stance else "no stance is drawn for a main contact"
            yield heading("survey", item["key"], drawn)
    for turn in t["turns"]:
        by = f", call {turn['call_id']}" if turn["call_id"] else f", {turn['origin']}"
        yield heading("turn", turn["id"], f"{turn['speaker']}, {turn['phase']}{by}")
        yield plain(f"    {turn['text']}")
    yield heading("seed", t["seed"]["key"], t["seed"]["question"])
    if item:
        yield plain(f"    {item['source']}")
    yield heading("run", run["id"], f"{run['scenario_name']}, seed {run['seed']}, culturepark {run['version']}")


def share_of(shares: Mapping[Any, float], code: int) -> float:
    return shares.get(code, shares.get(str(code), 0.0))


def because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def heading(what: str, name: str, detail: str) -> Text:
    return Text.assemble((f"{what:<10}", "bold"), safe(name), "  ", (clip(detail, 400), "dim"))
