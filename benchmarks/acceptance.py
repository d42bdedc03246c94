# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of an adaptation with hidden truth: the evidence beside what labels tell.

Each target is a camera in places of some styles, or frames of a data set seen by that camera.
Candidates are those of an adaptation, scales and shifts learnt from the target's labels, and
networks that harm: a constant, statistics of a single window, of windows in the wrong bit order,
of saturated ones, of another target. The truth is the median-scaled AbsRel on held-back windows.

    PYTHONPATH=training python -m benchmarks.acceptance --data DATA --cases cases --out runs
    PYTHONPATH=training python -m benchmarks.acceptance --cases cases --print

Targets whose cases are in the folder are not run again, so that an interrupted run goes on with
the same command; targets may be divided among processes by ``--only``. The last lines are the
errors of each target and the confusion matrix, by the acceptance test of today.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.options import count
from spike_depth_ros.base.results import write_atomically
from spike_depth_ros.checkpoint import find_checkpoint
from spike_depth_ros.io.video.light import luminance
from spike_depth_ros.motion.sequence import STEPS, triangulate_sequence
from spike_depth_ros.networks.depth_net import DepthOutput
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.acceptance import Comparison
from spike_training.adaptation.candidates import (
    AVERAGE,
    SENSOR,
    TrainingData,
    load_network,
    train_candidate,
    train_candidates,
)
from spike_training.adaptation.correction import (
    Corrections,
    choose_corrections,
    estimate_correction,
    firing_rates,
)
from spike_training.adaptation.evidence import (
    Evidence,
    Scores,
    Verdict,
    choose,
    decide,
    score,
)
from spike_training.adaptation.matching import (
    BATCH_SIZE,
    SimulatedScenes,
    Windows,
    compute_statistics,
    match_camera,
)
from spike_training.adaptation.motion import STEP_S, label_points, picture_of
from spike_training.adaptation.places import repeated_styles, style_shares
from spike_training.datasets import readers
from spike_training.engine.checkpoints import newest_model
from spike_training.engine.fabric import make_fabric
from spike_training.evaluation.statistics import estimate_statistics
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.sample import Batch, Unlabelled
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sensor.camera import simulate_counts
from spike_training.sensor.parameters import SENSORS, Sensor
from spike_training.settings.reading import load_config
from spike_worlds.pool import generate

CONFIG = Path('training/configs/adapt.yaml')
SHIPPED = Path('unet_lite')
HEIGHT, WIDTH = 224, 384
WINDOWS = 36
MOVING = 18
"""Windows whose depth from motion is tried."""

SCENES = 72
COMPARED = 24
FOG_M = 12.0
"""Depth at which fog scatters half of the light, metres."""

SHARES = {'affine': 1.0, 'bicross': 0.4, 'whole': 0.8}
"""Steps of each candidate, as a share of the first one's: about the same duration."""

CANDIDATES = (SENSOR, *SHARES, AVERAGE)
"""Candidates of an adaptation."""

COLUMNS = (*CANDIDATES, 'AdaBN', 'supervised')
"""Candidates whose errors are printed."""

LOSS = 0.2
"""Loss of the old network to its clean error, relative, from which on a target counts as lost."""

TRUE_STEP = 0.03
"""Relative change of the error from which on a candidate is truly better or worse."""


def sensor(scale: float = 1.0, **changes: float) -> Sensor:
    """Return the sensor of the real car recording with scaled flaws."""
    base = SENSORS['vidar_car']
    scaled = {n: getattr(base, n) * scale for n in ('dark_current', 'response_mismatch')}
    return dataclasses.replace(base, **{**scaled, **changes})


@dataclasses.dataclass(frozen=True)
class Target:
    """A camera in some places.

    Attributes:
        optics: Lens, light and sensor.
        styles: Styles of generated scenes; or the name of a data set.
        planes: Length of a window.
        rate_hz: Plane rate.
        seed: Seed of the scenes.
        fog: True for fog in the scenes.
    """

    optics: Optics
    styles: tuple[str, ...] | str
    planes: int = 128
    rate_hz: float = 20_000.0
    seed: int = 11
    fog: bool = False


CALIBRATION = {
    'dim office': Target(Optics(0.08, sensor=sensor()), ('office', 'home'), seed=21),
    'dark noisy home': Target(Optics(0.05, sensor=sensor(2)), ('home',), seed=22),
    'blurred rooms': Target(Optics(blur=3.0), ('indoor', 'home', 'hall'), seed=23),
    'short windows': Target(Optics(0.3, sensor=sensor()), ('home', 'hall'), 32, seed=24),
    'hard contrast': Target(Optics(0.5, 2.5, 0.8), ('indoor', 'office'), seed=25),
    'plain home': Target(Optics(), ('home',), seed=26),
    'noisy road': Target(Optics(0.15, sensor=sensor(3)), ('road',), 128, 40_000.0, seed=27),
    'faint outdoor': Target(Optics(0.04, sensor=sensor()), ('outdoor', 'road'), seed=28),
    'kitchen': Target(Optics(), 'sevenscenes'),
    'dark kitchen': Target(Optics(0.1, sensor=sensor(2)), 'sevenscenes'),
    'noisy kitchen': Target(Optics(0.2, sensor=sensor(3, hot_pixels=0.01)), 'sevenscenes'),
    'noisy contrast': Target(Optics(0.3, 2.5, 0.8, sensor=sensor(3)), ('office', 'road'), seed=29),
}
"""Targets that the weights of the evidence are fitted on."""

TEST = {
    'dark home': Target(Optics(0.06, sensor=sensor()), ('home', 'indoor'), seed=31),
    'noisy office': Target(
        Optics(0.2, sensor=sensor(3, hot_pixels=0.01)), ('office', 'hall'), seed=32
    ),
    'blurred office': Target(Optics(blur=4.0), ('indoor', 'office'), seed=33),
    'slow planes': Target(Optics(0.3, sensor=sensor()), ('home', 'hall'), 128, 5_000.0, seed=34),
    'other lens': Target(Optics(1.0, 1.6, 0.9, 1.5), ('indoor', 'home'), seed=35),
    'fog': Target(Optics(0.5, sensor=sensor()), ('road', 'outdoor'), seed=36, fog=True),
    'night road': Target(Optics(0.03, sensor=sensor(2)), ('road',), seed=38),
    'clean outdoor': Target(Optics(), ('outdoor',), seed=39),
    'street': Target(Optics(), 'kitti'),
    'noisy street': Target(Optics(0.1, sensor=sensor(3)), 'kitti'),
    'rooms': Target(Optics(), 'hololens'),
    'dim rooms': Target(Optics(0.08, sensor=sensor(2)), 'hololens'),
}
"""Targets that the acceptance test is tested on."""


class SeenClips(ClipSource):
    """Frames of a data set as another camera sees them."""

    def __init__(self, optics: Optics, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.optics = optics

    def _spikes(self, eyes, images, placement, planes):  # type: ignore[no-untyped-def]
        shown = placement.image(luminance(images[0]))
        exposed, knots = self._exposed(eyes[0], shown, shown, placement, planes)
        light = self.optics.through_lens(exposed[0])
        gain = self.optics.light * float(exposed.mean() / light.mean().clamp_min(1e-9))
        sensor_ = dataclasses.replace(self.optics.sensor, rate_hz=self.rate_hz)
        light = (light * gain).clamp(0, 1)[None]
        seed = self._seed(eyes[0])
        return [simulate_counts(light, knots, seed, sensor_, torch.tensor([1]), self.bins)]


def clips_of(target: Target, info: DepthInfo, data: Path) -> SeenClips:
    """Return the frames of a target's data set, as its camera sees them."""
    reader, path, _ = DATA_SETS[str(target.styles)]
    return SeenClips(
        target.optics, clips=readers.read(reader, str(data / path)), height=HEIGHT, width=WIDTH,
        planes=(target.planes,), rate_hz=target.rate_hz, bins=info.bins,
    )  # fmt: skip


def scenes_seen(target: Target, info: DepthInfo, split: str) -> ShiftedSource:
    """Return the generated scenes of a target, as its camera sees them."""
    return ShiftedSource(
        target.optics, FOG_M if target.fog else None, styles=target.styles,
        seed=target.seed + (1 << 31), split=split,
        height=HEIGHT, width=WIDTH, planes=(target.planes,), rate_hz=target.rate_hz,
        bins=info.bins,
    )  # fmt: skip


def windows_of(target: Target, info: DepthInfo, data: Path) -> tuple[list[Batch], list[Batch]]:
    """Return labelled windows of a target for adaptation, and held-back ones of other places.

    Recordings of a single place are split in time.
    """
    if isinstance(target.styles, str):
        source = clips_of(target, info, data)
        number = len(source)
        early = np.linspace(0, 0.6 * number, WINDOWS).astype(int)
        late = np.linspace(0.7 * number, number - 1, WINDOWS).astype(int)
        return tuple(
            [source.samples(part.tolist()) for part in np.array_split(np.unique(chosen), 3)]
            for chosen in (early, late)
        )  # type: ignore[return-value]
    parts = []
    for split in ('train', 'test'):
        scenes = scenes_seen(target, info, split)
        parts.append([scenes.batch(k, BATCH_SIZE) for k in range(WINDOWS // BATCH_SIZE)])
    return parts[0], parts[1]


def sequences_of(target: Target, info: DepthInfo, data: Path) -> Iterator[Iterator[Batch]]:
    """Yield sequences of windows of the held-back part, while the camera moves."""
    if isinstance(target.styles, str):
        source = clips_of(target, info, data)
        last, second = len(source) - 1, DATA_SETS[target.styles][2]
        for first in np.linspace(0.7 * len(source), last, MOVING).astype(int).tolist():
            numbers = range(first, last + 1)[: second + 1]
            yield (source.sample(number, target.planes) for number in numbers)
        return
    scenes = scenes_seen(target, info, 'test')
    for index in range(MOVING):
        yield _later(scenes, index, target)


def _later(source: ShiftedSource, index: int, target: Target) -> Iterator[Batch]:
    """Yield windows of a generated scene while its camera moves on."""
    scene = generate(source.generators, [index])
    for step in range(STEPS + 1):
        now = dataclasses.replace(scene.later(step * STEP_S), seed=scene.seed + step)
        yield source._samples([index], now, target.planes, target.rate_hz)


def moving_of(
    target: Target, info: DepthInfo, data: Path, given: Corrections | None
) -> list[Batch]:
    """Return windows of the held-back part with depth from motion, as an adaptation does."""
    found = []
    for sequence in sequences_of(target, info, data):
        first = next(sequence)
        fx = float(first.fx[0])
        camera = np.array([[fx, 0, WIDTH / 2 - 0.5], [0, fx, HEIGHT / 2 - 0.5], [0, 0, 1]])
        points = triangulate_sequence(
            (
                picture_of(window if given is None else given.recorded.correct(window))
                for window in itertools.chain([first], sequence)
            ),
            camera,
        )
        if points is not None:
            found.append(label_points(first, points, info))
    return found


DATA_SETS = {
    'sevenscenes': ('sevenscenes', 'rgbd/sevenscenes_kitchen', 30),
    'kitti': ('kitti', 'rgbd/kitti_0926', 10),
    'hololens': ('folder', 'rgbd/hololens_000', 30),
}
"""Reader and folder of each data set, and its frames per second."""


class Repeated:
    """Source of batches drawn from a few windows, with or without their labels."""

    def __init__(self, batches: Sequence[Batch], labels: bool = False) -> None:
        self.first = batches[0]
        self.counts, self.depth, self.fx = (
            torch.cat([getattr(batch, name) for batch in batches])
            for name in ('counts', 'depth', 'fx')
        )
        if not labels:
            self.depth = torch.full_like(self.depth, torch.nan)
            self.fx = torch.full_like(self.fx, torch.nan)

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """Return the batch of a step."""
        random = np.random.default_rng(step)
        chosen = torch.from_numpy(random.integers(len(self.counts), size=batch_size))
        return dataclasses.replace(
            self.first,
            counts=self.counts[chosen],
            depth=self.depth[chosen],
            fx=self.fx[chosen],
            index=chosen,
        )


class Constant(nn.Module):
    """Network that answers the same for every window."""

    def __init__(self, depth: Tensor) -> None:
        super().__init__()
        self.depth = depth

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Return the same depth."""
        depth = self.depth.expand(len(counts), 1, -1, -1)
        return DepthOutput(depth, torch.full_like(depth, 0.2), *[torch.empty(0)] * 3)


class Changed(nn.Module):
    """Network whose depths are changed by a function."""

    def __init__(self, network: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.change = network, change

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Return the changed depth."""
        output: DepthOutput = self.network(counts, planes_per_bin)
        return output._replace(depth=self.change(output.depth))


def flattened(depth: Tensor) -> Tensor:
    """Return depths drawn to the median of their image."""
    median = depth.flatten(1).median(dim=1).values[:, None, None, None]
    return median * (depth / median) ** 0.3


def mixed(old: nn.Module, new: nn.Module, share: float) -> nn.Module:
    """Return a network between two others."""
    network = copy.deepcopy(old)
    a, b = old.state_dict(), new.state_dict()
    network.load_state_dict(
        {n: torch.lerp(a[n], b[n], share) if a[n].is_floating_point() else a[n] for n in a}
    )
    return network.eval()


def with_statistics(old: nn.Module, windows: Sequence[Unlabelled]) -> nn.Module:
    """Return the network with statistics of windows (AdaBN)."""
    network = copy.deepcopy(old)
    estimate_statistics(network, windows)
    return network.eval()


def disturbed(old: nn.Module, share: float) -> nn.Module:
    """Return the network with noise on its weights."""
    network = copy.deepcopy(old)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim > 1:
                noise = torch.randn(weight.shape, generator=generator)
                weight.add_(share * weight.std() * noise)
    return network.eval()


def swapped_bits(counts: Tensor) -> Tensor:
    """Return counts as they are read in the other bit order."""
    size = counts.shape
    return counts.view(*size[:3], -1, 8).flip(4).reshape(size)


def saturated(windows: Unlabelled) -> Tensor:
    """Return counts of windows in which every pixel always fires."""
    full = windows.planes_per_bin.to(windows.counts.dtype)[None, :, None, None]
    return full.expand_as(windows.counts).contiguous()


def candidates(
    old: nn.Module,
    adapted: nn.Module,
    other: nn.Module | None,
    seen: Sequence[Unlabelled],
) -> Iterator[tuple[str, nn.Module]]:
    """Yield constructed candidates by their names, most of them harmful."""
    yield 'half affine', mixed(old, adapted, 0.5)
    yield 'hardly affine', mixed(old, adapted, 0.04)
    yield 'beyond affine', mixed(old, adapted, 1.8)
    if other is not None:
        yield 'of another target', other
    yield 'other scale', Changed(old, lambda depth: 1.5 * depth)
    with torch.inference_mode():
        depth = old(seen[0].counts, seen[0].planes_per_bin).depth
    yield 'constant', Constant(depth.median(dim=0, keepdim=True).values)
    one = dataclasses.replace(seen[0], counts=seen[0].counts[:1].expand(4, -1, -1, -1))
    yield 'statistics of one window', with_statistics(old, [one])
    wrong = [dataclasses.replace(w, counts=swapped_bits(w.counts)) for w in seen]
    yield 'statistics in wrong bit order', mixed(old, with_statistics(old, wrong), 0.5)
    bright = [dataclasses.replace(w, counts=saturated(w)) for w in seen[:1]]
    yield 'statistics of saturated windows', mixed(old, with_statistics(old, bright), 0.1)
    yield 'flattened', Changed(old, flattened)
    yield 'slightly disturbed', disturbed(old, 0.01)
    yield 'disturbed', disturbed(old, 0.15)


@dataclasses.dataclass(frozen=True)
class Case:
    """Evidence and truth of a candidate.

    Attributes:
        target: Name of the target.
        seed: Seed of scenes and training.
        candidate: Name of the candidate.
        evidence: Evidence of the acceptance test.
        distance: Distance of the match.
        clean_error: Median-scaled AbsRel of the old network in the same places, without the
            camera's flaws and fog, 128 planes at 20 kHz.
        old_error: Median-scaled AbsRel of the old network on held-back windows.
        new_error: That of the candidate.
        old_error_m: AbsRel of the old network in metres.
        new_error_m: That of the candidate.
    """

    target: str
    seed: int
    candidate: str
    evidence: Evidence
    distance: float
    clean_error: float
    old_error: float
    new_error: float
    old_error_m: float
    new_error_m: float

    @property
    def truth(self) -> Verdict:
        """Return the true verdict."""
        change = self.new_error / self.old_error - 1
        return (
            'improved' if change <= -TRUE_STEP else 'worse' if change >= TRUE_STEP else 'no change'
        )

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the acceptance test."""
        return decide(self.evidence, self.distance)


@dataclasses.dataclass(frozen=True)
class Prepared:
    """Target that is ready for candidates, as an adaptation prepares its recording.

    Attributes:
        name: Name of the target.
        target: The target, with the seed of its scenes.
        seed: Seed of scenes and training.
        info: Metadata of the old network.
        old: The old network.
        seen: Labelled windows for adaptation.
        held: Held-back ones.
        distance: Distance of the match.
        scenes: Labelled scenes by the matched camera.
        styles: Styles of the labelled scenes, in turn.
        corrections: Corrections of the sensor.
        comparison: Comparison with the old network, as in an adaptation.
        clean_error: As in :class:`Case`.
        truth: Scores of the old network on held-back windows.
    """

    name: str
    target: Target
    seed: int
    info: DepthInfo
    old: nn.Module
    seen: Sequence[Batch]
    held: Sequence[Batch]
    distance: float
    scenes: SimulatedScenes
    styles: Sequence[str]
    corrections: Corrections | None
    comparison: Comparison
    clean_error: float
    truth: Scores

    def case(self, candidate: str, network: nn.Module, corrected: bool = False) -> Case:
        """Return the case of a candidate, and print it."""
        evidence, _ = self.comparison.compare(network, corrected)
        new = score(network, self.info, self.comparison.seen(self.held, corrected))
        found = Case(
            self.name, self.seed, candidate, evidence, self.distance, self.clean_error,
            self.truth.scaled, new.scaled, self.truth.metres, new.metres,
        )  # fmt: skip
        values = (
            f'{name} {value:+.3f}'
            for name, value in dataclasses.asdict(evidence).items()
            if value is not None
        )
        print(
            f'  {candidate}: {new.scaled / self.truth.scaled - 1:+.1%} {found.truth}, verdict '
            f'{found.verdict}; {" ".join(values)}',
            flush=True,
        )
        return found


def prepare(name: str, target: Target, data: Path, seed: int, sensor: bool) -> Prepared:
    """Prepare a target, as an adaptation prepares its recording."""
    config = load_config(CONFIG)
    info, old = load_network(SHIPPED)
    target = dataclasses.replace(target, seed=target.seed + 100 * seed)
    seen, held = windows_of(target, info, data)
    seen_only, held_only = ([batch.unlabelled() for batch in part] for part in (seen, held))
    windows = Windows(HEIGHT, WIDTH, target.planes, target.rate_hz, info.bins)
    match = match_camera(
        compute_statistics(torch.cat([b.counts for b in seen]), seen[0].planes_per_bin),
        config.data.styles, windows,
    )  # fmt: skip
    compared: dict[str, list[Unlabelled]] = {
        style: [
            batch.unlabelled()
            for batch in SimulatedScenes(match.optics, windows, 0).batches(
                [style], 'calibration', COMPARED
            )
        ]
        for style in config.data.styles
    }
    styles = repeated_styles(style_shares(old, seen_only, compared))
    scenes = SimulatedScenes(match.optics, windows, seed)
    matched = scenes.batches(styles, 'test', SCENES)
    corrections = None
    if sensor:
        corrections = corrections_of(scenes, styles, info.pool, seen_only, held_only)
    moving = moving_of(target, info, data, corrections)
    comparison = Comparison(old, info, held_only, matched, [], moving, corrections)
    plain = dataclasses.replace(target, optics=Optics(), planes=128, rate_hz=2e4, fog=False)
    clean = score(old, info, windows_of(plain, info, data)[1])
    truth = score(old, info, held)
    print(
        f'{name}: {match.describe()}; styles {dict(Counter(styles))}; error {truth.scaled:.3f}; '
        f'{len(moving)} windows with depth from motion',
        flush=True,
    )
    return Prepared(
        name, target, seed, info, old, seen, held, match.distance, scenes, styles, corrections,
        comparison, clean.scaled, truth,
    )  # fmt: skip


def adapt(prepared: Prepared, steps: int, folder: Path) -> list[Case]:
    """Train all candidates as an adaptation does; return their cases.

    Args:
        prepared: The target.
        steps: Of the first candidate that trains; a duration would depend on the machine.
        folder: Folder of the networks.
    """
    config = dataclasses.replace(
        load_config(CONFIG), out=folder / 'candidates', seed=prepared.seed
    )
    stages = [
        dataclasses.replace(stage, steps=round(steps * SHARES[stage.name]))
        for stage in config.stages
    ]
    data = TrainingData(
        prepared.scenes.source(prepared.styles, 'train'), Repeated(prepared.seen),
        prepared.target.rate_hz, prepared.corrections,
    )  # fmt: skip
    return train_candidates(
        dataclasses.replace(config, stages=stages), find_checkpoint(SHIPPED), data, lambda _: 0.0,
        make_fabric('cpu', 1, '32-true'),
        lambda name, path, _, corrected: prepared.case(name, load_network(path)[1], corrected),
    )  # fmt: skip


def train_supervised(prepared: Prepared, steps: int, folder: Path) -> nn.Module:
    """Train scales and shifts on the target's labels: a bound of what labels would bring."""
    config = dataclasses.replace(
        load_config(CONFIG), out=folder / 'supervised', seed=prepared.seed
    )
    labelled = Repeated(prepared.seen, labels=True)
    path = train_candidate(
        config, dataclasses.replace(config.stages[0], steps=steps), find_checkpoint(SHIPPED),
        TrainingData(labelled, labelled, prepared.target.rate_hz), 0.0,
        make_fabric('cpu', 1, '32-true'),
    )  # fmt: skip
    return load_network(path)[1]


def cases_of(
    prepared: Prepared, steps: int, harmless: bool, folder: Path, other: nn.Module | None
) -> list[Case]:
    """Adapt to a target, and return its cases.

    Args:
        prepared: The target.
        steps: As for :func:`adapt`.
        harmless: True to leave constructed candidates out.
        folder: Folder of the networks.
        other: Network of another target.
    """
    cases = adapt(prepared, steps, folder)
    corrected = (cases[0].candidate, cases[0].verdict) == (SENSOR, 'improved')
    seen = [batch.unlabelled() for batch in prepared.seen]
    more = {
        'supervised': train_supervised(prepared, steps, folder),
        'AdaBN': with_statistics(prepared.old, seen),
    }
    if not harmless:
        affine = load_network(newest_model(folder / 'candidates' / 'affine'))[1]
        more |= dict(candidates(prepared.old, affine, other, seen))
    return cases + [
        prepared.case(name, network, corrected and 'affine' in name)
        for name, network in more.items()
    ]


def corrections_of(
    scenes: SimulatedScenes,
    styles: Sequence[str],
    pool: int,
    seen: Sequence[Unlabelled],
    held: Sequence[Unlabelled],
) -> Corrections | None:
    """Estimate the correction of a target's sensor, as an adaptation does."""
    planes, rate_hz = scenes.windows.planes, scenes.windows.rate_hz
    try:
        sensor, simulated = (
            estimate_correction(firing_rates(one), planes, rate_hz)
            for one in (seen, scenes.batches(styles, 'train', WINDOWS))
        )
        whole = slice(0, HEIGHT), slice(0, WIDTH)
        return choose_corrections((sensor, simulated), held, whole, pool, rate_hz)
    except ValueError:
        return None


def confusion(cases: Sequence[Case]) -> str:
    """Return the confusion matrix of cases as lines of text."""
    names = get_args(Verdict)
    number = Counter((case.truth, case.verdict) for case in cases)
    lines = ['truth      ' + ''.join(f'{name:>10}' for name in names)]
    for truth in names:
        row = ''.join(f'{number[truth, verdict]:10d}' for verdict in names)
        lines.append(f'{truth:<11}{row}')
    right = sum(number[name, name] for name in names)
    return '\n'.join([*lines, f'right: {right} of {len(cases)}'])


def kept_error(own: dict[str, Case]) -> float:
    """Return the error of the network that an adaptation keeps.

    Args:
        own: Cases of a target and seed by their candidates.
    """
    cases = [own[name] for name in CANDIDATES if name in own]
    kept = choose(cases)
    return cases[0].old_error if kept is None else kept.new_error


def errors(cases: Sequence[Case]) -> str:
    """Return the errors of each target as lines of a table, their means over the seeds.

    The last line has the change by what is kept: its mean over the targets where the old network
    loses :data:`LOSS` of the clean error or more, and the largest one of any target and seed.
    """
    changes, largest = [], -math.inf
    lines = ['| target | seeds | clean | old | kept | ' + ' | '.join(COLUMNS) + ' |']
    for target in dict.fromkeys(case.target for case in cases):
        rows = []
        for seed in sorted({case.seed for case in cases if case.target == target}):
            own = {c.candidate: c for c in cases if (c.target, c.seed) == (target, seed)}
            first = own['affine']
            rows.append(
                [first.clean_error, first.old_error, kept_error(own)]
                + [own[name].new_error if name in own else math.nan for name in COLUMNS]
            )
        means = np.mean(rows, axis=0)
        row = ' | '.join(f'{value:.3f}' for value in means)
        lines.append(f'| {target} | {len(rows)} | {row} |')
        largest = max(largest, *(kept / old - 1 for _, old, kept, *_ in rows))
        clean, old, kept = means[:3]
        if old >= (1 + LOSS) * clean:
            changes.append(kept / old - 1)
    mean = np.mean(changes) if changes else math.nan
    lines.append(
        f'kept: {mean:+.1%} in the mean of {len(changes)} targets where old loses {LOSS:.0%} or '
        f'more; {largest:+.1%} at most'
    )
    return '\n'.join(lines)


def stored(case: Case) -> dict[str, Any]:
    """Return a case as it is written, figures with five digits."""
    return {
        name: float(f'{value:.5g}') if isinstance(value, float) else value
        for name, value in dataclasses.asdict(case).items()
        if name != 'evidence'
    } | {
        'evidence': {
            name: None if value is None else float(f'{value:.5g}')
            for name, value in dataclasses.asdict(case.evidence).items()
        }
    }


def write_cases(path: Path, cases: Sequence[Case]) -> None:
    """Write the cases of a target, one in each line."""
    lines = ',\n'.join(json.dumps(stored(case)) for case in cases)
    write_atomically(path, f'[\n{lines}\n]\n'.encode())


def read_cases(path: Path) -> list[Case]:
    """Read the cases of a target."""
    return [
        Case(**case | {'evidence': Evidence(**case['evidence'])})
        for case in json.loads(path.read_text())
    ]


def main() -> None:
    """Run the cases of some targets, write them, and print all that are written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--calibration', action='store_true', help='use the calibration targets')
    parser.add_argument('--only', nargs='*', help='names of targets')
    parser.add_argument('--steps', type=count, default=60, help='of the first candidate')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--harmless', action='store_true', help='leave harmful candidates out')
    parser.add_argument('--no-sensor', action='store_true', help='leave candidate sensor out')
    parser.add_argument('--data', type=Path, default=Path('data'))
    parser.add_argument('--cases', type=Path, required=True, help='folder of cases')
    parser.add_argument('--out', type=Path, default=Path('runs/acceptance'), help='networks')
    parser.add_argument('--print', action='store_true', help='run nothing')
    given = parser.parse_args()
    targets = CALIBRATION if given.calibration else TEST
    if unknown := set(given.only or ()) - set(targets):
        parser.error(f'{", ".join(unknown)}: expected some of {", ".join(targets)}')
    other: nn.Module | None = None
    for name, target in {} if given.print else targets.items():
        if given.only and name not in given.only:
            continue
        label = f'{name.replace(" ", "_")}_{given.seed}'
        folder, path = given.out / label, given.cases / f'{label}.json'
        if not path.is_file():
            begin = time.monotonic()
            prepared = prepare(name, target, given.data, given.seed, not given.no_sensor)
            found = cases_of(prepared, given.steps, given.harmless, folder, other)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_cases(path, found)
            print(f'{path}: {time.monotonic() - begin:.0f} s', flush=True)
        if (folder / 'candidates' / 'affine').is_dir():
            _, other = load_network(newest_model(folder / 'candidates' / 'affine'))
    cases = [
        case for path in sorted(given.cases.glob('*.json')) for case in read_cases(path)
        if case.target in targets
    ]  # fmt: skip
    print(errors(cases))
    print(confusion(cases))


if __name__ == '__main__':
    main()
