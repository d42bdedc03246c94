# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``translate``: pictures in another look, by a trained translator."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import Count, Number
from spike_training.choices import Device
from spike_training.cpu import configure_cpu
from spike_training.disk import check_new, make_folder
from spike_training.errors import ConfigError


@checked(ConfigError)
def translate(
    checkpoint: Path,
    data: dict[str, str],
    out: Path,
    camera: Literal['left', 'right'] = 'left',
    planes: Count = 128,
    every: Count = 1,
    device: Device = 'auto',
    threads: Number = 0,
) -> None:
    """Give pictures or recordings another look, by a checkpoint of the task translation.

    Writes OUT/RECORDING/images/*.png, at the size of the translator's training, and K.txt beside
    where the camera is known: the reader 'folder' reads them with depth=none. Recordings of spikes
    are seen as pictures of their firing rates. To train a translator: docs/method/translation.md.

    Args:
        checkpoint: Checkpoint of a translator, .safetensors.
        data: Data sets by name: --data.folder PATH,depth=none. Options of their readers follow the
            path. See docs/reference/data_sets.md.
        out: Folder to write to, a new one.
        camera: Camera of pairs whose pictures are translated: left or right.
        planes: Planes of the window of each picture of a recording of spikes.
        every: Translate every Nth picture.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        threads: CPU threads; 0: one per core.

    Raises:
        ConfigError: A setting cannot be used, or the folder exists.
        CheckpointError: The file is damaged, or of another task.
        DataSetError: A data set cannot be used, or its pictures are of another kind or size than
            the translator takes.
    """
    check_new(out, overwrite=False)
    if not data:
        raise ConfigError('no data set is given: expected one or more, --data.NAME PATH')
    configure_cpu(threads)
    from spike_depth_ros.base.results import UnfinishedFolder, place_result
    from spike_depth_ros.checkpoint import load
    from spike_depth_ros.tasks.translation import TranslationInfo
    from spike_training.datasets import readers
    from spike_training.engine.fabric import choose_device
    from spike_training.evaluation.predictors import build_for_evaluation
    from spike_training.run_data.translated import translate_clip

    info, weights = load(checkpoint, TranslationInfo)
    place = choose_device(device)
    translator = build_for_evaluation(info, weights, place)
    clips = [clip for name, where in data.items() for clip in readers.read(name, where)]
    make_folder(out.parent)
    with UnfinishedFolder(out.parent) as name:
        made = Path(name) / out.name
        for clip in clips:
            number, left_out = translate_clip(
                clip, translator, info, made / clip.name, camera, planes, every, place
            )
            note = f', {left_out} left out' if left_out else ''
            print(f'{clip.name}: {number} pictures{note}', flush=True)
        place_result(made, out, False)
    print(f'{out}: {info.takes} in the look of {info.gives}')
