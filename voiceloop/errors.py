"""The errors that voiceloop raises on purpose. Each message names the thing, the place and the remedy.

VoiceloopError
├── UsageError            exit 2   the command line asks for something impossible
├── ConfigError           exit 78  one or more mistakes in the configuration, all of them
├── DeviceError           exit 74  sound devices and files
│   ├── NoSuchDevice
│   ├── DeviceBusy
│   ├── BadAudioFile               unreadable, empty, truncated, not PCM
│   ├── BadTraceFile               empty, damaged, or not a trace
│   ├── OutputError                standard output, or a file, can't be written
│   └── StartAnew         exit 75  the sound system of this process can't be used any more: a new process can
├── ControlError          exit 69  no running program to control, or more than one
├── ServiceManagerError   exit 69  systemd is missing, doesn't answer or refuses
├── EngineError           exit 69  an engine that can't be loaded, or that fails
│   └── MissingExtra               its package is not installed
├── HandlerError          exit 69  the user's program or function failed
├── TargetError           exit 69  dictated text can't be inserted where it belongs
│   ├── FocusChanged               the window that has the focus is not the one it was said for
│   ├── ClipboardSilent            the clipboard's contents can't be read, so they could not be restored
│   ├── KeysHeld                   the user holds keys that would turn typing into commands
│   ├── TooLate                    so much time has passed that another window may have the focus
│   └── CantUndo                   the last insertion can't be undone exactly
└── ServiceError          exit 69  a request to an HTTP service failed
    ├── Unreachable                no connection, DNS, TLS, or the connection broke off
    │   └── NotRunning             no server takes connections at an address of this machine or the local network
    ├── BadAnswer                  status 200, but not the kind of answer that was asked for
    ├── LimitReached               our own limit on what a session may cost
    ├── BadRequest        400      ├── ServerFailed    500
    │   └── ContextTooLong         │    (for the model: the conversation is longer than it can take)
    ├── Unauthorized      401      ├── BadGateway      502
    ├── OutOfCredits      402      ├── Unavailable     503
    ├── NoSuchModel       404      ├── EdgeTimeout     524
    ├── TimedOut          408      └── Overloaded      529
    └── RateLimited       429
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ClassVar, TypeVar


class VoiceloopError(Exception):
    """The root. `exit_code` is the exit code of the command line when nothing else catches the error."""

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
    """All the mistakes of a configuration at once; each entry of `problems` is one line."""

    exit_code = 78

    def __init__(self, problems: Sequence[str], *, place: str = "") -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} mistake{'s' if len(self.problems) != 1 else ''} in the configuration"
        super().__init__("\n".join([count, *(f"  {line}" for line in self.problems)]), place=place)


class DeviceError(VoiceloopError):
    exit_code = 74


class StartAnew(DeviceError):
    """`kept` is what the new process goes on with: values for JSON. None: only the user may start one."""

    exit_code = 75

    def __init__(self, what: str, *, kept: Mapping[str, object] | None, place: str = "", remedy: str = "") -> None:
        self.kept = kept
        super().__init__(what, place=place, remedy=remedy)


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


class ServiceManagerError(VoiceloopError):
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

    `status` is the HTTP status (None when there was no answer), `retry_after_s` the wait that the server asked for,
    `attempts` the number of tries.
    """

    exit_code = 69
    retryable: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913 - all that is known about a failed request
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


class NotRunning(Unreachable):
    pass


class BadAnswer(ServiceError):
    pass


class LimitReached(ServiceError):
    pass


class BadRequest(ServiceError):
    pass


class ContextTooLong(BadRequest):
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
_T = TypeVar("_T")


def first(group: BaseExceptionGroup[_E]) -> _E:
    """The first error in a nursery's group, however deeply nested. Further errors, if any, mostly follow from it."""
    error: BaseExceptionGroup[_E] | _E = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def contained(work: Callable[[], Awaitable[_T]]) -> _T:
    """Do `work` of a plug-in. Of what it raises, only an `Exception` and Trio's `Cancelled` get out. All else becomes
    an `EngineError`: `SystemExit`, `KeyboardInterrupt`, asyncio's `CancelledError`, one of its own."""
    import trio  # `voiceloop ctl` starts without Trio

    try:
        return await work()
    except (Exception, trio.Cancelled):
        raise
    except BaseExceptionGroup as group:
        cancelled, rest = group.split(trio.Cancelled)
        if rest is None or isinstance(rest, ExceptionGroup):
            raise
        error = _as_engine_error(first(rest))
        raise (error if cancelled is None else group.derive([cancelled, error])) from group
    except BaseException as error:
        raise _as_engine_error(error) from error


def _as_engine_error(error: BaseException) -> EngineError:
    return EngineError(f"{type(error).__name__}: {error}".rstrip(": "))
