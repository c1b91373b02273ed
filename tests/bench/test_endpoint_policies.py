"""How rules that end turns are compared."""

from __future__ import annotations

import pytest

from bench.endpoint import fitting, policies
from bench.endpoint.measuring import Kind, Known
from bench.endpoint.survival import POINTS, longer, quantile


def known(kind: Kind, sound: float, text: str = "tea") -> Known:
    return Known("name", kind, kept=False, text=text, sound=sound, voice_s=1.0)


PAUSES = [
    *(known("end", sound) for sound in (4.6, 3.0, 2.0, -1.0)),
    *(known("open", sound) for sound in (-4.6, -3.0, 0.0, 1.0)),
]


def test_pauses_last_as_long_as_in_the_published_benchmark() -> None:
    for seconds, share in POINTS[:-1]:
        assert longer(seconds) == pytest.approx(share)
        assert quantile(share) == pytest.approx(seconds)
    assert longer(0.1) == 1.0
    assert longer(5.0) == 0.0
    assert 0.1 < longer(0.8) < 0.217


def test_plain_silence_costs_what_the_benchmark_says() -> None:
    points = policies.swept(policies.silence(), PAUSES)
    assert policies.wait_at(points, 0.05).wait_s == pytest.approx(1.6, abs=0.04)
    assert policies.wait_at(points, 0.10).wait_s == pytest.approx(1.0, abs=0.03)
    assert policies.cut_at(points, 0.6) == pytest.approx(0.217, abs=0.01)


def test_a_rule_that_knows_more_waits_less() -> None:
    by_sound = policies.swept(policies.thresholds(lambda each: each.sound, 0.178), PAUSES)
    plain = policies.swept(policies.silence(), PAUSES)
    assert policies.wait_at(by_sound, 0.05).wait_s < 0.8 * policies.wait_at(plain, 0.05).wait_s


def test_no_rule_decides_before_it_knows() -> None:
    for settings in (policies.silence(0.4), policies.scaled(lambda _: 0.01, 0.4)):
        assert min(waits(PAUSES[0]) for waits in settings) == pytest.approx(0.4)


def test_only_settings_that_are_worth_having_are_kept() -> None:
    points = policies.swept(policies.thresholds(lambda each: each.sound, 0.178), PAUSES)
    cuts, waits = [each.cut for each in points], [each.wait_s for each in points]
    assert cuts == sorted(cuts, reverse=True)
    assert waits == sorted(waits)
    assert len(set(cuts)) == len(cuts)


def test_chance_is_an_auc_of_a_half() -> None:
    same = [known("end", 1.0), known("open", 1.0)]
    assert policies.auc(same, ("open",)) == 0.5
    assert policies.auc(PAUSES, ("open",)) == 14 / 16


def test_the_fit_finds_what_the_sound_and_the_words_tell() -> None:
    held = [known("open", sound, "I want and") for sound in (0.0, 1.0, 2.0)]
    found = fitting.fit(PAUSES + held, 0.228)
    assert found.sound > 0
    assert min(found.words.values()) < 0
    assert list(found.words.values()) == sorted(found.words.values(), reverse=True)
