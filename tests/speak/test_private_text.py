"""The filter of a model's text: thoughts, tool calls and control tokens are not for the user; all other text is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.private_text import PrivateText
from voiceloop.speak.splitter import Splitter

CALL = '{"name": "weather", "arguments": {"city": "Rome"}}'

THOUGHTS = [
    "<think>it is 3</think>It is three.",
    "it is 3</think>It is three.",
    "<think/>It is three.",
    "<think>a `</think>` ends it</think>It is three.",
    "<thinking>it is 3</thinking>It is three.",
    "<THOUGHT>it is 3</THOUGHT>It is three.",
    "<reasoning>it is 3</reasoning>It is three.",
    "<seed:think>it is 3</seed:think>It is three.",
    "[THINK]it is 3[/THINK]It is three.",
    "◁think▷it is 3◁/think▷It is three.",
    "<|START_THINKING|>it is 3<|END_THINKING|><|START_RESPONSE|>It is three.<|END_RESPONSE|>",
    "<|begin_of_thought|>3<|end_of_thought|><|begin_of_solution|>It is three.<|end_of_solution|>",
    "<|inner_prefix|>it is 3<|inner_suffix|>It is three.",
    "<unused94>thought\nit is 3<unused95>It is three.",
    "<|channel>thought\nit is 3<channel|>It is three.",
    "<|channel|>analysis<|message|>it is 3<|end|><|start|>assistant<|channel|>final<|message|>It is three.<|return|>",
    "<|start|>assistant<|channel|>analysis<|message|>it is 3<|end|>It is three.",
    "analysisWe need to say 3. No more.assistantfinalIt is three.",
    "The user asks how many there are. I count 3.</think>It is three.",
    "Okay, so the user wants a number. Let me count. 1, 2, 3.</think>It is three.",
    "Hmm. I need to answer shortly.</think>It is three.",
    "Alright, so we need to figure out how many. 3, I think. Yes.</think>It is three.",
    "Okay, der Nutzer fragt nach einer Zahl. Das sind 3.</think>It is three.",
    "好的，用户问有几个。一共是3个。</think>It is three.",
    "Thinking...\nThe user asks for 3.\n...done thinking.\n\nIt is three.",
    "Here is my thought process: I count 3. Here is my response: It is three.",
]


def filtered(text: str, **options: bool) -> str:
    private = PrivateText(**options)
    return private.feed(text) + private.end()


@pytest.mark.parametrize("text", THOUGHTS)
def test_thoughts_are_left_out_in_every_dialect(text: str) -> None:
    assert filtered(text).strip() == "It is three."


CALLS = [
    f"<tool_call>\n{CALL}\n</tool_call>",
    f"<tool_call>{CALL}",
    "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n</tool_call>",
    '<function=weather>{"city": "Rome"}</function>',
    "<function=weather>\n<parameter=city>\nRome\n</parameter>\n</function>",
    '<function_calls><invoke name="weather"><parameter name="city">Rome</parameter></invoke></function_calls>',
    '<minimax:tool_call><invoke name="weather"></invoke></minimax:tool_call>',
    f"[TOOL_CALLS][{CALL}]</s>",
    '[TOOL_CALLS]weather[ARGS]{"city": "Rome"}',
    f"[TOOL_REQUEST]{CALL}[END_TOOL_REQUEST]",
    f"<TOOLCALL>[{CALL}]</TOOLCALL>",
    '<|python_tag|>weather.call(city="Rome")<|eom_id|>',
    f"<|tool_call|>[{CALL}]<|/tool_call|>",
    '<|tool_call_start|>[weather(city="Rome")]<|tool_call_end|>',
    f"<|START_ACTION|>[{CALL}]<|END_ACTION|>",
    (
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{}"
        "<|tool_call_end|><|tool_calls_section_end|>"
    ),
    (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{}\n```"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
    ),
    '<｜DSML｜function_calls><｜DSML｜invoke name="weather"></｜DSML｜invoke></｜DSML｜function_calls>',
    '<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{"city": "Rome"}<|call|>',
    '<|channel|>commentary<|message|>{"city": "Rome"}<|end|>',
    "<start_function_call>call:weather{city:Rome}<end_function_call>",
    CALL,
    '{"name": "weather", "parameters": {"city": "Rome"}}',
    '{"type": "function", "function": {"name": "weather", "parameters": {"brace": "}"}}}',
    f"functools[{CALL}]",
    f"[{CALL}, {CALL}]",
    '[weather(city="Rome"), time()]',
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("before", ["", "Let me look.\n"])
def test_tool_calls_in_the_text_are_left_out(call: str, before: str) -> None:
    assert filtered(before + call) == before


TOKENS = [
    ("It is three.<|im_end|>", "It is three."),
    ("<s> It is three.</s>", " It is three."),
    ("<|begin_of_text|>It is three.<|eot_id|>", "It is three."),
    ("It is three.<end_of_turn>", "It is three."),
    ("<start_of_turn>model\nIt is three.", "It is three."),
    ("<|im_start|>assistant\nIt is three.<|im_end|>", "It is three."),
    ("<|start_header_id|>assistant<|end_header_id|>\n\nIt is three.", "\n\nIt is three."),
    ("It is three.<|im_end|>\n<|im_start|>user\nAnd now?<|im_end|>\n", "It is three.\n\n"),
    ("It is three.<|user|>And now?", "It is three."),
    ("It is three.<｜User｜>And now?<｜Assistant｜>Four.", "It is three. Four."),
    ("[INST] How many? [/INST] It is three.", " It is three."),
    ("It is three\ue200cite\ue202turn0search0\ue201.", "It is three."),
    ("It is<0x20>three.<unused7><|fim_pad|>", "It isthree."),
    ("It is three.<|im_e", "It is three."),
    ("Three. <tool_call>{}</tool_call>Done.", "Three. Done."),
    ("Three.<think>or four?</think>Done.", "Three. Done."),
]


@pytest.mark.parametrize(("text", "left"), TOKENS)
def test_control_tokens_and_other_turns_are_left_out(text: str, left: str) -> None:
    assert filtered(text) == left


ORDINARY = [
    "Three is a < b, and 2 <3 and x<y and y>z.",
    "I like it (a lot) [really] {or so}, see [1] and [the page](https://example.org).",
    "Type <your name> there, <b>not</b> here: if a <b and c> d, it holds.",
    'Write `<think>` before it and "</think>" behind, or (<tool_call>).',
    "```html\n<think>x</think>\n```\nThat is how.",
    '{"name": "Bob", "age": 3} is JSON.',
    '[\n  {"name": "Bob"},\n  {"name": "Ann"}\n]',
    "[f(x)] is a list. [see (there)] functools is a module.",
    "Okay, the user manual says three. Well, the user is always right.",
    "The user.",
    "analysis of the text, analysisOf",
    "user: that is what it says. <3 <- -> <= >= <> << >> <|> |> <||",
    "Ist a < b? „Ja“, sagt er. «Oui.» 3 < 4。「はい」<はい> да <да> هل <نعم> ใช่ <ใช่>",
    "use <stdio.h> and std::vector<int>, 1 <= 2, <user@example.org>, <https://example.org>",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_is_kept_as_it_is(text: str) -> None:
    assert filtered(text) == text


PIECES = st.sampled_from(
    [
        *"ab .,\n<>[]{}()|/`\"'_：。",
        *THOUGHTS,
        *CALLS,
        *(text for text, _ in TOKENS),
        "</think>",
        "<think>",
        "<|channel|>",
        "<|message|>",
        "analysis",
        "final",
        "<|im_start|>",
        "user\n",
        "```",
        "The user asks. ",
        "Fine. ",
    ]
)


@given(st.lists(PIECES, max_size=8).map("".join), st.booleans(), st.data())
def test_cutting_the_stream_elsewhere_changes_nothing(text: str, thinks: bool, data: st.DataObject) -> None:
    private, out, rest = PrivateText(thinks=thinks), "", text
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        out += private.feed(rest[:cut])
        rest = rest[cut:]
    assert out + private.end() == filtered(text, thinks=thinks)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_a_filter_can_be_used_again(text: str) -> None:
    private = PrivateText()
    private.feed(text)
    private.end()
    private.thinks = False
    private.end()
    assert private.feed("Once <more>.") + private.end() == "Once <more>."


@pytest.mark.parametrize(
    "reply",
    [
        "Sure! When the water boils and foams, add the salt. Then stir.",
        "Yes. It is.",
        "Well, that is a good question, and the answer is long.",
        "1. First one.\n2. Second one.\n",
        "はい。もちろんです。今日は晴れです。",
        "Gerne! Das mache ich, sobald ich kann.",
        "[The page](https://example.org) says so. <b>Indeed</b>, it does.",
        "The human body has 206 bones. A child has more.",
        "The user manual is in the drawer. Look there.",
        "This user name is taken. Choose another.",
        "我需要知道你在哪个城市。请告诉我。",
        "用户名是你的邮箱。密码在信里。",
    ],
)
def test_no_ordinary_reply_is_spoken_later_for_the_filter(reply: str) -> None:
    plain, behind, private = Splitter(), Splitter(), PrivateText()
    for at, char in enumerate(reply):
        assert behind.feed(private.feed(char)) == plain.feed(char), f"after {at + 1} characters"


def test_a_reply_that_begins_like_thoughts_may_is_spoken_a_word_later_at_most() -> None:
    splitter, private = Splitter(), PrivateText()
    assert splitter.feed(private.feed("Okay. It ")) == ["Okay."]


def test_unmarked_thoughts_are_expected_once_they_were_seen() -> None:
    private = PrivateText()
    private.feed("Three or four, that is a good question indeed.</think>Three.")
    private.end()
    assert private.thinks
    assert private.feed("Again a good one, and I think about it.</think>Four.") + private.end() == "Four."
    assert private.feed("Cut off in the middle of") + private.end(complete=False) == ""
    assert private.thinks
    assert private.feed("It is sunny in Rome.") + private.end() == "It is sunny in Rome."  # as after a tool's result
    assert not private.thinks


def test_thoughts_that_were_marked_are_not_expected_without_their_mark() -> None:
    private = PrivateText()
    private.feed("<think>three</think>Three.</think>")
    private.end()
    assert not private.thinks
