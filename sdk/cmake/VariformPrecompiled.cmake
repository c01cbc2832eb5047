# variform_precompiled(<target>): the target uses the one precompiled header of this build.
# It is made once, in an object library of its own, and pays from the fourth source file on.

if(VARIFORM_PCH)
  set(_stand_in "${PROJECT_BINARY_DIR}/variform-precompiled.cpp")
  file(CONFIGURE OUTPUT "${_stand_in}" CONTENT "// Only here because the precompiled header needs a source file.\n")
  add_library(variform-precompiled OBJECT "${_stand_in}")
  target_link_libraries(variform-precompiled PRIVATE LibTorch::LibTorch)
  target_include_directories(variform-precompiled PRIVATE "${CMAKE_CURRENT_LIST_DIR}")
  target_precompile_headers(variform-precompiled PRIVATE <precompiled.h>)  # by name: ccache must see no absolute path
endif()

function(variform_precompiled target)
  if(VARIFORM_PCH)
    target_precompile_headers(${target} REUSE_FROM variform-precompiled)
  endif()
endfunction()
