// Applies the lm_head after every layer: which token a model would choose if it ended there.
//
// The residual stream after each layer goes through the model's own final norm and head ("logit lens": nostalgebraist,
// "interpreting GPT: the logit lens", 2020).
#pragma once

#include "runtime/model_taps.h"

#include <string>
#include <vector>

namespace vitro {

class Lens {
public:
    /// Finds the layers' outputs, the final norm and the head in the graph as the model's code wrote it. Error when the
    /// model has no sequence of identical layers whose output goes to a head. `taps` must outlive this.
    explicit Lens(const ModelTaps& taps);

    /// Paths of the residual stream, before the first layer and after each layer; the caller taps them.
    const std::vector<std::string>& paths() const { return paths_; }

    /// Logits of the last token, computed from one of these values as tapped: [vocab_size].
    std::vector<float> logits(const SeenValue& residual, Backend& host) const;
    /// Root mean square of the value's last token.
    static double rms(const SeenValue& residual);

private:
    const ModelTaps& taps_;
    std::vector<std::string> paths_;
    std::vector<NodeId> head_;  // of the source graph, in order: from the last layer's output to the logits
    ValueId residual_ = -1;     // the last layer's output
};

}  // namespace vitro
