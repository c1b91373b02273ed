"""The folder of the fetched models: what counts as fetched, how a model becomes visible, what removing leaves."""

from __future__ import annotations

import json
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.downloads.storing import RECORD, Store
from voiceloop.errors import OutputError, UsageError

FILES = ("config.json", "model.bin")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def stage(store: Store, text: str = "first") -> None:
    staging = store.staging("small")
    staging.mkdir(parents=True)
    for file in FILES:
        (staging / file).write_text(f"{text} {file}")


def test_a_model_becomes_visible_whole_and_without_the_leftovers_of_its_fetching(store: Store) -> None:
    stage(store)
    (store.staging("small") / "model.bin.etag").write_text("x")
    (store.staging("small") / ".pip-1").mkdir()
    folder = store.publish("small", FILES, "somewhere")
    assert sorted(entry.name for entry in folder.iterdir()) == [RECORD, *FILES]
    assert store.is_whole("small")
    assert not store.staging("small").exists()


def test_a_damaged_model_is_replaced(store: Store) -> None:
    stage(store)
    folder = store.publish("small", FILES, "somewhere")
    (folder / "model.bin").write_text("cut")
    assert not store.is_whole("small")
    stage(store, "second")
    store.publish("small", FILES, "somewhere")
    assert store.is_whole("small")
    assert (folder / "model.bin").read_text() == "second model.bin"
    assert not (store.root / ".fetching" / "small.old").exists()


def test_what_a_power_failure_has_left_of_replacing_a_model_is_in_nobodys_way(store: Store) -> None:
    stage(store)
    store.publish("small", FILES, "somewhere")
    old = store.root / ".fetching" / "small.old"
    old.mkdir()
    (old / "model.bin").write_text("older still")
    stage(store, "second")
    folder = store.publish("small", FILES, "somewhere")
    assert not old.exists()
    assert (folder / "model.bin").read_text() == "second model.bin"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", ".fetching", "small\n", "-small", "a b"])
def test_a_name_never_leads_out_of_its_own_folder(store: Store, name: str) -> None:
    stage(store)
    for work in (store.folder, store.staging, store.begun, store.remove):
        with pytest.raises(UsageError, match="is not a model's name"):
            work(name)
    with pytest.raises(UsageError, match="is not a model's name"), store.locked(name):
        pass
    assert store.fetched(name) is None
    assert sorted(store.begun("small")) == sorted(FILES)


def test_what_is_left_of_an_attempt_is_counted_even_while_it_vanishes(
    store: Store,
) -> None:
    assert store.begun("small") == {}
    stage(store)
    (store.staging("small") / "gone.part").symlink_to("nowhere")
    assert store.begun("small") == {file: len(f"first {file}") for file in FILES}


def test_the_users_own_folders_were_not_fetched(store: Store, tmp_path: Path) -> None:
    assert store.fetched("small") is None
    store.folder("small").mkdir(parents=True)
    (store.folder("small") / "model.bin").write_text("mine")
    assert store.fetched("small") is None
    assert store.remove("small") == []
    assert (store.folder("small") / "model.bin").read_text() == "mine"


def test_a_link_to_a_fetched_model_elsewhere_is_the_users_own(store: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    stage(other)
    target = other.publish("small", FILES, "somewhere")
    store.root.mkdir()
    store.folder("small").symlink_to(target)
    assert store.fetched("small") is None
    store.remove("small")
    assert other.is_whole("small")


def test_removing_takes_only_what_was_fetched(store: Store) -> None:
    stage(store)
    folder = store.publish("small", FILES, "somewhere")
    (folder / "notes.txt").write_text("mine")
    assert store.remove("small") == ["notes.txt"]
    assert [entry.name for entry in folder.iterdir()] == ["notes.txt"]
    assert store.fetched("small") is None


def test_removing_takes_the_folder_and_what_is_left_of_an_attempt(store: Store) -> None:
    stage(store)
    folder = store.publish("small", FILES, "somewhere")
    stage(store)
    assert store.remove("small") == []
    assert not folder.exists()
    assert not store.staging("small").exists()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "{}",
        '{"files": {}}',
        '{"files": ["a"]}',
        '{"files": {"../../x": 1}}',
        '{"files": {"a/b": 1}}',
        '{"files": {".bashrc": 1}}',
        '{"files": {"a": "1"}}',
        '{"files": {"a": true}}',
        "[" * 100_000,
    ],
)
def test_a_record_that_is_not_ours_makes_no_model_fetched(store: Store, record: str) -> None:
    store.folder("small").mkdir(parents=True)
    (store.folder("small") / RECORD).write_text(record)
    assert store.fetched("small") is None


@given(st.dictionaries(st.text(), st.integers(), min_size=1))
def test_no_record_names_a_file_outside_the_folder(tmp_path_factory: pytest.TempPathFactory, files: object) -> None:
    store = Store(tmp_path_factory.mktemp("models"))
    store.folder("small").mkdir()
    (store.folder("small") / RECORD).write_text(json.dumps({"files": files}))
    for name in store.fetched("small") or {}:
        assert (store.folder("small") / name).parent == store.folder("small")
        assert name not in {".", ".."}


def test_a_model_is_worked_on_by_one_at_a_time(store: Store) -> None:
    with store.locked("small"):
        with pytest.raises(UsageError, match=r"another voiceloop is at work on 'small'"), store.locked("small"):
            pass
        with store.locked("tiny"):
            pass
    with store.locked("small"):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(OutputError, match=r"can't be written: ") as caught, Store(tmp_path / "models").locked("small"):
        pass
    assert "\n" not in str(caught.value)


def test_too_little_room_is_said_before_anything_is_fetched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10, 5, 30_000_000))
    store.demand_room(30_000_000)
    with pytest.raises(OutputError, match=r"the disk has 30 MB free, and 31 MB are needed"):
        store.demand_room(31_000_000)
