"""The installed `voiceloop dictate`, `ctl` and `transcribe --pending`: each sentence arrives once, whatever fails."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from testbed.dictating import (
    ASTERISK,
    Failure,
    Fetched,
    Moment,
    Talk,
    dictate,
    dictating,
    environment,
    fetch,
    letters,
    talk,
    words,
)
from testbed.running import COMMAND, voiceloop
from testbed.serving import serving
from testbed.terminal import TERMINAL
from voiceloop.audio.wav import read_wav
from voiceloop.journal.store import JournalStore
from voiceloop.types import CAPTURE_RATE_HZ, Utterance

pytestmark = pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs asterisk-core-sounds-en-wav")


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    return talk(tmp_path_factory.mktemp("talk"), count=3, gap_s=1.5)


def service(speech: Talk, *more: str) -> tuple[str, ...]:
    return ("--recordings", str(speech.recordings), *more)


def state(env: dict[str, str]) -> Path:
    return Path(env["HOME"]) / ".local/state/voiceloop/unsent"


def test_each_sentence_arrives_once_through_kills_cuts_and_refusals(speech: Talk, tmp_path: Path) -> None:
    moments: list[tuple[Failure, float, int]] = [
        ("kill", 7.4, 3_000),
        ("kill-ended", 4.003, 300),
        ("cut", 2.5, 300),
        ("402", 5.0, 300),
    ]
    if TERMINAL:
        moments.append(("kill-typing", 4.02, 300))
    with ThreadPoolExecutor(len(moments) + 1) as pool:
        limited = pool.submit(within_a_limit, tmp_path / "limit")
        tries = [
            pool.submit(dictate, speech, tmp_path / f"{n}", Moment(kind, at_s, surely=True), service_ms=takes_ms)
            for n, (kind, at_s, takes_ms) in enumerate(moments)
        ]
        outcomes = [done.result() for done in tries]
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert all(outcome.heard for outcome in outcomes)
    assert sum(outcome.fetched for outcome in outcomes) >= 3
    written, left = limited.result()
    assert letters(written + "".join(left.sure)) == letters("".join(speech.sentences))
    assert left.sure


def within_a_limit(folder: Path) -> tuple[str, Fetched]:
    """Dictate with a cost limit that allows one utterance; return the text written, and the speech that was kept. On a
    busy machine two sentences may be one utterance, for all their distance."""
    folder.mkdir()
    speech = talk(folder, count=3, gap_s=5.0)
    env, out = environment(folder), folder / "out.txt"
    limit = ("--set", "limits.max_cost_per_session=0.00005")
    with serving(*service(speech)) as server:
        with dictating(speech, server.url, f"file:{out}", env, *limit) as run:
            assert run.ended() == 0
        return out.read_text(), fetch(server.url, env)


def test_the_current_utterance_is_kept_when_the_program_is_told_to_end(speech: Talk, tmp_path: Path) -> None:
    env, out = environment(tmp_path), tmp_path / "out.txt"
    # One utterance of half a minute, and so long an answer: whenever the program is told to end, it is not delivered.
    speech = talk(tmp_path, count=6, gap_s=0, rounds=4)
    with (
        serving(*service(speech, "--transcribe-ms", "60000")) as server,
        dictating(speech, server.url, f"file:{out}", env) as run,
    ):
        run.wait_for("speech.started", count=1)
        time.sleep(0.6)
        code, took_s = run.end(signal.SIGTERM)
        assert code == 0
        assert took_s < 1.0
        (entry,) = JournalStore(state(env)).entries()
        assert entry.left
        assert entry.facts["reason"] == "told to end"
        assert len(read_wav(entry.clips[0]).pcm) > CAPTURE_RATE_HZ


def test_dictation_obeys_ctl_and_discards_cancelled_speech(tmp_path: Path) -> None:
    env, out = environment(tmp_path), tmp_path / "out.txt"
    # Somebody talks for as long as the commands take, and the service takes its time: what is cancelled is under way.
    speech = talk(tmp_path, count=6, rounds=10)

    def ctl(*what: str) -> str:
        code, answer, errors = voiceloop("ctl", *what, env=env)
        assert code == 0, errors
        return answer.strip()

    with (
        serving(*service(speech, "--transcribe-ms", "3000")) as server,
        dictating(speech, server.url, f"file:{out}", env, "--start", "idle") as run,
    ):
        run.wait_for("ready")
        follower = subprocess.Popen([COMMAND, "ctl", "status", "--follow"], env=env, stdout=subprocess.PIPE, text=True)
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["state"] == "idle"
        shown = dict(line.split(None, 1) for line in ctl("status").splitlines())
        assert shown["state"] == "idle"
        assert shown["handler"] == f"dictation into file:{out}, focus: not watched"
        assert shown["control"] == f"voiceloop ctl, socket {tmp_path / 'run' / 'voiceloop' / 'dictate.sock'}"
        assert ctl("start") == "listening"
        assert json.loads(follower.stdout.readline())["state"] == "listening"
        run.wait_for("speech.started")
        assert ctl("stop", "--name", "dictate") == "idle"
        run.wait_for("turn.done")
        assert ctl("toggle") == "listening"
        heard = len(run.named("speech.started"))
        run.wait_for("speech.started", count=heard + 1)
        assert ctl("cancel") == "listening"
        withdrawn = run.wait_for("turn.done", reason="withdrawn").fields["turn"]
        assert ctl("mute") == "muted"
        assert ctl("unmute") == "listening"
        code, _, errors = voiceloop("dictate", "-i", "none", "--to", "stdout", *words(server.url), env=env)
        assert code == 69
        assert f"'voiceloop dictate' is already running: process {run.process.pid} has " in errors
        assert run.end(signal.SIGTERM)[0] == 0
        follower.wait(60)
        follower.stdout.close()
        samples = run.named("stopped")[0].fields["samples"]
        parts = ("sent", "silence", "muted", "dropped", "held")
        assert samples["received"] == sum(samples[name] for name in parts)
        assert samples["muted"] > 0
    transcripts = [event.fields for event in run.named("transcript")]
    assert withdrawn not in [transcript["turn"] for transcript in transcripts]
    written = letters(out.read_text())
    assert letters("".join(transcript["text"] for transcript in transcripts)).startswith(written)
    assert not any(entry.doubtful for entry in JournalStore(state(env)).entries())
    assert list((tmp_path / "run" / "voiceloop").iterdir()) == []


def test_an_unwritable_state_folder_is_reported_and_dictation_goes_on(tmp_path: Path) -> None:
    speech = talk(tmp_path, count=1, gap_s=1.0)
    env, out = environment(tmp_path), tmp_path / "out.txt"
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/state").write_text("")
    with serving(*service(speech)) as server, dictating(speech, server.url, f"file:{out}", env) as run:
        assert run.ended() == 0
        (notice,) = [event.fields["text"] for event in run.named("notice")]
    assert "can't be written" in notice
    assert notice.endswith("speech that is not yet delivered is lost if the program is killed.")
    assert out.read_text() == speech.sentences[0]


def test_without_a_control_socket_dictation_goes_on_but_an_idle_start_is_refused(tmp_path: Path) -> None:
    speech = talk(tmp_path, count=1, gap_s=0.1)
    env, out = environment(tmp_path), tmp_path / "out.txt"
    long = tmp_path / ("x" * 100)
    long.mkdir(mode=0o700)
    env |= {"XDG_RUNTIME_DIR": str(long)}
    with serving(*service(speech)) as server:
        with dictating(speech, server.url, f"file:{out}", env) as run:
            assert run.ended() == 0
            (notice,) = [event.fields["text"] for event in run.named("notice")]
        given = ("dictate", "--start", "idle", "--to", "stdout", "-i", f"file:{speech.wav}", *words(server.url))
        code, _, errors = voiceloop(*given, env=env)
    assert "too long" in notice
    assert "It goes on without control" in notice
    assert code == 69
    assert "too long" in errors
    assert out.read_text() == speech.sentences[0]


def test_only_the_text_goes_to_standard_output(tmp_path: Path) -> None:
    speech = talk(tmp_path, count=2, gap_s=4.0)  # after a shorter gap, a busy machine takes both for one utterance
    given = ("dictate", "-i", f"file:{speech.wav}", "--to", "stdout", "--set", "control.notify=false")
    with serving(*service(speech)) as server:
        env = environment(tmp_path)
        code, out, errors = voiceloop(*given, *words(server.url), env=env)
        assert (code, out) == (0, "".join(f"{sentence}\n" for sentence in speech.sentences)), errors
        assert "Listening to" in errors
        assert speech.sentences[0] not in errors
        code, out, errors = voiceloop(*given, "--json", *words(server.url), env=env)
        assert (code, out) == (2, "")
        assert "--json and dictation to stdout can't be combined" in errors


def test_closing_standard_output_ends_dictation_and_the_rest_is_kept(tmp_path: Path) -> None:
    speech = talk(tmp_path, count=2, gap_s=4.0)  # in the pause the output is closed
    env = environment(tmp_path)
    with serving(*service(speech)) as server:
        command = [COMMAND, "dictate", "-i", f"file:{speech.wav}", "--to", "stdout", "--set", "control.notify=false"]
        run = subprocess.Popen(
            [*command, *words(server.url)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        assert run.stdout.readline() == f"{speech.sentences[0]}\n"
        run.stdout.close()
        run.stdout = None
        _, errors = run.communicate(timeout=60)
        assert run.returncode == 0, errors
        assert "Kept, not delivered: 1" in errors
        assert fetch(server.url, env) == Fetched((), (speech.sentences[1],))


def make_pending(
    env: dict[str, str], name: str, *, text: str | None = None, perhaps: bool = False, left: bool = True
) -> None:
    """Make a pending entry, as a program that ended leaves it."""
    store = JournalStore(state(env))
    store.enter()
    entry = store.entry(1)
    pcm = read_wav(ASTERISK / f"{name}.wav").at(CAPTURE_RATE_HZ)
    entry.put(0, Utterance(pcm, 0, len(pcm) // 2))
    if text is not None:
        entry.note(text=text)
    if perhaps:
        entry.mark_delivering()
    if left:
        entry.leave()
    store.end()


def test_pending_text_is_delivered_in_order_and_text_perhaps_delivered_is_only_shown(
    speech: Talk, tmp_path: Path
) -> None:
    env = environment(tmp_path)
    make_pending(env, "please-try-again")
    make_pending(env, "conf-unmuted", text="already \x1b[31mtranscribed", left=False)
    make_pending(env, "tt-weasels", text="perhaps typed", perhaps=True)
    for entry in JournalStore(state(env)).entries():
        os.utime(entry.path, (0, 0))  # beyond the age limit, but --pending delivers it all the same
    given = ("transcribe", "--pending", "--config", "dictation")
    with serving(*service(speech)) as server:
        code, _, errors = voiceloop(*given, "--to", "type", *words(server.url), env=env)
        assert code == 2
        assert "comes too late for the window that it was meant for, so it is not typed" in errors
        code, out, errors = voiceloop(*given, "--to", f"file:{tmp_path / 'notes'}", *words(server.url), env=env)
        assert (code, out) == (0, "perhaps typed\n"), errors
        assert "The next line may already have been typed" in errors
        assert (tmp_path / "notes").read_text() == "Please try again.\nalready transcribed\n"
        assert len(server.posts("/audio/transcriptions")) == 1, "a transcribed entry is not posted again"
        assert voiceloop(*given, *words(server.url), env=env)[1] == ""


def test_speech_kept_for_one_service_is_sent_to_another_only_if_asked_for(speech: Talk, tmp_path: Path) -> None:
    env = environment(tmp_path)
    with serving("--status", "402") as server, dictating(speech, server.url, f"file:{tmp_path / 'out'}", env) as run:
        assert run.ended() == 0
    before = [entry.path for entry in JournalStore(state(env)).entries()]
    assert len(before) == 3
    own = tmp_path / ".config/voiceloop/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('transcribe.use = "moonshine"')
    code, out, errors = voiceloop("transcribe", "--pending", env=env)
    assert (code, out) == (2, "")
    message = f"the kept speech was recorded for openrouter at {server.url}, but this config would send it to moonshine"
    assert message in errors
    assert [entry.path for entry in JournalStore(state(env)).entries()] == before
    code, out, errors = voiceloop("transcribe", "--pending", "--set", "transcribe.use=moonshine", env=env)
    assert code == 0, errors
    assert out.count("\n") == 3
    assert JournalStore(state(env)).entries() == []


def test_an_entry_that_the_service_refuses_stays_pending(speech: Talk, tmp_path: Path) -> None:
    env = environment(tmp_path)
    make_pending(env, "please-try-again", text="before it")
    make_pending(env, "conf-unmuted")
    make_pending(env, "tt-weasels", text="after it")
    given = ("transcribe", "--pending", "--config", "dictation")
    with serving("--status", "402") as server:
        code, out, errors = voiceloop(*given, *words(server.url), env=env)
        assert (code, out) == (69, "before it\n"), errors
    with serving(*service(speech)) as server:
        assert voiceloop(*given, *words(server.url), env=env)[1] == "You are now unmuted.\nafter it\n"


def test_a_damaged_clip_stays_and_the_entries_after_it_are_delivered(speech: Talk, tmp_path: Path) -> None:
    env, notes = environment(tmp_path), tmp_path / "notes"
    given = ("transcribe", "--pending", "--config", "dictation")
    damaged = state(env) / "20260101-000000-000000.wav"
    with serving(*service(speech)) as server:
        for to in ("stdout", f"file:{notes}"):
            make_pending(env, "please-try-again")
            damaged.write_bytes(b"")
            code, out, errors = voiceloop(*given, "--to", to, *words(server.url), env=env)
            assert code == 74
            assert f"{damaged} is empty. It is kept: listen to it, or delete it\n" in errors
            assert (out or notes.read_text()) == "Please try again.\n"
            assert list(state(env).iterdir()) == [damaged]


def test_ctl_names_what_is_missing(tmp_path: Path) -> None:
    env = environment(tmp_path)
    code, _, errors = voiceloop("ctl", "toggle", env=env)
    assert (code, errors) == (
        69,
        "voiceloop: control: no running voiceloop can be controlled. Start one: voiceloop dictate\n",
    )
    code, _, errors = voiceloop("ctl", "explode", env=env)
    assert code == 2
    assert "There are: start, stop, toggle, mute, unmute, cancel, status." in errors
    code, _, errors = voiceloop("ctl", "stop", "--name", "captions", env=env)
    assert code == 69
    assert "no 'voiceloop captions' runs" in errors


def test_ctl_asks_for_a_name_when_several_programs_run(tmp_path: Path) -> None:
    env = environment(tmp_path)
    folder = tmp_path / "run" / "voiceloop"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        for sock, name in ((one, "captions"), (other, "dictate")):
            sock.bind(str(folder / f"{name}.sock"))
            sock.listen()
        code, _, errors = voiceloop("ctl", "toggle", env=env)
    assert code == 2
    assert "several programs run: captions, dictate. Say which: --name captions" in errors
