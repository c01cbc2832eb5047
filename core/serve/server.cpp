// All that is seen of Boost.Beast. See server.h.

#include "serve/server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

namespace variform::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr int kThreads = 8;
constexpr const char* kHost = "127.0.0.1";
constexpr std::uint32_t kMostBytesOfHeader = 16384;
constexpr std::chrono::seconds kPatience{10};  // with a browser that neither asks nor takes the answer
constexpr std::chrono::milliseconds kPause{100};

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

// Returns the text of a part of an address: "%2F" is "/", and "+" a blank.
std::string decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char code = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16).ptr == text.data() + i + 3) {
      plain += static_cast<char>(code);
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

// Returns the parameters of an address: what stands behind "?".
std::map<std::string, std::string> parameters_of(std::string_view query) {
  std::map<std::string, std::string> parameters;
  while (!query.empty()) {
    const std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(one.size() + 1, query.size()));
    const std::size_t equals = std::min(one.find('='), one.size());
    if (equals > 0)
      parameters.emplace(decoded(one.substr(0, equals)),
                         decoded(one.substr(std::min(equals + 1, one.size()))));
  }
  return parameters;
}

Question question_of(const http::request_header<>& request) {
  const std::string_view target = view_of(request.target());
  const std::size_t end = std::min(target.find('?'), target.size());
  return {std::string(view_of(request.method_string())), decoded(target.substr(0, end)),
          std::string(view_of(request[http::field::host])),
          parameters_of(target.substr(std::min(end + 1, target.size())))};
}

// One connection, with one question: a browser's idle connections would hold what others need.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket&& socket, const Answers& answers) : stream_(std::move(socket)), answers_(answers) {
    parser_.header_limit(kMostBytesOfHeader);
  }

  void begin() {
    stream_.expires_after(kPatience);
    http::async_read_header(
        stream_, buffer_, parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
          if (!error) self->give(self->answers_.to(question_of(self->parser_.get())));
          else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
                   error != http::error::end_of_stream)
            self->give({400, "text/plain; charset=utf-8", "Expected a question by HTTP.\n", {}});
        });
  }

 private:
  void give(Answer answer) {
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::content_type, answer.type);
    for (const auto& [name, value] : answer.headers) response_.set(name, value);
    response_.keep_alive(false);
    response_.body() = std::move(answer.body);
    response_.prepare_payload();
    stream_.expires_after(kPatience);
    const auto given = [self = shared_from_this()](beast::error_code, std::size_t) {
      beast::error_code ignored;
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    };
    serializer_.emplace(response_);
    if (parser_.is_header_done() && parser_.get().method() == http::verb::head)
      http::async_write_header(stream_, *serializer_, given);  // with the length of what is not sent
    else http::async_write(stream_, *serializer_, given);
  }

  beast::tcp_stream stream_;
  const Answers& answers_;
  beast::flat_buffer buffer_;
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
};

// Takes connections for ever.
void take_next(tcp::acceptor& acceptor, asio::io_context& work, const Answers& answers) {
  acceptor.async_accept(asio::make_strand(work), [&](beast::error_code error, tcp::socket socket) {
    if (error) std::this_thread::sleep_for(kPause);  // the system takes no more of them for now
    else {
      socket.set_option(tcp::no_delay(true), error);
      std::make_shared<Session>(std::move(socket), answers)->begin();
    }
    take_next(acceptor, work, answers);
  });
}

tcp::acceptor acceptor_at(asio::io_context& work, int port) {
  try {
    return {work, {asio::ip::make_address(kHost), static_cast<std::uint16_t>(port)}};
  } catch (const boost::system::system_error&) {
    throw std::runtime_error(
        "expected a port of this machine that is free, found one that is taken or not allowed; "
        "name another by --port, or leave it out.");
  }
}

}  // namespace

void serve(const Answers& answers, int port, const std::function<void(const std::string& url)>& listens) {
  asio::io_context work(kThreads);
  tcp::acceptor acceptor = acceptor_at(work, port);
  listens(std::string("http://") + kHost + ":" + std::to_string(acceptor.local_endpoint().port()) + "/");
  take_next(acceptor, work, answers);
  std::vector<std::jthread> threads;
  for (int i = 1; i < kThreads; ++i) threads.emplace_back([&work] { work.run(); });
  work.run();
  throw std::logic_error("the server has stopped");  // not reached: it always waits for the next connection
}

}  // namespace variform::serve
