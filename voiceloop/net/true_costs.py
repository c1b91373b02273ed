"""What requests really cost whose answers don't say: OpenRouter tells it later, by its id (/generation). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from voiceloop.events import Publish
from voiceloop.net.values import amount
from voiceloop.types import Usage

NOTHING_USD = 1e-12
"""What is left when estimates are taken away again that were added, by the inexactness of floats."""


def parse_cost(value: Any) -> float | None:
    """The cost in USD by the answer of /generation; None if it doesn't say."""
    data = value.get("data") if isinstance(value, dict) else None
    return amount(data.get("total_cost")) if isinstance(data, dict) else None


class TrueCosts:
    """The costs that are known by now, in the place of estimates."""

    def __init__(self) -> None:
        self._known: dict[str, Usage] = {}

    def settle(self, id_: str, cost_usd: float, *, estimated_usd: float | None) -> Usage:
        """Take the cost of a request that was estimated before, or not. Gives what changes by that."""
        change = Usage(requests=0, cost_usd=cost_usd, estimated_usd=None if estimated_usd is None else -estimated_usd)
        self._known[id_] = change
        return change

    def of(self, usage: Usage) -> Usage:
        """`usage` with the true costs of its requests, as far as they are known."""
        changes = [self._known[id_] for id_ in usage.generation_ids if id_ in self._known]
        for change in changes:
            usage = usage + change
        if changes and usage.estimated_usd is not None and usage.estimated_usd < NOTHING_USD:
            usage = replace(usage, estimated_usd=None)
        return usage

    def told(self, publish: Publish) -> Publish:
        """`publish`, with the true costs in the session's last event."""

        def publish_true(name: str, /, **fields: object) -> None:
            publish(name, **self._true(fields) if name == "stopped" else fields)

        return publish_true

    def _true(self, fields: Mapping[str, object]) -> dict[str, object]:
        usage = fields.get("usage")
        return dict(fields) | ({"usage": self.of(usage)} if isinstance(usage, Usage) else {})
