"""Rows of /models in OpenRouter's format: the models that the presets name, and similar ones."""

from __future__ import annotations

from typing import Any


def row(
    id_: str, *kinds: str, voices: list[str] | None = None, more: dict[str, Any] | None = None, **pricing: str
) -> dict[str, Any]:
    """A model with these output modalities; `more` are further fields."""
    made = {"id": id_, "name": id_.title(), "pricing": pricing, "architecture": {"output_modalities": list(kinds)}}
    return made | ({"supported_voices": voices} if voices else {}) | (more or {})


def provider(name: str, *, p50_ms: float | None = None, workload: str = "stt", **can: bool) -> dict[str, Any]:
    """A provider of a model, as /models/{author}/{slug}/endpoints has it."""
    found: dict[str, Any] = {"provider_name": name, "supports_diarization": False, "latency_last_30m": None, **can}
    if p50_ms is not None:
        found["perf_last_30m_by_workload"] = {workload: {"latency": {"p50": p50_ms, "p99": 9 * p50_ms}}}
    return found


def providers(*rows: dict[str, Any]) -> dict[str, Any]:
    """The page of a model's providers."""
    return {"data": {"endpoints": list(rows)}}


PRESETS = [
    row("openai/gpt-4o-mini-tts-2025-12-15", "speech", voices=["alloy", "nova", "onyx"], prompt="0.0000006"),
    row("mistralai/voxtral-mini-tts-2603", "speech", voices=["amy"], prompt="0.000016"),
    row("openai/whisper-large-v3", "transcription", audio="0.0001"),
    row("openai/whisper-large-v3-turbo", "transcription", audio="0.00001"),
    row("google/chirp-3", "transcription", audio="0.0002"),
    row("openai/gpt-4o-mini", "text", prompt="0.00000015", completion="0.0000006"),
    row("openai/gpt-audio-mini", "text", "audio", prompt="0.0000006", completion="0.0000024"),
]
