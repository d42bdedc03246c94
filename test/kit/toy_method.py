# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training method that the package does not know: the error of log-depth, on labelled spikes."""

from dataclasses import dataclass

import numpy as np

from spike_depth_ros.base.values import NotNegative
from spike_training.engine.stage import Stage
from spike_training.evaluation.predictors import canonical_depth, predict
from spike_training.settings.config import StageConfig
from spike_training.settings.method import Method, ScalarChart


@dataclass
class ToyConfig(StageConfig):
    """Kind toy."""

    implementation = f'{__name__}:Toy'
    summary = 'learns log-depth as a toy'

    kind: str = 'toy'
    weight: NotNegative = 0.5
    """Weight of the uncertainty's error."""


class Toy(Stage):
    def __init__(self, network, config, model):
        super().__init__()
        self.network, self.config, self.model = network, config, model

    @property
    def deployable(self):
        return self.network

    def forward(self, batch, phase):
        output = predict(self.network, batch, 'spikes')
        truth = canonical_depth(batch, self.model.canonical_fx)
        truth = truth.nan_to_num(nan=1.0).clamp(self.model.min_depth, self.model.max_depth)
        error = (output.depth.log() - truth.log()).abs()
        unsure = (output.uncertainty - error.detach()).abs().mean()
        return {'loss': error.mean() + self.config.weight * unsure, 'unsure': unsure.detach()}

    def warnings(self, figures):
        return ['the toy is unsure'] if figures['unsure'] > 0 else []

    def picture(self, batch):
        depth = predict(self.network, batch, 'spikes').depth[0, 0].cpu().numpy()
        return np.repeat((255 * depth / self.model.max_depth).astype(np.uint8)[..., None], 3, 2)


METHOD = Method((ToyConfig,), (ScalarChart('How unsure the toy is', 'error', {'unsure': ''}),))
