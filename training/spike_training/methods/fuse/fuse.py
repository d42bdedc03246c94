# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of a network of spikes and frames, either of which may be missing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spike_training.evaluation.predictors import predict
from spike_training.learning.supervised_stage import SupervisedStage
from spike_training.sampling.sample import Batch


class Fuse(SupervisedStage):
    """Stage with the losses of labels; what is damaged or missing comes with the batches."""

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw spikes, frame, true depth, predicted depth and predicted relative error."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        assert batch.frame is not None  # asked for by the settings
        output = predict(self.network, batch, 'spikes')
        show = Panels(self.model)
        return show.sheet(
            [
                show.spikes(batch.counts),
                show.images(batch.frame.nan_to_num(0), 'frame'),
                show.depth(self.supervision.label(batch).depth, 'truth'),
                show.depth(output.depth, 'depth'),
                show.uncertainty(output.uncertainty, 'uncertainty'),
            ]
        )
