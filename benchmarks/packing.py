# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packed planes to arrays, counts and a preview, against plain numpy and a memory copy.

    python -m benchmarks.packing --json packing.json

from the repository's root; neither ROS nor torch is needed. Windows of the bundled sample (looped
where it is too short) are timed in one process, ours and the others in turn, after their results
were compared. The JSON holds ``machine``, ``settings``, ``work`` and ``predict``.

Each entry of ``work`` has ``name``, ``planes``, the medians ``ours_ms``, ``numpy_ms`` and
``copy_ms``, and ``numpy_over_ours`` and ``ours_over_copy`` as medians of each repetition's ratio:

- ``unpack``: ``packing.unpack`` and ``np.unpackbits``, both to uint8;
- ``bin_counts``: 32 bins, and ``np.unpackbits``, ``reshape``, ``sum`` to uint8;
- ``preview``: ``preview.render``, and ``np.unpackbits``, ``mean``, gamma;
- the copy is ``np.copyto`` of an array as large as the output.

Each entry of ``predict`` splits ``DepthEstimator.predict`` on ONNX Runtime with all cores:
``planes`` and the medians ``total_ms``, ``binning_ms`` (counting into the padded input),
``network_ms`` and ``rest_ms`` (scaling, checks). The last two are medians of differences between
calls of the same repetition. Where torch sees a GPU, ``gpu_ms`` is the whole call there, host to
host, and ``total_over_gpu`` the median of the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import report
from spike_depth_ros import packing, preview
from spike_depth_ros.backends import Layout, has_cuda
from spike_depth_ros.backends.onnx import OnnxBackend
from spike_depth_ros.checkpoint import default_checkpoint, load_info, onnx_path
from spike_depth_ros.estimator import DepthEstimator, Observation
from spike_depth_ros.recording import open_recording
from spike_depth_ros.window import Window

SAMPLE = Path(packing.__file__).parent / 'assets' / 'sample.npz'
BINS = 32
PREDICT = {
    'total_ms': 'total ms',
    'binning_ms': 'binning ms',
    'network_ms': 'network ms',
    'rest_ms': 'rest ms',
    'gpu_ms': 'GPU ms',
    'total_over_gpu': 'total / GPU',
}
"""Columns of the table of ``predict``, by their names in the JSON."""


def sample_window(planes: int) -> Window:
    """The first planes of the sample, looped where it is too short."""
    recording = open_recording(SAMPLE)
    chosen = recording.planes[np.arange(planes) % len(recording.planes)]
    return Window(chosen, recording.geometry, 0, 50_000, planes // 2, planes // 2 * 50_000)


def numpy_unpack(window: Window) -> np.ndarray:
    width, order = window.geometry.width, window.geometry.bit_order
    return np.unpackbits(window.data, axis=-1, bitorder=order)[..., :width]


def numpy_bin_counts(window: Window) -> np.ndarray:
    spikes = numpy_unpack(window)
    each = window.planes // BINS
    return spikes.reshape(BINS, each, *spikes.shape[1:]).sum(axis=1, dtype=np.uint8)


def numpy_preview(window: Window) -> np.ndarray:
    rate = numpy_unpack(window).mean(axis=0, dtype=np.float32)
    return np.rint(255 * rate ** (1 / preview.GAMMA)).astype(np.uint8)


def our_unpack(window: Window) -> np.ndarray:
    return packing.unpack(window.data, window.geometry.width, window.geometry.bit_order)


def our_bin_counts(window: Window) -> np.ndarray:
    geometry = window.geometry
    return packing.bin_counts(window.data, geometry.width, geometry.bit_order, BINS)[0]


Work = Callable[[Window], np.ndarray]

WORK: tuple[tuple[str, Work, Work], ...] = (
    ('unpack', our_unpack, numpy_unpack),
    ('bin_counts', our_bin_counts, numpy_bin_counts),
    ('preview', preview.render, numpy_preview),
)


def interleaved(
    functions: dict[str, Callable[[], object]], repetitions: int
) -> dict[str, list[float]]:
    """Milliseconds of each function, called in turn, after one call that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    names = list(functions)
    for repetition in range(repetitions + 1):
        names.append(names.pop(0))  # what runs before a function, and warms its cache, changes
        for name in names:
            function = functions[name]
            started = time.perf_counter()
            result = function()
            took_ms = 1e3 * (time.perf_counter() - started)
            del result  # before the next one: memory is freed outside the measured time
            if repetition:
                times[name].append(took_ms)
    return times


def measure_work(
    name: str, ours: Work, plain: Work, window: Window, repetitions: int
) -> dict[str, Any]:
    """One entry of ``work``.

    Raises:
        AssertionError: The two do not give the same (grey levels within rounding).
    """
    output = ours(window)
    difference = np.abs(output.astype(np.int16) - plain(window).astype(np.int16)).max()
    assert difference <= (name == 'preview'), f'{name}: ours and plain numpy differ'
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
    layout = Layout(window.geometry, window.planes, info.bins, multiple=info.multiple)
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


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result as this module's description has it."""
    machine = report.machine()
    windows = [sample_window(planes) for planes in options.planes]
    return {
        'machine': machine,
        'settings': {'planes': options.planes, 'repetitions': options.repetitions},
        'work': [
            measure_work(*work, window, options.repetitions) for work in WORK for window in windows
        ],
        'predict': [measure_predict(window, options.repetitions) for window in windows],
    }


def text(result: dict[str, Any]) -> str:
    """The result as two Markdown tables."""
    work = report.table(
        ('work', 'planes', 'numpy / ours', 'ours / copy', 'ours ms', 'numpy ms', 'copy ms'),
        [
            (
                row['name'],
                str(row['planes']),
                *(f'{row[key]:.2f}' for key in ('numpy_over_ours', 'ours_over_copy')),
                *(f'{row[key]:.3f}' for key in ('ours_ms', 'numpy_ms', 'copy_ms')),
            )
            for row in result['work']
        ],
    )
    keys = [key for key in PREDICT if key in result['predict'][0]]
    predict = report.table(
        ('predict, planes', *(PREDICT[key] for key in keys)),
        [(str(row['planes']), *(f'{row[key]:.2f}' for key in keys)) for row in result['predict']],
    )
    return '\n\n'.join((report.machine_line(result['machine']), work, predict))


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m benchmarks.packing',
        description='Packed planes to arrays, counts and a preview, against plain numpy.',
    )
    add = parser.add_argument
    add('--planes', type=int, nargs='+', default=[128, 1280], help='multiples of 32')
    add('--repetitions', type=int, default=100, help='default: 100')
    add('--json', type=Path, help='file for the result')
    return parser


def main(args: list[str] | None = None) -> int:
    options = argument_parser().parse_args(args)
    result = run(options)
    print(text(result))
    report.write_json(options.json, result)
    return 0


if __name__ == '__main__':
    sys.exit(main())
