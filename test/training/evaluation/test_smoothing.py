# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the smoothing of the shipped network changes: the grid goes, outlines and errors stay."""

import dataclasses

import numpy as np
import pytest
import torch

from spike_depth_ros.checkpoint import default_checkpoint, load
from spike_depth_ros.evaluation.metrics import DepthErrors, StructureErrors, UncertaintyErrors
from spike_training.choices import MEAN_RATE
from spike_training.datasets import readers
from spike_training.evaluation.predictors import (
    build_for_evaluation,
    canonical_depth,
    network_predictor,
)
from spike_training.run_data.sources import sample_frames
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.procedural import ProceduralSource

HEIGHT, WIDTH = 256, 384
INFO, WEIGHTS = load(default_checkpoint())
NAMES = ('boundary_f1', 'flying_pixels', 'abs_rel', 'interval_coverage')


def measure(batches):
    """Metrics of NAMES and peaks in rows and columns, without and with smoothing."""
    batches = [*batches]
    found = []
    for smoothing in (0.0, INFO.settings['smoothing']):
        info = dataclasses.replace(INFO, settings={**INFO.settings, 'smoothing': smoothing})
        network = build_for_evaluation(info, WEIGHTS, torch.device('cpu'))
        predictor = network_predictor(network, info)
        errors = [kind(0.3, 80.0) for kind in (StructureErrors, DepthErrors, UncertaintyErrors)]
        logs = []
        for batch in batches:
            depth, half_width = predictor(batch)
            truth = canonical_depth(batch, info.canonical_fx)[:, 0].numpy()
            errors[0].add(depth, truth, batch.index.tolist())
            errors[1].add(depth, truth)
            errors[2].add(depth, half_width, truth)
            logs.append(np.log(depth))
        values = {k: v for one in errors for k, v in one.metrics().items() if k in NAMES}
        peaks = [peak(np.moveaxis(np.concatenate(logs), axis, -1)) for axis in (1, 2)]
        found.append((values, peaks))
    return found


def peak(lines):
    """Amplitude with a period of four pixels, over those of periods nearby."""
    lines = (lines - lines.mean(axis=-1, keepdims=True)) * np.hanning(lines.shape[-1] + 1)[:-1]
    found = np.abs(np.fft.rfft(lines)).mean(axis=(0, 1))
    place = lines.shape[-1] // 4
    return found[place] / np.r_[found[place - 8 : place - 2], found[place + 3 : place + 9]].mean()


def check(found):
    (before, grid), (after, rest) = found
    assert max(grid) > 1.25
    assert max(rest) < 1.15
    assert after['boundary_f1'] > 0.985 * before['boundary_f1']
    assert after['flying_pixels'] < before['flying_pixels']
    assert after['abs_rel'] < before['abs_rel'] + 0.001
    assert abs(after['interval_coverage'] - before['interval_coverage']) < 0.005


@pytest.mark.long
@pytest.mark.parametrize('style', ['home', 'indoor', 'road'])
def test_generated_scenes(style):
    source = ProceduralSource((style,), 59, HEIGHT, WIDTH, (128,), split='test', bins=INFO.bins)
    check(measure(source.samples(range(i, i + 10)) for i in (0, 10)))


@pytest.mark.long
def test_a_real_office(real_data):
    clips = readers.read('folder', f'{real_data / "rgbd" / "hololens_000"},frame_hz=10')
    source = ClipSource(clips, HEIGHT, WIDTH, (128,), 20_000.0, INFO.bins, MEAN_RATE)
    check(measure(sample_frames(source, 20, 10, float('nan'))))
