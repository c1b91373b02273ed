"""The installed program where the microphone hears the loudspeaker, with an echo path of -12 dB."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.running import running
from testbed.serving import KEY, serving
from testbed.sound.cable import SPEAKER_HZ, Cable
from testbed.sound.echoing import steady_echo_path
from testbed.sound.match import first_sound
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.echo.webrtc_aec import installed

PROMPT = Path("/usr/share/sounds/alsa/Front_Center.wav")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not (PROMPT.is_file() and ASTERISK.is_dir()), reason="needs Debian's recorded prompts"),
]
needs_livekit = pytest.mark.skipif(not installed(), reason="needs the extra voiceloop[echo]")


def service(folder: Path, name: str, times: int = 1) -> list[str]:
    """Return the arguments of a server that answers with this recording, repeated."""
    voice = read_wav(ASTERISK / f"{name}.wav")
    path = folder / "answer.wav"
    path.write_bytes(wav_bytes(resample(voice.pcm, from_hz=voice.rate_hz, to_hz=SPEAKER_HZ) * times, SPEAKER_HZ))
    return ["--text", "front center", "--reply", "Please wait.", "--wav", str(path)]


@pytest.mark.parametrize("mode", [pytest.param("cancel", marks=needs_livekit), "half-duplex"])
def test_the_echo_of_a_reply_is_not_answered(cable: Cable, tmp_path: Path, mode: str) -> None:
    steady_echo_path(cable)
    with serving(*service(tmp_path, "queue-callswaiting")) as server:
        words = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}", "--set", f"audio.echo={mode}"]
        with running(*words, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop:
            loop.wait_for("ready")
            for number in range(2):
                cable.speak_file(PROMPT)
                loop.wait_for("echo.reply" if mode == "cancel" else "reply", count=number + 1)
    assert [event.fields["complete"] for event in loop.named("reply")] == [True, True]
    assert len(loop.named("transcript")) == 2
    echoes = [event.fields for event in loop.named("echo.reply")]
    assert len(echoes) == (2 if mode == "cancel" else 0)
    for echo in echoes:
        assert -45 < echo["heard_db"] < -15
        assert echo["removed_db"] > 3
        assert echo["other_share"] < 0.5


@needs_livekit
def test_a_voice_over_the_echoing_reply_still_interrupts_it(cable: Cable, tmp_path: Path) -> None:
    steady_echo_path(cable)
    with serving(*service(tmp_path, "conf-waitforleader", times=4)) as server:
        words = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}", "--set", "audio.echo=cancel"]
        env = cable.env | {"OPENROUTER_API_KEY": KEY}
        with running(*words, env=env) as loop, cable.listening() as listener:
            loop.wait_for("ready")
            cable.speak_file(PROMPT)
            listener.wait_for(lambda heard: (first_sound(heard) or len(heard)) < len(heard) // 2 - 2 * SPEAKER_HZ)
            cable.speak_file(ASTERISK / "conf-getpin.wav")
            loop.wait_for("turn.done")
    done = loop.named("turn.done")[0].fields
    assert (done["outcome"], done["reason"]) == ("cancelled", "barge-in")
