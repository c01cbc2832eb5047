#pragma once
// log 2π, a part of every Gaussian density.

#include <cmath>
#include <numbers>

inline const double kLogTwoPi = std::log(2 * std::numbers::pi);
