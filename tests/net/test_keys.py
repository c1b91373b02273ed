"""API keys: read from the environment or a file, and never shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from voiceloop.config.tables import Endpoint
from voiceloop.errors import ConfigError, Unauthorized
from voiceloop.net.keys import Key, read_key


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n")
    both = Endpoint(api_key_env="K", api_key_file=str(file))
    assert _value(read_key(both, {"K": " from-env "})) == "from-env"
    assert _value(read_key(both, {"K": ""})) == "from-file"


def _value(key: Key | None) -> str:
    assert key is not None
    return key.header().removeprefix("Bearer ")


def test_the_error_of_a_missing_key_names_the_remedy() -> None:
    with pytest.raises(Unauthorized) as caught:
        read_key(Endpoint(), {})
    assert str(caught.value) == (
        "https://openrouter.ai/api/v1: there is no key: the environment variable OPENROUTER_API_KEY is not set. "
        "Set it (export OPENROUTER_API_KEY=...), or set openrouter.api_key_file to a file with the key; for a server "
        'that needs no key, set openrouter.api_key_env = ""'
    )
    assert caught.value.exit_code == 69


def test_a_server_without_keys_gets_none() -> None:
    assert read_key(Endpoint(api_key_env=""), {"OPENROUTER_API_KEY": "x"}) is None


@pytest.mark.parametrize("value", ["two words", "line\nbreak", "schlüssel", "nul\x00"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        read_key(Endpoint(api_key_env="K"), {"K": value})
    assert "the environment variable K holds an invalid key" in str(caught.value)
    assert value not in str(caught.value)


def test_a_key_file_that_is_missing_empty_or_binary_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't read '.*gone': No such file or directory"):
        read_key(Endpoint(api_key_env="", api_key_file=str(tmp_path / "gone")), {})
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Unauthorized, match="holds no key"):
        read_key(Endpoint(api_key_env="", api_key_file=str(tmp_path / "empty")), {})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not text"):
        read_key(Endpoint(api_key_env="", api_key_file=str(tmp_path / "binary")), {})


def test_a_key_is_not_shown_by_repr_and_str_and_cannot_be_pickled() -> None:
    key = Key("sk-secret")
    assert "sk-secret" not in f"{key!r} {key}"
    assert key.redact("no user sk-secret here") == "no user [the key] here"
    with pytest.raises(TypeError):
        pickle.dumps(key)
