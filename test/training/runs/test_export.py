# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import re

import numpy as np
import onnx
import pytest
import run
import torch

from spike_depth_ros import DepthEstimator, Observation, Window
from spike_depth_ros.checkpoint import (
    SHIPPED,
    CheckpointError,
    find_checkpoint,
    load,
    load_info,
    onnx_path,
)
from spike_depth_ros.networks.registry import build_with_weights
from spike_training.exports import spikes
from spike_training.exports.spikes import reestimate_batch_norm, relative_difference
from spike_training.runs.export import export, random_checkpoint
from spike_training.tasks.base import task_of

RANDOM_INFO = task_of('depth').export.random
SMALL = dataclasses.replace(
    RANDOM_INFO['dpt_tiny'],
    planes=64,
    settings={'stem': 8, 'stage4': 8, 'stage8': 8, 'stage16': 8, 'dim': 12, 'heads': 3,
              'blocks': 1, 'grid': (2, 3), 'features': 8, 'head': 4},
)  # fmt: skip

LITE = dataclasses.replace(
    SMALL,
    architecture='unet_lite',
    settings={'dim': 12, 'features8': 8, 'features': 8, 'head': 4, 'pool': 2,
              'picture': 'three_rates', 'features2': 8, 'upsampling': 'selected'},
    bins=9,
    outputs=('uncertainty', 'depth'),
)  # fmt: skip
"""The settings of the shipped model, other sizes, and the outputs in another order."""

pytestmark = pytest.mark.timeout(300)  # an export takes 15 s, beside other work more


@pytest.fixture(autouse=True)
def small_dpt_tiny(monkeypatch):
    """The default architecture, small: an export takes seconds of any network."""
    monkeypatch.setitem(RANDOM_INFO, 'dpt_tiny', SMALL)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """What the command line gives for a seed; test_adapt exports a ``dpt_tiny``."""
    path = tmp_path_factory.mktemp('export') / 'made' / 'model.safetensors'
    arguments = ['run.py', 'export', '--architecture', 'unet_lite', '--seed', '3', '--out']
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as told:
        patch.setitem(RANDOM_INFO, 'unet_lite', LITE)
        patch.setattr('sys.argv', [*arguments, str(path)])
        run.main()
    assert re.search(r'within \d\.\de-\d\d of torch', told.getvalue())
    return path


@pytest.mark.long
@pytest.mark.kind
def test_checkpoint_and_export_name_each_other_and_run(exported):
    info = load_info(exported)
    assert (info.stage, info.scale, info.datasets) == ('random', 'none', {})
    model = onnx.load(onnx_path(exported))
    props = {prop.key: prop.value for prop in model.metadata_props}
    assert props['weights_sha256'] == info.weights_sha256
    inner = json.loads(props['spike_depth_ros'])
    assert inner == json.loads(dataclasses.replace(info, onnx_sha256=None).to_json())
    assert tuple(value.name for value in model.graph.output) == LITE.outputs
    assert_runtimes_agree(exported, 1e-5)


def assert_runtimes_agree(path, rtol):
    """One export for windows of any length, of a size that the network pads."""
    runtimes = [
        DepthEstimator.from_checkpoint(path, 'cpu', backend, 1) for backend in ('onnx', 'torch')
    ]
    for planes in (16, 40, 128, 1280):
        spikes = np.random.default_rng(0).random((planes, 33, 47)) < 0.2
        observation = Observation(Window.from_planes(spikes, 20_000.0), 400.0)
        found = [runtime.predict(observation).depth for runtime in runtimes]
        assert np.ptp(found[0]) > 1e-3
        np.testing.assert_allclose(*found, rtol=rtol)


@pytest.mark.long  # the shipped model has the settings of `exported`
@pytest.mark.parametrize(
    ('settings', 'rtol'),
    [
        ({**LITE.settings, 'upsampling': 'convex'}, 1e-5),
        ({'dim': 12, 'features': 8, 'pool': 2}, 1e-3),
    ],
)
def test_other_settings_of_unet_lite_are_exported_too(tmp_path, monkeypatch, settings, rtol):
    info = dataclasses.replace(LITE, settings=settings)
    monkeypatch.setitem(RANDOM_INFO, 'unet_lite', info)
    path = tmp_path / 'model.safetensors'
    export(path, architecture='unet_lite', seed=1)
    assert_runtimes_agree(path, rtol)


def test_export_takes_only_a_seed_from_the_outside():
    torch.manual_seed(1)
    _, first = random_checkpoint('dpt_tiny', 5)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    _, second = random_checkpoint('dpt_tiny', 5)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    _, other = random_checkpoint('dpt_tiny', 6)
    assert not all(np.array_equal(first[name], other[name]) for name in first)
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_an_export_that_differs_is_refused_and_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(spikes, 'to_onnx', lambda *_: b'')
    monkeypatch.setattr(spikes, 'relative_difference', lambda *_: 2e-3)
    with pytest.raises(CheckpointError, match=r'differs from the network by 2\.0e-03'):
        export(tmp_path / 'model.safetensors')
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_the_comparison_sees_another_network(exported):
    info, weights = load(exported)
    network = build_with_weights(info, weights).eval()
    content = onnx_path(exported).read_bytes()
    assert relative_difference(content, network, info) < 1e-4
    with torch.no_grad():
        network.depth_head.conv3.bias += 0.01
    assert relative_difference(content, network, info) > 1e-3
    with torch.no_grad():
        network.depth_head.conv3.bias += float('nan')
    assert math.isnan(relative_difference(content, network, info))


def test_an_unknown_architecture_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="architecture 'huge': expected one of dpt_tiny"):
        export(tmp_path / 'model.safetensors', architecture='huge')


def test_the_statistics_of_batch_norm_are_those_of_the_batches():
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(1)).eval()
    network.forward = lambda counts, planes: network[0](counts)
    batches = [(torch.full((2, 1, 4, 4), float(value)), None) for value in (1, 5)]
    reestimate_batch_norm(network, batches)
    assert network[0].running_mean.item() == pytest.approx(3)
    assert network[0].momentum == 0.1


@pytest.mark.parametrize('name', SHIPPED)
def test_shipped_files_name_no_path_of_the_machine_that_made_them(name):
    assert_names_no_path(find_checkpoint(name))
    assert_names_no_path(onnx_path(find_checkpoint(name)))


@pytest.mark.long
def test_a_fresh_export_names_no_path_of_this_machine(exported):
    assert_names_no_path(onnx_path(exported))


def assert_names_no_path(file):
    content = file.read_bytes()
    for trace in (b'/tmp', b'/home', b'/root', b'/usr', b'site-packages', b'.py', b'.cpp'):
        assert trace not in content


@pytest.mark.parametrize('name', SHIPPED)
def test_shipped_export_holds_its_weights_as_the_checkpoint_does(name):
    """Halves behind casts, not folded: the file is as small, and the same values."""
    _, weights = load(find_checkpoint(name))
    model = onnx.load(onnx_path(find_checkpoint(name)))
    stored = {onnx.numpy_helper.to_array(part).tobytes() for part in model.graph.initializer}
    convolutions = [name for name in weights if weights[name].ndim == 4]
    assert len(convolutions) > 30
    assert all(weights[name].tobytes() in stored for name in convolutions)


def test_the_untrained_network_starts_on_the_slope_of_its_depth_range():
    """Random weights whose sigmoid is saturated would get no gradient."""
    info, weights = random_checkpoint('dpt_tiny', 0)
    counts = torch.poisson(torch.ones(1, 32, 64, 96)).to(torch.uint8)
    with torch.inference_mode():
        depth = build_with_weights(info, weights).eval()(counts, torch.full((32,), 5)).depth
    share = torch.log(depth / info.min_depth) / np.log(info.max_depth / info.min_depth)
    assert 0.05 < share.quantile(0.05) < share.quantile(0.95) < 0.95
    assert share.std() > 0.01
