# SPDX-License-Identifier: Apache-2.0
"""What a user of an installed runner has: headers and the .pc file, in a folder."""
import os
import shlex
import subprocess


def environment(c, build, to):
    """Install into `to`; the variables that let pkg-config find it there."""
    p = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet",
                        "--tags", "devel"], env={**os.environ, "DESTDIR": str(to)},
                       text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    c.equal("the headers install", (p.returncode, p.stdout if p.returncode else ""),
            (0, ""))
    pc = next(to.rglob("runner-plugin.pc"))
    env = {"PKG_CONFIG_PATH": str(pc.parent)}
    if "pcfiledir" not in pc.read_text():  # a build folder from before it could move
        env["PKG_CONFIG_SYSROOT_DIR"] = str(to)
    return env


def flags(env):
    return shlex.split(subprocess.run(["pkg-config", "--cflags", "runner-plugin"],
                                      env={**os.environ, **env}, text=True,
                                      stdout=subprocess.PIPE).stdout)
