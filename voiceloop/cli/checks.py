"""The checks of `voiceloop check`: devices, parts and servers are tried side by side. Prints nothing."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from voiceloop.cli.check_account import check_account
from voiceloop.cli.check_devices import hear, load_canceller, open_output
from voiceloop.cli.check_echo import try_echo
from voiceloop.cli.check_online import try_parts
from voiceloop.cli.check_plan import Plan
from voiceloop.cli.check_servers import check_server
from voiceloop.cli.check_voice import try_voice
from voiceloop.cli.report import Report
from voiceloop.errors import VoiceloopError, first
from voiceloop.events import Publish
from voiceloop.opening import open_part, open_services
from voiceloop.plugins import Services

LIMIT_S = 8.0
"""How long each check may take."""


@dataclass(frozen=True, slots=True)
class Trials:
    """What is tried beyond opening it."""

    online: bool = False
    """Send a short sentence through each part."""
    voice: bool = False
    """Hear the user."""
    sound: bool | None = False
    """Play a sound and measure its echo; None: only where that makes sense."""


async def check(plan: Plan, report: Report, publish: Publish, trials: Trials) -> None:
    """Open what the plan names, and try it."""
    report.expect(*plan.names)
    notices: list[str] = []

    def noted(name: str, /, **fields: object) -> None:
        if name == "notice":
            notices.append(str(fields["text"]))
        publish(name, **fields)

    async with AsyncExitStack() as stack:
        services, clients = await open_services(stack, plan.config, noted)
        parts: dict[str, Any] = {}
        tried = trio.Event()
        async with trio.open_nursery() as holding:
            async with trio.open_nursery() as checking:
                _check_devices(plan, report, publish, checking)
                for table, name in plan.parts.items():
                    part = _Part(name, table, services, report, parts)
                    checking.start_soon(holding.start, part.hold, tried)
                for wanted in plan.wanted:
                    checking.start_soon(check_server, clients, wanted, report)
            if trials.sound is not False:
                await try_echo(plan, report, publish, asked=trials.sound is True)
            if trials.online:
                await check_account(clients, plan.wanted, report)
                await try_parts(parts, report, notices)
            if trials.voice:
                await try_voice(plan, parts, report, publish, online=trials.online)
            tried.set()


def _check_devices(plan: Plan, report: Report, publish: Publish, nursery: trio.Nursery) -> None:
    audio = plan.config.audio
    checks: dict[str, Callable[[], Awaitable[str]]] = {plan.heard: partial(hear, audio, report, publish)}
    if plan.loudspeaker:
        checks |= {"loudspeaker": partial(open_output, audio, publish), "echo": partial(load_canceller, audio)}
    for name, attempt in checks.items():
        nursery.start_soon(partial(report.attempt, name, attempt, limit_s=LIMIT_S))


@dataclass(frozen=True, slots=True)
class _Part:
    """A part that is opened, and held open while it may be tried."""

    name: str
    """In the report."""
    table: str
    """In the config."""
    services: Services
    report: Report
    parts: dict[str, Any]
    """The parts that are open, by their tables."""

    async def hold(self, tried: trio.Event, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC114
        """Open the part, and close it once `tried` is set. One task does both, since a part may have a nursery."""
        config = self.services.config
        with trio.move_on_after(LIMIT_S) as scope:
            try:
                async with AsyncExitStack() as stack:
                    part = await open_part(stack, getattr(config, self.table), self.services)
                    # A part that loads in a thread may be open only after the limit: then that is said, not this.
                    await trio.lowlevel.checkpoint()
                    scope.deadline = math.inf
                    self.parts[self.table] = part
                    self.report.add(self.name, str(part.description))
                    task_status.started()
                    await tried.wait()
            except* VoiceloopError as group:
                self.report.failed(self.name, first(group))
        if scope.cancelled_caught:
            self.report.too_slow(self.name, LIMIT_S)
        if self.table not in self.parts:
            task_status.started()
