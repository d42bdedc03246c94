# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of ``evaluate_bag``: evaluates, writes the results and prints them."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from spike_depth_ros.base.errors import check_link
from spike_depth_ros.base.results import old_results, replace_results
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.evaluation.evaluate import Estimator, Options, evaluate, labels
from spike_depth_ros.evaluation.intervals import LEVEL
from spike_depth_ros.evaluation.metrics import PUBLISHED, EvalProtocol, Mean
from spike_depth_ros.evaluation.odometry import MotionSettings
from spike_depth_ros.evaluation.output_bag import OutputBag
from spike_depth_ros.evaluation.report.headings import FIGURES, STRUCTURE
from spike_depth_ros.evaluation.report.render import compared, render, warnings
from spike_depth_ros.evaluation.results import (
    RESULTS,
    ModelRun,
    Stream,
    control_lines,
    differences,
    is_result,
    metrics_report,
    timing,
    write_json,
)
from spike_depth_ros.evaluation.truth import Mask
from spike_depth_ros.fusion.frames import FrameSettings
from spike_depth_ros.geometry.floor import CameraPose
from spike_depth_ros.io.arrays import ArrayFileError, open_picture, reading
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.orientation import check_upright
from spike_depth_ros.io.topics import NONE
from spike_depth_ros.motion.odometry import IDENTITY
from spike_depth_ros.pages.blocks import Table, numbers
from spike_depth_ros.pages.terminal import print_table
from spike_depth_ros.stereo.estimator import MIN_DEPTH_M, StereoEstimator
from spike_depth_ros.tools.evaluate.command import EvaluateOptions

OUTPUT_BAG = 'bag'
"""Name of the new bag in the output folder."""

_OF_ONE = (
    *('camera_info', 'size', 'no_rectify'),
    *('camera_height_m', 'camera_pitch_rad', 'camera_roll_rad', 'odometry', 'camera_pose'),
)
_OF_PAIRS: tuple[str, ...] = ('fill', 'min_depth_m')
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def protocol(options: EvaluateOptions) -> tuple[EvalProtocol, Mean]:
    """Return protocol and mean of the command line.

    Raises:
        BagError: A named protocol and a part of one contradict each other.
    """
    parts = {'--crop': options.crop, '--cap': options.cap, '--align': options.align}
    if options.protocol:
        given = [name for name, value in {**parts, '--mean': options.mean}.items() if value]
        if given:
            raise BagError(
                f'--protocol {options.protocol} sets crop, cap, alignment and mean: leave out '
                f'{", ".join(given)}'
            )
        return PUBLISHED, 'images'
    chosen = EvalProtocol(options.crop or 'none', options.cap, options.align or 'none')
    return chosen, options.mean or 'pixels'


def read_mask(path: Path | None) -> Mask | None:
    """Read the mask of scored pixels, ``[H, W]`` bool: those that are not 0 in the picture.

    Raises:
        BagError: The file is not a picture.
    """
    if path is None:
        return None
    try:
        with reading(path), open_picture(path) as image:
            grey = image.mode in ('1', 'L', 'I', 'F') or image.mode.startswith('I;16')
            levels = np.asarray(image if grey else image.convert('RGB'))
            check_upright(image)
            return levels > 0 if levels.ndim == 2 else levels.any(axis=2)
    except ArrayFileError as error:
        raise BagError(f'--mask {error}') from error


def run(options: EvaluateOptions) -> None:
    """Evaluate and write the results.

    Args:
        options: From ``spike_depth_ros.tools.evaluate.command.argument_parser``.

    Raises:
        ValueError: The bag, the models or the options cannot be used.
        OSError: A file cannot be read or written.
    """
    started = time.monotonic()
    # Names are not markup.
    console = Console(markup=False, highlight=False)
    bag = Bag(options.bag)
    settings = _settings(options, bag)
    models = _models(options)
    _make_folder(options)
    try:
        with replace_results(options.out, RESULTS, is_result) as folder:
            stream, runs = _evaluate(bag, models, settings, options, folder, console)
            write_json(folder / 'metrics.json', metrics_report(stream, runs))
            write_json(folder / 'timing.json', timing(runs, time.monotonic() - started))
            (folder / 'report.html').write_text(render(stream, runs), encoding='utf-8')
    except BaseException as error:
        if old_results(options.out, RESULTS, is_result):
            print(f'the earlier results in {options.out} are kept', file=sys.stderr)
        if isinstance(error, OSError) and error.errno in _NO_SPACE:
            raise BagError(
                f'--out {options.out}: {error.strerror}: the results do not fit there; free '
                'space or choose another folder'
            ) from error
        raise
    show(stream, runs, options.out, console)


def _evaluate(
    bag: Bag,
    models: Sequence[tuple[str, Estimator]],
    settings: Options,
    options: EvaluateOptions,
    folder: Path,
    console: Console,
) -> tuple[Stream, list[ModelRun]]:
    """Evaluate with a progress line; write windows and the new bag to a folder."""
    with contextlib.ExitStack() as stack:
        new_bag = None
        if options.write_bag:
            # Depth of two cameras lies beside both of their namespaces, as of the node.
            above = 1 if settings.right is None else 2
            namespace = settings.topics.spikes.rsplit('/', above)[0]
            path = folder / OUTPUT_BAG
            new_bag = stack.enter_context(OutputBag(path, bag, namespace, options.write_bag))
        columns = (SpinnerColumn(), TextColumn('{task.completed} windows'), TimeElapsedColumn())
        progress = stack.enter_context(
            Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        )
        task = progress.add_task('windows')
        stream, runs = evaluate(
            bag,
            models,
            settings,
            folder,
            new_bag,
            lambda windows: progress.update(task, completed=windows),
        )
    if new_bag is not None:
        stream.warnings += [
            f'{name} was not copied to the new bag: its type is not known'
            for name in new_bag.skipped
        ]
    return stream, runs


def _make_folder(options: EvaluateOptions) -> None:
    """Make the folder of the results."""
    out: Path = options.out
    if out.resolve() == options.bag.resolve():
        raise BagError(f'--out {out}: is the bag; choose another folder')
    if options.write_bag and (out / OUTPUT_BAG).exists():
        raise BagError(
            f'{out / OUTPUT_BAG}: exists and is not overwritten: remove it, or choose another '
            '--out'
        )
    try:
        check_link(out)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(f'--out {out}: the folder cannot be made: {error.strerror}') from error


def pose(options: EvaluateOptions) -> CameraPose | None:
    """Return the pose of the camera on the command line; None without its height.

    Raises:
        ValueError: An angle is out of its range, or there is one without a height.
    """
    angles = {'pitch': options.camera_pitch_rad, 'roll': options.camera_roll_rad}
    if options.camera_height_m is not None:
        return CameraPose(options.camera_height_m, *(angle or 0.0 for angle in angles.values()))
    if given := [f'--camera-{name}-rad' for name, angle in angles.items() if angle is not None]:
        raise BagError(f'{" and ".join(given)} without a height: give --camera-height-m')
    return None


def motion(options: EvaluateOptions) -> MotionSettings | None:
    """Return the settings of the correction by motion on the command line; None: there is none.

    Raises:
        BagError: There are two cameras, or an option of motion without it.
    """
    if options.refine == 'none':
        if given := [one for one in ('odometry', 'camera_pose') if vars(options)[one] is not None]:
            names = ' and '.join(f'--{one.replace("_", "-")}' for one in given)
            raise BagError(f'{names} without a correction: give --refine motion')
        return None
    if options.stereo:
        raise BagError('--refine motion with --stereo; expected of one camera: leave out either')
    if options.camera_pose is not None and options.odometry is None:
        raise BagError('--camera-pose without odometry: name its topic with --odometry')
    return MotionSettings(
        options.odometry,
        options.camera_height_m is None,  # else metres are those of the height
        options.camera_pose or IDENTITY,
        options.refine_delay_ms / 1e3,
    )


def _settings(options: EvaluateOptions, bag: Bag) -> Options:
    _check_pair_options(options)
    by_motion = motion(options)
    right = None
    if options.stereo:
        topics, right = bag.known.pair(options.spikes, options.truth)
    else:
        topics = bag.known.camera(options.spikes, options.camera_info, options.truth)
    image = FrameSettings(options.image_max_age_s, options.image_delay_s, options.image_flip)
    frames = bag.known.frames([one for one in (topics, right) if one], options.image)
    mask = read_mask(options.mask)
    if mask is not None and topics.truth is None:
        raise BagError('--mask without true depth: name its topic with --truth')
    scored, mean = protocol(options)
    return Options(
        topics=topics,
        right=right,
        frames=frames,
        image=image,
        frames_named=options.image not in (None, '', NONE),
        window=options.window,
        hop=options.hop,
        rate_hz=options.rate or 0.0,
        stamp_tolerance=options.stamp_tolerance,
        size=options.size,
        rectify=not options.no_rectify,
        pose=pose(options),
        motion=by_motion,
        filter_s=options.filter_temporal,
        min_depth_m=options.min_depth_m or MIN_DEPTH_M,
        protocol=scored,
        mean=mean,
        mask=mask,
    )


def _check_pair_options(options: EvaluateOptions) -> None:
    """Refuse options of one camera for two, and the other way round."""
    wrong = _OF_ONE if options.stereo else _OF_PAIRS
    given = [name for name in wrong if vars(options)[name] not in (None, False)]
    if given:
        names = ' and '.join(f'--{name.replace("_", "-")}' for name in given)
        if options.stereo:
            raise BagError(f'{names} with --stereo; expected of one camera: leave out either')
        raise BagError(f'{names} without --stereo; expected of two cameras: add it, or leave out')
    if options.fill == 'none' and options.model:
        raise BagError('--fill none: takes no network: leave out --model')


def _models(options: EvaluateOptions) -> list[tuple[str, Estimator]]:
    paths: list[Path | None] = [*options.model] if options.model else [None]
    if options.write_bag and len(paths) > 1:
        raise BagError(f'--write-bag with {len(paths)} models; expected one --model')
    min_depth_m = options.min_depth_m or MIN_DEPTH_M
    if options.fill == 'none':
        return [('stereo', StereoEstimator(None, min_depth_m))]
    size = options.size[::-1] if options.size else None  # the option is width x height
    networks = [
        (
            label,
            DepthEstimator.from_checkpoint(
                path, options.device, options.backend, options.threads, size=size
            ),
        )
        for label, path in zip(labels(paths), paths, strict=True)
    ]
    if options.stereo:
        return [(f'stereo_{label}', StereoEstimator(one, min_depth_m)) for label, one in networks]
    return [*networks]


def show(stream: Stream, runs: Sequence[ModelRun], out: Path, console: Console) -> None:
    """Print the main metrics and the path of the report."""
    for line in control_lines(runs):
        console.print(line, soft_wrap=True)
    scored = [one for one in runs if one.scores.errors.images]
    if scored:
        print_table(_table(scored))
    lines = [f'{one.label}: {one.scores.errors.headline(one.scores.mean)}' for one in scored]
    for other in scored[1:]:
        found = differences(scored[0], other)['abs_rel']
        difference, interval, better = compared('abs_rel', found, scored[0], other)
        lines.append(
            f'{other.label} less {scored[0].label}: AbsRel {difference} ({LEVEL:.0%} interval '
            f'{interval}): {better}{" is better" if found.excludes_zero else ""}'
        )
    lines += [
        f'{one.label}: {one.pairs.describe(one.scores.mean)}'
        for one in runs
        if one.pairs is not None
    ]
    lines.append(
        f'{stream.windows} windows, {stream.truth.used} with truth; '
        f'{stream.accounting.dropped} of {stream.accounting.expected} planes dropped'
    )
    lines += [f'warning: {text}' for text in warnings(stream, runs)]
    lines.append(f'report: {out / "report.html"}')
    for line in lines:
        console.print(line, soft_wrap=True)


def _table(runs: Sequence[ModelRun]) -> Table:
    names = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1')
    titles = (*(FIGURES[name] for name in names), *STRUCTURE.values(), 'AUSE ↓', '68 % holds')
    shown = (*names, *STRUCTURE, 'ause', 'interval_coverage')
    rows = [[one.label, *numbers(one.scores.headline(), shown)] for one in runs]
    return Table(['model', *titles], rows)
