#!/usr/bin/env bash
# Builds Variform on a machine with a GPU that has only a CUDA PyTorch, cmake and a C++20 compiler, and measures it there.
#   tests/bench/gpu.sh PREFIX [FIGURE…]
# PREFIX is what `./variform deps --prefix PREFIX` filled, on this machine or on another one (copy the folder). PYTHON=…
# names the Python that has the CUDA PyTorch (python3). Without FIGURE: all that need a GPU. The build is in build/gpu;
# the table goes to the screen and to build/gpu/figures.json.
set -euo pipefail

root=$(dirname "$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")")
python=${PYTHON:-python3}
[ $# -ge 1 ] && [ -d "$1/usr/include" ] || {
  echo "usage: tests/bench/gpu.sh PREFIX [FIGURE…]; PREFIX is a folder that ./variform deps --prefix PREFIX has filled" >&2
  exit 2
}
prefix=$(realpath "$1")
shift
libtorch=$("$python" -c 'import torch; print(torch.__path__[0])') || {
  echo "gpu.sh: $python has no torch; name one that has by PYTHON=…" >&2
  exit 1
}

# A toolkit of CUDA's, where there is one, goes before the headers that the prefix has for machines without.
major=$("$python" -c 'import torch; print((torch.version.cuda or "none").split(".")[0])')
if [ "$major" = 13 ] && [ ! -e /usr/local/cuda/include/crt/host_config.h ]; then
  export CUDA_HOME=${CUDA_HOME:-$prefix/usr/cuda}
fi

build=$root/build/gpu
libraries=$prefix/usr/lib/$("${CXX:-c++}" -dumpmachine | sed 's/-pc-/-/')
# What the libraries of the prefix need themselves is beside them.
export LD_LIBRARY_PATH=$libraries:$libraries/blas:$libraries/hdf5/serial${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LIBRARY_PATH=$LD_LIBRARY_PATH
cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$prefix/usr" -DLIBTORCH="$libtorch" \
  -DVARIFORM_PYTHON="$python" -DCMAKE_EXE_LINKER_FLAGS="-Wl,-rpath-link,$libraries:$libraries/blas"
cmake --build "$build" --target benches -j "$(nproc)"

"$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
  echo "gpu.sh: built, but $python sees no GPU here, so that there is nothing to measure." >&2
  exit 1
}
export VARIFORM_DATA=$prefix/usr/share/datasets
[ $# -gt 0 ] || set -- gpu-step gpu-grae gpu-precision gpu-conv
exec "$python" "$root/tests/bench/bench.py" --build "$build" --json "$build/figures.json" "$@"
