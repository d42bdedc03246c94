# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A stage's checkpoints: what is deployed, what training continues from, and which is newest."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spike_depth_ros.checkpoint import (
    CheckpointInfo,
    Tensors,
    remove_unfinished,
    save,
    write_atomically,
)
from spike_training.errors import TrainingError, one_line

POINTER = 'latest.json'


class Checkpoints:
    """The checkpoints in one folder; the newest is kept.

    Two files each: ``model_STEP.safetensors``, the averaged weights as the runtime reads them, and
    ``state_STEP.pt``, everything that training needs to go on. ``latest.json`` names the newest
    pair. It is written last and every file appears whole, so that it names a complete pair
    whenever the process dies.

    Args:
        folder: Made if missing.
        info: What the deployable files say of themselves.
    """

    def __init__(self, folder: Path, info: CheckpointInfo) -> None:
        self.folder = folder
        self.info = info
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, step: int, weights: Tensors, state: Mapping[str, Any]) -> None:
        """Saves a pair, points to it, and removes the one before.

        Args:
            step: Steps done.
            weights: To deploy.
            state: What :func:`torch.save` takes and a load of weights alone gives back.

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
                self._remove_others(before)  # what was written of this one takes space
            raise TrainingError(
                f'{self.folder}: the checkpoint of step {step} cannot be written '
                f'({error.strerror or one_line(error)}), {kept}: free space there and go on with '
                '--resume true'
            ) from error
        self._remove_others(pointer)

    def _remove_others(self, pointer: Mapping[str, Any]) -> None:
        for old in [*self.folder.glob('model_*.safetensors'), *self.folder.glob('state_*.pt')]:
            if old.name not in pointer.values():
                old.unlink(missing_ok=True)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The newest state with its ``step``; None where nothing was saved.

        Raises:
            TrainingError: The files are damaged.
        """
        # A process that was killed may have left what nothing points to.
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
    """Whether a stage has saved something in its folder to go on from."""
    return (folder / POINTER).exists()


def newest_model(folder: Path) -> Path:
    """The newest deployable checkpoint of a stage's folder.

    Raises:
        FileNotFoundError: The stage has saved none.
        TrainingError: What names it is damaged.
    """
    path: Path = folder / _pointer(folder)['model']
    return path


def _pointer_to(step: int) -> dict[str, Any]:
    """What ``latest.json`` holds of the pair of a step."""
    return {
        'step': step,
        'model': f'model_{step:07d}.safetensors',
        'state': f'state_{step:07d}.pt',
    }


def _pointer(folder: Path) -> dict[str, Any]:
    """Content of ``latest.json``.

    Raises:
        FileNotFoundError: There is none.
        TrainingError: It is damaged, or names other files than ours.
    """
    try:
        pointer: dict[str, Any] = json.loads((folder / POINTER).read_text(encoding='utf-8'))
        step = pointer['step']
        if not isinstance(step, int) or step < 1 or pointer != _pointer_to(step):
            raise ValueError(f'{POINTER} does not name a pair of files of one step')
    except FileNotFoundError:
        raise
    except Exception as error:  # JSON that is none, or of other types
        raise _damaged(folder, error) from error
    return pointer


def _damaged(folder: Path, error: Exception) -> TrainingError:
    return TrainingError(
        f'{folder}: its checkpoint is damaged ({one_line(error)}), start again in a new folder'
    )
