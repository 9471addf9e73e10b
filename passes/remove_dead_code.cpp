// what nothing wants -> nothing
#include "passes/passes.h"

namespace vitro {

bool remove_dead_code(Graph& graph, PassContext& context) {
    return Rewriter(graph, context.journal, "remove_dead_code").finish();
}

}  // namespace vitro
