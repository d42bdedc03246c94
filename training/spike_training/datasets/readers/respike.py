# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reader of Respike: recordings of a real Vidar camera, 250 x 400, each with one depth map.

The real data of Zhang et al., "Unsupervised Spike Depth Estimation via Cross-modality Cross-domain
Knowledge Transfer" (BiCross); layout and encodings are those that its authors' reader expects.
Spikes are the camera's .dat, or .npy that were unpacked with the most significant bit first and
the bottom row first, so that each group of 8 columns is reversed and images are upside down. Depth
is .pfm, whose format stores the bottom row first. The authors pair a map with the first 128 planes
of its recording; here it belongs to the middle one of them. No focal length is published; metric
depth requires the option ``fx``.
"""

from __future__ import annotations

from pathlib import Path

from spike_depth_ros.io.vidar import RawLayout
from spike_depth_ros.stream.chunk import Geometry
from spike_depth_ros.stream.window import reference_index
from spike_depth_ros.tools.arguments import OptionalFocalLength, PlaneRate
from spike_training.datasets.clip import SpikeClip
from spike_training.datasets.readers import files, recordings
from spike_training.datasets.readers.options import checked

TREE = """\
  ROOT/indoor/spike/train/SCENE/left/NAME.npy    ([planes, 250, 400], or .dat; outdoor, val)
  ROOT/indoor/depth_trans/train/SCENE/NAME.pfm   (float32, metres)"""

GEOMETRY = Geometry(250, 400)
PAIRED_PLANES = 128
SET = files.DataSet('respike', TREE)


@checked
def read(
    root: Path,
    scene: str = 'indoor',
    split: str = '',
    rate_hz: PlaneRate = 20_000.0,
    fx: OptionalFocalLength = 0.0,
) -> list[SpikeClip]:
    """Read the recordings below a folder, a clip each.

    Args:
        root: Folder of the data set.
        scene: ``indoor`` or ``outdoor``.
        split: ``train`` or ``val``; both unless given.
        rate_hz: Planes a second.
        fx: Focal length, pixels; 0: unknown.

    Raises:
        DataSetError: Files are missing, damaged or of another size, or too many recordings lack
            their depth.
    """
    base = root / scene / 'spike'
    SET.check_folder(base)
    found = sorted(
        path for path in base.glob(f'{split or "*"}/*/left/*') if path.suffix in ('.npy', '.dat')
    )
    if not found:
        raise SET.missing(base / (split or 'train') / 'SCENE' / 'left' / 'NAME.npy')
    clips, alone = [], []
    for path in found:
        part, place = path.parts[-4:-2]
        depth = root / scene / 'depth_trans' / part / place / f'{path.stem}.pfm'
        if depth.is_file():
            name = f'respike/{scene}/{part}/{place}/{path.stem}'
            clips.append(_clip(name, path, depth, rate_hz, fx))
        else:
            alone.append(str(depth.relative_to(root)))
    skipped = {'depth is missing': alone} if alone else {}
    if not clips:
        raise SET.missing(root / alone[0])
    files.check_share(skipped, len(found), f'respike/{scene}')
    clips[0].skipped.update(skipped)
    recordings.check_depth(clips[0].name, clips[0].depths[0], SET.encoding.plausible_m)
    return clips


def _clip(name: str, path: Path, depth: Path, rate_hz: float, fx: float) -> SpikeClip:
    if path.suffix == '.dat':
        planes, load = recordings.dat_planes(path, RawLayout(GEOMETRY))
    else:
        planes, load = recordings.naive_npy_planes(path, GEOMETRY)
    return SpikeClip(
        name,
        GEOMETRY,
        planes,
        rate_hz,
        recordings.centred_camera(fx, GEOMETRY),
        load,
        (reference_index('middle', min(planes, PAIRED_PLANES)),),
        (recordings.depth_file(depth, SET.encoding, GEOMETRY),),
    )
