"""The check on a real sound server: a sentence spoken into the microphone is printed and spoken back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from testbed.running import COMMAND, Mortal
from testbed.sound.cable import SPEAKER_HZ, Cable
from testbed.sound.match import pieces
from voiceloop.audio.wav import read_wav

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs Debian's recorded prompts"),
]


def asked(program: subprocess.Popen[str], what: str) -> list[str]:
    """Wait until the program asks for sound; the lines before that."""
    assert program.stdout is not None
    lines: list[str] = []
    while what not in (line := program.stdout.readline()):
        assert line, f"it ended before it asked: {lines}"
        lines.append(line)
    return lines


def test_what_is_said_to_the_check_is_printed_and_spoken_back(cable: Cable, tmp_path: Path) -> None:
    env = cable.env | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [COMMAND, "check", "--config", "offline", "--speak"]
    with (
        cable.listening() as listener,
        Mortal[str](command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program,
    ):
        asked(program, "Say something")
        cable.speak_file(ASTERISK / "queue-thankyou.wav")
        out, errors = program.communicate(timeout=120)
        heard = listener.heard
    assert program.returncode == 0, out + errors
    said, back = out.splitlines()[-2:]
    assert said.startswith('ok  your voice         you said: "Thank you')
    assert back.startswith("ok  spoken back")
    text = said.partition('"')[2].partition('"')[0]
    reference = tmp_path / "reference.wav"
    words = ["say", f"You said: {text}", "--config", "offline", "--output", f"file:{reference}"]
    subprocess.run([COMMAND, *words], env=env, check=True)
    # Piece by piece: a busy machine's sound server tears the sound. Another sound has no piece that is so alike.
    likenesses = [likeness for _, likeness in pieces(read_wav(reference).at(SPEAKER_HZ), heard, SPEAKER_HZ)]
    assert len(likenesses) > 10
    assert sum(likeness > 0.9 for likeness in likenesses) > 0.5 * len(likenesses)


def test_the_check_of_captions_hears_the_loudspeaker(cable: Cable, tmp_path: Path) -> None:
    cable.pactl("set-source-mute", "mic", "1")
    env = cable.env | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [COMMAND, "check", "captions", "--speak"]
    with Mortal[str](command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        before = asked(program, "Play something")
        played = ["paplay", "--device=speaker", str(ASTERISK / "queue-thankyou.wav")]
        subprocess.run(played, env=cable.env, check=True)
        out, errors = program.communicate(timeout=120)
    assert program.returncode == 0, out + errors
    names = [line[4:22].strip() for line in [*before, *out.splitlines()]]
    assert names == ["config", "engines", "sound heard", "vad", "transcribe", "speech heard"]
    assert 'it said: "Thank you' in out
