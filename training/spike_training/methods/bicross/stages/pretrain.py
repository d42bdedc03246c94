# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Supervised training of one network, on spikes (the baseline Pre_src) or RGB (the teacher)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spike_training.evaluation.predictors import predict
from spike_training.learning.supervised_stage import SupervisedStage
from spike_training.sampling.sample import Batch


class Pretrain(SupervisedStage):
    """Stage with the loss L_sup + L_unc (Liu et al., BiCross, Eq. 5 on labels, and Eq. 2)."""

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw the input, true depth, predicted depth and predicted relative error."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        output = predict(self.network, batch, self.config.input)
        show = Panels(self.model)
        return show.sheet(
            [
                show.input(batch.counts, batch.rgb if self.config.input == 'rgb' else None),
                show.depth(self.supervision.label(batch).depth, 'truth'),
                show.depth(output.depth, 'depth'),
                show.uncertainty(output.uncertainty, 'uncertainty'),
            ]
        )
