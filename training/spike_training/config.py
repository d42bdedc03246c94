# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run: dataclasses whose documentation is the help of the command line."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from spike_training.errors import ConfigError

Kind = Literal['pretrain', 'cross_modality', 'cross_domain']
Style = Literal['indoor', 'road']
Part = TypeVar('Part', 'TrainConfig', 'DataConfig')
Problems = Iterator[str]
"""What is wrong, a phrase for each setting: ``train.steps is 0: expected 1 or more``."""


@dataclass
class ModelConfig:
    """The network.

    Attributes:
        architecture: Name under which the network is built.
        settings: Sizes of the architecture that differ from its own defaults.
        bins: Channels of counts that a window of spikes is cut into.
        min_depth: Lowest depth at the canonical focal length, metres.
        max_depth: Highest depth at the canonical focal length, metres; what sky is trained as.
        canonical_fx: Focal length in pixels that depth is predicted for.
    """

    architecture: str = 'dpt_tiny'
    settings: dict[str, Any] = field(default_factory=dict)
    bins: int = 32
    min_depth: float = 0.3
    max_depth: float = 80.0
    canonical_fx: float = 400.0

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        # Imported here, for it needs torch: help and mistakes of the command line must not wait.
        from spike_depth_ros.model.registry import SETTINGS

        sizes = SETTINGS.get(self.architecture)
        if sizes is None:
            yield f'architecture is {self.architecture!r}: expected {" or ".join(SETTINGS)}'
        else:
            known = [field.name for field in dataclasses.fields(sizes)]
            for name in self.settings.keys() - set(known):
                yield f'settings.{name} is unknown: expected some of {", ".join(known)}'
        yield from _at_least(self, 1, 'bins')
        yield from _above(self, 0, 'min_depth', 'canonical_fx')
        if not self.max_depth > self.min_depth:
            yield f'max_depth is {self.max_depth:g}: expected more than min_depth'


@dataclass
class DataConfig:
    """What is looked at: scenes of a procedural world, and the spike camera that sees them.

    Attributes:
        styles: Kinds of scenes, in turn: indoor, road.
        height: Rows of an image, a multiple of 16.
        width: Columns of an image, a multiple of 16.
        planes: Lengths of the windows of spikes, in planes; the batches take them in turn.
        rate_hz: Planes a second.
    """

    styles: list[Style] = field(default_factory=lambda: ['indoor', 'road'])
    height: int = 128
    width: int = 192
    planes: list[int] = field(default_factory=lambda: [128])
    rate_hz: float = 20_000.0

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        for name in ('height', 'width'):
            value = getattr(self, name)
            if value < 32 or value % 16:
                yield f'{name} is {value}: expected a multiple of 16, 32 or more'
        if not self.styles:
            yield 'styles is []: expected one or more'
        if not self.planes or min(self.planes) < 1:
            yield f'planes is {self.planes}: expected lengths of 1 or more'
        yield from _above(self, 0, 'rate_hz')


Sensor = Literal['ideal', 'vidar_car', 'uhsr', 'noise_maps']


@dataclass
class TargetConfig:
    """Where the network shall work: spikes of another place and camera, without labels.

    Scenes of a procedural world that shares nothing with that of data, seen in another light by
    another camera. Labels are made for them, too, but the evaluation alone reads them.

    Attributes:
        styles: Kinds of scenes; null: data.styles.
        planes: Lengths of the windows; null: data.planes.
        rate_hz: Planes a second; null: data.rate_hz.
        light: Factor on the mean firing rate that the exposure aims at.
        contrast: Exponent on the luminance of the scene: above 1 shadows are deeper.
        vignette: Share of the light that the corners of an image lose.
        blur: Standard deviation of the lens's blur, pixels.
        sensor: Noise and mismatch of the camera, one camera for all scenes: ideal, or as fitted
            to recordings: vidar_car, uhsr, noise_maps.
        sensor_scale: Factor on its mismatch, dark current, read-out noise and hot pixels.
    """

    styles: list[Style] | None = None
    planes: list[int] | None = None
    rate_hz: float | None = None
    light: float = 0.5
    contrast: float = 1.5
    vignette: float = 0.5
    blur: float = 0.7
    sensor: Sensor = 'vidar_car'
    sensor_scale: float = 1.0

    def data(self, data: DataConfig) -> DataConfig:
        """The data's settings with what the target says otherwise."""
        return _over(data, self, 'styles', 'planes', 'rate_hz')

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        yield from self.data(DataConfig()).problems()
        yield from _above(self, 0, 'light', 'contrast')
        yield from _share(self, 'vignette')
        yield from _at_least(self, 0, 'blur', 'sensor_scale')


@dataclass
class TrainConfig:
    """The loop; a stage may say otherwise of some settings.

    Attributes:
        steps: Optimiser steps.
        batch_size: Images a step and process.
        learning_rate: Peak of the learning rate, reached after the warm-up.
        warmup_steps: Steps over which the learning rate rises from 0.
        final_share: Share of the peak at which the cosine ends.
        weight_decay: Of matrices and kernels; biases, norms and scales have none.
        betas: Of AdamW.
        clip_norm: Largest norm of the gradient of each optimiser; longer ones are shortened.
        ema_decay: Share of the averaged weights kept at each step (0.999 averages about 1000
            steps); 0 keeps the last weights. The averaged weights are validated and exported.
        precision: Of the network: 32-true, or bf16-mixed (bfloat16 where it is safe).
        compile: Compile the network with torch.compile (pays for long runs on a GPU only).
        ahead: Batches that a thread makes in advance; pays on a GPU. 0: none.
        log_every: Steps between two records in scalars.jsonl; between them nothing waits for the
            device.
        validate_every: Steps between two validations; 0: none.
        validate_batches: Batches of a validation.
        picture_every: Steps between two pictures of depth and uncertainty (needs OpenCV and
            Pillow); 0: none.
        save_every: Steps between two checkpoints; the last step always saves.
        tensorboard: Write to TensorBoard too (needs the package tensorboard). scalars.jsonl
            is written in any case.
    """

    steps: int = 2000
    batch_size: int = 16
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    final_share: float = 0.01
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: Literal['32-true', 'bf16-mixed'] = '32-true'
    compile: bool = False
    ahead: int = 0
    log_every: int = 20
    validate_every: int = 500
    validate_batches: int = 4
    picture_every: int = 500
    save_every: int = 500
    tensorboard: bool = True

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        yield from _at_least(
            self, 1, 'steps', 'batch_size', 'log_every', 'save_every', 'validate_batches'
        )
        yield from _at_least(self, 0, 'warmup_steps', 'ahead', 'validate_every', 'picture_every')
        yield from _above(self, 0, 'learning_rate', 'clip_norm')
        yield from _share(self, 'final_share', 'ema_decay')
        yield from _at_least(self, 0, 'weight_decay')
        if not all(0 <= beta < 1 for beta in self.betas):
            yield f'betas is {self.betas}: expected 0 to below 1'
        if self.tensorboard and (missing := _missing('tensorboard')):
            yield f'tensorboard is true: install {missing}, or set it to false'
        if self.picture_every and (missing := _missing('cv2', 'PIL')):
            yield f'picture_every is {self.picture_every}: install {missing}, or set it to 0'


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
        yield from _at_least(self, 0, 'weight')
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
        yield from _at_least(self, 1, 'gain', 'gamma')
        yield from _at_least(self, 0, 'mismatch', 'dark')
        yield from _share(self, 'vignette', 'drop', 'drop_bins')


@dataclass
class AdaptConfig:
    """Self-correcting teacher and student, SCTS (Liu et al., BiCross, Eq. 4, 5, 6 and 8).

    Attributes:
        teacher_decay: Share of the teacher kept at each step (Eq. 4); less in the first ones:
            min(teacher_decay, (1 + t) / (10 + t)).
        pseudo_weight: Of L_SCP and, where uncertainty says so, of L_unc on pseudo labels; 0: the
            control without pseudo labels.
        filter: Whether only pseudo labels that the teacher is sure of count.
        threshold: Predicted relative error up to which it is sure; null: quantile.
        quantile: Share of each image's pixels that it is sure of.
        source_weight: Of L_sup and L_unc on the labelled source; 0: Eq. 8 as printed.
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
    pseudo_weight: float = 1.0
    filter: bool = True
    threshold: float | None = None
    quantile: float = 0.5
    source_weight: float = 1.0
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
        yield from _share(self, 'teacher_decay')
        yield from _at_least(
            self, 0, 'pseudo_weight', 'source_weight', 'alignment_weight', 'start_batches',
            'uncertainty_bound',
        )  # fmt: skip
        yield from _above(self, 0, 'discriminator_rate')
        yield from _at_least(self, 1, 'drift_bound')
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


@dataclass
class StageConfig:
    """One stage of training.

    Attributes:
        name: Of its folder, and what the checkpoint says trained it.
        kind: pretrain: depth and uncertainty from labelled scenes; cross_modality: the same for
            spikes, with a teacher of RGB (see distil); cross_domain: from labelled scenes to
            unlabelled spikes of the target (see adapt and target).
        input: What the network sees: spikes, or rgb (the teacher of later stages).
        start: Weights to start from: scratch, previous (those of the stage before it in the
            list, wherever the shapes fit), the name of an earlier stage, or imagenet (the encoder
            of dpt_hybrid as timm has it).
        teacher: For cross_modality: the name of the earlier stage, with input rgb, that teaches.
        imagenet: Where start: imagenet finds its weights: hub (timm downloads them), or a local
            file, see docs/models.md.
        steps: Optimiser steps; null: train.steps.
        batch_size: Images a step and process; null: train.batch_size.
        learning_rate: Peak of the learning rate; null: train.learning_rate.
        height: Rows of an image; null: data.height.
        width: Columns of an image; null: data.width. The canonical focal length of the stage is
            model.canonical_fx * width / data.width.
        planes: Lengths of the windows; null: data.planes.
        styles: Kinds of scenes, in turn; null: data.styles. One that is harder to learn may be
            named more than once.
        si: Form of the scale-invariant loss: plain (Eq. 5 as printed) or rooted (the authors'
            code).
        si_lambda: How much of a global scale that loss forgives: 0 none of it, 1 all.
        sky_weight: Weight of a pixel of sky, trained as the largest depth, beside 1 of others.
        uncertainty_weight: Weight of the loss of the uncertainty.
        ema_decay: Share of the averaged weights kept at each step; null: train.ema_decay. Where
            a cross_domain stage exports its teacher, which is an average, it averages no further.
        distil: For cross_modality.
        adapt: For cross_domain.
    """

    name: str = 'pre_src'
    kind: Kind = 'pretrain'
    input: Literal['spikes', 'rgb'] = 'spikes'
    start: str = 'scratch'
    teacher: str | None = None
    imagenet: str = 'hub'
    steps: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    height: int | None = None
    width: int | None = None
    planes: list[int] | None = None
    styles: list[Style] | None = None
    si: Literal['plain', 'rooted'] = 'plain'
    si_lambda: float = 0.5
    sky_weight: float = 0.2
    uncertainty_weight: float = 1.0
    ema_decay: float | None = None
    distil: DistilConfig = field(default_factory=DistilConfig)
    adapt: AdaptConfig = field(default_factory=AdaptConfig)

    def train(self, train: TrainConfig) -> TrainConfig:
        """The loop's settings with what this stage says otherwise."""
        own = _over(train, self, 'steps', 'batch_size', 'learning_rate', 'ema_decay')
        if self.kind == 'cross_domain' and self.adapt.deploy != 'student':
            return dataclasses.replace(own, ema_decay=0.0)
        return own

    def data(self, data: DataConfig) -> DataConfig:
        """The data's settings with what this stage says otherwise."""
        return _over(data, self, 'height', 'width', 'planes', 'styles')

    def model(self, model: ModelConfig, data: DataConfig) -> ModelConfig:
        """The network's settings for the images of this stage.

        Smaller images are those of the same camera made smaller: its canonical focal length, in
        pixels, shrinks with them. So an object that fills half the image has the same canonical
        depth in every stage, and the next stage need not learn another scale.
        """
        share = self.data(data).width / data.width
        return dataclasses.replace(model, canonical_fx=model.canonical_fx * share)

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        if not self.name.isidentifier():
            yield f'name is {self.name!r}: expected letters, digits and _'
        # The sizes and rates are checked with train and data, which they replace a part of.
        yield from self.train(TrainConfig(tensorboard=False, picture_every=0)).problems()
        yield from self.data(DataConfig()).problems()
        if not 0 <= self.si_lambda <= 1:
            yield f'si_lambda is {self.si_lambda:g}: expected 0 to 1'
        yield from _at_least(self, 0, 'sky_weight', 'uncertainty_weight')
        if self.kind != 'pretrain' and self.input != 'spikes':
            yield f'input is {self.input!r}: expected spikes in a stage of kind {self.kind}'
        if (self.teacher is None) == (self.kind == 'cross_modality'):
            expected = 'the name of a stage' if self.teacher is None else 'null'
            yield f'teacher is {self.teacher!r}: expected {expected} in one of kind {self.kind}'
        for name, kind, default in (
            ('distil', 'cross_modality', DistilConfig()),
            ('adapt', 'cross_domain', AdaptConfig()),
        ):
            part: Any = getattr(self, name)
            if self.kind != kind and part != default:
                yield f'{name} is given: expected it in a stage of kind {kind} only'
            yield from (f'{name}.{problem}' for problem in part.problems())


@dataclass
class EvaluateConfig:
    """Evaluation, and the fit of the uncertainty, on scenes that training never sees.

    Attributes:
        scenes: Test scenes of each style.
        constant_scenes: Training scenes of each style whose median depth is the control that
            looks at no image.
        calibration_scenes: Scenes of each style that the factor of the uncertainty is fitted on.
        batch_size: Images at a time; changes no figure.
        export: Write the .onnx file too (needs onnx, onnxscript and onnxruntime).
    """

    scenes: int = 200
    constant_scenes: int = 500
    calibration_scenes: int = 100
    batch_size: int = 20
    export: bool = True

    def problems(self) -> Problems:
        """Yields what is wrong, by the setting's name."""
        yield from _at_least(self, 2, 'scenes', 'batch_size')
        yield from _at_least(self, 1, 'constant_scenes', 'calibration_scenes')
        for name in ('scenes', 'constant_scenes', 'calibration_scenes'):
            value = getattr(self, name)
            if value % self.batch_size:
                yield f'{name} is {value}: expected a multiple of batch_size, {self.batch_size}'


@dataclass
class RunConfig:
    """Train by the stages of a config, evaluate, and export a checkpoint.

    The result is OUT/model.safetensors. Each stage has a folder below OUT with its checkpoints,
    scalars.jsonl and, if wanted, TensorBoard's files; OUT/config.yaml holds all settings.

    Attributes:
        out: Folder of the run; made if missing.
        resume: Continue the run in that folder from its newest checkpoint. Without it a folder
            that already holds a run is refused.
        stages: The stages in order; see --stages.help.
        model: The network.
        data: What is looked at.
        target: Where the network shall work; needed for stages of kind cross_domain. The report
            then has figures for it too. null: none.
        train: The loop.
        evaluate: Evaluation and calibration.
        seed: Of the scenes and of the first weights.
        device: cpu, cuda, or auto: a GPU where torch sees one.
        devices: Processes, one for each GPU (or on the CPU); torchrun and SLURM are understood.
        threads: CPU threads of torch; 0: one per core. Results repeat bit for bit only with the
            same number.
    """

    out: Path
    resume: bool = False
    stages: list[StageConfig] = field(default_factory=lambda: [StageConfig()])
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    target: TargetConfig | None = None
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    seed: int = 0
    device: Literal['auto', 'cpu', 'cuda'] = 'auto'
    devices: int = 1
    threads: int = 0


def problems_of(config: RunConfig) -> list[str]:
    """Everything that is wrong with settings of the right types, by their full names."""
    problems = list(_at_least(config, 0, 'seed', 'threads'))
    problems += _at_least(config, 1, 'devices')
    parts: dict[str, Any] = {
        name: getattr(config, name) for name in ('model', 'data', 'train', 'evaluate')
    }
    if config.target is not None:
        parts['target'] = config.target
    parts |= {f'stages[{i}]': stage for i, stage in enumerate(config.stages)}
    for name, part in parts.items():
        problems += (f'{name}.{problem}' for problem in part.problems())
    styles = config.data.styles
    if len({*styles}) < len(styles):
        problems.append(f'data.styles is {styles}: expected each once (stages may repeat some)')
    if not config.stages:
        problems.append('stages is empty: expected one or more')
    for i, stage in enumerate(config.stages):
        where = f'stages[{i}].'
        problems += (where + problem for problem in _order(config, config.stages[:i], stage))
    names = [stage.name for stage in config.stages]
    problems += (f'stages: two are named {name}' for name in {*names} if names.count(name) > 1)
    return problems


def _order(config: RunConfig, before: list[StageConfig], stage: StageConfig) -> Problems:
    """What is wrong between a stage and what it builds on."""
    inputs = {earlier.name: earlier.input for earlier in before}
    if stage.name in ('scratch', 'previous', 'imagenet'):
        yield f'name is {stage.name!r}: expected another one, it means something as a start'
    if stage.start == 'previous':
        if not before:
            yield "start is 'previous': there is no stage before the first"
    elif stage.start == 'imagenet':
        if config.model.architecture != 'dpt_hybrid':
            yield (
                "start is 'imagenet': there are such weights for dpt_hybrid alone, "
                f'model.architecture is {config.model.architecture}'
            )
    elif stage.start not in ('scratch', *inputs):
        yield (
            f'start is {stage.start!r}: expected scratch, previous, imagenet or the name of an '
            'earlier stage'
        )
    teacher = stage.teacher if stage.kind == 'cross_modality' else None
    if teacher is not None and inputs.get(teacher) != 'rgb':
        yield f'teacher is {teacher!r}: expected the name of an earlier stage of RGB'
    if stage.kind == 'cross_domain':
        if config.target is None:
            yield "kind is 'cross_domain': expected a target, the settings say none"
        if stage.start in ('scratch', 'imagenet'):
            yield f'start is {stage.start!r}: expected previous or the name of an earlier stage'


def check(config: RunConfig) -> None:
    """Refuses settings that cannot be.

    Raises:
        ConfigError: Lists everything that is wrong.
    """
    if problems := problems_of(config):
        raise ConfigError(listed(problems))


def to_yaml(config: RunConfig) -> str:
    """All settings, as --config takes them."""
    fields = dataclasses.asdict(config)
    fields['out'] = str(config.out)
    fields = _without_tuples(fields)
    text: str = yaml.safe_dump(fields, sort_keys=False)
    return text


def _without_tuples(value: Any) -> Any:
    """What YAML can write plainly."""
    if isinstance(value, dict):
        return {key: _without_tuples(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_tuples(inner) for inner in value]
    return value


def listed(problems: list[str]) -> str:
    """One message of all problems."""
    number = f'{len(problems)} settings are wrong' if len(problems) > 1 else 'a setting is wrong'
    return '\n  '.join([f'{number}:', *problems])


def _over(part: Part, other: Any, *names: str) -> Part:
    """A part of the settings with those that another one says otherwise."""
    own = {name: getattr(other, name) for name in names if getattr(other, name) is not None}
    return dataclasses.replace(part, **own)


def _at_least(part: Any, low: float, *names: str) -> Problems:
    return _outside(part, names, lambda value: low <= value < math.inf, f'{low:g} or more')


def _above(part: Any, low: float, *names: str) -> Problems:
    return _outside(part, names, lambda value: low < value < math.inf, f'above {low:g}')


def _share(part: Any, *names: str) -> Problems:
    return _outside(part, names, lambda value: 0 <= value < 1, '0 to below 1')


def _outside(part: Any, names: tuple[str, ...], fits: Any, expected: str) -> Problems:
    for name in names:
        value = getattr(part, name)
        if not fits(value):
            yield f'{name} is {value:g}: expected {expected}'


def _thresholds(part: Any, *names: str) -> Problems:
    """Problems of pairs of settings: an absolute threshold, and a quantile in its place."""
    for name in names:
        prefix = f'{name}_' if name else ''
        if getattr(part, f'{prefix}threshold') is not None:
            yield from _at_least(part, 0, f'{prefix}threshold')
        if not 0 <= (value := getattr(part, f'{prefix}quantile')) <= 1:
            yield f'{prefix}quantile is {value:g}: expected 0 to 1'


def _missing(*modules: str) -> str:
    return ' and '.join(name for name in modules if importlib.util.find_spec(name) is None)
