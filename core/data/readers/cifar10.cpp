// See cifar10.h. The format has no header: only its size and label bytes can reveal a wrong file.

#include "data/readers/cifar10.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "data/readers/source.h"

namespace variform::data {

Labelled read_cifar10(const std::filesystem::path& path, const Bounds& bounds) {
  constexpr std::size_t kImage = 3 * 32 * 32, kRecord = 1 + kImage, kAtOnce = 1000 * kRecord;
  const auto source = open_file(path, bounds);
  std::vector<std::uint8_t> all;
  for (std::size_t got = kAtOnce; got > 0;) {
    const std::size_t have = all.size();
    source->check(2 * have);  // and its copy without the labels
    all.resize(have + kAtOnce);
    got = source->read(all.data() + have, kAtOnce);
    all.resize(have + got);
  }
  if (all.empty() || all.size() % kRecord != 0)
    throw ReadError(
        fmt::format("{}: expected a CIFAR-10 batch, whole records of 3073 bytes, found {} bytes; the file is "
                    "truncated or of another format.",
                    source->name(), all.size()));
  const std::size_t n = all.size() / kRecord;
  Labelled result;
  result.x = {Element::kUint8, {static_cast<std::int64_t>(n), 3, 32, 32}, {}};
  result.x.bytes.resize(n * kImage);
  result.labels = {Element::kInt64, {static_cast<std::int64_t>(n)}, {}};
  result.labels.bytes.resize(n * sizeof(std::int64_t));
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint8_t* record = all.data() + i * kRecord;
    const std::int64_t label = record[0];
    if (label > 9)
      throw ReadError(
          fmt::format("{}: expected labels 0 to 9, found {} in record {}; this is not a CIFAR-10 batch.",
                      source->name(), label, i));
    std::memcpy(result.labels.bytes.data() + i * sizeof label, &label, sizeof label);
    std::copy_n(record + 1, kImage, result.x.bytes.data() + i * kImage);
  }
  return result;
}

}  // namespace variform::data
