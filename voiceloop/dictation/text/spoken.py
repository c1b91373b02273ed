"""Spoken phrases with a meaning, per language: punctuation marks, new lines, formatting, commands. Data only."""

from __future__ import annotations

from voiceloop.config.language import language_code, told
from voiceloop.dictation.text.spoken_kinds import Command, Format, Mark, Spoken


def _opening(text: str) -> Mark:
    return Mark(text, tight_left=False, tight_right=True)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


def _within(text: str) -> Mark:
    return Mark(text, tight_right=True)


def _apart(text: str) -> Mark:
    return Mark(text, tight_left=False)


LINE, PARAGRAPH = _within("\n"), _within("\n\n")

ENGLISH = Spoken(
    marks={
        "comma": Mark(","),
        "period|full stop": Mark("."),
        "question mark": Mark("?"),
        "exclamation mark|exclamation point": Mark("!"),
        "colon": Mark(":"),
        "semicolon|semi colon": Mark(";"),
        "ellipsis|dot dot dot": Mark("…"),
        "hyphen": _within("-"),
        "dash": _apart("–"),
        "open quote|open quotes|begin quote": _opening('"'),
        "close quote|close quotes|end quote|unquote": Mark('"'),
        "open bracket|open parenthesis|open paren|open parentheses": _opening("("),
        "close bracket|close parenthesis|close paren|close parentheses": Mark(")"),
        "open square bracket": _opening("["),
        "close square bracket": Mark("]"),
        "apostrophe": _within("'"),
        "forward slash": _within("/"),
        "at sign": _within("@"),
        "underscore": _within("_"),
        "percent sign": Mark("%"),
        "hash sign": _opening("#"),
        "ampersand": _apart("&"),
        "new line|newline|next line": LINE,
        "new paragraph|next paragraph": PARAGRAPH,
    },
    formats={
        "all caps": Format.ALL_CAPS,
        "cap": Format.CAPITAL,
        "caps on": Format.CAPS_ON,
        "caps off": Format.CAPS_OFF,
        "no space": Format.NO_SPACE,
        "literal": Format.LITERAL,
    },
    commands={
        "scratch that|delete that|undo that": Command.UNDO,
        "press enter|hit enter|press return": Command.ENTER,
        "go to sleep": Command.SLEEP,
        "wake up": Command.WAKE,
    },
    determiners=_words("a an the this that these those each every any no some his her its my your our their another"),
    small=_words(
        "a an the and or but nor so yet to of in on at by for from with without into onto over under as if then than"
        " that this these those which who whose whom what when where while because although though until since before"
        " after he she it we you they him her them his its our your their is are was were be been am do does did have"
        " has had will would can could should may might must not there here also just only very more most some any"
        " every each all both either neither"
    ),
    everyday=_names(
        "period|colon|dash|unquote|underscore|new line|newline|next line|next paragraph|all caps|cap|caps on|caps off"
        "|no space|literal"
    ),
    unfinished=_words(
        "to of for from with and or but nor as than if when while because is are was were be very please just"
    ),
)

GERMAN = Spoken(
    marks={
        "komma": Mark(","),
        "punkt": Mark("."),
        "fragezeichen": Mark("?"),
        "ausrufezeichen": Mark("!"),
        "doppelpunkt": Mark(":"),
        "semikolon|strichpunkt": Mark(";"),
        "auslassungspunkte|punkt punkt punkt": Mark("…"),
        "bindestrich": _within("-"),
        "gedankenstrich": _apart("–"),
        "anführungszeichen auf|anführungszeichen öffnen": _opening("„"),
        "anführungszeichen zu|anführungszeichen schließen": Mark("“"),
        "klammer auf": _opening("("),
        "klammer zu": Mark(")"),
        "apostroph": _within("’"),
        "schrägstrich": _within("/"),
        "klammeraffe": _within("@"),
        "unterstrich": _within("_"),
        "prozentzeichen": _apart("%"),
        "neue zeile": LINE,
        "neuer absatz": PARAGRAPH,
    },
    formats={
        "alles groß|großbuchstaben": Format.ALL_CAPS,
        "großgeschrieben": Format.CAPITAL,
        "kein leerzeichen|ohne leerzeichen": Format.NO_SPACE,
        "wörtlich": Format.LITERAL,
    },
    commands={
        "streich das|lösch das|lösche das|streiche das": Command.UNDO,
        "enter drücken|drücke enter|eingabe drücken|eingabetaste drücken": Command.ENTER,
        "schlaf ein|geh schlafen": Command.SLEEP,
        "wach auf": Command.WAKE,
    },
    determiners=_words(
        "der die das den dem des ein eine einen einem einer eines dieser diese dieses diesen diesem kein keine keinen"
        " jeder jede jedes jeden mein meine sein seine ihr ihre unser unsere"
    ),
    small=_words(
        "und oder aber denn sondern der die das den dem des ein eine einen einem einer eines zu von in im an am auf"
        " bei für mit ohne aus nach vor über unter durch um als wenn dass ob weil obwohl während bis seit bevor nachdem"
        " er es wir ihr ihn ihm ihnen sein ihre mein dein unser ist sind war waren wird werden hat haben kann können"
        " soll muss nicht auch nur sehr mehr noch schon dann hier da wer was wo wie"
    ),
    everyday=_names("punkt|großbuchstaben|alles groß|großgeschrieben|kein leerzeichen|wörtlich"),
    unfinished=_words("zu von mit für und oder aber wenn weil dass als ist sind war waren sehr bitte nur"),
)

FRENCH = Spoken(
    marks={
        "virgule": Mark(","),
        "point|point final": Mark("."),
        "point d'interrogation": Mark("\u202f?"),
        "point d'exclamation": Mark("\u202f!"),
        "deux points": Mark("\u00a0:"),
        "point virgule": Mark("\u202f;"),
        "points de suspension|trois petits points": Mark("…"),
        "trait d'union": _within("-"),
        "tiret": _apart("–"),
        "ouvrez les guillemets|ouvrir les guillemets": _opening("«\u00a0"),
        "fermez les guillemets|fermer les guillemets": Mark("\u00a0»"),
        "ouvrez la parenthèse|ouvrir la parenthèse": _opening("("),
        "fermez la parenthèse|fermer la parenthèse": Mark(")"),
        "apostrophe": _within("’"),
        "barre oblique": _within("/"),
        "arobase": _within("@"),
        "à la ligne|nouvelle ligne": LINE,
        "nouveau paragraphe": PARAGRAPH,
    },
    formats={
        "tout en majuscules": Format.ALL_CAPS,
        "majuscule": Format.CAPITAL,
        "sans espace": Format.NO_SPACE,
        "mot à mot": Format.LITERAL,
    },
    commands={
        "efface ça|efface cela|effacez ça|annule ça": Command.UNDO,
        "appuie sur entrée|appuyez sur entrée": Command.ENTER,
        "endors toi|mets toi en veille": Command.SLEEP,
        "réveille toi": Command.WAKE,
    },
    determiners=_words(
        "le la les l' un une ce cet cette ces du des au aux de ne mon ton son notre votre leur chaque tout quel"
    ),
    small=_words(
        "et ou mais donc or ni car le la les un une des du de à au aux en dans par pour sur sous avec sans chez vers"
        " que qui quoi dont où quand si comme lorsque puisque parce je tu il elle nous vous ils elles on ce cet cette"
        " ces mon ton son notre votre leur est sont était a ont avait ne pas plus aussi très bien encore"
    ),
    everyday=_names(
        "point|deux points|trait d'union|apostrophe|à la ligne|nouvelle ligne|tout en majuscules|majuscule|sans espace"
        "|mot à mot"
    ),
    unfinished=_words("à de pour avec et ou mais si quand que comme est sont très juste"),
)

SPANISH = Spoken(
    marks={
        "coma": Mark(","),
        "punto|punto final|punto y seguido": Mark("."),
        "abrir interrogación|abre interrogación": _opening("¿"),
        "cerrar interrogación|cierra interrogación|signo de interrogación": Mark("?"),
        "abrir exclamación|abre exclamación": _opening("¡"),
        "cerrar exclamación|cierra exclamación|signo de exclamación": Mark("!"),
        "dos puntos": Mark(":"),
        "punto y coma": Mark(";"),
        "puntos suspensivos": Mark("…"),
        "guion|guión": _within("-"),
        "raya": _apart("–"),
        "abrir comillas|abre comillas": _opening("«"),
        "cerrar comillas|cierra comillas": Mark("»"),
        "abrir paréntesis|abre paréntesis": _opening("("),
        "cerrar paréntesis|cierra paréntesis": Mark(")"),
        "barra": _within("/"),
        "arroba": _within("@"),
        "guion bajo|guión bajo": _within("_"),
        "nueva línea": LINE,
        "nuevo párrafo": PARAGRAPH,
        "punto y aparte": _within(".\n\n"),
    },
    formats={
        "todo en mayúsculas": Format.ALL_CAPS,
        "mayúscula": Format.CAPITAL,
        "sin espacio": Format.NO_SPACE,
        "literal": Format.LITERAL,
    },
    commands={
        "borra eso|elimina eso|borrar eso": Command.UNDO,
        "pulsa intro|pulsa enter|presiona enter|presiona intro": Command.ENTER,
        "duérmete|vete a dormir": Command.SLEEP,
        "despierta|despiértate": Command.WAKE,
    },
    determiners=_words(
        "el la los las un una este esta ese esa aquel del al a de cada mi tu su nuestro ningún algún otro en"
    ),
    small=_words(
        "y e o u pero sino ni que de del a al en con sin por para sobre entre hasta desde el la los las un una unos"
        " unas lo le les se me te nos mi tu su si cuando donde como porque aunque mientras yo él ella ellos ellas es"
        " son era está están ha han había no más muy también ya sólo solo"
    ),
    everyday=_names(
        "coma|punto|punto final|dos puntos|guion|guión|raya|barra|nueva línea|todo en mayúsculas|mayúscula|sin espacio"
        "|literal"
    ),
    unfinished=_words("a de para con y o pero si cuando que como es son muy sólo solo"),
)

LANGUAGES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}
"""The phrases by ISO 639-1 code of the language."""


def spoken_in(language: str | None) -> Spoken | None:
    """The phrases of a language (`de-AT`, `german`); None for a language without phrases and for none."""
    return LANGUAGES.get(language_code(told(language)) or "") if language else None
