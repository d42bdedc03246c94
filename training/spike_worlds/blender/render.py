# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rendering of furnished rooms with Blender's path tracer (bpy): colour and exact depth."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import bpy
import numpy as np
import numpy.typing as npt

from spike_worlds.blender.catalogue import Model
from spike_worlds.blender.geometry import Floats, panels, walls_of
from spike_worlds.blender.plan import THICKNESS, Box, Material, Room
from spike_worlds.blender.textures import SIZE, make_texture

Image = npt.NDArray[np.float32]

SAMPLES = 2
"""Light paths of a pixel; the denoiser removes what noise they leave. Four take twice the time
and hardly differ to the eye."""

FARTHEST_M = 65.0
"""Depth from which on a pixel is sky."""

_SKY_COLOUR = (0.78, 0.89, 1.0, 1.0)
_TINTED = 0.5
_OPAQUE = 0.5
_UP = (0, 0, 1)


class BrokenModelError(Exception):
    """Model without surfaces, or that Blender cannot read."""


class RoomRenderer:
    """Renderer of one room at a time.

    Args:
        models: Models by their keys.
        width: Columns of the images.
        height: Rows of the images.

    Attributes:
        broken: Reasons by the keys of the models that could not be read so far.
    """

    def __init__(self, models: Mapping[str, Model], width: int, height: int) -> None:
        self.models, self.width, self.height = models, width, height
        self.broken: dict[str, str] = {}
        self._folder = TemporaryDirectory(prefix='rooms_')
        self._glass: list[tuple[Any, float]] = []

    def build(self, room: Room, rng: np.random.Generator) -> None:
        """Build a room; broken models are left out and noted.

        Args:
            room: The room.
            rng: Random numbers of the colours of furniture.
        """
        bpy.ops.wm.read_factory_settings(use_empty=True)
        _set_up(self.width, self.height)
        self._glass = []
        _add_shell(room)
        for box in room.boxes:
            _add_box(box)
        meshes: dict[str, Any] = {}
        for item in room.items:
            if item.key not in meshes:
                meshes[item.key] = self._mesh(item.key, rng)
            if meshes[item.key] is not None:
                thing = bpy.data.objects.new(item.key, meshes[item.key])
                thing.location, thing.rotation_euler = item.position, (0, 0, item.heading)
                _scene().collection.objects.link(thing)
        _add_lights(room)
        for material in bpy.data.materials:
            alpha = _alpha_of(material)
            if alpha is not None and 0 < alpha.default_value < 1 and not alpha.is_linked:
                self._glass.append((alpha, alpha.default_value))

    def depth(self, eye: Floats, axes: Floats, focal: float) -> Image:
        """Render depth along the optical axis at the middles of the pixels.

        Args:
            eye: Position, metres.
            axes: Rotation from the camera to the world.
            focal: Focal length over image width.

        Returns:
            ``[H, W]`` metres; infinite where there is nothing. Surfaces that hide less than half
            of the light behind them do not count.
        """
        self._place(eye, axes, focal)
        scene, cycles = _scene(), _scene().cycles
        scene.use_nodes = True  # the compositor writes depth in place of colour
        cycles.samples, cycles.use_denoising, cycles.max_bounces = 1, False, 0
        # The narrowest filter: one ray through the middle of each pixel, no mean over its area.
        cycles.pixel_filter_type, cycles.filter_width = 'BOX', 0.01
        for alpha, value in self._glass:  # else chance would choose between glass and beyond
            alpha.default_value = round(value)
        depth = self._render()[..., 0]
        for alpha, value in self._glass:
            alpha.default_value = value
        return np.where(depth < FARTHEST_M, depth, np.inf).astype(np.float32)

    def colour(self, eye: Floats, axes: Floats, focal: float) -> Image:
        """Render linear light, ``[H, W, 3]``; see :meth:`depth`."""
        self._place(eye, axes, focal)
        scene, cycles = _scene(), _scene().cycles
        scene.use_nodes = False
        cycles.samples, cycles.use_denoising, cycles.max_bounces = SAMPLES, True, 4
        cycles.pixel_filter_type, cycles.filter_width = 'BLACKMAN_HARRIS', 1.5
        return self._render()

    def _place(self, eye: Floats, axes: Floats, focal: float) -> None:
        camera = _scene().camera
        camera.data.lens = focal * camera.data.sensor_width
        matrix = np.eye(4)
        matrix[:3, :3] = axes * (1, -1, -1)  # Blender's cameras look along -z, with y up
        matrix[:3, 3] = eye
        camera.matrix_world = matrix.T.tolist()

    def _render(self) -> Image:
        path = Path(self._folder.name) / 'image.exr'
        _scene().render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(path))
        image.colorspace_settings.name = 'Non-Color'
        pixels = np.empty(self.width * self.height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
        return pixels.reshape(self.height, self.width, 4)[::-1, :, :3].copy()

    def _mesh(self, key: str, rng: np.random.Generator) -> Any:
        """Return the mesh of a model, None if it is broken."""
        try:
            return load_mesh(self.models[key], rng)
        except BrokenModelError as error:
            self.broken[key] = str(error)
        return None


def load_mesh(model: Model, rng: np.random.Generator) -> Any:
    """Return the mesh of a model: metres, front to -y, standing on z = 0, middle at 0.

    Args:
        model: The model.
        rng: Random numbers for the colours of surfaces without texture.

    Raises:
        BrokenModelError: Blender cannot read it, or it has no surface or no extent.
    """
    before = {*bpy.data.objects}
    with TemporaryDirectory(prefix='model_') as folder:
        try:
            path = _extract(model, Path(folder))
            bpy.ops.wm.obj_import(
                filepath=str(path), forward_axis='Y', up_axis='Z', use_split_objects=False,
                use_split_groups=False, validate_meshes=True,
            )  # fmt: skip
        except (RuntimeError, OSError, KeyError, zipfile.BadZipFile) as error:
            raise BrokenModelError(f'cannot be read: {error}') from error
        things = [thing for thing in bpy.data.objects if thing not in before]
        if len(things) != 1 or things[0].type != 'MESH' or not things[0].data.polygons:
            for thing in things:
                bpy.data.objects.remove(thing)
            raise BrokenModelError('no surface')
        mesh = things[0].data
        bpy.data.objects.remove(things[0])
        for material in mesh.materials:
            _finish_material(material, rng)
    _fit(mesh, model)
    return mesh


def _extract(model: Model, folder: Path) -> Path:
    """Extract a model and the files beside it."""
    beside = PurePosixPath(model.member).parent
    with zipfile.ZipFile(model.archive) as archive:
        for name in archive.namelist():
            if PurePosixPath(name).parent == beside and not name.endswith('/'):
                (folder / PurePosixPath(name).name).write_bytes(archive.read(name))
    return folder / PurePosixPath(model.member).name


def _fit(mesh: Any, model: Model) -> None:
    """Rotate a mesh and scale it to the size in the catalogue."""
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get('co', points)
    used = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get('vertex_index', used)
    turned = points.reshape(-1, 3).astype(np.float64) @ np.reshape(model.rotation, (3, 3)).T
    turned = turned[:, [0, 2, 1]] * (1, -1, 1)  # the catalogue's y is up and z to the front
    low, high = turned[used].min(0), turned[used].max(0)
    extent = high - low
    if not np.isfinite(extent).all() or (extent <= 0).all():
        raise BrokenModelError('no extent')
    scale = np.where(extent > 0, np.asarray(model.size) / np.where(extent > 0, extent, 1), 1)
    placed = (turned - [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]) * scale
    mesh.vertices.foreach_set('co', placed.astype(np.float32).ravel())
    mesh.update()


def _finish_material(material: Any, rng: np.random.Generator) -> None:
    """Load textures with their transparency, and vary the colours of plain surfaces."""
    if material is None or not material.use_nodes:
        return
    shader = material.node_tree.nodes.get('Principled BSDF')
    if shader is None:
        return
    colour = shader.inputs['Base Color']
    if not colour.is_linked:
        own = np.asarray(colour.default_value)
        if shader.inputs['Alpha'].default_value == 1 and rng.random() < _TINTED:
            own[:3] = np.clip(own[:3] * rng.uniform(0.5, 1.5, 3) + rng.uniform(0, 0.08), 0, 0.9)
        # Nothing is perfectly white or black.
        colour.default_value = (*np.clip(own[:3], 0.01, 0.88), 1.0)
        return
    for node in material.node_tree.nodes:
        if node.type == 'TEX_IMAGE' and node.image is not None and node.image.size[0]:
            node.image.pack()  # the file is removed
    node = colour.links[0].from_node
    image = getattr(node, 'image', None)
    if image is not None and image.size[0] and image.channels == 4 and image.depth == 32:
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        if pixels[3::4].min() < 1 and not shader.inputs['Alpha'].is_linked:
            _cut_out(material, node.outputs['Alpha'], shader)


def _cut_out(material: Any, alpha: Any, shader: Any) -> None:
    """Make a surface opaque or absent by the alpha of its texture, as leaves are."""
    step = material.node_tree.nodes.new('ShaderNodeMath')
    step.operation = 'GREATER_THAN'
    step.inputs[1].default_value = _OPAQUE
    material.node_tree.links.new(alpha, step.inputs[0])
    material.node_tree.links.new(step.outputs[0], shader.inputs['Alpha'])


def _alpha_of(material: Any) -> Any:
    shader = material.node_tree and material.node_tree.nodes.get('Principled BSDF')
    return shader.inputs['Alpha'] if shader else None


# Scene -----------------------------------------------------------------------------------------


def _scene() -> Any:
    return bpy.context.scene


def _set_up(width: int, height: int) -> None:
    scene = _scene()
    render, cycles = scene.render, scene.cycles
    render.engine = 'CYCLES'
    cycles.device, cycles.seed = 'CPU', 0
    render.threads_mode, render.threads = 'FIXED', 1
    render.use_persistent_data = True
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    settings = render.image_settings
    settings.file_format, settings.color_mode, settings.color_depth = 'OPEN_EXR', 'RGB', '32'
    settings.exr_codec = 'NONE'
    cycles.denoiser = 'OPENIMAGEDENOISE'
    cycles.denoising_input_passes = 'RGB_ALBEDO_NORMAL'
    cycles.denoising_prefilter = cycles.denoising_quality = 'FAST'
    cycles.use_adaptive_sampling = False
    cycles.use_light_tree = False  # for so few lamps it costs more than it saves
    cycles.diffuse_bounces, cycles.glossy_bounces = 3, 2
    cycles.transparent_max_bounces = 12
    cycles.sample_clamp_indirect = 8.0
    cycles.caustics_reflective = cycles.caustics_refractive = False
    layer = bpy.context.view_layer
    layer.use_pass_z = True
    layer.pass_alpha_threshold = _OPAQUE
    camera = bpy.data.cameras.new('camera')
    camera.sensor_fit, camera.clip_start, camera.clip_end = 'HORIZONTAL', 0.01, 1000.0
    scene.camera = bpy.data.objects.new('camera', camera)
    scene.collection.objects.link(scene.camera)
    _write_depth(scene)


def _write_depth(scene: Any) -> None:
    """Make the compositor write depth in place of colour."""
    scene.use_nodes = True
    tree = scene.node_tree
    tree.nodes.clear()
    layers = tree.nodes.new('CompositorNodeRLayers')
    output = tree.nodes.new('CompositorNodeComposite')
    tree.links.new(layers.outputs['Depth'], output.inputs['Image'])


def _add_shell(room: Room) -> None:
    """Add floor, ceiling, and walls with their holes."""
    width, depth, height = room.size
    outer = (width + 2 * THICKNESS, depth + 2 * THICKNESS, THICKNESS)
    middle = (width / 2, depth / 2)
    _add_box(Box((*middle, -THICKNESS / 2), outer, 0.0, room.floor))
    _add_box(Box((*middle, height + THICKNESS / 2), outer, 0.0, room.ceiling))
    for number, wall in enumerate(walls_of(width, depth)):
        holes = [(o.begin, o.end, o.bottom, o.top) for o in room.openings if o.wall == number]
        for begin, end, bottom, top in panels(wall.length, height, holes):
            low = begin - THICKNESS if begin == 0 else begin
            high = end + THICKNESS if end == wall.length else end
            x, y = wall.point((low + high) / 2, -THICKNESS / 2)
            size = (high - low, THICKNESS, top - bottom)
            centre = (float(x), float(y), (bottom + top) / 2)
            _add_box(Box(centre, size, wall.heading, room.walls[number]))


_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
_FACES = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def _add_box(box: Box) -> None:
    mesh = bpy.data.meshes.new('box')
    cos, sin = math.cos(box.heading), math.sin(box.heading)
    points = _CORNERS * box.size @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
    mesh.from_pydata((points + box.centre).tolist(), [], _FACES)
    mesh.update()
    mesh.materials.append(_material(box))
    thing = bpy.data.objects.new('box', mesh)
    if box.outside:
        thing.visible_diffuse = thing.visible_shadow = False
    _scene().collection.objects.link(thing)


def _material(box: Box) -> Any:
    """Return Blender's material of a box."""
    own = box.material
    name = f'{own.kind}_{own.seed}_{own.metres}_{own.glow}'
    fitted = own.metres == 0
    if fitted:
        name += f'_{box.centre}'
    if (known := bpy.data.materials.get(name)) is not None:
        return known
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes['Principled BSDF']
    shader.inputs['Roughness'].default_value = own.roughness
    shader.inputs['Specular IOR Level'].default_value = 0.3
    texture = nodes.new('ShaderNodeTexImage')
    texture.image, texture.projection = _texture(own), 'BOX'
    place, mapping = nodes.new('ShaderNodeTexCoord'), nodes.new('ShaderNodeMapping')
    if fitted:
        # The texture fills the box: its middle lies in the middle of the image.
        scale = [1 / max(box.size[0], 0.01), 1 / max(box.size[0], 0.01), 1 / box.size[2]]
        offset = [0.5 - c * s for c, s in zip(box.centre, scale, strict=True)]
        mapping.inputs['Scale'].default_value = scale
        mapping.inputs['Location'].default_value = offset
    else:
        mapping.inputs['Scale'].default_value = [1 / own.metres] * 3
    links.new(place.outputs['Object'], mapping.inputs['Vector'])
    links.new(mapping.outputs['Vector'], texture.inputs['Vector'])
    links.new(texture.outputs['Color'], shader.inputs['Base Color'])
    if own.glow:
        links.new(texture.outputs['Color'], shader.inputs['Emission Color'])
        shader.inputs['Emission Strength'].default_value = own.glow
        if box.outside:
            material.cycles.emission_sampling = 'NONE'
    return material


def _texture(own: Material) -> Any:
    name = f'{own.kind}_{own.seed}'
    if (known := bpy.data.images.get(name)) is not None:
        return known
    pixels = make_texture(own.kind, own.seed, own.dark, own.bright)[::-1] / np.float32(255)
    image = bpy.data.images.new(name, SIZE, SIZE)
    alpha = np.ones((SIZE, SIZE, 1), np.float32)
    image.pixels.foreach_set(np.concatenate([pixels, alpha], 2).astype(np.float32).ravel())
    image.pack()
    return image


# Light -----------------------------------------------------------------------------------------


def _add_lights(room: Room) -> None:
    for lamp in room.lamps:
        light = _add_light('POINT', lamp.watts, lamp.colour)
        light.data.shadow_soft_size = lamp.radius
        light.location = lamp.position
    walls = walls_of(*room.size[:2])
    for opening in [o for o in room.openings if o.outside and room.sky]:
        wall = walls[opening.wall]
        width, height = opening.end - opening.begin, opening.top - opening.bottom
        light = _add_light('AREA', room.sky * width * height, _SKY_COLOUR[:3])
        light.data.shape, light.data.size, light.data.size_y = 'RECTANGLE', width, height
        light.visible_camera = False
        x, y = wall.point((opening.begin + opening.end) / 2, 0.02)
        matrix = np.eye(4)
        matrix[:3, :3] = np.stack([(*wall.along, 0), _UP, (*-wall.inward, 0)], 1)
        matrix[:3, 3] = x, y, (opening.bottom + opening.top) / 2
        light.matrix_world = matrix.T.tolist()
    way, strength = room.sun
    if strength:
        light = _add_light('SUN', strength, (1.0, 0.93, 0.82))
        light.data.angle = 0.01
        yaw = math.atan2(-way[0], way[1])
        light.rotation_euler = (math.atan2(math.hypot(*way[:2]), -way[2]), 0, yaw)
    world = bpy.data.worlds.new('sky')
    world.use_nodes = True
    background = world.node_tree.nodes['Background']
    background.inputs['Color'].default_value = _SKY_COLOUR
    background.inputs['Strength'].default_value = room.sky / math.pi
    world.cycles_visibility.diffuse = False
    world.cycles.sampling_method = 'NONE'
    _scene().world = world


def _add_light(kind: str, watts: float, colour: tuple[float, ...]) -> Any:
    data = bpy.data.lights.new(kind.lower(), kind)
    data.energy, data.color = watts, colour
    light = bpy.data.objects.new(kind.lower(), data)
    _scene().collection.objects.link(light)
    return light
