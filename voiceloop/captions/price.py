"""What captions cost for an hour of speech: said at start if the price is known, else when the server tells it."""

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


@dataclass(frozen=True, slots=True)
class RunningCost:
    """`most` is how many seconds are posted for each second of speech, at most."""

    wanted: Wanted | None
    """The server and the model; None where everything is done on this machine."""
    most: float

    @classmethod
    def of(cls, config: Config, *, posted_per_second: float, guesses: bool) -> RunningCost:
        options = config.transcribe.options
        wanted = options.wanted(config.openrouter) if isinstance(options, Wants) else None
        return cls(wanted, posted_per_second if guesses else _MOST_WITHOUT_GUESSES)

    def at_start(self, cache: Cache) -> str:
        """A line for the start, which waits for no network. A listing that is old will do: prices change seldom."""
        if self.wanted is None:
            return "nothing: everything is done on this machine"
        if not self._paid:
            return f"nothing: the server asks for no key; {self._posted}"
        listed = self._listed(cache)
        return f"{self._posted}; the price is asked for" if self._price(listed) is None else self.estimate(listed)

    def asks(self, cache: Cache) -> bool:
        """Whether the server must be asked for the price."""
        return self._paid and self._price(self._listed(cache)) is None

    async def tell(self, clients: Clients, publish: Publish) -> None:
        """Ask the server and tell what it costs, or why that is not known."""
        assert self.wanted is not None
        try:
            listed = await clients.models(self.wanted.settings, self.wanted.kind, table=self.wanted.table)
        except VoiceloopError as error:
            publish("notice", text=f"What captions cost is not known: {error}")
        else:
            publish("notice", text=f"Cost: {self.estimate(listed)}.")

    def estimate(self, listed: tuple[Model, ...]) -> str:
        """What an hour costs by a listing."""
        price, model = self._price(listed), self.wanted.models[0] if self.wanted is not None else ""
        if price is None:
            return f"{self._posted}; what {model} takes for that is not listed"
        usd = price * HOUR_S * self.most
        return f"{self._posted}: about {usd:.2f} USD by {model}'s listed price for a second of audio"

    @property
    def _paid(self) -> bool:
        """Whoever asks for no key asks for no money."""
        settings = self.wanted.settings if self.wanted is not None else None
        return settings is not None and bool(settings.api_key_env or settings.api_key_file)

    @property
    def _posted(self) -> str:
        return f"for an hour of speech at most {self.most:g} hours of audio are posted"

    def _listed(self, cache: Cache) -> tuple[Model, ...]:
        wanted = self.wanted
        return (wanted and cache.get(wanted.settings.base_url, wanted.kind, newest_s=math.inf)) or ()

    def _price(self, listed: tuple[Model, ...]) -> float | None:
        found = find(self.wanted.models[0], listed) if self.wanted is not None else None
        return dict(found.prices).get("audio") if found is not None else None
