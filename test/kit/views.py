# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources, and targets that see them through a known view."""

from spike_training.sampling.procedural import ProceduralSource
from spike_training.sampling.shifted import Optics, ShiftedSource

SIZE = {'height': 64, 'width': 96, 'planes': (128,), 'rate_hz': 20_000.0, 'bins': 8}
ROADS = {'styles': ('road',), 'split': 'train', **SIZE}
QUICK = {'windows': 32, 'target_windows': 64, 'trials': 160, 'restarts': 1}
FEW = {'windows': 32, 'target_windows': 32, 'trials': 12, 'restarts': 1}


def labelled():
    """Samples of the source."""
    return ProceduralSource(seed=0, **ROADS).samples(range(64))


def target_of(optics, fog_m=None, styles=('road',), seed=0, windows=64):
    """Windows of the target; by the same seed, of the same scenes as the source."""
    given = {**ROADS, 'styles': styles}
    return ShiftedSource(optics, fog_m, seed=seed, **given).samples(range(windows)).unlabelled()


def seen_flat():
    """Windows of less contrast, with dark corners."""
    return target_of(Optics(contrast=0.5, vignette=0.6))
