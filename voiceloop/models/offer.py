"""The offer of a larger model for writing, with its size and licence. Pure: knows neither disk nor network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voiceloop.models.catalogue import Engine, Model, named

_LARGER: dict[Engine, dict[str, str]] = {"moonshine": {"tiny-en": "base-en"}, "whisper": {"tiny.en": "small.en"}}
"""For a small English model of an engine, the larger one that the same engine runs."""
_LOCALES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""The variables that name the locale of messages, the strongest first."""
_OTHER_LANGUAGES = "small"
"""Whisper's model for a language that the model in use can't write."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model to offer. `language`: the code of the language that the model in use can't write; empty if it can."""

    model: Model
    language: str = ""

    @property
    def line(self) -> str:
        """The offer in one line."""
        model = self.model
        what = f"For the language '{self.language}'" if self.language else "A larger model for writing"
        get = f"voiceloop models get {model.name}"
        return f"{what}: {model.name} ({model.shown_size}, {model.licence}). To fetch it: {get}"


def offer(use: str, model: str, *, language: str = "en") -> Offer | None:
    """The larger model to offer to who writes with the engine `use` and its `model`; None if there is none. `language`
    is what is spoken, as a code: `en`, `de-AT`."""
    if use not in {"moonshine", "whisper", "parakeet"}:
        return None  # nothing of a server's, or of somebody else's engine, is on this disk
    spoken = language.partition("-")[0].lower()
    if spoken == "en":
        wanted = next((larger[model] for engine, larger in _LARGER.items() if engine == use and model in larger), None)
    else:
        wanted = _OTHER_LANGUAGES if _only_english(use, model) else None
    if wanted is None:
        return None
    return Offer(named(wanted), "" if spoken == "en" else spoken)


def spoken_in(environment: Mapping[str, str]) -> str:
    """The language that the user of this environment speaks, as its locale says: `de` of `de_DE.UTF-8`. Without a
    locale: English."""
    locale = next((value for name in _LOCALES if (value := environment.get(name))), "")
    language = locale.partition("_")[0].partition(".")[0].lower()
    return language if language.isalpha() and len(language) in {2, 3} else "en"


def _only_english(use: str, model: str) -> bool:
    return use in {"moonshine", "whisper"} and model.endswith(("-en", ".en"))
