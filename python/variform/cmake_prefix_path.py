"""python -m variform.cmake_prefix_path: prints the folder of the SDK's CMake package, for
cmake -DCMAKE_PREFIX_PATH=$(python -m variform.cmake_prefix_path). The command `variform --cmake-prefix` is quicker."""

from . import _library

if __name__ == "__main__":
    print(_library.tree().prefix)
