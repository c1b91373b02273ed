"""The options of several commands: a device's name is text, whatever is in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.cli.options import as_text, with_devices
from voiceloop.config.layers import parse_sets


@pytest.mark.parametrize(
    "name", ["[USB] Mic", "3", "true", '"quoted"', "a = b", "Stéréo 内置 🎤", "{x}", "", "\x7f\x1b"]
)
def test_a_device_name_is_no_toml(name: str) -> None:
    layer, problems = parse_sets(with_devices(["audio.echo=off"], microphone=name, loudspeaker=name))
    assert problems == []
    assert layer.data == {"audio": {"echo": "off", "input": name, "output": name}}


@given(st.text())
def test_any_text_is_taken_as_it_is(text: str) -> None:
    layer, problems = parse_sets([f"audio.input={as_text(text)}"])
    assert (layer.data, problems) == ({"audio": {"input": text}}, [])


def test_devices_that_are_not_given_are_not_set() -> None:
    assert with_devices(None, microphone=None) == []
