# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: one .safetensors file of weights, metadata, and the correction of a sensor.

The metadata is one flat JSON object under the key ``spike_depth_ros``: the fields of every task
(:class:`CheckpointInfo`), those of networks of spikes (:class:`SpikeInfo`), and those of its own
task (:data:`TASKS`). An .onnx export lies beside the file under the same name; each of the two
holds the hash of the other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base.schema import Problems, across, problems_of
from spike_depth_ros.base.values import (
    ASCENDING,
    DISTINCT,
    NOT_EMPTY,
    Check,
    Count,
    Text,
    above,
    one_of,
    shortened,
    within,
)
from spike_depth_ros.errors import OneLineError, one_line
from spike_depth_ros.result_files import write_atomically
from spike_depth_ros.stream.correction import PREFIX, SensorCorrection
from spike_depth_ros.stream.window import ReferencePlane
from spike_depth_ros.unshared_files import unshared

FORMAT_VERSION = 1
"""Version of the metadata that is written; newer ones are refused."""

METADATA_KEY = 'spike_depth_ros'

MAX_METADATA_BYTES = 1_000_000
"""Bytes of metadata that are read at most. Reading 60 MB blocks the interpreter for seconds."""

MAX_PLANES = 100_000
"""Planes of a window at most."""

MAX_BINS = 4096
"""Bins at most."""

MAX_SETTING = 4096
"""Largest whole number among the settings of an architecture, such as sizes and heads."""

MAX_AGE_S = 10.0
"""Largest age of a frame beside the spikes, seconds."""

MAX_POOL = 16
"""Image pixels per side of a pixel that the network works on, at most."""

MAX_POWER = 4.0
"""Largest absolute value of ``uncertainty_powers``."""

FACTORS = (2, 4, 8, 16)
"""Factors by which networks of the task ``upsample`` enlarge height and width."""

INPUTS_OF_MAPS = ('depth',), ('depth', 'rgb'), ('rgb',)
"""Inputs of networks of the task ``upsample``."""

BIT_MAPPING = 'count'
"""Bit mapping of the estimator: a spike counts 1, no spike 0."""

OPTIONAL = 'optional'
"""Key in the metadata of a field that a file need not have."""

Names = Annotated[tuple[Text, ...], NOT_EMPTY]
"""Names of inputs or outputs."""

Measure = Annotated[float, Check(lambda value: 0 < value < 1e12, 'above 0 and below 1e12')]
"""Length, focal length, rate or factor."""

Power = Annotated[float, within(-MAX_POWER, MAX_POWER)]
Hash = Annotated[str, Check(lambda text: len(text) in (0, 64), '64 hexadecimal digits')]


def names_with(*names: str) -> Check:
    """Return the check of names that some are among."""
    return Check(lambda given: {*names} <= {*given}, f'with {" and ".join(names)}')


Tensors = dict[str, npt.NDArray[Any]]
"""Weights by name."""

FloatImage = npt.NDArray[np.float32]
"""Image, float32."""


class CheckpointError(OneLineError):
    """Error of a checkpoint that cannot be used; one line that names file and field."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Metadata of a checkpoint of any task; :data:`TASKS` has the class of each task.

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
        if TASKS.get(self.task) is not type(self):
            own = ' or '.join(name for name, kind in TASKS.items() if kind is type(self))
            yield f'task is {self.task!r}: expected {own}'

    @across('settings')
    def _sizes(self) -> Problems:
        # A network beyond all use would take all memory.
        for name, value in self.settings.items():
            given = value if isinstance(value, (list, tuple)) else (value,)
            if any(_is_int(one) and not 0 <= one <= MAX_SETTING for one in given):
                yield f'settings.{name} is {shortened(value)}: expected 0 to {MAX_SETTING}'
            if any(isinstance(one, float) and not math.isfinite(one) for one in given):
                yield f'settings.{name} is {shortened(value)}: expected finite numbers'

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
        kind = _kind_of(fields)
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
        if not _is_int(pool) or not 1 <= pool <= MAX_POOL:
            yield f'settings.pool is {pool!r}: expected 1 to {MAX_POOL}'

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class DepthInfo(SpikeInfo):
    """Metadata of a checkpoint of the task ``depth``.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'depth'
    outputs: Annotated[Names, names_with('depth', 'uncertainty')] = ('depth', 'uncertainty')
    min_depth: Measure
    """Lowest depth at the canonical focal length, metres."""
    max_depth: Measure
    """Highest depth at the canonical focal length, metres."""
    canonical_fx: Measure
    """Focal length of the predicted depth, pixels."""
    fx_range: Annotated[tuple[Measure, Measure], ASCENDING]
    """Focal lengths in training, pixels."""
    uncertainty_factor: Measure = 1.0
    """Ratio of the 68 % interval's half-width to the head's relative error, which is first
    replaced as by uncertainty_powers."""
    uncertainty_powers: tuple[Power, Annotated[Power, above(0)]] = dataclasses.field(
        default=(0.0, 1.0), metadata={OPTIONAL: True}
    )
    """Powers of depth at the canonical focal length, in metres, and of the head's relative error,
    the product of which replaces this error."""
    uncertainty_calibrated: bool = False
    """True: these were measured; False: they are 1, and 0 and 1."""
    scale: Annotated[str, one_of('metric', 'inherited', 'none')] = 'none'
    """``metric``: trained on metres; ``inherited``: the scale is another camera's; ``none``: no
    scale."""

    @across('min_depth', 'max_depth')
    def _depths(self) -> Problems:
        if self.min_depth >= self.max_depth:
            yield (
                f'max_depth is {self.max_depth!r}: expected more than min_depth '
                f'({self.min_depth!r})'
            )

    def relative_error(self, depth: FloatImage, error: FloatImage) -> FloatImage:
        """Apply ``uncertainty_powers``.

        Args:
            depth: Metres at the canonical focal length, above 0.
            error: The head's relative error, above 0, of the same shape.

        Returns:
            The relative error that ``uncertainty_factor`` makes a half-width of depth; ``error``
            itself at the powers 0 and 1.
        """
        by_depth, by_error = self.uncertainty_powers
        if (by_depth, by_error) == (0.0, 1.0):
            return error
        with np.errstate(divide='ignore'):  # an error of 0 stays 0
            logarithm: FloatImage = np.log(error)  # faster than powers
        logarithm *= np.float32(by_error)
        logarithm += np.float32(by_depth) * np.log(depth)
        return np.exp(logarithm, out=logarithm)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FusedInfo(DepthInfo):
    """Metadata of a checkpoint of the task ``fused``: depth from spikes and a frame beside them.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'fused'
    inputs: Annotated[tuple[Text, ...], one_of(('spikes', 'rgb'))] = ('spikes', 'rgb')
    max_age_s: Annotated[float, within(0, MAX_AGE_S)]
    """Largest age of a frame in training, seconds before the reference plane."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageInfo(SpikeInfo):
    """Metadata of a checkpoint of the task ``image``: the firing rate at the middle plane.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'image'
    outputs: Annotated[Names, names_with('rate')] = ('rate',)

    @across('planes', 'bins', 'reference_plane')
    def _single_planes(self) -> Problems:
        if self.bins != self.planes or self.planes % 2 == 0:
            yield (
                f'planes is {self.planes} and bins {self.bins}: expected an odd number, and '
                'as many bins: networks of pictures take single planes around the middle one'
            )
        if self.reference_plane != 'middle':
            yield f"reference_plane is {self.reference_plane!r}: expected 'middle'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StereoInfo(SpikeInfo):
    """Metadata of a checkpoint of the task ``stereo``: disparity of pairs of windows.

    The eyes are rectified, and disparity is that beyond what is infinitely far.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'stereo'
    inputs: Annotated[tuple[Text, ...], one_of(('spikes', 'right'))] = ('spikes', 'right')
    outputs: Annotated[Names, names_with('disparity', 'uncertainty')] = (
        'disparity', 'uncertainty',
    )  # fmt: skip
    uncertainty_factor: Measure = 1.0
    """Ratio of the 68 % interval's half-width to the predicted one."""
    uncertainty_calibrated: bool = False
    """True: it was measured; False: it is 1."""

    @across('settings')
    def _disparities(self) -> Problems:
        found: Any = self.settings.get('disparities')
        pool = self.settings.get('pool', 1)
        step = 16 * (pool if _is_int(pool) else 1)
        if not _is_int(found) or found < 1 or found % step:
            yield f'settings.disparities is {shortened(found)}: expected a multiple of {step}'

    @property
    def disparities(self) -> int:
        """Searched disparities, from 0 on, image pixels; a multiple of 16 ``pool``."""
        return int(self.settings['disparities'])


@dataclasses.dataclass(frozen=True, kw_only=True)
class UpsampleInfo(CheckpointInfo):
    """Metadata of a checkpoint of the task ``upsample``: a depth map enlarged, without spikes.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'upsample'
    inputs: Annotated[tuple[Text, ...], one_of(('depth',), ('depth', 'rgb'), ('rgb',))] = (
        'depth',
    )
    """``depth``, the small map; with ``rgb`` also a picture of the enlarged size; or ``rgb``
    alone, of a network that only training uses."""
    outputs: Annotated[tuple[Text, ...], one_of(('depth',))] = ('depth',)
    factors: Annotated[
        tuple[Annotated[int, one_of(*FACTORS)], ...], NOT_EMPTY, DISTINCT, ASCENDING
    ]
    """Factors by which the network enlarges height and width, some of ``FACTORS``."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationInfo(CheckpointInfo):
    """Metadata of a checkpoint of the task ``translation``: a picture in another look.

    Raises:
        CheckpointError: The value of a field is invalid; the message names it.
    """

    task: Text = 'translation'
    inputs: Annotated[tuple[Text, ...], one_of(('rgb',))] = ('rgb',)
    outputs: Annotated[tuple[Text, ...], one_of(('picture',))] = ('picture',)


TASKS: dict[str, type[CheckpointInfo]] = {
    'depth': DepthInfo,
    'image': ImageInfo,
    'stereo': StereoInfo,
    'upsample': UpsampleInfo,
    'fused': FusedInfo,
    'translation': TranslationInfo,
}
"""Class of the metadata of each task."""

Info = TypeVar('Info', bound=CheckpointInfo)
"""Metadata of one task, or of any."""


SHIPPED = ('unet_lite',)
"""Names of the shipped models of depth, the default first: docs/model_card.md."""

IMAGE_MODEL = 'recon_lite'
"""Name of the shipped model of pictures: docs/reconstruction.md."""

UPSAMPLE_MODEL = 'upsample_lite'
"""Name of the shipped model that enlarges depth maps: docs/dsr.md."""

SHIPPED_BY_TASK = {'depth': SHIPPED, 'image': (IMAGE_MODEL,), 'upsample': (UPSAMPLE_MODEL,)}
"""Names of all shipped models."""

ALL_SHIPPED = tuple(name for names in SHIPPED_BY_TASK.values() for name in names)
"""Names of all shipped models, those of depth first."""


def default_checkpoint() -> Path:
    """Return the path of the default checkpoint."""
    return find_checkpoint(None)


def find_checkpoint(name: str | os.PathLike[str] | None) -> Path:
    """Return the path of a checkpoint, which may be missing.

    Args:
        name: One of ``ALL_SHIPPED``; a .safetensors file; empty or None: the default model of
            depth.
    """
    text = os.fspath(name or '')
    text = SHIPPED[0] if text in ('', '.') else text  # Path('') is .
    if text not in ALL_SHIPPED:
        return Path(text)
    folder = importlib.resources.files('spike_depth_ros') / 'assets'
    return Path(str(folder / f'{text}.safetensors'))


def onnx_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a checkpoint's .onnx export: beside it, under the same name."""
    return Path(path).with_suffix('.onnx')


@overload
def load_info(path: str | os.PathLike[str]) -> DepthInfo: ...
@overload
def load_info(path: str | os.PathLike[str], kind: type[Info]) -> Info: ...
def load_info(path: str | os.PathLike[str], kind: Any = DepthInfo) -> Any:
    """Read a checkpoint's metadata without its weights.

    Args:
        path: The .safetensors file.
        kind: Expected class of the metadata; :class:`SpikeInfo`: of any task of spikes;
            :class:`CheckpointInfo`: of any task.

    Raises:
        CheckpointError: Missing, truncated, of another program, of a newer format, of another
            task, or with an invalid field.
    """
    return _read(path, kind, whole=False)[0]


@overload
def load(path: str | os.PathLike[str]) -> tuple[DepthInfo, Tensors]: ...
@overload
def load(path: str | os.PathLike[str], kind: type[Info]) -> tuple[Info, Tensors]: ...
def load(path: str | os.PathLike[str], kind: Any = DepthInfo) -> tuple[Any, Tensors]:
    """Read metadata and weights, and compare the weights with their hash.

    Args:
        path: The .safetensors file.
        kind: Expected class of the metadata; :class:`SpikeInfo`: of any task of spikes;
            :class:`CheckpointInfo`: of any task.

    Raises:
        CheckpointError: As :func:`load_info`, the weights do not have their hash, or the
            correction of a sensor is malformed.
    """
    return load_with_correction(path, kind)[:2]


@overload
def load_with_correction(
    path: str | os.PathLike[str],
) -> tuple[DepthInfo, Tensors, SensorCorrection | None]: ...
@overload
def load_with_correction(
    path: str | os.PathLike[str], kind: type[Info]
) -> tuple[Info, Tensors, SensorCorrection | None]: ...
def load_with_correction(
    path: str | os.PathLike[str], kind: Any = DepthInfo
) -> tuple[Any, Tensors, SensorCorrection | None]:
    """Read metadata, weights, and the correction of a sensor if the file has one.

    Args:
        path: The .safetensors file.
        kind: Expected class of the metadata; :class:`SpikeInfo`: of any task of spikes;
            :class:`CheckpointInfo`: of any task.

    Raises:
        CheckpointError: As :func:`load`.
    """
    info, tensors = _read(path, kind, whole=True)
    found = hash_weights(tensors)
    if found != info.weights_sha256:
        raise CheckpointError(
            f'{path}: the hash of its weights is {found[:12]}..., expected '
            f'{info.weights_sha256[:12]}... (field weights_sha256): the file is damaged, copy or '
            'export it again'
        )
    try:
        correction = SensorCorrection.from_tensors(tensors)
    except ValueError as error:
        raise CheckpointError(f'{path}: sensor correction: {error}') from None
    if correction is not None:
        _check_correction(path, info, correction)
    weights = {name: value for name, value in tensors.items() if not name.startswith(PREFIX)}
    return info, weights, correction


def save(
    path: str | os.PathLike[str],
    tensors: Mapping[str, npt.NDArray[Any]],
    info: Info,
    correction: SensorCorrection | None = None,
) -> Info:
    """Write a checkpoint atomically.

    Args:
        path: The .safetensors file.
        tensors: Weights by name.
        info: Metadata; its ``weights_sha256`` is set here.
        correction: Correction of the sensor that the weights are for.

    Returns:
        The written metadata.
    """
    from safetensors.numpy import save as serialise

    if correction is not None:
        tensors = {**tensors, **correction.tensors()}
    # Not np.ascontiguousarray, which gives a scalar a dimension.
    contiguous = {name: np.asarray(value, order='C') for name, value in tensors.items()}
    info = dataclasses.replace(info, weights_sha256=hash_weights(contiguous))
    write_atomically(path, serialise(contiguous, {METADATA_KEY: info.to_json()}))
    return info


def hash_weights(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return the SHA-256 of name, type, shape and bytes of all tensors, in the order of names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f'{name} {value.dtype.str} {list(value.shape)}\n'.encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _kind_of(fields: Mapping[str, Any]) -> type[CheckpointInfo]:
    """Return the class of the task that metadata name."""
    if 'task' not in fields:
        raise CheckpointError('its metadata lacks field task')
    task = fields['task']
    if not isinstance(task, str) or task not in TASKS:
        raise CheckpointError(
            f'field task is {shortened(task)}: expected one of {", ".join(TASKS)} in this version '
            'of spike_depth_ros'
        )
    return TASKS[task]


def _read(
    path: str | os.PathLike[str], kind: type[CheckpointInfo], whole: bool
) -> tuple[CheckpointInfo, Tensors]:
    """Return the metadata, and the tensors unless they are not wanted."""
    from safetensors import SafetensorError

    if not Path(path).is_file():
        tasks = [task for task, info in TASKS.items() if issubclass(info, kind)]
        known = [name for task in tasks for name in SHIPPED_BY_TASK.get(task, ())]
        raise CheckpointError(
            f'{path}: no such checkpoint; expected a .safetensors file'
            + (f' or one of {", ".join(known)}' if known else '')
        )
    header = _check_size_of_metadata(Path(path))
    try:
        with unshared(Path(path), None if whole else header) as given:
            metadata, content = _parse(given, whole)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f'{path}: truncated or not a .safetensors file ({one_line(error)})'
        ) from None
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None
    if METADATA_KEY not in metadata:
        raise CheckpointError(
            f'{path}: has no metadata {METADATA_KEY}; expected a checkpoint of this package'
        )
    try:
        info = CheckpointInfo.from_json(metadata[METADATA_KEY])
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None
    if not isinstance(info, kind):
        expected = ' or '.join(repr(name) for name, one in TASKS.items() if issubclass(one, kind))
        raise CheckpointError(f'{path}: field task is {info.task!r}, expected {expected}')
    return info, content


def _check_correction(
    path: str | os.PathLike[str], info: CheckpointInfo, correction: SensorCorrection
) -> None:
    """Refuse the correction of a sensor that is none of the network's."""
    if not isinstance(info, DepthInfo):
        raise CheckpointError(
            f'{path}: sensor correction in a checkpoint of task {info.task!r}, expected depth'
        )
    if info.sensor_size is not None and info.sensor_size != correction.size:
        height, width = correction.size
        raise CheckpointError(
            f'{path}: sensor correction of {width}x{height} pixels: expected '
            f'{info.sensor_size[1]}x{info.sensor_size[0]} (field sensor_size)'
        )


def _check_size_of_metadata(path: Path) -> int:
    """Refuse metadata above the limit before they are read.

    A .safetensors file begins with the length of its header: metadata and the list of tensors.

    Returns:
        Bytes up to the end of the header.
    """
    with path.open('rb') as file:
        length = int.from_bytes(file.read(8), 'little')
    if MAX_METADATA_BYTES < length <= path.stat().st_size:
        raise CheckpointError(
            f'{path}: its metadata take {length / 1e6:.1f} MB, expected at most '
            f'{MAX_METADATA_BYTES / 1e6:g} MB'
        )
    return 8 + min(length, MAX_METADATA_BYTES)


_OF_NUMPY = {
    'BOOL': 'bool',
    **{f'F{bits}': f'<f{bits // 8}' for bits in (16, 32, 64)},
    **{
        f'{kind}{bits}': f'<{kind.lower()}{bits // 8}' for kind in 'IU' for bits in (8, 16, 32, 64)
    },
}
"""Types of tensors in a file, those that numpy itself has, and their names there."""


def _parse(given: bytes | Path, whole: bool) -> tuple[Mapping[str, str], Tensors]:
    """Return the metadata of a file, and its tensors unless they are not wanted."""
    import safetensors
    from safetensors import safe_open

    if isinstance(given, bytes):
        deserialize: Any = safetensors.deserialize  # untyped
        tensors = deserialize(given)  # checks the header, too
        header = json.loads(given[8 : 8 + int.from_bytes(given[:8], 'little')])
        for _, value in tensors if whole else ():
            _check_type(value['dtype'])
        return header.get('__metadata__') or {}, {
            name: np.frombuffer(value['data'], _OF_NUMPY[value['dtype']]).reshape(value['shape'])
            for name, value in (tensors if whole else ())
        }
    with safe_open(os.fspath(given), framework='numpy') as file:
        # An open file has keys(), but does not iterate.
        names = list(file.keys()) if whole else []
        for name in names:
            _check_type(file.get_slice(name).get_dtype())
        return file.metadata() or {}, {name: file.get_tensor(name) for name in names}


def _check_type(kind: str) -> None:
    # numpy has others where a package such as ml_dtypes is imported.
    if kind not in _OF_NUMPY:
        raise CheckpointError(f'weights are of type {kind}; expected F16 or F32: convert them')


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
