#pragma once
// Conditional models: what a component does that uses Context::condition. Unless a function says otherwise, the rules
// of variform/component.h hold; calls: any number of times, with the same result each time; thread: any.

#include <variform/component.h>

namespace variform {
inline namespace v2 {

/// A component whose functions depend on Context::condition. Without it the engine takes a component for one that does
/// not: a prior is then the same for all rows, and a decoder of networks takes latents alone.
class Conditioned {
 public:
  static constexpr std::string_view kId = "variform.conditioned/1";  ///< its name
  /// True when it does; its functions then throw Error for a context without a condition. May depend on parameters,
  /// never on data.
  virtual bool is_conditioned() const = 0;

 protected:
  ~Conditioned() = default;
};

/// Whether the component's functions depend on Context::condition (ability Conditioned).
VARIFORM_API bool is_conditioned(const Component& component);

/// For the schema of a component that can be conditioned; condition_of() reads it.
inline constexpr Parameter kCondition =
    flag("condition", false)
        .added_later()
        .doc("Whether it takes the data's condition ([data] condition) beside its input.");

/// How many numbers of Context::condition the component is to use: Build::condition when its parameter kCondition is
/// on, else 0. Throws Error when it is on and the model has no condition.
VARIFORM_API int64_t condition_of(const Build& build);

/// The condition [rows, size] of a call, in its own dtype. Throws Error when the context has none, or one of another
/// shape.
VARIFORM_API const Tensor& condition_in(const Context& context, int64_t rows, int64_t size);

}  // namespace v2
}  // namespace variform
