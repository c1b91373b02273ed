"""The turn-taking benchmark: the requests that led to the reply that was heard, and their cost, on a synthetic log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.turns.material import Reply, Spoken
from bench.turns.posts import PRICES, Posts, cost, heard_chats, used
from testbed.sound.cable import SPEAKER_HZ


def sentence(words: str, seed: int) -> Spoken:
    return Spoken(words, np.rint(np.random.default_rng(seed).standard_normal(SPEAKER_HZ) * 3000), SPEAKER_HZ)


FIRST, SECOND = Reply((sentence("Thank you.", 1),)), Reply((sentence("Please hold.", 2),))


def request(path: str, at: float, **fields: Any) -> dict[str, Any]:
    common = {"method": "POST", "path": f"/api/v1/{path}", "broken": None, "gone": False, "sent": 1, "status": 200}
    return common | {"received_at": at, "first_byte_at": at + 0.2, "answered_at": at + 0.3} | fields


def clip(at: float, text: str) -> dict[str, Any]:
    return request("audio/transcriptions", at, words=[[at + 0.3, text]], audio_s=2.0)


def chat(at: float, asked: str, reply: str, *, gone: bool = False) -> dict[str, Any]:
    tokens = [[at + 0.3 + 0.02 * number, f"{word} "] for number, word in enumerate(reply.split())]
    body = {"messages": [{"role": "user", "content": asked}]}
    return request("chat/completions", at, words=tokens, body=body, gone=gone)


def speech(at: float, text: str, **fields: Any) -> dict[str, Any]:
    return request("audio/speech", at, body={"input": text}, words=[], **fields)


LOG = [
    clip(1.0, "is it"),  # transcribed in a pause, and discarded
    chat(1.3, "is it", "Thank you.", gone=True),
    speech(1.7, "Thank you.", gone=True, sent=0),
    clip(2.0, "is it five"),
    chat(2.3, "is it five", "Please hold."),
    speech(2.7, "Please hold."),
]
HEARD = np.concatenate([np.zeros(9000), SECOND.sound, np.zeros(9000)])


def test_the_sound_leads_back_to_the_requests_that_made_it() -> None:
    found = used(Posts.of(LOG, 0.0, 10.0), HEARD, [FIRST, SECOND])
    assert found is not None
    assert [found.transcriptions, found.chat, found.speeches] == [[LOG[3]], LOG[4], [LOG[5]]]
    # 300 ms to the transcript, 320 ms to the token that completes the chunk, 200 ms to the first byte of speech.
    assert found.took_s() == pytest.approx(0.82)


def test_all_transcriptions_whose_texts_were_joined_count_as_used() -> None:
    log = [clip(1.0, "is it"), clip(2.0, "five"), chat(2.4, "is it five", "Please hold."), speech(2.8, "Please hold.")]
    found = used(Posts.of(log, 0.0, 10.0), HEARD, [FIRST, SECOND])
    assert found is not None
    assert found.transcriptions == log[:2]


def test_silence_has_no_requests_that_led_to_it() -> None:
    posts = Posts.of(LOG, 0.0, 10.0)
    assert used(posts, np.zeros(48_000), [FIRST, SECOND]) is None
    assert heard_chats(posts, HEARD, [FIRST, SECOND]) == [LOG[4]]


def test_only_valid_requests_within_the_turn_count() -> None:
    posts = Posts.of([*LOG, {**clip(2.5, "x"), "broken": "a rule"}], 1.5, 2.5)
    assert [len(posts.transcriptions), len(posts.chats), len(posts.speeches)] == [1, 1, 1]


def test_a_chat_costs_the_tokens_sent_so_far_and_speech_costs_its_whole_text() -> None:
    assert cost(Posts([LOG[0]], [], [])) == pytest.approx(2 * PRICES["second"])
    assert cost(Posts([], [LOG[1]], [])) == pytest.approx(5 / 4 * PRICES["token in"] + 2 * PRICES["token out"])
    assert cost(Posts([], [], [LOG[2]])) == pytest.approx(10 * PRICES["letter"])
