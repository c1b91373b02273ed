"""The providers of a model, as OpenRouter lists them (/models/{author}/{slug}/endpoints): what each can do, and how
fast it is. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from voiceloop.net.catalogue import Kind
from voiceloop.net.failures import clean
from voiceloop.net.values import amount

_WORKLOADS = {"transcription": "stt", "speech": "tts", "chat": "text_generation"}


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider of a model."""

    name: str
    latency_ms: float | None
    """The median of the last 30 minutes, until the answer begins; None if it isn't known."""
    can: frozenset[str]
    """The features that it has: `supports_diarization`, `supports_voice_cloning` and the like."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A key of the config that only some providers can do."""

    key: str
    name: str
    """The feature's name in the listing of providers."""
    what: str
    """What it does, after "no provider"."""


def path_of(model: str) -> str:
    """The path of a model's providers. A suffix of its name chooses among them, and is left out."""
    return f"/models/{quote(re.split('[:@]', model)[0], safe='/')}/endpoints"


def parse_providers(value: Any, kind: Kind, hide: Callable[[str], str] = str) -> tuple[Provider, ...]:
    """Parse the answer: the providers, the fastest first, those without a figure last. Malformed rows are left out."""
    data = value.get("data") if isinstance(value, dict) else None
    rows = data.get("endpoints") if isinstance(data, dict) else None
    cleaned = partial(clean, hide=hide)
    found = [
        Provider(
            name=cleaned(row["provider_name"], 60),
            latency_ms=_latency_ms(row, kind),
            can=frozenset(key for key in row if isinstance(key, str) and row[key] is True),
        )
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and isinstance(row.get("provider_name"), str)
    ]
    return tuple(sorted(found, key=lambda p: (p.latency_ms is None, p.latency_ms or 0.0)))


def _latency_ms(row: dict[str, Any], kind: Kind) -> float | None:
    workloads = row.get("perf_last_30m_by_workload")
    workload = workloads.get(_WORKLOADS[kind]) if isinstance(workloads, dict) else None
    latency = workload.get("latency") if isinstance(workload, dict) else row.get("latency_last_30m")
    return amount(latency.get("p50")) if isinstance(latency, dict) else None


def lacking(feature: Feature, model: str, providers: Sequence[Provider]) -> str:
    """Why a feature can't be had of a model; empty if a provider has it, or if none is listed."""
    if not providers or any(feature.name in provider.can for provider in providers):
        return ""
    return f"no provider of {model} {feature.what}, says its listing. Leave it out, or choose another model"


def speeds(providers: Sequence[Provider]) -> str:
    """The providers with their latencies as text, the fastest first; empty if none is known."""
    known = [provider for provider in providers if provider.latency_ms is not None]
    return ", ".join(f"{provider.name} {provider.latency_ms:.0f} ms" for provider in known[:5])
