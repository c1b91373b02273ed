"""Jobs: what one engine is to hear or to say in a process of its own, and what was measured there.

job (JSON) -> python -m bench.engines.worker -> measured (JSON)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal


class Failed(Exception):
    """The engine could not be measured. Its text is the engine's own line."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine with its options: `kind` is its table in the config, `use` its name there."""

    kind: Literal["transcribe", "speak"]
    use: str
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """`items`: the paths of clips (int16, mono, 16 kHz, no header) to hear, or texts to say. What is said is kept in
    `folder`, as `NUMBER.wav`."""

    engine: Engine
    items: Sequence[str]
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item: text that was heard, or sound that was said. Times are in ms from the beginning of the
    call."""

    ms: float
    """To the text, or to the last sound."""
    seconds: float
    """The length of the sound."""
    cpu_ms: float = 0.0
    """Processor time of this process for it. Nearly what it takes on a free core, if the engine has one thread."""
    text: str = ""
    first_ms: float = 0.0
    """To the first sound."""
    audible_ms: float = 0.0
    """To the first sound that can be heard."""
    silence_ms: float = 0.0
    """How much silence is before it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What an engine did, and what it cost. Memory is in MB (PSS), lateness of a 5 ms ticker in ms at worst."""

    description: str
    outcomes: Sequence[Outcome]
    load_s: float
    """Importing and opening it."""
    base_mb: float
    """The memory of the process without it."""
    loaded_mb: float
    worked_mb: float
    cpu_s: float
    """Processor time of the work."""
    idle_late_ms: float
    load_late_ms: float
    work_late_ms: float

    @property
    def seconds(self) -> float:
        return sum(outcome.seconds for outcome in self.outcomes)


def measured(job: Job) -> Measured:
    """Do a job in a fresh process, without the user's configuration and without a network. Raises `Failed`."""
    with tempfile.TemporaryDirectory() as temporary:
        asked, answer = Path(temporary) / "job.json", Path(temporary) / "measured.json"
        asked.write_text(json.dumps(asdict(job)), encoding="utf-8")
        homes = {f"XDG_{name}_HOME": temporary for name in ("CONFIG", "STATE", "CACHE")}
        environment = {key: value for key, value in os.environ.items() if not key.startswith("VOICELOOP_")} | homes
        words = [sys.executable, "-m", "bench.engines.worker", str(asked), str(answer)]
        run = subprocess.run(words, env=environment, stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode:
            raise Failed(run.stderr.strip().rpartition("\n")[2] or f"its process ended with {run.returncode}")
        found = json.loads(answer.read_text(encoding="utf-8"))
    outcomes = [Outcome(**outcome) for outcome in found.pop("outcomes")]
    return Measured(outcomes=outcomes, **found)


def job_of(text: str) -> Job:
    """A job from its JSON."""
    found = json.loads(text)
    return Job(Engine(**found["engine"]), found["items"], found["folder"])
