// SHA-256 against the vectors of FIPS 180-4 / NIST CAVP and against itself in pieces.
#include <fstream>

#include "base/sha256.h"
#include "helpers.h"

using variform::base::Sha256;
using variform::base::sha256;
using variform::base::sha256_file;

namespace {

const std::vector<std::pair<std::string, std::string>>& vectors() {
  static const std::vector<std::pair<std::string, std::string>> all = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
       "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
      {std::string(1000000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}};
  return all;
}

}  // namespace

TEST_CASE("SHA-256 gives the published digests", "[checkpoint][sha256]") {
  for (const auto& [message, digest] : vectors()) CHECK(sha256(message) == digest);
}

TEST_CASE("SHA-256 does not depend on how the message is cut, at every length around a block",
          "[checkpoint][sha256]") {
  std::string message;
  for (int length = 0; length <= 200; ++length) {
    Sha256 pieces;
    const std::string_view text = message;
    for (std::size_t at = 0; at < text.size(); at += 7) pieces.update(text.substr(at, 7));
    CHECK(sha256(message) == pieces.hex());
    message += static_cast<char>(length * 37);
  }
}

TEST_CASE("SHA-256 of a file is that of its bytes, and a missing file is named", "[checkpoint][sha256]") {
  const checkpoint_test::Folder folder;
  const std::string text(3000000, 'x');
  std::ofstream(folder / "plugin.so") << text;
  CHECK(sha256_file(folder / "plugin.so") == sha256(text));
  const std::string message = checkpoint_test::message_of([&] { sha256_file(folder / "none.so"); });
  CHECK(checkpoint_test::contains(message, "none.so\" could not be read: No such file"));
}
