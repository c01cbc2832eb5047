// The manifest reader against every way in which a file can be no plugin, and against random damage.

#include "plugins/manifest_reader.h"

#include <elf.h>

#include <cstring>
#include <random>

#include "files.h"

namespace variform::plugins {
namespace {

constexpr const char* kText =
    "variform-plugin: 1\nid: org.example.a\nversion: 1.0.0\nsdk-abi: 1\nlibtorch: 2.13\ncxx11-abi: 1\n"
    "sanitizer: none\nfingerprint: variform_sdk1_torch2_13_cxx11abi1_none\n";

std::string problem_of(const Folder& folder, const std::string& bytes) {
  write_bytes(folder / "x.so", bytes);
  const ManifestResult result = read_manifest(folder / "x.so");
  CHECK(result.manifest.has_value() == result.problem.empty());
  return result.problem;
}

TEST_CASE("a manifest is read from a plugin's file") {
  const ManifestResult result = read_manifest(built("good.so"));
  REQUIRE(result.problem == "");
  CHECK(result.manifest->id == "org.variform.test.good");
  CHECK(result.manifest->version == "1.2.3");
  CHECK(result.manifest->fingerprint == host_manifest().fingerprint);
  CHECK(result.manifest->components.size() == 8);
  CHECK(result.manifest->offers("encoder:steady"));
  CHECK(result.manifest->offers("decoder:flat"));
  CHECK_FALSE(result.manifest->offers("encoder:flat"));
  CHECK(incompatibility(*result.manifest, host_manifest()) == "");
}

TEST_CASE("a file that is no plugin is refused with its own clause") {
  const Folder folder;
  CHECK(read_manifest(folder / "absent.so").problem == "there is no such file; check the path");
  CHECK(read_manifest(folder.path()).problem == "expected a plugin file, found a folder");
  CHECK(read_manifest("/dev/null").problem ==
        "expected a plugin file, found something that is not a regular file");
  CHECK(problem_of(folder, "") == "the file is empty; copy or build it again");
  CHECK(problem_of(folder, "version https://git-lfs.github.com/spec/v1\noid 1\n") ==
        "expected a shared library, found a text file that begins \"version "
        "https://git-lfs.github.com/spec/\"");
  CHECK(problem_of(folder, std::string("PK\3\4\0\0\0", 7)) ==
        "expected a shared library, found data of another format");

  const std::string good = read_bytes(built("good.so"));
  const auto with = [&](std::size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    return problem_of(folder, bytes);
  };
  CHECK_THAT(with(EI_CLASS, ELFCLASS32),
             StartsWith("it is a 32-bit library, and this program is 64-bit; build it for"));
  CHECK_THAT(with(EI_CLASS, 7), StartsWith("its ELF header is damaged"));
  CHECK_THAT(with(EI_DATA, ELFDATA2MSB), StartsWith("it is a big-endian library"));
  CHECK_THAT(with(offsetof(Elf64_Ehdr, e_machine), EM_S390),
             StartsWith("it was built for another machine (ELF number 22)"));
  CHECK_THAT(with(offsetof(Elf64_Ehdr, e_type), ET_REL),
             StartsWith("it is an ELF file, but not a shared library"));
  CHECK_THAT(with(offsetof(Elf64_Ehdr, e_shentsize), 1), StartsWith("its section table is damaged"));
  CHECK_THAT(with(offsetof(Elf64_Ehdr, e_phentsize), 1), StartsWith("its program headers are damaged"));
  CHECK_THAT(problem_of(folder, patched(good, ".variform_manifest", ".variform_monifest")),
             StartsWith("it is a shared library, but not a Variform plugin"));
}

TEST_CASE("a plugin cut at any length is refused as truncated") {
  const Folder folder;
  const std::string good = read_bytes(built("good.so"));
  std::vector<std::size_t> lengths{1, 3, 4, 15, 16, 63, 64, 65, good.size() - 1};
  for (std::size_t n = 1; n < 200; ++n) lengths.push_back(good.size() * n / 200);
  for (const std::size_t length : lengths) {
    INFO("cut at " << length << " of " << good.size());
    REQUIRE_THAT(problem_of(folder, good.substr(0, length)),
                 StartsWith("the file is truncated or damaged: "));
  }
}

TEST_CASE("a segment beyond the file's end is found, since the system's loader would die of it") {
  const Folder folder;
  std::string bytes = read_bytes(built("good.so"));
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (std::size_t n = 0; n < header.e_phnum; ++n) {
    Elf64_Phdr segment;
    char* const at = bytes.data() + header.e_phoff + n * sizeof segment;
    std::memcpy(&segment, at, sizeof segment);
    if (segment.p_type != PT_LOAD) continue;
    segment.p_filesz = ~std::uint64_t{0} - 10;
    std::memcpy(at, &segment, sizeof segment);
    break;
  }
  CHECK_THAT(problem_of(folder, bytes),
             StartsWith("the file is truncated or damaged: its code or data lies beyond"));
}

TEST_CASE("3000 damaged files never crash the reader, and never make it allocate what they ask for") {
  const Folder folder;
  const std::string good = read_bytes(built("null-entry.so"));
  Elf64_Ehdr header;
  std::memcpy(&header, good.data(), sizeof header);
  std::mt19937 random(7);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  std::size_t accepted = 0;
  for (int n = 0; n < 3000; ++n) {
    std::string bytes = good;
    const std::size_t changes = 1 + below(8);
    for (std::size_t i = 0; i < changes; ++i) {
      // Most of the damage goes where the reader looks: header, section table, the rest.
      const std::size_t table = header.e_shoff + below(header.e_shnum * sizeof(Elf64_Shdr));
      const std::size_t at = n % 3 == 0 ? below(sizeof header) : n % 3 == 1 ? table : below(bytes.size());
      bytes[at] = static_cast<char>(random());
    }
    if (n % 5 == 0) bytes.resize(below(bytes.size()));
    write_bytes(folder / "x.so", bytes);
    const ManifestResult result = read_manifest(folder / "x.so");
    REQUIRE(result.manifest.has_value() == result.problem.empty());
    accepted += result.manifest.has_value();
  }
  CHECK(accepted > 100);   // the damage is not all in one place …
  CHECK(accepted < 2900);  // … and is mostly seen
}

TEST_CASE("the manifest's text is parsed strictly") {
  const std::string sound =
      std::string(kText) + std::string(100, '\0') + "component: family:a\ncomponent: prior:b\n";
  const ManifestResult result = parse_manifest(sound);
  REQUIRE(result.problem == "");
  CHECK(result.manifest->components == std::vector<std::string>{"family:a", "prior:b"});

  const auto problem = [](const std::string& text) { return parse_manifest(text).problem; };
  CHECK_THAT(problem(kText),
             ContainsSubstring("its manifest is damaged: it names no component; build the plugin again"));
  CHECK_THAT(problem(sound + "component: prior:b\n"), ContainsSubstring("names prior:b twice"));
  CHECK_THAT(problem(sound + "id: org.example.b\n"), ContainsSubstring("two values for \"id\""));
  CHECK_THAT(problem(sound + "nonsense"), ContainsSubstring("a line has no \": \""));
  CHECK_THAT(problem(sound + "x: \x1b[31m"), ContainsSubstring("\"x\" has no proper value"));
  CHECK_THAT(problem(sound.substr(sound.find("id:"))), ContainsSubstring("it has no \"variform-plugin\""));
  CHECK_THAT(problem(patched(sound, "plugin: 1", "plugin: 2")),
             ContainsSubstring("has format 2, and this program reads format 1"));
  for (const char* key : {"id", "version", "sdk-abi", "libtorch", "cxx11-abi", "sanitizer", "fingerprint"}) {
    const std::string line = std::string("\n") + key + ": ";
    std::string without = sound;
    const std::size_t at = without.find(line);
    without.erase(at, without.find('\n', at + 1) - at);
    CHECK_THAT(problem(without), ContainsSubstring("it has no \"" + std::string(key) + "\""));
  }
}

TEST_CASE("every difference between two builds is named, with both builds") {
  const Manifest host = host_manifest();
  Manifest plugin = host;
  CHECK(incompatibility(plugin, host) == "");
  plugin.fingerprint = "variform_other";
  CHECK_THAT(incompatibility(plugin, host),
             StartsWith("the plugin was built for fingerprint variform_other, this program"));
  plugin.sdk_abi = "9";
  plugin.sanitizer = "other";
  CHECK(incompatibility(plugin, host) ==
        "the plugin was built for SDK ABI 9, sanitizer other, this program for SDK ABI " + host.sdk_abi +
            ", sanitizer " + host.sanitizer + " (variform_other against " + host.fingerprint + ")");
}

TEST_CASE("the advice names the plugin's build folder if it lies in one") {
  const Folder folder;
  std::filesystem::create_directories(folder / "my build/plugins");
  CHECK(how_to_rebuild(folder / "my build/plugins/a.so", "/opt/variform") ==
        "rebuild it against this program's SDK, in its source folder: cmake -S . -B build "
        "-DCMAKE_PREFIX_PATH=/opt/variform && cmake --build build");
  write_bytes(folder / "my build/CMakeCache.txt", "");
  const std::string quoted = "'" + (folder / "my build").string() + "'";
  CHECK(how_to_rebuild(folder / "my build/plugins/a.so", "") ==
        "rebuild it against this program's SDK: cmake " + quoted + " && cmake --build " + quoted);
}

}  // namespace
}  // namespace variform::plugins
