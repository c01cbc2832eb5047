#pragma once
// The build fingerprint of the SDK, and the text that a plugin carries in its ELF section ".variform_manifest".
// Two builds may share a process only if SDK ABI, LibTorch major.minor, C++ string ABI and sanitizers agree.

#include <variform/schema.h>

#include <torch/version.h>

#include <array>
#include <cstddef>
#include <string_view>

/// Moves when a plugin built before can no longer be loaded.
#define VARIFORM_SDK_ABI 1

#if defined(__SANITIZE_ADDRESS__)
#define VARIFORM_SANITIZER asan
#elif defined(__SANITIZE_THREAD__)
#define VARIFORM_SANITIZER tsan
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VARIFORM_SANITIZER asan
#elif __has_feature(thread_sanitizer)
#define VARIFORM_SANITIZER tsan
#else
#define VARIFORM_SANITIZER none
#endif
#else
#define VARIFORM_SANITIZER none
#endif

#define VARIFORM_JOIN_(a, b, c, d, e) variform_sdk##a##_torch##b##_##c##_cxx11abi##d##_##e
#define VARIFORM_JOIN(a, b, c, d, e) VARIFORM_JOIN_(a, b, c, d, e)
#define VARIFORM_TEXT_(x) #x
#define VARIFORM_TEXT(x) VARIFORM_TEXT_(x)

/// The symbol that libvariform-sdk exports and that every plugin references: a foreign plugin does not link.
#define VARIFORM_FINGERPRINT                                                                        \
  VARIFORM_JOIN(VARIFORM_SDK_ABI, TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, _GLIBCXX_USE_CXX11_ABI, \
                VARIFORM_SANITIZER)
extern "C" __attribute__((visibility("default"))) const char VARIFORM_FINGERPRINT[];

namespace variform {
inline namespace v1 {

/// This build's fingerprint in words, for messages and manifests.
inline constexpr std::string_view kFingerprint = VARIFORM_TEXT(VARIFORM_FINGERPRINT);
inline constexpr int kSdkAbi = VARIFORM_SDK_ABI;
inline constexpr std::string_view kLibTorchVersion =
    VARIFORM_TEXT(TORCH_VERSION_MAJOR) "." VARIFORM_TEXT(TORCH_VERSION_MINOR);

/// Lines of text of a fixed capacity, filled at compile time; unused bytes are NUL.
template <std::size_t N>
struct ManifestText {
  std::array<char, N> bytes{};
  std::size_t size = 0;
  constexpr ManifestText& add(std::string_view text) {
    for (char c : text) bytes[size++] = c;  // too long: not a constant expression
    return *this;
  }
};

/// "plugin" part: written once by VARIFORM_PLUGIN.
constexpr std::array<char, 512> manifest_of_plugin(std::string_view id, std::string_view version) {
  ManifestText<512> text;
  text.add("variform-plugin: 1\nid: ").add(id).add("\nversion: ").add(version);
  text.add("\nsdk-abi: " VARIFORM_TEXT(VARIFORM_SDK_ABI) "\nlibtorch: ").add(kLibTorchVersion);
  text.add("\ncxx11-abi: " VARIFORM_TEXT(_GLIBCXX_USE_CXX11_ABI) "\nsanitizer: " VARIFORM_TEXT(
      VARIFORM_SANITIZER));
  text.add("\nfingerprint: ").add(kFingerprint).add("\n");
  return text.bytes;
}

/// "components" part: one line "component: kind:id" each; a plugin may have several such parts, one per source file.
template <class Infos>
constexpr std::array<char, 1024> manifest_of_components(const Infos& infos) {
  ManifestText<1024> text;
  for (const auto& info : infos)
    text.add("component: ").add(to_string(info.kind)).add(":").add(info.id).add("\n");
  return text.bytes;
}

}  // namespace v1
}  // namespace variform
