#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The runner with the loader and the libraries of this folder.
here=$(dirname "$(readlink -f "$0")")
exec "$here/bin/@LOADER@" --argv0 "$0" --library-path "$here/lib" "$here/bin/runner" "$@"
