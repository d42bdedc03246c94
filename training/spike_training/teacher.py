# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Foundation model of depth, Depth Anything (Yang et al., "Depth Anything V2"), in a local folder.

The folder is as ``transformers`` stores a model. Nothing is downloaded, no code from the folder is
run, and weights are read from safetensors alone.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spike_depth_ros.base.errors import check_regular
from spike_training.errors import ConfigError, DataSetError, FrameError, one_line

if TYPE_CHECKING:
    import torch

    from spike_training.datasets.clip import Depth, Rgb

MODEL_TYPE = 'depth_anything'
"""Model that can teach, as its ``config.json`` names it."""

CONFIG, PROCESSOR, WEIGHTS = 'config.json', 'preprocessor_config.json', 'model.safetensors'

PICKLED = ('.bin', '.pt', '.pth', '.ckpt')
"""Suffixes of files of weights that can run code when they are read."""

NON_COMMERCIAL = ('-nc', 'noncommercial', 'non-commercial')
"""Parts of the names of licences that do not allow commercial use, in lower case."""


class TeacherFiles(NamedTuple):
    """A model's files, checked without reading its weights.

    Attributes:
        folder: The folder.
        licence: Licence of the weights, as their user states it.
        config: Content of ``config.json``.
        weights: Files of weights.
    """

    folder: Path
    licence: str
    config: Mapping[str, Any]
    weights: tuple[Path, ...]

    @property
    def relative(self) -> bool:
        """True if it predicts disparity up to scale and shift, False if metres."""
        return bool(self.config.get('depth_estimation_type', 'relative') == 'relative')

    @property
    def non_commercial(self) -> bool:
        """True if the licence, by its name, does not allow commercial use."""
        return any(part in self.licence.lower() for part in NON_COMMERCIAL)

    def sha256(self) -> str:
        """Hash the weights."""
        digest = hashlib.sha256()
        for path in self.weights:
            with path.open('rb') as file:
                while part := file.read(1 << 20):
                    digest.update(part)
        return digest.hexdigest()


def find_teacher(folder: Path, licence: str) -> TeacherFiles:
    """Find and check the files of a model.

    Args:
        folder: Folder with ``config.json``, ``preprocessor_config.json`` and ``*.safetensors``.
        licence: Licence of the weights: ``Apache-2.0`` of Depth Anything V2 Small,
            ``CC-BY-NC-4.0`` of Base and Large.

    Raises:
        ConfigError: There is no such folder, a file is missing, it is of another model, or the
            licence is not given.
    """
    folder = folder.expanduser()
    wanted = f'a local folder with {CONFIG}, {PROCESSOR} and model.safetensors'
    if not licence.strip() or not licence.isprintable():
        raise ConfigError(
            'licence is not given: expected that of the weights, such as Apache-2.0; it is kept '
            'with all that learns from them'
        )
    if folder == Path() or not folder.is_dir():
        raise ConfigError(
            f'teacher is {str(folder)!r}: expected {wanted}; nothing is downloaded by name'
        )
    try:
        for path in (folder / CONFIG, *folder.glob('*.safetensors')):
            check_regular(path)
        config = json.loads((folder / CONFIG).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f'teacher {folder}: {CONFIG} cannot be read ({one_line(error)}): expected {wanted}'
        ) from error
    found = config.get('model_type') if isinstance(config, dict) else None
    if found != MODEL_TYPE:
        raise ConfigError(f'teacher {folder}: model type is {found!r}, expected {MODEL_TYPE!r}')
    if not isinstance(config.get('backbone_config'), dict):
        raise ConfigError(f'teacher {folder}: {CONFIG} has no backbone_config, expected its sizes')
    if not (folder / PROCESSOR).is_file():
        raise ConfigError(f'teacher {folder}: {PROCESSOR} is missing, expected {wanted}')
    weights = tuple(sorted(folder.glob('*.safetensors')))
    if not weights:
        pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLED)
        reason = f'{pickled[0]} is pickled and can run code' if pickled else 'it has no weights'
        raise ConfigError(f'teacher {folder}: {reason}, expected model.safetensors')
    return TeacherFiles(folder, licence.strip(), config, weights)


class Teacher:
    """Model in eval mode, whose weights learn nothing.

    Args:
        files: Its files.
        device: Device on which it runs.

    Raises:
        DataSetError: The files are damaged, or the weights are not those of the config.

    Attributes:
        files: Its files.
        model: Network of ``transformers``, DepthAnythingForDepthEstimation.
        mean: Mean of the colours that it was trained on, red, green and blue, of 0 to 1.
        deviation: Their standard deviation.
    """

    def __init__(self, files: TeacherFiles, device: torch.device) -> None:
        import transformers

        self.files, self.device = files, device
        # Its reports of weights that do not fit are an error here.
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            weights = _read_weights(files)
            # By their classes, never by what the folder names: that could be code of its own.
            self.processor = transformers.DPTImageProcessor.from_pretrained(
                files.folder, local_files_only=True
            )
            config = transformers.DepthAnythingConfig.from_pretrained(
                files.folder, local_files_only=True
            )
            model, report = transformers.DepthAnythingForDepthEstimation.from_pretrained(
                None, config=config, state_dict=weights,
                output_loading_info=True, ignore_mismatched_sizes=True,
            )  # fmt: skip
            for name in ('missing_keys', 'mismatched_keys', 'unexpected_keys'):
                if report[name]:
                    first = sorted(map(str, report[name]))[0]
                    raise ValueError(
                        f'weights do not fit {CONFIG}: {name.partition("_")[0]} {first}'
                    )
            self.mean, self.deviation = (
                tuple(map(float, values))
                for values in (self.processor.image_mean, self.processor.image_std)
            )
            self.model = model.float().eval().requires_grad_(False).to(device)
            self._try()
        except Exception as error:  # of many kinds and libraries, for damaged files
            raise DataSetError(
                f'teacher {files.folder}: cannot be used: {one_line(error)}'
            ) from error

    def _try(self) -> None:
        """Predict a picture of noise."""
        finite = all(map(math.isfinite, (*self.mean, *self.deviation)))
        if {len(self.mean), len(self.deviation)} != {3} or not finite or min(self.deviation) <= 0:
            raise ValueError(
                f'{PROCESSOR}: image_mean is {list(self.mean)} and image_std '
                f'{list(self.deviation)}, expected three numbers each, the last ones above 0'
            )
        noise = np.random.default_rng(0).integers(0, 256, (140, 210, 3), np.uint8)
        if not np.isfinite(self(noise)).all():
            raise ValueError('its predictions are not finite, expected trained weights')

    def __call__(self, image: Rgb) -> Depth:
        """Predict a map for a picture.

        Args:
            image: ``[H, W, 3]`` uint8 RGB.

        Returns:
            ``[H, W]`` float32: disparity up to scale and shift, or metres; 0 and more, or NaN.

        Raises:
            FrameError: The picture is too narrow or too low for the model.
        """
        import torch

        with torch.inference_mode():
            try:
                # Stated, as a picture of 1 or 3 rows looks like one with its channels first.
                inputs = self.processor(
                    images=np.require(image, requirements='W'),
                    input_data_format='channels_last',
                    return_tensors='pt',
                ).to(self.device)
            except ValueError as error:
                height, width, _ = image.shape
                raise FrameError(
                    f'{width}x{height} pixels do not fit the model: {one_line(error)}'
                ) from error
            (found,) = self.processor.post_process_depth_estimation(
                self.model(**inputs), target_sizes=[image.shape[:2]]
            )
        # Interpolation overshoots below 0. Pictures of one row or column lose that dimension.
        values: Depth = found['predicted_depth'].float().clamp_min(0).cpu().numpy()
        return values.reshape(image.shape[:2])


def _read_weights(files: TeacherFiles) -> dict[str, torch.Tensor]:
    """Read the weights, by name; refuse more layers than they can be of."""
    from spike_depth_ros.networks.imagenet import read_safetensors

    whole = [path for path in files.weights if path.name == WEIGHTS]
    found: dict[str, torch.Tensor] = {}
    for path in whole or files.weights:
        found |= read_safetensors(path)
    layers = files.config['backbone_config'].get('num_hidden_layers', 0)
    if not isinstance(layers, int) or layers > len(found):
        raise ValueError(
            f'{CONFIG}: backbone_config.num_hidden_layers is {layers!r}, expected at most '
            f'{len(found)} for these weights'
        )
    return found
