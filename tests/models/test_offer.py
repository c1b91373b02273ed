"""The offer of a larger model for writing."""

from __future__ import annotations

import pytest

from voiceloop.models.offer import offer, spoken_in


@pytest.mark.parametrize(
    ("use", "model", "language", "wanted"),
    [
        ("moonshine", "tiny-en", "en", "base-en"),
        ("moonshine", "tiny-en", "en-GB", "base-en"),
        ("moonshine", "base-en", "en", None),
        ("moonshine", "tiny-en", "de", "small"),
        ("whisper", "tiny.en", "en", "small.en"),
        ("whisper", "tiny.en", "de-AT", "small"),
        ("whisper", "small", "de", None),
        ("whisper", "/home/me/models/mine", "en", None),
        ("parakeet", "parakeet-tdt-0.6b-v3", "de", None),
        ("openrouter", "openai/whisper-1", "de", None),
        ("mine:Engine", "tiny-en", "de", None),
    ],
)
def test_what_is_offered(use: str, model: str, language: str, wanted: str | None) -> None:
    found = offer(use, model, language=language)
    assert (found.model.name if found else None) == wanted


def test_an_offer_says_size_licence_and_command() -> None:
    found = offer("moonshine", "tiny-en")
    assert found is not None
    assert found.line == "A larger model for writing: base-en (141 MB, MIT). To fetch it: voiceloop models get base-en"
    other = offer("moonshine", "tiny-en", language="fr-CA")
    assert other is not None
    assert other.line.startswith("For the language 'fr': small (about 486 MB, MIT). ")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE", "LC_ALL": "", "LC_MESSAGES": "fr"}, "fr"),
        ({"LANG": "../../etc"}, "en"),
    ],
)
def test_the_locale_says_what_is_spoken(environment: dict[str, str], language: str) -> None:
    assert spoken_in(environment) == language
