# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``adapt``: a checkpoint for one's own camera, from unlabelled recordings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.locks import lock_folder
from spike_depth_ros.base.values import Check, file_of
from spike_depth_ros.tools.arguments import Amount, Baseline, FocalLength, PlaneRate
from spike_training.adaptation import CONFIG, STEREO_CONFIG
from spike_training.adaptation.second_eye import SecondEye
from spike_training.choices import Device
from spike_training.disk import check_new
from spike_training.errors import ConfigError

Minutes = Annotated[float, Check(lambda value: 0 < value < 1e5, 'above 0 and below 100000')]


@checked(ConfigError)
def adapt(
    out: Annotated[Path, file_of('.safetensors')],
    recordings: Path | Sequence[Path] | None = None,
    checkpoint: Path = Path('unet_lite'),
    size: str = '400x250',
    rate_hz: PlaneRate = 20_000.0,
    topic: str = 'spikes',
    minutes: Minutes = 30.0,
    config: Path | None = None,
    device: Device = 'auto',
    flat: Path | None = None,
    dark: Path | None = None,
    watch: str = '',
    watch_seconds: Amount = 10.0,
    watch_gb: Amount = 4.0,
    swap: str = '',
    overwrite: bool = False,
    right: str | Sequence[str] = '',
    baseline: Baseline | None = None,
    fx: FocalLength | None = None,
    camera_info: Path | None = None,
    right_camera_info: Path | None = None,
) -> None:
    """Adapt a network of depth to unlabelled recordings of one camera, and test the result.

    Faulty pixels, response and dark current of the sensor are corrected first. Generated scenes
    are simulated as the recording's camera sees; the network learns from these, then from the
    recording itself. An acceptance test without labels compares each candidate with the old
    network on a held-back part of the recording: docs/tasks/adapt.md. A file is written only if
    the verdict is improved. The folder beside it holds adapt.json and its page, adapt.html, and
    resumes an interrupted adaptation with the same command. Recordings of a second camera, to the
    right of the first one, teach metres; the adapted network needs one camera.

    Args:
        out: The .safetensors file to write; an existing one is refused without overwrite.
        recordings: Bags, .dat files or folders of these, of one camera, 5 s or more in all;
            several as '[FIRST, SECOND]'.
        checkpoint: The .safetensors file to adapt, or the name of a shipped model.
        size: Width and height of the sensor, pixels, of .dat files and bags without camera_info.
        rate_hz: Plane rate of .dat files.
        topic: Topic of spikes in bags, its full name or the end of it.
        minutes: Duration, about.
        config: Settings of the candidates; configs/adapt.yaml by default, with a second camera
            adapt_stereo.yaml.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        flat: Recording of a uniform bright picture: the response of the pixels is measured.
        dark: Recording with the lens covered: the dark current is measured.
        watch: Topic of spikes to record and adapt to, instead of recordings; needs ROS 2.
        watch_seconds: Duration of that recording, seconds.
        watch_gb: Largest size of that recording, GB.
        swap: Running depth node that gets the new file as its checkpoint if the verdict is
            improved, such as /spike_depth; needs ROS 2.
        overwrite: Replace an existing file, if the verdict is improved.
        right: Right eye: the .dat file, or folder of these under the same names, of each of the
            recordings, in their order; of bags, and with watch, the topic of its spikes.
        baseline: Distance from the left to the right camera, metres.
        fx: Focal length of both cameras, pixels, where the recording does not have it.
        camera_info: Calibration of the left camera, in place of baseline and fx. Bags have those
            of both cameras, which are used unless others are given.
        right_camera_info: Calibration of the right camera.
    """
    check_new(out, overwrite)
    if (recordings is None) == (not watch):
        raise ConfigError('expected either recordings or watch: files, or a running topic')
    paths = [recordings] if isinstance(recordings, Path) else [*(recordings or ())]
    if not (paths or watch):
        raise ConfigError('recordings is empty: expected one or more')
    eye = _second_eye(
        [right] if isinstance(right, str) else [*right],
        {'baseline': baseline, 'fx': fx, 'camera_info': camera_info,
         'right_camera_info': right_camera_info},
        {'flat': flat, 'dark': dark},
    )  # fmt: skip
    if config is None:
        config = CONFIG if eye is None else STEREO_CONFIG
    folder = out.with_suffix('')
    print(f'{folder}: start; about {minutes:g} min left', flush=True)  # torch takes seconds
    with lock_folder(folder):
        from spike_training.adaptation import ros_commands, run, schedule

        if not paths:
            run.prepare(config, checkpoint, out, eye)  # before gigabytes are recorded
            if (folder / run.SETTINGS).exists() and not (folder / ros_commands.RECORDING).exists():
                raise ConfigError(
                    f'{folder} holds an adaptation to other recordings: choose another --out'
                )
            if not (folder / run.BUDGET).exists():
                schedule.Schedule(folder, minutes).check(schedule.LEAST_S)
            also = '' if eye is None else eye.topic
            paths = [ros_commands.record(watch, folder, watch_seconds, watch_gb, also)]
        arguments = run.Arguments(
            paths, checkpoint, config, minutes, size, rate_hz, watch or topic, flat, dark, eye
        )
        run.run(arguments, out, device, swap)


def _second_eye(
    right: Sequence[str], calibration: Mapping[str, Any], of_one: Mapping[str, Path | None]
) -> SecondEye | None:
    """Return the second eye of the options, None without one.

    Args:
        right: Its recordings, or the topic.
        calibration: Options of both cameras, by name.
        of_one: Options of a single camera, by name.

    Raises:
        ConfigError: The options do not go together.
    """
    given = [name for name, value in calibration.items() if value is not None]
    if not any(right):
        if given:
            raise ConfigError(
                f'{" and ".join(given)} without right: expected the recording of the right eye'
            )
        return None
    for name, value in of_one.items():
        if value is not None:
            raise ConfigError(
                f'{name} is {value}: expected none with right, as the sensors of two eyes are not '
                'corrected'
            )
    return SecondEye(tuple(right), **calibration)
