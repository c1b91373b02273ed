"""Opening the parts: what their libraries raise is one line that names the part and the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from pydantic import BaseModel

from voiceloop.config.tables import PartTable, Table
from voiceloop.errors import EngineError
from voiceloop.opening import open_part


async def why_not(error: Exception) -> str:
    class Failing:
        @classmethod
        @asynccontextmanager
        async def open(cls, options: BaseModel, services: Any) -> AsyncIterator[None]:
            raise error
            yield

    table = PartTable(use="mine:Failing", part=Failing, options=Table())
    async with AsyncExitStack() as stack:
        with pytest.raises(EngineError) as caught:
            await open_part(stack, table, cast(Any, None))
    line = str(caught.value)
    assert "\n" not in line
    assert "mine:Failing" in line
    return line


async def test_a_wrong_import_in_the_users_part_is_named_with_its_file_and_line() -> None:
    line = await why_not(ImportError("cannot import name 'x' from 'json'"))
    assert "ImportError: cannot import name 'x' from 'json'" in line
    assert f"{__file__}:" in line
    assert "correct the import" in line


@pytest.mark.parametrize(
    "error", [MemoryError(), ImportError("libonnxruntime.so: failed to map segment from shared object")]
)
async def test_a_lack_of_memory_is_told_as_such(error: Exception) -> None:
    line = await why_not(error)
    assert "too little memory" in line
    assert "Free some memory" in line
