"""Keyboard shortcuts in the configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.config.commands import load_command
from voiceloop.config.load import load
from voiceloop.config.trigger import no_trigger
from voiceloop.errors import ConfigError


@pytest.mark.parametrize(
    "text", ["CTRL+ALT+space", "LOGO+d", "ALT+F1", "F9", "Pause", "XF86AudioMicMute", "CTRL+SHIFT+NUM+1", "CTRL+period"]
)
def test_these_are_shortcuts(text: str) -> None:
    assert no_trigger(text) == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Ctrl+Alt+space", "has 'Ctrl', which is written CTRL"),
        ("SUPER+d", "has 'SUPER', which is written LOGO"),
        ("HYPER+d", "has 'HYPER', which is no modifier"),
        ("CTRL+CTRL+d", "has CTRL twice"),
        ("CTRL+ALT", "has no key beside the modifiers"),
        ("CTRL+", "has no key beside the modifiers"),
        ("CTRL+Space", "has 'Space', which is written space"),
        ("CTRL+enter", "has 'enter', which is written Return"),
        ("CTRL+D", "has 'D': letters are written small"),
        ("CTRL+<space>", "has '<space>', which is not the name of a key"),
        ("space", "would take this key away from every window: add CTRL, ALT or LOGO"),
        ("SHIFT+a", "would take this key away from every window: add CTRL, ALT or LOGO"),
    ],
)
def test_what_is_wrong_with_these_is_said(text: str, what: str) -> None:
    assert no_trigger(text) == what


@given(st.text())
def test_nothing_that_is_typed_makes_it_fail(text: str) -> None:
    assert isinstance(no_trigger(text), str)


def test_a_wrong_shortcut_is_shown_with_the_right_form() -> None:
    with pytest.raises(ConfigError, match=r"control\.shortcut.*written CTRL.*CTRL\+ALT\+space"):
        load(sets=["control.shortcut=Ctrl+space"])


@pytest.mark.parametrize("key", ["shortcut=CTRL+ALT+space", "sounds=true"])
def test_without_control_neither_shortcut_nor_sounds_work_and_that_is_said(key: str) -> None:
    with pytest.raises(ConfigError, match="does nothing without control"):
        load(sets=[f"control.{key}", "control.enabled=false"])


def test_with_sounds_dictation_has_a_loudspeaker_and_plays_nothing_else() -> None:
    silent = load_command("dictate").config
    assert silent.audio.output == "none"
    config = load_command("dictate", sets=["control.sounds=true"]).config
    assert (config.audio.output, config.audio.echo, config.conversation.earcon) == ("default", "off", False)
    named = load_command("dictate", sets=["control.sounds=true", "audio.output=USB"]).config
    assert named.audio.output == "USB"
