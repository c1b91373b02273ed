"""The acoustic judge's network: what is made of its output, and of files that aren't it. The networks here are made."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from voiceloop.capture.endpointing.recent_sound import WINDOW
from voiceloop.errors import EngineError

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import TensorProto, helper  # noqa: E402 - after the check that it is installed

from tests.capture.endpointing.test_log_mel import sound  # noqa: E402
from voiceloop.capture.endpointing.smart_turn import FILE, MODEL, SmartTurn  # noqa: E402
from voiceloop.transcribe.embedded.places import user_models  # noqa: E402


def network(path: Path, scale: float, *, name: str = "input_features") -> Path:
    """A network that gives the mean of its features, times `scale`, and 0.5."""
    given = helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 80, 800])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 1])
    factor = helper.make_tensor("factor", TensorProto.FLOAT, [1], [scale])
    half = helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5])
    nodes = [
        helper.make_node("ReduceMean", [name], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "half"], ["sum"]),
        helper.make_node("Reshape", ["sum", "shape"], ["logits"]),
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [-1, 1])
    graph = helper.make_graph(nodes, "made", [given], [result], [factor, half, shape])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(made.SerializeToString())
    return path


def window() -> np.ndarray:
    return np.random.default_rng(1).standard_normal(WINDOW).astype(np.float32)


def test_its_output_is_taken_for_a_probability(tmp_path: Path) -> None:
    assert SmartTurn(network(tmp_path / "even.onnx", 0.0)).log_odds(window()) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(("scale", "expected"), [(1e6, math.log(99)), (-1e6, -math.log(99))])
def test_log_odds_are_bounded_where_the_network_saturates(tmp_path: Path, scale: float, expected: float) -> None:
    assert SmartTurn(network(tmp_path / "sure.onnx", scale)).log_odds(window()) == pytest.approx(expected)


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = network(tmp_path / "cut.onnx", 1.0)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(EngineError, match=r"cut\.onnx.*voiceloop models get smart-turn-v3\.2"):
        SmartTurn(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"none\.onnx can't be loaded"):
        SmartTurn(tmp_path / "none.onnx")


def test_another_network_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is not this network"):
        SmartTurn(network(tmp_path / "other.onnx", 1.0, name="pixels"))


def test_a_network_that_gives_no_number_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="gives no number"):
        SmartTurn(network(tmp_path / "nan.onnx", math.nan))


REAL = user_models() / MODEL / FILE


@pytest.mark.skipif(not REAL.is_file(), reason=f"the network is not on this machine: voiceloop models get {MODEL}")
def test_the_network_says_what_it_says_with_the_code_that_comes_with_it() -> None:
    # `compute_whisper_log_mel_features` of pipecat-ai 1.14.0, and a session of ONNX Runtime: 0.97937
    assert SmartTurn(REAL).log_odds(sound()) == pytest.approx(3.85994, abs=1e-3)
