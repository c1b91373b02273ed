"""SSE parser: the same events wherever the stream is cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.net.sse import SseOverflow, SseParser

STREAM = (
    '\ufeff: OPENROUTER PROCESSING\n\ndata: {"a": 1}\n\ndata:no blank\r\n\r\nevent: x\rid: 7\r'
    "data: zwei\rdata: drei\r\r"
    "data\n\n:\n\nretry: 10\n\ndata: naïve 🙂 text\n\ndata: [DONE]\n\ndata: never ended"
).encode()
EVENTS = ['{"a": 1}', "no blank", "zwei\ndrei", "", "naïve 🙂 text", "[DONE]"]


def parse(*pieces: bytes) -> list[str]:
    parser = SseParser()
    return [event for piece in pieces for event in parser.feed(piece)]


def test_comments_fields_and_every_line_end_are_parsed() -> None:
    assert parse(STREAM) == EVENTS


def test_one_byte_at_a_time_changes_nothing() -> None:
    assert parse(*(bytes([byte]) for byte in STREAM)) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12).map(sorted))
def test_cutting_elsewhere_changes_nothing(cuts: list[int]) -> None:
    edges = [0, *cuts, len(STREAM)]
    assert parse(*(STREAM[a:b] for a, b in itertools.pairwise(edges))) == EVENTS


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8).map(sorted))
def test_cutting_rubbish_elsewhere_changes_nothing_either(rubbish: bytes, cuts: list[int]) -> None:
    edges = [0, *(min(cut, len(rubbish)) for cut in cuts), len(rubbish)]
    assert parse(*(rubbish[a:b] for a, b in itertools.pairwise(edges))) == parse(rubbish)


@pytest.mark.parametrize("flood", [b"data: " + b"x" * 65_536, b"x" * 65_536, b"data: y\n" * 8_192])
def test_an_endless_event_is_an_error(flood: bytes) -> None:
    parser = SseParser()
    with pytest.raises(SseOverflow):
        _flood(parser, flood)


def _flood(parser: SseParser, flood: bytes) -> None:
    for _ in range(1_000):
        parser.feed(flood)


def test_lines_without_a_value_take_no_memory_without_end() -> None:
    parser = SseParser()
    with pytest.raises(SseOverflow):
        parser.feed(b"data:\n" * 100_000)


def test_comments_and_other_lines_without_end_are_no_event() -> None:
    parser = SseParser()
    for _ in range(3_000):
        assert parser.feed(b": " + b"x" * 1_000) == []
        assert parser.feed(b"x" * 1_000 + b"\nid: 7\n") == []
    assert parser.feed(b"data: still here\n\n") == ["still here"]


@pytest.mark.parametrize("end", [b"data: x\n\n", b"data: x\n", b"data: x"])
def test_the_last_event_needs_no_blank_line(end: bytes) -> None:
    parser = SseParser()
    assert [*parser.feed(b"data: a\n\n" + end), *parser.end()] == ["a", "x"]
    assert parser.end() == []
