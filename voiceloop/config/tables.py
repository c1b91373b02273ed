"""The tables of the configuration as pydantic models. Their docstrings are the user's reference. The tables of one
concern are a module of their own, and are imported from here or from there.

`voiceloop config schema` and `voiceloop config init` print those docstrings.

Reads no file, environment variable or entry point: `load.py` does. Pydantic's own option for attribute docstrings is
off, because it would parse the source at every start; `schema.py` reads them only when a schema is asked for.
"""

from __future__ import annotations

from pydantic import ConfigDict

from voiceloop.config.hallucination_table import Hallucinations
from voiceloop.config.running_tables import Control, Journal, Log
from voiceloop.config.server_tables import Endpoint, Limits, OpenRouter, OwnServer, Retry, UploadMode
from voiceloop.config.sound_tables import Audio, EchoMode, Segment
from voiceloop.config.table import Conflict, Milliseconds, PartTable, Table
from voiceloop.config.turn_tables import Conversation, Preemptive

__all__ = [
    "Audio",
    "Config",
    "Conflict",
    "Control",
    "Conversation",
    "EchoMode",
    "Endpoint",
    "Hallucinations",
    "Journal",
    "Limits",
    "Log",
    "Milliseconds",
    "OpenRouter",
    "OwnServer",
    "PartTable",
    "Preemptive",
    "Retry",
    "Segment",
    "Table",
    "UploadMode",
]


class Config(Table):
    """The whole configuration, with each part's class looked up and its options checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    vad: PartTable
    transcribe: PartTable
    handler: PartTable
    speak: PartTable
    audio: Audio = Audio()
    segment: Segment = Segment()
    conversation: Conversation = Conversation()
    preemptive: Preemptive = Preemptive()
    openrouter: OpenRouter = OpenRouter()
    limits: Limits = Limits()
    control: Control = Control()
    journal: Journal = Journal()
    hallucinations: Hallucinations = Hallucinations()
    log: Log = Log()
