// Errors that a caller may want to tell from others, to offer a way out.
#pragma once

#include "base/error.h"

namespace vitro {

/// A text that does not fit the context, or finds no free page in the KV cache. Nothing has changed.
class ContextError : public Error {
public:
    using Error::Error;
};

/// A step whose results hold NaN or +Inf. Nothing has changed.
class NotFiniteError : public Error {
public:
    using Error::Error;
};

/// A device that has not the memory for a model. Nothing is loaded.
class MemoryError : public Error {
public:
    using Error::Error;
};

}  // namespace vitro
