"""Keeps the interpreter from exiting while a thread is in native code that can't be stopped."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def before_exit() -> Iterator[None]:
    """A block of a thread that the interpreter waits for when it exits.

    The threads of Trio are daemons, so the interpreter does not wait for them. A call of CTranslate2 that returns after
    its end crashes the process: a segmentation fault, or an abort.
    """
    done = threading.Event()
    atexit.register(done.wait)
    try:
        yield
    finally:
        done.set()
        atexit.unregister(done.wait)
