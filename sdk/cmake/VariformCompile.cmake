# variform_compile(<target> [UNIT <n>] [LIBTORCH] [COLD]): how this project's own targets are compiled.
#
#   UNIT n     at most so many source files, 8 by default, are compiled as one (option VARIFORM_UNITY): most of a file's
#              time is reading the same headers. Names in unnamed namespaces are therefore unique in a target. No unit
#              takes much above 10 s, since an edit costs one; docs/performance.md has the figures.
#   LIBTORCH   the target uses the one precompiled header of this build, made in an object library of its own.
#   COLD       nothing in it is hot: optimised less, which takes a compiler less time.

# Stands before LibTorch's headers: see the files there.
set(VARIFORM_LIGHT "${CMAKE_CURRENT_LIST_DIR}/light")

function(variform_compile target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "LIBTORCH;COLD" "UNIT" "")
  if(arg_COLD AND CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE -O1)
  endif()
  if(arg_LIBTORCH)
    target_include_directories(${target} BEFORE PRIVATE "${VARIFORM_LIGHT}")
    if(VARIFORM_PCH)
      target_precompile_headers(${target} REUSE_FROM variform-precompiled)
    endif()
  endif()
  if(NOT VARIFORM_UNITY)
    return()
  endif()
  if(NOT arg_UNIT)
    set(arg_UNIT 8)
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  list(LENGTH sources count)
  math(EXPR units "(${count} + ${arg_UNIT} - 1) / ${arg_UNIT}")
  math(EXPR size "(${count} + ${units} - 1) / ${units}")  # all of about one size
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
endfunction()

if(VARIFORM_PCH)
  set(_stand_in "${PROJECT_BINARY_DIR}/variform-precompiled.cpp")
  file(CONFIGURE OUTPUT "${_stand_in}" CONTENT "// Only here because the precompiled header needs a source file.\n")
  add_library(variform-precompiled OBJECT "${_stand_in}")
  target_link_libraries(variform-precompiled PRIVATE LibTorch::LibTorch)
  target_include_directories(variform-precompiled PRIVATE "${VARIFORM_LIGHT}" "${CMAKE_CURRENT_LIST_DIR}")
  target_precompile_headers(variform-precompiled PRIVATE <precompiled.h>)  # by name: ccache must see no absolute path
endif()
