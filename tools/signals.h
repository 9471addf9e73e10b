// What signals do to a command.
#pragma once

#include <atomic>

namespace vitro {

/// Set by the first Ctrl-C after catch_interrupt(); a second one ends the program at once.
extern std::atomic<bool> interrupted;

/// Set when the terminal gets another size, after catch_resize().
extern std::atomic<bool> resized;
void catch_resize();

/// A descriptor that can be read when one of the two was set since forget_wake_up(): whichever thread took the signal,
/// who polls it cannot miss it.
int wake_up_descriptor();
void forget_wake_up();

/// From now on the next SIGINT sets `interrupted` instead of ending the program.
void catch_interrupt();

/// Exit code of a command that Ctrl-C ended.
inline constexpr int kInterruptedExit = 130;

/// SIGINT, SIGTERM and SIGHUP remove unfinished output files before they end the program. SIGBUS in a model file that
/// somebody has shortened meanwhile ends it with 1 and an error that names the file.
void guard_files();

/// From now on such an end leaves the terminal on stdin as it is now, and writes `last` to stderr.
void guard_terminal(const char* last);

}  // namespace vitro
