#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Finds the tokenizer of a model through introspection, and says how.

usage: resolve.py MODEL.gguf|OWNER/NAME
"""
import sys

import gi

gi.require_version("Bitnet", "1.0")
from gi.repository import Bitnet, GLib  # noqa: E402

loop = GLib.MainLoop()
status = 1


def on_finished(_resolver, strategy, success, error, duration_ms):
    print(f"{strategy}: {'found' if success else error.message} "
          f"({duration_ms:.1f} ms)")


def on_warning(_resolver, _code, message):
    print(f"warning: {message}", file=sys.stderr)


def on_progress(_resolver, progress):
    if progress.phase == Bitnet.Phase.DOWNLOADING:
        print(f"{progress.file} of {progress.repository}: "
              f"{progress.bytes_done} bytes")


def on_resolved(resolver, result):
    global status
    try:
        tokenizer, resolution = resolver.resolve_reference_finish(result)
    except GLib.Error as error:
        print(error.message, file=sys.stderr)
    else:
        print(f"{tokenizer.get_vocab_size()} tokens from "
              f"{resolution.unpack()['source']}")
        status = 0
    loop.quit()


resolver = Bitnet.Resolver(timeout=60)
resolver.connect("strategy-finished", on_finished)
resolver.connect("warning", on_warning)
resolver.connect("progress", on_progress)
resolver.resolve_reference_async(sys.argv[1], GLib.PRIORITY_DEFAULT, None,
                                 on_resolved)
loop.run()
sys.exit(status)
