"""Examples of what people and models say, in several languages and with all that is written between words."""

from __future__ import annotations

import re
from random import Random

from bench.fuzz.mutating import ODD_TEXTS, text
from voiceloop.transcribe.bounds import LIVE

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no terminal, window or file may get."""

HEARD = (
    "Hello, comma, world. New line. Scratch that.",
    "I write C# and F# code, e.g. on the www.example.org site.",
    "Open quote. Hello. Close quote. All caps nato, no space, literal period.",
    "Das ist z. B. am 3. Mai um 15 Uhr, ca. 50 % davon. Neue Zeile. Punkt.",
    "Comment ça va ? Il a dit « bonjour » hier. À la ligne.",
    "Los EE. UU. están aquí. ¿Qué tal? Nueva línea.",
    "詳しくはhttps://e.com/pathをご覧ください。「はい。」と言った。",
    "ภาษาไทยไม่มีช่องว่าง เก้าอี้ แก้ว",
    "ភាសាខ្មែរ ក្រុម",
    "[BLANK_AUDIO] (wind blowing) *coughs* <|nospeech|> ♪ Save it ♪ [Musik]",
    "Please save it. Subtitles by the Amara.org community",
    "wake up go to sleep press enter delete that um uh cap hello caps on one two caps off",
    "the the the the the the the the no no no no no no no no no no no no",
)
ANSWERED = (
    "<think>it is 3</think>It is **three**, see [1][2] and [the docs](https://a.b/c(d)).",
    "Okay, the user wants the time. So I say it.</think>It is four.",
    "<|channel|>analysis<|message|>thinking<|end|><|start|>assistant<|channel|>final<|message|>Hi.<|return|>",
    '<tool_call>{"name": "weather", "arguments": {"city": "Bonn"}}</tool_call>Let me look.',
    '{"name": "weather", "parameters": {"city": "Bonn"}}',
    "# Head\n\n1. one\n2. two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nprint('x')\n```\nDone.",
    "Here is `code`, ~~struck~~, _emphasis_, a\\*b, 2 * 3, snake_case, 【4:0†source】 and <b>bold</b>.",
    "Am 3. Mai um 15 Uhr, also z. B. in der 2. Woche, kostet es 3,50 € (ca. 4 $).",
    '[TOOL_CALLS][{"name": "a", "arguments": {}}]',
    "It costs $1,234.56, call +49 228 1234, or mail a.b@c.de; see v1.2.3, 10:45, 5 km/h and 0xFF.",
)


def heard(random: Random) -> str:
    """A transcript, mutated, of no more text than that of the longest clip may have."""
    return text(random, random.choice(HEARD), HEARD)[:LIVE]


def answered(random: Random) -> str:
    """A model's text, mutated, no longer than a long reply."""
    return text(random, random.choice(ANSWERED), (*ANSWERED, *HEARD))[:LIVE]


def any_text(random: Random) -> str:
    return random.choice((heard, answered))(random)


def name(random: Random) -> str:
    """A short text, where a name is expected."""
    return text(random, random.choice(("alloy", "openai/whisper-1", "en-US", "mic", *ODD_TEXTS)))[:200]
