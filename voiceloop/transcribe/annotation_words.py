"""The words of annotations that recognisers write for sounds, by language: `[Musik]`, `(soft music)`, `*coughs*`.

An annotation names a sound (`SOUNDS`), and may say how it is (`MANNERS`).
"""

from __future__ import annotations

_SOUNDS = {
    "en": "music laughter laughs laughing laugh chuckles chuckling chuckle giggles giggling applause clapping claps "
    "cheering cheers coughs coughing cough sneezes sneezing sneeze sniffs sniffles sniffling sniff sighs sighing sigh "
    "breathing breathes breath exhales exhaling inhales inhaling gasps gasping gasp yawns yawning groans groaning "
    "grunts grunting moans moaning screams screaming shouting shouts crying cries sobbing sobs whimpering humming "
    "hums hum singing sings whistling whistles whistle silence silent noise noises static inaudible indistinct "
    "unintelligible crosstalk chatter chattering murmuring murmurs mumbling mumbles whispering whispers snoring "
    "snores buzzing buzzes buzz beeping beeps beep ringing rings dings ding clicking clicks click clack clacking "
    "tapping taps knocking knocks knock thud thudding thumping bang banging crash clatter clattering clanking "
    "rattling rustling rustles creaking creaks squeaking squeaks whooshing whoosh swooshing hissing crackling popping "
    "pop blowing rumbling rumbles thunder rain raining wind typing footsteps splashing dripping revving honking honks "
    "siren sirens barking barks chirping chirps meowing meows applauding gunshot gunshots explosion explosions "
    "foreign blank_audio no_speech no_audio no_sound end_of_video swallowing gulping gulps slurping chewing burps "
    "burping hiccups smacks clears clearing bleep jingle",
    "de": "musik gelächter lachen lacht lachend applaus beifall klatschen klatscht husten hustet räuspern räuspert "
    "niesen niest seufzen seufzt atmen atmet schnauben schnaubt stöhnen stöhnt schreien schreit schrei weinen weint "
    "singen singt gesang pfeifen pfeift summen summt stille schweigen rauschen geräusch geräusche unverständlich "
    "gemurmel murmeln murmelt flüstern flüstert klingeln klingelt piepen piept piepsen klopfen klopft klicken klickt "
    "tippen knall knallen knarren quietschen fremdsprache wind donner regen schritte bellen bellt jubel",
    "fr": "musique rires rire rit applaudissements applaudissement toux tousse éternue soupir soupire soupirs "
    "respiration respire gémit gémissements cris crie pleurs pleure chant chante chants sifflement sifflements "
    "bourdonnement silence bruit bruits inaudible incompréhensible indistinct murmures murmure chuchote chuchotements "
    "sonnerie sonne bip bips clic tonnerre pluie vent aboiements acclamations",
    "es": "música musica risas risa ríe aplausos aplauso tos tose estornuda suspira suspiro suspiros respiración "
    "respira gime gemidos gritos grita llanto llora canto canta silbido silbidos zumbido silencio ruido ruidos "
    "inaudible ininteligible murmullos murmullo susurros susurra timbre pitido pitidos trueno lluvia viento ladridos "
    "vítores",
    "it": "musica risate risata ride applausi applauso tosse tossisce starnuto sospiro sospira respiro respira gemiti "
    "grida urla pianto piange canto canta fischio fischi ronzio silenzio rumore rumori incomprensibile mormorio "
    "sussurri sussurra squillo bip tuono pioggia vento",
    "pt": "música musica risos risadas risada ri aplausos aplauso tosse espirro suspiro suspira respiração respira "
    "gemidos gritos grita choro chora canto canta assobio zumbido silêncio silencio ruído ruídos barulho inaudível "
    "ininteligível murmúrios sussurro campainha bipe trovão chuva vento",
    "nl": "muziek gelach lacht lachen applaus hoest hoesten kucht niest zucht zuchten ademt schreeuwt huilt zingt "
    "gezang fluit gefluit gezoem stilte geluid geluiden ruis onverstaanbaar gemompel gefluister piep wind regen "
    "donder gejuich",
    "pl": "muzyka śmiech śmieje oklaski brawa kaszel kaszle kicha westchnienie wzdycha oddech krzyk krzyki płacz "
    "śpiew śpiewa gwizd cisza hałas szum niezrozumiałe niewyraźne szept szepty dzwonek deszcz wiatr grzmot",
    "cs": "hudba smích potlesk kašel kašle povzdech křik pláč zpěv ticho hluk šum nesrozumitelné šepot",
    "sv": "musik skratt skrattar applåder hosta hostar suckar sång tystnad buller brus ohörbart",
    "da": "musik latter griner klapsalver bifald hoster sukker sang stilhed støj uhørligt",
    "nb": "musikk latter ler applaus hoster sukker sang stillhet støy uhørlig",
    "fi": "musiikkia musiikki naurua nauraa suosionosoituksia taputuksia yskii huokaa hiljaisuus melua",
    "tr": "müzik gülme güler kahkaha kahkahalar alkış alkışlar öksürük öksürür iç_çeker sessizlik gürültü anlaşılmıyor",
    "ru": "музыка смех смеется смеётся аплодисменты кашель кашляет чихает вздох вздыхает дыхание крик крики кричит "
    "плач плачет пение поет поёт свист тишина шум неразборчиво шепот шёпот звонок стук дождь ветер гром",
    "uk": "музика сміх сміється оплески кашель кашляє зітхає зітхання крик плач спів тиша шум нерозбірливо",
    "ar": "موسيقى ضحك تصفيق سعال صمت ضوضاء تنهد غناء بكاء صراخ",
    "he": "מוזיקה צחוק מחיאות_כפיים שיעול שקט רעש",
    "hi": "संगीत हंसी हँसी तालियां तालियाँ खांसी खाँसी सन्नाटा शोर",
    "ja": "音楽 笑い 笑 笑い声 拍手 咳 咳払い ため息 溜息 歓声 悲鳴 無音 沈黙 雑音 騒音 ノイズ 歌 歌声 泣き声 ベル 鐘 "
    "ドアの音 風の音 雨の音 足音",
    "ko": "음악 웃음 웃음소리 박수 박수소리 기침 한숨 침묵 무음 소음 노래 비명 환호 환호성",
    "zh": "音乐 音樂 笑 笑声 笑聲 掌声 掌聲 鼓掌 咳嗽 咳嗽声 咳嗽聲 叹气 嘆氣 沉默 静音 靜音 无声 無聲 噪音 噪声 雜音 "
    "歌声 歌聲 哭声 尖叫 欢呼声 歡呼聲 风声 風聲 雨声 雨聲 脚步声 腳步聲 铃声 鈴聲",
}
_MANNERS = {
    "en": "a an the and in of to on at with is are no not background foreground language speaking speaks speech audio "
    "blank soft softly gentle gently loud loudly quiet quietly upbeat dramatic ominous tense sad happy cheerful light "
    "heavy heavily deep deeply faint distant muffled low high pitched slow fast short long brief instrumental "
    "electronic orchestral classical jazz rock pop piano guitar drum drums violin organ bell bells phone telephone "
    "door doors dog dogs cat bird birds baby child children kids crowd audience man woman men women people person "
    "speaker male female water car cars vehicle traffic train plane machine computer mouse mic microphone camera tv "
    "radio engine keyboard air throat nose lips hands fingers playing plays continues continuing starts stops "
    "stopping ends fades fading begins out up down opens opening closes closing slams slamming noise sound sounds "
    "effect effects theme song outro intro tone tones end video screen voice voices nervously awkwardly sarcastically "
    "laughter",
    "de": "der die das ein eine und im in hintergrund leise laute laut lauter sanfte ruhige dramatische spannende "
    "fröhliche spielt läuft sich kinder kind hund frau mann publikum menge telefon tür spricht sprache keine kein "
    "undeutlich tief",
    "fr": "de la le les du d'ambiance une un et douce doux forte fort dramatique légère en fond public foule homme "
    "femme enfant enfants chien téléphone porte étrangère langue parle joue",
    "es": "de la el los las una un y suave fuerte dramática dramatica alegre en fondo público hombre mujer niño niños "
    "perro teléfono puerta idioma extranjero habla",
    "it": "di la il una un e in sottofondo dolce forte drammatica pubblico uomo donna bambino cane telefono porta",
    "pt": "de da do a o uma um e em fundo suave alta dramática público homem mulher criança cão telefone porta",
    "nl": "de het een en zachte harde rustige vrolijke dramatische publiek man vrouw kind hond telefoon deur speelt "
    "op achtergrond",
    "pl": "w tle głośna cicha spokojna się",
    "ru": "в на фоне тихая громкая спокойная напряженная играет",
}

_NOTHING = (
    "silence silent blank blank_audio no_speech no_audio no_sound end end_of_video stille schweigen silencio silenzio "
    "silêncio stilte cisza ticho tystnad stilhed stillhet hiljaisuus sessizlik тишина тиша صمت שקט सन्नाटा 無音 沈黙 "
    "침묵 무음 沉默 静音 靜音 无声 無聲"
)

SOUNDS = frozenset(word for words in _SOUNDS.values() for word in words.split())
MANNERS = frozenset(word for words in _MANNERS.values() for word in words.split())
NOTHING = frozenset(_NOTHING.split())
"""Annotations that say that nothing was heard."""
