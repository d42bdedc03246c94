# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that learn from two eyes; without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import ASCENDING, Count, Fraction, NotNegative, Positive
from spike_depth_ros.checkpoint import CheckpointError, find_checkpoint, load_info
from spike_depth_ros.tasks.translation import TranslationInfo
from spike_training.learning.settings import SupervisedConfig
from spike_training.settings.config import (
    ADDED,
    BatchSpec,
    ResolvedStage,
    StageConfig,
    is_file_of_weights,
)

LOOKS = ('moments', 'histogram')
"""Values of ``translate`` of pictures that are matched without learning."""

NONE = 'none'
"""Value of ``translate`` that leaves pictures of cameras of different kinds as they are."""

Factors = Annotated[tuple[Positive, Positive], ASCENDING]


@dataclass
class MatchConfig(StageConfig):
    """Kind match: a network learns the disparity of generated pairs from both eyes."""

    implementation = 'spike_training.methods.stereo.match:Match'
    summary = 'learns the disparity of generated pairs'
    task = 'stereo'

    kind: str = 'match'
    baseline_factors: Factors = (0.7, 3.0)
    """Least and largest factor on the distance of the eyes of each style, drawn for each pair with
    a uniform logarithm: larger ones teach larger disparities."""
    volume_weight: NotNegative = 0.5
    """Weight of the cross entropy of the volume; the loss of disparities has 1."""
    uncertainty_weight: NotNegative = 0.1
    """Weight of the likelihood of the errors, which trains the uncertainty."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return ('spikes', 'right')

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(right=True, baseline_factors=self.baseline_factors)

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        if self.input != 'spikes':
            yield f'input is {self.input}: expected spikes'
        for name in ('recordings', 'mixed_recordings'):
            if getattr(here.run.data, name):
                yield f'data.{name} is given: expected none, generated scenes alone have two eyes'


DPN_LEVELS = 4
"""Levels of the disparities that ``dpn`` predicts."""


@dataclass
class PhotometricSettings:
    """Settings of the loss of pairs (Shen et al., Eq. 1 to 5).

    Eq. 2 of the paper has no weights. The defaults are those of Godard et al., "Unsupervised
    Monocular Depth Estimation with Left-Right Consistency".
    """

    alpha: Fraction = 0.85
    """Share of SSIM in Eq. 3, 0 to 1; the rest is L1."""
    smooth: NotNegative = 0.1
    """Weight of Eq. 4 at the finest level."""
    smooth_halves: bool = True
    """True: this weight halves from level to level; False: it is the same."""
    consistency: NotNegative = 1.0
    """Weight of Eq. 5."""
    printed: bool = False
    """True: Eq. 5 as it is printed, which compares a disparity with another one of the same eye;
    False: with that of the other eye."""
    levels: Count = 4
    """Levels, each of half the size of the one before, 1 or more."""
    mask: NotNegative = 1.5
    """Disagreement of the eyes from which a pixel is taken as occluded and does not count in Eq.
    3, pixels of the finest level; 0: all count. In Eq. 5 it counts, or it could never come to
    agree."""


@dataclass
class PhotometricConfig(SupervisedConfig):
    """Kind photometric: depth from pairs without labels, in metres by the distance of the eyes.

    Depth of the left eye makes its picture from the right one's, and the reverse; what differs is
    the loss. No depth of the pairs is read. A network that starts from weights keeps its
    batch-norm statistics.
    """

    implementation = 'spike_training.methods.stereo.photometric:Photometric'
    summary = 'learns depth in metres from pairs of eyes without labels'
    may_take_rgb = True

    kind: str = 'photometric'
    si_lambda: Fraction = 1.0
    right: Literal['siamese', 'predicted'] = 'siamese'
    """Disparity of the right eye: siamese, of the same network for the right picture; or
    predicted, the second disparity that dpn predicts from the left one."""
    picture: Literal['rate', 'short'] = 'rate'
    """Compared pictures of spikes: rate, the firing rates of the window; or short, those of its
    middle ninth, with more noise and less blur."""
    source_weight: NotNegative = 0.0
    """Weight of the losses on labelled scenes of data, beside pairs of target: the shape of depth
    is learnt from them, its metres from the pairs. 0: pairs of data alone."""
    baseline_factors: Factors = (1.0, 1.0)
    """Least and largest factor on the distance of the eyes of generated pairs, drawn for each with
    a uniform logarithm."""
    other_band: bool = field(default=False, metadata=ADDED)
    """True: the right eye of generated pairs is a spike camera of another band of light, whose
    firing rates are its picture; the left one sees colours."""
    translate: str | None = field(default=None, metadata=ADDED)
    """What gives the picture of one eye the look of the other before both are seen and compared:
    name of an earlier stage that trains a translator (kinds cycle and paired of method translate),
    a .safetensors file of one, or moments or histogram, which are matched without learning; none:
    nothing, also where recordings say that the cameras differ; null: nothing, and such recordings
    are refused."""
    translated_eye: Literal['right', 'left'] = field(default='right', metadata=ADDED)
    """Eye whose picture that is."""
    light: Fraction = 0.5
    """Share of the pairs whose light the network sees changed, in both eyes alike: contrast and
    brightness of colours; the brightness of spikes."""
    photometric: PhotometricSettings = field(default_factory=PhotometricSettings)
    """Loss of pairs."""

    @property
    def translator(self) -> str | None:
        """Stage or file of the translator; None: nothing learnt translates."""
        return None if self.translate in (None, NONE, *LOOKS) else self.translate

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Earlier stages, that of the translator included; see :attr:`StageConfig.builds_on`."""
        return (*([] if self.translator is None else [self.translator]), *super().builds_on)

    @property
    def keeps_statistics(self) -> bool:
        """True if the network keeps its batch-norm statistics, as it starts from weights."""
        return self.init_from not in ('scratch', 'imagenet')

    @property
    def batches(self) -> BatchSpec:
        """Pairs of the source; or of the target, beside labelled scenes of the source."""
        return BatchSpec(
            'both' if self.source_weight else 'source',
            rgb=self.input == 'rgb',
            spikes=self.input == 'spikes' or self.other_band,
            right=True,
            right_band=self.other_band,
            mixed_pairs=self.translate is not None,
            baseline_factors=self.baseline_factors,
            mirrored=True,
        )

    @property
    def smallest_side(self) -> int:
        """Least rows and columns: SSIM takes 3x3 pixels of the coarsest level."""
        return 3 << max(0, self.photometric.levels - 1)

    @across()
    def _labelled_spikes(self) -> Problems:
        if self.source_weight and self.input != 'spikes':
            yield f'source_weight is {self.source_weight:g}: expected 0 in a stage of rgb'

    @across()
    def _pictures(self) -> Problems:
        for name in ('other_band', 'translate'):
            if getattr(self, name) and self.input != 'rgb':
                yield f'{name} is given: expected input rgb, which it is of'

    def _problems_of_translator(self, before: Sequence[ResolvedStage]) -> Problems:
        if (name := self.translator) is None:
            return
        tasks = {one.stage.name: one.stage.task for one in before}
        expected = f'a stage or file of a translator, {", ".join(LOOKS)} or {NONE}'
        if is_file_of_weights(name):
            try:
                load_info(find_checkpoint(name), TranslationInfo)
            except (CheckpointError, OSError) as error:
                yield f'translate is {name!r}: {error}: expected {expected}'
        elif tasks.get(name) != 'translation':
            of = f', of the task {tasks[name]}' if name in tasks else ''
            yield f'translate is {name!r}{of}: expected {expected}'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        yield from self._problems_of_translator(before)
        if self.other_band and here.run.data.recordings:
            yield 'other_band is true: expected false, data.recordings are as they are'
        if self.right == 'predicted' and here.run.model.architecture != 'dpn':
            yield (
                "right is 'predicted': expected siamese, as model.architecture "
                f'{here.run.model.architecture} predicts the disparity of one eye'
            )
        if self.right == 'predicted' and self.photometric.levels > DPN_LEVELS:
            yield (
                f'photometric.levels is {self.photometric.levels}: expected at most {DPN_LEVELS}, '
                'which dpn predicts'
            )
        size = self.image_size(here.data)
        if min(size) < self.smallest_side:
            yield (
                f'photometric.levels is {self.photometric.levels}: expected fewer, or images of '
                f'{self.smallest_side} rows and columns or more, they have {size[0]} and {size[1]}'
            )
        if here.run.data.mixed_recordings and not self.source_weight:
            yield 'data.mixed_recordings is given: expected none, its views have one eye'
