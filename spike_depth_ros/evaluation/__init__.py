# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluation of models on a recording: windows, scores, tables, report; docs/tasks/evaluate.md.

``bag -> lockstep -> scores -> results and report``; the live node joins at ``scores``.
"""
