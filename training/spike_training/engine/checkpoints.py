# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a stage: deployable weights and the state to resume training from."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spike_depth_ros.base.results import remove_unfinished, write_atomically
from spike_depth_ros.checkpoint import Tensors, save
from spike_depth_ros.tasks.base import CheckpointInfo
from spike_training.errors import TrainingError, one_line

POINTER = 'latest.json'

_MAX_POINTER_BYTES = 1 << 16


class Checkpoints:
    """Checkpoints in one folder, of which the newest is kept.

    Each consists of two files: ``model_STEP.safetensors``, the averaged weights in the format of
    the runtime, and ``state_STEP.pt``, the state to resume training from. ``latest.json`` names
    the newest pair. Files are written atomically and ``latest.json`` last, so that it names a
    complete pair even if the process is killed.

    Args:
        folder: Folder of the checkpoints; created if missing.
        info: Metadata of the deployable files.
    """

    def __init__(self, folder: Path, info: CheckpointInfo) -> None:
        self.folder = folder
        self.info = info
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, weights: Tensors, state: Mapping[str, Any]) -> None:
        """Save a pair, update ``latest.json``, and remove the pair before.

        Args:
            step: Steps done.
            weights: Weights to deploy.
            state: State to resume from, of types that :func:`torch.load` accepts with
                ``weights_only=True``.

        Raises:
            TrainingError: The disk is full, or the folder cannot be written to; the pair before
                is kept.
        """
        pointer = _pointer_to(step)
        try:
            save(self.folder / pointer['model'], weights, self.info)
            content = io.BytesIO()
            torch.save({'step': step, **state}, content)
            write_atomically(self.folder / pointer['state'], content.getvalue())
            write_atomically(self.folder / POINTER, json.dumps(pointer).encode())
        except OSError as error:
            kept = 'none was saved before'
            if has_checkpoint(self.folder):
                before = _pointer(self.folder)
                kept = f'that of step {before["step"]} is kept'
                self._remove_others(before)  # free the space of partly written files
            raise TrainingError(
                f'{self.folder}: the checkpoint of step {step} cannot be written '
                f'({error.strerror or one_line(error)}), {kept}: free space there and go on with '
                '--resume true (adapt: with the same command)'
            ) from error
        self._remove_others(pointer)

    def _remove_others(self, pointer: Mapping[str, Any]) -> None:
        for old in [*self.folder.glob('model_*.safetensors'), *self.folder.glob('state_*.pt')]:
            if old.name not in pointer.values():
                old.unlink(missing_ok=True)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return the newest state with its ``step``, None where nothing was saved.

        Raises:
            TrainingError: The files are damaged.
        """
        # A process that was killed may have left files that latest.json does not name.
        remove_unfinished(self.folder)
        if not has_checkpoint(self.folder):
            return None
        pointer = _pointer(self.folder)
        self._remove_others(pointer)
        try:
            path = self.folder / pointer['state']
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
            if state['step'] != pointer['step']:
                raise ValueError(f'its step is {state["step"]!r}, expected {pointer["step"]}')
        except Exception as error:
            raise _damaged(self.folder, error) from error
        return state


def has_checkpoint(folder: Path) -> bool:
    """Return True if a stage's folder has a checkpoint to resume from."""
    return (folder / POINTER).exists()


def newest_model(folder: Path) -> Path:
    """Return the path of the newest deployable checkpoint in a stage's folder.

    Raises:
        FileNotFoundError: The stage has saved none.
        TrainingError: ``latest.json`` is damaged.
    """
    path: Path = folder / _pointer(folder)['model']
    return path


def _pointer_to(step: int) -> dict[str, Any]:
    """Return the content of ``latest.json`` for the pair of a step."""
    return {
        'step': step,
        'model': f'model_{step:07d}.safetensors',
        'state': f'state_{step:07d}.pt',
    }


def _pointer(folder: Path) -> dict[str, Any]:
    """Read ``latest.json``."""
    try:
        path = folder / POINTER
        if path.exists() and (not path.is_file() or path.stat().st_size > _MAX_POINTER_BYTES):
            raise ValueError(f'{POINTER} is no small plain file')
        pointer: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        step = pointer['step']
        if not isinstance(step, int) or step < 1 or pointer != _pointer_to(step):
            raise ValueError(f'{POINTER} does not name a pair of files of one step')
    except FileNotFoundError:
        raise
    except Exception as error:  # invalid JSON, or values of other types
        raise _damaged(folder, error) from error
    return pointer


def _damaged(folder: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f'{folder}: its checkpoint is damaged ({one_line(error)}), start again in a new folder'
    )
