# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Training on pairs of eyes without labels (Shen et al., sections 3.3 and 3.4)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.checkpoint import load
from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_depth_ros.networks.dpn import Dpn
from spike_depth_ros.networks.registry import build_with_weights
from spike_depth_ros.networks.temporal import MIN_RATE, central_bin_weights
from spike_depth_ros.stereo import EYES
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.engine.optim import Groups
from spike_training.engine.stage import Context, Phase, Stage
from spike_training.evaluation.looks import LOOKS
from spike_training.evaluation.predictors import predict
from spike_training.evaluation.rates import LEVEL, picture
from spike_training.evaluation.statistics import batch_norms
from spike_training.learning.backbone import freeze
from spike_training.learning.supervision import Supervision, network_groups
from spike_training.methods.stereo.augmentation import change_light
from spike_training.methods.stereo.photometric_loss import disagreements, photometric_loss
from spike_training.methods.stereo.settings import PhotometricConfig
from spike_training.methods.stereo.warp import disparity_of, disparity_pyramid, left_from_right
from spike_training.sampling.sample import Batch, Pair, Unlabelled, View
from spike_training.settings.config import ModelConfig

PARTS = {'rate': 1.0, 'short': 1 / 9}
"""Middle part of the window whose rates are compared, by the setting ``picture``."""

LEAST_COUNTED = 0.1
"""Share of the pixels that must count in the comparison of the eyes; below, a warning is given."""

MATCHED_BATCHES = 16
"""Batches whose pictures a look is matched on, where nothing learns it."""

LEAST_PX = 1.0
"""Median disparity below which a warning is given, pixels: metres are hardly measured."""


class Eyes(NamedTuple):
    """Inputs of both eyes.

    Attributes:
        images: Counts, or colours from 0 to 1: ``[B, 2, C, H, W]``, the left eye first.
        planes_per_bin: Planes of each bin, ``[C]``; ones for colours.
        baseline_m: Distance of the eyes, ``[B]`` metres.
        colours: True if the images are colours, False if they are counts.
    """

    images: Tensor
    planes_per_bin: Tensor
    baseline_m: Tensor
    colours: bool = False


class Disparities(NamedTuple):
    """Disparities of both eyes.

    Attributes:
        of_left: Of the left eye, at each level, the finest first: ``[B, 1, h, w]`` pixels of it.
        of_right: Of the right eye.
        uncertainty: Predicted relative error of the depth of both eyes, ``[2, B, 1, H, W]``; None:
            the network does not learn it.
    """

    of_left: list[Tensor]
    of_right: list[Tensor]
    uncertainty: Tensor | None


class Photometric(Stage[Any]):
    """Stage with the loss of pairs, and that of labelled scenes where these are wanted.

    The depth of pairs is not read. The uncertainty learns how far the eyes disagree, over the
    disparity.
    """

    def __init__(
        self,
        network: SpikeDepthNet,
        config: PhotometricConfig,
        model: ModelConfig,
        translator: nn.Module | None = None,
    ) -> None:
        """Build the stage.

        Args:
            network: Network of depth.
            config: Settings.
            model: Depth range and canonical focal length.
            translator: Trained module from pictures to pictures; None: there is none, or it is
                matched in :meth:`begin`.
        """
        super().__init__()
        self.network = network
        self.config = config
        # In a tuple it is no part of the module: it is neither trained nor saved.
        self._translator = () if translator is None else (translator.eval().requires_grad_(False),)
        self.look: nn.Module | None = None
        if config.translate in LOOKS:
            grey = torch.linspace(0, 1, 2).view(1, 1, 1, 2).expand(1, 3, 1, 2)
            self.look = LOOKS[config.translate](grey, grey)
        self.supervision = Supervision(config, model)
        self.model = model
        self.train()

    @classmethod
    def from_config(cls, config: PhotometricConfig, context: Context) -> Photometric:
        """Implement :meth:`Stage.from_config`."""
        network, translator = context.init_model(SpikeDepthNet), None
        if config.translator is not None:
            path = context.checkpoint_of(config.translator)
            if path is not None:  # else a dry run
                translator = build_with_weights(*load(path, TranslationInfo)).to(context.device)
        return cls(network, config, context.config.model, translator)

    def train(self, mode: bool = True) -> Photometric:
        """Set the mode of the module; keep frozen parts, and kept statistics, in eval mode."""
        super().train(mode)
        freeze(self.network, self.config)
        if self.config.keeps_statistics:
            for layer in batch_norms(self.network):
                layer.eval()
        return self

    @property
    def deployable(self) -> nn.Module:
        """Trained network, see :attr:`Stage.deployable`."""
        return self.network

    def optimizers(self) -> Groups:
        """Implement :meth:`Stage.optimizers`."""
        return {'main': network_groups(self.network, self.config)}

    def begin(self, batches: Iterable[Batch | Pair], held_out: Iterable[Batch | Pair]) -> None:
        """Implement :meth:`Stage.begin`: match the look of an eye where nothing learnt does."""
        if self.look is None:
            return
        assert self.config.translate is not None
        seen = [self._seen(batch).images for batch in itertools.islice(batches, MATCHED_BATCHES)]
        pictures = torch.cat(seen)
        own = EYES.index(self.config.translated_eye)
        matched = LOOKS[self.config.translate](pictures[:, 1 - own], pictures[:, own])
        self.look = matched.to(pictures.device)

    def forward(self, batch: Batch | Pair, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`."""
        eyes = self.eyes(batch)
        # Compared as they are: spikes that are dropped leave noise.
        left, right = pictures_of(eyes, self.config.picture)
        if phase == 'train' and self.config.light:
            chosen = torch.rand(len(eyes.images), device=eyes.images.device) < self.config.light
            eyes = eyes._replace(images=change_light(eyes.images, eyes.colours, chosen))
        found = self.disparities(eyes)
        terms = photometric_loss(
            left, right, found.of_left, found.of_right, self.config.photometric
        )
        loss = terms.total.mean()
        scalars = {
            'appearance': terms.appearance.mean(),
            'smoothness': terms.smoothness.mean(),
            'consistency': terms.consistency.mean(),
            'counted': terms.counted.mean(),
            'disparity_px': found.of_left[0].flatten(1).nanmedian(dim=1).values.mean(),
        }
        if found.uncertainty is not None:
            scalars['unc'] = uncertainty_loss(found)
            loss = loss + self.config.uncertainty_weight * scalars['unc']
        if isinstance(batch, Pair):
            sup, unc, error = self.supervision(
                predict(self.network, batch.source, 'spikes'), batch.source
            )
            labelled = sup + self.config.uncertainty_weight * unc
            loss = loss + self.config.source_weight * labelled
            scalars |= {'sup': sup, 'error': error}
        return {'loss': loss, **{name: value.detach() for name, value in scalars.items()}}

    def eyes(self, batch: Batch | Pair) -> Eyes:
        """Return what both eyes see, one of them translated where the settings say so."""
        eyes = self._seen(batch)
        translator = self.look or next(iter(self._translator), None)
        if translator is None:
            return eyes
        images, own = eyes.images.clone(), EYES.index(self.config.translated_eye)
        with torch.no_grad():
            images[:, own] = translator(images[:, own])
        return eyes._replace(images=images)

    def _seen(self, batch: Batch | Pair) -> Eyes:
        return eyes_of(batch.target if isinstance(batch, Pair) else batch, self.config.other_band)

    def disparities(self, eyes: Eyes) -> Disparities:
        """Return the disparities of both eyes, by the network for both or for the left one."""
        levels = self.config.photometric.levels
        if self.config.right == 'predicted':
            assert isinstance(self.network, Dpn)  # checked with the config
            factor = (eyes.baseline_m / self.network.baseline_m)[:, None, None, None]
            both = self.network.disparities(eyes.images[:, 0], eyes.planes_per_bin)
            split = [(factor * one).chunk(2, dim=1) for one in both[:levels]]
            return Disparities([one[0] for one in split], [one[1] for one in split], None)
        images = eyes.images.transpose(0, 1).flatten(0, 1)  # all left ones, then all right ones
        output: DepthOutput = self.network(
            images.contiguous(memory_format=torch.channels_last), eyes.planes_per_bin
        )
        disparity = disparity_of(
            output.depth.float(), eyes.baseline_m.repeat(2), self.model.canonical_fx
        )
        of_left, of_right = (disparity_pyramid(one, levels) for one in disparity.chunk(2))
        return Disparities(of_left, of_right, torch.stack(output.uncertainty.chunk(2)))

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Implement :meth:`Stage.warnings`."""
        found = []
        if (counted := metrics.get('counted', 1.0)) < LEAST_COUNTED:
            found.append(
                f'{counted:.0%} of the pixels count in the comparison of the eyes: expected '
                f'{LEAST_COUNTED:.0%} or more; check the baseline and the calibration'
            )
        if (pixels := metrics.get('disparity_px', LEAST_PX)) < LEAST_PX:
            found.append(
                f'the median disparity is {pixels:.2f} pixels: expected {LEAST_PX:g} or more; '
                'metres need a longer baseline, or nearer places'
            )
        return found

    def picture(self, batch: Batch | Pair) -> npt.NDArray[np.uint8]:
        """Draw both eyes, the left one made from the right one, depth and uncertainty."""
        # Imported here because it needs OpenCV, which training without pictures does not need.
        from spike_training.learning.panels import Panels

        eyes = self.eyes(batch)
        left, right = pictures_of(eyes, self.config.picture)
        found = self.disparities(eyes)
        warped = left_from_right(right, found.of_left[0]).picture
        images = eyes.images[:, 0].contiguous(memory_format=torch.channels_last)
        output = self.network(images, eyes.planes_per_bin)
        show = Panels(self.model)
        return show.sheet(
            [
                show.images(left, 'left'),
                show.images(right, 'right'),
                show.images(warped, 'left, made of right'),
                show.depth(output.depth, 'depth'),
                show.uncertainty(output.uncertainty, 'uncertainty'),
            ]
        )


def eyes_of(batch: Batch | Unlabelled, right_spikes: bool = False) -> Eyes:
    """Return the inputs of both eyes: colours where the batch has them, else counts.

    Args:
        batch: Pairs.
        right_spikes: True if the right eye sees no colours: its picture is that of its firing
            rates.
    """
    assert batch.right is not None  # asked for by the settings
    assert batch.baseline_m is not None
    if isinstance(batch, Batch) and batch.rgb is not None:
        assert isinstance(batch.right, View)
        right_picture = batch.right.rgb
        if right_spikes:
            right_picture = picture(batch.right.counts, batch.planes_per_bin)
        assert right_picture is not None
        images = torch.stack([batch.rgb, right_picture], dim=1)
        ones = torch.ones(3, dtype=torch.int32, device=images.device)
        return Eyes(images, ones, batch.baseline_m, colours=True)
    right = batch.right.counts if isinstance(batch.right, View) else batch.right
    return Eyes(torch.stack([batch.counts, right], dim=1), batch.planes_per_bin, batch.baseline_m)


def pictures_of(eyes: Eyes, part: str) -> tuple[Tensor, Tensor]:
    """Return the pictures of both eyes that are compared, 0 to 1.

    Colours are compared as they are. Firing rates are exposed and gamma encoded as pictures are,
    with one gain for both eyes: a gain of each would hide what one of them sees alone.

    Args:
        eyes: Inputs of both eyes.
        part: Key of :data:`PARTS`.

    Returns:
        ``[B, C, H, W]`` each, C being 3 of colours and 1 of rates.
    """
    images = eyes.images.float()
    if eyes.colours:
        return images[:, 0], images[:, 1]
    weights = central_bin_weights(len(eyes.planes_per_bin), (PARTS[part],))[0].to(images.device)
    # No product of matrices, which would be rounded to bfloat16 in mixed precision.
    rates = (images * (weights / eyes.planes_per_bin)[:, None, None]).sum(dim=2)
    mean = rates.mean(dim=(1, 2, 3), keepdim=True).clamp_min(MIN_RATE)
    brightness = (LEVEL * rates / mean).clamp(max=1).sqrt()
    return brightness[:, :1], brightness[:, 1:]


def uncertainty_loss(found: Disparities) -> Tensor:
    """Compute the L1 loss of the predicted relative error, whose label is the disagreement.

    The disagreement over the disparity is clipped to 0..1 and has no gradient; what the other eye
    does not see does not count. As BiCross (Liu et al., below Eq. 2), with another label.

    Args:
        found: Disparities with uncertainty.

    Returns:
        Scalar, 0 or more.
    """
    assert found.uncertainty is not None
    fine = found.of_left[0].detach(), found.of_right[0].detach()
    apart = torch.stack(disagreements(*fine))
    label = (apart / torch.stack(fine)).clamp(0, 1)
    known = label.isfinite()
    error = torch.where(known, found.uncertainty - torch.where(known, label, 0.0), 0.0).abs()
    return error.sum() / known.sum().clamp_min(1)
