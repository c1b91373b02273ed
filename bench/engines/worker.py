"""The process in which one engine works: opens it as the program does, gives it its items one by one, and measures.

python -m bench.engines.worker JOB MEASURED
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import trio

from bench.engines.costs import Ticker, cpu_s, memory_mb
from bench.engines.job import Engine, Job, Measured, Outcome, job_of
from voiceloop import registry
from voiceloop.audio.audible import first_audible
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.load import load
from voiceloop.config.tables import PartTable
from voiceloop.errors import VoiceloopError
from voiceloop.opening import open_part, open_services
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

IDLE_S = 1.0


def _print_event(name: str, /, **fields: object) -> None:
    print(name, fields, file=sys.stderr)


async def measure(job: Job) -> Measured:
    """Do a job, and measure it."""
    async with AsyncExitStack() as stack:
        config = load(None, ["vad.use=webrtc", "transcribe.use=none", "speak.use=none"])
        services, _ = await open_services(stack, config, _print_event)
        with Ticker() as idle:
            await trio.sleep(IDLE_S)
        base_mb, begun = memory_mb(), time.perf_counter()
        with Ticker() as loading:
            table = _table(job.engine)
            named = replace(services, config=config.model_copy(update={job.engine.kind: table}))
            part = await open_part(stack, table, named)
        load_s, loaded_mb, cpu_before = time.perf_counter() - begun, memory_mb(), cpu_s()
        with Ticker() as working:
            outcomes = [await _done(part, job, number) for number in range(len(job.items))]
        return Measured(
            description=part.description,
            outcomes=outcomes,
            load_s=load_s,
            base_mb=base_mb,
            loaded_mb=loaded_mb,
            worked_mb=memory_mb(),
            cpu_s=cpu_s() - cpu_before,
            idle_late_ms=idle.late_ms,
            load_late_ms=loading.late_ms,
            work_late_ms=working.late_ms,
        )


def _table(engine: Engine) -> PartTable:
    found = registry.find(engine.kind, engine.use)
    return PartTable(use=engine.use, part=found.part, options=found.part.Options(**found.given, **engine.options))


async def _done(part: Any, job: Job, number: int) -> Outcome:
    if job.engine.kind == "speak":
        return await _said(part, job.items[number], trio.Path(job.folder) / f"{number}.wav")
    return await _heard(part, await trio.Path(job.items[number]).read_bytes())


async def _heard(transcriber: Any, pcm: bytes) -> Outcome:
    samples = len(pcm) // SAMPLE_BYTES
    async with transcriber.transcription() as transcription:
        begun, cpu_before = time.perf_counter(), time.process_time()
        transcript = await transcription.finish(Utterance(pcm, start=0, voiced_end=samples))
        ms, cpu_ms = (time.perf_counter() - begun) * 1_000, (time.process_time() - cpu_before) * 1_000
    return Outcome(ms, samples / CAPTURE_RATE_HZ, cpu_ms, text=transcript.text)


async def _said(synthesizer: Any, text: str, kept: trio.Path) -> Outcome:
    begun, pieces = time.perf_counter(), []
    async with synthesizer.speech(text) as channel:
        async for piece in channel:
            pieces.append((piece, (time.perf_counter() - begun) * 1_000))
    if not pieces:
        raise VoiceloopError(f"nothing was spoken of {text!r}")
    ms, rate_hz, pcm = pieces[-1][1], pieces[0][0].rate_hz, b"".join(piece.pcm for piece, _ in pieces)
    await kept.write_bytes(wav_bytes(pcm, rate_hz))
    onset = first_audible(pcm, rate_hz) or 0
    ends = accumulate(len(piece.pcm) // SAMPLE_BYTES for piece, _ in pieces)
    audible_ms = next(at_ms for (_, at_ms), end in zip(pieces, ends, strict=True) if end > onset)
    seconds = len(pcm) / SAMPLE_BYTES / rate_hz
    return Outcome(ms, seconds, first_ms=pieces[0][1], audible_ms=audible_ms, silence_ms=onset / rate_hz * 1_000)


def main() -> None:
    asked, answer = map(Path, sys.argv[1:])
    try:
        found = trio.run(measure, job_of(asked.read_text(encoding="utf-8")))
    except VoiceloopError as error:
        raise SystemExit(str(error)) from None
    answer.write_text(json.dumps(asdict(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
