#pragma once
// Gathers values of each row by name over batches. The result is a mean with its standard error, or the sentence that
// says why there is none.

#include <variform/types.h>

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace variform::measure {

class Tally {
 public:
  using Names = std::vector<std::string>;

  /// Adds the values of one batch: [B], any float dtype and device.
  void add(const std::string& name, const Tensor& values);
  /// Marks these names as undefined; the first reason counts.
  void undefined(const Names& names, const std::string& reason);
  bool is_undefined(const std::string& name) const { return reasons_.contains(name); }

  /// Returns call(), or nothing when it throws Unsupported, whose sentence is then the reason of `names`.
  template <class Call>
  auto attempt(const Names& names, const Call& call) -> std::optional<decltype(call())> {
    if (!names.empty() && is_undefined(names[0])) return {};
    try {
      return call();
    } catch (const Unsupported& error) {
      undefined(names, std::string("not defined: ") + error.what());
      return {};
    }
  }

  /// Forgets the values of all but the first rows.
  void keep_first(std::int64_t data);

  /// All values under a name, [N] float64 on the CPU; undefined when there are none.
  Tensor values(const std::string& name) const;
  Names names() const;
  /// Returns { mean, se } or { undefined }; `if_not_finite` ends the sentence about values that are not finite.
  nlohmann::json entry(const std::string& name, const std::string& if_not_finite) const;
  /// All entries, under their names.
  nlohmann::json entries(const std::string& if_not_finite) const;

 private:
  std::map<std::string, std::vector<Tensor>> values_;
  std::map<std::string, std::string> reasons_;
};

/// Returns { mean, se } of [N] values: se = sd / √N (null for one value).
nlohmann::json mean_and_error(const Tensor& values);

}  // namespace variform::measure
