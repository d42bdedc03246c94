# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Content of an .onnx file from a network in torch: small, and the same on every machine."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_ir.passes import common as passes
from onnxscript.optimizer import fold_constants_ir
from torch import Tensor, nn

from spike_depth_ros.checkpoint import METADATA_KEY
from spike_depth_ros.tasks.base import CheckpointInfo

OPSET = 20
"""First opset with Gelu as one operator, which ONNX Runtime fuses with its bias."""


def onnx_content(
    network: nn.Module,
    inputs: dict[str, Tensor],
    dynamic_shapes: tuple[Any, ...],
    outputs: Sequence[str],
    info: CheckpointInfo,
) -> bytes:
    """Return a network as the bytes of an .onnx file.

    Args:
        network: Network in eval mode, its weights representable in float16.
        inputs: An example of each input, by its name.
        dynamic_shapes: Free sizes of each input, as ``torch.export`` takes them.
        outputs: Names of the outputs.
        info: Metadata, written into the file; with ``weights_sha256``, without ``onnx_sha256``.
    """
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            network,
            tuple(inputs.values()),
            dynamo=True,
            # Not the exporter's optimiser: it folds batch norm into the convolutions, so that the
            # weights would no longer be those of the checkpoint. ONNX Runtime folds at load.
            optimize=False,
            opset_version=OPSET,
            dynamic_shapes=dynamic_shapes,
            input_names=list(inputs),
            output_names=list(outputs),
            verbose=False,
        )
    assert program is not None  # with dynamo=True and no file name
    model = _simplify(program.model)
    _halve_weights(model)
    _strip(model)
    helper.set_model_props(
        model, {'weights_sha256': info.weights_sha256, METADATA_KEY: info.to_json()}
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _simplify(model: onnx_ir.Model) -> onnx.ModelProto:
    """Inline functions and fold constants."""
    passes.InlinePass()(model)
    fold_constants_ir(model)
    for tidy in (
        passes.RemoveUnusedNodesPass(),
        passes.RemoveUnusedFunctionsPass(),  # type: ignore[no-untyped-call]
        passes.RemoveUnusedOpsetsPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.DeduplicateInitializersPass(),
        passes.CommonSubexpressionEliminationPass(),
    ):
        tidy(model)
    return onnx_ir.to_proto(model)


def _halve_weights(model: onnx.ModelProto) -> None:
    """Store float32 weights as float16 behind a cast, where that changes no value.

    The file is half as large; ONNX Runtime folds the casts at load, at the same speed.
    """
    casts = []
    for weight in model.graph.initializer:
        full = numpy_helper.to_array(weight)
        if full.dtype != np.float32 or full.size < 16:
            continue
        half = full.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), full):
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f'{name}.half'))
        casts.append(helper.make_node('Cast', [weight.name], [name], to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _strip(model: onnx.ModelProto) -> None:
    """Remove the exporter's debug metadata: file names and line numbers of this machine."""
    del model.graph.value_info[:]
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    model.doc_string = model.graph.doc_string = ''
    graph = model.graph
    for part in [*graph.node, *graph.initializer, *graph.input, *graph.output]:
        del part.metadata_props[:]
        part.doc_string = ''
