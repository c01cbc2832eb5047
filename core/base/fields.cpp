// See fields.h. A number is eight bytes; a text or a list is its length and what follows.

#include "base/fields.h"

#include <cstring>
#include <limits>
#include <stdexcept>

namespace variform::base {

FieldWriter& FieldWriter::add(std::int64_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  all_.append(bytes, sizeof number);
  return *this;
}

FieldWriter& FieldWriter::add(std::string_view text) {
  add(static_cast<std::int64_t>(text.size()));
  all_ += text;
  return *this;
}

FieldWriter& FieldWriter::add(const std::vector<std::int64_t>& numbers) {
  add(static_cast<std::int64_t>(numbers.size()));
  for (const std::int64_t number : numbers) add(number);
  return *this;
}

std::int64_t FieldReader::number(std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  if (rest_.size() < sizeof number) throw std::out_of_range("a field is cut short");
  std::memcpy(&number, rest_.data(), sizeof number);
  if (number < least || number > most) throw std::out_of_range("a number is out of its bounds");
  rest_.remove_prefix(sizeof number);
  return number;
}

std::string FieldReader::text() {
  const auto size = static_cast<std::size_t>(number(0, std::numeric_limits<std::int64_t>::max()));
  if (size > rest_.size()) throw std::out_of_range("a text is cut short");
  std::string text(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return text;
}

std::vector<std::int64_t> FieldReader::numbers(std::int64_t least, std::int64_t most) {
  const auto count = static_cast<std::size_t>(number(0, std::numeric_limits<std::int64_t>::max()));
  if (count > rest_.size() / sizeof(std::int64_t)) throw std::out_of_range("a list is cut short");
  std::vector<std::int64_t> all;
  while (all.size() < count) all.push_back(number(least, most));
  return all;
}

}  // namespace variform::base
