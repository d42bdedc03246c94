# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model files that are whole, but must not be used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spike_depth_ros.checkpoint import default_checkpoint, load, onnx_path, save
from spike_depth_ros.result_files import hash_file


def not_finite_export(path):
    """The shipped model, whose export has NaN in every weight of floats."""
    onnx = pytest.importorskip('onnx')
    graph = onnx.load(onnx_path(default_checkpoint()))
    for weight in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype in (np.float16, np.float32) and values.ndim == 4:
            broken = onnx.numpy_helper.from_array(np.full_like(values, np.nan), weight.name)
            weight.CopyFrom(broken)
    onnx.save(graph, onnx_path(path))
    info, tensors = load(default_checkpoint())
    save(path, tensors, dataclasses.replace(info, onnx_sha256=hash_file(onnx_path(path))))
    return path
