#pragma once
// The server behind `runs serve`: HTTP on this machine's own address, nothing else.

#include <functional>
#include <string>

#include "serve/answers.h"

namespace variform::serve {

/// Answers at 127.0.0.1:`port` (0: one that is free) until the process ends; there is nothing to keep then. Calls
/// `listens` with the page's address once browsers can connect. Throws std::runtime_error if the port is taken.
[[noreturn]] void serve(const Answers& answers, int port,
                        const std::function<void(const std::string& url)>& listens);

}  // namespace variform::serve
