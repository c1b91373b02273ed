"""The fields that go with every request to OpenRouter, whichever its endpoint. Pure, but for the id of this run."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import cache
from typing import Any

from voiceloop.config.server_tables import Endpoint, OpenRouter


@cache
def run_id() -> str:
    """The session's id where `openrouter.session_id` is `auto`: the same for all requests of this process."""
    return f"voiceloop-{secrets.token_hex(8)}"


def common_fields(server: Endpoint, provider: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a request's body, those that are set; none for servers other than OpenRouter.

    `provider` is what the request itself has in its field `provider`; it overrides what is said for all requests.
    """
    fields: dict[str, Any] = {}
    preferences = dict(provider or {})
    if isinstance(server, OpenRouter):
        if server.session_id is not None:
            fields["session_id"] = run_id() if server.session_id == "auto" else server.session_id
        if server.user is not None:
            fields["user"] = server.user
        if server.trace:
            fields["trace"] = server.trace
        if server.zdr:
            preferences = {"zdr": True} | preferences
        if server.data_collection is not None:
            preferences = {"data_collection": server.data_collection} | preferences
    return fields | ({"provider": preferences} if preferences else {})
