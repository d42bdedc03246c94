# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training loop, which steps, logs, saves and resumes for all methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import CheckpointInfo
from spike_training.engine.activation_checkpointing import checkpoint_activations
from spike_training.engine.checkpoints import Checkpoints
from spike_training.engine.ema import ModelEma
from spike_training.engine.guard import FiniteGuard
from spike_training.engine.optim import (
    build_optimizers,
    learning_rate_share,
    learning_rates,
    set_learning_rate,
)
from spike_training.engine.record import Clock, Mean, Record
from spike_training.engine.sources import prefetch
from spike_training.engine.stage import Source, Stage, left_out
from spike_training.errors import NonFiniteError, TrainingError, one_line
from spike_training.sampling.sample import AnyBatch
from spike_training.settings.config import TrainConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PICTURES = 3
"""Number of images in a picture."""


class ProcessRank(TypedDict):
    """Rank of this process and number of processes."""

    rank: int
    world_size: int


def fit(
    stage: Stage[AnyBatch],
    train: Source[AnyBatch],
    validation: Source[AnyBatch],
    config: TrainConfig,
    folder: Path,
    info: CheckpointInfo,
    fabric: Fabric,
    seed: int,
) -> None:
    """Train a stage, starting from its newest checkpoint if it has one.

    Batch, learning rate and random seed are functions of the step. A training that was killed and
    resumed therefore gives the same weights as an uninterrupted one: bit for bit on a CPU with the
    same number of threads.

    Args:
        stage: Stage to train.
        train: Source of training batches.
        validation: Source of batches for the validation loss, which is only logged.
        config: Settings of the loop.
        folder: Folder of checkpoints and records.
        info: Metadata of the deployable checkpoints.
        fabric: Fabric, already launched.
        seed: Seed of the random numbers that the stage draws.

    Raises:
        NonFiniteError: A loss or gradient was NaN or infinite; the message names the file with
            the batch.
        TrainingError: The newest checkpoint is damaged, or of another network.
    """
    stage.to(fabric.device)
    for network in stage.networks:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.checkpoint_activations:
            checkpoint_activations(network)
        if config.compile:
            network.compile()
    optimizers = build_optimizers(
        stage, stage.optimizers(), config.learning_rate, config.weight_decay, config.betas
    )
    ema = ModelEma(stage.deployable, config.ema_decay)
    checkpoints = Checkpoints(folder, info)
    start = _resume(checkpoints, stage, optimizers, ema, fabric.device)
    module, *wrapped = fabric.setup(stage, *optimizers.values(), move_to_device=False)
    guard = FiniteGuard(fabric.device)
    mean, clock = Mean(), Clock(fabric.device, config.prefetch > 0)
    steps, several, told = config.steps, config.accumulate, 0
    place = ProcessRank(rank=fabric.global_rank, world_size=fabric.world_size)

    def make(number: int) -> AnyBatch:
        return train.batch(number, config.batch_size, **place)

    record = Record(folder, start, steps, config.tensorboard, quiet=not fabric.is_global_zero)
    with record:
        stage.train()
        batches = prefetch(make, start * several, steps * several, config.prefetch)
        for step in range(start, steps):
            done = step + 1
            rate = config.learning_rate * learning_rate_share(
                step, steps, config.warmup_steps, config.min_lr_ratio
            )

            found: list[dict[str, Tensor]] = []
            for number in range(step * several, done * several):
                torch.manual_seed(
                    seed * 1_000_003 + number * fabric.world_size + fabric.global_rank
                )
                with clock.data():
                    batch = next(batches)
                # Processes exchange the summed gradients once, with the last batch of the step.
                waits = fabric.world_size > 1 and number + 1 < done * several
                with fabric.no_backward_sync(module, enabled=waits):
                    parts = module(batch, 'train')
                    fabric.backward(parts['loss'] / several)
                found.append({name: value.detach() for name, value in parts.items()})
            norms: list[Tensor] = [
                _clip(fabric, module, optimizer, config.clip_norm) for optimizer in wrapped
            ]

            guard.note(step, [*(parts['loss'] for parts in found), *norms])
            logs = done % config.log_every == 0
            saves = done % config.save_every == 0 or done == steps
            # The check waits for the device; on a GPU it may find an earlier step non-finite.
            if fabric.device.type == 'cpu' or logs or saves:
                path = folder / f'non_finite_rank{fabric.global_rank}.pt'
                _check(guard, batches, make, several, path)

            for name, optimizer in zip(optimizers, wrapped, strict=True):
                set_learning_rate(optimizer, rate)
                if not stage.waits(name, step):
                    optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            stage.after_step(step)
            ema.update(stage.deployable)
            mean.add({**_means(found), 'gradient': torch.stack(norms).max()})

            record.advance(done)
            if logs:
                metrics = _average(fabric, mean.take())
                speed = clock.take(config.batch_size * fabric.world_size)
                rates = learning_rates(optimizers, rate)
                record.scalars(done, 'train', {**metrics, **rates, **speed})
            if _due(done, steps, config.validate_every):
                with clock.pause(), ema.applied(stage.deployable):
                    metrics = _validate(stage, validation, config, place)
                    metrics = _average(fabric, metrics)
                    record.scalars(done, 'validation', metrics)
                    for warning in stage.warnings(metrics):
                        record.warning(done, warning)
            if _due(done, steps, config.picture_every) and fabric.is_global_zero:
                with clock.pause(), ema.applied(stage.deployable), torch.no_grad():
                    stage.eval()
                    record.picture(done, stage.picture(validation.batch(0, PICTURES)))
                    stage.train()
            if saves and (damaged := left_out(train))[told:]:
                told = len(damaged)
                record.warning(
                    done,
                    f'samples that cannot be used, others stand in for them: {told}, the last '
                    f'one {damaged[-1]}',
                )
            if saves and fabric.is_global_zero:
                with clock.pause():
                    state = _state(stage, optimizers, ema)
                    checkpoints.save(done, ema.averaged(stage.deployable), state)
    fabric.barrier()


def _resume(
    checkpoints: Checkpoints,
    stage: nn.Module,
    optimizers: Mapping[str, torch.optim.Optimizer],
    ema: ModelEma,
    device: torch.device,
) -> int:
    """Load the newest checkpoint, if there is one, and return the number of steps done."""
    state = checkpoints.load(device)
    if state is None:
        return 0
    try:
        stage.load_state_dict(state['stage'])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(state['optimizers'][name])
        ema.load_state_dict(state['ema'])
    except Exception as error:  # torch raises many kinds on states of other types
        raise TrainingError(
            f'{checkpoints.folder}: its checkpoint is of another network or stage '
            f'({one_line(error)}), train into a new folder'
        ) from error
    return int(state['step'])


def _state(
    stage: nn.Module, optimizers: Mapping[str, torch.optim.Optimizer], ema: ModelEma
) -> dict[str, Any]:
    """Return the state for :func:`_resume`; the loop seeds generators at every step."""
    return {
        'stage': stage.state_dict(),
        'optimizers': {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
        'ema': ema.state_dict(),
    }


def _clip(fabric: Fabric, module: Any, optimizer: Any, norm: float) -> Tensor:
    """Clip the gradient of an optimiser's parameters and return its norm before that."""
    before = fabric.clip_gradients(module, optimizer, max_norm=norm, error_if_nonfinite=False)
    assert before is not None
    return before


def _check(
    guard: FiniteGuard,
    batches: Generator[AnyBatch, None, None],
    make: Callable[[int], AnyBatch],
    several: int,
    path: Path,
) -> None:
    """Save the batches of the first step with a non-finite value, if any, and raise."""
    try:
        guard.check()
    except NonFiniteError as error:
        batches.close()  # its thread must not use the source while the batches are made again
        numbers = range(error.step * several, (error.step + 1) * several)
        again = [make(number).to('cpu') for number in numbers]
        saved = [dataclasses.asdict(batch) for batch in again]
        torch.save({'step': error.step, 'batches': saved}, path)
        samples = ', '.join(str(index) for batch in again for index in batch.index.tolist())
        raise NonFiniteError(error.step, f'its batch is in {path}, samples {samples}') from None


def _means(found: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean scalars of a step's batches, which are equally large."""
    return {name: torch.stack([parts[name] for parts in found]).mean(dim=0) for name in found[0]}


def _validate(
    stage: Stage[AnyBatch], source: Source[AnyBatch], config: TrainConfig, place: ProcessRank
) -> dict[str, float]:
    """Return the means of a stage's scalars, in float32, over the first batches of a source."""
    mean = Mean()
    stage.eval()
    with torch.no_grad():
        for step in range(config.validate_batches):
            mean.add(stage(source.batch(step, config.batch_size, **place), 'val'))
    stage.train()
    return mean.take()


def _average(fabric: Fabric, metrics: dict[str, float]) -> dict[str, float]:
    """Average scalars over all processes, whose batches are equally large."""
    if fabric.world_size == 1:
        return metrics
    values = fabric.all_reduce(torch.tensor([*metrics.values()]), reduce_op='mean')
    assert isinstance(values, Tensor)
    return dict(zip(metrics, values.tolist(), strict=True))


def _due(done: int, steps: int, every: int) -> bool:
    return every > 0 and (done % every == 0 or done == steps)
