"""Function words: those that stand beside all others, so that they say little about a phrase. Pure."""

from __future__ import annotations

_WORDS = """
a about after all am an and any are as at be been but by can could did do does for from get go got had has have he
her here him his how i if in into is it its just let like me my no not now of off on one or our out over she so
some than that the their them then there these they this those to too up us was we were what when where which who
why will with would you your
"""
_FUNCTION_WORDS = frozenset(_WORDS.split())
_OTHERS = {
    "de": """ab am an auf aus bei bin bis da das dem den der des die du ein er es für hat ich ihr im in ins ist
    ja mit nach nicht nie nun nur ob oder ohne sein sich sie sind so tun um und uns vom von vor war was
    wer wie wir wo zu zum zur""",
    "fr": """à ai as au aux avec ce ces dans de des du elle en es est et eu il ils je la le les leur lui ma mes
    moi mon ne ni nos nous on ont ou où par pas plus pour qui que sa sans se ses si son sont sur ta te
    tes toi ton tu un une va""",
    "es": """a al con da de del e el en era es esa ese eso fue ha han he la las le les lo los me mi mis muy ni no
    nos o os para pero por que se sea ser si sin son soy su sus te ti tu un una va van y ya yo""",
}
_BY_LANGUAGE = {code: frozenset(words.split()) for code, words in _OTHERS.items()}


def is_function_word(word: str, language: str | None = None) -> bool:
    """Whether `word` is a function word of a language, an ISO 639-1 code; of English where the language isn't known or
    has no list."""
    return word.lower() in _BY_LANGUAGE.get(language or "en", _FUNCTION_WORDS)
