# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Precisions on processors with and without bfloat16 instructions."""

import pytest
import torch

from spike_training.engine import fabric


@pytest.mark.parametrize('precision', ['32-true', 'bf16-mixed'])
@pytest.mark.parametrize('has', [True, False])
def test_slow_bfloat16_is_avoided_and_told(precision, has, monkeypatch, capsys) -> None:
    monkeypatch.setattr(fabric, '_has_bfloat16', lambda: has)
    made = fabric.make_fabric('cpu', 1, precision)
    told = 'has no bfloat16 instructions' in capsys.readouterr().out
    assert told == (precision == 'bf16-mixed' and not has)
    with made.autocast():
        product = torch.ones(1, 2) @ torch.ones(2, 1)
    bfloat16 = precision == 'bf16-mixed' and has
    assert product.dtype == (torch.bfloat16 if bfloat16 else torch.float32)


def test_a_processor_is_asked() -> None:
    assert isinstance(fabric._has_bfloat16(), bool)
