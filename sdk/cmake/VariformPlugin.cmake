# variform_add_plugin(<target> SOURCES <file>… [OUTPUT_DIRECTORY <folder>])
#
# Builds one plugin, <target>.so. The same function serves the stock plugins and those outside this project.
# Its rules, and why:
#   - hidden visibility and a version script: exactly one symbol leaves the plugin, so that two plugins never meet;
#   - -z defs: what is missing is found by the linker now, not by a user later;
#   - -z nodelete: autograd graphs may hold code of the plugin until the process ends;
#   - no RPATH, and only torch_cpu and c10 of LibTorch: the plugin uses the LibTorch that the host has loaded.

set(VARIFORM_PLUGIN_EXPORTS "${CMAKE_CURRENT_LIST_DIR}/variform-plugin.map"
    CACHE INTERNAL "Linker version script of plugins")

function(variform_add_plugin target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "OUTPUT_DIRECTORY" "SOURCES")
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
  target_link_options(${target} PRIVATE
    "LINKER:--version-script=${VARIFORM_PLUGIN_EXPORTS}" "LINKER:-z,defs" "LINKER:-z,nodelete")
  if(arg_OUTPUT_DIRECTORY)
    set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${arg_OUTPUT_DIRECTORY}")
  endif()
endfunction()
