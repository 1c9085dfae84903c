# SPDX-License-Identifier: Apache-2.0
"""Plugins wrong on purpose, each refused with its sentence and its exit code, never a
crash: files that are no plugins, versions that do not fit, texts and entries that
disagree, components that break what they promise.

    wrong.py RUNNER PLUGIN_API"""
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

from harness import Checks, ROOT, Scratch, runner, sanitized

here = pathlib.Path(__file__).resolve().parent
api = sys.argv[2]
c = Checks()
BASE = f"""
name: wrong
seed: 3
data:
  source: {{type: idx, images: {ROOT}/datasets/digits-images.idx3.gz, labels: {ROOT}/datasets/digits-labels.idx1.gz}}
  split: {{kind: random, val: 0.1, seed: 7}}
  batch: 32
device: reference
model: {{type: sequential, in: {{x: data.image}}, layers: [{{type: cast}}, {{type: flatten}}, {{type: dense, units: 10}}]}}
loss: cross_entropy
optimizer: {{type: sgd, lr: 0.001}}
train: {{steps: 2, log_every: 1}}
output: runs
""".replace("{type: cast}, ", "").replace("  batch: 32", "  transforms: [{type: scale, of: "
                                           "image}]\n  batch: 32")


def compile_so(top, name, source, *flags):
    f = top / f"{name}.c"
    f.write_text(source)
    p = subprocess.run(["cc", "-shared", "-fPIC", "-fvisibility=hidden", "-I", api, "-o",
                        top / f"{name}.so", f, *flags], text=True, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    return p.returncode, p.stdout


def experiment(top, plugins, sections):
    text = BASE
    for key, value in sections.items():
        text = re.sub(rf"^{key}:.*?(?=^\S|\Z)", "", text, flags=re.S | re.M)
        text += f"{key}: {value}\n"
    text += f"plugins: [{', '.join(plugins)}]\n"
    file = top / "wrong.yaml"
    file.write_text(text)
    return runner(file, cwd=top, timeout=60)


def refused(top, what, sections, code, *sentences, plugins=("./x.so",)):
    r = experiment(top, plugins, sections)
    c.equal(f"{what}: exit code", r.code, code)
    c.ok(f"{what}: no bug of ours, no default for a place",
         "internal" not in r.err and "default:1:1" not in r.err, r.err)
    for s in sentences:
        c.within(f"{what}: its sentence", r.err, s)


LOSS = r"""
#include <runner/loss.h>
static int32_t describe(struct rn_build *b) {
    rn_output(b, "loss", rn_cross_entropy(b, rn_input(b, "logits"), rn_input(b, "label"), 0.0));
    return RN_OK;
}
#define TEXT RN_DOC("x") RN_IN("logits float [N,C]") RN_IN("label int [N]") \
             RN_OUT("loss float [N] ; scope sample")
"""
GOOD = LOSS + 'RN_LOSS(x, describe, "acme.bad/x 1", TEXT);\nRN_PLUGIN(&x);\n'
USE = {"loss": "acme.bad/x"}

with Scratch() as top:
    so = top / "x.so"

    def source(what, text, *sentences, code=4, use=USE, flags=()):
        done = compile_so(top, "x", text, *flags)
        c.ok(f"{what}: builds", done[0] == 0, done[1])
        refused(top, what, use, code, *sentences)

    # ---- the file
    c.equal("a good one", compile_so(top, "good", GOOD)[0], 0)
    good = (top / "good.so").read_bytes()
    r = experiment(top, ["./good.so"], USE)
    c.ok("a good one trains", r.code == 0, r.err)

    def file(what, data, *sentences):
        so.unlink(missing_ok=True)
        so.write_bytes(data)
        refused(top, what, USE, 4, *sentences)

    so.unlink(missing_ok=True)
    refused(top, "no file", USE, 4, "x.so: No such file or directory",
            "wrong.yaml:", "plugins: [./x.so]", "there is no loss 'acme.bad/x'")
    file("an empty file", b"", "it is not a shared object (no ELF file)")
    file("a text", b"#!/bin/sh\necho hello\n" * 20, "it is not a shared object (no ELF file)")
    so.unlink()
    so.mkdir()
    refused(top, "a folder", USE, 4, "it is a directory, not a regular file")
    so.rmdir()
    os.mkfifo(so)
    refused(top, "a pipe", USE, 4, "it is a FIFO (a pipe), not a regular file")

    def edited(at, data):
        return good[:at] + data + good[at + len(data):]

    file("another architecture", edited(18, struct.pack("<H", 243)),
         "it is for another machine than")
    file("32 bits", edited(4, b"\1"), "it is for another machine than")
    file("big-endian", edited(5, b"\2"), "it is for another machine than")
    file("a program", edited(16, struct.pack("<H", 2)), "it is not a shared object (ELF type 2)")
    file("no sections", edited(60, struct.pack("<H", 0)), "cut short or damaged")
    file("sections beyond the end", edited(40, struct.pack("<Q", 1 << 60)),
         "cut short or damaged")
    shoff = struct.unpack_from("<Q", good, 40)[0]
    shnum, shstr = struct.unpack_from("<HH", good, 60)
    names = struct.unpack_from("<Q", good, shoff + 64 * shstr + 24)[0]
    rn = next(i for i in range(shnum) if good[names + struct.unpack_from(
        "<I", good, shoff + 64 * i)[0]:].startswith(b".rn_desc\0"))
    at = shoff + 64 * rn
    file("a description beyond the end", edited(at + 32, struct.pack("<Q", 1 << 40)),
         "its section .rn_desc is damaged")
    file("a description at the end of the world", edited(at + 24, struct.pack("<Q", 2**64 - 8)),
         "its section .rn_desc is damaged")
    cuts = 0
    for n in range(1, len(good), len(good) // 40):
        so.unlink(missing_ok=True)
        so.write_bytes(good[:n])
        r = runner("plugin", "show", so)
        cuts += r.code == 4 and "is refused" in r.err
    c.equal("cut short anywhere: refused", cuts, len(range(1, len(good), len(good) // 40)))
    file("cut short", good[:len(good) - 100], "the file is cut short or damaged")
    so.unlink()
    so.write_bytes(good)
    so.chmod(0o666)
    refused(top, "everybody may write to it", USE, 4,
            "every user of this machine may write to it", "chmod o-w")
    so.chmod(0o644)
    if os.getuid() != 0:
        so.chmod(0)
        refused(top, "nobody may read it", USE, 4, "Permission denied")
    so.unlink()

    # ---- loading
    source("no entry", LOSS + 'RN_LOSS(x, describe, "acme.bad/x 1", TEXT);\n'
           "RN_EXPORT const void *keep(void);\nconst void *keep(void) { return &x; }\n",
           f"plugin {so} is refused, asked for the loss acme.bad/x: it has no function "
           "runner_plugin_entry", "RN_PLUGIN(&component, ...) at the end")
    for flag, name in (("address", "AddressSanitizer"), ("thread", "ThreadSanitizer")):
        if flag == "address" and sanitized():  # then it fits
            print("SKIP: a plugin with AddressSanitizer fits a runner with it")
            continue
        source(f"built with {name}", GOOD, f"asked for the loss acme.bad/x: it was built with "
               f"{name}, whose library has to be in the process from its start",
               f"build it without -fsanitize={flag}", flags=[f"-fsanitize={flag}"])
    source("a missing symbol", "int nobody_has_this(void);\n" + GOOD.replace(
        "{\n    rn_output", "{\n    if (nobody_has_this()) return 1;\n    rn_output"),
        "it cannot be opened", "undefined symbol: nobody_has_this")
    reaching = "int error_set(void *, int, const char *, ...);\n" + GOOD.replace(
        "{\n    rn_output", '{\n    if (error_set(0, 1, "x")) return 1;\n    rn_output')
    source("into the host's own symbols", reaching, "it cannot be opened",
           "undefined symbol: error_set")
    done = compile_so(top, "y", reaching, "-Wl,--no-undefined")
    c.ok("into the host's own symbols: the linker says so already",
         done[0] != 0 and "undefined reference to `error_set'" in done[1], done[1])
    source("a library that is not there", GOOD, "it cannot be opened", "libnowhere.so",
           flags=["-Wl,--no-as-needed", "-L", str(top), "-lnowhere"] if compile_so(
               top, "libnowhere", "int nowhere;\n")[0] == 0 and
           (top / "libnowhere.so").exists() else [])

    # ---- numerics: flags that make the numbers depend on the machine are noticed
    for flags, words in ((["-O2", "-ffp-contract=off"], ()),
                         (["-O2", "-ffast-math"], ("compiled with -ffast-math",)),
                         (["-O2", "-ffinite-math-only"], ("compiled with -ffast-math",)),
                         (["-O2", "-mfma", "-ffp-contract=fast"], ("contracted products",))):
        if "-mfma" in flags and "fma" not in pathlib.Path("/proc/cpuinfo").read_text().split():
            print("SKIP: a contracted plugin: this processor has no FMA")
            continue
        done = compile_so(top, "x", GOOD, *flags)
        c.ok(f"{flags}: builds", done[0] == 0, done[1])
        r = experiment(top, ["./x.so"], USE)
        c.ok(f"{flags}: it runs", r.code == 0, r.err)
        c.equal(f"{flags}: warned", r.err.count("its numbers may differ"), len(words))
        for w in words:
            c.within(f"{flags}: of what", r.err, w)

    # ---- versions
    source("another major", GOOD.replace("RN_LOSS", "#undef RN_ABI_MAJOR\n#define "
           "RN_ABI_MAJOR 7\nRN_LOSS", 1), "it needs ABI 7.9; this runner has 0.9",
           "build the plugin again with this runner's headers")
    source("a later minor", "#define RN_ABI_NEEDED_MINOR 12\n" + GOOD,
           "it needs ABI 0.12; this runner has 0.9", "a later runner has it")
    source("an entry that needs more than its text says", GOOD.replace(
        "RN_PLUGIN", "#undef RN_ABI_NEEDED_MINOR\n#define RN_ABI_NEEDED_MINOR 3\nRN_PLUGIN"),
        "it needs ABI 0.3; this runner has 0.9")

    # ---- descriptions: written over the one of a plugin that was built once
    ROOM = 8192
    done = compile_so(top, "room", LOSS + f"""
RN_SECTION static const char text[{ROOM}] = "text";
static const struct rn_loss iface = {{sizeof(struct rn_loss), 0u, 0, 0, describe}};
static const struct rn_component x = {{sizeof(struct rn_component), 0u, text, &iface, 0}};
RN_PLUGIN(&x);
""")
    c.ok("a plugin with room for a description", done[0] == 0, done[1])
    room = (top / "room.so").read_bytes()
    place = room.index(b"text" + bytes(ROOM - 4))

    def text(what, lines, *sentences):
        section = "".join(f"{line}\n" for line in lines).encode("latin-1")
        so.unlink(missing_ok=True)
        so.write_bytes(room[:place] + section + room[place + len(section):])
        refused(top, what, USE, 4, *sentences)

    text("garbage", ["garbage"], "its description does not begin with its ABI")
    text("bytes of nobody", ["\x01\x02\xff\xfe"], "its description has the control character")
    text("control characters", ["abi: 0 9", "component: loss acme.bad/x 1", "doc: \x1b[31m"],
         "its description has the control character 0x1b")
    text("no component line", ["abi: 0 9"], "its description is empty")
    text("no component line, but others", ["abi: 0 9", "doc: x"],
         "its description has no `component: KIND NAME BEHAVIOUR`")
    text("an unknown kind", ["abi: 0 9", "component: lossy acme.bad/x 1"],
         "it has a component of the unknown kind 'lossy'")
    text("a name without vendor", ["abi: 0 9", "component: loss x 1"],
         "'x' is not a component's name: vendor.package/name")
    text("a name with strange letters", ["abi: 0 9", "component: loss acme/x*y 1"],
         "'acme/x*y' is not a component's name")
    ports = [f"in: p{i} float [N] ; optional" for i in range(81)]
    text("81 inputs", ["abi: 0 9", "component: loss acme.bad/x 1", *ports],
         "its description has 81 inputs; 32 are the most that a component may have")
    for kind in ("metric", "model", "hook", "transform"):
        text(f"81 inputs of a {kind}", ["abi: 0 9", f"component: {kind} acme.bad/x 1", *ports],
             "its description has 81 inputs")
    text("33 outputs", ["abi: 0 9", "component: metric acme.bad/x 1",
                        *(f"out: p{i} float []" for i in range(33))],
         "its description has 33 outputs; 32 are the most")
    text("no behaviour", ["abi: 0 9", "component: loss acme.bad/x"],
         "its description has no `component: KIND NAME BEHAVIOUR`")
    start = ["abi: 0 9", "component: loss acme.bad/x 1"]
    text("an unknown type", [*start, "option: a floot = 1"], "line 3: no type is called 'floot'")
    text("a default that does not fit", [*start, "option: a int = x"],
         "line 3: a default that does not fit")
    text("an unknown word", [*start, "option: a int = 1 ; rquired"],
         "loss acme.bad/x: description, line 3: unknown word 'rquired'",
         "did you mean 'required'?")
    text("an unknown word that nothing resembles", [*start, "option: a int = 1 ; sparse"],
         "unknown word 'sparse'", "a later runner may know it; `?sparse` lets a runner")
    text("an unknown line", [*start, "threds: one"], "loss acme.bad/x: unknown line 'threds: one'",
         "did you mean 'threads'?")
    text("an unknown line of a later version", [*start, "prefers: gpu"],
         "unknown line 'prefers: gpu'", "`?prefers`")
    text("a key without a space", [*start, "option:a int = 1"], "unknown line 'option:a int = 1'")
    text("threads of another number", [*start, "threads: two"],
         "'two' is not a value of `threads`")
    text("an option twice", [*start, "option: a int = 1", "option: a int = 2"],
         "line 4: an option is described twice")
    text("a record that does not end", [*start, "record: r", "option: a int = 1"], "record")
    text("the host's own key", [*start, "option: weight float = 1"],
         "it has an option 'weight', a key that is the host's in every component")
    text("a reference to no kind", [*start, "option: a list(reference(metrics))"],
         "option 'a' refers to the unknown kind 'metrics'")
    text("such a reference in a record",
         [*start, "record: r", "option: b reference(life)", "end:", "option: a r"],
         "option 'b' refers to the unknown kind 'life'")
    text("half a port", [*start, "in: logits float"],
         "a port is described as 'logits float': NAME DTYPE [SHAPE]")
    text("an unknown word of a port", [*start, "out: loss float [N] ; scop sample"],
         "x.so is refused: loss acme.bad/x: port 'loss': unknown word 'scop sample'",
         "did you mean 'scope'?")
    text("an unknown word of a port that nothing resembles",
         [*start, "in: logits float [N] ; quantised"], "unknown word 'quantised'", "`?quantised`")
    text("a scope that there is not", [*start, "out: loss float [N] ; scope rows"],
         "port 'loss': 'rows' is not a value of `scope`",
         "the values are: element, sample, batch, parameter")
    text("a direction that there is not", [*start, "out: loss float [N] ; better hihger"],
         "port 'loss': 'hihger' is not a value of `better`", "did you mean 'higher'?")
    text("no scope", [*start, "out: loss float [N]"],
         "loss acme.bad/x: its output 'loss' has no scope", "one of element, sample, batch")
    text("no output 'loss'", start, "its output 'loss' has no scope")
    for port in ("in: logits flaot [N,C]", "out: loss int/flaot [N] ; scope sample",
                 "?in: logits flaot [N,C]"):
        text(f"a port type that does not exist: {port}", [*start, port],
             "x.so is refused: loss acme.bad/x: port '", "there is no type 'flaot'",
             "did you mean 'float'?", "the types are: f32, ", "int, any")
    for shape in ("N,C", "[N,C", "[N,]", "[...,N]", "[N,-1]", "[0]", "[N]x", "[N][C]", "[1x]"):
        text(f"a shape that is none: {shape}", [*start, f"in: logits float {shape}"],
             f"loss acme.bad/x: port 'logits': '{shape}' is not a shape",
             "letters or sizes in brackets, without spaces")
    text("a shape with spaces", [*start, "in: logits float [N, C]"], "NAME DTYPE [SHAPE]")
    for vendor in ("runner/x", "runner.losses/x"):
        text(f"the reserved vendor: {vendor}",
             ["abi: 0 9", f"component: loss {vendor} 1", "out: loss float [N] ; scope sample"],
             f"loss {vendor}: the vendor `runner` is reserved for built-in components",
             "give it a name of your own: VENDOR.PACKAGE/x")

    # ---- words of later versions that an older host may pass over
    later = LOSS + 'RN_LOSS(x, describe, "acme.bad/x 1", ' + """
        RN_DOC("x") RN_IN("logits float [N,C] ; ?layout channels | scores")
        RN_IN("label int [N] ; ?quantised") "?prefers: gpu\\n"
        "?out: loss float [N] ; ?scope sample\\n"
        RN_OPTION("heat float = 1 ; ?min 0 ; ?sparse") "?option: cold int = 2 ; max 3\\n");
RN_PLUGIN(&x);
"""
    done = compile_so(top, "x", later)
    c.ok("optional words: builds", done[0] == 0, done[1])
    r = experiment(top, ["./x.so"], USE)
    c.ok("optional words that nobody knows are passed over", r.code == 0, r.err)
    for option, what in (("heat: -1", "at least 0"), ("cold: 4", "at most 3")):
        r = experiment(top, ["./x.so"], {"loss": f"{{type: acme.bad/x, {option}}}"})
        c.ok(f"an optional word that is known counts: {option}", r.code == 2, r.err)
        c.within(f"an optional word that is known counts: {option}", r.err, what)
    source("no description", "int nothing;\n", "it describes no component (no section "
           ".rn_desc)")
    source("a component twice", LOSS + """
RN_LOSS(x, describe, "acme.bad/x 1", TEXT);
RN_LOSS(y, describe, "acme.bad/x 1", TEXT RN_OPTION("a int = 1"));
RN_PLUGIN(&x, &y);
""", "it describes the loss acme.bad/x twice")
    compile_so(top, "x", GOOD)
    compile_so(top, "y", GOOD + "int more_bytes;\n")
    digest = {f: hashlib.sha256((top / f"{f}.so").read_bytes()).hexdigest() for f in "xy"}
    refused(top, "two plugins with one name", USE, 4,
            "two different plugins have the loss 'acme.bad/x'",
            f"sha256 {digest['x']} is {top}/x.so", f"sha256 {digest['y']} is {top}/y.so",
            "`plugins:` names both; leave one", plugins=("./x.so", "./y.so"))
    r = experiment(top, ["./x.so", "./x.so", "./../" + top.name + "/x.so"], USE)
    c.ok("the same file named thrice is one", r.code == 0, r.err)
    shutil.copy(top / "x.so", top / "again.so")
    r = experiment(top, ["./x.so", "./again.so"], USE)
    c.ok("two files with the same bytes are one plugin", r.code == 0, r.err)

    # ---- what the entry gives
    def entry(what, code, *sentences):
        source(what, LOSS + 'RN_LOSS(x, describe, "acme.bad/x 1", TEXT);\n' + code, *sentences)

    entry("an entry of nothing", "RN_EXPORT const struct rn_entry *runner_plugin_entry(void);"
          "const struct rn_entry *runner_plugin_entry(void) { return x.text ? (void *)0 : (void *)0; }",
          "its entry does not follow this ABI")
    entry("a small entry", "RN_EXPORT const struct rn_entry *runner_plugin_entry(void);"
          "const struct rn_component *all[] = {&x};"
          "const struct rn_entry *runner_plugin_entry(void) { static struct rn_entry e; "
          "e.struct_size = 8; e.components = all; return &e; }",
          "its entry does not follow this ABI")
    entry("text and entry disagree", 'RN_LOSS(y, describe, "acme.bad/y 1", TEXT);\n'
          "RN_EXPORT const void *keep(void);\nconst void *keep(void) { return &x; }\n"
          "RN_PLUGIN(&y);", "its entry does not give the loss acme.bad/x that it describes")

    def iface(what, code, *sentences, kind="loss", body="TEXT", use=USE):
        source(what, LOSS + code + f'RN_COMPONENT(x, iface, "{kind} acme.bad/x 1", {body});'
               "\nRN_PLUGIN(&x);\n", *sentences, use=use)

    iface("an interface too small", "static const struct rn_loss iface = {8u, 0u, 0, 0, describe};\n",
          "the interface of the loss acme.bad/x is 8 bytes, expected at least 32")
    iface("an interface without describe",
          "static const struct rn_loss iface = {32u, 0u, 0, 0, 0};\n",
          "the interface of the loss acme.bad/x has no `describe`")
    source("no interface", LOSS + """
RN_LOSS(y, describe, "acme.bad/y 1", TEXT);
RN_SECTION static const char text[] = "abi: 0 9\\ncomponent: loss acme.bad/x 1\\n" TEXT;
static const struct rn_component x = {sizeof(struct rn_component), 0u, text, 0, 0};
RN_PLUGIN(&x, &y);
""", "the loss acme.bad/x has no interface")
    iface("a backend with holes", "#include <runner/backend.h>\n"
          "static const struct rn_backend iface = {sizeof(struct rn_backend)};\n",
          "the interface of the backend acme.bad/x has no `create`", kind="backend",
          body='RN_DOC("x")', use={"device": "acme.bad/x"})
    iface("a transform that forgets", """
#include <runner/transform.h>
static int32_t create(struct rn_host *h, void **s, struct rn_error *e) { (void)h, (void)s, (void)e; return 0; }
static int32_t plan(void *s, struct rn_transform_plan *p, struct rn_error *e) { (void)s, (void)p, (void)e; return 0; }
static int32_t fit(void *s, struct rn_error *e) { (void)s, (void)e; return 0; }
static int32_t rows(void *s, const struct rn_transform_call *c, struct rn_error *e) { (void)s, (void)c, (void)e; return 0; }
static const struct rn_transform iface = {sizeof(struct rn_transform), 0, create, 0, plan, fit, rows, fit, rows, 0, 0, 0};
""", "has a fit that cannot be saved", kind="transform",
          body='RN_DOC("x") RN_OPTION("of string = image")',
          use={"data": BASE.split("data:")[1].split("device:")[0].replace(
              "{type: scale, of: image}", "{type: acme.bad/x}").rstrip()})

    # ---- components that break what they promise
    for f in ("losses", "parts"):
        done = compile_so(top, f, (here / f"wrong/{f}.c").read_text(), "-Wall", "-Wextra",
                          "-Werror")
        c.ok(f"wrong/{f}.c builds", done[0] == 0, done[1])

    LOSSES = {
        "good": (0, "Done after 2 steps"),
        "silent": (4, "acme.bad/silent: loss: describe failed with status -4 (plugin) and no "
                   "message", "the plugin should say why", "in the plugin ", "/losses.so (describe)"),
        "kernel_silent": (3, "acme.bad/mute", "failed with status -3", "the plugin should say why",
                          "in the plugin ", "/losses.so"),
        "says": (2, "the temperature is too low", "heat it"),
        "no_output": (4, "acme.bad/no_output gave no output 'loss'"),
        "other_output": (4, "gives an output 'gain' that it does not declare"),
        "wrong_rank": (4, "is declared as float [N], but it is f32 [32,10]"),
        "wrong_type": (4, "is declared as float [N], but it is i64 [32]"),
        "no_rows": (4, "is declared as float [N], but it is f32 []"),
        "twice": (4, "output 'loss' is given twice"),
        "no_value": (4, "output 'loss' is not a value"),
        "unknown_op": (4, "there is no operator 'reduce_summ'", "did you mean 'reduce_sum'?"),
        "unknown_attr": (4, "softmax has no attribute 'axle'", "did you mean 'axis'?"),
        "attr_type": (4, "softmax: attribute 'axis' has the wrong type"),
        "too_many": (4, "add: 3 inputs, it takes 2"),
        "shapes": (2, "acme.bad/shapes: layer 'loss.inner': add: shapes [32] and [5] do not "
                   "broadcast", "reshape or slice an operand", "in the plugin ", "/losses.so (describe)"),
        "no_port": (4, "there is no input port 'weights'"),
        "not_described": (4, "asks for 'coldness' which it does not describe"),
        "valueless": (4, "acme.bad/valueless asks for 'frost' which has neither a value "
                      "nor a default (rn_has)"),
        "getter": (4, "asks for 'heat' as an int, but its description says float",
                   "losses.so (describe)"),
        "live_getter": (4, "asks for 'warmth' as a constant, but it is live: rn_live gives it",
                        "losses.so (describe)"),
        "not_live": (4, "there is no live option 'heat'", "rn_live is for options with `; live`",
                     "rn_get_float(b->host, \"heat\")", "losses.so (describe)"),
        "reports": (2, "heat must not be as it is"),
        "assigns": (4, "'loss.nothing' is assigned but was never declared"),
        "small_variable": (4, "a variable whose struct_size is too small"),
        "two_shapes": (4, "variable 'loss.s' is declared twice with different shapes"),
        "unpopped": (4, "scopes nest deeper than 64 at 'deeper'"),
        "kernel": (4, "the kernel is tired"),
        "no_gradient": (4, "operator acme.bad/dead_end has no gradient, and one is needed"),
        "shape_rule": (2, "acme.bad/picky: only matrices fold"),
        "gradient_shape": (4, "acme.bad/crooked gives input 0 a gradient of another shape"),
        "small_operator": (4, "a custom operator has at most 32 inputs, 1 to 8 outputs"),
    }
    listed = re.findall(r"BAD\((\w+)\);", (here / "wrong/losses.c").read_text())
    c.equal("every wrong loss has its sentence", sorted(LOSSES), sorted(listed))
    for name, (code, *sentences) in LOSSES.items():
        refused(top, f"loss {name}", {"loss": f"acme.bad/{name}"}, code, *sentences,
                plugins=("./losses.so",))
    r = experiment(top, ["./losses.so"], {"loss": "acme.bad/says"})
    c.ok("the first error sticks", "the second error" not in r.err, r.err)
    r = experiment(top, ["./losses.so"], {"loss": "{type: acme.bad/says, heat: 2}"})
    c.ok("an error at the option that was written",
         re.search(r"wrong\.yaml:\d+:35: error: acme.bad/says: the temperature is too low", r.err), r.err)

    PARTS = [
        ("optimizer", "nothing", 4, "parameter 'model.", "gave no output 'param'"),
        ("optimizer", "shrinks", 4, "is assigned a value of another shape"),
        ("metrics", "none", 4, "acme.bad/none gave no output 'score'"),
        ("metrics", "other", 4, "gives an output 'other' that it does not declare"),
        ("metrics", "vector", 4, "is declared as [], but it has rank 1"),
        ("metrics", "bytes", 4, "is neither f32, f64, i64 nor i32"),
        ("metrics", "fails", 3, "a label that nobody knows"),
        ("metrics", "no_update", 4, "has neither describe nor update"),
        ("schedule", "nan", 4, "the value of 'optimizer.lr' at step 0 is nan"),
        ("schedule", "many", 2, "the first thing is wrong", "fix it",
         "the second thing is wrong", "/data/rows.csv:7:3: error: the file is bad"),
        ("schedule", "mute", 6,
         "acme.bad/mute: create failed with status -6 (memory) and no message",
         "the plugin should say why", "/parts.so (create)"),
        ("schedule", "getters", 4, "asks for 'a' as a string, but its description says ", "asks for 'b' as a bool",
         "asks for 'a' as a list or a map", "asks for 'c' which it does not describe"),
        ("schedule", "half", 4, "has only one of save and load", "both `save` and `load`"),
        ("schedule", "forgets", 4, "the interface of the schedule acme.bad/forgets has observe "
         "without save", "lost when the run is resumed", "both `save` and `load`"),
        ("hooks", "rewrites", 4, "rewrite of model.", "the value has another type or shape"),
        ("hooks", "average", 4, "average of model.", "the value has another type or shape"),
        ("hooks", "never", 4, "acme.bad/never averages every 0 steps from step 1 on"),
        ("hooks", "half_average", 4, "only one of averaging and average"),
        ("hooks", "taps", 4, "there is no operator 'no_such_operator'"),
        ("hooks", "event", 4, "hooks, event at step 0: acme.bad/event: the hook came off", "wrong.yaml:", "in the plugin ",
         "/parts.so (event)"),
        ("model", "model_shape", 4, "is declared as float [N,C], but it is f32 []"),
        ("model", "model_nothing", 4, "acme.bad/model_nothing gave no output 'out'"),
        ("augment", "augment_half", 4, "has not all of numbers, decide and describe"),
        ("augment", "augment_none", 4, "acme.bad/augment_none describes no output 'data'"),
        ("augment", "augment_less", 4,
         "acme.bad/augment_less describes data of another type or shape"),
        ("regularizers", "regularizer_neither", 4, "has neither describe nor project"),
        ("regularizers", "regularizer_mute", 4, "parameter 'model.", "gave no output 'penalty'"),
        ("regularizers", "regularizer_vector", 4, "parameter 'model.",
         "output 'penalty' of acme.bad/regularizer_vector must be an f32 scalar"),
        ("regularizers", "regularizer_integer", 4, "must be an f32 scalar"),
        ("regularizers", "regularizer_learns", 4, "parameter 'model.",
         "acme.bad/regularizer_learns declares a parameter of its own"),
        ("regularizers", "regularizer_still", 4, "gave no output 'param'"),
        ("regularizers", "regularizer_shape", 4, "parameter 'model.",
         "output 'param' of acme.bad/regularizer_shape has another type or shape"),
        ("source", "source_no_create", 4, "has no `create`"),
        ("source", "source_impossible", 3, "field 'image' is impossible"),
        ("source", "source_cell", 3, "/data/rows.csv:12:4: error: acme.bad/source_cell: a cell is no number",
         "  a number"),
        ("source", "source_unread", 7, "data.source",
         "acme.bad/source_unread: read failed with status -7 (input/output) and no message"),
        ("source", "source_undeclared", 4, "gives a field 'image' that its description does "
         "not have", "RN_OUT(\"image"),
        ("source", "source_misfit", 4, "gives the field 'image' as f32 [4], but its "
         "description says f32 [N,5]"),
        ("source", "source_absent", 4, "gives no field 'label', which its description has"),
        ("source", "source_stream", 2, "does not know how many samples it has",
         "train.steps_per_epoch"),
    ]
    for section, name, code, *sentences in PARTS:
        value = f"{{type: acme.bad/{name}}}"
        if section == "model":
            value = f"{{type: acme.bad/{name}, in: {{x: data.image}}}}"
        if section == "source":
            section, value = "data", f"{{source: {value}, batch: 8}}"
        parts = {section: value}
        if section == "augment": # on a device that holds the samples
            parts["device"] = "async_fake"
        refused(top, f"{section} {name}", parts, code, *sentences,
                plugins=("./parts.so",))

    BATCHES = [
        ("sampler", "sampler_empty", 4, "data.sampler (sampler_empty)",
         "an epoch of 0 samples is not possible"),
        ("sampler", "sampler_beyond", 4, "place 5 of epoch 0 is row"),
        ("sampler", "sampler_fails", 3, "data.sampler", "no row is good enough"),
        ("sampler", "sampler_half", 4, "has no `order`"),
        ("collate", "collate_image", 4, "field 'image' cannot become a target of 10 classes"),
        ("collate", "collate_none", 4, "cannot become a target of 0 classes"),
        ("collate", "collate_itself", 2, "already has another field 'image'"),
        ("collate", "collate_fails", 3, "collate (collate_fails)",
         "these do not mix"),
        ("collate", "collate_half", 4, "has no `plan`"),
        ("source", "source_ends", 4, "rows_read is 3 of 64 rows, but only a stream may end "
         "early"),
        ("source", "source_overflows", 4, "rows_read is 65 of 64 rows"),
    ]
    source_text = (here / "wrong/batches.c").read_text()
    c.equal("batches.c builds", compile_so(top, "batches", source_text), (0, ""))
    data = BASE.split("data:")[1].split("device:")[0]
    for section, name, code, *sentences in BATCHES:
        value = f"{{type: acme.bad/{name}}}"
        if name in ("collate_none", "collate_itself"):
            value = f"{{type: acme.bad/{name}, of: label}}"
        parts = {section: value}
        if section == "sampler":
            parts = {"data": f"{data}  sampler: {value}\n"}
        if section == "source":
            parts = {"data": f"{{source: {value}, batch: 8}}"}
        refused(top, name, parts, code, *sentences, plugins=("./batches.so",))

    # ---- looking at a plugin runs nothing of it
    mark = top / "ran"
    source_text = "#include <stdio.h>\n" + GOOD + (
        '__attribute__((constructor)) static void ran(void) {\n'
        f'    FILE *f = fopen("{mark}", "w");\n    if (f) fclose(f);\n}}\n')
    compile_so(top, "x", source_text)
    r = runner("plugin", "show", so)
    c.ok("plugin show does not open it", r.code == 0 and not mark.exists(), r.err)
    (top / "wrong.yaml").write_text(BASE + "plugins: ./x.so\n")
    r = runner("config", top / "wrong.yaml", cwd=top)
    c.ok("config does not open it", r.code == 0 and not mark.exists(), r.err)
    r = runner(top / "wrong.yaml", cwd=top)
    c.ok("what no component names is not opened", r.code == 0 and not mark.exists(), r.err)
    experiment(top, ["./x.so"], USE)
    c.ok("what is named is opened", mark.exists())

    # ---- a crash names the plugin that was in a call; where even the frames cannot be
    # read, the process still ends with a sentence
    for what, call, *sentences in (
            ("writes through NULL", "*(volatile int *)0 = 1", "crashed in x.so",
             "while acme.bad/x was asked"),
            ("jumps to nowhere", "((void (*)(void))64)()", "crashed in code that cannot "
             "be named")):
        compile_so(top, "x", GOOD.replace("return RN_OK", call + "; return RN_OK"), "-w")
        r = experiment(top, ["./x.so"], USE)
        c.ok(f"a loss that {what}: not exit 0", r.code != 0, r.err)
        if not sanitized():  # which reports crashes itself
            c.equal(f"a loss that {what}: exit code", r.code, 70)
            for sentence in sentences:
                c.within(f"a loss that {what}", r.err, sentence)

    # ---- the search: every refused candidate is named with its reason
    folder = top / "my plugins"
    folder.mkdir()
    for n, data in enumerate([b"", good[:500], edited(18, struct.pack("<H", 243))]):
        (folder / f"{'a-long-name-' * 12}{n}.so").write_bytes(data)
    (top / "wrong.yaml").write_text(BASE.replace("loss: cross_entropy", "loss: acme.bad/x"))
    r = runner(top / "wrong.yaml", cwd=top, env={"RUNNER_PLUGIN_PATH": str(folder)})
    c.equal("a component that is nowhere", r.code, 2)
    for n, why in enumerate(["(no ELF file)", "cut short or damaged", "another machine"]):
        c.ok(f"candidate {n} and why", re.search(rf"refused: .*{n}\.so: .*{re.escape(why)}",
                                                r.err), r.err)
    (folder / "good.so").write_bytes(good)
    r = runner(top / "wrong.yaml", cwd=top, env={"RUNNER_PLUGIN_PATH": str(folder)})
    c.ok("found by RUNNER_PLUGIN_PATH", r.code == 0, r.err)
    project = top / ".runner/plugins"
    project.mkdir(parents=True)
    (project / "mine.so").write_bytes(good)
    r = runner(top / "wrong.yaml", cwd=top)
    c.ok("found in the project", r.code == 0, r.err)
    r = runner(top / "wrong.yaml", cwd=top, env={"RUNNER_PLUGIN_PATH": str(folder)})
    c.ok("the same bytes in two folders are one plugin", r.code == 0, r.err)
    compile_so(top, "other", GOOD + "int more_bytes;\n")
    (project / "mine.so").write_bytes((top / "other.so").read_bytes())
    env = {"RUNNER_PLUGIN_PATH": str(folder)}
    r = runner(top / "wrong.yaml", cwd=top, env=env)
    c.equal("two candidates", r.code, 4)
    for f in (folder / "good.so", project / "mine.so"):
        c.within("two candidates: both with their hashes", r.err,
                 f"sha256 {hashlib.sha256(f.read_bytes()).hexdigest()} is {f}")
    c.within("two candidates: the way out", r.err, "name the one that is meant in `plugins:`")
    for f in (folder / "good.so", project / "mine.so"):
        r = runner(top / "wrong.yaml", f"plugins={f}", cwd=top, env=env)
        c.ok("a file that the experiment names comes first", r.code == 0, r.err)
    listed = runner("plugin", "list", "loss", "--json", cwd=top, env=env)
    built_in = next(l["file"] for l in json.loads(listed.out) if l["name"] == "runner/focal")
    (folder / "focal.so").write_bytes(pathlib.Path(built_in).read_bytes())
    r = runner(top / "wrong.yaml", "loss=focal", cwd=top, env=env)
    c.ok("a copy of a built-in plugin is that plugin", r.code == 0, r.err)
    with open(folder / "focal.so", "ab") as f:
        f.write(b"more")
    r = runner("plugin", "show", folder / "focal.so", cwd=top, env=env)
    c.equal("a changed copy of a built-in plugin: exit code", r.code, 4)
    c.within("a changed copy of a built-in plugin", r.err,
             "the vendor `runner` is reserved for built-in components")
    (folder / "focal.so").unlink()
    (project / "mine.so").unlink()
    user = top / "home/runner/plugins"
    user.mkdir(parents=True)
    (user / "mine.so").write_bytes(good)
    r = runner(top / "wrong.yaml", cwd=top, env={"XDG_DATA_HOME": str(top / "home")})
    c.ok("found in the user's folder", r.code == 0, r.err)
    (top / "wrong.yaml").write_text(BASE.replace("loss: cross_entropy", "loss: x"))
    r = runner(top / "wrong.yaml", cwd=top, env={"XDG_DATA_HOME": str(top / "home")})
    c.equal("a bare name is a built-in's", r.code, 2)
    c.within("a bare name: the full one is told", r.err, "its full name is 'acme.bad/x'")
c.done()
