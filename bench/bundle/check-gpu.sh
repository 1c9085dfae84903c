#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-gpu [OUT]: everything that only a machine with a GPU can show, in one go. Ends with
# a line that says whether all of it passed; OUT (default ./check-gpu) keeps the outputs.
here=$(dirname "$(readlink -f "$0")")
out=${1:-check-gpu}
plugins="$here/@PLUGINS@/backend"
mkdir -p "$out/cache" || exit 1
out=$(readlink -f "$out")
chmod 700 "$out/cache"
failed=0

run() {
    "$here/bin/@LOADER@" --library-path "$here/lib" "$@"
}

part() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$out/$name.txt" 2>&1; then
        echo "passed  $name: $(tail -n 1 "$out/$name.txt")"
    else
        echo "FAILED  $name: see $out/$name.txt"
        tail -n 5 "$out/$name.txt"
        failed=$((failed + 1))
    fi
}

part doctor "$here/runner" doctor
grep '^  cuda ' "$out/doctor.txt"
if ! grep -q '^  cuda  *cuda: ' "$out/doctor.txt"; then
    echo "this machine cannot use the cuda backend, for the reason above"
    exit 4
fi
part operators run "$here/bin/ops" test "$plugins/reference.so" "$plugins/cuda.so"
part operators-own run "$here/bin/ops" test "$plugins/reference.so" "$plugins/cuda.so" \
    libraries=off
part golden run "$here/bin/ops" golden "golden=$here/golden.bin" \
    "$plugins/reference.so" "$plugins/cuda.so"
for device in cpu cuda; do
    for config in quickstart breast-cancer; do
        part "$config-$device" "$here/runner" "$here/configs/$config.yaml" \
            "device=$device" "output=$out/runs"
    done
    for config in letters char-gpt; do
        part "$config-$device" "$here/runner" "$here/configs/$config.yaml" \
            "device=$device" "output=$out/runs" train.steps=30 "~train.epochs"
    done
    part "resnet-$device" "$here/runner" "$here/configs/quickstart.yaml" \
        "device=$device" "output=$out/runs" train.steps=30 "~train.epochs" hooks=null \
        "model={type: resnet, depth: 18, width: 16, outputs: 10, in: {x: data.image}}"
done
# Products of 16 bits: by tensor cores, own kernels as well; f16 with its loss scale.
for precision in bf16 f16; do
    for options in "type: cuda" "type: cuda, libraries: off"; do
        name=$precision-$(echo "$options" | tr -dc 'a-z')
        part "$name-letters" "$here/runner" "$here/configs/letters.yaml" \
            "device={$options}" "precision=$precision" "output=$out/runs" \
            train.steps=30 "~train.epochs"
        part "$name-resnet" "$here/runner" "$here/configs/quickstart.yaml" \
            "device={$options}" "precision=$precision" "output=$out/runs" \
            train.steps=30 "~train.epochs" hooks=null \
            "model={type: resnet, depth: 18, width: 16, outputs: 10, in: {x: data.image}}"
    done
    part "char-gpt-$precision" "$here/runner" "$here/configs/char-gpt.yaml" device=cuda \
        "precision=$precision" "output=$out/runs" train.steps=30 "~train.epochs"
done
# Samples that the host changes, and that lie on the device and are changed there: the
# same bits.
digest() { # RUN
    sha256=$("$here/runner" verify "$1" | sed -n 's/.* sha256=//p')
    echo "$sha256"
    [ -n "$sha256" ]
}
same() { # RUN RUN
    first=$(digest "$1") && second=$(digest "$2") || return 1
    echo "$first $second"
    [ "$first" = "$second" ]
}
for where in never always; do
    part "augmented-$where" env "XDG_CACHE_HOME=$out/cache" "$here/runner" \
        "$here/configs/quickstart.yaml" device=cuda "output=$out/augmented" \
        "name=$where" "data.resident=$where" train.steps=30 "~train.epochs" \
        "augment=[{type: flip, alternate: true}, {type: crop, padding: 1, border: reflect}]"
done
part augmented-same same "$out/augmented/never/latest" "$out/augmented/always/latest"
part profile "$here/runner" profile "$here/configs/char-gpt.yaml" device=cuda
part profile-bf16 "$here/runner" profile "$here/configs/char-gpt.yaml" device=cuda \
    precision=bf16
# Algorithms timed once, the answers used again; and without.
for time in once again; do
    part "tune-$time" env "XDG_CACHE_HOME=$out/cache" "$here/runner" \
        "$here/configs/letters.yaml" device=cuda "output=$out/runs" train.steps=30 \
        "~train.epochs"
done
part tune-off "$here/runner" "$here/configs/letters.yaml" \
    "device={type: cuda, tune: off}" "output=$out/runs" train.steps=30 "~train.epochs"
part direct "$here/runner" "$here/configs/quickstart.yaml" \
    "device={type: cuda, graphs: off}" "output=$out/runs"
part bench-cuda "$here/runner" bench "$here/configs/quickstart.yaml" device=cuda
# Beside PyTorch and JAX: RUNNER_BENCH_VENV names a Python environment that has them.
if [ -n "$RUNNER_BENCH_VENV" ]; then
    part bench-rows "$RUNNER_BENCH_VENV/bin/python" "$here/bench/run" gpu \
        --runner "$here/runner" --out "$out/results.json"
    grep ' ratio=\|^SKIP' "$out/bench-rows.txt"
else
    echo "SKIP: bench-rows: RUNNER_BENCH_VENV names no environment with PyTorch and JAX"
fi
part bench-operators run "$here/bin/ops" bench "$plugins/cpu.so" "$plugins/cuda.so"
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck initcheck synccheck; do
        part "$tool" compute-sanitizer --tool "$tool" --error-exitcode 42 \
            "$here/bin/@LOADER@" --library-path "$here/lib" "$here/bin/ops" test \
            "$plugins/reference.so" "$plugins/cuda.so"
    done
    # Whole runs: graphs, pinned memory, samples on the device, timed choices.
    for tool in memcheck initcheck; do
        part "run-$tool" compute-sanitizer --tool "$tool" --error-exitcode 42 \
            --target-processes all "$here/runner" "$here/configs/quickstart.yaml" \
            device=cuda "output=$out/runs" train.steps=6 "~train.epochs" \
            "augment=[{type: flip}, {type: crop, padding: 1}]"
    done
else
    echo "SKIP: compute-sanitizer: it is not in PATH"
fi
for f in "$out"/*-cpu.txt "$out"/*-cuda.txt; do
    grep '^test/' "$f" | sed "s|^|$(basename "$f" .txt): |"
done
echo "$failed failed"
[ "$failed" = 0 ]
