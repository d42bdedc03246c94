# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a checkpoint to recordings: match, rungs, and a verdict on each."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import nn

from spike_depth_ros.checkpoint import (
    CheckpointError,
    DepthInfo,
    find_checkpoint,
    hash_file,
    load_with_correction,
    onnx_path,
    remove_unfinished,
    write_atomically,
)
from spike_training.adaptation import CONFIG as CONFIG
from spike_training.adaptation.correction import (
    Corrections,
    UniformRates,
    choose_corrections,
    describe_correction,
    estimate_correction,
    firing_rates,
    load_corrections,
    measure_correction,
    measure_rates,
    save_corrections,
)
from spike_training.adaptation.gate import Verdict
from spike_training.adaptation.judgement import OLD, Judge, Rung
from spike_training.adaptation.ladder import (
    AVERAGE,
    TrainingData,
    climb_all,
    load_network,
    matched_source,
)
from spike_training.adaptation.matching import (
    Match,
    compute_statistics,
    match_camera,
)
from spike_training.adaptation.page import PAGE, write_page
from spike_training.adaptation.places import (
    look_upside_down,
    repeated_styles,
    style_shares,
)
from spike_training.adaptation.recordings import Opened, read_clips
from spike_training.adaptation.report import (
    REPORT,
    Findings,
    list_warnings,
    shown_on_page,
    write_report,
)
from spike_training.adaptation.ros_commands import RECORDING, UNFINISHED
from spike_training.adaptation.windows import (
    BATCH_SIZE,
    Recorded,
    open_windows,
    spread_windows,
)
from spike_training.choices import Device
from spike_training.datasets.clip import SpikeClip
from spike_training.disk import make_folder
from spike_training.engine.fabric import make_fabric
from spike_training.errors import ConfigError, DataSetError
from spike_training.runs.adabn import adabn_problem
from spike_training.runs.export import export
from spike_training.sampling.sample import Unlabelled
from spike_training.settings.config import RunConfig, listed
from spike_training.settings.reading import load_config
from spike_training.threads import limit_threads

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SETTINGS = 'settings.json'

MATCHED_WINDOWS = 48
"""Windows of the recording that the simulation is matched to."""

CORRECTED_WINDOWS = 48
"""Windows of the recording, and of simulated scenes, that the correction is estimated from."""

COMPARED = 24
"""Windows of the recording, and scenes of each style, that are compared by their looks."""

SENSOR = 'sensor'
"""Name of the first rung: the old network with a correction of the sensor."""


class Arguments(NamedTuple):
    """Arguments of the command ``adapt`` that a resumed adaptation must have, too.

    Attributes:
        recordings: Recordings of one camera.
        checkpoint: Checkpoint to adapt.
        config: Settings of the rungs.
        minutes: Duration.
        size: Width and height of the sensor, pixels, where a recording does not have them.
        rate_hz: Plane rate where a recording does not have it.
        topic: Topic of spikes in bags, its full name or the end of it.
        flat: Recording of a uniform bright picture.
        dark: Recording with the lens covered.
    """

    recordings: Sequence[Path]
    checkpoint: Path
    config: Path
    minutes: float
    size: str
    rate_hz: float
    topic: str
    flat: Path | None
    dark: Path | None


def run(arguments: Arguments, out: Path, device: Device) -> Verdict:
    """Adapt a checkpoint.

    Args:
        arguments: Arguments of the command.
        out: The .safetensors file to write; the folder of the adaptation lies beside it.
        device: ``cpu``, ``cuda`` or ``auto``.

    Returns:
        The verdict; the file is written if it is ``improved``.

    Raises:
        ConfigError: The settings are wrong, or the folder holds another adaptation.
        CheckpointError: The checkpoint cannot be adapted.
        DataSetError: The recordings cannot be used.
        TrainingError: Training cannot go on.
    """
    start = time.monotonic()
    folder = out.with_suffix('')
    settings, info, old = prepare(arguments.config, arguments.checkpoint, out)
    limit_threads(settings.threads)
    fabric = make_fabric(device, 1, settings.train.precision)
    source = arguments.size, arguments.rate_hz, arguments.topic
    try:
        recorded = open_windows(arguments.recordings, *source, info, fabric.device)
    except DataSetError as error:
        own = folder / RECORDING
        if own not in arguments.recordings:
            raise
        raise DataSetError(f'{error}; to record anew, remove {own}') from error
    opened = recorded.opened
    flat, dark = (
        [] if path is None else read_clips(path, *source, opened.padded_row_bytes)
        for path in (arguments.flat, arguments.dark)
    )
    rates = measure_rates(opened.clips[0].geometry, flat, dark)
    _init_folder(folder, opened, arguments, flat, dark)
    old.to(fabric.device)
    settings = dataclasses.replace(settings, out=folder)
    findings = _find(old, info, recorded, settings, rates)
    _print_findings(folder, recorded, findings)
    judge = Judge(
        old, info, recorded, findings.match, repeated_styles(findings.shares), settings.seed,
        fabric, findings.corrections,
    )  # fmt: skip
    _climb_all(judge, arguments, start, info, recorded, settings, findings, fabric)
    write_report(folder, recorded, findings, judge)
    calibrated = None
    if judge.kept is not None:
        calibrated = folder / 'calibrated.safetensors'
        judge.calibrate(judge.kept, calibrated)
    shown = shown_on_page(find_checkpoint(arguments.checkpoint), out, recorded, judge, calibrated)
    write_page(folder, REPORT, shown)
    if judge.kept is None:
        print(f'{folder / PAGE}: {judge.verdict}; {arguments.checkpoint} stays')
    else:
        # Last, as an adaptation whose file exists is complete: an interrupted one goes on.
        export(out, checkpoint=calibrated)
        print(f'{out}: improved, by {judge.kept.name}; {folder / PAGE}: what each rung brought')
    return judge.verdict


def prepare(config: Path, checkpoint: Path, out: Path) -> tuple[RunConfig, DepthInfo, nn.Module]:
    """Load what an adaptation needs before its recordings: settings, metadata and network.

    Raises:
        ConfigError: The settings are wrong, or the folder beside ``out`` holds something else.
        CheckpointError: The checkpoint cannot be adapted.
    """
    _check_folder(out)
    settings = load_config(config)
    _check_rungs(settings)
    return settings, *_load_old(checkpoint)


def _load_old(checkpoint: Path) -> tuple[DepthInfo, nn.Module]:
    """Load the network to adapt.

    Raises:
        CheckpointError: It cannot be adapted.
    """
    info, old = load_network(checkpoint)
    if load_with_correction(find_checkpoint(checkpoint))[2] is not None:
        raise CheckpointError(
            f'{checkpoint}: it has a sensor correction, expected none: choose the checkpoint that '
            'it was made from'
        )
    if info.inputs != ('spikes',):
        raise CheckpointError(f'{checkpoint}: it sees {", ".join(info.inputs)}, expected spikes')
    if (reason := adabn_problem(old, info.architecture)) is not None:
        raise CheckpointError(f'{checkpoint}: {reason}')
    return info, old


def _find(
    old: nn.Module,
    info: DepthInfo,
    recorded: Recorded,
    settings: RunConfig,
    rates: UniformRates,
) -> Findings:
    """Find out what is to be known about camera and places before training."""
    match = _match(recorded, settings, info)
    shares = _style_shares(old, info, recorded, match, settings)
    windows = [window.to(recorded.adaptation.device) for window in recorded.judged]
    return Findings(
        match,
        shares,
        look_upside_down(old, windows),
        _corrections(recorded, match, repeated_styles(shares), info, settings, rates),
    )


def _print_findings(folder: Path, recorded: Recorded, findings: Findings) -> None:
    opened = recorded.opened
    print(
        f'{folder}: {opened.duration_s:.3g} s in {len(opened.recordings)} recordings; simulated '
        f'with {findings.match.describe()}'
    )
    if recorded.measured:
        print(f'{folder}: the depth of the recording decides on the verdict')
    if findings.corrections is not None:
        facts = describe_correction(findings.corrections.sensor)
        print(
            f'{folder}: {facts["faulty_pixels"]} faulty pixels, response differs by '
            f'{facts["gain_std"]:.1%}, dark current {facts["dark_per_s"]:.3g}/s '
            f'({facts["source"]})'
        )
    told = ', '.join(f'{style} {share:.0%}' for style, share in findings.shares.items())
    print(f'{folder}: places look like {told}')
    for warning in list_warnings(recorded, findings):
        print(f'{folder}: {warning}')


def _climb_all(
    judge: Judge,
    arguments: Arguments,
    start: float,
    info: DepthInfo,
    recorded: Recorded,
    settings: RunConfig,
    findings: Findings,
    fabric: Fabric,
) -> None:
    """Train and judge all rungs, each from the best network so far."""
    folder, corrections = settings.out, findings.corrections
    seconds = _rung_seconds(
        folder, 60 * arguments.minutes - (time.monotonic() - start), len(settings.stages)
    )
    old = find_checkpoint(arguments.checkpoint)
    source = matched_source(
        recorded.windows, findings.match, repeated_styles(findings.shares), info, 'train',
        settings.seed, fabric.device,
    )  # fmt: skip
    data = TrainingData(source, recorded.adaptation, recorded.windows.rate_hz)

    def judged(name: str, candidate: Path, begin: float) -> Rung:
        rung = judge.judge(name, candidate, begin, data.corrected)
        print(f'{folder}: {rung.describe()}')
        return rung

    if corrections is not None:
        rung = judge.judge(SENSOR, old, time.monotonic(), corrected=True)
        print(f'{folder}: {rung.describe()}')
        if judge.kept is rung:
            data = data.correct(corrections)
    climb_all(settings, old, data, seconds, fabric, judged, [*judge.rungs])


def _match(recorded: Recorded, settings: RunConfig, info: DepthInfo) -> Match:
    """Match the simulation to the recording, or read the match of an interrupted adaptation."""
    path = settings.out / 'match.json'
    if path.is_file():
        return Match.from_json(path.read_text())
    source, windows = recorded.adaptation, recorded.windows
    batch = source.usable(source.spread(MATCHED_WINDOWS))
    if batch is None:
        raise DataSetError(f'{source.recording(0)}: no window can be read')
    match = match_camera(
        compute_statistics(batch.counts, batch.planes_per_bin),
        settings.data.styles,
        (windows.height, windows.width),
        windows.planes,
        windows.rate_hz,
        info.bins,
    )
    write_atomically(path, match.to_json().encode())
    return match


def _corrections(
    recorded: Recorded,
    match: Match,
    styles: Sequence[str],
    info: DepthInfo,
    settings: RunConfig,
    rates: UniformRates,
) -> Corrections | None:
    """Estimate or measure the corrections, or read those of an interrupted adaptation.

    Returns:
        None if too many pixels seem faulty, or no correction lessens the lasting pattern of the
        held-back windows.
    """
    path = settings.out / 'correction.safetensors'
    windows = recorded.windows
    if not path.is_file():
        try:
            whole = recorded.whole
            parts = (whole.usable([number]) for number in whole.spread(CORRECTED_WINDOWS))
            sensor = estimate_correction(
                firing_rates(part for part in parts if part is not None),
                windows.planes,
                windows.rate_hz,
            )
            sensor = measure_correction(sensor, rates)
            sensor.crop(*recorded.adaptation.crop())
            # Estimated even where the real sensor's is measured, which is more exact: on scenes a
            # candidate is then judged with more of the pattern left than on the recording, so that
            # its improvement is rather under- than overestimated.
            source = matched_source(windows, match, styles, info, 'train', settings.seed)
            scenes = (
                source.samples(range(first, first + BATCH_SIZE))
                for first in range(0, CORRECTED_WINDOWS, BATCH_SIZE)
            )
            simulated = estimate_correction(firing_rates(scenes), windows.planes, windows.rate_hz)
        except ValueError as error:
            print(f'{settings.out}: {SENSOR} is left out: {error}')
            return None
        save_corrections(path, sensor, simulated)
    both = load_corrections(path)
    chosen = choose_corrections(
        both, recorded.judged, recorded.adaptation.crop(), info.pool, windows.rate_hz
    )
    reason = 'the lasting pattern of the held-back windows does not become less'
    if chosen is None:
        print(f'{settings.out}: {SENSOR} is left out: {reason}')
    elif both[0].has_maps and not chosen.sensor.has_maps:
        print(f'{settings.out}: response and dark current are not corrected: {reason}')
    return chosen


def _style_shares(
    network: nn.Module,
    info: DepthInfo,
    recorded: Recorded,
    match: Match,
    settings: RunConfig,
) -> dict[str, float]:
    """Estimate the shares of the styles, or read those of an interrupted adaptation."""
    path = settings.out / 'styles.json'
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text())
        return found
    source = recorded.adaptation
    windows = [batch.unlabelled() for batch in spread_windows(source, COMPARED)]
    scenes: dict[str, list[Unlabelled]] = {}
    for style in settings.data.styles:
        own = matched_source(
            recorded.windows, match, [style], info, 'calibration', settings.seed, source.device
        )
        scenes[style] = [
            own.samples(range(first, first + BATCH_SIZE)).unlabelled()
            for first in range(0, COMPARED, BATCH_SIZE)
        ]
    shares = style_shares(network, windows, scenes)
    write_atomically(path, json.dumps(shares).encode())
    return shares


def _contents(clips: Sequence[SpikeClip]) -> list[str]:
    return [
        f'{clip.name}, {clip.geometry}, {clip.planes} planes at {clip.rate_hz:.6g} Hz'
        for clip in clips
    ]


def _check_folder(out: Path) -> None:
    """Refuse files beside an output that are not of an adaptation.

    Raises:
        ConfigError: There are some.
    """
    folder = out.with_suffix('')
    if (folder / SETTINGS).is_file():
        return
    ours = RECORDING, UNFINISHED
    others = folder.is_dir() and any(one.name not in ours for one in folder.iterdir())
    if onnx_path(out).exists() or others:
        taken = onnx_path(out) if onnx_path(out).exists() else folder
        raise ConfigError(f'{taken} exists, which {out} would need: choose another --out')


def _init_folder(
    folder: Path,
    opened: Opened,
    arguments: Arguments,
    flat: Sequence[SpikeClip],
    dark: Sequence[SpikeClip],
) -> None:
    """Create the folder of an adaptation, or continue one of the same arguments.

    Raises:
        ConfigError: It holds an adaptation of other arguments.
    """
    settings: dict[str, Any] = {
        'recordings': [str(path.resolve()) for path in arguments.recordings],
        'content of the recordings': _contents(opened.clips),
        'checkpoint': hash_file(find_checkpoint(arguments.checkpoint)),
        'config': hash_file(arguments.config),
        'minutes': arguments.minutes,
        'flat': _contents(flat),
        'dark': _contents(dark),
    }
    path = folder / SETTINGS
    if path.is_file():
        before = json.loads(path.read_text())
        if different := [name for name in settings if before.get(name) != settings[name]]:
            raise ConfigError(
                f'{folder} holds an adaptation with another {", ".join(different)}: give what it '
                'was started with, or choose another --out'
            )
        remove_unfinished(folder)
        return
    make_folder(folder)
    write_atomically(path, json.dumps(settings, indent=2).encode())


def _rung_seconds(folder: Path, left_s: float, rungs: int) -> float:
    """Return the duration of a rung, which a resumed adaptation keeps."""
    path = folder / 'budget.json'
    if not path.is_file():
        write_atomically(path, json.dumps({'rung_s': max(left_s, 0) / rungs}).encode())
    return float(json.loads(path.read_text())['rung_s'])


def _check_rungs(settings: RunConfig) -> None:
    """Refuse settings of rungs that an adaptation would ignore.

    Raises:
        ConfigError: There are some; the message lists them.
    """
    problems = []
    for i, stage in enumerate(settings.stages):
        where = f'stages[{i}]'
        if stage.name in (OLD, SENSOR, AVERAGE):
            problems.append(f'{where}.name is {stage.name!r}: expected another name')
        spec = stage.batches
        if stage.task != 'depth' or spec.domain == 'target' or spec.rgb:
            problems.append(
                f'{where}.kind is {stage.kind!r}: expected stages of depth that learn from '
                'labelled spikes of the source'
            )
        for name in ('average_with', 'steps', 'epochs', 'height', 'width', 'planes', 'styles'):
            if getattr(stage, name) is not None:
                problems.append(f'{where}.{name} is given: expected none')
        if getattr(getattr(stage, 'adapt', None), 'deploy', '') == 'label_free':
            problems.append(f"{where}.adapt.deploy is 'label_free': expected teacher or student")
    if problems:
        raise ConfigError(listed(problems))
