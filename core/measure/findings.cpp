// See findings.h.

#include "measure/findings.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace variform::measure {
namespace {

// One tensor as it is: the order of a sum depends on how it lies in memory.
Tensor joined(const std::vector<Tensor>& values) {
  return values.size() == 1 ? values.front() : at::cat(values);
}

std::int64_t count(const std::vector<Tensor>& values) {
  return std::accumulate(values.begin(), values.end(), std::int64_t{0},
                         [](std::int64_t sum, const Tensor& batch) { return sum + batch.size(0); });
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

// Returns the entry of a quantity, for a report of this kind; null once it is undefined.
KeptFindings::Entry* KeptFindings::open(std::string_view quantity, Entry::What what) {
  Entry& entry = at(quantity);
  if (entry.what == Entry::What::kUndefined) return nullptr;
  entry.what = what;
  return &entry;
}

void KeptFindings::add(std::vector<Tensor>& batches, std::string_view quantity, const Tensor& values) const {
  if (!values.defined() || values.dim() != 1)
    throw Error("metric " + metric_ + " reports values of shape " +
                (values.defined() ? to_text(values.sizes()) : std::string("nothing")) + " for '" +
                std::string(quantity) + "'; expected one number per row, [B]");
  batches.push_back(values.detach().to(at::kCPU, at::kDouble));
}

void KeptFindings::rows(std::string_view quantity, const Tensor& values) {
  if (Entry* const entry = open(quantity, Entry::What::kRows)) add(entry->values, quantity, values);
}

void KeptFindings::geometric(std::string_view quantity, const Tensor& logarithms) {
  if (Entry* const entry = open(quantity, Entry::What::kGeometric)) add(entry->values, quantity, logarithms);
}

void KeptFindings::ratio(std::string_view quantity, const Tensor& above, const Tensor& below) {
  Entry* const entry = open(quantity, Entry::What::kRatio);
  if (!entry) return;
  add(entry->values, quantity, above);
  add(entry->below, quantity, below);
}

void KeptFindings::median(std::string_view quantity, const Tensor& values) {
  if (Entry* const entry = open(quantity, Entry::What::kMedian)) entry->values = {values.detach()};
}

void KeptFindings::number(std::string_view quantity, double value, std::optional<double> error) {
  Entry* const entry = open(quantity, Entry::What::kNumber);
  if (!entry) return;
  entry->number = value;
  entry->error = error;
}

void KeptFindings::undefined(std::string_view quantity, std::string_view reason) {
  Entry* const entry = open(quantity, Entry::What::kUndefined);
  if (!entry) return;
  entry->reason = reason;
  entry->values.clear();
  entry->below.clear();
}

void KeptFindings::absent(std::string_view quantity) { open(quantity, Entry::What::kAbsent); }

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

void KeptFindings::object(std::string_view name, std::string_view json) {
  nlohmann::json value = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!value.is_object())
    throw Error("metric " + metric_ + " reports '" + std::string(name) + "', which is not a JSON object");
  objects_[std::string(name)] = std::move(value);
}

void KeptFindings::keep(std::string_view name, const Tensor& rows) {
  if (keeps_tensors_) kept_[std::string(name)].push_back(rows.detach().to(at::kCPU));
}

std::map<std::string, Tensor> KeptFindings::values_of_rows() const {
  std::map<std::string, Tensor> found;
  for (const auto& [name, entry] : entries_)
    if (entry.what == Entry::What::kRows) found[name] = at::cat(entry.values);
  return found;
}

void KeptFindings::keep_first(std::int64_t rows) {
  for (auto& [name, entry] : entries_)
    if (entry.what == Entry::What::kRows || entry.what == Entry::What::kGeometric ||
        entry.what == Entry::What::kRatio)
      for (std::vector<Tensor>* values : {&entry.values, &entry.below})
        if (!values->empty()) *values = {at::cat(*values).slice(0, 0, rows)};
}

void KeptFindings::undefined_rest(std::string_view reason) {
  for (auto& [name, entry] : entries_)
    if (entry.what == Entry::What::kNothing) undefined(name, reason);
}

bool KeptFindings::is_empty() const {
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry.second.what == Entry::What::kNothing; });
}

void KeptFindings::add(Section& section, const Quantity& quantity, const Entry& entry) const {
  const std::string name = quantity.name + qualifier_, what = quantity.meaning + entry.detail;
  switch (entry.what) {
    case Entry::What::kNothing:
    case Entry::What::kAbsent: return;
    case Entry::What::kRows: section.values(name, joined(entry.values), what); break;
    case Entry::What::kGeometric: section.geometric(name, joined(entry.values), what); break;
    case Entry::What::kRatio: section.ratio(name, at::cat(entry.values), at::cat(entry.below), what); break;
    case Entry::What::kMedian: section.median(name, entry.values.front(), what); break;
    case Entry::What::kNumber: section.number(name, entry.number, what, entry.error); break;
    case Entry::What::kUndefined:
      section.undefined(name, "not defined: " + entry.reason + (entry.reason.ends_with('.') ? "" : "."),
                        what);
      break;
  }
  section.unit(name, quantity.unit);
}

// Adds what does not stand in the section itself.
void KeptFindings::add_beside(nlohmann::json& result, const std::string& name) const {
  nlohmann::json arrays = arrays_.arrays();
  arrays.update(labels_);
  if (!arrays.empty()) result[name + "_arrays"].update(arrays);
  for (const std::string& note : notes_) result[name + "_notes"].push_back(note);
  for (const auto& [key, object] : objects_) result.emplace(key, object);
}

void KeptFindings::add_to(nlohmann::json& result, const std::string& name) const {
  Section section;
  for (const Quantity& quantity : quantities_) add(section, quantity, entries_.at(quantity.name));
  result[name] = section.entries();
  add_beside(result, name);
}

void KeptFindings::add_to_values(nlohmann::json& result, std::int64_t rows) const {
  for (const Quantity& quantity : quantities_) {
    const Entry& entry = entries_.at(quantity.name);
    Section section;
    if (entry.what == Entry::What::kRows) {
      section.mean(quantity.name + qualifier_, at::cat(entry.values), quantity.meaning + entry.detail);
      section.unit(quantity.name + qualifier_, quantity.unit);
    } else {
      add(section, quantity, entry);
    }
    for (const auto& [name, found] : section.entries().items()) {
      if (result["values"].contains(name)) {
        result["warnings"].push_back("metric " + metric_ + " reports '" + name +
                                     "' in `values`, as another metric does; its number is left out");
        continue;
      }
      result["values_order"].push_back(name);
      nlohmann::json& value = result["values"][name] = found;
      if (value.contains("value")) value["mean"] = value["value"];
      value.erase("value");
      if (entry.what == Entry::What::kRows && count(entry.values) < rows) value["rows"] = count(entry.values);
    }
  }
  add_beside(result, "values");
}

}  // namespace variform::measure
