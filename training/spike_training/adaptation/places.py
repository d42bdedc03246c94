# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Places of a recording as a network sees them: styles they are similar to, and which way up."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spike_training.evaluation.predictors import predict
from spike_training.sampling.sample import Unlabelled

NEIGHBOURS = 7
"""Nearest scenes that vote for their styles, of each window."""

SLOTS = 18
"""Length of the list of styles that expresses shares by repetition."""

SHARPNESS = 2.0
"""Exponent of the votes: neighbours of few scenes vote for too many styles."""

LESS_UNCERTAIN = 0.9
"""Ratio of the uncertainty of turned windows to that of windows below which they look better."""

MORE_TILTED = 0.1
"""Difference of the log depth of the top and the bottom third by which they look better."""

Tokens = npt.NDArray[np.float32]


def style_shares(
    network: nn.Module,
    windows: Sequence[Unlabelled],
    scenes: Mapping[str, Sequence[Unlabelled]],
) -> dict[str, float]:
    """Estimate the share of each style by the class tokens of windows and of scenes.

    Args:
        network: Network of depth in eval mode.
        windows: Windows of the recording.
        scenes: Scenes of each style as the recording's camera sees them, equally many.

    Returns:
        Shares by style, which add up to 1.
    """
    by_style = {style: _tokens(network, batches) for style, batches in scenes.items()}
    known = np.concatenate([*by_style.values()])
    labels = np.repeat([*by_style], [len(tokens) for tokens in by_style.values()])
    mean, std = known.mean(axis=0), known.std(axis=0) + 1e-6
    asked = (_tokens(network, windows) - mean) / std
    distance = np.square(asked[:, None] - ((known - mean) / std)[None]).sum(axis=2)
    voters = labels[np.argsort(distance, axis=1)[:, :NEIGHBOURS]]
    votes = np.array([np.mean(voters == style) for style in by_style]) ** SHARPNESS
    return dict(zip(by_style, (votes / votes.sum()).tolist(), strict=True))


def repeated_styles(shares: Mapping[str, float]) -> tuple[str, ...]:
    """Return a list in which each style has about its share, and at least one place.

    Equal styles lie apart, so that any part of the list has about these shares.
    """
    free = SLOTS - len(shares)
    exact = {style: 1 + free * share for style, share in shares.items()}
    number = {style: int(one) for style, one in exact.items()}
    left = SLOTS - sum(number.values())
    for style in sorted(shares, key=lambda one: number[one] - exact[one])[:left]:
        number[style] += 1
    places = [((k + 0.5) / n, style) for style, n in number.items() for k in range(n)]
    return tuple(style for _, style in sorted(places))


def look_upside_down(network: nn.Module, windows: Sequence[Unlabelled]) -> bool:
    """Return True if windows look like places to a network only when turned by 180 degrees.

    Depth is then less uncertain, and the ground, below, is nearer. Both must agree, which finds
    about half of the recordings that are upside-down.

    Args:
        network: Network of depth in eval mode.
        windows: Windows of the recording.
    """
    uncertainty, tilt = _uncertainty_and_tilt(network, windows)
    turned = [dataclasses.replace(one, counts=one.counts.flip(2, 3)) for one in windows]
    turned_uncertainty, turned_tilt = _uncertainty_and_tilt(network, turned)
    return turned_uncertainty < LESS_UNCERTAIN * uncertainty and turned_tilt > tilt + MORE_TILTED


@torch.inference_mode()
def _uncertainty_and_tilt(
    network: nn.Module, windows: Sequence[Unlabelled]
) -> tuple[float, float]:
    """Return mean relative uncertainty, and log ratio of the depth of top and bottom third."""
    outputs = [predict(network, window, 'spikes') for window in windows]
    uncertainty = torch.cat([output.uncertainty for output in outputs])
    depth = torch.cat([output.depth for output in outputs]).log()
    third = depth.shape[2] // 3
    tilt = depth[:, :, :third].mean() - depth[:, :, -third:].mean()
    return float(uncertainty.mean()), float(tilt)


@torch.inference_mode()
def _tokens(network: nn.Module, batches: Sequence[Unlabelled]) -> Tokens:
    found: Tokens = (
        torch.cat([predict(network, batch, 'spikes').class_token for batch in batches])
        .float()
        .cpu()
        .numpy()
    )
    return found
