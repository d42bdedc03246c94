# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings and metadata of all architectures: those that build no network are refused."""

import dataclasses
import functools
import math

import numpy as np
import pytest
import torch

from kit import checkpoints
from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.networks.registry import build, build_with_weights, weights_of
from spike_depth_ros.tasks.architectures import SETTINGS, StereoLiteSettings, settings_of
from spike_depth_ros.tasks.base import TASKS

TASK_OF = {name: task.name for task in TASKS.values() for name in task.architectures}
BASE = {
    'dsr_net': {'factors': (8,)},
    'upsample_lite': {'factors': (2, 4, 8, 16)},
    'dpt_hybrid': {'planes': 128, 'planes_range': (128, 128), 'bins': 12},
}
"""Metadata that an architecture needs."""

SMALL = {'stereo_lite': {'disparities': 32}}
"""Settings that a task needs."""


def info(architecture, settings=None, **changes):
    """Metadata of an architecture with its defaults and some settings."""
    task = TASK_OF.get(architecture, 'depth')
    given = {'architecture': architecture, **BASE.get(architecture, {}), **changes}
    settings = {**SMALL.get(architecture, {}), **(settings or {})}
    return checkpoints.info(task, settings=settings, **given)


def build_of(architecture, settings=None, **changes):
    """Build it, on a device without memory."""
    found = info(architecture, settings, **changes)
    with torch.device('meta'):
        return build(found)


SELECTED = {'upsampling': 'selected'}
INVERSE = {'depth': 'inverse'}
BAD_SETTINGS = {
    'dpt_tiny': [
        {'depth': 1}, {'heads': 5}, {'stem': 1e300}, {'dim': 13}, {'grid': [0, 3]}, {'grid': 3},
    ],
    'unet_lite': [
        *({name: 0} for name in ('dim', 'features8', 'features', 'head')),
        {'features2': True}, {'features2': -1}, {'head': 2.5}, {'picture': 'colour'},
        {'picture': ['mean']}, {'upsampling': 'cubic'}, {'smoothing': 0.1},
        *({'smoothing': value, **SELECTED} for value in ('yes', True, -0.1, math.nan, math.inf)),
    ],
    'dpt_hybrid': [
        {'depth': 'cubic'}, {'heads': 5}, {'layers': 1}, {'shift': 0.0, **INVERSE},
        {'shift': 5.0, **INVERSE}, {'temporal_features': 12}, {'blocks': 4},
    ],
    'dpn': [
        {'width': 6}, {'width': 0}, {'width': 8.0}, {'attention': 1}, {'baseline_m': 0.0},
        {'baseline_m': math.inf}, {'picture': 'grey'},
    ],
    'depth_anything': [
        {'hidden': 50}, {'taps': (1, 2, 3)}, {'taps': (1, 2, 3, 3)}, {'taps': (1, 2, 3, 5)},
        {'reassemble': (4, 2, 1, 0.3)}, {'neck': (8, 16, 0, 32)}, {'picture': 'none'},
        {'fusion': 15}, {'grid': 0}, {'reassemble': 4},
    ],
    'fuse_lite': [{'fusion': 'x'}, {'heads': 3}, {'dim': 20}, {'paper_exact': 1}],
    'recon_lite': [{'widths': (1, 2)}, {'widths': (0, 1, 1)}, {'boxes': (4,)}],
    'blind_spot': [{'features': 0}, {'amim': -1}, {'streams': 2}, {'streams': '3'}],
    'stereo_lite': [
        {'disparities': 40}, {'disparities': 0}, {'disparities': True},
        {'disparities': 48, 'pool': 2}, {'features': 10}, {'volume': 0}, {'pool': 2.0},
    ],
    'upsample_lite': [
        {'width': 0}, {'blocks': 2.0}, {'factors': (4, 2)}, {'factors': (3,)}, {'factors': ()},
    ],
    'dsr_net': [
        {'width': 0}, {'blocks': 1.5}, {'factors': (2, 4)}, {'factors': (3,)}, {'factors': 4},
        {'residual': 1},
    ],
    'translator': [{'width': 0}, {'blocks': 1.5}, {'width': True}, {'depth': 1}],
}  # fmt: skip
"""Settings of each architecture; the first one is named."""

BAD_METADATA = [
    ('huge', {'architecture': 'huge'}),
    ('fuse_lite', {'max_age_s': -1.0}),
    ('fuse_lite', {'max_age_s': math.nan}),
    ('fuse_lite', {'max_age_s': '0.1'}),
    ('fuse_lite', {'inputs': ('spikes',)}),
    ('fuse_lite', {'architecture': 'unet_lite'}),
    ('stereo_lite', {'outputs': ('disparity', 'uncertainty', 'flow')}),
    ('stereo_lite', {'architecture': 'unet_lite'}),
    ('stereo_lite', {'inputs': ('spikes',)}),
    ('upsample_lite', {'factors': (2, 4)}),
    ('upsample_lite', {'inputs': ('depth', 'rgb')}),
    ('upsample_lite', {'architecture': 'unet_lite'}),
    ('dsr_net', {'inputs': ('depth', 'rgb')}),
    ('dsr_net', {'factors': (4,)}),
    ('translator', {'inputs': ('spikes',)}),
    ('translator', {'outputs': ('depth',)}),
    ('translator', {'architecture': 'dpt_tiny'}),
]

NAMED = {"{'heads': 5}": '5', "{'layers': 1}": '1 layers', "{'stem': 1e+300}": 'stem'}
"""What is named where it is not the setting."""


def test_what_builds_no_network_is_refused(refusals):
    rows = {}
    for architecture, settings in BAD_SETTINGS.items():
        for bad in settings:
            named = NAMED.get(str(bad), next(iter(bad)))
            rows[f'{architecture} {bad}'] = named, functools.partial(build_of, architecture, bad)
    for architecture, bad in BAD_METADATA:
        (field,) = bad
        call = functools.partial(build_of, **{'architecture': architecture, **bad})
        if field == 'architecture':
            call = functools.partial(rebuilt, architecture, bad['architecture'])
        rows[f'{architecture} {bad}'] = field, call
    refusals('architectures', rows, CheckpointError)


def rebuilt(architecture, other):
    """Build metadata of an architecture under the name of another one."""
    build(dataclasses.replace(info(architecture), architecture=other))


UNCHECKED = {
    'dpt_hybrid': {'scale', 'shift'},
    'ssml': {'features', 'amim', 'attention', 'gates'},
    'blind_spot': {'features', 'amim', 'attention'},
}
"""Settings whose type is not checked."""


@pytest.mark.parametrize('architecture', SETTINGS)
def test_each_setting_of_another_type_or_below_its_range_is_named(architecture):
    for field in dataclasses.fields(SETTINGS[architecture]):
        for value in () if field.name in UNCHECKED.get(architecture, ()) else WRONG:
            with pytest.raises(CheckpointError, match=rf'\b{field.name}\b') as caught:
                build_of(architecture, {field.name: value})
            assert str(caught.value).isprintable()
    with pytest.raises(CheckpointError, match=r'\bnovelty\b'):
        build_of(architecture, {'novelty': 1})


WRONG = ('x', None, -1, math.nan, {}, 1 + 1j)


def test_a_class_of_settings_refuses_what_its_metadata_refuse_before():
    with pytest.raises(ValueError, match='disparities is 40: expected a multiple of 16'):
        StereoLiteSettings(disparities=40)


def test_weights_of_other_settings_are_refused_before_they_take_memory(refusals):
    good = checkpoints.info()
    network = checkpoints.network(good)
    weights = weights_of(network)
    bias = 'depth_head.conv3.bias'
    # A single long weight must not make room for a network of that width.
    long = {**weights, 'long': np.zeros(12 * 10**6, np.int8)}
    table = {
        'a missing weight': (
            bias, {}, {name: one for name, one in weights.items() if name != bias},
        ),
        'another weight': ('weight extra', {}, {**weights, 'extra': np.zeros(1)}),
        'a weight of another shape': (
            'encoder.position', {}, {**weights, 'encoder.position': np.zeros((1, 12, 3, 3))},
        ),
        'a wide network': ('4092', {'dim': 4092}, long),
        'a long table': ('4096', {'grid': [4096, 4096]}, long),
        'a deep network': ('settings.blocks', {'blocks': 4096}, long),
    }  # fmt: skip
    rows = {
        name: (
            named,
            functools.partial(
                build_with_weights,
                dataclasses.replace(good, settings={**good.settings, **settings}),
                tensors,
            ),
        )
        for name, (named, settings, tensors) in table.items()
    }
    with torch.no_grad():
        network.depth_head.conv3.bias.fill_(1e6)
    rows['beyond half precision'] = bias, functools.partial(weights_of, network)
    refusals('network_weights', rows, CheckpointError)


BACKBONE = {
    'model_type': 'dinov2', 'hidden_size': 48, 'num_hidden_layers': 4, 'num_attention_heads': 4,
    'image_size': 70, 'patch_size': 14, 'reshape_hidden_states': False,
    'out_features': ['stage1', 'stage2', 'stage3', 'stage4'], 'out_indices': [1, 2, 3, 4],
}  # fmt: skip
CONFIG = {
    'model_type': 'depth_anything', 'backbone_config': BACKBONE, 'fusion_hidden_size': 16,
    'head_hidden_size': 8, 'neck_hidden_sizes': [8, 16, 32, 32], 'patch_size': 14,
    'reassemble_hidden_size': 48,
}  # fmt: skip


def test_models_of_transformers_that_depth_anything_cannot_have_are_refused(refusals):
    assert settings_of(CONFIG)['taps'] == [1, 2, 3, 4]
    rows = {}
    for named, bad in (
        ('depth_estimation_type', {'depth_estimation_type': 'metric'}),
        ('reassemble_hidden_size', {'reassemble_hidden_size': 12}),
        ('neck', {'neck_hidden_sizes': 'many'}),
        ('backbone_config', {'backbone_config': None}),
    ):
        rows[str(bad)] = named, functools.partial(settings_of, {**CONFIG, **bad})
    for named, bad in (
        ('use_swiglu_ffn', {'use_swiglu_ffn': True}),
        ('model_type', {'model_type': 'beit'}),
        ('image_size', {'image_size': 'large'}),
        ('taps', {'out_indices': None, 'out_features': None}),
        ('hidden', {'num_attention_heads': 5}),
    ):
        config = {**CONFIG, 'backbone_config': {**BACKBONE, **bad}}
        rows[f'backbone {bad}'] = named, functools.partial(settings_of, config)
    refusals('depth_anything_config', rows, ValueError)
