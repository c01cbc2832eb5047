// All that is seen of cpp-httplib. See server.h.

#include "serve/server.h"

#include <sys/socket.h>

#include <csignal>
#include <httplib.h>
#include <stdexcept>

namespace variform::serve {
namespace {

constexpr int kThreads = 8;
constexpr const char* kHost = "127.0.0.1";

Question question_of(const httplib::Request& request) {
  Question question{request.method, request.path, request.get_header_value("Host"), {}};
  for (const auto& [name, value] : request.params) question.parameters.emplace(name, value);
  return question;
}

void give(const Answers& answers, const httplib::Request& request, httplib::Response& response) {
  const Answer answer = answers.to(question_of(request));
  response.status = answer.status;
  for (const auto& [name, value] : answer.headers) response.set_header(name.c_str(), value);
  response.set_content(answer.body, answer.type.c_str());
}

// The library's own options would let two servers share a port.
void set_options(socket_t socket) {
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

void serve(const Answers& answers, int port, const std::function<void(const std::string& url)>& listens) {
  httplib::Server server;  // it ignores SIGPIPE: a browser that leaves is no reason to end
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };  // the library deletes it
  server.set_socket_options(set_options);
  server.set_keep_alive_max_count(1);  // else a browser's idle connections hold the threads
  server.set_payload_max_length(0);
  server.set_tcp_nodelay(true);
  server.set_pre_routing_handler([&](const httplib::Request& request, httplib::Response& response) {
    give(answers, request, response);
    return httplib::Server::HandlerResponse::Handled;
  });
  if (port == 0) port = server.bind_to_any_port(kHost);
  else if (!server.bind_to_port(kHost, port)) port = -1;
  if (port < 0)
    throw std::runtime_error(
        "expected a port of this machine that is free, found one that is taken or not allowed; "
        "name another by --port, or leave it out.");
  listens(std::string("http://") + kHost + ":" + std::to_string(port) + "/");
  server.listen_after_bind();
  throw std::runtime_error("the server has stopped: the system takes no more connections.");
}

}  // namespace variform::serve
