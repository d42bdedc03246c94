# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of stages that learn from a foundation model's features; without torch."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from spike_depth_ros.base.schema import Problems, across
from spike_depth_ros.base.values import Check, Count, NotNegative, within
from spike_depth_ros.tasks.architectures import SETTINGS, settings_of
from spike_training.errors import ConfigError
from spike_training.learning.settings import SupervisedConfig
from spike_training.settings.config import BatchSpec, ResolvedStage, StageConfig
from spike_training.teacher import TeacherFiles, find_teacher

Cosine = Annotated[float, Check(lambda value: 0 < value <= 1, 'above 0 and up to 1')]


@dataclass
class FuseConfig(SupervisedConfig):
    """Kind fuse: depth from spikes and a frame, either of which may be missing or damaged.

    It learns from labels of generated scenes, whose frames and spikes are damaged, and missing,
    by chance (``sampling/frames.py``).
    """

    implementation = 'spike_training.methods.fuse.fuse:Fuse'
    summary = 'learns depth from spikes and a frame beside them'
    task = 'fused'

    kind: str = 'fuse'
    dropped: Annotated[float, within(0, 0.5)] = 0.15
    """Share of the samples without a frame, and of those without spikes, 0 to 0.5."""
    other_scene: NotNegative = 0.0
    """Share of the samples with the frame of another scene, 0 to what ``dropped`` leaves."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Inputs of the network, as its checkpoints name them."""
        return ('spikes', 'rgb')

    @property
    def batches(self) -> BatchSpec:
        """Spikes and frames of the source."""
        return BatchSpec(frame=True, dropped=self.dropped, other_scene=self.other_scene)

    @across('dropped', 'other_scene')
    def _rest_of_samples(self) -> Problems:
        if 2 * self.dropped + self.other_scene > 1:
            yield f'other_scene is {self.other_scene:g}: expected 0 to {1 - 2 * self.dropped:g}'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        if self.input != 'spikes':
            yield f'input is {self.input!r}: expected spikes, frames are always beside them'
        for name in ('recordings', 'mixed_recordings'):
            if getattr(here.run.data, name):
                yield f'data.{name} is given: expected none, generated scenes alone have frames'


@dataclass
class RobustConfig(FuseConfig):
    """Kind robust: the fusion of damaged frames and spikes gives what a teacher sees (stage 2).

    The teacher, a network of frames, sees them undamaged. The fusion alone learns, from the
    teacher's depth and features in place of labels (Sun et al., degradation-robust fusion).
    """

    implementation = 'spike_training.methods.fuse.robust:Robust'
    summary = 'learns to fuse, from a teacher that sees undamaged frames'

    kind: str = 'robust'
    teacher: str | None = None
    """Name of the earlier stage of this method with ``uses: frame``. ``init_from`` is to name it,
    too: backbone, decoder and heads stay those of the teacher. Settings of losses of labels have
    no effect."""
    token_weight: NotNegative = 1.0
    """Weight of the loss of features; that of depth has 1."""
    largest_cosine: Cosine = 0.85
    """Cosine of features above which they do not count; nor do they below 0."""

    @property
    def batches(self) -> BatchSpec:
        """Spikes and frames of the source, and undamaged colours."""
        return dataclasses.replace(super().batches, rgb=True)

    @property
    def builds_on(self) -> tuple[str, ...]:
        """Earlier stages, the teacher's included; see :attr:`StageConfig.builds_on`."""
        return (*([] if self.teacher is None else [self.teacher]), *super().builds_on)

    @across()
    def _has_teacher(self) -> Problems:
        if self.teacher is None:
            yield f'teacher is None: expected the name of a stage in one of kind {self.kind}'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it."""
        yield from super().problems_in_run(here, before)
        of_frames = {one.stage.name for one in before if one.model.settings.get('uses') == 'frame'}
        if self.teacher is not None and self.teacher not in of_frames:
            yield (
                f'teacher is {self.teacher!r}: expected the name of an earlier stage with '
                'settings: {uses: frame}'
            )
        if self.teacher is not None and self.init_from != self.teacher:
            yield f'init_from is {self.init_from!r}: expected {self.teacher!r}, as teacher'
        elif teacher := next((one for one in before if one.stage.name == self.teacher), None):
            own, other = (one.model.sizes for one in (here, teacher))
            for name in sorted(own.keys() - OF_FUSION):
                if own.get(name) != other.get(name):
                    yield (
                        f'settings.{name} is {own.get(name)}, that of {self.teacher} '
                        f'{other.get(name)}: expected one value, all but the fusion is kept'
                    )


OF_FUSION = {'uses', 'fusion', 'heads', 'paper_exact'}
"""Settings of a network that say how it fuses, which a network of frames does not."""

ARCHITECTURE = 'depth_anything'
"""Architecture that can have a teacher's weights."""

NEEDED = ('transformers', 'peft')
"""Packages of a stage that aligns."""


@dataclass
class AlignConfig(StageConfig):
    """Kind align: Depth Anything learns to see spikes as it sees colours (Sun et al., stage 1).

    A frozen model sees the colours of a scene, its copy the spikes. Adapters of low rank (Hu et
    al., "LoRA: Low-Rank Adaptation of Large Language Models") in the backbone's linear layers, its
    biases, patch and position embeddings and class token learn; no depth is read. The result has
    no scale: a stage that learns from depth follows, such as bicross.pretrain.
    """

    implementation = 'spike_training.methods.fuse.align:Align'
    summary = "learns a foundation model's features from spikes"
    scale = 'none'

    kind: str = 'align'
    teacher: str = ''
    """Folder with config.json, preprocessor_config.json and model.safetensors of a relative Depth
    Anything model; nothing is downloaded."""
    licence: str = ''
    """Licence of its weights, such as Apache-2.0; it is kept with all that learns from them."""
    rank: Count = 8
    """Rank of the adapters."""
    token_weight: NotNegative = 1.0
    """Weight of the loss of tokens; that of disparity has 1."""
    largest_cosine: Cosine = 0.85
    """Cosine of a student's and a teacher's token above which it does not count; nor does it below
    0."""

    @property
    def batches(self) -> BatchSpec:
        """Spikes and colours of the source."""
        return BatchSpec('source', rgb=True)

    def find_teacher(self) -> TeacherFiles:
        """Find the teacher's files.

        Raises:
            ConfigError: They are missing, of another model or without a licence.
        """
        return find_teacher(Path(self.teacher), self.licence)

    def data_sets(self) -> dict[str, str]:
        """Name the teacher's weights and their licence."""
        files = self.find_teacher()
        name = f'Depth Anything weights {files.sha256()[:12]}, {files.folder.resolve().name}'
        return {name: files.licence}

    @across()
    def _starts_as_the_teacher(self) -> Problems:
        if self.input != 'spikes':
            yield f'input is {self.input!r}: expected spikes, the teacher sees the colours'
        if self.init_from != 'scratch':
            yield f'init_from is {self.init_from!r}: expected scratch, it starts as the teacher'
        if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
            yield f'kind is {self.kind!r}: pip install {" ".join(missing)}'

    def problems_in_run(self, here: ResolvedStage, before: Sequence[ResolvedStage]) -> Problems:
        """Yield conflicts of the stage with the run and with the stages before it.

        As with recordings, a folder that is missing is told when the stage starts.
        """
        yield from super().problems_in_run(here, before)
        if here.run.model.architecture != ARCHITECTURE:
            yield (
                f'kind is {self.kind!r}: expected model.architecture {ARCHITECTURE}, it is '
                f'{here.run.model.architecture}'
            )
            return
        if not Path(self.teacher).expanduser().is_dir() and self.licence:
            return
        try:
            files = self.find_teacher()
            wanted = settings_of(files.config)
            settings = SETTINGS[ARCHITECTURE](**here.model.settings)
        except ConfigError as error:
            yield str(error)
        except ValueError as error:
            yield f'teacher {files.folder}: {error}'
        except TypeError:
            return  # told with the model
        else:
            if self.rank > settings.hidden:
                yield f'rank is {self.rank}: expected at most {settings.hidden}, as hidden'
            has = json.loads(json.dumps(dataclasses.asdict(settings)))
            if any(has[name] != value for name, value in wanted.items()):
                yield (
                    f'teacher {files.folder} has other sizes than the network: expected '
                    f'model.settings: {json.dumps(wanted)}'
                )
