"""The recogniser that runs Moonshine's two networks: an encoder over the whole clip, then a decoder, token by token.

    clip --encoder--> states --decoder--> token -> token -> ... -> END
                                 ^_________|        its keys and values are handed back (the cache)

Why not the maker's library: its calls can't be stopped, two at once on one model give wrong text, and it says nothing
of how sure it is. The networks and the greedy search are the same, and so is the text.

Source: "Moonshine: Speech Recognition for Live Transcription and Voice Commands", Jeffries et al., 2024.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from voiceloop.errors import EngineError
from voiceloop.inference.onnx import first_line, open_session, run_options, runtime
from voiceloop.transcribe.embedded.moonshine import tokens
from voiceloop.transcribe.embedded.moonshine.model_files import DECODER, ENCODER, TOKENS, ModelFiles
from voiceloop.transcribe.embedded.recogniser import Call, GivenUp, Recognised
from voiceloop.types import CAPTURE_RATE_HZ

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime
    from numpy.typing import NDArray

PLACE = 'transcribe.use = "moonshine"'
_REPLACE = "The files may be incomplete: install or copy the model again"
SHORTEST_S = 0.06
"""Shorter clips are empty after the encoder's convolutions, and hold no word."""
TOKENS_PER_S = {"en": 6.5}
"""The most tokens for a second of clip, by language, as the maker sets it: a decoder that is caught in a loop ends."""
_TOKENS_PER_S = 13.0
"""The same for other languages, whose words take more tokens."""

_Values = dict[str, "onnxruntime.OrtValue"]


class MoonshineRecogniser:
    """A loaded model. Its sessions may be used by several threads at the same time."""

    at_once = 3
    """Calls at the same time: a final text need not wait for the two guesses that captions may have under way."""
    longest_s = 12.0
    """The encoder's time grows with the square of the length. Texts of pieces can be kept when a clip grows."""

    def __init__(self, files: ModelFiles) -> None:
        """Load the model (0.2 s) and try it. Raises `EngineError`."""
        self._files = files
        try:
            self._tokens = tokens.parse((files.folder / TOKENS).read_bytes())
        except (OSError, tokens.BrokenTokens) as error:
            what = f"{files.folder / TOKENS} can't be read: {error}"
            raise EngineError(what, place=PLACE, remedy=_REPLACE) from error
        self._encoder = open_session(files.folder / ENCODER, place=PLACE, remedy=_REPLACE)
        self._decoder = open_session(files.folder / DECODER, place=PLACE, remedy=_REPLACE)
        self._value = runtime().OrtValue.ortvalue_from_numpy
        self._tokens_per_s = TOKENS_PER_S.get(files.language or "", _TOKENS_PER_S)
        self._inputs = {one.name for one in self._decoder.get_inputs()}
        self._outputs = [one.name for one in self._decoder.get_outputs()]
        self._empty_cache = self._make_empty_cache()
        self._try_out()

    def __str__(self) -> str:
        return f"Moonshine {self._files.name}, on this machine"

    def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
        """The text of a clip (float32, mono, 16 kHz, shape (n,)), with its confidence: the geometric mean of the
        tokens' probabilities. NaN and infinite samples count as silence."""
        import numpy as np

        if len(samples) < SHORTEST_S * CAPTURE_RATE_HZ:
            return Recognised("")
        options = run_options()

        def stop() -> None:
            options.terminate = True

        call.stop_by(stop)
        samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        try:
            ids, logs = self._search(samples, options, call)
        except GivenUp:
            raise
        except Exception as error:  # ONNX Runtime has one class for each of its status codes, without a common base
            call.check()  # a run that was terminated raises, too
            raise EngineError(f"Moonshine failed: {first_line(error)}", place=PLACE, remedy="Say it again") from error
        confidence = math.exp(sum(logs) / len(logs)) if logs else None
        text = tokens.unquoted(tokens.text_of(self._tokens, ids))
        return Recognised(text, confidence=confidence, language=self._files.language)

    def _search(
        self, samples: NDArray[np.float32], options: onnxruntime.RunOptions, call: Call
    ) -> tuple[list[int], list[float]]:
        """The most probable token at each step, without the end, and the logarithms of all their probabilities."""
        import numpy as np

        mask = self._value(np.ones((1, len(samples)), np.int64))
        clip = {"input_values": self._value(np.ascontiguousarray(samples[None])), "attention_mask": mask}
        states = self._encoder.run_with_ort_values(None, clip, options)[0]
        fixed = self._accepted({"encoder_hidden_states": states, "encoder_attention_mask": mask})
        cache, token = self._empty_cache, tokens.START
        ids: list[int] = []
        logs: list[float] = []
        for step in range(math.ceil(len(samples) / CAPTURE_RATE_HZ * self._tokens_per_s)):
            call.check()
            given = {"input_ids": np.array([[token]]), "use_cache_branch": np.array([step > 0])}
            feed = fixed | cache | {name: self._value(value) for name, value in given.items()}
            found = dict(
                zip(self._outputs, self._decoder.run_with_ort_values(self._outputs, feed, options), strict=True)
            )
            token, log = _most_probable(found["logits"].numpy()[0, -1])
            logs.append(log)
            if token == tokens.END:
                break
            ids.append(token)
            cache = cache | _new_cache(found, first=step == 0)
        return ids, logs

    def _accepted(self, feed: _Values) -> _Values:
        """The values that this decoder takes: exports differ in whether it has the encoder's mask."""
        return {name: value for name, value in feed.items() if name in self._inputs}

    def _make_empty_cache(self) -> _Values:
        import numpy as np

        shapes = {one.name: one.shape for one in self._decoder.get_inputs() if one.name.startswith("past_key_values.")}
        return {
            name: self._value(np.zeros((1, heads, 1, size), np.float32)) for name, (_, heads, _, size) in shapes.items()
        }

    def _try_out(self) -> None:
        """Recognise half a second of silence, so that files that don't fit together are noticed at start."""
        import numpy as np

        try:
            self.recognise(np.zeros(CAPTURE_RATE_HZ // 2, np.float32), Call())
        except (EngineError, KeyError, ValueError, IndexError) as error:
            raise EngineError(
                f"the files in {self._files.folder} don't make a Moonshine model: {error}", place=PLACE, remedy=_REPLACE
            ) from error


def _most_probable(logits: NDArray[np.float32]) -> tuple[int, float]:
    """The id of the most probable token, and the logarithm of its probability."""
    import numpy as np

    best = int(logits.argmax())
    return best, -float(np.log(np.exp(logits - logits[best]).sum()))


def _new_cache(found: Mapping[str, Any], *, first: bool) -> _Values:
    """The keys and values for the next step. Those of the encoder are computed in the first step only."""
    return {
        name.replace("present", "past_key_values"): value
        for name, value in found.items()
        if name.startswith("present.") and (first or ".decoder." in name)
    }
