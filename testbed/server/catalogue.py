"""Rows of /models in OpenRouter's format: the models that the presets name, and similar ones."""

from __future__ import annotations

from typing import Any


def row(id_: str, *kinds: str, voices: list[str] | None = None, **pricing: str) -> dict[str, Any]:
    """A model with these output modalities."""
    made = {"id": id_, "name": id_.title(), "pricing": pricing, "architecture": {"output_modalities": list(kinds)}}
    return made | ({"supported_voices": voices} if voices else {})


PRESETS = [
    row("openai/gpt-4o-mini-tts-2025-12-15", "speech", voices=["alloy", "nova", "onyx"], prompt="0.0000006"),
    row("mistralai/voxtral-mini-tts-2603", "speech", voices=["amy"], prompt="0.000016"),
    row("openai/whisper-large-v3", "transcription", audio="0.0001"),
    row("openai/whisper-large-v3-turbo", "transcription", audio="0.00001"),
    row("google/chirp-3", "transcription", audio="0.0002"),
    row("openai/gpt-4o-mini", "text", prompt="0.00000015", completion="0.0000006"),
    row("openai/gpt-audio-mini", "text", "audio", prompt="0.0000006", completion="0.0000024"),
]
