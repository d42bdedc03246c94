# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Alignment of features: spikes are to give what a frozen teacher sees in colours (Sun et al.)."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.networks.depth_anything import (
    DepthAnything,
    Features,
    load_transformers,
    weights_of_transformers,
)
from spike_depth_ros.networks.registry import build
from spike_depth_ros.tasks.depth import DepthInfo
from spike_training.engine.fabric import is_first
from spike_training.engine.optim import Groups, ParameterGroup
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.errors import ConfigError
from spike_training.methods.fuse.adapters import ADAPTER, add_adapters, merge_into
from spike_training.methods.fuse.losses import disparity_loss, token_loss
from spike_training.methods.fuse.settings import AlignConfig
from spike_training.sampling.sample import Batch
from spike_training.settings.config import ModelConfig
from spike_training.teacher import Teacher

ADAPTER_LR_SCALE = 10.0
"""Learning rate of the adapters over that of the other weights, as in the code of Sun et al."""

FIRST_BATCHES = 4
"""Batches by whose disparities the scale of depth starts."""


class Align(Stage[Batch]):
    """Stage whose student sees spikes, and whose teacher sees the colours of the same scenes.

    The deployable network has no adapters: they are merged into it after each step. What the
    teacher's folder holds is not saved to resume from.

    Attributes:
        network: The deployable network.
        student: The same with adapters; it learns.
        sha256: Hash of the teacher's weights, by which a resumed training knows them, ``[32]``.
    """

    sha256: Tensor

    def __init__(
        self,
        network: DepthAnything,
        teacher: DepthAnything,
        config: AlignConfig,
        model: ModelConfig,
        sha256: str,
    ) -> None:
        """Build the stage.

        Args:
            network: Network of spikes with the teacher's weights.
            teacher: Network of RGB with them, which normalises as the teacher does.
            config: Settings.
            model: Depth range, for pictures.
            sha256: Hash of the teacher's weights.
        """
        super().__init__()
        self.network = network.requires_grad_(False)
        self.student = copy.deepcopy(network)
        add_adapters(self.student.encoder.backbone, config.rank)
        # In a tuple it is no part of the module: it is neither trained nor saved.
        self._teacher = (teacher.eval().requires_grad_(False),)
        self.config, self.model = config, model
        self.register_buffer('sha256', torch.tensor([*bytes.fromhex(sha256)], dtype=torch.uint8))
        of_teacher = {f'network.{name}' for name in weights_of_transformers(network)}
        self._not_saved = {
            name
            for name, weight in self.named_parameters()
            if name in of_teacher or (name.startswith('student.') and not weight.requires_grad)
        }
        module: Any = self  # whose hooks have no types
        module.register_state_dict_post_hook(_leave_out)
        module.register_load_state_dict_pre_hook(_put_back)
        module.register_load_state_dict_post_hook(lambda stage, _: stage.after_step(0))

    @classmethod
    def from_config(cls, config: AlignConfig, context: Context) -> Align:
        """Implement :meth:`Stage.from_config`.

        Raises:
            ConfigError: The teacher's files are missing.
            DataSetError: They are damaged.
        """
        info = context.info
        assert isinstance(info, DepthInfo)  # by the task
        network, of_rgb = build(info), build(dataclasses.replace(info, inputs=('rgb',), bins=3))
        assert isinstance(network, DepthAnything)  # checked with the config
        assert isinstance(of_rgb, DepthAnything)
        files = config.find_teacher()
        teacher = Teacher(files, torch.device('cpu'))
        for one in (network, of_rgb):
            load_transformers(one, teacher.model.state_dict())
        of_rgb.encoder.mean.copy_(torch.tensor(teacher.mean).view(3, 1, 1))
        of_rgb.encoder.deviation.copy_(torch.tensor(teacher.deviation).view(3, 1, 1))
        stage = cls(
            network, of_rgb.to(context.device), config, context.config.model, files.sha256()
        )
        if files.non_commercial and is_first():
            print(
                f'{config.name}: the licence of {files.folder} is {files.licence}: what learns '
                'from it must not be used commercially'
            )
        return stage

    @property
    def deployable(self) -> nn.Module:
        """Trained network without adapters, see :attr:`Stage.deployable`."""
        return self.network

    @property
    def networks(self) -> list[nn.Module]:
        """Networks that process images, see :attr:`Stage.networks`."""
        return [self.network, self.student, *self._teacher]

    def optimizers(self) -> Groups:
        """Implement :meth:`Stage.optimizers`; adapters have a larger learning rate."""
        learning = [(n, p) for n, p in self.student.named_parameters() if p.requires_grad]
        return {
            'main': [
                ParameterGroup(
                    params=[
                        p
                        for n, p in learning
                        if (p.ndim > 1) == decay and (ADAPTER in n) == adapters
                    ],
                    lr_scale=ADAPTER_LR_SCALE if adapters else 1.0,
                    decay=decay,
                )
                for adapters in (False, True)
                for decay in (True, False)
            ]
        }

    def begin(self, batches: Iterable[Batch], held_out: Iterable[Batch]) -> None:
        """Implement :meth:`Stage.begin`: the median disparity is a depth within the range."""
        seen = [
            self._seen_by_teacher(batch).disparity.flatten()
            for batch in itertools.islice(batches, FIRST_BATCHES)
        ]
        disparity = float(torch.cat(seen).median())
        if disparity > 0:
            for one in (self.network, self.student):
                one.depth_head.start_from(disparity)

    def forward(self, batch: Batch, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`; the averaged weights are those of the network."""
        wanted = self._seen_by_teacher(batch)
        found = _seen_by(self.student if phase == 'train' else self.network, batch)
        disparity = disparity_loss(found.disparity, wanted.disparity)
        mine, theirs = ([tap[:, 1:] for tap in one.encoded.taps] for one in (found, wanted))
        tokens = token_loss(mine, theirs, self.config.largest_cosine)
        return {
            'loss': (disparity + self.config.token_weight * tokens.loss).mean(),
            'disparity': disparity.detach().mean(),
            'tokens': tokens.loss.detach().mean(),
            'cosine': tokens.cosine.mean(),
            'counted': tokens.counted.mean(),
        }

    def after_step(self, step: int) -> None:
        """Implement :meth:`Stage.after_step`: merge the adapters."""
        merge_into(self.network.encoder.backbone, self.student.encoder.backbone)

    def picture(self, batch: Batch) -> npt.NDArray[np.uint8]:
        """Draw colours, what the network sees of the spikes, and both disparities."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        assert batch.rgb is not None
        size = batch.rgb.shape[2:]
        wanted = self._seen_by_teacher(batch).disparity
        largest = wanted.amax(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)
        found = _seen_by(self.network, batch).disparity
        maps = [F.interpolate((one / largest).clamp(max=1), size) for one in (wanted, found)]
        seen = (self.network.temporal(batch.counts, batch.planes_per_bin) + 1) / 2
        show = Panels(self.model)
        return show.sheet(
            [
                show.images(batch.rgb, 'colours'),
                show.images(seen, 'spikes as colours'),
                show.images(maps[0], 'disparity, teacher'),
                show.images(maps[1], 'disparity'),
            ]
        )

    @torch.no_grad()
    def _seen_by_teacher(self, batch: Batch) -> Features:
        assert batch.rgb is not None  # asked for by the settings
        (teacher,) = self._teacher
        planes = torch.ones(3, dtype=torch.int32, device=batch.rgb.device)
        return teacher.features(batch.rgb.contiguous(memory_format=torch.channels_last), planes)


def _seen_by(network: DepthAnything, batch: Batch) -> Features:
    counts = batch.counts.contiguous(memory_format=torch.channels_last)
    return network.features(counts, batch.planes_per_bin)


def _leave_out(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Remove what the teacher's folder holds from a state; see torch for the arguments."""
    assert isinstance(module, Align)
    for name in module._not_saved:
        del state[prefix + name]


def _put_back(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Complete a state of :func:`_leave_out` before it is loaded."""
    assert isinstance(module, Align)
    hashes = [bytes(one.tolist()).hex() for one in (module.sha256, state[f'{prefix}sha256'])]
    if hashes[0] != hashes[1]:
        raise ConfigError(
            f'teacher {module.config.teacher}: its weights are {hashes[0][:12]}, expected '
            f'{hashes[1][:12]} as at the start'
        )
    own = dict(module.named_parameters())
    state.update({prefix + name: own[name].detach() for name in module._not_saved})
