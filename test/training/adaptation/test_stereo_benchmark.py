# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of two eyes: sizes of the worlds that it records, its goals and its tables."""

import numpy as np
import pytest

from benchmarks import adapt_stereo
from spike_depth_ros.io.vidar import RawLayout, read_part
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.preview import encode


@pytest.mark.parametrize('factor', [1.0, 1.3])
def test_true_depth_is_that_of_the_stated_baseline(tmp_path, monkeypatch, factor):
    for name, value in {
        'SCENES': 4,
        'STEPS': 1,
        'SCORED': 0,
        'HEIGHT': 128,
        'WIDTH': 192,
    }.items():
        monkeypatch.setattr(adapt_stereo, name, value)
    found = adapt_stereo.record('indoor', factor, tmp_path, 9, 'cpu')
    (truth,) = found.held_back
    assert len(truth.counts) == 1  # of the last of four scenes
    pictures, size = [], RawLayout(Geometry(128, 192))
    for path in (found.left, found.right):
        planes = read_part(path, size, 3 * 128, 4 * 128)
        pictures.append(encode(packing.spike_counts(np.ascontiguousarray(planes), 192) / 128))
    disparity = SgbmMatcher(0, 64, SgbmSettings()).match(*pictures)
    near = disparity > 2
    assert near.mean() > 0.2
    depth = found.fx_px * found.baseline_m / disparity[near]
    true = truth.depth[0, 0].numpy()[near]
    assert np.median(depth / true) == pytest.approx(1, abs=0.04)


def test_goals_are_those_of_wrong_sizes_or_of_right_ones():
    old = {'ratio': 0.77, 'metres': 0.3, 'scaled': 0.2}
    good = {'ratio': 1.04, 'metres': 0.25, 'scaled': 0.203}
    assert adapt_stereo.missed(old, good, 1.3) == []
    for name, value in (('ratio', 0.94), ('metres', 0.26), ('scaled', 0.21)):
        assert adapt_stereo.missed(old, {**good, name: value}, 1.3) == [name]
    assert adapt_stereo.missed(old, {'ratio': 0.77, 'metres': 0.305, 'scaled': 0.204}, 1) == []
    assert adapt_stereo.missed(old, {'ratio': 1.0, 'metres': 0.31, 'scaled': 0.2}, 1) == ['metres']
