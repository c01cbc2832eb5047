// Part of the library whose binary interface is recorded (abi.py), and of no other: it names the public types that no
// exported function mentions, so that their layout is recorded, too. A new public struct that plugins see is added here.

#include <variform/ext/levels.h>
#include <variform/latent_kl.h>
#include <variform/nn/network.h>
#include <variform/host.h>
#include <variform/plugin.h>

namespace variform {
inline namespace v2 {
namespace abi {

VARIFORM_API void descriptors(const PluginInfo&, const ComponentList&, const ComponentInfo&,
                              const Parameter&) {}
VARIFORM_API void enumerations(Kind, ParameterType, Domain, Curvature, PushforwardTier) {}
VARIFORM_API void values(const Draw&, const Pushed&, const Gaussian&, const Linearization&, const Pullback&,
                         const Context&, const Support&, const Terms&, const Batch&, const Structure&,
                         const Covariance&, const Build&, const LatentKl&) {}
VARIFORM_API void metrics(const Quantity&, const Findings&, const Features&, const Measured&, const Compared&,
                          const Metric&) {}
VARIFORM_API void readers(const ArrayInfo&, const ArrayFile&, const Reader&) {}
VARIFORM_API void engine(const ParameterSource&, const HostModel&, const Model&, const Posterior&,
                         const Frozen&) {}
VARIFORM_API void layers(const nn::Block&, const nn::Convolution&, nn::Upsample::Mode, const nn::LinearMap&) {
}

VARIFORM_API void abilities(const Pushforward&, const PullbackMetric&, const PiecewiseLinear&,
                            const RowsIndependent&, const MadeOfLayers&, const LogMarginals&,
                            const ClosedEntropy&, const Moments&, const BoundedSupport&, const FiniteMoments&,
                            const ClosedCrossEntropy&, const GaussianForm&, const MomentsNeeded&,
                            const CurvatureForm&, const IsotropicCurvature&, const NoiseVariance&,
                            const Weighted&, const UsesTangents&, const StandsFor&, const Finishes&,
                            const Compares&, const MostRows&, const OnRequest&, const InValues&,
                            const nn::Push&, const nn::PushMetric&, const nn::Elementwise&,
                            const nn::Isometric&, const nn::PythonHelper&, const Conditioned&,
                            const MissingValues&, const PosteriorLevels&, const PriorLevels&,
                            const LevelMoments&, const ExampleFile&, const InPlace&, const NamesOutputs&) {}

}  // namespace abi
}  // namespace v2
}  // namespace variform
