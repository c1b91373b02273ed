"""Runs tests in a Python process of their own.

PortAudio is one for the whole process. When PipeWire goes away, a thread of PortAudio may stay for ever in PipeWire's
plug-in for ALSA, and then PortAudio can't be renewed: the next tests would have the devices of a server that is gone.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from testbed.sound.cable import PipeWire, why_not

_VARIABLE = "VOICELOOP_TEST_ALONE"
_LIMIT_S = 300.0
_REPORT_CHARS = 20_000


def is_one() -> bool:
    """Whether this process was started for one test."""
    return _VARIABLE in os.environ


class Alone(pytest.Item):
    """A test that runs in a process of its own, in place of the one that pytest has collected."""

    place: tuple[os.PathLike[str] | str, int | None, str]

    @classmethod
    def in_place_of(cls, item: pytest.Item) -> pytest.Item:
        """The item itself, unless it opens devices of PipeWire in the process of the tests."""
        if is_one() or item.parent is None or not _opens_pipewire(item) or why_not(PipeWire) is not None:
            return item
        alone: Alone = cls.from_parent(item.parent, name=item.name)
        alone.own_markers = [mark for mark in item.own_markers if mark.name != "trio"]
        alone.place = item.reportinfo()
        return alone

    def runtest(self) -> None:
        # `--runxfail`: whether the test is expected to fail is for this process to know.
        options = ["--color=no", "-p", "no:cacheprovider", "--capture=sys", "--runxfail"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *options, self.nodeid],
                cwd=self.config.rootpath,
                env={**os.environ, _VARIABLE: "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # PortAudio's thread may print there without end
                text=True,
                check=False,
                timeout=_LIMIT_S,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"not done within {_LIMIT_S:.0f} s", pytrace=False)
        if done.returncode or not re.search(r"\b1 (passed|skipped)\b", done.stdout):
            pytest.fail(done.stdout[-_REPORT_CHARS:], pytrace=False)
        if "1 skipped" in done.stdout:
            pytest.skip("skipped in its own process")

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        return self.place


def _opens_pipewire(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    return "on_cable" in getattr(item, "fixturenames", ()) and call is not None and call.params["cable"] is PipeWire
