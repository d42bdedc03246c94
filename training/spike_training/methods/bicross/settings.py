# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the stages of BiCross; those of a run are in ``spike_training.settings.config``.

This module does not import torch, so that help and errors of the command line appear at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import (
    ASCENDING,
    Count,
    Fraction,
    NotNegative,
    Number,
    Positive,
    Share,
    at_least,
)
from spike_training.learning.settings import SupervisedConfig
from spike_training.settings.config import (
    ADDED,
    BatchSpec,
    ResolvedStage,
)


@dataclass
class DistilConfig:
    """Coarse-to-fine knowledge distillation, CFKD (Liu et al., BiCross, Eq. 3 and 7)."""

    weight: NotNegative = 0.1
    """Weight of L_CFKD in Eq. 7."""
    coarse: bool = True
    """Distil global vectors of the encoder (CKD)."""
    fine: Literal['off', 'mse', 'paper_exact'] = 'mse'
    """Distillation of the decoder's features (FKD): off; mse, the mean over selected positions and
    channels; or paper_exact, the sum of Eq. 3 over the positions of the map."""
    projection: Literal['depth', 'joint'] = 'depth'
    """Training of the MLP before the coarse loss: depth, to predict an image's distribution of
    depth from the teacher's features; or joint, on the coarse loss itself, which it can also lower
    by removing the differences between images."""
    filter: bool | Literal['random'] = True
    """Distil only positions where RGB is confident and spikes are not; or random, as many
    positions of each image, drawn."""
    rgb_threshold: NotNegative | None = None
    """Predicted relative error up to which RGB is confident; null: rgb_quantile."""
    rgb_quantile: Fraction = 0.5
    """Share of each image's positions where RGB is confident."""
    spike_threshold: NotNegative | None = None
    """Predicted relative error up to which spikes are confident; null: spike_quantile."""
    spike_quantile: Fraction = 0.5
    """Share of each image's positions where spikes are confident."""


COMPARED = ('pool', 'dim', 'features', 'features2')
"""Settings of a network that teacher and student share, as their features are compared."""


@dataclass
class ViewConfig:
    """Strong views of a window of spikes: limits of their random changes.

    The changes are drawn for each image, between none and these limits. The weak view is the
    unchanged window.
    """

    flip: bool = True
    """Mirror half of the target's images, before both views."""
    gain: Annotated[float, at_least(1)] = 1.6
    """Largest factor on the firing rate; its inverse is the smallest."""
    gamma: Annotated[float, at_least(1)] = 1.5
    """Largest exponent of the brightness; its inverse is the smallest."""
    vignette: Share = 0.4
    """Share of the light that the darkest side of an image may lose."""
    mismatch: NotNegative = 0.1
    """Largest standard deviation of the pixels' response."""
    dark: NotNegative = 0.01
    """Largest mean rate of dark spikes, spikes per plane."""
    hot: Share = 0.0
    """Largest share of hot pixels, which fire in up to every plane."""
    drop: Share = 0.2
    """Largest share of planes that are lost, in half of the images."""
    drop_bins: Share = 0.05
    """Share of bins that are lost entirely, in these images."""


@dataclass
class FitConfig:
    """Fit of the view of the source to the target, for source_views: matched."""

    windows: Annotated[int, at_least(24)] = 96
    """Windows of the source that are seen through each trial."""
    target_windows: Annotated[int, at_least(24)] = 320
    """Windows of the target, at most."""
    trials: Count = 500
    """Trials of each restart."""
    restarts: Count = 3
    """Searches from different beginnings."""
    spread: NotNegative = 1.0
    """Factor on the deviations of each window's draw around the fitted view."""
    least_explained: Share = 0.5
    """Share of the distance between source and target that the view must explain, or the network
    that the stage began with is exported."""
    near: NotNegative = 1.0
    """Distance below which it need not: two samples of the source have one of about 1."""
    far: NotNegative = 3.0
    """Distance above which the network that the stage began with is exported in any case."""


@dataclass
class AdaptConfig:
    """Self-correcting teacher and student, SCTS (Liu et al., BiCross, Eq. 4, 5, 6 and 8)."""

    teacher_decay: Share = 0.999
    """Share of the teacher kept at each step (alpha in Eq. 4)."""
    teacher_warmup: bool = True
    """Keep a smaller share of the teacher in the first steps, min(teacher_decay, (1 + t) / (10 +
    t)), because it would hardly change in a short run otherwise."""
    pseudo_weight: NotNegative = 1.0
    """Weight of L_SCP and, depending on uncertainty, of L_unc on pseudo labels; 0: the control
    without pseudo labels."""
    filter: bool | Literal['random'] = True
    """Use only pseudo labels of confident pixels; or random, of as many pixels of each image,
    drawn."""
    threshold: NotNegative | None = None
    """Predicted relative error up to which the teacher is confident; null: quantile."""
    quantile: Fraction = 0.5
    """Share of each image's pixels where the teacher is confident."""
    source_weight: NotNegative = 1.0
    """Weight of L_sup and L_unc on the labelled source; 0: Eq. 8 of the paper."""
    source_views: Literal['strong', 'weak', 'both', 'matched', 'generic'] = 'strong'
    """Views of the source that are supervised: strong; weak; both, half and half, which takes
    another pass but keeps the accuracy on unchanged source windows better; or matched, as the
    target's air, lens, light and sensor would have recorded them. These are fitted to unlabelled
    windows of the target before the first step. Or generic, as any camera would have, the control
    that knows no target. Both take the place of strong views of the source everywhere."""
    fit: FitConfig = field(default_factory=FitConfig, metadata=ADDED)
    """The fit of matched views."""
    alternative_start: str | None = field(default=None, metadata=ADDED)
    """Name of another earlier stage: of it and of init_from, the stage begins with the one of the
    lower error on held-out source windows; null: with init_from."""
    pseudo_pixels: Literal['counted', 'all'] = field(default='counted', metadata=ADDED)
    """Pixels whose number Eq. 5 divides by: counted, those that count; or all, as printed."""
    pseudo_from: Share = field(default=0.0, metadata=ADDED)
    """Share of the steps before which pseudo labels and discriminators are left out."""
    pseudo_views: Literal['strong', 'weak'] = field(default='strong', metadata=ADDED)
    """Views of the target that learn from pseudo labels."""
    pseudo_mirrored: bool = field(default=False, metadata=ADDED)
    """Whether a pseudo label is the mean of log depth over both mirror images."""
    pseudo_si_lambda: NotNegative | None = field(default=None, metadata=ADDED)
    """si_lambda of pseudo labels; null: that of the stage."""
    uncertainty: Literal['source', 'pseudo', 'both'] = 'source'
    """Labels that train the uncertainty: source, pseudo or both. Trained on pseudo labels it
    measures the student's agreement with the teacher, and falls to 0."""
    alignment_weight: NotNegative = 0.1
    """Weight of L_SCA in Eq. 8; 0: no discriminators."""
    aligned_views: Literal['both', 'strong', 'weak'] = 'both'
    """Views whose class tokens are aligned, a discriminator each: both, strong or weak."""
    discriminator_lr_scale: Positive = 1.0
    """Learning rate of the discriminators over that of the student."""
    statistics: Literal['target', 'source', 'mixed', 'frozen'] = 'target'
    """Data of the batch-norm statistics of the exported network: target, its weak views; source,
    the views of the source; mixed, all inputs of the student; or frozen, the initial statistics,
    which the student then also trains with."""
    adabn_batches: Number = 30
    """Batches of weak target views from which the statistics are estimated before the first step,
    as by the command adabn; 0: none. For networks with batch norm."""
    remove_drift: bool = False
    """Divide pseudo labels by the mean drift of the teacher's median depth from that of the
    initial network."""
    deploy: Literal['teacher', 'student', 'label_free'] = 'teacher'
    """Network to export: teacher, student, or label_free, the one with the lower sum of its error
    on labelled source and its inconsistency between views of the target."""
    kept_fraction_bounds: Annotated[tuple[Fraction, Fraction], ASCENDING] = (0.05, 0.95)
    """Bounds of the share of kept pseudo labels; a warning is given outside."""
    drift_bound: Annotated[float, at_least(1)] = 1.25
    """Largest factor, either way, between the median depth and that of the initial network; a
    warning is given beyond."""
    uncertainty_bound: NotNegative = 0.5
    """Smallest ratio of the median uncertainty to that of the initial network; a warning is given
    below."""
    views: ViewConfig = field(default_factory=ViewConfig)
    """Strong views."""

    @across()
    def _something_learns(self) -> Problems:
        if self.source_weight == 0 and self.uncertainty == 'source':
            yield "uncertainty is 'source': with source_weight 0 nothing would train it"
        if self.pseudo_weight == 0 and self.uncertainty == 'pseudo':
            yield "uncertainty is 'pseudo': with pseudo_weight 0 nothing would train it"
        if self.pseudo_weight == 0 and self.source_weight == 0:
            yield 'pseudo_weight is 0 and so is source_weight: nothing would train depth'
        if self.source_views == 'matched' and self.source_weight == 0:
            yield "source_views is 'matched': with source_weight 0 nothing would learn from them"
        if self.statistics == 'source' and self.source_weight == 0:
            yield "statistics is 'source': with source_weight 0 no source is seen"

    @property
    def begins_from(self) -> tuple[str, ...]:
        """Stages beside init_from whose networks the stage may begin with."""
        return () if self.alternative_start is None else (self.alternative_start,)

    @property
    def needs_target(self) -> bool:
        """False if no step sees the target, whose windows are then for the fit alone."""
        return bool(self.pseudo_weight or self.alignment_weight) or self.statistics != 'source'

    def problems_in_run(
        self, stage: SupervisedConfig, here: ResolvedStage, before: Sequence[ResolvedStage]
    ) -> Problems:
        """Yield the problems of the settings within a run."""
        if self.pseudo_pixels == 'all' and stage.si != 'plain':
            yield f"adapt.pseudo_pixels is 'all': expected it with si plain, which is {stage.si}"
        if self.alternative_start is None:
            return
        other = next((one for one in before if one.stage.name == self.alternative_start), None)
        if other is None or other.stage.input != stage.input:
            yield (
                f'adapt.alternative_start is {self.alternative_start!r}: expected the name of an '
                f'earlier stage of {stage.input}'
            )
        elif other.model != here.model:
            yield (
                f'adapt.alternative_start is {self.alternative_start!r}: expected a stage with '
                'the same settings of the network'
            )


@dataclass
class PretrainConfig(SupervisedConfig):
    """Kind pretrain: depth and uncertainty from labelled scenes."""

    implementation = 'spike_training.methods.bicross.stages.pretrain:Pretrain'
    summary = 'learns depth from labelled scenes'
    may_take_rgb = True

    kind: str = 'pretrain'
    domain: Literal['source', 'target'] = 'source'
    """Domain of the labelled scenes: source; or target, for a stage of spikes that is the upper
    bound (Supervised in the tables of BiCross). No other setting lets training use a label of the
    target."""

    @across()
    def _labels_of_target(self) -> Problems:
        if self.domain == 'target' and self.input != 'spikes':
            yield "domain is 'target': expected it in a pretrain stage of spikes only"

    @property
    def batches(self) -> BatchSpec:
        """Batches of ``domain``, see :attr:`StageConfig.batches`."""
        return dataclasses.replace(super().batches, domain=self.domain)


@dataclass
class CrossModalityConfig(SupervisedConfig):
    """Kind cross_modality: depth and uncertainty from spikes, with a teacher of RGB."""

    implementation = 'spike_training.methods.bicross.stages.cross_modality:CrossModality'
    sees_tokens = True
    summary = 'learns spikes with the help of a teacher of RGB (CFKD)'

    kind: str = 'cross_modality'
    teacher: str | None = None
    """Name of the earlier stage, with input rgb, that trains the teacher."""
    distil: DistilConfig = field(default_factory=DistilConfig)
    """Distillation from the teacher."""

    @across()
    def _has_teacher(self) -> Problems:
        if self.teacher is None:
            yield f'teacher is None: expected the name of a stage in one of kind {self.kind}'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        inputs = {one.stage.name: one.stage.input for one in before}
        if self.teacher is not None and inputs.get(self.teacher) != 'rgb':
            yield f'teacher is {self.teacher!r}: expected the name of an earlier stage of RGB'
        elif teacher := next((one for one in before if one.stage.name == self.teacher), None):
            own, other = (one.model.sizes for one in (here, teacher))
            for name in COMPARED:
                if own.get(name) != other.get(name):
                    yield f'settings.{name} is not that of {self.teacher}: expected one size'

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Earlier stages, the teacher's included; see :attr:`StageConfig.builds_on`."""
        return (*([] if self.teacher is None else [self.teacher]), *super().builds_on)

    @property
    def batches(self) -> BatchSpec:
        """Labelled batches with RGB, see :attr:`StageConfig.batches`."""
        return BatchSpec(rgb=True)


@dataclass
class CrossDomainConfig(SupervisedConfig):
    """Kind cross_domain: from labelled scenes of the source to unlabelled spikes of the target.

    If the teacher is exported, ema_decay has no effect, because the teacher is an average already.
    """

    implementation = 'spike_training.methods.bicross.stages.cross_domain:CrossDomain'
    sees_tokens = True
    summary = 'adapts to the unlabelled target (SCTS)'
    validates_loss = False  # but the criterion, which has a separate chart

    kind: str = 'cross_domain'
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    """Adaptation to the target."""

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        if self.init_from in ('scratch', 'imagenet'):
            yield (
                f'init_from is {self.init_from!r}: expected previous or the name of an earlier '
                'stage'
            )
        yield from self.adapt.problems_in_run(self, here, before)

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Earlier stages, the alternative start included; see :attr:`StageConfig.builds_on`."""
        return (*self.adapt.begins_from, *super().builds_on)

    def adjust(self, here: ResolvedStage) -> ResolvedStage:
        """Implement :meth:`StageConfig.adjust`: see :func:`_without_average`."""
        return _without_average(here, self.adapt)

    @property
    def batches(self) -> BatchSpec:
        """Batches of both domains, see :attr:`StageConfig.batches`."""
        return BatchSpec('both')


@dataclass
class JointConfig(CrossModalityConfig):
    """Kind joint: both phases in one step, from labelled RGB and spikes to the unlabelled target.

    The loss is that of kind cross_modality plus that of kind cross_domain (Eq. 7 and 8).
    """

    implementation = 'spike_training.methods.bicross.stages.joint:Joint'
    summary = 'learns spikes from RGB and adapts to the target at once (CFKD and SCTS)'
    validates_loss = False  # but the criterion, which has a separate chart

    kind: str = 'joint'
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    """Adaptation to the target."""
    modality_weight: NotNegative = 1.0
    """Weight of the loss of kind cross_modality."""
    domain_weight: NotNegative = 1.0
    """Weight of the loss of kind cross_domain."""
    target_steps: Count | None = None
    """Steps, the last ones, that see the target; null: all. The teacher of pseudo labels begins as
    the student of their first step."""

    @property
    def domain(self) -> CrossDomainConfig:
        """Settings of the part of kind cross_domain."""
        names = [one.name for one in dataclasses.fields(CrossDomainConfig) if one.name != 'kind']
        return CrossDomainConfig(**{name: getattr(self, name) for name in names})

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Implement :meth:`StageConfig.problems_in_run`."""
        yield from super().problems_in_run(here, before)
        steps = here.train.steps
        # Epochs are checked once they have become steps.
        if self.epochs is None and self.target_steps is not None and self.target_steps > steps:
            yield f'target_steps is {self.target_steps}: expected at most {steps}, the steps'
        yield from self.adapt.problems_in_run(self, here, before)
        if self.adapt.alternative_start is not None:
            yield 'adapt.alternative_start is set: expected null in a stage of both phases'
        if self.adapt.pseudo_from:
            yield f'adapt.pseudo_from is {self.adapt.pseudo_from:g}: expected 0, see target_steps'
        if self.adapt.source_views == 'matched' and self.target_steps is not None:
            yield (
                "adapt.source_views is 'matched': expected target_steps null, the view is fitted "
                'before the first step'
            )

    def adjust(self, here: ResolvedStage) -> ResolvedStage:
        """Implement :meth:`StageConfig.adjust`: see :func:`_without_average`."""
        return _without_average(here, self.adapt)

    @property
    def batches(self) -> BatchSpec:
        """Batches of both domains, the source's with RGB; see :attr:`StageConfig.batches`."""
        return BatchSpec('both', rgb=True)


def _without_average(here: ResolvedStage, adapt: AdaptConfig) -> ResolvedStage:
    """Set ``ema_decay`` to 0 unless the student is exported."""
    if adapt.deploy == 'student':
        return here
    return dataclasses.replace(here, train=dataclasses.replace(here.train, ema_decay=0.0))
