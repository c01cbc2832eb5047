// See inflater.h.

#include "data/readers/inflater.h"

#include <isa-l/igzip_lib.h>

#include <algorithm>
#include <utility>

#include "data/readers/array.h"

namespace variform::data {
namespace {

constexpr std::size_t kBuffer = 1u << 17, kMostAtOnce = 1u << 30;  // ISA-L counts in 32 bits
constexpr std::uint8_t kMagic[] = {0x1f, 0x8b};

std::string why(int code) {
  switch (code) {
    case ISAL_INVALID_BLOCK: return "invalid block";
    case ISAL_INVALID_SYMBOL: return "invalid symbol";
    case ISAL_INVALID_LOOKBACK: return "a distance too far back";
    case ISAL_INVALID_WRAPPER: return "invalid header";
    case ISAL_UNSUPPORTED_METHOD: return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM: return "incorrect data check";
    default: return "ISA-L's error " + std::to_string(code);
  }
}

}  // namespace

Inflater::Inflater(Format format, More more, std::string name)
    : format_(format),
      more_(std::move(more)),
      name_(std::move(name)),
      buffer_(kBuffer),
      state_(std::make_unique<inflate_state>()) {
  isal_inflate_init(state_.get());
  state_->next_in = buffer_.data();
  state_->avail_in = 0;
  state_->crc_flag = format_ == Format::kGzip ? ISAL_GZIP : ISAL_DEFLATE;
}

Inflater::~Inflater() = default;

std::size_t Inflater::read(std::uint8_t* to, std::size_t n) {
  std::size_t got = 0;
  while (got < n && !has_ended_) {
    const bool is_fed = refill(1);
    const auto room = static_cast<std::uint32_t>(std::min(n - got, kMostAtOnce));
    state_->next_out = to + got;
    state_->avail_out = room;
    const int code = isal_inflate(state_.get());
    if (code != ISAL_DECOMP_OK && code != ISAL_END_INPUT && code != ISAL_OUT_OVERFLOW)
      refuse("damaged (" + why(code) + ")");
    got += room - state_->avail_out;
    if (state_->block_state == ISAL_BLOCK_FINISH) begin_next_member();
    else if (!is_fed && state_->avail_out == room) refuse("cut short");
  }
  return got;
}

// Makes at least `least` bytes available, if there are so many.
bool Inflater::refill(std::size_t least) {
  if (state_->avail_in >= least) return true;
  std::copy_n(state_->next_in, state_->avail_in, buffer_.data());
  state_->next_in = buffer_.data();
  state_->avail_in +=
      static_cast<std::uint32_t>(more_(buffer_.data() + state_->avail_in, buffer_.size() - state_->avail_in));
  return state_->avail_in >= least;
}

void Inflater::begin_next_member() {
  has_ended_ = format_ == Format::kDeflate || !refill(2) || state_->next_in[0] != kMagic[0] ||
               state_->next_in[1] != kMagic[1];
  if (has_ended_) return;
  isal_inflate_reset(state_.get());
  state_->crc_flag = ISAL_GZIP;
}

void Inflater::refuse(const std::string& found) const {
  throw ReadError(name_ + ": expected intact " + (format_ == Format::kGzip ? "gzip" : "deflated") +
                  " data, found it " + found + "; the file is truncated or damaged.");
}

}  // namespace variform::data
