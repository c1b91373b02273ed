"""Runs the loopback server as a process, and logs its requests.

Prints its port and base URL as a JSON line, then a JSON line for each finished request.

All times in a line are `time.monotonic()`: `received_at`; `first_byte_at`, of the answer's body; `answered_at`, null
when the client left before (`gone`); and in `words` the time of each token of a chat's answer, or of a transcription's
text.

python -m testbed.server --text "hello there" --reply "General." --transcribe-ms 200
"""

from __future__ import annotations

import argparse
import base64
import json
import signal
from itertools import count
from pathlib import Path

import trio

from testbed.server import engine, rules
from testbed.server.catalogue import PRESETS
from testbed.server.recordings import Recordings
from testbed.server.script import Fault, Script, SocketFault, wav_file
from testbed.server.serve import open_server
from testbed.server.state import Recorded
from testbed.server.track import Track
from voiceloop.audio.wav import parse_wav


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.server", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path, help="write the port there when it is ready")
    parser.add_argument("--key", default="test-key", help="the key that clients must send; empty for none")
    parser.add_argument("--openai", action="store_true", help="have the shape of OpenAI's API, not OpenRouter's")
    parser.add_argument(
        "--text", action="append", help="a transcript; repeat for the next ones, the last one is repeated"
    )
    parser.add_argument("--reply", action="append", help="an answer of the chat; repeat likewise")
    parser.add_argument(
        "--wav", action="append", type=Path, help="the sound of speech, instead of a tone; repeat likewise"
    )
    parser.add_argument("--catalogue", action="store_true", help="list the presets' models")
    parser.add_argument("--transcribe-ms", type=float, default=0)
    parser.add_argument("--first-token-ms", type=float, default=0)
    parser.add_argument("--token-ms", type=float, default=0)
    parser.add_argument("--speak-ms", type=float, default=0)
    parser.add_argument(
        "--pace", type=float, default=0, help="send speech this many times faster than it is played; 0 for no limit"
    )
    parser.add_argument("--odd-pieces", action="store_true", help="send speech in chunks of odd numbers of bytes")
    parser.add_argument("--jitter-ms", type=float, default=0, help="delay chunks of streams by up to this")
    parser.add_argument("--seed", type=int, default=0, help="for the jitter and the odd chunks")
    help_ = "JSON lines of words and wav: clips are transcribed by the recordings found in them, texts spoken by them"
    parser.add_argument("--recordings", type=Path, help=help_)
    parser.add_argument("--status", type=int, help="refuse every POST with this status")
    help_ = "JSON of one long WAV and its words' places: clips cut from it are transcribed exactly"
    parser.add_argument("--track", type=Path, help=help_)
    parser.add_argument("--engine", choices=engine.NAMES, help="transcribe clips with a real recogniser")
    parser.add_argument("--socket-cut-s", type=float, help="break the first WebSocket after so much sound")
    parser.add_argument("--socket-refused", action="store_true", help="refuse every WebSocket with 404")
    parser.add_argument("--busy-every", type=int, default=0, metavar="N", help="answer every N-th POST with 429")
    parser.add_argument("--save-audio", type=Path, help="a folder for the clips that are posted: 0.wav, 1.wav, ...")
    parser.add_argument("--bodies", action="store_true", help="log the requests' bodies, with long strings shortened")
    return parser.parse_args()


def _script(arguments: argparse.Namespace) -> Script:
    script = Script(
        key=arguments.key or None,
        openai=arguments.openai,
        transcribe_s=arguments.transcribe_ms / 1000,
        first_token_s=arguments.first_token_ms / 1000,
        token_every_s=arguments.token_ms / 1000,
        speak_s=arguments.speak_ms / 1000,
        pace=arguments.pace,
        odd_pieces=arguments.odd_pieces,
        jitter_s=arguments.jitter_ms / 1000,
        seed=arguments.seed,
    )
    if arguments.status:
        script.fault = lambda *_: Fault(status=arguments.status)
    if arguments.recordings:
        recordings = Recordings.read(arguments.recordings)
        script.hear = recordings.hear
        script.voice = lambda text: recordings.speak(text, script.speech_rate_hz)
    if arguments.track:
        script.hear = Track.read(arguments.track).hear
    if arguments.engine:
        script.hear = engine.hearing(arguments.engine)
    if every := arguments.busy_every:
        script.fault = lambda _, number: Fault(status=429) if number % every == every - 1 else None
    if arguments.socket_cut_s is not None:
        script.socket_faults = [SocketFault(cut_after_s=arguments.socket_cut_s)]
    if arguments.socket_refused:
        script.socket_faults = [SocketFault(status=404)] * 1000
    script.catalogue = PRESETS if arguments.catalogue else ()
    script.texts = arguments.text or script.texts
    script.replies = arguments.reply or script.replies
    if arguments.wav:
        files = [wav_file(path) for path in arguments.wav]
        if len({file[1:] for file in files}) != 1:
            raise SystemExit("the WAVs differ in rate or channels")
        script.speech = [file[0] for file in files]
        script.speech_rate_hz, script.speech_channels = files[0][1:]
    return script


def _audio_s(request: Recorded) -> float | None:
    """The duration of the posted clip, if there is one."""
    if not request.path.endswith("/transcriptions") or request.broken:
        return None
    clip = rules.clip(request.body)
    return None if clip is None else parse_wav(clip).duration_s


def _shortened(body: object) -> object:
    if isinstance(body, dict):
        return {name: _shortened(value) for name, value in body.items()}
    if isinstance(body, list):
        return [_shortened(value) for value in body]
    return f"{body[:40]}… ({len(body)})" if isinstance(body, str) and len(body) > 400 else body


async def _main(arguments: argparse.Namespace) -> None:
    clips = count()

    def log(request: Recorded) -> None:
        if arguments.save_audio and request.path.endswith("/transcriptions") and not request.broken:
            clip = base64.b64decode(request.body["input_audio"]["data"])
            (arguments.save_audio / f"{next(clips)}.wav").write_bytes(clip)
        line: dict[str, object] = {
            "received_at": request.received_at,
            "first_byte_at": request.first_byte_at,
            "answered_at": request.answered_at,
            "words": request.words,
            "method": request.method,
            "path": request.path,
            "status": request.status,
            "received": len(request.raw),
            "audio_s": _audio_s(request),
            "sent": request.sent,
            "broken": request.broken,
            "gone": request.gone.is_set(),
        }
        if arguments.bodies:
            line["body"] = _shortened(request.body)
        print(json.dumps(line), flush=True)

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with open_server(_script(arguments), port=arguments.port, log=log) as server:
            print(json.dumps({"port": server.port, "url": server.url}), flush=True)
            if arguments.port_file:
                await trio.Path(arguments.port_file).write_text(f"{server.port}\n")
            async for _ in signals:
                return


trio.run(_main, _arguments())
