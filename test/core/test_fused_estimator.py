# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth from spikes and a frame: library and backends."""

import functools

import numpy as np
import pytest

from kit import checkpoints
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.observation import Frame, Observation
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window

HEIGHT, WIDTH = 40, 60
SETTINGS = {**checkpoints.SIZES['fused'][1], 'pool': 2}
RNG = np.random.default_rng(3)

pytestmark = pytest.mark.timeout(300)  # an export takes a minute, beside other work more


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp('fused') / 'fused.safetensors'
    return checkpoints.checkpoint(path, 'fused', settings=SETTINGS)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    return checkpoints.exported(
        tmp_path_factory.mktemp('exported') / 'fused.safetensors', 'fused', settings=SETTINGS
    )


@pytest.fixture(
    scope='module',
    params=['torch', pytest.param('onnx', marks=pytest.mark.long)],  # its export takes a minute
)
def estimator(request):
    path = request.getfixturevalue('exported' if request.param == 'onnx' else 'checkpoint')
    with_backend = DepthEstimator.from_checkpoint(path, 'cpu', request.param, threads=1)
    yield with_backend
    with_backend.close()


@pytest.fixture(scope='module')
def window():
    spikes = RNG.random((128, HEIGHT, WIDTH)) < RNG.random((HEIGHT, WIDTH))
    return Window.from_planes(spikes.astype(np.uint8), 20_000)


def pixels(height=HEIGHT, width=WIDTH):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


class TestFrame:
    @pytest.mark.parametrize(('binning', 'pool'), [(1, 1), (1, 2), (2, 2), (1, 3)])
    def test_cells_are_means_and_the_edge_is_repeated(self, binning, pool):
        height, width = 35, 51
        frame = pixels(height, width)
        layout = Layout(Geometry(height, width), 128, 8, binning, pool)
        found, cell = Frame(frame).image(layout), layout.cell
        assert found.shape == (3, *layout.input_size)
        assert found.dtype == np.float32
        whole = height // cell, width // cell
        for row, column in ((0, 0), (whole[0] - 1, whole[1] - 1)):
            part = frame[cell * row : cell * (row + 1), cell * column : cell * (column + 1)]
            np.testing.assert_allclose(
                found[:, row, column], part.mean(axis=(0, 1)) / 255, atol=1e-6
            )
        used = -(-layout.height // pool), -(-layout.width // pool)
        assert (found[:, used[0] :] == found[:, used[0] - 1 : used[0]]).all()
        assert (found[:, :, used[1] :] == found[:, :, used[1] - 1 : used[1]]).all()

    def test_grey_is_that_colour(self):
        layout = Layout(Geometry(32, 32), 128, 8)
        grey = pixels(32, 32)[..., 0]
        colours = np.repeat(grey[..., None], 3, axis=2)
        np.testing.assert_array_equal(Frame(grey).image(layout), Frame(colours).image(layout))

    def test_what_is_no_frame_is_refused(self, refusals):
        rows = {
            'another size': (
                '60x40',
                functools.partial(
                    Frame(pixels(20, 30)).image, Layout(Geometry(HEIGHT, WIDTH), 128, 8)
                ),
            )
        }
        for shape in ((4, 4, 4), (0, 4), (4,)):
            call = functools.partial(Frame, np.zeros(shape, np.uint8))
            rows[f'shape {shape}'] = str([*shape]), call
        for age in (-0.1, np.nan, np.inf):
            rows[f'age {age}'] = 'age_s', functools.partial(Frame, pixels(), age)
        refusals('frame', rows, ValueError)
        for given, kind in (([[1]], 'list'), (np.zeros((4, 4), np.float32), 'float32')):
            with pytest.raises(TypeError, match=f'frame of {kind}: expected an array of uint8'):
                Frame(given)


class TestDepth:
    def test_the_frame_changes_depth_and_its_absence_is_no_black_frame(self, estimator, window):
        given = [None, Frame(pixels()), Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8))]
        depths = [estimator.predict(Observation(window, image=image)).depth for image in given]
        assert all(depth.shape == (HEIGHT, WIDTH) for depth in depths)
        for one, other in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(depths[one] / depths[other] - 1).max() > 1e-3
        again = estimator.predict(Observation(window)).depth
        np.testing.assert_array_equal(again, depths[0])

    @pytest.mark.long
    @pytest.mark.timeout(300)
    def test_backends_agree(self, exported, window):
        frame = Frame(pixels(), 0.02)
        for image in (None, frame):
            found = []
            for backend in ('onnx', 'torch'):
                estimator = DepthEstimator.from_checkpoint(exported, 'cpu', backend, threads=1)
                found.append(estimator.predict(Observation(window, image=image)).depth)
                estimator.close()
            np.testing.assert_allclose(*found, rtol=2e-3)

    def test_an_old_frame_is_noted(self, estimator, window):
        notes = estimator.predict(Observation(window, image=Frame(pixels(), 0.2))).notes
        # The same for each frame, or a warning would be told for each window.
        assert 'the frame is not 0 to 0.1 s older than the window, as in training' in notes
        notes = estimator.predict(Observation(window, image=Frame(pixels(), 0.1))).notes
        assert not any('older' in note for note in notes)

    def test_a_network_of_spikes_alone_does_not_use_it(self, window):
        estimator = DepthEstimator.from_checkpoint(device='cpu', threads=1)
        plain = estimator.predict(Observation(window))
        beside = estimator.predict(Observation(window, image=Frame(pixels())))
        np.testing.assert_array_equal(beside.depth, plain.depth)
        note = 'the frame is not used: the network takes spikes alone'
        assert set(beside.notes) - set(plain.notes) == {note}
        estimator.close()
