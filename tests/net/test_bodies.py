"""Bodies with minutes of sound: made and sent in steps, none of which holds up the others."""

from __future__ import annotations

import base64
import json
import os
import time

import pytest

from voiceloop.net.bodies import PIECE, SOUND, json_envelope, pieces


@pytest.mark.parametrize("size", [0, 1, 2, 3, 196_607, 196_608, 196_609, 1_000_000])
def test_the_sound_is_where_its_mark_was(size: int) -> None:
    sound = os.urandom(size)
    kind, body = json_envelope({"a": 'ü"', "input_audio": {"data": SOUND, "format": "wav"}, "z": 1}).around(sound)
    assert kind == "application/json"
    encoded = base64.b64encode(sound).decode()
    assert json.loads(body) == {"a": 'ü"', "input_audio": {"data": encoded, "format": "wav"}, "z": 1}
    assert b"".join(pieces(body)) == body
    assert max(map(len, pieces(body))) <= PIECE


def test_half_a_minute_is_encoded_in_a_small_part_of_the_loops_time() -> None:
    """That is what the loop itself does. Longer clips are encoded in a thread."""
    sound = bytes(960_000)
    best_s = float("inf")
    for _ in range(5):
        began = time.thread_time()
        json_envelope({"input_audio": {"data": SOUND}}).around(sound)
        best_s = min(best_s, time.thread_time() - began)
    assert best_s < 0.02
