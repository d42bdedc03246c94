# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imports that pages write, or that methods of users have, work as before."""

import importlib
import re
import sys
import warnings
from pathlib import Path

import pytest

from spike_depth_ros.base import moved

ROOT = Path(__file__).resolve().parents[2]

FROZEN = """
from spike_depth_ros import DepthEstimator, Observation, Window
from spike_depth_ros.architectures import DpnSettings
from spike_depth_ros.depth_colours import DepthColours
from spike_depth_ros.estimator import DepthEstimator, Observation
from spike_depth_ros.fusion.frame import Frame
from spike_depth_ros.fusion.registration import Registration
from spike_depth_ros.model.dpn import dpn
from spike_depth_ros.pictures import depth_panel, save_png
from spike_depth_ros.stereo.estimator import MATCHED, StereoEstimator
from spike_depth_ros.stereo.rig import StereoRig
from spike_depth_ros.stream.packing import unpack
from spike_depth_ros.stream.recording import open_recording
from spike_depth_ros.upsampling import Upsampler, camera_matrix
from spike_depth_ros.tasks.architectures import DpnSettings
from spike_depth_ros.pages.depth_colours import DepthColours
from spike_depth_ros.estimator import DepthEstimator, ImageEstimator
from spike_depth_ros.stream.preview import encode
from spike_depth_ros.observation import Observation
from spike_depth_ros.observation import Frame
from spike_depth_ros.geometry.registration import Registration
from spike_depth_ros.networks.dpn import dpn
from spike_depth_ros.pages.pictures import depth_panel, save_png
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.filters.upsampling import Upsampler, camera_matrix
from spike_training.engine.stage import Stage
from spike_training.evaluation.predictors import canonical_depth, predict
from spike_training.sensor.camera import SpikeCamera, simulate_counts
from spike_training.sensor.parameters import SENSORS
from spike_training.settings.config import StageConfig
from spike_training.settings.method import Method, ScalarChart
from spike_training.settings.ranges import Problems, above, at_least, share
"""
"""Written by pages and methods at version 0.1.0: a line may be added, none goes."""

MOVED = {'spike_training.settings.ranges', 'spike_depth_ros.model.dpn'} | {
    f'spike_depth_ros.{old}' for old in moved.MOVED
}
"""Modules whose content has another place, which they say."""

IMPORT = re.compile(r'^ *from (spike_\w+[\w.]*) import ([\w, ]+)$', re.MULTILINE)


@pytest.mark.parametrize(('module', 'names'), IMPORT.findall(FROZEN))
def test_a_frozen_import_works_and_says_if_it_has_moved(module, names):
    if module in MOVED:
        sys.modules.pop(module, None)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        found = importlib.import_module(module)
    for name in names.split(', '):
        assert hasattr(found, name)
    told = [str(one.message) for one in said if one.category is DeprecationWarning]
    assert any(module in one for one in told) == (module in MOVED)


def test_imports_of_pages_are_frozen():
    pages = [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md')]
    written = {
        (module, name)
        for page in pages
        for module, names in IMPORT.findall(page.read_text(encoding='utf-8'))
        for name in names.split(', ')
    }
    frozen = {
        (module, name) for module, names in IMPORT.findall(FROZEN) for name in names.split(', ')
    }
    assert len(written) > 10
    assert written <= frozen


def test_former_checks_of_ranges_say_what_they_said():
    from spike_training.settings import ranges

    class Part:
        count, rate, weight = 0, -1.0, 1.0

    assert [*ranges.at_least(Part, 1, 'count', 'rate')] == [
        'count is 0: expected 1 or more', 'rate is -1: expected 1 or more',
    ]  # fmt: skip
    assert [*ranges.above(Part, 0, 'count', 'weight')] == ['count is 0: expected above 0']
    assert [*ranges.share(Part, 'weight')] == ['weight is 1: expected 0 to below 1']
