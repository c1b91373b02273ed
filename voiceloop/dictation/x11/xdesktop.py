"""The state of an X desktop: the focused window, held modifier keys, the keyboard layout, and the count of user input.
Reads no window titles. Stores no keys: only how many were pressed, and whether the last one was Return.
"""

from __future__ import annotations

import math
import struct
import time
from typing import Any

from Xlib import XK, X, error
from Xlib.ext import ge, xinput

from voiceloop.dictation.targets.desktop import Activity, is_terminal
from voiceloop.dictation.targets.target import Focus
from voiceloop.dictation.x11.xconnection import XConnection

XK.load_keysym_group("xf86")
_HELD = {X.ShiftMask: "Shift", X.ControlMask: "Ctrl", X.Mod1Mask: "Alt", X.Mod4Mask: "Super", X.Mod5Mask: "AltGr"}
_GROUP_SHIFT, _GROUP_MASK = 13, 3
"""Where the number of the active layout (group) is in a key state (XKB protocol, 2.2.2)."""
_WHEEL = frozenset({4, 5, 6, 7})
"""Button numbers of the scroll wheels, which don't count as input."""
_RETURNS = frozenset({XK.XK_Return, XK.XK_KP_Enter})
_NO_INPUT = frozenset({XK.XK_Pause, XK.XK_Scroll_Lock, XK.XK_Print, *range(XK.XK_F13, XK.XK_F35 + 1)})
"""Keys that write nothing and don't count as input: users assign shortcuts for dictation to them."""


class XDesktop:
    """Reads the state of the desktop. For use in the connection's thread only."""

    def __init__(self, connection: XConnection, terminals: tuple[str, ...]) -> None:
        self._connection = connection
        self._display = connection.display
        self._root = self._display.screen().root
        self._terminals = terminals
        self._count, self._line, self._pressed_at = 0, False, -math.inf
        self.typing = False
        """Whether we are typing: then synthetic key presses (XTEST devices) are ours and don't count as input."""
        self.watches = self._watch_input()

    @property
    def activity(self) -> Activity:
        """The user's key and button presses so far."""
        return Activity(self._count, self._line, time.monotonic() - self._pressed_at)

    def focus(self) -> Focus:
        """The window that has the focus."""
        for window in (self._active_window(), self._input_focus()):
            if window is not None:
                return self._focus_of(window)
        return Focus("")

    def held(self) -> str:
        """The modifier keys that are held, as text for the user (`Ctrl+Shift`); empty when none is."""
        mask = self._root.query_pointer().mask
        return "+".join(name for bit, name in _HELD.items() if mask & bit)

    def typable(self) -> frozenset[str]:
        """The characters that have a key in the current layout, with or without Shift."""
        mask = self._root.query_pointer().mask
        if mask & X.LockMask:  # Caps Lock: typed letters would come out with the opposite case
            return frozenset()
        group = (mask >> _GROUP_SHIFT) & _GROUP_MASK
        first, last = self._display.display.info.min_keycode, self._display.display.info.max_keycode
        codes = self._display.get_keyboard_mapping(first, last - first + 1)
        symbols = {code[at] for code in codes for at in (2 * group, 2 * group + 1) if at < len(code)}
        return frozenset(char for symbol in symbols if (char := character(symbol)))

    def _active_window(self) -> Any | None:
        atom = self._display.intern_atom("_NET_ACTIVE_WINDOW")
        found = self._root.get_full_property(atom, X.AnyPropertyType)
        number = int(found.value[0]) if found is not None and len(found.value) else 0
        return self._display.create_resource_object("window", number) if number else None

    def _input_focus(self) -> Any | None:
        focus = self._display.get_input_focus().focus
        return None if isinstance(focus, int) or focus == self._root else focus

    def _focus_of(self, window: Any) -> Focus:
        top = window
        try:
            while True:
                classes = top.get_wm_class()
                if classes:
                    return Focus(f"{top.id:#x}", classes[1], is_terminal(classes, more=self._terminals))
                parent = top.query_tree().parent
                if isinstance(parent, int) or parent == self._root:
                    return Focus(f"{top.id:#x}")
                top = parent
        except error.XError:  # the window has just been closed
            return Focus("")

    def _watch_input(self) -> bool:
        if not self._display.has_extension("XInputExtension"):
            return False
        self._display.xinput_query_version()
        mask = xinput.RawKeyPressMask | xinput.RawButtonPressMask
        self._root.xinput_select_events([(xinput.AllMasterDevices, mask)])
        devices = self._display.xinput_query_device(xinput.AllDevices).devices
        self._xtest_devices = frozenset(device.deviceid for device in devices if "XTEST" in device.name)
        self._connection.subscribe(self._on_event)
        return True

    def _on_event(self, event: Any) -> None:
        if event.type != ge.GenericEventCode or not isinstance(event.data, bytes):
            return
        detail, source = struct.unpack_from("<6xIH", event.data)
        if self.typing and source in self._xtest_devices:
            return
        if event.evtype == xinput.RawButtonPress and detail not in _WHEEL:
            self._count_press(line=False)
        elif event.evtype == xinput.RawKeyPress:
            self._count_key(detail)

    def _count_key(self, code: int) -> None:
        symbol = self._display.keycode_to_keysym(code, 0)
        mask = self._root.query_pointer().mask
        # Super and Ctrl+Alt combinations go to the window manager, not to the window.
        is_shortcut = mask & X.Mod4Mask or (mask & X.ControlMask and mask & X.Mod1Mask)
        if is_shortcut or _is_modifier(symbol) or symbol in _NO_INPUT or 0x1008FF00 <= symbol <= 0x1008FFFF:
            return
        self._count_press(line=symbol in _RETURNS)

    def _count_press(self, *, line: bool) -> None:
        self._count, self._line, self._pressed_at = self._count + 1, line, time.monotonic()


def _is_modifier(symbol: int) -> bool:
    return XK.XK_Shift_L <= symbol <= XK.XK_Hyper_R or 0xFE01 <= symbol <= 0xFE13 or symbol == XK.XK_Num_Lock


def character(symbol: int) -> str:
    """The character of a keysym (X protocol, appendix A); empty when it has none, or a legacy number that isn't
    Unicode."""
    if 0x20 <= symbol <= 0x7E or 0xA0 <= symbol <= 0xFF:
        return chr(symbol)
    return chr(symbol - 0x01000000) if 0x01000100 <= symbol <= 0x0110FFFF else ""
