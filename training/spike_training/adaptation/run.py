# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adaptation of a checkpoint to recordings: match, candidates, and a verdict on each."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from torch import nn

from spike_depth_ros.base.errors import printable
from spike_depth_ros.base.locks import LOCK
from spike_depth_ros.base.results import hash_file, remove_unfinished, write_atomically
from spike_depth_ros.base.values import within
from spike_depth_ros.checkpoint import (
    CheckpointError,
    find_checkpoint,
    load,
    load_with_correction,
    onnx_path,
    save,
)
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation import ros_commands
from spike_training.adaptation.acceptance import (
    OLD,
    AcceptanceTest,
    Candidate,
    choose_shown,
    overall_verdict,
)
from spike_training.adaptation.candidates import (
    AVERAGE,
    SCALE,
    SENSOR,
    Rescaled,
    TrainingData,
    load_network,
    rescale,
    train_candidates,
)
from spike_training.adaptation.correction import describe_correction, measure_rates
from spike_training.adaptation.evidence import Verdict, choose, compute_outputs
from spike_training.adaptation.findings import MATCH, Findings, Inputs, finding_steps
from spike_training.adaptation.matching import (
    LEAST_TRIALS,
    SimulatedScenes,
    time_scenes,
)
from spike_training.adaptation.page import PAGE, write_page
from spike_training.adaptation.recordings import (
    Opened,
    fingerprint,
    fingerprint_beside,
    read_clips,
    sensor_size,
)
from spike_training.adaptation.report import REPORT, list_warnings, shown_on_page, write_report
from spike_training.adaptation.schedule import EXPORT_S, LEAST_S, Schedule
from spike_training.adaptation.second_eye import SecondEye
from spike_training.adaptation.steps import File, Step, go_through
from spike_training.adaptation.stored import read, write
from spike_training.adaptation.windows import (
    Recorded,
    Sizes,
    check_sensor,
    open_windows,
    windows_of,
)
from spike_training.choices import Device
from spike_training.cpu import configure_cpu
from spike_training.datasets.clip import SpikeClip
from spike_training.disk import make_folder
from spike_training.engine.fabric import make_fabric
from spike_training.errors import ConfigError, DataSetError
from spike_training.evaluation.matched_depth import fit_scale
from spike_training.evaluation.statistics import adabn_problem
from spike_training.runs.export import export
from spike_training.sampling.shifted import Optics
from spike_training.settings.config import RunConfig, listed
from spike_training.settings.reading import load_config

SETTINGS = 'settings.json'

BUDGET = 'budget.json'

CALIBRATED = 'calibrated.safetensors'

TIMED = 4
"""Windows by which the speed of a network is measured."""


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a stage gets of the minutes, ``budget.json``.

    Attributes:
        rung_s: Duration of a stage as planned at first, seconds.
    """

    rung_s: Annotated[float, within(0, 1e7)]


class Arguments(NamedTuple):
    """Arguments of the command ``adapt`` that a resumed adaptation must have, too.

    Attributes:
        recordings: Recordings of one camera.
        checkpoint: Checkpoint to adapt.
        config: Settings of the candidates.
        minutes: Duration.
        size: Width and height of the sensor, pixels, where a recording does not have them.
        rate_hz: Plane rate where a recording does not have it.
        topic: Topic of spikes in bags, its full name or the end of it.
        flat: Recording of a uniform bright picture.
        dark: Recording with the lens covered.
        eye: Second eye; None: there is none.
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
    eye: SecondEye | None = None


def run(
    arguments: Arguments,
    out: Path,
    device: Device,
    swap: str = '',
    sizes: Sizes | None = None,
) -> Verdict:
    """Adapt a checkpoint.

    Args:
        arguments: Arguments of the command.
        out: The .safetensors file to write; the folder of the adaptation lies beside it.
        device: ``cpu``, ``cuda`` or ``auto``.
        swap: Running node that gets the file as its checkpoint; empty: none.
        sizes: Numbers of windows and scenes; None: the usual ones.

    Returns:
        The verdict; the file is written if it is ``improved``.

    Raises:
        ConfigError: The settings are wrong, or the folder holds another adaptation.
        CheckpointError: The checkpoint cannot be adapted.
        DataSetError: The recordings cannot be used.
        TrainingError: Training cannot go on, or the node refuses the file.
    """
    folder, sizes = out.with_suffix(''), sizes or Sizes()
    schedule = Schedule(folder, arguments.minutes)
    here = 'inputs', 'recorded'
    least = partial(least_seconds, sizes, arguments.eye is not None)
    speed = [
        Step('least_s', least, ('inputs',), shown='speed of this machine'),
        Step('enough', schedule.check, ('least_s',)),
    ]
    steps = [
        # First all that can be known without reading gigabytes.
        Step('inputs', lambda: _read_inputs(arguments, out, device)),
        *([] if (folder / BUDGET).is_file() else speed),
        Step('recorded', partial(_open, arguments, sizes), ('inputs',), shown='recordings'),
        Step('rates', lambda recorded: measure_rates(
            recorded.opened.clips[0].geometry, recorded.flat, recorded.dark
        ), ('recorded',)),
        Step('folder', partial(_init_folder, arguments), here),
        *finding_steps(),
        Step(
            'scaled', _measure_scale, here,
            file=File(f'{SCALE}.safetensors', lambda path, inputs, _: Rescaled(
                path, inputs.info.canonical_fx / load(path)[0].canonical_fx
            ), lambda path, network: save(path, *network)),
        ),
        Step('told', partial(_print_findings, folder), ('recorded', 'findings', 'scaled')),
        Step('acceptance', lambda inputs, recorded, findings: AcceptanceTest(
            inputs.old, inputs.info, recorded, findings, inputs.fabric.device
        ), (*here, 'findings'), shown='test of the old network'),
        Step(
            'candidates', partial(_train, schedule),
            (*here, 'findings', 'scaled', 'acceptance'),
        ),
        Step(
            'report', partial(write_report, folder),
            ('recorded', 'findings', 'acceptance', 'candidates', 'scaled'),
        ),
        Step('shown', partial(_calibrate, schedule, folder), ('acceptance', 'candidates')),
        Step('page', lambda inputs, *found: write_page(
            folder, REPORT, shown_on_page(inputs.original, out, *found)
        ), (*here, 'acceptance', 'shown')),
        Step('export', partial(_export, arguments, out, schedule, swap), ('candidates',)),
    ]  # fmt: skip
    return overall_verdict(go_through(steps, folder, schedule)['candidates'])


def _read_inputs(arguments: Arguments, out: Path, device: Device) -> Inputs:
    """Read what is known before the recordings, and check all of it."""
    folder, checkpoint = out.with_suffix(''), arguments.checkpoint
    settings, info, old = prepare(arguments.config, checkpoint, out, arguments.eye)
    configure_cpu(settings.threads)
    original = find_checkpoint(checkpoint)
    fabric = make_fabric(device, 1, settings.train.precision)
    old.to(fabric.device)
    known = _describe_inputs(arguments)
    path = folder / SETTINGS
    if path.is_file():
        _check_same(folder, read(path, dict), known)
    geometry = sensor_size(arguments.recordings, arguments.size, arguments.topic)
    check_sensor(str(arguments.recordings[0]), geometry, info)
    windows = windows_of(geometry, arguments.rate_hz, info)
    settings = dataclasses.replace(settings, out=folder)
    return Inputs(settings, info, old, original, fabric, windows, known)


def _measure_scale(inputs: Inputs, recorded: Recorded) -> tuple[dict[str, Any], DepthInfo] | None:
    """Return the old network in the metres of a second eye; None: there is none."""
    if recorded.pairs is None:
        return None
    factor = fit_scale(inputs.old, inputs.info.canonical_fx, recorded.known)
    return rescale(inputs.original, factor)


def _train(
    schedule: Schedule,
    inputs: Inputs,
    recorded: Recorded,
    findings: Findings,
    scaled: Rescaled | None,
    acceptance: AcceptanceTest,
) -> list[Candidate]:
    """Train and test the candidates."""
    settings, fabric = inputs.settings, inputs.fabric
    data = TrainingData(
        findings.scenes.source(findings.styles, 'train', fabric.device),
        recorded.adaptation, recorded.windows.rate_hz, findings.corrections,
        scaled=scaled,
    )  # fmt: skip
    stages = len(settings.stages)
    seconds = time_of_stages(settings.out / BUDGET, schedule, stages, acceptance.seconds)

    def test(name: str, checkpoint: Path, begin: float, corrected: bool) -> Candidate:
        with schedule.step(f'{name}: test'):
            candidate = acceptance.test(name, checkpoint, begin, corrected)
        print(f'{settings.out}: {candidate.describe()}')
        return candidate

    return train_candidates(settings, inputs.original, data, seconds, fabric, test)


def _calibrate(
    schedule: Schedule, folder: Path, acceptance: AcceptanceTest, candidates: list[Candidate]
) -> Candidate | None:
    """Return what to show beside the old network: the kept candidate, calibrated, or another."""
    if (kept := choose(candidates)) is None:
        return choose_shown(candidates)
    calibrated = folder / CALIBRATED
    with schedule.step(f'{kept.name}: calibration'):
        acceptance.calibrate(kept, calibrated)
    return dataclasses.replace(kept, checkpoint=calibrated)


def _export(
    arguments: Arguments,
    out: Path,
    schedule: Schedule,
    swap: str,
    candidates: list[Candidate],
) -> None:
    """Tell the verdict; write the output, and give it to a node, if there is an improvement."""
    folder, kept = out.with_suffix(''), choose(candidates)
    if kept is None:
        print(f'{folder / PAGE}: {overall_verdict(candidates)}; {arguments.checkpoint} stays')
        return
    # Last, as an adaptation whose file exists is complete: an interrupted one goes on.
    with schedule.step('export'):
        export(out, checkpoint=folder / CALIBRATED)
    print(f'{out}: improved, by {kept.name}; {folder / PAGE}: what each candidate brought')
    if swap:
        ros_commands.swap(swap, out)


def time_of_stages(
    stored: Path, schedule: Schedule, stages: int, test_s: float
) -> Callable[[int], float]:
    """Divide what is left of the minutes among stages.

    Args:
        stored: File with the duration of a stage as planned at first. A resumed adaptation, whose
            minutes began anew, gives no stage more.
        schedule: Time of the adaptation.
        stages: Number of stages.
        test_s: Duration of the test of a candidate, seconds.

    Returns:
        Function of the number of stages to come, which returns the seconds of the next one.
    """

    def share(coming: int) -> float:
        # The average is tested, too, and the calibration generates as many scenes, and tests them.
        rest_s = (coming + 2) * test_s + EXPORT_S / 2
        return max(schedule.left_s - rest_s, 0) / max(coming, 1)

    most = math.inf
    if stored.exists():
        most = read(stored, Budget).rung_s
    else:
        write(stored, Budget(share(stages)))
    return lambda coming: min(most, share(coming))


def least_seconds(sizes: Sizes, two_eyes: bool, inputs: Inputs) -> float:
    """Estimate, by what is measured on this machine, what match and acceptance test take at least.

    Args:
        sizes: Numbers of windows and scenes.
        two_eyes: True if the recordings have a right eye.
        inputs: Old network, windows and settings; a match in the folder takes no time.

    Returns:
        Seconds, without any training; no fewer than those of which the end is known, as an export
        may follow, well enough.
    """
    old, settings = inputs.old, inputs.settings
    styles, device = settings.data.styles, inputs.fabric.device
    scene = time_scenes(styles, inputs.windows)
    scenes = SimulatedScenes(Optics(), inputs.windows, 0)
    (batch,) = scenes.batches(styles, 'train', TIMED, device)
    window = batch.unlabelled()
    compute_outputs(old, [window])  # memory is prepared
    begin = time.monotonic()
    compute_outputs(old, [window])
    window_s = (time.monotonic() - begin) / len(window.counts) / 2  # and its mirror image
    match_s = sizes.match_scenes * (scene.render + LEAST_TRIALS * scene.trial)
    if (settings.out / MATCH).is_file():
        match_s = 0.0
    # Of two eyes nothing is corrected, and the scale is tested.
    made = len(styles) * sizes.compared + 2 * sizes.scenes + (0 if two_eyes else sizes.corrected)
    tests = len(settings.stages) + 2 + two_eyes
    seen = made + tests * (sizes.scenes + 2 * sizes.tested)
    needed_s = match_s + made * (scene.render + scene.trial) + seen * window_s + EXPORT_S
    return max(needed_s, LEAST_S)


def _open(arguments: Arguments, sizes: Sizes, inputs: Inputs) -> Recorded:
    """Open the recordings as windows, with those in uniform light and in the dark, if given."""
    source = arguments.size, arguments.rate_hz, arguments.topic
    info, device = inputs.info, inputs.fabric.device
    try:
        recorded = open_windows(arguments.recordings, *source, info, device, sizes, arguments.eye)
    except DataSetError as error:
        own = inputs.settings.out / ros_commands.RECORDING
        if own not in arguments.recordings:
            raise
        raise DataSetError(f'{error}; to record anew, remove {own}') from error
    flat, dark = (
        [] if path is None else read_clips(path, *source, recorded.opened.padded_row_bytes)
        for path in (arguments.flat, arguments.dark)
    )
    return recorded._replace(flat=flat, dark=dark)


def prepare(
    config: Path, checkpoint: Path, out: Path, eye: SecondEye | None = None
) -> tuple[RunConfig, DepthInfo, nn.Module]:
    """Load what an adaptation needs before its recordings: settings, metadata and network.

    Raises:
        ConfigError: The settings are wrong, or the folder beside ``out`` holds something else.
        CheckpointError: The checkpoint cannot be adapted.
    """
    _check_folder(out)
    # With a second eye, the old network in its metres is a candidate without a stage.
    settings = load_config(config, least_stages=int(eye is None))
    _check_stages(settings, two_eyes=eye is not None)
    return settings, *_load_old(checkpoint)


def _load_old(checkpoint: Path) -> tuple[DepthInfo, nn.Module]:
    """Load the network to adapt."""
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


def _print_findings(
    folder: Path, recorded: Recorded, findings: Findings, scaled: Rescaled | None
) -> None:
    opened = recorded.opened
    print(
        f'{folder}: {opened.duration_s:.3g} s in {len(opened.recordings)} recordings; simulated '
        f'with {findings.match.describe()}'
    )
    if (pairs := recorded.pairs) is not None:
        print(
            f'{folder}: {pairs.number} pairs at a baseline of {pairs.rig.baseline_m:g} m and a '
            f'focal length of {pairs.rig.fx_px:g} pixels: {pairs.matched:.0%} of the pixels match'
        )
    if scaled is not None:
        print(f'{folder}: depth by two eyes is {scaled.factor:.3f} times that of the old network')
    if recorded.measured:
        source = 'that both eyes match' if recorded.matched_decides else 'of the recording'
        print(f'{folder}: the depth {source} decides on the verdict')
    if findings.corrections is not None:
        facts = describe_correction(findings.corrections.sensor)
        print(
            f'{folder}: {facts["faulty_pixels"]} faulty pixels, response differs by '
            f'{facts["gain_std"]:.1%}, dark current {facts["dark_per_s"]:.3g}/s '
            f'({facts["source"]})'
        )
    told = ', '.join(f'{style} {share:.0%}' for style, share in findings.shares.items())
    print(f'{folder}: places look like {told}')
    for warning in list_warnings(recorded, findings, scaled):
        print(f'{folder}: {warning}')


def _contents(clips: Sequence[SpikeClip]) -> list[str]:
    return [
        f'{clip.name}, {clip.geometry}, {clip.planes} planes at {clip.rate_hz:.6g} Hz'
        for clip in clips
    ]


def _check_folder(out: Path) -> None:
    """Refuse files beside an output that are not of an adaptation."""
    folder = out.with_suffix('')
    if (folder / SETTINGS).is_file():
        return
    others = folder.is_dir() and not all(map(_is_before_start, folder.iterdir()))
    lone = onnx_path(out).exists() and not out.exists()  # else both are replaced
    if lone or others:
        taken = onnx_path(out) if lone else folder
        raise ConfigError(f'{taken} exists, which {out} would need: choose another --out')


def _is_before_start(path: Path) -> bool:
    """Return True for what a folder may hold before its adaptation starts."""
    return path.name in (ros_commands.RECORDING, LOCK) or path.name.startswith(
        ros_commands.UNFINISHED
    )


def _describe_inputs(arguments: Arguments) -> dict[str, Any]:
    """Return the settings of an adaptation that are known before its recordings are read."""
    flat_path, dark_path = (
        None if one is None else str(one.resolve()) for one in (arguments.flat, arguments.dark)
    )
    return {
        'recordings': [str(path.resolve()) for path in arguments.recordings],
        'checkpoint': hash_file(find_checkpoint(arguments.checkpoint)),
        'config': hash_file(arguments.config),
        'minutes': arguments.minutes,
        # Not in folders that were begun by an earlier version.
        'topic': arguments.topic,
        'fingerprint of the recordings': [fingerprint(one) for one in arguments.recordings],
        'camera and depth of the recordings': [
            fingerprint_beside(one) for one in arguments.recordings
        ],
        'fingerprint of flat': _fingerprint(arguments.flat),
        'fingerprint of dark': _fingerprint(arguments.dark),
        **(dict.fromkeys(_OF_TWO_EYES) if arguments.eye is None else {}),
        'names': {
            'checkpoint': str(arguments.checkpoint),
            'config': str(arguments.config),
            'fingerprint of flat': flat_path,
            'fingerprint of dark': dark_path,
            'calibration of both cameras': None,
        },
    }


def _init_folder(arguments: Arguments, inputs: Inputs, recorded: Recorded) -> None:
    """Create the folder of an adaptation, or refuse to continue one of other arguments."""
    known, opened, folder = inputs.known, recorded.opened, inputs.settings.out
    rig = opened.rig
    calibration = None if rig is None else f'{rig.baseline_m:g} m, {rig.fx_px:g} px'
    settings: dict[str, Any] = {
        **known,
        'content of the recordings': _contents(opened.clips),
        'flat': _contents(recorded.flat),
        'dark': _contents(recorded.dark),
        **_describe_right(arguments.eye, opened),
        'names': {**known['names'], 'calibration of both cameras': calibration},
    }
    path = folder / SETTINGS
    if path.is_file():
        before = read(path, dict)
        _check_same(folder, before, settings)
        remove_unfinished(folder)
        if before.keys() >= settings.keys():
            return
    make_folder(folder)
    write_atomically(path, json.dumps(settings, indent=2).encode())


_OF_TWO_EYES = ('right', 'fingerprint of right', 'calibration of both cameras')
"""Settings of the right eye; None: one eye, as in folders that an earlier version began."""


def _describe_right(eye: SecondEye | None, opened: Opened) -> dict[str, Any]:
    """Return the settings of the right eye."""
    if eye is None or opened.rig is None:
        return dict.fromkeys(_OF_TWO_EYES)
    paths = opened.right_paths
    cameras = repr((opened.rig.left, opened.rig.right))
    values = (
        [str(path.resolve()) for path in paths] or [eye.topic],
        [fingerprint(path) for path in paths] or None,
        hashlib.sha256(cameras.encode()).hexdigest(),
    )
    return dict(zip(_OF_TWO_EYES, values, strict=True))


def _fingerprint(path: Path | None) -> str | None:
    return None if path is None else fingerprint(path)


_BEFORE_FINGERPRINTS = (
    'recordings', 'content of the recordings', 'checkpoint', 'config', 'minutes', 'flat', 'dark',
)  # fmt: skip
"""Settings that an earlier version has stored, too."""

_FINGERPRINTS = {
    'fingerprint of the recordings': 'recordings',
    'camera and depth of the recordings': 'recordings',
    'fingerprint of right': 'right',
}
"""Setting with the paths of what was hashed."""


def _check_same(folder: Path, before: dict[str, Any], settings: dict[str, Any]) -> None:
    """Refuse to go on with other settings than those of the folder."""
    names = before.get('names')
    names = names if isinstance(names, dict) else {}
    different = []
    for name, value in settings.items():
        always = (*_BEFORE_FINGERPRINTS, *_OF_TWO_EYES)
        if name == 'names' or (name not in before and name not in always):
            continue
        if (old := before.get(name)) != value:
            if name in settings['names']:
                old, value = names.get(name), settings['names'][name]
            elif (of := _FINGERPRINTS.get(name)) is not None:
                old, value = before.get(of), settings[of]
            how = 'replaced since' if old == value else f'{_told(old)}, given {_told(value)}'
            different.append(f'{name} ({how})')
    if different:
        raise ConfigError(
            f'{folder} holds an adaptation with another {", ".join(different)}: give what it '
            'was started with, or choose another --out'
        )


def _told(value: Any) -> str:
    """Return a stored or given value as it is told in an error."""
    if isinstance(value, list):
        return printable(' and '.join(map(str, value))) or 'none'
    return 'none' if value is None else printable(str(value))


def _check_stages(settings: RunConfig, two_eyes: bool) -> None:
    """Refuse settings of stages that an adaptation would ignore.

    Args:
        settings: Settings of the candidates.
        two_eyes: True if the recordings have a right eye.

    Raises:
        ConfigError: There are some; the message lists them.
    """
    problems = []
    for i, stage in enumerate(settings.stages):
        where = f'stages[{i}]'
        if stage.name in (OLD, SENSOR, SCALE, AVERAGE):
            problems.append(f'{where}.name is {stage.name!r}: expected another name')
        spec = stage.batches
        alone = spec.domain == 'target' or (spec.right and spec.domain != 'both')
        if stage.task != 'depth' or alone or spec.rgb:
            problems.append(
                f'{where}.kind is {stage.kind!r}: expected stages of depth that learn from '
                'labelled spikes of the source'
            )
        if spec.right and not two_eyes:
            problems.append(
                f'{where}.kind is {stage.kind!r}, of two eyes: expected right, their recordings'
            )
        for name in ('average_with', 'steps', 'epochs', 'height', 'width', 'planes', 'styles'):
            if getattr(stage, name) is not None:
                problems.append(f'{where}.{name} is given: expected none')
        if getattr(getattr(stage, 'adapt', None), 'deploy', '') == 'label_free':
            problems.append(f"{where}.adapt.deploy is 'label_free': expected teacher or student")
    if problems:
        raise ConfigError(listed(problems))
