# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packed planes to arrays, counts and a preview, against plain numpy and a memory copy.

    python -m benchmarks.packing --json packing.json

from the repository's root; neither ROS nor torch is needed. Windows of the bundled sample (looped
where it is too short) are timed in one process, ours and the others in turn, after their results
were compared. The JSON holds ``machine``, ``settings``, ``work``, ``predict`` and, where a
commit is named, ``against``.

Each entry of ``work`` has ``name``, ``planes``, the medians ``ours_ms``, ``numpy_ms`` and
``copy_ms``, and ``numpy_over_ours`` and ``ours_over_copy`` as medians of each repetition's ratio:

- ``unpack``: ``packing.unpack`` and ``np.unpackbits``, both to uint8;
- ``bin_counts``: the shipped network's bins, and ``np.unpackbits``, ``np.add.reduceat`` to uint8;
- ``cell_counts``: these bins of its cells of pixels, and the same of numpy to uint16;
- ``preview_rate``, ``preview_short``, ``preview_interval``: ``preview.render`` by each method;
  beside them ``np.unpackbits``, then ``mean``, or the nearest spikes by ``np.argmax``, and gamma;
- the copy is ``np.copyto`` of an array as large as the output.

Each entry of ``predict`` splits ``DepthEstimator.predict`` on ONNX Runtime with all cores:
``planes`` and the medians ``total_ms``, ``binning_ms`` (counting into the padded input),
``network_ms`` and ``rest_ms`` (scaling, checks). The last two are medians of differences between
calls of the same repetition. Where torch sees a GPU, ``gpu_ms`` is the whole call there, host to
host, and ``total_over_gpu`` the median of the ratios.

    python -m benchmarks.packing --against f6a607d

runs ``predict`` of this tree and of that commit in turn, each in a process of its own, the median
of three calls at a time. Each entry of ``against`` has ``planes``, the medians ``ours_ms`` and
``theirs_ms``, and ``theirs_over_ours``, the median of each repetition's ratio; ``commit`` is in
``settings``.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import named_commit, report
from benchmarks.options import count
from spike_depth_ros.checkpoint import default_checkpoint, load_info, onnx_path
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.io.recording import open_recording
from spike_depth_ros.observation import Observation
from spike_depth_ros.runtime.backend import has_cuda
from spike_depth_ros.runtime.layout import Layout
from spike_depth_ros.runtime.onnx import OnnxBackend
from spike_depth_ros.stream import packing, preview
from spike_depth_ros.stream.window import Window

SAMPLE = named_commit.ROOT / 'spike_depth_ros' / 'assets' / 'street.npz'
_SHIPPED = load_info(default_checkpoint())
BINS, CELL = _SHIPPED.bins, _SHIPPED.pool
"""Of the shipped network: bins of a window, and pixels per side of a cell."""

PREDICTOR = """
import sys, time
from benchmarks.packing import sample_window
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.observation import Observation
path, threads = sys.argv[1:]
estimator = DepthEstimator.from_checkpoint(path or None, 'cpu', 'onnx', int(threads))
observations = {}
for line in sys.stdin:
    planes = int(line)
    if planes not in observations:
        observations[planes] = Observation(sample_window(planes), estimator.info.canonical_fx)
    took = []
    for _ in range(3):
        started = time.perf_counter()
        estimator.predict(observations[planes])
        took.append(1e3 * (time.perf_counter() - started))
    print(sorted(took)[1], flush=True)
"""
"""Run in the root of a tree: planes of a window in, a line each, milliseconds of predict out.

Arguments are a checkpoint (empty: the one that the tree ships) and the threads of an inference.

The median of three calls: the first finds neither caches nor threads as a stream of windows would.
"""


def sample_window(planes: int) -> Window:
    """The first planes of the sample, looped where it is too short."""
    recording = open_recording(SAMPLE)
    chosen = recording.planes[np.arange(planes) % len(recording.planes)]
    return Window(chosen, recording.geometry, 0, 50_000, planes // 2, planes // 2 * 50_000)


def numpy_unpack(window: Window) -> np.ndarray:
    width, order = window.geometry.width, window.geometry.bit_order
    return np.unpackbits(window.data, axis=-1, bitorder=order)[..., :width]


def numpy_bin_counts(window: Window) -> np.ndarray:
    first = packing.bin_edges(window.planes, BINS)[:, 0]
    return np.add.reduceat(numpy_unpack(window), first, axis=0, dtype=np.uint8)


def numpy_cell_counts(window: Window) -> np.ndarray:
    pixels = numpy_bin_counts(window)
    rows, columns = (side // CELL for side in pixels.shape[1:])
    pixels = pixels[:, : rows * CELL, : columns * CELL]
    cells = pixels.reshape(BINS, rows, CELL, columns, CELL)
    return cells.sum(axis=4, dtype=np.uint16).sum(axis=2, dtype=np.uint16)


def numpy_rate(window: Window) -> np.ndarray:
    return shades(numpy_unpack(window).mean(axis=0, dtype=np.float32))


def numpy_short(window: Window) -> np.ndarray:
    return numpy_rate(window.middle(preview.SHORT_PLANES))


def numpy_interval(window: Window) -> np.ndarray:
    spikes = numpy_unpack(window)
    half = preview.COVERED_PLANES // 2
    first, last = window.reference_plane - half, window.reference_plane + half
    before, after = spikes[: first + 1][::-1], spikes[last:]
    known = before.any(axis=0) & after.any(axis=0)
    number = 1 + spikes[first + 1 : last].sum(axis=0)
    rate = number / (last - first + before.argmax(axis=0) + after.argmax(axis=0))
    return shades(np.where(known, rate, spikes.mean(axis=0, dtype=np.float32)))


def shades(rate: np.ndarray) -> np.ndarray:
    return np.rint(255 * rate ** (1 / preview.GAMMA)).astype(np.uint8)


def our_unpack(window: Window) -> np.ndarray:
    return packing.unpack(window.data, window.geometry.width, window.geometry.bit_order)


def our_bin_counts(window: Window) -> np.ndarray:
    geometry = window.geometry
    return packing.bin_counts(window.data, geometry.width, geometry.bit_order, BINS)[0]


def our_cell_counts(window: Window) -> np.ndarray:
    geometry = window.geometry
    out = np.empty((BINS, geometry.height // CELL, geometry.width // CELL), np.uint16)
    packing.cell_counts(window.data, geometry.width, CELL, out, geometry.bit_order)
    return out


Work = Callable[[Window], np.ndarray]

WORK: tuple[tuple[str, Work, Work], ...] = (
    ('unpack', our_unpack, numpy_unpack),
    ('bin_counts', our_bin_counts, numpy_bin_counts),
    ('cell_counts', our_cell_counts, numpy_cell_counts),
    ('preview_rate', functools.partial(preview.render, method='rate'), numpy_rate),
    ('preview_short', functools.partial(preview.render, method='short'), numpy_short),
    ('preview_interval', functools.partial(preview.render, method='interval'), numpy_interval),
)


def interleaved(
    functions: dict[str, Callable[[], object]], repetitions: int
) -> dict[str, list[float]]:
    """Milliseconds of each function, called in turn, after one call that is not counted."""

    def took_ms(function: Callable[[], object]) -> float:
        started = time.perf_counter()
        result = function()
        took = 1e3 * (time.perf_counter() - started)
        del result  # memory is freed outside the measured time
        return took

    calls = {name: functools.partial(took_ms, function) for name, function in functions.items()}
    return report.in_turn(calls, repetitions)


def measure_work(
    name: str, ours: Work, plain: Work, window: Window, repetitions: int
) -> dict[str, Any]:
    """One entry of ``work``.

    Raises:
        AssertionError: The two do not give the same (grey levels within rounding).
    """
    output = ours(window)
    difference = np.abs(output.astype(np.int16) - plain(window).astype(np.int16)).max()
    assert difference <= name.startswith('preview'), f'{name}: ours and plain numpy differ'
    target = np.empty_like(output)
    times = interleaved(
        {
            'ours': lambda: ours(window),
            'numpy': lambda: plain(window),
            'copy': lambda: np.copyto(target, output),
        },
        repetitions,
    )
    return {
        'name': name,
        'planes': window.planes,
        **{f'{who}_ms': statistics.median(took) for who, took in times.items()},
        'numpy_over_ours': _ratio(times['numpy'], times['ours']),
        'ours_over_copy': _ratio(times['ours'], times['copy']),
    }


def _ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def _difference(whole: list[float], part: list[float]) -> float:
    return statistics.median(a - b for a, b in zip(whole, part, strict=True))


def measure_predict(window: Window, repetitions: int) -> dict[str, float]:
    """One entry of ``predict``."""
    path = default_checkpoint()
    info = load_info(path)
    backend = OnnxBackend(onnx_path(path), info)
    estimator = DepthEstimator(info, backend)
    observation = Observation(window, info.canonical_fx)
    layout = Layout(window.geometry, window.planes, info.bins, pool=info.pool)
    counts = layout.new_counts()
    calls: dict[str, Callable[[], object]] = {
        'predict': lambda: estimator.predict(observation),
        'backend': lambda: backend.run(window.data, layout),
        'binning': lambda: layout.count(window.data, counts),
    }
    if has_cuda():
        on_gpu = DepthEstimator.from_checkpoint(path, device='cuda')
        calls['gpu'] = lambda: on_gpu.predict(observation)
    times = interleaved(calls, repetitions)
    gpu = {}
    if 'gpu' in times:
        gpu = {
            'gpu_ms': statistics.median(times['gpu']),
            'total_over_gpu': _ratio(times['predict'], times['gpu']),
        }
    return gpu | {
        'planes': window.planes,
        'total_ms': statistics.median(times['predict']),
        'binning_ms': statistics.median(times['binning']),
        'network_ms': _difference(times['backend'], times['binning']),
        'rest_ms': _difference(times['predict'], times['backend']),
    }


@contextlib.contextmanager
def predictor(
    tree: Path, checkpoint: Path | None = None, threads: int = 0
) -> Iterator[Callable[[int], float]]:
    """Start a process that predicts with the code of a tree.

    Args:
        tree: Root of the tree.
        checkpoint: Absolute path of a file with its export; None: the one that the tree ships.
        threads: Of one inference; 0: one per core.

    Yields:
        A function from the planes of a window to the milliseconds of one prediction.
    """
    pipe = subprocess.PIPE
    command = [sys.executable, '-c', PREDICTOR, str(checkpoint or ''), str(threads)]
    with subprocess.Popen(command, cwd=tree, stdin=pipe, stdout=pipe, text=True) as process:
        questions, answers = process.stdin, process.stdout
        assert questions is not None
        assert answers is not None

        def predict(planes: int) -> float:
            print(planes, file=questions, flush=True)
            answer = answers.readline()
            if not answer:
                raise RuntimeError(f'{tree}: its predict ended, see above')
            return float(answer)

        try:
            yield predict
        finally:
            questions.close()


def measure_against(commit: str, planes: list[int], repetitions: int) -> list[dict[str, float]]:
    """All entries of ``against``.

    Raises:
        ValueError: There is no such commit.
    """
    with (
        named_commit.worktree(commit) as tree,
        predictor(named_commit.ROOT) as ours,
        predictor(tree) as theirs,
    ):
        rows = []
        for number in planes:
            calls = {'ours': lambda n=number: ours(n), 'theirs': lambda n=number: theirs(n)}
            took = report.in_turn(calls, repetitions)
            rows.append(
                {
                    'planes': number,
                    **{f'{who}_ms': statistics.median(times) for who, times in took.items()},
                    'theirs_over_ours': _ratio(took['theirs'], took['ours']),
                }
            )
    return rows


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result as this module's description has it."""
    windows = [sample_window(planes) for planes in options.planes]
    repetitions = options.repetitions
    result = {
        'settings': {
            'planes': options.planes,
            'repetitions': repetitions,
            'commit': options.against,
        },
        'work': [measure_work(*work, window, repetitions) for work in WORK for window in windows],
        'predict': [measure_predict(window, repetitions) for window in windows],
    }
    if options.against is not None:
        result['against'] = measure_against(options.against, options.planes, repetitions)
    return result


def text(result: dict[str, Any]) -> str:
    """The result as Markdown tables."""
    work = {
        'work': '{name}',
        'planes': '{planes}',
        'numpy / ours': '{numpy_over_ours:.2f}',
        'ours / copy': '{ours_over_copy:.2f}',
        **{f'{who} ms': f'{{{who}_ms:.3f}}' for who in ('ours', 'numpy', 'copy')},
    }
    parts = ('total', 'binning', 'network', 'rest')
    predict = {'predict, planes': '{planes}', **{f'{p} ms': f'{{{p}_ms:.2f}}' for p in parts}}
    if 'gpu_ms' in result['predict'][0]:
        predict |= {'GPU ms': '{gpu_ms:.2f}', 'total / GPU': '{total_over_gpu:.2f}'}
    tables = [report.columns(result['work'], work), report.columns(result['predict'], predict)]
    if 'against' in result:
        commit = result['settings']['commit']
        against = {
            'predict, planes': '{planes}',
            'ours ms': '{ours_ms:.2f}',
            f'{commit} ms': '{theirs_ms:.2f}',
            f'{commit} / ours': '{theirs_over_ours:.2f}',
        }
        tables.append(report.columns(result['against'], against))
    return '\n\n'.join(tables)


def argument_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = report.parser(
        'packing', 'Packed planes to arrays, counts and a preview, against plain numpy.'
    )
    add = made.add_argument
    add('--planes', type=count, nargs='+', default=[128, 1280], help='default: 128 1280')
    add('--repetitions', type=count, default=100, help='default: 100')
    add('--against', metavar='COMMIT', help='compare predict with that of this commit, too')
    return made


def main(args: list[str] | None = None) -> int:
    return report.run_command(argument_parser(), args, run, text)


if __name__ == '__main__':
    sys.exit(main())
