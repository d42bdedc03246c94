# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a checkpoint to recordings: match, rungs, and a verdict on each."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric
from safetensors.numpy import load_file
from safetensors.numpy import save as serialise
from torch import nn

from spike_depth_ros.checkpoint import (
    CheckpointError,
    DepthInfo,
    find_checkpoint,
    hash_file,
    load,
    load_with_correction,
    onnx_path,
    remove_unfinished,
    save,
    write_atomically,
)
from spike_depth_ros.evaluation.results import without_nan
from spike_depth_ros.model.registry import build_with_weights
from spike_depth_ros.stream.correction import SensorCorrection
from spike_training.adaptation.correction import (
    CorrectedSource,
    CountCorrector,
    estimate_correction,
    measure_correction,
    origin,
)
from spike_training.adaptation.gate import (
    Evidence,
    Outputs,
    Verdict,
    compare,
    compute_outputs,
    expected_change,
    judge,
    labelled_error,
)
from spike_training.adaptation.ladder import Windows, climb, load_network, matched_source
from spike_training.adaptation.matching import Match, compute_statistics, match_camera
from spike_training.adaptation.places import repeated_styles, style_shares
from spike_training.adaptation.recordings import (
    Opened,
    Parts,
    open_recordings,
    read_clips,
    split_in_time,
)
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.splits import Split
from spike_training.disk import make_folder
from spike_training.engine.fabric import DeviceName, make_fabric
from spike_training.engine.stage import Source
from spike_training.errors import ConfigError, DataSetError, NonFiniteError
from spike_training.evaluation.calibration import fit_uncertainty_factor
from spike_training.runs.adabn import adabn_problem
from spike_training.runs.export import export
from spike_training.sampling.sample import Batch, Unlabelled
from spike_training.sampling.spike_source import SpikeSource
from spike_training.settings.config import RunConfig, listed
from spike_training.settings.reading import load_config

CONFIG = Path(__file__).resolve().parents[2] / 'configs' / 'adapt.yaml'
"""Settings of the rungs."""

REPORT = 'adapt.json'
SETTINGS = 'settings.json'

LARGEST = (256, 384)
"""Rows and columns of the windows, at most: of larger sensors the middle is used."""

MATCHED_WINDOWS = 48
"""Windows of the recording that the simulation is matched to."""

JUDGED = 36
"""Held-back windows, and labelled scenes, that the gate judges on."""

COMPARED = 24
"""Windows of the recording, and scenes of each style, that are compared by their looks."""

LARGEST_DISTANCE = 6.0
"""Distance of the match above which labelled scenes are no evidence, and nothing improves."""

CORRECTED_WINDOWS = 48
"""Windows of the recording, and of simulated scenes, that the correction is estimated from."""

SENSOR = 'sensor'
"""Name of the first rung: the old network with a correction of the sensor."""

BATCH_SIZE = 12


class Recorded(NamedTuple):
    """Recordings as windows.

    Attributes:
        opened: The recordings.
        adaptation: Windows to learn from.
        judged: Held-back windows.
        windows: Their size, length and plane rate.
        whole: Windows to learn from, of the whole sensor, in one bin.
    """

    opened: Opened
    adaptation: SpikeSource
    judged: list[Unlabelled]
    windows: Windows
    whole: SpikeSource


class Corrections(NamedTuple):
    """Corrections of the recording's sensor and of the simulated one.

    Attributes:
        sensor: Correction of the sensor.
        recorded: Correction of the counts of recorded windows.
        simulated: Correction of the counts of labelled scenes, estimated from as many simulated
            windows: errors of the estimate are part of the evidence.
    """

    sensor: SensorCorrection
    recorded: CountCorrector
    simulated: CountCorrector


@dataclasses.dataclass(frozen=True)
class Rung:
    """Candidate of a rung.

    Attributes:
        name: Name of the rung.
        checkpoint: Its checkpoint.
        evidence: Evidence of the gate against the old network.
        verdict: Verdict of the gate.
        expected_change: Expected relative change of the error.
        seconds: Duration of training and judgement in this run.
        corrected: True if its windows are corrected for the sensor.
    """

    name: str
    checkpoint: Path
    evidence: Evidence
    verdict: Verdict
    expected_change: float
    seconds: float
    corrected: bool


def run(
    recordings: Sequence[Path],
    out: Path,
    checkpoint: Path,
    config: Path,
    size: str,
    rate_hz: float,
    minutes: float,
    device: DeviceName,
    flat: Path | None = None,
    dark: Path | None = None,
) -> None:
    """Adapt a checkpoint; the arguments are those of the command ``adapt``.

    Raises:
        ConfigError: The settings are wrong, or the folder holds another adaptation.
        CheckpointError: The checkpoint cannot be adapted.
        DataSetError: The recordings cannot be used.
        TrainingError: Training cannot go on.
    """
    start = time.monotonic()
    settings = load_config(config)
    _check_rungs(settings)
    old_info, old = load_network(checkpoint)
    if load_with_correction(find_checkpoint(checkpoint))[2] is not None:
        raise CheckpointError(
            f'{checkpoint}: it has a sensor correction, expected none: choose the checkpoint that '
            'it was made from'
        )
    if old_info.inputs != ('spikes',):
        raise CheckpointError(
            f'{checkpoint}: it sees {", ".join(old_info.inputs)}, expected spikes'
        )
    if (reason := adabn_problem(old, old_info.architecture)) is not None:
        raise CheckpointError(f'{checkpoint}: {reason}')
    fabric = make_fabric(device, 1, settings.train.precision)
    recorded = _open(recordings, size, rate_hz, old_info, fabric.device)
    folder = out.with_suffix('')
    _init_folder(folder, out, recordings, recorded.opened, checkpoint, config, minutes, flat, dark)
    old.to(fabric.device)
    match = _match(recorded, settings, old_info, folder)
    print(f'{folder}: {describe(recorded.opened, match)}')
    settings = dataclasses.replace(settings, out=folder)
    matched = match.distance <= LARGEST_DISTANCE
    if not matched:
        print(
            f'{folder}: distance {match.distance:.1f}, expected at most {LARGEST_DISTANCE:g}: the '
            'simulation does not match the recording, so that the verdict is at most no change'
        )
    shares = _style_shares(old, old_info, recorded, match, settings, folder)
    told = ', '.join(f'{style} {share:.0%}' for style, share in shares.items())
    print(f'{folder}: places look like {told}')
    styles = repeated_styles(shares)
    measured = [[] if one is None else read_clips(one, size, rate_hz) for one in (flat, dark)]
    corrections = _corrections(recorded, match, styles, old_info, settings, folder, *measured)
    gate = _Gate(old, old_info, recorded, match, styles, settings, fabric, corrections)
    seconds = _rung_seconds(folder, 60 * minutes - (time.monotonic() - start), settings)
    best, rungs = find_checkpoint(checkpoint), list[Rung]()
    kept: Rung | None = None

    def note(rung: Rung) -> bool:
        """Note the verdict on a rung, and return True if it is the best one so far."""
        nonlocal kept
        if rung.verdict == 'improved' and not matched:
            rung = dataclasses.replace(rung, verdict='no change')
        rungs.append(rung)
        print(f'{folder}: {rung.name}: {rung.verdict} (expected {rung.expected_change:+.1%})')
        least = 0.0 if kept is None else kept.expected_change
        if rung.verdict == 'improved' and rung.expected_change < least:
            kept = rung
        return kept is rung

    source: Source[Batch] = matched_source(
        recorded.windows, match, styles, old_info, 'train', settings.seed, fabric.device
    )
    target: Source[Batch] = recorded.adaptation
    corrected = False
    if corrections is not None:
        corrected = note(gate.judge(SENSOR, best, time.monotonic(), True))
        if corrected:
            source = CorrectedSource(source, corrections.simulated)
            target = CorrectedSource(target, corrections.recorded)
    for stage in settings.stages:
        begin = time.monotonic()
        rate = recorded.windows.rate_hz
        try:
            candidate = climb(settings, stage, best, source, target, rate, seconds, fabric)
        except NonFiniteError as error:
            # What earlier rungs brought stays.
            print(f'{folder}: {stage.name} is left out: {error}')
            continue
        if note(gate.judge(stage.name, candidate, begin, corrected)):
            best = candidate
    verdict = _overall(kept, rungs)
    _write_report(folder, recorded, match, shares, gate, rungs, kept, verdict, corrections)
    if kept is None:
        print(f'{folder / REPORT}: {verdict}; {checkpoint} stays')
        return
    gate.export(kept, out)
    print(f'{out}: {verdict}, by {kept.name}; {folder / REPORT}: what each rung brought')


def describe(opened: Opened, match: Match) -> str:
    """Describe recordings and the matched camera in one line."""
    order = ', bit order corrected' if opened.corrected_bit_order else ''
    return (
        f'{opened.duration_s:.3g} s in {len(opened.clips)} recordings{order}; simulated with '
        f'{match.describe()}'
    )


class _Gate:
    """Judgement of candidates against the old network on held-back windows.

    Args:
        old: The old network.
        info: Its metadata.
        recorded: The recordings.
        match: Match of the simulation.
        styles: Styles of the labelled scenes, in turn.
        settings: Settings of the rungs.
        fabric: Launched fabric.
        corrections: Corrections of the sensor; None: there is nothing to correct.
    """

    def __init__(
        self,
        old: nn.Module,
        info: DepthInfo,
        recorded: Recorded,
        match: Match,
        styles: Sequence[str],
        settings: RunConfig,
        fabric: Fabric,
        corrections: Corrections | None,
    ) -> None:
        self.info, self.device = info, fabric.device
        self._corrections = corrections
        self._windows = [window.to(self.device) for window in recorded.judged]

        def labelled(split: Split) -> list[Batch]:
            source = matched_source(recorded.windows, match, styles, info, split, settings.seed)
            numbers = [*range(JUDGED)]
            return [
                source.samples(numbers[first : first + BATCH_SIZE]).to(self.device)
                for first in range(0, JUDGED, BATCH_SIZE)
            ]

        self._labelled = labelled
        self._matched = labelled('test')
        self._old: Outputs = compute_outputs(old, self._windows)
        self.old_error = labelled_error(old, info, self._matched)
        self.old_error_m = labelled_error(old, info, self._matched, scaled=False)
        self.errors: dict[str, tuple[float, float]] = {}

    def judge(self, name: str, checkpoint: Path, begin: float, corrected: bool) -> Rung:
        """Judge the checkpoint of a rung, on corrected windows or raw ones.

        Args:
            name: Name of the rung.
            checkpoint: Its checkpoint.
            begin: Time of the monotonic clock when it began.
            corrected: True to correct the windows that the candidate sees.
        """
        network = self._load(checkpoint)
        matched, windows = self._matched, self._windows
        if corrected:
            assert self._corrections is not None
            matched = [self._corrections.simulated.batch(batch) for batch in matched]
            windows = [self._corrections.recorded.unlabelled(window) for window in windows]
        error = labelled_error(network, self.info, matched)
        self.errors[name] = error, labelled_error(network, self.info, matched, scaled=False)
        outputs = compute_outputs(network, windows)
        evidence = compare(self._old, outputs, windows, (self.old_error, error))
        return Rung(
            name, checkpoint, evidence, judge(evidence), expected_change(evidence),
            time.monotonic() - begin, corrected,
        )  # fmt: skip

    def export(self, rung: Rung, out: Path) -> None:
        """Write the checkpoint of a rung with calibrated uncertainty, and its .onnx export."""
        info, weights = load(rung.checkpoint)
        network = self._load(rung.checkpoint)
        batches, correction = self._labelled('calibration'), None
        if rung.corrected:
            assert self._corrections is not None
            batches = [self._corrections.simulated.batch(batch) for batch in batches]
            correction = self._corrections.sensor
        factor = fit_uncertainty_factor(network, info, batches)
        info = dataclasses.replace(
            info,
            uncertainty_factor=factor,
            uncertainty_calibrated=True,
            scale='none' if info.scale == 'none' else 'inherited',
        )
        calibrated = out.with_suffix('') / 'calibrated.safetensors'
        save(calibrated, weights, info, correction)
        export(out, checkpoint=calibrated)

    def _load(self, checkpoint: Path) -> nn.Module:
        info, weights = load(checkpoint)
        network: nn.Module = build_with_weights(info, weights).eval().requires_grad_(False)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network


def _open(
    recordings: Sequence[Path], size: str, rate_hz: float, info: DepthInfo, device: torch.device
) -> Recorded:
    opened = open_recordings(recordings, size, rate_hz)
    geometry = opened.clips[0].geometry
    if min(geometry.height, geometry.width) < info.multiple:
        raise DataSetError(
            f'{opened.clips[0].name}: {geometry}, expected {info.multiple} pixels or more per side'
        )
    parts: Parts = split_in_time(opened.clips, info.planes)
    sources = [
        SpikeSource(
            clips, info.planes, info.bins, info.multiple, size=LARGEST, labels=False,
            device=device, raw_pixels=True,
        )
        for clips in parts
    ]  # fmt: skip
    judged = []
    numbers = sources[1].spread(JUDGED)
    for first in range(0, len(numbers), BATCH_SIZE):
        batch = sources[1].usable(numbers[first : first + BATCH_SIZE])
        if batch is not None:
            judged.append(batch.unlabelled())
    if sum(len(one.counts) for one in judged) < 2:
        name = opened.clips[0].name
        raise DataSetError(f'{name}: expected two held-back windows that can be read')
    windows = Windows(sources[0].height, sources[0].width, info.planes, opened.clips[0].rate_hz)
    whole = SpikeSource(
        parts.adaptation, info.planes, bins=1, multiple=1, labels=False, raw_pixels=True
    )
    return Recorded(opened, sources[0], judged, windows, whole)


def _match(recorded: Recorded, settings: RunConfig, info: DepthInfo, folder: Path) -> Match:
    """Match the simulation to the recording, or read the match of an interrupted adaptation."""
    path = folder / 'match.json'
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
    folder: Path,
    flat: Sequence[SpikeClip],
    dark: Sequence[SpikeClip],
) -> Corrections | None:
    """Estimate or measure the corrections, or read those of an interrupted adaptation.

    Returns:
        None if there is nothing to correct, or too many pixels seem faulty.
    """
    path = folder / 'correction.safetensors'
    windows = recorded.windows
    if not path.is_file():
        try:
            sensor = estimate_correction(
                _rates(recorded.whole.usable, recorded.whole.spread(CORRECTED_WINDOWS)),
                windows.planes,
                windows.rate_hz,
            )
            sensor = measure_correction(
                sensor, recorded.opened.clips[0].geometry, windows.rate_hz, flat, dark
            )
            source = matched_source(windows, match, styles, info, 'train', settings.seed)
            simulated = estimate_correction(
                _rates(source.samples, range(CORRECTED_WINDOWS)), windows.planes, windows.rate_hz
            )
        except ValueError as error:
            print(f'{folder}: {SENSOR} is left out: {error}')
            return None
        tensors = {
            f'{prefix}{name}': value
            for prefix, one in (('recorded.', sensor), ('simulated.', simulated))
            for name, value in one.tensors().items()
        }
        write_atomically(path, serialise(tensors))
    stored = load_file(path)
    parts = [
        SensorCorrection.from_tensors(
            {n.removeprefix(prefix): v for n, v in stored.items() if n.startswith(prefix)}
        )
        for prefix in ('recorded.', 'simulated.')
    ]
    sensor, simulated = (one for one in parts if one is not None)
    if not (sensor.faulty.any() or sensor.has_maps):
        return None
    crop = sensor.crop(*recorded.adaptation.crop())
    return Corrections(
        sensor,
        *(CountCorrector(one, info.pool, windows.rate_hz) for one in (crop, simulated)),
    )


def _rates(
    read: Callable[[Sequence[int]], Batch | None], numbers: Sequence[int]
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the firing rates of windows, spikes per plane, ``[H, W]`` each."""
    for first in range(0, len(numbers), BATCH_SIZE):
        batch = read(numbers[first : first + BATCH_SIZE])
        if batch is not None:
            total = batch.counts.sum(dim=1).float() / batch.planes_per_bin.sum()
            yield from total.cpu().numpy()


def _style_shares(
    network: nn.Module,
    info: DepthInfo,
    recorded: Recorded,
    match: Match,
    settings: RunConfig,
    folder: Path,
) -> dict[str, float]:
    """Estimate the shares of the styles, or read those of an interrupted adaptation."""
    path = folder / 'styles.json'
    if path.is_file():
        found: dict[str, float] = json.loads(path.read_text())
        return found
    source = recorded.adaptation
    numbers = source.spread(COMPARED)
    windows = []
    for first in range(0, len(numbers), BATCH_SIZE):
        batch = source.usable(numbers[first : first + BATCH_SIZE])
        if batch is not None:
            windows.append(batch.unlabelled())
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


def _init_folder(
    folder: Path,
    out: Path,
    recordings: Sequence[Path],
    opened: Opened,
    checkpoint: Path,
    config: Path,
    minutes: float,
    flat: Path | None,
    dark: Path | None,
) -> None:
    """Create the folder of an adaptation, or continue one of the same arguments.

    Raises:
        ConfigError: It holds an adaptation of other arguments, or something else.
    """
    settings: dict[str, Any] = {
        'recordings': [str(path.resolve()) for path in recordings],
        'content of the recordings': [
            f'{clip.name}, {clip.geometry}, {clip.planes} planes at {clip.rate_hz:.6g} Hz'
            for clip in opened.clips
        ],
        'checkpoint': hash_file(find_checkpoint(checkpoint)),
        'config': hash_file(config),
        'minutes': minutes,
        'flat': None if flat is None else str(flat.resolve()),
        'dark': None if dark is None else str(dark.resolve()),
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
    if onnx_path(out).exists() or (folder.is_dir() and any(folder.iterdir())):
        taken = onnx_path(out) if onnx_path(out).exists() else folder
        raise ConfigError(f'{taken} exists, which {out} would need: choose another --out')
    make_folder(folder)
    write_atomically(path, json.dumps(settings, indent=2).encode())


def _rung_seconds(folder: Path, left_s: float, settings: RunConfig) -> float:
    """Return the duration of a rung, which a resumed adaptation keeps."""
    path = folder / 'budget.json'
    if not path.is_file():
        seconds = max(left_s, 0) / len(settings.stages)
        write_atomically(path, json.dumps({'rung_s': seconds}).encode())
    return float(json.loads(path.read_text())['rung_s'])


def _check_rungs(settings: RunConfig) -> None:
    """Refuse settings of rungs that an adaptation would ignore.

    Raises:
        ConfigError: There are some; the message lists them.
    """
    problems = []
    for i, stage in enumerate(settings.stages):
        where = f'stages[{i}]'
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


def _overall(kept: Rung | None, rungs: Sequence[Rung]) -> Verdict:
    if kept is not None:
        return 'improved'
    return 'worse' if all(rung.verdict == 'worse' for rung in rungs) else 'no change'


def _described(correction: SensorCorrection) -> dict[str, object]:
    """Return what a report has about a correction."""
    good = ~correction.faulty
    return {
        'faulty_pixels': int(correction.faulty.sum()),
        'gain_std': float(correction.gain[good].astype(np.float64).std()),
        'dark_per_s': float(correction.dark[good].astype(np.float64).mean()),
        'source': origin(correction),
    }


def _write_report(
    folder: Path,
    recorded: Recorded,
    match: Match,
    shares: Mapping[str, float],
    gate: _Gate,
    rungs: Sequence[Rung],
    kept: Rung | None,
    verdict: Verdict,
    corrections: Corrections | None,
) -> None:
    report = {
        'verdict': verdict,
        'kept': None if kept is None else kept.name,
        'scale': 'none' if gate.info.scale == 'none' else 'inherited',
        'recordings': {
            'names': [clip.name for clip in recorded.opened.clips],
            'duration_s': recorded.opened.duration_s,
            'rate_hz': recorded.windows.rate_hz,
            'bit_order_corrected': recorded.opened.corrected_bit_order,
            'held_back_windows': sum(len(one.counts) for one in recorded.judged),
        },
        'match': json.loads(match.to_json()),
        'styles': dict(shares),
        'correction': None if corrections is None else _described(corrections.sensor),
        'matched_error': {
            'old': {'scaled': gate.old_error, 'metres': gate.old_error_m},
            **{
                name: {'scaled': scaled, 'metres': metres}
                for name, (scaled, metres) in gate.errors.items()
            },
        },
        'rungs': [
            {
                'name': rung.name,
                'verdict': rung.verdict,
                'expected_change': rung.expected_change,
                'seconds': round(rung.seconds, 1),
                'evidence': dataclasses.asdict(rung.evidence),
            }
            for rung in rungs
        ],
    }
    text = json.dumps(without_nan(report), indent=2, allow_nan=False)
    write_atomically(folder / REPORT, text.encode())
