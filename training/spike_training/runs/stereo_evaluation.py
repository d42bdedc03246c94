# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of depth from two cameras on data sets of pairs."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spike_depth_ros.checkpoint import find_checkpoint, load_info
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.stereo.network import StereoNetwork
from spike_depth_ros.stereo.sgbm import SgbmMatcher, SgbmSettings
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.datasets import readers
from spike_training.errors import DataSetError
from spike_training.evaluation.report import FORMAT
from spike_training.evaluation.stereo import score_pairs
from spike_training.evaluation.stereo_pairs import PairsOf
from spike_training.sensor.parameters import SENSORS
from spike_training.settings.config import RunConfig
from spike_training.simulation.still_pairs import PairCamera


def evaluate_stereo(
    config: RunConfig,
    data: Mapping[str, str],
    checkpoint: Path | None,
    samples: int,
    planes: int,
    device: torch.device,
) -> dict[str, Any]:
    """Evaluate matching beside a network of one camera and filled by it; return the report.

    Args:
        config: Config with ``evaluate.stereo``.
        data: Path and reader's options of each data set by its name, see :func:`readers.read`.
        checkpoint: The network of one camera, or one that matches (task ``stereo``), which gets
            rows of its own; None: the shipped one of one camera.
        samples: Pairs of each data set, at most.
        planes: Length of the windows.
        device: Device of the network.

    Raises:
        CheckpointError: The checkpoint cannot be used.
        DataSetError: A data set cannot be used, or has no pairs.
    """
    stereo = config.evaluate.stereo
    assert stereo is not None
    network: StereoNetwork | None = None
    path = find_checkpoint(checkpoint)
    if 'disparity' in load_info(path, CheckpointInfo).outputs:
        network = StereoNetwork.from_checkpoint(path, device.type, 'torch', config.threads)
        checkpoint = None
    # Every pixel is scored.
    mono = DepthEstimator.from_checkpoint(
        checkpoint, device.type, 'torch', threads=config.threads, max_pixels=sys.maxsize
    )
    matcher = SgbmMatcher(0, stereo.disparities, SgbmSettings())
    camera = PairCamera(planes, config.data.rate_hz, SENSORS[stereo.sensor], config.seed)
    sets = {}
    for name, where in data.items():
        clips = readers.read(name, where)
        pairs = PairsOf(clips, camera, stereo.mean_rates, samples)
        rows = score_pairs(pairs, mono, matcher, network)
        if not rows:
            reason = next(iter(pairs.skipped))
            raise DataSetError(f'{name}: none of its pairs can be used: {reason}')
        sets[name] = {
            'title': name,
            'rows': rows,
            'skipped': pairs.skipped,
            'left_out_by_reader': {clip.name: clip.skipped for clip in clips if clip.skipped},
        }
    return {
        'format': FORMAT,
        'task': 'stereo',
        'weights_sha256': mono.info.weights_sha256,
        'matching_sha256': None if network is None else network.info.weights_sha256,
        'seed': config.seed,
        'planes': planes,
        'rate_hz': config.data.rate_hz,
        'sensor': stereo.sensor,
        'disparities': stereo.disparities,
        'sgbm': dataclasses.asdict(matcher.settings),
        'sets': sets,
    }
