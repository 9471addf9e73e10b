// The one op that the graph room knows itself: it moves a value to another device. Placement puts it in; the executor
// carries it out with the backends' upload and download, so no backend has a kernel for it.
#pragma once

#include "graph/op_def.h"

namespace vitro {

/// out = x, in the memory of the device that the node stands on. One of both devices is the host.
extern const OpDef kCopy;

}  // namespace vitro
