"""All families, in the order in which they are tried."""

from __future__ import annotations

from bench.fuzz import answers, completions, settings, sockets, stored, wav_files, words
from bench.fuzz.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for module in (wav_files, completions, answers, settings, sockets, stored, words)
    for family in module.FAMILIES
}
