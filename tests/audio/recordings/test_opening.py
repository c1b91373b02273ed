"""Recordings as people have them: every kind gives the same sound, from files and pipes; broken ones one line each."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest

from testbed.recordings import KINDS, PICTURES_LONGER_S, Kind, pictures_only, recorded
from voiceloop.audio.recordings import decoding, source
from voiceloop.audio.recordings.opening import open_sound
from voiceloop.audio.wav import wav_bytes
from voiceloop.errors import BadAudioFile
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

LENGTH_S = 2.5


def chirp(length_s: float = LENGTH_S) -> bytes:
    """A tone that rises as speech does, so that its place in a recording is certain."""
    t = np.arange(round(length_s * CAPTURE_RATE_HZ)) / CAPTURE_RATE_HZ
    return bytes(np.rint(9_000 * np.sin(2 * np.pi * (300 * t + 250 * t**2))).astype("<i2").tobytes())


CHIRP = chirp()


def likeness(pcm: bytes, wanted: bytes = CHIRP) -> tuple[float, float]:
    """How much a recording is like what was recorded, up to 1, and how many seconds it is late."""
    heard, said = (np.frombuffer(sound, "<i2").astype(float) for sound in (pcm, wanted))
    size = 1 << (len(heard) + len(said)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size)))
    at = int(product.argmax())
    late = at - size if at > size // 2 else at
    return float(product.max() / np.sqrt((heard**2).sum() * (said**2).sum())), late / CAPTURE_RATE_HZ


def heard(path: Path) -> bytes:
    with open_sound(path, place="transcribe") as sound:
        return b"".join(iter(sound.read, b""))


@contextmanager
def piped(data: bytes, step: int = 10_000) -> Iterator[Path]:
    """A pipe that data comes out of, as the path of its reading end."""
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            try:
                for at in range(0, len(data), step):
                    file.write(data[at : at + step])
            except BrokenPipeError:
                pass

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield Path(f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        thread.join()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_what_was_recorded_from_a_file_and_from_a_pipe(name: str, tmp_path: Path) -> None:
    data = recorded(KINDS[name], CHIRP)
    (tmp_path / "x").write_bytes(data)
    with open_sound(tmp_path / "x", place="transcribe") as sound:
        pcm = b"".join(iter(sound.read, b""))
        assert sound.flaw == ""
        longer_s = PICTURES_LONGER_S if KINDS[name].video else 0
        assert sound.duration_s == pytest.approx(LENGTH_S + longer_s, abs=0.2)
    enough = 0.95 if name == "AMR" else 0.97  # made for the voice
    like, late_s = likeness(pcm)
    assert like > enough
    assert abs(late_s) < 0.05
    assert len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ == pytest.approx(LENGTH_S, abs=0.1)
    with piped(data) as path:
        like, late_s = likeness(heard(path))
    assert like > enough
    assert abs(late_s) < 0.05


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_wav_of_any_rate_and_layout_is_read_without_the_extra(
    rate_hz: int, channels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "is_installed", lambda: False)
    t = np.arange(round(LENGTH_S * rate_hz)) / rate_hz
    mono = np.rint(9_000 * np.sin(2 * np.pi * (300 * t + 250 * t**2))).astype("<i2")
    signs = [1, -1, 1, 1, -1, 1][:channels]
    data = bytearray(wav_bytes(np.stack([mono * sign for sign in signs], axis=1).tobytes(), rate_hz))
    data[22:24], data[32:34] = bytes((channels, 0)), bytes((2 * channels, 0))
    (tmp_path / "x.wav").write_bytes(data)
    pcm = heard(tmp_path / "x.wav")
    like, late_s = likeness(pcm)
    assert like > 0.99
    assert abs(late_s) < 0.001
    assert len(pcm) == len(CHIRP)
    with piped(bytes(data), step=777) as path:
        assert heard(path) == heard(tmp_path / "x.wav")


def test_without_the_extra_one_line_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "is_installed", lambda: False)
    (tmp_path / "talk.m4a").write_bytes(recorded(KINDS["M4A, its index at the end"], CHIRP))
    with pytest.raises(BadAudioFile) as caught:
        heard(tmp_path / "talk.m4a")
    line = str(caught.value)
    assert line.startswith(f"transcribe: {tmp_path / 'talk.m4a'} is MP4, not a WAV file of plain samples. ")
    assert "pip install 'voiceloop[files]'" in line
    assert "\n" not in line


def test_a_wav_that_is_compressed_names_the_extra_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "is_installed", lambda: False)
    (tmp_path / "x.wav").write_bytes(recorded(KINDS["A-law WAV"], CHIRP))
    with pytest.raises(BadAudioFile, match=r"is WAV, not a WAV file of plain samples\..*voiceloop\[files\]"):
        heard(tmp_path / "x.wav")


def test_sound_that_begins_late_in_a_film_keeps_its_time(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(recorded(KINDS["MP4 with pictures"], CHIRP, begins_s=1.5))
    assert likeness(heard(tmp_path / "x"))[1] == pytest.approx(1.5, abs=0.05)


def test_where_nothing_was_recorded_is_silence(tmp_path: Path) -> None:
    mono = replace(KINDS["WebM"], codec="libopus")
    (tmp_path / "x").write_bytes(recorded(mono, CHIRP, gap=(1.0, 4.0)))
    pcm = heard(tmp_path / "x")
    assert len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ == pytest.approx(LENGTH_S + 4, abs=0.1)
    cut = CAPTURE_RATE_HZ * SAMPLE_BYTES
    assert likeness(pcm[: 5 * cut], CHIRP[:cut])[1] == pytest.approx(0, abs=0.05)
    assert likeness(pcm[5 * cut :], CHIRP[cut:])[1] == pytest.approx(0, abs=0.05)


def test_tags_in_another_encoding_are_no_reason_to_read_nothing(tmp_path: Path) -> None:
    tag = b"COMM\0\0\0\x09\0\0\x03eng\0\xff\xfe\xe4\xf6"
    comment = b"TIT2\0\0\0\x05\0\0\x03\xff\xe4\xf6\xfc"
    body = comment + tag
    data = b"ID3\x04\0\0" + bytes((0, 0, 0, len(body))) + body + recorded(KINDS["MP3"], CHIRP)[45:]
    (tmp_path / "x.mp3").write_bytes(data)
    assert likeness(heard(tmp_path / "x.mp3"))[0] > 0.97


def test_a_jump_of_days_is_a_broken_clock_and_no_silence(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(recorded(KINDS["WebM"], CHIRP, gap=(1.0, 400_000.0)))
    assert len(heard(tmp_path / "x")) / SAMPLE_BYTES / CAPTURE_RATE_HZ == pytest.approx(LENGTH_S, abs=0.1)


@pytest.mark.parametrize(
    ("name", "kept", "flaw"),
    [
        ("M4A, its index in front", 0.5, "is cut off: 1.2 of 2.5 s are there, and are used"),
        ("FLAC", 0.5, "is cut off: 0.9 of 2.5 s are there, and are used"),
        ("MP3", 0.5, ""),
        ("Ogg Opus", 0.5, ""),
        ("WebM", 0.5, ""),
    ],
)
def test_a_recording_that_is_cut_off_is_read_as_far_as_it_goes(
    name: str, kept: float, flaw: str, tmp_path: Path
) -> None:
    data = recorded(KINDS[name], CHIRP)
    (tmp_path / "x").write_bytes(data[: round(len(data) * kept)])
    with open_sound(tmp_path / "x", place="transcribe") as sound:
        pcm = b"".join(iter(sound.read, b""))
        assert flaw in sound.flaw
    assert 0.5 < len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ < 2
    assert likeness(pcm, CHIRP[: len(pcm)])[0] > 0.9


def test_a_recording_that_is_damaged_is_used_and_says_so(tmp_path: Path) -> None:
    data = bytearray(recorded(KINDS["M4A, its index in front"], CHIRP))
    at = len(data) // 2
    data[at : at + 3_000] = bytes(range(250)) * 12
    (tmp_path / "x").write_bytes(data)
    with open_sound(tmp_path / "x", place="transcribe") as sound:
        pcm = b"".join(iter(sound.read, b""))
        assert sound.flaw == "is damaged: what can be decoded of it is used"
    assert len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ > 2


def scrambled() -> bytes:
    """An M4A of which every sound is something else, as with a lock on it."""
    data = bytearray(recorded(KINDS["M4A, its index at the end"], CHIRP))
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = (bytes(range(255, 0, -1)) * (len(data) // 255 + 1))[: end - start]
    return bytes(data)


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: b"", "is empty"),
        (lambda: b"Dear Sir or Madam, " * 500, "is not a WAV file, nor another recording that can be read"),
        (lambda: cut_off(recorded(KINDS["M4A, its index at the end"], CHIRP)), "is MP4 without an index"),
        (lambda: b"\xff\xfb\x90\x64" + bytes(4_000), ""),
        (lambda: b"OggS" + bytes(range(256)) * 20, "is Ogg that can't be decoded: "),
        (lambda: wav_bytes(b"", 16_000), "has no samples"),
        (lambda: wav_bytes(CHIRP, 1), "says that its sample rate is 1 Hz; 1000 to 768000 Hz are read"),
        (lambda: wav_bytes(CHIRP, 0), "has a broken header: no channels or no rate"),
        (lambda: recorded(KINDS["A-law WAV"], CHIRP).replace(b"\x40\x1f\0\0", b"\1\0\0\0"), "sample rate is 1 Hz"),
        (pictures_only, "holds no sound"),
        (scrambled, "can't be decoded: it is damaged, or copy-protected"),
    ],
    ids=[
        "empty",
        "text",
        "M4A cut off",
        "one frame",
        "Ogg",
        "no samples",
        "1 Hz",
        "0 Hz",
        "A-law, 1 Hz",
        "pictures",
        "locked",
    ],
)
def test_what_cannot_be_read_is_one_line(make: Callable[[], bytes], what: str, tmp_path: Path) -> None:
    path = tmp_path / "talk"
    path.write_bytes(make())
    with pytest.raises(BadAudioFile) as caught:
        heard(path)
    assert str(caught.value).startswith(f"transcribe: {path} {what}") or what in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("path", "what"),
    [("none.wav", "can't be read: no such file or directory"), (".", "can't be read: is a directory")],
)
def test_what_is_no_file_is_one_line(path: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(BadAudioFile, match=what):
        heard(tmp_path / path)
    with pytest.raises(BadAudioFile, match=r"/dev/zero is a device, not a file\. Name a file"):
        heard(Path("/dev/zero"))


class _Asked(BaseHTTPRequestHandler):
    paths: list[str]

    def do_GET(self) -> None:
        self.paths.append(self.path)
        self.send_error(404)


def test_a_playlist_opens_no_address_and_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.mp3").write_bytes(recorded(KINDS["MP3"], CHIRP))
    _Asked.paths = []
    with HTTPServer(("127.0.0.1", 0), _Asked) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/x.mp3"
        playlists = [
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n",
            f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path / 'secret.mp3'}\n#EXT-X-ENDLIST\n",
            f"ffconcat version 1.0\nfile '{tmp_path / 'secret.mp3'}'\n",
            f"ffconcat version 1.0\nfile '{address}'\n",
        ]
        for number, text in enumerate(playlists):
            path = tmp_path / f"{number}.m3u8"
            path.write_text(text)
            with pytest.raises(BadAudioFile, match="is not a WAV file, nor another recording"):
                heard(path)
        server.shutdown()
        thread.join()
    assert _Asked.paths == []


def test_the_name_of_a_file_is_never_taken_for_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b", "talk: 1.mp3", "-", "http:"):
        (tmp_path / name).write_bytes(recorded(KINDS["MP3 of speech"], CHIRP))
        assert likeness(heard(Path(f"./{name}") if name != "-" else tmp_path / "-"))[0] > 0.97


def test_a_pipe_that_needs_a_file_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SPOOL_LIMIT", 10_000)
    data = recorded(KINDS["M4A, its index at the end"], CHIRP)
    with piped(data) as path, pytest.raises(BadAudioFile, match=r"is longer than .*, and its kind can't be read as it"):
        heard(path)
    with piped(recorded(KINDS["M4A, its index in front"], CHIRP)) as path:
        assert likeness(heard(path))[0] > 0.97


def test_what_is_kept_of_a_pipe_has_no_name_and_lies_where_tmpdir_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = recorded(KINDS["M4A, its index at the end"], CHIRP)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with piped(data) as path, open_sound(path, place="x") as sound:
        assert list(tmp_path.iterdir()) == []
        assert likeness(b"".join(iter(sound.read, b"")))[0] > 0.97
    monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with (
        piped(data) as path,
        pytest.raises(BadAudioFile, match=r"can't be kept in .*no such file or directory\. Free some space, or set"),
    ):
        heard(path)


def test_a_live_pipe_is_read_as_it_comes() -> None:
    data = wav_bytes(CHIRP, 16_000)
    reading, writing = os.pipe()
    os.write(writing, data[:20_000])
    with open_sound(Path(f"/dev/fd/{reading}"), place="x") as sound:
        first = sound.read()
        assert CHIRP.startswith(first)
        assert len(first) > 3_000
        os.write(writing, data[20_000:])
        os.close(writing)
        assert first + b"".join(iter(sound.read, b"")) == CHIRP
    os.close(reading)


@pytest.mark.parametrize(
    "kind", [KINDS["MP3"], KINDS["AAC"], Kind("ogg", "libopus", 48_000)], ids=["MP3", "AAC", "Ogg"]
)
def test_a_live_pipe_of_compressed_sound_is_read_as_it_comes(kind: Kind) -> None:
    data = recorded(kind, chirp(20))
    reading, writing = os.pipe()
    sent = threading.Event()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as file:
            file.write(data[: len(data) // 2])
            sent.wait(30)
            file.write(data[len(data) // 2 :])

    thread = threading.Thread(target=write)
    thread.start()
    with open_sound(Path(f"/dev/fd/{reading}"), place="x") as sound:
        assert sound.read()
        sent.set()
        assert sum(map(len, iter(sound.read, b""))) > 19 * CAPTURE_RATE_HZ * SAMPLE_BYTES
    thread.join()
    os.close(reading)
