# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cross-domain stage: self-training on unlabelled spikes with a mean teacher (BiCross, III-C).

In each step the teacher predicts pseudo labels from weak views of the target. The student learns
these labels on strong views of the target and true labels on views of the source. Discriminators
align its class tokens of both domains. Then the teacher is updated as the moving average of the
student.

Matched views of the source, not of the paper, show it as the camera of the target would have
recorded it. With them, pseudo labels and discriminators may be left out.
"""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_training.engine.ema import average_into, warmed_up
from spike_training.engine.fabric import is_first, mean_over_processes
from spike_training.engine.optim import Groups, groups_of
from spike_training.engine.record import Mean
from spike_training.engine.stage import Context, Phase, Selection, Stage
from spike_training.evaluation.predictors import predict
from spike_training.evaluation.statistics import batch_norms, estimate_statistics, untracked
from spike_training.learning.adversarial import Alignment
from spike_training.learning.backbone import freeze, share_backbone
from spike_training.learning.losses import si_loss_over_all, uncertainty_loss
from spike_training.learning.supervision import SI_FORMS, Supervision, network_groups
from spike_training.matching.fit import Fit, fit_view
from spike_training.matching.view import SPREAD, CameraView, Spread, generic_view, matched_view
from spike_training.methods.bicross.discriminators import DomainDiscriminators
from spike_training.methods.bicross.filter import Threshold, drawn
from spike_training.methods.bicross.settings import CrossDomainConfig
from spike_training.methods.bicross.views import half, mirrored, strong_view
from spike_training.sampling.sample import Batch, Pair, Unlabelled
from spike_training.settings.config import ModelConfig

if TYPE_CHECKING:
    from spike_training.learning.panels import Panel, Panels

FAR = 0.98
"""Share of the largest depth at and above which a pseudo label counts as sky."""

DRIFT_MEMORY = 0.99
"""Decay of the moving average of the drift: share of the old estimate at each step."""

START_BATCHES = 4
"""Held-out batches whose error decides which network a stage begins with."""

START = 'start'
"""Name of the network that a stage began with, among those that it may export."""

WATCHED = {
    'teacher': ('log_depth_drift', 'uncertainty_ratio'),
    'student': ('student_log_depth_drift', 'student_uncertainty_ratio'),
}
"""Figures of a network that warnings look at: log ratio of its median depth to that of the source
model on the target, and ratio of its median uncertainty."""


NAMES = {'matched': 'strong', 'generic': 'strong'}
"""Views of the source that take the place of others."""


class PseudoLabel(NamedTuple):
    """Pseudo labels of a batch, predicted by the teacher.

    Attributes:
        depth: Canonical metres, ``[B, 1, H, W]``.
        confident: Confidence mask, same shape, bool.
        sky: Mask of what the teacher takes for sky, same shape, bool.
        weight: Weight of each pixel in the loss of depth, same shape.
    """

    depth: Tensor
    confident: Tensor
    sky: Tensor
    weight: Tensor


class FittedView(nn.Module):
    """The fit of matched views, part of the state, so that a resumed training keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.fit: Fit | None = None

    def get_extra_state(self) -> dict[str, Any]:
        """Return the fit as plain values."""
        return {} if self.fit is None else self.fit.to_fields()

    def set_extra_state(self, state: Any) -> None:
        """Set the fit from plain values."""
        self.fit = Fit.from_fields(state) if state else None


class CrossDomain(Stage[Pair]):
    """Stage with the loss of Eq. 8 and the loss on labelled source scenes (Liu et al., BiCross).

    ``L_SCP + L_unc + 0.1 L_SCA + source_weight (L_sup + L_unc)``.

    Args:
        student: Network trained on the source; initialises teacher and student.
        config: Settings of the stage.
        model: Depth range and canonical focal length.
        dim: Width of the class token.
        steps: Steps of the stage.
        alternative: Network that the stage may begin with in place of ``student``.
    """

    drift: Tensor
    taken: Tensor

    def __init__(
        self,
        student: SpikeDepthNet,
        config: CrossDomainConfig,
        model: ModelConfig,
        dim: int,
        steps: int = 0,
        alternative: SpikeDepthNet | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.model = model
        self.supervision = Supervision(config, model)
        self.student = student
        self.teacher = copy.deepcopy(student).requires_grad_(False).eval()
        self.source_model = copy.deepcopy(self.teacher)
        share_backbone([student, self.teacher, self.source_model], config)
        adapt = config.adapt
        self.threshold = (
            Threshold(adapt.threshold, adapt.quantile) if adapt.filter else Threshold(quantile=1.0)
        )
        views = ('strong', 'weak') if adapt.aligned_views == 'both' else (adapt.aligned_views,)
        self.discriminators: DomainDiscriminators | None = None
        if adapt.alignment_weight:
            self.discriminators = DomainDiscriminators(dim, views)
        # Moving average of the log ratio of median depths, teacher over initial network.
        self.register_buffer('drift', torch.zeros(()))
        self.fitted = FittedView() if adapt.source_views == 'matched' else None
        self.first = round(adapt.pseudo_from * steps)
        if self.first:
            self.register_buffer('taken', torch.zeros((), dtype=torch.int64))
        self._alternative = [alternative]  # in a list, it is no part of the state
        form = SI_FORMS[config.si] if adapt.pseudo_pixels == 'counted' else si_loss_over_all
        own = adapt.pseudo_si_lambda
        self._pseudo_si = functools.partial(form, lam=config.si_lambda if own is None else own)
        freeze(student, config)
        self._gaps: list[Tensor] = []  # of the batches of a step, until its end

    @classmethod
    def from_config(cls, config: CrossDomainConfig, context: Context) -> CrossDomain:
        """Build the stage of a run."""
        dim, name = context.info.settings['dim'], config.adapt.alternative_start
        student = context.init_model(SpikeDepthNet)
        other = None
        if name is not None and name in context.trained:
            other = context.trained_model(name, SpikeDepthNet)
        return cls(student, config, context.config.model, dim, context.config.train.steps, other)

    def before_measuring(self) -> None:
        """Go to a step that sees the target, through a view with all effects."""
        if self.first:
            self.taken.fill_(self.first)
        if self.fitted is not None and self.fitted.fit is None:
            view = CameraView(exponent=0.5, vignette=0.5, haze_m=20.0, blur=1.0)
            self.fitted.fit = Fit(view, 0.0, 0.0, {}, {})

    def begin(self, batches: Iterable[Pair], held_out: Iterable[Pair]) -> None:
        """Choose the start, fit the view, and estimate statistics of the target.

        Raises:
            DataSetError: No view can be fitted to the windows.
        """
        (other,) = self._alternative
        if other is not None:
            self._choose_start(other, itertools.islice(held_out, START_BATCHES))
        if self.fitted is not None:
            batches = iter(batches)
            self.fitted.fit = self._fit(batches)
        number = self.config.adapt.adabn_batches
        if number and batch_norms(self.student):
            targets = (batch.target for batch in itertools.islice(batches, number))
            estimate_statistics(self.student, targets)
            for network in (self.teacher, self.source_model):
                network.load_state_dict(self.student.state_dict())

    @torch.no_grad()
    def _choose_start(self, other: SpikeDepthNet, held_out: Iterable[Pair]) -> None:
        """Begin with the network of the lower error on held-out windows of the source."""
        other.to(next(self.student.parameters()).device)
        mean = Mean()
        networks = {'init_from': self.student, 'alternative_start': other}
        self.eval()
        other.eval()
        for pair in held_out:
            outputs = {k: predict(one, pair.source, 'spikes') for k, one in networks.items()}
            mean.add({k: self.supervision(v, pair.source).error for k, v in outputs.items()})
        errors = mean.take()
        if is_first():
            found = ', '.join(f'{name} {error:.4f}' for name, error in errors.items())
            print(f'{self.config.name}: error on held-out source windows: {found}')
        if errors['alternative_start'] < errors['init_from']:
            for network in self.networks:
                network.load_state_dict(other.state_dict())

    def _fit(self, batches: Iterator[Pair]) -> Fit:
        """Fit the view of the source to the first windows of the target."""
        settings = self.config.adapt.fit
        source: list[Batch] = []
        target: list[Unlabelled] = []
        wanted = max(2 * settings.windows, settings.target_windows)
        for pair in batches:
            source.append(pair.source)
            target.append(pair.target)
            if sum(len(one.index) for one in target) >= wanted:
                break
        fit = fit_view(
            source, target, settings.windows, settings.target_windows, settings.trials,
            settings.restarts,
        )  # fmt: skip
        if is_first():
            for line in (f'the view of the target: {fit.describe()}', *fit.notes):
                print(f'{self.config.name}: {line}')
        return fit

    def train(self, mode: bool = True) -> CrossDomain:
        """Set the mode of the module; keep frozen parts in eval mode."""
        super().train(mode)
        self.teacher.eval()
        self.source_model.eval()
        freeze(self.student, self.config)
        if self.config.adapt.statistics == 'frozen':
            for layer in batch_norms(self.student):
                layer.eval()
        return self

    @property
    def deployable(self) -> nn.Module:
        """Teacher, or the student where the settings name it; see :attr:`Stage.deployable`."""
        return self.student if self.config.adapt.deploy == 'student' else self.teacher

    @property
    def networks(self) -> Sequence[nn.Module]:
        """Student, teacher and initial network, see :attr:`Stage.networks`."""
        return [self.student, self.teacher, self.source_model]

    def optimizers(self) -> Groups:
        """Group parameters; the discriminators have their own optimiser."""
        groups = {'main': network_groups(self.student, self.config)}
        if self.discriminators is not None:
            rate = self.config.adapt.discriminator_lr_scale
            groups['discriminators'] = groups_of(self.discriminators, rate)
        return groups

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Update the teacher as moving average of the student, statistics included (Eq. 4)."""
        decay = self.config.adapt.teacher_decay
        if self.config.adapt.teacher_warmup:
            decay = warmed_up(decay, step)
        average_into(self.teacher.state_dict(), self.student.state_dict(), decay)
        if self.first:
            self.taken.fill_(step + 1)
        if self._gaps:
            gap = mean_over_processes(torch.stack(self._gaps).mean())
            self.drift.lerp_(gap, 1 - DRIFT_MEMORY)
            self._gaps.clear()

    def forward(self, batch: Pair, phase: Phase) -> dict[str, Tensor]:
        """Implement :meth:`Stage.forward`; in validation ``loss`` is the label-free criterion."""
        return self._train(batch) if phase == 'train' else self._validate(batch)

    def _train(self, batch: Pair) -> dict[str, Tensor]:
        adapt, config = self.config.adapt, self.config
        source, target = batch.source, batch.target
        if not self.sees_target:
            return self._train_on_source(source)
        if adapt.views.flip:
            target = _with_counts(target, mirrored(target.counts, half(target.counts)))
        pseudo = self._pseudo_label(target)

        shown = self._strong(target) if adapt.pseudo_views == 'strong' else target
        strong = self._student(shown)
        seen = self._source_views(source)
        scp = self._pseudo_si(strong.depth, pseudo.depth, pseudo.weight).mean()
        sup, unc, error = self._learn_source(seen, source)
        loss = adapt.pseudo_weight * scp + adapt.source_weight * sup
        parts = {'scp': scp, 'sup': sup, 'unc': unc, 'error': error, 'drift': self.drift}
        parts['kept'] = pseudo.confident.float().mean()
        if adapt.uncertainty != 'pseudo':
            loss = loss + adapt.source_weight * config.uncertainty_weight * unc
        if adapt.uncertainty != 'source':
            unc_pseudo = uncertainty_loss(
                strong.uncertainty,
                strong.depth,
                pseudo.depth,
                pseudo.confident & ~pseudo.sky,
                config.uncertainty_limit,
            ).mean()
            loss = loss + adapt.pseudo_weight * config.uncertainty_weight * unc_pseudo
            parts['unc_pseudo'] = unc_pseudo

        aligned = self._align(seen, target, strong)
        if aligned is not None:
            loss = loss + adapt.alignment_weight * aligned.loss
            # L_SCA of the paper, which the student minimises, is the negative.
            parts |= {'sca': -aligned.loss, 'discriminator_accuracy': aligned.accuracy}
        return {'loss': loss, **{name: value.detach() for name, value in parts.items()}}

    @property
    def sees_target(self) -> bool:
        """True in steps that see the target."""
        return self.config.adapt.needs_target and (not self.first or int(self.taken) >= self.first)

    def _train_on_source(self, source: Batch) -> dict[str, Tensor]:
        """Return the loss of a step that sees the source alone."""
        sup, unc, error = self._learn_source(self._source_views(source), source)
        loss = self.config.adapt.source_weight * (sup + self.config.uncertainty_weight * unc)
        # Several processes expect a gradient of each parameter.
        loss = loss + 0.0 * sum(p.sum() for p in (self.discriminators or nn.Module()).parameters())
        return {'loss': loss, 'sup': sup.detach(), 'unc': unc.detach(), 'error': error}

    def _learn_source(
        self, seen: Mapping[str, DepthOutput], source: Batch
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the losses of depth and uncertainty on labels, and the error."""
        views = self.config.adapt.source_views
        named = ('strong', 'weak') if views == 'both' else (NAMES.get(views, views),)
        learnt = [self.supervision(seen[name], source) for name in named]
        sup, unc, error = (torch.stack(values).mean() for values in zip(*learnt, strict=True))
        return sup, unc, error

    def _source_views(self, source: Batch) -> dict[str, DepthOutput]:
        """Return the student's outputs for the views of the source that the losses use."""
        discriminators, seen = self.discriminators, source.unlabelled()
        views, tracked = self.config.adapt.source_views, self.config.adapt.statistics == 'source'
        used = {NAMES.get(views, views), *(discriminators or ())}
        found = {}
        if used & {'strong', 'both'}:
            shown = self._matched(source) if views in NAMES else self._strong(seen)
            found['strong'] = self._student(shown, tracked=tracked and views != 'weak')
        if used & {'weak', 'both'}:
            found['weak'] = self._student(seen, tracked=tracked and views in ('weak', 'both'))
        return found

    def _matched(self, source: Batch) -> Unlabelled:
        """Return windows of the source as the camera of the target, or any, had recorded them."""
        seen = source.counts, source.planes_per_bin, source.metres
        if self.fitted is None:
            return _with_counts(source.unlabelled(), generic_view(*seen))
        fit, factor = self.fitted.fit, self.config.adapt.fit.spread
        assert fit is not None
        spread = Spread(*(factor * deviation for deviation in SPREAD))
        counts = matched_view(*seen, fit.view, spread)
        return _with_counts(source.unlabelled(), counts)

    def _align(
        self, seen: Mapping[str, DepthOutput], target: Unlabelled, strong: DepthOutput
    ) -> Alignment | None:
        """Align class tokens, with a pass over weak target views for tokens or statistics."""
        discriminators = self.discriminators
        tracks = self.config.adapt.statistics == 'target'
        outputs = {'strong': strong}
        if discriminators is not None and 'weak' in discriminators:
            outputs['weak'] = self._student(target, tracked=tracks)
        elif tracks and batch_norms(self.student):
            with torch.no_grad():
                self._student(target, tracked=True)
        if discriminators is None:
            return None
        found: Alignment = discriminators(
            {name: (seen[name].class_token, outputs[name].class_token) for name in discriminators}
        )
        return found

    def _student(self, batch: Unlabelled, tracked: bool = False) -> DepthOutput:
        """Return the student's outputs; each domain and view is normalised separately."""
        if tracked or self.config.adapt.statistics == 'mixed':
            return predict(self.student, batch, 'spikes')
        with untracked(self.student):
            return predict(self.student, batch, 'spikes')

    def _strong(self, batch: Unlabelled) -> Unlabelled:
        counts = strong_view(batch.counts, batch.planes_per_bin, self.config.adapt.views)
        return _with_counts(batch, counts)

    @torch.no_grad()
    def _pseudo_label(self, target: Unlabelled) -> PseudoLabel:
        """Predict pseudo labels from weak views with the teacher."""
        output = predict(self.teacher, target, 'spikes')
        depth = output.depth
        if self.config.adapt.pseudo_mirrored:
            flipped = _with_counts(target, target.counts.flip(3))
            other = predict(self.teacher, flipped, 'spikes').depth.flip(3)
            depth = (depth.log() + other.log()).mul(0.5).exp()
        sky = depth >= FAR * self.model.max_depth
        if self.config.adapt.remove_drift:
            before = predict(self.source_model, target, 'spikes').depth
            self._gaps.append(_log_median_gap(depth, before).mean())
            scaled = (depth / self.drift.exp()).clamp(self.model.min_depth, self.model.max_depth)
            # Sky has no scale: it ends at the largest depth whatever the drift.
            depth = torch.where(sky, depth, scaled)
        confident = self.threshold.confident(output.uncertainty)
        if self.config.adapt.filter == 'random':
            confident = drawn(confident)
        weight = confident * torch.where(sky, self.config.sky_weight, 1.0)
        return PseudoLabel(depth, confident, sky, weight)

    @torch.no_grad()
    def _validate(self, batch: Pair) -> dict[str, Tensor]:
        target, adapt = batch.target, self.config.adapt
        weak = {name: predict(network, target, 'spikes') for name, network in self._trained()}
        initial = predict(self.source_model, target, 'spikes')
        before = _median(initial.uncertainty).mean().clamp_min(1e-6)
        criteria = self._criteria(batch, weak)
        figures = {
            'loss': criteria['student' if adapt.deploy == 'student' else 'teacher'],
            **{f'{name}_criterion': value for name, value in criteria.items()},
            'error': self.supervision(
                predict(self.deployable, batch.source, 'spikes'), batch.source
            ).error,
            'kept': self.threshold.confident(weak['teacher'].uncertainty).float().mean(),
            'median_uncertainty': _median(weak['teacher'].uncertainty).mean(),
            'ema_distance': _distance(self.teacher, self.student),
        }
        for name, output in weak.items():
            drift, ratio = WATCHED[name]
            figures[drift] = _log_median_gap(output.depth, initial.depth).mean()
            figures[ratio] = _median(output.uncertainty).mean() / before
        return figures

    def _trained(self) -> tuple[tuple[str, SpikeDepthNet], ...]:
        return ('teacher', self.teacher), ('student', self.student)

    @torch.no_grad()
    def label_free(self, batch: Pair) -> dict[str, Tensor]:
        """Compute the criterion of teacher and student without labels of the target.

        It is the error on the labelled source plus the mean absolute difference of log-depth
        between the weak and the strong view of the target. The first term rejects a constant
        output, which is consistent between views. The second rejects a network that is accurate
        on the source only and inconsistent on the target.

        With matched views it is the error on these views of the labelled source.

        Args:
            batch: Batch used neither for training nor for testing.

        Returns:
            Criterion by name of the network, lower is better.
        """
        seen = {n: predict(network, batch.target, 'spikes') for n, network in self._trained()}
        return self._criteria(batch, seen)

    def _criteria(self, batch: Pair, weak: Mapping[str, DepthOutput]) -> dict[str, Tensor]:
        """Compute :meth:`label_free` from the outputs for weak views of the target."""
        if self.fitted is not None:
            shown = self._matched(batch.source)
            networks = (*self._trained(), (START, self.source_model))
            outputs = {name: predict(one, shown, 'spikes') for name, one in networks}
            return {k: self.supervision(v, batch.source).error for k, v in outputs.items()}
        strong = self._strong(batch.target)
        criteria = {}
        for name, network in self._trained():
            error = self.supervision(predict(network, batch.source, 'spikes'), batch.source).error
            swayed = predict(network, strong, 'spikes').depth.log()
            criteria[name] = error + (weak[name].depth.log() - swayed).abs().mean()
        return criteria

    def warnings(self, metrics: Mapping[str, float]) -> Sequence[str]:
        """Return a warning for each metric outside of the bounds of the settings.

        The teacher is watched, which gives the labels, and the student where it may be exported.
        Without steps that see the target nothing is kept, and what moves is no drift: labels of
        the source through the target's lens may move depth as far as the target's own would.
        """
        adapt = self.config.adapt
        if not adapt.needs_target:
            return self._doubts()
        found = []
        low, high = adapt.kept_fraction_bounds
        if not low <= metrics['kept'] <= high and adapt.filter:
            found.append(
                f'{metrics["kept"]:.1%} of the pseudo labels are kept, outside of {low:.0%} to '
                f'{high:.0%}: choose another adapt.threshold, or null for a quantile'
            )
        for name in ('teacher',) if adapt.deploy == 'teacher' else WATCHED:
            drift, ratio = (metrics[figure] for figure in WATCHED[name])
            factor = float(np.exp(drift))
            if not 1 / adapt.drift_bound <= factor <= adapt.drift_bound:
                found.append(
                    f'the median depth of the {name} is {factor:.2f} times that of the source '
                    'model: the scale drifts; raise adapt.source_weight, or set '
                    'adapt.remove_drift'
                )
            if ratio < adapt.uncertainty_bound:
                found.append(
                    f'the median uncertainty of the {name} is {ratio:.2f} of that of the source '
                    "model: it collapses; set adapt.uncertainty to 'source'"
                )
        return [*self._doubts(), *found]

    def _doubts(self) -> list[str]:
        """Return what speaks against the fitted view, a sentence each."""
        fit = None if self.fitted is None else self.fitted.fit
        if fit is None:
            return []
        found, limits = (
            [f'{note[0].upper()}{note[1:]}.' for note in fit.notes],
            self.config.adapt.fit,
        )
        if self._is_far(fit):
            found.append(
                f'The fitted view explains {fit.explained:.0%} of the distance to the target, '
                f'{fit.before:.1f}, and {fit.distance:.1f} is left; expected '
                f'{limits.least_explained:.0%} or more, and at most {limits.far:g}: the network '
                'that the stage began with is exported.'
            )
        return found

    def _is_far(self, fit: Fit) -> bool:
        limits = self.config.adapt.fit
        hardly = fit.distance > limits.near and fit.explained < limits.least_explained
        return hardly or fit.distance > limits.far

    def select(self, batches: Iterable[Pair]) -> Selection | None:
        """Select the network with the lower criterion.

        None if ``deploy`` names a network and the views of the source are not matched. Where the
        fitted view stays far from the target, the network that the stage began with is selected.
        """
        deploy, fit = self.config.adapt.deploy, None if self.fitted is None else self.fitted.fit
        if deploy != 'label_free' and fit is None:
            return None
        mean = Mean()
        for batch in batches:
            mean.add(self.label_free(batch))
        criteria = mean.take()
        if deploy != 'label_free':
            criteria = {name: criteria[name] for name in (deploy, START)}
        chosen = min(criteria, key=lambda name: criteria[name])
        if fit is not None and self._is_far(fit):
            chosen = START
        networks = dict(self._trained()) | {START: self.source_model}
        details = {} if fit is None else {'fit': fit.describe(), **fit.to_fields()}
        return Selection(chosen, networks[chosen], criteria, details)

    def picture(self, batch: Pair) -> npt.NDArray[np.uint8]:
        """Draw both views of the target, the outputs of both networks and the kept pixels."""
        from spike_training.learning.panels import Panels

        show = Panels(self.model)
        if self.fitted is not None:
            return show.sheet(*self._matched_rows(batch, show))
        target = batch.target
        strong = self._strong(target)
        teacher = predict(self.teacher, target, 'spikes')
        student = predict(self.student, strong, 'spikes')
        return show.sheet(
            [
                show.spikes(target.counts, 'target, weak view'),
                show.depth(teacher.depth, 'pseudo label'),
                show.uncertainty(teacher.uncertainty, 'its uncertainty'),
                show.selection(self.threshold.confident(teacher.uncertainty), 'kept'),
            ],
            [
                show.spikes(strong.counts, 'strong view'),
                show.depth(student.depth, 'depth of the student'),
                show.uncertainty(student.uncertainty, 'its uncertainty'),
                show.difference(student.depth, teacher.depth, 'off the pseudo label'),
            ],
        )

    def _matched_rows(self, batch: Pair, show: Panels) -> Sequence[Sequence[Sequence[Panel]]]:
        """Draw the source, its matched view and the target, and depth before and after."""
        source, target, shown = batch.source, batch.target, self._matched(batch.source)
        network = self.deployable
        assert isinstance(network, SpikeDepthNet)
        before, after = (predict(one, target, 'spikes') for one in (self.source_model, network))
        return (
            [
                show.spikes(source.counts, 'source'),
                show.spikes(shown.counts, 'as the target sees it'),
                show.depth(predict(network, shown, 'spikes').depth, 'its depth'),
            ],
            [
                show.spikes(target.counts, 'target'),
                show.depth(before.depth, 'depth at the start'),
                show.depth(after.depth, 'depth'),
            ],
        )


def _with_counts(batch: Unlabelled, counts: Tensor) -> Unlabelled:
    return Unlabelled(counts, batch.planes_per_bin, batch.index)


def _median(value: Tensor) -> Tensor:
    """Return the median of each image, ``[B]``."""
    return value.flatten(1).median(dim=1).values


def _log_median_gap(depth: Tensor, before: Tensor) -> Tensor:
    """Return the log ratio of each image's median depth to that before, ``[B]``."""
    return _median(depth).log() - _median(before).log()


def _distance(one: nn.Module, other: nn.Module) -> Tensor:
    """Return the distance of the parameters, over the norm of the other's."""
    first, second = (
        torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
        for module in (one, other)
    )
    distance: Tensor = (first - second).norm() / second.norm()
    return distance
