"""Mixes the channels of a recording down to one, also where one channel is the other one turned upside down. Pure.

The plain mean of inverted channels is silence. So a channel that runs against the others is turned round before the
mean is taken. NumPy is imported at first use, because it takes memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_S = 0.1
"""The decision is made for each block of this length, with the sound of the block itself."""
_HALF_LIFE_BLOCKS = 20
"""After this many blocks a block counts half: the decision changes with the recording, not with a syllable."""
_INVERTED, _STILL_INVERTED = -0.5, -0.25
"""The correlation with the other channels below which a channel is turned round, and stays so."""
_MOST_CHANNELS = 32
"""With more channels than this only the mean is taken: the correlations of all pairs would take too much memory."""


class Mixer:
    """Takes samples (int16, shape `(n, channels)`), returns int16 mono. Where the samples are cut changes nothing."""

    def __init__(self, channels: int, rate_hz: int) -> None:
        import numpy as np

        self._channels = channels
        self._block = max(1, int(rate_hz * _BLOCK_S))
        self._compared = 1 < channels <= _MOST_CHANNELS
        self._rest: NDArray[np.int16] = np.empty((0, channels), "<i2")
        self._products = np.zeros((channels, channels)) if self._compared else np.zeros((0, 0))
        """For each pair of channels the sum of their products, with the past fading."""
        self._signs = np.ones(channels, np.float32)

    def feed(self, samples: NDArray[np.int16]) -> bytes:
        """Take the next samples; return those of complete blocks."""
        if not self._compared:
            return self._mean(samples)
        import numpy as np

        samples = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        whole = len(samples) - len(samples) % self._block
        # A copy: what was handed in may be a part of something large.
        self._rest = samples[whole:].copy()
        return b"".join(self._mixed(samples[at : at + self._block]) for at in range(0, whole, self._block))

    def end(self) -> bytes:
        """The samples that were held back: no more will come."""
        rest, self._rest = self._rest, self._rest[:0]
        return self._mixed(rest) if len(rest) else b""

    def _mixed(self, block: NDArray[np.int16]) -> bytes:
        import numpy as np

        floats = block.astype(np.float64)
        self._products = self._products * 0.5 ** (1 / _HALF_LIFE_BLOCKS) + floats.T @ floats
        self._turn()
        return self._mean(block)

    def _turn(self) -> None:
        """Decide channel by channel: one that runs against the mix of those before it is turned round."""
        import numpy as np

        products, signs = self._products, self._signs
        for number in range(1, self._channels):
            before = signs[:number]
            power = float(before @ products[:number, :number] @ before) * float(products[number, number])
            if power <= 0:
                continue
            likeness = float(products[number, :number] @ before) / np.sqrt(power)
            signs[number] = -1 if likeness < (_INVERTED if signs[number] > 0 else _STILL_INVERTED) else 1

    def _mean(self, samples: NDArray[np.int16]) -> bytes:
        import numpy as np

        if self._channels == 1:
            return samples.astype("<i2").tobytes()
        mean = samples.astype(np.float32) @ self._signs / self._channels
        return np.clip(np.rint(mean), -32768, 32767).astype("<i2").tobytes()
