"""How the benchmark of `captions --source both` counts."""

from __future__ import annotations

from typing import Any

from bench.captions.both import Sentence, score

BEGAN = 1000.0
SAID = [Sentence(("where", "did", "you", "go"), 4.0, 5.5), Sentence(("i", "was", "at", "home"), 20.0, 21.0)]


def final(source: str, start_s: float, text: str) -> dict[str, Any]:
    return {"event": "caption.final", "source": source, "text": text, "start_s": start_s, "end_s": start_s + 2}


def live(at_s: float, text: str) -> dict[str, Any]:
    return {"event": "caption.live", "source": "mic", "time": BEGAN + at_s, "sure": "", "unsure": text}


def scored(*events: dict[str, Any]) -> Any:
    return score([{"event": "captions.began", "at": BEGAN - 1.0}, *events], BEGAN, SAID)


FILM = final("speaker", 5.0, "The ship sails at noon.")


def test_a_caption_of_the_person_alone_is_no_copy() -> None:
    result = scored(FILM, final("mic", 5.0, "Where did you go?"))
    assert (result.twice, len(result.lost), result.words_heard) == ([], 1, 4)


def test_words_of_the_loudspeaker_in_the_microphones_caption_are_counted() -> None:
    assert len(scored(FILM, final("mic", 5.0, "Where did you go? Sails at noon.")).twice) == 1
    assert len(scored(FILM, final("mic", 10.0, "Mumble.")).twice) == 1, "nobody spoke then"


def test_words_under_way_are_counted_too() -> None:
    result = scored(FILM, live(5.5, "Where did the ship sails"), final("mic", 5.0, "Where did you go?"))
    assert (len(result.flashed), result.twice) == (1, [])


def test_the_same_word_by_chance_is_no_copy() -> None:
    assert scored(FILM, final("mic", 5.0, "Where did you go at?")).twice == []
