# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tasks of networks: what each is for, and what metadata its checkpoints have.

A task is one module beside this one: the class of its metadata, registered by :func:`task`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.errors import OneLineError
from spike_depth_ros.base.schema import Problems, across, problems_of
from spike_depth_ros.base.values import (
    ASCENDING,
    NOT_EMPTY,
    Check,
    Count,
    Text,
    one_of,
    shortened,
    within,
)
from spike_depth_ros.stream.window import ReferencePlane

FORMAT_VERSION = 1
"""Version of the metadata that is written; newer ones are refused."""

MAX_PLANES = 100_000
"""Planes of a window at most."""

MAX_BINS = 4096
"""Bins at most."""

MAX_SETTING = 4096
"""Largest whole number among the settings of an architecture, such as sizes and heads."""

MAX_POOL = 16
"""Image pixels per side of a pixel that the network works on, at most."""

BIT_MAPPING = 'count'
"""Bit mapping of the estimator: a spike counts 1, no spike 0."""

OPTIONAL = 'optional'
"""Key in the metadata of a field that a file need not have."""

Names = Annotated[tuple[Text, ...], NOT_EMPTY]
"""Names of inputs or outputs."""

Measure = Annotated[float, Check(lambda value: 0 < value < 1e12, 'above 0 and below 1e12')]
"""Length, focal length, rate or factor."""

Hash = Annotated[str, Check(lambda text: len(text) in (0, 64), '64 hexadecimal digits')]

FloatImage = npt.NDArray[np.float32]
"""Image, float32."""


def names_with(*names: str) -> Check:
    """Return the check of names that some are among."""
    return Check(lambda given: {*names} <= {*given}, f'with {" and ".join(names)}')


class CheckpointError(OneLineError):
    """Error of a checkpoint that cannot be used; one line that names file and field."""


@dataclasses.dataclass(frozen=True)
class TaskKind:
    """Task of networks.

    Attributes:
        name: Its name, as in the metadata of checkpoints.
        info: Class of these metadata, which checks them.
        architectures: Names of the architectures of its networks.
        images: Names that ``outputs`` of a checkpoint may have.
        shipped: Names of the shipped models, the default first.
        opened_by: Class that opens a checkpoint of it, by its path; empty: training alone.
    """

    name: str
    info: type[CheckpointInfo]
    architectures: tuple[str, ...]
    images: tuple[str, ...]
    shipped: tuple[str, ...] = ()
    opened_by: str = ''


TASKS: dict[str, TaskKind] = {}
"""Tasks by name; those of this package are there once it is imported."""

Info = TypeVar('Info', bound='CheckpointInfo')
"""Metadata of one task, or of any."""


def task(
    name: str,
    architectures: tuple[str, ...],
    images: tuple[str, ...],
    shipped: tuple[str, ...] = (),
    opened_by: str = '',
) -> Callable[[type[Info]], type[Info]]:
    """Register the class of a task's metadata.

    The arguments are those of :class:`TaskKind`.
    """

    def register(info: type[Info]) -> type[Info]:
        TASKS[name] = TaskKind(name, info, architectures, images, shipped, opened_by)
        return info

    return register


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Metadata of a checkpoint of any task; :data:`TASKS` has that of each.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text
    """Task of the network, a key of :data:`TASKS`."""
    inputs: Names
    """Modalities of the input."""
    outputs: Names
    """Names of the output images."""
    architecture: Text
    """Name of the architecture."""
    settings: Mapping[Text, Any]
    """Arguments of the architecture's builder, such as sizes."""
    stage: Text
    """Last training stage of the weights; ``random``: untrained."""
    package_version: Text
    """Version of this package that saved the file."""
    format_version: Annotated[int, one_of(FORMAT_VERSION)] = FORMAT_VERSION
    """Version of this list of fields."""
    datasets: Mapping[Text, Text] = dataclasses.field(default_factory=dict)
    """Name -> licence of every data set that the weights come from."""
    metrics: Mapping[Text, float] = dataclasses.field(default_factory=dict)
    """Metrics at saving, by name."""
    commit: Text | None = None
    """Its commit; None: unknown."""
    weights_sha256: Hash = ''
    """Hash of the weights and the correction of the sensor, see :func:`hash_weights`."""
    onnx_sha256: Hash | None = None
    """Hash of the .onnx file beside it; None: never exported."""

    def __post_init__(self) -> None:
        if problems := [f'field {problem}' for problem in problems_of(self)]:
            raise CheckpointError('; '.join(problems))

    @across('task')
    def _class_of_task(self) -> Problems:
        own = [name for name, kind in TASKS.items() if kind.info is type(self)]
        if self.task not in own:
            yield f'task is {self.task!r}: expected {" or ".join(own)}'

    @across('settings')
    def _sizes(self) -> Problems:
        # A network beyond all use would take all memory.
        for name, value in self.settings.items():
            given = value if isinstance(value, (list, tuple)) else (value,)
            if any(is_int(one) and not 0 <= one <= MAX_SETTING for one in given):
                yield f'settings.{name} is {shortened(value)}: expected 0 to {MAX_SETTING}'
            if any(isinstance(one, float) and not math.isfinite(one) for one in given):
                yield f'settings.{name} is {shortened(value)}: expected finite numbers'

    @property
    def multiple(self) -> int:
        """Divisor of the input's height and width that suits the network, pixels."""
        return 16

    def facts(self) -> list[list[str]]:
        """Return what a reader of a page is told beside weights and data: names and texts."""
        return []

    def problem_of_correction(self, height: int, width: int) -> str:
        """Say why the correction of a sensor of this size is none of the network's, or nothing."""
        return f'in a checkpoint of task {self.task!r}, expected depth'

    def to_json(self) -> str:
        """Return one line of JSON, keys sorted: the fields but optional ones at their default."""
        tree = dataclasses.asdict(self)
        for field in dataclasses.fields(self):
            if field.metadata.get(OPTIONAL) and tree[field.name] == field.default:
                del tree[field.name]
        return json.dumps(tree, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> CheckpointInfo:
        """Parse the output of :meth:`to_json`.

        Returns:
            An object of the class of its task.

        Raises:
            CheckpointError: Not JSON, of a newer format, of an unknown task, or a field is
                missing, unknown or invalid.
        """
        try:
            fields = json.loads(text)
        except ValueError as error:
            raise CheckpointError(f'its metadata is not JSON ({error})') from None
        except RecursionError:
            raise CheckpointError('its metadata are nested too deeply') from None
        if not isinstance(fields, dict):
            raise CheckpointError('its metadata is not a JSON object')
        version = fields.get('format_version')
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CheckpointError(
                f'field format_version is {version}: expected at most {FORMAT_VERSION}: '
                'upgrade spike_depth_ros'
            )
        kind = _kind_of(fields).info
        # Fields are required in a file: defaults are for writing, not a guess at reading. Those
        # that came later are optional, so that older files stay valid, and as they are.
        known = {field.name for field in dataclasses.fields(kind)}
        required = {f.name for f in dataclasses.fields(kind) if not f.metadata.get(OPTIONAL)}
        if missing := required - set(fields):
            raise CheckpointError(f'its metadata lacks field {min(missing)}')
        if unknown := set(fields) - known:
            raise CheckpointError(f'its metadata has unknown field {shortened(min(unknown))}')
        for name, value in fields.items():
            if isinstance(value, list):
                fields[name] = tuple(value)
        return kind(**fields)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpikeInfo(CheckpointInfo):
    """Metadata of a checkpoint of any task whose networks take windows of spikes.

    In training such a network may also take pictures, as its ``inputs`` say.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    inputs: Names = ('spikes',)
    """Modalities of the input: ``spikes``; of pairs those of the left eye, and ``right``."""
    planes: Annotated[int, within(1, MAX_PLANES)]
    """Planes of a window in training."""
    planes_range: Annotated[tuple[Count, Count], ASCENDING]
    """Fewest and most planes of a window in training."""
    bins: Annotated[int, within(1, MAX_BINS)]
    """Channels of counts of the input."""
    rate_hz_range: Annotated[tuple[Measure, Measure], ASCENDING]
    """Plane rates in training, Hz."""
    bit_mapping: Annotated[str, one_of(BIT_MAPPING)] = BIT_MAPPING
    """Value of a bit; ``count``: 1 for a spike, 0 for none."""
    sensor_size: tuple[Count, Count] | None = None
    """Height and width in pixels that the network requires; None: any."""
    reference_plane: ReferencePlane = 'middle'
    """Plane of the window that the outputs belong to: ``first``, ``middle`` or ``last``."""

    @across('settings')
    def _pool(self) -> Problems:
        pool = self.settings.get('pool', 1)
        if not is_int(pool) or not 1 <= pool <= MAX_POOL:
            yield f'settings.pool is {pool!r}: expected 1 to {MAX_POOL}'

    @property
    def largest_frame_age_s(self) -> float | None:
        """Largest age of a frame beside the spikes, seconds; None: the network takes none."""
        return None

    @property
    def pool(self) -> int:
        """Image pixels per side of a pixel that the network works on."""
        return int(self.settings.get('pool', 1))

    @property
    def multiple(self) -> int:
        """Divisor of the input's height and width, pixels; edges are repeated to reach it.

        The network's tokens are 16 of its own pixels apart.
        """
        return 16 * self.pool


def _kind_of(fields: Mapping[str, Any]) -> TaskKind:
    """Return the task that metadata name."""
    if 'task' not in fields:
        raise CheckpointError('its metadata lacks field task')
    given = fields['task']
    if not isinstance(given, str) or given not in TASKS:
        raise CheckpointError(
            f'field task is {shortened(given)}: expected one of {", ".join(TASKS)} in this '
            'version of spike_depth_ros'
        )
    return TASKS[given]


def is_int(value: object) -> bool:
    """Check for a whole number, which True is not."""
    return isinstance(value, int) and not isinstance(value, bool)
