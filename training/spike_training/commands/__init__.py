# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subcommands of ``training/run.py``, one module each, whose function has options and help.

Torch and all that takes long to import is imported by the functions, behind their quick checks.
"""
