# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command ``evaluate_bag``: a bag and a model in, figures and a report out; no ROS needed."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from spike_depth_ros.arguments import count, not_negative, positive, sensor_size
from spike_depth_ros.bag import Bag, BagError
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.evaluation.evaluate import Options, evaluate, labels
from spike_depth_ros.evaluation.intervals import LEVEL
from spike_depth_ros.evaluation.lockstep import choose_topics
from spike_depth_ros.evaluation.output_bag import OutputBag
from spike_depth_ros.evaluation.page import FIGURES
from spike_depth_ros.evaluation.report import compared, render, warnings
from spike_depth_ros.evaluation.results import (
    ModelRun,
    Stream,
    clear,
    differences,
    metrics,
    timing,
    write_json,
)
from spike_depth_ros.evaluation.truth import Mask
from spike_depth_ros.metrics import PUBLISHED, Mean, Protocol

OUTPUT_BAG = 'bag'
"""Name of the new bag in the output folder."""


def argument_parser() -> argparse.ArgumentParser:
    """The command line of ``evaluate_bag``."""
    parser = argparse.ArgumentParser(
        prog='evaluate_bag',
        description='Replay a rosbag2 in lockstep through a model: every window, none dropped. '
        'Writes metrics.json, windows.csv, timing.json and report.html (docs/evaluation.md).',
        epilog='For example: evaluate_bag my_bag --out results; and to compare: evaluate_bag '
        'my_bag --model a.safetensors --model b.safetensors --out results',
    )
    add = parser.add_argument
    add('bag', type=Path, help='folder of a rosbag2, or its .mcap or .db3 file')
    add(
        '--model',
        type=Path,
        action='append',
        metavar='CKPT',
        help='model file (.safetensors); give it again to compare models. Default: the shipped',
    )
    add('--out', type=Path, required=True, metavar='DIR', help='folder for the results')
    topics = parser.add_argument_group('topics')
    topics.add_argument('--spikes', metavar='TOPIC', help='default: the one called spikes')
    topics.add_argument('--camera-info', metavar='TOPIC', help='default: camera_info beside it')
    topics.add_argument(
        '--truth',
        metavar='TOPIC',
        help='true depth, 32FC1 metres or 16UC1 millimetres. Default: depth/truth beside it, if '
        'there is one; none: leave it out',
    )
    stream = parser.add_argument_group('stream')
    stream.add_argument(
        '--window',
        type=count,
        default=0,
        metavar='PLANES',
        help='default: as the model was trained',
    )
    stream.add_argument(
        '--hop',
        type=count,
        default=0,
        metavar='PLANES',
        help='between the starts of windows. Default: the window',
    )
    stream.add_argument(
        '--rate',
        type=positive,
        default=0.0,
        metavar='HZ',
        help='planes a second. Default: by the stamps',
    )
    stream.add_argument(
        '--stamp-tolerance',
        type=not_negative,
        default=0.5,
        metavar='PLANES',
        help='how far a stamp may be off before it is a gap. Default: 0.5',
    )
    stream.add_argument(
        '--size', type=sensor_size, metavar='WxH', help='sensor size. Default: from camera_info'
    )
    scoring = parser.add_argument_group('scoring')
    scoring.add_argument(
        '--protocol',
        choices=('bicross',),
        help='of the published tables: Garg crop, cap 80 m, not aligned, mean over images',
    )
    scoring.add_argument('--crop', choices=('none', 'garg'), help='default: none')
    scoring.add_argument('--cap', type=positive, metavar='M', help='farthest truth. Default: none')
    scoring.add_argument(
        '--align',
        choices=('none', 'median', 'scale_shift'),
        help='to the truth of each image. Default: none',
    )
    scoring.add_argument('--mean', choices=('pixels', 'images'), help='default: pixels')
    scoring.add_argument(
        '--mask',
        type=Path,
        metavar='PNG',
        help="of the truth's size; pixels that are 0 are not scored",
    )
    running = parser.add_argument_group('running')
    running.add_argument(
        '--device', default='auto', choices=('auto', 'cpu', 'cuda'), help='default: what is there'
    )
    running.add_argument(
        '--backend',
        default='auto',
        choices=('auto', 'onnx', 'torch'),
        help='what runs the model. Default: torch on a GPU, onnx on a CPU',
    )
    running.add_argument(
        '--threads', type=count, default=0, metavar='N', help='of the CPU. Default: all cores'
    )
    running.add_argument(
        '--write-bag',
        choices=('mcap', 'sqlite3'),
        help='also write a new bag with depth, uncertainty and their camera_info: DIR/bag',
    )
    return parser  # fmt: skip


def protocol(options: argparse.Namespace) -> tuple[Protocol, Mean]:
    """Protocol and mean that the command line asks for.

    Raises:
        BagError: A named protocol and a part of one contradict each other.
    """
    parts = {'--crop': options.crop, '--cap': options.cap, '--align': options.align}
    if options.protocol:
        given = [name for name, value in {**parts, '--mean': options.mean}.items() if value]
        if given:
            raise BagError(
                f'--protocol {options.protocol} says crop, cap, alignment and mean: leave out '
                f'{", ".join(given)}'
            )
        return PUBLISHED, 'images'
    chosen = Protocol(options.crop or 'none', options.cap, options.align or 'none')
    return chosen, options.mean or 'pixels'


def read_mask(path: Path | None) -> Mask | None:
    """Pixels that count, ``[H, W]``; those that are not 0 in the picture.

    Raises:
        BagError: It is no picture.
    """
    if path is None:
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert('L')) > 0
    except OSError as error:
        raise BagError(f'{path}: no mask: {error}') from error


def run(options: argparse.Namespace, console: Console) -> None:
    """Evaluate and write the results.

    Raises:
        ValueError: The bag, the models or the options cannot be used.
        OSError: A file cannot be read or written.
    """
    started = time.monotonic()
    bag = Bag(options.bag)
    settings = _settings(options, bag)
    models = _models(options)
    _make_folder(options)
    with contextlib.ExitStack() as stack:
        new_bag = None
        if options.write_bag:
            namespace = settings.topics.spikes.rsplit('/', 1)[0]
            path = options.out / OUTPUT_BAG
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
            options.out,
            new_bag,
            lambda windows: progress.update(task, completed=windows),
        )
    if new_bag is not None:
        stream.warnings += [
            f'{name} was not copied to the new bag: its type is not known'
            for name in new_bag.skipped
        ]
    write_json(options.out / 'metrics.json', metrics(stream, runs))
    write_json(options.out / 'timing.json', timing(runs, time.monotonic() - started))
    (options.out / 'report.html').write_text(render(stream, runs), encoding='utf-8')
    show(stream, runs, options.out, console)


def _make_folder(options: argparse.Namespace) -> None:
    """The folder of the results, without those of an earlier run."""
    out: Path = options.out
    if out.resolve() == options.bag.resolve():
        raise BagError(f'--out {out}: that is the bag; choose another folder')
    if options.write_bag and (out / OUTPUT_BAG).exists():
        raise BagError(
            f'{out / OUTPUT_BAG}: exists; a bag is not written over: remove it, or choose another '
            '--out'
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(f'--out {out}: no folder can be made there: {error.strerror}') from error
    clear(out)


def _settings(options: argparse.Namespace, bag: Bag) -> Options:
    topics = choose_topics(bag, options.spikes, options.camera_info, options.truth)
    mask = read_mask(options.mask)
    if mask is not None and topics.truth is None:
        raise BagError('--mask without true depth: name its topic with --truth')
    scored, mean = protocol(options)
    return Options(
        topics=topics,
        window=options.window,
        hop=options.hop,
        rate_hz=options.rate,
        stamp_tolerance=options.stamp_tolerance,
        size=options.size,
        protocol=scored,
        mean=mean,
        mask=mask,
    )


def _models(options: argparse.Namespace) -> list[tuple[str, DepthEstimator]]:
    paths: list[Path | None] = options.model or [None]
    if options.write_bag and len(paths) > 1:
        raise BagError('--write-bag takes one --model')
    return [
        (
            label,
            DepthEstimator.from_checkpoint(path, options.device, options.backend, options.threads),
        )
        for label, path in zip(labels(paths), paths, strict=True)
    ]


def show(stream: Stream, runs: Sequence[ModelRun], out: Path, console: Console) -> None:
    """Print the few figures that matter, and where the rest is."""
    scored = [one for one in runs if one.scores.errors.images]
    if scored:
        console.print(_table(scored))
    lines = [f'{one.label}: {one.scores.errors.headline(one.scores.mean)}' for one in scored]
    for other in scored[1:]:
        found = differences(scored[0], other)['abs_rel']
        difference, interval, verdict = compared('abs_rel', found, scored[0], other)
        lines.append(
            f'{other.label} less {scored[0].label}: AbsRel {difference} ({LEVEL:.0%} interval '
            f'{interval}): {verdict}{" is better" if found.excludes_zero else ""}'
        )
    lines.append(
        f'{stream.windows} windows, {stream.truth.used} with truth; {stream.account.dropped} of '
        f'{stream.account.expected} planes dropped'
    )
    lines += [f'warning: {text}' for text in warnings(stream, runs)]
    lines.append(f'report: {out / "report.html"}')
    for line in lines:
        console.print(line, soft_wrap=True)


def _table(runs: Sequence[ModelRun]) -> Table:
    table = Table()
    names = ('abs_rel', 'sq_rel', 'rmse', 'rmse_log', 'delta1')
    for column in ('model', *(FIGURES[name] for name in names), 'AUSE ↓', '68 % holds'):
        table.add_column(column)
    for one in runs:
        figures = one.scores.headline()
        cells = [f'{figures[name]:.3f}' for name in (*names, 'ause', 'interval_coverage')]
        table.add_row(one.label, *cells)
    return table


def main(args: Sequence[str] | None = None) -> int:
    """Console script ``evaluate_bag``."""
    options = argument_parser().parse_args(args)
    try:
        # Written to a file, tables are not squeezed into eighty columns. Names are no markup.
        width = None if sys.stdout.isatty() else 120
        run(options, Console(width=width, markup=False, highlight=False))
    except (ValueError, OSError, ImportError) as error:
        reason = ' '.join(str(error).split())
        print(f'evaluate_bag: error: {reason}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
