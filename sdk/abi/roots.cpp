// Part of the library whose binary interface is recorded (abi.py), and of no other: it names the public types that no
// exported function mentions, so that their layout is recorded, too. A new public struct that plugins see is added here.

#include <variform/nn/network.h>
#include <variform/plugin.h>

namespace variform {
inline namespace v1 {
namespace abi {

VARIFORM_API void descriptors(const PluginInfo&, const ComponentList&, const ComponentInfo&,
                              const Parameter&) {}
VARIFORM_API void enumerations(Kind, ParameterType, Domain, Curvature, PushforwardTier) {}
VARIFORM_API void values(const Support&, const Draw&, const Pushed&, const Gaussian&, const Local&,
                         const Terms&, const Batch&, const Structure&, const Covariance&, const Build&) {}
VARIFORM_API void metrics(const Quantity&, const Findings&, const Features&, const Measured&, const Compared&,
                          const Metric&) {}
VARIFORM_API void engine(const ParameterSource&, const Model&, const Posterior&, const Frozen&) {}
VARIFORM_API void layers(const nn::Block&, const nn::Convolution&, nn::Upsample::Mode, const nn::LinearMap&) {
}

}  // namespace abi
}  // namespace v1
}  // namespace variform
