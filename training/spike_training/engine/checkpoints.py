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

from spike_depth_ros.checkpoint import CheckpointInfo, Tensors, save, write_atomically
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
        """
        model, training = f'model_{step:07d}.safetensors', f'state_{step:07d}.pt'
        save(self.folder / model, weights, self.info)
        content = io.BytesIO()
        torch.save({'step': step, **state}, content)
        write_atomically(self.folder / training, content.getvalue())
        pointer = {'step': step, 'model': model, 'state': training}
        write_atomically(self.folder / POINTER, json.dumps(pointer).encode())
        for old in [*self.folder.glob('model_*.safetensors'), *self.folder.glob('state_*.pt')]:
            if old.name not in (model, training):
                old.unlink()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The newest state with its ``step``; None where nothing was saved.

        Raises:
            TrainingError: The files are damaged.
        """
        if not has_checkpoint(self.folder):
            return None
        try:
            path = self.folder / _pointer(self.folder)['state']
            state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:
            raise TrainingError(
                f'{self.folder}: its checkpoint is damaged ({one_line(error)}), '
                'start again in a new folder'
            ) from error
        return state


def has_checkpoint(folder: Path) -> bool:
    """Whether a stage has saved something in its folder to go on from."""
    return (folder / POINTER).exists()


def newest_model(folder: Path) -> Path:
    """The newest deployable checkpoint of a stage's folder.

    Raises:
        FileNotFoundError: The stage has saved none.
    """
    path: Path = folder / _pointer(folder)['model']
    return path


def _pointer(folder: Path) -> dict[str, Any]:
    pointer: dict[str, Any] = json.loads((folder / POINTER).read_text(encoding='utf-8'))
    return pointer
