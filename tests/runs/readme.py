# SPDX-License-Identifier: Apache-2.0
"""README.md is true: its experiment is the quickstart, its error is what one gets, its
plugin builds and trains. (links.py follows its links.)"""
import re
import shutil
import subprocess

from harness import Checks, ROOT, Scratch, runner

c = Checks()
readme = (ROOT / "README.md").read_text()
blocks = re.findall(r"^```(\w*)\n(.*?)^```", readme, re.S | re.M)


def block(language, part):
    return next(text for kind, text in blocks if kind == language and part in text)


def meat(text):
    """Without comments and empty lines."""
    lines = [re.sub(r"\s*#.*", "", line) for line in text.splitlines()]
    return [line for line in lines if line]


quickstart = (ROOT / "configs/quickstart.yaml").read_text()
c.equal("the experiment is the quickstart", meat(block("yaml", "model:")), meat(quickstart))
c.ok("under 150 lines", len(readme.splitlines()) < 150)

with Scratch() as top:
    shutil.copytree(ROOT / "datasets", top / "datasets")
    (top / "configs").mkdir()
    file = top / "configs/quickstart.yaml"
    file.write_text(quickstart.replace("epochs: 20", "epoch: 20"))
    r = runner("configs/quickstart.yaml", cwd=top)
    c.equal("the mistake exits with 2", r.code, 2)
    c.equal("and reads as it says", r.err, block("", "error:"))

    (top / "focal.c").write_text(block("c", "RN_PLUGIN"))
    p = subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden",
                        f"-I{ROOT}/plugin-api", "-o", "focal.so", "focal.c"], cwd=top,
                       text=True, stderr=subprocess.PIPE)
    c.equal("the plugin compiles", (p.returncode, p.stderr), (0, ""))
    file.write_text(quickstart)
    theirs, ours = [
        runner("configs/quickstart.yaml", "train.epochs=2", f"loss={loss}", *plugin,
               f"output={top}/runs", cwd=top)
        for loss, plugin in [("me.losses/focal", [f"plugins=[{top}/focal.so]"]),
                             ("focal", [])]]
    c.equal("and trains", theirs.code, 0)
    c.close("as the built-in focal does", theirs.value("test/loss"),
            ours.value("test/loss"), 2e-3)  # 1 - p is rounded otherwise
c.done()
