#pragma once
// Arithmetic on metrics, for those that a study derives: "(taylor - constant) / (loss_beta - constant)".

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace variform::study {

/// A text that is no expression; `offset` counts its bytes up to where that shows.
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

  /// Every name in it once, in the order of first sight.
  const std::vector<std::string>& names() const { return names_; }
  /// Nothing but one name.
  bool is_name() const;

  /// Nothing when `metric` has nothing for a name. By IEEE's rules: x / 0 and log(0) are infinite, log(-1) is no number.
  std::optional<double> value(const std::function<std::optional<double>(const std::string&)>& metric) const;

  struct Term;

 private:
  std::shared_ptr<const Term> root_;
  std::vector<std::string> names_;
};

}  // namespace variform::study
