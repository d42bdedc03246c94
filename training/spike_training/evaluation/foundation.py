# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Foundation model of depth as a control: what it predicts from pictures of the spikes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from spike_depth_ros.stream import preview
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import Window, reference_index
from spike_training.datasets.clip import Depth, Rgb
from spike_training.evaluation.inputs import samples
from spike_training.evaluation.predictors import Estimate, Predictor
from spike_training.evaluation.scores import EvaluationSet
from spike_training.sampling.sample import Batch

LEAST_SHARE = 1e-3
"""Disparity over the largest one of its image below which it is taken as that."""


def foundation_predictor(
    model: Callable[[Rgb], Depth], relative: bool, one: EvaluationSet, canonical_fx: float
) -> Predictor:
    """Return the predictor of a model of pictures, which sees the ``interval`` preview of spikes.

    All samples are predicted here, and their maps are kept.

    Args:
        model: Function from ``[H, W, 3]`` uint8 to ``[H, W]``: disparity, or metres.
        relative: True if it gives disparity up to scale and shift. The predicted depth then has
            no metres, and is to be scored after a fit of both.
        one: The samples.
        canonical_fx: Focal length at which metres are given, pixels.

    Raises:
        DataSetError: Too many of the samples cannot be used.
    """
    maps: dict[int, Depth] = {}
    for sample in samples(one):
        height, width = sample.size
        planes, rows, _ = sample.planes.shape
        columns = width * (rows // height)  # larger than the map's where pixels are binned
        reference = reference_index('middle', planes)
        window = Window(sample.planes, Geometry(rows, columns), 0, 1, reference, reference)
        grey = preview.render(window, 'interval')
        picture = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        found = model(np.repeat(picture[..., None], 3, axis=2))
        if relative:
            found = 1 / np.maximum(found, max(LEAST_SHARE * float(np.nanmax(found)), 1e-30))
        else:
            found = found * np.float32(canonical_fx / sample.fx)
        maps[sample.number] = found.astype(np.float32)

    def predictor(batch: Batch) -> Estimate:
        depth = np.stack([maps[number] for number in batch.index.tolist()])
        return Estimate(depth, np.full_like(depth, np.nan))

    return predictor
