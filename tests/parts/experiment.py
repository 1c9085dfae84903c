# SPDX-License-Identifier: Apache-2.0
"""docs/experiment.md is what `runner schema --docs` prints; it has every key of the host's
sections, each with a type, a sentence and an example; and every example, in an experiment
that has the rest, is one that the runner takes and that gives the key a value."""
import json
import re
import shutil
import sys

import yaml

import parts  # noqa: F401  (puts the harness on the path)
from harness import ROOT, Checks, Scratch, kinds, runner

BASE = """\
data:
  source: {type: csv, file: flowers.csv, target: kind}
model: {type: mlp, in: {x: data.x}, hidden: [4], outputs: 3}
loss: cross_entropy
optimizer: {type: sgd, lr: 0.1}
"""


def schema_keys(schema):
    """Every path of the host's sections in the JSON Schema, found without the page."""
    found = []

    def options(path, definition):
        for name, value in definition["properties"].items():
            if name != "extends" and not (name == "type" and "const" in value):
                one(f"{path}.{name}" if path else name, json.dumps(value))

    def one(path, text):
        found.append(path)
        listed = re.search(r'"items": \{"\$ref": "#/definitions/\w+"', text)
        below = f"{path}.N" if listed else \
            f"{path}.NAME" if '"additionalProperties": {' in text else path
        for name in re.findall(r'"#/definitions/(\w+)"', text):
            at = schema["definitions"][name]
            for part in [at] if "properties" in at else [
                    schema["definitions"][x["$ref"].rsplit("/", 1)[1]] for x in at["anyOf"]]:
                options(below, part)
    options("", schema)
    return found


def entries(page):
    for part in re.split(r"^#{2,3} (?=`)", page, flags=re.M)[1:]:
        key = re.match(r"`(.*)`\n", part)[1]
        facts = re.search(r"^\*(.*)\*$", part, re.M)
        doc = re.search(r"\*\n\n(.*)\n\n```yaml\n", part)
        example = re.search(r"```yaml\n(.*?)```", part, re.S)
        yield key, facts and facts[1], doc and doc[1], example and example[1]


def value_at(tree, path):
    for word in path.split("."):
        tree = tree[0] if word == "N" else tree[next(iter(tree)) if word == "NAME" else word]
    return tree


def main():
    c = Checks()
    r = runner("schema", "--docs")
    c.equal("schema --docs: exit", (r.code, r.err), (0, ""))
    page = (ROOT / "docs" / "experiment.md").read_text()
    c.ok("docs/experiment.md is up to date", page == r.out,
         "  make it again: ./dev runner schema --docs > docs/experiment.md")
    all_entries = list(entries(page))
    schema = json.loads(runner("schema").out)
    expected = schema_keys(schema)
    host = {k for kind in kinds()
            for k in ("type", "in", "weight", "match", "of", "at")
            if k in next(v for n, v in schema["definitions"].items()
                         if n.startswith(f"component.{kind}."))["properties"]}
    written = [e[0] for e in all_entries if "." in e[0] or e[0] in expected]
    c.equal("every key of the sections, once", sorted(written), sorted(expected))
    c.equal("and every key of components", {e[0] for e in all_entries} - set(written),
            host | {"extends"})
    for word in ("early_stop", "freeze", "match", "max_time", "test", "on_nan", "in"):
        c.ok(f"{word} is there", any(k.split(".")[-1] == word for k, *_ in all_entries))
    with Scratch() as top:
        shutil.copy(sys.argv[2], top / "my_plugin.so")
        (top / "base.yaml").write_text(BASE)
        for key, facts, doc, example in all_entries:
            c.ok(f"{key}: what it takes", facts)
            c.ok(f"{key}: a sentence", doc and re.match(r"[A-Z`].*\.$", doc), doc)
            if not c.ok(f"{key}: an example", example):
                continue
            text = example if key == "extends" else "extends: base.yaml\n" + example
            (top / "e.yaml").write_text(text)
            mine = yaml.safe_load(example)
            length = {"epochs", "steps"} & set(mine.get("train", {}))
            r = runner("config", "e.yaml", "--json", *([] if length else ["train.epochs=1"]),
                       cwd=top)
            if c.equal(f"{key}: its example is taken", (r.code, r.err), (0, "")):
                tree = json.loads(r.out)
                try:
                    if key in expected:
                        value_at(mine, key)  # it shows the key that it is for
                        value_at(tree, key)
                    c.ok(f"{key}: the example has it",
                         key in expected or re.search(rf"\b{key}:", example))
                except (KeyError, IndexError, TypeError) as e:
                    c.ok(f"{key}: the example has it", False, f"  {e!r}\n{example}")
            else:
                print(r.out)
    c.done()


main()
