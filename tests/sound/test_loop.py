"""The installed program on a real sound server: spoken to through a cable, listened to at the loudspeaker."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from testbed.running import Running, running, voiceloop
from testbed.serving import KEY, serving
from testbed.sound.cable import SPEAKER_HZ, Cable
from testbed.sound.match import first_sound, in_order, pieces
from tests.sound.servers import pulseaudio_only
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.echo.webrtc_aec import installed

PROMPTS = Path("/usr/share/sounds/alsa")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not (PROMPTS.is_dir() and ASTERISK.is_dir()), reason="needs Debian's recorded prompts"),
]


def spoken_by_the_program(text: str, folder: Path) -> bytes:
    """Return the offline voice's speech for `text` at the loudspeaker's rate, as the program writes it to a file."""
    path = folder / "reference.wav"
    code, _, errors = voiceloop("say", text, "--config", "offline", "--output", f"file:{path}")
    assert code == 0, errors
    return read_wav(path).at(SPEAKER_HZ)


def check_heard(spoken: bytes, heard: bytes, cable: Cable) -> None:
    """Check that all that was spoken was heard once, in order, and with gaps of at most 0.1 s together.

    PipeWire resamples, and may put a sound half a sample beside its place. On a busy machine the server, the service or
    the program is late for some 10 ms now and then, and there is silence in between; that loses nothing. PipeWire puts
    such a silence in place of sound, too: the piece that it is in may be more alike to the voice a period of pitch ago.
    """
    found = pieces(spoken, heard, SPEAKER_HZ)
    alike = [offset for offset, similarity in found if similarity > (0.99 if cable.server.exact else 0.85)]
    assert len(alike) >= 0.9 * len(found), found
    ordered = in_order(alike)
    assert len(ordered) >= (len(alike) if cable.server.exact else 0.9 * len(found)), found
    assert ordered[-1] - ordered[0] <= SPEAKER_HZ * 0.1, found


def test_the_offline_loop_answers_what_was_said(cable: Cable, tmp_path: Path) -> None:
    prompt = ASTERISK / "conf-thereare.wav"
    words = ("--config", "offline", "--set", "handler.use=echo")
    with running(*words, env=cable.env) as loop, cable.listening() as listener:
        loop.wait_for("ready")
        cable.speak_file(prompt)
        loop.wait_for("turn.done")
        heard = listener.heard
        code, took_s = loop.end()
    transcript = loop.named("transcript")[0].fields["text"]
    assert len(transcript.split()) >= 2
    assert loop.named("reply")[0].fields == loop.named("reply")[0].fields | {"text": transcript, "complete": True}
    spoken = spoken_by_the_program(transcript, tmp_path)
    check_heard(spoken, heard, cable)
    assert code == 130
    assert took_s < 1.0


def test_the_assistant_answers_with_the_voice_that_the_service_sends(cable: Cable, tmp_path: Path) -> None:
    voice = read_wav(ASTERISK / "queue-thankyou.wav")
    answer = resample(voice.pcm, from_hz=voice.rate_hz, to_hz=SPEAKER_HZ)
    spoken = tmp_path / "answer.wav"
    spoken.write_bytes(wav_bytes(answer, SPEAKER_HZ))
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
        # One request of each kind, and the preemptive ones in the pause between the two words. On a busy machine one
        # of those may be cancelled before it reaches the service.
        wasted = sum(event.fields["requests"] for event in loop.named("preemptive.wasted"))
        paths = ("/audio/transcriptions", "/chat/completions", "/audio/speech")
        assert 3 <= sum(len(server.posts(path)) for path in paths) <= 3 + wasted
    assert len(loop.named("transcript")) == 1
    assert loop.named("transcript")[0].fields["text"] == "front center"
    assert loop.named("reply")[0].fields["text"] == "Thank you for your patience."
    check_heard(answer, heard, cable)
    assert code == 0
    assert took_s < 1.0


@pulseaudio_only
@pytest.mark.parametrize("option", ["-i", "-o"])
def test_the_error_for_an_unknown_device_lists_the_devices(cable: Cable, option: str) -> None:
    code, _, errors = voiceloop("run", "--config", "offline", option, "blue yeti", env=cable.env)
    assert code == 74
    assert f"audio.{'input' if option == '-i' else 'output'}: no device matches 'blue yeti'" in errors
    assert "default" in errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_ends_within_a_second_when_the_sound_server_hangs(cable: Cable, number: signal.Signals) -> None:
    with running("--config", "offline", env=cable.env) as loop:
        loop.wait_for("ready")
        cable.stop()
        try:
            code, took_s = loop.end(number)
        finally:
            cable.resume()
    assert code == (130 if number == signal.SIGINT else 0)
    assert took_s < 1.0


def wait_until_it_hears_again(loop: Running) -> None:
    """Where PortAudio hangs the program starts itself anew, in place of opening the microphone again."""
    loop.wait_until(
        lambda: (
            any(event.fields["which"] == "microphone" for event in loop.named("device.back"))
            or len(loop.named("ready")) > 1
        ),
        "microphone that is back",
    )


def test_a_hung_sound_server_is_noticed_and_the_loop_goes_on_when_it_answers_again(cable: Cable) -> None:
    with running("--config", "offline", "--set", "handler.use=echo", env=cable.env) as loop:
        loop.wait_for("ready")
        cable.stop()
        loop.wait_for("device.lost", which="microphone")
        cable.resume()
        wait_until_it_hears_again(loop)
        cable.speak_file(PROMPTS / "Front_Center.wav")
        loop.wait_for("turn.done")
        assert loop.named("reply")[0].fields["complete"]


def test_a_killed_sound_server_is_waited_for(cable: Cable) -> None:
    with running("--config", "offline", "--set", "handler.use=echo", env=cable.env) as loop:
        loop.wait_for("ready")
        cable.kill()
        loop.wait_for("device.lost", which="microphone")
        cable.start()
        wait_until_it_hears_again(loop)
        cable.speak_file(PROMPTS / "Front_Center.wav")
        loop.wait_for("turn.done")
        assert loop.named("reply")[0].fields["complete"]


def used_s(loop: Running) -> float:
    """The processor time that the program has used, in seconds."""
    fields = Path(f"/proc/{loop.process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_after_a_restart_of_the_server_during_a_reply_the_program_is_idle(cable: Cable) -> None:
    with running("--config", "offline", "--set", "handler.use=echo", env=cable.env) as loop:
        loop.wait_for("ready")
        with cable.listening() as listener:
            cable.speak_file(ASTERISK / "conf-onlyperson.wav")
            listener.wait_for(lambda heard: (first_sound(heard) or len(heard)) < len(heard) // 2 - SPEAKER_HZ // 4)
        cable.restart()
        loop.wait_for("turn.done")
        before = used_s(loop)
        time.sleep(1)
        assert used_s(loop) - before < 0.5


def test_in_full_duplex_a_barge_in_silences_the_reply(cable: Cable, tmp_path: Path) -> None:
    spoken = tmp_path / "answer.wav"
    voice = read_wav(ASTERISK / "conf-waitforleader.wav")
    spoken.write_bytes(wav_bytes(resample(voice.pcm, from_hz=voice.rate_hz, to_hz=SPEAKER_HZ) * 4, SPEAKER_HZ))
    texts = ["--text", "front center", "--text", "one more thing"]
    # Of so many short words one is heard before the interruption.
    service = [*texts, "--reply", "so " * 40 + "on.", "--wav", str(spoken)]
    with serving(*service) as server:
        words = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}", "--set", "audio.echo=off"]
        with running(*words, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop, cable.listening() as listener:
            loop.wait_for("ready")
            cable.speak_file(PROMPTS / "Front_Center.wav")
            listener.wait_for(lambda heard: (first_sound(heard) or len(heard)) < len(heard) // 2 - SPEAKER_HZ)
            cable.speak_file(ASTERISK / "conf-getpin.wav")
            first = loop.wait_for("turn.done").fields
    assert (first["outcome"], first["reason"]) == ("cancelled", "barge-in")
    assert not loop.named("reply")[0].fields["complete"]


@pytest.mark.parametrize("echo", ["half-duplex", "cancel"])
def test_every_sample_is_accounted_for(cable: Cable, echo: str) -> None:
    if echo == "cancel" and not installed():
        pytest.skip("needs the extra voiceloop[echo]")
    words = ("--config", "offline", "--set", "handler.use=echo", "--set", f"audio.echo={echo}")
    with running(*words, env=cable.env) as loop:
        loop.wait_for("ready")
        cable.speak_file(PROMPTS / "Front_Center.wav")
        loop.wait_for("turn.done")
        loop.end()
    samples = loop.named("stopped")[0].fields["samples"]
    parts = samples["sent"] + samples["silence"] + samples["muted"] + samples["dropped"] + samples["held"]
    assert samples["received"] == parts
    assert samples["sent"] > 16_000
    assert (samples["muted"] > 8_000) == (echo == "half-duplex")
    assert samples["dropped"] == 0
