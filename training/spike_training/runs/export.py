# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints for the runtime: the .safetensors file and the .onnx export bound to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import spike_depth_ros
from spike_depth_ros.architectures import FuseLiteSettings, StereoLiteSettings, TinySettings
from spike_depth_ros.backends import MULTIPLE
from spike_depth_ros.checkpoint import (
    CheckpointError,
    Tensors,
    hash_weights,
    load_with_correction,
    onnx_path,
    save,
)
from spike_depth_ros.model import SpikeNet
from spike_depth_ros.model.depth_net import SpikeDepthNet
from spike_depth_ros.model.heads import DepthHead, UncertaintyHead, enlarge
from spike_depth_ros.model.registry import build, build_with_weights, weights_of
from spike_depth_ros.result_files import hash_file, write_atomically
from spike_depth_ros.tasks.base import CheckpointInfo, SpikeInfo
from spike_depth_ros.tasks.depth import DepthInfo
from spike_depth_ros.tasks.fused import FusedInfo
from spike_depth_ros.tasks.stereo import StereoInfo
from spike_depth_ros.tasks.upsample import UpsampleInfo
from spike_training.cpu import configure_cpu
from spike_training.disk import make_folder
from spike_training.evaluation.statistics import fresh_statistics
from spike_training.runs import export_upsampling
from spike_training.runs.onnx_file import onnx_content
from spike_training.sampling.frames import MAX_AGE_S
from spike_training.settings.reading import load_config

MAX_DIFFERENCE = 1e-3
"""Largest accepted relative difference between ONNX Runtime and torch, both float32."""

UNDECIDED = 1e-3
"""Largest share of pixels that may differ by more with ``upsampling: selected``, and of
disparities: where two largest weights are equal but for rounding, a pixel copies one value here
and another one there."""

SAMPLE_SIZE = (4, 6)
"""Rows and columns of tokens while exporting; height and width stay free."""

RANDOM_INFO: dict[str, SpikeInfo] = {
    'dpt_tiny': DepthInfo(
        architecture='dpt_tiny',
        settings=dataclasses.asdict(TinySettings()),
        planes=128,
        planes_range=(16, 1280),
        bins=32,
        rate_hz_range=(10_000.0, 40_000.0),
        min_depth=0.3,
        max_depth=80.0,
        canonical_fx=400.0,
        fx_range=(200.0, 800.0),
        stage='random',
        package_version=spike_depth_ros.__version__,
    ),
    'fuse_lite': FusedInfo(
        architecture='fuse_lite',
        settings=dataclasses.asdict(
            FuseLiteSettings(pool=2, features2=16, head=16, upsampling='convex')
        ),
        planes=128,
        planes_range=(16, 1280),
        bins=9,
        rate_hz_range=(10_000.0, 40_000.0),
        min_depth=0.3,
        max_depth=80.0,
        canonical_fx=400.0,
        fx_range=(200.0, 800.0),
        max_age_s=MAX_AGE_S,
        stage='random',
        package_version=spike_depth_ros.__version__,
    ),
    'stereo_lite': StereoInfo(
        architecture='stereo_lite',
        settings=dataclasses.asdict(StereoLiteSettings()),
        planes=128,
        planes_range=(16, 1280),
        bins=4,
        rate_hz_range=(10_000.0, 40_000.0),
        stage='random',
        package_version=spike_depth_ros.__version__,
    ),
}
"""Metadata of an untrained checkpoint, by architecture."""


def export(
    out: Path,
    architecture: str = 'dpt_tiny',
    seed: int = 0,
    checkpoint: Path | None = None,
    calibrate: Path | None = None,
) -> None:
    """Write a checkpoint with its .onnx export; see :mod:`spike_training.commands.export`."""
    info: CheckpointInfo
    correction = None
    make_folder(out.parent)
    if checkpoint is not None:
        info, weights, correction = load_with_correction(checkpoint, CheckpointInfo)
        sees_spikes = isinstance(info, SpikeInfo) and 'spikes' in info.inputs
        if not sees_spikes and not isinstance(info, UpsampleInfo):
            raise CheckpointError(
                f'{checkpoint}: the task {info.task!r} of {" and ".join(info.inputs)} is for '
                'training alone and has no ONNX export; expected a network of spikes, or one that '
                'enlarges depth'
            )
    elif architecture in export_upsampling.RANDOM_INFO:
        info, weights = export_upsampling.random_checkpoint(architecture, seed)
    else:
        info, weights = random_checkpoint(architecture, seed)
    if calibrate is not None:
        if not isinstance(info, DepthInfo | StereoInfo):
            raise CheckpointError(
                f'{checkpoint}: calibrate is given for the task {info.task!r}, expected it with '
                'depth or stereo, which have an uncertainty'
            )
        from spike_training.runs.evaluation import calibrated, check_size
        from spike_training.runs.stereo_scenes import calibrated_pairs

        settings = load_config(calibrate)
        configure_cpu(settings.threads)
        place = torch.device('cpu')
        if isinstance(info, StereoInfo):
            info = calibrated_pairs(settings, info, weights, place)
        else:
            settings.model.bins = info.bins
            check_size(settings, info)
            info = calibrated(settings, info, weights, place)
    network = build_with_weights(info, weights).eval()
    # The .onnx names the weights; the checkpoint can name the .onnx only once that is written.
    tensors = weights if correction is None else weights | correction.tensors()
    bound = dataclasses.replace(info, weights_sha256=hash_weights(tensors), onnx_sha256=None)
    content, difference = _onnx_of(network, bound)
    if not difference <= MAX_DIFFERENCE:
        raise CheckpointError(
            f'the ONNX export differs from the network by {difference:.1e}, expected at most '
            f'{MAX_DIFFERENCE:.0e}'
        )
    onnx_file = onnx_path(out)
    write_atomically(onnx_file, content)
    bound = dataclasses.replace(bound, onnx_sha256=hash_file(onnx_file))
    save(out, weights, bound, correction)
    parameters = sum(value.size for value in weights.values())
    print(f'{out}: {info.architecture}, {info.stage}, {parameters / 1e6:.2f} M values')
    print(f'{onnx_file}: within {difference:.1e} of torch (relative, float32)')


def _onnx_of(network: nn.Module, info: CheckpointInfo) -> tuple[bytes, float]:
    """Return the ONNX export of a network, and its relative difference from it."""
    if isinstance(info, UpsampleInfo):
        content = export_upsampling.to_onnx(network, info)
        return content, export_upsampling.relative_difference(content, network, info)
    assert isinstance(network, SpikeNet)
    assert isinstance(info, SpikeInfo)
    content = to_onnx(network, info)
    return content, relative_difference(content, network, info)


def random_checkpoint(architecture: str, seed: int) -> tuple[SpikeInfo, Tensors]:
    """Return an untrained checkpoint with random weights.

    Args:
        architecture: A key of ``RANDOM_INFO``.
        seed: Seed of the random weights.

    Raises:
        CheckpointError: The architecture is unknown.
    """
    if architecture not in RANDOM_INFO:
        raise CheckpointError(
            f'architecture {architecture!r}: expected one of '
            f'{", ".join([*RANDOM_INFO, *export_upsampling.RANDOM_INFO])}'
        )
    info = RANDOM_INFO[architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(info)
        reestimate_batch_norm(network, [random_counts(info) for _ in range(4)])
        return info, weights_of(network)


def random_counts(info: SpikeInfo) -> tuple[Tensor, Tensor]:
    """Return counts of a batch of static random images with contrast at all scales.

    Args:
        info: Metadata of the network.

    Returns:
        Counts ``[4, bins, 96, 160]`` and planes per bin, ``[bins]`` int32.
    """
    size = 96, 160
    light = torch.zeros(4, 1, *size)
    # Equal contrast in every octave, as in natural images.
    for coarse in (4, 8, 16, 32, 64):
        light += F.interpolate(torch.randn(4, 1, coarse, coarse), size, mode='bicubic')
    rate = 0.2 * torch.exp(0.4 * light)
    length = max(1, info.planes // info.bins)
    planes = torch.rand(4, info.bins, length, *size) < rate[:, :, None]
    return planes.sum(dim=2), torch.full((info.bins,), length, dtype=torch.int32)


def reestimate_batch_norm(network: nn.Module, batches: list[tuple[Tensor, Tensor]]) -> None:
    """Set the statistics of every batch norm to their mean over batches of inputs.

    Random weights do not keep the scale of their inputs; with statistics of mean 0 and
    variance 1 the heads of an untrained network would saturate.
    """
    with torch.no_grad(), fresh_statistics(network.train()):
        for counts, planes_per_bin in batches:
            network(counts, planes_per_bin)


class _Outputs(nn.Module):
    """Network with the outputs that the runtime reads.

    Args:
        network: The network.
        names: ``outputs`` of its checkpoint.
    """

    def __init__(self, network: SpikeNet, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(names)

    def forward(
        self, counts: Tensor, planes_per_bin: Tensor, frame: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        if frame is None:
            images = self._images(counts, planes_per_bin)
        else:
            images = self._as_they_are(counts, planes_per_bin, frame)
        return tuple(images[name] for name in self.names)

    def _images(self, counts: Tensor, planes_per_bin: Tensor) -> dict[str, Tensor]:
        network = self.network
        if not isinstance(network, SpikeDepthNet):
            return self._as_they_are(counts, planes_per_bin)
        depth_head, uncertainty_head = network.depth_head, network.uncertainty_head
        if not (
            isinstance(depth_head, DepthHead)
            and isinstance(uncertainty_head, UncertaintyHead)
            and depth_head.last == uncertainty_head.last
        ):
            return self._as_they_are(counts, planes_per_bin)
        # The same result, faster: scaled at low resolution, and enlarged as two channels of one
        # image, as ONNX Runtime gives each channel a thread.
        f_dec = network.decoder(network.encoder(network.temporal(counts, planes_per_bin)))
        log_depth = depth_head.share(f_dec) * depth_head.log_range + depth_head.log_min
        both = torch.cat([log_depth, uncertainty_head.error(f_dec)], dim=1)
        log_depth, error = enlarge(both, depth_head.last).chunk(2, dim=1)
        return {'depth': torch.exp(log_depth), 'uncertainty': error}

    def _as_they_are(self, *images: Tensor) -> dict[str, Tensor]:
        output = self.network.from_pooled(*images)
        return {name: getattr(output, name) for name in self.names}


def to_onnx(network: SpikeNet, info: SpikeInfo) -> bytes:
    """Export a network as ONNX: counts of cells (uint16) and their maxima (int32) to images.

    A network of spikes and a frame also takes the frame, at the size of the counts: float32
    ``[1, 3, H, W]``, 0 to 1, NaN where there is none.

    Args:
        network: Network in eval mode, its weights representable in float16.
        info: Metadata, written into the file; with ``weights_sha256``, without ``onnx_sha256``.
    """
    size = [rows * MULTIPLE for rows in SAMPLE_SIZE]
    counts = torch.ones((eyes_of(info), info.bins, *size), dtype=torch.uint16)
    given = {'counts': counts, 'planes_per_bin': torch.ones(info.bins, dtype=torch.int32)}
    rows, columns = torch.export.Dim('rows', max=1024), torch.export.Dim('columns', max=1024)
    free = {2: MULTIPLE * rows, 3: MULTIPLE * columns}
    shapes: tuple[dict[int, Any] | None, ...] = (free, None)
    if isinstance(info, FusedInfo):
        given['frame'] = torch.rand(1, 3, *size)
        shapes = (*shapes, free)
    outputs = _Outputs(network, info.outputs).eval()
    return onnx_content(outputs, given, shapes, info.outputs, info)


def eyes_of(info: SpikeInfo) -> int:
    """Return the number of cameras whose spikes a network takes."""
    return sum(name in ('spikes', 'right') for name in info.inputs)


def relative_difference(content: bytes, network: SpikeNet, info: SpikeInfo) -> float:
    """Return the relative difference of ONNX Runtime to torch.

    All outputs are compared, at two input sizes, and the largest difference counts; with
    ``upsampling: selected`` and of disparities that of all pixels but a share of
    :data:`UNDECIDED`. Disparities below 1 pixel, and uncertainties of theirs, count as that; so do
    the uncertainties of ``dpn`` below 0.1, which are differences of nearly equal disparities.
    """
    chooses = info.settings.get('upsampling') == 'selected' or isinstance(info, StereoInfo)
    undecided = UNDECIDED if chooses else 0.0
    # Disparities of about 0 pixels are as exact as others.
    least = 1.0 if isinstance(info, StereoInfo) else 1e-6
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    generator = np.random.default_rng(0)
    worst = np.float64(0)
    for tokens in (SAMPLE_SIZE, (3, 2)):
        size = [rows * MULTIPLE for rows in tokens]
        several = generator.integers(4, 6, info.bins) if info.planes > info.bins else 1
        planes_per_bin = np.full(info.bins, several * info.pool**2, np.int32)
        light = generator.uniform(0.02, 0.6, (eyes_of(info), 1, *size))
        counts = generator.binomial(planes_per_bin[None, :, None, None], light).astype(np.uint16)
        feeds = {'counts': counts, 'planes_per_bin': planes_per_bin}
        if isinstance(info, FusedInfo):
            frame = generator.random((1, 3, *size), np.float32)
            frame[..., : size[1] // 3] = np.nan
            feeds['frame'] = frame
        found = session.run(list(info.outputs), feeds)
        with torch.inference_mode():
            wanted = network.from_pooled(*map(torch.from_numpy, feeds.values()))
        for name, mine in zip(info.outputs, found, strict=True):
            expected = getattr(wanted, name).numpy()
            differs = info.architecture == 'dpn' and name == 'uncertainty'
            magnitude = np.maximum(np.abs(expected), 0.1 if differs else least)
            relative = np.abs(mine - expected) / magnitude
            # NaN stays NaN, and is refused.
            worst = np.maximum(worst, np.quantile(relative, 1 - undecided, method='higher'))
    return float(worst)
