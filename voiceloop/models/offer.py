"""The offer of a larger model for writing, with its size and licence. Pure: knows neither disk nor network."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from voiceloop.models.catalogue import Engine, Model, named

_LARGER: dict[Engine, dict[str, str]] = {"moonshine": {"tiny-en": "base-en"}, "whisper": {"tiny.en": "small.en"}}
"""For a small English model of an engine, the larger one that the same engine runs."""
_OTHER_LANGUAGES = "small"
"""Whisper's model for a language that the model in use can't write."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model to offer, and the settings that use it, as `TABLE.KEY=VALUE`."""

    model: Model
    settings: tuple[str, ...]

    @property
    def line(self) -> str:
        """The offer in one line."""
        model = self.model
        return (
            f"A larger model for writing: {model.name} ({model.shown_size}, {model.licence}). To fetch it: voiceloop "
            f"models get {model.name}"
        )


def offer(use: str, model: str, *, language: str = "en", there: Collection[str] = ()) -> Offer | None:
    """The larger model to offer to who writes with the engine `use` and its `model`; None if there is none, or it is
    among those that are `there`. `language` is what is spoken, as a code: `en`, `de-AT`."""
    if use not in {"moonshine", "whisper", "parakeet"}:
        return None  # nothing of a server's, or of somebody else's engine, is on this disk
    spoken = language.partition("-")[0].lower()
    if spoken == "en":
        wanted = next((larger[model] for engine, larger in _LARGER.items() if engine == use and model in larger), None)
    else:
        wanted = _OTHER_LANGUAGES if _only_english(use, model) else None
    if wanted is None or wanted in there:
        return None
    found = named(wanted)
    return Offer(found, (f"transcribe.use={found.engine}", f"transcribe.model={found.name}"))


def _only_english(use: str, model: str) -> bool:
    return use in {"moonshine", "whisper"} and model.endswith(("-en", ".en"))
