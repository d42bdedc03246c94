# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation of pairs: mirrored scenes, unequal gain of the eyes, and noise of each of them."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from spike_training.sampling.sample import Batch
from spike_training.sampling.transforms import flip_batch

LEAST_GAIN = 0.6
"""Smallest gain of the darker eye of a pair over that of the other one."""

DARK_RATE = 0.015
"""Largest mean dark rate of a pair, spikes per plane: 300 Hz at planes of 20 kHz."""

DARK_SPREAD = 0.43
"""Standard deviation of the logarithm of the dark rate between pixels, as of real sensors."""

HOT_PIXELS = 0.003
"""Share of hot pixels, whose rates are uniform from 0 to 1."""


def augment(batch: Batch) -> Batch:
    """Augment pairs, by torch's global generator.

    Half of them are mirrored, which exchanges the eyes. The gain of one eye of each is lowered:
    spikes are dropped at random. Dark current and hot pixels are added, other ones in each eye.

    Args:
        batch: Pairs.

    Returns:
        Pairs whose counts are float32.
    """
    assert batch.right is not None  # asked for by the settings
    number, device = len(batch.counts), batch.counts.device
    batch = flip_batch(batch, torch.rand(number, device=device) < 0.5)
    assert batch.right is not None
    gains = 1 - (1 - LEAST_GAIN) * torch.rand(number, device=device)
    first = torch.rand(number, device=device) < 0.5
    dark = DARK_RATE * torch.rand(number, device=device)
    left, right = (
        _seen(counts, batch.planes_per_bin, torch.where(darker, gains, 1.0), dark)
        for counts, darker in ((batch.counts, first), (batch.right.counts, ~first))
    )
    return dataclasses.replace(
        batch, counts=left, right=dataclasses.replace(batch.right, counts=right)
    )


def change_light(eyes: Tensor, colours: bool, chosen: Tensor) -> Tensor:
    """Change the light of some pairs, in both eyes alike, by torch's global generator.

    Shen et al., section 4.2: contrast and brightness. Of spikes it is the brightness alone: they
    are dropped at random. Networks divide them by their mean rate, so that noise is what changes.

    Args:
        eyes: Counts, uint8 or float, or colours from 0 to 1, float: ``[B, 2, C, H, W]``.
        colours: True if these are colours, False if they are counts.
        chosen: Which pairs, ``[B]`` bool.

    Returns:
        Float32, same shape.
    """
    found, each = eyes.float(), eyes[chosen].float()
    shape = (len(each), 1, 1, 1, 1)
    darker = 1 - (1 - LEAST_GAIN) * torch.rand(shape, device=eyes.device)
    if not colours:
        changed = torch.binomial(each, darker.expand_as(each).contiguous())
    else:
        low, high = LEAST_GAIN, 1 / LEAST_GAIN
        contrast = low + (high - low) * torch.rand(shape, device=eyes.device)
        mean = each.mean(dim=(1, 2, 3, 4), keepdim=True)
        changed = ((each - mean) * contrast + mean * darker).clamp(0, 1)
    return found.index_put((chosen,), changed)


def _seen(counts: Tensor, planes_per_bin: Tensor, gain: Tensor, dark: Tensor) -> Tensor:
    """Return the counts of an eye with a gain, ``[B]``, and a mean dark rate, ``[B]``."""
    lengths = planes_per_bin.float()[:, None, None]
    each = counts.float()
    one = each[:, :1]
    spread = torch.exp(DARK_SPREAD * torch.randn_like(one) - DARK_SPREAD**2 / 2)
    rate = dark[:, None, None, None] * spread
    kept = torch.binomial(each, gain[:, None, None, None].expand_as(each).contiguous())
    found = kept + torch.poisson(rate * lengths)
    hot = torch.rand_like(one) < HOT_PIXELS
    found = torch.where(hot, (torch.rand_like(one) * lengths).round(), found)
    return torch.minimum(found, lengths)
