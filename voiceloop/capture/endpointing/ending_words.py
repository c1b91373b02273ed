"""Lists of words, for each language, by which `endings.py` judges whether the speaker will go on. Data only.

All words are casefolded and in Unicode's form NFC. They are chosen by grammar, not learned:

- `open`: hardly any sentence of the language ends with the word (conjunctions that need a second half, articles,
  possessives before a noun, contractions with a verb), or the word only holds the turn (fillers).
- `link`: the sentence often goes on after the word, but may end with it (prepositions that may be stranded or belong to
  a verb: "turn it on", "mach das Licht an"; pronouns; auxiliaries).
- `wanting`: the word wants another one, but people stop after it, too: verbs that take an object ("I need", "can you
  tell"), words before an adjective or a noun ("really", "the next", "another"), parts of an address ("dot").
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
    wanting: frozenset[str]
    """After these words the sentence goes on more often than not: they want an object or a noun."""
    closing: tuple[str, ...]
    """Phrases of one or more words that end a turn."""
    digits: frozenset[str]
    """The names of the digits, as they are read out one by one."""


def _words(open_: str, link: str, wanting: str, closing: str, digits: str) -> Words:
    phrases = tuple(" ".join(phrase.split()) for phrase in closing.split(","))
    opens, links, wants, names = (frozenset(words.split()) for words in (open_, link, wanting, digits))
    return Words(opens, links, wants, phrases, names)


WORDS = {
    "en": _words(
        """um umm uhm uh er erm hmm and or but nor because 'cause although unless whether if than the a an my your our
        their i'm i'd i'll i've you're you'd you'll you've we're we'd we'll we've they're they'd they'll they've he'd
        he'll she'd she'll it'll that's there's what's who's where's""",
        """of to from for with without in on at by about into onto over under between during until since as like so
        that which who whose when where while is are was were be am been do does did can could will would should must
        have has had i he she we they it's well then just very its every""",
        """need needs want wants tell give gives take takes put get gets make makes let lets send show bring buy find
        add set play order write keep enter press choose include mention explain describe remove increase decrease
        change accept reset clean forward really quite too more most less fewer rather currently almost nearly
        exactly starting including followed called this these those another other next last first second previous
        current new same own each some any both several many few not such hundred thousand dot slash""",
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
        """brauche brauchst möchte möchtest suche suchst finde nehme nimm gib gebe sag sage erzähl erzähle zeig zeige
        stell stelle schick schicke schreib schreibe kauf kaufe bring bringe hol hole nenn nenne such öffne schliess
        schliesse spiel spiele lies erklär erkläre füg füge ziemlich ganz besonders etwa ungefähr fast genau nächste
        nächsten nächster nächstes letzte letzten letzter letztes erste ersten erster erstes zweite zweiten neue
        neuen neuer neues andere anderen anderer anderes jede jeden jeder jedes jedem diese diesen dieser dieses
        diesem jene jenen einige einigen mehrere mehreren manche welchen welchem hundert tausend punkt""",
        "danke, danke schön, bitte, tschüss, auf wiedersehen, das war's, das ist alles",
        "null eins zwei zwo drei vier fünf sechs sieben acht neun",
    ),
    "fr": _words(
        """euh heu hum et ou mais car ni parce puisque lorsque que le la les un une des du de au aux mon ma mes ton ta
        tes sa ses notre votre leur leurs nos vos ce cet cette ces je c'est j'ai est-ce afin""",
        """à dans en pour avec sans sur sous par chez vers entre depuis pendant jusque comme si quand donc alors puis
        très est sont était suis ai as a avez avons il elle on nous vous ils elles tu qui dont où son ben bah""",
        """veux veut voudrais voudrait cherche trouve donne donnez mets mettez prends prenez dis dites raconte montre
        montrez envoie envoyez écris écrivez achète achetez ajoute ajoutez apporte joue lis explique ouvre ferme
        dois doit peux peut faut besoin vraiment assez trop plus moins environ presque exactement prochain prochaine
        dernier dernière premier première deuxième nouveau nouvel nouvelle autre autres chaque quel quelle quels
        quelles quelques plusieurs tout toute toutes même aucun aucune cent mille point arobase""",
        "merci, s'il vous plaît, s'il te plaît, au revoir, c'est tout",
        "zéro un deux trois quatre cinq six sept huit neuf",
    ),
    "es": _words(
        """eh em ehm y e o u pero porque aunque sino ni que si el la los las un unos unas de del al mi mis tu tus su sus
        nuestro nuestra nuestros nuestras""",
        """a en con por para sin sobre entre desde hasta hacia como cuando donde es son está están era fue soy estoy he
        ha han muy lo le me te se yo él ella pues este entonces una cada""",
        """quiero quiere quisiera necesito necesita busco encuentro encuentra dame deme dime dígame pon ponga toma tome
        envía envíe manda escribe escriba compra compre añade añada trae muestra muéstrame explica explícame abre
        cierra debo debe puedo puede tengo tiene hay realmente bastante demasiado más menos casi exactamente próximo
        próxima último última primer primera segundo segunda nuevo nueva otro otra otros otras esta estos estas ese
        esa aquel aquella algún alguna algunos algunas varios varias ningún ninguna mismo misma qué cuál cien mil
        punto arroba""",
        "gracias, muchas gracias, por favor, adiós, eso es todo, nada más",
        "cero uno una dos tres cuatro cinco seis siete ocho nueve",
    ),
    "it": _words(
        """ehm uhm mmm e ed o oppure ma né che se il lo i gli un uno una di del dello della dei degli delle al allo alla
        ai agli alle dal dallo dalla dai dagli dalle nel nello nella nei negli nelle sul sullo sulla sui sugli sulle mia
        mie tuo tua suo sua nostro nostra poiché siccome affinché""",
        """la le a da in con su per tra fra come quando dove è sono era ho ha hanno io lui lei noi loro molto perché
        però quindi allora cioè tipo eh mio miei""",
        """voglio vuole vorrei cerco trovo trova dammi dimmi metti metta prendi prenda manda mandi scrivi scriva compra
        compri aggiungi aggiunga porta mostra mostrami spiega spiegami apri chiudi devo deve posso può bisogno
        davvero abbastanza troppo più meno quasi esattamente circa prossimo prossima ultimo ultima primo prima
        secondo seconda nuovo nuova altro altra altri altre questo questa questi queste quel quello quella quei
        quegli ogni qualche alcuni alcune parecchi nessun nessuna stesso stessa quale quali non cento mila punto
        chiocciola""",
        "grazie, per favore, per piacere, ciao, arrivederci, è tutto, basta così",
        "zero uno due tre quattro cinque sei sette otto nove",
    ),
    "pt": _words(
        """hum ahn hã ehm e ou mas porque embora nem que se o a os as um uma uns umas de do da dos das no na nas ao à
        aos às pelo pela pelos pelas num numa meu meus minha minhas""",
        """em com por para pra sem sobre entre até desde como quando onde é são está estão era foi sou estou eu ele ela
        nós muito então tipo assim nos seu sua teu tua cada""",
        """quero quer queria preciso precisa procuro encontro encontra dá dê diz diga põe ponha pega pegue manda mande
        escreve escreva compra compre adiciona adicione traz traga mostra mostre explica explique abre abra fecha
        feche devo deve posso pode tenho tem há realmente bastante mais menos quase exatamente cerca próximo próxima
        último última primeiro primeira segundo segunda novo nova outro outra outros outras este esta estes estas
        esse essa aquele aquela algum alguma alguns algumas vários várias nenhum nenhuma mesmo mesma qual quais cem
        cento mil ponto arroba""",
        "obrigado, obrigada, por favor, tchau, adeus, é só isso, é tudo",
        "zero um uma dois duas três quatro cinco seis meia sete oito nove",
    ),
    "nl": _words(
        """uh uhm eh ehm hmm en of maar doordat voordat nadat want omdat hoewel tenzij indien zodat de een
        mijn onze hun deze""",
        """in op aan uit van voor met bij naar over onder door tegen om te tussen tot sinds als dat het die dit is was
        zijn waren heb heeft hebben kan wil zal moet ik je jij hij ze we wij dus dan toen zo heel jouw haar ons""",
        """wilt zoek zoekt vind vindt neem geef geeft zeg vertel toon stuur schrijf koop breng haal noem open sluit
        speel lees voeg leg zet mag nodig erg echt vrij best bijna ongeveer precies meer minder volgende vorige
        laatste eerste tweede nieuwe andere ander elke elk iedere ieder sommige enkele enige meerdere veel weinig
        welke welk zulke geen honderd duizend punt apenstaartje""",
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
