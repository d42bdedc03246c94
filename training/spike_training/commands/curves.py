# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command ``curves``: dependence of a checkpoint's depth on the conditions."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from spike_depth_ros.base.cli import checked
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.base.values import Positive, at_least
from spike_depth_ros.checkpoint import CheckpointError, find_checkpoint, load
from spike_training.choices import Device
from spike_training.cpu import configure_cpu
from spike_training.disk import make_folder
from spike_training.errors import ConfigError
from spike_training.settings.config import RunConfig
from spike_training.settings.reading import load_config

FORMAT = 1
"""Format version of ``curves.json``."""

CAMERAS = {'spike': 'spike', 'spike_same_exposure': 'spike long', 'frame': 'frame'}
"""Table label of each compared camera, by its key in the report."""

COLUMNS = {'abs_rel': 'AbsRel', 'delta1': 'delta1', 'abs_rel_raw': 'in metres'}
"""Metrics of a camera; tables that compare cameras omit the last one."""


@checked(ConfigError)
def curves(
    config: Path,
    out: Path,
    checkpoint: Path,
    scenes: Annotated[int, at_least(2)] = 100,
    planes: Sequence[int] = (16, 32, 64, 128, 256, 512, 1280),
    mean_rate: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.4),
    rate_hz: Sequence[float] = (5e3, 10e3, 20e3, 40e3),
    speed: Sequence[float] = (0, 0.5, 1, 2, 4, 8),
    frame_spikes: Positive = 16.0,
    device: Device = 'auto',
) -> None:
    """Measure how depth depends on window, light, plane rate and speed, beside a frame camera.

    Generated scenes of the split test, of the config's styles in turn, are simulated under each
    condition. One variable is changed at a time around the config's plane rate and middle window
    length, and the scenes' own light and speed; all conditions use the same scenes. Errors are
    means over scenes, median-scaled.

    The frame camera has the same pixels and integrates over its exposure, which lasts as long as a
    pixel takes, on average, to collect the charge of frame_spikes spikes (frame_spikes / mean
    rate planes), so that in the dark the exposure and the motion blur grow. It has 16 bits and no
    noise. It is compared over speed, and over light at speed 4; there also with spike windows as
    long as the exposure, which contain the same charge.

    Flicker is the median over pixels of abs(ln d - ln d') of two successive windows of a stream,
    its mean over scenes: with nothing moving, and at the scenes' own speed.

    Args:
        config: A config: styles, seed, size of images, batch size, default window and plane rate.
        out: Folder of curves.json and curves.png, made if missing.
        checkpoint: The .safetensors file of a network of spikes, or the name of a shipped model.
        scenes: Number of scenes, of all styles together.
        planes: Window lengths.
        mean_rate: Mean firing rates, the share of the planes in which a pixel fires: the light.
        rate_hz: Plane rates. The light per plane stays.
        speed: Factors on the motion of the image; lamps flicker as before.
        frame_spikes: Spikes whose charge the frame camera's exposure collects, mean over pixels.
        device: cpu, cuda, or auto: a GPU if torch finds one.

    Raises:
        ConfigError: The settings are wrong, or the config has recordings in place of scenes.
        CheckpointError: The checkpoint cannot be used.
    """
    settings = load_config(config)
    _check(settings)
    values = {'planes': planes, 'mean_rate': mean_rate, 'rate_hz': rate_hz, 'speed': speed}
    configure_cpu(settings.threads)
    from spike_depth_ros.pages.plots import style
    from spike_training.evaluation.report import to_json
    from spike_training.reports.condition_charts import condition_charts

    report = _measure(settings, out, checkpoint, scenes, values, frame_spikes, device)
    write_atomically(out / 'curves.json', to_json(report))
    with style():
        condition_charts(report).savefig(drawn := io.BytesIO(), format='png')
    write_atomically(out / 'curves.png', drawn.getvalue())
    show(report)
    print(f'written: {out / "curves.json"}, {out / "curves.png"}')


def _measure(
    settings: RunConfig,
    out: Path,
    checkpoint: Path,
    scenes: int,
    values: Mapping[str, Sequence[float]],
    frame_spikes: float,
    device: Device,
) -> dict[str, Any]:
    """Make the folder of the report, and return the report."""
    from spike_training.engine.fabric import choose_device
    from spike_training.evaluation.curves import make_sweeps, measure
    from spike_training.evaluation.predictors import build_for_evaluation, network_predictor
    from spike_training.sampling.conditions import Condition, ConditionSource
    from spike_training.tasks.depth import check_size

    data = settings.data
    lengths = sorted(data.planes)
    default = Condition(lengths[len(lengths) // 2], data.rate_hz)
    sweeps = make_sweeps(default, values, frame_spikes)
    info, weights = load(find_checkpoint(checkpoint))
    if info.inputs != ('spikes',):
        raise CheckpointError(f'{checkpoint}: it sees {", ".join(info.inputs)}, expected spikes')
    check_size(settings, info)
    make_folder(out)
    place = choose_device(device)
    predictor = network_predictor(build_for_evaluation(info, weights, place), info)
    source = ConditionSource(
        styles=tuple(data.styles),
        seed=settings.seed,
        height=data.height,
        width=data.width,
        planes=(default.planes,),
        rate_hz=default.rate_hz,
        device=place,
        split='test',
        bins=info.bins,
    )
    size = settings.evaluate.batch_size
    batches = [range(k, min(k + size, scenes)) for k in range(0, scenes, size)]
    return {
        'format': FORMAT,
        'stage': info.stage,
        'weights_sha256': info.weights_sha256,
        'seed': settings.seed,
        'styles': list(data.styles),
        'size': [source.height, source.width],
        'scenes': scenes,
        'frame_spikes': frame_spikes,
        **measure(predictor, info, source, batches, default, sweeps),
    }


def _check(settings: RunConfig) -> None:
    if settings.data.recordings:
        raise ConfigError('data.recordings is given: expected a config of generated scenes')


def show(report: Mapping[str, Any]) -> None:
    """Print a table of each curve, and the flicker."""
    from spike_training.evaluation.report import cell

    print(
        f'{report["stage"]}: {report["scenes"]} generated scenes of '
        f'{", ".join(report["styles"])}; means over scenes, median-scaled '
        'but for "in metres"'
    )
    for curve in report['curves'].values():
        _print_curve(curve, report['frame_spikes'])
    flicker = report['flicker']
    print(
        f"flicker, median |ln d - ln d'| of successive windows: nothing moves "
        f'{cell(flicker["static"])}, own speed {cell(flicker["moving"])}'
    )


def _print_curve(curve: Mapping[str, Any], frame_spikes: float) -> None:
    """Print a curve: the metrics of each camera, then the differences of the frame camera."""
    from spike_depth_ros.pages.blocks import Table
    from spike_depth_ros.pages.terminal import print_table
    from spike_training.evaluation.report import cell

    points = curve['points']
    cameras = [name for name in CAMERAS if name in points[0]]
    others = points[0].get('frame_minus', ())
    compared = 'frame' in cameras
    title = curve['title'] + (f'; frame camera of {frame_spikes:g} spikes' if compared else '')
    metrics = {k: v for k, v in COLUMNS.items() if not compared or k != 'abs_rel_raw'}
    header = [curve['variable']]
    for name in cameras:
        label = f'{CAMERAS[name]} ' if compared else ''
        header += [label + figure for figure in metrics.values()]
    header += [f'frame - {CAMERAS[name]}, 95 %' for name in others]
    rows = []
    for point in points:
        row = [f'{point["value"]:g}']
        for name in cameras:
            row += [cell(point[name][key]) for key in metrics]
        for name in others:
            found = point['frame_minus'][name]
            row.append(f'{cell(found["abs_rel"])} ± {cell(found["half_width_95"])}')
        rows.append(row)
    print_table(Table(header, rows, title))
