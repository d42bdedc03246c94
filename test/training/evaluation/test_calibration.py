# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from kit.stages import INFO, Brightness, ramp_scenes, ramp_set
from spike_depth_ros.networks.depth_net import DepthOutput
from spike_training.errors import TrainingError
from spike_training.evaluation.calibration import LEAST, MOST, calibrate, fit_powers
from spike_training.evaluation.predictors import canonical_depth, network_predictor
from spike_training.evaluation.scores import evaluate_set


def coverage(info) -> float:
    report = evaluate_set(network_predictor(Brightness(), info), info, ramp_set(), {})
    return report['uncertainty']['interval_coverage']


def test_the_interval_holds_68_percent_of_other_scenes():
    info = calibrate(Brightness(), INFO, ramp_scenes('calibration', number=40))
    # What the head predicts is scaled away.
    other = calibrate(Brightness(0.4), INFO, ramp_scenes('calibration', number=40))
    assert other.uncertainty_powers == pytest.approx(info.uncertainty_powers, abs=1e-3)
    ratio = info.uncertainty_factor / other.uncertainty_factor
    assert ratio == pytest.approx(4 ** info.uncertainty_powers[1], rel=2e-3)
    assert info.uncertainty_calibrated
    assert coverage(info) == pytest.approx(0.68, abs=0.06)
    assert coverage(INFO) != pytest.approx(0.68, abs=0.06)


def pixels(by_depth, by_error, number=200_000):
    """True relative errors, depths and predicted errors, log-normal and correlated."""
    rng = np.random.default_rng(5)
    depth = np.exp(rng.normal(1.0, 0.8, number))
    error = np.exp(0.3 * np.log(depth) + rng.normal(-1.5, 0.5, number))
    true = np.abs(rng.standard_normal(number)) * 0.3 * depth**by_depth * error**by_error
    return [values.astype(np.float32) for values in (true, depth, error)]


@pytest.mark.parametrize('powers', [(0.0, 1.0), (0.4, 0.7), (-0.3, 1.4)])
def test_the_powers_are_found(powers):
    assert fit_powers(*pixels(*powers)) == pytest.approx(powers, abs=0.03)


def test_far_and_near_hold_alike():
    true, depth, error = pixels(0.5, 0.6)
    held = []
    for powers in ((0.0, 1.0), fit_powers(true, depth, error)):
        wide = dataclasses.replace(INFO, uncertainty_powers=powers).relative_error(depth, error)
        ratio = true / wide
        inside = ratio <= np.quantile(ratio, 0.68)
        held.append([inside[depth < 1.5].mean(), inside[depth > 6].mean()])
    assert np.ptp(held[0]) > 0.2
    assert held[1] == pytest.approx([0.68, 0.68], abs=0.02)


def test_powers_out_of_bounds_are_clipped_and_unknown_ones_left():
    assert fit_powers(*pixels(3.0, 4.0)) == MOST
    assert fit_powers(*pixels(-3.0, 0.0)) == LEAST
    true, depth, error = pixels(0.0, 1.0)
    assert fit_powers(true, np.ones_like(depth), np.ones_like(error)) == (0.0, 1.0)
    assert fit_powers(*[values[:0] for values in (true, depth, error)]) == (0.0, 1.0)


def test_it_is_the_conformal_quantile():
    class Straight(nn.Module):
        def forward(self, counts, planes_per_bin):
            shape = (len(counts), 1, 32, 48)
            nothing = torch.zeros(1)
            return DepthOutput(torch.ones(shape), torch.ones(shape), *[nothing] * 3)

    pooled = torch.cat(
        [canonical_depth(b, 400.0).flatten() for b in ramp_scenes('calibration')]
    ).numpy()
    ratios = np.sort(np.abs(pooled[np.isfinite(pooled)] - 1))
    found = calibrate(Straight(), INFO, ramp_scenes('calibration'))
    assert found.uncertainty_powers == (0.0, 1.0)
    assert found.uncertainty_factor == pytest.approx(
        ratios[int(np.ceil(0.68 * (len(ratios) + 1))) - 1], rel=1e-6
    )


def test_no_uncertainty_is_refused():
    with pytest.raises(TrainingError, match='predicts no uncertainty'):
        calibrate(Brightness(0.0), INFO, ramp_scenes('calibration'))
