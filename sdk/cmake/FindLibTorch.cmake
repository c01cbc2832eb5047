# Finds LibTorch as the bare library that it is. LibTorch's own package needs the CUDA toolkit as soon as the
# wheel is a CUDA build; these imported targets need only the files of the wheel.
#
# Input:
#   LIBTORCH          folder with include/ and lib/: a wheel's torch/ or an unpacked libtorch archive
#                     (default: the environment variable LIBTORCH)
#   LIBTORCH_PYTHON   when LIBTORCH is empty: the Python whose torch package is taken (default python3)
# Output:
#   LibTorch::LibTorch   headers, torch_cpu and c10: for libraries and plugins
#   LibTorch::Runtime    the same and the CUDA libraries, if there are any: for executables only
#   LibTorch_VERSION, LibTorch_ROOT, LibTorch_LIBDIR, LibTorch_CUDA, LibTorch_CXX11_ABI
#   LibTorch_CUDA_INCLUDE  CUDA's own headers, of the toolkit or of the wheels beside a CUDA build; empty without either.
#                          Only sources that include LibTorch's CUDA headers need them. LibTorch::Runtime then has
#                          CUDA's runtime library too.

set(LIBTORCH "$ENV{LIBTORCH}" CACHE PATH "LibTorch: a folder with include/ and lib/")
set(LIBTORCH_PYTHON "python3" CACHE STRING "The Python whose torch package is taken when LIBTORCH is empty")

set(_libtorch_oldest 2.11)
set(_libtorch_newest 2.14)
set(_libtorch_hint "give it by LIBTORCH=<folder with include/ and lib/>, or install torch 2.13.0 for the Python named by LIBTORCH_PYTHON")
set(_libtorch_problem "")
set(LibTorch_ROOT "${LIBTORCH}")

if(NOT LibTorch_ROOT)
  # find_spec does not import torch: importing takes seconds, and fails without the libraries of a CUDA build.
  execute_process(
    COMMAND "${LIBTORCH_PYTHON}" -c
            "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE LibTorch_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT LibTorch_ROOT)
    set(_libtorch_problem "no LibTorch was found, because '${LIBTORCH_PYTHON}' has no torch package: ${_libtorch_hint}.")
  endif()
endif()

if(LibTorch_ROOT)
  foreach(_file include/ATen/core/Tensor.h lib/libtorch_cpu.so lib/libc10.so lib/libtorch.so)
    if(NOT _libtorch_problem AND NOT EXISTS "${LibTorch_ROOT}/${_file}")
      set(_libtorch_problem "'${LibTorch_ROOT}' is not a LibTorch folder, it has no ${_file}: ${_libtorch_hint}.")
    endif()
  endforeach()
endif()

set(LibTorch_VERSION "")
if(NOT _libtorch_problem)
  foreach(_file torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(NOT LibTorch_VERSION AND EXISTS "${LibTorch_ROOT}/include/${_file}")
      file(STRINGS "${LibTorch_ROOT}/include/${_file}" _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
      string(REGEX MATCHALL "[0-9]+" _numbers "${_lines}")
      list(JOIN _numbers "." LibTorch_VERSION)
    endif()
  endforeach()
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" _minor "${LibTorch_VERSION}")
  if(NOT _minor OR _minor VERSION_LESS _libtorch_oldest OR _minor VERSION_GREATER _libtorch_newest)
    set(_libtorch_problem "LibTorch ${_libtorch_oldest} to ${_libtorch_newest} is supported, but '${LibTorch_ROOT}' is version '${LibTorch_VERSION}': ${_libtorch_hint}.")
  endif()
endif()

if(_libtorch_problem)
  set(LibTorch_FOUND FALSE)
  if(LibTorch_FIND_REQUIRED)
    message(FATAL_ERROR "Variform: ${_libtorch_problem}")
  elseif(NOT LibTorch_FIND_QUIETLY)
    message(STATUS "Variform: ${_libtorch_problem}")
  endif()
  return()
endif()

set(LibTorch_FOUND TRUE)
set(LibTorch_LIBDIR "${LibTorch_ROOT}/lib")
set(LibTorch_CUDA FALSE)
if(EXISTS "${LibTorch_LIBDIR}/libtorch_cuda.so" AND EXISTS "${LibTorch_LIBDIR}/libc10_cuda.so")
  set(LibTorch_CUDA TRUE)
endif()
set(LibTorch_CUDA_INCLUDE "")
if(LibTorch_CUDA)
  file(GLOB _libtorch_beside "${LibTorch_ROOT}/../nvidia/*/include")
  # The runtime's header needs those of crt/, which not every wheel has.
  find_path(_libtorch_cuda_include crt/host_config.h NO_CACHE
    HINTS ${_libtorch_beside} ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES include)
  # CUDA's runtime: the very one that libtorch_cuda loads, which a wheel has beside it, by its full name.
  file(GLOB _libtorch_cudart "${LibTorch_ROOT}/../nvidia/*/lib/libcudart.so.*" "${LibTorch_LIBDIR}/libcudart*.so*")
  if(NOT _libtorch_cudart)
    find_library(_libtorch_cudart cudart NO_CACHE HINTS ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES lib64)
  endif()
  if(_libtorch_cuda_include AND _libtorch_cudart)
    list(GET _libtorch_cudart 0 LibTorch_CUDA_RUNTIME)
    set(LibTorch_CUDA_INCLUDE "${_libtorch_cuda_include}")
  endif()
endif()

if(NOT TARGET LibTorch::LibTorch)
  # Old builds of LibTorch use the old std::string; a mangled name in libc10 tells which one this is.
  file(STRINGS "${LibTorch_LIBDIR}/libc10.so" _symbol
       REGEX "_ZN3c105ErrorC[12]ENS_14SourceLocationENSt7__cxx1112basic_string" LIMIT_COUNT 1)
  set(LibTorch_CXX11_ABI 0)
  if(_symbol)
    set(LibTorch_CXX11_ABI 1)
  endif()

  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_LIBDIR}/libc10.so")
  add_library(LibTorch::LibTorch SHARED IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    IMPORTED_LOCATION "${LibTorch_LIBDIR}/libtorch_cpu.so"
    INTERFACE_LINK_LIBRARIES LibTorch::c10)
  target_compile_definitions(LibTorch::LibTorch INTERFACE _GLIBCXX_USE_CXX11_ABI=${LibTorch_CXX11_ABI})
  target_compile_features(LibTorch::LibTorch INTERFACE cxx_std_20)
  # -idirafter: the wheel brings an fmt/ of its own (and pybind11/, google/, …) that must not shadow the system's
  # in code that uses them. It also silences warnings in LibTorch's headers.
  target_compile_options(LibTorch::LibTorch INTERFACE
    "SHELL:-idirafter ${LibTorch_ROOT}/include"
    "SHELL:-idirafter ${LibTorch_ROOT}/include/torch/csrc/api/include")

  add_library(LibTorch::Runtime INTERFACE IMPORTED)
  target_link_libraries(LibTorch::Runtime INTERFACE LibTorch::LibTorch)
  if(LibTorch_CUDA)
    # Nothing refers to the CUDA libraries by a symbol: they register themselves when they are loaded.
    target_link_libraries(LibTorch::Runtime INTERFACE
      "-Wl,--push-state,--no-as-needed" "${LibTorch_LIBDIR}/libtorch_cuda.so" "${LibTorch_LIBDIR}/libc10_cuda.so"
      "-Wl,--pop-state" ${LibTorch_CUDA_RUNTIME})
  endif()
  if(NOT LibTorch_FIND_QUIETLY)
    message(STATUS "LibTorch ${LibTorch_VERSION} at ${LibTorch_ROOT} (CUDA build: ${LibTorch_CUDA})")
  endif()
endif()
