// See interrupt.h.

#include "base/interrupt.h"

namespace variform::base {

volatile std::sig_atomic_t& interrupt_flag() {
  static volatile std::sig_atomic_t flag = 0;
  return flag;
}

}  // namespace variform::base
