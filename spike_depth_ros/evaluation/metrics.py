# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics of depth and uncertainty, as sums and counts; definitions in docs/reference/metrics.md.

Each image is scored separately, and only sums and counts are kept, which can be merged. Batches
and processes therefore do not change the result.

Scored pixels. A pixel has truth where the true depth is finite and positive; NaN, 0 and less mean
no measurement; +Inf is sky, which has no relative error and is reported separately. Every pixel
with truth is scored: there is no mask by uncertainty here, and predictions that were masked by it
must not be scored. Following REP 117, a prediction of -Inf means 'nearer than the range' and +Inf
'beyond the range'; they are scored as the range's limits. Where the prediction is NaN the pixel is
not covered: it lowers ``coverage``, and metrics of an incomplete prediction are marked.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from spike_depth_ros.filters.flying_pixels import EDGE_SPAN, SEEN_RADIUS
from spike_depth_ros.tasks.depth import BEYOND

FloatArray: TypeAlias = 'npt.NDArray[np.floating[Any]]'  # numpy 1.21 cannot subscript it
_Doubles = npt.NDArray[np.float64]
_Mask = npt.NDArray[np.bool_]
_Reduce = Callable[[npt.NDArray[Any]], np.floating[Any]]

Crop = Literal['none', 'garg']
Alignment = Literal['none', 'median', 'scale_shift', 'disparity']
Mean = Literal['pixels', 'images']

FLOOR_M = 1e-3
"""Least depth of a scored prediction, metres: lower ones are set to it, for logarithms."""

GARG_CROP = (0.40810811, 0.99189189, 0.03594771, 0.96405229)
"""First and last row, first and last column, as shares of KITTI's images (Garg et al., 2016)."""

DEPTH_METRICS = (
    'abs_rel',
    'sq_rel',
    'rmse',
    'rmse_log',
    'log10',
    'silog',
    'delta1',
    'delta2',
    'delta3',
)
"""Names of the depth metrics, in the order of tables."""

BOUNDARY_STEP = 0.1
"""Smallest step of log depth between neighbouring pixels at a boundary."""

BOUNDARY_TOLERANCE = 2
"""Chebyshev distance up to which predicted and true boundary pixels match, pixels."""

MIN_COMPARABLE = 0.1
"""Smallest share of comparable pixels among the covered ones for a boundary F1."""

ORDINAL_PAIRS = 10_000
"""Largest number of compared pixel pairs of an image."""

ORDINAL_RATIO = 1.1
"""Smallest ratio of the true depths of a pair."""

ORDINAL_SEED = 20_260
"""Seed of the pairs, together with the index of the image."""

SPARSIFICATION_STEPS = 20
"""Points of the drawn sparsification curve; the areas use every pixel."""

CURVES = ('by_uncertainty', 'oracle')
"""Names of the sparsification curves, by uncertainty and by error."""

EDGE_RADIUS = 2
"""Chebyshev distance up to which true depth spans that much at an edge, pixels."""

STRUCTURE_METRICS = ('boundary_f1', 'flying_pixels', 'edges_seen', 'ordinal')
"""Names of the metrics of :class:`StructureErrors` in tables."""


def abs_rel(predicted: _Doubles, true: _Doubles, over: _Reduce = np.mean) -> float:
    """Compute the absolute relative error of positive, finite depths, ``[N]`` each."""
    return float(over(np.abs(predicted - true) / true))


def sq_rel(predicted: _Doubles, true: _Doubles, over: _Reduce = np.mean) -> float:
    """Compute the squared relative error, in the unit of depth."""
    return float(over((predicted - true) ** 2 / true))


def depth_ratio(predicted: _Doubles, true: _Doubles) -> _Doubles:
    """Compute the ratio of the larger to the smaller depth, 1 or more, ``[N]``."""
    ratio: _Doubles = np.maximum(predicted / true, true / predicted)
    return ratio


def has_truth(truth: FloatArray) -> _Mask:
    """Return a mask of the pixels with a measured depth.

    Args:
        truth: True depth in metres, any shape.

    Returns:
        True where the depth is finite and positive; same shape.
    """
    return np.isfinite(truth) & (truth > 0)


def relative_error(
    prediction: FloatArray, truth: FloatArray, min_m: float, max_m: float
) -> npt.NDArray[np.float64]:
    """Compute ``|prediction - truth| / truth`` of every pixel.

    Args:
        prediction: Depth in metres; -Inf is taken as ``min_m``, +Inf as ``max_m``, NaN as missing.
        truth: True depth in metres, same shape as the prediction.
        min_m: Nearest depth of the predictor, metres.
        max_m: Farthest depth of the predictor, metres.

    Returns:
        Relative error, 0 or more, same shape; NaN where there is no truth or no prediction.

    Raises:
        ValueError: The shapes differ.
    """
    _check_shapes(prediction, truth)
    predicted = _finite_depth(prediction, min_m, max_m)
    true = np.where(has_truth(truth), truth, np.nan).astype(np.float64)
    error: npt.NDArray[np.float64] = np.abs(predicted - true) / true
    return error


@dataclasses.dataclass(frozen=True)
class EvalProtocol:
    """Protocol: the scored pixels, and the alignment of a prediction.

    Attributes:
        crop: ``garg``: only the rows and columns of ``GARG_CROP``; ``none``: the whole image.
        cap_m: Truth from here on is not scored, and predictions are clipped to it, metres; None:
            no limit.
        alignment: Fit of the prediction to the truth of its image, over the scored pixels.
            ``none``: none. ``median``: times the ratio of the medians, truth over prediction.
            ``scale_shift``: ``a * depth + b`` with the least squared error in depth (not in
            inverse depth: the networks here predict depth itself, not a disparity known up to a
            shift). ``disparity``: that fit in inverse depth, for truth or predictions known up to
            scale and shift of it; its scale is 0 or more, and no depth exceeds the largest truth.
            Metrics of different alignments are not comparable.

    Raises:
        ValueError: The cap is not positive.
    """

    crop: Crop = 'none'
    cap_m: float | None = None
    alignment: Alignment = 'none'

    def __post_init__(self) -> None:
        if self.cap_m is not None and not FLOOR_M < self.cap_m < math.inf:
            raise ValueError(f'cap {self.cap_m:g} m: expected more than {FLOOR_M:g}, or None')

    def describe(self) -> str:
        """Return the protocol in words, for headlines and tables."""
        crop = {'none': 'no crop', 'garg': 'Garg crop'}[self.crop]
        cap = 'no cap' if self.cap_m is None else f'cap {self.cap_m:g} m'
        alignment = {
            'none': 'not aligned',
            'median': 'scaled by the median of each image',
            'scale_shift': 'scale and shift fitted to each image',
            'disparity': 'scale and shift of inverse depth fitted to each image',
        }[self.alignment]
        return f'{crop}, {cap}, {alignment}'


PUBLISHED = EvalProtocol(crop='garg', cap_m=80.0)
"""Protocol of published metrics on KITTI, which are means over images."""


@dataclasses.dataclass
class Accumulator:
    """Sums and counts of images that are scored by one range of depth.

    Attributes:
        min_m: Depth that replaces a prediction of -Inf, metres.
        max_m: Depth that replaces a prediction of +Inf, metres.

    Raises:
        ValueError: The limits are not ``0 < min_m < max_m < infinity``.
    """

    min_m: float
    max_m: float

    def __post_init__(self) -> None:
        if not 0 < self.min_m < self.max_m < math.inf:
            raise ValueError(
                f'depth range {self.min_m:g} to {self.max_m:g} m: expected 0 < min_m < max_m'
            )

    def check_mergeable(self, other: Accumulator) -> None:
        """Refuse an accumulator of another range.

        Raises:
            ValueError: The ranges differ.
        """
        if (self.min_m, self.max_m) != (other.min_m, other.max_m):
            raise ValueError(
                f'depth ranges {self.min_m:g} to {self.max_m:g} m and {other.min_m:g} to '
                f'{other.max_m:g} m differ: only errors scored by one range can be merged'
            )

    def merge(self, other: Accumulator) -> None:
        """Add the sums of another accumulator of this class, for instance another process's.

        Raises:
            ValueError: The other one has another range or protocol.
        """
        self.check_mergeable(other)
        for field in dataclasses.fields(self)[2:]:  # all but the range
            own, more = getattr(self, field.name), getattr(other, field.name)
            if isinstance(own, int):
                setattr(self, field.name, own + more)
            elif isinstance(own, dict):
                _accumulate(own, more)


@dataclasses.dataclass
class DepthErrors(Accumulator):
    """Depth errors accumulated over any number of images.

    Attributes:
        protocol: Crop, cap and alignment.
        pixels: Pixels with truth, within crop and cap.
        covered: Those of them with a prediction.
        images: Images with at least one covered pixel.
        sky: Pixels within the crop whose truth is +Inf.
        sky_found: Those of them with a prediction of ``BEYOND`` times the limit or farther.
        false_sky: Pixels with such a prediction and a finite, nearer truth.
        sums: Sums over the covered pixels, see :meth:`add`.
        image_sums: Sums over images of each image's metrics.

    Raises:
        ValueError: The limits are not ``0 < min_m < max_m < infinity``.
    """

    protocol: EvalProtocol = EvalProtocol()
    pixels: int = 0
    covered: int = 0
    images: int = 0
    sky: int = 0
    sky_found: int = 0
    false_sky: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    image_sums: dict[str, float] = dataclasses.field(default_factory=dict)

    def add(
        self,
        prediction: FloatArray,
        truth: FloatArray,
        limits: tuple[float, float] | None = None,
    ) -> None:
        """Add one image, or a batch of them.

        Args:
            prediction: Depth in metres, ``[..., H, W]``; -Inf, +Inf and NaN as in the module.
            truth: True depth in metres, same shape; +Inf for sky.
            limits: Depths that replace -Inf and +Inf here, metres, where a factor on the
                prediction moves them; None: ``min_m`` and ``max_m``.

        Raises:
            ValueError: The shapes differ, or have fewer than two axes.
        """
        _check_shapes(prediction, truth)
        ends = limits or (self.min_m, self.max_m)
        for predicted, true in zip(_images(prediction), _images(truth), strict=True):
            self._add_image(self._cropped(predicted), self._cropped(true), *ends)

    def _cropped(self, image: FloatArray) -> FloatArray:
        if self.protocol.crop == 'none':
            return image
        height, width = image.shape
        top, bottom, left, right = GARG_CROP
        rows = slice(int(top * height), int(bottom * height))
        return image[rows, int(left * width) : int(right * width)]

    def _add_image(
        self, prediction: FloatArray, truth: FloatArray, min_m: float, max_m: float
    ) -> None:
        predicted = _finite_depth(prediction, min_m, max_m)
        scored = has_truth(truth)
        self._add_sky(predicted, truth, scored, BEYOND * max_m)
        cap = self.protocol.cap_m
        if cap is not None:
            scored &= truth < cap
        covered = scored & ~np.isnan(predicted)
        self.pixels += int(np.count_nonzero(scored))
        count = int(np.count_nonzero(covered))
        if not count:
            return
        true = truth[covered].astype(np.float64)
        aligned = align(predicted[covered], true, self.protocol.alignment)
        sums = _sums(np.clip(aligned, FLOOR_M, cap), true)
        _shift_moment(self.sums, self.covered, sums, count)
        _accumulate(self.sums, sums)
        _accumulate(self.image_sums, _metrics(sums, count))
        self.covered += count
        self.images += 1

    def _add_sky(
        self, predicted: _Doubles, truth: FloatArray, measured: _Mask, far: float
    ) -> None:
        beyond = predicted >= far
        sky = np.isposinf(truth)
        self.sky += int(np.count_nonzero(sky))
        self.sky_found += int(np.count_nonzero(sky & beyond))
        self.false_sky += int(np.count_nonzero(measured & (truth < far) & beyond))

    def check_mergeable(self, other: Accumulator) -> None:
        """Refuse errors of another range or protocol.

        Raises:
            ValueError: One of them differs.
        """
        super().check_mergeable(other)
        assert isinstance(other, DepthErrors)
        if self.protocol != other.protocol:
            raise ValueError(
                f'protocols "{self.protocol.describe()}" and "{other.protocol.describe()}" '
                'differ: only errors scored by one protocol can be merged'
            )

    def merge(self, other: Accumulator) -> None:
        """Add the sums of other errors; see :meth:`Accumulator.merge`."""
        self.check_mergeable(other)
        assert isinstance(other, DepthErrors)
        _shift_moment(self.sums, self.covered, other.sums, other.covered)
        super().merge(other)

    @property
    def abs_rel(self) -> float:
        """Mean relative error of the covered pixels, 0 or more; NaN where there are none."""
        return self.metrics()['abs_rel']

    @property
    def coverage(self) -> float:
        """Share of the pixels with truth that have a prediction, 0 to 1; NaN without truth."""
        return _ratio(self.covered, self.pixels)

    @property
    def sky_recall(self) -> float:
        """Share of the sky with a prediction beyond the range; NaN without sky."""
        return _ratio(self.sky_found, self.sky)

    @property
    def sky_precision(self) -> float:
        """Share of sky among the predictions beyond the range with a known truth.

        Pixels with a finite truth beyond the range are left out. NaN without such a prediction.
        """
        return _ratio(self.sky_found, self.sky_found + self.false_sky)

    def metrics(self, mean: Mean = 'pixels') -> dict[str, float]:
        """Return the nine metrics of ``DEPTH_METRICS``; NaN without covered pixels.

        Args:
            mean: ``pixels``: over all covered pixels. ``images``: over the metrics of each image,
                as in published tables.
        """
        if not self.covered:
            return dict.fromkeys(DEPTH_METRICS, math.nan)
        if mean == 'pixels':
            return _metrics(self.sums, self.covered)
        return {name: self.image_sums[name] / self.images for name in DEPTH_METRICS}

    def headline(self, mean: Mean = 'pixels') -> str:
        """Return AbsRel and delta1 with their protocol in one line, marked if incomplete."""
        metrics = self.metrics(mean)
        text = (
            f'AbsRel {metrics["abs_rel"]:.3f}, delta1 {metrics["delta1"]:.3f} '
            f'(mean over {mean}; {self.protocol.describe()})'
        )
        if self.covered == self.pixels:
            return text
        return (
            f'{text} INCOMPLETE: coverage {self.coverage:.4f}, {self.pixels - self.covered} of '
            f'{self.pixels} pixels have no prediction'
        )

    def report(self) -> dict[str, Any]:
        """Return means, counts, coverage and sky for JSON; None for what is not finite."""
        return without_nan(
            {
                'protocol': dataclasses.asdict(self.protocol),
                'images': self.images,
                'pixels': self.pixels,
                'coverage': self.coverage,
                'complete': self.covered == self.pixels,
                'mean_over_pixels': self.metrics('pixels'),
                'mean_over_images': self.metrics('images'),
                'sky': {
                    'pixels': self.sky,
                    'recall': self.sky_recall,
                    'precision': self.sky_precision,
                },
            }
        )


def align(prediction: _Doubles, truth: _Doubles, alignment: Alignment) -> _Doubles:
    """Fit the prediction of one image to its truth.

    Args:
        prediction: Depth in metres, finite, positive, ``[N]`` with N at least 1.
        truth: True depth in metres, finite, positive, ``[N]``.
        alignment: See :class:`EvalProtocol`.

    Returns:
        Aligned depth, ``[N]``; a fitted shift can make it negative.
    """
    if alignment == 'median':
        return prediction * float(np.median(truth) / np.median(prediction))
    if alignment == 'scale_shift':
        return fitted(prediction, truth)
    if alignment == 'disparity':
        inverse = 1 / truth
        disparity = fitted(1 / np.maximum(prediction, FLOOR_M), inverse, least_scale=0.0)
        aligned: _Doubles = 1 / np.maximum(disparity, inverse.min())
        return aligned
    return prediction


def fitted(
    values: _Doubles,
    wanted: _Doubles,
    where: _Mask | None = None,
    least_scale: float = -math.inf,
) -> _Doubles:
    """Scale and shift values with the least squared error.

    Args:
        values: ``[N]``; with ``where`` of any shape.
        wanted: What they should be, same shape.
        where: Elements whose error counts, finite, one or more; None: all.
        least_scale: Smallest scale.

    Returns:
        All values, scaled and shifted.
    """
    known, target = (values, wanted) if where is None else (values[where], wanted[where])
    # Constant values have no best scale; the shift alone is fitted then. Both are centred, as a
    # rounded mean leaves a constant not quite 0.
    centre, shift = known.mean(), target.mean()
    centred = known - centre
    variance = float(centred @ centred)
    covariance = float(centred @ (target - shift))
    scale = max(covariance / variance, least_scale) if variance > 0 else 0.0
    found: _Doubles = shift + scale * (values - centre)
    return found


@dataclasses.dataclass
class UncertaintyErrors(Accumulator):
    """Metrics of an uncertainty against the depth error, over any number of images.

    Depth is scored in metres, without crop, cap or alignment. Errors and uncertainties are
    compared relative to depth: ``|prediction - truth| / truth`` and ``half width /
    prediction``.

    Attributes:
        pixels: Pixels with truth.
        covered: Those of them with a prediction and an uncertainty.
        inside: Covered pixels whose truth lies within the interval, its ends included.
        image_sums: Sums over images of each image's metrics.
        image_counts: Number of images with each metric.
        curve_sums: Sums over images of :data:`SPARSIFICATION_STEPS` points of each curve of
            :func:`sparsification_curves`.

    Raises:
        ValueError: The limits are not ``0 < min_m < max_m < infinity``.
    """

    pixels: int = 0
    covered: int = 0
    inside: int = 0
    image_sums: dict[str, float] = dataclasses.field(default_factory=dict)
    image_counts: dict[str, float] = dataclasses.field(default_factory=dict)
    curve_sums: dict[str, _Doubles] = dataclasses.field(default_factory=dict)

    def add(self, prediction: FloatArray, half_width: FloatArray, truth: FloatArray) -> None:
        """Add one image, or a batch of them.

        Args:
            prediction: Depth in metres, ``[..., H, W]``; -Inf, +Inf and NaN as in the module.
            half_width: Half of the 68 % interval's width in metres, 0 or more, same shape; NaN
                as missing.
            truth: True depth in metres, same shape.

        Raises:
            ValueError: The shapes differ, or have fewer than two axes.
        """
        _check_shapes(prediction, truth)
        _check_shapes(half_width, truth)
        for images in zip(_images(prediction), _images(half_width), _images(truth), strict=True):
            self._add_image(*images)

    def _add_image(self, prediction: FloatArray, half: FloatArray, truth: FloatArray) -> None:
        predicted = _finite_depth(prediction, self.min_m, self.max_m)
        scored = has_truth(truth)
        covered = scored & ~np.isnan(predicted) & ~np.isnan(half)
        depth = predicted[covered]
        width, true = half[covered].astype(np.float64), truth[covered].astype(np.float64)
        self.pixels += int(np.count_nonzero(scored))
        self.covered += true.size
        self.inside += int(np.count_nonzero(np.abs(depth - true) <= width))
        if not true.size:
            return
        error, uncertainty = np.abs(depth - true) / true, width / depth
        # Sorted once for all of them, which is most of the time.
        by_error, by_uncertainty = _Order.of(error), _Order.of(uncertainty)
        curves = _curves(error, by_error, by_uncertainty)
        metrics = {
            **_areas(error, *curves),
            'rank_correlation': _correlation(by_error, by_uncertainty),
            'median_error': float(np.median(error)),
            'median_uncertainty': float(np.median(uncertainty)),
            'edge_ratio': edge_ratio(uncertainty, truth, covered),
        }
        kept = np.linspace(1, 0, SPARSIFICATION_STEPS, endpoint=False)
        places = np.maximum(np.ceil(kept * error.size).astype(int) - 1, 0)
        for name, curve in zip(CURVES, curves, strict=True):
            self.curve_sums[name] = self.curve_sums.get(name, 0) + curve[places]
        known = {name: value for name, value in metrics.items() if not math.isnan(value)}
        _accumulate(self.image_sums, known)
        _accumulate(self.image_counts, dict.fromkeys(known, 1))

    @property
    def coverage(self) -> float:
        """Share of the pixels with truth that have a prediction and an uncertainty, 0 to 1."""
        return _ratio(self.covered, self.pixels)

    @property
    def interval_coverage(self) -> float:
        """Share of covered pixels whose truth lies in the interval; calibrated, it is 0.68."""
        return _ratio(self.inside, self.covered)

    def metrics(self) -> dict[str, float]:
        """Return all metrics by name, see docs/reference/metrics.md; NaN for missing values.

        ``interval_coverage`` is a share of pixels. The others are means over the images that have
        them: ``ause``, ``aurg``, ``rank_correlation``, ``median_error``, ``median_uncertainty``,
        ``edge_ratio``.
        """
        names = (
            'ause', 'aurg', 'rank_correlation', 'median_error', 'median_uncertainty', 'edge_ratio'
        )  # fmt: skip
        means = {
            name: _ratio(self.image_sums.get(name, 0), self.image_counts.get(name, 0))
            for name in names
        }
        return {'interval_coverage': self.interval_coverage, **means}

    def sparsification(self) -> dict[str, list[float]]:
        """Return the mean error over the share of removed pixels, by uncertainty and by error."""
        removed = np.linspace(0, 1, SPARSIFICATION_STEPS, endpoint=False)
        images = max(self.image_counts.get('ause', 0), 1)
        means = {
            name: self.curve_sums.get(name, np.zeros(SPARSIFICATION_STEPS)) / images
            for name in CURVES
        }
        return {'removed': removed.tolist(), **{k: mean.tolist() for k, mean in means.items()}}

    def report(self) -> dict[str, Any]:
        """Return all values for JSON; None for what is not finite."""
        return without_nan(
            {
                'pixels': self.pixels,
                'coverage': self.coverage,
                **self.metrics(),
            }
        )


@dataclasses.dataclass
class StructureErrors(Accumulator):
    """Depth boundaries, edges and depth order, accumulated over any number of images.

    All are invariant to a factor on the prediction, so that there is no alignment. Whole images
    are scored, without crop and cap. A pixel of sky (truth +Inf) has no truth.

    Boundary F1. Neighbours, horizontally or vertically, whose depths' logarithms differ by more
    than ``BOUNDARY_STEP`` are both boundary pixels. A predicted boundary pixel is correct where a
    true one lies within ``BOUNDARY_TOLERANCE`` pixels (Chebyshev), a true one is found where a
    predicted one does. Only pixels with truth and a prediction count. A pixel without a match is
    ignored if truth or prediction are missing within ``BOUNDARY_TOLERANCE + 1`` pixels of it, as
    its match may be hidden there. Precision, recall and F1 are those of the counts of all images.
    An image without a true boundary contributes to precision only. There is no F1 for sparse
    truth, which hides nearly all errors: see ``MIN_COMPARABLE``.

    Edges. A pixel with truth and a prediction is in the edge zone where the logarithm of true
    depth spans more than ``EDGE_SPAN`` within ``EDGE_RADIUS`` pixels (Chebyshev) of it. Its edge
    is seen where the logarithm of predicted depth spans more than that within ``SEEN_RADIUS``
    pixels. Of the seen ones, a pixel is flying where its own prediction lies in the middle half of
    that span: on neither side of the edge. Both shares are of the counts of all images, and there
    are none for sparse truth.

    Ordinal accuracy. Share of the pixel pairs of different true depth that are predicted in the
    true order; a tie is wrong. All pairs of all images have the same weight.

    Attributes:
        pixels: Pixels with truth.
        covered: Those of them with a prediction.
        comparable: Covered pixels where a predicted boundary counts also without a match.
        predicted: Predicted boundary pixels.
        correct: Those of them that match a true one.
        true: True boundary pixels.
        found: Those of them that match a predicted one.
        edges: Pixels in the edge zone.
        seen: Those of them whose edge is seen.
        flying: Those of the seen ones in the middle half of the predicted span.
        pairs: Pixel pairs.
        ordered: Those of them in the true order.

    Raises:
        ValueError: The limits are not ``0 < min_m < max_m < infinity``.
    """

    pixels: int = 0
    covered: int = 0
    comparable: int = 0
    predicted: int = 0
    correct: int = 0
    true: int = 0
    found: int = 0
    edges: int = 0
    seen: int = 0
    flying: int = 0
    pairs: int = 0
    ordered: int = 0

    def add(
        self, prediction: FloatArray, truth: FloatArray, indices: Sequence[int] = (0,)
    ) -> None:
        """Add one image, or a batch of them.

        Args:
            prediction: Depth in metres, ``[..., H, W]``; -Inf, +Inf and NaN as in the module.
            truth: True depth in metres, same shape.
            indices: Index of each image in the evaluation, 0 or more: seed of its pairs, so that
                batches and order do not change a metric.

        Raises:
            ValueError: The shapes differ or have fewer than two axes, or there is not one index
                for each image.
        """
        add_structure([self], [prediction], truth, indices)

    def add_image(self, prediction: FloatArray, true: TrueStructure) -> None:
        """Add one image whose true depth is prepared.

        Args:
            prediction: Depth in metres, ``[H, W]``; -Inf, +Inf and NaN as in the module.
            true: Structure of the true depth.
        """
        depth = _finite_depth(prediction, self.min_m, self.max_m)
        given = ~np.isnan(depth)
        self.pixels += int(np.count_nonzero(true.measured))
        self.covered += int(np.count_nonzero(true.measured & given))
        self._add_boundaries(depth, given, true)
        self._add_edges(depth, given, true)
        near_depth, far_depth = depth.ravel()[true.nearer], depth.ravel()[true.farther]
        both = ~(np.isnan(near_depth) | np.isnan(far_depth))
        self.pairs += int(np.count_nonzero(both))
        self.ordered += int(np.count_nonzero(near_depth[both] < far_depth[both]))

    def _add_boundaries(self, depth: _Doubles, given: _Mask, true: TrueStructure) -> None:
        predicted = depth_boundaries(depth, given)
        correct = predicted & true.measured & true.near_boundary
        found = true.boundary & given & dilate(predicted, BOUNDARY_TOLERANCE)
        depth_near = ~dilate(~given, BOUNDARY_TOLERANCE + 1)
        self.comparable += int(np.count_nonzero(true.comparable & given))
        self.correct += int(np.count_nonzero(correct))
        self.predicted += int(np.count_nonzero(correct | (predicted & true.comparable)))
        self.found += int(np.count_nonzero(found))
        self.true += int(np.count_nonzero(found | (true.boundary & depth_near)))

    def _add_edges(self, depth: _Doubles, given: _Mask, true: TrueStructure) -> None:
        edges = true.edge & given
        low, high = (limit[edges] for limit in log_limits(depth, given, SEEN_RADIUS))
        span = high - low
        from_middle = np.abs(np.log(depth[edges]) - (low + high) / 2)
        seen = span > EDGE_SPAN
        self.edges += int(np.count_nonzero(edges))
        self.seen += int(np.count_nonzero(seen))
        self.flying += int(np.count_nonzero(seen & (from_middle < span / 4)))

    @property
    def precision(self) -> float:
        """Share of predicted boundary pixels that are correct; NaN where none is predicted."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> float:
        """Share of true boundary pixels that are found; NaN without a true boundary."""
        return _ratio(self.found, self.true)

    @property
    def boundary_f1(self) -> float:
        """Harmonic mean of precision and recall, 0 to 1; 0 where nothing is found.

        NaN without a true boundary, or with sparse truth.
        """
        if not self.true or self._sparse:
            return math.nan
        if not self.found:
            return 0.0
        return 2 * self.precision * self.recall / (self.precision + self.recall)

    @property
    def edges_seen(self) -> float:
        """Share of the edge zone whose edges are seen, 0 to 1; NaN without one or if sparse."""
        return math.nan if self._sparse else _ratio(self.seen, self.edges)

    @property
    def flying_pixels(self) -> float:
        """Share of the seen edge pixels that are flying, 0 to 1; NaN without one or if sparse."""
        return math.nan if self._sparse else _ratio(self.flying, self.seen)

    @property
    def _sparse(self) -> bool:
        return self.comparable < MIN_COMPARABLE * self.covered

    @property
    def ordinal(self) -> float:
        """Share of pixel pairs in the true order, 0 to 1; NaN without pairs."""
        return _ratio(self.ordered, self.pairs)

    def metrics(self) -> dict[str, float]:
        """Return the metrics of ``STRUCTURE_METRICS``; NaN for missing values."""
        return {name: getattr(self, name) for name in STRUCTURE_METRICS}

    def report(self) -> dict[str, Any]:
        """Return all values for JSON; None for what is not finite."""
        return without_nan(
            {
                'coverage': _ratio(self.covered, self.pixels),
                'boundary_f1': self.boundary_f1,
                'boundary_precision': self.precision,
                'boundary_recall': self.recall,
                'comparable_pixels': self.comparable,
                'true_boundary_pixels': self.true,
                'predicted_boundary_pixels': self.predicted,
                'flying_pixels': self.flying_pixels,
                'edges_seen': self.edges_seen,
                'edge_pixels': self.edges,
                'seen_edge_pixels': self.seen,
                'ordinal': self.ordinal,
                'pairs': self.pairs,
            }
        )


@dataclasses.dataclass(frozen=True)
class TrueStructure:
    """What :class:`StructureErrors` compares any prediction of an image with.

    Attributes:
        measured: Pixels with truth, ``[H, W]``.
        boundary: Boundary pixels.
        near_boundary: Pixels within ``BOUNDARY_TOLERANCE`` of one.
        comparable: Pixels with no truth missing within ``BOUNDARY_TOLERANCE + 1``.
        edge: Pixels of the edge zone.
        nearer: The nearer pixel of each pair, as a place in the flattened image.
        farther: The farther one.
    """

    measured: _Mask
    boundary: _Mask
    near_boundary: _Mask
    comparable: _Mask
    edge: _Mask
    nearer: npt.NDArray[np.intp]
    farther: npt.NDArray[np.intp]

    @classmethod
    def of(cls, truth: FloatArray, index: int) -> TrueStructure:
        """Prepare the true depth of an image.

        Args:
            truth: Metres, ``[H, W]``.
            index: Index of the image in the evaluation, see :meth:`StructureErrors.add`.
        """
        measured = has_truth(truth)
        boundary = depth_boundaries(truth, measured)
        low, high = log_limits(truth, measured, EDGE_RADIUS)
        places = np.flatnonzero(measured)
        near, far = ordinal_pairs(truth[measured].astype(np.float64), index)
        return cls(
            measured,
            boundary,
            near_boundary=dilate(boundary, BOUNDARY_TOLERANCE),
            comparable=~dilate(~measured, BOUNDARY_TOLERANCE + 1),
            edge=measured & (high - low > EDGE_SPAN),
            nearer=places[near],
            farther=places[far],
        )


def add_structure(
    errors: Collection[StructureErrors],
    predictions: Collection[FloatArray],
    truth: FloatArray,
    indices: Sequence[int],
) -> None:
    """Add the images of several predictors to the errors of each, preparing the truth once.

    Args:
        errors: Errors of each predictor.
        predictions: Depth of each, see :meth:`StructureErrors.add`.
        truth: True depth in metres, of the shape of each prediction.
        indices: Index of each image, as there.

    Raises:
        ValueError: The shapes differ or have fewer than two axes, or there is not one index for
            each image.
    """
    for prediction in predictions:
        _check_shapes(prediction, truth)
    truths = list(_images(truth))
    if len(truths) != len(indices):
        raise ValueError(
            f'{len(truths)} images and {len(indices)} indices: expected one index an image'
        )
    images = zip(*map(_images, predictions), strict=True)
    for one, index, depths in zip(truths, indices, images, strict=True):
        true = TrueStructure.of(one, index)
        for own, depth in zip(errors, depths, strict=True):
            own.add_image(depth, true)


def depth_boundaries(depth: FloatArray, known: _Mask) -> _Mask:
    """Find depth discontinuities.

    Args:
        depth: Depth in any unit, ``[H, W]``; positive and finite where it is known.
        known: Mask of the pixels with a known depth, same shape.

    Returns:
        Mask of both pixels of each step of more than ``BOUNDARY_STEP`` in the logarithm of depth,
        between horizontal or vertical neighbours that are both known; same shape.
    """
    log = np.log(np.where(known, depth, 1).astype(np.float64))
    boundaries = np.zeros(known.shape, np.bool_)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        step = (np.abs(log[one] - log[other]) > BOUNDARY_STEP) & known[one] & known[other]
        boundaries[one] |= step
        boundaries[other] |= step
    return boundaries


def edge_ratio(uncertainty: FloatArray, truth: FloatArray, covered: _Mask) -> float:
    """Compare the uncertainty at outlines with that elsewhere (Liu et al., BiCross, Fig. 4).

    Args:
        uncertainty: Predicted relative error of the covered pixels, in their order.
        truth: True depth, ``[H, W]``.
        covered: Mask of the pixels that count, same shape.

    Returns:
        Median within ``BOUNDARY_TOLERANCE`` pixels of a true boundary over the median of the
        others; NaN where there are none of either, or the others have none.
    """
    near = dilate(depth_boundaries(truth, has_truth(truth)), BOUNDARY_TOLERANCE)[covered]
    if near.all() or not near.any():
        return math.nan
    elsewhere = float(np.median(uncertainty[~near]))
    return float(np.median(uncertainty[near])) / elsewhere if elsewhere > 0 else math.nan


def log_limits(depth: FloatArray, known: _Mask, radius: int) -> tuple[_Doubles, _Doubles]:
    """Compute the extremes of log depth around each pixel, in a square cut at the image's border.

    Args:
        depth: Depth in any unit, ``[H, W]``; positive and finite where it is known.
        known: Mask of the pixels with a known depth, same shape.
        radius: Chebyshev distance of the square's border, pixels.

    Returns:
        Least and greatest logarithm of the known depths, same shape; +Inf and -Inf where there is
        none.
    """
    log = np.log(np.where(known, depth, 1).astype(np.float64))
    low = _around(np.where(known, log, math.inf), radius, np.minimum, math.inf)
    high = _around(np.where(known, log, -math.inf), radius, np.maximum, -math.inf)
    return low, high


def _around(values: _Doubles, radius: int, extreme: np.ufunc, outside: float) -> _Doubles:
    """Compute an extreme over the square around each pixel, with a value outside the image."""
    size = 2 * radius + 1
    for _ in range(2):  # along the columns, then along the rows
        values = np.pad(values, ((radius, radius), (0, 0)), constant_values=outside)
        length = 1  # of the stretch, from each pixel on, whose extreme it holds
        while length < size:
            step = min(length, size - length)
            values = extreme(values[:-step], values[step:])
            length += step
        values = values.T
    return values


def dilate(mask: _Mask, radius: int) -> _Mask:
    """Dilate a mask by a Chebyshev distance.

    Args:
        mask: ``[H, W]``.
        radius: Distance in pixels, 0 or more.

    Returns:
        The dilated mask, same shape.
    """
    rows = mask.copy()
    for step in range(1, radius + 1):
        rows[step:] |= mask[:-step]
        rows[:-step] |= mask[step:]
    dilated = rows.copy()
    for step in range(1, radius + 1):
        dilated[:, step:] |= rows[:, :-step]
        dilated[:, :-step] |= rows[:, step:]
    return dilated


def ordinal_pairs(
    truth: _Doubles, index: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Draw pixel pairs of an image whose true depths differ by more than ``ORDINAL_RATIO``.

    Args:
        truth: True depth, positive and finite, ``[N]``.
        index: Index of the image, 0 or more; with ``ORDINAL_SEED`` the seed of the draws.

    Returns:
        The nearer and the farther pixel of each pair, ``[P]`` each with P up to ``ORDINAL_PAIRS``:
        all pairs where the image has no more than that, else the first that differ enough among
        four times as many random ones.
    """
    count = truth.size
    if count * (count - 1) // 2 <= ORDINAL_PAIRS:
        one, other = np.triu_indices(count, 1)
    else:
        generator = np.random.default_rng((ORDINAL_SEED, index))
        one, other = generator.integers(0, count, (2, 4 * ORDINAL_PAIRS))
    near = np.where(truth[one] < truth[other], one, other)
    far = one + other - near
    different = np.flatnonzero(truth[far] > ORDINAL_RATIO * truth[near])[:ORDINAL_PAIRS]
    return near[different], far[different]


def sparsification(error: _Doubles, uncertainty: _Doubles) -> dict[str, float]:
    """Compute AUSE and AURG of the sparsification curve.

    ``S_u(k)`` is the mean error of the k pixels of least uncertainty, ``S_e(k)`` of the k pixels
    of least error (the oracle), ``A`` the mean of a curve over k = 1..N. AUSE, the area under the
    sparsification error (Ilg et al., Uncertainty Estimates and Multi-Hypotheses Networks for
    Optical Flow, 2018), is ``A(S_u) - A(S_e)``: 0 for a perfect order. AURG, the area under the
    random gain (Poggi et al., On the Uncertainty of Self-Supervised Monocular Depth Estimation,
    2020), is ``S_u(N) - A(S_u)``: above 0 if the uncertainty is better than random. Both in units
    of the error, not normalised, and over every k instead of the 20 or so steps of those papers.
    Pixels of equal uncertainty count with their mean error, so that their order does not matter.

    Args:
        error: 0 or more, ``[N]`` with N at least 1.
        uncertainty: In any monotonous scale, ``[N]``.

    Returns:
        ``ause`` and ``aurg``.
    """
    return _areas(error, *sparsification_curves(error, uncertainty))


def sparsification_curves(error: _Doubles, uncertainty: _Doubles) -> tuple[_Doubles, _Doubles]:
    """Compute the curves whose areas :func:`sparsification` compares.

    Args:
        error: 0 or more, ``[N]`` with N at least 1.
        uncertainty: In any monotonous scale, ``[N]``.

    Returns:
        ``S_u(k)`` and ``S_e(k)`` for k = 1..N, ``[N]`` each.
    """
    return _curves(error, _Order.of(error), _Order.of(uncertainty))


def rank_correlation(one: _Doubles, other: _Doubles) -> float:
    """Compute Spearman's rank correlation, -1 to 1; ties have their mean rank.

    Args:
        one: ``[N]`` with N at least 1.
        other: ``[N]``.

    Returns:
        The correlation; NaN where either is constant.
    """
    return _correlation(_Order.of(one), _Order.of(other))


class _Order(NamedTuple):
    """Order of values.

    Attributes:
        values: Different values, ascending.
        place: Place of each value among them, ``[N]``.
        sizes: How often each of them occurs.
    """

    values: _Doubles
    place: npt.NDArray[np.intp]
    sizes: npt.NDArray[np.intp]

    @classmethod
    def of(cls, values: _Doubles) -> _Order:
        """Sort values."""
        return cls(*np.unique(values, return_inverse=True, return_counts=True))

    @property
    def centred_ranks(self) -> _Doubles:
        """Mean rank of each value, less the mean rank of 1..N, which ties do not move."""
        ranks: _Doubles = (np.cumsum(self.sizes) - (self.sizes - 1) / 2)[self.place]
        return ranks - (self.place.size + 1) / 2


def _curves(
    error: _Doubles, by_error: _Order, by_uncertainty: _Order
) -> tuple[_Doubles, _Doubles]:
    sizes = by_uncertainty.sizes
    tied = np.bincount(by_uncertainty.place, weights=error) / sizes
    ascending = np.repeat(by_error.values, by_error.sizes)
    return _running_means(np.repeat(tied, sizes)), _running_means(ascending)


def _areas(error: _Doubles, curve: _Doubles, oracle: _Doubles) -> dict[str, float]:
    by_uncertainty = float(curve.mean())
    return {
        'ause': by_uncertainty - float(oracle.mean()),
        'aurg': float(error.mean()) - by_uncertainty,
    }


def _correlation(one: _Order, other: _Order) -> float:
    a, b = one.centred_ranks, other.centred_ranks
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm else math.nan


def _running_means(values: _Doubles) -> _Doubles:
    means: _Doubles = np.cumsum(values) / np.arange(1, values.size + 1)
    return means


def _finite_depth(prediction: FloatArray, min_m: float, max_m: float) -> _Doubles:
    """Convert to float64, infinities to limits, depths below the floor to it; NaN is kept."""
    depth = np.array(prediction, dtype=np.float64)
    depth[depth == -math.inf] = min_m
    depth[depth == math.inf] = max_m
    return np.maximum(depth, FLOOR_M)


def _sums(predicted: _Doubles, true: _Doubles) -> dict[str, float]:
    """Compute the sums over pixels that all metrics are computed from."""
    log = np.log(predicted / true)
    ratio = depth_ratio(predicted, true)
    return {
        'abs_rel': abs_rel(predicted, true, np.sum),
        'sq_rel': sq_rel(predicted, true, np.sum),
        'square': float(((predicted - true) ** 2).sum()),
        'log': float(log.sum()),
        # About their mean: the difference of squares would lose the digits of SILog.
        'log_moment': float(((log - log.mean()) ** 2).sum()),
        'log10': float(np.abs(log).sum()) / math.log(10),
        **{f'delta{n}': float(np.count_nonzero(ratio < 1.25**n)) for n in (1, 2, 3)},
    }


def _metrics(sums: dict[str, float], count: int) -> dict[str, float]:
    mean = {name: value / count for name, value in sums.items()}
    return {
        'abs_rel': mean['abs_rel'],
        'sq_rel': mean['sq_rel'],
        'rmse': math.sqrt(mean['square']),
        'rmse_log': math.sqrt(mean['log_moment'] + mean['log'] ** 2),
        'log10': mean['log10'],
        'silog': 100 * math.sqrt(mean['log_moment']),
        'delta1': mean['delta1'],
        'delta2': mean['delta2'],
        'delta3': mean['delta3'],
    }


def _shift_moment(
    total: dict[str, float], total_count: int, more: dict[str, float], count: int
) -> None:
    """Prepare sums over ``total_count`` pixels for the addition of sums over ``count``."""
    if total_count and count:
        # A moment about the mean grows by the distance of the two means (Chan et al., 1983).
        gap = total['log'] / total_count - more['log'] / count
        total['log_moment'] += gap**2 * total_count * count / (total_count + count)


def _accumulate(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + value


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def without_nan(content: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinities by None, at any depth, as JSON has none of them."""
    return {key: _or_none(value) for key, value in content.items()}


def _or_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_nan(value)
    if isinstance(value, (list, tuple)):
        return [_or_none(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _images(batch: FloatArray) -> Iterator[FloatArray]:
    return iter(batch.reshape(-1, *batch.shape[-2:]))


def _check_shapes(image: FloatArray, truth: FloatArray) -> None:
    if image.shape != truth.shape:
        raise ValueError(
            f'prediction {list(image.shape)} and truth {list(truth.shape)} differ in shape: '
            'resize the prediction to the truth first'
        )
    if truth.ndim < 2:
        raise ValueError(f'shape {list(truth.shape)}: expected images, [..., height, width]')
