# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses and labels of SSML (Chen et al., Eq. 2, 3 and 8 to 10)."""

from __future__ import annotations

from torch import Tensor, nn

from spike_depth_ros.networks.reconstruction.rate_estimates import RateEstimates

ROBUST_ERROR = 0.01
"""Error, spikes per plane, below which :func:`robust_error` is quadratic."""


def pseudo_label(name: str, planes: int) -> nn.Module:
    """Build a noisy estimate of the firing rate, the label of self-supervised stages.

    Args:
        name: ``tfi``: one inter-spike interval (Eq. 3); ``tfpN``: mean of N planes (Eq. 2).
        planes: Planes of the input, an odd number.

    Returns:
        A module from spikes, ``[B, planes, H, W]``, to spikes per plane, ``[B, 1, H, W]``.
    """
    if name == 'tfi':
        return RateEstimates(planes, covered=[1])
    return RateEstimates(planes, windows=[int(name.removeprefix('tfp'))])


def reconstruction_loss(blind: Tensor, label: Tensor) -> Tensor:
    """Compute L_rec, the mean squared error of the blind-spot network (Eq. 8)."""
    return (blind - label).square().mean()


def mutual_loss(blind: Tensor, non_blind: Tensor) -> Tensor:
    """Compute L_mutual, the mean squared difference of the two networks (Eq. 9).

    Both get its gradient. The equation is printed with the blind-spot network on both sides.
    """
    return (blind - non_blind).square().mean()


def robust_error(rate: Tensor, truth: Tensor) -> Tensor:
    """Compute the mean of ``sqrt(error^2 + ROBUST_ERROR^2) - ROBUST_ERROR`` (Charbonnier)."""
    return ((rate - truth).square() + ROBUST_ERROR**2).sqrt().mean() - ROBUST_ERROR


def psnr(rate: Tensor, truth: Tensor) -> Tensor:
    """Compute the mean PSNR of a batch, dB, for a white of 1 spike per plane."""
    error = (rate - truth).square().flatten(1).mean(1).clamp_min(1e-10)
    return (-10 * error.log10()).mean()
