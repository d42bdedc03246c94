# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated sensor against real recordings: fitted on some planes, judged on others.

    SPIKE_DEPTH_DATA=folder PYTHONPATH=training python -m benchmarks.sensor_fit --json fit.json \
        --chart fit.png

from the repository's root. The folder holds ``spikes/vidar_car_400x250.dat`` (HiST-SFlow),
``spikes/uhsr.npz`` (Spike-Zoo, the U-CALTECH recording) and ``spikes/noise_maps/data.npz``
(SpikeNeRF: maps of a sensor). No image of them is written.

Planes 0 to 99 of a recording are fitted. From planes 100 to 199 only the light is taken, and their
histograms are compared with those of simulations: the ideal sensor, and the fitted one. The maps
are fitted on their left half and compared on the right one.

The JSON holds ``machine`` and ``recordings``, of which each has ``name``, ``planes``, ``fitted``
(the parameters) and ``distances`` on the planes that were held out: of ``ideal`` and ``fitted``
simulations, medians over seeds; of ``ideal_reset``, whose pixels lose what exceeds the threshold;
of ``real_fitted_planes``, the recording's own planes that were fitted, which says how far the
scene alone moves them; and ``fitted_again`` of two simulations of the fitted sensor, as near as a
simulation with other random numbers can come. There are also ``maps`` with ``fitted``,
``distances`` and ``structure``, the shares of the variance of the response that no parameter
stands for.

Distances are total variations, 0 to 1: the share of one histogram that lies elsewhere in the
other. ``spread``, the standard deviation of the intervals of steady pixels, differs in planes.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import statistics
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks import report
from spike_depth_ros.io import vidar
from spike_depth_ros.pages.plots import style
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_training.sensor import fit as sensor_fit
from spike_training.sensor.parameters import IDEAL, Sensor
from spike_training.sensor.pixels import pixels_of

FIT = slice(0, 100)
JUDGE = slice(100, 200)
SEEDS = (2, 3, 4, 5, 6)
LINES: dict[str, dict[str, Any]] = {
    'ideal sensor': {'color': '#3a78c8', 'linestyle': '--'},
    'fitted sensor': {'color': '#d6522a'},
    'real': {'color': '#1e2126'},
}
COLUMNS = 3
RESPONSE_EDGES = np.linspace(-0.15, 0.15, 61)
DARK_EDGES = np.geomspace(1e-3, 3e-2, 41)


class Panel(NamedTuple):
    """One chart: histograms over the same bins, by their names in the legend."""

    title: str
    x_label: str
    edges: np.ndarray
    histograms: dict[str, np.ndarray]
    log: bool
    y_label: str


def read(folder: Path) -> dict[str, tuple[np.ndarray, int]]:
    """Recordings as unpacked planes, and how many times their light changes in 100 planes."""
    layout = vidar.RawLayout(Geometry(250, 400))
    car = vidar.read_dat(folder / 'spikes' / 'vidar_car_400x250.dat', layout)
    with np.load(folder / 'spikes' / 'uhsr.npz') as archive:
        # The picture fills these rows and columns.
        uhsr = np.ascontiguousarray(archive['spk'][:, 13:237, 13:237])
    return {'vidar_car': (packing.unpack(car, 400), 4), 'uhsr': (uhsr, 1)}


def read_maps(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Response in any unit, and thresholds per plane in the dark.

    The maps' authors turn the interval ``D + 1`` of a spike into a noisy one by
    ``1 / D' = light / D + dark / (D_light * (335 + dark))``: a response and a dark current.
    """
    with np.load(folder / 'spikes' / 'noise_maps' / 'data.npz') as maps:
        light, dark = maps['Nl'], maps['Nd']  # codespell:ignore
        return light, dark / (maps['D_light'] * (335 + dark))


def measure_recording(
    name: str, spikes: np.ndarray, windows: int, start: Sensor
) -> tuple[dict[str, Any], list[Panel]]:
    """One entry of ``recordings``, and its charts."""
    print(f'{name}: fitting', flush=True)
    fitted = sensor_fit.fit(spikes[FIT], windows, start, lambda line: print('  ' + line))
    judged = spikes[JUDGE]
    scene = sensor_fit.estimate_scene(judged, windows)
    real = sensor_fit.compute_signature(judged, scene)
    before = sensor_fit.compute_signature(
        spikes[FIT], sensor_fit.estimate_scene(spikes[FIT], windows)
    )
    simulated, apart = {}, {'real_fitted_planes': sensor_fit.distances(before, real)}
    reset = Sensor('reset')
    for label, sensor in (('ideal', IDEAL), ('ideal_reset', reset), ('fitted', fitted)):
        signatures = [
            sensor_fit.compute_signature(
                sensor_fit.resimulate(scene, len(judged), sensor, seed), scene
            )
            for seed in SEEDS
        ]
        found = [sensor_fit.distances(signature, real) for signature in signatures]
        apart[label] = {key: statistics.median(d[key] for d in found) for key in found[0]}
        if label == 'fitted':
            again = [sensor_fit.distances(a, b) for a, b in itertools.pairwise(signatures)]
            apart['fitted_again'] = {
                key: statistics.median(d[key] for d in again) for key in again[0]
            }
        simulated[label] = signatures[0]
    entry = {
        'name': name,
        'planes': {'fitted': [FIT.start, FIT.stop], 'judged': [JUDGE.start, JUDGE.stop]},
        'seeds': list(SEEDS),
        'fitted': described(fitted),
        'distances': apart,
    }
    return entry, recording_panels(name, real, simulated, apart)


def recording_panels(
    name: str,
    real: sensor_fit.Signature,
    simulated: dict[str, sensor_fit.Signature],
    apart: dict[str, dict[str, float]],
) -> list[Panel]:
    ideal, fitted = simulated['ideal'], simulated['fitted']
    # The class of firing rates that the most pixels are in shows the pattern best.
    level = max(
        (k for k, row in enumerate(real.pattern) if not np.isnan(row).any()),
        key=lambda k: np.histogram(real_rates(real), sensor_fit.PATTERN_CLASSES)[0][k],
    )
    low, high = sensor_fit.PATTERN_CLASSES[level : level + 2]
    deviation = f'deviation from neighbours, rates {low:g} to {high:g}'
    kinds = (
        ('rates', 'firing rate', sensor_fit.RATE_EDGES, lambda s: s.rates),
        ('intervals', 'planes between spikes', sensor_fit.INTERVAL_EDGES, lambda s: s.intervals),
        ('pattern', deviation, sensor_fit.PATTERN_EDGES, lambda s: s.pattern[level]),
    )
    return [
        Panel(
            heading(name, kind, apart),
            label,
            edges,
            dict(zip(LINES, (of(ideal), of(fitted), of(real)), strict=True)),
            kind == 'intervals',
            f'share of {"intervals" if kind == "intervals" else "pixels"}',
        )
        for kind, label, edges, of in kinds
    ]


def heading(name: str, kind: str, apart: dict[str, dict[str, float]]) -> str:
    ideal, fitted = (apart[sensor][kind] for sensor in ('ideal', 'fitted'))
    return f'{name}: {kind}\ndistance {ideal:.3f} (ideal), {fitted:.3f} (fitted)'


@style()
def save_chart(panels: list[Panel], path: Path) -> None:
    """Write all panels in rows of one picture."""
    rows = math.ceil(len(panels) / COLUMNS)
    figure = Figure((4.6 * COLUMNS, 3.4 * rows), layout='constrained')
    places = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for axes, panel in itertools.zip_longest(places, panels):
        if panel is None:
            axes.set_axis_off()
            continue
        for label, values in panel.histograms.items():
            axes.stairs(values, panel.edges, label=label, linewidth=1.8, **LINES[label])
        axes.set_title(panel.title, loc='left', fontsize='medium')
        axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
        axes.set_xscale('log' if panel.log else 'linear')
        axes.legend()
    figure.savefig(path)


def real_rates(signature: sensor_fit.Signature) -> np.ndarray:
    """Firing rates of which a signature's histogram could be."""
    centres = (sensor_fit.RATE_EDGES[:-1] + sensor_fit.RATE_EDGES[1:]) / 2
    return np.repeat(centres, np.rint(signature.rates * 10_000).astype(int))


def measure_maps(
    response: np.ndarray, dark: np.ndarray
) -> tuple[dict[str, Any], Sensor, list[Panel]]:
    """The entry ``maps``, the fitted sensor, and the charts."""
    half = response.shape[1] // 2
    fitted = sensor_fit.fit_maps(response[:, :half], dark[:, :half])
    shape = (response.shape[0], response.shape[1] - half)
    pixels = pixels_of(fitted, torch.tensor([SEEDS[0]]), *shape)
    deviation = sensor_fit.pixel_deviation(response[:, half:])
    drawn = sensor_fit.pixel_deviation(pixels.slope[0].numpy())
    dark_drawn = pixels.offset[0].numpy()
    apart: dict[str, dict[str, float]] = {'ideal': {}, 'fitted': {}}
    panels = []
    for kind, label, edges, log, of_real, of_drawn in (
        ('response', 'deviation from neighbours', RESPONSE_EDGES, False, deviation, drawn),
        ('dark current', 'thresholds per plane', DARK_EDGES, True, dark[:, half:], dark_drawn),
    ):
        real, simulated, ideal = (
            sensor_fit.histogram(values, edges) for values in (of_real, of_drawn, np.zeros(1))
        )
        apart['ideal'][kind] = sensor_fit.total_variation(real, ideal)
        apart['fitted'][kind] = sensor_fit.total_variation(real, simulated)
        title = heading('noise maps', kind, apart)
        shown = {'fitted sensor': simulated, 'real': real}
        panels.append(Panel(title, label, edges, shown, log, 'share of pixels'))
    entry = {
        'fitted': described(fitted),
        'distances': apart,
        'structure': structure(response),
    }
    return entry, fitted, panels


def structure(response: np.ndarray) -> dict[str, float]:
    """Shares of a map's variance that are not single pixels'."""
    relative = response / response.mean()
    smooth = cv2.blur(relative, (31, 31))
    detail = np.clip(sensor_fit.pixel_deviation(response), *RESPONSE_EDGES[[0, -1]])
    return {
        'smooth_over_31_pixels': float(smooth.var() / relative.var()),
        'rows_of_detail': float(detail.mean(1).var() / detail.var()),
        'columns_of_detail': float(detail.mean(0).var() / detail.var()),
    }


def described(sensor: Sensor) -> dict[str, Any]:
    """Parameters as JSON can hold them: an infinite number of electrons is null."""
    values = asdict(sensor)
    return {key: None if value == float('inf') else value for key, value in values.items()}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """All measurements as this module's description has them; writes the charts.

    Raises:
        InputError: No folder is given, or a file is missing there.
    """
    if options.data is None:
        raise report.InputError('no data: give --data or set SPIKE_DEPTH_DATA to the folder')
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        maps, of_maps, map_panels = measure_maps(*read_maps(options.data))
        recordings = read(options.data)
    except FileNotFoundError as error:
        raise report.InputError(
            f'{error.filename or error}: no such file; --data is the folder of spikes/'
        ) from None
    start = replace(IDEAL, dark_spread=round(of_maps.dark_spread, 2))
    entries, panels = [], []
    for name, (spikes, windows) in recordings.items():
        entry, drawn = measure_recording(name, spikes, windows, start)
        entries.append(entry)
        panels += drawn
    if options.chart is not None:
        save_chart(panels + map_panels, options.chart)
    return {'recordings': entries, 'maps': maps}


def text(result: dict[str, Any]) -> str:
    """Distances as a Markdown table."""
    keys = ('rates', 'intervals', 'pattern', 'spread')
    rows = [
        (entry['name'], who, *(f'{entry["distances"][who][key]:.3f}' for key in keys))
        for entry in result['recordings']
        for who in entry['distances']
    ]
    found = report.table(('held-out planes', 'against', *keys), rows)
    maps = report.table(
        ('noise maps, held-out half', *result['maps']['distances']['ideal']),
        [
            (who, *(f'{value:.3f}' for value in of.values()))
            for who, of in result['maps']['distances'].items()
        ],
    )
    fitted = [
        f'{name}: ' + ', '.join(f'{k} {v:.4g}' for k, v in found.items() if changed(k, v))
        for name, found in (
            *((entry['name'], entry['fitted']) for entry in result['recordings']),
            ('noise maps', result['maps']['fitted']),
        )
    ]
    return '\n\n'.join((found, maps, '\n'.join(fitted)))


def changed(key: str, value: Any) -> bool:
    return value is not None and value != getattr(IDEAL, key)


def main(args: list[str] | None = None) -> int:
    parser = report.parser(
        'sensor_fit', 'The simulated sensor, fitted to real recordings and judged on the rest.'
    )
    add = parser.add_argument
    default = os.environ.get('SPIKE_DEPTH_DATA')
    add('--data', type=Path, default=default, help='folder; default: SPIKE_DEPTH_DATA')
    add('--chart', type=Path, help='PNG file for the histograms')
    return report.run_command(parser, args, run, text)


if __name__ == '__main__':
    sys.exit(main())
