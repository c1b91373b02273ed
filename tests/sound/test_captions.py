"""Captions of what the computer plays, on a real sound server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from testbed.running import COMMAND
from testbed.serving import KEY, serving
from testbed.sound.cable import Cable

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SAID = {"vm-nobodyavail": "Nobody is available to take your call at the moment.", "queue-thankyou": "Thank you."}

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
        with subprocess.Popen(
            [COMMAND, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            assert program.stderr is not None
            while not program.stderr.readline().startswith("Listening"):
                pass
            for sink, name in played:
                subprocess.run(["paplay", f"--device={sink}", str(ASTERISK / f"{name}.wav")], env=cable.env, check=True)
            lines = [program.stdout.readline().strip() for _ in range(count)]
            program.terminate()
            assert program.wait(5) == 0
        return lines


def test_the_loudspeakers_sound_is_captioned_while_the_microphone_is_muted(cable: Cable, tmp_path: Path) -> None:
    cable.pactl("set-source-mute", "mic", "1")
    played = [("speaker", "vm-nobodyavail")]
    assert captioned(cable, tmp_path, "speaker", played, 1) == [SAID["vm-nobodyavail"]]


def test_with_both_sources_each_line_names_its_source(cable: Cable, tmp_path: Path) -> None:
    played = [("speaker", "vm-nobodyavail"), ("mic_cable", "queue-thankyou")]
    lines = captioned(cable, tmp_path, "both", played, 2)
    assert sorted(lines) == [f"mic: {SAID['queue-thankyou']}", f"speaker: {SAID['vm-nobodyavail']}"]
