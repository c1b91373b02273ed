"""The report of the check: checks end in any order, and their lines come in one."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.cli.report import Finding, Report
from voiceloop.errors import DeviceBusy, EngineError, HandlerError, VoiceloopError

NAMES = ["microphone", "vad", "transcribe", "speak"]


@given(st.permutations(NAMES))
def test_lines_come_in_the_expected_order_whatever_ends_first(ended: list[str]) -> None:
    shown: list[str] = []
    report = Report(lambda finding: shown.append(finding.what))
    report.add("config", "defaults")
    report.expect(*NAMES)
    for name in ended:
        report.add(name, "works")
    report.add("your voice", "heard")
    assert shown == ["config", *NAMES, "your voice"]


def test_a_line_is_shown_as_soon_as_those_before_it_are() -> None:
    shown: list[str] = []
    report = Report(lambda finding: shown.append(finding.what))
    report.expect(*NAMES)
    report.add("vad", "works")
    assert shown == []
    report.add("microphone", "works")
    assert shown == ["microphone", "vad"]


async def test_the_exit_code_is_that_of_the_first_failure_in_the_order_of_the_lines(
    autojump_clock: trio.testing.MockClock,
) -> None:
    report = Report(lambda _: None)
    report.expect(*NAMES)

    async def fail(error: VoiceloopError, after_s: float) -> str:
        await trio.sleep(after_s)
        raise error

    busy = DeviceBusy("busy", remedy="Wait")
    fails = {"speak": (EngineError("x"), 1), "vad": (busy, 2), "transcribe": (HandlerError("x"), 0)}
    async with trio.open_nursery() as nursery:
        for name, (error, after_s) in fails.items():
            nursery.start_soon(partial(report.attempt, name, partial(fail, error, after_s), limit_s=5))
        report.add("microphone", "works")
    assert report.exit_code == DeviceBusy.exit_code
    assert report.findings[1] == Finding("vad", "busy. Wait", 74)
    assert report.succeeded("microphone")
    assert not report.succeeded("vad")
    assert not report.succeeded("never tried")


async def test_a_check_that_hangs_is_given_up_and_the_next_lines_come(autojump_clock: trio.testing.MockClock) -> None:
    report = Report(lambda _: None)

    async def hang() -> str:
        await trio.sleep_forever()
        return "never"

    await report.attempt("loudspeaker", hang, limit_s=3)
    assert trio.current_time() == pytest.approx(3, abs=0.01)
    report.add("vad", "works")
    assert [finding.said for finding in report.findings] == [
        "no result within 3 s. Try again; if it persists, choose another device or engine",
        "works",
    ]
    assert report.exit_code == EngineError.exit_code
