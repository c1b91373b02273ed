"""WebRTC's echo canceller, and the choice of the echo mode."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from voiceloop.config.tables import Audio
from voiceloop.echo import webrtc_aec as echo
from voiceloop.echo.far_end import Block
from voiceloop.errors import EngineError, MissingExtra
from voiceloop.types import Frame

needs_livekit = pytest.mark.skipif(not echo.installed(), reason="needs the extra voiceloop[echo]")


def voice_like(samples: int, seed: int) -> NDArray[np.float64]:
    """Return noise whose level varies as a voice's does."""
    random = np.random.default_rng(seed)
    level = np.interp(np.arange(samples), np.arange(0, samples, 1600), random.random(-(-samples // 1600)))
    return random.standard_normal(samples) * 3000 * level**2


def processed(near: NDArray[np.float64], far: NDArray[np.float64]) -> NDArray[np.float64]:
    canceller = echo.open_processor()
    heard, played = near.astype("<i2").tobytes(), far.astype("<i2").tobytes()
    steps = [
        canceller.process(heard[at : at + 320], Block(played[at : at + 320], 16_000))
        for at in range(0, len(heard), 320)
    ]
    return np.frombuffer(b"".join(steps), "<i2").astype(float)


def level(sound: NDArray[np.float64]) -> float:
    return float(10 * np.log10(np.mean(sound**2) + 1e-9))


@needs_livekit
def test_an_echo_is_reduced_by_twenty_decibels() -> None:
    far = voice_like(96_000, 1)
    near = np.roll(far, 16 * 60) * 0.25
    near[: 16 * 60] = 0
    out = processed(near, far)
    assert level(near[-32_000:]) - level(out[-32_000:]) > 20


@needs_livekit
def test_the_output_is_late_by_the_stated_delay() -> None:
    near = voice_like(48_000, 2)
    out = processed(near, np.zeros(48_000))
    correlation = [float(np.dot(out[k:], near[: len(near) - k])) for k in range(400)]
    assert int(np.argmax(correlation)) == echo.WebRtc.delay


def enhanced(sound: NDArray[np.float64], audio: Audio) -> NDArray[np.float64]:
    enhancer, pcm = echo.open_enhancer(audio), sound.astype("<i2").tobytes()
    items = [
        item
        for at in range(0, len(pcm), 640)
        for item in enhancer.take(Frame(pcm[at : at + 640], at // 2))
        if isinstance(item, Frame)
    ]
    return np.frombuffer(b"".join(item.pcm for item in [*items, *enhancer.flush()]), "<i2").astype(float)


@needs_livekit
def test_noise_suppression_takes_steady_noise_away_and_leaves_the_voice_in_its_place() -> None:
    noise, voice = np.random.default_rng(3).standard_normal(96_000) * 200, voice_like(96_000, 4) * 2
    voice[:64_000] = 0
    out = enhanced(noise + voice, Audio(noise_suppression=True))
    assert len(out) == len(noise)
    assert level(noise[48_000:64_000]) - level(out[48_000:64_000]) > 9
    correlation = [float(np.dot(out[64_000 + k : 95_000 + k], voice[64_000:95_000])) for k in range(-200, 200)]
    assert int(np.argmax(correlation)) - 200 == 0


@needs_livekit
def test_gain_control_raises_a_quiet_voice() -> None:
    voice = voice_like(160_000, 5) * 0.05
    assert level(enhanced(voice, Audio(gain_control=True))[-32_000:]) - level(voice[-32_000:]) > 6


@pytest.mark.parametrize("key", ["noise_suppression", "gain_control"])
def test_without_the_extra_the_error_names_what_wants_it(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(echo, "installed", lambda: False)
    with pytest.raises(MissingExtra, match=rf"audio\.{key}.*--set audio\.{key}=false"):
        echo.open_enhancer(Audio.model_validate({key: True}))


@needs_livekit
def test_log_messages_of_the_canceller_do_not_abort_a_program_that_ends() -> None:
    slow_to_end = """
import sys, time
from livekit.rtc import _ffi_client as ffi
from voiceloop.echo import webrtc_aec as echo

class Slow:
    def FfiEvent(self):
        time.sleep(0.1)
    def __getattr__(self, name):
        return getattr(real, name)

class Last:
    def __del__(self, sleep=time.sleep):
        sleep(0.3)

echo.open_processor()
time.sleep(0.2)  # by now, earlier log messages have been delivered
real, ffi.proto_ffi, sys.last = ffi.proto_ffi, Slow(), Last()
try:
    ffi.FfiClient.instance.request(real.FfiRequest())
except AssertionError:
    pass  # the empty request was answered with a log message
"""
    ended = subprocess.run([sys.executable, "-c", slow_to_end], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("wanted", "output", "installed", "expected"),
    [
        ("auto", "default", True, "cancel"),
        ("auto", "default", False, "half-duplex"),
        ("auto", "file:reply.wav", True, "off"),
        ("auto", "none", False, "off"),
        ("off", "default", True, "off"),
        ("half-duplex", "default", True, "half-duplex"),
        ("cancel", "none", False, "cancel"),
    ],
)
def test_auto_chooses_echo_cancellation_where_it_is_installed_and_needed(
    monkeypatch: pytest.MonkeyPatch, wanted: Any, output: str, *, installed: bool, expected: str
) -> None:
    monkeypatch.setattr(echo, "installed", lambda: installed)
    assert echo.mode(Audio(echo=wanted, output=output)) == expected


def test_the_error_for_a_missing_canceller_names_the_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "installed", lambda: False)
    with pytest.raises(MissingExtra) as caught:
        echo.open_processor()
    for part in ("audio.echo", "livekit", "pip install 'voiceloop[echo]'", "audio.echo=half-duplex"):
        assert part in str(caught.value)


@needs_livekit
def test_a_canceller_that_does_not_load_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(echo, "installed", lambda: True)
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    with pytest.raises(EngineError, match="livekit does not load"):
        echo.open_processor()


def test_each_mode_that_auto_chooses_for_a_real_device_has_an_explanation() -> None:
    assert all(a != b for a, b in pairwise(echo.MEANING.values()))
    assert set(echo.MEANING) == {"cancel", "half-duplex"}


@pytest.mark.parametrize(
    ("wanted", "installed", "warned"),
    [("auto", False, True), ("auto", True, False), ("half-duplex", False, False), ("off", False, False)],
)
def test_the_start_warns_of_replies_that_cannot_be_interrupted_unless_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch, wanted: Any, *, installed: bool, warned: bool
) -> None:
    monkeypatch.setattr(echo, "installed", lambda: installed)
    assert (echo.warning(Audio(echo=wanted, output="default")) is not None) == warned
