"""The report of `voiceloop check`: findings in a fixed order, although the checks run side by side. Prints nothing.

A failed check doesn't stop the others: every failure is collected, with its remedy.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from voiceloop.errors import EngineError, VoiceloopError, first

T = TypeVar("T")
REMEDY = "Try again; if it persists, choose another device or engine"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `what` was checked and the result, `said`. `exit_code` is 0 for success."""

    what: str
    said: str
    exit_code: int = 0
    tried: bool = True
    """False for what was left out, for the reason in `said`."""


@dataclass(slots=True)
class Report:
    """The findings. Calls `show` with each in the expected order, as soon as all before it are in."""

    show: Callable[[Finding], None]
    meter: Callable[[float | None], None] = lambda _: None
    """Called with the microphone's level in dB, and with None when the measuring is over."""
    tell: Callable[[str], object] = lambda _: None
    """Called with what the user is to do."""
    findings: list[Finding] = field(default_factory=list)
    """Those that were shown."""
    _expected: list[str] = field(default_factory=list)
    _held: dict[str, Finding] = field(default_factory=dict)
    """Findings that wait for earlier ones."""

    def expect(self, *whats: str) -> None:
        """Findings are to come, and to be shown in this order."""
        self._expected += whats

    def add(self, what: str, said: str, exit_code: int = 0, *, tried: bool = True) -> None:
        """Take a finding. One that was not expected comes after those that are."""
        if what not in self._expected:
            self._expected.append(what)
        self._held[what] = Finding(what, said, exit_code, tried)
        while self._expected and (found := self._held.pop(self._expected[0], None)) is not None:
            del self._expected[0]
            self.findings.append(found)
            self.show(found)

    @property
    def exit_code(self) -> int:
        """The exit code of the first failure; 0 when there is none."""
        return next((finding.exit_code for finding in self.findings if finding.exit_code), 0)

    def succeeded(self, what: str) -> bool:
        """Whether there is a finding on `what`, and it is no failure."""
        return any(finding.what == what and not finding.exit_code for finding in self.findings)

    def failed(self, what: str, error: VoiceloopError) -> None:
        """Take a failure."""
        self.add(what, str(error), error.exit_code)

    def too_slow(self, what: str, limit_s: float) -> None:
        """Take a check that has not ended in time."""
        self.failed(what, EngineError(f"no result within {limit_s:g} s", remedy=REMEDY))

    async def attempt(self, what: str, check: Callable[[], Awaitable[str]], *, limit_s: float) -> None:
        """Run `check`; add its result, or the VoiceloopError that it raised, or that it took too long."""
        if (result := await self.tried(what, check, limit_s=limit_s)) is not None:
            self.add(what, result)

    async def tried(self, what: str, check: Callable[[], Awaitable[T]], *, limit_s: float) -> T | None:
        """Run `check` and return its result. Returns None after a VoiceloopError, or when it took too long: that is a
        finding."""
        try:
            with trio.fail_after(limit_s):
                return await check()
        except* VoiceloopError as group:
            self.failed(what, first(group))
        except* trio.TooSlowError:
            self.too_slow(what, limit_s)
        return None
