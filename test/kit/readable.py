# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A small sound data set of each reader, laid out as the real one; what is said of bad ones."""

import importlib
import json

import cv2
import h5py
import numpy as np
from PIL import Image

from kit import bags, rooms
from kit.pictures import HEIGHT, METRES, WIDTH, depth_png, picture, texts, write_pfm
from spike_depth_ros.geometry.rig import StereoRig
from spike_depth_ros.stream import packing
from spike_training.datasets import readers
from spike_training.errors import DataSetError, FrameError

K = ('30 0 19.5', '0 31 11.5', '0 0 1')
DRIVE, OTHER_DRIVE = '2011_09_26_drive_0002_sync', '2011_09_26_drive_0009_sync'
LEFT = 'P_rect_02: 50 0 19.5 4 0 51 11.5 0 0 0 1 0'
RIGHT = 'P_rect_03: 50 0 19.5 -21 0 51 11.5 0 0 0 1 0'
SEQUENCE = '2018-10-25-07-37-26'
SEQUENCE_LEFT = 'P_rect_101: 1000 0 440 0 0 1001 200 0 0 0 1 0'
RESPIKE_METRES = np.linspace(1, 4, 250 * 400, dtype=np.float32).reshape(250, 400)

ROWS, COLUMNS = 20, 40
"""Size of the sensor of spikes."""
MAP = np.linspace(2.0, 9.0, ROWS * COLUMNS, dtype=np.float32).reshape(ROWS, COLUMNS)
START, PERIOD = 5_000_000_000, 50_000

CALIB = """cam0=[100.5 0 40.25; 0 100.5 30.5; 0 0 1]
cam1=[100.5 0 45.75; 0 100.5 30.5; 0 0 1]
doffs=5.5
baseline=193.001
width=96
height=64
ndisp=32
isint=0
vmin=8
vmax=20
dyavg=0
dymax=0
"""


def folder(root, number=4, per_metre=1000):
    for k in range(number):
        picture(root / f'images/{k:05d}.png', k)
        depth_png(root / f'depth/{k:05d}.png', per_metre)
    texts(root / 'K.txt', *K)
    return root


def sevenscenes(root):
    flat = np.full((480, 640), 1.5, np.float32)
    for k in (0, 1, 3):
        stem = root / f'chess/seq-01/frame-{k:06d}'
        picture(stem.with_suffix('.color.png'), k, (480, 640))
        depth_png(stem.with_suffix('.depth.png'), 1000, flat, {(100, 100): 65535})


def tum(root):
    for name, stamps in (('rgb', (10.00, 10.03, 10.50)), ('depth', (10.01, 10.035))):
        lines = ['# timestamp filename']
        for k, stamp in enumerate(stamps):
            file = f'{name}/{stamp:.6f}.png'
            lines.append(f'{stamp:.6f} {file}')
            if name == 'rgb':
                picture(root / file, k)
            else:
                depth_png(root / file, 5000)
        texts(root / f'{name}.txt', *lines)


def kitti(root, drives=(DRIVE, OTHER_DRIVE)):
    """Drives of four pairs, the first one with depth; right pictures are 100 greater."""
    for drive in drives:
        for k in range(4):
            where = root / f'2011_09_26/{drive}'
            picture(where / f'image_02/data/{k:010d}.png', k)
            picture(where / f'image_03/data/{k:010d}.png', 100 + k)
    for k in (1, 2):
        where = f'train/{drives[0]}/proj_depth/groundtruth/image_02/{k:010d}.png'
        depth_png(root / where, 256, METRES * 5, {(2, 2): 0})
    texts(root / '2011_09_26/calib_cam_to_cam.txt', 'calib_time: today', LEFT, RIGHT)


def one_kitti(root, eyes=('image_02',), depth=True):
    """One recording of three frames."""
    for k in range(3):
        for eye in eyes:
            picture(root / f'{eye}/data/{k:010d}.png')
        if depth:
            depth_png(root / f'depth/{k:010d}.png', 256)
    texts(root / 'calib.txt', LEFT, RIGHT)


def vkitti(root, archives=True):
    """Version 2 of two frames, as its archives are unpacked or in one folder."""
    images, depths = ('vkitti_2.0.3_rgb', 'vkitti_2.0.3_depth') if archives else ('.', '.')
    for k in range(2):
        frames = 'Scene20/rain/frames'
        picture(root / images / frames / f'rgb/Camera_0/rgb_{k:05d}.jpg')
        depth_png(root / depths / frames / f'depth/Camera_0/depth_{k:05d}.png', 100)


def driving_frame(images, depths, stamp):
    picture(images / f'{SEQUENCE}_{stamp}.jpg')
    depth_png(depths / f'{SEQUENCE}_{stamp}.png', 256, METRES * 3)


def drivingstereo(root):
    for weather in ('foggy', 'rainy'):
        for k in range(2):
            images, depths = (root / weather / f'{name}-half-size'
                              for name in ('left-image', 'depth-map'))  # fmt: skip
            driving_frame(images, depths, f'2018-10-25-07-38-0{k}-000')
    texts(root / f'calib/half-image-calib/{SEQUENCE}.txt', SEQUENCE_LEFT)


def nyuv2(root, rooms=('kitchen_0001', 'kitchen_0001', 'bath_0002')):
    """As MATLAB 7.3 does: axes in reverse, texts as columns of codes behind references."""
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / 'nyu_depth_v2_labeled.mat', 'w') as file:
        images = np.zeros((len(rooms), 3, WIDTH, HEIGHT), np.uint8)
        images[:, 0] = np.arange(len(rooms))[:, None, None]
        images[..., 0] = 255  # the top row is white
        file['images'] = images
        file['depths'] = np.repeat(METRES.T[None], len(rooms), 0)
        raw = np.repeat(METRES.T[None], len(rooms), 0)
        raw[:, 3, 2] = 0  # column 3, row 2
        file['rawDepths'] = raw
        cells = np.empty((1, len(rooms)), h5py.ref_dtype)
        for k, room in enumerate(rooms):
            text = np.array([[ord(letter)] for letter in room], np.uint16)
            cells[0, k] = file.create_dataset(f'#refs#/{k}', data=text).ref
        file.create_dataset('scenes', data=cells, dtype=h5py.ref_dtype)


def nyuv2_raw(root):
    """A wall 2 m away, as numbers of a Kinect with their bytes swapped."""
    number = np.full((480, 640), round(1092.5 - 351.3 / 2), '>u2')
    number[200:240, 300:340] = 2047
    for stamp in ('12.010000', '12.050000'):
        picture(root / f'kitchen_0001a/r-{stamp}-111.ppm', 7, (480, 640))
        # A file of this format holds high bytes first; here the low ones are.
        content = b'P5 640 480 65535\n' + number.byteswap().tobytes()
        (root / f'kitchen_0001a/d-{float(stamp) + 0.01:.6f}-222.pgm').write_bytes(content)


def city_pair(root, city, number, fx=50, baseline=0.2):
    stem = f'{city}/{city.split("/")[1]}_000000_{number:06d}'
    picture(root / f'leftImg8bit/{stem}_leftImg8bit.png', number)
    picture(root / f'rightImg8bit/{stem}_rightImg8bit.png', 100 + number)
    inside = {'fx': fx, 'fy': fx + 1, 'u0': 20.5, 'v0': 10.5}
    about = {'extrinsic': {'baseline': baseline, 'pitch': 0.04}, 'intrinsic': inside}
    texts(root / f'camera/{stem}_camera.json', json.dumps(about))


def cityscapes(root):
    """Three pairs in Aachen of two calibrations, two in Bonn."""
    for city, number, fx in (
        ('train/aachen', 0, 50), ('train/aachen', 1, 60), ('train/aachen', 2, 50),
        ('val/bonn', 0, 50), ('val/bonn', 1, 50),
    ):  # fmt: skip
        city_pair(root, city, number, fx)


MVSEC_START = 1.5e9


def mvsec(root):
    """Four frames, 50 ms apart; a map 1 ms after each but the first; an event each millisecond."""
    height, width = 26, 35
    frames = np.stack([np.full((height, width), k, np.uint8) for k in range(4)])
    times = MVSEC_START + 0.05 * np.arange(4)
    stamps = MVSEC_START + 0.001 * np.arange(200) + 0.0005
    rows = np.arange(200)
    events = np.stack([rows % width, rows % height, stamps, 2 * (rows % 2) - 1.0], axis=1)
    maps = np.full((3, height, width), 7.0, np.float32)
    maps[:, 0] = np.nan
    root.mkdir(parents=True, exist_ok=True)
    with h5py.File(root / 'outdoor_day1_data.hdf5', 'w') as file:
        for name, value in {'image_raw': frames, 'image_raw_ts': times, 'events': events}.items():
            file[f'davis/left/{name}'] = value
    with h5py.File(root / 'outdoor_day1_gt.hdf5', 'w') as file:
        for name, value in {'raw': maps, 'rect': maps + 10}.items():
            file[f'davis/left/depth_image_{name}'] = value
            file[f'davis/left/depth_image_{name}_ts'] = times[1:] + 0.001


def pittsstereo(root):
    """Two drives of two pairs, the second one with key points; right pictures are 100 greater."""
    for drive in ('20170221_1357', '20170222_0951'):
        for k in range(2):
            stem = f'data/{drive}/{{0}}Resize/211357_{k:06d}_{{0}}Resize.png'
            picture(root / stem.format('RGB'), k, (429, 582))
            picture(root / stem.format('NIR'), 100 + k, (429, 582))
    points = ('0.5 0.25 0.01 0', '0.25 0.5 0 3')  # x, y, disparity, class
    texts(root / 'data/20170222_0951/Keypoint/211357_000001_Keypoint.txt', *points)


def middlebury(root, name='disp0GT.pfm', calib=CALIB, scale=1.0, order='<'):
    """A pair of Middlebury 2014: a wall at 8.25 pixels, a square at 14.5, an unknown column.

    Rows of a .pfm begin at the bottom; written here without the package.
    """
    root.mkdir(parents=True)
    texture = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    for view in ('im0.png', 'im1.png'):
        Image.fromarray(texture).save(root / view)
    disparity = np.full((64, 96), 8.25, np.float32)
    disparity[20:40, 30:60] = 14.5
    disparity[:, 0] = np.inf
    disparity *= scale
    header = f'Pf\n96 64\n{"-" if order == "<" else ""}0.003922\n'.encode()
    (root / name).write_bytes(header + disparity[::-1].astype(f'{order}f4').tobytes())
    if calib is not None:
        (root / 'calib.txt').write_text(calib)
    return root


def spikes(planes, height=ROWS, width=COLUMNS, seed=0):
    """Random planes; the top rows fire more often than those below."""
    share = np.linspace(0.9, 0.05, height)[:, None]
    return np.random.default_rng([planes, seed]).random((planes, height, width)) < share


def write_planes(path, planes):
    """Vidar's order: bottom row first, least significant bit leftmost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    packing.pack(planes, 'little')[:, ::-1].tofile(path)


def respike(root):
    where = root / 'indoor/spike/train/desk/left'
    write_planes(where / 'a.dat', spikes(140, 250, 400))
    # As somebody unpacked them who knew neither order: most significant bit first, as stored.
    raw = np.fromfile(where / 'a.dat', np.uint8)
    np.save(where / 'b.npy', np.unpackbits(raw).reshape(-1, 250, 400))
    for name in 'ab':
        write_pfm(root / f'indoor/depth_trans/train/desk/{name}.pfm', RESPIKE_METRES)


def dat(root):
    write_planes(root / 'car.dat', spikes(100))
    (root / 'depth').mkdir()
    np.save(root / 'depth/car_00030.npy', MAP)
    np.save(root / 'depth/car_00090.npy', MAP * 2)
    (root / 'K.txt').write_text('70 0 19 0 71 9 0 0 1')


def window(path, planes, **other):
    """An archive as simulate writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        'packed': packing.pack(planes),
        'width': np.array(COLUMNS),
        'rate_hz': np.array(40e3),
        'K': np.array([[70, 0, 19], [0, 71, 9], [0, 0, 1.0]]),
        'depth': MAP[None],
        'depth_planes': np.array([16]),
    }
    np.savez(path, **(arrays | other))


def npz(root):
    """Three windows, the planes of each a third of all."""
    for k in range(3):
        window(root / f'room/seq-01/{k:06d}.npz', spikes(96)[32 * k : 32 * (k + 1)])


def archive(path, **changed):
    """An archive of two eyes, planes numbered by their first byte."""
    planes = np.zeros((100, 4, 2), np.uint8)
    planes[:, 0, 0] = range(100)
    camera = np.array([[30.0, 0, 7.5], [0, 30, 1.5], [0, 0, 1]])
    given = {
        'packed': planes, 'packed_right': planes[::-1], 'width': 16, 'rate_hz': 1000.0,
        'K': camera, 'K_right': camera, 'baseline_m': 0.2,
        'depth': np.full((3, 4, 16), 2.0, np.float32), 'depth_planes': [10, 50, 90],
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **given | changed)
    return path


def small_camera(fx=70.0, lens=None, topic='/camera/camera_info'):
    """The message of a camera of 40x20 pixels without a lens, or of a lens."""
    message = bags.camera(START, fx, COLUMNS, ROWS)
    if lens is None:
        message.distortion_model, message.d = '', np.zeros(0)
        message.k[[2, 5]], message.p = (19, 9), np.zeros(12)
    else:
        message = bags.lens_camera(lens, START)
    return topic, START, message


def packets(planes, topic='/camera/spikes', length=10, late_ns=0, order='little', skip=()):
    """Messages of planes in packets of a length; those of some first planes are left out."""
    found, packed = [], packing.pack(planes, order)
    for first in range(0, len(planes), length):
        stamp = START + first * PERIOD + late_ns
        block = packed[first : first + length]
        message = bags.image(stamp, block.reshape(-1, block.shape[2]), '8UC1')
        message.is_bigendian = int(order == 'big')
        if first not in skip:
            found.append((topic, stamp + 1000, message))
    return found


def record(path, planes, depth=(), storage='sqlite3', fx=70.0, lens=None, **options):
    """Write a bag of packets, a camera, and depth as (plane, encoding, map)."""
    messages = [small_camera(fx, lens), *packets(planes, **options)]
    for plane, encoding, values in depth:
        stamp = round(START + plane * PERIOD)
        truth = bags.image(stamp, values, encoding, ROWS, COLUMNS)
        truth.step = COLUMNS * values.itemsize
        messages.append(('/camera/depth/truth', stamp + 1000, truth))
    return bags.write(path, sorted(messages, key=lambda one: one[1]), storage)


def rosbag(root):
    record(root, spikes(40), [(20, '32FC1', MAP)])


def textured(height=96, width=160, shift=8, planes=400):
    """Planes of both eyes of a still wall, which is ``shift`` pixels apart."""
    noise = np.random.default_rng(0).random((height, width + shift), np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.2)
    rate = 0.02 + 0.3 * (smooth - smooth.min()) / np.ptp(smooth)
    eyes = []
    for one in (rate[:, :width], rate[:, shift:]):
        begun = np.random.default_rng(len(eyes) + 1).random(one.shape, np.float32)
        charge = begun + one * np.arange(planes + 1, dtype=np.float32)[:, None, None]
        eyes.append(np.diff(np.floor(charge), axis=0).clip(0, 1).astype(np.uint8))
    return eyes


def dat_pair(root, eyes=None):
    for eye, planes in zip(('left', 'right'), eyes or textured(), strict=True):
        write_planes(root / eye / 'car.dat', planes)


RIG = StereoRig.from_baseline(0.1, 80.0, 96, 48)
BOTH = ',spikes=/left/spikes,right=/right/spikes'


def numbered(planes):
    """Planes that tell their numbers by their first pixels."""
    found = np.zeros((planes, 48, 96), np.uint8)
    found[:, 0, :16] = np.arange(planes)[:, None] >> np.arange(16) & 1
    return found


def of_eye(eye, planes, period_ns=PERIOD, offset_ns=0, leave_out=(), info=None):
    """Messages of one eye in packets of 40 planes."""
    info = getattr(RIG, eye) if info is None else info
    messages = [(f'/{eye}/camera_info', bags.START, bags.lens_camera(info))]
    for first in range(0, len(planes), 40):
        stamp = bags.START + offset_ns + first * period_ns
        if first not in leave_out:
            packet = bags.packet(stamp, planes[first : first + 40])
            messages.append((f'/{eye}/spikes', stamp + 40 * period_ns, packet))
    return messages


def bag_pair(path, *streams):
    """Write a bag of messages in their order of time; the text that reads it."""
    bags.write(path, sorted((one for s in streams for one in s), key=lambda one: one[1]))
    return f'{path}{BOTH}'


SOUND = {
    'cityscapes': cityscapes,
    'dat': dat,
    'drivingstereo': drivingstereo,
    'folder': folder,
    'kitti': kitti,
    'middlebury': middlebury,
    'mvsec': mvsec,
    'npz': npz,
    'nyuv2': nyuv2,
    'nyuv2_raw': nyuv2_raw,
    'pittsstereo': pittsstereo,
    'rendered': rooms.write_rooms,
    'respike': respike,
    'rosbag': rosbag,
    'sevenscenes': sevenscenes,
    'tum': tum,
    'vkitti': vkitti,
}
"""What makes a sound data set of each reader in a folder."""
OPTIONS = {'dat': ',size=40x20', 'pittsstereo': ',fx=560,baseline=0.05'}
"""Options without which it cannot be read."""


def refusal(name, root, options='', use=None):
    """What a reader says to a set, or what is said when its clips are used, in one line.

    A tree of the expected layout follows a missing file; it is checked, and left out.

    Args:
        name: The reader.
        root: The set.
        options: Text behind its path.
        use: Function of the clips that must be refused; None: reading is.
    """
    where = f'{root}{options}'
    clips = readers.read(name, where) if use else ()
    try:
        use(clips) if use else readers.read(name, where)
    except DataSetError as error:
        if isinstance(error, FrameError) != bool(use):
            raise
        text, _, tree = str(error).partition('; expected\n')
        if tree:
            assert tree == importlib.import_module(f'{readers.__name__}.{name}').TREE
            text += '; expected TREE'
        return text
    raise AssertionError('was not refused')
