"""How long a question waits that finds its connections dead: from the end of speech to the first sound of the reply.

The connections to the loopback server have been idle for 6 s and die, as after a suspend, a NAT time-out or a change of
Wi-Fi. The user speaks for 2 s; then a clip is transcribed, the model is asked, and its answer is spoken.

    living     nothing died
    swallowed  what is sent is acknowledged and thrown away, as by a broken middlebox
    dropped    nothing is acknowledged any more (Linux)
    short      swallowed, and the user speaks for 0.3 s: shorter than the proof takes
    unasked    dropped, with no onset before the question, as when a handler speaks by itself

    scripts/bench dead-connections [--only swallowed,dropped]
"""

from __future__ import annotations

import argparse
import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from testbed.http_parts import Bench, endpoint, open_bench, utterance
from testbed.middlebox import Middlebox, open_middlebox
from testbed.server import open_server
from voiceloop.audio.wav import wav_bytes
from voiceloop.config.tables import Endpoint, Retry
from voiceloop.errors import ServiceError
from voiceloop.handlers.completing import Patience, completing
from voiceloop.handlers.public import Habits
from voiceloop.net.service import Request, Service
from voiceloop.net.wanted import Wanted
from voiceloop.speak.streamed import streamed_speech

IDLE_S = 6.0
PATIENCE = Patience(first_s=15.0, between_s=15.0)
"""The handler's defaults."""


@dataclass(frozen=True)
class Case:
    """How the connections die, and for how long the user speaks before the question; None: there is no onset."""

    die: Callable[[Middlebox], None]
    speaks_s: float | None = 2.0


CASES = {
    "living": Case(lambda box: None),
    "swallowed": Case(Middlebox.swallow),
    "dropped": Case(Middlebox.drop),
    "short": Case(Middlebox.swallow, 0.3),
    "unasked": Case(Middlebox.drop, None),
}


@dataclass
class Result:
    """What became of a question."""

    name: str
    silence_s: float
    posts: int
    failed: str = ""

    def line(self) -> str:
        return f"| {self.name} | {self.failed or f'{self.silence_s:.2f} s'} | {self.posts} |"


async def measure(name: str) -> Result:
    """Ask once while all is well, let the connections die, and ask again."""
    case = CASES[name]
    async with open_server() as server, open_middlebox(server.port) as box:
        settings = endpoint(server, base_url=box.url, retry=Retry())
        async with open_bench(settings) as bench:
            service = _service(bench, settings)
            await _ask(service)
            await trio.sleep(IDLE_S)
            case.die(box)
            before = len(server.posts())
            async with trio.open_nursery() as nursery:
                if case.speaks_s is not None:
                    nursery.start_soon(service.warm)
                    await trio.sleep(case.speaks_s)
                spoken_at = trio.current_time()
                try:
                    await _ask(service)
                    failed = ""
                except ServiceError as error:
                    failed = f"failed after {trio.current_time() - spoken_at:.1f} s: {error.what}"
                silence_s = trio.current_time() - spoken_at
                nursery.cancel_scope.cancel("measured")
            return Result(name, silence_s, len(server.posts()) - before, failed)


def _service(bench: Bench, settings: Endpoint) -> Service:
    bench.clients.service(Wanted("speak", "speech", settings, "openrouter", ("a/b",), "alloy"))
    return bench.clients.service(Wanted("handler", "chat", settings, "openrouter", ("a/b",)))


async def _ask(service: Service) -> None:
    """Transcribe, ask and speak, one after the other, until the first sound."""
    clip = base64.b64encode(wav_bytes(utterance(2.0).pcm, 16_000)).decode()
    heard = {"model": "a/b", "input_audio": {"data": clip, "format": "wav"}}
    text = (await service.call(Request("/audio/transcriptions", json=heard))).value["text"]
    body = {"model": "a/b", "messages": [{"role": "user", "content": text}], "stream": True}
    words: list[str] = []
    async with completing(service, body, PATIENCE, Habits()) as deltas:
        words.extend([delta async for delta in deltas if isinstance(delta, str)])
    spoken = {"model": "a/b", "input": "".join(words), "voice": "alloy", "response_format": "pcm"}
    async with streamed_speech(service, Request("/audio/speech", json=spoken), 24_000) as pieces:
        await pieces.receive()


def main(argv: Sequence[str] | None = None) -> None:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CASES), help="cases, separated by commas")
    names = parser.parse_args(argv).only.split(",")
    print("| connections | silence | posts |\n|---|---|---|", flush=True)
    for name in names:
        print(trio.run(measure, name).line(), flush=True)


if __name__ == "__main__":
    main()
