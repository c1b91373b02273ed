#!/usr/bin/env python3
"""Records the requests of the providers' own SDKs in tests/net/golden/. Tests check that our requests are equal.

Run it by hand when an SDK changes: `.venv/bin/python -m testbed.record_golden`. The SDKs come from the package index
into a temporary virtual environment. They talk to the test server on loopback, with a made-up key.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import venv
from pathlib import Path
from typing import Any

import trio

from testbed.golden_cases import CASES, Case, comparable, kind
from testbed.server import Script, open_server

ROOT = Path(__file__).resolve().parent.parent

SDKS = ("openrouter", "openai")
HEADERS = ("content-type", "authorization", "accept", "http-referer", "x-openrouter-title")


def install(folder: Path) -> Path:
    """Make a virtual environment with the SDKs; gives its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *SDKS], check=True)
    return python


def versions(python: Path) -> dict[str, str]:
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    done = subprocess.run([python, "-c", code, *SDKS], check=True, capture_output=True, text=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


async def record(python: Path, case: Case) -> dict[str, Any]:
    """Run the SDK for `case`; gives the one request that it makes."""
    async with open_server(Script(key="sk-test")) as server:
        await trio.run_process([str(python), "-c", case.sdk_code, server.url])
        (request,) = server.posts()
    if request.broken:
        raise SystemExit(f"{case.name}: the server's rules are wrong: {request.broken}")
    headers = {name: request.headers[name] for name in HEADERS if name in request.headers}
    headers["content-type"] = kind(headers["content-type"])
    return {"path": request.path, "headers": headers, "body": comparable(request.body)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        python = install(Path(folder))
        found = versions(python)
        for case in CASES:
            recorded = {"sdk": case.sdk, "version": found[case.sdk], **trio.run(record, python, case)}
            path = ROOT / "tests" / "net" / "golden" / f"{case.name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(recorded, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
            print(f"{path.relative_to(ROOT)}  {case.sdk} {found[case.sdk]}")


if __name__ == "__main__":
    main()
