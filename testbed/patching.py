"""Changes the installed command for a test: Python runs some code before the command's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def patched(env: Mapping[str, str], folder: Path, code: str) -> dict[str, str]:
    """The environment of a command in whose process `code` runs first. It is written into `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    paths = [str(folder), *filter(None, [env.get("PYTHONPATH")])]
    return {**env, "PYTHONPATH": os.pathsep.join(paths)}
