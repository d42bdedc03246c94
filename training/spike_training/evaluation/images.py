# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of reconstructed images, beside estimates without learning."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.evaluation.controls import NETWORK
from spike_depth_ros.evaluation.image_metrics import psnr, ssim
from spike_depth_ros.networks import SpikeNet
from spike_depth_ros.networks.reconstruction.rate_estimates import (
    RateEstimates,
    ShortTermPlasticity,
)
from spike_depth_ros.runtime.layout import MULTIPLE
from spike_depth_ros.stream.preview import COVERED_PLANES

WINDOWS = (7, 11, 21, 41, 127)
"""Planes of the means that a network is compared with."""

COVERED = (1, COVERED_PLANES)
"""Planes covered by the inter-spike intervals that a network is compared with."""

HELD_OUT = 7
"""Planes in the middle of a window that are kept from all methods, and scored against."""

Rate = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class ImageSample:
    """Window of spikes with the true image at its middle plane.

    Attributes:
        spikes: 0 or 1, ``[planes, H, W]`` uint8, an odd number of planes.
        truth: Brightness, ``[H, W]`` float32, 0 to 1.
        white_rate: Firing rate, spikes per plane, of brightness 1.
        recording: Name of its recording.
    """

    spikes: Tensor
    truth: Rate
    white_rate: float
    recording: str


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Set of samples that are scored together.

    Attributes:
        title: Name or short description.
        samples: Samples with truth.
    """

    title: str
    samples: Iterable[ImageSample]


def estimates(planes: int) -> dict[str, nn.Module]:
    """Return the estimates without learning that fit a window, by the names of their rows.

    Args:
        planes: Planes of the window, an odd number.
    """
    rows: dict[str, nn.Module] = {
        f'mean of {length}': RateEstimates(planes, windows=[length])
        for length in WINDOWS
        if length <= planes
    }
    for covered in COVERED:
        if covered < planes:
            name = 'interval (TFI)' if covered == 1 else f'intervals over {covered}'
            rows[name] = RateEstimates(planes, covered=[covered])
    rows['plasticity (STP)'] = ShortTermPlasticity()
    return rows


@torch.inference_mode()
def reconstructions(
    network: SpikeNet, planes: int, spikes: Tensor, device: torch.device
) -> dict[str, Rate]:
    """Reconstruct the image at the middle plane by the network and by all estimates.

    Args:
        network: Network in eval mode.
        planes: Planes that the network takes, an odd number.
        spikes: 0 or 1, ``[planes, H, W]`` uint8, an odd number.
        device: Device of the network.

    Returns:
        Firing rates, ``[H, W]`` float32, by the names of rows; the network's under ``NETWORK``.
    """
    window = middle(spikes, min(max(WINDOWS), len(spikes)))[None].float()
    rows = {
        name: estimate(window)[0, 0].numpy()
        for name, estimate in estimates(window.shape[1]).items()
    }
    height, width = spikes.shape[1:]
    own = middle(spikes, planes)[None].to(device).float()
    below, right = -height % MULTIPLE, -width % MULTIPLE
    own = nn.functional.pad(own, (0, right, 0, below), mode='replicate')
    bins = torch.ones(planes, dtype=torch.int32, device=device)
    rows[NETWORK] = network(own, bins).rate[0, 0, :height, :width].cpu().numpy()
    return rows


def middle(spikes: Tensor, planes: int) -> Tensor:
    """Return an odd number of planes around the middle one of an odd number."""
    first = (len(spikes) - planes + 1) // 2
    last = len(spikes) - first
    return spikes[first:last]


def score_set(
    network: SpikeNet, planes: int, one: ImageSet, device: torch.device
) -> dict[str, Any]:
    """Score a set: PSNR and SSIM of each row, in the mean and for each recording.

    Args:
        network: Network in eval mode.
        planes: Planes that the network takes.
        one: The set.
        device: Device of the network.
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    number = 0
    for sample in one.samples:
        number += 1
        rows = reconstructions(network, planes, sample.spikes, device)
        for name, rate in rows.items():
            image = np.clip(rate / sample.white_rate, 0, 1)
            scores = psnr(image, sample.truth), ssim(image, sample.truth)
            found.setdefault(name, {}).setdefault(sample.recording, []).append(scores)
    return {
        'title': one.title,
        'pictures': number,
        'rows': {name: _means(recordings) for name, recordings in found.items()},
    }


def _means(recordings: Mapping[str, list[tuple[float, float]]]) -> dict[str, Any]:
    everything = [scores for each in recordings.values() for scores in each]
    return {
        **_mean(everything),
        'recordings': {name: _mean(each) for name, each in recordings.items()},
    }


def _mean(scores: list[tuple[float, float]]) -> dict[str, float]:
    return {
        'psnr': statistics.fmean(one for one, _ in scores),
        'ssim': statistics.fmean(other for _, other in scores),
    }


def score_held_out(
    network: SpikeNet, planes: int, windows: Iterable[Tensor], device: torch.device
) -> dict[str, Any]:
    """Score reconstructions of real spikes without truth, against planes that none has seen.

    The middle ``HELD_OUT`` planes of each window are cut out, and the rest joined, for all methods
    alike. The error is the mean squared difference from the mean of the planes cut out. It
    compares estimates without learning; a network that has learnt from spikes may also know when
    a pixel fires next.

    Args:
        network: Network in eval mode.
        planes: Planes that the network takes.
        windows: 0 or 1, ``[planes + HELD_OUT, H, W]`` uint8 or longer, odd after the cut.
        device: Device of the network.
    """
    errors: dict[str, list[float]] = {}
    number = 0
    for window in windows:
        number += 1
        first = (len(window) - HELD_OUT) // 2
        rest = torch.cat([window[:first], window[first + HELD_OUT :]])
        label = window[first : first + HELD_OUT].float().mean(0).numpy()
        for name, rate in reconstructions(network, planes, rest, device).items():
            errors.setdefault(name, []).append(float(np.mean((rate - label) ** 2)))
    return {
        'windows': number,
        'rows': {name: {'mse': statistics.fmean(each)} for name, each in errors.items()},
    }
