"""Adapters over local models: how a spec names one, which file may be loaded, and several of them on one server."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from culturepark.domain import ModelRole
from culturepark.errors import Overloaded, Unreachable, UsageError
from culturepark.export.licences import of_model
from culturepark.models import local, weights
from culturepark.models.chat import Reply, Request
from culturepark.models.gguf_file import read_head, type_of
from culturepark.models.kinds import is_tiny
from culturepark.models.local import LocalModel
from culturepark.models.registry import Models, check_here
from culturepark.models.spec import ModelSpec, parse
from culturepark.models.trust import Trust
from culturepark.train.gguf import write_adapter
from tests.cli.test_cli import away, cli  # noqa: F401 - `away` is a fixture for all
from tests.models.test_local import children, running
from tests.models.test_trust import become
from tests.support.tiny_models import VOCABULARY, Matrix, TinyAdapter, TinyModel, tokens_of


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with a base of random weights, and the adapters `a` and `b` over it."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    base = TinyModel().write(folder / "base.gguf")
    for seed, name in enumerate("ab", start=1):
        write_adapter(TinyAdapter(seed).write(folder / name), base, folder / name / "adapter.gguf")
    return folder


# --- the spec ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("embedded+runs/turkish", ModelSpec("embedded", adapter="runs/turkish")),
        ("embedded+C:/runs/a.gguf", ModelSpec("embedded", adapter="C:/runs/a.gguf")),
        ("gguf:model.gguf+a.gguf", ModelSpec("gguf", "model.gguf", adapter="a.gguf")),
        ("gguf:none+of+these.gguf", ModelSpec("gguf", "none+of", adapter="these.gguf")),
        ("hf:o/n/f.gguf+a.gguf", ModelSpec("hf", "o/n/f.gguf", adapter="a.gguf")),
        ("hf:o/n/f.gguf@v1+dir/a", ModelSpec("hf", "o/n/f.gguf", "v1", adapter="dir/a")),
        ("hf:o/n/q4+8/f.gguf", ModelSpec("hf", "o/n/q4+8/f.gguf")),
        ("openai:a+b", ModelSpec("openai", "a+b")),
    ],
)
def test_a_spec_names_an_adapter_behind_a_plus(text: str, spec: ModelSpec) -> None:
    assert parse(text) == spec
    assert str(spec) == text
    assert str(spec.base) == str(spec).removesuffix(f"+{spec.adapter}" if spec.adapter else "")


def test_a_path_may_itself_hold_a_plus() -> None:
    Path("c++").mkdir()
    for name in ("c++/model.gguf", "c++/model.gguf+old", "a+b.gguf"):
        Path(name).write_bytes(b"GGUF")
    assert parse("gguf:c++/model.gguf") == ModelSpec("gguf", "c++/model.gguf")
    assert parse("gguf:c++/model.gguf+old") == ModelSpec("gguf", "c++/model.gguf+old")
    assert parse("gguf:c++/model.gguf+a+b.gguf") == ModelSpec("gguf", "c++/model.gguf", adapter="a+b.gguf")
    assert parse("gguf:c++/model.gguf+old+a+b.gguf") == ModelSpec("gguf", "c++/model.gguf+old", adapter="a+b.gguf")


@pytest.mark.parametrize("text", ["embedded+", "scripted+a.gguf", "+a.gguf", "gguf:+a.gguf"])
def test_what_is_no_spec_with_an_adapter_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="model spec"):
        parse(text)


def test_an_embedder_takes_no_adapter() -> None:
    with pytest.raises(UsageError, match="for the embedder"):
        parse("embedded+a.gguf", "embedder")


def test_a_model_with_an_adapter_is_of_the_kind_and_licence_of_its_base() -> None:
    assert is_tiny("embedded+runs/turkish")
    assert of_model("embedded+runs/turkish") == of_model("embedded")
    assert of_model("gguf:/models/SmolLM2-135M-Instruct.gguf+a.gguf") == of_model("gguf:SmolLM2-135M-Instruct.gguf")
    assert "Apache-2.0" in of_model("embedded+runs/turkish")


# --- which file may be loaded ------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["embedded", "gguf:base.gguf", "hf:o/n/f.gguf"])
def test_whoever_has_named_a_base_has_not_named_an_adapter(base: str, tmp_path: Path) -> None:
    named = Trust([parse(base), parse(f"{base}+mine.gguf")])
    assert named.covers(parse(base))
    assert named.covers(parse(f"{base}+{tmp_path}/here/mine.gguf"))  # the working folder
    assert not named.covers(parse(f"{base}+theirs.gguf"))
    assert not Trust([parse("gguf:base.gguf+mine.gguf")]).covers(parse("gguf:base.gguf"))
    assert not Trust([parse(f"{base}+mine.gguf")]).covers(parse("gguf:other.gguf+mine.gguf"))


def test_an_adapter_that_only_the_store_names_is_not_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    become(tmp_path / "them", monkeypatch)
    run = ("simulate", "short.yaml", "--model", "scripted", "--run-id", "a", "--until", "dialogue")
    assert cli(*run).code == 0
    with closing(sqlite3.connect("runs/culturepark.db")) as connection, connection:
        theirs = '"verifier": "embedded+theirs.gguf"'
        connection.execute('UPDATE run SET models = replace(models, \'"verifier": "scripted"\', ?)', (theirs,))
    become(tmp_path / "me", monkeypatch)
    opened: list[str] = []
    monkeypatch.setattr(local, "adapter_file", lambda text: opened.append(text) or 1 / 0)
    refused = cli("resume", "a")
    assert refused.code == 2
    assert "add --role verifier=embedded+theirs.gguf" in refused.err
    assert opened == []


async def test_beside_a_model_no_adapter_is_loaded_that_only_the_store_names(tiny: Path) -> None:
    mine, theirs = parse(f"gguf:{tiny}/base.gguf+{tiny}/a"), parse(f"gguf:{tiny}/base.gguf+{tiny}/b")
    specs: dict[ModelRole, ModelSpec] = {"speaker": mine, "verifier": theirs}
    models = Models(specs, 1, lambda *_: None, Trust([mine]))
    try:
        model = await models.get("speaker")
        assert numbers_of(model) == {0: 1.0}
        assert len(await adapters_on(model)) == 1
        with pytest.raises(UsageError, match="which you have not named"):
            await models.get("verifier")
    finally:
        await models.close()


def numbers_of(model: object) -> dict[int, float]:
    assert isinstance(model, LocalModel)
    body = model.body(Request(({"role": "user", "content": "Hello"},), 1, 0.0, 1))
    return {entry["id"]: entry["scale"] for entry in body["lora"]}


async def adapters_on(model: object) -> list[object]:
    """The adapters that a server has loaded, by its own account."""
    assert isinstance(model, LocalModel)
    found = await model.look(f"{model.server.url}/lora-adapters")
    assert isinstance(found, list)
    return found


# --- wrong files -------------------------------------------------------------------------------------


def wrong(folder: Path) -> dict[str, tuple[str, str]]:
    """What is wrong -> a spec, and words of the error."""
    base, adapter = folder / "base.gguf", folder / "a" / "adapter.gguf"
    other = TinyModel(architecture="qwen2").write(folder / "qwen2.gguf")
    write_adapter(TinyAdapter(1).write(folder / "q"), other, folder / "q" / "adapter.gguf")
    (folder / "text.gguf").write_text("just notes")
    (folder / "cut.gguf").write_bytes(adapter.read_bytes()[:150])
    (folder / "empty").mkdir()
    (folder / "peft").mkdir()
    (folder / "peft" / "adapter_config.json").write_text("{}")
    return {
        "nothing there": (
            f"gguf:{base}+{folder}/none.gguf",
            "none.gguf: No such file or folder; `culturepark train` makes one",
        ),
        "no GGUF": (f"gguf:{base}+{folder}/text.gguf", "text.gguf is not a GGUF file"),
        "a file that breaks off": (f"gguf:{base}+{folder}/cut.gguf", "cut.gguf is damaged"),
        "a model as adapter": (f"gguf:{base}+{base}", "base.gguf is a model and no adapter"),
        "an adapter as base": (f"gguf:{adapter}", "adapter.gguf is an adapter and no model; name the base"),
        "an adapter on an adapter": (f"gguf:{adapter}+{adapter}", "is an adapter and no model"),
        "another architecture": (f"gguf:{base}+{folder}/q", "is for the architecture qwen2, and the base is llama"),
        "a folder without": (f"gguf:{base}+{folder}/empty", "holds no adapter.gguf, but other things"),
        "a folder of PEFT": (f"gguf:{base}+{folder}/peft", "the adapter for torch alone"),
    }


WRONG = (
    "nothing there", "no GGUF", "a file that breaks off", "a model as adapter", "an adapter as base",
    "an adapter on an adapter", "another architecture", "a folder without", "a folder of PEFT",
)  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_wrong_files_end_a_command_in_one_line_before_anything_is_asked(what: str, tiny: Path) -> None:
    assert set(wrong(tiny)) == set(WRONG)
    spec, words = wrong_again(tiny, what)
    done = cli("simulate", "short.yaml", "--model", "scripted", "--role", f"verifier={spec}")
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert words in line
    assert not Path("runs/culturepark.db").exists()
    with pytest.raises(UsageError):
        check_here([parse(spec)])


def wrong_again(folder: Path, what: str) -> tuple[str, str]:
    for made in ("empty", "peft"):
        for path in sorted((folder / made).glob("*")):
            path.unlink()
        (folder / made).rmdir()
    return wrong(folder)[what]


def test_an_adapter_for_a_larger_model_of_the_architecture_is_named(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = weights.SMOLLM2.path
    assert not base.exists()  # the tests have a cache of their own
    adapter = f"embedded+{tiny}/a"
    parse(adapter).of.check(parse(adapter))  # whether it fits cannot be known before the weights are here
    monkeypatch.setattr(local, "weights_here", lambda _: tiny / "wide.gguf")
    wide = TinyModel()
    for name, weight in wide.weights.items():
        if name.endswith("up_proj"):
            wide.weights[name] = weight.repeat(2, axis=0)
    wide.write(tiny / "wide.gguf")
    with pytest.raises(UsageError, match=r"ffn_up\.weight is 64x192 there, and 64x96 in the adapter"):
        parse(adapter).of.check(parse(adapter))


@pytest.mark.parametrize("size", [0, 3, 8, 20, 100, 300, 700])
def test_a_head_that_breaks_off_is_one_error(size: int, tiny: Path) -> None:
    data = (tiny / "a" / "adapter.gguf").read_bytes()
    path = tiny / "cut.gguf"
    path.write_bytes(data[:size])
    assert type_of(path) in ("", "adapter")
    with pytest.raises(UsageError, match=r"is damaged|is not a GGUF file"):
        read_head(path)


@pytest.mark.parametrize("at", range(4, 120, 3))
def test_a_head_with_wrong_bytes_is_read_or_refused(at: int, tiny: Path) -> None:
    """Lengths and counts are among them: none makes it read for ever, or ask for more memory than the file has."""
    data = bytearray((tiny / "a" / "adapter.gguf").read_bytes())
    data[at : at + 8] = b"\xff" * 8
    path = tiny / "wrong.gguf"
    path.write_bytes(data)
    type_of(path)
    with suppress(UsageError):
        assert len(read_head(path).shapes) < len(data)


# --- several on one server ---------------------------------------------------------------------------


async def test_specs_over_one_base_share_one_server_which_goes_with_the_last(tiny: Path) -> None:
    base = f"gguf:{tiny}/base.gguf"
    specs: dict[ModelRole, ModelSpec] = {
        "speaker": parse(base), "moderator": parse(f"{base}+{tiny}/a"), "verifier": parse(f"{base}+{tiny}/b"),
        "extractor": parse(f"{base}+{tiny}/a/adapter.gguf"), "judge": parse("scripted"),
    }  # fmt: skip
    models = Models(specs, 2, lambda *_: None, Trust(specs.values()))
    try:
        opened = {role: await models.get(role) for role in specs}
        assert len(children()) == 1
        chosen = {role: numbers_of(opened[role]) for role in specs if role != "judge"}
        assert chosen == {"speaker": {0: 0.0}, "moderator": {0: 1.0}, "verifier": {1: 1.0}, "extractor": {0: 1.0}}
        endpoints = {role: model.endpoint for role, model in opened.items()}
        assert endpoints["speaker"] == "local:gguf"
        assert endpoints["moderator"] == endpoints["extractor"] != endpoints["verifier"]
        request = Request(({"role": "user", "content": "Hello"},), 1, 0.0, 1)
        assert opened["moderator"].body(request)["model"] == f"{base}+{tiny}/a"
        assert len(await adapters_on(opened["speaker"])) == 2
        first, *others = opened.values()
        await first.close()
        await first.close()
        assert isinstance(others[0], LocalModel)
        assert running(others[0].server.child.pid)
    finally:
        await models.close()
    assert children() == []


async def test_an_adapter_of_a_role_that_is_not_asked_stops_nobody(tiny: Path) -> None:
    base = f"gguf:{tiny}/base.gguf"
    specs: dict[ModelRole, ModelSpec] = {"speaker": parse(base), "verifier": parse(f"{base}+{tiny}/gone")}
    models = Models(specs, 1, lambda *_: None, Trust(specs.values()))
    try:
        assert (await models.get("speaker")).endpoint == "local:gguf"
        with pytest.raises(UsageError, match="gone: No such file"):
            await models.get("verifier")
    finally:
        await models.close()


async def test_without_adapters_nothing_of_them_is_sent(tiny: Path) -> None:
    model = await local.start(parse(f"gguf:{tiny}/base.gguf"), 1, lambda *_: None)
    try:
        assert "lora" not in model.body(Request(({"role": "user", "content": "Hello"},), 1, 0.0, 1))
        assert model.endpoint == "local:gguf"
    finally:
        await model.close()


async def test_an_adapter_that_was_trained_anew_is_another_endpoint(tiny: Path) -> None:
    """Else the stored answers of the earlier one would be taken for its own."""
    spec, endpoints = parse(f"gguf:{tiny}/base.gguf+{tiny}/a"), []
    for seed in (1, 7):
        write_adapter(TinyAdapter(seed).write(tiny / "a"), tiny / "base.gguf", tiny / "a" / "adapter.gguf")
        model = await local.start(spec, 1, lambda *_: None)
        endpoints.append(model.endpoint)
        await model.close()
    assert len(set(endpoints)) == 2


async def test_an_adapter_that_is_changed_while_it_is_loaded_is_not_used(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny / "a" / "adapter.gguf"
    check = weights.checked_sha256

    def changed(file: Path) -> str:
        sha256 = check(file)
        path.write_bytes(path.read_bytes())
        return sha256

    monkeypatch.setattr(weights, "checked_sha256", changed)
    with pytest.raises(Unreachable, match="changed after they were checked"):
        await local.start(parse(f"gguf:{tiny}/base.gguf+{path}"), 1, lambda *_: None)
    assert children() == []


# --- no answer of another adapter --------------------------------------------------------------------

PLACES = ("a village", "a big city", "an island")
BEGINNINGS = ("Bread and olives. " * 12, "Milk and honey. " * 12, "Rice and fish. " * 12)
"""Prompts that have no beginning in common."""
NEAR = 0.05
"""Nats; see tests/train/test_gguf.py."""


def question(place: str) -> Request:
    """A question whose beginning, far longer than its end, is the same for all places; or it is the place itself."""
    shared = "" if len(place) > 50 else "You live in a house by a road. " * 12
    whom = {"role": "system", "content": f"{shared}You come from {place}." if shared else place}
    whole = (whom, {"role": "user", "content": "Who comes first?"})
    return Request(whole, max_tokens=1, temperature=0.0, seed=1, top_logprobs=len(VOCABULARY))


def distribution(reply: Reply) -> dict[int, float]:
    (token,) = reply.response["choices"][0]["logprobs"]["content"]
    return {rival["id"]: rival["logprob"] for rival in token["top_logprobs"]}


async def ask(model: LocalModel, place: str) -> tuple[dict[int, float], int]:
    """The distribution of an answer, and how many tokens of the prompt came from the cache."""
    body = model.body(question(place))
    try:
        reply = await model.send(body)
    except Overloaded:  # the server has closed a connection that lay idle
        reply = await model.send(body)
    return distribution(reply), reply.usage.cached_tokens or 0


def apart(one: Mapping[int, float], other: Mapping[int, float] | Sequence[float]) -> float:
    return max(abs(value - other[token]) for token, value in one.items())


async def test_a_prompt_that_was_read_with_one_adapter_never_serves_another(tiny: Path) -> None:
    """One after the other in every order, and all at once, each gives its own answer and profits from its own cache.

    This fails if a request to the base does not say that it wants no adapter.
    """
    specs, own = own_answers(tiny, PLACES)
    models = await local.start_together(specs, 3, lambda *_: None)
    try:
        order = [(spec, place) for spec in specs for place in PLACES] * 4
        random.Random(1).shuffle(order)
        cached = 0
        for spec, place in order:
            said, again = await ask(models[spec], place)
            cached += again
            assert apart(said, own[spec, place]) < NEAR
        assert cached > 0
        answers = await asyncio.gather(*(ask(models[spec], place) for spec, place in order))
        for (said, _), (spec, place) in zip(answers, order, strict=True):
            assert apart(said, own[spec, place]) < NEAR
            assert min(apart(said, own[other, place]) for other in specs if other != spec) > 0.5
    finally:
        for model in models.values():
            await model.close()


async def test_a_prompt_that_has_left_its_slot_does_not_come_back_for_another_adapter(tiny: Path) -> None:
    """llama.cpp's cache of such prompts looks at their words alone (its issue 26207), and with it this fails."""
    specs, own = own_answers(tiny, BEGINNINGS)
    base, a, b = specs
    models = await local.start_together(specs, 1, lambda *_: None)
    first, second, third = BEGINNINGS
    try:
        for spec, words in (
            (a, first), (a, second), (b, third), (b, first), (base, third), (base, second), (a, third), (a, second),
        ):  # fmt: skip
            said, _ = await ask(models[spec], words)
            assert apart(said, own[spec, words]) < NEAR
    finally:
        for model in models.values():
            await model.close()


def own_answers(folder: Path, places: Sequence[str]) -> tuple[list[ModelSpec], dict[tuple[ModelSpec, str], Matrix]]:
    """The base and two adapters, and by hand what each answers to each question."""
    base = f"gguf:{folder}/base.gguf"
    specs = [parse(text) for text in (base, f"{base}+{folder}/a", f"{base}+{folder}/b")]
    changes = [{}, TinyAdapter(1).changes(), TinyAdapter(2).changes()]
    return specs, {
        (spec, place): TinyModel().log_probabilities(tokens_of(*question(place).messages), change)[-1]
        for spec, change in zip(specs, changes, strict=True)
        for place in places
    }


# --- through the commands ----------------------------------------------------------------------------


def test_an_evaluation_keeps_which_adapter_was_laid_over_the_model(tiny: Path) -> None:
    spec = f"gguf:{tiny}/base.gguf+{tiny}/a"
    done = cli("evaluate", "survey", "--culture", "german", "--items", 2, "--model", spec, "--run-id", "e", "--json")
    assert done.code == 0, done.err
    with closing(sqlite3.connect("runs/culturepark.db")) as connection:
        assert connection.execute("SELECT model, adapter FROM evaluation").fetchall() == [(spec, f"{tiny}/a")]
        (models,) = connection.execute("SELECT models FROM run").fetchone()
        assert json.loads(models)["speaker"] == spec
        calls = connection.execute("SELECT DISTINCT model, endpoint, cost_usd FROM call").fetchall()
        assert [(model, cost) for model, _, cost in calls] == [(spec, None)]
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT request FROM call")]
        assert all(body["lora"] == [{"id": 0, "scale": 1.0}] for body in bodies)
        assert all(body["model"] == spec for body in bodies)
