"""How the microphone waits for the loudspeaker's captured sound: no sample is lost, none comes too early."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.echo.canceller import Canceller
from voiceloop.echo.captured_far_end import CapturedFarEnd
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.linear import LinearCanceller
from voiceloop.echo.waiting_cleaner import WaitingCleaner
from voiceloop.types import FRAME_SAMPLES, SAMPLE_BYTES, Frame, Gap, GapReason


def seconds(index: int) -> float:
    return index / 16_000


def frame(number: int) -> Frame:
    """A frame in which every sample is a number of its own."""
    first = number * FRAME_SAMPLES
    return Frame(array("h", [(first + n) % 20_000 for n in range(FRAME_SAMPLES)]).tobytes(), first)


@dataclass
class FakeCanceller:
    """Passes everything on, and says of each frame whether it is only echo."""

    echoes: set[int]
    taken: list[int] = field(default_factory=list)
    active: bool = True
    other_share: float = 0.0
    echo_only: bool = False

    def take(self, item: Frame | Gap) -> list[Frame | Gap]:
        if isinstance(item, Frame):
            number = item.index // FRAME_SAMPLES
            self.taken.append(number)
            self.echo_only = number in self.echoes
            self.other_share = float(not self.echo_only)
        return [item]

    def flush(self) -> list[Frame]:
        return []


def cleaner_with(canceller: FakeCanceller | None) -> tuple[WaitingCleaner, CapturedFarEnd]:
    far = CapturedFarEnd(seconds)
    real = canceller or Canceller(LinearCanceller(), FarEnd(far), seconds, judges_residual=True)
    return WaitingCleaner(cast("Canceller", real), far, seconds), far


def of_frames(items: Iterable[Frame | Gap]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


@given(st.lists(st.sampled_from(["mic", "speaker", "gap"]), max_size=60))
def test_each_sample_comes_out_once_in_order_however_both_are_delivered(deliveries: list[str]) -> None:
    cleaner, far = cleaner_with(None)
    items: list[Frame | Gap] = []
    mic = speaker = gaps = 0
    for delivery in deliveries:
        if delivery == "speaker":
            far.add(Frame(bytes(FRAME_SAMPLES * SAMPLE_BYTES), speaker * FRAME_SAMPLES))
            speaker += 1
        elif delivery == "mic":
            items += cleaner.take(frame(mic))
            mic += 1
        else:
            items += cleaner.take(Gap(mic * FRAME_SAMPLES, GapReason.LOST))
            gaps += 1
    items += cleaner.flush()
    assert b"".join(one.pcm for one in of_frames(items)) == b"".join(frame(number).pcm for number in range(mic))
    ends = [0, *(one.end for one in of_frames(items))]
    assert [one.index for one in of_frames(items)] == ends[:-1]
    assert len(items) - len(of_frames(items)) == gaps


def test_a_frame_waits_until_the_loudspeakers_sound_of_the_same_time_is_there() -> None:
    canceller = FakeCanceller(set())
    cleaner, far = cleaner_with(canceller)
    for number in range(4):
        list(cleaner.take(frame(number)))
    assert canceller.taken == [], "nothing of the loudspeaker's is there"
    for number in range(6):  # the lead included
        far.add(frame(number))
    list(cleaner.take(frame(4)))
    assert canceller.taken == [0, 1, 2]


def test_a_frame_waits_for_three_tenths_of_a_second_at_most() -> None:
    canceller = FakeCanceller(set())
    cleaner, _ = cleaner_with(canceller)
    for number in range(40):
        list(cleaner.take(frame(number)))
    assert canceller.taken == list(range(25))


def test_where_only_echo_is_heard_the_rest_of_it_is_faint_but_not_in_the_last_tenth_before_a_voice() -> None:
    canceller = FakeCanceller(set(range(20)))
    cleaner, far = cleaner_with(canceller)
    loud: dict[int, bool] = {}
    for number in range(60):
        far.add(frame(number))
    for number in range(40):
        for item in cleaner.take(frame(number)):
            assert isinstance(item, Frame)
            loud[item.index // FRAME_SAMPLES] = item.pcm == frame(item.index // FRAME_SAMPLES).pcm
            assert cleaner.echo_only is not any(one not in canceller.echoes for one in range(number + 1))
    assert not any(loud[number] for number in range(15))
    assert all(loud[number] for number in range(16, 30))


def test_the_raw_microphone_is_known_by_its_samples() -> None:
    cleaner, far = cleaner_with(FakeCanceller(set()))
    for number in range(20):
        far.add(frame(number))
        list(cleaner.take(frame(number)))
    assert cleaner.raw(320, 960) == frame(1).pcm + frame(2).pcm
    assert cleaner.played(320, 640, earlier_s=0.0) != b""
