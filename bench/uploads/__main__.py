"""How long after the end of speech the last byte of a clip leaves, on a home's uplink.

The line takes 5 Mbit/s up, and 80 ms there and back (`testbed/uplink.py`). A person's recorded voice in a room with
noise at -60 dBFS goes through the program's VAD, segmenter and transcribing, in real time, to the loopback service
behind that line: 2, 10 and 30 s of speech, and 20 s with three pauses of 500 ms, at each of which the clip so far is
sent as if speech had ended.

The last byte is seen where the line hands it to the service. It left the near end of the line half a round trip before:
that time is subtracted. The end of speech is the last sample of the recording's speech, as played. Before the pause is
noticed (128 ms of quiet, and what the VAD takes) nothing can end: the time from there stands beside it.

    scripts/bench uploads [--only wav,flac] [--runs 3]
    scripts/bench uploads --formats      each format's bytes, and the words that Moonshine then gets wrong
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from statistics import median

import trio

from bench.uploads.material import Spoken, spoken
from bench.uploads.measuring import Result, measure

MEANS: dict[str, tuple[str, ...]] = {
    "wav": (),
    "flac": ("transcribe.upload_format=flac",),
    "multipart": ("transcribe.multipart=true",),
    "flac+multipart": ("transcribe.upload_format=flac", "transcribe.multipart=true"),
    "opus": ("transcribe.upload_format=ogg",),
    "streamed": ("openrouter.upload=streamed",),
    "streamed+multipart": ("openrouter.upload=streamed", "transcribe.multipart=true"),
    "streamed+opus": ("openrouter.upload=streamed", "transcribe.upload_format=ogg"),
}
"""The settings of each means."""


def line(means: str, said: Spoken, results: Sequence[Result]) -> str:
    """A row of the table: medians, with the range of the times."""

    def ms(values: Sequence[float]) -> str:
        low, mid, high = (round(1000 * value) for value in (min(values), median(values), max(values)))
        return f"{mid:,}" if len(values) == 1 else f"{mid:,} ({low:,} to {high:,})"

    after, noticed = ms([r.after_speech_s for r in results]), ms([r.after_pause_s for r in results])
    kilobytes = median(r.up_bytes for r in results) / 1000
    finished = median(r.finished for r in results)
    return f"| {means} | {said.name} | {after} | {noticed} | {kilobytes:,.0f} | {finished:g} |"


async def _all(names: Sequence[str], runs: int) -> None:
    print("| means | speech | end of speech → last byte, ms | pause noticed → last byte, ms | kB up | requests |")
    print("|---|---|---|---|---|---|", flush=True)
    for name in names:
        results: dict[str, list[Result]] = {}
        notices: set[str] = set()
        clips = list(spoken())

        async def one(said: Spoken, name: str, results: dict[str, list[Result]], notices: set[str]) -> None:
            result = await measure(said, MEANS[name])
            results.setdefault(said.name, []).append(result)
            notices.update(result.notices)

        for _ in range(runs):
            async with trio.open_nursery() as nursery:  # each has a line and a service of its own
                for said in clips:
                    nursery.start_soon(one, said, name, results, notices)
        for said in clips:
            print(line(name, said, results[said.name]), flush=True)
        for notice in sorted(notices):
            print(f"{name}: {notice}", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(MEANS), help=f"means, separated by commas: {', '.join(MEANS)}")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--formats", action="store_true", help="compare the formats' bytes and word errors instead")
    arguments = parser.parse_args(argv)
    if arguments.formats:
        from bench.uploads.formats import table

        print(table())
        return
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in MEANS]:
        parser.error(f"--only: no means {', '.join(unknown)}. There are: {', '.join(MEANS)}")
    trio.run(_all, names, arguments.runs)


if __name__ == "__main__":
    main()
