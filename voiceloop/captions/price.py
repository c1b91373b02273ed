"""Cost estimate: what captions cost for an hour of speech. Shown at start if the price is known, else asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from voiceloop.config.tables import Config
from voiceloop.errors import VoiceloopError
from voiceloop.events import Publish
from voiceloop.net.catalogue import Cache, Model, find
from voiceloop.net.client import Clients
from voiceloop.net.wanted import Wanted, Wants

HOUR_S = 3600
_MOST_WITHOUT_GUESSES = 1.5
"""Seconds posted per second of speech, at most, when only final words are transcribed."""


@dataclass(frozen=True, slots=True)
class RunningCost:
    """The estimated cost of captions. `most` is the largest number of seconds posted per second of speech."""

    wanted: Wanted | None
    """The server and the model; None if speech is transcribed on this machine."""
    most: float

    @classmethod
    def of(cls, config: Config, *, posted_per_second: float, guesses: bool) -> RunningCost:
        """The estimate for a configuration."""
        options = config.transcribe.options
        wanted = options.wanted(config.openrouter) if isinstance(options, Wants) else None
        return cls(wanted, posted_per_second if guesses else _MOST_WITHOUT_GUESSES)

    def at_start(self, cache: Cache) -> str:
        """The estimate as one line, without the network. An old listing is good enough: prices seldom change."""
        if self.wanted is None:
            return "nothing: speech is transcribed on this machine"
        if not self.is_paid:
            return "nothing: the server needs no key"
        listed = self._listed(cache)
        if self._price(listed) is None:
            return f"{self._posted}; the price will be requested"
        return self.estimate(listed)

    def brief(self, cache: Cache) -> str | None:
        """The cost as a short line, without the network. None if there is none, or it is not known."""
        return self._brief(self._listed(cache)) if self.is_paid else None

    def asks(self, cache: Cache) -> bool:
        """Whether the price must be requested from the server."""
        return self.is_paid and self._price(self._listed(cache)) is None

    async def tell(self, clients: Clients, publish: Publish) -> None:
        """Request the price from the server and publish the cost as a notice, or why it is unknown."""
        assert self.wanted is not None
        try:
            listed = await clients.models(self.wanted.settings, self.wanted.kind, table=self.wanted.table)
        except VoiceloopError as error:
            publish("notice", text=f"The cost of captions is unknown: {error}")
        else:
            publish("notice", text=self._brief(listed) or f"Cost: {self.estimate(listed)}.")

    def estimate(self, listed: tuple[Model, ...]) -> str:
        """The cost of an hour of speech by a listing, as one line."""
        price, model = self._price(listed), self.wanted.models[0] if self.wanted is not None else ""
        if price is None:
            return f"{self._posted}; the price of {model} is not listed"
        usd = price * HOUR_S * self.most
        return f"{self._posted}: about {usd:.2f} USD at {model}'s listed price per second of audio"

    def hourly_usd(self, listed: tuple[Model, ...]) -> tuple[float, float] | None:
        """The cost of an hour of speech in USD: if each second is posted once, and at most. None without a price."""
        price = self._price(listed)
        return None if price is None else (price * HOUR_S, price * HOUR_S * self.most)

    def _brief(self, listed: tuple[Model, ...]) -> str | None:
        usd = self.hourly_usd(listed)
        return None if usd is None else f"Cost: at most about {usd[1]:.2f} USD for an hour of speech."

    @property
    def is_paid(self) -> bool:
        """Whether the server costs money: one that needs no key is taken to be free."""
        settings = self.wanted.settings if self.wanted is not None else None
        return settings is not None and bool(settings.api_key_env or settings.api_key_file)

    @property
    def _posted(self) -> str:
        return f"for an hour of speech at most {self.most:g} hours of audio are posted"

    def _listed(self, cache: Cache) -> tuple[Model, ...]:
        if self.wanted is None:
            return ()
        return cache.get(self.wanted.settings.base_url, self.wanted.kind, newest_s=math.inf) or ()

    def _price(self, listed: tuple[Model, ...]) -> float | None:
        found = find(self.wanted.models[0], listed) if self.wanted is not None else None
        return dict(found.prices).get("audio") if found is not None else None
