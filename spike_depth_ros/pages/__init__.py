# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages: blocks of text, tables and figures, as HTML, on a terminal, as Markdown; drawings."""
