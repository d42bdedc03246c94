# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evidence on outputs whose relation is known, and verdicts by it."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from spike_depth_ros.checkpoint import find_checkpoint, load_info
from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.adaptation.acceptance import Candidate, overall_verdict
from spike_training.adaptation.evidence import (
    FULL_DISTANCE,
    LIMITS,
    AllScores,
    Evidence,
    Outputs,
    Scores,
    choose,
    compare,
    compute_outputs,
    decide,
    expected_change,
    score,
)
from spike_training.sampling.sample import Batch, Unlabelled

NUMBER, SIZE = 4, (32, 48)
NONE = Evidence(
    **dict.fromkeys(
        [field.name for field in dataclasses.fields(Evidence) if field.type == 'float'], 0.0
    )
)


@pytest.fixture
def scene():
    """Depth with edges, and windows of spikes that show the same edges."""
    random = np.random.default_rng(1)
    coarse = random.uniform(1, 8, (NUMBER, 4, 6)).astype(np.float32)
    depth = np.kron(coarse, np.ones((8, 8), np.float32))
    outputs = Outputs(depth, np.full_like(depth, 0.2), depth * 1.05)
    counts = torch.from_numpy((depth * 10).astype(np.uint8))[:, None]
    windows = [Unlabelled(counts, torch.tensor([100]), torch.arange(NUMBER))]
    return outputs, windows


def changed(outputs, function):
    return dataclasses.replace(
        outputs, depth=function(outputs.depth), mirrored=function(outputs.mirrored)
    )


def numbers(evidence):
    assert evidence.measured_error is None
    assert evidence.motion_error is None
    assert evidence.metric_error is None
    return dataclasses.astuple(evidence)[:-3]


def scores(old, new):
    """Scores of two networks on two scenes, one of them without truth."""
    return tuple(AllScores(Scores(np.array([one, np.nan]), one, one)) for one in (old, new))


def test_a_network_against_itself_has_no_evidence(scene):
    outputs, windows = scene
    found = compare(outputs, outputs, windows, scores(0.3, 0.3))
    assert numbers(found) == pytest.approx([0] * 8, abs=1e-6)
    assert decide(found) == 'no change'


def test_another_scale_is_drift_alone(scene):
    outputs, windows = scene
    found = compare(outputs, changed(outputs, lambda d: 1.5 * d), windows, scores(0.3, 0.3))
    assert found.drift == pytest.approx(math.log(1.5), abs=1e-5)
    rest = dataclasses.replace(found, drift=0.0)
    assert numbers(rest) == pytest.approx([0] * 8, abs=1e-5)


def test_a_constant_has_no_spread_dependence_or_edges_and_is_worse(scene):
    outputs, windows = scene
    constant = changed(outputs, lambda d: np.full_like(d, 2.0))
    found = compare(outputs, constant, windows, scores(0.3, 0.2))
    assert found.spread < -5
    assert found.dependence < -5
    assert found.edges < -0.5
    # Although it has a lower error on the labelled scenes.
    assert decide(found) == 'worse'


def test_flattened_depth_is_no_less_asymmetric_and_is_worse(scene):
    outputs, windows = scene
    flat = changed(outputs, lambda d: d**0.3)
    found = compare(outputs, flat, windows, scores(0.3, 0.3))
    assert found.spread == pytest.approx(math.log(0.3), abs=1e-4)
    assert found.asymmetry == pytest.approx(0, abs=1e-3)
    assert decide(found) == 'worse'


def test_a_reversed_order_is_disorder(scene):
    outputs, windows = scene
    found = compare(outputs, changed(outputs, lambda d: 1 / d), windows, scores(0.3, 0.3))
    assert found.disorder == pytest.approx(1)


def test_errors_and_mirror_images_are_log_ratios(scene):
    outputs, windows = scene
    less = dataclasses.replace(outputs, mirrored=outputs.depth * 1.05**2)
    found = compare(outputs, less, windows, scores(0.4, 0.3))
    assert found.matched_error == pytest.approx(math.log(0.75))
    assert found.asymmetry == pytest.approx(math.log(2), abs=1e-4)


@pytest.mark.parametrize(
    ('matched_error', 'verdict'),
    [(-0.3, 'improved'), (0.0, 'no change'), (0.3, 'worse')],
)
def test_a_verdict_follows_the_expected_change(matched_error, verdict):
    evidence = dataclasses.replace(NONE, matched_error=matched_error)
    assert decide(evidence) == verdict
    assert np.sign(expected_change(evidence)) == np.sign(matched_error)


def test_the_less_the_simulation_matches_the_more_an_improvement_takes():
    evidence = dataclasses.replace(NONE, matched_error=-0.3)
    times = math.log1p(expected_change(evidence)) / LIMITS[0]
    assert decide(evidence, 0.99 * times * FULL_DISTANCE) == 'improved'
    assert decide(evidence, 1.01 * times * FULL_DISTANCE) == 'no change'
    worse = dataclasses.replace(NONE, matched_error=0.3)
    assert decide(worse, 10 * FULL_DISTANCE) == 'worse'


@pytest.mark.parametrize(
    ('evidence', 'verdict'),
    [
        ({'spread': math.log(0.45)}, 'improved'), ({'spread': math.log(0.35)}, 'worse'),
        ({'dependence': math.log(0.35)}, 'improved'), ({'dependence': math.log(0.25)}, 'worse'),
    ],
)  # fmt: skip
def test_depth_of_little_spread_or_dependence_is_worse_whatever_its_error(evidence, verdict):
    assert decide(dataclasses.replace(NONE, matched_error=-0.3, **evidence)) == verdict


@pytest.mark.parametrize(
    ('measured', 'verdict'), [(-0.05, 'improved'), (0.0, 'no change'), (0.05, 'worse')]
)
def test_a_measured_error_decides_whatever_the_match(measured, verdict):
    for expected in (-0.3, 0.3):
        evidence = dataclasses.replace(NONE, matched_error=expected, measured_error=measured)
        assert decide(evidence, 100 * FULL_DISTANCE) == verdict
        assert expected_change(evidence) == pytest.approx(math.expm1(measured))
    flat = dataclasses.replace(NONE, spread=-5.0, measured_error=-0.05)
    assert decide(flat) == 'worse'


def candidate(name, **evidence):
    found = dataclasses.replace(NONE, **evidence)
    return Candidate(name, Path(name), found, decide(found), 0.0, False, scores(0.3, 0.3)[1])


def test_the_improved_candidate_of_the_least_expected_error_is_chosen():
    flat = candidate('flat', matched_error=-0.9, spread=-5.0)
    same, better, best = (candidate(str(error), matched_error=error) for error in (0, -0.2, -0.3))
    assert choose([flat, same]) is None
    assert choose([better, flat, best, same]) is best
    assert choose([better, candidate('later', matched_error=-0.2)]) is better
    found = [overall_verdict(those) for those in ([flat, best], [flat, same], [flat], [])]
    assert found == ['improved', 'no change', 'worse', 'no change']
    assert flat.describe() == 'flat: worse (its depth is flat)'
    assert re.fullmatch(r'-0\.3: improved \(expected -[0-9.]+%\)', best.describe())
    measured = candidate('lidar', measured_error=math.log(0.8))
    assert measured.describe() == 'lidar: improved (measured -20.0%)'


def test_measured_scores_and_those_by_motion_are_compared(scene):
    outputs, windows = scene
    same, (before, after) = scores(0.3, 0.3), scores(0.4, 0.3)
    pairs = [
        old._replace(measured=one.matched, moving=other.matched)
        for old, one, other in zip(same, (before, after), (after, before), strict=True)
    ]
    found = compare(outputs, outputs, windows, tuple(pairs))
    assert found.matched_error == 0
    assert found.measured_error == pytest.approx(math.log(0.75))
    assert found.motion_error == pytest.approx(-math.log(0.75))


class Twice(torch.nn.Module):
    """Network whose depth of each window is twice the spikes of the first bin."""

    def forward(self, counts, planes_per_bin):
        depth = 2.0 * counts[:, :1]
        return DepthOutput(depth, torch.ones_like(depth), *[torch.empty(0)] * 3)


def test_a_score_in_metres_has_the_scale_and_a_scaled_one_has_not():
    info = load_info(find_checkpoint(None))
    counts = torch.randint(1, 40, (3, 1, 16, 16), dtype=torch.uint8)
    depth = counts.float()
    depth[2, 0, :8] *= 1.5  # the median of this image lies between
    batch = Batch(
        counts, torch.tensor([40]), None, depth, torch.full((3,), info.canonical_fx),
        torch.arange(3),
    )  # fmt: skip
    found = score(Twice(), info, [batch])
    assert found.images[:2] == pytest.approx([0, 0], abs=1e-6)
    assert found.images[2] > 0.05
    assert found.scaled == pytest.approx(found.images.mean())
    assert found.metres == pytest.approx((1 + 1 + (1 + 1 / 3) / 2) / 3, rel=1e-4)


def test_a_pure_factor_is_judged_by_the_error_in_metres(scene):
    outputs, windows = scene
    larger = changed(outputs, lambda d: 1.3 * d)
    before = AllScores(
        Scores(np.array([0.3]), 0.3, 0.3), measured=Scores(np.array([0.2]), 0.2, 0.9, 0.4)
    )
    after = before._replace(measured=dataclasses.replace(before.measured, bounded=0.2))
    found = compare(outputs, larger, windows, (before, after))
    assert found.metric_error is None
    assert decide(found) == 'no change'  # median-scaled errors are the same
    found = compare(outputs, larger, windows, (before, after), in_metres=True)
    assert found.metric_error == pytest.approx(math.log(0.5))
    assert found.measured_error == 0
    assert expected_change(found) == pytest.approx(-0.5)
    assert decide(found, 100 * FULL_DISTANCE) == 'improved'
    back = compare(larger, outputs, windows, (after, before), in_metres=True)
    assert decide(back) == 'worse'
    # A shape that is better where the metres are wrong does not speak for a candidate.
    shape = dataclasses.replace(NONE, measured_error=-0.3, metric_error=0.1)
    assert decide(shape) == 'worse'
    assert decide(dataclasses.replace(found, spread=-5.0)) == 'worse'
    told = candidate('scale', measured_error=0.0, metric_error=math.log(0.5))
    assert told.describe() == 'scale: improved (metres -50.0%)'


@pytest.mark.parametrize('factor', [1.0, 1.25])
def test_a_factor_for_another_focal_length_is_scored(factor):
    info = load_info(find_checkpoint(None))
    counts = torch.randint(1, 40, (2, 1, 16, 16), dtype=torch.uint8)
    batch = Batch(
        counts, torch.tensor([40]), None, 2.5 * counts.float(),
        torch.full((2,), info.canonical_fx), torch.arange(2),
    )  # fmt: skip
    found = score(Twice(), info, [batch], factor)
    assert found.metres == pytest.approx(1 - factor * 2 / 2.5, abs=1e-6)
    assert found.bounded == pytest.approx(found.metres, abs=1e-6)
    assert found.scaled == pytest.approx(0, abs=1e-6)
    outputs = compute_outputs(Twice(), [batch.unlabelled()], factor)
    assert np.array_equal(outputs.depth, factor * 2 * counts[:, 0].numpy().astype(np.float32))
    assert np.array_equal(outputs.depth, outputs.mirrored)


def test_false_matches_outweigh_no_others():
    info = load_info(find_checkpoint(None))
    counts = torch.full((1, 1, 10, 10), 10, dtype=torch.uint8)
    depth = torch.full((1, 1, 10, 10), 25.0)  # 20 are predicted
    depth[0, 0, 0] = 0.5
    depth[0, 0, 1] = torch.nan
    batch = Batch(
        counts, torch.tensor([40]), None, depth, torch.tensor([info.canonical_fx]),
        torch.tensor([0]),
    )  # fmt: skip
    found = score(Twice(), info, [batch])
    assert found.metres == pytest.approx((10 * 39 + 80 * 0.2) / 90, rel=1e-5)
    assert found.bounded == pytest.approx((10 * 1 + 80 * 0.2) / 90, rel=1e-5)
    none = dataclasses.replace(batch, depth=torch.full_like(depth, torch.nan))
    assert math.isnan(score(Twice(), info, [none]).bounded)


def test_the_error_by_motion_counts_and_can_speak_for_a_recording_without_a_match():
    better = dataclasses.replace(NONE, matched_error=-0.1, motion_error=-0.2)
    assert expected_change(better) < expected_change(dataclasses.replace(better, motion_error=0.0))
    assert decide(better, 100 * FULL_DISTANCE) == 'improved'
    unseen = dataclasses.replace(NONE, matched_error=-0.3, motion_error=-0.02)
    assert decide(unseen) == 'improved'
    assert decide(unseen, 100 * FULL_DISTANCE) == 'no change'
    against = dataclasses.replace(NONE, matched_error=-0.05, motion_error=0.4)
    assert decide(against) == 'worse'
