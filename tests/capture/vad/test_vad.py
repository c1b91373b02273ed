"""The VADs: all three on recorded speech, and the hybrid's gate with a fake Silero model."""

from __future__ import annotations

import os
import wave
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import cast

import pytest
from pydantic import ValidationError

from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.capture.vad.silero import SileroOptions, SileroVad
from voiceloop.capture.vad.silero_model import HOP, SileroModel, load_model
from voiceloop.capture.vad.webrtc import WebRtcOptions, WebRtcVad
from voiceloop.plugins import Services, Vad, Verdict

PIECE = 160
RECORDING = Path("/usr/share/sounds/alsa/Front_Center.wav")
NO_SERVICES = cast(Services, None)


@pytest.fixture(scope="module")
def speech() -> bytes:
    """'Front center', spoken by a person, with a second of near-silence before and after; 16 kHz."""
    if not RECORDING.exists():
        pytest.skip(f"needs {RECORDING} (Debian's alsa-utils)")
    with wave.open(str(RECORDING)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (48_000, 2, 1)
        samples = array("h", file.readframes(file.getnframes()))
    thirds = array("h", (sum(samples[n : n + 3]) // 3 for n in range(0, len(samples) - 2, 3)))
    quiet = array("h", (Random(n).randint(-3, 3) for n in range(16_000))).tobytes()
    return quiet + thirds.tobytes() + quiet


def make(name: str) -> Vad:
    if name == "webrtc":
        return WebRtcVad(WebRtcOptions())
    return SileroVad(SileroOptions()) if name == "silero" else HybridVad(HybridOptions())


def feed(vad: Vad, pcm: bytes, lengths: Iterable[int] = (), index: int = 0) -> list[Verdict]:
    """Return all verdicts on `pcm`, fed in pieces of these lengths in samples (then 320)."""
    verdicts: list[Verdict] = []
    each, at = iter(lengths), 0
    while at * 2 < len(pcm):
        piece = pcm[at * 2 : (at + next(each, 320)) * 2]
        verdicts += vad.feed(piece, index + at)
        at += len(piece) // 2
    return verdicts


def final(verdicts: Sequence[Verdict]) -> dict[int, bool]:
    """Return the last verdict on each stretch of 16 samples."""
    return {at: verdict.voiced for verdict in verdicts for at in range(verdict.start, verdict.end, 16)}


@pytest.mark.parametrize("name", ["webrtc", "silero", "hybrid"])
def test_a_person_speaking_is_voice_and_the_quiet_around_is_not(name: str, speech: bytes) -> None:
    verdicts = final(feed(make(name), speech))
    voiced = [at for at, voice in verdicts.items() if voice]
    assert 14_000 < min(voiced) < 19_000
    assert max(voiced) < len(speech) // 2 - 8_000
    assert len(voiced) * 16 > 10_000


@pytest.mark.parametrize("name", ["webrtc", "silero", "hybrid"])
def test_silence_has_no_voice(name: str) -> None:
    assert not any(verdict.voiced for verdict in feed(make(name), bytes(64_000)))


@pytest.mark.parametrize("name", ["webrtc", "silero", "hybrid"])
@pytest.mark.parametrize("seed", range(3))
def test_cutting_the_audio_elsewhere_changes_no_verdict(name: str, seed: int, speech: bytes) -> None:
    random = Random(seed)
    lengths = [random.randint(1, 1_500) for _ in range(30)]
    assert final(feed(make(name), speech, lengths)) == final(feed(make(name), speech))


@pytest.mark.parametrize("name", ["webrtc", "silero", "hybrid"])
def test_no_verdict_reaches_over_a_gap(name: str, speech: bytes) -> None:
    vad = make(name)
    before = feed(vad, speech[: 2 * 20_001])
    after = feed(vad, speech, index=500_000)
    assert max(verdict.end for verdict in before) <= 20_001
    assert min(verdict.start for verdict in after) == 500_000
    assert any(verdict.voiced for verdict in after)


@pytest.mark.parametrize("name", ["webrtc", "silero", "hybrid"])
def test_verdicts_leave_no_sample_out(name: str, speech: bytes) -> None:
    covered = sorted(final(feed(make(name), speech)))
    end = len(speech) // 2
    assert covered[0] == 0
    assert covered[-1] >= end - HOP - PIECE
    assert all(after - before <= 16 for before, after in pairwise(covered))


@pytest.mark.parametrize("name", ["webrtc", "silero", "hybrid"])
def test_the_description_names_the_vad(name: str) -> None:
    assert name in make(name).description


async def test_each_vad_opens_as_a_part() -> None:
    async with WebRtcVad.open(WebRtcOptions(mode=1), NO_SERVICES) as webrtc:
        assert "mode 1" in webrtc.description
    async with SileroVad.open(SileroOptions(), NO_SERVICES) as silero:
        assert "0.5" in silero.description
    async with HybridVad.open(HybridOptions(), NO_SERVICES) as hybrid:
        assert "0.5" in hybrid.description


@pytest.mark.parametrize("options", [{"mode": 4}, {"moed": 1}])
def test_a_wrong_option_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        WebRtcOptions.model_validate(options)


def test_loading_the_model_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    load_model()
    assert "OMP_THREAD_LIMIT" not in os.environ
    monkeypatch.setenv("OMP_THREAD_LIMIT", "3")
    load_model()
    assert os.environ["OMP_THREAD_LIMIT"] == "3"


class FakeSilero(SileroModel):
    """A model that finds voice where the samples are not zero, and counts the hops that it was given."""

    def __init__(self) -> None:
        self.voiced = False
        self.hops = 0

    def hear(self, hop: bytes) -> bool:
        assert len(hop) == HOP * 2
        self.hops += 1
        self.voiced = any(hop)
        return self.voiced


def gated(options: HybridOptions, *triggers: int) -> tuple[HybridVad, FakeSilero]:
    """Return a hybrid whose gate finds voice in the pieces of these numbers, and its model."""
    model, numbers = FakeSilero(), iter(range(1_000_000))
    return HybridVad(options, model=model, gate=lambda piece: next(numbers) in triggers), model


HOLD = 320
OPTIONS = HybridOptions(gate_hold_ms=HOLD, warm_hops=6, gate_triggers=1)
FIRST_HOPS = 2_000 // 32
"""The hops that Silero is given before the gate closes for the first time."""
SECOND = bytes(32_000)


def test_silero_runs_at_first_and_then_not_while_the_gate_is_closed() -> None:
    vad, model = gated(OPTIONS)
    verdicts = feed(vad, SECOND * 5)
    assert model.hops == FIRST_HOPS
    assert final(verdicts) == dict.fromkeys(range(0, 80_000, 16), False)


def test_when_the_gate_opens_silero_decides_on_the_hops_before_it_too() -> None:
    vad, model = gated(OPTIONS, 300)
    voice = b"\1\0" * 4 * HOP
    opened = 301 * PIECE
    quiet_before = bytes((opened - 4 * HOP) * 2)
    before = feed(vad, quiet_before + voice[: -PIECE * 2])
    assert not any(verdict.voiced for verdict in before)
    hops = model.hops
    verdicts = vad.feed(voice[-PIECE * 2 :], opened - PIECE)
    assert model.hops == hops + 6
    assert [verdict.voiced for verdict in verdicts] == [False, False, True, True, True, True]
    assert verdicts[0].start == opened - 6 * HOP
    assert verdicts[-1].end == opened


def test_the_gate_closes_when_nothing_has_triggered_it_for_the_hold() -> None:
    vad, model = gated(OPTIONS, 300)
    feed(vad, SECOND * 3)
    hops = model.hops
    feed(vad, SECOND * 5, index=48_000)
    assert model.hops == hops + 6 + HOLD // 32


def test_silero_keeps_the_gate_open_while_it_finds_voice() -> None:
    vad, _ = gated(OPTIONS, 300)
    feed(vad, SECOND * 3)
    verdicts = feed(vad, b"\1\0" * 80_000, index=48_000)
    assert final(verdicts)[48_000 + 79_008]


def test_too_few_triggers_do_not_open_the_gate() -> None:
    options = HybridOptions(gate_hold_ms=HOLD, gate_triggers=3)
    clicked, model = gated(options, 300, 302)
    feed(clicked, SECOND * 5)
    assert model.hops == FIRST_HOPS
    spoken, model = gated(options, 300, 302, 303)
    feed(spoken, SECOND * 5)
    assert model.hops > FIRST_HOPS


def test_voice_lasts_until_it_falls_below_the_lower_threshold() -> None:
    class Model:
        def __init__(self) -> None:
            self.answers = iter([0.4, 0.6, 0.4, 0.3, 0.4])

        def process_chunk(self, hop: bytes) -> float:
            return next(self.answers)

    class Hysteresis(SileroModel):
        def __init__(self) -> None:
            super().__init__(threshold=0.5, exit_threshold=0.35)
            self._model = Model()  # type: ignore[assignment]

    model = Hysteresis()
    assert [model.hear(b"") for _ in range(5)] == [False, True, True, False, False]
