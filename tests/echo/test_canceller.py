"""The echo canceller: which samples of loudspeaker and microphone are paired, and that none is lost."""

from __future__ import annotations

import random
from array import array
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.echo.loudspeaker import Loudspeaker, block
from tests.echo.rooms import FAR_HZ, NEAR_HZ, Sound, echo, noise, recorded
from voiceloop.echo.canceller import Canceller
from voiceloop.echo.far_end import Block, FarEnd
from voiceloop.echo.tally import Pairing
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason

DELAY = 128


class DelayingProcessor:
    """A processor that cancels nothing, delays as the real one does, and records its inputs."""

    delay = DELAY

    def __init__(self) -> None:
        self.held = bytes(2 * DELAY)
        self.taken: list[tuple[bytes, Block]] = []

    def process(self, near: bytes, far: Block) -> bytes:
        self.taken.append((near, far))
        both = self.held + near
        self.held = both[len(near) :]
        return both[: len(near)]


def speech(samples: int, seed: int = 1) -> bytes:
    random_ = random.Random(seed)
    return array("h", [random_.randint(-9000, 9000) for _ in range(samples)]).tobytes()


def seconds(index: int) -> float:
    return index / CAPTURE_RATE_HZ


def test_with_clock_jitter_the_next_reply_is_paired_to_the_sample_like_the_one_before() -> None:
    loudspeaker, processor = Loudspeaker(), DelayingProcessor()
    jitter_s = [0.0]
    canceller = Canceller(processor, FarEnd(loudspeaker), lambda index: seconds(index) + jitter_s[0])
    replies, quiet = [speech(240 * 45, seed) for seed in (2, 3)], bytes(480 * 310)
    played = replies[0] + quiet + replies[1]
    taken = []
    for number in range(400):
        loudspeaker.play(played[480 * number : 480 * (number + 1)])
        jitter_s[0] = 0.0004 if number > 300 else 0.0
        canceller.take(Frame(bytes(320), 160 * number))
        taken.append(len(processor.taken))
    assert taken[300] == taken[320], "nothing is processed between the replies"
    places = [played.find(far.pcm) for _, far in processor.taken if any(far.pcm[:480])]
    first, second = places[1:40], places[-30:]
    assert {(b - a) for a, b in pairwise(first)} == {(b - a) for a, b in pairwise(second)} == {480}
    assert (second[-1] - first[0]) % 480 == 0


def cleaned(canceller: Canceller, items: list[Frame | Gap]) -> list[Frame | Gap]:
    out: list[Frame | Gap] = []
    for item in items:
        out += canceller.take(item)
    return [*out, *canceller.flush()]


def joined(items: list[Frame | Gap]) -> tuple[int, bytes]:
    """The first index and all samples of frames that follow on each other."""
    frames = [item for item in items if isinstance(item, Frame)]
    for before, after in pairwise(frames):
        assert before.end == after.index
    return frames[0].index, b"".join(frame.pcm for frame in frames)


@given(
    cuts=st.lists(st.integers(1, 700), min_size=1, max_size=20),
    start=st.integers(0, 10**9),
    sounds=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_every_sample_comes_out_once_under_its_own_index_whatever_is_played(
    cuts: list[int], start: int, sounds: list[bool]
) -> None:
    loudspeaker = Loudspeaker()
    canceller = Canceller(
        DelayingProcessor(), FarEnd(loudspeaker), lambda index: (index - start) / 100
    )  # 10 ms are 1.6 s
    near = speech(sum(cuts))
    frames: list[Frame | Gap] = []
    at = 0
    for cut in cuts:
        frames.append(Frame(near[2 * at : 2 * (at + cut)], start + at))
        at += cut
    out: list[Frame | Gap] = []
    for frame, sound in zip(frames, sounds, strict=False):
        assert isinstance(frame, Frame)
        loudspeaker.open((frame.index - start) / 100)
        loudspeaker.play(block(int(sound)))
        out += canceller.take(frame)
    assert joined([*out, *canceller.flush()]) == (start, near)


def test_a_gap_comes_after_all_samples_before_it() -> None:
    canceller = Canceller(DelayingProcessor(), FarEnd(Loudspeaker()), seconds)
    near = speech(320)
    gap = Gap(420, GapReason.LOST)
    out = cleaned(canceller, [Frame(near, 0), Frame(near[:200], 320), gap, Frame(near, 420)])
    at = out.index(gap)
    assert joined(out[:at]) == (0, near + near[:200])
    assert joined(out[at:]) == (420, near)


def test_the_canceller_is_active_only_while_sound_is_played_and_for_two_seconds_after() -> None:
    loudspeaker, processor = Loudspeaker(), DelayingProcessor()
    canceller = Canceller(processor, FarEnd(loudspeaker), seconds)
    active = []
    for number in range(500):
        loudspeaker.play(block(1000 if 100 <= number // 2 * 2 < 150 else 0))
        loudspeaker.play(block(1000 if 100 <= number // 2 * 2 < 150 else 0))
        canceller.take(Frame(bytes(640), number * 320))
        active.append(canceller.active)
    assert active.index(True) in range(98, 102)
    assert 500 - active[::-1].index(True) - 1 in range(248, 252)


def test_the_raw_microphone_is_kept_while_a_reply_sounds_and_no_longer() -> None:
    loudspeaker, near = Loudspeaker(), speech(160 * 500)
    canceller = Canceller(DelayingProcessor(), FarEnd(loudspeaker), seconds)
    lengths = []
    for number in range(500):
        loudspeaker.play(block(1000 if number < 100 else 0))
        canceller.take(Frame(near[320 * number : 320 * (number + 1)], 160 * number))
        heard = canceller.recent(16_000)
        assert near[: 320 * (number + 1)].endswith(heard)
        lengths.append(len(heard) // 2)
    assert lengths[120] == 16_000
    assert lengths[-1] == 0
    assert canceller.other_share == 0.0


def cleaned_in_a_room(near: Sound, names: tuple[str, ...]) -> tuple[DelayingProcessor, list[tuple[bool, float]]]:
    """Play recordings while the microphone hears `near`; for each step: is it only the echo, and who else is there."""
    loudspeaker, processor = Loudspeaker(), DelayingProcessor()
    canceller = Canceller(processor, FarEnd(loudspeaker), seconds)
    heard = (near + noise(len(near))).astype("<i2").tobytes()
    played = recorded(*names, rate_hz=FAR_HZ).astype("<i2").tobytes()
    told = []
    for number in range(min(len(heard) // 320, len(played) // 480)):
        loudspeaker.play(played[480 * number : 480 * (number + 1)])
        canceller.take(Frame(heard[320 * number : 320 * (number + 1)], 160 * number))
        told.append((canceller.echo_only, canceller.other_share))
    return processor, told


REPLY = ("vm-nobodyavail", "queue-thankyou", "conf-onlyperson")


def test_the_echo_alone_is_told_from_a_person() -> None:
    near = echo(*REPLY, late_ms=60.0).copy()
    voice, at = recorded("please-try-call-later", rate_hz=NEAR_HZ), 5 * NEAR_HZ
    _, alone = cleaned_in_a_room(near, REPLY)
    assert np.mean([only for only, _ in alone[100:]]) > 0.75
    near[at : at + len(voice)] += voice
    _, told = cleaned_in_a_room(near, REPLY)
    spoken = told[530 : 500 + len(voice) // 160 - 40]
    assert np.mean([only for only, _ in spoken]) < 0.2
    assert max(share for _, share in spoken) > 0.5


def test_an_echo_that_comes_later_is_paired_with_what_it_is_an_echo_of() -> None:
    at = 4 * NEAR_HZ
    near = np.concatenate([echo(*REPLY, late_ms=60.0)[:at], echo(*REPLY, late_ms=85.0)[at:]])
    processor, _ = cleaned_in_a_room(near, REPLY)
    played = recorded(*REPLY, rate_hz=FAR_HZ).astype("<i2").tobytes()
    places = [played.find(far.pcm) // 2 for _, far in processor.taken if any(far.pcm[:480])]
    apart = [place - 240 * number for number, place in enumerate(places) if place >= 0]
    assert apart[100] - apart[-100] == pytest.approx(0.025 * FAR_HZ, abs=0.0003 * FAR_HZ)
    assert set(np.diff(apart)) <= {0, apart[-1] - apart[0]}, "in one step"


def test_the_pairing_tells_the_echos_delay_and_since_when_it_has_not_moved() -> None:
    at = 4 * NEAR_HZ
    near = np.concatenate([echo(*REPLY, late_ms=60.0)[:at], echo(*REPLY, late_ms=85.0)[at:]])
    loudspeaker = Loudspeaker()
    canceller = Canceller(DelayingProcessor(), FarEnd(loudspeaker), seconds)
    assert canceller.pairing == Pairing(None, 0, None)
    assert canceller.end_reply() is None
    heard = (near + noise(len(near))).astype("<i2").tobytes()
    played = recorded(*REPLY, rate_hz=FAR_HZ).astype("<i2").tobytes()
    pairings, replies = [], []
    for number in range(min(len(heard) // 320, len(played) // 480)):
        loudspeaker.play(played[480 * number : 480 * (number + 1)])
        canceller.take(Frame(heard[320 * number : 320 * (number + 1)], 160 * number))
        pairings.append(canceller.pairing)
        if number == 390:
            replies.append(canceller.end_reply())
    replies.append(canceller.end_reply())
    before, after = pairings[390], pairings[-1]
    assert (before.aligned_at, before.shifts) == (0.0, 0)
    assert before.delay_ms == pytest.approx(60, abs=1)
    assert after.aligned_at == pytest.approx(4.5, abs=0.3)
    assert after.delay_ms == pytest.approx(85, abs=1)
    assert after.shifts == 1
    told = [(reply.delay_ms, reply.shifts) for reply in replies if reply is not None]
    assert told == [(before.delay_ms, 0), (after.delay_ms, 1)]
    assert all(reply is not None and reply.removed_db == pytest.approx(0, abs=0.5) for reply in replies)


def test_a_device_that_stood_still_has_moved_the_pairing() -> None:
    loudspeaker = Loudspeaker()
    canceller = Canceller(DelayingProcessor(), FarEnd(loudspeaker), seconds)
    for number in range(300):
        late = 0.1 if number >= 150 else 0.0  # from then on it plays everything later, and tells nobody
        loudspeaker.play(speech(240, number), late=late)
        canceller.take(Frame(bytes(320), 160 * number))
    assert canceller.pairing.shifts == 1
    assert canceller.pairing.aligned_at == pytest.approx(1.5, abs=0.2)
