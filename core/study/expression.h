#pragma once
// Arithmetic on metrics, for a study's derived metrics: "(taylor - constant) / (loss_beta - constant)".

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace variform::study {

/// Thrown for a text that is not an expression; `offset` counts the bytes before the error.
class ExpressionError : public std::runtime_error {
 public:
  ExpressionError(const std::string& what, std::size_t offset) : std::runtime_error(what), offset_(offset) {}
  std::size_t offset() const { return offset_; }

 private:
  std::size_t offset_;
};

/// Numbers, names of metrics, + - * / with their usual precedence, a leading minus, parentheses, log(), abs(), sqrt().
/// A name is made of letters, digits and _, and may end with something in brackets: recall[net-1]. Copies are cheap.
class Expression {
 public:
  /// Throws ExpressionError, whose sentence says what was expected and what was found.
  explicit Expression(const std::string& text);

  /// Every name in it once, in the order of first occurrence.
  const std::vector<std::string>& names() const { return names_; }
  /// Whether it is a single name.
  bool is_name() const;

  /// Computes the value; nothing when `metric` returns nothing for a name. As in IEEE 754, x / 0 and log(0) are
  /// infinite and log(-1) is NaN.
  std::optional<double> value(const std::function<std::optional<double>(const std::string&)>& metric) const;

  struct Term;

 private:
  std::shared_ptr<const Term> root_;
  std::vector<std::string> names_;
};

}  // namespace variform::study
