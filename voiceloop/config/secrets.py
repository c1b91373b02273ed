"""Recognises and masks credentials, so that none is accepted from a config file or shown. Pure."""

from __future__ import annotations

import re

_NAMES = re.compile(
    r"(^|_)(api_?key|secret_?key|access_?key|private_?key|token|secret|password|passwd|authorization)$", re.IGNORECASE
)
# API keys of services that are used with voiceloop, the token of a bearer header, and user and password in a URL.
_TOKENS = re.compile(
    r"\b(?:sk|pk|rk|gsk|hf|xai|ghp)[-_](?=[\w-]*\d)[\w-]{8,}"
    r"|\bAIza[\w-]{20,}|(?<=[Bb]earer )\S{8,}|(?<=//)[^/\s:@]*:[^/\s@]+(?=@)"
)
MASK = "…"


def named_like_secret(key: str) -> bool:
    """Whether a key of this name would hold a secret itself (`api_key`), not a reference to one (`api_key_env`)."""
    return _NAMES.search(key.replace("-", "_")) is not None


def looks_secret(value: object) -> bool:
    """Whether a value is or contains a credential."""
    if isinstance(value, list):
        return any(looks_secret(item) for item in value)
    return isinstance(value, str) and _TOKENS.search(value) is not None


def is_secret(key: str, value: object) -> bool:
    """Whether a setting is a credential, by its name or by its value."""
    return looks_secret(value) or (isinstance(value, str) and named_like_secret(key))


def scrub(text: str) -> str:
    """`text` with everything masked that looks like a credential."""
    return _TOKENS.sub(MASK, text)
