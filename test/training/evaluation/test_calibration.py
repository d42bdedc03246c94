# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
import dataclasses

import numpy as np
import pytest
import torch
from ramps import Brightness, ramp_scenes, ramp_set
from tiny_stage import INFO
from torch import nn

from spike_depth_ros.model.depth_net import DepthOutput
from spike_training.errors import TrainingError
from spike_training.evaluation.calibration import fit_uncertainty_factor
from spike_training.evaluation.predictors import canonical_depth, network_predictor
from spike_training.evaluation.scores import evaluate_set


def coverage(factor: float) -> float:
    info = dataclasses.replace(INFO, uncertainty_factor=factor)
    report = evaluate_set(network_predictor(Brightness(), info), info, ramp_set(), {})
    return report['uncertainty']['interval_coverage']


def test_the_factor_makes_the_interval_hold_68_percent_of_other_scenes():
    factor = fit_uncertainty_factor(Brightness(), INFO, ramp_scenes('calibration', number=40))
    # What the head predicts is scaled away.
    other = fit_uncertainty_factor(Brightness(0.4), INFO, ramp_scenes('calibration', number=40))
    assert other == pytest.approx(factor / 4, rel=1e-4)
    assert coverage(factor) == pytest.approx(0.68, abs=0.06)
    assert coverage(1.0) != pytest.approx(0.68, abs=0.06)


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
    found = fit_uncertainty_factor(Straight(), INFO, ramp_scenes('calibration'))
    assert found == pytest.approx(ratios[int(np.ceil(0.68 * (len(ratios) + 1))) - 1], rel=1e-6)


def test_no_uncertainty_is_refused():
    with pytest.raises(TrainingError, match='predicts no uncertainty'):
        fit_uncertainty_factor(Brightness(0.0), INFO, ramp_scenes('calibration'))
