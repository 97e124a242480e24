"""Questions for the primer, on tensors, gradients and a single training step."""
