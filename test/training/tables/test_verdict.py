# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Verdicts on differences of few seeds, by hand."""

import pytest

from spike_training.tables.verdict import judge


@pytest.mark.parametrize(
    ('differences', 'verdict'),
    [
        # Mean 0.2, standard error 0.1 / sqrt 3 = 0.058.
        ([0.1, 0.2, 0.3], 'holds'),
        ([-0.1, -0.2, -0.3], 'does not hold'),
        # Mean 0.15, standard error 0.1414 / sqrt 2 = 0.1.
        ([0.05, 0.25], 'undecided'),
        ([-0.05, -0.25], 'undecided'),
        ([0.1, 0.12], 'holds'),
        # One sign is another one.
        ([-0.01, 0.5, 0.5], 'undecided'),
        ([0.01, -0.5, -0.5], 'undecided'),
        # Ties.
        ([0.0, 0.0, 0.0], 'undecided'),
        ([0.0, 0.3, 0.3], 'undecided'),
        ([0.0, 0.4, 0.5, 0.6, 0.5], 'undecided'),  # mean 0.4, standard error 0.1
        ([0.2, 0.2], 'holds'),
        ([-0.2, -0.2], 'does not hold'),
        # Two seeds are the least.
        ([0.5], 'undecided'),
        ([], 'undecided'),
    ],
)
def test_verdicts(differences, verdict):
    assert judge(differences) == verdict
