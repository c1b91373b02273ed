"""The tables of servers: their address and key, retries, and the limits of what is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field

from voiceloop.config.address import ADDRESS, no_address
from voiceloop.config.table import Conflict, FreeTable, Milliseconds, Table, in_order


class Retry(Table):
    """How failed requests are tried again. The keys are those of the provider's SDK."""

    initial_ms: Milliseconds = 250
    """The wait before the second attempt. It grows with each further attempt by `exponent`, and each wait is
    shortened by up to half at random."""
    max_interval_ms: Milliseconds = 8_000
    """The longest wait, unless the server asks for a longer one (Retry-After)."""
    exponent: Annotated[float, Field(ge=1, le=10)] = 2.0
    """The factor by which the wait grows from one attempt to the next."""
    max_elapsed_s: Annotated[float, Field(ge=0, le=3600)] = 20.0
    """How long all attempts may take together; 0 turns retries off."""
    connection_errors: bool = True
    """Whether a failed connection is tried again."""

    def conflicts(self) -> Iterable[Conflict]:
        yield from in_order(self, "initial_ms", "max_interval_ms", "the first wait can't be longer than the longest")


class Endpoint(Table):
    """A server that speaks OpenRouter's API."""

    base_url: str = "https://openrouter.ai/api/v1"
    """The server's address. A gateway of your own can take OpenRouter's place."""
    api_key_env: str | None = "OPENROUTER_API_KEY"
    """The name of the environment variable that holds the API key; empty for a server that needs none."""
    api_key_file: str | None = None
    """A file that holds the API key; read if the environment variable is not set."""
    referer: str | None = None
    """The header `HTTP-Referer`, for the provider's rankings."""
    title: str | None = "voiceloop"
    """The header `X-OpenRouter-Title`, for the provider's rankings."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=120)] = 5.0
    """How long connecting may take."""
    read_timeout_s: Annotated[float, Field(gt=0, le=600)] = 30.0
    """How long the server may send nothing before the request fails."""
    retry: Retry = Retry()
    """How failed requests are tried again."""

    def at(self, base_url: str, api_key_env: str | None) -> Self:
        """The same settings for another server: with its own key, if it has one, and never with this one's."""
        return self.model_copy(update={"base_url": base_url, "api_key_env": api_key_env or "", "api_key_file": None})

    def conflicts(self) -> Iterable[Conflict]:
        if self.api_key_env and not self.api_key_env.replace("_", "a").isalnum():
            what, remedy = "is not the name of an environment variable", "Name the variable that holds the key."
            yield Conflict(("api_key_env",), what, remedy)
        if what := no_address(self.base_url):
            yield Conflict(("base_url",), what, ADDRESS)
        for name in ("referer", "title"):
            value = getattr(self, name)
            if value is not None and not (value.isascii() and value.isprintable()):
                yield Conflict((name,), "can't be sent: a header holds ASCII characters on one line", "Use only those.")


UploadMode = Literal["whole", "streamed"]
"""When a clip is sent."""


class OpenRouter(Endpoint):
    """OpenRouter, or a gateway with its API. The keys from `zdr` to `trace` go with every request to it: for
    transcription, chat and speech alike."""

    zdr: bool = False
    """Whether only providers are used that keep nothing of what they are sent (zero data retention). If a model has
    none, its requests fail."""
    data_collection: Literal["allow", "deny"] | None = None
    """`deny`: only providers are used that don't collect what they are sent. Left out: what your account says."""
    session_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Groups the requests of a conversation in OpenRouter's logs, and keeps its chat requests at one provider, whose
    cache then knows the beginning of the conversation. `auto`: a new one at each start."""
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """Who uses the program, in OpenRouter's logs: a pseudonym that stays the same."""
    trace: FreeTable = Field(default_factory=dict)
    """What OpenRouter hands on with its traces: `trace_id`, `trace_name`, `span_name`, `generation_name`,
    `parent_span_id`, and keys of your own."""
    upload: UploadMode = "whole"
    """When speech is sent to be transcribed. `whole`: at a pause, as one clip. `streamed`: while you speak, so that on
    a slow line hardly anything is left to send at the pause; captions and recordings are sent whole. Sounds that turn
    out to be no speech are sent, too, but no request with them is completed. A server that refuses gets whole clips,
    with one notice. `streamed` was tried with servers on loopback alone."""

    def at(self, base_url: str, api_key_env: str | None) -> Self:
        none: dict[str, object] = {"zdr": False, "data_collection": None, "session_id": None, "user": None, "trace": {}}
        return super().at(base_url, api_key_env).model_copy(update=none)


class OwnServer(Endpoint):
    """A server of your own: no API key and none of OpenRouter's headers, unless they are set."""

    api_key_env: str | None = ""
    """The name of the environment variable that holds the server's API key; empty for a server that needs none."""
    title: str | None = None
    """The header `X-OpenRouter-Title`. Servers other than OpenRouter don't use it."""


class Limits(Table):
    """Limits of a session. When one is reached, sending pauses and a notice says so; nothing that you say is lost."""

    max_cost_per_session: Annotated[float, Field(gt=0)] | None = None
    """USD. Costs are taken from the services' answers; those of speech synthesis, whose answers have none, from the
    model's listed price, until OpenRouter has told what they were. When the amount is spent nothing more is sent until
    you start again: what you say is kept, and `voiceloop transcribe --pending` transcribes it later."""
    max_posts_per_minute: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests to services in a minute; further ones wait and are then sent without your doing. A server that answers
    'too many requests' is asked less often in any case."""
