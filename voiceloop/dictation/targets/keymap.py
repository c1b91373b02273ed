"""Keymaps: which characters a user's keyboard layouts can type. Read with libxkbcommon, which every Wayland desktop
has.

A user may have several layouts, and no desktop tells which of them is on. So a keymap answers which characters come out
right in all of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from ctypes import POINTER, c_char_p, c_int, c_size_t, c_uint32, c_void_p
from dataclasses import dataclass
from functools import cache

from voiceloop.errors import TargetError

LIBRARY = "libxkbcommon.so.0"
_EVDEV = 8
"""A keymap's number of a key is higher by this than Linux's number (input-event-codes.h)."""
_MODIFIERS = (frozenset({"none"}), frozenset({"Shift"}), frozenset({"Mod5"}))
"""The modifiers that desktops press for each level of a key: none, Shift, AltGr. Mutter 48 and KWin 6.3 reach no higher
level."""
_NOWHERE = -1
"""The level of a character that desktops can't press."""
_LAST_OF_X = 255
"""Keys with a higher number in the keymap don't reach X windows (XWayland)."""
_MOST_MASKS = 16


Place = tuple[int, int]
"""Linux's number of a key, and the level on it."""


@dataclass(frozen=True, slots=True)
class Keymap:
    """The user's layouts: for each, the place of every character."""

    layouts: Sequence[Mapping[str, Place]] = ()

    def same_everywhere(self, char: str) -> bool:
        """Whether the same key types `char` in every layout. For desktops that look the key up in one fixed layout,
        whichever layout is on."""
        first = self.layouts[0].get(char) if self.layouts else None
        return first is not None and first[1] != _NOWHERE and all(one.get(char) == first for one in self.layouts)

    def everywhere(self, char: str, layouts: int | None = None) -> bool:
        """Whether each of the first `layouts` layouts (None: all) has a key for `char`. For desktops that look the key
        up in the layout that is on."""
        places = [one.get(char) for one in self.layouts[:layouts]]
        return bool(places) and all(place is not None and place[1] != _NOWHERE for place in places)

    def code(self, char: str) -> int | None:
        """Linux's number of the key that types `char` without a modifier, in the first layout with such a key; else
        None."""
        places = (one.get(char) for one in self.layouts)
        return next((place[0] for place in places if place is not None and place[1] == 0), None)


def read_keymap(text: bytes) -> Keymap:
    """Read a keymap in the text format (`xkb_v1`). Raises `TargetError` when it can't be read."""
    library = _library()
    context = library.xkb_context_new(0)
    keymap = library.xkb_keymap_new_from_string(context, text.rstrip(b"\0"), 1, 0)
    try:
        if not keymap:
            raise TargetError("can't be read", place="the keyboard layout")
        count = library.xkb_keymap_num_layouts(keymap)
        return Keymap([_places(library, keymap, layout) for layout in range(count)])
    finally:
        library.xkb_keymap_unref(keymap)
        library.xkb_context_unref(context)


def _places(library: ctypes.CDLL, keymap: int, layout: int) -> dict[str, Place]:
    """The key and level of each character in a layout. A character with several places gets the first, which desktops
    use too. Characters that desktops can't press get the level `_NOWHERE`."""
    found: dict[str, Place] = {}
    for code in range(library.xkb_keymap_min_keycode(keymap), library.xkb_keymap_max_keycode(keymap) + 1):
        for level in range(library.xkb_keymap_num_levels_for_key(keymap, code, layout)):
            for char in _characters(library, keymap, code, layout, level):
                reachable = (
                    code <= _LAST_OF_X
                    and level < len(_MODIFIERS)
                    and _MODIFIERS[level] <= _modifiers_for(library, keymap, code, layout, level)
                )
                found.setdefault(char, (code - _EVDEV, level if reachable else _NOWHERE))
    return found


def _characters(library: ctypes.CDLL, keymap: int, code: int, layout: int, level: int) -> Iterator[str]:
    symbols = POINTER(c_uint32)()
    count = library.xkb_keymap_key_get_syms_by_level(keymap, code, layout, level, ctypes.byref(symbols))
    for at in range(count):
        number = library.xkb_keysym_to_utf32(symbols[at])
        if number >= 0x20 and number != 0x7F and keysym(chr(number)) == symbols[at]:
            yield chr(number)


def _modifiers_for(library: ctypes.CDLL, keymap: int, code: int, layout: int, level: int) -> set[str]:
    """The modifier masks that reach a level, by name: `none`, `Shift`, `Mod5`; every other mask is an empty string."""
    masks = (c_uint32 * _MOST_MASKS)()
    count = library.xkb_keymap_key_get_mods_for_level(keymap, code, layout, level, masks, _MOST_MASKS)
    names = {0: "none"}
    for name in ("Shift", "Mod5"):
        names[1 << library.xkb_keymap_mod_get_index(keymap, name.encode())] = name
    return {names.get(mask, "") for mask in masks[:count]}


def keysym(char: str) -> int:
    """The keysym of a character: the number by which keyboard layouts name it."""
    return int(_library().xkb_utf32_to_keysym(ord(char)))


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise TargetError("can't be loaded", place=LIBRARY, remedy="sudo apt install libxkbcommon0") from error
    library.xkb_context_new.restype = library.xkb_keymap_new_from_string.restype = c_void_p
    library.xkb_context_unref.argtypes = library.xkb_keymap_unref.argtypes = [c_void_p]
    library.xkb_keymap_new_from_string.argtypes = [c_void_p, c_char_p, c_int, c_int]
    for name in ("xkb_keymap_num_layouts", "xkb_keymap_min_keycode", "xkb_keymap_max_keycode"):
        getattr(library, name).argtypes = [c_void_p]
    library.xkb_keymap_num_levels_for_key.argtypes = [c_void_p, c_uint32, c_uint32]
    library.xkb_keymap_key_get_syms_by_level.argtypes = [c_void_p, c_uint32, c_uint32, c_uint32, c_void_p]
    library.xkb_keymap_key_get_mods_for_level.restype = c_size_t
    library.xkb_keymap_key_get_mods_for_level.argtypes = [c_void_p, c_uint32, c_uint32, c_uint32, c_void_p, c_size_t]
    library.xkb_keymap_mod_get_index.restype = c_uint32
    library.xkb_keymap_mod_get_index.argtypes = [c_void_p, c_char_p]
    return library
