"""Writing scripts: what an English voice can't read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.writing_scripts import foreign_scripts, latin


@pytest.mark.parametrize(
    ("text", "scripts", "left"),
    [
        ("Hello, naïve café, straße!", [], "Hello, naïve café, straße!"),
        ("Привет, hello 你好 и hello", ["Cyrillic", "Chinese"], ", hello hello"),
        ("こんにちは カタカナ 한국어", ["Japanese", "Korean"], ""),
        ("नमस्ते", ["Devanagari"], ""),
        ("Καλημέρα", ["Greek"], ""),
        ("π is 3, Ω is a unit", [], "pi is 3, omega is a unit"),
        ("٣ and ५", [], "3 and 5"),
        ("👍 5 € ≥ 3", [], "👍 5 € ≥ 3"),
    ],
)
def test_foreign_letters_are_named_and_left_out(text: str, scripts: list[str], left: str) -> None:
    assert foreign_scripts(text) == scripts
    assert " ".join(latin(text).split()) == left


@given(st.text())
def test_what_is_left_holds_no_foreign_letter(text: str) -> None:
    assert foreign_scripts(latin(text)) == []
