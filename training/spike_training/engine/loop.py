# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training loop, which steps, logs, saves and resumes for all methods."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import torch
from torch import Tensor, nn

from spike_depth_ros.networks import to_channels_last
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.engine.activation_checkpointing import checkpoint_activations
from spike_training.engine.checkpoints import Checkpoints
from spike_training.engine.ema import ModelEma
from spike_training.engine.optim import (
    build_optimizers,
    learning_rates,
    lr_factor,
    set_learning_rate,
    stepped_lr_factor,
)
from spike_training.engine.record import Clock, Mean, Record
from spike_training.engine.stage import Stage
from spike_training.errors import NonFiniteError, TrainingError, one_line
from spike_training.sampling.sample import AnyBatch, Source, left_out
from spike_training.settings.config import TrainConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PICTURES = 3
"""Number of images in a picture."""

NEVER = torch.iinfo(torch.int64).max

TIMED_STEPS = 3
"""Steps by which the duration of one is measured, at least."""


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
    _prepare(stage, config, fabric.device)
    _Loop(stage, train, validation, config, Checkpoints(folder, info), fabric, seed).run()
    fabric.barrier()


def time_step(
    stage: Stage[AnyBatch],
    train: Source[AnyBatch],
    config: TrainConfig,
    folder: Path,
    info: CheckpointInfo,
    fabric: Fabric,
    seed: int,
    seconds: float,
) -> float:
    """Measure the duration of a step of :func:`fit`, with its share of the checkpoints.

    Args:
        stage: A stage like the one to train; it is of no use afterwards.
        train: As for :func:`fit`.
        config: As there.
        folder: Folder for a checkpoint, which is removed.
        info: As there.
        fabric: As there.
        seed: As there.
        seconds: Duration of the measurement, at least; so are :data:`TIMED_STEPS` steps. A source
            may prepare many batches at once, the more of which should be used.

    Returns:
        Seconds.
    """
    _prepare(stage, config, fabric.device)
    stage.before_measuring()
    shutil.rmtree(folder, ignore_errors=True)
    try:
        loop = _Loop(stage, train, train, config, Checkpoints(folder, info), fabric, seed)
        return loop.time_step(seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare(stage: Stage[AnyBatch], config: TrainConfig, device: torch.device) -> None:
    """Move a stage to its device, and its networks to the forms that the settings name."""
    stage.to(device)
    for network in stage.networks:
        to_channels_last(network)
        if config.checkpoint_activations:
            checkpoint_activations(network)
        if config.compile:
            network.compile()


@dataclasses.dataclass
class _Loop(Generic[AnyBatch]):
    """Loop over the steps of a stage, from its newest checkpoint on; see :func:`fit`."""

    stage: Stage[AnyBatch]
    train: Source[AnyBatch]
    validation: Source[AnyBatch]
    config: TrainConfig
    checkpoints: Checkpoints
    fabric: Fabric
    seed: int

    def __post_init__(self) -> None:
        stage, config, fabric = self.stage, self.config, self.fabric
        self.optimizers = build_optimizers(
            stage, stage.optimizers(), config.learning_rate, config.weight_decay, config.betas
        )
        self.ema = ModelEma(stage.deployable, config.ema_decay)
        self.start = _resume(self.checkpoints, stage, self.optimizers, self.ema, fabric.device)
        self.module, *self.wrapped = fabric.setup(
            stage, *self.optimizers.values(), move_to_device=False
        )
        self.guard = FiniteGuard(fabric.device)
        self.mean, self.clock = Mean(), Clock(fabric.device, config.prefetch > 0)
        first, last = self.start * config.accumulate, config.steps * config.accumulate
        self.batches: Generator[AnyBatch, None, None] = prefetch(
            partial(self._batch, self.train), first, last, config.prefetch
        )
        self.reported = 0  # samples whose loss has been reported
        folder, quiet = self.checkpoints.folder, not fabric.is_global_zero
        self.record = Record(folder, self.start, config.steps, config.tensorboard, quiet)

    def run(self) -> None:
        """Run all steps; log, validate, draw and save after those that the settings say."""
        config, steps = self.config, self.config.steps
        with self.record, closing(self.batches):
            self.stage.train()
            for step in range(self.start, steps):
                done = step + 1
                logs = done % config.log_every == 0
                saves = done % config.save_every == 0 or done == steps
                scalars = self._backward(step)
                # The check waits for the device; on a GPU it may find an earlier step non-finite.
                if self.fabric.device.type == 'cpu' or logs or saves:
                    self._check()
                self._update(step)
                self.mean.add(scalars)
                self.record.advance(done)
                if logs:
                    self._log(done)
                if _due(done, steps, config.validate_every):
                    self._validate(done)
                if _due(done, steps, config.picture_every) and self.fabric.is_global_zero:
                    self._draw(done)
                if saves:
                    self._save(done)

    def time_step(self, seconds: float) -> float:
        """Return the duration of a step, see the function of this name."""
        config = self.config
        with closing(self.batches):
            self.stage.train()
            begin = time.monotonic()
            for done in range(1, config.steps + 1):
                self._backward(done - 1)
                self._update(done - 1)
                if self.fabric.device.type == 'cuda':
                    torch.cuda.synchronize()
                took = time.monotonic() - begin
                if done >= TIMED_STEPS and took >= seconds:
                    break
        begin = time.monotonic()
        self._save_state(done)
        return took / done + (time.monotonic() - begin) / config.save_every

    def _numbers(self, step: int) -> range:
        """Return the numbers of the batches of a step."""
        return range(step * self.config.accumulate, (step + 1) * self.config.accumulate)

    def _batch(self, source: Source[AnyBatch], number: int) -> AnyBatch:
        """Make this process's part of a batch."""
        rank, world_size = self.fabric.global_rank, self.fabric.world_size
        return source.batch(number, self.config.batch_size, rank, world_size)

    def _backward(self, step: int) -> dict[str, Tensor]:
        """Compute the gradients of a step, clip them, and return its scalars."""
        fabric, world_size, numbers = self.fabric, self.fabric.world_size, self._numbers(step)
        outputs: list[dict[str, Tensor]] = []
        for number in numbers:
            torch.manual_seed(self.seed * 1_000_003 + number * world_size + fabric.global_rank)
            with self.clock.data():
                batch = next(self.batches)
            # Processes exchange the summed gradients once, with the last batch of the step.
            is_last = number == numbers[-1]
            with fabric.no_backward_sync(self.module, enabled=world_size > 1 and not is_last):
                output = self.module(batch, 'train')
                fabric.backward(output['loss'] / len(numbers))
            outputs.append({name: value.detach() for name, value in output.items()})
        norms: list[Tensor] = [self._clip(optimizer) for optimizer in self.wrapped]
        self.guard.note(step, [*(output['loss'] for output in outputs), *norms])
        # The batches of a step are equally large.
        means = {k: torch.stack([output[k] for output in outputs]).mean(dim=0) for k in outputs[0]}
        return {**means, 'gradient': torch.stack(norms).max()}

    def _clip(self, optimizer: Any) -> Tensor:
        """Clip the gradient of an optimiser's parameters and return its norm before that."""
        norm = self.fabric.clip_gradients(
            self.module, optimizer, max_norm=self.config.clip_norm, error_if_nonfinite=False
        )
        assert norm is not None
        return norm

    def _check(self) -> None:
        """Save the batches of the first step with a non-finite value, if any, and raise."""
        try:
            self.guard.check()
        except NonFiniteError as error:
            self.batches.close()  # its thread must not use the source meanwhile
            again = [
                self._batch(self.train, number).to('cpu') for number in self._numbers(error.step)
            ]
            saved = [dataclasses.asdict(batch) for batch in again]
            path = self.checkpoints.folder / f'non_finite_rank{self.fabric.global_rank}.pt'
            torch.save({'step': error.step, 'batches': saved}, path)
            samples = ', '.join(str(index) for batch in again for index in batch.index.tolist())
            where = f'its batch is in {path}, samples {samples}'
            raise NonFiniteError(error.step, where) from None

    def _update(self, step: int) -> None:
        """Update the weights by their gradients, and what depends on the weights."""
        config = self.config
        self.learning_rate = config.learning_rate * self._lr_factor(step)
        for name, optimizer in zip(self.optimizers, self.wrapped, strict=True):
            set_learning_rate(optimizer, self.learning_rate)
            if not self.stage.waits(name, step):
                optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.stage.after_step(step)
        self.ema.update(self.stage.deployable)

    def _lr_factor(self, step: int) -> float:
        config = self.config
        if config.drop_every is not None:
            return stepped_lr_factor(step, config.warmup_steps, config.drop_every)
        return lr_factor(step, config.steps, config.warmup_steps, config.min_lr_ratio)

    def _log(self, done: int) -> None:
        metrics = _average(self.fabric, self.mean.take())
        speed = self.clock.take(self.config.batch_size * self.fabric.world_size)
        rates = learning_rates(self.optimizers, self.learning_rate)
        self.record.scalars(done, 'train', {**metrics, **rates, **speed})

    def _validate(self, done: int) -> None:
        """Log the mean scalars of the averaged weights over the first validation batches."""
        stage, mean = self.stage, Mean()
        with self.clock.pause(), self.ema.applied(stage.deployable):
            stage.eval()
            with torch.no_grad():
                for number in range(self.config.validate_batches):
                    mean.add(stage(self._batch(self.validation, number), 'val'))
            stage.train()
            metrics = _average(self.fabric, mean.take())
            self.record.scalars(done, 'validation', metrics)
            for warning in stage.warnings(metrics):
                self.record.warning(done, warning)

    def _draw(self, done: int) -> None:
        """Record a picture of the averaged weights' outputs."""
        stage = self.stage
        with self.clock.pause(), self.ema.applied(stage.deployable), torch.no_grad():
            stage.eval()
            self.record.picture(done, stage.picture(self.validation.batch(0, PICTURES)))
            stage.train()

    def _save(self, done: int) -> None:
        """Report samples that could not be used since the last checkpoint, and save one."""
        if (damaged := left_out(self.train))[self.reported :]:
            self.reported = len(damaged)
            self.record.warning(
                done,
                f'samples that cannot be used, others stand in for them: {self.reported}, the '
                f'last one {damaged[-1]}',
            )
        self._save_state(done)

    def _save_state(self, done: int) -> None:
        if self.fabric.is_global_zero:
            with self.clock.pause():
                state = _state(self.stage, self.optimizers, self.ema)
                self.checkpoints.save(done, self.ema.averaged(self.stage.deployable), state)


def prefetch(
    make: Callable[[int], AnyBatch], start: int, stop: int, number: int
) -> Generator[AnyBatch, None, None]:
    """Yield the batches of some steps in order, up to ``number`` of them prefetched by a thread.

    Scenes are drawn on the CPU while the GPU trains. Kernels of both threads go to the device's
    default stream, so that no batch is read before it is complete. The batches are the same
    without prefetching, as each is a function of its step. Closing the generator waits for the
    thread.

    Args:
        make: Function that makes the batch of a step.
        start: The first step.
        stop: One past the last step.
        number: Number of batches in advance; 0: make each on demand, without a thread.
    """
    if number == 0:
        yield from map(make, range(start, stop))
        return
    with ThreadPoolExecutor(1, 'batches') as executor:
        waiting: deque[Future[AnyBatch]] = deque()
        try:
            for step in range(start, stop + number):
                if step < stop:
                    waiting.append(executor.submit(make, step))
                if step >= start + number:
                    yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class FiniteGuard:
    """Detector of non-finite losses and gradients without a synchronisation at each step.

    The first non-finite step is recorded on the device; only :meth:`check` waits for it. The
    batch of that step can be made again, as it is a function of the step.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), NEVER, dtype=torch.int64, device=device)

    def note(self, step: int, values: Sequence[Tensor]) -> None:
        """Record on the device whether all scalars of a step are finite."""
        finite = torch.stack([value.detach().float() for value in values]).isfinite().all()
        self._first.clamp_(max=torch.where(finite, NEVER, step))

    def check(self) -> None:
        """Check all steps recorded so far; waits for the device.

        Raises:
            NonFiniteError: A recorded value was NaN or infinite.
        """
        first = int(self._first)
        if first != NEVER:
            raise NonFiniteError(first)


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


def _average(fabric: Fabric, metrics: dict[str, float]) -> dict[str, float]:
    """Average scalars over all processes, whose batches are equally large."""
    if fabric.world_size == 1:
        return metrics
    values = fabric.all_reduce(torch.tensor([*metrics.values()]), reduce_op='mean')
    assert isinstance(values, Tensor)
    return dict(zip(metrics, values.tolist(), strict=True))


def _due(done: int, steps: int, every: int) -> bool:
    return every > 0 and (done % every == 0 or done == steps)
