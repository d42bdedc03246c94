# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of predicted relative errors to half-widths of a 68 % interval."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from spike_depth_ros.evaluation.results import INTERVAL
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.errors import TrainingError
from spike_training.evaluation.predictors import canonical_depth, predict
from spike_training.sampling.sample import Batch

CELLS = 8
"""Parts of the pixels by depth, and of each part by predicted error."""

EVERY = 4
"""Rows and columns of which one is used for the powers."""

ROUNDS = 4
"""Corrections of the powers."""

LEAST, MOST = (-1.0, 0.25), (1.0, 2.0)
"""Bounds of the powers of depth and error."""

Values = npt.NDArray[np.float64]


class NoTruthError(TrainingError):
    """No pixel of the scenes has a true depth in metres."""


@torch.inference_mode()
def calibrate(network: nn.Module, info: DepthInfo, scenes: Iterable[Batch]) -> DepthInfo:
    """Fit the interval ``depth * (1 +- factor * depth^a * error^b)`` to hold 68 % of pixels.

    Split conformal: the factor is the quantile of ``|truth - depth|`` over the half-width without
    it, of all pixels with a finite truth. The coverage carries over to other scenes of the same
    kind. The powers a and b are fitted before (:func:`fit_powers`), so that it depends less on
    depth and error.

    Args:
        network: Network in eval mode.
        info: Metadata of the network.
        scenes: Batches of scenes used neither for training nor for testing.

    Returns:
        The metadata with factor and powers.

    Raises:
        NoTruthError: No pixel has a truth.
        TrainingError: The uncertainty is 0 on most pixels.
    """
    wrong, depths, errors, some = [], [], [], []
    for batch in scenes:
        output = predict(network, batch, info.inputs[0])
        truth = canonical_depth(batch, info.canonical_fx)
        known = truth.isfinite()
        few = torch.zeros_like(known)
        few[..., ::EVERY, ::EVERY] = True
        relative = ((truth - output.depth).abs() / output.depth)[known]
        wrong.append(relative.cpu().numpy())
        depths.append(output.depth[known].cpu().numpy())
        errors.append(output.uncertainty[known].cpu().numpy())
        some.append(few[known].cpu().numpy())
    pixels = (np.concatenate(parts) if parts else np.empty(0) for parts in (wrong, depths, errors))
    ratio, depth, error = (values.astype(np.float32) for values in pixels)
    if not len(ratio):
        raise NoTruthError('the scenes hold no depth in metres to fit the uncertainty to')
    if some:
        chosen = np.concatenate(some) & (error > 0)
        powers = fit_powers(ratio[chosen], depth[chosen], error[chosen])
        info = dataclasses.replace(info, uncertainty_powers=powers)
    with np.errstate(divide='ignore', invalid='ignore'):
        ratio /= info.relative_error(depth, error)
    factor = conformal_factor(ratio)
    return dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)


def conformal_factor(ratio: npt.NDArray[np.float32]) -> float:
    """Return the factor on predicted errors that covers the true ones of :data:`INTERVAL` pixels.

    Split conformal prediction: the quantile of the true error over the predicted one.

    Args:
        ratio: True over predicted error of each pixel, 0 or more.

    Raises:
        TrainingError: The factor is 0 or infinite.
    """
    rank = math.ceil(INTERVAL * (len(ratio) + 1))
    factor = float(np.partition(ratio, rank - 1)[rank - 1]) if rank <= len(ratio) else math.inf
    if not 0 < factor < math.inf:
        raise TrainingError(
            f'the factor of the uncertainty would be {factor} over {len(ratio)} pixels: expected '
            'a positive number; the head predicts no uncertainty, or the scenes hold no depth'
        )
    return factor


def fit_powers(
    wrong: npt.NDArray[np.float32], depth: npt.NDArray[np.float32], error: npt.NDArray[np.float32]
) -> tuple[float, float]:
    """Fit the powers of depth and predicted error that the true error is proportional to.

    The pixels are parted by depth, and each part by predicted error. Least squares over the parts
    from the logarithms of depth and predicted error, their medians, to that of the quantile of
    68 % of the ratio of the errors correct the powers, which makes another ratio: a few times.

    Args:
        wrong: True relative errors, 0 or more, of any pixels.
        depth: Predicted metres.
        error: Predicted relative errors, above 0.

    Returns:
        Powers of depth and error, within ``LEAST`` and ``MOST``; 0 and 1 where the pixels do not
        tell them.
    """
    parts = np.array_split(np.argsort(depth, kind='stable'), CELLS)
    ordered = [part[np.argsort(error[part], kind='stable')] for part in parts]
    cells = [cell for part in ordered for cell in np.array_split(part, CELLS) if len(cell)]
    medians = [(np.median(depth[cell]), np.median(error[cell])) for cell in cells]
    places: Values = np.log(np.array(medians, np.float64))
    powers: Values = np.array([0.0, 1.0])
    for _ in range(ROUNDS if wrong.any() else 0):
        ratio = wrong / (depth ** powers[0] * error ** powers[1])
        wide: Values = np.array([np.quantile(ratio[cell], INTERVAL) for cell in cells])
        known = wide > 0
        # Centred, so that what does not vary has no effect: the least of all solutions is taken.
        centred = places[known] - places[known].mean(axis=0)
        steps = np.linalg.lstsq(centred, np.log(wide[known]), rcond=1e-3)[0]
        powers = np.clip(powers + steps, LEAST, MOST)
    return round(float(powers[0]), 4), round(float(powers[1]), 4)
