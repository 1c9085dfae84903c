#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draw what a command leaves on a terminal as an SVG: terminal.py OUT.svg [-n LINES] COMMAND...

The command runs in a pseudo-terminal; a line rewritten in place shows as it was last,
and one such state of the progress line is kept, as a person would have seen it."""
import fcntl
import html
import os
import pty
import re
import struct
import sys
import termios

out, command = sys.argv[1], sys.argv[2:]
limit = 0
if command[0] == "-n":
    limit, command = int(command[1]), command[2:]

pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm-256color"
    os.execvp(command[0], command)
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
raw = b""
while True:
    try:
        got = os.read(fd, 65536)
    except OSError:
        break
    if not got:
        break
    raw += got
os.waitpid(pid, 0)

lines = ["$ " + " ".join(command)]
for line in raw.decode().replace("\r\n", "\n").split("\n"):
    states = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", s) for s in re.split(r"\r", line)]
    lines.append(states[-1])
bars = [s for s in re.findall(r"\r\x1b\[K(epoch[^\r\n]*\[[^\r\n]*)", raw.decode())]
while lines and not lines[-1]:
    lines.pop()
if limit and len(lines) > limit:  # keep the head and the tail
    tail = limit - 5
    lines = lines[:4] + (["", bars[len(bars) // 2], ""] if bars else ["..."]) + lines[-tail:]

width, step = 8.43, 19
w = int(max(map(len, lines)) * width + 40)
h = len(lines) * step + 56
with open(out, "w") as f:
    f.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" '
            f'viewBox="0 0 {w} {h}">\n'
            f'<rect width="{w}" height="{h}" rx="8" fill="#16181d"/>\n'
            '<g fill="#5b606b"><circle cx="20" cy="18" r="5"/><circle cx="38" cy="18" '
            'r="5"/><circle cx="56" cy="18" r="5"/></g>\n'
            '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" '
            'font-size="14" fill="#d7dae0" xml:space="preserve">\n')
    for i, line in enumerate(lines):
        colour = ' fill="#8bd17c"' if line.startswith(("test/", "$")) else (
            ' fill="#e8c468"' if "[=" in line else "")
        f.write(f'<text x="20" y="{50 + i * step}"{colour}>{html.escape(line)}</text>\n')
    f.write("</g>\n</svg>\n")
