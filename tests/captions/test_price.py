"""Cost estimate of captions, shown at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceloop.captions.price import RunningCost
from voiceloop.config.load import load
from voiceloop.net.catalogue import Cache, Model

CLOUD = ("transcribe.use=openrouter", "transcribe.model=openai/whisper-large-v3-turbo", "audio.output=none")


def cost(folder: Path, *sets: str) -> str:
    config = load("captions", [*(sets or CLOUD), "audio.output=none"])
    return RunningCost.of(config, posted_per_second=5.0, guesses=True).at_start(Cache(folder))


def test_the_listed_price_of_a_second_makes_the_price_of_an_hour() -> None:
    cost = RunningCost.of(load("captions", CLOUD), posted_per_second=5.0, guesses=True)
    listed = (Model("openai/whisper-large-v3-turbo", "B", (), (("audio", 0.00003),)),)
    assert "5 hours of audio are posted: about 0.54 USD" in cost.estimate(listed)
    assert cost.estimate(()).endswith("the price of openai/whisper-large-v3-turbo is not listed")


@pytest.mark.parametrize(
    ("sets", "expected"),
    [
        ((), "the price will be requested"),
        (("transcribe.use=moonshine",), "nothing: speech is transcribed on this machine"),
        (("transcribe.use=openai", "transcribe.model=x"), "nothing: the server needs no key"),
    ],
)
def test_without_a_listed_price_the_estimate_says_why(tmp_path: Path, sets: tuple[str, ...], expected: str) -> None:
    assert expected in cost(tmp_path, *sets)


def test_at_start_only_a_known_cost_is_said_and_in_one_short_line(tmp_path: Path) -> None:
    def brief(*sets: str) -> str | None:
        config = load("captions", [*sets, "audio.output=none"])
        return RunningCost.of(config, posted_per_second=5.0, guesses=True).brief(Cache(tmp_path))

    assert brief(*CLOUD) is None
    model = Model("openai/whisper-large-v3-turbo", "", (), (("audio", 0.00003),))
    Cache(tmp_path).put("https://openrouter.ai/api/v1", "transcription", [model])
    assert brief(*CLOUD) == "Cost: at most about 0.54 USD for an hour of speech."
    assert brief("transcribe.use=moonshine") is None
    Cache(tmp_path).put("http://127.0.0.1:8000/v1", "transcription", [model])
    assert brief("transcribe.use=openai", f"transcribe.model={model.id}") is None, "a server without a key is free"


def test_a_cached_listing_is_used(tmp_path: Path) -> None:
    model = Model("openai/whisper-large-v3-turbo", "", (), (("audio", 0.00001),))
    Cache(tmp_path).put("https://openrouter.ai/api/v1", "transcription", [model])
    assert "about 0.18 USD" in cost(tmp_path)
