#pragma once
// A section of an evaluation's result: numbers with what they are, and the arrays that figures draw.

#include <variform/types.h>

#include <nlohmann/json.hpp>
#include <string>

namespace variform::measure {

/// Gathers NAME -> { value, se, what } or { undefined, what } (evaluate.h, table_of_section), and arrays beside them.
class Section {
 public:
  /// A number that is no mean over data; it has no error.
  void number(const std::string& name, double value, const std::string& what);
  /// [N] values, one a datum: their mean, its error sd / √N, and their quartiles as { quartiles: [25 %, 50 %, 75 %] }.
  /// Values that are not finite make it undefined.
  void values(const std::string& name, const Tensor& values, const std::string& what);
  /// The same for logarithms [N]: their geometric mean, and quartiles of the values themselves.
  void geometric(const std::string& name, const Tensor& logarithms, const std::string& what);
  /// The median of all numbers in a tensor, with their quartiles; it has no error.
  void median(const std::string& name, const Tensor& values, const std::string& what);
  /// No number, and the sentence why ("not defined: …").
  void undefined(const std::string& name, const std::string& reason, const std::string& what);
  /// An array of up to three dimensions.
  void array(const std::string& name, const Tensor& values);
  /// Mean and quartiles over the first dimension: { mean, quartiles: three arrays }.
  void spread(const std::string& name, const Tensor& values);

  const nlohmann::json& entries() const { return entries_; }
  const nlohmann::json& arrays() const { return arrays_; }

 private:
  nlohmann::json entries_ = nlohmann::json::object(), arrays_ = nlohmann::json::object();
};

/// The quartiles over the first dimension, linear between neighbours: [N, …] -> [3, …].
Tensor quartiles(const Tensor& values);

}  // namespace variform::measure
