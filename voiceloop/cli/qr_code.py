"""QR codes in the terminal, by segno (the extra `qr`)."""

from __future__ import annotations

_QUIET = 4
"""Modules of white around the code, as the standard asks."""
_BLACK_ON_WHITE, _RESET = "\x1b[30;107m", "\x1b[0m"


def drawn(text: str, width: int) -> str:
    """The QR code of `text` in rows of at most `width` columns, a module per column and two per row, black on white
    whatever the terminal's colours. Empty if it is wider, or segno is not installed."""
    try:
        import segno
    except ImportError:
        return ""
    code = segno.make(text, micro=False)
    if code.symbol_size(border=_QUIET)[0] > width:
        return ""
    modules = [[bool(module) for module in row] for row in code.matrix_iter(border=_QUIET)]
    if len(modules) % 2:
        modules.append([False] * len(modules[0]))
    pairs = zip(modules[::2], modules[1::2], strict=True)
    rows = ("".join(_BLOCKS[pixels] for pixels in zip(upper, lower, strict=True)) for upper, lower in pairs)
    return "\n".join(f"{_BLACK_ON_WHITE}{row}{_RESET}" for row in rows)


_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""By whether the upper and the lower module are dark."""
