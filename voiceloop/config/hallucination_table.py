"""The table of the filter against hallucinations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from voiceloop.config.table import Milliseconds, Table


class Hallucinations(Table):
    """Hallucinations: text that speech recognisers make of noise and silence. Each dropped text is reported with the
    reason, never with the text itself, and all are counted at the end."""

    quiet: bool = True
    """Whether clips that hold no voice are not sent to the recogniser: by their level, and by what Silero's model finds
    in them, whichever `vad.use` is set."""
    least_dbfs: Annotated[float, Field(ge=-120, le=0)] = -58.0
    """For `quiet`: a clip holds no voice if its loudest 10 ms are below this level (dB relative to full scale)."""
    least_voice_ms: Milliseconds = 80
    """For `quiet`: a clip holds no voice if less of it than this is loud enough to be voice."""
    phrases: bool = True
    """Whether known hallucinations ("Thanks for watching!", "Subtitles by …", in many languages) are dropped. Only
    when the text holds nothing else, and the clip is short and weak, or too short to say the text, or the no-speech
    score is at least `phrase_no_speech`. In clips with hardly any voice, also the small words that recognisers make of
    noise ("you", "uh"). Text without letters or digits, or in letters that the model's language doesn't have, is always
    dropped."""
    annotations: bool = True
    """Whether what recognisers write for sounds that are no speech is dropped: `[BLANK_AUDIO]`, `(wind blowing)`,
    `*coughs*`, `<|nospeech|>`. Alone, anything in brackets or stars; beside other words only known annotations, and
    square brackets in capitals. Credits of subtitles behind other words are dropped, too. `false` keeps them, as sound
    events in captions for example."""
    more_phrases: tuple[str, ...] = ()
    """Further phrases for `phrases`. Choose ones that you don't say yourself."""
    weak_dbfs: Annotated[float, Field(ge=-120, le=0)] = -45.0
    """For `phrases`: a clip is weak if its loudest 10 ms are below this level (dB relative to full scale), or hardly
    above the clip's own noise."""
    phrase_no_speech: Annotated[float, Field(ge=0, le=1)] = 0.1
    """For `phrases`: with a no-speech score of at least this a known hallucination is dropped however the clip sounds.
    Models that have this score report it with `transcribe.response_format = "verbose_json"`; for real speech it is near
    0."""
    no_speech: bool = True
    """Whether any text is dropped for which the model reports both a high no-speech score and a low confidence, as
    Whisper's own programs do; or a low confidence for a clip with hardly any voice."""
    repetition: bool = True
    """Whether text that repeats itself in a loop is dropped. Only when the clip is hardly above its own noise, or too
    short to say the text, or the model is unsure; a loop longer than anybody would repeat is always dropped. If the
    text also has other words, these are kept, and one round of the loop."""
    prompt_echo: bool = True
    """Whether text that only repeats the configured prompt or vocabulary, or a part of it, is dropped. Only when the
    clip is hardly above its own noise, or too short to say the text, or the model is unsure and the text is most of the
    prompt."""
