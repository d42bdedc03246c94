# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A command line that names everything that is wrong with it, not only the first thing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from spike_training.settings.config import listed
from spike_training.settings.reading import settings_problems, without_dashes


class Parser(ArgumentParser):
    """jsonargparse stops at the first error; this one then looks for the others."""

    def parse_args(self, args: Any = None, *arguments: Any, **options: Any) -> Any:
        """As of any parser, of options as settings are named; see :func:`without_dashes`."""
        given = [without_dashes(one) for one in (sys.argv[1:] if args is None else args)]
        return super().parse_args(given, *arguments, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Ends the process with status 2 and one message."""
        problems = settings_problems(sys.argv[2:]) if sys.argv[1:2] == ['bicross'] else []
        text = listed(problems) if problems else ' '.join(message.split())
        print(f'{Path(sys.argv[0]).name}: {text}', file=sys.stderr)
        print(f'See {Path(sys.argv[0]).name} {" ".join(sys.argv[1:2])} --help', file=sys.stderr)
        sys.exit(2)
