# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Generated scenes through which a camera moves in a known way, seen by a simulated sensor.

Used by ``benchmarks.depth_from_motion``. The camera's speed is drawn for each scene, so are slow
turns, as those of a hand. It keeps away from all things.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.motion_windows import (
    PERIOD_NS,
    PLANES,
    Depth,
    Floats,
    Mask,
    Seen,
    Sequence,
    nanoseconds,
    seen,
)
from spike_depth_ros.estimator import DepthEstimator
from spike_depth_ros.stream.chunk import PackedPlanes
from spike_training.sampling.procedural import apply_flicker, expose, light_at_knots
from spike_training.sensor.camera import SpikeCamera
from spike_worlds.atlas import SIZE, TEXELS, TILES
from spike_worlds.generator import STYLES, SceneGenerator
from spike_worlds.render import render
from spike_worlds.scene import Array, Column, Scenes
from spike_worlds.second_eye import without_illumination

SEED, SPLIT = 77, 'test'  # training has the seed 0
HEIGHT, WIDTH = 256, 384
RATE_HZ = 1e9 / PERIOD_NS
WINDOWS, STEP_S = 12, 0.05
SCORED = 4
"""Windows at the end of a sequence that are scored."""

SPEEDS_M_S = (0.5, 2.0)
TURNS_RAD_S = 0.1
"""Standard deviation of the turns about each axis."""

CLEAR_M = 0.3
"""Distance of the camera from all things, at least."""

DARK = 0.003
NOISE = 0.05
"""Firing rates in the dark, and of random spikes, spikes per plane."""

WALL_M = 2.5
TILES_PER_M = 0.25  # no pattern repeats within the picture
LIT = 0.3
COVERED = (0.02, 0.4)
"""Share of the picture that shows what moves, least and most."""

MOTIONS = {'sideways': 0, 'straight ahead': 2}
"""Axis of the camera that it moves along."""

PEOPLE = ('indoor', 'home', 'office', 'hall', 'outdoor')


class Control(NamedTuple):
    """A case in which motion must not make depth worse.

    Attributes:
        change: Changes a scene whose camera moves sideways; None where it cannot be used.
        styles: Of its scenes, in turn.
        random: Whether spikes are random instead.
        inside: Whether what moves is scored alone, too.
    """

    change: Callable[[Scenes], Scenes | None]
    styles: tuple[str, ...] = tuple(STYLES)
    random: bool = False
    inside: bool = False


def moved(scene: Scenes, axis: int, rng: np.random.Generator) -> Scenes | None:
    """Let the camera of a scene move along one of its axes; None: there is no room."""
    speed = rng.uniform(*SPEEDS_M_S)
    turn = rng.normal(0, TURNS_RAD_S, (1, 3)).astype(np.float32)
    sign = rng.choice((-1, 1))
    for one in (speed, SPEEDS_M_S[0]):
        for way in (sign, -sign) if axis == 0 else (1,):
            velocity = (way * one * scene.axes[:, axis]).astype(np.float32)
            if axis == 2:
                velocity[:, 1] = 0  # over a level floor
            changed = dataclasses.replace(scene, linear_velocity=velocity, angular_velocity=turn)
            if all(is_clear(changed.later(time_s)) for time_s in times_s()):
                return changed
    return None


def times_s() -> list[float]:
    """Times of the windows."""
    return [STEP_S * number for number in range(WINDOWS)]


def is_clear(scene: Scenes) -> bool:
    """Whether the camera is away from all things, and within the room."""
    eye = scene.eye[0]
    x, y, z = (eye - scene.centre[0]).T
    cosine, sine = scene.heading[0].T
    away = np.abs(np.stack([cosine * x - sine * z, y, sine * x + cosine * z], 1)) - scene.half[0]
    near = (away < CLEAR_M).all(1) & (scene.kind[0] >= 0)
    low, high = scene.shell[0]
    return not near.any() and bool(((eye > low + CLEAR_M) & (eye < high - CLEAR_M)).all())


def still(scene: Scenes) -> Scenes:
    """Stop everything."""
    return dataclasses.replace(
        scene,
        velocity=np.zeros_like(scene.velocity),
        linear_velocity=np.zeros_like(scene.linear_velocity),
        angular_velocity=np.zeros_like(scene.angular_velocity),
    )


def rotating(scene: Scenes) -> Scenes:
    """Turn the camera, and nothing else."""
    turn = np.array([[0.1, 0.4, 0.1]], np.float32)
    return dataclasses.replace(still(scene), angular_velocity=turn)


def dark(scene: Scenes) -> Scenes:
    """Take the light."""
    return dataclasses.replace(scene, rate=np.full_like(scene.rate, DARK))


def wall(scene: Scenes) -> Scenes:
    """Show one wall with a texture alone."""
    materials = np.zeros_like(scene.shell_material)
    materials[..., Column.TEXTURE] = TILES['leaves'][0] * TEXELS
    materials[..., Column.SCALES] = TILES_PER_M
    materials[..., Column.TEXELS] = SIZE * TILES_PER_M
    materials[..., Column.DARK_LUMINANCE], materials[..., Column.BRIGHT_LUMINANCE] = 0.1, 0.8
    axes = np.eye(3, dtype=np.float32)[None]
    speed = np.linalg.norm(scene.linear_velocity)
    return dataclasses.replace(
        scene,
        kind=np.full_like(scene.kind, -1),
        open=np.zeros_like(scene.open),
        shell=np.array([[[-50, -50, -50], [50, 50, WALL_M]]], np.float32),
        shell_material=materials,
        rate=np.full_like(scene.rate, LIT),
        eye=np.zeros((1, 3), np.float32),
        axes=axes,
        linear_velocity=(speed * axes[:, 0]).astype(np.float32),
    )


def movers(scene: Scenes) -> Mask:
    """Mask of the solids that move, ``[1, N]``."""
    found: Mask = (np.linalg.norm(scene.velocity, axis=2) > 0.05) & (scene.kind >= 0)
    return found


def shows_movers(scene: Scenes) -> Scenes | None:
    """Return the scene if what moves is seen in the last window, neither small nor large."""
    last = scene.later(times_s()[-1])
    if not movers(scene).any():
        return None
    share = float(mask_of_movers(last).mean())
    return scene if COVERED[0] <= share <= COVERED[1] else None


def mask_of_movers(scene: Scenes) -> Mask:
    """Mask of the pixels that show what moves, ``[H, W]``."""
    gone = scene.centre.copy()
    gone[movers(scene)] += 1e4
    bare = dataclasses.replace(scene, centre=gone)
    with_all, without = (render(one, HEIGHT, WIDTH, 'cpu').depth[0] for one in (scene, bare))
    found: Mask = (with_all != without).numpy()
    return found


CONTROLS = {
    'still camera': Control(still),
    'pure rotation': Control(rotating),
    'still in the dark': Control(lambda scene: dark(still(scene))),
    'moving in the dark': Control(dark),
    'random spikes': Control(lambda scene: scene, random=True),
    'one textured plane': Control(wall),
    'a person moves': Control(shows_movers, PEOPLE, inside=True),
    'cars move': Control(shows_movers, ('road',), inside=True),
}


def scenes(style: str, axis: int, number: int) -> Iterator[Scenes]:
    """Yield scenes of a style whose camera moves along an axis, endlessly."""
    generator = SceneGenerator(SEED, style, SPLIT)
    while True:
        rng = np.random.default_rng([SEED, list(STYLES).index(style), axis, number])
        # Factors on the light lie on the image, and would move with the camera.
        scene = moved(without_illumination(generator.sample(number)), axis, rng)
        if scene is not None:
            yield scene
        number += 1


def of_control(control: Control, clips: int) -> Iterator[Scenes]:
    """Yield scenes of a control."""
    sources = [scenes(style, 0, 1000) for style in control.styles]
    for number in range(clips):
        found = None
        while found is None:
            found = control.change(next(sources[number % len(sources)]))
        yield found


def film(
    estimator: DepthEstimator, scene: Scenes, random: bool = False, masked: bool = False
) -> tuple[Sequence, list[Mask]]:
    """See a scene by a camera that moves through it.

    Args:
        estimator: The network.
        scene: One scene.
        random: Whether spikes are random instead.
        masked: Whether to return masks of what moves in the windows, too.
    """
    windows: list[Seen] = []
    poses: list[tuple[int, Floats]] = []
    masks: list[Mask] = []
    focal = float(scene.focal[0]) * WIDTH
    matrix = np.array([[focal, 0, (WIDTH - 1) / 2], [0, focal, (HEIGHT - 1) / 2], [0, 0, 1.0]])
    for number, time_s in enumerate(times_s()):
        later = scene.later(time_s)
        seed = scene.seed + 7919 * (number + 1)
        planes, truth = record(later, seed)
        if random:
            spikes = (
                np.random.default_rng(seed).random((PLANES, HEIGHT, WIDTH), np.float32) < NOISE
            )
            planes = np.packbits(spikes, axis=2, bitorder='little')
        windows.append(seen(estimator, planes, matrix, time_s, truth))
        poses.append((nanoseconds(time_s), pose_of(later)))
        if masked:
            masks.append(mask_of_movers(later))
    return Sequence(windows, poses), masks


def record(scene: Scenes, seed: Array) -> tuple[PackedPlanes, Depth]:
    """Return the planes of a window around a scene's time, and its true depth."""
    seen = render(scene, HEIGHT, WIDTH, 'cpu')
    light, knots = light_at_knots(expose(seen.luminance, scene.rate), seen.flow, PLANES, RATE_HZ)
    light = apply_flicker(light, knots, scene.flicker, RATE_HZ)
    camera = SpikeCamera(HEIGHT, WIDTH, torch.from_numpy(seed))
    return camera.expose(light, knots)[0].numpy(), seen.depth[0].numpy()


def pose_of(scene: Scenes) -> Floats:
    """Return the pose of a scene's camera, ``[4, 4]``, with y downwards, as right-handed axes."""
    right, up, forward = scene.axes[0].astype(float)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, -up, forward], 1)
    pose[:3, 3] = scene.eye[0]
    pose[1] *= -1  # the world's axes are left-handed
    return pose
