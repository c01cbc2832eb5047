// The words of `list`, `describe` and `doctor`, and that the config which `describe` shows is a valid one.

#include "plugins/describe.h"

#include <variform/types.h>

#include <nlohmann/json.hpp>

#include "config/load.h"
#include "config/text.h"
#include "files.h"

namespace variform::plugins {
namespace {

TEST_CASE("list shows every component with plugin and summary") {
  const Registry registry(only({built("good.so")}));
  const std::string all = list_text(registry), decoders = list_text(registry, Kind::kDecoder);
  CHECK(decoders ==
        "decoder:around  org.variform.test.good 1.2.3  A decoder around another.\n"
        "decoder:flat    org.variform.test.good 1.2.3  Outputs its input.\n");
  CHECK_THAT(all, EndsWith("decoder:flat        org.variform.test.good 1.2.3  Outputs its input.\n"));
  CHECK_THAT(all,
             ContainsSubstring("encoder:steady      org.variform.test.good 1.2.3  Outputs zeros, whatever"));
  CHECK(list_text(registry, Kind::kPrior) == "no prior was found; `variform doctor` says why\n");
  const nlohmann::json json = list_json(registry, Kind::kDecoder);
  REQUIRE(json.size() == 2);
  CHECK(json[1].at("id") == "flat");
  CHECK(json[1].at("plugin") == "org.variform.test.good");
}

TEST_CASE("describe says everything about every parameter") {
  const Registry registry(only({built("good.so")}));
  CHECK(describe_text(registry, "encoder:steady") == R"(encoder:steady
  Outputs zeros, whatever it is given.

  source  Nobody, Journal of Constants, 1970
  plugin  org.variform.test.good 1.2.3
  file    )" + built("good.so").string() + R"(

  parameters
    rate     number, default 0.5, above 0, at most 2, in nats, may follow a schedule
             How fast nothing happens.
    depth    integer, default 3, at least 1
             Layers that are not there.
    mode     text, default "calm", one of "calm", "calmer"
             The degree of calm.
    quiet    true or false, default true
             Says nothing.
    weights  numbers, default [0.25, 0.75]
             Weights of nothing.
    hidden   list of integers, default [512, 256], at least 1
             Widths.
    must     number, required, at least 3
             A number that has no default.

  in a config
    [model.encoder]
    type = "steady"
    rate = 0.5
    depth = 3
    mode = "calm"
    quiet = true
    weights = [0.25, 0.75]
    hidden = [512, 256]
    must = 4.0
)");
  CHECK(describe_text(registry, "steady") == describe_text(registry, "encoder:steady"));
  CHECK_THAT(describe_text(registry, "decoder:around"),
             ContainsSubstring("of  a decoder of its own, required"));
  CHECK_THAT(describe_text(registry, "decoder:around"), ContainsSubstring("    of = { type = \"flat\" }\n"));

  const nlohmann::json json = describe_json(registry, "encoder:steady");
  CHECK(json.at("plugin").at("sha256").get<std::string>().size() == 64);
  const nlohmann::json& rate = json.at("parameters").at(0);
  CHECK(rate.at("default") == 0.5);
  CHECK(rate.at("low") == 0.0);
  CHECK(rate.at("excludes_low") == true);
  CHECK(rate.at("high") == 2.0);
  CHECK(rate.at("unit") == "nats");
  CHECK(rate.at("schedulable") == true);
  CHECK(rate.at("meaning") == "How fast nothing happens.");
  CHECK(json.at("parameters").at(5).at("default") == nlohmann::json{512, 256});
  CHECK(json.at("parameters").at(2).at("choices") == nlohmann::json{"calm", "calmer"});
  CHECK(json.at("parameters").at(1).at("low") == 1.0);
  CHECK(json.at("parameters").at(1).at("high").is_null());
}

TEST_CASE("describe of what is not there names a near match") {
  const Registry registry(only({built("good.so")}));
  const auto error = [&](const char* name) -> std::string {
    try {
      describe_text(registry, name);
    } catch (const Error& thrown) {
      return thrown.what();
    }
    return {};
  };
  CHECK(error("encoder:stead") == "there is no encoder \"stead\"; did you mean \"steady\"?");
  CHECK(error("encodr:steady") == "there is no kind \"encodr\"; did you mean \"encoder\"?");
  CHECK(error("zzzzzzzzzz:a") ==
        "there is no kind \"zzzzzzzzzz\"; the kinds are encoder, decoder, family, prior, likelihood, "
        "objective, metric, reader");
  CHECK(error("stead") == "there is no component \"stead\"; did you mean \"steady\"?");
}

TEST_CASE("the config that describe shows is accepted") {
  const Registry registry(only({built("good.so")}));
  for (const Kind kind : {Kind::kEncoder, Kind::kDecoder})
    for (const Offer& offer : registry.offers(kind)) {
      config::Diagnostics diagnostics;
      const config::Node root = config::parse(toml_snippet(registry, offer), "snippet", diagnostics);
      const config::Experiment experiment = config::resolve(root, registry, diagnostics);
      INFO(diagnostics.render());
      for (const auto& entry : diagnostics.entries()) {
        // The rest of the experiment is missing, of course.
        CHECK_THAT(entry.message, !ContainsSubstring(std::string("model.") + to_string(kind)));
      }
      REQUIRE(experiment.slots.count(kind) == 1);
      CHECK(experiment.slots.at(kind).type == offer.id);
      CHECK(experiment.slots.at(kind).plugin == "org.variform.test.good");
    }
}

TEST_CASE("doctor says what was found where, and why a file is not used") {
  const Folder folder;
  write_bytes(folder / "text.so", "hello\n");
  std::filesystem::copy_file(built("good.so"), folder / "shadowed.so");
  std::filesystem::copy_file(built("foreign.so"), folder / "foreign.so");
  Search search = only({built("good.so"), folder.path()});
  search.places.push_back({Origin::kUser, folder / "none", {}});
  const Registry registry(search);
  const std::string text = doctor_text(registry);
  CHECK_THAT(text, ContainsSubstring("fingerprint        " + host_manifest().fingerprint + "\n"));
  CHECK_THAT(text, ContainsSubstring("LibTorch           " + host_manifest().libtorch + "."));
  CHECK_THAT(text, ContainsSubstring("  --plugin  " + folder.path().string()));
  CHECK_THAT(text, ContainsSubstring("3 files\n"));
  CHECK_THAT(text, ContainsSubstring("does not exist\n"));
  CHECK_THAT(text, ContainsSubstring("org.variform.test.good 1.2.3  8 components  "));
  CHECK_THAT(
      text, ContainsSubstring("  refused: " + (folder / "text.so").string() + ": expected a shared library"));
  CHECK_THAT(text, ContainsSubstring("  refused: " + (folder / "foreign.so").string() +
                                     ": the plugin was really built"));
  CHECK_THAT(text,
             ContainsSubstring("  shadowed: " + (folder / "shadowed.so").string() + ": not used, since"));
  CHECK_THAT(list_text(registry), EndsWith("\n2 plugins were refused; `variform doctor` says why\n"));

  const nlohmann::json json = doctor_json(registry);
  CHECK(json.at("host").at("fingerprint") == host_manifest().fingerprint);
  CHECK(json.at("places").size() == 3);
  REQUIRE(json.at("plugins").size() == 4);
  CHECK(json.at("plugins").at(0).at("status") == "loaded");
  CHECK(json.at("plugins").at(1).at("status") == "refused");
  CHECK(json.at("plugins").at(1).at("components") == nlohmann::json{"encoder:foreign"});
}

}  // namespace
}  // namespace variform::plugins
