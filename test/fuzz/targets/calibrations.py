# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations: YAML as camera_calibration writes it, and what else may be in such a file."""

import math
from pathlib import Path
from random import Random
from typing import Any

import mutations
import yaml
from judging import ContractError, Target

from spike_depth_ros.nodes.parts.calibration import CalibrationError, camera_info_from_yaml

VALID = {
    'image_width': 400,
    'image_height': 250,
    'camera_name': 'spike',
    'camera_matrix': {
        'rows': 3, 'cols': 3, 'data': [410.5, 0.0, 199.0, 0.0, 411.5, 124.0, 0.0, 0.0, 1.0],
    },
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.1, -0.2, 0.0, 0.0, 0.01]},
    'rectification_matrix': {
        'rows': 3, 'cols': 3, 'data': [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
    },
    'projection_matrix': {
        'rows': 3, 'cols': 4,
        'data': [400.0, 0.0, 198.0, 0.0, 0.0, 401.0, 123.0, 0.0, 0.0, 0.0, 1.0, 0.0],
    },
}  # fmt: skip
SNIPPETS = (
    '&a [*a]', '*a', '&a', '<<: *a', '!!binary aGk=', '!!set {a}', '!!omap [a: 1]', '1_0', '0x1F',
    '1:30', '2001-01-01', '.inf', '.nan', '!!int "9"', '!!float "x"', '!!timestamp 2001-99-99',
    '? a', '|\n  a', '{{a: b}: c}', '!!python/object/apply:os.system [ls]', '1e999', '%TAG ! x:',
    '0' * 5000, '9' * 5000, '0o777', '0b2', '---', '...', '[' * 40, '"\\ud800"', '!!bool "x"',
    '=', '!!merge x', '1:2:3:4:5:6.5',
)  # fmt: skip


def dump(random: Random, tree: Any) -> bytes:
    """A tree as YAML, perhaps with snippets and changes of its bytes."""
    # The dumper takes lone surrogates; UTF-8 does not.
    text = yaml.dump(tree, sort_keys=False, default_flow_style=random.choice((None, False, True)))
    if random.random() < 0.3:
        words = text.split(' ')
        words[random.randrange(len(words))] = random.choice(SNIPPETS)
        text = ' '.join(words)
    data = text.encode(errors='surrogatepass')
    return mutations.corrupt(random, data) if random.random() < 0.4 else data


def make(random: Random) -> bytes:
    """A calibration with changes of values or bytes."""
    changed = random.random() < 0.7
    return dump(random, mutations.mutate_tree(random, VALID) if changed else VALID)


def use(case: bytes, folder: Path) -> None:
    """Read the file; what it gives is finite."""
    path = folder / 'camera.yaml'
    path.write_bytes(case)
    info = camera_info_from_yaml(path, 400, 250)
    if not all(map(math.isfinite, (*info.k, *info.r, *info.p, *info.d))):
        raise ContractError(f'not finite: {info}')


CALIBRATION = Target(make, use, (CalibrationError,))
