"""Measures live captions of recorded human speech: how late words are shown, and what is lost. Runs in real time.

The installed program listens to a track (prompts with gaps, and stretches without any pause) and posts it to a loopback
server. The server returns the true words of exactly the audio posted: each word of which more than half is in the clip.
A word counts as shown when it first appears in its place on the screen, final or not.

    scripts/bench captions [--minutes 10] [--service-ms 300 1500] [--texts FILE] [--busy-every N] [--set KEY=VALUE]
    scripts/bench captions --engine moonshine [--served] [--virtual] [--lecture] [--minutes 10] [--show]

With --engine, a real recogniser transcribes instead: in the program, or behind the server with --served;
`recognised.py` and, for --virtual, `virtual.py` say what is measured then. With --lecture, nobody pauses at all.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from bench.captions import recognised, virtual
from bench.captions.material import TALK_S, Material, material, write
from bench.captions.measures import Score, score, watch
from bench.endpoint.material import PACKAGES, TEXTS, VOICE
from testbed.running import voiceloop
from testbed.serving import KEY, serving
from voiceloop.types import CAPTURE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Run:
    """The result of one session. `heard_s`: speech that the segmenter cut out; `posted_s`: audio that the server got,
    both in seconds."""

    service_ms: int
    score: Score
    heard_s: float
    posted_s: float
    refused: int

    def row(self) -> str:
        late = f"{self.score.median_s:.2f} / {self.score.wait_s(0.95):.2f} s"
        changed = f"{self.score.changed_share * 100:.1f} %"
        lost = f"{self.score.lost} / {self.score.added}"
        posted = f"{self.posted_s / self.heard_s:.1f} s"
        return f"| {self.service_ms} ms | {late} | {changed} | {lost} | {posted} | {self.refused} |"


HEAD = (
    "| service takes | word's end to first shown, p50 / p95 | shown, later changed | lost / repeated "
    "| posted per second of speech | 429s |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


def session(folder: Path, made: Material, service_ms: int, words: list[str], busy_every: int) -> Run:
    """Run one session in real time, and score it."""
    server_words = ["--track", str(folder / "track.json"), "--transcribe-ms", str(service_ms)]
    with serving(*server_words, "--busy-every", str(busy_every)) as server:
        home = folder / str(service_ms)
        env = (
            os.environ
            | {"OPENROUTER_API_KEY": KEY}
            | {f"XDG_{n}_HOME": str(home / n) for n in ("STATE", "CONFIG", "CACHE")}
        )
        sets = [word for value in words for word in ("--set", value)]
        code, output, errors = voiceloop(
            *("captions", "--cloud", "--json", "-i", f"file:{folder / 'track.wav'}"),
            *("--set", f"openrouter.base_url={server.url}", *sets),
            env=env,
            timeout_s=made.samples / CAPTURE_RATE_HZ + 120,
        )
    if code:
        raise SystemExit(f"voiceloop ended with {code}: {errors}")
    events = [json.loads(line) for line in output.splitlines()]
    (folder / f"{service_ms}.jsonl").write_text(output)
    watched = watch(events)
    said = [(word.text, word.end / CAPTURE_RATE_HZ) for word in made.words]
    posts = server.posts("/audio/transcriptions")
    return Run(
        service_ms,
        score(said, watched.moments, watched.finals),
        heard_s=events[-1]["heard_s"],
        posted_s=sum(post["audio_s"] or 0 for post in posts if post["status"] != 429),
        refused=sum(post["status"] == 429 for post in posts),
    )


def measure_engine(folder: Path, made: Material, arguments: argparse.Namespace) -> None:
    """Measure the captions of a real recogniser, and print the table."""
    service_ms = arguments.service_ms[0] if arguments.served else None
    if arguments.virtual:
        run = virtual.session(made, arguments.engine, arguments.set, service_ms=service_ms)
    else:
        run = recognised.session(folder, made, arguments.engine, arguments.set, service_ms=service_ms)
    print(f"{made.samples / CAPTURE_RATE_HZ / 60:.1f} minutes, {len(made.words)} words")
    print(recognised.HEAD)
    print(run.row())
    if arguments.show:
        print(run.text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench captions", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--service-ms", type=int, nargs="+", default=[300, 1500])
    parser.add_argument("--texts", type=Path, default=TEXTS, help=f"the prompts' texts ({TEXTS.name})")
    parser.add_argument("--busy-every", type=int, default=0, metavar="N", help="answer every N-th post with 429")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE")
    parser.add_argument("--engine", help="a real recogniser, such as moonshine, in place of the true words")
    parser.add_argument(
        "--served", action="store_true", help="the recogniser is behind the server (moonshine, whisper)"
    )
    parser.add_argument("--virtual", action="store_true", help="in virtual time, on however busy a machine")
    parser.add_argument("--lecture", action="store_true", help="speech without any pause")
    parser.add_argument("--show", action="store_true", help="print the captions of the engine")
    parser.add_argument("--keep", type=Path, help="keep the track and the events in this folder")
    arguments = parser.parse_args()
    if not arguments.texts.exists() or not VOICE.is_dir():
        raise SystemExit(f"The recorded prompts or their texts are missing: apt install {PACKAGES}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        made = material(arguments.minutes, texts=arguments.texts, talk_s=0.0 if arguments.lecture else TALK_S)
        write(made, folder)
        if arguments.engine:
            measure_engine(folder, made, arguments)
            return
        runs: list[Run] = []

        def measure(service_ms: int) -> None:
            runs.append(session(folder, made, service_ms, arguments.set, arguments.busy_every))

        threads = [threading.Thread(target=measure, args=(ms,)) for ms in arguments.service_ms]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print(f"{made.samples / CAPTURE_RATE_HZ / 60:.1f} minutes, {len(made.words)} words")
    print(HEAD)
    for run in sorted(runs, key=lambda run: run.service_ms):
        print(run.row())


if __name__ == "__main__":
    main()
