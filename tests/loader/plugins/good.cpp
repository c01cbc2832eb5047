// A sound plugin, with a parameter of every type and components whose construction fails in every way. The tests
// also make copies of its file and change bytes in them: ids keep their lengths there.

#include <variform/plugin.h>

#include <ATen/ATen.h>

#include <stdexcept>

namespace {

class Steady final : public variform::Encoder {
 public:
  explicit Steady(const variform::Build& build) : outputs_(build.outputs) {}
  variform::Tensor encode(const variform::Tensor& x, const variform::Context&) override {
    return at::zeros({x.size(0), outputs_}, x.options());
  }

 private:
  int64_t outputs_;
};

class Throwing final : public variform::Encoder {
 public:
  explicit Throwing(const variform::Build&) { throw std::runtime_error("the moon is in the wrong phase"); }
  variform::Tensor encode(const variform::Tensor& x, const variform::Context&) override { return x; }
};

class ThrowingInt final : public variform::Encoder {
 public:
  explicit ThrowingInt(const variform::Build&) { throw 42; }
  variform::Tensor encode(const variform::Tensor& x, const variform::Context&) override { return x; }
};

class Unable final : public variform::Encoder {
 public:
  explicit Unable(const variform::Build&) { throw variform::Unsupported("there are no images here"); }
  variform::Tensor encode(const variform::Tensor& x, const variform::Context&) override { return x; }
};

class Flat final : public variform::Decoder {
 public:
  explicit Flat(const variform::Build&) {}
  variform::Tensor decode(const variform::Tensor& z, const variform::Context&) override { return z; }
};

constexpr variform::ComponentInfo creating(
    const char* id, std::shared_ptr<variform::Component> (*create)(const variform::Build&)) {
  variform::ComponentInfo info = variform::component<Steady>(id, "Its create function is wrong.", "");
  info.create = create;
  return info;
}

std::shared_ptr<variform::Component> nothing(const variform::Build&) { return nullptr; }
std::shared_ptr<variform::Component> a_decoder(const variform::Build& build) {
  return std::make_shared<Flat>(build);
}

}  // namespace

VARIFORM_PLUGIN(
    "org.variform.test.good", "1.2.3",
    variform::component<Steady>(
        "steady", "Outputs zeros, whatever it is given.", "Nobody, Journal of Constants, 1970",
        {variform::number("rate", 0.5)
             .above(0)
             .at_most(2)
             .in("nats")
             .schedulable()
             .doc("How fast nothing happens."),
         variform::integer("depth", 3).at_least(1).doc("Layers that are not there."),
         variform::text("mode", "calm").one_of({"calm", "calmer"}).doc("The degree of calm."),
         variform::flag("quiet", true).doc("Says nothing."),
         variform::numbers("weights", {0.25, 0.75}).doc("Weights of nothing."),
         variform::integers("hidden", {512, 256}).at_least(1).doc("Widths."),
         variform::number("must", 0).at_least(3).required().doc("A number that has no default.")}),
    variform::component<Flat>("flat", "Outputs its input.", ""),
    variform::component<Flat>(
        "around", "A decoder around another.", "",
        {variform::component_parameter("of", variform::Kind::kDecoder).doc("The decoder inside.")}),
    variform::component<Throwing>("throws", "Throws an exception.", ""),
    variform::component<ThrowingInt>("throws-int", "Throws a number.", ""),
    variform::component<Unable>("unable", "Lacks an ability.", ""), creating("nothing", nothing),
    creating("liar", a_decoder))
