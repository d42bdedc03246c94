# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Virtual KITTI 1.3.1 and 2.0.3: rendered streets with exact depth, at 10 Hz.

Gaidon et al., Virtual Worlds as Proxy for Multi-Object Tracking Analysis, 2016, and Cabon et al.,
Virtual KITTI 2, 2020. Depth along the optical axis in png of uint16 centimetres; 65535, the far
plane, is sky. Intrinsics are those of the data set's pages, the same for every sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from spike_training.datasets.clip import Clip
from spike_training.datasets.readers import files
from spike_training.errors import DataSetError

TREE = """\
  ROOT/vkitti_1.3.1_rgb/0001/clone/00000.png
  ROOT/vkitti_1.3.1_depthgt/0001/clone/00000.png
or
  ROOT/vkitti_2.0.3_rgb/Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg
  ROOT/vkitti_2.0.3_depth/Scene01/clone/frames/depth/Camera_0/depth_00000.png
  (uint16, centimetres; the parts vkitti_2.0.3_* may also be missing: ROOT/Scene01/...)"""

CENTRE = (620.5, 187.0)
ENCODING = files.DepthEncoding(100.0, sky=65535, plausible_m=files.OUTDOOR_M)
SET = files.DataSet('vkitti', TREE, ENCODING, rate_hz=10.0)


def read(root: Path, variation: str = '', camera: str = 'Camera_0') -> list[Clip]:
    """Read the sequences below a folder.

    Args:
        root: Folder of the unpacked archives.
        variation: Only this one: clone, fog, morning, overcast, rain, sunset, 15-deg-left and so
            on; all unless given.
        camera: Camera of version 2: ``Camera_0``, left, or ``Camera_1``, right.

    Raises:
        DataSetError: Files are missing, or too many images and depth maps do not pair.
    """
    SET.check_folder(root)
    found = [*_version_1(root), *_version_2(root, camera)]
    if not found:
        raise SET.missing(root / 'vkitti_2.0.3_rgb')
    chosen = [one for one in found if variation in ('', one.variation)]
    if not chosen:
        known = ', '.join(sorted({one.variation for one in found}))
        raise DataSetError(f'{root}: no variation {variation!r}, expected one of {known}')
    return [_clip(one) for one in chosen]


class _Sequence(NamedTuple):
    name: str
    variation: str
    fx: float
    images: Path
    depths: Path


def _version_1(root: Path) -> Iterator[_Sequence]:
    for images in sorted(root.glob('vkitti_1.3.1_rgb/*/*/')):
        if images.is_dir():
            scene, variation = images.parts[-2:]
            depths = root / 'vkitti_1.3.1_depthgt' / scene / variation
            yield _Sequence(f'1.3.1/{scene}/{variation}', variation, 725.0, images, depths)


def _version_2(root: Path, camera: str) -> Iterator[_Sequence]:
    for base, other in (('vkitti_2.0.3_rgb', 'vkitti_2.0.3_depth'), ('.', '.')):
        for images in sorted((root / base).glob(f'Scene*/*/frames/rgb/{camera}')):
            scene, variation = images.parts[-5:-3]
            depths = root / other / scene / variation / 'frames' / 'depth' / camera
            yield _Sequence(f'2.0.3/{scene}/{variation}', variation, 725.0087, images, depths)


def _clip(one: _Sequence) -> Clip:
    camera = files.camera_matrix(one.fx, one.fx, *CENTRE)
    images, depths = SET.listed(one.images), SET.listed(one.depths, files.MAPS)
    return SET.clip(one.name, camera, *SET.by_number(one.name, images, depths))
