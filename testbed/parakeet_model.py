"""A maker of small networks with the files, inputs and outputs of a Parakeet TDT model, whose text follows the sound.

They know three tones: a low one is the token "▁hum", a middle one "ming", a high one "▁hiss". Sound that goes from one
to the next in this order is "humming hiss". A token doesn't follow itself.

    features (80 bands) --encoder: three groups of bands, 80 ms a step--> (3,) --decoder--> 3 tokens, blank, 5 durations
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

TOKENS = ("▁hum", "ming", "▁hiss", "<blk>")
TONES_HZ = {"hum": 200, "ming": 1_000, "hiss": 4_000}
"""The tone in the middle of each token's bands."""
_GROUPS = ((0, 12), (20, 36), (52, 68))
"""The bands of 80 (NeMo's mel scale up to 8 kHz) that make each token."""
_BLANK, _DURATIONS, _STATE = 3, 5, 4
_OPSET, _IR = 17, 8


def write(folder: Path, *, quantization: str = "", model_type: str = "nemo-conformer-tdt") -> Path:
    """Write the model's files to a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    suffix = f".{quantization}" if quantization else ""
    onnx.save(_encoder(), folder / f"encoder-model{suffix}.onnx")
    onnx.save(_decoder(), folder / f"decoder_joint-model{suffix}.onnx")
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(TOKENS))
    (folder / "vocab.txt").write_text(lines, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps({"model_type": model_type, "features_size": 80}))
    return folder


def tones(*names: str, seconds: float = 0.6, rate_hz: int = 16_000) -> NDArray[np.float32]:
    """A clip of the named tones (`TONES_HZ`; any other name is a pause) in faint noise, one after the other."""
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    parts = [0.2 * np.sin(2 * np.pi * TONES_HZ[name] * at) if name in TONES_HZ else np.zeros(len(at)) for name in names]
    clip = np.concatenate([np.zeros(len(at)), *parts, np.zeros(len(at))])
    return (clip + np.random.default_rng(0).normal(0, 0.003, len(clip))).astype(np.float32)


def _encoder() -> onnx.ModelProto:
    """The mean of each group of bands over 8 frames."""
    weights = np.zeros((len(_GROUPS), 80, 8), np.float32)
    for number, (first, last) in enumerate(_GROUPS):
        weights[number, first:last] = 1 / ((last - first) * 8)
    nodes = [
        helper.make_node("Conv", ["audio_signal", "weights"], ["outputs"], kernel_shape=[8], strides=[8], pads=[0, 7]),
        helper.make_node("Sub", ["length", "one"], ["less"]),
        helper.make_node("Div", ["less", "eight"], ["steps"]),
        helper.make_node("Add", ["steps", "one"], ["encoded_lengths"]),
    ]
    inputs = [_value("audio_signal", ["b", 80, "t"]), _value("length", ["b"], TensorProto.INT64)]
    outputs = [_value("outputs", ["b", 3, "s"]), _value("encoded_lengths", ["b"], TensorProto.INT64)]
    constants = {"weights": weights, "one": np.array([1]), "eight": np.array([8])}
    return _model(nodes, inputs, outputs, constants)


def _decoder() -> onnx.ModelProto:
    """Scores of the tokens by their groups of bands, of the blank, and of the durations, which always are one step."""
    last = np.zeros((_BLANK + 1, len(TOKENS)), np.float32)
    last[np.arange(_BLANK), np.arange(_BLANK)] = -100  # a token doesn't follow itself
    last[:, _BLANK] = 0.8  # a blank wins where no group of bands stands out
    durations = np.full((1, 1, 1, _DURATIONS), -1, np.float32)
    durations[..., 1] = 1
    nodes = [
        helper.make_node("Transpose", ["encoder_outputs"], ["groups"], perm=[0, 2, 1]),
        helper.make_node("Pad", ["groups", "pads"], ["padded"]),  # (b, 1, 4): a place for the blank
        helper.make_node("Gather", ["last", "targets"], ["after"], axis=0),
        helper.make_node("Add", ["padded", "after"], ["scores"]),
        helper.make_node("Unsqueeze", ["scores", "one"], ["tokens"]),
        helper.make_node("Concat", ["tokens", "durations"], ["outputs"], axis=3),
        helper.make_node("Identity", ["target_length"], ["prednet_lengths"]),
        helper.make_node("Identity", ["input_states_1"], ["output_states_1"]),
        helper.make_node("Identity", ["input_states_2"], ["output_states_2"]),
    ]
    states = [_value(f"input_states_{number}", [2, "b", _STATE]) for number in (1, 2)]
    inputs = [
        _value("encoder_outputs", ["b", 3, "s"]),
        _value("targets", ["b", "u"], TensorProto.INT32),
        _value("target_length", ["b"], TensorProto.INT32),
        *states,
    ]
    outputs = [
        _value("outputs", ["b", 1, 1, len(TOKENS) + _DURATIONS]),
        _value("prednet_lengths", ["b"], TensorProto.INT32),
        *(_value(f"output_states_{number}", [2, "b", _STATE]) for number in (1, 2)),
    ]
    constants = {"pads": np.array([0, 0, 0, 0, 0, 1]), "last": last, "one": np.array([1]), "durations": durations}
    return _model(nodes, inputs, outputs, constants)


def _value(name: str, shape: list[str | int], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, NDArray[np.generic]],
) -> onnx.ModelProto:
    given = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "made_by_hand", inputs, outputs, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    onnx.checker.check_model(model)
    return model
