# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Check the first words of public docstrings, beyond ruff's rule D401.

No public docstring begins with a wh-word, and nearly all of public functions and methods (not
properties) begin with a verb of ``scripts/imperative_verbs.txt``. Checks the packages in the
current folder; files with an ignored D401 in its ``pyproject.toml`` are exempt. Prints the share
of functions that do not begin with such a verb and, on failure, the offenders.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PACKAGES = ('spike_depth_ros', 'training/spike_training')

MAX_SHARE = 0.05
"""Share of public functions with another first word than a verb must be below it."""

VERBS = frozenset(Path(__file__).with_name('imperative_verbs.txt').read_text().split())

WH_WORDS = {
    'how', 'what', 'whatever', 'when', 'whenever', 'where', 'wherever', 'whether', 'which',
    'whichever', 'who', 'whoever', 'whom', 'whose', 'why',
}  # fmt: skip

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Docstring(NamedTuple):
    """Docstring of a public definition.

    Attributes:
        place: Path and line of the definition, for messages.
        text: The docstring, not empty.
        of_function: True for functions and methods that are not properties.
    """

    place: str
    text: str
    of_function: bool

    @property
    def word(self) -> str:
        """First word in lower case."""
        return self.text.split()[0].strip('.,:;').lower()


def docstrings(path: Path) -> Iterator[Docstring]:
    """Yield the public docstrings of a file: of the module, classes, functions and attributes."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    scopes: list[ast.Module | ast.ClassDef] = [tree]
    if text := ast.get_docstring(tree):
        yield Docstring(f'{path}:1', text, of_function=False)
    for scope in scopes:
        for before, node in zip([None, *scope.body], scope.body, strict=False):
            place = f'{path}:{node.lineno}'
            if isinstance(node, (ast.ClassDef, *FUNCTIONS)) and not node.name.startswith('_'):
                if isinstance(node, ast.ClassDef):
                    scopes.append(node)
                if text := ast.get_docstring(node):
                    decorators = {ast.unparse(each) for each in node.decorator_list}
                    is_property = any('property' in each for each in decorators)
                    yield Docstring(place, text, isinstance(node, FUNCTIONS) and not is_property)
            elif (
                isinstance(before, (ast.Assign, ast.AnnAssign))
                and isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Constant)
                and isinstance(node.value.value, str)
                and not ast.unparse(before).startswith('_')
            ):
                yield Docstring(place, node.value.value, of_function=False)


def main() -> int:
    """Check the packages in the current folder and return the exit status."""
    lint = tomllib.loads(Path('pyproject.toml').read_text(encoding='utf-8'))['tool']['ruff'][
        'lint'
    ]
    exempt = [glob for glob, rules in lint['per-file-ignores'].items() if 'D401' in rules]
    found = [
        docstring
        for package in PACKAGES
        for path in sorted(Path(package).rglob('*.py'))
        if not any(fnmatch.fnmatch(path.as_posix(), glob) for glob in exempt)
        for docstring in docstrings(path)
    ]
    questions = [each for each in found if each.word in WH_WORDS]
    functions = [each for each in found if each.of_function]
    others = [each for each in functions if each.word not in VERBS]
    share = len(others) / max(len(functions), 1)
    failed = bool(questions) or share >= MAX_SHARE
    if failed:
        for each in sorted({*questions, *others}):
            problem = 'a wh-word' if each in questions else 'no verb of imperative_verbs.txt'
            print(f'{each.place}: begins with {problem}: {each.text.splitlines()[0]}')
    print(
        f'{len(questions)} docstrings begin with a wh-word, expected none; {share:.1%} of '
        f'{len(functions)} public functions with no verb, expected less than {MAX_SHARE:.0%}'
    )
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
