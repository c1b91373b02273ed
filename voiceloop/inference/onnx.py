"""Sessions of ONNX Runtime: one thread each, no memory arena, quiet. Imports it at first use.

One thread halves the processor time of short clips and costs nothing in latency up to 5 s of speech. Without the arena
a session gives memory back after a long clip.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceloop.audio.quiet import quiet
from voiceloop.errors import EngineError

if TYPE_CHECKING:
    import onnxruntime

_SILENT = 4
"""The log level "fatal". ONNX Runtime would print its errors on stderr beside raising them."""


@cache
def runtime() -> Any:
    """The module of ONNX Runtime. On many ARM machines it prints on stderr, while it is imported, that it doesn't know
    the processor: that is discarded, once, at the first import: standard error is the whole process's."""
    with quiet():
        import onnxruntime
    return onnxruntime


def open_session(path: Path, *, place: str, remedy: str) -> onnxruntime.InferenceSession:
    """A session for the network in a local file. Raises `EngineError` when it can't be loaded."""
    ort = runtime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _SILENT
    try:
        session: onnxruntime.InferenceSession = ort.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # ONNX Runtime has one class for each of its status codes, without a common base
        if "bad_alloc" in str(error):
            remedy = "There is too little memory: free some, or use an engine that is served"
        raise EngineError(f"{path} can't be loaded: {first_line(error)}", place=place, remedy=remedy) from error
    return session


def run_options() -> onnxruntime.RunOptions:
    """Options of one run. Setting their `terminate` from another thread ends the run after the current operation."""
    options = runtime().RunOptions()
    options.log_severity_level = _SILENT
    return options


def first_line(error: BaseException) -> str:
    """The beginning of an error's text: ONNX Runtime's may have many lines."""
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
