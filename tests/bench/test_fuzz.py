"""The fuzzers: each family with seeded inputs, and that they find what they are for."""

from __future__ import annotations

import time
import warnings
from random import Random

import pytest

from bench.fuzz import mutating
from bench.fuzz.families import FAMILIES
from bench.fuzz.family import Family, Figures
from bench.fuzz.growing import MOST, growth
from bench.fuzz.measuring import measured, random_of
from voiceloop.errors import EngineError

INPUTS = 25
SEED = 20_260


def tried(family: Family, inputs: int) -> Figures:
    return measured(family, seed=SEED, goes_on=lambda figures: figures.inputs < inputs)


@pytest.mark.parametrize("name", FAMILIES)
def test_no_input_is_too_much(name: str) -> None:
    figures = tried(FAMILIES[name], INPUTS)
    assert figures.inputs == INPUTS
    assert not figures.faults, f"scripts/bench fuzz --only {name} --seed {SEED} --again {figures.faults[0].number}"


def test_an_error_of_any_kind_is_a_crash_with_its_number_and_place() -> None:
    def attempt(random: Random) -> None:
        if random.random() < 0.2:
            raise random.choice((EngineError("x"), SystemExit(), ExceptionGroup("x", [ValueError("inner")])))

    figures = tried(Family("x", "", attempt), 50)
    numbers = [fault.number for fault in figures.faults]
    assert figures.count("crash") == len(numbers) > 3
    assert numbers == [number for number in range(50) if random_of(SEED, "x", number).random() < 0.2][: len(numbers)]
    assert all("test_fuzz.py" in fault.why for fault in figures.faults)


def test_a_warning_is_a_crash() -> None:
    def attempt(random: Random) -> None:
        if random.random() < 0.2:
            warnings.warn("overflow", RuntimeWarning, stacklevel=1)

    assert tried(Family("x", "", attempt), 20).count("crash")


def test_slow_and_large_inputs_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.fuzz.measuring.HANG_S", 0.05)
    monkeypatch.setattr("bench.fuzz.measuring.STUCK_S", 0.2)
    kept: list[bytes] = []

    def attempt(random: Random) -> None:
        kind = random.randrange(4)
        ends = time.process_time() + (0.1 if kind == 0 else 10.0 if kind == 1 else 0.0)
        while time.process_time() < ends:
            pass
        if kind == 2:
            kept.append(bytes(3_000_000))

    figures = tried(Family("x", "", attempt, most_mb=2), 16)
    whys = {fault.why.partition(" ")[0] for fault in figures.faults}
    assert whys == {"took", "broken"}
    assert figures.count("hang") >= 2
    assert figures.count("memory") == len(kept) > 0


def test_the_same_seed_makes_the_same_inputs() -> None:
    def made(seed: int) -> list[object]:
        random = random_of(seed, "x", 7)
        example = {"choices": [{"delta": {"content": "a"}}], "usage": {"cost": 0.1}}
        value = mutating.value(random, example)
        assert example == {"choices": [{"delta": {"content": "a"}}], "usage": {"cost": 0.1}}
        text = mutating.text(random, "one two", ["three"])
        return [repr(value), text, mutating.data(random, b"RIFF"), mutating.pieces(random, b"a" * 900)]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_pieces_are_the_whole_again() -> None:
    for number in range(50):
        random = random_of(1, "pieces", number)
        body = random.randbytes(random.randint(0, 3_000))
        assert b"".join(mutating.pieces(random, body)) == body


def test_a_function_that_grows_too_fast_is_told_from_one_that_does_not() -> None:
    def quadratic(text: str) -> int:
        return sum(len(text[at:].replace("b", "")) for at in range(0, len(text), 2))

    def linear(text: str) -> int:
        return sum(ord(char) % 7 for _ in range(60) for char in text)

    assert growth(quadratic, "ab").exponent > MOST
    assert growth(linear, "ab").exponent < MOST
