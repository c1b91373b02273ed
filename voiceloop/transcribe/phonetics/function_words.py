"""English function words: those that stand beside all others, so that they say little about a phrase. Pure."""

from __future__ import annotations

_WORDS = """
a about after all am an and any are as at be been but by can could did do does for from get go got had has have he
her here him his how i if in into is it its just let like me my no not now of off on one or our out over she so
some than that the their them then there these they this those to too up us was we were what when where which who
why will with would you your
"""
_FUNCTION_WORDS = frozenset(_WORDS.split())


def is_function_word(word: str) -> bool:
    return word.lower() in _FUNCTION_WORDS
