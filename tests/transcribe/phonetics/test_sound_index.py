"""Terms found by their sound."""

from __future__ import annotations

import time

from voiceloop.transcribe.vocabulary import Vocabulary


def test_a_term_of_any_length_costs_no_time_and_is_found_by_its_letters() -> None:
    long = " ".join(f"kubernetes{'bkdgtm'[at % 6]}{'aeiou'[at % 5]}" for at in range(200))
    began = time.thread_time()
    vocabulary = Vocabulary([long, "Kubernetes"], "en")
    assert time.thread_time() - began < 1.0
    assert vocabulary.apply("I run cubernetes here.") == "I run Kubernetes here."
    began = time.thread_time()
    vocabulary.apply(long.replace("kubernetes", "cubernetes"))
    assert time.thread_time() - began < 2.0
    shorter = " ".join(long.split()[:5])
    assert Vocabulary([long.title(), shorter.title()], "en").apply(f"So {shorter}.") == f"So {shorter.title()}."
