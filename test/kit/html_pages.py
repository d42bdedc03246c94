# Copyright 2026 the spike_depth_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parsed HTML pages."""

import html.parser

VOID = {'meta', 'img', 'br', 'line', 'polyline', 'circle', 'rect'}


class Reader(html.parser.HTMLParser):
    """Text and references of a page; refuses tags that do not fit together."""

    def __init__(self, text):
        super().__init__()
        self.open, self.references, self.tags, self.text = [], [], set(), []
        self.feed(text)
        assert self.open == []
        self.text = ' '.join(' '.join(self.text).split())

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.references += [value for name, value in attributes if name in ('src', 'href')]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
