# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores on recordings: the figures of the metrics, fair controls, and what is said of them."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from clips import HEIGHT, WIDTH, Sliding, write_folder  # noqa: E402
from tiny_stage import INFO  # noqa: E402
from torch import nn  # noqa: E402

from spike_depth_ros import metrics  # noqa: E402
from spike_depth_ros.checkpoint import save  # noqa: E402
from spike_depth_ros.model.depth_net import DepthOutput  # noqa: E402
from spike_training.errors import DataSetError  # noqa: E402
from spike_training.evaluation.evaluate import network_predictor  # noqa: E402
from spike_training.evaluation.real_scenes import (  # noqa: E402
    evaluate_real,
    recording_scales,
    role,
    score_predictor,
)
from spike_training.methods.bicross.settings import PretrainConfig  # noqa: E402
from spike_training.runs.export import random_checkpoint  # noqa: E402
from spike_training.sampling.clip_source import ClipSource  # noqa: E402
from spike_training.sampling.sample import Batch  # noqa: E402
from spike_training.settings.config import RunConfig, to_yaml  # noqa: E402

CPU = torch.device('cpu')
ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures('one_thread')


class Knowing(ClipSource):
    """A source whose spikes carry the number of their sample, for a network that cheats."""

    def sample(self, number: int, planes: int, place: float = 0.5) -> Batch:
        batch = super().sample(number, planes, place)
        return dataclasses.replace(batch, counts=torch.full_like(batch.counts, number))


class Cheat(nn.Module):
    """Knows the depth of Sliding's frames at the canonical focal length, times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, counts, planes_per_bin):
        depths = [np.nan_to_num(Sliding().depth(int(c.max()) % 6), nan=1.0) for c in counts]
        depth = self.factor * torch.from_numpy(np.stack(depths))[:, None] * (400.0 / 80.0)
        nothing = torch.zeros(1)
        return DepthOutput(depth, torch.full_like(depth, 0.5), nothing, nothing, nothing)


def score(source, constants=None, frames=100, factor=1.0):
    cheat = network_predictor(Cheat(factor), INFO)
    return score_predictor(cheat, INFO, source, constants or {}, frames, CPU)


def scored(factor=1.0, clips=None, frames=100, **constants):
    source = Knowing(clips or [Sliding()], HEIGHT, WIDTH, planes=(32,))
    return score(source, constants, frames, factor)


def abs_rel(report, predictor, kind='raw'):
    return report['predictors'][predictor][kind]['mean_over_pixels']['abs_rel']


def test_a_network_that_knows_the_depth_has_no_error():
    report = scored()
    assert report['frames'] == 6
    assert abs_rel(report, 'network') == pytest.approx(0, abs=1e-6)
    assert report['fx'] == [80.0, 80.0]
    assert report['truth_share'] == pytest.approx(1 - 5 / (HEIGHT * WIDTH))
    # Its interval is wide enough for all of the truth.
    assert report['uncertainty']['interval_coverage'] == 1


def test_scales_borrow_no_more_than_they_say():
    report = scored(1.3)
    assert abs_rel(report, 'network') == pytest.approx(0.3, abs=1e-5)
    assert abs_rel(report, 'network', 'recording_scaled') == pytest.approx(0, abs=1e-5)
    assert report['predictors']['network']['scales'] == {'made/sliding': pytest.approx(1 / 1.3)}


def test_a_recording_has_one_scale():
    truth = np.full((2, 2), 4.0, np.float32)
    depths = [truth / 2, truth / 2, truth, truth / 4]
    found = recording_scales(depths, [truth] * 4, ['a', 'a', 'a', 'b'])
    assert found == {'a': 2.0, 'b': 4.0}
    assert recording_scales(depths[:1], [truth * np.nan], ['a']) == {'a': 1.0}


def test_other_spikes_are_those_of_a_frame_far_away():
    report = scored()
    expected = metrics.DepthErrors(INFO.min_depth, INFO.max_depth)
    for k in range(6):
        other = np.nan_to_num(Sliding().depth((k - 3) % 6), nan=1.0) * 5
        expected.add(other, Sliding().depth(k) * 5)
    assert abs_rel(report, 'other_spikes') == pytest.approx(expected.abs_rel, rel=1e-5)
    assert expected.abs_rel > 0.5


def test_the_mean_prediction_is_the_average_of_all_frames():
    report = scored()
    depths = [np.nan_to_num(Sliding().depth(k), nan=1.0) * 5 for k in range(6)]
    expected = metrics.DepthErrors(INFO.min_depth, INFO.max_depth)
    for k in range(6):
        expected.add(np.mean(depths, axis=0), Sliding().depth(k) * 5)
    assert abs_rel(report, 'mean_prediction') == pytest.approx(expected.abs_rel, rel=1e-5)


def test_boundaries_and_order_are_scored():
    flat = np.full((HEIGHT, WIDTH), 20, np.float32)
    tables = scored(indoor=flat)['predictors']
    assert tables['network']['structure']['ordinal'] == 1
    assert tables['network']['structure']['pairs'] > 0
    assert tables['constant_indoor']['structure']['ordinal'] == 0  # nothing but ties


def test_a_constant_is_scored_as_it_is():
    constant = np.full((HEIGHT, WIDTH), np.inf, np.float32)
    constant[HEIGHT // 2 :] = 20.0
    report = scored(indoor=constant)
    expected = metrics.DepthErrors(INFO.min_depth, INFO.max_depth)
    for k in range(6):
        expected.add(constant, Sliding().depth(k) * 5)
    assert abs_rel(report, 'constant_indoor') == pytest.approx(expected.abs_rel, rel=1e-5)


def test_frames_are_spread_over_all_clips():
    second = Sliding()
    second.name = 'made/other'
    report = scored(clips=[Sliding(), second], frames=4)
    assert report['frames'] == 4
    assert report['clips'] == ['made/other', 'made/sliding']


def test_damaged_frames_are_named_and_too_many_refused():
    source = ClipSource([Sliding(damaged=(1,))], HEIGHT, WIDTH, planes=(32,))
    report = score(source)
    assert report['frames'] == 5
    assert report['skipped'] == {'1.png: cannot be read: truncated': ['made/sliding, frame 1']}
    broken = ClipSource([Sliding(damaged=(0, 1, 2))], HEIGHT, WIDTH, planes=(32,))
    with pytest.raises(DataSetError, match='3 of 6 frames cannot be used'):
        score(broken)


def test_without_a_focal_length_metres_mean_nothing():
    clip = Sliding()
    clip.camera = clip.camera * np.nan
    with pytest.raises(DataSetError, match='no focal length is known'):
        scored(clips=[clip])


def test_the_command(tmp_path, capsys):
    info, weights = random_checkpoint('dpt_tiny', 0)
    save(tmp_path / 'm.safetensors', weights, info)
    config = RunConfig(tmp_path, stages=[PretrainConfig()])
    config.data.height, config.data.width, config.data.planes = 32, 48, [32]
    config.evaluate.constant_scenes = config.evaluate.batch_size = 4
    config.train.tensorboard, config.train.picture_every = False, 0
    config.evaluate.scenes = config.evaluate.calibration_scenes = 4
    (tmp_path / 'c.yaml').write_text(to_yaml(config))
    write_folder(tmp_path / 'one', Sliding())
    evaluate_real(
        tmp_path / 'c.yaml',
        {'folder': f'{tmp_path / "one"},frame_hz=10'},
        tmp_path / 'r.json',
        tmp_path / 'm.safetensors',
        frames=3,
        planes=32,
        device='cpu',
    )
    report = json.loads((tmp_path / 'r.json').read_text())
    assert report['planes'] == 32
    scores = report['sets']['folder']
    assert scores['role'] == 'test'
    assert scores['frames'] == 3
    assert set(scores['predictors']) == {
        'network', 'constant_indoor', 'constant_road', 'other_spikes', 'mean_prediction',
    }  # fmt: skip
    printed = capsys.readouterr().out
    assert printed.startswith('folder: the network ')
    assert set(scores['not_beaten']) < set(scores['predictors'])
    assert 'ordinal ┃' in printed  # the last column is whole
    words = printed.replace('│', ' ').split()
    assert {'median-depth', 'baseline,', 'indoor', 'road', 'shuffled'} <= {*words}
    assert 'folder, test: 3 frames of 1 recordings, 0 left out' in printed
    with pytest.raises(DataSetError, match='expected at least 1 data set'):
        evaluate_real(tmp_path / 'c.yaml', {}, tmp_path / 'r.json', tmp_path / 'm.safetensors')


def test_development_sets_are_called_so():
    assert role('kitti') == role('sevenscenes') == 'development set of the procedural world'
    assert role('tum') == 'test'


def test_the_command_line_takes_a_config_and_data_sets(tmp_path):
    arguments = [
        sys.executable, str(ROOT / 'training/run.py'), 'evaluate_real', '--checkpoint',
        str(tmp_path / 'm.safetensors'), '--config', str(tmp_path / 'c.yaml'),
        f'--data.kitti={tmp_path}', '--data.tum', str(tmp_path), '--out', str(tmp_path / 'r.json'),
    ]  # fmt: skip
    environment = {**os.environ, 'PYTHONPATH': f'{ROOT}:{ROOT / "training"}'}
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert 'c.yaml' in done.stderr
    assert 'No such file' in done.stderr
    assert len(done.stderr.splitlines()) <= 2
