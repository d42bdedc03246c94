# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``evaluate``: scores of checkpoints and third-party depth maps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.values import INSIDE, Count
from spike_depth_ros.tools.arguments import PerMetre
from spike_training.choices import MEAN_RATE, Device
from spike_training.cpu import configure_cpu
from spike_training.errors import ConfigError
from spike_training.settings.config import RunConfig, check
from spike_training.settings.reading import load_config
from spike_training.teacher import find_teacher

ONE_OF_FOUR = 'checkpoint, predictions, teacher or inputs_only: expected one of the four'


@checked(ConfigError)
def evaluate(
    config: Path,
    out: Path,
    checkpoint: Path | None = None,
    predictions: Path | None = None,
    teacher: Path | None = None,
    inputs_only: bool = False,
    maps: Path | None = None,
    data: dict[str, str] | None = None,
    samples: Count | None = None,
    planes: int | Sequence[int] = (),
    mean_rate: Annotated[float, INSIDE] = MEAN_RATE,
    per_metre: PerMetre | None = None,
    device: Device = 'auto',
    threads: int = 0,
) -> None:
    """Score a checkpoint, or third-party depth maps, beside controls; or write the inputs of both.

    Without data the test scenes of the config are scored: generated scenes, or its recordings.
    With data, data sets are scored; spikes are simulated from frames, unless a set has spikes.

    A network of pictures (task image) is scored by PSNR and SSIM, beside estimates without
    learning; recordings also without truth, by planes held out: docs/tasks/pictures.md.

    The controls of depth: median-depth baseline, each pixel's median depth over training scenes;
    shuffled input, the depth predicted from another sample's spikes; mean prediction, each pixel's
    mean predicted depth over the samples. The first lines name those that are not beaten.

    Third-party depth maps are of the samples that inputs_only writes with the same config, data,
    samples, planes and mean_rate: see docs/reference/third_party_maps.md.

    A network of spikes and a frame (task fused) is scored on generated scenes by what is wrong
    with either of them.

    A network that enlarges depth maps (task upsample) is scored on generated scenes, or on a
    folder of maps, beside enlargement without learning: docs/tasks/enlarge_maps.md.

    A config with evaluate.stereo scores depth from two cameras on data sets of pairs: matching,
    one camera, matching that one camera fills, and a network that matches:
    docs/tasks/two_cameras.md.

    Args:
        config: The config.yaml of a run or of inputs, or a config: its test scenes, the size of
            images, the plane rate, and the scenes of the median-depth baselines.
        out: The report to write, JSON, its folder is made if missing; with inputs_only a folder,
            refused unless empty.
        checkpoint: The .safetensors file, or the name of a shipped model. Give this, predictions,
            teacher or inputs_only. Of two cameras it is the network of one, the shipped one if not
            given; or a network that matches (task stereo), which gets rows of its own.
        predictions: Folder of depth maps, one for each sample: NAME.npy or .npz (depth and, if
            there is one, uncertainty: the half-width of the 68 % interval) of floats in metres
            along the optical axis, or NAME.png of uint16.
        teacher: Folder of a foundation model, as label takes it: a control, which sees pictures of
            the spikes (interval). One of relative depth is scored after a fit of scale and shift
            of 1 / depth to each image.
        inputs_only: Score nothing; write the samples without their truth: the spikes of each in
            NAME.npz, their names and sizes in index.csv, and config.yaml.
        maps: With a checkpoint of the task upsample: folder of full-size maps, test_gt/NAME.png,
            with their small maps, testx8/NAME.png for a factor of 8; PNG of 8 bits. See
            docs/reference/data_sets.md. No scenes are generated.
        data: Data sets by name: --data.kitti PATH --data.sevenscenes PATH. Options of their
            readers follow the path: --data.tum PATH,per_metre=5000. A set with another name than
            its reader also gives the reader: --data.office folder:PATH. See
            docs/reference/data_sets.md.
        samples: Test scenes of each style, or labelled frames of each data set, spread over its
            recordings; as the config's evaluate.scenes if not given.
        planes: Length of the windows, or a list; those of the config if not given. Of data sets
            the first one; if not given, that of the checkpoint or the middle one of the config.
        mean_rate: With data: share of the planes in which a pixel of simulated spikes fires, on
            average over an image.
        per_metre: Stored value of one metre in maps of uint16, of which 0 is no prediction: 1000
            for millimetres.
        device: cpu, cuda, or auto: a GPU if torch finds one. Scenes made on another kind of
            device may differ in single spikes.
        threads: CPU threads of torch; 0: those of the config.

    Raises:
        ConfigError: The settings are wrong, or the folder of inputs is not empty.
        CheckpointError: The checkpoint cannot be used.
        DataSetError: A data set or the folder of maps cannot be used, or none of the depth maps.
    """
    if maps is not None:
        _check_maps(
            checkpoint, predictions=predictions, teacher=teacher, inputs_only=inputs_only or None,
            data=data or None, samples=samples, planes=planes or None, per_metre=per_metre,
            mean_rate=None if mean_rate == MEAN_RATE else mean_rate,
        )  # fmt: skip
    given = (checkpoint, predictions, teacher, inputs_only or None)
    chosen = sum(one is not None for one in given)
    if chosen > 1:
        raise ConfigError(ONE_OF_FOUR)
    if per_metre is not None and predictions is None:
        raise ConfigError('per_metre is given: expected it with predictions alone')
    planes = [planes] if isinstance(planes, int) else [*planes]
    settings = with_changes(config, planes, None if data else samples, threads)
    if maps is not None and settings.evaluate.stereo is not None:
        raise ConfigError('maps is given: expected a config without evaluate.stereo')
    if settings.evaluate.stereo is not None:
        _check_stereo(data or {}, any(one is not None for one in given[1:]), mean_rate)
    elif not chosen:
        raise ConfigError(ONE_OF_FOUR)
    files = None if teacher is None else find_teacher(teacher, 'used for a score alone')
    configure_cpu(settings.threads)
    from spike_training.runs.scoring import score

    score(
        settings, out, checkpoint=checkpoint, predictions=predictions, teacher=files, maps=maps,
        data=data or {}, samples=samples, planes=planes, mean_rate=mean_rate, per_metre=per_metre,
        device=device,
    )  # fmt: skip


def _check_maps(checkpoint: Path | None, **others: object) -> None:
    """Refuse options that do not fit the evaluation on a folder of maps."""
    if given := [name for name, value in others.items() if value is not None]:
        raise ConfigError(f'maps is given with {", ".join(given)}: expected checkpoint alone')
    if checkpoint is None:
        raise ConfigError('maps is given without checkpoint: expected a network to score')


def _check_stereo(data: Mapping[str, str], of_others: bool, mean_rate: float) -> None:
    """Refuse options that do not fit the evaluation of two cameras."""
    if of_others:
        raise ConfigError(
            'predictions, teacher or inputs_only given: expected none with evaluate.stereo, which '
            'scores two cameras'
        )
    if mean_rate != MEAN_RATE:
        raise ConfigError(
            'mean_rate is given: expected evaluate.stereo.mean_rates of the config instead'
        )
    if not data:
        raise ConfigError(
            'no data set: expected one of pairs with evaluate.stereo, such as --data.middlebury '
            'PATH'
        )


def with_changes(
    config: Path, planes: Sequence[int], samples: int | None, threads: int = 0
) -> RunConfig:
    """Load a config; windows, number of test scenes and threads replace its own if given.

    Raises:
        ConfigError: The settings are invalid; the message lists all problems.
    """
    settings = load_config(config)
    settings.threads = threads or settings.threads
    if planes:
        settings.data.planes = list(planes)
        if settings.target is not None:
            settings.target.planes = None  # those of data
    if samples is not None:
        sizes = settings.evaluate
        # Whole batches, of the baselines' scenes too.
        sizes.scenes, sizes.batch_size = samples, math.gcd(samples, sizes.batch_size)
    check(settings)
    return settings
