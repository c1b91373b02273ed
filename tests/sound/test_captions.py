"""Captions of what the computer plays, on a real sound server."""

from __future__ import annotations

import json
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from testbed.running import COMMAND, Mortal, running, voiceloop
from testbed.serving import KEY, serving
from testbed.sound.cable import SPEAKER_HZ, Cable
from testbed.sound.echoing import steady_echo_path
from voiceloop.audio.wav import read_wav

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SAID = {"vm-nobodyavail": "Nobody is available to take your call at the moment.", "queue-thankyou": "Thank you."}
FILM = ("demo-abouttotry", "conf-onlyperson", "number-not-answering", "cannot-complete-as-dialed")

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs Debian's recorded prompts"),
]


def captioned(cable: Cable, folder: Path, source: str, played: list[tuple[str, str]], count: int) -> list[str]:
    """Return the caption lines printed while recordings are played into sinks, one after the other."""
    known = folder / "recordings.jsonl"
    rows = [{"words": words, "wav": str(ASTERISK / f"{name}.wav")} for name, words in SAID.items()]
    known.write_text("\n".join(map(json.dumps, rows)))
    with serving("--recordings", str(known), "--transcribe-ms", "100") as server:
        env = cable.env | {"OPENROUTER_API_KEY": KEY, "XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder)}
        env |= {"XDG_CACHE_HOME": str(folder)}
        words = ["captions", "--cloud", "--source", source, "--set", f"openrouter.base_url={server.url}"]
        with Mortal[str](
            [COMMAND, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            assert program.stderr is not None
            while not (line := program.stderr.readline()).startswith("Listening"):
                assert line, "captions ended early"
            for sink, name in played:
                subprocess.run(["paplay", f"--device={sink}", str(ASTERISK / f"{name}.wav")], env=cable.env, check=True)
            lines = [program.stdout.readline().strip() for _ in range(count)]
            program.terminate()
            assert program.wait(60) == 0
        return lines


def test_the_loudspeakers_sound_is_captioned_while_the_microphone_is_muted(cable: Cable, tmp_path: Path) -> None:
    cable.pactl("set-source-mute", "mic", "1")
    played = [("speaker", "vm-nobodyavail")]
    assert captioned(cable, tmp_path, "speaker", played, 1) == [SAID["vm-nobodyavail"]]


def test_with_both_sources_each_line_names_its_source(cable: Cable, tmp_path: Path) -> None:
    played = [("speaker", "vm-nobodyavail"), ("mic_cable", "queue-thankyou")]
    lines = captioned(cable, tmp_path, "both", played, 2)
    assert sorted(lines) == [f"mic: {SAID['queue-thankyou']}", f"speaker: {SAID['vm-nobodyavail']}"]


@pytest.mark.skipif(find_spec("moonshine_voice") is None, reason="needs the extra voiceloop[local]")
def test_what_the_microphone_hears_of_the_loudspeaker_is_captioned_once_and_the_person_too(
    cable: Cable, tmp_path: Path
) -> None:
    """The film has played for a few seconds when the person begins to speak over it."""
    steady_echo_path(cable)
    film = b"".join(read_wav(ASTERISK / f"{name}.wav").at(SPEAKER_HZ) for name in FILM)
    env = {**cable.env, **{f"XDG_{name}_HOME": str(tmp_path) for name in ("CONFIG", "STATE", "CACHE")}}
    options = ("--source", "both", "--set", "transcribe.use=moonshine")
    with running(*options, env=env, command="captions") as program:
        program.wait_for("ready")
        playing = cable.speak(film, rate_hz=SPEAKER_HZ, into="speaker")
        program.wait_for("caption.final")
        cable.speak_file(ASTERISK / "queue-thankyou.wav").wait()
        playing.wait()
        program.wait_for("caption.final", source="mic")  # any number of the film's may come before it
        program.wait_for("caption.final", count=3)
        status = json.loads(voiceloop("ctl", "status", "--json", env=env)[1])
        program.end()
    assert status["echo"]["delay_ms"] is not None
    finals = [event.fields for event in program.named("caption.final")]
    mine = " ".join(str(one["text"]) for one in finals if one["source"] == "mic")
    assert "thank you for your" in mine.lower()
    played = [word for one in finals if one["source"] == "speaker" for word in str(one["text"]).lower().split()]
    assert len(played) > 15
    heard = [str(one["text"]).lower().split() for one in finals if one["source"] == "mic"]
    for words in map(" ".join, heard):
        assert not any(" ".join(played[n : n + 3]) in words for n in range(len(played) - 2)), finals
