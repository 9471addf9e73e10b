// Errors that a caller may want to distinguish from others, to tell the user a way out.
#pragma once

#include "base/error.h"

namespace vitro {

/// A text does not fit the context, or the KV cache has no free page for it. Nothing has changed.
class ContextError : public Error {
public:
    using Error::Error;
};

/// The results of a step contain NaN or +Inf. Nothing has changed.
class NotFiniteError : public Error {
public:
    using Error::Error;
};

/// A device has not enough memory for a model. Nothing has been loaded.
class MemoryError : public Error {
public:
    using Error::Error;
};

}  // namespace vitro
