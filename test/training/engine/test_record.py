# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Means of logged scalars."""

import torch

from spike_training.engine.record import Mean


def test_a_scalar_that_begins_later_is_averaged_over_its_own_steps():
    mean = Mean()
    mean.add({'loss': torch.tensor(1.0)})
    mean.add({'loss': torch.tensor(2.0), 'kept': torch.tensor(0.5)})
    assert mean.take() == {'loss': 1.5, 'kept': 0.5}
    mean.add({'loss': torch.tensor(4.0)})
    assert mean.take() == {'loss': 4.0}
