# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the stages of BiCross; those of a run are in ``spike_training.settings.config``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from spike_training.settings.ranges import Problems, above, at_least, share


@dataclass
class DistilConfig:
    """Coarse-to-fine knowledge distillation, CFKD (Liu et al., BiCross, Eq. 3 and 7).

    Attributes:
        weight: Of L_CFKD in Eq. 7.
        coarse: Whether global vectors of the encoder are distilled (CKD).
        fine: Whether features of the decoder are distilled (FKD): off; mse, the mean over selected
            positions and channels; or printed, the sum of Eq. 3 over the positions of the map.
        projection: What the MLP before the coarse loss learns: depth, to tell an image's
            distribution of depth from the teacher's features; or joint, from the coarse loss
            itself, which it can also lower by forgetting what images differ in.
        filter: Whether only positions where RGB is sure and spikes are not are distilled.
        rgb_threshold: Predicted relative error up to which RGB is sure; null: rgb_quantile.
        rgb_quantile: Share of each image's positions where RGB is sure.
        spike_threshold: Predicted relative error up to which spikes are sure; null:
            spike_quantile.
        spike_quantile: Share of each image's positions where spikes are sure.
    """

    weight: float = 0.1
    coarse: bool = True
    fine: Literal['off', 'mse', 'printed'] = 'mse'
    projection: Literal['depth', 'joint'] = 'depth'
    filter: bool = True
    rgb_threshold: float | None = None
    rgb_quantile: float = 0.5
    spike_threshold: float | None = None
    spike_quantile: float = 0.5

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        yield from at_least(self, 0, 'weight')
        yield from _thresholds(self, 'rgb', 'spike')


@dataclass
class ViewConfig:
    """Strong views of a window of spikes: how far they may be from what the camera saw.

    Each image gets its own draw between nothing and these limits. The weak view is the window as
    it is.

    Attributes:
        flip: Mirror half of the target's images, before both views.
        gain: Largest factor on the firing rate, and its inverse the smallest.
        gamma: Largest exponent of the brightness, and its inverse the smallest.
        vignette: Share of the light that the darkest side of an image may lose.
        mismatch: Largest standard deviation of the pixels' response.
        dark: Largest mean rate of dark spikes, spikes per plane.
        drop: Largest share of planes that are lost, in half of the images.
        drop_bins: Share of bins that are lost in whole, in these images.
    """

    flip: bool = True
    gain: float = 1.6
    gamma: float = 1.5
    vignette: float = 0.4
    mismatch: float = 0.1
    dark: float = 0.01
    drop: float = 0.2
    drop_bins: float = 0.05

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        yield from at_least(self, 1, 'gain', 'gamma')
        yield from at_least(self, 0, 'mismatch', 'dark')
        yield from share(self, 'vignette', 'drop', 'drop_bins')


@dataclass
class AdaptConfig:
    """Self-correcting teacher and student, SCTS (Liu et al., BiCross, Eq. 4, 5, 6 and 8).

    Attributes:
        teacher_decay: Share of the teacher kept at each step (alpha in Eq. 4).
        teacher_warmup: Whether less of it is kept in the first steps, min(teacher_decay,
            (1 + t) / (10 + t)): in a short run it would hardly move otherwise.
        pseudo_weight: Of L_SCP and, where uncertainty says so, of L_unc on pseudo labels; 0: the
            control without pseudo labels.
        filter: Whether only pseudo labels that the teacher is sure of count.
        threshold: Predicted relative error up to which it is sure; null: quantile.
        quantile: Share of each image's pixels that it is sure of.
        source_weight: Of L_sup and L_unc on the labelled source; 0: Eq. 8 as printed.
        source_views: Views of the source that are supervised: strong; weak; or both, half and
            half, which costs another pass and forgets less of how the source looks.
        uncertainty: What trains the uncertainty: source, pseudo or both. Trained on pseudo labels
            it learns that the student agrees with the teacher, and falls to 0.
        alignment_weight: Of L_SCA in Eq. 8; 0: no discriminators.
        aligned_views: Views whose class tokens are aligned, a discriminator each: both, strong or
            weak.
        discriminator_rate: Learning rate of the discriminators over that of the student.
        statistics: What the batch-norm statistics of the exported network are made from: target,
            its weak views; mixed, all that goes through the student; or frozen, those at the
            start, which the student then also trains with.
        start_batches: Batches of weak target views that the statistics are estimated from before
            the first step, as the command adabn does; 0: none. For networks with batch norm.
        remove_drift: Whether pseudo labels are divided by how far the teacher's depths have
            drifted from the start's, on average.
        deploy: What is exported: teacher, student, or label_free, the one whose error on labelled
            source plus disagreement with itself on views of the target is lower.
        kept_bounds: Share of kept pseudo labels outside of which a warning is due.
        drift_bound: Factor between median depth and that of the start, either way, beyond which a
            warning is due.
        uncertainty_bound: Median uncertainty over that of the start, below which a warning is
            due.
        views: Strong views.
    """

    teacher_decay: float = 0.999
    teacher_warmup: bool = True
    pseudo_weight: float = 1.0
    filter: bool = True
    threshold: float | None = None
    quantile: float = 0.5
    source_weight: float = 1.0
    source_views: Literal['strong', 'weak', 'both'] = 'strong'
    uncertainty: Literal['source', 'pseudo', 'both'] = 'source'
    alignment_weight: float = 0.1
    aligned_views: Literal['both', 'strong', 'weak'] = 'both'
    discriminator_rate: float = 1.0
    statistics: Literal['target', 'mixed', 'frozen'] = 'target'
    start_batches: int = 30
    remove_drift: bool = False
    deploy: Literal['teacher', 'student', 'label_free'] = 'teacher'
    kept_bounds: tuple[float, float] = (0.05, 0.95)
    drift_bound: float = 1.25
    uncertainty_bound: float = 0.5
    views: ViewConfig = field(default_factory=ViewConfig)

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        yield from share(self, 'teacher_decay')
        yield from at_least(
            self, 0, 'pseudo_weight', 'source_weight', 'alignment_weight', 'start_batches',
            'uncertainty_bound',
        )  # fmt: skip
        yield from above(self, 0, 'discriminator_rate')
        yield from at_least(self, 1, 'drift_bound')
        yield from _thresholds(self, '')
        low, high = self.kept_bounds
        if not 0 <= low < high <= 1:
            yield f'kept_bounds is {self.kept_bounds}: expected two ascending shares'
        if self.source_weight == 0 and self.uncertainty == 'source':
            yield "uncertainty is 'source': with source_weight 0 nothing would train it"
        if self.pseudo_weight == 0 and self.uncertainty == 'pseudo':
            yield "uncertainty is 'pseudo': with pseudo_weight 0 nothing would train it"
        if self.pseudo_weight == 0 and self.source_weight == 0:
            yield 'pseudo_weight is 0 and so is source_weight: nothing would train depth'
        yield from (f'views.{problem}' for problem in self.views.problems())


def _thresholds(part: Any, *names: str) -> Problems:
    """Problems of pairs of settings: an absolute threshold, and a quantile in its place."""
    for name in names:
        prefix = f'{name}_' if name else ''
        if getattr(part, f'{prefix}threshold') is not None:
            yield from at_least(part, 0, f'{prefix}threshold')
        if not 0 <= (value := getattr(part, f'{prefix}quantile')) <= 1:
            yield f'{prefix}quantile is {value:g}: expected 0 to 1'
