#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes jinja-golden.json: what Python jinja2 3.1.6, set up as the Hugging
Face libraries do for chat templates, makes of small templates.

usage: make-jinja-golden.py > jinja-golden.json
needs jinja2 3.1.6
"""
import datetime
import json
import sys

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Raised(jinja2.exceptions.TemplateError):
    pass


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"],
                                       drop_needle=True)
        call = self.call_method("_support")
        return jinja2.nodes.CallBlock(call, [], [], body).set_lineno(line)

    @jinja2.pass_eval_context
    def _support(self, context, caller):
        return caller()


def raise_exception(message):
    raise Raised(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None,
           sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent,
                      separators=separators, sort_keys=sort_keys)


NOW = "2026-03-05T07:08:09"
env = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True,
    extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception
env.globals["strftime_now"] = \
    datetime.datetime.fromisoformat(NOW).strftime

CONTEXT = {
    "s": "Hello World", "t": "  two  words\nline2 \n",
    "u": "Straße ÄÖÜ ﬁ Σας ǅ 日本語", "e": "", "n": 7, "z": 0, "f": 2.5,
    "big": 1e20, "tiny": 1e-7, "yes": True, "nothing": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c"],
    "d": {"x": 1, "y": [1, 2], "items": "K"},
    "deep": {"a": {"b": {"c": "deep"}}},
    "mixed": [1, "a", None, 2.0, [1], {"k": "v'"}], "none_list": [],
    "users": [{"name": "Bob", "age": 30, "tags": ["x", "y"]},
              {"name": "alice", "age": 25, "tags": []},
              {"name": "Carl", "age": 30}],
    "q": "it's \"q\" \\ \n end",
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}]}, {"v": 3, "c": []}],
}

TEMPLATES = open(sys.argv[1] if len(sys.argv) > 1 else
                 __file__.replace("make-jinja-golden.py",
                                  "jinja-templates.txt"),
                 encoding="utf-8").read().split("\n----\n")


def render(source):
    try:
        return {"text": env.from_string(source).render(**CONTEXT)}
    except Raised as error:
        return {"raised": str(error)}
    except Exception as error:
        return {"error": type(error).__name__}


rows = [{"template": source, **render(source)} for source in TEMPLATES]
json.dump({"made_by": "jinja2 " + jinja2.__version__
           + " and make-jinja-golden.py",
           "now": NOW, "context": CONTEXT, "rows": rows},
          sys.stdout, ensure_ascii=False, indent=1)
print()
