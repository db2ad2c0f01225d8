"""Adapters out of descriptions: whether a description is told from what could pass for it, and what comes of the files.

Communities, words and descriptions are made up, so that the truth is known; the base is a tiny random model.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culturepark.domain import shipped_cultures
from culturepark.errors import CatalogError, CultureparkError, Lacking, UsageError
from culturepark.models.embedder import Lexical
from culturepark.train import fitting, hyper, joint
from culturepark.train.communities import (
    Row,
    Rows,
    culture_sentences,
    descriptions_for,
    held_out_sentences,
    read_descriptions,
    read_rows,
)
from culturepark.train.controls import ARMS, Parameters, control_lines, controls
from culturepark.train.fitting import Example, Settings
from culturepark.train.joint import Advance, Base, Figured
from tests.cli.test_cli import cli
from tests.support import tiny
from tests.support.tiny_llama import tiny_llama, tiny_tokenizer

DESCRIPTIONS = {
    "moss": ("People of the moss pick berries and sing at dawn.",),
    "dune": ("Folk of the dunes ride camels under the sun.",),
    "reef": ("Those of the reef dive for pearls with nets.",),
}
ANSWERS = {"moss": "berry", "dune": "camel", "reef": "pearl"}
QUESTIONS = [f"q{number}" for number in range(30)]
WORDS = ["say", *QUESTIONS, *ANSWERS.values()]
SETTINGS = Settings(
    rank=4, alpha=8.0, hidden=16, targets=("q_proj", "v_proj", "o_proj", "down_proj"), epochs=8, batch=8,
    learning_rate=3e-2,
)  # fmt: skip


def embed(texts: Sequence[str]) -> Any:
    return asyncio.run(Lexical().embed(texts))


def rows(answers: Mapping[str, str]) -> Rows:
    made = [
        Row(f"r.d{number}.s1.x{place}", name, (
            {"role": "user", "content": f"say {question}"}, {"role": "assistant", "content": answer},
        ))
        for place, (name, answer) in enumerate(answers.items())
        for number, question in enumerate(QUESTIONS)
    ]  # fmt: skip
    held = {f"r.d{number}.s1" for number in range(0, len(QUESTIONS), 3)}
    train, out = ([row for row in made if (row.cluster in held) == side] for side in (False, True))
    return Rows(tuple(train), tuple(out), "by question")


def base() -> Base:
    tokenizer = tiny_tokenizer(WORDS)
    return Base("tiny", None, tiny_llama(len(tokenizer)), tokenizer)


def trained(out: Path, answers: Mapping[str, str] = ANSWERS, settings: Settings = SETTINGS, **more: Any) -> Figured:
    return joint.train(
        base(), rows(answers), DESCRIPTIONS, embed, "lexical", "lexical", out, settings, **{"unseen": False, **more}
    )


BRIEF = SETTINGS.model_copy(update={"epochs": 1})
"""Enough for files, not for a result."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a brief training leaves; its figures are in `training.json`."""
    out = tmp_path_factory.mktemp("hyper") / "trained"
    trained(out, settings=BRIEF, unseen=True)
    return out


def figures(folder: Path) -> Figured:
    return Figured.model_validate_json((folder / joint.FIGURES).read_text())


# --- what a description is worth -------------------------------------------------------------------


@pytest.mark.slow
def test_the_right_description_wins_where_communities_answer_as_their_descriptions_say(tmp_path: Path) -> None:
    found = trained(tmp_path / "out", unseen=True)
    by_pair = {(c.first, c.second): c for c in found.comparisons}
    for other in ("mean", "wrong", "garbage", "base"):
        assert by_pair["right", other].outcome == "gain", other  # type: ignore[index]
        assert all(gain > 0 for gain in by_pair["right", other].by_community.values())  # type: ignore[index]
    assert found.verdict.startswith("Gain over the mean adapter: +")
    assert {arm.arm for arm in found.arms} == set(ARMS) - {"reworded"}  # for that, one sentence each is too few
    loss = {arm.arm: arm.loss for arm in found.arms}
    assert loss["unseen"] > loss["right"] + 0.1  # the answers of a community never seen are not to be known


@pytest.mark.slow
def test_where_all_answer_alike_no_gain_over_the_mean_adapter_is_printed(tmp_path: Path) -> None:
    found = trained(tmp_path / "out", dict.fromkeys(ANSWERS, "berry"))
    assert found.verdict.startswith("No gain over the mean adapter (")
    printed = joint.lines(found, rows(ANSWERS).held_out)
    assert f"Verdict: {found.verdict}" in printed
    learnt = {arm.arm: arm.loss for arm in found.arms}
    assert learnt["right"] < learnt["base"] - 0.3  # something was learnt, and it was not from descriptions


def test_sentences_kept_from_training_are_a_control_of_their_own(tmp_path: Path) -> None:
    several = {name: [f"{text} {number}." for number in range(5)] for name, (text,) in DESCRIPTIONS.items()}
    found = joint.train(
        base(), rows(ANSWERS), several, embed, "lexical", "lexical", tmp_path / "out", BRIEF, unseen=False
    )
    assert found.sentences == dict.fromkeys(ANSWERS, (4, 1))
    assert ("reworded", "mean") in {(c.first, c.second) for c in found.comparisons}


def test_parameters_are_counted_as_they_are_saved(folder: Path) -> None:
    made = hyper.load(folder)
    shared = sum(tensor.size for name, tensor in made.tensors.items() if name[:2] in ("A.", "B."))
    network = sum(made.tensors[name].size for name in hyper.sizes(made.shape))
    found = figures(folder).parameters
    assert (found.shared, found.network) == (shared, network)
    assert (found.hyper, found.separate) == (shared + network, 3 * shared)
    assert found.of_a_description == made.mean_z.size


PART = Parameters(shared=8, network=2, hyper=10, one_adapter=8, separate=16, of_a_description=4)


def judged(count: int) -> list[Row]:
    return [Row(f"r.d{number}.s1.x1", "ab"[number % 2], ()) for number in range(count)]


def test_a_gain_that_any_other_description_gives_too_is_not_the_descriptions() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, (2, 40))
    losses = {"right": [1.0] * 40, "mean": list(1.2 + noise[0]), "wrong": list(1.0 + noise[1])}
    found = controls(judged(40), losses, 1)  # type: ignore[arg-type]
    assert [c.outcome for c in found.comparisons] == ["gain", "none"]
    assert "It is not the description: no gain over another community's description" in found.verdict
    assert list(control_lines(found, PART, judged(40)))[-1] == f"Verdict: {found.verdict}"


def test_too_few_statements_and_worse_than_the_mean_are_said() -> None:
    few = controls(judged(4), {"right": [1.0] * 4, "mean": [2.0] * 4}, 1)
    assert few.verdict == "No gain over the mean adapter could be seen: fewer than 5 statements are held out."
    worse = controls(judged(40), {"right": [2.0] * 40, "mean": [1.0] * 40}, 1)
    assert worse.verdict.startswith("Worse than the mean adapter: -1.0000 nats a token")


def test_a_difference_too_small_to_matter_is_no_gain_however_sure() -> None:
    found = controls(judged(40), {"right": [1.0] * 40, "mean": [1.0005] * 40}, 1)
    assert found.comparisons[0].p < 0.01
    assert found.verdict == "No gain over the mean adapter (+0.0005 nats a token, 95% +0.0005 to +0.0005)."


def test_rows_of_one_statement_are_one_observation() -> None:
    """Ten statements in four shapes each are ten, however many rows they make."""
    some = [Row(f"r.d{number // 4}.s1.x{number % 4}", "a", ()) for number in range(40)]
    gains = np.repeat(np.random.default_rng(3).normal(0.1, 0.2, 10), 4)
    (found,) = controls(some, {"right": [1.0] * 40, "mean": list(1 + gains)}, 1).comparisons
    (apart,) = controls(judged(40), {"right": [1.0] * 40, "mean": list(1 + gains)}, 1).comparisons
    assert found.low is not None
    assert apart.low is not None
    assert found.low < apart.low
    assert found.p > apart.p


# --- the files -------------------------------------------------------------------------------------


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing`:FutureWarning"
)  # peft asks transformers by its old name
def test_a_materialised_adapter_says_what_the_hypernetwork_says(folder: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel

    made, here = hyper.load(folder), base()
    sentences = ("Strangers of the steppe, who ride, sing and dive.",)
    vector = joint.description_vector(made, sentences, embed, "lexical")
    out = hyper.materialise(made, vector, sentences, tmp_path / "adapter")
    examples, _ = fitting.encode(here.tokenizer, rows(ANSWERS).held_out, 64)
    adapted = fitting.Adapted(here.model, made.shape)
    weights = {name: torch.tensor(tensor) for name, tensor in made.tensors.items()}
    z = dict.fromkeys(ANSWERS, fitting.z_of(weights, [vector], made.shape)[0])
    expected = fitting.row_losses(adapted, examples, weights, z, 8)
    without = fitting.row_losses(adapted, examples, weights, None, 8)
    served = PeftModel.from_pretrained(base().model, str(out)).eval()
    found = []
    for example in examples:
        ids = torch.tensor([example.ids])
        with torch.no_grad():
            said = served(ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
        found.append(-float(said[torch.tensor(example.answer[1:])].mean()))
    assert np.abs(np.array(found) - expected).max() < 1e-4
    assert np.abs(np.array(without) - expected).max() > 0.02
    assert np.abs(made.z(vector) - z["moss"].numpy()).max() < 1e-5  # numpy and torch agree
    assert json.loads((out / hyper.MADE_FROM).read_text())["description"] == list(sentences)


def test_a_training_that_was_stopped_ends_with_the_same_weights(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "EVERY", 3)
    out = tmp_path / "stopped"

    def stop(at: Advance) -> None:
        if at.step.done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # between two checkpoints of the first fit
        trained(out, settings=BRIEF, unseen=True, watch=stop)
    seen: list[Advance] = []
    with pytest.raises(KeyboardInterrupt):  # before the first checkpoint of the second fit
        trained(out, settings=BRIEF, unseen=True, watch=lambda at: seen.append(at) or stop_in_second(at))
    assert (seen[0].step.fit, seen[0].step.done) == ("hyper", 4)  # it did not begin again
    found = trained(out, settings=BRIEF, unseen=True, watch=seen.append)
    whole = figures(folder)
    assert (seen[-1].done, seen[-1].seconds_left) == (seen[-1].total, 0)
    assert (out / hyper.TENSORS).read_bytes() == (folder / hyper.TENSORS).read_bytes()
    assert (found.arms, found.comparisons) == (whole.arms, whole.comparisons)
    assert (out / joint.CURVE).read_text() == (folder / joint.CURVE).read_text()


def stop_in_second(at: Advance) -> None:
    if at.step.fit == "one":
        raise KeyboardInterrupt


def test_a_folder_with_another_training_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="other rows, descriptions or settings"):
        trained(folder, settings=BRIEF.model_copy(update={"seed": 2}))
    (tmp_path / "letter.txt").write_text("Dear Anna")
    with pytest.raises(UsageError, match="holds something else"):
        trained(tmp_path)


def copied(folder: Path, out: Path) -> Path:
    out.mkdir()
    for name in (hyper.SETTINGS, hyper.TENSORS):
        (out / name).write_bytes((folder / name).read_bytes())
    return out


def spoil(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def settings(path: Path) -> None:
        data = json.loads((path / hyper.SETTINGS).read_text())
        (path / hyper.SETTINGS).write_text(json.dumps({**data, name: change(data[name])}))

    def tensors(path: Path) -> None:
        made = hyper.load(path)
        hyper.save(path, made.trained, {**made.tensors, name: change(made.tensors[name])})

    return settings if name in ("embedder_spec", "shape") else tensors


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: (path / hyper.TENSORS).write_bytes(b"\xff" * 200), "cannot be read"),
        (lambda path: (path / hyper.SETTINGS).write_text("{"), "hyper.json"),
        (lambda path: (path / hyper.TENSORS).unlink(), "No such file"),
        (spoil("embedder_spec", lambda _: "openai:x@http://elsewhere"), "embedder_spec"),
        (spoil("shape", lambda shape: {**shape, "rank": 3}), "has sizes"),
        (spoil("shape", lambda shape: {**shape, "rank": 0}), "shape.rank"),
        (spoil("B.0", lambda tensor: tensor[:, :2]), "has sizes"),
        (spoil("head.weight", lambda tensor: tensor * np.nan), "no number"),
    ],
)
def test_a_damaged_or_hostile_folder_is_an_error_that_names_the_file(
    folder: Path, tmp_path: Path, harm: Callable[[Path], None], said: str
) -> None:
    path = copied(folder, tmp_path / "theirs")
    harm(path)
    with pytest.raises(CatalogError, match=said) as error:
        hyper.load(path)
    assert "hyper." in str(error.value)


def test_weights_of_another_digest_are_refused(folder: Path, tmp_path: Path) -> None:
    path = copied(folder, tmp_path / "theirs")
    made = hyper.load(path)
    hyper.save_tensors(path / hyper.TENSORS, {**made.tensors, "A.0": made.tensors["A.0"] + 1})
    with pytest.raises(CatalogError, match="is not the file that"):
        hyper.load(path)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Lacking, match=r"pip install .*\[train\]"):
        fitting.torch_of("training")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(Lacking, match=r"pip install .*\[train\]"):
        hyper.numpy_files()


# --- the loop --------------------------------------------------------------------------------------


def test_lower_layers_that_are_kept_change_no_loss() -> None:
    import torch

    shape = fitting.shape_of(tiny_llama(40), 8, rank=4, alpha=8.0, hidden=8, last_layers=1)
    assert (shape.layers, shape.every_layer) == ((1,), False)
    assert hyper.peft_config(shape, "tiny")["layers_to_transform"] == [1]
    examples = [
        Example(Row(str(n), "a", ()), tuple(range(3, 3 + n)), (False,) * 4 + (True,) * (n - 4)) for n in (9, 6, 12)
    ]
    drawing = torch.Generator().manual_seed(1)
    weights = fitting.initial(shape, None, 1, "cpu")
    weights = {name: torch.randn(tensor.shape, generator=drawing) for name, tensor in weights.items()}
    z = torch.randn(3, len(shape.modules), 4, generator=drawing)
    found = []
    for short in (True, True, False):
        if (short and not found) or not short:
            adapted = fitting.Adapted(tiny_llama(40), shape)
            adapted.short = short
        with adapted.applied():
            found.append(adapted.losses(examples, weights, z)[0].numpy())
        assert adapted.short == short
    assert np.abs(found[0] - found[2]).max() < 1e-4
    assert np.abs(found[1] - found[2]).max() < 1e-4
    assert len(adapted._layers) == len(adapted.model.model.layers) == 2  # the base is whole again


def test_only_answers_count_and_long_rows_are_left_out() -> None:
    tokenizer = tiny_tokenizer(WORDS)
    talk = Row("a", "moss", (
        {"role": "user", "content": "say q1"}, {"role": "assistant", "content": "berry"},
        {"role": "user", "content": "say q2"}, {"role": "assistant", "content": "camel pearl"},
    ))  # fmt: skip
    (example,), too_long = fitting.encode(tokenizer, [talk], 64)
    words = tokenizer.convert_ids_to_tokens(list(example.ids))
    answers = [word for word, counts in zip(words, example.answer, strict=True) if counts]
    assert answers == ["berry", "<end>", "camel", "pearl", "<end>"]
    assert (example.tokens, too_long) == (5, [])
    assert fitting.encode(tokenizer, [talk], 8) == ([], [talk])
    tokenizer.chat_template = None
    with pytest.raises(UsageError, match="no chat template"):
        fitting.encode(tokenizer, [talk], 64)


def test_a_module_that_the_base_lacks_is_named_beside_those_it_has() -> None:
    with pytest.raises(UsageError, match=r"no modules c_attn; it has down_proj, gate_proj, k_proj"):
        fitting.shape_of(tiny_llama(40), 8, rank=4, alpha=8.0, hidden=8, targets=("c_attn",))


# --- rows and descriptions -------------------------------------------------------------------------


def line(row_id: str, **more: object) -> str:
    talk = [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello."}]
    return json.dumps({"id": row_id, "messages": talk, **more}) + "\n"


def test_a_fifth_of_the_statements_is_held_out_and_none_is_on_both_sides(tmp_path: Path) -> None:
    for name in ("moss", "dune"):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(line(f"r.{name}.s{number // 2}.x{number}") for number in range(40))
        )
    (tmp_path / "duplicates.jsonl").write_text('{"a": 1}\n')
    found = read_rows(tmp_path)
    assert found.communities == ("dune", "moss")
    assert (len(found.train), len(found.held_out)) == (64, 16)
    assert not {row.cluster for row in found.train} & {row.cluster for row in found.held_out}


def test_the_exports_own_validation_files_are_what_is_held_out(tmp_path: Path) -> None:
    for half, names in (("train", ("moss", "dune")), ("validation", ("moss", "dune", "nobody"))):
        lines = "".join(line(f"{half}.{name}", metadata={"culture": name}) for name in names)
        (tmp_path / f"all.{half}.jsonl").write_text(lines)
    found = read_rows(tmp_path)
    assert [row.id for row in found.held_out] == ["validation.moss", "validation.dune"]
    assert "validation" in found.divided


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("all.jsonl", line("a"), r"all\.jsonl:1: does not say whose answer it is"),
        ("moss.jsonl", '{"prompt": "x"}\n', r"moss\.jsonl:1: no row of an export"),
        ("moss.jsonl", line("a") * 20, "two communities or more; there are rows of moss"),
        ("all.jsonl", line("a", community="m") + line("b", community="d"), r"nothing of d \(1 rows\), m \(1 rows\)"),
        ("notes.txt", "", "no .jsonl file in it"),
    ],
)
def test_rows_that_cannot_be_used_are_an_error_in_words(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CultureparkError, match=said):
        read_rows(tmp_path)


def test_descriptions_are_read_from_yaml_and_from_rows(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("moss: One  text.\ndune:\n  - First.\n  - Second.\n  - First.\n")
    assert read_descriptions(tmp_path / "a.yaml") == {"moss": ("One text.",), "dune": ("First.", "Second.")}
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps({"id": f"m-{n}", "community": "moss", "text": f"Text {n}."}) + "\n" for n in range(3))
    )
    found = read_descriptions(tmp_path / "a.jsonl")
    assert found == {"moss": ("Text 0.", "Text 1.", "Text 2.")}
    assert descriptions_for(["m"], found, {"m": "moss"}) == {"m": found["moss"]}
    with pytest.raises(UsageError, match="no description of m; there are descriptions of moss"):
        descriptions_for(["m"], found, {})
    with pytest.raises(UsageError, match="there are no rows of x"):
        descriptions_for(["m"], found, {"m": "moss", "x": "moss"})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "moss: 3\n", "moss: must be a text"),
        ("a.yaml", "moss: []\n", "moss: has no sentence"),
        ("a.yaml", f"moss: {'x' * 5000}\n", "is longer than 4,000 characters"),
        ("a.yaml", "- moss\n", "must be a mapping"),
        ("a.jsonl", '{"text": "x"}\n', r"a\.jsonl:1: has no `community`"),
        ("a.jsonl", '{"community": "m", "text": " "}\n', "text: must be a text"),
        ("a.jsonl", "", "describes nobody"),
    ],
)
def test_a_wrong_file_of_descriptions_is_an_error_in_words(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CatalogError, match=said):
        read_descriptions(tmp_path / name)


def test_shipped_cultures_are_described_out_of_their_files() -> None:
    found = descriptions_for([*shipped_cultures()], None, {})
    assert len(set(found.values())) == len(shipped_cultures())
    for key, culture in shipped_cultures().items():
        sentences = culture_sentences(culture)
        assert found[key] == sentences
        assert culture.adjective in sentences[0]
        told = " ".join(sentences)
        for point in culture.address.split("\n- "):
            assert " ".join(point.removeprefix("- ").split()) in told


def test_sentences_that_judge_are_others_than_those_that_train_where_there_are_enough() -> None:
    many = [f"Sentence {number}." for number in range(10)]
    train, judge = held_out_sentences(many)
    assert (len(train), len(judge)) == (8, 2)
    assert sorted([*train, *judge]) == sorted(many)
    assert held_out_sentences(many[:3]) == (tuple(many[:3]), tuple(many[:3]))


# --- the command -----------------------------------------------------------------------------------


def test_the_command_makes_adapters_of_texts_of_names_and_of_the_mean(folder: Path, tmp_path: Path) -> None:
    done = cli("adapter", folder, "--description", "Folk who ride camels.", "--out", tmp_path / "a", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["nearest"] == "dune"
    (tmp_path / "b.yaml").write_text("coast: They dive for pearls.\n")
    of_file = ("--descriptions", tmp_path / "b.yaml", "--community", "coast")
    done = cli("adapter", folder, *of_file, "--out", tmp_path / "b")
    assert (done.code, done.out) == (0, f"{tmp_path / 'b'}\n")
    assert "most like that of reef" in done.err
    assert cli("adapter", folder, "--community", "moss", "--out", tmp_path / "c").code == 0
    assert cli("adapter", folder, "--mean", "--out", tmp_path / "d").code == 0
    tensors = [hyper.load_tensors(tmp_path / name / hyper.ADAPTER) for name in "abcd"]
    scaled = [name for name in tensors[0] if "lora_B" in name]
    assert all(np.array_equal(tensors[0][name], tensors[1][name]) for name in tensors[0] if "lora_A" in name)
    assert len({b"".join(one[name].tobytes() for name in scaled) for one in tensors}) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "say who it is for"),
        (("--mean", "--community", "moss"), "say who it is for"),
        (("--descriptions", "x.yaml"), "say who it is for"),
        (("--community", "nobody"), "no description of nobody; there are descriptions of dune, moss, reef"),
        (("--description", "x", "--descriptions", "x.yaml"), "say who it is for"),
    ],
)
def test_the_command_says_what_is_wrong(folder: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = cli("adapter", folder, *arguments, "--out", tmp_path / "a")
    assert done.code == 2
    assert said in done.err


def test_the_command_leaves_what_is_there_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Anna")
    done = cli("adapter", folder, "--mean", "--out", tmp_path)
    assert done.code == 2
    assert "there is something already" in done.err
    done = cli("adapter", tmp_path, "--mean", "--out", tmp_path / "x")
    assert done.code == 2
    assert "holds no hypernetwork" in done.err


# --- the training as a command ---------------------------------------------------------------------


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ANSWERS:
        tiny.rows(Path("out"), 25, name)
    text = "".join(f"{name}: {sentence}\n" for name, (sentence,) in DESCRIPTIONS.items())
    Path("who.yaml").write_text(text)
    return Path("out")


def test_a_forecast_says_what_would_be_trained_and_trains_nothing(export: Path) -> None:
    done = cli("train", export, "--method", "hyper", "--descriptions", "who.yaml", "--batch", 20, "--dry-run", "--json")
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    assert figures.pop("out") == "runs/adapters/out-hyper-1"
    # 3 epochs of 60 rows for the first two, of 20 for one community, of 40 without it
    steps = 3 * (3 + 3 + 3 * 1 + 3 * 2)
    assert figures == {"communities": 3, "rows": 60, "rows_held_out": 15, "adapters": 8, "steps": steps}
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--culture", "moss"), "--culture does not go with --method hyper"),
        (("--merge",), "--merge does not go with --method hyper"),
        (("--epochs", "1.5"), "takes whole numbers"),
        (("--described-as", "moss"), "COMMUNITY=NAME is wanted"),
        (("--described-as", "fen=moss"), "there are no rows of fen"),
        ((), "no description of dune, moss, reef"),
    ],
)
def test_wrong_use_of_the_training_is_said_before_anything_is_loaded(
    export: Path, arguments: tuple[str, ...], said: str
) -> None:
    described = ("--descriptions", "who.yaml") if arguments else ()
    done = cli("train", export, "--method", "hyper", *described, *arguments)
    assert done.code == 2
    assert said in done.err


@pytest.mark.embedded
@pytest.mark.slow
def test_the_command_trains_prints_every_control_and_leads_back_to_the_rows(export: Path) -> None:
    base = tiny.make(Path("base"))
    order = ("--method", "hyper", "--base", base, "--descriptions", "who.yaml", "--epochs", 1, "--rank", 2)
    done = cli("train", export, *order, "--device", "cpu", "--out", "hyper")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].startswith("Verdict: ")
    for arm in set(ARMS) - {"reworded"}:
        assert f"  {ARMS[arm]}  " in done.out, arm  # type: ignore[index]
    artefact_id = done.out.partition(":")[0]
    assert artefact_id.startswith("hyper-")
    assert "moss.t0.s1.x1" in cli("trace", artefact_id).out.replace("r.d1.", "moss.")
    assert Path("hyper", "README.md").read_text().splitlines()[2].strip("*") in done.out
    again = cli("train", export, *order, "--device", "cpu", "--out", "hyper", "--json")
    assert json.loads(again.out)["artefact"] == artefact_id
    made = cli("adapter", "hyper", "--description", "Folk who ride camels.", "--base", base, "--out", "coast")
    assert made.code == 0, made.err
    assert Path("coast", "adapter_config.json").is_file()
