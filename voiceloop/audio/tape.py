"""A tape of the latest audio, and a map of the voice in it, both addressed by sample index."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from voiceloop.types import SAMPLE_BYTES


class Tape:
    """Contiguous samples (int16, mono) from the index `start` to `end`: appended at the end, removed at the start."""

    __slots__ = ("_pcm", "end", "start")

    def __init__(self, index: int = 0) -> None:
        self._pcm = bytearray()
        self.start = index
        self.end = index

    def append(self, pcm: bytes) -> None:
        self._pcm += pcm
        self.end += len(pcm) // SAMPLE_BYTES

    def forget_before(self, index: int) -> int:
        """Remove the samples before `index`; return how many were removed."""
        count = index - self.start
        if count <= 0:
            return 0
        # Deleting at the front is cheap: CPython's bytearray moves an offset and copies nothing.
        del self._pcm[: count * SAMPLE_BYTES]
        self.start = index
        return count

    def between(self, start: int, end: int) -> bytes:
        """Return the samples from `start` to `end`, which must be on the tape."""
        return bytes(self._pcm[(start - self.start) * SAMPLE_BYTES : (end - self.start) * SAMPLE_BYTES])


class VoiceMap:
    """The stretches judged to be voice: disjoint half-open intervals of sample indices, in ascending order.

    A later verdict on the same samples overrides an earlier one.
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(zip(self._starts, self._ends, strict=True))

    @property
    def end(self) -> int | None:
        """Just past the last voiced sample."""
        return self._ends[-1] if self._ends else None

    def mark(self, start: int, end: int, *, voiced: bool) -> None:
        """Record the verdict on the samples from `start` to `end`."""
        starts, ends = self._starts, self._ends
        if not ends or start > ends[-1] or (start == ends[-1] and not voiced):
            if voiced:
                starts.append(start)
                ends.append(end)
            return
        # The intervals that touch (voiced) or overlap (unvoiced) the judged stretch are [first, last).
        first = bisect_left(ends, start) if voiced else bisect_right(ends, start)
        last = bisect_right(starts, end) if voiced else bisect_left(starts, end)
        if voiced:
            merged_start = min([start, *starts[first:last][:1]])
            merged_end = max([end, *ends[first:last][-1:]])
            starts[first:last], ends[first:last] = [merged_start], [merged_end]
            return
        left = [(starts[first], start)] if first < last and starts[first] < start else []
        right = [(end, ends[last - 1])] if first < last and ends[last - 1] > end else []
        starts[first:last] = [a for a, _ in left + right]
        ends[first:last] = [b for _, b in left + right]

    def voiced(self, start: int, end: int) -> int:
        """Return how many samples from `start` to `end` are voice."""
        total = 0
        for position in range(len(self._ends) - 1, -1, -1):
            if self._ends[position] <= start:
                break
            total += max(0, min(self._ends[position], end) - max(self._starts[position], start))
        return total

    def first(self, start: int) -> int | None:
        """Return the first voiced sample at or after `start`."""
        position = bisect_right(self._ends, start)
        return max(start, self._starts[position]) if position < len(self._ends) else None

    def last(self, end: int) -> int | None:
        """Return the index just past the last voiced sample before `end`."""
        position = bisect_left(self._starts, end) - 1
        return min(end, self._ends[position]) if position >= 0 else None

    def forget_before(self, index: int) -> None:
        """Remove the voice before `index`."""
        if not self._starts or self._starts[0] >= index:
            return
        count = bisect_right(self._ends, index)
        del self._starts[:count], self._ends[:count]
        if self._starts:
            self._starts[0] = max(self._starts[0], index)
