"""The check of the echo on a real sound server, compared with what is measured outside of the program.

Outside are the times at which the loudspeaker's device took the sound, and a recording of the microphone.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import trio

from testbed.sound.cable import Cable, Listener
from testbed.sound.echoing import echo_path, steady_echo_path
from testbed.sound.match import find, samples
from testbed.sound.rates import MIC_HZ
from testbed.sound.samples import noise
from tests.sound.servers import pulseaudio_only
from voiceloop.audio.resample import resample
from voiceloop.cli.check_echo import REQUEST, try_echo
from voiceloop.cli.check_echo_words import HEARD, REMOVED
from voiceloop.cli.check_plan import plan_of
from voiceloop.cli.report import Finding, Report
from voiceloop.config.load import load
from voiceloop.echo.webrtc_aec import installed
from voiceloop.playback.tap import Tap

pytestmark = pytest.mark.sound
needs_livekit = pytest.mark.skipif(not installed(), reason="needs the extra voiceloop[echo]")
COMPARED_S = 0.4
LOUD = 300
WHOLE, SLIPPED_S = 0.95, 0.003
TIMES = 5
WITHIN_MS = 12
"""Usually it is 1 ms. But the program knows only when the microphone's blocks of 10 ms came, and on a busy machine the
sound server may keep one more of them for one recorder than for the other."""


@dataclass(frozen=True, slots=True)
class Echo:
    """How late (ms) and how loud (dB, against what was played) the echo is that is recorded outside of the program.

    A version of PipeWire may make mono sound that is in two channels 3 dB louder.
    """

    late_ms: float
    gain_db: float


@dataclass(frozen=True, slots=True)
class Taken:
    """A block that the loudspeaker's device took, and when."""

    at: float
    pcm: bytes
    rate_hz: int


def checked(*sets: str) -> dict[str, Finding]:
    """What the check says of the echo."""
    plan = plan_of("run", load("offline", list(sets)))
    told: list[str] = []
    report = Report(lambda _: None, tell=told.append)
    for what in (plan.heard, "loudspeaker", "echo"):
        report.add(what, "works")
    trio.run(lambda: try_echo(plan, report, lambda name, /, **fields: None, asked=True))
    found = {one.what: one for one in report.findings[3:]}
    assert set(told) == (set() if any("not tried" in one.said for one in found.values()) else {REQUEST})
    return found


def outside(taken: list[Taken], listener: Listener) -> Echo | None:
    """The echo: its delay is from when the device took the last of the sound to when it was recorded. None if the sound
    was torn, because the machine was too busy."""
    loud = [n for n, block in enumerate(taken) if np.abs(samples(block.pcm)).max() > LOUD]
    compared = range(loud[-1] - round(COMPARED_S * 100), loud[-1])
    last = b"".join(taken[n].pcm for n in compared)
    played = resample(last, from_hz=taken[0].rate_hz, to_hz=MIC_HZ)
    place, likeness = find(played, listener.heard)
    if likeness < WHOLE or abs(began(taken, compared) - began(taken, loud)) > SLIPPED_S:
        return None
    taken_at = began(taken, compared) + compared[0] / 100
    heard_at = min(at - end / 2 / MIC_HZ for end, at in listener.arrivals) + place / MIC_HZ
    heard = listener.heard[2 * place : 2 * place + len(played)]
    return Echo((heard_at - taken_at) * 1000, level_db(heard) - level_db(played))


def level_db(pcm: bytes) -> float:
    return 20 * math.log10(np.sqrt(np.square(samples(pcm)).mean()))


def began(taken: list[Taken], blocks: Sequence[int]) -> float:
    """When the device took its first block, judged from these. A callback may be late, never early."""
    return min(taken[n].at - n / 100 for n in blocks)


def number(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    assert match is not None, text
    return float(match[1])


@needs_livekit
@pytest.mark.parametrize(("gain_db", "delay_ms"), [(-12.0, 60), (0.0, 200)])
@pulseaudio_only
def test_the_delay_the_loudness_and_what_is_removed_are_those_measured_outside(
    on_cable: Cable, gain_db: float, delay_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    echo_path(on_cable, delay_ms=delay_ms, gain_db=gain_db, fixed=True)
    found, echo = compared(on_cable, monkeypatch)
    assert number(r"^(\d+) ms after", found[HEARD].said) == pytest.approx(echo.late_ms, abs=WITHIN_MS)
    assert echo.late_ms > delay_ms
    assert loudness(found[HEARD].said) == pytest.approx(gain_db, abs=2)
    assert number(r"^(\d+) dB of it", found[REMOVED].said) >= 20
    assert found[REMOVED].said.endswith("You can interrupt a reply here")


@needs_livekit
def test_on_either_server_a_steady_echo_is_measured_as_outside(
    on_cable: Cable, monkeypatch: pytest.MonkeyPatch
) -> None:
    steady_echo_path(on_cable)
    found, echo = compared(on_cable, monkeypatch)
    assert number(r"^(\d+) ms after", found[HEARD].said) == pytest.approx(echo.late_ms, abs=WITHIN_MS)
    assert loudness(found[HEARD].said) == pytest.approx(echo.gain_db, abs=2)
    assert echo.gain_db < -6
    assert number(r"^(\d+) dB of it", found[REMOVED].said) >= 20


def loudness(said: str) -> float:
    if "as loud as" in said:
        return 0.0
    return number(r"(\d+) dB (?:below|above) what", said) * (-1 if "below" in said else 1)


def compared(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Finding], Echo]:
    """What the check says, and the echo measured outside; of the first time that the sound wasn't torn."""
    taken: list[Taken] = []
    put = Tap.put

    def record(tap: Tap, pcm: memoryview) -> None:
        put(tap, pcm)
        taken.append(Taken(time.monotonic(), bytes(pcm), len(pcm) // 2 * 100))

    monkeypatch.setattr(Tap, "put", record)
    for _ in range(TIMES):
        taken.clear()
        with cable.listening("mic", rate_hz=MIC_HZ) as listener:
            found = checked("audio.echo=cancel")
            echo = outside(taken, listener)
        if echo is not None:
            assert all(one.exit_code == 0 and one.tried for one in found.values()), found
            return found, echo
    pytest.fail(f"the machine was so busy that the sound was torn {TIMES} times")


def test_without_an_echo_path_none_is_heard(on_cable: Cable) -> None:
    (line,) = checked("audio.echo=off").values()
    assert line.said.startswith("no echo was heard, but the microphone gives only digital silence")
    assert not line.tried
    playing = on_cable.speak(quieter(noise(30.0, MIC_HZ)))
    (line,) = checked("audio.echo=off").values()
    playing.kill()
    assert line.said == "no echo was heard: headphones, or a quiet loudspeaker. You can interrupt a reply here"


def quieter(pcm: bytes) -> bytes:
    """The noise of a room."""
    return (samples(pcm) / 200).astype("<i2").tobytes()


@pytest.mark.parametrize(
    ("command", "what"), [("set-source-mute mic", "Microphone"), ("set-sink-mute speaker", "Loudspeaker")]
)
def test_a_muted_device_is_named_and_nothing_is_played(on_cable: Cable, command: str, what: str) -> None:
    steady_echo_path(on_cable)
    on_cable.pactl(*command.split(), "1")
    (line,) = checked("audio.echo=off").values()
    assert line.said == f"not tried: the {what.lower()} 'Cable {what}' is muted, or its volume is zero"
    assert not line.tried
