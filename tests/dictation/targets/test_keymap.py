"""Reading keymaps as compositors send them: the keys that type a character in each keyboard layout."""

from __future__ import annotations

import pytest

from voiceloop.dictation.targets.keymap import Keymap, keysym, read_keymap
from voiceloop.errors import TargetError

TWO = """xkb_keymap {
xkb_keycodes { minimum = 8; maximum = 708; <AD06> = 29; <AB01> = 52; <AC10> = 47; <AE01> = 10; <FAR> = 300; };
xkb_types {
  virtual_modifiers LevelThree;
  type "ONE_LEVEL" { modifiers = none; };
  type "TWO_LEVEL" { modifiers = Shift; map[Shift] = Level2; };
  type "KEYPAD" { modifiers = Mod2; map[Mod2] = Level2; };
  type "FOUR_LEVEL" { modifiers = Shift + Mod5; map[Shift] = Level2; map[Mod5] = Level3; map[Shift+Mod5] = Level4; };
};
xkb_compatibility { };
xkb_symbols {
  key <AE01> { type = "TWO_LEVEL", [ 1, exclam ], [ 1, exclam ] };
  key <AD06> { type = "FOUR_LEVEL", [ z, Z, EuroSign, yen ], [ y, Y ] };
  key <AB01> { type = "TWO_LEVEL", [ y, Y ], [ z, Z ] };
  key <AC10> { type[Group1] = "KEYPAD", symbols[Group1] = [ odiaeresis, 7 ], symbols[Group2] = [ U10D6, semicolon ] };
  key <FAR> { type = "ONE_LEVEL", [ x ] };
};
};"""


@pytest.fixture(scope="module")
def two() -> Keymap:
    """Some keys of a keymap with two layouts, a German one and an English one."""
    return read_keymap(TWO.encode() + b"\0")


def test_a_character_may_have_the_same_key_in_all_layouts(two: Keymap) -> None:
    assert {char for char in "1!zyöx€" if two.same_everywhere(char)} == {"1", "!"}


def test_a_character_may_have_some_key_in_every_layout(two: Keymap) -> None:
    assert {char for char in "1!zyZYöx€;" if two.everywhere(char)} == set("1!zyZY")
    assert {char for char in "zyöx€;ზ" if two.everywhere(char, 1)} == set("zyö€")


def test_characters_that_need_unusual_modifiers_are_not_typed(two: Keymap) -> None:
    assert not any(
        two.everywhere(char, 1) for char in "7¥"
    )  # the first needs NumLock, the second Shift and AltGr together


def test_the_key_of_a_chord_is_looked_up_in_the_layouts(two: Keymap) -> None:
    assert (two.code("z"), two.code("ზ"), two.code("!"), two.code("q")) == (29 - 8, 47 - 8, None, None)


def test_characters_beyond_latin_1_have_unicode_keysyms() -> None:
    assert (keysym("a"), keysym("ß"), keysym("漢")) == (0x61, 0xDF, 0x1006F22)


def test_without_a_keymap_nothing_is_typed() -> None:
    assert not Keymap().everywhere("a")
    assert not Keymap().same_everywhere("a")
    with pytest.raises(TargetError, match="the keyboard layout: can't be read"):
        read_keymap(b"rubbish\0")
