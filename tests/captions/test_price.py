"""What captions cost, said before any."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceloop.captions.price import RunningCost
from voiceloop.config.load import load
from voiceloop.net.catalogue import Cache, Model


def cost(folder: Path, *sets: str) -> str:
    config = load("captions", [*sets, "audio.output=none"])
    return RunningCost.of(config, posted_per_second=5.0, guesses=True).at_start(Cache(folder))


def test_the_listed_price_of_a_second_makes_the_price_of_an_hour() -> None:
    cost = RunningCost.of(load("captions", ["audio.output=none"]), posted_per_second=5.0, guesses=True)
    listed = (Model("openai/whisper-large-v3-turbo", "B", (), (("audio", 0.00003),)),)
    assert "5 hours of audio are posted: about 0.54 USD" in cost.estimate(listed)
    assert cost.estimate(()).endswith("what openai/whisper-large-v3-turbo takes for that is not listed")


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ((), "the price is asked for"),
        (("transcribe.use=sphinx",), "nothing: everything is done on this machine"),
        (("transcribe.use=openai", "transcribe.model=x"), "nothing: the server asks for no key"),
    ],
)
def test_without_a_price_what_is_known_is_said(tmp_path: Path, sets: tuple[str, ...], said: str) -> None:
    assert said in cost(tmp_path, *sets)


def test_a_listing_that_was_fetched_is_used(tmp_path: Path) -> None:
    model = Model("openai/whisper-large-v3-turbo", "", (), (("audio", 0.00001),))
    Cache(tmp_path).put("https://openrouter.ai/api/v1", "transcription", [model])
    assert "about 0.18 USD" in cost(tmp_path)
