// Search order, refusals, duplicates and construction, with real plugin files.

#include "plugins/registry.h"

#include <variform/descriptor.h>
#include <variform/encoder.h>

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <set>

#include "files.h"
#include "plugins/library.h"
#include "support/fake_build.h"

namespace variform::plugins {
namespace {

using test::fake_build;

constexpr const char* kGoodId = "org.variform.test.good";

// The one record whose file is called `name`.
const PluginRecord& record(const Registry& registry, const std::string& name) {
  const auto records = registry.records();
  const auto found = std::find_if(records.begin(), records.end(),
                                  [&](const PluginRecord* each) { return each->path.filename() == name; });
  INFO("looking for the record of " << name);
  REQUIRE(found != records.end());
  return **found;
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  FAIL("expected an Error");
  return {};
}

TEST_CASE("the libraries that a loaded plugin needs, directly or not") {
  const Registry registry(only({built("good.so")}));
  REQUIRE(registry.find(Kind::kEncoder, "steady").size() == 1);  // loads it
  const auto has = [](const std::set<std::filesystem::path>& libraries, const std::string& begin) {
    return std::any_of(libraries.begin(), libraries.end(), [&](const std::filesystem::path& library) {
      return library.filename().string().starts_with(begin) && std::filesystem::exists(library);
    });
  };
  const auto libraries = libraries_of(built("good.so"));
  CHECK(has(libraries, "libvariform-sdk.so"));
  CHECK(has(libraries, "libc10.so"));
  CHECK(has(libraries, "libc.so"));  // needed by all others
  CHECK_FALSE(libraries.contains(built("good.so")));
  CHECK(libraries_of("/nowhere/at/all.so").empty());
}

TEST_CASE("a plugin is found by its manifest and loaded when it is needed") {
  const Registry registry(only({built("good.so")}));
  CHECK(record(registry, "good.so").status == Status::kAvailable);
  CHECK(registry.ids(Kind::kEncoder) ==
        std::vector<std::string>{"liar", "nothing", "steady", "throws", "throws-int", "unable"});
  CHECK(registry.ids(Kind::kFamily).empty());
  CHECK(record(registry, "good.so").status == Status::kAvailable);  // the manifest alone answers

  const auto entries = registry.find(Kind::kEncoder, "steady");
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].plugin == kGoodId);
  REQUIRE(entries[0].parameters.size() == 7);
  CHECK(std::string(entries[0].parameters[0].name) == "rate");
  CHECK(record(registry, "good.so").status == Status::kLoaded);
  CHECK(record(registry, "good.so").sha256.size() == 64);
  CHECK(registry.find(Kind::kDecoder, "steady").empty());

  const Offer offer = registry.offer(Kind::kEncoder, "steady");
  CHECK(offer.label() == "steady (org.variform.test.good 1.2.3)");
  const auto component = registry.create(offer, fake_build());
  CHECK(dynamic_cast<Encoder*>(component.get()) != nullptr);
}

TEST_CASE("what a component's construction throws names component, plugin and file") {
  const Registry registry(only({built("good.so")}));
  const auto message = [&](const char* id) {
    return error_of([&] { registry.create(registry.offer(Kind::kEncoder, id), fake_build()); });
  };
  const auto start = [](const std::string& id) {
    return "encoder \"" + id + "\" (org.variform.test.good 1.2.3, " + built("good.so").string() +
           ") could not be built: ";
  };
  CHECK(message("throws") == start("throws") + "the moon is in the wrong phase");
  CHECK(message("throws-int") ==
        start("throws-int") + "its constructor threw an exception that does not derive from std::exception");
  CHECK(message("nothing") == start("nothing") + "it returned nothing; create must return a component");
  CHECK(message("liar") == start("liar") + "it returned a component of another kind than encoder");
  CHECK(message("unable") == start("unable") + "there are no images here");
  CHECK_THROWS_AS(registry.create(registry.offer(Kind::kEncoder, "unable"), fake_build()), Unsupported);
}

TEST_CASE("every broken plugin is refused with its own sentence, and the others still load") {
  const Folder folder;
  const std::string good = read_bytes(built("good.so")), mark = (folder / "mark").string();
  const auto put = [&](const std::string& name, const std::string& bytes) {
    write_bytes(folder / name, bytes);
  };
  const Manifest& host = host_manifest();
  std::filesystem::copy_file(built("good.so"), folder / "sound.so");
  for (const char* name : {"no-entry.so", "null-entry.so", "throwing-entry.so", "foreign.so"})
    std::filesystem::copy_file(built(name), folder / name);
  put("text.so", "I am not a library\n");
  put("empty.so", "");
  put("truncated.so", good.substr(0, good.size() / 2));
  std::string small = good;
  small[4] = 1;
  put("small.so", small);
  const std::string other = patched(good, kGoodId, "org.variform.test.alia");
  put("other-libtorch.so",
      patched(other, "libtorch: " + host.libtorch, "libtorch: " + std::string(host.libtorch.size(), '9')));
  put("other-abi.so",
      patched(patched(good, kGoodId, "org.variform.test.alib"), "sdk-abi: " + host.sdk_abi, "sdk-abi: 7"));
  put("disagrees.so",
      patched(patched(good, kGoodId, "org.variform.test.alic"), "version: 1.2.3", "version: 1.2.4"));
  put("renamed.so", patched(patched(good, kGoodId, "org.variform.test.alid"), "component: encoder:steady",
                            "component: encoder:steedy"));
  put("needs-more.so", patched(patched(good, kGoodId, "org.variform.test.alie"),
                               "_ZN8variform2v27EncoderD2Ev", "_ZN8variform2v27QncoderD2Ev"));

  ::setenv("VARIFORM_TEST_MARK", mark.c_str(), 1);
  Search search = only({folder.path(), folder / "absent.so"});
  search.sdk_prefix = "/opt/variform";
  const Registry registry(search);
  registry.load_all();
  ::unsetenv("VARIFORM_TEST_MARK");

  const auto reason = [&](const std::string& name) {
    const PluginRecord& each = record(registry, name);
    CHECK(each.status == Status::kRefused);
    CHECK_THAT(each.reason, StartsWith((folder / name).string() + ": "));
    CHECK_THAT(each.reason, EndsWith("."));
    return each.reason.substr((folder / name).string().size() + 2);
  };
  CHECK(reason("absent.so") == "there is no such file; check the path.");
  CHECK(reason("text.so") ==
        "expected a shared library, found a text file that begins \"I am not a library\".");
  CHECK(reason("empty.so") == "the file is empty; copy or build it again.");
  CHECK_THAT(reason("truncated.so"), StartsWith("the file is truncated or damaged: "));
  CHECK_THAT(reason("small.so"), StartsWith("it is a 32-bit library, and this program is 64-bit"));
  const std::string rebuild =
      "rebuild it against this program's SDK, in its source folder: cmake -S . -B build "
      "-DCMAKE_PREFIX_PATH=/opt/variform && cmake --build build.";
  CHECK(reason("other-libtorch.so") ==
        "the plugin was built for LibTorch " + std::string(host.libtorch.size(), '9') +
            ", this program for LibTorch " + host.libtorch + " (" + host.fingerprint + " against " +
            host.fingerprint + "); " + rebuild);
  CHECK_THAT(
      reason("other-abi.so"),
      StartsWith("the plugin was built for SDK ABI 7, this program for SDK ABI " + host.sdk_abi + " ("));
  CHECK(
      reason("foreign.so") ==
      "the plugin was really built for variform_sdk9_torch2_13_cxx11abi1_none, although its manifest says " +
          host.fingerprint + ", which is this program's build; " + rebuild);
  CHECK_THAT(reason("needs-more.so"),
             StartsWith("the plugin needs a function that neither this program's SDK nor its LibTorch has "
                        "(_ZN8variform2v27QncoderD2Ev); rebuild it"));
  CHECK_THAT(reason("no-entry.so"),
             StartsWith("it has no entry variform_plugin, although it has a manifest; use VARIFORM_PLUGIN"));
  CHECK_THAT(reason("null-entry.so"),
             StartsWith("its entry variform_plugin returned no descriptor; build the plugin again"));
  CHECK_THAT(reason("throwing-entry.so"),
             StartsWith("its entry variform_plugin threw an exception that does not derive"));
  CHECK_THAT(
      reason("disagrees.so"),
      StartsWith(
          "its manifest says org.variform.test.alic 1.2.4, its descriptor org.variform.test.alic 1.2.3;"));
  CHECK_THAT(reason("renamed.so"), StartsWith("its manifest names encoder:steedy, its descriptor does not;"));

  CHECK(record(registry, "sound.so").status == Status::kLoaded);
  CHECK(registry.create(registry.offer(Kind::kEncoder, "steady"), fake_build()) != nullptr);

  // The foreign plugin's static initialisers never ran; those of the plugins that linked did.
  const std::string marks = read_bytes(mark);
  CHECK_THAT(marks, ContainsSubstring("org.variform.test.null-entry"));
  CHECK_THAT(marks, !ContainsSubstring("org.variform.test.foreign"));

  // A component that only a refused plugin offers.
  CHECK(registry.find(Kind::kEncoder, "foreign").empty());
  CHECK_THAT(registry.why_missing(Kind::kEncoder, "foreign"),
             StartsWith("Plugin org.variform.test.foreign 1.0.0 offers it but was refused: " +
                        (folder / "foreign.so").string()));
  CHECK_THAT(error_of([&] { registry.offer(Kind::kEncoder, "foreign"); }),
             StartsWith("there is no encoder \"foreign\". Plugin org.variform.test.foreign 1.0.0 offers it "
                        "but was refused"));
  CHECK(registry.warnings().size() == 14);
}

TEST_CASE("an unknown component is answered with a near match") {
  const Registry registry(only({built("good.so")}));
  CHECK(error_of([&] { registry.offer(Kind::kEncoder, "stead"); }) ==
        "there is no encoder \"stead\"; did you mean \"steady\"?");
  CHECK(registry.why_missing(Kind::kEncoder, "stead") == "");
  const Registry empty{Search{}};
  CHECK(
      error_of([&] { empty.offer(Kind::kEncoder, "steady"); }) ==
      "there is no encoder \"steady\". No plugin was found at all; `variform doctor` says where it looked.");
}

TEST_CASE("two plugins that offer one component: the config must say which") {
  const Folder folder;
  const std::string rival = "org.variform.test.evil";
  write_bytes(folder / "rival.so", patched(read_bytes(built("good.so")), kGoodId, rival));
  const Registry registry(only({built("good.so"), folder / "rival.so"}));
  CHECK(registry.find(Kind::kEncoder, "steady").size() == 2);
  CHECK(registry.ids(Kind::kDecoder) == std::vector<std::string>{"around", "flat"});
  CHECK(error_of([&] { registry.offer(Kind::kEncoder, "steady"); }) ==
        "encoder \"steady\" is offered by org.variform.test.good (" + built("good.so").string() + ") and " +
            rival + " (" + (folder / "rival.so").string() +
            "); say which with plugin = \"org.variform.test.good\"");
  CHECK(registry.offer(Kind::kEncoder, "steady", rival).plugin->id == rival);
  CHECK(registry.offer(Kind::kEncoder, "steady", kGoodId).plugin->id == kGoodId);
  CHECK_THAT(
      error_of([&] { registry.offer(Kind::kEncoder, "steady", "org.x"); }),
      StartsWith("plugin org.x offers no encoder \"steady\"; it is offered by org.variform.test.good ("));
  CHECK(record(registry, "rival.so").status == Status::kLoaded);
}

TEST_CASE("of two files of one plugin the first is used; a refused one gives way") {
  const Folder first, second;
  std::filesystem::copy_file(built("good.so"), first / "a.so");
  std::filesystem::copy_file(built("good.so"), second / "b.so");
  SECTION("shadowed") {
    const Registry registry(only({first.path(), second.path()}));
    registry.load_all();
    CHECK(record(registry, "a.so").status == Status::kLoaded);
    CHECK(record(registry, "b.so").status == Status::kShadowed);
    CHECK(record(registry, "b.so").reason ==
          (second / "b.so").string() + ": not used, since org.variform.test.good 1.2.3 (" +
              (first / "a.so").string() + ") comes first in the search order.");
    CHECK(registry.find(Kind::kEncoder, "steady").size() == 1);
  }
  SECTION("refused when it is loaded") {
    write_bytes(first / "a.so", patched(read_bytes(built("good.so")), "version: 1.2.3", "version: 1.2.4"));
    const Registry registry(only({first.path(), second.path()}));
    CHECK(record(registry, "b.so").status == Status::kShadowed);
    const Offer offer = registry.offer(Kind::kEncoder, "steady");
    CHECK(offer.plugin->path == second / "b.so");
    CHECK(record(registry, "a.so").status == Status::kRefused);
    CHECK(record(registry, "b.so").status == Status::kLoaded);
    CHECK(record(registry, "b.so").reason == "");
  }
}

TEST_CASE("one file is one plugin, whatever paths lead to it") {
  const Folder folder;
  std::filesystem::copy_file(built("good.so"), folder / "a.so");
  std::filesystem::create_symlink(folder / "a.so", folder / "b.so");
  std::filesystem::create_hard_link(folder / "a.so", folder / "c.so");
  const Registry registry(only({folder.path(), folder / "b.so"}));
  CHECK(registry.records().size() == 1);
  CHECK(record(registry, "a.so").status == Status::kAvailable);
}

// The file without the linker's own "never unload" flag, which variform_add_plugin sets and others may not.
std::string without_nodelete(std::string bytes) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (std::size_t n = 0; n < header.e_phnum; ++n) {
    Elf64_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + n * sizeof segment, sizeof segment);
    if (segment.p_type != PT_DYNAMIC) continue;
    for (std::size_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz;
         at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      std::memcpy(&entry, bytes.data() + at, sizeof entry);
      if (entry.d_tag != DT_FLAGS_1) continue;
      REQUIRE((entry.d_un.d_val & DF_1_NODELETE) != 0);
      entry.d_un.d_val &= ~static_cast<Elf64_Xword>(DF_1_NODELETE);
      std::memcpy(bytes.data() + at, &entry, sizeof entry);
      return bytes;
    }
  }
  FAIL("no DT_FLAGS_1 in the plugin");
  return bytes;
}

TEST_CASE("a plugin stays in the process after its registry, however it was linked") {
  const Folder folder;
  const auto path = folder / "good.so";
  write_bytes(path, without_nodelete(read_bytes(built("good.so"))));
  {
    const Registry registry(only({path}));
    REQUIRE(registry.find(Kind::kEncoder, "steady").size() == 1);
  }
  void* const still_there = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
  CHECK(still_there != nullptr);
  if (still_there) ::dlclose(still_there);
}

TEST_CASE("the search order, and never the current directory") {
  Surroundings around;
  around.plugin_path = "/e1::e2:/e3/x.so:.";
  around.data_home = "/data";
  around.home = "/home/a";
  around.executable = "/opt/v/libexec/variform/variform";
  const auto text = [](const Search& search) {
    std::string result;
    for (const Place& place : search.places)
      result += std::string(to_string(place.origin)) + " " + place.path.string() +
                (place.note.empty() ? "" : " !") + "\n";
    return result;
  };
  CHECK(text(search_for({"/f/a.so"}, {ConfigPath{"/c"}, ConfigPath{"relative"}}, around)) ==
        "--plugin /f/a.so\n[plugins].paths /c\n[plugins].paths relative !\nVARIFORM_PLUGIN_PATH /e1\n"
        "VARIFORM_PLUGIN_PATH e2 !\nVARIFORM_PLUGIN_PATH /e3/x.so\nVARIFORM_PLUGIN_PATH . !\nuser "
        "/data/variform/plugins\n"
        "installation /opt/v/lib/variform/plugins\nbuild tree /opt/v/libexec/variform/plugins\n");
  around = {};
  around.home = "/home/a";
  around.data_home = "relative";
  around.plugins = "/build/plugins";
  around.executable = "/opt/v/bin/variform";
  CHECK(text(search_for({}, {}, around)) ==
        "user /home/a/.local/share/variform/plugins\ninstallation /opt/v/lib/variform/plugins\nbuild tree "
        "/build/plugins\n");

  // A plugin in the current directory is not found, and neither is one named by a relative path in the environment.
  const Folder folder;
  std::filesystem::copy_file(built("good.so"), folder / "good.so");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  around = {};
  around.plugin_path = "good.so:.:";
  const Registry registry(search_for({}, {}, around));
  const Registry named(search_for({"good.so"}, {}, around));
  std::filesystem::current_path(before);
  CHECK(registry.records().empty());
  CHECK(registry.warnings() ==
        std::vector<std::string>{"VARIFORM_PLUGIN_PATH good.so: ignored: not an absolute path.",
                                 "VARIFORM_PLUGIN_PATH .: ignored: not an absolute path."});
  CHECK(named.records().size() == 1);  // --plugin is what somebody just typed
}

TEST_CASE("whose file it is decides whether it is trusted") {
  Surroundings around;
  around.executable = "/opt/v/bin/variform";
  for (const Place& place : search_for({"/opt/v/bin/plugins"}, {}, around).places)
    CHECK(place.is_own == (place.origin == Origin::kInstallation || place.origin == Origin::kBuildTree));
  around.plugins = "/elsewhere";
  CHECK_FALSE(search_for({}, {}, around).places.back().is_own);

  namespace fs = std::filesystem;
  const Folder folder;
  const fs::path run = folder / "run", inside = run / "p" / "good.so", outside = folder / "good.so";
  fs::create_directories(run / "p");
  fs::copy_file(built("good.so"), inside);
  fs::copy_file(built("good.so"), outside);
  fs::create_symlink(folder.path(), run / "link");
  fs::create_symlink(inside, folder / "back.so");
  const auto refused = [&](const fs::path& named, bool is_relative = false) {
    const Registry registry(search_for({}, {ConfigPath{named.string(), run, is_relative}}, around));
    REQUIRE(registry.records().size() == 1);
    return registry.records().front()->status == Status::kRefused;
  };
  CHECK(refused(inside));
  CHECK(refused(run / "p"));
  CHECK(refused(run / "link" / "good.so"));
  CHECK(refused(folder / "back.so"));
  CHECK(refused(outside, true));
  CHECK_FALSE(refused(outside));
  // Whoever names it oneself has decided.
  const Registry named(search_for({inside.string()}, {ConfigPath{inside.string(), run}}, around));
  CHECK(named.records().front()->status == Status::kAvailable);
  around.plugin_path = inside.string();
  const Registry also(search_for({}, {ConfigPath{inside.string(), run}}, around));
  REQUIRE(also.records().size() == 2);
  CHECK(also.records().back()->status == Status::kAvailable);
}

TEST_CASE("a descriptor can be built into the program") {
  static constexpr ComponentInfo kInfos[] = {[] {
    ComponentInfo info;
    info.kind_name = "encoder";
    info.id = "steady";
    info.create = [](const Build&) -> std::shared_ptr<Component> { return nullptr; };
    return info;
  }()};
  static constexpr ComponentList kList{kInfos, 1};
  static constexpr PluginInfo kInfo{kGoodId, "9.0.0", &kList, &kList + 1};
  Registry registry(only({built("good.so")}));
  registry.add_static(kInfo);
  CHECK(registry.offer(Kind::kEncoder, "steady").plugin->name() == "org.variform.test.good 9.0.0");
  CHECK(record(registry, "good.so").status == Status::kShadowed);
  CHECK_THAT(record(registry, "good.so").reason, ContainsSubstring("(built into this program) comes first"));
  CHECK_THAT(error_of([&] { registry.add_static(kInfo); }), ContainsSubstring("it is loaded already"));

  static constexpr ComponentInfo kDamaged[] = {ComponentInfo{}};
  static constexpr ComponentList kDamagedList{kDamaged, 1};
  static constexpr PluginInfo kDamagedInfo{"org.x", "1", &kDamagedList, &kDamagedList + 1};
  CHECK_THAT(error_of([&] { registry.add_static(kDamagedInfo); }),
             ContainsSubstring("a component without a kind"));
}

}  // namespace
}  // namespace variform::plugins
