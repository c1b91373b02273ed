"""Captions of the microphone that repeat what the loudspeaker says."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from voiceloop.captions.copies import WithoutCopies
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.words import Spoken


@dataclass
class Shown:
    """Records what is shown, and what is published."""

    finals: list[str] = field(default_factory=list)
    lives: list[tuple[str, str]] = field(default_factory=list)
    published: list[str] = field(default_factory=list)

    def live(self, live: Live) -> None:
        self.lives.append((live.source, f"{live.sure} {live.unsure}".strip()))

    def final(self, final: Final, live: Live) -> None:
        self.finals.append(f"{final.source}: {final.text}")

    def publish(self, name: str, /, **fields: object) -> None:
        self.published.append(f"{name} {fields['reason']}")


def final(source: str, text: str, start_s: float) -> Final:
    words = (Spoken(word, start_s + 0.3 * n, start_s + 0.3 * (n + 1)) for n, word in enumerate(text.split()))
    return Final(source, tuple(words))


def shown_with_film() -> tuple[WithoutCopies, Shown]:
    shown = Shown()
    showing = WithoutCopies(shown, shown.publish)
    showing.final(final("speaker", "We sail for Lisbon at noon.", 10.0), Live("speaker"))
    return showing, shown


def test_a_garbled_copy_of_final_or_unfinished_words_is_left_out_with_its_reason() -> None:
    showing, shown = shown_with_film()
    showing.final(final("mic", "Sail for Lisboa at", 10.4), Live("mic"))
    showing.live(Live("speaker", "and nobody", "will ever know", since_s=12.0))
    showing.final(final("mic", "nobody will ever", 12.3), Live("mic"))
    assert shown.finals == ["speaker: We sail for Lisbon at noon."]
    assert shown.published == ["caption.dropped words"] * 2
    assert showing.dropped == 2


def test_a_copy_is_not_shown_while_it_is_under_way() -> None:
    showing, shown = shown_with_film()
    showing.live(Live("mic", "sail for", "Lisbon", since_s=10.3))
    assert shown.lives[-1] == ("mic", "")


@pytest.mark.parametrize(
    ("text", "start_s"),
    [("Where will you go then?", 10.4), ("At noon.", 11.0), ("We sail for Lisbon at noon.", 30.0)],
)
def test_other_words_short_answers_and_what_is_said_later_are_shown(text: str, start_s: float) -> None:
    showing, shown = shown_with_film()
    showing.live(Live("mic", "", text, since_s=start_s))
    showing.final(final("mic", text, start_s), Live("mic"))
    assert shown.lives[-1] == ("mic", text)
    assert shown.finals[-1] == f"mic: {text}"
    assert shown.published == []


def test_where_the_microphone_does_not_hear_the_loudspeaker_the_same_words_are_the_persons() -> None:
    shown = Shown()
    showing = WithoutCopies(shown, shown.publish, echoes=lambda: False)
    showing.final(final("speaker", "Nice to meet you.", 10.0), Live("speaker"))
    showing.final(final("mic", "Nice to meet you too.", 10.8), Live("mic"))
    assert shown.finals == ["speaker: Nice to meet you.", "mic: Nice to meet you too."]
