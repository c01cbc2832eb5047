// See gloo_group.h. The one file that includes LibTorch's c10d and Gloo's headers; without those it refuses to be used.

#include "train/gloo_group.h"

#include <stdexcept>

#if VARIFORM_GLOO

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/descriptor.h"
#include "base/interrupt.h"

namespace variform::train {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using StorePointer = c10::intrusive_ptr<c10d::Store>;

constexpr milliseconds kTick{250};                // between two looks at the others
constexpr milliseconds kPoll{10};                 // of who waits for the others
constexpr seconds kSilence{15};                   // without a sign of life: gone
constexpr seconds kArrival{120};                  // for all to come, and to be reached
constexpr seconds kFarewell{10};                  // for the others to have seen the end
constexpr seconds kFarewellInLoss{2};             // the same where one of them never will
constexpr seconds kFresh{3};                      // a process with so late a sign of life is there
constexpr seconds kCause{2};                      // for the cause of a closed connection to become known
constexpr std::chrono::hours kForever{24 * 365};  // the watching thread ends what waits in vain
constexpr std::int64_t kSmall = 4096;             // values that are sent whole rather than in halves

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }
std::string text_of(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unknown host";
}

// Returns this machine's address on the way to another one; empty if that cannot be told. Nothing is sent.
std::string own_address_towards(const std::string& host) {
  addrinfo wanted{}, *found = nullptr;
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_DGRAM;
  if (::getaddrinfo(host.c_str(), "9", &wanted, &found) != 0) return {};
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> kept(found, ::freeaddrinfo);
  const base::Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  socklen_t size = sizeof(own);
  if (!socket.open() || ::connect(socket.get(), found->ai_addr, found->ai_addrlen) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return {};
  std::array<char, INET_ADDRSTRLEN> text{};
  return ::inet_ntop(AF_INET, &own.sin_addr, text.data(), text.size()) ? text.data() : "";
}

// Returns the network device of Gloo: that of GLOO_SOCKET_IFNAME; else the loopback where all processes are on this
// machine; else the one on the way to process 0 or, on its own machine, to the rest of the world.
std::shared_ptr<::gloo::transport::Device> device_for(const Meeting& meeting) {
  const char* asked = std::getenv("GLOO_SOCKET_IFNAME");
  if (asked && *asked) {
    const std::string names = asked;
    return c10d::ProcessGroupGloo::createDeviceForInterface(names.substr(0, names.find(',')));
  }
  if (meeting.is_local) return c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  std::string own = own_address_towards(meeting.address);
  if (own.empty() || own.starts_with("127."))
    own = own_address_towards("192.0.2.1");  // of no machine (RFC 5737)
  if (own.empty()) return c10d::ProcessGroupGloo::createDefaultDevice();
  return c10d::ProcessGroupGloo::createDeviceForHostname(own);
}

// Keeps SIGPIPE from this thread while it lives, and for good from threads that are started meanwhile: a connection that
// another process has closed is an error, and no sign that nobody reads this program's output.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    if (::sigismember(&before_, SIGPIPE) == 1) return;
    const timespec at_once{};
    while (::sigtimedwait(&pipe_, nullptr, &at_once) == SIGPIPE) continue;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  sigset_t pipe_{}, before_{};
};

c10::intrusive_ptr<c10d::TCPStore> open_store(const Meeting& meeting, bool is_server) {
  c10d::TCPStoreOptions options;
  options.port = meeting.port;
  options.isServer = is_server;
  options.waitWorkers = false;
  options.timeout = kArrival;
  try {
    return c10::make_intrusive<c10d::TCPStore>(meeting.address, options);
  } catch (const std::exception& error) {
    throw std::runtime_error(fmt::format(
        "process {} of {} cannot {} at {}, port {}, where the processes of this training meet (MASTER_ADDR and "
        "MASTER_PORT name another place): {}",
        meeting.rank, meeting.size, is_server ? "open the store" : "reach process 0", meeting.address,
        meeting.port, std::string_view(error.what()).substr(0, std::string_view(error.what()).find('\n'))));
  }
}

// Returns the first line in which two texts differ, as "a" against "b".
std::string first_difference(const std::string& own, const std::string& other) {
  std::istringstream ours(own), theirs(other);
  std::string our_line, their_line;
  while (true) {
    const bool is_ours = static_cast<bool>(std::getline(ours, our_line)),
               is_theirs = static_cast<bool>(std::getline(theirs, their_line));
    if (!is_ours) our_line.clear();
    if (!is_theirs) their_line.clear();
    if (our_line != their_line || (!is_ours && !is_theirs)) break;
  }
  return fmt::format("\"{}\" against \"{}\"", our_line, their_line);
}

}  // namespace

struct GlooGroup::State {
  Meeting meeting;
  c10::intrusive_ptr<c10d::TCPStore> tcp;
  StorePointer store, watched;  // of the training's thread; of the watching one
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
  Tensor scratch;
  Missing missing;

  std::mutex mutex;
  std::condition_variable ends;
  bool ended = false;
  std::string lost;  // why the group cannot go on; empty: it can
  std::vector<c10::intrusive_ptr<c10d::Work>> works;
  std::thread watcher;

  std::string name(int rank) const { return fmt::format("process {} of {}", rank, meeting.size); }
  std::string key(const char* what, int rank) const { return fmt::format("{}/{}", what, rank); }
  bool has(StorePointer& in, const std::string& name) const { return in->check({name}); }

  bool is_fresh(int rank) {
    const std::lock_guard lock(mutex);
    return rank == meeting.rank || Clock::now() - signs[static_cast<std::size_t>(rank)].seen < kFresh;
  }
  // Ends what the training's thread waits for.
  void lose(const std::string& why) {
    const std::lock_guard lock(mutex);
    if (lost.empty()) lost = why;
    for (const auto& work : works) work->abort();
  }
  void throw_if_lost() {
    const std::lock_guard lock(mutex);
    if (!lost.empty()) throw GroupLost(lost);
  }
  // Notes a failure for all; the first one counts.
  void fail(StorePointer& in, const std::string& why) {
    in->compareSet("failure", {}, bytes_of(why));
    lose(text_of(in->get("failure")));
  }

  void watch();
  void look(std::int64_t tick);
  [[noreturn]] void fail_at(int partner);
  void transfer(int partner, const Tensor& give, const Tensor& take);
  template <class Ready>
  void wait_until(const Ready& ready);
  void connect();
  std::string difference(const nlohmann::json& own, int other);

  struct Sign {
    std::string last;
    Clock::time_point seen;
  };
  std::vector<Sign> signs;
};

// One look at the others, by the watching thread.
void GlooGroup::State::look(std::int64_t tick) {
  watched->set(key("alive", meeting.rank), bytes_of(std::to_string(tick)));
  if (has(watched, "failure")) return lose(text_of(watched->get("failure")));
  const Missing ask = [&] {
    const std::lock_guard lock(mutex);
    return missing;
  }();
  if (ask)
    if (const std::string text = ask(); !text.empty()) return fail(watched, text);
  // Process 0 looks after all, and they after it.
  int silent = -1;
  const int first = meeting.rank == 0 ? 1 : 0, end = meeting.rank == 0 ? meeting.size : 1;
  for (int other = first; other < end; ++other) {
    Sign& sign = signs[static_cast<std::size_t>(other)];
    if (!has(watched, key("alive", other)) || has(watched, key("left", other))) continue;
    const std::string now = text_of(watched->get(key("alive", other)));
    const std::lock_guard lock(mutex);
    if (now != sign.last) sign = {now, Clock::now()};
    else if (Clock::now() - sign.seen > kSilence) silent = other;
  }
  if (silent >= 0)
    fail(watched, fmt::format("{} (on {}) has given no sign of life for {} s", name(silent),
                              text_of(watched->get(key("host", silent))), kSilence.count()));
}

void GlooGroup::State::watch() {
  std::unique_lock lock(mutex);
  for (std::int64_t tick = 1; !ended; ++tick) {
    lock.unlock();
    try {
      look(tick);
    } catch (const std::exception&) {
      lose(name(0) + " (on " + meeting.address + ") has ended: its store cannot be reached any more");
    }
    lock.lock();
    ends.wait_for(lock, kTick, [&] { return ended; });
  }
}

// A connection was closed. Waits until it is known whether that has another cause.
void GlooGroup::State::fail_at(int partner) {
  for (const auto end = Clock::now() + kCause; Clock::now() < end; std::this_thread::sleep_for(kPoll))
    throw_if_lost();
  try {
    fail(store, fmt::format("{} (on {}) has ended: its connection to {} was closed", name(partner),
                            text_of(store->get(key("host", partner))), name(meeting.rank)));
  } catch (const std::exception&) {
    lose(name(partner) + " has ended: its connection was closed");
  }
  throw_if_lost();
  std::abort();  // not reached: lose() has been called
}

// Gives one tensor to another process and takes one of the same size from it; an empty one is neither sent nor awaited.
void GlooGroup::State::transfer(int partner, const Tensor& give, const Tensor& take) {
  const NoPipeSignal no_pipe_signal;
  std::vector<Tensor> outgoing{give}, incoming{take};
  try {
    {
      const std::lock_guard lock(mutex);
      if (!lost.empty()) throw GroupLost(lost);
      if (take.numel() > 0) works.push_back(gloo->recv(incoming, partner, 0));
      if (give.numel() > 0) works.push_back(gloo->send(outgoing, partner, 0));
    }
    for (const auto& work : works) work->wait(kForever);
  } catch (const GroupLost&) {
    throw;
  } catch (const std::exception&) {
    {
      const std::lock_guard lock(mutex);
      works.clear();
    }
    fail_at(partner);
  }
  {
    const std::lock_guard lock(mutex);
    works.clear();
  }
  throw_if_lost();
}

template <class Ready>
void GlooGroup::State::wait_until(const Ready& ready) {
  while (!ready()) {
    throw_if_lost();
    base::stop_if_interrupted("waiting for the other processes of this training");
    std::this_thread::sleep_for(kPoll);
  }
}

void GlooGroup::State::connect() {
  auto options = c10d::ProcessGroupGloo::Options::create(kArrival);
  options->devices.push_back(device_for(meeting));
  options->threads = 1;
  gloo = c10::make_intrusive<c10d::ProcessGroupGloo>(c10::make_intrusive<c10d::PrefixStore>("gloo", store),
                                                     meeting.rank, meeting.size, options);
}

// Returns how another process differs from this one, process 0; empty: it does not.
std::string GlooGroup::State::difference(const nlohmann::json& own, int other) {
  const auto theirs = nlohmann::json::parse(text_of(store->get(key("facts", other))));
  for (const auto& [what, value] : own.items())
    if (const std::string text = theirs.value(what, ""); text != value.get<std::string>())
      return fmt::format(
          "{} (on {}) has another {} than process 0: {}. All processes of one training need the same; for "
          "trainings that have nothing to do with each other: --processes 1.",
          name(other), text_of(store->get(key("host", other))), what,
          first_difference(text, value.get<std::string>()));
  return {};
}

bool has_gloo() { return true; }

GlooGroup::GlooGroup(const Meeting& given) : state_(std::make_unique<State>()) {
  const NoPipeSignal no_pipe_signal;
  State& s = *state_;
  s.meeting = given;
  s.tcp = open_store(given, given.rank == 0 && !given.has_store);
  s.meeting.port = s.tcp->getPort();
  s.store = c10::make_intrusive<c10d::PrefixStore>(given.prefix, s.tcp);
  s.watched = c10::make_intrusive<c10d::PrefixStore>(given.prefix, open_store(s.meeting, false));
  s.signs.resize(static_cast<std::size_t>(given.size), {{}, Clock::now()});
  s.store->set(s.key("host", given.rank), bytes_of(host_name()));
  s.watcher = std::thread([&s] { s.watch(); });
}

GlooGroup::~GlooGroup() {
  leave();
  {
    const std::lock_guard lock(state_->mutex);
    state_->ended = true;
  }
  state_->ends.notify_all();
  state_->watcher.join();
}

std::uint16_t GlooGroup::port() const { return state_->meeting.port; }
int GlooGroup::rank() const { return state_->meeting.rank; }
int GlooGroup::size() const { return state_->meeting.size; }
int GlooGroup::sharing() const { return state_->meeting.sharing; }

void GlooGroup::ask(Missing missing) {
  const std::lock_guard lock(state_->mutex);
  state_->missing = std::move(missing);
}

// Each value goes through the tree of ranks: halves of what is left go to the partner at distance 1, 2, 4 …, which adds
// its own, and come back the same way. Every process sends as little as possible, and the order of additions is the
// tree's whatever the number of values. Few values are sent whole, in half the number of messages.
void GlooGroup::add(Tensor& flat) {
  State& s = *state_;
  const Tensor values = flat.view({-1});
  const std::int64_t count = values.numel();
  if (!s.scratch.defined() || s.scratch.scalar_type() != flat.scalar_type() || s.scratch.numel() < count)
    s.scratch = at::empty_like(values);
  struct Part {
    int partner;
    std::int64_t keep, kept, give, given;  // first value and number
  };
  std::vector<Part> parts;
  std::int64_t first = 0, left = count;
  for (int distance = 1; distance < size(); distance *= 2) {
    const int partner = rank() ^ distance;
    if (count <= kSmall) {
      const Tensor theirs = s.scratch.narrow(0, 0, count);
      s.transfer(partner, values, theirs);
      Tensor(values).add_(theirs);
      continue;
    }
    const std::int64_t lower = left / 2;
    const bool keeps_lower = (rank() & distance) == 0;
    const Part part = keeps_lower ? Part{partner, first, lower, first + lower, left - lower}
                                  : Part{partner, first + lower, left - lower, first, lower};
    const Tensor theirs = s.scratch.narrow(0, 0, part.kept);
    s.transfer(partner, values.narrow(0, part.give, part.given), theirs);
    values.narrow(0, part.keep, part.kept).add_(theirs);
    first = part.keep;
    left = part.kept;
    parts.push_back(part);
  }
  for (; !parts.empty(); parts.pop_back()) {
    const Part& part = parts.back();
    s.transfer(part.partner, values.narrow(0, part.keep, part.kept), values.narrow(0, part.give, part.given));
  }
}

// Those that have it give it to as many others, until all have it.
void GlooGroup::copy_from_first(Tensor& flat) {
  const Tensor values = flat.view({-1}), nothing = values.narrow(0, 0, 0);
  for (int distance = 1; distance < size(); distance *= 2) {
    const int partner = rank() ^ distance;
    if (rank() < distance) state_->transfer(partner, values, nothing);
    else if (rank() < 2 * distance) state_->transfer(partner, nothing, values);
  }
}

bool GlooGroup::any(bool mine) {
  Tensor number = at::full({1}, mine ? 1.0 : 0.0, at::kDouble);
  add(number);
  return number[0].item<double>() > 0;
}

void GlooGroup::require_same(const std::map<std::string, std::string>& facts) {
  const NoPipeSignal no_pipe_signal;
  State& s = *state_;
  const nlohmann::json own = facts;
  s.store->set(s.key("facts", rank()), bytes_of(own.dump()));
  if (rank() == 0) {
    const auto latest = Clock::now() + kArrival;
    std::string found;
    for (int other = 1; other < size(); ++other) {
      s.wait_until([&] {
        if (Clock::now() > latest && !s.has(s.store, s.key("alive", other)))
          s.fail(s.store, fmt::format("{} has not come to {}, port {}, within {} s", s.name(other),
                                      s.meeting.address, s.meeting.port, kArrival.count()));
        return s.has(s.store, s.key("facts", other));
      });
      if (found.empty()) found = s.difference(own, other);
    }
    if (!found.empty()) s.fail(s.store, found);
    else s.store->set("same", bytes_of("yes"));
  }
  s.wait_until([&] { return s.has(s.store, "same"); });
  s.connect();
}

bool GlooGroup::tell_failure(const std::string& why) {
  const NoPipeSignal no_pipe_signal;
  State& s = *state_;
  try {
    const bool was_known = s.has(s.store, "failure");
    if (!was_known) s.fail(s.store, s.name(rank()) + " (on " + host_name() + "): " + why);
    const bool has_left = s.has(s.store, s.key("left", 0));
    return has_left ? was_known : s.is_fresh(0);
  } catch (const std::exception&) {
    return false;  // process 0 is gone, and the store with it
  }
}

void GlooGroup::leave() noexcept {
  const NoPipeSignal no_pipe_signal;
  State& s = *state_;
  try {
    if (s.has(s.store, s.key("left", rank()))) return;
    s.store->set(s.key("left", rank()), bytes_of("yes"));
    if (rank() != 0) return;
    const bool is_lost = s.has(s.store, "failure");
    const auto latest = Clock::now() + (is_lost ? kFarewellInLoss : kFarewell);
    const auto all_left = [&] {
      for (int other = 1; other < size(); ++other)
        if (s.has(s.store, s.key("alive", other)) && !s.has(s.store, s.key("left", other))) return false;
      return true;
    };
    while (!all_left() && Clock::now() < latest) std::this_thread::sleep_for(kPoll);
  } catch (const std::exception&) {  // nobody is left to be told
  }
}

}  // namespace variform::train

#else

namespace variform::train {

struct GlooGroup::State {};

bool has_gloo() { return false; }

GlooGroup::GlooGroup(const Meeting&) {
  throw std::runtime_error(
      "one model on several processes needs Gloo, and this program was built without its headers. Install "
      "Debian's libgloo-dev (gloo/context.h), then configure and build again.");
}
GlooGroup::~GlooGroup() = default;
std::uint16_t GlooGroup::port() const { return 0; }
void GlooGroup::ask(Missing) {}
int GlooGroup::rank() const { return 0; }
int GlooGroup::size() const { return 1; }
int GlooGroup::sharing() const { return 1; }
void GlooGroup::add(Tensor&) {}
void GlooGroup::copy_from_first(Tensor&) {}
bool GlooGroup::any(bool mine) { return mine; }
void GlooGroup::require_same(const std::map<std::string, std::string>&) {}
bool GlooGroup::tell_failure(const std::string&) { return false; }
void GlooGroup::leave() noexcept {}

}  // namespace variform::train

#endif
