// Who computes the products of linear layers: what is asked for, what a run has recorded, and what is measured once.

#include "catch.h"

#include <variform/products.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "model/products.h"

namespace variform::model {
namespace {

namespace fs = std::filesystem;
using testing::ContainsSubstring;

class EveryWord final : public base::Log {
 public:
  void write(base::Level level, std::string_view, const std::string& text) override {
    said += std::string(base::to_string(level)) + ": " + text + "\n";
  }
  bool wants(base::Level, std::string_view) const override { return true; }
  std::string said;
};

// A cache of the test's own, and the variables and the choice of before at its end.
class Place {
 public:
  explicit Place(const char* kernels) {
    std::string name = (fs::temp_directory_path() / "variform-products-XXXXXX").string();
    folder = ::mkdtemp(name.data());
    keep("XDG_CACHE_HOME", folder.string().c_str());
    keep("VARIFORM_KERNELS", kernels);
  }
  ~Place() {
    for (const auto& [name, value] : before_)
      if (value) ::setenv(name.c_str(), value->c_str(), 1);
      else ::unsetenv(name.c_str());
    exchange_onednn_products(choice_);
    fs::remove_all(folder);
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  fs::path folder;

 private:
  void keep(const char* name, const char* value) {
    const char* const was = std::getenv(name);
    before_.emplace_back(name, was ? std::optional<std::string>(was) : std::nullopt);
    ::setenv(name, value, 1);
  }
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
  OneDnnProducts choice_ = exchange_onednn_products(0);
};

OneDnnProducts chosen() {
  const OneDnnProducts now = exchange_onednn_products(0);
  exchange_onednn_products(now);
  return now;
}

}  // namespace

TEST_CASE("VARIFORM_KERNELS chooses who computes products") {
  EveryWord log;
  {
    const Place place("onednn");
    CHECK(choose_products(log) == "onednn onednn onednn");
    CHECK(chosen() == 0b111);
    CHECK_THAT(log.said, !ContainsSubstring("measured"));
  }
  const Place place("libtorch");
  CHECK(choose_products(log) == "libtorch libtorch libtorch");
  CHECK(chosen() == 0);
  ::setenv("VARIFORM_KERNELS", "mkl", 1);
  CHECK_THROWS_WITH(choose_products(log), ContainsSubstring("'mkl'; expected libtorch, onednn or measured"));
}

TEST_CASE("who computes products faster is measured once") {
  const Place place("measured");
  if (!has_onednn_products()) VARIFORM_SKIP("this LibTorch has no oneDNN");
  EveryWord first, second, third;
  const std::string choice = choose_products(first);
  CHECK_THAT(first.said, ContainsSubstring("measured a linear layer"));
  CHECK(choose_products(second) == choice);
  CHECK_THAT(second.said, !ContainsSubstring("measured a linear layer"));
  for (const auto& entry : fs::directory_iterator(place.folder / "variform" / "products"))
    if (entry.path().filename() != ".turn") std::ofstream(entry.path()) << "onednn maybe";
  choose_products(third);
  CHECK_THAT(third.said, ContainsSubstring("measured a linear layer"));
}

TEST_CASE("a run keeps who computed its products") {
  const Place place("measured");
  if (!has_onednn_products()) VARIFORM_SKIP("this LibTorch has no oneDNN");
  EveryWord silent;
  const std::string own = choose_products(silent), other = own == "libtorch onednn libtorch"
                                                               ? "onednn libtorch libtorch"
                                                               : "libtorch onednn libtorch";
  EveryWord log;
  CHECK(choose_products(log, other) == other);
  CHECK(chosen() == (other == "libtorch onednn libtorch" ? 0b010 : 0b001));
  CHECK_THAT(log.said, ContainsSubstring("note: products are computed by " + other));
  EveryWord same;
  CHECK(choose_products(same, own) == own);
  CHECK_THAT(same.said, !ContainsSubstring("note"));
  EveryWord broken;
  CHECK(choose_products(broken, "fast ones") == own);
  CHECK_THAT(broken.said,
             ContainsSubstring("note: the run's record of who computes its products is not understood"));
  ::setenv("VARIFORM_KERNELS", "libtorch", 1);
  EveryWord asked;
  CHECK(choose_products(asked, other) == "libtorch libtorch libtorch");
  CHECK_THAT(asked.said, ContainsSubstring("warning: the run's products were computed by " + other));
}

}  // namespace variform::model
