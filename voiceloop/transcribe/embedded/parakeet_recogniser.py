"""The recogniser that runs NVIDIA's Parakeet by onnx-asr: a transducer whose tokens have times.

    clip -> mel spectrogram --encoder--> states, one for 80 ms --decoder--> tokens with times -> words

The words end where the tokens say roughly: a token has a time at which it begins, and none at which it ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from voiceloop.errors import EngineError
from voiceloop.inference.onnx import first_line, runtime
from voiceloop.transcribe.embedded.exiting import before_exit
from voiceloop.transcribe.embedded.parakeet_files import TDT, ModelFiles
from voiceloop.transcribe.embedded.recogniser import Call, Recognised
from voiceloop.types import CAPTURE_RATE_HZ, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PLACE = 'transcribe.use = "parakeet"'
SHORTEST_S = 0.06
"""Shorter clips hold no word."""
TOKEN_S = 0.32
"""The most that a token is taken to last: the longest step of the decoder."""
_SILENT = 4
"""The log level "fatal". ONNX Runtime would print its errors on stderr beside raising them."""


class ParakeetRecogniser:
    """A loaded model. One call at a time: a second one would only make both slower."""

    at_once = 1
    longest_s = 20.0
    """The model takes minutes, but a call can't be stopped, and texts of pieces can be kept when a clip grows."""

    def __init__(self, files: ModelFiles, threads: int) -> None:
        """Load the model and try it on half a second of silence. Raises `EngineError`."""
        import numpy as np
        import onnx_asr

        options = runtime().SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = _SILENT
        self._name = files.name
        try:
            self._model: Any = onnx_asr.load_model(
                TDT,
                files.folder,
                quantization=files.quantization or None,
                sess_options=options,
                providers=["CPUExecutionProvider"],
            ).with_timestamps()
            self._recognise(np.zeros(CAPTURE_RATE_HZ // 2, np.float32))
        except Exception as error:  # ONNX Runtime has one class for each of its status codes, without a common base
            raise EngineError(
                f"{files.folder} can't be loaded: {first_line(error)}",
                place=PLACE,
                remedy="The files may be incomplete: fetch or copy the model again",
            ) from error

    def __str__(self) -> str:
        return f"Parakeet {self._name}, on this machine (experimental)"

    def recognise(self, samples: NDArray[np.float32], call: Call) -> Recognised:
        """The text of a clip (float32, mono, 16 kHz, shape (n,)), with the times of its words and its confidence: the
        geometric mean of the tokens' probabilities. NaN and infinite samples count as silence."""
        import numpy as np

        if len(samples) < SHORTEST_S * CAPTURE_RATE_HZ:
            return Recognised("")
        call.check()
        try:
            with before_exit():
                found = self._recognise(np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0))
        except Exception as error:  # ONNX Runtime has one class for each of its status codes, without a common base
            raise EngineError(f"Parakeet failed: {first_line(error)}", place=PLACE, remedy="Say it again") from error
        call.check()
        logs = found.logprobs or []
        return Recognised(
            found.text.strip(),
            words=words_of(found.tokens or [], found.timestamps or [], logs, end_s=len(samples) / CAPTURE_RATE_HZ),
            confidence=_mean(logs) if logs else None,
        )

    def _recognise(self, samples: NDArray[np.float32]) -> Any:
        return self._model.recognize(samples, sample_rate=CAPTURE_RATE_HZ)


def words_of(
    tokens: Sequence[str], starts_s: Sequence[float], logs: Sequence[float], *, end_s: float
) -> tuple[Word, ...]:
    """The words of tokens with the times at which they begin and the logarithms of their probabilities.

    A token with a space at its beginning begins a word. A word ends where the next one begins, or `TOKEN_S` after its
    last token began, or with the clip at `end_s`.
    """
    firsts = [at for at, token in enumerate(tokens) if at == 0 or token.startswith(" ")]
    words = []
    for first, after in pairwise([*firsts, len(tokens)]):
        text = "".join(tokens[first:after]).strip()
        next_s = starts_s[after] if after < len(tokens) else end_s
        start_s = min(starts_s[first], end_s)
        last_s = max(start_s, min(starts_s[after - 1] + TOKEN_S, next_s, end_s))
        if text:
            words.append(Word(text, start_s, last_s, _mean(logs[first:after])))
    return tuple(words)


def _mean(logs: Sequence[float]) -> float:
    """The geometric mean of probabilities, from their logarithms."""
    return min(1.0, math.exp(sum(logs) / len(logs)))
