# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``adapt``: a checkpoint for one's own camera, from unlabelled recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from spike_training.adaptation import run
from spike_training.errors import ConfigError


def adapt(
    recordings: Path | Sequence[Path],
    out: Path,
    checkpoint: Path = Path('unet_lite'),
    size: str = '400x250',
    rate_hz: float = 20_000.0,
    minutes: float = 30.0,
    config: Path = run.CONFIG,
    device: Literal['auto', 'cpu', 'cuda'] = 'auto',
    flat: Path | None = None,
    dark: Path | None = None,
) -> None:
    """Adapt a network of depth to unlabelled recordings of one camera, and judge the result.

    Faulty pixels, response and dark current of the sensor are corrected first. Generated scenes
    are simulated as the recording's camera sees; the network learns from these, then from the
    recording itself. After each rung a gate without labels compares it with the old
    network on a held-back part of the recording: docs/adapt.md. A file is written only if the
    verdict is improved. The folder beside it holds adapt.json, and resumes an interrupted
    adaptation with the same command.

    Args:
        recordings: Bags, .dat files or folders of these, of one camera, 5 s or more in all;
            several as '[FIRST, SECOND]'.
        out: The .safetensors file to write; an existing one is refused.
        checkpoint: The .safetensors file to adapt, or the name of a shipped model.
        size: Width and height of the sensor, pixels, of .dat files and bags without camera_info.
        rate_hz: Plane rate of .dat files.
        minutes: Duration, about.
        config: Settings of the rungs.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        flat: Recording of a uniform bright picture: the response of the pixels is measured.
        dark: Recording with the lens covered: the dark current is measured.
    """
    if out.suffix != '.safetensors':
        raise ConfigError(f'out is {out}: expected a .safetensors file')
    if out.exists():
        raise ConfigError(f'out is {out}, which exists: choose another one')
    if not 0 < minutes < 1e5:
        raise ConfigError(f'minutes is {minutes:g}: expected above 0')
    if not 0 < rate_hz < math.inf:
        raise ConfigError(f'rate_hz is {rate_hz:g}: expected above 0')
    paths = [recordings] if isinstance(recordings, Path) else [*recordings]
    run.run(paths, out, checkpoint, config, size, rate_hz, minutes, device, flat, dark)
