"""The chimes that tell of listening, in a room where the microphone hears the loudspeaker (-12 dB)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from testbed.dictating import environment, words
from testbed.running import Running, running
from testbed.serving import serving
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable
from testbed.sound.echoing import steady_echo_path
from testbed.sound.match import samples
from voiceloop.audio.wav import read_wav
from voiceloop.echo.webrtc_aec import installed
from voiceloop.playback.earcon import chime

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPT = ASTERISK / "please-try-again.wav"
SAID = "Please try again."
WAITS_S = (0.0, 0.05, 0.1, 0.2, 0.3) * 4
"""How long after the start of listening each of 20 dictations begins."""
ECHO = 10 ** (-12 / 20)
BEGINNING = 2 * round(0.45 * MIC_HZ)
"""Bytes: the pre-roll, and of the prompt only what has nothing of the chime's pitches."""
RISING = samples(chime(MIC_HZ, rising=True))

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs asterisk-core-sounds-en-wav"),
]
needs_livekit = pytest.mark.skipif(not installed(), reason="needs the extra voiceloop[echo]")


def tell(env: Mapping[str, str], command: str, *, name: str = "dictate") -> None:
    """As `voiceloop ctl`, without the start of another program in between."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"{env['XDG_RUNTIME_DIR']}/voiceloop/{name}.sock")
        sock.sendall(json.dumps({"do": command}).encode() + b"\n")
        assert json.loads(sock.recv(4096))["ok"]


def level(pcm: bytes) -> float:
    """How much of the rising chime is in a sound: 1 as it is played, `ECHO` as the microphone hears it."""
    return float(np.abs(np.correlate(samples(pcm), RISING, "valid")).max() / (RISING @ RISING))


def over(heard: bytes) -> bool:
    """Whether a chime was heard, and then nothing for half a second."""
    return bool(np.any(samples(heard))) and not np.any(samples(heard[-SPEAKER_HZ:]))


@contextmanager
def dictating(cable: Cable, folder: Path, *more: str) -> Iterator[tuple[Running, dict[str, str], Path]]:
    """Run `voiceloop dictate` with chimes, idle at first; gives the folder with the clips that it posts, too."""
    env = environment(folder) | dict(cable.changes)
    (folder / "words.jsonl").write_text(json.dumps({"words": SAID, "wav": str(PROMPT)}))
    clips = folder / "clips"
    clips.mkdir()
    service = ("--recordings", str(folder / "words.jsonl"), "--save-audio", str(clips))
    options = ("--to", f"file:{folder}/out.txt", "--start", "idle", "--set", "control.sounds=true")
    with serving(*service) as server, running(*options, *words(server.url), *more, env=env, command="dictate") as run:
        run.wait_for("ready")
        yield run, env, clips


def test_20_of_20_dictations_begin_without_the_chime_and_with_every_word(cable: Cable, tmp_path: Path) -> None:
    steady_echo_path(cable)
    prompt, echoes = read_wav(PROMPT).at(MIC_HZ), []
    with dictating(cable, tmp_path) as (run, env, clips), cable.listening("mic", rate_hz=MIC_HZ) as microphone:
        for wait_s in WAITS_S:
            # Counted anew each time: where a busy machine tears the sound, one prompt may be heard as two.
            before, ended, texts = len(microphone.heard), len(run.named("speech.ended")), len(run.named("transcript"))
            tell(env, "start")
            time.sleep(wait_s)
            cable.speak(prompt)
            run.wait_for("speech.ended", count=ended + 1)
            echoes.append(level(microphone.since(before)))
            tell(env, "stop")
            run.wait_for("transcript", count=texts + 1)
            time.sleep(1.0)  # the falling chime and its echo die away
    assert (tmp_path / "out.txt").read_text().count(SAID.rstrip(".")) == len(WAITS_S)
    levels = [level(read_wav(path).pcm[:BEGINNING]) for path in sorted(clips.glob("*.wav"))]
    assert len(levels) >= len(WAITS_S)
    assert min(echoes) > ECHO / 2  # the microphone did hear each of them; on a busy machine with gaps
    assert max(levels) < ECHO / 5, levels


@pytest.mark.parametrize("mode", [pytest.param("cancel", marks=needs_livekit), "half-duplex"])
def test_an_assistant_hears_what_is_said_over_the_chime(cable: Cable, tmp_path: Path, mode: str) -> None:
    steady_echo_path(cable)
    env, prompt = environment(tmp_path) | dict(cable.changes), read_wav(PROMPT).at(MIC_HZ)
    (tmp_path / "words.jsonl").write_text(json.dumps({"words": SAID, "wav": str(PROMPT)}))
    sets = ("control.sounds=true", "control.start=idle", "speak.use=none", f"audio.echo={mode}")
    with serving("--recordings", str(tmp_path / "words.jsonl")) as server:
        options = [word for value in (*sets, f"openrouter.base_url={server.url}") for word in ("--set", value)]
        with running("--config", "assistant", *options, env=env) as run:
            run.wait_for("ready")
            for number in range(3):
                tell(env, "start", name="run")
                cable.speak(prompt)
                run.wait_for("transcript", count=number + 1)
                tell(env, "stop", name="run")
                time.sleep(1.0)  # the falling chime and its echo die away
    assert [event.fields["text"] for event in run.named("transcript")] == [SAID] * 3


def test_without_a_loudspeaker_dictation_goes_on_without_chimes(cable: Cable, tmp_path: Path) -> None:
    with dictating(cable, tmp_path, "--set", "audio.output=no such loudspeaker") as (run, env, _):
        run.wait_until(
            lambda: any("control.sounds: none are played" in event.fields["text"] for event in run.named("notice")),
            "notice of the chimes",
        )
        tell(env, "start")
        for number in range(3):  # the sound may be torn where the machine is busy
            cable.speak(read_wav(PROMPT).at(MIC_HZ))
            run.wait_for("turn.done", count=number + 1)
            if run.named("transcript"):
                break
        assert run.named("transcript")


@pytest.mark.parametrize("command", ["start", "stop"])
def test_a_change_that_changes_nothing_is_silent(cable: Cable, tmp_path: Path, command: str) -> None:
    with dictating(cable, tmp_path) as (run, env, _), cable.listening() as loudspeaker:
        if command == "start":
            tell(env, "start")
            run.wait_for("attention")
            loudspeaker.wait_for(over)
        before = len(loudspeaker.heard)
        tell(env, command)
        time.sleep(0.5)
    assert not np.any(samples(loudspeaker.since(before)))
