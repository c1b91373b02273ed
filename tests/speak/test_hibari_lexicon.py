"""Packed JSON: a large JSON object kept as text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.speak.hibari_lexicon import PackedJson

_NAMES = st.text(st.characters(exclude_categories=["Cs"]))
_FLAT = st.dictionaries(_NAMES.filter(lambda name: not set(name) & set("{}")), st.none() | st.integers() | st.just("a"))
_OBJECTS = st.dictionaries(_NAMES, _NAMES | _FLAT)


def packed(value: object, before: str = "", after: str = "") -> PackedJson:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return PackedJson(f"{before}{text}{after}".encode(), len(before.encode()))


@given(_OBJECTS)
def test_every_entry_is_found_and_no_other(entries: dict[str, object]) -> None:
    found = packed(entries)
    assert {key: found.get(key, "absent") for key in entries} == entries
    others = [f"{key}x" for key in entries if f"{key}x" not in entries] + ["no such key"] * (
        "no such key" not in entries
    )
    assert all(found.get(key, "absent") == "absent" for key in others)


def test_only_the_object_at_the_given_place_is_read() -> None:
    found = packed({"read": "VB"}, '{"tags":["NN"],"tagdict":', ',"weights":{"b":{"NN":1.5}}}')
    assert found.get("read") == "VB"
    assert found.get("b") is None


def test_a_key_that_is_no_valid_text_is_not_found() -> None:
    assert packed({"a": "b"}).get("\ud800") is None


@pytest.mark.parametrize("text", [b'{"a":"b"', b'{"a":"b","c', b"{", b"", b'{"a":[1]}', b'{"a" : "b"}'])
def test_a_damaged_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="does not end"):
        PackedJson(text)
