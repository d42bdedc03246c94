# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Relative depth, of labels that a foundation model has made: what it teaches, its scores."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from kit.clips import Sliding, write_folder
from kit.datasets import make_teacher
from kit.runs import tiny_run
from kit.stages import INFO, Brightness, RampSource
from spike_depth_ros.checkpoint import load
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.commands.evaluate import evaluate
from spike_training.datasets.labels import FILE, RELATIVE, Labels, read_labels, write_labels
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import Scenes, canonical_depth, network_predictor
from spike_training.evaluation.report import show
from spike_training.evaluation.scores import EvaluationSet, evaluate_set
from spike_training.learning.supervision import Supervision
from spike_training.methods.bicross.settings import PretrainConfig
from spike_training.run_data import recordings
from spike_training.runs import pipeline
from spike_training.runs.build import context, describe
from spike_training.sampling.sample import collate
from spike_training.settings.config import ModelConfig, to_yaml
from spike_training.simulation.clip_camera import frame_clips

pytestmark = pytest.mark.usefixtures('one_thread')

LABELS = Labels('small', 'CC-BY-NC-4.0', 64 * 'a', relative=True)


class Relative(RampSource):
    """Ramps whose disparity is known up to scale and shift, without a focal length."""

    def batch(self, step, batch_size, rank=0, world_size=1):
        batch = super().batch(step, batch_size, rank, world_size)
        depth = torch.where(batch.depth.isinf(), torch.nan, 1 / (7 / batch.depth + 2))
        return dataclasses.replace(
            batch,
            depth=depth,
            fx=torch.full_like(batch.fx, torch.nan),
            relative=torch.ones(batch_size, dtype=torch.bool),
        )


def metres(number=2):
    return RampSource().batch(0, number)


class TestLoss:
    def losses(self, batch, **settings):
        """Losses of a network of two parameters, and their gradients."""
        gain = torch.ones(2, requires_grad=True)
        output = Brightness()(batch.counts, batch.planes_per_bin)
        output = output._replace(
            depth=output.depth ** gain[0], uncertainty=output.uncertainty * gain[1]
        )
        found = Supervision(PretrainConfig(**settings), ModelConfig())(output, batch)
        (found.sup + found.unc).backward()
        return found, gain.grad

    @pytest.mark.parametrize('gradient_weight', [0.0, 0.5])
    def test_relative_depth_teaches_shape_and_no_uncertainty(self, gradient_weight):
        found, gradient = self.losses(Relative().batch(0, 2), gradient_weight=gradient_weight)
        assert found.sup > 0
        assert gradient[0] != 0
        assert gradient[1] == found.unc == found.error == 0

    def test_an_unknown_focal_length_is_taken_for_the_canonical_one(self):
        batch = metres()
        given = torch.full_like(batch.fx, ModelConfig.canonical_fx)
        unknown = torch.full_like(batch.fx, torch.nan)
        found, expected = (
            self.losses(dataclasses.replace(batch, fx=fx)) for fx in (unknown, given)
        )
        assert found[0] == expected[0]
        assert torch.equal(found[1], expected[1])
        assert (found[1] != 0).all()

    def test_scale_and_shift_of_the_labels_change_nothing(self):
        batch = Relative().batch(0, 2)
        other = dataclasses.replace(batch, depth=1 / (0.1 / batch.depth + 0.3))
        one, changed = (self.losses(each)[0].sup for each in (batch, other))
        torch.testing.assert_close(one, changed, rtol=1e-4, atol=0)  # of float32 near a constant

    def test_in_a_mixed_batch_each_image_has_its_own_loss(self):
        parts = metres(2), Relative().batch(1, 2)
        mixed = collate(parts)
        assert mixed.relative.tolist() == [False, False, True, True]
        alone = [self.losses(part)[0] for part in parts]
        found, _ = self.losses(mixed)
        torch.testing.assert_close(found.sup, (alone[0].sup + alone[1].sup) / 2)
        torch.testing.assert_close(found.unc, alone[0].unc / 2)
        torch.testing.assert_close(found.error, alone[0].error)

    def test_nan_in_all_depths_teaches_nothing(self):
        batch = Relative().batch(0, 2)
        blind = dataclasses.replace(batch, depth=torch.full_like(batch.depth, math.nan))
        found, gradient = self.losses(blind, gradient_weight=0.5)
        assert found.sup == 0
        assert not gradient.any()

    def test_it_has_no_metres(self):
        mixed = collate([metres(1), Relative().batch(1, 1)])
        depth = canonical_depth(mixed, 400.0)
        assert depth[0].isfinite().any()
        assert depth[1].isnan().all()


class TestScores:
    @pytest.fixture
    def report(self):
        scenes = Scenes(Relative(split='test'), 12, 4)
        one = EvaluationSet('data', 'labelled', scenes, 32, 48, (32,), 20e3)
        flat = np.full((32, 48), 3, np.float32)
        return evaluate_set(network_predictor(Brightness(), INFO), INFO, one, {'flat': flat})

    def test_it_is_scored_aligned_alone(self, report):
        own = report['predictors']['network']
        assert 0 < own['abs_rel_aligned'] < 0.2
        assert own['delta1_aligned'] > 0.5
        given = {name for name, value in own.items() if value is not None}
        assert given == {'abs_rel_aligned', 'delta1_aligned'}
        assert report['uncertainty']['interval_coverage'] is None
        assert report['fx'] is None

    def test_controls_are_compared_after_the_same_fit(self, report):
        assert report['not_beaten'] == []
        errors = {name: one['abs_rel_aligned'] for name, one in report['predictors'].items()}
        assert errors['network'] == min(errors.values())

    def test_it_is_shown(self, report, capsys):
        show({'stage': 'x', 'sets': {'labelled': report}})
        text = capsys.readouterr().out
        assert 'labelled: the network beats all 3 controls' in text
        assert 'AbsRel, aligned' in text
        assert 'interval' not in text


class TestRun:
    @pytest.fixture
    def run(self, tmp_path):
        write_folder(tmp_path / 'office', Sliding(40))
        (tmp_path / 'office' / 'depth').rename(tmp_path / 'office' / RELATIVE)
        write_labels(tmp_path / 'office', LABELS)
        run = tiny_run(tmp_path / 'run')
        run.data.planes = [32]
        run.data.recordings = {'folder': f'{tmp_path / "office"},frame_hz=10'}
        return run

    def test_a_network_learns_from_labels(self, run, capsys):
        pipeline.run(run)
        info, _ = load(run.out / 'model.safetensors', DepthInfo)
        assert (info.scale, info.uncertainty_calibrated) == ('none', False)
        assert info.datasets == {
            'folder': "the user's", 'labels by small, weights aaaaaaaaaaaa': 'CC-BY-NC-4.0',
        }  # fmt: skip
        assert info.metrics.keys() == {'folder_abs_rel_aligned', 'folder_delta1_aligned'} | {
            f'folder_median_depth_map_{name}_aligned' for name in ('abs_rel', 'delta1')
        }
        report = json.loads((run.out / 'report.json').read_text())
        assert report['sets']['source_folder']['relative']
        assert (
            'the uncertainty is not calibrated: the scenes hold no depth in metres'
            in capsys.readouterr().out
        )

    def test_a_resumed_training_names_what_it_has_learnt_from_before(self, run, tmp_path):
        pipeline.run(run)
        other = dataclasses.replace(LABELS, sha256=64 * 'b', licence='Apache-2.0')
        write_labels(tmp_path / 'office', other)
        recordings._read.cache_clear()
        recordings._open.cache_clear()
        (stage,) = run.stages
        found = context(run.resolve(stage), {}, torch.device('cpu')).info.datasets
        assert found['labels by small, weights aaaaaaaaaaaa'] == 'CC-BY-NC-4.0'
        assert found['labels by small, weights bbbbbbbbbbbb'] == 'Apache-2.0'

    def test_beside_metres_the_scale_is_metric(self, run):
        mixed = dataclasses.replace(
            run.data, recordings={}, mixed_recordings=run.data.recordings, mixed_share=0.5,
            mixed_styles=['indoor'],
        )  # fmt: skip
        (stage,) = run.stages
        info = describe(dataclasses.replace(run, data=mixed).resolve(stage))
        assert info.scale == 'metric'
        assert info.datasets['labels by small, weights aaaaaaaaaaaa'] == 'CC-BY-NC-4.0'
        assert info.datasets['procedural scenes of this package'] == 'Apache-2.0'

    def test_it_is_not_simulated_as_true_depth(self, run):
        (where,) = run.data.recordings.values()
        with pytest.raises(DataSetError, match='its depth is relative'):
            frame_clips('folder', where)


class TestTeacherAsControl:
    @pytest.mark.parametrize('metric', [False, True])
    def test_it_sees_pictures_of_the_spikes(self, tmp_path, metric):
        config = tiny_run(tmp_path)
        config.data.styles = ['indoor']
        (tmp_path / 'c.yaml').write_text(to_yaml(config))
        folder = make_teacher(tmp_path / 'small', metric=metric)
        out = tmp_path / 'r.json'
        evaluate(tmp_path / 'c.yaml', out, teacher=folder, samples=2, planes=[32], device='cpu')
        report = json.loads(out.read_text())
        (scores,) = report['sets'].values()
        assert report['stage'] == 'small'
        assert scores['relative'] == (not metric)
        own = scores['predictors']['network']
        assert (own['abs_rel'] is None) == (not metric)
        assert own['abs_rel_aligned'] > 0


class TestOrigin:
    def test_it_is_read_back(self, tmp_path):
        assert read_labels(tmp_path) is None
        write_labels(tmp_path, LABELS)
        assert read_labels(tmp_path) == LABELS

    @pytest.mark.parametrize(
        'content',
        [
            b'', b'{', b'[]', b'{}', b'\xff', b'[' * 100_000, b' ' * 70_000,
            json.dumps(dataclasses.asdict(LABELS) | {'relative': 1}).encode(),
            json.dumps(dataclasses.asdict(LABELS) | {'licence': ''}).encode(),
            json.dumps(dataclasses.asdict(LABELS) | {'teacher': 'a\nb'}).encode(),
        ],
    )  # fmt: skip
    def test_a_damaged_file_is_one_line(self, tmp_path, content):
        (tmp_path / FILE).write_bytes(content)
        with pytest.raises(DataSetError, match='expected teacher, licence') as caught:
            read_labels(tmp_path)
        assert '\n' not in str(caught.value)
