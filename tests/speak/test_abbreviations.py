"""Abbreviations: the full stops that end no sentence, by the language of the reply."""

from __future__ import annotations

import pytest

from voiceloop.speak.splitter import Splitter


def split(text: str, language: str | None) -> list[str]:
    splitter = Splitter(language=language)
    return splitter.feed(text) + splitter.finish()


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "am 3. Mai um 15 Uhr, also z. B. in der 2. Woche."),
        ("de-AT", "am 3. Mai um 15 Uhr, also z. B. in der 2. Woche."),
        ("de", "Das gilt i. d. R. Auch bspw. Montags."),
        ("de", "Es kam u. a. Herr Dr. Meyer."),
        ("fr", "Prenez p. ex. Paris."),
        ("es", "Los EE. UU. Están aquí."),
        ("pl", "Tak jak np. Kraków."),
        ("sv", "Det är t.ex. Stockholm."),
        ("nb-NO", "Det er f.eks. Oslo den 3. Mai."),
        ("ru", "В 1990 г. Москва."),
        ("en", "Ask Dr. Meyer."),
        (None, "Ask Dr. Meyer."),
    ],
)
def test_a_sentence_goes_on_after_an_abbreviation(language: str | None, text: str) -> None:
    assert split(text, language) == [text]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "It was the 3. May came."),
        ("en", "So it was the best of art. Then we left."),
        (None, "So it was the best of art. Then we left."),
        ("de", "So war es in der Tat. Dann kam er."),
    ],
)
def test_other_full_stops_end_it(language: str | None, text: str) -> None:
    assert len(split(text, language)) == 2
