"""Everything that voiceloop raises on purpose. Each message names the thing, the place and the remedy.

VoiceloopError
├── UsageError            exit 2   the command line asks for something that can't be
├── ConfigError           exit 78  one or more mistakes in the configuration, all of them
├── DeviceError           exit 74  sound devices and files
│   ├── NoSuchDevice
│   ├── DeviceBusy
│   ├── BadAudioFile               unreadable, empty, truncated, not PCM
│   ├── BadTraceFile               empty, damaged, no trace at all
│   └── OutputError                standard output, or a file, can't be written
├── ControlError          exit 69  no program there to be controlled, or one too many
├── EngineError           exit 69  an engine that can't be loaded, or that broke
│   └── MissingExtra               its package is not installed
├── HandlerError          exit 69  the user's program or function failed
├── TargetError           exit 69  dictated text can't be put where it was to go
│   ├── FocusChanged               another window has the focus than when it was said
│   ├── ClipboardSilent            nothing of what the clipboard holds could be read, so that it can't be given back
│   ├── KeysHeld                   the user holds keys that would turn typing into commands
│   ├── TooLate                    the window that it was said for may be another by now
│   └── CantUndo                   the last insertion can't be taken back exactly
└── ServiceError          exit 69  what HTTP services do
    ├── Unreachable                no connection, DNS, TLS, or it broke off
    ├── BadAnswer                  200, but not what was asked for
    ├── LimitReached               our own limit on what a session may cost
    ├── BadRequest        400      ├── ServerFailed    500
    ├── Unauthorized      401      ├── BadGateway      502
    ├── OutOfCredits      402      ├── Unavailable     503
    ├── NoSuchModel       404      ├── EdgeTimeout     524
    ├── TimedOut          408      └── Overloaded      529
    └── RateLimited       429
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar


class VoiceloopError(Exception):
    """The root. `exit_code` is what the command line ends with when nothing else catches it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, place: str = "", remedy: str = "") -> None:
        self.what, self.place, self.remedy = what, place, remedy
        super().__init__(what, place, remedy)

    def __str__(self) -> str:
        text = f"{self.place}: {self.what}" if self.place else self.what
        return f"{text.rstrip('.')}. {self.remedy}" if self.remedy else text


class UsageError(VoiceloopError):
    exit_code = 2


class ConfigError(VoiceloopError):
    """All the mistakes of a configuration at once; each `problems` entry is a whole line."""

    exit_code = 78

    def __init__(self, problems: Sequence[str], *, place: str = "") -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} mistake{'s' if len(self.problems) != 1 else ''} in the configuration"
        super().__init__("\n".join([count, *(f"  {line}" for line in self.problems)]), place=place)


class DeviceError(VoiceloopError):
    exit_code = 74


class NoSuchDevice(DeviceError):
    pass


class DeviceBusy(DeviceError):
    pass


class BadAudioFile(DeviceError):
    pass


class BadTraceFile(DeviceError):
    pass


class OutputError(DeviceError):
    pass


class ControlError(VoiceloopError):
    exit_code = 69


class EngineError(VoiceloopError):
    exit_code = 69


class MissingExtra(EngineError):
    pass


class HandlerError(VoiceloopError):
    exit_code = 69


class TargetError(VoiceloopError):
    exit_code = 69


class FocusChanged(TargetError):
    pass


class ClipboardSilent(TargetError):
    pass


class KeysHeld(TargetError):
    pass


class TooLate(TargetError):
    pass


class CantUndo(TargetError):
    pass


class ServiceError(VoiceloopError):
    """A service refused, failed or could not be reached.

    `status` is the HTTP status (None when there was no answer), `retry_after_s` what the server asked for,
    `attempts` how often it was tried.
    """

    exit_code = 69
    retryable: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - what is known of a failed request
        self,
        what: str,
        *,
        place: str = "",
        remedy: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(what, place=place, remedy=remedy)
        self.status, self.retry_after_s, self.attempts = status, retry_after_s, attempts


class Unreachable(ServiceError):
    retryable = True


class BadAnswer(ServiceError):
    pass


class LimitReached(ServiceError):
    pass


class BadRequest(ServiceError):
    pass


class Unauthorized(ServiceError):
    pass


class OutOfCredits(ServiceError):
    pass


class NoSuchModel(ServiceError):
    pass


class TimedOut(ServiceError):
    retryable = True


class RateLimited(ServiceError):
    retryable = True


class ServerFailed(ServiceError):
    retryable = True


class BadGateway(ServiceError):
    retryable = True


class Unavailable(ServiceError):
    retryable = True


class EdgeTimeout(ServiceError):
    retryable = True


class Overloaded(ServiceError):
    retryable = True


_E = TypeVar("_E", bound=BaseException)


def first(group: BaseExceptionGroup[_E]) -> _E:
    """The first error that a nursery's group holds: the one that the others followed from, or as good as any."""
    error: BaseExceptionGroup[_E] | _E = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
