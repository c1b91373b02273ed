"""Opening the parts: what their libraries raise is one line that names the part and the remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pydantic import BaseModel

from testbed.recorder import Recorder
from voiceloop.config.tables import Config, PartTable, Segment, Table
from voiceloop.errors import EngineError
from voiceloop.opening import open_acoustic_judge, open_part


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
            await open_part(stack, table, cast(Any, SimpleNamespace(publish=Recorder())))
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


async def test_a_damaged_model_of_the_acoustic_judge_is_told_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "voiceloop/models/smart-turn-v3.2"
    folder.mkdir(parents=True)
    (folder / "smart-turn-v3.2-cpu.onnx").write_bytes(b"half of it")
    config = cast(Config, SimpleNamespace(segment=Segment()))
    found = await open_acoustic_judge(config, "en")
    assert found.network is None
    assert "smart-turn-v3.2-cpu.onnx is damaged: it has 10 bytes" in found.failure


async def test_without_its_model_turns_are_not_judged_by_their_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    found = await open_acoustic_judge(cast(Config, SimpleNamespace(segment=Segment())), None)
    assert found.network is None
    assert not found.failure
    assert "voiceloop models get smart-turn-v3.2" in found.why_not
