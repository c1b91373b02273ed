"""Recording of traces: what is recorded, and that recording never blocks or ends the session, or leaks content."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.http_parts import endpoint
from testbed.server import Fault, Script, open_server
from voiceloop.errors import OutputError, ServiceError
from voiceloop.events import TURN
from voiceloop.net.client import open_clients
from voiceloop.net.service import Request
from voiceloop.playback.ring import Ring
from voiceloop.playback.speaker import Speaker
from voiceloop.plugins import Verdict
from voiceloop.trace.levels import packed, unpacked
from voiceloop.trace.taps import PACK_FRAMES, ListenerTap, RequestTap, SpeakerTap
from voiceloop.trace.writing import MOST_WAITING, Recorder, line, open_trace
from voiceloop.types import CAPTURE_RATE_HZ, Frame, Gap, GapReason, Usage


class PublishedEvents:
    """Records the published events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []
        self.news = trio.Event()

    def __call__(self, name: str, /, **fields: object) -> None:
        self.events.append((name, fields))
        self.news.set()


def records(recorder: Recorder, kind: str) -> list[dict[str, Any]]:
    """The waiting records of `kind`, as they will be in the file."""
    return [record for record in map(json.loads, map(line, recorder.take())) if record["k"] == kind]


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file: the last one may still be written."""
    return [json.loads(text) for text in path.read_text().rpartition("\n")[0].splitlines()]


# The file


async def test_events_are_recorded_on_their_way_and_the_end_is_marked(tmp_path: Path) -> None:
    published, path = PublishedEvents(), tmp_path / "t.jsonl"
    async with open_trace(path, {"version": 1}, published) as recorder:
        recorder.publishing(published)("turn.done", turn=1, usage=Usage(cost_usd=0.5), text="a\ud800\u2028b\n")
    got = lines(path)
    assert [record["k"] for record in got] == ["trace", "event", "end"]
    assert got[0]["version"] == 1
    assert got[1]["name"] == "turn.done"
    assert got[1]["fields"]["usage"]["cost_usd"] == 0.5
    assert published.events[0][0] == "turn.done"


async def test_only_the_owner_can_read_the_file_even_if_others_could_before(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("old")
    path.chmod(0o644)
    async with open_trace(path, {}, PublishedEvents()):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "old" not in path.read_text()


async def test_records_are_in_the_file_while_the_session_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    async with open_trace(path, {}, PublishedEvents()) as recorder:
        recorder.put("mark")
        with trio.fail_after(60):
            while not any(record["k"] == "mark" for record in lines(path)):  # noqa: ASYNC110 - there is no event to wait for
                await trio.sleep(0.01)


async def test_a_full_disk_is_reported_once_and_ends_the_trace_not_the_session() -> None:
    published = PublishedEvents()
    async with open_trace(Path("/dev/full"), {}, published) as recorder:
        with trio.fail_after(60):
            await published.news.wait()
        recorder.put("more")
        assert recorder.take() == []
    notices = [fields["text"] for name, fields in published.events if name == "notice"]
    assert len(notices) == 1
    assert "/dev/full" in str(notices[0])
    assert "no space left" in str(notices[0])


@pytest.mark.parametrize("make", ["folder", "missing folder", "pipe that nobody reads"])
async def test_a_path_that_cannot_be_written_is_named(make: str, tmp_path: Path) -> None:
    path = tmp_path if make == "folder" else tmp_path / "none" / "t.jsonl"
    if make.startswith("pipe"):
        path = tmp_path / "pipe"
        os.mkfifo(path)
    with pytest.raises(OutputError, match=str(path)):
        async with open_trace(path, {}, PublishedEvents()):
            pass


def test_records_over_the_bound_are_counted_and_dropped() -> None:
    recorder = Recorder()
    for number in range(MOST_WAITING + 7):
        recorder.put("event", number=number)
    taken = recorder.take()
    assert len(taken) == MOST_WAITING + 1
    assert taken[-1] == {"k": "lost", "records": 7}
    assert recorder.take() == []


# Levels


@given(st.lists(st.integers(-32_768, 32_767), max_size=200), st.integers(1, 50))
def test_levels_are_within_a_quarter_of_a_decibel(samples: list[int], step: int) -> None:
    counts = [len(samples[at : at + step]) for at in range(0, len(samples), step)]
    peak, rms = packed(np.array(samples, "<i2").tobytes(), counts)
    for at, got, mean in zip(range(0, len(samples), step), unpacked(peak), unpacked(rms), strict=True):
        wanted = max(abs(sample) for sample in samples[at : at + step]) / 32_768
        assert got == pytest.approx(wanted, rel=0.03) if wanted else got == 0
        assert mean <= got * 1.03 + 1e-9


def test_levels_that_are_not_base64_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="base64"):
        unpacked("not base64!")


# The listener


def tone(value: int) -> bytes:
    return np.full(320, value, "<i2").tobytes()


def test_the_listener_records_levels_with_their_times_and_verdicts_in_runs() -> None:
    recorder = Recorder()
    tap = ListenerTap(recorder, lambda index: 100 + index / CAPTURE_RATE_HZ)
    for number in range(PACK_FRAMES + 1):
        index = number * 320
        tap(Frame(tone(1_000 * number), index), [Verdict(index, index + 320, voiced=number >= 10)], muted=False)
    tap.flush()
    everything = [json.loads(line(record)) for record in recorder.take()]
    first, second = [record for record in everything if record["k"] == "mic"]
    assert (first["at"], first["index"], second["index"]) == (100.0, 0, PACK_FRAMES * 320)
    assert second["at"] == pytest.approx(100.5)
    assert len(unpacked(first["peak"])) == PACK_FRAMES
    runs = [tuple(run) for record in everything if record["k"] == "vad" for run in record["runs"]]
    assert runs == [(0, 3_200, 0), (3_200, 8_000, 1), (8_000, 8_320, 1)]


def test_mutes_and_gaps_are_recorded() -> None:
    recorder = Recorder()
    tap = ListenerTap(recorder, lambda index: index / CAPTURE_RATE_HZ)
    for number in range(10):
        tap(Frame(tone(5), number * 320), [], muted=3 <= number < 6)
    tap(Gap(3_200, GapReason.LOST), [], muted=False)
    everything = [json.loads(line(record)) for record in recorder.take()]
    assert [(r["start"], r["end"]) for r in everything if r["k"] == "muted"] == [(960, 1_920)]
    assert [(r["index"], r["reason"]) for r in everything if r["k"] == "gap"] == [(3_200, GapReason.LOST)]


def test_a_long_mute_is_recorded_while_it_lasts() -> None:
    recorder = Recorder()
    tap = ListenerTap(recorder, lambda index: index / CAPTURE_RATE_HZ)
    for number in range(PACK_FRAMES + 2):
        tap(Frame(tone(5), number * 320), [], muted=True)
    tap.flush()
    spans = [(record["start"], record["end"]) for record in records(recorder, "muted")]
    assert spans == [(0, PACK_FRAMES * 320), (PACK_FRAMES * 320, (PACK_FRAMES + 2) * 320)]


# The loudspeaker


def pull(speaker: Speaker, samples: int) -> None:
    speaker.ring.read_into(memoryview(bytearray(samples * 2)))
    speaker.pulled()


async def test_the_loudspeaker_records_its_levels_and_states() -> None:
    recorder, speaker = Recorder(), Speaker(Ring(24_000, 24_000))
    tap = speaker.watch = SpeakerTap(recorder)
    await speaker.write(np.full(2_400, 16_384, "<i2").tobytes(), epoch=speaker.epoch)
    for _ in range(5):
        pull(speaker, 240)
    speaker.hold()
    pull(speaker, 240)
    speaker.resume()
    speaker.gain = 0.25
    pull(speaker, 240)
    tap.flush()
    everything = [json.loads(line(record)) for record in recorder.take()]
    plays = [record for record in everything if record["k"] == "play"]
    assert sum(sum(record["samples"]) for record in plays) == 6 * 240
    for record in plays:
        assert unpacked(record["peak"]) == pytest.approx(0.5, rel=0.03)
    states = [(r["sounding"], r["held"], r["gain"]) for r in everything if r["k"] == "speaker"]
    assert states == [(True, False, 1.0), (False, True, 1.0), (True, False, 0.25)]


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 60))
def test_the_samples_read_last_are_available_until_they_are_overwritten(sizes: list[int], count: int) -> None:
    ring, number, everything = Ring(50, 8_000), 0, []
    for size in sizes:
        pcm = np.arange(number, number + size, dtype="<i2").tobytes()
        number += ring.write(pcm, ring.epoch)
        ring.read_into(memoryview(bytearray(2 * (size // 2))))
        everything = list(range(ring.position))
    recent = np.frombuffer(ring.recent(count), "<i2").tolist()
    assert recent == everything[len(everything) - len(recent) :]
    assert len(recent) == max(0, ring.position - max(ring.position - count, ring.written - 50, 0))


# Requests

ASK = Request("/audio/speech", json={"model": "a/b", "input": "hi there", "voice": "v"}, model="a/b")


async def request_records(script: Script, *, give_up: bool = False) -> list[dict[str, Any]]:
    """The records of one request, which is cancelled when the server has got it (`give_up`)."""
    recorder = Recorder()
    async with open_server(script) as server, open_clients(observe=RequestTap(recorder)) as clients:
        await clients.pool.http()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with suppress(ServiceError):
                    await clients.endpoint(endpoint(server)).call(ASK)

            nursery.start_soon(ask)
            if give_up:
                await server.until(lambda: bool(server.posts()))
                nursery.cancel_scope.cancel()
    return [json.loads(line(record)) for record in recorder.take()]


async def test_a_request_is_recorded_with_its_turn_and_attempts_but_without_its_content() -> None:
    TURN.set(7)
    found = await request_records(Script(faults=[Fault(status=503), Fault(body=b'{"answer": "words of it"}')]))
    requests = [record for record in found if record["k"] == "request"]
    assert [(r["id"], r["attempt"], r["turn"], r["model"]) for r in requests] == [(1, 1, 7, "a/b"), (2, 2, 7, "a/b")]
    assert requests[0]["url"].endswith("/audio/speech")
    assert [r["status"] for r in found if r["k"] == "answer"] == [503, 200]
    ends = [record for record in found if record["k"] == "response"]
    assert [(r["outcome"], r["error"]) for r in ends] == [("failed", "Unavailable"), ("done", None)]
    assert ends[1]["bytes"] == len(b'{"answer": "words of it"}')
    assert requests[1]["at"] < ends[1]["first_byte"] <= ends[1]["at"]
    for secret in ("test-key", "hi there", "words of it", "Authorization"):
        assert secret not in json.dumps(found)


async def test_a_request_that_is_given_up_is_recorded_as_cancelled() -> None:
    found = await request_records(Script(faults=[Fault(hang="head")]), give_up=True)
    response = next(record for record in found if record["k"] == "response" and record["id"] == 1)
    assert (response["outcome"], response["first_byte"], response["bytes"]) == ("cancelled", None, 0)
