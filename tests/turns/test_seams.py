"""The loop, the disk, the terminal and the clock stand still for a while, at any moment of a conversation: it decides
the same, only later.
"""

from __future__ import annotations

from random import Random
from typing import Literal, get_args

import pytest
import trio
from trio.testing import MockClock

from testbed.conversations.checking import check_scene
from testbed.conversations.playing import play
from testbed.conversations.scene import Act, Behaviour, Scene, Seam

Where = Literal["loop", "disk", "terminal", "clock"]

QUESTION, PAUSE, REPLY, MHM, COUGH = (
    Act("word", 50),
    Act("quiet", 16),
    Act("quiet", 160),
    Act("mhm", 10),
    Act("noise", 4),
)
CONVERSATIONS = {
    "a question and its answer": [QUESTION, REPLY],
    "an interrupted reply": [QUESTION, REPLY, QUESTION, REPLY, REPLY],
    "a backchannel and a cough over a reply": [QUESTION, REPLY, MHM, REPLY, COUGH, REPLY],
    "a question with pauses": [QUESTION, PAUSE, QUESTION, PAUSE, QUESTION, REPLY],
    "two interrupted replies": [QUESTION, REPLY, REPLY, QUESTION, REPLY, QUESTION, REPLY, REPLY],
}
MOMENTS = 5
"""How many of its moments are tried in each conversation."""


def played(acts: list[Act], seam: Seam | None = None) -> Scene:
    behaviour = Behaviour(
        seed=1, transcribing_s=(0.3,), answering_s=(0.2,), speaking_s=(0.1,), fails=10**9, reply_words=60, seam=seam
    )
    scene = trio.run(play, acts, behaviour, clock=MockClock(autojump_threshold=0))
    check_scene(scene)
    return scene


def decisions(scene: Scene) -> list[tuple[object, ...]]:
    """What became of each turn, and what was answered."""
    texts = {event["turn"]: event["text"] for event in scene.published("transcript")}
    return [
        (event["turn"], event["outcome"], event["reason"], texts.get(event["turn"]))
        for event in sorted(scene.published("turn.done"), key=lambda event: int(event["turn"]))
    ]


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.4])
@pytest.mark.parametrize("where", get_args(Where))
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_stands_still_changes_no_decision(name: str, where: Where, seconds: float) -> None:
    acts = CONVERSATIONS[name]
    undisturbed = played(acts)
    moments = {
        "loop": undisturbed.frames,
        "disk": undisturbed.saves,
        "terminal": len(undisturbed.events),
        "clock": undisturbed.frames,
    }[where]
    for at in sorted(Random(name + where).sample(range(moments), min(moments, MOMENTS))):
        disturbed = played(acts, Seam(where, at, seconds))
        assert decisions(disturbed) == decisions(undisturbed), at
