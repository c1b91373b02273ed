"""Smart Turn v3.2: a network that hears whether a turn is over, by its melody and rhythm. Blocking.

It is a small Whisper encoder with a classifier, by Daily (BSD-2-Clause). Its output, though named `logits`, is a
probability.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from voiceloop.capture.endpointing.log_mel import log_mel
from voiceloop.capture.endpointing.recent_sound import WINDOW
from voiceloop.errors import EngineError
from voiceloop.inference.onnx import first_line, open_session, run_options

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODEL, FILE = "smart-turn-v3.2", "smart-turn-v3.2-cpu.onnx"
"""The network's name in the catalogue of models, and its file."""
PLACE = "segment.acoustic"
REMEDY = f"Fetch the model again: voiceloop models remove {MODEL}; voiceloop models get {MODEL}"
_SUREST = 0.99
"""The network saturates near this: beyond it a probability says no more."""


class SmartTurn:
    """The loaded network. One call at a time."""

    def __init__(self, path: Path) -> None:
        """Load it and try it (0.2 s). Raises `EngineError` if it can't be loaded, or is another network."""
        import numpy as np

        self._session = open_session(path, place=PLACE, remedy=REMEDY)
        try:
            self.log_odds(np.zeros(WINDOW, np.float32))
        except EngineError as error:
            raise EngineError(f"{path} is not this network: {error.what}", place=PLACE, remedy=REMEDY) from error

    def log_odds(self, window: NDArray[np.float32]) -> float:
        """The log-odds that the turn is over, from -4.6 to 4.6, for a window of `RecentSound`. Takes about 50 ms in one
        thread. Raises `EngineError`."""
        try:
            (found,) = self._session.run(None, {"input_features": log_mel(window)[None]}, run_options())
            probability = float(found.item())
        except Exception as error:  # ONNX Runtime has one class for each of its status codes, without a common base
            raise EngineError(f"it fails: {first_line(error)}", place=PLACE, remedy=REMEDY) from error
        if math.isnan(probability):
            raise EngineError("it gives no number", place=PLACE, remedy=REMEDY)
        probability = min(max(probability, 1 - _SUREST), _SUREST)
        return math.log(probability / (1 - probability))
