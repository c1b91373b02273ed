"""The recogniser that runs Whisper: an encoder over a window of the clip, then a beam search for the tokens.

    clip -> mel spectrogram -> window --encoder--> states --search--> tokens -> text
                               |____|                 \\__ align __-> times of the words
                               clip and MARGIN_S of silence, at most 30 s

Whisper was trained on windows of 30 s, and the library always fills them up. Most of the time for a short clip would
be spent on that silence, so the window is only as long as the clip needs. A text that looks doubtful (it repeats
itself, or the model is unsure) is searched for once more in a whole window. The library would search up to six times,
at random.

Source: "Robust Speech Recognition via Large-Scale Weak Supervision", Radford et al., 2022; limits from its code.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceloop.errors import ConfigError, EngineError
from voiceloop.inference.onnx import first_line
from voiceloop.transcribe.embedded.exiting import before_exit
from voiceloop.transcribe.embedded.recogniser import Call, GivenUp, Recognised
from voiceloop.types import CAPTURE_RATE_HZ, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLACE = 'transcribe.use = "whisper"'
FRAMES_PER_S = 100
WHOLE = 30 * FRAMES_PER_S
"""Frames of a whole window."""
MARGIN_S = 2.0
"""Silence after the clip. Without it, the text is repeated."""
LEAST_WINDOW_S = 15.0
"""The shortest window."""
SHORTEST_S = 0.06
"""Shorter clips hold no word."""
REPETITIVE = 2.4
"""How far a text can be compressed before it counts as a repetition."""
UNSURE = -1.0
"""The mean logarithm of the tokens' probabilities below which a text is doubtful."""
NO_SPEECH = 0.6
"""The no-speech score from which nobody speaks, if the text is doubtful, too."""
TOKENS_PER_S, MORE_TOKENS = {"en": 8}, 16
"""The most tokens of a text, by its length and its language: a search that is caught in a loop ends."""
_TOKENS_PER_S = 25
"""The same for other languages: some need three tokens for a letter."""
_LONGEST = 448
"""Tokens of the longest prompt and text together."""
_BEFORE, _AFTER = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
"""Marks that belong to the next word, and to the one before."""


@dataclass(frozen=True, slots=True)
class Search:
    """How a model is loaded and asked. `threads` is of the processor; a `language` of None is detected."""

    device: str
    compute_type: str
    threads: int = 1
    language: str | None = None
    hotwords: str | None = None
    beam_size: int = 1
    word_times: bool = True
    window_s: float = LEAST_WINDOW_S


@dataclass(frozen=True, slots=True)
class _Found:
    """The result of one search."""

    ids: Sequence[int]
    text: str
    average: float
    """The mean logarithm of the tokens' probabilities."""
    no_speech: float
    states: Any
    """The encoder's output, from which the times of the words are computed."""
    tokenizer: Any

    @property
    def doubtful(self) -> bool:
        """Whether the text repeats itself, or the model is unsure of it, but not because nobody speaks."""
        data = self.text.encode()
        unsure = self.average < UNSURE and self.no_speech <= NO_SPEECH
        return unsure or len(data) > REPETITIVE * len(zlib.compress(data))


class WhisperRecogniser:
    """A loaded model. One call at a time: a second one would only make both slower."""

    at_once = 1
    longest_s = 30.0

    def __init__(self, folder: Path, name: str, search: Search) -> None:
        """Load the model and try it on a second of silence. Raises `EngineError`, and `ConfigError` for a language that
        it doesn't know."""
        import ctranslate2
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        ctranslate2.set_log_level(40)  # logging.ERROR: it would warn of conversions that are wanted
        self._name, self._search = name, search
        try:
            self._model: Any = WhisperModel(
                str(folder),
                device=search.device,
                compute_type=search.compute_type,
                cpu_threads=search.threads,
                num_workers=1,
                local_files_only=True,
            )
        except Exception as error:  # CTranslate2 and tokenizers raise RuntimeError, ValueError and Exception itself
            raise self._cant_load(folder, error) from error
        self.english_only = not self._model.model.is_multilingual
        self.languages: frozenset[str] = frozenset(self._model.supported_languages)
        check_language(name, search.language, known=self.languages)
        self._tokenizer = Tokenizer
        try:
            import numpy as np

            self.recognise(np.zeros(CAPTURE_RATE_HZ, np.float32), Call())
        except EngineError as error:
            raise self._cant_load(folder, error.__cause__ or error) from error

    def __str__(self) -> str:
        where = "on this machine" if self._search.device == "cpu" else "on this machine's graphics card"
        return f"Whisper {self._name}, {where}"

    def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
        """The text of a clip of up to 30 s (float32, mono, 16 kHz, shape (n,)), with the model's language, confidence
        and no-speech score. NaN and infinite samples count as silence."""
        import numpy as np

        if len(samples) < SHORTEST_S * CAPTURE_RATE_HZ:
            return Recognised("")
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        try:
            with before_exit():
                return self._recognise(samples, call)
        except GivenUp:
            raise
        except Exception as error:  # CTranslate2 raises RuntimeError and ValueError, tokenizers Exception itself
            raise EngineError(f"Whisper failed: {first_line(error)}", place=PLACE, remedy="Say it again") from error

    def _recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
        features = self._model.feature_extractor(samples)[:, :WHOLE]
        found = self._first_certain(features, len(samples) / CAPTURE_RATE_HZ, call)
        call.check()
        text = found.text.strip()
        if not any(char.isalnum() for char in text):  # silence is often transcribed as "."
            return Recognised("", no_speech=found.no_speech, language=found.tokenizer.language_code)
        return Recognised(
            text,
            words=self._words(found, frames=features.shape[1]) if self._search.word_times else (),
            confidence=min(1.0, math.exp(found.average)) if found.ids else None,
            no_speech=found.no_speech,
            language=found.tokenizer.language_code,
        )

    def _first_certain(self, features: NDArray[np.float32], seconds: float, call: Call) -> _Found:
        """The result of the first window in which it is not doubtful, or of the last one."""
        *shorter, whole = windows(seconds, self._search.window_s)
        for frames in shorter:
            found = self._find(features, frames, seconds, call)
            if not found.doubtful:
                return found
        return self._find(features, whole, seconds, call)

    def _find(self, features: NDArray[np.float32], frames: int, seconds: float, call: Call) -> _Found:
        """Search in a window of some frames. The native calls can't be stopped, so `call` is looked at between them."""
        call.check()
        states = self._model.encode(_padded(features, frames))
        call.check()
        tokenizer = self._tokenizer_for(states)
        prompt = self._model.get_prompt(tokenizer, [], without_timestamps=True, hotwords=self._search.hotwords)
        most = math.ceil(seconds * TOKENS_PER_S.get(tokenizer.language_code, _TOKENS_PER_S)) + MORE_TOKENS
        result = self._model.model.generate(
            states,
            [prompt],
            beam_size=self._search.beam_size,
            # CTranslate2 makes at most half of this many tokens, and fewer where the prompt leaves less room.
            max_length=min(_LONGEST, max(len(prompt) + most, 2 * most)),
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        ids = result.sequences_ids[0]
        # The score is the mean over the tokens of the text; the end's token has a probability, too.
        average = result.scores[0] * len(ids) / (len(ids) + 1)
        return _Found(ids, tokenizer.decode(ids), average, result.no_speech_prob, states, tokenizer)

    def _tokenizer_for(self, states: Any) -> Any:
        """The tokenizer for the language that is set, or else for the one that the model detects."""
        multilingual, language = self._model.model.is_multilingual, self._search.language
        if multilingual and language is None:
            language = self._model.model.detect_language(states)[0][0][0].strip("<|>")
        return self._tokenizer(self._model.hf_tokenizer, multilingual, task="transcribe", language=language)

    def _words(self, found: _Found, *, frames: int) -> tuple[Word, ...]:
        from faster_whisper.transcribe import merge_punctuations

        ids = [number for number in found.ids if number < found.tokenizer.eot]
        rows = self._model.find_alignment(found.tokenizer, [ids], found.states, frames)[0] if ids else []
        merge_punctuations(rows, _BEFORE, _AFTER)
        return tuple(
            Word(row["word"].strip(), float(row["start"]), float(row["end"]), float(row["probability"]))
            for row in rows
            if row["word"].strip()
        )

    def _cant_load(self, folder: Path, error: BaseException) -> EngineError:
        where = "" if self._search.device == "cpu" else f" on '{self._search.device}'"
        return EngineError(
            f"{folder} can't be loaded{where}: {first_line(error)}",
            place=PLACE,
            remedy="The files may be incomplete: fetch or copy the model again",
        )


def check_language(model: str, language: str | None, known: Collection[str]) -> None:
    """Raise `ConfigError` when the model doesn't know the language that is set."""
    if language is None or language in known:
        return
    if tuple(known) == ("en",):
        remedy = f"It transcribes 'en' only. Use one without '.en' in its name, like 'small' instead of '{model}'"
    else:
        remedy = f"It knows: {', '.join(sorted(known))}"
    raise ConfigError([f"transcribe.language: '{language}' is not what the model '{model}' knows. {remedy}"])


def windows(seconds: float, least_s: float) -> tuple[int, ...]:
    """The lengths of the windows in which a clip is searched, one after another until the text is not doubtful. In
    frames of 10 ms."""
    first = math.ceil(max(least_s, seconds + MARGIN_S) * FRAMES_PER_S)
    return (first, WHOLE) if first < WHOLE else (WHOLE,)


def _padded(features: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    import numpy as np

    lacking = max(0, frames - features.shape[1])
    return np.ascontiguousarray(np.pad(features[:, :frames], ((0, 0), (0, lacking))))
