"""The installed program on a real sound server: spoken to through a cable, listened to at the loudspeaker."""

from __future__ import annotations

import signal
import wave
from pathlib import Path

import pytest

from tests.running import running
from tests.serving import KEY, serving
from tests.sound.cable import SPEAKER_HZ, Cable
from tests.sound.match import find, longest_gap_s
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav

PROMPTS = Path("/usr/share/sounds/alsa")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not (PROMPTS.is_dir() and ASTERISK.is_dir()), reason="needs Debian's recorded prompts"),
]


def espeaks(text: str, folder: Path) -> bytes:
    """What the offline voice says for `text`, at the loudspeaker's rate: by the program itself, into a file."""
    from tests.running import voiceloop

    path = folder / "reference.wav"
    code, _, errors = voiceloop("say", text, "--config", "offline", "--output", f"file:{path}")
    assert code == 0, errors
    return read_wav(path).at(SPEAKER_HZ)


def test_the_offline_loop_answers_what_was_said(cable: Cable, tmp_path: Path) -> None:
    prompt = ASTERISK / "conf-thereare.wav"
    with running("--config", "offline", env=cable.env) as loop, cable.listening() as listener:
        loop.wait_for("ready")
        cable.speak_file(prompt)
        loop.wait_for("turn.done")
        heard = listener.heard
        code, took_s = loop.end()
    transcript = loop.told("transcript")[0].fields["text"]
    assert len(transcript.split()) >= 2
    assert loop.told("reply")[0].fields == loop.told("reply")[0].fields | {"text": transcript, "complete": True}
    spoken = espeaks(transcript, tmp_path)
    _, alike = find(spoken, heard)
    assert alike > 0.99
    assert longest_gap_s(spoken, heard, SPEAKER_HZ) <= 0.020
    assert code == 130
    assert took_s < 1.0


def test_the_assistant_answers_with_the_voice_that_the_service_sends(cable: Cable, tmp_path: Path) -> None:
    voice = read_wav(ASTERISK / "queue-thankyou.wav")
    answer = resample(voice.pcm, voice.rate_hz, SPEAKER_HZ)
    spoken = tmp_path / "answer.wav"
    with wave.open(str(spoken), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEAKER_HZ)
        file.writeframes(answer)
    service = ["--text", "front center", "--reply", "Thank you for your patience.", "--wav", str(spoken)]
    times = ["--transcribe-ms", "100", "--first-token-ms", "100", "--token-ms", "5", "--speak-ms", "100"]
    with serving(*service, *times) as server:
        env = cable.env | {"OPENROUTER_API_KEY": KEY}
        config = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}"]
        with running(*config, env=env) as loop, cable.listening() as listener:
            loop.wait_for("ready")
            cable.speak_file(PROMPTS / "Front_Center.wav")
            loop.wait_for("turn.done")
            heard = listener.heard
            code, took_s = loop.end(signal.SIGTERM)
        assert [request["broken"] for request in server.requests if request["broken"]] == []
        assert len(server.posts("/audio/transcriptions")) == 1
        assert len(server.posts("/chat/completions")) == 1
    assert loop.told("transcript")[0].fields["text"] == "front center"
    assert loop.told("reply")[0].fields["text"] == "Thank you for your patience."
    _, alike = find(answer, heard)
    assert alike > 0.999
    assert longest_gap_s(answer, heard, SPEAKER_HZ) == 0.0
    assert code == 0
    assert took_s < 1.0
