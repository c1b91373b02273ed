"""The trace of a real session holds every documented time, also when the session is killed."""

from __future__ import annotations

import json
import signal
import stat
import time
from pathlib import Path

import pytest

from testbed.running import running, voiceloop
from testbed.serving import KEY, serving
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable
from testbed.sound.match import first_sound
from tests.sound.servers import pulseaudio_only
from voiceloop.audio.audible import first_audible
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.speak.trimming import SENTENCE_S, Trimmer
from voiceloop.trace.build import build
from voiceloop.trace.read import read
from voiceloop.trace.timeline import Session

PROMPTS = Path("/usr/share/sounds/alsa")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
TRANSCRIBE_MS, FIRST_TOKEN_MS, SPEAK_MS = 150, 120, 100

pytestmark = [
    pytest.mark.sound,
    pytest.mark.skipif(not (PROMPTS.is_dir() and ASTERISK.is_dir()), reason="needs Debian's recorded prompts"),
]


def traced_session(cable: Cable, folder: Path, number: signal.Signals) -> Path:
    """Run a session of one turn, end it by a signal after its reply, and return the path of its trace."""
    voice = read_wav(ASTERISK / "queue-thankyou.wav")
    answer, path = folder / "answer.wav", folder / "t.jsonl"
    answer.write_bytes(wav_bytes(resample(voice.pcm, from_hz=voice.rate_hz, to_hz=SPEAKER_HZ), SPEAKER_HZ))
    service = ["--text", "front center", "--reply", "Thank you for your patience.", "--wav", str(answer)]
    service += ["--transcribe-ms", str(TRANSCRIBE_MS), "--first-token-ms", str(FIRST_TOKEN_MS)]
    service += ["--token-ms", "5", "--speak-ms", str(SPEAK_MS)]
    with serving(*service) as server:
        words = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}", "--trace", str(path)]
        with running(*words, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop:
            loop.wait_for("ready")
            cable.speak_file(PROMPTS / "Front_Center.wav")
            loop.wait_for("turn.done")
            if number == signal.SIGKILL:  # wait for the next write: then the turn is in the file
                size = path.stat().st_size
                while path.stat().st_size == size:
                    time.sleep(0.01)
            loop.end(number)
    return path


def trimmed_s(pcm: bytes) -> float:
    """How long a reply at the loudspeaker's rate lasts without the silences around it."""
    trimmer = Trimmer(SPEAKER_HZ)
    trimmer.begin(SENTENCE_S)
    kept = [trimmer.feed(pcm).own, trimmer.end().own, trimmer.finish().before]
    return sum(map(len, kept)) / 2 / SPEAKER_HZ


def check_times(session: Session) -> None:
    """Check that every documented time of the one turn is there, in a possible order."""
    (turn,) = session.turns
    order = ["last_voiced", "post", "text", "first_text", "speak_post", "first_pcm", "first_write", "first_played"]
    times = [turn.marks[name] for name in order]
    assert times == sorted(times), dict(zip(order, times, strict=True))
    stages = {stage.name: stage.ms for stage in turn.stages}
    assert stages["transcribe"] >= TRANSCRIBE_MS
    assert stages["answer"] >= FIRST_TOKEN_MS
    assert stages["speak"] >= SPEAK_MS
    (utterance,) = session.utterances
    assert utterance.end == pytest.approx(turn.marks["last_voiced"], abs=0.05)


def test_the_trace_of_a_session_holds_its_turn_requests_and_levels(cable: Cable, tmp_path: Path) -> None:
    path = traced_session(cable, tmp_path, signal.SIGTERM)
    session = build(read(path))
    check_times(session)
    assert session.flaws == ()
    assert (session.turns[0].outcome, session.turns[0].text) == ("done", "front center")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEY not in path.read_text()

    posts = {request.kind: request for request in session.requests if request.method == "POST"}
    assert set(posts) == {"transcribe", "answer", "speak"}
    for request in posts.values():
        assert (request.turn, request.status, request.outcome, request.attempt) == (1, 200, "done", 1)
        assert request.first_byte is not None
        assert request.end is not None
        assert request.start < request.first_byte <= request.end

    # The levels are high where the voice and the reply are.
    heard = [level for level in session.microphone if level.peak > 0.05]
    onset = session.utterances[0].start
    assert heard[0].start == pytest.approx(onset, abs=0.25)
    assert any(span.start <= onset + 0.2 and span.end > onset + 0.3 for span in session.voice)
    played = sum(level.end - level.start for level in session.playback)
    assert played == pytest.approx(trimmed_s(read_wav(tmp_path / "answer.wav").pcm), abs=0.1)
    assert max(level.peak for level in session.playback) > 0.1
    assert session.described["echo"]


def test_the_times_in_the_trace_are_those_measured_at_the_cables(cable: Cable, tmp_path: Path) -> None:
    """An independent recording at each end of the loop; the trace has levels in steps of 20 ms. PortAudio doesn't know
    of PipeWire's cycles, which take 21 ms here. Of three sessions one counts, because a busy machine delays some."""
    within_s, off_s = 0.06 if cable.server.exact else 0.08, []
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        off_s.append(differences_s(cable, folder))
        if max(map(abs, off_s[-1])) < within_s:
            break
    assert max(map(abs, off_s[-1])) < within_s, off_s


def differences_s(cable: Cable, folder: Path) -> list[float]:
    """How far the trace's times are from those at the cables: of the voice, the reply, and its first audible sound."""
    with cable.listening("mic_cable.monitor", rate_hz=MIC_HZ) as said, cable.listening() as heard:
        path = traced_session(cable, folder, signal.SIGTERM)
        voice, reply = first_sound(said.heard, above=1_000), first_sound(heard.heard, above=1_000)
        assert voice is not None
        assert reply is not None
        voice_at, reply_at = said.when(2 * voice), heard.when(2 * reply)
        audible = first_audible(heard.heard, SPEAKER_HZ)
        assert audible is not None
        audible_at = heard.when(2 * audible)
    records = read(path)
    session, zero = build(records), records.header["at"]
    microphone = next(level.start for level in session.microphone if level.peak > 1_000 / 32_768)
    loudspeaker = next(level.start for level in session.playback if level.peak > 1_000 / 32_768)
    first_played, latency_s = session.turns[0].marks["first_played"], session.speaker[-1].latency_s
    return [
        float(zero + microphone - voice_at),
        float(zero + loudspeaker + latency_s - reply_at),
        float(zero + first_played + latency_s - audible_at),
    ]


@pulseaudio_only
def test_a_killed_session_is_readable_up_to_its_last_line(cable: Cable, tmp_path: Path) -> None:
    path = traced_session(cable, tmp_path, signal.SIGKILL)
    for text in path.read_text().splitlines():
        json.loads(text)
    session = build(read(path))
    check_times(session)
    assert any("killed" in flaw for flaw in session.flaws)


@pulseaudio_only
def test_the_trace_command_writes_every_format(cable: Cable, tmp_path: Path) -> None:
    path = traced_session(cable, tmp_path, signal.SIGINT)
    page, events = tmp_path / "t.html", tmp_path / "t.json"
    code, table, errors = voiceloop("trace", str(path))
    assert (code, errors) == (0, "")
    assert "front center" in table
    assert "\x1b" not in table
    code, out, errors = voiceloop("trace", str(path), "--html", str(page), "--perfetto", str(events))
    assert (code, out) == (0, ""), errors
    assert page.read_text().startswith("<!doctype html>")
    assert len(json.loads(events.read_text())["traceEvents"]) > 100
    assert stat.S_IMODE(page.stat().st_mode) == stat.S_IMODE(events.stat().st_mode) == 0o600
