"""The installed `voiceloop dictate`, `ctl` and `transcribe --pending`: what was said arrives once, whatever happens."""

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
    Fetched,
    Misfortune,
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
def said(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    return talk(tmp_path_factory.mktemp("talk"), count=3, gap_s=1.5)


def service(said: Talk, *more: str) -> tuple[str, ...]:
    return ("--recordings", str(said.recordings), *more)


def state(env: dict[str, str]) -> Path:
    return Path(env["HOME"]) / ".local/state/voiceloop/unsent"


def test_what_is_said_arrives_once_through_kills_cuts_and_refusals(said: Talk, tmp_path: Path) -> None:
    moments: list[tuple[Misfortune, float, int]] = [
        ("kill", 7.4, 3_000),
        ("kill-ended", 4.003, 300),
        ("cut", 2.5, 300),
        ("402", 5.0, 300),
    ]
    if TERMINAL:
        moments.append(("kill-typing", 4.02, 300))
    with ThreadPoolExecutor(len(moments) + 1) as pool:
        limited = pool.submit(within_a_limit, said, tmp_path / "limit")
        tries = [
            pool.submit(dictate, said, tmp_path / f"{n}", kind, at_s, service_ms=takes_ms)
            for n, (kind, at_s, takes_ms) in enumerate(moments)
        ]
        outcomes = [done.result() for done in tries]
    assert [outcome for outcome in outcomes if not outcome.good] == []
    assert all(outcome.heard for outcome in outcomes)
    assert sum(outcome.fetched for outcome in outcomes) >= 3
    written, left = limited.result()
    assert [letters(said.sentences[0]), *map(letters, left.sure)] == [
        letters(written),
        *map(letters, said.sentences[1:]),
    ]


def within_a_limit(said: Talk, folder: Path) -> tuple[str, Fetched]:
    """What is written, and what is left, when the money lasts for the first sentence."""
    folder.mkdir()
    env, out = environment(folder), folder / "out.txt"
    limit = ("--set", "limits.max_cost_per_session=0.00005")
    with serving(*service(said)) as server:
        with dictating(said, server.url, f"file:{out}", env, *limit) as run:
            assert run.process.wait(60) == 0
        return out.read_text(), fetch(server.url, env)


def test_what_is_being_said_when_it_is_told_to_end_is_kept(said: Talk, tmp_path: Path) -> None:
    env, out = environment(tmp_path), tmp_path / "out.txt"
    with serving(*service(said)) as server, dictating(said, server.url, f"file:{out}", env) as run:
        run.wait_for("speech.started", count=1)
        time.sleep(0.6)
        code, took_s = run.end(signal.SIGTERM)
        assert code == 0
        assert took_s < 1.0
        (entry,) = JournalStore(state(env)).entries()
        assert entry.left
        assert entry.facts["reason"] == "told to end"
        assert len(read_wav(entry.clips[0]).pcm) > CAPTURE_RATE_HZ


def test_it_listens_and_stops_as_it_is_told_and_throws_away_what_is_cancelled(said: Talk, tmp_path: Path) -> None:
    env, out = environment(tmp_path), tmp_path / "out.txt"

    def ctl(*what: str) -> str:
        code, answer, errors = voiceloop("ctl", *what, env=env)
        assert code == 0, errors
        return answer.strip()

    with serving(*service(said)) as server, dictating(said, server.url, f"file:{out}", env, "--start", "idle") as run:
        run.wait_for("ready")
        follower = subprocess.Popen([COMMAND, "ctl", "status", "--follow"], env=env, stdout=subprocess.PIPE, text=True)
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["state"] == "idle"
        shown = dict(line.split(None, 1) for line in ctl("status").splitlines())
        assert shown["state"] == "idle"
        assert shown["handler"] == f"dictation into file:{out}, focus: not watched"
        assert shown["control"] == f"voiceloop ctl, by {tmp_path / 'run' / 'voiceloop' / 'dictate.sock'}"
        assert ctl("start") == "listening"
        assert json.loads(follower.stdout.readline())["state"] == "listening"
        run.wait_for("speech.started")
        assert ctl("stop", "--name", "dictate") == "idle"
        run.wait_for("turn.done")
        assert ctl("toggle") == "listening"
        run.wait_for("speech.started", count=2)
        assert ctl("cancel") == "listening"
        assert run.wait_for("turn.done", count=2).fields["reason"] == "withdrawn"
        assert ctl("mute") == "muted"
        assert ctl("unmute") == "listening"
        code, _, errors = voiceloop("dictate", "-i", "none", "--to", "stdout", *words(server.url), env=env)
        assert code == 69
        assert f"'voiceloop dictate' runs already: process {run.process.pid} has " in errors
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(10) == 0
        follower.wait(10)
        follower.stdout.close()
        samples = run.told("stopped")[0].fields["samples"]
        parts = ("sent", "silence", "muted", "dropped", "held")
        assert samples["received"] == sum(samples[name] for name in parts)
        assert samples["muted"] > 0
    assert letters(out.read_text()).count(letters(said.sentences[0])) <= 1
    assert letters(said.sentences[1]) not in letters(out.read_text()), "it was cancelled"
    assert not any(entry.doubtful for entry in JournalStore(state(env)).entries())
    assert list((tmp_path / "run" / "voiceloop").iterdir()) == []


def test_a_state_folder_that_cannot_be_written_is_said_and_dictation_goes_on(tmp_path: Path) -> None:
    said = talk(tmp_path, count=1, gap_s=1.0)
    env, out = environment(tmp_path), tmp_path / "out.txt"
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local/state").write_text("")
    with serving(*service(said)) as server, dictating(said, server.url, f"file:{out}", env) as run:
        assert run.process.wait(20) == 0
        (notice,) = [event.fields["text"] for event in run.told("notice")]
    assert "can't be written" in notice
    assert notice.endswith("what is not delivered is lost if the program is killed.")
    assert out.read_text() == said.sentences[0]


def test_a_socket_that_cannot_be_made_is_said_and_only_what_needs_it_is_refused(tmp_path: Path) -> None:
    said = talk(tmp_path, count=1, gap_s=0.1)
    env, out = environment(tmp_path), tmp_path / "out.txt"
    long = tmp_path / ("x" * 100)
    long.mkdir(mode=0o700)
    env |= {"XDG_RUNTIME_DIR": str(long)}
    with serving(*service(said)) as server:
        with dictating(said, server.url, f"file:{out}", env) as run:
            assert run.process.wait(20) == 0
            (notice,) = [event.fields["text"] for event in run.told("notice")]
        given = ("dictate", "--start", "idle", "--to", "stdout", "-i", f"file:{said.wav}", *words(server.url))
        code, _, errors = voiceloop(*given, env=env)
    assert "too long" in notice
    assert "It goes on, and can't be controlled." in notice
    assert code == 69
    assert "too long" in errors
    assert out.read_text() == said.sentences[0]


def test_where_text_goes_to_standard_output_nothing_else_does(tmp_path: Path) -> None:
    said = talk(tmp_path, count=2, gap_s=1.2)
    given = ("dictate", "-i", f"file:{said.wav}", "--to", "stdout", "--set", "control.notify=false")
    with serving(*service(said)) as server:
        env = environment(tmp_path)
        code, out, errors = voiceloop(*given, *words(server.url), env=env)
        assert (code, out) == (0, "".join(f"{sentence}\n" for sentence in said.sentences)), errors
        assert "Listening." in errors
        assert said.sentences[0] not in errors
        code, out, errors = voiceloop(*given, "--json", *words(server.url), env=env)
        assert (code, out) == (2, "")
        assert "--json and dictation to stdout exclude each other" in errors


def test_who_has_read_enough_of_standard_output_ends_it_and_the_rest_is_kept(tmp_path: Path) -> None:
    said = talk(tmp_path, count=2, gap_s=1.2)
    env = environment(tmp_path)
    with serving(*service(said)) as server:
        command = [COMMAND, "dictate", "-i", f"file:{said.wav}", "--to", "stdout", "--set", "control.notify=false"]
        run = subprocess.Popen(
            [*command, *words(server.url)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert run.stdout is not None
        assert run.stdout.readline() == f"{said.sentences[0]}\n"
        run.stdout.close()
        run.stdout = None
        _, errors = run.communicate(timeout=30)
        assert run.returncode == 0, errors
        assert "1 kept that were not delivered" in errors
        assert fetch(server.url, env) == Fetched((), (said.sentences[1],))


def kept(env: dict[str, str], name: str, *, text: str | None = None, perhaps: bool = False, left: bool = True) -> None:
    """Something that waits, as a program that ended has left it."""
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


def test_what_is_left_is_written_down_in_order_and_what_was_perhaps_written_is_only_shown(
    said: Talk, tmp_path: Path
) -> None:
    env = environment(tmp_path)
    kept(env, "please-try-again")
    kept(env, "conf-unmuted", text="already \x1b[31mtranscribed", left=False)
    kept(env, "tt-weasels", text="perhaps typed", perhaps=True)
    for entry in JournalStore(state(env)).entries():
        os.utime(entry.path, (0, 0))  # too old to be kept: who asks for it gets it all the same
    given = ("transcribe", "--pending", "--config", "dictation")
    with serving(*service(said)) as server:
        code, _, errors = voiceloop(*given, "--to", "type", *words(server.url), env=env)
        assert code == 2
        assert "comes too late for its window, and is not typed" in errors
        code, out, errors = voiceloop(*given, "--to", f"file:{tmp_path / 'notes'}", *words(server.url), env=env)
        assert (code, out) == (0, "perhaps typed\n"), errors
        assert "The next line may already have been typed" in errors
        assert (tmp_path / "notes").read_text() == "Please try again.\nalready transcribed\n"
        assert len(server.posts("/audio/transcriptions")) == 1, "what was transcribed is not paid for again"
        assert voiceloop(*given, *words(server.url), env=env)[1] == ""


def test_what_was_said_to_one_service_is_given_to_no_other_unless_that_is_wanted(said: Talk, tmp_path: Path) -> None:
    env = environment(tmp_path)
    with serving("--status", "402") as server, dictating(said, server.url, f"file:{tmp_path / 'out'}", env) as run:
        assert run.process.wait(60) == 0
    before = [entry.path for entry in JournalStore(state(env)).entries()]
    assert len(before) == 3
    own = tmp_path / ".config/voiceloop/config.toml"
    own.parent.mkdir(parents=True)
    own.write_text('transcribe.use = "sphinx"')
    code, out, errors = voiceloop("transcribe", "--pending", env=env)
    assert (code, out) == (2, "")
    assert f"what is kept was said to openrouter at {server.url}, and this would give it to sphinx" in errors
    assert [entry.path for entry in JournalStore(state(env)).entries()] == before
    code, out, errors = voiceloop("transcribe", "--pending", "--set", "transcribe.use=sphinx", env=env)
    assert code == 0, errors
    assert out.count("\n") == 3
    assert JournalStore(state(env)).entries() == []


def test_what_a_service_refuses_stays(said: Talk, tmp_path: Path) -> None:
    env = environment(tmp_path)
    kept(env, "please-try-again", text="before it")
    kept(env, "conf-unmuted")
    kept(env, "tt-weasels", text="after it")
    given = ("transcribe", "--pending", "--config", "dictation")
    with serving("--status", "402") as server:
        code, out, errors = voiceloop(*given, *words(server.url), env=env)
        assert (code, out) == (69, "before it\n"), errors
    with serving(*service(said)) as server:
        assert voiceloop(*given, *words(server.url), env=env)[1] == "You are now unmuted.\nafter it\n"


def test_what_is_damaged_stays_and_what_comes_after_it_is_written_down(said: Talk, tmp_path: Path) -> None:
    env, notes = environment(tmp_path), tmp_path / "notes"
    given = ("transcribe", "--pending", "--config", "dictation")
    damaged = state(env) / "20260101-000000-000000.wav"
    with serving(*service(said)) as server:
        for to in ("stdout", f"file:{notes}"):
            kept(env, "please-try-again")
            damaged.write_bytes(b"")
            code, out, errors = voiceloop(*given, "--to", to, *words(server.url), env=env)
            assert code == 74
            assert f"{damaged} is empty. It stays: listen to it, or delete it\n" in errors
            assert (out or notes.read_text()) == "Please try again.\n"
            assert list(state(env).iterdir()) == [damaged]


def test_ctl_says_what_is_missing(tmp_path: Path) -> None:
    env = environment(tmp_path)
    code, _, errors = voiceloop("ctl", "toggle", env=env)
    assert (code, errors) == (
        69,
        "voiceloop: control: no voiceloop runs that could be controlled. Start one: voiceloop dictate\n",
    )
    code, _, errors = voiceloop("ctl", "explode", env=env)
    assert code == 2
    assert "There are: start, stop, toggle, mute, unmute, cancel, status." in errors
    code, _, errors = voiceloop("ctl", "stop", "--name", "captions", env=env)
    assert code == 69
    assert "no 'voiceloop captions' runs" in errors


def test_ctl_asks_which_where_several_run(tmp_path: Path) -> None:
    env = environment(tmp_path)
    folder = tmp_path / "run" / "voiceloop"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        for sock, name in ((one, "captions"), (other, "dictate")):
            sock.bind(str(folder / f"{name}.sock"))
            sock.listen()
        code, _, errors = voiceloop("ctl", "toggle", env=env)
    assert code == 2
    assert "several run: captions, dictate. Say which: --name captions" in errors
