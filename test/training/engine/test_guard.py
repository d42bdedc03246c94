# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import pytest

torch = pytest.importorskip('torch')

from spike_training.engine.loop import FiniteGuard  # noqa: E402
from spike_training.errors import NonFiniteError  # noqa: E402


def guard():
    return FiniteGuard(torch.device('cpu'))


def test_finite_values_pass():
    it = guard()
    it.note(0, [torch.tensor(1.0), torch.tensor(-1e30)])
    it.check()


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('place', [0, 1])
def test_the_first_bad_step_is_named_even_when_it_is_read_late(bad, place):
    it = guard()
    for step in range(3, 9):
        values = [torch.tensor(1.0), torch.tensor(1.0)]
        if step in (5, 7):
            values[place] = torch.tensor(bad)
        it.note(step, values)
    with pytest.raises(NonFiniteError, match='step 5') as caught:
        it.check()
    assert caught.value.step == 5
