// See expression.h. Parses by recursive descent: sum -> products, product -> factors, factor -> number, name, call,
// (sum), -factor.

#include "study/expression.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "base/utf8.h"

namespace variform::study {

struct Expression::Term {
  enum class Kind { kNumber, kName, kNegative, kCall, kOperator } kind = Kind::kNumber;
  double number = 0;
  std::string name;  // of a metric or a function
  char sign = 0;     // of an operator
  std::vector<Term> parts{};
};

namespace {

using Term = Expression::Term;
using Kind = Term::Kind;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Parser {
 public:
  explicit Parser(const std::string& text) : text_(text) {}

  Term all() {
    Term term = sum();
    if (!at_end()) fail("an operator");
    return term;
  }

 private:
  bool at_end() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
    return at_ == text_.size();
  }
  char next() { return at_end() ? '\0' : text_[at_]; }
  bool takes(char c) {
    if (next() != c) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void fail(const std::string& expected) {
    std::string found = "the end";
    if (!at_end()) {
      const std::string_view rest = std::string_view(text_).substr(at_);
      found = "'" + std::string(base::utf8_characters(rest).front()) + "'";
    }
    throw ExpressionError("expected " + expected + ", found " + found, at_);
  }

  Term sum() {
    Term left = product();
    while (next() == '+' || next() == '-') left = combined(std::move(left), &Parser::product);
    return left;
  }
  Term product() {
    Term left = factor();
    while (next() == '*' || next() == '/') left = combined(std::move(left), &Parser::factor);
    return left;
  }
  Term combined(Term left, Term (Parser::*right)()) {
    Term term{Kind::kOperator, 0, {}, text_[at_++]};
    term.parts.push_back(std::move(left));
    term.parts.push_back((this->*right)());
    return term;
  }

  Term factor() {
    if (takes('-')) return {Kind::kNegative, 0, {}, 0, {factor()}};
    if (takes('(')) {
      Term inner = sum();
      if (!takes(')')) fail("an operator or ')'");
      return inner;
    }
    if (is_digit(next()) || next() == '.') return number();
    if (is_letter(next())) return name();
    fail("a metric, a number or '('");
  }

  Term number() {
    Term term;
    const char *first = text_.data() + at_, *last = text_.data() + text_.size();
    const auto [end, error] = std::from_chars(first, last, term.number);
    if (error != std::errc()) fail("a number");
    at_ += static_cast<std::size_t>(end - first);
    return term;
  }

  Term name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_digit(text_[at_]))) ++at_;
    const std::string word = text_.substr(start, at_ - start);
    if (at_ < text_.size() && text_[at_] == '[') {
      const std::size_t close = text_.find(']', at_);
      if (close == std::string::npos) throw ExpressionError("'[' is not closed", at_);
      at_ = close + 1;
      return {Kind::kName, 0, text_.substr(start, at_ - start)};
    }
    if (next() != '(') return {Kind::kName, 0, word};
    if (word != "log" && word != "abs" && word != "sqrt")
      throw ExpressionError("functions are log, abs and sqrt, found '" + word + "'", start);
    ++at_;
    Term call{Kind::kCall, 0, word, 0, {sum()}};
    if (!takes(')')) fail("an operator or ')'");
    return call;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

void collect(const Term& term, std::vector<std::string>& names) {
  if (term.kind == Kind::kName && std::find(names.begin(), names.end(), term.name) == names.end())
    names.push_back(term.name);
  for (const Term& part : term.parts) collect(part, names);
}

double applied(const Term& term, double left, double right) {
  switch (term.sign) {
    case '+': return left + right;
    case '-': return left - right;
    case '*': return left * right;
    default: return left / right;
  }
}

using Metric = std::function<std::optional<double>(const std::string&)>;

std::optional<double> value_of(const Term& term, const Metric& metric) {
  if (term.kind == Kind::kNumber) return term.number;
  if (term.kind == Kind::kName) return metric(term.name);
  const auto first = value_of(term.parts[0], metric);
  if (!first) return {};
  if (term.kind == Kind::kNegative) return -*first;
  if (term.kind == Kind::kCall)
    return term.name == "log" ? std::log(*first) : term.name == "abs" ? std::abs(*first) : std::sqrt(*first);
  const auto second = value_of(term.parts[1], metric);
  if (!second) return {};
  return applied(term, *first, *second);
}

}  // namespace

Expression::Expression(const std::string& text) : root_(std::make_shared<Term>(Parser(text).all())) {
  collect(*root_, names_);
}

bool Expression::is_name() const { return root_->kind == Kind::kName; }

std::optional<double> Expression::value(const Metric& metric) const { return value_of(*root_, metric); }

}  // namespace variform::study
