#pragma once
// A section of an evaluation's result: numbers with what they are, and the arrays that figures draw.

#include <variform/types.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace variform::measure {

/// Gathers NAME -> { value, se, unit, what } or { undefined, unit, what } (evaluate.h, table_of_section), and
/// arrays beside them.
class Section {
 public:
  /// Adds a number that is not a mean over rows, with its standard error if there is one.
  void number(const std::string& name, double value, const std::string& what,
              std::optional<double> error = {});
  /// Adds the mean of [N] values, one per row, and its error sd / √N. Values that are not finite make it undefined.
  void mean(const std::string& name, const Tensor& values, const std::string& what);
  /// The same with { quartiles: [25 %, 50 %, 75 %] }.
  void values(const std::string& name, const Tensor& values, const std::string& what);
  /// The same for logarithms [N] of values: the values' geometric mean and quartiles.
  void geometric(const std::string& name, const Tensor& logarithms, const std::string& what);
  /// Adds the ratio of the means of [N] numerators and denominators, with its error by linearisation.
  void ratio(const std::string& name, const Tensor& above, const Tensor& below, const std::string& what);
  /// Adds the median of all numbers in a tensor, with their quartiles; it has no error.
  void median(const std::string& name, const Tensor& values, const std::string& what);
  /// Adds a sentence that says why there is no number ("not defined: …").
  void undefined(const std::string& name, const std::string& reason, const std::string& what);
  /// Says in which unit a value that was added is measured; without it, it is a plain number.
  void unit(const std::string& name, const std::string& unit);
  /// Adds an array of up to three dimensions.
  void array(const std::string& name, const Tensor& values);
  /// Adds mean and quartiles over the first dimension: { mean, quartiles: three arrays }.
  void spread(const std::string& name, const Tensor& values);

  const nlohmann::json& entries() const { return entries_; }
  const nlohmann::json& arrays() const { return arrays_; }

 private:
  nlohmann::json entries_ = nlohmann::json::object(), arrays_ = nlohmann::json::object();
};

/// The quartiles over the first dimension, linear between neighbours: [N, …] -> [3, …].
Tensor quartiles(const Tensor& values);

}  // namespace variform::measure
