#pragma once
// Packs texts and numbers into one text, for messages between processes. The reader trusts nothing.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace variform::base {

class FieldWriter {
 public:
  FieldWriter& add(std::string_view text);
  FieldWriter& add(std::int64_t number);
  FieldWriter& add(const std::vector<std::int64_t>& numbers);
  std::string take() { return std::move(all_); }

 private:
  std::string all_;
};

/// Reads fields in the order in which they were added. Each function throws std::out_of_range for a text without such a
/// field.
class FieldReader {
 public:
  explicit FieldReader(std::string_view all) : rest_(all) {}
  bool has_more() const { return !rest_.empty(); }
  std::string text();
  /// A number within the bounds, both included.
  std::int64_t number(std::int64_t least, std::int64_t most);
  std::vector<std::int64_t> numbers(std::int64_t least, std::int64_t most);

 private:
  std::string_view rest_;
};

}  // namespace variform::base
