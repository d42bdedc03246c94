# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Findings about camera and places of recordings, before training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Fraction
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.candidates import SENSOR
from spike_training.adaptation.correction import (
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
    compute_statistics,
    match_camera,
)
from spike_training.adaptation.places import look_upside_down, repeated_styles, style_shares
from spike_training.adaptation.schedule import Advance, Schedule
from spike_training.adaptation.stored import damaged, resume
from spike_training.adaptation.windows import Recorded, spread_windows
from spike_training.errors import DataSetError
from spike_training.settings.config import RunConfig


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


def find(
    old: nn.Module,
    info: DepthInfo,
    recorded: Recorded,
    settings: RunConfig,
    rates: UniformRates,
    schedule: Schedule,
) -> Findings:
    """Find what is to be known about camera and places, or read what an interrupted one found."""
    with schedule.step('match of the camera', MOST_TRIALS) as advance:
        match = resume(
            settings.out / 'match.json',
            lambda: _match(recorded, settings, advance),
            Match,
        )
    with schedule.step('styles of places, correction of the sensor'):
        return _find_places(match, old, info, recorded, settings, rates)


def _find_places(
    match: Match,
    old: nn.Module,
    info: DepthInfo,
    recorded: Recorded,
    settings: RunConfig,
    rates: UniformRates,
) -> Findings:
    """Find what is to be known beside the match."""
    scenes = SimulatedScenes(match.optics, recorded.windows, settings.seed)
    kind = shares_of(settings.data.styles)
    stored = resume(
        settings.out / 'styles.json',
        lambda: kind(**_style_shares(old, recorded, scenes, settings.data.styles)),
        kind,
    )
    shares: dict[str, float] = dataclasses.asdict(stored)
    windows = [window.to(recorded.adaptation.device) for window in recorded.tested]
    upside_down = look_upside_down(old, windows)
    corrections = _corrections(
        recorded, scenes, repeated_styles(shares), info.pool, settings.out, rates
    )
    return Findings(match, scenes, shares, upside_down, corrections)


def shares_of(styles: Sequence[str]) -> type[Any]:
    """Return the dataclass of ``styles.json``, with the share of each style as a field."""

    @across(*styles)
    def add_up(shares: Any) -> Problems:
        total = sum(dataclasses.astuple(shares))
        if abs(total - 1) > 1e-3:
            yield f'shares add up to {total:g}: expected 1'

    fields = [(style, Fraction) for style in dict.fromkeys(styles)]
    return dataclasses.make_dataclass('Shares', fields, namespace={'add_up': add_up}, frozen=True)


def _match(recorded: Recorded, settings: RunConfig, advance: Advance) -> Match:
    """Match the simulation to the recording."""
    source, sizes = recorded.adaptation, recorded.sizes
    batch = source.usable(source.spread(sizes.matched))
    if batch is None:
        raise DataSetError(f'{source.recording(0)}: no window can be read')
    statistics = compute_statistics(batch.counts, batch.planes_per_bin)
    return match_camera(
        statistics, settings.data.styles, recorded.windows, sizes.match_scenes, advance=advance
    )


def _style_shares(
    network: nn.Module, recorded: Recorded, scenes: SimulatedScenes, styles: Sequence[str]
) -> dict[str, float]:
    """Estimate the shares of the styles."""
    source, number = recorded.adaptation, recorded.sizes.compared
    windows = [batch.unlabelled() for batch in spread_windows(source, number)]
    compared = {
        style: [
            batch.unlabelled()
            for batch in scenes.batches([style], 'calibration', number, source.device)
        ]
        for style in styles
    }
    return style_shares(network, windows, compared)


def _corrections(
    recorded: Recorded,
    scenes: SimulatedScenes,
    styles: Sequence[str],
    pool: int,
    folder: Path,
    rates: UniformRates,
) -> Corrections | None:
    """Estimate or measure the corrections, or read those of an interrupted adaptation.

    Returns:
        None if too many pixels seem faulty, no correction lessens the lasting pattern of the
        held-back windows, these are rectified (a correction is of the pixels of the sensor), or
        there are two eyes.
    """
    if recorded.pairs is not None:
        print(f'{folder}: {SENSOR} is left out: each of two eyes would need its own')
        return None
    if recorded.opened.clips[0].rectification is not None:
        print(f'{folder}: {SENSOR} is left out: the lens is rectified')
        return None
    path, crop = folder / 'correction.safetensors', recorded.adaptation.crop()
    planes, rate_hz = recorded.windows.planes, recorded.windows.rate_hz
    if not path.is_file():
        whole, number = recorded.whole, recorded.sizes.corrected
        try:
            parts = (whole.usable([one]) for one in whole.spread(number))
            seen = firing_rates(part for part in parts if part is not None)
            sensor = measure_correction(estimate_correction(seen, planes, rate_hz), rates)
            sensor.crop(*crop)
            # Estimated even where the real sensor's is measured, which is more exact: on scenes a
            # candidate is then tested with more of the pattern left than on the recording, so that
            # its improvement is rather under- than overestimated.
            simulated = estimate_correction(
                firing_rates(scenes.batches(styles, 'train', number)), planes, rate_hz
            )
        except ValueError as error:
            print(f'{folder}: {SENSOR} is left out: {error}')
            return None
        save_corrections(path, sensor, simulated)
    both = load_corrections(path)
    geometry = recorded.opened.clips[0].geometry
    if both[0].size != (geometry.height, geometry.width):
        found = ValueError(f'{both[0].size}, expected {geometry} as the recordings')
        raise damaged(path, found)
    chosen = choose_corrections(both, recorded.tested, crop, pool, rate_hz)
    reason = 'the lasting pattern of the held-back windows does not become less'
    if chosen is None:
        print(f'{folder}: {SENSOR} is left out: {reason}')
    elif both[0].has_maps and not chosen.sensor.has_maps:
        print(f'{folder}: response and dark current are not corrected: {reason}')
    return chosen
