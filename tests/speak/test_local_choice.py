"""The choice of an embedded voice by language."""

from __future__ import annotations

import pytest

from voiceloop.speak.local_choice import Choice, Engine, base, choose

ALL = frozenset(Engine)
VOICES = {"de": "/de.onnx", "en-GB": "/gb.onnx"}


@pytest.mark.parametrize(
    ("code", "engine", "voice"),
    [
        ("en", Engine.HIBARI, "en"),
        ("EN_us", Engine.HIBARI, "en"),
        ("de", Engine.PIPER, "/de.onnx"),
        ("de-AT", Engine.PIPER, "/de.onnx"),
        ("en-gb", Engine.PIPER, "/gb.onnx"),
        ("fr", Engine.ESPEAK, "fr"),
        ("fr-CA", Engine.ESPEAK, "fr"),
        ("pt_BR", Engine.ESPEAK, "pt-br"),
        ("zh", Engine.ESPEAK, "cmn"),
        ("no", Engine.ESPEAK, "nb"),
    ],
)
def test_the_first_engine_that_has_the_language_speaks(code: str, engine: Engine, voice: str) -> None:
    choice = choose(code, VOICES, ALL)
    assert choice is not None
    assert (choice.engine, choice.voice) == (engine, voice)


def test_british_english_is_hibari_with_that_accent() -> None:
    assert choose("en-GB", {}, ALL) == Choice(Engine.HIBARI, "en-gb", "en")


def test_espeak_speaks_where_the_better_engine_is_not_installed() -> None:
    assert choose("en", {}, {Engine.ESPEAK}) == Choice(Engine.ESPEAK, "en-us", "en")
    assert choose("de", VOICES, {Engine.ESPEAK}) == Choice(Engine.ESPEAK, "de", "de")


def test_a_language_without_an_engine_has_no_voice() -> None:
    assert choose("fr", VOICES, {Engine.HIBARI, Engine.PIPER}) is None
    assert choose("en", {}, set()) is None


def test_the_region_is_no_part_of_the_language() -> None:
    assert [base(code) for code in ("de", "de-AT", "PT_br")] == ["de", "de", "pt"]


def test_a_name_says_the_voice_and_the_language() -> None:
    names = [choice.name for code in ("en", "de", "fr") if (choice := choose(code, VOICES, ALL)) is not None]
    assert names == ["hibari (en)", "Piper de (de)", "eSpeak NG fr (fr)"]
