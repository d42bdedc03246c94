# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``adapt``: a checkpoint for one's own camera, from unlabelled recordings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spike_depth_ros.folder_lock import lock_folder
from spike_depth_ros.stream.recording import MAX_RATE_HZ, MIN_RATE_HZ
from spike_training.adaptation import CONFIG
from spike_training.choices import Device
from spike_training.errors import ConfigError


def adapt(
    out: Path,
    recordings: Path | Sequence[Path] | None = None,
    checkpoint: Path = Path('unet_lite'),
    size: str = '400x250',
    rate_hz: float = 20_000.0,
    topic: str = 'spikes',
    minutes: float = 30.0,
    config: Path = CONFIG,
    device: Device = 'auto',
    flat: Path | None = None,
    dark: Path | None = None,
    watch: str = '',
    watch_seconds: float = 10.0,
    watch_gb: float = 4.0,
    swap: str = '',
    overwrite: bool = False,
) -> None:
    """Adapt a network of depth to unlabelled recordings of one camera, and test the result.

    Faulty pixels, response and dark current of the sensor are corrected first. Generated scenes
    are simulated as the recording's camera sees; the network learns from these, then from the
    recording itself. An acceptance test without labels compares each candidate with the old
    network on a held-back part of the recording: docs/adapt.md. A file is written only if the
    verdict is improved. The folder beside it holds adapt.json and its page, adapt.html, and
    resumes an interrupted adaptation with the same command.

    Args:
        out: The .safetensors file to write; an existing one is refused without overwrite.
        recordings: Bags, .dat files or folders of these, of one camera, 5 s or more in all;
            several as '[FIRST, SECOND]'.
        checkpoint: The .safetensors file to adapt, or the name of a shipped model.
        size: Width and height of the sensor, pixels, of .dat files and bags without camera_info.
        rate_hz: Plane rate of .dat files.
        topic: Topic of spikes in bags, its full name or the end of it.
        minutes: Duration, about.
        config: Settings of the candidates.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        flat: Recording of a uniform bright picture: the response of the pixels is measured.
        dark: Recording with the lens covered: the dark current is measured.
        watch: Topic of spikes to record and adapt to, instead of recordings; needs ROS 2.
        watch_seconds: Duration of that recording, seconds.
        watch_gb: Largest size of that recording, GB.
        swap: Running depth node that gets the new file as its checkpoint if the verdict is
            improved, such as /spike_depth; needs ROS 2.
        overwrite: Replace an existing file, if the verdict is improved.
    """
    if out.suffix != '.safetensors':
        raise ConfigError(f'out is {out}: expected a .safetensors file')
    if out.exists() and not overwrite:
        raise ConfigError(
            f'out is {out}, which exists: choose another one, or give --overwrite true'
        )
    if not 0 < minutes < 1e5:
        raise ConfigError(f'minutes is {minutes:g}: expected above 0 and below 100000')
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise ConfigError(
            f'rate_hz is {rate_hz:g}: expected a finite rate above 0, {MIN_RATE_HZ:g} to '
            f'{MAX_RATE_HZ:g}'
        )
    if (recordings is None) == (not watch):
        raise ConfigError('expected either recordings or watch: files, or a running topic')
    for name, value in (('watch_seconds', watch_seconds), ('watch_gb', watch_gb)):
        if not 0 < value <= 1e6:
            raise ConfigError(f'{name} is {value:g}: expected above 0, at most 1000000')
    paths = [recordings] if isinstance(recordings, Path) else [*(recordings or ())]
    if not (paths or watch):
        raise ConfigError('recordings is empty: expected one or more')
    folder = out.with_suffix('')
    print(f'{folder}: start; about {minutes:g} min left', flush=True)  # torch takes seconds
    with lock_folder(folder):
        from spike_training.adaptation import ros_commands, run

        if not paths:
            run.prepare(config, checkpoint, out)  # before gigabytes are recorded
            if (folder / run.SETTINGS).exists() and not (folder / ros_commands.RECORDING).exists():
                raise ConfigError(
                    f'{folder} holds an adaptation to other recordings: choose another --out'
                )
            paths = [ros_commands.record(watch, folder, watch_seconds, watch_gb)]
        arguments = run.Arguments(
            paths, checkpoint, config, minutes, size, rate_hz, watch or topic, flat, dark
        )
        run.run(arguments, out, device, swap)
