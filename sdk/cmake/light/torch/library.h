#pragma once
// Stands before LibTorch's header of this name while the project itself is compiled: registration of operators, which
// torch/types.h includes and nothing here uses. See serialize/archive.h.
