// See plugin_readers.h.

#include "model/plugin_readers.h"

#include <variform/calls.h>
#include <variform/ext/reader.h>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <system_error>

#include "base/interrupt.h"
#include "config/text.h"
#include "data/readers/sniff.h"
#include "model/assembly.h"
#include "plugins/registry.h"

namespace variform::model {
namespace {

namespace fs = std::filesystem;
using data::OtherArray;
using data::ReadError;

data::Element element_of(at::ScalarType type) {
  switch (type) {
    case at::kByte: return data::Element::kUint8;
    case at::kBool: return data::Element::kBool;
    case at::kInt: return data::Element::kInt32;
    case at::kLong: return data::Element::kInt64;
    case at::kFloat: return data::Element::kFloat32;
    case at::kDouble: return data::Element::kFloat64;
    default: break;
  }
  throw Error(std::string("it announces an array of ") + c10::toString(type) +
              "; expected uint8, bool, int32, int64, float32 or float64");
}

ModelSpec no_model() {
  ModelSpec spec;
  spec.data = {1};
  spec.latent = 1;
  spec.options = at::kFloat;
  return spec;
}

// A reader with what must live as long as it.
struct Made {
  std::string label;                 // "svmlight (org.example.svmlight 1.0.0)"
  std::shared_ptr<Assembly> beside;  // a model without slots
  std::shared_ptr<Reader> reader;
};

// Calls a plugin's function; what it throws becomes a ReadError about the file.
template <class Call>
auto in(const Made& made, const fs::path& path, const char* function, const Call& call) {
  const auto failed = [&](const std::string& what) {
    return ReadError(path.string() + ": reader " + made.label + ": " + what);
  };
  try {
    const KeptModes kept;
    const Calling calling(to_string(Kind::kReader), made.label.c_str(), function, -1);
    const at::NoGradGuard no_grad;
    return call();
  } catch (const base::Interrupted&) {
    throw;
  } catch (const c10::Error& error) {
    throw failed(error.what_without_backtrace());
  } catch (const std::exception& error) {
    throw failed(error.what());
  }
}

class OpenFile final : public data::OtherFile {
 public:
  OpenFile(Made made, fs::path path) : made_(std::move(made)), path_(std::move(path)) {
    in(made_, path_, "open", [&] {
      file_ = made_.reader->open(fs::absolute(path_).string());
      if (!file_) throw Error("it returned no file");
    });
    in(made_, path_, "arrays", [&] {
      announced_ = file_->arrays();
      for (const ArrayInfo& array : announced_) {
        if (array.shape.empty() || *std::min_element(array.shape.begin(), array.shape.end()) < 1)
          throw Error("its array '" + array.name + "' has the shape " + to_text(array.shape) +
                      "; expected rows, and no dimension of 0");
        arrays_.push_back({array.name, array.shape, element_of(array.dtype), array.class_names});
      }
      if (arrays_.empty()) throw Error("the file holds no array");
    });
  }
  ~OpenFile() override {
    const Calling calling(to_string(Kind::kReader), made_.label.c_str(), "the file's destructor", -1);
    file_.reset();
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  const std::vector<OtherArray>& arrays() const override { return arrays_; }
  void read(const OtherArray& array, std::int64_t first, std::int64_t count, std::uint8_t* out) override {
    in(made_, path_, "read", [&] {
      const auto& announced = announced_[static_cast<std::size_t>(&array - arrays_.data())];
      Shape expected = announced.shape;
      expected.front() = count;
      const Tensor rows = file_->read(array.name, first, count);
      if (!rows.defined() || !rows.device().is_cpu() || rows.scalar_type() != announced.dtype ||
          rows.sizes() != at::IntArrayRef(expected))
        throw Error("expected rows " + std::to_string(first) + " to " + std::to_string(first + count - 1) +
                    " of '" + array.name + "' as " + to_text(expected) + " of " +
                    c10::toString(announced.dtype) + " on the CPU, found " +
                    (rows.defined() ? to_text(rows.sizes()) + " of " + c10::toString(rows.scalar_type())
                                    : std::string("an undefined tensor")));
      const Tensor plain = rows.contiguous();
      std::memcpy(out, plain.const_data_ptr(), plain.nbytes());
    });
  }
  std::optional<std::uint64_t> first_byte(const OtherArray& array) override {
    const auto* lies = ability<InPlace>(*file_);
    if (!lies) return {};
    return in(made_, path_, "first_byte", [&]() -> std::uint64_t {
      const std::int64_t at = lies->first_byte(array.name);
      if (at < 0 || at % static_cast<std::int64_t>(data::size_of(array.element)) != 0)
        throw Error("it says that the values of '" + array.name + "' begin at byte " + std::to_string(at) +
                    "; expected a multiple of their size");
      return static_cast<std::uint64_t>(at);
    });
  }

 private:
  Made made_;
  fs::path path_;
  std::unique_ptr<ArrayFile> file_;
  std::vector<ArrayInfo> announced_;
  std::vector<OtherArray> arrays_;
};

class PluginReaders final : public data::OtherReaders {
 public:
  explicit PluginReaders(const plugins::Registry& registry) : registry_(registry) {}

  std::vector<std::string> formats() const override { return registry_.ids(Kind::kReader); }
  std::string problem(const std::string& format) const override {
    config::Diagnostics problems;
    parsed(format, problems);
    return problems.empty() ? std::string() : problems.entries().front().message;
  }
  bool has_suffix(std::string_view name) const override {
    for (const Made& made : usual())
      for (const std::string& suffix : made.reader->suffixes())
        if (name.ends_with(suffix)) return true;
    return false;
  }
  std::string claimant(const fs::path& path) const override {
    if (formats().empty()) return {};
    const std::string name = config::lower_case(path.filename().string());
    const std::string claimed = only(path, [&](const Reader& reader) {
      const std::vector<std::string> suffixes = reader.suffixes();
      return std::any_of(suffixes.begin(), suffixes.end(),
                         [&](const auto& suffix) { return name.ends_with(suffix); });
    });
    std::error_code error;
    if (!claimed.empty() || !fs::is_regular_file(path, error)) return claimed;
    const std::string bytes = data::first_bytes(path, 4096);
    return bytes.empty() ? std::string()
                         : only(path, [&](const Reader& reader) { return reader.recognises(bytes); });
  }
  std::string label(const std::string& format) const override { return "reader " + made(format).label; }
  std::unique_ptr<data::OtherFile> open(const std::string& format, const fs::path& path) const override {
    return std::make_unique<OpenFile>(made(format), path);
  }

 private:
  config::GivenComponent parsed(const std::string& format, config::Diagnostics& problems) const {
    return config::parse_component(format, "format", Kind::kReader, registry_, problems);
  }
  Made made(const std::string& format) const {
    config::Diagnostics problems;
    const config::GivenComponent given = parsed(format, problems);
    problems.throw_if_any();
    Made made;
    made.label = registry_.offer(Kind::kReader, given.component.type, given.component.plugin).label();
    made.beside = std::make_shared<Assembly>(no_model(), registry_);
    made.reader = std::static_pointer_cast<Reader>(made.beside->beside(given.component, registry_));
    return made;
  }
  // All readers with their parameters' defaults; one that needs parameters must be named in a description.
  const std::vector<Made>& usual() const {
    if (is_listed_) return usual_;
    is_listed_ = true;
    for (const std::string& id : formats()) {
      try {
        usual_.push_back(made(id));
        usual_ids_.push_back(id);
      } catch (const std::exception&) {  // said where it is named
      }
    }
    return usual_;
  }
  std::string only(const fs::path& path, const std::function<bool(const Reader&)>& claims) const {
    std::string found, label;
    const std::vector<Made>& readers = usual();
    for (std::size_t i = 0; i < readers.size(); ++i) {
      if (!in(readers[i], path, "recognises", [&] { return claims(*readers[i].reader); })) continue;
      if (!found.empty())
        throw ReadError(path.string() + ": both reader " + label + " and reader " + readers[i].label +
                        " claim it; write format = \"" + found + "\" or format = \"" + usual_ids_[i] +
                        "\" in the description.");
      found = usual_ids_[i];
      label = readers[i].label;
    }
    return found;
  }

  const plugins::Registry& registry_;
  mutable bool is_listed_ = false;
  mutable std::vector<Made> usual_;
  mutable std::vector<std::string> usual_ids_;
};

}  // namespace

std::unique_ptr<data::OtherReaders> plugin_readers(const plugins::Registry& registry) {
  return std::make_unique<PluginReaders>(registry);
}

}  // namespace variform::model
