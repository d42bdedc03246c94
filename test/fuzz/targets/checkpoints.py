# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model files: headers, metadata and weights of .safetensors, and the .onnx beside them."""

import dataclasses
import functools
import hashlib
import json
from pathlib import Path
from random import Random

import mutations
import numpy as np
from judging import ContractError, Target
from safetensors.numpy import save as serialise

from spike_depth_ros.checkpoint import (
    METADATA_KEY,
    CheckpointError,
    Tensors,
    hash_weights,
    load,
    load_info,
)
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.observation import Observation
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tasks.depth import DepthInfo

SIZES = {'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'blocks': 1, 'features': 8,
         'head': 4}  # fmt: skip
INFO = DepthInfo(
    architecture='dpt_tiny', settings=SIZES, planes=32, planes_range=(16, 64), bins=8,
    rate_hz_range=(10e3, 40e3), min_depth=0.5, max_depth=50.0, canonical_fx=40.0,
    fx_range=(20.0, 80.0), stage='fuzz', package_version='0', datasets={'a': 'CC0-1.0'},
    metrics={'abs_rel': 0.1},
)  # fmt: skip


@functools.cache
def _weights() -> Tensors:
    import torch

    from spike_depth_ros.networks.registry import build, weights_of

    torch.manual_seed(0)
    return weights_of(build(INFO))


def _metadata(random: Random, info: DepthInfo) -> str:
    """Metadata as JSON; most often with other values, at times with other bytes."""
    fields = json.loads(info.to_json())
    if random.random() < 0.7:
        # Most often one field of its own, for two wrong ones hide each other.
        fields = mutations.mutate_tree(random, fields, random.choice((0, 1, 1, 1)))
    text = json.dumps(fields)
    if random.random() < 0.2:
        text = mutations.text(random, text)
    return text.encode(errors='replace').decode()


def make_checkpoint(random: Random) -> dict[str, bytes]:
    """A checkpoint with changes of metadata, weights, header or bytes."""
    weights = dict(_weights())
    if random.random() < 0.2:
        name = random.choice(sorted(weights))
        array = weights.pop(name)
        kind = random.randrange(5)
        if kind == 0:
            weights[f'{name}x'] = array
        elif kind == 1:
            weights[name] = array[..., None]
        elif kind == 2:
            weights[name] = array.astype(random.choice(('i1', 'f8', 'f4', '?', 'u8')))
        elif kind == 3:
            value = random.choice((np.nan, np.inf, 6e4, -6e4, 0))
            weights[name] = np.full_like(array, value) if array.dtype.kind == 'f' else array
    info = dataclasses.replace(INFO, weights_sha256=hash_weights(weights))
    data = serialise(weights, {METADATA_KEY: _metadata(random, info)})
    return {'model.safetensors': _changed_file(random, data)}


def _changed_file(random: Random, data: bytes) -> bytes:
    """Change the header of a .safetensors file as JSON, or any of its bytes; or nothing."""
    kind = random.randrange(4)
    if kind == 0:
        length = int.from_bytes(data[:8], 'little')
        header = mutations.mutate_tree(random, json.loads(data[8 : 8 + length]))
        text = json.dumps(header).encode()
        length = random.choice((len(text), len(text), *mutations.INTEGERS)) % (1 << 64)
        return length.to_bytes(8, 'little') + text + data[8 + length :]
    if kind == 1:
        # Of the header, for the weights have a hash.
        head = mutations.corrupt(random, data[:1500])
        return mutations.corrupt(random, data) if random.random() < 0.3 else head + data[1500:]
    return data


def use_checkpoint(case: dict[str, bytes], folder: Path) -> None:
    """Read the metadata, load the weights, and predict by torch."""
    path = _write(case, folder)
    load_info(path)
    load(path)
    _predict(path, 'torch')


def _write(case: dict[str, bytes], folder: Path) -> Path:
    for name, data in case.items():
        (folder / name).write_bytes(data)
    return folder / 'model.safetensors'


def _predict(path: Path, backend: str) -> None:
    estimator = DepthEstimator.from_checkpoint(path, 'cpu', backend, 1)
    spikes = np.random.default_rng(0).random((min(estimator.info.planes, 4096), 16, 24)) < 0.3
    try:
        window = Window.from_planes(spikes, 20_000.0)
        prediction = estimator.predict(Observation(window, 40.0))
        if prediction.depth.shape != (16, 24):
            raise ContractError(f'depth of {prediction.depth.shape}')
        prediction.published_depth(0.5)
    finally:
        estimator.close()


@functools.cache
def _export() -> bytes:
    """A network small enough to be written by hand: the mean of the counts, twice."""
    import onnx
    from onnx import TensorProto, helper

    counts = helper.make_tensor_value_info('counts', TensorProto.UINT16, [1, 8, 'h', 'w'])
    planes = helper.make_tensor_value_info('planes_per_bin', TensorProto.INT32, [8])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 'h', 'w'])
        for name in INFO.outputs
    ]
    nodes = [
        helper.make_node('Cast', ['counts'], ['c'], to=TensorProto.FLOAT),
        helper.make_node('Cast', ['planes_per_bin'], ['p'], to=TensorProto.FLOAT),
        helper.make_node('ReduceSum', ['p'], ['n'], keepdims=0),
        helper.make_node('Div', ['c', 'n'], ['r']),
        helper.make_node('ReduceMean', ['r'], ['m'], axes=[1], keepdims=1),
        helper.make_node('Exp', ['m'], ['depth']),
        helper.make_node('Sigmoid', ['m'], ['uncertainty']),
    ]
    graph = helper.make_graph(nodes, 'fuzz', [counts, planes], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    helper.set_model_props(model, {'weights_sha256': hash_weights(_weights())})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def make_onnx(random: Random) -> dict[str, bytes]:
    """An export with changes, whose checkpoint names its hash in most cases."""
    export = mutations.corrupt(random, _export()) if random.random() < 0.9 else _export()
    digest = hashlib.sha256(export if random.random() < 0.9 else _export()).hexdigest()
    info = dataclasses.replace(INFO, weights_sha256=hash_weights(_weights()), onnx_sha256=digest)
    text = info.to_json() if random.random() < 0.7 else _metadata(random, info)
    return {
        'model.safetensors': serialise(_weights(), {METADATA_KEY: text}),
        'model.onnx': export,
    }


def use_onnx(case: dict[str, bytes], folder: Path) -> None:
    """Load the export and predict."""
    _predict(_write(case, folder), 'onnx')


def prepare_checkpoint() -> None:
    """Import torch and run it once."""
    import torch

    torch.set_num_threads(1)
    _weights()


def prepare_onnx() -> None:
    """Import torch and ONNX."""
    prepare_checkpoint()
    _export()


CHECKPOINT = Target(
    make_checkpoint, use_checkpoint, (CheckpointError,), prepare=prepare_checkpoint
)
ONNX = Target(make_onnx, use_onnx, (CheckpointError,), prepare=prepare_onnx)
