# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of settings from files and options, with a list of all problems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spike_depth_ros.base import cli, schema
from spike_depth_ros.base.safe_yaml import read_yaml
from spike_training.errors import ConfigError, one_line
from spike_training.settings.config import RunConfig, StageConfig, check, listed, problems_of
from spike_training.settings.method import Method, find_kind, find_method

NO_OUT = 'out is missing: name a folder for the run with --out'

OF_STAGES = {
    'train': ('steps', 'batch_size', 'learning_rate', 'warmup_steps', 'ema_decay'),
    'data': ('height', 'width', 'planes', 'styles'),
}
"""Settings of a run that a stage may have for itself."""

RENAMED = {
    'ahead': 'prefetch',
    'constant_scenes': 'baseline_scenes',
    'discriminator_rate': 'discriminator_lr_scale',
    'encoder_rate': 'backbone_lr_scale',
    'final_share': 'min_lr_ratio',
    'kept_bounds': 'kept_fraction_bounds',
    'start': 'init_from',
    'start_batches': 'adabn_batches',
}
"""New name of each renamed setting."""


def read_arguments(arguments: Sequence[str]) -> RunConfig:
    """Read the settings of a run from a command line.

    Args:
        arguments: ``--config FILE`` and ``--name value`` or ``--name=value``, any
            number of them.

    Raises:
        ConfigError: A setting is unknown or of another type; the message lists all problems.
    """
    problems: list[str] = []
    given = _given(arguments, problems)
    config = read_run({'out': '', **given}, '', problems)
    problems += _unused(arguments, config)
    if problems:
        if config.out == Path() and not config.dry_run:
            problems.append(NO_OUT)
        problems += problems_of(config)
        raise ConfigError(f'{listed(problems)}\nSee run.py train --help')
    return config


def _unused(arguments: Sequence[str], config: RunConfig) -> Iterator[str]:
    """Yield the options that every stage replaces by a setting of its own."""
    for option, _ in cli.split(arguments, []):
        section, _, name = option.partition('.')
        if name not in OF_STAGES.get(section, ()) or not config.stages:
            continue
        names = ('steps', 'epochs') if name == 'steps' else (name,)
        if all(any(getattr(one, own) is not None for own in names) for one in config.stages):
            stages = ' and '.join(f'--stages.{one.name}.{name}' for one in config.stages[:2])
            yield (
                f'{section}.{name} is given, and each stage has its own: expected {stages}'
                + (' and so on' if len(config.stages) > 2 else '')
            )


def check_run(config: RunConfig) -> None:
    """Refuse invalid settings of a run, or one without a folder; a dry run lists all problems.

    Raises:
        ConfigError: The settings are invalid; the message lists all problems.
    """
    if not config.dry_run:
        check(config)
        if config.out == Path():
            raise ConfigError(listed([NO_OUT]))


def load_config(path: Path, least_stages: int = 1) -> RunConfig:
    """Read the config.yaml of a run.

    Args:
        path: The file.
        least_stages: Number of stages that are needed, 0 or 1.

    Raises:
        ConfigError: The settings are invalid; the message lists all problems.
    """
    problems: list[str] = []
    config = read_run({'out': '', **read_tree(path, problems)}, '', problems)
    if problems := problems + problems_of(config, least_stages):
        raise ConfigError(f'{path}: {listed(problems)}')
    return config


def read_run(given: Mapping[str, Any], where: str, problems: list[str]) -> RunConfig:
    """Read the settings of a run, its stages by the method that it names.

    Args:
        given: Settings by name.
        where: Prefix of the names in messages.
        problems: List to which all problems are appended.
    """
    try:
        method = find_method(str(given.get('method', RunConfig.method)))
    except ConfigError as error:
        problems.append(f'{where}{error}')
        method, given = Method((StageConfig,)), {**given, 'stages': [{}]}
    given = {'stages': [{}], **given}
    config: RunConfig = read_settings(RunConfig, given, where, problems, method)
    return config


def read_stage(
    method: Method, given: Mapping[str, Any], where: str, problems: list[str]
) -> StageConfig:
    """Read the settings of a stage, with the type of its kind.

    Settings of the method's other kinds may be given only with their defaults: configs of older
    versions contain all of them in each stage.

    Args:
        method: Method of the config; a stage may name another one in its kind.
        given: Settings by name.
        where: Prefix of the names in messages.
        problems: List to which all problems are appended.
    """
    kind = str(given.get('kind', method.stages[0].kind))
    try:
        prefix, method, settings = find_kind(kind, method)
        known, kind = True, f'{prefix}{settings.kind}'
    except ConfigError as error:
        problems.append(f'{where}{error}')
        if '.' in kind:  # settings of another method's kind are not known, either
            given = {k: value for k, value in given.items() if k in schema.fields_of(StageConfig)}
        settings = method.stages[0]
        known, kind = False, settings.kind
    given = {**given, 'kind': kind}
    own = {}
    for name, value in given.items():
        others = [other for other in method.stages if name in schema.fields_of(other)]  # type: ignore[arg-type]
        if settings in others or not others:
            own[name] = value
            continue
        read = read_settings(others[0], {name: value}, where, problems)
        if known and getattr(read, name) != getattr(others[0](), name):
            kinds = ' or '.join(other.kind for other in others)
            problems.append(f'{where}{name} is given: expected it in a stage of kind {kinds} only')
    stage: StageConfig = read_settings(settings, own, where, problems)
    return stage


def _given(arguments: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """Merge the settings of files and options into one tree; later ones override earlier ones."""
    given: dict[str, Any] = {}
    for name, value in cli.split(arguments, problems):
        if name == 'config' and value is not None:
            merge(given, read_tree(value, problems))
        else:
            *parents, key = name.split('.')
            tree = _tree_of(given, parents, key, problems)
            tree[key] = True if value is None else value if name == 'out' else cli.parsed(value)
    return given


def _tree_of(
    given: dict[str, Any], parents: Sequence[str], key: str, problems: list[str]
) -> dict[str, Any]:
    """Return the tree that holds a setting, which is made if missing.

    Args:
        given: Tree of all settings.
        parents: Names before that of the setting. A stage of a list is found by its own name.
        key: Name of the setting.
        problems: List to which a stage that is not there is appended.
    """
    tree = given
    for k, parent in enumerate(parents):
        found = tree.get(parent)
        if parent == 'stages' and isinstance(found, list):
            name, *more = *parents[k + 1 :], key
            for stage in found:
                if more and isinstance(stage, dict) and stage.get('name') == name:
                    return _tree_of(stage, more[:-1], more[-1], problems)
            named = ' or '.join(str(one.get('name')) for one in found if isinstance(one, dict))
            option = '.'.join((*parents, key))
            problems.append(f'--{option}: expected --stages.NAME.SETTING, NAME being {named}')
            return {}
        if not isinstance(found, dict):
            tree[parent] = {}
        tree = tree[parent]
    return tree


def read_tree(path: str | Path, problems: list[str]) -> dict[str, Any]:
    """Read the settings of a YAML file as a tree; on failure empty, with the problem appended."""
    try:
        content = read_yaml(Path(path))
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f'config {path}: {one_line(error)}')
        return {}
    if not isinstance(content, dict):
        problems.append(f'config {path}: expected settings, "name: value"')
        return {}
    return content


def merge(tree: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Merge the settings of another tree into one; those of the other override."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(tree.get(key), dict):
            merge(tree[key], value)
        else:
            tree[key] = value


def read_settings(
    kind: type,
    given: Mapping[str, Any],
    where: str,
    problems: list[str],
    method: Method | None = None,
) -> Any:
    """Build a dataclass from a tree of settings; invalid settings keep their defaults.

    Args:
        kind: The dataclass.
        given: Its settings by name.
        where: Prefix of the names in messages.
        problems: List to which all problems are appended.
        method: Method of a run, with the kinds of its stages; None: no run.
    """
    how = None
    if method is not None:

        def how(kind: type, item: Mapping[str, Any], problems: list[str], where: str) -> Any:
            return read_stage(method, item, where, problems)

    return schema.read(kind, given, problems, where, schema.Reading(True, RENAMED, how))
