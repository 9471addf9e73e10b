// Streams, events and graphs of the emulated device: queues of work that run when the host waits.
#pragma once

#include "backends/emulation/runtime_api.h"

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace vitro::emulation {

/// A piece of queued work: a kernel, or anything else.
struct Work {
    std::function<void()> run;
    std::shared_ptr<const Kernel> kernel;
};

class Graph {
public:
    std::vector<Work> works;
};

class Stream {
public:
    Stream(bool keeps_order, int of_device) : blocking(keeps_order), device(of_device) {}

    void push(Work work);
    /// Runs until `position` pieces of work have ended, counted from the stream's first. After a Fault the rest is
    /// dropped.
    void run_until(std::uint64_t position);
    std::uint64_t pushed() const { return pushed_; }

    const bool blocking;  // keeps order with the default stream
    const int device;
    Graph* capture = nullptr;  // where work goes instead of running

private:
    void run_next(bool look_ahead);

    std::deque<Work> queue_;
    std::uint64_t pushed_ = 0, done_ = 0;
    std::unique_ptr<ResidentGrid> started_;  // the next kernel, run up to its wait for the one in front
};

class Event {
public:
    /// What a record leaves; kept by the work that fills it, so that the event may be destroyed before.
    struct Record {
        std::chrono::steady_clock::time_point time;
    };
    int device = 0;
    Stream* stream = nullptr;  // null until recorded, and where a graph records it
    std::uint64_t position = 0;
    Graph* capture = nullptr;  // recorded while this graph was captured
    std::shared_ptr<Record> record;
};

/// The device that is current for the calling thread, and a stream's own; of the default stream the current one.
int current_device();
int device_of(const Stream* stream);
/// Queues or captures work.
void push(Stream* stream, Work work);
/// True while a stream captures, when much is forbidden.
bool anything_captures();

}  // namespace vitro::emulation
