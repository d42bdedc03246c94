# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX export of networks of the task ``upsample``: one graph, an output for each factor."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from spike_depth_ros.checkpoint import CheckpointError, Tensors
from spike_depth_ros.filters.upsampling import FACTOR, LEAST_PIXELS, output_name
from spike_depth_ros.networks.registry import build, weights_of
from spike_depth_ros.networks.upsampling import UpsampleLite, neighbours
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.exports.onnx_file import onnx_content

SAMPLE_SIZES = ((21, 34), (3, 3))
"""Heights and widths of the maps that ONNX Runtime and torch are compared on."""


def random_weights(info: UpsampleInfo) -> Tensors:
    """Return random weights of a network; their seed is that of torch."""
    return weights_of(build(info))


class _Filled(nn.Module):
    """Network with a filled output for each factor; the features are computed once.

    Args:
        network: The network.
    """

    def __init__(self, network: UpsampleLite) -> None:
        super().__init__()
        self.network = network

    def forward(self, depth: Tensor) -> tuple[Tensor, ...]:
        near, features = neighbours(depth), self.network.features(depth)
        return tuple(
            self.network.enlarged(near, features, factor) for factor in self.network.factors
        )


def to_onnx(network: nn.Module, info: UpsampleInfo) -> bytes:
    """Export a network as ONNX: map with holes and factor (int64) to the filled, enlarged map.

    The outputs of other factors are empty.

    Args:
        network: Network in eval mode, its weights representable in float16.
        info: Metadata, written into the file; with ``weights_sha256``, without ``onnx_sha256``.

    Raises:
        CheckpointError: The runtime has no use for this architecture.
    """
    if not isinstance(network, UpsampleLite):
        raise CheckpointError(
            f'field architecture is {info.architecture!r}, expected one of '
            f'upsample_lite for an export'
        )
    sizes = (torch.export.Dim(name, min=LEAST_PIXELS) for name in ('rows', 'columns'))
    content = onnx_content(
        _Filled(network).eval(),
        {'depth': torch.ones(1, 1, 9, 14)},
        (dict(zip((2, 3), sizes, strict=True)),),
        [output_name(factor) for factor in info.factors],
        info,
    )
    model = onnx.load_from_string(content)
    _compute_one(model.graph, info.factors)
    onnx.checker.check_model(model, full_check=True)
    chosen: bytes = model.SerializeToString(deterministic=True)
    return chosen


def _compute_one(graph: onnx.GraphProto, factors: tuple[int, ...]) -> None:
    """Move what only one output needs into a branch that runs if its factor is asked for.

    ONNX Runtime computes all of a graph, whichever outputs are fetched: x16 costs as much as the
    other factors together.

    Args:
        graph: Graph with an output for each factor; changed in place.
        factors: The factors, in the order of the outputs.
    """
    needed = [_needed(graph, output.name) for output in graph.output]
    graph.input.append(helper.make_tensor_value_info(FACTOR, TensorProto.INT64, []))
    for factor, output, names in zip(factors, list(graph.output), needed, strict=True):
        alone = names - set().union(*(other for other in needed if other is not names))
        inside = [node for node in graph.node if alone & set(node.output)]
        weights = [weight for weight in graph.initializer if weight.name in alone]
        for node in inside:
            graph.node.remove(node)
        for weight in weights:
            graph.initializer.remove(weight)
        result = next(node for node in inside if output.name in node.output)
        branches = [f'{output.name}_{kind}' for kind in ('wanted', 'empty')]
        result.output[list(result.output).index(output.name)] = branches[0]
        values = [_image(name) for name in branches]
        nothing = helper.make_tensor(branches[1], TensorProto.FLOAT, [0] * 4, [])
        empty = helper.make_node('Constant', [], [branches[1]], value=nothing)
        number = helper.make_tensor(f'{output.name}_factor', TensorProto.INT64, [], [factor])
        graph.initializer.append(number)
        asked = f'{output.name}_asked'
        graph.node.extend([
            helper.make_node('Equal', [FACTOR, number.name], [asked]),
            helper.make_node(
                'If', [asked], [output.name],
                then_branch=helper.make_graph(inside, branches[0], [], values[:1], weights),
                else_branch=helper.make_graph([empty], branches[1], [], values[1:]),
            ),
        ])  # fmt: skip
        output.CopyFrom(_image(output.name))  # of no fixed size


def _image(name: str) -> onnx.ValueInfoProto:
    """Describe an image of any size."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4)


def _needed(graph: onnx.GraphProto, output: str) -> set[str]:
    """Return the names of all values that an output is computed from, and its own."""
    needed = {output}
    for node in reversed(graph.node):  # in the order of computation
        if needed & set(node.output):
            needed |= {*node.input, *node.output}
    return needed


def relative_difference(content: bytes, network: nn.Module, info: UpsampleInfo) -> float:
    """Return the largest relative difference of ONNX Runtime to torch, over all factors.

    Args:
        content: The .onnx file.
        network: The network in eval mode.
        info: Its metadata.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    generator = np.random.default_rng(0)
    worst = np.float64(0)
    for size in SAMPLE_SIZES:
        depth = generator.uniform(0.5, 8, (1, 1, *size)).astype(np.float32)
        depth[generator.random(depth.shape) < 0.1] = np.nan
        depth[..., 1, 1] = 2.0  # at least one is known
        for factor in info.factors:
            feeds = {'depth': depth, FACTOR: np.array(factor, np.int64)}
            found = session.run([output_name(factor)], feeds)[0]
            with torch.inference_mode():
                expected = network(torch.from_numpy(depth), factor, fill=True).numpy()
            # Without a known neighbour both are NaN; NaN in one alone is refused.
            both = np.isnan(found) & np.isnan(expected)
            difference = np.where(both, 0, np.abs(found - expected) / np.where(both, 1, expected))
            worst = np.maximum(worst, difference.max())
    return float(worst)
