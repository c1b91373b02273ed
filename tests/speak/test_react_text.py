"""The filter of text in the form of ReAct: only the final answer sounds; ordinary text stands."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.private_text import PrivateText
from voiceloop.speak.react_text import LONGEST_HELD, ReactText

PRIVATE = [
    "Thought: it is 3.\nFinal Answer: It is three.",
    "Thought: a tool.\nAction: count\nAction Input: all\nObservation: 3\nThought: I know.\nFinal Answer: It is three.",
    'Thought: x\nAction: count\nAction Input: {"what": [1, 2]}\nObservation: {"n": 3}\nFinal Answer: It is three.',
    'Thought: x\nAction:\n```json\n{"action": "count"}\n```\nObservation: 3\nFinal Answer: It is three.',
    "Thought 1: x\nAction 1: Search[three]\nObservation 1: 3\nThought 2: I know.\nFinal Answer: It is three.",
    "**Thought:** it is 3.\n\n**Final Answer:** It is three.",
    "**Thought**: it is 3.\n\n**Final Answer**: It is three.",
    "### Thought: it is 3.\n### Final Answer: It is three.",
    "THOUGHT: it is 3.\nFINAL ANSWER: It is three.",
    "\n\n Thought: it is 3.\n\n Final Answer:\n\nIt is three.",
    "Thought: I now know the final answer. Final Answer: It is three.",
    "Thought: I can answer without a tool.\nAnswer: It is three.",
    "Thought: Do I need a tool? No\nAI: It is three.",
    "Final Answer: It is three.",
    "Action: count\nAction Input: all\nObservation: 3\nFinal Answer: It is three.",
    "Action: Search[three]\nObservation: 3\nFinal Answer: It is three.",
    "Final Answer: It is three.\nObservation: good\nThought: done",
    "Final Answer: It is three.\n\nQuestion: How many?\nThought: again 3\nFinal Answer:",
    "<think>it is 3</think>Thought: it is 3.\nFinal Answer: It is three.",
    "Thought：it is 3.\nFinal Answer：It is three.",
    "Thought: it is 3.\nAction: none\nFinal Answer: It is three.",
]
ORDINARY = [
    "He had one Thought: run. Then came Action: he ran.",
    "The Final Answer: it is three.",
    "She wrote: Thought: none.",
    "Write down four lines.\nSituation: the bus left.\nThought: I am late.\nFeeling: angry.\nThat is all.",
    "Do this.\nAction: Call your doctor.\nThen rest.",
    "Do this.\nAction: Call your doctor.\n\nAction: Rest.\nThen sleep.",
    "The answer has three parts.\nAnswer: yes.\nQuestion: why?\nObservation: none.",
    "The loop is:\n```\nThought: x\nAction: y\nAction Input: z\nFinal Answer: w\n```\nThat is ReAct.",
    "Thoughtful people act. Action counts.",
    "Thought is free",
    "Action",
    "Final Answer",
]


def filtered(text: str) -> str:
    private = PrivateText()
    return private.feed(text) + private.end()


@pytest.mark.parametrize("text", PRIVATE)
def test_only_the_final_answer_is_for_the_user(text: str) -> None:
    assert filtered(text).strip() == "It is three."


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_with_these_words_stands(text: str) -> None:
    assert filtered(text) == text


def test_what_was_said_before_a_thought_stands() -> None:
    text = "Let me look.\nThought: x\nAction: count\nAction Input: all\nFinal Answer: It is three."
    assert filtered(text) == "Let me look.\nIt is three."


def test_a_thought_without_an_answer_is_not_for_the_user() -> None:
    assert not filtered("Thought: I should ask what they mean.\nAction: ask\nAction Input: what?")
    assert not filtered("Thought: I should greet.\nHello")


def test_what_is_held_when_the_text_breaks_off_is_not_for_the_user() -> None:
    react = ReactText()
    assert react.feed("Let me look.\nThought: the user is") == "Let me look.\n"
    assert not react.end(complete=False)


def test_ordinary_text_is_given_out_at_once() -> None:
    react = ReactText()
    assert react.feed("It is three.\nAnd ") == "It is three.\nAnd "
    assert react.feed("Do this.\nAction: Rest.\nThen sleep") == "Do this.\nAction: Rest.\nThen sleep"


def test_the_filter_can_be_used_again() -> None:
    react = ReactText()
    assert react.feed("Thought: x") + react.end() == ""
    assert react.feed("It is three.") + react.end() == "It is three."


WORDS = st.sampled_from([
    *("Thought:", "Thought 1:", "**Thought:**", "Action:", "Action Input:", "Observation:", "Final Answer:", "Answer:"),
    "Question:",
    *("\n", "\n\n", " ", "the", "a[b]", '{"a": 1}', "```", "**", "__", ":", "Final", "<think>", "</think>"),
])  # fmt: skip


@given(st.lists(WORDS, max_size=14).map("".join), st.booleans(), st.data())
def test_where_the_stream_is_cut_changes_nothing(text: str, complete: bool, data: st.DataObject) -> None:
    for make in (ReactText, PrivateText):
        whole = make()
        expected = whole.feed(text) + whole.end(complete=complete)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
        edges = [0, *cuts, len(text)]
        pieces = make()
        found = "".join(pieces.feed(text[a:b]) for a, b in pairwise(edges))
        assert found + pieces.end(complete=complete) == expected


@given(st.text(alphabet="abc :.,\n*_#", max_size=60))
def test_text_without_these_labels_stands(text: str) -> None:
    react = ReactText()
    assert react.feed(text) + react.end() == text


@pytest.mark.parametrize(
    "text",
    [
        "The minutes.\n**Action:** Contact [Name]\n**Owner:** Bob\nThat is all.",
        "Do this.\nAction: `git pull`\nThen it works.",
        "Do this.\nAction:\n```bash\ngit pull\n```\nThen it works.",
    ],
)
def test_an_ordinary_list_with_brackets_or_code_behind_action_is_not_swallowed(text: str) -> None:
    assert filtered(text) == text


@pytest.mark.parametrize(
    "call", ['count\n{"what": [1, 2]}', '{"action": "count"}', 'count\n{\n"what": 1\n}\n', "count[all]", 'count("all")']
)
def test_a_call_without_a_thought_is_not_for_the_user(call: str) -> None:
    assert ReactText().feed(f"Let me look.\nAction: {call}\nObservation: 3\n") == "Let me look.\n"
    react = ReactText()
    assert react.feed(f"Let me look.\nAction: {call}") + react.end() == "Let me look.\n"


def test_a_long_ordinary_text_behind_the_word_thought_is_not_held_to_its_end() -> None:
    react = ReactText()
    text = "Thought: I am late.\n" + "Feeling: angry.\n" * ((LONGEST_HELD - 20) // 16)
    assert react.feed(f"A record.\n{text}") == "A record.\n"
    assert react.feed("Need: rest for me.\nAnd") == f"{text}Need: rest for me.\nAnd"


def test_many_lines_behind_a_label_take_no_long_time() -> None:
    react = ReactText()
    began = time.process_time()
    react.feed("x\nAction: a\n" + "\n" * 20_000)
    react.end()
    assert time.process_time() - began < 2
