#include "runtime/weights.h"

namespace vitro {

void Weights::load(const Progress& progress) {
    prepared_.emplace(*load_program_, targets_);
    prepared_->make({[this](const ValueInfo& weight) { return checkpoint_.tensor(weight.source).data; },
                     [this](const ValueInfo& weight) { checkpoint_.release(weight.source); },
                     [this](const ValueInfo& weight) { checkpoint_.unload(weight.source); }},
                    progress);
}

}  // namespace vitro
