# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``label``: depth labels of pictures by a foundation model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import Number
from spike_depth_ros.tools.arguments import OptionalFocalLength
from spike_training.choices import Device
from spike_training.cpu import configure_cpu
from spike_training.errors import ConfigError
from spike_training.labelling.settings import (
    FieldOfView,
    LabelSettings,
    Picture,
    Video,
    name_source,
)


@checked(ConfigError)
def label(
    out: Path,
    teacher: Path,
    licence: str,
    data: dict[str, str] | None = None,
    video: Path | None = None,
    fx: OptionalFocalLength = 0.0,
    hfov: FieldOfView = 0.0,
    picture: Picture = 'interval',
    every: int = 0,
    planes: int = 128,
    agreement: float = 0.1,
    device: Device = 'auto',
    threads: Number = 0,
) -> None:
    """Label pictures with depth by a foundation model, Depth Anything, from a local folder.

    Frames of data sets and videos become a folder for the reader 'folder', recordings of spikes
    windows for the reader 'npz'. A picture and its mirror image are both predicted; the label is
    their mean, unknown where they differ. Existing labels are not made again: run the same command
    to resume. OUT/labels.png shows some labels: look at it. See docs/tasks/label_video.md.

    Args:
        out: Folder to write to; made if missing.
        teacher: Folder of the model, as transformers stores one: config.json,
            preprocessor_config.json, model.safetensors. Nothing is downloaded.
        licence: Licence of the model's weights, such as Apache-2.0; kept with all that learns from
            the labels.
        data: Data sets by name: --data.folder PATH,depth=none. Options of their readers follow the
            path. See docs/reference/data_sets.md.
        video: A video file in place of data sets; give fx or hfov.
        fx: With a video: focal length in pixels.
        hfov: With a video: horizontal field of view in degrees.
        picture: What the model sees of recordings of spikes: interval, inter-spike intervals;
            learnt, the shipped network of pictures; frame, their own registered pictures.
        every: Of recordings of spikes: planes between two labelled windows, 1000 if not given, or
            between their own pictures, all of them if not given. Of frames and videos: label every
            Nth frame, all of them if not given.
        planes: Planes of the window that is written around each label of a recording.
        agreement: Largest difference of the two predictions of a pixel: as a share of the range of
            disparity; of a metric model relative to the metres.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        threads: CPU threads; 0: one per core.

    Raises:
        ConfigError: A setting cannot be used, or the folder holds other labels.
        DataSetError: A data set, the video or the model cannot be used.
        FolderLockError: Another run writes to the folder.
    """
    settings = LabelSettings(picture, every, planes, agreement)
    if bool(data) == (video is not None):
        raise ConfigError('expected either data sets, --data.NAME PATH, or a video, --video FILE')
    if video is None and (fx or hfov):
        raise ConfigError(
            'fx and hfov: expected them with a video; data sets have a camera matrix'
        )
    source = None if video is None else Video(video.expanduser(), fx, hfov)
    from spike_training.teacher import Teacher, find_teacher

    files = find_teacher(teacher, licence)
    configure_cpu(threads)
    from spike_depth_ros.base.locks import lock_folder
    from spike_depth_ros.runtime.backend import has_cuda
    from spike_training.datasets.labels import Labels
    from spike_training.datasets.readers import root_of
    from spike_training.disk import check_room
    from spike_training.engine.fabric import choose_device
    from spike_training.labelling.files import prepare_folder
    from spike_training.labelling.pictures import find_pictures
    from spike_training.labelling.run import label_all, print_summary, write_sheet
    from spike_training.progress import progress_bar

    if device == 'cuda' and not has_cuda():
        raise ConfigError('device is cuda: no GPU is found, expected cpu or auto')
    out = out.absolute()
    for name, where in (data or {}).items():
        # Readers that search folders would take the labels for recordings.
        if (root := root_of(name, where).resolve()) in (out.resolve(), *out.resolve().parents):
            raise ConfigError(f'{out}: lies in the data set {root}, expected a folder outside')
    recordings = find_pictures(data or {}, source, settings, out, device, threads)
    planned = sum(one.planned for one in recordings)
    present = sum(one.present for one in recordings)
    nbytes = sum((one.planned - one.present) * one.nbytes for one in recordings)
    name = files.folder.resolve().name
    print(
        f'{planned - present} labels by {name}, at most {nbytes / 1e6:.0f} MB; {present} are '
        'there already',
        flush=True,
    )
    if files.non_commercial:
        print(
            f'licence {files.licence}: the labels, and all that learns from them, are not for '
            'commercial use',
            flush=True,
        )
    if any(one.camera is None for one in recordings):
        print('camera matrix: unknown, left out; give fx where the labels are read', flush=True)
    model = Teacher(files, choose_device(device))
    labels = Labels(name, files.licence, files.sha256(), files.relative)
    with lock_folder(out), progress_bar() as progress:
        kept = dataclasses.asdict(settings) | {'source': name_source(data or {}, source)}
        prepare_folder(out, labels, kept)
        check_room(out, nbytes, 'or label fewer: --every')
        bar = progress.add_task('labels', total=planned - present)
        summary = label_all(recordings, model, labels, agreement, lambda: progress.advance(bar))
        if summary.shown:
            write_sheet(out, summary, labels)
    print_summary(out, summary, recordings)
