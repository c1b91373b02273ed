"""How a reply begins: as an answer, or as thoughts that no mark tells from one. Pure."""

from __future__ import annotations

import re

from voiceloop.text import spaceless

_ENOUGH = 24
"""So many letters show how a reply begins. A Chinese character counts as three."""
_TOO_LONG = 200
_STOPS = frozenset(".!?…。！？\n")
_LEAD = re.compile(r"(?i:(?:(?:ok(?:ay)?|alright|all right|hm+|well|so|now|wait|first)\b[,.!… ]*)*)")
"""Words that thoughts and answers begin with alike."""
_DOES = (
    r"(?:(?:is|was) (?:ask|say|want|try|greet|request|test)|has (?:ask|said|greet)|(?:now |just )?"
    r"(?:ask|want|said|says|seem|need|mention|wrote|writes|greet|might|may |would|probably))"
)
_MUSE = (
    rf"(?:(?:the|this) (?:user|human)(?:'s (?:question|request|message|query)\b| {_DOES})|user {_DOES}|"
    r"(?:i|we) (?:now )?(?:need to|have to|should|must) "
    r"(?:fig|ans|resp|repl|prod|outp|pars|anal|dete|reca|thin)|"
    r"(?:thinking|thought) process\b|thinking\.\.\.|here(?:'s| is) (?:my|a|the) (?:thought|thinking)|"
    r"der (?:be)?nutzer\b|l['’]utilisateur\b|el usuario\b|o usuário\b|l['’]utente\b|пользователь\b)"
)
_MUSING_WORDS = frozenset(("the", "this", "user", "i", "we", "thinking", "thought", "here", "der", "el", "o", "l"))
_MUSING = re.compile(
    rf"(?i:{_MUSE})|(?:好的?|嗯|首先|现在|那么)?[，,、。 ]*"
    r"(?:我现在)?(?:用户(?:问|说|想|要|希望|让|的问题|发|询)|(?:我(?:现在)?)?需要先?(?:分析|思考|回答|回复|确定|理解))|ユーザー[はがの]"
)
"""How thoughts begin: they speak of the user, or of the task of answering."""
_NAKED = re.compile(r"analysis[A-Z]")
"""How thoughts begin whose control tokens a server has dropped (gpt-oss): `analysisWe need …assistantfinalHello.`"""


def is_naked(words: str) -> bool:
    """Whether a reply that begins with `words` surely begins with thoughts."""
    return bool(_NAKED.match(words))


def muses(words: str) -> bool:
    """Whether a reply that begins with `words` sounds as if it began with thoughts."""
    return bool(_MUSING.match(words, _led(words)))


def decided(words: str) -> bool:
    """Whether the first words of a reply suffice to tell how it begins: a sentence, or a long enough part of one."""
    if len(words) > _TOO_LONG:
        return True
    led = _led(words)
    rest = words[led:]
    if led and (word := re.match(r"([A-Za-z]+)[^A-Za-z]", rest)) and word[1].lower() not in _MUSING_WORDS:
        return True
    if sum(3 if spaceless(char) else 1 for char in rest) >= _ENOUGH:
        return True
    return len(rest) > 1 and not rest.lower().startswith("thinking") and not _STOPS.isdisjoint(rest[:-1])


def _led(words: str) -> int:
    """How many characters of words lead on to the first one that tells something."""
    lead = _LEAD.match(words)
    return lead.end() if lead is not None else 0
