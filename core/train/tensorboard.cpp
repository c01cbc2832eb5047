// See tensorboard.h. Messages and numbers of fields: tensorflow's event.proto and summary.proto, and tensorboard's
// plugins/hparams (api.proto, plugin_data.proto).

#include "train/tensorboard.h"

#include <fcntl.h>
#include <isa-l/crc.h>
#include <unistd.h>

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cerrno>
#include <cmath>
#include <iterator>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

#include "base/contents.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/retry.h"
#include "config/load.h"

namespace variform::train {
namespace fs = std::filesystem;
namespace {

// ---- Protocol Buffers: a field is a key (its number and kind of value) and its value.

enum Wire : std::uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

std::string varint(std::uint64_t value) {
  std::string text;
  for (; value >= 0x80; value >>= 7) text += static_cast<char>(value | 0x80);
  return text + static_cast<char>(value);
}
std::string key(std::uint64_t number, Wire wire) { return varint(number << 3 | wire); }

template <class Bits>
std::string little_endian(Bits bits) {
  std::string text;
  for (std::size_t i = 0; i < sizeof bits; ++i) text += static_cast<char>(bits >> (8 * i));
  return text;
}

std::string field(std::uint64_t number, std::uint64_t value) { return key(number, kVarint) + varint(value); }
std::string field(std::uint64_t number, double value) {
  return key(number, kFixed64) + little_endian(std::bit_cast<std::uint64_t>(value));
}
std::string field(std::uint64_t number, float value) {
  return key(number, kFixed32) + little_endian(std::bit_cast<std::uint32_t>(value));
}
std::string field(std::uint64_t number, std::string_view bytes) {
  return key(number, kBytes) + varint(bytes.size()) + std::string(bytes);
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Summary.Value of the plugin "hparams": a tag and the plugin's own message.
std::string hparams_summary(const char* tag, const std::string& content) {
  const std::string plugin = field(1, std::string_view("hparams")) + field(2, content);
  const std::string metadata = field(1, plugin);
  return field(1, field(1, std::string_view(tag)) + field(9, metadata));
}

// google.protobuf.Value.
std::string as_value(const EventFile::Value& value) {
  if (const auto* number = std::get_if<double>(&value)) return field(2, *number);
  if (const auto* flag = std::get_if<bool>(&value)) return field(4, std::uint64_t{*flag});
  return field(3, std::string_view(std::get<std::string>(value)));
}

// hparams' DataType.
std::uint64_t type_of(const EventFile::Value& value) {
  constexpr std::uint64_t kString = 1, kBool = 2, kFloat64 = 3;
  return std::holds_alternative<double>(value) ? kFloat64
         : std::holds_alternative<bool>(value) ? kBool
                                               : kString;
}

// Width and height of a PNG file, from its header.
std::pair<std::uint64_t, std::uint64_t> size_of_png(std::span<const std::byte> png) {
  constexpr std::size_t kWidth = 16, kHeight = 20;
  const auto number = [&](std::size_t at) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint64_t>(png[at + i]);
    return value;
  };
  if (png.size() < kHeight + 4) throw std::runtime_error("a picture is not a PNG file");
  return {number(kWidth), number(kHeight)};
}

// The leaves of a config as "model.family.type".
void flatten(const config::Node& node, const std::string& path,
             std::vector<std::pair<std::string, EventFile::Value>>& values) {
  if (node.is_table()) {
    for (const config::Node::Member& member : node.members())
      flatten(member.value, path.empty() ? member.key : path + "." + member.key, values);
    return;
  }
  if (const auto* flag = node.if_flag()) values.emplace_back(path, *flag);
  else if (const auto* number = node.if_number()) values.emplace_back(path, *number);
  else if (const auto* integer = node.if_integer()) values.emplace_back(path, static_cast<double>(*integer));
  else if (const auto* text = node.if_text()) values.emplace_back(path, *text);
  else values.emplace_back(path, config::print_value(node));
}

}  // namespace

std::uint32_t masked_crc32c(std::string_view data) {
  std::string copy(data);  // ISA-L takes what it does not change as if it did
  const std::uint32_t crc =
      ~crc32_iscsi(reinterpret_cast<unsigned char*>(copy.data()), static_cast<int>(copy.size()), ~0U);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

EventFile::EventFile(const fs::path& folder, std::int64_t step) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) base::fail_on_file("create the folder", folder, error.value());
  const double now = seconds_now();
  for (int number = 0;; ++number) {
    path_ = folder / fmt::format("events.out.tfevents.{:010.0f}.{}.{}.{}", std::floor(now), base::host_name(),
                                 ::getpid(), number);
    file_ = base::Descriptor(base::retried(
        [&] { return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666); }));
    if (file_.open()) break;
    if (errno != EEXIST) base::fail_on_file("create", path_, errno);
  }
  event(0, field(3, std::string_view("brain.Event:2")));
  constexpr std::uint64_t kStart = 1;
  event(step, field(7, field(1, kStart)));
}

void EventFile::record(std::string_view data) {
  const std::string length = little_endian(std::uint64_t{data.size()});
  std::string all = length + little_endian(masked_crc32c(length));
  all.append(data);
  all += little_endian(masked_crc32c(data));
  if (const int problem = base::write_all(file_.get(), std::as_bytes(std::span(all))))
    base::fail_on_file("write", path_, problem);
}

void EventFile::event(std::int64_t step, const std::string& body) {
  record(field(1, seconds_now()) + (step == 0 ? "" : field(2, static_cast<std::uint64_t>(step))) + body);
}

void EventFile::scalars(std::int64_t step, const std::string& group,
                        const std::map<std::string, double>& values) {
  std::string summary;
  for (const auto& [name, value] : values)
    summary += field(1, field(1, std::string_view(group + "/" + name)) + field(2, static_cast<float>(value)));
  if (!summary.empty()) event(step, field(5, summary));
}

void EventFile::histogram(std::int64_t step, const std::string& name, std::span<const double> values) {
  constexpr std::size_t kParts = 30;
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  if (finite.empty()) return;
  const auto [low, high] = std::minmax_element(finite.begin(), finite.end());
  const double width = (*high - *low) / kParts;
  std::array<double, kParts> counts{};
  double sum = 0, squares = 0;
  for (const double value : finite) {
    const double part = width > 0 ? std::floor((value - *low) / width) : 0;
    counts[std::min(static_cast<std::size_t>(part), kParts - 1)] += 1;
    sum += value;
    squares += value * value;
  }
  std::string limits, inside;
  for (std::size_t i = 0; i < kParts; ++i) {
    const double limit = i + 1 == kParts ? *high : *low + width * static_cast<double>(i + 1);
    limits += little_endian(std::bit_cast<std::uint64_t>(limit));
    inside += little_endian(std::bit_cast<std::uint64_t>(counts[i]));
  }
  const std::string histogram =
      field(1, *low) + field(2, *high) + field(3, static_cast<double>(finite.size())) + field(4, sum) +
      field(5, squares) + field(6, std::string_view(limits)) + field(7, std::string_view(inside));
  event(step, field(5, field(1, field(1, std::string_view(name)) + field(5, histogram))));
}

void EventFile::picture(std::int64_t step, const std::string& name, std::span<const std::byte> png) {
  const auto [width, height] = size_of_png(png);
  constexpr std::uint64_t kColours = 3;
  const std::string image = field(1, height) + field(2, width) + field(3, kColours) +
                            field(4, std::string_view(reinterpret_cast<const char*>(png.data()), png.size()));
  event(step, field(5, field(1, field(1, std::string_view(name)) + field(4, image))));
}

void EventFile::hyperparameters(const std::vector<std::pair<std::string, Value>>& values,
                                const std::vector<std::string>& metrics) {
  std::string experiment, session;
  for (const auto& [name, value] : values) {
    experiment += field(4, field(1, std::string_view(name)) + field(4, type_of(value)));
    session += field(1, field(1, std::string_view(name)) + field(2, as_value(value)));
  }
  for (const std::string& metric : metrics)
    experiment += field(5, field(1, field(2, std::string_view(metric))));
  session += field(5, seconds_now());
  event(0, field(5, hparams_summary("_hparams_/experiment", field(2, experiment))));
  event(0, field(5, hparams_summary("_hparams_/session_start_info", field(3, session))));
}

void EventFile::ended(bool succeeded) {
  constexpr std::uint64_t kSuccess = 1, kFailure = 2;
  const std::string end = field(1, succeeded ? kSuccess : kFailure) + field(2, seconds_now());
  event(0, field(5, hparams_summary("_hparams_/session_end_info", field(4, end))));
}

// ------------------------------------------------------------------------------------------------ the observer

TensorBoard::TensorBoard(fs::path folder, const config::Node& resolved, Latents latents, base::Log& log,
                         Observer& to)
    : folder_(std::move(folder)), latents_(std::move(latents)), log_(log), to_(to) {
  flatten(resolved, "", hyperparameters_);
}
TensorBoard::~TensorBoard() = default;

void TensorBoard::begin(std::int64_t step) {
  try {
    file_ = std::make_unique<EventFile>(folder_ / "tensorboard", step);
  } catch (const std::runtime_error& error) {
    log_.warning(std::string("nothing is written for TensorBoard: ") + error.what());
  }
}

template <class Write>
void TensorBoard::attempt(const Write& write) {
  if (!file_) return;
  try {
    write(*file_);
  } catch (const std::runtime_error& error) {
    log_.warning(std::string("no more is written for TensorBoard: ") + error.what());
    file_.reset();
  }
}

void TensorBoard::stepped(std::int64_t step, std::int64_t horizon,
                          const std::map<std::string, double>& values) {
  to_.stepped(step, horizon, values);
  if (!values.empty()) attempt([&](EventFile& file) { file.scalars(step, "train", values); });
}

void TensorBoard::evaluated(std::int64_t step, const std::string& split,
                            const std::map<std::string, double>& values, bool best) {
  to_.evaluated(step, split, values, best);
  attempt([&](EventFile& file) {
    if (!hyperparameters_.empty()) {
      std::vector<std::string> metrics;
      for (const auto& [name, value] : values) metrics.push_back(split + "/" + name);
      file.hyperparameters(hyperparameters_, metrics);
      hyperparameters_.clear();
    }
    file.scalars(step, split, values);
  });
  if (file_ && latents_) show_latents(step);
}

// One histogram over the rows for each latent, and one over the latents of their means.
void TensorBoard::show_latents(std::int64_t step) {
  Tensor kl;
  try {
    kl = latents_().t().contiguous();  // [d, B]
  } catch (const Unsupported& lacks) {
    latents_ = {};
    return log_.note(std::string("TensorBoard gets no histograms of the latents' KL: ") + lacks.what());
  } catch (const std::exception& error) {  // a training does not end for the want of a picture
    latents_ = {};
    return log_.warning(std::string("TensorBoard gets no histograms of the latents' KL: ") + error.what());
  }
  const auto values = [](const Tensor& row) {
    return std::span(row.const_data_ptr<double>(), static_cast<std::size_t>(row.numel()));
  };
  attempt([&](EventFile& file) {
    const Tensor means = kl.mean(1);
    file.histogram(step, "latent_kl/means", values(means));
    for (std::int64_t i = 0; i < kl.size(0); ++i)
      file.histogram(step, fmt::format("latent_kl/{}", i), values(kl[i]));
  });
}

void TensorBoard::finish(std::int64_t step, const fs::path& figures) {
  attempt([&](EventFile& file) {
    std::error_code error;
    std::vector<fs::path> pictures;
    for (fs::directory_iterator entry(figures, error), end; !error && entry != end; entry.increment(error))
      if (entry->path().extension() == ".png") pictures.push_back(entry->path());
    std::sort(pictures.begin(), pictures.end());
    for (const fs::path& picture : pictures) {
      const std::string bytes = base::contents_of(picture, std::uint64_t{1} << 26);
      file.picture(step, picture.stem().string(), std::as_bytes(std::span(bytes)));
    }
    file.ended(true);
  });
}

}  // namespace variform::train
