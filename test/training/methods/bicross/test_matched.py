# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last stage with views of the source that are fitted to the target."""

import copy
import dataclasses
import itertools
import math

import pytest
import torch

from kit.runs import MODEL, SMALL, equal, rows, state_of
from kit.stages import StoppedAt, pairs, train
from spike_depth_ros.networks.depth_net import dpt_tiny
from spike_training.engine.optim import check_groups
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.predictors import predict
from spike_training.evaluation.statistics import batch_norms
from spike_training.matching.fit import Fit
from spike_training.matching.view import CameraView, matched_view
from spike_training.methods.bicross.charts import exported
from spike_training.methods.bicross.settings import (
    AdaptConfig,
    CrossDomainConfig,
    FitConfig,
    JointConfig,
    PretrainConfig,
)
from spike_training.methods.bicross.stages.cross_domain import CrossDomain
from spike_training.runs.memory import saved_bytes
from spike_training.settings.config import RunConfig, TargetConfig, check

QUICK = FitConfig(windows=24, target_windows=24, trials=6, restarts=1)
ALONE = {
    'source_views': 'matched', 'statistics': 'source', 'adabn_batches': 0, 'pseudo_weight': 0,
    'alignment_weight': 0, 'fit': QUICK,
}  # fmt: skip
"""Learns from matched views alone."""

PARTS = {'places': 0.1, 'detail': 0.1, 'spread': 0.1}
NEAR = Fit(CameraView(exponent=0.5, vignette=0.4), 0.1, 9.0, PARTS, PARTS)
FAR = dataclasses.replace(NEAR, distance=6.0, notes=('the searches ended apart',))


def stage_of(seed=0, steps=4, alternative=None, fit=NEAR, **adapt):
    torch.manual_seed(seed)
    student = dpt_tiny(32, (0.3, 80.0), SMALL)
    config = CrossDomainConfig(name='bicross', adapt=AdaptConfig(**ALONE | adapt))
    stage = CrossDomain(student, config, MODEL, SMALL.dim, steps, alternative)
    stage.fitted.fit = fit
    return stage


@pytest.fixture(scope='module')
def batch():
    return pairs().batch(0, 2)


def run(stage, batch, seed=3):
    torch.manual_seed(seed)
    return stage(batch, 'train')


def test_the_loss_is_of_matched_views_with_their_own_statistics(batch):
    stage = stage_of().train()
    alone = copy.deepcopy(stage.student)
    parts = run(stage, batch)
    torch.manual_seed(3)
    source = batch.source
    counts = matched_view(source.counts, source.planes_per_bin, source.depth, NEAR.view)
    output = predict(alone, dataclasses.replace(source.unlabelled(), counts=counts), 'spikes')
    expected = stage.supervision(output, source)
    torch.testing.assert_close(parts['loss'], expected.sup + expected.unc)
    assert parts.keys() == {'loss', 'sup', 'unc', 'error'}
    for mine, theirs in zip(batch_norms(stage.student), batch_norms(alone), strict=True):
        assert int(mine.num_batches_tracked) == 1
        torch.testing.assert_close(mine.running_var, theirs.running_var)


def test_a_target_that_no_loss_needs_changes_nothing(batch):
    dark = dataclasses.replace(batch.target, counts=torch.zeros_like(batch.target.counts))
    losses = [run(stage_of(), dataclasses.replace(batch, target=t)) for t in (batch.target, dark)]
    assert losses[0]['loss'] == losses[1]['loss']


def test_the_spread_of_the_draws_is_a_setting(batch):
    stages = [stage_of() for _ in range(2)]
    stages[1].config.adapt.fit = dataclasses.replace(QUICK, spread=0.0)
    counts = []
    for stage in stages:
        torch.manual_seed(0)
        counts.append(stage._matched(batch.source).counts)
    assert not torch.equal(*counts)


def test_depth_of_the_source_makes_its_haze(batch):
    hazy = dataclasses.replace(NEAR, view=CameraView(haze_m=3.0))
    stage = stage_of(fit=hazy)
    far = dataclasses.replace(batch.source, depth=batch.source.depth * 10)
    seen = []
    for source in (batch.source, far):
        torch.manual_seed(0)
        seen.append(stage._matched(source).counts)
    assert not torch.equal(*seen)


def test_discriminators_see_matched_views_in_place_of_strong_ones(batch):
    stage = stage_of(alignment_weight=0.1, aligned_views='strong').train()
    seen = stage._source_views(batch.source)
    assert seen.keys() == {'strong'}
    assert {'sca', 'scp'} <= run(stage, batch).keys()


def test_pseudo_labels_begin_when_they_are_to(batch):
    stage = stage_of(pseudo_weight=1.0, pseudo_from=0.5, pseudo_views='weak').train()
    check_groups(stage, stage.optimizers())
    assert 'scp' not in run(stage, batch)
    stage.after_step(0)
    assert 'scp' not in run(stage, batch)
    stage.after_step(1)
    assert 'scp' in run(stage, batch)


def test_weak_views_of_the_target_agree_with_the_teacher(batch):
    """Teacher and student are one network, normalised alike: they differ on strong views alone."""
    found = {
        views: float(
            run(
                stage_of(pseudo_weight=1.0, pseudo_views=views, statistics='frozen').train(), batch
            )['scp']
        )
        for views in ('strong', 'weak')
    }
    assert found['weak'] < 1e-9 < found['strong']


def test_a_mirrored_pseudo_label_is_the_mean_of_both_images(batch):
    stage = stage_of(pseudo_weight=1.0, pseudo_mirrored=True)
    flipped = dataclasses.replace(batch.target, counts=batch.target.counts.flip(3))
    with torch.no_grad():
        one, other = (predict(stage.teacher, t, 'spikes').depth for t in (batch.target, flipped))
    expected = ((one.log() + other.flip(3).log()) / 2).exp()
    torch.testing.assert_close(stage._pseudo_label(batch.target).depth, expected)


def test_pseudo_labels_have_a_lambda_of_their_own(batch):
    settings = {'pseudo_weight': 1.0, 'statistics': 'frozen'}
    losses = {}
    for value in (None, 0.0, 1.0):
        stage = stage_of(pseudo_si_lambda=value, **settings)
        with torch.no_grad():
            for parameter in stage.teacher.depth_head.parameters():
                parameter += 0.3
        losses[value] = run(stage.train(), batch)
    assert losses[0.0]['scp'] > losses[None]['scp'] > losses[1.0]['scp']
    assert len({float(parts['sup']) for parts in losses.values()}) == 1


def test_the_fit_takes_as_many_windows_as_it_needs(capsys):
    stage = stage_of(fit=None)
    source = pairs()
    made = itertools.count()
    stage.begin((source.batch(next(made), 16) for _ in itertools.count()), [])
    assert next(made) == 3  # twice 24 windows of the source
    fit = stage.fitted.fit
    assert fit.before >= 0
    assert f'bicross: the view of the target: {fit.describe()}' in capsys.readouterr().out


def test_targets_that_show_nothing_are_refused():
    stage = stage_of(fit=None)
    dark = [
        dataclasses.replace(
            one, target=dataclasses.replace(one.target, counts=torch.zeros_like(one.target.counts))
        )
        for one in (pairs().batch(k, 24) for k in range(2))
    ]
    with pytest.raises(DataSetError, match='the target are dark'):
        stage.begin(dark, [])


def test_resumed_is_as_if_nothing_had_been(tmp_path):
    whole, halves = tmp_path / 'whole', tmp_path / 'halves'
    settings = {'validate_every': 0, 'save_every': 2, 'warmup_steps': 1}
    adapt = {'pseudo_weight': 1.0, 'pseudo_from': 0.5}
    one = train(whole, pairs(), stage_of(**adapt), steps=4, **settings)
    with pytest.raises(KeyboardInterrupt):
        train(halves, StoppedAt(3, pairs()), stage_of(**adapt), steps=4, **settings)
    other = stage_of(seed=9, fit=None, **adapt)
    train(halves, pairs(), other, steps=4, **settings)
    assert other.fitted.fit == NEAR
    assert equal(dict(one.state_dict()), dict(other.state_dict()))
    assert equal(state_of(whole), state_of(halves))


def test_the_better_network_on_held_out_source_windows_is_begun_with(capsys):
    held_out = [pairs('calibration').batch(step, 2) for step in range(6)]

    def begun(first, second):
        stage = stage_of(alternative=second)
        for network in stage.networks:
            network.load_state_dict(first.state_dict())
        stage.fitted = None
        stage.begin([], held_out)
        return [network.state_dict() for network in stage.networks]

    # Depth of the ramps is some metres: all at 79 m is worse than what is untrained.
    usual, far = (stage_of().student.eval() for _ in range(2))
    with torch.no_grad():
        far.depth_head.conv3.weight.zero_()
        far.depth_head.conv3.bias.fill_(9.0)
    assert predict(far, held_out[0].source, 'spikes').depth.detach().median() > 60
    for first, second in ((usual, far), (far, usual)):
        for state in begun(first, second):
            assert equal(dict(state), dict(usual.state_dict()))
    assert 'error on held-out source windows: init_from ' in capsys.readouterr().out


@pytest.mark.parametrize(('fit', 'selected'), [(NEAR, 'teacher'), (FAR, 'start')])
def test_where_the_fit_stays_far_the_start_is_exported(fit, selected):
    stage = stage_of(fit=fit).eval()
    with torch.no_grad():  # the teacher is better, as far as the source can tell
        for parameter in stage.source_model.depth_head.parameters():
            parameter += 3
    chosen = stage.select([pairs('calibration').batch(0, 2)])
    assert chosen.name == selected
    assert chosen.criteria.keys() == {'teacher', 'start'}
    assert chosen.criteria['teacher'] < chosen.criteria['start']
    assert chosen.network is (stage.teacher if selected == 'teacher' else stage.source_model)
    assert chosen.details['fit'] == fit.describe()
    assert chosen.details['distance'] == fit.distance
    selection = {'selected': chosen.name, 'criteria': chosen.criteria, **chosen.details}
    told = exported(stage.config, selection)
    assert fit.describe() in told
    assert selected in told


def test_a_worse_network_is_not_exported():
    stage = stage_of().eval()
    with torch.no_grad():
        for parameter in stage.teacher.depth_head.parameters():
            parameter += 3
    assert stage.select([pairs('calibration').batch(0, 2)]).name == 'start'


def test_what_speaks_against_the_fit_is_told():
    good = {
        f'{network}{name}': value
        for network in ('', 'student_')
        for name, value in (('log_depth_drift', 0.1), ('uncertainty_ratio', 0.9))
    } | {'kept': 0.5}
    assert stage_of().warnings(good) == []
    # Without pseudo labels no teacher leads astray: labels moved the depth.
    moved = good | {'log_depth_drift': 0.5, 'student_log_depth_drift': 0.5, 'kept': 0.0}
    assert stage_of(deploy='label_free').warnings(moved) == []
    assert len(stage_of(deploy='label_free', pseudo_weight=1.0).warnings(moved)) == 3
    note, far = stage_of(fit=FAR).warnings(good)
    assert note == 'The searches ended apart.'
    assert 'explains 33% of the distance to the target, 9.0, and 6.0 is left; expected 50%' in far


def test_a_small_distance_needs_no_explanation():
    small = dataclasses.replace(NEAR, distance=0.6, before=0.7)
    assert stage_of(fit=small)._doubts() == []


def test_what_is_left_may_be_too_much_though_much_is_explained():
    left = dataclasses.replace(NEAR, distance=3.5, before=70.0)
    (told,) = stage_of(fit=left)._doubts()
    assert 'and 3.5 is left; expected 50% or more, and at most 3:' in told
    assert stage_of(fit=dataclasses.replace(left, distance=2.5))._doubts() == []


def test_training_and_its_pictures(tmp_path):
    stage = stage_of()
    train(tmp_path, pairs(), stage, steps=2, validate_every=2, save_every=2, picture_every=2,
          validation=pairs('calibration'))  # fmt: skip
    (scalars,) = rows(tmp_path, 'validation')
    assert all(math.isfinite(value) for value in scalars.values())
    assert list((tmp_path / 'pictures').iterdir())


def settings_of(**adapt):
    stages = [
        PretrainConfig(name='one'),
        PretrainConfig(name='rgb', input='rgb', init_from='scratch'),
        CrossDomainConfig(name='bicross', init_from='one', adapt=AdaptConfig(**adapt)),
    ]
    return RunConfig(stages=stages, target=TargetConfig())


@pytest.mark.parametrize(
    ('adapt', 'told'),
    [
        ({'alternative_start': 'two'}, "adapt.alternative_start is 'two'"),
        ({'alternative_start': 'rgb'}, 'an earlier stage of spikes'),
        ({'source_views': 'matched', 'source_weight': 0, 'uncertainty': 'pseudo'}, 'source_views'),
        ({'statistics': 'source', 'source_weight': 0, 'uncertainty': 'pseudo'}, 'statistics'),
        ({'pseudo_from': 1.0}, 'adapt.pseudo_from is 1'),
        ({'pseudo_si_lambda': -1.0}, 'adapt.pseudo_si_lambda is -1'),
        ({'fit': FitConfig(windows=3)}, 'adapt.fit.windows is 3'),
        ({'fit': FitConfig(least_explained=1.5)}, 'adapt.fit.least_explained is 1.5'),
    ],
)
def test_settings_that_mean_nothing_are_refused(adapt, told):
    with pytest.raises(ConfigError, match=told):
        check(settings_of(**adapt))


def test_pseudo_labels_over_all_pixels_are_of_the_plain_loss():
    config = settings_of(pseudo_pixels='all')
    check(config)
    config.stages[-1].si = 'rooted'
    with pytest.raises(ConfigError, match=r'adapt\.pseudo_pixels'):
        check(config)


def test_what_the_filter_leaves_out_lowers_the_loss_over_all_pixels(batch):
    losses = {}
    for pixels in ('counted', 'all'):
        stage = stage_of(pseudo_weight=1.0, pseudo_pixels=pixels, statistics='frozen')
        with torch.no_grad():
            for parameter in stage.teacher.depth_head.parameters():
                parameter += 0.3
        losses[pixels] = run(stage.train(), batch)['scp']
    assert 0 < losses['all'] < 0.7 * losses['counted']


def test_generic_views_are_fitted_to_nothing(batch):
    stage = CrossDomain(
        dpt_tiny(32, (0.3, 80.0), SMALL),
        CrossDomainConfig(adapt=AdaptConfig(**ALONE | {'source_views': 'generic'})),
        MODEL,
        SMALL.dim,
    ).train()
    assert stage.fitted is None
    torch.manual_seed(0)
    one, other = (stage._matched(batch.source).counts for _ in range(2))
    assert not torch.equal(one, other)
    assert run(stage, batch).keys() == {'loss', 'sup', 'unc', 'error'}
    assert stage.select([]) is None


@pytest.mark.parametrize('pseudo_weight', [0.0, 1.0])
def test_a_step_is_measured_without_a_fit(batch, pseudo_weight):
    """As by the dry run and by adapt, which never begin."""
    stage = stage_of(fit=None, pseudo_weight=pseudo_weight, pseudo_from=0.5).train()
    stage.before_measuring()
    assert ('scp' in run(stage, batch)) == bool(pseudo_weight)
    begun = stage_of(fit=NEAR)
    begun.before_measuring()
    assert begun.fitted.fit == NEAR


def test_relative_depth_makes_no_haze(batch):
    """Its numbers are no metres."""
    hazy = dataclasses.replace(NEAR, view=CameraView(haze_m=3.0))
    relative = dataclasses.replace(batch.source, relative=torch.tensor([True, True]))
    seen = []
    for factor in (1, 10):
        torch.manual_seed(0)
        other = dataclasses.replace(relative, depth=factor * relative.depth)
        seen.append(stage_of(fit=hazy)._matched(other).counts)
    assert torch.equal(*seen)
    assert seen[0].float().mean() > 0


@pytest.mark.parametrize(
    ('adapt', 'told'),
    [
        ({'pseudo_from': 0.5}, r'adapt\.pseudo_from'),
        ({'source_views': 'matched'}, r'adapt\.source_views'),
        ({'alternative_start': 'one'}, r'adapt\.alternative_start'),
    ],
)
def test_what_both_phases_at_once_cannot_do_is_refused(adapt, told):
    config = settings_of()
    config.stages[-1] = JointConfig(
        name='joint', teacher='rgb', steps=4, target_steps=2, adapt=AdaptConfig(**adapt)
    )
    with pytest.raises(ConfigError, match=told):
        check(config)


def test_the_dry_run_measures_its_memory(batch):
    stage = stage_of(fit=None)
    stage.before_measuring()
    assert saved_bytes(stage, batch, '32-true') > 0
