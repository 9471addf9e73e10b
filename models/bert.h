#pragma once

#include "models/architecture.h"

namespace vitro {

/// BERT (Devlin et al. 2019) and RoBERTa (Liu et al. 2019): the original block (Vaswani et al. 2017), its norms behind
/// each sum, over learned positions; every token sees the whole text.
extern const Architecture kBert, kRoberta, kXlmRoberta;

}  // namespace vitro
