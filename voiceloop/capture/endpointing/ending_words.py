"""Lists of words, for each language, by which `endings.py` judges whether the speaker will go on. Data only.

All words are casefolded and in Unicode's form NFC. They are chosen by grammar, not learned:

- `open`: hardly any sentence of the language ends with the word (conjunctions that need a second half, articles,
  possessives before a noun, contractions with a verb), or the word only holds the turn (fillers).
- `link`: the sentence often goes on after the word, but may end with it (prepositions that may be stranded or belong to
  a verb: "turn it on", "mach das Licht an"; pronouns; auxiliaries).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """One language's words."""

    open: frozenset[str]
    """After these words the sentence goes on, whatever punctuation a recogniser put there."""
    link: frozenset[str]
    """After these words the sentence goes on more often than not."""
    closing: tuple[str, ...]
    """Phrases of one or more words that end a turn."""
    digits: frozenset[str]
    """The names of the digits, as they are read out one by one."""


def _words(open_: str, link: str, closing: str, digits: str) -> Words:
    phrases = tuple(" ".join(phrase.split()) for phrase in closing.split(","))
    return Words(frozenset(open_.split()), frozenset(link.split()), phrases, frozenset(digits.split()))


WORDS = {
    "en": _words(
        """um umm uhm uh er erm hmm and or but nor because 'cause although unless whether if than the a an my your our
        their i'm i'd i'll i've you're you'd you'll you've we're we'd we'll we've they're they'd they'll they've he'd
        he'll she'd she'll it'll that's there's what's who's where's""",
        """of to from for with without in on at by about into onto over under between during until since as like so
        that which who whose when where while is are was were be am been do does did can could will would should must
        have has had i he she we they it's well then just very its every""",
        "thanks, thank you, please, bye, goodbye, that's all, that's it",
        "zero oh one two three four five six seven eight nine double triple",
    ),
    "de": _words(
        """äh ähm öh öhm hm und oder aber weil dass ob obwohl sondern sowie bevor nachdem falls der den dem des ein
        eine einen einem einer eines mein meine meinen meinem meiner dein deine deinen deinem deiner ihre ihren ihrem
        unser unsere unseren kein keine keinen im zum zur vom beim ins""",
        """das die in auf mit von zu an aus für bei nach über unter durch gegen ohne um vor hinter zwischen seit bis am
        als wie wenn so also dann denn ich du er sie wir ihr ist sind war waren hat haben habe kann will soll muss wird
        noch sehr welche welcher welches""",
        "danke, danke schön, bitte, tschüss, auf wiedersehen, das war's, das ist alles",
        "null eins zwei zwo drei vier fünf sechs sieben acht neun",
    ),
    "fr": _words(
        """euh heu hum et ou mais car ni parce puisque lorsque que le la les un une des du de au aux mon ma mes ton ta
        tes sa ses notre votre leur leurs nos vos ce cet cette ces je c'est j'ai est-ce afin""",
        """à dans en pour avec sans sur sous par chez vers entre depuis pendant jusque comme si quand donc alors puis
        très est sont était suis ai as a avez avons il elle on nous vous ils elles tu qui dont où son ben bah""",
        "merci, s'il vous plaît, s'il te plaît, au revoir, c'est tout",
        "zéro un deux trois quatre cinq six sept huit neuf",
    ),
    "es": _words(
        """eh em ehm y e o u pero porque aunque sino ni que si el la los las un unos unas de del al mi mis tu tus su sus
        nuestro nuestra nuestros nuestras""",
        """a en con por para sin sobre entre desde hasta hacia como cuando donde es son está están era fue soy estoy he
        ha han muy lo le me te se yo él ella pues este entonces una cada""",
        "gracias, muchas gracias, por favor, adiós, eso es todo, nada más",
        "cero uno una dos tres cuatro cinco seis siete ocho nueve",
    ),
    "it": _words(
        """ehm uhm mmm e ed o oppure ma né che se il lo i gli un uno una di del dello della dei degli delle al allo alla
        ai agli alle dal dallo dalla dai dagli dalle nel nello nella nei negli nelle sul sullo sulla sui sugli sulle mia
        mie tuo tua suo sua nostro nostra poiché siccome affinché""",
        """la le a da in con su per tra fra come quando dove è sono era ho ha hanno io lui lei noi loro molto perché
        però quindi allora cioè tipo eh mio miei""",
        "grazie, per favore, per piacere, ciao, arrivederci, è tutto, basta così",
        "zero uno due tre quattro cinque sei sette otto nove",
    ),
    "pt": _words(
        """hum ahn hã ehm e ou mas porque embora nem que se o a os as um uma uns umas de do da dos das no na nas ao à
        aos às pelo pela pelos pelas num numa meu meus minha minhas""",
        """em com por para pra sem sobre entre até desde como quando onde é são está estão era foi sou estou eu ele ela
        nós muito então tipo assim nos seu sua teu tua cada""",
        "obrigado, obrigada, por favor, tchau, adeus, é só isso, é tudo",
        "zero um uma dois duas três quatro cinco seis meia sete oito nove",
    ),
    "nl": _words(
        """uh uhm eh ehm hmm en of maar doordat voordat nadat want omdat hoewel tenzij indien zodat de een
        mijn onze hun deze""",
        """in op aan uit van voor met bij naar over onder door tegen om te tussen tot sinds als dat het die dit is was
        zijn waren heb heeft hebben kan wil zal moet ik je jij hij ze we wij dus dan toen zo heel jouw haar ons""",
        "bedankt, dank je, dank je wel, dank u wel, alsjeblieft, alstublieft, doei, tot ziens, dat is alles",
        "nul een één twee drie vier vijf zes zeven acht negen",
    ),
}

NAMES = {
    "english": "en",
    "german": "de",
    "french": "fr",
    "spanish": "es",
    "castilian": "es",
    "italian": "it",
    "portuguese": "pt",
    "dutch": "nl",
    "flemish": "nl",
    "chinese": "zh",
    "mandarin": "zh",
    "cantonese": "yue",
    "japanese": "ja",
    "thai": "th",
    "lao": "lo",
    "burmese": "my",
    "myanmar": "my",
    "khmer": "km",
}
"""Codes by English name, because recognisers give either the name or the code of a language."""

SPACELESS = frozenset({"zh", "yue", "wuu", "ja", "th", "lo", "my", "km"})
"""Languages that are written without spaces between words."""
