#pragma once
// Keeps what a metric reports, and makes a section of an evaluation's result from it.

#include <variform/metric.h>

#include <map>
#include <nlohmann/json_fwd.hpp>
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
  void undefined(std::string_view quantity, std::string_view reason) override;
  void detail(std::string_view quantity, std::string_view text) override;
  void array(std::string_view name, const Tensor& values) override;
  void spread(std::string_view name, const Tensor& values) override;
  void labels(std::string_view name, const std::vector<std::string>& texts) override;
  void of_runs(std::string_view quantity, const Tensor& values) override;
  void note(std::string_view sentence) override;

  /// Says why quantities of which nothing was reported are missing; what was reported stays.
  void undefined_rest(std::string_view reason);
  /// Puts everything into an evaluation's result: SECTION, SECTION_arrays and SECTION_notes, as far as there are any.
  void add_to(nlohmann::json& result, const std::string& section) const;
  /// Whether any quantity was reported.
  bool is_empty() const;

 private:
  struct Entry {
    enum class What { kNothing, kRows, kGeometric, kMedian, kNumber, kUndefined } what = What::kNothing;
    std::vector<Tensor> values;
    double number = 0;
    std::optional<double> error;
    std::string reason, detail;
  };
  Entry& at(std::string_view quantity);
  void add(Section& section, const Quantity& quantity, const Entry& entry) const;

  const std::string metric_;
  const std::vector<Quantity> quantities_;
  std::map<std::string, Entry, std::less<>> entries_;
  Section arrays_;
  nlohmann::json labels_ = nlohmann::json::object();
  std::vector<std::string> notes_;
};

}  // namespace variform::measure
