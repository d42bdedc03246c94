# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Predicted depth at the ends of its range, where a network says nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.errors import DataSetError
from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Unlabelled

MAX_AT_END = 0.9
"""Share of the pixels of own recordings that may lie at one end of the range of depth."""

END_SHARE = 0.01
"""Part of the range of log-depth that is an end of it."""


@torch.inference_mode()
def share_at_end(network: nn.Module, info: DepthInfo, windows: Iterable[Unlabelled]) -> float:
    """Return the share of a network's pixels at the nearer or the farther end, the larger one.

    Args:
        network: Network of spikes, in eval mode.
        info: Its metadata.
        windows: Windows of spikes.

    Raises:
        DataSetError: There is no window.
    """
    depths = [predict(network, window, 'spikes').depth.cpu().numpy().ravel() for window in windows]
    if not depths:
        raise DataSetError('recordings: no window can be read, expected one or more')
    low, high = math.log(info.min_depth), math.log(info.max_depth)
    share = (np.log(np.concatenate(depths)) - low) / (high - low)
    return max(float((share < END_SHARE).mean()), float((share > 1 - END_SHARE).mean()))


def check_own_depth(network: nn.Module, info: DepthInfo, windows: Iterable[Unlabelled]) -> None:
    """Refuse a network whose depth of the windows that it was adapted to lies at an end.

    Args:
        network: Network of spikes, in eval mode.
        info: Its metadata.
        windows: Some of the windows.

    Raises:
        DataSetError: It does, or no window can be read.
    """
    at_end = share_at_end(network, info, windows)
    if at_end > MAX_AT_END:
        raise DataSetError(
            f'the adapted network: {at_end:.0%} of the pixels of its own recordings lie at one '
            f'end of {info.min_depth:g} to {info.max_depth:g} m, expected at most '
            f'{MAX_AT_END:.0%}: nothing is written; adapt to recordings with more light, texture '
            'and motion'
        )
