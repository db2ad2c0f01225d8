"""Adapters: a tiny model with random weights is trained for real."""

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import away, cli  # noqa: F401 - `away` is used by every test
from tests.support.tiny import make, rows


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("base"))


def train(base: Path, *arguments: str, export: str = "out") -> Any:
    return cli("train", export, "--base", str(base), "--batch", "4", "--rate", "1e-2", "--device", "cpu", *arguments)


def weights(folder: str) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return load_file(Path(folder, "adapter_model.safetensors"))


def answer(base: Path, folder: str, question: str) -> str:
    import warnings

    import peft
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        model = peft.PeftModel.from_pretrained(model, folder)
        asked = [
            {"role": "system", "content": "You speak for one person only."},
            {"role": "user", "content": question},
        ]
        ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        made = model.generate(**ids, max_new_tokens=20, do_sample=False)
    return str(tokenizer.decode(made[0][ids["input_ids"].shape[1] :], skip_special_tokens=True))


def test_a_model_learns_the_answers(base: Path) -> None:
    rows(Path("out"), 1)
    done = train(base, "--epochs", "60", "--out", "adapter", "--json")
    assert done.code == 0, done.err
    figures = json.loads(done.out)
    assert figures["last_loss"] < 0.2 < 5 < figures["first_loss"]
    assert any(abs(matrix).max() > 0 for name, matrix in weights("adapter").items() if "lora_B" in name)
    assert answer(base, "adapter", "What is your number, 0?") == "It is 0."
    assert figures["trained_parameters"] == sum(matrix.size for matrix in weights("adapter").values())


def test_only_answers_are_learned_and_their_end(base: Path) -> None:
    import transformers

    from culturepark.train.examples import IGNORED, learned

    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    talk = [
        {"role": "system", "content": "Speak."},
        {"role": "user", "content": "assistant"},
        {"role": "assistant", "content": "One assistant."},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": "Two."},
    ]
    made = learned(tokenizer, talk)
    assert len(made["input_ids"]) == len(made["labels"])
    assert tokenizer.decode(made["input_ids"]).count("assistant") == 4
    labels = [label for label in made["labels"] if label != IGNORED]
    assert tokenizer.decode(labels) == "One assistant.<|im_end|>\nTwo.<|im_end|>\n"


def test_a_template_that_renders_parts_differently_is_refused(tmp_path: Path) -> None:
    late = "{% for m in messages %}{{ m['content'] }}{{ messages | length }}{% endfor %}"
    rows(Path("out"), 4)
    done = train(make(tmp_path / "late", late), "--max-steps", "1")
    assert done.code == 2
    assert "renders a part of a conversation differently" in done.err


def test_a_stopped_training_goes_on_to_the_same_weights(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from culturepark.train import adapter

    rows(Path("out"), 12)
    options = ("--epochs", "4", "--out")
    assert train(base, *options, "whole").code == 0
    seen: list[int] = []

    made = adapter.Progress

    def stops_after_five(step: int, *rest: Any) -> Any:
        seen.extend([step] if step else [])  # 0 while the base is loaded
        if step == 5:
            signal.raise_signal(signal.SIGINT)
        return made(step, *rest)

    monkeypatch.setattr(adapter, "Progress", stops_after_five)
    stopped = train(base, *options, "halves")
    assert stopped.code == 130
    assert "stopped after step 5 of 12; the same command goes on with it" in stopped.err
    assert not Path("halves/adapter_model.safetensors").exists()
    assert train(base, *options, "halves").code == 0
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
    whole, halves = weights("whole"), weights("halves")
    assert all((whole[name] == halves[name]).all() for name in whole)
    assert Path("whole/loss.csv").read_bytes() == Path("halves/loss.csv").read_bytes()


def test_an_interrupt_in_the_last_step_is_heeded_and_nothing_is_lost(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from culturepark.train import adapter

    made = adapter.Progress

    def stops_at_the_end(step: int, *rest: Any) -> Any:
        if step == 3:
            signal.raise_signal(signal.SIGINT)
        return made(step, *rest)

    monkeypatch.setattr(adapter, "Progress", stops_at_the_end)
    rows(Path("out"), 4)
    stopped = train(base, "--max-steps", "3", "--out", "a")
    assert stopped.code == 130
    assert "stopped after the last step; the same command finishes it" in stopped.err
    again = train(base, "--max-steps", "3", "--out", "a")
    assert again.code == 0, again.err
    assert "nothing was trained again" in again.err
    assert Path("a/README.md").is_file()


def test_what_is_done_is_not_done_again_and_something_else_is_refused(base: Path) -> None:
    rows(Path("out"), 4)
    assert train(base, "--max-steps", "2", "--out", "a").code == 0
    before = weights("a")
    again = train(base, "--max-steps", "2", "--out", "a")
    assert again.code == 0
    assert "nothing was trained again" in again.err
    assert all((before[name] == weights("a")[name]).all() for name in before)
    other = train(base, "--max-steps", "3", "--out", "a")
    assert other.code == 2
    assert "another max steps" in other.err
    Path("b").mkdir()
    Path("b/thesis.tex").write_text("x")
    assert "is not empty" in train(base, "--max-steps", "2", "--out", "b").err


PAIR = {
    "prompt": [{"role": "user", "content": "What is it?"}],
    "chosen": [{"role": "assistant", "content": "It is good."}],
    "rejected": [{"role": "assistant", "content": "No."}],
}
LABEL = {"prompt": PAIR["prompt"], "completion": PAIR["chosen"], "label": True}


@pytest.mark.parametrize(
    ("method", "lines"),
    [
        ("dpo", [PAIR]),
        ("simpo", [PAIR]),
        ("kto", [PAIR]),
        ("kto", [LABEL, LABEL | {"completion": PAIR["rejected"], "label": False}]),
    ],
    ids=["dpo", "simpo", "kto of pairs", "kto of labels"],
)
def test_preferences_move_the_model_towards_the_chosen_answer(method: str, lines: list[Any], base: Path) -> None:
    Path("rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines * 4), "utf-8")
    done = train(base, "--method", method, "--max-steps", "8", "--out", "adapter", export="rows.jsonl")
    assert done.code == 0, done.err
    assert "has no index" in done.err or "have no index" in done.err
    assert margin(base, "adapter") > margin(base, None) + 0.1


def margin(base: Path, folder: str | None) -> float:
    """Log-probability of the chosen answer less that of the rejected one, per token."""
    import warnings

    import peft
    import torch
    import transformers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        model = peft.PeftModel.from_pretrained(model, folder) if folder else model
    sides = []
    for side in ("chosen", "rejected"):
        whole = tokenizer.apply_chat_template([*PAIR["prompt"], *PAIR[side]], tokenize=False)
        start = tokenizer.apply_chat_template(PAIR["prompt"], tokenize=False, add_generation_prompt=True)
        ids = tokenizer(whole, return_tensors="pt", add_special_tokens=False)["input_ids"]
        begun = len(tokenizer(start, add_special_tokens=False)["input_ids"])
        with torch.no_grad():
            logits = model(ids).logits.log_softmax(-1)
        own = logits[0, begun - 1 : -1].gather(-1, ids[0, begun:, None])
        sides.append(float(own.mean()))
    return sides[0] - sides[1]


def test_a_smaller_share_is_inside_a_larger_one() -> None:
    from culturepark.train.examples import part, read

    examples = read(rows(Path("out"), 40), ["messages"]).training
    ids = [{example.id for example in part(examples, share, seed=3)} for share in (0.25, 0.5, 0.75, 1)]
    assert [len(found) for found in ids] == [10, 20, 30, 40]
    assert ids[0] < ids[1] < ids[2] < ids[3]
    assert ids[0] != {example.id for example in part(examples, 0.25, seed=4)}


def test_the_rows_of_a_culture_are_found(base: Path) -> None:
    dry = ("--dry-run", "--json")
    rows(Path("out"), 3, "german")
    rows(Path("out"), 5, "korean")
    assert json.loads(train(base, "--culture", "german", *dry).out)["rows"] == 3
    assert json.loads(train(base, *dry).out)["rows"] == 8
    absent = train(base, "--culture", "turkish", *dry)
    assert absent.code == 2
    assert "no file of turkish among german.jsonl, korean.jsonl" in absent.err
    rows(Path("one"), 4)
    unsaid = train(base, "--culture", "german", *dry, export="one")
    assert unsaid.code == 2
    assert "--metadata" in unsaid.err
    rows(Path("two"), 4, metadata={"culture": "german"})
    assert json.loads(train(base, "--culture", "german", *dry, export="two").out)["rows"] == 4
    assert "no rows of korean" in train(base, "--culture", "korean", *dry, export="two").err


def test_held_out_rows_are_measured_before_and_after(base: Path) -> None:
    rows(Path("out"), 8, "all.train")
    rows(Path("out"), 3, "all.validation")
    figures = json.loads(train(base, "--epochs", "20", "--out", "a", "--json").out)
    assert (figures["rows"], figures["rows_held_out"]) == (8, 3)
    assert figures["held_out_loss_after"] < figures["held_out_loss_before"]


def test_trace_leads_from_an_adapter_to_its_rows_and_tells_of_changed_ones(base: Path) -> None:
    rows(Path("out"), 4)
    text = Path("out/all.jsonl").read_text("utf-8").replace("It is 7.", "It is 8.")
    Path("out/all.jsonl").write_text(text, "utf-8")
    made = train(base, "--max-steps", "1", "--out", "a", "--json")
    assert "1 rows were changed since they were exported" in made.err
    name = json.loads(made.out)["artefact"]
    for subject in (name, name[:12], "a"):
        traced = cli("trace", subject, "--json").json
        assert traced["artefact"] == name
        assert [row["row_id"] for row in traced["rows"]] == ["r.d1.t0.s1.x1", "", "r.d1.t2.s1.x1", "r.d1.t3.s1.x1"]
    assert "r.d1.t2.s1.x1" in cli("trace", "a").out
    assert cli("trace", "adapter-00000000").code == 2
    Path("empty").mkdir()
    assert "no artefact" in cli("trace", "empty").err


def test_the_card_says_what_it_must_not_be_used_for(base: Path) -> None:
    rows(Path("out"), 4)
    assert train(base, "--max-steps", "1", "--out", "a").code == 0
    card = Path("a/README.md").read_text("utf-8")
    assert "rows rest on people's" not in card
    assert "no evidence of what anybody thinks" in card
    assert "There was no manifest beside the rows" in card
    assert "base_model:" in card
    assert Path("a/loss.svg").read_text("utf-8").startswith("<svg")


def test_the_card_says_whose_ratings_decided() -> None:
    from culturepark.train.card import labels

    of_models = {"basis": "ratings", "judges": ["openai:a"], "rows_by_people": 0, "rows_by_models": 9}
    assert labels({"labels": of_models}) == (
        "Which answers are the better ones follows ratings: 0 rows rest on people's, 9 on models' (openai:a)."
    )
    assert labels({}) == labels({"labels": None}) == ""


def manifest(folder: str, **more: Any) -> None:
    Path(folder, "manifest.json").write_text(
        json.dumps({"command": "culturepark export", "created_at": "2026-12-01", "licence": None, **more})
    )


def test_the_card_names_cultures_people_and_why_nothing_is_held_out(base: Path) -> None:
    rows(Path("out"), 4)
    people = [
        {"name": name, "culture": culture, "scope": f"Only {name} of {culture}."}
        for name, culture in (("Ada", "german"), ("Bo", "korean"))
    ]
    manifest("out", rows_by_culture={"korean": 2, "german": 2}, personas=people, train_share=0.8)
    done = train(base, "--max-steps", "1", "--out", "a")
    assert done.code == 0, done.err
    card = Path("a/README.md").read_text("utf-8")
    assert f"# german and korean on {base}" in card
    assert "on 4 rows of german and korean that" in card
    assert "speak for themselves alone: Ada (Only Ada of german); Bo (Only Bo of korean)." in card
    assert ".." not in card.replace("...", "")
    assert "1 threads" not in card
    assert "the export was split, and no row of these" in card
    assert "the export was split, and no row of these" in done.out
    assert "--split 0.9" not in done.out + card


def test_commands_that_say_whether_it_came_nearer_can_be_pasted() -> None:
    from culturepark.cli.train import whether_nearer

    first, second, last = whether_nearer(
        "embedded", Path("my adapters/a"), ("german", "korean"), "adapter-0a1b2c3d", ""
    )
    assert first.startswith(
        "next: culturepark evaluate survey --culture german --culture korean --model embedded --run"
    )
    assert "--model 'embedded+my adapters/a' --run-id with-adapter-0a1b2c3d" in second
    before = first.rpartition(" ")[2]
    assert last.split() == ["culturepark", "compare", before, "with-adapter-0a1b2c3d"]
    for command in (first.partition("next: ")[2], second.strip()):
        checked = cli(*shlex.split(command)[1:], "--dry-run")
        assert "No such option" not in checked.err
        assert "--run-id:" not in checked.err


def test_trace_tells_the_settings_of_an_adapter_in_words(base: Path) -> None:
    rows(Path("out"), 4)
    assert train(base, "--max-steps", "1", "--out", "a").code == 0
    shown = cli("trace", "a").out
    assert "method sft, " in shown
    assert "max steps 1" in shown
    assert "steps 1, " in shown
    assert not any(sign in shown for sign in '{}"')


def test_a_missing_export_names_the_format_that_the_method_wants(base: Path) -> None:
    for method, form in (("sft", "trl"), ("dpo", "preference"), ("simpo", "preference"), ("kto", "kto")):
        done = train(base, "--method", method, export="nowhere")
        assert f"--format {form} --out DIR" in done.err


def test_a_misspelt_culture_is_told_the_near_one(base: Path) -> None:
    rows(Path("one"), 4)
    manifest("one", rows_by_culture={"german": 2, "korean": 2})
    wrong = train(base, "--culture", "germam", export="one")
    assert (wrong.code, wrong.out) == (2, "")
    assert "no rows of germam, only of german, korean; did you mean german?" in wrong.err
    assert "--metadata" in train(base, "--culture", "german", export="one").err
    rows(Path("two"), 4, metadata={"culture": "german"})
    assert "did you mean german?" in train(base, "--culture", "germann", export="two").err
    rows(Path("three"), 4, "german")
    assert "did you mean german?" in train(base, "--culture", "germna", export="three").err


def test_a_folder_is_no_rated_rows() -> None:
    rows(Path("out"), 4)
    done = cli("train", "out", "--method", "filter", "--out", "f")
    assert done.code == 2
    assert "a filter learns from a file of rated rows" in done.err


WRONG = {
    "no export": (("nothing",), "no such export"),
    "an empty folder": (("empty",), "no .jsonl file"),
    "no rows": (("wrong.jsonl",), "wrong.jsonl:1: no row of an export"),
    "the wrong format": (("out", "--method", "dpo"), "wants an export of --format preference"),
    "a base that is remote": (("out", "--base", "openai:gpt-4o"), "its weights are not here"),
    "a base that is nowhere": (("out", "--base", "gpt2"), "no such folder; name embedded, gguf:PATH"),
    "a base that is no model": (("out", "--base", "empty"), "holds no config.json"),
    "a base that is no GGUF": (("out", "--base", "gguf:wrong.jsonl"), "not a GGUF"),
    "rows that are too long": (("out", "--max-length", "16"), "no row is as short as"),
    "no GPU": (("out", "--device", "cuda"), "torch sees no GPU here"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_use_is_told(arguments: tuple[str, ...], said: str, base: Path) -> None:
    rows(Path("out"), 2)
    Path("empty").mkdir()
    Path("wrong.jsonl").write_text('{"text": "hello"}\n')
    given = arguments if "--base" in arguments else (*arguments, "--base", str(base))
    done = cli("train", *given)
    assert done.code == 2
    assert said in done.err
    assert not done.out


def test_a_start_that_fails_does_not_take_the_folder(base: Path) -> None:
    rows(Path("out"), 4)
    assert train(base, "--max-length", "16", "--out", "a").code == 2
    assert not Path("a").exists()
    assert train(base, "--max-steps", "1", "--out", "a").code == 0


@pytest.mark.parametrize(("arguments", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_dry_run_refuses_what_the_training_would(arguments: tuple[str, ...], said: str, base: Path) -> None:
    rows(Path("out"), 2)
    Path("empty").mkdir()
    Path("wrong.jsonl").write_text('{"text": "hello"}\n')
    given = arguments if "--base" in arguments else (*arguments, "--base", str(base))
    done = cli("train", *given, "--dry-run")
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_a_dry_run_says_what_the_training_would_find(base: Path) -> None:
    rows(Path("out"), 12)
    options = ("--max-steps", "6", "--out", "a")
    new = train(base, *options, "--dry-run")
    assert "steps          6 of 4 rows, 2 epochs" in new.out
    assert "device         the CPU" in new.out
    assert not Path("a").exists()
    Path("b").mkdir()
    Path("b/thesis.tex").write_text("x")
    assert "the folder is not empty" in train(base, "--out", "b", "--dry-run").err
    assert train(base, *options).code == 0
    assert "a (holds this training, done)" in train(base, *options, "--dry-run").out
    other = train(base, "--max-steps", "7", "--out", "a", "--dry-run")
    assert other.code == 2
    assert "another max steps" in other.err
    talks = [
        [{"role": "user", "content": "a " * words}, {"role": "assistant", "content": "b"}] for words in (1, 1, 200)
    ]
    text = "".join(json.dumps({"messages": talk}) + "\n" for talk in talks)
    Path("long.jsonl").write_text(text, "utf-8")
    long = train(base, "--max-length", "100", "--dry-run", "--json", export="long.jsonl")
    figures = json.loads(long.out)
    assert (figures["rows"], figures["rows_left_out"], figures["device"]) == (2, 1, "cpu")


def test_a_dry_run_fetches_nothing_and_says_what_it_cannot_know(monkeypatch: pytest.MonkeyPatch) -> None:
    from culturepark.models import weights

    monkeypatch.setattr(weights, "have", lambda _: False)
    monkeypatch.setattr(weights, "fetch", lambda *_: pytest.fail("fetched"))
    rows(Path("out"), 4)
    for base in ("embedded", "some/model-of-the-hub"):
        done = cli("train", "out", "--base", base, "--device", "cpu", "--dry-run")
        assert done.code == 0, done.err
        assert f"{base} has to be fetched first" in done.err
        assert "rows           4 of all.jsonl" in done.out


def test_a_dry_run_says_from_which_step_a_stopped_training_goes_on(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from culturepark.train import adapter

    made = adapter.Progress

    def stops_after_five(step: int, *rest: Any) -> Any:
        if step == 5:
            signal.raise_signal(signal.SIGINT)
        return made(step, *rest)

    monkeypatch.setattr(adapter, "Progress", stops_after_five)
    rows(Path("out"), 12)
    options = ("--epochs", "4", "--out", "a")
    stopped = train(base, *options)
    assert stopped.code == 130
    assert "loading the base" in stopped.err
    shown = train(base, *options, "--dry-run")
    assert "goes on from step 5" in shown.out
    assert json.loads(train(base, *options, "--dry-run", "--json").out)["begun_at"] == 5


def test_the_loss_that_is_shown_is_that_of_its_step(base: Path) -> None:
    import csv

    from culturepark.train.adapter import Progress, settings_of
    from culturepark.train.adapter import train as trained
    from culturepark.train.base import base_of
    from culturepark.train.examples import read

    rows(Path("out"), 12)
    shown: list[Progress] = []
    settings = settings_of("sft", epochs=2, batch=4, max_length=200, device="cpu")
    trained(base_of(str(base), None), read(Path("out"), ["messages"]), settings, Path("a"), shown.append)
    with Path("a/loss.csv").open() as handle:
        curve = {int(row["step"]): float(row["loss"]) for row in csv.DictReader(handle)}
    assert {at.step: at.loss for at in shown if at.steps} == curve
    assert len(curve) == 6


def test_a_dry_run_never_trains_a_filter() -> None:
    Path("rated.jsonl").write_text('{"text": "a", "label": 1}\n')
    done = cli("train", "rated.jsonl", "--method", "filter", "--dry-run", "--out", "f")
    assert done.code == 2
    assert "--dry-run does not go with --method filter" in done.err
    assert not Path("f").exists()


def test_a_missing_package_is_named_with_the_command_that_installs_it(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from culturepark.train import base as bases

    monkeypatch.setattr(bases, "NEEDED", ("torch", "surely_not_there"))
    rows(Path("out"), 2)
    done = train(base)
    assert done.code == 2
    assert "surely_not_there" in done.err
    assert "[train]" in done.err
