#pragma once
// Keeps what a metric reports, and makes a section of an evaluation's result from it, or a part of `values`.

#include <variform/metric.h>

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "measure/section.h"

namespace variform::measure {

class KeptFindings final : public Findings {
 public:
  /// `metric` is its label, for messages.
  KeptFindings(std::string metric, std::vector<Quantity> quantities);

  void rows(std::string_view quantity, const Tensor& values) override;
  void geometric(std::string_view quantity, const Tensor& logarithms) override;
  void median(std::string_view quantity, const Tensor& values) override;
  void number(std::string_view quantity, double value, std::optional<double> error) override;
  void ratio(std::string_view quantity, const Tensor& above, const Tensor& below) override;
  void undefined(std::string_view quantity, std::string_view reason) override;
  void absent(std::string_view quantity) override;
  void detail(std::string_view quantity, std::string_view text) override;
  void qualify(std::string_view by) override { qualifier_ = "[" + std::string(by) + "]"; }
  void array(std::string_view name, const Tensor& values) override;
  void spread(std::string_view name, const Tensor& values) override;
  void labels(std::string_view name, const std::vector<std::string>& texts) override;
  void of_runs(std::string_view quantity, const Tensor& values) override;
  void note(std::string_view sentence) override;
  void object(std::string_view name, std::string_view json) override;
  void keep(std::string_view name, const Tensor& rows) override;

  /// Keeps tensors as well, for a dump; without this call they are dropped.
  void keep_tensors() { keeps_tensors_ = true; }
  /// Tensors of rows by name, in batches, on the CPU.
  const std::map<std::string, std::vector<Tensor>, std::less<>>& kept() const { return kept_; }
  /// Returns the values of rows of each quantity that has any and is defined, [N] float64 on the CPU, by name.
  std::map<std::string, Tensor> values_of_rows() const;
  /// Forgets the values of all but the first rows.
  void keep_first(std::int64_t rows);
  /// Says why quantities of which nothing was reported are missing; what was reported stays.
  void undefined_rest(std::string_view reason);
  /// Puts everything into an evaluation's result: SECTION, SECTION_arrays and SECTION_notes, as far as there are any.
  void add_to(nlohmann::json& result, const std::string& section) const;
  /// The same for the section `values` (evaluate.h), in which others stand as well. A quantity with fewer values than
  /// `rows` says of how many.
  void add_to_values(nlohmann::json& result, std::int64_t rows) const;
  /// Whether any quantity was reported.
  bool is_empty() const;

 private:
  struct Entry {
    enum class What { kNothing, kRows, kGeometric, kRatio, kMedian, kNumber, kUndefined, kAbsent };
    What what = What::kNothing;
    std::vector<Tensor> values, below;  // `below`: denominators
    double number = 0;
    std::optional<double> error;
    std::string reason, detail;
  };
  Entry& at(std::string_view quantity);
  Entry* open(std::string_view quantity, Entry::What what);
  void add(std::vector<Tensor>& batches, std::string_view quantity, const Tensor& values) const;
  void add(Section& section, const Quantity& quantity, const Entry& entry) const;
  void add_beside(nlohmann::json& result, const std::string& section) const;

  const std::string metric_;
  const std::vector<Quantity> quantities_;
  std::map<std::string, Entry, std::less<>> entries_;
  Section arrays_;
  nlohmann::json labels_ = nlohmann::json::object();
  std::vector<std::string> notes_;
  std::string qualifier_;  // in brackets; empty: none
  std::map<std::string, nlohmann::json, std::less<>> objects_;
  std::map<std::string, std::vector<Tensor>, std::less<>> kept_;
  bool keeps_tensors_ = false;
};

}  // namespace variform::measure
