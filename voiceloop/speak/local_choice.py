"""The choice of an embedded voice by language. Pure: knows which engines are installed, and loads none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath


class Engine(Enum):
    """The engines, by the packages that each needs."""

    HIBARI = ("onnxruntime", "hibari")
    PIPER = ("piper",)
    ESPEAK = ("espeakng_loader",)


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine and its voice: a path for Piper, a voice's name for eSpeak NG, the language for hibari."""

    engine: Engine
    voice: str
    language: str

    @property
    def name(self) -> str:
        """For the start-up lines: the voice, and the language that it speaks."""
        names = {
            Engine.HIBARI: "hibari",
            Engine.PIPER: f"Piper {PurePath(self.voice).stem}",
            Engine.ESPEAK: f"eSpeak NG {self.voice}",
        }
        return f"{names[self.engine]} ({self.language})"


_REGIONAL = {"en-gb", "en-us", "es-419", "es-mx", "fr-be", "fr-ch", "pt-br"}
"""Regional voices of eSpeak NG; for other regions it has the voice of the language."""
_ESPEAK = {"en": "en-us", "zh": "cmn", "no": "nb", "iw": "he", "jw": "jv", "in": "id"}
"""Languages that eSpeak NG has under another code."""


def choose(code: str, piper: Mapping[str, str], installed: Collection[Engine]) -> Choice | None:
    """The voice for a language (`de`, `pt-BR`); None if no engine has one. `piper` names voices by language."""
    full, language = _normal(code), base(code)
    named = {_normal(known): path for known, path in piper.items()}
    for known in (full, language):
        if known in named and Engine.PIPER in installed:
            return Choice(Engine.PIPER, named[known], known)
    if language == "en" and Engine.HIBARI in installed:
        return Choice(Engine.HIBARI, "en-gb" if full == "en-gb" else "en", language)
    if Engine.ESPEAK in installed:
        voice = full if full in _REGIONAL else _ESPEAK.get(language, language)
        return Choice(Engine.ESPEAK, voice, language)
    return None


def base(code: str) -> str:
    """The language of a code, without its region."""
    return _normal(code).partition("-")[0]


def _normal(code: str) -> str:
    return code.lower().replace("_", "-")
