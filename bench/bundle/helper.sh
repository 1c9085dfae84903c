#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A program that a plugin starts, with the loader and the libraries of this folder.
top=$(dirname "$(readlink -f "$0")")/@UP@
exec "$top/bin/@LOADER@" --library-path "$top/lib" "$top/bin/@NAME@" "$@"
