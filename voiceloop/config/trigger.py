"""Checks of keyboard shortcuts in the configuration. Pure.

Format: https://specifications.freedesktop.org/shortcuts-spec/latest/, for example `CTRL+ALT+space`: modifiers, then the
name of a key as in xkbcommon-keysyms.h.
"""

from __future__ import annotations

import re

TRIGGER = "Write it like 'CTRL+ALT+space': of CTRL, ALT, SHIFT, NUM and LOGO, then one key (space, F9, Pause, d)."
"""The remedy for an invalid shortcut."""
_MODIFIERS = ("CTRL", "ALT", "SHIFT", "NUM", "LOGO")
_OTHER_NAMES = {"CONTROL": "CTRL", "STRG": "CTRL", "SUPER": "LOGO", "WIN": "LOGO", "META": "LOGO", "MOD4": "LOGO"}
_KEYS = (
    *("space", "Return", "Tab", "Escape", "BackSpace", "Insert", "Delete", "Home", "End", "Page_Up", "Page_Down"),
    *("Left", "Right", "Up", "Down", "Pause", "Scroll_Lock", "Print", "Menu", "Caps_Lock"),
)
"""The keys that people write in other ways, as in `SPACE`."""
_OTHER_KEYS = {"enter": "Return", "esc": "Escape", "pgup": "Page_Up", "pgdn": "Page_Down", "del": "Delete"}
_KEY = re.compile(r"[A-Za-z0-9_]+")
_TYPES_NOTHING = re.compile(r"F[1-9][0-9]?|XF86\w+|Pause|Scroll_Lock|Print|Menu|Insert")
"""Keys that may be a shortcut by themselves."""


def no_trigger(text: str) -> str:
    """What is wrong with `text` as a shortcut; empty if it is valid."""
    *modifiers, key = text.split("+")
    for at, word in enumerate(modifiers):
        if word not in _MODIFIERS:
            known = word.upper() if word.upper() in _MODIFIERS else _OTHER_NAMES.get(word.upper(), "")
            return f"has '{word}', which is written {known}" if known else f"has '{word}', which is no modifier"
        if word in modifiers[:at]:
            return f"has {word} twice"
    return _no_key(key) or _takes_too_much(modifiers, key)


def _no_key(key: str) -> str:
    if key.upper() in (*_MODIFIERS, *_OTHER_NAMES) or not key:
        return "has no key beside the modifiers"
    if not _KEY.fullmatch(key):
        return f"has '{key}', which is not the name of a key"
    if len(key) == 1 and key.isupper():
        return f"has '{key}': letters are written small"
    names = {name.casefold(): name for name in _KEYS} | _OTHER_KEYS
    known = names.get(key.casefold(), key)
    return f"has '{key}', which is written {known}" if known != key else ""


def _takes_too_much(modifiers: list[str], key: str) -> str:
    if {"CTRL", "ALT", "LOGO"}.isdisjoint(modifiers) and not _TYPES_NOTHING.fullmatch(key):
        return "would take this key away from every window: add CTRL, ALT or LOGO"
    return ""
