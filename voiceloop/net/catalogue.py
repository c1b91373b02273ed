"""The catalogue of a server's models, voices and prices, for listings and for 'did you mean' hints.

Pure functions; only `Cache` touches the disk.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from voiceloop.net.failures import clean
from voiceloop.system.private_files import write_private

Kind = Literal["speech", "transcription", "chat"]

KINDS: tuple[Kind, ...] = ("speech", "transcription", "chat")
MODALITY = {"speech": "speech", "transcription": "transcription", "chat": "text"}
"""The name of each kind in the `output_modalities` parameter of /models."""
_NAME = re.compile(r"\w{1,60}", re.ASCII)
DAY_S = 86_400.0
"""The age up to which a cached listing is used without asking the server."""


SOON_DAYS = 120
"""How long before its end it is told that a model ends."""


@dataclass(frozen=True, slots=True)
class Model:
    """A row of /models. Its texts are cleaned for display (`failures.clean`)."""

    id: str
    name: str
    voices: tuple[str, ...]
    prices: tuple[tuple[str, float], ...]
    """Prices as (unit, USD per unit). The server names the units (`prompt` and `completion` are tokens)."""
    parameters: tuple[str, ...] = ()
    """The fields of a request that the model takes; empty when the listing doesn't say."""
    efforts: tuple[str, ...] = ()
    """The efforts of reasoning that it takes; empty when the listing doesn't say."""
    always_reasons: bool = False
    """Whether its reasoning can't be turned off."""
    ends: str = ""
    """The day after which it may be gone, as YYYY-MM-DD; empty when none is known."""


def parse(value: Any, hide: Callable[[str], str] = str) -> tuple[Model, ...]:
    """Parse the answer of /models: the models sorted by id. Malformed rows are left out.

    `hide` removes secrets that the server may echo.
    """
    rows = value.get("data") if isinstance(value, dict) else None
    cleaned = partial(clean, hide=hide)
    found = [model for row in (rows if isinstance(rows, list) else ()) if (model := _model(row, cleaned)) is not None]
    return tuple(sorted(found, key=lambda model: model.id))


def _model(row: Any, clean: Callable[[str, int], str]) -> Model | None:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str) or not (id_ := clean(row["id"], 120)):
        return None
    name = row.get("name")
    voices = row.get("supported_voices")
    pricing = row.get("pricing")
    reasoning = row.get("reasoning")
    reasoning = reasoning if isinstance(reasoning, dict) else {}
    prices = ((key, _price(price)) for key, price in (pricing if isinstance(pricing, dict) else {}).items())
    return Model(
        id=id_,
        name=clean(name, 120) if isinstance(name, str) else "",
        voices=tuple(clean(v, 60) for v in (voices if isinstance(voices, list) else ()) if isinstance(v, str)),
        prices=tuple((clean(key, 30), price) for key, price in prices if price),
        parameters=_names(row.get("supported_parameters")),
        efforts=_names(reasoning.get("supported_efforts")),
        always_reasons=reasoning.get("mandatory") is True,
        ends=_day(row.get("expiration_date")),
    )


def _names(value: Any) -> tuple[str, ...]:
    """The names in a list: words of letters, digits and underscores, which need no cleaning."""
    listed = value if isinstance(value, list) else ()
    return tuple(name for name in listed if isinstance(name, str) and _NAME.fullmatch(name))


def _day(value: Any) -> str:
    """A day as YYYY-MM-DD, without the time that may follow; empty for anything else."""
    try:
        return date.fromisoformat(value[:10]).isoformat() if isinstance(value, str) else ""
    except ValueError:
        return ""


def _price(value: Any) -> float:
    try:
        price = float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return price if 0 < price < 1e6 else 0.0


def nearest(name: str, names: Iterable[str], count: int = 3) -> list[str]:
    """The `count` names most similar to `name`, or fewer.

    The part after the slash is also compared alone, so that `whisper-1` finds `openai/whisper-1`.
    """
    known = list(names)
    folded = {known_name.lower(): known_name for known_name in known}
    close = difflib.get_close_matches(name.lower(), folded, n=count, cutoff=0.6)
    tails = {known_name.lower().rpartition("/")[2]: known_name for known_name in known}
    close_tails = difflib.get_close_matches(name.lower().rpartition("/")[2], tails, n=count, cutoff=0.7)
    both = [folded[match] for match in close] + [tails[match] for match in close_tails]
    return list(dict.fromkeys(both))[:count]


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A name in the config that the server's listing doesn't contain."""

    key: str
    """The config key with the name: `model` or `voice`."""
    what: str
    """What is wrong."""
    hint: str
    """Similar names that the listing does contain; empty when there are none."""

    def __str__(self) -> str:
        return f"{self.what}. {self.hint}" if self.hint else self.what


def find(name: str, listed: Sequence[Model]) -> Model | None:
    """The row of a model, or None.

    A suffix after a colon or an at sign is ignored if needed: it only chooses a provider or a preset of the model. To
    Ollama a name without a tag means the tag `latest`.
    """
    plain = re.split("[:@]", name)[0]
    return next((m for wanted in (name, plain, f"{name}:latest") for m in listed if m.id == wanted), None)


def doubt(name: str, listed: Sequence[Model], *, voice: str | None) -> Doubt | None:
    """Check a model's name and its voice against a listing. None when both are listed, or when the listing is empty."""
    if not listed or name.startswith("@"):  # "@" begins the name of a preset defined in the user's account
        return None
    model = find(name, listed)
    if model is None:
        close = nearest(name, (model.id for model in listed))
        hint = f"Did you mean {_either(close)}?" if close else ""
        return Doubt(key="model", what=f"the server lists no model '{name}'", hint=hint)
    if voice is None or not model.voices or voice in model.voices:
        return None
    what = f"{model.id} has no voice '{voice}'"
    if close := nearest(voice, model.voices):
        return Doubt(key="voice", what=what, hint=f"Did you mean the voice {_either(close)}?")
    shown = ", ".join(model.voices[:12]) + (", …" if len(model.voices) > 12 else "")
    return Doubt(key="voice", what=what, hint=f"The voices of {model.id} are {shown}")


def advice(body: Any, models: Sequence[Model]) -> str:
    """A hint for a request that the server refused: similar names for its model or voice.

    Empty when the listing contains both. `body` is the JSON of the request.
    """
    if not isinstance(body, dict):
        return ""
    voice = body.get("voice")
    found = doubt(str(body.get("model", "")), models, voice=voice if isinstance(voice, str) else None)
    return found.hint if found is not None else ""


def character_usd(name: str, listed: Sequence[Model]) -> float | None:
    """The listed price of a speech model in USD per character, or None. Listings give it as `prompt`."""
    model = find(name, listed)
    return dict(model.prices).get("prompt") if model is not None else None


def ending(name: str, listed: Sequence[Model], today: date, known: str = "") -> str:
    """Until when a model can be used, as text, if that is less than `SOON_DAYS` away; else empty. `known`: the day, if
    it is known without the listing."""
    model = find(name, listed)
    ends = (model.ends if model is not None else "") or known
    if not ends or (date.fromisoformat(ends) - today).days > SOON_DAYS:
        return ""
    return f"{name} ends on {ends}: choose another in time"


def _either(names: Sequence[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A file of the cache."""

    at: float
    """When it was asked for: Unix seconds."""
    models: tuple[Model, ...]


@cache
def _kept() -> TypeAdapter[_Kept]:
    return TypeAdapter(_Kept)


class Cache:
    """Listings on disk, by server and kind. A file that can't be read counts as missing; a failed write is ignored."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, base_url: str, kind: Kind) -> Path:
        # The address may contain a password, so the file name holds only its digest.
        return self._folder / f"models-{hashlib.sha256(base_url.encode()).hexdigest()[:16]}-{kind}.json"

    def get(self, base_url: str, kind: Kind, *, newest_s: float = DAY_S) -> tuple[Model, ...] | None:
        """The cached listing; None when there is none, or when it is `newest_s` old or older."""
        try:
            kept = _kept().validate_json(self._path(base_url, kind).read_bytes(), strict=True)
        except (OSError, ValueError):
            return None
        return kept.models if 0 <= time.time() - kept.at < newest_s else None

    def put(self, base_url: str, kind: Kind, models: Sequence[Model]) -> None:
        """Write a listing to the cache."""
        path = self._path(base_url, kind)
        text = json.dumps(asdict(_Kept(time.time(), tuple(models))), ensure_ascii=False)
        temporary = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_private(temporary, text.encode())
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
