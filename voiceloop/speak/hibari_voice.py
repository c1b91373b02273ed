"""A voice of hibari: text → phonemes → sound, one piece at a time. Blocking; knows no task and opens no socket.

The package is used below its class `Hibari`, because that one fetches voices unasked and loads the dictionaries as
Python objects (`hibari_lexicon.py`). What is used: `g2p.G2P` over our dictionaries, `dsp.synth`, and the files.
"""

from __future__ import annotations

import gzip
import json
import zlib
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceloop.audio.audible import first_audible
from voiceloop.errors import ConfigError, EngineError
from voiceloop.inference.onnx import first_line, open_session
from voiceloop.speak.hibari_lexicon import PackedJson
from voiceloop.system.paths import expanded
from voiceloop.transcribe.embedded.places import is_there, user_models

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = 'speak.use = "hibari"'
RATE_HZ = 24_000
LONGEST_PHONEMES = 250
"""What the model sees at once: its memory grows with it. A piece has more than this only if it is full of numbers."""
_VERSION = "0.2."
_REINSTALL = "Install it again: pip install --force-reinstall 'hibari-tts>=0.2.1,<0.3'"
_INPUTS, _OUTPUTS = {"ids", "speed"}, 6
_TRIAL = "Hello, it's 7:05 pm and 20 °C in Zyxwvut."
"""Uses the dictionaries, the numbers and the network for unknown words."""


class Voice:
    """A loaded voice. Not thread-safe: one call at a time."""

    def __init__(self, model: Path, *, british: bool) -> None:
        """Load it (0.5 s). Raises EngineError, and ConfigError if `model` is no voice."""
        assets = _assets()
        try:
            self._g2p = _g2p(assets, british=british)
            self._ids: dict[str, int] = json.loads((assets / "vocab.json").read_text(encoding="utf-8"))
        except (OSError, EOFError, ValueError, KeyError, zlib.error) as error:
            raise EngineError(
                f"hibari's dictionaries can't be read: {error}", place=PLACE, remedy=_REINSTALL
            ) from error
        self._session = _model(model)

    def warm(self) -> None:
        """Speak once into the void: the first call is slower, and shows whether the model works. Raises ConfigError,
        and EngineError when there is too little memory."""
        try:
            sound = [self.sound(phonemes) for phonemes in self.phonemes(_TRIAL)]
        except EngineError as error:
            if _lacks_memory(error):
                raise
            raise ConfigError([f"speak.voice: the voice does not speak: {error.what}"]) from error
        if all(first_audible(pcm, RATE_HZ) is None for pcm in sound):
            raise ConfigError(["speak.voice: the voice is silent: it is not one of hibari's"])

    def phonemes(self, text: str) -> list[str]:
        """The phonemes of `text`, in parts that the model can speak. Empty if nothing of it can be pronounced.

        Raises EngineError if the package fails at the text.
        """
        try:
            spoken: str = self._g2p(text)
        except Exception as error:  # the package's own, and ONNX Runtime's, which have no class in common
            raise _failed("read", error) from error
        return list(parts(spoken, LONGEST_PHONEMES)) if any(char.isalpha() for char in spoken) else []

    def sound(self, phonemes: str, speed: float = 1.0) -> bytes:
        """The sound of one part: int16, mono, `RATE_HZ`. The same phonemes always give the same samples.

        Raises EngineError if the model fails.
        """
        import numpy as np
        from hibari import dsp

        ids = [0, *(self._ids[char] for char in phonemes if char in self._ids), 0]
        given = {"ids": np.asarray([ids], np.int64), "speed": np.asarray([speed], np.float32)}
        try:
            spectrum = [output[0] for output in self._session.run(None, given)]
            wave = dsp.synth(*spectrum, np.random.default_rng(0))
        except Exception as error:  # the package's own, and ONNX Runtime's, which have no class in common
            raise _failed("speak", error) from error
        pcm: bytes = (np.clip(wave, -1.0, 1.0) * 32_767.0).astype("<i2").tobytes()
        return pcm


def _failed(what: str, error: Exception) -> EngineError:
    """The error for a text that can't be read or spoken."""
    problem = f"hibari can't {what} a text ({type(error).__name__}: {first_line(error)})"
    return EngineError(problem, place=PLACE, remedy="The next text is tried again")


def _lacks_memory(error: EngineError) -> bool:
    return "bad_alloc" in error.what or isinstance(error.__cause__, MemoryError)


def parts(phonemes: str, longest: int) -> Iterator[str]:
    """`phonemes`, cut between words into parts of at most `longest`."""
    while len(phonemes) > longest:
        at = phonemes.rfind(" ", 1, longest + 1)
        at = at if at > 0 else longest
        yield phonemes[:at]
        phonemes = phonemes[at:].lstrip()
    if phonemes:
        yield phonemes


def find_voice(name: str) -> Path:
    """The model of a voice: its name, or a path. Raises ConfigError."""
    path = expanded(name)
    if path.suffix == ".onnx" or len(path.parts) > 1:
        if path.is_file():
            return path
        raise ConfigError([f"speak.voice: there is no file '{path}'"])
    from hibari.voices import VOICES, voice_path

    if name not in VOICES:
        names = ", ".join(VOICES)
        raise ConfigError([f"speak.voice: hibari has no voice '{name}'. It has: {names}; or give the path of an .onnx"])
    try:
        return Path(voice_path(name, download_missing=False))
    except FileNotFoundError:
        fetched = user_models() / name / str(VOICES[name]["file"])
        if is_there(fetched):
            return fetched
        fetch = f"Fetch it once, 8 MB: voiceloop models get {name}"
        raise ConfigError([f"speak.voice: the voice '{name}' is not on this machine. {fetch}"]) from None


def installed_voices() -> dict[str, Path]:
    """The voices on this machine by name, with the paths of their models; empty without the package."""
    if find_spec("hibari") is None:
        return {}
    from hibari.voices import VOICES

    found: dict[str, Path] = {}
    for name in VOICES:
        with suppress(ConfigError):  # it is not there
            found[name] = find_voice(name)
    return found


def is_british(name: str) -> bool:
    """Whether the voice of this name speaks British English. A voice given by its path does not."""
    from hibari.voices import VOICES

    return bool(VOICES.get(name, {}).get("british"))


def _assets() -> Path:
    """The folder of the package's files. Raises EngineError if the package is not one that is known here."""
    import hibari

    if not hibari.__version__.startswith(_VERSION):
        problem = f"hibari-tts {hibari.__version__} is not known to this version of voiceloop"
        raise EngineError(problem, place=PLACE, remedy="Install the known one: pip install 'hibari-tts>=0.2.1,<0.3'")
    return Path(hibari.__file__).with_name("assets")


def _g2p(assets: Path, *, british: bool) -> Any:
    """The package's conversion of text to phonemes, over packed dictionaries."""
    from hibari.g2p import G2P
    from hibari.g2p.lexicon import Lexicon
    from hibari.g2p.oov import OOV
    from hibari.g2p.tokenize import Tokenizer

    accent = "gb" if british else "us"
    unknown = assets / ("oov_gb.onnx" if british else "oov.onnx")
    gold, silver = (PackedJson(_unpacked(assets / f"lexicon_{accent}_{kind}.json.gz")) for kind in ("gold", "silver"))
    g2p = G2P.__new__(G2P)  # its __init__ would load them as objects
    g2p.lexicon = Lexicon(gold, silver, british)
    g2p.tokenizer = Tokenizer(json.loads((assets / "tokenizer_exceptions.json").read_text(encoding="utf-8")))
    g2p.tagger = _tagger(_unpacked(assets / "tagger.json.gz"))
    g2p.unk, g2p.british = "", british
    g2p._oov = OOV(str(unknown), open_session(unknown, place=PLACE, remedy=_REINSTALL))
    return g2p


def _tagger(text: bytes) -> Any:
    from hibari.g2p.tagger import Tagger

    def listed(name: str) -> list[str]:
        begin = _member(name, "[")
        items: list[str] = json.loads(text[begin : text.index(b'],"', begin) + 1])
        return items

    def _member(name: str, opening: str) -> int:
        return text.index(f'"{name}":{opening}'.encode()) + len(name) + 3

    return Tagger(
        {
            "tagdict": PackedJson(text, _member("tagdict", "{")),
            "tags": listed("tags"),
            "vocab": listed("vocab"),
            "weights": PackedJson(text, _member("weights", "{")),
        }
    )


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _model(path: Path) -> Any:
    """The session of a voice's model. Raises ConfigError if the file is no voice of hibari."""
    try:
        session = open_session(path, place=PLACE, remedy=_REINSTALL)
    except EngineError as error:
        if _lacks_memory(error):
            raise
        raise ConfigError([f"speak.voice: {error.what}"]) from error
    if {put.name for put in session.get_inputs()} != _INPUTS or len(session.get_outputs()) != _OUTPUTS:
        raise ConfigError([f"speak.voice: '{path}' is not a voice of hibari"])
    return session
