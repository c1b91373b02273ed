"""Scripts whose letters have marks above, below and before them: nothing is cut inside a letter."""

from __future__ import annotations

import unicodedata

import pytest

from voiceloop.captions.cues import CueCutter
from voiceloop.captions.words import spoken, text_of
from voiceloop.cli.captions_text import Line, rows
from voiceloop.speak.clauses import clauses
from voiceloop.speak.splitter import Splitter
from voiceloop.text import chopped, clusters
from voiceloop.types import Transcript, Utterance

TEXTS = {
    "Thai": "ภาษาไทยเป็นภาษาที่ใช้กันในประเทศไทยและมีเสียงวรรณยุกต์น้ำ" * 4,
    "Lao": "ພາສາລາວເປັນພາສາທີ່ໃຊ້ກັນໃນປະເທດລາວ" * 6,
    "Khmer": "ភាសាខ្មែរជាភាសាផ្លូវការរបស់ប្រទេសកម្ពុជាស្រ្តី" * 5,
    "Burmese": "မြန်မာဘာသာစကားသည်မြန်မာနိုင်ငံ၏တရားဝင်ဘာသာစကားဖြစ်သည်စက္ကူ" * 4,
    "Hindi": "हिन्दीभारतकीराजभाषाहैक्षत्रिय" * 8,
    "accents": "e\u0301\u0323" * 200,
    "emoji": "👩\u200d🔬🇩🇪👍🏽" * 60,
}


def begins_inside(piece: str) -> bool:
    """Whether a piece begins with a mark, or with what belongs to the letter before it."""
    return unicodedata.category(piece[0])[0] == "M" or piece[0] == "\u200d"


def ends_inside(piece: str) -> bool:
    return piece[-1] in "\u17d2\u1039\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4\u200d"


@pytest.mark.parametrize("name", TEXTS)
def test_captions_lines_and_chunks_are_cut_between_letters(name: str) -> None:
    text = TEXTS[name]
    words = spoken(Transcript(text, Utterance(bytes(320_000), 0, 160_000)))
    splitter = Splitter(longest=60)
    pieces = {
        "clusters": clusters(text),
        "words": [word.text for word in words],
        "lines": [line for cue in CueCutter().cut(words) for line in cue.lines],
        "rows": [row.strip() for row in rows(Line("", text), 30, colour=False)],
        "chopped": chopped(text, 7),
        "clauses": clauses(text, first=20, longest=50),
        "chunks": splitter.feed(text) + splitter.finish(),
    }
    for how, cut in pieces.items():
        assert not any(map(begins_inside, cut)), how
        assert not any(map(ends_inside, cut)), how
    assert "".join(pieces["clusters"]) == text_of(words) == text


def test_plain_text_is_cut_as_before() -> None:
    words = spoken(Transcript("Hello, 世界。 Good night!", Utterance(bytes(32_000), 0, 16_000)))
    assert [word.text for word in words] == ["Hello,", "世", "界。", "Good", "night!"]
    assert [word.spaced for word in words] == [True, True, False, True, True]
    assert chopped("abc漢字de", 3) == ["abc", "漢", "字d", "e"]
