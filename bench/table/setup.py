# SPDX-License-Identifier: Apache-2.0
"""What a measurement needs: a release build, a Python with the peers, data, and words
about the machine."""
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

BENCH = pathlib.Path(__file__).resolve().parent.parent
TREE = BENCH.parent
BUILD = TREE / "build-bench"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or
                     pathlib.Path.home() / ".cache") / "runner-bench"

# The oldest that the peers are written for; newer ones are better peers.
NEEDED = ["torch>=2.6", "jax>=0.4.30", "optax>=0.2.3", "numpy>=1.26", "h5py", "pyyaml",
          "scikit-learn", "matplotlib", "safetensors"]
WANTED = ["intel-openmp"]  # a runtime that PyTorch is often tuned with; x86 only
MODULES = "torch, jax, optax, numpy, h5py, yaml, sklearn, matplotlib"
FEW = "torch, numpy, h5py"  # what rows for a GPU cannot do without
WITH_GPU = ["jax[cuda13]"]


def say(text=""):
    print(text, flush=True)


def environment(modules=MODULES):
    """The Python that has the peers; made at the first run, outside the tree."""
    folder = pathlib.Path(os.environ.get("RUNNER_BENCH_VENV") or CACHE / "venv")
    python = folder / "bin/python"
    if not python.exists():
        say(f"making {folder} with {', '.join(NEEDED)}: some gigabytes")
        if subprocess.run([sys.executable, "-m", "venv", folder]).returncode:
            sys.exit("bench: no virtual environment (Debian: apt install python3-venv)")
    if subprocess.run([python, "-c", f"import {modules}"],
                      stderr=subprocess.DEVNULL).returncode:
        pip = [python, "-m", "pip", "install", "--quiet"]
        if subprocess.run([*pip, *NEEDED]).returncode:
            sys.exit("bench: pip could not install the peers")
        subprocess.run([*pip, *WANTED], stderr=subprocess.DEVNULL)
        if shutil.which("nvidia-smi"):
            subprocess.run([*pip, *WITH_GPU], stderr=subprocess.DEVNULL)
    return folder


def small(name, modules, needed):
    """A Python with packages that do not go together with the others; or None."""
    python = CACHE / name / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", CACHE / name])
        subprocess.run([python, "-m", "pip", "install", "--quiet", *needed])
    found = subprocess.run([python, "-c", f"import {modules}"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
    return None if found.returncode else python


def tables():
    return small("tables", "pandas, polars", ["pandas", "polars", "numpy"]) or sys.executable


def profiling():
    return small("profiling", "ydata_profiling", ["ydata-profiling", "setuptools<81"])


def versions(venv):
    code = ("import sys, json, torch, numpy; from importlib import metadata\n"
            "def of(name):\n"
            "    try: return metadata.version(name)\n"
            "    except metadata.PackageNotFoundError: return None\n"
            "print(json.dumps({"
            "'PyTorch': torch.__version__, 'JAX': of('jax'), "
            "'jaxlib': of('jaxlib'), 'optax': of('optax'), "
            "'NumPy': numpy.__version__, 'Python': sys.version.split()[0], "
            "'PyTorch BLAS': torch.__config__.show().split('BLAS_INFO=')[-1].split(',')[0], "
            "'GPU': torch.cuda.get_device_name() if torch.cuda.is_available() else None}))")
    out = subprocess.run([venv / "bin/python", "-c", code], capture_output=True, text=True,
                         env=dict(os.environ, JAX_PLATFORMS="cpu"))
    if out.returncode:
        sys.exit(f"bench: the peers do not start:\n{out.stderr}")
    found = {k: v for k, v in json.loads(out.stdout).items() if v}
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler:
        found["C++"] = subprocess.run([compiler, "-dumpfullversion"], capture_output=True,
                                      text=True).stdout.strip()
    found["oneDNN of runner"] = library("dnnl")
    return found


def library(name):
    out = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ", f"lib{name}*"],
                         capture_output=True, text=True)
    return (out.stdout.split() or ["unknown"])[0]


def build():
    if not (BUILD / "build.ninja").exists():
        quietly("meson", "setup", BUILD, TREE, "-Dbuildtype=release")
    quietly("ninja", "-C", BUILD, "all", "bench/probe/bench_probe",
            "bench/probe/bench_checkpoint",
            "bench/regions/bench_regions")


def quietly(*command):
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         text=True)
    if out.returncode:
        sys.exit(f"{out.stdout}bench: {command[0]} ends with {out.returncode}")


def probe(threads, *what):
    """Figures of the machine, see probe/probe.c."""
    out = subprocess.run([BUILD / "bench/probe/bench_probe", str(threads), *what],
                         capture_output=True, text=True, check=True)
    return json.loads(out.stdout)


def peak(threads, bf16):
    """Operations a second that multiply-adds in registers reach."""
    if not bf16:
        return probe(threads, "peak")["peak"]
    return max(probe(threads, "bf16").values(), default=float("nan"))


def data(kind, o):
    """The folder with a row's data, and what it is."""
    fashion = pathlib.Path(os.environ.get("FASHION_MNIST",
                                          "/usr/share/datasets/fashion-mnist"))
    if kind == "fashion" and (fashion / "train-images-idx3-ubyte.gz").exists():
        return fashion, "Fashion-MNIST"
    folder = o.cache / f"data-{kind}"
    if not (folder / "complete").exists():
        arrays(o.venv, f"make({kind!r}, {str(folder)!r})")
    return folder, {"fashion": "made-up images of 28x28", "table": "a made-up table",
                    "sequences": "made-up sequences of 128 steps",
                    "text": "the text of datasets/opticks.txt",
                    "colour": "made-up colour images of 32x32",
                    "large": "made-up colour images of 224x224",
                    "large-tiny": "made-up colour images of 64x64",
                    "tokens": "made-up tokens, of 50257",
                    "tokens-tiny": "made-up tokens, of 211"}[kind]


def cut(o, row, folder, into):
    """A batch of a row's data, as a data set of its own."""
    arrays(o.venv, f"cut({row.data!r}, {str(folder)!r}, {str(into)!r}, {row.batch})")


def arrays(venv, call):
    subprocess.run([venv / "bin/python", "-c", f"import arrays; arrays.{call}"],
                   cwd=BENCH / "peers", check=True)


def machine(threads):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", BENCH, "describe", "--always", "--dirty"],
                            capture_output=True, text=True).stdout.strip()
    return {"date": time.strftime("%Y-%m-%d"), "cpu": model, "threads": threads,
            "processors": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
            "commit": commit, "kernel": platform.release()}


def allocators():
    """Environments that PyTorch is tried in: its allocator page-faults by default."""
    keep = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31),
            "MALLOC_TOP_PAD_": str(64 << 20)}
    found = {"glibc keeping its pages": keep, "glibc": {}}
    for name in ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libtcmalloc.so.4"):
        for folder in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"):
            path = pathlib.Path(folder) / name
            if path.exists():
                found[name.split(".")[0].removeprefix("lib")] = {"LD_PRELOAD": str(path)}
    return found


def intel_openmp(venv):
    """Its environment, as PyTorch's own launcher for Xeons sets it."""
    found = sorted(venv.glob("lib/libiomp5.so"))
    if not found:
        return None
    return {"LD_PRELOAD": str(found[0]), "KMP_BLOCKTIME": "1",
            "KMP_AFFINITY": "granularity=fine,compact,1,0"}
