#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# debian13.sh [arguments of tests/run.py]: the two commands of the README on a Debian 13
# in a folder: the quickstart has to learn, then the tests have to pass. The last line is
# "N passed, N failed".
source "$(dirname "$(readlink -f "$0")")/tree.sh"
tree_make debian13

job=$(mktemp)
trap 'rm -f "$job"' EXIT
inside ./dev run configs/quickstart.yaml output=/tmp/runs >"$job" || {
    say "the quickstart fails"
    echo "0 passed, 1 failed"
    exit 1
}
grep '^test/accuracy ' "$job" >&2
awk '$1 == "test/accuracy" { good = $2 >= 0.97 } END { exit !good }' "$job" || {
    say "the quickstart does not learn"
    echo "0 passed, 1 failed"
    exit 1
}
inside ./dev test "$@"
