#include "ops/common/map_cuda.h"

namespace vitro::VITRO_DEVICE {
namespace {

/// Element stride of `tensor` along output axis `axis` of `rank`; 0 where it is stretched.
std::int64_t stride_of(const Tensor& tensor, int axis, int rank) {
    const int own = axis - (rank - tensor.rank);
    return own < 0 || tensor.sizes[std::size_t(own)] == 1 ? 0 : tensor.count(own + 1, tensor.rank);
}

}  // namespace

BroadcastDims broadcast_dims(const Tensor& x, const Tensor& y, const Tensor& out) {
    BroadcastDims dims;
    for (int axis = 0; axis < out.rank; ++axis) {
        const int size = kernel_int(out.dim(axis)), last = dims.rank - 1;
        if (size == 1) continue;
        const std::int64_t x_stride = stride_of(x, axis, out.rank), y_stride = stride_of(y, axis, out.rank);
        if (last >= 0 && dims.x[last] == x_stride * size && dims.y[last] == y_stride * size) {
            dims.sizes[last] = kernel_int(std::int64_t{dims.sizes[last]} * size);
            dims.x[last] = x_stride;
            dims.y[last] = y_stride;
        } else {
            dims.sizes[dims.rank] = size;
            dims.x[dims.rank] = x_stride;
            dims.y[dims.rank++] = y_stride;
        }
    }
    if (dims.rank == 0) dims.sizes[dims.rank++] = 1;
    return dims;
}

}  // namespace vitro::VITRO_DEVICE
