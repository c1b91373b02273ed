"""WAV files, and speech as servers send it: whole, and in pieces cut anywhere."""

from __future__ import annotations

import struct
from random import Random

from bench.fuzz.family import Family
from bench.fuzz.mutating import data, pieces
from bench.fuzz.texts import name
from voiceloop.audio.wav import parse_wav, wav_bytes
from voiceloop.errors import BadAudioFile
from voiceloop.speak.mp3 import frames, join
from voiceloop.speak.pcm_stream import NotSpeech, SpeechParser, announced
from voiceloop.types import CAPTURE_RATE_HZ, Speech

_SOUND = struct.pack("<800h", *(at * 977 % 30_000 - 15_000 for at in range(800)))


def _chunk(title: bytes, body: bytes) -> bytes:
    return title + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _wav(kind: int, bits: int, channels: int, rate_hz: int, *more: bytes) -> bytes:
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", kind, channels, rate_hz, rate_hz * frame, frame, bits)
    body = b"WAVE" + b"".join((_chunk(b"fmt ", form), *more, _chunk(b"data", _SOUND[: 96 * frame])))
    return b"RIFF" + struct.pack("<I", len(body)) + body


_PLAIN = wav_bytes(_SOUND, 24_000)
_FRAME = bytes((0xFF, 0xFB, 0x90, 0x00)) + bytes(413)
BODIES = (
    _PLAIN,
    *(_wav(1, bits, channels, 44_100) for bits in (8, 16, 24, 32) for channels in (1, 2)),
    *(_wav(3, bits, 1, 8_000) for bits in (32, 64)),
    _wav(0xFFFE, 16, 6, 192_000, _chunk(b"LIST", b"INFOISFT\5\0\0\0Lavf\0")),
    b"RF64\xff\xff\xff\xffWAVE" + _chunk(b"ds64", bytes(28)) + _PLAIN[12:40] + b"\xff\xff\xff\xff" + _SOUND,
    _PLAIN + _chunk(b"LIST", b"odd") + _PLAIN,
    _PLAIN[:40] + b"\0\0\0\0" + _SOUND,
    _SOUND,
    b"ID3\4\0\0\0\0\0\0" + _FRAME * 4,
    _FRAME * 4,
    b'{"error": {"message": "no voice", "code": 400}}',
)
_KINDS = (
    *(
        "audio/pcm",
        "audio/pcm;rate=24000;channels=2",
        "audio/wav",
        "application/octet-stream",
        "",
        "audio/l16; rate=48000",
    ),
    *('audio/pcm; rate="24000"', "audio/pcm; rate*=utf-8''24000", "text/html", "audio/mpeg"),
)


def _file(random: Random) -> None:
    body = data(random, random.choice(BODIES), BODIES)
    try:
        wav = parse_wav(body)
    except BadAudioFile:
        return
    assert wav.pcm
    assert len(wav.pcm) % 2 == 0
    if wav.duration_s < 60:
        assert len(wav.at(CAPTURE_RATE_HZ)) % 2 == 0


def _spoken(body: list[bytes], kind: str) -> list[Speech] | str:
    """What is heard of a body, or what its error says."""
    heard: list[Speech] = []
    try:
        parser = SpeechParser(announced(kind))
        for piece in body:
            heard += parser.feed(piece)
        heard += parser.end()
    except NotSpeech as error:
        return str(error)
    assert all(len(speech.pcm) % 2 == 0 and speech.pcm and 4_000 <= speech.rate_hz <= 192_000 for speech in heard)
    assert parser.samples == sum(len(speech.pcm) // 2 for speech in heard)
    return heard


def _sound(heard: list[Speech] | str) -> list[tuple[int, bytes]] | str:
    """The sound by its rate: cutting the body elsewhere may cut it elsewhere, and changes nothing else."""
    if isinstance(heard, str):
        return heard
    found: list[tuple[int, bytearray]] = []
    for speech in heard:
        if found and found[-1][0] == speech.rate_hz:
            found[-1][1].extend(speech.pcm)
        else:
            found.append((speech.rate_hz, bytearray(speech.pcm)))
    return [(rate_hz, bytes(pcm)) for rate_hz, pcm in found]


def _speech(random: Random) -> None:
    body = data(random, random.choice(BODIES), BODIES)
    kind = random.choice(_KINDS) if random.random() < 0.8 else name(random)
    whole, cut = _sound(_spoken([body], kind)), _sound(_spoken(pieces(random, body), kind))
    # An error tells as much as had come: only whether there is one must be the same.
    assert whole == cut or (isinstance(whole, str) and isinstance(cut, str))


def _mp3(random: Random) -> None:
    parts = [data(random, random.choice(BODIES), BODIES) for _ in range(random.randint(1, 3))]
    joined = join(parts)
    assert len(joined) <= sum(map(len, parts))
    assert len(frames(parts[0])) <= len(parts[0])


FAMILIES = (
    Family("wav", "WAV files of every format", _file),
    Family("speech", "bodies of /audio/speech, cut anywhere", _speech),
    Family("mp3", "MP3 files that are joined", _mp3),
)
