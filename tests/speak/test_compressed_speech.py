"""Speech answers as MP3 and AAC: decoded as they come with the extra `files`, refused without it, and never noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.recordings import KINDS, Kind, recorded
from testbed.server import Fault, Script, open_server
from tests.speak.test_openrouter import open_synthesizer, sound, spoken
from voiceloop.audio.recordings.decoded_stream import DecodedStream
from voiceloop.errors import BadAnswer
from voiceloop.speak import streamed
from voiceloop.types import CAPTURE_RATE_HZ, Speech

LENGTH_S = 2.0
T = np.arange(round(LENGTH_S * CAPTURE_RATE_HZ)) / CAPTURE_RATE_HZ
TONE = np.rint(9_000 * np.sin(2 * np.pi * 440 * T)).astype("<i2").tobytes()
MP3 = recorded(Kind("mp3", "libmp3lame", 24_000, "mono"), TONE)
STEREO = recorded(KINDS["MP3"], TONE)
AAC = recorded(Kind("adts", "aac", 24_000, "mono"), TONE)
TAG = b"ID3\x04\0\0\0\0\x08\0" + bytes(range(256)) * 4
"""A picture of 1 KB, with bytes that look like frames."""
MPEG = (("Content-Type", "audio/mpeg"),)


def decoded(kind: str, pieces: list[bytes]) -> list[Speech]:
    stream = DecodedStream(kind)
    return [*(speech for piece in pieces for speech in stream.feed(piece)), *stream.end()]


def is_the_tone(pieces: list[Speech], rate_hz: int) -> None:
    """Check that it is the tone of 440 Hz and nothing else, in its length."""
    assert {piece.rate_hz for piece in pieces} == {rate_hz}
    samples = np.frombuffer(sound(pieces), "<i2").astype(float)
    assert len(samples) / rate_hz == pytest.approx(LENGTH_S, abs=0.15)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))) ** 2
    at = round(440 * len(middle) / rate_hz)
    assert power[at - 5 : at + 6].sum() > 0.99 * power.sum()
    assert 4_000 < np.sqrt((middle**2).mean()) < 6_600


@pytest.mark.parametrize(
    ("body", "rate_hz"),
    [(MP3, 24_000), (STEREO, 44_100), (AAC, 24_000), (TAG + MP3, 24_000)],
    ids=["MP3", "stereo", "AAC", "MP3 with a tag"],
)
@pytest.mark.parametrize("piece", [None, 1, 700])
async def test_compressed_speech_is_decoded_whatever_it_is_announced_as(
    body: bytes, rate_hz: int, piece: int | None
) -> None:
    if piece == 1:  # the cuts alone
        pieces = decoded("AAC" if body is AAC else "MP3", [body[at : at + 1] for at in range(len(body))])
        is_the_tone(pieces, rate_hz)
        return
    for headers in ((), MPEG):
        fault = Fault(headers=headers, body=body, piece=piece)
        async with open_server(Script(faults=[fault])) as server, open_synthesizer(server) as synthesizer:
            pieces, error = await spoken(synthesizer)
        assert error is None
        is_the_tone(pieces, rate_hz)
        assert [piece.usage.characters for piece in pieces if piece.usage is not None] == [len("hello")]


async def test_speech_is_heard_before_its_answer_is_complete() -> None:
    fault = Fault(headers=MPEG, body=MP3[: len(MP3) // 2], hang="body")
    async with (
        open_server(Script(faults=[fault])) as server,
        open_synthesizer(server) as synthesizer,
        synthesizer.speech("hello") as pieces,
    ):
        first = await pieces.receive()
    assert first.rate_hz == 24_000
    assert first.pcm


@pytest.mark.parametrize("headers", [(), MPEG], ids=["announced as PCM", "announced as MP3"])
async def test_without_the_extra_it_is_refused_and_the_remedy_names_it(
    headers: tuple[tuple[str, str], ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamed, "is_installed", lambda: False)
    fault = Fault(headers=headers, body=MP3)
    async with open_server(Script(faults=[fault])) as server, open_synthesizer(server) as synthesizer:
        pieces, error = await spoken(synthesizer)
    assert pieces == []
    assert type(error) is BadAnswer
    assert "the answer is MP3, not raw PCM" in str(error)
    assert "pip install 'voiceloop[files]'" in str(error)


@given(cuts=st.lists(st.integers(0, len(STEREO)), max_size=8))
def test_where_the_body_is_cut_changes_nothing(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STEREO)]
    pieces = [STEREO[a:b] for a, b in pairwise(places)]
    assert sound(decoded("MP3", pieces)) == sound(decoded("MP3", [STEREO]))


@given(junk=st.binary(max_size=400), at=st.integers(0, len(MP3)))
def test_damage_is_left_out_and_raises_nothing(junk: bytes, at: int) -> None:
    samples = np.frombuffer(sound(decoded("MP3", [MP3[:at] + junk + MP3[at + len(junk) :]])), "<i2")
    assert len(samples) > 24_000
