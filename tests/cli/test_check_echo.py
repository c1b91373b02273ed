"""The check of the echo: what it says of each room, and when it plays nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import trio

from voiceloop.audio.devices import Node
from voiceloop.audio.sound_server import Answer
from voiceloop.cli import check_echo
from voiceloop.cli.check_echo import muted_in, try_echo, why_not
from voiceloop.cli.check_echo_words import HEARD, Mode, findings
from voiceloop.cli.check_plan import Plan, plan_of
from voiceloop.cli.report import Report
from voiceloop.config.choice import Command
from voiceloop.config.load import load
from voiceloop.echo.measuring import Measured
from voiceloop.errors import DeviceError

GOOD = Measured(
    copy=True, delay_ms=80.4, gain_db=-12.2, over_noise_db=41.0, removed_db=31.2, left_db=2.0, echo_only=1.0, shifts=0,
    silent=False, clips=False,
)  # fmt: skip
NONE = replace(GOOD, copy=False, delay_ms=None, gain_db=None, over_noise_db=0.3, removed_db=0.1, echo_only=0.0)
LEAKS = replace(GOOD, removed_db=4.0, left_db=37.0, echo_only=0.3)


def said(measured: Measured, mode: Mode = "cancel") -> list[str]:
    marks = ("no" if one.exit_code else "ok" if one.tried else "--" for one in findings(measured, mode))
    return [f"{mark} {one.said}" for mark, one in zip(marks, findings(measured, mode), strict=True)]


def ignore(name: str, /, **fields: object) -> None: ...


def plan(command: Command = "run", *sets: str) -> Plan:
    return plan_of(command, load("offline", list(sets)))


# What is said


def test_an_echo_that_is_removed_is_told_with_its_delay_its_loudness_and_what_it_means() -> None:
    assert said(GOOD) == [
        "ok 80 ms after it was played, 12 dB below what was played, 41 dB over the room's noise",
        "ok 31 dB of it. You can interrupt a reply here",
    ]


@pytest.mark.parametrize(
    ("gain_db", "words"),
    [(-0.4, "as loud as what was played"), (0.4, "as loud as"), (3.0, "3 dB above"), (-30.0, "30 dB below")],
)
def test_the_loudness_is_that_of_what_was_played(gain_db: float, words: str) -> None:
    assert words in said(replace(GOOD, gain_db=gain_db))[0]


def test_a_delay_that_changes_is_told() -> None:
    assert said(replace(GOOD, shifts=2))[0] == f"{said(GOOD)[0]}; its delay changed 2 x meanwhile"


def test_a_loud_echo_is_told_with_what_would_help() -> None:
    hint = "more easily if the loudspeaker is turned down"
    assert hint in said(replace(GOOD, gain_db=8.0))[1]
    heard, removed = said(replace(GOOD, clips=True))
    assert "too loud for the microphone" in heard
    assert hint in removed
    assert hint not in said(GOOD)[1]


def test_without_an_echo_one_line_says_so_and_that_one_can_interrupt() -> None:
    for mode in ("cancel", "off"):
        assert said(NONE, mode) == [
            "ok no echo was heard: headphones, or a quiet loudspeaker. You can interrupt a reply here"
        ]


def test_an_echo_below_the_rooms_noise_has_no_loudness_and_does_no_harm() -> None:
    faint = replace(GOOD, gain_db=None, over_noise_db=0.5, removed_db=0.3, left_db=0.2)
    line, removed = said(faint)
    assert line == "ok 80 ms after it was played, quieter than the room's noise"
    assert removed == "ok the echo is too faint to matter. You can interrupt a reply here"
    assert said(replace(faint, delay_ms=None))[1] == removed
    assert said(faint, "half-duplex")[1].endswith("With --set audio.echo=off you can interrupt a reply")


def test_digital_silence_says_nothing_about_the_room() -> None:
    (line,) = said(replace(NONE, silent=True))
    assert line.startswith("-- no echo was heard, but the microphone gives only digital silence. Is it muted")


def test_a_sound_that_is_no_copy_is_an_echo_that_cant_be_followed_or_other_noise() -> None:
    (line,) = said(replace(NONE, over_noise_db=20.0))
    assert line.startswith("no audio.echo: something was heard while the sound played, but no copy of it")
    assert "Try again when it is quiet" in line
    assert "use headphones" in line


def test_an_echo_without_a_delay_cant_be_followed() -> None:
    assert said(replace(GOOD, delay_ms=None))[1] == said(GOOD)[1], "the canceller looks farther than the tracker"
    heard, removed = said(replace(GOOD, delay_ms=None, removed_db=3.0))
    assert heard.startswith("ok a copy of it, 12 dB below")
    assert removed.startswith("no audio.echo: the echo can't be followed: it comes too late, or its delay changes")
    assert removed.endswith("Use headphones, or turn the loudspeaker down")


def test_an_echo_that_stays_is_a_failure_unless_it_is_recognised() -> None:
    assert said(LEAKS)[1].startswith("no audio.echo: only 4 dB of it: a reply would interrupt itself")
    recognised = said(replace(LEAKS, echo_only=0.97))[1]
    assert (
        recognised == "ok only 4 dB of it, but it is recognised. You can interrupt a reply here by being louder than it"
    )


def test_little_needs_to_be_removed_of_a_quiet_echo() -> None:
    assert said(replace(LEAKS, over_noise_db=7.0, left_db=3.0))[1] == "ok 4 dB of it. You can interrupt a reply here"


def test_with_off_nothing_is_removed_and_what_counts_is_whether_it_is_recognised() -> None:
    untouched = replace(GOOD, removed_db=0.0, left_db=41.0)
    line = said(untouched, "off")[1]
    assert line.startswith('ok nothing (audio.echo is "off"), but it is recognised. You can interrupt')
    assert "audio.echo=cancel" in line
    assert said(replace(untouched, echo_only=0.2), "off")[1].startswith("no audio.echo: nothing is removed, and")


def test_without_a_canceller_it_is_said_what_to_install_or_to_set() -> None:
    line = said(replace(GOOD, removed_db=0.0, left_db=41.0), "half-duplex")[1]
    assert line.startswith("-- nothing: no canceller is installed.")
    assert "pip install 'voiceloop[echo]'" in line
    (none,) = said(NONE, "half-duplex")
    assert none == "ok no echo was heard: with headphones say --set audio.echo=off, then you can interrupt"


# When nothing is played


@pytest.mark.parametrize(
    ("sets", "reason"),
    [
        (["audio.output=none"], 'audio.output is "none", which makes no sound'),
        (["audio.output=file:a.wav"], 'audio.output is "file:a.wav", which makes no sound'),
        (["audio.input=none"], 'audio.input is "none", which is no microphone'),
        (["audio.input=file:a.wav"], 'audio.input is "file:a.wav", which is no microphone'),
        (["audio.input=monitor"], 'audio.input is "monitor", which is no microphone'),
        (["audio.echo=half-duplex"], 'audio.echo is "half-duplex": nobody is listened to while a reply plays'),
        (["audio.echo=cancel"], ""),
        (["audio.echo=off"], ""),
        (["audio.echo=auto"], ""),
    ],
)
def test_nothing_is_played_where_there_is_no_echo_to_measure(sets: list[str], reason: str) -> None:
    assert why_not(plan("run", *sets)) == reason


def test_captions_and_a_silent_dictation_play_nothing() -> None:
    assert why_not(plan("captions")) == "nothing is played"
    assert why_not(plan("dictate", "audio.output=none")) == "nothing is played"


async def reported(plan: Plan, *, asked: bool, works: bool = True) -> tuple[dict[str, str], list[str]]:
    """What was said of the echo, and what the user was told."""
    told: list[str] = []
    report = Report(lambda _: None, tell=told.append)
    for what in (plan.heard, "loudspeaker", "echo"):
        if works or what != "loudspeaker":
            report.add(what, "works")
    await try_echo(plan, report, ignore, asked=asked)
    return {one.what: one.said for one in report.findings if one.what not in {plan.heard, "loudspeaker", "echo"}}, told


async def test_why_nothing_is_played_is_said_only_to_somebody_who_asked() -> None:
    silent = plan("run", "audio.output=none")
    assert await reported(silent, asked=True) == (
        {HEARD: 'not tried: audio.output is "none", which makes no sound'},
        [],
    )
    assert await reported(silent, asked=False) == ({}, [])


async def test_nothing_is_played_where_a_device_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> Measured:
        raise AssertionError("it was measured")

    monkeypatch.setattr(check_echo, "_measure", never)
    assert await reported(plan("run"), asked=True, works=False) == ({}, [])


def node(which: Any, name: str, *, default: bool = False, muted: bool = False, monitor: bool = False) -> Node:
    return Node(which, name, name.title(), 1, 16_000, monitor=monitor, default=default, muted=muted)


def test_a_muted_device_is_found_by_its_name_or_as_the_default() -> None:
    nodes = (
        node("input", "yeti", default=True),
        node("input", "old one", muted=True),
        node("output", "speaker", default=True, muted=True),
        node("input", "speaker.monitor", muted=True, monitor=True),
    )
    audio = plan("run").config.audio
    assert muted_in(audio, Answer(nodes)) == "the loudspeaker 'Speaker'"
    assert muted_in(audio.model_copy(update={"input": "Old One"}), Answer(nodes)) == "the microphone 'Old One'"
    assert muted_in(audio.model_copy(update={"output": "other"}), Answer(nodes)) == ""
    assert muted_in(audio, Answer(silence="there is no server")) == ""


async def test_what_is_muted_is_said_and_nothing_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    muted = Answer((node("input", "yeti", default=True, muted=True),))
    monkeypatch.setattr(check_echo, "ask", lambda: muted)
    found = await reported(plan("run", "audio.echo=off"), asked=False)
    assert found == ({HEARD: "not tried: the microphone 'Yeti' is muted, or its volume is zero"}, [])


@pytest.mark.parametrize("fails", [True, False])
async def test_a_device_that_is_lost_or_hangs_meanwhile_is_a_failure(
    *, fails: bool, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def measure(*_: Any) -> Measured:
        if fails:
            raise DeviceError("it was interrupted", place="audio.input", remedy="Try again")
        await trio.sleep_forever()
        return GOOD

    monkeypatch.setattr(check_echo, "_measure", measure)
    monkeypatch.setattr(check_echo, "ask", Answer)
    found, _ = await reported(plan("run", "audio.echo=off"), asked=False)
    assert found[HEARD].startswith("audio.input: it was interrupted" if fails else "no result within 15 s")


@pytest.mark.parametrize(("rooms", "mark"), [([LEAKS, GOOD], 0), ([LEAKS, LEAKS], 74), ([GOOD], 0), ([NONE], 0)])
async def test_what_fails_is_tried_once_more(
    rooms: list[Measured], mark: int, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    left = list(rooms)

    async def measure(*_: Any) -> Measured:
        await trio.lowlevel.checkpoint()
        return left.pop(0)

    monkeypatch.setattr(check_echo, "_measure", measure)
    monkeypatch.setattr(check_echo, "ask", Answer)
    found, _ = await reported(plan("run", "audio.echo=off"), asked=False)
    assert not left
    assert list(found.values()) == [line.said for line in findings(rooms[-1], "off")]
    assert max(line.exit_code for line in findings(rooms[-1], "off")) == mark
