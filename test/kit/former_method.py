# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A method as users wrote it for version 0.1.0, with its checks in ``problems``."""

from dataclasses import dataclass

from spike_training.settings.config import StageConfig
from spike_training.settings.method import Method
from spike_training.settings.ranges import above, at_least


@dataclass
class FormerConfig(StageConfig):
    """Kind former.

    Attributes:
        weight: Of the uncertainty's error.
        limit: Of nothing.
    """

    implementation = 'kit.toy_method:Toy'
    summary = 'learns as the toy'

    kind: str = 'former'
    weight: float = 0.5
    limit: float = 1.0

    def problems(self):
        """Yield the problems of the settings, by the setting's name."""
        yield from super().problems()
        yield from at_least(self, 0, 'weight')
        yield from above(self, 0, 'limit')


METHOD = Method((FormerConfig,))
