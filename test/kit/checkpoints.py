# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of small networks of random weights, one a task."""

import dataclasses

import numpy as np
import pytest

from spike_depth_ros.base.results import hash_file
from spike_depth_ros.checkpoint import default_checkpoint, load, onnx_path, save
from spike_depth_ros.tasks.base import TASKS

SETTINGS = {'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'blocks': 1,
            'features': 8, 'head': 4}  # fmt: skip

SIZES = {
    'depth': ('dpt_tiny', SETTINGS),
    'fused': ('fuse_lite', {'dim': 16, 'features8': 8, 'features': 8, 'features2': 8, 'head': 8,
                            'heads': 2}),
    'image': ('recon_lite', {'widths': [4, 6, 8]}),
    'stereo': ('stereo_lite', {'disparities': 32, 'stem': 8, 'features': 8}),
    'upsample': ('upsample_lite', {'width': 8, 'factors': [2, 4]}),
    'translation': ('translator', {'width': 4, 'blocks': 1}),
}  # fmt: skip
"""Architecture and settings of the small network of each task."""

FIELDS = {
    'stage': 'x', 'package_version': '0', 'planes': 32, 'planes_range': (32, 32), 'bins': 32,
    'rate_hz_range': (20e3, 20e3), 'min_depth': 0.3, 'max_depth': 80.0, 'canonical_fx': 400.0,
    'fx_range': (300.0, 500.0), 'factors': (2, 4), 'max_age_s': 0.1,
}  # fmt: skip
"""What metadata say unless told otherwise, of the fields that a task has."""

OWN = {
    'depth': {'stage': 'pre_src', 'uncertainty_calibrated': True,
              'metrics': {'indoor_abs_rel': 0.3}},
    'fused': {'planes': 128, 'planes_range': (128, 128), 'bins': 8},
    'image': {'planes': 41, 'planes_range': (41, 41), 'bins': 41},
    'stereo': {'bins': 4},
}  # fmt: skip


def info(task='depth', **changes):
    """The metadata of a task's small network.

    Args:
        task: One of ``SIZES``.
        changes: Fields that are others.
    """
    architecture, settings = SIZES[task]
    given = {'architecture': architecture, 'settings': settings, **FIELDS, **OWN.get(task, {})}
    known = {field.name for field in dataclasses.fields(TASKS[task].info)}
    return TASKS[task].info(**{name: given[name] for name in given if name in known} | changes)


def network(info):
    """The network of metadata, with the random weights of one seed.

    What stands in for a missing input, of zeros at first, is random, too: it counts.
    """
    import torch  # takes seconds: not with this module

    from spike_depth_ros.networks.registry import build

    torch.manual_seed(0)
    made = build(info).eval()
    for vectors in getattr(made, 'missing', ()):
        torch.nn.init.normal_(vectors)
    return made


def checkpoint(path, task='depth', **changes):
    """Write the checkpoint of a task's small network; its path."""
    from spike_depth_ros.networks.registry import weights_of

    found = info(task, **changes)
    save(path, weights_of(network(found)), found)
    return path


def exported(path, task='depth', **changes):
    """Write such a checkpoint and its export beside it; its path."""
    from spike_training.runs.export import export

    export(path, checkpoint=checkpoint(path.with_stem('source'), task, **changes))
    return path


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
