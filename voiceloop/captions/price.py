"""What captions cost for an hour of speech, as far as it can be known before any. Pure but for the cached listing."""

from __future__ import annotations

import math

from voiceloop.config.tables import Config
from voiceloop.net.catalogue import Cache, Model, find
from voiceloop.net.wanted import Wants

HOUR_S = 3600


def running_cost(config: Config, *, posted_per_second: float, guesses: bool, cache: Cache) -> str:
    """A line for the start. A listing that is old will do: prices change seldom."""
    options = config.transcribe.options
    if not isinstance(options, Wants):
        return "nothing: everything is done on this machine"
    wanted = options.wanted(config.openrouter)
    most = posted_per_second if guesses else 1.5
    if not (wanted.settings.api_key_env or wanted.settings.api_key_file):
        return f"nothing: the server asks for no key; {_posted(most)}"
    listed = cache.get(wanted.settings.base_url, "transcription", newest_s=math.inf) or ()
    return estimate(wanted.models[0], listed, most=most)


def estimate(model: str, listed: tuple[Model, ...], *, most: float) -> str:
    """`most` is how many seconds are posted for each second of speech, at most."""
    found = find(model, listed)
    price = dict(found.prices).get("audio") if found is not None else None
    posted = _posted(most)
    if price is None:
        return f"{posted}; what {model} takes for that is not listed ('voiceloop models' asks)"
    return f"{posted}: about {price * HOUR_S * most:.2f} USD by {model}'s listed price for a second of audio"


def _posted(most: float) -> str:
    return f"for an hour of speech at most {most:g} hours of audio are posted"
