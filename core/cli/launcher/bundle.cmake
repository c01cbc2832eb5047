# VARIFORM_BUNDLE_LIBTORCH: copies the shared libraries that the program loads into lib/variform/libtorch. A wheel's
# Python bindings are left out; the libraries of a CUDA build lie in packages beside torch, and come along.

file(GLOB libtorch_libraries LIST_DIRECTORIES false "${LibTorch_LIBDIR}/*.so" "${LibTorch_LIBDIR}/*.so.*")
file(GLOB beside LIST_DIRECTORIES true
  "${LibTorch_ROOT}/../torch.libs/*.so*" "${LibTorch_ROOT}/../nvidia/*/lib/*.so*" "${LibTorch_ROOT}/../nvidia/*/*/lib/*.so*")
list(FILTER libtorch_libraries EXCLUDE REGEX "libtorch_python|libshm")
if(LibTorch_CUDA)
  list(APPEND libtorch_libraries ${beside})
endif()
install(FILES ${libtorch_libraries} DESTINATION "${CMAKE_INSTALL_LIBDIR}/variform/libtorch")
