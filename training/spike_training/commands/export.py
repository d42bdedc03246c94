# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``export``: a checkpoint with its .onnx file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import file_of
from spike_training.errors import ConfigError


@checked(ConfigError)
def export(
    out: Annotated[Path, file_of('.safetensors')],
    architecture: str = 'dpt_tiny',
    seed: int = 0,
    checkpoint: Path | None = None,
    calibrate: Path | None = None,
) -> None:
    """Write a checkpoint with its .onnx export, and compare the two.

    The same seed and versions give the same bytes.

    Args:
        out: The .safetensors file to write; the .onnx file goes beside it.
        architecture: Network to initialise with random weights.
        seed: Seed of the random weights.
        checkpoint: Export this checkpoint's weights instead.
        calibrate: The config.yaml of a run: fit the factor of the uncertainty anew, on its
            calibration scenes, which are used neither for training nor for testing.

    Raises:
        ConfigError: The settings in that file are wrong.
        CheckpointError: The architecture is unknown, the checkpoint cannot be used, or the export
            differs from the network.
    """
    if checkpoint is None and out.exists():
        raise ConfigError(
            f'{out} exists: expected another out for random weights, or --checkpoint {out} to '
            'export what it holds'
        )
    from spike_training.runs import export

    export.export(out, architecture, seed, checkpoint, calibrate)
