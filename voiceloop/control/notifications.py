"""Desktop notifications, by `notify-send`: what state the loop is in, one in place of the other."""

from __future__ import annotations

import shutil
import subprocess

import trio

from voiceloop.events import Publish

_TITLE = "voiceloop"
_TEXTS = {
    "listening": "Listening",
    "idle": "Not listening",
    "asleep": 'Asleep: say "wake up"',
    "muted": "Muted: the microphone is closed",
}
_PATIENCE_S = 2.0


class Notifier:
    """Shows the last of what it was told. Its absence is said once, at start; so is what it fails with."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self._program = shutil.which("notify-send")
        # One: what comes while the last is being shown replaces what waits.
        self._send, self._receive = trio.open_memory_channel[str](1)
        if self._program is None:
            self._give_up("there is no notify-send (Debian: libnotify-bin)")

    def state(self, state: str) -> None:
        """The loop is in another state."""
        self.show(_TEXTS[state])

    def show(self, text: str) -> None:
        """Show a line. Never waits."""
        if self._program is None:
            return
        try:
            self._send.send_nowait(text)
        except trio.WouldBlock:
            self._receive.receive_nowait()
            self._send.send_nowait(text)

    async def run(self) -> None:
        """Show what comes."""
        async for text in self._receive:
            if self._program is not None:
                await self._notify(self._program, text)

    async def _notify(self, program: str, text: str) -> None:
        hint = "string:x-canonical-private-synchronous:voiceloop"
        command = [program, "--app-name", _TITLE, "--hint", hint, "--expire-time", "1500", _TITLE, text]
        with trio.move_on_after(_PATIENCE_S) as patience:
            try:
                done = await trio.run_process(
                    command, stdin=subprocess.DEVNULL, capture_stdout=True, capture_stderr=True, check=False
                )
            except OSError as error:
                self._give_up(f"notify-send can't be run ({error.strerror})")
                return
            if done.returncode:
                said = done.stderr.decode(errors="replace").strip().splitlines()
                self._give_up(f"notify-send failed: {said[-1] if said else done.returncode}")
        if patience.cancelled_caught:
            self._give_up("notify-send doesn't answer")

    def _give_up(self, why: str) -> None:
        self._program = None
        text = f"control.notify: {why}; the state is shown by 'voiceloop ctl status' only."
        self._publish("notice", text=text)
