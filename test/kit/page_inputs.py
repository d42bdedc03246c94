# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files that commands of pages name: small ones, made by a test, and a reader's checkout."""

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import yaml

from kit import bags, cameras, checkpoints, moving_walls, readable, videos
from kit.clips import Sliding, write_folder
from kit.datasets import make_teacher
from spike_depth_ros.checkpoint import default_checkpoint, onnx_path
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.io.recording import open_recording

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / 'spike_depth_ros' / 'assets'

RIG = StereoRig.from_baseline(0.12, 430.0, 400, 250)
"""The pair of cameras of the pages."""

SLOW_HZ = 400
"""Planes a second of the pair: seconds of it are small files."""

_FAR_PX, _NEAR_PX = 12, 24
_PLANES, _STEP = 6 * SLOW_HZ, 20

ROS2 = f"""#!{sys.executable}
import os, sys
group, verb, name, *rest = sys.argv[1:]
if (group, verb) == ('run', 'spike_depth_ros'):
    os.execvp(name, [name, *rest])
if (group, verb) == ('param', 'set'):
    os.execvp('spike_inspect', ['spike_inspect', 'set', name, *rest])
assert (group, verb, rest) == ('service', 'call', ['std_srvs/srv/Trigger'])
import rclpy
from std_srvs.srv import Trigger
rclpy.init()
node = rclpy.create_node('caller')
client = node.create_client(Trigger, name)
assert client.wait_for_service(10)
future = client.call_async(Trigger.Request())
rclpy.spin_until_future_complete(node, future, timeout_sec=30)
print(future.result())
sys.exit(not future.result().success)
"""
"""Stands in for ros2 where there is no ROS installation: our commands, and services of nodes."""

VENDOR_DUMP = f"""#!{sys.executable}
import sys
from pathlib import Path
from spike_depth_ros.io.recording import open_recording
office = open_recording(Path({str(ASSETS / 'office.npz')!r}))
sys.stdout.buffer.write(office.planes[:, ::-1].tobytes())
"""


CLONE = (
    *('LICENSE', 'Makefile', 'README.md', 'package.xml', 'setup.cfg', 'setup.py'),
    *('config', 'launch', 'requirements', 'resource', 'scripts', 'spike_depth_ros', 'training'),
)
"""What commands need of the repository; its folders of results are not among them."""


def make_checkout(folder):
    """Make what a reader has: the repository, in which results are of this test, and commands.

    Of a clone the environments are links: .venv and .venv-test to the one that runs the tests.
    """
    for name in CLONE:
        (folder / name).symlink_to(ROOT / name)
    for name in ('.venv', '.venv-test'):
        (folder / name).symlink_to(sys.prefix)
    (folder / '.venv-view').symlink_to(ROOT / '.venv-view')


def make_programs(folder):
    """Make the programs that pages name and that are not ours: ros2 and vendor_dump."""
    folder.mkdir()
    for name, text in (('ros2', ROS2), ('vendor_dump', VENDOR_DUMP)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


def raw_office(path):
    """The office as raw planes, four times."""
    office = open_recording(ASSETS / 'office.npz')
    np.tile(office.planes[:, ::-1], (4, 1, 1)).tofile(path)


def moving_wall(path):
    """What the camera of a name sees of a wall in two parts, at 2 and 4 m, that moves: 6 s."""
    import torch

    from spike_training.sensor.camera import SpikeCamera

    knots = [*range(0, _PLANES + 1, _STEP)]
    noise = np.random.default_rng(1).random((250, 400 + _NEAR_PX + len(knots)), np.float32)
    wall = cv2.GaussianBlur(noise, None, 2.0)
    wall = np.clip(0.25 + 0.12 * (wall - wall.mean()) / wall.std(), 0.02, 0.6)
    right = path.stem == 'right'
    views = [
        np.concatenate([half[:, k + right * by :][:, :400] for half, by in zip(
            np.split(wall, 2), (_FAR_PX, _NEAR_PX), strict=True)])
        for k in range(len(knots))
    ]  # fmt: skip
    camera = SpikeCamera(250, 400, torch.tensor([1 + right]))
    planes = camera.expose(torch.from_numpy(np.stack(views))[None], knots)[0].numpy()
    planes[:, ::-1].tofile(path)


def archive(path):
    raw = path.with_suffix('.dat')
    if not raw.exists():
        moving_wall(raw)
    packed = np.fromfile(raw, np.uint8).reshape(-1, 250, 50)[:, ::-1]
    np.savez(path, packed=packed, width=400, rate_hz=20_000.0)


def calibration(path):
    cameras.write_calibration(path, getattr(RIG, path.stem))


def bag(path):
    """A bag of a small sensor with true depth, odometry, and frames of a camera beside it."""
    from spike_depth_ros.tools.convert.spike_bag import odometry_message

    messages = bags.stream(2000, truths=range(64, 2000, 128))
    for plane in range(0, 2000, 100):
        stamp = bags.START + plane * bags.PERIOD
        pose = odometry_message(stamp, stamp, moving_walls.pose(plane / 20_000))[2]
        messages.append(('/odom', stamp, pose))
    for plane in (0, 600, 1200):
        stamp = bags.START + plane * bags.PERIOD
        pixels = np.random.default_rng(plane).integers(
            0, 256, (bags.HEIGHT, bags.WIDTH, 3), np.uint8
        )
        frame = bags.image(stamp, pixels, 'rgb8', bags.HEIGHT, bags.WIDTH)
        messages += [('/camera/image_raw', stamp, frame)]
        messages += [('/camera/camera_info', stamp, bags.camera(stamp))]
    bags.write(path, sorted(messages, key=lambda message: message[1]))


def bag_of_two(path):
    """A bag of the wall as both cameras see it."""
    from spike_depth_ros.tools.convert.command import main

    left, right = path.with_name('wall') / 'left.dat', path.with_name('wall') / 'right.dat'
    left.parent.mkdir(exist_ok=True)
    for eye in (left, right):
        if not eye.exists():
            moving_wall(eye)
    assert not main(
        [str(left), '--right', str(right), '--baseline', '0.12', '--fx', '430', '--size',
         '400x250', '--rate', str(SLOW_HZ), '--out', str(path)]
    )  # fmt: skip


def shipped(path):
    """The shipped model under another name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for source in (default_checkpoint(), onnx_path(default_checkpoint())):
        shutil.copy(source, path.with_suffix(source.suffix))


def fused(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.checkpoint(path, 'fused')


def video(path):
    clip = Sliding(12)
    videos.write_mp4(path, [clip.image(index)[..., ::-1] for index in range(12)])


def small_map(path):
    metres = np.tile(np.linspace(1, 5, 60), (40, 1))
    cv2.imwrite(str(path), np.rint(1000 * metres).astype(np.uint16))


def rooms(path):
    """Recordings with pictures and depth, and windows of spikes for another reader."""
    for room in ('kitchen', 'hall', 'office'):
        write_folder(path / room, Sliding(6))


def windows(path):
    rooms(path)
    for name in ('office', 'street'):
        (path / 'windows' / name).mkdir(parents=True)
        shutil.copy(ASSETS / f'{name}.npz', path / 'windows' / name / '000000.npz')


def teacher(path):
    make_teacher(path)


def raw_folder(path):
    path.mkdir()
    raw_office(path / 'a.dat')
    raw_office(path / 'b.dat')


def quick_adaptation(path):
    """Settings of an adaptation of one stage, on few scenes."""
    settings = yaml.safe_load((ROOT / 'training' / 'configs' / 'adapt.yaml').read_text())
    settings['stages'] = settings['stages'][:1]
    settings['data']['styles'] = ['home']
    settings['train']['batch_size'] = 2
    path.write_text(yaml.safe_dump(settings))


MAKERS = {
    'my.dat': raw_office,
    'left.dat': moving_wall,
    'right.dat': moving_wall,
    'left.npz': archive,
    'right.npz': archive,
    'left.yaml': calibration,
    'right.yaml': calibration,
    'stereo.npz': lambda path: shutil.copy(ASSETS / 'stereo.npz', path),
    'my_bag': bag,
    'frames_bag': bag,
    'quick.yaml': quick_adaptation,
    'my_camera.safetensors': shipped,
    'a.safetensors': shipped,
    'b.safetensors': shipped,
    'runs/fuse/model.safetensors': fused,
    'small.png': small_map,
    'walk.mp4': video,
    'my.mp4': video,
    'my_rooms': rooms,
    'my_test': rooms,
    'tests': windows,
    'Depth-Anything-V2-Small-hf': teacher,
    'data/kitti': readable.kitti,
    'data/7scenes': readable.sevenscenes,
    'data/office': lambda path: write_folder(path, Sliding(6)),
}
"""What makes each file or folder that commands read."""


def folder_of(text):
    """Return what makes FOLDER, as a command reads it."""
    return teacher if 'teacher' in text else raw_folder
