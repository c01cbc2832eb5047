#pragma once
// The ability to name the network of variform/nn layers behind a component. Unless a function says otherwise, the rules
// of variform/component.h hold; calls: any number of times, with the same result each time; thread: any.

#include <variform/component.h>

namespace variform {
inline namespace v2 {
/// Layers that carry tangents, networks made of them, and their parameters.
namespace nn {
class Layer;
}

/// A component that is made of variform/nn layers only, so that `export` can write its PyTorch counterpart.
class MadeOfLayers {
 public:
  static constexpr std::string_view kId = "variform.made-of-layers/1";  ///< its name
  /// The network, owned by the component, and registered under the name "network"; nullptr: it is not made of layers
  /// only.
  virtual const nn::Layer* network() const = 0;

 protected:
  ~MadeOfLayers() = default;
};

/// The network behind a component, or nullptr.
VARIFORM_API const nn::Layer* network_of(const Component& component);

}  // namespace v2
}  // namespace variform
