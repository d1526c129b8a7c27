#!/bin/sh
# install.sh REQUIREMENTS DIRECTORY: the libraries of the packages, by pip, and their licences; nothing of Python.
# The engine loads TensorFlow's C library, which every one of its packages holds (libs/engine/src/runtime).
set -eu
requirements=$1
directory=$2

python3 -m pip install --no-deps --no-compile --no-cache-dir --disable-pip-version-check --root-user-action=ignore \
  --only-binary=:all: --require-hashes --requirement "$requirements" --target "$directory"
find "$directory" ! -type d \
  ! -path "$directory/tensorflow/libtensorflow_cc.so.2" \
  ! -path "$directory/tensorflow/libtensorflow_framework.so.2" \
  ! -path "$directory/nvidia/*/lib/*.so*" \
  ! -ipath '*.dist-info/*licen[cs]e*' ! -ipath '*.dist-info/*notice*' \
  -delete
find "$directory" -type d -empty -delete
# A package that is another one inside than it was leaves less than the engine needs.
for library in libtensorflow_cc.so.2 libtensorflow_framework.so.2; do
  test -s "$directory/tensorflow/$library" || { echo "install.sh: no $library in the package" >&2; exit 1; }
done
