# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cases of an adaptation with hidden truth: the gate's evidence beside what labels tell.

Each target is a camera in places of some styles, or frames of a data set seen by that camera.
Candidates are networks adapted to it, and networks that harm: a constant, statistics of a single
window, of windows in the wrong bit order, of another target. The truth is the median-scaled AbsRel
on held-back windows.

    PYTHONPATH=training python -m benchmarks.adaptation_gate --data DATA --out cases.json
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import DepthInfo
from spike_depth_ros.model.depth_net import DepthOutput
from spike_training.adaptation.gate import Evidence, compare, compute_outputs, labelled_error
from spike_training.adaptation.ladder import Windows, climb, load_network, matched_source
from spike_training.adaptation.matching import Match, compute_statistics, match_camera
from spike_training.adaptation.places import repeated_styles, style_shares
from spike_training.datasets import readers
from spike_training.engine.fabric import make_fabric
from spike_training.evaluation.statistics import estimate_statistics
from spike_training.sampling.clip_source import ClipSource
from spike_training.sampling.sample import Batch, Unlabelled
from spike_training.sampling.shifted import Optics, ShiftedSource
from spike_training.sensor.camera import simulate_counts
from spike_training.sensor.parameters import SENSORS, Sensor
from spike_training.settings.reading import load_config

CONFIG = Path('training/configs/adapt.yaml')
HEIGHT, WIDTH = 224, 384
WINDOWS = 36
BATCH = 12
TRUE_STEP = 0.03
"""Relative change of the error from which on a candidate is truly better or worse."""

NOISY = dataclasses.replace(SENSORS['vidar_car'], hot_pixels=0.01, response_mismatch=0.1)


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
    """

    optics: Optics
    styles: tuple[str, ...] | str
    planes: int = 128
    rate_hz: float = 20_000.0
    seed: int = 11


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
}
"""Targets that the gate's weights are fitted on."""


class SeenClips(ClipSource):
    """Frames of a data set as another camera sees them."""

    def __init__(self, optics: Optics, **arguments: object) -> None:
        super().__init__(**arguments)  # type: ignore[arg-type]
        self.optics = optics

    def _spikes(self, number, image, placement, planes):  # type: ignore[no-untyped-def]
        exposed, knots, seed = self._exposed(number, image, placement, planes)
        light = self.optics.through_lens(exposed[0])
        gain = self.optics.light * float(exposed.mean() / light.mean().clamp_min(1e-9))
        sensor_ = dataclasses.replace(self.optics.sensor, rate_hz=self.rate_hz)
        light = (light * gain).clamp(0, 1)[None]
        return simulate_counts(light, knots, seed, sensor_, torch.tensor([1]), self.bins)


def windows_of(target: Target, info: DepthInfo, data: Path) -> tuple[list[Batch], list[Batch]]:
    """Return labelled windows of a target for adaptation, and held-back ones of other places.

    Recordings of a single place are split in time.
    """
    if isinstance(target.styles, str):
        clips = readers.read(target.styles, str(data / PATHS[target.styles]))
        source = SeenClips(
            target.optics, clips=clips, height=HEIGHT, width=WIDTH, planes=(target.planes,),
            rate_hz=target.rate_hz, bins=info.bins,
        )  # fmt: skip
        number = len(source)
        early = np.linspace(0, 0.6 * number, WINDOWS).astype(int)
        late = np.linspace(0.7 * number, number - 1, WINDOWS).astype(int)
        return tuple(
            [source.samples(part.tolist()) for part in np.array_split(np.unique(chosen), 3)]
            for chosen in (early, late)
        )  # type: ignore[return-value]
    parts = []
    for split in ('train', 'test'):
        source_ = ShiftedSource(
            target.optics, styles=target.styles, seed=target.seed + (1 << 31), split=split,
            height=HEIGHT, width=WIDTH, planes=(target.planes,), rate_hz=target.rate_hz,
            bins=info.bins,
        )  # fmt: skip
        parts.append([source_.batch(k, BATCH) for k in range(WINDOWS // BATCH)])
    return parts[0], parts[1]


PATHS = {
    'sevenscenes': 'rgbd/sevenscenes_kitchen',
    'kitti': 'rgbd/kitti_0926',
    'folder': 'rgbd/hololens_000',
}


class Repeated:
    """Source of batches drawn from a few windows."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.counts = torch.cat([batch.counts for batch in batches])
        self.first = batches[0]

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """Return the batch of a step."""
        chosen = np.random.default_rng(step).integers(len(self.counts), size=batch_size)
        return dataclasses.replace(
            self.first,
            counts=self.counts[torch.from_numpy(chosen)],
            depth=torch.full((batch_size, 1, HEIGHT, WIDTH), torch.nan),
            fx=torch.full((batch_size,), torch.nan),
            index=torch.from_numpy(chosen),
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


class Scaled(nn.Module):
    """Network whose depths are multiplied."""

    def __init__(self, network: nn.Module, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Return the scaled depth."""
        output: DepthOutput = self.network(counts, planes_per_bin)
        return output._replace(depth=output.depth * self.factor)


class Flattened(nn.Module):
    """Network whose depths are drawn to their median."""

    def __init__(self, network: nn.Module, power: float) -> None:
        super().__init__()
        self.network, self.power = network, power

    def forward(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Return the flattened depth."""
        output: DepthOutput = self.network(counts, planes_per_bin)
        median = output.depth.flatten(1).median(dim=1).values[:, None, None, None]
        return output._replace(depth=median * (output.depth / median) ** self.power)


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
                weight += share * weight.std() * noise
    return network.eval()


def swapped_bits(counts: Tensor) -> Tensor:
    """Return counts as they are read in the other bit order."""
    size = counts.shape
    return counts.view(*size[:3], -1, 8).flip(4).reshape(size)


def scenes_of(
    windows: Windows, match: Match, styles: Sequence[str], info: DepthInfo
) -> dict[str, list[Unlabelled]]:
    """Return scenes of each style as a camera sees them."""
    found = {}
    for style in styles:
        source = matched_source(windows, match, [style], info, 'calibration', 0)
        found[style] = [source.samples(range(k, k + BATCH)).unlabelled() for k in (0, BATCH)]
    return found


def candidates(
    old: nn.Module, adapted: nn.Module, other: nn.Module | None, seen: Sequence[Unlabelled]
) -> Iterator[tuple[str, nn.Module]]:
    """Yield candidates by their names."""
    yield 'adapted', adapted
    yield 'half adapted', mixed(old, adapted, 0.5)
    yield 'hardly adapted', mixed(old, adapted, 0.04)
    yield 'beyond adapted', mixed(old, adapted, 1.8)
    if other is not None:
        yield 'of another target', other
    yield 'other scale', Scaled(old, 1.5)
    with torch.inference_mode():
        depth = old(seen[0].counts, seen[0].planes_per_bin).depth
    yield 'constant', Constant(depth.median(dim=0, keepdim=True).values)
    yield 'statistics', with_statistics(old, seen)
    one = dataclasses.replace(seen[0], counts=seen[0].counts[:1].expand(4, -1, -1, -1))
    yield 'statistics of one window', with_statistics(old, [one])
    wrong = [dataclasses.replace(w, counts=swapped_bits(w.counts)) for w in seen]
    yield 'statistics in wrong bit order', mixed(old, with_statistics(old, wrong), 0.5)
    yield 'flattened', Flattened(old, 0.3)
    yield 'slightly disturbed', disturbed(old, 0.01)
    yield 'disturbed', disturbed(old, 0.15)


@dataclasses.dataclass(frozen=True)
class Case:
    """Evidence and truth of a candidate.

    Attributes:
        target: Name of the target.
        candidate: Name of the candidate.
        evidence: What the gate sees.
        old_error: Median-scaled AbsRel of the old network on held-back windows.
        new_error: That of the candidate.
    """

    target: str
    candidate: str
    evidence: Evidence
    old_error: float
    new_error: float

    @property
    def truth(self) -> str:
        """Return the true verdict."""
        change = self.new_error / self.old_error - 1
        return (
            'improved' if change <= -TRUE_STEP else 'worse' if change >= TRUE_STEP else 'no change'
        )


def run(
    targets: dict[str, Target], minutes: float, data: Path, folder: Path,
    told: Callable[[str], None],
) -> Iterator[Case]:  # fmt: skip
    """Adapt to each target, and yield its cases."""
    config = load_config(CONFIG)
    info, old = load_network(Path('unet_lite'))
    fabric = make_fabric('cpu', 1, '32-true')
    other: nn.Module | None = None
    for name, target in targets.items():
        begin = time.monotonic()
        seen, held = windows_of(target, info, data)
        counts = torch.cat([batch.counts for batch in seen])
        recorded = compute_statistics(counts, seen[0].planes_per_bin)
        windows = Windows(HEIGHT, WIDTH, target.planes, target.rate_hz)
        match = match_camera(
            recorded, config.data.styles, (HEIGHT, WIDTH), target.planes, target.rate_hz, info.bins
        )
        matching_s = time.monotonic() - begin
        styles = repeated_styles(
            style_shares(
                old,
                [batch.unlabelled() for batch in seen],
                scenes_of(windows, match, config.data.styles, info),
            )
        )
        told(f'styles {dict(Counter(styles))}')
        source = matched_source(windows, match, styles, info, 'train', 0)
        own = dataclasses.replace(config, out=folder / name.replace(' ', '_'))
        trained = climb(
            own,
            own.stages[0],
            Path('unet_lite'),
            source,
            Repeated(seen),
            target.rate_hz,
            60 * minutes,
            fabric,
        )
        _, adapted = load_network(trained)
        tests = matched_source(windows, match, styles, info, 'test', 0)
        matched = [tests.samples(range(k, k + BATCH)) for k in range(0, 2 * WINDOWS, BATCH)]
        unlabelled = [batch.unlabelled() for batch in held]
        before = compute_outputs(old, unlabelled)
        errors = labelled_error(old, info, matched), labelled_error(old, info, held)
        told(
            f'{name}: matched in {matching_s:.0f} s: {match.describe()}; old error '
            f'{errors[1]:.3f}, on matched scenes {errors[0]:.3f}'
        )
        for label, network in candidates(old, adapted, other, [b.unlabelled() for b in seen]):
            after = compute_outputs(network, unlabelled)
            own_errors = errors[0], labelled_error(network, info, matched)
            evidence = compare(before, after, unlabelled, own_errors)
            truth = labelled_error(network, info, held)
            case = Case(name, label, evidence, errors[1], truth)
            told(
                f'  {label}: {truth / errors[1] - 1:+.1%} {case.truth}; '
                + ' '.join(f'{k} {v:+.3f}' for k, v in dataclasses.asdict(evidence).items())
            )
            yield case
        other = adapted


def main() -> None:
    """Run the cases of some targets and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='*', help='names of targets')
    parser.add_argument('--minutes', type=float, default=4.0)
    parser.add_argument('--data', type=Path, default=Path('data'))
    parser.add_argument('--out', type=Path, required=True)
    given = parser.parse_args()
    if given.out.with_suffix('').exists():
        parser.error(f'{given.out.with_suffix("")} exists: choose another --out')
    targets = {n: t for n, t in CALIBRATION.items() if not given.only or n in given.only}
    found = []
    for case in run(targets, given.minutes, given.data, given.out.with_suffix(''), print):
        found.append(dataclasses.asdict(case) | {'truth': case.truth})
        given.out.write_text(json.dumps(found, indent=1))


if __name__ == '__main__':
    main()
