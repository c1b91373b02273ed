"""The choice of engines: which of the flag, the config file, the kept choice and the key decides."""

from __future__ import annotations

import itertools
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.config.choice import (
    CHOOSERS,
    ENGINES,
    PLACES,
    Command,
    Decision,
    Given,
    Place,
    Why,
    as_file,
    can_ask,
    decide,
    has_key,
    place_of,
    read_choices,
)
from voiceloop.config.load import preset_path

EVERY = [
    Given(command=command, flag=flag, named=named, named_place=place if named else None, kept=kept, key=key)
    for command, flag, named, place, kept, key in itertools.product(
        ("run", *CHOOSERS), (None, *PLACES), (True, False), (None, *PLACES), (None, *PLACES), (True, False)
    )
    if command != "run" or (flag is None and kept is None)
]


def on(command: Command, **given: object) -> tuple[Place | None, Why]:
    decision = decide(Given(command=command, **given))  # type: ignore[arg-type]
    return decision.place, decision.why


@pytest.mark.parametrize("command", CHOOSERS)
def test_a_key_alone_sends_no_dictated_or_captioned_speech_away(command: Command) -> None:
    assert on(command, key=True) == on(command) == ("local", Why.DEFAULT)


def test_run_uses_the_cloud_if_the_key_is_set_and_no_engine_is_named() -> None:
    assert on("run") == ("local", Why.DEFAULT)
    assert on("run", key=True) == ("cloud", Why.KEY)
    assert on("run", key=True, named=True) == (None, Why.NAMED)


def test_the_strongest_reason_decides() -> None:
    for each in EVERY:
        decision = decide(each)
        if each.flag is not None:
            fits = decision.place is None and each.named_place == each.flag
            assert decision.place == each.flag or fits, each
        elif each.named:
            assert decision == Decision(None, Why.NAMED), each
        elif each.command != "run" and each.kept is not None and (each.key or each.kept == "local"):
            assert decision == Decision(each.kept, Why.KEPT), each
        elif each.command != "run" or not each.key:
            assert decision.place == "local", each


def test_only_what_is_open_is_asked() -> None:
    for each in EVERY:
        is_open = each.flag is None and not each.named and each.kept is None and each.key
        assert can_ask(each) == (is_open and each.command in CHOOSERS), each


def test_a_kept_choice_of_the_cloud_without_a_key_stays_on_this_machine() -> None:
    assert on("dictate", kept="cloud", key=False) == ("local", Why.NO_KEY)


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ({"use": "moonshine"}, "local"),
        ({"use": "whisper", "model": "small"}, "local"),
        ({"use": "openrouter"}, "cloud"),
        ({"use": "openai"}, "local"),
        ({"use": "openai", "base_url": "http://127.0.0.1:8000/v1"}, "local"),
        ({"use": "openai", "base_url": "http://[::1]:8000/v1"}, "local"),
        ({"use": "openai", "base_url": "http://192.168.1.5/v1"}, None),
        ({"use": "openai", "base_url": "http://nas.local/v1"}, None),
        ({"use": "openai", "base_url": "https://api.openai.com/v1"}, None),
        ({"use": "openai", "base_url": "https://127.0.0.1.example.com/v1"}, None),
        ({"use": "openai", "base_url": "https://[bad"}, None),
        ({"use": "mine:Engine"}, None),
        ({}, None),
        ("text", None),
        (None, None),
    ],
)
def test_the_place_of_an_engine_is_known_only_if_it_is_certain(table: object, place: Place | None) -> None:
    assert place_of(table) == place


@pytest.mark.parametrize(
    ("table", "environment", "key"),
    [
        ({}, {}, False),
        ({}, {"OPENROUTER_API_KEY": "k"}, True),
        ({}, {"OPENROUTER_API_KEY": " "}, False),
        ({"api_key_env": "MINE"}, {"OPENROUTER_API_KEY": "k"}, False),
        ({"api_key_env": "MINE"}, {"MINE": "k"}, True),
        ({"api_key_file": "~/key"}, {}, True),
        ({"api_key_env": ""}, {}, True),
        (None, {"OPENROUTER_API_KEY": "k"}, True),
        ({"api_key_env": 5}, {}, False),
    ],
)
def test_a_key_is_a_set_variable_or_a_named_file(table: object, environment: dict[str, str], *, key: bool) -> None:
    assert has_key(table, environment) is key


@given(st.dictionaries(st.sampled_from(CHOOSERS), st.sampled_from(PLACES)))
def test_kept_choices_are_read_back_unchanged(choices: dict[Command, Place]) -> None:
    assert read_choices(tomllib.loads(as_file(choices))) == (choices, [])


def test_wrong_choices_are_named_with_a_remedy_and_the_others_count() -> None:
    choices, wrong = read_choices({"dictate": "clowd", "captions": "cloud", "run": "cloud", "x": 1})
    assert choices == {"captions": "cloud"}
    first, *others = wrong
    assert first.startswith('dictate must be "local" or "cloud". Correct it, or run: voiceloop config choose dictate ')
    assert [line.partition(".")[0] for line in others] == ["there is no choice 'run'", "there is no choice 'x'"]


@pytest.mark.parametrize(("command", "preset"), [("dictate", "dictation"), ("captions", "captions")])
def test_the_lines_to_uncomment_in_a_preset_name_the_engine_of_the_choice(command: Command, preset: str) -> None:
    text = preset_path(preset).read_text(encoding="utf-8")
    assert "transcribe" not in tomllib.loads(text)
    block = text[text.index("# [transcribe]") : text.index("# language")]
    assert tomllib.loads(re.sub("^# ", "", block, flags=re.MULTILINE))["transcribe"] == ENGINES[command, "cloud"]
