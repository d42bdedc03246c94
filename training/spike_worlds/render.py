# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renderer of batches of scenes on any device: exact depth, luminance, colour, and image motion.

The image is divided into square tiles. Each solid is intersected only with the rays of tiles that
its projected outline overlaps, all pairs of solid and tile in one array operation for each kind of
solid; the nearest hit of each ray wins. Texture and light are computed once per pixel.

Masks are products, minima and maxima throughout: selecting by a mask costs twenty times as much
as an addition on a CPU.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from spike_worlds import atlas
from spike_worlds.ambient import ambient_occlusion, contrast_factors, illumination_factors
from spike_worlds.scene import BOX, CYLINDER, ELLIPSOID, MATERIAL, Scenes

TILE = 8
"""Rows and columns of a tile, pixels."""
_NEAR = 0.02  # near plane
_MISS = 1e9  # depth of a ray without a hit
_AIR = 0.7  # luminance of haze
_OWNER = (1 << 29) - 1
_HUGE = 1e20
_MIN_FACING = 0.04  # least cosine to the view, for the footprint of pixels
_MIN_RISE = 0.03  # least vertical component of rays to the sky
_COLUMN = {name: place for place, name in enumerate(MATERIAL)}


@dataclasses.dataclass(frozen=True)
class Rendering:
    """Images of a camera at one instant.

    Attributes:
        depth: ``[B, H, W]`` metres along the optical axis; +Inf in the sky.
        luminance: ``[B, H, W]`` linear light behind the lens, 0 or more, unexposed.
        rgb: ``[B, 3, H, W]`` linear light, or None.
        flow: Motion of each pixel, pixels per second right and down, ``[B, 2, H, W]``.
    """

    depth: Tensor
    luminance: Tensor
    rgb: Tensor | None
    flow: Tensor


class _Tensors:
    """Fields of scenes as tensors on a device."""

    def __init__(self, scenes: Scenes, device: torch.device) -> None:
        def move(array: object) -> Tensor:
            return torch.as_tensor(array).to(device, non_blocking=True).contiguous()

        self.kind = move(scenes.kind)
        self.centre, self.half = move(scenes.centre), move(scenes.half)
        self.heading = move(scenes.heading)
        self.velocity = move(scenes.velocity)
        self.material = torch.cat([move(scenes.material), move(scenes.shell_material)], 1)
        self.shell, self.open = move(scenes.shell), move(scenes.open)
        self.focal = move(scenes.focal)
        self.eye, self.axes = move(scenes.eye), move(scenes.axes)
        self.linear_velocity = move(scenes.linear_velocity)
        self.angular_velocity = move(scenes.angular_velocity)
        self.sun, self.light, self.lamp = move(scenes.sun), move(scenes.light), move(scenes.lamp)
        self.occlusion, self.illumination = move(scenes.occlusion), move(scenes.illumination)
        self.haze, self.blur = move(scenes.haze), move(scenes.blur)
        self.contrast = move(scenes.contrast)


def render(
    scenes: Scenes, height: int, width: int, device: torch.device | str, with_rgb: bool = False
) -> Rendering:
    """Render a batch of scenes at the reference time.

    Args:
        scenes: ``B`` scenes.
        height: Rows.
        width: Columns.
        device: Device to render on.
        with_rgb: Whether to render colours too.

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
    depth, owner = _cast_rays(s, u, v, fx, grid, (height, width))
    depth, owner = (_untile(part, grid)[:, :height, :width] for part in (depth, owner))
    u, v = u[:, None, :width], v[:, :height, None]
    return _shade(s, depth.contiguous(), owner.contiguous(), u, v, fx, with_rgb)


def _untile(tiled: Tensor, grid: tuple[int, int, int]) -> Tensor:
    batch, rows, columns = grid
    image = tiled.view(batch, rows, columns, TILE, TILE).transpose(2, 3)
    return image.reshape(batch, rows * TILE, columns * TILE)


def _to_local(vector: Tensor, heading: Tensor) -> Tensor:
    """Rotate world vectors ``[..., 3]`` into the solids' own axes."""
    x, y, z = vector.unbind(-1)
    c, s = heading.unbind(-1)
    return torch.stack([c * x - s * z, y.expand_as(c), s * x + c * z], -1)


def _cast_rays(
    s: _Tensors,
    u: Tensor,
    v: Tensor,
    fx: Tensor,
    grid: tuple[int, int, int],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor]:
    """Return depth and number of the nearest solid, ``[B * tiles, TILE ** 2]``; N is the shell."""
    batch, rows, columns = grid
    solids = s.kind.shape[1]
    # Camera in the solids' own axes, in units of their half sizes.
    inverse = 1 / s.half
    start = _to_local(s.eye[:, None] - s.centre, s.heading) * inverse
    axes = [_to_local(s.axes[:, None, k], s.heading) * inverse for k in range(3)]
    rays = torch.stack([*axes, start], 0).permute(0, 3, 1, 2).reshape(12, batch * solids)

    overlapped = _overlapped_tiles(s, fx, grid, size)
    tile_u, tile_v = u.view(-1, TILE).t().contiguous(), v.view(-1, TILE).t().contiguous()
    image, solid, tile = overlapped.nonzero().unbind(1)
    kind = s.kind.view(-1).index_select(0, image * solids + solid)
    row, column = torch.div(tile, columns, rounding_mode='floor'), tile % columns
    near, order = [], []
    for wanted, hit in ((BOX, _hit_box), (CYLINDER, _hit_cylinder), (ELLIPSOID, _hit_ellipsoid)):
        chosen = (kind == wanted).nonzero()[:, 0]
        which = image.index_select(0, chosen)
        parameters = rays.index_select(1, which * solids + solid.index_select(0, chosen))
        across = tile_u.index_select(1, which * columns + column.index_select(0, chosen))
        down = tile_v.index_select(1, which * rows + row.index_select(0, chosen))
        near.append(hit(parameters, across, down))
        order.append(chosen)
    together = torch.cat(order)
    numbers = solid.index_select(0, together)
    cells = (image * (rows * columns) + tile).index_select(0, together)
    # One number holds depth and owner: the 29 lowest bits of a float64 made from a float32 are
    # free. Positive floats are in the order of their bits, so that the minimum is the nearest, and
    # at equal depths the solid of the lowest number.
    keys = torch.cat(near, 1).t().to(torch.float64, memory_format=torch.contiguous_format)
    keys = keys.view(torch.int64)
    keys += numbers[:, None]
    found = _tile_pixels(_shell_depth(s, u, v), grid).double().view(torch.int64)
    found += solids
    index = cells[:, None].expand(-1, TILE * TILE)
    nearest = found.view(torch.float64).scatter_reduce_(0, index, keys.view(torch.float64), 'amin')
    bits = nearest.view(torch.int64)
    owner = bits & _OWNER
    return (bits - owner).view(torch.float64).float(), owner.to(torch.int32)


def _tile_pixels(image: Tensor, grid: tuple[int, int, int]) -> Tensor:
    batch, rows, columns = grid
    return image.view(batch, rows, TILE, columns, TILE).transpose(2, 3).reshape(-1, TILE * TILE)


def _shell_depth(s: _Tensors, u: Tensor, v: Tensor) -> Tensor:
    """Return the depth of the room's walls, ``[B, H, W]``."""
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
    """Return a component of the rays of depth 1, ``[B, H, W]``."""
    right, up, forward = (s.axes[:, k, axis, None, None] for k in range(3))
    return u * right + (forward - v * up)


def _corner_signs(device: torch.device) -> Tensor:
    return torch.tensor(
        [[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)], device=device
    )


def _edge_ends(corner: Tensor) -> tuple[Tensor, Tensor]:
    """Return values at both ends of a box's twelve edges, ``[..., 12]``, from its corners'."""
    cube = corner.view(*corner.shape[:-1], 2, 2, 2)
    ends = [
        torch.cat([cube.select(axis, end).flatten(-2) for axis in (-3, -2, -1)], -1)
        for end in (0, 1)
    ]
    return ends[0], ends[1]


def _overlapped_tiles(
    s: _Tensors, fx: Tensor, grid: tuple[int, int, int], size: tuple[int, int]
) -> Tensor:
    """Return the mask of tiles that the outline of each solid may overlap, ``[B, N, tiles]``."""
    _, rows, columns = grid
    height, width = size
    signs = _corner_signs(s.half.device)
    corner = signs * s.half[:, :, None]
    c, sine = (s.heading[..., k, None] for k in range(2))
    x, y, z = corner.unbind(-1)
    world = torch.stack([c * x + sine * z, y, c * z - sine * x], -1)
    away = world + (s.centre - s.eye[:, None])[:, :, None]
    seen = [
        away[..., 0] * s.axes[:, k, 0, None, None]
        + away[..., 1] * s.axes[:, k, 1, None, None]
        + away[..., 2] * s.axes[:, k, 2, None, None]
        for k in range(3)
    ]
    # Edges are clipped at the near plane; those behind it are ignored.
    near, far = zip(*(_edge_ends(part) for part in seen), strict=True)
    ends = []
    for a, b in ((near, far), (far, near)):
        reach = b[2] - a[2]
        share = ((_NEAR - a[2]) / (reach + (reach == 0).float())).clamp_(0, 1)
        share *= (a[2] < _NEAR).float()
        depth = a[2] + reach * share
        behind = (depth < 0.9 * _NEAR).float()
        scale = depth.clamp_(min=_NEAR).reciprocal_()
        across = (a[0] + (b[0] - a[0]) * share).mul_(scale)
        up = (a[1] + (b[1] - a[1]) * share).mul_(scale)
        ends.append((across, up.neg_(), behind))
    across, down, behind = (torch.cat(part, -1) for part in zip(*ends, strict=True))
    limits = []
    for value, middle, tiles in ((across, width / 2, columns), (down, height / 2, rows)):
        pixel = (value * fx[:, None, None]).clamp_(-1e6, 1e6) + middle
        low = (pixel + behind * 1e7).amin(-1) - 1
        high = (pixel - behind * 1e7).amax(-1) + 1
        begin = torch.arange(tiles, device=pixel.device) * TILE
        limits.append((low[..., None] < begin + TILE) & (high[..., None] > begin))
    across_tiles, down_tiles = limits
    reached = (down_tiles[..., :, None] & across_tiles[..., None, :]).flatten(2)
    return reached & (s.kind >= 0)[..., None]


def _local_rays(parameters: Tensor, u: Tensor, v: Tensor) -> list[Tensor]:
    """Return ray components ``[TILE * TILE, P]`` in the solids' units, a column per pair."""
    rays = []
    for axis in range(3):
        right, up, forward = (parameters[3 * k + axis] for k in range(3))
        across, down = u * right, forward - v * up
        rays.append((across[None] + down[:, None]).flatten(0, 1))
    return rays


def _hit_box(parameters: Tensor, u: Tensor, v: Tensor) -> Tensor:
    enter, leave = None, None
    for axis, ray in enumerate(_local_rays(parameters, u, v)):
        inverse = ray.reciprocal_().clamp_(-_HUGE, _HUGE)
        middle = inverse * -parameters[9 + axis]
        reach = inverse.abs_()
        low, high = middle - reach, middle.add_(reach)
        enter = low if enter is None else torch.maximum(enter, low, out=enter)
        leave = high if leave is None else torch.minimum(leave, high, out=leave)
    assert enter is not None
    assert leave is not None
    missed = torch.sub(enter, leave, out=leave)
    return _mask_misses(enter, missed)


def _mask_misses(depth: Tensor, missed: Tensor) -> Tensor:
    """Return the depth, or ``_MISS`` where ``missed`` is positive or the depth negative."""
    wrong = torch.maximum(missed, depth.neg(), out=missed).clamp_(min=0).mul_(_HUGE)
    return depth.add_(wrong).clamp_(max=_MISS)


def _hit_cylinder(parameters: Tensor, u: Tensor, v: Tensor) -> Tensor:
    x, y, z = _local_rays(parameters, u, v)
    ox, oy, oz = parameters[9:]
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
    return _mask_misses(enter, torch.maximum(enter - leave, free.neg_()))


def _hit_ellipsoid(parameters: Tensor, u: Tensor, v: Tensor) -> Tensor:
    x, y, z = _local_rays(parameters, u, v)
    ox, oy, oz = parameters[9:]
    squared = x * x + y * y + z * z
    middle = (x * ox + y * oy + z * oz).neg_()
    nearest = middle / squared
    # Distance of the ray's nearest point from the centre: exact also for far, small solids.
    px, py, pz = x.mul_(nearest).add_(ox), y.mul_(nearest).add_(oy), z.mul_(nearest).add_(oz)
    free = (px.mul_(px) + py.mul_(py) + pz.mul_(pz)).neg_().add_(1)
    chord = (free.clamp(min=0) / squared).sqrt_()
    return _mask_misses(nearest - chord, free.neg_())


@functools.cache
def _atlas(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return texels packed with their neighbours right and above in an int32; level offsets."""
    quads = []
    for level in atlas.pyramids():
        texels = level.astype(np.uint32)
        right = np.roll(texels, -1, 2)
        quad = texels | right << 8 | np.roll(texels, -1, 1) << 16 | np.roll(right, -1, 1) << 24
        quads.append(quad.view(np.int32).reshape(len(quad), -1))
    packed = torch.from_numpy(np.concatenate(quads, 1)).reshape(-1).to(device)
    return packed, torch.tensor(atlas.LEVEL_OFFSETS, dtype=torch.int32, device=device)


def _shade(
    s: _Tensors,
    depth: Tensor,
    owner: Tensor,
    u: Tensor,
    v: Tensor,
    fx: Tensor,
    with_rgb: bool,
) -> Rendering:
    """Compute surface, material and light of each pixel, given the solid that it shows."""
    batch, solids = s.kind.shape
    ray = [_ray(s, axis, u, v) for axis in range(3)]
    point = [s.eye[:, axis, None, None] + depth * part for axis, part in enumerate(ray)]
    length = (u * u + (1 + v * v)).sqrt_()
    first = torch.arange(batch, device=depth.device, dtype=torch.int32)[:, None, None]
    of_solid = _Lookup(owner + first * (solids + 1))
    surface = _surface(s, of_solid, point)
    nx, ny, nz = surface.normal
    facing = (nx * ray[0] + ny * ray[1] + nz * ray[2]) / length
    # Inside the shell normals point away: flip them towards the eye.
    towards = facing.sign().neg_()
    normal = [nx * towards, ny * towards, nz * towards]
    facing = facing.abs_().clamp_(min=_MIN_FACING)

    number, sky = _material_numbers(s, owner, surface, towards * ny)
    of_material = _Lookup(number + first * (solids + 5))

    def material(name: str) -> Tensor:
        return of_material(s.material[..., _COLUMN[name]])

    pixel = length / fx[:, None, None]
    share = _texture(material, surface, ray, sky, pixel, depth * pixel / facing.sqrt_())
    still = 1 - sky
    light = _irradiance(s, point, normal).mul_(ambient_occlusion(still / depth, s.occlusion))
    light = light.add_(material('glow')).mul_(
        illumination_factors(s.illumination, *depth.shape[1:])
    )
    light += sky * (1 - light)
    near = (depth / s.haze[:, None, None]).add_(1).reciprocal_()
    near += sky * (1 - near)
    light *= near
    air = _AIR * (1 - near)

    def colour(dark: str, bright: str) -> Tensor:
        low = material(dark)
        return (material(bright) - low).mul_(share).add_(low).mul_(light).add_(air)

    luminance = _blur(colour('light0', 'light1'), s.blur)
    contrast = contrast_factors(luminance, s.contrast)
    luminance = luminance * contrast
    rgb = None
    if with_rgb:
        rgb = torch.stack(
            [_blur(colour(f'{name}0', f'{name}1'), s.blur) for name in ('red', 'green', 'blue')],
            1,
        )
        rgb *= contrast[:, None]
    flow = _flow(s, of_solid, still / depth, u, v, fx)
    return Rendering(depth / still, luminance, rgb, flow)


def _material_numbers(
    s: _Tensors, owner: Tensor, surface: _Surface, upward: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the number of each pixel's material, int32, and 1 for pixels of the sky, else 0.

    Materials are those of the solids, then of the shell's faces and the sky. ``upward`` is above 0
    where the surface faces up.
    """
    solids, winner = s.kind.shape[1], owner.float()
    shell = (winner - (solids - 1)).clamp_(min=0)
    floor = surface.flat * _is_positive(upward)
    sky = shell * s.open[:, None, None] * (1 - floor)
    face = (1 - surface.flat) * (2 - surface.side) + 3 * (surface.flat - floor)
    number = winner + shell * face
    number += sky * (solids + 4 - number)
    return number.to(torch.int32), sky


def _texture(
    material: Callable[[str], Tensor],
    surface: _Surface,
    ray: list[Tensor],
    sky: Tensor,
    pixel: Tensor,
    footprint: Tensor,
) -> Tensor:
    """Return the texture of each pixel, 0 to 1.

    Args:
        material: Returns a column of each pixel's material.
        surface: Texture coordinates, metres.
        ray: Components of rays of depth 1.
        sky: 1 for pixels of the sky, else 0.
        pixel: Width of a pixel at distance 1.
        footprint: Width of a pixel on the surface, metres. Overwritten.
    """
    # The sky has no position: its texture follows the direction.
    rise = ray[1].clamp(min=_MIN_RISE).reciprocal_()
    footprint += sky * (pixel * rise - footprint)
    across = surface.u + sky * (ray[0] * rise - surface.u)
    up = surface.v + sky * (ray[2] * rise - surface.v)
    return _sample_texture(
        material('tile'),
        (across * material('scale_u')).add_(material('offset_u')),
        (up * material('scale_v')).add_(material('offset_v')),
        footprint.mul_(material('texels')),
    )


class _Lookup:
    """Lookup of a column of a table by the row number of each pixel."""

    def __init__(self, index: Tensor) -> None:
        self._shape = index.shape
        self._index = index.view(-1)  # int32 is looked up four times as fast as int64

    def __call__(self, column: Tensor) -> Tensor:
        return column.reshape(-1).index_select(0, self._index).view(self._shape)


class _Surface(NamedTuple):
    """Surface points that rays hit.

    Attributes:
        normal: Unit normal, out of the solid.
        u: Texture coordinate to the right, metres.
        v: Texture coordinate upwards, or forward on flat faces.
        flat: 1 on tops and undersides.
        side: 1 on faces that look along the solid's x.
    """

    normal: tuple[Tensor, Tensor, Tensor]
    u: Tensor
    v: Tensor
    flat: Tensor
    side: Tensor


def _surface(s: _Tensors, of: _Lookup, point: list[Tensor]) -> _Surface:
    # The shell is one more box of the room's size.
    batch = len(s.half)
    half = torch.cat([s.half, (s.shell[:, 1:] - s.shell[:, :1]) / 2], 1).reciprocal_()
    centre = torch.cat([s.centre, (s.shell[:, :1] + s.shell[:, 1:]) / 2], 1)
    heading = torch.cat([s.heading, s.heading.new_tensor([1.0, 0.0]).expand(batch, 1, 2)], 1)
    kind = torch.cat([s.kind, s.kind.new_full((batch, 1), BOX)], 1)
    box, ellipsoid = of((kind == BOX).float()), of((kind == ELLIPSOID).float())
    c, sine = of(heading[..., 0]), of(heading[..., 1])
    ix, iy, iz = (of(half[..., axis]) for axis in range(3))

    x, y, z = (part - of(centre[..., axis]) for axis, part in enumerate(point))
    x, z = c * x - sine * z, (sine * x).add_(c * z)
    qx, qy, qz = x * ix, y * iy, z * iz
    ax, az = qx.abs(), qz.abs()
    # A hit is on the top or underside where |y| is nearer to its limit than |x| and |z|.
    round_ = qx * qx + qz * qz
    rim = torch.maximum(ax, az).sub_(round_).mul_(box).add_(round_)
    flat = _is_positive(qy.abs() - rim) * (1 - ellipsoid)
    upright = 1 - flat
    side = _is_positive(ax - az) * upright
    u = x + side * (z - x)
    v = y + flat * (z - y)
    nx = qx.mul_(ix).mul_(upright * (1 - box * (1 - side)))
    nz = qz.mul_(iz).mul_(upright * (1 - box * side))
    ny = qy.mul_(iy).mul_(torch.maximum(flat, ellipsoid))
    scale = (nx * nx + ny * ny + nz * nz).sqrt_().clamp_(min=1e-12).reciprocal_()
    nx, ny, nz = nx.mul_(scale), ny.mul_(scale), nz.mul_(scale)
    return _Surface((c * nx + sine * nz, ny, c * nz - sine * nx), u, v, flat, side)


def _is_positive(x: Tensor) -> Tensor:
    """Return 1 where x is above 0, else 0."""
    return x.sign().clamp_(min=0)


def _blur(image: Tensor, strength: Tensor) -> Tensor:
    """Mix an image with the mean of its neighbourhood, ``[B, H, W]``."""
    wide = torch.cat([image[:, :1], image, image[:, -1:]], 1)
    mean = wide[:, :-2] + wide[:, 2:]
    mean = mean.add_(image).add_(image)
    wide = torch.cat([mean[..., :1], mean, mean[..., -1:]], 2)
    mean = (wide[..., :-2] + wide[..., 2:]).add_(mean).add_(mean).mul_(1 / 16)
    return mean.sub_(image).mul_(strength[:, None, None]).add_(image)


def _irradiance(s: _Tensors, point: list[Tensor], normal: list[Tensor]) -> Tensor:
    """Return the light on surfaces from sun, sky and one lamp; less near the floor."""
    sun, sky, lamp = (s.light[:, k, None, None] for k in range(3))
    sx, sy, sz = (s.sun[:, axis, None, None] for axis in range(3))
    nx, ny, nz = normal
    direct = (nx * sx).add_(ny * sy).add_(nz * sz).clamp_(min=0)
    lx, ly, lz = (s.lamp[:, axis, None, None] - part for axis, part in enumerate(point))
    squared = (lx * lx).add_(ly * ly).add_(lz * lz).add_(0.05)
    cosine = lx.mul_(nx).add_(ly.mul_(ny)).add_(lz.mul_(nz)).clamp_(min=0)
    cosine /= squared.sqrt().mul_(squared.add_(0.5))
    height = point[1].clamp(min=0).mul_(8).add_(1)
    closed = (1 - ny).clamp_(max=1).mul_(0.35).div_(height)
    around = (0.25 * ny).add_(0.75).mul_(1 - closed)
    return direct.mul_(sun).add_(around.mul_(sky)).add_(cosine.mul_(lamp))


def _sample_texture(tile: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
    """Sample the atlas at tile coordinates, from the level whose texels match the footprint.

    Args:
        tile: Index of the tile's pyramid in the atlas.
        u: Tiles to the right; whole ones repeat.
        v: Tiles upwards.
        footprint: Width of a pixel in texels of the finest level. Overwritten, as u and v are.

    Returns:
        Shares from 0 to 1.
    """
    quads, offsets = _atlas(tile.device)
    # The exponent of a float is the whole part of its binary logarithm.
    level = (footprint.mul_(1.2).clamp_(1, 255).view(torch.int32) >> 23).sub_(127)
    size = torch.full_like(level, atlas.SIZE) >> level
    scale = size.float()
    x, y = (u.sub_(u.floor()).mul_(scale).sub_(0.5), v.sub_(v.floor()).mul_(scale).sub_(0.5))
    left, low = x.floor(), y.floor()
    x, y = x.sub_(left), y.sub_(low)
    mask = size - 1
    index = (low.to(torch.int32) & mask).mul_(size).add_(left.to(torch.int32) & mask)
    index += offsets.index_select(0, level.view(-1)).view(level.shape)
    index += tile.to(torch.int32)
    quad = quads.index_select(0, index.view(-1)).view(level.shape)
    a, b, c, d = ((quad >> shift & 255).float() for shift in (0, 8, 16, 24))
    a += x * b.sub_(a)
    c += x * d.sub_(c)
    return a.add_(y * c.sub_(a)).mul_(1 / 255)


def _flow(s: _Tensors, of: _Lookup, near: Tensor, u: Tensor, v: Tensor, fx: Tensor) -> Tensor:
    """Return image motion, pixels per second right and down, from 1 / depth and velocities."""
    batch = len(s.velocity)
    velocity = (
        torch.cat([s.velocity, s.velocity.new_zeros(batch, 1, 3)], 1) - s.linear_velocity[:, None]
    )
    right, up, ahead = (
        of(
            velocity[..., 0] * s.axes[:, k, 0, None]
            + velocity[..., 1] * s.axes[:, k, 1, None]
            + velocity[..., 2] * s.axes[:, k, 2, None]
        )
        for k in range(3)
    )
    pitch, yaw, roll = (s.angular_velocity[:, k, None, None] for k in range(3))
    turn_u = pitch * (u * v) - (yaw * (1 + u * u) - roll * v)
    turn_v = (pitch * (1 + v * v) - roll * u) - yaw * (u * v)
    flow_u = (right - u * ahead).mul_(near).add_(turn_u)
    flow_v = (up + v * ahead).mul_(near).sub_(turn_v)
    focal = fx[:, None, None]
    return torch.stack([flow_u.mul_(focal), flow_v.mul_(-focal)], 1)
