# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The matcher by a network, of random weights: they are no good, but follow from the counts."""

import contextlib
import dataclasses
import functools
import io
import shutil

import numpy as np
import pytest
import run

from kit import cameras
from spike_depth_ros.checkpoint import CheckpointError, default_checkpoint, load, onnx_path, save
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.geometry.calibration import Calibration
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.observation import Observation
from spike_depth_ros.runtime.layout import Layout, PairLayout
from spike_depth_ros.stereo import network as module
from spike_depth_ros.stereo.estimator import (
    FEW_MATCHED,
    FILLED,
    MATCHED,
    NONE,
    ONE_EYE,
    StereoEstimator,
)
from spike_depth_ros.stereo.network import NetworkMatcher, StereoNetwork
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tasks.stereo import StereoInfo
from spike_training.runs.export import random_checkpoint
from spike_training.tasks.base import task_of

HEIGHT, WIDTH, PLANES = 48, 80, 64
RIG = StereoRig.from_baseline(0.1, 150.0, WIDTH, HEIGHT)
SMALL = {'disparities': 32, 'stem': 8, 'features': 8, 'groups': 4, 'volume': 4, 'head': 8}
RANDOM = task_of('stereo').export.random
INFO = dataclasses.replace(RANDOM['stereo_lite'], settings=SMALL, planes=PLANES)

pytestmark = pytest.mark.timeout(300)  # an export takes seconds, beside other work more


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """An untrained network."""
    path = tmp_path_factory.mktemp('stereo') / 'model.safetensors'
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RANDOM, 'stereo_lite', INFO)
        info, weights = random_checkpoint('stereo_lite', 3)
    save(path, weights, info)
    return path


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """The same with its export, by the command line."""
    path = tmp_path_factory.mktemp('stereo') / 'model.safetensors'
    arguments = ['run.py', 'export', '--architecture', 'stereo_lite', '--seed', '3', '--out']
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setitem(RANDOM, 'stereo_lite', INFO)
        patch.setattr('sys.argv', [*arguments, str(path)])
        run.main()
    return path


def textured(shift=6, planes=PLANES):
    """Windows of both eyes of a textured wall, other noise in each."""
    rng = np.random.default_rng(1)
    rate = rng.uniform(0.05, 0.5, (HEIGHT, WIDTH + abs(shift)))
    views = rate[:, max(-shift, 0) :][:, :WIDTH], rate[:, max(shift, 0) :][:, :WIDTH]
    return [Window.from_planes(rng.random((planes, *v.shape)) < v, 20_000.0) for v in views]


def pair(shift=6, rig=RIG):
    left, right = textured(shift)
    return Observation(left, right=right, rig=rig)


def with_offset(rig, offset):
    """The rig whose right camera has its principal point so many columns to the left."""
    right = rig.right
    k, p = [*right.k], [*right.p]
    k[2] -= offset
    p[2] -= offset
    return StereoRig(rig.left, dataclasses.replace(right, k=tuple(k), p=tuple(p)))


@pytest.mark.long
def test_both_runtimes_give_the_same_disparity_and_error(exported):
    networks = [
        StereoNetwork.from_checkpoint(exported, 'cpu', name, 1) for name in ('onnx', 'torch')
    ]
    assert [one.backend for one in networks] == ['onnx', 'torch']
    for shift, planes in ((6, PLANES), (0, 33)):
        found = [one.predict(*textured(shift, planes)) for one in networks]
        assert found[0].disparity.shape == (HEIGHT, WIDTH)
        for mine, other in zip(*found, strict=True):
            assert mine.dtype == other.dtype == np.float32
            close = np.isclose(mine, other, rtol=1e-3, atol=1e-3)
            assert close.mean() > 0.99  # of equal peaks one or the other
        assert found[0].disparity.std() > 0.1
        assert 0 <= found[0].disparity.min() <= found[0].disparity.max() <= 32


def test_counts_of_either_eye_are_rectified_and_of_one_scale(checkpoint):
    left, right = textured()
    lens = StereoRig(cameras.turned(RIG.left, 0.02), RIG.right).rectifications[0]
    geometry = Geometry(HEIGHT, WIDTH)
    plain = Layout(geometry, PLANES, 4)
    warped = dataclasses.replace(plain, rectification=lens)
    both = PairLayout(warped, plain)
    counts = both.new_counts()
    both.count((left.data, right.data), counts)
    alone = warped.new_counts()
    warped.count(left.data, alone)
    np.testing.assert_array_equal(counts[:1], alone)
    usual = plain.new_counts()
    plain.count(right.data, usual)
    scale = warped.remap_scale
    assert scale > 100
    np.testing.assert_array_equal(counts[1:], scale * usual)
    np.testing.assert_array_equal(both.planes_per_bin, scale * plain.planes_per_bin)


def test_windows_that_differ_are_refused(checkpoint):
    network = StereoNetwork.from_checkpoint(checkpoint, 'cpu', 'torch', 1)
    left, _ = textured()
    with pytest.raises(ValueError, match='left window of 64 planes of 80x48 pixels, right one of'):
        network.predict(left, textured(planes=40)[1])
    low = Window.from_planes(np.zeros((PLANES, 12, 80)), 20_000.0)
    with pytest.raises(ValueError, match='sensor of 80x12 pixels: expected at least 16'):
        network.predict(low, low)


def test_infinity_is_where_the_principal_points_say(checkpoint, monkeypatch):
    """A shifted right sensor shows the same at other columns, which its counts are moved by."""
    monkeypatch.setattr(module, 'LARGEST_ERROR_PX', np.inf)
    shifted = with_offset(RIG, 4.0)
    assert shifted.offset_px == 4.0
    left, right = textured()
    planes = np.unpackbits(right.data, axis=2, bitorder='little')[:, :, :WIDTH]
    moved = Window.from_planes(np.roll(planes, -4, axis=2), 20_000.0)
    plain = Layout(Geometry(HEIGHT, WIDTH), PLANES, 4)
    layout = dataclasses.replace(plain, rectification=shifted.aligned[1])
    usual, counts = plain.new_counts(), layout.new_counts()
    plain.count(right.data, usual)
    layout.count(moved.data, counts)
    np.testing.assert_array_equal(counts[..., 4:WIDTH], layout.remap_scale * usual[..., 4:WIDTH])
    network = StereoNetwork.from_checkpoint(checkpoint, 'cpu', 'torch', 1)
    beyond = network.predict(left, moved, shifted.aligned)
    found = NetworkMatcher(network, 0.5).match(left, moved, shifted)
    np.testing.assert_allclose(found.disparity, beyond.disparity + 4.0, rtol=1e-6)
    np.testing.assert_array_equal(found.error_px, beyond.error_px)


def test_the_depth_and_its_error_are_those_of_the_network(checkpoint, monkeypatch):
    monkeypatch.setattr(module, 'LARGEST_ERROR_PX', np.inf)
    estimator = StereoEstimator.from_checkpoint(checkpoint, device='cpu', backend='torch')
    found = estimator.predict(pair())
    disparity, error = StereoNetwork.from_checkpoint(checkpoint, 'cpu', 'torch').predict(
        *textured()
    )
    known = found.origin == MATCHED
    assert known.mean() > 0.5
    np.testing.assert_allclose(found.depth[known], 15.0 / disparity[known], rtol=1e-5)
    expected = (found.depth**2 * error / 15.0)[known]
    np.testing.assert_allclose(found.uncertainty[known], expected, rtol=1e-4)
    assert found.scale == 'stereo'


@pytest.mark.long
def test_closing_the_estimator_closes_the_network(exported):
    network = StereoNetwork.from_checkpoint(exported, 'cpu', 'onnx')
    estimator = StereoEstimator(matcher=NetworkMatcher(network, 0.5))
    estimator.predict(pair())
    estimator.close()
    with pytest.raises(AttributeError):
        network.predict(*textured())


def test_what_the_network_is_not_sure_of_is_no_match(checkpoint, monkeypatch):
    monkeypatch.setattr(module, 'LARGEST_ERROR_PX', 0.0)
    mono = DepthEstimator.from_checkpoint(threads=1)
    found = StereoEstimator.from_checkpoint(checkpoint, mono, 'cpu', 'torch').predict(pair())
    assert FEW_MATCHED in found.notes
    assert (found.origin == NONE).all()


def test_one_eye_goes_on_at_the_last_factor_of_the_network(checkpoint, monkeypatch):
    monkeypatch.setattr(module, 'LARGEST_ERROR_PX', np.inf)
    mono = DepthEstimator.from_checkpoint(threads=1)
    estimator = StereoEstimator.from_checkpoint(checkpoint, mono, 'cpu', 'torch')
    both = estimator.predict(pair())
    alone = estimator.predict(dataclasses.replace(pair(), right=None))
    assert ONE_EYE in alone.notes
    assert both.fill_factor == alone.fill_factor is not None
    assert (alone.origin == FILLED).all()


def test_a_range_that_is_narrower_than_the_search_is_said(checkpoint):
    estimator = StereoEstimator.from_checkpoint(checkpoint, device='cpu', backend='torch')
    line = (
        'the network searches 32 disparities, 0.3 m needs 50: nothing nearer than 0.47 m is '
        'measured'
    )
    assert not [note for note in estimator.predict(pair()).notes if 'searches' in note]
    near = StereoEstimator.from_checkpoint(
        checkpoint, device='cpu', backend='torch', min_depth_m=0.3
    )
    found = near.predict(pair())
    assert line in found.notes
    assert found.depth_range[0] == pytest.approx(15.0 / 32)


def test_windows_unlike_those_of_the_training_are_said(checkpoint):
    estimator = StereoEstimator.from_checkpoint(checkpoint, device='cpu', backend='torch')
    left, right = textured(planes=8)
    notes = estimator.predict(Observation(left, right=right, rig=RIG)).notes
    assert 'window 8 planes, trained for 16 to 1280' in notes


def test_a_rig_without_distortion_has_no_remapping():
    assert RIG.aligned == (None, None)
    camera = Calibration.centred(150.0, WIDTH, HEIGHT)
    assert StereoRig(camera, RIG.right).aligned == (None, None)
    left, right = with_offset(RIG, 4.0).aligned
    assert left is None
    assert right is not None


def test_checkpoints_that_match_nothing_are_refused(checkpoint, tmp_path, refusals):
    info, tensors = load(checkpoint, StereoInfo)
    nan, stale = tmp_path / 'nan.safetensors', tmp_path / 'stale.safetensors'
    broken = tensors['scale.2.bias'].copy()
    broken[:] = np.nan
    save(nan, {**tensors, 'scale.2.bias': broken}, info)
    save(stale, tensors, dataclasses.replace(info, onnx_sha256='0' * 64))
    shutil.copy(onnx_path(default_checkpoint()), onnx_path(stale))
    missing = tmp_path / 'missing.safetensors'
    depth, pairs = DepthEstimator.from_checkpoint, StereoEstimator.from_checkpoint
    rows = {
        'pairs as depth': (str(checkpoint), functools.partial(depth, checkpoint)),
        'depth as pairs': ('field task', functools.partial(pairs, default_checkpoint())),
        'no file': (str(missing), functools.partial(pairs, missing)),
        'nan': ('weight scale.2.bias', functools.partial(StereoNetwork.from_checkpoint, nan)),
        'another export': (
            'stale.onnx', functools.partial(StereoNetwork.from_checkpoint, stale, backend='onnx'),
        ),
    }  # fmt: skip
    refusals('stereo_network', rows, CheckpointError, {r'\S+/stereo\d+/': '<folder>/'})
    with pytest.raises(ValueError, match='nearest depth 0 m: expected above 0'):
        pairs(checkpoint, min_depth_m=0.0)
