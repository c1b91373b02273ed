"""Golden files: for the same arguments, voiceloop sends the same requests as the providers' SDKs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.golden_cases import CASES, Case, comparable, kind
from testbed.http_parts import endpoint, open_bench
from testbed.server import Script, open_server

GOLDEN = Path(__file__).parent / "golden"


def golden(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{case.name}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_we_send_what_the_sdk_sends(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICELOOP_TEST_KEY", "sk-test")
    async with open_server(Script(key="sk-test")) as server, open_bench(endpoint(server, **case.openrouter)) as bench:
        await case.run(bench.services)
        (request,) = server.posts()
    assert server.broken == []
    expected = golden(case)
    assert comparable(request.body) == expected["body"]
    assert request.path == expected["path"]
    assert kind(request.headers["content-type"]) == kind(expected["headers"]["content-type"])
    for name in ("authorization", "x-openrouter-title"):
        assert request.headers[name] == expected["headers"][name]


def test_every_golden_file_has_its_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == {case.name for case in CASES}
