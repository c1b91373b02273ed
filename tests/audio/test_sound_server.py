"""The sound server's answers: none, late, and what is read from them. `tests/sound/test_names.py` asks real servers."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from voiceloop.audio import following, pulse
from voiceloop.audio.devices import Node
from voiceloop.audio.sound_server import PATIENCE_S, Answer, ask

try:
    import pulsectl  # noqa: F401
except OSError:
    pytest.skip("needs libpulse", allow_module_level=True)


@pytest.fixture
def deaf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A server that takes connections and never says anything, as one that was stopped (SIGSTOP)."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "native"))
        server.listen()
        monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'native'}")
        yield server


def test_without_a_server_the_answer_says_so_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path / 'nobody'}")
    took_s = []
    for _ in range(5):  # a busy machine delays some
        began = time.monotonic()
        assert ask() == Answer(silence="The sound server's device names are unknown: there is no server")
        took_s.append(time.monotonic() - began)
    assert min(took_s) < PATIENCE_S


def test_a_server_that_never_answers_is_given_up_at_the_limit_and_leaves_no_thread(deaf: socket.socket) -> None:
    threads = threading.active_count()
    began = time.monotonic()
    answer = ask()
    assert PATIENCE_S <= time.monotonic() - began < PATIENCE_S + 20  # else it would be for ever
    assert answer == Answer(silence="The sound server's device names are unknown: it has not answered for 500 ms")
    assert threading.active_count() == threads


def test_a_server_that_hangs_up_is_no_server(deaf: socket.socket) -> None:
    def hang_up() -> None:
        connection, _ = deaf.accept()
        connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    assert ask().silence.endswith("there is no server")
    thread.join()


async def test_following_a_server_that_never_answers_ends_at_once_when_it_is_cancelled(
    deaf: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Answer] = []
    threads = trio.CapacityLimiter(1)
    monkeypatch.setattr(following, "_THREADS", threads)
    monkeypatch.setattr(following, "PATIENCE_S", 120.0)
    with trio.move_on_after(0.1):
        await following.follow_server(told.append)
    with trio.fail_after(60):  # sooner than the limit of the thread's call
        async with threads:  # an abandoned thread keeps its place until it ends
            assert told == []


async def test_without_libpulse_nothing_is_followed_and_the_answer_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> None:
        raise pulse.NoLibrary("libpulse is not installed (sudo apt install libpulse0)")

    monkeypatch.setattr(pulse, "_library", missing)
    with trio.fail_after(60):
        await following.follow_server(lambda _: None)
    assert ask().silence == (
        "The sound server's device names are unknown: libpulse is not installed (sudo apt install libpulse0)"
    )


SPEAKER = Node("output", "hdmi", "Fernseher", 2, 48_000, default=True)
MONITOR = Node("input", "odd", "Monitor of Fernseher", 2, 48_000, monitor=True, monitor_of="hdmi")


WITHOUT_LIBPULSE = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from voiceloop.audio.sound_server import ask
answers = []
threads = [threading.Thread(target=lambda: answers.append(ask().silence)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len([text for text in answers if "libpulse" in text]))
"""


def test_without_libpulse_several_threads_may_ask_at_once(tmp_path: Path) -> None:
    """The microphone and the loudspeaker are opened at the same time."""
    package = tmp_path / "pulsectl"
    package.mkdir()
    (package / "__init__.py").write_text("import pulsectl.part\n")
    (package / "part.py").write_text("import time\ntime.sleep(0.05)\nraise OSError('libpulse.so.0: not found')\n")
    words = [sys.executable, "-c", WITHOUT_LIBPULSE, str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("8\n", "")


def test_the_monitor_of_the_default_loudspeaker_is_found_by_what_it_records() -> None:
    answer = Answer((MONITOR, SPEAKER))
    assert answer.default_monitor == MONITOR
    assert (answer.loudspeaker("odd"), answer.loudspeaker("gone.monitor")) == ("Fernseher", "gone")
    assert Answer((MONITOR,)).default_monitor is None
    assert Answer().default_input is None
