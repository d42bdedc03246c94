# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import copy
import dataclasses
import math

import pytest
import torch

from kit.runs import MODEL, SMALL, equal, rows, state_of
from kit.stages import RampSource, StoppedAt, pairs, train
from spike_depth_ros.networks.depth_net import DepthOutput, dpt_tiny
from spike_training.errors import NonFiniteError
from spike_training.evaluation.predictors import predict
from spike_training.evaluation.statistics import batch_norms, estimate_statistics
from spike_training.learning.losses import si_loss
from spike_training.methods.bicross.settings import AdaptConfig, CrossDomainConfig, ViewConfig
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.sampling.sample import Unlabelled

SAME = ViewConfig(
    flip=False, gain=1.0, gamma=1.0, vignette=0.0, mismatch=0.0, dark=0.0, drop=0.0, drop_bins=0.0
)


def stage_of(seed=0, **adapt):
    torch.manual_seed(seed)
    student = dpt_tiny(32, (0.3, 80.0), SMALL)
    config = CrossDomainConfig(adapt=AdaptConfig(**adapt))
    return CrossDomain(student, config, MODEL, SMALL.dim)


@pytest.fixture(scope='module')
def batch():
    return pairs().batch(0, 2)


def run(stage, batch, seed=3):
    torch.manual_seed(seed)
    return stage(batch, 'train')


class PoisonedSource(RampSource):
    """Labels that would spoil whatever they touch."""

    def batch(self, *args):
        batch = super().batch(*args)
        nothing = torch.full_like(batch.depth, math.nan)
        return dataclasses.replace(batch, depth=nothing, fx=torch.full_like(batch.fx, math.nan))


class TestPairs:
    def test_the_target_has_no_labels(self, batch):
        assert {field.name for field in dataclasses.fields(Unlabelled)} == {
            'counts', 'planes_per_bin', 'index', 'right', 'baseline_m'
        }  # fmt: skip
        assert batch.target.right is None
        assert isinstance(batch.target, Unlabelled)

    def test_batches_are_those_of_both_sources(self):
        found = pairs().batch(3, 2, 1, 2)
        source, target = pairs().source.batch(3, 2, 1, 2), pairs().target.batch(3, 2, 1, 2)
        assert torch.equal(found.source.depth, source.depth)
        assert torch.equal(found.target.counts, target.counts)
        assert found.index.tolist() == [*source.index.tolist(), *target.index.tolist()]
        assert torch.equal(found.to('cpu').target.counts, target.counts)


class TestLoss:
    def test_it_is_that_of_the_paper_and_the_source(self, batch):
        parts = run(stage_of(source_weight=0.7, uncertainty='both'), batch)
        expected = (
            parts['scp'] + parts['unc_pseudo'] + 0.1 * parts['sca']
            + 0.7 * (parts['sup'] + parts['unc'])
        )  # fmt: skip
        # The student minimises L_SCA: what is minimised of the discriminators is its negative.
        torch.testing.assert_close(parts['loss'], expected - 0.2 * parts['sca'])
        assert not any(value.requires_grad for name, value in parts.items() if name != 'loss')

    def test_as_printed_without_the_source(self, batch):
        parts = run(stage_of(source_weight=0, uncertainty='pseudo'), batch)
        torch.testing.assert_close(
            parts['loss'], parts['scp'] + parts['unc_pseudo'] - 0.1 * parts['sca']
        )

    def test_uncertainty_on_the_source_alone_by_default(self, batch):
        stage = stage_of(alignment_weight=0)
        parts = run(stage, batch)
        assert 'unc_pseudo' not in parts
        torch.testing.assert_close(parts['loss'], parts['scp'] + parts['sup'] + parts['unc'])

    def test_without_pseudo_labels(self, batch):
        parts = run(stage_of(pseudo_weight=0, alignment_weight=0), batch)
        torch.testing.assert_close(parts['loss'], parts['sup'] + parts['unc'])

    def test_random_pseudo_labels_are_as_many(self, batch):
        chosen, drawn = (run(stage_of(filter=one), batch) for one in (True, 'random'))
        assert chosen['kept'] == drawn['kept']
        assert chosen['scp'] != drawn['scp']

    def test_views_of_the_source(self, batch):
        """Of the strong view, the window itself, or half of either."""
        found = {
            views: run(stage_of(alignment_weight=0, source_views=views), batch)
            for views in ('strong', 'weak', 'both')
        }
        for name in ('sup', 'unc', 'error'):
            strong, weak, both = (parts[name] for parts in found.values())
            assert strong != weak
            torch.testing.assert_close(both, (strong + weak) / 2)
        stage = stage_of(alignment_weight=0).train()
        expected = stage.supervision(predict(stage.student, batch.source, 'spikes'), batch.source)
        torch.testing.assert_close(found['weak']['sup'], expected.sup.detach())

    @pytest.mark.parametrize('aligned', ['strong', 'weak', 'both'])
    def test_alignment_does_not_depend_on_what_is_supervised(self, batch, aligned):
        found = [
            run(stage_of(aligned_views=aligned, source_views=supervised), batch)['sca']
            for supervised in ('strong', 'weak', 'both')
        ]
        # Passes of a kind are drawn alike, and each is normalised by itself.
        for other in found[1:]:
            torch.testing.assert_close(found[0], other)

    def test_pseudo_labels_are_the_teachers_of_the_weak_view(self, batch):
        stage = stage_of(views=SAME, filter=False, statistics='frozen', alignment_weight=0)
        with torch.no_grad():
            for parameter in stage.teacher.depth_head.parameters():
                parameter += 0.3
        stage.train()
        parts = run(stage, batch)
        with torch.no_grad():
            wanted = predict(stage.teacher, batch.target, 'spikes').depth
            found = predict(stage.student, batch.target, 'spikes').depth
        weight = torch.where(wanted >= 0.98 * 80, 0.2, 1.0)
        torch.testing.assert_close(parts['scp'], si_loss(found, wanted, weight).mean())
        assert parts['scp'] > 0.001

    def test_mirrored_images_have_mirrored_labels(self, batch):
        views = dataclasses.replace(SAME, flip=True)
        stage = stage_of(views=views, filter=False, statistics='frozen', alignment_weight=0)
        stage.train()
        for seed in range(3):  # the teacher is the student, so both say the same of each pixel
            assert run(stage, batch, seed)['scp'] < 1e-9

    def test_only_what_the_teacher_is_sure_of_counts(self, batch):
        depth = torch.full((2, 1, 32, 48), 5.0)
        unsure = torch.full_like(depth, 0.1)
        unsure[..., 24:] = 0.4
        nothing = torch.zeros(1)
        stage = stage_of(threshold=0.2)
        stage.teacher.forward = lambda *_: DepthOutput(depth, unsure, nothing, nothing, nothing)
        pseudo = stage._pseudo_label(batch.target)
        assert pseudo.confident[..., :24].all()
        assert not pseudo.confident[..., 24:].any()
        assert (pseudo.weight[..., :24] == 1).all()
        assert (pseudo.weight[..., 24:] == 0).all()
        assert run(stage, batch)['kept'] == 0.5
        depth[..., 24:] = math.nan
        assert run(stage, batch)['loss'].isfinite()

    def test_sky_counts_as_little_as_in_labels(self, batch):
        depth = torch.full((2, 1, 32, 48), 5.0)
        depth[..., :4, :] = 79.5
        nothing = torch.zeros(1)
        stage = stage_of(filter=False)
        stage.teacher.forward = lambda *_: DepthOutput(depth, depth, nothing, nothing, nothing)
        weight = stage._pseudo_label(batch.target).weight
        torch.testing.assert_close(weight[..., :4, :], torch.full((2, 1, 4, 48), 0.2))
        assert (weight[..., 4:, :] == 1).all()

    def test_sky_in_a_pseudo_label_trains_no_uncertainty(self, batch):
        depth, nothing = torch.full((2, 1, 32, 48), 79.5), torch.zeros(1)
        stage = stage_of(filter=False, uncertainty='both')
        stage.teacher.forward = lambda *_: DepthOutput(depth, depth, nothing, nothing, nothing)
        assert run(stage, batch)['unc_pseudo'] == 0
        depth[..., 20:, :] = 5.0
        assert run(stage, batch)['unc_pseudo'] > 0


class TestGradients:
    @pytest.mark.parametrize('views', ['both', 'strong', 'weak'])
    def test_student_and_discriminators_get_some_the_teachers_none(self, batch, views):
        stage = stage_of(aligned_views=views)
        run(stage, batch)['loss'].backward()
        for name, parameter in stage.named_parameters():
            if name.startswith(('teacher.', 'source_model.')):
                assert not parameter.requires_grad
                assert parameter.grad is None
            else:
                assert parameter.grad is not None, name
                assert parameter.grad.any(), name

    @pytest.mark.parametrize('views', ['strong', 'weak'])
    def test_alignment_reaches_the_encoder_alone(self, batch, views):
        stage = stage_of(pseudo_weight=1e-12, source_weight=1e-12, aligned_views=views)
        run(stage, batch)['loss'].backward()
        encoder = stage.student.encoder.embed.weight.grad.abs().max()
        assert encoder > 1e-6
        assert stage.student.depth_head.conv3.weight.grad.abs().max() < 1e-6 * encoder

    def test_weight_zero_makes_no_discriminators(self):
        stage = stage_of(alignment_weight=0)
        assert stage.discriminators is None
        assert set(stage.optimizers()) == {'main'}


class TestTeacher:
    @pytest.mark.parametrize('warmup', [True, False])
    def test_it_follows_in_closed_form_with_buffers(self, warmup):
        stage = stage_of(teacher_decay=0.6, teacher_warmup=warmup)
        stage.student.train()
        name = 'temporal.brightness.1.running_mean'
        weight, statistic = stage.student.depth_head.conv3.weight, stage.student.state_dict()[name]
        expected = [weight.detach().clone(), statistic.clone()]
        for step in range(12):
            with torch.no_grad():
                weight += step
                statistic += 0.5 * step
            stage.after_step(step)
            decay = min(0.6, (1 + step) / (10 + step)) if warmup else 0.6
            for i, value in enumerate((weight, statistic)):
                expected[i] = decay * expected[i] + (1 - decay) * value.detach()
        torch.testing.assert_close(stage.teacher.depth_head.conv3.weight, expected[0])
        torch.testing.assert_close(stage.teacher.state_dict()[name], expected[1])

    def test_it_stays_in_eval_mode(self):
        stage = stage_of()
        stage.train()
        assert stage.student.training
        assert not any(module.training for module in stage.teacher.modules())
        assert not any(module.training for module in stage.source_model.modules())

    def test_a_step_of_training_changes_it_by_the_average_alone(self, tmp_path):
        stage = stage_of()
        train(tmp_path, pairs(), stage, steps=1, validate_every=0)
        student, start = stage.student.state_dict(), stage.source_model.state_dict()
        for name, value in stage.teacher.state_dict().items():
            if value.is_floating_point():
                torch.testing.assert_close(value, 0.1 * start[name] + 0.9 * student[name])

    def test_drift_can_be_taken_out(self, batch):
        stage = stage_of(remove_drift=True, teacher_decay=0.999, teacher_warmup=False)
        with torch.no_grad():
            stage.teacher.depth_head.conv3.bias += 0.5
        with torch.no_grad():
            start = predict(stage.source_model, batch.target, 'spikes').depth.median().item()
        before = stage._pseudo_label(batch.target).depth.median().item()
        assert before > 1.2 * start
        assert stage.drift == 0  # until the step is over
        stage.after_step(0)
        assert 0 < stage.drift < 0.1 * math.log(before / start)  # one scene does not decide it
        stage.drift.fill_(math.log(before / start))
        after = stage._pseudo_label(batch.target).depth.median().item()
        assert after == pytest.approx(start, rel=0.02)

    @pytest.mark.parametrize('drift', [-0.5, 0.0, 0.5])
    def test_what_is_sky_does_not_depend_on_the_drift(self, batch, drift):
        stage = stage_of(remove_drift=True)
        stage.drift.fill_(drift)
        predicted = predict(stage.teacher, batch.target, 'spikes')
        depth = torch.full_like(predicted.depth, 60.0)
        depth[:, :, :8] = 79.9
        stage.teacher.forward = lambda *_: predicted._replace(depth=depth)
        label = stage._pseudo_label(batch.target)
        assert torch.equal(label.sky, depth > 79)
        assert (label.depth[label.sky] == torch.tensor(79.9)).all()
        torch.testing.assert_close(
            label.depth[~label.sky], depth[~label.sky].div(math.exp(drift)).clamp(max=80.0)
        )
        torch.testing.assert_close(
            label.weight, label.confident * torch.where(label.sky, stage.config.sky_weight, 1.0)
        )


class TestStatistics:
    """Which images the running statistics of the student are made from."""

    @staticmethod
    def first_layer(network):
        return batch_norms(network)[0]

    @staticmethod
    def tracked(stage, batch):
        """Steps of the statistics in one step of training."""
        stage.train()
        before = [layer.running_mean.clone() for layer in batch_norms(stage.student)]
        run(stage, batch)
        steps = {int(layer.num_batches_tracked) for layer in batch_norms(stage.student)}
        moved = any(
            not torch.equal(a, layer.running_mean)
            for a, layer in zip(before, batch_norms(stage.student), strict=True)
        )
        return steps, moved

    @pytest.mark.parametrize(
        ('settings', 'steps', 'moved'),
        [
            ({'statistics': 'target'}, {1}, True),
            ({'statistics': 'target', 'aligned_views': 'strong'}, {1}, True),
            ({'statistics': 'target', 'alignment_weight': 0}, {1}, True),
            ({'statistics': 'mixed'}, {4}, True),
            ({'statistics': 'mixed', 'alignment_weight': 0}, {2}, True),
            ({'statistics': 'frozen'}, {0}, False),
        ],
    )
    def test_number_of_passes(self, batch, settings, steps, moved):
        assert self.tracked(stage_of(**settings), batch) == (steps, moved)

    @pytest.mark.parametrize('aligned', ['both', 'strong'])
    def test_target_statistics_are_those_of_weak_views(self, batch, aligned):
        stage = stage_of(aligned_views=aligned, views=ViewConfig(flip=False, gain=4.0, dark=0.3))
        alone = copy.deepcopy(stage.student)
        stage.train()
        run(stage, batch)
        alone.train()
        predict(alone, batch.target, 'spikes')
        for mine, theirs in zip(batch_norms(stage.student), batch_norms(alone), strict=True):
            torch.testing.assert_close(mine.running_var, theirs.running_var)

    def test_estimated_statistics_are_means_over_batches(self):
        network = stage_of().student
        batches = [pairs().batch(step, 2).target for step in range(3)]
        estimate_statistics(network, batches)
        first = self.first_layer(network)
        seen = []
        handle = first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        with torch.no_grad():
            for batch in batches:
                predict(network, batch, 'spikes')
        handle.remove()
        mean = torch.stack([x.mean(dim=(0, 2, 3)) for x in seen]).mean(dim=0)
        variance = torch.stack([x.var(dim=(0, 2, 3)) for x in seen]).mean(dim=0)
        torch.testing.assert_close(first.running_mean, mean)
        torch.testing.assert_close(first.running_var, variance)
        assert first.momentum == 0.1
        assert not any(module.training for module in network.modules())

    def test_a_network_without_them_is_refused(self):
        with pytest.raises(ValueError, match='no batch norm'):
            estimate_statistics(torch.nn.Conv2d(1, 1, 1), [])


class TestTraining:
    def test_labels_of_the_target_are_not_read(self, tmp_path):
        """Poisoned with NaN, in training and in validation, they change not a bit."""
        states = []
        for name, kind in (('clean', RampSource), ('poisoned', PoisonedSource)):
            folder = tmp_path / name
            stage = stage_of(deploy='label_free', remove_drift=True)
            train(folder, pairs(target=kind), stage, steps=3, validate_every=3, save_every=3,
                  validation=pairs('calibration', kind))  # fmt: skip
            states.append(state_of(folder))
            scalars = rows(folder, 'validation')
        assert equal(*states)
        assert all(math.isfinite(value) for value in scalars[0].values())

    def test_resumed_is_as_if_nothing_had_been(self, tmp_path):
        whole, halves = tmp_path / 'whole', tmp_path / 'halves'
        settings = {'validate_every': 0, 'save_every': 2, 'warmup_steps': 1}
        one = train(whole, pairs(), stage_of(), steps=4, **settings)

        with pytest.raises(KeyboardInterrupt):
            train(halves, StoppedAt(3, pairs()), stage_of(), steps=4, **settings)
        assert state_of(halves)['step'] == 2
        other = train(halves, pairs(), stage_of(seed=9), steps=4, **settings)
        assert equal(dict(one.state_dict()), dict(other.state_dict()))
        assert equal(state_of(whole), state_of(halves))

    def test_figures_of_a_validation(self, batch):
        stage = stage_of().eval()
        metrics = stage(batch, 'val')
        assert metrics['ema_distance'] == metrics['log_depth_drift'] == 0
        assert metrics['uncertainty_ratio'] == 1
        assert metrics['loss'] == metrics['teacher_criterion']
        with torch.no_grad():
            for parameter in stage.student.parameters():
                parameter *= 1.5
        moved = stage(batch, 'val')
        assert moved['ema_distance'] == pytest.approx(1 / 3)
        assert moved['log_depth_drift'] == 0 != moved['student_log_depth_drift']
        assert moved['uncertainty_ratio'] == 1 != moved['student_uncertainty_ratio']

    @pytest.mark.parametrize('deploy', ['teacher', 'student', 'label_free'])
    def test_warnings(self, deploy):
        stage = stage_of(threshold=0.2, deploy=deploy)
        good = {'kept': 0.5}
        for network in ('', 'student_'):
            good |= {f'{network}log_depth_drift': 0.1, f'{network}uncertainty_ratio': 0.9}
        assert stage.warnings(good) == []
        for name, value, text in (
            ('kept', 0.99, r'99.0% of the pseudo labels'),
            ('kept', 0.01, r'1.0% of the pseudo labels'),
            ('log_depth_drift', math.log(1.4), 'depth of the teacher is 1.40 times'),
            ('log_depth_drift', -math.log(1.4), 'depth of the teacher is 0.71 times'),
            ('uncertainty_ratio', 0.3, 'uncertainty of the teacher is 0.30'),
        ):
            (warning,) = stage.warnings({**good, name: value})
            assert text in warning
        for name, value, text in (
            ('student_log_depth_drift', math.log(1.4), 'depth of the student is 1.40 times'),
            ('student_uncertainty_ratio', 0.3, 'uncertainty of the student is 0.30'),
        ):
            found = stage.warnings({**good, name: value})
            assert found if deploy != 'teacher' else not found
            assert all(text in warning for warning in found)

    def test_a_warning_is_recorded(self, tmp_path, capsys):
        stage = stage_of(drift_bound=1.0, teacher_decay=0.0)
        train(tmp_path, pairs(), stage, steps=2, validate_every=2, save_every=2,
              validation=pairs('calibration'))  # fmt: skip
        assert 'median depth' in (tmp_path / 'warnings.jsonl').read_text()
        assert 'warning: ' in capsys.readouterr().out

    def test_the_criterion_punishes_constants_and_who_sways(self, batch):
        stage = stage_of(views=ViewConfig(flip=False, gain=3.0, gamma=2.0))
        with torch.no_grad():
            for parameter in stage.student.depth_head.parameters():
                parameter *= 3
        torch.manual_seed(0)
        criteria = stage.eval().label_free(batch)
        assert set(criteria) == {'teacher', 'student'}
        assert criteria['student'] != criteria['teacher']

    @pytest.mark.parametrize('deploy', ['teacher', 'student', 'label_free'])
    def test_what_is_deployed(self, deploy):
        stage = stage_of(deploy=deploy)
        wanted = stage.student if deploy == 'student' else stage.teacher
        assert stage.deployable is wanted

    def test_picture(self, batch):
        with torch.no_grad():
            assert stage_of().eval().picture(batch).ndim == 3

    def test_what_is_not_finite_stops_it_with_the_pair_saved(self, tmp_path):
        stage = stage_of()
        with torch.no_grad():
            stage.student.depth_head.conv3.bias.fill_(math.nan)
        with pytest.raises(NonFiniteError, match='samples 0, 1, 0, 1'):
            train(tmp_path, pairs(), stage, steps=1)
        saved = torch.load(tmp_path / 'non_finite_rank0.pt', weights_only=True)
        assert torch.equal(
            saved['batches'][0]['target']['counts'], pairs().batch(0, 2).target.counts
        )
