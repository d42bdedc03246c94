# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a checkpoint to recordings: match, rungs, and a verdict on each."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import nn

from spike_depth_ros.checkpoint import (
    CheckpointError,
    DepthInfo,
    find_checkpoint,
    hash_file,
    load,
    onnx_path,
    remove_unfinished,
    save,
    write_atomically,
)
from spike_depth_ros.evaluation.results import without_nan
from spike_depth_ros.model.registry import build_with_weights
from spike_training.adaptation.gate import (
    LARGEST_DISTANCE,
    Evidence,
    Outputs,
    Scores,
    Verdict,
    compare,
    compute_outputs,
    expected_change,
    fit_scale,
    judge,
    score,
)
from spike_training.adaptation.ladder import Windows, climb, load_network, matched_source
from spike_training.adaptation.matching import Match, compute_statistics, match_camera
from spike_training.adaptation.page import PAGE, Shown, write_page
from spike_training.adaptation.places import (
    look_upside_down,
    repeated_styles,
    style_shares,
)
from spike_training.adaptation.recordings import Opened, Parts, open_recordings, split_in_time
from spike_training.adaptation.ros_commands import RECORDING
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.splits import Split
from spike_training.disk import make_folder
from spike_training.engine.fabric import DeviceName, make_fabric
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

OLD = 'old'
"""Name of the old network beside those of rungs."""

REPORT = 'adapt.json'
SETTINGS = 'settings.json'

LARGEST = (256, 384)
"""Rows and columns of the windows, at most: of larger sensors the middle is used."""

MATCHED_WINDOWS = 48
"""Windows of the recording that the simulation is matched to."""

JUDGED = 36
"""Held-back windows that the gate judges on."""

LEAST_MEASURED = 5
"""Windows with depth, of each part, from which on the recording's own depth decides."""

SCENES = 72
"""Labelled scenes that the gate judges on."""

COMPARED = 24
"""Windows of the recording, and scenes of each style, that are compared by their looks."""

BATCH_SIZE = 12


class Recorded(NamedTuple):
    """Recordings as windows.

    Attributes:
        opened: The recordings.
        adaptation: Windows to learn from.
        judged: Held-back windows.
        windows: Their size, length and plane rate.
        known: Windows with depth of the adaptation part; may be none.
        measured: Held-back windows with depth; none if there are none in either part.
        calibrated: True if the focal length is known.
    """

    opened: Opened
    adaptation: SpikeSource
    judged: list[Unlabelled]
    windows: Windows
    known: list[Batch]
    measured: list[Batch]
    calibrated: bool


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
    """

    name: str
    checkpoint: Path
    evidence: Evidence
    verdict: Verdict
    expected_change: float
    seconds: float


def run(
    recordings: Sequence[Path],
    out: Path,
    checkpoint: Path,
    config: Path,
    size: str,
    rate_hz: float,
    minutes: float,
    device: DeviceName,
) -> Verdict:
    """Adapt a checkpoint; the arguments are those of the command ``adapt``.

    Returns:
        The verdict; the file is written if it is ``improved``.

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
    if old_info.inputs != ('spikes',):
        raise CheckpointError(
            f'{checkpoint}: it sees {", ".join(old_info.inputs)}, expected spikes'
        )
    if (reason := adabn_problem(old, old_info.architecture)) is not None:
        raise CheckpointError(f'{checkpoint}: {reason}')
    fabric = make_fabric(device, 1, settings.train.precision)
    recorded = _open(recordings, size, rate_hz, old_info, fabric.device)
    folder = out.with_suffix('')
    _init_folder(folder, out, recordings, recorded.opened, checkpoint, config, minutes)
    old.to(fabric.device)
    match = _match(recorded, settings, old_info, folder)
    print(f'{folder}: {describe(recorded.opened, match)}')
    settings = dataclasses.replace(settings, out=folder)
    if match.distance > LARGEST_DISTANCE:
        print(
            f'{folder}: distance {match.distance:.1f}, expected at most {LARGEST_DISTANCE:g}: the '
            'simulation does not match the recording, so that the verdict is at most no change'
        )
    shares = _style_shares(old, old_info, recorded, match, settings, folder)
    told = ', '.join(f'{style} {share:.0%}' for style, share in shares.items())
    print(f'{folder}: places look like {told}')
    styles = repeated_styles(shares)
    upside_down = look_upside_down(old, [window.to(fabric.device) for window in recorded.judged])
    if upside_down:
        print(
            f'{folder}: depth is more certain, and the ground nearer, if the picture is turned by '
            '180 degrees: is the camera mounted upside-down?'
        )
    if recorded.measured:
        print(f'{folder}: the depth of the recording decides on the verdict')
    gate = _Gate(old, old_info, recorded, match, styles, settings, fabric)
    seconds = _rung_seconds(folder, 60 * minutes - (time.monotonic() - start), settings)
    best, rungs = find_checkpoint(checkpoint), list[Rung]()
    kept: Rung | None = None
    source = matched_source(
        recorded.windows, match, styles, old_info, 'train', settings.seed, fabric.device
    )
    for stage in settings.stages:
        begin = time.monotonic()
        rate = recorded.windows.rate_hz
        try:
            candidate = climb(
                settings, stage, best, source, recorded.adaptation, rate, seconds, fabric
            )
        except NonFiniteError as error:
            # What earlier rungs brought stays.
            print(f'{folder}: {stage.name} is left out: {error}')
            continue
        rung = gate.judge(stage.name, candidate, begin)
        rungs.append(rung)
        print(f'{folder}: {stage.name}: {rung.verdict} (expected {rung.expected_change:+.1%})')
        least = 0.0 if kept is None else kept.expected_change
        if rung.verdict == 'improved' and rung.expected_change < least:
            kept, best = rung, candidate
    verdict = _overall(kept, rungs)
    _write_report(folder, recorded, match, shares, upside_down, gate, rungs, kept, verdict)
    if kept is not None:
        gate.export(kept, out)
    best_rung = kept or min(rungs, key=lambda rung: rung.expected_change, default=None)
    write_page(folder, REPORT, _shown(checkpoint, out, best_rung, recorded, gate))
    if kept is None:
        print(f'{folder / PAGE}: {verdict}; {checkpoint} stays')
        return verdict
    print(f'{out}: {verdict}, by {kept.name}; {folder / PAGE}: what each rung brought')
    return verdict


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
    ) -> None:
        self.info, self.device, self._distance = info, fabric.device, match.distance
        self._windows = [window.to(self.device) for window in recorded.judged]

        def labelled(split: Split) -> list[Batch]:
            source = matched_source(recorded.windows, match, styles, info, split, settings.seed)
            return [
                source.samples(range(first, first + BATCH_SIZE)).to(self.device)
                for first in range(0, SCENES, BATCH_SIZE)
            ]

        self._labelled = labelled
        self._matched = labelled('test')
        self.scenes = self._matched[0].unlabelled()
        self._measured, self._known = recorded.measured, recorded.known
        self._calibrated = recorded.calibrated
        self._old: Outputs = compute_outputs(old, self._windows)
        self.measured = {OLD: self._measure(old)}
        self.scores = {OLD: score(old, info, self._matched)}

    @property
    def scale(self) -> str:
        """Kind of the scale of an improved network, as in a checkpoint."""
        if self.info.scale == 'none':
            return 'none'
        return 'metric' if self._known and self._calibrated else 'inherited'

    def judge(self, name: str, checkpoint: Path, begin: float) -> Rung:
        """Judge the checkpoint of a rung that began at a time of the monotonic clock."""
        network = self._load(checkpoint)
        self.scores[name] = score(network, self.info, self._matched)
        self.measured[name] = self._measure(network)
        before, after = self.measured[OLD], self.measured[name]
        evidence = compare(
            self._old, compute_outputs(network, self._windows), self._windows,
            (self.scores[OLD], self.scores[name]),
            None if before is None or after is None else (before, after),
        )  # fmt: skip
        return Rung(
            name, checkpoint, evidence, judge(evidence, self._distance),
            expected_change(evidence), time.monotonic() - begin,
        )  # fmt: skip

    def export(self, rung: Rung, out: Path) -> None:
        """Write the checkpoint of a rung with calibrated uncertainty, and its .onnx export."""
        info, weights = load(rung.checkpoint)
        network = self._load(rung.checkpoint)
        factor = fit_uncertainty_factor(network, info, self._labelled('calibration'))
        info = dataclasses.replace(info, uncertainty_factor=factor, uncertainty_calibrated=True)
        if self.scale == 'metric':
            # Depth is proportional to the ratio of the focal lengths.
            scale = fit_scale(network, info, self._known)
            print(f'{out}: scale times {scale:.3f}, by the depth of the recording')
            info = dataclasses.replace(
                info, canonical_fx=info.canonical_fx / scale, scale='metric'
            )
        calibrated = out.with_suffix('') / 'calibrated.safetensors'
        save(calibrated, weights, info)
        export(out, checkpoint=calibrated)

    def _measure(self, network: nn.Module) -> Scores | None:
        return score(network, self.info, self._measured) if self._measured else None

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
    judged = [batch.unlabelled() for batch in _spread(sources[1], JUDGED)]
    if sum(len(one.counts) for one in judged) < 2:
        name = opened.clips[0].name
        raise DataSetError(f'{name}: expected two held-back windows that can be read')
    windows = Windows(sources[0].height, sources[0].width, info.planes, opened.clips[0].rate_hz)
    known, measured = (_with_depth(clips, info, device) for clips in parts)
    if not (known and measured):
        known, measured = [], []
    calibrated = opened.clips[0].camera is not None
    return Recorded(opened, sources[0], judged, windows, known, measured, calibrated)


def _with_depth(clips: Sequence[SpikeClip], info: DepthInfo, device: torch.device) -> list[Batch]:
    """Return windows with depth of a part; none if they are too few to measure with."""
    clips = [clip for clip in clips if clip.depths]
    try:
        source = SpikeSource(
            clips, info.planes, info.bins, info.multiple, size=LARGEST, device=device,
            raw_pixels=True,
        )  # fmt: skip
    except DataSetError:  # no depth, or none with a whole window around it
        return []
    # Without a focal length the scale of depth is unknown, but not its shape.
    found = [
        dataclasses.replace(batch, fx=batch.fx.nan_to_num(info.canonical_fx))
        for batch in _spread(source, JUDGED)
    ]
    known = sum(int(batch.depth.isfinite().any(dim=(1, 2, 3)).sum()) for batch in found)
    return found if known >= LEAST_MEASURED else []


def _spread(source: SpikeSource, number: int) -> list[Batch]:
    """Return up to a number of readable windows, spread over the recordings, in batches."""
    numbers = source.spread(number)
    batches = [
        source.usable(numbers[first : first + BATCH_SIZE])
        for first in range(0, len(numbers), BATCH_SIZE)
    ]
    return [batch for batch in batches if batch is not None]


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
    windows = [batch.unlabelled() for batch in _spread(source, COMPARED)]
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
    others = folder.is_dir() and any(one.name != RECORDING for one in folder.iterdir())
    if onnx_path(out).exists() or others:
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


def _shown(
    checkpoint: Path, out: Path, rung: Rung | None, recorded: Recorded, gate: _Gate
) -> Shown:
    """Collect what the page shows; an exported candidate has calibrated uncertainty."""
    camera = recorded.opened.clips[0].camera
    candidate = None if rung is None else rung.checkpoint
    return Shown(
        old=find_checkpoint(checkpoint),
        candidate=out if out.exists() else candidate,
        name='' if rung is None else rung.name,
        out=out,
        windows=recorded.judged,
        scenes=gate.scenes,
        fx=math.nan if camera is None else float(camera[0, 0]),
    )


def _write_report(
    folder: Path,
    recorded: Recorded,
    match: Match,
    shares: Mapping[str, float],
    upside_down: bool,
    gate: _Gate,
    rungs: Sequence[Rung],
    kept: Rung | None,
    verdict: Verdict,
) -> None:
    report = {
        'verdict': verdict,
        'kept': None if kept is None else kept.name,
        'scale': gate.scale,
        'recordings': {
            'names': [clip.name for clip in recorded.opened.clips],
            'duration_s': recorded.opened.duration_s,
            'rate_hz': recorded.windows.rate_hz,
            'bit_order_corrected': recorded.opened.corrected_bit_order,
            'held_back_windows': sum(len(one.counts) for one in recorded.judged),
            'windows_with_depth': sum(len(one.counts) for one in recorded.measured),
            'looks_upside_down': upside_down,
        },
        'match': {**json.loads(match.to_json()), 'largest_distance': LARGEST_DISTANCE},
        'styles': dict(shares),
        'matched_error': {
            name: {'scaled': scores.scaled, 'metres': scores.metres}
            for name, scores in gate.scores.items()
        },
        'measured_error': {
            name: {'scaled': scores.scaled, 'metres': scores.metres}
            for name, scores in gate.measured.items()
            if scores is not None
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
