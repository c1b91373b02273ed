"""Known hallucinations, by language: phrases reported of Whisper-like recognisers when nobody speaks."""

from __future__ import annotations

import re
import unicodedata

_BY_LANGUAGE: dict[str, tuple[str, ...]] = {
    "en": (
        "Thank you.",
        "Thank you very much.",
        "Thank you so much.",
        "Thank you for watching.",
        "Thank you so much for watching.",
        "Thanks for watching!",
        "Thanks for watching, and I'll see you next time.",
        "Thank you for listening.",
        "Please subscribe.",
        "Please subscribe to my channel.",
        "Like and subscribe.",
        "Don't forget to subscribe.",
        "See you next time.",
        "I'll see you in the next video.",
        "See you in the next one.",
        "Bye.",
        "Bye bye.",
        "Bye-bye!",
        "You",
        "So",
        "Okay.",
        "The end.",
        "Subtitles by the Amara.org community",
        "www.mooji.org",
        "Transcription by CastingWords",
    ),
    "de": (
        "Vielen Dank.",
        "Vielen Dank fürs Zuschauen!",
        "Danke fürs Zuschauen!",
        "Bis zum nächsten Mal.",
        "Untertitel der Amara.org-Community",
        "Untertitelung des ZDF, 2020",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Copyright WDR 2021",
        "Tschüss.",
    ),
    "fr": (
        "Merci.",
        "Merci d'avoir regardé cette vidéo !",
        "Merci d'avoir regardé la vidéo.",
        "Abonnez-vous !",
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Sous-titrage Société Radio-Canada",
        "Sous-titrage ST' 501",
        "À bientôt.",
    ),
    "es": (
        "Gracias.",
        "Muchas gracias.",
        "¡Gracias por ver el vídeo!",
        "Gracias por ver el video.",
        "¡Suscríbete al canal!",
        "¡Suscríbete!",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Subtítulos por la comunidad de Amara.org",
        "Hasta la próxima.",
    ),
    "it": ("Grazie.", "Grazie a tutti.", "Grazie per la visione.", "Sottotitoli creati dalla comunità Amara.org"),
    "pt": (
        "Obrigado.",
        "Obrigada.",
        "Obrigado por assistir!",
        "Legendas pela comunidade Amara.org",
        "Inscreva-se no canal.",
    ),
    "nl": (
        "Bedankt.",
        "Bedankt voor het kijken!",
        "Ondertitels ingediend door de Amara.org gemeenschap",
        "TV GELDERLAND 2021",
    ),
    "pl": ("Dziękuję.", "Dziękuję za uwagę.", "Dziękuję za oglądanie.", "Napisy stworzone przez społeczność Amara.org"),
    "ru": (
        "Спасибо за просмотр!",
        "Спасибо.",
        "Продолжение следует...",
        "Субтитры сделал DimaTorzok",
        "Редактор субтитров А.Семкин Корректор А.Егорова",
        "Подписывайтесь на канал!",
    ),
    "uk": ("Дякую за перегляд!", "Дякую."),
    "tr": ("Abone olmayı unutmayın.", "İzlediğiniz için teşekkür ederim.", "Altyazı M.K."),
    "ar": ("شكرا للمشاهدة", "ترجمة نانسي قنقر", "اشتركوا في القناة"),
    "ja": (
        "ご視聴ありがとうございました",
        "ご視聴ありがとうございました。",
        "ありがとうございました",
        "チャンネル登録お願いします",
        "最後までご視聴いただきありがとうございました",
        "次の動画でお会いしましょう",
        "おやすみなさい",
    ),
    "ko": (
        "시청해주셔서 감사합니다.",
        "시청해 주셔서 감사합니다.",
        "감사합니다.",
        "구독과 좋아요 부탁드립니다.",
        "다음 영상에서 만나요.",
    ),
    "zh": (
        "谢谢观看",
        "謝謝觀看",
        "谢谢大家",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "請不吝點贊訂閱轉發打賞支持明鏡與點點欄目",
        "字幕由Amara.org社区提供",
        "中文字幕志愿者 李宗盛",
        "感谢观看",
    ),
}


def key(text: str) -> str:
    """`text` normalised for comparison: letters and digits only, regardless of case and width (NFKC)."""
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


PHRASES = frozenset(key(phrase) for phrases in _BY_LANGUAGE.values() for phrase in phrases)
"""The keys of all phrases. A hallucination is often in another language than the speech before it."""

_CREDIT_WORDS = r"""(?:
    (?:sub|caption|transcri|unter|sous|sottotit|leg[ae]nda|ondertit|napisy|titulky|undertekst|textat|tekst|субтит|字幕|자막|
       altyaz|ترجمة) .{0,40} amaraorg .{0,24}
  | untertitel(?:ung)? (?:imauftrag)? (?:des|der|von) (?:zdf|ard|ndr|wdr|swr|br|mdr|hr|rbb|orf|srf) (?:fürfunk)?
    (?:\d{4})?
  | (?:copyright (?:zdf|ard|ndr|wdr|swr|br|mdr|hr|rbb|orf|srf) | tvgelderland) \d{4}
  | soustitrage (?:st\d{3}|sociétéradiocanada|fr\d?|mfp)
  | субтитры (?:сделал|создавал|подготовил|делал|добавил) .{1,24}
  | редакторсубтитров .{1,20} корректор .{1,20}
  | (?:transcri(?:pt|pts|ption) (?:by|provided by)?|captionsby) (?:castingwords|emilybeynon)
  | wwwmoojiorg | altyazımk | ترجمةنانسيقنقر
  | (?:中文)? 字幕 (?:志[愿願]者|制作|組|组|by) .{1,12}
  | 请?請?不吝[点點][赞贊]订?訂?[阅閱]转?轉?[发發]打[赏賞]支持明[镜鏡][与與][点點][点點][栏欄]目
)+"""
CREDIT = re.compile(_CREDIT_WORDS, re.VERBOSE)
"""The keys of credits of subtitles, once or repeated. Nobody says these: behind other words they need no evidence."""

STARTS = (
    "subtitlesby", "subtitledby", "captionsby", "captioningby", "transcribedby", "untertitelvon",
    "transcriptemilybeynon",
)  # fmt: skip
"""How the keys of texts begin that name a subtitler."""

INVENTIONS = frozenset((
    "ah", "aha", "am", "eh", "er", "err", "hey", "hm", "hmm", "huh", "i", "im", "it", "mhm", "mm", "mmhmm", "or",
    "shh", "so", "the", "uh", "uhhuh", "um", "yeah", "yep", "you", "youknow", "youcan", "1", "2", "3", "12", "13",
    "23",
))  # fmt: skip
"""The keys of what Moonshine tiny makes of coughs, throats, breath, keys, hum and tones (`scripts/bench noise`), except
for words that are likely to be said alone. People say some of these too, so they need more evidence than phrases."""

_LATIN = frozenset((
    "cs", "da", "de", "en", "es", "et", "fi", "fr", "hr", "hu", "is", "it", "lt", "lv", "nb", "nl", "no", "pl",
    "pt", "ro", "sk", "sl", "sv", "tr",
))  # fmt: skip
"""Languages that are written in Latin letters only."""


def has_other_script(letters: str, language: str | None) -> bool:
    """Whether most letters of a text are of a script that its language doesn't use: Moonshine writes Thai, Chinese and
    Korean letters for noise. False for languages that are unknown or not written in Latin letters."""
    if language is None or language.partition("-")[0].lower() not in _LATIN:
        return False
    written = [char for char in letters if char.isalpha()]
    other = sum(not unicodedata.name(char, "").startswith("LATIN") for char in written)
    return 2 * other > len(written)
