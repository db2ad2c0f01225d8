"""Thoughts and control tokens where only speech should be."""

from __future__ import annotations

from tests.quirks.asking import Answer, Ask, error
from tests.quirks.kinds import STAIN, Expect, quirk
from tests.support.endpoint import in_pieces

LEAKS = Expect(never=("<think", "</think", "<|", "|>", "[THINK", "◁", "▷", "thought>"))
"""All can be cut off cleanly, so next to nothing is lost."""
UNCLEAR = Expect((0, 1, 3), samples=0, requests=4.0, never=LEAKS.never)
"""What is left cannot be trusted: turns may be refused, but nothing of it may be kept."""
SPENT = Expect((0, 1, 3), samples=0, most=60, says=r"reasoning|thinking|thoughts|before it answer")


def spoken(ask: Ask, form: str) -> Answer:
    """The form around thoughts and answer, where people talk; constrained decoding leaves no room for it in JSON."""
    if ask.wanted:
        return ask.stream()
    return ask.stream(form.replace("THOUGHT", ask.thought()).replace("ANSWER", ask.text()))


def anywhere(ask: Ask, form: str) -> Answer:
    """The form around thoughts and answer, in JSON too."""
    return ask.stream(form.replace("THOUGHT", ask.thought()).replace("ANSWER", ask.text()))


# --- in fields of their own ------------------------------------------------------------------------


@quirk()
def reasoning_content_field(ask: Ask) -> Answer:
    """Thoughts come first, in `delta.reasoning_content` (DeepSeek, older vLLM).

    Source: vllm-project/vllm#17349, mindcraft-bots/mindcraft#789.
    """
    return ask.stream(
        before=[ask.chunk({"reasoning_content": part, "content": None}) for part in (ask.thought(), " So.")]
    )


@quirk()
def reasoning_and_details_fields(ask: Ask) -> Answer:
    """Thoughts come in `delta.reasoning`, and once more as a list `reasoning_details` (OpenRouter, Ollama).

    Source: ollama/ollama#15288, OpenRouterTeam/ai-sdk-provider#368.
    """
    said = ask.thought()
    details = [{"type": "reasoning.text", "text": said, "index": 0}]
    return ask.stream(before=[ask.chunk({"content": "", "reasoning": said, "reasoning_details": details})])


@quirk()
def thinking_field_last(ask: Ask) -> Answer:
    """Thoughts come after the answer, in fields that nobody foresaw (`thinking`, `thinking_blocks`,
    `provider_specific_fields`).

    Source: BerriAI/litellm docs, reasoning_content.
    """
    said = ask.thought()
    late = {"thinking": said, "thinking_blocks": [{"type": "thinking", "thinking": said, "signature": "c2ln"}]}
    return ask.stream(before=[ask.chunk({**late, "provider_specific_fields": {"thinking": said}})])


@quirk()
def content_as_parts(ask: Ask) -> Answer:
    """`delta.content` is a list of thinking and text parts (Magistral).

    Source: epam/ai-dial-adapter-openai#395, NousResearch/hermes-agent#4748.
    """
    inner = [{"type": "text", "text": ask.thought()}]
    said = [ask.chunk({"content": [{"type": "text", "text": "".join(tokens)}]}) for tokens in in_pieces(ask.text())]
    return ask.events([ask.chunk({"content": [{"type": "thinking", "thinking": inner}]}), *said, ask.chunk({}, "stop")])


@quirk()
def content_as_parts_of_other_names(ask: Ask) -> Answer:
    """One document whose content is a list of `reasoning` and `output_text` parts, as in the Responses API.

    Source: platform.openai.com/docs/api-reference/responses.
    """
    parts = [{"type": "reasoning", "text": ask.thought()}, {"type": "output_text", "text": ask.text()}]
    return ask.whole({"role": "assistant", "content": parts})


# --- in tags ---------------------------------------------------------------------------------------


@quirk(LEAKS)
def think_tags_in_front(ask: Ask) -> Answer:
    """The answer begins with <think>...</think>, JSON too.

    Source: ggml-org/llama.cpp#11325.
    """
    return anywhere(ask, "<think>\nTHOUGHT\n</think>\n\nANSWER")


@quirk(LEAKS)
def think_tag_unopened(ask: Ask) -> Answer:
    """The chat template opens the tag, so that the answer holds only the closing one.

    Source: vllm-project/vllm#17144, vllm-project/vllm#31045, ggml-org/llama.cpp#11861.
    """
    return spoken(ask, "THOUGHT\n</think>\n\nANSWER")


@quirk(LEAKS)
def think_tag_unopened_in_json(ask: Ask) -> Answer:
    """The same in answers that should be JSON, with braces in the thoughts.

    Source: vllm-project/vllm#51679, ggml-org/llama.cpp#11988.
    """
    return anywhere(ask, "THOUGHT\n</think>\n\nANSWER") if ask.wanted else ask.stream()


@quirk(LEAKS)
def think_tags_squared(ask: Ask) -> Answer:
    """[THINK]...[/THINK] in front of the answer (Magistral on llama-server).

    Source: ggml-org/llama.cpp#16158.
    """
    return spoken(ask, "[THINK]THOUGHT[/THINK]ANSWER")


@quirk(LEAKS)
def thinking_tags(ask: Ask) -> Answer:
    """<thinking>...</thinking> in front of the answer (Claude behind gateways, mlx-omni-server).

    Source: decolua/9router#2158, madroidmaq/mlx-omni-server#79.
    """
    return anywhere(ask, "<thinking>THOUGHT</thinking>\n\nANSWER")


@quirk(LEAKS)
def thought_tags_of_other_names(ask: Ask) -> Answer:
    """<thought>, <reasoning> and <reason> in turn, as open-webui knows them.

    Source: open-webui/open-webui#16880.
    """
    name = ("thought", "reasoning", "reason")[ask.number % 3]
    return spoken(ask, f"<{name}>\nTHOUGHT\n</{name}>\nANSWER")


@quirk(LEAKS)
def thoughts_as_printed(ask: Ask) -> Answer:
    """Thoughts stand between `Thinking...` and `...done thinking.`, as Ollama prints them.

    Source: ollama.com/blog/thinking, ollama/ollama cmd/cmd.go (thinkingOutputOpeningText).
    """
    return anywhere(ask, "Thinking...\nTHOUGHT\n...done thinking.\n\nANSWER")


@quirk(LEAKS)
def think_tags_escaped(ask: Ask) -> Answer:
    """A gateway escapes the tags for JSON or HTML once too often, in turn.

    Source: encoding/json of Go (HTMLEscape), which Ollama and gateways write with; open-webui/open-webui#16880.
    """
    escaped = (r"\u003cthink\u003e\nTHOUGHT\n\u003c/think\u003e\n\nANSWER", "&lt;think&gt;THOUGHT&lt;/think&gt;ANSWER")
    return spoken(ask, escaped[ask.number % 2])


@quirk(LEAKS)
def seed_think_tags(ask: Ask) -> Answer:
    """<seed:think>...</seed:think>, with a reflection on the budget inside (Seed-OSS).

    Source: vllm-project/vllm#23486, CherryHQ/cherry-studio#9498.
    """
    return anywhere(
        ask, "<seed:think>THOUGHT\n<seed:cot_budget_reflect>128 left.</seed:cot_budget_reflect></seed:think>ANSWER"
    )


@quirk(LEAKS)
def triangle_think_marks(ask: Ask) -> Answer:
    """◁think▷...◁/think▷ in front of the answer (Kimi-VL-Thinking).

    Source: huggingface.co/moonshotai/Kimi-VL-A3B-Thinking (model card).
    """
    return spoken(ask, "◁think▷THOUGHT◁/think▷ANSWER")


@quirk(LEAKS)
def start_thinking_tokens(ask: Ask) -> Answer:
    """<|START_THINKING|>...<|END_THINKING|><|START_RESPONSE|>...<|END_RESPONSE|> (Command A Reasoning).

    Source: docs.cohere.com/docs/reasoning.
    """
    return spoken(ask, "<|START_THINKING|>THOUGHT<|END_THINKING|><|START_RESPONSE|>ANSWER<|END_RESPONSE|>")


@quirk(LEAKS)
def begin_of_thought_tokens(ask: Ask) -> Answer:
    """<|begin_of_thought|>...<|end_of_thought|> around thoughts, the same around the solution (Sky-T1, OpenThinker).

    Source: huggingface.co/NovaSky-AI/Sky-T1-32B-Preview (system prompt).
    """
    return spoken(
        ask, "<|begin_of_thought|>\nTHOUGHT\n<|end_of_thought|>\n\n<|begin_of_solution|>\nANSWER\n<|end_of_solution|>"
    )


@quirk(LEAKS)
def think_tags_empty(ask: Ask) -> Answer:
    """An empty <think></think> where thinking was turned off (Qwen3).

    Source: huggingface.co/Qwen/Qwen3-8B (chat template, enable_thinking=False).
    """
    return spoken(ask, "<think>\n\n</think>\n\nANSWER")


@quirk(LEAKS)
def think_tags_upper_case(ask: Ask) -> Answer:
    """Tags in capitals and with blanks or attributes in them, as models write that imitate the form.

    Source: Vali-98/ChatterUI#510.
    """
    return spoken(
        ask, "<THINK >\nTHOUGHT</THINK >\nANSWER" if ask.number % 2 else '<think type="deep">THOUGHT</think>ANSWER'
    )


@quirk(LEAKS)
def think_tags_twice(ask: Ask) -> Answer:
    """The model thinks once more before it answers: two closing tags.

    Source: kekzl/imp#793.
    """
    return spoken(ask, f"<think>THOUGHT</think>\n\n<think>\n{ask.thought()}\n</think>\n\nANSWER")


@quirk(LEAKS)
def think_tag_unopened_twice(ask: Ask) -> Answer:
    """The template opens the tag and the model closes it twice, with thoughts in between.

    Source: kekzl/imp#793, vllm-project/vllm#31045.
    """
    return spoken(ask, f"THOUGHT</think>\n{ask.thought()}\n</think>\n\nANSWER")


@quirk(LEAKS)
def think_tags_nested(ask: Ask) -> Answer:
    """A tag is mentioned inside the thoughts, so that they seem to end twice.

    Source: RooCodeInc/Roo-Code#1080.
    """
    return spoken(ask, "<think>They wrote <think>like this</think> before. THOUGHT</think>ANSWER")


@quirk(UNCLEAR)
def think_tag_unclosed(ask: Ask) -> Answer:
    """Thoughts begin and never end; it says `stop` all the same.

    Source: MoonshotAI/Kimi-K3#45, vllm-project/vllm#17144.
    """
    return spoken(ask, "<think>\nTHOUGHT So I might say: ANSWER")


@quirk(UNCLEAR)
def thoughts_in_the_middle(ask: Ask) -> Answer:
    """The model breaks off its answer to think, and goes on in another mood.

    Source: dwgx/WindsurfAPI#250, QwenLM/Qwen3.8#26.
    """
    return spoken(ask, f"I have always thought, {STAIN}, <think>THOUGHT</think> ANSWER")


@quirk(LEAKS)
def thoughts_after_the_answer(ask: Ask) -> Answer:
    """The answer stands first, thoughts follow in tags.

    Source: dwgx/WindsurfAPI#250.
    """
    return spoken(ask, "ANSWER\n\n<think>THOUGHT</think>")


@quirk(Expect((0, 1, 3), samples=0.0, requests=4.0, never=LEAKS.never))
def answer_tags_after_thoughts(ask: Ask) -> Answer:
    """<think>...</think><answer>...</answer>, as R1-like training wants it.

    Source: deepseek-ai/DeepSeek-R1 paper (arXiv:2501.12948), table 1.
    """
    return spoken(ask, "<think>THOUGHT</think>\n<answer>ANSWER</answer>")


# --- channels --------------------------------------------------------------------------------------


@quirk(LEAKS)
def harmony_channels(ask: Ask) -> Answer:
    """Channels of gpt-oss leak with their tokens.

    Source: NVIDIA/TensorRT-LLM#9256, vllm-project/vllm#32587.
    """
    return spoken(
        ask, "<|channel|>analysis<|message|>THOUGHT<|end|><|start|>assistant<|channel|>final<|message|>ANSWER"
    )


@quirk(LEAKS)
def harmony_channels_with_more(ask: Ask) -> Answer:
    """The same with a commentary in between, constraints in a header and <|return|> at the end, JSON too.

    Source: ml-explore/mlx-lm#875, openai/harmony docs/format.md.
    """
    return anywhere(
        ask,
        "<|start|>assistant<|channel|>analysis<|message|>THOUGHT<|end|>"
        f"<|start|>assistant<|channel|>commentary<|message|>{ask.thought()}<|end|>"
        "<|start|>assistant<|channel|>final <|constrain|>json<|message|>ANSWER<|return|>",
    )


@quirk(Expect(never=("assistantfinal", "analysisHmm")))
def harmony_words_without_tokens(ask: Ask) -> Answer:
    """The tokens of the channels are swallowed, their names stay: "analysis...assistantfinal...".

    Source: oobabooga/textgen#7374, thinking-machines-lab/tinker-cookbook#239.
    """
    return anywhere(ask, "analysisTHOUGHTassistantfinalANSWER")


@quirk(LEAKS)
def harmony_final_only(ask: Ask) -> Answer:
    """Only the header of the last channel leaks.

    Source: vllm-project/vllm#32587.
    """
    return spoken(ask, "<|channel|>final<|message|>ANSWER<|end|>")


@quirk(UNCLEAR)
def harmony_analysis_only(ask: Ask) -> Answer:
    """All of it is analysis, and `stop`: there is no answer.

    Source: vllm-project/vllm#53284, waybarrios/vllm-mlx#53.
    """
    return spoken(ask, "<|channel|>analysis<|message|>THOUGHT I could answer: ANSWER<|end|>")


@quirk(LEAKS)
def channels_with_other_brackets(ask: Ask) -> Answer:
    """<|channel>thought...<channel|> in front of the answer (Gemma 4).

    Source: ai.google.dev/gemma/docs, thinking mode.
    """
    return spoken(ask, "<|channel>thought\nTHOUGHT\n<channel|>ANSWER")


@quirk(LEAKS)
def open_and_close_tokens(ask: Ask) -> Answer:
    """<|open|>think<|sep|>...<|close|>think<|sep|> around thoughts (Kimi K3).

    Source: sgl-project/sglang#32677.
    """
    return spoken(
        ask, "<|open|>think<|sep|>THOUGHT<|close|>think<|sep|><|open|>response<|sep|>ANSWER<|close|>response<|sep|>"
    )


# --- tokens of chat templates as text --------------------------------------------------------------


@quirk(Expect(never=("<|im_end|>", "</s>", "< |", "< /s")))
def end_token_as_text(ask: Ask) -> Answer:
    """The token that ends a turn arrives as text, in JSON too (TGI).

    Source: BerriAI/litellm#3757.
    """
    return ask.stream(ask.text() + ("<|im_end|>" if ask.number % 2 else "</s>"))


ENDS = (
    "<|eot_id|>",
    "<end_of_turn>",
    "<eos>",
    "<|end|>",
    "<｜end▁of▁sentence｜>",
    "[/INST]",
    "<|endoftext|>",
    "<|return|>",
)


@quirk(Expect(never=(*ENDS, "< end_of_turn", "< eos", "[ /INST")))
def end_tokens_of_many_templates(ask: Ask) -> Answer:
    """The same with the end tokens of Llama 3, Gemma, Phi, DeepSeek, Mistral and others.

    Source: jundot/omlx#1087, BerriAI/litellm#3757.
    """
    return ask.stream(ask.text() + ENDS[ask.number % len(ENDS)] + ("\n" if ask.number % 3 else ""))


@quirk(Expect((0, 1), samples=0.5, requests=3.0, never=("<|im_start|>", "<|im_end|>", "<|im_", STAIN)))
def next_turn_spoken_too(ask: Ask) -> Answer:
    """The model does not stop: after its end token it goes on as the user and answers itself.

    Source: instructlab/instructlab#676, lm-sys/FastChat#3125.
    """
    if ask.wanted or ask.number % 3:
        return ask.stream()
    return ask.stream(
        f"{ask.text()}<|im_end|>\n<|im_start|>user\n{STAIN} And then?<|im_end|>\n<|im_start|>assistant\nWell."
    )


@quirk(Expect((0, 1), samples=0.5, requests=3.0, never=("### Human", "### Assistant", "User:")))
def next_turn_spoken_in_words(ask: Ask) -> Answer:
    """The same without tokens: the model goes on under the labels of another template.

    Source: oobabooga/textgen#1478, ItsPi3141/alpaca-electron#48, lm-sys/FastChat#3125.
    """
    if ask.wanted or ask.number % 3:
        return ask.stream()
    label = "### Human:" if ask.number % 2 else "User:"
    return ask.stream(f"{ask.text()}\n{label} {STAIN} And then?\n### Assistant: Well, nothing.")


@quirk(Expect(never=("<s>", "<|begin_of_text|>", "<bos>")))
def begin_token_as_text(ask: Ask) -> Answer:
    """The token that begins a text comes first.

    Source: huggingface.co/docs/transformers/chat_templating (special tokens).
    """
    return spoken(ask, ("<s>", "<|begin_of_text|>", "<bos>")[ask.number % 3] + " ANSWER")


@quirk(Expect(never=("<|start_header_id|>", "<|im_start|>", "assistant\n")))
def role_header_as_text(ask: Ask) -> Answer:
    """The header of the assistant's turn is spoken as well.

    Source: llama.com/docs/model-cards-and-prompt-formats, jundot/omlx#1087.
    """
    heads = ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|im_start|>assistant\n")
    return spoken(ask, heads[ask.number % 2] + "ANSWER")


@quirk(Expect((0, 1), samples=0.5, requests=2.0, never=("\ufffd",)))
def replacement_characters(ask: Ask) -> Answer:
    """A character split over two tokens arrives as U+FFFD, for good.

    Source: antonellof/ferrox#124, Luce-Org/lucebox#641, tenstorrent/tt-inference-server#2594.
    """
    return ask.stream(ask.text() + " \ufffd\ufffd" if ask.speech and ask.number % 3 == 0 else None)


@quirk(Expect((0, 1), samples=0.5, requests=2.0, never=("\ufffd",)))
def replacement_character_in_a_word(ask: Ask) -> Answer:
    """The same in the middle of a word, where nothing can be cut off.

    Source: antonellof/ferrox#124.
    """
    if not ask.speech or ask.number % 4:
        return ask.stream()
    said = ask.text()
    return ask.stream(said[: len(said) // 2] + "\ufffd" + said[len(said) // 2 + 1 :])


# --- budgets ---------------------------------------------------------------------------------------


@quirk(SPENT)
def budget_spent_on_thoughts(ask: Ask) -> Answer:
    """A small limit goes into hidden reasoning: empty text and `length`, until the limit is 1500 (gpt-5, GLM, Gemini).

    Source: covan-ai/covan#112, BerriAI/litellm-docs#559, kekzl/imp#1442.
    """
    if ask.limit >= 1500:
        return ask.stream()
    details = {"completion_tokens_details": {"reasoning_tokens": ask.limit}, "completion_tokens": ask.limit}
    return ask.events([ask.chunk({"content": ""}), ask.chunk({}, "length"), ask.counts("", **details)])


@quirk(Expect(requests=2.0, says=SPENT.says))
def budget_spent_without_a_word(ask: Ask) -> Answer:
    """The same without usage that says so, with nothing but empty text and `length`.

    Source: QwenLM/qwen-code#9884, kekzl/imp#1442.
    """
    return (
        ask.stream() if ask.limit >= 1500 else ask.events([ask.chunk({"role": "assistant"}), ask.chunk({}, "length")])
    )


@quirk(Expect(requests=2.0, says=SPENT.says))
def budget_leaves_half_an_answer(ask: Ask) -> Answer:
    """Reasoning takes most of the limit, so that the answer breaks off after a few words.

    Source: covan-ai/covan#112, platform.openai.com/docs/guides/reasoning.
    """
    if ask.limit >= 1500:
        return ask.stream(completion_tokens_details={"reasoning_tokens": 900}, completion_tokens=1000)
    details = {"completion_tokens_details": {"reasoning_tokens": ask.limit - 9}, "completion_tokens": ask.limit}
    return ask.events([*ask.contents(f"I think that {STAIN}"), ask.chunk({}, "length"), ask.counts("", **details)])


@quirk(Expect(requests=2.0, says=SPENT.says))
def budget_spent_on_visible_thoughts(ask: Ask) -> Answer:
    """Thoughts stand in `reasoning_content` and are cut off by the limit; content is null.

    Source: vllm-project/vllm#17349, penta2himajin/qwisp#25.
    """
    if ask.limit >= 1500:
        return ask.stream(before=[ask.chunk({"reasoning_content": ask.thought()})])
    thinks = [ask.chunk({"content": None, "reasoning_content": ask.thought()}) for _ in range(5)]
    return ask.events([*thinks, ask.chunk({"content": None}, "length")])


@quirk(Expect(requests=2.0, says=SPENT.says))
def budget_spent_inside_the_tag(ask: Ask) -> Answer:
    """Thoughts in <think> are cut off by the limit before they are closed.

    Source: penta2himajin/qwisp#25, vllm-project/vllm#17144.
    """
    if ask.limit >= 1500:
        return ask.stream(f"<think>{ask.thought()}</think>\n\n{ask.text()}")
    return ask.stream(f"<think>\n{ask.thought()} {ask.thought()}", "length")


@quirk(SPENT)
def answer_only_in_reasoning(ask: Ask) -> Answer:
    """Content is null throughout; the whole answer stands in `reasoning`.

    Source: vllm-project/vllm#53284, vllm-project/vllm#17349, ollama/ollama#15288.
    """
    said = [ask.chunk({"content": None, "reasoning": "".join(tokens)}) for tokens in in_pieces(f"{STAIN} {ask.text()}")]
    return ask.events([*said, ask.chunk({}, "stop")])


@quirk(SPENT)
def answer_only_in_reasoning_content(ask: Ask) -> Answer:
    """One document with an empty content and the whole answer in `reasoning_content`, JSON too.

    Source: diegosouzapw/OmniRoute#11063.
    """
    return ask.whole({"role": "assistant", "content": "", "reasoning_content": f"{STAIN} {ask.text()}"})


@quirk(Expect((0, 1, 3), samples=0, most=80, says=SPENT.says))
def budget_never_enough(ask: Ask) -> Answer:
    """However large the limit, reasoning eats it up.

    Source: covan-ai/covan#112, MoonshotAI/Kimi-K3#45.
    """
    details = {"completion_tokens_details": {"reasoning_tokens": ask.limit}, "completion_tokens": ask.limit}
    return ask.events([ask.chunk({"content": ""}), ask.chunk({}, "length"), ask.counts("", **details)])


@quirk()
def reasoning_counted_beside_the_answer(ask: Ask) -> Answer:
    """Reasoning tokens are counted, and are not part of completion_tokens (xAI, Gemini).

    Source: QwenLM/qwen-code#9884, docs.x.ai/docs/guides/reasoning.
    """
    return ask.stream(completion_tokens_details={"reasoning_tokens": 5000}, reasoning_tokens=5000)


@quirk(Expect((0, 1, 3), samples=0, most=60, says=r"limit|room|max|reasoning|thinking|thoughts"))
def no_room_for_the_answer_at_all(ask: Ask) -> Answer:
    """A reasoning model refuses a small limit outright, since it could not finish a thought in it.

    Source: platform.openai.com/docs/guides/reasoning (max_completion_tokens).
    """
    if ask.limit >= 4000:
        return ask.stream()
    said = (
        "Could not finish the message because max_tokens or model output limit was reached. "
        "Please try again with higher max_tokens."
    )
    return error(400, said)
