# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Findings about camera and places of recordings, before training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Fraction
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.candidates import SENSOR
from spike_training.adaptation.correction import (
    Both,
    Corrections,
    UniformRates,
    choose_corrections,
    estimate_correction,
    firing_rates,
    load_corrections,
    measure_correction,
    save_corrections,
)
from spike_training.adaptation.matching import (
    MOST_TRIALS,
    Match,
    SimulatedScenes,
    Windows,
    compute_statistics,
    match_camera,
)
from spike_training.adaptation.places import look_upside_down, repeated_styles, style_shares
from spike_training.adaptation.schedule import Advance
from spike_training.adaptation.steps import File, Step
from spike_training.adaptation.stored import damaged, read
from spike_training.adaptation.windows import Recorded, spread_windows
from spike_training.errors import DataSetError
from spike_training.settings.config import RunConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric

MATCH = 'match.json'


class Findings(NamedTuple):
    """Findings about camera and places of recordings.

    Attributes:
        match: Match of the simulation.
        scenes: Labelled scenes by the matched camera.
        shares: Share of each style of generated scenes.
        upside_down: True if the camera seems to be mounted upside-down.
        corrections: Corrections of the sensor; None: there is nothing to correct.
    """

    match: Match
    scenes: SimulatedScenes
    shares: Mapping[str, float]
    upside_down: bool
    corrections: Corrections | None

    @property
    def styles(self) -> tuple[str, ...]:
        """Styles of the labelled scenes, in turn."""
        return repeated_styles(self.shares)


class Inputs(NamedTuple):
    """What an adaptation begins with, known before its recordings are read.

    Attributes:
        settings: Settings of the candidates; they are written to the folder of the adaptation.
        info: Metadata of the old network.
        old: The old network, on the device.
        original: Its checkpoint.
        fabric: Launched fabric.
        windows: Windows of the recordings.
        known: Settings that a resumed adaptation must have, too.
    """

    settings: RunConfig
    info: DepthInfo
    old: nn.Module
    original: Path
    fabric: Fabric
    windows: Windows
    known: dict[str, Any]


def finding_steps() -> list[Step]:
    """Return the steps that find what is to be known about camera and places.

    They need ``inputs``, ``recorded`` and ``rates``.
    """
    places = 'styles of places, correction of the sensor'
    here = 'inputs', 'recorded'
    return [
        Step(
            'match', _match, here, 'match of the camera', MOST_TRIALS,
            File(MATCH, lambda path, *_: read(path, Match)),
        ),
        Step('scenes', lambda inputs, recorded, match: SimulatedScenes(
            match.optics, recorded.windows, inputs.settings.seed
        ), (*here, 'match'), places),
        Step(
            'shares', _style_shares, (*here, 'scenes'), places,
            file=File('styles.json', lambda path, inputs, *_: dataclasses.asdict(
                read(path, shares_of(inputs.settings.data.styles))
            )),
        ),
        Step('upside_down', _upside_down, here, places),
        Step(
            'correction', _correct, (*here, 'scenes', 'shares', 'rates'), places,
            file=File('correction.safetensors', _read_correction, save_corrections),
        ),
        Step('corrections', _choose, (*here, 'correction'), places),
        Step('findings', Findings, ('match', 'scenes', 'shares', 'upside_down', 'corrections')),
    ]  # fmt: skip


def shares_of(styles: Sequence[str]) -> type[Any]:
    """Return the dataclass of ``styles.json``, with the share of each style as a field."""

    @across(*styles)
    def add_up(shares: Any) -> Problems:
        total = sum(dataclasses.astuple(shares))
        if abs(total - 1) > 1e-3:
            yield f'shares add up to {total:g}: expected 1'

    fields = [(style, Fraction) for style in dict.fromkeys(styles)]
    return dataclasses.make_dataclass('Shares', fields, namespace={'add_up': add_up}, frozen=True)


def _match(inputs: Inputs, recorded: Recorded, advance: Advance) -> Match:
    """Match the simulation to the recording."""
    source, sizes = recorded.adaptation, recorded.sizes
    batch = source.usable(source.spread(sizes.matched))
    if batch is None:
        raise DataSetError(f'{source.recording(0)}: no window can be read')
    statistics = compute_statistics(batch.counts, batch.planes_per_bin)
    styles = inputs.settings.data.styles
    return match_camera(statistics, styles, recorded.windows, sizes.match_scenes, advance=advance)


def _style_shares(inputs: Inputs, recorded: Recorded, scenes: SimulatedScenes) -> Any:
    """Estimate the shares of the styles."""
    source, number = recorded.adaptation, recorded.sizes.compared
    styles: Sequence[str] = inputs.settings.data.styles
    windows = [batch.unlabelled() for batch in spread_windows(source, number)]
    compared = {
        style: [
            batch.unlabelled()
            for batch in scenes.batches([style], 'calibration', number, source.device)
        ]
        for style in styles
    }
    return shares_of(styles)(**style_shares(inputs.old, windows, compared))


def _upside_down(inputs: Inputs, recorded: Recorded) -> bool:
    windows = [window.to(recorded.adaptation.device) for window in recorded.tested]
    return look_upside_down(inputs.old, windows)


def _why_not(recorded: Recorded) -> str:
    """Return why the sensor cannot be corrected; empty: it can."""
    if recorded.pairs is not None:
        return 'each of two eyes would need its own'
    # A correction is of the pixels of the sensor.
    return 'the lens is rectified' if recorded.opened.clips[0].rectification is not None else ''


def _correct(
    inputs: Inputs,
    recorded: Recorded,
    scenes: SimulatedScenes,
    shares: Mapping[str, float],
    rates: UniformRates,
) -> Both | None:
    """Estimate or measure corrections of the sensor and the simulated one.

    Returns:
        None if too many pixels seem faulty, or the sensor cannot be corrected.
    """
    if _why_not(recorded):
        return None
    whole, number = recorded.whole, recorded.sizes.corrected
    planes, rate_hz = recorded.windows.planes, recorded.windows.rate_hz
    try:
        parts = (whole.usable([one]) for one in whole.spread(number))
        seen = firing_rates(part for part in parts if part is not None)
        sensor = measure_correction(estimate_correction(seen, planes, rate_hz), rates)
        sensor.crop(*recorded.adaptation.crop())
        # Estimated even where the real sensor's is measured, which is more exact: on scenes a
        # candidate is then tested with more of the pattern left than on the recording, so that
        # its improvement is rather under- than overestimated.
        labelled = scenes.batches(repeated_styles(shares), 'train', number)
        simulated = estimate_correction(firing_rates(labelled), planes, rate_hz)
    except ValueError as error:
        print(f'{inputs.settings.out}: {SENSOR} is left out: {error}')
        return None
    return sensor, simulated


def _read_correction(path: Path, _: Inputs, recorded: Recorded, *__: Any) -> Both:
    """Read what is stored of the sensor of these recordings."""
    both = load_corrections(path)
    geometry = recorded.opened.clips[0].geometry
    if both[0].size != (geometry.height, geometry.width):
        found = ValueError(f'{both[0].size}, expected {geometry} as the recordings')
        raise damaged(path, found)
    return both


def _choose(inputs: Inputs, recorded: Recorded, both: Both | None) -> Corrections | None:
    """Choose what to correct: None if nothing lessens the pattern of the held-back windows."""
    folder, why_not = inputs.settings.out, _why_not(recorded)
    if why_not:
        print(f'{folder}: {SENSOR} is left out: {why_not}')
    if why_not or both is None:
        return None
    crop, rate_hz = recorded.adaptation.crop(), recorded.windows.rate_hz
    chosen = choose_corrections(both, recorded.tested, crop, inputs.info.pool, rate_hz)
    reason = 'the lasting pattern of the held-back windows does not become less'
    if chosen is None:
        print(f'{folder}: {SENSOR} is left out: {reason}')
    elif both[0].has_maps and not chosen.sensor.has_maps:
        print(f'{folder}: response and dark current are not corrected: {reason}')
    return chosen
