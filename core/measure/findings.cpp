// See findings.h.

#include "measure/findings.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace variform::measure {
namespace {

// One tensor as it is: the order of a sum depends on how it lies in memory.
Tensor joined(const std::vector<Tensor>& values) {
  return values.size() == 1 ? values.front() : at::cat(values);
}

}  // namespace

KeptFindings::KeptFindings(std::string metric, std::vector<Quantity> quantities)
    : metric_(std::move(metric)), quantities_(std::move(quantities)) {
  for (const Quantity& quantity : quantities_) entries_[quantity.name];
}

KeptFindings::Entry& KeptFindings::at(std::string_view quantity) {
  const auto found = entries_.find(quantity);
  if (found == entries_.end())
    throw Error("metric " + metric_ + " reports '" + std::string(quantity) +
                "', which is none of the quantities that it declares");
  return found->second;
}

void KeptFindings::rows(std::string_view quantity, const Tensor& values) {
  Entry& entry = at(quantity);
  if (!values.defined() || values.dim() != 1)
    throw Error("metric " + metric_ + " reports values of shape " +
                (values.defined() ? to_text(values.sizes()) : std::string("nothing")) + " for '" +
                std::string(quantity) + "'; expected one number per row, [B]");
  entry.what = Entry::What::kRows;
  entry.values.push_back(values.detach().to(at::kCPU, at::kDouble));
}

void KeptFindings::geometric(std::string_view quantity, const Tensor& logarithms) {
  rows(quantity, logarithms);
  at(quantity).what = Entry::What::kGeometric;
}

void KeptFindings::median(std::string_view quantity, const Tensor& values) {
  Entry& entry = at(quantity);
  entry.what = Entry::What::kMedian;
  entry.values = {values.detach()};
}

void KeptFindings::number(std::string_view quantity, double value, std::optional<double> error) {
  Entry& entry = at(quantity);
  entry.what = Entry::What::kNumber;
  entry.number = value;
  entry.error = error;
}

void KeptFindings::undefined(std::string_view quantity, std::string_view reason) {
  Entry& entry = at(quantity);
  entry.what = Entry::What::kUndefined;
  entry.reason = reason;
}

void KeptFindings::detail(std::string_view quantity, std::string_view text) { at(quantity).detail += text; }
void KeptFindings::array(std::string_view name, const Tensor& values) {
  arrays_.array(std::string(name), values);
}
void KeptFindings::spread(std::string_view name, const Tensor& values) {
  arrays_.spread(std::string(name), values);
}
void KeptFindings::labels(std::string_view name, const std::vector<std::string>& texts) {
  labels_[std::string(name)] = texts;
}
void KeptFindings::of_runs(std::string_view quantity, const Tensor& values) {
  at(quantity);  // must be declared
  arrays_.array(std::string(quantity) + "_of_runs", values);
}
void KeptFindings::note(std::string_view sentence) { notes_.emplace_back(sentence); }

void KeptFindings::undefined_rest(std::string_view reason) {
  for (auto& [name, entry] : entries_)
    if (entry.what == Entry::What::kNothing) undefined(name, reason);
}

bool KeptFindings::is_empty() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry.second.what == Entry::What::kNothing; });
}

void KeptFindings::add(Section& section, const Quantity& quantity, const Entry& entry) const {
  const std::string what = quantity.meaning + entry.detail;
  switch (entry.what) {
    case Entry::What::kNothing: return;
    case Entry::What::kRows: section.values(quantity.name, joined(entry.values), what); break;
    case Entry::What::kGeometric: section.geometric(quantity.name, joined(entry.values), what); break;
    case Entry::What::kMedian: section.median(quantity.name, entry.values.front(), what); break;
    case Entry::What::kNumber: section.number(quantity.name, entry.number, what, entry.error); break;
    case Entry::What::kUndefined:
      section.undefined(quantity.name,
                        "not defined: " + entry.reason + (entry.reason.ends_with('.') ? "" : "."), what);
      break;
  }
  section.unit(quantity.name, quantity.unit);
}

void KeptFindings::add_to(nlohmann::json& result, const std::string& name) const {
  Section section;
  for (const Quantity& quantity : quantities_) add(section, quantity, entries_.at(quantity.name));
  result[name] = section.entries();
  nlohmann::json arrays = arrays_.arrays();
  arrays.update(labels_);
  if (!arrays.empty()) result[name + "_arrays"] = arrays;
  if (!notes_.empty()) result[name + "_notes"] = notes_;
}

}  // namespace variform::measure
