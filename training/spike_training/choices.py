# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values of options and settings; apart from what they choose, which takes seconds to import."""

from typing import Literal

Device = Literal['auto', 'cpu', 'cuda']
Interpolation = Literal['flow', 'linear']
SensorName = Literal['ideal', 'vidar_car', 'uhsr', 'noise_maps']
Split = Literal['train', 'calibration', 'test']
Style = Literal['indoor', 'road', 'home', 'outdoor', 'hall', 'office']
Transform = Literal['aspect', 'authors']

ADABN_BATCHES = 30
ADABN_BATCH_SIZE = 16
"""Batches from which AdaBN estimates statistics, and windows of each, if not given."""

LARGEST_SEED = (1 << 31) - 1
"""Largest seed; the scenes of a target have those above."""

LONGEST_BIN = 126
"""Planes of a bin of simulated spikes at most: their charge, and the one left, fit into int32."""

MEAN_RATE = 0.2
"""Share of the planes in which a pixel fires, on average over an image, if not given."""
