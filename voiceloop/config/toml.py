"""TOML as it may come: what the parser of the standard library falls over is an error like any other. Pure."""

from __future__ import annotations

import tomllib
from typing import Any

DEEPEST = 16
"""How deep tables and lists may be nested: more than any setting needs, and little enough for all who walk them."""


class NotToml(ValueError):
    """The text is not TOML, or none that a config could be. Its message is tomllib's, with the place at its end."""


def parse(text: str) -> dict[str, Any]:
    """The values of a TOML text. Raises NotToml."""
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise NotToml("Nested too deep (at end of document)") from None
    except ValueError as error:  # also for a number of thousands of digits
        message = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "A number is too long"
        raise NotToml(message) from None
    if _too_deep(found):
        raise NotToml("Nested too deep (at end of document)")
    return found


def _too_deep(found: object) -> bool:
    level = [found]
    for _ in range(DEEPEST):
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return False
    return True


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
