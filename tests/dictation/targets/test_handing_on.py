"""What the next owner of the clipboard is told."""

from __future__ import annotations

from voiceloop.dictation.targets.handing_on import Form, Handed, packed, unpacked


def test_a_message_says_what_was_packed() -> None:
    text, picture = Form("UTF8_STRING", "é\n".encode(), "UTF8_STRING", 8), Form("image/png", bytes(range(256)), "x", 32)
    for handed in (
        Handed("x11", [text, picture]),
        Handed("x11", [picture], lent=[text], lent_s=2.5),
        Handed("wayland", [], lent=[picture, text], lent_s=0.0),
    ):
        assert unpacked(packed(handed)) == Handed(handed.desktop, list(handed.forms), list(handed.lent), handed.lent_s)
