"""What each command doesn't use of the configuration: a `--set` of that is refused. Pure.

In a config file, which may be for all commands, it is no mistake.
"""

from __future__ import annotations

from collections.abc import Mapping

from voiceloop.config.layers import Layer
from voiceloop.config.tables import Audio, Conversation
from voiceloop.errors import UsageError

_HANDLERS: Mapping[str, str] = {"dictate": "dictation", "captions": "captions"}
"""The handlers of the commands that have only one."""


def _all_but(name: str, table: type[Audio | Conversation], used: set[str], why: str) -> dict[str, str]:
    """The keys of a table without those that are `used`, with the reason."""
    return {f"{name}.{key}": why for key in table.model_fields if key not in used}


_NOBODY = "it tells nobody who spoke"
_NOTHING_ANSWERED = "nothing is answered"
_HEARS = "it hears nothing"
_NO_CONVERSATION = "there is no conversation"
_SAY = {
    **_all_but(
        "audio", Audio, {key for key in Audio.model_fields if key.startswith(("output", "buffer", "jitter"))}, _HEARS
    ),
    "vad": _HEARS,
    "segment": _HEARS,
    "transcribe": _HEARS,
    "hallucinations": _HEARS,
    "handler": _NOTHING_ANSWERED,
    "preemptive": _NOTHING_ANSWERED,
    "conversation": _NO_CONVERSATION,
    "control": "there is no conversation to control",
    "journal": "it keeps nothing",
}
_WHOLE = dict.fromkeys(("openrouter.upload", "transcribe.upload"), "its clips are sent whole")
_TRANSCRIBE = {
    **_WHOLE,
    "audio": "it reads files",
    "segment.half_duplex_hangover_ms": "it plays nothing",
    "segment.acoustic": "no turns are judged",
    **_all_but("conversation", Conversation, {"overlap"}, _NO_CONVERSATION),
    "handler": _NOTHING_ANSWERED,
    "preemptive": _NOTHING_ANSWERED,
    "speak": "it speaks nothing",
    "control": "there is no conversation to control",
    "journal": "it keeps nothing",
}
_LISTS = "it only lists models"
_UNUSED: Mapping[str, Mapping[str, str]] = {
    "run": {"transcribe.diarize": _NOBODY},
    "dictate": {
        "speak": "it speaks nothing",
        "transcribe.diarize": _NOBODY,
        **_all_but("conversation", Conversation, {"overlap", "waiting", "earcon"}, _NOTHING_ANSWERED),
    },
    "captions": {
        **_WHOLE,
        "speak": "it speaks nothing",
        "preemptive": _NOTHING_ANSWERED,
        **_all_but(
            "audio", Audio, {"input", "input_latency", "echo", "noise_suppression", "gain_control"}, "it plays nothing"
        ),
        "segment.half_duplex_hangover_ms": "it plays nothing",
        "segment.acoustic": "no turns are judged",
        **_all_but("conversation", Conversation, {"waiting"}, _NO_CONVERSATION),
        "control.sounds": "it plays nothing",
    },
    "say": _SAY,
    "say --save": {**_SAY, "audio": "the speech is saved, not played"},
    "transcribe": _TRANSCRIBE,
    "transcribe --pending": {
        **_TRANSCRIBE,
        "vad": "what was kept is cut already",
        "segment": "what was kept is cut already",
    },
    "models": dict.fromkeys(
        (
            "audio",
            "vad",
            "segment",
            "conversation",
            "preemptive",
            "limits",
            "control",
            "journal",
            "hallucinations",
            "log",
        ),
        _LISTS,
    ),
}
"""For each command, tables and keys that it doesn't use, with the reason."""


def check_used(command: str, sets: Layer, *, speakers: bool = False) -> None:
    """Raise UsageError for a `--set` that the command would ignore. `speakers`: it tells who speaks, though the command
    alone doesn't."""
    for path, text in sets.raw.items():
        key, value = ".".join(path), text.strip().strip("\"'")
        only = _HANDLERS.get(command)
        if key == "handler.use" and only is not None and value != only:
            raise UsageError(
                f"{command} works with the handler '{only}' only", place=f"--set {key}", remedy="Leave it out"
            )
        if key == "transcribe.diarize" and speakers:
            continue
        reason = next((why for name, why in _UNUSED[command].items() if f"{key}.".startswith(f"{name}.")), None)
        if reason is not None and value not in {"none", "false", "whole"}:  # what would be so anyway
            raise UsageError(f"{command} doesn't use it: {reason}", place=f"--set {key}", remedy="Leave it out")
