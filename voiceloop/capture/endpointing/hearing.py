"""Whether turns are judged by their sound here, and why not: the key, the language, the package, the model's file.

Blocking where it says so. Imports ONNX Runtime only if the sound is to be judged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from voiceloop.capture.endpointing.endings import code
from voiceloop.capture.endpointing.judgement import LANGUAGES
from voiceloop.capture.endpointing.smart_turn import MODEL, PLACE, REMEDY, SmartTurn
from voiceloop.config.tables import Segment
from voiceloop.errors import EngineError


@dataclass(frozen=True, slots=True)
class Hearing:
    """The acoustic judge, or why there is none."""

    network: SmartTurn | None = None
    why_not: str = ""
    failure: str = ""
    """What is wrong, where the sound should be judged and can't be."""


def why_not(segment: Segment, language: str | None, path: Path) -> str:
    """Why turns are not judged by their sound; empty if they are to be. Looks for the file and the package only."""
    if not (segment.acoustic and segment.adaptive):
        return "the sound is not judged"
    if language is not None and code(language) not in LANGUAGES:
        return f"the sound is not judged in '{language}'"
    if not path.is_file():
        return f"the sound is not judged: 'voiceloop models get {MODEL}' fetches the model"
    if find_spec("onnxruntime") is None:
        return "the sound is not judged: pip install 'voiceloop[local]'"
    return ""


def open_hearing(segment: Segment, language: str | None, path: Path, damage: Callable[[Path], str]) -> Hearing:
    """Load the network in the file `path`, if it is to be used (0.2 s). Blocking. `damage` says what is wrong with the
    file's contents; empty if nothing is. Raises nothing: without the network turns end by words and pauses."""
    if reason := why_not(segment, language, path):
        return Hearing(why_not=reason)
    try:
        if problem := damage(path):
            raise EngineError(f"{path} is damaged: {problem}", place=PLACE, remedy=REMEDY)
        return Hearing(SmartTurn(path))
    except EngineError as error:
        what = str(error)
    except OSError as error:
        what = f"{PLACE}: {path} can't be read: {error.strerror or error}"
    except ImportError as error:  # a damaged installation
        what = f"{PLACE}: ONNX Runtime can't be loaded: {error}"
    return Hearing(why_not="the sound is not judged", failure=f"Turns are not judged by their sound. {what}")
