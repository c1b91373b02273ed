"""Parts for tests of the configuration, which name them as `testbed.config_parts:Loud`."""

from __future__ import annotations

from typing import Any, Literal

from voiceloop.config.tables import Table


class Loud:
    """An engine with options of every kind."""

    class Options(Table):
        model: str
        """Which voice."""
        speed: float = 1.0
        """How fast."""
        mood: Literal["gay", "grave"] = "gay"
        names: tuple[str, ...] = ()
        extra: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it

    @classmethod
    def open(cls, options: Options, services: object) -> None:
        raise NotImplementedError


class Quiet:
    """An engine without options that needs a package that doesn't exist."""

    requires = ("no_such_package_of_ours",)

    class Options(Table):
        pass

    @classmethod
    def open(cls, options: Options, services: object) -> None:
        raise NotImplementedError


class NoPart:
    """Not a part: has neither `Options` nor `open`."""


def answer(text: str) -> str:
    """A handler in one line."""
    return text.upper()


NUMBER = 3
