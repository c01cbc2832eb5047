#pragma once
// The LibTorch headers that nearly every source file needs, parsed once for the whole build (option VARIFORM_PCH).
// Source files still include what they use: they compile without this file.

#include <torch/types.h>
#include <torch/nn/module.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
