# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of settings from files and options, with a list of all problems."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from spike_depth_ros.safe_yaml import YamlLimitError, parse_yaml, read_yaml
from spike_training.errors import ConfigError, one_line
from spike_training.settings.config import RunConfig, StageConfig, check, listed, problems_of
from spike_training.settings.method import Method, find_kind, find_method

NO_OUT = 'out is missing: name a folder for the run with --out'

OF_STAGES = {
    '--train': ('steps', 'batch_size', 'learning_rate', 'warmup_steps', 'ema_decay'),
    '--data': ('height', 'width', 'planes', 'styles'),
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


def without_dashes(argument: str) -> str:
    """Replace the dashes of an option's name by underscores: --rate-hz=20 means --rate_hz=20."""
    if not argument.startswith('--'):
        return argument
    name, equals, value = argument.partition('=')
    return f'--{name[2:].replace("-", "_")}{equals}{value}'


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
    for argument in arguments:
        section, _, name = without_dashes(argument).partition('=')[0].partition('.')
        if name not in OF_STAGES.get(section, ()) or not config.stages:
            continue
        names = ('steps', 'epochs') if name == 'steps' else (name,)
        if all(any(getattr(one, own) is not None for own in names) for one in config.stages):
            stages = ' and '.join(f'--stages.{one.name}.{name}' for one in config.stages[:2])
            yield (
                f'{section[2:]}.{name} is given, and each stage has its own: expected {stages}'
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
            given = {k: value for k, value in given.items() if k in _hints(StageConfig)}
        settings = method.stages[0]
        known, kind = False, settings.kind
    given = {**given, 'kind': kind}
    own = {}
    for name, value in given.items():
        others = [other for other in method.stages if name in _hints(other)]  # type: ignore[arg-type]
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
    rest = list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition('=')
        if not name.startswith('--'):
            problems.append(f'{name}: expected an option, --name value')
            continue
        if not equals:
            value = rest.pop(0) if rest else ''
        if name == '--config':
            merge(given, read_tree(value, problems))
        else:
            *parents, key = without_dashes(name)[2:].split('.')
            tree = _tree_of(given, parents, key, problems)
            tree[key] = value if name == '--out' else _parsed(value)
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


def _parsed(text: str) -> Any:
    """Parse the value of an option as YAML; dates and invalid YAML remain text."""
    try:
        value = parse_yaml(text)
    except (YamlLimitError, yaml.YAMLError):
        return text
    return text if isinstance(value, date) else value


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
    hints = _hints(kind)
    good = {}
    for key, value in given.items():
        name = f'{where}{key}'
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, 1) or [', '.join(hints)]
            new = RENAMED.get(str(key))
            expected = f'now {new}' if new in hints else f'unknown: did you mean {near[0]}?'
            problems.append(f'{name} is {expected}')
            continue
        hint = _plain(hints[key], value)
        element = (*get_args(hint), None)[0]
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            good[key] = read_settings(hint, value, f'{name}.', problems)  # type: ignore[arg-type]
        elif dataclasses.is_dataclass(element) and isinstance(value, list):
            problems += (
                f'{name}[{i}] is {item!r}: expected {_describe(element)}'
                for i, item in enumerate(value)
                if not isinstance(item, dict)
            )
            items = [item if isinstance(item, dict) else {} for item in value]
            good[key] = [
                read_settings(element, item, f'{name}[{i}].', problems)  # type: ignore[arg-type]
                if method is None
                else read_stage(method, item, f'{name}[{i}].', problems)
                for i, item in enumerate(items)
            ]
        elif _fits(value, hint):
            good[key] = _convert(value, hint)
        else:
            problems.append(f'{name} is {value!r}: expected {_describe(hint)}')
    return kind(**good)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of the fields of a dataclass, by name."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _plain(hint: Any, value: Any) -> Any:
    """Return the dataclass of a type "dataclass or None", unless the value is None."""
    if value is None or get_origin(hint) not in (Union, types.UnionType):
        return hint
    return next((kind for kind in get_args(hint) if dataclasses.is_dataclass(kind)), hint)


def _convert(value: Any, hint: Any) -> Any:
    if hint is float or hint is Path:
        return hint(value)
    if get_origin(hint) in (Union, types.UnionType):
        return _convert(value, next(one for one in get_args(hint) if _fits(value, one)))
    if get_origin(hint) is tuple:
        return tuple(map(_convert, value, get_args(hint)))
    if get_origin(hint) is list:
        return [_convert(item, get_args(hint)[0]) for item in value]
    if get_origin(hint) is dict:
        return {key: _convert(item, get_args(hint)[1]) for key, item in value.items()}
    return value


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in arguments
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, arguments[0]) for item in value)
    if origin is tuple:
        return (
            isinstance(value, list)
            and len(value) == len(arguments)
            and all(map(_fits, value, arguments))
        )
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(item, arguments[1]) for item in value.values()
        )
    if hint is float:
        return _is_number(value)
    if hint is Path:
        return isinstance(value, str)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _is_number(value: Any) -> bool:
    # YAML takes 4e-3, without a point, for a text.
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return False
    try:
        float(value)
    except (ValueError, OverflowError):
        return False
    return True


def _describe(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ' or '.join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return ' or '.join(map(_describe, arguments))
    if origin is list:
        return f'a list, each {_describe(arguments[0])}'
    if origin is tuple:
        return f'a list of {len(arguments)}'
    if dataclasses.is_dataclass(hint):
        return 'settings, "name: value"'
    names = {
        int: 'a whole number',
        float: 'a number',
        bool: 'true or false',
        str: 'a text',
        type(None): 'null',
        Path: 'a path',
    }
    return names.get(hint, 'settings, "name: value"')
