"""Each form by which thoughts and control tokens leak into an answer, and natural speech, which must pass untouched."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from culturepark.models import thoughts
from culturepark.models.chat import Reply, Usage
from culturepark.models.thoughts import ADVICE, answer_in, bracketed, heard, unfit, without_citations

SAID = "In our village everybody brings bread to the table."
T = "Okay, let me see. ZQX They talk about bread, so I stay in character."
"""Thoughts: of these nothing may be heard."""

THOUGHT_FIRST = {
    "think-tags": [
        f"<think>{T}</think>{SAID}",
        f"<think>\n{T}\n</think>\n\n{SAID}\n",
        f"<THINK >{T}</ think>{SAID}",
        f"< think >{T}< /think>{SAID}",
        f'<think type="a" n=3>{T}</think> {SAID}',
        f"<thinking>{T}</thinking>{SAID}",
        f"<Thought>{T}</Thought>{SAID}",
        f"<reasoning>{T}</reasoning>{SAID}",
        f"<reflection>{T}</reflection>{SAID}",
        f"<seed:think>{T}</seed:think>{SAID}",
        f"<mm:think>{T}</mm:think>{SAID}",
        f"<antThinking>{T}</antThinking>{SAID}",
        f"<thought_process>{T}</thought_process>{SAID}",
        f"<inner monologue>{T}</inner monologue>{SAID}",
        f"<scratchpad>{T}</scratchpad>{SAID}",
        f"<思考>{T}</思考>{SAID}",
        f"[THINK]{T}[/THINK]{SAID}",
        f"[think]{T}[/think]{SAID}",
        f"[ THINK]{T}[ /THINK]{SAID}",
        f"◁think▷{T}◁/think▷{SAID}",
        f"＜think＞{T}＜/think＞{SAID}",
        f"&lt;think&gt;{T}&lt;/think&gt;{SAID}",
        f"&lt;think&gt;\n{T}\n&lt;/think&gt;\n\n{SAID}",
        f"&#60;think&#x3E;{T}&#60;/think&#x3E;{SAID}",
        f"&amp;lt;think&amp;gt;{T}&amp;lt;/think&amp;gt;{SAID}",
        rf"\u003cthink\u003e\n{T}\n\u003c/think\u003e\n\n{SAID}",
        rf"\u003CTHINK\u003E{T}\u003C/THINK\u003E" + f"\n\n{SAID}",
        rf"\\u003cthink\\u003e\\n{T}\\u003c/think\\u003e\\n{SAID}",
        rf"\x3cthink\x3e{T}\x3c/think\x3e{SAID}",
        rf"\<think\>{T}\</think\>{SAID}",
        rf"<think>{T}<\/think>{SAID}",
        f"<|begin_of_thought|>{T}<|end_of_thought|><|begin_of_solution|>{SAID}<|end_of_solution|>",
        f"<|START_THINKING|>{T}<|END_THINKING|><|START_RESPONSE|>{SAID}<|END_RESPONSE|>",
        f"<|START_THINKING|>{T}<|END_THINKING|>{SAID}",
        f"<|START_THINKING|>{T}<|END_THINKING|><|START_TEXT|>{SAID}<|END_TEXT|><|END_OF_TURN_TOKEN|>",
        f"<|START_THINKING|>{T}<|END_THINKING|><|START_ACTION|>{SAID}<|END_ACTION|>",
        f"<|START_THINKING|>{T}<|END_THINKING|><|START_ACTION|>ZQX<|END_ACTION|><|START_RESPONSE|>{SAID}",
        f"<|START_THINKING|>{T}<|END_THINKING|><|START_ACTION|>ZQX<|END_ACTION|><|START_TEXT|>{SAID}<|END_TEXT|>",
        f"<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|><|START_THINKING|>{T}<|END_THINKING|><|START_RESPONSE|>{SAID}",
        f"<|thinking|>{T}<|/thinking|>{SAID}",
        f"<|think|>{T}<|end|><|begin|>assistant<|content|>{SAID}<|end|>",
        f"<think>{T}</think><think>{T}</think>{SAID}",
        f"<thinking>{T}<reflection>{T}</reflection>{T}</thinking>{SAID}",
        f"<think>I end with <think> or so. {T}</think>{SAID}",
        f"<think>{T}</think><answer>{SAID}</answer>",
        f"<think>The form is <answer>ZQX</answer>.</think>\n<answer>{SAID}</answer>",
        f"<think>\n{T}\n</think>\n\n<response>\n{SAID}\n</response>\n",
        f"<Thought>{T}</Thought>\n<Output>\n{SAID}\n</Output>",
        f"<think>{T}</think>{SAID}<|im_end|>",
        f"<think>{T} <|im_end|> {T}</think>{SAID}",
        f'<details type="reasoning" done="true"><summary>Thought for 3 s</summary>{T}</details>\n{SAID}',
        f"[REASONING]{T}[/REASONING][RESPONSE]{SAID}[/RESPONSE]",
        f"<|inner_prefix|>{T}<|inner_suffix|>{SAID}<|assistant_end|>",
        f"<seed:think><seed:cot_budget_reflect>{T}</seed:cot_budget_reflect>{T}</seed:think>{SAID}<seed:eos>",
        f"<!-- thinking: {T} -->{SAID}",
        f"{SAID}<think>{T}</think>",
    ],
    "think-unopened": [
        f"{T}\n</think>\n\n{SAID}",
        f"{T}</think>{T}</think>{SAID}",
        f"<think>{T}</think>{T}</think>{SAID}",
        f"{T}[/THINK]{SAID}",
        rf"{T}\n\u003c/think\u003e\n\n{SAID}",
        f"{T}◁/think▷{SAID}",
        f"{T}</seed:think>{SAID}",
        f"{T} <|im_end|> {T}</think>{SAID}",
        f"{T}<|END_THINKING|>{SAID}",
    ],
    "channels": [
        f"<|channel|>analysis<|message|>{T}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
        f"<|start|>assistant<|channel|>analysis<|message|>{T}<|end|>"
        "<|start|>assistant<|channel|>commentary to=functions.x "
        f"<|constrain|>json<|message|>{{ZQX}}<|call|><|start|>assistant<|channel|>final<|message|>{SAID}<|return|>",
        f"< |channel|>analysis< |message|>{T}< |end|>< |start|>assistant< |channel|>final< |message|>{SAID}",
        f"{T}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
        f"<|channel|>analysis<|message|>{T}<|end|>{SAID}",
        f"<|channel|>final<|message|>{SAID}<|return|>",
        f"\\u003c|channel|\\u003eanalysis\\u003c|message|\\u003e{T}\\u003c|end|\\u003e"
        rf"\u003c|start|\u003eassistant\u003c|channel|\u003efinal\u003c|message|\u003e{SAID}",
        f"analysis<|message|>{T}<|end|><|start|>assistant<|channel|>final<|message|>{SAID}",
        f"analysis{T}assistantfinal{SAID}",
        f"analysis{T}assistantanalysis{T}assistantcommentary{T}assistantfinal{SAID}",
        f"analysis\n{T}\nassistant\nfinal\n{SAID}",
        f"final{SAID}",
        f"<|channel>thought\n{T}\n<channel|>{SAID}<turn|>",
        f"<|channel>\n{T}\n<channel|>\n{SAID}",
        f"<unused94>thought\n{T}<unused95>{SAID}",
        f"[unused16]{T}[unused17]{SAID}",
        f"<ctrl94>thought\n{T}<ctrl95>{SAID}",
    ],
    "thought-headings": [
        f"Here is my thought process:\n{T}\nHere is my response:\n{SAID}",
        f"Here's my thought process: {T} Here's my response: {SAID}",
        f"Here are my reasoning steps:\n{T}\n[BEGIN FINAL RESPONSE]\n{SAID}\n[END FINAL RESPONSE]",
        f"**Thinking:**\n{T}\n\n**Final Answer:**\n{SAID}",
        f"### Thought process:\n{T}\n### Response:\n{SAID}",
        f"Thought: {T}\nFinal Answer: {SAID}",
        f"{T}\n\n**Final Answer:**\n{SAID}",
        f"```thinking\n{T}\n```\n{SAID}",
        f"~~~reasoning\n{T}\n~~~\n{SAID}",
        f"*Thinking...*\n> {T}\n> {T}\n\n{SAID}",
        f"Thought for 3 seconds\n\n{SAID}",
        f"Thinking...\n{T}\n...done thinking.\n\n{SAID}",
        f"\nThinking...\n{T}\n\n{T}\n...done thinking.\n\n{SAID}\n",
        f"Thinking…\n{T}\n…done thinking.\n{SAID}",
        f"*Thinking...*\n{T}\n*...done thinking.*\n\n{SAID}",
        f"Thinking...\n> {T}\n...done thinking.\n\n{SAID}",
        f"Thinking... {T} ...done thinking. {SAID}",
        f"{T}\n...done thinking.\n\n{SAID}",
    ],
    "answer-tags": [
        f"<answer>{SAID}</answer>",
        f"{T}\n<answer>{SAID}</answer>",
        f"<|begin_of_box|>{SAID}<|end_of_box|>",
        f"<answer>\n{SAID}",
        f"{SAID}</answer>",
        f"<answer>{SAID}</answer> ZQX I hope that this is in character.",
    ],
    "end-token": [
        f"{SAID}{token}"
        for token in (
            "<|im_end|>",
            "</s>",
            "<eos>",
            "<end_of_turn>",
            "<|eot_id|>",
            "<｜end▁of▁sentence｜>",
            "<|return|>",
            "<turn|>",
            "<|endoftext|>",
            "< |im_end|>",
            "< /s>",
            "<|end|>",
            "<|END_OF_TURN_TOKEN|>",
            "<|end_of_text|>",
            "[EOS]",
            "<eot>",
            "<end_of_utterance>",
            "&lt;|im_end|&gt;",
            r"\u003c|im_end|\u003e",
            r"\u003c/s\u003e\n",
            "<|im_end|>\n<|im_start|>user\nZQX<|im_end|>",
            "</s> [INST] ZQX [/INST]",
            "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nZQX",
            "<|endoftext|>Human: ZQX",
            "<end_of_turn>\n" * 4,
            "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nZQX",
        )
    ]
    + [f"<|start_header_id|>assistant<|end_header_id|>\n\n{SAID}<|eot_id|>", f"<s>{SAID}</s>"]
    + [f"[|assistant|]{SAID}[|endofturn|]", f"]~b]ai\n{SAID}[e~[", f"{SAID}<|im_end|", f"{SAID}<|im_", f"{SAID}</"]
    + [f"{SAID}<|separator|>\n\nHuman: ZQX"]
    + [f"{SAID}<|im_end|><|im_start|>assistant\n<think>{T}</think>ZQX"],
    "control-tokens": [
        f"<|im_start|>assistant\n{SAID}",
        f"<|start_of_role|>assistant<|end_of_role|>{SAID}",
        f"<start_of_turn>model\n{SAID}",
        f"<|im_assistant|>assistant<|im_middle|>{SAID}",
        f"<｜Assistant｜>{SAID}",
        f"<｜begin▁of▁sentence｜>{SAID}",
        f"<|assistant|>\n{SAID}<|user|>\nZQX",
        f"[/INST] {SAID}",
        f"[gMASK]<sop>{SAID}",
        f"<unused12>{SAID}",
        f"<extra_id_0> {SAID}",
        f"{SAID}<0x0A>",
        f"{SAID}<pad><pad>",
        f"{SAID}<|reserved_special_token_3|>",
        f"<|message|>{SAID}",
        f"<no_think>{SAID}",
    ],
    "role-header": [
        f"assistant\n\n{SAID}",
        f"{SAID}assistant\n\nZQX",
        f"{SAID}\nuser\nZQX",
        f"{SAID}\n\nHuman: ZQX",
        f"{SAID}\n### User: ZQX",
        f"model\n{SAID}",
    ],
    "citations": [
        f"{SAID} \ue200cite\ue202turn0search0\ue201",
        f"\ue200cite\ue202turn0search0\ue202turn1news12\ue201 {SAID}",
        "In our village\ue200filecite\ue202turn0file0\ue202L1-L3\ue201 everybody brings bread to the table.",
        "In our village everybody \ue200cite\ue202turn0search0\ue201 brings bread to the table \ue200cite\ue201.",
        "In our village \ue200cite\ue202turn0search0\ue201everybody brings bread to the table.",
        f"{SAID}\ue200cite\ue202turn0sea",
        f"{SAID} \ue200",
        f"\ue203{SAID}\ue204",
        f"\ue200{SAID}",
        f"{SAID}citeturn0search0turn2view1",
        rf"{SAID} \ue200cite\ue202turn0search0\ue201",
        f"{SAID}【4:0†source】",
        f"{SAID} 【4:0†source】【4:12†a b.pdf】",
        "In our village【6†L9-L11】 everybody brings bread to the table 【13†www.example.org】.",
        f"{SAID}[4:0†source]",
        f"{SAID} :contentReference[oaicite:0]{{index=0}}",
        f"{SAID}[1][2]",
        f"{SAID} [3]",
        f"{SAID}[1, 2] [5-7]",
        "In our village[^1] everybody brings bread[12] to the table.",
    ],
    "garbled": [
        f"{SAID} \ufffd\ufffd",
        f"\ufffd {SAID}",
        f"{SAID}\ufffd\n",
        f"{SAID} \ud83d",
        f"\0\udc0a{SAID}",
    ],
}


@pytest.mark.parametrize(
    ("leak", "content"), [(leak, content) for leak, contents in THOUGHT_FIRST.items() for content in contents]
)
def test_speech_is_heard_without_what_leaked(leak: str, content: str) -> None:
    found = heard(content)
    assert (found.text, found.leak, found.unclear) == (SAID, leak, None)
    assert ("ZQX" in found.thoughts) or T not in content.partition(SAID)[0]


@pytest.mark.parametrize(
    ("unclear", "content"),
    [
        ("leaked-thoughts", f"<think>{T}"),
        ("leaked-thoughts", f"{SAID} <think>{T}"),
        ("leaked-thoughts", f"[THINK]{T}"),
        ("leaked-thoughts", f"<think>{T}<|im_end|>"),
        ("leaked-thoughts", f"<|channel|>analysis<|message|>{T}"),
        ("leaked-thoughts", f"analysisWe need to answer. {T}"),
        ("leaked-thoughts", f"<|channel>thought\n{T}"),
        ("leaked-thoughts", f"<unused94>thought\n{T}"),
        ("leaked-thoughts", f"thought\n{T}"),
        ("leaked-thoughts", f"thought[]{T}"),
        ("leaked-thoughts", f"Here is my thought process:\n{T}"),
        ("leaked-thoughts", f"Thinking...\n{T}"),
        ("leaked-thoughts", f"Well, <think>{T}</think> {SAID}"),
        ("leaked-thoughts", "I <think> that is odd</think> so."),
        ("leaked-thoughts", f"<think>{T}</think>{SAID}<think>{T}</think>{SAID}"),
        ("leaked-thoughts", f"<answer>{SAID}</answer><answer>{SAID}</answer>"),
        ("control-token", "In our <|reserved_special_token_3|> village"),
        ("control-token", "In our <unused7> village"),
        ("control-token", "In our < |vision_start|> village"),
        ("control-token", "In our<0xE2><0x80><0x99>village"),
        ("control-token", f"{SAID} [/INST] {SAID}"),
        ("control-token", "In our <s> village"),
        ("control-token", f'<tool_call>{{"name": "x"}}</tool_call> {SAID}'),
        ("control-token", f"<|im_start|>user\n{SAID}"),
        ("control-token", "<|x|>a" * 600),
        ("leaked-thoughts", f"**Crafting a reply as Elif**\n\nI think of bread.\n\n\n{SAID}"),
        ("garbled", "In our vil\ufffdlage"),
        ("garbled", "In our vil\0lage, in our vil\ud83dlage"),
        ("garbled", "InĠourĠvillageĠweĠbakeĠbread."),
        ("garbled", "In▁our▁village▁we▁bake▁bread."),
    ],
)
def test_what_is_no_single_piece_of_speech_is_unclear(unclear: str, content: str) -> None:
    found = heard(content)
    assert found.unclear == unclear
    assert found.leak in ADVICE
    assert "ZQX" not in found.text


PLAIN = [
    "I <3 you all.",
    "if a < b > c, then no",
    "[laughs] Well.",
    "*sighs* No.",
    "<b>No</b>, <i>never</i>.",
    "I think so.",
    "[...] and so on",
    "see <https://a.b/c_d?x=1>",
    "<mail_me@x.org>",
    "analysis paralysis, my father says",
    "In the final analysis it is bread.",
    "Final answer: no.",
    "final answer: no",
    "Analysis: it is bread.",
    "[1] and [2]",
    "In [2019] we moved; page [12] says so.",
    "**Bread** comes first.\nThen tea.",
    "**Baking bread** is what we do.",
    "thought I'd come by",
    "Thinking: it is hard.",
    "My thoughts: none.",
    "Thinking... well, it is hard.",
    "*thinking...*\nWell, it is hard.",
    "Thinking about it... I am done thinking.",
    "I sat there ... done thinking. Then I went home.",
    "[thinking] Well, no.",
    "[NAME] is here",
    "[OK]",
    "My answer: yes. I thought so.",
    "Response: I would go.",
    "Plan: bread.",
    "Here is my response: bread is life.",
    "Here's my answer: no",
    "Here is my thinking about bread, then: it is good.",
    "Here is the thing: no.",
    "x <y> z",
    "I < think about it > you",
    "<laughs>",
    "<sigh> no",
    "The end <end credits>",
    "<br>",
    "User interfaces",
    "[USA] is far",
    "The assistant in the shop said: no.",
    "Model trains are my hobby.",
    "“final” is final",
    "I said [sic] so",
    "-> <-",
    "<>",
    "Reason enough to go, and reasoning helps.",
    "He told me: “think!”",
    "(thinking) I would not.",
    "thoughtful people",
    "We say “son söz”, the final word.",
    "finally home",
    "5 < 6 and 7 > 3",
    "[a] | [b]",
    "We pour | they drink",
    "< s >",
    "My mother is from Ġgantija.",
    "Ġorġ said it.",
    "I have a <plan: sleep>.",
    "assistants and users",
    "Speech! Speech!",
    "I love you </3",
    "Human: that is what we are.",
    "We are\nhuman: all of us",
    "[|] and <|",
    "【注】We cite [4:0] and †, and 【4】.",
    "We take our turn and cite it.  Twice.",
    r"\u003cb\u003eNo\u003c/b\u003e",
    "5 &lt; 6 &amp;&amp; 7 &gt; 3",
    "Bread &#38; tea",
    r"C:\users\n and \\n",
]


@pytest.mark.parametrize("text", PLAIN)
def test_what_people_write_passes_untouched(text: str) -> None:
    found = heard(f" {text}\n")
    assert (found.text, found.thoughts, found.leak, found.unclear) == (text, "", None, None)
    assert unfit(text) is None
    assert bracketed(text) == []


@given(
    st.text(
        st.characters(
            exclude_characters="\0<[&`◁＜⟨‹【［\ufffdĠĊ▁>*#:" + "".join(map(chr, range(0xC2, 0xF0))),
            exclude_categories=["Cs", "Co"],
        ),
        max_size=60,
    )
)
def test_text_without_a_bracket_or_a_heading_passes_untouched(text: str) -> None:
    spoken = f"My mother says {text} and I agree."
    assert heard(spoken).text == spoken.strip()
    assert heard(spoken).leak is None


PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "[THINK]",
        "[/THINK]",
        "<|im_end|>",
        "<|im_start|>assistant\n",
        "<|im_start|>user\n",
        "</s>",
        "<s>",
        "<|channel|>analysis<|message|>",
        "<|channel|>final<|message|>",
        "<|end|>",
        "<|start|>assistant",
        "<|channel>",
        "<channel|>",
        "<answer>",
        "</answer>",
        "assistantfinal",
        "analysis",
        "thought\n",
        "Here is my response:",
        "**Final Answer:**\n",
        "```thinking\n",
        "```",
        "\ufffd",
        " ",
        "\n",
        "bread",
        "We bake. ",
        "<unused7>",
        "[/INST]",
        "<0x0A>",
        "assistant\n",
        "<",
        ">",
        "|",
        "[",
        "]",
        "< ",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
@example("<think></think>assistantfinal\ufffd")
@settings(max_examples=150)
def test_what_is_heard_is_one_piece_of_what_came_and_trusted_only_if_clean(content: str) -> None:
    found = heard(content)
    assert found.text in without_citations(content)
    assert found.text == found.text.strip()
    assert (found.leak or "garbled") in ADVICE
    if found.unclear is None:
        assert unfit(found.text) is None
        assert "\ufffd" not in found.text
    else:
        assert found.leak is not None


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
@pytest.mark.parametrize(
    ("thoughts", "content", "leak"),
    [
        (T, f"{T}{SAID}", "thoughts-twice"),
        (f"\n{T}\n", f"{T}\n\n{SAID}", "thoughts-twice"),
        (T, f"\n{T} {SAID}<|im_end|>", "end-token"),
        (T, f"{T}\n</think>\n\n{SAID}", "think-unopened"),
        (T, f"<think>{T}</think>{SAID}", "think-tags"),
        (T, SAID, None),
        (SAID, SAID, None),
        (f"{SAID} ", f"{SAID}\n", None),
        (SAID[:-1], SAID, None),
        (f"{SAID} {T}", SAID, None),
        ("In our", SAID, None),
        ("", SAID, None),
        (None, SAID, None),
        ([T], SAID, None),
    ],
)
def test_thoughts_that_came_in_a_field_are_not_heard_again(
    field: str, thoughts: object, content: str, leak: str | None
) -> None:
    message = {"role": "assistant", "content": content, field: thoughts}
    reply = Reply.of({"choices": [{"message": message, "finish_reason": "stop"}]}, Usage())
    assert (reply.text, reply.leak, reply.unclear) == (SAID, leak, None)


def test_json_is_freed_of_the_tokens_of_a_text_part() -> None:
    said = '{"statements": []}'
    assert answer_in(f"<|START_THINKING|>{T}<|END_THINKING|><|START_TEXT|>{said}<|END_TEXT|>") == said


@given(st.text(max_size=80))
def test_any_text_gives_one_piece_of_itself(content: str) -> None:
    assert heard(content).text in without_citations(content)
    assert answer_in(content) in without_citations(content)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a<|im_end|>b</s>", ["<|im_end|>", "</s>"]),
        ("a < |im_end|> b", ["< |im_end|>"]),
        ("<think>a</think>", ["<think>", "</think>"]),
        ("a ◁/think▷", ["◁/think▷"]),
        ("[INST] a [/INST]", ["[INST]", "[/INST]"]),
        ("<<SYS>>a<</SYS>>", ["<<SYS>>", "<</SYS>>"]),
        ("a <｜end▁of▁sentence｜>", ["<｜end▁of▁sentence｜>"]),
        ("[gMASK]<sop>", ["[gMASK]", "<sop>"]),
    ],
)
def test_control_tokens_are_named_as_they_stand(text: str, found: list[str]) -> None:
    assert [text[mark.start : mark.stop] for mark in bracketed(text)] == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("We bake bread.</think>", "leaked-thoughts"),
        ("analysisHm.assistantfinalWe bake.", "leaked-thoughts"),
        ("We bake bread.<|im_end|>", "control-token"),
        ("Hm.\n...done thinking.\n\nWe bake.", "leaked-thoughts"),
        (r"We bake bread.\u003c/think\u003e", "leaked-thoughts"),
        ("We bake < |eot_id|> bread.", "control-token"),
        ("We b\ufffdke.", "garbled"),
        ("That\u2019s how we do it in T\u00fcrkiye \u2014 always.".encode().decode("cp1252"), "garbled"),
        ("In T\u00fcrkiye w\u00fcrde ich gr\u00fc\u00dfen.".encode().decode("latin-1"), "garbled"),
        ("\u0646\u0634\u0631\u0628 \u0627\u0644\u0634\u0627\u064a".encode().decode("latin-1"), "garbled"),
        ("\u00ab\u00c9GALIT\u00c9\u00bb, dit-il, \u00abLIBERT\u00c9\u00bb\u2026 \u00e0\u2019\u201d", None),
        ("T\u00fcrkiye\u2019de \u00e7ay i\u00e7eriz \u2014 S\u00c3O PAULO, IRM\u00c3\u00bb", None),
        ("We bake. \ue200cite\ue202turn0search0\ue201 We eat.", "control-token"),
        ("We bake.【4:0†source】", "control-token"),
        ("We bake.[1]", "control-token"),
    ],
)
def test_what_may_not_be_trained_on_says_why(text: str, why: str) -> None:
    assert unfit(text) == why


def test_every_leak_has_advice_and_a_place_in_the_order() -> None:
    assert set(ADVICE) == set(THOUGHT_FIRST) | {"think-unclosed", "thoughts-twice"}


@pytest.mark.parametrize(
    "content",
    [
        "<" * 50_000,
        "[" * 50_000,
        "<think>" * 5_000,
        "x</s>" * 5_000,
        "<a" * 30_000,
        "> a\n" * 20_000,
        "\n" * 50_000,
        "< " * 30_000,
        "\ue200" * 50_000,
        "\ue200a" * 20_000,
        "\ue200" + "a" * 50_000,
        r"\ue200" * 20_000,
        "【1†" * 20_000,
        " " * 50_000 + "a",
        "citeturn0a" * 10_000,
        "a" + "[1]" * 20_000 + "[",
        "a[1" + ",1" * 20_000,
        ":" * 50_000,
        "\\" * 50_000,
        "&amp;" * 20_000,
        r"\u003c" * 20_000,
        r"\u003e" + r"\n" * 20_000,
        "thinking\n" + "> a\n" * 20_000,
        "final answer " * 5_000,
        "Thinking..." + "...done thinking" * 5_000,
        "Thinking..." + "." * 50_000,
        "<|channel|>" + " " * 50_000,
        "\ufffd" * 50_000,
        "*" * 50_000,
    ],
)
@pytest.mark.sampled
def test_reading_takes_no_longer_than_the_text_is_long(content: str) -> None:
    began = time.process_time()
    heard(content)
    unfit(content)
    assert time.process_time() - began < 5


SPOKEN = (
    "I think that the key belongs to whoever waters the plants, because it always did.",
    "We ate, we sang; my uncle's reply was: 'no'.\nAnd the user of the stairs pays.",
    "Aſſistant or aßistant, İstanbul ya da ıslak: the answer İs here.",
    "> a quoted line",
    "…internal matters",
    "ıNPUT: and uſer\nfinal",
    "Done Thinking about it",
)


LEAKED = [content for contents in THOUGHT_FIRST.values() for content in contents]


@pytest.mark.parametrize("text", [*SPOKEN, *PLAIN, *LEAKED])
def test_what_is_looked_for_first_overlooks_no_sign(text: str) -> None:
    for one in (text, text.upper(), text.casefold(), f" {text}", text[1:]):
        assert thoughts.may_hold_marks(one) == bool(thoughts.SIGNS.search(one)), one


@pytest.mark.parametrize("text", [*SPOKEN, *PLAIN, *LEAKED])
def test_what_is_looked_for_first_overlooks_no_citation(text: str) -> None:
    plain = thoughts.CITATION.sub(lambda mark: mark["space"] if thoughts.FOLLOWS.match(text, mark.end()) else "", text)
    assert thoughts.without_citations(text) == plain
