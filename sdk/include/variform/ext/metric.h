#pragma once
// Abilities of metrics. Unless a function says otherwise, the rules of variform/metric.h hold.

#include <variform/metric.h>

namespace variform {
inline namespace v2 {

/// A metric that needs all rows at once.
class Finishes {
 public:
  static constexpr std::string_view kId = "variform.finishes/1";  ///< its name
  /// Called once, after the last batch; the batch at hand is gone.
  virtual void finish(Measured& at, Findings& findings) = 0;

 protected:
  ~Finishes() = default;
};

/// A metric of several models.
class Compares {
 public:
  static constexpr std::string_view kId = "variform.compares/1";  ///< its name
  /// What it reports of them. Depends on its parameters only.
  virtual std::vector<Quantity> comparisons() const = 0;
  /// Compares them, once, by their codes [N, d]. Standard errors come from a jackknife over the runs, or are left out.
  virtual void compare(Compared& runs, Findings& findings) = 0;

 protected:
  ~Compares() = default;
};

/// A metric that needs some rows only.
class MostRows {
 public:
  static constexpr std::string_view kId = "variform.most-rows/1";  ///< its name
  /// It needs no more rows than this: they are drawn without replacement, in the order of the data. 0: all.
  virtual int64_t most_rows() const = 0;

 protected:
  ~MostRows() = default;
};

/// A metric that takes long: it is computed only when it is asked for (--metric).
class OnRequest {
 public:
  static constexpr std::string_view kId = "variform.on-request/1";  ///< its name
  /// True when it does, which parameters may decide.
  virtual bool on_request() const { return true; }
  /// The option of `evaluate` that asks for it, too, if there is one.
  virtual std::optional<Shorthand> shorthand() const { return {}; }

 protected:
  ~OnRequest() = default;
};

/// A metric whose quantities are losses, bounds and the like, which stand side by side in the first section of an
/// evaluation, `values`; else they have a section of their own, under the metric's name.
class InValues {
 public:
  static constexpr std::string_view kId = "variform.in-values/1";  ///< its name
  /// True when they do.
  virtual bool in_values() const { return true; }

 protected:
  ~InValues() = default;
};

}  // namespace v2
}  // namespace variform
