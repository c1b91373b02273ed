"""The line that says what is listened to: `run`, dictation, captions; listening or idle."""

from __future__ import annotations

import sys

import pytest
import trio

from voiceloop.captions.program import _heard
from voiceloop.capture.microphone import Item, Microphone
from voiceloop.cli.captions_text import Captions, Screen
from voiceloop.cli.render import Text, level_of, ready, ready_for
from voiceloop.config.load import load

HEARD = '"USB Audio"'


def microphone(description: str) -> Microphone:
    return Microphone(trio.open_memory_channel[Item](0)[1], description)


@pytest.mark.parametrize(
    ("description", "heard"),
    [
        ("USB Audio, 48000 Hz resampled to 16000 Hz, 2 channels mixed", '"USB Audio"'),
        ("Yeti, stereo, 16000 Hz", '"Yeti, stereo"'),
        ("/tmp/said.wav", '"/tmp/said.wav"'),
        ("none", "nothing"),
    ],
)
def test_a_device_is_named_without_its_format(description: str, heard: str) -> None:
    assert microphone(description).heard == heard


def test_a_program_that_starts_idle_says_how_to_start_it() -> None:
    assert ready({"heard": HEARD, "state": "listening"}) == 'Listening to "USB Audio". Speak; Ctrl-C ends it.'
    assert ready({"heard": HEARD, "state": "idle"}).startswith(
        "Not listening to \"USB Audio\" yet: 'voiceloop ctl start' starts it."
    )


@pytest.mark.parametrize(
    ("target", "handler", "said"),
    [
        ("type", "dictation into xdotool, focus: watched", "for dictation into the focused window, by xdotool."),
        (
            "type",
            "dictation into wtype, focus: not watched",
            "for dictation into the focused window, by wtype (focus: not watched).",
        ),
        ("stdout", "dictation into stdout, focus: not watched", "for dictation into stdout."),
    ],
)
def test_dictation_says_where_it_writes_and_warns_of_a_focus_that_nobody_watches(
    target: str, handler: str, said: str
) -> None:
    line = ready_for(target)({"heard": HEARD, "state": "listening", "handler": handler})
    assert line == f'Listening to "USB Audio" {said} Speak; Ctrl-C ends it.'


def test_captions_say_which_of_the_sources_is_the_computers_output() -> None:
    assert _heard([("", "monitor", HEARD)]) == 'the computer\'s output ("USB Audio")'
    both = [("mic", "default", '"Yeti"'), ("speaker", "monitor", HEARD)]
    assert _heard(both) == 'mic: "Yeti" and speaker: the computer\'s output ("USB Audio")'


def test_nobody_is_told_to_speak_to_what_the_computer_plays(capsys: pytest.CaptureFixture[str]) -> None:
    Captions(Screen.of(sys.stdout, lines=0, width=0))("ready", state="listening", heard="the computer's output")
    assert capsys.readouterr().err == "Listening to the computer's output. Ctrl-C ends it.\n"


def test_escapes_in_the_name_of_a_device_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in ready({"heard": '"a\x1b]0;title\x07b"', "state": "listening"})


@pytest.mark.parametrize(
    ("level", "verbose", "shown"),
    [
        ("info", False, False),
        ("info", True, True),
        ("debug", False, True),
        ("debug", True, True),
        ("error", True, True),
    ],
)
def test_missing_notifications_are_told_only_to_who_asks(
    level: str, verbose: bool, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    config = load("offline", [f"log.level={level}"])
    Text(level_of(config, verbose=verbose))("notify.failed", why="there is no D-Bus on this system")
    assert ("there is no D-Bus" in capsys.readouterr().err) == shown
