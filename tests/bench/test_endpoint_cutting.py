"""The turns of the endpointing benchmark: whole speech, each with a pause between two of its words."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bench.endpoint.cutting import CUTS, SENTENCE_TIMES, SENTENCES, Turn, turns
from bench.endpoint.material import PACKAGES, TEXTS, VOICE

pytestmark = pytest.mark.skipif(not (TEXTS.exists() and VOICE.is_dir()), reason=f"needs Debian's {PACKAGES}")


@cache
def all_turns() -> list[Turn]:
    pytest.importorskip("hibari", reason="hibari is not installed")
    return turns()


def test_nearly_every_pause_of_the_list_is_in_a_turn() -> None:
    listed = len(CUTS.read_text(encoding="ascii").splitlines())
    assert len(all_turns()) >= 0.99 * listed
    assert len(SENTENCES.read_text(encoding="ascii").splitlines()) == len(
        SENTENCE_TIMES.read_text(encoding="ascii").splitlines()
    )


def test_it_is_silent_in_the_pause_and_not_around_it() -> None:
    around = []
    for turn in all_turns():
        sound = np.abs(np.frombuffer(turn.pcm, "<i2").astype(np.int64))
        assert not sound[turn.cut + 1 : turn.resumed].any(), turn
        assert turn.resumed - turn.cut >= 0.35 * 16_000
        assert turn.resumed < turn.end <= len(sound) + 160
        around.append(sound[max(0, turn.cut - 3200) : turn.cut].max() > 0)
    assert all(around)


def test_half_of_the_recordings_are_kept_apart_whatever_their_pauses_are() -> None:
    kept = {(turn.name, turn.kept) for turn in all_turns()}
    assert len(kept) == len({turn.name for turn in all_turns()})
    assert 0.4 < np.mean([is_kept for _, is_kept in kept]) < 0.6


def test_turns_differ_in_level_and_speed() -> None:
    by_name: dict[str, set[int]] = {}
    for turn in all_turns():
        by_name.setdefault(turn.name, set()).add(len(turn.pcm) // 2 - (turn.resumed - turn.cut))
    assert sum(len(lengths) > 1 for lengths in by_name.values()) > 50
