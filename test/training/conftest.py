# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of the training share."""

import functools
import subprocess
import unittest.mock

import numpy as np
import pytest

HEIGHT, WIDTH = 64, 96
RATE_HZ, SECONDS = 400.0, 6
STEP = 20  # planes between two positions of the camera


FAR_PX, NEAR_PX = 8, 14
"""Disparity of the wall and of the square before it, in the pairs of :func:`middlebury`."""


@pytest.fixture
def middlebury(tmp_path):
    """Return a folder of two pairs, ``Art`` with metres and ``Cones``, of a square before a wall.

    The disparity of their top left pixel is unknown.
    """
    import cv2
    from PIL import Image

    rng = np.random.default_rng(3)
    root = tmp_path / 'middlebury'
    disparity = np.full((HEIGHT, WIDTH), FAR_PX, np.uint8)
    disparity[20:50, 40:75] = NEAR_PX
    for name, files, steps in (
        ('Art', ('view1.png', 'view5.png', 'disp1.png'), 3),
        ('Cones', ('im2.png', 'im6.png', 'disp2.png'), 4),
    ):
        noise = rng.random((2, HEIGHT, WIDTH + NEAR_PX), np.float32)
        wall, square = (np.uint8(cv2.GaussianBlur(one, None, 1) * 200 + 30) for one in noise)
        left, right = wall[:, :WIDTH].copy(), wall[:, FAR_PX : WIDTH + FAR_PX].copy()
        left[20:50, 40:75] = right[20:50, 40 - NEAR_PX : 75 - NEAR_PX] = square[20:50, 40:75]
        stored = disparity * steps
        stored[0, 0] = 0
        (root / name).mkdir(parents=True)
        for file, content in zip(files, (left, right, stored), strict=True):
            colours = content if content is stored else np.stack([content] * 3, -1)
            Image.fromarray(colours).save(root / name / file)
    (root / 'Art' / 'dmin.txt').write_text('200\n')
    return root


@pytest.fixture(scope='module', autouse=True)
def known_scenes(request):
    """Generate few scenes at once, and none a second time, but where scenes are tested.

    A scene is a function of its number, and most tiny runs have the same ones. A run that uses 6
    of them would generate 256.
    """
    from spike_training.sampling import procedural
    from spike_worlds.generator import SceneGenerator

    remembering = _remembering()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(procedural, '_PREFETCHED', 16)
        if request.path.parent.name not in ('sampling', 'worlds'):
            patch.setattr(SceneGenerator, 'batch', remembering)
        yield


@functools.cache
def _remembering():
    """Return ``SceneGenerator.batch`` with a memory."""
    from spike_worlds.generator import SceneGenerator

    generate, known = SceneGenerator.batch, {}

    def batch(generator, indices):
        key = (generator._recipe, generator._entropy, tuple(indices))
        if key not in known:
            if len(known) == 128:
                known.clear()
            known[key] = generate(generator, indices)
        return known[key]

    return batch


@pytest.fixture(scope='module', autouse=True)
def few_layout_bytes():
    """Measure the layout of raw planes by fewer bytes, which is harder, and takes less time."""
    from spike_depth_ros.io import raw_check

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw_check, 'LAYOUT_BYTES', raw_check.LAYOUT_BYTES // 4)
        yield


@pytest.fixture(scope='module', autouse=True)
def quick_pictures():
    """Compress pictures little: to make them as small as can be takes ten times as long."""
    from PIL import Image

    save = Image.Image.save

    def quick(image, *given, optimize=False, **options):
        save(image, *given, **options, **({'compress_level': 1} if optimize else {}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, 'save', quick)
        yield


@pytest.fixture(scope='module', autouse=True)
def drawing():
    """Leave the drawings out of charts of runs, most of the time of a page; return what draws."""
    from spike_training.reports.run_page import curves

    usual = {name: getattr(curves, name) for name in ('chart', 'svg')}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, 'chart', lambda *given: unittest.mock.MagicMock())
        patch.setattr(curves, 'svg', lambda axes: '<svg></svg>')
        yield usual


@pytest.fixture
def one_thread():
    """Small images: a second thread only waits."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def command(capsys):
    """Return a function that runs a command of training/run.py in this process."""
    from run import main

    def call(*arguments):
        given = [str(one) for one in arguments]
        capsys.readouterr()
        status = 0
        try:
            main(given)
        except SystemExit as end:
            status = end.code or 0
        return subprocess.CompletedProcess(given, status, *capsys.readouterr())

    return call


@pytest.fixture(scope='session')
def moving_wall(tmp_path_factory):
    """Return a .dat file of 6 s at 400 Hz, 96x64 pixels."""
    import cv2
    import torch

    from spike_training.sensor.camera import SpikeCamera

    knots = [*range(0, round(SECONDS * RATE_HZ) + 1, STEP)]
    noise = np.random.default_rng(1).random((HEIGHT, WIDTH + len(knots)), np.float32)
    wall = cv2.GaussianBlur(noise, None, 2.0)
    wall = 0.02 + 0.3 * (wall - wall.min()) / np.ptp(wall)
    light = np.stack([wall[:, k : k + WIDTH] for k in range(len(knots))])
    camera = SpikeCamera(HEIGHT, WIDTH, torch.tensor([1]))
    planes = camera.expose(torch.from_numpy(light)[None], knots)[0].numpy()
    path = tmp_path_factory.mktemp('recording') / 'wall.dat'
    path.write_bytes(planes[:, ::-1].tobytes())  # bottom row first
    return path
