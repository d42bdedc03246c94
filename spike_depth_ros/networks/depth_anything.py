# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything (Yang et al., "Depth Anything V2") for spikes, of parts of ``transformers``.

DINOv2 (Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision") and the
decoder of Ranftl et al., "Vision Transformers for Dense Prediction", predict disparity up to scale
and shift; two learnt numbers make it depth. The uncertainty is ours.

The parts are called one by one: as a whole they cannot be exported with free sizes. Nothing is
downloaded. The package transformers is imported when a network is built, here alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spike_depth_ros.checkpoint import CheckpointError
from spike_depth_ros.networks.depth_net import DepthOutput, SpikeDepthNet
from spike_depth_ros.networks.heads import UncertaintyHead, to_float32
from spike_depth_ros.networks.unet_lite import colours_of
from spike_depth_ros.networks.weights import misfit
from spike_depth_ros.tasks.architectures import DepthAnythingSettings, Modality

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colours, 0 to 1, by which pictures are normalised."""

PARTS = {'backbone.': 'encoder.backbone.', 'neck.': 'decoder.', 'head.': 'depth_head.'}
"""Beginning of a weight's name in ``transformers`` -> in this network."""

UNUSED = ('backbone.embeddings.mask_token', 'neck.fusion_stage.layers.0.residual_layer1.')
"""Beginnings of the names of weights that the model of ``transformers`` has and does not use."""


class Encoded(NamedTuple):
    """Output of the encoder.

    Attributes:
        taps: Normalised tokens behind the tapped layers, the class token first,
            ``[B, 1 + rows * columns, D]`` each.
        f_enc: Those of the patches behind the last layer, ``[B, D, rows, columns]``.
        class_token: ``[B, D]``.
    """

    taps: tuple[Tensor, ...]
    f_enc: Tensor
    class_token: Tensor


class Features(NamedTuple):
    """What the network computes before depth.

    Attributes:
        encoded: Output of the encoder.
        f_dec: Last features of the decoder, ``[B, fusion, 8 rows, 8 columns]`` with factors as
            published.
        disparity: Disparity up to scale and shift, 0 and more, float32
            ``[B, 1, patch rows, patch columns]``.
    """

    encoded: Encoded
    f_dec: Tensor
    disparity: Tensor


class DepthAnything(SpikeDepthNet):
    """Network whose depth is that of a disparity up to scale and shift."""

    encoder: DinoEncoder
    depth_head: DisparityHead
    uncertainty_head: UncertaintyHead

    def features(self, counts: Tensor, planes_per_bin: Tensor) -> Features:
        """Compute tokens, features and disparity; arguments as :meth:`SpikeNet.from_pooled`."""
        encoded = self.encoder(self.temporal(counts, planes_per_bin))
        f_dec = self.decoder(encoded)
        rows, columns = encoded.f_enc.shape[2:]
        patch = self.encoder.patch
        disparity = self.depth_head.disparity(f_dec, patch * rows, patch * columns)
        return Features(encoded, f_dec, disparity)

    def from_pooled(self, counts: Tensor, planes_per_bin: Tensor) -> DepthOutput:
        """Predict depth; see :class:`SpikeNet`.

        Returns:
            ``f_enc`` has a place for each patch of the resized picture, ``f_dec`` 8x8.
        """
        found = self.features(counts, planes_per_bin)
        rows, columns = counts.shape[2:]
        error = self.uncertainty_head.error(found.f_dec)
        return DepthOutput(
            depth=self.depth_head(_resize(found.disparity, rows, columns)),
            uncertainty=_resize(error, rows, columns),
            f_enc=found.encoded.f_enc,
            f_dec=found.f_dec,
            class_token=found.encoded.class_token,
        )


class Backbone(nn.Module):
    """DINOv2 with the position table resized in a way that can be exported."""

    def __init__(self, backbone: Any, grid: int, taps: tuple[int, ...]) -> None:
        """Take the parts of a backbone.

        Args:
            backbone: Dinov2Backbone of ``transformers``.
            grid: Rows, and columns, of its position table.
            taps: Layers whose tokens are returned, counted from 1.
        """
        super().__init__()
        self.embeddings = backbone.embeddings
        self.encoder = backbone.encoder
        self.layernorm = backbone.layernorm
        self.grid, self.taps = grid, taps

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map ``[B, 3, H, W]`` to normalised tokens, see :attr:`Encoded.taps`."""
        patches = self.embeddings.patch_embeddings.projection(x)
        tokens = torch.cat(
            [self.embeddings.cls_token.expand(len(x), -1, -1), patches.flatten(2).transpose(1, 2)],
            dim=1,
        )
        tokens = tokens + self._positions(*patches.shape[2:])
        found = []
        for number, layer in enumerate(self.encoder.layer, start=1):
            tokens = layer(tokens)
            if number in self.taps:
                found.append(self.layernorm(tokens))
        return tuple(found)

    def _positions(self, rows: int, columns: int) -> Tensor:
        """Resize the position table to ``[1, 1 + rows * columns, D]``; the same at its own size.

        As ``transformers``, by bicubic interpolation.
        """
        table = self.embeddings.position_embeddings
        places = _as_map(table, self.grid, self.grid)
        places = F.interpolate(places, size=(rows, columns), mode='bicubic', align_corners=False)
        return torch.cat([table[:, :1], places.flatten(2).transpose(1, 2)], dim=1)


class DinoEncoder(nn.Module):
    """Resizing of a picture to whole patches, its normalisation, and the backbone."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: Backbone, patch: int) -> None:
        """Build the encoder; ``patch`` is the side of a patch, pixels."""
        super().__init__()
        self.backbone = backbone
        self.patch = patch
        for name, values in (('mean', MEAN), ('deviation', DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, picture: Tensor) -> Encoded:
        """Encode colours from -1 to 1, ``[B, 3, H, W]``, resized to the nearest whole patches."""
        rows, columns = ((size + self.patch // 2) // self.patch for size in picture.shape[2:])
        colours = ((picture + 1) / 2 - self.mean) / self.deviation
        taps = self.backbone(_resize(colours, self.patch * rows, self.patch * columns))
        return Encoded(taps, _as_map(taps[-1], rows, columns), taps[-1][:, 0])


class Neck(nn.Module):
    """Decoder: the tapped layers as maps of four sizes, fused from coarse to fine."""

    def __init__(self, neck: Any) -> None:
        """Take the parts of DepthAnythingNeck of ``transformers``."""
        super().__init__()
        self.reassemble_stage = neck.reassemble_stage
        self.convs = neck.convs
        self.fusion_stage = neck.fusion_stage
        # The coarsest map has nothing to be added to; weights without a gradient stop torch's DDP.
        self.fusion_stage.layers[0].residual_layer1 = nn.Identity()

    def forward(self, encoded: Encoded) -> Tensor:
        """Decode; see :attr:`Features.f_dec`."""
        rows, columns = encoded.f_enc.shape[2:]
        maps = [
            convolve(resize(_as_map(tap, rows, columns)))
            for convolve, resize, tap in zip(
                self.convs, self.reassemble_stage.layers, encoded.taps, strict=True
            )
        ]
        first, *others = self.fusion_stage.layers
        x: Tensor = first(maps[3], None, maps[2].shape[2:])
        for fuse, level in zip(others, (2, 1, 0), strict=True):
            x = fuse(x, maps[level], maps[level - 1].shape[2:] if level else None)
        return x


class DisparityHead(nn.Module):
    """Head of disparity, and depth ``1 / (scale * disparity + shift)`` within the depth range.

    Scale and shift are learnt; their logarithms are stored, as both are above 0. The limits pass
    the gradient on, so that places beyond them are still trained.
    """

    def __init__(self, head: Any, min_depth: float, max_depth: float) -> None:
        """Build the head; a disparity of 1 is the middle of the range of log depths.

        Args:
            head: DepthAnythingDepthEstimationHead of ``transformers``.
            min_depth: Lowest depth, metres.
            max_depth: Highest depth, metres: that of disparity 0.
        """
        super().__init__()
        self.conv1, self.conv2, self.conv3 = head.conv1, head.conv2, head.conv3
        self.min_depth, self.max_depth = min_depth, max_depth
        self.log_scale = nn.Parameter(torch.zeros(1))
        self.log_shift = nn.Parameter(torch.full((1,), -math.log(max_depth)))
        self.start_from(1.0)

    @torch.no_grad()
    def start_from(self, disparity: float) -> None:
        """Set the scale by a disparity in the middle of the range of log depths.

        Args:
            disparity: Above 0.
        """
        middle = 1 / math.sqrt(self.min_depth * self.max_depth) - 1 / self.max_depth
        self.log_scale.fill_(math.log(middle / disparity))
        self.log_shift.fill_(-math.log(self.max_depth))

    def disparity(self, f_dec: Tensor, rows: int, columns: int) -> Tensor:
        """Predict disparity, see :attr:`Features.disparity`."""
        x = F.interpolate(
            self.conv1(f_dec), size=(rows, columns), mode='bilinear', align_corners=True
        )
        return F.relu(to_float32(self.conv3(F.relu(self.conv2(x)))))

    def forward(self, disparity: Tensor) -> Tensor:
        """Map disparity to metres, same shape."""
        depth = 1 / (self.log_scale.exp() * disparity + self.log_shift.exp())
        limited = depth.detach().clamp(self.min_depth, self.max_depth)
        # The addend is exactly 0 and carries the gradient.
        return limited + (depth - depth.detach())


def depth_anything(
    bins: int,
    depth_range: tuple[float, float],
    settings: DepthAnythingSettings,
    inputs: Modality = 'spikes',
) -> DepthAnything:
    """Build the network with random weights (torch's global generator).

    For trained weights see :func:`load_transformers`.

    Args:
        bins: Channels of counts; 3 for RGB.
        depth_range: Lowest and highest depth, metres.
        settings: Sizes, and the picture.
        inputs: Input modality: spikes; or RGB or events, in training.

    Raises:
        CheckpointError: transformers is not installed.
    """
    s = settings
    package = import_transformers()
    config = package.DepthAnythingConfig(
        backbone_config=package.Dinov2Config(
            hidden_size=s.hidden,
            num_hidden_layers=s.layers,
            num_attention_heads=s.heads,
            mlp_ratio=s.mlp_ratio,
            image_size=s.grid * s.patch,
            patch_size=s.patch,
            out_indices=[*s.taps],
            reshape_hidden_states=False,
            use_mask_token=False,
        ),
        patch_size=s.patch,
        reassemble_hidden_size=s.hidden,
        # A whole factor is the kernel of a convolution.
        reassemble_factors=[int(f) if f >= 1 else f for f in s.reassemble],
        neck_hidden_sizes=[*s.neck],
        fusion_hidden_size=s.fusion,
        head_hidden_size=s.head,
    )
    model = package.DepthAnythingForDepthEstimation(config)
    network = DepthAnything(
        temporal=colours_of(s.picture, bins, inputs),
        encoder=DinoEncoder(Backbone(model.backbone, s.grid, tuple(s.taps)), s.patch),
        decoder=Neck(model.neck),
        depth_head=DisparityHead(model.head, *depth_range),
        uncertainty_head=UncertaintyHead(s.fusion, s.head, 2),
    )
    _initialise(network)
    return network


def _initialise(network: DepthAnything) -> None:
    """Initialise all but the backbone so that it learns from scratch: He, and no place at 0.

    ``transformers`` has deviations of 0.02, with which the decoder passes hardly anything on, and
    a disparity of 0 has no gradient.
    """
    for part in (network.decoder, network.depth_head, network.uncertainty_head):
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    for last, value in ((network.depth_head.conv3, 1.0), (network.uncertainty_head.conv3, 0.0)):
        nn.init.xavier_normal_(last.weight, gain=0.1)
        assert last.bias is not None
        nn.init.constant_(last.bias, value)


def load_transformers(network: DepthAnything, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of a model of ``transformers``; all others stay.

    Args:
        network: Network of the model's sizes, see
            :func:`spike_depth_ros.tasks.architectures.settings_of`.
        weights: State of DepthAnythingForDepthEstimation.

    Raises:
        CheckpointError: A weight is missing, left over or of another shape.
    """
    found = {
        new + name.removeprefix(old): value
        for name, value in weights.items()
        for old, new in PARTS.items()
        if name.startswith(old) and not name.startswith(UNUSED)
    }
    own = network.state_dict()
    if wrong := misfit(found, {name: own[name] for name in weights_of_transformers(network)}):
        raise CheckpointError(wrong)
    network.load_state_dict(own | found)


def weights_of_transformers(network: DepthAnything) -> set[str]:
    """Return the names of the weights that a model of ``transformers`` has, too."""
    ours = {'depth_head.log_scale', 'depth_head.log_shift'}
    return {name for name in network.state_dict() if name.startswith(tuple(PARTS.values()))} - ours


def import_transformers() -> ModuleType:
    """Import the package transformers.

    Raises:
        CheckpointError: It is not installed.
    """
    try:
        import transformers as module
    except ImportError as error:
        raise CheckpointError(
            f'depth_anything needs transformers, which cannot be imported ({error}): pip install '
            'transformers'
        ) from None
    found: ModuleType = module
    return found


def _as_map(tokens: Tensor, rows: int, columns: int) -> Tensor:
    """Map ``[B, 1 + rows * columns, D]``, the class token first, to ``[B, D, rows, columns]``."""
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, rows, columns)


def _resize(x: Tensor, rows: int, columns: int) -> Tensor:
    return F.interpolate(x, size=(rows, columns), mode='bilinear', align_corners=False)
