# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One pass over a bag with one or several models: windows are predicted and scored one by one."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spike_depth_ros.checkpoint import find_checkpoint
from spike_depth_ros.estimator import DepthEstimator, Prediction
from spike_depth_ros.evaluation.extremes import LargestDifferences
from spike_depth_ros.evaluation.frames import FrameTopic
from spike_depth_ros.evaluation.lockstep import Replay, TruthTopic, WindowSample
from spike_depth_ros.evaluation.metrics import EvalProtocol, Mean
from spike_depth_ros.evaluation.odometry import MotionReplay, MotionSettings
from spike_depth_ros.evaluation.output_bag import OutputBag
from spike_depth_ros.evaluation.pairs import MatcherInfo, PairReplay, PairScores, measured_range
from spike_depth_ros.evaluation.results import ModelRun, Stream, WindowsFile
from spike_depth_ros.evaluation.scores import Output, Scores
from spike_depth_ros.evaluation.truth import Mask, truth_image
from spike_depth_ros.filters.scale_from_height import ScaleFromHeight
from spike_depth_ros.filters.temporal_filter import TemporalFilter
from spike_depth_ros.fusion.frames import FrameSettings
from spike_depth_ros.geometry.depth_values import FloatImage
from spike_depth_ros.geometry.floor import CameraPose
from spike_depth_ros.io.bags.bag import Bag, BagError
from spike_depth_ros.io.topics import CameraTopics, FrameTopics
from spike_depth_ros.observation import Observation
from spike_depth_ros.stereo.estimator import MIN_DEPTH_M, StereoEstimator, StereoPrediction
from spike_depth_ros.stream import preview
from spike_depth_ros.stream.stamps import Arrival
from spike_depth_ros.stream.window import Window
from spike_depth_ros.tasks.depth import DepthInfo

TIMED = 100_000
"""Number of newest windows whose durations are kept."""

Estimator = DepthEstimator | StereoEstimator
"""What is evaluated: of one camera, or of two."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of an evaluation.

    Attributes:
        topics: Topics to read.
        right: Topics of the right camera; None: there is one camera.
        frames: Topics of frames beside the spikes, for networks that take them; None: none.
        image: Settings of the frames, as the node's parameters ``image.*``.
        frames_named: True if the user has named them.
        window: Planes in a window; 0: as the first model was trained.
        hop: Planes between the starts of windows; 0: the window length.
        rate_hz: Planes a second; 0: by the stamps.
        stamp_tolerance: Largest deviation of a packet's stamp that is not a gap, planes.
        size: Sensor (width, height) in pixels; None: from camera_info.
        rectify: Rectify lens distortion of camera_info, as the node's parameter ``rectify``.
        pose: Pose of the camera, for metres from its height; None: metres of the model.
        motion: Correction by the motion of the camera, in rows beside the network's; None: none.
        filter_s: Time constant of the temporal filter, as the node's parameter
            ``filter.temporal``, seconds; 0: none.
        min_depth_m: Depth of the nearest place that two cameras search, metres.
        protocol: Crop, cap, alignment.
        mean: The headline is a mean over ``pixels`` or ``images``.
        mask: Scored pixels of the true depth, ``[H, W]`` bool; None: all.
    """

    topics: CameraTopics
    right: CameraTopics | None = None
    frames: FrameTopics | None = None
    image: FrameSettings = FrameSettings()  # noqa: RUF009 - frozen
    frames_named: bool = False
    window: int = 0
    hop: int = 0
    rate_hz: float = 0.0
    stamp_tolerance: float = 0.5
    size: tuple[int, int] | None = None
    rectify: bool = True
    pose: CameraPose | None = None
    motion: MotionSettings | None = None
    filter_s: float = 0.0
    min_depth_m: float = MIN_DEPTH_M
    protocol: EvalProtocol = EvalProtocol()  # noqa: RUF009 - frozen
    mean: Mean = 'pixels'
    mask: Mask | None = None


class _ModelEvaluator:
    """Prediction and scoring of one model, window by window."""

    def __init__(
        self,
        label: str,
        estimator: Estimator,
        windows_file: WindowsFile,
        options: Options,
        motion: MotionReplay | None,
    ) -> None:
        self.label = label
        self.estimator = estimator
        self._temporal = TemporalFilter(options.filter_s)
        self._scale = ScaleFromHeight(options.pose) if options.pose is not None else None
        self.motion = motion
        self._range = self.window_range = (0.0, 0.0)  # of the model, and of its newest prediction
        self._min_depth_m = options.min_depth_m
        self.scores: Scores | None = None
        self.pairs: PairScores | None = None
        self.prediction: Prediction | None = None
        self.largest_differences: LargestDifferences | None = None
        self._file = windows_file
        self._notes: dict[str, None] = {}
        self._times_ms: collections.deque[float] = collections.deque(maxlen=TIMED)

    def infer(self, sample: WindowSample) -> tuple[Prediction, float]:
        """Return the estimator's prediction, and its duration, seconds."""
        window = sample.window
        self._measured_range(sample)  # what is wrong with it is said by its option
        started = time.perf_counter()
        prediction = self.estimator.predict(
            Observation(window, window.camera.fx_px, sample.right, sample.rig, sample.image)
        )
        return prediction, time.perf_counter() - started

    def predict(
        self, sample: WindowSample, prediction: Prediction, inference_s: float
    ) -> Prediction:
        """Filter and scale a prediction of :meth:`infer`."""
        window, measured = sample.window, self._measured_range(sample)
        started = time.perf_counter() - inference_s
        self._range = measured or prediction.depth_range
        if self.motion is not None:
            network = network_of(self.estimator)
            correction = None if network is None else network.correction
            prediction = self.motion.apply(prediction, sample, correction)
        prediction = self._temporal.apply(prediction, window)
        if self._scale is not None:
            matrix = window.camera.matrix
            prediction = self._scale.apply(prediction, matrix, window.reference_ns)
        self.window_range = measured or prediction.depth_range
        self.prediction = prediction
        self._times_ms.append(1e3 * (time.perf_counter() - started))
        self._notes.update(dict.fromkeys(self.prediction.notes))
        return self.prediction

    def _measured_range(self, sample: WindowSample) -> tuple[float, float] | None:
        """Return the range of two cameras: that of a prediction follows the factor of the fill."""
        return None if sample.rig is None else measured_range(sample.rig, self._min_depth_m)

    def score(self, output: Output, options: Options, hop_ns: int) -> dict[str, float]:
        assert self.prediction is not None
        if self.scores is None:
            self.scores = Scores(self._range, options.protocol, options.mean, hop_ns)
        elif self.scores.depth_range != self._range:
            raise BagError(
                'camera_info changes its focal length within the bag; expected one focal length: '
                'evaluate the parts before and after separately'
            )
        row = self.scores.add(output)
        self._file.add(row)
        if isinstance(self.prediction, StereoPrediction):
            self.pairs = self.pairs or PairScores(self._range, options.protocol)
            self.pairs.add(self.prediction, output.truth)
        return row

    def run(self) -> ModelRun:
        assert self.scores is not None
        assert self.prediction is not None
        median, high = np.percentile(self._times_ms, [50, 99])
        network = network_of(self.estimator)
        return ModelRun(
            label=self.label,
            info=info_of(self.estimator),
            backend='opencv' if network is None else network.backend,
            device='cpu' if network is None else network.device,
            scale=self.prediction.scale,
            notes=list(self._notes),
            scores=self.scores,
            times_ms={'predict': (float(median), float(high))},
            largest_differences=self.largest_differences,
            height=self.prediction.height,
            motion=None if self.motion is None else self.motion.refiner.status,
            pairs=self.pairs,
        )


def evaluate(
    bag: Bag,
    models: Sequence[tuple[str, Estimator]],
    options: Options,
    out: Path,
    output_bag: OutputBag | None = None,
    progress: Callable[[int], object] = lambda windows: None,
) -> tuple[Stream, list[ModelRun]]:
    """Evaluate models on every window of a bag.

    Args:
        bag: The bag.
        models: Label and estimator of each; at least one; of pairs, if there is a right camera.
        options: Topics, windows and protocol.
        out: Folder for ``windows.csv``, or ``windows_<label>.csv`` for each of several models.
        output_bag: Bag for the depth of the first model, corrected by motion if it is; None: it is
            not written.
        progress: Called with the number of windows so far.

    Returns:
        Results of the stream, and of each model.

    Raises:
        BagError: There is no window, the truth does not fit, or the models cannot be compared.
        OSError: A file cannot be written.
    """
    info = info_of(models[0][1])
    _check_comparable(models)
    replay = _replay(bag, options, info)
    with contextlib.ExitStack() as stack:
        evaluators = []
        rows = [
            (f'{label}{end}', estimator, motion)
            for label, estimator in models
            for end, motion in rows_of(options.motion)
        ]
        for label, estimator, motion in rows:
            name = 'windows.csv' if len(rows) == 1 else f'windows_{label}.csv'
            file = WindowsFile(out / name)
            stack.callback(file.close)
            replayed = None if motion is None else MotionReplay(motion, bag)
            evaluators.append(_ModelEvaluator(label, estimator, file, options, replayed))
        for other in evaluators[1:]:
            other.largest_differences = LargestDifferences()
        evaluation = _Evaluation(bag, replay, options, evaluators, output_bag)
        for sample in replay.windows(output_bag.copied() if output_bag is not None else None):
            evaluation.evaluate(sample)
            progress(evaluation.windows)
    return evaluation.finish(), [evaluator.run() for evaluator in evaluators]


def rows_of(motion: MotionSettings | None) -> Iterator[tuple[str, MotionSettings | None]]:
    """Yield the rows of a model: the end of each one's label, and its correction by motion.

    Args:
        motion: Settings of the correction; None: there is one row.
    """
    yield '', None
    if motion is not None:
        yield '_motion', motion
        if motion.delay_s > 0:
            yield '_motion_at_once', dataclasses.replace(motion, delay_s=0.0)


def network_of(estimator: Estimator) -> DepthEstimator | None:
    """Return the network of an estimator; None: it has none."""
    return estimator.fill if isinstance(estimator, StereoEstimator) else estimator


def info_of(estimator: Estimator) -> DepthInfo | MatcherInfo:
    """Return the metadata of an estimator's network, or what stands for them."""
    network = network_of(estimator)
    return MatcherInfo() if network is None else network.info


def _largest_age(estimator: Estimator) -> float | None:
    """Return the largest age of frames of a network, seconds; None: it takes none."""
    network = network_of(estimator)
    return None if network is None else network.info.largest_frame_age_s


def _replay(bag: Bag, options: Options, info: DepthInfo | MatcherInfo) -> Replay:
    window, settings = options.window or info.planes, (options.hop, info.reference_plane)
    stamps = options.rate_hz, options.stamp_tolerance
    if options.right is not None:
        return PairReplay(bag, (options.topics, options.right), window, *settings, *stamps)
    return Replay(
        bag, options.topics, window, *settings, *stamps, options.size, rectify=options.rectify
    )


class _Evaluation:
    """State of an evaluation from window to window."""

    def __init__(
        self,
        bag: Bag,
        replay: Replay,
        options: Options,
        evaluators: Sequence[_ModelEvaluator],
        output_bag: OutputBag | None,
    ) -> None:
        self.windows = 0
        self._bag = bag
        self._replay = replay
        self._options = options
        self._evaluators = evaluators
        # The depth that a node would publish.
        self._written = next((one for one in evaluators if one.motion is not None), evaluators[0])
        self._output_bag = output_bag
        self._truth: TruthTopic | None = None
        # Frames by their largest age: each network sees those of its own training.
        self._frames: dict[float, FrameTopic] = {}
        for one in evaluators:
            age_s = _largest_age(one.estimator)
            if age_s is not None and options.frames is not None and age_s not in self._frames:
                self._frames[age_s] = FrameTopic(bag, options.frames, options.image, age_s)
        self._first_ns = 0

    def evaluate(self, sample: WindowSample) -> None:
        """Predict and score a window with each model."""
        window = sample.window
        if window.camera.matrix is None:
            self._check_needs_no_focal_length()
        if self._truth is None:  # the plane rate, and so the hop, is known from here on
            self._truth = TruthTopic(
                self._bag, self._options.topics.truth, self._replay.hop_ns // 2
            )
            self._first_ns = window.reference_ns
        truth = self._truth.take(window.reference_ns)
        taken = {age_s: frames.take(window) for age_s, frames in self._frames.items()}
        scored = []
        inferred: dict[int, tuple[Prediction, float]] = {}  # rows of a model share it
        for evaluator in self._evaluators:
            age_s = _largest_age(evaluator.estimator)
            frame = None if age_s is None else taken.get(age_s)
            seen, key = dataclasses.replace(sample, image=frame), id(evaluator.estimator)
            if key not in inferred:
                inferred[key] = evaluator.infer(seen)
            prediction = evaluator.predict(seen, *inferred[key])
            depth = prediction.published_depth()
            if self._output_bag is not None and evaluator is self._written:
                self._output_bag.add(sample, prediction, depth)
            if sample.rig is not None:
                depth = prediction.depth  # its infinities have the range of each prediction
            output = Output(
                self.windows,
                window.reference_ns,
                depth,
                prediction.uncertainty,
                evaluator.window_range,
                functools.partial(_picture, window),
            )
            if truth is not None:
                image = _image(truth.image, window, prediction, self._options)
                output = dataclasses.replace(output, truth=image, truth_ns=truth.stamp_ns)
            row = evaluator.score(output, self._options, self._replay.hop_ns)
            scored.append((output, row))
            if evaluator.largest_differences is not None:
                evaluator.largest_differences.add(scored[0], scored[-1])
        self.windows += 1

    def _check_needs_no_focal_length(self) -> None:
        for wanted, what, option in (
            (self._options.pose, 'metres from the height', '--camera-height-m'),
            (self._options.motion, 'depth from the motion', '--refine motion'),
        ):
            if wanted is not None:
                raise BagError(
                    f'{self._bag.path}: no focal length for {what} of the camera: record '
                    f'camera_info with K, or leave out {option}'
                )

    def finish(self) -> Stream:
        """Return the results of the stream after its last window."""
        assert self._truth is not None
        self._truth.finish()
        replay, options = self._replay, self._options
        topics, right, texts = dataclasses.asdict(options.topics), None, list(_warnings(replay))
        if isinstance(replay, PairReplay) and options.right is not None:
            right = replay.right.accounting
            topics |= {
                f'right_{role}': name
                for role, name in dataclasses.asdict(options.right).items()
                if role != 'truth'
            }
            texts += replay.warnings_of_pairs()
            texts += [f'right: {text}' for text in _warnings(replay.right)]
        if options.frames is not None and self._frames:
            topics['image'] = options.frames.image
            topics['image_camera_info'] = options.frames.camera_info
            texts += dict.fromkeys(
                text for frames in self._frames.values() for text in frames.describe()
            )
        if (motion := self._written.motion) is not None and motion.odometry is not None:
            topics['odometry'] = motion.odometry.topic
            texts += [
                f'{text} ({count} times)' if count > 1 else text
                for text, count in motion.odometry.warnings.items()
            ]
        takes = any(_largest_age(one.estimator) is not None for one in self._evaluators)
        if takes and options.frames is None:
            texts.append('no frames are read: depth is of the spikes alone')
        elif options.frames_named and not takes:
            texts.append('frames are not used: no model takes them')
        stream = Stream(
            source=self._bag.path.resolve().name,
            mode='lockstep',
            topics=topics,
            window=replay.window,
            hop=replay.hop,
            plane_rate_hz=1e9 / replay.period_ns,
            windows=self.windows,
            accounting=replay.accounting,
            packets_refused=dict(sorted(replay.packets_refused.items())),
            gaps=[((gap.at_ns - self._first_ns) / 1e9, gap.planes) for gap in replay.gaps],
            truth=self._truth.buffer.accounting,
            warnings=[*self._bag.damage, *texts],
            right=right,
        )
        _check_matched(stream, replay.hop_ns)
        return stream


def labels(paths: Sequence[Path | None]) -> list[str]:
    """Return a unique short name for each model file, with its folder's name if necessary."""
    files = [find_checkpoint(path) for path in paths]
    names = [file.stem for file in files]
    if len(set(names)) < len(names):
        names = [f'{file.resolve().parent.name}_{file.stem}' for file in files]
    if len(set(names)) < len(names):
        names = [f'{name}_{number}' for number, name in enumerate(names, start=1)]
    return names


def _check_comparable(models: Sequence[tuple[str, Estimator]]) -> None:
    (first, one), *others = [(label, info_of(estimator)) for label, estimator in models]
    for label, other in others:
        if other.reference_plane != one.reference_plane:
            raise BagError(
                f'{first} gives the depth of the {one.reference_plane} plane of a window, '
                f'{label} of the {other.reference_plane}: evaluate them separately'
            )


def _picture(window: Window) -> npt.NDArray[np.uint8]:
    """Return the preview of a window, rectified as its depth."""
    picture, lens = preview.render(window), window.camera.rectification
    return picture if lens is None else lens.remap_picture(picture)


def _image(
    message: object, window: Window, prediction: Prediction, options: Options
) -> FloatImage:
    size = (prediction.depth.shape[0], prediction.depth.shape[1])
    lens = window.camera.rectification
    try:
        return truth_image(message, size, prediction.pixel_binning, options.mask, lens)  # type: ignore[arg-type]
    except ValueError as error:
        raise BagError(f'topic {options.topics.truth}: {error}') from error


def _warnings(replay: Replay) -> Iterator[str]:
    accounting = replay.accounting
    if accounting.gaps:
        stranded = accounting.refused.get('gap', 0)
        yield (
            f'gaps in the stream: {accounting.gaps}; {accounting.lost_in_transport} planes are '
            f'missing and {stranded} were left over before them; no window lies across a gap'
        )
    for kind, (count, text) in replay.warnings.items():
        if kind != Arrival.GAP.name:
            yield f'{text} ({count} times)' if count > 1 else text


def _check_matched(stream: Stream, hop_ns: int) -> None:
    truth = stream.truth
    if truth.received == truth.unusable or truth.used:
        return
    gap = ''
    if truth.nearest_ns is not None:
        gap = f'; the nearest is {truth.nearest_ns / 1e9:.6g} s away'
    raise BagError(
        f'topic {stream.topics["truth"]}: none of its {truth.received} images lies within half a '
        f'hop ({hop_ns / 2e6:.6g} ms) of a window{gap}: stamp both by one clock'
    )
