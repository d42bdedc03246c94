# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders batches of scenes on any device: exact depth, luminance, colour, and image motion.

The image is cut into square tiles. Every solid is met only with the rays of the tiles that its
projected outline can touch, all pairs of solid and tile in one array operation for each kind of
solid; the nearest hit of each ray wins. Texture and light are worked out once per pixel.

Masks are products, minima and maxima throughout: selecting by a mask costs twenty times as much
as an addition on a CPU.
"""

from __future__ import annotations

import dataclasses
import functools

import torch
from torch import Tensor

from spike_training.data import atlas
from spike_training.data.scene import BOX, CYLINDER, ELLIPSOID, MATERIAL, Scenes

TILE = 16
_NEAR = 0.02
_MISS = 1e9
_HUGE = 1e20
_COLUMN = {name: place for place, name in enumerate(MATERIAL)}


@dataclasses.dataclass(frozen=True)
class Rendering:
    """What a camera sees at one instant.

    Attributes:
        depth: ``[B, H, W]`` metres along the optical axis; +Inf in the sky.
        luminance: ``[B, H, W]`` linear light, 0 or more, unexposed.
        rgb: ``[B, 3, H, W]`` linear light, or None.
        flow: Motion of what each pixel shows, pixels per second right and down, ``[B, 2, H, W]``.
    """

    depth: Tensor
    luminance: Tensor
    rgb: Tensor | None
    flow: Tensor


class _Tensors:
    """The arrays of scenes on a device, float32."""

    def __init__(self, scenes: Scenes, device: torch.device) -> None:
        def move(array: object) -> Tensor:
            return torch.as_tensor(array).to(device, non_blocking=True).contiguous()

        self.kind = move(scenes.kind)
        self.centre, self.half, self.turn = (
            move(scenes.centre),
            move(scenes.half),
            move(scenes.turn),
        )
        self.velocity = move(scenes.velocity)
        self.material = torch.cat([move(scenes.material), move(scenes.shell_material)], 1)
        self.shell, self.open, self.focal = (
            move(scenes.shell),
            move(scenes.open),
            move(scenes.focal),
        )
        self.eye, self.axes = move(scenes.eye), move(scenes.axes)
        self.drift, self.spin = move(scenes.drift), move(scenes.spin)
        self.sun, self.light, self.lamp = move(scenes.sun), move(scenes.light), move(scenes.lamp)
        self.haze = move(scenes.haze)


def render(
    scenes: Scenes, height: int, width: int, device: torch.device | str, with_rgb: bool = False
) -> Rendering:
    """Renders a batch of scenes at the reference time.

    Args:
        scenes: ``B`` scenes.
        height: Rows.
        width: Columns.
        device: Where to render.
        with_rgb: Whether colours are wanted too.

    Returns:
        Depth at the pixels' centres, light and image motion.
    """
    s = _Tensors(scenes, torch.device(device))
    rows, columns = -(-height // TILE), -(-width // TILE)
    fx = s.focal * width
    # Image coordinates of pixel centres over fx, of the padded image.
    u = torch.arange(columns * TILE, device=device) + (0.5 - width / 2)
    v = torch.arange(rows * TILE, device=device) + (0.5 - height / 2)
    u, v = u / fx[:, None], v / fx[:, None]
    grid = (len(fx), rows, columns)
    depth, winner = _cast(s, u, v, fx, grid, (height, width))
    depth, winner = (_untile(part, grid)[:, :height, :width] for part in (depth, winner))
    u, v = u[:, None, :width], v[:, :height, None]
    return _shade(s, depth.contiguous(), winner.contiguous(), u, v, fx, with_rgb)


def _untile(tiled: Tensor, grid: tuple[int, int, int]) -> Tensor:
    batch, rows, columns = grid
    image = tiled.view(batch, rows, columns, TILE, TILE).transpose(2, 3)
    return image.reshape(batch, rows * TILE, columns * TILE)


def _turned(vector: Tensor, turn: Tensor) -> Tensor:
    """World vectors ``[..., 3]`` in the solids' own axes."""
    x, y, z = vector.unbind(-1)
    c, s = turn.unbind(-1)
    return torch.stack([c * x - s * z, y.expand_as(c), s * x + c * z], -1)


def _cast(
    s: _Tensors,
    u: Tensor,
    v: Tensor,
    fx: Tensor,
    grid: tuple[int, int, int],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Depth and number of the nearest solid, ``[B * tiles, TILE * TILE]``; N is the shell."""
    batch, rows, columns = grid
    solids = s.kind.shape[1]
    # Camera in the solids' own axes, in units of their half sizes.
    inverse = 1 / s.half
    start = _turned(s.eye[:, None] - s.centre, s.turn) * inverse
    axes = [_turned(s.axes[:, None, k], s.turn) * inverse for k in range(3)]
    rays = torch.stack([*axes, start], 2).view(batch * solids, 12)

    touched = _touched(s, fx, grid, size)
    tile_u, tile_v = u.view(batch * columns, TILE), v.view(batch * rows, TILE)
    image, solid, tile = touched.nonzero().unbind(1)
    kind = s.kind.view(-1).index_select(0, image * solids + solid)
    row, column = torch.div(tile, columns, rounding_mode='floor'), tile % columns
    near, order = [], []
    for wanted, hit in ((BOX, _hit_box), (CYLINDER, _hit_cylinder), (ELLIPSOID, _hit_ellipsoid)):
        chosen = (kind == wanted).nonzero()[:, 0]
        which = image.index_select(0, chosen)
        parameters = rays.index_select(0, which * solids + solid.index_select(0, chosen))
        across = tile_u.index_select(0, which * columns + column.index_select(0, chosen))
        down = tile_v.index_select(0, which * rows + row.index_select(0, chosen))
        near.append(hit(parameters, across, down))
        order.append(chosen)
    together = torch.cat(order)
    numbers = solid.index_select(0, together)
    cells = (image * (rows * columns) + tile).index_select(0, together)
    lengths = torch.cat(near)
    depth = _tile_pixels(_shell_depth(s, u, v), grid)
    index = cells[:, None].expand(-1, TILE * TILE)
    depth.scatter_reduce_(0, index, lengths, 'amin')
    # Among the solids at a ray's least depth the one of the highest number wins.
    won = (lengths <= depth.index_select(0, cells)).float() * (numbers[:, None] + 1).float()
    winner = torch.zeros_like(depth).scatter_reduce_(0, index, won, 'amax')
    winner = winner - 1
    winner = winner + (winner < 0).float() * (solids + 1)
    return depth, winner


def _tile_pixels(image: Tensor, grid: tuple[int, int, int]) -> Tensor:
    batch, rows, columns = grid
    return image.view(batch, rows, TILE, columns, TILE).transpose(2, 3).reshape(-1, TILE * TILE)


def _shell_depth(s: _Tensors, u: Tensor, v: Tensor) -> Tensor:
    """Depth of the room's walls, ``[B, H, W]``."""
    depth = None
    for axis in range(3):
        ray = _ray(s, axis, u[:, None, :], v[:, :, None])
        ahead = (s.shell[:, 1, axis] - s.eye[:, axis])[:, None, None]
        behind = (s.shell[:, 0, axis] - s.eye[:, axis])[:, None, None]
        inverse = ray.reciprocal().clamp_(-_HUGE, _HUGE)
        exit_ = torch.maximum(inverse * ahead, inverse * behind)
        depth = exit_ if depth is None else torch.minimum(depth, exit_)
    assert depth is not None
    return depth


def _ray(s: _Tensors, axis: int, u: Tensor, v: Tensor) -> Tensor:
    """A component of the rays of depth 1, ``[B, H, W]``."""
    right, up, forward = (s.axes[:, k, axis, None, None] for k in range(3))
    return u * right + (forward - v * up)


def _corner_signs(device: torch.device) -> Tensor:
    return torch.tensor(
        [[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)], device=device
    )


_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count('1') == 1]


def _touched(s: _Tensors, fx: Tensor, grid: tuple[int, int, int], size: tuple[int, int]) -> Tensor:
    """Which solids' outlines can reach which tiles, ``[B, N, tiles]`` bool."""
    _, rows, columns = grid
    height, width = size
    signs = _corner_signs(s.half.device)
    corner = signs * s.half[:, :, None]
    c, sine = (s.turn[..., k, None] for k in range(2))
    x, y, z = corner.unbind(-1)
    world = torch.stack([c * x + sine * z, y, c * z - sine * x], -1)
    away = world + (s.centre - s.eye[:, None])[:, :, None]
    seen = [
        away[..., 0] * s.axes[:, k, 0, None, None]
        + away[..., 1] * s.axes[:, k, 1, None, None]
        + away[..., 2] * s.axes[:, k, 2, None, None]
        for k in range(3)
    ]
    # Every edge is cut at the near plane; an edge behind it counts for nothing.
    first = torch.tensor([a for a, _ in _EDGES], device=corner.device)
    second = torch.tensor([b for _, b in _EDGES], device=corner.device)
    ends = []
    for a, b in ((first, second), (second, first)):
        za, zb = seen[2][..., a], seen[2][..., b]
        share = ((_NEAR - za) / (zb - za + (zb == za).float())).clamp(0, 1) * (za < _NEAR).float()
        depth = za + (zb - za) * share
        inside = depth > 0.9 * _NEAR
        depth = depth.clamp(min=_NEAR)
        across = (seen[0][..., a] + (seen[0][..., b] - seen[0][..., a]) * share) / depth
        down = -(seen[1][..., a] + (seen[1][..., b] - seen[1][..., a]) * share) / depth
        ends.append((across, down, inside))
    across, down, inside = (torch.cat(part, -1) for part in zip(*ends, strict=True))
    limits = []
    for value, middle, tiles in ((across, width / 2, columns), (down, height / 2, rows)):
        pixel = (value * fx[:, None, None]).clamp(-1e6, 1e6) + middle
        low = torch.where(inside, pixel, 1e7).amin(-1) - 1
        high = torch.where(inside, pixel, -1e7).amax(-1) + 1
        begin = torch.arange(tiles, device=pixel.device) * TILE
        limits.append((low[..., None] < begin + TILE) & (high[..., None] > begin))
    across_tiles, down_tiles = limits
    reached = (down_tiles[..., :, None] & across_tiles[..., None, :]).flatten(2)
    return reached & (s.kind >= 0)[..., None]


def _local_rays(parameters: Tensor, u: Tensor, v: Tensor) -> list[Tensor]:
    """Ray components ``[P, TILE * TILE]`` in the solids' units."""
    rays = []
    for axis in range(3):
        right, up, forward = (parameters[:, 3 * k + axis, None] for k in range(3))
        across, down = u * right, forward - v * up
        rays.append((across[:, None, :] + down[:, :, None]).flatten(1))
    return rays


def _hit_box(parameters: Tensor, u: Tensor, v: Tensor) -> Tensor:
    enter, leave = None, None
    for axis, ray in enumerate(_local_rays(parameters, u, v)):
        inverse = ray.reciprocal_().clamp_(-_HUGE, _HUGE)
        middle = inverse * -parameters[:, 9 + axis, None]
        reach = inverse.abs_()
        low, high = middle - reach, middle.add_(reach)
        enter = low if enter is None else torch.maximum(enter, low, out=enter)
        leave = high if leave is None else torch.minimum(leave, high, out=leave)
    assert enter is not None
    assert leave is not None
    missed = torch.sub(enter, leave, out=leave)
    return _unless(enter, missed)


def _unless(length: Tensor, missed: Tensor) -> Tensor:
    """The length, or a huge one where ``missed`` is positive or the length negative."""
    missed = missed.clamp_(min=0).mul_(_HUGE)
    behind = length.neg().clamp_(min=0).mul_(_HUGE)
    return length.abs_().add_(missed).add_(behind).clamp_(max=_MISS)


def _hit_cylinder(parameters: Tensor, u: Tensor, v: Tensor) -> Tensor:
    x, y, z = _local_rays(parameters, u, v)
    ox, oy, oz = (parameters[:, 9 + axis, None] for axis in range(3))
    squared = x * x + z * z
    cross = x * oz - z * ox
    free = squared - cross * cross
    middle = (x * ox + z * oz).neg_()
    root = free.clamp(min=0).sqrt_()
    inverse = squared.reciprocal_().clamp_(max=_HUGE)
    enter = (middle - root).mul_(inverse)
    leave = (middle + root).mul_(inverse)
    flat = y.reciprocal_().clamp_(-_HUGE, _HUGE)
    height = flat * -oy
    reach = flat.abs_()
    torch.maximum(enter, height - reach, out=enter)
    torch.minimum(leave, height + reach, out=leave)
    return _unless(enter, torch.maximum(enter - leave, free.neg_()))


def _hit_ellipsoid(parameters: Tensor, u: Tensor, v: Tensor) -> Tensor:
    x, y, z = _local_rays(parameters, u, v)
    ox, oy, oz = (parameters[:, 9 + axis, None] for axis in range(3))
    squared = x * x + y * y + z * z
    middle = (x * ox + y * oy + z * oz).neg_()
    nearest = middle / squared
    # How far the ray's nearest point is from the centre: exact also for far, small solids.
    px, py, pz = x.mul_(nearest).add_(ox), y.mul_(nearest).add_(oy), z.mul_(nearest).add_(oz)
    free = (px.mul_(px) + py.mul_(py) + pz.mul_(pz)).neg_().add_(1)
    chord = (free.clamp(min=0) / squared).sqrt_()
    return _unless(nearest - chord, free.neg_())


@functools.cache
def _atlas(device: torch.device) -> tuple[Tensor, Tensor]:
    levels = torch.tensor(atlas.LEVEL_OFFSETS, dtype=torch.int32, device=device)
    return torch.from_numpy(atlas.pyramids()).to(device), levels


def _shade(
    s: _Tensors,
    depth: Tensor,
    winner: Tensor,
    u: Tensor,
    v: Tensor,
    fx: Tensor,
    with_rgb: bool,
) -> Rendering:
    batch, solids = s.kind.shape
    rx, ry, rz = (_ray(s, axis, u, v) for axis in range(3))
    length = (rx * rx + ry * ry + rz * rz).sqrt()
    ex, ey, ez = (s.eye[:, axis, None, None] for axis in range(3))
    px, py, pz = ex + depth * rx, ey + depth * ry, ez + depth * rz

    # The shell is one more box, its size the room's.
    shell_half = (s.shell[:, 1] - s.shell[:, 0]) / 2
    centre = torch.cat([s.centre, (s.shell[:, :1] + s.shell[:, 1:]) / 2], 1)
    inverse = 1 / torch.cat([s.half, shell_half[:, None]], 1)
    turn = torch.cat([s.turn, s.turn.new_tensor([1.0, 0.0]).expand(batch, 1, 2)], 1)
    kind = torch.cat([s.kind, s.kind.new_zeros(batch, 1)], 1)
    velocity = torch.cat([s.velocity, s.velocity.new_zeros(batch, 1, 3)], 1)
    base = torch.arange(batch, device=depth.device, dtype=torch.int32)[:, None, None]
    solid = winner.to(torch.int32)
    index = (solid + base * (solids + 1)).view(-1)

    def of(column: Tensor) -> Tensor:
        return column.reshape(-1).index_select(0, index).view(depth.shape)

    c, sine = of(turn[..., 0]), of(turn[..., 1])
    ix, iy, iz = (of(inverse[..., axis]) for axis in range(3))
    x, y, z = px - of(centre[..., 0]), py - of(centre[..., 1]), pz - of(centre[..., 2])
    x, z = c * x - sine * z, sine * x + c * z
    qx, qy, qz = x * ix, y * iy, z * iz
    ax, ay, az = qx.abs(), qy.abs(), qz.abs()
    box, ellipsoid = of((kind == BOX).float()), of((kind == ELLIPSOID).float())
    # Which face: on top or below, or on an end along x (the texture's directions follow).
    round_ = qx * qx + qz * qz
    rim = round_ + box * (torch.maximum(ax, az) - round_)
    flat = (ay > rim).float() * (1 - ellipsoid)
    side = (ax > az).float() * (1 - flat)
    u_surface, v_surface = x + side * (z - x), y + flat * (z - y)
    upright = 1 - flat
    nx = qx * ix * upright * (1 - box * (1 - side))
    nz = qz * iz * upright * (1 - box * side)
    ny = qy * iy * torch.maximum(flat, ellipsoid)
    nx, nz = c * nx + sine * nz, c * nz - sine * nx
    norm = (nx * nx + ny * ny + nz * nz).sqrt_().clamp_(min=1e-12)
    facing = (nx * rx + ny * ry + nz * rz) / (norm * length)
    # Inside the shell normals point away: turn them towards the eye.
    towards = facing.sign().neg_() / norm
    nx, ny, nz = nx * towards, ny * towards, nz * towards
    facing = facing.abs_().clamp_(min=0.04)

    # The material: a solid's own, or that of the shell's face, or the sky.
    shell = (solid == solids).float()
    sky = shell * s.open[:, None, None] * (1 - (flat * (qy < 0).float()))
    ceiling = shell * flat * (qy > 0).float()
    wall = shell * (1 - flat)
    number = winner + wall * (2 - side) + 3 * ceiling
    number = number + sky * (solids + 4 - number)
    index = (number.to(torch.int32) + base * (solids + 5)).view(-1)

    def surface(name: str) -> Tensor:
        return of(s.material[..., _COLUMN[name]])

    # The sky has no place: its texture follows the direction.
    rise = ry.clamp(min=0.03).reciprocal()
    u_surface = u_surface + sky * (rx * rise - u_surface)
    v_surface = v_surface + sky * (rz * rise - v_surface)
    pixel = length / fx[:, None, None]
    footprint = depth * pixel / facing.sqrt()
    footprint = footprint + sky * (pixel * rise - footprint)
    share = _sample(
        surface('tile'),
        u_surface * surface('scale_u') + surface('offset_u'),
        v_surface * surface('scale_v') + surface('offset_v'),
        footprint * surface('texels'),
    )

    shine = _light(s, px, py, pz, nx, ny, nz) + surface('glow')
    shine = shine + sky * (1 - shine)
    near = 1 / (1 + depth / s.haze[:, None, None])
    near = near + sky * (1 - near)
    air = (1 - near) * 0.7

    def colour(dark: str, bright: str) -> Tensor:
        low = surface(dark)
        return (low + share * (surface(bright) - low)) * shine * near + air

    luminance = colour('light0', 'light1')
    rgb = None
    if with_rgb:
        rgb = torch.stack([colour(f'{name}0', f'{name}1') for name in ('red', 'green', 'blue')], 1)
    index = (solid + base * (solids + 1)).view(-1)
    flow = _flow(s, [of(velocity[..., axis]) for axis in range(3)], depth, 1 - sky, u, v, fx)
    depth = torch.where(sky > 0, torch.inf, depth)
    return Rendering(depth, luminance, rgb, flow)


def _light(
    s: _Tensors, px: Tensor, py: Tensor, pz: Tensor, nx: Tensor, ny: Tensor, nz: Tensor
) -> Tensor:
    """Light that falls on surfaces: sun, sky and one lamp, darker in corners near the floor."""
    sun, sky, lamp = (s.light[:, k, None, None] for k in range(3))
    sx, sy, sz = (s.sun[:, axis, None, None] for axis in range(3))
    direct = (nx * sx + ny * sy + nz * sz).clamp_(min=0)
    lx, ly, lz = (s.lamp[:, axis, None, None] - p for axis, p in enumerate((px, py, pz)))
    squared = lx * lx + ly * ly + lz * lz + 0.05
    cosine = (nx * lx + ny * ly + nz * lz).clamp_(min=0) / squared.sqrt()
    open_ = 1 - 0.35 / (1 + 8 * py.clamp(min=0)) * (1 - ny.clamp(min=0))
    return sun * direct + (sky * open_) * (0.75 + 0.25 * ny) + lamp * cosine / (squared + 0.5)


def _sample(tile: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
    """The atlas at tile coordinates, from the level whose texels match the footprint.

    Args:
        tile: Where the tile's pyramid begins.
        u: Tiles to the right; whole ones repeat.
        v: Tiles upwards.
        footprint: Width of a pixel in texels of the finest level.

    Returns:
        Shares from 0 to 1.
    """
    texels, offsets = _atlas(tile.device)
    # The exponent of a float is the whole part of its binary logarithm.
    level = ((footprint * 1.2).clamp_(1, 255).view(torch.int32) >> 23) - 127
    size = torch.full_like(level, atlas.SIZE) >> level
    mask = size - 1
    scale = size.float()
    x, y = (u - u.floor()) * scale - 0.5, (v - v.floor()) * scale - 0.5
    left, low = x.floor(), y.floor()
    x, y = x - left, y - low
    left, low = left.to(torch.int32), low.to(torch.int32)
    start = offsets.index_select(0, level.view(-1)).view(level.shape) + tile.to(torch.int32)
    columns = (left & mask, (left + 1) & mask)
    rows = (start + (low & mask) * size, start + ((low + 1) & mask) * size)

    def at(row: Tensor, column: Tensor) -> Tensor:
        return texels.index_select(0, (row + column).view(-1)).view(level.shape)

    a, b = (at(row, columns[0]) for row in rows)
    a = a + x * (at(rows[0], columns[1]) - a)
    b = b + x * (at(rows[1], columns[1]) - b)
    return a + y * (b - a)


def _flow(
    s: _Tensors,
    velocity: list[Tensor],
    depth: Tensor,
    still: Tensor,
    u: Tensor,
    v: Tensor,
    fx: Tensor,
) -> Tensor:
    """Image motion, pixels per second right and down, from depth and velocities."""
    relative = [part - s.drift[:, axis, None, None] for axis, part in enumerate(velocity)]
    right, up, ahead = (
        sum(part * s.axes[:, k, axis, None, None] for axis, part in enumerate(relative))
        for k in range(3)
    )
    pitch, yaw, roll = (s.spin[:, k, None, None] for k in range(3))
    focal, near = fx[:, None, None], still / depth
    turn_u = pitch * (u * v) - yaw * (1 + u * u) + roll * v
    turn_v = pitch * (1 + v * v) - yaw * (u * v) - roll * u
    flow_u = ((right - u * ahead) * near + turn_u) * focal
    flow_v = ((-up - v * ahead) * near + turn_v) * focal
    return torch.stack([flow_u, flow_v], 1)
