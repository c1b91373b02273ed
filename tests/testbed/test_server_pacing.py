"""The loopback server: the pace of streams, odd pieces, jitter, and the log from which the benchmarks measure."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from urllib.request import Request, urlopen

from hypothesis import given
from hypothesis import strategies as st

from testbed.server import Script, pacing
from testbed.server.answers import chat, speech
from testbed.serving import KEY, serving
from voiceloop.audio.wav import wav_bytes


def post(url: str, body: object) -> None:
    """Post a body, and read all of the answer."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(body).encode(), headers)) as answer:
        answer.read()


SEEDS = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(st.binary(max_size=20_000), SEEDS)
def test_odd_pieces_have_odd_sizes_and_add_up_to_the_whole(body: bytes, seed: tuple[int, int]) -> None:
    parts = pacing.odd_pieces(body, seed)
    assert b"".join(parts) == body
    assert all(len(part) % 2 for part in parts[:-1])
    assert parts == pacing.odd_pieces(body, seed)


@given(st.lists(st.floats(0, 10), max_size=50).map(sorted), st.floats(0, 1), SEEDS)
def test_jitter_delays_pieces_by_at_most_its_limit_and_keeps_their_order(
    due_s: list[float], jitter_s: float, seed: tuple[int, int]
) -> None:
    late = pacing.late(due_s, jitter_s, seed)
    assert all(due <= at <= due + jitter_s + 1e-9 for due, at in zip(due_s, late, strict=True))
    assert all(before <= after for before, after in pairwise(late))


def test_speech_at_four_times_real_time_is_sent_in_a_quarter_of_its_duration() -> None:
    answer = speech(Script(speech=[bytes(48_000)], pace=4.0, odd_pieces=True), {"input": "x"}, 0)
    assert answer.due_s[0] == 0.0
    assert 0.2 < answer.due_s[-1] < 0.25
    assert len(answer.due_s) == len(answer.pieces)


def test_the_first_token_comes_at_once_and_the_others_at_fixed_intervals() -> None:
    answer = chat(Script(replies=["one two three"], token_every_s=0.02), {"model": "a/b"}, 0)
    times = {word: at for word, at in zip(answer.words, answer.due_s, strict=True) if word}
    assert list(times) == ["one", " two", " three"]
    assert [round(at, 3) for at in times.values()] == [0.0, 0.02, 0.04]


def test_the_log_has_the_time_of_each_token_and_of_the_end_of_the_answer() -> None:
    body = {"model": "a/b", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with serving("--reply", "one two", "--first-token-ms", "30", "--token-ms", "20") as server:
        url = f"{server.url}/chat/completions"
        post(url, body)
        line = server.wait_for("/chat/completions")
    (first, one), (second, two) = line["words"]
    assert (one, two) == ("one", " two")
    assert first - line["received_at"] >= 0.03
    assert second - first >= 0.015
    assert line["answered_at"] >= second


def test_the_log_has_the_duration_of_a_posted_clip() -> None:
    clip = base64.b64encode(wav_bytes(bytes(32_000), 16_000)).decode()
    body = {"model": "a/b", "input_audio": {"data": clip, "format": "wav"}}
    with serving("--text", "hello") as server:
        url = f"{server.url}/audio/transcriptions"
        post(url, body)
        line = server.wait_for("/audio/transcriptions")
    assert line["audio_s"] == 1.0
    assert line["words"][0][1] == "hello"
