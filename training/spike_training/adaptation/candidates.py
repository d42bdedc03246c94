# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Candidates of an adaptation: stages that train them for a given time."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from spike_depth_ros.base.results import hash_file, write_atomically
from spike_depth_ros.base.values import within
from spike_depth_ros.checkpoint import find_checkpoint, load, save
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.adaptation.correction import CorrectedSource, Corrections
from spike_training.adaptation.evidence import AnyTested, choose
from spike_training.adaptation.stored import read
from spike_training.disk import make_folder
from spike_training.engine.checkpoints import has_checkpoint, newest_model
from spike_training.engine.loop import fit, time_step
from spike_training.engine.stage import Context
from spike_training.errors import NonFiniteError, TrainingError
from spike_training.runs.build import make_stage
from spike_training.sampling.sample import Batch, DomainPair, Source
from spike_training.settings.config import RunConfig, StageConfig, text_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PLAN = 'plan.json'
"""File with the number of steps of a stage, which a resumed one keeps."""

TIMED_SHARE = 0.05
"""Share of a stage's duration in which that of a step is measured."""

LEAST_STEPS = 10

SENSOR = 'sensor'
"""Name of the first candidate: the old network with a correction of the sensor."""

SCALE = 'scale'
"""Name of the first candidate with a second eye: the old network with a factor on its metres."""

AVERAGE = 'average'
"""Name of the last candidate: the mean of the weights of those that improved."""


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Labelled scenes and unlabelled windows that candidates learn from.

    Attributes:
        source: Labelled scenes as the recording's camera sees.
        target: Windows of the recording; their depth is not read.
        rate_hz: Plane rate of the recording.
        corrections: Corrections of the sensor; None: there is nothing to correct.
        corrected: True if source and target are corrected for the sensor.
        scaled: The old network in the metres of a second eye; None: there is none.
    """

    source: Source[Batch]
    target: Source[Batch]
    rate_hz: float
    corrections: Corrections | None = None
    corrected: bool = False
    scaled: Rescaled | None = None

    def correct(self, corrections: Corrections) -> TrainingData:
        """Return the same, corrected for the sensor."""
        return dataclasses.replace(
            self,
            source=CorrectedSource(self.source, corrections.simulated),
            target=CorrectedSource(self.target, corrections.recorded),
            corrected=True,
        )

    def resize(self, factor: float) -> TrainingData:
        """Return the same, all sizes of labelled places times a factor."""
        return dataclasses.replace(self, source=ResizedSource(self.source, factor))


@dataclasses.dataclass(frozen=True)
class Plan:
    """Plan of a stage, ``plan.json``, which a resumed one keeps.

    Attributes:
        steps: Number of steps.
        checkpoint: Hash of the checkpoint that it starts from.
        sensor_correction: True if it learns from corrected data.
        settings: Hash of its settings.
    """

    steps: Annotated[int, within(1, 10**7)]
    checkpoint: str
    sensor_correction: bool
    settings: str


class Rescaled(NamedTuple):
    """A network in other metres.

    Attributes:
        checkpoint: Its checkpoint.
        factor: Factor on the depth of the network that it was made from.
    """

    checkpoint: Path
    factor: float


@dataclasses.dataclass(frozen=True)
class ResizedSource:
    """Labelled places whose sizes are other ones.

    A network in the metres of a second eye would take the difference for an error of its own.

    Attributes:
        source: The places.
        factor: Factor on their sizes.
    """

    source: Source[Batch]
    factor: float

    def batch(self, step: int, batch_size: int, rank: int = 0, world_size: int = 1) -> Batch:
        """Return the batch of a step."""
        found = self.source.batch(step, batch_size, rank, world_size)
        return dataclasses.replace(found, depth=self.factor * found.depth)


def rescale(checkpoint: Path, factor: float) -> tuple[dict[str, Any], DepthInfo]:
    """Return weights and metadata of a network with a factor on its metres, above 0."""
    info, weights = load(find_checkpoint(checkpoint))
    # Depth is proportional to the ratio of the focal lengths.
    fx = info.canonical_fx / factor
    info = dataclasses.replace(
        info, stage=SCALE, scale='metric', canonical_fx=fx, metrics={}, onnx_sha256=None
    )
    return weights, info


def load_network(checkpoint: Path) -> tuple[DepthInfo, nn.Module]:
    """Load a network in eval mode, in the memory layout that is fastest."""
    info, weights = load(find_checkpoint(checkpoint))
    network = build_with_weights(info, weights).eval().requires_grad_(False)
    return info, network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train_candidates(
    config: RunConfig,
    start: Path,
    data: TrainingData,
    seconds: Callable[[int], float],
    fabric: Fabric,
    test: Callable[[str, Path, float, bool], AnyTested],
) -> list[AnyTested]:
    """Train a candidate by each stage, from the best network so far; then average improved ones.

    The first candidate is the old network with the correction of the sensor; if it is improved,
    the others learn from corrected data. With a second eye it is the old network in the metres of
    this eye; if it is improved, labelled places get these sizes, too.

    The average of networks that were trained from the same one is often better than each of them
    (Wortsman et al., "Model soups", 2022), and depends less on the choice of one.

    Args:
        config: Settings of all stages.
        start: Checkpoint of the old network.
        data: What candidates learn from.
        seconds: Called before a stage with the number of stages to come; returns its duration.
        fabric: Launched fabric.
        test: Called with name and checkpoint of each candidate, the time of the monotonic clock
            when its training began, and True if it sees corrected windows; returns it with its
            verdict.

    Returns:
        The tested candidates, in their order.
    """
    best = start
    tested: list[AnyTested] = []
    improved: list[Path] = []
    if data.corrections is not None:
        tested.append(test(SENSOR, start, time.monotonic(), True))
        if tested[-1].verdict == 'improved':
            data = data.correct(data.corrections)
    if data.scaled is not None:
        tested.append(test(SCALE, data.scaled.checkpoint, time.monotonic(), data.corrected))
        if tested[-1].verdict == 'improved':
            best, data = data.scaled.checkpoint, data.resize(data.scaled.factor)
    for coming, stage in zip(range(len(config.stages), 0, -1), config.stages, strict=True):
        begin = time.monotonic()
        try:
            candidate = train_candidate(config, stage, best, data, seconds(coming), fabric)
        except NonFiniteError as error:
            # What earlier candidates brought stays.
            print(f'{config.out}: {stage.name} is left out: {error}')
            continue
        tested.append(test(stage.name, candidate, begin, data.corrected))
        if tested[-1].verdict == 'improved':
            improved.append(candidate)
        if choose(tested) is tested[-1]:
            best = candidate
    if len(improved) > 1:
        begin = time.monotonic()
        mean = average(improved, config.out / f'{AVERAGE}.safetensors')
        tested.append(test(AVERAGE, mean, begin, data.corrected))
    return tested


def average(checkpoints: Sequence[Path], out: Path) -> Path:
    """Write the mean of the weights of checkpoints of one network.

    Args:
        checkpoints: One or more; the last one's metadata are kept.
        out: The .safetensors file to write.

    Returns:
        ``out``.
    """
    networks = [load(path)[1] for path in checkpoints]
    info = load(checkpoints[-1])[0]
    weights = {
        name: np.mean([one[name] for one in networks], axis=0, dtype=np.float64).astype(
            value.dtype
        )
        for name, value in networks[-1].items()
    }
    save(out, weights, dataclasses.replace(info, stage=AVERAGE))
    return out


def train_candidate(
    config: RunConfig,
    stage: StageConfig,
    start: Path,
    data: TrainingData,
    seconds: float,
    fabric: Fabric,
) -> Path:
    """Train a candidate by one stage, or resume it where it was stopped.

    Args:
        config: Settings of all stages; the folder of this one is OUT/STAGE.
        stage: Settings of the stage; its ``steps``, where given, replace the duration.
        start: Checkpoint to start from.
        data: What it learns from.
        seconds: Duration of the training, about; a resumed one keeps its number of steps.
        fabric: Launched fabric.

    Returns:
        Checkpoint of the candidate.

    Raises:
        TrainingError: Training cannot go on, or was begun from another checkpoint, with other
            settings, or on windows of the other kind.
    """
    here = _context(config, stage, start, data.rate_hz, fabric.device)
    batches: Source[Any] = data.source
    if stage.batches.domain == 'both':
        batches = DomainPair(data.source, data.target)
    train, folder = here.config.train, here.config.folder
    make_folder(folder)
    begun = _describe_start(stage, start, data.corrected)
    steps = _plan_steps(here, begun, batches, seconds, fabric)
    work = _built(here)
    if not has_checkpoint(folder):
        work.to(fabric.device)
        size = train.batch_size
        work.begin(*((batches.batch(k, size) for k in itertools.count()) for _ in range(2)))
    fit(
        work,
        train=batches,
        validation=batches,
        config=dataclasses.replace(train, steps=steps),
        folder=folder,
        info=here.info,
        fabric=fabric,
        seed=config.seed,
    )
    return newest_model(folder)


def _context(
    config: RunConfig, stage: StageConfig, start: Path, rate_hz: float, device: torch.device
) -> Context:
    """Return what builds the networks of a stage, with the metadata of its candidate."""
    info = load(find_checkpoint(start))[0]
    model = dataclasses.replace(
        config.model,
        architecture=info.architecture,
        settings=dict(info.settings),
        bins=info.bins,
        min_depth=info.min_depth,
        max_depth=info.max_depth,
        canonical_fx=info.canonical_fx,
    )
    slowest, fastest = info.rate_hz_range
    stage = dataclasses.replace(stage, init_from=str(find_checkpoint(start)))
    return Context(
        dataclasses.replace(config.resolve(stage), model=model),
        dataclasses.replace(
            info,
            stage=stage.name,
            scale='none' if info.scale == 'none' else 'inherited',
            rate_hz_range=(min(slowest, rate_hz), max(fastest, rate_hz)),
            metrics={},
            onnx_sha256=None,
            uncertainty_calibrated=False,
        ),
        {},
        device,
    )


def _describe_start(stage: StageConfig, start: Path, corrected: bool) -> dict[str, str | bool]:
    """Return what a stage begins from, by content: paths may change until it is resumed."""
    return {
        'checkpoint': hash_file(find_checkpoint(start)),
        'sensor correction': corrected,
        'settings': hashlib.sha256(text_of(stage).encode()).hexdigest(),
    }


def _plan_steps(
    here: Context,
    begun: Mapping[str, str | bool],
    batches: Source[Any],
    seconds: float,
    fabric: Fabric,
) -> int:
    """Plan the number of steps of a stage, or read that of one which is resumed."""
    plan = here.config.folder / PLAN
    if not plan.exists() and not plan.is_symlink():
        steps = here.config.stage.steps
        if steps is None:
            timed, begin = TIMED_SHARE * seconds, time.monotonic()
            one = time_step(
                _built(here), batches, here.config.train, here.config.folder / 'timing',
                here.info, fabric, here.config.seed, timed,
            )  # fmt: skip
            left = seconds - (time.monotonic() - begin)
            steps = max(LEAST_STEPS, round(left / one))
        write_atomically(plan, json.dumps({'steps': steps, **begun}).encode())
    planned = read(plan, Plan)
    before = planned.checkpoint, planned.sensor_correction, planned.settings
    # A verdict on an earlier candidate may differ on another machine.
    if different := [name for name, old in zip(begun, before, strict=True) if old != begun[name]]:
        raise TrainingError(
            f'{plan}: the rung was begun with another {" and ".join(different)}: remove '
            f'{plan.parent} to train it anew'
        )
    return planned.steps


def _built(here: Context) -> Any:
    """Build the networks of a stage; a resumed one builds the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(here.config.seed)
        return make_stage(here)
