# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the stages of SSML; those of a run are in ``spike_training.settings.config``.

This module does not import torch, so that help and errors of the command line appear at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spike_depth_ros.base.schema import Problems
from spike_depth_ros.base.values import Count, NotNegative, Share
from spike_training.settings.config import BatchSpec, ModelConfig, ResolvedStage, StageConfig

Label = Literal['tfi', 'tfp7', 'tfp11', 'tfp15', 'tfp19']


@dataclass
class ImageStageConfig(StageConfig):
    """Settings of all stages whose network reconstructs images from raw planes."""

    task = 'image'

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(image=True, raw_pixels=True)

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        planes, bins = here.data.planes, here.run.model.bins
        if planes != [bins]:
            yield (
                f'planes is {planes}, model.bins {bins}: expected one length, and as many '
                'bins, for the network takes single planes'
            )
        if self.input != 'spikes':
            yield f'input is {self.input}: expected spikes'
        if here.run.data.mixed_recordings:
            yield 'data.mixed_recordings is given: expected none, they have no true firing rate'
        yield from _problems_of_network(here.model)
        if here.run.evaluate.export and here.run.model.architecture != 'recon_lite':
            yield (
                f'evaluate.export is true: expected false, {here.run.model.architecture} runs in '
                'torch alone'
            )


def _problems_of_network(model: ModelConfig) -> Problems:
    """Yield the reason why a network cannot be built."""
    # Imported here: torch is needed to build it alone.
    import torch

    from spike_depth_ros.checkpoint import CheckpointError
    from spike_depth_ros.networks.registry import build
    from spike_depth_ros.tasks.image import ImageInfo

    try:
        info = ImageInfo(
            architecture=model.architecture, settings=model.settings, planes=model.bins,
            planes_range=(model.bins, model.bins), bins=model.bins, rate_hz_range=(1.0, 1.0),
            stage='none', package_version='0',
        )  # fmt: skip
        with torch.device('meta'):  # without memory
            build(info)
    except CheckpointError as error:
        yield f'model cannot be built: {error}'


def _problems_of_label(label: str, bins: int) -> Problems:
    """Yield the problem of a label that needs more planes than there are."""
    planes = 2 if label == 'tfi' else int(label.removeprefix('tfp'))
    if planes > bins:
        yield f'label is {label}: expected at most {bins} planes, model.bins'


@dataclass
class SupervisedConfig(ImageStageConfig):
    """Kind supervised: the true firing rate of generated scenes is the label."""

    implementation = 'spike_training.methods.ssml.stages:Supervised'
    summary = 'learns the true firing rate of generated scenes'

    kind: str = 'supervised'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        if here.run.data.recordings:
            yield 'data.recordings is given: expected none, they have no true firing rate'


@dataclass
class BlindSpotConfig(ImageStageConfig):
    """Kind blind_spot: a blind-spot network alone (Eq. 8)."""

    implementation = 'spike_training.methods.ssml.stages:BlindSpot'
    summary = 'learns noisy labels by a network that does not see the pixel'

    kind: str = 'blind_spot'
    label: Label = 'tfp7'
    """Noisy label: tfi, the inter-spike interval (Eq. 3), or tfpN, the mean of N planes (Eq. 2),
    around the reference plane."""

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        yield from _problems_of_label(self.label, here.run.model.bins)
        if here.run.model.architecture != 'blind_spot':
            yield (
                f'model.architecture is {here.run.model.architecture}: expected blind_spot for '
                'this kind; another network would learn the noise of its label'
            )


@dataclass
class HeldOutConfig(ImageStageConfig):
    """Kind held_out: planes that the network does not see are the label, without a blind spot."""

    implementation = 'spike_training.methods.ssml.stages:HeldOut'
    summary = 'learns the mean of planes that it does not see'

    kind: str = 'held_out'
    planes_out: Count = 7
    """Planes in the middle of the window that are cut out; their mean is the label."""

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(image=True, raw_pixels=True, held_out=self.planes_out)


@dataclass
class MutualConfig(ImageStageConfig):
    """Kind mutual: a blind-spot network and the exported network learn together (Eq. 8 to 10).

    The exported network, model.architecture, sees all pixels. It learns from the blind-spot
    network alone; the blind-spot network learns from noisy labels and from the exported one.
    """

    implementation = 'spike_training.methods.ssml.stages:Mutual'
    summary = 'learns from noisy labels, mutually with a network that does not see the pixel'

    kind: str = 'mutual'
    label: Label = 'tfp7'
    """See kind blind_spot."""
    weight: NotNegative = 0.01
    """Weight of L_mutual (lambda in Eq. 10)."""
    blind_fraction: Share = 0.15
    """Share of the steps, at the start, that train the blind-spot network alone."""
    blind_features: Count = 48
    """Channels of the first level of the blind-spot network."""

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        yield from _problems_of_label(self.label, here.run.model.bins)
        if here.run.model.architecture == 'blind_spot':
            yield (
                'model.architecture is blind_spot: expected a network that sees the pixel, such '
                'as ssml or recon_lite'
            )
