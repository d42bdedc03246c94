# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training leaves, read back; and checkpoints written without one."""

import dataclasses
import json

import torch
from tiny_runs import SETTINGS

from spike_depth_ros.checkpoint import DepthInfo, save
from spike_depth_ros.model.registry import build, weights_of


def state_of(folder):
    pointer = json.loads((folder / 'latest.json').read_text())
    return torch.load(folder / pointer['state'], weights_only=True)


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def rows(folder, group):
    lines = (folder / 'scalars.jsonl').read_text().splitlines()
    return [row for row in map(json.loads, lines) if f'{group}/loss' in row]


INFO = DepthInfo(
    architecture='dpt_tiny', settings=SETTINGS, planes=32, planes_range=(32, 32), bins=32,
    rate_hz_range=(20e3, 20e3), min_depth=0.3, max_depth=80.0, canonical_fx=400.0,
    fx_range=(300.0, 500.0), stage='pre_src', package_version='0', uncertainty_calibrated=True,
    metrics={'indoor_abs_rel': 0.3},
)  # fmt: skip


def write(path, **changes):
    torch.manual_seed(0)
    info = dataclasses.replace(INFO, **changes)
    save(path, weights_of(build(info)), info)
    return path
