"""What models a server has: their voices and prices, for a listing and for 'did you mean'. Pure but for its cache."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from voiceloop.net.failures import clean

Kind = Literal["speech", "transcription", "chat"]

KINDS: tuple[Kind, ...] = ("speech", "transcription", "chat")
MODALITY = {"speech": "speech", "transcription": "transcription", "chat": "text"}
"""What /models calls them, in `output_modalities`."""
DAY_S = 86_400.0
"""How long a listing is good."""


@dataclass(frozen=True, slots=True)
class Model:
    """A row of /models, its texts made fit to be shown."""

    id: str
    name: str
    voices: tuple[str, ...]
    prices: tuple[tuple[str, float], ...]
    """What each thing costs, in USD apiece, as the server names them (`prompt` and `completion` are tokens)."""


def parse(value: Any) -> tuple[Model, ...]:
    """The models in an answer of /models, by name; rows that make no sense are left out."""
    rows = value.get("data") if isinstance(value, dict) else None
    found = [model for row in (rows if isinstance(rows, list) else ()) if (model := _model(row)) is not None]
    return tuple(sorted(found, key=lambda model: model.id))


def _model(row: Any) -> Model | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not (id_ := clean(row["id"], 120)):
        return None
    name = row.get("name")
    voices = row.get("supported_voices")
    pricing = row.get("pricing")
    prices = ((key, _price(price)) for key, price in (pricing if isinstance(pricing, dict) else {}).items())
    return Model(
        id=id_,
        name=clean(name, 120) if isinstance(name, str) else "",
        voices=tuple(clean(v, 60) for v in (voices if isinstance(voices, list) else ()) if isinstance(v, str)),
        prices=tuple((clean(key, 30), price) for key, price in prices if price),
    )


def _price(value: Any) -> float:
    try:
        price = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return price if 0 < price < 1e6 else 0.0


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The names most like `name`; the part after the slash counts by itself too, so that `whisper-1` finds
    `openai/whisper-1`."""
    known = list(names)
    folded = {known_name.lower(): known_name for known_name in known}
    close = difflib.get_close_matches(name.lower(), folded, n=count, cutoff=0.6)
    tails = {known_name.lower().rpartition("/")[2]: known_name for known_name in known}
    close_tails = difflib.get_close_matches(name.lower().rpartition("/")[2], tails, n=count, cutoff=0.7)
    both = [folded[match] for match in close] + [tails[match] for match in close_tails]
    return list(dict.fromkeys(both))[:count]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A name that a listing doesn't have."""

    key: str
    """`model` or `voice`."""
    what: str
    hint: str
    """What may have been meant; empty when nothing is near."""

    def __str__(self) -> str:
        return f"{self.what}. {self.hint}" if self.hint else self.what


def find(name: str, listed: Sequence[Model]) -> Model | None:
    """The row of a model. What follows a colon or an at sign only chooses among its providers and presets."""
    plain = re.split("[:@]", name)[0]
    return next((m for wanted in (name, plain) for m in listed if m.id == wanted), None)


def doubt(name: str, voice: str | None, listed: Sequence[Model]) -> Doubt | None:
    """What a listing has against a model's name or its voice; None when nothing, or when there is no listing."""
    if not listed or name.startswith("@"):  # a preset of the account's own
        return None
    model = find(name, listed)
    if model is None:
        close = nearest(name, (model.id for model in listed))
        return Doubt("model", f"the server lists no '{name}'", f"Did you mean {_either(close)}?" if close else "")
    if voice is None or not model.voices or voice in model.voices:
        return None
    what = f"{model.id} has no voice '{voice}'"
    if close := nearest(voice, model.voices):
        return Doubt("voice", what, f"Did you mean the voice {_either(close)}?")
    shown = ", ".join(model.voices[:12]) + (", …" if len(model.voices) > 12 else "")
    return Doubt("voice", what, f"The voices of {model.id} are {shown}")


def advice(body: Any, models: Sequence[Model]) -> str:
    """What may help when a server refused the model or the voice of a request, nothing when they are right."""
    if not isinstance(body, dict):
        return ""
    voice = body.get("voice")
    found = doubt(str(body.get("model", "")), voice if isinstance(voice, str) else None, models)
    return found.hint if found is not None else ""


def character_usd(name: str, listed: Sequence[Model]) -> float | None:
    """What a model takes for speaking a character, by its listing: speech is priced so, as `prompt`."""
    model = find(name, listed)
    return dict(model.prices).get("prompt") if model is not None else None


def _either(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


class Cache:
    """Listings on disk, by server and kind. What can't be read or written is as if it weren't there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, base_url: str, kind: Kind) -> Path:
        # The address may hold a password: only its digest is written.
        return self._folder / f"models-{hashlib.sha256(base_url.encode()).hexdigest()[:16]}-{kind}.json"

    def get(self, base_url: str, kind: Kind, *, newest_s: float = DAY_S) -> tuple[Model, ...] | None:
        """The listing, unless it is older than `newest_s`."""
        try:
            value = json.loads(self._path(base_url, kind).read_text(encoding="utf-8"))
            if not 0 <= time.time() - value["at"] < newest_s:
                return None
            return tuple(
                Model(row["id"], row["name"], tuple(row["voices"]), tuple((k, v) for k, v in row["prices"]))
                for row in value["models"]
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, base_url: str, kind: Kind, models: Sequence[Model]) -> None:
        """Keep a listing."""
        path = self._path(base_url, kind)
        text = json.dumps({"at": time.time(), "models": [asdict(model) for model in models]}, ensure_ascii=False)
        temporary = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
