// A profile as a file for trace viewers, in Chrome's trace event format, which Perfetto (ui.perfetto.dev) reads.
#pragma once

#include "runtime/profile.h"

#include <map>
#include <string>

namespace vitro {

/// One process; a thread for the host, with each call of the model and what of it is not kernels, and one for each
/// device, with each step: its path, bytes, operations and their rates. Times in microseconds, to the nanosecond.
std::string trace_json(const Profile& profile, const std::map<std::string, Peaks>& peaks);

}  // namespace vitro
