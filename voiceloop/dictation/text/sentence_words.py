"""Words that make a sentence of a few words, by language: subjects and finite verbs. Data only.

With one of them, "I am here." is a sentence; without, "Anna Berg." is a name. The lists hold what is said most: a short
sentence without any of them passes for a name.
"""

from __future__ import annotations

from voiceloop.config.language import language_code, told

_WORDS = {
    "en": """i i'm i'll i've i'd you you're you'll you've we we're we'll we've he he's she she's they they're they'll it
    it's that's there's what's let's is isn't are aren't was wasn't were weren't am do don't does doesn't did didn't
    have haven't has hasn't had will won't would wouldn't can can't could couldn't should must shall please go come call
    send tell give take make get see look wait stop thank thanks want need know think says said goes went comes came
    works worked""",
    "de": """ich du er sie es wir man ist sind bin bist war waren wird werden hat habe haben hatte hatten kann kannst
    können konnte will willst wollen wollte soll sollen sollte muss müssen musste darf dürfen geht gehen ging kommt
    kommen kam macht machen gibt gab weiß danke bitte""",
    "fr": """je j'ai tu il elle on nous vous ils elles c'est c'était est sont suis es était étaient sera ont ai a as
    avez avons peut peux veut veux doit dois faut va vais vont fait merci""",
    "es": """yo tú él ella nosotros ellos ellas usted ustedes es son soy eres está están estoy estás era fue hay he
    ha han tengo tiene tienen puedo puede quiero quiere voy va van hace hizo gracias""",
}


def sentence_words(language: str | None) -> frozenset[str]:
    """The words of a language, in lower case with straight apostrophes; none where the language has no list."""
    return frozenset(_WORDS.get(language_code(told(language)) or "", "").split()) if language else frozenset()
