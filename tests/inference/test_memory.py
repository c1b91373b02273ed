"""Memory that is freed is given back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from voiceloop.inference import memory

TALK = """
import random, re
from pathlib import Path
import trio
from testbed.voices import prompt
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions, MoonshineTranscriber
from voiceloop.types import SAMPLE_BYTES, Utterance

def own_mb():  # without files in memory, of which a process has more when others that share them end
    return int(re.search(r'^Anonymous:\\s+(\\d+)', Path('/proc/self/smaps_rollup').read_text(), re.M)[1]) / 1024

async def main():
    lengths, said = random.Random(1), prompt("conf-kicked").pcm * 20
    async with MoonshineTranscriber.open(MoonshineOptions(), None) as transcriber:
        loaded = own_mb()
        for number in range(24):
            pcm = said[number * 3_200 :][: lengths.choice([1, 2, 4, 8, 16]) * 16_000 * SAMPLE_BYTES]
            await transcriber.transcribe(Utterance(pcm, start=0, voiced_end=len(pcm) // SAMPLE_BYTES))
        print(own_mb() - loaded)

trio.run(main)
"""


@pytest.mark.skipif(memory._trim() is None, reason="only glibc can give memory back")
def test_a_recogniser_takes_no_more_memory_after_clips_of_many_lengths_than_when_it_was_loaded() -> None:
    ran = subprocess.run([sys.executable, "-c", TALK], capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    assert float(ran.stdout) < 15.0, "MB: it is 0 mostly, and 27 to 31 without"


def test_where_the_c_library_can_not_give_memory_back_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    memory._trim.cache_clear()
    memory.give_back()
    memory._trim.cache_clear()
