"""Recordings of many kinds for tests, made by PyAV's own encoders."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

PICTURES_LONGER_S = 3.0
_PIECE = 10 * CAPTURE_RATE_HZ * SAMPLE_BYTES


@dataclass(frozen=True, slots=True)
class Kind:
    """A container and a codec, as FFmpeg names them."""

    container: str
    codec: str
    rate_hz: int = 44_100
    layout: str = "stereo"
    options: Mapping[str, str] = field(default_factory=dict)
    bit_rate: int | None = None
    video: bool = False
    """Whether it has pictures, which go on for a time after the sound."""


KINDS = {
    "M4A, its index at the end": Kind("ipod", "aac"),
    "M4A, its index in front": Kind("ipod", "aac", options={"movflags": "faststart"}),
    "MP4 in fragments": Kind("mp4", "aac", options={"movflags": "frag_keyframe+empty_moov"}),
    "ALAC": Kind("ipod", "alac"),
    "AAC": Kind("adts", "aac"),
    "MP3": Kind("mp3", "libmp3lame"),
    "MP3 of speech": Kind("mp3", "libmp3lame", 16_000, "mono"),
    "Ogg Opus": Kind("ogg", "libopus", 48_000),
    "Ogg Vorbis": Kind("ogg", "vorbis", options={"strict": "experimental"}),
    "FLAC": Kind("flac", "flac"),
    "WebM": Kind("webm", "libopus", 48_000, "mono"),
    "MP4 with pictures": Kind("mp4", "aac", video=True),
    "MOV": Kind("mov", "aac", video=True),
    "WMA": Kind("asf", "wmav2", bit_rate=128_000),
    "A-law WAV": Kind("wav", "pcm_alaw", 8_000, "mono"),
    "µ-law WAV": Kind("wav", "pcm_mulaw", 8_000, "mono"),
    "ADPCM WAV": Kind("wav", "adpcm_ms", 22_050, "mono"),
    "IMA ADPCM WAV": Kind("wav", "adpcm_ima_wav", 22_050, "mono"),
    "G.722 WAV": Kind("wav", "g722", 16_000, "mono"),
    "AMR": Kind("amr", "libopencore_amrnb", 8_000, "mono", bit_rate=12_200),
    "CAF": Kind("caf", "pcm_s16be"),
    "CAF of ALAC": Kind("caf", "alac"),
    "AIFF": Kind("aiff", "pcm_s16be"),
}


def recorded(kind: Kind, pcm: bytes, *, begins_s: float = 0.0, gap: tuple[float, float] | None = None) -> bytes:
    """Encode samples (int16, mono, 16 kHz). `begins_s`: the time of the first one; `gap`: at this time nothing is
    recorded for so long. Skips the test where PyAV was built without the encoder."""
    if not _can_encode(kind.codec):
        pytest.skip(f"this build of PyAV has no encoder {kind.codec}")
    with TemporaryDirectory() as folder:
        path = Path(folder, "recording")  # a name, because FFmpeg opens it a second time to move an index in front
        with av.open(str(path), "w", format=kind.container, container_options=dict(kind.options)) as container:
            _encode(container, kind, pcm, begins_s, gap)
        return path.read_bytes()


def _can_encode(codec: str) -> bool:
    try:
        return av.Codec(codec, "w").is_encoder
    except av.codec.codec.UnknownCodecError:
        return False


def _encode(container: Any, kind: Kind, pcm: bytes, begins_s: float, gap: tuple[float, float] | None) -> None:
    stream = container.add_stream(kind.codec, rate=kind.rate_hz, layout=kind.layout, options=dict(kind.options))
    if kind.bit_rate:
        stream.bit_rate = kind.bit_rate
    if kind.video:
        _add_pictures(container, len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ + PICTURES_LONGER_S)
    resampler = av.AudioResampler(stream.format, kind.layout, kind.rate_hz, frame_size=stream.frame_size or 1_024)
    frames = (_frame(pcm, at) for at in range(0, len(pcm), _PIECE))  # FFmpeg resamples no hour at once
    for frame in [frame for piece in [*frames, None] for frame in resampler.resample(piece)]:
        assert frame.pts is not None
        assert frame.time_base is not None
        at_s = float(frame.pts * frame.time_base)
        late_s = gap[1] if gap and at_s >= gap[0] else 0.0
        frame.pts = round((at_s + begins_s + late_s) / frame.time_base)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _add_pictures(container: Any, length_s: float) -> None:
    picture = container.add_stream("mpeg4", rate=10, width=64, height=48)
    picture.pix_fmt = "yuv420p"
    for number in range(round(length_s * 10)):
        frame = av.VideoFrame(64, 48, "yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, 10)
        container.mux(picture.encode(frame))
    container.mux(picture.encode(None))


def pictures_only() -> bytes:
    """A film without sound."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        _add_pictures(container, 1.0)
    return file.getvalue()


def _frame(pcm: bytes, at: int) -> av.AudioFrame:
    samples: NDArray[np.int16] = np.frombuffer(pcm[at : at + _PIECE], "<i2").reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
    frame.sample_rate = CAPTURE_RATE_HZ
    frame.pts, frame.time_base = at // SAMPLE_BYTES, Fraction(1, CAPTURE_RATE_HZ)
    return frame
