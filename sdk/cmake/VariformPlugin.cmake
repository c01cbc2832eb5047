# variform_add_plugin(<name> SOURCES <file>… [TESTS <file>…] [OUTPUT_DIRECTORY <folder>])
#
# Builds one plugin, <name>.so. The same function serves the stock plugins and those outside this project.
# <name> is an ordinary target: target_link_libraries(<name> PRIVATE …) and its like reach sources and tests.
# Its rules, and why:
#   - hidden visibility and a version script: exactly one symbol leaves the plugin, so that two plugins never meet;
#   - -z defs: what is missing is found by the linker now, not by a user later;
#   - -z nodelete: autograd graphs may hold code of the plugin until the process ends;
#   - no RPATH, and only torch_cpu and c10 of LibTorch: the plugin uses the LibTorch that the host has loaded.
#
# TESTS, for ctest (after enable_testing()):
#   *.toml   a config: it builds and one step runs with this plugin (`variform check CONFIG`);
#   others   test programs, one a file, that pass by returning 0. They are linked with the plugin's own objects, which
#            are compiled once, and include <variform/testing.h>. They are no part of the default build, so that an edit
#            of the plugin is quickly a training again: ctest builds them before it runs them.
# Reading the SDK's and LibTorch's headers takes most of a compilation, so they are read once (option
# VARIFORM_PLUGIN_PCH): what a build folder of Variform has already read is taken from there, else it is made here, once
# for all plugins and tests of a project. Source files still include what they use; a precompiled header that does not fit
# the compiler or its flags is passed over by the compiler, and the headers are read as they are.
# The tests are <name>-<file's name> (the file's name alone if it begins with <name>), and always <name>-check, the conformance of the plugin (`variform check <name>.so`),
# unless the variable VARIFORM_PLUGIN_CHECK is set and false. All run with one thread, and find this plugin first.

set(VARIFORM_PLUGIN_EXPORTS "${CMAKE_CURRENT_LIST_DIR}/variform-plugin.map"
    CACHE INTERNAL "Linker version script of plugins")

option(VARIFORM_PLUGIN_PCH "Read the SDK's and LibTorch's headers once for all plugins of this project" ON)
set(_variform_light "${CMAKE_CURRENT_LIST_DIR}/light")

function(_variform_compiled_alike target)  # what a precompiled header and those who use it must have in common
  set_target_properties(${target} PROPERTIES
    CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON PCH_WARN_INVALID OFF)
  target_compile_options(${target} PRIVATE -fPIC)  # test programs too, which would have -fPIE
  if(NOT DEFINED CMAKE_CXX_EXTENSIONS)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  endif()
  # g++ collects garbage later, which saves a sixth of its time and costs a tenth of memory.
  target_compile_options(${target} PRIVATE "$<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=2000000>")
endfunction()

function(_variform_precompiled target)
  if(NOT VARIFORM_PLUGIN_PCH)
    return()
  endif()
  _variform_compiled_alike(${target})
  if(EXISTS "${VariformSdk_PRECOMPILED}.gch" AND CMAKE_BUILD_TYPE STREQUAL "Release"
     AND "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" STREQUAL VariformSdk_COMPILER)
    target_compile_options(${target} PRIVATE "SHELL:-include \"${VariformSdk_PRECOMPILED}\"")
    return()
  endif()
  if(NOT TARGET variform-plugin-precompiled)
    # A library of its own, since only what is precompiled may see the light headers: sources may want all of LibTorch.
    set(stand_in "${CMAKE_BINARY_DIR}/variform-plugin-precompiled.cpp")
    file(CONFIGURE OUTPUT "${stand_in}" CONTENT "// Only here because the precompiled header needs a source file.\n")
    add_library(variform-plugin-precompiled OBJECT "${stand_in}")
    target_link_libraries(variform-plugin-precompiled PRIVATE Variform::sdk)
    target_include_directories(variform-plugin-precompiled BEFORE PRIVATE "${_variform_light}")
    _variform_compiled_alike(variform-plugin-precompiled)
    target_precompile_headers(variform-plugin-precompiled PRIVATE <variform/plugin.h> <ATen/ATen.h>)
  endif()
  target_precompile_headers(${target} REUSE_FROM variform-plugin-precompiled)
endfunction()

function(variform_add_plugin target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUTPUT_DIRECTORY" "SOURCES;TESTS")
  if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "variform_add_plugin(${target}): expected SOURCES <file>…, found '${ARGN}'.")
  endif()
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE Variform::sdk)
  set_target_properties(${target} PROPERTIES
    PREFIX ""
    SUFFIX ".so"
    DEFINE_SYMBOL ""
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    SKIP_BUILD_RPATH ON
    INSTALL_RPATH ""
    LINK_DEPENDS "${VARIFORM_PLUGIN_EXPORTS}")
  _variform_precompiled(${target})
  target_link_options(${target} PRIVATE
    "LINKER:--version-script=${VARIFORM_PLUGIN_EXPORTS}" "LINKER:-z,defs" "LINKER:-z,nodelete")
  if(arg_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${arg_OUTPUT_DIRECTORY}")
  endif()

  if(NOT DEFINED VARIFORM_PLUGIN_CHECK OR VARIFORM_PLUGIN_CHECK)
    _variform_plugin_test(${target} ${target}-check "${VariformSdk_PROGRAM}" check "$<TARGET_FILE:${target}>")
  endif()
  foreach(file IN LISTS arg_TESTS)
    cmake_path(ABSOLUTE_PATH file)
    if(NOT EXISTS "${file}")
      message(FATAL_ERROR "variform_add_plugin(${target}): the test '${file}' is not there.")
    endif()
    cmake_path(GET file STEM LAST_ONLY test)
    if(NOT test MATCHES "^${target}")
      string(PREPEND test "${target}-")
    endif()
    if(file MATCHES "\\.toml$")
      _variform_plugin_test(${target} ${test} "${VariformSdk_PROGRAM}" check "${file}")
    else()
      _variform_plugin_test_program(${target} ${test} "${file}")
    endif()
  endforeach()
endfunction()

# _variform_plugin_test(<plugin> <test> <command>…)
function(_variform_plugin_test target test)
  add_test(NAME ${test} COMMAND ${ARGN})
  set_tests_properties(${test} PROPERTIES
    TIMEOUT 900 ENVIRONMENT "OMP_NUM_THREADS=1;VARIFORM_PLUGIN_PATH=$<TARGET_FILE_DIR:${target}>")
endfunction()

# _variform_plugin_test_program(<plugin> <test> <source>): all programs of a plugin are built by one fixture.
function(_variform_plugin_test_program target test source)
  add_executable(${test} EXCLUDE_FROM_ALL "${source}" $<TARGET_OBJECTS:${target}>)
  target_link_libraries(${test} PRIVATE Variform::sdk LibTorch::Runtime $<TARGET_PROPERTY:${target},LINK_LIBRARIES>)
  _variform_precompiled(${test})
  _variform_plugin_test(${target} ${test} ${test})
  if(NOT TARGET ${target}-tests)
    add_custom_target(${target}-tests)
    add_test(NAME ${target}-build-tests
      COMMAND "${CMAKE_COMMAND}" --build "${CMAKE_BINARY_DIR}" --config $<CONFIG> --target ${target}-tests)
    set_tests_properties(${target}-build-tests PROPERTIES
      FIXTURES_SETUP ${target}-tests RESOURCE_LOCK variform-build TIMEOUT 900)
  endif()
  add_dependencies(${target}-tests ${test})
  set_tests_properties(${test} PROPERTIES FIXTURES_REQUIRED ${target}-tests)
endfunction()
