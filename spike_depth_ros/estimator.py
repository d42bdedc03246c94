# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Estimators, the main interface of the library: from a window of planes to depth or an image."""

from __future__ import annotations

import dataclasses
import math
import os
import threading
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from spike_depth_ros.base import opencv as cv2
from spike_depth_ros.checkpoint import (
    IMAGE_MODEL,
    CheckpointError,
    Tensors,
    find_checkpoint,
    load_with_correction,
    onnx_path,
)
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.observation import Frame, Observation
from spike_depth_ros.runtime.backend import Backend, check_threads, choose
from spike_depth_ros.runtime.layout import FrameInput, Layout
from spike_depth_ros.stream import health as stream_health
from spike_depth_ros.stream import packing
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.correction import SensorCorrection
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tasks.base import SpikeInfo
from spike_depth_ros.tasks.depth import BEYOND, TOO_NEAR, DepthInfo
from spike_depth_ros.tasks.image import ImageInfo

MIN_PIXELS = 16
"""Smallest height and width of a depth image, pixels."""

MAX_PIXELS = 400_000
"""Sensors with more pixels are binned 2x2 before the network."""

LIGHT_ROWS = 32
"""Fewest rows whose exposure is measured; all rows of a sensor with fewer than 64."""

MIN_SATURATED_PLANES = 16
"""Shortest window that is checked for saturation: in shorter ones normal pixels always fire."""

TRIAL_RATES = (0.02, 0.2, 0.8)
"""Firing rates of the windows that are predicted before a model is used, spikes per plane."""

TRIAL_SIZE = (128, 128)
"""Height and width of those windows where neither stream nor model has a size, pixels."""

MAX_TRIAL_PLANES = 256
"""Planes of those windows at most, if the bins need no more."""

SAME_RATE = 0.01
"""Relative change of the plane rate up to which the correction of dark current stays."""

SpikeKind = TypeVar('SpikeKind', bound=SpikeInfo)
"""Metadata of one task of spikes."""


@dataclasses.dataclass(frozen=True)
class HeightScale:
    """Scale of a prediction from the height of the camera above the floor.

    Attributes:
        factor: Factor on the depth of the model.
        uncertainty: Half-width of the 68 % interval of its logarithm.
        inliers: Share of the searched pixels on the floor of this window, 0 to 1; 0: no floor.
        age_s: Time since the newest window whose floor was used, seconds.
        tilt_rad: Angle between the floor and the stated tilt of the camera.
    """

    factor: float
    uncertainty: float
    inliers: float
    age_s: float
    tilt_rad: float


@dataclasses.dataclass(frozen=True)
class MotionRefinement:
    """Correction of a prediction by points whose depth the camera's motion measures.

    Attributes:
        factor: Factor on the depth of the model; 1 where the points have no metres.
        uncertainty: Half-width of the 68 % interval of its logarithm; 0 likewise.
        places: Columns and rows of the points that were used, ``[N, 2]`` pixels of the image.
        depth: Their depth, ``[N]``, in metres, or the map's unit.
        parallax_px: Their median parallax, in the pair of pictures with the largest one.
        age_s: Time since they were measured, seconds.
        metres: True if the factor gives metres.
    """

    factor: float
    uncertainty: float
    places: npt.NDArray[np.float64] = dataclasses.field(compare=False)
    depth: npt.NDArray[np.float64] = dataclasses.field(compare=False)
    parallax_px: float
    age_s: float
    metres: bool

    @property
    def points(self) -> int:
        """Number of points that were used; 0: none, and the factor is that of earlier ones."""
        return len(self.depth)


@dataclasses.dataclass(frozen=True)
class Prediction:
    """Depth of one window, at the time of its reference plane.

    Attributes:
        depth: Metres along the optical axis, ``[height, width]`` float32; NaN where a rectified
            image shows what the sensor does not.
        uncertainty: Half-width of the 68 % interval, metres, same shape; NaN likewise.
        depth_range: Lowest and highest possible depth at this focal length, metres. Values near
            either end mean "closer" and "farther".
        scale: The checkpoint's kind of scale (``metric``, ``inherited``, ``none``), ``assumed``
            where the focal length is not known, ``height``, or ``odometry``.
        pixel_binning: Sensor pixels per side of a depth pixel, 1 or 2. At 2, focal length and
            principal point are halved (``c' = (c + 0.5) / 2 - 0.5``), an odd last row or column is
            left out.
        notes: Reasons for less confidence, one line each; empty if all is as in training.
        height: Scale from the height of the camera; None unless ``scale`` is ``height``.
        motion: Correction by the motion of the camera; None: there is none.
    """

    depth: FloatImage
    uncertainty: FloatImage
    depth_range: tuple[float, float]
    scale: str
    pixel_binning: int
    notes: tuple[str, ...]
    height: HeightScale | None = None
    motion: MotionRefinement | None = None

    def scaled(self, factor: float, uncertainty: float, scale: str) -> Prediction:
        """Return the prediction with depth times a factor.

        Args:
            factor: The factor, above 0.
            uncertainty: Half-width of the 68 % interval of its logarithm; added, squared, to that
                of the logarithm of depth.
            scale: What gives the metres, see :attr:`scale`.
        """
        depth = self.depth * np.float32(factor)
        squares, added = self.uncertainty * np.float32(factor), depth * np.float32(uncertainty)
        squares *= squares
        added *= added
        squares += added
        near, far = self.depth_range
        return dataclasses.replace(
            self,
            depth=depth,
            uncertainty=np.sqrt(squares, out=squares),
            depth_range=(near * factor, far * factor),
            scale=scale,
        )

    def refined(
        self, motion: MotionRefinement, correction: FloatImage, deviation: FloatImage
    ) -> Prediction:
        """Return the prediction corrected by the motion of the camera.

        Args:
            motion: Its factor, and what it is made of.
            correction: Added to the logarithm of depth beside the factor, ``[height, width]``.
            deviation: Relative uncertainty afterwards, same shape.
        """
        near, far = self.depth_range
        # What is nearer or farther than the range stays so: the network has not measured it.
        outside = (self.depth <= TOO_NEAR * near) | (self.depth >= BEYOND * far)
        moved = np.where(outside, np.float32(0), correction)
        depth = self.depth * np.exp(moved + np.float32(math.log(motion.factor)))
        return dataclasses.replace(
            self,
            depth=depth,
            uncertainty=deviation * depth,
            depth_range=(near * motion.factor, far * motion.factor),
            scale='odometry' if motion.metres else self.scale,
            motion=motion,
        )

    def noted(self, *notes: str) -> Prediction:
        """Return the prediction with more notes."""
        return dataclasses.replace(self, notes=(*self.notes, *notes))

    @property
    def relative_uncertainty(self) -> FloatImage:
        """Ratio of uncertainty to depth, ``[height, width]``."""
        return self.uncertainty / self.depth

    def published_depth(
        self, max_relative: float = 0.0, nearest_m: float = 0.0, farthest_m: float = 0.0
    ) -> FloatImage:
        """Return depth as it is published (REP 117).

        Args:
            max_relative: Depth is NaN where uncertainty / depth is above this; 0 masks nothing.
            nearest_m: Depth below this is too near, metres.
            farthest_m: Depth above this is beyond range, metres; 0: none is.

        Returns:
            Metres, ``[height, width]``; -Inf too near, +Inf beyond range, NaN invalid or masked.
        """
        near, far = self.depth_range
        depth = self.depth.copy()
        if max_relative > 0:
            depth[self.uncertainty > max_relative * self.depth] = np.nan
        too_near, beyond = depth <= TOO_NEAR * near, depth >= BEYOND * far
        if nearest_m > 0:
            too_near |= depth < nearest_m
        if farthest_m > 0:
            beyond |= depth > farthest_m
        depth[too_near] = -np.inf
        depth[beyond] = np.inf
        return depth

    def camera_matrix(self, values: npt.ArrayLike, columns: int) -> list[float]:
        """Scale a matrix of the spike camera to the pixels of the depth image.

        Pixel centres are at integer coordinates, so that the principal point moves.

        Args:
            values: K (3 x 3) or P (3 x 4), row by row, pixels; zeros: not calibrated.
            columns: 3 or 4.

        Returns:
            The scaled matrix, row by row, pixels.
        """
        matrix = np.array(values, np.float64).reshape(3, columns)
        return [float(value) for value in binned_camera(matrix, self.pixel_binning).ravel()]


def pixel_binning(geometry: Geometry, max_pixels: int = MAX_PIXELS) -> int:
    """Return the sensor pixels per side of a depth pixel, 1 or 2."""
    return 2 if geometry.height * geometry.width > max_pixels else 1


def binned_camera(matrix: npt.NDArray[np.float64], pixel_binning: int) -> npt.NDArray[np.float64]:
    """Return a camera matrix of the pixels of a depth image.

    Args:
        matrix: K ``[3, 3]`` or P ``[3, 4]`` of the sensor, pixels; zeros: not calibrated.
        pixel_binning: Sensor pixels per side of a depth pixel.
    """
    found = matrix.copy()
    if found[0, 0] != 0 and pixel_binning != 1:
        found[:2, 2] = (found[:2, 2] + 0.5) / pixel_binning - 0.5
        found[[0, 1], [0, 1]] /= pixel_binning
        found[:2, 3:] /= pixel_binning
    return found


def binned_picture(picture: npt.NDArray[np.uint8], pixel_binning: int) -> npt.NDArray[np.uint8]:
    """Return a picture of the pixels of a depth image: the means of sensor pixels.

    Args:
        picture: ``[height, width]`` of the sensor.
        pixel_binning: Sensor pixels per side of a depth pixel; an odd last row or column is left
            out.
    """
    if pixel_binning == 1:
        return picture
    rows, columns = (side // pixel_binning for side in picture.shape)
    whole = picture[: rows * pixel_binning, : columns * pixel_binning]
    return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


class DepthEstimator:
    """Estimator of depth from windows of spike planes.

    Predicts one window at a time: calls from several threads wait for each other.

    Attributes:
        info: Metadata of the checkpoint.
        checkpoint: Its file; None if not loaded from a file.
        correction: Correction of the sensor; None: none.
    """

    def __init__(
        self,
        info: DepthInfo,
        backend: Backend,
        max_pixels: int = MAX_PIXELS,
        correction: SensorCorrection | None = None,
    ) -> None:
        """Build an estimator from its parts; see :meth:`from_checkpoint`.

        Args:
            info: Metadata of the network.
            backend: Runtime of the network.
            max_pixels: Sensors with more pixels are binned 2x2.
            correction: Correction of the sensor.
        """
        self.info = info
        self.correction = correction
        self._used: Layout | None = None
        self.checkpoint: Path | None = None
        self._backend = backend
        self._max_pixels = max_pixels
        self._lock = threading.Lock()

    @classmethod
    def from_checkpoint(
        cls,
        path: str | os.PathLike[str] | None = None,
        device: str = 'auto',
        backend: str = 'auto',
        threads: int = 0,
        max_pixels: int = MAX_PIXELS,
        size: tuple[int, int] | None = None,
    ) -> DepthEstimator:
        """Load a checkpoint, and check its depth in trial windows.

        Args:
            path: The .safetensors file, or the name of a model that ships with the package; None:
                its default.
            device: ``cpu``, ``cuda``, or ``auto``: a GPU if torch finds one, else the CPU.
            backend: ``onnx`` (CPU), ``torch``, or ``auto``: torch on a GPU, onnx on a CPU.
            threads: CPU threads of one inference; 0: the backend's default, one per core.
            max_pixels: Sensors with more pixels are binned 2x2 before the network.
            size: Height and width of the sensor, for the trial windows; None: not known.

        Raises:
            CheckpointError: The file is missing, damaged, of a newer format or does not fit, its
                .onnx export is missing or stale, or it predicts no finite depth.
            ValueError: The device or backend is not available on this machine.
        """
        path = find_checkpoint(path)
        info, runner, correction = _open(path, DepthInfo, device, backend, threads)
        estimator = cls(info, runner, max_pixels, correction)
        estimator.checkpoint = path
        try:
            estimator.check(size)
        except BaseException as error:
            estimator.close()
            if isinstance(error, CheckpointError):
                raise CheckpointError(f'{path}: {error}') from None
            raise
        return estimator

    def check(self, size: tuple[int, int] | None = None) -> None:
        """Predict trial windows, dark to bright, always the same ones.

        Args:
            size: Height and width of the sensor, unless the checkpoint requires others; None, or
                too small for a network: :data:`TRIAL_SIZE`.

        Raises:
            CheckpointError: Depth or uncertainty is not finite or out of its range.
        """
        info = self.info
        required = self.correction.size if self.correction is not None else info.sensor_size
        size = required or size or TRIAL_SIZE
        height, width = size if required or min(size) >= 2 * MIN_PIXELS else TRIAL_SIZE
        rng = np.random.default_rng(0)
        for rate in TRIAL_RATES:
            window = trial_window(info, (height, width), rate, rng)
            pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
            images = (None, Frame(pixels)) if info.largest_frame_age_s is not None else (None,)
            for image in images:
                problem = _problem_of(self.predict(Observation(window, image=image)))
                if problem:
                    beside = '' if image is None else ' and a frame'
                    raise CheckpointError(
                        f'in a trial window of {width}x{height} pixels with {rate:g} spikes per '
                        f'pixel and plane{beside} {problem}: choose another checkpoint'
                    )
        self._used = None  # the stream has another plane rate

    @property
    def backend(self) -> str:
        """``onnx`` or ``torch``."""
        return self._backend.name

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._backend.device

    def predict(self, observation: Observation) -> Prediction:
        """Predict depth, of rectified images where the window's camera has a rectification.

        The network predicts for one canonical focal length. Depth scales with the real one (the
        canonical camera space of Yin et al., Metric3D).

        Args:
            observation: Window and focal length, and the frame of a network that takes one.

        Raises:
            TypeError: ``observation`` is not an :class:`Observation`.
            ValueError: The window is too small or too long for the network, or of another sensor
                size than the checkpoint, or its correction of the sensor, requires; or the frame
                is of another size than the sensor, and not registered.
        """
        if not isinstance(observation, Observation):
            raise TypeError(
                f'predict got a {type(observation).__name__}: expected an Observation, for '
                'example predict(Observation(window, fx_px))'
            )
        window, info = observation.window, self.info
        layout = self._layout(window)
        notes = []
        if observation.fx_px:
            fx = observation.fx_px / layout.pixel_binning
            scale = info.scale
        else:
            fx = info.canonical_fx
            scale = 'assumed'
            notes.append(f'focal length unknown, {fx:g} pixels assumed')
        notes += outside('focal length', fx, info.fx_range, 'pixels')
        notes += outside('window', window.planes, info.planes_range, 'planes')
        notes += outside('plane rate', window.rate_hz, info.rate_hz_range, 'Hz')
        notes += _light_notes(window)
        frame = self._frame(observation.image, layout, notes)
        with self._lock:
            images = self._backend.run(window.data, layout, frame)
        ratio = fx / info.canonical_fx
        unknown = layout.unknown
        # Crop and scale in one pass, to arrays of their own.
        depth = np.ascontiguousarray(images['depth'] * np.float32(ratio))
        error = info.relative_error(images['depth'], images['uncertainty'])
        uncertainty = np.ascontiguousarray(error * depth)
        uncertainty *= info.uncertainty_factor
        if unknown is not None:
            depth[unknown] = uncertainty[unknown] = np.nan
        return Prediction(
            depth=depth,
            uncertainty=uncertainty,
            depth_range=(info.min_depth * ratio, info.max_depth * ratio),
            scale=scale,
            pixel_binning=layout.pixel_binning,
            notes=tuple(notes),
        )

    def close(self) -> None:
        """Free device memory; the estimator cannot predict afterwards."""
        with self._lock:
            self._backend.close()

    def _frame(self, image: Frame | None, layout: Layout, notes: list[str]) -> FrameInput | None:
        """Return the frame as the network takes it, and add notes on it."""
        if image is None:
            return None
        oldest_s = self.info.largest_frame_age_s
        if oldest_s is None:
            notes.append('the frame is not used: the network takes spikes alone')
            return None
        if outside('', image.age_s, (0, oldest_s), 's'):
            # Without the age, which differs in each window.
            notes.append(
                f'the frame is not 0 to {oldest_s:g} s older than the window, as in training'
            )
        return image.image(layout)

    def _layout(self, window: Window) -> Layout:
        sensor = window.geometry
        binning = pixel_binning(sensor, self._max_pixels)
        check_sensor(self.info, (sensor.height, sensor.width), binning)
        used, rate_hz = self._used, 0.0
        if self.correction is not None:
            _check_correction(self.correction, (sensor.height, sensor.width))
            rate_hz = window.rate_hz
            if used is not None and abs(used.rate_hz / rate_hz - 1) < SAME_RATE:
                rate_hz = used.rate_hz
        layout = Layout(
            sensor, window.planes, self.info.bins, binning, self.info.pool, self.correction,
            rate_hz, window.camera.rectification,
        )  # fmt: skip
        if used is not None and layout == used:
            return used  # it keeps its maps
        self._used = layout
        return layout


@dataclasses.dataclass(frozen=True)
class ReconstructedImage:
    """Image of one window, as reconstructed, at the time of its reference plane.

    Attributes:
        rate: Firing rate, spikes per plane, ``[height, width]`` float32, 0 to 1; linear in
            luminance. :func:`spike_depth_ros.stream.preview.encode` makes grey values of it.
        notes: Reasons for less confidence, one line each; empty if all is as in training.
    """

    rate: FloatImage
    notes: tuple[str, ...]


class ImageEstimator:
    """Estimator of a sharp image from windows of spike planes (task ``image``).

    Predicts one window at a time: calls from several threads wait for each other.

    Attributes:
        info: Metadata of the checkpoint.
    """

    def __init__(self, info: ImageInfo, backend: Backend) -> None:
        """Build an estimator from its parts; see :meth:`from_checkpoint`.

        Args:
            info: Metadata of the network.
            backend: Runtime of the network.
        """
        self.info = info
        self._backend = backend
        self._lock = threading.Lock()

    @classmethod
    def from_checkpoint(
        cls,
        path: str | os.PathLike[str] | None = None,
        device: str = 'auto',
        backend: str = 'auto',
        threads: int = 0,
    ) -> ImageEstimator:
        """Load a checkpoint.

        Args:
            path: The .safetensors file, or the name of a model that ships with the package; None:
                ``recon_lite``.
            device: As for :meth:`DepthEstimator.from_checkpoint`.
            backend: As there.
            threads: As there.

        Raises:
            CheckpointError: As there.
            ValueError: As there.
        """
        found = find_checkpoint(path or IMAGE_MODEL)
        return cls(*_open(found, ImageInfo, device, backend, threads)[:2])

    def predict(self, window: Window) -> ReconstructedImage:
        """Reconstruct the image at the reference plane, from the planes around it.

        Args:
            window: At least as many planes as the network takes (``info.planes``). If its
                reference plane is near an end, the image is of the nearest plane that has
                enough planes on both sides, and a note says so.

        Raises:
            TypeError: ``window`` is not a :class:`Window`.
            ValueError: The window is shorter, the sensor too small, or of another size than the
                checkpoint requires.
        """
        if not isinstance(window, Window):
            raise TypeError(
                f'predict got a {type(window).__name__}: expected a Window, for example '
                'predict(Window.from_planes(planes, rate_hz))'
            )
        info, sensor = self.info, window.geometry
        if window.planes < info.planes:
            raise ValueError(
                f'window of {window.planes} planes: expected {info.planes} or more for this '
                'network: choose a longer window, or a preview without learning'
            )
        check_sensor(info, (sensor.height, sensor.width))
        notes = outside('plane rate', window.rate_hz, info.rate_hz_range, 'Hz')
        layout = Layout(sensor, info.planes, info.bins, pool=info.pool)
        part = window.middle(info.planes)
        if part.reference_plane != info.planes // 2:
            away = abs(part.reference_plane - info.planes // 2)
            notes.append(f'the picture is {away} planes away from the reference plane')
        planes = np.ascontiguousarray(part.data)
        with self._lock:
            images = self._backend.run(planes, layout)
        return ReconstructedImage(np.ascontiguousarray(images['rate']), tuple(notes))

    def close(self) -> None:
        """Free device memory; the estimator cannot predict afterwards."""
        with self._lock:
            self._backend.close()


def _open(
    path: Path, kind: type[SpikeKind], device: str, backend: str, threads: int
) -> tuple[SpikeKind, Backend, SensorCorrection | None]:
    """Load a checkpoint of a task and start its network."""
    info, tensors, correction = load_with_correction(path, kind)
    if info.inputs != ('spikes',) and info.largest_frame_age_s is None:
        raise CheckpointError(
            f'{path}: field inputs is {list(info.inputs)}, expected spikes: choose a network '
            'of spikes, others are for training only'
        )
    return info, start_backend(path, info, tensors, device, backend, threads), correction


def start_backend(
    path: Path, info: SpikeInfo, tensors: Tensors, device: str, backend: str, threads: int
) -> Backend:
    """Start the network of a checkpoint.

    Args:
        path: Its file, beside which the .onnx export is.
        info: Its metadata.
        tensors: Its weights.
        device: ``auto``, ``cpu`` or ``cuda``.
        backend: ``auto``, ``onnx`` or ``torch``.
        threads: CPU threads; 0: the backend's default.

    Raises:
        CheckpointError: The weights or the export cannot be used.
        ValueError: The device or backend is not available on this machine, or the number of
            threads is out of range.
    """
    check_threads(threads)
    _check_weights(path, tensors)
    name, chosen = choose(backend, device, onnx_path(path).is_file())
    # Imported only here: each pulls in its own runtime.
    if name == 'onnx':
        from spike_depth_ros.runtime.onnx import OnnxBackend

        return OnnxBackend(onnx_path(path), info, threads)
    from spike_depth_ros.runtime.torch import TorchBackend

    try:
        return TorchBackend(info, tensors, chosen, threads)
    except CheckpointError as error:
        raise CheckpointError(f'{path}: {error}') from None


def _problem_of(prediction: Prediction) -> str:
    """Return what is wrong with a prediction; empty if nothing is."""
    depth, (near, far) = prediction.depth, prediction.depth_range
    bad = 1 - np.isfinite(depth).mean()
    if bad:
        return f'depth is not finite in {bad:.2%} of the pixels, expected {near:g} to {far:g} m'
    low, high = float(depth.min()), float(depth.max())
    # As half floats on a GPU.
    if low < 0.98 * near or high > 1.02 * far:
        return f'depth is {low:g} to {high:g} m, expected {near:g} to {far:g} m'
    if not (np.isfinite(prediction.uncertainty).all() and prediction.uncertainty.min() >= 0):
        return 'uncertainty is not finite or negative, expected finite metres'
    return ''


def _check_weights(path: Path, tensors: Tensors) -> None:
    """Refuse weights that are not finite: a network may hide them, in a limit of its output."""
    for name, value in tensors.items():
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise CheckpointError(
                f'{path}: weight {name} has NaN or infinite values, expected finite ones: choose '
                'another checkpoint'
            )


def trial_window(
    info: SpikeInfo, size: tuple[int, int], rate: float, rng: np.random.Generator
) -> Window:
    """Make a window of noise that a network takes.

    Args:
        info: Metadata of the network.
        size: Height and width of the sensor, pixels.
        rate: Spikes of a pixel in each plane, on average.
        rng: Random numbers.
    """
    planes = max(min(info.planes, MAX_TRIAL_PLANES), info.bins)
    # A few planes again and again: memory for large sensors.
    spikes = rng.random((8, *size), np.float32) < rate
    packed = packing.pack(spikes.astype(np.uint8))[np.arange(planes) % len(spikes)]
    rate_hz = min(max(sum(info.rate_hz_range) / 2, 1.0), 1e6)
    return Window(packed, Geometry(*size), 0, round(1e9 / rate_hz), 0, 0)


def check_sensor(info: SpikeInfo, size: tuple[int, int], binning: int = 1) -> None:
    """Refuse a sensor size that a network does not take.

    Args:
        info: Metadata of the network.
        size: Height and width of the sensor, pixels.
        binning: Pixels each way that become one.

    Raises:
        ValueError: Too small, or not the size that the checkpoint requires.
    """
    if info.sensor_size is not None and info.sensor_size != size:
        height, width = info.sensor_size
        raise ValueError(
            f'sensor of {size[1]}x{size[0]} pixels: expected {width}x{height} '
            '(field sensor_size): choose a checkpoint for this sensor'
        )
    if min(size) // binning < MIN_PIXELS:
        raise ValueError(
            f'sensor of {size[1]}x{size[0]} pixels: expected at least {binning * MIN_PIXELS} '
            'each way'
        )


def _check_correction(correction: SensorCorrection, size: tuple[int, int]) -> None:
    """Refuse windows of another sensor size than that of the correction."""
    if size != correction.size:
        height, width = correction.size
        raise ValueError(
            f'sensor of {size[1]}x{size[0]} pixels: expected {width}x{height}, the size of the '
            "checkpoint's sensor correction: choose a checkpoint for this sensor"
        )


def _light_notes(window: Window) -> list[str]:
    """Return notes on the exposure, without numbers: equal notes of many windows are merged."""
    sensor = window.geometry
    # Of some rows: all of them would take as long as counting for the network.
    rows = window.data[:, :: max(sensor.height // LIGHT_ROWS, 1)]
    counts = packing.spike_counts(rows, sensor.width, sensor.bit_order)
    exposure = stream_health.measure_exposure(counts, window.planes)
    if exposure.too_dark:
        rate = f'under {stream_health.DARK_RATE:g} spikes a pixel and plane'
        return [f'window too dark, {rate}: depth is unreliable; add light']
    if exposure.saturated and window.planes >= MIN_SATURATED_PLANES:
        share = f'over {stream_health.SATURATED_SHARE:.0%} of pixels fire in every plane'
        return [f'window saturated, {share}: close the iris or raise the plane rate']
    return []


def outside(what: str, value: float, limits: tuple[float, float], unit: str) -> list[str]:
    """Return a note on a value outside of what a network was trained for; none: it is inside.

    Args:
        what: Name of the value.
        value: The value.
        limits: Lowest and highest value of training.
        unit: Its unit.
    """
    low, high = limits
    # Rates measured from stamps, and calibrations, vary by less than this.
    if 0.99 * low <= value <= 1.01 * high:
        return []
    return [f'{what} {value:g} {unit}, trained for {low:g} to {high:g}']
