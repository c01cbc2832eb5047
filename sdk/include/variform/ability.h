#pragma once
// Abilities: what some components can do and others cannot. An interface holds only what every component of its kind
// must have; everything else is a small class of functions under ext/, found by its name. That is how the SDK grows: a
// new ability leaves every table of virtual functions as it is, so that plugins built before go on working.

#include <string_view>
#include <type_traits>

namespace variform {
inline namespace v2 {

/// The ability A of a component, a posterior or a layer; nullptr when it has none. The result belongs to `of` and lives
/// as long. Any thread; costs a few comparisons of texts. `variform::ability<variform::PullbackMetric>(decoder)`.
template <class A, class T>
auto* ability(T& of) {
  using Result = std::conditional_t<std::is_const_v<T>, const A, A>;
  return static_cast<Result*>(const_cast<A*>(static_cast<const A*>(of.ability(A::kId))));
}

/// The interface with abilities: `class Mine final : public variform::With<variform::Prior,
/// variform::ClosedCrossEntropy>`. A class that inherits from a class with abilities adds its own in the same way:
/// With<Base, More>.
template <class Interface, class... Abilities>
class With : public Interface, public Abilities... {
 public:
  using Interface::Interface;
  /// Finds an ability by its name; nullptr when this class has none of that name.
  const void* ability(std::string_view id) const override {
    const void* found = nullptr;
    static_cast<void>(((id == Abilities::kId && (found = static_cast<const Abilities*>(this))) || ...));
    return found ? found : Interface::ability(id);
  }
};

}  // namespace v2
}  // namespace variform
