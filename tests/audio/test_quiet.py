"""Standard error without the messages of ALSA, JACK and PortAudio."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from voiceloop.audio import quiet

CHATTER = b"ALSA lib pcm.c: nobody wants to know\n"


def test_alsas_own_messages_are_suppressed(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet.quiet():
        os.write(2, CHATTER)
    os.write(2, b"this matters\n")
    assert capfd.readouterr().err == "this matters\n"


def test_two_threads_may_be_quiet_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    """The second to begin saw standard error redirected already; it must not restore that for good."""
    began, go_on = threading.Event(), threading.Event()

    def first() -> None:
        with quiet.quiet():
            began.set()
            assert go_on.wait(60)

    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(60)
    with quiet.quiet():
        go_on.set()
        thread.join()
        os.write(2, CHATTER)
    os.write(2, b"this matters\n")
    assert capfd.readouterr().err == "this matters\n"


def test_standard_error_is_restored_when_a_call_hangs(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quiet, "_LIMIT_S", 0.01)
    before = os.fstat(2).st_ino
    deadline = time.monotonic() + 60
    with quiet.quiet():
        while os.fstat(2).st_ino != before:
            assert time.monotonic() < deadline
        os.write(2, b"this matters\n")
    assert capfd.readouterr().err == "this matters\n"


PROGRAM = f"""
import os, sys
from voiceloop.audio.quiet import own_standard_error, quiet
own_standard_error()
with quiet():
    os.write(2, {CHATTER!r})
    print("the device does not answer", file=sys.stderr)
    os.write(2, {CHATTER!r})
"""


def test_the_programs_own_messages_appear_while_a_slow_call_chatters() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stderr == "the device does not answer\n"


def test_a_closed_standard_error_is_no_error() -> None:
    program = """
import os
from voiceloop.audio.quiet import own_standard_error, quiet
os.close(2)
own_standard_error()
with quiet():
    print("quiet", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "quiet\n"


SILENCED = """
import ctypes, os, subprocess, sys
from voiceloop.audio.quiet import silence_libraries
silence_libraries()
ctypes.CDLL(None).perror(b"Expression failed")
os.write(2, b"from Python's descriptor; ")
subprocess.run(["sh", "-c", "printf 'from a child; ' >&2"], check=True)
print("from Python", file=sys.stderr)
"""


def test_what_c_code_prints_later_is_discarded_and_nothing_else() -> None:
    done = subprocess.run([sys.executable, "-c", SILENCED], capture_output=True, text=True, check=True)
    assert done.stderr == "from Python's descriptor; from a child; from Python\n"
