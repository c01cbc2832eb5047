#pragma once
// The build fingerprint of the SDK, and the text that a plugin carries in its ELF section ".variform_manifest".
// Two builds may share a process only if SDK ABI, LibTorch major.minor, C++ string ABI and sanitizers agree.

#include <variform/schema.h>

#include <torch/version.h>

#include <array>
#include <cstddef>
#include <string_view>

/// The SDK's own version: what it promises to whoever compiles against it (docs/sdk.md).
#define VARIFORM_SDK_VERSION "2.0.0"
/// The number of the binary interface. It moves when a plugin built before can no longer be loaded (docs/sdk.md).
#define VARIFORM_SDK_ABI 3

/// @cond
// Parts of VARIFORM_FINGERPRINT.
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
/// @endcond

/// The symbol that libvariform-sdk exports and that every plugin references: a foreign plugin does not link.
#define VARIFORM_FINGERPRINT                                                                        \
  VARIFORM_JOIN(VARIFORM_SDK_ABI, TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, _GLIBCXX_USE_CXX11_ABI, \
                VARIFORM_SANITIZER)
/// @cond
extern "C" __attribute__((visibility("default"))) const char VARIFORM_FINGERPRINT[];
/// @endcond

namespace variform {
inline namespace v2 {

/// This build's fingerprint in words, for messages and manifests.
inline constexpr std::string_view kFingerprint = VARIFORM_TEXT(VARIFORM_FINGERPRINT);
/// VARIFORM_SDK_ABI.
inline constexpr int kSdkAbi = VARIFORM_SDK_ABI;
/// LibTorch's major and minor version, "2.13".
inline constexpr std::string_view kLibTorchVersion =
    VARIFORM_TEXT(TORCH_VERSION_MAJOR) "." VARIFORM_TEXT(TORCH_VERSION_MINOR);

/// Lines of text of a fixed capacity, filled at compile time; unused bytes are NUL.
template <std::size_t N>
struct ManifestText {
  std::array<char, N> bytes{};  ///< the text
  std::size_t size = 0;         ///< its length
  /// Appends; what does not fit is a compile error.
  constexpr ManifestText& add(std::string_view text) {
    for (char c : text) bytes[size++] = c;  // too long: not a constant expression
    return *this;
  }
};

/// The part of the manifest that VARIFORM_PLUGIN writes once: id, version and what the plugin was built for.
constexpr std::array<char, 512> manifest_of_plugin(std::string_view id, std::string_view version) {
  ManifestText<512> text;
  text.add("variform-plugin: 1\nid: ").add(id).add("\nversion: ").add(version);
  text.add("\nsdk-abi: " VARIFORM_TEXT(VARIFORM_SDK_ABI) "\nlibtorch: ").add(kLibTorchVersion);
  text.add("\ncxx11-abi: " VARIFORM_TEXT(_GLIBCXX_USE_CXX11_ABI) "\nsanitizer: " VARIFORM_TEXT(
      VARIFORM_SANITIZER));
  text.add("\nfingerprint: ").add(kFingerprint).add("\n");
  return text.bytes;
}

/// The part that each source file writes: one line "component: kind:id" for each of its components.
template <class Infos>
constexpr std::array<char, 1024> manifest_of_components(const Infos& infos) {
  ManifestText<1024> text;
  for (const auto& info : infos) text.add("component: ").add(info.kind_name).add(":").add(info.id).add("\n");
  return text.bytes;
}

}  // namespace v2
}  // namespace variform
