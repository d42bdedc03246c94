# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

pytest.importorskip('torch')

from spike_training.engine.loop import prefetch


@pytest.mark.parametrize('number', [0, 1, 3, 20])
def test_the_batches_come_in_order_and_none_is_missing(number):
    assert list(prefetch(lambda step: step, 5, 12, number)) == list(range(5, 12))
    assert list(prefetch(lambda step: step, 5, 5, number)) == []


def test_they_are_made_in_advance_and_not_further_than_allowed():
    made = []
    waiting = threading.Event()

    def make(step):
        made.append(step)
        if step == 2:
            waiting.set()
        return step

    batches = prefetch(make, 0, 10, number=2)
    assert next(batches) == 0
    assert waiting.wait(10)  # batch 2 is made although only batch 0 was taken
    assert made == [0, 1, 2]
    batches.close()


def test_an_error_of_the_source_comes_through():
    def make(step):
        if step == 1:
            raise OSError('on purpose')
        return step

    batches = prefetch(make, 0, 10, number=4)
    assert next(batches) == 0
    with pytest.raises(OSError, match='on purpose'):
        next(batches)
