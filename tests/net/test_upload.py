"""A body that is sent while it is made: its chunks, its end, how long it stalls, and the deadline that follows it."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from voiceloop.net.bodies import SOUND, SoundWriter, form_envelope, json_envelope
from voiceloop.net.upload import LONGEST_S, Upload


async def read(upload: Upload) -> list[bytes]:
    return [chunk async for chunk in upload]


async def test_the_chunks_add_up_and_none_is_long() -> None:
    upload, data = Upload("x/y"), bytes(range(256)) * 200
    upload.put(data)
    upload.put(b"")
    upload.put(b"end")
    upload.end()
    chunks = await read(upload)
    assert b"".join(chunks) == data + b"end"
    assert max(map(len, chunks)) <= 12_288
    assert b"" not in chunks  # which would end a body that is sent in chunks
    assert (upload.begun, upload.complete) == (True, True)


async def test_a_reader_waits_for_what_comes_and_for_the_end() -> None:
    upload, got = Upload("x/y"), list[bytes]()

    async def take() -> None:
        async for chunk in upload:
            got.append(chunk)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        await wait_all_tasks_blocked()
        assert (upload.begun, upload.complete, got) == (True, False, [])
        for word in (b"one", b"two"):
            upload.put(word)
            await wait_all_tasks_blocked()
            assert got[-1] == word
        upload.end()
    assert upload.complete


async def test_it_stalls_while_a_chunk_is_not_taken_and_not_while_there_is_none(autojump_clock: MockClock) -> None:
    upload = Upload("x/y")
    assert upload.stalled_s(trio.current_time() + 100) == 0  # not begun
    upload.put(b"one")
    chunks = aiter(upload)
    assert await anext(chunks) == b"one"
    await trio.sleep(2)
    assert upload.stalled_s(trio.current_time()) == pytest.approx(2)
    with trio.move_on_after(5):
        await anext(chunks)  # "one" was taken; nothing else is there
    assert upload.stalled_s(trio.current_time()) == 0


@pytest.mark.parametrize(("spoken_s", "allowed_s"), [(0, 10), (60, 70), (299, 309), (400, 310)])
async def test_the_deadline_counts_from_the_end_of_the_body(
    autojump_clock: MockClock, spoken_s: float, allowed_s: float
) -> None:
    upload, began = Upload("x/y"), trio.current_time()
    with trio.move_on_after(10) as scope:
        upload.limit(scope, 10)
        await trio.sleep(spoken_s)
        upload.end()
        await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() - began == pytest.approx(allowed_s)
    assert LONGEST_S == 300


async def test_a_body_that_had_ended_before_it_was_sent_has_the_usual_time(autojump_clock: MockClock) -> None:
    upload, began = Upload("x/y"), trio.current_time()
    upload.end()
    with trio.move_on_after(10) as scope:
        upload.limit(scope, 10)
        await trio.sleep_forever()
    assert trio.current_time() - began == pytest.approx(10)


@given(sound=st.binary(max_size=2_000), cuts=st.lists(st.integers(0, 2_000), max_size=6))
def test_sound_that_is_written_in_pieces_makes_the_same_body(sound: bytes, cuts: list[int]) -> None:
    for envelope in (
        json_envelope({"a": "ü", "input_audio": {"data": SOUND, "format": "wav"}, "z": 1}),
        form_envelope({"a": "ü"}, ("clip.wav", "audio/wav"), "xyz"),
    ):
        writer, places = SoundWriter(envelope), [0, *sorted(cuts), len(sound)]
        pieces = [writer.feed(sound[a:b]) for a, b in zip(places, [*places[1:], None], strict=True)]
        assert (envelope.kind, b"".join([envelope.head, *pieces, writer.end()])) == envelope.around(sound)
