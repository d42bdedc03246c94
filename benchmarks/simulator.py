# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulated planes per second, against real time and against a loop as public simulators have it.

    PYTHONPATH=training python -m benchmarks.simulator --json simulator.json

from the repository's root, without ROS. Light that changes over a window, 128 planes of 400x250,
becomes packed planes, by ours and by the plain loop in turn, after it was checked that both fire
alike. One thread is used, and a GPU beside the CPU where there is one. On the CPU it is the
thread's own time that counts, so that what other processes take of the core does not.

The JSON holds ``machine``, ``settings``, ``work`` and ``bytes``. Each entry of ``work`` has
``name``, ``device``, ``batch``, the median ``ms`` of a call and its median ``wall_ms``,
``planes_per_s`` (400x250, of all recordings of the batch together), ``real_time`` (how many
cameras of 20,000 planes a second that is) and ``over_plain``, the median of each round's ratio to
the plain loop on the CPU:

- ``keep``, ``reset``: the ideal sensor in both modes;
- ``still``: ``keep`` under constant light;
- ``mismatch``: with unequal response, threshold and dark current, hot and dead pixels;
- ``read noise``, ``shot noise``, ``everything``: with noise in every plane;
- ``counts``: 32 counts a pixel in closed form, with ``mismatch``; no planes are made;
- ``plain``: a numpy loop over float64 planes, into an array of float64 planes; ``plain packed``
  packs those too.

``bytes`` says what a window of 128 planes takes: ``packed``, ``unpacked`` (a byte a pixel),
``float32`` and ``float64``.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks import report
from benchmarks.options import count
from spike_depth_ros.io.video.spiking import QUANTA
from spike_depth_ros.stream import packing
from spike_training.sensor.camera import SpikeCamera, simulate_counts
from spike_training.sensor.exposure import initial_charge
from spike_training.sensor.parameters import IDEAL, Sensor

HEIGHT, WIDTH = 250, 400
RATE_HZ = 20_000
MISMATCH = Sensor(
    dark_current=150,
    dark_spread=0.43,
    response_mismatch=0.03,
    threshold_mismatch=0.01,
    hot_pixels=0.001,
    dead_pixels=0.001,
)
NOISY = {
    'read noise': Sensor(read_noise=0.01),
    'shot noise': Sensor(electrons=3000),
    'everything': Sensor(
        dark_current=150,
        dark_spread=0.43,
        response_mismatch=0.03,
        electrons=3000,
        read_noise=0.01,
        hot_pixels=0.001,
    ),
}


def plain_loop(light: np.ndarray, charge: np.ndarray) -> np.ndarray:
    """The loop of public simulators in our words: float64 planes in, float64 planes out."""
    spikes = np.zeros(light.shape)
    for plane, image in enumerate(light):
        charge = charge + image
        fired = charge >= 1
        charge = charge - fired
        spikes[plane] = fired
    return spikes


def scene(batch: int, planes: int) -> tuple[torch.Tensor, list[int]]:
    """Light at five knots of a window, around a rate of a quarter."""
    rng = np.random.default_rng(0)
    shape = (batch, 5, HEIGHT, WIDTH)
    light = (
        rng.random(shape, np.float32) * 0.2 + rng.random((batch, 1, *shape[2:]), np.float32) / 4
    )
    return torch.from_numpy(light), [planes * k // 4 for k in range(5)]


def check(planes: int) -> tuple[np.ndarray, np.ndarray]:
    """Light and first charge of the plain loop, after a comparison of what it fires with ours.

    Raises:
        AssertionError: More than one spike in 10,000 differs; rounding explains fewer.
    """
    light, knots = scene(1, planes)
    charge = initial_charge(torch.tensor([0]), HEIGHT, WIDTH)[0].numpy() / QUANTA
    at = np.arange(planes)
    low = np.searchsorted(knots, at, 'right') - 1
    share = ((at - np.take(knots, low)) / np.diff(knots)[low])[:, None, None]
    ends = light[0].double().numpy()
    images = ends[low] * (1 - share) + ends[low + 1] * share
    ours = SpikeCamera(HEIGHT, WIDTH, torch.tensor([0])).expose(light, knots)[0].numpy()
    differing = (packing.unpack(ours, WIDTH) != plain_loop(images, charge)).mean()
    assert differing < 1e-4, f'{differing:.2%} of the pixels of ours and of the plain loop differ'
    return images, charge


def works(batch: int, planes: int, device: str) -> dict[str, Callable[[], object]]:
    light, knots = scene(batch, planes)
    light = light.to(device)
    still = light[:, :1].expand(-1, 2, -1, -1).contiguous()
    seeds = torch.arange(batch, device=device)
    cameras = {
        'keep': IDEAL,
        'reset': Sensor('reset'),
        'mismatch': MISMATCH,
        **NOISY,
    }

    def of(sensor: Sensor, shown: torch.Tensor, at: list[int]) -> Callable[[], object]:
        camera = SpikeCamera(HEIGHT, WIDTH, seeds, sensor)
        return lambda: camera.expose(shown, at)

    return {
        **{name: of(sensor, light, knots) for name, sensor in cameras.items()},
        'still': of(IDEAL, still, [0, planes]),
        'counts': lambda: simulate_counts(light, knots, seeds, MISMATCH),
    }


def timed(function: Callable[[], object], device: str) -> tuple[float, float]:
    """Seconds of a call, and seconds on the wall; memory is freed outside of them.

    On a GPU both are the same, from an idle GPU to an idle GPU.
    """
    if device != 'cpu':
        torch.cuda.synchronize()
    started, own = time.perf_counter(), time.thread_time()
    result = function()
    own = time.thread_time() - own
    if device != 'cpu':
        torch.cuda.synchronize()
    wall = time.perf_counter() - started
    del result
    return (own if device == 'cpu' else wall), wall


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements; the result as this module's description has it."""
    torch.set_num_threads(1)
    planes = options.planes
    images, charge = check(planes)
    devices = ['cpu'] + (['cuda'] if torch.cuda.is_available() else [])
    jobs: dict[tuple[str, str, int], Callable[[], object]] = {
        ('plain', 'cpu', 1): lambda: plain_loop(images, charge),
        ('plain packed', 'cpu', 1): lambda: packing.pack(plain_loop(images, charge)),
    }
    for device in devices:
        for batch in options.batches:
            for name, function in works(batch, planes, device).items():
                jobs[name, device, batch] = function
    calls = {job: functools.partial(timed, call, job[1]) for job, call in jobs.items()}
    times = report.in_turn(calls, options.rounds)
    plain = [took for took, _ in times['plain', 'cpu', 1]]
    work = []
    for (name, device, batch), found in times.items():
        took, wall = zip(*found, strict=True)
        rate = batch * planes / statistics.median(took)
        work.append(
            {
                'name': name,
                'device': device,
                'batch': batch,
                'ms': 1e3 * statistics.median(took),
                'wall_ms': 1e3 * statistics.median(wall),
                'planes_per_s': rate,
                'real_time': rate / RATE_HZ,
                'over_plain': statistics.median(
                    batch * p / t for p, t in zip(plain, took, strict=True)
                ),
            }
        )
    pixels = planes * HEIGHT * WIDTH
    return {
        'settings': {
            'planes': planes,
            'size': [HEIGHT, WIDTH],
            'rounds': options.rounds,
            'threads': 1,
            'gpu': torch.cuda.get_device_name() if 'cuda' in devices else None,
        },
        'work': work,
        'bytes': {
            'packed': planes * HEIGHT * ((WIDTH + 7) // 8),
            'unpacked': pixels,
            'float32': 4 * pixels,
            'float64': 8 * pixels,
        },
    }


def text(result: dict[str, Any]) -> str:
    """The result as a Markdown table and a line about the bytes."""
    cells = {
        'work': '{name}',
        'device': '{device}',
        'batch': '{batch}',
        'planes/s': '{planes_per_s:,.0f}',
        'x real time': '{real_time:.2f}',
        'x plain': '{over_plain:.1f}',
        'ms': '{ms:.2f}',
    }
    sizes = ', '.join(f'{name} {size:,}' for name, size in result['bytes'].items())
    table = report.columns(result['work'], cells)
    return f'{table}\n\nbytes of {result["settings"]["planes"]} planes: {sizes}'


def main(args: list[str] | None = None) -> int:
    parser = report.parser(
        'simulator', 'Simulated planes per second against real time and a plain loop.'
    )
    add = parser.add_argument
    add('--planes', type=count, default=128, help='window length, 4 or more; default: 128')
    add(
        '--batches', type=count, nargs='+', default=[1, 8], help='recordings at once; default: 1 8'
    )
    add('--rounds', type=count, default=15, help='default: 15')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
