# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small data sets that tests make up, laid out as the real ones are, and a small teacher."""

import itertools
from pathlib import Path

import cv2
import numpy as np

from kit.clips import Sliding
from kit.pictures import depth_png, picture, texts, write_pfm

HEIGHT, WIDTH = 60, 90


def write_vkitti(root, scenes=5, frames=4, variations=('clone', 'fog'), depth=None):
    """Virtual KITTI 1.3.1; each scene is a part of a texture, brighter in fog.

    Args:
        root: The folder.
        scenes: How many.
        frames: Of each.
        variations: Of each scene.
        depth: Metres of all maps; unless given it is a ramp, another one in each scene.
    """
    clip = Sliding(frames)
    for number in range(1, scenes + 1):
        for variation in variations:
            places = [root / f'vkitti_1.3.1_{part}/{number:04d}/{variation}'
                      for part in ('rgb', 'depthgt')]  # fmt: skip
            for place in places:
                place.mkdir(parents=True)
            for index in range(frames):
                image = np.roll(clip.image(index), 17 * number, axis=1)
                if variation == 'fog':
                    image = 128 + image // 2
                cv2.imwrite(str(places[0] / f'{index:05d}.png'), image[..., ::-1])
                metres = 4 * clip.depth(index) + number if depth is None else depth
                stored = np.nan_to_num(np.broadcast_to(metres, image.shape[:2]) * 100)
                cv2.imwrite(str(places[1] / f'{index:05d}.png'), stored.astype(np.uint16))
    return root


def write_dat(root, clips=3, planes=160, height=32, width=64, depth=None):
    """Vidar recordings of noise, brighter from one to the next, and of a bright bar that moves.

    Args:
        root: The folder.
        clips: How many recordings.
        planes: Of each.
        height: Of the sensor.
        width: Of the sensor.
        depth: Metres of a map in the middle of each; None: no truth.
    """
    root.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for clip in range(clips):
        spikes = rng.random((planes, height, width)) < 0.1 + 0.1 * clip
        bar = width // 3
        at = np.arange(planes)[:, None] * (width - bar) // planes
        spikes |= ((np.arange(width) - at) // bar == 0)[:, None]
        np.packbits(spikes[:, ::-1], axis=2, bitorder='little').tofile(root / f'{clip}.dat')
        if depth is not None:
            (root / 'depth').mkdir(exist_ok=True)
            np.save(root / 'depth' / f'{clip}.npy', np.full((height, width), depth, np.float32))
    return root


def write_paper_sets(root):
    """The data sets of the paper's scenarios as its configs expect them, below ``datasets``.

    Of each a few places with two or three frames; images of KITTI and Virtual KITTI are as large
    as the authors' transform needs them.
    """
    base = root / 'datasets'
    large = (376, 1242)
    for scene in ('0001', '0002', '0006', '0018', '0020'):
        for k in range(2):
            where = [base / f'vkitti/vkitti_1.3.1_{part}/{scene}' for part in ('rgb', 'depthgt')]
            picture(where[0] / f'clone/{k:05d}.png', k, large)
            depth_png(where[1] / f'clone/{k:05d}.png', 100, np.full(large, 20.0))
    for number in range(1, 5):
        drive = f'2011_09_26_drive_{number:04d}_sync'
        for k, eye in itertools.product(range(2), ('image_02', 'image_03')):
            picture(base / f'kitti/2011_09_26/{drive}/{eye}/data/{k:010d}.png', k, large)
        maps = base / f'kitti_depth/train/{drive}/proj_depth/groundtruth/image_02'
        depth_png(maps / '0000000001.png', 256, np.full(large, 20.0))
    texts(
        base / 'kitti/2011_09_26/calib_cam_to_cam.txt',
        'P_rect_02: 721 0 610 0 0 721 172 0 0 0 1 0',
        'P_rect_03: 721 0 610 -389 0 721 172 0 0 0 1 0',
    )
    lines = [f'2011_09_26/2011_09_26_drive_{number:04d}_sync 1 l' for number in range(1, 5)]
    texts(base / 'kitti/eigen_train_files.txt', *lines[:3])
    texts(base / 'kitti/eigen_test_files.txt', lines[3])
    driving = base / 'drivingstereo'
    half = (400, 881)
    for day in range(1, 5):
        sequence = f'2018-10-{day:02d}-07-37-26'
        for k in range(2):
            name = f'{sequence}_2018-10-{day:02d}-07-38-00-{k}00'
            for images, maps in (
                *((f'{part}-left-image/{sequence}', f'{part}-depth-map/{sequence}')
                  for part in ('train', 'test')),
                *((f'{weather}/left-image-half-size', f'{weather}/depth-map-half-size')
                  for weather in ('sunny', 'foggy')),
            ):  # fmt: skip
                picture(driving / images / f'{name}.jpg', k, half)
                depth_png(driving / maps / f'{name}.png', 256, np.full(half, 20.0))
        calibration = 'P_rect_101: 1005 0 440 0 0 1005 200 0 0 0 1 0'
        texts(driving / f'calib/half-image-calib/{sequence}.txt', calibration)
    number = np.full((480, 640), round(1092.5 - 351.3 / 2), '>u2').byteswap().tobytes()
    for room in ('kitchen_0001a', 'kitchen_0001b', 'bath_0001', 'office_0001', 'hall_0001'):
        for stamp in ('12.01', '12.05'):
            picture(base / f'nyu_raw/{room}/r-{stamp}-1.ppm', 7, (480, 640))
            (base / f'nyu_raw/{room}/d-{stamp}-2.pgm').write_bytes(b'P5 640 480 65535\n' + number)
    for split, scenes in (('train', 'abc'), ('val', 'd')):
        for scene in scenes:
            where = base / f'respike/indoor/spike/{split}/{scene}/left'
            where.mkdir(parents=True)
            np.full((130, 250, 50), 0b00010001, np.uint8).tofile(where / '1.dat')
            maps = base / f'respike/indoor/depth_trans/{split}/{scene}'
            write_pfm(maps / '1.pfm', np.full((250, 400), 2.0))


def make_teacher(folder: Path, seed: int = 0, metric: bool = False) -> Path:
    """Write a Depth Anything model of 70x70 pixels and four narrow blocks; return its folder."""
    import torch
    import transformers

    torch.manual_seed(seed)
    backbone = transformers.Dinov2Config(
        hidden_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        mlp_ratio=2,
        image_size=70,
        patch_size=14,
        out_features=['stage1', 'stage2', 'stage3', 'stage4'],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = transformers.DepthAnythingConfig(
        backbone_config=backbone,
        patch_size=14,
        reassemble_hidden_size=48,
        neck_hidden_sizes=[8, 16, 32, 32],
        fusion_hidden_size=16,
        head_hidden_size=8,
        depth_estimation_type='metric' if metric else 'relative',
        max_depth=20 if metric else 1,
    )
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    transformers.DPTImageProcessor(
        size={'height': 70, 'width': 70},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
        do_pad=False,
    ).save_pretrained(folder)
    return folder
