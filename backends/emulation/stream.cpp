#include "backends/emulation/stream.h"

#include "backends/emulation/device_heap.h"
#include "backends/emulation/failures.h"
#include "backends/emulation/options.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <mutex>

namespace vitro::emulation {
namespace {

/// All streams there ever were; a destroyed one stays, since others may still wait for it.
struct Device {
    std::recursive_mutex mutex;
    std::vector<std::unique_ptr<Stream>> streams;
    std::vector<std::unique_ptr<Graph>> capturing;

    Device() { streams.push_back(std::make_unique<Stream>(true, 0)); }
    Stream& default_stream() { return *streams.front(); }
    Stream& of(Stream* stream) { return stream != nullptr ? *stream : default_stream(); }
};

Device& device() {
    static Device instance;
    return instance;
}

using Lock = std::lock_guard<std::recursive_mutex>;

void run_all() {
    // Waits between streams may push nothing, so one round is enough.
    auto& streams = device().streams;
    for (std::size_t i = 0; i < streams.size(); ++i) streams[i]->run_until(streams[i]->pushed());
}

/// A kernel can start ahead of the one in front when all its threads together are not too many to keep.
bool may_start_ahead(const Work& work) {
    constexpr std::uint64_t kMostThreads = 8192;  // two such kernels at a time, two memory mappings a thread
    if (work.kernel == nullptr || !work.kernel->programmatic || !options().overlap_programmatic_launches) return false;
    const dim3 grid = work.kernel->grid, block = work.kernel->block;
    return std::uint64_t{grid.x} * grid.y * grid.z * block.x * block.y * block.z <= kMostThreads;
}

void check_range(const char* call, const char* verb, const void* address, std::size_t bytes) {
    if (DeviceHeap::contains(address) && !DeviceHeap::accessible(address, bytes))
        throw Fault(fmt::format("{}: {} {} bytes that run into {}: out of bounds", call, verb, bytes,
                                DeviceHeap::instance().describe(static_cast<const std::byte*>(address))));
}

void copy(const char* call, void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind) {
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind != cudaMemcpyDefault &&
        (DeviceHeap::contains(target) != to_device || DeviceHeap::contains(source) != from_device))
        throw Fault(fmt::format("{}: the direction does not fit the pointers", call));
    check_range(call, "reads", source, bytes);
    check_range(call, "writes", target, bytes);
    std::memcpy(target, source, bytes);
}

void set(const char* call, void* target, int value, std::size_t bytes) {
    if (!DeviceHeap::contains(target)) throw Fault(fmt::format("{}: the target is not device memory", call));
    check_range(call, "writes", target, bytes);
    if (value == 0)
        DeviceHeap::zero(target, bytes);
    else
        std::memset(target, value, bytes);
}

}  // namespace

void Stream::push(Work work) {
    queue_.push_back(std::move(work));
    ++pushed_;
}

void Stream::run_until(std::uint64_t position) {
    try {
        while (done_ < position) run_next(done_ + 1 < position);
    } catch (...) {
        started_.reset();
        queue_.clear();
        done_ = pushed_;
        throw;
    }
}

void Stream::run_next(bool look_ahead) {
    const Work work = std::move(queue_.front());
    queue_.pop_front();
    std::unique_ptr<ResidentGrid> ahead;
    if (look_ahead && work.kernel != nullptr && may_start_ahead(queue_.front())) {
        ahead = std::make_unique<ResidentGrid>(*queue_.front().kernel);
        ahead->run_ahead();
    }
    if (started_ != nullptr) {
        started_->finish();
        started_.reset();
    } else if (work.kernel != nullptr) {
        run_grid(*work.kernel);
    } else {
        work.run();
    }
    started_ = std::move(ahead);
    ++done_;
}

int device_of(const Stream* stream) { return stream != nullptr ? stream->device : current_device(); }

void push(Stream* handle, Work work) {
    const Lock lock(device().mutex);
    Stream& stream = device().of(handle);
    if (stream.capture != nullptr) {
        stream.capture->works.push_back(std::move(work));
        return;
    }
    // The default stream and the blocking ones keep the order of the calls.
    const auto wait_for = [&](Stream& other) {
        if (&other != &stream && other.blocking && other.pushed() != 0 && other.capture == nullptr)
            stream.push({[&other, position = other.pushed()] { other.run_until(position); }, nullptr});
    };
    if (&stream == &device().default_stream())
        for (auto& other : device().streams) wait_for(*other);
    else if (stream.blocking)
        wait_for(device().default_stream());
    stream.push(std::move(work));
}

bool anything_captures() {
    const Lock lock(device().mutex);
    return !device().capturing.empty();
}

cudaError_t cudaDeviceSynchronize() {
    if (const cudaError_t error = planted_failure("cudaDeviceSynchronize"); error != cudaSuccess) return error;
    if (anything_captures()) return cudaErrorStreamCaptureUnsupported;
    const Lock lock(device().mutex);
    run_all();
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    if (const cudaError_t error = planted_failure("cudaStreamCreateWithFlags"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    device().streams.push_back(std::make_unique<Stream>((flags & cudaStreamNonBlocking) == 0, current_device()));
    *stream = device().streams.back().get();
    count_handle(1);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    const Lock lock(device().mutex);
    count_handle(-1);
    try {
        stream->run_until(stream->pushed());
    } catch (const Fault&) {
        return cudaErrorLaunchFailure;  // destructors call this
    }
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
    if (const cudaError_t error = planted_failure("cudaStreamSynchronize"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    Stream& stream = device().of(handle);
    if (stream.capture != nullptr) return cudaErrorStreamCaptureUnsupported;
    stream.run_until(stream.pushed());
    return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaStreamSynchronize(stream); }

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
    const Lock lock(device().mutex);
    Stream& stream = device().of(handle);
    if (event->capture != nullptr) {
        // The stream joins the capture: the list keeps the order of the calls.
        if (stream.capture == nullptr) stream.capture = event->capture;
        return stream.capture == event->capture ? cudaSuccess : cudaErrorStreamCaptureInvalidated;
    }
    if (stream.capture != nullptr) return cudaErrorStreamCaptureUnsupported;
    if (event->stream != nullptr && event->stream != &stream)
        push(&stream, {[other = event->stream, position = event->position] { other->run_until(position); }, nullptr});
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (const cudaError_t error = planted_failure("cudaMemcpyAsync"); error != cudaSuccess) return error;
    push(stream, {[=] { copy("cudaMemcpyAsync", target, source, bytes, kind); }, nullptr});
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void* target, const void* source, std::size_t bytes, cudaMemcpyKind kind) {
    if (const cudaError_t error = planted_failure("cudaMemcpy"); error != cudaSuccess) return error;
    if (anything_captures()) return cudaErrorStreamCaptureUnsupported;
    push(nullptr, {[=] { copy("cudaMemcpy", target, source, bytes, kind); }, nullptr});
    return cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemsetAsync(void* target, int value, std::size_t bytes, cudaStream_t stream) {
    if (const cudaError_t error = planted_failure("cudaMemsetAsync"); error != cudaSuccess) return error;
    push(stream, {[=] { set("cudaMemsetAsync", target, value, bytes); }, nullptr});
    return cudaSuccess;
}

cudaError_t cudaMemset(void* target, int value, std::size_t bytes) {
    if (anything_captures()) return cudaErrorStreamCaptureUnsupported;
    push(nullptr, {[=] { set("cudaMemset", target, value, bytes); }, nullptr});
    return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, void (*function)(void*), void* data) {
    push(stream, {[=] { function(data); }, nullptr});
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
    if (const cudaError_t error = planted_failure("cudaEventCreateWithFlags"); error != cudaSuccess) return error;
    *event = new Event;
    (*event)->device = current_device();
    count_handle(1);
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    count_handle(-1);
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t handle, unsigned flags) {
    if (const cudaError_t error = planted_failure("cudaEventRecord"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    Stream& stream = device().of(handle);
    if (device_of(handle) != event->device) return cudaErrorInvalidResourceHandle;
    const bool is_external = (flags & cudaEventRecordExternal) != 0;
    if (is_external && stream.capture == nullptr) return cudaErrorInvalidValue;
    event->capture = is_external ? nullptr : stream.capture;
    if (event->capture != nullptr) return cudaSuccess;
    event->record = std::make_shared<Event::Record>();
    push(&stream, {[record = event->record] { record->time = std::chrono::steady_clock::now(); }, nullptr});
    if (is_external) {
        event->stream = nullptr;
        return cudaSuccess;
    }
    event->stream = &stream;
    event->position = stream.pushed();
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    return cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (const cudaError_t error = planted_failure("cudaEventSynchronize"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    if (event->capture != nullptr) return cudaErrorStreamCaptureUnsupported;
    if (event->stream != nullptr) event->stream->run_until(event->position);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    if (const cudaError_t error = planted_failure("cudaEventElapsedTime"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    if (start->record == nullptr || end->record == nullptr) return cudaErrorInvalidValue;
    if (start->record->time.time_since_epoch().count() == 0 || end->record->time.time_since_epoch().count() == 0)
        return cudaErrorNotReady;
    *milliseconds = std::chrono::duration<float, std::milli>(end->record->time - start->record->time).count();
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    if (const cudaError_t error = planted_failure("cudaStreamBeginCapture"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    // As CUDA has it, the default stream cannot capture.
    if (stream == nullptr || stream->capture != nullptr) return cudaErrorStreamCaptureUnsupported;
    device().capturing.push_back(std::make_unique<Graph>());
    stream->capture = device().capturing.back().get();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    const Lock lock(device().mutex);
    if (stream == nullptr || stream->capture == nullptr) return cudaErrorStreamCaptureInvalidated;
    Graph* captured = stream->capture;
    for (auto& other : device().streams)
        if (other->capture == captured) other->capture = nullptr;
    auto& all = device().capturing;
    const auto found = std::find_if(all.begin(), all.end(), [&](auto& one) { return one.get() == captured; });
    std::unique_ptr<Graph> ended = std::move(*found);
    all.erase(found);
    *graph = nullptr;
    if (const cudaError_t error = planted_failure("cudaStreamEndCapture"); error != cudaSuccess) return error;
    *graph = ended.release();
    count_handle(1);
    return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
    const Lock lock(device().mutex);
    *status = device().of(stream).capture != nullptr ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
    if (const cudaError_t error = planted_failure("cudaGraphInstantiate"); error != cudaSuccess) return error;
    *executable = new Graph(*graph);
    count_handle(1);
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    if (const cudaError_t error = planted_failure("cudaGraphLaunch"); error != cudaSuccess) return error;
    const Lock lock(device().mutex);
    // The first kernel of a graph starts after all that is in front of the graph.
    push(stream, {[] {}, nullptr});
    for (const Work& work : executable->works) push(stream, work);
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
    if (const cudaError_t error = planted_failure("cudaGraphUpload"); error != cudaSuccess) return error;
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    count_handle(-1);
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    count_handle(-1);
    delete executable;
    return cudaSuccess;
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, void* nodes, std::size_t* count) {
    if (const cudaError_t error = planted_failure("cudaGraphGetNodes"); error != cudaSuccess) return error;
    if (nodes != nullptr) return cudaErrorInvalidValue;
    *count = graph->works.size();
    return cudaSuccess;
}

}  // namespace vitro::emulation
