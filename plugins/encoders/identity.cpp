// Encoder `identity`: the data themselves are the family's parameters.

#include <variform/plugin.h>

namespace {

/// Returns x flattened, for experiments in which the posterior's parameters are the data (P = parameter_count(d)).
class Identity final : public variform::Encoder {
 public:
  explicit Identity(const variform::Build& build) {
    if (build.data_size() != build.outputs)
      throw variform::Error("encoder 'identity' hands on the data's " + std::to_string(build.data_size()) +
                            " values, but the family needs " + std::to_string(build.outputs) +
                            " numbers per example; choose d or the family so that they agree");
  }
  variform::Tensor encode(const variform::Tensor& x, const variform::Context&) override {
    return x.flatten(1);
  }
};

}  // namespace

VARIFORM_COMPONENTS(variform::component<Identity>("identity", "The data as they are.",
                                                  "no paper; for experiments"))
