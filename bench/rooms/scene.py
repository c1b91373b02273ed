"""One run: three replies while nobody speaks, and one that the person speaks over."""

from __future__ import annotations

import gc
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import trio

from bench.rooms.conditions import Condition
from bench.rooms.parts import SAYS, SCRIPT, Script
from bench.rooms.probe import Probe
from bench.rooms.voices import Pair
from bench.rooms.world import Said, World, inside
from voiceloop import app
from voiceloop.config.layers import Layer, parse_sets
from voiceloop.config.load import DEFAULTS, Sources, checked

_START_S = 3.0
_ANSWERED_S = 4.0
_QUIET_S = 3.0
"""After so long without sound a reply is over. The canceller rests after 2 s."""
_LONGEST_S = 25.0
_INTO_REPLY_S = 2.0
_PATIENCE = 3
_POLL_S = 0.02


@dataclass
class Heard:
    """The record of a run: `replies`: when each one began to sound and when it was over, and what was published."""

    world: World
    events: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    replies: list[tuple[float, float]] = field(default_factory=list)
    over_reply: Said | None = None
    unanswered: int = 0
    probe: Probe = field(default_factory=Probe)

    def last_sound_before(self, at: float) -> float:
        """When the loudspeaker last took sound before `at`."""
        return max((sound for sound in self.world.sounded if sound < at), default=float("-inf"))

    def publish(self, name: str, /, **fields: object) -> None:
        self.events.append((self.world.clock.current_time(), name, dict(fields)))


def seed(condition: Condition, pair: Pair) -> int:
    """The same for the same run, on every machine."""
    return zlib.crc32(f"{condition.name} {pair.name}".encode())


def run(condition: Condition, pair: Pair, sets: Sequence[str] = ()) -> Heard:
    """Play one run with those settings of the program; returns what was heard and published."""
    world = World(condition, pair, seed(condition, pair))
    heard = Heard(world)
    with inside(world), heard.probe.attached():
        trio.run(_run, heard, pair, sets, clock=world.clock)
    gc.unfreeze()  # the program has frozen what there was when it began: else none of the runs would ever be freed
    gc.collect()
    return heard


async def _run(heard: Heard, pair: Pair, sets: Sequence[str]) -> None:
    replies = tuple(np.rint(reply * 32767).astype("<i2").tobytes() for reply in pair.replies)
    script = Script(heard.world.spoken, replies)
    SCRIPT.set(script)
    parts = [f"{table}.use=bench.rooms.parts:{part}" for table, part in _PARTS.items()]
    given, mistakes = parse_sets([*parts, "audio.echo=cancel", "control.enabled=false", *sets])
    # The built-in defaults and these: no file of the user's.
    config = checked(Sources((DEFAULTS,), Layer("no config file", {}), given, None, tuple(mistakes))).config
    async with trio.open_nursery() as nursery:
        nursery.start_soon(app.run, config, _counting(heard, script))
        nursery.start_soon(heard.world.play)
        await _talk(heard, pair)
        nursery.cancel_scope.cancel()


_PARTS = {"transcribe": "Recogniser", "handler": "Answerer", "speak": "Voice"}


def _counting(heard: Heard, script: Script) -> Any:
    def publish(name: str, /, **fields: object) -> None:
        heard.publish(name, **fields)
        if name == "transcript":
            script.answered.update(words for words in SAYS if words in str(fields["text"]))

    return publish


async def _talk(heard: Heard, pair: Pair) -> None:
    """What the person does."""
    world, condition = heard.world, heard.world.condition
    await trio.sleep(_START_S)
    for number in range(len(pair.replies)):
        if number == 2:
            await trio.sleep(condition.idle_s)
        began = await _ask(world, pair, number)
        if began is None:
            heard.unanswered += 1
            continue
        if number == 1:
            await trio.sleep_until(began + _INTO_REPLY_S)
            _fault(world)
        if number == 3:
            await trio.sleep_until(began + _INTO_REPLY_S / 2)
            _fault(world)
            await trio.sleep_until(began + _INTO_REPLY_S)
            heard.over_reply = world.say(pair.says[-1], len(pair.replies))
        await _quiet(world)
        heard.replies.append((began, world.last_sound))
        world.delay_s += condition.jump_ms / 1000 * (-1) ** number


async def _ask(world: World, pair: Pair, number: int) -> float | None:
    """Say a prompt, and say it again if nothing comes; returns when the reply began to sound."""
    for _ in range(_PATIENCE):
        sounds = len(world.sounded)
        world.say(pair.says[number], number)
        began = await _sounding(world, sounds)
        if began is not None:
            return began
    return None


def _fault(world: World) -> None:
    if world.condition.lost_ms:
        world.lose(world.condition.lost_ms)
    if world.condition.underruns:
        world.run_dry()


async def _sounding(world: World, sounds: int) -> float | None:
    """Wait until a reply sounds; returns since when it does, or None if none came."""
    with trio.move_on_at(world.said[-1].over + _ANSWERED_S):
        while len(world.sounded) == sounds:  # noqa: ASYNC110 - this time is simulated
            await trio.sleep(_POLL_S)
        return world.last_sound
    return None


async def _quiet(world: World) -> None:
    """Wait until nothing has sounded, and nobody has spoken, for a while."""
    with trio.move_on_after(_LONGEST_S):
        while world.clock.current_time() < max(world.last_sound, world.said[-1].over) + _QUIET_S:  # noqa: ASYNC110
            await trio.sleep(_POLL_S)
