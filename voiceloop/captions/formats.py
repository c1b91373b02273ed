"""Formatters: cues as SubRip, WebVTT and JSON lines. Pure.

The text of a cue has no control characters (`words.spoken`); these functions neutralise the tags of each format.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from voiceloop.captions.cues import Cue

_SRT = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})
"""SubRip has no escapes for these characters: players read <...> as HTML and {\\...} as commands."""
_VTT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(cue: Cue, number: int) -> str:
    """A cue in SubRip; `number` counts from 1."""
    speaker = f"[{cue.name}] " if cue.name else ""
    text = "\n".join(line.translate(_SRT) for line in (*cue.lines, *cue.second))
    return f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n{speaker}{text}\n\n"


def vtt(cue: Cue, number: int) -> str:
    """A cue in WebVTT; `number` counts from 1."""
    speaker = f"<v {cue.name.translate(_VTT)}>" if cue.name else ""
    text = "\n".join(line.translate(_VTT) for line in (*cue.lines, *cue.second))
    return f"{number}\n{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}\n{speaker}{text}\n\n"


VTT_HEAD = "WEBVTT\n\n"


def jsonl(cue: Cue, number: int) -> str:
    """A cue as a line of JSON: `number`, `start_s`, `end_s`, `source`, `speaker` if it is known, `text`, `lines`,
    `translation` if there is one."""
    fields: dict[str, object] = {
        "start_s": round(cue.start_s, 3),
        "end_s": round(cue.end_s, 3),
        "source": cue.source or None,
    }
    fields |= {"speaker": cue.speaker} if cue.speaker else {}
    fields |= {"text": cue.text, "lines": cue.lines}
    fields |= {"translation": " ".join(cue.second)} if cue.second else {}
    return json.dumps({"number": number} | fields, ensure_ascii=False) + "\n"


FORMATS: dict[str, tuple[str, Callable[[Cue, int], str]]] = {
    "srt": ("", srt),
    "vtt": (VTT_HEAD, vtt),
    "jsonl": ("", jsonl),
}
"""For each format: the head of a file, and the function that formats a cue."""


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}{point}{ms % 1000:03}"
